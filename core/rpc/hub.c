/* The end of a turn: deadlines, deliveries, output; see internal.h. */
#include "core/rpc/internal.h"

#include <assert.h>
#include <stdlib.h>

enum { ROUNDS = 8 }; /* per turn; what is left then comes in the next one */

#define MIB ((size_t)1 << 20)

static void fill_limits(struct dtr_rpc_limits *limits, bool server)
{
    struct dtr_rpc_limits *l = limits;
    l->message = l->message ? l->message : 64 * MIB;
    l->connection = l->connection ? l->connection : l->message + 32 * MIB;
    l->total = l->total ? l->total : 4 * l->connection;
    l->unpacked = l->unpacked ? l->unpacked : 128 * MIB;
    l->send_queue = l->send_queue ? l->send_queue : 16 * MIB;
    l->stream_window = l->stream_window ? l->stream_window : 2 * MIB;
    l->connection_window = l->connection_window ? l->connection_window : 5 * MIB;
    l->frame = l->frame ? l->frame : 16384;
    l->header_list = l->header_list ? l->header_list : 16384;
    l->streams = l->streams ? l->streams : 1024;
    l->connections = l->connections ? l->connections : 16384;
    l->resets_burst = l->resets_burst ? l->resets_burst : 1000;
    l->resets_per_s = l->resets_per_s ? l->resets_per_s : 100;
    l->handshake_ms = l->handshake_ms ? l->handshake_ms : 10000;
    l->ping_ms = l->ping_ms ? l->ping_ms : server ? 60000 : 300000;
    l->ping_timeout_ms = l->ping_timeout_ms ? l->ping_timeout_ms : 20000;
}

void dtr_rpc_hub_init(struct dtr_rpc_hub *hub, const struct dtr_rpc_limits *limits, bool server)
{
    *hub = (struct dtr_rpc_hub){0};
    dtr_list_init(&hub->ready);
    dtr_list_init(&hub->dirty);
    if (limits)
        hub->limits = *limits;
    fill_limits(&hub->limits, server);
}

void dtr_rpc_hub_free(struct dtr_rpc_hub *hub)
{
    assert(hub->calls == 0);
    dtr_rpc_arena_free(&hub->arena);
    free(hub->heap);
    hub->heap = NULL;
}

void dtr_rpc_hub_wake(struct dtr_rpc_hub *hub)
{
    if (!hub->awake) {
        hub->awake = true;
        hub->wake(hub->context);
    }
}

/* --- deadlines: a binary heap --------------------------------------------------------------------- */

static void put(struct dtr_rpc_hub *hub, size_t at, struct dtr_rpc_call *call)
{
    hub->heap[at] = call;
    call->heap_at = at + 1;
}

static void sift_up(struct dtr_rpc_hub *hub, size_t at, struct dtr_rpc_call *call)
{
    while (at > 0 && hub->heap[(at - 1) / 2]->at_ms > call->at_ms) {
        put(hub, at, hub->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(hub, at, call);
}

static void sift_down(struct dtr_rpc_hub *hub, size_t at, struct dtr_rpc_call *call)
{
    for (size_t child = 2 * at + 1; child < hub->heap_count; child = 2 * at + 1) {
        if (child + 1 < hub->heap_count && hub->heap[child + 1]->at_ms < hub->heap[child]->at_ms)
            child++;
        if (hub->heap[child]->at_ms >= call->at_ms)
            break;
        put(hub, at, hub->heap[child]);
        at = child;
    }
    put(hub, at, call);
}

static void heap_remove(struct dtr_rpc_hub *hub, struct dtr_rpc_call *call)
{
    size_t at = call->heap_at - 1;
    struct dtr_rpc_call *last = hub->heap[--hub->heap_count];
    call->heap_at = 0;
    if (last == call)
        return;
    if (at > 0 && hub->heap[(at - 1) / 2]->at_ms > last->at_ms)
        sift_up(hub, at, last);
    else
        sift_down(hub, at, last);
}

static bool heap_room(struct dtr_rpc_hub *hub)
{
    if (hub->heap_count < hub->heap_capacity)
        return true;
    size_t capacity = hub->heap_capacity ? hub->heap_capacity * 2 : 64;
    struct dtr_rpc_call **heap = realloc(hub->heap, capacity * sizeof(*heap));
    if (!heap)
        return false;
    hub->heap = heap;
    hub->heap_capacity = capacity;
    return true;
}

void dtr_rpc_hub_deadline(struct dtr_rpc_hub *hub, struct dtr_rpc_call *call, uint64_t at_ms)
{
    if (call->heap_at)
        heap_remove(hub, call);
    call->at_ms = at_ms;
    if (at_ms == UINT64_MAX || !heap_room(hub))
        return;
    sift_up(hub, hub->heap_count++, call);
    if (call->heap_at == 1)
        dtr_rpc_hub_wake(hub); /* so that the owner sets its timer */
}

uint64_t dtr_rpc_hub_next_ms(const struct dtr_rpc_hub *hub)
{
    return hub->heap_count ? hub->heap[0]->at_ms : UINT64_MAX;
}

static void expire(struct dtr_rpc_hub *hub)
{
    uint64_t now = hub->now_ms(hub->context);
    while (hub->heap_count && hub->heap[0]->at_ms <= now) {
        struct dtr_rpc_call *call = hub->heap[0];
        heap_remove(hub, call);
        dtr_rpc_call_expired(call);
    }
}

/* --- the turn ------------------------------------------------------------------------------------- */

static void run_round(struct dtr_rpc_hub *hub)
{
    struct dtr_list now;
    struct dtr_list *node = NULL;
    dtr_list_init(&now);
    while ((node = dtr_list_pop(&hub->ready)))
        dtr_list_add_tail(&now, node);
    while ((node = dtr_list_pop(&now)))
        dtr_rpc_call_turn(dtr_container(node, struct dtr_rpc_call, ready));
    while ((node = dtr_list_pop(&hub->dirty)))
        dtr_rpc_session_flush(dtr_container(node, struct dtr_rpc_session, dirty));
}

void dtr_rpc_hub_turn(struct dtr_rpc_hub *hub)
{
    hub->awake = true; /* nothing in here needs another wake */
    expire(hub);
    for (int i = 0; i < ROUNDS; i++) {
        run_round(hub);
        if (dtr_list_empty(&hub->ready) && dtr_list_empty(&hub->dirty))
            break;
    }
    hub->awake = false;
    if (!dtr_list_empty(&hub->ready) || !dtr_list_empty(&hub->dirty))
        dtr_rpc_hub_wake(hub);
}
