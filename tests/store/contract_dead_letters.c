/* contract_dead_letters.c: of the contract: the rows of dead letters, and those of bulk redrive jobs. */
#include "tests/store/contract.h"

static struct store_dead_letter letter(unsigned n, uint64_t machine, int64_t failed_ms, const char *state, const char *error)
{
	return (struct store_dead_letter){ .execution_id = ID(n), .machine_id = machine, .status = 2, .failed_ms = failed_ms, .state = str_of(state),
					   .error = str_of(error), .revision = 4, .version = 5, .redrives = 6, .job = 7 };
}

static void add_letter(struct store_batch *b, unsigned n, uint64_t machine, int64_t failed_ms, const char *state, const char *error)
{
	struct store_dead_letter l = letter(n, machine, failed_ms, state, error);
	add_execution(b, ID(n), machine, n % 2 ? "" : n == 2 ? "two" : "other", 1);
	add_end(b, ID(n), 2, failed_ms);
	add_dead_letter(b, STORE_PUT_DEAD_LETTER, &l);
}

static void dead_letters_are_listed_by_failure_and_filtered(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b = batch_next(f);
	add_letter(b, 1, 1, 100, "A", "E");
	add_letter(b, 2, 1, 300, "A", "E");
	add_letter(b, 3, 2, 200, "B", "");
	add_letter(b, 4, 1, 300, "A", "F");
	commit_ok(f, b);
	struct store_dead_request all = { .status = -1, .from_ms = INT64_MIN, .before_ms = INT64_MAX, .before_id = INT64_MAX, .limit = 10 };
	struct answer a = list_dead(f, all);
	assert_int_equal(a.count, 4);
	const unsigned order[] = { 4, 2, 3, 1 };
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(a.dead_letters[i].execution_id, ID(order[i]));
	const struct store_dead_letter *two = &a.dead_letters[1];
	assert_str(two->name, STR("two"));
	assert_str(two->state, STR("A"));
	assert_str(two->error, STR("E"));
	assert_true(two->start_ms == 1 && two->revision == 4 && two->version == 5 && two->redrives == 6 && two->job == 7 && !two->unread && two->status == 2);
	/* A page behind each. */
	for (unsigned i = 0; i < 4; i++) {
		struct store_dead_request page = all;
		page.before_ms = a.dead_letters[i].failed_ms;
		page.before_id = a.dead_letters[i].execution_id;
		assert_int_equal(list_dead(f, page).count, 3 - i);
	}
	struct store_dead_request some = all;
	some.machine_id = 1;
	assert_int_equal(list_dead(f, some).count, 3);
	some.from_ms = 300;
	assert_int_equal(list_dead(f, some).count, 2);
	some.limit = 1;
	assert_int_equal(list_dead(f, some).count, 1);
	some.status = 3;
	assert_int_equal(list_dead(f, some).count, 0);
	assert_int_equal(find_dead(f, ID(3)).count, 1);
	assert_int_equal(find_dead(f, ID(9)).count, 0);
}

static void a_dead_letter_goes_when_it_is_deleted_or_its_execution_is_purged(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b = batch_next(f);
	for (unsigned n = 1; n <= 3; n++)
		add_letter(b, n, n, 100 * n, "A", "E");
	commit_ok(f, b);
	b = batch_next(f);
	bool went[3] = { true, false, true };
	struct store_dead_letter gone = { .execution_id = ID(1), .failed_ms = 99, .ret_gone = &went[0] };
	add_dead_letter(b, STORE_DELETE_DEAD_LETTER, &gone); /* another failure of it is meant */
	commit_ok(f, b);
	assert_false(went[0]);
	assert_int_equal(find_dead(f, ID(1)).count, 1);
	b = batch_next(f);
	gone.failed_ms = 100;
	add_dead_letter(b, STORE_DELETE_DEAD_LETTER, &gone);
	gone = (struct store_dead_letter){ .execution_id = ID(2), .ret_gone = &went[1] };
	add_dead_letter(b, STORE_DELETE_DEAD_LETTER, &gone);
	gone.ret_gone = &went[2];
	add_dead_letter(b, STORE_DELETE_DEAD_LETTER, &gone);
	commit_ok(f, b);
	assert_true(went[0] && went[1] && !went[2]);
	assert_int_equal(find_dead(f, ID(1)).count + find_dead(f, ID(2)).count, 0);
	assert_int_equal(purge(f, INT64_MAX, 10).number, 3);
	assert_int_equal(find_dead(f, ID(3)).count, 0);
}

static void only_an_unread_dead_letter_is_filled(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b = batch_next(f);
	add_letter(b, 1, 1, 100, "", "");
	struct store_dead_letter l = letter(2, 1, 200, "", "");
	l.unread = true;
	add_execution(b, ID(2), 1, "", 1);
	add_end(b, ID(2), 2, 200);
	add_dead_letter(b, STORE_PUT_DEAD_LETTER, &l);
	commit_ok(f, b);
	struct store_dead_request unread = { .unread = true, .before_id = INT64_MAX, .limit = 10 };
	struct answer a = list_dead(f, unread);
	assert_int_equal(a.count, 1);
	assert_int_equal(a.dead_letters->execution_id, ID(2));
	b = batch_next(f);
	for (unsigned n = 1; n <= 3; n++) {
		struct store_dead_letter filled = letter(n, 1, 100 * n, "S", "E");
		add_dead_letter(b, STORE_FILL_DEAD_LETTER, &filled);
	}
	commit_ok(f, b);
	assert_int_equal(list_dead(f, unread).count, 0);
	assert_str(find_dead(f, ID(1)).dead_letters->state, STR(""));
	assert_str(find_dead(f, ID(2)).dead_letters->state, STR("S"));
	assert_int_equal(find_dead(f, ID(3)).count, 0);
}

static void dead_letters_are_grouped_and_counted_by_the_hour(void **state)
{
	struct fixture *f = *state;
	enum { HOUR = 3600000 };
	struct store_batch *b = batch_next(f);
	add_letter(b, 1, 1, 10 * HOUR + 1, "A", "E");
	add_letter(b, 3, 1, 12 * HOUR, "A", "E");
	add_letter(b, 5, 1, 12 * HOUR + 7, "A", "E");
	add_letter(b, 7, 1, 13 * HOUR, "B", "E");
	add_letter(b, 9, 2, 13 * HOUR, "A", "E");
	commit_ok(f, b);
	struct answer a = group_dead(f, (struct store_dead_group_request){ 0, 10 * HOUR, 4, 10 });
	assert_int_equal(a.count, 3);
	const struct store_dead_group *first = &a.dead_groups[0];
	assert_true(first->count == 3 && first->first_ms == 10 * HOUR + 1 && first->last_ms == 12 * HOUR + 7);
	assert_int_equal(first->sample.execution_id, ID(5));
	const uint32_t hours[] = { 1, 0, 2, 0 };
	assert_memory_equal(first->hourly, hours, sizeof hours);
	assert_int_equal(group_dead(f, (struct store_dead_group_request){ 2, 10 * HOUR, 4, 10 }).count, 1);
	assert_int_equal(group_dead(f, (struct store_dead_group_request){ 0, 10 * HOUR, 4, 2 }).count, 2);
	a = group_dead(f, (struct store_dead_group_request){ 0, 0, -1, 10 });
	assert_int_equal(a.count, 2);
	uint64_t sum = a.dead_groups[0].count + a.dead_groups[1].count;
	assert_int_equal(sum, 5);
}

static void outcomes_of_a_job_are_replaced_listed_and_counted(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b = batch_next(f);
	add_execution(b, ID(2), 3, "two", 1);
	for (unsigned n = 1; n <= 5; n++)
		add_outcome(b, 1, ID(n), 0, "");
	add_outcome(b, 2, ID(1), 4, "why");
	add_outcome(b, 1, ID(2), 1, "");
	add_outcome(b, 1, ID(2), 3, "again");
	commit_ok(f, b);
	struct answer a = list_outcomes(f, 1, -1, 0, 10);
	assert_int_equal(a.count, 5);
	assert_true(a.outcomes[1].outcome == 3 && a.outcomes[1].machine_id == 3 && a.outcomes[1].at_ms == 5 && a.outcomes[0].machine_id == 0);
	assert_str(a.outcomes[1].detail, STR("again"));
	assert_str(a.outcomes[1].name, STR("two"));
	assert_int_equal(list_outcomes(f, 1, 0, ID(3), 10).count, 2);
	assert_int_equal(list_outcomes(f, 1, 0, 0, 3).count, 3);
	a = count_outcomes(f, 1);
	assert_true(a.outcome_counts[0] == 4 && a.outcome_counts[3] == 1 && a.outcome_counts[1] == 0);
	b = batch_next(f);
	store_batch_add(b, STORE_DELETE_OUTCOMES)->outcome = (struct store_outcome){ .job = 1 };
	commit_ok(f, b);
	assert_int_equal(list_outcomes(f, 1, -1, 0, 10).count, 0);
	assert_int_equal(list_outcomes(f, 2, -1, 0, 10).count, 1);
}

static const struct contract_test tests[] = {
	TEST(dead_letters_are_listed_by_failure_and_filtered),
	TEST(a_dead_letter_goes_when_it_is_deleted_or_its_execution_is_purged),
	TEST(only_an_unread_dead_letter_is_filled),
	TEST(dead_letters_are_grouped_and_counted_by_the_hour),
	TEST(outcomes_of_a_job_are_replaced_listed_and_counted),
};
const struct contract_group contract_dead_letters = CONTRACT_GROUP(tests);
