/* The fetch planner when its scheduler goes and comes back, event by event. The notation is that of
 * planner_test.c. */
#include "core/brain/planner_fixture.h"

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { A, B };

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

/* The scheduler misses the question about the object, and the origin is gone too. */
static void nobody_answers_at_first(struct scene *s, bool ask_length)
{
    scene_set(s, 12 * MIB);
    s->config.ask_length = ask_length;
    scene_start(s, 0, DTR_LENGTH_UNKNOWN, false);
    scene_pass(s, s->config.stat_timeout_ms);
    assert_string_equal(s->said,
                        ask_length ? "stat_task; origin 1: 0 1 length" : "stat_task; origin 1: 0 rest");
    scene_ends(s, 1, DTR_EUNAVAILABLE, DTR_RETRY_SAME, 0);
    expect(s, "stat_task");
}

static void scheduler_that_missed_the_question_is_asked_again(void **state)
{
    struct scene s;
    (void)state;
    for (int ask_length = 0; ask_length < 2; ask_length++) {
        nobody_answers_at_first(&s, ask_length);
        scene_stat(&s, true, 12 * MIB);
        expect(&s, "length 12M/4M; register");
        scene_parents(&s, "A");
        expect(&s, "started; parent_open A");
        scene_end(&s);
    }
}

/* So often as the origin is tried, and no more. */
static void scheduler_that_goes_on_missing_it_ends_the_pull_with_the_origin(void **state)
{
    struct scene s;
    (void)state;
    nobody_answers_at_first(&s, false);
    for (uint32_t try = 2; try <= 4; try++) {
        uint64_t backoff = 500u << (try - 2), stat = s.config.stat_timeout_ms;
        scene_pass(&s, backoff > stat ? backoff : stat);
        assert_int_equal(s.transfer_count, try);
        scene_ends(&s, try, DTR_EUNAVAILABLE, DTR_RETRY_SAME, 0);
        expect(&s, "stat_task");
    }
    dtr_planner_stat(s.planner, s.now,
                     &(struct dtr_plan_stat){.content_length = DTR_LENGTH_UNKNOWN, .missed = true});
    expect(&s, "fail: unavailable 0");
    scene_end(&s);
}

static void scheduler_that_knows_of_nothing_is_not_asked_again(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, false);
    scene_stat(&s, false, DTR_LENGTH_UNKNOWN);
    expect(&s, "stat_task; origin 1: 0 rest");
    scene_ends(&s, 1, DTR_EUNAVAILABLE, DTR_RETRY_SAME, 0);
    expect(&s, "");
    scene_end(&s);
}

/* One that goes away while it is asked missed the question too. */
static void scheduler_that_is_lost_while_it_is_asked_is_asked_again(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, false);
    expect(&s, "stat_task");
    scene_lost_for_now(&s);
    expect(&s, "origin 1: 0 rest");
    scene_ends(&s, 1, DTR_EUNAVAILABLE, DTR_RETRY_SAME, 0);
    scene_stat(&s, true, 12 * MIB);
    expect(&s, "stat_task; length 12M/4M; register");
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parents_go_on_without_the_scheduler),
        cmocka_unit_test(what_came_without_a_scheduler_is_told_to_the_next),
        cmocka_unit_test(a_scheduler_that_may_be_back_is_asked_before_the_origin),
        cmocka_unit_test(scheduler_that_is_back_is_asked_when_parents_do_not_suffice),
        cmocka_unit_test(scheduler_that_is_back_brings_a_pull_back_from_the_origin),
        cmocka_unit_test(scheduler_that_is_back_is_not_asked_for_a_rest),
        cmocka_unit_test(seed_tells_a_scheduler_that_is_back),
        cmocka_unit_test(scheduler_that_missed_the_question_is_asked_again),
        cmocka_unit_test(scheduler_that_goes_on_missing_it_ends_the_pull_with_the_origin),
        cmocka_unit_test(scheduler_that_knows_of_nothing_is_not_asked_again),
        cmocka_unit_test(scheduler_that_is_lost_while_it_is_asked_is_asked_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
