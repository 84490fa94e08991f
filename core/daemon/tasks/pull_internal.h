/* What pull.c and pull_transfer.c share. */
#ifndef DTR_DAEMON_PULL_INTERNAL_H
#define DTR_DAEMON_PULL_INTERNAL_H

#include "core/daemon/tasks/task_internal.h"

/* Begins what a FETCH or an ORIGIN asks for; the planner hears at once where that cannot be. */
void pull_begin_transfer(struct dtr_task *task, const struct dtr_plan_action *action);
/* A transfer that runs, by the planner's number; NULL when there is none. */
struct running *pull_find(const struct dtr_task *task, uint32_t id);
/* All of them; each still reports its end. */
void pull_cancel_transfers(struct dtr_task *task);
/* Tells options.piece. */
void pull_tell_piece(struct dtr_task *task, const struct dtr_piece *piece);

#endif
