/* A simulation's life: configuration, events, the run, results. */
#include "core/sim/sim_internal.h"

#include "core/base/draw.h"
#include "core/brain/geometry.h"
#include <math.h>

#define MBIT (1000000u / 8)

void dtr_sim_config_default(struct dtr_sim_config *config)
{
    *config = (struct dtr_sim_config){
        .seed = 1,
        .daemons = 9,
        .seeds = 1,
        .blobs = 1,
        .size = 256u << 20,
        .up = 200 * MBIT,
        .down = 200 * MBIT,
        .origin_up = 200 * MBIT,
        .latency_us = 200,
        .latency_spread_us = 300,
        .origin_think_ms = 20,
        .progress = 256u << 10,
        .swarm = dtr_swarm_defaults(),
    };
    config->swarm.settle_ms = DTR_SWARM_SETTLE_MS;
    dtr_plan_config_default(&config->plan);
    config->plan.ask_length = true;
}

uint64_t sim_draw(struct dtr_sim *sim, uint64_t below)
{
    return dtr_draw(&sim->random) % below;
}

uint64_t sim_piece_length(const struct dtr_sim *sim, uint32_t number)
{
    uint64_t left = sim->config.size - number * sim->piece_length;
    return left < sim->piece_length ? left : sim->piece_length;
}

void sim_trace(struct dtr_sim *sim, const char *format, ...)
{
    char text[300];
    va_list args;
    if (!sim->config.trace)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    sim->config.trace(sim->config.trace_context, sim->clock.now_us, text);
}

/* --- life ------------------------------------------------------------------------------------------------
 */

static int check(const struct dtr_sim_config *config, struct dtr_error *err)
{
    const char *wrong = !config->daemons || config->daemons > 1u << 20         ? "daemons"
                        : config->seeds > config->daemons                      ? "seeds"
                        : !config->blobs || config->blobs > DTR_SIM_BLOBS_MOST ? "blobs"
                        : !config->size                                        ? "size"
                        : !config->progress                                    ? "progress"
                                                                               : NULL;
    if (wrong)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "simulation: %s is out of range", wrong);
    return DTR_OK;
}

int dtr_sim_new(const struct dtr_sim_config *config, struct dtr_sim **ret_sim, struct dtr_error *err)
{
    int rc = check(config, err);
    if (rc != DTR_OK)
        return rc;
    struct dtr_sim *sim = sim_alloc(1, sizeof(*sim));
    sim->config = *config;
    sim->random = config->seed;
    sim->clock.now_us = 1000000; /* brains take 0 for never */
    sim->net = (struct sim_net){.clock = &sim->clock, .step = config->progress};
    sim->piece_length = config->piece_length ? config->piece_length : dtr_piece_length(config->size);
    sim->piece_count = (uint32_t)dtr_piece_count(config->size, sim->piece_length);
    dtr_list_init(&sim->held);
    dtr_list_init(&sim->scheduled);
    dtr_list_init(&sim->streams);
    sim->stack = sim_alloc(config->daemons + 1u, sizeof(*sim->stack));
    sim->seen = sim_alloc(config->daemons, sizeof(*sim->seen));
    sim_host_init(sim, &sim->origin, DTR_SIM_NOBODY, (double)config->origin_up, (double)config->origin_up);
    sim_host_init(sim, &sim->scheduler.host, DTR_SIM_NOBODY - 1, 1, 1);
    scheduler_start(sim);
    sim->daemons = sim_alloc(config->daemons, sizeof(*sim->daemons));
    for (uint32_t i = 0; i < config->daemons; i++)
        daemon_init(sim, i);
    *ret_sim = sim;
    return DTR_OK;
}

/* Something that will happen. */
struct scheduled {
    struct dtr_list link;
    struct sim_timer timer;
    struct dtr_sim *sim;
    struct dtr_sim_event event;
};

void dtr_sim_free(struct dtr_sim *sim)
{
    struct dtr_list *node;
    if (!sim)
        return;
    scheduler_crash(sim);
    for (uint32_t i = 0; i < sim->config.daemons; i++) {
        leaving_free(&sim->daemons[i]);
        sim_host_gone(&sim->daemons[i].host, false);
        daemon_free(&sim->daemons[i]);
    }
    origin_free(sim);
    sim_wire_free(sim);
    while ((node = dtr_list_pop(&sim->scheduled)))
        free(dtr_container(node, struct scheduled, link));
    sim_clock_free(&sim->clock);
    free(sim->daemons);
    free(sim->stack);
    free(sim->seen);
    free(sim);
}

/* --- events ------------------------------------------------------------------------------------------------
 */

static void on_thaw(struct sim_timer *timer)
{
    sim_host_links(&dtr_container(timer, struct sim_daemon, thaw)->host);
}

static void freeze(struct sim_daemon *daemon, uint64_t ms)
{
    struct sim_clock *clock = &daemon->host.sim->clock;
    daemon->host.frozen_us = clock->now_us + ms * 1000;
    daemon->thaw.run = on_thaw;
    sim_timer_set(clock, &daemon->thaw, daemon->host.frozen_us);
    sim_host_links(&daemon->host);
}

static void change_speed(struct sim_host *host, uint64_t speed)
{
    host->speed_up = host->speed_down = (double)speed;
    sim_host_links(host);
}

static void happen(struct dtr_sim *sim, const struct dtr_sim_event *event)
{
    struct sim_daemon *daemon = event->daemon < sim->config.daemons ? &sim->daemons[event->daemon] : NULL;
    switch (event->kind) {
    case DTR_SIM_PULL:
        pull_wanted(&daemon->copies[event->blob]);
        break;
    case DTR_SIM_CRASH:
    case DTR_SIM_VANISH:
        daemon_crash(daemon, event->kind == DTR_SIM_VANISH);
        break;
    case DTR_SIM_RESTART:
        daemon_restart(daemon, event->value == 1);
        break;
    case DTR_SIM_FREEZE:
        freeze(daemon, event->value);
        break;
    case DTR_SIM_SPEED:
        change_speed(daemon ? &daemon->host : &sim->origin, event->value);
        break;
    case DTR_SIM_LIE:
        daemon->lies = event->value != 0;
        break;
    case DTR_SIM_SCHEDULER_CRASH:
        scheduler_crash(sim);
        break;
    case DTR_SIM_SCHEDULER_START:
        scheduler_start(sim);
        break;
    case DTR_SIM_PARTITION:
        sim->island = (uint32_t)event->value;
        sim_partition(sim, true);
        break;
    case DTR_SIM_HEAL:
        sim_partition(sim, false);
        break;
    case DTR_SIM_ORIGIN:
        sim->mood = (enum dtr_sim_origin)event->value;
        break;
    }
}

static void on_event(struct sim_timer *timer)
{
    struct scheduled *scheduled = dtr_container(timer, struct scheduled, timer);
    struct dtr_sim *sim = scheduled->sim;
    struct dtr_sim_event event = scheduled->event;
    static const char *const names[] = {
#define NAME(name, text) #name,
        DTR_SIM_EVENTS(NAME)
#undef NAME
    };
    dtr_list_remove(&scheduled->link);
    free(scheduled);
    sim->events--;
    sim_trace(sim, "%s h%u value %llu", names[event.kind], event.daemon, (unsigned long long)event.value);
    happen(sim, &event);
}

void dtr_sim_at(struct dtr_sim *sim, const struct dtr_sim_event *event)
{
    struct scheduled *scheduled = sim_alloc(1, sizeof(*scheduled));
    *scheduled = (struct scheduled){.sim = sim, .event = *event, .timer.run = on_event};
    dtr_list_add_tail(&sim->scheduled, &scheduled->link);
    sim->events++;
    sim_timer_set(&sim->clock, &scheduled->timer, event->at_ms * 1000);
}

/* --- the run -----------------------------------------------------------------------------------------------
 */

static int late(const struct dtr_sim *sim, struct dtr_error *err)
{
    for (uint32_t i = 0; i < sim->config.daemons; i++)
        for (uint32_t b = 0; b < sim->config.blobs; b++)
            if (sim->daemons[i].copies[b].running && sim->daemons[i].host.alive)
                return dtr_error_set(err, DTR_ETIMEOUT, DTR_RETRY_NEVER,
                                     "seed %llu at %llu ms: h%u has %u of %u pieces of blob %u and no end",
                                     (unsigned long long)sim->config.seed,
                                     (unsigned long long)sim_now_ms(sim), i, sim->daemons[i].copies[b].have,
                                     sim->piece_count, b);
    return dtr_error_set(err, DTR_ETIMEOUT, DTR_RETRY_NEVER, "seed %llu: events are left at %llu ms",
                         (unsigned long long)sim->config.seed, (unsigned long long)sim_now_ms(sim));
}

int dtr_sim_run(struct dtr_sim *sim, uint64_t until_ms, struct dtr_error *err)
{
    while ((sim->events || sim->running) && !sim->broken.code) {
        if (!sim_clock_step(&sim->clock, until_ms * 1000))
            return late(sim, err);
        sim->totals.steps++;
    }
    if (sim->broken.code)
        *err = sim->broken;
    return sim->broken.code;
}

uint64_t dtr_sim_now_ms(const struct dtr_sim *sim)
{
    return sim_now_ms(sim);
}

/* --- results -----------------------------------------------------------------------------------------------
 */

struct dtr_sim_pull dtr_sim_pull(const struct dtr_sim *sim, uint32_t daemon, uint32_t blob)
{
    const struct sim_copy *copy = &sim->daemons[daemon].copies[blob];
    return (struct dtr_sim_pull){.wanted = copy->wanted,
                                 .running = copy->running,
                                 .done = copy->done,
                                 .code = copy->code,
                                 .text = copy->text,
                                 .started_ms = copy->started_us / 1000,
                                 .ended_ms = copy->ended_us / 1000,
                                 .origin_pieces = copy->origin_pieces,
                                 .peer_pieces = copy->peer_pieces,
                                 .given = sim->daemons[daemon].given};
}

struct dtr_sim_totals dtr_sim_totals(const struct dtr_sim *sim)
{
    struct dtr_sim_totals totals = sim->totals;
    totals.first_ms = UINT64_MAX;
    for (uint32_t i = 0; i < sim->config.daemons * sim->config.blobs; i++) {
        struct dtr_sim_pull pull = dtr_sim_pull(sim, i / sim->config.blobs, i % sim->config.blobs);
        if (!pull.wanted)
            continue;
        totals.running += pull.running;
        totals.right += !pull.running && pull.done;
        totals.failed += !pull.running && !pull.done;
        if (!pull.running && pull.ended_ms > totals.last_ms)
            totals.last_ms = pull.ended_ms;
        if (pull.started_ms < totals.first_ms)
            totals.first_ms = pull.started_ms;
    }
    return totals;
}

const struct dtr_swarm *dtr_sim_swarm(const struct dtr_sim *sim)
{
    return sim->scheduler.swarm;
}

double dtr_sim_bound_ms(uint64_t size, double source, double up, double down, uint32_t daemons)
{
    double once = (double)size / source, own = (double)size / down;
    double all = (double)size * daemons / (source + up * daemons);
    return fmax(fmax(once, own), all) * 1000;
}
