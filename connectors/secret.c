/* Looks up {env: …}, {file: …} and {secret: …}. See secret.h. */
#include "connectors/secret.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define SECRET_FILE_BYTES_MAX 65536

int secret_check(const struct value *setting, struct wf_error *err)
{
	if (setting && value_is(setting, VALUE_STRING))
		return 0;
	if (!setting || !value_is(setting, VALUE_OBJECT) || value_count(setting) != 1)
		return error_set(err, ERR(INVALID),
				 "expected a text, {env: NAME}, {file: PATH} or {secret: NAME}, found %s",
				 setting ? value_kind_name(value_kind(setting)) : "nothing");
	struct str kind = value_key_at(setting, 0);
	if (!str_eqz(kind, "env") && !str_eqz(kind, "file") && !str_eqz(kind, "secret"))
		return error_set(err, ERR(INVALID), "expected env, file or secret, found \"%.*s\"", STR_FMT(kind));
	struct str name = value_string(value_at(setting, 0));
	if (!value_is(value_at(setting, 0), VALUE_STRING) || !name.len || memchr(name.ptr, 0, name.len))
		return error_set(err, ERR(INVALID), "\"%.*s\" needs a name that is a text", STR_FMT(kind));
	return 0;
}

static int read_file(const char *path, struct buffer *out, struct wf_error *err)
{
	/* Non-blocking, so that a named pipe does not hold up the loop. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return error_errno(err, errno, "cannot open the secret's file %s", path);
	size_t begin = out->len;
	ssize_t n;
	while ((n = read(fd, buffer_reserve(out, 4096), 4096)) > 0) {
		out->len += (size_t)n;
		if (out->len - begin > SECRET_FILE_BYTES_MAX) {
			close(fd);
			return error_set(err, ERR(LIMIT), "the secret's file %s is larger than %d bytes", path,
					 SECRET_FILE_BYTES_MAX);
		}
	}
	int error = errno;
	close(fd);
	if (n < 0)
		return error_errno(err, error, "cannot read the secret's file %s", path);
	if (out->len > begin && out->data[out->len - 1] == '\n')
		out->len--;
	*buffer_reserve(out, 1) = 0; /* as buffers end */
	return 0;
}

int secret_text(struct connector_host *host, const struct value *setting, struct buffer *out, struct wf_error *err)
{
	int r = secret_check(setting, err);
	if (r < 0)
		return r;
	if (value_is(setting, VALUE_STRING)) {
		buffer_add(out, value_string(setting));
		return 0;
	}
	struct str kind = value_key_at(setting, 0), name = value_string(value_at(setting, 0));
	_cleanup_free_ char *text = mem_strndup(name.ptr, name.len);
	if (str_eqz(kind, "file"))
		return read_file(text, out, err);
	if (str_eqz(kind, "env")) {
		const char *found = getenv(text);
		if (!found)
			return error_set(err, ERR(NOT_FOUND), "the environment variable %s is not set", text);
		buffer_addz(out, found);
		return 0;
	}
	if (!host->secret)
		return error_set(err, ERR(UNSUPPORTED),
				 "{secret: %s} needs a store with secrets; use {env: …} or {file: …}", text);
	return host->secret(host, name, out, err);
}
