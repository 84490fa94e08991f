/* Small worlds with random faults: everybody ends, right or with a reason, and the rules of sim.h hold.
 *
 * Each world follows from a number. A failure prints it: DTR_SEED=<n> runs that world alone, DTR_TRACE=1
 * prints what happens in it, DTR_WORLDS=<n> sets how many there are. */
#include "core/sim/sim_fixture.h"

#ifdef DTR_SANITIZED
#define WORLDS 150
#else
#define WORLDS 400
#endif
#define FAULTS_MS 60000             /* in which everything goes wrong */
#define LIMIT_MS  (6 * 3600 * 1000) /* all have ended by then: a slow origin may have to serve all of them */

struct dice {
    uint64_t seed, count;
};

static uint64_t draw(struct dice *dice, uint64_t below)
{
    return pick(dice->seed, dice->count++, below);
}

static bool chance(struct dice *dice, uint64_t percent)
{
    return draw(dice, 100) < percent;
}

static struct dtr_sim_config make(struct dice *dice)
{
    struct dtr_sim_config config = config_of((uint32_t)draw(dice, 3), 20 + (uint32_t)draw(dice, 40));
    config.seed = dice->seed;
    config.blobs = 1 + (uint32_t)draw(dice, 2);
    config.size = (8 << 20) + draw(dice, 64 << 20);
    config.up = (1 + draw(dice, 100)) << 20;
    config.down = (1 + draw(dice, 100)) << 20;
    config.origin_up = (1 + draw(dice, 100)) << 20;
    config.announced_tx = chance(dice, 50) ? 0 : 10000000000;
    config.latency_us = 50 + (uint32_t)draw(dice, chance(dice, 80) ? 1000 : 40000);
    config.latency_spread_us = (uint32_t)draw(dice, 2 * config.latency_us);
    config.origin_think_ms = (uint32_t)draw(dice, 200);
    if (chance(dice, 40))
        config.swarm.policy = (struct dtr_swarm_policy){.acyclic = chance(dice, 70)};
    config.swarm.candidate_parent_limit = 1 + (uint32_t)draw(dice, 6);
    config.plan.concurrent_pieces = 1 + (uint32_t)draw(dice, 12);
    config.plan.disable_back_to_source = chance(dice, 10);
    return config;
}

static uint64_t some_time(struct dice *dice)
{
    return START_MS + draw(dice, chance(dice, 70) ? FAULTS_MS / 4 : FAULTS_MS);
}

static void a_crash(struct dtr_sim *sim, const struct dtr_sim_config *config, struct dice *dice)
{
    uint32_t daemon = (uint32_t)draw(dice, config->daemons);
    uint64_t at = some_time(dice);
    happens(sim, at, chance(dice, 50) ? DTR_SIM_CRASH : DTR_SIM_VANISH, daemon, 0);
    if (chance(dice, 60))
        happens(sim, at + 1 + draw(dice, 20000), DTR_SIM_RESTART, daemon, chance(dice, 50));
}

static void a_trouble_of_one(struct dtr_sim *sim, const struct dtr_sim_config *config, struct dice *dice)
{
    uint32_t daemon = (uint32_t)draw(dice, config->daemons);
    uint64_t at = some_time(dice);
    switch (draw(dice, 4)) {
    case 0:
        happens(sim, at, DTR_SIM_FREEZE, daemon, 1 + draw(dice, 20000));
        break;
    case 1:
        happens(sim, at, DTR_SIM_SPEED, daemon, (1 + draw(dice, 20)) << 18);
        break;
    case 2:
        happens(sim, at, DTR_SIM_LIE, daemon, 1);
        break;
    default:
        a_crash(sim, config, dice);
    }
}

static void a_trouble_of_all(struct dtr_sim *sim, const struct dtr_sim_config *config, struct dice *dice)
{
    uint64_t at = some_time(dice), end = at + 1 + draw(dice, 15000);
    if (chance(dice, 50)) {
        happens(sim, at, DTR_SIM_SCHEDULER_CRASH, 0, 0);
        if (chance(dice, 80))
            happens(sim, end, DTR_SIM_SCHEDULER_START, 0, 0);
    } else {
        happens(sim, at, DTR_SIM_PARTITION, 0, 1 + draw(dice, config->daemons - 1));
        happens(sim, end, DTR_SIM_HEAL, 0, 0);
    }
}

/* False: it is well all along. */
static bool the_origin(struct dtr_sim *sim, struct dice *dice)
{
    uint64_t at = some_time(dice) - draw(dice, START_MS);
    if (chance(dice, 60))
        return false;
    happens(sim, at, DTR_SIM_ORIGIN, 0, 1 + draw(dice, 5));
    if (chance(dice, 60))
        happens(sim, at + draw(dice, 20000), DTR_SIM_ORIGIN, 0, DTR_SIM_ORIGIN_FINE);
    return true;
}

static void everybody_comes(struct dtr_sim *sim, const struct dtr_sim_config *config, struct dice *dice)
{
    uint64_t spread = 1 + draw(dice, chance(dice, 50) ? 300 : 30000);
    for (uint32_t i = 0; i < config->daemons; i++)
        for (uint32_t b = 0; b < config->blobs; b++)
            if (i >= config->seeds || chance(dice, 20))
                dtr_sim_at(sim, &(struct dtr_sim_event){.at_ms = START_MS + draw(dice, spread),
                                                        .kind = DTR_SIM_PULL,
                                                        .daemon = i,
                                                        .blob = b});
}

static void judge(const struct dtr_sim *sim, const struct dtr_sim_config *config, bool origin_suffers)
{
    for (uint32_t i = 0; i < config->daemons * config->blobs; i++) {
        struct dtr_sim_pull pull = dtr_sim_pull(sim, i / config->blobs, i % config->blobs);
        if (!pull.wanted || pull.running || pull.done)
            continue;
        if (!pull.text[0] || !pull.code)
            fail_msg("DTR_SEED=%llu: h%u failed without a reason", (unsigned long long)config->seed,
                     i / config->blobs);
        if (!origin_suffers && !config->plan.disable_back_to_source)
            fail_msg("DTR_SEED=%llu: h%u failed although the origin is well: %s",
                     (unsigned long long)config->seed, i / config->blobs, pull.text);
    }
}

static void run_world(uint64_t seed, struct dtr_sim_totals *sum)
{
    struct dice dice = {.seed = seed};
    struct dtr_sim_config config = make(&dice);
    struct dtr_sim *sim = sim_of(&config);
    struct dtr_error err;
    everybody_comes(sim, &config, &dice);
    for (uint64_t i = draw(&dice, 12); i > 0; i--)
        a_trouble_of_one(sim, &config, &dice);
    for (uint64_t i = draw(&dice, 3); i > 0; i--)
        a_trouble_of_all(sim, &config, &dice);
    bool origin_suffers = the_origin(sim, &dice);
    if (dtr_sim_run(sim, LIMIT_MS, &err) != DTR_OK)
        fail_msg("DTR_SEED=%llu: %s", (unsigned long long)seed, err.text);
    judge(sim, &config, origin_suffers);
    struct dtr_sim_totals totals = dtr_sim_totals(sim);
    sum->right += totals.right;
    sum->failed += totals.failed;
    sum->running += totals.running;
    sum->hedges += totals.hedges;
    dtr_sim_free(sim);
}

static void every_world_ends_well_or_with_a_reason(void **state)
{
    struct dtr_sim_totals sum = {0};
    uint64_t worlds = number_from("DTR_WORLDS", WORLDS), first = number_from("DTR_FIRST", 1);
    (void)state;
    if (getenv("DTR_SEED")) {
        run_world(number_from("DTR_SEED", 1), &sum);
        return;
    }
    for (uint64_t seed = first; seed < first + worlds; seed++)
        run_world(seed, &sum);
    print_message("  %llu worlds: %u pulls right, %u failed, %u whose daemon stays down, %llu hedges\n",
                  (unsigned long long)worlds, sum.right, sum.failed, sum.running,
                  (unsigned long long)sum.hedges);
    assert_true(sum.right > sum.failed * 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_world_ends_well_or_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
