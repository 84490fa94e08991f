/* Exchanges over real sockets: framing, order, bodies both ways. */
#include "core/http/rig.h"

#define GET(path)    "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define GET_10(path) "GET " path " HTTP/1.0\r\n\r\n"
#define EXPECT(path) "PUT " path " HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"

static int occurrences(const struct client *client, const char *text)
{
    int count = 0;
    for (const char *at = dtr_str_text(&client->received); (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

static void connections_are_kept(void **state)
{
    (void)state;
    struct rig rig;
    struct client client;
    struct dtr_http_counts counts;
    rig_open(&rig, NULL);
    client_open(&rig, &client, &rig.addr);
    for (int i = 1; i <= 3; i++) {
        client_send(&client, GET("/hello"));
        rig_until(&rig, occurrences(&client, "\r\n\r\nhello") == i);
    }
    assert_true(client_has(&client, "HTTP/1.1 200 OK\r\n"));
    assert_true(client_has(&client, "\r\nContent-Length: 5\r\n"));
    assert_true(client_has(&client, "\r\nDate: "));
    assert_false(client_has(&client, "Connection:"));
    dtr_http_server_counts(rig.server, &counts);
    assert_true(counts.open == 1 && counts.accepted == 1 && counts.requests == 3);
    client_close(&rig, &client);
    rig_close(&rig);
}

static void the_client_may_ask_to_close(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        const char *said;
    } cases[] = {
        {"GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "Connection: close\r\n"},
        {GET_10("/hello"), "Connection: close\r\n"},
    };
    struct rig rig;
    struct client client;
    rig_open(&rig, NULL);
    for (size_t i = 0; i < 2; i++) {
        client_whole(&rig, &client, cases[i].request);
        assert_true(client.ended);
        assert_true(client_has(&client, cases[i].said) && client_has(&client, "\r\n\r\nhello"));
        client_close(&rig, &client);
    }
    client_open(&rig, &client, &rig.addr);
    client_send(&client, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    client_expect(&rig, &client, "Connection: keep-alive\r\n");
    client_send(&client, GET_10("/hello"));
    rig_until(&rig, client.ended);
    client_close(&rig, &client);
    rig_close(&rig);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    struct rig rig;
    struct client client;
    rig_open(&rig, NULL);
    client_open(&rig, &client, &rig.addr);
    client_send(&client, GET("/later") GET("/hello") GET("/later") GET("/nothing"));
    rig_until(&rig, rig.requests == 1);
    rig_settle(&rig);
    /* The probe was one more; the second of the pipeline waits. */
    assert_int_equal(rig.requests, 2);
    assert_int_equal(client.received.length, 0);
    rig_reply(&rig, 200, "first");
    client_expect(&rig, &client, "hello");
    rig_until(&rig, rig.requests == 4);
    rig_reply(&rig, 200, "third");
    client_expect(&rig, &client, "204 No Content");
    const char *text = dtr_str_text(&client.received);
    assert_true(strstr(text, "first") < strstr(text, "hello"));
    assert_true(strstr(text, "hello") < strstr(text, "third"));
    assert_true(strstr(text, "third") < strstr(text, "204 No Content"));
    client_close(&rig, &client);
    rig_close(&rig);
}

static void many_pipelined_requests_are_read_in_bounds(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    struct rig rig;
    struct client client;
    rig_open(&rig, NULL);
    client_open(&rig, &client, &rig.addr);
    for (int i = 0; i < MANY; i++)
        client_send(&client, GET("/hello"));
    rig_until(&rig, rig.requests == MANY);
    rig_until(&rig, occurrences(&client, "\r\n\r\nhello") == MANY);
    client_close(&rig, &client);
    rig_close(&rig);
}

static void heads_may_come_byte_by_byte(void **state)
{
    (void)state;
    const char *text =
        "PUT /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    struct rig rig;
    struct client client;
    rig_open(&rig, NULL);
    client_open(&rig, &client, &rig.addr);
    for (; *text; text++) {
        dtr_stream_write(client.stream, text, 1);
        rig_until(&rig, dtr_stream_pending(client.stream) == 0);
    }
    client_expect(&rig, &client, "\r\n\r\nabc");
    client_close(&rig, &client);
    rig_close(&rig);
}

static void answers_without_a_body(void **state)
{
    (void)state;
    struct rig rig;
    struct client client;
    rig_open(&rig, NULL);
    client_open(&rig, &client, &rig.addr);
    client_send(&client, "HEAD /hello HTTP/1.1\r\nHost: h\r\n\r\n"
                         "HEAD /unknown HTTP/1.1\r\nHost: h\r\n\r\n"
                         "HEAD /short HTTP/1.1\r\nHost: h\r\n\r\n" GET("/nothing") GET("/hello"));
    client_expect(&rig, &client, "\r\n\r\nhello");
    assert_int_equal(occurrences(&client, "hello"), 1);
    assert_int_equal(occurrences(&client, "\r\nContent-Length: 5\r\n"), 2);
    assert_int_equal(occurrences(&client, "\r\nContent-Length: 10\r\n"), 1);
    assert_int_equal(occurrences(&client, "Transfer-Encoding"), 0);
    assert_int_equal(occurrences(&client, "abcde"), 0);
    client_close(&rig, &client);
    rig_close(&rig);
}

static void unknown_length_is_chunked(void **state)
{
    (void)state;
    struct rig rig;
    struct client client;
    rig_open(&rig, NULL);
    client_open(&rig, &client, &rig.addr);
    client_send(&client, GET("/unknown") GET("/hello"));
    client_expect(&rig, &client, "\r\n\r\nhello");
    assert_true(client_has(&client, "Transfer-Encoding: chunked\r\n"));
    assert_true(client_has(&client, "\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\nHTTP/1.1 200"));
    client_close(&rig, &client);
    client_whole(&rig, &client, GET_10("/unknown"));
    assert_true(client.ended && client.result.code == DTR_OK);
    assert_true(client_has(&client, "\r\n\r\nabcde"));
    assert_false(client_has(&client, "Transfer-Encoding"));
    client_close(&rig, &client);
    rig_close(&rig);
}

static void an_aborted_answer_cannot_be_taken_for_whole(void **state)
{
    (void)state;
    static const char *const cases[] = {GET("/abort"), GET("/short"), GET("/long")};
    struct rig rig;
    struct client client;
    rig_open(&rig, NULL);
    for (size_t i = 0; i < 3; i++) {
        client_whole(&rig, &client, cases[i]);
        assert_false(client_has(&client, "cdef") || client_has(&client, i == 2 ? "abcd" : "abcdef"));
        client_close(&rig, &client);
    }
    /* Where the end of the connection is the end of the answer: a reset, never FIN. */
    client_open(&rig, &client, &rig.addr);
    client_send(&client, GET_10("/later"));
    rig_until(&rig, rig.exchange);
    dtr_http_respond(rig.exchange, 200, NULL, 0, DTR_LENGTH_UNKNOWN);
    dtr_http_write(rig.exchange, "half", 4);
    client_expect(&rig, &client, "half");
    rig_abort(&rig);
    rig_until(&rig, client.closed || client.ended);
    assert_false(client.ended);
    assert_int_equal(client.result.code, DTR_ECLOSED);
    client_close(&rig, &client);
    /* Chunked: the last chunk is missing. */
    client_open(&rig, &client, &rig.addr);
    client_send(&client, GET("/later"));
    rig_until(&rig, rig.exchange);
    dtr_http_respond(rig.exchange, 200, NULL, 0, DTR_LENGTH_UNKNOWN);
    dtr_http_write(rig.exchange, "half", 4);
    client_expect(&rig, &client, "half");
    rig_abort(&rig);
    rig_until(&rig, client.closed || client.ended);
    assert_false(client_has(&client, "0\r\n\r\n"));
    client_close(&rig, &client);
    assert_int_equal(rig.aborts, 0);
    rig_close(&rig);
}

static void the_servers_headers_are_its_own(void **state)
{
    (void)state;
    struct rig rig;
    struct client client;
    rig_open(&rig, NULL);
    client_open(&rig, &client, &rig.addr);
    client_send(&client, GET("/headers"));
    client_expect(&rig, &client, "\r\n\r\nx");
    assert_true(client_has(&client, "X-Good: yes\r\n") && client_has(&client, "Date: then\r\n"));
    assert_true(client_has(&client, "Content-Length: 1\r\n"));
    assert_int_equal(occurrences(&client, "Date:"), 1);
    assert_false(client_has(&client, "X-Hop") || client_has(&client, "X-Split") ||
                 client_has(&client, "gzip") || client_has(&client, ": 99"));
    client_close(&rig, &client);
    rig_close(&rig);
}

static void expect_is_answered_when_the_body_is_wanted(void **state)
{
    (void)state;
    struct rig rig;
    struct client client;
    rig_open(&rig, NULL);
    client_open(&rig, &client, &rig.addr);
    client_send(&client, EXPECT("/later"));
    rig_until(&rig, rig.exchange);
    rig_settle(&rig);
    assert_int_equal(client.received.length, 0);
    dtr_http_want_body(rig.exchange, UINT64_MAX);
    client_expect(&rig, &client, "HTTP/1.1 100 Continue\r\n\r\n");
    client_send(&client, "abc");
    rig_until(&rig, rig.ends == 1);
    assert_string_equal(dtr_str_text(&rig.body), "abc");
    rig_reply(&rig, 201, "");
    client_expect(&rig, &client, "HTTP/1.1 201 Created\r\n");
    assert_int_equal(occurrences(&client, "100 Continue"), 1);
    client_close(&rig, &client);
    /* Not wanted: nobody knows whether the body follows, so the connection cannot be kept. */
    client_whole(&rig, &client, EXPECT("/hello"));
    assert_true(client_has(&client, "HTTP/1.1 200 OK\r\n") && client_has(&client, "Connection: close\r\n"));
    client_close(&rig, &client);
    rig_close(&rig);
}

static void bodies_arrive_by_credit(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "PUT /credit HTTP/1.1\r\nHost: h\r\nContent-Length: 26\r\n\r\nabcdefghijklmnopqrstuvwxyz",
        "PUT /credit HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nabcde\r\n13;x=y\r\nfghijklmnopqrstuvwx\r\n2\r\nyz\r\n0\r\nT: r\r\n\r\n",
    };
    struct rig rig;
    struct client client;
    rig_open(&rig, NULL);
    for (size_t i = 0; i < 2; i++) {
        rig.per_call = 4;
        rig.largest = 0;
        client_open(&rig, &client, &rig.addr);
        client_send(&client, requests[i]);
        client_send(&client, GET("/hello"));
        client_expect(&rig, &client, "\r\n\r\nhello");
        assert_true(client_has(&client, "\r\n\r\nabcdefghijklmnopqrstuvwxyz"));
        assert_true(rig.largest <= 4);
        client_close(&rig, &client);
    }
    rig_close(&rig);
}

static void a_body_that_is_not_wanted_waits_in_bounds(void **state)
{
    (void)state;
    struct rig rig;
    struct client client;
    char block[1000];
    memset(block, 'x', sizeof(block));
    rig_open(&rig, NULL);
    client_open(&rig, &client, &rig.addr);
    client_send(&client, "PUT /later HTTP/1.1\r\nHost: h\r\nContent-Length: 6000000\r\n\r\n");
    for (int i = 0; i < 6000; i++)
        dtr_stream_write(client.stream, block, sizeof(block));
    rig_until(&rig, rig.exchange);
    rig_settle(&rig);
    assert_int_equal(rig.body.length, 0);
    assert_true(dtr_stream_pending(client.stream) > 0);
    dtr_http_want_body(rig.exchange, UINT64_MAX);
    rig_until(&rig, rig.ends == 1);
    assert_int_equal(rig.body.length, 6000000);
    rig_reply(&rig, 200, "");
    client_expect(&rig, &client, "200 OK");
    client_close(&rig, &client);
    rig_close(&rig);
}

static void an_unread_body_is_skipped_or_ends_the_connection(void **state)
{
    (void)state;
    struct rig rig;
    struct client client;
    rig_open(&rig, NULL);
    client_open(&rig, &client, &rig.addr);
    client_send(&client, "PUT /nothing HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n01234");
    client_expect(&rig, &client, "204 No Content");
    client_send(&client, "56789" GET("/hello"));
    client_expect(&rig, &client, "\r\n\r\nhello");
    client_close(&rig, &client);
    client_open(&rig, &client, &rig.addr);
    client_send(&client,
                "PUT /nothing HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\nabc" GET("/hello"));
    rig_until(&rig, client.ended);
    assert_true(client_has(&client, "204 No Content") && client_has(&client, "Connection: close"));
    assert_false(client_has(&client, "hello"));
    client_close(&rig, &client);
    rig_close(&rig);
}

static void files_go_out_as_extents(void **state)
{
    (void)state;
    enum { SIZE = 8 << 20 };
    struct rig rig;
    struct client client;
    rig_open(&rig, NULL);
    rig_file(&rig, SIZE);
    client_open(&rig, &client, &rig.addr);
    client_send(&client, GET("/parts") GET("/hello"));
    client_expect(&rig, &client, "Content-Length: 8388608\r\n");
    const char *end = "\r\n\r\nhello";
    rig_until(&rig, client.received.length > SIZE &&
                        memcmp(client.received.text + client.received.length - 9, end, 9) == 0);
    size_t at = (size_t)(strstr(dtr_str_text(&client.received), "\r\n\r\n") + 4 - client.received.text);
    for (size_t i = 0; i < SIZE; i++)
        if ((uint8_t)client.received.text[at + i] != rig_byte(i))
            fail_msg("byte %zu differs", i);
    assert_int_equal(rig.released, SIZE / 300000 + 1);
    assert_true(rig.drains >= SIZE / 300000);
    client_close(&rig, &client);
    rig_close(&rig);
}

static void bad_requests_are_told_so(void **state)
{
    (void)state;
    static const struct {
        const char *text, *answer;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 505 "},
        {"PUT /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "HTTP/1.1 400 "},
        {GET("/hello") "\x16\x03\x01\r\n", "helloHTTP/1.1 400 Bad Request\r\n"},
    };
    struct rig rig;
    struct client client;
    struct dtr_http_counts counts;
    rig_open(&rig, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        client_whole(&rig, &client, cases[i].text);
        assert_true(client.ended);
        assert_true(client_has(&client, cases[i].answer));
        assert_true(client_has(&client, "Connection: close\r\n"));
        assert_true(client_has(&client, "X-Dragonfly-Error-Type: proxy\r\n"));
        client_close(&rig, &client);
    }
    assert_int_equal(rig.aborts, 1); /* the malformed chunk, which a handler was waiting for */
    dtr_http_server_counts(rig.server, &counts);
    assert_int_equal(counts.refused, 4);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_kept),
        cmocka_unit_test(the_client_may_ask_to_close),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(many_pipelined_requests_are_read_in_bounds),
        cmocka_unit_test(heads_may_come_byte_by_byte),
        cmocka_unit_test(answers_without_a_body),
        cmocka_unit_test(unknown_length_is_chunked),
        cmocka_unit_test(an_aborted_answer_cannot_be_taken_for_whole),
        cmocka_unit_test(the_servers_headers_are_its_own),
        cmocka_unit_test(expect_is_answered_when_the_body_is_wanted),
        cmocka_unit_test(bodies_arrive_by_credit),
        cmocka_unit_test(a_body_that_is_not_wanted_waits_in_bounds),
        cmocka_unit_test(an_unread_body_is_skipped_or_ends_the_connection),
        cmocka_unit_test(files_go_out_as_extents),
        cmocka_unit_test(bad_requests_are_told_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
