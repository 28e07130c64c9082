/* rows.c: how many small rows SQLite makes durable each second, by the rows in a transaction.
 *
 *     rows FOLDER SECONDS
 *
 * Prints one JSON line: {"1": rows per second in transactions of one row, "10": …}. */
#include "sqlite.h"

static double measure(const char *path, double seconds, int batch)
{
	static const char text[] = "a row of about a hundred bytes, as an event of a history is, with some words to fill it up to there.";
	sqlite3 *db = open_new(path, "create table rows (id integer primary key, execution integer, text text)");
	sqlite3_stmt *insert = prepare(db, "insert into rows (execution, text) values (?, ?)");
	long count = 0;
	double begin = now_s(), end = begin + seconds, now;
	do {
		run(db, "begin immediate");
		for (int i = 0; i < batch; i++) {
			sqlite3_bind_int64(insert, 1, count++);
			sqlite3_bind_text(insert, 2, text, sizeof text - 1, SQLITE_STATIC);
			step(db, insert);
		}
		run(db, "commit");
	} while ((now = now_s()) < end);
	sqlite3_finalize(insert);
	sqlite3_close(db);
	remove_files(path);
	return (double)count / (now - begin);
}

int main(int argc, char **argv)
{
	static const int batches[] = { 1, 10, 100, 1000, 10000 };
	char path[4096];
	if (argc != 3) {
		fprintf(stderr, "usage: rows FOLDER SECONDS\n");
		return 2;
	}
	snprintf(path, sizeof path, "%s/rows.limit", argv[1]);
	for (unsigned i = 0; i < sizeof batches / sizeof batches[0]; i++)
		printf("%s\"%d\": %.0f", i ? ", " : "{", batches[i], measure(path, atof(argv[2]), batches[i]));
	printf("}\n");
	return 0;
}
