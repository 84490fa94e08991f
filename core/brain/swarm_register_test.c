/* What a register is answered: the tables of the features page 2.3 and the election of a source. */
#include "core/brain/swarm_fixture.h"

static void unknown_host_is_not_found(void **state)
{
    (void)state;
    struct world *w = open_world();
    say(w, "h1.a", DTR_SWARM_REGISTER);
    expect_reject(w, "h1.a", NOT_FOUND);
    assert_null(dtr_swarm_find_peer(w->swarm, "h1.a"));
    close_world(w);
}

static void unknown_host_goes_to_source_when_configured(void **state)
{
    (void)state;
    struct world *w = open_world();
    w->config.unknown_host_back_to_source = true;
    dtr_swarm_configure(w->swarm, &w->config);
    say(w, "h1.a", DTR_SWARM_REGISTER);
    expect_one(w, "h1.a", ANSWER_SOURCE);
    assert_false(dtr_swarm_find_host(w->swarm, "h1")->announced);
    say(w, "h1.a", DTR_SWARM_SOURCE_STARTED);
    expect_nothing(w);
    /* Nobody knows its address, so it is no parent until it announces itself. */
    add_host(w, "h2");
    say(w, "h2.a", DTR_SWARM_REGISTER);
    expect_one(w, "h2.a", ANSWER_SOURCE);
    add_host(w, "h1");
    add_host(w, "h3");
    say(w, "h3.a", DTR_SWARM_REGISTER);
    expect_parents(w, "h3.a", 1);
    assert_true(was_given(find_said(w, "h3.a"), "h1.a"));
    close_world(w);
}

static void metadata_only_is_a_parent_at_once(void **state)
{
    (void)state;
    struct world *w = open_world();
    add_host(w, "h1");
    w->registered.metadata_only = true;
    say(w, "h1.a", DTR_SWARM_REGISTER);
    expect_one(w, "h1.a", ANSWER_METADATA_ONLY);
    assert_int_equal(state_of(w, "h1.a"), DTR_PEER_SUCCEEDED);
    assert_int_equal(dtr_swarm_find_peer(w->swarm, "h1.a")->pieces_had, 10);
    say(w, "h1.a", DTR_SWARM_STARTED);
    expect_nothing(w);
    say(w, "h1.a", DTR_SWARM_FINISHED);
    expect_one(w, "h1.a", CLOSE);
    w->registered.metadata_only = false;
    add_host(w, "h2");
    say(w, "h2.a", DTR_SWARM_REGISTER);
    expect_parents(w, "h2.a", 1);
    close_world(w);
}

static void empty_object_has_no_pieces(void **state)
{
    (void)state;
    struct world *w = open_world();
    add_host(w, "h1");
    w->registered.content_length = 0;
    w->registered.piece_count = 0;
    say(w, "h1.a", DTR_SWARM_REGISTER);
    expect_one(w, "h1.a", ANSWER_EMPTY);
    assert_int_equal(state_of(w, "h1.a"), DTR_PEER_RECEIVED_EMPTY);
    say(w, "h1.a", DTR_SWARM_STARTED);
    say(w, "h1.a", DTR_SWARM_FINISHED);
    expect_one(w, "h1.a", CLOSE);
    close_world(w);
}

static void who_asks_for_the_source_gets_it(void **state)
{
    (void)state;
    struct world *w = open_world();
    add_host(w, "h1");
    add_host(w, "h2");
    add_holder(w, "h2.a");
    w->registered.need_back_to_source = true;
    say(w, "h1.a", DTR_SWARM_REGISTER);
    expect_one(w, "h1.a", ANSWER_SOURCE);
    close_world(w);
}

static void past_the_limit_it_gets_parents_instead(void **state)
{
    (void)state;
    struct world *w = open_world();
    w->config.back_to_source_count = 1;
    dtr_swarm_configure(w->swarm, &w->config);
    w->registered.need_back_to_source = true;
    add_host(w, "h1");
    add_host(w, "h2");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    expect_one(w, "h1.a", ANSWER_SOURCE);
    assert_int_equal(dtr_swarm_find_task(w->swarm, TASK_1)->source_count, 1);
    say(w, "h2.a", DTR_SWARM_REGISTER);
    expect_nothing(w);
    say(w, "h1.a", DTR_SWARM_SOURCE_STARTED);
    expect_parents(w, "h2.a", 1);
    close_world(w);
}

static void one_source_is_elected_and_the_others_wait_for_it(void **state)
{
    (void)state;
    struct world *w = open_world();
    add_host(w, "h1");
    add_host(w, "h2");
    add_host(w, "h3");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    expect_one(w, "h1.a", ANSWER_SOURCE);
    say(w, "h2.a", DTR_SWARM_REGISTER);
    expect_nothing(w);
    say(w, "h3.a", DTR_SWARM_REGISTER);
    expect_nothing(w);
    say(w, "h1.a", DTR_SWARM_SOURCE_STARTED);
    assert_int_equal(w->count, 2);
    assert_true(was_given(find_said(w, "h2.a"), "h1.a"));
    assert_true(was_given(find_said(w, "h3.a"), "h1.a"));
    assert_int_equal(dtr_swarm_count(w->swarm).waiting, 0);
    close_world(w);
}

/* Answered in one burst, they would all hang on the source if only started peers were offered. */
static void peers_of_one_burst_find_each_other(void **state)
{
    (void)state;
    struct world *w = open_world();
    const char *const peers[] = {"h2.a", "h3.a", "h4.a"};
    add_host(w, "h1");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    for (size_t i = 0; i < 3; i++) {
        char host[64];
        (void)snprintf(host, sizeof(host), "%.2s", peers[i]);
        add_host(w, host);
        say(w, peers[i], DTR_SWARM_REGISTER);
    }
    say(w, "h1.a", DTR_SWARM_SOURCE_STARTED);
    expect_parents(w, "h2.a", 1);
    expect_parents(w, "h3.a", 2);
    expect_parents(w, "h4.a", 3);
    close_world(w);
}

static void late_offers_wait_for_the_start(void **state)
{
    (void)state;
    struct world *w = open_world();
    w->config.policy.late_offers = true;
    dtr_swarm_configure(w->swarm, &w->config);
    add_host(w, "h1");
    add_host(w, "h2");
    add_host(w, "h3");
    add_holder(w, "h1.a");
    say(w, "h2.a", DTR_SWARM_REGISTER);
    say(w, "h3.a", DTR_SWARM_REGISTER);
    expect_parents(w, "h3.a", 1);
    say(w, "h2.a", DTR_SWARM_STARTED);
    hang_up(w, "h3.a");
    say(w, "h3.a", DTR_SWARM_REGISTER);
    expect_parents(w, "h3.a", 2);
    close_world(w);
}

static void when_the_source_fails_the_next_is_elected(void **state)
{
    (void)state;
    struct world *w = open_world();
    const char *const hosts[] = {"h1", "h2", "h3", "h4"};
    for (size_t i = 0; i < 4; i++)
        add_host(w, hosts[i]);
    say(w, "h1.a", DTR_SWARM_REGISTER);
    say(w, "h2.a", DTR_SWARM_REGISTER);
    say(w, "h3.a", DTR_SWARM_REGISTER);
    say(w, "h4.a", DTR_SWARM_REGISTER);
    say(w, "h1.a", DTR_SWARM_SOURCE_FAILED);
    expect(w, "h1.a", CLOSE);
    expect(w, "h2.a", ANSWER_SOURCE);
    assert_int_equal(w->count, 2);
    hang_up(w, "h2.a");
    expect_one(w, "h3.a", ANSWER_SOURCE);
    (void)dtr_swarm_host_deleted(w->swarm, w->now_ms, "h3", NULL);
    drain(w);
    expect_reject(w, "h3.a", NOT_FOUND);
    expect(w, "h4.a", ANSWER_SOURCE);
    close_world(w);
}

static void a_silent_source_is_waited_for_within_the_limit(void **state)
{
    (void)state;
    struct world *w = open_world();
    add_host(w, "h1");
    add_host(w, "h2");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    say(w, "h2.a", DTR_SWARM_REGISTER);
    assert_int_equal(dtr_swarm_wake_ms(w->swarm), w->now_ms + 2000);
    pass_ms(w, 1999);
    expect_nothing(w);
    pass_ms(w, 1);
    expect_one(w, "h2.a", ANSWER_SOURCE);
    close_world(w);
}

static void no_wait_is_longer_than_nine_seconds(void **state)
{
    (void)state;
    struct world *w = open_world();
    w->config.retry_interval_ms = 60000;
    dtr_swarm_configure(w->swarm, &w->config);
    add_host(w, "h1");
    add_host(w, "h2");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    say(w, "h2.a", DTR_SWARM_REGISTER);
    pass_ms(w, DTR_SWARM_ANSWER_MS);
    expect_one(w, "h2.a", ANSWER_SOURCE);
    close_world(w);
}

static void without_the_origin_the_wait_ends_in_an_error(void **state)
{
    (void)state;
    struct world *w = open_world();
    w->registered.disable_back_to_source = true;
    add_host(w, "h1");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    expect_nothing(w);
    pass_ms(w, 2000);
    expect_nothing(w);
    assert_int_equal(dtr_swarm_wake_ms(w->swarm), w->now_ms + 500);
    pass_ms(w, 500);
    expect_reject(w, "h1.a", FAILED_PRECONDITION);
    assert_null(dtr_swarm_find_peer(w->swarm, "h1.a"));
    close_world(w);
}

static void a_seed_is_triggered_and_waited_for(void **state)
{
    (void)state;
    struct world *w = open_world();
    add_seed(w, "s1");
    add_host(w, "h1");
    add_host(w, "h2");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    expect_one(w, "s1", TRIGGER_SEED);
    say(w, "h2.a", DTR_SWARM_REGISTER);
    expect_nothing(w);
    w->registered.need_back_to_source = true;
    say(w, "s1.a", DTR_SWARM_REGISTER);
    expect_one(w, "s1.a", ANSWER_SOURCE);
    say(w, "s1.a", DTR_SWARM_SOURCE_STARTED);
    assert_int_equal(w->count, 2);
    assert_true(was_given(find_said(w, "h1.a"), "s1.a"));
    assert_true(was_given(find_said(w, "h2.a"), "s1.a"));
    close_world(w);
}

static void a_failed_seed_is_left_alone_for_half_an_hour(void **state)
{
    (void)state;
    struct world *w = open_world();
    w->config.task_gc_interval_ms = 24 * 3600 * 1000;
    dtr_swarm_configure(w->swarm, &w->config);
    add_seed(w, "s1");
    add_host(w, "h1");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    expect_one(w, "s1", TRIGGER_SEED);
    dtr_swarm_seed_done(w->swarm, w->now_ms, TASK_1, false);
    drain(w);
    expect_one(w, "h1.a", ANSWER_SOURCE);
    say(w, "h1.a", DTR_SWARM_SOURCE_FAILED);
    say(w, "h1.b", DTR_SWARM_REGISTER);
    expect_one(w, "h1.b", ANSWER_SOURCE);
    hang_up(w, "h1.b");
    w->now_ms += DTR_SWARM_SEED_RETRY_MS;
    say(w, "h1.c", DTR_SWARM_REGISTER);
    expect_one(w, "s1", TRIGGER_SEED);
    close_world(w);
}

static void a_seed_that_fails_at_the_origin_counts_as_failed(void **state)
{
    (void)state;
    struct world *w = open_world();
    add_seed(w, "s1");
    add_host(w, "h1");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    say(w, "s1.a", DTR_SWARM_REGISTER);
    say(w, "s1.a", DTR_SWARM_SOURCE_FAILED);
    dtr_swarm_seed_done(w->swarm, w->now_ms, TASK_1, true);
    drain(w);
    expect_one(w, "h1.a", ANSWER_SOURCE);
    close_world(w);
}

static void a_silent_seed_costs_no_more_than_the_limit(void **state)
{
    (void)state;
    struct world *w = open_world();
    add_seed(w, "s1");
    add_host(w, "h1");
    add_host(w, "h2");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    pass_ms(w, 2000);
    expect_one(w, "h1.a", ANSWER_SOURCE);
    say(w, "h2.a", DTR_SWARM_REGISTER);
    expect_nothing(w);
    say(w, "h1.a", DTR_SWARM_SOURCE_STARTED);
    expect_parents(w, "h2.a", 1);
    close_world(w);
}

static void a_task_that_nobody_holds_any_more_triggers_again(void **state)
{
    (void)state;
    struct world *w = open_world();
    add_seed(w, "s1");
    add_host(w, "h1");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    hang_up(w, "h1.a");
    say(w, "s1.a", DTR_SWARM_REGISTER);
    expect_one(w, "s1.a", ANSWER_SOURCE);
    say(w, "s1.a", DTR_SWARM_SOURCE_STARTED);
    say(w, "s1.a", DTR_SWARM_SOURCE_FINISHED);
    dtr_swarm_seed_done(w->swarm, w->now_ms, TASK_1, true);
    assert_int_equal(dtr_swarm_find_task(w->swarm, TASK_1)->state, DTR_TASK_SUCCEEDED);
    assert_int_equal(dtr_swarm_delete_task(w->swarm, w->now_ms, "s1", TASK_1, NULL), DTR_OK);
    drain(w);
    say(w, "h1.b", DTR_SWARM_REGISTER);
    expect_one(w, "s1", TRIGGER_SEED);
    assert_int_equal(dtr_swarm_find_task(w->swarm, TASK_1)->state, DTR_TASK_RUNNING);
    close_world(w);
}

static void priorities_of_a_first_download(void **state)
{
    (void)state;
    struct world *w = open_world();
    add_seed(w, "s1");
    add_host(w, "h1");
    w->registered.priority = 1;
    say(w, "h1.1", DTR_SWARM_REGISTER);
    expect_reject(w, "h1.1", FAILED_PRECONDITION);
    w->registered.priority = 2;
    say(w, "h1.2", DTR_SWARM_REGISTER);
    expect_reject(w, "h1.2", NOT_FOUND);
    w->registered.priority = 3;
    say(w, "h1.3", DTR_SWARM_REGISTER);
    expect_one(w, "h1.3", ANSWER_SOURCE);
    hang_up(w, "h1.3");
    for (uint32_t priority = 4; priority <= 6; priority++) {
        w->registered.priority = priority;
        say(w, "h1.4", DTR_SWARM_REGISTER);
        expect_one(w, "s1", TRIGGER_SEED);
        hang_up(w, "h1.4");
        dtr_swarm_seed_done(w->swarm, w->now_ms, TASK_1, true);
    }
    close_world(w);
}

static void every_priority_gets_parents_when_there_are_some(void **state)
{
    (void)state;
    struct world *w = open_world();
    add_host(w, "h1");
    add_host(w, "h2");
    add_holder(w, "h1.a");
    for (uint32_t priority = 0; priority <= 6; priority++) {
        w->registered.priority = priority;
        say(w, "h2.a", DTR_SWARM_REGISTER);
        expect_parents(w, "h2.a", 1);
        hang_up(w, "h2.a");
    }
    close_world(w);
}

static void a_seed_of_its_own_accord_goes_to_the_source(void **state)
{
    (void)state;
    struct world *w = open_world();
    add_seed(w, "s1");
    add_seed(w, "s2");
    say(w, "s1.a", DTR_SWARM_REGISTER);
    expect_one(w, "s1.a", ANSWER_SOURCE);
    close_world(w);
}

static void a_leech_at_the_source_helps_nobody(void **state)
{
    (void)state;
    struct world *w = open_world();
    struct dtr_swarm_announce leech = facts_of("h1", 0);
    leech.disable_shared = true;
    announce(w, &leech);
    add_host(w, "h2");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    expect_one(w, "h1.a", ANSWER_SOURCE);
    say(w, "h2.a", DTR_SWARM_REGISTER);
    expect_one(w, "h2.a", ANSWER_SOURCE);
    close_world(w);
}

static void a_source_for_a_range_does_not_hold_up_the_whole(void **state)
{
    (void)state;
    struct world *w = open_world();
    add_host(w, "h1");
    add_host(w, "h2");
    add_host(w, "h3");
    w->registered.has_range = true;
    w->registered.range_start = 8 * MIB;
    w->registered.range_length = 8 * MIB;
    say(w, "h1.a", DTR_SWARM_REGISTER);
    expect_one(w, "h1.a", ANSWER_SOURCE);
    w->registered.range_start = 12 * MIB;
    w->registered.range_length = 4 * MIB;
    say(w, "h2.a", DTR_SWARM_REGISTER);
    expect_nothing(w); /* h1 will have this */
    w->registered.has_range = false;
    say(w, "h3.a", DTR_SWARM_REGISTER);
    expect_one(w, "h3.a", ANSWER_SOURCE);
    close_world(w);
}

/* As after a restart: who had a pull under way asks before the seeds have announced themselves. */
static struct world *open_young_world(void)
{
    struct dtr_swarm_config config = dtr_swarm_defaults();
    struct world *w = malloc(sizeof(*w));
    assert_non_null(w);
    config.settle_ms = DTR_SWARM_SETTLE_MS;
    open_with(w, &config);
    return w;
}

static void a_young_swarm_waits_for_its_first_seed(void **state)
{
    (void)state;
    struct world *w = open_young_world();
    add_host(w, "h1");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    expect_nothing(w);
    add_seed(w, "s1");
    expect_one(w, "s1", TRIGGER_SEED);
    add_host(w, "h2");
    say(w, "h2.a", DTR_SWARM_REGISTER);
    expect_nothing(w); /* for the seed, as usual */
    close_world(w);
}

static void a_young_swarm_without_a_seed_soon_sends_one_to_the_source(void **state)
{
    (void)state;
    struct world *w = open_young_world();
    add_host(w, "h1");
    add_host(w, "h2");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    say(w, "h2.a", DTR_SWARM_REGISTER);
    expect_nothing(w);
    assert_true(dtr_swarm_wake_ms(w->swarm) <= w->now_ms + DTR_SWARM_SETTLE_MS);
    pass_ms(w, DTR_SWARM_SETTLE_MS);
    expect_one(w, "h1.a", ANSWER_SOURCE);
    close_world(w);
}

static void a_young_swarm_lets_pass_who_needs_no_seed(void **state)
{
    (void)state;
    struct world *w = open_young_world();
    add_host(w, "h1");
    add_host(w, "h2");
    w->registered.metadata_only = true;
    say(w, "h1.a", DTR_SWARM_REGISTER);
    expect_one(w, "h1.a", ANSWER_METADATA_ONLY);
    say(w, "h1.a", DTR_SWARM_STARTED);
    say(w, "h1.a", DTR_SWARM_FINISHED);
    expect_one(w, "h1.a", CLOSE);
    w->registered.metadata_only = false;
    say(w, "h2.a", DTR_SWARM_REGISTER);
    expect_parents(w, "h2.a", 1);
    close_world(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_host_is_not_found),
        cmocka_unit_test(unknown_host_goes_to_source_when_configured),
        cmocka_unit_test(metadata_only_is_a_parent_at_once),
        cmocka_unit_test(empty_object_has_no_pieces),
        cmocka_unit_test(who_asks_for_the_source_gets_it),
        cmocka_unit_test(past_the_limit_it_gets_parents_instead),
        cmocka_unit_test(one_source_is_elected_and_the_others_wait_for_it),
        cmocka_unit_test(peers_of_one_burst_find_each_other),
        cmocka_unit_test(late_offers_wait_for_the_start),
        cmocka_unit_test(when_the_source_fails_the_next_is_elected),
        cmocka_unit_test(a_silent_source_is_waited_for_within_the_limit),
        cmocka_unit_test(no_wait_is_longer_than_nine_seconds),
        cmocka_unit_test(without_the_origin_the_wait_ends_in_an_error),
        cmocka_unit_test(a_seed_is_triggered_and_waited_for),
        cmocka_unit_test(a_failed_seed_is_left_alone_for_half_an_hour),
        cmocka_unit_test(a_seed_that_fails_at_the_origin_counts_as_failed),
        cmocka_unit_test(a_silent_seed_costs_no_more_than_the_limit),
        cmocka_unit_test(a_task_that_nobody_holds_any_more_triggers_again),
        cmocka_unit_test(priorities_of_a_first_download),
        cmocka_unit_test(every_priority_gets_parents_when_there_are_some),
        cmocka_unit_test(a_seed_of_its_own_accord_goes_to_the_source),
        cmocka_unit_test(a_leech_at_the_source_helps_nobody),
        cmocka_unit_test(a_source_for_a_range_does_not_hold_up_the_whole),
        cmocka_unit_test(a_young_swarm_waits_for_its_first_seed),
        cmocka_unit_test(a_young_swarm_without_a_seed_soon_sends_one_to_the_source),
        cmocka_unit_test(a_young_swarm_lets_pass_who_needs_no_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
