/* Pieces on their way out: which of them count, and how long they are said to take. */
#include "core/daemon/upload/upload_leaving.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct leaving leaving;
static struct leaving_piece pieces[20];

static uint64_t piece_ms(void)
{
    uint64_t ms;
    (void)leaving_moving(&leaving, 0, &ms);
    return ms;
}

static void expect_moving(uint64_t now_ms, uint32_t count)
{
    uint64_t ms;
    assert_int_equal(leaving_moving(&leaving, now_ms, &ms), count);
}

/* One that takes so long, from then on. */
static void send_one(uint64_t from_ms, uint64_t took_ms)
{
    leaving_begin(&leaving, &pieces[19], from_ms);
    (void)leaving_end(&leaving, &pieces[19], from_ms + took_ms);
}

static int set_up(void **state)
{
    (void)state;
    leaving_open(&leaving);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    leaving_close(&leaving);
    return 0;
}

static void all_count_as_long_as_none_has_left(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        leaving_begin(&leaving, &pieces[i], 100);
    expect_moving(100, 3);
    expect_moving(1000000, 3);
    assert_int_equal(piece_ms(), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(leaving_end(&leaving, &pieces[i], 600), 2 - i);
    assert_int_equal(piece_ms(), 500);
}

static void one_that_takes_many_times_as_long_does_not_count(void **state)
{
    (void)state;
    send_one(0, 500);
    leaving_begin(&leaving, &pieces[0], 1000);
    leaving_begin(&leaving, &pieces[1], 2500);
    expect_moving(2999, 2);
    expect_moving(3000, 1);
    expect_moving(4500, 0);
    assert_int_equal(leaving_end(&leaving, &pieces[1], 2600), 1);
    assert_int_equal(leaving_end(&leaving, &pieces[0], 90000), 0);
}

static void a_second_is_not_long_however_fast_the_others_are(void **state)
{
    (void)state;
    send_one(0, 0);
    leaving_begin(&leaving, &pieces[0], 1000);
    expect_moving(1999, 1);
    expect_moving(2000, 0);
    (void)leaving_end(&leaving, &pieces[0], 2000);
}

/* When the uplink becomes slow, all of them take longer: they count again after a few. */
static void what_is_usual_follows(void **state)
{
    uint64_t now_ms = 1000;
    int needed = 0;
    (void)state;
    send_one(0, 500);
    for (; piece_ms() * 4 <= 20000; needed++, now_ms += 20000)
        send_one(now_ms, 20000);
    assert_true(needed > 1 && needed < 10);
    for (; piece_ms() > 600; needed++, now_ms += 500)
        send_one(now_ms, 500);
    assert_true(needed < 50);
}

/* One that was cut off for minutes says little. */
static void one_that_was_stuck_hardly_counts_for_the_mean(void **state)
{
    (void)state;
    send_one(0, 500);
    send_one(1000, 3600000);
    assert_true(piece_ms() < 1000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(all_count_as_long_as_none_has_left),
        TEST(one_that_takes_many_times_as_long_does_not_count),
        TEST(a_second_is_not_long_however_fast_the_others_are),
        TEST(what_is_usual_follows),
        TEST(one_that_was_stuck_hardly_counts_for_the_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
