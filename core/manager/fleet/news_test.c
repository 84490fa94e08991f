/* Two managers on one database and one cache, both real: the modules are named on the command line, first the
 * cache's. */
#include "core/manager/fleet/news.h"

#include "core/base/clock.h"
#include "core/manager/rig.h"
#include <stdatomic.h>

static const char *cache_file;
static const struct dtr_cache_ops *real;
static struct dtr_cache_ops ops; /* what is asked here, of what a side was lent */
static atomic_bool away;

struct lent {
    void *cache; /* the module's instance */
    atomic_uint refused;
};

struct side {
    struct lent lent;
    struct share *share;
    struct fleet_view *view;
    struct news *news;
};

struct fixture {
    struct rig rig;
    struct dtr_testmodule cache;
    struct dtr_pool *pool;
    struct side here, there;
    int64_t clusters;
};

static int refuse(struct lent *lent, struct dtr_error *err)
{
    lent->refused++;
    return dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "the test took it away");
}

static int get(void *instance, const char *key, const struct dtr_cache_sink *sink, struct dtr_error *err)
{
    struct lent *lent = instance;
    return away ? refuse(lent, err) : real->get(lent->cache, key, sink, err);
}

static int set(void *instance, const char *key, struct dtr_cache_bytes value, uint64_t ttl_ms,
               struct dtr_error *err)
{
    struct lent *lent = instance;
    return away ? refuse(lent, err) : real->set(lent->cache, key, value, ttl_ms, err);
}

static void open_side(struct fixture *f, struct side *side)
{
    struct dtr_error err;
    side->lent.cache = f->cache.instance;
    assert_int_equal(share_new(&ops, &side->lent, &side->share, &err), DTR_OK);
    assert_int_equal(fleet_view_new(f->rig.store, &side->view, &err), DTR_OK);
    const struct news_options options = {
        .loop = f->rig.loop, .pool = f->pool, .share = side->share, .view = side->view, .ttl_ms = 60000};
    assert_int_equal(news_new(&options, &side->news, &err), DTR_OK);
}

static void set_flag(void *context)
{
    *(bool *)context = true;
}

static void close_side(struct fixture *f, struct side *side)
{
    bool closed = false;
    news_close(side->news, set_flag, &closed);
    TURN_UNTIL(f->rig.loop, closed);
}

static int begin(void **state)
{
    static struct fixture f;
    const struct dtr_module *module;
    struct dtr_error err;
    f = (struct fixture){0};
    away = false;
    rig_open(&f.rig);
    assert_int_equal(store_ready(f.rig.store, &err), DTR_OK);
    assert_int_equal(dtr_testhost_load(cache_file, &module, &err), DTR_OK);
    assert_int_equal(dtr_testhost_start(module, NULL, 0, &f.cache, &err), DTR_OK);
    real = dtr_testhost_ops(module, "cache");
    ops = (struct dtr_cache_ops){.get = get, .set = set};
    assert_int_equal(dtr_pool_new(2, 100, &f.pool, &err), DTR_OK);
    open_side(&f, &f.here);
    open_side(&f, &f.there);
    *state = &f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    close_side(f, &f->here);
    close_side(f, &f->there);
    dtr_pool_free(f->pool);
    fleet_view_free(f->here.view);
    fleet_view_free(f->there.view);
    share_free(f->here.share);
    share_free(f->there.share);
    dtr_testhost_stop(&f->cache);
    rig_close(&f->rig);
    return 0;
}

static size_t seen(const struct side *side)
{
    const struct fleet *fleet;
    struct dtr_error err;
    if (fleet_get(side->view, &fleet, &err) != DTR_OK)
        fail_msg("%s", err.text);
    size_t count = fleet->count;
    fleet_done(fleet);
    return count;
}

static int nothing(struct store_db *db, void *context, struct dtr_error *err)
{
    (void)db;
    (void)context;
    (void)err;
    return DTR_OK;
}

static void change(struct side *side)
{
    assert_int_equal(fleet_do(side->view, nothing, NULL, NULL, NULL), DTR_OK);
}

/* Adds a cluster at one side while the other has a picture that is new, and waits until it is seen there; how
 * long after the picture was made. */
static uint64_t ms_until_seen(struct fixture *f, struct side *by, struct side *at)
{
    fleet_heard(at->view);
    uint64_t since_ms = dtr_now_ms();
    size_t before = seen(at);
    rig_cluster(&f->rig, ++f->clusters, "{}", false);
    change(by);
    TURN_UNTIL_BY(f->rig.loop, false, seen(at) > before);
    return dtr_now_ms() - since_ms;
}

/* On a machine that is busy one of some times will do: without news it is never before its time. */
static bool soon(struct fixture *f, struct side *by, struct side *at)
{
    for (int i = 0; i < 10; i++)
        if (ms_until_seen(f, by, at) < FLEET_FRESH_MS)
            return true;
    return false;
}

static void what_one_changes_the_other_sees_before_its_time(void **state)
{
    struct fixture *f = *state;
    assert_true(soon(f, &f->here, &f->there));
    assert_true(soon(f, &f->there, &f->here));
    assert_true(soon(f, &f->there, &f->here));
}

/* Also what had come from it before is through then: a side looks once at a time. */
static void take_away(struct fixture *f, unsigned times)
{
    f->here.lent.refused = f->there.lent.refused = 0;
    away = true;
    TURN_UNTIL_BY(f->rig.loop, false, f->here.lent.refused >= times && f->there.lent.refused >= times);
}

static void without_a_cache_it_is_seen_in_its_time(void **state)
{
    struct fixture *f = *state;
    assert_true(soon(f, &f->here, &f->there));
    take_away(f, 1);
    uint64_t took_ms = ms_until_seen(f, &f->here, &f->there);
    assert_true(took_ms >= FLEET_FRESH_MS);
    away = false;
    assert_true(soon(f, &f->here, &f->there));
}

static void what_was_not_told_is_told_later(void **state)
{
    struct fixture *f = *state;
    char word[40] = "";
    take_away(f, 1);
    change(&f->here);
    take_away(f, 2);
    away = false;
    TURN_UNTIL_BY(f->rig.loop, false,
                  share_find(f->there.share, "fleet", word, sizeof(word), NULL) == DTR_OK && word[0]);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(what_one_changes_the_other_sees_before_its_time),
        TEST(without_a_cache_it_is_seen_in_its_time),
        TEST(what_was_not_told_is_told_later),
    };
    if (argc < 3)
        return fprintf(stderr, "usage: %s CACHE-MODULE DATABASE-MODULE\n", argv[0]), 2;
    cache_file = argv[1];
    store_rig_arguments(argc - 1, argv + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
