/* What this host holds is made known to a scheduler that has come anew: one that was restarted knows nobody's
 * pieces, and everything would come from seeds and origins although it is here. Each whole task gets a
 * conversation of its own that says no more than that it is here (metadata_only, wire page 3.2.6), which
 * neither asks for parents nor triggers a seed. The tasks used last go first, one after the other, and only
 * so many: a cluster that comes back all at once must not drown its scheduler. */
#include "core/daemon/talk/talk_internal.h"

#include "core/base/str.h"
#include "core/brain/geometry.h"
#include "core/obs/log.h"
#include "proto/scheduler.pb-c.h"

#include <stdlib.h>

enum { AGAIN_TASKS = 64, AGAIN_IDLE_MS = 10000 };

typedef Scheduler__V2__AnnouncePeerRequest Request;

struct again {
    struct scheduler *scheduler;
    struct dtr_rpc_call *call; /* or NULL */
    size_t count, next, told;
    struct {
        char id[DTR_TASK_ID_LENGTH + 1];
        int64_t used_at;
    } tasks[AGAIN_TASKS]; /* the one used last is first */
    char peer_id[DTR_HOST_ID_SIZE];
};

static void go_on(struct again *again);

static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

/* --- which tasks --------------------------------------------------------------------------------------- */

static void collect(void *context, const struct dtr_task *task)
{
    struct again *again = context;
    const struct talk *talk = again->scheduler->talk;
    const struct dtr_task_facts *facts = dtr_task_facts(task);
    int64_t used_at = facts->used_at > facts->finished_at ? facts->used_at : facts->finished_at;
    size_t at = again->count;
    if (!facts->finished_at || facts->content_length == DTR_LENGTH_UNKNOWN ||
        facts->content_length <= talk->daemon->config->download.p2p_threshold ||
        talk_scheduler_for(again->scheduler->talk, facts->task_id) != again->scheduler)
        return;
    while (at > 0 && again->tasks[at - 1].used_at < used_at)
        at--;
    if (at == AGAIN_TASKS)
        return;
    if (again->count < AGAIN_TASKS)
        again->count++;
    memmove(&again->tasks[at + 1], &again->tasks[at], (again->count - at - 1) * sizeof(again->tasks[0]));
    (void)dtr_copy_text(again->tasks[at].id, sizeof(again->tasks[at].id), facts->task_id);
    again->tasks[at].used_at = used_at;
}

/* A running pull has its own conversation, also about its end. */
static bool is_here(const struct dtr_task *task)
{
    const struct dtr_task_facts *facts = task ? dtr_task_facts(task) : NULL;
    if (!task || dtr_task_pulling(task) || !facts->finished_at || !facts->piece_length)
        return false;
    uint64_t count = dtr_piece_count(facts->content_length, facts->piece_length);
    for (uint64_t n = 0; n < count; n++)
        if (!dtr_task_piece(task, (uint32_t)n))
            return false;
    return true;
}

/* --- one conversation ---------------------------------------------------------------------------------- */

static void tell(const struct again *again, Request *request)
{
    request->host_id = again->scheduler->talk->daemon->host_id;
    request->task_id = text(again->tasks[again->next].id);
    request->peer_id = text(again->peer_id);
    (void)dtr_rpc_call_send(again->call, &request->base, NULL);
}

static void on_message(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct again *again = context;
    const Scheduler__V2__AnnouncePeerResponse *response = (const void *)message->message;
    Scheduler__V2__DownloadPeerStartedRequest started = SCHEDULER__V2__DOWNLOAD_PEER_STARTED_REQUEST__INIT;
    Scheduler__V2__DownloadPeerFinishedRequest finished = SCHEDULER__V2__DOWNLOAD_PEER_FINISHED_REQUEST__INIT;
    Request request = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__INIT;
    if (response->response_case != SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__RESPONSE_METADATA_ONLY_RESPONSE) {
        dtr_rpc_call_cancel(call);
        return;
    }
    request.request_case = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PEER_STARTED_REQUEST;
    request.download_peer_started_request = &started;
    tell(again, &request);
    request.request_case = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PEER_FINISHED_REQUEST;
    request.download_peer_finished_request = &finished;
    tell(again, &request);
}

static void on_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct again *again = context;
    struct talk *talk = again->scheduler->talk;
    (void)call;
    again->call = NULL;
    again->told += status->code == DTR_RPC_OK;
    again->next++;
    /* Gone or overloaded; where it refuses one task for what it is, others may do. */
    if (status->code == DTR_RPC_UNAVAILABLE || status->code == DTR_RPC_DEADLINE_EXCEEDED ||
        status->code == DTR_RPC_NOT_FOUND || status->code == DTR_RPC_RESOURCE_EXHAUSTED)
        again->next = again->count;
    go_on(again);
    talk_call_over(talk);
}

/* The same id each time: what is told twice is one peer. */
static int name_peer(struct again *again, const char *task_id, struct dtr_error *err)
{
    const struct dtr_daemon *daemon = again->scheduler->talk->daemon;
    char uuid[37];
    (void)snprintf(uuid, sizeof(uuid), "%.8s-%.4s-%.4s-%.4s-%.12s", task_id, task_id + 8, task_id + 12,
                   task_id + 16, task_id + 20);
    return dtr_peer_id(again->peer_id, daemon->ip, daemon->hostname, uuid, daemon->config->seed_peer.enable,
                       err);
}

static void fill(const struct dtr_task_facts *facts, Common__V2__Download *download)
{
    common__v2__download__init(download);
    download->url = text(facts->url);
    download->metadata_only = true;
    talk_download_name(download, facts);
    talk_download_size(download, facts->content_length, facts->piece_length,
                       dtr_piece_count(facts->content_length, facts->piece_length));
}

static int begin(struct again *again, const struct dtr_task *task)
{
    static const struct dtr_rpc_events events = {.message = on_message, .closed = on_closed};
    static const struct dtr_rpc_call_options options = {.idle_ms = AGAIN_IDLE_MS};
    Request request = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__INIT;
    Scheduler__V2__RegisterPeerRequest arm = SCHEDULER__V2__REGISTER_PEER_REQUEST__INIT;
    Common__V2__Download download;
    int rc = name_peer(again, dtr_task_id_of(task), NULL);
    if (rc == DTR_OK)
        rc = dtr_rpc_call_start(again->scheduler->channel, &dtr_rpc_scheduler_announce_peer, &options,
                                &events, again, &again->call, NULL);
    if (rc != DTR_OK)
        return rc;
    again->scheduler->talk->open_calls++;
    fill(dtr_task_facts(task), &download);
    arm.download = &download;
    request.request_case = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_REGISTER_PEER_REQUEST;
    request.register_peer_request = &arm;
    tell(again, &request);
    return DTR_OK;
}

/* --- one after the other --------------------------------------------------------------------------------
 */

static void go_on(struct again *again)
{
    struct scheduler *scheduler = again->scheduler;
    const struct talk *talk = scheduler->talk;
    for (; !talk->closing && scheduler->wanted && again->next < again->count; again->next++) {
        const struct dtr_task *task = dtr_tasks_find(talk->daemon->tasks, again->tasks[again->next].id);
        if (is_here(task) && begin(again, task) == DTR_OK)
            return;
    }
    if (again->told > 0)
        dtr_log(DTR_LOG_INFO, NULL, "scheduler %s knows of %zu tasks that are here", scheduler->name,
                again->told);
    scheduler->again = NULL;
    free(again);
}

void again_tell(struct scheduler *scheduler)
{
    struct talk *talk = scheduler->talk;
    struct again *again =
        scheduler->again || talk->daemon->config->upload.disable_shared ? NULL : calloc(1, sizeof(*again));
    if (!again)
        return; /* it is being told, or there is no memory: it learns it from the next pulls */
    again->scheduler = scheduler;
    scheduler->again = again;
    dtr_tasks_each(talk->daemon->tasks, collect, again);
    go_on(again);
}

void again_cancel(struct scheduler *scheduler)
{
    if (scheduler->again && scheduler->again->call)
        dtr_rpc_call_cancel(scheduler->again->call);
}
