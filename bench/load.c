/* load.c: starts executions over the HTTP API from many connections at once, and measures the answers.
 *
 *     load HOST PORT MACHINE_ARN INPUT_FILE COUNT CONCURRENCY
 *
 * Each connection keeps one request under way. Prints one JSON line: {"count", "errors", "seconds", "per_s", "p50_ms", "p99_ms"}. */
#include "http_client.h"

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

/* All requests are the same: executions get generated names. */
static char *make_body(const char *arn, const char *input)
{
	char *body = malloc(strlen(input) * 2 + strlen(arn) + 100);
	char *at = body + sprintf(body, "{\"stateMachineArn\":\"%s\",\"input\":\"", arn);
	for (const char *c = input; *c; c++) {
		if (*c == '"' || *c == '\\' || *c == '\n')
			*at++ = '\\';
		*at++ = *c == '\n' ? 'n' : *c;
	}
	strcpy(at, "\"}");
	return body;
}

int main(int argc, char **argv)
{
	if (argc != 7 || atol(argv[5]) < 1 || atoi(argv[6]) < 1) {
		fprintf(stderr, "usage: load HOST PORT MACHINE_ARN INPUT_FILE COUNT CONCURRENCY\n");
		return 2;
	}
	long wanted = atol(argv[5]), sent = 0, finished = 0, errors = 0;
	int concurrency = atoi(argv[6]);
	size_t length;
	char *request = make_call(argv[1], argv[2], "StartExecution", make_body(argv[3], read_file(argv[4])), &length);
	double *latencies = calloc((size_t)wanted, sizeof *latencies);
	struct connection *connections = calloc((size_t)concurrency, sizeof *connections);
	int poller = connect_all(connections, concurrency, argv[1], argv[2]);
	double begin = now_s();
	for (int i = 0; i < concurrency && sent < wanted; i++, sent++)
		send_request(&connections[i], request, length);
	while (finished < wanted) {
		struct epoll_event ready[256];
		int count = epoll_wait(poller, ready, 256, 30000);
		if (count == 0) {
			fprintf(stderr, "load: no answer for 30 s; %ld of %ld answered\n", finished, wanted);
			return 1;
		}
		for (int i = 0; i < count; i++) {
			struct connection *connection = ready[i].data.ptr;
			const char *body = take_answer(connection);
			if (!body)
				continue;
			if (!is_good(connection) && errors++ == 0)
				fprintf(stderr, "load: %s\n", body);
			latencies[finished++] = now_s() - connection->sent_at;
			if (sent < wanted) {
				sent++;
				send_request(connection, request, length);
			}
		}
	}
	double seconds = now_s() - begin;
	qsort(latencies, (size_t)wanted, sizeof *latencies, by_size);
	printf("{\"count\": %ld, \"errors\": %ld, \"seconds\": %.4f, \"per_s\": %.0f, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n", wanted, errors,
	       seconds, (double)wanted / seconds, latencies[wanted / 2] * 1e3, latencies[wanted * 99 / 100] * 1e3);
	return errors ? 1 : 0;
}
