/* What is told of a pull under way: what its planner does, and what scheduler and parents say. */
#include "core/daemon/tasks/pull_log_internal.h"

#include "core/base/clock.h"
#include "core/base/str.h"
#include <string.h>

/* --- parents -------------------------------------------------------------------------------------------- */

static const char *parent_name(const struct dtr_task *task, uint32_t parent)
{
    const struct dtr_plan_parent *known = task->planner ? dtr_planner_parent(task->planner, parent) : NULL;
    return known ? known->address : "?";
}

static void open_parent(const struct dtr_task *task, uint32_t parent)
{
    const struct pull_log *log = task->log;
    const struct dtr_plan_parent *known = dtr_planner_parent(task->planner, parent);
    char address[DTR_ADDR_TEXT + 8];
    bool v6 = strchr(known->address, ':') != NULL;
    (void)snprintf(address, sizeof(address), "%s%.90s%s:%u", v6 ? "[" : "", known->address, v6 ? "]" : "",
                   known->port);
    struct journal_giver *giver =
        journal_join(log->story, dtr_now_ms(), parent, address, known->peer_id, known->host_id);
    if (giver)
        giver->left = false;
    pull_log_tell(log, DTR_LOG_DEBUG, JOURNAL_PARENT, "parent %s is asked what it has", known->address);
}

/* At the end of a pull all are let go, which goes without saying. */
static void close_parent(const struct dtr_task *task, const struct dtr_plan_action *action)
{
    const struct pull_log *log = task->log;
    struct journal_giver *giver = pull_log_giver(task, action->parent);
    bool over = dtr_planner_over(task->planner);
    if (giver) {
        giver->left = true;
        giver->left_ms = dtr_now_ms() - log->story->began_ms;
        giver->state = over ? "live" : giver->state;
        (void)snprintf(giver->why, sizeof(giver->why), "%.110s", action->description);
    }
    if (over)
        dtr_log(DTR_LOG_DEBUG, log->id, "parent %s is let go", parent_name(task, action->parent));
    else
        pull_log_tell(log, DTR_LOG_DEBUG, JOURNAL_PARENT, "parent %s is let go: %s",
                      parent_name(task, action->parent), action->description);
    if (log->story && giver && !over)
        log->story->stalls += strcmp(giver->state, "stalled") == 0;
}

/* The first piece that a parent is asked for says why it is that parent. */
static void first_piece(const struct dtr_task *task, const struct dtr_plan_action *action,
                        const struct journal_giver *giver)
{
    if (giver->rate > 0 && (giver->measured || giver->announced))
        pull_log_tell(
            task->log, DTR_LOG_DEBUG, JOURNAL_PARENT,
            "parent %s is asked for its first piece, %u: expected to bring it soonest, at %.1f MB/s as %s",
            parent_name(task, action->parent), action->piece, giver->rate / 1e6,
            giver->measured ? "measured" : "announced");
    else
        pull_log_tell(task->log, DTR_LOG_DEBUG, JOURNAL_PARENT,
                      "parent %s is asked for its first piece, %u: its rate is not known yet",
                      parent_name(task, action->parent), action->piece);
}

static void ask_parent(const struct dtr_task *task, const struct dtr_plan_action *action)
{
    struct journal_giver *giver = pull_log_giver(task, action->parent);
    if (giver && giver->asked++ == 0)
        first_piece(task, action, giver);
}

/* --- origin and scheduler ------------------------------------------------------------------------------- */

static void ask_origin(const struct dtr_task *task, const struct dtr_plan_action *action)
{
    const struct pull_log *log = task->log;
    const char *why = action->description ? action->description : "it is to say its length";
    if (log->story)
        log->story->origin_requests++;
    if (action->length_only)
        pull_log_tell(log, DTR_LOG_DEBUG, JOURNAL_REQUEST, "asks the origin for its length: %s", why);
    else if (action->length == DTR_LENGTH_UNKNOWN)
        pull_log_tell(log, DTR_LOG_DEBUG, JOURNAL_REQUEST, "asks the origin for bytes %llu-: %s",
                      (unsigned long long)action->offset, why);
    else
        pull_log_tell(log, DTR_LOG_DEBUG, JOURNAL_REQUEST, "asks the origin for bytes %llu-%llu: %s",
                      (unsigned long long)action->offset,
                      (unsigned long long)(action->offset + action->length - 1), why);
}

static void ask_scheduler(const struct dtr_task *task, const struct dtr_plan_action *action)
{
    if (action->kind == DTR_PLAN_REGISTER) {
        pull_log_tell(task->log, DTR_LOG_DEBUG, JOURNAL_SCHEDULER, "asks the scheduler%s",
                      action->metadata_only ? " to take note of what is stored" : "");
        return;
    }
    pull_log_tell(task->log, DTR_LOG_DEBUG, JOURNAL_SCHEDULER, "asks the scheduler for other parents: %s",
                  action->description);
    if (task->log->story)
        task->log->story->replans++;
}

void pull_log_look(struct dtr_task *task)
{
    struct pull_log *log = task->log;
    const char *why = log && task->planner && !log->over ? dtr_planner_source_why(task->planner) : NULL;
    if (!log || log->over || why == log->source_why)
        return;
    log->source_why = why;
    if (why)
        pull_log_tell(log, log->answered && !log->sent_to_source ? DTR_LOG_INFO : DTR_LOG_DEBUG,
                      JOURNAL_ORIGIN, "goes to the origin: %s", why);
}

void pull_log_action(struct dtr_task *task, const struct dtr_plan_action *action)
{
    const struct pull_log *log = task->log;
    if (!log)
        return;
    pull_log_look(task);
    switch (action->kind) {
    case DTR_PLAN_REGISTER:
    case DTR_PLAN_RESCHEDULE:
        ask_scheduler(task, action);
        break;
    case DTR_PLAN_PIECE_FAILED:
        pull_log_tell(log, DTR_LOG_DEBUG, JOURNAL_PIECE, "piece %u of parent %s counts as failed",
                      action->piece, parent_name(task, action->parent));
        break;
    case DTR_PLAN_PARENT_OPEN:
        open_parent(task, action->parent);
        break;
    case DTR_PLAN_PARENT_CLOSE:
        close_parent(task, action);
        break;
    case DTR_PLAN_FETCH:
        ask_parent(task, action);
        break;
    case DTR_PLAN_ORIGIN:
        ask_origin(task, action);
        break;
    case DTR_PLAN_LENGTH:
        if (log->story)
            log->story->content_length = action->content_length;
        break;
    case DTR_PLAN_DONE:
        pull_log_done(task);
        break;
    case DTR_PLAN_FAIL:
        pull_log_failed(task, action->error);
        break;
    default:
        break;
    }
}

/* --- what others say ------------------------------------------------------------------------------------ */

void pull_log_answer(const struct dtr_task *task, const struct dtr_plan_answer *answer)
{
    struct pull_log *log = task->log;
    struct dtr_str parents = {.limit = 1000};
    if (!log)
        return;
    switch (answer->kind) {
    case DTR_PLAN_ANSWER_NORMAL:
        log->answered = true;
        for (uint32_t i = 0; i < answer->parent_count; i++)
            dtr_str_printf(&parents, "%s%s", i ? ", " : "", answer->parents[i].address);
        pull_log_tell(log, DTR_LOG_INFO, JOURNAL_SCHEDULER, "the scheduler names parents: %s",
                      dtr_str_text(&parents));
        dtr_str_free(&parents);
        break;
    case DTR_PLAN_ANSWER_BACK_TO_SOURCE:
        log->sent_to_source = true;
        pull_log_tell(log, DTR_LOG_INFO, JOURNAL_SCHEDULER, "the scheduler sends it back to source");
        break;
    case DTR_PLAN_ANSWER_EMPTY:
        pull_log_tell(log, DTR_LOG_INFO, JOURNAL_SCHEDULER, "the scheduler says that the object is empty");
        break;
    case DTR_PLAN_ANSWER_METADATA_ONLY:
        pull_log_tell(log, DTR_LOG_INFO, JOURNAL_SCHEDULER, "the scheduler takes note of what is stored");
        break;
    }
}

void pull_log_scheduler_lost(const struct dtr_task *task, const struct dtr_error *err)
{
    if (task->log)
        pull_log_tell(task->log, DTR_LOG_WARN, JOURNAL_SCHEDULER, "goes on without the scheduler: %s",
                      err->text);
}

void pull_log_parent_ended(const struct dtr_task *task, uint32_t parent, const struct dtr_error *err)
{
    if (!task->log)
        return;
    if (err->code == DTR_OK)
        pull_log_tell(task->log, DTR_LOG_DEBUG, JOURNAL_PARENT, "parent %s has told all that it has",
                      parent_name(task, parent));
    else
        pull_log_tell(task->log, DTR_LOG_DEBUG, JOURNAL_PARENT, "parent %s is lost: %s",
                      parent_name(task, parent), err->text);
}
