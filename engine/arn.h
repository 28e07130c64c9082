/* arn.h: the names of things, as text.
 *
 *     arn:aws:states:REGION:ACCOUNT:stateMachine:NAME
 *     arn:aws:states:REGION:ACCOUNT:execution:MACHINE:NAME
 *
 * An execution that was started without a name gets one from its id: a UUID (version 4 by its shape) of which 64 bits
 * are the id, masked, and 58 are a check under the store's key. So its ARN alone leads to its row, and a name of the
 * caller's that happens to be a UUID is told apart. */
#pragma once
#include "base/arena.h"
#include "base/limits.h"
#include "base/str.h"
#include "engine/token.h"
#include <stdint.h>

#define EXECUTION_NAME_LENGTH 36

/* Parts of an ARN; point into it. */
struct arn {
	struct str partition, service, region, account, type;
	struct str machine; /* of either; of an activity its name */
	struct str qualifier; /* of a state machine: its version or alias; empty: none */
	struct str name;    /* of an execution */
};

/* Reads one of states' ARNs. Returns NULL, or what is wrong in AWS's words ("Invalid ARN prefix: x"), in `arena`.
 * `type` is what it must be. */
const char *arn_parse(struct arena *arena, struct str text, const char *type, struct arn *ret_arn);

/* Whether a name may be given to a state machine, an execution or an activity: 1 to name_chars characters, no white
 * space, brackets, wildcards, controls … */
bool arn_name_valid(struct str name, const struct limits *limits);

/* The name made for an execution without one / the id behind such a name. */
void execution_name_make(const struct token_key *key, uint64_t execution_id, char ret_name[EXECUTION_NAME_LENGTH + 1]);
bool execution_name_read(const struct token_key *key, struct str name, uint64_t *ret_execution_id);
