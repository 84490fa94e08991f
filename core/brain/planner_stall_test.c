/* The fetch planner when parents fall silent, crawl or bring nothing, event by event. The notation is that of
 * planner_test.c. */
#include "core/brain/planner_fixture.h"

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { A, B };

static void silent_parent_is_dropped_for_another(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 8 * MIB);
    s.config.hedge_silent_ms = UINT64_MAX;
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    scene_parents(&s, "AB");
    scene_seen(&s, A, 0, 1);
    scene_pass(&s, 100);
    assert_int_equal(scene_in_flight(&s, A), 2);
    scene_pass(&s, 4800);
    scene_seen(&s, B, 0, 1);
    expect(&s, "");
    scene_pass(&s, 200);
    assert_string_equal(s.said, "piece_failed 0 from A; cancel 1; cancel 2; parent_close A; "
                                "fetch 3: 0 from B; fetch 4: 1 from B");
    scene_end(&s);
}

/* A has everything; its last bytes come 300 ms after its other transfers began. */
static void falls_silent(struct scene *s)
{
    scene_with_parents(s, 64 * MIB, "A");
    scene_seen(s, A, 0, 15);
    (void)scene_drain(s);
    scene_pass(s, 300);
    scene_piece(s, 2);
    (void)scene_drain(s);
}

/* Its transfers fall silent a little apart: the first is given up by itself, and what is asked of the parent
 * in its place gives it no new patience. */
static void silence_counts_from_the_last_byte(void **state)
{
    struct scene s;
    (void)state;
    falls_silent(&s);
    scene_pass(&s, 4900);
    assert_int_equal(scene_count(&s, "parent_close"), 0);
    scene_pass(&s, 400);
    assert_int_equal(scene_count(&s, "parent_close"), 1);
    scene_end(&s);
}

/* A transfer that is given up still tells of bytes that came long ago. */
static void bytes_told_late_are_no_sign_of_life(void **state)
{
    struct scene s;
    (void)state;
    falls_silent(&s);
    scene_pass(&s, 4800);
    assert_true(scene_count(&s, "cancel") > 0);
    dtr_planner_progress(s.planner, s.now, 1, 0, 100000);
    scene_pass(&s, 300);
    assert_int_equal(scene_count(&s, "parent_close"), 1);
    scene_end(&s);
}

static void only_parent_silent_means_another_plan_then_origin(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 12 * MIB, "A");
    scene_seen(&s, A, 0, 2);
    (void)scene_drain(&s);
    scene_piece(&s, 1);
    (void)scene_drain(&s);
    scene_pass(&s, 5000);
    assert_string_equal(s.said, "piece_failed 1 from A; cancel 2; cancel 3; parent_close A; reschedule");
    scene_pass(&s, 5000);
    assert_string_equal(s.said, "origin 4: 4M rest"); /* nobody answers */
    scene_head(&s, 4);
    scene_origin(&s, 4, 4 * MIB);
    expect(&s, "");
    scene_parents(&s, "B"); /* too late: little is left */
    expect(&s, "started; back_to_source_started; back_to_source_piece_finished 1");
    scene_origin(&s, 4, 4 * MIB);
    expect(&s, "back_to_source_piece_finished 2; done; back_to_source_finished");
    scene_end(&s);
}

/* It counts from bytes that are heard of here a little later. */
static void what_the_transport_gives_up_as_silent_is_silent(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 12 * MIB, "A");
    scene_seen(&s, A, 0, 2);
    (void)scene_drain(&s);
    scene_piece(&s, 1);
    (void)scene_drain(&s);
    scene_pass(&s, 4900);
    scene_ends(&s, 2, DTR_ETIMEOUT, DTR_RETRY_ELSEWHERE, 0);
    expect(&s, "piece_failed 1 from A; cancel 3; parent_close A; reschedule");
    assert_string_equal(dtr_planner_parent_view(s.planner, A).state, "stalled");
    scene_end(&s);
}

static void one_silent_transfer_of_a_parent_that_sends_is_only_this_one(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 12 * MIB, "A");
    scene_seen(&s, A, 0, 2);
    (void)scene_drain(&s);
    scene_piece(&s, 1);
    (void)scene_drain(&s);
    scene_pass(&s, 3000);
    dtr_planner_progress(s.planner, s.now, 3, 8 * MIB, 100000);
    scene_pass(&s, 1900);
    scene_ends(&s, 2, DTR_ETIMEOUT, DTR_RETRY_ELSEWHERE, 0);
    expect(&s, "");
    scene_pass(&s, 200);
    assert_memory_equal(s.said, "fetch 4: 1 from A", 17); /* once more */
    scene_end(&s);
}

static void parent_with_nothing_to_give_is_waited_for_a_stall_time(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 8 * MIB, "A");
    scene_pass(&s, 4999);
    assert_string_equal(s.said, "");
    scene_pass(&s, 1);
    assert_string_equal(s.said, "reschedule");
    scene_end(&s);
}

/* The scheduler keeps naming parents, none of which brings anything. */
static void second_stall_in_a_row_means_origin(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 8 * MIB, "A");
    scene_pass(&s, 5000);
    assert_string_equal(s.said, "reschedule");
    scene_pass(&s, 100);
    scene_parents(&s, "AB");
    expect(&s, "started; parent_open B");
    scene_pass(&s, 5000);
    assert_string_equal(s.said, "back_to_source_started; origin 1: 0 rest");
    scene_end(&s);
}

static void parents_that_fall_silent_one_after_the_other_mean_origin(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 8 * MIB, "A");
    scene_seen(&s, A, 0, 1);
    (void)scene_drain(&s);
    scene_pass(&s, 5000);
    assert_int_equal(scene_count(&s, "reschedule"), 1);
    scene_parents(&s, "B");
    scene_seen(&s, B, 0, 1);
    (void)scene_drain(&s);
    scene_pass(&s, 5000);
    assert_int_equal(scene_count(&s, "back_to_source_started"), 1);
    scene_end(&s);
}

static void verified_piece_ends_a_dry_spell(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 12 * MIB, "A");
    for (uint32_t n = 0; n < 3; n++) {
        (void)scene_drain(&s);
        scene_pass(&s, 5000);
        assert_string_equal(s.said, "reschedule");
        scene_parents(&s, "A");
        scene_seen(&s, A, n, n);
        (void)scene_drain(&s);
        scene_piece(&s, n + 1);
    }
    expect(&s, "parent_close A; piece_finished 2 from A; done; finished");
    scene_end(&s);
}

static void crawling_parent_does_not_hold_a_piece_for_ever(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 8 * MIB);
    s.config.disable_back_to_source = true; /* no hedge by the origin */
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    scene_parents(&s, "A");
    scene_seen(&s, A, 0, 1);
    (void)scene_drain(&s);
    for (uint32_t second = 0; second < 60; second++) {
        assert_int_equal(scene_in_flight(&s, A), 2);
        dtr_planner_progress(s.planner, s.now, 1, second * 1000, 1000);
        dtr_planner_progress(s.planner, s.now, 2, 4 * MIB + second * 1000, 1000);
        scene_pass(&s, 1000);
    }
    assert_string_equal(s.said, "piece_failed 0 from A; cancel 1; cancel 2; parent_close A; reschedule");
    scene_end(&s);
}

static void piece_timeout_ends_what_crawls_sooner(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 4 * MIB + 1);
    s.config.disable_back_to_source = true; /* no hedge by the origin */
    s.config.piece_timeout_ms = 1500;
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    scene_parents(&s, "A");
    scene_seen(&s, A, 0, 0);
    (void)scene_drain(&s);
    scene_pass(&s, 1000);
    dtr_planner_progress(s.planner, s.now, 1, 0, 1000);
    scene_pass(&s, 499);
    assert_int_equal(scene_in_flight(&s, A), 1);
    scene_pass(&s, 1); /* by the planner's own clock, no other event comes */
    assert_string_equal(s.said, "piece_failed 0 from A; cancel 1; parent_close A; reschedule");
    scene_end(&s);
}

static void parents_that_live_get_four_times_as_long(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 12 * MIB, "AB");
    for (int i = 0; i < 9; i++) {
        scene_pass(&s, 2000);
        dtr_planner_parent_load(s.planner, s.now, A, 1000000000, 0);
        expect(&s, "");
    }
    scene_pass(&s, 2000);
    assert_string_equal(s.said, "reschedule");
    scene_parents(&s, "A");
    expect(&s, "started");
    for (int i = 0; i < 3; i++) { /* once planned anew its life counts no more */
        scene_pass(&s, 2000);
        dtr_planner_parent_load(s.planner, s.now, A, 1000000000, 0);
    }
    assert_string_equal(s.said, "back_to_source_started; origin 1: 0 rest");
    scene_end(&s);
}

static void parents_that_fall_silent_do_not(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 12 * MIB, "AB");
    scene_pass(&s, 4000);
    dtr_planner_parent_load(s.planner, s.now, A, 1000000000, 0);
    scene_pass(&s, 4000);
    expect(&s, "");
    scene_pass(&s, 2000);
    assert_string_equal(s.said, "reschedule");
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silent_parent_is_dropped_for_another),
        cmocka_unit_test(silence_counts_from_the_last_byte),
        cmocka_unit_test(bytes_told_late_are_no_sign_of_life),
        cmocka_unit_test(only_parent_silent_means_another_plan_then_origin),
        cmocka_unit_test(what_the_transport_gives_up_as_silent_is_silent),
        cmocka_unit_test(one_silent_transfer_of_a_parent_that_sends_is_only_this_one),
        cmocka_unit_test(parents_that_live_get_four_times_as_long),
        cmocka_unit_test(parents_that_fall_silent_do_not),
        cmocka_unit_test(parent_with_nothing_to_give_is_waited_for_a_stall_time),
        cmocka_unit_test(second_stall_in_a_row_means_origin),
        cmocka_unit_test(parents_that_fall_silent_one_after_the_other_mean_origin),
        cmocka_unit_test(verified_piece_ends_a_dry_spell),
        cmocka_unit_test(crawling_parent_does_not_hold_a_piece_for_ever),
        cmocka_unit_test(piece_timeout_ends_what_crawls_sooner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
