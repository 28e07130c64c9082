/* server.h: runs fixtures/server.py beside a test. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

struct server {
	pid_t pid;
	int input; /* closing it ends the server */
	int port;
};

/* False if there is no python3 or no fixture: the test is to be skipped. `certificate` and `key` may be NULL: plain
 * http. */
bool server_start(struct server *server, const char *certificate, const char *key);
void server_stop(struct server *server);
