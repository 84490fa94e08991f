/* The forms of scalar values. */
#include "core/conf/value.h"

#include <setjmp.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void assert_size(const char *text, uint64_t expected)
{
    uint64_t value = 0;
    if (!dtr_value_size(text, &value) || value != expected)
        fail_msg("%s gave %llu", text, (unsigned long long)value);
}

static void assert_duration(const char *text, uint64_t expected_ms)
{
    uint64_t value = 0;
    if (!dtr_value_duration(text, &value) || value != expected_ms)
        fail_msg("%s gave %llu", text, (unsigned long long)value);
}

static void sizes_know_both_kinds_of_units(void **state)
{
    (void)state;
    assert_size("0", 0);
    assert_size("524288", 524288);
    assert_size("4MiB", 4 << 20);
    assert_size("4mib", 4 << 20);
    assert_size("4MB", 4000000);
    assert_size("4m", 4000000);
    assert_size("4Mi", 4 << 20);
    assert_size("50GB", 50000000000);
    assert_size("1.5 KiB", 1536);
    assert_size("100B", 100);
    assert_size("2PiB", (uint64_t)2 << 50);
    assert_size("9223372036854775807", 9223372036854775807);
    static const char *const bad[] = {"",     "MiB", "4Mib4",      "4XB",    "-1", "1e9", "4 M iB",
                                      "1..5", ".",   "9PB9999999", "9300PB", "4i", "4bb"};
    uint64_t value;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (dtr_value_size(bad[i], &value))
            fail_msg("%s passed as a size", bad[i]);
}

static void durations_add_up_their_parts(void **state)
{
    (void)state;
    assert_duration("0", 0);
    assert_duration("5m", 300000);
    assert_duration("500ms", 500);
    assert_duration("1h30m", 5400000);
    assert_duration("1h 30m", 5400000);
    assert_duration("1.5s", 1500);
    assert_duration("30d", 2592000000);
    assert_duration("2 weeks", 1209600000);
    assert_duration("1us", 1);
    assert_duration("1day", 86400000);
    assert_duration("720h", 2592000000);
    static const char *const bad[] = {"",   "5",   "5x",   "m",     "-5s",       "5 parsecs",
                                      "5M", "s5s", "1h30", "1..5s", "10000000d", "5mmm"};
    uint64_t value;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (dtr_value_duration(bad[i], &value))
            fail_msg("%s passed as a duration", bad[i]);
}

static void numbers_and_words(void **state)
{
    (void)state;
    int64_t number = 0;
    bool word = false;
    assert_true(dtr_value_int("-1", &number) && number == -1);
    assert_true(dtr_value_int("+7", &number) && number == 7);
    assert_true(dtr_value_int("9223372036854775807", &number) && number == INT64_MAX);
    assert_false(dtr_value_int("9223372036854775808", &number));
    assert_false(dtr_value_int("1.0", &number));
    assert_false(dtr_value_int("", &number));
    assert_false(dtr_value_int("0x10", &number));
    assert_true(dtr_value_bool("True", &word) && word);
    assert_true(dtr_value_bool("off", &word) && !word);
    assert_false(dtr_value_bool("1", &word));
}

static void strings_are_checked_where_it_matters(void **state)
{
    (void)state;
    struct dtr_error err;
    assert_int_equal(dtr_value_check_regex("blobs/sha256.*", &err), DTR_OK);
    assert_int_equal(dtr_value_check_regex("a(b", &err), DTR_EINVALID);
    assert_non_null(strstr(err.text, "parenthesis"));
    assert_int_equal(dtr_value_check_ip("2001:db8::1", &err), DTR_OK);
    assert_int_equal(dtr_value_check_ip("10.0.0", &err), DTR_EINVALID);
    assert_int_equal(dtr_value_check_cidr("127.0.0.0/8", &err), DTR_OK);
    assert_int_equal(dtr_value_check_cidr("fe80::/10", &err), DTR_OK);
    assert_int_equal(dtr_value_check_cidr("10.1.2.3", &err), DTR_OK);
    assert_int_equal(dtr_value_check_cidr("10.0.0.0/33", &err), DTR_EINVALID);
    assert_int_equal(dtr_value_check_cidr("10.0.0.0/", &err), DTR_EINVALID);
    assert_int_equal(dtr_value_check_cidr("example.com/8", &err), DTR_EINVALID);
    assert_int_equal(dtr_value_check_url("https://index.docker.io", &err), DTR_OK);
    assert_int_equal(dtr_value_check_url("index.docker.io", &err), DTR_EINVALID);
    assert_int_equal(dtr_value_check_url("https:///v2", &err), DTR_EINVALID);
    assert_int_equal(dtr_value_check_hostport(":8000", &err), DTR_OK);
    assert_int_equal(dtr_value_check_hostport("[::1]:8002", &err), DTR_OK);
    assert_int_equal(dtr_value_check_hostport("scheduler:8002", &err), DTR_OK);
    assert_int_equal(dtr_value_check_hostport("http://scheduler:8002", &err), DTR_EINVALID);
    assert_int_equal(dtr_value_check_hostport("::1:8002", &err), DTR_EINVALID);
    assert_int_equal(dtr_value_check_hostport("scheduler:99999", &err), DTR_EINVALID);
    static const char *const servers[] = {"redis", "redis:6379", "10.0.0.1:1", "[::1]", "[::1]:6379"};
    static const char *const no_servers[] = {"",        ":6379",   "redis:",      "redis:0", "redis:65536",
                                             "a b",     "a:1,b:2", "[::1",        "::1",     "redis:1x",
                                             "u@redis", "a:1:2",   "redis://a:1", "a/1"};
    for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++)
        assert_int_equal(dtr_value_check_server(servers[i], &err), DTR_OK);
    for (size_t i = 0; i < sizeof(no_servers) / sizeof(no_servers[0]); i++)
        assert_int_equal(dtr_value_check_server(no_servers[i], &err), DTR_EINVALID);
    assert_int_equal(dtr_value_check_absolute("/x", &err), DTR_OK);
    assert_int_equal(dtr_value_check_absolute("x", &err), DTR_EINVALID);
    char path[110] = "/";
    memset(path + 1, 'x', 107);
    assert_int_equal(dtr_value_check_socket("x", &err), DTR_EINVALID);
    assert_int_equal(dtr_value_check_socket(path, &err), DTR_EINVALID);
    assert_string_equal(err.text, "108 bytes long; a unix socket's path has at most 107");
    path[107] = '\0';
    assert_int_equal(dtr_value_check_socket(path, &err), DTR_OK);
    assert_int_equal(dtr_value_check_script("default", &err), DTR_OK);
    assert_int_equal(dtr_value_check_script("our-own_2", &err), DTR_OK);
    assert_int_equal(dtr_value_check_script("/etc/x.lua", &err), DTR_OK);
    assert_int_equal(dtr_value_check_script("/etc/x.yaml", &err), DTR_EINVALID);
    assert_int_equal(dtr_value_check_script("x.lua", &err), DTR_EINVALID);
    assert_int_equal(dtr_value_check_script("../x", &err), DTR_EINVALID);
    assert_int_equal(dtr_value_check_script("a-name-of-more-characters-than-it-may-have", &err),
                     DTR_EINVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_know_both_kinds_of_units),
        cmocka_unit_test(durations_add_up_their_parts),
        cmocka_unit_test(numbers_and_words),
        cmocka_unit_test(strings_are_checked_where_it_matters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
