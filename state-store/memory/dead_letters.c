/* dead_letters.c: the memory store's dead letters and outcomes of bulk jobs: two ordered maps each, groups by walking
 * all. */
#include "base/mem.h"
#include "state-store/memory/memory.h"
#include <stdlib.h>

static struct str kept(struct str bytes)
{
	return (struct str){ mem_strndup(bytes.ptr, bytes.len), bytes.len };
}

static void letter_free(struct store_dead_letter *letter)
{
	free((char *)letter->state.ptr);
	free((char *)letter->error.ptr);
	free(letter);
}

static void outcome_free(struct store_outcome *outcome)
{
	free((char *)outcome->detail.ptr);
	free(outcome);
}

static struct order_key outcome_key(uint64_t job, uint64_t execution_id)
{
	return (struct order_key){ { 0, 0, job, execution_id } };
}

/* ---- ops --------------------------------------------------------------------------------------------- */

bool memory_delete_dead_letter(struct memory_store *memory, uint64_t execution_id, int64_t failed_ms)
{
	struct store_dead_letter *letter = u64_map_get(&memory->dead_letters, execution_id);
	if (!letter || (failed_ms && letter->failed_ms != failed_ms))
		return false;
	u64_map_remove(&memory->dead_letters, execution_id);
	order_remove(&memory->dead_by_time, memory_time_key(letter->failed_ms, execution_id));
	letter_free(letter);
	return true;
}

static void put_letter(struct memory_store *memory, const struct store_dead_letter *from)
{
	memory_delete_dead_letter(memory, from->execution_id, 0);
	struct store_dead_letter *letter = NEW(struct store_dead_letter);
	*letter = *from;
	letter->state = kept(from->state);
	letter->error = kept(from->error);
	letter->name = STR_EMPTY;
	u64_map_put(&memory->dead_letters, letter->execution_id, letter);
	order_insert(&memory->dead_by_time, memory_time_key(letter->failed_ms, letter->execution_id), letter);
}

static void put_outcome(struct memory_store *memory, const struct store_outcome *from)
{
	struct store_outcome *old = order_remove(&memory->outcomes, outcome_key(from->job, from->execution_id));
	if (old)
		outcome_free(old);
	struct store_outcome *outcome = NEW(struct store_outcome);
	*outcome = *from;
	outcome->detail = kept(from->detail);
	order_insert(&memory->outcomes, outcome_key(from->job, from->execution_id), outcome);
}

static void delete_outcomes(struct memory_store *memory, uint64_t job)
{
	for (;;) {
		struct order_place place = order_seek(&memory->outcomes, outcome_key(job, 0));
		const struct order_entry *entry = order_next(&memory->outcomes, &place);
		if (!entry || entry->key.part[2] != job)
			return;
		outcome_free(order_remove(&memory->outcomes, entry->key));
	}
}

void memory_apply_dead_letter(struct memory_store *memory, const struct store_op *op)
{
	const struct store_dead_letter *letter = &op->dead_letter, *there;
	if (op->kind == STORE_PUT_DEAD_LETTER) {
		put_letter(memory, letter);
	} else if (op->kind == STORE_FILL_DEAD_LETTER) {
		there = u64_map_get(&memory->dead_letters, letter->execution_id);
		if (there && there->unread && there->failed_ms == letter->failed_ms)
			put_letter(memory, letter);
	} else if (op->kind == STORE_DELETE_DEAD_LETTER) {
		bool gone = memory_delete_dead_letter(memory, letter->execution_id, letter->failed_ms);
		if (letter->ret_gone)
			*letter->ret_gone = gone;
	} else if (op->kind == STORE_PUT_OUTCOME) {
		put_outcome(memory, &op->outcome);
	} else {
		delete_outcomes(memory, op->outcome.job);
	}
}

void memory_dead_letters_done(struct memory_store *memory)
{
	const struct order_entry *entry;
	struct order_place place = { 0 };
	while ((entry = order_next(&memory->dead_by_time, &place)))
		letter_free(entry->value);
	place = (struct order_place){ 0 };
	while ((entry = order_next(&memory->outcomes, &place)))
		outcome_free(entry->value);
	u64_map_done(&memory->dead_letters);
	order_done(&memory->dead_by_time);
	order_done(&memory->outcomes);
}

/* ---- reads ------------------------------------------------------------------------------------------- */

static const struct store_execution *row_of(const struct memory_store *memory, uint64_t id)
{
	const struct memory_execution *execution = u64_map_get(&memory->executions, id);
	return execution && execution->listed ? &execution->row : NULL;
}

static struct store_dead_letter copy_letter(const struct memory_store *memory, struct arena *arena,
					    const struct store_dead_letter *letter)
{
	const struct store_execution *row = row_of(memory, letter->execution_id);
	struct store_dead_letter copy = *letter;
	copy.state = arena_str(arena, letter->state);
	copy.error = arena_str(arena, letter->error);
	copy.name = row ? arena_str(arena, row->name) : STR_EMPTY;
	copy.start_ms = row ? row->start_ms : 0;
	return copy;
}

static void read_letters(const struct memory_store *memory, struct store_request *r)
{
	const struct store_dead_request *dead = &r->dead;
	struct order_place place =
	    order_seek(&memory->dead_by_time, dead->unread ? memory_time_key(INT64_MAX, UINT64_MAX)
							   : memory_time_key(dead->before_ms, dead->before_id));
	uint32_t most = memory->dead_by_time.count < dead->limit ? (uint32_t)memory->dead_by_time.count : dead->limit;
	const struct order_entry *entry;
	r->dead_letters = ARENA_ARRAY(&r->arena, struct store_dead_letter, most + 1);
	while (r->count < most && (entry = order_previous(&memory->dead_by_time, &place))) {
		const struct store_dead_letter *letter = entry->value;
		if (!dead->unread && letter->failed_ms < dead->from_ms)
			break;
		bool wanted = dead->unread ? letter->unread && letter->execution_id < dead->before_id
					   : (!dead->machine_id || letter->machine_id == dead->machine_id) &&
						 (dead->status < 0 || letter->status == dead->status);
		if (wanted)
			r->dead_letters[r->count++] = copy_letter(memory, &r->arena, letter);
	}
}

static bool same_group(const struct store_dead_letter *a, const struct store_dead_letter *b)
{
	return a->machine_id == b->machine_id && a->status == b->status && a->revision == b->revision &&
	       a->version == b->version && a->unread == b->unread && str_eq(a->error, b->error) &&
	       str_eq(a->state, b->state);
}

static int largest_first(const void *left, const void *right)
{
	const struct store_dead_group *a = left, *b = right;
	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	if (a->sample.machine_id != b->sample.machine_id)
		return a->sample.machine_id < b->sample.machine_id ? -1 : 1;
	int order = str_cmp(a->sample.error, b->sample.error);
	return order ? order : str_cmp(a->sample.state, b->sample.state);
}

/* One pass over all for each letter's group: a memory store's dead letters are few. */
static void read_groups(const struct memory_store *memory, struct store_request *r)
{
	const struct store_dead_group_request *asked = &r->dead_group;
	struct store_dead_group *groups = NULL;
	size_t capacity = 0, hours = asked->hours > 0 ? (size_t)asked->hours : 0;
	const struct order_entry *entry;
	struct order_place place = { 0 };
	while ((entry = order_next(&memory->dead_by_time, &place))) {
		const struct store_dead_letter *letter = entry->value;
		uint32_t i = 0;
		if (asked->machine_id && letter->machine_id != asked->machine_id)
			continue;
		while (i < r->count && !(asked->hours < 0 ? groups[i].sample.machine_id == letter->machine_id
							  : same_group(&groups[i].sample, letter)))
			i++;
		if (i == r->count) {
			MEM_GROW(groups, capacity, (size_t)r->count + 1);
			groups[r->count++] =
			    (struct store_dead_group){ .first_ms = letter->failed_ms,
						       .hourly = ARENA_ARRAY(&r->arena, uint32_t, hours + 1) };
			memset(groups[i].hourly, 0, (hours + 1) * sizeof *groups[i].hourly);
		}
		struct store_dead_group *group = &groups[i];
		if (!group->count || letter->execution_id > group->sample.execution_id)
			group->sample = *letter;
		group->count++;
		group->last_ms = letter->failed_ms;
		int64_t hour =
		    letter->failed_ms >= asked->from_ms ? (letter->failed_ms - asked->from_ms) / 3600000 : -1;
		if (hour >= 0 && hour < (int64_t)hours)
			group->hourly[hour]++;
	}
	if (r->count)
		qsort(groups, r->count, sizeof *groups, largest_first);
	if (r->count > asked->limit)
		r->count = asked->limit;
	r->dead_groups = ARENA_ARRAY(&r->arena, struct store_dead_group, r->count + 1);
	for (uint32_t i = 0; i < r->count; i++) {
		r->dead_groups[i] = groups[i];
		r->dead_groups[i].hourly = hours ? groups[i].hourly : NULL;
		r->dead_groups[i].sample = copy_letter(memory, &r->arena, &groups[i].sample);
	}
	free(groups);
}

static void read_outcomes(const struct memory_store *memory, struct store_request *r)
{
	struct order_place place = order_seek(&memory->outcomes, outcome_key(r->job, r->after + 1));
	uint32_t most = memory->outcomes.count < r->limit ? (uint32_t)memory->outcomes.count : r->limit;
	const struct order_entry *entry;
	r->outcomes = ARENA_ARRAY(&r->arena, struct store_outcome, most + 1);
	while (r->count < most && (entry = order_next(&memory->outcomes, &place)) && entry->key.part[2] == r->job) {
		const struct store_outcome *outcome = entry->value;
		if (r->outcome >= 0 && outcome->outcome != r->outcome)
			continue;
		const struct store_execution *row = row_of(memory, outcome->execution_id);
		struct store_outcome *copy = &r->outcomes[r->count++];
		*copy = *outcome;
		copy->detail = arena_str(&r->arena, outcome->detail);
		copy->machine_id = row ? row->machine_id : 0;
		copy->name = row ? arena_str(&r->arena, row->name) : STR_EMPTY;
	}
}

static void count_outcomes(const struct memory_store *memory, struct store_request *r)
{
	struct order_place place = order_seek(&memory->outcomes, outcome_key(r->job, 0));
	const struct order_entry *entry;
	while ((entry = order_next(&memory->outcomes, &place)) && entry->key.part[2] == r->job) {
		const struct store_outcome *outcome = entry->value;
		if (outcome->outcome < STORE_OUTCOMES)
			r->outcome_counts[outcome->outcome]++;
	}
}

void memory_read_dead_letters(const struct memory_store *memory, struct store_request *r)
{
	const struct store_dead_letter *letter;
	if (r->kind == REQUEST_DEAD_LETTERS) {
		read_letters(memory, r);
	} else if (r->kind == REQUEST_DEAD_GROUPS) {
		read_groups(memory, r);
	} else if (r->kind == REQUEST_OUTCOMES) {
		read_outcomes(memory, r);
	} else if (r->kind == REQUEST_COUNT_OUTCOMES) {
		count_outcomes(memory, r);
	} else if ((letter = u64_map_get(&memory->dead_letters, r->execution_id))) {
		r->dead_letters = ARENA_NEW(&r->arena, struct store_dead_letter);
		r->dead_letters[0] = copy_letter(memory, &r->arena, letter);
		r->count = 1;
	}
}
