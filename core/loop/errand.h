/* One job that may block for long and whose owner may walk away from it: a thread of its own for each run,
 * none in between; or, for those that come often, a crew's thread. For what nobody can cancel, such as asking
 * the resolver; jobs that end soon belong to pool.h. */
#ifndef DTR_LOOP_ERRAND_H
#define DTR_LOOP_ERRAND_H

#include "core/base/list.h"
#include "core/loop/loop.h"

#include <pthread.h>

/* Threads that the errands of one sort share: `most` at a time, none while there is nothing to do; `room`
 * errands wait in line. Static, so that it outlives the threads, which nobody waits for. */
struct dtr_crew {
    const unsigned most, room;
    pthread_mutex_t lock;
    struct dtr_list line; /* struct dtr_errand.link */
    unsigned waiting, threads;
};

#define DTR_CREW(crew, most_threads, room_in_line)                                                           \
    {                                                                                                        \
        .most = (most_threads), .room = (room_in_line), .lock = PTHREAD_MUTEX_INITIALIZER,                   \
        .line = {&(crew).line, &(crew).line},                                                                \
    }

/* Embedded in an object that belongs to the thread while the job runs: it holds copies of what the job needs,
 * and pointers to nothing that may go. One run for each object. */
struct dtr_errand {
    struct dtr_msg msg;
    struct dtr_loop *loop;
    struct dtr_crew *crew; /* NULL: a thread of its own */
    struct dtr_list link;  /* in the crew's line */
    pthread_mutex_t lock;
    bool abandoned;
    /* On the errand's thread. */
    void (*run)(struct dtr_errand *errand);
    /* On the loop, later: the object is the owner's again. */
    void (*done)(struct dtr_errand *errand);
    /* Instead of `done` when it was abandoned: frees the object. On any thread. */
    void (*drop)(struct dtr_errand *errand);
};

/* Fill the three functions and the crew first. On the loop's thread; after an error nothing is called.
 * DTR_ELIMIT: the crew's line is full. */
int dtr_errand_start(struct dtr_errand *errand, struct dtr_loop *loop, struct dtr_error *err);
/* The owner goes: `drop` comes instead of `done`, at once or long after the loop is gone, and the object is
 * not the owner's from here on. What still waited in line leaves it. On the loop's thread, between start and
 * `done`. */
void dtr_errand_abandon(struct dtr_errand *errand);

#endif
