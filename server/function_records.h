/* function_records.h: functions' definitions as records of the engine's store ("functions/NAME"): what lets
 * connectors/function keep them without knowing an engine. */
#pragma once
#include "connectors/function/function.h"
#include "engine/engine.h"

/* Freed by free(). Outlives the functions. */
struct function_records *function_records_new(struct engine *engine);
