/* dead_letters.c: the ops and the reads of dead letters and bulk jobs. A dead letter's row is small and stands beside
 * the execution, whose name and start are joined when it is read; groups and hours are counted from one index, so
 * nothing is kept that could be wrong. */
#include "base/mem.h"
#include "state-store/sqlite/sqlite.h"
#include <stdlib.h>

/* ---- ops --------------------------------------------------------------------------------------------- */

static sqlite3_stmt *bind_letter(sqlite3_stmt *s, const struct store_dead_letter *letter)
{
	sql_bind_id(s, 1, letter->execution_id);
	sql_bind_id(s, 2, letter->machine_id);
	sql_bind_int(s, 3, letter->status);
	sql_bind_int(s, 4, letter->failed_ms);
	sql_bind_bytes(s, 5, letter->state);
	sql_bind_bytes(s, 6, letter->error);
	sql_bind_id(s, 7, letter->revision);
	sql_bind_id(s, 8, letter->version);
	sql_bind_id(s, 9, letter->redrives);
	sql_bind_id(s, 10, letter->job);
	sql_bind_int(s, 11, letter->unread);
	return s;
}

static sqlite3_stmt *bind_outcome(sqlite3_stmt *s, const struct store_outcome *outcome)
{
	sql_bind_id(s, 1, outcome->job);
	sql_bind_id(s, 2, outcome->execution_id);
	sql_bind_int(s, 3, outcome->outcome);
	sql_bind_int(s, 4, outcome->at_ms);
	sql_bind_bytes(s, 5, outcome->detail);
	return s;
}

int sqlite_apply_dead_letter(struct sql *sql, const struct store_op *op, struct wf_error *err)
{
	sqlite3_stmt *s = NULL;
	if (op->kind == STORE_PUT_DEAD_LETTER) {
		s = bind_letter(sql_get(sql, SQL_PUT_DEAD_LETTER), &op->dead_letter);
	} else if (op->kind == STORE_FILL_DEAD_LETTER) {
		s = bind_letter(sql_get(sql, SQL_FILL_DEAD_LETTER), &op->dead_letter);
	} else if (op->kind == STORE_DELETE_DEAD_LETTER) {
		s = sql_get(sql, SQL_DELETE_DEAD_LETTER);
		sql_bind_id(s, 1, op->dead_letter.execution_id);
		sql_bind_int(s, 2, op->dead_letter.failed_ms);
	} else if (op->kind == STORE_PUT_OUTCOME) {
		s = bind_outcome(sql_get(sql, SQL_PUT_OUTCOME), &op->outcome);
	} else {
		s = sql_get(sql, SQL_DELETE_OUTCOMES);
		sql_bind_id(s, 1, op->outcome.job);
	}
	int code = sql_do(sql, s, err);
	if (code == 0 && op->kind == STORE_DELETE_DEAD_LETTER && op->dead_letter.ret_gone)
		*op->dead_letter.ret_gone = sqlite3_changes(sql->db) > 0;
	return code;
}

/* ---- letters ----------------------------------------------------------------------------------------- */

static struct store_dead_letter letter_of(sqlite3_stmt *s, struct arena *arena)
{
	return (struct store_dead_letter){
		.execution_id = sql_id(s, 0),
		.machine_id = sql_id(s, 1),
		.status = (uint8_t)sql_int(s, 2),
		.failed_ms = sql_int(s, 3),
		.state = sql_copy(s, 4, arena),
		.error = sql_copy(s, 5, arena),
		.revision = sql_id(s, 6),
		.version = sql_id(s, 7),
		.redrives = sql_id(s, 8),
		.job = sql_id(s, 9),
		.unread = sql_int(s, 10),
		.name = sql_copy(s, 11, arena),
		.start_ms = sql_int(s, 12),
	};
}

static sqlite3_stmt *letters_statement(struct sql *sql, const struct store_request *r)
{
	const struct store_dead_request *dead = &r->dead;
	sqlite3_stmt *s;
	if (r->kind == REQUEST_FIND_DEAD_LETTER) {
		s = sql_get(sql, SQL_DEAD_LETTER);
		sql_bind_id(s, 1, r->execution_id);
		return s;
	}
	if (dead->unread) {
		s = sql_get(sql, SQL_DEAD_LETTERS_UNREAD);
		sql_bind_id(s, 1, dead->before_id);
		sql_bind_int(s, 2, dead->limit);
		return s;
	}
	s = sql_get(sql, dead->machine_id ? SQL_DEAD_LETTERS_OF : SQL_DEAD_LETTERS_ALL);
	sql_bind_int(s, 1, dead->before_ms);
	sql_bind_id(s, 2, dead->before_id);
	sql_bind_int(s, 3, dead->from_ms);
	sql_bind_int(s, 4, dead->status);
	sql_bind_int(s, 5, dead->limit);
	if (dead->machine_id)
		sql_bind_id(s, 6, dead->machine_id);
	return s;
}

int sqlite_read_dead_letters(struct sql *sql, struct store_request *r)
{
	struct store_dead_letter *letters = NULL;
	size_t capacity = 0;
	sqlite3_stmt *s = letters_statement(sql, r);
	int code;
	while ((code = sql_step(sql, s, &r->err)) == 1) {
		MEM_GROW(letters, capacity, (size_t)r->count + 1);
		letters[r->count++] = letter_of(s, &r->arena);
	}
	r->dead_letters = ARENA_ARRAY(&r->arena, struct store_dead_letter, r->count + 1);
	if (r->count)
		memcpy(r->dead_letters, letters, r->count * sizeof *letters);
	free(letters);
	return code;
}

/* ---- groups ------------------------------------------------------------------------------------------ */

static int count_hours(struct sql *sql, struct store_request *r, struct store_dead_group *group)
{
	int hours = r->dead_group.hours;
	const struct store_dead_letter *common = &group->sample;
	group->hourly = ARENA_ARRAY(&r->arena, uint32_t, (size_t)hours + 1);
	memset(group->hourly, 0, ((size_t)hours + 1) * sizeof *group->hourly);
	sqlite3_stmt *s = sql_get(sql, SQL_DEAD_HOURS);
	sql_bind_id(s, 1, common->machine_id);
	sql_bind_bytes(s, 2, common->error);
	sql_bind_bytes(s, 3, common->state);
	sql_bind_id(s, 4, common->revision);
	sql_bind_id(s, 5, common->version);
	sql_bind_int(s, 6, common->status);
	sql_bind_int(s, 7, r->dead_group.from_ms);
	sql_bind_int(s, 8, r->dead_group.from_ms + (int64_t)hours * 3600000);
	int code;
	while ((code = sql_step(sql, s, &r->err)) == 1) {
		int64_t hour = sql_int(s, 0);
		if (hour >= 0 && hour < hours)
			group->hourly[hour] = (uint32_t)sql_int(s, 1);
	}
	return code;
}

/* The execution's name and start. */
static int name_sample(struct sql *sql, struct store_request *r, struct store_dead_letter *sample)
{
	sqlite3_stmt *s = sql_get(sql, SQL_DEAD_LETTER);
	sql_bind_id(s, 1, sample->execution_id);
	int code = sql_step(sql, s, &r->err);
	if (code == 1) {
		*sample = letter_of(s, &r->arena);
		sqlite3_reset(s);
		code = 0;
	}
	return code;
}

int sqlite_read_dead_groups(struct sql *sql, struct store_request *r)
{
	struct store_dead_group *groups = NULL;
	size_t capacity = 0;
	bool depths = r->dead_group.hours < 0;
	sqlite3_stmt *s = sql_get(sql, depths ? SQL_DEAD_DEPTHS : SQL_DEAD_GROUPS);
	if (!depths)
		sql_bind_id(s, 1, r->dead_group.machine_id);
	sql_bind_int(s, depths ? 1 : 2, r->dead_group.limit);
	int code;
	while ((code = sql_step(sql, s, &r->err)) == 1) {
		MEM_GROW(groups, capacity, (size_t)r->count + 1);
		struct store_dead_group *group = &groups[r->count++];
		if (depths) {
			*group = (struct store_dead_group){ .sample.machine_id = sql_id(s, 0),
							    .count = sql_id(s, 1),
							    .first_ms = sql_int(s, 2),
							    .last_ms = sql_int(s, 3) };
			continue;
		}
		*group = (struct store_dead_group){ .sample.machine_id = sql_id(s, 0),
						    .sample.status = (uint8_t)sql_int(s, 1),
						    .sample.error = sql_copy(s, 2, &r->arena),
						    .sample.state = sql_copy(s, 3, &r->arena),
						    .sample.revision = sql_id(s, 4),
						    .sample.version = sql_id(s, 5),
						    .sample.unread = sql_int(s, 6),
						    .count = sql_id(s, 7),
						    .first_ms = sql_int(s, 8),
						    .last_ms = sql_int(s, 9),
						    .sample.execution_id = sql_id(s, 10) };
	}
	for (uint32_t i = 0; code == 0 && !depths && i < r->count; i++) {
		code = count_hours(sql, r, &groups[i]);
		if (code == 0)
			code = name_sample(sql, r, &groups[i].sample);
	}
	r->dead_groups = ARENA_ARRAY(&r->arena, struct store_dead_group, r->count + 1);
	if (r->count)
		memcpy(r->dead_groups, groups, r->count * sizeof *groups);
	free(groups);
	return code;
}

/* ---- outcomes ---------------------------------------------------------------------------------------- */

int sqlite_read_outcomes(struct sql *sql, struct store_request *r)
{
	struct store_outcome *outcomes = NULL;
	size_t capacity = 0;
	sqlite3_stmt *s = sql_get(sql, r->outcome < 0 ? SQL_OUTCOMES : SQL_OUTCOMES_OF);
	sql_bind_id(s, 1, r->job);
	sql_bind_id(s, 2, r->after);
	sql_bind_int(s, 3, r->limit);
	if (r->outcome >= 0)
		sql_bind_int(s, 4, r->outcome);
	int code;
	while ((code = sql_step(sql, s, &r->err)) == 1) {
		MEM_GROW(outcomes, capacity, (size_t)r->count + 1);
		outcomes[r->count++] = (struct store_outcome){ .job = r->job,
							       .execution_id = sql_id(s, 0),
							       .outcome = (uint8_t)sql_int(s, 1),
							       .at_ms = sql_int(s, 2),
							       .detail = sql_copy(s, 3, &r->arena),
							       .machine_id = sql_id(s, 4),
							       .name = sql_copy(s, 5, &r->arena) };
	}
	r->outcomes = ARENA_ARRAY(&r->arena, struct store_outcome, r->count + 1);
	if (r->count)
		memcpy(r->outcomes, outcomes, r->count * sizeof *outcomes);
	free(outcomes);
	return code;
}

int sqlite_count_outcomes(struct sql *sql, struct store_request *r)
{
	sqlite3_stmt *s = sql_get(sql, SQL_COUNT_OUTCOMES);
	sql_bind_id(s, 1, r->job);
	int code;
	while ((code = sql_step(sql, s, &r->err)) == 1) {
		int64_t outcome = sql_int(s, 0);
		if (outcome >= 0 && outcome < STORE_OUTCOMES)
			r->outcome_counts[outcome] = sql_id(s, 1);
	}
	return code;
}
