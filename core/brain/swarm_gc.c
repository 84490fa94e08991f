/* Garbage collection by the rules of the features page 2.7. Peers and hosts stand in lists by their last sign
 * of life, so that a look costs what it removes; only the look for hosts, whose intervals differ, and the one
 * into crowded tasks walk. */
#include "core/brain/swarm_state.h"

static struct swarm_peer *oldest(const struct dtr_list *list)
{
    return dtr_list_empty(list) ? NULL : dtr_container(list->next, struct swarm_peer, age);
}

static void collect_silent(struct dtr_swarm *swarm, const struct dtr_list *list, uint64_t limit_ms)
{
    struct swarm_peer *peer;
    while ((peer = oldest(list)) && swarm->now_ms - peer->facts.updated_ms > limit_ms)
        dtr_swarm_peer_remove(swarm, peer);
}

/* Failed peers, and finished ones of hosts that do not share. One that still has to say that it finished
 * stays. */
static void collect_ended(struct dtr_swarm *swarm)
{
    dtr_list_each_safe (node, &swarm->ended) {
        struct swarm_peer *peer = dtr_container(node, struct swarm_peer, age);
        if (!peer->stream)
            dtr_swarm_peer_remove(swarm, peer);
    }
}

static void thin_out(struct dtr_swarm *swarm, struct swarm_task *task)
{
    for (struct dtr_list *at = task->peers.next; at != &task->peers;) {
        struct swarm_peer *peer = dtr_container(at, struct swarm_peer, task_link);
        at = at->next;
        if (task->facts.peer_count <= swarm->config.task_peer_limit)
            return;
        if (peer->facts.state == DTR_PEER_SUCCEEDED && !peer->facts.child_count && !peer->stream &&
            !is_seed(host_of(peer)))
            dtr_swarm_peer_remove(swarm, peer);
    }
}

/* Tasks move between lists as they lose peers, so the list is emptied first. */
static void collect_crowded(struct dtr_swarm *swarm)
{
    struct dtr_list crowded;
    dtr_list_init(&crowded);
    struct dtr_list *node;
    while ((node = dtr_list_pop(&swarm->crowded)))
        dtr_list_add_tail(&crowded, node);
    while ((node = dtr_list_pop(&crowded))) {
        struct swarm_task *task = dtr_container(node, struct swarm_task, link);
        thin_out(swarm, task);
        dtr_swarm_task_place(swarm, task);
    }
}

static bool is_quiet(const struct dtr_swarm *swarm, const struct swarm_host *host)
{
    return swarm->now_ms - host->seen_ms > swarm->config.host_ttl_ms;
}

/* Peers of hosts that nothing was heard of for hostTTL. The hosts follow at the next look for hosts. */
static void collect_deserted(struct dtr_swarm *swarm)
{
    dtr_list_each_safe (node, &swarm->quiet) {
        struct swarm_host *host = dtr_container(node, struct swarm_host, age);
        if (!is_quiet(swarm, host))
            return;
        while (!dtr_list_empty(&host->peers))
            dtr_swarm_peer_remove(swarm, dtr_container(host->peers.next, struct swarm_peer, host_link));
    }
}

static void collect_peers(struct dtr_swarm *swarm)
{
    uint64_t progress_ms = swarm->config.piece_download_timeout_ms, ttl_ms = swarm->config.peer_ttl_ms;
    collect_silent(swarm, &swarm->active, progress_ms < ttl_ms ? progress_ms : ttl_ms);
    collect_silent(swarm, &swarm->idle, ttl_ms);
    collect_deserted(swarm);
    collect_ended(swarm);
    collect_crowded(swarm);
}

static void collect_tasks(struct dtr_swarm *swarm)
{
    dtr_list_each_safe (node, &swarm->empty_tasks)
        dtr_swarm_task_remove(swarm, dtr_container(node, struct swarm_task, link));
}

/* A peer's messages are a sign of life of its host as well. */
static void collect_hosts(struct dtr_swarm *swarm)
{
    dtr_list_each_safe (node, &swarm->hosts) {
        struct swarm_host *host = dtr_container(node, struct swarm_host, link);
        uint64_t interval_ms = host->facts.facts.interval_ms;
        if (is_quiet(swarm, host) || (interval_ms && swarm->now_ms - host->seen_ms > 2 * interval_ms))
            dtr_swarm_host_expire(swarm, host);
    }
}

static bool due(struct dtr_swarm *swarm, uint64_t *due_ms, uint64_t interval_ms)
{
    if (*due_ms > swarm->now_ms)
        return false;
    *due_ms = swarm->now_ms + (interval_ms ? interval_ms : 1);
    return true;
}

void dtr_swarm_collect(struct dtr_swarm *swarm)
{
    if (due(swarm, &swarm->host_gc_ms, swarm->config.host_gc_interval_ms))
        collect_hosts(swarm);
    if (due(swarm, &swarm->peer_gc_ms, swarm->config.peer_gc_interval_ms))
        collect_peers(swarm);
    if (due(swarm, &swarm->task_gc_ms, swarm->config.task_gc_interval_ms))
        collect_tasks(swarm);
}
