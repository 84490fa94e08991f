/* The spellings of a manager's address, and what is none. */
#include "core/conf/manager_addr.h"

#include "core/conf/value.h"

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void all_spellings_lead_to_one_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *place;
        bool secure;
    } cases[] = {
        {"http://manager:65003", "manager:65003", false},
        {"manager:65003", "manager:65003", false},
        {"HTTP://manager:65003/", "manager:65003", false},
        {"https://m.cluster-a.svc:7000", "m.cluster-a.svc:7000", true},
        {"manager", "manager:65003", false},
        {"http://manager", "manager:65003", false},
        {"10.0.0.1:1", "10.0.0.1:1", false},
        {"http://[fd00::1]:65003", "[fd00::1]:65003", false},
        {"[fd00::1]", "[fd00::1]:65003", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dtr_manager_addr addr;
        struct dtr_error err = {0};
        if (dtr_manager_addr_read(cases[i].text, &addr, &err) != DTR_OK)
            fail_msg("%s: %s", cases[i].text, err.text);
        assert_string_equal(addr.place, cases[i].place);
        assert_int_equal(addr.secure, cases[i].secure);
        assert_int_equal(dtr_value_check_manager(cases[i].text, &err), DTR_OK);
    }
}

static void what_is_none_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"ftp://manager:65003", "not an address by http or https"},
        {"", "the host is missing"},
        {"http://", "the host is missing"},
        {":65003", "the host is missing"},
        {"[::1", "the host is missing"},
        {"[]:1", "the host is missing"},
        {"fd00::1", "the port is not in 1..65535"},
        {"manager:", "the port is not in 1..65535"},
        {"manager:0", "the port is not in 1..65535"},
        {"manager:65536", "the port is not in 1..65535"},
        {"http://manager:65003/x", "something follows the host and the port"},
        {"http://manager/x", "something follows the host and the port"},
        {"user@manager:1", "something follows the host and the port"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dtr_manager_addr addr;
        struct dtr_error err = {0};
        assert_int_equal(dtr_manager_addr_read(cases[i].text, &addr, &err), DTR_EINVALID);
        if (strncmp(err.text, cases[i].why, strlen(cases[i].why)) != 0)
            fail_msg("%s: %s", cases[i].text, err.text);
    }
}

static void a_name_that_is_too_long_is_none(void **state)
{
    (void)state;
    char text[DTR_MANAGER_PLACE + 1];
    struct dtr_manager_addr addr;
    struct dtr_error err = {0};
    (void)memset(text, 'a', DTR_MANAGER_PLACE);
    text[DTR_MANAGER_PLACE] = '\0';
    assert_int_equal(dtr_manager_addr_read(text, &addr, &err), DTR_EINVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_spellings_lead_to_one_place),
        cmocka_unit_test(what_is_none_is_said),
        cmocka_unit_test(a_name_that_is_too_long_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
