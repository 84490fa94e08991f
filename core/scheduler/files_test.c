/* Preheats of files and folders: who fetches them, what it is told, and how it goes on. */
#include "core/scheduler/daemons_rig.h"

#include "core/brain/url.h"
#include "proto/darter.pb-c.h"
#include "proto/dfdaemon.pb-c.h"

/* Asks until it has ended. */
static Darter__V1__StatPreheatResponse *wait_preheat(struct lab *lab, const char *id)
{
    Darter__V1__StatPreheatResponse *response;
    while ((response = rig_progress(&lab->rig, id)) && !response->ended)
        darter__v1__stat_preheat_response__free_unpacked(response, NULL);
    assert_non_null(response);
    return response;
}

static void done(Darter__V1__StatPreheatResponse *response)
{
    darter__v1__stat_preheat_response__free_unpacked(response, NULL);
}

static void one_seed_fetches_for_all(void **state)
{
    struct lab *lab = *state;
    char id[DTR_TASK_ID_SIZE];
    const struct dtr_task_key key = {.url = URL,
                                     .blob_digest = true,
                                     .filter = dtr_url_default_filter,
                                     .filter_count = dtr_url_default_filter_count};
    assert_int_equal(dtr_task_id(id, &key, NULL), DTR_OK);
    const char *seed = dtr_swarm_find_seed(lab->rig.scheduler->swarm, id)->facts.id;
    expect(preheat(lab, "", URL, "one"), DTR_RPC_OK, "");
    Darter__V1__StatPreheatResponse *response = wait_preheat(lab, "one");
    assert_string_equal(response->error, "");
    assert_int_equal(response->n_rows, 1);
    assert_string_equal(response->rows[0]->url, URL);
    assert_string_equal(response->rows[0]->hostname, seed);
    assert_string_equal(response->rows[0]->ip, "127.0.0.1");
    assert_string_equal(response->rows[0]->state, "done");
    done(response);
    for (size_t i = 0; i < HOSTS; i++)
        assert_int_equal(lab->hosts[i].told, strcmp(lab->hosts[i].id, seed) == 0);
}

static void a_host_that_fails_stops_no_other(void **state)
{
    struct lab *lab = *state;
    lab->hosts[2].fails = true;
    expect(preheat(lab, "all_peers", URL, "two"), DTR_RPC_OK, "");
    Darter__V1__StatPreheatResponse *response = wait_preheat(lab, "two");
    assert_string_equal(response->error, "");
    assert_int_equal(response->n_rows, 2);
    assert_string_equal(response->rows[0]->hostname, "p2");
    assert_string_equal(response->rows[0]->state, "failed");
    assert_string_equal(response->rows[0]->description, "INTERNAL: the disk is full");
    assert_string_equal(response->rows[1]->hostname, "p3");
    assert_string_equal(response->rows[1]->state, "done");
    assert_string_equal(response->rows[1]->description, "");
    done(response);
    assert_int_equal(lab->hosts[0].told + lab->hosts[1].told, 0);
}

static void a_host_that_is_gone_stops_no_other(void **state)
{
    struct lab *lab = *state;
    daemon_close(lab, &lab->hosts[1]);
    expect(preheat(lab, "all_seed_peers", URL, "gone"), DTR_RPC_OK, "");
    Darter__V1__StatPreheatResponse *response = wait_preheat(lab, "gone");
    assert_int_equal(response->n_rows, 2);
    for (size_t i = 0; i < 2; i++) {
        bool gone = strcmp(response->rows[i]->hostname, "s1") == 0;
        assert_string_equal(response->rows[i]->state, gone ? "failed" : "done");
        assert_int_equal(strstr(response->rows[i]->description, "UNAVAILABLE") != NULL, gone);
    }
    done(response);
}

/* Everything that the request says reaches the daemon. */
static void what_is_asked_for_is_passed_on(void **state)
{
    struct lab *lab = *state;
    Scheduler__V2__PreheatFileRequest request = SCHEDULER__V2__PREHEAT_FILE_REQUEST__INIT;
    Scheduler__V2__PreheatFileRequest__HeaderEntry
        entry = SCHEDULER__V2__PREHEAT_FILE_REQUEST__HEADER_ENTRY__INIT,
        *entries[] = {&entry};
    Google__Protobuf__Duration timeout = GOOGLE__PROTOBUF__DURATION__INIT;
    Common__V2__ObjectStorage storage = COMMON__V2__OBJECT_STORAGE__INIT;
    Common__V2__HDFS hdfs = COMMON__V2__HDFS__INIT;
    char *filter[] = {text("sig")}, *ips[] = {text("127.0.0.1")};
    ProtobufCBinaryData certificate = {4, (uint8_t *)text("\x30\x02\x05\x00")};
    request.url = text(URL);
    request.scope = text("all_peers");
    request.ips = ips;
    request.n_ips = 1;
    request.has_piece_length_case = SCHEDULER__V2__PREHEAT_FILE_REQUEST__HAS_PIECE_LENGTH_PIECE_LENGTH;
    request.piece_length = 8 << 20;
    request.has_tag_case = SCHEDULER__V2__PREHEAT_FILE_REQUEST__HAS_TAG_TAG;
    request.tag = text("t");
    request.has_application_case = SCHEDULER__V2__PREHEAT_FILE_REQUEST__HAS_APPLICATION_APPLICATION;
    request.application = text("app");
    request.filtered_query_params = filter;
    request.n_filtered_query_params = 1;
    entry.key = text("Accept");
    entry.value = text("*/*");
    request.header = entries;
    request.n_header = 1;
    timeout.seconds = 90;
    request.timeout = &timeout;
    request.priority = COMMON__V2__PRIORITY__LEVEL2;
    request.certificate_chain = &certificate;
    request.n_certificate_chain = 1;
    storage.has_region_case = COMMON__V2__OBJECT_STORAGE__HAS_REGION_REGION;
    storage.region = text("north");
    request.object_storage = &storage;
    hdfs.has_delegation_token_case = COMMON__V2__HDFS__HAS_DELEGATION_TOKEN_DELEGATION_TOKEN;
    hdfs.delegation_token = text("token");
    request.hdfs = &hdfs;
    request.has_output_path_case = SCHEDULER__V2__PREHEAT_FILE_REQUEST__HAS_OUTPUT_PATH_OUTPUT_PATH;
    request.output_path = text("/tmp/x");
    const struct dtr_rpc_pair pair = {DTR_RPC_PREHEAT_ID, "all"};
    expect(rig_ask_with(&lab->rig, &dtr_rpc_scheduler_preheat_file, &request.base, &pair), DTR_RPC_OK, "");
    done(wait_preheat(lab, "all"));
    Dfdaemon__V2__DownloadTaskRequest *told =
        dfdaemon__v2__download_task_request__unpack(NULL, lab->hosts[2].length, lab->hosts[2].bytes);
    assert_non_null(told);
    const Common__V2__Download *download = told->download;
    assert_string_equal(download->url, URL);
    assert_int_equal(download->piece_length, 8 << 20);
    assert_string_equal(download->tag, "t");
    assert_string_equal(download->application, "app");
    assert_int_equal(download->n_filtered_query_params, 1);
    assert_string_equal(download->filtered_query_params[0], "sig");
    assert_int_equal(download->n_request_header, 1);
    assert_string_equal(download->request_header[0]->value, "*/*");
    assert_int_equal(download->timeout->seconds, 90);
    assert_int_equal(download->priority, COMMON__V2__PRIORITY__LEVEL2);
    assert_int_equal(download->n_certificate_chain, 1);
    assert_string_equal(download->object_storage->region, "north");
    assert_string_equal(download->hdfs->delegation_token, "token");
    assert_string_equal(download->output_path, "/tmp/x");
    assert_string_equal(download->remote_ip, "10.1.2.3");
    assert_true(download->enable_task_id_based_blob_digest);
    assert_false(download->need_back_to_source);
    dfdaemon__v2__download_task_request__free_unpacked(told, NULL);
}

static bool is_told(void *context)
{
    return ((const struct host *)context)->told > 0;
}

static void the_same_id_is_the_same_preheat_while_it_runs(void **state)
{
    struct lab *lab = *state;
    lab->hosts[2].hangs = true;
    expect(preheat(lab, "all_peers", URL, "same"), DTR_RPC_OK, "");
    rig_until(&lab->rig, is_told, &lab->hosts[2]);
    Darter__V1__StatPreheatResponse *response = rig_progress(&lab->rig, "same");
    assert_false(response->ended);
    assert_string_equal(response->rows[0]->state, "running");
    done(response);
    expect(preheat(lab, "all_peers", URL, "same"), DTR_RPC_OK, "");
    done(rig_progress(&lab->rig, "same"));
    assert_int_equal(lab->hosts[2].told, 1);
    expect(preheat(lab, "all_peers", URL, "other"), DTR_RPC_OK, "");
    done(rig_progress(&lab->rig, "other"));
    assert_null(rig_progress(&lab->rig, "nobody's"));
}

/* What is not done in time fails. */
static void its_time_is_limited(void **state)
{
    struct lab *lab = *state;
    Scheduler__V2__PreheatFileRequest request = SCHEDULER__V2__PREHEAT_FILE_REQUEST__INIT;
    Google__Protobuf__Duration timeout = GOOGLE__PROTOBUF__DURATION__INIT;
    const struct dtr_rpc_pair pair = {DTR_RPC_PREHEAT_ID, "late"};
    lab->hosts[2].hangs = lab->hosts[3].hangs = true;
    timeout.nanos = 200000000;
    request.url = text(URL);
    request.scope = text("all_peers");
    request.timeout = &timeout;
    request.has_concurrent_peer_count_case =
        SCHEDULER__V2__PREHEAT_FILE_REQUEST__HAS_CONCURRENT_PEER_COUNT_CONCURRENT_PEER_COUNT;
    request.concurrent_peer_count = 1;
    expect(rig_ask_with(&lab->rig, &dtr_rpc_scheduler_preheat_file, &request.base, &pair), DTR_RPC_OK, "");
    Darter__V1__StatPreheatResponse *response = wait_preheat(lab, "late");
    assert_string_equal(response->error, "it was not done within 0.2 s");
    assert_string_equal(response->rows[0]->description, "it was not done in the time there was");
    assert_string_equal(response->rows[1]->description, "it was not begun in the time there was");
    assert_string_equal(response->rows[0]->state, "failed");
    assert_string_equal(response->rows[1]->state, "failed");
    done(response);
    assert_int_equal(lab->hosts[3].told, 0);
}

static void a_folder_is_listed_by_a_host(void **state)
{
    struct lab *lab = *state;
    expect(preheat(lab, "all_peers", "http://origin.example/d/", "d"), DTR_RPC_OK, "");
    Darter__V1__StatPreheatResponse *response = wait_preheat(lab, "d");
    assert_int_equal(response->n_rows, 4);
    assert_string_equal(response->rows[0]->url, "http://origin.example/d/a");
    assert_string_equal(response->rows[2]->url, "http://origin.example/d/b");
    done(response);
    lab->hosts[0].fails = lab->hosts[1].fails = true;
    expect(preheat(lab, "all_peers", "http://origin.example/d/", "e"), DTR_RPC_INVALID_ARGUMENT,
           "failed to list task entries: host s");
    response = wait_preheat(lab, "e");
    assert_non_null(strstr(response->error, "UNIMPLEMENTED"));
    assert_int_equal(response->n_rows, 0);
    done(response);
}

static void bad_requests_are_refused(void **state)
{
    struct lab *lab = *state;
    Scheduler__V2__PreheatImageRequest image = SCHEDULER__V2__PREHEAT_IMAGE_REQUEST__INIT;
    image.url = text("http://registry.example/v2/a/manifests/latest");
    expect(preheat(lab, "some_peers", URL, NULL), DTR_RPC_INVALID_ARGUMENT, "scope \"some_peers\"");
    expect(preheat(lab, "", "", NULL), DTR_RPC_INVALID_ARGUMENT, "url: it is missing");
    expect(preheat(lab, "", "nothing", NULL), DTR_RPC_INVALID_ARGUMENT, "url: ");
    expect(preheat(lab, "", URL, "an id"), DTR_RPC_INVALID_ARGUMENT, "the id of a preheat has 1 to 128");
    expect(rig_ask(&lab->rig, &dtr_rpc_scheduler_preheat_image, &image.base), DTR_RPC_FAILED_PRECONDITION,
           "cannot ask registries: it was not found");
    lab->rig.scheduler->jobs.enable = false;
    expect(preheat(lab, "", URL, NULL), DTR_RPC_FAILED_PRECONDITION, "job.enable is false");
}

static void without_a_seed_it_is_not_begun(void **state)
{
    struct lab *lab = *state;
    Scheduler__V2__DeleteHostRequest request = SCHEDULER__V2__DELETE_HOST_REQUEST__INIT;
    for (size_t i = 0; i < 2; i++) {
        request.host_id = text(lab->hosts[i].id);
        assert_int_equal(rig_code(&lab->rig, &dtr_rpc_scheduler_delete_host, &request.base), DTR_RPC_OK);
    }
    expect(preheat(lab, "", URL, "none"), DTR_RPC_NOT_FOUND, "no seed peer");
    expect(preheat(lab, "all_seed_peers", URL, NULL), DTR_RPC_NOT_FOUND, "no seed peer");
    Darter__V1__StatPreheatResponse *response = wait_preheat(lab, "none");
    assert_non_null(strstr(response->error, "no seed peer"));
    done(response);
    lab->rig.scheduler->settled_ms = UINT64_MAX; /* one may be on its way */
    expect(preheat(lab, "", URL, NULL), DTR_RPC_UNAVAILABLE, "was just started");
}

/* What has announced itself may be a part of what there is, but for one seed any that serves will do. */
static void for_all_it_is_not_begun_at_once_after_a_start(void **state)
{
    struct lab *lab = *state;
    struct dtr_scheduler *scheduler = lab->rig.scheduler;
    assert_true(scheduler->settled_ms <= role_now_ms(scheduler)); /* as the rig wants no time */
    scheduler->settled_ms = UINT64_MAX;
    expect(preheat(lab, "all_peers", URL, "early"), DTR_RPC_UNAVAILABLE, "was just started");
    expect(preheat(lab, "all_seed_peers", URL, NULL), DTR_RPC_UNAVAILABLE, "was just started");
    for (size_t i = 0; i < HOSTS; i++)
        assert_int_equal(lab->hosts[i].told, 0);
    expect(preheat(lab, "", URL, NULL), DTR_RPC_OK, "");
    scheduler->settled_ms = role_now_ms(scheduler);
    expect(preheat(lab, "all_peers", URL, "early"), DTR_RPC_OK, "");
    Darter__V1__StatPreheatResponse *response = wait_preheat(lab, "early");
    assert_string_equal(response->error, "");
    assert_int_equal(response->n_rows, 2);
    done(response);
}

/* Its teardown is the test: a scheduler goes in the middle of calls. */
static void a_scheduler_may_stop_meanwhile(void **state)
{
    struct lab *lab = *state;
    lab->hosts[2].hangs = lab->hosts[3].hangs = true;
    expect(preheat(lab, "all_peers", URL, "stops"), DTR_RPC_OK, "");
    rig_until(&lab->rig, is_told, &lab->hosts[3]);
}

/* Of how many jobs ever. */
static void jobs_share_a_connection_to_a_host(void **state)
{
    struct lab *lab = *state;
    const size_t before = dtr_rpc_server_connections(lab->hosts[3].server);
    lab->hosts[2].hangs = lab->hosts[3].hangs = true;
    for (uint32_t i = 0; i < 5; i++) {
        char id[8];
        (void)snprintf(id, sizeof(id), "job%u", i);
        expect(preheat(lab, "all_peers", URL, id), DTR_RPC_OK, "");
        while (lab->hosts[3].told <= i)
            dtr_loop_turn(lab->rig.loop, true);
    }
    assert_int_equal(dtr_rpc_server_connections(lab->hosts[3].server), before + 1);
}

/* It is gone when nobody needs it any more. */
static void the_last_job_closes_connections(void **state)
{
    struct lab *lab = *state;
    const size_t before = dtr_rpc_server_connections(lab->hosts[3].server);
    expect(preheat(lab, "all_peers", URL, "one"), DTR_RPC_OK, "");
    done(wait_preheat(lab, "one"));
    while (dtr_rpc_server_connections(lab->hosts[3].server) > before)
        dtr_loop_turn(lab->rig.loop, true);
}

enum { CROWD = 6000, TOLD = 10000 };

/* A file that all hosts failed to get, and one that every second got; one host is still at it. */
static void play_large(struct plan *plan)
{
    const struct plan_host host = {.hostname = "h", .ip = "10.0.0.1"};
    const struct grid_limits limits = {.objects = 2, .hosts = CROWD};
    char id[DTR_TASK_ID_SIZE] = {0};
    memset(id, 'a', DTR_TASK_ID_LENGTH);
    for (int i = 0; i < CROWD; i++) {
        struct plan_host numbered = host;
        char name[16];
        (void)snprintf(name, sizeof(name), "h%d", i);
        numbered.id = name;
        assert_int_equal(plan_add_host(plan, &numbered, NULL, NULL), DTR_OK);
    }
    assert_int_equal(plan_add_object(plan, "http://o.test/failed", id, NULL), DTR_OK);
    assert_int_equal(plan_add_object(plan, "http://o.test/half", id, NULL), DTR_OK);
    assert_int_equal(plan_begin(plan, &limits, NULL), DTR_OK);
    for (size_t row; grid_next(plan->grid, &row);) {
        if (row != CROWD)
            grid_ended(plan->grid, row, row < CROWD ? "no room" : row % 2 ? "late" : NULL);
    }
}

static void of_a_large_one_all_is_counted_and_part_is_told(void **state)
{
    struct lab *lab = *state;
    struct dtr_scheduler *scheduler = lab->rig.scheduler;
    struct preheat *record;
    assert_int_equal(preheats_begin(&scheduler->preheats, role_now_ms(scheduler), "large", &record, NULL),
                     DTR_OK);
    play_large(&record->plan);
    Darter__V1__StatPreheatResponse *response = rig_progress(&lab->rig, "large");
    assert_non_null(response);
    assert_false(response->ended);
    assert_int_equal(response->waiting, 1);
    assert_int_equal(response->done, CROWD / 2 - 1);
    assert_int_equal(response->failed, CROWD + CROWD / 2);
    assert_string_equal(response->nowhere, "http://o.test/failed");
    assert_string_equal(response->why, "no room");
    assert_int_equal(response->n_rows, TOLD);
    for (size_t i = 0; i < TOLD; i++) {
        const char *word = i < (size_t)response->failed ? "failed" : "done";
        assert_string_equal(response->rows[i]->state, i == (size_t)response->failed ? "running" : word);
    }
    done(response);
    preheats_end(&scheduler->preheats, role_now_ms(scheduler), record, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, daemons_open, daemons_close)
    const struct CMUnitTest tests[] = {
        TEST(one_seed_fetches_for_all),
        TEST(a_host_that_fails_stops_no_other),
        TEST(a_host_that_is_gone_stops_no_other),
        TEST(what_is_asked_for_is_passed_on),
        TEST(the_same_id_is_the_same_preheat_while_it_runs),
        TEST(its_time_is_limited),
        TEST(a_folder_is_listed_by_a_host),
        TEST(jobs_share_a_connection_to_a_host),
        TEST(the_last_job_closes_connections),
        TEST(of_a_large_one_all_is_counted_and_part_is_told),
        TEST(bad_requests_are_refused),
        TEST(without_a_seed_it_is_not_begun),
        TEST(for_all_it_is_not_begun_at_once_after_a_start),
        TEST(a_scheduler_may_stop_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
