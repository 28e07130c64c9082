/* auth.h: who asks, and what they may do.
 *
 * Roles grow: who operates may read, who administers may operate.
 *
 *     read         describe, list, histories, the console's pages
 *     operate      start, stop, redrive, tokens, activities' workers
 *     administer   state machines, functions, keys, settings
 *
 * Without authentication everybody who reaches the listener (loopback only) administers. */
#pragma once
#include "base/str.h"

enum role { ROLE_NONE, ROLE_READ, ROLE_OPERATE, ROLE_ADMINISTER };

struct auth;

struct identity {
	enum role role;
	struct str key_id; /* access key id; empty without authentication. Lives as long as the call. */
};

static inline bool role_allows(enum role has, enum role needs) { return has >= needs; }
const char *role_name(enum role role); /* "read" */
bool role_parse(struct str name, enum role *ret_role);
