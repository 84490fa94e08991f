/* What is told of a pull as a whole: how it begins, who joins, how it ends; see pull_log.h. What happens in
 * between is told in pull_log_plan.c, what it brings is counted in pull_log_bytes.c. */
#include "core/daemon/tasks/pull_log_internal.h"

#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/base/str.h"
#include "core/daemon/tasks/check.h"
#include "core/obs/metric.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char *const usual_level = "0"; /* common.v2.Priority */

const char *dtr_task_pull_id(const struct dtr_task *task)
{
    return task->log ? task->log->id : NULL;
}

void pull_log_tell(const struct pull_log *log, enum dtr_log_level level, enum journal_kind kind,
                   const char *format, ...)
{
    char text[JOURNAL_TEXT + 1];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    dtr_log(level, log->id, "%s", text);
    journal_event(log->story, dtr_now_ms(), kind, text);
}

/* --- it begins ------------------------------------------------------------------------------------------ */

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
    const char *const *labels = DTR_LABELS(PULL_STANDARD, facts->tag, facts->application, usual_level);
    struct pull_log *log = calloc(1, sizeof(*log));
    uint8_t id[PULL_ID_BYTES];
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
        pull_log_tell(log, DTR_LOG_DEBUG, JOURNAL_SCHEDULER,
                      "no peer is asked: peers gave wrong bytes of it before");
}

void pull_log_join(const struct dtr_task *task, const struct dtr_reader *reader)
{
    char part[96], asker[ASKER_TEXT];
    if (task->log)
        pull_log_tell(task->log, DTR_LOG_DEBUG, JOURNAL_READER, "another reader joins: %s, by %s",
                      part_text(task, reader, part), asker_text(task, reader, asker));
}

/* --- it ends -------------------------------------------------------------------------------------------- */

/* " of 2 peers (a, b)" */
static void peers_text(const struct pull_log *log, char *text, size_t size)
{
    struct dtr_str list = {.limit = size - 1};
    bool many = log->peer_count > PULL_PEERS;
    dtr_str_printf(&list, " of %s%u peer%s (", many ? "more than " : "", many ? PULL_PEERS : log->peer_count,
                   log->peer_count == 1 ? "" : "s");
    for (uint32_t i = 0; i < log->peer_count && i < PULL_PEERS; i++)
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

void pull_log_done(struct dtr_task *task)
{
    const struct pull_log *log = task->log;
    uint64_t total = task->facts.content_length;
    const char *size = dtr_metric_size_level(log->length < total ? log->length : total);
    dtr_metric_add(DTR_CLIENT_DOWNLOAD_TASK_DURATION, DTR_LABELS(PULL_STANDARD, size),
                   (double)(dtr_now_ms() - log->began_ms));
    tell_end(task, DTR_LOG_INFO, JOURNAL_DONE, "");
}

void pull_log_failed(struct dtr_task *task, const struct dtr_error *err)
{
    const struct dtr_task_facts *facts = &task->facts;
    if (err->code == DTR_ECANCELLED) {
        tell_end(task, DTR_LOG_INFO, JOURNAL_GIVEN_UP, err->text);
        return;
    }
    dtr_metric_add(DTR_CLIENT_DOWNLOAD_TASK_FAILURE,
                   DTR_LABELS(PULL_STANDARD, facts->tag, facts->application, usual_level), 1);
    tell_end(task, DTR_LOG_WARN, JOURNAL_FAILED, err->text);
}

void pull_log_end(struct dtr_task *task)
{
    if (task->log && !task->log->over)
        tell_end(task, DTR_LOG_INFO, JOURNAL_GIVEN_UP, "the daemon stops");
    free(task->log);
    task->log = NULL;
}
