/* test_config.c: where settings come from, which wins, and what is said of those that are wrong. */
#include "base/mem.h"
#include "server/config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static char *path_of(const char *name)
{
	return mem_printf("%s/%s", folder, name);
}

static void write_file(const char *name, const char *text)
{
	_cleanup_free_ char *path = path_of(name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* Loads a file with this text; 0, or the error's code. */
static int load(struct config *config, const char *text, struct wf_error *err)
{
	_cleanup_free_ char *path = path_of("test.yaml");
	write_file("test.yaml", text);
	return config_load(config, path, err);
}

static void assert_refused(const char *text, const char *where, const char *message)
{
	struct config config;
	struct wf_error err = { 0 };
	_cleanup_free_ char *path = path_of("test.yaml");
	_cleanup_free_ char *whole = mem_printf("%s: %s", path, where);
	if (load(&config, text, &err) == 0)
		fail_msg("%s is accepted", text);
	assert_int_equal(err.code, ERR(INVALID));
	assert_string_equal(err.where, whole);
	if (!strstr(err.message, message))
		fail_msg("'%s' does not say '%s'", err.message, message);
	config_done(&config);
}

static void without_anything_the_defaults_hold(void **state)
{
	struct config config;
	assert_int_equal(config_load(&config, NULL, NULL), 0);
	assert_null(config.path);
	for (unsigned i = 0; i < config_rows_count; i++)
		assert_string_equal(*(char **)(void *)((char *)&config + config_rows[i].offset), config_rows[i].value);
	for (unsigned i = 0; i < limit_rows_count; i++)
		assert_int_equal(*(int64_t *)(void *)((char *)&config.limits + limit_rows[i].offset),
				 limit_rows[i].value);
	config_finish(&config);
	_cleanup_free_ char *store = mem_printf("sqlite:%s/data/ratchet/ratchet.db", folder);
	_cleanup_free_ char *work = mem_printf("%s/data/ratchet/ratchet.db.work", folder);
	assert_string_equal(config.store, store);
	assert_string_equal(config.work_dir, work);
	config_done(&config);
}

static void a_flag_beats_a_variable_beats_the_file_beats_the_default(void **state)
{
	struct config config;
	assert_int_equal(load(&config, "region: from-file\naccount: 111111111111\nlog_level: warn\n", NULL), 0);
	assert_string_equal(config.region, "from-file");
	assert_string_equal(config.log_format, "text");
	config_done(&config);
	setenv("RATCHET_REGION", "from-variable", 1);
	setenv("RATCHET_LOG_LEVEL", "", 1); /* counts as none */
	assert_int_equal(load(&config, "region: from-file\naccount: 111111111111\nlog_level: warn\n", NULL), 0);
	assert_string_equal(config.region, "from-variable");
	assert_string_equal(config.account, "111111111111");
	assert_string_equal(config.log_level, "warn");
	assert_int_equal(config_set(&config, "region", "from-flag", NULL), 0);
	assert_int_equal(config_set(&config, "log-level", "debug", NULL), 0);
	assert_int_equal(config_set(&config, "log_format", "json", NULL), 0);
	assert_string_equal(config.region, "from-flag");
	assert_string_equal(config.log_level, "debug");
	assert_string_equal(config.log_format, "json");
	unsetenv("RATCHET_REGION");
	unsetenv("RATCHET_LOG_LEVEL");
	config_done(&config);
}

static void the_file_beside_the_default_store_is_read(void **state)
{
	struct config config;
	_cleanup_free_ char *data = path_of("data");
	_cleanup_free_ char *ratchet = path_of("data/ratchet");
	mkdir(data, 0700);
	mkdir(ratchet, 0700);
	write_file("data/ratchet/ratchet.yaml", "region: beside\n");
	write_file("named.yaml", "region: named\n");
	_cleanup_free_ char *named = path_of("named.yaml");
	assert_int_equal(config_load(&config, NULL, NULL), 0);
	assert_string_equal(config.region, "beside");
	config_done(&config);
	setenv("RATCHET_CONFIG", named, 1);
	assert_int_equal(config_load(&config, NULL, NULL), 0);
	assert_string_equal(config.region, "named");
	config_done(&config);
	unsetenv("RATCHET_CONFIG");
	_cleanup_free_ char *beside = path_of("data/ratchet/ratchet.yaml");
	unlink(beside);
}

static void a_named_file_must_be_there(void **state)
{
	struct config config;
	struct wf_error err = { 0 };
	_cleanup_free_ char *path = path_of("absent.yaml");
	assert_int_equal(config_load(&config, path, &err), ERR(IO));
	assert_non_null(strstr(err.message, "absent.yaml"));
	config_done(&config);
	assert_int_equal(config_load(&config, folder, &err), ERR(IO));
	config_done(&config);
}

static void mistakes_have_a_place(void **state)
{
	assert_refused("region: x\nlisten_on: y\n", "line 2, column 1: /listen_on",
		       "there is no setting named 'listen_on'");
	assert_refused("limits:\n  states: 20\n  stats: 20\n", "line 3, column 3: /limits/stats",
		       "there is no limit named 'stats'");
	assert_refused("limits: {states: 1}\n", "line 1, column 10: /limits/states",
		       "states must be a whole number from 10 to 1000000");
	assert_refused("limits: {states: many}\n", "line 1, column 10: /limits/states", "whole number");
	assert_refused("limits: {states: 10.5}\n", "line 1, column 10: /limits/states", "whole number");
	assert_refused("limits: {states: 99999999999999999999}\n", "line 1, column 10: /limits/states", "whole number");
	assert_refused("limits: 5\n", "line 1, column 1: /limits", "expected a mapping, found number");
	assert_refused("\nexec: []\n", "line 2, column 1: /exec", "expected a mapping, found array");
	assert_refused("store: [a]\n", "line 1, column 1: /store", "expected a text, found array");
	assert_refused("store: {a: b}\n", "line 1, column 1: /store", "expected a text, found object");
	assert_refused("region: \"a\\0b\"\n", "line 1, column 1: /region", "without NUL");
}

static void a_file_is_a_mapping(void **state)
{
	struct config config;
	struct wf_error err = { 0 };
	assert_int_equal(load(&config, "[1]\n", &err), ERR(INVALID));
	assert_string_equal(err.message, "expected a mapping of settings, found array");
	config_done(&config);
}

static void a_text_that_is_no_yaml_has_a_place(void **state)
{
	assert_refused("a: b: c\n", "line 1, column 5", "mapping values");
	assert_refused("region: *x\n", "line 1, column 9", "aliases");
	assert_refused("region: a\nregion: b\n", "line 2, column 1", "the key 'region' stands twice");
}

static void every_setting_is_checked_wherever_it_comes_from(void **state)
{
	static const struct {
		const char *field, *wrong, *right, *message;
	} cases[] = {
		{ "store", "postgres:x", "sqlite:x", "sqlite:PATH or memory:" },
		{ "store", "sqlite:", "memory:", "sqlite:PATH or memory:" },
		{ "durability", "some", "relaxed", "full or relaxed" },
		{ "region", "Nowhere:1", "eu-west-1", "small letters" },
		{ "account", "12345", "123456789012", "twelve digits" },
		{ "account", "12345678901x", "000000000000", "twelve digits" },
		{ "lambda_endpoint", "localhost:80", "http://localhost:80", "http://" },
		{ "log_level", "loud", "debug", "debug, info, warn or error" },
		{ "log_format", "xml", "json", "text or json" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct config config;
		struct wf_error err = { 0 };
		_cleanup_free_ char *text = mem_printf("%s: '%s'\n", cases[i].field, cases[i].wrong);
		_cleanup_free_ char *where = mem_printf("line 1, column 1: /%s", cases[i].field);
		assert_refused(text, where, cases[i].message);
		assert_int_equal(config_load(&config, NULL, NULL), 0);
		assert_int_equal(config_set(&config, cases[i].field, cases[i].wrong, &err), ERR(INVALID));
		assert_non_null(strstr(err.message, cases[i].message));
		assert_int_equal(config_set(&config, cases[i].field, cases[i].right, &err), 0);
		config_done(&config);
		char name[64] = "RATCHET_";
		for (size_t c = 0; cases[i].field[c]; c++)
			name[8 + c] = (char)(cases[i].field[c] == '_' ? '_' : cases[i].field[c] - 'a' + 'A');
		err = (struct wf_error){ 0 };
		setenv(name, cases[i].wrong, 1);
		assert_int_equal(config_load(&config, NULL, &err), ERR(INVALID));
		assert_string_equal(err.where, name);
		unsetenv(name);
		config_done(&config);
	}
}

static void an_unknown_flag_is_not_found(void **state)
{
	struct config config;
	assert_int_equal(config_load(&config, NULL, NULL), 0);
	assert_int_equal(config_set(&config, "nonsense", "1", NULL), ERR(NOT_FOUND));
	assert_int_equal(config_set(&config, "log", "1", NULL), ERR(NOT_FOUND));
	assert_int_equal(config_set(&config, "log-levels", "1", NULL), ERR(NOT_FOUND));
	config_done(&config);
}

static void a_key_without_a_value_is_as_if_it_were_not_there(void **state)
{
	struct config config;
	struct wf_error err = { 0 };
	assert_int_equal(load(&config, "listen:\nlimits:\nexec: ~\nhttp: null\n", &err), 0);
	assert_string_equal(config.listen, "127.0.0.1:8083");
	assert_null(config.exec);
	config_done(&config);
	assert_int_equal(load(&config, "---\n", &err), 0);
	config_done(&config);
	assert_int_equal(load(&config, "", &err), 0);
	config_done(&config);
}

static void numbers_are_taken_as_texts_where_a_text_is_due(void **state)
{
	struct config config;
	assert_int_equal(load(&config, "account: 123456789012\nlimits: {states: 1e3}\n", NULL), 0);
	assert_string_equal(config.account, "123456789012");
	assert_int_equal(config.limits.states, 1000);
	config_done(&config);
	assert_int_equal(load(&config, "account: 000000000001\n", NULL), 0);
	assert_string_equal(config.account, "000000000001");
	config_done(&config);
}

static void paths_of_programs_are_relative_to_the_file(void **state)
{
	struct config config;
	assert_int_equal(
	    load(&config,
		 "exec:\n  a: {program: ./bin/x, cwd: work}\n  b: {program: ffmpeg}\n  c: {program: /bin/true}\n",
		 NULL),
	    0);
	_cleanup_free_ char *wanted =
	    mem_printf("{\"a\":{\"program\":\"%s/./bin/x\",\"cwd\":\"%s/"
		       "work\"},\"b\":{\"program\":\"ffmpeg\"},\"c\":{\"program\":\"/bin/true\"}}",
		       folder, folder);
	_cleanup_(buffer_done) struct buffer text = { 0 };
	buffer_add(&text, value_text(config.exec));
	assert_string_equal(text.data, wanted);
	config_done(&config);
}

static void a_pointer_is_located_in_the_file(void **state)
{
	struct config config;
	struct wf_error err = { 0 };
	_cleanup_free_ char *path = path_of("test.yaml");
	_cleanup_free_ char *wanted = mem_printf("%s: line 3, column 5: /exec/a/args", path);
	assert_int_equal(load(&config, "exec:\n  a:\n    args: 5\n", NULL), 0);
	error_where(&err, "/exec/a/args");
	config_locate(&config, &err);
	assert_string_equal(err.where, wanted);
	config_done(&config);
}

static void a_huge_file_is_refused(void **state)
{
	struct config config;
	struct wf_error err = { 0 };
	_cleanup_free_ char *path = path_of("huge.yaml");
	write_file("huge.yaml", "");
	assert_int_equal(truncate(path, 100 << 20), 0);
	assert_int_equal(config_load(&config, path, &err), ERR(LIMIT));
	config_done(&config);
	assert_int_equal(config_load(&config, "/dev/zero", &err), ERR(LIMIT));
	config_done(&config);
}

static int make_folder(void **state)
{
	snprintf(folder, sizeof folder, "/tmp/ratchet-config-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	_cleanup_free_ char *data = path_of("data");
	setenv("XDG_DATA_HOME", data, 1);
	unsetenv("AWS_ENDPOINT_URL_LAMBDA");
	unsetenv("RATCHET_CONFIG");
	for (unsigned i = 0; i < config_rows_count; i++) {
		char name[64];
		snprintf(name, sizeof name, "RATCHET_%s", config_rows[i].field);
		for (char *c = name + 8; *c; c++)
			*c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
		unsetenv(name);
	}
	return 0;
}

static int remove_folder(void **state)
{
	static const char *const names[] = { "test.yaml", "named.yaml", "huge.yaml", "data/ratchet", "data", "" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		_cleanup_free_ char *path = path_of(names[i]);
		remove(path);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_anything_the_defaults_hold),
		cmocka_unit_test(a_flag_beats_a_variable_beats_the_file_beats_the_default),
		cmocka_unit_test(the_file_beside_the_default_store_is_read),
		cmocka_unit_test(a_named_file_must_be_there),
		cmocka_unit_test(mistakes_have_a_place),
		cmocka_unit_test(a_file_is_a_mapping),
		cmocka_unit_test(a_text_that_is_no_yaml_has_a_place),
		cmocka_unit_test(every_setting_is_checked_wherever_it_comes_from),
		cmocka_unit_test(an_unknown_flag_is_not_found),
		cmocka_unit_test(a_key_without_a_value_is_as_if_it_were_not_there),
		cmocka_unit_test(numbers_are_taken_as_texts_where_a_text_is_due),
		cmocka_unit_test(paths_of_programs_are_relative_to_the_file),
		cmocka_unit_test(a_pointer_is_located_in_the_file),
		cmocka_unit_test(a_huge_file_is_refused),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
