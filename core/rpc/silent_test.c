/* Server and channels, and other sides that say nothing, too little, or nothing that helps. */
#include "core/rpc/net_fixture.h"

#include "core/net/listen.h"
#include "core/net/stream.h"
#include <unistd.h>

enum { FRAME_HEAD = 9, FRAME = FRAME_HEAD + 8, PING = 6, ACK = 1, PREFACE = 24 };

struct mute {
    struct dtr_loop *loop; /* where it accepts */
    struct dtr_listener *listener;
    struct dtr_stream *stream;
    bool closed;
    /* What comes, as frames. */
    bool answers;         /* to pings */
    size_t skip, have;    /* bytes before the first frame; of this frame */
    uint8_t frame[FRAME]; /* its beginning */
    int pings, answered;  /* of the other side; pings of this side that it answered */
};

static void mute_ping(struct mute *mute)
{
    if (mute->frame[4] & ACK) {
        mute->answered++;
        return;
    }
    mute->pings++;
    mute->frame[4] = ACK;
    if (mute->answers)
        dtr_stream_write(mute->stream, mute->frame, FRAME);
}

static void mute_data(void *context, const uint8_t *bytes, size_t length)
{
    struct mute *mute = context;
    for (size_t i = 0; i < length; i++) {
        if (mute->skip > 0) {
            mute->skip--;
            continue;
        }
        if (mute->have < FRAME)
            mute->frame[mute->have] = bytes[i];
        mute->have++;
        size_t whole =
            FRAME_HEAD + ((size_t)mute->frame[0] << 16 | (size_t)mute->frame[1] << 8 | mute->frame[2]);
        if (mute->have < FRAME_HEAD || mute->have < whole)
            continue;
        if (mute->frame[3] == PING)
            mute_ping(mute);
        mute->have = 0;
    }
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
    assert_int_equal(
        dtr_stream_connect(f->loop, &f->addr.any, 20000, &mute_events, &mute, &mute.stream, NULL), DTR_OK);
    dtr_stream_read(mute.stream, UINT64_MAX);
    TURN_UNTIL(f->loop, mute.closed);
    TURN_UNTIL(f->loop, dtr_rpc_server_connections(f->server) == 0);
}

static void say_hello(struct fixture *f, struct mute *mute)
{
    static const uint8_t hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    assert_int_equal(
        dtr_stream_connect(f->loop, &f->addr.any, 20000, &mute_events, mute, &mute->stream, NULL), DTR_OK);
    dtr_stream_write(mute->stream, hello, sizeof(hello) - 1);
    dtr_stream_read(mute->stream, UINT64_MAX);
}

static void a_client_that_answers_no_ping_is_closed(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_limits limits = {.ping_ms = 40, .ping_timeout_ms = 40};
    struct mute mute = {0};
    start_server(f, &limits);
    say_hello(f, &mute);
    TURN_UNTIL(f->loop, mute.closed);
    assert_true(mute.pings <= 1);
}

/* The next ping comes only after the answer to the one before. */
static void a_client_that_answers_pings_stays(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_limits limits = {.ping_ms = 20};
    struct mute mute = {.answers = true};
    start_server(f, &limits);
    say_hello(f, &mute);
    TURN_UNTIL(f->loop, mute.pings == 6 || mute.closed);
    assert_false(mute.closed);
    assert_int_equal(dtr_rpc_server_connections(f->server), 1);
    dtr_stream_close(mute.stream, false);
    TURN_UNTIL(f->loop, mute.closed);
}

/* Takes one connection at a time. */
static void mute_accept(void *context, int fd, const struct dtr_addr *peer)
{
    struct mute *mute = context;
    (void)peer;
    if (mute->stream)
        (void)close(fd);
    else
        (void)dtr_stream_new(mute->loop, fd, &mute_events, mute, &mute->stream, NULL);
}

/* On a machine that is busy for long the time may be over before there is a connection: then another try. */
static void a_server_that_says_nothing_is_given_up(void **state)
{
    enum { TRIES = 20 };
    struct fixture *f = *state;
    struct mute silent = {.loop = f->loop};
    bool connected = false;
    assert_int_equal(dtr_listen(f->loop, &f->addr, mute_accept, &silent, &silent.listener, NULL), DTR_OK);
    dtr_listener_addr(silent.listener, &f->addr);
    for (int i = 0; i < TRIES && !connected; i++) {
        open_channel(f, (struct dtr_rpc_channel_options){.connect_ms = 50});
        ask_and_wait(f, "x", DEFAULTS);
        assert_int_equal(f->code, DTR_RPC_UNAVAILABLE);
        connected = strstr(f->text, "does not answer") != NULL;
        close_channel(f);
    }
    assert_true(connected);
    TURN_UNTIL(f->loop, silent.stream || silent.closed);
    dtr_listener_close(silent.listener);
    if (silent.stream)
        dtr_stream_close(silent.stream, false);
    TURN_UNTIL(f->loop, silent.closed);
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
    TURN_UNTIL(f->loop, turncoat.closed);
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
    struct mute silent = {.loop = f->loop, .skip = PREFACE};
    assert_int_equal(dtr_listen(f->loop, &f->addr, settings_accept, &silent, &silent.listener, NULL), DTR_OK);
    dtr_listener_addr(silent.listener, &f->addr);
    open_channel(f, (struct dtr_rpc_channel_options){.limits = &limits});
    start_stream(f, &echo_bidi, DEFAULTS);
    TURN_UNTIL(f->loop, f->client.closed == 1);
    assert_int_equal(f->client.code, DTR_RPC_UNAVAILABLE);
    assert_non_null(strstr(f->client.text, "ping"));
    TURN_UNTIL(f->loop, silent.closed);
    dtr_listener_close(silent.listener);
}

static void a_channel_answers_pings(void **state)
{
    static const uint8_t ping[FRAME] = {0, 0, 8, PING, 0, 0, 0, 0, 0, 's', 't', 'i', 'l', 'l', 'h', 'e', 'r'};
    struct fixture *f = *state;
    struct mute server = {.loop = f->loop, .skip = PREFACE};
    assert_int_equal(dtr_listen(f->loop, &f->addr, settings_accept, &server, &server.listener, NULL), DTR_OK);
    dtr_listener_addr(server.listener, &f->addr);
    open_channel(f, (struct dtr_rpc_channel_options){.keep_connected = true});
    TURN_UNTIL(f->loop, f->ready == 1);
    for (int i = 1; i <= 3; i++) {
        dtr_stream_write(server.stream, ping, sizeof(ping));
        TURN_UNTIL(f->loop, server.answered == i);
        assert_memory_equal(server.frame + FRAME_HEAD, ping + FRAME_HEAD, FRAME - FRAME_HEAD);
    }
    assert_int_equal(f->lost, 0);
    close_channel(f);
    TURN_UNTIL(f->loop, server.closed);
    dtr_listener_close(server.listener);
}

static void connections_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_limits limits = {.connections = 1};
    struct mute mute = {0};
    start_server(f, &limits);
    open_channel(f, (struct dtr_rpc_channel_options){0});
    ask_and_wait(f, "x", DEFAULTS);
    assert_int_equal(
        dtr_stream_connect(f->loop, &f->addr.any, 20000, &mute_events, &mute, &mute.stream, NULL), DTR_OK);
    dtr_stream_read(mute.stream, UINT64_MAX);
    TURN_UNTIL(f->loop, mute.closed);
    ask_and_wait(f, "y", DEFAULTS);
    assert_int_equal(f->code, DTR_RPC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_client_without_preface_is_closed),     TEST(a_client_that_answers_no_ping_is_closed),
        TEST(a_client_that_answers_pings_stays),      TEST(a_channel_answers_pings),
        TEST(a_server_that_says_nothing_is_given_up), TEST(a_refused_call_is_tried_again),
        TEST(a_server_that_answers_no_ping_is_left),  TEST(connections_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
