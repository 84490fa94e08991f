/* Every key of scheduler.yaml that the table calls reloadable: changed, taken over, and in charge. */
#include "core/main/roles.h"

#include "core/brain/swarm_state.h"
#include "core/conf/change.h"
#include "core/conf/schema.h"
#include "core/rpc/internal.h"
#include "core/scheduler/role.h"
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct dtr_conf *charge;
static struct scheduler_role role;
static struct serve_pages pages;
static char script[400];

static int begin(void **state)
{
    struct dtr_error err;
    (void)state;
    char *folder = realpath(".", NULL);
    (void)snprintf(script, sizeof(script), "%s/scripts/scheduling/dragonfly.lua", folder ? folder : "");
    free(folder);
    assert_int_equal(dtr_conf_defaults(DTR_ROLE_SCHEDULER, &charge, &err), DTR_OK);
    assert_int_equal(dtr_conf_set(charge, "server.listenIP", "127.0.0.1", &err), DTR_OK);
    assert_int_equal(dtr_conf_set(charge, "server.port", "0", &err), DTR_OK);
    if (scheduler_role_open(&role, dtr_conf_scheduler(charge), NULL, &pages, &err) != DTR_OK)
        fail_msg("%s", err.text);
    return 0;
}

static void set_flag(void *context)
{
    *(bool *)context = true;
}

static int finish(void **state)
{
    bool stopped = false;
    (void)state;
    scheduler_role_stop(&role, set_flag, &stopped);
    while (!stopped)
        dtr_loop_turn(role.control, true);
    scheduler_role_free(&role);
    dtr_conf_free(charge);
    return 0;
}

/* As reload.c does: the defaults with this key set, or without (NULL). */
static void reload(const char *key, const char *value)
{
    struct dtr_conf *next = NULL;
    struct dtr_scheduler_policy *policy = NULL;
    struct dtr_error err;
    assert_int_equal(dtr_conf_defaults(DTR_ROLE_SCHEDULER, &next, &err), DTR_OK);
    if (key && dtr_conf_set(next, key, value, &err) != DTR_OK)
        fail_msg("%s", err.text);
    if (dtr_scheduler_prepare(dtr_conf_scheduler(next)->scheduler.algorithm, &policy, &err) != DTR_OK)
        fail_msg("%s", err.text);
    dtr_conf_take(charge, next);
    scheduler_role_take(&role, policy);
}

/* Calls of one moment that begin at once. */
static unsigned at_once(struct dtr_rpc_table *table)
{
    static uint64_t hour_ms;
    uint64_t now_ms = hour_ms += 3600000, turn_ms = now_ms;
    unsigned count = 0;
    while (count < 100 && dtr_rpc_table_admit(table, now_ms, &turn_ms) && turn_ms == now_ms)
        count++;
    return count;
}

/* key, another value than the default, whether that is in charge. */
#define KEYS(X)                                                                                              \
    X("server.requestRateLimit", "3", at_once(role.table) == 3)                                              \
    X("scheduler.algorithm", script, strcmp(role.scheduler->policy.algorithm, script) == 0)                  \
    X("scheduler.backToSourceCount", "5", swarm->back_to_source_count == 5)                                  \
    X("scheduler.retryBackToSourceLimit", "6", swarm->retry_back_to_source_limit == 6)                       \
    X("scheduler.retryLimit", "7", swarm->retry_limit == 7)                                                  \
    X("scheduler.retryInterval", "80ms", swarm->retry_interval_ms == 80)                                     \
    X("scheduler.gc.pieceDownloadTimeout", "9s", swarm->piece_download_timeout_ms == 9000)                   \
    X("scheduler.gc.peerGCInterval", "11s", swarm->peer_gc_interval_ms == 11000)                             \
    X("scheduler.gc.peerTTL", "12s", swarm->peer_ttl_ms == 12000)                                            \
    X("scheduler.gc.taskGCInterval", "13s", swarm->task_gc_interval_ms == 13000)                             \
    X("scheduler.gc.hostGCInterval", "14s", swarm->host_gc_interval_ms == 14000)                             \
    X("scheduler.gc.hostTTL", "15s", swarm->host_ttl_ms == 15000)                                            \
    X("seedPeer.taskDownloadTimeout", "16s", role.scheduler->seed_timeout_ms == 16000)                       \
    X("metrics.enableHost", "true", role.scheduler->count_hosts)

static bool in_charge(const char *key)
{
    const struct dtr_swarm_config *swarm = &role.scheduler->swarm->config;
#define KEY_SEEN(name, value, seen)                                                                          \
    if (strcmp(key, name) == 0)                                                                              \
        return (seen);
    KEYS(KEY_SEEN)
#undef KEY_SEEN
    return false;
}

/* Seen by what the whole program does only: reload.c sets these, and intervals end sooner. */
static const char *const elsewhere[] = {"security.outbound.allow", "server.logLevel",
                                        "dynConfig.refreshInterval"};

static void each_is_in_charge_once_it_was_taken(void **state)
{
    (void)state;
    const char *const keys[][2] = {
#define KEY_VALUE(key, value, seen) {key, value},
        KEYS(KEY_VALUE)
#undef KEY_VALUE
    };
    size_t count = sizeof(keys) / sizeof(keys[0]), reloadable = 0;
    for (size_t i = 0; i < count; i++) {
        if (in_charge(keys[i][0]))
            fail_msg("%s is %s before it was changed", keys[i][0], keys[i][1]);
        reload(keys[i][0], keys[i][1]);
        if (!in_charge(keys[i][0]))
            fail_msg("%s was changed to %s without effect", keys[i][0], keys[i][1]);
        reload(NULL, NULL);
        if (in_charge(keys[i][0]))
            fail_msg("%s stays %s", keys[i][0], keys[i][1]);
    }
    for (size_t i = 0; i < dtr_conf_scheduler_schema.count; i++) {
        const struct dtr_conf_row *row = &dtr_conf_scheduler_schema.rows[i];
        bool here = false;
        for (size_t j = 0; j < count; j++)
            here = here || strcmp(row->key, keys[j][0]) == 0;
        for (size_t j = 0; j < sizeof(elsewhere) / sizeof(elsewhere[0]); j++)
            here = here || strcmp(row->key, elsewhere[j]) == 0;
        if (row->reloadable && !here)
            fail_msg("%s is called reloadable; add it to KEYS, or see to it that it is", row->key);
        reloadable += row->reloadable;
    }
    assert_int_equal(reloadable, count + sizeof(elsewhere) / sizeof(elsewhere[0]));
}

/* What dynconfig.yaml said last is not the file's. */
static void limits_of_dynconfig_stay(void **state)
{
    (void)state;
    role.candidate_parent_limit = 3;
    reload("scheduler.retryLimit", "7");
    assert_int_equal(role.scheduler->swarm->config.candidate_parent_limit, 3);
}

static void hosts_have_time_to_come_back(void **state)
{
    (void)state;
    assert_int_equal(role.scheduler->swarm->config.settle_ms, DTR_SWARM_SETTLE_MS);
    assert_int_equal(role.scheduler->jobs.settle_ms, DTR_SCHEDULER_JOBS_SETTLE_MS);
    assert_true(role.scheduler->settled_ms >= DTR_SCHEDULER_JOBS_SETTLE_MS);
    assert_true(role.scheduler->settled_ms <= role_now_ms(role.scheduler) + DTR_SCHEDULER_JOBS_SETTLE_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_is_in_charge_once_it_was_taken, begin, finish),
        cmocka_unit_test_setup_teardown(limits_of_dynconfig_stay, begin, finish),
        cmocka_unit_test_setup_teardown(hosts_have_time_to_come_back, begin, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
