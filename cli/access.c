/* access.c: keys, sessions and authentication for `ratchet serve` (access.h). */
#include "cli/access.h"
#include "base/mem.h"
#include "connectors/secret.h"
#include "server/keys.h"
#include "server/sessions.h"

/* root_key: {id: TEXT, secret: a secret} */
static int add_root_key(struct access *access, const struct config *config, struct wf_error *err)
{
	const struct value *row = config->root_key;
	if (!row)
		return 0;
	for (size_t i = 0; i < value_count(row); i++)
		if (!str_eqz(value_key_at(row, i), "id") && !str_eqz(value_key_at(row, i), "secret"))
			return error_set(err, ERR(INVALID), "there is no setting '%.*s' here; known are id and secret",
					 STR_FMT(value_key_at(row, i)));
	const struct value *id = value_getz(row, "id");
	if (!id || !value_is(id, VALUE_STRING))
		return error_set(err, ERR(INVALID), "the id of the key must be given, as a text");
	_cleanup_(buffer_done) struct buffer secret = { 0 };
	struct connector_host nobody = { 0 };
	int code = secret_text(&nobody, value_getz(row, "secret"), &secret, err);
	if (code == 0)
		code = keys_configure(access->keys, value_string(id), buffer_str(&secret), err);
	if (secret.len)
		explicit_bzero(secret.data, secret.len);
	return code;
}

int access_init(struct access *access, struct engine *engine, const struct config *config, struct wf_error *err)
{
	*access = (struct access){ .keys = keys_new(engine) };
	int code = add_root_key(access, config, err);
	if (code) {
		error_where(err, "/root_key");
		config_locate(config, err);
	} else if (strcmp(config->auth, "sigv4") == 0) {
		access->sessions = sessions_new(clock_system());
		access->auth = auth_new(access->keys, access->sessions, clock_system());
		if (!keys_can_administer(access->keys, NULL))
			code = strncmp(config->store, "memory:", 7) == 0
				   ? error_set(err, ERR(INVALID),
					       "authentication is on, and there is no access key that administers: give one in the "
					       "configuration (root_key)")
				   : error_set(err, ERR(INVALID),
					       "authentication is on, and there is no access key that administers: make one with "
					       "`ratchet keys add NAME --role administer --store %s`, or give one in the "
					       "configuration (root_key)",
					       config->store);
	}
	if (code)
		access_done(access);
	return code;
}

void access_done(struct access *access)
{
	auth_free(access->auth);
	sessions_free(access->sessions);
	keys_free(access->keys);
	*access = (struct access){ 0 };
}
