/* The fetch planner when parents fail, stall, lie or go away, event by event. The notation is that of
 * planner_test.c. */
#include "core/brain/planner_fixture.h"

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { A, B };

static void broke_off(struct scene *s, uint32_t id)
{
    scene_ends(s, id, DTR_ECLOSED, DTR_RETRY_ELSEWHERE, 0);
}

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

static void liar_is_dropped_at_once_and_for_good(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 8 * MIB, "A");
    scene_seen(&s, A, 0, 1);
    expect(&s, "fetch 1: 0 from A; fetch 2: 1 from A");
    scene_ends(&s, 1, DTR_ECORRUPT, DTR_RETRY_ELSEWHERE, 0);
    expect(&s, "piece_failed 0 from A; cancel 2; parent_close A; reschedule");
    scene_parents(&s, "A"); /* nothing new: the scheduler is asked again, then again */
    expect(&s, "started; reschedule");
    scene_parents(&s, "AB");
    expect(&s, "started; parent_open B");
    scene_end(&s);
}

static void closed_connection_gets_one_more_chance(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 8 * MIB, "A");
    scene_seen(&s, A, 0, 1);
    (void)scene_drain(&s);
    broke_off(&s, 1);
    broke_off(&s, 2); /* the same trouble, not a second one */
    expect(&s, "");
    scene_pass(&s, 200);
    assert_int_equal(scene_count(&s, "fetch"), 2);
    broke_off(&s, 3);
    expect(&s, "piece_failed 0 from A; cancel 4; parent_close A; piece_failed 1 from A; reschedule");
    scene_end(&s);
}

static void success_clears_the_record(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 16 * MIB, "A");
    scene_seen(&s, A, 0, 3);
    (void)scene_drain(&s);
    broke_off(&s, 1);
    scene_piece(&s, 2);
    scene_pass(&s, 200);
    broke_off(&s, 5);
    (void)scene_drain(&s);
    assert_int_equal(scene_count(&s, "parent_close"), 0);
    scene_end(&s);
}

static void piece_that_nobody_has_is_reported_before_asking_anew(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 8 * MIB, "A");
    scene_seen(&s, A, 0, 1);
    dtr_planner_parent_ended(s.planner, s.now, A, NULL);
    (void)scene_drain(&s);
    scene_piece(&s, 1);
    scene_ends(&s, 2, DTR_ENOT_FOUND, DTR_RETRY_ELSEWHERE, 0);
    expect(&s, "piece_finished 0 from A; piece_failed 1 from A; reschedule");
    scene_answer(&s, DTR_PLAN_ANSWER_BACK_TO_SOURCE);
    expect(&s, "back_to_source_started; origin 3: 4M rest");
    scene_end(&s);
}

static void answers_run_out(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 8 * MIB, "A");
    for (uint32_t answer = 2; answer <= 5; answer++) {
        scene_seen(&s, A, 0, 0);
        dtr_planner_parent_ended(s.planner, s.now, A, NULL);
        scene_pass(&s, 200);
        scene_ends(&s, s.transfer_count, DTR_ENOT_FOUND, DTR_RETRY_ELSEWHERE, 0);
        (void)scene_drain(&s);
        assert_int_equal(scene_count(&s, "reschedule"), 1);
        scene_parents(&s, answer < 5 ? "A" : "");
    }
    expect(&s, "started; back_to_source_started; origin 5: 0 rest");
    scene_end(&s);
}

static void parents_go_on_without_the_scheduler(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 12 * MIB, "A");
    scene_seen(&s, A, 0, 1);
    (void)scene_drain(&s);
    scene_lost(&s);
    scene_piece(&s, 1);
    scene_piece(&s, 2);
    expect(&s, "");
    scene_seen(&s, A, 2, 2);
    expect(&s, "fetch 3: 2 from A");
    scene_ends(&s, 3, DTR_ECORRUPT, DTR_RETRY_ELSEWHERE, 0);
    expect(&s, "parent_close A; origin 4: 8M rest");
    scene_end(&s);
}

static void what_came_without_a_scheduler_is_told_to_the_next(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 8 * MIB, "A");
    scene_seen(&s, A, 0, 1);
    (void)scene_drain(&s);
    scene_lost(&s);
    dtr_planner_scheduler_back(s.planner, s.now);
    scene_piece(&s, 1);
    expect(&s, "");
    scene_piece(&s, 2);
    expect(&s, "parent_close A; done; register");
    scene_answer(&s, DTR_PLAN_ANSWER_METADATA_ONLY);
    expect(&s, "started; finished");
    assert_true(dtr_planner_ended(s.planner));
    scene_end(&s);
}

/* Its register waits in the role, which knows the scheduler; a stall time at the most. */
static void a_scheduler_that_may_be_back_is_asked_before_the_origin(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 12 * MIB, "A");
    scene_seen(&s, A, 0, 0);
    (void)scene_drain(&s);
    scene_lost_for_now(&s);
    expect(&s, "");
    scene_ends(&s, 1, DTR_ECORRUPT, DTR_RETRY_ELSEWHERE, 0);
    expect(&s, "parent_close A; register");
    scene_pass(&s, s.config.stall_timeout_ms);
    assert_string_equal(s.said, "origin 2: 0 rest");
    scene_end(&s);
}

static void scheduler_that_is_back_is_asked_when_parents_do_not_suffice(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 12 * MIB, "A");
    scene_seen(&s, A, 0, 2);
    (void)scene_drain(&s);
    scene_lost(&s);
    scene_piece(&s, 1);
    dtr_planner_scheduler_back(s.planner, s.now);
    expect(&s, "");
    scene_ends(&s, 2, DTR_ECORRUPT, DTR_RETRY_ELSEWHERE, 0);
    expect(&s, "cancel 3; parent_close A; register");
    scene_parents(&s, "B");
    expect(&s, "started; parent_open B; piece_finished 0 from A");
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

static void scheduler_that_is_back_brings_a_pull_back_from_the_origin(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 40 * MIB);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    expect(&s, "length 40M/4M; register");
    scene_lost(&s);
    expect(&s, "origin 1: 0 rest");
    scene_head(&s, 1);
    scene_origin(&s, 1, 5 * MIB);
    dtr_planner_scheduler_back(s.planner, s.now);
    expect(&s, "register");
    scene_origin(&s, 1, 2 * MIB); /* it goes on until parents are named */
    scene_parents(&s, "A");
    expect(&s, "started; cancel 1; parent_open A; back_to_source_started; back_to_source_piece_finished 0");
    scene_end(&s);
}

static void scheduler_that_is_back_is_not_asked_for_a_rest(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    expect(&s, "length 12M/4M; register");
    scene_lost(&s);
    scene_head(&s, 1);
    scene_origin(&s, 1, 8 * MIB);
    expect(&s, "origin 1: 0 rest");
    dtr_planner_scheduler_back(s.planner, s.now);
    expect(&s, "");
    scene_end(&s);
}

static void seed_tells_a_scheduler_that_is_back(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 40 * MIB);
    s.config.need_back_to_source = true;
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    expect(&s, "length 40M/4M; register; origin 1: 0 rest");
    scene_answer(&s, DTR_PLAN_ANSWER_BACK_TO_SOURCE);
    expect(&s, "back_to_source_started");
    scene_head(&s, 1);
    scene_origin(&s, 1, 5 * MIB);
    expect(&s, "back_to_source_piece_finished 0");
    scene_lost(&s);
    dtr_planner_scheduler_back(s.planner, s.now);
    expect(&s, "register");
    scene_answer(&s, DTR_PLAN_ANSWER_BACK_TO_SOURCE);
    expect(&s, "back_to_source_started; back_to_source_piece_finished 0");
    scene_end(&s);
}

static void list_that_fails_is_opened_once_more(void **state)
{
    struct dtr_error err;
    struct scene s;
    (void)state;
    dtr_error_set(&err, DTR_EINTERNAL, DTR_RETRY_ELSEWHERE, "the task is not there yet");
    scene_with_parents(&s, 8 * MIB, "A");
    dtr_planner_parent_ended(s.planner, s.now, A, &err);
    expect(&s, "");
    scene_pass(&s, 300);
    assert_string_equal(s.said, "parent_open A");
    dtr_planner_parent_ended(s.planner, s.now, A, &err);
    expect(&s, "parent_close A; reschedule");
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

static void peers_of_another_version_are_not_used(void **state)
{
    struct dtr_plan_parent parent = {"A", "a", "192.0.2.1", 4000, 0, 0};
    struct dtr_plan_answer answer = {DTR_PLAN_ANSWER_NORMAL, &parent, 1, 13 * MIB};
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    expect(&s, "length 12M/4M; register");
    talk_check_answer(&s.talk, answer.kind);
    dtr_planner_answer(s.planner, s.now, &answer);
    expect(&s, "started; back_to_source_started; origin 1: 0 rest");
    scene_end(&s);
}

static void transfer_that_ends_without_its_piece_is_a_lie(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 8 * MIB, "A");
    scene_seen(&s, A, 0, 0);
    (void)scene_drain(&s);
    scene_ends(&s, 1, DTR_OK, DTR_RETRY_NEVER, 0);
    expect(&s, "piece_failed 0 from A; parent_close A; reschedule");
    scene_end(&s);
}

static void our_own_full_disk_is_nobodys_fault(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 8 * MIB, "A");
    scene_seen(&s, A, 0, 0);
    (void)scene_drain(&s);
    scene_ends(&s, 1, DTR_ENO_SPACE, DTR_RETRY_NEVER, 0);
    expect(&s, "parent_close A; fail: no space left 0; failed");
    scene_end(&s);
}

static void origin_that_is_gone_does_not_matter_while_parents_give(void **state)
{
    struct scene s;
    (void)state;
    scene_with_parents(&s, 64 * MIB, "A");
    scene_pass(&s, 5000);
    scene_pass(&s, 5000);
    assert_int_equal(scene_count(&s, "origin"), 1);
    scene_ends(&s, 1, DTR_EORIGIN, DTR_RETRY_NEVER, 404);
    scene_seen(&s, A, 0, 15);
    scene_flow(&s, 1);
    assert_int_equal(scene_count(&s, "done"), 1);
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
        cmocka_unit_test(liar_is_dropped_at_once_and_for_good),
        cmocka_unit_test(closed_connection_gets_one_more_chance),
        cmocka_unit_test(success_clears_the_record),
        cmocka_unit_test(piece_that_nobody_has_is_reported_before_asking_anew),
        cmocka_unit_test(answers_run_out),
        cmocka_unit_test(parents_go_on_without_the_scheduler),
        cmocka_unit_test(what_came_without_a_scheduler_is_told_to_the_next),
        cmocka_unit_test(a_scheduler_that_may_be_back_is_asked_before_the_origin),
        cmocka_unit_test(scheduler_that_is_back_is_asked_when_parents_do_not_suffice),
        cmocka_unit_test(parents_that_live_get_four_times_as_long),
        cmocka_unit_test(parents_that_fall_silent_do_not),
        cmocka_unit_test(scheduler_that_is_back_brings_a_pull_back_from_the_origin),
        cmocka_unit_test(scheduler_that_is_back_is_not_asked_for_a_rest),
        cmocka_unit_test(seed_tells_a_scheduler_that_is_back),
        cmocka_unit_test(list_that_fails_is_opened_once_more),
        cmocka_unit_test(parent_with_nothing_to_give_is_waited_for_a_stall_time),
        cmocka_unit_test(second_stall_in_a_row_means_origin),
        cmocka_unit_test(parents_that_fall_silent_one_after_the_other_mean_origin),
        cmocka_unit_test(verified_piece_ends_a_dry_spell),
        cmocka_unit_test(crawling_parent_does_not_hold_a_piece_for_ever),
        cmocka_unit_test(piece_timeout_ends_what_crawls_sooner),
        cmocka_unit_test(peers_of_another_version_are_not_used),
        cmocka_unit_test(transfer_that_ends_without_its_piece_is_a_lie),
        cmocka_unit_test(our_own_full_disk_is_nobodys_fault),
        cmocka_unit_test(origin_that_is_gone_does_not_matter_while_parents_give),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
