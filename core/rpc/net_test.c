/* Server and channels over loopback and a unix socket: what a session alone cannot show. */
#include "core/rpc/net_fixture.h"

#include "core/net/stream.h"
#include <unistd.h>

static void calls_over_tcp(void **state)
{
    struct fixture *f = *state;
    start_server(f, NULL);
    open_channel(f, (struct dtr_rpc_channel_options){0});
    assert_int_equal(dtr_rpc_channel_state(f->channel), DTR_RPC_DOWN); /* lazily */
    ask_and_wait(f, "hello", DEFAULTS);
    assert_int_equal(f->code, DTR_RPC_OK);
    assert_string_equal(f->answer, "hello");
    assert_int_equal(f->ready, 1);
    ask_and_wait(f, "fail", DEFAULTS);
    assert_int_equal(f->code, DTR_RPC_NOT_FOUND);
    ask_and_wait(f, "empty", DEFAULTS);
    assert_int_equal(f->code, DTR_RPC_OK);
    for (int i = 0; i < 500; i++) /* more than the server takes at once */
        ask(f, &echo_unary, "many", DEFAULTS);
    TURN_UNTIL(f->loop, f->done == 503);
    assert_int_equal(f->ok, 502);
    assert_int_equal(dtr_rpc_server_connections(f->server), 1);
}

static void calls_over_a_unix_socket(void **state)
{
    struct fixture *f = *state;
    char path[64];
    static struct dtr_cred cred;
    (void)snprintf(path, sizeof(path), "/tmp/dtr_rpc_test.%d.sock", (int)getpid());
    assert_int_equal(dtr_addr_unix(path, &f->addr, NULL), DTR_OK);
    start_server(f, NULL);
    assert_int_equal(dtr_addr_unix(path, &f->addr, NULL), DTR_OK);
    open_channel(f, (struct dtr_rpc_channel_options){0});
    f->echo.early = true;
    start_stream(f, &echo_bidi, DEFAULTS);
    TURN_UNTIL(f->loop, f->client.headers == 1);
    assert_true(dtr_rpc_call_cred(f->echo.server.call, &cred));
    assert_int_equal(cred.uid, getuid());
    assert_int_equal(cred.gid, getgid());
    assert_int_equal(cred.group_count, getgroups(0, NULL));
    assert_int_equal(echo_send(f->client.call, "over unix"), DTR_OK);
    TURN_UNTIL(f->loop, f->client.messages == 1);
    assert_string_equal(f->client.last, "over unix");
    dtr_rpc_call_cancel(f->client.call);
    TURN_UNTIL(f->loop, f->echo.server.closed == 1);
    stop_server(f, 1000);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void a_message_that_was_packed_elsewhere(void **state)
{
    struct fixture *f = *state;
    static const char packed[] = {1 << 3 | 2, 3, 'a', 'b', 'c'};
    struct dtr_rpc_out *out = dtr_rpc_out_new(sizeof(packed));
    struct dtr_error err;
    start_server(f, NULL);
    open_channel(f, (struct dtr_rpc_channel_options){0});
    start_stream(f, &echo_bidi, DEFAULTS);
    memcpy(dtr_rpc_out_bytes(out), packed, sizeof(packed));
    assert_int_equal(dtr_rpc_call_send_out(f->client.call, out, &err), DTR_OK);
    TURN_UNTIL(f->loop, f->client.messages == 1);
    assert_string_equal(f->client.last, "abc");
    dtr_rpc_call_end(f->client.call);
    /* After the end it is refused, and still taken over. */
    out = dtr_rpc_out_new(sizeof(packed));
    assert_int_equal(dtr_rpc_call_send_out(f->client.call, out, &err), DTR_ECLOSED);
    TURN_UNTIL(f->loop, f->client.closed == 1);
    assert_int_equal(f->client.code, DTR_RPC_OK);
}

static void big_streams_over_tcp(void **state)
{
    struct fixture *f = *state;
    start_server(f, NULL);
    open_channel(f, (struct dtr_rpc_channel_options){0});
    start_stream(f, &echo_server_stream, DEFAULTS);
    assert_int_equal(echo_send(f->client.call, "300 100000"), DTR_OK);
    dtr_rpc_call_end(f->client.call);
    TURN_UNTIL(f->loop, f->client.closed == 1);
    assert_int_equal(f->client.code, DTR_RPC_OK);
    assert_int_equal(f->client.messages, 300);
    assert_int_equal(f->client.bytes, 30000000);
}

static void metadata_travels(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_pair pairs[] = {{"x-test", "some value"}};
    struct dtr_rpc_pair bad[] = {{"X-Upper", "v"}};
    struct dtr_rpc_call *call = NULL;
    start_server(f, NULL);
    open_channel(f, (struct dtr_rpc_channel_options){0});
    start_stream(f, &echo_bidi, (struct dtr_rpc_call_options){.metadata = pairs, .metadata_count = 1});
    TURN_UNTIL(f->loop, f->echo.server.call != NULL);
    assert_string_equal(f->echo.server.meta, "some value");
    struct dtr_rpc_call_options options = {.metadata = bad, .metadata_count = 1};
    assert_int_equal(dtr_rpc_call_start(f->channel, &echo_bidi, &options, NULL, NULL, &call, NULL),
                     DTR_EINVALID);
}

static void watch_message(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct record *record = context;
    (void)call;
    record->messages++;
    record->bytes = (size_t)((const Grpc__Health__V1__HealthCheckResponse *)message->message)->status;
}

static void health_checks_and_watches(void **state)
{
    struct fixture *f = *state;
    start_server(f, NULL);
    open_channel(f, (struct dtr_rpc_channel_options){0});
    assert_int_equal(dtr_rpc_health_set(f->health, "", true, NULL), DTR_OK);
    ask(f, &dtr_rpc_health_check, "", DEFAULTS);
    TURN_UNTIL(f->loop, f->done == 1);
    assert_string_equal(f->answer, "1");
    ask(f, &dtr_rpc_health_check, "dfdaemon.v2.DfdaemonDownload", DEFAULTS);
    TURN_UNTIL(f->loop, f->done == 2);
    assert_int_equal(f->code, DTR_RPC_NOT_FOUND);
    struct dtr_rpc_call *call = NULL;
    struct record watch = {0};
    struct dtr_rpc_events events = record_events;
    events.message = watch_message;
    assert_int_equal(
        dtr_rpc_call_start(f->channel, &dtr_rpc_health_watch, NULL, &events, &watch, &call, NULL), DTR_OK);
    assert_int_equal(echo_send(call, "late"), DTR_OK);
    dtr_rpc_call_end(call);
    TURN_UNTIL(f->loop, watch.messages == 1);
    assert_int_equal(watch.bytes, 3); /* unknown */
    assert_int_equal(dtr_rpc_health_set(f->health, "late", true, NULL), DTR_OK);
    TURN_UNTIL(f->loop, watch.messages == 2);
    assert_int_equal(watch.bytes, 1);
    assert_int_equal(dtr_rpc_health_set(f->health, "late", false, NULL), DTR_OK);
    TURN_UNTIL(f->loop, watch.messages == 3);
    assert_int_equal(watch.bytes, 2);
    ask(f, &dtr_rpc_health_check, "late", DEFAULTS);
    TURN_UNTIL(f->loop, f->done == 3);
    assert_string_equal(f->answer, "2");
    dtr_rpc_call_cancel(call);
    TURN_UNTIL(f->loop, watch.closed == 1);
}

/* --- bad days --------------------------------------------------------------------------------------- */

static void nobody_listens(void **state)
{
    struct fixture *f = *state;
    start_server(f, NULL);
    stop_server(f, 0);
    open_channel(f, (struct dtr_rpc_channel_options){.backoff_min_ms = 5000, .backoff_max_ms = 5000});
    ask_and_wait(f, "x", DEFAULTS);
    assert_int_equal(f->code, DTR_RPC_UNAVAILABLE);
    assert_non_null(strstr(f->text, "cannot connect"));
    ask_and_wait(f, "y", DEFAULTS); /* within the pause: at once */
    assert_int_equal(f->code, DTR_RPC_UNAVAILABLE);
    ask_and_wait(f, "z", (struct dtr_rpc_call_options){.wait_for_ready = true, .timeout_ms = 50});
    assert_int_equal(f->code, DTR_RPC_DEADLINE_EXCEEDED);
    assert_int_equal(f->lost, 1);
}

static void a_server_comes_back(void **state)
{
    struct fixture *f = *state;
    start_server(f, NULL);
    open_channel(f, (struct dtr_rpc_channel_options){.keep_connected = true});
    TURN_UNTIL(f->loop, f->ready == 1);
    start_stream(f, &echo_bidi, DEFAULTS);
    TURN_UNTIL(f->loop, f->echo.server.call != NULL);
    stop_server(f, 0);
    TURN_UNTIL(f->loop, f->client.closed == 1);
    assert_int_equal(f->client.code, DTR_RPC_UNAVAILABLE);
    TURN_UNTIL(f->loop, f->lost >= 3); /* it keeps trying */
    ask(f, &echo_unary, "patient", WAIT_FOR_READY);
    start_server(f, NULL); /* on the same port */
    TURN_UNTIL(f->loop, f->done == 1);
    assert_int_equal(f->code, DTR_RPC_OK);
    assert_string_equal(f->answer, "patient");
    assert_int_equal(f->ready, 2);
}

/* The shortest that the pauses of twelve attempts may take, doubled from 10 ms to 80 ms; each may be a fifth
 * shorter. Pauses that go on doubling would take longer than RUN_UNTIL waits. */
static void pauses_grow_up_to_a_bound(void **state)
{
    struct fixture *f = *state;
    start_server(f, NULL);
    stop_server(f, 0);
    uint64_t begin = dtr_loop_now_ms(f->loop);
    open_channel(f, (struct dtr_rpc_channel_options){
                        .keep_connected = true, .backoff_min_ms = 10, .backoff_max_ms = 80});
    TURN_UNTIL(f->loop, f->lost == 12);
    assert_true(dtr_loop_now_ms(f->loop) - begin >= (10 + 20 + 40 + 8 * 80) * 4 / 5);
}

static void a_graceful_stop_lets_calls_end(void **state)
{
    struct fixture *f = *state;
    start_server(f, NULL);
    open_channel(f, (struct dtr_rpc_channel_options){0});
    start_stream(f, &echo_bidi, DEFAULTS);
    TURN_UNTIL(f->loop, f->echo.server.call != NULL);
    dtr_rpc_server_stop(f->server, 10000, on_stopped, f);
    TURN_UNTIL(f->loop, f->lost == 1); /* GOAWAY: no new calls here */
    assert_int_equal(echo_send(f->client.call, "still"), DTR_OK);
    TURN_UNTIL(f->loop, f->client.messages == 1);
    assert_false(f->stopped);
    dtr_rpc_call_end(f->client.call);
    TURN_UNTIL(f->loop, f->stopped && f->client.closed);
    assert_int_equal(f->client.code, DTR_RPC_OK);
    f->server = NULL;
    /* A new server takes over on the same address. */
    start_server(f, NULL);
    ask_and_wait(f, "again", WAIT_FOR_READY);
    assert_int_equal(f->code, DTR_RPC_OK);
}

static void a_stop_has_a_limit(void **state)
{
    struct fixture *f = *state;
    start_server(f, NULL);
    open_channel(f, (struct dtr_rpc_channel_options){0});
    start_stream(f, &echo_bidi, DEFAULTS);
    TURN_UNTIL(f->loop, f->echo.server.call != NULL);
    stop_server(f, 30);
    TURN_UNTIL(f->loop, f->client.closed == 1);
    assert_int_equal(f->client.code, DTR_RPC_UNAVAILABLE);
    assert_int_equal(f->echo.server.closed, 1);
    assert_int_equal(f->echo.server.code, DTR_RPC_CANCELLED);
}

static void a_closed_channel_cancels_its_calls(void **state)
{
    struct fixture *f = *state;
    start_server(f, NULL);
    open_channel(f, (struct dtr_rpc_channel_options){0});
    start_stream(f, &echo_bidi, DEFAULTS);
    TURN_UNTIL(f->loop, f->echo.server.call != NULL);
    ask(f, &echo_unary, "hold", DEFAULTS);
    close_channel(f);
    assert_int_equal(f->client.closed, 0);
    TURN_UNTIL(f->loop, f->client.closed == 1 && f->done == 1);
    assert_int_equal(f->client.code, DTR_RPC_CANCELLED);
    assert_int_equal(f->code, DTR_RPC_CANCELLED);
    TURN_UNTIL(f->loop, dtr_rpc_server_connections(f->server) == 0);
    assert_int_equal(dtr_rpc_server_calls(f->server), 0);
}

static void deadlines_over_the_wire(void **state)
{
    struct fixture *f = *state;
    start_server(f, NULL);
    open_channel(f, (struct dtr_rpc_channel_options){0});
    ask_and_wait(f, "warm", DEFAULTS);
    /* Again when its time was over before it went out; the call behind it shows what the server has heard. */
    for (int i = 0; i < 20 && !f->echo.server.call && f->echo.server.closed == 0; i++) {
        ask_and_wait(f, "hold", (struct dtr_rpc_call_options){.timeout_ms = 40});
        assert_int_equal(f->code, DTR_RPC_DEADLINE_EXCEEDED);
        ask_and_wait(f, "behind it", DEFAULTS);
    }
    TURN_UNTIL(f->loop, f->echo.server.closed == 1);
    start_stream(f, &echo_bidi, (struct dtr_rpc_call_options){.timeout_ms = 40}); /* no headers come */
    TURN_UNTIL(f->loop, f->client.closed == 1);
    assert_int_equal(f->client.code, DTR_RPC_DEADLINE_EXCEEDED);
}

static void calls_at_once_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_limits limits = {.streams = 1};
    start_server(f, &limits);
    open_channel(f, (struct dtr_rpc_channel_options){0});
    ask_and_wait(f, "warm", DEFAULTS);
    start_stream(f, &echo_bidi, DEFAULTS);
    TURN_UNTIL(f->loop, f->echo.server.call != NULL);
    ask_and_wait(f, "too many", (struct dtr_rpc_call_options){.timeout_ms = 40});
    assert_int_equal(f->code, DTR_RPC_DEADLINE_EXCEEDED);
    ask(f, &echo_unary, "next", DEFAULTS);
    dtr_rpc_call_end(f->client.call);
    TURN_UNTIL(f->loop, f->done == 3);
    assert_string_equal(f->answer, "next");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(calls_over_tcp),
        TEST(calls_over_a_unix_socket),
        TEST(a_message_that_was_packed_elsewhere),
        TEST(big_streams_over_tcp),
        TEST(metadata_travels),
        TEST(health_checks_and_watches),
        TEST(nobody_listens),
        TEST(a_server_comes_back),
        TEST(pauses_grow_up_to_a_bound),
        TEST(a_graceful_stop_lets_calls_end),
        TEST(a_stop_has_a_limit),
        TEST(a_closed_channel_cancels_its_calls),
        TEST(deadlines_over_the_wire),
        TEST(calls_at_once_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
