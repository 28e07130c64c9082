/* timers.c: the timers of one execution: a binary heap of frames by (due time, frame id), each frame knowing its place.
 * A frame has one timer at most: a Wait's end, a retry, or the sooner of a task's deadline and heartbeat. */
#include "base/mem.h"
#include "engine/core/state.h"

static bool sooner(const struct frame *a, const struct frame *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->id < b->id;
}

static void place(struct execution *execution, struct frame *frame, size_t at)
{
	execution->timers[at] = frame;
	frame->timer = at;
}

static void sift_up(struct execution *execution, struct frame *frame, size_t at)
{
	while (at && sooner(frame, execution->timers[(at - 1) / 2])) {
		place(execution, execution->timers[(at - 1) / 2], at);
		at = (at - 1) / 2;
	}
	place(execution, frame, at);
}

static void sift_down(struct execution *execution, struct frame *frame, size_t at)
{
	for (;;) {
		size_t child = at * 2 + 1;
		if (child >= execution->timers_count)
			break;
		if (child + 1 < execution->timers_count &&
		    sooner(execution->timers[child + 1], execution->timers[child]))
			child++;
		if (!sooner(execution->timers[child], frame))
			break;
		place(execution, execution->timers[child], at);
		at = child;
	}
	place(execution, frame, at);
}

void frame_timer_set(struct execution *execution, struct frame *frame, int64_t due_ms)
{
	if (frame->timer != NO_TIMER) {
		if (frame->due_ms == due_ms)
			return;
		size_t at = frame->timer;
		struct frame *last = execution->timers[--execution->timers_count];
		frame->timer = NO_TIMER;
		if (last != frame) {
			sift_up(execution, last, at);
			sift_down(execution, last, last->timer);
		}
	}
	frame->due_ms = due_ms;
	if (due_ms == INT64_MAX)
		return;
	MEM_GROW(execution->timers, execution->timers_capacity, execution->timers_count + 1);
	sift_up(execution, frame, execution->timers_count++);
}

struct frame *frame_timer_first(const struct execution *execution)
{
	return execution->timers_count ? execution->timers[0] : NULL;
}
