/* What dtr_swarm_watch() is told. */
#include "core/brain/swarm_fixture.h"

struct seen {
    struct dtr_swarm_decision last;
    char asked[32], answer[32], why[80], candidates[4][64];
    uint32_t count;
};

static void see(void *context, const struct dtr_swarm_decision *decision)
{
    struct seen *seen = context;
    seen->count++;
    seen->last = *decision;
    (void)snprintf(seen->asked, sizeof(seen->asked), "%s", decision->asked);
    (void)snprintf(seen->answer, sizeof(seen->answer), "%s", decision->answer);
    (void)snprintf(seen->why, sizeof(seen->why), "%s", decision->why);
    for (uint32_t i = 0; i < decision->count && i < 4; i++)
        (void)snprintf(seen->candidates[i], 64, "%s", decision->candidates[i]->id);
}

static struct world *open_watched(struct seen *seen)
{
    struct world *w = open_world();
    *seen = (struct seen){0};
    add_host(w, "h1");
    add_holder(w, "h1.a");
    add_host(w, "h2");
    add_holder(w, "h2.a");
    add_host(w, "child");
    dtr_swarm_watch(w->swarm, see, seen);
    return w;
}

static void parents_with_scores(void **state)
{
    (void)state;
    struct seen seen;
    struct world *w = open_watched(&seen);
    say(w, "child.a", DTR_SWARM_REGISTER);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.asked, "register");
    assert_string_equal(seen.answer, "parents");
    assert_int_equal(seen.last.count, 2);
    assert_int_equal(seen.last.chosen, 2);
    assert_true(seen.last.taken[0] && seen.last.taken[1]);
    assert_true(seen.last.scores[0] >= seen.last.scores[1]);
    assert_string_equal(find_said(w, "child.a")->parents[0], seen.candidates[0]);
    close_world(w);
}

static void who_is_left_out(void **state)
{
    (void)state;
    struct seen seen;
    struct world *w = open_watched(&seen);
    const char *const given[] = {"h1.a"};
    say(w, "child.a", DTR_SWARM_REGISTER);
    reschedule(w, "child.a", given, 1);
    assert_string_equal(seen.asked, "reschedule");
    assert_int_equal(seen.last.count, 1);
    assert_string_equal(seen.candidates[0], "h2.a");
    assert_int_equal(seen.last.left_out[DTR_SWARM_BLOCKED], 1);
    say(w, "h1.b", DTR_SWARM_REGISTER);
    assert_int_equal(seen.last.left_out[DTR_SWARM_SAME_HOST], 1);
    close_world(w);
}

static void the_first_goes_to_the_origin_and_the_next_waits(void **state)
{
    (void)state;
    struct seen seen;
    struct world *w = open_watched(&seen);
    w->task_id = TASK_2;
    say(w, "h1.x", DTR_SWARM_REGISTER);
    assert_string_equal(seen.answer, "origin");
    assert_string_equal(seen.why, "no peer has the task");
    assert_int_equal(seen.last.left_out[DTR_SWARM_ONESELF], 1);
    say(w, "h2.x", DTR_SWARM_REGISTER);
    assert_int_equal(seen.count, 2);
    dtr_swarm_watch(w->swarm, NULL, NULL);
    say(w, "child.x", DTR_SWARM_REGISTER);
    assert_int_equal(seen.count, 2);
    close_world(w);
}

static void the_seed_is_told_and_priority_1_is_refused(void **state)
{
    (void)state;
    struct seen seen;
    struct world *w = open_watched(&seen);
    add_seed(w, "s1");
    w->task_id = TASK_2;
    say(w, "child.x", DTR_SWARM_REGISTER);
    assert_string_equal(seen.answer, "seed");
    dtr_swarm_seed_done(w->swarm, w->now_ms, TASK_2, false);
    drain(w);
    assert_string_equal(seen.answer, "origin");
    w->task_id = "3333333333333333333333333333333333333333333333333333333333333333";
    w->registered.priority = 1;
    say(w, "h1.y", DTR_SWARM_REGISTER);
    assert_string_equal(seen.answer, "refused");
    assert_string_equal(seen.why, "priority 1: the download is forbidden");
    close_world(w);
}

static void who_waits_is_told_of_once(void **state)
{
    (void)state;
    struct seen seen;
    struct world *w = open_watched(&seen);
    add_seed(w, "s1");
    w->task_id = TASK_2;
    say(w, "child.x", DTR_SWARM_REGISTER);
    say(w, "h1.x", DTR_SWARM_REGISTER);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.answer, "waits");
    assert_string_equal(seen.why, "the seed fetches it");
    say(w, "h2.x", DTR_SWARM_REGISTER);
    assert_int_equal(seen.count, 3);
    close_world(w);
}

static void after_a_start_peers_wait_for_the_seeds(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct world *w = malloc(sizeof(*w));
    struct dtr_swarm_config config = dtr_swarm_defaults();
    config.settle_ms = DTR_SWARM_SETTLE_MS;
    assert_non_null(w);
    open_with(w, &config);
    add_host(w, "h1");
    dtr_swarm_watch(w->swarm, see, &seen);
    say(w, "h1.a", DTR_SWARM_REGISTER);
    assert_string_equal(seen.answer, "waits");
    assert_string_equal(seen.why, "no seed came back yet after the start");
    close_world(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parents_with_scores),
        cmocka_unit_test(who_is_left_out),
        cmocka_unit_test(the_first_goes_to_the_origin_and_the_next_waits),
        cmocka_unit_test(who_waits_is_told_of_once),
        cmocka_unit_test(after_a_start_peers_wait_for_the_seeds),
        cmocka_unit_test(the_seed_is_told_and_priority_1_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
