/* Who gets pieces from whom: edges with their bookings, and which peers are on offer as parents. */
#include "core/brain/swarm_state.h"

#include <stdlib.h>

static uint64_t booked_tx(const struct swarm_edge *edge)
{
    return (uint64_t)edge->piece_length * edge->pieces * 8;
}

/* What a child adds to its parent's host (features page 2.5). A piece ends at 64 MiB, so no length is cut. */
static void book(struct swarm_edge *edge)
{
    const struct dtr_swarm_task *task = edge->child->facts.task;
    struct dtr_swarm_host *host = &host_of(edge->parent)->facts;
    edge->pieces = edge->child->facts.concurrent_pieces;
    edge->piece_length = task->piece_length < UINT32_MAX ? (uint32_t)task->piece_length : UINT32_MAX;
    edge->bytes = task->content_length == DTR_LENGTH_UNKNOWN ? 0 : task->content_length;
    host->booked_tx += booked_tx(edge);
    host->booked_bytes += edge->bytes;
    host->booked_pieces += edge->pieces;
    host->uploads++;
}

static void unbook(const struct swarm_edge *edge)
{
    struct dtr_swarm_host *host = &host_of(edge->parent)->facts;
    host->booked_tx -= booked_tx(edge);
    host->booked_bytes -= edge->bytes;
    host->booked_pieces -= edge->pieces;
    host->uploads--;
}

bool dtr_swarm_attach(struct dtr_swarm *swarm, struct swarm_peer *parent, struct swarm_peer *child)
{
    struct swarm_edge *edge = calloc(1, sizeof(*edge));
    if (!edge)
        return false;
    edge->parent = parent;
    edge->child = child;
    edge->next = child->parents;
    child->parents = edge;
    dtr_list_add_tail(&parent->children, &edge->link);
    child->facts.parent_count++;
    parent->facts.child_count++;
    book(edge);
    swarm->counts.edges++;
    return true;
}

/* `edge` is out of the child's list already. */
static void drop(struct dtr_swarm *swarm, struct swarm_edge *edge)
{
    unbook(edge);
    dtr_list_remove(&edge->link);
    edge->parent->facts.child_count--;
    edge->child->facts.parent_count--;
    free(edge);
    swarm->counts.edges--;
}

void dtr_swarm_detach_parents(struct dtr_swarm *swarm, struct swarm_peer *child)
{
    while (child->parents) {
        struct swarm_edge *edge = child->parents;
        child->parents = edge->next;
        drop(swarm, edge);
    }
}

void dtr_swarm_detach_children(struct dtr_swarm *swarm, struct swarm_peer *parent)
{
    while (!dtr_list_empty(&parent->children)) {
        struct swarm_edge *edge = dtr_container(parent->children.next, struct swarm_edge, link);
        struct swarm_peer *child = edge->child;
        struct swarm_edge **at = &child->parents;
        while (*at != edge)
            at = &(*at)->next;
        *at = edge->next;
        drop(swarm, edge);
        dtr_swarm_offer_refresh(swarm, child);
        dtr_swarm_more_room(swarm, child);
    }
}

const struct dtr_swarm_peer *dtr_swarm_next_parent(const struct dtr_swarm_peer *peer,
                                                   const struct dtr_swarm_peer *previous)
{
    struct swarm_edge *edge = ((const struct swarm_peer *)peer)->parents;
    if (!previous)
        return edge ? &edge->parent->facts : NULL;
    while (edge && &edge->parent->facts != previous)
        edge = edge->next;
    return edge && edge->next ? &edge->next->parent->facts : NULL;
}

/* Rules 2, 4, 5 and the states of rule 6 of the features page 2.4: what does not depend on the child. */
static bool may_be_parent(const struct dtr_swarm *swarm, const struct swarm_peer *peer)
{
    const struct swarm_host *host = host_of(peer);
    if (host->facts.facts.disable_shared)
        return false;
    switch (peer->facts.state) {
    case DTR_PEER_BACK_TO_SOURCE:
    case DTR_PEER_SUCCEEDED:
        return true;
    case DTR_PEER_RUNNING:
        return is_seed(host) || peer->parents;
    case DTR_PEER_RECEIVED_NORMAL:
        return !swarm->config.policy.late_offers && peer->parents;
    default:
        return false;
    }
}

static void swap_offers(struct swarm_task *task, uint32_t a, uint32_t b)
{
    struct swarm_peer *other = task->offers[a];
    task->offers[a] = task->offers[b];
    task->offers[b] = other;
    task->offers[a]->offer_index = a;
    task->offers[b]->offer_index = b;
}

void dtr_swarm_offer_refresh(struct dtr_swarm *swarm, struct swarm_peer *peer)
{
    struct swarm_task *task = task_of(peer);
    bool offered = peer->offer_index != SWARM_NO_OFFER;
    bool wanted = may_be_parent(swarm, peer);
    if (offered == wanted)
        return;
    dtr_swarm_stir(swarm, task);
    if (wanted) {
        peer->offer_index = task->facts.offer_count;
        task->offers[task->facts.offer_count++] = peer;
        dtr_swarm_more_newcomer(swarm, peer);
        return;
    }
    uint32_t last = --task->facts.offer_count;
    swap_offers(task, peer->offer_index, last);
    peer->offer_index = SWARM_NO_OFFER;
}

void dtr_swarm_stir(struct dtr_swarm *swarm, struct swarm_task *task)
{
    struct dtr_list *first = task->waiting.next, *last = task->waiting.prev;
    if (first == &task->waiting)
        return;
    first->prev = swarm->ready.prev;
    swarm->ready.prev->next = first;
    last->next = &swarm->ready;
    swarm->ready.prev = last;
    dtr_list_init(&task->waiting);
}

/* Breadth first, the queue threaded through the peers, so that no depth of graph needs memory. */
void dtr_swarm_mark_descendants(struct dtr_swarm *swarm, struct swarm_peer *peer)
{
    uint64_t mark = ++swarm->mark;
    struct swarm_peer *last = peer;
    peer->mark = mark;
    peer->walk = NULL;
    for (struct swarm_peer *at = peer; at; at = at->walk) {
        dtr_list_each (node, &at->children) {
            struct swarm_peer *child = dtr_container(node, struct swarm_edge, link)->child;
            if (child->mark == mark)
                continue;
            child->mark = mark;
            child->walk = NULL;
            last->walk = child;
            last = child;
        }
    }
}
