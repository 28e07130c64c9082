/* The exec connector's section of the configuration: which programs there are. One table says which fields a program
 * may have. */
#include "base/mem.h"
#include "connectors/exec/exec.h"
#include "connectors/secret.h"
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TIMEOUT_S_MAX (366.0 * 86400)

static uint32_t processors(void)
{
	cpu_set_t set;
	int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
	return count > 0 ? (uint32_t)count : 1;
}

/* Puts a member's name in front of the JSON pointer in err->where. */
static void in_member(struct wf_error *err, struct str name)
{
	if (!err)
		return;
	_cleanup_free_ char *pointer = mem_printf("/%.*s%s", STR_FMT(name), err->where);
	snprintf(err->where, sizeof err->where, "%.*s", (int)sizeof err->where - 1, pointer);
}

static int wrong_kind(const struct value *value, const char *expected, struct wf_error *err)
{
	return error_set(err, ERR(INVALID), "expected %s, found %s", expected, value_kind_name(value_kind(value)));
}

/* A non-empty text without NUL. A path with a slash is made absolute: the program runs in another folder than the
 * server. */
static int read_path(const struct value *value, bool bare_name, char **ret_path, struct wf_error *err)
{
	struct str text = value_string(value);
	if (!value_is(value, VALUE_STRING) || !text.len || memchr(text.ptr, 0, text.len))
		return wrong_kind(value, "a path", err);
	if (text.ptr[0] == '/' || (bare_name && !memchr(text.ptr, '/', text.len))) {
		*ret_path = mem_strndup(text.ptr, text.len);
		return 0;
	}
	_cleanup_free_ char *here = getcwd(NULL, 0);
	if (!here)
		return error_set(err, ERR(INVALID), "the current folder is gone; write an absolute path");
	*ret_path = mem_printf("%s/%.*s", here, STR_FMT(text));
	return 0;
}

static int read_program(struct exec_program *program, const struct value *value, struct wf_error *err)
{
	return read_path(value, true, &program->program, err);
}

static int read_cwd(struct exec_program *program, const struct value *value, struct wf_error *err)
{
	return read_path(value, false, &program->cwd, err);
}

static int read_args(struct exec_program *program, const struct value *value, struct wf_error *err)
{
	if (!value_is(value, VALUE_ARRAY))
		return wrong_kind(value, "an array of texts", err);
	_cleanup_(buffer_done) struct buffer unused = { 0 };
	uint32_t count = 0;
	for (size_t i = 0; i < value_count(value); i++) {
		const struct value *element = value_at(value, i);
		int r = value_is(element, VALUE_STRING)
			    ? exec_argument_expand(value_string(element), NULL, &unused, &count, err)
			    : wrong_kind(element, "a text", err);
		if (r < 0) {
			char index[24];
			in_member(err, (struct str){ index, (size_t)snprintf(index, sizeof index, "%zu", i) });
			return r;
		}
	}
	program->args = value;
	return 0;
}

static int read_env(struct exec_program *program, const struct value *value, struct wf_error *err)
{
	if (!value_is(value, VALUE_OBJECT))
		return wrong_kind(value, "an object of texts", err);
	for (size_t i = 0; i < value_count(value); i++) {
		struct str name = value_key_at(value, i);
		int r = !name.len || memchr(name.ptr, 0, name.len) || memchr(name.ptr, '=', name.len)
			    ? error_set(err, ERR(INVALID), "that is no name for an environment variable")
			    : secret_check(value_at(value, i), err);
		if (r < 0) {
			in_member(err, name);
			return r;
		}
	}
	program->env = value;
	return 0;
}

static int read_timeout(struct exec_program *program, const struct value *value, struct wf_error *err)
{
	double seconds = value_number(value);
	if (!value_is(value, VALUE_NUMBER) || !(seconds > 0) || seconds > TIMEOUT_S_MAX)
		return wrong_kind(value, "a number of seconds above 0 (a year at most)", err);
	program->timeout_ms = (int64_t)(seconds * 1000) + (seconds * 1000 < 1);
	return 0;
}

static int read_max_concurrent(struct exec_program *program, const struct value *value, struct wf_error *err)
{
	int64_t number;
	if (!value_int64(value, &number) || number < 1 || number > 100000)
		return wrong_kind(value, "a whole number from 1 to 100000", err);
	program->max_concurrent = (uint32_t)number;
	return 0;
}

static int read_output(struct exec_program *program, const struct value *value, struct wf_error *err)
{
	program->text_output = str_eqz(value_string(value), "text");
	if (!program->text_output && !str_eqz(value_string(value), "json"))
		return error_set(err, ERR(INVALID), "expected json or text");
	return 0;
}

static int read_errors(struct exec_program *program, const struct value *value, struct wf_error *err)
{
	if (!value_is(value, VALUE_OBJECT))
		return wrong_kind(value, "an object from exit statuses to error names", err);
	for (size_t i = 0; i < value_count(value); i++) {
		struct str key = value_key_at(value, i), name = value_string(value_at(value, i));
		int status = 0;
		bool number = key.len >= 1 && key.len <= 3 && key.ptr[0] != '0';
		for (size_t k = 0; number && k < key.len; k++) {
			number = key.ptr[k] >= '0' && key.ptr[k] <= '9';
			status = status * 10 + (key.ptr[k] - '0');
		}
		if (!number || status > 255 || !name.len || str_starts(name, STR("States."))) {
			error_set(
			    err, ERR(INVALID),
			    "expected an exit status (1 to 255) and an error name that does not begin with States.");
			in_member(err, key);
			return ERR(INVALID);
		}
	}
	program->errors = value;
	return 0;
}

static const struct field {
	const char *name;
	int (*read)(struct exec_program *program, const struct value *value, struct wf_error *err);
} fields[] = {
	{ "program", read_program }, { "args", read_args },         { "cwd", read_cwd },
	{ "env", read_env },         { "timeout_s", read_timeout }, { "max_concurrent", read_max_concurrent },
	{ "output", read_output },   { "errors", read_errors },
};

static int read_field(struct exec_program *program, struct str name, const struct value *value, struct wf_error *err)
{
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (str_eqz(name, fields[i].name))
			return fields[i].read(program, value, err);
	return error_set(
	    err, ERR(INVALID),
	    "there is no such setting; known are program, args, cwd, env, timeout_s, max_concurrent, output, errors");
}

static bool valid_name(struct str name)
{
	if (!name.len || name.len > 64)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
		      c == '-'))
			return false;
	}
	return true;
}

static int read_entry(struct exec_program *program, struct str name, const struct value *value, struct wf_error *err)
{
	*program = (struct exec_program){ .name = name, .max_concurrent = processors() };
	if (!valid_name(name))
		return error_set(err, ERR(INVALID), "a program's name has 1 to 64 of A-Z a-z 0-9 _ -");
	if (!value_is(value, VALUE_OBJECT))
		return wrong_kind(value, "an object with program, args …", err);
	for (size_t i = 0; i < value_count(value); i++) {
		int r = read_field(program, value_key_at(value, i), value_at(value, i), err);
		if (r < 0) {
			in_member(err, value_key_at(value, i));
			return r;
		}
	}
	if (!program->program)
		return error_set(err, ERR(INVALID), "\"program\" is missing: the path or name of what to run");
	return 0;
}

int exec_config_init(struct exec_config *config, const struct value *source, struct wf_error *err)
{
	*config = (struct exec_config){ 0 };
	if (!source || value_is(source, VALUE_NULL))
		return 0;
	if (!value_is(source, VALUE_OBJECT))
		return wrong_kind(source, "an object from names to programs", err);
	config->source = value_ref(source);
	config->programs = mem_zalloc(sizeof *config->programs * (value_count(source) + 1));
	for (size_t i = 0; i < value_count(source); i++) {
		struct str name = value_key_at(source, i);
		struct exec_program *program = &config->programs[config->count++];
		int r = read_entry(program, name, value_at(source, i), err);
		if (r < 0) {
			in_member(err, name);
			exec_config_done(config);
			return r;
		}
		str_map_put(&config->by_name, name, program);
	}
	return 0;
}

void exec_config_done(struct exec_config *config)
{
	for (size_t i = 0; i < config->count; i++) {
		free(config->programs[i].program);
		free(config->programs[i].cwd);
	}
	free(config->programs);
	str_map_done(&config->by_name);
	value_unref(config->source);
	*config = (struct exec_config){ 0 };
}

struct str exec_program_error_name(const struct exec_program *program, int status)
{
	char text[16];
	int len = snprintf(text, sizeof text, "%d", status);
	const struct value *name =
	    program->errors ? value_get(program->errors, (struct str){ text, (size_t)len }) : NULL;
	return name ? value_string(name) : STR_EMPTY;
}
