/* The unary calls of scheduler.v2, over loopback. */
#include "core/scheduler/rig.h"

static int setup(void **state)
{
    *state = malloc(sizeof(struct rig));
    rig_open(*state, NULL);
    return 0;
}

static int teardown(void **state)
{
    rig_close(*state);
    free(*state);
    return 0;
}

static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

/* A peer of host h1 that was told to go to the origin. */
static struct rig_stream *add_peer(struct rig *rig)
{
    Common__V2__Download download = rig_download();
    download.priority = COMMON__V2__PRIORITY__LEVEL5;
    assert_int_equal(rig_announce(rig, "h1", 0, 4000), DTR_RPC_OK);
    struct rig_stream *stream = rig_stream_open(rig, "h1", "h1-peer");
    rig_stream_register(stream, &download);
    rig_stream_wait_answers(stream, 1);
    return stream;
}

static Scheduler__V2__ListHostsResponse *list(struct rig *rig, const uint32_t *type)
{
    Scheduler__V2__ListHostsRequest request = SCHEDULER__V2__LIST_HOSTS_REQUEST__INIT;
    if (type) {
        request.has_type_case = SCHEDULER__V2__LIST_HOSTS_REQUEST__HAS_TYPE_TYPE;
        request.type = *type;
    }
    struct rig_answer answer = rig_ask(rig, &dtr_rpc_scheduler_list_hosts, &request.base);
    assert_int_equal(answer.code, DTR_RPC_OK);
    Scheduler__V2__ListHostsResponse *response = scheduler__v2__list_hosts_response__unpack(
        NULL, answer.bytes.length, (const uint8_t *)dtr_str_text(&answer.bytes));
    dtr_str_free(&answer.bytes);
    assert_non_null(response);
    return response;
}

static void hosts_are_listed_as_they_announced_themselves(void **state)
{
    struct rig *rig = *state;
    Scheduler__V2__ListHostsResponse *response = list(rig, NULL);
    assert_int_equal(response->n_hosts, 0);
    scheduler__v2__list_hosts_response__free_unpacked(response, NULL);
    assert_int_equal(rig_announce(rig, "h1", 0, 4000), DTR_RPC_OK);
    assert_int_equal(rig_announce(rig, "s1", 1, 9), DTR_RPC_OK);
    assert_int_equal(rig_announce(rig, "h1", 0, 4010), DTR_RPC_OK);
    response = list(rig, NULL);
    assert_int_equal(response->n_hosts, 2);
    assert_string_equal(response->hosts[0]->id, "h1");
    assert_int_equal(response->hosts[0]->port, 4010);
    assert_int_equal(response->hosts[0]->proxy_port, 4001);
    assert_string_equal(response->hosts[0]->build->git_version, "1.5.1");
    assert_string_equal(response->hosts[1]->id, "s1");
    scheduler__v2__list_hosts_response__free_unpacked(response, NULL);
}

static void hosts_are_listed_by_type(void **state)
{
    struct rig *rig = *state;
    const uint32_t normal = 0, seed = 1, strong = 2;
    assert_int_equal(rig_announce(rig, "h1", 0, 4000), DTR_RPC_OK);
    assert_int_equal(rig_announce(rig, "s1", 1, 9), DTR_RPC_OK);
    Scheduler__V2__ListHostsResponse *response = list(rig, &normal);
    assert_int_equal(response->n_hosts, 1);
    assert_string_equal(response->hosts[0]->id, "h1");
    scheduler__v2__list_hosts_response__free_unpacked(response, NULL);
    response = list(rig, &seed);
    assert_int_equal(response->n_hosts, 1);
    assert_string_equal(response->hosts[0]->id, "s1");
    scheduler__v2__list_hosts_response__free_unpacked(response, NULL);
    response = list(rig, &strong);
    assert_int_equal(response->n_hosts, 0);
    scheduler__v2__list_hosts_response__free_unpacked(response, NULL);
}

static void a_peer_is_told_with_its_task_and_host(void **state)
{
    struct rig *rig = *state;
    (void)add_peer(rig);
    Scheduler__V2__StatPeerRequest request = SCHEDULER__V2__STAT_PEER_REQUEST__INIT;
    request.host_id = text("h1");
    request.task_id = text(RIG_TASK);
    request.peer_id = text("h1-peer");
    struct rig_answer answer = rig_ask(rig, &dtr_rpc_scheduler_stat_peer, &request.base);
    assert_int_equal(answer.code, DTR_RPC_OK);
    Common__V2__Peer *peer =
        common__v2__peer__unpack(NULL, answer.bytes.length, (const uint8_t *)dtr_str_text(&answer.bytes));
    dtr_str_free(&answer.bytes);
    assert_non_null(peer);
    assert_string_equal(peer->id, "h1-peer");
    assert_string_equal(peer->state, "ReceivedNormal");
    assert_int_equal(peer->priority, COMMON__V2__PRIORITY__LEVEL5);
    assert_string_equal(peer->task->id, RIG_TASK);
    assert_string_equal(peer->task->state, "Running");
    assert_int_equal(peer->task->piece_count, 10);
    assert_int_equal(peer->host->port, 4000);
    assert_int_equal(peer->host->proxy_port, 4001);
    assert_true(peer->cost && peer->created_at && peer->updated_at);
    common__v2__peer__free_unpacked(peer, NULL);
    request.peer_id = text("h1-other");
    assert_int_equal(rig_code(rig, &dtr_rpc_scheduler_stat_peer, &request.base), DTR_RPC_NOT_FOUND);
}

static void a_deleted_peer_is_gone_and_its_stream_hears_of_it(void **state)
{
    struct rig *rig = *state;
    struct rig_stream *stream = add_peer(rig);
    Scheduler__V2__DeletePeerRequest request = SCHEDULER__V2__DELETE_PEER_REQUEST__INIT;
    request.host_id = text("h1");
    request.task_id = text(RIG_TASK);
    request.peer_id = text("h1-peer");
    assert_int_equal(rig_code(rig, &dtr_rpc_scheduler_delete_peer, &request.base), DTR_RPC_OK);
    rig_stream_wait_end(stream);
    assert_int_equal(stream->code, DTR_RPC_NOT_FOUND);
    assert_int_equal(rig_code(rig, &dtr_rpc_scheduler_delete_peer, &request.base), DTR_RPC_NOT_FOUND);
}

/* Every id of every call, one after the other left out. */
static void ids_that_are_missing_are_named(void **state)
{
    static const struct {
        const struct dtr_rpc_method *method;
        unsigned ids; /* the messages of these calls differ in how many of host, task, peer they have */
    } calls[] = {
        {&dtr_rpc_scheduler_delete_host, 1}, {&dtr_rpc_scheduler_stat_task, 2},
        {&dtr_rpc_scheduler_delete_task, 2}, {&dtr_rpc_scheduler_stat_peer, 3},
        {&dtr_rpc_scheduler_delete_peer, 3},
    };
    static const char *const names[] = {"host_id is missing", "task_id is missing", "peer_id is missing"};
    struct rig *rig = *state;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        for (unsigned missing = 0; missing < calls[i].ids; missing++) {
            Scheduler__V2__StatPeerRequest request = SCHEDULER__V2__STAT_PEER_REQUEST__INIT;
            request.host_id = text(missing == 0 ? "" : "h");
            request.task_id = text(missing == 1 || calls[i].ids < 2 ? "" : "t");
            request.peer_id = text(missing == 2 || calls[i].ids < 3 ? "" : "p");
            struct rig_answer answer = rig_ask(rig, calls[i].method, &request.base);
            assert_int_equal(answer.code, DTR_RPC_INVALID_ARGUMENT);
            assert_string_equal(answer.text, names[missing]);
            dtr_str_free(&answer.bytes);
        }
    }
}

static void what_nobody_knows_is_not_found(void **state)
{
    struct rig *rig = *state;
    Scheduler__V2__StatTaskRequest task = SCHEDULER__V2__STAT_TASK_REQUEST__INIT;
    Scheduler__V2__DeleteTaskRequest delete_task = SCHEDULER__V2__DELETE_TASK_REQUEST__INIT;
    Scheduler__V2__DeleteHostRequest host = SCHEDULER__V2__DELETE_HOST_REQUEST__INIT;
    task.host_id = delete_task.host_id = host.host_id = text("h1");
    task.task_id = delete_task.task_id = text(RIG_TASK);
    assert_int_equal(rig_code(rig, &dtr_rpc_scheduler_stat_task, &task.base), DTR_RPC_NOT_FOUND);
    assert_int_equal(rig_code(rig, &dtr_rpc_scheduler_delete_task, &delete_task.base), DTR_RPC_NOT_FOUND);
    assert_int_equal(rig_code(rig, &dtr_rpc_scheduler_delete_host, &host.base), DTR_RPC_NOT_FOUND);
}

static void impossible_hosts_are_refused(void **state)
{
    struct rig *rig = *state;
    Scheduler__V2__AnnounceHostRequest nothing = SCHEDULER__V2__ANNOUNCE_HOST_REQUEST__INIT;
    assert_int_equal(rig_code(rig, &dtr_rpc_scheduler_announce_host, &nothing.base),
                     DTR_RPC_INVALID_ARGUMENT);
    assert_int_equal(rig_announce(rig, "", 0, 4000), DTR_RPC_INVALID_ARGUMENT);
    assert_int_equal(rig_announce(rig, "h1", 4, 4000), DTR_RPC_INVALID_ARGUMENT);
    assert_int_equal(rig_announce(rig, "h1", 0, 0), DTR_RPC_INVALID_ARGUMENT);
    assert_int_equal(dtr_swarm_count(rig->scheduler->swarm).hosts, 0);
}

static void an_unknown_priority_is_refused(void **state)
{
    struct rig *rig = *state;
    Common__V2__Download download = rig_download();
    download.priority = (Common__V2__Priority)7;
    assert_int_equal(rig_announce(rig, "h1", 0, 4000), DTR_RPC_OK);
    struct rig_stream *stream = rig_stream_open(rig, "h1", "h1-peer");
    rig_stream_register(stream, &download);
    rig_stream_wait_end(stream);
    assert_int_equal(stream->code, DTR_RPC_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hosts_are_listed_as_they_announced_themselves, setup, teardown),
        cmocka_unit_test_setup_teardown(hosts_are_listed_by_type, setup, teardown),
        cmocka_unit_test_setup_teardown(a_peer_is_told_with_its_task_and_host, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deleted_peer_is_gone_and_its_stream_hears_of_it, setup, teardown),
        cmocka_unit_test_setup_teardown(ids_that_are_missing_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(what_nobody_knows_is_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(impossible_hosts_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unknown_priority_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
