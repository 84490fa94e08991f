/* What the pull_log*.c files share. */
#ifndef DTR_DAEMON_PULL_LOG_INTERNAL_H
#define DTR_DAEMON_PULL_LOG_INTERNAL_H

#include "core/daemon/tasks/task_internal.h"
#include "core/obs/log.h"

enum { PULL_ID_BYTES = 4, PULL_PEERS = 16 };

#define PULL_STANDARD "0" /* common.v2.TaskType, as metrics label it */

struct pull_log {
    char id[2 * PULL_ID_BYTES + 1];
    bool over;                  /* its end was told */
    bool sent_to_source;        /* by the scheduler */
    bool answered;              /* it named parents */
    const char *source_why;     /* as it was told last */
    struct journal_pull *story; /* NULL: the journal has no room */
    uint64_t began_ms;
    uint64_t length; /* what the first reader wanted; DTR_LENGTH_UNKNOWN: the rest */
    uint64_t from_origin, from_peers;
    char peers[PULL_PEERS][DTR_ADDR_TEXT]; /* who brought pieces, the first of them */
    uint32_t peer_count;
    struct dtr_series *running;
};

/* One line for the log, and the same for the journal. */
__attribute__((format(printf, 4, 5))) void pull_log_tell(const struct pull_log *log, enum dtr_log_level level,
                                                         enum journal_kind kind, const char *format, ...);
/* The row of a parent in the journal, NULL when there is none, as the planner sees the parent now. */
struct journal_giver *pull_log_giver(const struct dtr_task *task, uint32_t parent);
/* The planner said that all is there, or why not. */
void pull_log_done(struct dtr_task *task);
void pull_log_failed(struct dtr_task *task, const struct dtr_error *err);

#endif
