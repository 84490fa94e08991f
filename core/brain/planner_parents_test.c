/* The fetch planner and its parents, event by event: who is asked for what, and hedges. The notation is
 * that of planner_test.c. */
#include "core/brain/planner_fixture.h"

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { A, B };

static void equal_parents_share_the_work(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 64 * MIB, "AB");
    scene_seen(&s, A, 0, 15);
    scene_seen(&s, B, 0, 15);
    scene_pass(&s, 5);
    assert_int_equal(scene_in_flight(&s, A), 4);
    assert_int_equal(scene_in_flight(&s, B), 4);
    scene_end(&s);
}

static void one_parent_gets_all_requests(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 64 * MIB, "A");
    scene_seen(&s, A, 0, 15);
    (void)scene_drain(&s);
    assert_int_equal(scene_in_flight(&s, A), 8);
    scene_end(&s);
}

static void others_get_100_ms_to_report(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 64 * MIB, "AB");
    scene_seen(&s, A, 0, 15);
    expect(&s, "fetch 1: 0 from A"); /* the reader does not wait */
    scene_pass(&s, 99);
    assert_int_equal(scene_in_flight(&s, A), 1);
    scene_pass(&s, 1);
    assert_int_equal(scene_in_flight(&s, A), 4);
    scene_end(&s);
}

static void announced_load_decides_at_first(void **state)
{
    struct dtr_plan_parent parents[] = {{"A", "a", "192.0.2.1", 4000, 1000000000, 900000000},
                                        {"B", "b", "192.0.2.2", 4000, 1000000000, 0}};
    struct dtr_plan_answer answer = {DTR_PLAN_ANSWER_NORMAL, parents, 2, DTR_LENGTH_UNKNOWN};
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    (void)scene_drain(&s);
    talk_check_answer(&s.talk, answer.kind);
    dtr_planner_answer(s.planner, s.now, &answer);
    scene_seen(&s, A, 0, 2); /* the reader's piece goes to the only one that has it so far */
    scene_seen(&s, B, 0, 2);
    scene_pass(&s, 5);
    assert_int_equal(scene_in_flight(&s, A), 1);
    assert_int_equal(scene_in_flight(&s, B), 2);
    assert_string_equal(dtr_planner_parent(s.planner, B)->address, "192.0.2.2");
    scene_end(&s);
}

/* What an explanation needs: why the origin is asked, how a parent is seen, why it was left. */
static void it_says_why(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 256 * MIB, "A");
    assert_null(dtr_planner_source_why(s.planner));
    struct dtr_plan_view view = dtr_planner_parent_view(s.planner, A);
    assert_string_equal(view.state, "live");
    assert_false(view.measured);
    scene_seen(&s, A, 0, 63);
    (void)scene_drain(&s);
    scene_pass(&s, 3 * s.config.stall_timeout_ms);
    view = dtr_planner_parent_view(s.planner, A);
    assert_string_equal(view.state, "stalled");
    assert_non_null(dtr_planner_source_why(s.planner));
    assert_string_equal(dtr_planner_parent_view(s.planner, 99).state, "lost");
    scene_end(&s);
}

static void a_small_object_and_no_scheduler_differ(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, MIB);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    assert_string_equal(dtr_planner_source_why(s.planner), "no more than download.p2pThreshold is missing");
    scene_end(&s);
    scene_set(&s, 256 * MIB);
    s.config.have_scheduler = false;
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    assert_string_equal(dtr_planner_source_why(s.planner), "there is no scheduler");
    scene_end(&s);
}

/* Both have everything; A takes 2 ms for a piece, B 100 ms. */
static void faster_parents_get_more(void **state)
{
    struct scene s;
    uint32_t from[2] = {0, 0};
    (void)state;
    scene_with_parents(&s, 256 * MIB, "AB");
    scene_seen(&s, A, 0, 63);
    scene_seen(&s, B, 0, 63);
    (void)scene_drain(&s);
    for (uint64_t end = s.now + 3000; s.now < end && !dtr_planner_over(s.planner); s.now += 2) {
        for (uint32_t parent = A; parent <= B; parent++) {
            uint32_t id = 1;
            while (id <= s.transfer_count &&
                   !(s.transfers[id].open && s.transfers[id].action.parent == parent))
                id++;
            if (id > s.transfer_count || (parent == B && s.now % 100))
                continue;
            from[parent]++;
            scene_piece(&s, id);
            (void)scene_drain(&s);
        }
    }
    assert_true(dtr_planner_over(s.planner));
    assert_true(from[A] > 6 * from[B] && from[B] >= 1);
    scene_end(&s);
}

static void readers_piece_comes_first_the_rest_in_random_order(void **state)
{
    struct scene s[2];
    bool differ = false;
    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        scene_set(&s[i], 256 * MIB);
        s[i].config.seed = 100 + i;
        scene_start(&s[i], 0, DTR_LENGTH_UNKNOWN, true);
        scene_parents(&s[i], "AB");
        dtr_planner_reader_at(s[i].planner, 1, 40 * MIB);
        scene_seen(&s[i], A, 0, 63);
        expect(&s[i], "length 256M/4M; register; started; parent_open A; parent_open B; fetch 1: 10 from A");
        scene_pass(&s[i], 100);
        assert_int_equal(s[i].transfers[2].action.piece, 11);
        for (uint32_t id = 3; id <= 4; id++)
            differ = differ || s[i].transfers[id].action.piece != s[0].transfers[id].action.piece;
        scene_end(&s[i]);
    }
    assert_true(differ);
}

static void rarest_pieces_go_before_others(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 256 * MIB, "AB");
    scene_seen(&s, A, 0, 63);
    for (uint32_t n = 0; n < 63; n++)
        if (n != 50)
            dtr_planner_piece_seen(s.planner, s.now, B, n);
    scene_pass(&s, 5); /* reader's piece 0, and 1 behind it, then what only A has */
    assert_int_equal(s.transfers[2].action.piece, 1);
    assert_int_equal(s.transfers[3].action.piece + s.transfers[4].action.piece, 50 + 63);
    scene_end(&s);
}

static void late_answer_takes_over_from_the_origin(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 64 * MIB);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    scene_pass(&s, 5000);
    assert_string_equal(s.said, "length 64M/4M; register; origin 1: 0 rest");
    scene_head(&s, 1);
    scene_origin(&s, 1, 4 * MIB);
    scene_parents(&s, "A");
    expect(&s, "started; cancel 1; parent_open A; back_to_source_started; back_to_source_piece_finished 0");
    scene_seen(&s, A, 0, 15);
    scene_flow(&s, 1);
    assert_int_equal(scene_count(&s, "piece_finished"), 15);
    assert_int_equal(scene_count(&s, "back_to_source_finished"), 1);
    scene_end(&s);
}

static void silent_tail_is_asked_for_twice_and_the_slower_cancelled(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 8 * MIB, "AB");
    scene_seen(&s, A, 0, 1);
    scene_pass(&s, 100);
    scene_seen(&s, B, 0, 1);
    scene_pass(&s, 800);
    assert_string_equal(s.said, "");
    scene_pass(&s, 250);
    assert_string_equal(s.said, "fetch 3: 0 from B; fetch 4: 1 from B");
    scene_piece(&s, 3);
    expect(&s, "cancel 1; piece_finished 0 from B");
    scene_pass(&s, 1000);
    assert_int_equal(scene_count(&s, "fetch"), 0); /* never a third time */
    scene_piece(&s, 2);
    expect(&s, "cancel 4; parent_close A; parent_close B; piece_finished 1 from A; done; finished");
    scene_end(&s);
}

static void slow_tail_is_hedged_by_measured_speed(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 16 * MIB, "AB");
    scene_seen(&s, A, 0, 1);
    scene_seen(&s, B, 2, 3);
    scene_pass(&s, 5);
    assert_int_equal(scene_in_flight(&s, A), 2);
    s.now += 40;
    for (uint32_t id = 1; id <= 4; id++) /* B is fast */
        if (s.transfers[id].action.parent == B)
            scene_piece(&s, id);
    s.now += 60;
    for (uint32_t id = 1; id <= 4; id++) /* A has brought 64 KiB of each piece in 100 ms */
        if (s.transfers[id].open)
            dtr_planner_progress(s.planner, s.now, id, s.transfers[id].action.offset, 65536);
    (void)scene_drain(&s);
    scene_seen(&s, B, 0, 1);
    (void)scene_drain(&s);
    assert_int_equal(scene_in_flight(&s, B), 2);
    scene_end(&s);
}

static void hopeless_parent_is_hedged_by_the_origin(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 8 * MIB, "A");
    scene_seen(&s, A, 0, 1);
    (void)scene_drain(&s);
    for (uint64_t second = 1; second <= 4; second++) {
        s.now += 1000;
        for (uint32_t id = 1; id <= 2; id++)
            dtr_planner_progress(s.planner, s.now, id, s.transfers[id].action.offset, second * 10000);
        expect(&s, "");
    }
    scene_pass(&s, 1000);
    assert_string_equal(s.said, "origin 3: 0 4M");
    scene_head(&s, 3);
    scene_origin(&s, 3, 4 * MIB);
    expect(&s, "cancel 1; back_to_source_started; back_to_source_piece_finished 0");
    scene_end(&s);
}

/* The first bytes of a parent that waited for them itself say nothing of its speed. */
static void slow_beginning_is_not_hedged_by_the_origin(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 16 * MIB, "A");
    scene_seen(&s, A, 0, 3);
    (void)scene_drain(&s);
    scene_pass(&s, 400);
    for (uint32_t id = 1; id <= 4; id++)
        dtr_planner_progress(s.planner, s.now, id, s.transfers[id].action.offset, 1448);
    scene_pass(&s, 900);
    assert_int_equal(scene_count(&s, "origin"), 0);
    scene_flow(&s, 20);
    assert_int_equal(scene_count(&s, "origin"), 0);
    scene_end(&s);
}

static void only_pieces_of_the_range_are_fetched(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 64 * MIB);
    scene_start(&s, 6 * MIB, 7 * MIB, true);
    scene_parents(&s, "A");
    assert_true(!dtr_planner_interested(s.planner, 0) && dtr_planner_interested(s.planner, 1) &&
                dtr_planner_interested(s.planner, 3) && !dtr_planner_interested(s.planner, 4));
    scene_seen(&s, A, 0, 15);
    (void)scene_drain(&s);
    assert_int_equal(scene_in_flight(&s, A), 3);
    assert_true(dtr_planner_want(s.planner, s.now, 2, 0, MIB));
    expect(&s, "parent_open A; fetch 4: 0 from A");
    assert_true(dtr_planner_want(s.planner, s.now, 3, 0, MIB));
    expect(&s, "");
    scene_end(&s);
}

/* A scheduler that names more parents unasked: they come to those there are, and nothing is answered. */
static void parents_that_nobody_asked_for_are_taken(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 8 * MIB, "A");
    scene_more_parents(&s, "AB");
    expect(&s, "parent_open B");
    scene_seen(&s, B, 1, 1);
    expect(&s, "fetch 1: 1 from B");
    scene_pass(&s, 4999);
    scene_ends(&s, 1, DTR_ECORRUPT, DTR_RETRY_ELSEWHERE, 0);
    (void)scene_drain(&s);
    scene_more_parents(&s, "B"); /* it lied: whoever names it */
    expect(&s, "");
    scene_end(&s);
}

static void more_parents_of_another_version_are_not_taken(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 8 * MIB, "A");
    const struct dtr_plan_parent other = {"B", "B", "192.0.2.1", 4000, 0, 0};
    dtr_planner_answer(s.planner, s.now,
                       &(struct dtr_plan_answer){DTR_PLAN_ANSWER_NORMAL, &other, 1, 9 * MIB});
    expect(&s, "");
    dtr_planner_answer(s.planner, s.now, &(struct dtr_plan_answer){.kind = DTR_PLAN_ANSWER_EMPTY});
    expect(&s, "");
    scene_end(&s);
}

/* The scheduler sends it to the origin unasked: what the parents bring is taken all the same. */
static void one_that_is_sent_to_the_origin_keeps_its_parents(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 64 * MIB, "A");
    scene_seen(&s, A, 0, 0);
    expect(&s, "fetch 1: 0 from A");
    dtr_planner_answer(s.planner, s.now, &(struct dtr_plan_answer){.kind = DTR_PLAN_ANSWER_BACK_TO_SOURCE});
    expect(&s, "back_to_source_started; origin 2: 4M 32M");
    scene_piece(&s, 1);
    scene_seen(&s, A, 15, 15);
    (void)scene_drain(&s);
    assert_int_equal(scene_count(&s, "fetch"), 1);
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_parents_share_the_work),
        cmocka_unit_test(one_parent_gets_all_requests),
        cmocka_unit_test(parents_that_nobody_asked_for_are_taken),
        cmocka_unit_test(more_parents_of_another_version_are_not_taken),
        cmocka_unit_test(one_that_is_sent_to_the_origin_keeps_its_parents),
        cmocka_unit_test(others_get_100_ms_to_report),
        cmocka_unit_test(announced_load_decides_at_first),
        cmocka_unit_test(it_says_why),
        cmocka_unit_test(a_small_object_and_no_scheduler_differ),
        cmocka_unit_test(faster_parents_get_more),
        cmocka_unit_test(readers_piece_comes_first_the_rest_in_random_order),
        cmocka_unit_test(rarest_pieces_go_before_others),
        cmocka_unit_test(late_answer_takes_over_from_the_origin),
        cmocka_unit_test(silent_tail_is_asked_for_twice_and_the_slower_cancelled),
        cmocka_unit_test(slow_tail_is_hedged_by_measured_speed),
        cmocka_unit_test(hopeless_parent_is_hedged_by_the_origin),
        cmocka_unit_test(slow_beginning_is_not_hedged_by_the_origin),
        cmocka_unit_test(only_pieces_of_the_range_are_fetched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
