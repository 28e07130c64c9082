/* v1_folds.c: executions folded for the console (v1_folds.h).
 *
 * A slider moves forward far more often than back, and its neighbours ask for the same moment: so a fold is kept by
 * (execution, path), with the journal's record it goes on with. One that stands beyond the event asked for is begun anew;
 * 25,000 events take some 20 ms, read in pages between which the loop does other things. */
#include "server/v1_folds.h"
#include "base/mem.h"
#include "engine/stored.h"
#include <stdlib.h>

#define FOLDS_KEPT 8

struct kept_fold {
	char *arn, *path;
	struct fold *fold;
	uint64_t used;
};

struct v1_folds {
	struct kept_fold kept[FOLDS_KEPT];
	uint64_t uses;
};

struct folding {
	struct route_call *call;
	struct str path;
	uint64_t last;
	struct fold *fold;
	bool observed;
	int code;
	v1_folded_fn *done;
	void *data;
};

static void drop(struct kept_fold *place)
{
	free(place->arn);
	free(place->path);
	fold_free(place->fold);
	*place = (struct kept_fold){ 0 };
}

void v1_folds_free(struct v1_folds *folds)
{
	for (unsigned i = 0; folds && i < FOLDS_KEPT; i++)
		drop(&folds->kept[i]);
	free(folds);
}

/* Takes it out: two that are folded at once never share one. */
static struct fold *take_kept(struct v1_folds *folds, struct str arn, struct str path, uint64_t last)
{
	for (unsigned i = 0; i < FOLDS_KEPT; i++) {
		struct kept_fold *place = &folds->kept[i];
		if (!place->fold || !str_eqz(arn, place->arn) || !str_eqz(path, place->path) ||
		    fold_last_event(place->fold) > last)
			continue;
		struct fold *fold = TAKE(place->fold);
		drop(place);
		return fold;
	}
	return NULL;
}

static void keep(struct v1_folds *folds, struct str arn, struct str path, struct fold *fold)
{
	struct kept_fold *place = &folds->kept[0];
	for (unsigned i = 1; i < FOLDS_KEPT; i++)
		if (folds->kept[i].used < place->used)
			place = &folds->kept[i];
	drop(place);
	*place = (struct kept_fold){ mem_strndup(arn.ptr, arn.len), mem_strndup(path.ptr, path.len), fold, ++folds->uses };
}

static bool each(void *data, const struct execution_info *info, const struct store_record *stored)
{
	struct folding *folding = data;
	struct record record = stored_record(stored);
	folding->code = fold_record(folding->fold, stored->number, &record, folding->last);
	return folding->code == 0 && fold_last_event(folding->fold) < folding->last;
}

static void folded(void *data, const struct engine_error *error, const struct execution_info *info)
{
	struct folding *folding = data;
	struct route_call *call = folding->call;
	const struct engine_error damaged = { .code = ENGINE_INTERNAL,
					      .message = STR("the journal of the execution cannot be folded") };
	bool failed = error->code || folding->code;
	folding->done(folding->data, folding->code && !error->code ? &damaged : error, failed ? NULL : folding->fold, info);
	if (failed || folding->observed)
		fold_free(folding->fold);
	else
		keep(call->services->folds, call->parts[0], folding->path, folding->fold);
}

void v1_fold(struct route_call *call, struct str path, uint64_t last, const struct fold_observer *observer,
	     v1_folded_fn *done, void *data)
{
	struct folding *folding = ARENA_NEW(&call->arena, struct folding);
	struct str arn = call->parts[0];
	*folding = (struct folding){ .call = call, .path = path, .last = last, .done = done, .observed = observer, .data = data };
	if (!call->services->folds)
		call->services->folds = NEW(struct v1_folds);
	folding->fold = observer ? NULL : take_kept(call->services->folds, arn, path, last);
	if (!folding->fold)
		folding->fold = fold_new(path);
	if (observer)
		fold_observe(folding->fold, observer);
	engine_journal(call->engine,
		       &(struct journal_request){ .execution_arn = arn,
						  .first = fold_next_record(folding->fold),
						  .each = each },
		       folded, folding);
}
