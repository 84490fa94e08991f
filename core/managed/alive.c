/* The stream and its messages; see alive.h. */
#include "core/managed/alive.h"

#include "core/base/clock.h"
#include "core/loop/loop.h"

#include <stdlib.h>
#include <string.h>

enum {
    RETRY_MS = 1000,
    RETRY_MOST_MS = 30000,
    LIVED_MS = 10000,
    REFUSALS_MOST = 4, /* streams in a row that the manager ended soon, for whatever reason */
};

struct dtr_alive {
    struct dtr_alive_options options;
    struct dtr_timer *timer; /* the next message */
    struct dtr_rpc_call *stream;
    uint64_t cluster_id, begun_ms; /* of the stream */
    unsigned broken;               /* streams in a row that ended soon */
    bool known;                    /* a stream of this cluster was begun, and nothing else was said since */
    bool stopping;
    void (*stopped)(void *context);
    void *stopped_context;
};

static void beat(void *context)
{
    struct dtr_alive *alive = context;
    Manager__V2__KeepAliveRequest request = MANAGER__V2__KEEP_ALIVE_REQUEST__INIT;
    if (!alive->stream)
        return;
    request.source_type = alive->options.source;
    request.hostname = (char *)(uintptr_t)alive->options.hostname;
    request.cluster_id = alive->cluster_id;
    request.ip = (char *)(uintptr_t)alive->options.ip;
    /* One that cannot go is as one missed. */
    (void)dtr_rpc_call_send(alive->stream, &request.base, NULL);
    dtr_timer_set(alive->timer, alive->options.interval_ms);
}

/* NOT_FOUND, or what Dragonfly's manager says of a row that is gone (INTERNAL); in any other words when
 * nothing else helps. */
static bool is_forgotten(const struct dtr_alive *alive, const struct dtr_rpc_status *status)
{
    if (!status->remote || status->code == DTR_RPC_OK)
        return false;
    return status->code == DTR_RPC_NOT_FOUND || strstr(status->message, "record not found") ||
           alive->broken >= REFUSALS_MOST;
}

/* A manager that ends every stream is not told more often than it can bear. */
static uint64_t pause_ms(const struct dtr_alive *alive)
{
    uint64_t pause_ms = RETRY_MS;
    for (unsigned i = 1; i < alive->broken && pause_ms < RETRY_MOST_MS; i++)
        pause_ms *= 2;
    return pause_ms;
}

static void on_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct dtr_alive *alive = context;
    struct dtr_error err = {0};
    (void)call;
    alive->stream = NULL;
    dtr_timer_set(alive->timer, DTR_TIMER_OFF);
    if (alive->stopping) {
        alive->stopping = false;
        if (alive->stopped)
            alive->stopped(alive->stopped_context);
        return;
    }
    alive->broken = dtr_now_ms() - alive->begun_ms < LIVED_MS ? alive->broken + 1 : 0;
    alive->known = !is_forgotten(alive, status);
    if (dtr_rpc_status_error(status, "KeepAlive", &err) == DTR_OK)
        (void)snprintf(err.text, sizeof(err.text), "KeepAlive: ended by the manager");
    alive->options.ended(alive->options.context, err.text);
    dtr_uplink_soon(alive->options.uplink, pause_ms(alive));
}

int dtr_alive_new(const struct dtr_alive_options *options, struct dtr_alive **ret_alive,
                  struct dtr_error *err)
{
    struct dtr_alive *alive = calloc(1, sizeof(*alive));
    if (!alive)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for signs of life");
    alive->options = *options;
    int rc = dtr_timer_open(options->loop, beat, alive, &alive->timer, err);
    if (rc != DTR_OK) {
        free(alive);
        return rc;
    }
    *ret_alive = alive;
    return DTR_OK;
}

int dtr_alive_start(struct dtr_alive *alive, uint64_t cluster_id, struct dtr_error *err)
{
    static const struct dtr_rpc_events events = {.closed = on_closed};
    int rc = dtr_uplink_stream(alive->options.uplink, &dtr_rpc_manager_keep_alive, &events, alive,
                               &alive->stream, err);
    if (rc != DTR_OK) {
        alive->stream = NULL;
        return rc;
    }
    alive->cluster_id = cluster_id;
    alive->known = true;
    alive->begun_ms = dtr_now_ms();
    beat(alive); /* from the first one on it counts as active */
    return DTR_OK;
}

bool dtr_alive_goes(const struct dtr_alive *alive)
{
    return alive && alive->stream;
}

bool dtr_alive_known(const struct dtr_alive *alive, uint64_t cluster_id)
{
    return alive && alive->known && alive->cluster_id == cluster_id;
}

void dtr_alive_stop(struct dtr_alive *alive, void (*stopped)(void *context), void *context)
{
    if (!dtr_alive_goes(alive)) {
        if (stopped)
            stopped(context);
        return;
    }
    if (!alive->stopping)
        dtr_rpc_call_cancel(alive->stream);
    alive->stopping = true;
    alive->stopped = stopped;
    alive->stopped_context = context;
}

void dtr_alive_free(struct dtr_alive *alive)
{
    if (!alive)
        return;
    dtr_timer_close(alive->timer);
    free(alive);
}
