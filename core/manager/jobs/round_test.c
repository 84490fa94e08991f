/* When a round takes a job from a manager that shows no sign of life, and when it makes one about peers, on
 * real databases. The steady clock is the test's. */
#include "core/manager/jobs/round.h"

#include "core/manager/jobs/runner_rig.h"

enum { LEASE_MS = 15000, STEP_MS = 2000, DAY_MS = 24 * 3600 * 1000 };

static struct round watcher;
static uint64_t now_ms;

/* A manager beside another one, "other", whose job is under way. */
static int begin(void **state)
{
    struct dtr_error err;
    (void)begin_ours(state);
    (void)add_job(JOB_PREHEAT, FILE_ARGS, 1);
    rig_sql(&rig, "UPDATE jobs SET owner = 'other', state = 'STARTED', due_at = 1");
    now_ms = 1000;
    assert_int_equal(round_init(&watcher, rig.store, LEASE_MS, STEP_MS, 0, now_ms, &err), DTR_OK);
    return 0;
}

static int end(void **state)
{
    round_free(&watcher);
    return end_runners(state);
}

/* A round so long after the last one; how many jobs it took. */
static size_t look_after(uint64_t ms)
{
    now_ms += ms;
    watcher.now_ms = now_ms;
    round_do(&watcher);
    const size_t taken = watcher.taken_count;
    round_clear(&watcher);
    return taken;
}

/* Rounds every second for so long, all good; how many jobs they took. */
static size_t look_for(uint64_t ms)
{
    size_t taken = 0;
    for (uint64_t i = 0; i < ms; i += 1000) {
        taken += look_after(1000);
        if (watcher.rc != DTR_OK)
            fail_msg("%s", watcher.err.text);
    }
    return taken;
}

static void who_is_silent_for_a_lease_loses_its_job(void **state)
{
    (void)state;
    assert_int_equal(look_for(LEASE_MS), 0);
    rig_sql(&rig, "UPDATE jobs SET due_at = 2"); /* it lives */
    assert_int_equal(look_for(LEASE_MS), 0);
    assert_int_equal(look_for(1000), 1);
    char *owner = column(1, "owner");
    assert_string_equal(owner, watcher.owner);
    free(owner);
}

/* The machine of all was suspended: nobody has lost anything before it could be heard. */
static void who_did_not_look_has_seen_nothing(void **state)
{
    (void)state;
    assert_int_equal(look_for(2000), 0);
    assert_int_equal(look_after(DAY_MS), 0);
    rig_sql(&rig, "UPDATE jobs SET due_at = 2"); /* now it is */
    assert_int_equal(look_for(LEASE_MS), 0);
    assert_int_equal(look_for(1000), 1);
}

static void looks_that_fail_are_none(void **state)
{
    (void)state;
    assert_int_equal(look_after(1000), 0);
    rig_sql(&rig, "ALTER TABLE jobs RENAME TO hidden");
    for (int i = 0; i < 2 * LEASE_MS; i += 1000) {
        assert_int_equal(look_after(1000), 0);
        assert_int_not_equal(watcher.rc, DTR_OK);
    }
    rig_sql(&rig, "ALTER TABLE hidden RENAME TO jobs");
    assert_int_equal(look_for(LEASE_MS - STEP_MS), 0);
    assert_int_equal(look_for(1000), 1);
}

/* It takes longer then, but not forever. */
static void who_is_always_late_sees_something(void **state)
{
    (void)state;
    assert_int_equal(look_after(1000), 0);
    for (int i = STEP_MS; i < LEASE_MS; i += STEP_MS)
        assert_int_equal(look_after(DAY_MS), 0);
    assert_int_equal(look_after(DAY_MS), 1);
}

/* --- jobs about peers ------------------------------------------------------------------------------------
 */

enum { MINUTE_MS = 60000, HOUR_MS = 60 * MINUTE_MS };

/* A manager that starts now. */
static void start_syncing(void)
{
    struct dtr_error err;
    round_free(&watcher);
    assert_int_equal(round_init(&watcher, rig.store, LEASE_MS, STEP_MS, DAY_MS, now_ms, &err), DTR_OK);
}

/* Rounds for so long; how many jobs about peers there are then. Each of them has ended at once. */
static int64_t syncs_after(uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i += MINUTE_MS) {
        (void)look_after(MINUTE_MS);
        if (watcher.rc != DTR_OK)
            fail_msg("%s", watcher.err.text);
        rig_sql(&rig, "UPDATE jobs SET state = 'SUCCESS', owner = '' WHERE type = 'sync_peers'");
    }
    return count("jobs WHERE type = 'sync_peers'");
}

/* One that was made so long ago, by the machine's date. */
static void add_sync(int64_t age_ms)
{
    char sql[400];
    const long long at = (long long)(store_now_ms() - age_ms);
    (void)snprintf(sql, sizeof(sql),
                   "INSERT INTO jobs (group_id, type, state, user_id, owner, due_at, tries, created_at,"
                   " updated_at) VALUES ('made %lld', 'sync_peers', 'SUCCESS', 0, '', 0, 0, %lld, %lld)",
                   at, at, at);
    rig_sql(&rig, sql);
}

static void without_one_the_first_is_soon(void **state)
{
    (void)state;
    start_syncing();
    assert_int_equal(syncs_after(ROUND_SYNC_FIRST_MS), 0);
    assert_int_equal(syncs_after(MINUTE_MS), 1);
    assert_int_equal(syncs_after(23 * HOUR_MS), 1);
    assert_int_equal(syncs_after(HOUR_MS + 2 * MINUTE_MS), 2);
}

static void the_first_waits_for_a_scheduler(void **state)
{
    (void)state;
    rig_sql(&rig, "UPDATE schedulers SET state = 'inactive'");
    start_syncing();
    assert_int_equal(syncs_after(HOUR_MS), 0);
    rig_sql(&rig, "UPDATE schedulers SET state = 'active'");
    assert_int_equal(syncs_after(ROUND_SYNC_FIRST_MS), 0);
    assert_int_equal(syncs_after(2 * MINUTE_MS), 1);
    /* So does a later one. */
    rig_sql(&rig, "UPDATE schedulers SET state = 'inactive'");
    assert_int_equal(syncs_after(25 * HOUR_MS), 1);
    rig_sql(&rig, "UPDATE schedulers SET state = 'active'");
    assert_int_equal(syncs_after(ROUND_SYNC_FIRST_MS), 1);
    assert_int_equal(syncs_after(2 * MINUTE_MS), 2);
}

static void one_from_before_the_start_counts(void **state)
{
    (void)state;
    add_sync(20 * HOUR_MS);
    start_syncing();
    assert_int_equal(syncs_after(4 * HOUR_MS - 2 * MINUTE_MS), 1);
    assert_int_equal(syncs_after(4 * MINUTE_MS), 2);
}

static void one_of_long_ago_or_of_the_future_does_not(void **state)
{
    (void)state;
    add_sync(25 * HOUR_MS);
    start_syncing();
    assert_int_equal(syncs_after(ROUND_SYNC_FIRST_MS + MINUTE_MS), 2);
    add_sync(-(int64_t)9 * HOUR_MS);
    start_syncing();
    assert_int_equal(syncs_after(ROUND_SYNC_FIRST_MS + MINUTE_MS), 4);
}

/* Also when its clock is in another year; and when a user takes its row away, an older one is no news. */
static void what_another_manager_makes_counts(void **state)
{
    (void)state;
    start_syncing();
    assert_int_equal(syncs_after(12 * HOUR_MS), 1);
    add_sync((int64_t)9000 * HOUR_MS);
    assert_int_equal(syncs_after(23 * HOUR_MS), 2);
    rig_sql(&rig, "DELETE FROM jobs WHERE created_at = (SELECT at FROM (SELECT MIN(created_at) AS at FROM"
                  " jobs) AS oldest)");
    assert_int_equal(syncs_after(HOUR_MS + 2 * MINUTE_MS), 2);
}

int main(int argc, char **argv)
{
#define T(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        T(who_is_silent_for_a_lease_loses_its_job),
        T(who_did_not_look_has_seen_nothing),
        T(looks_that_fail_are_none),
        T(who_is_always_late_sees_something),
        T(without_one_the_first_is_soon),
        T(the_first_waits_for_a_scheduler),
        T(one_from_before_the_start_counts),
        T(one_of_long_ago_or_of_the_future_does_not),
        T(what_another_manager_makes_counts),
    };
    store_rig_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
