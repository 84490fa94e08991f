/* manager.v2 over loopback, on a real database. */
#include "core/manager/rig.h"

#include "core/base/str.h"

#include <stdlib.h>

static struct rig rig;

static int begin(void **state)
{
    (void)state;
    rig = (struct rig){0};
    rig_open(&rig);
    rig_cluster(&rig, 1, "{}", true);
    rig_cluster(&rig, 2, "{\"idc\":\"b|c\",\"cidrs\":[\"10.2.0.0/16\"],\"hostnames\":[\"^b-\"]}", false);
    rig_cluster(&rig, 3, "{\"location\":\"asia|cn|hz\"}", false);
    rig_start(&rig);
    return 0;
}

static int end(void **state)
{
    (void)state;
    rig_stop(&rig);
    rig_close(&rig);
    return 0;
}

/* --- who calls -------------------------------------------------------------------------------------------
 */

static Manager__V2__Scheduler *update(const char *hostname, const char *ip, int32_t port, uint64_t cluster,
                                      enum dtr_rpc_code *ret_code)
{
    Manager__V2__UpdateSchedulerRequest request = MANAGER__V2__UPDATE_SCHEDULER_REQUEST__INIT;
    char *features[] = {"schedule", "preheat"};
    request.hostname = (char *)(uintptr_t)hostname;
    request.ip = (char *)(uintptr_t)ip;
    request.port = port;
    request.scheduler_cluster_id = cluster;
    request.features = features;
    request.n_features = 2;
    request.config.data = (uint8_t *)"{\"manager_keep_alive_interval\":5000000000}";
    request.config.len = strlen((char *)request.config.data);
    return (void *)rig_call(&rig, &dtr_rpc_manager_update_scheduler, &request.base, ret_code);
}

static void forget(void *message)
{
    protobuf_c_message_free_unpacked(message, NULL);
}

/* A stream of KeepAlive. */
struct beat {
    struct dtr_rpc_call *call; /* NULL: it has ended */
    enum dtr_rpc_code code;
    char said[200];
};

static void on_beat_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct beat *beat = context;
    (void)call;
    beat->call = NULL;
    beat->code = status->code;
    (void)snprintf(beat->said, sizeof(beat->said), "%s", status->message);
}

static void send_beat(const struct beat *beat, const char *hostname, const char *ip, uint64_t cluster)
{
    Manager__V2__KeepAliveRequest request = MANAGER__V2__KEEP_ALIVE_REQUEST__INIT;
    request.hostname = (char *)(uintptr_t)hostname;
    request.ip = (char *)(uintptr_t)ip;
    request.cluster_id = cluster;
    assert_int_equal(dtr_rpc_call_send(beat->call, &request.base, NULL), DTR_OK);
}

static void start_beat(struct beat *beat, const char *hostname, const char *ip, uint64_t cluster)
{
    static const struct dtr_rpc_events events = {.closed = on_beat_closed};
    static const struct dtr_rpc_call_options options = {.wait_for_ready = true, .timeout_ms = DTR_TIMER_OFF};
    *beat = (struct beat){0};
    assert_int_equal(dtr_rpc_call_start(rig.channel, &dtr_rpc_manager_keep_alive, &options, &events, beat,
                                        &beat->call, NULL),
                     DTR_OK);
    send_beat(beat, hostname, ip, cluster);
}

static int64_t active(void)
{
    dtr_loop_turn(rig.loop, false);
    return rig_number(&rig, "SELECT COUNT(*) FROM schedulers WHERE state = 'active'");
}

#define UNTIL_ACTIVE(count) TURN_UNTIL_BY(rig.loop, false, active() == (count))

static const char *places(const char *hostname, const char *ip, const char *idc, const char *location,
                          uint64_t named);
/* What is answered follows what is in the database, a moment later. */
#define UNTIL_PLACES(expected, ...) TURN_UNTIL_BY(rig.loop, false, strcmp(places(__VA_ARGS__), expected) == 0)

static void register_all(struct beat beats[3])
{
    static const char *const names[] = {"sa", "sb", "sc"};
    char ip[16];
    for (uint64_t i = 0; i < 3; i++) {
        enum dtr_rpc_code code;
        (void)snprintf(ip, sizeof(ip), "10.0.0.%d", (int)i + 1);
        forget(update(names[i], ip, 8002, i + 1, &code));
        assert_int_equal(code, DTR_RPC_OK);
        start_beat(&beats[i], names[i], ip, i + 1);
    }
    UNTIL_ACTIVE(3);
    TURN_UNTIL_BY(rig.loop, false, strlen(places("node", "10.9.9.9", NULL, NULL, 0)) == strlen("1,2,3"));
}

static void cancel(struct beat *beat)
{
    if (beat->call)
        dtr_rpc_call_cancel(beat->call);
    TURN_UNTIL(rig.loop, !beat->call);
}

/* The ids of the clusters in the order of an answer: "2,1,3"; or the status' name. */
static const char *places(const char *hostname, const char *ip, const char *idc, const char *location,
                          uint64_t named)
{
    static char text[64];
    Manager__V2__ListSchedulersRequest request = MANAGER__V2__LIST_SCHEDULERS_REQUEST__INIT;
    enum dtr_rpc_code code;
    size_t length = 0;
    request.source_type = MANAGER__V2__SOURCE_TYPE__PEER_SOURCE;
    request.hostname = (char *)(uintptr_t)hostname;
    request.ip = (char *)(uintptr_t)ip;
    request.has_idc_case = idc ? MANAGER__V2__LIST_SCHEDULERS_REQUEST__HAS_IDC_IDC : 0;
    request.idc = (char *)(uintptr_t)idc;
    request.has_location_case = location ? MANAGER__V2__LIST_SCHEDULERS_REQUEST__HAS_LOCATION_LOCATION : 0;
    request.location = (char *)(uintptr_t)location;
    request.scheduler_cluster_id = named;
    Manager__V2__ListSchedulersResponse *response =
        (void *)rig_call(&rig, &dtr_rpc_manager_list_schedulers, &request.base, &code);
    if (!response)
        return dtr_rpc_code_name(code);
    text[0] = '\0';
    for (size_t i = 0; i < response->n_schedulers; i++) {
        const Manager__V2__Scheduler *one = response->schedulers[i];
        assert_int_equal(one->scheduler_cluster->id, one->scheduler_cluster_id);
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%d", i ? "," : "",
                                   (int)one->scheduler_cluster_id);
    }
    forget(response);
    return text;
}

/* --- tests -----------------------------------------------------------------------------------------------
 */

static void a_scheduler_is_there_while_its_stream_is_open(void **state)
{
    (void)state;
    enum dtr_rpc_code code;
    struct beat beat;
    Manager__V2__Scheduler *row = update("sa", "10.0.0.1", 8002, 1, &code);
    assert_non_null(row);
    assert_string_equal(row->state, "inactive");
    assert_string_equal(row->scheduler_cluster->name, "cluster-1");
    forget(row);
    assert_string_equal(places("node", "10.9.9.9", NULL, NULL, 0), "");
    start_beat(&beat, "sa", "10.0.0.1", 1);
    UNTIL_ACTIVE(1);
    UNTIL_PLACES("1", "node", "10.9.9.9", NULL, NULL, 0);
    cancel(&beat);
    UNTIL_ACTIVE(0);
    UNTIL_PLACES("", "node", "10.9.9.9", NULL, NULL, 0);
}

/* The scheduler sa registers, and is active. */
static void start_registered(struct beat *beat)
{
    enum dtr_rpc_code code;
    forget(update("sa", "10.0.0.1", 8002, 1, &code));
    start_beat(beat, "sa", "10.0.0.1", 1);
    UNTIL_ACTIVE(1);
}

/* What a user has set in its row stays, and counts. */
static void another_stream_is_enough_to_be_there_again(void **state)
{
    (void)state;
    struct beat beat;
    start_registered(&beat);
    rig_sql(&rig, "UPDATE schedulers SET features_json = '[\"schedule\"]'");
    cancel(&beat);
    UNTIL_ACTIVE(0);
    start_beat(&beat, "sa", "10.0.0.1", 1);
    UNTIL_ACTIVE(1);
    UNTIL_PLACES("1", "node", "10.9.9.9", NULL, NULL, 0);
    assert_int_equal(
        rig_number(&rig, "SELECT COUNT(*) FROM schedulers WHERE features_json = '[\"schedule\"]'"), 1);
    cancel(&beat);
}

static void an_orderly_end_is_answered(void **state)
{
    (void)state;
    struct beat beat;
    start_registered(&beat);
    dtr_rpc_call_end(beat.call);
    TURN_UNTIL(rig.loop, !beat.call);
    assert_int_equal(beat.code, DTR_RPC_OK);
    UNTIL_ACTIVE(0);
}

/* It came back by another stream, perhaps at another manager, before the old one was known to be lost. */
static void who_was_heard_elsewhere_is_still_there(void **state)
{
    (void)state;
    struct beat beats[3];
    register_all(beats);
    rig_sql(&rig, "UPDATE schedulers SET last_keep_alive_at = last_keep_alive_at + 1 WHERE host_name = 'sa'");
    for (int i = 0; i < 3; i++)
        cancel(&beats[i]); /* in the order that the manager sees too */
    UNTIL_ACTIVE(1);
    rig_stop(&rig); /* all that it knows of is written down then */
    assert_int_equal(
        rig_number(&rig, "SELECT COUNT(*) FROM schedulers WHERE state = 'active' AND host_name = 'sa'"), 1);
    rig_start(&rig);
}

/* The stream of the registered scheduler sa, whose message has replaced a sign of life that somebody else
 * gave. */
static void start_disturbed(struct beat *beat)
{
    start_registered(beat);
    rig_sql(&rig, "UPDATE schedulers SET last_keep_alive_at = 7");
    send_beat(beat, "sa", "10.0.0.1", 1);
    TURN_UNTIL_BY(rig.loop, false,
                  (dtr_loop_turn(rig.loop, false),
                   rig_number(&rig, "SELECT COUNT(*) FROM schedulers WHERE last_keep_alive_at = 7") == 0));
}

/* As after a manager has hung: what was sent meanwhile comes late, then the stream's end. */
static void an_old_stream_that_speaks_late_hides_nobody(void **state)
{
    (void)state;
    struct beat beat;
    start_disturbed(&beat);
    cancel(&beat);
    start_beat(&beat, "sb", "10.0.0.2", 1); /* not registered: an answer behind that end */
    TURN_UNTIL(rig.loop, !beat.call);
    rig_stop(&rig);
    assert_int_equal(rig_number(&rig, "SELECT COUNT(*) FROM schedulers WHERE state = 'active'"), 1);
    rig_start(&rig);
}

static void a_stream_that_was_disturbed_long_ago_counts_again(void **state)
{
    (void)state;
    struct beat beat;
    start_disturbed(&beat);
    for (int i = 0; i < 3; i++) {
        int64_t last = rig_number(&rig, "SELECT last_keep_alive_at FROM schedulers");
        while (store_now_ms() == last)
            dtr_loop_turn(rig.loop, false);
        send_beat(&beat, "sa", "10.0.0.1", 1);
        TURN_UNTIL_BY(rig.loop, false,
                      (dtr_loop_turn(rig.loop, false),
                       rig_number(&rig, "SELECT last_keep_alive_at FROM schedulers") != last));
    }
    cancel(&beat);
    UNTIL_ACTIVE(0);
}

static void registering_again_changes_the_row(void **state)
{
    (void)state;
    enum dtr_rpc_code code;
    Manager__V2__Scheduler *row = update("sa", "10.0.0.1", 8002, 1, &code);
    uint64_t id = row->id;
    forget(row);
    row = update("sa", "10.0.0.1", 8002, 1, &code);
    assert_int_equal(row->id, id);
    assert_int_equal(row->features.len, strlen("[\"schedule\",\"preheat\"]"));
    forget(row);
    assert_int_equal(rig_number(&rig, "SELECT COUNT(*) FROM schedulers"), 1);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    enum dtr_rpc_code code;
    struct beat beat;
    assert_null(update("s_a", "10.0.0.1", 8002, 1, &code));
    assert_int_equal(code, DTR_RPC_INVALID_ARGUMENT);
    assert_non_null(strstr(rig_said, "hostname \"s_a\""));
    assert_null(update("sa", "10.0.0", 8002, 1, &code));
    assert_non_null(strstr(rig_said, "ip \"10.0.0\""));
    assert_null(update("sa", "10.0.0.1", 80, 1, &code));
    assert_non_null(strstr(rig_said, "port 80"));
    assert_null(update("sa", "10.0.0.1", 8002, 0, &code));
    assert_non_null(strstr(rig_said, "scheduler_cluster_id"));
    assert_null(update("sa", "10.0.0.1", 8002, 7, &code));
    assert_int_equal(code, DTR_RPC_NOT_FOUND);
    assert_non_null(strstr(rig_said, "no scheduler cluster 7"));
    assert_string_equal(places("node", "10.9.9.9", NULL, NULL, 9), "NOT_FOUND");
    start_beat(&beat, "nobody", "10.0.0.1", 1);
    TURN_UNTIL(rig.loop, !beat.call);
    assert_int_equal(beat.code, DTR_RPC_NOT_FOUND);
    assert_non_null(strstr(beat.said, "nobody is not registered"));
    start_beat(&beat, "", "10.0.0.1", 1);
    TURN_UNTIL(rig.loop, !beat.call);
    assert_int_equal(beat.code, DTR_RPC_INVALID_ARGUMENT);
}

static void each_peer_finds_its_cluster(void **state)
{
    (void)state;
    struct beat beats[3];
    register_all(beats);
    assert_string_equal(places("node", "10.9.9.9", NULL, NULL, 0), "1,2,3"); /* the default, then by id */
    assert_string_equal(places("node", "10.9.9.9", "C", NULL, 0), "2,1,3");
    assert_string_equal(places("node", "10.2.3.4", NULL, NULL, 0), "2,1,3");
    assert_string_equal(places("b-7", "10.9.9.9", NULL, NULL, 0), "2,1,3");
    assert_string_equal(places("node", "10.9.9.9", NULL, "asia|cn|hz", 0), "3,1,2");
    assert_string_equal(places("node", "10.9.9.9", "x", "asia", 0), "3,1,2");
    assert_string_equal(places("node", "10.9.9.9", "C", NULL, 3), "3");
    for (int i = 0; i < 3; i++)
        cancel(&beats[i]);
    UNTIL_ACTIVE(0);
    assert_string_equal(places("node", "10.9.9.9", "C", NULL, 3),
                        "3"); /* it may be better than is known here */
}

static void a_cluster_that_is_down_is_left_out(void **state)
{
    (void)state;
    struct beat beats[3];
    register_all(beats);
    cancel(&beats[1]);
    UNTIL_ACTIVE(2);
    UNTIL_PLACES("1,3", "b-7", "10.2.3.4", "b", NULL, 0);
    start_beat(&beats[1], "sb", "10.0.0.2", 2);
    UNTIL_ACTIVE(3);
    UNTIL_PLACES("2,1,3", "b-7", "10.2.3.4", "b", NULL, 0);
    for (int i = 0; i < 3; i++)
        cancel(&beats[i]);
}

static void a_scheduler_reads_its_cluster(void **state)
{
    (void)state;
    enum dtr_rpc_code code;
    Manager__V2__GetSchedulerRequest request = MANAGER__V2__GET_SCHEDULER_REQUEST__INIT;
    request.hostname = "sa";
    request.scheduler_cluster_id = 1;
    assert_null(rig_call(&rig, &dtr_rpc_manager_get_scheduler, &request.base, &code));
    assert_int_equal(code, DTR_RPC_NOT_FOUND);
    forget(update("sa", "10.0.0.1", 8002, 1, &code));
    Manager__V2__Scheduler *row =
        (void *)rig_call(&rig, &dtr_rpc_manager_get_scheduler, &request.base, &code);
    assert_non_null(row);
    const Manager__V2__SchedulerCluster *cluster = row->scheduler_cluster;
    assert_memory_equal(cluster->config.data, "{\"candidate_parent_limit\":5}", cluster->config.len);
    assert_memory_equal(cluster->client_config.data, "{\"load_limit\":200}", cluster->client_config.len);
    assert_memory_equal(cluster->seed_client_config.data, "{\"block_list\":{\"task\":{}}}",
                        cluster->seed_client_config.len);
    forget(row);
}

static void applications_have_priorities(void **state)
{
    (void)state;
    enum dtr_rpc_code code;
    Manager__V2__ListApplicationsRequest request = MANAGER__V2__LIST_APPLICATIONS_REQUEST__INIT;
    request.hostname = "sa";
    request.ip = "10.0.0.1";
    assert_null(rig_call(&rig, &dtr_rpc_manager_list_applications, &request.base, &code));
    assert_int_equal(code, DTR_RPC_NOT_FOUND);
    rig_sql(&rig,
            "INSERT INTO applications (name, url, bio, priority_json, user_id, created_at, updated_at) VALUES"
            " ('shop', 'http://a', NULL, '{\"value\":3,\"urls\":[{\"regex\":\"x.*\",\"value\":5},{}]}', 1, "
            "0, 0)");
    Manager__V2__ListApplicationsResponse *response =
        (void *)rig_call(&rig, &dtr_rpc_manager_list_applications, &request.base, &code);
    assert_non_null(response);
    assert_int_equal(response->n_applications, 1);
    const Manager__V2__Application *one = response->applications[0];
    assert_string_equal(one->name, "shop");
    assert_int_equal(one->priority->value, 3);
    assert_int_equal(one->priority->n_urls, 1);
    assert_string_equal(one->priority->urls[0]->regex, "x.*");
    assert_int_equal(one->priority->urls[0]->value, 5);
    forget(response);
}

static void older_seed_peers_register_too(void **state)
{
    (void)state;
    enum dtr_rpc_code code;
    Manager__V2__UpdateSeedPeerRequest request = MANAGER__V2__UPDATE_SEED_PEER_REQUEST__INIT;
    request.hostname = "seed";
    request.ip = "10.0.0.9";
    request.port = 65535;
    request.download_port = 65008;
    request.seed_peer_cluster_id = 2;
    Manager__V2__SeedPeer *row =
        (void *)rig_call(&rig, &dtr_rpc_manager_update_seed_peer, &request.base, &code);
    assert_null(row);
    assert_int_equal(code, DTR_RPC_INVALID_ARGUMENT);
    request.port = 4000;
    row = (void *)rig_call(&rig, &dtr_rpc_manager_update_seed_peer, &request.base, &code);
    assert_non_null(row);
    assert_string_equal(row->type, "super");
    assert_string_equal(row->seed_peer_cluster->name, "cluster-2");
    forget(row);
    Manager__V2__DeleteSeedPeerRequest gone = MANAGER__V2__DELETE_SEED_PEER_REQUEST__INIT;
    gone.hostname = "seed";
    gone.ip = "10.0.0.9";
    gone.seed_peer_cluster_id = 2;
    forget(rig_call(&rig, &dtr_rpc_manager_delete_seed_peer, &gone.base, &code));
    assert_int_equal(code, DTR_RPC_OK);
    assert_null(rig_call(&rig, &dtr_rpc_manager_delete_seed_peer, &gone.base, &code));
    assert_int_equal(code, DTR_RPC_NOT_FOUND);
}

static void add_seed(const char *hostname, const char *ip, uint64_t cluster)
{
    enum dtr_rpc_code code;
    Manager__V2__UpdateSeedPeerRequest request = MANAGER__V2__UPDATE_SEED_PEER_REQUEST__INIT;
    request.hostname = (char *)(uintptr_t)hostname;
    request.ip = (char *)(uintptr_t)ip;
    request.port = 4000;
    request.download_port = 4001;
    request.seed_peer_cluster_id = cluster;
    forget(rig_call(&rig, &dtr_rpc_manager_update_seed_peer, &request.base, &code));
    assert_int_equal(code, DTR_RPC_OK);
}

/* The names of seed peers that this one is told of: "a,b"; or the status' name. */
static const char *seeds_for(const char *hostname, const char *ip)
{
    static char text[64];
    Manager__V2__ListSeedPeersRequest request = MANAGER__V2__LIST_SEED_PEERS_REQUEST__INIT;
    enum dtr_rpc_code code;
    size_t length = 0;
    request.hostname = (char *)(uintptr_t)hostname;
    request.ip = (char *)(uintptr_t)ip;
    Manager__V2__ListSeedPeersResponse *response =
        (void *)rig_call(&rig, &dtr_rpc_manager_list_seed_peers, &request.base, &code);
    if (!response)
        return dtr_rpc_code_name(code);
    text[0] = '\0';
    for (size_t i = 0; i < response->n_seed_peers; i++)
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s", i ? "," : "",
                                   response->seed_peers[i]->hostname);
    forget(response);
    return text;
}

#define UNTIL_SEEDS(expected, ...)                                                                           \
    TURN_UNTIL_BY(rig.loop, false, strcmp(seeds_for(__VA_ARGS__), expected) == 0)

/* Cluster 3 shares the seed peers of cluster 2, which are named once all the same. */
static void a_seed_peer_is_told_of_those_of_its_own_cluster(void **state)
{
    (void)state;
    rig_sql(&rig, "UPDATE cluster_links SET seed_peer_cluster_id = 2 WHERE scheduler_cluster_id = 3");
    add_seed("one", "10.0.0.1", 1);
    assert_string_equal(seeds_for("one", "10.0.0.1"), "NOT_FOUND"); /* none is active */
    add_seed("two", "10.0.0.2", 2);
    add_seed("three", "10.0.0.3", 2);
    add_seed("silent", "10.0.0.4", 2);
    rig_sql(&rig, "UPDATE seed_peers SET state = 'active' WHERE host_name <> 'silent'");
    UNTIL_SEEDS("one", "one", "10.0.0.1");
    assert_string_equal(seeds_for("two", "10.0.0.2"), "two,three");
    assert_string_equal(seeds_for("silent", "10.0.0.4"), "two,three");
    assert_string_equal(seeds_for("two", "10.0.0.1"), "NOT_FOUND"); /* another's address */
    assert_string_equal(seeds_for("node", "10.0.0.9"), "NOT_FOUND");
    assert_non_null(strstr(rig_said, "no seed peer node (10.0.0.9) is registered"));
    assert_string_equal(seeds_for("two", ""), "INVALID_ARGUMENT");
    assert_string_equal(seeds_for("t_o", "10.0.0.2"), "INVALID_ARGUMENT");
}

static void ignore_done(void *context, const struct dtr_rpc_message *response,
                        const struct dtr_rpc_status *status)
{
    (void)response;
    (void)status;
    ++*(int *)context;
}

static void who_leaves_in_the_middle_does_no_harm(void **state)
{
    (void)state;
    Manager__V2__ListSchedulersRequest request = MANAGER__V2__LIST_SCHEDULERS_REQUEST__INIT;
    int done = 0;
    request.hostname = "node";
    request.ip = "10.9.9.9";
    for (int i = 0; i < 20; i++) {
        static const struct dtr_rpc_call_options options = {.wait_for_ready = true};
        struct dtr_rpc_call *call;
        assert_int_equal(dtr_rpc_unary(rig.channel, &dtr_rpc_manager_list_schedulers, &request.base, &options,
                                       ignore_done, &done, &call, NULL),
                         DTR_OK);
        for (int turns = 0; turns < i % 5; turns++)
            dtr_loop_turn(rig.loop, false);
        if (done <= i)
            dtr_rpc_call_cancel(call);
        TURN_UNTIL(rig.loop, done == i + 1);
    }
    assert_string_equal(places("node", "10.9.9.9", NULL, NULL, 0), "");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_scheduler_is_there_while_its_stream_is_open, begin, end),
        cmocka_unit_test_setup_teardown(another_stream_is_enough_to_be_there_again, begin, end),
        cmocka_unit_test_setup_teardown(an_orderly_end_is_answered, begin, end),
        cmocka_unit_test_setup_teardown(who_was_heard_elsewhere_is_still_there, begin, end),
        cmocka_unit_test_setup_teardown(an_old_stream_that_speaks_late_hides_nobody, begin, end),
        cmocka_unit_test_setup_teardown(a_stream_that_was_disturbed_long_ago_counts_again, begin, end),
        cmocka_unit_test_setup_teardown(registering_again_changes_the_row, begin, end),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_named, begin, end),
        cmocka_unit_test_setup_teardown(each_peer_finds_its_cluster, begin, end),
        cmocka_unit_test_setup_teardown(a_cluster_that_is_down_is_left_out, begin, end),
        cmocka_unit_test_setup_teardown(a_scheduler_reads_its_cluster, begin, end),
        cmocka_unit_test_setup_teardown(applications_have_priorities, begin, end),
        cmocka_unit_test_setup_teardown(older_seed_peers_register_too, begin, end),
        cmocka_unit_test_setup_teardown(a_seed_peer_is_told_of_those_of_its_own_cluster, begin, end),
        cmocka_unit_test_setup_teardown(who_leaves_in_the_middle_does_no_harm, begin, end),
    };
    store_rig_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
