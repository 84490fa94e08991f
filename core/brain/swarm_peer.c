/* Peers: their life, their states with what follows from them, their way to the origin, their block
 * lists. What a message does to a peer is decided in swarm_message.c. */
#include "core/brain/swarm_state.h"

#include <stdlib.h>

#define BLOCKED_MAX 1024 /* parents that one peer can exclude; five answers name 15 */

static struct swarm_peer *find(const struct dtr_swarm *swarm, const char *id)
{
    struct dtr_map_node *node = id ? dtr_map_find(&swarm->peer_map, id) : NULL;
    return node ? dtr_container(node, struct swarm_peer, node) : NULL;
}

const struct dtr_swarm_peer *dtr_swarm_find_peer(const struct dtr_swarm *swarm, const char *peer_id)
{
    struct swarm_peer *peer = find(swarm, peer_id);
    return peer ? &peer->facts : NULL;
}

/* Every peer of a task has a place among its offers, so that offering cannot fail. */
static bool reserve_offer(struct swarm_task *task)
{
    if (task->facts.peer_count < task->offer_capacity)
        return true;
    uint32_t capacity = task->offer_capacity ? task->offer_capacity * 2 : 4;
    struct swarm_peer **offers = realloc(task->offers, capacity * sizeof(struct swarm_peer *));
    if (!offers)
        return false;
    task->offers = offers;
    task->offer_capacity = capacity;
    return true;
}

struct swarm_peer *dtr_swarm_peer_add(struct dtr_swarm *swarm, const char *id, struct swarm_host *host,
                                      struct swarm_task *task)
{
    size_t length = strlen(id);
    struct swarm_peer *peer = reserve_offer(task) ? calloc(1, sizeof(*peer) + length + 1) : NULL;
    if (!peer)
        return NULL;
    memcpy(peer->id, id, length + 1);
    if (!dtr_map_add(&swarm->peer_map, &peer->node, peer->id, length)) {
        free(peer);
        return NULL;
    }
    peer->facts.id = peer->id;
    peer->facts.host = &host->facts;
    peer->facts.task = &task->facts;
    peer->facts.created_ms = peer->facts.updated_ms = swarm->now_ms;
    peer->hash = dtr_swarm_hash(swarm->hash_key, id);
    peer->offer_index = SWARM_NO_OFFER;
    dtr_list_init(&peer->children);
    dtr_list_add_tail(&host->peers, &peer->host_link);
    dtr_list_add_tail(&task->peers, &peer->task_link);
    dtr_swarm_peer_touch(swarm, peer);
    host->facts.peer_count++;
    task->facts.peer_count++;
    swarm->counts.peers++;
    dtr_swarm_task_place(swarm, task);
    return peer;
}

void dtr_swarm_peer_free(struct swarm_peer *peer)
{
    if (!peer)
        return;
    dtr_buf_drop(peer->download);
    free(peer->blocked);
    free(peer->pieces);
    free(peer);
}

void dtr_swarm_peer_remove(struct dtr_swarm *swarm, struct swarm_peer *peer)
{
    struct swarm_host *host = host_of(peer);
    struct swarm_task *task = task_of(peer);
    dtr_swarm_peer_settle(swarm, peer);
    dtr_swarm_peer_become(swarm, peer, DTR_PEER_LEAVE);
    dtr_list_remove(&peer->age);
    dtr_list_remove(&peer->host_link);
    dtr_list_remove(&peer->task_link);
    dtr_map_remove(&swarm->peer_map, &peer->node);
    host->facts.peer_count--;
    task->facts.peer_count--;
    swarm->counts.peers--;
    if (!task->facts.peer_count)
        task->facts.state = DTR_TASK_LEAVE;
    dtr_swarm_task_place(swarm, task);
    if (peer->stream)
        dtr_list_add_tail(&swarm->leaving, &peer->queue);
    else
        dtr_swarm_peer_free(peer);
}

static struct dtr_list *age_list(struct dtr_swarm *swarm, const struct swarm_peer *peer)
{
    if (peer->facts.state == DTR_PEER_FAILED)
        return &swarm->ended;
    if (peer->facts.state != DTR_PEER_SUCCEEDED)
        return &swarm->active;
    return host_of(peer)->facts.facts.disable_shared ? &swarm->ended : &swarm->idle;
}

void dtr_swarm_peer_touch(struct dtr_swarm *swarm, struct swarm_peer *peer)
{
    peer->facts.updated_ms = swarm->now_ms;
    dtr_swarm_host_touch(swarm, host_of(peer));
    dtr_list_remove(&peer->age);
    dtr_list_add_tail(age_list(swarm, peer), &peer->age);
}

static void forget_pieces(struct swarm_peer *peer)
{
    free(peer->pieces);
    peer->pieces = NULL;
    peer->piece_words = 0;
}

void dtr_swarm_peer_become(struct dtr_swarm *swarm, struct swarm_peer *peer, enum dtr_peer_state state)
{
    const struct dtr_swarm_task *task = peer->facts.task;
    bool slow = dtr_swarm_peer_slow(peer);
    peer->facts.state = state;
    switch (state) {
    case DTR_PEER_BACK_TO_SOURCE:
        if (!peer->at_source)
            dtr_swarm_peer_send_to_source(swarm, peer);
        if (task_of(peer)->source == peer)
            task_of(peer)->source = NULL; /* started: on offer from now on, nobody waits for it */
        dtr_swarm_detach_parents(swarm, peer);
        peer->facts.depth = 0;
        break;
    case DTR_PEER_SUCCEEDED:
        dtr_swarm_peer_leave_source(swarm, peer);
        dtr_swarm_detach_parents(swarm, peer);
        forget_pieces(peer);
        if (!peer->facts.has_range && task->piece_count)
            peer->facts.pieces_had = task->piece_count;
        peer->facts.depth = 0;
        if (slow)
            dtr_swarm_stir(swarm, task_of(peer)); /* it is slow no more */
        break;
    case DTR_PEER_FAILED:
    case DTR_PEER_LEAVE:
        dtr_list_remove(&peer->room);
        dtr_swarm_peer_leave_source(swarm, peer);
        dtr_swarm_detach_parents(swarm, peer);
        dtr_swarm_detach_children(swarm, peer);
        forget_pieces(peer);
        break;
    default:
        break;
    }
    dtr_swarm_offer_refresh(swarm, peer);
    if (state != DTR_PEER_LEAVE) /* which others decide */
        dtr_swarm_peer_touch(swarm, peer);
    if (state == DTR_PEER_FAILED || state == DTR_PEER_LEAVE)
        dtr_swarm_more_source(swarm, task_of(peer));
}

void dtr_swarm_peer_ask(struct dtr_swarm *swarm, struct swarm_peer *peer, enum swarm_question question)
{
    peer->question = (uint8_t)question;
    peer->asked_ms = swarm->now_ms;
    peer->tried = false;
    dtr_list_add_tail(&swarm->ready, &peer->queue);
    dtr_list_add_tail(&swarm->patient, &peer->clock);
    swarm->counts.waiting++;
}

void dtr_swarm_peer_settle(struct dtr_swarm *swarm, struct swarm_peer *peer)
{
    dtr_buf_drop(peer->download);
    peer->download = NULL;
    if (peer->question == SWARM_ANSWERED)
        return;
    peer->question = SWARM_ANSWERED;
    dtr_list_remove(&peer->queue);
    dtr_list_remove(&peer->clock);
    swarm->counts.waiting--;
}

void dtr_swarm_peer_send_to_source(struct dtr_swarm *swarm, struct swarm_peer *peer)
{
    struct swarm_task *task = task_of(peer);
    peer->at_source = true;
    task->facts.source_count++;
    if (host_of(peer)->facts.facts.disable_shared)
        return; /* useless to the others */
    bool stale = swarm->now_ms - task->source_since_ms >= dtr_swarm_source_wait_ms(swarm);
    if (!task->source || stale || !dtr_swarm_peer_covers(task->source, peer)) {
        task->source = peer;
        task->source_since_ms = swarm->now_ms;
    }
}

void dtr_swarm_peer_leave_source(struct dtr_swarm *swarm, struct swarm_peer *peer)
{
    struct swarm_task *task = task_of(peer);
    if (!peer->at_source)
        return;
    peer->at_source = false;
    task->facts.source_count--;
    if (task->source == peer) {
        task->source = NULL;
        dtr_swarm_stir(swarm, task); /* the next one is elected */
    }
}

void dtr_swarm_peer_block(struct dtr_swarm *swarm, struct swarm_peer *peer, const char *parent_id)
{
    uint64_t hash = dtr_swarm_hash(swarm->hash_key, parent_id);
    for (uint32_t i = 0; i < peer->blocked_count; i++) {
        if (peer->blocked[i] == hash)
            return;
    }
    uint32_t count = peer->blocked_count;
    bool full = count % 4 == 0 && (count & (count - 1)) == 0; /* 0, 4, 8, 16 ... */
    if (count >= BLOCKED_MAX)
        return;
    if (full) {
        uint64_t *blocked = realloc(peer->blocked, (count ? count * 2 : 4) * sizeof(*blocked));
        if (!blocked)
            return; /* it may be offered again, and fail again */
        peer->blocked = blocked;
    }
    peer->blocked[peer->blocked_count++] = hash;
}

bool dtr_swarm_peer_blocks(const struct swarm_peer *peer, const struct swarm_peer *parent)
{
    for (uint32_t i = 0; i < peer->blocked_count; i++) {
        if (peer->blocked[i] == parent->hash)
            return true;
    }
    return false;
}

bool dtr_swarm_peer_covers(const struct swarm_peer *source, const struct swarm_peer *peer)
{
    const struct dtr_swarm_peer *whole = &source->facts, *part = &peer->facts;
    if (!whole->has_range)
        return true;
    if (!part->has_range || part->range_start < whole->range_start)
        return false;
    uint64_t skipped = part->range_start - whole->range_start;
    return skipped <= whole->range_length && part->range_length <= whole->range_length - skipped;
}

int dtr_swarm_delete_peer(struct dtr_swarm *swarm, uint64_t now_ms, const char *peer_id,
                          struct dtr_error *err)
{
    dtr_swarm_begin(swarm, now_ms);
    struct swarm_peer *peer = find(swarm, peer_id);
    if (!peer)
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "no such peer");
    dtr_swarm_peer_remove(swarm, peer);
    return DTR_OK;
}

int dtr_swarm_delete_task(struct dtr_swarm *swarm, uint64_t now_ms, const char *host_id, const char *task_id,
                          struct dtr_error *err)
{
    dtr_swarm_begin(swarm, now_ms);
    struct swarm_host *host = (struct swarm_host *)(uintptr_t)dtr_swarm_find_host(swarm, host_id);
    const struct dtr_swarm_task *task = dtr_swarm_find_task(swarm, task_id);
    uint32_t removed = 0;
    for (struct dtr_list *at = host && task ? host->peers.next : NULL; at && at != &host->peers;) {
        struct swarm_peer *peer = dtr_container(at, struct swarm_peer, host_link);
        at = at->next;
        if (peer->facts.task == task) {
            dtr_swarm_peer_remove(swarm, peer);
            removed++;
        }
    }
    if (!removed)
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "the host has no peer of this task");
    return DTR_OK;
}
