/* harness.h: the engine's side of a connector, for tests: a loop, and a host that writes down what it is told. */
#pragma once
#include "connectors/connector.h"
#include "tests/common/test_loop.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define REPORTS_MAX 4096

struct report {
	struct task_key key;
	enum task_end end;
	char *output, *error, *cause; /* NULL: absent */
};

struct harness {
	struct connector_host host; /* first: the host is the harness */
	struct limits limits;
	struct connector *connector;
	struct report reports[REPORTS_MAX];
	unsigned reports_count, heartbeats, lines;
	struct buffer log; /* lines with a newline each */
	double progress;   /* the last; -1: none */
	char folder[64];   /* a new empty one; work folder of every execution, and NAME/locks */
	int fds_before;
};

/* Makes the loop and the folder; the connector is for the test to make. */
void harness_setup(struct harness *harness);
/* Frees the connector and the loop, removes the folder, and fails the test if descriptors, children or armed watches
 * are left. */
void harness_teardown(struct harness *harness);

/* A request for that task; `input` is JSON text. The value lives until teardown frees it with the request. */
struct task_request harness_request(uint64_t event_id, const char *type, const char *api, struct value *input);
struct value *harness_json(const char *text);

/* Starts a task and asserts that it could be. */
void harness_start(struct harness *harness, const char *type, uint64_t event_id, const char *api, const char *input);
/* Runs until `count` reports are there; fails after 30 s. */
void harness_wait(struct harness *harness, unsigned count);
const struct report *harness_report(struct harness *harness, uint64_t event_id);
/* Starts, waits, returns its report. */
const struct report *harness_run(struct harness *harness, const char *type, const char *api, const char *input);

/* Open descriptors of this process. */
int count_fds(void);
bool process_is_alive(int pid);
/* Waits until the file has content, while the loop runs; fails after 10 s. Returns the number in it. */
long harness_await_number(struct harness *harness, const char *path);
long long monotonic_ms(void);

#define assert_text_contains(text, part)                                                                               \
	do {                                                                                                           \
		if (!(text) || !strstr((text), (part)))                                                                \
			fail_msg("expected \"%s\" to contain \"%s\"", (text) ? (text) : "(nothing)", (part));          \
	} while (0)
