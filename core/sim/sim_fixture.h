/* For the tests of the simulation: a cluster, a flash crowd in it, and what is said about how it went.
 *
 * DTR_SEED=<n> runs everything from that number instead of 1, DTR_TRACE=1 prints what happens. */
#ifndef DTR_SIM_FIXTURE_H
#define DTR_SIM_FIXTURE_H

#include "core/base/draw.h"
#include "core/sim/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define START_MS 3000 /* by then all have announced themselves and seeds are probed */
#define MIB      (1024.0 * 1024)

static inline uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static inline void print_line(void *context, uint64_t now_us, const char *text)
{
    (void)context;
    print_message("%10.3f  %s\n", (double)now_us / 1e6, text);
}

/* The formula of scripts/scheduling/mesh.lua, the usual policy. */
static inline int rank_mesh(void *context, const struct dtr_rank_input *in, double *ret_scores,
                            struct dtr_error *err)
{
    (void)context;
    (void)err;
    for (uint32_t i = 0; i < in->count; i++) {
        double total = in->pieces_total[i], had = in->pieces_had[i];
        double part = total <= 0 ? 0.5 : had >= total ? 1 : had / total;
        ret_scores[i] = 0.25 * in->idc_match[i] + 0.15 * in->location_match[i] + 0.2 * part +
                        0.4 / (1 + in->uploads[i] + in->failures[i]);
    }
    return DTR_OK;
}

static const struct dtr_swarm_policy mesh = {.rank = rank_mesh, .sample = 40, .keep = 8, .newcomers = 4};

static inline struct dtr_sim_config config_of(uint32_t seeds, uint32_t daemons)
{
    struct dtr_sim_config config;
    dtr_sim_config_default(&config);
    config.seed = number_from("DTR_SEED", 1);
    config.seeds = seeds;
    config.daemons = seeds + daemons;
    config.progress = 1 << 20;
    config.swarm.policy = mesh;
    if (getenv("DTR_TRACE"))
        config.trace = print_line;
    return config;
}

static inline struct dtr_sim *sim_of(const struct dtr_sim_config *config)
{
    struct dtr_sim *sim = NULL;
    struct dtr_error err;
    if (dtr_sim_new(config, &sim, &err) != DTR_OK)
        fail_msg("%s", err.text);
    return sim;
}

static inline void happens(struct dtr_sim *sim, uint64_t at_ms, enum dtr_sim_kind kind, uint32_t daemon,
                           uint64_t value)
{
    dtr_sim_at(sim, &(struct dtr_sim_event){.at_ms = at_ms, .kind = kind, .daemon = daemon, .value = value});
}

/* All but the seeds want the first blob within 200 ms. */
static inline void crowd_comes(struct dtr_sim *sim, const struct dtr_sim_config *config)
{
    for (uint32_t i = config->seeds; i < config->daemons; i++)
        happens(sim, START_MS + (i - config->seeds) * 200 / config->daemons, DTR_SIM_PULL, i, 0);
}

/* Runs it to its end, within `limit_ms` from the start of the crowd. */
static inline struct dtr_sim_totals run(struct dtr_sim *sim, uint64_t limit_ms)
{
    struct dtr_error err;
    if (dtr_sim_run(sim, START_MS + limit_ms, &err) != DTR_OK)
        fail_msg("%s", err.text);
    return dtr_sim_totals(sim);
}

/* Times the size of a blob. */
static inline double copies(const struct dtr_sim_config *config, uint64_t bytes)
{
    return (double)bytes / (double)config->size;
}

/* How long the last one took, in times of the least that is possible. */
static inline double ratio(const struct dtr_sim_config *config, const struct dtr_sim_totals *totals)
{
    uint64_t source = config->seeds && config->up < config->origin_up ? config->up : config->origin_up;
    double bound = dtr_sim_bound_ms(config->size, (double)source, (double)config->up, (double)config->down,
                                    config->daemons - config->seeds);
    return (double)(totals->last_ms - totals->first_ms) / bound;
}

static inline void tell(const char *what, const struct dtr_sim_config *config,
                        const struct dtr_sim_totals *totals)
{
    print_message("  %-34s %5u right %4u failed, last %6.1f s = %5.2f x the least, origin %.4f copies, "
                  "%llu hedges\n",
                  what, totals->right, totals->failed, (double)(totals->last_ms - totals->first_ms) / 1000,
                  ratio(config, totals), copies(config, totals->origin_bytes),
                  (unsigned long long)totals->hedges);
}

/* All who still have a client that waits are right. */
static inline void all_right(const struct dtr_sim *sim, const struct dtr_sim_config *config)
{
    for (uint32_t i = 0; i < config->daemons; i++) {
        struct dtr_sim_pull pull = dtr_sim_pull(sim, i, 0);
        if (pull.wanted && !pull.running && !pull.done)
            fail_msg("seed %llu: h%u failed: %s", (unsigned long long)config->seed, i, pull.text);
    }
}

/* A number from 0 to below - 1, from the seed number and `n`. */
static inline uint64_t pick(uint64_t seed, uint64_t n, uint64_t below)
{
    return dtr_mix(seed * 0x9e3779b97f4a7c15u + n * 0xd1342543de82ef95u) % below;
}

#endif
