/* What the metrics show, and their bounds. */
#include "core/obs/metric.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static char *render(unsigned groups)
{
    struct dtr_str out = {0};
    assert_int_equal(dtr_metrics_render(groups, &out), DTR_OK);
    dtr_str_puts(&out, "\n");
    return dtr_str_take(&out);
}

static void assert_shows(unsigned groups, const char *text)
{
    char *all = render(groups);
    if (!strstr(all, text))
        fail_msg("missing: %s\nin:\n%s", text, all);
    free(all);
}

static void assert_hides(unsigned groups, const char *text)
{
    char *all = render(groups);
    assert_null(strstr(all, text));
    free(all);
}

static void counters_have_help_type_and_labels(void **state)
{
    (void)state;
    dtr_metric_add(DTR_CLIENT_BACKEND_REQUEST, DTR_LABELS("http", "GET"), 1);
    dtr_metric_add(DTR_CLIENT_BACKEND_REQUEST, DTR_LABELS("http", "GET"), 2);
    dtr_metric_add(DTR_CLIENT_BACKEND_REQUEST, DTR_LABELS("a\"b\\c\nd", "HEAD"), 1);
    assert_shows(DTR_METRICS_CLIENT, "# HELP dragonfly_client_backend_request_total Requests to origins\n"
                                     "# TYPE dragonfly_client_backend_request_total counter\n");
    assert_shows(DTR_METRICS_CLIENT,
                 "\ndragonfly_client_backend_request_total{scheme=\"http\",method=\"GET\"} 3\n");
    assert_shows(DTR_METRICS_CLIENT,
                 "\ndragonfly_client_backend_request_total{scheme=\"a\\\"b\\\\c\\nd\",method=\"HEAD\"} 1\n");
    assert_hides(DTR_METRICS_SCHEDULER, "dragonfly_client_");
}

static void plain_families_show_zero_and_unfed_ones_nothing(void **state)
{
    (void)state;
    assert_shows(DTR_METRICS_CLIENT, "\ndragonfly_client_proxy_request_total 0\n");
    assert_shows(DTR_METRICS_SCHEDULER, "\ndragonfly_scheduler_concurrent_schedule_total 0\n");
    assert_shows(DTR_METRICS_SCHEDULER, "\ndragonfly_scheduler_schedule_duration_milliseconds_count 0\n");
    assert_hides(DTR_METRICS_SCHEDULER, "dragonfly_scheduler_exchange_peer_total");
    assert_hides(DTR_METRICS_CLIENT, "dragonfly_client_delete_host_total");
    dtr_metric_add(DTR_CLIENT_DELETE_HOST, NULL, 1);
    assert_shows(DTR_METRICS_CLIENT, "\ndragonfly_client_delete_host_total 1\n");
}

static void gauges_go_both_ways_and_survive_a_reset(void **state)
{
    (void)state;
    dtr_metric_add(DTR_SCHEDULER_CONCURRENT_SCHEDULE, NULL, 3);
    dtr_metric_add(DTR_SCHEDULER_CONCURRENT_SCHEDULE, NULL, -1);
    dtr_metric_set(DTR_CLIENT_DISK_SPACE, NULL, 123456789012345.0);
    dtr_metric_add(DTR_SCHEDULER_STAT_TASK, NULL, 5);
    dtr_metrics_reset(DTR_METRICS_SCHEDULER);
    assert_shows(DTR_METRICS_SCHEDULER, "\ndragonfly_scheduler_concurrent_schedule_total 2\n");
    assert_shows(DTR_METRICS_SCHEDULER, "\ndragonfly_scheduler_stat_task_total 0\n");
    assert_shows(DTR_METRICS_CLIENT, "\ndragonfly_client_disk_space_total 123456789012345\n");
}

static void histograms_have_24_doubling_buckets(void **state)
{
    (void)state;
    const char *const *labels = DTR_LABELS("standard", "LEVEL3");
    dtr_metric_add(DTR_CLIENT_DOWNLOAD_TASK_DURATION, labels, 1);
    dtr_metric_add(DTR_CLIENT_DOWNLOAD_TASK_DURATION, labels, 1.5);
    dtr_metric_add(DTR_CLIENT_DOWNLOAD_TASK_DURATION, labels, 8388608);
    dtr_metric_add(DTR_CLIENT_DOWNLOAD_TASK_DURATION, labels, 8388609);
#define FAMILY "dragonfly_client_download_task_duration_milliseconds"
#define SET    "{task_type=\"standard\",task_size_level=\"LEVEL3\""
    assert_shows(DTR_METRICS_CLIENT, "# TYPE " FAMILY " histogram\n" FAMILY "_bucket" SET
                                     ",le=\"1\"} 1\n" FAMILY "_bucket" SET ",le=\"2\"} 2\n");
    assert_shows(DTR_METRICS_CLIENT,
                 FAMILY "_bucket" SET ",le=\"8388608\"} 3\n" FAMILY "_bucket" SET ",le=\"+Inf\"} 4\n" FAMILY
                        "_sum" SET "} 16777219.5\n" FAMILY "_count" SET "} 4\n");
    dtr_metrics_reset(DTR_METRICS_ALL);
    assert_hides(DTR_METRICS_CLIENT, FAMILY);
}

static void label_sets_are_bounded(void **state)
{
    (void)state;
    char tag[400];
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(tag, sizeof(tag), "tag-%d", i);
        dtr_metric_add(DTR_CLIENT_UPLOAD_TASK, DTR_LABELS("standard", tag, "app"), 1);
    }
    assert_shows(DTR_METRICS_CLIENT,
                 "dragonfly_client_upload_task_total{type=\"other\",tag=\"other\",app=\"other\"} 872\n");
    assert_shows(DTR_METRICS_CLIENT, "tag=\"tag-127\"");
    assert_hides(DTR_METRICS_CLIENT, "tag=\"tag-128\"");
    memset(tag, 'x', sizeof(tag) - 1);
    tag[sizeof(tag) - 1] = '\0';
    memcpy(tag + DTR_METRIC_LABEL_LENGTH - 1, "\xc3\xa4", 2);
    dtr_metric_add(DTR_CLIENT_UPLOAD_TASK_FAILURE, DTR_LABELS("t", tag, "a"), 1);
    tag[DTR_METRIC_LABEL_LENGTH - 1] = '\0';
    char expected[450];
    (void)snprintf(expected, sizeof(expected), "tag=\"%s\",app=\"a\"} 1\n", tag);
    assert_shows(DTR_METRICS_CLIENT, expected);
}

/* An alert counts answers by their code, which none of them may lose. */
static void all_routes_have_their_codes(void **state)
{
    (void)state;
    char url[32];
    for (int i = 0; i < 300; i++) {
        (void)snprintf(url, sizeof(url), "/api/v1/r%d", i);
        dtr_metric_add(DTR_MANAGER_REQUESTS, DTR_LABELS("200", "GET", url), 1);
    }
    assert_shows(DTR_METRICS_MANAGER,
                 "\ndragonfly_manager_requests_total{code=\"200\",method=\"GET\",url=\"/api/v1/r299\"} 1\n");
}

/* Any of many hosts is found again; past the bound they are one. */
static void hosts_have_more_label_sets(void **state)
{
    (void)state;
    char id[32];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < DTR_METRIC_HOST_SERIES + 5; i++) {
            (void)snprintf(id, sizeof(id), "host-%d", i);
            dtr_metric_add(DTR_SCHEDULER_HOST_TRAFFIC, DTR_LABELS("t", "s", "n", id, "10.0.0.1", id), 7);
        }
    }
#define HOST(id, ip)                                                                                         \
    "\ndragonfly_scheduler_host_traffic{type=\"t\",task_type=\"s\",host_type=\"n\",host_id=\"" id            \
    "\",host_ip=\"" ip "\",host_name=\"" id "\"} "
    char *all = render(DTR_METRICS_SCHEDULER);
    assert_non_null(strstr(all, HOST("host-0", "10.0.0.1") "14\n"));
    assert_non_null(strstr(all, HOST("host-16383", "10.0.0.1") "14\n"));
    assert_null(strstr(all, "host-16384"));
    assert_non_null(strstr(all, "host_id=\"other\",host_ip=\"other\",host_name=\"other\"} 70\n"));
    free(all);
}

static void *count_many(void *unused)
{
    struct dtr_series *series =
        dtr_metric_series(DTR_SCHEDULER_TRAFFIC, DTR_LABELS("P2P", "standard", "super"));
    for (int i = 0; i < 20000; i++) {
        dtr_series_add(series, 2);
        if (i % 100 == 0)
            dtr_metric_add(DTR_SCHEDULER_DOWNLOAD_PEER_DURATION, DTR_LABELS("LEVEL1"), 1);
    }
    return unused;
}

static void threads_lose_no_count(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_many, NULL), 0);
    for (int i = 0; i < 20; i++)
        free(render(DTR_METRICS_ALL));
    for (int i = 0; i < 4; i++)
        (void)pthread_join(threads[i], NULL);
    assert_shows(
        DTR_METRICS_SCHEDULER,
        "dragonfly_scheduler_traffic{type=\"P2P\",task_type=\"standard\",host_type=\"super\"} 160000\n");
    assert_shows(
        DTR_METRICS_SCHEDULER,
        "dragonfly_scheduler_download_peer_duration_milliseconds_count{task_size_level=\"LEVEL1\"} 800\n");
}

static void modules_bring_their_counters(void **state)
{
    (void)state;
    struct dtr_series *first, *again;
    assert_int_equal(dtr_metric_module("storage_file", "writes-total", "Writes.", &first, NULL), DTR_OK);
    assert_int_equal(dtr_metric_module("storage_file", "writes-total", "Writes.", &again, NULL), DTR_OK);
    assert_ptr_equal(first, again);
    dtr_series_add(first, 2);
    assert_true(dtr_series_value(first) == 2);
    assert_shows(DTR_METRICS_MODULE, "# TYPE darter_module_storage_file_writes_total counter\n"
                                     "darter_module_storage_file_writes_total 2\n");
}

static void sizes_fall_into_levels(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *level;
    } cases[] = {
        {0, "0"},
        {UINT64_MAX, "0"},
        {1, "1"},
        {(1u << 20) - 1, "1"},
        {1u << 20, "2"},
        {(4u << 20) - 1, "2"},
        {4u << 20, "3"},
        {8u << 20, "4"},
        {(1u << 30) - 1, "10"},
        {1u << 30, "11"},
        {(UINT64_C(4) << 30) - 1, "11"},
        {UINT64_C(4) << 30, "12"},
        {(UINT64_C(1) << 40) - 1, "19"},
        {UINT64_C(1) << 40, "20"},
        {UINT64_MAX - 1, "20"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(dtr_metric_size_level(cases[i].bytes), cases[i].level);
}

static void no_family_is_named_twice(void **state)
{
    (void)state;
    for (int i = 0; i < DTR_METRIC_COUNT; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(dtr_metric_describe((enum dtr_metric_id)i)->name,
                                    dtr_metric_describe((enum dtr_metric_id)j)->name);
}

static void full_output_is_an_error(void **state)
{
    (void)state;
    struct dtr_str out = {.limit = 100};
    assert_true(dtr_metrics_render(DTR_METRICS_ALL, &out) < 0);
    dtr_str_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_have_help_type_and_labels),
        cmocka_unit_test(plain_families_show_zero_and_unfed_ones_nothing),
        cmocka_unit_test(gauges_go_both_ways_and_survive_a_reset),
        cmocka_unit_test(histograms_have_24_doubling_buckets),
        cmocka_unit_test(label_sets_are_bounded),
        cmocka_unit_test(hosts_have_more_label_sets),
        cmocka_unit_test(all_routes_have_their_codes),
        cmocka_unit_test(threads_lose_no_count),
        cmocka_unit_test(modules_bring_their_counters),
        cmocka_unit_test(sizes_fall_into_levels),
        cmocka_unit_test(no_family_is_named_twice),
        cmocka_unit_test(full_output_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
