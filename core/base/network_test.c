/* Networks: what is one, and what lies in it. */
#include "core/base/network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void what_lies_in_a_network(void **state)
{
    static const struct {
        const char *cidr, *ip;
        bool in, v4;
    } rows[] = {
        {"10.0.0.0/8", "10.255.0.1", true, true},
        {"10.0.0.0/8", "11.0.0.1", false, true},
        {"10.1.2.3/8", "10.9.9.9", true, true},
        {"10.0.0.0/8", "::ffff:10.0.0.1", true, true},
        {"192.168.4.0/22", "192.168.7.255", true, true},
        {"192.168.4.0/22", "192.168.8.0", false, true},
        {"10.0.0.1/32", "10.0.0.1", true, true},
        {"10.0.0.1/32", "10.0.0.0", false, true},
        {"0.0.0.0/0", "203.0.113.9", true, true},
        {"0.0.0.0/0", "fd00::1", false, true},
        {"::ffff:10.0.0.0/104", "10.3.0.1", true, true},
        {"fd00::/8", "fdff::1", true, false},
        {"fd00::/8", "fe00::1", false, false},
        {"::/0", "fe80::1", true, false},
        {"::/0", "10.0.0.1", true, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dtr_network network, ip;
        assert_int_equal(dtr_network_parse(rows[i].cidr, &network, NULL), DTR_OK);
        assert_true(dtr_network_ip(rows[i].ip, strlen(rows[i].ip), &ip));
        if (dtr_network_has(&network, ip.bytes) != rows[i].in || dtr_network_is_v4(&network) != rows[i].v4)
            fail_msg("%s and %s", rows[i].cidr, rows[i].ip);
    }
}

static void what_is_no_network_is_named(void **state)
{
    static const char *const rows[] = {
        "",           "/",           "/8",           "10.0.0.0",       "10.0.0.0/",   "10.0.0.0/33",
        "10.0.0/8",   "10.0.0.0/8/", "10.0.0.0/+8",  "10.0.0.0/08",    "10.0.0.0/ 8", "010.0.0.0/8",
        "fd00::/129", "[fd00::]/8",  "fe80::1%1/64", "example.org/24", "10.0.0.0/-1", "10.0.0.0/4294967304",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dtr_network network;
        struct dtr_error err;
        char named[80];
        (void)snprintf(named, sizeof(named), "'%s' is not a network", rows[i]);
        if (dtr_network_parse(rows[i], &network, &err) != DTR_EINVALID)
            fail_msg("%s is taken", rows[i]);
        assert_non_null(strstr(err.text, named));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lies_in_a_network),
        cmocka_unit_test(what_is_no_network_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
