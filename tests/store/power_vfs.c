/* power_vfs.c: see power_vfs.h. Every change goes to the real file and into a list; a sync moves the list into the disk's image. */
#include "tests/store/power_vfs.h"
#include "base/mem.h"
#include "base/random.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct power_vfs power_vfs = { .steps_left = -1 };

enum { SECTOR = 512, PAGE = 4096, NAMES_MAX = 32 };

/* ---- the disk ---------------------------------------------------------------------------------- */

struct change {
	struct change *next;
	bool truncate;
	int64_t at; /* or the new size */
	size_t len;
	unsigned char bytes[];
};

struct image {
	unsigned char *bytes;
	size_t len, capacity;
};

/* A file, whatever its name. */
struct disk_file {
	struct disk_file *next; /* all */
	struct image disk;
	struct change *first, **tail; /* not synced */
	uint32_t changes;
	bool new_log; /* SQLite syncs the folder with the first sync of a log or journal that it made */
};

enum folder_change_kind { FOLDER_CREATE, FOLDER_UNLINK, FOLDER_RENAME, FOLDER_LINK };
struct folder_change {
	struct folder_change *next;
	enum folder_change_kind kind;
	unsigned from, to; /* numbers of names */
	struct disk_file *file;
};

static struct {
	pthread_mutex_t mutex;
	char folder[PATH_MAX];
	struct random random;
	struct disk_file *files;
	unsigned names_count;
	struct name {
		char text[64];
		struct disk_file *now, *disk; /* NULL: there is no such file */
	} names[NAMES_MAX];
	struct folder_change *first, **tail; /* not synced */
} disk = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void image_resize(struct image *image, size_t len)
{
	MEM_GROW(image->bytes, image->capacity, len + 1);
	if (len > image->len)
		memset(image->bytes + image->len, 0, len - image->len);
	image->len = len;
}

static void image_put(struct image *image, size_t at, const unsigned char *bytes, size_t len)
{
	if (at + len > image->len)
		image_resize(image, at + len);
	memcpy(image->bytes + at, bytes, len);
}

static void image_apply(struct image *image, const struct change *change)
{
	if (change->truncate)
		image_resize(image, (size_t)change->at);
	else
		image_put(image, (size_t)change->at, change->bytes, change->len);
}

static struct disk_file *file_new(void)
{
	struct disk_file *file = NEW(struct disk_file);
	file->tail = &file->first;
	file->next = disk.files;
	disk.files = file;
	return file;
}

static void drop_changes(struct disk_file *file)
{
	for (struct change *next, *change = file->first; change; change = next) {
		next = change->next;
		free(change);
	}
	file->first = NULL;
	file->tail = &file->first;
	file->changes = 0;
}

static void sync_file(struct disk_file *file)
{
	for (struct change *change = file->first; change; change = change->next)
		image_apply(&file->disk, change);
	drop_changes(file);
}

static void add_change(struct disk_file *file, bool truncate, int64_t at, const void *bytes, size_t len)
{
	struct change *change = mem_alloc(sizeof *change + len);
	*change = (struct change){ .truncate = truncate, .at = at, .len = len };
	if (len)
		memcpy(change->bytes, bytes, len);
	*file->tail = change;
	file->tail = &change->next;
	file->changes++;
}

/* ---- names --------------------------------------------------------------------------------------- */

/* The number of the name of a path in the folder, -1 for one elsewhere. */
static int name_of(const char *path)
{
	size_t len = strlen(disk.folder);
	if (!len || !path || strncmp(path, disk.folder, len) != 0 || path[len] != '/' || strchr(path + len + 1, '/'))
		return -1;
	const char *text = path + len + 1;
	for (unsigned i = 0; i < disk.names_count; i++)
		if (strcmp(disk.names[i].text, text) == 0)
			return (int)i;
	assert(disk.names_count < NAMES_MAX && strlen(text) < sizeof disk.names->text);
	struct name *name = &disk.names[disk.names_count];
	*name = (struct name){ 0 };
	strcpy(name->text, text);
	return (int)disk.names_count++;
}

static void folder_apply(const struct folder_change *change, bool half)
{
	struct name *from = &disk.names[change->from], *to = &disk.names[change->to];
	switch (change->kind) {
	case FOLDER_CREATE:
		from->disk = change->file;
		break;
	case FOLDER_UNLINK:
		from->disk = NULL;
		break;
	case FOLDER_RENAME:
		to->disk = change->file;
		if (from->disk == change->file && !half)
			from->disk = NULL;
		break;
	case FOLDER_LINK:
		to->disk = change->file;
		break;
	}
}

static void drop_folder_changes(void)
{
	for (struct folder_change *next, *change = disk.first; change; change = next) {
		next = change->next;
		free(change);
	}
	disk.first = NULL;
	disk.tail = &disk.first;
}

static void sync_folder(void)
{
	for (struct folder_change *change = disk.first; change; change = change->next)
		folder_apply(change, false);
	drop_folder_changes();
}

static void add_folder_change(enum folder_change_kind kind, int from, int to, struct disk_file *file)
{
	struct folder_change *change = NEW(struct folder_change);
	*change = (struct folder_change){ .kind = kind, .from = (unsigned)from, .to = (unsigned)to, .file = file };
	*disk.tail = change;
	disk.tail = &change->next;
}

/* ---- steps ------------------------------------------------------------------------------------------ */

/* GO: done; LAST: the power goes while it is done: it may reach the disk, but nobody is told; OFF: in vain. */
enum step { STEP_GO, STEP_LAST, STEP_OFF };

static enum step step(void)
{
	if (power_vfs.off)
		return STEP_OFF;
	power_vfs.steps++;
	if (power_vfs.steps_left >= 0 && power_vfs.steps_left-- == 0) {
		power_vfs.off = true;
		return STEP_LAST;
	}
	return STEP_GO;
}

bool power_vfs_is_off(void)
{
	pthread_mutex_lock(&disk.mutex);
	bool off = power_vfs.off;
	pthread_mutex_unlock(&disk.mutex);
	return off;
}

void power_vfs_cut(void)
{
	pthread_mutex_lock(&disk.mutex);
	power_vfs.off = true;
	pthread_mutex_unlock(&disk.mutex);
}

/* ---- the VFS ------------------------------------------------------------------------------------------ */

struct file {
	sqlite3_file base; /* first */
	sqlite3_file *real;
	struct disk_file *disk; /* NULL: a file elsewhere */
};

static sqlite3_vfs *machine;

static sqlite3_file *real(sqlite3_file *file)
{
	return ((struct file *)file)->real;
}

static int file_close(sqlite3_file *file)
{
	int result = real(file)->pMethods ? real(file)->pMethods->xClose(real(file)) : SQLITE_OK;
	free(((struct file *)file)->real);
	return result;
}

static int file_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at)
{
	return real(file)->pMethods->xRead(real(file), bytes, len, at);
}

/* Takes a change down; whether it is to be done. */
static bool take_change(sqlite3_file *file, bool truncate, int64_t at, const void *bytes, size_t len)
{
	struct disk_file *ours = ((struct file *)file)->disk;
	if (!ours)
		return true;
	pthread_mutex_lock(&disk.mutex);
	enum step now = step();
	if (now != STEP_OFF)
		add_change(ours, truncate, at, bytes, len);
	pthread_mutex_unlock(&disk.mutex);
	return now == STEP_GO;
}

static int file_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
	if (!take_change(file, false, at, bytes, (size_t)len))
		return SQLITE_IOERR_WRITE;
	return real(file)->pMethods->xWrite(real(file), bytes, len, at);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	if (!take_change(file, true, size, NULL, 0))
		return SQLITE_IOERR_TRUNCATE;
	return real(file)->pMethods->xTruncate(real(file), size);
}

static int file_sync(sqlite3_file *file, int flags)
{
	struct disk_file *ours = ((struct file *)file)->disk;
	if (!ours)
		return SQLITE_OK;
	pthread_mutex_lock(&disk.mutex);
	bool done = step() == STEP_GO;
	if (done && !power_vfs.syncs_lie)
		sync_file(ours);
	if (done && ours->new_log && !power_vfs.folder_syncs_lie)
		sync_folder();
	if (done)
		ours->new_log = false;
	pthread_mutex_unlock(&disk.mutex);
	return done ? SQLITE_OK : SQLITE_IOERR_FSYNC;
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

/* Version 2: no memory-mapped pages, which would pass by. */
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

/* Under the mutex: the file of a name that may be made by opening it. False if the power is off. */
static bool take_creation(int name, bool is_log, struct disk_file **ret_file)
{
	*ret_file = disk.names[name].now;
	if (*ret_file)
		return true;
	enum step now = step();
	if (now == STEP_OFF)
		return false;
	*ret_file = disk.names[name].now = file_new();
	(*ret_file)->new_log = is_log;
	add_folder_change(FOLDER_CREATE, name, name, *ret_file);
	return now == STEP_GO;
}

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *ret_flags)
{
	struct file *ours = (struct file *)file;
	ours->base.pMethods = NULL;
	ours->disk = NULL;
	pthread_mutex_lock(&disk.mutex);
	int name = name_of(path);
	bool may = true;
	if (name >= 0 && !disk.names[name].now && !(flags & SQLITE_OPEN_CREATE))
		may = false;
	else if (name >= 0)
		may = take_creation(name, flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL), &ours->disk);
	pthread_mutex_unlock(&disk.mutex);
	if (!may)
		return SQLITE_CANTOPEN;
	ours->real = calloc(1, (size_t)machine->szOsFile);
	int result = machine->xOpen(machine, path, ours->real, flags, ret_flags);
	if (result == SQLITE_OK)
		ours->base.pMethods = &methods;
	else
		free(ours->real);
	return result;
}

static bool take_unlink(const char *path, bool and_sync)
{
	pthread_mutex_lock(&disk.mutex);
	int name = name_of(path);
	bool done = true;
	if (name >= 0 && disk.names[name].now) {
		enum step now = step();
		if (now != STEP_OFF) {
			add_folder_change(FOLDER_UNLINK, name, name, disk.names[name].now);
			disk.names[name].now = NULL;
		}
		if (now == STEP_GO && and_sync && !power_vfs.folder_syncs_lie)
			sync_folder();
		done = now == STEP_GO;
	}
	pthread_mutex_unlock(&disk.mutex);
	return done;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int and_sync)
{
	return take_unlink(path, and_sync) ? machine->xDelete(machine, path, 0) : SQLITE_IOERR_DELETE;
}

/* ---- what the store does to the folder by itself --------------------------------------------------------- */

int __real_open64(const char *path, int flags, ...);
int __real_open(const char *path, int flags, ...);
int __real_rename(const char *from, const char *to);
int __real_link(const char *from, const char *to);
int __real_unlink(const char *path);
int __real_fsync(int fd);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_rename(const char *from, const char *to);
int __wrap_link(const char *from, const char *to);
int __wrap_unlink(const char *path);
int __wrap_fsync(int fd);

static int no_power(void)
{
	errno = EIO;
	return -1;
}

static bool may_open(const char *path, int flags)
{
	pthread_mutex_lock(&disk.mutex);
	int name = flags & O_CREAT ? name_of(path) : -1;
	struct disk_file *file;
	bool may = name < 0 || take_creation(name, false, &file);
	pthread_mutex_unlock(&disk.mutex);
	return may;
}

static int mode_of(int flags, va_list args)
{
	return flags & O_CREAT ? va_arg(args, int) : 0;
}

int __wrap_open64(const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	int mode = mode_of(flags, args);
	va_end(args);
	return may_open(path, flags) ? __real_open64(path, flags, mode) : no_power();
}

int __wrap_open(const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	int mode = mode_of(flags, args);
	va_end(args);
	return may_open(path, flags) ? __real_open(path, flags, mode) : no_power();
}

static bool take_naming(enum folder_change_kind kind, const char *from_path, const char *to_path)
{
	pthread_mutex_lock(&disk.mutex);
	int from = name_of(from_path), to = name_of(to_path);
	bool done = true;
	if (from >= 0 && to >= 0 && disk.names[from].now && (kind != FOLDER_LINK || !disk.names[to].now)) {
		enum step now = step();
		if (now != STEP_OFF) {
			add_folder_change(kind, from, to, disk.names[from].now);
			disk.names[to].now = disk.names[from].now;
			if (kind == FOLDER_RENAME)
				disk.names[from].now = NULL;
		}
		done = now == STEP_GO;
	}
	pthread_mutex_unlock(&disk.mutex);
	return done;
}

int __wrap_rename(const char *from, const char *to)
{
	return take_naming(FOLDER_RENAME, from, to) ? __real_rename(from, to) : no_power();
}

int __wrap_link(const char *from, const char *to)
{
	return take_naming(FOLDER_LINK, from, to) ? __real_link(from, to) : no_power();
}

int __wrap_unlink(const char *path)
{
	return take_unlink(path, false) ? __real_unlink(path) : no_power();
}

int __wrap_fsync(int fd)
{
	char link[64], path[PATH_MAX];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t len = readlink(link, path, sizeof path - 1);
	path[len > 0 ? len : 0] = 0;
	pthread_mutex_lock(&disk.mutex);
	bool is_folder = *disk.folder && strcmp(path, disk.folder) == 0;
	int name = is_folder ? -1 : name_of(path);
	bool ours = is_folder || (name >= 0 && disk.names[name].now), done = !ours || step() == STEP_GO;
	if (done && is_folder && !power_vfs.folder_syncs_lie)
		sync_folder();
	else if (done && ours && !is_folder && !power_vfs.syncs_lie)
		sync_file(disk.names[name].now);
	pthread_mutex_unlock(&disk.mutex);
	return !done ? no_power() : ours ? 0 : __real_fsync(fd);
}

/* ---- the power comes back ---------------------------------------------------------------------------------- */

/* How far into a file's list of changes the disk has got, by sector. */
struct fate {
	enum { FATE_NOTHING, FATE_ALL, FATE_PREFIX, FATE_SECTORS, FATE_SECTORS_OR_NOT, FATES } kind;
	uint32_t changes, prefix;
	size_t grain;
	uint64_t key;
};

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* Whether change number i has reached this sector (`where` in units of the grain; SIZE_MAX: the file's length). */
static bool reached(const struct fate *fate, uint32_t i, size_t where)
{
	uint64_t draw = mix(fate->key + where * 0x9e3779b97f4a7c15u);
	switch (fate->kind) {
	case FATE_NOTHING:
		return false;
	case FATE_ALL:
		return true;
	case FATE_PREFIX: /* the one at the end of it is torn */
		return i < fate->prefix || (i == fate->prefix && where != SIZE_MAX && draw % 2);
	case FATE_SECTORS:
		return i < draw % (fate->changes + 1u);
	case FATE_SECTORS_OR_NOT:
		return draw % 2;
	case FATES:
		break;
	}
	return false;
}

static void put_what_reached(struct image *image, const struct change *change, uint32_t i, const struct fate *fate)
{
	unsigned put = 0, dropped = 0;
	for (size_t done = 0; done < change->len;) {
		size_t at = (size_t)change->at + done, len = fate->grain - at % fate->grain;
		if (len > change->len - done)
			len = change->len - done;
		if (reached(fate, i, at / fate->grain)) {
			image_put(image, at, change->bytes + done, len);
			put++;
		} else {
			dropped++;
		}
		done += len;
	}
	power_vfs.dropped += dropped;
	power_vfs.torn += put && dropped;
}

/* The file's length may have come through without the data: there are zeros, or whatever the disk held before. */
static void grow_without_data(struct disk_file *file)
{
	size_t len = file->disk.len;
	for (const struct change *change = file->first; change; change = change->next)
		if (!change->truncate && (size_t)change->at + change->len > len)
			len = (size_t)change->at + change->len;
	size_t from = file->disk.len;
	image_resize(&file->disk, len);
	if (random_below(&disk.random, 2))
		for (size_t i = from; i < len; i++)
			file->disk.bytes[i] = (unsigned char)random_u64(&disk.random);
}

static void decide_file(struct disk_file *file)
{
	if (!file->first)
		return;
	struct fate fate = { .kind = random_below(&disk.random, FATES), .changes = file->changes,
			     .prefix = (uint32_t)random_below(&disk.random, file->changes + 1u),
			     .grain = random_below(&disk.random, 2) ? SECTOR : PAGE, .key = random_u64(&disk.random) };
	if (random_below(&disk.random, 6) == 0)
		grow_without_data(file);
	uint32_t i = 0;
	for (const struct change *change = file->first; change; change = change->next, i++)
		if (!change->truncate)
			put_what_reached(&file->disk, change, i, &fate);
		else if (reached(&fate, i, SIZE_MAX))
			image_apply(&file->disk, change);
	drop_changes(file);
}

static void decide_folder(void)
{
	uint32_t count = 0, i = 0;
	for (struct folder_change *change = disk.first; change; change = change->next)
		count++;
	bool in_order = random_below(&disk.random, 3) > 0;
	uint64_t prefix = random_below(&disk.random, count + 1u);
	for (struct folder_change *change = disk.first; change; change = change->next, i++)
		if (in_order ? i < prefix : random_below(&disk.random, 2))
			folder_apply(change, !in_order && random_below(&disk.random, 2));
	drop_folder_changes();
}

static void write_out(const char *path, const unsigned char *bytes, size_t len)
{
	int fd = __real_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert(fd >= 0);
	for (size_t done = 0; done < len;) {
		ssize_t wrote = write(fd, bytes + done, len - done);
		assert(wrote > 0);
		done += (size_t)wrote;
	}
	close(fd);
}

/* The index of the log belongs to no image: it is never synced. */
static void lose_index(const char *name)
{
	char path[PATH_MAX + 80];
	snprintf(path, sizeof path, "%s/%s-shm", disk.folder, name);
	__real_unlink(path);
	if (random_below(&disk.random, 2))
		return;
	unsigned char noise[32768];
	for (size_t i = 0; i < sizeof noise; i++)
		noise[i] = (unsigned char)random_u64(&disk.random);
	write_out(path, noise, sizeof noise);
}

void power_vfs_restore(void)
{
	pthread_mutex_lock(&disk.mutex);
	power_vfs.cuts++;
	decide_folder();
	for (struct disk_file *file = disk.files; file; file = file->next)
		decide_file(file);
	for (unsigned i = 0; i < disk.names_count; i++) {
		struct name *name = &disk.names[i];
		char path[PATH_MAX + 80];
		snprintf(path, sizeof path, "%s/%s", disk.folder, name->text);
		__real_unlink(path);
		name->now = name->disk;
		if (name->disk)
			write_out(path, name->disk->disk.bytes, name->disk->disk.len);
		if (name->disk && !strchr(name->text, '-'))
			lose_index(name->text);
	}
	power_vfs.off = false;
	power_vfs.steps_left = -1;
	pthread_mutex_unlock(&disk.mutex);
}

/* ---- beginning and end --------------------------------------------------------------------------------------- */

static void forget(void)
{
	drop_folder_changes();
	for (struct disk_file *next, *file = disk.files; file; file = next) {
		next = file->next;
		drop_changes(file);
		free(file->disk.bytes);
		free(file);
	}
	disk.files = NULL;
	disk.names_count = 0;
	*disk.folder = 0;
	power_vfs.off = false;
	power_vfs.syncs_lie = false;
	power_vfs.folder_syncs_lie = false;
	power_vfs.steps_left = -1;
}

void power_vfs_end(void)
{
	pthread_mutex_lock(&disk.mutex);
	forget();
	pthread_mutex_unlock(&disk.mutex);
}

void power_vfs_begin(const char *folder, uint64_t seed)
{
	static sqlite3_vfs ours;
	if (!machine) {
		machine = sqlite3_vfs_find(NULL);
		ours = *machine;
		ours.pNext = NULL;
		ours.zName = "ratchet-power";
		ours.szOsFile = sizeof(struct file);
		ours.xOpen = vfs_open;
		ours.xDelete = vfs_delete;
		sqlite3_vfs_register(&ours, 0);
	}
	pthread_mutex_lock(&disk.mutex);
	forget();
	snprintf(disk.folder, sizeof disk.folder, "%s", folder);
	random_seed(&disk.random, seed);
	pthread_mutex_unlock(&disk.mutex);
}
