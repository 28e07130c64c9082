/* power_vfs.h: a SQLite VFS over the machine's, and the few calls that the store makes to the folder by itself (open, rename, link, unlink, fsync),
 * under which the power can go. Name: "ratchet-power".
 *
 *     program ──write──► page cache (the real files, which everybody reads)          a list of changes since the last sync, per file
 *                            └──sync──► the disk (kept here, in memory)              the folder's changes since its last sync
 *     power_vfs_cut      nothing gets through any more: every write and sync fails
 *     power_vfs_restore  the files are what the disk may hold: what was synced, and of what was not, anything or nothing
 *
 * What the disk may hold of unsynced changes, drawn from the seed, per file: nothing; all; a prefix of the writes, its last one torn; each sector of 512
 * bytes, or each page of 4,096, at any of the states it had since the last sync (so writes are dropped, reordered and torn); the file at its
 * new length, but with zeros or noise where the data did not arrive. Of the folder's: a prefix of what was done to it, or any of it. The index of the
 * log (-shm) is lost, or noise.
 *
 * One folder is watched at a time. A program that links this needs the linker's --wrap for those calls (tests/store/meson.build). Any thread. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct power_vfs {
	/* Set by the test. */
	atomic_bool syncs_lie; /* a sync of a file does nothing (as synchronous=OFF, or a disk that lies) */
	atomic_bool folder_syncs_lie;
	atomic_int steps_left; /* writes, syncs, truncations and changes of the folder until the power goes, in the midst of one; negative: never */
	/* Told. */
	bool off;
	uint64_t steps, cuts, dropped, torn; /* since the program began; sectors, of unsynced changes */
};
extern struct power_vfs power_vfs;

/* Registers the VFS, once; watches this folder, whose files are taken to be on the disk; the power is on and stays on. */
void power_vfs_begin(const char *folder, uint64_t seed);
bool power_vfs_is_off(void);
/* Whoever has files open goes on in vain; close them before the next call. */
void power_vfs_cut(void);
void power_vfs_restore(void);
/* Watches nothing; frees. */
void power_vfs_end(void);
