/* The manager's tables and transactions on a real database. */
#include "core/base/clock.h"
#include "core/manager/rig.h"
#include "core/manager/store/schema.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static struct rig rig;

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

/* What the first version of the tables holds stays when they are brought to the next. */
static void older_tables_keep_what_is_in_them(void **state)
{
    (void)state;
    struct dtr_error err;
    struct store_db db = {.ops = rig.database.ops, .dialect = rig.database.ops->dialect};
    assert_int_equal(rig.database.ops->open(rig.database.module.instance, &db.db, &err), DTR_OK);
    assert_int_equal(schema_bring_to(&db, 1, &err), DTR_OK);
    assert_int_equal(store_run(&db,
                               "INSERT INTO jobs (id, group_id, bio, type, state, args_json, user_id, owner,"
                               " due_at, tries, created_at, updated_at) VALUES (7, 'group_x', 'old', 'gc',"
                               " 'SUCCESS', '{}', 1, '', 0, 1, 5, 6)",
                               NULL, 0, NULL, &err),
                     DTR_OK);
    assert_int_equal(store_run(&db, "SELECT * FROM job_runs", NULL, 0, NULL, &err), DTR_EINVALID);
    rig.database.ops->close(db.db);
    assert_int_equal(store_ready(rig.store, &err), DTR_OK);
    assert_int_equal(rig_number(&rig, "SELECT MAX(version) FROM darter_schema"), schema_newest());
    assert_int_equal(rig_number(&rig, "SELECT COUNT(*) FROM jobs WHERE bio = 'old' AND updated_at = 6"), 1);
    assert_int_equal(rig_number(&rig, "SELECT COUNT(*) FROM job_runs"), 0);
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

struct crowd {
    uint64_t since_ms;
    int runs;
};

static int find_it_free_after_a_while(struct store_db *db, void *context, struct dtr_error *err)
{
    enum { HELD_MS = 300 };
    struct crowd *crowd = context;
    (void)db;
    if (crowd->runs++ == 0)
        crowd->since_ms = dtr_now_ms();
    return dtr_now_ms() - crowd->since_ms >= HELD_MS
               ? DTR_OK
               : dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_SAME, "in the way");
}

static void who_is_in_the_way_for_a_while_is_waited_for(void **state)
{
    (void)state;
    struct dtr_error err;
    struct crowd crowd = {0};
    assert_int_equal(store_do(rig.store, find_it_free_after_a_while, &crowd, &err), DTR_OK);
    assert_in_range(crowd.runs, 2, 300);
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

static int read_numbers(struct store_db *db, void *context, struct dtr_error *err)
{
    int64_t *list;
    size_t count;
    int rc = store_numbers(db, context, NULL, 0, &list, &count, err);
    if (rc == DTR_OK)
        assert_true(count == 0 || (count == 2 && list[0] == 9 && list[1] == 7));
    else
        assert_null(list);
    free(list);
    return rc == DTR_OK ? (int)count : rc;
}

static void numbers_are_those_of_all_rows(void **state)
{
    (void)state;
    struct dtr_error err;
    char all[] = "SELECT id FROM configs WHERE id > 6 ORDER BY id DESC",
         none[] = "SELECT id FROM configs WHERE id > 9", wrong[] = "SELECT it FROM nowhere";
    assert_int_equal(store_ready(rig.store, &err), DTR_OK);
    rig_sql(&rig, "INSERT INTO configs (id, name, value, bio, user_id, created_at, updated_at)"
                  " VALUES (7, 'a', '', '', 1, 0, 0), (9, 'b', '', '', 1, 0, 0)");
    assert_int_equal(store_read(rig.store, read_numbers, all, &err), 2);
    assert_int_equal(store_read(rig.store, read_numbers, none, &err), 0);
    assert_int_equal(store_read(rig.store, read_numbers, wrong, &err), DTR_EINVALID);
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
        RIG_TEST(new_tables_are_made_once, &rig),
        RIG_TEST(several_that_begin_at_once_make_them_once, &rig),
        RIG_TEST(dragonflys_database_is_left_alone, &rig),
        RIG_TEST(newer_tables_are_refused, &rig),
        RIG_TEST(older_tables_are_refused_when_they_may_not_be_changed, &rig),
        RIG_TEST(older_tables_keep_what_is_in_them, &rig),
        RIG_TEST(what_fails_leaves_nothing_and_what_was_in_the_way_runs_again, &rig),
        RIG_TEST(who_is_in_the_way_for_a_while_is_waited_for, &rig),
        RIG_TEST(a_lock_is_held_by_one, &rig),
        RIG_TEST(numbers_are_those_of_all_rows, &rig),
        RIG_TEST(it_comes_back_by_itself, &rig),
    };
    store_rig_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
