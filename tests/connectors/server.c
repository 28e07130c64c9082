/* The HTTP server of the tests: a Python program of ours, told of its port by a pipe. */
#include "tests/connectors/server.h"
#include "base/mem.h"
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

bool server_start(struct server *server, const char *certificate, const char *key)
{
	const char *fixtures = getenv("RATCHET_TEST_FIXTURES");
	_cleanup_free_ char *script = mem_printf("%s/server.py", fixtures ? fixtures : "tests/connectors/fixtures");
	int in[2], out[2];
	if (access(script, R_OK) < 0 || pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return false;
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	char *argv[] = { "python3", script, certificate ? "--tls" : NULL, (char *)certificate, (char *)key, NULL };
	int r = posix_spawnp(&server->pid, "python3", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(in[0]);
	close(out[1]);
	server->input = in[1];
	FILE *port = fdopen(out[0], "r");
	bool good = r == 0 && fscanf(port, "%d", &server->port) == 1;
	fclose(port);
	if (!good)
		close(in[1]);
	return good;
}

void server_stop(struct server *server)
{
	close(server->input);
	waitpid(server->pid, NULL, 0);
}
