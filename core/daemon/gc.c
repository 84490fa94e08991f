/* See gc.h. */
#include "core/daemon/gc.h"

#include <stdlib.h>

struct gc {
    struct dtr_daemon *daemon;
    struct dtr_timer *timer;
};

static void on_timer(void *context)
{
    struct gc *gc = context;
    const struct dtr_daemon_config *config = gc->daemon->config;
    const struct dtr_clean_policy policy = {
        .ttl_ms = config->gc.policy.task_ttl_ms,
        .threshold = config->gc.policy.disk_threshold,
        .high = (unsigned)config->gc.policy.disk_high_threshold_percent,
        .low = (unsigned)config->gc.policy.disk_low_threshold_percent,
        .page_cache_idle_ms = config->gc.policy.page_cache_idle_timeout_ms,
    };
    dtr_tasks_clean(gc->daemon->tasks, &policy);
    dtr_timer_set(gc->timer, config->gc.interval_ms);
}

int gc_new(struct dtr_daemon *daemon, struct gc **ret_gc, struct dtr_error *err)
{
    struct gc *gc = calloc(1, sizeof(*gc));
    if (!gc)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for cleaning the store");
    gc->daemon = daemon;
    int rc = dtr_timer_open(daemon->parts.control, on_timer, gc, &gc->timer, err);
    if (rc != DTR_OK) {
        free(gc);
        return rc;
    }
    dtr_timer_set(gc->timer, 0);
    *ret_gc = gc;
    return DTR_OK;
}

void gc_soon(struct gc *gc)
{
    dtr_timer_set(gc->timer, 0);
}

void gc_close(struct gc *gc)
{
    if (!gc)
        return;
    dtr_timer_close(gc->timer);
    free(gc);
}
