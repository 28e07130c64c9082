/* fault_vfs.c: see fault_vfs.h. Every call is forwarded; those that change a file pass by `step` first. */
#include "tests/store/fault_vfs.h"
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fault_vfs fault_vfs;

struct file {
	sqlite3_file base; /* first */
	sqlite3_file *real;
};

static sqlite3_vfs *machine;

static sqlite3_file *real(sqlite3_file *file)
{
	return ((struct file *)file)->real;
}

/* The process dies before the step that uses up the count. */
static void step(void)
{
	if (fault_vfs.steps_left >= 0 && atomic_fetch_sub(&fault_vfs.steps_left, 1) == 0)
		kill(getpid(), SIGKILL);
}

static int file_close(sqlite3_file *file)
{
	int result = real(file)->pMethods ? real(file)->pMethods->xClose(real(file)) : SQLITE_OK;
	free(((struct file *)file)->real);
	return result;
}

static int file_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at)
{
	return fault_vfs.reads_fail ? SQLITE_IOERR_READ : real(file)->pMethods->xRead(real(file), bytes, len, at);
}

static int file_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
	step();
	if (fault_vfs.writes_fail)
		return SQLITE_IOERR_WRITE;
	if (fault_vfs.writes_left >= 0) {
		if (fault_vfs.writes_left == 0)
			return SQLITE_FULL;
		fault_vfs.writes_left--;
	}
	return real(file)->pMethods->xWrite(real(file), bytes, len, at);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	step();
	return real(file)->pMethods->xTruncate(real(file), size);
}

static int file_sync(sqlite3_file *file, int flags)
{
	step();
	fault_vfs.syncs++;
	return fault_vfs.syncs_fail ? SQLITE_IOERR_FSYNC : real(file)->pMethods->xSync(real(file), flags);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
	return real(file)->pMethods->xFileSize(real(file), size);
}

static int file_lock(sqlite3_file *file, int lock)
{
	return real(file)->pMethods->xLock(real(file), lock);
}

static int file_unlock(sqlite3_file *file, int lock)
{
	return real(file)->pMethods->xUnlock(real(file), lock);
}

static int file_check_lock(sqlite3_file *file, int *result)
{
	return real(file)->pMethods->xCheckReservedLock(real(file), result);
}

static int file_control(sqlite3_file *file, int op, void *argument)
{
	return real(file)->pMethods->xFileControl(real(file), op, argument);
}

static int file_sector_size(sqlite3_file *file)
{
	return real(file)->pMethods->xSectorSize(real(file));
}

static int file_device(sqlite3_file *file)
{
	return real(file)->pMethods->xDeviceCharacteristics(real(file));
}

static int file_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **memory)
{
	return real(file)->pMethods->xShmMap(real(file), page, size, extend, memory);
}

static int file_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	return real(file)->pMethods->xShmLock(real(file), offset, n, flags);
}

static void file_shm_barrier(sqlite3_file *file)
{
	real(file)->pMethods->xShmBarrier(real(file));
}

static int file_shm_unmap(sqlite3_file *file, int delete)
{
	return real(file)->pMethods->xShmUnmap(real(file), delete);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_check_lock,
	.xFileControl = file_control,
	.xSectorSize = file_sector_size,
	.xDeviceCharacteristics = file_device,
	.xShmMap = file_shm_map,
	.xShmLock = file_shm_lock,
	.xShmBarrier = file_shm_barrier,
	.xShmUnmap = file_shm_unmap,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
	struct file *ours = (struct file *)file;
	ours->base.pMethods = NULL;
	ours->real = calloc(1, (size_t)machine->szOsFile);
	int result = machine->xOpen(machine, name, ours->real, flags, ret_flags);
	if (result == SQLITE_OK)
		ours->base.pMethods = &methods;
	else
		free(ours->real);
	return result;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
	step();
	return machine->xDelete(machine, name, sync_folder);
}

void fault_vfs_reset(void)
{
	static sqlite3_vfs ours;
	if (!machine) {
		machine = sqlite3_vfs_find(NULL);
		ours = *machine;
		ours.pNext = NULL;
		ours.zName = "ratchet-fault";
		ours.szOsFile = sizeof(struct file);
		ours.xOpen = vfs_open;
		ours.xDelete = vfs_delete;
		sqlite3_vfs_register(&ours, 0);
	}
	fault_vfs.writes_left = -1;
	fault_vfs.steps_left = -1;
	fault_vfs.writes_fail = fault_vfs.reads_fail = fault_vfs.syncs_fail = false;
	fault_vfs.syncs = 0;
}
