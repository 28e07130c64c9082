/* backup.c: a copy of the whole file as it was at one moment, while it is in use.
 *
 * One read transaction holds that moment; the log cannot begin anew meanwhile. The copy is written under another name, synced, and then linked
 * to its own, so that it is there whole or not at all and never replaces a file. */
#include "base/mem.h"
#include "state-store/sqlite/sqlite.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <unistd.h>

#define BACKUP_STEP_PAGES 2048 /* between two looks whether the store is being closed */

static int copy_pages(struct sqlite_store *sqlite, struct sql *from, struct sql *to, struct wf_error *err)
{
	sqlite3_backup *backup = sqlite3_backup_init(to->db, "main", from->db, "main");
	if (!backup)
		return sql_error(to, err, "starting the copy");
	int result;
	do {
		result = sqlite3_backup_step(backup, BACKUP_STEP_PAGES);
		sqlite->backup_total = (uint64_t)sqlite3_backup_pagecount(backup);
		sqlite->backup_done = sqlite->backup_total - (uint64_t)sqlite3_backup_remaining(backup);
	} while (result == SQLITE_OK && !sqlite->closing);
	int finished = sqlite3_backup_finish(backup);
	if (result == SQLITE_OK)
		return error_set(err, ERR(CANCELLED), "the store is being closed");
	if (result != SQLITE_DONE || finished != SQLITE_OK)
		return sql_error(to, err, "copying");
	return 0;
}

static int copy_to(struct sqlite_store *sqlite, const char *path, struct wf_error *err)
{
	struct sql from = { 0 }, to = { 0 };
	int code = sqlite_connect(sqlite, true, &from, err);
	if (code == 0)
		code = sql_open(&to, path, SQLITE_OPEN_READWRITE, sqlite->vfs, err);
	/* Everything at one moment: the transaction is begun by the first read in it. */
	int64_t ignored;
	if (code == 0)
		code = sql_run(&to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = FULL", err);
	if (code == 0)
		code = sql_run(&from, "BEGIN", err);
	if (code == 0)
		code = sql_number(&from, "SELECT sequence FROM lease", &ignored, err);
	if (code == 0)
		code = copy_pages(sqlite, &from, &to, err);
	sql_close(&to);
	sql_close(&from);
	return code;
}

static int sync_path(const char *path, int flags, struct wf_error *err)
{
	int fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "cannot open %s", path);
	int code = fsync(fd) < 0 ? error_errno(err, errno, "cannot sync %s", path) : 0;
	close(fd);
	return code;
}

static int back_up(struct sqlite_store *sqlite, const char *path, struct wf_error *err)
{
	assert(path);
	if (access(path, F_OK) == 0)
		return error_set(err, ERR(EXISTS), "%s is there already: give the backup another name", path);
	_cleanup_free_ char *partial = mem_printf("%s.partial-%ld", path, (long)getpid());
	_cleanup_free_ char *copy = mem_strdup(path);
	int fd = open(partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, errno, "cannot create %s", partial);
	close(fd);
	int code = copy_to(sqlite, partial, err);
	if (code == 0)
		code = sync_path(partial, O_RDONLY, err);
	if (code == 0 && link(partial, path) < 0)
		code = errno == EEXIST ? error_set(err, ERR(EXISTS), "%s is there already: give the backup another name", path) :
					 error_errno(err, errno, "cannot create %s", path);
	unlink(partial);
	if (code == 0)
		code = sync_path(dirname(copy), O_RDONLY | O_DIRECTORY, err);
	return code;
}

void sqlite_backup(struct sqlite_store *sqlite, struct store_request *request)
{
	request->code = back_up(sqlite, request->name.ptr, &request->err);
	sqlite->backup_done = sqlite->backup_total = 0;
	if (request->code < 0)
		error_prefix(&request->err, "the backup was not made");
}
