/* What a pull brings, by whom, is counted: for its last line, for the journal and for metrics; and whose
 * transfers fail. */
#include "core/daemon/tasks/pull_log_internal.h"

#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/obs/metric.h"
#include <string.h>

struct journal_giver *pull_log_giver(const struct dtr_task *task, uint32_t parent)
{
    struct journal_giver *giver = journal_giver(task->log->story, parent);
    if (giver && task->planner) {
        const struct dtr_plan_view view = dtr_planner_parent_view(task->planner, parent);
        giver->state = view.state;
        giver->rate = view.rate;
        giver->measured = view.measured;
        giver->announced = view.announced;
    }
    return giver;
}

static void note_peer(struct pull_log *log, const char *address)
{
    uint32_t known = log->peer_count < PULL_PEERS ? log->peer_count : PULL_PEERS;
    for (uint32_t i = 0; i < known; i++) {
        if (strcmp(log->peers[i], address) == 0)
            return;
    }
    if (log->peer_count < PULL_PEERS)
        (void)dtr_copy_text(log->peers[log->peer_count], DTR_ADDR_TEXT, address);
    if (log->peer_count <= PULL_PEERS)
        log->peer_count++;
}

/* How many of these bytes are not here yet. */
static uint64_t fresh_of(const struct dtr_task *task, uint64_t offset, uint64_t length)
{
    uint64_t fresh = 0, end = offset + length;
    struct dtr_range gap;
    for (uint64_t at = offset; dtr_ranges_gap(&task->readable, at, end, &gap); at = gap.end)
        fresh += gap.end - gap.start;
    return fresh;
}

static void count_origin(const struct dtr_task *task, const struct dtr_report *report)
{
    struct pull_log *log = task->log;
    dtr_metric_add(DTR_CLIENT_DOWNLOAD_TRAFFIC, DTR_LABELS("BACK_TO_SOURCE", PULL_STANDARD),
                   (double)report->length);
    if (log)
        log->from_origin += report->length;
    if (!log || !log->story)
        return;
    uint64_t fresh = fresh_of(task, report->offset, report->length);
    log->story->from_origin += fresh;
    log->story->twice += report->length - fresh;
}

static void count_giver(const struct running *running, const struct dtr_piece *piece)
{
    struct journal_pull *story = running->task->log->story;
    uint64_t fresh = story ? fresh_of(running->task, piece->offset, piece->length) : 0;
    struct journal_giver *giver = pull_log_giver(running->task, running->parent);
    if (!story)
        return;
    story->from_peers += fresh;
    story->twice += piece->length - fresh;
    if (!giver)
        return;
    giver->pieces++;
    giver->bytes += piece->length;
    giver->fresh += fresh;
    giver->last_ms = dtr_now_ms() - story->began_ms;
}

static void count_peer(const struct running *running, const struct dtr_piece *piece)
{
    struct pull_log *log = running->task->log;
    dtr_metric_add(DTR_CLIENT_DOWNLOAD_TRAFFIC, DTR_LABELS("REMOTE_PEER", PULL_STANDARD),
                   (double)piece->length);
    dtr_metric_add(DTR_DOWNLOAD_BYTES, DTR_LABELS(running->from), (double)piece->length);
    if (!log)
        return;
    log->from_peers += piece->length;
    note_peer(log, running->from);
    count_giver(running, piece);
}

static void tell_failure(const struct running *running, const struct dtr_report *report)
{
    const struct pull_log *log = running->task->log;
    const struct dtr_error *err = report->error;
    struct journal_giver *giver;
    if (!log || log->over || err->code == DTR_OK || err->code == DTR_ECANCELLED)
        return;
    if (!running->origin && (giver = journal_giver(log->story, running->parent)))
        giver->failed++;
    if (report->ours)
        pull_log_tell(log, DTR_LOG_WARN, JOURNAL_STORE, "the store failed: %s", err->text);
    else if (running->origin)
        pull_log_tell(log, DTR_LOG_WARN, JOURNAL_ORIGIN, "the origin failed: %s", err->text);
    else if (err->code == DTR_ECORRUPT || err->code == DTR_EPROTOCOL)
        pull_log_tell(log, DTR_LOG_WARN, JOURNAL_PARENT, "parent %s lied: %s", running->from, err->text);
    else
        pull_log_tell(log, DTR_LOG_DEBUG, JOURNAL_PIECE, "piece %u of parent %s failed: %s", running->piece,
                      running->from, err->text);
}

void pull_log_report(const struct running *running, const struct dtr_report *report)
{
    if (running->origin)
        count_origin(running->task, report);
    if (report->kind == DTR_REPORT_PIECE && !running->origin)
        count_peer(running, &report->piece);
    if (report->kind == DTR_REPORT_DONE)
        tell_failure(running, report);
}
