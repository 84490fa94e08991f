/* What the calls of jobs share: whether they are taken, who the hosts are, and what a request is about.
 * Control thread. */
#ifndef DTR_SCHEDULER_JOB_H
#define DTR_SCHEDULER_JOB_H

#include "core/scheduler/role.h"
#include "core/scheduler/wish.h"
#include "core/scheduler/work.h"

enum {
    JOB_ASK_MS = 10000,   /* a question to a host */
    JOB_FETCH_MS = 60000, /* until a host says that it fetches */
    JOB_ASKS_MOST = 256,  /* scheduler.asks; twice what two managers have under way */
};

/* Whether jobs are taken (job.enable); else the call has ended. */
bool job_taken(const struct dtr_scheduler *scheduler, struct dtr_rpc_call *call);
/* The same for a call that asks all hosts, of which there may be JOB_ASKS_MOST at once. True: it is one of
 * them until job_asked(). */
bool job_may_ask(struct dtr_scheduler *scheduler, struct dtr_rpc_call *call);
void job_asked(struct dtr_scheduler *scheduler);
/* Whether it is long enough since the start that all hosts have come back; DTR_EUNAVAILABLE: a preheat would
 * end well without the others. */
int job_knows_hosts(const struct dtr_scheduler *scheduler, struct dtr_error *err);
/* Ends a call with what fits the error: the lack of a module is FAILED_PRECONDITION. */
void job_fail(struct dtr_rpc_call *call, const struct dtr_error *err);
/* Answers with a message written by hand, and frees that. The call ends, with an error where the answer is
 * more than callers take. */
void job_reply(struct dtr_rpc_call *call, struct dtr_str *message);
/* Adds a host, or all that announced themselves. */
int job_add_host(const struct dtr_scheduler *scheduler, const struct dtr_swarm_host *host, struct plan *plan,
                 uint32_t *ret_host, struct dtr_error *err);
int job_add_hosts(const struct dtr_scheduler *scheduler, struct plan *plan, struct dtr_error *err);
/* Adds the object of one URL. */
int job_add_url(const struct wish *wish, const char *url, struct plan *plan, struct dtr_error *err);
/* What hosts say about a task. */
enum job_held { JOB_LACKS, JOB_HOLDS_PART, JOB_HOLDS };
/* The first member of who asks them for it, by work with these two functions. */
struct job_ask {
    struct dtr_scheduler *scheduler;
    uint8_t *held; /* enum job_held by row */
};
/* work_kind.request: a StatLocalTaskRequest or a DeleteTaskRequest, which look alike. */
void job_ask_held(void *context, const struct plan_object *object, const struct plan_host *host,
                  struct dtr_str *ret_bytes);
/* work_kind.answer: of StatLocalTask. */
void job_take_held(void *context, size_t row, const struct dtr_rpc_message *message);

/* --- gather.c: what a request is about ------------------------------------------------------------------ */

struct gather;

/* Once, later: with err->code 0 the plan has the objects, and `headers` (valid during the call) are what a
 * request for them needs. The gathering is gone when it returns. */
typedef void gather_done(void *context, const struct dtr_header *headers, size_t header_count,
                         const struct dtr_error *err);

/* Finds the blobs of an image (`image`), the files of a folder, or the one file. `wish` and `plan` outlive
 * it. */
int gather_begin(struct dtr_scheduler *scheduler, const struct wish *wish, bool image, struct plan *plan,
                 gather_done *done, void *context, struct gather **ret_gather, struct dtr_error *err);
/* `done` follows, later, with DTR_ECANCELLED or what it came to. */
void gather_cancel(struct gather *gather);

#endif
