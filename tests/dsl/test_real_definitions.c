/* test_real_definitions.c: other people's definitions: a validator's own test files, which say in their names whether
 * they are right, and real workflows, which all should be.
 *
 * They lie outside of the tree: RATCHET_TEST_DATA/reference (default: ../shared beside the source). Where we judge
 * otherwise the file stands in definitions-known-misses.json with the reason; a listed file that agrees is a failure
 * too, so that the list stays true. A definition of which only parts that are "not supported yet" are refused is
 * counted apart.
 *
 *     test_real_definitions SOURCE_ROOT */
#include "base/mem.h"
#include "dsl/program.h"
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>

static bool read_file(const char *path, struct buffer *out)
{
	FILE *file = fopen(path, "rb");
	size_t n;
	if (!file)
		return false;
	while ((n = fread(buffer_reserve(out, 65536), 1, 65536, file)) > 0)
		out->len += n;
	fclose(file);
	return true;
}

struct tally {
	const struct value *known;
	unsigned agreed, known_misses, not_yet, failed;
};

static void judge(struct tally *tally, const char *id, const char *path, bool should_compile)
{
	_cleanup_(buffer_done) struct buffer text = { 0 }, report = { 0 };
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct diagnostics diagnostics;
	struct program *program = NULL;
	if (!read_file(path, &text))
		return;
	bool compiled = program_compile(buffer_str(&text), NULL, &arena, &diagnostics, &program) == 0;
	program_unref(program);
	unsigned not_yet = 0;
	for (const struct diagnostic *d = diagnostics.first; d; d = d->next) {
		if (d->severity == DIAGNOSTIC_ERROR)
			diagnostic_print(d, id, buffer_str(&text), true, &report);
		not_yet += str_ends(d->message, STR("not supported yet"));
	}
	const struct value *reason = value_getz(tally->known, id);
	if (!compiled && not_yet == diagnostics.errors)
		tally->not_yet++;
	else if (compiled == should_compile && !reason)
		tally->agreed++;
	else if (compiled != should_compile && reason)
		tally->known_misses++;
	else {
		tally->failed++;
		printf("FAIL %s: %s%s\n%.*s", id, compiled ? "is accepted" : "is refused",
		       reason ? ", but listed as a known miss" : "", STR_FMT(buffer_str(&report)));
	}
}

/* All .json files below `folder`; with `named` the name says whether a file is right. */
static bool judge_folder(struct tally *tally, const char *data, const char *folder, bool named)
{
	_cleanup_free_ char *root = mem_printf("%s/reference/%s", data, folder);
	char *const roots[] = { root, NULL };
	FTS *walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL);
	bool found = false;
	for (FTSENT *entry; walk && (entry = fts_read(walk));) {
		struct str name = str_of(entry->fts_name);
		if (entry->fts_info != FTS_F || !str_ends(name, STR(".json")))
			continue;
		found = true;
		judge(tally, entry->fts_path + strlen(data) + sizeof "/reference", entry->fts_path,
		      !named || str_starts(name, STR("valid")));
	}
	if (walk)
		fts_close(walk);
	return found;
}

int main(int argc, char **argv)
{
	const char *root = argc > 1 ? argv[1] : ".", *data = getenv("RATCHET_TEST_DATA");
	_cleanup_free_ char *beside = mem_printf("%s/../shared", root);
	_cleanup_free_ char *known_path = mem_printf("%s/tests/dsl/definitions-known-misses.json", root);
	_cleanup_(buffer_done) struct buffer known_text = { 0 };
	_cleanup_(value_unrefp) struct value *known = NULL;
	struct wf_error err = { 0 };
	if (!read_file(known_path, &known_text) || value_parse(buffer_str(&known_text), NULL, &known, &err) != 0) {
		fprintf(stderr, "%s: %s\n", known_path, err.message);
		return 1;
	}
	struct tally tally = { .known = known };
	bool found = judge_folder(&tally, data ? data : beside, "asl-spec/asl-validator-definitions", true);
	found |= judge_folder(&tally, data ? data : beside, "workflows/asl", false);
	if (!found) {
		printf("skipped: no definitions in %s/reference\n", data ? data : beside);
		return 77;
	}
	printf("%u agreed, %u known misses, %u with parts not supported yet, %u failed\n", tally.agreed,
	       tally.known_misses, tally.not_yet, tally.failed);
	return tally.failed || tally.known_misses != value_count(known);
}
