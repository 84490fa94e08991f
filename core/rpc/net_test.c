/* Server and channels over loopback and a unix socket: what a session alone cannot show. */
#include "core/rpc/echo.h"
#include "core/rpc/methods.h"

#include "core/loop/loop.h"
#include "core/net/listen.h"
#include "core/net/stream.h"
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

struct fixture {
    struct dtr_loop *loop;
    struct dtr_timer *late;
    struct dtr_rpc_table *table;
    struct dtr_rpc_health *health;
    struct dtr_rpc_server *server;
    struct dtr_rpc_channel *channel;
    struct dtr_addr addr;
    struct echo echo;
    struct record client;
    /* of unary calls */
    int done, ok;
    enum dtr_rpc_code code;
    char text[300], answer[64];
    /* of the channel */
    int ready, lost;
    bool stopped;
};

static void on_late(void *context)
{
    (void)context;
    fprintf(stderr, "the awaited event did not come within 20 s\n");
    abort();
}

/* Runs the loop until the condition holds. */
#define RUN_UNTIL(f, condition)                                                                              \
    do {                                                                                                     \
        dtr_timer_set((f)->late, 20000);                                                                     \
        while (!(condition))                                                                                 \
            dtr_loop_turn((f)->loop, true);                                                                  \
        dtr_timer_set((f)->late, DTR_TIMER_OFF);                                                             \
    } while (0)

static void on_state(void *context, struct dtr_rpc_channel *channel, enum dtr_rpc_state state,
                     const struct dtr_error *err)
{
    struct fixture *f = context;
    (void)channel;
    (void)err;
    f->ready += state == DTR_RPC_READY;
    f->lost += state == DTR_RPC_LOST;
}

static void on_stopped(void *context)
{
    ((struct fixture *)context)->stopped = true;
}

static void start_server(struct fixture *f, const struct dtr_rpc_limits *limits)
{
    assert_int_equal(dtr_rpc_server_new(f->loop, limits, &f->server, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_listen(f->server, &f->addr, f->table, &f->addr, NULL), DTR_OK);
}

static void stop_server(struct fixture *f, uint64_t limit_ms)
{
    f->stopped = false;
    dtr_rpc_server_stop(f->server, limit_ms, on_stopped, f);
    RUN_UNTIL(f, f->stopped);
    f->server = NULL;
}

static void open_channel(struct fixture *f, struct dtr_rpc_channel_options options)
{
    options.state = on_state;
    options.context = f;
    if (!options.backoff_min_ms)
        options.backoff_min_ms = 10;
    if (!options.backoff_max_ms)
        options.backoff_max_ms = 50;
    assert_int_equal(dtr_rpc_channel_new(f->loop, &f->addr, &options, &f->channel, NULL), DTR_OK);
}

static void close_channel(struct fixture *f)
{
    dtr_rpc_channel_close(f->channel);
    f->channel = NULL;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    *state = f;
    assert_int_equal(dtr_loop_new("test", &f->loop, NULL), DTR_OK);
    assert_int_equal(dtr_timer_open(f->loop, on_late, NULL, &f->late, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_table_new(&f->table, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_table_add(f->table, echo_handlers, 4, &f->echo, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_health_new(&f->health, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_health_serve(f->health, f->table, NULL), DTR_OK);
    return dtr_addr_ip("127.0.0.1", 0, &f->addr, NULL);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->channel)
        close_channel(f);
    if (f->server)
        stop_server(f, 0);
    dtr_timer_close(f->late);
    dtr_loop_free(f->loop);
    dtr_rpc_table_free(f->table);
    dtr_rpc_health_free(f->health);
    free(f);
    return 0;
}

static void on_done(void *context, const struct dtr_rpc_message *response,
                    const struct dtr_rpc_status *status)
{
    struct fixture *f = context;
    f->done++;
    f->ok += status->code == DTR_RPC_OK;
    f->code = status->code;
    (void)snprintf(f->text, sizeof(f->text), "%s", status->message);
    f->answer[0] = '\0';
    if (response && response->message->descriptor == &grpc__health__v1__health_check_request__descriptor)
        (void)snprintf(f->answer, sizeof(f->answer), "%s",
                       ((const Grpc__Health__V1__HealthCheckRequest *)response->message)->service);
    else if (response)
        (void)snprintf(f->answer, sizeof(f->answer), "%d",
                       (int)((const Grpc__Health__V1__HealthCheckResponse *)response->message)->status);
}

static void ask(struct fixture *f, const struct dtr_rpc_method *method, const char *text,
                struct dtr_rpc_call_options options)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    request.service = (char *)(uintptr_t)text;
    assert_int_equal(dtr_rpc_unary(f->channel, method, &request.base, &options, on_done, f, NULL, NULL),
                     DTR_OK);
}

static void ask_and_wait(struct fixture *f, const char *text, struct dtr_rpc_call_options options)
{
    int before = f->done;
    ask(f, &echo_unary, text, options);
    assert_int_equal(f->done, before); /* never from inside */
    RUN_UNTIL(f, f->done > before);
}

static void start_stream(struct fixture *f, const struct dtr_rpc_method *method,
                         struct dtr_rpc_call_options options)
{
    f->client = (struct record){0};
    assert_int_equal(
        dtr_rpc_call_start(f->channel, method, &options, &record_events, &f->client, &f->client.call, NULL),
        DTR_OK);
}

#define WAIT_FOR_READY ((struct dtr_rpc_call_options){.wait_for_ready = true})
#define DEFAULTS       ((struct dtr_rpc_call_options){0})

/* --- the ordinary ----------------------------------------------------------------------------------- */

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
    RUN_UNTIL(f, f->done == 503);
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
    RUN_UNTIL(f, f->client.headers == 1);
    assert_true(dtr_rpc_call_cred(f->echo.server.call, &cred));
    assert_int_equal(cred.uid, getuid());
    assert_int_equal(cred.gid, getgid());
    assert_int_equal(cred.group_count, getgroups(0, NULL));
    assert_int_equal(echo_send(f->client.call, "over unix"), DTR_OK);
    RUN_UNTIL(f, f->client.messages == 1);
    assert_string_equal(f->client.last, "over unix");
    dtr_rpc_call_cancel(f->client.call);
    RUN_UNTIL(f, f->echo.server.closed == 1);
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
    RUN_UNTIL(f, f->client.messages == 1);
    assert_string_equal(f->client.last, "abc");
    dtr_rpc_call_end(f->client.call);
    /* After the end it is refused, and still taken over. */
    out = dtr_rpc_out_new(sizeof(packed));
    assert_int_equal(dtr_rpc_call_send_out(f->client.call, out, &err), DTR_ECLOSED);
    RUN_UNTIL(f, f->client.closed == 1);
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
    RUN_UNTIL(f, f->client.closed == 1);
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
    RUN_UNTIL(f, f->echo.server.call != NULL);
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
    RUN_UNTIL(f, f->done == 1);
    assert_string_equal(f->answer, "1");
    ask(f, &dtr_rpc_health_check, "dfdaemon.v2.DfdaemonDownload", DEFAULTS);
    RUN_UNTIL(f, f->done == 2);
    assert_int_equal(f->code, DTR_RPC_NOT_FOUND);
    struct dtr_rpc_call *call = NULL;
    struct record watch = {0};
    struct dtr_rpc_events events = record_events;
    events.message = watch_message;
    assert_int_equal(
        dtr_rpc_call_start(f->channel, &dtr_rpc_health_watch, NULL, &events, &watch, &call, NULL), DTR_OK);
    assert_int_equal(echo_send(call, "late"), DTR_OK);
    dtr_rpc_call_end(call);
    RUN_UNTIL(f, watch.messages == 1);
    assert_int_equal(watch.bytes, 3); /* unknown */
    assert_int_equal(dtr_rpc_health_set(f->health, "late", true, NULL), DTR_OK);
    RUN_UNTIL(f, watch.messages == 2);
    assert_int_equal(watch.bytes, 1);
    assert_int_equal(dtr_rpc_health_set(f->health, "late", false, NULL), DTR_OK);
    RUN_UNTIL(f, watch.messages == 3);
    assert_int_equal(watch.bytes, 2);
    ask(f, &dtr_rpc_health_check, "late", DEFAULTS);
    RUN_UNTIL(f, f->done == 3);
    assert_string_equal(f->answer, "2");
    dtr_rpc_call_cancel(call);
    RUN_UNTIL(f, watch.closed == 1);
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
    RUN_UNTIL(f, f->ready == 1);
    start_stream(f, &echo_bidi, DEFAULTS);
    RUN_UNTIL(f, f->echo.server.call != NULL);
    stop_server(f, 0);
    RUN_UNTIL(f, f->client.closed == 1);
    assert_int_equal(f->client.code, DTR_RPC_UNAVAILABLE);
    RUN_UNTIL(f, f->lost >= 3); /* it keeps trying */
    ask(f, &echo_unary, "patient", WAIT_FOR_READY);
    start_server(f, NULL); /* on the same port */
    RUN_UNTIL(f, f->done == 1);
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
    RUN_UNTIL(f, f->lost == 12);
    assert_true(dtr_loop_now_ms(f->loop) - begin >= (10 + 20 + 40 + 8 * 80) * 4 / 5);
}

static void a_graceful_stop_lets_calls_end(void **state)
{
    struct fixture *f = *state;
    start_server(f, NULL);
    open_channel(f, (struct dtr_rpc_channel_options){0});
    start_stream(f, &echo_bidi, DEFAULTS);
    RUN_UNTIL(f, f->echo.server.call != NULL);
    dtr_rpc_server_stop(f->server, 10000, on_stopped, f);
    RUN_UNTIL(f, f->lost == 1); /* GOAWAY: no new calls here */
    assert_int_equal(echo_send(f->client.call, "still"), DTR_OK);
    RUN_UNTIL(f, f->client.messages == 1);
    assert_false(f->stopped);
    dtr_rpc_call_end(f->client.call);
    RUN_UNTIL(f, f->stopped && f->client.closed);
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
    RUN_UNTIL(f, f->echo.server.call != NULL);
    stop_server(f, 30);
    RUN_UNTIL(f, f->client.closed == 1);
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
    RUN_UNTIL(f, f->echo.server.call != NULL);
    ask(f, &echo_unary, "hold", DEFAULTS);
    close_channel(f);
    assert_int_equal(f->client.closed, 0);
    RUN_UNTIL(f, f->client.closed == 1 && f->done == 1);
    assert_int_equal(f->client.code, DTR_RPC_CANCELLED);
    assert_int_equal(f->code, DTR_RPC_CANCELLED);
    RUN_UNTIL(f, dtr_rpc_server_connections(f->server) == 0);
    assert_int_equal(dtr_rpc_server_calls(f->server), 0);
}

static void deadlines_over_the_wire(void **state)
{
    struct fixture *f = *state;
    start_server(f, NULL);
    open_channel(f, (struct dtr_rpc_channel_options){0});
    ask_and_wait(f, "warm", DEFAULTS);
    ask_and_wait(f, "hold", (struct dtr_rpc_call_options){.timeout_ms = 40});
    assert_int_equal(f->code, DTR_RPC_DEADLINE_EXCEEDED);
    RUN_UNTIL(f, f->echo.server.closed == 1);
    start_stream(f, &echo_bidi, (struct dtr_rpc_call_options){.timeout_ms = 40}); /* no headers come */
    RUN_UNTIL(f, f->client.closed == 1);
    assert_int_equal(f->client.code, DTR_RPC_DEADLINE_EXCEEDED);
}

/* --- connections that say nothing -------------------------------------------------------------------- */

struct mute {
    struct dtr_listener *listener;
    struct dtr_stream *stream;
    bool closed;
};

static void mute_data(void *context, const uint8_t *bytes, size_t length)
{
    (void)context;
    (void)bytes;
    (void)length;
}

static void mute_closed(void *context, const struct dtr_error *err)
{
    struct mute *mute = context;
    (void)err;
    mute->closed = true;
    mute->stream = NULL;
}

static void mute_end(void *context)
{
    dtr_stream_close(((struct mute *)context)->stream, false);
}

static const struct dtr_stream_events mute_events = {mute_data, mute_end, NULL, mute_closed};

static void a_client_without_preface_is_closed(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_limits limits = {.handshake_ms = 40};
    struct mute mute = {0};
    start_server(f, &limits);
    assert_int_equal(dtr_stream_connect(f->loop, &f->addr.any, 1000, &mute_events, &mute, &mute.stream, NULL),
                     DTR_OK);
    dtr_stream_read(mute.stream, UINT64_MAX);
    RUN_UNTIL(f, mute.closed);
    RUN_UNTIL(f, dtr_rpc_server_connections(f->server) == 0);
}

static void a_client_that_answers_no_ping_is_closed(void **state)
{
    static const uint8_t hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    struct fixture *f = *state;
    struct dtr_rpc_limits limits = {.ping_ms = 40, .ping_timeout_ms = 40};
    struct mute mute = {0};
    start_server(f, &limits);
    assert_int_equal(dtr_stream_connect(f->loop, &f->addr.any, 1000, &mute_events, &mute, &mute.stream, NULL),
                     DTR_OK);
    dtr_stream_write(mute.stream, hello, sizeof(hello) - 1);
    dtr_stream_read(mute.stream, UINT64_MAX);
    RUN_UNTIL(f, mute.closed);
    /* One that does answer stays. */
    open_channel(f, (struct dtr_rpc_channel_options){.keep_connected = true});
    RUN_UNTIL(f, f->ready == 1);
    uint64_t end = dtr_loop_now_ms(f->loop) + 300;
    RUN_UNTIL(f, dtr_loop_now_ms(f->loop) > end || f->lost);
    assert_int_equal(f->lost, 0);
    assert_int_equal(dtr_rpc_server_connections(f->server), 1);
}

static void mute_accept(void *context, int fd, const struct dtr_addr *peer)
{
    struct mute *mute = context;
    (void)peer;
    (void)close(mute->stream ? fd : -1);
    if (!mute->stream)
        (void)dtr_stream_new(*(struct dtr_loop **)(void *)(mute + 1), fd, &mute_events, mute, &mute->stream,
                             NULL);
}

static void a_server_that_says_nothing_is_given_up(void **state)
{
    struct fixture *f = *state;
    struct {
        struct mute mute;
        struct dtr_loop *loop;
    } silent = {.loop = f->loop};
    assert_int_equal(dtr_listen(f->loop, &f->addr, mute_accept, &silent, &silent.mute.listener, NULL),
                     DTR_OK);
    dtr_listener_addr(silent.mute.listener, &f->addr);
    open_channel(f, (struct dtr_rpc_channel_options){.connect_ms = 50});
    ask_and_wait(f, "x", DEFAULTS);
    assert_int_equal(f->code, DTR_RPC_UNAVAILABLE);
    assert_non_null(strstr(f->text, "does not answer"));
    close_channel(f);
    if (silent.mute.stream)
        dtr_stream_close(silent.mute.stream, false);
    RUN_UNTIL(f, silent.mute.closed);
    dtr_listener_close(silent.mute.listener);
}

/* Accepts: the first connection refuses its call by GOAWAY, the next belong to the server. */
struct turncoat {
    struct fixture *f;
    struct dtr_listener *listener;
    struct dtr_stream *stream;
    size_t bytes;
    bool refused, closed;
};

static void turncoat_data(void *context, const uint8_t *bytes, size_t length)
{
    static const uint8_t goaway[] = {0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    struct turncoat *turncoat = context;
    (void)bytes;
    turncoat->bytes += length;
    if (turncoat->bytes > 120 && !turncoat->refused) { /* preface, settings and a request */
        turncoat->refused = true;
        dtr_stream_write(turncoat->stream, goaway, sizeof(goaway));
        dtr_stream_close(turncoat->stream, true);
    }
}

static void turncoat_closed(void *context, const struct dtr_error *err)
{
    (void)err;
    ((struct turncoat *)context)->closed = true;
}

static void turncoat_accept(void *context, int fd, const struct dtr_addr *peer)
{
    static const struct dtr_stream_events events = {.data = turncoat_data, .closed = turncoat_closed};
    static const uint8_t settings[] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
    struct turncoat *turncoat = context;
    (void)peer;
    if (turncoat->stream) {
        (void)dtr_rpc_server_accept(turncoat->f->server, fd, turncoat->f->table, NULL);
    } else if (dtr_stream_new(turncoat->f->loop, fd, &events, turncoat, &turncoat->stream, NULL) == DTR_OK) {
        dtr_stream_write(turncoat->stream, settings, sizeof(settings));
        dtr_stream_read(turncoat->stream, UINT64_MAX);
    }
}

static void a_refused_call_is_tried_again(void **state)
{
    struct fixture *f = *state;
    struct turncoat turncoat = {.f = f};
    assert_int_equal(dtr_rpc_server_new(f->loop, NULL, &f->server, NULL), DTR_OK);
    assert_int_equal(dtr_listen(f->loop, &f->addr, turncoat_accept, &turncoat, &turncoat.listener, NULL),
                     DTR_OK);
    dtr_listener_addr(turncoat.listener, &f->addr);
    open_channel(f, (struct dtr_rpc_channel_options){0});
    ask_and_wait(f, "twice", DEFAULTS);
    assert_true(turncoat.refused);
    assert_int_equal(f->code, DTR_RPC_OK);
    assert_string_equal(f->answer, "twice");
    RUN_UNTIL(f, turncoat.closed);
    dtr_listener_close(turncoat.listener);
}

/* Says SETTINGS and nothing else. */
static void settings_accept(void *context, int fd, const struct dtr_addr *peer)
{
    static const uint8_t settings[] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
    struct mute *mute = context;
    mute_accept(context, fd, peer);
    if (mute->stream) {
        dtr_stream_write(mute->stream, settings, sizeof(settings));
        dtr_stream_read(mute->stream, UINT64_MAX);
    }
}

static void a_server_that_answers_no_ping_is_left(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_limits limits = {.ping_ms = 40, .ping_timeout_ms = 40};
    struct {
        struct mute mute;
        struct dtr_loop *loop;
    } silent = {.loop = f->loop};
    assert_int_equal(dtr_listen(f->loop, &f->addr, settings_accept, &silent, &silent.mute.listener, NULL),
                     DTR_OK);
    dtr_listener_addr(silent.mute.listener, &f->addr);
    open_channel(f, (struct dtr_rpc_channel_options){.limits = &limits});
    start_stream(f, &echo_bidi, DEFAULTS);
    RUN_UNTIL(f, f->client.closed == 1);
    assert_int_equal(f->client.code, DTR_RPC_UNAVAILABLE);
    assert_non_null(strstr(f->client.text, "ping"));
    RUN_UNTIL(f, silent.mute.closed);
    dtr_listener_close(silent.mute.listener);
}

static void calls_at_once_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_limits limits = {.streams = 1};
    start_server(f, &limits);
    open_channel(f, (struct dtr_rpc_channel_options){0});
    ask_and_wait(f, "warm", DEFAULTS);
    start_stream(f, &echo_bidi, DEFAULTS);
    RUN_UNTIL(f, f->echo.server.call != NULL);
    ask_and_wait(f, "too many", (struct dtr_rpc_call_options){.timeout_ms = 40});
    assert_int_equal(f->code, DTR_RPC_DEADLINE_EXCEEDED);
    ask(f, &echo_unary, "next", DEFAULTS);
    dtr_rpc_call_end(f->client.call);
    RUN_UNTIL(f, f->done == 3);
    assert_string_equal(f->answer, "next");
}

static void connections_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_limits limits = {.connections = 1};
    struct mute mute = {0};
    start_server(f, &limits);
    open_channel(f, (struct dtr_rpc_channel_options){0});
    ask_and_wait(f, "x", DEFAULTS);
    assert_int_equal(dtr_stream_connect(f->loop, &f->addr.any, 1000, &mute_events, &mute, &mute.stream, NULL),
                     DTR_OK);
    dtr_stream_read(mute.stream, UINT64_MAX);
    RUN_UNTIL(f, mute.closed);
    ask_and_wait(f, "y", DEFAULTS);
    assert_int_equal(f->code, DTR_RPC_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
        TEST(a_client_without_preface_is_closed),
        TEST(a_client_that_answers_no_ping_is_closed),
        TEST(a_server_that_says_nothing_is_given_up),
        TEST(a_refused_call_is_tried_again),
        TEST(a_server_that_answers_no_ping_is_left),
        TEST(calls_at_once_are_bounded),
        TEST(connections_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
