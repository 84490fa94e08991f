/* What this manager changes is in the pictures that are asked for after it was seen in the database, on real
 * databases. A worker may be stopped anywhere: here others ask while it commits. */
#include "core/manager/fleet/fleet.h"
#include "core/manager/rig.h"

#include <pthread.h>

static struct rig rig;
static struct dtr_database_ops watched;
static struct store *store;
static struct fleet_view *view;
/* What is done in the next commit. */
static bool asks_before, asks_after, fails;
static void (*meanwhile)(void);
static size_t before, after; /* clusters in a picture asked for just before it, and just after */

static size_t seen(void)
{
    const struct fleet *fleet;
    struct dtr_error err;
    if (fleet_get(view, &fleet, &err) != DTR_OK)
        fail_msg("%s", err.text);
    size_t count = fleet->count;
    fleet_done(fleet);
    return count;
}

static int commit(struct dtr_db *db, struct dtr_error *err)
{
    if (asks_before)
        before = seen();
    if (meanwhile)
        meanwhile();
    if (fails)
        return dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "the test took it away");
    int rc = rig.database.ops->commit(db, err);
    if (asks_after)
        after = seen();
    return rc;
}

/* --- many who ask at once, and how often the database is read for them ------------------------------------
 */

enum { READERS = 8 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_ask = PTHREAD_COND_INITIALIZER;
static unsigned asking, reads;
static bool counts;

static int run(struct dtr_db *db, const char *sql, const struct dtr_value *values, size_t count,
               const struct dtr_row_sink *sink, struct dtr_ran *ret_ran, struct dtr_error *err)
{
    (void)pthread_mutex_lock(&lock);
    if (counts && strstr(sql, "FROM scheduler_clusters s"))
        reads++;
    while (counts && asking < READERS) /* who comes first reads until the others are there */
        (void)pthread_cond_wait(&all_ask, &lock);
    (void)pthread_mutex_unlock(&lock);
    return rig.database.ops->run(db, sql, values, count, sink, ret_ran, err);
}

static void *read_one(void *failed)
{
    const struct fleet *fleet = NULL;
    (void)pthread_mutex_lock(&lock);
    asking++;
    (void)pthread_cond_broadcast(&all_ask);
    (void)pthread_mutex_unlock(&lock);
    *(bool *)failed = fleet_get(view, &fleet, NULL) != DTR_OK;
    fleet_done(fleet);
    return NULL;
}

static void many_ask(void)
{
    pthread_t threads[READERS];
    bool failed[READERS];
    asking = reads = 0;
    counts = true;
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_one, &failed[i]), 0);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(failed[i]);
    }
    counts = false;
}

/* --- life ------------------------------------------------------------------------------------------------
 */

static int begin(void **state)
{
    struct dtr_error err;
    (void)state;
    rig_open(&rig);
    watched = *rig.database.ops;
    watched.commit = commit;
    watched.run = run;
    const struct store_options options = {&watched, rig.database.module.instance, true};
    assert_int_equal(store_new(&options, &store, &err), DTR_OK);
    assert_int_equal(fleet_view_new(store, &view, &err), DTR_OK);
    assert_int_equal(seen(), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    asks_before = asks_after = fails = false;
    meanwhile = NULL;
    fleet_view_free(view);
    store_free(store);
    rig_close(&rig);
    return 0;
}

/* --- changes ---------------------------------------------------------------------------------------------
 */

static int add(struct store_db *db, void *context, struct dtr_error *err)
{
    (void)context;
    return store_run(db,
                     "INSERT INTO scheduler_clusters (id, name, bio, config_json, client_config_json,"
                     " scopes_json, is_default, created_at, updated_at) VALUES (1, 'a', '', '{}', '{}', '{}',"
                     " 0, 0, 0)",
                     NULL, 0, NULL, err);
}

static int nothing(struct store_db *db, void *context, struct dtr_error *err)
{
    (void)db;
    (void)context;
    (void)err;
    return DTR_OK;
}

static bool did_nothing(const void *context)
{
    (void)context;
    return false;
}

static void who_has_seen_the_row_sees_it_in_a_picture(void **state)
{
    (void)state;
    asks_after = true; /* it is there for everybody, and the worker has not come back from it */
    assert_int_equal(fleet_do(view, add, NULL, NULL, NULL), DTR_OK);
    assert_int_equal(after, 1);
    assert_int_equal(seen(), 1);
}

static void a_picture_from_just_before_is_not_kept(void **state)
{
    (void)state;
    asks_before = true;
    before = 1;
    assert_int_equal(fleet_do(view, add, NULL, NULL, NULL), DTR_OK);
    assert_int_equal(before, 0);
    assert_int_equal(seen(), 1);
}

/* Each wants one that was begun after it asked, and all who wait get the same. On a machine that is busy some
 * may come too late for that: one of some times will do. */
static void who_waits_shares_a_picture(void **state)
{
    bool shared = false;
    (void)state;
    meanwhile = many_ask;
    for (int i = 0; i < 10 && !shared; i++) {
        assert_int_equal(fleet_do(view, nothing, NULL, NULL, NULL), DTR_OK);
        assert_true(reads >= 1 && reads <= READERS);
        shared = reads < READERS;
    }
    assert_true(shared);
}

/* Whether one picture answers who asks now and who asks then. */
static bool lasts(void)
{
    const struct fleet *one, *other;
    assert_int_equal(fleet_get(view, &one, NULL), DTR_OK);
    assert_int_equal(fleet_get(view, &other, NULL), DTR_OK);
    bool same = one == other;
    fleet_done(one);
    fleet_done(other);
    return same;
}

/* On a machine that is busy one of some times will do: a picture lasts for FLEET_FRESH_MS. */
static bool lasts_again(void)
{
    for (int i = 0; i < 10; i++)
        if (lasts())
            return true;
    return false;
}

static void afterwards_one_picture_is_for_all_again(void **state)
{
    uint64_t changes = fleet_changes(view);
    (void)state;
    assert_int_equal(fleet_do(view, add, NULL, NULL, NULL), DTR_OK);
    assert_int_equal(fleet_changes(view), changes + 1);
    assert_true(lasts_again());
    fails = true;
    assert_int_equal(fleet_do(view, nothing, NULL, NULL, NULL), DTR_EUNAVAILABLE);
    fails = false;
    assert_int_equal(fleet_changes(view), changes + 2); /* it may be there, or not */
    assert_true(lasts_again());
    assert_int_equal(fleet_do(view, nothing, NULL, did_nothing, NULL), DTR_OK);
    assert_int_equal(fleet_changes(view), changes + 2);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(who_has_seen_the_row_sees_it_in_a_picture),
        TEST(a_picture_from_just_before_is_not_kept),
        TEST(who_waits_shares_a_picture),
        TEST(afterwards_one_picture_is_for_all_again),
    };
    store_rig_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
