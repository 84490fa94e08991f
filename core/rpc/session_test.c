/* Sessions and calls in memory: all kinds of methods, flow control, every way a call can end. What a hostile
 * other side can do is in hostile_test.c. */
#include "core/rpc/echo.h"
#include "core/rpc/pair.h"

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

struct fixture {
    struct pair pair;
    struct echo echo;
    struct record client;
};

static void open_with(struct fixture *f, const struct dtr_rpc_limits *limits)
{
    memset(f, 0, sizeof(*f));
    pair_open(&f->pair, echo_handlers, 4, &f->echo, limits);
    pair_run(&f->pair);
    assert_int_equal(f->pair.client.settled, 1);
    assert_int_equal(f->pair.server.settled, 1);
}

static int setup(void **state)
{
    *state = malloc(sizeof(struct fixture));
    open_with(*state, NULL);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    pair_close(&f->pair);
    free(f);
    return 0;
}

static void reopen(struct fixture *f, const struct dtr_rpc_limits *limits)
{
    pair_close(&f->pair);
    open_with(f, limits);
}

static struct dtr_rpc_call *begin(struct fixture *f, const struct dtr_rpc_method *method)
{
    f->client = (struct record){0};
    f->client.call = pair_call(&f->pair, method, &record_events, &f->client);
    assert_non_null(f->client.call);
    return f->client.call;
}

static void call_one(struct fixture *f, const struct dtr_rpc_method *method, const char *text)
{
    struct dtr_rpc_call *call = begin(f, method);
    assert_int_equal(echo_send(call, text), DTR_OK);
    dtr_rpc_call_end(call);
    pair_run(&f->pair);
}

/* --- the four kinds ------------------------------------------------------------------------------- */

static void unary_answers(void **state)
{
    struct fixture *f = *state;
    call_one(f, &echo_unary, "hello");
    assert_int_equal(f->client.closed, 1);
    assert_int_equal(f->client.code, DTR_RPC_OK);
    assert_true(f->client.remote);
    assert_int_equal(f->client.messages, 1);
    assert_string_equal(f->client.last, "hello");
    assert_int_equal(f->pair.client.hub.calls, 0);
    assert_int_equal(f->pair.server.hub.calls, 0);
}

static void an_empty_answer_has_a_frame(void **state)
{
    struct fixture *f = *state;
    call_one(f, &echo_unary, "empty");
    assert_int_equal(f->client.messages, 1);
    int data = pair_find(&f->pair, 0, true, NGHTTP2_DATA, 1);
    assert_true(data > 0);
    assert_int_equal(f->pair.frames[data].length, 5);
}

static void an_error_carries_message_and_details(void **state)
{
    struct fixture *f = *state;
    call_one(f, &echo_unary, "fail");
    assert_int_equal(f->client.code, DTR_RPC_NOT_FOUND);
    assert_string_equal(f->client.text, "100% nowhere: ä ");
    assert_int_equal(f->client.messages, 0);
    assert_int_equal(f->client.details_length, 19);
    assert_memory_equal(f->client.details, "{\"status_code\":404}", 19);
    assert_int_equal(pair_find(&f->pair, 0, true, NGHTTP2_DATA, 1), -1); /* trailers only */
}

static void an_unknown_method_is_unimplemented(void **state)
{
    struct fixture *f = *state;
    call_one(f, &echo_missing, "x");
    assert_int_equal(f->client.code, DTR_RPC_UNIMPLEMENTED);
    assert_int_equal(f->echo.requests, 0);
}

static void server_stream_sends_many(void **state)
{
    struct fixture *f = *state;
    call_one(f, &echo_server_stream, "1000 100");
    assert_int_equal(f->client.code, DTR_RPC_OK);
    assert_int_equal(f->client.messages, 1000);
    assert_int_equal(f->client.bytes, 100000);
    assert_int_equal(f->echo.server.closed, 1);
    assert_int_equal(f->echo.server.code, DTR_RPC_OK);
}

static void client_stream_counts(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_call *call = begin(f, &echo_client_stream);
    for (int i = 0; i < 500; i++)
        assert_int_equal(echo_send(call, "x"), DTR_OK);
    pair_run(&f->pair);
    assert_int_equal(f->echo.server.messages, 500);
    assert_int_equal(f->client.headers, 0);
    dtr_rpc_call_end(call);
    assert_int_equal(echo_send(call, "late"), DTR_ECLOSED);
    pair_run(&f->pair);
    assert_string_equal(f->client.last, "500 messages");
    assert_int_equal(f->client.code, DTR_RPC_OK);
    assert_int_equal(f->echo.server.ends, 1);
}

static void bidi_echoes_in_turn(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_call *call = begin(f, &echo_bidi);
    f->echo.early = true;
    pair_run(&f->pair);
    assert_int_equal(f->client.headers, 1); /* before any message */
    for (int i = 0; i < 10; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "turn %d", i);
        assert_int_equal(echo_send(call, text), DTR_OK);
        pair_run(&f->pair);
        assert_string_equal(f->client.last, text);
    }
    dtr_rpc_call_end(call);
    pair_run(&f->pair);
    assert_int_equal(f->client.code, DTR_RPC_OK);
    assert_int_equal(f->client.messages, 10);
    assert_int_equal(f->echo.server.ends, 1);
    /* No status in the first header block: the last HEADERS alone ends the stream. */
    int first = pair_find(&f->pair, 0, true, NGHTTP2_HEADERS, 1);
    assert_false(f->pair.frames[first].flags & NGHTTP2_FLAG_END_STREAM);
    assert_int_equal(pair_find(&f->pair, 0, true, NGHTTP2_RST_STREAM, 1), -1);
}

/* Wire page 3.1, rule 7. */
static void trailers_are_followed_by_a_reset_when_the_client_is_still_open(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_call *call = begin(f, &echo_bidi);
    assert_int_equal(echo_send(call, "finish"), DTR_OK);
    pair_run(&f->pair);
    assert_int_equal(f->client.closed, 1);
    assert_int_equal(f->client.code, DTR_RPC_OK);
    int trailers = -1, reset = pair_find(&f->pair, 0, true, NGHTTP2_RST_STREAM, 1);
    for (int i = 0; (i = pair_find(&f->pair, i, true, NGHTTP2_HEADERS, 1)) >= 0; i++)
        trailers = i;
    assert_true(trailers >= 0);
    assert_true(f->pair.frames[trailers].flags & NGHTTP2_FLAG_END_STREAM);
    assert_int_equal(reset, trailers + 1);
    assert_int_equal(f->pair.frames[reset].error, NGHTTP2_NO_ERROR);
    assert_int_equal(f->echo.server.code, DTR_RPC_OK);
    assert_int_equal(f->pair.server.session->call_count, 0);
    /* The client's side does not answer a reset with a reset. */
    assert_int_equal(pair_find(&f->pair, 0, false, NGHTTP2_RST_STREAM, 1), -1);
}

/* --- sizes and flow control ------------------------------------------------------------------------ */

static void any_cut_of_the_bytes_gives_the_same(void **state)
{
    static const size_t chunks[] = {1, 2, 3, 5, 7, 9, 13, 64, 1000, 16384};
    struct fixture *f = *state;
    char *text = echo_text(20000);
    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        f->pair.chunk = chunks[i];
        call_one(f, &echo_unary, text);
        assert_int_equal(f->client.code, DTR_RPC_OK);
        assert_int_equal(f->client.bytes, 20000);
    }
    free(text);
}

static void big_messages_cross_the_windows(void **state)
{
    struct fixture *f = *state;
    size_t size = (size_t)20 << 20; /* ten stream windows, both ways */
    char *text = echo_text(size);
    call_one(f, &echo_unary, text);
    assert_int_equal(f->client.code, DTR_RPC_OK);
    assert_int_equal(f->client.bytes, size);
    free(text);
}

static void a_slow_reader_holds_the_sender_back(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_call *call = begin(f, &echo_bidi);
    char *text = echo_text(100000);
    f->echo.slow = f->echo.mute = true; /* no credit */
    for (int i = 0; i < 60; i++)
        assert_int_equal(echo_send(call, text), DTR_OK);
    pair_run(&f->pair);
    assert_int_equal(f->echo.server.messages, 0);
    assert_true(dtr_rpc_call_queued(call) > 3800000); /* all but one stream window */
    assert_true(f->pair.server.session->held < (size_t)5 << 20);
    dtr_rpc_call_credit(f->echo.server.call, 5);
    pair_run(&f->pair);
    assert_int_equal(f->echo.server.messages, 5);
    /* Another call on the same connection is not held back. */
    struct record other = {0};
    other.call = pair_call(&f->pair, &echo_unary, &record_events, &other);
    assert_int_equal(echo_send(other.call, text), DTR_OK);
    dtr_rpc_call_end(other.call);
    pair_run(&f->pair);
    assert_int_equal(other.code, DTR_RPC_OK);
    assert_int_equal(other.bytes, 100000);
    assert_int_equal(f->client.writables, 0);
    dtr_rpc_call_credit(f->echo.server.call, DTR_RPC_UNLIMITED);
    dtr_rpc_call_end(call);
    pair_run(&f->pair);
    assert_int_equal(f->client.code, DTR_RPC_OK);
    assert_int_equal(f->echo.server.messages, 60);
    assert_int_equal(f->pair.server.session->held, 0);
    free(text);
}

static void a_slow_client_holds_the_server_back(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_call *call = begin(f, &echo_server_stream);
    dtr_rpc_call_credit(call, 0);
    assert_int_equal(echo_send(call, "500 20000"), DTR_OK); /* 10 MB */
    dtr_rpc_call_end(call);
    pair_run(&f->pair);
    assert_int_equal(f->client.messages, 0);
    assert_true(f->echo.parts_left > 300);
    for (int i = 0; i < 499; i++) {
        dtr_rpc_call_credit(call, 1);
        pair_run(&f->pair);
        assert_int_equal(f->client.messages, i + 1);
        assert_int_equal(f->client.closed, 0);
    }
    /* The status waits behind the messages. */
    assert_int_equal(f->echo.server.closed, 1);
    dtr_rpc_call_credit(call, 1);
    pair_run(&f->pair);
    assert_int_equal(f->client.messages, 500);
    assert_int_equal(f->client.code, DTR_RPC_OK);
}

static void writable_comes_after_a_full_queue(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_call *call = begin(f, &echo_bidi);
    char *text = echo_text(DTR_RPC_HIGH_WATER + 1);
    f->pair.client.choke = SIZE_MAX;
    assert_int_equal(echo_send(call, text), DTR_OK);
    pair_run(&f->pair);
    assert_int_equal(f->client.writables, 0);
    f->pair.client.choke = 0;
    dtr_rpc_session_dirty(f->pair.client.session);
    pair_run(&f->pair);
    assert_int_equal(f->client.writables, 1);
    assert_int_equal(dtr_rpc_call_queued(call), 0);
    assert_int_equal(f->client.bytes, DTR_RPC_HIGH_WATER + 1);
    free(text);
}

static void the_send_queue_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_limits limits = {.send_queue = 100000};
    char *text = echo_text(60000);
    reopen(f, &limits);
    f->pair.client.choke = SIZE_MAX;
    struct dtr_rpc_call *call = begin(f, &echo_bidi);
    assert_int_equal(echo_send(call, text), DTR_OK);
    assert_int_equal(echo_send(call, text), DTR_OK);
    assert_int_equal(echo_send(call, text), DTR_ELIMIT);
    free(text);
}

static void a_message_beyond_the_limit_ends_the_call(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_limits limits = {.message = 5000};
    char *text = echo_text(6000);
    reopen(f, &limits);
    call_one(f, &echo_unary, text);
    assert_int_equal(f->client.code, DTR_RPC_RESOURCE_EXHAUSTED);
    assert_int_equal(f->echo.requests, 0);
    call_one(f, &echo_unary, "small");
    assert_int_equal(f->client.code, DTR_RPC_OK);
    call_one(f, &echo_server_stream, "1 6000"); /* the other way */
    assert_int_equal(f->client.code, DTR_RPC_RESOURCE_EXHAUSTED);
    assert_false(f->client.remote);
    assert_int_equal(f->pair.server.session->call_count, 0);
    free(text);
}

/* Streams whose messages are not taken, until one is refused. */
static void hoard(struct fixture *f, const struct dtr_rpc_limits *limits)
{
    char *text = echo_text(300000);
    reopen(f, limits);
    f->echo.slow = true;
    for (int i = 0; i < 6; i++) {
        (void)begin(f, &echo_bidi);
        assert_int_equal(echo_send(f->client.call, text), DTR_OK);
        pair_run(&f->pair);
        assert_true(f->pair.server.hub.held <= 1000000);
        assert_int_equal(f->pair.server.hub.held, f->pair.server.session->held);
        if (f->client.closed)
            break;
        dtr_rpc_call_adopt(f->client.call, NULL, NULL);
    }
    assert_int_equal(f->client.code, DTR_RPC_RESOURCE_EXHAUSTED);
    free(text);
}

static void a_connection_may_not_hoard(void **state)
{
    static const struct dtr_rpc_limits limits = {.message = 1000000, .connection = 1000000};
    struct fixture *f = *state;
    hoard(f, &limits);
    assert_non_null(strstr(f->client.text, "this connection"));
}

/* The pair has one connection. */
static void all_connections_together_may_not_hoard(void **state)
{
    static const struct dtr_rpc_limits limits = {.message = 1000000, .connection = 8000000, .total = 1000000};
    struct fixture *f = *state;
    hoard(f, &limits);
    assert_non_null(strstr(f->client.text, "all connections"));
    dtr_rpc_session_lost(f->pair.client.session, NULL);
    dtr_rpc_session_lost(f->pair.server.session, NULL);
    pair_run(&f->pair);
    assert_int_equal(f->pair.server.hub.held, 0);
}

/* --- the ways a call ends --------------------------------------------------------------------------- */

static void the_client_cancels(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_call *call = begin(f, &echo_bidi);
    assert_int_equal(echo_send(call, "x"), DTR_OK);
    pair_run(&f->pair);
    dtr_rpc_call_cancel(call);
    assert_int_equal(f->client.closed, 0); /* never from inside */
    pair_run(&f->pair);
    assert_int_equal(f->client.code, DTR_RPC_CANCELLED);
    assert_int_equal(f->echo.server.code, DTR_RPC_CANCELLED);
    assert_int_equal(f->echo.server.closed, 1);
    assert_int_equal(f->echo.server.ends, 0);
    int reset = pair_find(&f->pair, 0, false, NGHTTP2_RST_STREAM, 1);
    assert_int_equal(f->pair.frames[reset].error, NGHTTP2_CANCEL);
}

static void the_client_cancels_before_anything_left(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_call *call = begin(f, &echo_unary);
    assert_int_equal(echo_send(call, "x"), DTR_OK);
    dtr_rpc_call_cancel(call);
    pair_run(&f->pair);
    assert_int_equal(f->client.code, DTR_RPC_CANCELLED);
    assert_int_equal(f->pair.client.hub.calls, 0);
    call_one(f, &echo_unary, "next");
    assert_int_equal(f->client.code, DTR_RPC_OK);
}

static void the_server_cancels(void **state)
{
    struct fixture *f = *state;
    (void)begin(f, &echo_bidi);
    pair_run(&f->pair);
    dtr_rpc_call_cancel(f->echo.server.call);
    pair_run(&f->pair);
    assert_int_equal(f->client.code, DTR_RPC_CANCELLED);
    assert_false(f->client.remote);
    assert_int_equal(f->echo.server.code, DTR_RPC_CANCELLED);
}

static void the_connection_is_lost(void **state)
{
    struct fixture *f = *state;
    struct dtr_error err = {.code = DTR_ECLOSED, .text = "gone"};
    (void)begin(f, &echo_bidi);
    pair_run(&f->pair);
    dtr_rpc_session_lost(f->pair.client.session, &err);
    dtr_rpc_session_lost(f->pair.server.session, &err);
    pair_run(&f->pair);
    assert_int_equal(f->client.code, DTR_RPC_UNAVAILABLE);
    assert_string_equal(f->client.text, "connection lost: gone");
    assert_int_equal(f->echo.server.code, DTR_RPC_CANCELLED);
    assert_int_equal(f->pair.client.hub.calls + f->pair.server.hub.calls, 0);
}

static void a_server_enforces_the_deadline_of_a_unary_call(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_call *call = dtr_rpc_call_new(&f->pair.client.hub, false);
    f->client = (struct record){0};
    call->method = &echo_unary;
    dtr_rpc_call_adopt(call, &record_events, &f->client);
    dtr_rpc_hub_deadline(call->hub, call, f->pair.now_ms + 500);
    assert_int_equal(dtr_rpc_session_begin(f->pair.client.session, call, NULL), DTR_OK);
    assert_int_equal(echo_send(call, "hold"), DTR_OK);
    dtr_rpc_call_end(call);
    dtr_rpc_hub_turn(&f->pair.client.hub);
    dtr_rpc_hub_deadline(call->hub, call, UINT64_MAX); /* only the server's clock counts in this test */
    pair_run(&f->pair);
    assert_int_equal(f->echo.server.closed, 0);
    f->pair.now_ms += 499;
    pair_run(&f->pair);
    assert_int_equal(f->echo.server.closed, 0);
    f->pair.now_ms += 1;
    pair_run(&f->pair);
    assert_int_equal(f->echo.server.code, DTR_RPC_DEADLINE_EXCEEDED);
    assert_int_equal(f->client.code, DTR_RPC_DEADLINE_EXCEEDED);
    assert_true(f->client.remote);
}

static void a_server_lets_a_flagged_stream_live(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_call *call = dtr_rpc_call_new(&f->pair.client.hub, false);
    f->client = (struct record){0};
    call->method = &echo_server_stream;
    call->announce_ms = 10000;
    dtr_rpc_call_adopt(call, &record_events, &f->client);
    assert_int_equal(dtr_rpc_session_begin(f->pair.client.session, call, NULL), DTR_OK);
    assert_int_equal(echo_send(call, "hold"), DTR_OK);
    dtr_rpc_call_end(call);
    pair_run(&f->pair);
    assert_int_equal(f->client.headers, 1);
    f->pair.now_ms += 60000;
    pair_run(&f->pair);
    assert_int_equal(f->client.closed, 0);
    assert_int_equal(echo_send(f->echo.server.call, "still here"), DTR_OK);
    pair_run(&f->pair);
    assert_string_equal(f->client.last, "still here");
}

static void a_client_bounds_headers_and_gaps(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_call *call = begin(f, &echo_bidi);
    call->idle_ms = 3000;
    dtr_rpc_hub_deadline(call->hub, call, f->pair.now_ms + 10000);
    f->echo.early = true;
    pair_run(&f->pair);
    for (int i = 0; i < 10; i++) {
        f->pair.now_ms += 2900;
        assert_int_equal(echo_send(call, "x"), DTR_OK);
        pair_run(&f->pair);
    }
    assert_int_equal(f->client.closed, 0);
    f->pair.now_ms += 3000;
    pair_run(&f->pair);
    assert_int_equal(f->client.code, DTR_RPC_DEADLINE_EXCEEDED);
    assert_int_equal(f->echo.server.code, DTR_RPC_CANCELLED);
    /* Without response headers. */
    f->echo.early = false;
    call = begin(f, &echo_bidi);
    dtr_rpc_hub_deadline(call->hub, call, f->pair.now_ms + 10000);
    pair_run(&f->pair);
    f->pair.now_ms += 10000;
    pair_run(&f->pair);
    assert_int_equal(f->client.code, DTR_RPC_DEADLINE_EXCEEDED);
}

/* --- going away ------------------------------------------------------------------------------------- */

static void a_draining_server_lets_calls_end(void **state)
{
    struct fixture *f = *state;
    struct dtr_rpc_call *call = begin(f, &echo_bidi);
    assert_int_equal(echo_send(call, "one"), DTR_OK);
    pair_run(&f->pair);
    dtr_rpc_session_drain(f->pair.server.session);
    pair_run(&f->pair);
    assert_true(f->pair.client.goaway);
    assert_false(f->pair.server.over);
    struct record late = {0};
    (void)pair_call(&f->pair, &echo_unary, &record_events, &late);
    assert_int_equal(echo_send(call, "two"), DTR_OK);
    pair_run(&f->pair);
    assert_string_equal(f->client.last, "two");
    assert_int_equal(f->pair.client.refused, 1);
    assert_int_equal(late.code, DTR_RPC_UNAVAILABLE);
    dtr_rpc_call_end(call);
    pair_run(&f->pair);
    assert_int_equal(f->client.code, DTR_RPC_OK);
    assert_true(f->pair.server.over);
    assert_true(f->pair.client.over);
}

static void a_call_behind_goaway_was_not_processed(void **state)
{
    struct fixture *f = *state;
    call_one(f, &echo_unary, "first");
    /* The server names its last call at once; the next crosses it on the wire. */
    (void)nghttp2_submit_goaway(f->pair.server.session->h2, NGHTTP2_FLAG_NONE, 1, NGHTTP2_NO_ERROR, NULL, 0);
    dtr_rpc_session_dirty(f->pair.server.session);
    dtr_rpc_hub_turn(&f->pair.server.hub);
    call_one(f, &echo_unary, "second");
    assert_int_equal(f->pair.client.refused, 1);
    assert_int_equal(f->client.code, DTR_RPC_UNAVAILABLE);
    assert_int_equal(f->echo.requests, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(unary_answers),
        TEST(an_empty_answer_has_a_frame),
        TEST(an_error_carries_message_and_details),
        TEST(an_unknown_method_is_unimplemented),
        TEST(server_stream_sends_many),
        TEST(client_stream_counts),
        TEST(bidi_echoes_in_turn),
        TEST(trailers_are_followed_by_a_reset_when_the_client_is_still_open),
        TEST(any_cut_of_the_bytes_gives_the_same),
        TEST(big_messages_cross_the_windows),
        TEST(a_slow_reader_holds_the_sender_back),
        TEST(a_slow_client_holds_the_server_back),
        TEST(writable_comes_after_a_full_queue),
        TEST(the_send_queue_is_bounded),
        TEST(a_message_beyond_the_limit_ends_the_call),
        TEST(a_connection_may_not_hoard),
        TEST(all_connections_together_may_not_hoard),
        TEST(the_client_cancels),
        TEST(the_client_cancels_before_anything_left),
        TEST(the_server_cancels),
        TEST(the_connection_is_lost),
        TEST(a_server_enforces_the_deadline_of_a_unary_call),
        TEST(a_server_lets_a_flagged_stream_live),
        TEST(a_client_bounds_headers_and_gaps),
        TEST(a_draining_server_lets_calls_end),
        TEST(a_call_behind_goaway_was_not_processed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
