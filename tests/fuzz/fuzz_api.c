/* fuzz_api.c: calls of the API that know its table. The bytes choose operations, and for every member of an operation whether it is there and what
 * stands in it: something that an earlier answer gave (ARNs, tokens, names, which is how one call meets what another made), such a thing with a letter
 * changed, a value at one of the member's bounds, or something hostile. Between calls time may pass, so that timers fire and tasks time out.
 *
 * Every input has a whole engine on a memory store of its own: what it finds can be played again. What must hold: every call is answered at
 * most once; the answer is what the table says of its operation (api_answer_fits); nothing is an internal error. */
#include "server/api_shape.h"
#include "tests/fuzz/engine_loop.h"
#include <stdio.h>

#define CALLS_MAX 40
#define POOL_MAX 64

/* ---- the input, byte by byte ---------------------------------------------------------------------------------------- */

struct bytes {
	const uint8_t *at, *end;
};

static unsigned take(struct bytes *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

/* ---- what answers gave ---------------------------------------------------------------------------------------------- */

static struct {
	char *member, *text; /* in which member it was given */
} pool[POOL_MAX]; /* the newest replaces the oldest */
static unsigned pool_count;

static void keep(struct str member, struct str text)
{
	unsigned at = pool_count++ % POOL_MAX;
	free(pool[at].member);
	free(pool[at].text);
	pool[at].member = mem_strndup(member.ptr, member.len);
	pool[at].text = mem_strndup(text.ptr, text.len);
}

/* Whether what was given as `given` can be asked for as `member`: ARNs of versions and aliases are machines' too, and all are resources'. */
static bool fits(const char *given, const char *member)
{
	bool machine = strcmp(member, "stateMachineArn") == 0 && strncmp(given, "stateMachine", 12) == 0;
	bool resource = strcmp(member, "resourceArn") == 0 && str_ends(str_of(given), STR("Arn"));
	return strcmp(given, member) == 0 || machine || resource;
}

/* One of those that fit, or NULL. */
static const char *pick(const char *member, unsigned which)
{
	const char *found[POOL_MAX];
	unsigned count = 0;
	for (unsigned i = 0; i < POOL_MAX; i++)
		if (pool[i].text && fits(pool[i].member, member))
			found[count++] = pool[i].text;
	return count ? found[which % count] : NULL;
}

/* ARNs, tokens and names, wherever they stand. */
static void gather(const struct value *value, unsigned depth)
{
	if (depth > 6)
		return;
	for (size_t i = 0; i < value_count(value); i++) {
		const struct value *item = value_at(value, i);
		bool text = value_is(item, VALUE_STRING);
		if (value_is(item, VALUE_OBJECT) || value_is(item, VALUE_ARRAY))
			gather(item, depth + 1);
		else if (text && value_is(value, VALUE_OBJECT)) {
			struct str key = value_key_at(value, i);
			if (str_ends(key, STR("Arn")) || str_ends(key, STR("Token")) || str_eqz(key, "name") || str_eqz(key, "revisionId"))
				keep(key, value_string(item));
			struct value *inner = NULL; /* a child's input may hold a token */
			if (str_eqz(key, "input") && value_parse(value_string(item), NULL, &inner, NULL) == 0 && value_is(inner, VALUE_OBJECT))
				gather(inner, depth + 1);
			value_unref(inner);
		}
	}
}

/* ---- values ---------------------------------------------------------------------------------------------------------- */

#define STATES "arn:aws:states:us-east-1:000000000000:"
#define ROLE "arn:aws:iam::000000000000:role/r"

static const char *const definitions[] = {
	"{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\",\"End\":true}}}",
	"{\"StartAt\":\"W\",\"States\":{\"W\":{\"Type\":\"Wait\",\"Seconds\":30,\"End\":true}}}",
	"{\"StartAt\":\"F\",\"States\":{\"F\":{\"Type\":\"Fail\",\"Error\":\"E\"}}}",
	"{\"StartAt\":\"T\",\"States\":{\"T\":{\"Type\":\"Task\",\"Resource\":\"" STATES "activity:a\",\"TimeoutSeconds\":50,\"End\":true}}}",
	"{\"StartAt\":\"T\",\"States\":{\"T\":{\"Type\":\"Task\",\"Resource\":\"arn:aws:states:::states:startExecution.waitForTaskToken\","
	"\"HeartbeatSeconds\":40,\"Parameters\":{\"StateMachineArn\":\"" STATES "stateMachine:a\",\"Input\":{\"taskToken.$\":\"$$.Task.Token\"}},\"End\":true}}}",
	"{\"StartAt\":\"T\",\"States\":{\"T\":{\"Type\":\"Task\",\"Resource\":\"arn:aws:states:::states:startExecution.sync:2\","
	"\"Parameters\":{\"StateMachineArn\":\"" STATES "stateMachine:b\",\"Input.$\":\"$\"},\"End\":true}}}",
	"{\"StartAt\":\"P\",\"States\":{\"P\":{\"Type\":\"Parallel\",\"End\":true,\"Branches\":[{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\","
	"\"End\":true}}},{\"StartAt\":\"B\",\"States\":{\"B\":{\"Type\":\"Fail\"}}}]}}}",
	"{\"QueryLanguage\":\"JSONata\",\"StartAt\":\"M\",\"States\":{\"M\":{\"Type\":\"Map\",\"Items\":\"{% [1..3] %}\",\"End\":true,\"ItemProcessor\":"
	"{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\",\"Output\":\"{% $states.input + 1 %}\",\"End\":true}}}}}}",
	"{\"Type\":\"Pass\",\"Result\":1,\"Next\":\"N\"}",
	"{\"Type\":\"Task\",\"Resource\":\"arn:aws:states:::lambda:invoke\",\"Retry\":[{\"ErrorEquals\":[\"States.ALL\"]}],\"End\":true}",
	"{\"StartAt\":\"A\"}",
};

static const char *const hostile[] = {
	"", " ", "a", "b", "1", "live", "{}", "[]", "null", "{\"a\":1.50}", "\"text\"", "{", "{\"Payload\":1}", "a\nb", "\x01", "\xc3\xa9\xf0\x9f\x98\x80", "a b",
	"%s%n%x", "../../etc/passwd", "arn:", "arn:aws:states", STATES, STATES "stateMachine:", STATES "stateMachine:a", STATES "stateMachine:a:1",
	STATES "stateMachine:a:live", STATES "stateMachine:a:0", STATES "stateMachine:a:18446744073709551616", STATES "stateMachine:a/label",
	STATES "execution:a:a", STATES "execution:a:", STATES "express:a:b:c", STATES "activity:a", STATES "mapRun:a/b:c", "arn:aws:states:eu-west-1:1:stateMachine:a",
	"arn:aws-cn:states:us-east-1:000000000000:execution:a:a", ROLE, "ALL_DATA", "METADATA_ONLY", "RUNNING", "STANDARD", "EXPRESS", "DEBUG", "TRACE",
};

static const char *const documents[] = { "{}", "{\"a\":1.50}", "[1,2]", "\"text\"", "{\"Payload\":1}", "null" };

static const char *const names[] = { "a", "b", "c", "live", "stage", "A" };

static const char *const numbers[] = { "0", "1", "2", "-1", "100", "101", "1000", "1001", "0.5", "1e3", "9007199254740993", "9223372036854775808", "-0", "1e400" };

static const char *const objects[] = {
	"{}", "{\"type\":\"AWS_OWNED_KEY\"}", "{\"type\":\"CUSTOMER_MANAGED_KMS_KEY\",\"kmsKeyId\":\"k\",\"kmsDataKeyReusePeriodSeconds\":60}", "{\"type\":7}",
	"{\"enabled\":true}", "{\"enabled\":\"x\"}", "{\"level\":\"ALL\",\"includeExecutionData\":true,\"destinations\":[{\"cloudWatchLogsLogGroup\":"
	"{\"logGroupArn\":\"arn:aws:logs:us-east-1:000000000000:log-group:g:*\"}}]}", "{\"level\":\"ALL\"}", "{\"level\":\"NO\",\"destinations\":7}",
	"{\"result\":\"{\\\"a\\\":1}\"}", "{\"errorOutput\":{\"error\":\"E\",\"cause\":\"c\"}}", "{\"result\":\"1\",\"fieldValidationMode\":\"NONE\"}", "{\"result\":1}",
	"{\"retrierRetryCount\":1}", "{\"errorCausedByState\":\"A\",\"mapIterationFailureCount\":2}", "{\"mapItemReaderData\":\"[1]\"}", "{\"a\":{\"a\":{\"a\":[[]]}}}",
};

#define ANY(list, n) (list)[(n) % (sizeof(list) / sizeof((list)[0]))]

static bool is_document(const char *member)
{
	return strcmp(member, "input") == 0 || strcmp(member, "output") == 0 || strcmp(member, "context") == 0 || strcmp(member, "variables") == 0;
}

/* A text for `member`: what an answer gave, that with a letter changed, something hostile, or one of a length at a bound. */
static void put_string(struct buffer *out, struct bytes *in, const struct api_member *member)
{
	_cleanup_(buffer_done) struct buffer text = { 0 };
	unsigned how = take(in), which = take(in);
	const char *given = pick(member->name, which), *any = pool[which % POOL_MAX].text;
	if (strcmp(member->name, "definition") == 0 && how % 16 < 14)
		buffer_addz(&text, ANY(definitions, which));
	else if (strcmp(member->name, "roleArn") == 0 && how % 16 < 14)
		buffer_addz(&text, ROLE);
	else if (member->choices && how % 8 < 6) { /* one of its words */
		const char *word = member->choices;
		for (unsigned skip = which % 6; skip && strchr(word, ','); skip--)
			word = strchr(word, ',') + 2;
		buffer_append(&text, word, strcspn(word, ","));
	} else if (given && how % 16 < 12)
		buffer_addz(&text, given);
	else if (any && how % 16 == 12)
		buffer_addz(&text, any);
	else if (!given && how % 16 < 11) /* what is meant to be right */
		buffer_addz(&text, is_document(member->name) ? ANY(documents, which) : ANY(names, which));
	else if (how % 16 == 13 && member->most && member->most < 4000)
		for (int64_t i = 0, length = member->most + which % 3 - 1; i < length; i++)
			buffer_byte(&text, 'x');
	else
		buffer_addz(&text, ANY(hostile, which));
	if (how >= 224 && text.len) { /* a letter is changed, or is a NUL */
		text.data[take(in) % text.len] = (char)(take(in) & 0x7f);
	}
	value_write_string(buffer_str(&text), out);
}

static void put_list(struct buffer *out, struct bytes *in, const struct api_member *member)
{
	static const struct api_member key = { "key", API_STRING, true, 1, 128, NULL }, arn = { "stateMachineVersionArn", API_STRING, true, 1, 256, NULL };
	unsigned count = take(in) % 4;
	buffer_byte(out, '[');
	for (unsigned i = 0; i < count; i++) {
		unsigned how = take(in);
		if (i)
			buffer_byte(out, ',');
		if (how % 16 == 0)
			buffer_addz(out, ANY(objects, how / 16));
		else if (strcmp(member->name, "tagKeys") == 0)
			put_string(out, in, &key);
		else if (strcmp(member->name, "tags") == 0) {
			buffer_addz(out, "{\"key\":");
			put_string(out, in, &key);
			buffer_addz(out, ",\"value\":");
			put_string(out, in, &key);
			buffer_byte(out, '}');
		} else {
			buffer_addz(out, "{\"stateMachineVersionArn\":");
			put_string(out, in, &arn);
			buffer_printf(out, ",\"weight\":%s}", count == 1 ? "100" : how % 3 ? "50" : ANY(numbers, how));
		}
	}
	buffer_byte(out, ']');
}

static void put_member(struct buffer *out, struct bytes *in, const struct api_member *member, enum api_type type)
{
	switch (type) {
	case API_STRING:
		put_string(out, in, member);
		break;
	case API_BOOLEAN:
		buffer_addz(out, take(in) % 2 ? "true" : "false");
		break;
	case API_INTEGER:
	case API_NUMBER:
		buffer_addz(out, ANY(numbers, take(in)));
		break;
	case API_OBJECT:
		buffer_addz(out, ANY(objects, take(in)));
		break;
	case API_LIST:
		put_list(out, in, member);
		break;
	}
}

static void make_request(struct buffer *out, struct bytes *in, const struct api_operation *operation)
{
	buffer_byte(out, '{');
	for (const struct api_member *member = operation->members; member->name; member++) {
		unsigned there = take(in);
		if (member->required ? there >= 254 : there % 4 != 0)
			continue;
		api_put_name(out, member->name);
		if (there == 244)
			buffer_addz(out, "null");
		else
			put_member(out, in, member, there == 248 ? (enum api_type)(take(in) % 6) : member->type);
	}
	buffer_byte(out, '}');
}

/* ---- calls -------------------------------------------------------------------------------------------------------------- */

static bool loud; /* FUZZ_API_SHOW: every call and answer on stderr */

struct pending {
	struct api_call call;
	unsigned answers;
};

static void answered(struct api_call *call)
{
	struct pending *pending = call->data;
	_cleanup_(buffer_done) struct buffer problem = { 0 };
	_cleanup_(value_unrefp) struct value *answer = NULL;
	pending->answers++;
	if (loud)
		fprintf(stderr, "    %u %s\n", call->status, call->body.data);
	if (!api_answer_fits(call, &problem)) {
		fprintf(stderr, "%s: %s\n", problem.data, call->body.data);
		abort();
	}
	assert(call->status == 200 || call->status == 400 || call->status == 503);
	if (call->status == 200 && value_parse(buffer_str(&call->body), NULL, &answer, NULL) == 0)
		gather(answer, 0);
}

static bool stays(struct api_call *call)
{
	return false;
}

static void begin_call(struct engine *engine, struct bytes *in, struct pending *pending)
{
	_cleanup_(buffer_done) struct buffer body = { 0 };
	const struct api_operation *operation = &api_operations[take(in) % api_operations_count];
	make_request(&body, in, operation);
	if (loud)
		fprintf(stderr, "%s %.*s\n", operation->name, STR_FMT(buffer_str(&body)));
	pending->call = (struct api_call){ .engine = engine, .answered = answered, .gone = stays, .data = pending };
	api_begin(&pending->call, str_of(operation->name), buffer_str(&body));
}

/* What every input begins with, so that there is something to work with. */
static const struct {
	const char *operation, *body;
} prelude[] = {
	{ "CreateActivity",
	  "{\"name\":\"a\"}" },
	{ "CreateStateMachine",
	  "{\"name\":\"a\",\"roleArn\":\"" ROLE "\",\"publish\":true,\"definition\":\"{\\\"StartAt\\\":\\\"W\\\",\\\"States\\\":{\\\"W\\\":{\\\"Type\\\":\\\"Wait\\\",\\\"Seconds\\\":30,\\\"End\\\":true}}}\"}" },
	{ "CreateStateMachine",
	  "{\"name\":\"b\",\"roleArn\":\"" ROLE "\",\"type\":\"EXPRESS\",\"definition\":\"{\\\"StartAt\\\":\\\"A\\\",\\\"States\\\":{\\\"A\\\":{\\\"Type\\\":\\\"Pass\\\",\\\"End\\\":true}}}\"}" },
	{ "CreateStateMachine",
	  "{\"name\":\"t\",\"roleArn\":\"" ROLE "\",\"definition\":\"{\\\"StartAt\\\":\\\"T\\\",\\\"States\\\":{\\\"T\\\":{\\\"Type\\\":\\\"Task\\\",\\\"Resource\\\":\\\"" STATES "activity:a\\\",\\\"End\\\":true}}}\"}" },
	{ "CreateStateMachine",
	  "{\"name\":\"f\",\"roleArn\":\"" ROLE "\",\"definition\":\"{\\\"StartAt\\\":\\\"F\\\",\\\"States\\\":{\\\"F\\\":{\\\"Type\\\":\\\"Fail\\\"}}}\"}" },
	{ "CreateStateMachineAlias",
	  "{\"name\":\"live\",\"routingConfiguration\":[{\"stateMachineVersionArn\":\"" STATES "stateMachine:a:1\",\"weight\":100}]}" },
	{ "StartExecution",
	  "{\"stateMachineArn\":\"" STATES "stateMachine:t\"}" },
	{ "StartExecution",
	  "{\"stateMachineArn\":\"" STATES "stateMachine:a:live\"}" },
	{ "StartExecution",
	  "{\"stateMachineArn\":\"" STATES "stateMachine:f\"}" },
	{ "GetActivityTask",
	  "{\"activityArn\":\"" STATES "activity:a\"}" },
};
#define PRELUDE (sizeof prelude / sizeof prelude[0])

static void begin_prelude(struct engine *engine, unsigned i, struct pending *pending)
{
	if (loud)
		fprintf(stderr, "%s %s\n", prelude[i].operation, prelude[i].body);
	pending->call = (struct api_call){ .engine = engine, .answered = answered, .gone = stays, .data = pending };
	api_begin(&pending->call, str_of(prelude[i].operation), str_of(prelude[i].body));
	settle();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = { data, data + size };
	struct store *store;
	struct engine *engine = begin(&store);
	struct pending *calls = mem_zalloc((PRELUDE + CALLS_MAX) * sizeof *calls);
	unsigned count = 0;
	loud = getenv("FUZZ_API_SHOW") != NULL;
	for (; count < PRELUDE; count++)
		begin_prelude(engine, count, &calls[count]);
	while (in.at < in.end && count < PRELUDE + CALLS_MAX) {
		begin_call(engine, &in, &calls[count]);
		unsigned pause = take(&in);
		if (pause % 8) /* else the next call comes before anything was done */
			settle();
		if (pause >= 192) { /* seconds to hours */
			loop.clock.now_ms += (int64_t)1000 << pause % 13;
			settle();
		}
		assert(calls[count].answers <= 1);
		count++;
	}
	settle();
	loop.clock.now_ms += 120000; /* long polls end */
	settle();
	for (unsigned i = 0; i < count; i++)
		assert(calls[i].answers <= 1);
	engine_free(engine);
	loop.turn = NULL;
	settle();
	store_close(store);
	settle();
	for (unsigned i = 0; i < count; i++)
		api_call_done(&calls[i].call);
	free(calls);
	for (unsigned i = 0; i < POOL_MAX; i++) {
		free(TAKE(pool[i].member));
		free(TAKE(pool[i].text));
	}
	pool_count = 0;
	return 0;
}
