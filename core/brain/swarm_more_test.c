/* What nobody asked for: who is given newcomers as parents, who is sent to the origin, and who is not. */
#include "core/brain/swarm_fixture.h"

/* A world whose policy lets pieces flow both ways; h1 to h9 are there, h1.a has the task. */
static struct world *open_mesh(uint32_t keep, uint32_t newcomers)
{
    struct world *w = open_world();
    w->config.policy.acyclic = false;
    w->config.policy.keep = keep;
    w->config.policy.newcomers = newcomers;
    dtr_swarm_configure(w->swarm, &w->config);
    for (char host[] = "h1"; host[1] <= '9'; host[1]++)
        add_host(w, host);
    add_holder(w, "h1.a");
    w->registered.takes_more = true;
    return w;
}

static void the_first_is_given_those_that_come_later(void **state)
{
    (void)state;
    struct world *w = open_mesh(4, 2);
    say(w, "h2.a", DTR_SWARM_REGISTER);
    expect_one(w, "h2.a", ANSWER_PARENTS);
    say(w, "h3.a", DTR_SWARM_REGISTER);
    expect_parents(w, "h3.a", 2);
    expect(w, "h2.a", MORE_PARENTS);
    assert_int_equal(find_said(w, "h2.a")->parent_count, 1);
    assert_true(was_given(find_said(w, "h2.a"), "h3.a"));
    say(w, "h2.a", DTR_SWARM_STARTED); /* the answer came before; what came unasked changes nothing */
    expect_nothing(w);
    close_world(w);
}

static void an_answer_leaves_places_for_newcomers(void **state)
{
    (void)state;
    struct world *w = open_mesh(4, 2);
    for (char peer[] = "h2.a"; peer[1] <= '6'; peer[1]++)
        say(w, peer, DTR_SWARM_REGISTER);
    expect_parents(w, "h6.a", 2);
    uint32_t given = 0;
    for (uint32_t i = 0; i < w->count; i++)
        given += w->log[i].kind == DTR_SWARM_MORE_PARENTS;
    assert_int_equal(given, 2);
    close_world(w);
}

static void nobody_gets_more_than_there_are_places(void **state)
{
    (void)state;
    struct world *w = open_mesh(3, 2);
    for (char peer[] = "h2.a"; peer[1] <= '9'; peer[1]++)
        say(w, peer, DTR_SWARM_REGISTER);
    for (char peer[] = "h2.a"; peer[1] <= '9'; peer[1]++)
        assert_in_range(dtr_swarm_find_peer(w->swarm, peer)->parent_count, 1, 3);
    assert_int_equal(dtr_swarm_find_peer(w->swarm, "h2.a")->parent_count, 3);
    close_world(w);
}

static void who_does_not_take_more_is_only_answered(void **state)
{
    (void)state;
    struct world *w = open_mesh(4, 2);
    w->registered.takes_more = false; /* Dragonfly's dfdaemon */
    say(w, "h2.a", DTR_SWARM_REGISTER);
    say(w, "h3.a", DTR_SWARM_REGISTER);
    expect_one(w, "h3.a", ANSWER_PARENTS);
    for (char peer[] = "h4.a"; peer[1] <= '6'; peer[1]++)
        say(w, peer, DTR_SWARM_REGISTER);
    expect_parents(w, "h6.a", 4); /* and is given all places at once */
    close_world(w);
}

static void blocked_and_own_peers_do_not_come_unasked(void **state)
{
    (void)state;
    struct world *w = open_mesh(4, 2);
    say(w, "h2.a", DTR_SWARM_REGISTER);
    say(w, "h2.a", DTR_SWARM_STARTED);
    piece_failed(w, "h2.a", "h3.a");
    say(w, "h3.a", DTR_SWARM_REGISTER);
    expect_one(w, "h3.a", ANSWER_PARENTS);
    say(w, "h2.b", DTR_SWARM_REGISTER); /* the same host */
    assert_false(was_given(find_said(w, "h2.a"), "h2.b"));
    close_world(w);
}

static void a_place_that_becomes_free_is_given_again(void **state)
{
    (void)state;
    struct world *w = open_mesh(2, 1);
    say(w, "h2.a", DTR_SWARM_REGISTER);
    say(w, "h3.a", DTR_SWARM_REGISTER);
    expect(w, "h2.a", MORE_PARENTS);
    say(w, "h4.a", DTR_SWARM_REGISTER);
    assert_null(find_said(w, "h2.a"));
    hang_up(w, "h3.a");
    hang_up(w, "h4.a");
    say(w, "h5.a", DTR_SWARM_REGISTER);
    expect(w, "h2.a", MORE_PARENTS);
    assert_true(was_given(find_said(w, "h2.a"), "h5.a"));
    close_world(w);
}

static void who_has_finished_or_asks_gets_nothing(void **state)
{
    (void)state;
    struct world *w = open_mesh(4, 2);
    say(w, "h2.a", DTR_SWARM_REGISTER);
    say(w, "h2.a", DTR_SWARM_STARTED);
    say(w, "h2.a", DTR_SWARM_FINISHED);
    say(w, "h3.a", DTR_SWARM_REGISTER);
    expect_one(w, "h3.a", ANSWER_PARENTS);
    hang_up(w, "h3.a");
    say(w, "h4.a", DTR_SWARM_REGISTER);
    say(w, "h4.a", DTR_SWARM_SOURCE_STARTED);
    say(w, "h5.a", DTR_SWARM_REGISTER);
    expect_one(w, "h5.a", ANSWER_PARENTS);
    close_world(w);
}

static void an_acyclic_policy_gives_nobody_more(void **state)
{
    (void)state;
    struct world *w = open_mesh(4, 2);
    w->config.policy.acyclic = true;
    dtr_swarm_configure(w->swarm, &w->config);
    say(w, "h2.a", DTR_SWARM_REGISTER);
    say(w, "h3.a", DTR_SWARM_REGISTER);
    expect_one(w, "h3.a", ANSWER_PARENTS);
    close_world(w);
}

/* h2.a is at the origin, h3.a and h4.a have parents and have started. */
static struct world *open_crowd(void)
{
    struct world *w = open_mesh(4, 2);
    assert_int_equal(dtr_swarm_host_deleted(w->swarm, w->now_ms, "h1", NULL), DTR_OK);
    drain(w);
    say(w, "h2.a", DTR_SWARM_REGISTER);
    expect_one(w, "h2.a", ANSWER_SOURCE);
    say(w, "h2.a", DTR_SWARM_SOURCE_STARTED);
    say(w, "h3.a", DTR_SWARM_REGISTER);
    say(w, "h3.a", DTR_SWARM_STARTED);
    say(w, "h4.a", DTR_SWARM_REGISTER);
    say(w, "h4.a", DTR_SWARM_STARTED);
    return w;
}

static void when_the_source_is_gone_the_one_with_most_is_sent(void **state)
{
    (void)state;
    struct world *w = open_crowd();
    piece(w, "h4.a", 1, "h2.a", 10);
    hang_up(w, "h2.a");
    expect_one(w, "h4.a", MORE_SOURCE);
    say(w, "h4.a", DTR_SWARM_SOURCE_STARTED);
    expect_nothing(w);
    assert_int_equal(state_of(w, "h4.a"), DTR_PEER_BACK_TO_SOURCE);
    say(w, "h4.a", DTR_SWARM_SOURCE_FAILED); /* then the next */
    expect(w, "h3.a", MORE_SOURCE);
    close_world(w);
}

static void nobody_is_sent_while_somebody_has_it(void **state)
{
    (void)state;
    struct world *w = open_crowd();
    add_holder(w, "h5.a");
    hang_up(w, "h2.a");
    assert_null(find_said(w, "h3.a"));
    assert_null(find_said(w, "h4.a"));
    hang_up(w, "h5.a"); /* its stream had ended: it stays as a parent */
    expect_nothing(w);
    close_world(w);
}

static void who_was_sent_and_left_is_replaced(void **state)
{
    (void)state;
    struct world *w = open_crowd();
    hang_up(w, "h2.a");
    assert_int_equal(w->count, 1);
    const char *first = find_said(w, "h3.a") ? "h3.a" : "h4.a",
               *other = *(first + 1) == '3' ? "h4.a" : "h3.a";
    hang_up(w, first);
    expect(w, other, MORE_SOURCE);
    close_world(w);
}

static void who_must_not_go_there_is_not_sent(void **state)
{
    (void)state;
    struct world *w = open_mesh(4, 2);
    w->registered.disable_back_to_source = true;
    say(w, "h2.a", DTR_SWARM_REGISTER);
    say(w, "h2.a", DTR_SWARM_STARTED);
    assert_int_equal(dtr_swarm_host_deleted(w->swarm, w->now_ms, "h1", NULL), DTR_OK);
    drain(w);
    assert_true(!find_said(w, "h2.a") || find_said(w, "h2.a")->kind != DTR_SWARM_MORE_SOURCE);
    close_world(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_given_those_that_come_later),
        cmocka_unit_test(an_answer_leaves_places_for_newcomers),
        cmocka_unit_test(nobody_gets_more_than_there_are_places),
        cmocka_unit_test(who_does_not_take_more_is_only_answered),
        cmocka_unit_test(blocked_and_own_peers_do_not_come_unasked),
        cmocka_unit_test(a_place_that_becomes_free_is_given_again),
        cmocka_unit_test(who_has_finished_or_asks_gets_nothing),
        cmocka_unit_test(an_acyclic_policy_gives_nobody_more),
        cmocka_unit_test(when_the_source_is_gone_the_one_with_most_is_sent),
        cmocka_unit_test(nobody_is_sent_while_somebody_has_it),
        cmocka_unit_test(who_was_sent_and_left_is_replaced),
        cmocka_unit_test(who_must_not_go_there_is_not_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
