/* Who has fallen silent, who is long gone, and the runs that clear away, on real databases. The steady clock
 * is the test's. */
#include "core/manager/rig.h"
#include "core/manager/upkeep/runs.h"

#include <stdlib.h>

static struct rig rig;
static struct fleet_view *view;
static struct silence *silence;
static uint64_t now_ms;

static int begin(void **state)
{
    struct dtr_error err;
    (void)state;
    rig = (struct rig){0};
    rig_open(&rig);
    assert_int_equal(fleet_view_new(rig.store, &view, &err), DTR_OK);
    silence = silence_new(view);
    assert_non_null(silence);
    now_ms = 1000;
    return 0;
}

static int end(void **state)
{
    (void)state;
    silence_free(silence);
    fleet_view_free(view);
    rig_close(&rig);
    return 0;
}

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

/* --- rows ------------------------------------------------------------------------------------------------
 */

static void add_scheduler(int id, const char *state, const char *config, int64_t alive_at, int64_t updated_at)
{
    char sql[600];
    (void)snprintf(sql, sizeof(sql),
                   "INSERT INTO schedulers (id, host_name, ip, port, state, features_json, config_json,"
                   " last_keep_alive_at, scheduler_cluster_id, created_at, updated_at)"
                   " VALUES (%d, 's-%d', '10.0.0.1', 8002, '%s', '[]', '%s', %lld, 1, 0, %lld)",
                   id, id, state, config, (long long)alive_at, (long long)updated_at);
    rig_sql(&rig, sql);
}

static void add_seed(int id, const char *state, int64_t alive_at)
{
    char sql[600];
    (void)snprintf(sql, sizeof(sql),
                   "INSERT INTO seed_peers (id, host_name, type, ip, port, download_port,"
                   " object_storage_port, state, last_keep_alive_at, seed_peer_cluster_id, created_at,"
                   " updated_at) VALUES (%d, 'p-%d', 'super', '10.0.0.1', 1, 2, 0, '%s', %lld, 1, 0, 0)",
                   id, id, state, (long long)alive_at);
    rig_sql(&rig, sql);
}

static void set(const char *table, int id, const char *assignments)
{
    char sql[300];
    (void)snprintf(sql, sizeof(sql), "UPDATE %s SET %s WHERE id = %d", table, assignments, id);
    rig_sql(&rig, sql);
}

static int64_t count(const char *where)
{
    char sql[300];
    (void)snprintf(sql, sizeof(sql), "SELECT COUNT(*) FROM %s", where);
    return rig_number(&rig, sql);
}

/* One look; whether a member became inactive, which pictures then show. */
static bool look(void)
{
    struct dtr_error err = {0};
    uint64_t changes = fleet_changes(view);
    if (silence_look(silence, rig.store, now_ms, &err) != DTR_OK)
        fail_msg("%s", err.text);
    return fleet_changes(view) > changes;
}

/* Looks every two seconds for so long; whether a member became inactive. */
static bool look_for(uint64_t ms)
{
    bool news = false;
    for (const uint64_t until_ms = now_ms + ms; now_ms < until_ms;) {
        now_ms += 2 * SECOND;
        news |= look();
    }
    return news;
}

static int64_t reap(enum silence_kind kind)
{
    struct dtr_error err = {0};
    int64_t reaped = -1;
    if (silence_reap(silence, kind, &reaped, &err) != DTR_OK)
        fail_msg("%s", err.text);
    return reaped;
}

/* --- silence ---------------------------------------------------------------------------------------------
 */

static const char every_10_s[] = "{\"manager_keep_alive_interval\":10000000000}";

static void who_says_nothing_for_three_intervals_is_inactive(void **state)
{
    (void)state;
    add_scheduler(1, "active", "{\"manager_keep_alive_interval\":5000000000}", 1, 0);
    add_scheduler(2, "active", every_10_s, 1, 0);
    add_scheduler(3, "active", "nonsense", 1, 0);
    add_seed(1, "active", 1);
    /* From the start on, all have time to come back. */
    assert_false(look());
    assert_false(look_for(18 * SECOND));
    assert_true(look_for(2 * SECOND));
    assert_int_equal(count("schedulers WHERE state = 'active'"), 1);
    assert_false(look_for(10 * SECOND));
    set("schedulers", 2, "last_keep_alive_at = 2");
    assert_false(look_for(14 * SECOND));
    assert_int_equal(count("seed_peers WHERE state = 'active'"), 1);
    assert_true(look_for(4 * SECOND));
    assert_int_equal(count("seed_peers WHERE state = 'active'"), 0);
    assert_false(look_for(12 * SECOND));
    assert_true(look_for(6 * SECOND));
    assert_int_equal(count("schedulers WHERE state = 'inactive' AND updated_at > 0"), 3);
}

static void dates_in_rows_say_nothing(void **state)
{
    char alive[64];
    (void)state;
    add_scheduler(1, "active", every_10_s, 1, 0);
    add_scheduler(2, "active", every_10_s, INT64_MAX, 0);
    (void)look();
    /* Its manager's clock is in another century, and goes backward. */
    for (int i = 100; i > 0; i--) {
        (void)snprintf(alive, sizeof(alive), "last_keep_alive_at = %d", i);
        set("schedulers", 1, alive);
        (void)look_for(4 * SECOND);
    }
    assert_int_equal(count("schedulers WHERE id = 1 AND state = 'active'"), 1);
    assert_int_equal(count("schedulers WHERE id = 2 AND state = 'active'"), 0);
}

static void who_did_not_look_has_seen_nothing(void **state)
{
    (void)state;
    add_scheduler(1, "active", every_10_s, 1, 0);
    add_scheduler(2, "inactive", every_10_s, 1, 0);
    (void)look();
    (void)look_for(28 * SECOND);
    /* It was stopped for a day. */
    now_ms += 24ull * HOUR;
    assert_false(look());
    assert_int_equal(reap(SILENCE_SCHEDULERS), 0);
    assert_false(look_for(28 * SECOND));
    assert_true(look_for(8 * SECOND));
}

static bool is_away;
static struct dtr_database_ops flaky;

static int run_flaky(struct dtr_db *db, const char *sql, const struct dtr_value *values, size_t value_count,
                     const struct dtr_row_sink *sink, struct dtr_ran *ret_ran, struct dtr_error *err)
{
    return is_away ? dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "lost")
                   : rig.database.ops->run(db, sql, values, value_count, sink, ret_ran, err);
}

static void while_the_database_is_away_nobody_is_silent(void **state)
{
    struct store *store;
    struct dtr_error err;
    uint64_t changes = fleet_changes(view);
    (void)state;
    flaky = *rig.database.ops;
    flaky.run = run_flaky;
    const struct store_options options = {&flaky, rig.database.module.instance, true};
    assert_int_equal(store_new(&options, &store, &err), DTR_OK);
    add_scheduler(1, "active", "{}", 1, 0);
    for (int i = 0; i < 9; i++)
        assert_int_equal(silence_look(silence, store, now_ms += 2000, &err), DTR_OK);
    is_away = true;
    for (int i = 0; i < 9; i++)
        assert_int_equal(silence_look(silence, store, now_ms += 2000, &err), DTR_EUNAVAILABLE);
    is_away = false;
    for (int i = 0; i < 10; i++)
        assert_int_equal(silence_look(silence, store, now_ms += 2000, &err), DTR_OK);
    assert_int_equal(fleet_changes(view), changes);
    assert_int_equal(silence_look(silence, store, now_ms += 2000, &err), DTR_OK);
    assert_int_equal(fleet_changes(view), changes + 1);
    store_free(store);
}

/* --- reaping ---------------------------------------------------------------------------------------------
 */

static void who_is_inactive_for_half_an_hour_goes(void **state)
{
    (void)state;
    add_scheduler(1, "inactive", every_10_s, 1, 1);
    add_scheduler(2, "inactive", every_10_s, 1, 1);
    add_seed(1, "inactive", 1);
    (void)look();
    (void)look_for(30 * MINUTE - 2 * SECOND);
    assert_int_equal(reap(SILENCE_SCHEDULERS), 0);
    add_scheduler(3, "inactive", every_10_s, 1, 1);
    (void)look_for(2 * SECOND);
    /* This one came back after the last look. */
    set("schedulers", 2, "state = 'active'");
    assert_int_equal(reap(SILENCE_SCHEDULERS), 1);
    assert_int_equal(reap(SILENCE_SEEDS), 1);
    assert_int_equal(count("schedulers WHERE id > 1"), 2);
    assert_int_equal(count("schedulers"), 2);
    assert_int_equal(count("seed_peers"), 0);
}

static void who_flaps_stays(void **state)
{
    char change[100];
    (void)state;
    add_scheduler(1, "inactive", every_10_s, 1, 1);
    (void)look();
    /* The looks see it only when it is down. */
    for (int i = 0; i < 200; i++) {
        (void)snprintf(change, sizeof(change), "updated_at = %d", i + 2);
        set("schedulers", 1, change);
        (void)look_for(10 * SECOND);
    }
    assert_int_equal(reap(SILENCE_SCHEDULERS), 0);
    (void)look_for(30 * MINUTE);
    assert_int_equal(reap(SILENCE_SCHEDULERS), 1);
}

/* --- runs ------------------------------------------------------------------------------------------------
 */

static void run(struct runs *runs, enum run_kind kind)
{
    struct dtr_error err = {0};
    if (runs_do(runs, kind, rig.store, silence, now_ms, &err) != DTR_OK)
        fail_msg("%s", err.text);
}

static void add_old_job(int id)
{
    char sql[300];
    (void)snprintf(sql, sizeof(sql),
                   "INSERT INTO jobs (id, group_id, type, state, user_id, owner, due_at, tries, created_at,"
                   " updated_at) VALUES (%d, 'group-%d', 'preheat', 'SUCCESS', 1, '', 0, 0, 1, 1)",
                   id, id);
    rig_sql(&rig, sql);
}

static void each_run_leaves_a_row(void **state)
{
    struct runs runs;
    (void)state;
    runs_init(&runs, DAY, now_ms);
    add_old_job(1);
    run(&runs, RUN_JOBS);
    assert_int_equal(count("jobs WHERE type = 'gc'"), 0); /* it is not due */
    now_ms += RUN_PEERS_FIRST_MS;
    for (int kind = 0; kind < RUN_KINDS; kind++)
        run(&runs, (enum run_kind)kind);
    assert_int_equal(count("jobs"), RUN_KINDS);
    assert_int_equal(count("jobs WHERE type = 'gc' AND state = 'SUCCESS' AND args_json = '{\"type\":\"job\"}'"
                           " AND result_json = '{\"purged\":1}' AND user_id = 0"),
                     1);
    assert_int_equal(count("jobs WHERE result_json = '{\"purged\":0}' AND args_json IN"
                           " ('{\"type\":\"audit\"}', '{\"type\":\"scheduler\"}', '{\"type\":\"seed_peer\"}',"
                           " '{\"type\":\"peer\"}')"),
                     4);
}

static void runs_come_in_their_intervals(void **state)
{
    struct runs runs;
    (void)state;
    runs_init(&runs, DAY, now_ms);
    now_ms += RUN_FIRST_MS;
    for (int hour = 0; hour < 12; hour++, now_ms += HOUR) {
        /* The dates of the rows go with the test's clock. */
        rig_sql(&rig, "UPDATE jobs SET created_at = created_at - 3600000");
        for (int kind = 0; kind < RUN_KINDS; kind++)
            run(&runs, (enum run_kind)kind);
    }
    assert_int_equal(count("jobs WHERE args_json LIKE '%job%' ESCAPE '!'"), 4);
    assert_int_equal(count("jobs WHERE args_json LIKE '%audit%' ESCAPE '!'"), 2);
    assert_int_equal(count("jobs WHERE args_json LIKE '%scheduler%' ESCAPE '!'"), 12);
}

static void of_two_managers_one_does_it(void **state)
{
    struct runs one, other;
    (void)state;
    runs_init(&one, DAY, now_ms);
    runs_init(&other, DAY, now_ms);
    now_ms += RUN_FIRST_MS;
    run(&one, RUN_AUDITS);
    run(&other, RUN_AUDITS);
    assert_int_equal(count("jobs"), 1);
    /* Nor does one whose clock was in another year keep the others from it. */
    rig_sql(&rig, "UPDATE jobs SET created_at = created_at + 31536000000");
    now_ms += HOUR;
    run(&other, RUN_AUDITS);
    assert_int_equal(count("jobs"), 2);
}

static int run_meanwhile(struct store_db *db, void *context, struct dtr_error *err)
{
    (void)db;
    (void)err;
    run(context, RUN_JOBS);
    return DTR_OK;
}

static void not_while_another_is_at_it(void **state)
{
    struct runs runs;
    struct dtr_error err;
    (void)state;
    runs_init(&runs, DAY, now_ms);
    now_ms += RUN_FIRST_MS;
    assert_int_equal(store_alone(rig.store, "darter-gc-job", run_meanwhile, &runs, &err), DTR_OK);
    assert_int_equal(count("jobs"), 0);
    now_ms += MINUTE;
    run(&runs, RUN_JOBS);
    assert_int_equal(count("jobs"), 1);
}

static void a_run_that_fails_says_so(void **state)
{
    struct runs runs;
    (void)state;
    runs_init(&runs, DAY, now_ms);
    now_ms += RUN_FIRST_MS;
    rig_sql(&rig, "DROP TABLE audits");
    run(&runs, RUN_AUDITS);
    assert_int_equal(count("jobs WHERE state = 'FAILURE' AND type = 'gc'"
                           " AND result_json LIKE '{\"purged\":0,\"error\":\"%audits%\"}' ESCAPE '!'"),
                     1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_says_nothing_for_three_intervals_is_inactive, begin, end),
        cmocka_unit_test_setup_teardown(dates_in_rows_say_nothing, begin, end),
        cmocka_unit_test_setup_teardown(who_did_not_look_has_seen_nothing, begin, end),
        cmocka_unit_test_setup_teardown(while_the_database_is_away_nobody_is_silent, begin, end),
        cmocka_unit_test_setup_teardown(who_is_inactive_for_half_an_hour_goes, begin, end),
        cmocka_unit_test_setup_teardown(who_flaps_stays, begin, end),
        cmocka_unit_test_setup_teardown(each_run_leaves_a_row, begin, end),
        cmocka_unit_test_setup_teardown(runs_come_in_their_intervals, begin, end),
        cmocka_unit_test_setup_teardown(of_two_managers_one_does_it, begin, end),
        cmocka_unit_test_setup_teardown(not_while_another_is_at_it, begin, end),
        cmocka_unit_test_setup_teardown(a_run_that_fails_says_so, begin, end),
    };
    store_rig_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
