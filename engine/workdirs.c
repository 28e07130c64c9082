/* workdirs.c: the folders in which executions' tasks work go when their executions are beyond their retention.
 *
 * The folder of all of them is read through a few entries at a time; one whose execution is no longer in the store is
 * removed. */
#include "engine/runtime.h"
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FOLDERS_AT_ONCE 32
#define FOLDERS_OPEN 16 /* descriptors while one is removed */

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)remove(path); /* what cannot go stays for the next time */
	return 0;
}

static void remove_folder(const char *path)
{
	nftw(path, remove_entry, FOLDERS_OPEN, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void on_found(void *data, const struct store_execution *rows, uint32_t count, int code,
		     const struct wf_error *err)
{
	void *path_data;
	struct engine *engine = errand_done(data, &path_data);
	_cleanup_free_ char *path = path_data;
	if (engine && (code == ERR(NOT_FOUND) || (code == 0 && count == 0)))
		remove_folder(path);
}

/* Tasks that belonged to no execution have one folder together. */
static void remove_trials(struct engine *engine)
{
	_cleanup_free_ char *path = mem_printf("%s/%llx", engine->work_root, (unsigned long long)TRIAL_EXECUTION);
	if (!engine->dispatch.trials_open)
		remove_folder(path);
}

/* The id that a folder is named by; 0 if it is none of ours. */
static uint64_t id_of(const char *name)
{
	char *end, again[24];
	uint64_t id = strtoull(name, &end, 16);
	snprintf(again, sizeof again, "%llx", (unsigned long long)id);
	return *end || strcmp(name, again) != 0 ? 0 : id;
}

void workdirs_sweep(struct engine *engine)
{
	if (!engine->work_root || (!engine->sweep && !(engine->sweep = opendir(engine->work_root))))
		return;
	for (int i = 0; i < FOLDERS_AT_ONCE; i++) {
		const struct dirent *entry = readdir(engine->sweep);
		if (!entry) {
			closedir(TAKE(engine->sweep)); /* from the beginning the next time */
			return;
		}
		uint64_t id = id_of(entry->d_name);
		if (id == TRIAL_EXECUTION)
			remove_trials(engine);
		/* Only those of earlier times: a row may still be on its way to the store. */
		if (id && !cache_find(engine, id) && id >> 8 <= engine->last_execution)
			store_find(engine->store, id, on_found,
				   errand_new(engine, mem_printf("%s/%s", engine->work_root, entry->d_name)));
	}
}
