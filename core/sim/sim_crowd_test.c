/* Flash crowds: everybody is right, one copy leaves the origin, and how far from the least possible time the
 * last one is. Then the same with crashes and a scheduler that restarts. */
#include "core/sim/sim_fixture.h"

#ifdef DTR_SANITIZED
#define CROWD 300
#else
#define CROWD 1000
#endif
#define ONCE 1.005 /* copies that may leave the origin while who fetches them lives */

static void the_origin_sends_one_copy_to_a_crowd(void **state)
{
    struct dtr_sim_config config = config_of(1, CROWD);
    struct dtr_sim *sim = sim_of(&config);
    (void)state;
    crowd_comes(sim, &config);
    struct dtr_sim_totals totals = run(sim, 120000);
    tell("a crowd and a seed", &config, &totals);
    assert_int_equal(totals.right, CROWD);
    assert_true(copies(&config, totals.origin_bytes) <= ONCE);
    assert_int_equal(totals.triggers, 1);
    assert_true(ratio(&config, &totals) < 2.2);
    dtr_sim_free(sim);
}

/* One daemon of twenty crashes on the way, and two of three of these come back. */
static void some_crash(struct dtr_sim *sim, const struct dtr_sim_config *config)
{
    for (uint32_t i = 0; i < CROWD / 20; i++) {
        uint32_t daemon = config->seeds + i * 20 + (uint32_t)pick(config->seed, i, 20);
        uint64_t at = START_MS + 500 + pick(config->seed, i + 1000, 20000);
        happens(sim, at, i % 2 ? DTR_SIM_CRASH : DTR_SIM_VANISH, daemon, 0);
        if (i % 3)
            happens(sim, at + 1000 + pick(config->seed, i + 2000, 5000), DTR_SIM_RESTART, daemon, i % 3 == 1);
    }
}

static void scheduler_restarts(struct dtr_sim *sim)
{
    happens(sim, START_MS + 8000, DTR_SIM_SCHEDULER_CRASH, 0, 0);
    happens(sim, START_MS + 11000, DTR_SIM_SCHEDULER_START, 0, 0);
}

/* Who has a client that still waits is right in the end, and nobody waits much longer than without faults. */
static void everybody_else_is_right(const char *what, bool crashes, bool restart, double most_copies)
{
    struct dtr_sim_config config = config_of(1, CROWD);
    struct dtr_sim *sim = sim_of(&config);
    uint32_t gone = 0;
    crowd_comes(sim, &config);
    if (crashes)
        some_crash(sim, &config);
    if (restart)
        scheduler_restarts(sim);
    struct dtr_sim_totals totals = run(sim, 300000);
    tell(what, &config, &totals);
    for (uint32_t i = config.seeds; i < config.daemons; i++)
        gone += dtr_sim_pull(sim, i, 0).running;
    all_right(sim, &config);
    assert_true(gone <= CROWD / 20); /* who ended before its crash is right too */
    assert_int_equal(totals.right + gone, CROWD);
    assert_true(copies(&config, totals.origin_bytes) <= most_copies);
    assert_true(ratio(&config, &totals) < 6);
    dtr_sim_free(sim);
}

static void crashes_cost_the_origin_nothing(void **state)
{
    (void)state;
    everybody_else_is_right("one of 20 crashes", true, false, ONCE);
}

static void a_restart_of_the_scheduler_costs_the_origin_nothing(void **state)
{
    (void)state;
    everybody_else_is_right("the scheduler restarts", false, true, ONCE);
}

/* Those who start while there is no scheduler wait for it, and those who had finished are known to it again.
 */
static void both_together_cost_the_origin_nothing(void **state)
{
    (void)state;
    everybody_else_is_right("both", true, true, ONCE);
}

static void figures(uint32_t seeds, uint32_t daemons, double *ret_ratio)
{
    struct dtr_sim_config config = config_of(seeds, daemons);
    char what[64];
    config.progress = 256 << 10;
    struct dtr_sim *sim = sim_of(&config);
    crowd_comes(sim, &config);
    struct dtr_sim_totals totals = run(sim, 200000);
    (void)snprintf(what, sizeof(what), "%u daemons, %s", daemons, seeds ? "a seed" : "no seed");
    tell(what, &config, &totals);
    assert_int_equal(totals.right, daemons);
    assert_true(copies(&config, totals.origin_bytes) <= ONCE);
    *ret_ratio = ratio(&config, &totals);
    dtr_sim_free(sim);
}

static void a_few_are_not_far_from_the_least_time(void **state)
{
    double seeded, alone;
    (void)state;
    figures(1, 8, &seeded);
    figures(0, 8, &alone);
    assert_true(seeded < 1.5 && alone < 1.6);
}

static void who_comes_late_gets_it_from_who_has_it(void **state)
{
    struct dtr_sim_config config = config_of(1, 20);
    struct dtr_sim *sim = sim_of(&config);
    (void)state;
    for (uint32_t i = 1; i < config.daemons; i++)
        happens(sim, START_MS + i * 2000, DTR_SIM_PULL, i, 0);
    struct dtr_sim_totals totals = run(sim, 120000);
    tell("20 daemons, one each 2 s", &config, &totals);
    assert_int_equal(totals.right, 20);
    assert_true(copies(&config, totals.origin_bytes) <= ONCE);
    dtr_sim_free(sim);
}

static void the_same_numbers_give_the_same_run(void **state)
{
    struct dtr_sim_totals totals[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct dtr_sim_config config = config_of(1, 40);
        struct dtr_sim *sim = sim_of(&config);
        crowd_comes(sim, &config);
        happens(sim, START_MS + 2000, DTR_SIM_CRASH, 7, 0);
        happens(sim, START_MS + 3000, DTR_SIM_RESTART, 7, 1);
        totals[i] = run(sim, 200000);
        dtr_sim_free(sim);
    }
    assert_memory_equal(&totals[0], &totals[1], sizeof(totals[0]));
    assert_true(totals[0].steps > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_few_are_not_far_from_the_least_time),
        cmocka_unit_test(who_comes_late_gets_it_from_who_has_it),
        cmocka_unit_test(the_same_numbers_give_the_same_run),
        cmocka_unit_test(the_origin_sends_one_copy_to_a_crowd),
        cmocka_unit_test(crashes_cost_the_origin_nothing),
        cmocka_unit_test(a_restart_of_the_scheduler_costs_the_origin_nothing),
        cmocka_unit_test(both_together_cost_the_origin_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
