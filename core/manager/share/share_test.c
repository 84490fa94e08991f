/* What managers share, on real caches: the command line names the module and its settings. Two managers have
 * an instance each where there are settings, which lead to a server; else they have the same. */
#include "core/manager/share/share.h"

#include "core/base/clock.h"
#include <darter/testhost.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { WINDOW_MS = 60000, LATE_MS = 10000, THREADS = 4, EACH = 50 };

static int argument_count;
static char **arguments;

static struct dtr_cache_ops ops; /* the module's, but what the test takes away */
static const struct dtr_cache_ops *real;
static unsigned asked;

struct fixture {
    struct dtr_testmodule modules[2];
    size_t module_count;
    struct share *here, *there;
    struct dtr_error err;
};

static int open_fixture(void **state)
{
    static struct fixture f;
    const struct dtr_module *module;
    f = (struct fixture){.module_count = argument_count > 2 ? 2 : 1};
    assert_int_equal(dtr_testhost_load(arguments[1], &module, &f.err), DTR_OK);
    real = dtr_testhost_ops(module, "cache");
    ops = *real;
    for (size_t i = 0; i < f.module_count; i++)
        if (dtr_testhost_start(module, (const char *const *)&arguments[2], (size_t)argument_count - 2,
                               &f.modules[i], &f.err) != DTR_OK)
            fail_msg("%s", f.err.text);
    assert_int_equal(real->forget(f.modules[0].instance, "count:", &f.err), DTR_OK);
    assert_int_equal(real->forget(f.modules[0].instance, "text:", &f.err), DTR_OK);
    assert_int_equal(share_new(&ops, f.modules[0].instance, &f.here, &f.err), DTR_OK);
    assert_int_equal(share_new(&ops, f.modules[f.module_count - 1].instance, &f.there, &f.err), DTR_OK);
    *state = &f;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *f = *state;
    share_free(f->here);
    share_free(f->there);
    for (size_t i = 0; i < f->module_count; i++)
        dtr_testhost_stop(&f->modules[i]);
    return 0;
}

static uint64_t admit(struct fixture *f, struct share *share, const char *bucket, unsigned per_s)
{
    uint64_t wait_ms = 0;
    if (share_admit(share, bucket, per_s, &wait_ms, &f->err) != DTR_OK)
        fail_msg("%s", f->err.text);
    return wait_ms;
}

static int64_t count(struct fixture *f, struct share *share, int64_t amount)
{
    int64_t number = 0;
    if (share_count(share, "it", amount, WINDOW_MS, &number, &f->err) != DTR_OK)
        fail_msg("%s", f->err.text);
    return number;
}

/* --- how fast ---------------------------------------------------------------------------------------- */

static void a_rate_is_that_of_both_managers(void **state)
{
    struct fixture *f = *state;
    unsigned through = 0;
    uint64_t begin_ms = dtr_now_ms(), wait_ms = 0;
    for (unsigned i = 0; i < 20; i++) {
        uint64_t wait = admit(f, i % 2 ? f->there : f->here, "jobs:1", 3);
        through += wait == 0;
        wait_ms = wait > wait_ms ? wait : wait_ms;
    }
    uint64_t seconds = (dtr_now_ms() - begin_ms) / 1000;
    assert_true(through >= 3 && through <= 3 * (seconds + 2));
    assert_true(wait_ms > 0 && wait_ms <= 1000);
    assert_int_equal(admit(f, f->there, "jobs:2", 1), 0); /* another bucket */
}

static void who_waits_gets_through(void **state)
{
    struct fixture *f = *state;
    uint64_t until_ms = dtr_now_ms() + LATE_MS;
    assert_int_equal(admit(f, f->here, "jobs:1", 1), 0);
    while (admit(f, f->there, "jobs:1", 1) > 0)
        assert_true(dtr_now_ms() < until_ms);
}

static void nothing_gets_through_a_rate_of_none(void **state)
{
    struct fixture *f = *state;
    assert_int_not_equal(admit(f, f->here, "jobs:1", 0), 0);
}

static void what_is_given_back_counts_for_nothing(void **state)
{
    struct fixture *f = *state;
    int64_t number = 7;
    assert_int_equal(admit(f, f->here, "jobs:1", 1), 0);
    assert_int_equal(share_give_back(f->there, "jobs:1", &f->err), DTR_OK);
    assert_int_equal(share_count(f->here, "jobs:1", 0, 1000, &number, &f->err), DTR_OK);
    assert_int_equal(number, 0);
    /* as it is when the second is over: nobody gets through because of it */
    assert_int_equal(share_give_back(f->here, "jobs:2", &f->err), DTR_OK);
    assert_int_equal(share_count(f->here, "jobs:2", 0, 1000, &number, &f->err), DTR_OK);
    assert_int_equal(number, 0);
}

/* --- how often --------------------------------------------------------------------------------------- */

static void both_count_together(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(count(f, f->here, 0), 0);
    assert_int_equal(count(f, f->here, 1), 1);
    assert_int_equal(count(f, f->there, 1), 2);
    assert_int_equal(count(f, f->here, 0), 2);
    assert_int_equal(count(f, f->there, -2), 0);
    assert_int_equal(count(f, f->here, 0), 0);
}

static void *count_many(void *share)
{
    struct dtr_error err;
    int64_t number;
    for (int i = 0; i < EACH; i++)
        if (share_count(share, "it", 1, WINDOW_MS, &number, &err) != DTR_OK)
            return share;
    return NULL;
}

static void threads_of_both_lose_nothing(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_many, i % 2 ? f->there : f->here), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(count(f, f->here, 0), THREADS * EACH);
}

/* --- what they tell each other ------------------------------------------------------------------------ */

static void what_one_keeps_the_other_finds(void **state)
{
    struct fixture *f = *state;
    char text[8];
    assert_int_equal(share_find(f->there, "news", text, sizeof(text), &f->err), DTR_OK);
    assert_string_equal(text, "");
    assert_int_equal(share_keep(f->here, "news", "of me", WINDOW_MS, &f->err), DTR_OK);
    assert_int_equal(share_find(f->there, "news", text, sizeof(text), &f->err), DTR_OK);
    assert_string_equal(text, "of me");
    assert_int_equal(share_keep(f->there, "news", "longer than the room", WINDOW_MS, &f->err), DTR_OK);
    assert_int_equal(share_find(f->here, "news", text, sizeof(text), &f->err), DTR_OK);
    assert_string_equal(text, "longer ");
}

static void what_was_kept_ends(void **state)
{
    struct fixture *f = *state;
    uint64_t until_ms = dtr_now_ms() + LATE_MS;
    char text[8] = "x";
    assert_int_equal(share_keep(f->here, "news", "of me", 1, &f->err), DTR_OK);
    while (text[0]) {
        assert_int_equal(share_find(f->there, "news", text, sizeof(text), &f->err), DTR_OK);
        assert_true(dtr_now_ms() < until_ms);
    }
}

static void a_name_that_is_too_long_is_an_error_of_its_own(void **state)
{
    struct fixture *f = *state;
    char name[DTR_CACHE_KEY_MAX + 1] = {0}, text[8];
    int64_t number;
    memset(name, 'n', sizeof(name) - 1);
    assert_int_equal(share_count(f->here, name, 1, WINDOW_MS, &number, &f->err), DTR_EINVALID);
    assert_int_equal(share_keep(f->here, name, "", WINDOW_MS, &f->err), DTR_EINVALID);
    assert_int_equal(share_find(f->here, name, text, sizeof(text), &f->err), DTR_EINVALID);
    assert_int_equal(count(f, f->here, 1), 1); /* and not taken for a lost cache */
}

/* --- a lost cache ------------------------------------------------------------------------------------- */

static int lost_code;

static int lost_add(void *instance, const char *key, int64_t amount, uint64_t ttl_ms, int64_t *ret_value,
                    struct dtr_error *err)
{
    asked++;
    if (lost_code == DTR_OK)
        return real->add(instance, key, amount, ttl_ms, ret_value, err);
    return dtr_error_set(err, lost_code, DTR_RETRY_SAME, "the test took it away");
}

static int lost_get(void *instance, const char *key, const struct dtr_cache_sink *sink, struct dtr_error *err)
{
    return lost_code == DTR_OK ? real->get(instance, key, sink, err)
                               : dtr_error_set(err, lost_code, DTR_RETRY_SAME, "the test took it away");
}

static void a_lost_cache_costs_one_call_a_second(void **state)
{
    static const int codes[] = {DTR_EUNAVAILABLE, DTR_EDENIED, DTR_EPROTOCOL, DTR_ENO_SPACE};
    struct fixture *f = *state;
    char text[8];
    ops.add = lost_add;
    ops.get = lost_get;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        int64_t number;
        uint64_t wait_ms, until_ms = dtr_now_ms() + LATE_MS, begin_ms = dtr_now_ms();
        lost_code = codes[i];
        asked = 0;
        for (int j = 0; j < 100; j++)
            assert_int_equal(share_admit(f->here, "jobs:1", 1, &wait_ms, &f->err), DTR_EUNAVAILABLE);
        assert_true(asked >= 1 && asked <= 2 + (dtr_now_ms() - begin_ms) / 1000);
        assert_non_null(strstr(f->err.text, "the cache is away, try again later: the test took it away"));
        assert_int_equal(share_find(f->here, "news", text, sizeof(text), &f->err), DTR_EUNAVAILABLE);
        lost_code = DTR_OK;
        while (share_count(f->here, "it", 1, WINDOW_MS, &number, &f->err) != DTR_OK)
            assert_true(dtr_now_ms() < until_ms); /* it comes back by itself */
        assert_int_equal(share_find(f->here, "news", text, sizeof(text), &f->err), DTR_OK);
    }
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        TEST(a_rate_is_that_of_both_managers),
        TEST(who_waits_gets_through),
        TEST(nothing_gets_through_a_rate_of_none),
        TEST(what_is_given_back_counts_for_nothing),
        TEST(both_count_together),
        TEST(threads_of_both_lose_nothing),
        TEST(what_one_keeps_the_other_finds),
        TEST(what_was_kept_ends),
        TEST(a_name_that_is_too_long_is_an_error_of_its_own),
        TEST(a_lost_cache_costs_one_call_a_second),
    };
    argument_count = argc;
    arguments = argv;
    if (argc < 2)
        return fprintf(stderr, "usage: %s MODULE [NAME=VALUE ...]\n", argv[0]), 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
