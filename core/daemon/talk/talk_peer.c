/* The daemon's half of AnnouncePeer conversations (wire page 3.2): what the planner says, as protobuf. */
#include "core/daemon/talk/talk_internal.h"

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/base/str.h"
#include "core/daemon/tasks/pull_log.h"
#include "proto/scheduler.pb-c.h"
#include <stdlib.h>

/* One stream. `task` is NULL once the pull has no more to do with it. A scheduler that has forgotten this
 * host (it was restarted, or heard nothing for long) answers a register by NOT_FOUND: the host is announced
 * anew, and the register sent once more. A register also waits for a scheduler that was there a moment ago:
 * one that is restarted is worth the wait, and one that is not costs each outage one stall time at most. */
struct conversation {
    struct dtr_list link;
    struct talk *talk;
    struct dtr_task *task;
    struct scheduler *scheduler;
    struct dtr_rpc_call *call;         /* NULL while it waits for the announcement */
    struct dtr_plan_action registered; /* to be said once more */
    bool asking;                       /* a register or reschedule waits for its answer */
    bool answered, repeated;
    char task_id[DTR_TASK_ID_LENGTH + 1];
    char peer_id[DTR_HOST_ID_SIZE];
    struct dtr_buf *answer; /* the last one asked for with candidates, as it came: they are echoed complete */
    bool terminal;          /* we said the last word */
};

typedef Scheduler__V2__AnnouncePeerRequest Request;

static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

static struct conversation *find(struct talk *talk, const struct dtr_task *task)
{
    dtr_list_each (node, &talk->conversations) {
        struct conversation *conversation = dtr_container(node, struct conversation, link);
        if (conversation->task == task)
            return conversation;
    }
    return NULL;
}

/* `soon`: the scheduler may be back at once. */
static void lost(struct talk *talk, struct dtr_task *task, const struct dtr_error *err, bool soon)
{
    struct dtr_planner *planner = dtr_task_planner(task);
    if (!planner || talk->closing)
        return;
    pull_log_scheduler_lost(task, err);
    dtr_planner_scheduler_lost(planner, dtr_now_ms(), err, soon);
    dtr_task_act(task);
}

/* --- StatTask
 * ------------------------------------------------------------------------------------------------ */

struct question {
    struct talk *talk;
    char task_id[DTR_TASK_ID_LENGTH + 1];
};

static void tell_stat(struct talk *talk, const char *task_id, const struct dtr_plan_stat *stat)
{
    struct dtr_task *task = talk->closing ? NULL : dtr_tasks_find(talk->daemon->tasks, task_id);
    struct dtr_planner *planner = task ? dtr_task_planner(task) : NULL;
    if (!planner)
        return;
    dtr_planner_stat(planner, dtr_now_ms(), stat);
    dtr_task_act(task);
}

static void on_stat(void *context, const struct dtr_rpc_message *response,
                    const struct dtr_rpc_status *status)
{
    struct question *question = context;
    struct dtr_plan_stat stat = {.content_length = DTR_LENGTH_UNKNOWN};
    (void)status;
    if (response) {
        const Common__V2__Task *task = (const void *)response->message;
        stat.known = true;
        stat.available = task->has_available_peer;
        if (task->content_length > 0)
            stat.content_length = task->content_length;
    }
    tell_stat(question->talk, question->task_id, &stat);
    talk_call_over(question->talk);
    free(question);
}

void conversation_stat(struct talk *talk, struct dtr_task *task)
{
    Scheduler__V2__StatTaskRequest request = SCHEDULER__V2__STAT_TASK_REQUEST__INIT;
    const struct dtr_rpc_call_options options = {.timeout_ms = 1000};
    struct scheduler *scheduler = talk_scheduler_for(talk, dtr_task_id_of(task));
    struct question *question = scheduler ? calloc(1, sizeof(*question)) : NULL;
    request.host_id = talk->daemon->host_id;
    request.task_id = text(dtr_task_id_of(task));
    if (question) {
        question->talk = talk;
        (void)dtr_copy_text(question->task_id, sizeof(question->task_id), dtr_task_id_of(task));
        if (dtr_rpc_unary(scheduler->channel, &dtr_rpc_scheduler_stat_task, &request.base, &options, on_stat,
                          question, NULL, NULL) == DTR_OK) {
            talk->open_calls++;
            return;
        }
        free(question);
    }
    tell_stat(talk, dtr_task_id_of(task), &(struct dtr_plan_stat){.content_length = DTR_LENGTH_UNKNOWN});
}

/* --- what the scheduler answers
 * -------------------------------------------------------------------------------- */

static void take_parents(const struct dtr_tasks *tasks, const Scheduler__V2__NormalTaskResponse *normal,
                         struct dtr_plan_parent *parents, uint32_t limit, struct dtr_plan_answer *answer)
{
    answer->kind = DTR_PLAN_ANSWER_NORMAL;
    answer->parents = parents;
    for (size_t i = 0; i < normal->n_candidate_parents && answer->parent_count < limit; i++) {
        const Common__V2__Peer *peer = normal->candidate_parents[i];
        const Common__V2__Host *host = peer->host;
        if (!host || host->port < 1 || host->port > 65535 || dtr_tasks_is_liar(tasks, host->ip))
            continue;
        const Common__V2__Network *network = host->network;
        parents[answer->parent_count++] = (struct dtr_plan_parent){
            .peer_id = peer->id,
            .host_id = host->id,
            .address = host->ip,
            .port = (uint16_t)host->port,
            .max_tx = network ? network->max_tx_bandwidth : 0,
            .tx = network && network->has_tx_bandwidth_case ? network->tx_bandwidth : 0,
        };
        if (peer->task && peer->task->content_length > 0)
            answer->content_length = peer->task->content_length;
    }
}

static void keep_answer(struct conversation *conversation, const struct dtr_rpc_message *message)
{
    dtr_buf_drop(conversation->answer);
    conversation->answer = dtr_buf_copy(message->bytes, message->length);
}

static void on_message(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    enum { PARENTS_MAX = 64 };
    struct conversation *conversation = context;
    const Scheduler__V2__AnnouncePeerResponse *response = (const void *)message->message;
    struct dtr_plan_parent parents[PARENTS_MAX];
    struct dtr_plan_answer answer = {.content_length = DTR_LENGTH_UNKNOWN};
    struct dtr_task *task = conversation->task;
    struct dtr_planner *planner = task ? dtr_task_planner(task) : NULL;
    (void)call;
    switch (response->response_case) {
    case SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__RESPONSE_NORMAL_TASK_RESPONSE:
        take_parents(conversation->talk->daemon->tasks, response->normal_task_response, parents, PARENTS_MAX,
                     &answer);
        if (conversation->asking)
            keep_answer(conversation, message);
        break;
    case SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__RESPONSE_NEED_BACK_TO_SOURCE_RESPONSE:
        answer.kind = DTR_PLAN_ANSWER_BACK_TO_SOURCE;
        break;
    case SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__RESPONSE_EMPTY_TASK_RESPONSE:
        answer.kind = DTR_PLAN_ANSWER_EMPTY;
        break;
    case SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__RESPONSE_METADATA_ONLY_RESPONSE:
        answer.kind = DTR_PLAN_ANSWER_METADATA_ONLY;
        break;
    default:
        return; /* a kind from the future: nothing that was asked for */
    }
    conversation->answered = true;
    conversation->asking = false;
    if (!planner)
        return;
    pull_log_answer(task, &answer);
    dtr_planner_answer(planner, dtr_now_ms(), &answer);
    dtr_task_act(task);
}

/* The end of it; of one that the pull still needs, with the reason. */
static void over(struct conversation *conversation, const struct dtr_error *err, bool soon)
{
    struct talk *talk = conversation->talk;
    struct dtr_task *task = conversation->terminal ? NULL : conversation->task;
    dtr_list_remove(&conversation->link);
    dtr_buf_drop(conversation->answer);
    free(conversation);
    if (task)
        lost(talk, task, err, soon);
}

static void on_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct conversation *conversation = context;
    struct talk *talk = conversation->talk;
    struct dtr_error err;
    (void)call;
    (void)dtr_rpc_status_error(status, "the scheduler", &err);
    if (err.code == DTR_OK)
        (void)dtr_error_set(&err, DTR_ECLOSED, DTR_RETRY_SAME, "the scheduler ended the conversation");
    conversation->call = NULL;
    if (status->code == DTR_RPC_NOT_FOUND && conversation->task && !conversation->answered &&
        !conversation->repeated && !talk->closing) {
        conversation->repeated = true;
        scheduler_forgot(conversation->scheduler);
    } else {
        over(conversation, &err, talk_scheduler_soon(talk, conversation->task_id) != NULL);
    }
    talk_call_over(talk);
}

/* --- what the planner says
 * ---------------------------------------------------------------------------------------- */

static bool tell(struct conversation *conversation, Request *request)
{
    struct dtr_error err;
    request->host_id = conversation->talk->daemon->host_id;
    request->task_id = conversation->task_id;
    request->peer_id = conversation->peer_id;
    return conversation->call && dtr_rpc_call_send(conversation->call, &request->base, &err) == DTR_OK;
}

static int name_peer(struct conversation *conversation, struct dtr_error *err)
{
    const struct dtr_daemon *daemon = conversation->talk->daemon;
    const char *pull_id = dtr_task_pull_id(conversation->task);
    char uuid[37];
    dtr_uuid(uuid);
    if (pull_id)
        memcpy(uuid, pull_id, strlen(pull_id)); /* as random as what it replaces */
    return dtr_peer_id(conversation->peer_id, daemon->ip, daemon->hostname, uuid,
                       daemon->config->seed_peer.enable, err);
}

/* Opens a stream and sends the register. */
static int begin(struct conversation *conversation, struct dtr_error *err)
{
    static const struct dtr_rpc_events events = {.message = on_message, .closed = on_closed};
    static const struct dtr_rpc_pair more = {DTR_RPC_MORE_PARENTS, "1"};
    static const struct dtr_rpc_call_options options = {.metadata = &more, .metadata_count = 1};
    Request request = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__INIT;
    Scheduler__V2__RegisterPeerRequest arm = SCHEDULER__V2__REGISTER_PEER_REQUEST__INIT;
    struct talk *talk = conversation->talk;
    struct talk_download download;
    int rc = dtr_rpc_call_start(conversation->scheduler->channel, &dtr_rpc_scheduler_announce_peer, &options,
                                &events, conversation, &conversation->call, err);
    if (rc != DTR_OK)
        return rc;
    talk->open_calls++;
    conversation->asking = true;
    talk_download_fill(&download, talk->daemon, conversation->task, &conversation->registered);
    arm.download = &download.message;
    request.request_case = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_REGISTER_PEER_REQUEST;
    request.register_peer_request = &arm;
    (void)tell(conversation, &request);
    talk_download_free(&download);
    return DTR_OK;
}

static int make(struct talk *talk, struct dtr_task *task, const struct dtr_plan_action *action,
                struct conversation **ret_conversation, struct dtr_error *err)
{
    struct scheduler *scheduler = talk_scheduler_for(talk, dtr_task_id_of(task));
    struct scheduler *soon = scheduler ? NULL : talk_scheduler_soon(talk, dtr_task_id_of(task));
    if (!scheduler && !soon)
        return dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "no scheduler is there");
    struct conversation *conversation = calloc(1, sizeof(*conversation));
    if (!conversation)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a conversation");
    *conversation = (struct conversation){.talk = talk, .task = task, .scheduler = soon ? soon : scheduler};
    conversation->registered = *action;
    (void)dtr_copy_text(conversation->task_id, sizeof(conversation->task_id), dtr_task_id_of(task));
    int rc = name_peer(conversation, err);
    if (rc == DTR_OK && !soon) /* else conversations_announced() goes on */
        rc = begin(conversation, err);
    if (rc != DTR_OK) {
        free(conversation);
        return rc;
    }
    *ret_conversation = conversation;
    return DTR_OK;
}

static void register_peer(struct talk *talk, struct dtr_task *task, const struct dtr_plan_action *action)
{
    struct conversation *conversation = NULL;
    struct dtr_error err;
    if (make(talk, task, action, &conversation, &err) == DTR_OK)
        dtr_list_add_tail(&talk->conversations, &conversation->link);
    else
        lost(talk, task, &err, false);
}

void conversations_announced(struct talk *talk, const struct scheduler *scheduler, bool known)
{
    dtr_list_each_safe (node, &talk->conversations) {
        struct conversation *conversation = dtr_container(node, struct conversation, link);
        struct dtr_error err = {.code = DTR_EUNAVAILABLE, .text = "the scheduler does not know this host"};
        if (conversation->call || conversation->scheduler != scheduler)
            continue;
        if (!known || !conversation->task || begin(conversation, &err) != DTR_OK)
            over(conversation, &err, false);
    }
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
        piece->parent_id = text(parent_id);
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
    (void)tell(conversation, &request);
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
        remote.parent_id = text(parent_id(conversation, action->parent));
        remote.temporary = action->temporary;
        request.request_case = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PIECE_FAILED_REQUEST;
        request.download_piece_failed_request = &remote;
    } else {
        backend.message = text(action->error ? action->error->text : "the origin failed");
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
    (void)tell(conversation, &request);
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
    arm.description = text(action->description);
    request.request_case = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_RESCHEDULE_PEER_REQUEST;
    request.reschedule_peer_request = &arm;
    conversation->asking = true;
    (void)tell(conversation, &request);
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
        source_started.description = text(action->description);
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
        failed.description = text(action->description);
        request.download_peer_failed_request = &failed;
        break;
    default:
        request.request_case =
            SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PEER_BACK_TO_SOURCE_FAILED_REQUEST;
        source_failed.has_description_case =
            SCHEDULER__V2__DOWNLOAD_PEER_BACK_TO_SOURCE_FAILED_REQUEST__HAS_DESCRIPTION_DESCRIPTION;
        source_failed.description = text(action->description);
        request.download_peer_back_to_source_failed_request = &source_failed;
    }
    (void)tell(conversation, &request);
    conversation->terminal =
        action->kind != DTR_PLAN_STARTED && action->kind != DTR_PLAN_BACK_TO_SOURCE_STARTED;
    if (conversation->terminal)
        conversation->task = NULL; /* the scheduler ends the stream; nobody waits for it */
}

void conversation_say(struct talk *talk, struct dtr_task *task, const struct dtr_plan_action *action)
{
    struct conversation *conversation = find(talk, task);
    if (action->kind == DTR_PLAN_REGISTER) {
        if (conversation)
            conversation->task = NULL;
        register_peer(talk, task, action);
        return;
    }
    if (!conversation)
        return; /* it broke; the planner has been told or will be */
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

void conversations_cancel(struct talk *talk, const struct dtr_task *task)
{
    dtr_list_each_safe (node, &talk->conversations) {
        struct conversation *conversation = dtr_container(node, struct conversation, link);
        if (task && conversation->task != task)
            continue;
        conversation->task = NULL;
        if (conversation->call)
            dtr_rpc_call_cancel(conversation->call);
        else
            over(conversation, NULL, false);
    }
}
