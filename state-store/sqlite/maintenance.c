/* maintenance.c: the thread for what takes long and hurries nobody: moving the log into the file, and backups.
 *
 * Moving is a PASSIVE checkpoint: neither the writer nor the readers wait for it. While it runs the log grows on, so it goes
 * again until little is left, and then tells the writer to do that little itself (finish_checkpoint). */
#include "state-store/sqlite/sqlite.h"

enum {
	CHECKPOINT_ROUNDS = 4,
	CHECKPOINT_NEAR_PAGES = 256, /* 1 MiB: some milliseconds of the writer's time */
};

void sqlite_want_checkpoint(struct sqlite_store *sqlite)
{
	pthread_mutex_lock(&sqlite->backups.mutex);
	sqlite->checkpoint = CHECKPOINT_WANTED;
	pthread_cond_signal(&sqlite->backups.changed);
	pthread_mutex_unlock(&sqlite->backups.mutex);
}

static enum sqlite_checkpoint checkpoint(struct sqlite_store *sqlite)
{
	for (int i = 0; i < CHECKPOINT_ROUNDS; i++) {
		int in_log = 0, moved = 0;
		int result = sqlite3_wal_checkpoint_v2(sqlite->maintenance.db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);
		/* Busy or failing: the log stays as it is, the next commit asks again. The writer meets a failing disk itself. */
		if (result != SQLITE_OK)
			return CHECKPOINT_NONE;
		if (in_log - moved <= CHECKPOINT_NEAR_PAGES)
			break;
	}
	return CHECKPOINT_NEAR;
}

void *sqlite_maintenance_run(void *data)
{
	struct sqlite_store *sqlite = data;
	struct sqlite_queue *queue = &sqlite->backups;
	pthread_mutex_lock(&queue->mutex);
	for (;;) {
		while (!queue->first && sqlite->checkpoint != CHECKPOINT_WANTED && !queue->stop)
			pthread_cond_wait(&queue->changed, &queue->mutex);
		struct store_request *r = queue->first;
		if (!r && queue->stop)
			break;
		if (r) {
			queue->first = r->next;
			if (!queue->first)
				queue->tail = &queue->first;
		}
		pthread_mutex_unlock(&queue->mutex);
		if (sqlite->checkpoint == CHECKPOINT_WANTED)
			sqlite->checkpoint = checkpoint(sqlite);
		if (r) {
			sqlite_backup(sqlite, r);
			store_post(&sqlite->store, &r->answer);
		}
		pthread_mutex_lock(&queue->mutex);
	}
	pthread_mutex_unlock(&queue->mutex);
	return NULL;
}
