/* A pull's log lines and metrics; see pull_log.h. */
#include "core/daemon/tasks/pull_log.h"

#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/base/str.h"
#include "core/daemon/tasks/task_internal.h"
#include "core/obs/log.h"
#include "core/obs/metric.h"

#include <stdlib.h>
#include <string.h>

enum { ID_BYTES = 4, PEERS = 16 };

static const char *const standard = "0";    /* common.v2.TaskType */
static const char *const usual_level = "0"; /* common.v2.Priority */

struct pull_log {
    char id[2 * ID_BYTES + 1];
    bool over;           /* its end was told */
    bool sent_to_source; /* by the scheduler */
    uint64_t began_ms;
    uint64_t length; /* what the first reader wanted; DTR_LENGTH_UNKNOWN: the rest */
    uint64_t from_origin, from_peers;
    char peers[PEERS][DTR_ADDR_TEXT]; /* who brought pieces, the first of them */
    uint32_t peer_count;
    struct dtr_series *running;
};

const char *dtr_task_pull_id(const struct dtr_task *task)
{
    return task->log ? task->log->id : NULL;
}

/* --- begin and end -------------------------------------------------------------------------------------- */

/* What a reader wants, as "bytes 100-199 of 5000". */
static const char *part_text(const struct dtr_task *task, const struct dtr_reader *reader, char text[96])
{
    if (!reader)
        return "all that is missing, ahead of readers";
    uint64_t total = task->facts.content_length, last = reader->offset + reader->length - 1;
    char object[40] = "an unknown length", end[24] = "";
    if (total != DTR_LENGTH_UNKNOWN)
        (void)snprintf(object, sizeof(object), "%llu", (unsigned long long)total);
    if (reader->length < total - reader->offset)
        (void)snprintf(end, sizeof(end), "%llu", (unsigned long long)last);
    (void)snprintf(text, 96, "bytes %llu-%s of %s", (unsigned long long)reader->offset, end, object);
    return text;
}

void pull_log_begin(struct dtr_task *task, const struct dtr_reader *first)
{
    const struct dtr_task_facts *facts = &task->facts;
    const char *const *labels = DTR_LABELS(standard, facts->tag, facts->application, usual_level);
    struct pull_log *log = calloc(1, sizeof(*log));
    uint8_t id[ID_BYTES];
    char url[256], part[96], stored[48] = "";
    pull_log_end(task);
    if (!log)
        return;
    dtr_random(id, sizeof(id));
    dtr_hex(id, sizeof(id), log->id);
    log->began_ms = dtr_now_ms();
    log->length = first ? first->length : DTR_LENGTH_UNKNOWN;
    log->running = dtr_metric_series(DTR_CLIENT_CONCURRENT_DOWNLOAD_TASK, labels);
    task->log = log;
    dtr_metric_add(DTR_CLIENT_DOWNLOAD_TASK, labels, 1);
    dtr_series_add(log->running, 1);
    if (task->piece_count_had)
        (void)snprintf(stored, sizeof(stored), "; pieces in the store: %u", task->piece_count_had);
    dtr_log(DTR_LOG_INFO, log->id, "pull of %s begins: task %s, %s%s",
            dtr_log_url(dtr_task_url(task), url, sizeof(url)), facts->task_id, part_text(task, first, part),
            stored);
}

void pull_log_join(const struct dtr_task *task, const struct dtr_reader *reader)
{
    char part[96];
    if (task->log)
        dtr_log(DTR_LOG_DEBUG, task->log->id, "another reader joins: %s", part_text(task, reader, part));
}

/* " of 2 peers (a, b)" */
static void peers_text(const struct pull_log *log, char *text, size_t size)
{
    struct dtr_str list = {.limit = size - 1};
    bool many = log->peer_count > PEERS;
    dtr_str_printf(&list, " of %s%u peer%s (", many ? "more than " : "", many ? PEERS : log->peer_count,
                   log->peer_count == 1 ? "" : "s");
    for (uint32_t i = 0; i < log->peer_count && i < PEERS; i++)
        dtr_str_printf(&list, "%s%s", i ? ", " : "", log->peers[i]);
    dtr_str_puts(&list, ")");
    (void)snprintf(text, size, "%s", dtr_str_text(&list));
    dtr_str_free(&list);
}

static void tell_end(struct dtr_task *task, enum dtr_log_level level, const char *how, const char *why)
{
    struct pull_log *log = task->log;
    char peers[600] = " of peers";
    log->over = true;
    dtr_series_add(log->running, -1);
    if (log->peer_count)
        peers_text(log, peers, sizeof(peers));
    dtr_log(level, log->id, "%s after %llu ms%s%s; %llu bytes of the origin, %llu%s", how,
            (unsigned long long)(dtr_now_ms() - log->began_ms), *why ? ": " : "", why,
            (unsigned long long)log->from_origin, (unsigned long long)log->from_peers, peers);
}

static void tell_done(struct dtr_task *task)
{
    const struct pull_log *log = task->log;
    uint64_t total = task->facts.content_length;
    const char *size = dtr_metric_size_level(log->length < total ? log->length : total);
    dtr_metric_add(DTR_CLIENT_DOWNLOAD_TASK_DURATION, DTR_LABELS(standard, size),
                   (double)(dtr_now_ms() - log->began_ms));
    tell_end(task, DTR_LOG_INFO, "done", "");
}

static void tell_failed(struct dtr_task *task, const struct dtr_error *err)
{
    const struct dtr_task_facts *facts = &task->facts;
    if (err->code == DTR_ECANCELLED) {
        tell_end(task, DTR_LOG_INFO, "given up", err->text);
        return;
    }
    dtr_metric_add(DTR_CLIENT_DOWNLOAD_TASK_FAILURE,
                   DTR_LABELS(standard, facts->tag, facts->application, usual_level), 1);
    tell_end(task, DTR_LOG_WARN, "failed", err->text);
}

void pull_log_end(struct dtr_task *task)
{
    if (task->log && !task->log->over)
        tell_end(task, DTR_LOG_INFO, "given up", "the daemon stops");
    free(task->log);
    task->log = NULL;
}

/* --- in between ----------------------------------------------------------------------------------------- */

static const char *parent_name(const struct dtr_task *task, uint32_t parent)
{
    const struct dtr_plan_parent *known = task->planner ? dtr_planner_parent(task->planner, parent) : NULL;
    return known ? known->address : "?";
}

void pull_log_action(struct dtr_task *task, const struct dtr_plan_action *action)
{
    const struct pull_log *log = task->log;
    if (!log)
        return;
    switch (action->kind) {
    case DTR_PLAN_REGISTER:
        dtr_log(DTR_LOG_DEBUG, log->id, "asks the scheduler%s",
                action->metadata_only ? " to take note of what is stored" : "");
        break;
    case DTR_PLAN_RESCHEDULE:
        dtr_log(DTR_LOG_DEBUG, log->id, "asks the scheduler for other parents: %s", action->description);
        break;
    case DTR_PLAN_BACK_TO_SOURCE_STARTED:
        dtr_log(log->sent_to_source ? DTR_LOG_DEBUG : DTR_LOG_INFO, log->id, "goes to the origin: %s",
                action->description);
        break;
    case DTR_PLAN_PIECE_FAILED:
        dtr_log(DTR_LOG_DEBUG, log->id, "piece %u of parent %s counts as failed", action->piece,
                parent_name(task, action->parent));
        break;
    case DTR_PLAN_PARENT_OPEN:
        dtr_log(DTR_LOG_DEBUG, log->id, "parent %s is asked what it has", parent_name(task, action->parent));
        break;
    case DTR_PLAN_PARENT_CLOSE:
        dtr_log(DTR_LOG_DEBUG, log->id, "parent %s is let go", parent_name(task, action->parent));
        break;
    case DTR_PLAN_DONE:
        tell_done(task);
        break;
    case DTR_PLAN_FAIL:
        tell_failed(task, action->error);
        break;
    default:
        break;
    }
}

static void note_peer(struct pull_log *log, const char *address)
{
    uint32_t known = log->peer_count < PEERS ? log->peer_count : PEERS;
    for (uint32_t i = 0; i < known; i++) {
        if (strcmp(log->peers[i], address) == 0)
            return;
    }
    if (log->peer_count < PEERS)
        (void)dtr_copy_text(log->peers[log->peer_count], DTR_ADDR_TEXT, address);
    if (log->peer_count <= PEERS)
        log->peer_count++;
}

static void count_origin(struct pull_log *log, uint64_t length)
{
    dtr_metric_add(DTR_CLIENT_DOWNLOAD_TRAFFIC, DTR_LABELS("BACK_TO_SOURCE", standard), (double)length);
    if (log)
        log->from_origin += length;
}

static void count_peer(struct pull_log *log, const char *address, uint64_t length)
{
    dtr_metric_add(DTR_CLIENT_DOWNLOAD_TRAFFIC, DTR_LABELS("REMOTE_PEER", standard), (double)length);
    dtr_metric_add(DTR_DOWNLOAD_BYTES, DTR_LABELS(address), (double)length);
    if (log) {
        log->from_peers += length;
        note_peer(log, address);
    }
}

static void tell_failure(const struct running *running, const struct dtr_report *report)
{
    const struct pull_log *log = running->task->log;
    const struct dtr_error *err = report->error;
    if (!log || log->over || err->code == DTR_OK || err->code == DTR_ECANCELLED)
        return;
    if (report->ours)
        dtr_log(DTR_LOG_WARN, log->id, "the store failed: %s", err->text);
    else if (running->origin)
        dtr_log(DTR_LOG_WARN, log->id, "the origin failed: %s", err->text);
    else if (err->code == DTR_ECORRUPT || err->code == DTR_EPROTOCOL)
        dtr_log(DTR_LOG_WARN, log->id, "parent %s lied: %s", running->from, err->text);
    else
        dtr_log(DTR_LOG_DEBUG, log->id, "piece %u of parent %s failed: %s", running->piece, running->from,
                err->text);
}

void pull_log_report(const struct running *running, const struct dtr_report *report)
{
    struct pull_log *log = running->task->log;
    if (running->origin)
        count_origin(log, report->length);
    if (report->kind == DTR_REPORT_PIECE && !running->origin)
        count_peer(log, running->from, report->piece.length);
    if (report->kind == DTR_REPORT_DONE)
        tell_failure(running, report);
}

/* --- the scheduler and the parents ---------------------------------------------------------------------- */

void pull_log_answer(const struct dtr_task *task, const struct dtr_plan_answer *answer)
{
    struct pull_log *log = task->log;
    struct dtr_str parents = {.limit = 1000};
    if (!log)
        return;
    switch (answer->kind) {
    case DTR_PLAN_ANSWER_NORMAL:
        for (uint32_t i = 0; i < answer->parent_count; i++)
            dtr_str_printf(&parents, "%s%s", i ? ", " : "", answer->parents[i].address);
        dtr_log(DTR_LOG_INFO, log->id, "the scheduler names parents: %s", dtr_str_text(&parents));
        dtr_str_free(&parents);
        break;
    case DTR_PLAN_ANSWER_BACK_TO_SOURCE:
        log->sent_to_source = true;
        dtr_log(DTR_LOG_INFO, log->id, "the scheduler sends it back to source");
        break;
    case DTR_PLAN_ANSWER_EMPTY:
        dtr_log(DTR_LOG_INFO, log->id, "the scheduler says that the object is empty");
        break;
    case DTR_PLAN_ANSWER_METADATA_ONLY:
        dtr_log(DTR_LOG_INFO, log->id, "the scheduler takes note of what is stored");
        break;
    }
}

void pull_log_scheduler_lost(const struct dtr_task *task, const struct dtr_error *err)
{
    if (task->log)
        dtr_log(DTR_LOG_WARN, task->log->id, "goes on without the scheduler: %s", err->text);
}

void pull_log_parent_ended(const struct dtr_task *task, uint32_t parent, const struct dtr_error *err)
{
    if (!task->log)
        return;
    if (err->code == DTR_OK)
        dtr_log(DTR_LOG_DEBUG, task->log->id, "parent %s has told all that it has",
                parent_name(task, parent));
    else
        dtr_log(DTR_LOG_DEBUG, task->log->id, "parent %s is lost: %s", parent_name(task, parent), err->text);
}
