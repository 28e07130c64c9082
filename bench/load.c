/* load.c: starts executions over the HTTP API from many connections at once, and measures the answers.
 *
 *     load HOST PORT MACHINE_ARN INPUT_FILE COUNT CONCURRENCY
 *
 * Each connection keeps one request under way. Prints one JSON line: {"count", "errors", "seconds", "per_s", "p50_ms", "p99_ms"}. */
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
	double sent_at;
	size_t written, got;
	char answer[ANSWER_MAX];
};

static char *request;
static size_t request_length;
static double *latencies;
static long wanted, sent, finished, errors;

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		die(path);
	char *text = malloc(1 << 20);
	size_t length = fread(text, 1, (1 << 20) - 1, file);
	fclose(file);
	while (length && (text[length - 1] == '\n' || text[length - 1] == ' '))
		length--;
	text[length] = 0;
	return text;
}

/* The request's bytes: all are the same, executions get generated names. */
static void make_request(const char *host, const char *port, const char *arn, const char *input)
{
	char *body = malloc(strlen(input) * 2 + strlen(arn) + 100);
	char *at = body + sprintf(body, "{\"stateMachineArn\":\"%s\",\"input\":\"", arn);
	for (const char *c = input; *c; c++) {
		if (*c == '"' || *c == '\\')
			*at++ = '\\';
		if (*c == '\n') {
			*at++ = '\\';
			*at++ = 'n';
		} else {
			*at++ = *c;
		}
	}
	strcpy(at, "\"}");
	request = malloc(strlen(body) + 400);
	request_length = (size_t)sprintf(request,
					 "POST / HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: application/x-amz-json-1.0\r\n"
					 "X-Amz-Target: AWSStepFunctions.StartExecution\r\nContent-Length: %zu\r\n\r\n%s",
					 host, port, strlen(body), body);
	free(body);
}

static void send_next(struct connection *connection)
{
	if (sent == wanted)
		return;
	sent++;
	connection->sent_at = now_s();
	connection->got = 0;
	size_t written = 0;
	while (written < request_length) {
		ssize_t n = send(connection->fd, request + written, request_length - written, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			continue; /* a request is far smaller than the socket's buffer */
		if (n < 0)
			die("send");
		written += (size_t)n;
	}
}

/* Whether the answer is complete; counts it. */
static bool take_answer(struct connection *connection)
{
	ssize_t n = recv(connection->fd, connection->answer + connection->got, ANSWER_MAX - 1 - connection->got, 0);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0)
		die("the server closed a connection");
	connection->got += (size_t)n;
	connection->answer[connection->got] = 0;
	char *body = strstr(connection->answer, "\r\n\r\n");
	char *length = body ? strcasestr(connection->answer, "Content-Length:") : NULL;
	if (!length || connection->got < (size_t)(body + 4 - connection->answer) + strtoul(length + 15, NULL, 10))
		return false;
	if (strncmp(connection->answer, "HTTP/1.1 200", 12) != 0 && errors++ == 0)
		fprintf(stderr, "load: %s\n", body + 4);
	latencies[finished++] = now_s() - connection->sent_at;
	return true;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	if (argc != 7) {
		fprintf(stderr, "usage: load HOST PORT MACHINE_ARN INPUT_FILE COUNT CONCURRENCY\n");
		return 2;
	}
	wanted = atol(argv[5]);
	int concurrency = atoi(argv[6]);
	if (wanted < 1 || concurrency < 1) {
		fprintf(stderr, "load: COUNT and CONCURRENCY must be at least 1\n");
		return 2;
	}
	make_request(argv[1], argv[2], argv[3], read_file(argv[4]));
	latencies = calloc((size_t)wanted, sizeof *latencies);
	struct connection *connections = calloc((size_t)concurrency, sizeof *connections);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2])) };
	inet_pton(AF_INET, argv[1], &address.sin_addr);
	int poller = epoll_create1(0);
	for (int i = 0; i < concurrency; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
			die("connect");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
		connections[i].fd = fd;
		epoll_ctl(poller, EPOLL_CTL_ADD, fd, &(struct epoll_event){ .events = EPOLLIN, .data.ptr = &connections[i] });
	}
	double begin = now_s();
	for (int i = 0; i < concurrency; i++)
		send_next(&connections[i]);
	while (finished < wanted) {
		struct epoll_event ready[256];
		int count = epoll_wait(poller, ready, 256, 30000);
		if (count == 0) {
			fprintf(stderr, "load: no answer for 30 s; %ld of %ld answered\n", finished, wanted);
			return 1;
		}
		for (int i = 0; i < count; i++)
			if (take_answer(ready[i].data.ptr))
				send_next(ready[i].data.ptr);
	}
	double seconds = now_s() - begin;
	qsort(latencies, (size_t)wanted, sizeof *latencies, by_size);
	printf("{\"count\": %ld, \"errors\": %ld, \"seconds\": %.4f, \"per_s\": %.0f, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n", wanted, errors,
	       seconds, (double)wanted / seconds, latencies[wanted / 2] * 1e3, latencies[wanted * 99 / 100] * 1e3);
	return errors ? 1 : 0;
}
