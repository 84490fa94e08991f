/* Spreading pieces among children: who is told what, event by event. */
#include "core/brain/spread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { CHILDREN = 8, PIECES = 16 };

struct world {
    struct dtr_spread *spread;
    struct dtr_spread_child *children[CHILDREN];
    uint64_t now;
    char said[1024]; /* "A0 B1": A was told of piece 0, B of piece 1 */
};

static const char *const names[CHILDREN] = {"A", "B", "C", "D", "E", "F", "G", "H"};

static const char *drain(struct world *w)
{
    struct dtr_spread_tell tell;
    size_t length = 0;
    w->said[0] = 0;
    while (dtr_spread_next(w->spread, &tell))
        length += (size_t)snprintf(w->said + length, sizeof(w->said) - length, "%s%s%u", length ? " " : "",
                                   (const char *)tell.who, tell.number);
    return w->said;
}

static void begin(struct world *w)
{
    *w = (struct world){.spread = dtr_spread_new(), .now = 1000};
    assert_non_null(w->spread);
}

/* The child wants pieces 0 to PIECES - 1. */
static void join(struct world *w, uint32_t child)
{
    uint32_t wanted[PIECES];
    for (uint32_t n = 0; n < PIECES; n++)
        wanted[n] = n;
    w->children[child] = dtr_spread_join(w->spread, w->now, (void *)(uintptr_t)names[child], wanted, PIECES);
    assert_non_null(w->children[child]);
}

static void leave(struct world *w, uint32_t child)
{
    dtr_spread_leave(w->spread, w->now, w->children[child]);
    w->children[child] = NULL;
}

static void piece(struct world *w, uint32_t number)
{
    assert_true(dtr_spread_piece(w->spread, w->now, number));
}

static void sending(struct world *w, uint32_t count)
{
    w->now += 20; /* what was told before is asked for by now */
    dtr_spread_sending(w->spread, w->now, count, 0);
}

static void pass(struct world *w, uint64_t ms)
{
    w->now += ms;
    dtr_spread_tick(w->spread, w->now);
}

static void one_child_is_told_at_once(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    for (uint32_t n = 2; n < 8; n++)
        piece(&w, n);
    join(&w, 0);
    assert_string_equal(drain(&w), "A2 A3 A4 A5 A6 A7");
    piece(&w, 1);
    piece(&w, 1);
    assert_string_equal(drain(&w), "A1");
    assert_int_equal(dtr_spread_missing(w.children[0]), PIECES - 7);
    assert_int_equal(dtr_spread_held(w.children[0]), 0);
    assert_true(dtr_spread_wake_ms(w.spread) == UINT64_MAX);
    dtr_spread_free(w.spread);
}

/* Those who were told of everything have gone, and take their pieces. */
static void who_comes_while_others_take_is_not_alone(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    for (uint32_t n = 0; n < PIECES; n++)
        piece(&w, n);
    join(&w, 0);
    (void)drain(&w);
    leave(&w, 0);
    sending(&w, DTR_SPREAD_BUSY);
    join(&w, 1);
    assert_string_equal(drain(&w), "");
    sending(&w, DTR_SPREAD_BUSY - 1);
    assert_int_equal(strlen(drain(&w)) > 0, 1);
    dtr_spread_free(w.spread);
}

static void each_piece_goes_to_one_first(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    sending(&w, DTR_SPREAD_BUSY);
    for (uint32_t i = 0; i < 3; i++)
        join(&w, i);
    for (uint32_t n = 0; n < 6; n++)
        piece(&w, n);
    assert_string_equal(drain(&w), "A0 B1 C2 A3 B4 C5");
    assert_int_equal(dtr_spread_held(w.children[0]), 4);
    dtr_spread_free(w.spread);
}

static void room_on_the_way_out_is_used(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    sending(&w, DTR_SPREAD_BUSY);
    join(&w, 0);
    join(&w, 1);
    for (uint32_t n = 0; n < 4; n++)
        piece(&w, n);
    assert_string_equal(drain(&w), "A0 B1 A2 B3");
    sending(&w, DTR_SPREAD_BUSY - 1);
    assert_string_equal(drain(&w), "A1");
    sending(&w, DTR_SPREAD_BUSY - 2);
    assert_string_equal(drain(&w), "B0 A3");
    sending(&w, 0);
    assert_string_equal(drain(&w), "B2");
    dtr_spread_free(w.spread);
}

static void children_that_do_not_ask_are_told_more_and_more(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    for (uint32_t n = 0; n < PIECES; n++)
        piece(&w, n);
    join(&w, 0);
    (void)drain(&w);
    join(&w, 1);
    assert_string_equal(drain(&w), "B0 B1 B2 B3");
    pass(&w, 100);
    assert_string_equal(drain(&w), "B4 B5 B6 B7");
    pass(&w, 50); /* not yet */
    assert_string_equal(drain(&w), "");
    pass(&w, 50);
    assert_string_equal(drain(&w), "B8 B9 B10 B11 B12 B13 B14 B15");
    dtr_spread_free(w.spread);
}

static void nothing_is_held_for_ever(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    dtr_spread_sending(w.spread, w.now, DTR_SPREAD_BUSY, 125); /* so a piece is held for 2 s */
    join(&w, 0);
    join(&w, 1);
    piece(&w, 0);
    w.now += 1000;
    piece(&w, 1);
    assert_string_equal(drain(&w), "A0 B1");
    assert_true(dtr_spread_wake_ms(w.spread) == w.now + 100);
    pass(&w, 999);
    assert_string_equal(drain(&w), "");
    pass(&w, 1);
    assert_string_equal(drain(&w), "B0");
    pass(&w, 1000);
    assert_string_equal(drain(&w), "A1");
    dtr_spread_free(w.spread);
}

static void who_is_left_alone_is_told_the_rest(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    sending(&w, DTR_SPREAD_BUSY);
    join(&w, 0);
    join(&w, 1);
    piece(&w, 0);
    piece(&w, 1);
    leave(&w, 0); /* before it heard of piece 0 */
    assert_string_equal(drain(&w), "B1");
    sending(&w, DTR_SPREAD_BUSY - 1);
    assert_string_equal(drain(&w), "B0");
    dtr_spread_free(w.spread);
}

static void only_what_is_wanted_is_told(void **state)
{
    const uint32_t wanted[] = {3, 200, 3};
    struct world w;
    (void)state;
    begin(&w);
    w.children[0] = dtr_spread_join(w.spread, w.now, (void *)(uintptr_t) "A", wanted, 3);
    assert_int_equal(dtr_spread_missing(w.children[0]), 2);
    for (uint32_t n = 0; n < 300; n++)
        piece(&w, n);
    assert_string_equal(drain(&w), "A3 A200");
    assert_int_equal(dtr_spread_missing(w.children[0]), 0);
    dtr_spread_free(w.spread);
}

/* Whatever happens in whatever order, everybody is told of everything exactly once. */
static void random_orders(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        uint64_t random = seed * 0x9e3779b97f4a7c15u;
        uint32_t told[CHILDREN] = {0}, here = 0;
        struct dtr_spread_tell tell;
        struct world w;
        begin(&w);
        for (uint32_t step = 0; step < 400; step++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            uint32_t choice = (uint32_t)(random >> 60), which = (uint32_t)(random >> 40) % CHILDREN;
            uint32_t number = (uint32_t)(random >> 20) % PIECES;
            if (choice < 3 && !w.children[which]) {
                join(&w, which);
                told[which] = 0;
            } else if (choice < 5 && w.children[which]) {
                leave(&w, which);
            } else if (choice < 10) {
                piece(&w, number);
                here |= 1u << number;
            } else if (choice < 13) {
                sending(&w, (uint32_t)(random >> 30) % 8);
            } else {
                pass(&w, (random >> 30) % 400);
            }
            while (dtr_spread_next(w.spread, &tell)) {
                uint32_t child = (uint32_t)(((const char *)tell.who)[0] - 'A');
                assert_non_null(w.children[child]);
                assert_true(here >> tell.number & 1);
                assert_false(told[child] >> tell.number & 1);
                told[child] |= 1u << tell.number;
            }
        }
        pass(&w, 60000);
        while (dtr_spread_next(w.spread, &tell))
            told[((const char *)tell.who)[0] - 'A'] |= 1u << tell.number;
        for (uint32_t i = 0; i < CHILDREN; i++)
            if (w.children[i] && told[i] != here)
                fail_msg("seed %llu: child %u", (unsigned long long)seed, i);
        dtr_spread_free(w.spread);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_child_is_told_at_once),
        cmocka_unit_test(who_comes_while_others_take_is_not_alone),
        cmocka_unit_test(each_piece_goes_to_one_first),
        cmocka_unit_test(room_on_the_way_out_is_used),
        cmocka_unit_test(children_that_do_not_ask_are_told_more_and_more),
        cmocka_unit_test(nothing_is_held_for_ever),
        cmocka_unit_test(who_is_left_alone_is_told_the_rest),
        cmocka_unit_test(only_what_is_wanted_is_told),
        cmocka_unit_test(random_orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
