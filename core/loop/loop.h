/* Event loop threads, timers and the posting of messages between them.
 *
 * A dtr_loop is a libuv loop with a thread of its own. Objects belong to one loop; other threads reach
 * them by dtr_loop_post(). Messages are intrusive: the sender embeds a struct dtr_msg in the object that
 * travels, so posting allocates nothing and cannot fail, and the queue is bounded by the objects there
 * are. A message may be posted again only after it ran. */
#ifndef DTR_LOOP_LOOP_H
#define DTR_LOOP_LOOP_H

#include <darter/host.h>
#include <uv.h>

struct dtr_msg {
    struct dtr_msg *next;
    void (*run)(struct dtr_msg *msg); /* on the loop's thread; may free the object that holds msg */
};

/* Makes a loop that does not run yet. `name` (15 characters at most) names its thread. */
int dtr_loop_new(const char *name, struct dtr_loop **ret_loop, struct dtr_error *err);
/* Runs it on a new thread. */
int dtr_loop_start(struct dtr_loop *loop, struct dtr_error *err);
/* Runs it on the calling thread until dtr_loop_stop(). */
void dtr_loop_run(struct dtr_loop *loop);
/* Runs one turn on the calling thread: for tests and tools that step a loop by hand. With `wait` it
 * waits for the first event. */
void dtr_loop_turn(struct dtr_loop *loop, bool wait);
/* Makes the loop end after the messages posted before it. Any thread; more than once is harmless. */
void dtr_loop_stop(struct dtr_loop *loop);
/* Waits for the thread of a started loop to end. */
void dtr_loop_join(struct dtr_loop *loop);
/* Frees a loop that does not run. What still hangs on it is closed, messages in the queue are run. */
void dtr_loop_free(struct dtr_loop *loop);

/* Hands a message over; it runs on the loop's thread, later, never inside this call; messages of one
 * sender keep their order. Any thread. */
void dtr_loop_post(struct dtr_loop *loop, struct dtr_msg *msg);
/* Whether the caller is on the loop's thread. */
bool dtr_loop_here(const struct dtr_loop *loop);
/* Milliseconds, as of the start of this turn of the loop. On the loop's thread. */
uint64_t dtr_loop_now_ms(const struct dtr_loop *loop);
uv_loop_t *dtr_loop_uv(struct dtr_loop *loop);
/* Scratch memory of DTR_LOOP_SCRATCH bytes for reads on this thread; its content lasts until the
 * callback returns. */
#define DTR_LOOP_SCRATCH ((size_t)256 << 10)
uint8_t *dtr_loop_scratch(struct dtr_loop *loop);

/* One-shot timer: dtr_timer_set() arms or re-arms, DTR_TIMER_OFF disarms. On the loop's thread.
 * Closing frees it; no call follows. NULL is fine. */
int dtr_timer_open(struct dtr_loop *loop, void (*fired)(void *context), void *context,
                   struct dtr_timer **ret_timer, struct dtr_error *err);
void dtr_timer_set(struct dtr_timer *timer, uint64_t delay_ms);
void dtr_timer_close(struct dtr_timer *timer);

/* Readiness of a descriptor owned by somebody else (see host.h for the contract). */
int dtr_watch_open(struct dtr_loop *loop, int fd, void (*ready)(void *context, int events), void *context,
                   struct dtr_watch **ret_watch, struct dtr_error *err);
void dtr_watch_set(struct dtr_watch *watch, int events);
void dtr_watch_close(struct dtr_watch *watch);

#endif
