/* Whole tasks without a digest get old: their origin is asked whether it still has that version before a
 * reader gets any of it. A no withdraws what is stored, and the object is fetched anew; an origin that does
 * not answer keeps nobody from what is here. What has a digest is one version only, and is not asked about.
 */
#include "core/daemon/tasks/check.h"

#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/daemon/header_lines.h"
#include "core/obs/log.h"
#include <stdlib.h>

enum { GONE = 410, NOT_FOUND = 404, NOT_MODIFIED = 304 };

/* Belongs to the data thread between the posts. */
struct renewal {
    struct dtr_msg msg, stop;
    struct dtr_task *task;
    struct dtr_origin_call *call;
    char *url, *headers, *ca_file, *roots; /* of the last two NULL: none */
    uint64_t stall_ms;
    bool trusted, stopped, over;
    int status; /* 0: it did not answer */
    char version[200];
    struct dtr_error err;
};

static void free_renewal(struct renewal *renewal)
{
    free(renewal->url);
    free(renewal->headers);
    free(renewal->ca_file);
    free(renewal->roots);
    free(renewal);
}

/* Behind an order to stop that may be on its way. */
static void drop(struct dtr_msg *msg)
{
    free_renewal(dtr_container(msg, struct renewal, msg));
}

/* --- control: the answer ----------------------------------------------------------------------------------
 */

static bool is_same(const struct dtr_task *task, const struct renewal *renewal)
{
    return renewal->status == NOT_MODIFIED ||
           (renewal->status < 300 && strcmp(renewal->version, task->version) == 0);
}

static void judge(struct dtr_task *task, const struct renewal *renewal)
{
    bool answered = renewal->status == NOT_MODIFIED || renewal->status == NOT_FOUND ||
                    renewal->status == GONE || (renewal->status >= 200 && renewal->status < 300);
    task->asked_at = dtr_wall_ns() / 1000000000;
    if (!answered) {
        dtr_log(DTR_LOG_WARN, NULL, "task %.8s is served without knowing whether its origin still has it: %s",
                task->facts.task_id, renewal->err.text);
    } else if (!is_same(task, renewal)) {
        dtr_log(DTR_LOG_INFO, NULL, "task %.8s is withdrawn: its origin has another version now",
                task->facts.task_id);
        task_spoil(task);
    }
}

static void on_answer(struct dtr_msg *msg)
{
    struct renewal *renewal = dtr_container(msg, struct renewal, msg);
    struct dtr_task *task = renewal->task;
    task->renewal = NULL;
    if (!task->spoilt && !task->tasks->closing)
        judge(task, renewal);
    renewal->msg.run = drop;
    dtr_loop_post(task->data, &renewal->msg);
    readers_wake(task);
    task_settle(task);
}

/* --- data thread: the question
 * ------------------------------------------------------------------------------ */

static int on_head(void *context, const struct dtr_origin_head *head)
{
    struct renewal *renewal = context;
    const char *version = dtr_header_version(head->headers, head->header_count);
    renewal->status = head->status;
    (void)dtr_copy_text(renewal->version, sizeof(renewal->version), version ? version : "");
    return DTR_ECANCELLED;
}

static int on_body(void *context, const uint8_t *bytes, size_t length, bool *ret_pause)
{
    (void)context;
    (void)bytes;
    (void)length;
    (void)ret_pause;
    return DTR_ECANCELLED;
}

static void no_body(void *context)
{
    (void)context;
}

static void on_done(void *context, const struct dtr_error *err)
{
    struct renewal *renewal = context;
    renewal->call = NULL;
    renewal->over = true;
    if (renewal->status)
        (void)dtr_error_set(&renewal->err, DTR_EORIGIN, DTR_RETRY_NEVER, "it answers %d", renewal->status);
    else
        renewal->err = *err;
    renewal->msg.run = on_answer;
    dtr_loop_post(renewal->task->tasks->options.control, &renewal->msg);
}

static const struct dtr_origin_sink sink = {on_head, on_body, no_body, on_done};

static void ask(struct dtr_msg *msg)
{
    struct renewal *renewal = dtr_container(msg, struct renewal, msg);
    const struct dtr_tasks_options *options = &renewal->task->tasks->options;
    struct dtr_header headers[HEADER_LINES];
    struct dtr_error err = {.code = DTR_ECANCELLED, .text = "the daemon stops"};
    const struct dtr_origin_request request = {
        .url = renewal->url,
        .headers = headers,
        .header_count = header_lines_split(renewal->headers, headers, 0),
        .trusted = renewal->trusted,
        .length = DTR_LENGTH_UNKNOWN,
        .ca_file = renewal->ca_file,
        .roots = renewal->roots,
        .connect_ms = renewal->stall_ms,
        .stall_ms = renewal->stall_ms,
    };
    if (renewal->stopped || options->origin->read(options->origin_instance, renewal->task->data, &request,
                                                  &sink, renewal, &renewal->call, &err) != DTR_OK)
        on_done(renewal, &err);
}

static void stop(struct dtr_msg *msg)
{
    struct renewal *renewal = dtr_container(msg, struct renewal, stop);
    renewal->stopped = true;
    if (renewal->call && !renewal->over)
        renewal->task->tasks->options.origin->cancel(renewal->call);
}

/* --- control
 * ------------------------------------------------------------------------------------------------ */

static bool is_old(const struct dtr_task *task)
{
    int64_t age_s = (int64_t)(task->tasks->options.renew_after_ms / 1000), now = dtr_wall_ns() / 1000000000;
    int64_t known = task->asked_at > task->facts.finished_at ? task->asked_at : task->facts.finished_at;
    return age_s > 0 && task->facts.finished_at && !task->checkable && now - known >= age_s;
}

static bool is_tag(const char *version)
{
    return version[0] == '"';
}

/* Copies a text; NULL and "" are none. False: out of memory. */
static bool keep(const char *text, char **ret_copy)
{
    *ret_copy = text && text[0] ? strdup(text) : NULL;
    return *ret_copy || !text || !text[0];
}

void renew_look(struct dtr_task *task)
{
    const struct dtr_tasks_options *options = &task->tasks->options;
    struct dtr_str lines = {0};
    if (!is_old(task) || task->renewal || task->planner || task->spoilt || task->tasks->closing)
        return;
    if (!task->version[0])
        task_restore_version(task);
    if (!task->version[0])
        return; /* nothing tells its versions apart */
    struct renewal *renewal = calloc(1, sizeof(*renewal));
    if (!renewal)
        return;
    dtr_str_printf(&lines, "%s%s: %s\n", dtr_task_request_headers(task),
                   is_tag(task->version) ? "If-None-Match" : "If-Modified-Since", task->version);
    *renewal = (struct renewal){.msg.run = ask,
                                .stop.run = stop,
                                .task = task,
                                .trusted = task->trusted,
                                .stall_ms = options->plan.stall_timeout_ms};
    renewal->headers = dtr_str_take(&lines);
    renewal->url = strdup(dtr_task_url(task));
    bool ok = renewal->headers && renewal->url && keep(options->origin_ca_file, &renewal->ca_file) &&
              keep(dtr_task_request_roots(task), &renewal->roots);
    if (!ok) {
        free_renewal(renewal);
        return;
    }
    task->renewal = renewal;
    dtr_loop_post(task->data, &renewal->msg);
}

void renew_stop(struct dtr_task *task)
{
    if (task->renewal && !task->renewal_stopped)
        dtr_loop_post(task->data, &task->renewal->stop);
    task->renewal_stopped = task->renewal != NULL;
}
