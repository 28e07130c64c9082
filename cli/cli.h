/* cli.h: what the subcommands share: the table of commands, options, output and exit status.
 *
 * Results go to stdout, all else to stderr. Exit status: 0 good, 1 the execution failed, 2 usage or an invalid
 * definition, 3 server not reachable. Every command has --help, and --json where it prints a result. */
#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include "base/timestamp.h"
#include "value/value.h"

enum exit_status { EXIT_GOOD = 0, EXIT_EXECUTION_FAILED = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3 };

struct command_line; /* one invocation's parsed options */

/* An option of a command. `argument` NULL: a switch. */
struct option_row {
	const char *name; /* without the dashes before it; - may be written _ */
	const char *argument; /* what its value is called in --help */
	const char *help;
	const char *otherwise; /* its default, for --help; NULL or empty: none, or it is in `help` */
};

struct subcommand {
	const char *name;
	const char *arguments; /* "FILE [NAME]" for --help */
	const char *summary; /* one line */
	const char *details; /* more for its own --help; may be NULL */
	const struct option_row *options; /* ended by a row of NULLs */
	unsigned arguments_min, arguments_max;
	int (*run)(struct command_line *line);
};

extern const struct subcommand command_serve, command_run, command_validate, command_explain, command_deploy, command_start,
	command_stop, command_eval, command_functions, command_ls, command_keys, command_show, command_history, command_check, command_dlq, command_backup, command_search, command_watch, command_graph;

/* The whole program but the exec guard: finds the subcommand, parses, runs. Returns the exit status. */
int cli_main(int argc, char **argv);

/* The value of an option; NULL if it was not given ("" for a switch that was). */
const char *line_option(const struct command_line *line, const char *name);
/* A positional argument; NULL if there are fewer. */
const char *line_argument(const struct command_line *line, unsigned index);
unsigned line_arguments(const struct command_line *line);
/* Calls visit for every option given, by the name in its row (used to hand configuration flags on). */
void line_each_option(const struct command_line *line, void (*visit)(void *data, const char *name, const char *value), void *data);

/* The number of an option into *number, which keeps what it holds if the option was not given. 0, or EXIT_USAGE after a message
 * that says what was expected: a whole number from `least` to `most`; a number above 0, `most` at most. */
int line_whole(const struct command_line *line, const char *name, int64_t least, int64_t most, int64_t *number);
int line_number(const struct command_line *line, const char *name, double most, double *number);
/* A time: "2026-01-31", "2026-01-31 23:59:59" (UTC, as they are printed), RFC 3339, or milliseconds since 1970. */
int line_time(const struct command_line *line, const char *name, int64_t *ms);

/* Prints "ratchet: message (where)" to stderr; returns `status`. */
int cli_fail(int status, const struct wf_error *err);
int cli_failf(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Reads a whole file, or standard input for "-"; at most `bytes_max`. */
int cli_read_file(const char *path, size_t bytes_max, struct buffer *out, struct wf_error *err);
/* The text that an --input option means: JSON itself, @FILE, or - for standard input; {} if the option is NULL. */
int cli_read_input(const char *option, struct buffer *out, struct wf_error *err);

/* A member of an answer: its text, empty if it is absent or none; its number, 0 if it is. `json` may be NULL. */
struct str cli_text(const struct value *json, const char *key);
int64_t cli_number(const struct value *json, const char *key);

/* Makes text safe to show on a terminal, in place: control characters become spaces, bytes that are no UTF-8 question marks. */
void cli_clean(char *text, size_t len);
/* What of a cause is for a line that people read: the errorMessage of a function's failure, without its stack; else all of
 * it. To be freed. */
char *cli_short_cause(struct str cause);
/* Prints an outcome that is not success on stderr: "FAILED: Error: cause" (the cause short). */
void cli_print_failure(const char *status, struct str error, struct str cause);

/* "2026-01-31 23:59:59"; "-" for 0. */
const char *cli_time(int64_t ms, char buffer[TIMESTAMP_TEXT_MAX]);
/* "1.2 s", "340 ms", "2 h 05 min": for people. */
const char *cli_duration(int64_t ms, char buffer[32]);
