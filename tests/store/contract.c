/* contract.c: what every back end must do, run against each of them, and again through the wrapper that can inject faults.
 *
 * The functions, in contract_NOUN.c, see a fixture and nothing of the back end behind it. */
#include "tests/store/contract.h"
#include <assert.h>

static const struct variant variants[] = {
	{ "sqlite", true, false },
	{ "memory", false, false },
	{ "sqlite through the wrapper", true, true },
	{ "memory through the wrapper", false, true },
	{ "sqlite, and then the power goes", true, false, true },
};

static const struct contract_group *const groups[] = {
	&contract_batches, &contract_executions, &contract_records, &contract_rows, &contract_dead_letters, &contract_protocol,
};
enum { GROUPS_COUNT = sizeof groups / sizeof *groups, TESTS_MOST = 100 };

static int set_up(void **state)
{
	*state = fixture_new(*(const struct variant *)*state);
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(*state);
	return 0;
}

static int run_on(const struct variant *variant)
{
	struct CMUnitTest run[TESTS_MOST];
	size_t count = 0;
	for (size_t g = 0; g < GROUPS_COUNT; g++)
		for (size_t i = 0; i < groups[g]->count; i++) {
			assert(count < TESTS_MOST);
			run[count++] = (struct CMUnitTest){ groups[g]->tests[i].name, groups[g]->tests[i].function, set_up, tear_down, (void *)variant };
		}
	return _cmocka_run_group_tests(variant->name, run, count, NULL, NULL);
}

int main(void)
{
	int failed = 0;
	for (size_t v = 0; v < sizeof variants / sizeof *variants; v++)
		failed += run_on(&variants[v]);
	return failed;
}
