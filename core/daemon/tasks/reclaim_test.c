/* What leaves the store, decided without one. */
#include "core/daemon/tasks/reclaim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { DAY = 24 * 3600, NOW = 1000 * DAY };

/* A task's name is what its `task` points to. */
static struct reclaim_item item(const char *name, int64_t age_days, uint64_t bytes)
{
    return (struct reclaim_item){.task = name,
                                 .bytes = bytes,
                                 .used_at = NOW - age_days * DAY,
                                 .created_at = NOW - age_days * DAY,
                                 .finished = true};
}

static struct reclaim_limits limits(uint64_t capacity, uint64_t used)
{
    return (struct reclaim_limits){.now = NOW,
                                   .ttl = 30 * DAY,
                                   .capacity = capacity,
                                   .used = used,
                                   .high = 80,
                                   .low = 60,
                                   .disk_free = UINT64_MAX};
}

/* The names of what goes, in order. */
#define EXPECT(items, limits, wanted_room, names)                                                            \
    expect(items, sizeof(items) / sizeof((items)[0]), limits, wanted_room, names)

static void expect(struct reclaim_item *items, size_t count, const struct reclaim_limits *limits,
                   bool wanted_room, const char *names)
{
    char text[100] = "";
    bool room;
    size_t going = reclaim(items, count, limits, &room), length = 0;
    for (size_t i = 0; i < going; i++)
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%s", (const char *)items[i].task);
    for (size_t i = going; i < count; i++)
        assert_int_equal(items[i].reason, RECLAIM_NONE);
    assert_string_equal(text, names);
    assert_int_equal(room, wanted_room);
}

static void what_was_not_used_for_long_goes(void **state)
{
    (void)state;
    struct reclaim_item items[] = {item("a", 29, 10), item("b", 30, 10), item("c", 31, 10)};
    struct reclaim_limits no_pressure = limits(1000, 30);
    EXPECT(items, &no_pressure, true, "cb");
    assert_int_equal(items[0].reason, RECLAIM_AGE);
}

static void what_is_in_use_stays_whatever_happens(void **state)
{
    (void)state;
    struct reclaim_item items[] = {item("a", 400, 500), item("b", 1, 450)};
    struct reclaim_limits full = limits(1000, 1000);
    full.wanted = 500;
    items[0].pinned = true;
    items[1].pinned = true;
    EXPECT(items, &full, false, "");
}

static void a_clock_set_back_makes_nothing_old(void **state)
{
    (void)state;
    struct reclaim_item items[] = {item("a", -400, 10), item("b", -1, 10)};
    struct reclaim_limits no_pressure = limits(1000, 20);
    EXPECT(items, &no_pressure, true, "");
}

static void from_the_high_mark_the_oldest_go_until_the_low_one(void **state)
{
    (void)state;
    struct reclaim_item items[] = {item("a", 1, 100), item("b", 5, 100), item("c", 3, 100),
                                   item("d", 4, 100)};
    struct reclaim_limits below = limits(1000, 799), at = limits(1000, 800);
    EXPECT(items, &below, true, "");
    EXPECT(items, &at, true, "bd");
    assert_int_equal(items[0].reason, RECLAIM_SPACE);
}

static void what_goes_by_age_counts_for_the_disk(void **state)
{
    (void)state;
    struct reclaim_item items[] = {item("a", 40, 150), item("b", 5, 100), item("c", 3, 100)};
    struct reclaim_limits high = limits(1000, 900);
    EXPECT(items, &high, true, "a");
}

static void unfinished_ones_stay_for_a_day(void **state)
{
    (void)state;
    struct reclaim_item items[] = {item("a", 9, 100), item("b", 8, 100), item("c", 1, 100),
                                   item("d", 0, 100)};
    struct reclaim_limits full = limits(400, 400);
    for (size_t i = 0; i < 4; i++)
        items[i].finished = false;
    items[0].created_at = NOW - DAY + 1;
    EXPECT(items, &full, true, "bc");
    items[1].reason = items[0].reason = RECLAIM_NONE;
    full.wanted = 300;
    EXPECT(items, &full, false, "bc");
}

static void room_is_made_oldest_first(void **state)
{
    (void)state;
    struct reclaim_item items[] = {item("a", 1, 100), item("b", 3, 100), item("c", 2, 100)};
    struct reclaim_limits some = limits(1000, 500);
    some.wanted = 500;
    EXPECT(items, &some, true, "");
    some.wanted = 501;
    EXPECT(items, &some, true, "b");
    some.wanted = 700;
    EXPECT(items, &some, true, "bc");
}

static void nothing_goes_for_room_that_cannot_be_had(void **state)
{
    (void)state;
    struct reclaim_item items[] = {item("a", 1, 100), item("b", 3, 100)};
    struct reclaim_limits some = limits(1000, 500);
    some.wanted = 701;
    EXPECT(items, &some, false, "");
    some.wanted = UINT64_MAX;
    EXPECT(items, &some, false, "");
}

static void the_disk_may_be_fuller_than_our_part_of_it(void **state)
{
    (void)state;
    struct reclaim_item items[] = {item("a", 3, 100), item("b", 2, 100), item("c", 1, 100)};
    struct reclaim_limits some = limits(1000, 300);
    some.disk_free = 0;
    EXPECT(items, &some, true, ""); /* nothing is wanted, and our part is not full */
    some.wanted = 150;
    EXPECT(items, &some, true, "ab");
    some.disk_free = 50;
    EXPECT(items, &some, true, "a");
    some.wanted = 351;
    EXPECT(items, &some, false, "");
    some.disk_free = UINT64_MAX - 1;
    EXPECT(items, &some, true, "");
}

static void others_may_use_the_disk_too(void **state)
{
    (void)state;
    struct reclaim_item items[] = {item("a", 1, 50)};
    struct reclaim_limits full = limits(1000, 1000), tiny = limits(UINT64_MAX, UINT64_MAX);
    EXPECT(items, &full, true, "a");
    EXPECT(items, &tiny, true, "a");
}

static void an_empty_store_has_nothing_to_give(void **state)
{
    (void)state;
    bool room;
    struct reclaim_limits full = limits(1000, 1000);
    full.wanted = 1;
    assert_int_equal(reclaim(NULL, 0, &full, &room), 0);
    assert_false(room);
}

/* Any store: nobody in use goes, enough goes and not one more than needed. */
static void random_stores(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int round = 0; round < 2000; round++) {
        struct reclaim_item items[20];
        uint32_t dice[60];
        uint64_t stored = 0, left;
        bool room;
        for (size_t i = 0; i < 60; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            dice[i] = (uint32_t)(seed >> 33);
        }
        for (size_t i = 0; i < 20; i++) {
            items[i] = item("x", dice[3 * i] % 40, dice[3 * i + 1] % 100);
            items[i].pinned = dice[3 * i + 2] % 4 == 0;
            items[i].finished = dice[3 * i + 2] % 5 != 0;
            stored += items[i].bytes;
        }
        struct reclaim_limits some = limits(stored + dice[0] % 500, stored);
        some.wanted = dice[1] % 800;
        size_t going = reclaim(items, 20, &some, &room);
        left = stored;
        for (size_t i = 0; i < going; i++) {
            assert_false(items[i].pinned);
            /* the last one for space was needed */
            bool high = left >= some.capacity * 80 / 100 || left > some.capacity * 60 / 100;
            if (items[i].reason == RECLAIM_SPACE)
                assert_true(high || some.capacity - left < some.wanted);
            left -= items[i].bytes;
        }
        if (room)
            assert_true(some.capacity - left >= some.wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_not_used_for_long_goes),
        cmocka_unit_test(what_is_in_use_stays_whatever_happens),
        cmocka_unit_test(a_clock_set_back_makes_nothing_old),
        cmocka_unit_test(from_the_high_mark_the_oldest_go_until_the_low_one),
        cmocka_unit_test(what_goes_by_age_counts_for_the_disk),
        cmocka_unit_test(unfinished_ones_stay_for_a_day),
        cmocka_unit_test(room_is_made_oldest_first),
        cmocka_unit_test(nothing_goes_for_room_that_cannot_be_had),
        cmocka_unit_test(the_disk_may_be_fuller_than_our_part_of_it),
        cmocka_unit_test(others_may_use_the_disk_too),
        cmocka_unit_test(an_empty_store_has_nothing_to_give),
        cmocka_unit_test(random_stores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
