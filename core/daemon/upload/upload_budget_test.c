/* The budget for pieces in memory, without pieces. */
#include "core/daemon/upload/upload_budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct budget budget;
static struct dtr_list a, b, c;

static int set_up(void **state)
{
    (void)state;
    budget_init(&budget, 100);
    a = b = c = (struct dtr_list){0};
    return 0;
}

static void what_fits_is_taken(void **state)
{
    (void)state;
    assert_true(budget_take(&budget, &a, 60));
    assert_true(budget_take(&budget, &b, 40));
    assert_false(budget_take(&budget, &c, 1));
    budget_give(&budget, 40);
    assert_true(budget_take(&budget, &c, 1));
    assert_int_equal(budget.used, 61);
    assert_true(dtr_list_empty(&budget.waiting));
}

static void the_first_to_wait_is_the_first_to_be_served(void **state)
{
    (void)state;
    assert_true(budget_take(&budget, &a, 60));
    assert_false(budget_take(&budget, &b, 80));
    assert_false(budget_take(&budget, &c, 10)); /* it would fit, but is not the first */
    assert_false(budget_take(&budget, &b, 80)); /* asking again moves nobody */
    budget_give(&budget, 60);
    assert_false(budget_take(&budget, &c, 10));
    assert_true(budget_take(&budget, &b, 80));
    assert_true(budget_take(&budget, &c, 10));
}

static void a_piece_beyond_the_limit_goes_alone(void **state)
{
    (void)state;
    assert_true(budget_take(&budget, &a, 1));
    assert_false(budget_take(&budget, &b, UINT64_MAX));
    budget_give(&budget, 1);
    assert_true(budget_take(&budget, &b, 500));
    assert_false(budget_take(&budget, &c, 1));
    budget_give(&budget, 500);
    assert_true(budget_take(&budget, &c, 1));
}

static void one_that_leaves_lets_the_next_through(void **state)
{
    (void)state;
    assert_true(budget_take(&budget, &a, 60));
    assert_false(budget_take(&budget, &b, 80));
    assert_false(budget_take(&budget, &c, 10));
    dtr_list_remove(&b);
    assert_true(budget_take(&budget, &c, 10));
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_fits_is_taken),
        TEST(the_first_to_wait_is_the_first_to_be_served),
        TEST(a_piece_beyond_the_limit_goes_alone),
        TEST(one_that_leaves_lets_the_next_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
