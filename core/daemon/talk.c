/* Schedulers: connections, announcements, leave. The conversations are in talk_peer.c, the parents in
 * talk_parent.c. */
#include "core/daemon/talk_internal.h"

#include "core/obs/log.h"
#include "proto/scheduler.pb-c.h"
#include <stdlib.h>

enum { LEAVE_MS = 1000, RETRY_MS = 5000, ASK_MS = 3000 };

static void announce(struct scheduler *scheduler);

static void on_announced(void *context, const struct dtr_rpc_message *response,
                         const struct dtr_rpc_status *status)
{
    struct scheduler *scheduler = context;
    struct talk *talk = scheduler->talk;
    scheduler->announcing = false;
    if (response && !scheduler->announced)
        dtr_log(DTR_LOG_INFO, NULL, "announced to scheduler %s as %s", scheduler->name,
                talk->daemon->host_id);
    if (!response && status->code != DTR_RPC_CANCELLED)
        dtr_log(DTR_LOG_WARN, NULL, "scheduler %s did not take the announcement: %s", scheduler->name,
                status->message);
    scheduler->announced = response != NULL;
    if (!talk->closing)
        dtr_timer_set(scheduler->timer,
                      response ? talk->daemon->config->scheduler.announce_interval_ms : RETRY_MS);
    talk_call_over(talk);
}

static void announce(struct scheduler *scheduler)
{
    struct talk *talk = scheduler->talk;
    Scheduler__V2__AnnounceHostRequest request = SCHEDULER__V2__ANNOUNCE_HOST_REQUEST__INIT;
    Google__Protobuf__Duration interval = GOOGLE__PROTOBUF__DURATION__INIT;
    struct host_facts facts;
    struct dtr_error err;
    if (scheduler->announcing || talk->closing)
        return;
    talk_fill_host(talk->daemon, &facts);
    interval.seconds = (int64_t)(talk->daemon->config->scheduler.announce_interval_ms / 1000);
    request.host = &facts.host;
    request.interval = &interval;
    if (dtr_rpc_unary(scheduler->channel, &dtr_rpc_scheduler_announce_host, &request.base, NULL, on_announced,
                      scheduler, NULL, &err) == DTR_OK) {
        scheduler->announcing = true;
        talk->open_calls++;
    } else {
        dtr_timer_set(scheduler->timer, RETRY_MS);
    }
}

static void on_timer(void *context)
{
    announce(context);
}

/* A scheduler that comes back may have forgotten everybody. */
static void on_state(void *context, struct dtr_rpc_channel *channel, enum dtr_rpc_state state,
                     const struct dtr_error *err)
{
    struct scheduler *scheduler = context;
    (void)channel;
    if (state == DTR_RPC_LOST && scheduler->announced)
        dtr_log(DTR_LOG_WARN, NULL, "scheduler %s is lost: %s", scheduler->name, err ? err->text : "");
    if (state == DTR_RPC_LOST)
        scheduler->announced = false;
    if (state == DTR_RPC_READY)
        announce(scheduler);
}

static int add_scheduler(struct talk *talk, struct scheduler *scheduler, const char *name,
                         struct sockaddr_storage *ret_address, struct dtr_error *err)
{
    struct dtr_rpc_channel_options options = {
        .keep_connected = true, .state = on_state, .context = scheduler};
    struct dtr_addr addr;
    scheduler->talk = talk;
    (void)snprintf(scheduler->name, sizeof(scheduler->name), "%.100s", name);
    int rc = dtr_addr_parse(name, &addr, err);
    if (rc == DTR_OK)
        rc = dtr_timer_open(talk->daemon->parts.control, on_timer, scheduler, &scheduler->timer, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_channel_new(talk->daemon->parts.control, &addr, &options, &scheduler->channel, err);
    if (rc == DTR_OK)
        memcpy(ret_address, &addr.any, addr.length);
    return rc;
}

int talk_new(struct dtr_daemon *daemon, struct talk **ret_talk, struct dtr_error *err)
{
    size_t count = daemon->parts.scheduler_count;
    struct talk *talk = calloc(1, sizeof(*talk));
    struct sockaddr_storage *addresses = calloc(count + 1, sizeof(*addresses));
    int rc = DTR_OK;
    if (talk)
        talk->schedulers = calloc(count + 1, sizeof(*talk->schedulers));
    if (!talk || !addresses || !talk->schedulers) {
        free(talk);
        free(addresses);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the schedulers");
    }
    talk->daemon = daemon;
    dtr_list_init(&talk->conversations);
    dtr_list_init(&talk->links);
    for (size_t i = 0; i < count && rc == DTR_OK; i++) {
        rc = add_scheduler(talk, &talk->schedulers[i], daemon->parts.schedulers[i], &addresses[i], err);
        talk->scheduler_count = i + 1;
    }
    if (rc == DTR_OK && count > 0)
        rc = dtr_ring_build(&talk->ring, addresses, count, err);
    free(addresses);
    *ret_talk = talk; /* also after an error: talk_close() takes it down */
    return rc;
}

struct scheduler *talk_scheduler_for(struct talk *talk, const char *task_id)
{
    for (size_t nth = 0; nth < talk->scheduler_count; nth++) {
        struct scheduler *scheduler = &talk->schedulers[dtr_ring_pick(&talk->ring, task_id, nth)];
        if (dtr_rpc_channel_state(scheduler->channel) == DTR_RPC_READY)
            return scheduler;
    }
    return NULL;
}

void talk_scheduler(void *context, struct dtr_task *task, const struct dtr_plan_action *action)
{
    struct talk *talk = ((struct dtr_daemon *)context)->talk;
    if (action->kind == DTR_PLAN_STAT_TASK)
        conversation_stat(talk, task);
    else
        conversation_say(talk, task, action);
}

void talk_parent(void *context, struct dtr_task *task, const struct dtr_plan_action *action)
{
    struct talk *talk = ((struct dtr_daemon *)context)->talk;
    if (action->kind == DTR_PLAN_PARENT_OPEN)
        link_open(talk, task, action->parent);
    else
        link_close(talk, task, action->parent);
}

/* --- questions of others -------------------------------------------------------------------------- */

struct talk_question {
    struct talk *talk;
    void (*done)(void *context, const struct dtr_rpc_message *response, const struct dtr_rpc_status *status);
    void *context;
};

static void on_answer(void *context, const struct dtr_rpc_message *response,
                      const struct dtr_rpc_status *status)
{
    struct talk_question question = *(struct talk_question *)context;
    free(context);
    question.done(question.context, response, status);
    talk_call_over(question.talk);
}

int talk_ask(struct dtr_daemon *daemon, const char *task_id, const struct dtr_rpc_method *method,
             const ProtobufCMessage *request,
             void (*done)(void *context, const struct dtr_rpc_message *response,
                          const struct dtr_rpc_status *status),
             void *context, struct dtr_error *err)
{
    const struct dtr_rpc_call_options options = {.timeout_ms = ASK_MS};
    struct talk *talk = daemon->talk;
    struct scheduler *scheduler = talk && !talk->closing ? talk_scheduler_for(talk, task_id) : NULL;
    if (!scheduler)
        return dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "no scheduler is there");
    struct talk_question *question = malloc(sizeof(*question));
    if (!question)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a question");
    *question = (struct talk_question){talk, done, context};
    int rc = dtr_rpc_unary(scheduler->channel, method, request, &options, on_answer, question, NULL, err);
    if (rc == DTR_OK)
        talk->open_calls++;
    else
        free(question);
    return rc;
}

void talk_pull_over(struct dtr_daemon *daemon, const struct dtr_task *task)
{
    links_close(daemon->talk, task);
    conversations_cancel(daemon->talk, task);
}

/* --- leave
 * -------------------------------------------------------------------------------------------------- */

static void on_gone(struct dtr_msg *msg)
{
    struct talk *talk = dtr_container(msg, struct talk, msg);
    void (*closed)(void *) = talk->closed;
    void *context = talk->closed_context;
    for (size_t i = 0; i < talk->scheduler_count; i++) {
        dtr_rpc_channel_close(talk->schedulers[i].channel);
        dtr_timer_close(talk->schedulers[i].timer);
    }
    dtr_timer_close(talk->leave);
    dtr_ring_free(&talk->ring);
    free(talk->schedulers);
    free(talk);
    if (closed)
        closed(context);
}

void talk_call_over(struct talk *talk)
{
    talk->open_calls--;
    if (talk->closing && talk->open_calls == 0)
        dtr_loop_post(talk->daemon->parts.control, &talk->msg);
}

static void on_left(void *context, const struct dtr_rpc_message *response,
                    const struct dtr_rpc_status *status)
{
    (void)response;
    (void)status;
    talk_call_over(context);
}

static void take_leave(struct scheduler *scheduler)
{
    Scheduler__V2__DeleteHostRequest request = SCHEDULER__V2__DELETE_HOST_REQUEST__INIT;
    const struct dtr_rpc_call_options options = {.timeout_ms = LEAVE_MS};
    struct talk *talk = scheduler->talk;
    request.host_id = talk->daemon->host_id;
    if (dtr_rpc_channel_state(scheduler->channel) == DTR_RPC_READY &&
        dtr_rpc_unary(scheduler->channel, &dtr_rpc_scheduler_delete_host, &request.base, &options, on_left,
                      talk, NULL, NULL) == DTR_OK)
        talk->open_calls++;
}

void talk_close(struct talk *talk, void (*closed)(void *context), void *context)
{
    talk->closing = true;
    talk->closed = closed;
    talk->closed_context = context;
    talk->msg.run = on_gone;
    talk->open_calls++; /* ours, so that nothing ends before all is set going */
    for (size_t i = 0; i < talk->scheduler_count; i++)
        take_leave(&talk->schedulers[i]);
    conversations_cancel(talk, NULL);
    links_close(talk, NULL);
    talk_call_over(talk);
}
