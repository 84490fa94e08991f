/* Which priority a download gets that names none. */
#include "core/scheduler/priority.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct dtr_conf_priority_url urls[] = {{"/large/", 5}, {"\\.iso$", 2}, {"/never", 0}};
static struct dtr_conf_application items[] = {
    {.name = "builds", .priority = 3, .urls = {urls, 3}},
    {.name = "plain", .priority = 4},
    {.name = "plain", .priority = 1},
};
static const struct dtr_dynconfig all = {.applications = {items, 3}};

static struct priorities *take(const struct dtr_dynconfig *from)
{
    struct priorities *priorities = NULL;
    assert_int_equal(priorities_new(from, &priorities, NULL), DTR_OK);
    return priorities;
}

static void the_url_goes_before_the_application(void **state)
{
    (void)state;
    struct priorities *p = take(&all);
    assert_int_equal(priorities_of(p, "builds", "http://o/large/a.iso"), 5);
    assert_int_equal(priorities_of(p, "builds", "http://o/small/a.iso"), 2);
    assert_int_equal(priorities_of(p, "builds", "http://o/never"), 0);
    assert_int_equal(priorities_of(p, "builds", "http://o/a.iso?x"), 3);
    priorities_free(p);
}

static void names_are_compared_whole(void **state)
{
    (void)state;
    struct priorities *p = take(&all);
    assert_int_equal(priorities_of(p, "plain", "http://o/large/"), 4); /* the first of its name */
    assert_int_equal(priorities_of(p, "Plain", "http://o/"), 0);
    assert_int_equal(priorities_of(p, "build", "http://o/"), 0);
    assert_int_equal(priorities_of(p, "", "http://o/"), 0);
    assert_int_equal(priorities_of(NULL, "plain", "http://o/"), 0);
    priorities_free(p);
}

static void a_change_is_seen(void **state)
{
    (void)state;
    const struct dtr_dynconfig none = {0}, fewer = {.applications = {items, 2}};
    struct priorities *whole = take(&all), *again = take(&all);
    struct priorities *less = take(&fewer), *nothing = take(&none);
    assert_true(priorities_same(whole, again));
    assert_false(priorities_same(whole, less));
    assert_true(priorities_same(nothing, NULL));
    assert_false(priorities_same(NULL, less));
    priorities_free(again);
    urls[1].value = 6;
    again = take(&all);
    assert_false(priorities_same(whole, again));
    urls[1].value = 2;
    priorities_free(whole);
    priorities_free(again);
    priorities_free(less);
    priorities_free(nothing);
}

static void a_bad_expression_is_named(void **state)
{
    (void)state;
    struct dtr_conf_priority_url bad = {"a(", 1};
    struct dtr_conf_application item = {.name = "builds", .urls = {&bad, 1}};
    const struct dtr_dynconfig one = {.applications = {&item, 1}};
    struct priorities *priorities = NULL;
    struct dtr_error err;
    assert_int_equal(priorities_new(&one, &priorities, &err), DTR_EINVALID);
    assert_non_null(strstr(err.text, "application builds, priority.urls[0].regex: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_url_goes_before_the_application),
        cmocka_unit_test(names_are_compared_whole),
        cmocka_unit_test(a_change_is_seen),
        cmocka_unit_test(a_bad_expression_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
