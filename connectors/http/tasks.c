/* One task, one request. See tasks.h. */
#include "connectors/http/tasks.h"
#include "base/mem.h"
#include <stdlib.h>

#define SECONDS_MAX 86400.0

/* ---- settings */

static int read_seconds(const struct value *config, const char *name, double otherwise, int64_t *ret_ms,
			struct wf_error *err)
{
	const struct value *value = value_getz(config, name);
	double seconds = value ? value_number(value) : otherwise;
	if ((value && !value_is(value, VALUE_NUMBER)) || !(seconds >= 0.001) || seconds > SECONDS_MAX) {
		error_set(err, ERR(INVALID), "expected a number of seconds above 0 (%g at most)", SECONDS_MAX);
		error_where(err, "/%s", name);
		return ERR(INVALID);
	}
	*ret_ms = (int64_t)(seconds * 1000);
	return 0;
}

static int read_connections(const struct value *config, long *ret_count, struct wf_error *err)
{
	const struct value *value = value_getz(config, "max_connections_per_host");
	int64_t number = 0;
	if (value && (!value_int64(value, &number) || number < 1 || number > 100000)) {
		error_set(err, ERR(INVALID), "expected a whole number from 1 to 100000");
		error_where(err, "/max_connections_per_host");
		return ERR(INVALID);
	}
	*ret_count = (long)number;
	return 0;
}

static int check_names(const struct value *config, const char *const *others, struct wf_error *err)
{
	static const char *const common[] = { "timeout_s", "connect_timeout_s", "ca_file", "max_connections_per_host",
					      NULL };
	for (size_t i = 0; i < value_count(config); i++) {
		struct str name = value_key_at(config, i);
		bool known = false;
		for (size_t k = 0; common[k]; k++)
			known |= str_eqz(name, common[k]);
		for (size_t k = 0; others[k]; k++)
			known |= str_eqz(name, others[k]);
		if (!known) {
			error_set(err, ERR(INVALID), "there is no such setting");
			error_where(err, "/%.*s", STR_FMT(name));
			return ERR(INVALID);
		}
	}
	return 0;
}

int http_tasks_init(struct http_tasks *tasks, const struct connector_class *class, struct connector_host *host,
		    const struct value *config, double timeout_s, const char *const *others, struct wf_error *err)
{
	_cleanup_(value_unrefp) struct value *nothing = value_new_object(0);
	config = config && !value_is(config, VALUE_NULL) ? config : nothing;
	if (!value_is(config, VALUE_OBJECT))
		return error_set(err, ERR(INVALID), "expected an object, found %s",
				 value_kind_name(value_kind(config)));
	struct http_client_options options = { 0 };
	_cleanup_free_ char *ca_file = NULL;
	const struct value *ca = value_getz(config, "ca_file");
	if (ca) {
		ca_file = mem_strndup(value_string(ca).ptr, value_string(ca).len);
		options.ca_file = ca_file;
	}
	int r = check_names(config, others, err);
	if (r == 0)
		r = read_seconds(config, "timeout_s", timeout_s, &tasks->timeout_ms, err);
	if (r == 0)
		r = read_seconds(config, "connect_timeout_s", 10, &options.connect_timeout_ms, err);
	if (r == 0)
		r = read_connections(config, &options.connections_per_host_max, err);
	if (r == 0)
		r = http_client_new(host->loop, host->io, &options, &tasks->client, err);
	if (r == 0)
		tasks->connector = (struct connector){ class, host };
	return r;
}

/* ---- tasks */

static void task_free(struct http_task *task)
{
	loop_timer_clear(task->owner->connector.host->loop, &task->later);
	free(task->about);
	free(task);
}

void http_tasks_done(struct http_tasks *tasks)
{
	http_client_free(tasks->client);
	struct str_map_entry *entry;
	for (size_t i = 0; (entry = str_map_next(&tasks->tasks, &i));)
		task_free(entry->value);
	str_map_done(&tasks->tasks);
}

static void task_answered(struct http_task *task, const struct http_response *response)
{
	struct http_tasks *tasks = task->owner;
	struct task_key key = task->key;
	struct outcome outcome = { 0 };
	tasks->answered(task, response, &outcome);
	str_map_remove(&tasks->tasks, task_key_str(&key));
	task_free(task);
	outcome_report(&outcome, tasks->connector.host, key);
}

static void on_done(void *data, const struct http_response *response)
{
	task_answered(data, response);
}

static void on_later(struct loop_timer *timer)
{
	task_answered(timer->data, NULL);
}

int http_tasks_start(struct http_tasks *tasks, const struct task_request *request, struct http_request *sent,
		     struct http_task **ret_task, struct wf_error *err)
{
	if (str_map_get(&tasks->tasks, task_key_str(&request->key)))
		return error_set(err, ERR(EXISTS), "that task runs already");
	struct connector_host *host = tasks->connector.host;
	struct http_task *task = NEW(struct http_task);
	task->owner = tasks;
	task->key = request->key;
	task->later = (struct loop_timer){ .callback = on_later, .data = task };
	if (sent) {
		sent->timeout_ms = tasks->timeout_ms;
		sent->response_bytes_max = (size_t)host->limits->http_response_bytes;
		int r = http_client_send(tasks->client, sent, on_done, task, &task->call, err);
		if (r < 0) {
			task_free(task);
			return r;
		}
	} else {
		loop_timer_set(host->loop, &task->later, 0);
	}
	str_map_put(&tasks->tasks, task_key_str(&request->key), task);
	*ret_task = task;
	return 0;
}

void http_tasks_cancel(struct connector *connector, struct task_key key)
{
	struct http_tasks *tasks = (struct http_tasks *)connector;
	struct http_task *task = str_map_remove(&tasks->tasks, task_key_str(&key));
	if (!task)
		return;
	if (task->call)
		http_call_cancel(task->call);
	task_free(task);
}

uint32_t http_tasks_running(const struct connector *connector)
{
	return (uint32_t)((const struct http_tasks *)connector)->tasks.count;
}
