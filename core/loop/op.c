/* Operations with a deadline; see op.h. */
#include "core/loop/op.h"

#include "core/base/list.h"

static void deliver(struct dtr_msg *msg)
{
    struct dtr_op *op = dtr_container(msg, struct dtr_op, msg);
    op->done(op);
}

/* The first end wins; later ones find `finished` set. */
static bool settle(struct dtr_op *op)
{
    if (op->finished)
        return false;
    op->finished = true;
    dtr_timer_close(op->timer);
    op->timer = NULL;
    return true;
}

static void abandon(struct dtr_op *op, int code)
{
    if (!settle(op))
        return;
    (void)dtr_error_set(&op->result, code, DTR_RETRY_SAME, "%s", dtr_code_text(code));
    if (op->abandon)
        op->abandon(op);
    dtr_loop_post(op->loop, &op->msg);
}

static void on_deadline(void *context)
{
    abandon(context, DTR_ETIMEOUT);
}

int dtr_op_start(struct dtr_op *op, struct dtr_loop *loop, uint64_t timeout_ms, struct dtr_error *err)
{
    op->loop = loop;
    op->timer = NULL;
    op->finished = false;
    op->result = (struct dtr_error){0};
    op->msg.run = deliver;
    if (timeout_ms == DTR_TIMER_OFF)
        return DTR_OK;
    int rc = dtr_timer_open(loop, on_deadline, op, &op->timer, err);
    if (rc == DTR_OK)
        dtr_timer_set(op->timer, timeout_ms);
    return rc;
}

void dtr_op_finish(struct dtr_op *op, const struct dtr_error *err)
{
    if (!settle(op))
        return;
    if (err)
        op->result = *err;
    dtr_loop_post(op->loop, &op->msg);
}

void dtr_op_cancel(struct dtr_op *op)
{
    abandon(op, DTR_ECANCELLED);
}
