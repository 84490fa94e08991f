/* The manager's tables and transactions on a real database. */
#include "core/manager/rig.h"
#include "core/manager/store/schema.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static struct rig rig;

static int begin(void **state)
{
    (void)state;
    rig = (struct rig){0};
    rig_open(&rig);
    return 0;
}

static int end(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

static void new_tables_are_made_once(void **state)
{
    (void)state;
    struct dtr_error err;
    assert_int_equal(store_ready(rig.store, &err), DTR_OK);
    assert_int_equal(rig_number(&rig, "SELECT COUNT(*) FROM darter_schema"), schema_newest());
    rig_sql(&rig, "INSERT INTO secrets VALUES ('a', 'b')");
    /* another process */
    const struct store_options options = {rig.database.ops, rig.database.module.instance, true};
    struct store *other;
    assert_int_equal(store_new(&options, &other, &err), DTR_OK);
    assert_int_equal(store_ready(other, &err), DTR_OK);
    store_free(other);
    assert_int_equal(rig_number(&rig, "SELECT COUNT(*) FROM darter_schema"), schema_newest());
    assert_int_equal(rig_number(&rig, "SELECT COUNT(*) FROM secrets"), 1);
}

static void *make_ready(void *context)
{
    (void)context;
    const struct store_options options = {rig.database.ops, rig.database.module.instance, true};
    struct store *store;
    struct dtr_error err;
    if (store_new(&options, &store, &err) != DTR_OK)
        return "no store";
    int rc = store_ready(store, &err);
    store_free(store);
    return rc == DTR_OK ? NULL : "not ready";
}

static void several_that_begin_at_once_make_them_once(void **state)
{
    (void)state;
    pthread_t threads[6];
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_ready, NULL), 0);
    for (size_t i = 0; i < 6; i++) {
        void *said;
        assert_int_equal(pthread_join(threads[i], &said), 0);
        assert_null(said);
    }
    assert_int_equal(rig_number(&rig, "SELECT COUNT(*) FROM darter_schema"), schema_newest());
}

/* Statements on a database that Darter did not make. */
static void prepare_foreign(const char *const *statements)
{
    struct dtr_db *db;
    struct dtr_error err;
    assert_int_equal(rig.database.ops->open(rig.database.module.instance, &db, &err), DTR_OK);
    for (; *statements; statements++)
        assert_int_equal(rig.database.ops->run(db, *statements, NULL, 0, NULL, NULL, &err), DTR_OK);
    rig.database.ops->close(db);
}

static void dragonflys_database_is_left_alone(void **state)
{
    (void)state;
    static const char *const theirs[] = {"CREATE TABLE scheduler_cluster (id INTEGER)",
                                         "CREATE TABLE casbin_rule (id INTEGER)", NULL};
    struct dtr_error err;
    prepare_foreign(theirs);
    assert_int_equal(store_ready(rig.store, &err), DTR_EINVALID);
    assert_non_null(strstr(err.text, "Dragonfly"));
    bool mysql = strcmp(rig.database.ops->dialect->name, "mysql") == 0;
    assert_non_null(strstr(err.text, mysql ? "database.mysql.dbname" : "database.sqlite.path"));
    struct dtr_db *db;
    assert_int_equal(rig.database.ops->open(rig.database.module.instance, &db, &err), DTR_OK);
    assert_int_equal(rig.database.ops->run(db, "SELECT * FROM darter_schema", NULL, 0, NULL, NULL, &err),
                     DTR_EINVALID);
    rig.database.ops->close(db);
}

static void newer_tables_are_refused(void **state)
{
    (void)state;
    struct dtr_error err;
    rig_sql(&rig, "INSERT INTO darter_schema VALUES (99, 0)");
    const struct store_options options = {rig.database.ops, rig.database.module.instance, true};
    struct store *other;
    assert_int_equal(store_new(&options, &other, &err), DTR_OK);
    assert_int_equal(store_ready(other, &err), DTR_EINVALID);
    assert_non_null(strstr(err.text, "version 99"));
    store_free(other);
}

static void older_tables_are_refused_when_they_may_not_be_changed(void **state)
{
    (void)state;
    struct dtr_error err;
    const struct store_options options = {rig.database.ops, rig.database.module.instance, false};
    struct store *other;
    assert_int_equal(store_new(&options, &other, &err), DTR_OK);
    assert_int_equal(store_ready(other, &err), DTR_EINVALID);
    assert_non_null(strstr(err.text, "database.mysql.migrate"));
    assert_int_equal(store_ready(rig.store, &err), DTR_OK);
    assert_int_equal(store_ready(other, &err), DTR_OK);
    store_free(other);
}

static int write_and_fail(struct store_db *db, void *context, struct dtr_error *err)
{
    (void)context;
    int rc = store_run(db, "INSERT INTO secrets VALUES ('x', 'y')", NULL, 0, NULL, err);
    assert_int_equal(rc, DTR_OK);
    return dtr_error_set(err, DTR_EDENIED, DTR_RETRY_NEVER, "no");
}

static int write_twice(struct store_db *db, void *context, struct dtr_error *err)
{
    int *runs = context;
    int rc = store_run(db, "INSERT INTO secrets VALUES ('x', 'y')", NULL, 0, NULL, err);
    if (++*runs < 3)
        return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_SAME, "in the way");
    return rc;
}

static void what_fails_leaves_nothing_and_what_was_in_the_way_runs_again(void **state)
{
    (void)state;
    struct dtr_error err;
    int runs = 0;
    assert_int_equal(store_do(rig.store, write_and_fail, NULL, &err), DTR_EDENIED);
    assert_int_equal(rig_number(&rig, "SELECT COUNT(*) FROM secrets"), 0);
    assert_int_equal(store_do(rig.store, write_twice, &runs, &err), DTR_OK);
    assert_int_equal(runs, 3);
    assert_int_equal(rig_number(&rig, "SELECT COUNT(*) FROM secrets"), 1);
}

static int try_the_same(struct store_db *db, void *context, struct dtr_error *err)
{
    (void)db;
    return store_alone(context, "job", try_the_same, NULL, err);
}

static void a_lock_is_held_by_one(void **state)
{
    (void)state;
    struct dtr_error err;
    assert_int_equal(store_alone(rig.store, "job", try_the_same, rig.store, &err), DTR_ETIMEOUT);
    assert_int_equal(store_alone(rig.store, "job", write_twice, &(int){5}, &err), DTR_OK);
}

/* --- a database that comes and goes ----------------------------------------------------------------------
 */

static bool is_away;
static struct dtr_database_ops flaky;

static int open_flaky(void *instance, struct dtr_db **ret_db, struct dtr_error *err)
{
    return is_away ? dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "nobody there")
                   : rig.database.ops->open(instance, ret_db, err);
}

static int run_flaky(struct dtr_db *db, const char *sql, const struct dtr_value *values, size_t count,
                     const struct dtr_row_sink *sink, struct dtr_ran *ret_ran, struct dtr_error *err)
{
    return is_away ? dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "lost")
                   : rig.database.ops->run(db, sql, values, count, sink, ret_ran, err);
}

static int look(struct store_db *db, void *context, struct dtr_error *err)
{
    return store_number(db, "SELECT COUNT(*) FROM secrets", NULL, 0, context, err);
}

static void it_comes_back_by_itself(void **state)
{
    (void)state;
    struct dtr_error err;
    int64_t count;
    flaky = *rig.database.ops;
    flaky.open = open_flaky;
    flaky.run = run_flaky;
    const struct store_options options = {&flaky, rig.database.module.instance, true};
    struct store *store;
    assert_int_equal(store_new(&options, &store, &err), DTR_OK);
    is_away = true;
    assert_int_equal(store_read(store, look, &count, &err), DTR_EUNAVAILABLE);
    assert_string_equal(err.text, "nobody there");
    is_away = false;
    assert_int_equal(store_read(store, look, &count, &err), DTR_OK);
    is_away = true;
    assert_int_equal(store_read(store, look, &count, &err), DTR_EUNAVAILABLE);
    assert_int_equal(store_read(store, look, &count, &err), DTR_EUNAVAILABLE);
    is_away = false;
    assert_int_equal(store_read(store, look, &count, &err), DTR_OK);
    store_free(store);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(new_tables_are_made_once, begin, end),
        cmocka_unit_test_setup_teardown(several_that_begin_at_once_make_them_once, begin, end),
        cmocka_unit_test_setup_teardown(dragonflys_database_is_left_alone, begin, end),
        cmocka_unit_test_setup_teardown(newer_tables_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(older_tables_are_refused_when_they_may_not_be_changed, begin, end),
        cmocka_unit_test_setup_teardown(what_fails_leaves_nothing_and_what_was_in_the_way_runs_again, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_lock_is_held_by_one, begin, end),
        cmocka_unit_test_setup_teardown(it_comes_back_by_itself, begin, end),
    };
    store_rig_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
