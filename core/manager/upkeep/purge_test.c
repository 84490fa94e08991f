/* Old rows go, on real databases; and the date that they are old by. */
#include "core/manager/rig.h"
#include "core/manager/upkeep/age.h"
#include "core/manager/upkeep/upkeep.h"

#include <stdlib.h>

static struct rig rig;

static void set_gc(const char *value)
{
    char sql[300];
    rig_sql(&rig, "DELETE FROM configs");
    (void)snprintf(sql, sizeof(sql),
                   "INSERT INTO configs (name, value, bio, user_id, created_at, updated_at)"
                   " VALUES ('gc', '%s', '', 1, 0, 0)",
                   value);
    rig_sql(&rig, sql);
}

/* `count` of them, which were written `age_s` ago. */
static void add_audits(int count, int64_t age_s)
{
    char sql[600];
    const long long at = (long long)(store_now_ms() - age_s * 1000);
    (void)snprintf(sql, sizeof(sql),
                   "INSERT INTO audits (actor_type, actor_name, event_type, operation, operated_at, state,"
                   " path, status_code, detail, created_at, updated_at)"
                   " WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
                   " SELECT 'USER', 'root', 'API', 'GET', %lld, 'SUCCESS', '/', 200, '', %lld, %lld FROM n",
                   count, at, at, at);
    rig_sql(&rig, sql);
}

static void add_job(int id, const char *state, int64_t created_s, int64_t updated_s)
{
    char sql[500];
    const int64_t now = store_now_ms();
    (void)snprintf(sql, sizeof(sql),
                   "INSERT INTO jobs (id, group_id, type, state, user_id, owner, due_at, tries, created_at,"
                   " updated_at) VALUES (%d, 'group-%d', 'preheat', '%s', 1, '', 0, 0, %lld, %lld)",
                   id, id, state, (long long)(now - created_s * 1000), (long long)(now - updated_s * 1000));
    rig_sql(&rig, sql);
    (void)snprintf(sql, sizeof(sql), "INSERT INTO job_clusters VALUES (%d, 1)", id);
    rig_sql(&rig, sql);
}

static int64_t purge(enum upkeep_kind kind)
{
    struct dtr_error err = {0};
    int64_t purged = -1;
    if (upkeep_purge(rig.store, kind, &purged, &err) != DTR_OK)
        fail_msg("%s", err.text);
    return purged;
}

enum { MINUTE = 60, HOUR = 3600, DAY = 24 * HOUR };

static void audits_go_by_their_age(void **state)
{
    (void)state;
    set_gc("{\"audit\":{\"ttl\":3600000000000},\"job\":{\"ttl\":1}}");
    add_audits(3, HOUR + MINUTE);
    add_audits(2, HOUR - MINUTE);
    assert_int_equal(purge(UPKEEP_AUDITS), 3);
    assert_int_equal(purge(UPKEEP_AUDITS), 0);
    assert_int_equal(rig_number(&rig, "SELECT COUNT(*) FROM audits"), 2);
}

static void more_than_a_batch_goes_at_once(void **state)
{
    (void)state;
    add_audits(700, 8 * DAY);
    for (int i = 0; i < 14; i++)
        add_audits(700, 9 * DAY);
    add_audits(1, 6 * DAY);
    assert_int_equal(purge(UPKEEP_AUDITS), 15 * 700);
    assert_int_equal(rig_number(&rig, "SELECT COUNT(*) FROM audits"), 1);
    for (int i = 0; i < 10; i++)
        add_audits(UPKEEP_BATCH / 10, 8 * DAY);
    assert_int_equal(purge(UPKEEP_AUDITS), UPKEEP_BATCH);
}

static void jobs_go_when_they_have_ended_long_ago(void **state)
{
    (void)state;
    set_gc("{\"audit\":{\"ttl\":1},\"job\":{\"ttl\":7200000000000}}");
    add_job(1, "SUCCESS", DAY, 2 * HOUR + MINUTE);
    add_job(2, "FAILURE", DAY, 3 * HOUR);
    add_job(3, "SUCCESS", DAY, HOUR); /* it took long */
    add_job(4, "PENDING", DAY, DAY);
    add_job(5, "STARTED", DAY, DAY);
    add_job(6, "RETRY", DAY, DAY);
    assert_int_equal(purge(UPKEEP_JOBS), 2);
    assert_int_equal(rig_number(&rig, "SELECT COUNT(*) FROM jobs WHERE id > 2"), 4);
    assert_int_equal(rig_number(&rig, "SELECT COUNT(*) FROM jobs"), 4);
    assert_int_equal(rig_number(&rig, "SELECT COUNT(*) FROM job_clusters WHERE job_id > 2"), 4);
    assert_int_equal(rig_number(&rig, "SELECT COUNT(*) FROM job_clusters"), 4);
}

/* It is how managers that are started later know when the peers were refreshed. */
static void the_last_job_about_peers_stays(void **state)
{
    (void)state;
    for (int id = 1; id <= 4; id++)
        add_job(id, "SUCCESS", DAY, DAY);
    rig_sql(&rig, "UPDATE jobs SET type = 'sync_peers' WHERE id IN (2, 3)");
    assert_int_equal(purge(UPKEEP_JOBS), 3);
    assert_int_equal(rig_number(&rig, "SELECT MIN(id) FROM jobs"), 3);
    assert_int_equal(rig_number(&rig, "SELECT COUNT(*) FROM job_clusters"), 1);
    add_job(5, "STARTED", DAY, DAY);
    rig_sql(&rig, "UPDATE jobs SET type = 'sync_peers'");
    assert_int_equal(purge(UPKEEP_JOBS), 1);
    assert_int_equal(rig_number(&rig, "SELECT MIN(id) FROM jobs"), 5);
}

static void a_setting_that_is_broken_or_missing_is_the_usual_one(void **state)
{
    static const char *const values[] = {
        "nonsense",
        "[]",
        "{}",
        "{\"job\":{},\"audit\":{}}",
        "{\"job\":{\"ttl\":0},\"audit\":{\"ttl\":-1}}",
        "{\"job\":{\"ttl\":\"1\"},\"audit\":{\"ttl\":1.5}}",
        "{\"job\":{\"ttl\":99999999999999999999},\"audit\":{\"ttl\":null}}",
    };
    (void)state;
    for (size_t i = 0; i <= sizeof(values) / sizeof(values[0]); i++) {
        if (i > 0)
            set_gc(values[i - 1]);
        add_job(1, "SUCCESS", 7 * HOUR, 6 * HOUR + MINUTE);
        add_job(2, "SUCCESS", 7 * HOUR, 6 * HOUR - MINUTE);
        add_audits(1, 7 * DAY + MINUTE);
        add_audits(1, 7 * DAY - MINUTE);
        assert_int_equal(purge(UPKEEP_JOBS), 1);
        assert_int_equal(purge(UPKEEP_AUDITS), 1);
        assert_int_equal(rig_number(&rig, "SELECT MAX(id) FROM jobs"), 2);
        rig_sql(&rig, "DELETE FROM jobs");
        rig_sql(&rig, "DELETE FROM job_clusters");
        rig_sql(&rig, "DELETE FROM audits");
    }
}

static void what_is_of_the_future_stays(void **state)
{
    (void)state;
    set_gc("{\"audit\":{\"ttl\":9223372036854775807},\"job\":{\"ttl\":1}}");
    add_job(1, "SUCCESS", -DAY, -DAY);
    add_audits(1, 50 * 365 * DAY);
    assert_int_equal(purge(UPKEEP_JOBS), 0);
    assert_int_equal(purge(UPKEEP_AUDITS), 0);
}

/* --- the date --------------------------------------------------------------------------------------------
 */

static const int64_t START = (int64_t)1700000000 * 1000, DAY_MS = (int64_t)DAY * 1000;

static void the_date_is_the_machines(void **state)
{
    struct age age = {0};
    (void)state;
    assert_int_equal(age_judge(&age, START, 5000), START);
    assert_int_equal(age_judge(&age, START + 2000, 7000), START + 2000);
    /* It may be slewed, and be put right a little. */
    assert_int_equal(age_judge(&age, START + 9000, 9000), START + 9000);
    assert_int_equal(age_judge(&age, START + 1000, 10000), START + 1000);
}

static void a_jump_forward_is_believed_after_a_day(void **state)
{
    struct age age = {0};
    const int64_t jump = 365 * DAY_MS;
    (void)state;
    (void)age_judge(&age, START, 0);
    for (int64_t ms = 2000; ms < 2000 + AGE_DOUBT_MS; ms += 3600 * 1000)
        assert_int_equal(age_judge(&age, START + jump + ms, ms), START + ms);
    assert_int_equal(age_judge(&age, START + jump + AGE_DOUBT_MS + 2000, AGE_DOUBT_MS + 2000),
                     START + jump + AGE_DOUBT_MS + 2000);
}

static void a_jump_that_is_put_right_costs_nothing(void **state)
{
    struct age age = {0};
    (void)state;
    (void)age_judge(&age, START, 0);
    assert_int_equal(age_judge(&age, START + DAY_MS, 1000), START + 1000);
    assert_int_equal(age_judge(&age, START + 2000, 2000), START + 2000);
    /* The next one is doubted for a day again, and each that follows on another. */
    assert_int_equal(age_judge(&age, START + DAY_MS, AGE_DOUBT_MS), START + AGE_DOUBT_MS);
    assert_int_equal(age_judge(&age, START + 9 * DAY_MS, 2 * DAY_MS), START + 2 * DAY_MS);
    assert_int_equal(age_judge(&age, START + 9 * DAY_MS + DAY_MS / 2, 2 * DAY_MS + DAY_MS / 2),
                     START + 2 * DAY_MS + DAY_MS / 2);
    assert_int_equal(age_judge(&age, START + 10 * DAY_MS, 3 * DAY_MS), START + 10 * DAY_MS);
}

static void a_jump_back_is_believed_at_once(void **state)
{
    struct age age = {0};
    (void)state;
    (void)age_judge(&age, START, 0);
    assert_int_equal(age_judge(&age, START - 99 * DAY_MS, 1000), START - 99 * DAY_MS);
    /* Which makes the return a jump forward. */
    assert_int_equal(age_judge(&age, START + 2000, 2000), START - 99 * DAY_MS + 1000);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(audits_go_by_their_age, &rig),
        RIG_TEST(more_than_a_batch_goes_at_once, &rig),
        RIG_TEST(jobs_go_when_they_have_ended_long_ago, &rig),
        RIG_TEST(the_last_job_about_peers_stays, &rig),
        RIG_TEST(a_setting_that_is_broken_or_missing_is_the_usual_one, &rig),
        RIG_TEST(what_is_of_the_future_stays, &rig),
        cmocka_unit_test(the_date_is_the_machines),
        cmocka_unit_test(a_jump_forward_is_believed_after_a_day),
        cmocka_unit_test(a_jump_that_is_put_right_costs_nothing),
        cmocka_unit_test(a_jump_back_is_believed_at_once),
    };
    store_rig_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
