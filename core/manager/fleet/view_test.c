/* When a picture of all clusters is read again. */
#include "core/manager/fleet/fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void a_small_picture_follows_each_change(void **state)
{
    (void)state;
    assert_true(fleet_is_recent(0, 0, false));
    assert_true(fleet_is_recent(FLEET_FRESH_MS - 1, 0, false));
    assert_false(fleet_is_recent(0, 0, true));
    assert_false(fleet_is_recent(0, FLEET_SMALL_MS - 1, true));
}

static void a_large_one_rests_between_changes(void **state)
{
    const uint64_t cost_ms = 20;
    (void)state;
    assert_true(fleet_is_recent(FLEET_REST * cost_ms - 1, cost_ms, true));
    assert_false(fleet_is_recent(FLEET_REST * cost_ms, cost_ms, true));
    assert_true(fleet_is_recent(FLEET_REST * cost_ms, cost_ms, false));
}

/* What other managers change is seen in time, however large it is. */
static void none_is_used_for_ever(void **state)
{
    (void)state;
    assert_false(fleet_is_recent(FLEET_FRESH_MS, 0, false));
    assert_false(fleet_is_recent(FLEET_FRESH_MS, FLEET_FRESH_MS, true));
}

static void it_shows_clusters_and_who_serves_in_them(void **state)
{
    (void)state;
    assert_true(fleet_shows("scheduler_clusters") && fleet_shows("seed_peer_clusters"));
    assert_true(fleet_shows("schedulers") && fleet_shows("seed_peers"));
    assert_false(fleet_shows("peers") || fleet_shows("users"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_picture_follows_each_change),
        cmocka_unit_test(a_large_one_rests_between_changes),
        cmocka_unit_test(none_is_used_for_ever),
        cmocka_unit_test(it_shows_clusters_and_who_serves_in_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
