/* The questions of a plan (jobs/plan.h), asked: calls to daemons, as many at a time as the plan's limits say.
 * Control thread. */
#ifndef DTR_SCHEDULER_WORK_H
#define DTR_SCHEDULER_WORK_H

#include "core/base/str.h"
#include "core/scheduler/jobs/plan.h"
#include "core/scheduler/role.h"

struct work;

/* What is asked, and who hears of it. `context` is the caller's. */
struct work_kind {
    const struct dtr_rpc_method *method;
    uint64_t call_ms; /* unary: for all of a call; streams: until it is answered */
    bool may_lack;    /* NOT_FOUND is an answer like any other, not a failure */
    /* Adds the packed request for one row. */
    void (*request)(void *context, const struct plan_object *object, const struct plan_host *host,
                    struct dtr_str *ret_bytes);
    /* A message of the answer; NULL: nobody wants them. */
    void (*answer)(void *context, size_t row, const struct dtr_rpc_message *message);
    /* Every row is over, and the work is gone when this returns. `late`: not in the time there was. */
    void (*over)(void *context, bool late);
};

/* Begins. `plan` has its grid and outlives the work. `over` comes later, whatever happens. */
int work_begin(struct dtr_scheduler *scheduler, struct plan *plan, const struct work_kind *kind,
               uint64_t timeout_ms, void *context, struct work **ret_work, struct dtr_error *err);
/* What waits fails, what runs is cancelled; `over` follows, later. */
void work_cancel(struct work *work);

#endif
