/* notify.c: targets are told of executions' status changes, in the shape of EventBridge's "Step Functions Execution
 * Status Change", and once a day of dead letters that expire soon ("Ratchet Dead Letters Expiring").
 *
 * What is to be told is a message of the store, in the batch of the change itself: so nothing is told that was not
 * committed, and nothing is forgotten. It holds what the change was; the input and the output, which do not change any
 * more, are read when it is sent. A message is deleted when its target has taken it: at least once, therefore, and the
 * same `id` again for a repeat. The changes of one execution are told one after the other, in their order; those of different executions at the same time.
 * A target that refuses is asked again after 1 s, 2 s, … 5 min, until give_up_hours have
 * passed.
 *
 *     the batch of a change ─► message ─► row, description ─► HTTP, exec or a function, through the connectors ─► deleted
 *
 * A message's target is NOTIFY_TARGETS | the target's number, which is a hash of its name, so that it is the same after
 * a restart; the key of the message is (execution, number and event id), or (state machine, number and day). */
#include "base/glob.h"
#include "base/hash.h"
#include "base/timestamp.h"
#include "engine/core/step.h"
#include "engine/dead.h"
#include "engine/token.h"
#include <nettle/hmac.h>
#include <stdio.h>
#include <stdlib.h>

/* The first byte of a message. */
#define MESSAGE_CHANGE 1
#define MESSAGE_EXPIRY 2
#define EXPIRING 31 /* among the bits of `events`, behind the statuses */
#define EXPIRY_EVENT (1ULL << 45) /* in the key: no event has such an id */
#define NUMBERS 0x7fff
#define TARGETS_MAX 32
#define PAGE_MESSAGES 64
#define WAITING_MAX 256 /* in memory, of one target */
#define SENDING_MAX 8
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 300000
#define TIMEOUT_S 10
#define GIVE_UP_HOURS 24
#define DATA_MAX (256 << 10) /* as EventBridge: longer inputs and outputs are left out, and it says so */

struct delivery {
	struct delivery *next;
	struct target_config *target;
	struct message_key key;
	char *bytes;
	size_t len;
	unsigned attempts;
	int64_t due_ms;
	bool sending;
	bool behind; /* a change of the same execution before this one is not told yet */
	char *arn;
	struct engine *engine;
};

struct target_config {
	char *name, *url, *exec, *function; /* one of the last three */
	uint64_t number;
	struct value *headers, *secret; /* or NULL */
	unsigned events;                /* bits by status */
	struct value *machines;         /* patterns; NULL: all */
	int64_t timeout_ms, give_up_ms;
	struct delivery *first, **tail;
	unsigned waiting, sending;
	uint64_t after; /* sequence of the last message that was read */
	bool more, reading;
	int64_t read_due_ms; /* after a read that failed */
};

struct notify {
	struct engine *engine;
	int (*secret)(struct connector_host *host, const struct value *setting, struct buffer *out,
		      struct wf_error *err);
	struct target_config targets[TARGETS_MAX];
	unsigned count;
};

/* ---- configuration ----------------------------------------------------------------------------------- */

static char *text_of(const struct value *value)
{
	struct str text = value && value_is(value, VALUE_STRING) ? value_string(value) : STR_EMPTY;
	return text.len ? mem_strndup(text.ptr, text.len) : NULL;
}

static int read_events(const struct value *events, unsigned *ret_bits, struct wf_error *err)
{
	*ret_bits = 1u << EXECUTION_FAILED_ | 1u << EXECUTION_TIMED_OUT_ | 1u << EXPIRING;
	if (!events)
		return 0;
	*ret_bits = 0;
	bool good = value_is(events, VALUE_ARRAY) && value_count(events);
	for (size_t i = 0; good && i < value_count(events); i++) {
		enum execution_status status;
		struct str name = value_is(value_at(events, i), VALUE_STRING) ? value_string(value_at(events, i)) : STR_EMPTY;
		bool expiring = str_eqz(name, "EXPIRING");
		good = expiring || execution_status_parse(name, &status);
		if (good)
			*ret_bits |= 1u << (expiring ? EXPIRING : (unsigned)status);
	}
	return good ? 0
		    : error_set(err, ERR(INVALID),
				"events must be a list of RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED, EXPIRING");
}

static int read_number(const struct value *value, int64_t otherwise, int64_t most, const char *name,
		       int64_t *ret_number, struct wf_error *err)
{
	*ret_number = otherwise;
	if (value && (!value_is(value, VALUE_NUMBER) || !value_int64(value, ret_number) || *ret_number < 1 ||
		      *ret_number > most))
		return error_set(err, ERR(INVALID), "%s must be a whole number from 1 to %lld", name, (long long)most);
	return 0;
}

static int check_texts(const struct value *value, enum value_kind kind, const char *name, struct wf_error *err)
{
	bool good = !value || value_is(value, kind);
	for (size_t i = 0; value && good && i < value_count(value); i++)
		good = value_is(value_at(value, i), VALUE_STRING);
	return good ? 0 : error_set(err, ERR(INVALID), "%s must hold texts", name);
}

static int read_target(struct target_config *target, struct str name, const struct value *given, struct wf_error *err)
{
	static const char *const known[] = { "url",    "exec",	   "function",	"secret",	"headers",
					     "events", "machines", "timeout_s", "give_up_hours" };
	if (!value_is(given, VALUE_OBJECT))
		return error_set(err, ERR(INVALID), "expected a mapping, found %s", value_kind_name(value_kind(given)));
	for (size_t i = 0; i < value_count(given); i++) {
		bool found = false;
		for (size_t k = 0; k < sizeof known / sizeof *known; k++)
			found |= str_eqz(value_key_at(given, i), known[k]);
		if (!found)
			return error_set(err, ERR(INVALID), "a target has no '%.*s'",
					 STR_FMT(str_sub(value_key_at(given, i), 0, 100)));
	}
	const struct value *headers = value_getz(given, "headers"), *machines = value_getz(given, "machines"),
			   *secret = value_getz(given, "secret");
	int64_t timeout_s, hours;
	int code = read_events(value_getz(given, "events"), &target->events, err);
	if (code == 0)
		code = read_number(value_getz(given, "timeout_s"), TIMEOUT_S, 300, "timeout_s", &timeout_s, err);
	if (code == 0)
		code =
		    read_number(value_getz(given, "give_up_hours"), GIVE_UP_HOURS, 2160, "give_up_hours", &hours, err);
	if (code == 0)
		code = check_texts(headers, VALUE_OBJECT, "headers", err);
	if (code == 0)
		code = check_texts(machines, VALUE_ARRAY, "machines", err);
	if (code)
		return code;
	target->name = mem_strndup(name.ptr, name.len);
	target->url = text_of(value_getz(given, "url"));
	target->exec = text_of(value_getz(given, "exec"));
	target->function = text_of(value_getz(given, "function"));
	target->timeout_ms = timeout_s * 1000;
	target->give_up_ms = hours * 3600000;
	target->headers = headers ? value_ref(headers) : NULL;
	target->machines = machines ? value_ref(machines) : NULL;
	target->secret = secret ? value_ref(secret) : NULL;
	target->number = hash_bytes(name, 0) % NUMBERS + 1;
	target->tail = &target->first;
	target->more = true;
	if (!!target->url + !!target->exec + !!target->function != 1)
		return error_set(err, ERR(INVALID), "a target has one of url, exec and function");
	if (target->url && strncmp(target->url, "http://", 7) != 0 && strncmp(target->url, "https://", 8) != 0)
		return error_set(err, ERR(INVALID), "url must begin with http:// or https://");
	return 0;
}

int engine_configure_targets(struct engine *engine, const struct value *targets,
			     int (*secret)(struct connector_host *host, const struct value *setting, struct buffer *out,
					   struct wf_error *err),
			     struct wf_error *err)
{
	if (!targets || !value_count(targets))
		return 0;
	if (value_count(targets) > TARGETS_MAX)
		return error_set(err, ERR(LIMIT), "there are more than %d targets", TARGETS_MAX);
	struct notify *notify = engine->dead->notify = NEW(struct notify);
	notify->engine = engine;
	notify->secret = secret;
	for (size_t i = 0; i < value_count(targets); i++) {
		struct target_config *target = &notify->targets[notify->count++];
		int code = read_target(target, value_key_at(targets, i), value_at(targets, i), err);
		for (unsigned k = 0; code == 0 && k + 1 < notify->count; k++)
			if (notify->targets[k].number == target->number)
				code = error_set(err, ERR(INVALID),
						 "the names %s and %s of targets have the same hash: choose another",
						 notify->targets[k].name, target->name);
		if (code) {
			error_where(err, "/targets/%.*s", STR_FMT(str_sub(value_key_at(targets, i), 0, 100)));
			return code;
		}
	}
	return 0;
}

/* ---- in the batch of a change ------------------------------------------------------------------------ */

static bool is_told(const struct target_config *target, unsigned event, struct str machine)
{
	bool named = !target->machines;
	for (size_t i = 0; !named && i < value_count(target->machines); i++)
		named = glob_matches(value_string(value_at(target->machines, i)), machine);
	return named && target->events & 1u << event;
}

static struct str encode(struct arena *arena, const struct execution *execution, enum execution_status status)
{
	_cleanup_(buffer_done) struct buffer out = { 0 };
	struct str error = { NULL, 0 }, cause = { NULL, 0 };
	bool ended = status != EXECUTION_RUNNING;
	if (ended)
		execution_error(execution, &error, &cause);
	buffer_byte(&out, MESSAGE_CHANGE);
	buffer_byte(&out, (char)status);
	buffer_svarint(&out, execution_start_ms(execution));
	buffer_svarint(&out, ended ? execution_stop_ms(execution) : 0);
	buffer_varint(&out, execution_redrives(execution));
	buffer_svarint(&out, execution_redriven_ms(execution));
	buffer_byte(&out, (char)((error.ptr != NULL) | (cause.ptr != NULL) << 1));
	buffer_blob(&out, error.ptr ? error : STR_EMPTY);
	buffer_blob(&out, cause.ptr ? cause : STR_EMPTY);
	return arena_str(arena, buffer_str(&out));
}

static void tell(struct notify *notify, struct store_batch *batch, const struct resident *resident,
		 enum execution_status status, uint64_t event_id)
{
	for (unsigned i = 0; i < notify->count; i++) {
		struct target_config *target = &notify->targets[i];
		if (!is_told(target, status, resident->machine->info.name))
			continue;
		store_batch_add(batch, STORE_APPEND_MESSAGE)->message =
		    (struct store_message){ .target_id = NOTIFY_TARGETS | target->number,
					    .sender_id = resident->id,
					    .sender_event = target->number << 47 | event_id,
					    .bytes = encode(&batch->arena, resident->execution, status) };
	}
}

void notify_step(struct engine *engine, struct store_batch *batch, const struct release *release)
{
	struct notify *notify = engine->dead->notify;
	if (!notify)
		return;
	const struct resident *resident = release->resident;
	uint64_t last_id = execution_next_event_id(resident->execution) - 1;
	/* One that begins and ends in one step has two changes; the first one's event is numbered 1, or 0 for a
	 * redrive's last. */
	if (release->begun || release->reopened)
		tell(notify, batch, resident, EXECUTION_RUNNING, release->begun ? 1 : last_id | 1ULL << 46);
	if (release->status != EXECUTION_RUNNING)
		tell(notify, batch, resident, release->status, last_id);
}

void notify_look(struct engine *engine)
{
	struct notify *notify = engine->dead->notify;
	for (unsigned i = 0; notify && i < notify->count; i++)
		notify->targets[i].more = true;
}

void notify_released(struct engine *engine, const struct release *release)
{
	if (release->begun || release->reopened || release->status != EXECUTION_RUNNING)
		notify_look(engine);
}

bool notify_wants_expiry(const struct engine *engine, struct str machine)
{
	const struct notify *notify = engine->dead->notify;
	for (unsigned i = 0; notify && i < notify->count; i++)
		if (is_told(&notify->targets[i], EXPIRING, machine))
			return true;
	return false;
}

void notify_expiry(struct engine *engine, struct store_batch *batch, struct str machine, const struct dead_expiry *expiry)
{
	struct notify *notify = engine->dead->notify;
	_cleanup_(buffer_done) struct buffer out = { 0 };
	buffer_byte(&out, MESSAGE_EXPIRY);
	buffer_varint(&out, expiry->machine_id);
	buffer_varint(&out, expiry->count);
	buffer_svarint(&out, expiry->oldest_ms);
	buffer_svarint(&out, expiry->expires_ms);
	buffer_svarint(&out, expiry->at_ms);
	for (unsigned i = 0; notify && i < notify->count; i++) {
		struct target_config *target = &notify->targets[i];
		if (is_told(target, EXPIRING, machine))
			store_batch_add(batch, STORE_APPEND_MESSAGE)->message =
			    (struct store_message){ .target_id = NOTIFY_TARGETS | target->number,
						    .sender_id = expiry->machine_id,
						    .sender_event = target->number << 47 | EXPIRY_EVENT |
								    (uint64_t)(expiry->at_ms / DAY_MS),
						    .bytes = arena_str(&batch->arena, buffer_str(&out)) };
	}
}

/* ---- sending ----------------------------------------------------------------------------------------- */

/* The first change of that execution from there on that waits to be told; NULL: there is none. */
static struct delivery *first_of(struct delivery *from, uint64_t sender)
{
	while (from && from->key.sender != sender)
		from = from->next;
	return from;
}

static void drop(struct target_config *target, struct delivery *delivery)
{
	struct delivery *next = first_of(delivery->next, delivery->key.sender);
	if (next)
		next->behind = false;
	for (struct delivery **at = &target->first; *at; at = &(*at)->next)
		if (*at == delivery) {
			*at = delivery->next;
			if (!*at)
				target->tail = at;
			break;
		}
	target->waiting--;
	free(delivery->bytes);
	free(delivery->arn);
	free(delivery);
}

/* The message goes: it was taken, or never will be. */
static void finish(struct engine *engine, struct delivery *delivery)
{
	struct change *change = NEW(struct change);
	change->message = delivery->key;
	LIST_ADD(&engine->changes, change);
	drop(delivery->target, delivery);
}

static void again(struct engine *engine, struct delivery *delivery, int64_t changed_ms, struct str why)
{
	struct target_config *target = delivery->target;
	struct dead_stats *stats = &engine->dead->stats;
	int64_t now_ms = engine_now_ms(engine),
		delay_ms = RETRY_FIRST_MS << (delivery->attempts < 9 ? delivery->attempts : 9);
	stats->notify_failures++;
	delivery->attempts++;
	if (now_ms - changed_ms > target->give_up_ms) {
		log_warn("engine", "target %s was not told of a change: %.*s; giving up", target->name,
			 STR_FMT(str_sub(why, 0, 200)));
		stats->notify_dropped++;
		finish(engine, delivery);
		return;
	}
	if (delivery->attempts == 1)
		log_warn("engine", "target %s could not be told of a change: %.*s; trying again", target->name,
			 STR_FMT(str_sub(why, 0, 200)));
	delivery->due_ms = now_ms + (delay_ms < RETRY_MAX_MS ? delay_ms : RETRY_MAX_MS);
}

struct change_told {
	enum execution_status status;
	int64_t start_ms, stop_ms, redriven_ms;
	uint64_t redrives;
	bool has_error, has_cause;
	struct str error, cause;
};

static bool is_expiry(const struct delivery *delivery)
{
	return delivery->len && delivery->bytes[0] == MESSAGE_EXPIRY;
}

static bool decode_expiry(const struct delivery *delivery, struct dead_expiry *expiry)
{
	struct reader in = reader_of((struct str){ delivery->bytes, delivery->len });
	uint8_t kind;
	return reader_byte(&in, &kind) && kind == MESSAGE_EXPIRY && reader_varint(&in, &expiry->machine_id) &&
	       reader_varint(&in, &expiry->count) && reader_svarint(&in, &expiry->oldest_ms) &&
	       reader_svarint(&in, &expiry->expires_ms) && reader_svarint(&in, &expiry->at_ms);
}

static bool decode(const struct delivery *delivery, struct change_told *told)
{
	struct reader in = reader_of((struct str){ delivery->bytes, delivery->len });
	uint8_t version, status, flags;
	if (!reader_byte(&in, &version) || version != MESSAGE_CHANGE || !reader_byte(&in, &status) ||
	    status > EXECUTION_PENDING_REDRIVE || !reader_svarint(&in, &told->start_ms) ||
	    !reader_svarint(&in, &told->stop_ms) || !reader_varint(&in, &told->redrives) ||
	    !reader_svarint(&in, &told->redriven_ms) || !reader_byte(&in, &flags) || !reader_blob(&in, &told->error) ||
	    !reader_blob(&in, &told->cause))
		return false;
	told->status = (enum execution_status)status;
	told->has_error = flags & 1;
	told->has_cause = flags & 2;
	return true;
}

/* When that happened which is told. */
static int64_t happened_ms(const struct delivery *delivery)
{
	struct change_told told = { 0 };
	struct dead_expiry expiry = { 0 };
	if (is_expiry(delivery))
		return decode_expiry(delivery, &expiry) ? expiry.at_ms : 0;
	decode(delivery, &told);
	return told.stop_ms ? told.stop_ms : told.redriven_ms ? told.redriven_ms : told.start_ms;
}

static void on_sent(void *data, const struct task_result *result)
{
	struct delivery *delivery = data;
	struct target_config *target = delivery->target;
	struct engine *engine = delivery->engine;
	delivery->sending = false;
	target->sending--;
	if (result->end == TASK_SUCCEEDED) {
		engine->dead->stats.notified++;
		finish(engine, delivery);
	} else {
		again(engine, delivery, happened_ms(delivery), result->error.ptr ? result->error : STR("no answer"));
	}
}

static void set_text(struct value *object, const char *key, struct str text)
{
	value_object_take(object, str_of(key), value_from_string(text));
}

static void set_data(struct value *object, const char *key, const char *details, struct str text, bool there)
{
	bool included = there && text.len <= DATA_MAX;
	value_object_take(object, str_of(key), included ? value_from_string(text) : value_new_null());
	struct value *about = there ? value_new_object(1) : value_new_null();
	if (there)
		value_object_take(about, STR("included"), value_new_bool(included));
	value_object_take(object, str_of(details), about);
}

static struct value *time_or_null(int64_t ms)
{
	return ms ? value_from_int(ms) : value_new_null();
}

static struct value *text_or_null(struct str text, bool there)
{
	return there ? value_from_string(text) : value_new_null();
}

static struct value *detail_of(const struct change_told *told, const struct execution_info *info)
{
	bool ended = told->status != EXECUTION_RUNNING, redrivable = ended && told->status != EXECUTION_SUCCEEDED_;
	struct value *detail = value_new_object(20);
	set_text(detail, "executionArn", info->arn);
	set_text(detail, "stateMachineArn", info->machine_arn);
	set_text(detail, "name", info->name);
	set_text(detail, "status", str_of(execution_status_name(told->status)));
	value_object_take(detail, STR("startDate"), value_from_int(told->start_ms));
	value_object_take(detail, STR("stopDate"), time_or_null(told->stop_ms));
	set_data(detail, "input", "inputDetails", info->input, true);
	bool output = told->status == EXECUTION_SUCCEEDED_ && info->output;
	set_data(detail, "output", "outputDetails", output ? value_text(info->output) : STR_EMPTY, output);
	value_object_take(detail, STR("error"), text_or_null(told->error, told->has_error));
	value_object_take(detail, STR("cause"), text_or_null(told->cause, told->has_cause));
	value_object_take(detail, STR("stateMachineVersionArn"),
			  text_or_null(info->version_arn, info->version_arn.len));
	value_object_take(detail, STR("stateMachineAliasArn"), text_or_null(info->alias_arn, info->alias_arn.len));
	value_object_take(detail, STR("redriveCount"), value_from_int((int64_t)told->redrives));
	value_object_take(detail, STR("redriveDate"), time_or_null(told->redriven_ms));
	set_text(detail, "redriveStatus", redrivable ? STR("REDRIVABLE") : STR("NOT_REDRIVABLE"));
	return detail;
}

/* The same text for the same message, however often it is sent: `id` and `time` are of the change. Takes over `detail`. */
static struct value *event_of(struct engine *engine, const struct delivery *delivery, const char *source, const char *type,
			      struct str resource, struct value *detail)
{
	struct value *event = value_new_object(9), *resources = value_new_array(1);
	uint64_t high = token_check(&engine->key, "notification", delivery->key.sender),
		 low = token_check(&engine->key, "notification", high ^ delivery->key.event);
	int64_t at_ms = happened_ms(delivery);
	char id[37], time[TIMESTAMP_TEXT_MAX];
	snprintf(id, sizeof id, "%08llx-%04llx-4%03llx-%04llx-%012llx", (unsigned long long)(high >> 32),
		 (unsigned long long)(high >> 16 & 0xffff), (unsigned long long)(high & 0xfff),
		 (unsigned long long)(0x8000 | (low >> 48 & 0x3fff)), (unsigned long long)(low & 0xffffffffffff));
	set_text(event, "version", STR("0"));
	set_text(event, "id", str_of(id));
	set_text(event, "detail-type", str_of(type));
	set_text(event, "source", str_of(source));
	set_text(event, "account", str_of(engine->account));
	set_text(event, "time", str_of(timestamp_format(at_ms - at_ms % 1000, time)));
	set_text(event, "region", str_of(engine->region));
	value_array_take(resources, value_from_string(resource));
	value_object_take(event, STR("resources"), resources);
	value_object_take(event, STR("detail"), detail);
	return event;
}

/* t=SECONDS,v1=HEX of HMAC-SHA256("SECONDS.BODY") under the secret. */
static void sign(struct str secret, int64_t now_s, struct str body, struct buffer *out)
{
	struct hmac_sha256_ctx context;
	uint8_t digest[SHA256_DIGEST_SIZE];
	char seconds[24];
	int length = snprintf(seconds, sizeof seconds, "%lld.", (long long)now_s);
	hmac_sha256_set_key(&context, secret.len, (const uint8_t *)secret.ptr);
	hmac_sha256_update(&context, (size_t)length, (const uint8_t *)seconds);
	hmac_sha256_update(&context, body.len, (const uint8_t *)body.ptr);
	hmac_sha256_digest(&context, sizeof digest, digest);
	buffer_printf(out, "t=%lld,v1=", (long long)now_s);
	for (size_t i = 0; i < sizeof digest; i++)
		buffer_printf(out, "%02x", digest[i]);
}

/* The parameters of an HTTP task. NULL if the secret cannot be read. */
static struct value *http_parameters(struct notify *notify, const struct target_config *target,
				     const struct value *event, struct wf_error *err)
{
	struct value *parameters = value_new_object(4), *headers = value_new_object(4);
	for (size_t i = 0; target->headers && i < value_count(target->headers); i++)
		value_object_set(headers, value_key_at(target->headers, i), value_at(target->headers, i));
	set_text(headers, "Content-Type", STR("application/json"));
	if (target->secret) {
		_cleanup_(buffer_done) struct buffer secret = { 0 }, signature = { 0 };
		if (notify->secret(&notify->engine->dispatch.host, target->secret, &secret, err) < 0) {
			value_unref(headers);
			value_unref(parameters);
			return NULL;
		}
		sign(buffer_str(&secret), notify->engine->clock->wall_ms(notify->engine->clock) / 1000,
		     value_text(event), &signature);
		set_text(headers, "X-Ratchet-Signature", buffer_str(&signature));
	}
	set_text(parameters, "ApiEndpoint", str_of(target->url));
	set_text(parameters, "Method", STR("POST"));
	value_object_take(parameters, STR("Headers"), headers);
	value_object_set(parameters, STR("RequestBody"), event);
	return parameters;
}

/* What is run, and with what: one more kind of target is one more row here. NULL: the parameters cannot be made. */
static struct value *task_of(struct notify *notify, const struct target_config *target, const struct value *event,
			     struct buffer *arn, struct wf_error *err)
{
	if (target->url) {
		buffer_addz(arn, "arn:aws:states:::http:invoke");
		return http_parameters(notify, target, event, err);
	}
	if (target->exec) {
		buffer_printf(arn, "arn:ratchet:exec:::%s", target->exec);
		return value_ref(event);
	}
	struct value *parameters = value_new_object(2);
	buffer_addz(arn, "arn:aws:states:::lambda:invoke");
	set_text(parameters, "FunctionName", str_of(target->function));
	value_object_set(parameters, STR("Payload"), event);
	return parameters;
}

/* Takes over `given`. */
static void send_event(struct engine *engine, struct delivery *delivery, struct value *given)
{
	struct notify *notify = engine->dead->notify;
	struct target_config *target = delivery->target;
	struct wf_error err = { 0 };
	_cleanup_(value_unrefp) struct value *event = given;
	_cleanup_(buffer_done) struct buffer arn = { 0 };
	_cleanup_(value_unrefp) struct value *parameters = task_of(notify, target, event, &arn, &err);
	struct command command = { .kind = COMMAND_START_TASK,
				   .task_id = 1,
				   .state_name = str_of(target->name),
				   .parameters = parameters,
				   .deadline_ms = INT64_MAX };
	if (!parameters || !resource_parse(buffer_str(&arn), &command.resource)) {
		delivery->sending = false;
		target->sending--;
		again(engine, delivery, happened_ms(delivery),
		      parameters ? STR("there is no such connector") : str_of(err.message));
		return;
	}
	engine_try_task(engine, &command, target->timeout_ms, on_sent, delivery);
}

static void on_described(void *data, const struct engine_error *error, const struct execution_info *info)
{
	struct delivery *delivery = data;
	struct engine *engine = delivery->engine;
	struct change_told told = { 0 };
	if (!decode(delivery, &told) || (error->code && !error->passing)) {
		/* It is beyond its retention, or is none: there is nothing to tell any more. */
		delivery->target->sending--;
		engine->dead->stats.notify_dropped++;
		finish(engine, delivery);
	} else if (error->code) {
		delivery->sending = false;
		delivery->target->sending--;
		again(engine, delivery, engine_now_ms(engine), error->message);
	} else {
		send_event(engine, delivery,
			   event_of(engine, delivery, "aws.states", "Step Functions Execution Status Change", info->arn,
				    detail_of(&told, info)));
	}
}

static void send_expiry(struct engine *engine, struct delivery *delivery)
{
	struct dead_expiry expiry = { 0 };
	struct machine *machine = decode_expiry(delivery, &expiry) ? registry_by_number(engine, expiry.machine_id) : NULL;
	if (!machine) {
		delivery->target->sending--;
		engine->dead->stats.notify_dropped++;
		finish(engine, delivery);
		return;
	}
	struct value *detail = value_new_object(5);
	set_text(detail, "stateMachineArn", machine->info.arn);
	set_text(detail, "stateMachineName", machine->info.name);
	value_object_take(detail, STR("deadLetters"), value_from_int((int64_t)expiry.count));
	value_object_take(detail, STR("oldestDate"), value_from_int(expiry.oldest_ms));
	value_object_take(detail, STR("expiryDate"), value_from_int(expiry.expires_ms));
	send_event(engine, delivery,
		   event_of(engine, delivery, "ratchet", "Ratchet Dead Letters Expiring", machine->info.arn, detail));
}

static void on_row(void *data, const struct store_execution *rows, uint32_t count, int code, const struct wf_error *err)
{
	void *kept;
	struct engine *engine = errand_done(data, &kept);
	struct delivery *delivery = kept;
	if (!engine)
		return; /* freed with its target */
	struct machine *machine = code == 0 && count ? registry_by_number(engine, rows->machine_id) : NULL;
	if (code < 0 && code != ERR(NOT_FOUND)) {
		delivery->sending = false;
		delivery->target->sending--;
		again(engine, delivery, engine_now_ms(engine), str_of(err->message));
		return;
	}
	if (!machine) {
		delivery->target->sending--;
		engine->dead->stats.notify_dropped++;
		finish(engine, delivery);
		return;
	}
	char made[EXECUTION_NAME_LENGTH + 1];
	struct str name = rows->name;
	if (!name.len) {
		execution_name_make(&engine->key, rows->id, made);
		name = str_of(made);
	}
	free(delivery->arn);
	delivery->arn = mem_printf("arn:aws:states:%s:%s:execution:%.*s:%.*s", engine->region, engine->account,
				   STR_FMT(machine->info.name), STR_FMT(name));
	engine_describe(engine, str_of(delivery->arn), on_described, delivery);
}

/* ---- running ------------------------------------------------------------------------------------------------------
 */

static void on_messages(void *data, const struct store_message *messages, uint32_t count, int code,
			const struct wf_error *err)
{
	void *kept;
	struct engine *engine = errand_done(data, &kept);
	if (!engine)
		return;
	struct target_config *target = kept;
	target->reading = false;
	/* `more` may have been set since: by a change that was committed after the page was read. */
	target->more |= code < 0 || count == PAGE_MESSAGES;
	if (code < 0) {
		target->read_due_ms = engine_now_ms(engine) + RETRY_FIRST_MS;
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct delivery *delivery = NEW(struct delivery);
		*delivery = (struct delivery){ .engine = engine,
					       .target = target,
					       .key = { messages[i].target_id, messages[i].sender_id,
							messages[i].sender_event },
					       .behind = first_of(target->first, messages[i].sender_id),
					       .bytes = mem_strndup(messages[i].bytes.ptr, messages[i].bytes.len),
					       .len = messages[i].bytes.len };
		*target->tail = delivery;
		target->tail = &delivery->next;
		target->waiting++;
		target->after = messages[i].sequence;
	}
}

static bool may_read(const struct target_config *target)
{
	return target->more && !target->reading && target->waiting + PAGE_MESSAGES <= WAITING_MAX;
}

static void run_target(struct engine *engine, struct target_config *target, int64_t now_ms)
{
	if (may_read(target) && target->read_due_ms <= now_ms) {
		target->reading = true;
		target->more = false;
		store_list_messages(engine->store, NOTIFY_TARGETS | target->number, target->after, PAGE_MESSAGES,
				    on_messages, errand_new(engine, target));
	}
	for (struct delivery *next, *delivery = target->first; delivery && target->sending < SENDING_MAX;
	     delivery = next) {
		next = delivery->next;
		if (delivery->sending || delivery->behind || delivery->due_ms > now_ms)
			continue;
		delivery->sending = true;
		target->sending++;
		if (is_expiry(delivery))
			send_expiry(engine, delivery);
		else
			store_find(engine->store, delivery->key.sender, on_row, errand_new(engine, delivery));
	}
}

void notify_run(struct engine *engine, int64_t now_ms)
{
	struct notify *notify = engine->dead->notify;
	uint64_t waiting = 0;
	for (unsigned i = 0; notify && i < notify->count; i++) {
		run_target(engine, &notify->targets[i], now_ms);
		waiting += notify->targets[i].waiting;
	}
	engine->dead->stats.notify_waiting = waiting;
}

int64_t notify_next_ms(const struct engine *engine)
{
	const struct notify *notify = engine->dead->notify;
	int64_t next_ms = INT64_MAX;
	for (unsigned i = 0; notify && i < notify->count; i++) {
		const struct target_config *target = &notify->targets[i];
		if (may_read(target) && target->read_due_ms < next_ms)
			next_ms = target->read_due_ms;
		for (const struct delivery *delivery = target->first; delivery && target->sending < SENDING_MAX;
		     delivery = delivery->next)
			if (!delivery->sending && !delivery->behind && delivery->due_ms < next_ms)
				next_ms = delivery->due_ms;
	}
	return next_ms;
}

void notify_free(struct engine *engine)
{
	struct notify *notify = engine->dead->notify;
	for (unsigned i = 0; notify && i < notify->count; i++) {
		struct target_config *target = &notify->targets[i];
		while (target->first)
			drop(target, target->first);
		free(target->name);
		free(target->url);
		free(target->exec);
		free(target->function);
		value_unref(target->headers);
		value_unref(target->machines);
		value_unref(target->secret);
	}
	free(notify);
}
