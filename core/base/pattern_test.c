/* Patterns are searched, refused with a reason, and bounded. */
#include "core/base/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static bool found(const char *expression, const char *text, size_t length)
{
    struct dtr_pattern *pattern = NULL;
    assert_int_equal(dtr_pattern_new(expression, &pattern, NULL), DTR_OK);
    bool is = dtr_pattern_found(pattern, text, length);
    dtr_pattern_free(pattern);
    return is;
}

static void a_pattern_is_searched_in_the_given_bytes(void **state)
{
    (void)state;
    assert_true(found("b+c", "abbcd", 5));
    assert_false(found("b+c", "abbcd", 3));
    assert_false(found("^b", "abbcd", 5));
    assert_true(found("d$", "abbcd", 5));
}

static void a_bad_pattern_says_where(void **state)
{
    (void)state;
    struct dtr_pattern *pattern = NULL;
    struct dtr_error err;
    assert_int_equal(dtr_pattern_new("ab(", &pattern, &err), DTR_EINVALID);
    assert_null(pattern);
    assert_non_null(strstr(err.text, "at character 3"));
}

/* It would be found in the end: the last character is one. PCRE2's own limit is a hundred times ours. */
static void a_search_that_takes_too_long_is_no_match(void **state)
{
    (void)state;
    static const char text[] = "aaaaaaaaaaaaaaaaaa!";
    assert_false(found("(a+)+b|!", text, sizeof(text) - 1));
    assert_true(found("(a+)+b|!", text + 10, sizeof(text) - 11));
    struct dtr_pattern *pattern = NULL;
    assert_int_equal(dtr_pattern_new("(a+)+b|!", &pattern, NULL), DTR_OK);
    assert_int_equal(dtr_pattern_search(pattern, text, sizeof(text) - 1), DTR_ELIMIT);
    assert_int_equal(dtr_pattern_search(pattern, text + 10, sizeof(text) - 11), 1);
    assert_int_equal(dtr_pattern_search(pattern, text, 3), 0);
    dtr_pattern_free(pattern);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_is_searched_in_the_given_bytes),
        cmocka_unit_test(a_bad_pattern_says_where),
        cmocka_unit_test(a_search_that_takes_too_long_is_no_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
