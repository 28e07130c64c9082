/* A runtime as provided.al2023 wants it: an executable named bootstrap that speaks to AWS_LAMBDA_RUNTIME_API itself, with
 * nothing of ours in it. The event decides what it does: "exit", "streaming", "unknown" (an answer for another request),
 * "twice" (asks for an event while it has one), "error"; else it gives the event back. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char host[128], *port;
static char text[1 << 20];

/* One request on a connection of its own; the whole answer in `text`; its status. */
static int call(const char *method, const char *path, const char *headers, const char *body)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	char head[1024];
	if (getaddrinfo(host, port, &hints, &found) != 0)
		exit(90);
	int fd = socket(found->ai_family, SOCK_STREAM, 0);
	if (connect(fd, found->ai_addr, found->ai_addrlen) != 0)
		exit(91);
	freeaddrinfo(found);
	int length = snprintf(head, sizeof head,
			      "%s /2018-06-01/runtime/%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n",
			      method, path, host, headers, strlen(body));
	if (write(fd, head, (size_t)length) < 0 || write(fd, body, strlen(body)) < 0)
		exit(92);
	size_t used = 0;
	ssize_t n;
	while (used < sizeof text - 1 && (n = read(fd, text + used, sizeof text - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = 0;
	close(fd);
	return atoi(text + 9);
}

static const char *header(const char *name, char *out, size_t size)
{
	const char *at = strcasestr(text, name);
	if (!at)
		return "";
	at += strlen(name) + 2;
	snprintf(out, size, "%.*s", (int)strcspn(at, "\r\n"), at);
	return out;
}

int main(void)
{
	snprintf(host, sizeof host, "%s", getenv("AWS_LAMBDA_RUNTIME_API"));
	port = strchr(host, ':');
	*port++ = 0;
	for (;;) {
		char id[128], event[4096], path[256], trace[256], deadline[64];
		if (call("GET", "invocation/next", "", "") != 200)
			return 0;
		header("Lambda-Runtime-Aws-Request-Id", id, sizeof id);
		header("Lambda-Runtime-Trace-Id", trace, sizeof trace);
		header("Lambda-Runtime-Deadline-Ms", deadline, sizeof deadline);
		const char *body = strstr(text, "\r\n\r\n");
		snprintf(event, sizeof event, "%s", body ? body + 4 : "");
		snprintf(path, sizeof path, "invocation/%s/response", id);
		if (strstr(event, "exit")) {
			fprintf(stderr, "bootstrap leaves\n");
			return 1;
		}
		if (strstr(event, "streaming")) {
			int status = call("POST", path, "Lambda-Runtime-Function-Response-Mode: streaming\r\n", event);
			printf("streaming was answered %d\n", status);
		} else if (strstr(event, "unknown")) {
			int status = call("POST", "invocation/00000000-0000-0000-0000-000000000000/response", "", event);
			char answer[64];
			snprintf(answer, sizeof answer, "{\"status\":%d}", status);
			call("POST", path, "", answer);
		} else if (strstr(event, "twice")) {
			int status = call("GET", "invocation/next", "", "");
			char answer[64];
			snprintf(answer, sizeof answer, "{\"status\":%d}", status);
			call("POST", path, "", answer);
		} else if (strstr(event, "paths")) {
			char answer[160];
			int a = call("GET", "nothing/here", "", ""), b = call("POST", "invocation/next", "", ""),
			    c = call("POST", "init/error", "", "{}"), d = call("PUT", path, "", "{}");
			snprintf(answer, sizeof answer, "{\"statuses\":[%d,%d,%d,%d]}", a, b, c, d);
			call("POST", path, "", answer);
		} else if (strstr(event, "error")) {
			snprintf(path, sizeof path, "invocation/%s/error", id);
			call("POST", path, "Lambda-Runtime-Function-Error-Type: Custom.Kind\r\n",
			     strstr(event, "json") ? "{\"errorType\":\"Custom.Json\",\"errorMessage\":\"said so\"}" : "no json");
		} else if (strstr(event, "headers")) {
			char answer[600];
			snprintf(answer, sizeof answer, "{\"trace\":\"%s\",\"deadline\":%s,\"id\":\"%s\"}", trace, deadline, id);
			call("POST", path, "", answer);
		} else {
			call("POST", path, "", event);
		}
	}
}
