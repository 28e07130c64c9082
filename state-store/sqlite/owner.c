/* owner.c: see owner.h. */
#include "state-store/sqlite/owner.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct owner {
	struct owner *next;
	dev_t device;
	ino_t inode;
	int fd;
};

/* The locks of this process. Closing any descriptor of a file drops the process's locks on it, so whether one is ours
 * must be known before the file is opened. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct owner *owners;

static bool is_ours(const struct stat *file)
{
	for (const struct owner *owner = owners; owner; owner = owner->next)
		if (owner->device == file->st_dev && owner->inode == file->st_ino)
			return true;
	return false;
}

/* Whose path it is, stands before the message. */
static int busy(struct wf_error *err, pid_t pid)
{
	return error_set(err, ERR(BUSY), "in use by process %ld: stop that server first, or give this one another --store", (long)pid);
}

static int take_file(const char *path, const char *lock_path, struct owner *owner, struct wf_error *err)
{
	struct stat file;
	if (stat(lock_path, &file) == 0 && is_ours(&file))
		return busy(err, getpid());
	owner->fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (owner->fd < 0 || fstat(owner->fd, &file) < 0)
		return error_errno(err, errno, "cannot open %s", lock_path);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	while (fcntl(owner->fd, F_SETLK, &lock) < 0) {
		if (errno != EACCES && errno != EAGAIN)
			return error_errno(err, errno, "cannot lock %s", lock_path);
		struct flock holder = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		if (fcntl(owner->fd, F_GETLK, &holder) < 0)
			return error_errno(err, errno, "cannot look at the lock of %s", lock_path);
		if (holder.l_type != F_UNLCK) /* else it went just now */
			return busy(err, holder.l_pid);
	}
	owner->device = file.st_dev;
	owner->inode = file.st_ino;
	return 0;
}

int owner_take(const char *path, struct owner **ret_owner, struct wf_error *err)
{
	_cleanup_free_ char *lock_path = mem_printf("%s-owner", path);
	struct owner *owner = NEW(struct owner);
	owner->fd = -1;
	pthread_mutex_lock(&mutex);
	int code = take_file(path, lock_path, owner, err);
	if (code == 0) {
		owner->next = owners;
		owners = owner;
		*ret_owner = owner;
	} else {
		if (owner->fd >= 0)
			close(owner->fd);
		free(owner);
	}
	pthread_mutex_unlock(&mutex);
	return code;
}

void owner_release(struct owner *owner)
{
	if (!owner)
		return;
	pthread_mutex_lock(&mutex);
	for (struct owner **link = &owners; *link; link = &(*link)->next)
		if (*link == owner) {
			*link = owner->next;
			break;
		}
	close(owner->fd);
	pthread_mutex_unlock(&mutex);
	free(owner);
}
