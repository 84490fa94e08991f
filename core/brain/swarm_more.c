/* What a peer is told without having asked, so that pieces can flow both ways between peers.
 *
 * Who comes late is given, as a further parent, to some of those who were there before. Dragonfly's scheduler
 * only answers: of peers that come in one burst the first know nobody but the seed, and the seed must send
 * each of them everything. And when the last one that could reach the origin is gone, one of the others is
 * sent there: without that they would wait for each other, then all go. */
#include "core/brain/swarm_state.h"

#include <math.h>

#define LOOKED_AT_MAX 32 /* peers with room that one newcomer looks at */

static bool has_room(const struct dtr_swarm *swarm, const struct swarm_peer *peer)
{
    bool runs = peer->facts.state == DTR_PEER_RECEIVED_NORMAL || peer->facts.state == DTR_PEER_RUNNING;
    return runs && peer->takes_more && peer->stream && peer->question == SWARM_ANSWERED && peer->parents &&
           peer->facts.parent_count < swarm->config.policy.keep;
}

void dtr_swarm_more_room(struct dtr_swarm *swarm, struct swarm_peer *peer)
{
    bool waits = swarm->config.policy.newcomers && has_room(swarm, peer);
    if (waits && !dtr_list_linked(&peer->room))
        dtr_list_add_tail(&task_of(peer)->roomy, &peer->room);
}

static bool is_parent(const struct swarm_peer *child, const struct swarm_peer *peer)
{
    for (const struct swarm_edge *edge = child->parents; edge; edge = edge->next) {
        if (edge->parent == peer)
            return true;
    }
    return false;
}

void dtr_swarm_more_newcomer(struct dtr_swarm *swarm, struct swarm_peer *newcomer)
{
    struct swarm_task *task = task_of(newcomer);
    struct dtr_list kept;
    uint32_t given = 0;
    dtr_list_init(&kept);
    for (uint32_t i = 0; i < LOOKED_AT_MAX && given < swarm->config.policy.newcomers; i++) {
        struct dtr_list *node = dtr_list_pop(&task->roomy);
        struct swarm_peer *peer = node ? dtr_container(node, struct swarm_peer, room) : NULL;
        if (!peer)
            break;
        if (!has_room(swarm, peer))
            continue; /* it comes back when it is answered the next time */
        bool fits = dtr_swarm_suits(swarm, peer, newcomer) == DTR_SWARM_SUITS && !is_parent(peer, newcomer);
        if (fits && dtr_swarm_attach(swarm, newcomer, peer)) {
            dtr_list_add_tail(&swarm->more, &peer->room);
            given++;
        } else {
            dtr_list_add_tail(&kept, &peer->room);
        }
    }
    struct dtr_list *node;
    while ((node = dtr_list_pop(&kept)))
        dtr_list_add_tail(&task->roomy, node);
}

static bool reaches_origin(const struct swarm_peer *peer)
{
    enum dtr_peer_state state = peer->facts.state;
    return state == DTR_PEER_BACK_TO_SOURCE || state == DTR_PEER_SUCCEEDED ||
           (state == DTR_PEER_RUNNING && is_seed(host_of(peer)));
}

static bool somebody_reaches_origin(const struct swarm_task *task)
{
    if (task->facts.source_count || task->seed_running)
        return true;
    for (uint32_t i = 0; i < task->facts.offer_count; i++) {
        if (reaches_origin(task->offers[i]))
            return true;
    }
    return false;
}

/* Who may be sent to the origin for all; of these the one that needs the least from there. */
static struct swarm_peer *choose_source(const struct dtr_swarm *swarm, const struct swarm_task *task)
{
    struct swarm_peer *best = NULL;
    dtr_list_each (node, &task->peers) {
        struct swarm_peer *peer = dtr_container(node, struct swarm_peer, task_link);
        bool runs = peer->facts.state == DTR_PEER_RECEIVED_NORMAL || peer->facts.state == DTR_PEER_RUNNING;
        if (!runs || !peer->takes_more || !peer->stream || peer->question != SWARM_ANSWERED ||
            peer->facts.has_range || host_of(peer)->facts.facts.disable_shared ||
            !dtr_swarm_may_go_to_source(swarm, peer))
            continue;
        if (!best || peer->facts.pieces_had > best->facts.pieces_had)
            best = peer;
    }
    return best;
}

void dtr_swarm_more_source(struct dtr_swarm *swarm, struct swarm_task *task)
{
    if (!swarm->config.policy.newcomers || somebody_reaches_origin(task))
        return;
    struct swarm_peer *peer = choose_source(swarm, task);
    if (!peer)
        return;
    dtr_swarm_peer_send_to_source(swarm, peer);
    peer->to_be_sent = true;
    dtr_list_remove(&peer->room);
    dtr_list_add_tail(&swarm->more, &peer->room);
}

/* The parents that it was not told of; how many. */
static uint32_t untold(struct dtr_swarm *swarm, struct swarm_peer *peer)
{
    uint32_t count = 0;
    for (struct swarm_edge *edge = peer->parents; edge && count < DTR_SWARM_KEEP_MAX; edge = edge->next) {
        if (!edge->told)
            swarm->parents[count++] = &edge->parent->facts;
        edge->told = true;
    }
    return count;
}

/* They were not ranked: who comes is given to those that have room. */
static void tell_newcomers(struct dtr_swarm *swarm, const struct swarm_peer *peer, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct swarm_peer *parent =
            dtr_container((struct dtr_swarm_peer *)(uintptr_t)swarm->parents[i], struct swarm_peer, facts);
        dtr_swarm_decision_candidate(swarm, parent, NAN);
        dtr_swarm_decision_take(swarm, parent);
    }
    dtr_swarm_decision_end(swarm, peer, "newcomers", "parents", "it came later, and this peer had room");
}

bool dtr_swarm_more_take(struct dtr_swarm *swarm, struct dtr_swarm_action *ret_action)
{
    struct dtr_list *node;
    while ((node = dtr_list_pop(&swarm->more))) {
        struct swarm_peer *peer = dtr_container(node, struct swarm_peer, room);
        bool sent = peer->to_be_sent;
        peer->to_be_sent = false;
        if (!peer->stream || peer->question != SWARM_ANSWERED)
            continue; /* it has ended, or is answered anew */
        dtr_swarm_decision_begin(swarm);
        if (sent) {
            *ret_action = (struct dtr_swarm_action){.kind = DTR_SWARM_MORE_SOURCE,
                                                    .stream = peer->stream,
                                                    .peer = &peer->facts,
                                                    .text = "nobody else reaches the origin any more"};
            dtr_swarm_decision_end(swarm, peer, "newcomers", "origin", ret_action->text);
            return true;
        }
        uint32_t count = untold(swarm, peer);
        dtr_swarm_more_room(swarm, peer);
        if (!count)
            continue;
        *ret_action = (struct dtr_swarm_action){.kind = DTR_SWARM_MORE_PARENTS,
                                                .stream = peer->stream,
                                                .peer = &peer->facts,
                                                .parents = swarm->parents,
                                                .parent_count = count};
        tell_newcomers(swarm, peer, count);
        return true;
    }
    return false;
}
