/* schema.h: the tables, as numbered steps. PRAGMA application_id says that the file is ours, PRAGMA user_version how many steps it has had. */
#pragma once
#include "state-store/sqlite/sql.h"

#define SCHEMA_APPLICATION_ID 0x52746368 /* "Rtch" */

/* Takes a file from version i to i + 1. Steps are only ever added. */
struct schema_step {
	const char *text;
};
extern const struct schema_step schema_steps[];
extern const int schema_version; /* how many there are */

/* What the file is: 0 and its version (0: empty), ERR(INVALID): of another program, ERR(VERSION): newer than `count` steps. Writes nothing. */
int schema_check(struct sql *sql, int count, int64_t *ret_version, struct wf_error *err);
/* Brings a checked file to version `count`, in one transaction: it is done whole or not at all. */
int schema_migrate(struct sql *sql, const struct schema_step *steps, int count, struct wf_error *err);
