/* access.h: who may ask a server what, from its configuration: access keys, sessions, authentication. */
#pragma once
#include "engine/engine.h"
#include "server/auth.h"
#include "server/config.h"

struct access {
	struct keys *keys;
	struct sessions *sessions; /* NULL without authentication */
	struct auth *auth;	   /* the same */
};

/* Reads the keys, and the configuration's root_key. ERR(INVALID) if authentication is on and nobody could administer. */
int access_init(struct access *access, struct engine *engine, const struct config *config, struct wf_error *err);
void access_done(struct access *access);
