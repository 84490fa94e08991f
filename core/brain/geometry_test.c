/* Piece lengths at the edges of the rule, spans and ranges. */
#include "core/brain/geometry.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MIB ((uint64_t)1 << 20)

static void piece_length_follows_the_rule(void **state)
{
    (void)state;
    assert_int_equal(dtr_piece_length(0), 4 * MIB);
    assert_int_equal(dtr_piece_length(1), 4 * MIB);
    assert_int_equal(dtr_piece_length(500 * 4 * MIB), 4 * MIB);
    assert_int_equal(dtr_piece_length(500 * 4 * MIB + 499), 4 * MIB); /* the quotient is floored */
    assert_int_equal(dtr_piece_length(500 * 4 * MIB + 500), 8 * MIB);
    assert_int_equal(dtr_piece_length(500 * 8 * MIB), 8 * MIB);
    assert_int_equal(dtr_piece_length(500 * 8 * MIB + 500), 16 * MIB);
    assert_int_equal(dtr_piece_length(500 * 32 * MIB + 500), 64 * MIB);
    assert_int_equal(dtr_piece_length(500 * 64 * MIB + 500), 64 * MIB);
    assert_int_equal(dtr_piece_length(UINT64_MAX), 64 * MIB);
}

static void count_rounds_up(void **state)
{
    (void)state;
    assert_int_equal(dtr_piece_count(0, 4 * MIB), 0);
    assert_int_equal(dtr_piece_count(1, 4 * MIB), 1);
    assert_int_equal(dtr_piece_count(4 * MIB, 4 * MIB), 1);
    assert_int_equal(dtr_piece_count(4 * MIB + 1, 4 * MIB), 2);
    assert_int_equal(dtr_piece_count(9437307, 4 * MIB), 3);
    assert_true(dtr_piece_count(UINT64_MAX, 1) == UINT64_MAX);
}

static void spans_tile_the_object(void **state)
{
    uint64_t offset, length, next = 0;

    (void)state;
    for (uint64_t n = 0; n < 3; n++) {
        assert_true(dtr_piece_bounds(9437307, 4 * MIB, n, &offset, &length));
        assert_int_equal(offset, next);
        next += length;
    }
    assert_int_equal(next, 9437307);
    assert_int_equal(length, 9437307 - 8 * MIB);
    assert_false(dtr_piece_bounds(9437307, 4 * MIB, 3, &offset, &length));
    assert_false(dtr_piece_bounds(0, 4 * MIB, 0, &offset, &length));
    assert_false(dtr_piece_bounds(9437307, 4 * MIB, UINT64_MAX, &offset, &length));
}

static void ranges_become_pieces(void **state)
{
    static const struct {
        uint64_t content, offset, length, first, end; /* both 0: nothing */
    } cases[] = {
        {9437307, 0, 1, 0, 1},
        {9437307, 0, 4 * MIB, 0, 1},
        {9437307, 0, 4 * MIB + 1, 0, 2},
        {9437307, 4 * MIB - 1, 1, 0, 1},
        {9437307, 4 * MIB - 1, 2, 0, 2},
        {9437307, 4 * MIB, 1, 1, 2},
        {9437307, 0, UINT64_MAX, 0, 3},
        {9437307, 9437306, 1, 2, 3},
        {9437307, 9437306, UINT64_MAX, 2, 3},
        {9437307, 9437307, 1, 0, 0},
        {9437307, UINT64_MAX, UINT64_MAX, 0, 0},
        {9437307, 5, 0, 0, 0},
        {0, 0, 1, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t first = 7, end = 7;
        dtr_piece_span(cases[i].content, 4 * MIB, cases[i].offset, cases[i].length, &first, &end);
        assert_int_equal(first, cases[i].first);
        assert_int_equal(end, cases[i].end);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(piece_length_follows_the_rule),
        cmocka_unit_test(count_rounds_up),
        cmocka_unit_test(spans_tile_the_object),
        cmocka_unit_test(ranges_become_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
