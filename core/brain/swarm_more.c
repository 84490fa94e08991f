/* Parents that a peer did not ask for: who comes late is given, as a further parent, to some of those who
 * were there before, so that pieces flow both ways between them.
 *
 * Dragonfly's scheduler only answers: of peers that come in one burst the first know nobody but the seed,
 * and the seed must send each of them everything. */
#include "core/brain/swarm_state.h"

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
        bool slow = false;
        if (!peer)
            break;
        if (!has_room(swarm, peer))
            continue; /* it comes back when it is answered the next time */
        bool fits = dtr_swarm_suits(swarm, peer, newcomer, &slow) && !is_parent(peer, newcomer);
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

bool dtr_swarm_more_take(struct dtr_swarm *swarm, struct dtr_swarm_action *ret_action)
{
    struct dtr_list *node;
    while ((node = dtr_list_pop(&swarm->more))) {
        struct swarm_peer *peer = dtr_container(node, struct swarm_peer, room);
        if (!peer->stream || peer->question != SWARM_ANSWERED)
            continue; /* it has ended, or is answered anew */
        uint32_t count = untold(swarm, peer);
        dtr_swarm_more_room(swarm, peer);
        if (!count)
            continue;
        *ret_action = (struct dtr_swarm_action){.kind = DTR_SWARM_MORE_PARENTS,
                                                .stream = peer->stream,
                                                .peer = &peer->facts,
                                                .parents = swarm->parents,
                                                .parent_count = count};
        return true;
    }
    return false;
}
