/* contract.h: tests of what every back end must do, given a fixture. */
#pragma once
#include "tests/store/fixture.h"

#define ID(n) ((uint64_t)(n) << 8 | ((n) * 37 & 0xff))

struct contract_test {
	const char *name;
	CMUnitTestFunction function;
};
#define TEST(name) { #name, name }

/* Those of one file, contract_NOUN.c. */
struct contract_group {
	const struct contract_test *tests;
	size_t count;
};
#define CONTRACT_GROUP(array) { array, sizeof array / sizeof *array }

extern const struct contract_group contract_batches, contract_executions, contract_records, contract_rows, contract_dead_letters, contract_protocol;
