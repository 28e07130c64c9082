/* logs.c: the settings, and the way to where the lines go (logs.h). */
#include "connectors/logs/logs.h"
#include "base/mem.h"
#include <stdlib.h>

#define MAX_BYTES (64 << 20)
#define FILES 5
#define QUEUE_BYTES (16 << 20)

struct logs {
	struct log_sink sink;
	struct log_files *files;
	struct log_cloud *cloud;
	uint64_t lines;
};

struct str logs_group_name(struct str arn)
{
	static const char before[] = ":log-group:";
	const char *found = memmem(arn.ptr, arn.len, before, sizeof before - 1);
	struct str name = found ? str_sub(arn, (size_t)(found - arn.ptr) + sizeof before - 1, arn.len) : arn;
	const char *colon = found ? memchr(name.ptr, ':', name.len) : NULL;
	return colon ? str_sub(name, 0, (size_t)(colon - name.ptr)) : name;
}

static void on_write(struct log_sink *sink, const struct log_line *line)
{
	struct logs *logs = (struct logs *)sink;
	struct str group = logs_group_name(line->group_arn);
	logs->lines++;
	if (logs->files)
		log_files_write(logs->files, group, line->text);
	if (logs->cloud)
		log_cloud_write(logs->cloud, group, line);
}

/* ---- settings --------------------------------------------------------------------------------- */

static int wrong(struct wf_error *err, struct str name, const char *what)
{
	error_set(err, ERR(INVALID), "%s", what);
	error_where(err, "/%.*s", STR_FMT(name));
	return ERR(INVALID);
}

struct settings {
	struct str folder, endpoint;
	int64_t max_bytes, files, queue_bytes;
};

static int read_settings(const struct value *config, struct settings *settings, struct wf_error *err)
{
	const struct {
		const char *name;
		struct str *text;
		int64_t *number, least, most;
	} rows[] = {
		{ "folder", &settings->folder, NULL, 0, 0 },
		{ "endpoint", &settings->endpoint, NULL, 0, 0 },
		{ "max_bytes", NULL, &settings->max_bytes, 4096, INT64_C(1) << 40 },
		{ "files", NULL, &settings->files, 1, 1000 },
		{ "queue_bytes", NULL, &settings->queue_bytes, 1 << 20, 1 << 30 },
	};
	size_t count = sizeof rows / sizeof *rows;
	if (!value_is(config, VALUE_OBJECT))
		return error_set(err, ERR(INVALID), "expected an object, found %s", value_kind_name(value_kind(config)));
	for (size_t i = 0; i < value_count(config); i++) {
		struct str name = value_key_at(config, i);
		const struct value *value = value_at(config, i);
		size_t row = 0;
		while (row < count && !str_eqz(name, rows[row].name))
			row++;
		if (row == count)
			return wrong(err, name, "there is no such setting");
		if (rows[row].text) {
			if (!value_is(value, VALUE_STRING) || !value_string(value).len)
				return wrong(err, name, "expected a text");
			*rows[row].text = value_string(value);
		} else if (!value_int64(value, rows[row].number) || *rows[row].number < rows[row].least ||
			   *rows[row].number > rows[row].most) {
			_cleanup_free_ char *what = mem_printf("expected a whole number from %lld to %lld",
							       (long long)rows[row].least, (long long)rows[row].most);
			return wrong(err, name, what);
		}
	}
	return 0;
}

int logs_new(const struct logs_options *options, struct logs **ret_logs, struct wf_error *err)
{
	struct settings settings = { STR_EMPTY, str_of(options->endpoint), MAX_BYTES, FILES, QUEUE_BYTES };
	const struct log_warner warner = { options->warn, options->data };
	int r = 0;
	*ret_logs = NULL;
	if (options->config && !value_is(options->config, VALUE_NULL))
		r = read_settings(options->config, &settings, err);
	if (r < 0 || (!settings.folder.len && !settings.endpoint.len))
		return r;
	if (settings.endpoint.len && !str_starts(settings.endpoint, STR("http://")) &&
	    !str_starts(settings.endpoint, STR("https://")))
		return wrong(err, STR("endpoint"), "expected a URL that begins with http:// or https://");
	struct logs *logs = NEW(struct logs);
	logs->sink.write = on_write;
	if (settings.folder.len) {
		_cleanup_free_ char *folder = mem_strndup(settings.folder.ptr, settings.folder.len);
		r = log_files_new(folder, settings.max_bytes, settings.files, (size_t)settings.queue_bytes, warner,
				  &logs->files, err);
	}
	if (r == 0 && settings.endpoint.len) {
		_cleanup_free_ char *endpoint = mem_strndup(settings.endpoint.ptr, settings.endpoint.len);
		r = log_cloud_new(options->loop, options->io, options->clock, endpoint, (size_t)settings.queue_bytes, warner,
				  &logs->cloud, err);
	}
	if (r < 0) {
		logs_free(logs);
		return r;
	}
	*ret_logs = logs;
	return 0;
}

struct log_sink *logs_sink(struct logs *logs)
{
	return logs ? &logs->sink : NULL;
}

void logs_drain(struct logs *logs, void (*done)(void *data), void *data)
{
	if (logs && logs->cloud)
		log_cloud_drain(logs->cloud, done, data);
	else
		done(data);
}

void logs_stats(const struct logs *logs, struct logs_stats *ret_stats)
{
	*ret_stats = (struct logs_stats){ 0 };
	if (!logs)
		return;
	ret_stats->lines = logs->lines;
	if (logs->files)
		log_files_stats(logs->files, ret_stats);
	if (logs->cloud)
		log_cloud_stats(logs->cloud, ret_stats);
}

void logs_free(struct logs *logs)
{
	if (!logs)
		return;
	log_files_free(logs->files);
	log_cloud_free(logs->cloud);
	free(logs);
}
