/* The gauges of version and disk; see counts.h. The store is asked on a data thread, as a disk may be slow;
 * the one message goes there and comes back, so that the control loop knows when nothing is under way. */
#include "core/base/list.h"
#include "core/daemon/tasks/counts.h"
#include "core/obs/build.h"
#include "core/obs/metric.h"

#include <stdlib.h>

enum { EVERY_MS = 10000 };

struct gauges {
    struct dtr_daemon *daemon;
    struct dtr_timer *timer;
    struct dtr_msg msg;
    bool asked, closing;
};

static void read_disk(const struct dtr_daemon *daemon)
{
    const struct dtr_storage_ops *ops = daemon->storage.feature->ops;
    uint64_t total, used;
    if (ops->usage(daemon->storage.instance, &total, &used, NULL) != DTR_OK)
        return;
    dtr_metric_set(DTR_CLIENT_DISK_SPACE, NULL, (double)total);
    dtr_metric_set(DTR_CLIENT_DISK_USAGE_SPACE, NULL, (double)used);
}

/* Control loop. */
static void on_read(struct dtr_msg *msg)
{
    struct gauges *gauges = dtr_container(msg, struct gauges, msg);
    gauges->asked = false;
    if (gauges->closing)
        free(gauges);
    else
        dtr_timer_set(gauges->timer, EVERY_MS);
}

/* Data loop. */
static void on_ask(struct dtr_msg *msg)
{
    struct gauges *gauges = dtr_container(msg, struct gauges, msg);
    read_disk(gauges->daemon);
    msg->run = on_read;
    dtr_loop_post(gauges->daemon->parts.control, msg);
}

static void on_timer(void *context)
{
    struct gauges *gauges = context;
    gauges->asked = true;
    gauges->msg.run = on_ask;
    dtr_loop_post(gauges->daemon->parts.data[0], &gauges->msg);
}

int gauges_new(struct dtr_daemon *daemon, struct gauges **ret_gauges, struct dtr_error *err)
{
    struct gauges *gauges = calloc(1, sizeof(*gauges));
    char platform[DTR_METRIC_PLATFORM];
    if (!gauges)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for gauges");
    gauges->daemon = daemon;
    int rc = dtr_timer_open(daemon->parts.control, on_timer, gauges, &gauges->timer, err);
    if (rc != DTR_OK) {
        free(gauges);
        return rc;
    }
    dtr_metric_set(
        DTR_CLIENT_VERSION,
        DTR_LABELS(DTR_VERSION, dtr_build_commit(), dtr_metric_platform(platform), dtr_build_time()), 1);
    read_disk(daemon);
    dtr_timer_set(gauges->timer, EVERY_MS);
    *ret_gauges = gauges;
    return DTR_OK;
}

void gauges_close(struct gauges *gauges)
{
    if (!gauges)
        return;
    dtr_timer_close(gauges->timer);
    gauges->closing = true;
    if (!gauges->asked)
        free(gauges); /* else when its message comes back */
}
