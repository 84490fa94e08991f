/* One job that may block for long and whose owner may walk away from it: a thread of its own for each run,
 * none in between. For what nobody can cancel, such as asking the resolver; jobs that end soon and come often
 * belong to pool.h. */
#ifndef DTR_LOOP_ERRAND_H
#define DTR_LOOP_ERRAND_H

#include "core/loop/loop.h"

#include <pthread.h>

/* Embedded in an object that belongs to the thread while the job runs: it holds copies of what the job needs,
 * and pointers to nothing that may go. One run for each object. */
struct dtr_errand {
    struct dtr_msg msg;
    struct dtr_loop *loop;
    pthread_mutex_t lock;
    bool abandoned;
    /* On the errand's own thread. */
    void (*run)(struct dtr_errand *errand);
    /* On the loop, later: the object is the owner's again. */
    void (*done)(struct dtr_errand *errand);
    /* Instead of `done` when it was abandoned: frees the object. On any thread. */
    void (*drop)(struct dtr_errand *errand);
};

/* Fill the three functions first. On the loop's thread; after an error nothing is called. */
int dtr_errand_start(struct dtr_errand *errand, struct dtr_loop *loop, struct dtr_error *err);
/* The owner goes: `drop` comes instead of `done`, perhaps long after the loop is gone, and the object is not
 * the owner's from here on. On the loop's thread, between start and `done`. */
void dtr_errand_abandon(struct dtr_errand *errand);

#endif
