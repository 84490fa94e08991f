/* The rate of calls at the door of a server; the arithmetic is tested in core/net/pace_test.c. */
#include "core/rpc/echo.h"
#include "core/rpc/pair.h"

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

/* --- a server --------------------------------------------------------------------------------------- */

enum { CALLS = 6 };

struct fixture {
    struct pair pair;
    struct echo echo;
    struct record calls[CALLS];
};

static struct fixture *open_with(const struct dtr_rpc_rate *rate)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    pair_open(&f->pair, echo_handlers, 4, &f->echo, NULL);
    dtr_rpc_table_limit(f->pair.table, rate);
    pair_run(&f->pair);
    return f;
}

static void close_fixture(struct fixture *f)
{
    pair_close(&f->pair);
    free(f);
}

static void ask(struct fixture *f, int number, const struct dtr_rpc_method *method)
{
    struct record *record = &f->calls[number];
    record->call = pair_call(&f->pair, method, &record_events, record);
    assert_non_null(record->call);
    assert_int_equal(echo_send(record->call, "hello"), DTR_OK);
    dtr_rpc_call_end(record->call);
    pair_run(&f->pair);
}

static void pass_ms(struct fixture *f, uint64_t ms)
{
    f->pair.now_ms += ms;
    pair_run(&f->pair);
}

static void calls_over_the_rate_are_exhausted(void **state)
{
    (void)state;
    const struct dtr_rpc_rate rate = {.per_s = 2};
    struct fixture *f = open_with(&rate);
    ask(f, 0, &echo_unary);
    ask(f, 1, &echo_bidi); /* streams count as unary calls do */
    ask(f, 2, &echo_unary);
    ask(f, 3, &echo_bidi);
    assert_int_equal(f->calls[0].code, DTR_RPC_OK);
    assert_int_equal(f->calls[1].messages, 1);
    assert_int_equal(f->calls[2].code, DTR_RPC_RESOURCE_EXHAUSTED);
    assert_int_equal(f->calls[3].code, DTR_RPC_RESOURCE_EXHAUSTED);
    assert_string_equal(f->calls[2].text, "too many requests per second; try again later");
    pass_ms(f, 500);
    ask(f, 4, &echo_unary);
    assert_int_equal(f->calls[4].code, DTR_RPC_OK);
    close_fixture(f);
}

static void unknown_methods_cost_nothing(void **state)
{
    (void)state;
    const struct dtr_rpc_rate rate = {.per_s = 1};
    struct fixture *f = open_with(&rate);
    ask(f, 0, &echo_missing);
    ask(f, 1, &echo_unary);
    assert_int_equal(f->calls[0].code, DTR_RPC_UNIMPLEMENTED);
    assert_int_equal(f->calls[1].code, DTR_RPC_OK);
    close_fixture(f);
}

static void calls_wait_for_their_turn_with_their_requests(void **state)
{
    (void)state;
    const struct dtr_rpc_rate rate = {.per_s = 100, .burst = 1, .waiting = 2};
    struct fixture *f = open_with(&rate);
    ask(f, 0, &echo_unary);
    ask(f, 1, &echo_unary);
    ask(f, 2, &echo_client_stream);
    ask(f, 3, &echo_unary);
    assert_int_equal(f->calls[0].messages, 1);
    assert_int_equal(f->calls[1].closed + f->calls[2].closed, 0);
    assert_int_equal(f->calls[3].code, DTR_RPC_RESOURCE_EXHAUSTED);
    pass_ms(f, 9);
    assert_int_equal(f->calls[1].closed, 0);
    pass_ms(f, 1);
    assert_string_equal(f->calls[1].last, "hello");
    assert_int_equal(f->calls[2].closed, 0);
    pass_ms(f, 10);
    assert_string_equal(f->calls[2].last, "1 messages");
    assert_int_equal(f->calls[2].code, DTR_RPC_OK);
    close_fixture(f);
}

static void who_waits_may_go(void **state)
{
    (void)state;
    const struct dtr_rpc_rate rate = {.per_s = 1, .burst = 1, .waiting = 5};
    struct fixture *f = open_with(&rate);
    ask(f, 0, &echo_unary);
    ask(f, 1, &echo_unary);
    ask(f, 2, &echo_bidi);
    dtr_rpc_call_cancel(f->calls[1].call);
    pair_run(&f->pair);
    assert_int_equal(f->pair.server.hub.calls, 1);
    pass_ms(f, 2000);
    assert_int_equal(f->calls[2].messages, 1);
    assert_int_equal(f->echo.requests, 2);
    close_fixture(f);
}

/* Only the server's clock counts here. */
static void who_waits_may_run_out_of_time(void **state)
{
    (void)state;
    const struct dtr_rpc_rate rate = {.per_s = 1, .burst = 1, .waiting = 5};
    struct fixture *f = open_with(&rate);
    ask(f, 0, &echo_unary);
    struct dtr_rpc_call *call = dtr_rpc_call_new(&f->pair.client.hub, false);
    call->method = &echo_unary;
    dtr_rpc_call_adopt(call, &record_events, &f->calls[1]);
    dtr_rpc_hub_deadline(call->hub, call, f->pair.now_ms + 700); /* its turn is in 1 s */
    assert_int_equal(dtr_rpc_session_begin(f->pair.client.session, call, NULL), DTR_OK);
    assert_int_equal(echo_send(call, "hello"), DTR_OK);
    dtr_rpc_call_end(call);
    dtr_rpc_hub_turn(&f->pair.client.hub);
    dtr_rpc_hub_deadline(call->hub, call, UINT64_MAX);
    pair_run(&f->pair);
    pass_ms(f, 699);
    assert_int_equal(f->calls[1].closed, 0);
    pass_ms(f, 1);
    assert_int_equal(f->calls[1].code, DTR_RPC_DEADLINE_EXCEEDED);
    assert_true(f->calls[1].remote);
    assert_int_equal(f->echo.requests, 1);
    close_fixture(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_over_the_rate_are_exhausted),
        cmocka_unit_test(unknown_methods_cost_nothing),
        cmocka_unit_test(calls_wait_for_their_turn_with_their_requests),
        cmocka_unit_test(who_waits_may_go),
        cmocka_unit_test(who_waits_may_run_out_of_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
