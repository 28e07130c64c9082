/* config.c: reads the configuration (config.h). */
#include "server/config.h"
#include "base/mem.h"
#include "value/yaml_reader.h"
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
#define X(field, value, argument, text) { #field, value, argument, text, offsetof(struct config, field) },
	CONFIG_ROWS(X)
#undef X
};
const unsigned config_rows_count = sizeof config_rows / sizeof config_rows[0];

static const struct {
	const char *name;
	uint32_t offset; /* of the struct value * in struct config */
} sections[] = {
#define X(field) { #field, offsetof(struct config, field) },
	CONFIG_SECTIONS(X)
#undef X
};

static char **row_slot(struct config *config, const struct config_row *row)
{
	return (char **)(void *)((char *)config + row->offset);
}

static void replace(char **slot, char *text)
{
	free(*slot);
	*slot = text;
}

/* ---- what a setting may be ----------------------------------------------------------------------------------- */

static bool is_store(const char *text)
{
	return (strncmp(text, "sqlite:", 7) == 0 && text[7]) || strcmp(text, "memory:") == 0;
}

static bool is_durability(const char *text)
{
	return strcmp(text, "full") == 0 || strcmp(text, "relaxed") == 0;
}

static bool is_region(const char *text)
{
	return strlen(text) <= 32 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(text);
}

static bool is_account(const char *text)
{
	return strlen(text) == 12 && strspn(text, "0123456789") == 12;
}

static bool is_url(const char *text)
{
	return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
}

static bool is_log_level(const char *text)
{
	enum log_level level;
	return log_level_parse(text, &level);
}

static bool is_auth(const char *text)
{
	return strcmp(text, "none") == 0 || strcmp(text, "sigv4") == 0;
}

/* Names or addresses, without ports: "a.example, [fd00::1]". */
static bool is_hosts(const char *text)
{
	return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._[]:, ") == strlen(text);
}

static bool is_switch(const char *text)
{
	return strcmp(text, "on") == 0 || strcmp(text, "off") == 0;
}

static bool is_scale(const char *text)
{
	char *rest;
	double number = strtod(text, &rest);
	return *text && !*rest && number >= 1 && number <= 1e6;
}

static bool is_log_format(const char *text)
{
	return strcmp(text, "text") == 0 || strcmp(text, "json") == 0;
}

static const struct {
	const char *field;
	bool (*fits)(const char *text);
	const char *expected;
} checks[] = {
	{ "store", is_store, "sqlite:PATH or memory:" },
	{ "durability", is_durability, "full or relaxed" },
	{ "region", is_region, "a name of small letters, digits and hyphens, 32 at most" },
	{ "account", is_account, "twelve digits" },
	{ "auth", is_auth, "none or sigv4" },
	{ "hosts", is_hosts, "names with commas between" },
	{ "lambda_endpoint", is_url, "a URL that begins with http:// or https://" },
	{ "log_level", is_log_level, "debug, info, warn or error" },
	{ "log_format", is_log_format, "text or json" },
	{ "search", is_switch, "on or off" },
	{ "time_scale", is_scale, "a number from 1 to 1000000" },
};

/* Takes a setting, if it can be that; empty is what it is by default, where that is empty. */
static int set_row(struct config *config, const struct config_row *row, struct str text, struct wf_error *err)
{
	_cleanup_free_ char *copy = mem_strndup(text.ptr, text.len);
	if (strlen(copy) != text.len)
		return error_set(err, ERR(INVALID), "%s must be a text without NUL", row->field);
	for (unsigned i = 0; i < sizeof checks / sizeof checks[0]; i++)
		if (strcmp(checks[i].field, row->field) == 0 && (*copy || *row->value) && !checks[i].fits(copy))
			return error_set(err, ERR(INVALID), "%s must be %s, not '%s'", row->field, checks[i].expected,
					 copy);
	replace(row_slot(config, row), TAKE(copy));
	return 0;
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

/* Says which member of the file is meant, as a JSON pointer. */
static int at(struct wf_error *err, int code, const char *parent, struct str name)
{
	error_where(err, "%s/%.*s", parent, STR_FMT(name));
	return code;
}

static int take_limit(struct config *config, struct str name, const struct value *value, struct wf_error *err)
{
	const struct limit_row *row = NULL;
	for (unsigned r = 0; r < limit_rows_count && !row; r++)
		if (str_eqz(name, limit_rows[r].name))
			row = &limit_rows[r];
	if (!row)
		return error_set(err, ERR(INVALID), "there is no limit named '%.*s'", STR_FMT(name));
	int64_t number;
	if (!value_is(value, VALUE_NUMBER) || !value_int64(value, &number) || number < row->least || number > row->most)
		return error_set(err, ERR(INVALID), "%s must be a whole number from %lld to %lld", row->name,
				 (long long)row->least, (long long)row->most);
	*(int64_t *)(void *)((char *)&config->limits + row->offset) = number;
	return 0;
}

static int take_limits(struct config *config, const struct value *limits, struct wf_error *err)
{
	for (size_t i = 0; i < value_count(limits); i++) {
		int code = take_limit(config, value_key_at(limits, i), value_at(limits, i), err);
		if (code)
			return at(err, code, "/limits", value_key_at(limits, i));
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

/* Of `exec` and `functions`. */
static struct value *resolve_paths(const struct value *exec, const char *folder)
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
			bool is_path =
			    str_eqz(key, "cwd") || str_eqz(key, "handler") ||
			    (str_eqz(key, "program") && value_is(value_at(entry, k), VALUE_STRING) &&
			     memchr(value_string(value_at(entry, k)).ptr, '/', value_string(value_at(entry, k)).len));
			value_object_take(copy, key,
					  is_path ? absolute_path(value_at(entry, k), folder)
						  : value_ref(value_at(entry, k)));
		}
		value_object_take(resolved, value_key_at(exec, i), copy);
	}
	return resolved;
}

static struct value *resolve_logs(const struct value *logs, const char *folder)
{
	struct value *resolved = value_new_object(value_count(logs));
	for (size_t i = 0; i < value_count(logs); i++) {
		struct str key = value_key_at(logs, i);
		const struct value *value = value_at(logs, i);
		value_object_take(resolved, key, str_eqz(key, "folder") ? absolute_path(value, folder) : value_ref(value));
	}
	return resolved;
}

static int check_mapping(const struct value *value, struct wf_error *err)
{
	return value_is(value, VALUE_OBJECT)
		   ? 0
		   : error_set(err, ERR(INVALID), "expected a mapping, found %s", value_kind_name(value_kind(value)));
}

static int take_section(struct config *config, unsigned index, const struct value *value, const char *folder,
			struct wf_error *err)
{
	struct value **slot = (struct value **)(void *)((char *)config + sections[index].offset);
	int code = check_mapping(value, err);
	if (code == 0)
		*slot = slot == &config->exec || slot == &config->functions ? resolve_paths(value, folder)
			: slot == &config->logs ? resolve_logs(value, folder)
						: value_ref(value);
	return code;
}

/* A key without a value (null) is as if it were not there. */
static int take_key(struct config *config, struct str key, const struct value *value, const char *folder,
		    struct wf_error *err)
{
	bool given = !value_is(value, VALUE_NULL);
	if (str_eqz(key, "limits")) {
		int code = given ? check_mapping(value, err) : 0;
		return code ? at(err, code, "", key) : take_limits(config, value, err);
	}
	for (unsigned i = 0; i < sizeof sections / sizeof sections[0]; i++) {
		if (!str_eqz(key, sections[i].name))
			continue;
		int code = given ? take_section(config, i, value, folder, err) : 0;
		return code ? at(err, code, "", key) : 0;
	}
	for (unsigned i = 0; i < config_rows_count; i++) {
		if (!str_eqz(key, config_rows[i].field))
			continue;
		int code = 0;
		if (value_is(value, VALUE_OBJECT) || value_is(value, VALUE_ARRAY))
			code = error_set(err, ERR(INVALID), "expected a text, found %s",
					 value_kind_name(value_kind(value)));
		else if (given)
			code = set_row(config, &config_rows[i],
				       value_is(value, VALUE_STRING) ? value_string(value) : value_text(value), err);
		return code ? at(err, code, "", key) : 0;
	}
	return at(err, error_set(err, ERR(INVALID), "there is no setting named '%.*s'", STR_FMT(key)), "", key);
}

static int take_members(struct config *config, const struct value *root, struct wf_error *err)
{
	_cleanup_free_ char *full = realpath(config->path, NULL);
	_cleanup_free_ char *folder = mem_strdup(full ? full : config->path);
	char *slash = strrchr(folder, '/');
	if (slash)
		*slash = 0;
	int code = 0;
	for (size_t i = 0; code == 0 && i < value_count(root); i++)
		code = take_key(config, value_key_at(root, i), value_at(root, i), slash ? folder : ".", err);
	if (code)
		config_locate(config, err);
	return code;
}

static int take_file(struct config *config, const char *path, struct wf_error *err)
{
	_cleanup_(value_unrefp) struct value *root = NULL;
	int code = read_file(path, &config->source, err);
	if (code)
		return code;
	config->path = mem_strdup(path);
	code = yaml_parse(buffer_str(&config->source), &root, err);
	if (code == 0 && value_is(root, VALUE_NULL))
		return 0;
	if (code == 0 && !value_is(root, VALUE_OBJECT))
		code = error_set(err, ERR(INVALID), "expected a mapping of settings, found %s",
				 value_kind_name(value_kind(root)));
	if (code) {
		error_where(err, "%s", path);
		return code;
	}
	return take_members(config, root, err);
}

void config_locate(const struct config *config, struct wf_error *err)
{
	size_t line, column;
	if (!err || !config->path)
		return;
	if (yaml_place(buffer_str(&config->source), err->where, &line, &column))
		error_where(err, "%s: line %zu, column %zu", config->path, line, column);
	else
		error_where(err, "%s", config->path);
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

static int take_environment(struct config *config, struct wf_error *err)
{
	int code = 0;
	for (unsigned i = 0; i < config_rows_count && code == 0; i++) {
		char name[64] = "RATCHET_";
		size_t length = strlen(name);
		for (const char *c = config_rows[i].field; *c && length + 1 < sizeof name; c++)
			name[length++] = (char)toupper((unsigned char)*c);
		name[length] = 0;
		const char *text = getenv(name);
		if (text && *text)
			code = set_row(config, &config_rows[i], str_of(text), err);
		if (code)
			error_where(err, "%s", name);
	}
	return code;
}

/* The file to read; NULL: none. To be freed. */
static char *find_file(const char *path)
{
	const char *named = path ? path : getenv("RATCHET_CONFIG");
	if (path || (named && *named))
		return mem_strdup(named);
	_cleanup_free_ char *folder = default_folder();
	_cleanup_free_ char *beside = mem_printf("%s/ratchet.yaml", folder);
	return access(beside, F_OK) == 0 ? TAKE(beside) : NULL;
}

int config_load(struct config *config, const char *path, struct wf_error *err)
{
	*config = (struct config){ .limits = LIMITS_DEFAULT };
	for (unsigned i = 0; i < config_rows_count; i++)
		*row_slot(config, &config_rows[i]) = mem_strdup(config_rows[i].value);

	_cleanup_free_ char *found = find_file(path);
	int code = found ? take_file(config, found, err) : 0;
	return code ? code : take_environment(config, err);
}

int config_set(struct config *config, const char *flag, const char *text, struct wf_error *err)
{
	for (unsigned i = 0; i < config_rows_count; i++) {
		const char *a = config_rows[i].field, *b = flag;
		while (*a && (*a == *b || (*a == '_' && *b == '-'))) {
			a++;
			b++;
		}
		if (!*a && !*b)
			return set_row(config, &config_rows[i], str_of(text), err);
	}
	return error_set(err, ERR(NOT_FOUND), "there is no setting --%s", flag);
}

void config_finish(struct config *config)
{
	if (!*config->store) {
		_cleanup_free_ char *folder = default_folder();
		replace(&config->store, mem_printf("sqlite:%s/ratchet.db", folder));
	}
	if (!*config->work_dir && strncmp(config->store, "sqlite:", 7) == 0)
		replace(&config->work_dir, mem_printf("%s.work", config->store + 7));
	const char *endpoint = getenv("AWS_ENDPOINT_URL_LAMBDA");
	const char *mocks = getenv("SFN_MOCK_CONFIG");
	if (!*config->mock_config && mocks)
		replace(&config->mock_config, mem_strdup(mocks));
	if (!*config->lambda_endpoint && endpoint)
		replace(&config->lambda_endpoint, mem_strdup(endpoint));
}

void config_done(struct config *config)
{
	for (unsigned i = 0; i < config_rows_count; i++)
		replace(row_slot(config, &config_rows[i]), NULL);
	for (unsigned i = 0; i < sizeof sections / sizeof sections[0]; i++)
		value_unref(*(struct value **)(void *)((char *)config + sections[i].offset));
	free(config->path);
	buffer_done(&config->source);
	*config = (struct config){ 0 };
}
