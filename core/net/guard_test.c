/* Addresses as text, and which of them may be dialled. */
#include "core/net/guard.h"

#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void addresses_read_and_write(void **state)
{
    (void)state;
    static const char *const good[] = {"10.0.0.1:8002", "[::1]:4000", "[fd00::1]:1"};
    static const char *const bad[] = {"10.0.0.1", "10.0.0.1:0", "10.0.0.1:65536", "::1:80", "host:80", ":80",
                                      ""};
    struct dtr_addr addr;
    struct dtr_error err;
    char text[DTR_ADDR_TEXT];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(dtr_addr_parse(good[i], &addr, &err), DTR_OK);
        dtr_addr_text(&addr, text);
        assert_string_equal(text, good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(dtr_addr_parse(bad[i], &addr, &err), DTR_EINVALID);
}

static bool allows(const char *ip, bool trusted)
{
    struct dtr_addr addr;
    assert_int_equal(dtr_addr_ip(ip, 80, &addr, NULL), DTR_OK);
    return dtr_guard_allows(&addr.any, trusted);
}

static void guard_refuses_what_points_inwards(void **state)
{
    (void)state;
    static const char *const refused[] = {"127.0.0.1",
                                          "127.9.9.9",
                                          "::1",
                                          "169.254.169.254",
                                          "fe80::1",
                                          "224.0.0.1",
                                          "0.0.0.0",
                                          "::",
                                          "ff02::1",
                                          "::ffff:127.0.0.1",
                                          "255.255.255.255",
                                          "::ffff:169.254.169.254",
                                          "::ffff:224.0.0.1",
                                          "::ffff:0.0.0.0",
                                          "febf::1"};
    struct dtr_error err;
    assert_int_equal(dtr_guard_start(&err), DTR_OK);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_false(allows(refused[i], false));
        assert_true(allows(refused[i], true));
    }
    assert_true(allows("203.0.113.5", false));
    assert_true(allows("::ffff:203.0.113.5", false));
    assert_true(allows("2001:db8::5", false));
    assert_int_equal(dtr_guard_allow("127.0.0.0/30", &err), DTR_OK);
    assert_true(allows("127.0.0.3", false));
    assert_true(allows("::ffff:127.0.0.3", false));
    assert_false(allows("127.0.0.4", false));
    assert_false(allows("::ffff:127.0.0.4", false));
    assert_int_equal(dtr_guard_allow("fe80::/10", &err), DTR_OK);
    assert_true(allows("fe80::1", false));
    assert_int_equal(dtr_guard_allow("::1", &err), DTR_OK);
    assert_true(allows("::1", false));
    assert_false(allows("::", false));
    assert_int_equal(dtr_guard_allow("10.0.0.0/33", &err), DTR_EINVALID);
    assert_int_equal(dtr_guard_allow("example/8", &err), DTR_EINVALID);
    static const char *const bad[] = {"10.0.0.0/8", "example/8"}, *const good[] = {"127.0.0.0/30",
                                                                                   "10.0.0.0/8"};
    assert_int_equal(dtr_guard_allow_only(bad, 2, &err), DTR_EINVALID);
    assert_true(allows("fe80::1", false));
    assert_int_equal(dtr_guard_allow_only(good, 2, &err), DTR_OK);
    assert_false(allows("fe80::1", false));
    assert_true(allows("127.0.0.3", false));
    assert_int_equal(dtr_guard_allow_only(NULL, 0, &err), DTR_OK);
    assert_false(allows("127.0.0.3", false));
    dtr_guard_stop();
}

/* --- addresses that come later -------------------------------------------------------------------------- */

static void give_loopback(int fd, const char *ip)
{
    struct ifreq request = {.ifr_name = "lo"};
    struct dtr_addr addr;
    (void)dtr_addr_ip(ip, 0, &addr, NULL);
    memcpy(&request.ifr_addr, &addr.v4, sizeof(addr.v4));
    if (ioctl(fd, SIOCSIFADDR, &request) != 0)
        _exit(2);
}

/* In a network of its own: 0 when all was as it should be, 77 when there can be no such network. */
static int move_house(void)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return 77;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool right = dtr_guard_start(NULL) == DTR_OK && allows("10.77.0.1", false);
    give_loopback(fd, "10.77.0.1");
    right = right && !allows("10.77.0.1", false) && allows("10.77.0.2", false);
    give_loopback(fd, "10.77.0.2"); /* in the first one's place */
    right = right && allows("10.77.0.1", false) && !allows("10.77.0.2", false);
    right = right && allows("10.77.0.2", true);
    dtr_guard_stop();
    (void)close(fd);
    return right ? 0 : 1;
}

static void guard_knows_addresses_that_came_later(void **state)
{
    (void)state;
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(move_house());
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_read_and_write),
        cmocka_unit_test(guard_refuses_what_points_inwards),
        cmocka_unit_test(guard_knows_addresses_that_came_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
