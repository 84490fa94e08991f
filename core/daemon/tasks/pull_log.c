/* A pull's log lines, its part of the journal, and metrics; see pull_log.h. */
#include "core/daemon/tasks/pull_log.h"

#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/base/str.h"
#include "core/daemon/tasks/check.h"
#include "core/obs/log.h"
#include "core/obs/metric.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { ID_BYTES = 4, PEERS = 16 };

static const char *const standard = "0";    /* common.v2.TaskType */
static const char *const usual_level = "0"; /* common.v2.Priority */

struct pull_log {
    char id[2 * ID_BYTES + 1];
    bool over;                  /* its end was told */
    bool sent_to_source;        /* by the scheduler */
    bool answered;              /* it named parents */
    const char *source_why;     /* as it was told last */
    struct journal_pull *story; /* NULL: the journal has no room */
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

/* One line for the log, and the same for the journal. */
__attribute__((format(printf, 4, 5))) static void tell(const struct pull_log *log, enum dtr_log_level level,
                                                       enum journal_kind kind, const char *format, ...)
{
    char text[JOURNAL_TEXT + 1];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    dtr_log(level, log->id, "%s", text);
    journal_event(log->story, dtr_now_ms(), kind, text);
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

enum { ASKER_TEXT = 160 };

/* Who wants it, as "the proxy for 10.0.0.2". */
static const char *asker_text(const struct dtr_task *task, const struct dtr_reader *reader,
                              char text[ASKER_TEXT])
{
    const char *ip = task->wish.remote_ip ? task->wish.remote_ip : "";
    const char *how = !reader                          ? "prefetch of the whole"
                      : task->wish.need_back_to_source ? "a scheduler, of this seed"
                      : reader->is_prefetch            ? "gRPC, as prefetch"
                      : reader->by_proxy               ? "the proxy"
                                                       : "gRPC";
    (void)snprintf(text, ASKER_TEXT, "%s%s%s", how, *ip && reader ? " for " : "", reader ? ip : "");
    return text;
}

static struct journal_pull *begin_story(struct dtr_task *task, const struct pull_log *log, const char *url,
                                        const char *asker, const char *part)
{
    const struct journal_start start = {.id = log->id,
                                        .task_id = task->facts.task_id,
                                        .url = url,
                                        .digest = task->facts.digest,
                                        .asker = asker,
                                        .part = part,
                                        .wall_ms = dtr_wall_ns() / 1000000,
                                        .now_ms = log->began_ms,
                                        .content_length = task->facts.content_length,
                                        .from_store = dtr_ranges_total(&task->readable)};
    return journal_begin(&task->tasks->journal, &start);
}

void pull_log_begin(struct dtr_task *task, const struct dtr_reader *first)
{
    const struct dtr_task_facts *facts = &task->facts;
    const char *const *labels = DTR_LABELS(standard, facts->tag, facts->application, usual_level);
    struct pull_log *log = calloc(1, sizeof(*log));
    uint8_t id[ID_BYTES];
    char url[256], part[96], asker[ASKER_TEXT], stored[48] = "";
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
    const char *wanted = part_text(task, first, part);
    dtr_log(DTR_LOG_INFO, log->id, "pull of %s begins: task %s, %s%s",
            dtr_log_url(dtr_task_url(task), url, sizeof(url)), facts->task_id, wanted, stored);
    log->story = begin_story(task, log, url, asker_text(task, first, asker), wanted);
    if (suspects_watched(task))
        tell(log, DTR_LOG_DEBUG, JOURNAL_SCHEDULER, "no peer is asked: peers gave wrong bytes of it before");
}

void pull_log_join(const struct dtr_task *task, const struct dtr_reader *reader)
{
    char part[96], asker[ASKER_TEXT];
    if (task->log)
        tell(task->log, DTR_LOG_DEBUG, JOURNAL_READER, "another reader joins: %s, by %s",
             part_text(task, reader, part), asker_text(task, reader, asker));
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

static void tell_end(struct dtr_task *task, enum dtr_log_level level, enum journal_outcome outcome,
                     const char *why)
{
    struct pull_log *log = task->log;
    char peers[600] = " of peers";
    log->over = true;
    journal_end(log->story, dtr_now_ms(), outcome, why);
    log->story = NULL; /* the journal may forget it now */
    dtr_series_add(log->running, -1);
    if (log->peer_count)
        peers_text(log, peers, sizeof(peers));
    dtr_log(level, log->id, "%s after %llu ms%s%s; %llu bytes of the origin, %llu%s",
            journal_outcome_text(outcome), (unsigned long long)(dtr_now_ms() - log->began_ms),
            *why ? ": " : "", why, (unsigned long long)log->from_origin, (unsigned long long)log->from_peers,
            peers);
}

static void tell_done(struct dtr_task *task)
{
    const struct pull_log *log = task->log;
    uint64_t total = task->facts.content_length;
    const char *size = dtr_metric_size_level(log->length < total ? log->length : total);
    dtr_metric_add(DTR_CLIENT_DOWNLOAD_TASK_DURATION, DTR_LABELS(standard, size),
                   (double)(dtr_now_ms() - log->began_ms));
    tell_end(task, DTR_LOG_INFO, JOURNAL_DONE, "");
}

static void tell_failed(struct dtr_task *task, const struct dtr_error *err)
{
    const struct dtr_task_facts *facts = &task->facts;
    if (err->code == DTR_ECANCELLED) {
        tell_end(task, DTR_LOG_INFO, JOURNAL_GIVEN_UP, err->text);
        return;
    }
    dtr_metric_add(DTR_CLIENT_DOWNLOAD_TASK_FAILURE,
                   DTR_LABELS(standard, facts->tag, facts->application, usual_level), 1);
    tell_end(task, DTR_LOG_WARN, JOURNAL_FAILED, err->text);
}

void pull_log_end(struct dtr_task *task)
{
    if (task->log && !task->log->over)
        tell_end(task, DTR_LOG_INFO, JOURNAL_GIVEN_UP, "the daemon stops");
    free(task->log);
    task->log = NULL;
}

/* --- in between ----------------------------------------------------------------------------------------- */

static const char *parent_name(const struct dtr_task *task, uint32_t parent)
{
    const struct dtr_plan_parent *known = task->planner ? dtr_planner_parent(task->planner, parent) : NULL;
    return known ? known->address : "?";
}

/* The row of a parent in the journal, NULL when there is none, as the planner sees the parent now. */
static struct journal_giver *giver_now(const struct dtr_task *task, uint32_t parent)
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
    tell(log, DTR_LOG_DEBUG, JOURNAL_PARENT, "parent %s is asked what it has", known->address);
}

/* At the end of a pull all are let go, which goes without saying. */
static void close_parent(const struct dtr_task *task, const struct dtr_plan_action *action)
{
    const struct pull_log *log = task->log;
    struct journal_giver *giver = giver_now(task, action->parent);
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
        tell(log, DTR_LOG_DEBUG, JOURNAL_PARENT, "parent %s is let go: %s", parent_name(task, action->parent),
             action->description);
    if (log->story && giver && !over)
        log->story->stalls += strcmp(giver->state, "stalled") == 0;
}

/* The first piece that a parent is asked for says why it is that parent. */
static void first_piece(const struct dtr_task *task, const struct dtr_plan_action *action,
                        const struct journal_giver *giver)
{
    if (giver->rate > 0 && (giver->measured || giver->announced))
        tell(task->log, DTR_LOG_DEBUG, JOURNAL_PARENT,
             "parent %s is asked for its first piece, %u: expected to bring it soonest, at %.1f MB/s as %s",
             parent_name(task, action->parent), action->piece, giver->rate / 1e6,
             giver->measured ? "measured" : "announced");
    else
        tell(task->log, DTR_LOG_DEBUG, JOURNAL_PARENT,
             "parent %s is asked for its first piece, %u: its rate is not known yet",
             parent_name(task, action->parent), action->piece);
}

static void ask_parent(const struct dtr_task *task, const struct dtr_plan_action *action)
{
    struct journal_giver *giver = giver_now(task, action->parent);
    if (giver && giver->asked++ == 0)
        first_piece(task, action, giver);
}

static void ask_origin(const struct dtr_task *task, const struct dtr_plan_action *action)
{
    const struct pull_log *log = task->log;
    const char *why = action->description ? action->description : "it is to say its length";
    if (log->story)
        log->story->origin_requests++;
    if (action->length_only)
        tell(log, DTR_LOG_DEBUG, JOURNAL_REQUEST, "asks the origin for its length: %s", why);
    else if (action->length == DTR_LENGTH_UNKNOWN)
        tell(log, DTR_LOG_DEBUG, JOURNAL_REQUEST, "asks the origin for bytes %llu-: %s",
             (unsigned long long)action->offset, why);
    else
        tell(log, DTR_LOG_DEBUG, JOURNAL_REQUEST, "asks the origin for bytes %llu-%llu: %s",
             (unsigned long long)action->offset, (unsigned long long)(action->offset + action->length - 1),
             why);
}

static void ask_scheduler(const struct dtr_task *task, const struct dtr_plan_action *action)
{
    if (action->kind == DTR_PLAN_REGISTER) {
        tell(task->log, DTR_LOG_DEBUG, JOURNAL_SCHEDULER, "asks the scheduler%s",
             action->metadata_only ? " to take note of what is stored" : "");
        return;
    }
    tell(task->log, DTR_LOG_DEBUG, JOURNAL_SCHEDULER, "asks the scheduler for other parents: %s",
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
        tell(log, log->answered && !log->sent_to_source ? DTR_LOG_INFO : DTR_LOG_DEBUG, JOURNAL_ORIGIN,
             "goes to the origin: %s", why);
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
        tell(log, DTR_LOG_DEBUG, JOURNAL_PIECE, "piece %u of parent %s counts as failed", action->piece,
             parent_name(task, action->parent));
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
    dtr_metric_add(DTR_CLIENT_DOWNLOAD_TRAFFIC, DTR_LABELS("BACK_TO_SOURCE", standard),
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
    struct journal_giver *giver = giver_now(running->task, running->parent);
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
    dtr_metric_add(DTR_CLIENT_DOWNLOAD_TRAFFIC, DTR_LABELS("REMOTE_PEER", standard), (double)piece->length);
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
        tell(log, DTR_LOG_WARN, JOURNAL_STORE, "the store failed: %s", err->text);
    else if (running->origin)
        tell(log, DTR_LOG_WARN, JOURNAL_ORIGIN, "the origin failed: %s", err->text);
    else if (err->code == DTR_ECORRUPT || err->code == DTR_EPROTOCOL)
        tell(log, DTR_LOG_WARN, JOURNAL_PARENT, "parent %s lied: %s", running->from, err->text);
    else
        tell(log, DTR_LOG_DEBUG, JOURNAL_PIECE, "piece %u of parent %s failed: %s", running->piece,
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

/* --- the scheduler and the parents ---------------------------------------------------------------------- */

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
        tell(log, DTR_LOG_INFO, JOURNAL_SCHEDULER, "the scheduler names parents: %s", dtr_str_text(&parents));
        dtr_str_free(&parents);
        break;
    case DTR_PLAN_ANSWER_BACK_TO_SOURCE:
        log->sent_to_source = true;
        tell(log, DTR_LOG_INFO, JOURNAL_SCHEDULER, "the scheduler sends it back to source");
        break;
    case DTR_PLAN_ANSWER_EMPTY:
        tell(log, DTR_LOG_INFO, JOURNAL_SCHEDULER, "the scheduler says that the object is empty");
        break;
    case DTR_PLAN_ANSWER_METADATA_ONLY:
        tell(log, DTR_LOG_INFO, JOURNAL_SCHEDULER, "the scheduler takes note of what is stored");
        break;
    }
}

void pull_log_scheduler_lost(const struct dtr_task *task, const struct dtr_error *err)
{
    if (task->log)
        tell(task->log, DTR_LOG_WARN, JOURNAL_SCHEDULER, "goes on without the scheduler: %s", err->text);
}

void pull_log_parent_ended(const struct dtr_task *task, uint32_t parent, const struct dtr_error *err)
{
    if (!task->log)
        return;
    if (err->code == DTR_OK)
        tell(task->log, DTR_LOG_DEBUG, JOURNAL_PARENT, "parent %s has told all that it has",
             parent_name(task, parent));
    else
        tell(task->log, DTR_LOG_DEBUG, JOURNAL_PARENT, "parent %s is lost: %s", parent_name(task, parent),
             err->text);
}
