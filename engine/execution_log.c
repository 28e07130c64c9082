/* execution_log.c: what a state machine's loggingConfiguration asks for, from the events that are committed (Express: decided), to the
 * sink (connectors/log_sink.h).
 *
 * Its level says which types of events are written. With logging OFF an execution costs one look at its revision. */
#include "engine/runtime.h"

/* ---- levels --------------------------------------------------------------------------------------- */

static bool is_fatal(enum event_type type)
{
	return type == EVENT_EXECUTION_FAILED || type == EVENT_EXECUTION_TIMED_OUT || type == EVENT_EXECUTION_ABORTED;
}

/* The names say it: …Failed, …TimedOut, …Aborted, and entering a Fail state. */
static bool is_error(enum event_type type)
{
	struct str name = str_of(event_type_name(type));
	return type == EVENT_FAIL_STATE_ENTERED || str_ends(name, STR("Failed")) || str_ends(name, STR("TimedOut")) ||
	       str_ends(name, STR("Aborted"));
}

void logging_read(const struct value *logging, struct logging *ret_logging)
{
	const struct value *level = logging ? value_getz(logging, "level") : NULL;
	*ret_logging = (struct logging){ 0 };
	if (!level || !value_is(level, VALUE_STRING))
		return;
	const struct value *destinations = value_getz(logging, "destinations");
	const struct value *destination =
	    destinations && value_is(destinations, VALUE_ARRAY) && value_count(destinations) ? value_at(destinations, 0) : NULL;
	const struct value *group =
	    destination && value_is(destination, VALUE_OBJECT) ? value_getz(destination, "cloudWatchLogsLogGroup") : NULL;
	const struct value *arn = group && value_is(group, VALUE_OBJECT) ? value_getz(group, "logGroupArn") : NULL;
	if (!arn || !value_is(arn, VALUE_STRING))
		return;
	const struct value *include = value_getz(logging, "includeExecutionData");
	struct str word = value_string(level);
	ret_logging->level = str_eqz(word, "ALL")     ? LOGGING_ALL
			     : str_eqz(word, "ERROR") ? LOGGING_ERROR
			     : str_eqz(word, "FATAL") ? LOGGING_FATAL
						      : LOGGING_OFF;
	ret_logging->include_data = include && value_is(include, VALUE_BOOL) && value_bool(include);
	ret_logging->group_arn = value_string(arn);
}

void revision_logged(struct engine *engine, struct revision *revision)
{
	logging_read(revision->logging, &revision->logged);
	engine->logging_machines |= revision->logged.level != LOGGING_OFF;
}

static bool is_logged(enum logging_level level, enum event_type type)
{
	switch (level) {
	case LOGGING_OFF:
		return false;
	case LOGGING_FATAL:
		return is_fatal(type);
	case LOGGING_ERROR:
		return is_error(type);
	case LOGGING_ALL:
		return true;
	}
	return false;
}

/* ---- events ------------------------------------------------------------------------------------------ */

static void write_event(struct engine *engine, const struct resident *resident, const struct logging *logging,
			const struct event *event, struct buffer *scratch)
{
	buffer_clear(scratch);
	history_event_log_json(event, resident->arn, resident->execution ? execution_redrives(resident->execution) : 0,
			       logging->include_data, LOG_LINE_BYTES_MAX, scratch);
	engine->log_sink->write(engine->log_sink, &(struct log_line){ .group_arn = logging->group_arn,
								      .machine = resident->machine->info.name,
								      .time_ms = event->timestamp_ms,
								      .text = buffer_str(scratch) });
}

static void write_record(struct engine *engine, const struct resident *resident, const struct logging *logging,
			 const struct record *record)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	_cleanup_(buffer_done) struct buffer scratch = { 0 };
	struct record_reader reader;
	struct event event;
	if (record_open(record, &arena, &reader, NULL) < 0)
		return;
	while (record_next(&reader, &event, NULL) > 0)
		if (event_is_public(event.type) && is_logged(logging->level, event.type))
			write_event(engine, resident, logging, &event, &scratch);
}

/* How an execution is logged; NULL: not at all. */
static const struct logging *logging_of(const struct engine *engine, const struct resident *resident)
{
	return engine->log_sink && resident->revision && resident->revision->logged.level != LOGGING_OFF
		   ? &resident->revision->logged
		   : NULL;
}

void execution_log_committed(struct engine *engine, const struct store_batch *batch)
{
	if (!engine->log_sink || !engine->logging_machines)
		return;
	for (const struct store_op *op = batch->first; op; op = op->next) {
		if (op->kind != STORE_APPEND_RECORD)
			continue;
		const struct resident *resident = cache_find(engine, op->record.execution_id);
		const struct logging *logging = resident ? logging_of(engine, resident) : NULL;
		if (logging)
			write_record(engine, resident, logging,
				     &(struct record){ .first_event_id = op->record.first_event_id,
						       .bytes = op->record.bytes,
						       .blobs = op->record.blobs,
						       .blobs_count = op->record.blobs_count });
	}
}

void execution_log_express(struct engine *engine, const struct resident *resident, const struct core_result *result)
{
	const struct logging *logging = logging_of(engine, resident);
	for (uint32_t i = 0; logging && i < result->records_count; i++)
		write_record(engine, resident, logging, &result->records[i]);
}

void engine_set_log(struct engine *engine, struct log_sink *sink)
{
	engine->log_sink = sink;
}
