/* The spec: all that a guard must know to start a program, as bytes. guard.c reads it; its form is in exec.h. */
#include "base/hash.h"
#include "base/mem.h"
#include "connectors/exec/exec.h"
#include "connectors/secret.h"
#include <stdio.h>
#include <stdlib.h>

struct spec {
	struct connector_host *host;
	const struct exec_program *program;
	const struct task_request *request;
};

static void spec_variable(struct buffer *list, uint32_t *count, const char *name, struct str text)
{
	_cleanup_(buffer_done) struct buffer entry = { 0 };
	buffer_printf(&entry, "%s=", name);
	buffer_add(&entry, text);
	/* A NUL would end it early: what follows it is dropped, which is all that an environment can hold. */
	buffer_blob(list, (struct str){ entry.data, strlen(entry.data) });
	++*count;
}

static bool is_configured(const struct exec_program *program, const char *name)
{
	return program->env && value_getz(program->env, name);
}

/* PATH and its like from our own environment; everything else there stays with us. */
static void spec_base_environment(const struct exec_program *program, struct buffer *list, uint32_t *count)
{
	static const struct {
		const char *name, *otherwise;
	} rows[] = {
		{ "PATH", "/usr/local/bin:/usr/bin:/bin" }, { "HOME", "/" }, { "LANG", "C.UTF-8" }, { "TMPDIR", NULL }
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *text = getenv(rows[i].name);
		text = text ? text : rows[i].otherwise;
		if (text && !is_configured(program, rows[i].name))
			spec_variable(list, count, rows[i].name, str_of(text));
	}
}

static int spec_configured_environment(const struct spec *spec, struct buffer *list, uint32_t *count,
				       struct wf_error *err)
{
	const struct value *env = spec->program->env;
	for (size_t i = 0; env && i < value_count(env); i++) {
		_cleanup_(buffer_done) struct buffer text = { 0 };
		_cleanup_free_ char *name = mem_strndup(value_key_at(env, i).ptr, value_key_at(env, i).len);
		int r = secret_text(spec->host, value_at(env, i), &text, err);
		if (r < 0) {
			error_prefix(err, "cannot set %s", name);
			return r;
		}
		spec_variable(list, count, name, buffer_str(&text));
	}
	return 0;
}

static int spec_environment(const struct spec *spec, struct str work_dir, struct buffer *out, struct wf_error *err)
{
	const struct task_request *request = spec->request;
	_cleanup_(buffer_done) struct buffer list = { 0 };
	uint32_t count = 0;
	char attempt[16];
	snprintf(attempt, sizeof attempt, "%u", request->attempt);
	spec_base_environment(spec->program, &list, &count);
	int r = spec_configured_environment(spec, &list, &count, err);
	if (r < 0)
		return r;
	spec_variable(&list, &count, "RATCHET_WORKDIR", work_dir);
	spec_variable(&list, &count, "RATCHET_EXECUTION_ARN", request->execution_arn);
	spec_variable(&list, &count, "RATCHET_STATE", request->state_name);
	spec_variable(&list, &count, "RATCHET_IDEMPOTENCY_KEY", request->idempotency_key);
	spec_variable(&list, &count, "RATCHET_ATTEMPT", str_of(attempt));
	if (request->trace_parent.len)
		spec_variable(&list, &count, "TRACEPARENT", request->trace_parent);
	buffer_varint(out, count);
	buffer_add(out, buffer_str(&list));
	return 0;
}

static int spec_arguments(const struct spec *spec, struct buffer *out, uint64_t *ret_command, struct wf_error *err)
{
	_cleanup_(value_unrefp) struct value *nothing = value_new_null();
	const struct value *input = spec->request->parameters ? spec->request->parameters : nothing;
	_cleanup_(buffer_done) struct buffer list = { 0 };
	uint32_t count = 1;
	buffer_blob(&list, str_of(spec->program->program));
	const struct value *args = spec->program->args;
	for (size_t i = 0; args && i < value_count(args); i++) {
		int r = exec_argument_expand(value_string(value_at(args, i)), input, &list, &count, err);
		if (r < 0)
			return r;
	}
	*ret_command = hash_bytes(buffer_str(&list), 0);
	buffer_varint(out, count);
	buffer_add(out, buffer_str(&list));
	return 0;
}

static int find_work_dir(const struct spec *spec, struct buffer *out, struct wf_error *err)
{
	if (!spec->host->work_dir) {
		buffer_add(out, spec->request->work_dir);
		return 0;
	}
	struct wf_error reason = { 0 };
	const char *path = spec->host->work_dir(spec->host, spec->request->key.execution_id, &reason);
	if (!path || !*path)
		return error_set(err, reason.code ? reason.code : ERR(IO), "the execution has no work folder: %s",
				 reason.message);
	buffer_addz(out, path);
	return 0;
}

int exec_spec_write(const struct connector *connector, const char *lock_dir, const struct exec_program *program,
		    const struct task_request *request, struct buffer *out, uint64_t *ret_command, struct wf_error *err)
{
	const struct spec spec = { connector->host, program, request };
	_cleanup_(buffer_done) struct buffer work_dir = { 0 };
	int r = find_work_dir(&spec, &work_dir, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *lock =
	    !lock_dir ? NULL
		      : mem_printf("%s/%llx-%llx.lock", lock_dir, (unsigned long long)request->key.execution_id,
				   (unsigned long long)request->key.event_id);
	buffer_blob(out, str_of(program->program));
	buffer_blob(out, program->cwd ? str_of(program->cwd) : buffer_str(&work_dir));
	buffer_blob(out, str_of(lock));
	r = spec_arguments(&spec, out, ret_command, err);
	return r < 0 ? r : spec_environment(&spec, buffer_str(&work_dir), out, err);
}
