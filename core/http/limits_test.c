/* Slow, silent, vanishing and numerous clients; stopping. Limits are some milliseconds here, and each test
 * waits for the event they cause. */
#include "core/http/rig.h"

#include "core/base/clock.h"
#include <sys/socket.h>
#include <unistd.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

static void a_slow_head_is_answered_by_408(void **state)
{
    (void)state;
    const struct dtr_http_limits limits = {.head_ms = 60};
    struct rig rig;
    struct client client;
    struct dtr_http_counts counts;
    rig_open(&rig, &limits);
    client_open(&rig, &client, &rig.addr);
    client_send(&client, GET("/hello") "GET /slo");
    client_expect(&rig, &client, "hello");
    rig_until(&rig, client.ended);
    assert_true(client_has(&client, "HTTP/1.1 408 Request Timeout\r\n"));
    dtr_http_server_counts(rig.server, &counts);
    assert_int_equal(counts.late, 1);
    client_close(&rig, &client);
    rig_close(&rig);
}

static void trickling_does_not_extend_the_heads_time(void **state)
{
    (void)state;
    const struct dtr_http_limits limits = {.head_ms = 100};
    struct rig rig;
    struct client client;
    rig_open(&rig, &limits);
    client_open(&rig, &client, &rig.addr);
    client_send(&client, "GET / HTTP/1.1\r\nX: ");
    /* A byte per turn: as many as the loop can carry, for as long as it lets us. */
    while (!client.ended && !client.closed) {
        client_send(&client, "x");
        dtr_loop_turn(rig.loop, true);
    }
    assert_true(client_has(&client, "HTTP/1.1 408 ") || client_has(&client, "HTTP/1.1 431 "));
    client_close(&rig, &client);
    rig_close(&rig);
}

static void idle_connections_are_closed_silently(void **state)
{
    (void)state;
    enum { TRIES = 20 };
    const struct dtr_http_limits limits = {.idle_ms = 50};
    struct rig rig;
    struct client used = {0}, fresh;
    rig_open(&rig, &limits);
    client_open(&rig, &fresh, &rig.addr);
    /* A request that the server gets to read only after the limit counts as none: then another. */
    for (int i = 0; i < TRIES && used.received.length == 0; i++) {
        client_close(&rig, &used);
        client_open(&rig, &used, &rig.addr);
        client_send(&used, GET("/hello"));
        rig_until(&rig, used.ended || used.closed);
    }
    rig_until(&rig, fresh.ended);
    const char *end = strstr(dtr_str_text(&used.received), "\r\n\r\n");
    assert_non_null(end);
    assert_string_equal(end, "\r\n\r\nhello"); /* and nothing about the end */
    assert_int_equal(fresh.received.length, 0);
    client_close(&rig, &used);
    client_close(&rig, &fresh);
    rig_close(&rig);
}

static void a_stalled_body_is_given_up(void **state)
{
    (void)state;
    const struct dtr_http_limits limits = {.body_ms = 60};
    struct rig rig;
    struct client client;
    rig_open(&rig, &limits);
    client_open(&rig, &client, &rig.addr);
    client_send(&client, "PUT /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    rig_until(&rig, client.ended);
    assert_int_equal(rig.aborts, 1);
    assert_int_equal(rig.aborted.code, DTR_ETIMEOUT);
    assert_true(client_has(&client, "HTTP/1.1 408 "));
    client_close(&rig, &client);
    /* Nobody waits for the body of this one: the time does not run. */
    client_open(&rig, &client, &rig.addr);
    client_send(&client, "PUT /later HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    rig_until(&rig, rig.exchange);
    struct client other;
    client_whole(&rig, &other, "PUT /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    assert_int_equal(rig.aborts, 2);
    assert_int_equal(client.received.length, 0);
    client_close(&rig, &other);
    client_close(&rig, &client);
    rig_close(&rig);
}

/* An extent of memory that is never taken by a client that does not read. */
static uint8_t zeros[1 << 20];

static void count_release(void *context)
{
    (*(int *)context)++;
}

static void send_zeros(struct dtr_http_exchange *exchange, int count, int *released)
{
    struct dtr_extent extent = {.fd = -1,
                                .data = zeros,
                                .length = sizeof(zeros),
                                .release = count_release,
                                .release_context = released};
    dtr_http_respond(exchange, 200, NULL, 0, (uint64_t)count * sizeof(zeros));
    for (int i = 0; i < count; i++)
        dtr_http_send(exchange, &extent);
}

static void a_client_that_takes_nothing_is_cut_off(void **state)
{
    (void)state;
    enum { MANY = 64 };
    const struct dtr_http_limits limits = {.write_ms = 80};
    for (int ended = 0; ended < 2; ended++) {
        struct rig rig;
        struct client client;
        int released = 0;
        rig_open(&rig, &limits);
        client_open(&rig, &client, &rig.addr);
        dtr_stream_pause(client.stream);
        client_send(&client, GET("/later"));
        rig_until(&rig, rig.exchange);
        send_zeros(rig.exchange, MANY, &released);
        if (ended) {
            dtr_http_end(rig.exchange);
            rig.exchange = NULL;
        }
        rig_until(&rig, released == MANY);
        assert_int_equal(rig.aborts, ended ? 0 : 1);
        if (!ended)
            assert_int_equal(rig.aborted.code, DTR_ETIMEOUT);
        client_close(&rig, &client);
        rig_close(&rig);
    }
}

/* --- a client that takes little at a time --------------------------------------------------------------- */

enum { SLOW_MS = 1000, PORTION = 256 << 10, PORTIONS = 8 }; /* two limits' time in all */

struct sipper {
    struct client client;
    struct dtr_timer *timer;
};

static void sip(void *context)
{
    struct sipper *sipper = context;
    if (sipper->client.stream)
        dtr_stream_read(sipper->client.stream, PORTION);
    dtr_timer_set(sipper->timer, SLOW_MS / 4);
}

/* On a pair of sockets with small buffers each portion makes room. `ret_longest_ms`: of the turns. */
static void sip_an_answer(struct rig *rig, struct sipper *sipper, int *released, uint64_t *ret_longest_ms)
{
    const int small = 64 << 10;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    client_take(rig, &sipper->client, pair[1]);
    dtr_stream_pause(sipper->client.stream);
    client_send(&sipper->client, GET("/later"));
    dtr_http_server_give(rig->server, pair[0]);
    rig_until(rig, rig->exchange);
    send_zeros(rig->exchange, PORTIONS * PORTION / (int)sizeof(zeros), released);
    dtr_http_end(rig->exchange);
    rig->exchange = NULL;
    assert_int_equal(dtr_timer_open(rig->loop, sip, sipper, &sipper->timer, NULL), DTR_OK);
    sip(sipper);
    *ret_longest_ms = 0;
    while (sipper->client.received.length < PORTIONS * PORTION && !sipper->client.ended &&
           !sipper->client.closed) {
        uint64_t begun_ms = dtr_now_ms();
        dtr_loop_turn(rig->loop, true);
        uint64_t took_ms = dtr_now_ms() - begun_ms;
        *ret_longest_ms = took_ms > *ret_longest_ms ? took_ms : *ret_longest_ms;
    }
    dtr_timer_close(sipper->timer);
}

static void a_client_that_reads_slowly_is_served(void **state)
{
    (void)state;
    enum { TRIES = 5 };
    const struct dtr_http_limits limits = {.write_ms = SLOW_MS};
    struct rig rig;
    struct sipper sipper;
    uint64_t took_ms, longest_ms;
    int released;
    bool served = false;
    rig_open(&rig, &limits);
    for (int i = 0; i < TRIES && !served; i++) {
        uint64_t begun_ms = dtr_now_ms();
        released = 0;
        sip_an_answer(&rig, &sipper, &released, &longest_ms);
        took_ms = dtr_now_ms() - begun_ms;
        served = sipper.client.received.length >= PORTIONS * PORTION;
        /* Only a process that stood still may have cut it off: then it is tried again. */
        assert_true(served || longest_ms >= SLOW_MS / 2);
        client_close(&rig, &sipper.client);
    }
    assert_true(served);
    assert_int_equal(released, PORTIONS * PORTION / sizeof(zeros));
    assert_true(took_ms > SLOW_MS);
    rig_close(&rig);
}

static void a_vanished_client_is_noticed_once(void **state)
{
    (void)state;
    struct rig rig;
    struct client client;
    int released = 0;
    rig_open(&rig, NULL);
    /* while the handler has said nothing yet */
    client_open(&rig, &client, &rig.addr);
    client_send(&client, GET("/later"));
    rig_until(&rig, rig.exchange);
    client_close(&rig, &client);
    rig_until(&rig, rig.aborts == 1);
    assert_int_equal(rig.aborted.code, DTR_ECLOSED);
    /* while bytes are pending */
    client_open(&rig, &client, &rig.addr);
    dtr_stream_pause(client.stream);
    client_send(&client, GET("/later"));
    rig_until(&rig, rig.exchange);
    send_zeros(rig.exchange, 64, &released);
    client_close(&rig, &client);
    rig_until(&rig, released == 64);
    assert_int_equal(rig.aborts, 2);
    /* in the middle of a body */
    client_open(&rig, &client, &rig.addr);
    client_send(&client, "PUT /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    rig_until(&rig, rig.exchange && rig.body.length == 3);
    client_close(&rig, &client);
    rig_until(&rig, rig.aborts == 3);
    assert_int_equal(rig.ends, 0);
    rig_settle(&rig);
    assert_int_equal(rig.aborts, 3);
    rig_close(&rig);
}

static int dial(const struct dtr_addr *addr)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &addr->any, addr->length), 0);
    return fd;
}

static uint64_t open_connections(const struct rig *rig)
{
    struct dtr_http_counts counts;
    dtr_http_server_counts(rig->server, &counts);
    return counts.open;
}

static void a_thousand_idle_clients_do_no_harm(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    static int fds[MANY];
    struct rig rig;
    struct client client;
    rig_open(&rig, NULL);
    for (int i = 0; i < MANY; i++) {
        fds[i] = dial(&rig.addr);
        if (i % 2)
            assert_int_equal(send(fds[i], "GET /", 5, MSG_NOSIGNAL), 5);
        dtr_loop_turn(rig.loop, false);
    }
    rig_until(&rig, open_connections(&rig) == MANY);
    client_open(&rig, &client, &rig.addr);
    client_send(&client, GET("/hello"));
    client_expect(&rig, &client, "\r\n\r\nhello");
    client_close(&rig, &client);
    for (int i = 0; i < MANY; i++)
        (void)close(fds[i]);
    rig_until(&rig, open_connections(&rig) == 0);
    rig_close(&rig);
}

static void past_the_limit_the_longest_idle_one_goes(void **state)
{
    (void)state;
    const struct dtr_http_limits limits = {.connections = 3};
    struct rig rig;
    struct client clients[5];
    struct dtr_http_counts counts;
    rig_open(&rig, &limits);
    for (int i = 0; i < 3; i++) {
        client_open(&rig, &clients[i], &rig.addr);
        client_send(&clients[i], GET("/hello"));
        client_expect(&rig, &clients[i], "hello");
    }
    client_send(&clients[0], GET("/nothing")); /* 1 is now the longest idle */
    client_expect(&rig, &clients[0], "204");
    client_open(&rig, &clients[3], &rig.addr);
    client_send(&clients[3], GET("/later"));
    rig_until(&rig, clients[1].ended && rig.exchange);
    assert_false(clients[0].ended || clients[2].ended || clients[3].ended);
    rig_reply(&rig, 200, "served");
    client_expect(&rig, &clients[3], "served");
    client_close(&rig, &clients[1]);
    /* All busy: the new one goes. */
    for (int i = 0; i < 4; i++)
        if (i != 1)
            client_send(&clients[i], GET("/later"));
    rig_until(&rig, rig.requests == 8);
    client_open(&rig, &clients[4], &rig.addr);
    rig_until(&rig, clients[4].ended || clients[4].closed);
    dtr_http_server_counts(rig.server, &counts);
    assert_int_equal(counts.evicted, 2);
    assert_int_equal(counts.open, 3);
    for (int i = 0; i < 5; i++)
        if (i != 1)
            client_close(&rig, &clients[i]);
    rig_close(&rig);
}

static void note_stopped(void *context)
{
    *(bool *)context = true;
}

static void stopping_lets_answers_end(void **state)
{
    (void)state;
    struct rig rig;
    struct client idle, busy;
    bool stopped = false;
    rig_open(&rig, NULL);
    client_open(&rig, &idle, &rig.addr);
    client_send(&idle, GET("/hello"));
    client_expect(&rig, &idle, "hello");
    client_open(&rig, &busy, &rig.addr);
    client_send(&busy, GET("/later"));
    rig_until(&rig, rig.exchange);
    dtr_http_server_close(rig.server, 5000, note_stopped, &stopped);
    rig.server = NULL;
    rig_until(&rig, idle.ended);
    assert_false(stopped);
    rig_reply(&rig, 200, "bye");
    rig_until(&rig, busy.ended);
    assert_true(client_has(&busy, "Connection: close\r\n") && client_has(&busy, "\r\n\r\nbye"));
    client_close(&rig, &busy);
    client_close(&rig, &idle);
    rig_until(&rig, stopped);
    rig_close(&rig);
}

static void stopping_aborts_after_the_grace(void **state)
{
    (void)state;
    for (uint64_t grace = 0; grace <= 50; grace += 50) {
        struct rig rig;
        struct client client;
        bool stopped = false;
        rig_open(&rig, NULL);
        client_open(&rig, &client, &rig.addr);
        client_send(&client, GET("/later"));
        rig_until(&rig, rig.exchange);
        dtr_http_server_close(rig.server, grace, note_stopped, &stopped);
        rig.server = NULL;
        rig_until(&rig, stopped);
        assert_int_equal(rig.aborts, 1);
        assert_int_equal(rig.aborted.code, DTR_ECANCELLED);
        client_close(&rig, &client);
        rig_close(&rig);
    }
}

static void descriptors_can_be_given(void **state)
{
    (void)state;
    struct rig rig;
    struct client client;
    int pair[2];
    rig_open(&rig, NULL);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    client_take(&rig, &client, pair[1]);
    client_send(&client, GET("/hello"));
    dtr_http_server_give(rig.server, pair[0]);
    client_expect(&rig, &client, "\r\n\r\nhello");
    client_close(&rig, &client);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_head_is_answered_by_408),
        cmocka_unit_test(trickling_does_not_extend_the_heads_time),
        cmocka_unit_test(idle_connections_are_closed_silently),
        cmocka_unit_test(a_stalled_body_is_given_up),
        cmocka_unit_test(a_client_that_takes_nothing_is_cut_off),
        cmocka_unit_test(a_client_that_reads_slowly_is_served),
        cmocka_unit_test(a_vanished_client_is_noticed_once),
        cmocka_unit_test(a_thousand_idle_clients_do_no_harm),
        cmocka_unit_test(past_the_limit_the_longest_idle_one_goes),
        cmocka_unit_test(stopping_lets_answers_end),
        cmocka_unit_test(stopping_aborts_after_the_grace),
        cmocka_unit_test(descriptors_can_be_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
