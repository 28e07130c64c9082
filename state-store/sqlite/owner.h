/* owner.h: one server per file. The owner holds a lock on PATH-owner, an empty file beside the database that stays when it is closed.
 *
 * It is a POSIX record lock: it goes when the process goes, however it goes; children do not inherit it; and the kernel knows the holder's
 * pid, so nothing written can be out of date. Such a lock does not keep a process from itself, so this process's own are kept in a list. */
#pragma once
#include "base/error.h"

struct owner;

/* ERR(BUSY) names the process that has it; ERR(IO). Any thread. */
int owner_take(const char *path, struct owner **ret_owner, struct wf_error *err);
/* NULL is fine. */
void owner_release(struct owner *owner);
