/* The transfers of a pull: begun as its planner wants, and what they report brought back to it. */
#include "core/daemon/tasks/check.h"
#include "core/daemon/tasks/pull_internal.h"

#include "core/base/clock.h"
#include "core/base/str.h"
#include <stdlib.h>

enum { ORIGIN_STALLS = 4 };

/* --- what they report ----------------------------------------------------------------------------------- */

void pull_tell_piece(struct dtr_task *task, const struct dtr_piece *piece)
{
    const struct dtr_tasks_options *options = &task->tasks->options;
    if (options->piece)
        options->piece(options->piece_context, task, piece);
}

static int take_piece(const struct running *running, const struct dtr_piece *piece)
{
    struct dtr_task *task = running->task;
    int rc = task_add_piece(task, piece, NULL);
    if (rc != DTR_OK)
        return rc;
    if (running->origin)
        suspects_compare(task, piece);
    else
        suspects_gave(task, piece->number, running->from);
    pull_tell_piece(task, &task->pieces[piece->number]);
    return DTR_OK;
}

static void take_head(struct dtr_task *task, const struct dtr_report *report)
{
    if (task_keep(task, RESPONSE_HEADERS, report->headers))
        task->facts.headers = task->strings[RESPONSE_HEADERS];
    (void)dtr_copy_text(task->version, sizeof(task->version), report->version);
}

static void feed(struct running *running, const struct dtr_report *report)
{
    const struct dtr_task *task = running->task;
    struct dtr_planner *planner = task->planner;
    const struct dtr_plan_head head = {.total_length = report->total_length,
                                       .body_offset = report->body_offset,
                                       .whole = report->whole,
                                       .takes_ranges =
                                           report->takes_ranges && (task->checkable || task->version[0])};
    uint64_t now = dtr_now_ms();
    switch (report->kind) {
    case DTR_REPORT_HEAD:
        dtr_planner_origin_head(planner, now, running->id, &head);
        break;
    case DTR_REPORT_PROGRESS:
        dtr_planner_progress(planner, now, running->id, report->offset, report->length);
        break;
    case DTR_REPORT_PIECE:
        if (report->length)
            dtr_planner_progress(planner, now, running->id, report->offset, report->length);
        dtr_planner_piece_done(planner, now, running->id, &report->piece);
        break;
    case DTR_REPORT_WAITS:
        dtr_planner_transfer_waits(planner, now, running->id);
        break;
    case DTR_REPORT_DONE:
        dtr_planner_transfer_done(planner, now, running->id, report->error);
        break;
    }
}

static void on_report(void *context, const struct dtr_report *report)
{
    struct running *running = context;
    struct dtr_task *task = running->task;
    int rc = DTR_OK;
    pull_log_report(running, report);
    if (report->kind == DTR_REPORT_HEAD)
        take_head(task, report);
    if (report->kind == DTR_REPORT_PIECE && !task->spoilt)
        rc = take_piece(running, &report->piece);
    if (report->length && running->origin && !task->spoilt &&
        !dtr_ranges_add(&task->readable, report->offset, report->offset + report->length))
        rc = DTR_ENOMEM;
    if (rc != DTR_OK)
        dtr_transfer_cancel(running->transfer); /* without the map its bytes are of no use */
    if (report->length)
        running->at = report->offset + report->length;
    bool done = report->kind == DTR_REPORT_DONE;
    if (done)
        dtr_list_remove(&running->link);
    if (task->planner && rc == DTR_OK)
        feed(running, report);
    if (done)
        free(running);
    if (task->planner)
        dtr_task_act(task);
    check_advance(task);
    readers_wake(task);
    if (done)
        task_settle(task);
}

/* --- how they begin and end ----------------------------------------------------------------------------- */

static int fill_from_parent(const struct dtr_task *task, const struct dtr_plan_action *action,
                            struct dtr_transfer_request *request, struct dtr_error *err)
{
    const struct dtr_tasks_options *options = &task->tasks->options;
    if (action->parent >= task->parent_room || task->parents[action->parent].length == 0)
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_ELSEWHERE,
                             "where the parent serves pieces is not known");
    request->transport = options->transport;
    request->transport_instance = options->transport_instance;
    request->peer = task->parents[action->parent];
    request->piece_number = action->piece;
    return DTR_OK;
}

static void fill_from_origin(const struct dtr_task *task, const struct dtr_plan_action *action,
                             struct dtr_transfer_request *request)
{
    const struct dtr_tasks_options *options = &task->tasks->options;
    /* The planner gives an origin up, which has longer for its head; this is for one that it forgets. */
    request->stall_ms *= ORIGIN_STALLS;
    request->origin = options->origin;
    request->origin_instance = options->origin_instance;
    request->url = task->strings[ORIGIN_URL];
    request->headers = task->strings[REQUEST_HEADERS];
    request->default_headers = task->named ? options->origin_headers : NULL;
    request->ca_file = options->origin_ca_file;
    request->roots = dtr_task_request_roots(task);
    /* What has a digest is one version only, whatever an origin calls it. */
    request->version = task->version[0] && !task->checkable ? task->version : NULL;
    request->trusted = task->trusted;
    request->length_only = action->length_only;
    request->redirect_ttl_ms = options->redirect_ttl_ms;
    request->further = action->further;
    request->rest_too = action->rest_too;
    request->max_repeats = action->further ? 0 : options->origin_repeats;
}

static int fill_request(const struct dtr_task *task, const struct dtr_plan_action *action,
                        struct dtr_transfer_request *request, struct dtr_error *err)
{
    const struct dtr_tasks_options *options = &task->tasks->options;
    if (task->refused)
        return dtr_error_set(err, DTR_ENO_SPACE, DTR_RETRY_SAME,
                             "task %.8s has %llu bytes, for which gc.policy.diskThreshold leaves no room",
                             task->facts.task_id, (unsigned long long)task->facts.content_length);
    *request = (struct dtr_transfer_request){
        .data = task->data,
        .control = options->control,
        .copy = task->copy,
        .offset = action->offset,
        .length = action->length,
        .connect_ms = options->connect_ms,
        .stall_ms = options->plan.stall_timeout_ms,
        .content_length = task->facts.content_length,
        .piece_length = task->facts.piece_length ? task->facts.piece_length : task->wish.piece_length,
        .limits = options->limits,
    };
    if (action->kind == DTR_PLAN_FETCH)
        return fill_from_parent(task, action, request, err);
    fill_from_origin(task, action, request);
    return DTR_OK;
}

static int start_transfer(struct dtr_task *task, const struct dtr_plan_action *action, struct dtr_error *err)
{
    struct dtr_transfer_request request;
    int rc = fill_request(task, action, &request, err);
    if (rc != DTR_OK)
        return rc;
    struct running *running = calloc(1, sizeof(*running));
    if (!running)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a transfer");
    *running = (struct running){
        .task = task,
        .id = action->id,
        .piece = action->piece,
        .parent = action->parent,
        .origin = action->kind == DTR_PLAN_ORIGIN,
        .at = action->offset,
        .end = action->length == DTR_LENGTH_UNKNOWN ? DTR_LENGTH_UNKNOWN : action->offset + action->length};
    atomic_store(&running->in_background, prefetch_is_ahead(running));
    request.in_background = &running->in_background;
    if (!running->origin)
        dtr_addr_ip_text(&request.peer, running->from);
    rc = dtr_transfer_start(&request, on_report, running, &running->transfer, err);
    if (rc == DTR_OK)
        dtr_list_add_tail(&task->transfers, &running->link);
    else
        free(running);
    return rc;
}

void pull_begin_transfer(struct dtr_task *task, const struct dtr_plan_action *action)
{
    struct dtr_error err;
    uint32_t id = action->id;
    if (start_transfer(task, action, &err) != DTR_OK)
        dtr_planner_transfer_done(task->planner, dtr_now_ms(), id, &err);
}

struct running *pull_find(const struct dtr_task *task, uint32_t id)
{
    dtr_list_each (node, &task->transfers) {
        struct running *running = dtr_container(node, struct running, link);
        if (running->id == id)
            return running;
    }
    return NULL;
}

void pull_cancel_transfers(struct dtr_task *task)
{
    dtr_list_each (node, &task->transfers)
        dtr_transfer_cancel(dtr_container(node, struct running, link)->transfer);
}
