/* workers.c: activity workers: each polls for a task, succeeds it, and polls again.
 *
 *     workers HOST PORT ACTIVITY_ARN TASKS WORKERS
 *
 * Ends when TASKS tasks were answered. Prints one JSON line: {"tasks", "p50_ms", "p99_ms"}: from the answer that brought a task to the answer that took its
 * success. */
#include "http_client.h"

enum { POLLING, ANSWERING };

/* A text member of a JSON object that this program's own server wrote: tokens hold no escapes. */
static bool member(const char *body, const char *name, char *ret_text, size_t size)
{
	const char *at = strstr(body, name);
	at = at ? strchr(at, ':') : NULL;
	const char *begin = at ? strchr(at, '"') : NULL;
	const char *end = begin ? strchr(begin + 1, '"') : NULL;
	if (!end || (size_t)(end - begin) > size)
		return false;
	memcpy(ret_text, begin + 1, (size_t)(end - begin - 1));
	ret_text[end - begin - 1] = 0;
	return end > begin + 1;
}

int main(int argc, char **argv)
{
	if (argc != 6 || atol(argv[4]) < 1 || atoi(argv[5]) < 1) {
		fprintf(stderr, "usage: workers HOST PORT ACTIVITY_ARN TASKS WORKERS\n");
		return 2;
	}
	long wanted = atol(argv[4]), done = 0;
	int workers = atoi(argv[5]);
	char body[4096], token[2048];
	size_t poll_length;
	snprintf(body, sizeof body, "{\"activityArn\":\"%s\",\"workerName\":\"bench\"}", argv[3]);
	char *poll = make_call(argv[1], argv[2], "GetActivityTask", body, &poll_length);
	double *latencies = calloc((size_t)wanted, sizeof *latencies);
	struct connection *connections = calloc((size_t)workers, sizeof *connections);
	int poller = connect_all(connections, workers, argv[1], argv[2]);
	for (int i = 0; i < workers; i++)
		send_request(&connections[i], poll, poll_length);
	while (done < wanted) {
		struct epoll_event ready[256];
		int count = epoll_wait(poller, ready, 256, 90000);
		if (count == 0) {
			fprintf(stderr, "workers: nothing for 90 s; %ld of %ld done\n", done, wanted);
			return 1;
		}
		for (int i = 0; i < count; i++) {
			struct connection *connection = ready[i].data.ptr;
			char *answer = take_answer(connection);
			if (!answer)
				continue;
			if (!is_good(connection)) {
				fprintf(stderr, "workers: %s\n", answer);
				return 1;
			}
			if (connection->state == POLLING && member(answer, "\"taskToken\"", token, sizeof token)) {
				size_t length;
				snprintf(body, sizeof body, "{\"taskToken\":\"%s\",\"output\":\"{}\"}", token);
				char *request = make_call(argv[1], argv[2], "SendTaskSuccess", body, &length);
				connection->began_at = now_s();
				connection->state = ANSWERING;
				send_request(connection, request, length);
				free(request);
				continue;
			}
			if (connection->state == ANSWERING && done < wanted)
				latencies[done++] = now_s() - connection->began_at;
			connection->state = POLLING;
			send_request(connection, poll, poll_length);
		}
	}
	qsort(latencies, (size_t)wanted, sizeof *latencies, by_size);
	printf("{\"tasks\": %ld, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n", done, latencies[wanted / 2] * 1e3, latencies[wanted * 99 / 100] * 1e3);
	return 0;
}
