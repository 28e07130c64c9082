/* test_jayway.c: how far paths agree with Jayway JsonPath 2.10, the library that AWS uses.
 *
 * The queries and answers lie outside of the tree: RATCHET_TEST_DATA/reference/jsonpath (default: ../shared beside the
 * source). Where we differ on purpose the query's id stands in jayway-known-misses.json with the reason; a listed query
 * that agrees is a failure too, so that the list stays true.
 *
 *     test_jayway SOURCE_ROOT [-v] */
#include "base/mem.h"
#include "dsl/jsonpath/jsonpath.h"
#include <stdio.h>
#include <stdlib.h>

struct answer {
	enum { ANSWER_VALUE, ANSWER_NOT_FOUND, ANSWER_REFUSED } kind;
	struct value *value;
};

static const char *const answer_names[] = { "a value", "NOT_FOUND", "NOT_SUPPORTED" };

static char *read_file(const char *path, size_t *ret_len)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		return NULL;
	_cleanup_(buffer_done) struct buffer text = { 0 };
	size_t n;
	while ((n = fread(buffer_reserve(&text, 65536), 1, 65536, file)) > 0)
		text.len += n;
	fclose(file);
	*ret_len = text.len;
	return buffer_take(&text);
}

static struct answer ask(struct arena *arena, struct str selector, const struct value *document)
{
	struct expr_problem problem;
	struct expr_env env = { .input = document };
	struct expr_failure failure;
	struct evaluation evaluation;
	struct jsonpath_miss miss;
	struct answer answer = { .kind = ANSWER_REFUSED };
	const struct jsonpath *path = jsonpath_compile(arena, selector, JSONPATH_PATH, &problem);
	if (!path)
		return answer;
	evaluation_begin(&evaluation, &env, arena, &failure);
	switch (jsonpath_eval(path, &evaluation, &answer.value, &miss)) {
	case JSONPATH_FOUND:
		answer.kind = ANSWER_VALUE;
		break;
	case JSONPATH_MISSING:
		answer.kind = ANSWER_NOT_FOUND;
		break;
	case JSONPATH_INVALID:
	case JSONPATH_EXCEEDED:
		break;
	}
	return answer;
}

static struct answer expected_answer(const struct value *query)
{
	const struct value *jayway = value_getz(query, "jayway");
	struct answer answer = { .kind = ANSWER_VALUE };
	if (value_is(jayway, VALUE_STRING)) {
		if (str_eq(value_string(jayway), STR("NOT_FOUND")))
			answer.kind = ANSWER_NOT_FOUND;
		else if (str_eq(value_string(jayway), STR("NOT_SUPPORTED")) ||
			 str_eq(value_string(jayway), STR("ERROR")))
			answer.kind = ANSWER_REFUSED;
	}
	if (answer.kind == ANSWER_VALUE)
		answer.value = value_ref(jayway);
	return answer;
}

/* The same elements in any order: the data are sorted where a query goes through objects. */
static bool same_elements(const struct value *a, const struct value *b)
{
	size_t count = value_count(a);
	if (!value_is(a, VALUE_ARRAY) || !value_is(b, VALUE_ARRAY) || count != value_count(b))
		return false;
	bool *used = mem_zalloc(count + 1);
	size_t found = 0;
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < count; j++) {
			if (!used[j] && value_equal(value_at(a, i), value_at(b, j))) {
				used[j] = true;
				found++;
				break;
			}
		}
	}
	free(used);
	return found == count;
}

static bool agrees(struct str selector, const struct answer *expected, const struct answer *actual)
{
	if (expected->kind != actual->kind)
		return false;
	if (expected->kind != ANSWER_VALUE)
		return true;
	bool through_objects =
	    memmem(selector.ptr, selector.len, "..", 2) || memmem(selector.ptr, selector.len, "*", 1);
	return value_equal(expected->value, actual->value) ||
	       (through_objects && same_elements(expected->value, actual->value));
}

struct tally {
	unsigned agree, known, wrong;
	bool verbose;
};

static void run_query(const struct value *query, const struct value *misses, struct tally *tally)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct str id = value_string(value_getz(query, "id")), selector = value_string(value_getz(query, "selector"));
	struct answer expected = expected_answer(query);
	struct answer actual = ask(&arena, selector, value_getz(query, "document"));
	bool same = agrees(selector, &expected, &actual);
	const struct value *reason = value_get(misses, id);
	if (same && !reason)
		tally->agree++;
	else if (!same && reason)
		tally->known++;
	else
		tally->wrong++;
	if (same != !reason || (tally->verbose && !same))
		printf("%s %.*s  %.*s\n    expected %s %.*s\n    got      %s %.*s\n",
		       same     ? "listed as a miss but agrees:"
		       : reason ? "known miss:"
				: "differs:",
		       STR_FMT(id), STR_FMT(selector), answer_names[expected.kind],
		       STR_FMT(expected.value ? value_text(expected.value) : STR_EMPTY), answer_names[actual.kind],
		       STR_FMT(actual.value ? value_text(actual.value) : STR_EMPTY));
	value_unref(expected.value);
	value_unref(actual.value);
}

int main(int argc, char **argv)
{
	const char *root = argc > 1 ? argv[1] : ".", *data = getenv("RATCHET_TEST_DATA");
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct tally tally = { .verbose = argc > 2 };
	if (!data)
		data = arena_printf(&arena, "%s/../shared", root);
	size_t len;
	_cleanup_free_ char *queries =
	    read_file(arena_printf(&arena, "%s/reference/jsonpath/jayway-2.10.0-results.jsonl", data), &len);
	if (!queries) {
		printf("skipped: no jayway-2.10.0-results.jsonl under %s\n", data);
		return 77;
	}
	size_t misses_len;
	_cleanup_free_ char *misses_text =
	    read_file(arena_printf(&arena, "%s/tests/dsl/jayway-known-misses.json", root), &misses_len);
	_cleanup_(value_unrefp) struct value *misses = NULL;
	struct wf_error err = { 0 };
	if (!misses_text || value_parse((struct str){ misses_text, misses_len }, NULL, &misses, &err) < 0) {
		printf("jayway-known-misses.json cannot be read: %s\n", err.message);
		return 1;
	}
	for (char *line = queries, *end; line < queries + len; line = end + 1) {
		end = memchr(line, '\n', (size_t)(queries + len - line));
		if (!end)
			end = queries + len;
		_cleanup_(value_unrefp) struct value *query = NULL;
		if (end == line)
			continue;
		if (value_parse((struct str){ line, (size_t)(end - line) }, NULL, &query, &err) < 0) {
			printf("a line of the data cannot be read: %s\n", err.message);
			tally.wrong++;
			continue;
		}
		run_query(query, misses, &tally);
	}
	printf("%u queries agree with Jayway 2.10, %u differ for a reason that is listed, %u differ\n", tally.agree,
	       tally.known, tally.wrong);
	return tally.wrong ? 1 : 0;
}
