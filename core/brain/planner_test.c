/* The fetch planner event by event: the start, the scheduler, readers. Origin, parents and trouble with
 * them are in planner_origin_test.c, planner_parents_test.c and planner_trouble_test.c.
 *
 * In the texts, "origin 1: 0 rest" is transfer 1 from byte 0 on, "fetch 2: 7 from A" is transfer 2, which
 * asks parent A for piece 7. */
#include "core/brain/planner_fixture.h"

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void known_elsewhere_means_no_origin(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, false);
    expect(&s, "stat_task");
    scene_stat(&s, true, 12 * MIB);
    expect(&s, "length 12M/4M; register");
    scene_parents(&s, "A");
    expect(&s, "started; parent_open A");
    scene_seen(&s, 0, 0, 2);
    expect(&s, "fetch 1: 0 from A; fetch 2: 1 from A; fetch 3: 2 from A");
    scene_piece(&s, 2);
    expect(&s, "piece_finished 1 from A");
    scene_piece(&s, 1);
    scene_piece(&s, 3);
    expect(&s, "piece_finished 0 from A; parent_close A; piece_finished 2 from A; done; finished");
    assert_true(dtr_planner_ended(s.planner));
    scene_end(&s);
}

static void unknown_task_is_asked_of_the_origin_and_held(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, false);
    scene_stat(&s, false, DTR_LENGTH_UNKNOWN);
    expect(&s, "stat_task; origin 1: 0 rest");
    scene_head(&s, 1);
    expect(&s, "length 12M/4M; hold 1; register");
    scene_answer(&s, DTR_PLAN_ANSWER_BACK_TO_SOURCE);
    expect(&s, "back_to_source_started; resume 1");
    scene_origin(&s, 1, 8 * MIB);
    expect(&s, "back_to_source_piece_finished 0; back_to_source_piece_finished 1");
    scene_origin(&s, 1, 4 * MIB);
    expect(&s, "back_to_source_piece_finished 2; done; back_to_source_finished");
    assert_true(dtr_planner_ended(s.planner));
    scene_end(&s);
}

static void stat_has_a_second(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, false);
    scene_pass(&s, 999);
    assert_string_equal(s.said, "stat_task");
    scene_pass(&s, 1);
    assert_string_equal(s.said, "origin 1: 0 rest");
    scene_stat(&s, true, 12 * MIB); /* too late to matter */
    expect(&s, "");
    scene_end(&s);
}

static void parents_replace_the_held_origin(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, false);
    scene_stat(&s, false, DTR_LENGTH_UNKNOWN);
    scene_head(&s, 1);
    (void)scene_drain(&s);
    scene_parents(&s, "A");
    expect(&s, "started; cancel 1; parent_open A");
    scene_ends(&s, 1, DTR_ECANCELLED, DTR_RETRY_NEVER, 0);
    scene_seen(&s, 0, 0, 2);
    scene_flow(&s, 1);
    assert_true(scene_count(&s, "piece_finished") == 3 && scene_count(&s, "finished") == 1);
    scene_end(&s);
}

static void small_objects_do_not_bother_the_scheduler(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 4 * MIB);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, false);
    scene_stat(&s, true, 4 * MIB);
    expect(&s, "stat_task; origin 1: 0 rest");
    scene_head(&s, 1);
    expect(&s, "length 4M/4M");
    scene_origin(&s, 1, 4 * MIB);
    expect(&s, "done");
    assert_true(dtr_planner_ended(s.planner));
    scene_end(&s);
}

static void small_ranges_do_not_either(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 64 * MIB);
    scene_start(&s, 5 * MIB, 2 * MIB, false);
    expect(&s, "origin 1: 5M 2M");
    scene_head(&s, 1);
    expect(&s, "length 64M/4M");
    scene_origin(&s, 1, 2 * MIB); /* part of piece 1: right for the reader, nothing to verify */
    expect(&s, "done");
    scene_end(&s);
}

static void known_length_takes_whole_pieces(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 64 * MIB);
    scene_start(&s, 5 * MIB, 2 * MIB, true);
    expect(&s, "length 64M/4M; origin 1: 4M 4M");
    scene_end(&s);
}

static void empty_objects_are_done_at_once(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 0);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    expect(&s, "length 0/4M; done");
    scene_end(&s);
    scene_set(&s, 0);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, false);
    scene_stat(&s, false, DTR_LENGTH_UNKNOWN);
    scene_head(&s, 1);
    expect(&s, "stat_task; origin 1: 0 rest; length 0/4M; done");
    scene_end(&s);
}

static void without_scheduler_the_origin_just_flows(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    s.config.have_scheduler = false;
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, false);
    scene_head(&s, 1);
    expect(&s, "origin 1: 0 rest; length 12M/4M");
    scene_origin(&s, 1, 12 * MIB);
    expect(&s, "done");
    scene_end(&s);
}

static void refused_register_resumes(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, false);
    scene_stat(&s, false, DTR_LENGTH_UNKNOWN);
    scene_head(&s, 1);
    (void)scene_drain(&s);
    scene_lost(&s);
    expect(&s, "resume 1");
    scene_origin(&s, 1, 12 * MIB);
    expect(&s, "done");
    scene_end(&s);
}

static void silent_scheduler_resumes_and_may_still_answer(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, false);
    scene_stat(&s, false, DTR_LENGTH_UNKNOWN);
    scene_head(&s, 1);
    scene_pass(&s, 4999);
    assert_int_equal(scene_count(&s, "resume"), 0);
    scene_pass(&s, 1);
    assert_string_equal(s.said, "resume 1");
    scene_origin(&s, 1, 4 * MIB);
    expect(&s, "");
    scene_answer(&s, DTR_PLAN_ANSWER_BACK_TO_SOURCE);
    expect(&s, "back_to_source_started; back_to_source_piece_finished 0");
    scene_end(&s);
}

static void seeds_register_while_bytes_flow(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 8 * MIB);
    s.config.need_back_to_source = true;
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, false);
    expect(&s, "origin 1: 0 rest");
    scene_head(&s, 1);
    expect(&s, "length 8M/4M; register");
    scene_origin(&s, 1, 8 * MIB);
    expect(&s, "done"); /* the scheduler must still learn who has it */
    assert_false(dtr_planner_ended(s.planner));
    scene_answer(&s, DTR_PLAN_ANSWER_BACK_TO_SOURCE);
    expect(&s, "back_to_source_started; back_to_source_piece_finished 0; back_to_source_piece_finished 1; "
               "back_to_source_finished");
    assert_true(dtr_planner_ended(s.planner));
    scene_end(&s);
}

static void done_does_not_wait_for_ever_for_an_answer(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 8 * MIB);
    s.config.need_back_to_source = true;
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    scene_head(&s, 1);
    scene_origin(&s, 1, 8 * MIB);
    scene_pass(&s, 10000);
    assert_int_equal(scene_count(&s, "failed"), 1);
    assert_true(dtr_planner_ended(s.planner));
    scene_end(&s);
}

static void seed_with_everything_announces_it(void **state)
{
    const uint8_t all = 3;
    struct scene s;
    (void)state;
    scene_set(&s, 8 * MIB);
    s.config.need_back_to_source = true;
    s.talk.answers_max = 5;
    struct dtr_plan_start start = {1, 0, DTR_LENGTH_UNKNOWN, false, 8 * MIB, &all, 2};
    assert_int_equal(dtr_planner_new(&s.config, &start, s.now, &s.planner, NULL), DTR_OK);
    expect(&s, "length 8M/4M; done; register");
    scene_answer(&s, DTR_PLAN_ANSWER_METADATA_ONLY);
    expect(&s, "started; finished");
    assert_true(dtr_planner_ended(s.planner));
    scene_end(&s);
}

static void answers_that_make_no_sense_end_the_conversation_only(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    scene_answer(&s, DTR_PLAN_ANSWER_EMPTY);
    expect(&s, "length 12M/4M; register; failed; origin 1: 0 rest");
    scene_answer(&s, DTR_PLAN_ANSWER_BACK_TO_SOURCE);
    expect(&s, "");
    scene_end(&s);
}

static void last_reader_leaving_cancels_everything(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    scene_answer(&s, DTR_PLAN_ANSWER_BACK_TO_SOURCE);
    scene_head(&s, 1);
    (void)scene_drain(&s);
    assert_true(dtr_planner_want(s.planner, s.now, 2, 0, MIB));
    dtr_planner_unwant(s.planner, s.now, 1);
    expect(&s, "");
    dtr_planner_unwant(s.planner, s.now, 2);
    expect(&s, "cancel 1; fail: cancelled 0; back_to_source_failed");
    assert_false(dtr_planner_want(s.planner, s.now, 3, 0, MIB));
    scene_end(&s);
}

static void detached_downloads_go_on_without_readers(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 8 * MIB);
    s.config.detached = true;
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    scene_answer(&s, DTR_PLAN_ANSWER_BACK_TO_SOURCE);
    dtr_planner_unwant(s.planner, s.now, 1);
    scene_head(&s, 1);
    scene_origin(&s, 1, 8 * MIB);
    (void)scene_drain(&s);
    assert_int_equal(scene_count(&s, "done"), 1);
    scene_end(&s);
}

/* Everything there is not yet done: the scheduler hears of the end only after the check. */
static void whole_objects_are_checked_before_the_end(void **state)
{
    struct dtr_error err;
    (void)state;
    for (int good = 0; good < 2; good++) {
        struct scene s;
        scene_set(&s, 8 * MIB);
        s.config.check = true;
        scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
        scene_parents(&s, "A");
        scene_seen(&s, 0, 0, 1);
        (void)scene_drain(&s);
        scene_piece(&s, 1);
        scene_piece(&s, 2);
        assert_int_equal(scene_count(&s, "check"), 0);
        assert_non_null(strstr(scene_drain(&s), "check"));
        assert_int_equal(scene_count(&s, "done"), 0);
        scene_pass(&s, 60000);
        assert_string_equal(s.said, ""); /* as long as it takes */
        dtr_error_set(&err, DTR_ECORRUPT, DTR_RETRY_SAME, "wrong digest");
        dtr_planner_checked(s.planner, s.now, good ? NULL : &err);
        expect(&s, good ? "parent_close A; done; finished" : "parent_close A; fail: corrupt 0; failed");
        scene_end(&s);
    }
}

static void parts_are_not_checked(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 64 * MIB);
    s.config.check = true;
    scene_start(&s, 8 * MIB, 4 * MIB, true);
    (void)scene_drain(&s);
    scene_head(&s, 1);
    scene_origin(&s, 1, 4 * MIB);
    expect(&s, "done");
    scene_end(&s);
}

static void wider_want_brings_the_scheduler_in(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 64 * MIB);
    scene_start(&s, 5 * MIB, 2 * MIB, true);
    expect(&s, "length 64M/4M; origin 1: 4M 4M");
    assert_true(dtr_planner_want(s.planner, s.now, 2, 0, DTR_LENGTH_UNKNOWN));
    expect(&s, "register");
    scene_head(&s, 1);
    scene_origin(&s, 1, MIB);
    scene_parents(&s, "A");
    expect(&s, "started; cancel 1; parent_open A");
    scene_end(&s);
}

static void schedule_timeout_ends_the_wait_for_the_scheduler(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 64 * MIB);
    s.config.schedule_timeout_ms = 1200;
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    expect(&s, "length 64M/4M; register");
    scene_pass(&s, 1199);
    assert_string_equal(s.said, "");
    scene_pass(&s, 1);
    assert_string_equal(s.said, "origin 1: 0 rest");
    scene_end(&s);
}

static void scheduler_is_asked_no_more_after_its_time(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 8 * MIB);
    s.config.schedule_timeout_ms = 6000;
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    scene_parents(&s, "A");
    (void)scene_drain(&s);
    scene_pass(&s, 5000);
    assert_string_equal(s.said, "reschedule");
    scene_parents(&s, "A");
    (void)scene_drain(&s);
    scene_pass(&s, 5000); /* A has nothing still, and it is too late to ask for others */
    assert_string_equal(s.said, "back_to_source_started; origin 1: 0 rest");
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_elsewhere_means_no_origin),
        cmocka_unit_test(unknown_task_is_asked_of_the_origin_and_held),
        cmocka_unit_test(stat_has_a_second),
        cmocka_unit_test(parents_replace_the_held_origin),
        cmocka_unit_test(small_objects_do_not_bother_the_scheduler),
        cmocka_unit_test(small_ranges_do_not_either),
        cmocka_unit_test(known_length_takes_whole_pieces),
        cmocka_unit_test(empty_objects_are_done_at_once),
        cmocka_unit_test(without_scheduler_the_origin_just_flows),
        cmocka_unit_test(refused_register_resumes),
        cmocka_unit_test(silent_scheduler_resumes_and_may_still_answer),
        cmocka_unit_test(seeds_register_while_bytes_flow),
        cmocka_unit_test(done_does_not_wait_for_ever_for_an_answer),
        cmocka_unit_test(seed_with_everything_announces_it),
        cmocka_unit_test(answers_that_make_no_sense_end_the_conversation_only),
        cmocka_unit_test(last_reader_leaving_cancels_everything),
        cmocka_unit_test(detached_downloads_go_on_without_readers),
        cmocka_unit_test(whole_objects_are_checked_before_the_end),
        cmocka_unit_test(parts_are_not_checked),
        cmocka_unit_test(wider_want_brings_the_scheduler_in),
        cmocka_unit_test(schedule_timeout_ends_the_wait_for_the_scheduler),
        cmocka_unit_test(scheduler_is_asked_no_more_after_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
