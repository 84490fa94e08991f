/* What an earlier process stored is read again, and its CRC-32 held against the index, before the first byte
 * of it is given to anybody; and while nothing goes on, all that is stored is. Control thread.
 *
 * Bytes that are held but not yet read are in dtr_task.owed. After a crash of the machine
 * (dtr_task.unchecked) such pieces are not offered either: the data may be older than the index.
 *
 * Not for what comes in: the writers check that (copy.h). */
#ifndef DTR_DAEMON_PROOF_H
#define DTR_DAEMON_PROOF_H

#include "core/daemon/tasks/task_internal.h"

/* proof.c */
/* End of the run of bytes from `at` on that may be given out; `at` when there is none. */
uint64_t proof_run(const struct dtr_task *task, uint64_t at);
/* Pieces are still to be read. */
bool proof_owed(const struct dtr_task *task);
/* A worker reads one. */
bool proof_running(const struct dtr_task *task);
/* Reads the next piece that somebody waits for, when the copy is open: one that a peer asked for, one within
 * the range of a reader, any while a pull waits for all of them, the scrub's. */
void proof_advance(struct dtr_task *task);
/* The task has other bytes now, or goes. */
void proof_forget(struct dtr_task *task);

/* scrub.c */
int scrub_new(struct dtr_tasks *tasks, struct dtr_error *err);
void scrub_close(struct dtr_tasks *tasks);
/* A piece was read, the scrub's or another. */
void scrub_read(struct dtr_task *task, uint32_t number, uint64_t length);
/* The task goes, or cannot be opened. */
void scrub_forget(struct dtr_task *task);

#endif
