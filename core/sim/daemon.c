/* A daemon's life: it starts, keeps a channel to the scheduler and announces itself, crashes, comes back. */
#include "core/sim/sim_internal.h"

#include <string.h>

#define ANNOUNCE_US     300000000u
#define ANNOUNCE_BAD_US 5000000u
#define BACKOFF_US      100000u
#define BACKOFF_MOST_US 1000000u

struct sim_daemon *sim_daemon_of(struct sim_host *host)
{
    return dtr_container(host, struct sim_daemon, host);
}

static void nothing(struct sim_end *end, void *body)
{
    (void)end;
    (void)body;
}

/* --- announcements ---------------------------------------------------------------------------------------
 */

/* Pulls that went on without the scheduler may ask it again. */
static void tell_pulls(struct sim_daemon *daemon)
{
    for (uint32_t i = 0; i < daemon->host.sim->config.blobs; i++) {
        struct sim_copy *copy = &daemon->copies[i];
        if (!copy->planner)
            continue;
        dtr_planner_scheduler_back(copy->planner, sim_now_ms(daemon->host.sim));
        pull_act(copy);
    }
}

static void on_announced(struct sim_end *end, const struct dtr_error *err)
{
    struct sim_daemon *daemon = end->context;
    struct sim_clock *clock = &daemon->host.sim->clock;
    bool ok = err->code == DTR_OK;
    bool known = daemon->announced;
    daemon->announcing = NULL;
    daemon->announced = ok;
    sim_timer_set(clock, &daemon->announce, clock->now_us + (ok ? ANNOUNCE_US : ANNOUNCE_BAD_US));
    if (ok || !daemon_expects(daemon))
        talks_announced(daemon, ok);
    if (ok && !known)
        talks_retell(daemon);
    if (ok)
        tell_pulls(daemon);
}

void daemon_announce(struct sim_daemon *daemon)
{
    struct dtr_sim *sim = daemon->host.sim;
    if (!daemon->announcing)
        daemon->announcing = sim_open(&daemon->host, &sim->scheduler.host, SERVE_ANNOUNCE_HOST, NULL, nothing,
                                      on_announced, daemon);
}

static void on_announce_due(struct sim_timer *timer)
{
    struct sim_daemon *daemon = dtr_container(timer, struct sim_daemon, announce);
    if (!sim_host_sleeps(&daemon->host, timer))
        daemon_announce(daemon);
}

/* --- the channel -------------------------------------------------------------------------------------------
 */

static void on_ready(struct sim_end *end, void *body)
{
    struct sim_daemon *daemon = end->context;
    (void)body;
    daemon->ready = true;
    daemon->failures = 0;
    daemon_announce(daemon);
}

bool daemon_expects(const struct sim_daemon *daemon)
{
    const struct dtr_sim *sim = daemon->host.sim;
    return !daemon->ready && sim->clock.now_us < daemon->gone_us + sim->config.plan.stall_timeout_ms * 1000;
}

/* Tried again at once when it had lived, then after 200 ms, 400 ms ... 1 s, each up to half as long again. */
static void on_lost(struct sim_end *end, const struct dtr_error *err)
{
    struct sim_daemon *daemon = end->context;
    struct dtr_sim *sim = daemon->host.sim;
    uint64_t wait = 0;
    (void)err;
    if (!daemon->ready && daemon->failures++ < 10)
        wait = (uint64_t)BACKOFF_US << daemon->failures;
    else if (!daemon->ready)
        wait = BACKOFF_MOST_US;
    if (wait > BACKOFF_MOST_US)
        wait = BACKOFF_MOST_US;
    if (daemon->ready)
        daemon->gone_us = sim->clock.now_us;
    daemon->ready = daemon->announced = false;
    daemon->channel = NULL;
    if (!daemon_expects(daemon))
        talks_announced(daemon, false);
    sim_timer_set(&sim->clock, &daemon->reconnect, sim->clock.now_us + wait + sim_draw(sim, wait / 2 + 1));
}

void daemon_lost(struct sim_daemon *daemon)
{
    struct sim_end *channel = daemon->channel;
    if (!channel || !daemon->ready)
        return;
    sim_close(channel, NULL);
    on_lost(channel, NULL);
}

static void connect_scheduler(struct sim_daemon *daemon)
{
    daemon->channel = sim_open(&daemon->host, &daemon->host.sim->scheduler.host, SERVE_CHANNEL, NULL,
                               on_ready, on_lost, daemon);
}

static void on_reconnect(struct sim_timer *timer)
{
    struct sim_daemon *daemon = dtr_container(timer, struct sim_daemon, reconnect);
    if (!sim_host_sleeps(&daemon->host, timer))
        connect_scheduler(daemon);
}

/* --- calls
 * --------------------------------------------------------------------------------------------------- */

static void on_order_closed(struct sim_end *end, const struct dtr_error *err)
{
    struct sim_copy *copy = end->context;
    (void)err;
    copy->order = NULL; /* it goes on: who wants the seed's bytes is there */
}

static void accept_order(struct sim_daemon *daemon, struct sim_end *end, const struct sim_request *request)
{
    struct sim_copy *copy = &daemon->copies[request->blob];
    end->message = nothing;
    end->closed = on_order_closed;
    end->context = copy;
    pull_order(copy, end);
}

void daemon_accept(struct sim_end *end, void *body)
{
    end->message = nothing;
    switch (end->stream->service) {
    case SERVE_HEALTH:
        sim_close(end, NULL);
        break;
    case SERVE_DOWNLOAD:
        accept_order(sim_daemon_of(end->host), end, body);
        break;
    case SERVE_SYNC_PIECES:
        sync_accept(end, body);
        break;
    case SERVE_SYNC_HOST:
        load_accept(end);
        break;
    default:
        piece_accept(end, body);
    }
}

/* --- life
 * ------------------------------------------------------------------------------------------------------ */

static void copy_init(struct sim_daemon *daemon, uint32_t blob)
{
    struct sim_copy *copy = &daemon->copies[blob];
    *copy = (struct sim_copy){.daemon = daemon, .blob = blob};
    copy->verified = sim_alloc(daemon->host.sim->piece_count / 8 + 1, 1);
    dtr_list_init(&copy->transfers);
    dtr_list_init(&copy->lists);
    dtr_list_init(&copy->syncs);
    dtr_list_init(&copy->questions);
}

void daemon_init(struct dtr_sim *sim, uint32_t number)
{
    struct sim_daemon *daemon = &sim->daemons[number];
    const struct dtr_sim_config *config = &sim->config;
    sim_host_init(sim, &daemon->host, number, (double)config->up, (double)config->down);
    (void)snprintf(daemon->host_id, sizeof(daemon->host_id), "h%u", number);
    (void)snprintf(daemon->address, sizeof(daemon->address), "10.%u.%u.%u", number >> 16 & 255,
                   number >> 8 & 255, number & 255);
    daemon->seed = number < config->seeds;
    daemon->reconnect.run = on_reconnect;
    daemon->announce.run = on_announce_due;
    dtr_list_init(&daemon->talks);
    dtr_list_init(&daemon->loads);
    daemon->copies = sim_alloc(config->blobs, sizeof(*daemon->copies));
    for (uint32_t i = 0; i < config->blobs; i++)
        copy_init(daemon, i);
    daemon_start(daemon);
}

void daemon_start(struct sim_daemon *daemon)
{
    daemon->failures = 0;
    daemon->gone_us = daemon->host.sim->clock.now_us;
    connect_scheduler(daemon);
}

/* What it has in memory goes. */
static void forget(struct sim_daemon *daemon)
{
    struct sim_clock *clock = &daemon->host.sim->clock;
    struct dtr_list *node;
    for (uint32_t i = 0; i < daemon->host.sim->config.blobs; i++)
        pull_drop(&daemon->copies[i]);
    talks_free(daemon);
    while ((node = dtr_list_pop(&daemon->loads)))
        load_free(node);
    sim_timer_off(clock, &daemon->sample);
    sim_timer_off(clock, &daemon->reconnect);
    sim_timer_off(clock, &daemon->announce);
    sim_timer_off(clock, &daemon->thaw);
    daemon->channel = daemon->announcing = NULL;
    daemon->ready = daemon->announced = false;
}

void daemon_free(struct sim_daemon *daemon)
{
    forget(daemon);
    for (uint32_t i = 0; i < daemon->host.sim->config.blobs; i++)
        free(daemon->copies[i].verified);
    free(daemon->copies);
}

void daemon_crash(struct sim_daemon *daemon, bool silently)
{
    struct dtr_sim *sim = daemon->host.sim;
    if (!daemon->host.alive)
        return;
    for (uint32_t i = 0; i < sim->config.blobs; i++)
        sim->running -= daemon->copies[i].running;
    sim_trace(sim, "%s %s", daemon->host_id, silently ? "vanishes" : "crashes");
    leaving_free(daemon);
    sim_host_gone(&daemon->host, silently); /* first: what is forgotten then says good-bye to nobody */
    forget(daemon);
}

void daemon_restart(struct sim_daemon *daemon, bool empty)
{
    struct dtr_sim *sim = daemon->host.sim;
    if (daemon->host.alive)
        return;
    daemon->host.alive = true;
    daemon->host.frozen_us = 0;
    sim_host_links(&daemon->host);
    sim_trace(sim, "%s is back", daemon->host_id);
    daemon_start(daemon);
    for (uint32_t i = 0; i < sim->config.blobs; i++) {
        struct sim_copy *copy = &daemon->copies[i];
        if (empty) {
            memset(copy->verified, 0, sim->piece_count / 8 + 1);
            copy->have = 0;
        }
        copy->known = copy->have > 0;
        if (copy->running)
            pull_wanted(copy);
    }
}
