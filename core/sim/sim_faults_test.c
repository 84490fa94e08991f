/* Single faults in a crowd: who can be right is right, nobody waits long, and the origin is asked for no more
 * than is needed. */
#include "core/sim/sim_fixture.h"

#define CROWD 100
#define ONCE  1.005

static const struct dtr_swarm_policy without_cycles = {.acyclic = true};

static struct dtr_sim_totals judge(const char *what, struct dtr_sim *sim, const struct dtr_sim_config *config,
                                   uint64_t limit_ms)
{
    struct dtr_sim_totals totals = run(sim, limit_ms);
    tell(what, config, &totals);
    all_right(sim, config);
    return totals;
}

/* What only the seed had comes from the origin once more, and the last one is done not much later than in a
 * calm crowd, which takes 1.8 times the bound. */
static void seed_dies(const char *what, const struct dtr_swarm_policy *policy, bool comes_back)
{
    struct dtr_sim_config config = config_of(1, CROWD);
    config.swarm.policy = *policy;
    struct dtr_sim *sim = sim_of(&config);
    crowd_comes(sim, &config);
    happens(sim, START_MS + 6000, DTR_SIM_CRASH, 0, 0);
    if (comes_back)
        happens(sim, START_MS + 8000, DTR_SIM_RESTART, 0, 0);
    struct dtr_sim_totals totals = judge(what, sim, &config, 240000);
    assert_int_equal(totals.right, CROWD);
    assert_true(copies(&config, totals.origin_bytes) <= 1.6);
    assert_true(ratio(&config, &totals) <= 2.6);
    dtr_sim_free(sim);
}

static void a_seed_that_dies_half_way_costs_little(void **state)
{
    (void)state;
    seed_dies("the seed dies at 6 s", &mesh, false);
    seed_dies("the same without cycles", &without_cycles, false);
}

static void a_seed_that_comes_back_is_used_again(void **state)
{
    (void)state;
    seed_dies("the seed restarts at 8 s", &mesh, true);
    seed_dies("the same without cycles", &without_cycles, true);
}

static void without_a_seed_one_peer_is_sent(void **state)
{
    struct dtr_sim_config config = config_of(0, CROWD);
    struct dtr_sim *sim = sim_of(&config);
    (void)state;
    crowd_comes(sim, &config);
    struct dtr_sim_totals totals = judge("no seed", sim, &config, 120000);
    assert_int_equal(totals.right, CROWD);
    assert_true(copies(&config, totals.origin_bytes) <= ONCE);
    dtr_sim_free(sim);
}

/* Who was sent to the origin is who took pieces from there. */
static uint32_t find_source(const struct dtr_sim_config *config)
{
    struct dtr_sim *sim = sim_of(config);
    uint32_t found = DTR_SIM_NOBODY;
    crowd_comes(sim, config);
    (void)run(sim, 120000);
    for (uint32_t i = 0; i < config->daemons; i++)
        if (dtr_sim_pull(sim, i, 0).origin_pieces)
            found = i;
    dtr_sim_free(sim);
    return found;
}

static void source_dies(const char *what, const struct dtr_swarm_policy *policy)
{
    struct dtr_sim_config config = config_of(0, CROWD);
    config.swarm.policy = *policy;
    uint32_t source = find_source(&config);
    struct dtr_sim *sim = sim_of(&config);
    assert_int_not_equal(source, DTR_SIM_NOBODY);
    crowd_comes(sim, &config);
    happens(sim, START_MS + 4000, DTR_SIM_CRASH, source, 0);
    struct dtr_sim_totals totals = judge(what, sim, &config, 120000);
    assert_int_equal(totals.right, CROWD - 1);
    assert_true(copies(&config, totals.origin_bytes) <= 1.6);
    assert_true(ratio(&config, &totals) <= 2.6);
    dtr_sim_free(sim);
}

static void another_takes_the_place_of_a_dead_source(void **state)
{
    (void)state;
    source_dies("no seed, the source dies at 4 s", &mesh);
    source_dies("the same without cycles", &without_cycles);
}

/* Forty of them lose everybody else for 10 s, and lose no more than that. */
static void a_partition_costs_its_own_time(void **state)
{
    struct dtr_sim_config config = config_of(1, CROWD);
    struct dtr_sim *sim = sim_of(&config), *calm = sim_of(&config);
    (void)state;
    crowd_comes(calm, &config);
    uint64_t best = run(calm, 120000).last_ms;
    dtr_sim_free(calm);
    crowd_comes(sim, &config);
    happens(sim, START_MS + 5000, DTR_SIM_PARTITION, 0, 40);
    happens(sim, START_MS + 15000, DTR_SIM_HEAL, 0, 0);
    struct dtr_sim_totals totals = judge("a partition from 5 s to 15 s", sim, &config, 180000);
    assert_int_equal(totals.right, CROWD);
    assert_true(copies(&config, totals.origin_bytes) <= ONCE);
    assert_true(totals.last_ms <= best + 10000 + 5000);
    dtr_sim_free(sim);
}

static void without_the_origin_a_peer_has_it(void **state)
{
    struct dtr_sim_config config = config_of(0, 30);
    struct dtr_sim *sim = sim_of(&config);
    (void)state;
    happens(sim, START_MS, DTR_SIM_PULL, 3, 0);
    happens(sim, START_MS + 20000, DTR_SIM_ORIGIN, 0, DTR_SIM_ORIGIN_GONE);
    for (uint32_t i = 0; i < config.daemons; i++)
        if (i != 3)
            happens(sim, START_MS + 21000 + i, DTR_SIM_PULL, i, 0);
    struct dtr_sim_totals totals = judge("the origin is gone, one has it", sim, &config, 60000);
    assert_int_equal(totals.right, 30);
    assert_true(copies(&config, totals.origin_bytes) <= ONCE);
    dtr_sim_free(sim);
}

/* Nobody has it, and the origin answers in its ways: all are told soon, with the reason. */
static void without_anybody_all_fail_soon(void **state)
{
    static const enum dtr_sim_origin moods[] = {DTR_SIM_ORIGIN_GONE, DTR_SIM_ORIGIN_FAILS,
                                                DTR_SIM_ORIGIN_HAS_NOT, DTR_SIM_ORIGIN_SILENT};
    (void)state;
    for (size_t i = 0; i < sizeof(moods) / sizeof(*moods); i++) {
        struct dtr_sim_config config = config_of(i % 2, 20);
        struct dtr_sim *sim = sim_of(&config);
        happens(sim, START_MS - 1, DTR_SIM_ORIGIN, 0, moods[i]);
        crowd_comes(sim, &config);
        struct dtr_sim_totals totals = run(sim, 120000);
        tell("the origin has nothing", &config, &totals);
        assert_int_equal(totals.failed, 20);
        assert_string_not_equal(dtr_sim_pull(sim, 5, 0).text, "");
        dtr_sim_free(sim);
    }
}

/* A piece takes the origin longer than the stall time: the others wait for who fetches it all the same. */
static void a_slow_origin_is_not_stormed(void **state)
{
    (void)state;
    for (uint32_t seeds = 0; seeds < 2; seeds++) {
        struct dtr_sim_config config = config_of(seeds, 40);
        config.size = 32 << 20;
        config.origin_up = 400000;
        struct dtr_sim *sim = sim_of(&config);
        crowd_comes(sim, &config);
        struct dtr_sim_totals totals =
            judge(seeds ? "a slow origin, a seed" : "a slow origin, no seed", sim, &config, 600000);
        assert_int_equal(totals.right, 40);
        assert_true(copies(&config, totals.origin_bytes) <= ONCE);
        assert_true(ratio(&config, &totals) < 1.2);
        dtr_sim_free(sim);
    }
}

static void liars_are_left(void **state)
{
    struct dtr_sim_config config = config_of(1, CROWD);
    struct dtr_sim *sim = sim_of(&config);
    (void)state;
    for (uint32_t i = 1; i < config.daemons; i += 10)
        happens(sim, 1, DTR_SIM_LIE, i, 1);
    crowd_comes(sim, &config);
    struct dtr_sim_totals totals = judge("one of ten lies", sim, &config, 180000);
    assert_int_equal(totals.right, CROWD);
    assert_true(copies(&config, totals.origin_bytes) <= ONCE);
    dtr_sim_free(sim);
}

static void the_frozen_and_the_slow_hold_up_only_themselves(void **state)
{
    struct dtr_sim_config config = config_of(1, CROWD);
    struct dtr_sim *sim = sim_of(&config);
    (void)state;
    crowd_comes(sim, &config);
    for (uint32_t i = 1; i < config.daemons; i += 10)
        happens(sim, START_MS + 3000 + i, DTR_SIM_FREEZE, i, 15000);
    for (uint32_t i = 2; i < config.daemons; i += 10)
        happens(sim, START_MS + 1000, DTR_SIM_SPEED, i, config.up / 4);
    struct dtr_sim_totals totals = judge("some freeze for 15 s, some are slow", sim, &config, 300000);
    assert_int_equal(totals.right, CROWD);
    assert_true(copies(&config, totals.origin_bytes) <= 1.5);
    dtr_sim_free(sim);
}

/* The scheduler never comes back: the origin gives to all. */
static void without_a_scheduler_the_origin_will_do(void **state)
{
    struct dtr_sim_config config = config_of(1, 10);
    struct dtr_sim *sim = sim_of(&config);
    (void)state;
    happens(sim, START_MS - 500, DTR_SIM_SCHEDULER_CRASH, 0, 0);
    crowd_comes(sim, &config);
    struct dtr_sim_totals totals = judge("no scheduler", sim, &config, 300000);
    assert_int_equal(totals.right, 10);
    assert_true(copies(&config, totals.origin_bytes) > 9.9);
    dtr_sim_free(sim);
}

static void a_config_that_makes_no_sense_is_refused(void **state)
{
    struct dtr_sim_config config = config_of(3, 0);
    struct dtr_sim *sim = NULL;
    struct dtr_error err;
    (void)state;
    config.seeds = 4;
    assert_int_equal(dtr_sim_new(&config, &sim, &err), DTR_EINVALID);
    assert_non_null(strstr(err.text, "seeds"));
    assert_null(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_config_that_makes_no_sense_is_refused),
        cmocka_unit_test(a_seed_that_dies_half_way_costs_little),
        cmocka_unit_test(a_seed_that_comes_back_is_used_again),
        cmocka_unit_test(without_a_seed_one_peer_is_sent),
        cmocka_unit_test(another_takes_the_place_of_a_dead_source),
        cmocka_unit_test(a_partition_costs_its_own_time),
        cmocka_unit_test(without_the_origin_a_peer_has_it),
        cmocka_unit_test(without_anybody_all_fail_soon),
        cmocka_unit_test(a_slow_origin_is_not_stormed),
        cmocka_unit_test(liars_are_left),
        cmocka_unit_test(the_frozen_and_the_slow_hold_up_only_themselves),
        cmocka_unit_test(without_a_scheduler_the_origin_will_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
