/* What is told of a pull: log lines under an id of its own, the same in the journal (journal.h), and the
 * metrics of downloads. Control thread.
 *
 * At info a pull has a few lines: that it begins, what the scheduler answers, how it ends. At debug come
 * parents and failed pieces, at warn what somebody outside did wrong. The id stands in the peer id that a
 * scheduler gets, so that its log lines about this pull carry it too. */
#ifndef DTR_DAEMON_PULL_LOG_H
#define DTR_DAEMON_PULL_LOG_H

#include "core/daemon/tasks/task.h"

struct pull_log;
struct running;

/* A pull was begun for this reader. Without memory it goes on untold. */
void pull_log_begin(struct dtr_task *task, const struct dtr_reader *first);
/* The pull is gone, told or not: forgets it. */
void pull_log_end(struct dtr_task *task);
/* Another reader joined. */
void pull_log_join(const struct dtr_task *task, const struct dtr_reader *reader);
/* Whether and why the origin is asked: told when that has changed. Before and after actions. */
void pull_log_look(struct dtr_task *task);
/* Before the action is carried out. */
void pull_log_action(struct dtr_task *task, const struct dtr_plan_action *action);
/* Before the planner hears of it. */
void pull_log_report(const struct running *running, const struct dtr_report *report);
/* The scheduler's answer, or that it cannot be had. */
void pull_log_answer(const struct dtr_task *task, const struct dtr_plan_answer *answer);
void pull_log_scheduler_lost(const struct dtr_task *task, const struct dtr_error *err);
/* A parent says no more; code 0: it has said all. */
void pull_log_parent_ended(const struct dtr_task *task, uint32_t parent, const struct dtr_error *err);

#endif
