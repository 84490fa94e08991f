/* AnnouncePeer streams: requests become events of the swarm. */
#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/obs/metric.h"
#include "core/rpc/methods.h"
#include "core/scheduler/role.h"
#include <stdlib.h>

/* Where the raw common.v2.Download lies in an AnnouncePeerRequest. */
enum { REGISTER_PEER_REQUEST = 4, REGISTER_DOWNLOAD = 1 };

double duration_ms(const Google__Protobuf__Duration *duration)
{
    return duration ? (double)duration->seconds * 1000 + duration->nanos / 1e6 : 0;
}

static void take_piece(const Common__V2__Piece *piece, struct dtr_swarm_message *event)
{
    event->piece.number = piece->number;
    event->piece.length = piece->length;
    event->piece.cost_ms = duration_ms(piece->cost);
    event->piece.parent_id = piece->has_parent_id_case ? piece->parent_id : "";
    event->piece.traffic =
        piece->has_traffic_type_case ? (enum dtr_traffic)piece->traffic_type : DTR_TRAFFIC_BACK_TO_SOURCE;
}

/* The swarm's view of a Download; *ret_raw is what a seed gets. */
static void take_download(const Common__V2__Download *download, struct dtr_swarm_register *event)
{
    event->url = download->url;
    event->digest = download->has_digest_case ? download->digest : "";
    event->tag = download->has_tag_case ? download->tag : "";
    event->application = download->has_application_case ? download->application : "";
    event->content_length =
        download->has_actual_content_length_case ? download->actual_content_length : DTR_LENGTH_UNKNOWN;
    event->piece_length = download->has_actual_piece_length_case ? download->actual_piece_length : 0;
    if (download->has_actual_piece_count_case && download->actual_piece_count <= UINT32_MAX)
        event->piece_count = (uint32_t)download->actual_piece_count;
    event->concurrent_pieces =
        download->has_concurrent_piece_count_case ? download->concurrent_piece_count : 0;
    event->priority = (uint32_t)download->priority;
    event->need_back_to_source = download->need_back_to_source;
    event->disable_back_to_source = download->disable_back_to_source;
    event->metadata_only = download->metadata_only;
    event->has_range = download->range != NULL;
    if (download->range) {
        event->range_start = download->range->start;
        event->range_length = download->range->length;
    }
}

static struct dtr_buf *raw_download(const struct dtr_rpc_message *message)
{
    const uint8_t *arm, *download;
    size_t arm_length, length;
    if (!wire_find(message->bytes, message->length, REGISTER_PEER_REQUEST, &arm, &arm_length) ||
        !wire_find(arm, arm_length, REGISTER_DOWNLOAD, &download, &length))
        return NULL;
    return dtr_buf_copy(download, length);
}

static void feed(struct announce *announce, const struct dtr_swarm_message *event)
{
    struct dtr_scheduler *scheduler = announce->scheduler;
    count_message(announce, event);
    tell_message(event);
    dtr_swarm_message(scheduler->swarm, role_now_ms(scheduler), event);
    role_drain(scheduler);
    count_taken(announce);
}

static void on_register(struct announce *announce, const Scheduler__V2__RegisterPeerRequest *request,
                        const struct dtr_rpc_message *message, struct dtr_swarm_message *event)
{
    struct dtr_swarm_register registered = {0};
    if (!request->download) {
        dtr_rpc_call_finish(announce->call, DTR_RPC_INVALID_ARGUMENT,
                            "register_peer_request has no download");
        return;
    }
    if ((uint32_t)request->download->priority > PRIORITY_MOST) {
        dtr_rpc_call_finish(announce->call, DTR_RPC_INVALID_ARGUMENT, "download.priority is not known");
        return;
    }
    take_download(request->download, &registered);
    if (!registered.priority)
        registered.priority =
            priorities_of(announce->scheduler->priorities, registered.application, registered.url);
    registered.takes_more = announce->takes_more;
    registered.download = raw_download(message);
    event->registered = &registered;
    feed(announce, event);
    dtr_buf_drop(registered.download);
}

static void on_reschedule(struct announce *announce, const Scheduler__V2__ReschedulePeerRequest *request,
                          struct dtr_swarm_message *event)
{
    enum { CANDIDATES_MAX = 256 };
    const char *ids[CANDIDATES_MAX];
    for (size_t i = 0; i < request->n_candidate_parents && event->candidate_count < CANDIDATES_MAX; i++)
        ids[event->candidate_count++] = request->candidate_parents[i]->id;
    event->candidates = ids;
    feed(announce, event);
}

static void on_piece(struct announce *announce, const Common__V2__Piece *piece,
                     struct dtr_swarm_message *event)
{
    if (!piece) {
        dtr_rpc_call_finish(announce->call, DTR_RPC_INVALID_ARGUMENT, "the piece is missing");
        return;
    }
    take_piece(piece, event);
    feed(announce, event);
}

static void on_piece_failed(struct announce *announce,
                            const Scheduler__V2__DownloadPieceFailedRequest *request,
                            struct dtr_swarm_message *event)
{
    event->piece.number = request->has_piece_number_case ? request->piece_number : 0;
    event->piece.parent_id = request->parent_id;
    event->piece.temporary = request->temporary;
    feed(announce, event);
}

static void dispatch(struct announce *announce, const Scheduler__V2__AnnouncePeerRequest *request,
                     const struct dtr_rpc_message *message)
{
    struct dtr_swarm_message event = {
        .kind = (enum dtr_swarm_message_kind)((int)request->request_case - REGISTER_PEER_REQUEST),
        .host_id = request->host_id,
        .task_id = request->task_id,
        .peer_id = request->peer_id,
        .stream = announce,
    };
    switch (event.kind) {
    case DTR_SWARM_REGISTER:
        on_register(announce, request->register_peer_request, message, &event);
        break;
    case DTR_SWARM_RESCHEDULE:
        on_reschedule(announce, request->reschedule_peer_request, &event);
        break;
    case DTR_SWARM_PIECE_FINISHED:
        on_piece(announce, request->download_piece_finished_request->piece, &event);
        break;
    case DTR_SWARM_SOURCE_PIECE_FINISHED:
        on_piece(announce, request->download_piece_back_to_source_finished_request->piece, &event);
        break;
    case DTR_SWARM_PIECE_FAILED:
        on_piece_failed(announce, request->download_piece_failed_request, &event);
        break;
    default:
        feed(announce, &event);
    }
}

static void on_message(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct announce *announce = context;
    const Scheduler__V2__AnnouncePeerRequest *request = (const void *)message->message;
    if (announce->over)
        return;
    if (!announce->peer_id)
        announce->peer_id = strdup(request->peer_id);
    if (!announce->peer_id)
        dtr_rpc_call_finish(call, DTR_RPC_RESOURCE_EXHAUSTED, "out of memory");
    else if (!ids_given(call, request->host_id, request->task_id, request->peer_id))
        return;
    else if (strcmp(announce->peer_id, request->peer_id) != 0)
        dtr_rpc_call_finish(call, DTR_RPC_INVALID_ARGUMENT, "a stream speaks for one peer_id");
    else if ((int)request->request_case < REGISTER_PEER_REQUEST)
        dtr_rpc_call_finish(call, DTR_RPC_INVALID_ARGUMENT,
                            "the request is empty or of a kind not known here");
    else
        dispatch(announce, request, message);
}

/* The stream is over, whoever ended it: the swarm must not name it any more. Before a terminal request its
 * peer is gone. */
static void leave(struct announce *announce)
{
    struct dtr_scheduler *scheduler = announce->scheduler;
    announce->over = true;
    if (!announce->peer_id || announce->closed || scheduler->closing)
        return;
    dtr_swarm_stream_closed(scheduler->swarm, role_now_ms(scheduler), announce->peer_id, announce);
    role_drain(scheduler);
}

static void on_end(void *context, struct dtr_rpc_call *call)
{
    struct announce *announce = context;
    if (announce->over)
        return;
    leave(announce);
    dtr_rpc_call_finish(call, DTR_RPC_OK, NULL);
}

static void on_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct announce *announce = context;
    (void)call;
    if (status->code != DTR_RPC_OK)
        dtr_metric_add(DTR_SCHEDULER_ANNOUNCE_PEER_FAILURE, NULL, 1);
    leave(announce);
    free(announce->peer_id);
    free(announce);
}

void announce_open(void *service, struct dtr_rpc_call *call)
{
    static const struct dtr_rpc_events events = {.message = on_message, .end = on_end, .closed = on_closed};
    struct announce *announce = calloc(1, sizeof(*announce));
    dtr_metric_add(DTR_SCHEDULER_ANNOUNCE_PEER, NULL, 1);
    if (!announce) {
        dtr_rpc_call_finish(call, DTR_RPC_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    *announce = (struct announce){.scheduler = service, .call = call};
    announce->takes_more = dtr_rpc_call_metadata(call, DTR_RPC_MORE_PARENTS) != NULL;
    dtr_rpc_call_adopt(call, &events, announce);
    dtr_rpc_call_headers(call); /* at once: a client waits only 10 s for them (wire page 3.1) */
}
