/* suite.c: runs the official suite of the language from the shared test data.
 *
 *     RATCHET_TEST_DATA=DIR suite [-v] [GROUP[/FILE]]
 *
 * Every case of every file counts (some files hold several). A case that fails and is not named in the file
 * known-misses beside this source, or less than 99.5 of 100 cases passing, fails the run. */
#include "base/clock.h"
#include "base/mem.h"
#include "dsl/jsonata/jsonata.h"
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int passed, failed, excused, skipped;
static bool verbose;
static struct buffer known_misses;

/* ---- reading ---------------------------------------------------------------------------- */

static bool read_file(const char *path, struct buffer *ret)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		return false;
	char bytes[65536];
	for (size_t n; (n = fread(bytes, 1, sizeof bytes, file)) > 0;)
		buffer_append(ret, bytes, n);
	fclose(file);
	return true;
}

static struct value *read_json(const char *path)
{
	_cleanup_(buffer_done) struct buffer text = { 0 };
	struct value *value = NULL;
	struct wf_error err = { 0 };
	if (!read_file(path, &text))
		return NULL;
	if (value_parse(buffer_str(&text), NULL, &value, &err) < 0)
		fprintf(stderr, "%s: %s (%s)\n", path, err.message, err.where);
	return value;
}

/* ---- comparing -------------------------------------------------------------------------- */

/* Numbers may differ in their last digit: the expected ones were printed by another program. */
static bool same(const struct value *a, const struct value *b, bool unordered)
{
	if (value_kind(a) != value_kind(b))
		return false;
	if (value_is(a, VALUE_NUMBER)) {
		double x = value_number(a), y = value_number(b);
		return x == y || fabs(x - y) <= 1e-14 * fabs(y);
	}
	size_t count = value_count(a);
	if (count != value_count(b))
		return false;
	if (value_is(a, VALUE_OBJECT)) {
		for (size_t i = 0; i < count; i++) {
			const struct value *other = value_get(b, value_key_at(a, i));
			if (!other || !same(value_at(a, i), other, false))
				return false;
		}
		return true;
	}
	if (!value_is(a, VALUE_ARRAY))
		return value_equal(a, b);
	bool used[4096] = { 0 };
	for (size_t i = 0; i < count; i++) {
		bool found = false;
		for (size_t j = unordered ? 0 : i; j < (unordered && count <= 4096 ? count : i + 1) && !found; j++) {
			if (unordered && count <= 4096 && used[j])
				continue;
			found = same(value_at(a, i), value_at(b, j), false);
			if (found && unordered && count <= 4096)
				used[j] = true;
		}
		if (!found)
			return false;
	}
	return true;
}

/* ---- one case --------------------------------------------------------------------------- */

static const struct value *binding(void *data, struct str name)
{
	return data ? value_get(data, name) : NULL;
}

static bool field_is(const struct value *expected, const char *field, struct str actual)
{
	const struct value *value = value_getz(expected, field);
	return !value || str_eq(value_string(value), actual);
}

static bool error_fits(const struct value *test, const struct jsonata_error *error)
{
	const struct value *expected = value_getz(test, "error");
	if (!expected)
		return field_is(test, "code", str_of(error->code)) && field_is(test, "token", error->token);
	_cleanup_(value_unrefp) struct value *value = NULL;
	if (value_getz(expected, "value") && value_parse(error->value, NULL, &value, NULL) < 0)
		return false;
	return field_is(expected, "code", str_of(error->code)) && field_is(expected, "token", error->token) &&
	       field_is(expected, "message", error->message) && field_is(expected, "functionName", error->token) &&
	       (!value || value_equal(value_getz(expected, "value"), value));
}

static bool outcome_fits(const struct value *test, enum jsonata_outcome outcome, const struct value *value,
			 const struct jsonata_error *error)
{
	if (value_getz(test, "code") || value_getz(test, "error"))
		return outcome == JSONATA_ERROR && error_fits(test, error);
	if (value_getz(test, "undefinedResult"))
		return outcome == JSONATA_UNDEFINED || outcome == JSONATA_FUNCTION;
	const struct value *expected = value_getz(test, "result");
	return outcome == JSONATA_VALUE && expected && same(value, expected, value_getz(test, "unordered") != NULL);
}

static void report(const char *name, struct str expr, const struct value *test, enum jsonata_outcome outcome,
		   const struct value *value, const struct jsonata_error *error)
{
	bool known = known_misses.len && strstr(known_misses.data, name);
	if (known)
		excused++;
	else
		failed++;
	printf("%s %s\n    %.*s\n", known ? "KNOWN" : "FAIL", name, (int)(expr.len < 600 ? expr.len : 600), expr.ptr);
	_cleanup_(buffer_done) struct buffer wanted = { 0 };
	for (size_t i = 0; i < value_count(test); i++) {
		struct str key = value_key_at(test, i);
		if (str_eqz(key, "result") || str_eqz(key, "code") || str_eqz(key, "token") || str_eqz(key, "error") ||
		    str_eqz(key, "undefinedResult"))
			buffer_printf(&wanted, "%.*s %.*s ", STR_FMT(key),
				      STR_FMT(str_sub(value_text(value_at(test, i)), 0, 600)));
	}
	printf("    expected: %.*s\n", STR_FMT(buffer_str(&wanted)));
	if (outcome == JSONATA_VALUE)
		printf("    got:      %.*s\n", STR_FMT(str_sub(value_text(value), 0, 600)));
	else if (outcome == JSONATA_ERROR)
		printf("    got:      %s \"%.*s\" token \"%.*s\" value %.*s\n", error->code, STR_FMT(error->message),
		       STR_FMT(error->token), STR_FMT(error->value));
	else
		printf("    got:      %s\n", outcome == JSONATA_UNDEFINED ? "undefined" : "a function");
}

static void run_case(const char *name, const struct value *test, const char *root, const char *folder)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	_cleanup_(buffer_done) struct buffer expr_file = { 0 };
	_cleanup_(value_unrefp) struct value *dataset = NULL;
	struct str expr = value_getz(test, "expr") ? value_string(value_getz(test, "expr")) : STR_EMPTY;
	const struct value *file = value_getz(test, "expr-file"), *set = value_getz(test, "dataset");
	if (file) {
		read_file(arena_printf(&arena, "%s/%.*s", folder, STR_FMT(value_string(file))), &expr_file);
		expr = buffer_str(&expr_file);
	}
	if (set && value_is(set, VALUE_STRING))
		dataset = read_json(arena_printf(&arena, "%s/datasets/%.*s.json", root, STR_FMT(value_string(set))));
	struct random random;
	random_seed(&random, 1);
	struct jsonata_env env = {
		.input = value_getz(test, "data") ? value_getz(test, "data") : dataset,
		.variable = binding,
		.data = (void *)(uintptr_t)value_getz(test, "bindings"),
		.random = &random,
		.now_ms = clock_system()->wall_ms(clock_system()),
		.depth_max = value_getz(test, "depth") ? (int64_t)value_number(value_getz(test, "depth")) : 1000,
		.steps_max = 50000000,
		.bytes_max = 2000000000,
	};
	struct value *value = NULL;
	struct jsonata_error error = { 0 };
	struct jsonata *program = jsonata_compile(&arena, expr, NULL, &error);
	enum jsonata_outcome outcome =
	    program ? jsonata_evaluate(program, &env, &arena, &value, &error) : JSONATA_ERROR;
	if (outcome_fits(test, outcome, value, &error)) {
		passed++;
		if (verbose)
			printf("ok   %s\n", name);
	} else {
		report(name, expr, test, outcome, value, &error);
	}
	value_unref(value);
}

/* ---- all of them ------------------------------------------------------------------------ */

static void run_file(const char *root, const char *group, const char *file)
{
	char path[4096], folder[2048], name[1024];
	snprintf(folder, sizeof folder, "%s/groups/%s", root, group);
	snprintf(path, sizeof path, "%s/%s", folder, file);
	_cleanup_(value_unrefp) struct value *json = read_json(path);
	if (!json) {
		printf("FAIL %s/%s cannot be read\n", group, file);
		failed++;
		return;
	}
	bool array = value_is(json, VALUE_ARRAY);
	for (size_t i = 0; i < (array ? value_count(json) : 1); i++) {
		snprintf(name, sizeof name, "%s/%s#%zu", group, file, i);
		run_case(name, array ? value_at(json, i) : json, root, folder);
	}
}

static int is_entry(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void run_group(const char *root, const char *group, const char *only_file)
{
	char path[2048];
	snprintf(path, sizeof path, "%s/groups/%s", root, group);
	struct dirent **files = NULL;
	int count = scandir(path, &files, is_entry, alphasort);
	for (int i = 0; i < count; i++) {
		const char *file = files[i]->d_name;
		size_t length = strlen(file);
		if (length > 5 && strcmp(file + length - 5, ".json") == 0 &&
		    (!only_file || strcmp(file, only_file) == 0))
			run_file(root, group, file);
		free(files[i]);
	}
	free(files);
}

int main(int argc, char **argv)
{
	const char *data = getenv("RATCHET_TEST_DATA"), *only = NULL;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-v") == 0)
			verbose = true;
		else
			only = argv[i];
	}
	char root[1024], groups_path[1200], group_name[256] = "";
	snprintf(root, sizeof root, "%s/reference/jsonata", data ? data : "../shared");
	snprintf(groups_path, sizeof groups_path, "%s/groups", root);
	if (getenv("JSONATA_KNOWN_MISSES"))
		read_file(getenv("JSONATA_KNOWN_MISSES"), &known_misses);
	if (only)
		snprintf(group_name, sizeof group_name, "%.*s", (int)strcspn(only, "/"), only);
	struct dirent **groups = NULL;
	int count = scandir(groups_path, &groups, is_entry, alphasort);
	if (count < 0) {
		printf("skipped: there is no suite in %s\n", groups_path);
		return 77;
	}
	for (int i = 0; i < count; i++) {
		const char *file = only && strchr(only, '/') ? strchr(only, '/') + 1 : NULL;
		if (!only || strcmp(groups[i]->d_name, group_name) == 0)
			run_group(root, groups[i]->d_name, file);
		free(groups[i]);
	}
	free(groups);
	buffer_done(&known_misses);
	int all = passed + failed + excused + skipped;
	printf("%d passed, %d failed, %d skipped (%d known misses of %d cases)\n", passed, failed + excused, skipped,
	       excused, all);
	return failed > 0 || passed * 1000 < all * 995;
}
