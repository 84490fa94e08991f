/* CONNECT tunnels against a listener on loopback, and fixed routes. */
#include "core/http/rig.h"
#include "core/http/router.h"
#include "core/http/tunnel.h"
#include "core/net/listen.h"

#define CONNECT "CONNECT target:443 HTTP/1.1\r\nHost: target:443\r\n\r\n"

/* A rig whose handler tunnels to `far`, the accepted end of which is a client of its own kind. */
struct plumbing {
    struct rig rig;
    struct dtr_listener *listener;
    struct dtr_addr target;
    struct client near, far;
    uint64_t idle_ms;
    int done;
    struct dtr_tunnel_result result;
};

static void on_done(void *context, const struct dtr_tunnel_result *result)
{
    struct plumbing *plumbing = context;
    plumbing->done++;
    plumbing->result = *result;
}

static void tunnel(void *context, struct dtr_http_exchange *exchange, const struct dtr_http_request *request)
{
    struct plumbing *plumbing = context;
    struct dtr_tunnel_owner owner = {.done = on_done, .context = plumbing};
    assert_int_equal(request->form, DTR_HTTP_AUTHORITY_FORM);
    dtr_tunnel_connect(exchange, &plumbing->target, 20000, plumbing->idle_ms, &owner);
}

static void on_accepted(void *context, int fd, const struct dtr_addr *peer)
{
    struct plumbing *plumbing = context;
    (void)peer;
    client_take(&plumbing->rig, &plumbing->far, fd);
}

static void open_limited(struct plumbing *plumbing, uint64_t idle_ms, const struct dtr_http_limits *limits)
{
    struct dtr_addr addr;
    struct dtr_error err;
    *plumbing = (struct plumbing){.idle_ms = idle_ms};
    rig_open_with(&plumbing->rig, limits, tunnel, plumbing);
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &addr, &err), DTR_OK);
    assert_int_equal(dtr_listen(plumbing->rig.loop, &addr, on_accepted, plumbing, &plumbing->listener, &err),
                     DTR_OK);
    dtr_listener_addr(plumbing->listener, &plumbing->target);
    client_open(&plumbing->rig, &plumbing->near, &plumbing->rig.addr);
}

static void open_plumbing(struct plumbing *plumbing, uint64_t idle_ms)
{
    open_limited(plumbing, idle_ms, NULL);
}

static void close_plumbing(struct plumbing *plumbing)
{
    client_close(&plumbing->rig, &plumbing->near);
    client_close(&plumbing->rig, &plumbing->far);
    rig_until(&plumbing->rig, plumbing->done == 1);
    dtr_listener_close(plumbing->listener);
    rig_close(&plumbing->rig);
}

static void bytes_go_both_ways_and_each_way_ends_alone(void **state)
{
    (void)state;
    struct plumbing p;
    open_plumbing(&p, 0);
    client_send(&p.near, CONNECT "early ");
    client_expect(&p.rig, &p.near, "HTTP/1.1 200 Connection established\r\n\r\n");
    client_expect(&p.rig, &p.far, "early ");
    client_send(&p.near, "late");
    client_expect(&p.rig, &p.far, "early late");
    dtr_stream_end(p.near.stream);
    rig_until(&p.rig, p.far.ended);
    client_send(&p.far, "answer after the end");
    client_expect(&p.rig, &p.near, "answer after the end");
    assert_false(p.near.ended || p.done);
    dtr_stream_end(p.far.stream);
    rig_until(&p.rig, p.near.ended && p.done);
    assert_int_equal(p.result.err.code, DTR_OK);
    assert_true(p.result.up == 10 && p.result.down == 20);
    close_plumbing(&p);
}

static void a_slow_reader_holds_the_sender_back(void **state)
{
    (void)state;
    enum { BLOCK = 1 << 20, BLOCKS = 32 };
    static uint8_t block[BLOCK];
    struct plumbing p;
    open_plumbing(&p, 0);
    client_send(&p.near, CONNECT);
    client_expect(&p.rig, &p.near, "established\r\n\r\n");
    rig_until(&p.rig, p.far.stream);
    dtr_stream_pause(p.near.stream);
    for (int i = 0; i < BLOCKS; i++) {
        struct dtr_extent extent = {.fd = -1, .data = block, .length = BLOCK};
        dtr_stream_send(p.far.stream, &extent);
    }
    dtr_stream_end(p.far.stream);
    /* The other direction still runs while this one is stuck. */
    client_send(&p.near, "meanwhile");
    client_expect(&p.rig, &p.far, "meanwhile");
    assert_true(dtr_stream_pending(p.far.stream) > 0);
    size_t before = p.near.received.length;
    dtr_stream_read(p.near.stream, UINT64_MAX);
    rig_until(&p.rig, p.near.ended);
    assert_int_equal(p.near.received.length - before, (size_t)BLOCK * BLOCKS);
    close_plumbing(&p);
}

static void a_target_that_refuses_gives_502(void **state)
{
    (void)state;
    struct plumbing p;
    open_plumbing(&p, 0);
    dtr_listener_close(p.listener);
    p.listener = NULL;
    client_send(&p.near, CONNECT);
    client_expect(&p.rig, &p.near, "HTTP/1.1 502 Bad Gateway\r\n");
    rig_until(&p.rig, p.done == 1);
    assert_int_equal(p.result.err.code, DTR_EUNAVAILABLE);
    close_plumbing(&p);
}

static void silence_ends_a_tunnel(void **state)
{
    (void)state;
    struct plumbing p;
    open_plumbing(&p, 60);
    client_send(&p.near, CONNECT);
    rig_until(&p.rig, p.done == 1);
    assert_int_equal(p.result.err.code, DTR_ETIMEOUT);
    rig_until(&p.rig, p.near.ended && p.far.ended);
    close_plumbing(&p);
}

static void when_one_end_breaks_the_other_goes(void **state)
{
    (void)state;
    struct plumbing p;
    open_plumbing(&p, 0);
    client_send(&p.near, CONNECT);
    client_expect(&p.rig, &p.near, "established\r\n\r\n");
    rig_until(&p.rig, p.far.stream);
    /* Unread bytes make the close a reset. */
    dtr_stream_pause(p.near.stream);
    dtr_stream_read(p.near.stream, 1);
    client_send(&p.far, "read but for the rest");
    client_expect(&p.rig, &p.near, "established\r\n\r\nr");
    dtr_stream_close(p.near.stream, false);
    rig_until(&p.rig, p.far.ended || p.far.closed);
    rig_until(&p.rig, p.done == 1);
    assert_int_equal(p.result.err.code, DTR_ECLOSED);
    close_plumbing(&p);
}

/* Tunnels count: as such, and as connections. */
static void there_are_only_so_many(void **state)
{
    (void)state;
    static const struct dtr_http_limits limits = {.connections = 2, .tunnels = 1};
    struct plumbing p;
    struct client second, third;
    open_limited(&p, 0, &limits);
    client_send(&p.near, CONNECT);
    client_expect(&p.rig, &p.near, "established\r\n\r\n");
    client_open(&p.rig, &second, &p.rig.addr);
    client_send(&second, CONNECT);
    client_expect(&p.rig, &second, "HTTP/1.1 503 ");
    client_expect(&p.rig, &second, "too many tunnels");
    /* The tunnel and the one more that may be: the idle one makes room. */
    client_open(&p.rig, &third, &p.rig.addr);
    rig_until(&p.rig, second.ended || second.closed);
    client_close(&p.rig, &p.near);
    client_close(&p.rig, &p.far);
    rig_until(&p.rig, p.done == 2);
    client_send(&third, CONNECT);
    client_expect(&p.rig, &third, "established\r\n\r\n");
    client_close(&p.rig, &third);
    client_close(&p.rig, &second);
    client_close(&p.rig, &p.far);
    rig_until(&p.rig, p.done == 3);
    dtr_listener_close(p.listener);
    rig_close(&p.rig);
}

static void on_stopped(void *context)
{
    ((struct rig *)context)->stopped = true;
}

static void a_server_that_stops_ends_them(void **state)
{
    (void)state;
    struct plumbing p;
    open_plumbing(&p, 0);
    client_send(&p.near, CONNECT);
    client_expect(&p.rig, &p.near, "established\r\n\r\n");
    rig_until(&p.rig, p.far.stream);
    dtr_http_server_close(p.rig.server, 20, on_stopped, &p.rig);
    rig_until(&p.rig, p.rig.stopped);
    p.rig.server = NULL;
    rig_until(&p.rig, p.done == 1 && (p.near.ended || p.near.closed) && (p.far.ended || p.far.closed));
    close_plumbing(&p);
}

/* --- routes ----------------------------------------------------------------------------------------------
 */

static void healthy(void *context, struct dtr_http_exchange *exchange, const struct dtr_http_request *request)
{
    (void)request;
    dtr_http_reply(exchange, 200, NULL, 0, context);
}

static void routes_are_found_by_path_and_method(void **state)
{
    (void)state;
    struct dtr_http_router *router;
    struct dtr_error err;
    struct rig rig;
    struct client client;
    static const struct {
        const char *request, *answer;
    } cases[] = {
        {"GET /healthy HTTP/1.0\r\n\r\n", "\r\n\r\nfine"},
        {"GET /healthy?verbose HTTP/1.0\r\n\r\n", "\r\n\r\nfine"},
        {"HEAD /healthy HTTP/1.0\r\n\r\n", "Content-Length: 4\r\n"},
        {"DELETE /metrics HTTP/1.0\r\n\r\n", "\r\n\r\nreset"},
        {"GET /healthy/ HTTP/1.0\r\n\r\n", "HTTP/1.1 404 Not Found\r\n"},
        {"GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 404 Not Found\r\n"},
        {"POST /metrics HTTP/1.0\r\n\r\n", "Allow: GET, DELETE\r\n"},
        {"DELETE /healthy HTTP/1.0\r\n\r\n", "HTTP/1.1 405 Method Not Allowed\r\n"},
    };
    static char fine[] = "fine", numbers[] = "numbers", reset[] = "reset";
    assert_int_equal(dtr_http_router_new(&router, &err), DTR_OK);
    assert_int_equal(dtr_http_router_add(router, "GET", "/healthy", healthy, fine, &err), DTR_OK);
    assert_int_equal(dtr_http_router_add(router, "GET", "/metrics", healthy, numbers, &err), DTR_OK);
    assert_int_equal(dtr_http_router_add(router, "DELETE", "/metrics", healthy, reset, &err), DTR_OK);
    assert_int_equal(dtr_http_router_add(router, "GET", "/metrics", healthy, fine, &err), DTR_EEXISTS);
    rig_open_with(&rig, NULL, dtr_http_router_handle, router);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        client_whole(&rig, &client, cases[i].request);
        if (!client_has(&client, cases[i].answer))
            fail_msg("%s: %s", cases[i].request, dtr_str_text(&client.received));
        client_close(&rig, &client);
    }
    rig_close(&rig);
    dtr_http_router_free(router);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways_and_each_way_ends_alone),
        cmocka_unit_test(a_slow_reader_holds_the_sender_back),
        cmocka_unit_test(a_target_that_refuses_gives_502),
        cmocka_unit_test(silence_ends_a_tunnel),
        cmocka_unit_test(when_one_end_breaks_the_other_goes),
        cmocka_unit_test(there_are_only_so_many),
        cmocka_unit_test(a_server_that_stops_ends_them),
        cmocka_unit_test(routes_are_found_by_path_and_method),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
