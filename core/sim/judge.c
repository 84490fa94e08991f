/* The rules that hold all along; see sim.h. */
#include "core/sim/sim_internal.h"

#include <string.h>

void sim_break(struct dtr_sim *sim, const char *format, ...)
{
    char text[200];
    va_list args;
    if (sim->broken.code)
        return; /* the first one counts */
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    (void)dtr_error_set(&sim->broken, DTR_EINTERNAL, DTR_RETRY_NEVER, "seed %llu at %llu ms: %s",
                        (unsigned long long)sim->config.seed, (unsigned long long)sim_now_ms(sim), text);
}

void judge_fetch(struct sim_copy *copy, const struct dtr_plan_action *action)
{
    struct dtr_sim *sim = copy->daemon->host.sim;
    const char *who = copy->daemon->host_id;
    uint32_t same = 0, active = 0;
    dtr_list_each (node, &copy->transfers) {
        const struct sim_transfer *t = dtr_container(node, struct sim_transfer, link);
        active += !t->cancelled;
        if (t->cancelled || t->from == DTR_SIM_NOBODY || t->piece != action->piece)
            continue;
        same++;
        if (t->parent == action->parent)
            sim_break(sim, "%s asks one parent twice at a time for piece %u", who, action->piece);
    }
    sim->totals.hedges += same > 0;
    if (same > 1)
        sim_break(sim, "%s asks for piece %u three times at once", who, action->piece);
    if (sim_bit(copy->verified, action->piece))
        sim_break(sim, "%s asks for piece %u, which it has", who, action->piece);
    if (active > copy->daemon->host.sim->config.plan.concurrent_pieces)
        sim_break(sim, "%s has more transfers than it may", who);
}

void judge_origin(struct sim_copy *copy, const struct dtr_plan_action *action)
{
    struct dtr_sim *sim = copy->daemon->host.sim;
    uint32_t first = (uint32_t)(action->offset / sim->piece_length);
    if (sim_bit(copy->verified, first) && !action->length_only)
        sim_break(sim, "%s asks the origin for piece %u, which it has", copy->daemon->host_id, first);
    if (sim->config.plan.disable_back_to_source && !copy->as_seed && !action->length_only)
        sim_break(sim, "%s goes to a forbidden origin", copy->daemon->host_id);
}

void judge_drained(struct sim_copy *copy)
{
    struct dtr_sim *sim = copy->daemon->host.sim;
    uint64_t wake = dtr_planner_wake(copy->planner);
    bool over = dtr_planner_over(copy->planner);
    if (!over && wake == DTR_PLAN_NEVER)
        sim_break(sim, "%s waits without a deadline", copy->daemon->host_id);
    if (wake < sim_now_ms(sim) && !copy->daemon->host.frozen_us) /* else its timers were late */
        sim_break(sim, "%s wants to be woken in the past", copy->daemon->host_id);
}

void judge_end(struct sim_copy *copy, const struct dtr_plan_action *action)
{
    struct dtr_sim *sim = copy->daemon->host.sim;
    if (action->kind == DTR_PLAN_DONE && copy->have != sim->piece_count)
        sim_break(sim, "%s is done with %u of %u pieces", copy->daemon->host_id, copy->have,
                  sim->piece_count);
    if (action->kind == DTR_PLAN_FAIL && (!action->error->code || !action->error->text[0]))
        sim_break(sim, "%s fails without saying why", copy->daemon->host_id);
}

static uint32_t daemon_of(const struct dtr_swarm_peer *peer)
{
    return (uint32_t)strtoul(peer->host->facts.id + 1, NULL, 10);
}

/* A walk over all ancestors. Peers are told apart by their daemons: a daemon has one live peer of a task,
 * others are left from before a crash and have no parents. */
static bool is_ancestor(struct dtr_sim *sim, const struct dtr_swarm_peer *of)
{
    const struct dtr_swarm_peer **stack = sim->stack;
    uint32_t depth = 0, seen = ++sim->walk;
    stack[depth++] = of;
    while (depth) {
        const struct dtr_swarm_peer *at = stack[--depth], *parent = NULL;
        while ((parent = dtr_swarm_next_parent(at, parent))) {
            if (parent == of)
                return true;
            if (sim->seen[daemon_of(parent)] == seen || depth == sim->config.daemons)
                continue;
            sim->seen[daemon_of(parent)] = seen;
            stack[depth++] = parent;
        }
    }
    return false;
}

void judge_parents(struct dtr_sim *sim, const struct dtr_swarm_action *action)
{
    for (uint32_t i = 0; i < action->parent_count; i++)
        if (action->parents[i]->host == action->peer->host)
            sim_break(sim, "%s is named as its own parent", action->peer->id);
    if (action->parent_count && sim->config.swarm.policy.acyclic && is_ancestor(sim, action->peer))
        sim_break(sim, "%s is its own ancestor", action->peer->id);
}
