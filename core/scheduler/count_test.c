/* What /metrics says after conversations with the scheduler: names, types and labels are Dragonfly's
 * (features page 6.3). */
#include "core/obs/metric.h"
#include "core/scheduler/rig.h"

enum {
    STARTED = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PEER_BACK_TO_SOURCE_STARTED_REQUEST,
    PIECE = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PIECE_BACK_TO_SOURCE_FINISHED_REQUEST,
    FINISHED = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PEER_BACK_TO_SOURCE_FINISHED_REQUEST,
    FAILED = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PEER_BACK_TO_SOURCE_FAILED_REQUEST,
};

static struct rig rig;

static void open_counting(bool hosts)
{
    const struct dtr_scheduler_options options = {
        .swarm = dtr_swarm_defaults(), .seed_number = 1, .seed_timeout_ms = 60000, .count_hosts = hosts};
    rig_open(&rig, &options);
    dtr_metrics_reset(DTR_METRICS_SCHEDULER);
}

static int close_rig(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

/* One line of the page, "name{labels} value", after `dragonfly_scheduler_`. */
static void assert_said(const char *line, bool wanted)
{
    struct dtr_str page = {0};
    char whole[512];
    (void)snprintf(whole, sizeof(whole), "\ndragonfly_scheduler_%s", line);
    dtr_str_putc(&page, '\n');
    assert_int_equal(dtr_metrics_render(DTR_METRICS_SCHEDULER, &page), DTR_OK);
    if ((strstr(dtr_str_text(&page), whole) != NULL) != wanted)
        fail_msg("%s: %s\n%s", wanted ? "missing" : "not wanted", line, dtr_str_text(&page));
    dtr_str_free(&page);
}

static void assert_family(const char *name, const char *type)
{
    struct dtr_str page = {0};
    char help[128], kind[128];
    (void)snprintf(help, sizeof(help), "# HELP dragonfly_scheduler_%s ", name);
    (void)snprintf(kind, sizeof(kind), "\n# TYPE dragonfly_scheduler_%s %s\n", name, type);
    assert_int_equal(dtr_metrics_render(DTR_METRICS_SCHEDULER, &page), DTR_OK);
    const char *at = strstr(dtr_str_text(&page), help);
    assert_non_null(at);
    assert_ptr_equal(strchr(at, '\n'), strstr(at, kind));
    dtr_str_free(&page);
}

static void send_piece(struct rig_stream *stream, uint64_t length)
{
    Scheduler__V2__AnnouncePeerRequest request = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__INIT;
    Scheduler__V2__DownloadPieceBackToSourceFinishedRequest arm =
        SCHEDULER__V2__DOWNLOAD_PIECE_BACK_TO_SOURCE_FINISHED_REQUEST__INIT;
    Common__V2__Piece piece = COMMON__V2__PIECE__INIT;
    piece.length = length;
    arm.piece = &piece;
    request.request_case = (Scheduler__V2__AnnouncePeerRequest__RequestCase)PIECE;
    request.download_piece_back_to_source_finished_request = &arm;
    rig_stream_send(stream, &request);
}

/* A seed of the kind "strong" fetches from the origin. */
static struct rig_stream *fetch(int end)
{
    Common__V2__Download download = rig_download();
    download.priority = COMMON__V2__PRIORITY__LEVEL6;
    assert_int_equal(rig_announce(&rig, "s1", 2, 9), DTR_RPC_OK);
    struct rig_stream *stream = rig_stream_open(&rig, "s1", "s1-peer");
    rig_stream_register(stream, &download);
    rig_stream_wait_answers(stream, 1);
    rig_stream_say(stream, STARTED);
    send_piece(stream, 4096);
    send_piece(stream, 1000);
    rig_stream_say(stream, end);
    rig_stream_wait_end(stream);
    return stream;
}

#define PEER         "{priority=\"LEVEL6\",task_type=\"STANDARD\",host_type=\"strong\"} "
#define PIECE_LABELS "=\"BACK_TO_SOURCE\",task_type=\"STANDARD\",host_type=\"strong\""

static void a_download_is_counted_from_register_to_end(void **state)
{
    (void)state;
    open_counting(false);
    assert_int_equal(fetch(FINISHED)->code, DTR_RPC_OK);
    assert_said("announce_peer_total 1\n", true);
    assert_said("announce_peer_failure_total 0\n", true);
    assert_said("register_peer_total" PEER "1\n", true);
    assert_said("download_peer_back_to_source_started_total" PEER "1\n", true);
    assert_said("download_peer_finished_total" PEER "1\n", true);
    assert_said("download_piece_finished_total{traffic_type" PIECE_LABELS "} 2\n", true);
    assert_said("traffic{type" PIECE_LABELS "} 5096\n", true);
    assert_said("download_peer_duration_milliseconds_count{task_size_level=\"6\"} 1\n", true);
    assert_said("schedule_duration_milliseconds_count 1\n", true);
    assert_said("concurrent_schedule_total 0\n", true);
    assert_said("host_traffic", false);
    assert_family("register_peer_total", "counter");
    assert_family("traffic", "counter");
    assert_family("concurrent_schedule_total", "gauge");
    assert_family("download_peer_duration_milliseconds", "summary");
    assert_family("schedule_duration_milliseconds", "summary");
    assert_family("version", "gauge");
}

static void a_failed_download_is_counted_as_one(void **state)
{
    (void)state;
    open_counting(false);
    assert_int_equal(fetch(FAILED)->code, DTR_RPC_OK);
    assert_said("download_peer_back_to_source_finished_failure_total" PEER "1\n", true);
    assert_said("download_peer_finished_total{", false);
    assert_said("download_peer_duration_milliseconds_count{", false);
}

static void traffic_is_counted_by_host_when_asked_for(void **state)
{
    (void)state;
    open_counting(true);
    (void)fetch(FINISHED);
    assert_said("host_traffic{type" PIECE_LABELS
                ",host_id=\"s1\",host_ip=\"127.0.0.1\",host_name=\"s1\"} 5096\n",
                true);
    assert_family("host_traffic", "counter");
}

static void unary_calls_and_their_failures_are_counted(void **state)
{
    (void)state;
    Scheduler__V2__StatPeerRequest ids = SCHEDULER__V2__STAT_PEER_REQUEST__INIT;
    Scheduler__V2__ListHostsRequest list = SCHEDULER__V2__LIST_HOSTS_REQUEST__INIT;
    char id[] = "x";
    open_counting(false);
    ids.host_id = ids.task_id = ids.peer_id = id;
    (void)rig_code(&rig, &dtr_rpc_scheduler_stat_peer, &ids.base);
    (void)rig_code(&rig, &dtr_rpc_scheduler_delete_peer, &ids.base);
    (void)rig_code(&rig, &dtr_rpc_scheduler_stat_task, &ids.base);
    (void)rig_code(&rig, &dtr_rpc_scheduler_delete_task, &ids.base);
    (void)rig_code(&rig, &dtr_rpc_scheduler_delete_host, &ids.base);
    (void)rig_code(&rig, &dtr_rpc_scheduler_list_hosts, &list.base);
    static const char *const failed[] = {"stat_peer", "leave_peer", "stat_task", "leave_task", "leave_host"};
    char line[64];
    for (size_t i = 0; i < sizeof(failed) / sizeof(failed[0]); i++) {
        (void)snprintf(line, sizeof(line), "%s_total 1\n", failed[i]);
        assert_said(line, true);
        (void)snprintf(line, sizeof(line), "%s_failure_total 1\n", failed[i]);
        assert_said(line, true);
    }
    assert_said("list_hosts_total 1\n", true);
    assert_said("list_hosts_failure_total 0\n", true);
}

/* Labels of an announcement that fails are its own. */
static void announcements_are_counted_by_what_runs_there(void **state)
{
    (void)state;
    open_counting(false);
    assert_int_equal(rig_announce(&rig, "h1", 0, 4000), DTR_RPC_OK);
    assert_int_equal(rig_announce(&rig, "h1", 0, 0), DTR_RPC_INVALID_ARGUMENT);
#define RUNS                                                                                                 \
    "{os=\"linux\",platform=\"\",platform_family=\"\",platform_version=\"\",kernel_version=\"\",git_"        \
    "version="                                                                                               \
    "\"1.5.1\",git_commit=\"\",go_version=\"\",build_platform=\"\"} "
    assert_said("announce_host_total" RUNS "2\n", true);
    assert_said("announce_host_failure_total" RUNS "1\n", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_download_is_counted_from_register_to_end, close_rig),
        cmocka_unit_test_teardown(a_failed_download_is_counted_as_one, close_rig),
        cmocka_unit_test_teardown(traffic_is_counted_by_host_when_asked_for, close_rig),
        cmocka_unit_test_teardown(unary_calls_and_their_failures_are_counted, close_rig),
        cmocka_unit_test_teardown(announcements_are_counted_by_what_runs_there, close_rig),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
