/* Who may be a parent, who is taken: the rules of the features page 2.4, one test for each. */
#include "core/brain/swarm_fixture.h"
#include "core/brain/swarm_state.h"
#include <math.h>

/* "h1.a" ... "hN.a" hold the task. */
static struct world *open_holders(uint32_t count)
{
    struct world *w = open_world();
    for (uint32_t i = 1; i <= count; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "h%u", i);
        add_host(w, name);
        (void)snprintf(name, sizeof(name), "h%u.a", i);
        add_holder(w, name);
    }
    add_host(w, "child");
    return w;
}

static void three_are_kept_of_many(void **state)
{
    (void)state;
    struct world *w = open_holders(10);
    say(w, "child.a", DTR_SWARM_REGISTER);
    expect_parents(w, "child.a", 3);
    assert_int_equal(dtr_swarm_count(w->swarm).edges, 3);
    close_world(w);
}

static void a_policy_may_keep_more(void **state)
{
    (void)state;
    struct world *w = open_holders(10);
    w->config.policy.keep = 5;
    dtr_swarm_configure(w->swarm, &w->config);
    say(w, "child.a", DTR_SWARM_REGISTER);
    expect_parents(w, "child.a", 5);
    close_world(w);
}

static void rule_1_blocked_parents(void **state)
{
    (void)state;
    struct world *w = open_holders(2);
    say(w, "child.a", DTR_SWARM_REGISTER);
    const char *const given[] = {"h1.a"};
    reschedule(w, "child.a", given, 1);
    expect_parents(w, "child.a", 1);
    assert_true(was_given(find_said(w, "child.a"), "h2.a"));
    close_world(w);
}

static void rule_2_hosts_that_do_not_share(void **state)
{
    (void)state;
    struct world *w = open_holders(2);
    struct dtr_swarm_announce leech = facts_of("h1", 0);
    leech.disable_shared = true;
    announce(w, &leech);
    say(w, "child.a", DTR_SWARM_REGISTER);
    expect_parents(w, "child.a", 1);
    assert_false(was_given(find_said(w, "child.a"), "h1.a"));
    close_world(w);
}

static void rule_3_the_same_host(void **state)
{
    (void)state;
    struct world *w = open_holders(1);
    say(w, "h1.b", DTR_SWARM_REGISTER);
    expect_one(w, "h1.b", ANSWER_SOURCE);
    close_world(w);
}

static void rule_5_a_running_peer_needs_a_parent_of_its_own(void **state)
{
    (void)state;
    struct world *w = open_holders(2);
    const struct dtr_swarm_task *task = dtr_swarm_find_task(w->swarm, TASK_1);
    say(w, "child.a", DTR_SWARM_REGISTER);
    say(w, "child.a", DTR_SWARM_STARTED);
    assert_int_equal(task->offer_count, 3);
    (void)dtr_swarm_delete_task(w->swarm, w->now_ms, "h1", TASK_1, NULL);
    (void)dtr_swarm_delete_task(w->swarm, w->now_ms, "h2", TASK_1, NULL);
    drain(w);
    assert_int_equal(task->offer_count, 0);
    close_world(w);
}

static void rule_5_does_not_hold_for_seeds(void **state)
{
    (void)state;
    struct world *w = open_holders(1);
    add_seed(w, "s1");
    say(w, "s1.a", DTR_SWARM_REGISTER);
    expect_parents(w, "s1.a", 1);
    say(w, "s1.a", DTR_SWARM_STARTED);
    (void)dtr_swarm_delete_task(w->swarm, w->now_ms, "h1", TASK_1, NULL);
    drain(w);
    say(w, "child.a", DTR_SWARM_REGISTER);
    expect_parents(w, "child.a", 1);
    close_world(w);
}

static void rule_6_failed_peers(void **state)
{
    (void)state;
    struct world *w = open_holders(1);
    say(w, "h1.b", DTR_SWARM_REGISTER);
    say(w, "h1.b", DTR_SWARM_FAILED);
    assert_int_equal(dtr_swarm_find_task(w->swarm, TASK_1)->offer_count, 1);
    close_world(w);
}

static void rule_6_slow_peers_are_waited_for(void **state)
{
    (void)state;
    struct world *w = open_holders(0);
    add_host(w, "h1");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    say(w, "h1.a", DTR_SWARM_SOURCE_STARTED);
    piece(w, "h1.a", 0, NULL, 10);
    piece(w, "h1.a", 1, NULL, 201);
    say(w, "child.a", DTR_SWARM_REGISTER);
    expect_nothing(w);
    piece(w, "h1.a", 2, NULL, 10); /* recovered */
    expect_parents(w, "child.a", 1);
    piece(w, "h1.a", 3, NULL, 5000);
    say(w, "child.b", DTR_SWARM_REGISTER);
    expect_nothing(w);
    pass_ms(w, 2000);
    expect_one(w, "child.b", ANSWER_SOURCE);
    close_world(w);
}

/* The last piece took long, and there will be none after it. */
static void rule_6_does_not_hold_for_who_has_it_all(void **state)
{
    (void)state;
    struct world *w = open_holders(0);
    add_host(w, "h1");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    say(w, "h1.a", DTR_SWARM_SOURCE_STARTED);
    for (uint32_t i = 0; i < 9; i++)
        piece(w, "h1.a", i, NULL, 10);
    piece(w, "h1.a", 9, NULL, 500);
    say(w, "child.a", DTR_SWARM_REGISTER);
    expect_nothing(w);
    say(w, "h1.a", DTR_SWARM_SOURCE_FINISHED); /* who waits for it hears of it at once */
    expect_parents(w, "child.a", 1);
    say(w, "child.b", DTR_SWARM_REGISTER);
    expect_parents(w, "child.b", 1);
    piece(w, "h1.a", 9, NULL, 50000); /* a report that comes after the end */
    say(w, "child.c", DTR_SWARM_REGISTER);
    expect_parents(w, "child.c", 1);
    close_world(w);
}

/* h1.a (source) <- h2.a <- h3.a; then h2.a looks for others. */
static struct world *open_chain(bool acyclic)
{
    struct world *w = open_world();
    w->config.policy.acyclic = acyclic;
    dtr_swarm_configure(w->swarm, &w->config);
    const char *const hosts[] = {"h1", "h2", "h3"};
    for (size_t i = 0; i < 3; i++)
        add_host(w, hosts[i]);
    say(w, "h1.a", DTR_SWARM_REGISTER);
    say(w, "h1.a", DTR_SWARM_SOURCE_STARTED);
    say(w, "h2.a", DTR_SWARM_REGISTER);
    say(w, "h2.a", DTR_SWARM_STARTED);
    say(w, "h3.a", DTR_SWARM_REGISTER);
    say(w, "h3.a", DTR_SWARM_STARTED);
    assert_int_equal(dtr_swarm_find_peer(w->swarm, "h3.a")->parent_count, 2);
    assert_int_equal(dtr_swarm_find_peer(w->swarm, "h3.a")->depth, 1);
    return w;
}

static void rule_7_no_descendant(void **state)
{
    (void)state;
    struct world *w = open_chain(true);
    const char *const given[] = {"h1.a"};
    reschedule(w, "h2.a", given, 1);
    expect_one(w, "h2.a", ANSWER_SOURCE); /* h3.a has a parent, but that is h2.a too */
    close_world(w);
}

static void cycles_need_another_way_to_the_source(void **state)
{
    (void)state;
    struct world *w = open_chain(false);
    reschedule(w, "h2.a", NULL, 0);
    expect_parents(w, "h2.a", 2); /* the source, and its own child */
    const char *const given[] = {"h1.a"};
    reschedule(w, "h2.a", given, 1);
    expect_one(w, "h2.a", ANSWER_SOURCE); /* only descendants are left */
    close_world(w);
}

static int by_name(void *context, const struct dtr_rank_input *in, double *ret_scores, struct dtr_error *err)
{
    (void)err;
    uint32_t *seen = context;
    *seen = in->count;
    for (uint32_t i = 0; i < in->count; i++)
        ret_scores[i] = in->uploads[i];
    return DTR_OK;
}

static void the_policy_ranks_what_the_filter_left(void **state)
{
    (void)state;
    struct world *w = open_holders(20);
    uint32_t seen = 0;
    w->config.candidate_parent_limit = 1;
    dtr_swarm_configure(w->swarm, &w->config);
    say(w, "child.a", DTR_SWARM_REGISTER); /* somebody has an upload now */
    char busy[64];
    (void)snprintf(busy, sizeof(busy), "%s", find_said(w, "child.a")->parents[0]);
    w->config.policy =
        (struct dtr_swarm_policy){.rank = by_name, .context = &seen, .acyclic = true, .sample = 40};
    dtr_swarm_configure(w->swarm, &w->config);
    say(w, "child.b", DTR_SWARM_REGISTER);
    assert_int_equal(seen, 20); /* neither child.b itself nor child.a on its host */
    assert_string_equal(find_said(w, "child.b")->parents[0], busy);
    w->config.policy.sample = 0;
    dtr_swarm_configure(w->swarm, &w->config);
    say(w, "child.c", DTR_SWARM_REGISTER);
    assert_int_equal(seen, 15);
    close_world(w);
}

static int broken(void *context, const struct dtr_rank_input *in, double *ret_scores, struct dtr_error *err)
{
    if (context)
        return dtr_error_set(err, DTR_EINTERNAL, DTR_RETRY_NEVER, "broken");
    for (uint32_t i = 0; i < in->count; i++)
        ret_scores[i] = NAN;
    return DTR_OK;
}

static void a_broken_policy_falls_back_to_the_c_formula(void **state)
{
    (void)state;
    struct world *w = open_holders(4);
    w->config.policy = (struct dtr_swarm_policy){.rank = broken, .context = w, .acyclic = true};
    dtr_swarm_configure(w->swarm, &w->config);
    say(w, "child.a", DTR_SWARM_REGISTER);
    expect_parents(w, "child.a", 3);
    w->config.policy.context = NULL;
    dtr_swarm_configure(w->swarm, &w->config);
    say(w, "child.b", DTR_SWARM_REGISTER);
    expect_parents(w, "child.b", 3);
    assert_int_equal(dtr_swarm_count(w->swarm).rank_failures, 2);
    close_world(w);
}

static void edges_are_booked_on_the_parents_host(void **state)
{
    (void)state;
    struct world *w = open_holders(1);
    const struct dtr_swarm_host *host = dtr_swarm_find_host(w->swarm, "h1");
    say(w, "child.a", DTR_SWARM_REGISTER);
    assert_true(host->booked_tx == 4 * MIB * 8 * 8);
    assert_true(host->booked_bytes == 40 * MIB);
    assert_int_equal(host->booked_pieces, 8);
    assert_int_equal(host->uploads, 1);
    assert_string_equal(dtr_swarm_next_parent(dtr_swarm_find_peer(w->swarm, "child.a"), NULL)->id, "h1.a");
    say(w, "child.a", DTR_SWARM_FINISHED);
    assert_true(host->booked_tx == 0 && host->booked_bytes == 0 && host->booked_pieces == 0);
    assert_int_equal(host->uploads, 0);
    close_world(w);
}

static int keep_locations(void *context, const struct dtr_rank_input *in, double *ret_scores,
                          struct dtr_error *err)
{
    (void)err;
    double *seen = context;
    for (uint32_t i = 0; i < in->count; i++) {
        ret_scores[i] = 0;
        seen[0] = in->location_match[i];
        seen[1] = in->idc_match[i];
    }
    return DTR_OK;
}

static void labels_are_compared_as_dragonfly_does(void **state)
{
    (void)state;
    static const struct {
        const char *parent, *child;
        double match;
    } rows[] = {
        {"", "", 0},
        {"a", "", 0},
        {"a|b", "A|B", 1},
        {"a|b|c", "a|b|d", 0.4},
        {"a|b", "a|b|c", 0.4},
        {"a|bc", "a|b", 0.2},
        {"a|b|c|d|e|f", "a|b|c|d|e|g", 1},
        {"x|b", "a|b", 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double seen[2] = {-1, -1};
        struct world *w = open_holders(1);
        w->config.policy = (struct dtr_swarm_policy){.rank = keep_locations, .context = seen};
        dtr_swarm_configure(w->swarm, &w->config);
        struct dtr_swarm_announce parent = facts_of("h1", 0), child = facts_of("child", 0);
        parent.location = rows[i].parent;
        parent.idc = "DC-1";
        child.location = rows[i].child;
        child.idc = i % 2 ? "dc-1" : "dc-1|dc-2";
        announce(w, &parent);
        announce(w, &child);
        say(w, "child.a", DTR_SWARM_REGISTER);
        assert_true(fabs(seen[0] - rows[i].match) < 1e-9);
        assert_true(seen[1] == (double)(i % 2));
        close_world(w);
    }
}

static void slow_test_before_the_window_is_full(void **state)
{
    (void)state;
    struct swarm_costs costs = {0};
    assert_false(dtr_swarm_costs_slow(&costs));
    dtr_swarm_costs_add(&costs, 10);
    assert_false(dtr_swarm_costs_slow(&costs));
    dtr_swarm_costs_add(&costs, 200);
    assert_false(dtr_swarm_costs_slow(&costs)); /* not more than 20 times */
    costs = (struct swarm_costs){0};
    dtr_swarm_costs_add(&costs, 10);
    dtr_swarm_costs_add(&costs, 20);
    dtr_swarm_costs_add(&costs, 301);
    assert_true(dtr_swarm_costs_slow(&costs));
    assert_true(fabs(dtr_swarm_costs_mean(&costs) - 331 / 3.0) < 1e-9);
}

static void slow_test_over_a_full_window(void **state)
{
    (void)state;
    struct swarm_costs costs = {0};
    for (int i = 0; i < 1999; i++)
        dtr_swarm_costs_add(&costs, i % 2 ? 9 : 11);
    struct swarm_costs full = costs;
    dtr_swarm_costs_add(&full, 12.9); /* mean 10, sigma 1 */
    assert_false(dtr_swarm_costs_slow(&full));
    full = costs;
    dtr_swarm_costs_add(&full, 13.1);
    assert_true(dtr_swarm_costs_slow(&full));
    assert_true(fabs(dtr_swarm_costs_deviation(&costs) - 1) < 1e-3);
    for (int i = 0; i < 20000; i++) /* what was long ago does not count any more */
        dtr_swarm_costs_add(&costs, i % 2 ? 90 : 110);
    assert_true(fabs(dtr_swarm_costs_mean(&costs) - 100) < 1);
    assert_true(fabs(dtr_swarm_costs_deviation(&costs) - 10) < 1);
}

static void nonsense_costs_are_not_counted(void **state)
{
    (void)state;
    struct swarm_costs costs = {0};
    dtr_swarm_costs_add(&costs, NAN);
    dtr_swarm_costs_add(&costs, -1);
    dtr_swarm_costs_add(&costs, INFINITY);
    assert_true(isnan(dtr_swarm_costs_mean(&costs)));
    assert_true(isnan(dtr_swarm_costs_deviation(&costs)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_are_kept_of_many),
        cmocka_unit_test(a_policy_may_keep_more),
        cmocka_unit_test(rule_1_blocked_parents),
        cmocka_unit_test(rule_2_hosts_that_do_not_share),
        cmocka_unit_test(rule_3_the_same_host),
        cmocka_unit_test(rule_5_a_running_peer_needs_a_parent_of_its_own),
        cmocka_unit_test(rule_5_does_not_hold_for_seeds),
        cmocka_unit_test(rule_6_failed_peers),
        cmocka_unit_test(rule_6_slow_peers_are_waited_for),
        cmocka_unit_test(rule_6_does_not_hold_for_who_has_it_all),
        cmocka_unit_test(rule_7_no_descendant),
        cmocka_unit_test(cycles_need_another_way_to_the_source),
        cmocka_unit_test(the_policy_ranks_what_the_filter_left),
        cmocka_unit_test(a_broken_policy_falls_back_to_the_c_formula),
        cmocka_unit_test(edges_are_booked_on_the_parents_host),
        cmocka_unit_test(labels_are_compared_as_dragonfly_does),
        cmocka_unit_test(slow_test_before_the_window_is_full),
        cmocka_unit_test(slow_test_over_a_full_window),
        cmocka_unit_test(nonsense_costs_are_not_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
