/* secret.h: settings whose value may be a secret.
 *
 * Where the configuration takes a text that may be secret it is written as the text itself, or as an object with one
 * member:
 *
 *     "plain"   {env: NAME}   {file: PATH}   {secret: NAME}
 *
 * A secret is looked up when it is used, so a rotated file is read anew, and the value goes to where it is used and
 * nowhere else: never into an error message, a log line or a history. */
#pragma once
#include "base/buffer.h"
#include "connectors/connector.h"

/* Whether `setting` has one of these forms, without looking anything up. ERR(INVALID) otherwise. */
int secret_check(const struct value *setting, struct wf_error *err);

/* Appends the text. {env} of a variable that is not set and {file} of one that cannot be read (64 KiB at most, one
 * newline at its end is dropped) are errors; {secret} asks the host. */
int secret_text(struct connector_host *host, const struct value *setting, struct buffer *out, struct wf_error *err);
