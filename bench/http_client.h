/* http_client.h: what the load programs share: connections that keep one request under way. Any mistake ends the program. */
#pragma once
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX 16384

struct connection {
	int fd;
	int state; /* the program's */
	double sent_at, began_at;
	size_t got;
	char answer[ANSWER_MAX]; /* NUL-terminated once complete */
};

static inline double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static inline int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The bytes of a call of the API; to be freed. */
static inline char *make_call(const char *host, const char *port, const char *operation, const char *body, size_t *ret_length)
{
	char *text = malloc(strlen(body) + 400);
	*ret_length = (size_t)sprintf(text,
				      "POST / HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: application/x-amz-json-1.0\r\n"
				      "X-Amz-Target: AWSStepFunctions.%s\r\nContent-Length: %zu\r\n\r\n%s",
				      host, port, operation, strlen(body), body);
	return text;
}

/* Opens the connections and adds them to a new epoll descriptor, which is returned. */
static inline int connect_all(struct connection *connections, int count, const char *host, const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	inet_pton(AF_INET, host, &address.sin_addr);
	int poller = epoll_create1(0);
	for (int i = 0; i < count; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
			die("connect");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
		connections[i].fd = fd;
		epoll_ctl(poller, EPOLL_CTL_ADD, fd, &(struct epoll_event){ .events = EPOLLIN, .data.ptr = &connections[i] });
	}
	return poller;
}

static inline void send_request(struct connection *connection, const char *request, size_t length)
{
	connection->sent_at = now_s();
	connection->got = 0;
	for (size_t written = 0; written < length;) {
		ssize_t n = send(connection->fd, request + written, length - written, MSG_NOSIGNAL);
		if (n < 0)
			die("send");
		written += (size_t)n;
	}
}

/* Reads what is there. The body once the answer is complete, else NULL. */
static inline char *take_answer(struct connection *connection)
{
	ssize_t n = recv(connection->fd, connection->answer + connection->got, ANSWER_MAX - 1 - connection->got, 0);
	if (n <= 0)
		die("the server closed a connection");
	connection->got += (size_t)n;
	connection->answer[connection->got] = 0;
	char *body = strstr(connection->answer, "\r\n\r\n");
	char *length = body ? strcasestr(connection->answer, "Content-Length:") : NULL;
	if (!length || connection->got < (size_t)(body + 4 - connection->answer) + strtoul(length + 15, NULL, 10))
		return NULL;
	return body + 4;
}

static inline bool is_good(const struct connection *connection)
{
	return strncmp(connection->answer, "HTTP/1.1 200", 12) == 0;
}
