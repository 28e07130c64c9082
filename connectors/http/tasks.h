/* tasks.h: what connectors that turn a task into one HTTP request have in common: the client, the tasks under way,
 * cancelling, reporting. */
#pragma once
#include "base/map.h"
#include "connectors/connector.h"
#include "connectors/http/client.h"
#include "connectors/outcome.h"

struct http_task {
	struct http_tasks *owner;
	struct task_key key;
	struct http_call *call;  /* NULL: nothing was sent, the answer is known already */
	struct loop_timer later; /* for that */
	char *about;             /* the connector's own: what its causes name */
	bool plain;              /* the connector's own */
};

struct http_tasks {
	struct connector connector;
	struct http_client *client;
	int64_t timeout_ms;
	struct str_map tasks; /* struct task_key → struct http_task */
	/* Makes the outcome of the server's answer; `response` NULL if nothing was sent. */
	void (*answered)(const struct http_task *task, const struct http_response *response, struct outcome *outcome);
};

/* Reads the settings that all such connectors have (timeout_s, connect_timeout_s, ca_file, max_connections_per_host)
 * from `config` (may be NULL) and makes the client. Of other settings those in `others` (ended by NULL) are the
 * connector's own; the rest are ERR(INVALID). */
int http_tasks_init(struct http_tasks *tasks, const struct connector_class *class, struct connector_host *host,
		    const struct value *config, double timeout_s, const char *const *others, struct wf_error *err);
void http_tasks_done(struct http_tasks *tasks);

/* Sends `request` (NULL: answers by itself in the loop's next turn) for the task. *ret_task's `about` and `plain` are
 * for the caller to set. */
int http_tasks_start(struct http_tasks *tasks, const struct task_request *task, struct http_request *request,
		     struct http_task **ret_task, struct wf_error *err);

/* For the class. */
void http_tasks_cancel(struct connector *connector, struct task_key key);
uint32_t http_tasks_running(const struct connector *connector);
