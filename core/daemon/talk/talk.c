/* The talk's life. The schedulers are in talk_schedulers.c, conversations with them in talk_peer.c, the
 * parents in talk_parent.c. */
#include "core/daemon/talk/talk_internal.h"

#include "core/obs/log.h"
#include "core/rpc/methods.h"
#include "proto/scheduler.pb-c.h"

#include <stdlib.h>

enum { ASK_MS = 3000 };

static void on_turn(struct dtr_msg *msg);

int talk_new(struct dtr_daemon *daemon, struct talk **ret_talk, struct dtr_error *err)
{
    size_t count = daemon->parts.scheduler_count;
    struct talk *talk = calloc(1, sizeof(*talk));
    struct talk_place *list = calloc(count + 1, sizeof(*list));
    int rc = DTR_OK;
    if (!talk || !list) {
        free(talk);
        free(list);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the schedulers");
    }
    talk->daemon = daemon;
    talk->msg.run = on_turn;
    dtr_list_init(&talk->schedulers);
    dtr_list_init(&talk->conversations);
    dtr_list_init(&talk->links);
    for (size_t i = 0; i < count && rc == DTR_OK; i++)
        rc = dtr_addr_parse(daemon->parts.schedulers[i], &list[i].addr, err);
    if (rc == DTR_OK && count > 0)
        rc = talk_schedulers(talk, list, count, err);
    free(list);
    *ret_talk = talk; /* also after an error: talk_close() takes it down */
    return rc;
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
    struct scheduler *scheduler = talk ? talk_scheduler_for(talk, task_id) : NULL;
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

static void on_withdrawn(void *context, const struct dtr_rpc_message *response,
                         const struct dtr_rpc_status *status)
{
    if (!response)
        dtr_log(DTR_LOG_WARN, NULL, "task %.8s is not withdrawn from the scheduler: %s: %s", (char *)context,
                dtr_rpc_code_name(status->code), status->message);
    free(context);
}

void talk_withdraw(struct dtr_daemon *daemon, const char *task_id)
{
    Scheduler__V2__DeleteTaskRequest request = SCHEDULER__V2__DELETE_TASK_REQUEST__INIT;
    char *id = strdup(task_id);
    request.host_id = daemon->host_id;
    request.task_id = id;
    /* One that does not hear of it learns it from the next child that asks here in vain. */
    if (!id ||
        talk_ask(daemon, id, &dtr_rpc_scheduler_delete_task, &request.base, on_withdrawn, id, NULL) != DTR_OK)
        free(id);
}

void talk_pull_over(struct dtr_daemon *daemon, const struct dtr_task *task)
{
    if (!daemon->talk)
        return;
    links_close(daemon->talk, task);
    conversations_cancel(daemon->talk, task);
}

/* --- the end ------------------------------------------------------------------------------------------- */

static void end(struct talk *talk)
{
    void (*closed)(void *) = talk->closed;
    void *context = talk->closed_context;
    talk->daemon->talk = NULL; /* a deletion that ends later finds nobody to tell */
    schedulers_free(talk);
    free(talk);
    if (closed)
        closed(context);
}

static void on_turn(struct dtr_msg *msg)
{
    struct talk *talk = dtr_container(msg, struct talk, msg);
    talk->turning = false;
    if (!talk->closing)
        talk->leaving = schedulers_tidy(talk);
    else if (talk->open_calls == 0)
        end(talk);
}

void talk_turn(struct talk *talk)
{
    if (talk->turning)
        return;
    talk->turning = true;
    dtr_loop_post(talk->daemon->parts.control, &talk->msg);
}

void talk_call_over(struct talk *talk)
{
    talk->open_calls--;
    if (talk->closing ? talk->open_calls == 0 : talk->leaving)
        talk_turn(talk);
}

void talk_close(struct talk *talk, void (*closed)(void *context), void *context)
{
    talk->closing = true;
    talk->expecting = false;
    talk->closed = closed;
    talk->closed_context = context;
    talk->open_calls++; /* ours, so that nothing ends before all is set going */
    schedulers_leave(talk);
    conversations_cancel(talk, NULL);
    links_close(talk, NULL);
    talk_call_over(talk);
}
