/* The host table, and the counters of modules. */
#include "core/module/host.h"

#include "core/base/clock.h"
#include "core/loop/loop.h"
#include "core/net/conn.h"
#include "core/net/guard.h"
#include "core/net/stream.h"
#include "core/obs/log.h"
#include "core/obs/metric.h"

#include <stdatomic.h>
#include <stdlib.h>

/* Counters of one module. The list only grows, at its head, so any thread may walk it without a lock. */
struct counters {
    struct counters *next;
    const char *module;
    uint32_t count;
    struct dtr_series *series[];
};

static struct counters *all_counters;

static const struct counters *find_counters(const char *module)
{
    const struct counters *at = __atomic_load_n(&all_counters, __ATOMIC_ACQUIRE);
    while (at && strcmp(at->module, module) != 0)
        at = at->next;
    return at;
}

static void host_count(const char *module, uint32_t metric, double amount)
{
    const struct counters *counters = find_counters(module);
    if (counters && metric < counters->count)
        dtr_series_add(counters->series[metric], amount);
}

int dtr_host_metrics(const struct dtr_module *module, struct dtr_error *err)
{
    struct counters *counters;
    uint32_t count = 0;

    while (module->metrics && module->metrics[count].name)
        count++;
    if (count == 0 || find_counters(module->name))
        return DTR_OK;
    counters = calloc(1, sizeof(*counters) + count * sizeof(counters->series[0]));
    if (!counters)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory");
    *counters = (struct counters){.next = all_counters, .module = module->name, .count = count};
    for (uint32_t i = 0; i < count; i++) {
        const struct dtr_metric *metric = &module->metrics[i];
        int status = dtr_metric_module(module->name, metric->name, metric->help, &counters->series[i], err);
        if (status != DTR_OK) {
            free(counters);
            return status;
        }
    }
    __atomic_store_n(&all_counters, counters, __ATOMIC_RELEASE);
    return DTR_OK;
}

static struct dtr_pace *_Atomic limit_in;

static int host_connect(struct dtr_loop *loop, const struct sockaddr *address, uint64_t connect_ms,
                        const struct dtr_stream_events *events, void *context, struct dtr_stream **ret_stream,
                        struct dtr_error *err)
{
    struct dtr_pace *limit = atomic_load(&limit_in);
    int rc = dtr_stream_connect(loop, address, connect_ms, events, context, ret_stream, err);
    if (rc == DTR_OK && limit)
        dtr_stream_pace(*ret_stream, limit, NULL);
    return rc;
}

static struct dtr_host table = {
    .size = sizeof(table),
    .log = dtr_log_module,
    .now_ns = dtr_now_ns,
    .stream_connect = host_connect,
    .stream_adopt = dtr_stream_adopt,
    .stream_read = dtr_stream_read,
    .stream_write = dtr_stream_write,
    .stream_send = dtr_stream_send,
    .stream_end = dtr_stream_end,
    .stream_deadline = dtr_stream_deadline,
    .stream_close = dtr_stream_close,
    .stream_loop = dtr_stream_loop,
    .stream_peer = dtr_stream_peer,
    .watch_open = dtr_watch_open,
    .watch_set = dtr_watch_set,
    .watch_close = dtr_watch_close,
    .timer_open = dtr_timer_open,
    .timer_set = dtr_timer_set,
    .timer_close = dtr_timer_close,
    .guard_allows = dtr_guard_allows,
    .count = host_count,
    .conn_dial = dtr_conn_dial,
    .conn_read = dtr_conn_read,
    .conn_write = dtr_conn_write,
    .conn_close = dtr_conn_close,
};

const struct dtr_host *dtr_host_table(void)
{
    return &table;
}

void dtr_host_pace(struct dtr_pace *in)
{
    atomic_store(&limit_in, in);
}

void dtr_host_serve(int (*ask)(struct dtr_service *service, struct dtr_loop *loop, const char *task_id,
                               uint32_t piece_number,
                               void (*answered)(void *context, const struct dtr_answer *), void *context,
                               struct dtr_question **ret_question, struct dtr_error *err),
                    void (*cancel)(struct dtr_question *question))
{
    table.service_ask = ask;
    table.question_cancel = cancel;
}
