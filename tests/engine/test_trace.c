/* test_trace.c: which headers are a trace, and what a task's is made of. */
#include "base/mem.h"
#include "engine/trace.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static void assert_str(struct str found, const char *wanted)
{
	_cleanup_free_ char *text = mem_strndup(found.ptr, found.len);
	assert_string_equal(text, wanted);
}

static void headers_that_are_a_trace_read_as_version_00(void **state)
{
	static const struct {
		const char *header, *read;
	} rows[] = {
		{ "00-" TRACE "-" SPAN "-01", "00-" TRACE "-" SPAN "-01" },
		{ "00-" TRACE "-" SPAN "-00", "00-" TRACE "-" SPAN "-00" },
		{ "00-" TRACE "-" SPAN "-ff", "00-" TRACE "-" SPAN "-01" },
		{ "cc-" TRACE "-" SPAN "-01", "00-" TRACE "-" SPAN "-01" },
		{ "cc-" TRACE "-" SPAN "-01-what-comes-later", "00-" TRACE "-" SPAN "-01" },
		{ "cc-" TRACE "-" SPAN "-01.what", "" },
		{ "00-" TRACE "-" SPAN "-01-more", "" },
		{ "ff-" TRACE "-" SPAN "-01", "" },
		{ "00-" TRACE "-" SPAN "-0", "" },
		{ "00-" TRACE "-" SPAN "-0g", "" },
		{ "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01", "" },
		{ "00-00000000000000000000000000000000-" SPAN "-01", "" },
		{ "00-" TRACE "-0000000000000000-01", "" },
		{ "00_" TRACE "-" SPAN "-01", "" },
		{ " 00-" TRACE "-" SPAN "-01", "" },
		{ "", "" },
	};
	_cleanup_(arena_done) struct arena arena = { 0 };
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_str(trace_parent_read(&arena, str_of(rows[i].header)), rows[i].read);
}

static void x_rays_header_is_the_same_trace(void **state)
{
	static const struct {
		const char *header, *read;
	} rows[] = {
		{ "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=" SPAN ";Sampled=1", "00-" TRACE "-" SPAN "-01" },
		{ "Sampled=0; Parent=" SPAN "; Root=1-0af76519-16cd43dd8448eb211c80319c", "00-" TRACE "-" SPAN "-00" },
		{ "Root=1-0af76519-16cd43dd8448eb211c80319c", "00-" TRACE "-8448eb211c80319c-00" },
		{ "Root=2-0af76519-16cd43dd8448eb211c80319c", "" },
		{ "Root=1-0af76519-16cd43dd8448eb211c80319", "" },
		{ "Root=1-0af7651-916cd43dd8448eb211c80319c", "" },
		{ "Rooty=1-0af76519-16cd43dd8448eb211c80319c", "" },
		{ "Root=1-XXf76519-16cd43dd8448eb211c80319c", "" },
		{ ";;;", "" },
	};
	_cleanup_(arena_done) struct arena arena = { 0 };
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_str(trace_parent_from_xray(&arena, str_of(rows[i].header)), rows[i].read);
}

static void a_task_has_one_span_for_ever_and_no_other_has_it(void **state)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct str parent = STR("00-" TRACE "-" SPAN "-01");
	struct str first = trace_parent_of_task(&arena, parent, (struct task_key){ 7, 3 });
	struct str again = trace_parent_of_task(&arena, parent, (struct task_key){ 7, 3 });
	assert_true(str_eq(first, again));
	assert_true(str_eq(trace_parent_read(&arena, first), first));
	assert_true(str_eq(str_sub(first, 0, 36), str_sub(parent, 0, 36)));
	assert_false(str_eq(first, parent));
	assert_false(str_eq(first, trace_parent_of_task(&arena, parent, (struct task_key){ 7, 4 })));
	assert_false(str_eq(first, trace_parent_of_task(&arena, parent, (struct task_key){ 8, 3 })));
	assert_str(trace_parent_of_task(&arena, STR_EMPTY, (struct task_key){ 7, 3 }), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_that_are_a_trace_read_as_version_00),
		cmocka_unit_test(x_rays_header_is_the_same_trace),
		cmocka_unit_test(a_task_has_one_span_for_ever_and_no_other_has_it),
	};
	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
