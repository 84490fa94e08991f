/* SyncPieces and SyncHost, as a parent serves them and as a child reads them; scheduler and parent of the
 * child are played by the test. */
#include "core/daemon/upload/serve_rig.h"

#include "core/base/str.h"
#include "proto/scheduler.pb-c.h"
#include <setjmp.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct received got;

static Common__V2__Download plain(void)
{
    Common__V2__Download download = COMMON__V2__DOWNLOAD__INIT;
    download.url = (char *)(uintptr_t) "http://o.test/x";
    return download;
}

/* --- a parent, asked by the test ------------------------------------------------------------------ */

struct heard {
    struct dtr_rpc_call *call;
    int messages, closed;
    uint64_t max_tx, tx;
    uint32_t pieces; /* bit per number */
    int32_t port;
    enum dtr_rpc_code code;
};

static void on_host(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct heard *heard = context;
    const Common__V2__Host *host = (const void *)message->message;
    (void)call;
    heard->messages++;
    heard->max_tx = host->network ? host->network->max_tx_bandwidth : 0;
    heard->tx =
        host->network && host->network->has_tx_bandwidth_case ? host->network->tx_bandwidth : UINT64_MAX;
}

static void on_piece(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct heard *heard = context;
    const Dfdaemon__V2__SyncPiecesResponse *piece = (const void *)message->message;
    (void)call;
    heard->messages++;
    heard->pieces |= 1u << piece->number % 32;
    heard->port = piece->tcp_port;
}

static void on_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct heard *heard = context;
    (void)call;
    heard->closed++;
    heard->code = status->code;
}

static void ask(struct heard *heard, const struct dtr_rpc_method *method, const struct dtr_rpc_events *events,
                const ProtobufCMessage *request)
{
    *heard = (struct heard){0};
    assert_int_equal(dtr_rpc_call_start(rig.peer, method, NULL, events, heard, &heard->call, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_call_send(heard->call, request, NULL), DTR_OK);
    dtr_rpc_call_end(heard->call);
}

static void ask_host(struct heard *heard)
{
    static const struct dtr_rpc_events events = {.message = on_host, .closed = on_closed};
    Dfdaemon__V2__SyncHostRequest request = DFDAEMON__V2__SYNC_HOST_REQUEST__INIT;
    request.host_id = request.peer_id = (char *)(uintptr_t) "child";
    ask(heard, &dtr_rpc_upload_sync_host, &events, &request.base);
}

static void a_host_tells_its_load_when_that_changed(void **state)
{
    (void)state;
    struct heard one, other;
    serve_rig_begin(&rig);
    ask_host(&one);
    ask_host(&other);
    SERVE_UNTIL(&rig, one.messages == 1 && other.messages == 1);
    assert_int_equal(one.tx, 0);
    assert_true(one.max_tx > 0);
    (void)atomic_fetch_add(&rig.daemon.upload->sent_bytes, 4 << 20);
    SERVE_UNTIL(&rig, one.tx > 0 && other.tx > 0);
    /* Half of what one look saw; the clock of the test is rough. */
    assert_in_range(one.tx, 1 << 20, (uint64_t)40 << 20);
    uint64_t before = one.tx;
    dtr_rpc_call_cancel(other.call);
    SERVE_UNTIL(&rig, one.tx < before && other.closed);
    serve_rig_stop(&rig);
    SERVE_UNTIL(&rig, one.closed);
    assert_int_equal(one.code, DTR_RPC_OK);
}

/* Opens a stream and waits for the first look at the load after it. True: that came before the host was to be
 * told again, so that it said nothing; false: the test was too slow to say. */
static bool look_without_a_change(struct heard *heard)
{
    struct upload *upload = rig.daemon.upload;
    struct heard other;
    ask_host(heard);
    SERVE_UNTIL(&rig, !dtr_list_empty(&upload->host_syncs));
    uint64_t told = upload->sampled_ms;
    SERVE_UNTIL(&rig, upload->sampled_ms > told);
    uint64_t looked = upload->sampled_ms;
    ask_host(&other); /* what it hears first was sent after all that the other one was told */
    SERVE_UNTIL(&rig, other.messages > 0);
    bool sure = looked - told < UPLOAD_TELL_MS && upload->sampled_ms == looked;
    if (sure)
        assert_int_equal(heard->messages, 1);
    dtr_rpc_call_cancel(other.call);
    SERVE_UNTIL(&rig, other.closed);
    return sure;
}

/* Without a change less often, but so that a child knows it to live. */
static void an_idle_host_goes_on_saying_so(void **state)
{
    (void)state;
    enum { TRIES = 10 };
    struct heard heard;
    bool seen = false;
    serve_rig_begin(&rig);
    for (int i = 0; i < TRIES && !seen; i++) {
        seen = look_without_a_change(&heard);
        if (seen)
            break;
        dtr_rpc_call_cancel(heard.call);
        SERVE_UNTIL(&rig, heard.closed && dtr_list_empty(&rig.daemon.upload->host_syncs));
    }
    assert_true(seen);
    SERVE_UNTIL(&rig, heard.messages >= 3);
    assert_int_equal(heard.tx, 0);
    serve_rig_stop(&rig);
    SERVE_UNTIL(&rig, heard.closed);
}

static void pieces_are_told_as_they_come(void **state)
{
    (void)state;
    static const struct dtr_rpc_events events = {.message = on_piece, .closed = on_closed};
    Dfdaemon__V2__SyncPiecesRequest request = DFDAEMON__V2__SYNC_PIECES_REQUEST__INIT;
    uint32_t wanted[] = {1, 0, 1};
    struct heard heard;
    Common__V2__Download download = plain();
    serve_rig_begin(&rig);
    rig.script.silent_at = RIG_PIECE + RIG_BLOCK;
    serve_download(&rig, rig.peer, &got, &download);
    SERVE_UNTIL(&rig, got.started);
    request.host_id = (char *)(uintptr_t) "child";
    request.task_id = got.task_id;
    request.interested_piece_numbers = wanted;
    request.n_interested_piece_numbers = 3; /* more than the object has: memory and work for nothing */
    ask(&heard, &dtr_rpc_upload_sync_pieces, &events, &request.base);
    SERVE_UNTIL(&rig, heard.closed);
    assert_int_equal(heard.code, DTR_RPC_INVALID_ARGUMENT);
    assert_int_equal(heard.messages, 0);
    request.n_interested_piece_numbers = 2;
    ask(&heard, &dtr_rpc_upload_sync_pieces, &events, &request.base);
    SERVE_UNTIL(&rig, heard.messages == 1);
    assert_int_equal(heard.pieces, 1);
    assert_int_equal(heard.closed, 0);
    /* The pull ends: so does the stream. */
    dtr_rpc_call_cancel(got.call);
    SERVE_UNTIL(&rig, heard.closed);
    assert_int_equal(heard.code, DTR_RPC_OK);
    serve_rig_stop(&rig);
}

/* --- a child, with a scheduler and a parent of the test's ----------------------------------------- */

static struct {
    struct played scheduler, parent;
    int announced;
    struct dtr_rpc_call *pieces, *host; /* the child's streams, while they are open */
    int pieces_asked, host_asked;
    char registered_filter[64], registered_ip[64];
    uint32_t priority;
    uint64_t piece_length;
    bool finished;
    int registers, needed; /* announcements before a host is known */
    bool forgets;          /* for ever */
} world;

static void on_announce_host(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    (void)service;
    (void)request;
    world.announced++;
    serve_reply_empty(call);
}

static void on_delete_host(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    (void)service;
    (void)request;
    serve_reply_empty(call);
}

static void on_stat_task(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    Common__V2__Task task = COMMON__V2__TASK__INIT;
    (void)service;
    (void)request;
    task.has_available_peer = true;
    task.content_length = RIG_SIZE;
    dtr_rpc_call_reply(call, &task.base);
}

static void offer_parent(struct dtr_rpc_call *call)
{
    Scheduler__V2__AnnouncePeerResponse response = SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__INIT;
    Scheduler__V2__NormalTaskResponse normal = SCHEDULER__V2__NORMAL_TASK_RESPONSE__INIT;
    Common__V2__Peer peer = COMMON__V2__PEER__INIT, *peers[] = {&peer};
    Common__V2__Host host = COMMON__V2__HOST__INIT;
    peer.id = (char *)(uintptr_t) "parent-peer";
    peer.host = &host;
    host.id = (char *)(uintptr_t) "parent";
    host.ip = (char *)(uintptr_t) "127.0.0.1";
    host.port = dtr_addr_port(&world.parent.at);
    normal.candidate_parents = peers;
    normal.n_candidate_parents = 1;
    response.response_case = SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__RESPONSE_NORMAL_TASK_RESPONSE;
    response.normal_task_response = &normal;
    (void)dtr_rpc_call_send(call, &response.base, NULL);
}

static void note_register(const Common__V2__Download *download)
{
    world.priority = (uint32_t)download->priority;
    (void)snprintf(world.registered_ip, sizeof(world.registered_ip), "%s",
                   download->has_remote_ip_case ? download->remote_ip : "");
    world.piece_length = download->has_piece_length_case ? download->piece_length : 0;
    for (size_t i = 0; i < download->n_filtered_query_params; i++) {
        size_t length = strlen(world.registered_filter);
        (void)snprintf(world.registered_filter + length, sizeof(world.registered_filter) - length, " %s",
                       download->filtered_query_params[i]);
    }
}

static void on_said(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    const Scheduler__V2__AnnouncePeerRequest *request = (const void *)message->message;
    (void)context;
    if (request->request_case == SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_REGISTER_PEER_REQUEST) {
        world.registers++;
        if (world.forgets || world.announced < world.needed) {
            dtr_rpc_call_finish(call, DTR_RPC_NOT_FOUND, "host not found");
            return;
        }
        note_register(request->register_peer_request->download);
        offer_parent(call);
    }
    if (request->request_case ==
        SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PEER_FINISHED_REQUEST) {
        world.finished = true;
        dtr_rpc_call_finish(call, DTR_RPC_OK, NULL);
    }
}

static void on_announce_peer(void *service, struct dtr_rpc_call *call)
{
    static const struct dtr_rpc_events events = {.message = on_said};
    dtr_rpc_call_adopt(call, &events, service);
}

static void on_stream_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    (void)call;
    (void)status;
    *(struct dtr_rpc_call **)context = NULL;
}

static const struct dtr_rpc_events stream_events = {.closed = on_stream_closed};

static void have_piece(uint32_t number)
{
    Dfdaemon__V2__SyncPiecesResponse response = DFDAEMON__V2__SYNC_PIECES_RESPONSE__INIT;
    response.number = number;
    response.ip = (char *)(uintptr_t) "127.0.0.1";
    response.has_tcp_port_case = DFDAEMON__V2__SYNC_PIECES_RESPONSE__HAS_TCP_PORT_TCP_PORT;
    response.tcp_port = 4005;
    (void)dtr_rpc_call_send(world.pieces, &response.base, NULL);
}

static void on_sync_pieces(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    (void)service;
    (void)request;
    world.pieces_asked++;
    world.pieces = call;
    dtr_rpc_call_adopt(call, &stream_events, &world.pieces);
    have_piece(0);
}

static void have_load(uint64_t tx)
{
    Common__V2__Host host = COMMON__V2__HOST__INIT;
    Common__V2__Network network = COMMON__V2__NETWORK__INIT;
    host.network = &network;
    network.max_tx_bandwidth = 1000000;
    network.has_tx_bandwidth_case = COMMON__V2__NETWORK__HAS_TX_BANDWIDTH_TX_BANDWIDTH;
    network.tx_bandwidth = tx;
    (void)dtr_rpc_call_send(world.host, &host.base, NULL);
}

static void on_sync_host(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    (void)service;
    (void)request;
    world.host_asked++;
    world.host = call;
    dtr_rpc_call_adopt(call, &stream_events, &world.host);
    have_load(4711);
}

static void begin_world(bool parent_knows_hosts)
{
    static const struct dtr_rpc_handler of_scheduler[] = {
        {.method = &dtr_rpc_scheduler_announce_host, .request = on_announce_host},
        {.method = &dtr_rpc_scheduler_delete_host, .request = on_delete_host},
        {.method = &dtr_rpc_scheduler_stat_task, .request = on_stat_task},
        {.method = &dtr_rpc_scheduler_announce_peer, .open = on_announce_peer},
    };
    static const struct dtr_rpc_handler of_parent[] = {
        {.method = &dtr_rpc_upload_sync_pieces, .request = on_sync_pieces},
        {.method = &dtr_rpc_upload_sync_host, .request = on_sync_host},
    };
    memset(&world, 0, sizeof(world));
    serve_play(&rig, &world.scheduler, of_scheduler, 4, NULL);
    serve_play(&rig, &world.parent, of_parent, parent_knows_hosts ? 2 : 1, NULL);
    rig.schedulers[0] = world.scheduler.addr;
    rig.scheduler_count = 1;
    rig.script.status = 500; /* all of it must come from the parent */
    serve_rig_begin(&rig);
    SERVE_UNTIL(&rig, world.announced > 0);
}

static void end_world(void)
{
    serve_rig_stop(&rig);
    serve_play_end(&rig, &world.parent);
    serve_play_end(&rig, &world.scheduler);
}

static const struct dtr_plan_parent *the_parent(void)
{
    struct dtr_task *task = dtr_tasks_find(rig.daemon.tasks, got.task_id);
    struct dtr_planner *planner = task ? dtr_task_planner(task) : NULL;
    return planner ? dtr_planner_parent(planner, 0) : NULL;
}

static void a_child_ranks_by_what_its_parent_says(void **state)
{
    (void)state;
    static char *filter[] = {(char *)(uintptr_t) "sig"};
    Common__V2__Download download = plain();
    download.filtered_query_params = filter;
    download.n_filtered_query_params = 1;
    download.priority = COMMON__V2__PRIORITY__LEVEL5;
    download.has_piece_length_case = COMMON__V2__DOWNLOAD__HAS_PIECE_LENGTH_PIECE_LENGTH;
    download.piece_length = RIG_PIECE;
    begin_world(true);
    serve_download(&rig, rig.local, &got, &download);
    SERVE_UNTIL(&rig, got.pieces == 1 && world.host);
    SERVE_UNTIL(&rig, the_parent() && the_parent()->tx == 4711);
    assert_int_equal(the_parent()->max_tx, 1000000);
    have_load(12);
    SERVE_UNTIL(&rig, the_parent()->tx == 12);
    /* One connection for both. */
    assert_int_equal(dtr_rpc_server_connections(world.parent.server), 1);
    have_piece(1);
    dtr_rpc_call_finish(world.pieces, DTR_RPC_OK, NULL);
    SERVE_UNTIL(&rig, got.closed && !world.host);
    assert_int_equal(got.code, DTR_RPC_OK);
    assert_int_equal(got.traffic[0], COMMON__V2__TRAFFIC_TYPE__REMOTE_PEER);
    SERVE_UNTIL(&rig, world.finished && dtr_rpc_server_connections(world.parent.server) == 0);
    assert_int_equal(world.host_asked, 1);
    assert_string_equal(world.registered_filter, " sig");
    assert_string_equal(world.registered_ip, "127.0.0.1"); /* who asked is here, and said no more */
    assert_int_equal(world.priority, 5);
    assert_int_equal(world.piece_length, RIG_PIECE);
    end_world();
}

/* It was restarted, or heard nothing for long. */
static void a_scheduler_that_forgot_this_host_is_told_again(void **state)
{
    (void)state;
    Common__V2__Download download = plain();
    begin_world(true);
    world.needed = 2;
    serve_download(&rig, rig.local, &got, &download);
    SERVE_UNTIL(&rig, got.pieces == 1 && world.pieces);
    have_piece(1);
    SERVE_UNTIL(&rig, got.closed);
    assert_int_equal(got.code, DTR_RPC_OK);
    assert_int_equal(world.announced, 2);
    assert_int_equal(world.registers, 2);
    end_world();
}

static void a_scheduler_that_never_learns_is_done_without(void **state)
{
    (void)state;
    Common__V2__Download download = plain();
    begin_world(true);
    world.forgets = true;
    rig.script.status = 200;
    serve_download_all(&rig, rig.local, &got, &download);
    assert_int_equal(got.code, DTR_RPC_OK);
    assert_int_equal(world.registers, 2);
    end_world();
}

static void a_parent_without_synchost_is_still_a_parent(void **state)
{
    (void)state;
    Common__V2__Download download = plain();
    begin_world(false);
    serve_download(&rig, rig.local, &got, &download);
    SERVE_UNTIL(&rig, got.pieces == 1);
    have_piece(1);
    SERVE_UNTIL(&rig, got.closed);
    assert_int_equal(got.code, DTR_RPC_OK);
    end_world();
}

static void a_child_that_stops_leaves_its_parent(void **state)
{
    (void)state;
    Common__V2__Download download = plain();
    begin_world(true);
    serve_download(&rig, rig.local, &got, &download);
    SERVE_UNTIL(&rig, got.pieces == 1 && world.host);
    serve_rig_stop(&rig);
    SERVE_UNTIL(&rig, !world.host && !world.pieces && got.closed);
    serve_play_end(&rig, &world.parent);
    serve_play_end(&rig, &world.scheduler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVE_TEST(a_host_tells_its_load_when_that_changed),
        SERVE_TEST(an_idle_host_goes_on_saying_so),
        SERVE_TEST(pieces_are_told_as_they_come),
        SERVE_TEST(a_child_ranks_by_what_its_parent_says),
        SERVE_TEST(a_scheduler_that_forgot_this_host_is_told_again),
        SERVE_TEST(a_scheduler_that_never_learns_is_done_without),
        SERVE_TEST(a_parent_without_synchost_is_still_a_parent),
        SERVE_TEST(a_child_that_stops_leaves_its_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
