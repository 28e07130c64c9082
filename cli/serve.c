/* serve.c: `ratchet serve`: the server, until a signal ends it. */
#include "cli/access.h"
#include "cli/assemble.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "search/search.h"
#include "connectors/logs/logs.h"
#include "server/server.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct serving {
	struct assembly assembly;
	struct server *server;
	int signals;
	struct loop_timer patience;
};

#define DRAIN_MS_MOST 10000

static void stop_loop(void *data)
{
	struct serving *serving = data;
	serving->assembly.loop->stop(serving->assembly.loop);
}

/* Every reply is sent, and what was to be logged has left. */
static void server_idle(void *data)
{
	struct serving *serving = data;
	logs_drain(serving->assembly.logs, stop_loop, serving);
}

/* Every reply is there; now they are to be sent. */
static void engine_drained(void *data)
{
	struct serving *serving = data;
	server_when_idle(serving->server, server_idle, serving);
}

static void out_of_patience(struct loop_timer *timer)
{
	log_warn("cli", "requests are still open; ending without them");
	stop_loop(timer->data);
}

/* The first signal drains: no new starts, replies under way are given, batches are stored. Running tasks go on with the
 * next process, but their programs end with this one. A second signal ends at once; either way nothing acknowledged is
 * lost. */
static void on_signal(void *data, int signal)
{
	struct serving *serving = data;
	if (serving->signals++ || !serving->server) {
		stop_loop(serving);
		return;
	}
	log_info("cli", "%s: finishing what is under way", signal == SIGINT ? "interrupted" : "asked to end");
	server_drain(serving->server);
	serving->patience = (struct loop_timer){ .callback = out_of_patience, .data = serving };
	loop_timer_set(serving->assembly.loop, &serving->patience, DRAIN_MS_MOST);
	engine_drain(serving->assembly.engine, engine_drained, serving);
}

struct flags {
	struct config *config;
	int code;
	struct wf_error err;
};

static void set_flag(void *data, const char *name, const char *value)
{
	struct flags *flags = data;
	if (flags->code || strcmp(name, "config") == 0)
		return;
	flags->code = config_set(flags->config, name, value, &flags->err);
}

/* The search file beside the store; beside the work folders for a store that has no file. Without one everything else goes on. */
static struct search *open_search(struct serving *serving, const struct config *config)
{
	struct assembly *assembly = &serving->assembly;
	struct wf_error err = { 0 };
	struct search *search = NULL;
	if (strcmp(config->search, "off") == 0)
		return NULL;
	_cleanup_free_ char *path = strncmp(config->store, "sqlite:", 7) == 0
					? mem_printf("%s.search", config->store + 7)
					: mem_printf("%s/search.db", assembly->scratch ? assembly->scratch : assembly->work);
	struct search_options options = { .path = path,
					  .loop = assembly->loop,
					  .store = assembly->store,
					  .engine = assembly->engine,
					  .clock = clock_system() };
	if (search_open(&options, &search, &err))
		log_warn("cli", "%s; going on without", err.message);
	return search;
}

static int serve(struct serving *serving, const struct config *config)
{
	struct wf_error err = { 0 };
	double time_scale = strtod(config->time_scale, NULL);
	/* What is stored would bear times that have not come yet. */
	if (time_scale != 1 && strcmp(config->store, "memory:") != 0)
		return cli_failf(EXIT_USAGE, "time_scale is for trials: only with the store memory:, not with %s", config->store);
	if (assemble(&serving->assembly, config, time_scale, on_signal, serving, &err))
		return cli_fail(EXIT_USAGE, &err);
	struct access access;
	if (access_init(&access, serving->assembly.engine, config, &err)) {
		assembly_done(&serving->assembly);
		return cli_fail(EXIT_USAGE, &err);
	}
	struct search *search = open_search(serving, config);
	struct server_options options = {
		.search = search,
		.engine = serving->assembly.engine,
		.loop = serving->assembly.loop,
		.clock = clock_system(),
		.listen = config->listen,
		.store_name = config->store,
		.keys = access.keys,
		.auth = access.auth,
		.hosts = config->hosts,
		.tls_certificate = config->tls_certificate,
		.tls_key = config->tls_key,
		.logs = serving->assembly.logs,
		.functions = serving->assembly.functions,
	};
	int status = EXIT_GOOD;
	if (server_new(&options, &serving->server, &err) == 0) {
		printf("%s\n", server_url(serving->server));
		fflush(stdout);
		log_info("cli", "serving on %s, store %s", server_url(serving->server), config->store);
		serving->assembly.loop->run(serving->assembly.loop);
		if (serving->patience.callback)
			loop_timer_clear(serving->assembly.loop, &serving->patience);
		server_free(serving->server);
	} else {
		status = cli_fail(EXIT_USAGE, &err);
	}
	search_close(search);
	assembly_done(&serving->assembly);
	access_done(&access);
	return status;
}

static int run_serve(struct command_line *line)
{
	struct wf_error err = { 0 };
	struct config config;
	struct serving serving = { 0 };
	enum log_level level = LOG_LEVEL_INFO;
	int code = config_load(&config, line_option(line, "config"), &err);
	if (code == 0) {
		struct flags flags = { .config = &config };
		line_each_option(line, set_flag, &flags);
		config_finish(&config);
		code = flags.code;
		err = flags.err;
	}
	int status = EXIT_USAGE;
	if (code) {
		cli_fail(status, &err);
	} else {
		log_level_parse(config.log_level, &level);
		log_setup(level, strcmp(config.log_format, "json") == 0);
		signal(SIGPIPE, SIG_IGN);
		status = serve(&serving, &config);
	}
	config_done(&config);
	return status;
}

const struct subcommand command_serve = {
	.name = "serve",
	.arguments = "",
	.summary = "run the server: the Step Functions API and the engine",
	.details = "Prints its address on stdout once it listens. A setting is taken from its flag, else from "
		   "RATCHET_NAME, else\nfrom the configuration file, else its default. SIGTERM ends it cleanly; "
		   "nothing acknowledged is lost either way.",
	.options =
	    (const struct option_row[]){
		{ "config", "FILE", "configuration: YAML or JSON (ratchet.yaml beside the default store)" },
#define X(field, value, argument, text) { #field, argument, text, value },
		CONFIG_ROWS(X)
#undef X
		    { 0 } },
	.run = run_serve,
};
