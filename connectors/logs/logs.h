/* logs.h: the log of executions: to files, to CloudWatch Logs' API, or both.
 *
 *     engine ──► logs ──┬─► queue ─► a thread ─► FOLDER/GROUP.log, .1, .2 …        file.c
 *                       └─► batches ─► PutLogEvents at an endpoint, on the loop    cloudwatch.c
 *
 * Both hold a bounded number of bytes; what does not fit, and what cannot be written, is dropped and counted. The log is best
 * effort, as on AWS: a crash loses what was not yet written, and nothing ever waits for it. */
#pragma once
#include "base/clock.h"
#include "base/error.h"
#include "base/loop.h"
#include "connectors/log_sink.h"
#include "value/value.h"

struct logs;

struct logs_options {
	struct loop *loop;
	struct loop *io; /* for requests to the endpoint, as in connector.h; may be NULL */
	struct clock_source *clock;
	/* The section `logs` of the configuration, may be NULL:
	 *
	 *     folder        where the files are, one for each log group; made if it is not there. Without it no files
	 *     max_bytes     size beyond which a file becomes .1 (default 64 MiB)
	 *     files         files of a group, the one being written included (default 5)
	 *     endpoint      URL of a CloudWatch Logs API; without it, none is called
	 *     queue_bytes   what either holds at most (default 16 MiB) */
	const struct value *config;
	const char *endpoint; /* AWS_ENDPOINT_URL_LOGS: used if the configuration names none; may be NULL or empty */
	/* A sentence for people: the first failure of a row of them. Any thread. */
	void (*warn)(void *data, const char *message);
	void *data;
};

/* 0 and *ret_logs (NULL if nothing is configured); ERR(INVALID) with err->where, ERR(IO). */
int logs_new(const struct logs_options *options, struct logs **ret_logs, struct wf_error *err);
/* Its end of the engine; NULL for NULL. */
struct log_sink *logs_sink(struct logs *logs);
/* Calls `done` when all that was written has left, or soon in any case (within 3 s); possibly from within. Takes NULL. */
void logs_drain(struct logs *logs, void (*done)(void *data), void *data);
/* Writes the files' queue out and frees. What is still to be sent is dropped. Takes NULL. */
void logs_free(struct logs *logs);

struct logs_stats {
	uint64_t lines;          /* taken */
	uint64_t written, sent;  /* to files; to the endpoint */
	uint64_t dropped_full;   /* no room in a queue */
	uint64_t dropped_failed; /* could not be written, or was refused for good */
	uint64_t queued_bytes;
};
void logs_stats(const struct logs *logs, struct logs_stats *ret_stats); /* all zero for NULL */

/* The name of the group in its ARN ("arn:…:log-group:NAME:*"); the text itself if it is none. */
struct str logs_group_name(struct str group_arn);

/* ---- between the files of this folder --------------------------------------------------------- */

struct log_warner {
	void (*warn)(void *data, const char *message);
	void *data;
};

struct log_files;
int log_files_new(const char *folder, int64_t max_bytes, int64_t files, size_t queue_bytes, struct log_warner warner,
		  struct log_files **ret_files, struct wf_error *err);
void log_files_write(struct log_files *files, struct str group, struct str text);
void log_files_stats(struct log_files *files, struct logs_stats *stats); /* adds */
void log_files_free(struct log_files *files);                           /* after writing what is queued */

struct log_cloud;
int log_cloud_new(struct loop *loop, struct loop *io, struct clock_source *clock, const char *endpoint, size_t queue_bytes,
		  struct log_warner warner, struct log_cloud **ret_cloud, struct wf_error *err);
void log_cloud_write(struct log_cloud *cloud, struct str group, const struct log_line *line);
/* As logs_drain. */
void log_cloud_drain(struct log_cloud *cloud, void (*done)(void *data), void *data);
void log_cloud_stats(const struct log_cloud *cloud, struct logs_stats *stats);
void log_cloud_free(struct log_cloud *cloud);
