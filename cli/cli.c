/* cli.c: finds and runs a subcommand; options, help, files, messages. */
#include "cli/cli.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "server/config.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_OPTIONS_MAX 64
#define LINE_ARGUMENTS_MAX 16

struct command_line {
	const struct subcommand *command;
	struct {
		const char *name, *value;
	} options[LINE_OPTIONS_MAX];
	unsigned options_count;
	const char *arguments[LINE_ARGUMENTS_MAX];
	unsigned arguments_count;
};

static const struct subcommand *const commands[] = {
	&command_serve,   &command_run,   &command_validate, &command_explain, &command_eval,
	&command_deploy,  &command_start, &command_stop,     &command_ls,      &command_show,
	&command_history, &command_check, &command_backup,   &command_graph,
	&command_search,  &command_watch,
	&command_dlq,     &command_functions, &command_keys,
};
#define COMMANDS_COUNT (sizeof commands / sizeof commands[0])

static const struct option_row common_options[] = {
	{ .name = "help", .help = "show this help" },
	{ 0 },
};

/* Of every command that asks a server. */
static const struct option_row remote_options[] = {
	{ .name = "ca-file", .argument = "FILE", .help = "certificates to trust, PEM (RATCHET_CA_FILE, else the system's)" },
	{ 0 },
};
static const struct option_row no_options[] = { { 0 } };

static const struct option_row *more_options(const struct subcommand *command)
{
	for (const struct option_row *row = command->options; row->name; row++)
		if (strcmp(row->name, "endpoint") == 0)
			return remote_options;
	return no_options;
}

/* ---- help ----------------------------------------------------------------------------------- */

static void print_overview(FILE *to)
{
	fprintf(to, "ratchet " RATCHET_VERSION
		    ": durable workflows in Amazon States Language\n\nusage: ratchet COMMAND [OPTIONS] …\n\n");
	for (size_t i = 0; i < COMMANDS_COUNT; i++)
		fprintf(to, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	fprintf(to, "\nratchet COMMAND --help tells more. Exit status: 0 good, 1 the execution failed,\n"
		    "2 usage or an invalid definition, 3 server not reachable.\n");
}

static void print_rows(FILE *to, const struct option_row *rows)
{
	for (; rows->name; rows++) {
		char name[64];
		snprintf(name, sizeof name, "--%s%s%s", rows->name, rows->argument ? " " : "",
			 rows->argument ? rows->argument : "");
		for (char *c = name; *c; c++)
			*c = *c == '_' ? '-' : *c;
		fprintf(to, "  %-24s %s", name, rows->help);
		if (rows->otherwise && *rows->otherwise)
			fprintf(to, " (%s)", rows->otherwise);
		fprintf(to, "\n");
	}
}

static void print_help(const struct subcommand *command)
{
	printf("usage: ratchet %s [OPTIONS]%s%s\n\n%s\n", command->name, *command->arguments ? " " : "",
	       command->arguments, command->summary);
	if (command->details)
		printf("\n%s\n", command->details);
	printf("\noptions:\n");
	print_rows(stdout, command->options);
	print_rows(stdout, more_options(command));
	print_rows(stdout, common_options);
}

/* ---- options ---------------------------------------------------------------------------------- */

static const struct option_row *find_row(const struct option_row *rows, struct str name)
{
	for (; rows->name; rows++) {
		size_t i = 0;
		while (i < name.len && rows->name[i] && (rows->name[i] == '_' ? '-' : rows->name[i]) == name.ptr[i])
			i++;
		if (i == name.len && !rows->name[i])
			return rows;
	}
	return NULL;
}

static int add_option(struct command_line *line, const char *name, const char *value)
{
	if (line->options_count == LINE_OPTIONS_MAX)
		return cli_failf(EXIT_USAGE, "too many options");
	line->options[line->options_count].name = name;
	line->options[line->options_count++].value = value;
	return 0;
}

/* 0, or EXIT_USAGE after a message. */
static int parse_option(struct command_line *line, int argc, char **argv, int *index)
{
	const char *text = argv[*index] + 2;
	const char *equals = strchr(text, '=');
	struct str name = { text, equals ? (size_t)(equals - text) : strlen(text) };
	const struct option_row *row = find_row(line->command->options, name);
	if (!row)
		row = find_row(more_options(line->command), name);
	if (!row)
		row = find_row(common_options, name);
	if (!row)
		return cli_failf(EXIT_USAGE, "%s has no option --%.*s; see ratchet %s --help", line->command->name,
				 STR_FMT(name), line->command->name);
	const char *value = "";
	if (!row->argument && equals)
		return cli_failf(EXIT_USAGE, "--%s takes no value", row->name);
	if (row->argument && !equals && *index + 1 >= argc)
		return cli_failf(EXIT_USAGE, "--%s needs a value: %s", row->name, row->argument);
	if (row->argument)
		value = equals ? equals + 1 : argv[++*index];
	return add_option(line, row->name, value);
}

static int parse_line(struct command_line *line, int argc, char **argv)
{
	bool options_end = false;
	for (int i = 0; i < argc; i++) {
		if (!options_end && strcmp(argv[i], "--") == 0) {
			options_end = true;
		} else if (!options_end && strncmp(argv[i], "--", 2) == 0) {
			int status = parse_option(line, argc, argv, &i);
			if (status)
				return status;
		} else if (!options_end && strcmp(argv[i], "-h") == 0) {
			if (add_option(line, "help", ""))
				return EXIT_USAGE;
		} else if (!options_end && argv[i][0] == '-' && argv[i][1]) {
			return cli_failf(EXIT_USAGE, "unknown option %s; see ratchet %s --help", argv[i],
					 line->command->name);
		} else if (line->arguments_count == line->command->arguments_max ||
			   line->arguments_count == LINE_ARGUMENTS_MAX) {
			return cli_failf(EXIT_USAGE, "too many arguments: %s; usage: ratchet %s [OPTIONS] %s", argv[i],
					 line->command->name, line->command->arguments);
		} else {
			line->arguments[line->arguments_count++] = argv[i];
		}
	}
	return 0;
}

const char *line_option(const struct command_line *line, const char *name)
{
	for (unsigned i = line->options_count; i-- > 0;)
		if (strcmp(line->options[i].name, name) == 0)
			return line->options[i].value;
	return NULL;
}

/* All of it digits, and no more than fit. */
static bool read_whole(const char *text, int64_t *number)
{
	errno = 0;
	long long read = strtoll(text, NULL, 10);
	if (!*text || text[strspn(text, "0123456789")] || errno)
		return false;
	*number = read;
	return true;
}

int line_whole(const struct command_line *line, const char *name, int64_t least, int64_t most, int64_t *number)
{
	const char *text = line_option(line, name);
	int64_t read;
	if (!text)
		return 0;
	if (!read_whole(text, &read) || read < least || read > most)
		return cli_failf(EXIT_USAGE, "--%s must be a whole number from %lld to %lld, not '%s'", name, (long long)least,
				 (long long)most, text);
	*number = read;
	return 0;
}

int line_number(const struct command_line *line, const char *name, double most, double *number)
{
	const char *text = line_option(line, name);
	char *rest;
	if (!text)
		return 0;
	double read = strtod(text, &rest);
	if (text[strspn(text, "0123456789.eE+-")] || *rest || !(read > 0 && read <= most))
		return cli_failf(EXIT_USAGE, "--%s must be a number above 0 (%g at most), not '%s'", name, most, text);
	*number = read;
	return 0;
}

int line_time(const struct command_line *line, const char *name, int64_t *ms)
{
	const char *text = line_option(line, name);
	if (!text || read_whole(text, ms))
		return 0;
	/* As we print it, or a day: made into RFC 3339. */
	size_t length = strlen(text);
	_cleanup_free_ char *whole = mem_printf("%s%s", text, length == 10 ? "T00:00:00Z" : length == 19 ? "Z" : "");
	if (length == 19 && whole[10] == ' ')
		whole[10] = 'T';
	if (timestamp_parse(str_of(whole), ms))
		return 0;
	return cli_failf(EXIT_USAGE,
			 "--%s must be a time like 2026-01-31 or '2026-01-31 23:59:59' (UTC), or milliseconds since 1970, "
			 "not '%s'",
			 name, text);
}

const char *line_argument(const struct command_line *line, unsigned index)
{
	return index < line->arguments_count ? line->arguments[index] : NULL;
}

unsigned line_arguments(const struct command_line *line)
{
	return line->arguments_count;
}

void line_each_option(const struct command_line *line, void (*visit)(void *data, const char *name, const char *value),
		      void *data)
{
	for (unsigned i = 0; i < line->options_count; i++)
		visit(data, line->options[i].name, line->options[i].value);
}

static const struct subcommand *find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS_COUNT; i++)
		if (strcmp(name, commands[i]->name) == 0)
			return commands[i];
	return NULL;
}

static int run_command(const struct subcommand *command, int argc, char **argv)
{
	struct command_line line = { .command = command };
	int status = parse_line(&line, argc, argv);
	if (status)
		return status;
	if (line_option(&line, "help")) {
		print_help(command);
		return EXIT_GOOD;
	}
	if (line.arguments_count < command->arguments_min)
		return cli_failf(EXIT_USAGE, "usage: ratchet %s [OPTIONS] %s", command->name, command->arguments);
	if (line_option(&line, "ca-file"))
		setenv("RATCHET_CA_FILE", line_option(&line, "ca-file"), 1);
	return command->run(&line);
}

static int dispatch(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;
	if (!name) {
		print_overview(stderr);
		return EXIT_USAGE;
	}
	const struct subcommand *command = find_command(name);
	if (command)
		return run_command(command, argc - 2, argv + 2);
	if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
		printf("ratchet " RATCHET_VERSION "\n");
		return EXIT_GOOD;
	}
	bool help = strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0;
	const char *topic = help && argc > 2 ? argv[2] : NULL;
	if (topic && find_command(topic)) {
		print_help(find_command(topic));
		return EXIT_GOOD;
	}
	if (help && !topic) {
		print_overview(stdout);
		return EXIT_GOOD;
	}
	cli_failf(EXIT_USAGE, "there is no command '%s'", help ? topic : name);
	print_overview(stderr);
	return EXIT_USAGE;
}

/* A descriptor that is closed would be taken by the next file that is opened, and a result printed into the store. What
 * stands in for it cannot be used, so that reading or printing fails. */
static void occupy_standard_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int cli_main(int argc, char **argv)
{
	occupy_standard_streams();
	int status = dispatch(argc, argv);
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == EXIT_GOOD)
		return cli_failf(EXIT_EXECUTION_FAILED, "cannot write the result: %s", strerror(errno));
	return status;
}

/* ---- messages, files, texts ------------------------------------------------------------------- */

/* What goes to the terminal may come from definitions and tasks. C1 controls (U+0080 to U+009F) move cursors too. */
struct str cli_text(const struct value *json, const char *key)
{
	const struct value *value = json ? value_getz(json, key) : NULL;
	return value ? value_string(value) : STR_EMPTY;
}

int64_t cli_number(const struct value *json, const char *key)
{
	const struct value *value = json ? value_getz(json, key) : NULL;
	int64_t number = 0;
	if (value)
		value_int64(value, &number);
	return number;
}

const char *cli_time(int64_t ms, char buffer[TIMESTAMP_TEXT_MAX])
{
	if (!ms)
		return "-";
	timestamp_format(ms, buffer);
	buffer[10] = ' ';
	buffer[19] = 0;
	return buffer;
}

void cli_clean(char *text, size_t len)
{
	for (size_t i = 0, length; i < len; i += length) {
		unsigned char c = (unsigned char)text[i];
		length = utf8_length(text + i, len - i);
		if (!length)
			text[i] = '?';
		else if (c == 0xc2 && (unsigned char)text[i + 1] < 0xa0)
			text[i] = text[i + 1] = ' ';
		else if (c < ' ' || c == 0x7f)
			text[i] = ' ';
		length += !length;
	}
}

char *cli_short_cause(struct str cause)
{
	_cleanup_(value_unrefp) struct value *failure = NULL;
	if (cause.len && cause.ptr[0] == '{' && value_parse(cause, NULL, &failure, NULL) == 0) {
		const struct value *message = value_getz(failure, "errorMessage");
		if (message && value_is(message, VALUE_STRING))
			return mem_strndup(value_string(message).ptr, value_string(message).len);
	}
	return mem_strndup(cause.ptr, cause.len);
}

void cli_print_failure(const char *status, struct str error, struct str cause)
{
	_cleanup_(buffer_done) struct buffer line = { 0 };
	_cleanup_free_ char *shown = cli_short_cause(cause);
	buffer_printf(&line, "%s%s%.*s%s%s", status, error.len ? ": " : "", STR_FMT(error), *shown ? ": " : "", shown);
	cli_clean(line.data, line.len);
	fprintf(stderr, "%s\n", line.data);
}

int cli_fail(int status, const struct wf_error *err)
{
	struct wf_error shown = *err;
	cli_clean(shown.where, strlen(shown.where));
	cli_clean(shown.message, strlen(shown.message));
	fprintf(stderr, "ratchet: %s%s%s\n", shown.where, *shown.where ? ": " : "", shown.message);
	return status;
}

int cli_failf(int status, const char *format, ...)
{
	struct wf_error err = { 0 };
	va_list args;
	va_start(args, format);
	error_vset(&err, ERR(INVALID), format, args);
	va_end(args);
	return cli_fail(status, &err);
}

int cli_read_file(const char *path, size_t bytes_max, struct buffer *out, struct wf_error *err)
{
	bool standard = strcmp(path, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "cannot read %s", path);
	ssize_t got = 1;
	while (got > 0 && out->len <= bytes_max) {
		got = read(fd, buffer_reserve(out, 65536), 65536);
		if (got > 0)
			out->len += (size_t)got;
	}
	int saved = errno;
	if (!standard)
		close(fd);
	if (got < 0)
		return error_errno(err, saved, "cannot read %s", path);
	if (out->len > bytes_max)
		return error_set(err, ERR(LIMIT), "%s is larger than %zu bytes", path, bytes_max);
	return 0;
}

int cli_read_input(const char *option, struct buffer *out, struct wf_error *err)
{
	if (!option)
		buffer_addz(out, "{}");
	else if (strcmp(option, "-") == 0)
		return cli_read_file("-", 1u << 30, out, err);
	else if (option[0] == '@')
		return cli_read_file(option + 1, 1u << 30, out, err);
	else
		buffer_addz(out, option);
	return 0;
}

const char *cli_duration(int64_t ms, char buffer[32])
{
	if (ms < 1000)
		snprintf(buffer, 32, "%lld ms", (long long)ms);
	else if (ms < 60000)
		snprintf(buffer, 32, "%.1f s", (double)ms / 1000);
	else if (ms < 3600000)
		snprintf(buffer, 32, "%lld min %02lld s", (long long)(ms / 60000), (long long)(ms / 1000 % 60));
	else if (ms < 86400000)
		snprintf(buffer, 32, "%lld h %02lld min", (long long)(ms / 3600000), (long long)(ms / 60000 % 60));
	else
		snprintf(buffer, 32, "%lld d %02lld h", (long long)(ms / 86400000), (long long)(ms / 3600000 % 24));
	return buffer;
}
