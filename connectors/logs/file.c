/* file.c: lines to files, by a thread of its own, because a disk may stall and the loop must not.
 *
 *     write() ─► `queue` (bounded) ─── taken whole by the thread ─► one write for the lines of a file that follow each other
 *
 * A group's file is FOLDER/NAME.log, with + for / and %XX for what a file's name should not have; beyond max_bytes it
 * becomes NAME.log.1, that one .2, and so on. */
#include "base/buffer.h"
#include "base/hash.h"
#include "base/mem.h"
#include "connectors/logs/logs.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_MAX_ 64
#define NAME_BYTES_MAX 180
#define WRITE_BYTES (256 << 10)

struct log_file {
	char *name; /* of the group, as a file's; NULL: a free place */
	int fd;
	int64_t bytes;
	uint64_t used;
};

struct log_files {
	int folder; /* descriptor */
	char *path;
	int64_t max_bytes, files;
	size_t queue_bytes;
	struct log_warner warner;

	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	/* under the mutex */
	struct buffer queue; /* each: u32 length of the name, u32 of the text, both */
	size_t taken_bytes;  /* what the thread has taken and not yet written */
	bool ending;
	uint64_t written, dropped_full, dropped_failed;

	/* the thread's */
	struct log_file open[OPEN_MAX_];
	uint64_t uses;
	bool failing; /* the last write did: it was told */
};

/* ---- names ------------------------------------------------------------------------------------- */

static char *file_name(struct str group)
{
	_cleanup_(buffer_done) struct buffer name = { 0 };
	for (size_t i = 0; i < group.len && name.len < NAME_BYTES_MAX; i++) {
		unsigned char c = (unsigned char)group.ptr[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
			     c == '_' || c == '#' || (c == '.' && i > 0);
		if (c == '/')
			buffer_byte(&name, '+');
		else if (plain)
			buffer_byte(&name, (char)c);
		else
			buffer_printf(&name, "%%%02X", c);
	}
	if (!group.len || name.len >= NAME_BYTES_MAX) /* cut: told apart by a hash */
		buffer_printf(&name, "~%016llx", (unsigned long long)hash_bytes(group, 0));
	return buffer_take(&name);
}

/* ---- the thread's side ----------------------------------------------------------------------------- */

static void failed(struct log_files *files, const char *what, const char *name, uint64_t lines)
{
	if (!files->failing && files->warner.warn) {
		_cleanup_free_ char *message = mem_printf(
		    "the log of executions cannot %s %s/%s.log: %s; its lines are dropped until that works again", what,
		    files->path, name, strerror(errno));
		files->warner.warn(files->warner.data, message);
	}
	files->failing = true;
	pthread_mutex_lock(&files->mutex);
	files->dropped_failed += lines;
	pthread_mutex_unlock(&files->mutex);
}

static void close_file(struct log_file *file)
{
	if (!file->name)
		return;
	close(file->fd);
	free(file->name);
	*file = (struct log_file){ 0 };
}

static struct log_file *open_file(struct log_files *files, struct str name)
{
	struct log_file *oldest = &files->open[0];
	for (struct log_file *file = files->open; file < files->open + OPEN_MAX_; file++) {
		if (file->name && str_eqz(name, file->name)) {
			file->used = ++files->uses;
			return file;
		}
		if (file->used < oldest->used)
			oldest = file;
	}
	char path[NAME_BYTES_MAX + 64];
	snprintf(path, sizeof path, "%.*s.log", STR_FMT(name));
	int fd = openat(files->folder, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat status;
	if (fd < 0 || fstat(fd, &status) != 0)
		return NULL;
	if (!S_ISREG(status.st_mode)) {
		close(fd);
		errno = EEXIST;
		return NULL;
	}
	close_file(oldest);
	*oldest = (struct log_file){ .name = mem_strndup(name.ptr, name.len), .fd = fd, .bytes = status.st_size, .used = ++files->uses };
	return oldest;
}

/* NAME.log.3 → .4, …, NAME.log → .1; the last one falls away. */
static void rotate(struct log_files *files, struct log_file *file)
{
	char from[NAME_BYTES_MAX + 64], to[NAME_BYTES_MAX + 64];
	for (int64_t i = files->files - 1; i >= 1; i--) {
		snprintf(to, sizeof to, "%s.log.%lld", file->name, (long long)i);
		snprintf(from, sizeof from, i > 1 ? "%s.log.%lld" : "%s.log", file->name, (long long)(i - 1));
		renameat(files->folder, from, files->folder, to);
	}
	if (files->files == 1) {
		snprintf(from, sizeof from, "%s.log", file->name);
		unlinkat(files->folder, from, 0);
	}
	close_file(file);
}

static bool write_all(int fd, struct str text)
{
	while (text.len) {
		ssize_t done = write(fd, text.ptr, text.len);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return false;
		text = str_sub(text, (size_t)done, text.len);
	}
	return true;
}

/* The lines of one file that follow each other, at most WRITE_BYTES of them. */
static void write_lines(struct log_files *files, struct str name, struct str lines, uint64_t count)
{
	struct log_file *file = open_file(files, name);
	if (file && file->bytes && file->bytes + (int64_t)lines.len > files->max_bytes) {
		rotate(files, file);
		file = open_file(files, name);
	}
	_cleanup_free_ char *shown = mem_strndup(name.ptr, name.len);
	if (!file) {
		failed(files, "open", shown, count);
		return;
	}
	if (!write_all(file->fd, lines)) {
		int saved = errno;
		/* No half lines; and whoever moved the file away finds a new one. */
		if (ftruncate(file->fd, file->bytes) != 0)
			saved = errno;
		close_file(file);
		errno = saved;
		failed(files, "write to", shown, count);
		return;
	}
	file->bytes += (int64_t)lines.len;
	files->failing = false;
	pthread_mutex_lock(&files->mutex);
	files->written += count;
	pthread_mutex_unlock(&files->mutex);
}

static void write_queue(struct log_files *files, struct str queue)
{
	_cleanup_(buffer_done) struct buffer lines = { 0 };
	struct str name = STR_EMPTY;
	uint64_t count = 0;
	while (queue.len) {
		uint32_t sizes[2];
		memcpy(sizes, queue.ptr, sizeof sizes);
		struct str next = str_sub(queue, sizeof sizes, sizes[0]);
		struct str text = str_sub(queue, sizeof sizes + sizes[0], sizes[1]);
		queue = str_sub(queue, sizeof sizes + sizes[0] + sizes[1], queue.len);
		size_t most = WRITE_BYTES < (size_t)files->max_bytes ? WRITE_BYTES : (size_t)files->max_bytes;
		if (count && (!str_eq(next, name) || lines.len + text.len >= most)) {
			write_lines(files, name, buffer_str(&lines), count);
			buffer_clear(&lines);
			count = 0;
		}
		name = next;
		buffer_add(&lines, text);
		buffer_byte(&lines, '\n');
		count++;
	}
	if (count)
		write_lines(files, name, buffer_str(&lines), count);
}

static void *thread_main(void *data)
{
	struct log_files *files = data;
	struct buffer taken = { 0 };
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	pthread_mutex_lock(&files->mutex);
	for (;;) {
		while (!files->queue.len && !files->ending)
			pthread_cond_wait(&files->wake, &files->mutex);
		if (!files->queue.len)
			break;
		struct buffer empty = taken;
		taken = files->queue;
		files->queue = empty;
		files->taken_bytes = taken.len;
		pthread_mutex_unlock(&files->mutex);
		write_queue(files, buffer_str(&taken));
		if (taken.capacity > WRITE_BYTES)
			buffer_done(&taken);
		else
			buffer_clear(&taken);
		pthread_mutex_lock(&files->mutex);
		files->taken_bytes = 0;
	}
	pthread_mutex_unlock(&files->mutex);
	buffer_done(&taken);
	return NULL;
}

/* ---- the loop's side ---------------------------------------------------------------------------------- */

void log_files_write(struct log_files *files, struct str group, struct str text)
{
	_cleanup_free_ char *name = file_name(group);
	uint32_t sizes[2] = { (uint32_t)strlen(name), (uint32_t)text.len };
	size_t bytes = sizeof sizes + sizes[0] + sizes[1];
	pthread_mutex_lock(&files->mutex);
	if (files->queue.len + files->taken_bytes + bytes > files->queue_bytes) {
		files->dropped_full++;
	} else {
		bool was_empty = !files->queue.len;
		buffer_append(&files->queue, sizes, sizeof sizes);
		buffer_addz(&files->queue, name);
		buffer_add(&files->queue, text);
		if (was_empty)
			pthread_cond_signal(&files->wake);
	}
	pthread_mutex_unlock(&files->mutex);
}

void log_files_stats(struct log_files *files, struct logs_stats *stats)
{
	pthread_mutex_lock(&files->mutex);
	stats->written += files->written;
	stats->dropped_full += files->dropped_full;
	stats->dropped_failed += files->dropped_failed;
	stats->queued_bytes += files->queue.len + files->taken_bytes;
	pthread_mutex_unlock(&files->mutex);
}

int log_files_new(const char *folder, int64_t max_bytes, int64_t count, size_t queue_bytes, struct log_warner warner,
		  struct log_files **ret_files, struct wf_error *err)
{
	if (mkdir(folder, 0700) != 0 && errno != EEXIST)
		return error_errno(err, errno, "cannot make the folder %s", folder);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "cannot use the folder %s", folder);
	struct log_files *files = NEW(struct log_files);
	*files = (struct log_files){ .folder = fd,
				     .path = mem_strdup(folder),
				     .max_bytes = max_bytes,
				     .files = count,
				     .queue_bytes = queue_bytes,
				     .warner = warner };
	pthread_mutex_init(&files->mutex, NULL);
	pthread_cond_init(&files->wake, NULL);
	int failure = pthread_create(&files->thread, NULL, thread_main, files);
	if (failure) {
		close(fd);
		free(files->path);
		free(files);
		return error_errno(err, failure, "cannot start a thread for the log of executions");
	}
	*ret_files = files;
	return 0;
}

void log_files_free(struct log_files *files)
{
	if (!files)
		return;
	pthread_mutex_lock(&files->mutex);
	files->ending = true;
	pthread_cond_signal(&files->wake);
	pthread_mutex_unlock(&files->mutex);
	pthread_join(files->thread, NULL);
	for (size_t i = 0; i < OPEN_MAX_; i++)
		close_file(&files->open[i]);
	pthread_cond_destroy(&files->wake);
	pthread_mutex_destroy(&files->mutex);
	buffer_done(&files->queue);
	close(files->folder);
	free(files->path);
	free(files);
}
