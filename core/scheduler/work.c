/* The calls of a job; see work.h. */
#include "core/scheduler/work.h"

#include <stdlib.h>

struct work {
    struct dtr_list link; /* in scheduler.works */
    struct dtr_scheduler *scheduler;
    struct plan *plan;
    const struct work_kind *kind;
    void *context;
    struct dtr_list calls;   /* struct question */
    struct dtr_timer *limit; /* for everything */
    struct dtr_msg msg;      /* the end */
    bool late, cancelled, ending;
};

/* A row that is being asked. */
struct question {
    struct dtr_list link;
    struct work *work;
    size_t row;
    struct line *line;
    struct dtr_rpc_call *call;
};

static const struct grid_row *row_of(const struct work *work, size_t row)
{
    size_t count;
    return &grid_rows(work->plan->grid, &count)[row];
}

static void on_end(struct dtr_msg *msg)
{
    struct work *work = dtr_container(msg, struct work, msg);
    struct dtr_scheduler *scheduler = work->scheduler;
    void (*over)(void *, bool) = work->kind->over;
    void *context = work->context;
    bool late = work->late;
    dtr_timer_close(work->limit);
    dtr_list_remove(&work->link);
    free(work);
    if (dtr_list_empty(&scheduler->works))
        lines_close_idle(scheduler);
    over(context, late);
    role_let_go(scheduler);
}

static void on_message(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct question *question = context;
    (void)call;
    if (question->work->kind->answer)
        question->work->kind->answer(question->work->context, question->row, message);
}

static void pump(struct work *work);

static void on_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct question *question = context;
    struct work *work = question->work;
    struct dtr_scheduler *scheduler = work->scheduler;
    struct line *line = question->line;
    char why[512];
    (void)call;
    bool well = status->code == DTR_RPC_OK || (work->kind->may_lack && status->code == DTR_RPC_NOT_FOUND);
    if (work->late)
        (void)snprintf(why, sizeof(why), "it was not done in the time there was");
    else
        (void)snprintf(why, sizeof(why), "%s: %.400s", dtr_rpc_code_name(status->code), status->message);
    grid_ended(work->plan->grid, question->row, well ? NULL : why);
    dtr_list_remove(&question->link);
    free(question);
    pump(work); /* it may go on with the same host */
    line_give_back(scheduler, line);
}

static int send_request(struct work *work, struct question *question, const struct plan_host *host,
                        struct dtr_error *err)
{
    struct dtr_str bytes = {0};
    const struct grid_row *row = row_of(work, question->row);
    work->kind->request(work->context, &work->plan->objects[row->object], host, &bytes);
    int rc = dtr_str_ok(&bytes)
                 ? dtr_rpc_call_send_bytes(question->call, dtr_str_text(&bytes), bytes.length, err)
                 : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a call");
    dtr_str_free(&bytes);
    if (rc == DTR_OK)
        dtr_rpc_call_end(question->call);
    else
        dtr_rpc_call_cancel(question->call);
    return DTR_OK; /* the rest is told by `closed` */
}

static int ask(struct work *work, size_t row, struct dtr_error *err)
{
    static const struct dtr_rpc_events events = {.message = on_message, .closed = on_closed};
    const struct dtr_rpc_call_options options = {.timeout_ms = work->kind->call_ms};
    const struct plan_host *host = &work->plan->hosts[row_of(work, row)->host];
    const struct dial to = {
        .ip = host->ip, .port = host->port, .proven = host->proven, .seed = host->type != 0};
    struct question *question = calloc(1, sizeof(*question));
    if (!question)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a call");
    *question = (struct question){.work = work, .row = row};
    int rc = line_take(work->scheduler, &to, &question->line, err);
    if (rc == DTR_OK) {
        rc = dtr_rpc_call_start(line_channel(question->line), work->kind->method, &options, &events, question,
                                &question->call, err);
        if (rc != DTR_OK)
            line_give_back(work->scheduler, question->line);
    }
    if (rc != DTR_OK) {
        free(question);
        return rc;
    }
    dtr_list_add_tail(&work->calls, &question->link);
    return send_request(work, question, host, err);
}

/* Asks what may be asked now; the last one ends it. */
static void pump(struct work *work)
{
    struct dtr_error err;
    size_t row;
    while (grid_next(work->plan->grid, &row)) {
        if (ask(work, row, &err) != DTR_OK)
            grid_ended(work->plan->grid, row, err.text);
    }
    if (work->ending || !grid_over(work->plan->grid))
        return;
    work->ending = true;
    work->msg.run = on_end;
    dtr_loop_post(work->scheduler->loop, &work->msg);
}

static void stop(struct work *work, const char *why)
{
    grid_stop(work->plan->grid, why);
    dtr_list_each (node, &work->calls)
        dtr_rpc_call_cancel(dtr_container(node, struct question, link)->call);
    pump(work);
}

static void on_limit(void *context)
{
    struct work *work = context;
    if (work->ending)
        return;
    work->late = true;
    stop(work, "it was not begun in the time there was");
}

int work_begin(struct dtr_scheduler *scheduler, struct plan *plan, const struct work_kind *kind,
               uint64_t timeout_ms, void *context, struct work **ret_work, struct dtr_error *err)
{
    struct work *work = calloc(1, sizeof(*work));
    int rc = work ? DTR_OK : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a job");
    if (rc == DTR_OK)
        rc = dtr_timer_open(scheduler->loop, on_limit, work, &work->limit, err);
    if (rc != DTR_OK) {
        free(work);
        return rc;
    }
    work->scheduler = scheduler;
    work->plan = plan;
    work->kind = kind;
    work->context = context;
    dtr_list_init(&work->calls);
    dtr_list_add_tail(&scheduler->works, &work->link);
    dtr_timer_set(work->limit, timeout_ms);
    *ret_work = work;
    pump(work);
    return DTR_OK;
}

void work_cancel(struct work *work)
{
    if (work->cancelled || work->ending)
        return;
    work->cancelled = true;
    stop(work, "it was cancelled");
}

void works_cancel_all(struct dtr_scheduler *scheduler)
{
    dtr_list_each (node, &scheduler->works)
        work_cancel(dtr_container(node, struct work, link));
}
