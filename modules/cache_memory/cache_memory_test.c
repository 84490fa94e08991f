/* What cache_memory promises beyond the contract of its kind, which the conformance program checks: what goes
 * when it is full, and in which order. The clock is the test's. */
#include <darter/cache.h>
#include <darter/testhost.h>

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static uint64_t clock_ns = 1000000000;

static uint64_t test_clock(void)
{
    return clock_ns;
}

static void pass_ms(uint64_t ms)
{
    clock_ns += ms * 1000000;
}

struct fixture {
    struct dtr_testmodule started;
    const struct dtr_cache_ops *ops;
    struct dtr_error err;
};

static struct fixture open_cache(const char *size, const char *memory)
{
    static struct dtr_host host;
    struct fixture f = {0};
    const char *const settings[] = {size, memory};
    host = *dtr_testhost();
    host.now_ns = test_clock;
    const struct dtr_module *module = dtr_module_open(&host);
    f.ops = dtr_testhost_ops(module, "cache");
    if (dtr_testhost_start(module, settings, 2, &f.started, &f.err) != DTR_OK)
        fail_msg("%s", f.err.text);
    return f;
}

static void close_cache(struct fixture *f)
{
    dtr_testhost_stop(&f->started);
}

static struct dtr_cache_bytes text(const char *value)
{
    return (struct dtr_cache_bytes){value, value ? strlen(value) : 0};
}

static int set(struct fixture *f, const char *key, const char *value, uint64_t ttl_ms)
{
    return f->ops->set(f->started.instance, key, text(value), ttl_ms, &f->err);
}

static int set_size(struct fixture *f, const char *key, size_t length)
{
    static const char zeros[DTR_CACHE_VALUE_MAX];
    return f->ops->set(f->started.instance, key, (struct dtr_cache_bytes){zeros, length}, 0, &f->err);
}

static int lock(struct fixture *f, const char *key, uint64_t ttl_ms)
{
    bool done = false;
    int status = f->ops->swap(f->started.instance, key, text(NULL), text("me"), ttl_ms, &done, &f->err);
    return status == DTR_OK && !done ? DTR_EEXISTS : status;
}

static int count(struct fixture *f, const char *key, uint64_t ttl_ms)
{
    int64_t value;
    return f->ops->add(f->started.instance, key, 1, ttl_ms, &value, &f->err);
}

static int push(struct fixture *f, const char *key, const char *value)
{
    return f->ops->push(f->started.instance, key, text(value), UINT64_MAX, &f->err);
}

static void ignore(void *context, const void *bytes, size_t length)
{
    (void)context, (void)bytes, (void)length;
}

static bool has(struct fixture *f, const char *key)
{
    struct dtr_cache_sink sink = {.value = ignore};
    return f->ops->get(f->started.instance, key, &sink, &f->err) == DTR_OK;
}

static void the_value_not_used_for_longest_goes_first(void **state)
{
    struct fixture f = open_cache("size=3", "memory=1MiB");
    (void)state;
    assert_int_equal(set(&f, "a", "1", 0), DTR_OK);
    assert_int_equal(set(&f, "b", "1", 0), DTR_OK);
    assert_int_equal(set(&f, "c", "1", 0), DTR_OK);
    assert_true(has(&f, "a")); /* b is the oldest now */
    assert_int_equal(set(&f, "d", "1", 0), DTR_OK);
    assert_false(has(&f, "b"));
    assert_true(has(&f, "a") && has(&f, "c") && has(&f, "d"));
    assert_int_equal(set(&f, "a", "2", 0), DTR_OK); /* in its own place */
    assert_true(has(&f, "a") && has(&f, "c") && has(&f, "d"));
    close_cache(&f);
}

static void locks_and_numbers_go_last(void **state)
{
    struct fixture f = open_cache("size=4", "memory=1MiB");
    (void)state;
    assert_int_equal(lock(&f, "lock", 60000), DTR_OK);
    assert_int_equal(count(&f, "number", 60000), DTR_OK);
    for (int i = 0; i < 100; i++) {
        char key[8];
        (void)snprintf(key, sizeof(key), "%d", i);
        assert_int_equal(set(&f, key, "1", 0), DTR_OK);
    }
    assert_true(has(&f, "99") && has(&f, "98") && !has(&f, "97"));
    assert_int_equal(lock(&f, "lock", 60000), DTR_EEXISTS);
    assert_int_equal(lock(&f, "lock2", 60000), DTR_OK);
    assert_int_equal(lock(&f, "lock3", 60000), DTR_OK);
    assert_true(has(&f, "lock") && has(&f, "number") && has(&f, "lock2") && has(&f, "lock3"));
    assert_int_equal(lock(&f, "lock4", 60000), DTR_OK); /* nothing else is left */
    assert_false(has(&f, "lock"));
    assert_true(has(&f, "number") && has(&f, "lock2") && has(&f, "lock3") && has(&f, "lock4"));
    close_cache(&f);
}

static void what_expired_goes_before_all_others(void **state)
{
    struct fixture f = open_cache("size=4", "memory=1MiB");
    (void)state;
    assert_int_equal(set(&f, "value", "1", 0), DTR_OK);
    assert_int_equal(count(&f, "number", 2000), DTR_OK);
    assert_int_equal(lock(&f, "lock", 1000), DTR_OK);
    assert_int_equal(set(&f, "long", "1", 5000), DTR_OK);
    pass_ms(999);
    assert_true(has(&f, "lock"));
    pass_ms(1);
    assert_int_equal(set(&f, "new", "1", 0), DTR_OK);
    assert_false(has(&f, "lock"));
    assert_true(has(&f, "value") && has(&f, "number") && has(&f, "long") && has(&f, "new"));
    pass_ms(1000);
    assert_int_equal(set(&f, "newer", "1", 0), DTR_OK);
    assert_true(has(&f, "value") && has(&f, "long") && has(&f, "new") && has(&f, "newer"));
    close_cache(&f);
}

static void the_heap_knows_what_is_next(void **state)
{
    struct fixture f = open_cache("size=2000", "memory=64MiB");
    char key[16];
    (void)state;
    for (uint64_t i = 0; i < 1000; i++) { /* 1 to 1000 ms, in no order */
        (void)snprintf(key, sizeof(key), "%llu", (unsigned long long)(i * 619 % 1000));
        assert_int_equal(set(&f, key, "1", 1 + i * 619 % 1000), DTR_OK);
    }
    for (uint64_t i = 0; i < 1000; i += 7) { /* some are taken out from the middle */
        (void)snprintf(key, sizeof(key), "%llu", (unsigned long long)i);
        assert_int_equal(set(&f, key, "1", 0), DTR_OK);
    }
    for (uint64_t passed = 0; passed <= 1000; passed += 100) {
        assert_int_equal(set(&f, "trigger", "1", 0), DTR_OK);
        for (uint64_t i = 0; i < 1000; i++) {
            (void)snprintf(key, sizeof(key), "%llu", (unsigned long long)i);
            assert_int_equal(has(&f, key), i % 7 == 0 || i >= passed);
        }
        pass_ms(100);
    }
    close_cache(&f);
}

static void memory_is_bounded(void **state)
{
    struct fixture f = open_cache("size=100", "memory=1MiB");
    (void)state;
    assert_int_equal(set_size(&f, "a", 400 << 10), DTR_OK);
    assert_int_equal(set_size(&f, "b", 400 << 10), DTR_OK);
    assert_int_equal(set_size(&f, "c", 400 << 10), DTR_OK);
    assert_true(!has(&f, "a") && has(&f, "b") && has(&f, "c"));
    assert_int_equal(set_size(&f, "c", DTR_CACHE_VALUE_MAX), DTR_ENO_SPACE); /* its key has no room */
    assert_true(has(&f, "b") && has(&f, "c"));
    assert_int_equal(set_size(&f, "c", DTR_CACHE_VALUE_MAX - 1024), DTR_OK);
    assert_true(!has(&f, "b") && has(&f, "c"));
    close_cache(&f);
}

static void waiting_work_is_never_dropped(void **state)
{
    static char large[300 << 10];
    struct fixture f = open_cache("size=3", "memory=1MiB");
    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    assert_int_equal(push(&f, "q1", "1"), DTR_OK);
    assert_int_equal(push(&f, "q2", "1"), DTR_OK);
    assert_int_equal(set(&f, "a", "1", 0), DTR_OK);
    assert_int_equal(push(&f, "q3", "1"), DTR_OK); /* in the place of a */
    assert_false(has(&f, "a"));
    assert_int_equal(set(&f, "a", "1", 0), DTR_ENO_SPACE);
    assert_non_null(strstr(f.err.text, "options memory and size of cache_memory"));
    for (int i = 0; i < 3; i++)
        assert_int_equal(push(&f, "q1", large), DTR_OK);
    assert_int_equal(push(&f, "q1", large), DTR_ENO_SPACE);
    assert_int_equal(f.ops->forget(f.started.instance, "q2", &f.err), DTR_OK);
    assert_int_equal(set(&f, "a", "1", 0), DTR_OK);
    close_cache(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_value_not_used_for_longest_goes_first),
        cmocka_unit_test(locks_and_numbers_go_last),
        cmocka_unit_test(what_expired_goes_before_all_others),
        cmocka_unit_test(the_heap_knows_what_is_next),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(waiting_work_is_never_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
