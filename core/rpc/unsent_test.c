/* Requests that nghttp2 takes and then does not send: each ends its call, or hands it over, exactly once. */
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
    struct record first, second;
};

/* One call at a time, and `first` is it: held by the server. */
static int setup(void **state)
{
    static const struct dtr_rpc_limits limits = {.streams = 1};
    struct fixture *f = calloc(1, sizeof(*f));
    if (!f)
        return -1;
    pair_open(&f->pair, echo_handlers, 4, &f->echo, &limits);
    f->pair.client.takes = true;
    pair_run(&f->pair);
    f->first.call = pair_call(&f->pair, &echo_bidi, &record_events, &f->first);
    (void)echo_send(f->first.call, "one");
    pair_run(&f->pair);
    *state = f;
    return f->first.messages == 1 ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    pair_close(&f->pair);
    free(f);
    return 0;
}

static void begin_second(struct fixture *f)
{
    f->second.call = pair_call(&f->pair, &echo_unary, &record_events, &f->second);
    assert_non_null(f->second.call);
    assert_int_equal(echo_send(f->second.call, "two"), DTR_OK);
    dtr_rpc_call_end(f->second.call);
}

/* Taken over once: in a list of one, which has an end. */
static void assert_taken(struct fixture *f)
{
    struct dtr_list *taken = &f->pair.client.taken;
    assert_int_equal(f->pair.client.refused, 1);
    assert_int_equal(f->second.closed, 0);
    assert_ptr_equal(taken->next, &f->second.call->link);
    assert_ptr_equal(taken->next->next, taken);
    assert_null(f->second.call->session);
}

/* GOAWAY and the call's start in one batch of events. */
static void goaway_crosses_the_start(void **state)
{
    struct fixture *f = *state;
    dtr_rpc_call_end(f->first.call);
    pair_run(&f->pair); /* so that the second may start */
    assert_int_equal(f->first.closed, 1);
    begin_second(f);
    static const uint8_t goaway[] = {0, 0, 8, NGHTTP2_GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0};
    assert_int_equal(dtr_rpc_session_receive(f->pair.client.session, goaway, sizeof(goaway), NULL), DTR_OK);
    pair_run(&f->pair);
    assert_taken(f);
}

static void goaway_comes_while_it_waits_for_its_turn(void **state)
{
    struct fixture *f = *state;
    begin_second(f);
    pair_run(&f->pair);
    assert_int_equal(pair_find(&f->pair, 0, false, NGHTTP2_HEADERS, 3), -1);
    dtr_rpc_session_drain(f->pair.server.session);
    pair_run(&f->pair);
    dtr_rpc_call_end(f->first.call);
    pair_run(&f->pair);
    assert_int_equal(f->first.code, DTR_RPC_OK);
    assert_taken(f);
}

static void it_is_cancelled_while_it_waits_for_its_turn(void **state)
{
    struct fixture *f = *state;
    begin_second(f);
    pair_run(&f->pair);
    dtr_rpc_call_cancel(f->second.call);
    pair_run(&f->pair);
    assert_int_equal(f->second.closed, 1);
    assert_int_equal(f->second.code, DTR_RPC_CANCELLED);
    dtr_rpc_call_end(f->first.call);
    pair_run(&f->pair);
    assert_int_equal(f->second.closed, 1);
    assert_int_equal(f->pair.client.refused, 0);
    assert_int_equal(f->pair.client.hub.calls, 0);
    assert_int_equal(pair_find(&f->pair, 0, false, NGHTTP2_HEADERS, 3), -1);
}

static void the_session_says_goodbye_first(void **state)
{
    struct fixture *f = *state;
    begin_second(f);
    dtr_rpc_session_goodbye(f->pair.client.session);
    pair_run(&f->pair);
    dtr_rpc_session_lost(f->pair.client.session, NULL);
    pair_run(&f->pair);
    assert_int_equal(f->first.closed, 1);
    assert_true(f->second.closed + f->pair.client.refused == 1);
}

static void the_connection_breaks_while_it_waits_for_its_turn(void **state)
{
    struct fixture *f = *state;
    begin_second(f);
    pair_run(&f->pair);
    dtr_rpc_session_lost(f->pair.client.session, NULL);
    pair_run(&f->pair);
    assert_int_equal(f->second.closed, 1);
    assert_int_equal(f->second.code, DTR_RPC_UNAVAILABLE);
    assert_int_equal(f->pair.client.hub.calls, 0);
}

/* nghttp2 forgets such a request without closing a stream. */
static void its_fields_are_too_long(void **state)
{
    struct fixture *f = *state;
    struct dtr_error err = {0};
    struct dtr_rpc_call *call = dtr_rpc_call_new(&f->pair.client.hub, false);
    call->method = &echo_unary;
    call->request_fields = calloc(1, 70000);
    assert_non_null(call->request_fields);
    memcpy(call->request_fields, "x-long", 7);
    memset(call->request_fields + 7, 'v', 65536);
    assert_int_equal(dtr_rpc_session_begin(f->pair.client.session, call, &err), DTR_EUNAVAILABLE);
    assert_non_null(strstr(err.text, "cannot start a call"));
    assert_null(call->session);
    dtr_rpc_call_free(call);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(goaway_crosses_the_start),
        TEST(goaway_comes_while_it_waits_for_its_turn),
        TEST(it_is_cancelled_while_it_waits_for_its_turn),
        TEST(the_session_says_goodbye_first),
        TEST(the_connection_breaks_while_it_waits_for_its_turn),
        TEST(its_fields_are_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
