/* The fetch planner when parents fail or lie, event by event. The notation is that of planner_test.c. */
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
        cmocka_unit_test(liar_is_dropped_at_once_and_for_good),
        cmocka_unit_test(closed_connection_gets_one_more_chance),
        cmocka_unit_test(success_clears_the_record),
        cmocka_unit_test(piece_that_nobody_has_is_reported_before_asking_anew),
        cmocka_unit_test(answers_run_out),
        cmocka_unit_test(list_that_fails_is_opened_once_more),
        cmocka_unit_test(peers_of_another_version_are_not_used),
        cmocka_unit_test(transfer_that_ends_without_its_piece_is_a_lie),
        cmocka_unit_test(our_own_full_disk_is_nobodys_fault),
        cmocka_unit_test(origin_that_is_gone_does_not_matter_while_parents_give),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
