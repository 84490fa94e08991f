/* Peers that no refresh sees become inactive, and go, on real databases. */
#include "core/manager/rig.h"
#include "core/manager/upkeep/runs.h"
#include "core/manager/upkeep/upkeep.h"

#include <stdlib.h>

static struct rig rig;

enum { MINUTE_MS = 60000, HOUR_MS = 60 * MINUTE_MS, DAY_MS = 24 * HOUR_MS };

/* One whose row was written so long ago; ids count from 1. */
static void add_peer(int id, const char *state, int64_t age_ms)
{
    char name[16];
    (void)snprintf(name, sizeof(name), "pod-%d", id);
    rig_peer(&rig, 1, name, state, store_now_ms() - age_ms);
}

static int64_t count(const char *where)
{
    char sql[300];
    (void)snprintf(sql, sizeof(sql), "SELECT COUNT(*) FROM peers WHERE %s", where);
    return rig_number(&rig, sql);
}

static void expire(uint64_t sync_every_ms)
{
    struct dtr_error err = {0};
    if (upkeep_expire_peers(rig.store, sync_every_ms, &err) != DTR_OK)
        fail_msg("%s", err.text);
}

static int64_t purge(void)
{
    struct dtr_error err = {0};
    int64_t purged = -1;
    if (upkeep_purge(rig.store, UPKEEP_PEERS, &purged, &err) != DTR_OK)
        fail_msg("%s", err.text);
    return purged;
}

/* --- becoming inactive ----------------------------------------------------------------------------------
 */

static void whom_three_refreshes_did_not_see_is_inactive(void **state)
{
    (void)state;
    add_peer(1, "active", 3 * (int64_t)DAY_MS - MINUTE_MS);
    add_peer(2, "active", 3 * (int64_t)DAY_MS + MINUTE_MS);
    add_peer(3, "inactive", 5 * (int64_t)DAY_MS);
    const int64_t gone_at = rig_number(&rig, "SELECT updated_at FROM peers WHERE id = 3");
    expire(2 * DAY_MS);
    assert_int_equal(count("state = 'active'"), 2);
    expire(DAY_MS);
    assert_int_equal(count("state = 'active' AND id = 1"), 1);
    assert_int_equal(count("state = 'active'"), 1);
    /* From now on it counts as inactive, and the other one still from when it became so. */
    assert_int_equal(purge(), 0);
    assert_int_equal(rig_number(&rig, "SELECT updated_at FROM peers WHERE id = 3"), gone_at);
    assert_true(rig_number(&rig, "SELECT updated_at FROM peers WHERE id = 2") >= store_now_ms() - HOUR_MS);
}

static void where_nothing_refreshes_or_seldom_all_stay(void **state)
{
    (void)state;
    add_peer(1, "active", 9999 * (int64_t)DAY_MS);
    expire(0);
    expire(INT64_MAX);
    expire(UINT64_MAX);
    assert_int_equal(count("state = 'active'"), 1);
}

/* --- going ------------------------------------------------------------------------------------------------
 */

static void who_was_inactive_for_a_week_goes(void **state)
{
    (void)state;
    rig_sql(&rig, "INSERT INTO configs (name, value, bio, user_id, created_at, updated_at)"
                  " VALUES ('gc', '{\"peer\":{\"ttl\":1}}', '', 1, 0, 0)"); /* it has no say */
    add_peer(1, "inactive", 7 * (int64_t)DAY_MS + MINUTE_MS);
    add_peer(2, "inactive", 7 * (int64_t)DAY_MS - MINUTE_MS);
    add_peer(3, "active", 99 * (int64_t)DAY_MS);
    assert_int_equal(purge(), 1);
    assert_int_equal(count("id IN (2, 3)"), 2);
    assert_int_equal(count("id > 0"), 2);
}

/* --- clocks -----------------------------------------------------------------------------------------------
 */

static void a_date_that_cannot_be_counts_from_now(void **state)
{
    (void)state;
    add_peer(1, "inactive", -9999 * (int64_t)DAY_MS);
    add_peer(2, "active", -9999 * (int64_t)DAY_MS);
    add_peer(3, "active", -2 * (int64_t)DAY_MS); /* a clock that is a little ahead */
    const int64_t ahead = rig_number(&rig, "SELECT updated_at FROM peers WHERE id = 3");
    expire(DAY_MS);
    assert_int_equal(count("state = 'active'"), 2);
    assert_int_equal(rig_number(&rig, "SELECT updated_at FROM peers WHERE id = 3"), ahead);
    /* Days later. */
    rig_sql(&rig, "UPDATE peers SET updated_at = updated_at - 691200000");
    expire(DAY_MS);
    assert_int_equal(purge(), 1);
    assert_int_equal(count("id = 2 AND state = 'inactive'"), 1);
    rig_sql(&rig, "UPDATE peers SET updated_at = updated_at - 691200000");
    expire(DAY_MS);
    assert_int_equal(purge(), 2);
    assert_int_equal(count("id > 0"), 0);
}

/* --- runs -------------------------------------------------------------------------------------------------
 */

static void run(struct runs *runs, uint64_t now_ms)
{
    struct dtr_error err = {0};
    if (runs_do(runs, RUN_PEERS, rig.store, NULL, now_ms, &err) != DTR_OK)
        fail_msg("%s", err.text);
}

static void a_run_does_both_when_the_peers_were_refreshed(void **state)
{
    struct runs one, other;
    (void)state;
    runs_init(&one, DAY_MS, 1000);
    runs_init(&other, DAY_MS, 1000);
    add_peer(1, "inactive", 8 * (int64_t)DAY_MS);
    add_peer(2, "active", 8 * (int64_t)DAY_MS); /* all managers were off for a while */
    run(&one, RUN_PEERS_FIRST_MS);
    assert_int_equal(count("id > 0"), 2);
    run(&one, RUN_PEERS_FIRST_MS + 1000);
    run(&other, RUN_PEERS_FIRST_MS + 1000); /* of two managers one does it */
    assert_int_equal(count("id = 2 AND state = 'inactive'"), 1);
    assert_int_equal(count("id > 0"), 1);
    assert_int_equal(rig_number(&rig,
                                "SELECT COUNT(*) FROM jobs WHERE type = 'gc' AND state = 'SUCCESS' AND"
                                " args_json = '{\"type\":\"peer\"}' AND result_json = '{\"purged\":1}'"),
                     1);
    rig_sql(&rig, "UPDATE jobs SET created_at = created_at - 3600000");
    rig_sql(&rig, "UPDATE peers SET updated_at = updated_at - 691200000");
    run(&one, RUN_PEERS_FIRST_MS + HOUR_MS + 1000);
    assert_int_equal(count("id > 0"), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(whom_three_refreshes_did_not_see_is_inactive, &rig),
        RIG_TEST(where_nothing_refreshes_or_seldom_all_stay, &rig),
        RIG_TEST(who_was_inactive_for_a_week_goes, &rig),
        RIG_TEST(a_date_that_cannot_be_counts_from_now, &rig),
        RIG_TEST(a_run_does_both_when_the_peers_were_refreshed, &rig),
    };
    store_rig_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
