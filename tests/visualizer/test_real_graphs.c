/* test_real_graphs.c: other people's workflows, all that are valid here, drawn in both directions; what must hold of
 * every graph holds of theirs. They lie outside of the tree: RATCHET_TEST_DATA/reference/workflows/asl (default:
 * ../shared beside the source).
 *
 *     test_real_graphs SOURCE_ROOT */
#include "base/mem.h"
#include "check.h"
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
	unsigned passed, failed, invalid;
};

static void judge(struct tally *tally, const char *path)
{
	_cleanup_(buffer_done) struct buffer text = { 0 }, why = { 0 };
	if (!read_file(path, &text))
		return;
	int faults = check_definition_graphs(buffer_str(&text), 0, &why);
	if (faults < 0)
		tally->invalid++;
	else if (faults == 0)
		tally->passed++;
	else {
		tally->failed++;
		printf("FAIL %s: %d faults\n%.*s", path, faults, STR_FMT(buffer_str(&why)));
	}
}

int main(int argc, char **argv)
{
	const char *source = argc > 1 ? argv[1] : ".", *data = getenv("RATCHET_TEST_DATA");
	_cleanup_free_ char *beside = mem_printf("%s/../shared", source);
	_cleanup_free_ char *root = mem_printf("%s/reference/workflows/asl", data ? data : beside);
	_cleanup_free_ char *example = mem_printf("%s/examples/media-transcoding/workflow.asl.json", source);
	char *const roots[] = { root, NULL };
	struct tally tally = { 0 };
	FTS *walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL);
	judge(&tally, example);
	unsigned own = tally.passed + tally.failed + tally.invalid;
	for (FTSENT *entry; walk && (entry = fts_read(walk));)
		if (entry->fts_info == FTS_F && str_ends(str_of(entry->fts_name), STR(".json")))
			judge(&tally, entry->fts_path);
	if (walk)
		fts_close(walk);
	if (tally.passed + tally.failed + tally.invalid == own)
		printf("skipped: no definitions in %s\n", root);
	printf("%u passed, %u failed, %u not valid\n", tally.passed, tally.failed, tally.invalid);
	return tally.failed || !tally.passed;
}
