/* config.h: what `ratchet serve` and its like are told: flags beat RATCHET_* variables, those beat the file, that beats the defaults.
 *
 * One table (config_rows) names every scalar setting: its key in the file, its flag, its variable, its default and its meaning; --help, the
 * reader and the documentation come from it. Sections that are trees (exec, http, machines …) stay values, and are checked by whom they
 * concern. An unknown key is an error that names it and where it stands. */
#pragma once
#include "base/limits.h"
#include "base/log.h"
#include "value/value.h"

/* X(field, default text, what it is). The key in the file is the field's name, the flag --field with - for _, the variable RATCHET_FIELD. */
#define CONFIG_ROWS(X)                                                                                          \
	X(listen, "127.0.0.1:8083", "HOST:PORT to listen on; port 0 takes a free one and prints it")            \
	X(store, "", "where executions are kept: sqlite:PATH or memory: (default: sqlite:$XDG_DATA_HOME/ratchet/ratchet.db)") \
	X(durability, "full", "full: an acknowledged request survives a power loss; relaxed: it survives a crash of the process only") \
	X(region, "", "region in ARNs (default: the store's, else us-east-1)")                                  \
	X(account, "", "account in ARNs (default: the store's, else 000000000000)")                             \
	X(lambda_endpoint, "", "URL of a Lambda Invoke API (default: AWS_ENDPOINT_URL_LAMBDA)")                 \
	X(work_dir, "", "folder for the executions' work folders (default: beside the store)")                  \
	X(log_level, "info", "debug, info, warn or error")                                                      \
	X(log_format, "text", "text or json")

struct config {
#define X(field, value, text) char *field; /* never NULL after config_load */
	CONFIG_ROWS(X)
#undef X
	struct limits limits; /* limits: {NAME: number} */
	struct value *exec, *http, *machines; /* sections, NULL if absent */
	char *path; /* the file that was read; NULL: none */
};

struct config_row {
	const char *field, *value, *text;
	uint32_t offset; /* of the char * in struct config */
};
extern const struct config_row config_rows[];
extern const unsigned config_rows_count;

/* Fills *config: defaults, then the file, then the environment. `path` NULL: ratchet.yaml beside the default store if there is one (its absence is fine;
 * that of a named file is not). ERR(INVALID) with err->where FILE and place. Free with config_done, also after a failure. Relative `program` and `cwd` in `exec` become relative to the file's folder. */
int config_load(struct config *config, const char *path, struct wf_error *err);
/* Sets one by its flag ("--log-level" without the dashes). ERR(NOT_FOUND) if there is no such setting. Flags are set after config_load. */
int config_set(struct config *config, const char *flag, const char *text, struct wf_error *err);
/* Checks what can be checked without opening anything, and fills in the defaults that depend on others (store, work_dir …). */
int config_finish(struct config *config, struct wf_error *err);
void config_done(struct config *config);
/* Prints a line for each setting: --flag, its default, its meaning. */
void config_help(struct buffer *out);
