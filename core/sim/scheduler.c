/* The scheduler's role, as core/scheduler plays it: messages to the swarm, its actions to streams, calls to
 * seed peers. */
#include "core/sim/sim_internal.h"

#include <string.h>

#define PROBE_PATIENCE_US 3000000u

/* A stream of AnnouncePeer, the swarm's name for it; context of its end. */
struct announce {
    struct sim_end *end;
    char peer_id[SIM_PEER_ID];
};

static struct dtr_sim *sim_of(const struct sim_end *end)
{
    return end->host->sim;
}

static void task_id_of(uint32_t blob, char id[DTR_TASK_ID_LENGTH + 1])
{
    (void)snprintf(id, DTR_TASK_ID_LENGTH + 1, "%064x", blob + 1);
}

static uint32_t blob_of(const char *task_id)
{
    return (uint32_t)strtoul(task_id + DTR_TASK_ID_LENGTH - 4, NULL, 16) - 1;
}

static void drain(struct dtr_sim *sim);

/* --- actions: answers ------------------------------------------------------------------------------------
 */

static struct sim_answer *answer_new(const struct dtr_swarm_action *action)
{
    static const enum dtr_plan_answer_kind kinds[] = {
        [DTR_SWARM_ANSWER_PARENTS] = DTR_PLAN_ANSWER_NORMAL,
        [DTR_SWARM_ANSWER_SOURCE] = DTR_PLAN_ANSWER_BACK_TO_SOURCE,
        [DTR_SWARM_ANSWER_EMPTY] = DTR_PLAN_ANSWER_EMPTY,
        [DTR_SWARM_ANSWER_METADATA_ONLY] = DTR_PLAN_ANSWER_METADATA_ONLY,
        [DTR_SWARM_MORE_PARENTS] = DTR_PLAN_ANSWER_NORMAL,
        [DTR_SWARM_MORE_SOURCE] = DTR_PLAN_ANSWER_BACK_TO_SOURCE,
    };
    struct sim_answer *answer = sim_alloc(1, sizeof(*answer));
    answer->kind = kinds[action->kind];
    answer->unasked = action->kind == DTR_SWARM_MORE_PARENTS || action->kind == DTR_SWARM_MORE_SOURCE;
    answer->content_length = action->peer->task->content_length;
    for (uint32_t i = 0; i < action->parent_count; i++) {
        const struct dtr_swarm_peer *peer = action->parents[i];
        struct sim_parent *parent = &answer->parents[answer->count++];
        (void)snprintf(parent->peer_id, sizeof(parent->peer_id), "%.20s", peer->id);
        parent->daemon = (uint32_t)strtoul(peer->host->facts.id + 1, NULL, 10);
        parent->max_tx = peer->host->facts.max_tx;
        parent->tx = peer->host->facts.tx;
    }
    return answer;
}

static void answer(struct dtr_sim *sim, const struct dtr_swarm_action *action)
{
    struct announce *announce = action->stream;
    judge_parents(sim, action);
    sim_trace(sim, "scheduler answers %s: kind %d, %u parents", announce->peer_id, (int)action->kind,
              action->parent_count);
    sim_send(announce->end, answer_new(action));
}

static void over(struct announce *announce)
{
    struct dtr_sim *sim = sim_of(announce->end);
    dtr_swarm_stream_closed(sim->scheduler.swarm, sim_now_ms(sim), announce->peer_id, announce);
    free(announce);
}

static void end_stream(struct dtr_sim *sim, const struct dtr_swarm_action *action)
{
    struct announce *announce = action->stream;
    struct dtr_error err;
    bool rejected = action->kind == DTR_SWARM_REJECT;
    if (rejected) {
        (void)dtr_error_set(&err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "the scheduler: %s", action->text);
        err.status = (int)action->code;
        sim_trace(sim, "scheduler rejects %s: %s", announce->peer_id, action->text);
    }
    sim_close(announce->end, rejected ? &err : NULL);
    over(announce);
}

/* --- actions: seeds --------------------------------------------------------------------------------------
 */

/* A call to a seed; context of its end. */
struct seed_call {
    struct sim_timer patience;
    struct sim_end *end;
    struct sim_daemon *seed;
    uint32_t blob;
};

static void on_seed_message(struct sim_end *end, void *body)
{
    (void)end;
    (void)body;
}

static void probed(struct seed_call *call, bool ok)
{
    struct dtr_sim *sim = call->seed->host.sim;
    sim_timer_off(&sim->clock, &call->patience);
    dtr_swarm_seed_probed(sim->scheduler.swarm, sim_now_ms(sim), call->seed->host_id, ok);
    free(call);
    drain(sim);
}

static void on_probe_closed(struct sim_end *end, const struct dtr_error *err)
{
    probed(end->context, err->code == DTR_OK);
}

static void on_probe_late(struct sim_timer *timer)
{
    struct seed_call *call = dtr_container(timer, struct seed_call, patience);
    sim_close(call->end, NULL);
    probed(call, false);
}

static struct seed_call *call_seed(struct dtr_sim *sim, const struct dtr_swarm_host *host)
{
    struct seed_call *call = sim_alloc(1, sizeof(*call));
    call->seed = &sim->daemons[strtoul(host->facts.id + 1, NULL, 10)];
    return call;
}

static void probe(struct dtr_sim *sim, const struct dtr_swarm_host *host)
{
    struct seed_call *call = call_seed(sim, host);
    call->end = sim_open(&sim->scheduler.host, &call->seed->host, SERVE_HEALTH, NULL, on_seed_message,
                         on_probe_closed, call);
    call->patience.run = on_probe_late;
    sim_timer_set(&sim->clock, &call->patience, sim->clock.now_us + PROBE_PATIENCE_US);
}

static void on_trigger_closed(struct sim_end *end, const struct dtr_error *err)
{
    struct seed_call *call = end->context;
    struct dtr_sim *sim = sim_of(end);
    char task_id[DTR_TASK_ID_LENGTH + 1];
    task_id_of(call->blob, task_id);
    sim_trace(sim, "seed %s ended its task: %s", call->seed->host_id, err->code ? err->text : "well");
    dtr_swarm_seed_done(sim->scheduler.swarm, sim_now_ms(sim), task_id, err->code == DTR_OK);
    free(call);
    drain(sim);
}

static void trigger(struct dtr_sim *sim, const struct dtr_swarm_action *action)
{
    struct seed_call *call = call_seed(sim, action->host);
    struct sim_request *request = sim_alloc(1, sizeof(*request));
    call->blob = request->blob = blob_of(action->task->id);
    sim->totals.triggers++;
    sim_trace(sim, "scheduler triggers seed %s", call->seed->host_id);
    call->end = sim_open(&sim->scheduler.host, &call->seed->host, SERVE_DOWNLOAD, request, on_seed_message,
                         on_trigger_closed, call);
}

static void perform(struct dtr_sim *sim, const struct dtr_swarm_action *action)
{
    switch (action->kind) {
    case DTR_SWARM_REJECT:
    case DTR_SWARM_CLOSE:
        end_stream(sim, action);
        break;
    case DTR_SWARM_TRIGGER_SEED:
        trigger(sim, action);
        break;
    case DTR_SWARM_PROBE_SEED:
        probe(sim, action->host);
        break;
    default:
        answer(sim, action);
    }
}

static void on_timer(struct sim_timer *timer)
{
    struct sim_scheduler *scheduler = dtr_container(timer, struct sim_scheduler, timer);
    struct dtr_sim *sim = scheduler->host.sim;
    dtr_swarm_time(scheduler->swarm, sim_now_ms(sim));
    drain(sim);
}

static void drain(struct dtr_sim *sim)
{
    struct sim_scheduler *scheduler = &sim->scheduler;
    struct dtr_swarm_action action;
    while (dtr_swarm_next(scheduler->swarm, &action))
        perform(sim, &action);
    uint64_t wake = dtr_swarm_wake_ms(scheduler->swarm);
    if (wake == UINT64_MAX)
        sim_timer_off(&sim->clock, &scheduler->timer);
    else
        sim_timer_set(&sim->clock, &scheduler->timer, wake * 1000);
}

/* --- what daemons say --------------------------------------------------------------------------------------
 */

static void feed(struct announce *announce, const struct sim_say *say)
{
    struct dtr_sim *sim = sim_of(announce->end);
    char host_id[16], task_id[DTR_TASK_ID_LENGTH + 1];
    const char *candidates[DTR_SWARM_KEEP_MAX];
    struct dtr_swarm_message message = {.kind = say->kind,
                                        .host_id = host_id,
                                        .task_id = task_id,
                                        .peer_id = announce->peer_id,
                                        .stream = announce,
                                        .registered = &say->registered,
                                        .candidates = candidates,
                                        .candidate_count = say->candidate_count};
    (void)snprintf(host_id, sizeof(host_id), "h%u", say->daemon);
    task_id_of(say->blob, task_id);
    for (uint32_t i = 0; i < say->candidate_count; i++)
        candidates[i] = say->candidates[i];
    message.piece.parent_id = say->parent_id;
    message.piece.number = say->number;
    message.piece.length = say->length;
    message.piece.cost_ms = say->cost_ms;
    message.piece.temporary = say->temporary;
    sim->totals.registers += say->kind == DTR_SWARM_REGISTER;
    sim->totals.reschedules += say->kind == DTR_SWARM_RESCHEDULE;
    dtr_swarm_message(sim->scheduler.swarm, sim_now_ms(sim), &message);
    drain(sim);
}

static void on_message(struct sim_end *end, void *body)
{
    feed(end->context, body);
}

static void on_closed(struct sim_end *end, const struct dtr_error *err)
{
    struct dtr_sim *sim = sim_of(end);
    (void)err;
    over(end->context);
    drain(sim);
}

static void accept_announce_peer(struct sim_end *end, const struct sim_say *say)
{
    struct announce *announce = sim_alloc(1, sizeof(*announce));
    announce->end = end;
    memcpy(announce->peer_id, say->peer_id, sizeof(announce->peer_id));
    end->message = on_message;
    end->closed = on_closed;
    end->context = announce;
    feed(announce, say);
}

/* Also for SERVE_HEALTH of other sides: the answer is the end. */
static void accept_announce_host(struct sim_end *end)
{
    struct dtr_sim *sim = sim_of(end);
    const struct sim_daemon *daemon = sim_daemon_of(end->peer->host);
    uint64_t max_tx = sim->config.announced_tx;
    const struct dtr_swarm_announce facts = {
        .id = daemon->host_id,
        .hostname = daemon->host_id,
        .ip = daemon->address,
        .max_tx = max_tx ? max_tx : (uint64_t)(daemon->host.speed_up * 8),
        .max_rx = max_tx ? max_tx : (uint64_t)(daemon->host.speed_down * 8),
        .interval_ms = 300000,
        .type = daemon->seed,
        .port = 4000,
        .download_port = 4000,
        .proven = true,
    };
    struct dtr_error err;
    int rc = dtr_swarm_host_announced(sim->scheduler.swarm, sim_now_ms(sim), &facts, &err);
    sim_close(end, rc == DTR_OK ? NULL : &err);
    drain(sim);
}

static void accept_stat(struct sim_end *end, const struct sim_request *request)
{
    struct dtr_sim *sim = sim_of(end);
    struct dtr_plan_stat *stat = sim_alloc(1, sizeof(*stat));
    char task_id[DTR_TASK_ID_LENGTH + 1];
    task_id_of(request->blob, task_id);
    const struct dtr_swarm_task *task = dtr_swarm_find_task(sim->scheduler.swarm, task_id);
    *stat = (struct dtr_plan_stat){.known = task != NULL, .content_length = DTR_LENGTH_UNKNOWN};
    if (task) {
        stat->available = task->offer_count > 0;
        stat->content_length = task->content_length;
    }
    sim_send(end, stat);
    sim_close(end, NULL);
}

static void ignore(struct sim_end *end, void *body)
{
    (void)end;
    (void)body;
}

void scheduler_accept(struct sim_end *end, void *body)
{
    end->message = ignore;
    switch (end->stream->service) {
    case SERVE_ANNOUNCE_PEER:
        accept_announce_peer(end, body);
        break;
    case SERVE_ANNOUNCE_HOST:
        accept_announce_host(end);
        break;
    case SERVE_STAT_TASK:
        accept_stat(end, body);
        break;
    default:
        sim_send(end, NULL); /* a channel is ready */
    }
}

/* --- life ------------------------------------------------------------------------------------------------
 */

void scheduler_start(struct dtr_sim *sim)
{
    struct sim_scheduler *scheduler = &sim->scheduler;
    uint64_t number = sim->config.seed * 1000 + scheduler->starts++;
    if (scheduler->swarm)
        return;
    if (dtr_swarm_new(&sim->config.swarm, number, sim_now_ms(sim), &scheduler->swarm, &sim->broken) != DTR_OK)
        return;
    scheduler->host.alive = true;
    scheduler->timer.run = on_timer;
}

/* What the ends of streams and calls point to. */
static void free_contexts(struct sim_host *host)
{
    dtr_list_each (node, &host->ends) {
        struct sim_end *end = dtr_container(node, struct sim_end, link);
        enum sim_service service = end->stream->service;
        if (service == SERVE_HEALTH)
            sim_timer_off(&host->sim->clock, &((struct seed_call *)end->context)->patience);
        if (service == SERVE_HEALTH || service == SERVE_DOWNLOAD || service == SERVE_ANNOUNCE_PEER)
            free(end->context);
    }
}

void scheduler_crash(struct dtr_sim *sim)
{
    struct sim_scheduler *scheduler = &sim->scheduler;
    if (!scheduler->swarm)
        return;
    free_contexts(&scheduler->host);
    sim_host_gone(&scheduler->host, false);
    sim_timer_off(&sim->clock, &scheduler->timer);
    dtr_swarm_free(scheduler->swarm);
    scheduler->swarm = NULL;
}
