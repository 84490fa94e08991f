/* Asking one scheduler one thing. On the loop. */
#ifndef DTR_MANAGER_JOBS_ASK_H
#define DTR_MANAGER_JOBS_ASK_H

#include "core/manager/jobs/answer.h"
#include "core/manager/jobs/dial.h"

struct asking;

/* What it said; valid during the call. `hosts` are a ListHostsResponse's bytes, for ASK_HOSTS only. */
typedef void ask_done(void *context, const struct answer *answer, const uint8_t *hosts, size_t length);

/* `done` comes once, later, unless it is cancelled. Of `ask`, what it points to lives on until then. */
int ask_start(struct dial *dial, const struct job_target *target, const struct ask *ask, ask_done *done,
              void *context, struct asking **ret_asking, struct dtr_error *err);
/* `done` does not come any more. */
void ask_cancel(struct asking *asking);

#endif
