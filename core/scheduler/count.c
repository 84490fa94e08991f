/* What the scheduler counts of AnnouncePeer conversations, under Dragonfly's label values. */
#include "core/base/clock.h"
#include "core/obs/build.h"
#include "core/obs/metric.h"
#include "core/scheduler/role.h"

#include <stdio.h>

/* The enumerators' names of common.v2, as Dragonfly's scheduler has them. */
static const char *const task_type = "STANDARD";

static const char *traffic_name(enum dtr_traffic traffic)
{
    static const char *const names[] = {[DTR_TRAFFIC_BACK_TO_SOURCE] = "BACK_TO_SOURCE",
                                        [DTR_TRAFFIC_REMOTE_PEER] = "REMOTE_PEER",
                                        [DTR_TRAFFIC_LOCAL_PEER] = "LOCAL_PEER"};
    return (unsigned)traffic < sizeof(names) / sizeof(names[0]) ? names[traffic] : "BACK_TO_SOURCE";
}

enum { PRIORITIES = PRIORITY_MOST + 1, HOST_TYPES = 4, TRAFFICS = 3 };

const char *host_type_text(uint32_t type)
{
    static const char *const names[HOST_TYPES] = {"normal", "super", "strong", "weak"};
    return names[type < HOST_TYPES ? type : 1];
}

/* Who speaks on this stream, by its register. */
static void note_labels(struct announce *announce, const struct dtr_swarm_message *event)
{
    const struct dtr_swarm_host *host = dtr_swarm_find_host(announce->scheduler->swarm, event->host_id);
    uint32_t type = host ? host->facts.type : 0;
    announce->counts.priority = (uint8_t)event->registered->priority;
    announce->counts.host_type = (uint8_t)(type < HOST_TYPES ? type : 1);
}

/* There are few label sets, and they come with every message: so each is looked up once. Only the
 * scheduler's loop counts here. */
static void count_peer(const struct announce *announce, enum dtr_metric_id id)
{
    static struct dtr_series *known[DTR_METRIC_COUNT][PRIORITIES][HOST_TYPES];
    unsigned priority = announce->counts.priority, type = announce->counts.host_type;
    struct dtr_series **series = &known[id][priority][type];
    if (!*series) {
        char level[16];
        (void)snprintf(level, sizeof(level), "LEVEL%u", priority);
        *series = dtr_metric_series(id, DTR_LABELS(level, task_type, host_type_text(type)));
    }
    dtr_series_add(*series, 1);
}

static void count_piece(const struct announce *announce, enum dtr_metric_id id, enum dtr_traffic traffic,
                        double amount)
{
    static struct dtr_series *known[DTR_METRIC_COUNT][TRAFFICS][HOST_TYPES];
    unsigned type = announce->counts.host_type;
    struct dtr_series **series = &known[id][(unsigned)traffic < TRAFFICS ? traffic : 0][type];
    if (!*series)
        *series = dtr_metric_series(id, DTR_LABELS(traffic_name(traffic), task_type, host_type_text(type)));
    dtr_series_add(*series, amount);
}

static void count_traffic(const struct announce *announce, const struct dtr_swarm_message *event,
                          const struct dtr_swarm_peer *peer)
{
    const struct dtr_swarm_announce *host = &peer->host->facts;
    double length = (double)event->piece.length;
    count_piece(announce, DTR_SCHEDULER_DOWNLOAD_PIECE_FINISHED, event->piece.traffic, 1);
    count_piece(announce, DTR_SCHEDULER_TRAFFIC, event->piece.traffic, length);
    if (announce->scheduler->count_hosts)
        dtr_metric_add(DTR_SCHEDULER_HOST_TRAFFIC,
                       DTR_LABELS(traffic_name(event->piece.traffic), task_type,
                                  host_type_text(announce->counts.host_type), host->id, host->ip,
                                  host->hostname),
                       length);
}

static void count_finished(const struct announce *announce, const struct dtr_swarm_peer *peer)
{
    count_peer(announce, DTR_SCHEDULER_DOWNLOAD_PEER_FINISHED);
    if (peer)
        dtr_metric_add(DTR_SCHEDULER_DOWNLOAD_PEER_DURATION,
                       DTR_LABELS(dtr_metric_size_level(peer->task->content_length)),
                       (double)(role_now_ms(announce->scheduler) - peer->created_ms));
}

static void count_event(struct announce *announce, const struct dtr_swarm_message *event,
                        const struct dtr_swarm_peer *peer)
{
    switch (event->kind) {
    case DTR_SWARM_REGISTER:
        count_peer(announce, DTR_SCHEDULER_REGISTER_PEER);
        break;
    case DTR_SWARM_STARTED:
        count_peer(announce, DTR_SCHEDULER_DOWNLOAD_PEER_STARTED);
        break;
    case DTR_SWARM_SOURCE_STARTED:
        count_peer(announce, DTR_SCHEDULER_DOWNLOAD_PEER_BACK_TO_SOURCE_STARTED);
        break;
    case DTR_SWARM_FINISHED:
    case DTR_SWARM_SOURCE_FINISHED:
        count_finished(announce, peer);
        break;
    case DTR_SWARM_FAILED:
        count_peer(announce, DTR_SCHEDULER_DOWNLOAD_PEER_FINISHED_FAILURE);
        break;
    case DTR_SWARM_SOURCE_FAILED:
        count_peer(announce, DTR_SCHEDULER_DOWNLOAD_PEER_BACK_TO_SOURCE_FINISHED_FAILURE);
        break;
    case DTR_SWARM_PIECE_FINISHED:
    case DTR_SWARM_SOURCE_PIECE_FINISHED:
        if (peer)
            count_traffic(announce, event, peer);
        break;
    case DTR_SWARM_PIECE_FAILED:
        count_piece(announce, DTR_SCHEDULER_DOWNLOAD_PIECE_FINISHED_FAILURE, DTR_TRAFFIC_REMOTE_PEER, 1);
        break;
    case DTR_SWARM_SOURCE_PIECE_FAILED:
        count_piece(announce, DTR_SCHEDULER_DOWNLOAD_PIECE_BACK_TO_SOURCE_FINISHED_FAILURE,
                    DTR_TRAFFIC_BACK_TO_SOURCE, 1);
        break;
    case DTR_SWARM_RESCHEDULE:
        break;
    }
}

/* Only what ends, and pieces, are about a peer that is there. */
static const struct dtr_swarm_peer *peer_of(const struct announce *announce,
                                            const struct dtr_swarm_message *event)
{
    switch (event->kind) {
    case DTR_SWARM_FINISHED:
    case DTR_SWARM_SOURCE_FINISHED:
    case DTR_SWARM_PIECE_FINISHED:
    case DTR_SWARM_SOURCE_PIECE_FINISHED:
        return dtr_swarm_find_peer(announce->scheduler->swarm, event->peer_id);
    default:
        return NULL;
    }
}

void count_message(struct announce *announce, const struct dtr_swarm_message *event)
{
    if (event->kind == DTR_SWARM_REGISTER)
        note_labels(announce, event);
    count_event(announce, event, peer_of(announce, event));
    announce->counts.request = event->kind;
    announce->counts.open = event->kind == DTR_SWARM_REGISTER || event->kind == DTR_SWARM_RESCHEDULE ||
                            event->kind == DTR_SWARM_STARTED || event->kind == DTR_SWARM_SOURCE_STARTED;
    announce->counts.asked_ms = role_now_ms(announce->scheduler);
}

void count_taken(struct announce *announce)
{
    if (announce->counts.request == DTR_SWARM_STARTED || announce->counts.request == DTR_SWARM_SOURCE_STARTED)
        announce->counts.open = false;
}

static void count_refused(struct announce *announce)
{
    if (!announce->counts.open)
        return;
    announce->counts.open = false;
    if (announce->counts.request == DTR_SWARM_REGISTER)
        count_peer(announce, DTR_SCHEDULER_REGISTER_PEER_FAILURE);
    if (announce->counts.request == DTR_SWARM_STARTED)
        count_peer(announce, DTR_SCHEDULER_DOWNLOAD_PEER_STARTED_FAILURE);
    if (announce->counts.request == DTR_SWARM_SOURCE_STARTED)
        count_peer(announce, DTR_SCHEDULER_DOWNLOAD_PEER_BACK_TO_SOURCE_STARTED_FAILURE);
}

void count_action(const struct dtr_swarm_action *action)
{
    struct announce *announce = action->stream;
    switch (action->kind) {
    case DTR_SWARM_ANSWER_PARENTS:
    case DTR_SWARM_ANSWER_SOURCE:
    case DTR_SWARM_ANSWER_EMPTY:
    case DTR_SWARM_ANSWER_METADATA_ONLY:
        announce->counts.open = false;
        dtr_series_add(announce->scheduler->schedule_ms,
                       (double)(role_now_ms(announce->scheduler) - announce->counts.asked_ms));
        break;
    case DTR_SWARM_REJECT:
        count_refused(announce);
        break;
    case DTR_SWARM_MORE_PARENTS:
    case DTR_SWARM_MORE_SOURCE:
    case DTR_SWARM_CLOSE:
    case DTR_SWARM_TRIGGER_SEED:
    case DTR_SWARM_PROBE_SEED:
    case DTR_SWARM_HOST_GONE:
        break;
    }
}

void count_waiting(struct dtr_scheduler *scheduler)
{
    dtr_series_set(scheduler->waiting, dtr_swarm_count(scheduler->swarm).waiting);
}

void count_begin(struct dtr_scheduler *scheduler)
{
    char platform[DTR_METRIC_PLATFORM], major[12] = "", minor[12] = "";
    (void)sscanf(DTR_VERSION, "%11[0-9].%11[0-9]", major, minor);
    dtr_metric_set(DTR_SCHEDULER_VERSION,
                   DTR_LABELS(major, minor, DTR_VERSION, dtr_build_commit(), dtr_metric_platform(platform),
                              dtr_build_time(), "", "", ""),
                   1);
    scheduler->waiting = dtr_metric_series(DTR_SCHEDULER_CONCURRENT_SCHEDULE, NULL);
    scheduler->schedule_ms = dtr_metric_series(DTR_SCHEDULER_SCHEDULE_DURATION, NULL);
}
