/* The runner of jobs: takes those that are due from the database, runs a bounded number of them at once, and
 * writes down how they go on. Several managers share the work: each job is run by one at a time.
 *
 * On the manager's loop, except where it is said. */
#ifndef DTR_MANAGER_JOBS_JOBS_H
#define DTR_MANAGER_JOBS_JOBS_H

#include "core/loop/pool.h"
#include "core/manager/jobs/dial.h"
#include "core/manager/jobs/request.h"
#include "core/manager/store/store.h"

enum {
    JOBS_LONG_MOST = 64,   /* preheats at once */
    JOBS_QUICK_MOST = 64,  /* other jobs */
    JOBS_ROUND_MS = 1000,  /* between two looks at the database, and two notes of one job */
    JOBS_LEASE_MS = 15000, /* without a sign of life, of time in which another manager looked: that one takes
                              the job over */
};

struct jobs;

struct jobs_options {
    struct dtr_loop *loop;
    struct dtr_pool *pool;
    struct store *store;
    struct dtr_tls *tls;    /* towards schedulers; NULL: plain */
    struct job_trust trust; /* copied, but not the bytes of certificates */
    dial_hears *hears;      /* whether a scheduler is alive from this address; NULL: nobody knows */
    void *context;          /* of `hears` */
    uint64_t sync_every_ms; /* job.syncPeers; 0: only when it is asked for */
    uint64_t sync_timeout_ms;
    size_t sync_batch;
    /* For tests; 0: as above. */
    uint64_t round_ms, lease_ms, pause_ms;
    size_t most;
};

/* Before the loop runs, or on it. `options` are copied. */
int jobs_new(const struct jobs_options *options, struct jobs **ret_jobs, struct dtr_error *err);
/* There is news about jobs in the database: it is looked at at once. Any thread. */
void jobs_wake(struct jobs *jobs);
/* The manager stops soon: who waits for a job, or will, is told so at once. */
void jobs_leave(struct jobs *jobs);
/* Gives its jobs back, then `closed` comes, later, and it is gone. Nobody wakes it any more. */
void jobs_close(struct jobs *jobs, void (*closed)(void *context), void *context);

/* One whose loop has not run. NULL is fine. */
void jobs_free(struct jobs *jobs);

/* Somebody waits for the end of a job, whoever runs it; embedded in the caller's object. */
struct jobs_waiter {
    struct dtr_list link;
    int64_t id;
    /* It is over, or deleted, or this manager stops: then from inside jobs_leave(), or jobs_await(). */
    void (*over)(struct jobs_waiter *waiter);
};
void jobs_await(struct jobs *jobs, struct jobs_waiter *waiter);
/* `over` does not come any more. Also after it came. */
void jobs_forget(struct jobs_waiter *waiter);

#endif
