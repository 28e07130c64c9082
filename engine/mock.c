/* mock.c: answers instead of services, for tests: the mock configuration of Step Functions Local.
 *
 *     {"StateMachines": {MACHINE: {"TestCases": {CASE: {STATE: RESPONSE}}}},
 *      "MockedResponses": {RESPONSE: {"0": {"Return": …}, "1-2": {"Throw": {"Error", "Cause"}}}}}
 *
 * An execution that is started with ARN#CASE gets, for each task of a state that the case names, the response of that
 * invocation's number (0, 1, 2 … within the execution, retries and iterations included); other states call the real service.
 * The case stands, with its #, where an alias would in the execution's row, so that it outlives a restart; the counts of
 * invocations do not. The file is read again when it has changed.
 *
 * Where the file leaves out what the real service always gives, it is filled in (table `completions`; not in a recorded test), and the answer
 * to the request of a task that waits (.sync, .waitForTaskToken) is made up as the service would give it. */
#include "engine/runtime.h"
#include <errno.h>
#include <fcntl.h>
#include <nettle/md5.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX (16 << 20)

struct mocks {
	char *path;
	struct value *config; /* NULL: could not be read */
	struct timespec changed;
	off_t size;
	struct str_map counts; /* execution, state → how often, in the pointer */
};

/* ---- the file ------------------------------------------------------------------------------------------ */

static int wrong(struct wf_error *err, const char *where, struct str name, const char *what)
{
	error_set(err, ERR(INVALID), "%s", what);
	error_where(err, "%s/%.*s", where, STR_FMT(name));
	return ERR(INVALID);
}

/* "3" or "1-2". */
static bool read_range(struct str key, uint64_t *ret_first, uint64_t *ret_last)
{
	_cleanup_free_ char *text = mem_strndup(key.ptr, key.len);
	char *rest;
	if (!key.len || strspn(text, "0123456789-") != key.len || text[0] == '-')
		return false;
	*ret_first = *ret_last = strtoull(text, &rest, 10);
	if (*rest == '-' && rest[1])
		*ret_last = strtoull(rest + 1, &rest, 10);
	return !*rest && *ret_last >= *ret_first;
}

static int check_response(const struct value *response, struct str name, struct wf_error *err)
{
	static const char where[] = "/MockedResponses";
	uint64_t first, last;
	if (!value_is(response, VALUE_OBJECT))
		return wrong(err, where, name, "a response must be an object from invocation numbers to Return or Throw");
	for (size_t i = 0; i < value_count(response); i++) {
		const struct value *entry = value_at(response, i);
		const struct value *thrown = value_getz(entry, "Throw");
		if (!read_range(value_key_at(response, i), &first, &last))
			return wrong(err, where, name, "invocations are numbered \"0\", or \"1-2\" for several");
		if (!value_is(entry, VALUE_OBJECT) || value_count(entry) != 1 || (!thrown && !value_getz(entry, "Return")))
			return wrong(err, where, name, "an invocation has either Return or Throw");
		if (thrown && (!value_is(thrown, VALUE_OBJECT) || !value_getz(thrown, "Error")))
			return wrong(err, where, name, "Throw needs Error, and may have Cause");
	}
	return 0;
}

static int check(const struct value *config, struct wf_error *err)
{
	const struct value *machines = value_getz(config, "StateMachines"),
			   *responses = value_getz(config, "MockedResponses");
	if (!value_is(config, VALUE_OBJECT) || !machines || !value_is(machines, VALUE_OBJECT))
		return wrong(err, "", STR("StateMachines"), "a mock configuration is an object with StateMachines and MockedResponses");
	for (size_t i = 0; responses && i < value_count(responses); i++) {
		int r = check_response(value_at(responses, i), value_key_at(responses, i), err);
		if (r < 0)
			return r;
	}
	for (size_t m = 0; m < value_count(machines); m++) {
		const struct value *cases = value_getz(value_at(machines, m), "TestCases");
		if (!cases || !value_is(cases, VALUE_OBJECT))
			return wrong(err, "/StateMachines", value_key_at(machines, m), "a state machine needs TestCases");
		for (size_t c = 0; c < value_count(cases); c++)
			for (size_t s = 0; s < value_count(value_at(cases, c)); s++) {
				const struct value *name = value_at(value_at(cases, c), s);
				if (!value_is(name, VALUE_STRING) || !value_get(responses, value_string(name)))
					return wrong(err, "/StateMachines", value_key_at(machines, m),
						     "a test case names a response that MockedResponses does not have");
			}
	}
	return 0;
}

static int read_file(struct mocks *mocks, struct wf_error *err)
{
	_cleanup_(buffer_done) struct buffer bytes = { 0 };
	struct stat info;
	struct value *config = NULL;
	int fd = open(mocks->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return error_errno(err, errno, "cannot read the mock configuration %s", mocks->path);
	fstat(fd, &info);
	ssize_t n;
	while (bytes.len <= FILE_BYTES_MAX && (n = read(fd, buffer_reserve(&bytes, 65536), 65536)) > 0)
		bytes.len += (size_t)n;
	close(fd);
	int r = value_parse(buffer_str(&bytes), NULL, &config, err);
	if (r == 0)
		r = check(config, err);
	if (r < 0) {
		value_unref(config);
		error_prefix(err, "the mock configuration %s cannot be used", mocks->path);
		return r;
	}
	value_unref(mocks->config);
	mocks->config = config;
	mocks->changed = info.st_mtim;
	mocks->size = info.st_size;
	return 0;
}

int engine_load_mocks(struct engine *engine, const char *path, struct wf_error *err)
{
	struct mocks *mocks = NEW(struct mocks);
	mocks->path = mem_strdup(path);
	int r = read_file(mocks, err);
	if (r < 0) {
		mocks_free(mocks);
		return r;
	}
	mocks_free(engine->mocks);
	engine->mocks = mocks;
	return 0;
}

static void refresh(struct mocks *mocks)
{
	struct stat info;
	struct wf_error err = { 0 };
	if (stat(mocks->path, &info) != 0 || (info.st_size == mocks->size && info.st_mtim.tv_sec == mocks->changed.tv_sec &&
					      info.st_mtim.tv_nsec == mocks->changed.tv_nsec))
		return;
	if (read_file(mocks, &err) < 0)
		log_warn("engine", "%s (%s)", err.message, err.where);
}

void mocks_free(struct mocks *mocks)
{
	if (!mocks)
		return;
	value_unref(mocks->config);
	str_map_done(&mocks->counts);
	free(mocks->path);
	free(mocks);
}

/* ---- which answer ---------------------------------------------------------------------------------------- */

static const struct value *find_case(const struct mocks *mocks, struct str machine, struct str name)
{
	const struct value *cases = value_getz(value_get(value_getz(mocks->config, "StateMachines"), machine), "TestCases");
	return cases ? value_get(cases, name) : NULL;
}

bool mocks_split(const struct engine *engine, struct str *arn, struct str *ret_case)
{
	const char *hash = memchr(arn->ptr, '#', arn->len);
	if (!engine->mocks || !hash)
		return false;
	size_t at = (size_t)(hash - arn->ptr);
	*ret_case = str_sub(*arn, at, arn->len); /* with its # */
	*arn = str_sub(*arn, 0, at);
	return ret_case->len > 1; /* a bare # runs as if it were not there */
}

bool mocks_has(struct engine *engine, struct str machine, struct str name)
{
	refresh(engine->mocks);
	return find_case(engine->mocks, machine, str_sub(name, 1, name.len)) != NULL;
}

struct str mocks_response(const struct engine *engine, struct str machine, struct str name, struct str state)
{
	if (!engine->mocks || name.len < 2 || name.ptr[0] != '#')
		return STR_EMPTY;
	const struct value *test_case = find_case(engine->mocks, machine, str_sub(name, 1, name.len));
	const struct value *response = test_case ? value_get(test_case, state) : NULL;
	return response ? value_string(response) : STR_EMPTY;
}

bool mocks_activity(const struct resident *resident, struct str arn)
{
	struct engine *engine = resident->engine;
	struct attributes attributes;
	const struct program *program = engine->mocks ? revision_program(engine, resident->revision) : NULL;
	bool known = program && attributes_decode(resident->attributes, &attributes);
	for (uint32_t i = 0; known && i < program->states_count; i++) {
		const struct state *state = &program->states[i];
		if (state->type == STATE_TASK && str_eq(state->task.resource.arn, arn))
			known = mocks_response(engine, resident->machine->info.name, attributes.alias, state->name).len;
	}
	return known;
}

/* The entry for this invocation, which is counted; NULL: there is none. */
static const struct value *take_entry(struct mocks *mocks, uint64_t execution_id, struct str state, struct str response,
				      uint64_t *ret_number)
{
	_cleanup_(buffer_done) struct buffer key = { 0 };
	buffer_u64(&key, execution_id);
	buffer_add(&key, state);
	uintptr_t count = (uintptr_t)str_map_get(&mocks->counts, buffer_str(&key));
	str_map_put(&mocks->counts, buffer_str(&key), (void *)(count + 1)); /* never NULL */
	*ret_number = count;
	const struct value *entries = value_get(value_getz(mocks->config, "MockedResponses"), response);
	for (size_t i = 0; entries && i < value_count(entries); i++) {
		uint64_t first, last;
		if (read_range(value_key_at(entries, i), &first, &last) && count >= first && count <= last)
			return value_at(entries, i);
	}
	return NULL;
}

/* ---- what the file leaves out ---------------------------------------------------------------------------------- */

static const struct completion {
	const char *type, *api;
	bool waits;
	const char *member, *text; /* JSON */
} completions[] = {
	{ "lambda", "invoke", false, "ExecutedVersion", "\"$LATEST\"" },
	{ "lambda", "invoke", false, "StatusCode", "200" },
	{ "states", "startExecution", true, "RedriveCount", "0" },
	{ "states", "startExecution", true, "RedriveStatus", "\"NOT_REDRIVABLE\"" },
	{ "states", "startExecution", true, "RedriveStatusReason",
	  "\"Execution is SUCCEEDED and cannot be redriven\"" },
};

static void set(struct value **object, const char *member, struct value *value)
{
	struct value *changed = value_with(*object, &(struct value_step){ str_of(member), -1 }, 1, value);
	value_unref(value);
	value_unref(*object);
	*object = changed;
}

static struct value *metadata(const struct value *answer)
{
	_cleanup_(buffer_done) struct buffer text = { 0 };
	size_t length = value_text_len(answer);
	buffer_printf(&text,
		      "{\"AllHttpHeaders\":{\"Content-Length\":[\"%zu\"],\"Content-Type\":[\"application/x-amz-json-1.0\"]},"
		      "\"HttpHeaders\":{\"Content-Length\":\"%zu\",\"Content-Type\":\"application/x-amz-json-1.0\"},"
		      "\"HttpStatusCode\":200}",
		      length, length);
	return value_from_trusted_text(buffer_str(&text));
}

/* SDK metadata, as an integration's answer has it. */
static void add_metadata(struct engine *engine, struct value **answer)
{
	char id[37];
	struct value *response = value_new_object(1), *http = metadata(*answer);
	random_uuid(&engine->random, id);
	value_object_setz(response, "RequestId", id);
	if (!value_getz(*answer, "SdkHttpMetadata"))
		set(answer, "SdkHttpMetadata", http);
	else
		value_unref(http);
	if (!value_getz(*answer, "SdkResponseMetadata"))
		set(answer, "SdkResponseMetadata", response);
	else
		value_unref(response);
}

static bool is(const struct task_request *request, const char *type, const char *api)
{
	return str_eqz(request->type, type) && str_eqz(request->api, api);
}

/* What the service gives back; yours. */
static struct value *complete(struct engine *engine, const struct task_request *request,
			      enum integration_pattern pattern, const struct value *given)
{
	struct value *answer = value_ref(given);
	bool recorded = value_getz(engine->mocks->config, "Ratchet"); /* whole, by server/v1_mock_test.c */
	bool service = str_starts(request->resource_arn, STR("arn:aws:states:::"));
	if (!value_is(given, VALUE_OBJECT) || recorded || !service || pattern == PATTERN_WAIT_FOR_TASK_TOKEN)
		return answer;
	bool waits = pattern != PATTERN_REQUEST_RESPONSE;
	for (size_t i = 0; i < sizeof completions / sizeof *completions; i++) {
		const struct completion *row = &completions[i];
		if (is(request, row->type, row->api) && waits == row->waits && !value_getz(answer, row->member))
			set(&answer, row->member, value_from_trusted_text(str_of(row->text)));
	}
	if (!waits && !str_eqz(request->type, "http"))
		add_metadata(engine, &answer);
	return answer;
}

static void set_md5(struct value **answer, const struct task_request *request)
{
	const struct value *body = value_getz(request->parameters, "MessageBody");
	struct str text = !body ? STR_EMPTY : value_is(body, VALUE_STRING) ? value_string(body) : value_text(body);
	struct md5_ctx context;
	uint8_t digest[MD5_DIGEST_SIZE];
	char hex[2 * MD5_DIGEST_SIZE + 1];
	md5_init(&context);
	md5_update(&context, text.len, (const uint8_t *)text.ptr);
	md5_digest(&context, sizeof digest, digest);
	for (unsigned i = 0; i < sizeof digest; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	set(answer, "MD5OfMessageBody", value_from_string(str_of(hex)));
}

/* The answer to the request itself, of a task that then waits. */
static struct value *submission(struct engine *engine, const struct task_request *request, const struct value *given)
{
	char id[37];
	struct value *answer = value_new_object(0);
	random_uuid(&engine->random, id);
	if (str_eqz(request->type, "sqs") || str_eqz(request->type, "sns")) {
		if (str_eqz(request->type, "sqs"))
			set_md5(&answer, request);
		set(&answer, "MessageId", value_from_string(str_of(id)));
	} else if (is(request, "lambda", "invoke")) {
		set(&answer, "ExecutedVersion", value_from_string(STR("$LATEST")));
		set(&answer, "Payload", value_new_null());
		set(&answer, "StatusCode", value_from_int(200));
	} else if (is(request, "states", "startExecution")) {
		static const char *const members[] = { "ExecutionArn", "StartDate" };
		for (size_t i = 0; i < 2; i++)
			if (given && value_getz(given, members[i]))
				set(&answer, members[i], value_ref(value_getz(given, members[i])));
	}
	add_metadata(engine, &answer);
	return answer;
}

/* ---- answering --------------------------------------------------------------------------------------------------- */

static struct str text_of(const struct value *object, const char *member)
{
	const struct value *value = value_getz(object, member);
	return value ? value_string(value) : (struct str){ NULL, 0 };
}

void mocks_answer(struct engine *engine, const struct task_request *request, enum integration_pattern pattern,
		  struct str response)
{
	static const struct str absent = { NULL, 0 };
	uint64_t number, id = request->key.event_id, execution_id = request->key.execution_id;
	const struct value *entry = take_entry(engine->mocks, execution_id, request->state_name, response, &number);
	const struct value *given = entry ? value_getz(entry, "Return") : NULL;
	if (!entry) {
		_cleanup_free_ char *cause = mem_printf("The mocked response '%.*s' has no entry for invocation %llu of state '%.*s'",
							STR_FMT(response), (unsigned long long)number,
							STR_FMT(request->state_name));
		mailbox_put(engine, execution_id,
			    input_new(INPUT_TASK_FAILED, id, NULL, absent, STR("States.Runtime"), str_of(cause)));
		return;
	}
	if (pattern != PATTERN_REQUEST_RESPONSE) {
		_cleanup_(value_unrefp) struct value *answer = submission(engine, request, given);
		mailbox_put(engine, execution_id, input_new(INPUT_TASK_SUBMITTED, id, answer, absent, absent, absent));
	}
	struct input *input;
	if (given) {
		_cleanup_(value_unrefp) struct value *answer = complete(engine, request, pattern, given);
		input = input_new(INPUT_TASK_SUCCEEDED, id, answer, absent, absent, absent);
	} else {
		const struct value *thrown = value_getz(entry, "Throw");
		input = input_new(INPUT_TASK_FAILED, id, NULL, absent, text_of(thrown, "Error"), text_of(thrown, "Cause"));
	}
	input->token = pattern == PATTERN_WAIT_FOR_TASK_TOKEN;
	mailbox_put(engine, execution_id, input);
}
