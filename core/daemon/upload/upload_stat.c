/* What is asked about tasks: StatTask goes on to the scheduler that has the task, DeleteTask removes the copy
 * here and withdraws it there, the local calls look at this daemon's table. */
#include "core/daemon/header_lines.h"
#include "core/daemon/talk/talk.h"
#include "core/daemon/upload/upload_internal.h"
#include "core/obs/log.h"
#include "core/obs/metric.h"
#include "core/rpc/methods.h"
#include "proto/dfdaemon.pb-c.h"
#include "proto/scheduler.pb-c.h"
#include <stdlib.h>

/* The families that count a call and its failures; the label is the type of standard tasks. */
struct counted {
    enum dtr_metric_id calls, failures;
};
static const struct counted stat_counted = {DTR_CLIENT_STAT_TASK, DTR_CLIENT_STAT_TASK_FAILURE};
static const struct counted delete_counted = {DTR_CLIENT_DELETE_TASK, DTR_CLIENT_DELETE_TASK_FAILURE};
static const struct counted delete_local_counted = {DTR_CLIENT_DELETE_LOCAL_TASK,
                                                    DTR_CLIENT_DELETE_LOCAL_TASK_FAILURE};
static const struct counted stat_local_counted = {DTR_CLIENT_STAT_LOCAL_TASK,
                                                  DTR_CLIENT_STAT_LOCAL_TASK_FAILURE};
static const struct counted list_local_counted = {DTR_CLIENT_LIST_LOCAL_TASKS,
                                                  DTR_CLIENT_LIST_LOCAL_TASKS_FAILURE};

static void count(enum dtr_metric_id id)
{
    dtr_metric_add(id, DTR_LABELS("0"), 1);
}

/* A caller waits for somebody else's answer. */
struct relay {
    struct dtr_daemon *daemon;
    struct dtr_rpc_call *call; /* NULL: the caller is gone */
    char task_id[DTR_TASK_ID_LENGTH + 1];
    const struct counted *counted;
};

static void on_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    (void)call;
    (void)status;
    ((struct relay *)context)->call = NULL;
}

/* The caller, which the relay lets go of with itself; NULL when it is gone. */
static struct dtr_rpc_call *relay_end(struct relay *relay)
{
    struct dtr_rpc_call *call = relay->call;
    if (call)
        dtr_rpc_call_adopt(call, NULL, NULL);
    free(relay);
    return call;
}

static void refuse(struct relay *relay, const struct dtr_error *err)
{
    count(relay->counted->failures);
    struct dtr_rpc_call *call = relay_end(relay);
    if (call)
        dtr_rpc_call_fail(call, err);
}

/* NULL: the call was refused. */
static struct relay *relay_new(struct dtr_daemon *daemon, struct dtr_rpc_call *call, const char *task_id,
                               const struct counted *counted)
{
    static const struct dtr_rpc_events events = {.closed = on_closed};
    struct relay *relay = NULL;
    count(counted->calls);
    if (strlen(task_id) != DTR_TASK_ID_LENGTH) {
        dtr_rpc_call_finish(call, DTR_RPC_INVALID_ARGUMENT, "task_id: it has not 64 characters");
    } else if (daemon->upload->closing) {
        dtr_rpc_call_finish(call, DTR_RPC_UNAVAILABLE, "the daemon stops");
    } else {
        relay = calloc(1, sizeof(*relay));
        if (!relay)
            dtr_rpc_call_finish(call, DTR_RPC_RESOURCE_EXHAUSTED, "out of memory for a call");
    }
    if (!relay) {
        count(counted->failures);
        return NULL;
    }
    relay->daemon = daemon;
    relay->counted = counted;
    relay->call = call;
    memcpy(relay->task_id, task_id, sizeof(relay->task_id));
    dtr_rpc_call_adopt(call, &events, relay);
    return relay;
}

/* --- StatTask ------------------------------------------------------------------------------------- */

static void on_stat(void *context, const struct dtr_rpc_message *response,
                    const struct dtr_rpc_status *status)
{
    struct dtr_rpc_call *call = relay_end(context);
    if (!response)
        count(stat_counted.failures);
    if (!call)
        return;
    if (response) /* as it came, with what we do not know */
        (void)dtr_rpc_call_send_bytes(call, response->bytes, response->length, NULL);
    dtr_rpc_call_finish(call, response ? DTR_RPC_OK : status->code, status->message);
}

void stat_task(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct dtr_daemon *daemon = service;
    const Dfdaemon__V2__StatTaskRequest *message = (const void *)request->message;
    Scheduler__V2__StatTaskRequest question = SCHEDULER__V2__STAT_TASK_REQUEST__INIT;
    struct relay *relay = relay_new(daemon, call, message->task_id, &stat_counted);
    struct dtr_error err;
    if (!relay)
        return;
    question.host_id = daemon->host_id;
    question.task_id = relay->task_id;
    if (talk_ask(daemon, relay->task_id, &dtr_rpc_scheduler_stat_task, &question.base, on_stat, relay,
                 &err) != DTR_OK)
        refuse(relay, &err);
}

/* --- DeleteTask ----------------------------------------------------------------------------------- */

static void deleted(struct relay *relay)
{
    Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
    struct dtr_rpc_call *call = relay_end(relay);
    if (call)
        dtr_rpc_call_reply(call, &empty.base);
}

/* The copy is gone either way; a scheduler that does not know learns it from the next child that asks here.
 */
static void on_withdrawn(void *context, const struct dtr_rpc_message *response,
                         const struct dtr_rpc_status *status)
{
    struct relay *relay = context;
    if (!response)
        dtr_log(DTR_LOG_WARN, NULL, "task %s is deleted here, but not withdrawn from the scheduler: %s: %s",
                relay->task_id, dtr_rpc_code_name(status->code), status->message);
    deleted(relay);
}

static void on_deleted(void *context, const struct dtr_error *err)
{
    struct relay *relay = context;
    Scheduler__V2__DeleteTaskRequest request = SCHEDULER__V2__DELETE_TASK_REQUEST__INIT;
    struct dtr_error why;
    if (err->code != DTR_OK) {
        refuse(relay, err);
        return;
    }
    request.host_id = relay->daemon->host_id;
    request.task_id = relay->task_id;
    if (talk_ask(relay->daemon, relay->task_id, &dtr_rpc_scheduler_delete_task, &request.base, on_withdrawn,
                 relay, &why) != DTR_OK)
        deleted(relay);
}

static void remove_task(struct dtr_daemon *daemon, struct dtr_rpc_call *call, const char *task_id,
                        const struct counted *counted)
{
    struct relay *relay = relay_new(daemon, call, task_id, counted);
    struct dtr_error err;
    if (relay && dtr_tasks_delete(daemon->tasks, relay->task_id, on_deleted, relay, &err) != DTR_OK)
        refuse(relay, &err);
}

void delete_task(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    const Dfdaemon__V2__DeleteTaskRequest *message = (const void *)request->message;
    remove_task(service, call, message->task_id, &delete_counted);
}

/* A parent that has no copy must not be offered as one: so this one is withdrawn too. */
void delete_local_task(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    const Dfdaemon__V2__DeleteLocalTaskRequest *message = (const void *)request->message;
    remove_task(service, call, message->task_id, &delete_local_counted);
}

/* --- this daemon's table -------------------------------------------------------------------------- */

typedef Dfdaemon__V2__StatLocalTaskResponse Local;
typedef Dfdaemon__V2__StatLocalTaskResponse__ResponseHeaderEntry Entry;

enum { CREATED, UPDATED, FINISHED, TIMES };

static int64_t last_use(const struct dtr_task_facts *facts)
{
    int64_t last = facts->created_at;
    last = facts->finished_at > last ? facts->finished_at : last;
    return facts->used_at > last ? facts->used_at : last;
}

/* All but the headers. */
static void fill_local(const struct dtr_task_facts *facts, Local *message,
                       Google__Protobuf__Timestamp times[TIMES])
{
    dfdaemon__v2__stat_local_task_response__init(message);
    for (size_t i = 0; i < TIMES; i++)
        google__protobuf__timestamp__init(&times[i]);
    message->task_id = (char *)(uintptr_t)facts->task_id;
    if (facts->piece_length) {
        message->has_piece_length_case =
            DFDAEMON__V2__STAT_LOCAL_TASK_RESPONSE__HAS_PIECE_LENGTH_PIECE_LENGTH;
        message->piece_length = facts->piece_length;
    }
    if (facts->content_length != DTR_LENGTH_UNKNOWN) {
        message->has_content_length_case =
            DFDAEMON__V2__STAT_LOCAL_TASK_RESPONSE__HAS_CONTENT_LENGTH_CONTENT_LENGTH;
        message->content_length = facts->content_length;
    }
    times[CREATED].seconds = facts->created_at;
    times[UPDATED].seconds = last_use(facts);
    times[FINISHED].seconds = facts->finished_at;
    message->created_at = &times[CREATED];
    message->updated_at = &times[UPDATED];
    message->finished_at = facts->finished_at ? &times[FINISHED] : NULL;
}

static void reply_local(struct dtr_rpc_call *call, const struct dtr_task_facts *facts)
{
    struct dtr_header headers[HEADER_LINES];
    Entry entries[HEADER_LINES], *pointers[HEADER_LINES];
    Google__Protobuf__Timestamp times[TIMES];
    Local message;
    char *lines = strdup(facts->headers);
    fill_local(facts, &message, times);
    message.n_response_header = header_lines_cut(lines, headers);
    message.response_header = pointers;
    for (size_t i = 0; i < message.n_response_header; i++) {
        dfdaemon__v2__stat_local_task_response__response_header_entry__init(&entries[i]);
        entries[i].key = (char *)(uintptr_t)headers[i].name;
        entries[i].value = (char *)(uintptr_t)headers[i].value;
        pointers[i] = &entries[i];
    }
    dtr_rpc_call_reply(call, &message.base);
    free(lines);
}

void stat_local_task(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct dtr_daemon *daemon = service;
    const Dfdaemon__V2__StatLocalTaskRequest *message = (const void *)request->message;
    const struct dtr_task *task =
        daemon->upload->closing ? NULL : dtr_tasks_find(daemon->tasks, message->task_id);
    count(stat_local_counted.calls);
    if (task) {
        reply_local(call, dtr_task_facts(task));
    } else {
        count(stat_local_counted.failures);
        dtr_rpc_call_finish(call, DTR_RPC_NOT_FOUND, "this task is not here");
    }
}

/* A list for an answer, as long as the table is; headers are left out of it, so that it stays a list. */
struct listing {
    Local *list, **pointers;
    Google__Protobuf__Timestamp (*times)[TIMES];
    size_t count, room;
};

static void count_one(void *context, const struct dtr_task *task)
{
    (void)task;
    ((struct listing *)context)->room++;
}

static void list_one(void *context, const struct dtr_task *task)
{
    struct listing *listing = context;
    size_t i = listing->count++;
    fill_local(dtr_task_facts(task), &listing->list[i], listing->times[i]);
    listing->pointers[i] = &listing->list[i];
}

void list_local_tasks(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct dtr_daemon *daemon = service;
    Dfdaemon__V2__ListLocalTasksResponse response = DFDAEMON__V2__LIST_LOCAL_TASKS_RESPONSE__INIT;
    struct listing listing = {0};
    (void)request;
    count(list_local_counted.calls);
    if (!daemon->upload->closing)
        dtr_tasks_each(daemon->tasks, count_one, &listing);
    listing.list = calloc(listing.room + 1, sizeof(*listing.list));
    listing.pointers = calloc(listing.room + 1, sizeof(*listing.pointers));
    listing.times = calloc(listing.room + 1, sizeof(*listing.times));
    if (!listing.list || !listing.pointers || !listing.times) {
        count(list_local_counted.failures);
        dtr_rpc_call_finish(call, DTR_RPC_RESOURCE_EXHAUSTED, "out of memory for the list of tasks");
    } else {
        if (listing.room > 0)
            dtr_tasks_each(daemon->tasks, list_one, &listing);
        response.tasks = listing.pointers;
        response.n_tasks = listing.count;
        dtr_rpc_call_reply(call, &response.base);
    }
    free(listing.list);
    free(listing.pointers);
    free(listing.times);
}
