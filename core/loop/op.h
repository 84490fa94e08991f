/* An operation with a deadline that completes exactly once.
 *
 * Whoever starts something that takes time embeds a struct dtr_op. It completes by dtr_op_finish(), by
 * its deadline or by dtr_op_cancel(), whichever comes first; the others then do nothing. `done` comes on
 * the loop's thread, never from inside dtr_op_start(), dtr_op_finish() or dtr_op_cancel(). */
#ifndef DTR_LOOP_OP_H
#define DTR_LOOP_OP_H

#include "core/loop/loop.h"

struct dtr_op {
    struct dtr_loop *loop;
    struct dtr_timer *timer;
    struct dtr_msg msg;
    struct dtr_error result;
    bool finished; /* the result stands; `done` is on its way or has come */
    /* The outcome: result.code is 0, what dtr_op_finish() said, DTR_ETIMEOUT or DTR_ECANCELLED. The op
     * is over: its memory may be freed. */
    void (*done)(struct dtr_op *op);
    /* Called once before `done` when the deadline or a cancel ends it: stop the work. May be NULL. */
    void (*abandon)(struct dtr_op *op);
};

/* Starts the clock; `timeout_ms` DTR_TIMER_OFF for none. Fill done (and abandon) first. */
int dtr_op_start(struct dtr_op *op, struct dtr_loop *loop, uint64_t timeout_ms, struct dtr_error *err);
/* The work ended: `err` NULL or with code 0 means well. On the loop's thread. */
void dtr_op_finish(struct dtr_op *op, const struct dtr_error *err);
void dtr_op_cancel(struct dtr_op *op);

#endif
