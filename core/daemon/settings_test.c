/* Every key that the table calls reloadable: changed, taken over, and in charge where the daemon looks. */
#include "core/daemon/settings.h"

#include "core/conf/change.h"
#include "core/conf/schema.h"
#include "core/daemon/gc.h"
#include "core/daemon/tasks/task_internal.h"
#include "core/daemon/upload/serve_rig.h"
#include "core/http/mirror_internal.h"
#include "core/rpc/internal.h"
#include "proto/scheduler.pb-c.h"
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

/* --- a daemon and its scheduler ------------------------------------------------------------------------- */

/* What the last AnnounceHost said. */
static struct {
    int times;
    char idc[32], location[32];
    uint64_t cluster, rx, tx;
    bool disable_shared;
    int64_t interval_s;
} told;

static void on_announce(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    const Scheduler__V2__AnnounceHostRequest *message = (const void *)request->message;
    const Common__V2__Network *network = message->host->network;
    (void)service;
    told.times++;
    (void)snprintf(told.idc, sizeof(told.idc), "%s", network->idc ? network->idc : "");
    (void)snprintf(told.location, sizeof(told.location), "%s", network->location ? network->location : "");
    told.cluster = message->host->scheduler_cluster_id;
    told.rx = network->max_rx_bandwidth;
    told.tx = network->max_tx_bandwidth;
    told.disable_shared = message->host->disable_shared;
    told.interval_s = message->interval->seconds;
    serve_reply_empty(call);
}

static void on_leave(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    (void)service;
    (void)request;
    serve_reply_empty(call);
}

static const struct dtr_rpc_handler handlers[] = {
    {.method = &dtr_rpc_scheduler_announce_host, .request = on_announce},
    {.method = &dtr_rpc_scheduler_delete_host, .request = on_leave},
};
static struct played scheduler;

static void begin(void)
{
    struct dtr_daemon *daemon = &rig.daemon;
    told.times = 0;
    serve_play(&rig, &scheduler, handlers, 2, NULL);
    rig.schedulers[0] = scheduler.addr;
    rig.scheduler_count = 1;
    serve_rig_begin(&rig);
    daemon->config = dtr_conf_daemon(rig.conf);
    settings_pace(daemon);
    assert_int_equal(gc_new(daemon, &daemon->gc, NULL), DTR_OK);
    SERVE_UNTIL(&rig, told.times == 1);
}

static void finish(void)
{
    gc_close(rig.daemon.gc);
    serve_rig_stop(&rig);
    serve_play_end(&rig, &scheduler);
}

/* As reload.c does: the defaults with these keys set. */
static void reload(const char *const (*keys)[2], size_t count)
{
    struct dtr_conf *next = NULL;
    struct dtr_daemon_settings *settings = NULL;
    struct dtr_error err = {0};
    int announced = told.times;
    assert_int_equal(dtr_conf_defaults(DTR_ROLE_DAEMON, &next, &err), DTR_OK);
    for (size_t i = 0; i < count; i++)
        if (dtr_conf_set(next, keys[i][0], keys[i][1], &err) != DTR_OK)
            fail_msg("%s", err.text);
    if (dtr_daemon_prepare(dtr_conf_daemon(next), &settings, &err) != DTR_OK)
        fail_msg("%s", err.text);
    dtr_conf_take(rig.conf, next);
    dtr_daemon_take(&rig.daemon, settings);
    SERVE_UNTIL(&rig, told.times > announced && !rig.daemon.tasks->cleaning.asked);
}

/* --- where each value is looked at ---------------------------------------------------------------------- */

/* Calls of one moment that a table lets begin at once, and those that it lets wait. */
static void count_calls(struct dtr_rpc_table *table, unsigned *ret_at_once, unsigned *ret_waiting)
{
    static uint64_t hour_ms;
    uint64_t now_ms = hour_ms += 3600000, turn_ms;
    *ret_at_once = *ret_waiting = 0;
    while (*ret_at_once + *ret_waiting < 1000 && dtr_rpc_table_admit(table, now_ms, &turn_ms))
        (*(turn_ms == now_ms ? ret_at_once : ret_waiting))++;
}

static unsigned at_once(struct dtr_rpc_table *table)
{
    unsigned calls, waiting;
    count_calls(table, &calls, &waiting);
    return calls;
}

static unsigned waiting(struct dtr_rpc_table *table)
{
    unsigned calls, late;
    count_calls(table, &calls, &late);
    return late;
}

static bool is(const char *text, const char *wanted)
{
    return text && strcmp(text, wanted) == 0;
}

static bool has_rule(const struct dtr_mirror *mirror, const char *url)
{
    return dtr_mirror_find_rule(mirror, url) != NULL;
}

/* key, another value than the default, whether that is in charge. */
#define KEYS(X)                                                                                              \
    X("host.idc", "here", is(told.idc, "here"))                                                              \
    X("host.location", "a|b", is(told.location, "a|b"))                                                      \
    X("host.schedulerClusterID", "7", told.cluster == 7)                                                     \
    X("download.server.requestRateLimit", "3", at_once(d->local) == 3)                                       \
    X("download.server.requestBufferSize", "4", waiting(d->local) == 4)                                      \
    X("download.bandwidthLimit", "1MB", d->limits.download.rate == 1000000 && told.rx == 8000000)            \
    X("download.backToSourceBandwidthLimit", "2MB", d->limits.back_to_source.rate == 2000000)                \
    X("download.pieceTimeout", "7s", plan->piece_timeout_ms == 7000)                                         \
    X("download.collectedPieceTimeout", "8s", d->config->download.collected_piece_timeout_ms == 8000)        \
    X("download.concurrentPieceCount", "3",                                                                  \
      plan->concurrent_pieces == 3 && d->config->download.concurrent_piece_count == 3)                       \
    X("download.stallTimeout", "9s", plan->stall_timeout_ms == 9000)                                         \
    X("download.p2pThreshold", "1KiB", plan->p2p_threshold == 1024)                                          \
    X("upload.server.requestRateLimit", "5", at_once(d->peers) == 5)                                         \
    X("upload.server.requestBufferSize", "6", waiting(d->peers) == 6)                                        \
    X("upload.disableShared", "true", told.disable_shared)                                                   \
    X("upload.bandwidthLimit", "3MB", d->limits.upload.rate == 3000000 && told.tx == 24000000)               \
    X("upload.contentMemory", "5MiB",                                                                        \
      d->upload->content[0].budget.limit == 5 << 20 && d->upload->content[1].budget.limit == 5 << 20)        \
    X("scheduler.announceInterval", "11s", told.interval_s == 11)                                            \
    X("scheduler.scheduleTimeout", "12s", plan->schedule_timeout_ms == 12000)                                \
    X("scheduler.maxScheduleCount", "2", plan->max_schedule_count == 2)                                      \
    X("storage.revalidateAfter", "13s", options->renew_after_ms == 13000)                                    \
    X("gc.policy.taskTTL", "1h", policy->ttl_ms == 3600000)                                                  \
    X("gc.policy.diskThreshold", "1GB", policy->threshold == 1000000000)                                     \
    X("gc.policy.diskHighThresholdPercent", "77", policy->high == 77)                                        \
    X("gc.policy.diskLowThresholdPercent", "33", policy->low == 33)                                          \
    X("gc.policy.pageCacheIdleTimeout", "2m", policy->page_cache_idle_ms == 120000)                          \
    X("proxy.server.requestRateLimit", "9", d->limits.proxy_requests.rate == 9)                              \
    X("proxy.rules", "[{regex: 'only/this'}]",                                                               \
      has_rule(mirror, "http://h/only/this") && !has_rule(mirror, "http://h/blobs/sha256:a"))                \
    X("proxy.registryMirror.addr", "http://other.test", is(mirror->base.authority, "other.test"))            \
    X("proxy.registryMirror.cert", "/dev/null",                                                              \
      is(options->origin_ca_file, "/dev/null") && is(d->settings->origin_ca_file, "/dev/null"))              \
    X("proxy.registryMirror.enableTaskIDBasedBlobDigest", "false", !mirror->blob_digest_id)                  \
    X("proxy.registryMirror.plainHosts", "[plain.test]", dtr_mirror_names(mirror, "http://plain.test/x"))    \
    X("proxy.disableBackToSource", "true",                                                                   \
      plan->disable_back_to_source && d->settings->disable_back_to_source &&                                 \
          d->config->proxy.disable_back_to_source)                                                           \
    X("proxy.prefetch", "false", !mirror->prefetch)                                                          \
    X("proxy.prefetchBandwidthLimit", "4MB", d->limits.prefetch.rate == 4000000)                             \
    X("proxy.outputDir", "/srv/out", is(d->settings->output_dir, "/srv/out"))                                \
    X("backend.requestHeader", "{X-Token: t}",                                                               \
      is(options->origin_headers, "X-Token: t\n") && is(d->settings->origin_headers, "X-Token: t\n"))        \
    X("backend.maxRetries", "4", options->origin_repeats == 4)                                               \
    X("backend.enableCacheTemporaryRedirect", "false", options->redirect_ttl_ms == 0)                        \
    X("backend.cacheTemporaryRedirectTTL", "14s", options->redirect_ttl_ms == 14000)

static const char *const keys[][2] = {
#define KEY_VALUE(key, value, seen) {key, value},
    KEYS(KEY_VALUE)
#undef KEY_VALUE
};
enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]) };

static bool in_charge(const char *key)
{
    const struct dtr_daemon *d = &rig.daemon;
    const struct dtr_tasks_options *options = &d->tasks->options;
    const struct dtr_plan_config *plan = &options->plan;
    const struct dtr_clean_policy *policy = &d->tasks->cleaning.policy;
    const struct dtr_mirror *mirror = d->settings->mirror;
#define KEY_SEEN(name, value, seen)                                                                          \
    if (strcmp(key, name) == 0)                                                                              \
        return (seen);
    KEYS(KEY_SEEN)
#undef KEY_SEEN
    return false;
}

/* Seen by what the whole program does only: core/main/reload.c allows networks, intervals end sooner. */
static const char *const elsewhere[] = {"security.outbound.allow", "dynconfig.refreshInterval",
                                        "gc.interval"};

static bool is_covered(const char *key)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (strcmp(keys[i][0], key) == 0)
            return true;
    for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
        if (strcmp(elsewhere[i], key) == 0)
            return true;
    return false;
}

/* --- tests ---------------------------------------------------------------------------------------------- */

static void every_reloadable_key_is_tried_here(void **state)
{
    (void)state;
    size_t count = 0;
    for (size_t i = 0; i < dtr_conf_daemon_schema.count; i++) {
        const struct dtr_conf_row *row = &dtr_conf_daemon_schema.rows[i];
        count += row->reloadable;
        if (row->reloadable && !is_covered(row->key))
            fail_msg("%s is called reloadable; add it to KEYS, or see to it that it is", row->key);
    }
    assert_int_equal(count, KEY_COUNT + sizeof(elsewhere) / sizeof(elsewhere[0]));
}

static void each_is_in_charge_once_it_was_taken(void **state)
{
    (void)state;
    begin();
    reload(NULL, 0);
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (in_charge(keys[i][0]))
            fail_msg("%s is %s before it was changed", keys[i][0], keys[i][1]);
        reload(&keys[i], 1);
        if (!in_charge(keys[i][0]))
            fail_msg("%s was changed to %s without effect", keys[i][0], keys[i][1]);
    }
    reload(NULL, 0);
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (in_charge(keys[i][0]))
            fail_msg("%s stays %s", keys[i][0], keys[i][1]);
    finish();
}

static void whether_there_are_schedulers_is_nobody_elses_matter(void **state)
{
    (void)state;
    begin();
    dtr_tasks_have_scheduler(rig.daemon.tasks, true);
    reload(NULL, 0);
    assert_true(rig.daemon.tasks->options.plan.have_scheduler);
    finish();
}

/* Who holds the settings of before keeps them as they were. */
static void what_is_held_stays(void **state)
{
    (void)state;
    static const char *const rules[][2] = {{"proxy.rules", "[{regex: first}]"},
                                           {"proxy.rules", "[{regex: second}]"}};
    begin();
    reload(&rules[0], 1);
    struct dtr_daemon_settings *held = settings_hold(&rig.daemon);
    reload(&rules[1], 1);
    assert_true(has_rule(held->mirror, "http://h/first"));
    assert_false(has_rule(rig.daemon.settings->mirror, "http://h/first"));
    assert_true(has_rule(rig.daemon.settings->mirror, "http://h/second"));
    settings_drop(held);
    finish();
}

/* A change that comes while the host is being announced is announced too. */
static void the_last_change_is_announced(void **state)
{
    (void)state;
    struct dtr_daemon_settings *settings[2] = {NULL};
    static const char *const places[] = {"one", "two"};
    begin();
    for (int i = 0; i < 2; i++) {
        struct dtr_conf *next = NULL;
        assert_int_equal(dtr_conf_defaults(DTR_ROLE_DAEMON, &next, NULL), DTR_OK);
        assert_int_equal(dtr_conf_set(next, "host.idc", places[i], NULL), DTR_OK);
        assert_int_equal(dtr_daemon_prepare(dtr_conf_daemon(next), &settings[i], NULL), DTR_OK);
        dtr_conf_take(rig.conf, next);
        dtr_daemon_take(&rig.daemon, settings[i]);
    }
    SERVE_UNTIL(&rig, is(told.idc, "two"));
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reloadable_key_is_tried_here),
        SERVE_TEST(each_is_in_charge_once_it_was_taken),
        SERVE_TEST(whether_there_are_schedulers_is_nobody_elses_matter),
        SERVE_TEST(what_is_held_stays),
        SERVE_TEST(the_last_change_is_announced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
