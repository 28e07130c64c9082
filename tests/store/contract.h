/* contract.h: one test of what every back end must do, given a fixture. */
#pragma once
#include "tests/store/fixture.h"

#define ID(n) ((uint64_t)(n) << 8 | ((n) * 37 & 0xff))

struct contract_test {
	const char *name;
	CMUnitTestFunction function;
};
#define TEST(name) { #name, name }

#define CONTRACT_DEAD_LETTERS 5
extern const struct contract_test contract_dead_letters[CONTRACT_DEAD_LETTERS];
