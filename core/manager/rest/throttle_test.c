/* Wrong passwords at two managers that share a cache, a real one: the command line names its module. */
#include "core/manager/rest/throttle.h"

#include <darter/testhost.h>
#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { MOST = 5, MINUTE_S = 60 };

static const char *module_file;
static const struct dtr_cache_ops *real;
static struct dtr_cache_ops ops;
static bool away;

struct fixture {
    struct dtr_testmodule cache;
    struct share *share[2];
    struct throttle *here, *there;
};

static int add(void *instance, const char *key, int64_t amount, uint64_t ttl_ms, int64_t *ret_value,
               struct dtr_error *err)
{
    if (away)
        return dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "the test took it away");
    return real->add(instance, key, amount, ttl_ms, ret_value, err);
}

static int begin(void **state)
{
    static struct fixture f;
    const struct dtr_module *module;
    struct dtr_error err;
    away = false;
    assert_int_equal(dtr_testhost_load(module_file, &module, &err), DTR_OK);
    assert_int_equal(dtr_testhost_start(module, NULL, 0, &f.cache, &err), DTR_OK);
    real = dtr_testhost_ops(module, "cache");
    ops = *real;
    ops.add = add;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(share_new(&ops, f.cache.instance, &f.share[i], &err), DTR_OK);
    f.here = throttle_new(f.share[0]);
    f.there = throttle_new(f.share[1]);
    assert_true(f.here && f.there);
    *state = &f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    throttle_free(f->here);
    throttle_free(f->there);
    share_free(f->share[0]);
    share_free(f->share[1]);
    dtr_testhost_stop(&f->cache);
    return 0;
}

static void fail_times(struct throttle *throttle, const char *key, int times)
{
    for (int i = 0; i < times; i++)
        throttle_failed(throttle, key, 1000);
}

static void failures_at_both_add_up(void **state)
{
    struct fixture *f = *state;
    fail_times(f->here, "a", 3);
    assert_int_equal(throttle_wait(f->there, "a", MOST, 1000), 0);
    fail_times(f->there, "a", 2);
    assert_int_equal(throttle_wait(f->here, "a", MOST, 1000), MINUTE_S);
    assert_int_equal(throttle_wait(f->there, "a", MOST, 1000), MINUTE_S);
    assert_int_equal(throttle_wait(f->there, "a", MOST + 1, 1000), 0);
    assert_int_equal(throttle_wait(f->there, "b", MOST, 1000), 0);
}

static void who_succeeds_at_one_begins_anew_at_both(void **state)
{
    struct fixture *f = *state;
    fail_times(f->here, "a", 2);
    fail_times(f->there, "a", 2);
    fail_times(f->there, "ab", MOST);
    throttle_forget(f->here, "a");
    fail_times(f->there, "a", 1);
    assert_int_equal(throttle_wait(f->there, "a", MOST, 1000), 0);
    assert_int_equal(throttle_wait(f->here, "ab", MOST, 1000), MINUTE_S); /* another, though it begins so */
}

static void keys_may_have_anything_in_them(void **state)
{
    struct fixture *f = *state;
    static const char *const keys[] = {"1.2.3.4 \n\x01", "::1 \xc3\xbc", ""};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        fail_times(f->here, keys[i], MOST);
        assert_int_equal(throttle_wait(f->there, keys[i], MOST, 1000), MINUTE_S);
    }
}

static void without_a_cache_each_counts_for_itself(void **state)
{
    struct fixture *f = *state;
    fail_times(f->here, "a", 3);
    away = true;
    fail_times(f->here, "a", 1);
    assert_int_equal(throttle_wait(f->here, "a", MOST, 1000), 0);
    fail_times(f->here, "a", 1);
    assert_int_equal(throttle_wait(f->here, "a", MOST, 31000), MINUTE_S / 2); /* what was before counts too */
    assert_int_equal(throttle_wait(f->there, "a", MOST, 1000), 0);
    fail_times(f->there, "a", MOST);
    assert_int_equal(throttle_wait(f->there, "a", MOST, 1000), MINUTE_S);
    throttle_forget(f->there, "a");
    assert_int_equal(throttle_wait(f->there, "a", MOST, 1000), 0);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(failures_at_both_add_up),
        TEST(who_succeeds_at_one_begins_anew_at_both),
        TEST(keys_may_have_anything_in_them),
        TEST(without_a_cache_each_counts_for_itself),
    };
    if (argc < 2)
        return fprintf(stderr, "usage: %s MODULE\n", argv[0]), 2;
    module_file = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
