/* The daemon's half of AnnouncePeer conversations (wire page 3.2): how they begin, what the scheduler
 * answers, how they end. What the planner says in between is in talk_say.c. */
#include "core/daemon/talk/talk_conversation.h"

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/base/str.h"
#include "core/daemon/tasks/pull_log.h"
#include <stdlib.h>

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

/* --- StatTask ------------------------------------------------------------------------------------------- */

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
    stat.missed = status->code == DTR_RPC_DEADLINE_EXCEEDED || status->code == DTR_RPC_UNAVAILABLE;
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
    request.task_id = talk_text(dtr_task_id_of(task));
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
    const struct dtr_plan_stat none = {.content_length = DTR_LENGTH_UNKNOWN, .missed = true};
    tell_stat(talk, dtr_task_id_of(task), &none);
}

/* --- what the scheduler answers ------------------------------------------------------------------------- */

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

/* --- how it begins -------------------------------------------------------------------------------------- */

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
    Scheduler__V2__AnnouncePeerRequest request = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__INIT;
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
    (void)conversation_send(conversation, &request);
    talk_download_free(&download);
    return DTR_OK;
}

/* Where no scheduler is there yet, conversations_announced() goes on then, or conversations_chosen(). */
static int begin_or_wait(struct conversation *conversation, struct dtr_error *err)
{
    struct talk *talk = conversation->talk;
    conversation->scheduler = talk_scheduler_for(talk, conversation->task_id);
    if (conversation->scheduler)
        return begin(conversation, err);
    conversation->scheduler = talk_scheduler_soon(talk, conversation->task_id);
    return conversation->scheduler || talk->expecting
               ? DTR_OK
               : dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "no scheduler is there");
}

static int make(struct talk *talk, struct dtr_task *task, const struct dtr_plan_action *action,
                struct conversation **ret_conversation, struct dtr_error *err)
{
    struct conversation *conversation = calloc(1, sizeof(*conversation));
    if (!conversation)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a conversation");
    *conversation = (struct conversation){.talk = talk, .task = task};
    conversation->registered = *action;
    (void)dtr_copy_text(conversation->task_id, sizeof(conversation->task_id), dtr_task_id_of(task));
    int rc = name_peer(conversation, err);
    if (rc == DTR_OK)
        rc = begin_or_wait(conversation, err);
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

void conversations_chosen(struct talk *talk)
{
    dtr_list_each_safe (node, &talk->conversations) {
        struct conversation *conversation = dtr_container(node, struct conversation, link);
        struct dtr_error err = {0};
        if (!conversation->scheduler && (!conversation->task || begin_or_wait(conversation, &err) != DTR_OK))
            over(conversation, &err, false);
    }
}

/* --- for others ----------------------------------------------------------------------------------------- */

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
    conversation_tell(conversation, action);
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
