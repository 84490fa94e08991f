/* Seeds that are told to fetch: a seed on loopback that serves its health, and sends piece after piece. */
#include "core/scheduler/rig.h"
#include "proto/dfdaemon.pb-c.h"

enum { PIECE_EVERY_MS = 20 };

struct seed {
    struct rig rig;
    struct dtr_rpc_table *table;
    struct dtr_rpc_server *server;
    struct dtr_rpc_health *health;
    struct dtr_addr addr;
    struct dtr_rpc_call *call; /* the trigger that runs, or NULL */
    struct dtr_timer *timer;
    uint32_t pieces_left, told; /* to be sent before it ends well; triggers so far */
    bool over;
    enum dtr_rpc_code code;
    char url[64];
};

static void on_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct seed *seed = context;
    (void)call;
    seed->over = true;
    seed->code = status->code;
    seed->call = NULL;
}

static void send_piece(void *context)
{
    struct seed *seed = context;
    Dfdaemon__V2__DownloadTaskResponse response = DFDAEMON__V2__DOWNLOAD_TASK_RESPONSE__INIT;
    if (!seed->call)
        return;
    (void)dtr_rpc_call_send(seed->call, &response.base, NULL);
    if (--seed->pieces_left == 0)
        dtr_rpc_call_finish(seed->call, DTR_RPC_OK, NULL);
    dtr_timer_set(seed->timer, PIECE_EVERY_MS);
}

static void on_trigger(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    static const struct dtr_rpc_events events = {.closed = on_closed};
    struct seed *seed = service;
    const Dfdaemon__V2__DownloadTaskRequest *message = (const void *)request->message;
    (void)snprintf(seed->url, sizeof(seed->url), "%s", message->download->url);
    seed->told++;
    seed->call = call;
    dtr_rpc_call_adopt(call, &events, seed);
    send_piece(seed);
}

static void open_seed(struct seed *seed, uint64_t timeout_ms, uint32_t pieces)
{
    static const struct dtr_rpc_handler handlers[] = {
        {.method = &dtr_rpc_upload_download_task, .request = on_trigger}};
    const struct dtr_scheduler_options options = {
        .swarm = dtr_swarm_defaults(), .seed_number = 1, .seed_timeout_ms = timeout_ms};
    rig_open(&seed->rig, &options);
    seed->pieces_left = pieces;
    assert_int_equal(dtr_timer_open(seed->rig.loop, send_piece, seed, &seed->timer, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_table_new(&seed->table, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_table_add(seed->table, handlers, 1, seed, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_health_new(&seed->health, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_health_serve(seed->health, seed->table, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_health_set(seed->health, "", true, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_new(seed->rig.loop, NULL, &seed->server, NULL), DTR_OK);
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &seed->addr, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_listen(seed->server, &seed->addr, seed->table, &seed->addr, NULL),
                     DTR_OK);
}

static void close_seed(struct seed *seed)
{
    bool stopped = false;
    dtr_timer_close(seed->timer);
    dtr_rpc_server_stop(seed->server, 0, rig_set, &stopped);
    rig_until(&seed->rig, rig_is_set, &stopped);
    rig_close(&seed->rig);
    dtr_rpc_table_free(seed->table);
    dtr_rpc_health_free(seed->health);
    free(seed);
}

static bool is_usable(void *context)
{
    const struct seed *seed = context;
    const struct dtr_swarm_host *host = dtr_swarm_find_host(seed->rig.scheduler->swarm, "s1");
    return host && host->seed_usable;
}

static bool is_over(void *context)
{
    return ((struct seed *)context)->over;
}

/* A peer of a host h1 registers, and a seed that serves is called. */
static struct rig_stream *call_seed(struct seed *seed)
{
    Common__V2__Download download = rig_download();
    assert_int_equal(rig_announce(&seed->rig, "s1", 1, dtr_addr_port(&seed->addr)), DTR_RPC_OK);
    assert_int_equal(rig_announce(&seed->rig, "h1", 0, 4000), DTR_RPC_OK);
    rig_until(&seed->rig, is_usable, seed);
    struct rig_stream *stream = rig_stream_open(&seed->rig, "h1", "h1-peer");
    rig_stream_register(stream, &download);
    return stream;
}

static void expect_told(struct seed *seed, enum dtr_rpc_code code)
{
    rig_until(&seed->rig, is_over, seed);
    assert_int_equal(seed->told, 1);
    assert_string_equal(seed->url, rig_download().url);
    assert_int_equal(seed->code, code);
}

/* Whether the seed was told before the time was over. */
static bool ends_after(uint64_t timeout_ms)
{
    struct seed *seed = calloc(1, sizeof(*seed));
    assert_non_null(seed);
    open_seed(seed, timeout_ms, UINT32_MAX);
    struct rig_stream *stream = call_seed(seed);
    rig_stream_wait_answers(stream, 1);
    assert_int_equal(stream->answer,
                     SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__RESPONSE_NEED_BACK_TO_SOURCE_RESPONSE);
    const bool told = seed->told > 0;
    if (told)
        expect_told(seed, DTR_RPC_CANCELLED);
    close_seed(seed);
    return told;
}

/* A seed that goes on and on is stopped all the same, and its task goes on without it. Where a busy machine
 * needs longer to call it, it is given longer. */
static void a_trigger_ends_after_its_time(void **state)
{
    (void)state;
    for (uint64_t ms = 10 * PIECE_EVERY_MS; !ends_after(ms); ms *= 2)
        assert_true(ms < 5000);
}

static void a_trigger_may_take_its_time(void **state)
{
    (void)state;
    struct seed *seed = calloc(1, sizeof(*seed));
    assert_non_null(seed);
    open_seed(seed, 60000, 10);
    (void)call_seed(seed);
    expect_told(seed, DTR_RPC_OK);
    close_seed(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trigger_ends_after_its_time),
        cmocka_unit_test(a_trigger_may_take_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
