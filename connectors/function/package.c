/* package.c: versions' copies: FOLDER/packages/HASH, where HASH is of all that is in there, so that equal content is kept
 * once and a copy never changes. Copied in a thread into a folder of its own, then renamed: it is there whole or not at all.
 *
 * The hash is SHA-256 over the sorted entries: relative path, kind, whether it is executable, content (a link's target). */
#include "connectors/function/room.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <nettle/sha2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PACKAGE_BYTES_MAX (1ll << 30)
#define PACKAGE_ENTRIES_MAX 200000
#define PACKAGE_DEPTH_MAX 64

struct package_job {
	struct loop_post post; /* first: the post is the job */
	pthread_t thread;
	char *root, *source;
	void (*done)(void *data, const struct wf_error *err, const char *hash);
	void *data;
	struct wf_error err;
	char hash[2 * SHA256_DIGEST_SIZE + 1];
	/* The thread's. */
	struct sha256_ctx sha;
	int64_t bytes;
	unsigned entries;
	bool cancelled, joined;
};

int make_folders(const char *path, struct wf_error *err)
{
	_cleanup_free_ char *part = mem_strdup(path);
	for (char *at = part + 1;; at++) {
		if (*at && *at != '/')
			continue;
		char kept = *at;
		*at = 0;
		if (mkdir(part, 0700) != 0 && errno != EEXIST)
			return error_errno(err, errno, "cannot make the folder %s", part);
		if (!kept)
			return 0;
		*at = kept;
	}
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	return remove(path);
}

static void remove_folder(const char *path)
{
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- in the thread ------------------------------------------------------------------------------------- */

static void hash_text(struct package_job *job, const char *text)
{
	sha256_update(&job->sha, strlen(text) + 1, (const uint8_t *)text);
}

static int copy_file(struct package_job *job, int from, const char *to, bool executable)
{
	char bytes[65536];
	int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, executable ? 0755 : 0644);
	if (fd < 0)
		return error_errno(&job->err, errno, "cannot write %s", to);
	ssize_t n = 0;
	int r = 0;
	while (r == 0 && (n = read(from, bytes, sizeof bytes)) > 0) {
		sha256_update(&job->sha, (size_t)n, (const uint8_t *)bytes);
		job->bytes += n;
		if (job->bytes > PACKAGE_BYTES_MAX)
			r = error_set(&job->err, ERR(LIMIT), "the folder %s holds more than 1 GiB", job->source);
		else if (write(fd, bytes, (size_t)n) != n)
			r = error_errno(&job->err, errno, "cannot write %s", to);
	}
	if (r == 0 && n < 0)
		r = error_errno(&job->err, errno, "cannot read what is copied to %s", to);
	if (r == 0 && fsync(fd) != 0)
		r = error_errno(&job->err, errno, "cannot write %s", to);
	close(fd);
	return r;
}

static int copy_folder(struct package_job *job, const char *from, const char *to, const char *inner, int depth);

static int copy_entry(struct package_job *job, const char *from, const char *to, const char *inner, const char *name,
		      int depth)
{
	_cleanup_free_ char *source = mem_printf("%s/%s", from, name), *target = mem_printf("%s/%s", to, name),
			    *path = mem_printf("%s%s", inner, name);
	struct stat info;
	if (++job->entries > PACKAGE_ENTRIES_MAX)
		return error_set(&job->err, ERR(LIMIT), "the folder %s holds too many files", job->source);
	if (lstat(source, &info) != 0)
		return error_errno(&job->err, errno, "cannot read %s", source);
	if (S_ISDIR(info.st_mode)) {
		_cleanup_free_ char *below = mem_printf("%s/", path);
		if (mkdir(target, 0755) != 0)
			return error_errno(&job->err, errno, "cannot make the folder %s", target);
		hash_text(job, below);
		return copy_folder(job, source, target, below, depth + 1);
	}
	hash_text(job, path);
	if (S_ISLNK(info.st_mode)) {
		char link[4096];
		ssize_t n = readlink(source, link, sizeof link - 1);
		if (n < 0)
			return error_errno(&job->err, errno, "cannot read %s", source);
		link[n] = 0;
		hash_text(job, "link");
		hash_text(job, link);
		return symlink(link, target) == 0 ? 0 : error_errno(&job->err, errno, "cannot write %s", target);
	}
	if (!S_ISREG(info.st_mode))
		return 0; /* sockets and their like are no code */
	bool executable = info.st_mode & 0111;
	char size[32];
	snprintf(size, sizeof size, "%s %lld", executable ? "program" : "file", (long long)info.st_size);
	hash_text(job, size);
	int fd = open(source, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return error_errno(&job->err, errno, "cannot read %s", source);
	int r = copy_file(job, fd, target, executable);
	close(fd);
	return r;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int not_dots(const struct dirent *entry)
{
	/* Compiled files appear while it runs, and are made again. */
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
	       strcmp(entry->d_name, "__pycache__") != 0;
}

static int copy_folder(struct package_job *job, const char *from, const char *to, const char *inner, int depth)
{
	struct dirent **entries;
	if (depth > PACKAGE_DEPTH_MAX)
		return error_set(&job->err, ERR(LIMIT), "the folder %s is nested too deeply", job->source);
	int count = scandir(from, &entries, not_dots, by_name);
	if (count < 0)
		return error_errno(&job->err, errno, "cannot read the folder %s", from);
	int r = 0;
	for (int i = 0; i < count; i++) {
		if (r == 0 && !__atomic_load_n(&job->cancelled, __ATOMIC_RELAXED))
			r = copy_entry(job, from, to, inner, entries[i]->d_name, depth);
		free(entries[i]);
	}
	free(entries);
	return r;
}

static void package(struct package_job *job)
{
	_cleanup_free_ char *folder = mem_printf("%s/packages", job->root);
	if (make_folders(folder, &job->err) < 0)
		return;
	_cleanup_free_ char *temporary = mem_printf("%s/.new-XXXXXX", folder);
	if (!mkdtemp(temporary)) {
		error_errno(&job->err, errno, "cannot make a folder in %s", folder);
		return;
	}
	chmod(temporary, 0755);
	sha256_init(&job->sha);
	if (copy_folder(job, job->source, temporary, "", 0) == 0) {
		uint8_t digest[SHA256_DIGEST_SIZE];
		sha256_digest(&job->sha, sizeof digest, digest);
		for (unsigned i = 0; i < sizeof digest; i++)
			snprintf(job->hash + 2 * i, 3, "%02x", digest[i]);
		_cleanup_free_ char *final = mem_printf("%s/%s", folder, job->hash);
		/* One that is there already is the same. */
		if (access(final, F_OK) != 0 && rename(temporary, final) != 0 && errno != EEXIST && errno != ENOTEMPTY)
			error_errno(&job->err, errno, "cannot keep the copy %s", final);
		int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0) {
			fsync(fd);
			close(fd);
		}
	}
	remove_folder(temporary);
}

static void on_done(struct loop_post *post)
{
	struct package_job *job = (struct package_job *)post;
	if (!job->joined)
		pthread_join(job->thread, NULL);
	if (!job->cancelled)
		job->done(job->data, job->err.code ? &job->err : NULL, job->hash);
	free(job->root);
	free(job->source);
	free(job);
}

struct runner {
	struct package_job *job;
	struct loop *loop;
};

static void *run(void *data)
{
	struct runner *runner = data;
	struct package_job *job = runner->job;
	struct loop *loop = runner->loop;
	free(runner);
	package(job);
	job->post.callback = on_done;
	loop_post(loop, &job->post);
	return NULL;
}

struct package_job *package_begin(struct loop *loop, const char *root, const char *folder,
				  void (*done)(void *data, const struct wf_error *err, const char *hash), void *data)
{
	struct package_job *job = NEW(struct package_job);
	*job = (struct package_job){
		.root = mem_strdup(root), .source = mem_strdup(folder), .done = done, .data = data
	};
	struct runner *runner = NEW(struct runner);
	*runner = (struct runner){ job, loop };
	if (pthread_create(&job->thread, NULL, run, runner) == 0)
		return job;
	/* Without a thread, at once: the answer comes from the loop all the same. */
	job->joined = true;
	run(runner);
	return job;
}

void package_cancel(struct package_job *job)
{
	__atomic_store_n(&job->cancelled, true, __ATOMIC_RELAXED);
	if (!job->joined)
		pthread_join(job->thread, NULL);
	job->joined = true;
	/* The post that the loop holds frees it. */
}

void package_sweep(const char *root, bool (*used)(void *data, const char *hash), void *data)
{
	_cleanup_free_ char *folder = mem_printf("%s/packages", root);
	DIR *open_folder = opendir(folder);
	for (struct dirent *entry; open_folder && (entry = readdir(open_folder));) {
		if (!not_dots(entry) || used(data, entry->d_name))
			continue;
		_cleanup_free_ char *path = mem_printf("%s/%s", folder, entry->d_name);
		remove_folder(path);
	}
	if (open_folder)
		closedir(open_folder);
}
