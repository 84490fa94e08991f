/* What the planner says to the scheduler in an AnnouncePeer conversation (wire page 3.2), as protobuf. */
#include "core/daemon/talk/talk_conversation.h"

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/digest.h"

typedef Scheduler__V2__AnnouncePeerRequest Request;

bool conversation_send(struct conversation *conversation, Scheduler__V2__AnnouncePeerRequest *request)
{
    struct dtr_error err;
    request->host_id = conversation->talk->daemon->host_id;
    request->task_id = conversation->task_id;
    request->peer_id = conversation->peer_id;
    return conversation->call && dtr_rpc_call_send(conversation->call, &request->base, &err) == DTR_OK;
}

static void fill_piece(const struct dtr_plan_action *action, const char *parent_id, Common__V2__Piece *piece,
                       Google__Protobuf__Duration *cost, Google__Protobuf__Timestamp *created,
                       char digest[DTR_CRC32_TEXT])
{
    common__v2__piece__init(piece);
    google__protobuf__duration__init(cost);
    google__protobuf__timestamp__init(created);
    dtr_crc32_text(action->facts.crc32, digest);
    cost->seconds = (int64_t)(action->facts.cost_ns / 1000000000);
    cost->nanos = (int32_t)(action->facts.cost_ns % 1000000000);
    created->seconds = dtr_wall_ns() / 1000000000;
    piece->number = action->facts.number;
    piece->offset = action->facts.offset;
    piece->length = action->facts.length;
    piece->digest = digest;
    piece->cost = cost;
    piece->created_at = created;
    piece->has_traffic_type_case = COMMON__V2__PIECE__HAS_TRAFFIC_TYPE_TRAFFIC_TYPE;
    piece->traffic_type =
        parent_id ? COMMON__V2__TRAFFIC_TYPE__REMOTE_PEER : COMMON__V2__TRAFFIC_TYPE__BACK_TO_SOURCE;
    if (parent_id) {
        piece->has_parent_id_case = COMMON__V2__PIECE__HAS_PARENT_ID_PARENT_ID;
        piece->parent_id = talk_text(parent_id);
    }
}

static const char *parent_id(const struct conversation *conversation, uint32_t parent)
{
    const struct dtr_plan_parent *known = dtr_planner_parent(dtr_task_planner(conversation->task), parent);
    return known ? known->peer_id : "";
}

static void say_piece(struct conversation *conversation, const struct dtr_plan_action *action)
{
    Request request = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__INIT;
    Scheduler__V2__DownloadPieceFinishedRequest remote = SCHEDULER__V2__DOWNLOAD_PIECE_FINISHED_REQUEST__INIT;
    Scheduler__V2__DownloadPieceBackToSourceFinishedRequest source =
        SCHEDULER__V2__DOWNLOAD_PIECE_BACK_TO_SOURCE_FINISHED_REQUEST__INIT;
    Google__Protobuf__Duration cost;
    Google__Protobuf__Timestamp created;
    Common__V2__Piece piece;
    char digest[DTR_CRC32_TEXT];
    bool from_peer = action->kind == DTR_PLAN_PIECE_FINISHED;
    fill_piece(action, from_peer ? parent_id(conversation, action->parent) : NULL, &piece, &cost, &created,
               digest);
    remote.piece = source.piece = &piece;
    if (from_peer) {
        request.request_case = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PIECE_FINISHED_REQUEST;
        request.download_piece_finished_request = &remote;
    } else {
        request.request_case =
            SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PIECE_BACK_TO_SOURCE_FINISHED_REQUEST;
        request.download_piece_back_to_source_finished_request = &source;
    }
    (void)conversation_send(conversation, &request);
}

static void say_piece_failed(struct conversation *conversation, const struct dtr_plan_action *action)
{
    Request request = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__INIT;
    Scheduler__V2__DownloadPieceFailedRequest remote = SCHEDULER__V2__DOWNLOAD_PIECE_FAILED_REQUEST__INIT;
    Scheduler__V2__DownloadPieceBackToSourceFailedRequest source =
        SCHEDULER__V2__DOWNLOAD_PIECE_BACK_TO_SOURCE_FAILED_REQUEST__INIT;
    Errordetails__V2__Backend backend = ERRORDETAILS__V2__BACKEND__INIT;
    if (action->kind == DTR_PLAN_PIECE_FAILED) {
        remote.has_piece_number_case =
            SCHEDULER__V2__DOWNLOAD_PIECE_FAILED_REQUEST__HAS_PIECE_NUMBER_PIECE_NUMBER;
        remote.piece_number = action->piece;
        remote.parent_id = talk_text(parent_id(conversation, action->parent));
        remote.temporary = action->temporary;
        request.request_case = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PIECE_FAILED_REQUEST;
        request.download_piece_failed_request = &remote;
    } else {
        backend.message = talk_text(action->error ? action->error->text : "the origin failed");
        if (action->error && action->error->status >= 100 && action->error->status < 599) {
            backend.has_status_code_case = ERRORDETAILS__V2__BACKEND__HAS_STATUS_CODE_STATUS_CODE;
            backend.status_code = action->error->status;
        }
        source.response_case = SCHEDULER__V2__DOWNLOAD_PIECE_BACK_TO_SOURCE_FAILED_REQUEST__RESPONSE_BACKEND;
        source.backend = &backend;
        request.request_case =
            SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PIECE_BACK_TO_SOURCE_FAILED_REQUEST;
        request.download_piece_back_to_source_failed_request = &source;
    }
    (void)conversation_send(conversation, &request);
}

/* The candidates of the last answer go back complete, with fields that we do not know. */
static void say_reschedule(struct conversation *conversation, const struct dtr_plan_action *action)
{
    Request request = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__INIT;
    Scheduler__V2__ReschedulePeerRequest arm = SCHEDULER__V2__RESCHEDULE_PEER_REQUEST__INIT;
    struct dtr_buf *bytes = conversation->answer;
    Scheduler__V2__AnnouncePeerResponse *last =
        bytes ? scheduler__v2__announce_peer_response__unpack(NULL, bytes->length, bytes->data) : NULL;
    if (last && last->response_case == SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__RESPONSE_NORMAL_TASK_RESPONSE) {
        arm.candidate_parents = last->normal_task_response->candidate_parents;
        arm.n_candidate_parents = last->normal_task_response->n_candidate_parents;
    }
    arm.has_description_case = SCHEDULER__V2__RESCHEDULE_PEER_REQUEST__HAS_DESCRIPTION_DESCRIPTION;
    arm.description = talk_text(action->description);
    request.request_case = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_RESCHEDULE_PEER_REQUEST;
    request.reschedule_peer_request = &arm;
    conversation->asking = true;
    (void)conversation_send(conversation, &request);
    if (last)
        scheduler__v2__announce_peer_response__free_unpacked(last, NULL);
}

/* The arms without or with only a description. */
static void say_state(struct conversation *conversation, const struct dtr_plan_action *action)
{
    Request request = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__INIT;
    Scheduler__V2__DownloadPeerStartedRequest started = SCHEDULER__V2__DOWNLOAD_PEER_STARTED_REQUEST__INIT;
    Scheduler__V2__DownloadPeerBackToSourceStartedRequest source_started =
        SCHEDULER__V2__DOWNLOAD_PEER_BACK_TO_SOURCE_STARTED_REQUEST__INIT;
    Scheduler__V2__DownloadPeerFinishedRequest finished = SCHEDULER__V2__DOWNLOAD_PEER_FINISHED_REQUEST__INIT;
    Scheduler__V2__DownloadPeerBackToSourceFinishedRequest source_finished =
        SCHEDULER__V2__DOWNLOAD_PEER_BACK_TO_SOURCE_FINISHED_REQUEST__INIT;
    Scheduler__V2__DownloadPeerFailedRequest failed = SCHEDULER__V2__DOWNLOAD_PEER_FAILED_REQUEST__INIT;
    Scheduler__V2__DownloadPeerBackToSourceFailedRequest source_failed =
        SCHEDULER__V2__DOWNLOAD_PEER_BACK_TO_SOURCE_FAILED_REQUEST__INIT;
    switch (action->kind) {
    case DTR_PLAN_STARTED:
        request.request_case = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PEER_STARTED_REQUEST;
        request.download_peer_started_request = &started;
        break;
    case DTR_PLAN_BACK_TO_SOURCE_STARTED:
        request.request_case =
            SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PEER_BACK_TO_SOURCE_STARTED_REQUEST;
        source_started.has_description_case =
            SCHEDULER__V2__DOWNLOAD_PEER_BACK_TO_SOURCE_STARTED_REQUEST__HAS_DESCRIPTION_DESCRIPTION;
        source_started.description = talk_text(action->description);
        request.download_peer_back_to_source_started_request = &source_started;
        break;
    case DTR_PLAN_FINISHED:
        request.request_case = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PEER_FINISHED_REQUEST;
        request.download_peer_finished_request = &finished;
        break;
    case DTR_PLAN_BACK_TO_SOURCE_FINISHED:
        request.request_case =
            SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PEER_BACK_TO_SOURCE_FINISHED_REQUEST;
        request.download_peer_back_to_source_finished_request = &source_finished;
        break;
    case DTR_PLAN_FAILED:
        request.request_case = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PEER_FAILED_REQUEST;
        failed.has_description_case =
            SCHEDULER__V2__DOWNLOAD_PEER_FAILED_REQUEST__HAS_DESCRIPTION_DESCRIPTION;
        failed.description = talk_text(action->description);
        request.download_peer_failed_request = &failed;
        break;
    default:
        request.request_case =
            SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PEER_BACK_TO_SOURCE_FAILED_REQUEST;
        source_failed.has_description_case =
            SCHEDULER__V2__DOWNLOAD_PEER_BACK_TO_SOURCE_FAILED_REQUEST__HAS_DESCRIPTION_DESCRIPTION;
        source_failed.description = talk_text(action->description);
        request.download_peer_back_to_source_failed_request = &source_failed;
    }
    (void)conversation_send(conversation, &request);
    conversation->terminal =
        action->kind != DTR_PLAN_STARTED && action->kind != DTR_PLAN_BACK_TO_SOURCE_STARTED;
    if (conversation->terminal)
        conversation->task = NULL; /* the scheduler ends the stream; nobody waits for it */
}

void conversation_tell(struct conversation *conversation, const struct dtr_plan_action *action)
{
    switch (action->kind) {
    case DTR_PLAN_PIECE_FINISHED:
    case DTR_PLAN_BACK_TO_SOURCE_PIECE_FINISHED:
        say_piece(conversation, action);
        break;
    case DTR_PLAN_PIECE_FAILED:
    case DTR_PLAN_BACK_TO_SOURCE_PIECE_FAILED:
        say_piece_failed(conversation, action);
        break;
    case DTR_PLAN_RESCHEDULE:
        say_reschedule(conversation, action);
        break;
    default:
        say_state(conversation, action);
    }
}
