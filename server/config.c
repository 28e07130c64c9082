/* config.c: reads the configuration (config.h). */
#include "server/config.h"
#include "base/mem.h"
#include "server/yaml_reader.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_BYTES_MAX (4 << 20)

const struct config_row config_rows[] = {
#define X(field, value, text) { #field, value, text, offsetof(struct config, field) },
	CONFIG_ROWS(X)
#undef X
};
const unsigned config_rows_count = sizeof config_rows / sizeof config_rows[0];

static char **row_slot(struct config *config, const struct config_row *row)
{
	return (char **)(void *)((char *)config + row->offset);
}

static void replace(char **slot, char *text)
{
	free(*slot);
	*slot = text;
}

/* ---- the file ----------------------------------------------------------------------------- */

static int read_file(const char *path, struct buffer *out, struct wf_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "cannot read %s", path);
	ssize_t got = 1;
	while (got > 0 && out->len <= CONFIG_BYTES_MAX) {
		got = read(fd, buffer_reserve(out, 65536), 65536);
		if (got > 0)
			out->len += (size_t)got;
	}
	int saved = errno;
	close(fd);
	if (got < 0)
		return error_errno(err, saved, "cannot read %s", path);
	if (out->len > CONFIG_BYTES_MAX)
		return error_set(err, ERR(LIMIT), "%s is larger than %d bytes", path, CONFIG_BYTES_MAX);
	return 0;
}

static int take_limits(struct config *config, const struct value *limits, struct wf_error *err)
{
	if (!value_is(limits, VALUE_OBJECT))
		return error_set(err, ERR(INVALID), "limits: expected a mapping of names to numbers");
	for (size_t i = 0; i < value_count(limits); i++) {
		struct str key = value_key_at(limits, i);
		const struct limit_row *row = NULL;
		for (unsigned r = 0; r < limit_rows_count && !row; r++)
			if (str_eqz(key, limit_rows[r].name))
				row = &limit_rows[r];
		if (!row)
			return error_set(err, ERR(INVALID), "limits: there is no limit named '%.*s'", STR_FMT(key));
		int64_t number;
		if (!value_int64(value_at(limits, i), &number) || number < row->least || number > row->most)
			return error_set(err, ERR(INVALID), "limits: %s must be a whole number from %lld to %lld", row->name,
					 (long long)row->least, (long long)row->most);
		*(int64_t *)(void *)((char *)&config->limits + row->offset) = number;
	}
	return 0;
}

/* A path of the file's sections is meant relative to the file. */
static struct value *absolute_path(const struct value *path, const char *folder)
{
	struct str text = value_string(path);
	if (!value_is(path, VALUE_STRING) || text.len == 0 || text.ptr[0] == '/')
		return value_ref(path);
	_cleanup_free_ char *joined = mem_printf("%s/%.*s", folder, STR_FMT(text));
	return value_from_string(str_of(joined));
}

static struct value *resolve_exec(const struct value *exec, const char *folder)
{
	struct value *resolved = value_new_object(value_count(exec));
	for (size_t i = 0; i < value_count(exec); i++) {
		const struct value *entry = value_at(exec, i);
		if (!value_is(entry, VALUE_OBJECT)) {
			value_object_set(resolved, value_key_at(exec, i), entry);
			continue;
		}
		struct value *copy = value_new_object(value_count(entry));
		for (size_t k = 0; k < value_count(entry); k++) {
			struct str key = value_key_at(entry, k);
			/* A program without a slash is looked for in PATH. */
			bool is_path = str_eqz(key, "cwd") ||
				       (str_eqz(key, "program") && value_is(value_at(entry, k), VALUE_STRING) &&
					memchr(value_string(value_at(entry, k)).ptr, '/', value_string(value_at(entry, k)).len));
			value_object_take(copy, key, is_path ? absolute_path(value_at(entry, k), folder) : value_ref(value_at(entry, k)));
		}
		value_object_take(resolved, value_key_at(exec, i), copy);
	}
	return resolved;
}

static int take_key(struct config *config, struct str key, const struct value *value, const char *folder, struct wf_error *err)
{
	if (str_eqz(key, "limits"))
		return take_limits(config, value, err);
	if (str_eqz(key, "exec") || str_eqz(key, "http") || str_eqz(key, "machines")) {
		struct value **slot = str_eqz(key, "exec") ? &config->exec : str_eqz(key, "http") ? &config->http : &config->machines;
		if (!value_is(value, VALUE_OBJECT))
			return error_set(err, ERR(INVALID), "%.*s: expected a mapping, found %s", STR_FMT(key),
					 value_kind_name(value_kind(value)));
		*slot = slot == &config->exec ? resolve_exec(value, folder) : value_ref(value);
		return 0;
	}
	for (unsigned i = 0; i < config_rows_count; i++) {
		if (!str_eqz(key, config_rows[i].field))
			continue;
		struct str text = value_is(value, VALUE_STRING) ? value_string(value) : value_text(value);
		if (value_is(value, VALUE_OBJECT) || value_is(value, VALUE_ARRAY) || memchr(text.ptr, 0, text.len))
			return error_set(err, ERR(INVALID), "%.*s: expected a text", STR_FMT(key));
		replace(row_slot(config, &config_rows[i]), mem_strndup(text.ptr, text.len));
		return 0;
	}
	return error_set(err, ERR(INVALID), "there is no setting named '%.*s'", STR_FMT(key));
}

static int take_file(struct config *config, const char *path, struct wf_error *err)
{
	_cleanup_(buffer_done) struct buffer text = { 0 };
	_cleanup_(value_unrefp) struct value *root = NULL;
	int code = read_file(path, &text, err);
	if (code)
		return code;
	code = yaml_parse(buffer_str(&text), &root, err);
	if (code == 0 && !value_is(root, VALUE_OBJECT))
		code = error_set(err, ERR(INVALID), "expected a mapping of settings");
	_cleanup_free_ char *full = realpath(path, NULL);
	_cleanup_free_ char *folder = mem_strdup(full ? full : path);
	char *slash = strrchr(folder, '/');
	if (slash)
		*slash = 0;
	for (size_t i = 0; code == 0 && i < value_count(root); i++)
		code = take_key(config, value_key_at(root, i), value_at(root, i), slash ? folder : ".", err);
	if (code)
		error_where(err, "%s", path);
	else
		replace(&config->path, mem_strdup(path));
	return code;
}

/* ---- the rest ------------------------------------------------------------------------------- */

/* $XDG_DATA_HOME/ratchet, or ~/.local/share/ratchet. To be freed. */
static char *default_folder(void)
{
	const char *data = getenv("XDG_DATA_HOME");
	if (data && data[0] == '/')
		return mem_printf("%s/ratchet", data);
	const char *home = getenv("HOME");
	return mem_printf("%s/.local/share/ratchet", home && *home ? home : "");
}

static void take_environment(struct config *config)
{
	for (unsigned i = 0; i < config_rows_count; i++) {
		char name[64] = "RATCHET_";
		size_t at = strlen(name);
		for (const char *c = config_rows[i].field; *c && at + 1 < sizeof name; c++)
			name[at++] = (char)toupper((unsigned char)*c);
		name[at] = 0;
		const char *text = getenv(name);
		if (text)
			replace(row_slot(config, &config_rows[i]), mem_strdup(text));
	}
}

int config_load(struct config *config, const char *path, struct wf_error *err)
{
	*config = (struct config){ .limits = LIMITS_DEFAULT };
	for (unsigned i = 0; i < config_rows_count; i++)
		*row_slot(config, &config_rows[i]) = mem_strdup(config_rows[i].value);

	_cleanup_free_ char *folder = default_folder();
	_cleanup_free_ char *beside = mem_printf("%s/ratchet.yaml", folder);
	if (!path)
		path = getenv("RATCHET_CONFIG");
	if (!path && access(beside, F_OK) == 0)
		path = beside;
	int code = path ? take_file(config, path, err) : 0;
	if (code)
		return code;
	take_environment(config);
	return 0;
}

int config_set(struct config *config, const char *flag, const char *text, struct wf_error *err)
{
	for (unsigned i = 0; i < config_rows_count; i++) {
		const char *a = config_rows[i].field, *b = flag;
		while (*a && (*a == *b || (*a == '_' && *b == '-'))) {
			a++;
			b++;
		}
		if (*a || *b)
			continue;
		replace(row_slot(config, &config_rows[i]), mem_strdup(text));
		return 0;
	}
	return error_set(err, ERR(NOT_FOUND), "there is no option --%s", flag);
}

static int check_choice(const char *name, const char *text, const char *a, const char *b, struct wf_error *err)
{
	if (strcmp(text, a) == 0 || strcmp(text, b) == 0)
		return 0;
	return error_set(err, ERR(INVALID), "%s must be %s or %s, not '%s'", name, a, b, text);
}

int config_finish(struct config *config, struct wf_error *err)
{
	enum log_level level;
	if (!log_level_parse(config->log_level, &level))
		return error_set(err, ERR(INVALID), "log_level must be debug, info, warn or error, not '%s'", config->log_level);
	int code = check_choice("log_format", config->log_format, "text", "json", err);
	if (code == 0)
		code = check_choice("durability", config->durability, "full", "relaxed", err);
	if (code)
		return code;
	for (const char *c = config->account; *c; c++)
		if (!isdigit((unsigned char)*c) || strlen(config->account) != 12)
			return error_set(err, ERR(INVALID), "account must be twelve digits, not '%s'", config->account);
	if (!*config->store) {
		_cleanup_free_ char *folder = default_folder();
		replace(&config->store, mem_printf("sqlite:%s/ratchet.db", folder));
	}
	if (strncmp(config->store, "sqlite:", 7) != 0 && strcmp(config->store, "memory:") != 0)
		return error_set(err, ERR(INVALID), "store must be sqlite:PATH or memory:, not '%s'", config->store);
	if (!*config->work_dir && strncmp(config->store, "sqlite:", 7) == 0)
		replace(&config->work_dir, mem_printf("%s.work", config->store + 7));
	if (!*config->lambda_endpoint) {
		const char *endpoint = getenv("AWS_ENDPOINT_URL_LAMBDA");
		replace(&config->lambda_endpoint, mem_strdup(endpoint ? endpoint : ""));
	}
	return 0;
}

void config_done(struct config *config)
{
	for (unsigned i = 0; i < config_rows_count; i++)
		replace(row_slot(config, &config_rows[i]), NULL);
	value_unref(config->exec);
	value_unref(config->http);
	value_unref(config->machines);
	free(config->path);
	*config = (struct config){ 0 };
}

void config_help(struct buffer *out)
{
	for (unsigned i = 0; i < config_rows_count; i++) {
		char flag[64];
		size_t at = 0;
		for (const char *c = config_rows[i].field; *c && at + 1 < sizeof flag; c++)
			flag[at++] = *c == '_' ? '-' : *c;
		flag[at] = 0;
		buffer_printf(out, "  --%-18s %s", flag, config_rows[i].text);
		if (*config_rows[i].value)
			buffer_printf(out, " (%s)", config_rows[i].value);
		buffer_byte(out, '\n');
	}
}
