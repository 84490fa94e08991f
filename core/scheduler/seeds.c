/* Calls to seed peers: probes of their health, and downloads that they are told to begin. */
#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/obs/log.h"
#include "core/rpc/methods.h"
#include "core/scheduler/role.h"
#include "proto/health.pb-c.h"
#include <stdlib.h>

enum { PROBE_MS = 3000 };

/* One call to one seed, on a channel of its own. */
struct seed_call {
    struct dtr_list link;
    struct dtr_scheduler *scheduler;
    struct dtr_rpc_channel *channel;
    struct dtr_rpc_call *call;
    char *host_id;           /* of a probe */
    char *task_id;           /* of a trigger */
    struct dtr_timer *limit; /* of a trigger: seedPeer.taskDownloadTimeout */
    bool late;               /* which has passed */
};

static void seed_call_free(struct seed_call *seed)
{
    struct dtr_scheduler *scheduler = seed->scheduler;
    dtr_list_remove(&seed->link);
    dtr_timer_close(seed->limit);
    dtr_rpc_channel_close(seed->channel);
    free(seed->host_id);
    free(seed->task_id);
    free(seed);
    role_let_go(scheduler);
}

static struct seed_call *seed_call_new(struct dtr_scheduler *scheduler, const struct dtr_swarm_host *host,
                                       const char *host_id, const char *task_id, struct dtr_error *err)
{
    struct seed_call *seed = calloc(1, sizeof(*seed));
    if (!seed) {
        (void)dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a call to a seed");
        return NULL;
    }
    const struct dtr_swarm_announce *facts = &host->facts;
    const struct dial to = {
        .ip = facts->ip, .port = (uint16_t)facts->port, .proven = facts->proven, .seed = true};
    int rc = dial_host(scheduler, &to, &seed->channel, err);
    seed->scheduler = scheduler;
    dtr_list_add_tail(&scheduler->seed_calls, &seed->link);
    seed->host_id = host_id ? strdup(host_id) : NULL;
    seed->task_id = task_id ? strdup(task_id) : NULL;
    if (rc == DTR_OK && !(host_id ? seed->host_id : seed->task_id))
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a call to a seed");
    if (rc != DTR_OK) {
        seed_call_free(seed);
        return NULL;
    }
    return seed;
}

/* A seed that begins or ceases to serve is news, and so is another reason why it does not. */
static void log_probe(const struct seed_call *seed, bool ok, const char *why)
{
    struct dtr_scheduler *scheduler = seed->scheduler;
    const struct dtr_swarm_host *host = dtr_swarm_find_host(scheduler->swarm, seed->host_id);
    bool before = host && host->seed_usable;
    char text[sizeof(scheduler->seed_said)];
    if (ok && !before)
        dtr_log(DTR_LOG_INFO, NULL, "seed %s serves", seed->host_id);
    if (ok)
        return;
    (void)snprintf(text, sizeof(text), "seed %.200s does not serve: %.256s", seed->host_id, why);
    bool news = before || strcmp(text, scheduler->seed_said) != 0;
    dtr_log(news ? DTR_LOG_WARN : DTR_LOG_DEBUG, NULL, "%s", text);
    memcpy(scheduler->seed_said, text, sizeof(text));
}

static void on_probed(void *context, const struct dtr_rpc_message *response,
                      const struct dtr_rpc_status *status)
{
    struct seed_call *seed = context;
    struct dtr_scheduler *scheduler = seed->scheduler;
    const Grpc__Health__V1__HealthCheckResponse *health = response ? (const void *)response->message : NULL;
    bool ok = health && health->status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    if (!scheduler->closing) {
        log_probe(seed, ok, status->message);
        dtr_swarm_seed_probed(scheduler->swarm, role_now_ms(scheduler), seed->host_id, ok);
        role_drain(scheduler);
    }
    seed_call_free(seed);
}

void seeds_probe(struct dtr_scheduler *scheduler, const struct dtr_swarm_host *host)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    const struct dtr_rpc_call_options options = {.timeout_ms = PROBE_MS};
    struct dtr_error err;
    struct seed_call *seed = seed_call_new(scheduler, host, host->facts.id, NULL, &err);
    if (seed && dtr_rpc_unary(seed->channel, &dtr_rpc_health_check, &request.base, &options, on_probed, seed,
                              &seed->call, &err) == DTR_OK)
        return;
    dtr_log(DTR_LOG_WARN, NULL, "cannot probe seed %s: %s", host->facts.id, err.text);
    dtr_swarm_seed_probed(scheduler->swarm, role_now_ms(scheduler), host->facts.id, false);
    if (seed)
        seed_call_free(seed);
}

/* Piece after piece is told; that the call ends well is all that matters here. */
static void on_trigger_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct seed_call *seed = context;
    struct dtr_scheduler *scheduler = seed->scheduler;
    (void)call;
    if (!scheduler->closing) {
        if (status->code != DTR_RPC_OK)
            dtr_log(DTR_LOG_WARN, NULL, "the seed failed task %s: %s: %s", seed->task_id,
                    dtr_rpc_code_name(status->code),
                    seed->late ? "seedPeer.taskDownloadTimeout has passed" : status->message);
        dtr_swarm_seed_done(scheduler->swarm, role_now_ms(scheduler), seed->task_id,
                            status->code == DTR_RPC_OK);
        role_drain(scheduler);
    }
    seed_call_free(seed);
}

static void on_limit(void *context)
{
    struct seed_call *seed = context;
    seed->late = true;
    dtr_rpc_call_cancel(seed->call);
}

static int start_trigger(struct seed_call *seed, const struct dtr_buf *download, struct dtr_error *err)
{
    static const struct dtr_rpc_events events = {.closed = on_trigger_closed};
    struct dtr_buf *request = wire_seed_request(download->data, download->length);
    if (!request)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "the download description is malformed");
    int rc = dtr_timer_open(seed->scheduler->loop, on_limit, seed, &seed->limit, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_call_start(seed->channel, &dtr_rpc_upload_download_task, NULL, &events, seed,
                                &seed->call, err);
    if (rc == DTR_OK) {
        dtr_timer_set(seed->limit, seed->scheduler->seed_timeout_ms);
        (void)dtr_rpc_call_send_bytes(seed->call, request->data, request->length, NULL);
        dtr_rpc_call_end(seed->call);
    }
    dtr_buf_drop(request);
    return rc;
}

void seeds_trigger(struct dtr_scheduler *scheduler, const struct dtr_swarm_host *host,
                   const struct dtr_swarm_task *task, struct dtr_buf *download)
{
    struct dtr_error err;
    struct seed_call *seed = seed_call_new(scheduler, host, NULL, task->id, &err);
    int rc = !seed ? err.code
             : !download
                 ? dtr_error_set(&err, DTR_EINVALID, DTR_RETRY_NEVER, "no download description is known")
                 : start_trigger(seed, download, &err);
    if (rc == DTR_OK)
        return;
    dtr_log(DTR_LOG_WARN, NULL, "cannot trigger seed %s for task %s: %s", host->facts.id, task->id, err.text);
    dtr_swarm_seed_done(scheduler->swarm, role_now_ms(scheduler), task->id, false);
    if (seed)
        seed_call_free(seed);
}

void seeds_cancel_all(struct dtr_scheduler *scheduler)
{
    dtr_list_each (node, &scheduler->seed_calls) {
        struct seed_call *seed = dtr_container(node, struct seed_call, link);
        dtr_rpc_call_cancel(seed->call);
    }
}
