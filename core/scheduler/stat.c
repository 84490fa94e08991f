/* StatImage and StatFile: every host is asked which of the objects it holds. */
#include "core/obs/metric.h"
#include "core/rpc/methods.h"
#include "core/scheduler/job.h"
#include <stdlib.h>

/* Numbers of the fields of StatImageResponse and StatFileResponse; their PeerImage and PeerFile, Layer and
 * File look alike. */
struct layout {
    bool image;
    uint32_t objects; /* a message with the list of what there is; 0: none */
    uint32_t peers;
    enum dtr_metric_id calls, failures;
};
static const struct layout of_image = {
    .image = true,
    .objects = 1,
    .peers = 2,
    .calls = DTR_SCHEDULER_STAT_IMAGE,
    .failures = DTR_SCHEDULER_STAT_IMAGE_FAILURE,
};
static const struct layout of_file = {
    .peers = 1,
    .calls = DTR_SCHEDULER_STAT_FILE,
    .failures = DTR_SCHEDULER_STAT_FILE_FAILURE,
};
enum { PEER_IP = 1, PEER_HOSTNAME = 2, PEER_OBJECTS = 3 };
enum { OBJECT_URL = 1, OBJECT_FINISHED = 2 };
enum { IMAGE_LAYERS = 1 };

struct stat_call {
    struct job_ask ask;        /* first */
    struct dtr_rpc_call *call; /* NULL: gone */
    const struct layout *layout;
    struct wish wish;
    struct plan plan;
    struct gather *gather;
    struct work *work;
};

static void stat_end(struct stat_call *stat, const struct dtr_error *err)
{
    struct dtr_rpc_call *call = stat->call;
    if (call)
        dtr_rpc_call_adopt(call, NULL, NULL);
    if (err)
        dtr_metric_add(stat->layout->failures, NULL, 1);
    if (call && err)
        job_fail(call, err);
    job_asked(stat->ask.scheduler);
    plan_free(&stat->plan);
    wish_free(&stat->wish);
    free(stat->ask.held);
    free(stat);
}

/* --- the answer ---------------------------------------------------------------------------------------- */

/* "is_finished" is a field with presence: false is sent too. */
static void put_object(struct dtr_str *out, uint32_t number, const char *url, const bool *finished)
{
    struct dtr_str object = {0};
    wire_put_text(&object, OBJECT_URL, url);
    if (finished) {
        dtr_str_putc(&object, OBJECT_FINISHED << 3);
        dtr_str_putc(&object, *finished ? 1 : 0);
    }
    wire_put_bytes(out, number, dtr_str_text(&object), object.length);
    dtr_str_free(&object);
}

/* One host with what it holds; nothing of one that holds nothing. */
static void put_host(struct dtr_str *out, const struct stat_call *stat, size_t host)
{
    const struct plan *plan = &stat->plan;
    struct dtr_str peer = {0};
    bool any = false;
    wire_put_text(&peer, PEER_IP, plan->hosts[host].ip);
    wire_put_text(&peer, PEER_HOSTNAME, plan->hosts[host].hostname);
    for (size_t i = 0; i < plan->object_count; i++) {
        uint8_t held = stat->ask.held[i * plan->host_count + host];
        bool finished = held == JOB_HOLDS;
        if (held != JOB_LACKS)
            put_object(&peer, PEER_OBJECTS, plan->objects[i].url, &finished);
        any = any || held != JOB_LACKS;
    }
    if (any)
        wire_put_bytes(out, stat->layout->peers, dtr_str_text(&peer), peer.length);
    dtr_str_free(&peer);
}

static void reply(const struct stat_call *stat)
{
    struct dtr_str out = {0}, layers = {0};
    for (size_t i = 0; i < stat->plan.object_count && stat->layout->objects; i++)
        put_object(&layers, IMAGE_LAYERS, stat->plan.objects[i].url, NULL);
    if (stat->layout->objects)
        wire_put_bytes(&out, stat->layout->objects, dtr_str_text(&layers), layers.length);
    for (size_t i = 0; i < stat->plan.host_count; i++)
        put_host(&out, stat, i);
    dtr_str_free(&layers);
    job_reply(stat->call, &out);
}

/* --- the questions ------------------------------------------------------------------------------------- */

/* What could not be asked is not told of, as in Dragonfly. */
static void on_over(void *context, bool late)
{
    struct stat_call *stat = context;
    struct dtr_error err;
    bool closing = stat->ask.scheduler->closing;
    if (late || closing)
        (void)dtr_error_set(&err, late ? DTR_ETIMEOUT : DTR_ECANCELLED, DTR_RETRY_SAME, "%s",
                            late ? "the hosts did not answer in the time there was" : "the scheduler stops");
    else if (stat->call)
        reply(stat);
    stat_end(stat, late || closing ? &err : NULL);
}

static int ask_hosts(struct stat_call *stat, struct dtr_error *err)
{
    static const struct work_kind kind = {.method = &dtr_rpc_upload_stat_local_task,
                                          .call_ms = JOB_ASK_MS,
                                          .may_lack = true,
                                          .request = job_ask_held,
                                          .answer = job_take_held,
                                          .over = on_over};
    int rc = job_add_hosts(stat->ask.scheduler, &stat->plan, err);
    if (rc == DTR_OK)
        rc = plan_begin(&stat->plan, &stat->wish.limits, err);
    if (rc != DTR_OK)
        return rc;
    stat->ask.held = calloc(stat->plan.object_count * stat->plan.host_count + 1, 1);
    if (!stat->ask.held)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a job");
    return work_begin(stat->ask.scheduler, &stat->plan, &kind, stat->wish.timeout_ms, stat, &stat->work, err);
}

static void on_gathered(void *context, const struct dtr_header *headers, size_t header_count,
                        const struct dtr_error *found)
{
    struct stat_call *stat = context;
    struct dtr_error err = *found;
    (void)headers;
    (void)header_count;
    stat->gather = NULL;
    if (err.code == DTR_OK && (stat->ask.scheduler->closing || !stat->call))
        (void)dtr_error_set(&err, DTR_ECANCELLED, DTR_RETRY_SAME, "the scheduler stops");
    if (err.code != DTR_OK || ask_hosts(stat, &err) != DTR_OK)
        stat_end(stat, &err);
}

static void on_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct stat_call *stat = context;
    (void)call;
    (void)status;
    stat->call = NULL;
    if (stat->gather)
        gather_cancel(stat->gather);
    else
        work_cancel(stat->work);
}

static void begin(struct dtr_scheduler *scheduler, struct dtr_rpc_call *call,
                  const struct dtr_rpc_message *request, const struct layout *layout)
{
    static const struct dtr_rpc_events events = {.closed = on_closed};
    struct dtr_error err;
    dtr_metric_add(layout->calls, NULL, 1);
    if (!job_may_ask(scheduler, call)) {
        dtr_metric_add(layout->failures, NULL, 1);
        return;
    }
    struct stat_call *stat = calloc(1, sizeof(*stat));
    if (!stat) {
        job_asked(scheduler);
        dtr_metric_add(layout->failures, NULL, 1);
        dtr_rpc_call_finish(call, DTR_RPC_RESOURCE_EXHAUSTED, "out of memory for a job");
        return;
    }
    stat->ask.scheduler = scheduler;
    stat->call = call;
    stat->layout = layout;
    dtr_rpc_call_adopt(call, &events, stat);
    int rc = wish_read(&stat->wish, dtr_rpc_call_method(call), request->bytes, request->length, &err);
    if (rc == DTR_OK)
        rc = gather_begin(scheduler, &stat->wish, layout->image, &stat->plan, on_gathered, stat,
                          &stat->gather, &err);
    if (rc != DTR_OK)
        stat_end(stat, &err);
}

void stat_image(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    begin(service, call, request, &of_image);
}

void stat_file(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    begin(service, call, request, &of_file);
}
