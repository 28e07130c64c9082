/* fsync.c: how often this disk makes 4 KiB durable.
 *
 *     fsync FOLDER SECONDS
 *
 * Appends 4 KiB to a file and syncs it (fdatasync), again and again; then the same over space that is already there. Prints one JSON line. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Syncs per second; `room` blocks are written over and over, 0: the file grows. */
static double measure(int fd, double seconds, long room)
{
	static char block[4096];
	long count = 0;
	memset(block, 'x', sizeof block);
	double begin = now_s(), end = begin + seconds, now;
	do {
		off_t at = (off_t)(room ? count % room : count) * (off_t)sizeof block;
		if (pwrite(fd, block, sizeof block, at) != (ssize_t)sizeof block || fdatasync(fd) != 0) {
			perror("fsync");
			exit(1);
		}
		count++;
	} while ((now = now_s()) < end);
	return (double)count / (now - begin);
}

int main(int argc, char **argv)
{
	char path[4096];
	if (argc != 3) {
		fprintf(stderr, "usage: fsync FOLDER SECONDS\n");
		return 2;
	}
	snprintf(path, sizeof path, "%s/fsync.limit", argv[1]);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0) {
		perror(path);
		return 1;
	}
	double append = measure(fd, atof(argv[2]), 0);
	double over = measure(fd, atof(argv[2]), 256);
	close(fd);
	unlink(path);
	printf("{\"append_per_s\": %.0f, \"overwrite_per_s\": %.0f}\n", append, over);
	return 0;
}
