/* A manager's answer as clusters: their order, what is left out, and which one a host is bound to. */
#include "core/daemon/managed/clusters.h"

#include "core/rpc/methods.h"
#include "core/rpc/unpack.h"
#include "tests/transcripts/transcript.h"

#include <setjmp.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { MOST = 400 };

static Manager__V2__Scheduler rows[MOST], *list[MOST];
static Manager__V2__SchedulerCluster described;
static Manager__V2__ListSchedulersResponse answer;

static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

static void add(uint64_t cluster, const char *ip, int32_t port)
{
    Manager__V2__Scheduler *row = &rows[answer.n_schedulers];
    manager__v2__scheduler__init(row);
    row->scheduler_cluster_id = cluster;
    row->ip = text(ip);
    row->port = port;
    row->hostname = text("scheduler.test");
    list[answer.n_schedulers++] = row;
}

static int begin(void **state)
{
    (void)state;
    manager__v2__list_schedulers_response__init(&answer);
    manager__v2__scheduler_cluster__init(&described);
    answer.schedulers = list;
    return 0;
}

static struct clusters read_as(bool seed, uint64_t bound)
{
    struct clusters clusters;
    assert_int_equal(clusters_read(&answer, bound, seed, &clusters, NULL), DTR_OK);
    return clusters;
}

static struct clusters read_answer(uint64_t bound)
{
    return read_as(false, bound);
}

static void the_order_is_that_of_the_answer(void **state)
{
    (void)state;
    add(7, "10.0.0.7", 8002);
    add(1, "10.0.0.1", 8002);
    add(7, "fd00::8", 8003);
    described.name = text("seven");
    rows[2].scheduler_cluster = &described;
    struct clusters clusters = read_answer(0);
    assert_int_equal(clusters.count, 2);
    assert_int_equal(clusters.items[0].id, 7);
    assert_string_equal(clusters.items[0].name, "seven");
    assert_int_equal(clusters.items[0].count, 2);
    char at[DTR_ADDR_TEXT];
    dtr_addr_text(&clusters.items[0].schedulers[1].addr, at);
    assert_string_equal(at, "[fd00::8]:8003");
    assert_string_equal(clusters.items[0].schedulers[1].host, "scheduler.test");
    assert_int_equal(clusters.items[1].id, 1);
    assert_string_equal(clusters.items[1].name, "");
    assert_int_equal(clusters.left_out, 0);
    clusters_free(&clusters);
}

static void one_that_cannot_be_dialled_is_left_out_alone(void **state)
{
    (void)state;
    add(1, "nonsense", 8002);
    add(1, "", 8002);
    add(1, "10.0.0.1", 0);
    add(1, "10.0.0.1", 65536);
    add(1, "10.0.0.1", -1);
    add(1, "0.0.0.0", 8002);
    add(1, "224.0.0.1", 8002);
    add(1, "::", 8002);
    add(1, "ff02::1", 8002);
    add(1, "10.0.0.2", 8002);
    add(1, "10.0.0.2", 8002); /* again */
    struct clusters clusters = read_answer(0);
    assert_int_equal(clusters.count, 1);
    assert_int_equal(clusters.items[0].count, 1);
    assert_int_equal(clusters.left_out, 9);
    clusters_free(&clusters);
}

static void a_bound_host_has_one_cluster(void **state)
{
    (void)state;
    add(1, "10.0.0.1", 8002);
    add(2, "10.0.0.2", 8002);
    struct clusters clusters = read_answer(2);
    assert_int_equal(clusters.count, 1);
    assert_int_equal(clusters.items[0].id, 2);
    clusters_free(&clusters);
    clusters = read_answer(3);
    assert_int_equal(clusters.count, 0);
    clusters_free(&clusters);
}

/* Peers and seed peers have each their own. */
static void a_cluster_says_what_its_clients_may_not(void **state)
{
    (void)state;
    add(1, "10.0.0.1", 8002);
    add(1, "10.0.0.2", 8002);
    add(2, "10.0.0.3", 8002);
    described.name = text("one");
    described.client_config = (ProtobufCBinaryData){2, (uint8_t *)text("{}")};
    described.seed_client_config = (ProtobufCBinaryData){4, (uint8_t *)text("{  }")};
    rows[1].scheduler_cluster = &described;
    for (int seed = 0; seed < 2; seed++) {
        struct clusters clusters = read_as(seed, 0);
        assert_int_equal(clusters.items[0].client_config_length, seed ? 4 : 2);
        assert_memory_equal(clusters.items[0].client_config, seed ? "{  }" : "{}", seed ? 4 : 2);
        assert_null(clusters.items[1].client_config);
        clusters_free(&clusters);
    }
}

static void too_many_are_left_out(void **state)
{
    static char ips[MOST][16];
    (void)state;
    for (int i = 0; i < MOST; i++) {
        (void)snprintf(ips[i], sizeof(ips[i]), "10.0.%d.%d", i / 250, 1 + i % 250);
        add(i < 100 ? 9 : (uint64_t)i, ips[i], 8002);
    }
    struct clusters clusters = read_answer(0);
    assert_int_equal(clusters.count, CLUSTERS_MAX);
    assert_int_equal(clusters.items[0].count, CLUSTER_SCHEDULERS_MAX);
    assert_int_equal(clusters.left_out, 100 - CLUSTER_SCHEDULERS_MAX + 300 - (CLUSTERS_MAX - 1));
    clusters_free(&clusters);
}

/* Each line: keys, the cluster. */
static void what_binds_a_host_has_an_order(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bound;
    } cases[] = {
        {"", 0},
        {"host: {schedulerClusterID: 3}", 3},
        {"host: {schedulerClusterID: 0}\nseedPeer: {enable: true, clusterID: 2}", 2},
        {"host: {schedulerClusterID: 3}\nseedPeer: {enable: true, clusterID: 2}", 3},
        {"seedPeer: {enable: false, clusterID: 2}", 0},
        {"seedPeer: {enable: true}", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dtr_conf *conf = NULL;
        assert_int_equal(
            dtr_conf_parse(DTR_ROLE_DAEMON, "f", cases[i].text, strlen(cases[i].text), &conf, NULL, NULL),
            DTR_OK);
        if (clusters_bound(dtr_conf_daemon(conf)) != cases[i].bound)
            fail_msg("%s", cases[i].text);
        dtr_conf_free(conf);
    }
}

/* Dragonfly's manager said so to its dfdaemons, in each of its answers. */
static void a_recorded_answer_is_read(void **state)
{
    struct transcript transcript;
    struct dtr_rpc_arena arena = {0};
    int read = 0;
    (void)state;
    transcript_need(&transcript, "managed-manager");
    for (size_t i = 0; i < transcript.event_count; i++) {
        const struct transcript_event *event = &transcript.events[i];
        const ProtobufCMessage *message;
        struct clusters clusters;
        char path[100] = "";
        (void)transcript_header(&transcript, event->connection, event->stream, true, ":path", path,
                                sizeof(path));
        if (event->kind != TRANSCRIPT_MESSAGE || event->from_client ||
            strcmp(path, dtr_rpc_manager_list_schedulers.path) != 0)
            continue;
        assert_int_equal(dtr_rpc_unpack(&arena, SIZE_MAX, dtr_rpc_manager_list_schedulers.output,
                                        event->bytes, event->length, &message, NULL),
                         DTR_OK);
        assert_int_equal(clusters_read((const void *)message, 0, false, &clusters, NULL), DTR_OK);
        assert_int_equal(clusters.count, 1);
        assert_int_equal(clusters.items[0].id, 1);
        assert_string_equal(clusters.items[0].name, "cluster-1");
        assert_int_equal(clusters.items[0].count, 1);
        assert_string_equal(clusters.items[0].schedulers[0].host, "sched-1");
        clusters_free(&clusters);
        read++;
    }
    assert_true(read > 3);
    dtr_rpc_arena_free(&arena);
    transcript_free(&transcript);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_order_is_that_of_the_answer, begin),
        cmocka_unit_test_setup(one_that_cannot_be_dialled_is_left_out_alone, begin),
        cmocka_unit_test_setup(a_bound_host_has_one_cluster, begin),
        cmocka_unit_test_setup(a_cluster_says_what_its_clients_may_not, begin),
        cmocka_unit_test_setup(too_many_are_left_out, begin),
        cmocka_unit_test(what_binds_a_host_has_an_order),
        cmocka_unit_test(a_recorded_answer_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
