/* Lists of pieces (SyncPieces) and load (SyncHost): the child's side as core/daemon/talk/talk_parent.c plays
 * it, the parent's side as core/daemon/upload/does. */
#include "core/sim/sim_internal.h"

#include <string.h>

#define SAMPLE_US 1000000u
#define TELL_US   2000000u

/* --- the child's side ------------------------------------------------------------------------------------
 */

/* One parent of one pull. */
struct sim_list {
    struct dtr_list link; /* in copy.lists */
    struct sim_copy *copy;
    uint32_t parent;
    struct sim_end *pieces, *load;
};

/* What is asked for: a bit per piece. */
struct interest {
    uint32_t blob, count;
    uint8_t wanted[];
};

/* What is told: pieces that came, or were there. */
struct told {
    uint32_t count;
    uint32_t numbers[];
};

struct load {
    uint64_t max_tx, tx; /* bits/s */
};

static struct sim_list *find(const struct sim_copy *copy, uint32_t parent)
{
    dtr_list_each (node, &copy->lists) {
        struct sim_list *list = dtr_container(node, struct sim_list, link);
        if (list->parent == parent)
            return list;
    }
    return NULL;
}

static void on_pieces(struct sim_end *end, void *body)
{
    const struct sim_list *list = end->context;
    struct sim_copy *copy = list->copy;
    const struct told *told = body;
    uint32_t parent = list->parent;
    for (uint32_t i = 0; i < told->count && copy->planner && end->open; i++) {
        dtr_planner_piece_seen(copy->planner, sim_now_ms(end->host->sim), parent, told->numbers[i]);
        pull_act(copy);
    }
}

static void on_pieces_closed(struct sim_end *end, const struct dtr_error *err)
{
    struct sim_list *list = end->context;
    struct sim_copy *copy = list->copy;
    list->pieces = NULL;
    if (!copy->planner)
        return;
    dtr_planner_parent_ended(copy->planner, sim_now_ms(end->host->sim), list->parent, err);
    pull_act(copy);
}

static void on_load(struct sim_end *end, void *body)
{
    const struct sim_list *list = end->context;
    const struct load *load = body;
    struct sim_copy *copy = list->copy;
    if (!copy->planner)
        return;
    dtr_planner_parent_load(copy->planner, sim_now_ms(end->host->sim), list->parent, load->max_tx, load->tx);
    pull_act(copy);
}

static void on_load_closed(struct sim_end *end, const struct dtr_error *err)
{
    struct sim_list *list = end->context;
    (void)err;
    list->load = NULL;
}

static struct interest *interests(const struct sim_copy *copy)
{
    uint32_t count = copy->daemon->host.sim->piece_count;
    struct interest *interest = sim_alloc(1, sizeof(*interest) + count / 8 + 1);
    interest->blob = copy->blob;
    interest->count = count;
    for (uint32_t n = 0; n < count; n++)
        if (dtr_planner_interested(copy->planner, n))
            interest->wanted[n / 8] |= (uint8_t)(1u << n % 8);
    return interest;
}

void parent_open(struct sim_copy *copy, uint32_t parent)
{
    struct dtr_sim *sim = copy->daemon->host.sim;
    const struct dtr_plan_parent *said = dtr_planner_parent(copy->planner, parent);
    struct sim_host *to = &sim->daemons[strtoul(said->host_id + 1, NULL, 10)].host;
    struct sim_list *list = find(copy, parent);
    if (!list) {
        list = sim_alloc(1, sizeof(*list));
        list->copy = copy;
        list->parent = parent;
        dtr_list_add_tail(&copy->lists, &list->link);
    }
    if (list->pieces)
        sim_close(list->pieces, NULL);
    list->pieces = sim_open(&copy->daemon->host, to, SERVE_SYNC_PIECES, interests(copy), on_pieces,
                            on_pieces_closed, list);
    if (!list->load)
        list->load = sim_open(&copy->daemon->host, to, SERVE_SYNC_HOST, NULL, on_load, on_load_closed, list);
}

static void end_list(struct sim_list *list)
{
    dtr_list_remove(&list->link);
    if (list->pieces)
        sim_close(list->pieces, NULL);
    if (list->load)
        sim_close(list->load, NULL);
    free(list);
}

void parent_close(struct sim_copy *copy, uint32_t parent)
{
    struct sim_list *list = find(copy, parent);
    if (list)
        end_list(list);
}

void parents_close(struct sim_copy *copy)
{
    while (!dtr_list_empty(&copy->lists))
        end_list(dtr_container(copy->lists.next, struct sim_list, link));
}

/* --- the parent's side: pieces
 * ------------------------------------------------------------------------------ */

struct sim_sync {
    struct dtr_list link; /* in copy.syncs */
    struct sim_copy *copy;
    struct sim_end *end;
    struct dtr_spread_child *child;
    bool last; /* no more pieces will come */
};

static void nothing(struct sim_end *end, void *body)
{
    (void)end;
    (void)body;
}

static void sync_free(struct sim_sync *sync)
{
    dtr_spread_leave(sync->copy->spread, sim_now_ms(sync->copy->daemon->host.sim), sync->child);
    dtr_list_remove(&sync->link);
    free(sync);
}

static void tell_all(const struct sim_copy *copy)
{
    struct dtr_spread_tell next;
    while (dtr_spread_next(copy->spread, &next)) {
        struct sim_sync *sync = next.who;
        if (!sim_bit(copy->verified, next.number))
            continue;
        struct told *told = sim_alloc(1, sizeof(*told) + sizeof(uint32_t));
        told->count = 1;
        told->numbers[0] = next.number;
        sim_send(sync->end, told);
    }
}

/* Ends the streams of those to whom nothing is left to tell. */
static void end_told(struct sim_copy *copy)
{
    dtr_list_each_safe (node, &copy->syncs) {
        struct sim_sync *sync = dtr_container(node, struct sim_sync, link);
        bool all = dtr_spread_missing(sync->child) == 0;
        if (!all && !(sync->last && dtr_spread_held(sync->child) == 0))
            continue;
        sim_close(sync->end, NULL);
        sync_free(sync);
    }
}

static void on_spreading(struct sim_timer *timer);

static void drain(struct sim_copy *copy)
{
    struct sim_clock *clock = &copy->daemon->host.sim->clock;
    if (!copy->spread)
        return;
    tell_all(copy);
    end_told(copy);
    tell_all(copy); /* one that is alone now is told everything */
    uint64_t wake = dtr_list_empty(&copy->syncs) ? UINT64_MAX : dtr_spread_wake_ms(copy->spread);
    copy->spreading.run = on_spreading;
    if (wake == UINT64_MAX)
        sim_timer_off(clock, &copy->spreading);
    else
        sim_timer_set(clock, &copy->spreading, wake * 1000);
}

static void hear_sending(struct sim_copy *copy)
{
    dtr_spread_sending(copy->spread, sim_now_ms(copy->daemon->host.sim), copy->daemon->sending,
                       copy->daemon->piece_ms);
}

static void on_spreading(struct sim_timer *timer)
{
    struct sim_copy *copy = dtr_container(timer, struct sim_copy, spreading);
    if (sim_host_sleeps(&copy->daemon->host, timer))
        return;
    hear_sending(copy);
    dtr_spread_tick(copy->spread, sim_now_ms(copy->daemon->host.sim));
    drain(copy);
}

void syncs_room(struct sim_daemon *daemon, uint64_t ms)
{
    daemon->piece_ms = daemon->piece_ms ? (daemon->piece_ms * 7 + ms) / 8 : ms;
    if (daemon->sending-- > DTR_SPREAD_BUSY)
        return;
    for (uint32_t i = 0; i < daemon->host.sim->config.blobs; i++) {
        struct sim_copy *copy = &daemon->copies[i];
        if (!copy->spread)
            continue;
        hear_sending(copy);
        drain(copy);
    }
}

static void on_sync_closed(struct sim_end *end, const struct dtr_error *err)
{
    struct sim_sync *sync = end->context;
    struct sim_copy *copy = sync->copy;
    (void)err;
    sync_free(sync);
    drain(copy);
}

void syncs_piece(struct sim_copy *copy, uint32_t number)
{
    if (!copy->spread)
        return;
    (void)dtr_spread_piece(copy->spread, sim_now_ms(copy->daemon->host.sim), number);
    drain(copy);
}

void syncs_last(struct sim_copy *copy)
{
    dtr_list_each (node, &copy->syncs)
        dtr_container(node, struct sim_sync, link)->last = true;
    drain(copy);
}

void syncs_drop(struct sim_copy *copy)
{
    while (!dtr_list_empty(&copy->syncs))
        sync_free(dtr_container(copy->syncs.next, struct sim_sync, link));
    sim_timer_off(&copy->daemon->host.sim->clock, &copy->spreading);
    dtr_spread_free(copy->spread);
    copy->spread = NULL;
}

static void join(struct sim_copy *copy, struct sim_end *end, const struct interest *asked)
{
    struct dtr_sim *sim = copy->daemon->host.sim;
    uint32_t *wanted = sim_alloc(asked->count, sizeof(*wanted)), count = 0;
    for (uint32_t n = 0; n < asked->count; n++)
        if (sim_bit(asked->wanted, n))
            wanted[count++] = n;
    struct sim_sync *sync = sim_alloc(1, sizeof(*sync));
    *sync = (struct sim_sync){.copy = copy, .end = end, .last = !copy->planner};
    hear_sending(copy);
    sync->child = dtr_spread_join(copy->spread, sim_now_ms(sim), sync, wanted, count);
    free(wanted);
    dtr_list_add_tail(&copy->syncs, &sync->link);
    end->message = nothing;
    end->closed = on_sync_closed;
    end->context = sync;
}

/* With the pieces that are here. */
static void begin_spread(struct sim_copy *copy)
{
    const struct dtr_sim *sim = copy->daemon->host.sim;
    copy->spread = dtr_spread_new();
    for (uint32_t n = 0; n < sim->piece_count; n++)
        if (sim_bit(copy->verified, n))
            (void)dtr_spread_piece(copy->spread, sim_now_ms(sim), n);
}

void sync_accept(struct sim_end *end, void *body)
{
    struct sim_daemon *daemon = sim_daemon_of(end->host);
    const struct interest *asked = body;
    struct sim_copy *copy = &daemon->copies[asked->blob];
    struct dtr_error err;
    uint32_t left = 0;
    for (uint32_t n = 0; n < asked->count; n++)
        left += sim_bit(asked->wanted, n);
    if (!copy->known || !left) {
        (void)dtr_error_set(&err, DTR_EINTERNAL, DTR_RETRY_ELSEWHERE,
                            copy->known ? "no piece is asked for" : "this task is not here");
        sim_close(end, &err);
        return;
    }
    if (!copy->spread)
        begin_spread(copy);
    join(copy, end, asked);
    drain(copy);
}

/* --- the parent's side: load
 * ---------------------------------------------------------------------------------- */

struct sim_load {
    struct dtr_list link; /* in daemon.loads */
    struct sim_end *end;
    uint64_t told, told_us;
};

static void on_load_end(struct sim_end *end, const struct dtr_error *err)
{
    struct sim_load *load = end->context;
    (void)err;
    load_free(&load->link);
}

void load_free(struct dtr_list *node)
{
    struct sim_load *load = dtr_container(node, struct sim_load, link);
    dtr_list_remove(&load->link);
    free(load);
}

static uint64_t ceiling(const struct sim_daemon *daemon)
{
    uint64_t announced = daemon->host.sim->config.announced_tx;
    return announced ? announced : (uint64_t)(daemon->host.speed_up * 8);
}

static void tell_load(struct sim_load *load, const struct sim_daemon *daemon)
{
    struct load *said = sim_alloc(1, sizeof(*said));
    *said = (struct load){.max_tx = ceiling(daemon), .tx = daemon->tx};
    load->told = daemon->tx;
    load->told_us = daemon->host.sim->clock.now_us;
    sim_send(load->end, said);
}

/* Bits per second given since the last look, half of it from the looks before; bytes count as pieces begin.
 */
static void sample(struct sim_daemon *daemon)
{
    uint64_t now = daemon->host.sim->clock.now_us, passed = now - daemon->sampled_us;
    uint64_t bits = (daemon->sent - daemon->sampled_sent) * 8, limit = ceiling(daemon);
    if (passed > 5 * SAMPLE_US)
        daemon->tx = 0;
    else if (passed > 0)
        daemon->tx = (daemon->tx + bits * 1000000 / passed) / 2;
    if (daemon->tx < 1000)
        daemon->tx = 0;
    if (daemon->tx > limit)
        daemon->tx = limit;
    daemon->sampled_us = now;
    daemon->sampled_sent = daemon->sent;
}

static void on_sample(struct sim_timer *timer)
{
    struct sim_daemon *daemon = dtr_container(timer, struct sim_daemon, sample);
    struct sim_clock *clock = &daemon->host.sim->clock;
    if (dtr_list_empty(&daemon->loads) || sim_host_sleeps(&daemon->host, timer))
        return;
    sample(daemon);
    dtr_list_each (node, &daemon->loads) {
        struct sim_load *load = dtr_container(node, struct sim_load, link);
        if (load->told != daemon->tx || clock->now_us - load->told_us >= TELL_US)
            tell_load(load, daemon);
    }
    sim_timer_set(clock, timer, clock->now_us + SAMPLE_US);
}

void load_accept(struct sim_end *end)
{
    struct sim_daemon *daemon = sim_daemon_of(end->host);
    struct sim_clock *clock = &daemon->host.sim->clock;
    struct sim_load *load = sim_alloc(1, sizeof(*load));
    load->end = end;
    end->message = nothing;
    end->closed = on_load_end;
    end->context = load;
    if (dtr_list_empty(&daemon->loads)) {
        sample(daemon);
        daemon->sample.run = on_sample;
        sim_timer_set(clock, &daemon->sample, clock->now_us + SAMPLE_US);
    }
    dtr_list_add_tail(&daemon->loads, &load->link);
    tell_load(load, daemon);
}
