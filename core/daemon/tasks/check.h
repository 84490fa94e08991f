/* The digest of a whole task, and who is to blame when it is wrong; for the files of a task only.
 * Control thread. */
#ifndef DTR_DAEMON_CHECK_H
#define DTR_DAEMON_CHECK_H

#include "core/daemon/tasks/task_internal.h"

/* check.c */
/* The task has a digest, and whether its bytes have it is not known yet. */
bool check_owed(const struct dtr_task *task);
/* A worker reads the copy. */
bool check_running(const struct dtr_task *task);
/* Hashes what has become readable; when that was all, says what came of it, from inside this call too. */
void check_advance(struct dtr_task *task);
/* The answer to the planner's CHECK is on its way when this returns. */
void check_whole(struct dtr_task *task);
/* Before the copy is closed; not while a worker reads it. */
void check_end(struct dtr_task *task);

/* suspect.c */
/* A piece came from this peer. */
void suspects_gave(struct dtr_task *task, uint32_t piece, const char *from);
/* All that is there is wrong somewhere: remembers it, before it is taken off the task. */
void suspects_take(struct dtr_task *task);
/* A piece came from the origin: whoever gave another one before lied. */
void suspects_compare(struct dtr_task *task, const struct dtr_piece *piece);
/* Pieces are compared: the next pull is to come from the origin. */
bool suspects_watched(const struct dtr_task *task);
void suspects_free(struct dtr_task *task);

#endif
