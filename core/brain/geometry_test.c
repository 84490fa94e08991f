/* The cutting rule at its edges. */
#include "core/brain/geometry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static const uint64_t mib = 1 << 20;

static void pieces_have_4_to_64_mib(void **state)
{
    (void)state;
    assert_int_equal(dtr_piece_length(0), 4 * mib);
    assert_int_equal(dtr_piece_length(9437307), 4 * mib);
    assert_int_equal(dtr_piece_length(500 * 4 * mib), 4 * mib);
    assert_int_equal(dtr_piece_length(500 * 4 * mib + 499), 4 * mib);
    assert_int_equal(dtr_piece_length(500 * 4 * mib + 500), 8 * mib);
    assert_int_equal(dtr_piece_length(500 * 32 * mib + 500), 64 * mib);
    assert_int_equal(dtr_piece_length(UINT64_MAX), 64 * mib);
}

static void the_last_piece_may_be_short(void **state)
{
    (void)state;
    assert_int_equal(dtr_piece_count(0, 4 * mib), 0);
    assert_int_equal(dtr_piece_count(1, 4 * mib), 1);
    assert_int_equal(dtr_piece_count(9437307, 4 * mib), 3);
    assert_int_equal(dtr_piece_count(8 * mib, 4 * mib), 2);
    assert_int_equal(dtr_piece_count(UINT64_MAX, 4 * mib), UINT64_MAX / (4 * mib) + 1);
}

static void a_range_takes_whole_pieces(void **state)
{
    (void)state;
    uint64_t first, end;
    dtr_piece_span(9437307, 4 * mib, 0, UINT64_MAX, &first, &end);
    assert_true(first == 0 && end == 3);
    dtr_piece_span(9437307, 4 * mib, 4 * mib - 1, 2, &first, &end);
    assert_true(first == 0 && end == 2);
    dtr_piece_span(9437307, 4 * mib, 4 * mib, 4 * mib, &first, &end);
    assert_true(first == 1 && end == 2);
    dtr_piece_span(9437307, 4 * mib, 9437307, 1, &first, &end);
    assert_true(first == end);
    dtr_piece_span(9437307, 4 * mib, 5, 0, &first, &end);
    assert_true(first == end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_have_4_to_64_mib),
        cmocka_unit_test(the_last_piece_may_be_short),
        cmocka_unit_test(a_range_takes_whole_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
