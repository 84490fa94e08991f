/* The fetch planner and the origin, event by event: tries, stalls, ranges, lengths. The notation is that of
 * planner_test.c. */
#include "core/brain/planner_fixture.h"

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void origin_that_breaks_off_is_taken_up_where_it_stopped(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    s.config.have_scheduler = false;
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, false);
    scene_head(&s, 1);
    scene_origin(&s, 1, 5 * MIB);
    (void)scene_drain(&s);
    scene_ends(&s, 1, DTR_ECLOSED, DTR_RETRY_SAME, 0);
    expect(&s, "origin 2: 5M rest");
    scene_head(&s, 2);
    scene_origin(&s, 2, 7 * MIB);
    expect(&s, "done");
    scene_end(&s);
}

static void stalled_origin_is_asked_anew_then_fails(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    s.config.have_scheduler = false;
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, false);
    scene_head(&s, 1);
    scene_origin(&s, 1, 5 * MIB);
    scene_pass(&s, 5000);
    assert_non_null(strstr(s.said, "cancel 1; origin 2: 5M rest"));
    scene_pass(&s, 55000);
    assert_non_null(strstr(s.said, "fail: timed out"));
    scene_end(&s);
}

static void the_whole_comes_after_what_a_reader_waits_for(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 32 * MIB);
    s.config.have_scheduler = false;
    s.whole = true;
    scene_start(&s, 20 * MIB, MIB, true);
    expect(&s, "length 32M/4M; origin 1: 20M rest");
    scene_head(&s, 1);
    scene_origin(&s, 1, 4 * MIB);
    dtr_planner_unwant(s.planner, s.now, 1);
    expect(&s, "");
    scene_origin(&s, 1, 8 * MIB);
    scene_ends(&s, 1, DTR_OK, DTR_RETRY_NEVER, 0);
    expect(&s, "origin 2: 0 20M");
    scene_head(&s, 2);
    scene_origin(&s, 2, 20 * MIB);
    expect(&s, "done");
    scene_end(&s);
}

static void the_whole_makes_way_for_a_reader(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 64 * MIB);
    s.config.have_scheduler = false;
    s.whole = true;
    scene_start(&s, 0, 0, true);
    expect(&s, "length 64M/4M; origin 1: 0 rest");
    scene_head(&s, 1);
    scene_origin(&s, 1, 4 * MIB);
    assert_true(dtr_planner_want(s.planner, s.now, 7, 8 * MIB, MIB));
    expect(&s, ""); /* it is about to come */
    assert_true(dtr_planner_want(s.planner, s.now, 8, 40 * MIB, MIB));
    expect(&s, ""); /* one after the other */
    scene_origin(&s, 1, 8 * MIB);
    expect(&s, "cancel 1; origin 2: 40M rest");
    scene_ends(&s, 1, DTR_ECANCELLED, DTR_RETRY_NEVER, 0);
    scene_head(&s, 2);
    scene_origin(&s, 2, 24 * MIB);
    scene_ends(&s, 2, DTR_OK, DTR_RETRY_NEVER, 0);
    expect(&s, "origin 3: 12M 28M");
    scene_end(&s);
}

static void a_reader_of_unknown_length_comes_first_too(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 32 * MIB);
    s.config.have_scheduler = false;
    scene_start(&s, 20 * MIB, MIB, false);
    expect(&s, "origin 1: 20M 1M");
    assert_true(dtr_planner_whole(s.planner, s.now));
    scene_head(&s, 1);
    scene_origin(&s, 1, MIB);
    scene_ends(&s, 1, DTR_OK, DTR_RETRY_NEVER, 0);
    expect(&s, "length 32M/4M; origin 2: 21M rest");
    scene_end(&s);
    s.whole = true;
    scene_set(&s, 32 * MIB);
    s.config.have_scheduler = false;
    s.whole = true;
    scene_start(&s, 20 * MIB, MIB, false);
    expect(&s, "origin 1: 20M rest");
    scene_end(&s);
}

static void origin_404_fails_at_once(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, false);
    scene_stat(&s, false, DTR_LENGTH_UNKNOWN);
    (void)scene_drain(&s);
    scene_ends(&s, 1, DTR_EORIGIN, DTR_RETRY_NEVER, 404);
    expect(&s, "fail: refused by the origin 404");
    scene_end(&s);
}

static void an_empty_object_has_no_byte_that_tells_its_length(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 0);
    s.config.ask_length = true;
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, false);
    scene_stat(&s, false, DTR_LENGTH_UNKNOWN);
    expect(&s, "stat_task; origin 1: 0 1 length");
    scene_ends(&s, 1, DTR_EORIGIN, DTR_RETRY_NEVER, 416);
    expect(&s, "origin 2: 0 rest");
    scene_head(&s, 2);
    assert_non_null(strstr(scene_drain(&s), "done"));
    scene_ends(&s, 2, DTR_OK, DTR_RETRY_NEVER, 0);
    scene_end(&s);
    /* An origin that refuses that as well is not asked for ever. */
    scene_set(&s, 0);
    s.config.ask_length = true;
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, false);
    scene_stat(&s, false, DTR_LENGTH_UNKNOWN);
    (void)scene_drain(&s);
    scene_ends(&s, 1, DTR_EORIGIN, DTR_RETRY_NEVER, 416);
    scene_ends(&s, 2, DTR_EORIGIN, DTR_RETRY_NEVER, 416);
    assert_non_null(strstr(scene_drain(&s), "fail: refused by the origin 416"));
    scene_end(&s);
}

/* Of an object of `size` bytes a MiB is expected to be all. */
static void expect_a_mib(struct scene *s, uint64_t size)
{
    scene_set(s, size);
    s->config.ask_length = true;
    s->config.expected = MIB;
    scene_start(s, 0, DTR_LENGTH_UNKNOWN, false);
    expect(s, "origin 1: 0 1M");
}

static void what_is_small_as_expected_takes_one_request(void **state)
{
    struct scene s;
    (void)state;
    expect_a_mib(&s, 5000);
    scene_head(&s, 1);
    expect(&s, "length 5000/4M");
    scene_origin(&s, 1, 5000);
    expect(&s, "done");
    scene_end(&s);
}

static void what_is_larger_than_expected_comes_as_ever(void **state)
{
    struct scene s;
    (void)state;
    expect_a_mib(&s, 12 * MIB);
    scene_head(&s, 1);
    expect(&s, "length 12M/4M; hold 1; register");
    scene_answer(&s, DTR_PLAN_ANSWER_NORMAL);
    assert_non_null(strstr(scene_drain(&s), "cancel 1"));
    scene_end(&s);
    /* Too small for peers. */
    expect_a_mib(&s, 3 * MIB);
    scene_head(&s, 1);
    expect(&s, "length 3M/4M");
    scene_origin(&s, 1, MIB);
    scene_ends(&s, 1, DTR_OK, DTR_RETRY_NEVER, 0);
    expect(&s, "origin 2: 1M rest");
    scene_end(&s);
}

/* A reader of a part is answered by that part, and its length question by a byte. */
static void of_a_part_nothing_is_expected(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    s.config.ask_length = true;
    s.config.expected = MIB;
    scene_start(&s, 4 * MIB, DTR_LENGTH_UNKNOWN, false);
    expect(&s, "stat_task");
    scene_end(&s);
}

static void an_origin_that_fails_expectations_is_not_the_last_word(void **state)
{
    struct scene s;
    (void)state;
    for (int silent = 0; silent < 2; silent++) {
        expect_a_mib(&s, 12 * MIB);
        if (silent) {
            scene_pass(&s, 2 * s.config.stall_timeout_ms);
            assert_string_equal(s.said, "cancel 1; stat_task");
        } else {
            scene_ends(&s, 1, DTR_EUNAVAILABLE, DTR_RETRY_SAME, 0);
            expect(&s, "stat_task");
        }
        scene_stat(&s, true, 12 * MIB);
        expect(&s, "length 12M/4M; register");
        scene_end(&s);
    }
    expect_a_mib(&s, 12 * MIB);
    scene_ends(&s, 1, DTR_EORIGIN, DTR_RETRY_NEVER, 404);
    scene_stat(&s, false, DTR_LENGTH_UNKNOWN);
    expect(&s, "stat_task; origin 2: 0 1 length");
    scene_ends(&s, 2, DTR_EORIGIN, DTR_RETRY_NEVER, 404);
    expect(&s, "fail: refused by the origin 404");
    scene_end(&s);
}

static void origin_500_is_tried_four_times(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    scene_answer(&s, DTR_PLAN_ANSWER_BACK_TO_SOURCE);
    expect(&s, "length 12M/4M; register; back_to_source_started; origin 1: 0 rest");
    for (uint32_t try = 1; try < 4; try++) {
        scene_ends(&s, try, DTR_EORIGIN, DTR_RETRY_SAME, 500);
        expect(&s, "");
        scene_pass(&s, 500u << (try - 1));
        assert_int_equal(scene_count(&s, "origin"), 1);
    }
    scene_ends(&s, 4, DTR_EORIGIN, DTR_RETRY_SAME, 500);
    expect(&s, "fail: refused by the origin 500; back_to_source_piece_failed; back_to_source_failed");
    scene_end(&s);
}

static void ignored_range_is_taken_from_the_start(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 64 * MIB);
    scene_start(&s, 8 * MIB, 2 * MIB, false);
    expect(&s, "origin 1: 8M 2M");
    s.transfers[1].action.offset = 0;
    scene_head(&s, 1);
    expect(&s, "length 64M/4M");
    scene_origin(&s, 1, 8 * MIB);
    expect(&s, "");
    scene_origin(&s, 1, 2 * MIB);
    expect(&s, "done");
    scene_end(&s);
}

/* A daemon that comes back with nearly all of a large object: its peers are as near as before. */
static void the_rest_of_a_large_object_comes_from_peers(void **state)
{
    const uint8_t all_but_the_last = 7;
    struct scene s;
    (void)state;
    scene_set(&s, 16 * MIB);
    s.talk.answers_max = s.config.max_schedule_count;
    struct dtr_plan_start start = {1, 0, DTR_LENGTH_UNKNOWN, false, 16 * MIB, &all_but_the_last, 4};
    assert_int_equal(dtr_planner_new(&s.config, &start, s.now, &s.planner, NULL), DTR_OK);
    expect(&s, "length 16M/4M; register");
    scene_end(&s);
    scene_set(&s, 16 * MIB); /* a reader of little is served by the origin */
    start = (struct dtr_plan_start){1, 13 * MIB, MIB, false, 16 * MIB, &all_but_the_last, 4};
    assert_int_equal(dtr_planner_new(&s.config, &start, s.now, &s.planner, NULL), DTR_OK);
    expect(&s, "length 16M/4M; origin 1: 12M rest");
    scene_end(&s);
}

static void length_that_is_never_said(void **state)
{
    const struct dtr_plan_head head = {.total_length = DTR_LENGTH_UNKNOWN};
    struct scene s;
    (void)state;
    scene_set(&s, 6 * MIB);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, false);
    scene_stat(&s, false, DTR_LENGTH_UNKNOWN);
    (void)scene_drain(&s);
    dtr_planner_origin_head(s.planner, s.now, 1, &head);
    expect(&s, "length rest/4M");
    scene_origin(&s, 1, 6 * MIB);
    expect(&s, "");
    scene_ends(&s, 1, DTR_OK, DTR_RETRY_NEVER, 0);
    expect(&s, "length 6M/4M; done");
    scene_end(&s);
}

static void another_version_is_not_mixed_in(void **state)
{
    const struct dtr_plan_head other = {.total_length = 13 * MIB};
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    s.config.have_scheduler = false;
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    (void)scene_drain(&s);
    dtr_planner_origin_head(s.planner, s.now, 1, &other);
    expect(&s, "cancel 1; fail: corrupt 0");
    scene_end(&s);
}

static void disabled_source_asks_only_for_the_length(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    s.config.disable_back_to_source = true;
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, false);
    scene_stat(&s, false, DTR_LENGTH_UNKNOWN);
    expect(&s, "stat_task; origin 1: 0 1 length");
    scene_head(&s, 1);
    expect(&s, "length 12M/4M; register");
    scene_answer(&s, DTR_PLAN_ANSWER_BACK_TO_SOURCE);
    expect(&s, "fail: unavailable 0; failed");
    scene_end(&s);

    scene_set(&s, 12 * MIB);
    s.config.disable_back_to_source = true;
    s.config.have_scheduler = false;
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, false);
    expect(&s, "fail: unavailable 0");
    scene_end(&s);
}

static void stored_pieces_are_not_fetched(void **state)
{
    const uint8_t first_and_third = 5;
    struct scene s;
    (void)state;
    scene_set(&s, 16 * MIB);
    s.config.have_scheduler = false;
    struct dtr_plan_start start = {1, 0, DTR_LENGTH_UNKNOWN, false, 16 * MIB, &first_and_third, 4};
    assert_int_equal(dtr_planner_new(&s.config, &start, s.now, &s.planner, NULL), DTR_OK);
    expect(&s, "length 16M/4M; origin 1: 4M 4M");
    scene_head(&s, 1);
    scene_origin(&s, 1, 4 * MIB);
    scene_ends(&s, 1, DTR_OK, DTR_RETRY_NEVER, 0);
    expect(&s, "origin 2: 12M rest");
    scene_end(&s);
}

static void range_behind_the_end_is_416(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    scene_start(&s, 20 * MIB, DTR_LENGTH_UNKNOWN, true);
    expect(&s, "length 12M/4M; fail: invalid 416");
    scene_end(&s);
}

static void full_disk_fails_with_its_name(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 12 * MIB);
    s.config.have_scheduler = false;
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    (void)scene_drain(&s);
    scene_ends(&s, 1, DTR_ENO_SPACE, DTR_RETRY_NEVER, 0);
    expect(&s, "fail: no space left 0");
    scene_end(&s);
}

static void bytes_that_are_never_verified_do_not_count(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 4 * MIB);
    s.config.have_scheduler = false;
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    for (uint32_t id = 1; id <= 4; id++) {
        scene_head(&s, id);
        dtr_planner_progress(s.planner, s.now, id, 0, 4 * MIB);
        scene_ends(&s, id, DTR_OK, DTR_RETRY_NEVER, 0);
        scene_pass(&s, 4000);
    }
    assert_string_equal(s.said, "fail: input/output error 0");
    scene_end(&s);
}

static void absurd_lengths_are_refused(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, UINT64_MAX - 1);
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, false);
    scene_stat(&s, true, UINT64_MAX - 1);
    expect(&s, "stat_task; fail: invalid 0");
    scene_end(&s);
}

static void requested_piece_length_is_used(void **state)
{
    struct scene s;
    (void)state;
    scene_set(&s, 64 * MIB);
    s.config.piece_length = 16 * MIB;
    scene_start(&s, 0, DTR_LENGTH_UNKNOWN, true);
    expect(&s, "length 64M/16M; register");
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(origin_that_breaks_off_is_taken_up_where_it_stopped),
        cmocka_unit_test(stalled_origin_is_asked_anew_then_fails),
        cmocka_unit_test(the_whole_comes_after_what_a_reader_waits_for),
        cmocka_unit_test(the_whole_makes_way_for_a_reader),
        cmocka_unit_test(a_reader_of_unknown_length_comes_first_too),
        cmocka_unit_test(origin_404_fails_at_once),
        cmocka_unit_test(origin_500_is_tried_four_times),
        cmocka_unit_test(an_empty_object_has_no_byte_that_tells_its_length),
        cmocka_unit_test(what_is_small_as_expected_takes_one_request),
        cmocka_unit_test(what_is_larger_than_expected_comes_as_ever),
        cmocka_unit_test(of_a_part_nothing_is_expected),
        cmocka_unit_test(an_origin_that_fails_expectations_is_not_the_last_word),
        cmocka_unit_test(ignored_range_is_taken_from_the_start),
        cmocka_unit_test(length_that_is_never_said),
        cmocka_unit_test(another_version_is_not_mixed_in),
        cmocka_unit_test(disabled_source_asks_only_for_the_length),
        cmocka_unit_test(stored_pieces_are_not_fetched),
        cmocka_unit_test(the_rest_of_a_large_object_comes_from_peers),
        cmocka_unit_test(range_behind_the_end_is_416),
        cmocka_unit_test(full_disk_fails_with_its_name),
        cmocka_unit_test(bytes_that_are_never_verified_do_not_count),
        cmocka_unit_test(absurd_lengths_are_refused),
        cmocka_unit_test(requested_piece_length_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
