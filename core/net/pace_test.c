/* Rates in a clock that the tests turn. */
#include "core/net/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static const uint64_t second = 1000000000, start_ns = 7 * (uint64_t)1000000000;

/* Users of one limit who always want more: each goes when its turn has come. */
struct user {
    uint64_t turn, from_ns, until_ns; /* size, and when it is there */
    uint64_t go_ns, bytes;
    bool begun; /* its first turn was taken */
};

static void run(struct dtr_pace *pace, struct user *users, size_t count, uint64_t seconds)
{
    uint64_t end = start_ns + seconds * second;
    for (size_t i = 0; i < count; i++)
        users[i].go_ns = users[i].from_ns;
    for (;;) {
        struct user *next = NULL;
        for (size_t i = 0; i < count; i++) {
            if (users[i].go_ns < users[i].until_ns && (!next || users[i].go_ns < next->go_ns))
                next = &users[i];
        }
        if (!next || next->go_ns >= end)
            break;
        next->bytes += next->begun ? next->turn : 0;
        next->begun = true;
        next->go_ns += dtr_pace_take(pace, next->go_ns, next->turn);
    }
}

static void the_rate_holds_over_time(void **state)
{
    (void)state;
    static const uint64_t rates[] = {1000, 100000, 10000000, 50000000000};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct dtr_pace pace;
        dtr_pace_init(&pace, rates[i], DTR_PACE_BURST_NS);
        struct user user = {.turn = rates[i] / 100, .from_ns = start_ns, .until_ns = UINT64_MAX};
        run(&pace, &user, 1, 10);
        assert_in_range(user.bytes, rates[i] * 10, rates[i] * 10 + rates[i] / 8);
    }
}

static void users_get_the_same_share(void **state)
{
    (void)state;
    struct dtr_pace pace;
    dtr_pace_init(&pace, 10000000, DTR_PACE_BURST_NS);
    struct user users[3] = {{.turn = 10000, .from_ns = start_ns, .until_ns = UINT64_MAX},
                            {.turn = 10000, .from_ns = start_ns, .until_ns = UINT64_MAX},
                            {.turn = 10000, .from_ns = start_ns + 5 * second, .until_ns = UINT64_MAX}};
    run(&pace, users, 3, 11);
    /* The first one took the burst. */
    assert_in_range(users[0].bytes, users[1].bytes + 980000, users[1].bytes + 1020000);
    assert_in_range(users[2].bytes, 19000000, 21000000); /* a third of six seconds */
    assert_in_range(users[0].bytes + users[1].bytes + users[2].bytes, 110000000, 111100000);
}

static void a_lull_is_worth_a_burst_and_no_more(void **state)
{
    (void)state;
    struct dtr_pace pace;
    dtr_pace_init(&pace, 1000, DTR_PACE_BURST_NS);
    for (int turn = 0; turn < 2; turn++) {
        uint64_t now = start_ns + (uint64_t)turn * 3600 * second;
        assert_int_equal(dtr_pace_take(&pace, now, 100), 0); /* 100 ms of the past */
        assert_int_equal(dtr_pace_take(&pace, now, 50), 0);
        assert_int_equal(dtr_pace_take(&pace, now, 1), 50000000);
        assert_int_equal(dtr_pace_take(&pace, now, 1), 51000000);
    }
}

static void what_is_given_back_is_the_next_ones(void **state)
{
    (void)state;
    struct dtr_pace pace;
    dtr_pace_init(&pace, 1000, 0);
    assert_int_equal(dtr_pace_take(&pace, start_ns, 500), 0);
    dtr_pace_give_back(&pace, 400);
    assert_int_equal(dtr_pace_take(&pace, start_ns, 1), 100000000);
    dtr_pace_give_back(&pace, UINT64_MAX);
    assert_int_equal(dtr_pace_take(&pace, start_ns, 1), 0);
}

static void limits_come_change_and_go(void **state)
{
    (void)state;
    struct dtr_pace pace;
    dtr_pace_init(&pace, 1, 0);
    (void)dtr_pace_take(&pace, start_ns, 1000000);
    dtr_pace_set(&pace, 1000);
    assert_int_equal(dtr_pace_take(&pace, start_ns, 1000), 0);
    assert_int_equal(dtr_pace_take(&pace, start_ns, 1), second);
    dtr_pace_set(&pace, 1000); /* a reload that leaves it is no new start */
    assert_int_equal(dtr_pace_take(&pace, start_ns, 999), second + second / 1000);
    dtr_pace_set(&pace, 0);
    assert_int_equal(dtr_pace_take(&pace, start_ns, UINT64_MAX), 0);
    assert_int_equal(dtr_pace_take(NULL, start_ns, UINT64_MAX), 0);
    dtr_pace_set(&pace, 1);
    (void)dtr_pace_take(&pace, start_ns, UINT64_MAX); /* far ahead, not around the corner */
    assert_true(dtr_pace_take(&pace, start_ns, 1) >= second * 1000);
}

static void turns_are_some_milliseconds(void **state)
{
    (void)state;
    struct dtr_pace pace;
    static const uint64_t cases[][2] = {{1, 4096}, {640000, 10000}, {50000000000, 262144}};
    for (size_t i = 0; i < 3; i++) {
        dtr_pace_init(&pace, cases[i][0], 0);
        assert_int_equal(dtr_pace_turn(&pace), cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rate_holds_over_time),
        cmocka_unit_test(users_get_the_same_share),
        cmocka_unit_test(a_lull_is_worth_a_burst_and_no_more),
        cmocka_unit_test(what_is_given_back_is_the_next_ones),
        cmocka_unit_test(limits_come_change_and_go),
        cmocka_unit_test(turns_are_some_milliseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
