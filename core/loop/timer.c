/* One-shot timers on a loop; see loop.h. */
#include "core/loop/loop.h"

#include <stdlib.h>

struct dtr_timer {
    uv_timer_t uv;
    void (*fired)(void *context);
    void *context;
};

static void on_fired(uv_timer_t *uv)
{
    struct dtr_timer *timer = uv->data;
    timer->fired(timer->context);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

int dtr_timer_open(struct dtr_loop *loop, void (*fired)(void *context), void *context,
                   struct dtr_timer **ret_timer, struct dtr_error *err)
{
    struct dtr_timer *timer = calloc(1, sizeof(*timer));
    if (!timer)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a timer");
    (void)uv_timer_init(dtr_loop_uv(loop), &timer->uv);
    timer->uv.data = timer;
    timer->fired = fired;
    timer->context = context;
    *ret_timer = timer;
    return DTR_OK;
}

void dtr_timer_set(struct dtr_timer *timer, uint64_t delay_ms)
{
    if (delay_ms == DTR_TIMER_OFF)
        (void)uv_timer_stop(&timer->uv);
    else
        (void)uv_timer_start(&timer->uv, on_fired, delay_ms, 0);
}

void dtr_timer_close(struct dtr_timer *timer)
{
    if (timer)
        uv_close((uv_handle_t *)&timer->uv, on_closed);
}
