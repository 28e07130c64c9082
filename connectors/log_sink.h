/* log_sink.h: where the log of executions goes (loggingConfiguration of a state machine). The engine writes to it what is
 * committed; connectors/logs is one. */
#pragma once
#include "base/str.h"
#include <stdint.h>

/* One history event, as CloudWatch Logs would have it. Borrowed. */
struct log_line {
	struct str group_arn; /* arn:aws:logs:REGION:ACCOUNT:log-group:NAME:* as the configuration has it */
	struct str machine;   /* the state machine's name */
	int64_t time_ms;
	struct str text; /* one JSON object, no newline */
};

struct log_sink {
	/* Takes a copy and returns at once: it neither blocks nor fails. The loop's thread. */
	void (*write)(struct log_sink *sink, const struct log_line *line);
};

/* The longest text; an event of CloudWatch Logs has no more. */
#define LOG_LINE_BYTES_MAX (262144 - 26)
