/* config.h: what `ratchet serve` and its like are told: flags beat RATCHET_* variables, those beat the file, that beats
 * the defaults.
 *
 * One table (config_rows) names every scalar setting: its key in the file, its flag, its variable, its default and its
 * meaning; --help and the reader go by it, and a test holds the documentation to it. Sections that are trees (exec, http,
 * lambda) stay values, and are checked by whom they concern. An unknown key is an error that names it and where it stands. */
#pragma once
#include "base/buffer.h"
#include "base/limits.h"
#include "base/log.h"
#include "value/value.h"

/* X(field, default text, what its value is called, what it is). The key in the file is the field's name, the flag
 * --field with - for _, the variable RATCHET_FIELD. */
#define CONFIG_ROWS(X)                                                                                                 \
	X(listen, "127.0.0.1:8083", "HOST:PORT", "where to listen; port 0 takes a free one and prints it")             \
	X(store, "", "URL", "sqlite:PATH or memory: (sqlite:$XDG_DATA_HOME/ratchet/ratchet.db)")                       \
	X(durability, "full", "WORD", "what acknowledged requests survive: full: a power loss; relaxed: a crash only") \
	X(region, "", "NAME", "region in ARNs (the store's, else us-east-1)")                                          \
	X(account, "", "DIGITS", "account in ARNs (the store's, else 000000000000)")                                   \
	X(auth, "none", "WORD", "who may ask: none: everybody on this machine; sigv4: who signs with an access key")  \
	X(hosts, "", "NAMES", "names that clients may call the server by, a comma between (with auth any)")           \
	X(tls_certificate, "", "FILE", "PEM: the server's certificate and those above it; with tls_key: https")      \
	X(tls_key, "", "FILE", "PEM: its private key")                                                               \
	X(lambda_endpoint, "", "URL", "Lambda Invoke API (AWS_ENDPOINT_URL_LAMBDA)")                                   \
	X(work_dir, "", "FOLDER", "executions' work folders (beside the store)")                                       \
	X(mock_config, "", "FILE", "answers instead of services, for tests (SFN_MOCK_CONFIG)")                         \
	X(search, "on", "WORD", "the search file behind the console's lists and figures: on or off")                    \
	X(time_scale, "1", "NUMBER", "for trials, with the store memory: waits and timeouts are divided by it")         \
	X(log_level, "info", "WORD", "debug, info, warn or error")                                                     \
	X(log_format, "text", "WORD", "text or json")

/* X(field): the sections that connectors read. */
#define CONFIG_SECTIONS(X) X(exec) X(functions) X(http) X(lambda) X(logs) X(machines) X(root_key) X(targets)

struct config {
#define X(field, value, argument, text) char *field; /* never NULL after config_load */
	CONFIG_ROWS(X)
#undef X
#define X(field) struct value *field; /* NULL if absent */
	CONFIG_SECTIONS(X)
#undef X
	struct limits limits; /* limits: {NAME: number} */
	char *path; /* the file that was read; NULL: none */
	struct buffer source; /* its text, for config_locate */
};

struct config_row {
	const char *field, *value, *argument, *text;
	uint32_t offset; /* of the char * in struct config */
};
extern const struct config_row config_rows[];
extern const unsigned config_rows_count;

/* Fills *config: defaults, then the file, then the environment (an empty variable counts as none). `path` NULL:
 * RATCHET_CONFIG, else ratchet.yaml beside the default store if there is one (its absence is fine; that of a named file is
 * not). ERR(INVALID) with err->where "FILE: line 3, column 5: /limits/states" or the variable's name. Free with config_done,
 * also after a failure. Relative `program` and `cwd` in `exec` become relative to the file's folder. */
int config_load(struct config *config, const char *path, struct wf_error *err);
/* Sets one by its flag ("log-level", or "log_level"). ERR(NOT_FOUND) if there is no such setting, ERR(INVALID) if it cannot be
 * that. Flags are set after config_load. */
int config_set(struct config *config, const char *flag, const char *text, struct wf_error *err);
/* Fills in the defaults that depend on others (store, work_dir …). */
void config_finish(struct config *config);
/* Makes of a JSON pointer in err->where the file and the place where that stands in it. */
void config_locate(const struct config *config, struct wf_error *err);
void config_done(struct config *config);
