/* A pull's conversation with the scheduler, as core/daemon/talk/talk_peer.c plays it: the planner's words as
 * messages, NOT_FOUND answered by an announcement and one more register. */
#include "core/sim/sim_internal.h"

#include <string.h>

#define STATUS_NOT_FOUND 5

static struct sim_talk *find(const struct sim_copy *copy)
{
    dtr_list_each (node, &copy->daemon->talks) {
        struct sim_talk *talk = dtr_container(node, struct sim_talk, link);
        if (talk->copy == copy)
            return talk;
    }
    return NULL;
}

static void lost(struct sim_copy *copy, const struct dtr_error *err, bool soon)
{
    if (!copy || !copy->planner)
        return;
    dtr_planner_scheduler_lost(copy->planner, sim_now_ms(copy->daemon->host.sim), err, soon);
    pull_act(copy);
}

static void over(struct sim_talk *talk, const struct dtr_error *err, bool soon)
{
    struct sim_copy *copy = talk->copy;
    dtr_list_remove(&talk->link);
    free(talk);
    lost(copy, err, soon);
}

/* --- what the scheduler answers ----------------------------------------------------------------------------
 */

static void on_message(struct sim_end *end, void *body)
{
    struct sim_talk *talk = end->context;
    const struct sim_answer *said = body;
    struct dtr_sim *sim = end->host->sim;
    struct dtr_plan_parent parents[DTR_SWARM_KEEP_MAX];
    struct dtr_plan_answer answer = {said->kind, parents, 0, said->content_length};
    for (uint32_t i = 0; i < said->count; i++) {
        const struct sim_daemon *from = &sim->daemons[said->parents[i].daemon];
        parents[answer.parent_count++] = (struct dtr_plan_parent){.peer_id = said->parents[i].peer_id,
                                                                  .host_id = from->host_id,
                                                                  .address = from->address,
                                                                  .port = 4000,
                                                                  .max_tx = said->parents[i].max_tx,
                                                                  .tx = said->parents[i].tx};
    }
    talk->answered = true;
    if (said->kind == DTR_PLAN_ANSWER_NORMAL && !said->unasked)
        talk->last = *said;
    if (!talk->copy || !talk->copy->planner)
        return;
    dtr_planner_answer(talk->copy->planner, sim_now_ms(sim), &answer);
    pull_act(talk->copy);
}

static void on_closed(struct sim_end *end, const struct dtr_error *err)
{
    struct sim_talk *talk = end->context;
    struct dtr_error why = *err;
    if (!why.code)
        (void)dtr_error_set(&why, DTR_ECLOSED, DTR_RETRY_SAME, "the scheduler ended the conversation");
    talk->end = NULL;
    if (why.code == DTR_ECLOSED && err->code)
        daemon_lost(talk->daemon);
    if (err->status == STATUS_NOT_FOUND && talk->copy && !talk->answered && !talk->repeated) {
        talk->repeated = true;
        talk->daemon->announced = false;
        daemon_announce(talk->daemon);
    } else {
        over(talk, &why, daemon_expects(talk->daemon));
    }
}

/* --- what the planner says
 * ---------------------------------------------------------------------------------- */

static struct sim_say *say_new(const struct sim_talk *talk, enum dtr_swarm_message_kind kind)
{
    struct sim_say *say = sim_alloc(1, sizeof(*say));
    say->kind = kind;
    say->daemon = talk->daemon->host.number;
    say->blob = talk->blob;
    memcpy(say->peer_id, talk->peer_id, sizeof(say->peer_id));
    return say;
}

static void on_retold(struct sim_end *end, void *body)
{
    const struct sim_talk *talk = end->context;
    if (((const struct sim_answer *)body)->kind != DTR_PLAN_ANSWER_METADATA_ONLY)
        return;
    sim_send(end, say_new(talk, DTR_SWARM_STARTED));
    sim_send(end, say_new(talk, DTR_SWARM_FINISHED));
}

static void on_retold_closed(struct sim_end *end, const struct dtr_error *err)
{
    struct sim_talk *talk = end->context;
    (void)err;
    dtr_list_remove(&talk->link);
    free(talk);
}

static void begin(struct sim_talk *talk)
{
    bool retells = !talk->copy;
    struct dtr_sim *sim = talk->daemon->host.sim;
    struct sim_say *say = say_new(talk, DTR_SWARM_REGISTER);
    say->registered = (struct dtr_swarm_register){
        .url = "http://origin/blob",
        .content_length = talk->registered.content_length,
        .piece_length = talk->registered.piece_length,
        .piece_count = talk->registered.piece_count,
        .concurrent_pieces = sim->config.plan.concurrent_pieces,
        .need_back_to_source = talk->copy && talk->copy->as_seed,
        .disable_back_to_source = sim->config.plan.disable_back_to_source,
        .metadata_only = talk->registered.metadata_only,
        .takes_more = true,
    };
    talk->end = sim_open(&talk->daemon->host, &sim->scheduler.host, SERVE_ANNOUNCE_PEER, say,
                         retells ? on_retold : on_message, retells ? on_retold_closed : on_closed, talk);
}

static struct sim_talk *talk_new(struct sim_daemon *daemon, struct sim_copy *copy, uint32_t blob)
{
    struct sim_talk *talk = sim_alloc(1, sizeof(*talk));
    *talk = (struct sim_talk){.daemon = daemon, .copy = copy, .blob = blob};
    (void)snprintf(talk->peer_id, sizeof(talk->peer_id), "p%u.%u", daemon->host.number, ++daemon->serial);
    dtr_list_add_tail(&daemon->talks, &talk->link);
    return talk;
}

void talks_retell(struct sim_daemon *daemon)
{
    const struct dtr_sim *sim = daemon->host.sim;
    for (uint32_t blob = 0; blob < sim->config.blobs; blob++) {
        const struct sim_copy *copy = &daemon->copies[blob];
        if (copy->planner || copy->have != sim->piece_count)
            continue;
        struct sim_talk *talk = talk_new(daemon, NULL, blob);
        talk->registered = (struct dtr_plan_action){.content_length = sim->config.size,
                                                    .piece_length = sim->piece_length,
                                                    .piece_count = sim->piece_count,
                                                    .metadata_only = true};
        begin(talk);
    }
}

static void open_talk(struct sim_copy *copy, const struct dtr_plan_action *action)
{
    struct sim_daemon *daemon = copy->daemon;
    struct sim_talk *old = find(copy);
    struct dtr_error err;
    if (old)
        old->copy = NULL;
    if (!daemon->ready && !daemon_expects(daemon)) {
        (void)dtr_error_set(&err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "no scheduler is there");
        lost(copy, &err, false);
        return;
    }
    struct sim_talk *talk = talk_new(daemon, copy, copy->blob);
    talk->registered = *action;
    if (daemon->ready)
        begin(talk);
}

void talks_announced(struct sim_daemon *daemon, bool known)
{
    struct dtr_error err;
    (void)dtr_error_set(&err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "the scheduler does not know this host");
    dtr_list_each_safe (node, &daemon->talks) {
        struct sim_talk *talk = dtr_container(node, struct sim_talk, link);
        if (talk->end)
            continue;
        if (known && talk->copy)
            begin(talk);
        else
            over(talk, &err, false);
    }
}

static void say_piece(const struct sim_talk *talk, const struct dtr_plan_action *action,
                      enum dtr_swarm_message_kind kind)
{
    struct sim_say *say = say_new(talk, kind);
    const struct dtr_plan_parent *parent = dtr_planner_parent(talk->copy->planner, action->parent);
    bool from_peer = kind == DTR_SWARM_PIECE_FINISHED || kind == DTR_SWARM_PIECE_FAILED;
    say->number = action->piece;
    say->length = action->facts.length;
    say->cost_ms = (double)action->facts.cost_ns / 1e6;
    say->temporary = action->temporary;
    if (from_peer && parent)
        (void)snprintf(say->parent_id, sizeof(say->parent_id), "%.20s", parent->peer_id);
    sim_send(talk->end, say);
}

static void say_reschedule(const struct sim_talk *talk)
{
    struct sim_say *say = say_new(talk, DTR_SWARM_RESCHEDULE);
    say->candidate_count = talk->last.count;
    for (uint32_t i = 0; i < talk->last.count; i++)
        memcpy(say->candidates[i], talk->last.parents[i].peer_id, SIM_PEER_ID);
    sim_send(talk->end, say);
}

static void say_state(struct sim_talk *talk, enum dtr_plan_kind kind)
{
    static const enum dtr_swarm_message_kind words[] = {
        [DTR_PLAN_STARTED] = DTR_SWARM_STARTED,
        [DTR_PLAN_BACK_TO_SOURCE_STARTED] = DTR_SWARM_SOURCE_STARTED,
        [DTR_PLAN_FINISHED] = DTR_SWARM_FINISHED,
        [DTR_PLAN_BACK_TO_SOURCE_FINISHED] = DTR_SWARM_SOURCE_FINISHED,
        [DTR_PLAN_FAILED] = DTR_SWARM_FAILED,
        [DTR_PLAN_BACK_TO_SOURCE_FAILED] = DTR_SWARM_SOURCE_FAILED,
    };
    sim_send(talk->end, say_new(talk, words[kind]));
    if (kind != DTR_PLAN_STARTED && kind != DTR_PLAN_BACK_TO_SOURCE_STARTED)
        talk->copy = NULL; /* the scheduler ends the stream; nobody waits for it */
}

void talk_say(struct sim_copy *copy, const struct dtr_plan_action *action)
{
    if (action->kind == DTR_PLAN_REGISTER) {
        open_talk(copy, action);
        return;
    }
    struct sim_talk *talk = find(copy);
    if (!talk || !talk->end) {
        if (talk && action->kind != DTR_PLAN_PIECE_FINISHED)
            talk->copy = NULL;
        return; /* it broke; the planner has been told or will be */
    }
    switch (action->kind) {
    case DTR_PLAN_PIECE_FINISHED:
        say_piece(talk, action, DTR_SWARM_PIECE_FINISHED);
        break;
    case DTR_PLAN_BACK_TO_SOURCE_PIECE_FINISHED:
        say_piece(talk, action, DTR_SWARM_SOURCE_PIECE_FINISHED);
        break;
    case DTR_PLAN_PIECE_FAILED:
        say_piece(talk, action, DTR_SWARM_PIECE_FAILED);
        break;
    case DTR_PLAN_BACK_TO_SOURCE_PIECE_FAILED:
        say_piece(talk, action, DTR_SWARM_SOURCE_PIECE_FAILED);
        break;
    case DTR_PLAN_RESCHEDULE:
        say_reschedule(talk);
        break;
    default:
        say_state(talk, action->kind);
    }
}

void talk_leave(struct sim_copy *copy)
{
    struct sim_talk *talk = find(copy);
    if (!talk)
        return;
    if (talk->end)
        sim_close(talk->end, NULL);
    dtr_list_remove(&talk->link);
    free(talk);
}

void talks_free(struct sim_daemon *daemon)
{
    struct dtr_list *node;
    while ((node = dtr_list_pop(&daemon->talks)))
        free(dtr_container(node, struct sim_talk, link));
}

/* --- StatTask
 * ------------------------------------------------------------------------------------------------- */

static void on_stat(struct sim_end *end, void *body)
{
    struct sim_copy *copy = end->context;
    if (!copy->planner)
        return;
    dtr_planner_stat(copy->planner, sim_now_ms(end->host->sim), body);
    pull_act(copy);
}

static void on_stat_closed(struct sim_end *end, const struct dtr_error *err)
{
    struct dtr_plan_stat stat = {.content_length = DTR_LENGTH_UNKNOWN, .missed = true};
    if (err->code)
        on_stat(end, &stat);
}

void talk_stat(struct sim_copy *copy)
{
    struct sim_daemon *daemon = copy->daemon;
    struct sim_request *request;
    if (!daemon->ready) {
        struct dtr_plan_stat stat = {.content_length = DTR_LENGTH_UNKNOWN, .missed = true};
        dtr_planner_stat(copy->planner, sim_now_ms(daemon->host.sim), &stat);
        return; /* from inside pull_act(), which goes on */
    }
    request = sim_alloc(1, sizeof(*request));
    request->blob = copy->blob;
    (void)sim_open(&daemon->host, &daemon->host.sim->scheduler.host, SERVE_STAT_TASK, request, on_stat,
                   on_stat_closed, copy);
}
