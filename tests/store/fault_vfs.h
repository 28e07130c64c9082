/* fault_vfs.h: a SQLite VFS over the machine's that counts what is done to files, and fails or dies at a chosen point. Name: "ratchet-fault". */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>

struct fault_vfs {
	atomic_int writes_left; /* writes until the disk is full; negative: never */
	atomic_bool writes_fail, reads_fail, syncs_fail; /* as EIO; reads of the database and its log */
	atomic_int steps_left; /* writes, syncs, truncations, deletions until the process kills itself; negative: never */
	atomic_int syncs; /* done so far */
};
extern struct fault_vfs fault_vfs;

/* Registers it, once, and takes all faults away. */
void fault_vfs_reset(void);
