/* FindTask and DropTask: which hosts hold a task, and that they delete it. All announced hosts are asked: a
 * scheduler that was started again does not know who has what. */
#include "core/rpc/methods.h"
#include "core/scheduler/job.h"
#include "proto/darter.pb-c.h"
#include <stdlib.h>

struct find_call {
    struct job_ask ask;        /* first */
    struct dtr_rpc_call *call; /* NULL: gone */
    bool drops;
    struct grid_limits limits;
    uint64_t timeout_ms, begun_ms;
    struct plan everybody; /* who is asked whether they hold it, */
    struct plan holders;   /* and who is told to delete it */
    struct work *work;
};

static void find_end(struct find_call *find, const struct dtr_error *err)
{
    struct dtr_rpc_call *call = find->call;
    if (call)
        dtr_rpc_call_adopt(call, NULL, NULL);
    if (call && err)
        job_fail(call, err);
    job_asked(find->ask.scheduler);
    plan_free(&find->everybody);
    plan_free(&find->holders);
    free(find->ask.held);
    free(find);
}

/* --- the answer ---------------------------------------------------------------------------------------- */

/* darter.v1.FindTaskResponse, or DropTaskResponse, and its TaskHost */
enum { HOSTS = 1 };
enum { ID = 1, HOSTNAME = 2, IP = 3, TYPE = 4, CREATED = 5, UPDATED = 6, FINISHED = 7, ERROR = 8 };

static void put_host(struct dtr_str *out, const struct plan_host *host, bool finished, const char *why)
{
    struct dtr_str row = {0};
    wire_put_text(&row, ID, host->id);
    wire_put_text(&row, HOSTNAME, host->hostname);
    wire_put_text(&row, IP, host->ip);
    wire_put_text(&row, TYPE, host_type_text(host->type));
    wire_put_number(&row, CREATED, (uint64_t)host->created_ms);
    wire_put_number(&row, UPDATED, (uint64_t)host->updated_ms);
    wire_put_number(&row, FINISHED, finished);
    wire_put_text(&row, ERROR, why);
    wire_put_bytes(out, HOSTS, dtr_str_text(&row), row.length);
    dtr_str_free(&row);
}

static const char *why_of(const struct grid_row *row)
{
    return row->state != GRID_FAILED ? "" : row->why ? row->why : "it failed";
}

/* Those that hold it, and those that could not be asked; of the former, what became of the deletion. */
static void reply(const struct find_call *find)
{
    struct dtr_str out = {0};
    size_t count, deleted = 0;
    const struct grid_row *asked = grid_rows(find->everybody.grid, &count), *dropped = NULL;
    if (find->holders.grid)
        dropped = grid_rows(find->holders.grid, &deleted);
    for (size_t i = 0, next = 0; i < count; i++) {
        const struct plan_host *host = &find->everybody.hosts[asked[i].host];
        bool held = asked[i].state == GRID_DONE && find->ask.held[i] != JOB_LACKS;
        const char *why = held && next < deleted ? why_of(&dropped[next++]) : why_of(&asked[i]);
        if (held || why[0])
            put_host(&out, host, find->ask.held[i] == JOB_HOLDS, why);
    }
    job_reply(find->call, &out);
}

/* --- the questions ------------------------------------------------------------------------------------- */

/* Nobody has to wait for those that did not answer in time: they have their error. */
static void on_over(void *context, bool late)
{
    struct find_call *find = context;
    struct dtr_error err;
    bool closing = find->ask.scheduler->closing;
    (void)late;
    if (closing)
        (void)dtr_error_set(&err, DTR_ECANCELLED, DTR_RETRY_SAME, "the scheduler stops");
    else if (find->call)
        reply(find);
    find_end(find, closing ? &err : NULL);
}

static int drop(struct find_call *find, struct dtr_error *err)
{
    static const struct work_kind kind = {.method = &dtr_rpc_upload_delete_task,
                                          .call_ms = JOB_ASK_MS,
                                          .may_lack = true, /* somebody else was faster */
                                          .request = job_ask_held,
                                          .over = on_over};
    const struct plan *all = &find->everybody;
    const uint64_t took_ms = role_now_ms(find->ask.scheduler) - find->begun_ms;
    int rc = plan_add_object(&find->holders, "", all->objects[0].task_id, err);
    size_t count;
    const struct grid_row *asked = grid_rows(all->grid, &count);
    for (size_t i = 0; i < count && rc == DTR_OK; i++) {
        if (asked[i].state == GRID_DONE && find->ask.held[i] != JOB_LACKS)
            rc = plan_add_host(&find->holders, &all->hosts[asked[i].host], NULL, err);
    }
    if (rc == DTR_OK)
        rc = plan_begin(&find->holders, &find->limits, err);
    if (rc == DTR_OK)
        rc = work_begin(find->ask.scheduler, &find->holders, &kind,
                        find->timeout_ms > took_ms ? find->timeout_ms - took_ms : 1, find, &find->work, err);
    return rc;
}

static void on_asked(void *context, bool late)
{
    struct find_call *find = context;
    struct dtr_error err;
    if (!find->drops || find->ask.scheduler->closing || !find->call)
        on_over(find, late);
    else if (drop(find, &err) != DTR_OK)
        find_end(find, &err);
}

/* --- the calls ----------------------------------------------------------------------------------------- */

static void on_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct find_call *find = context;
    (void)call;
    (void)status;
    find->call = NULL;
    work_cancel(find->work);
}

static int read_request(struct find_call *find, const Darter__V1__TaskRequest *message, struct dtr_error *err)
{
    int64_t peers = message->has_concurrent_peer_count_case ? message->concurrent_peer_count : WISH_PEERS;
    find->timeout_ms = message->has_timeout_ms_case ? message->timeout_ms : WISH_TIMEOUT_MS;
    if (strlen(message->task_id) != DTR_TASK_ID_LENGTH)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "task_id: it has not %d characters",
                             (int)DTR_TASK_ID_LENGTH);
    if (peers < 1 || find->timeout_ms < 1 || find->timeout_ms > INT32_MAX)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "concurrent_peer_count and timeout_ms: each is 1 or more, the latter at most %d",
                             INT32_MAX);
    find->limits = (struct grid_limits){1, peers > WISH_PEERS_MOST ? WISH_PEERS_MOST : (uint32_t)peers};
    return plan_add_object(&find->everybody, "", message->task_id, err);
}

static int ask_hosts(struct find_call *find, struct dtr_error *err)
{
    static const struct work_kind kind = {.method = &dtr_rpc_upload_stat_local_task,
                                          .call_ms = JOB_ASK_MS,
                                          .may_lack = true,
                                          .request = job_ask_held,
                                          .answer = job_take_held,
                                          .over = on_asked};
    int rc = job_add_hosts(find->ask.scheduler, &find->everybody, err);
    if (rc == DTR_OK)
        rc = plan_begin(&find->everybody, &find->limits, err);
    if (rc != DTR_OK)
        return rc;
    find->ask.held = calloc(find->everybody.host_count + 1, 1);
    if (!find->ask.held)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a job");
    find->begun_ms = role_now_ms(find->ask.scheduler);
    return work_begin(find->ask.scheduler, &find->everybody, &kind, find->timeout_ms, find, &find->work, err);
}

static void begin(struct dtr_scheduler *scheduler, struct dtr_rpc_call *call,
                  const struct dtr_rpc_message *request, bool drops)
{
    static const struct dtr_rpc_events events = {.closed = on_closed};
    struct dtr_error err;
    if (!job_may_ask(scheduler, call))
        return;
    struct find_call *find = calloc(1, sizeof(*find));
    if (!find) {
        job_asked(scheduler);
        dtr_rpc_call_finish(call, DTR_RPC_RESOURCE_EXHAUSTED, "out of memory for a job");
        return;
    }
    find->ask.scheduler = scheduler;
    find->call = call;
    find->drops = drops;
    dtr_rpc_call_adopt(call, &events, find);
    int rc = read_request(find, (const void *)request->message, &err);
    if (rc == DTR_OK)
        rc = ask_hosts(find, &err);
    if (rc != DTR_OK)
        find_end(find, &err);
}

void task_find(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    begin(service, call, request, false);
}

void task_drop(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    begin(service, call, request, true);
}
