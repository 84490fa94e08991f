/* Worker threads for what blocks: jobs begin in the order they came, each on whatever worker is free. */
#ifndef DTR_LOOP_POOL_H
#define DTR_LOOP_POOL_H

#include "core/base/list.h"
#include "core/loop/loop.h"

struct dtr_pool;

/* Embedded in the caller's object. `run` on a worker, then `done` on `loop` (NULL: no done). */
struct dtr_job {
    struct dtr_list link;
    struct dtr_msg msg;
    struct dtr_loop *loop;
    void (*run)(struct dtr_job *job);
    void (*done)(struct dtr_job *job);
};

/* `limit` bounds the jobs that wait; past it submitting answers DTR_ELIMIT. */
int dtr_pool_new(unsigned threads, size_t limit, struct dtr_pool **ret_pool, struct dtr_error *err);
/* Runs what waits, ends the threads, frees. */
void dtr_pool_free(struct dtr_pool *pool);
/* Any thread. */
int dtr_pool_submit(struct dtr_pool *pool, struct dtr_job *job, struct dtr_error *err);

#endif
