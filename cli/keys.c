/* keys.c: `ratchet keys`: access keys of a server, or of a store that no server has open. */
#include "base/mem.h"
#include "base/timestamp.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "engine/loop_libev.h"
#include "server/api.h"
#include "server/config.h"
#include "server/keys.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum verb { VERB_LS, VERB_ADD, VERB_RM, VERB_DISABLE, VERB_ENABLE };

static const struct {
	const char *word;
	unsigned arguments; /* behind it */
} verbs[] = {
	[VERB_LS] = { "ls", 0 },	   [VERB_ADD] = { "add", 1 },	    [VERB_RM] = { "rm", 1 },
	[VERB_DISABLE] = { "disable", 1 }, [VERB_ENABLE] = { "enable", 1 },
};

struct asked {
	enum verb verb;
	const char *subject; /* the name of a new key, the id of another */
	enum role role;
	bool json;
};

/* ---- printing --------------------------------------------------------------------------------------- */

/* Seconds: "2026-01-31 23:59:59", or a word for none. */
static const char *shown_time(const struct value *json, const char *key, char buffer[TIMESTAMP_TEXT_MAX])
{
	int64_t ms;
	const struct value *value = value_getz(json, key);
	if (!value || !value_int64(value, &ms))
		return "-";
	timestamp_format(ms, buffer);
	buffer[10] = ' ';
	buffer[19] = 0;
	return buffer;
}

static void print_keys(const struct value *keys)
{
	for (size_t i = 0; i < value_count(keys); i++) {
		const struct value *key = value_at(keys, i);
		const struct value *disabled = value_getz(key, "disabled");
		char created[TIMESTAMP_TEXT_MAX], used[TIMESTAMP_TEXT_MAX];
		printf("%-20.*s  %-10.*s  %-20.*s  created %-19s  used %s%s%s\n", STR_FMT(cli_text(key, "id")),
		       STR_FMT(cli_text(key, "role")), STR_FMT(cli_text(key, "name")), shown_time(key, "created_ms", created),
		       shown_time(key, "last_used_ms", used), disabled && value_bool(disabled) ? "  disabled" : "",
		       str_eqz(cli_text(key, "source"), "configuration") ? "  (configuration)" : "");
	}
}

static void print_answer(const struct asked *asked, const struct value *answer)
{
	if (asked->json) {
		_cleanup_(buffer_done) struct buffer out = { 0 };
		value_write_pretty(answer, &out);
		printf("%s\n", out.data);
	} else if (asked->verb == VERB_LS) {
		print_keys(value_getz(answer, "keys"));
	} else if (asked->verb == VERB_ADD) {
		printf("AWS_ACCESS_KEY_ID=%.*s\nAWS_SECRET_ACCESS_KEY=%.*s\n", STR_FMT(cli_text(answer, "id")),
		       STR_FMT(cli_text(answer, "secret")));
	}
}

/* ---- with a server ------------------------------------------------------------------------------------ */

static int ask_server(const struct asked *asked, const char *endpoint)
{
	_cleanup_(client_freep) struct client *client = client_new(endpoint);
	_cleanup_(value_unrefp) struct value *answer = NULL, *body = NULL;
	_cleanup_free_ char *path = mem_printf("/v1/keys%s%s", asked->subject && asked->verb != VERB_ADD ? "/" : "",
					       asked->subject && asked->verb != VERB_ADD ? asked->subject : "");
	static const char *const methods[] = {
		[VERB_LS] = "GET", [VERB_ADD] = "POST", [VERB_RM] = "DELETE", [VERB_DISABLE] = "PUT", [VERB_ENABLE] = "PUT"
	};
	struct wf_error err = { 0 };
	if (asked->verb != VERB_LS && asked->verb != VERB_RM)
		body = value_new_object(2);
	if (asked->verb == VERB_ADD) {
		value_object_take(body, STR("name"), value_from_string(str_of(asked->subject)));
		value_object_take(body, STR("role"), value_from_string(str_of(role_name(asked->role))));
	} else if (body) {
		value_object_take(body, STR("disabled"), value_new_bool(asked->verb == VERB_DISABLE));
	}
	int code = client_send(client, methods[asked->verb], path, body, &answer, &err);
	if (code)
		return cli_fail(client_exit_status(code), &err);
	print_answer(asked, answer);
	return EXIT_GOOD;
}

/* ---- with a store ----------------------------------------------------------------------------------------- */

/* An engine without tasks: only its records are used. */
struct workshop {
	struct loop *loop;
	struct store *store;
	struct engine *engine;
	struct keys *keys;
	struct engine_error error;
	char message[256];
};

static void key_stored(void *data, const struct engine_error *error)
{
	struct workshop *workshop = data;
	workshop->error.code = error->code;
	snprintf(workshop->message, sizeof workshop->message, "%.*s", STR_FMT(error->message));
	workshop->loop->stop(workshop->loop);
}

static void stop_loop(struct loop_timer *timer)
{
	struct loop *loop = timer->data;
	loop->stop(loop);
}

static void close_workshop(struct workshop *workshop)
{
	keys_free(workshop->keys);
	engine_free(workshop->engine);
	store_close(workshop->store);
	if (!workshop->loop)
		return;
	/* Once more round: what the store has posted is to be let go. */
	struct loop_timer timer = { .callback = stop_loop, .data = workshop->loop };
	loop_timer_set(workshop->loop, &timer, 0);
	workshop->loop->run(workshop->loop);
	workshop->loop->free(workshop->loop);
}

static int open_workshop(struct workshop *workshop, const struct config *config, bool may_create, struct wf_error *err)
{
	struct store_options store_options = { 0 };
	const char *path = strchr(config->store, ':') + 1;
	if (!may_create && access(path, F_OK) != 0)
		return error_errno(err, errno, "cannot open the store %s", path);
	umask(077); /* secrets stand in it */
	workshop->loop = loop_libev_new(NULL, NULL);
	int code = store_open(config->store, &store_options, workshop->loop, &workshop->store, err);
	if (code == ERR(BUSY))
		return error_set(err, code, "a server has the store %s open: ask it instead (--endpoint URL, without --store), or end it first",
				 config->store);
	if (code)
		return code;
	struct engine_options options = { .loop = workshop->loop,
					  .clock = clock_system(),
					  .store = workshop->store,
					  .limits = config->limits,
					  .region = *config->region ? config->region : NULL,
					  .account = *config->account ? config->account : NULL };
	code = engine_new(&options, &workshop->engine, err);
	if (code == 0)
		workshop->keys = keys_new(workshop->engine);
	return code;
}

static struct value *describe_key(const struct access_key *key, bool secret)
{
	struct value *json = value_new_object(8);
	value_object_take(json, STR("id"), value_from_string(str_of(key->id)));
	value_object_take(json, STR("name"), value_from_string(str_of(key->name)));
	value_object_take(json, STR("role"), value_from_string(str_of(role_name(key->role))));
	value_object_take(json, STR("disabled"), value_new_bool(key->disabled));
	value_object_take(json, STR("created_ms"), value_from_int(key->created_ms));
	if (key->used_ms)
		value_object_take(json, STR("last_used_ms"), value_from_int(key->used_ms));
	if (secret)
		value_object_take(json, STR("secret"), value_from_string(str_of(key->secret)));
	return json;
}

static struct value *list_keys(const struct keys *keys)
{
	struct value *answer = value_new_object(1), *list = value_new_array(keys_count(keys));
	for (const struct access_key *key = keys_first(keys); key; key = key->next)
		value_array_take(list, describe_key(key, false));
	value_object_take(answer, STR("keys"), list);
	return answer;
}

static int change_store(struct workshop *workshop, const struct asked *asked, struct value **ret_answer, struct wf_error *err)
{
	struct keys *keys = workshop->keys;
	struct access_key *key = NULL;
	if (asked->verb == VERB_LS) {
		*ret_answer = list_keys(keys);
		return 0;
	}
	if (asked->verb == VERB_ADD) {
		key = keys_add(keys, str_of(asked->subject), asked->role, key_stored, workshop);
		if (!key)
			return error_set(err, ERR(LIMIT), "there are %d access keys already", KEYS_MAX);
		*ret_answer = describe_key(key, true);
	} else {
		key = keys_find(keys, str_of(asked->subject));
		if (!key)
			return error_set(err, ERR(NOT_FOUND), "there is no access key %s", asked->subject);
		if (asked->verb == VERB_RM) {
			keys_remove(keys, key, key_stored, workshop);
			*ret_answer = value_new_object(0);
		} else {
			keys_set_disabled(keys, key, asked->verb == VERB_DISABLE, key_stored, workshop);
			*ret_answer = describe_key(key, false);
		}
	}
	workshop->loop->run(workshop->loop);
	return workshop->error.code ? error_set(err, ERR(IO), "%s", workshop->message) : 0;
}

static int ask_store(const struct asked *asked, const char *url, const char *config_path)
{
	struct wf_error err = { 0 };
	struct config config;
	struct workshop workshop = { 0 };
	_cleanup_(value_unrefp) struct value *answer = NULL;
	int code = config_load(&config, config_path, &err);
	if (code == 0)
		code = config_set(&config, "store", url, &err);
	if (code == 0 && strcmp(config.store, "memory:") == 0)
		code = error_set(&err, ERR(INVALID), "a store in memory keeps no keys: give the server one in its configuration (root_key)");
	if (code == 0)
		code = open_workshop(&workshop, &config, asked->verb == VERB_ADD, &err);
	if (code == 0)
		code = change_store(&workshop, asked, &answer, &err);
	close_workshop(&workshop);
	config_done(&config);
	if (code)
		return cli_fail(EXIT_USAGE, &err);
	print_answer(asked, answer);
	return EXIT_GOOD;
}

/* ---- the command ------------------------------------------------------------------------------------------ */

static int run_keys(struct command_line *line)
{
	struct asked asked = { .json = line_option(line, "json"), .subject = line_argument(line, 1), .role = ROLE_OPERATE };
	const char *word = line_argument(line, 0), *role = line_option(line, "role"), *store = line_option(line, "store");
	unsigned i = 0;
	while (i < sizeof verbs / sizeof verbs[0] && strcmp(verbs[i].word, word) != 0)
		i++;
	if (i == sizeof verbs / sizeof verbs[0])
		return cli_failf(EXIT_USAGE, "keys can be listed (ls), added, removed (rm), disabled and enabled; not '%s'", word);
	asked.verb = (enum verb)i;
	if (line_arguments(line) != verbs[i].arguments + 1)
		return cli_failf(EXIT_USAGE, "usage: ratchet keys %s%s", word, asked.verb == VERB_ADD ? " NAME --role ROLE" : verbs[i].arguments ? " ID" : "");
	if (asked.verb == VERB_ADD && (!role || !role_parse(str_of(role), &asked.role)))
		return cli_failf(EXIT_USAGE, "--role must be read, operate or administer");
	if (asked.verb == VERB_ADD && keys_name_problem(str_of(asked.subject)))
		return cli_failf(EXIT_USAGE, "%s", keys_name_problem(str_of(asked.subject)));
	if (asked.subject && asked.verb != VERB_ADD &&
	    strspn(asked.subject, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != strlen(asked.subject))
		return cli_failf(EXIT_USAGE, "'%s' is no id of an access key", asked.subject);
	if (store && line_option(line, "endpoint"))
		return cli_failf(EXIT_USAGE, "--store and --endpoint cannot be given together");
	return store ? ask_store(&asked, store, line_option(line, "config")) : ask_server(&asked, line_option(line, "endpoint"));
}

const struct subcommand command_keys = {
	.name = "keys",
	.arguments = "ls | add NAME | rm ID | disable ID | enable ID",
	.summary = "access keys: who may ask a server with authentication",
	.details = "add prints the key's id and its secret, this once, as AWS's variables. A server is asked (which\n"
		   "needs a key that administers, if its authentication is on); with --store the store itself is\n"
		   "opened, which no server may have open then: so the first key is made.",
	.options =
	    (const struct option_row[]){
		{ "endpoint", "URL", "the server (RATCHET_ENDPOINT, else http://127.0.0.1:8083)" },
		{ "store", "URL", "sqlite:PATH: the store instead of a server" },
		{ "config", "FILE", "with --store: the configuration (region and account of a new store)" },
		{ "role", "ROLE", "of a new key: read, operate or administer" },
		{ "json", NULL, "print JSON" },
		{ 0 } },
	.arguments_min = 1,
	.arguments_max = 2,
	.run = run_keys,
};
