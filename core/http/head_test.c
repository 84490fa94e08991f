/* Request heads: what is understood, and what is refused with which status. Every case is fed whole and
 * byte by byte. */
#include "core/http/head.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define HOST "Host: h\r\n"

static int feed(struct dtr_http_head *head, const char *text, size_t length, size_t step, size_t *ret_used,
                struct dtr_error *err)
{
    int code = DTR_OK;
    *ret_used = 0;
    while (code == DTR_OK && *ret_used < length && !head->complete) {
        size_t used = 0, left = length - *ret_used;
        code = dtr_http_head_feed(head, text + *ret_used, left < step ? left : step, &used, err);
        *ret_used += used;
    }
    return code;
}

static void understood(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum dtr_http_form form;
        const char *scheme, *authority, *path;
        size_t path_length;
        uint64_t body;
        bool keep;
    } cases[] = {
        {"GET /v2/ HTTP/1.1\r\n" HOST "\r\n", DTR_HTTP_ORIGIN, "", "h", "/v2/", 4, 0, true},
        {"\r\nGET / HTTP/1.1\r\n" HOST "\r\n", DTR_HTTP_ORIGIN, "", "h", "/", 1, 0, true},
        {"GET /a?b=c?d HTTP/1.1\r\nhOST:\th:80 \t\r\n\r\n", DTR_HTTP_ORIGIN, "", "h:80", "/a?b=c?d", 2, 0,
         true},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", DTR_HTTP_ORIGIN, "", "", "/", 1, 0, true},
        {"GET / HTTP/1.0\r\n\r\n", DTR_HTTP_ORIGIN, "", "", "/", 1, 0, false},
        {"GET / HTTP/1.0\r\nConnection: a, Keep-Alive\r\n\r\n", DTR_HTTP_ORIGIN, "", "", "/", 1, 0, true},
        {"GET / HTTP/1.1\r\n" HOST "Connection: CLOSE\r\n\r\n", DTR_HTTP_ORIGIN, "", "h", "/", 1, 0, false},
        {"GET / HTTP/1.9\r\n" HOST "\r\n", DTR_HTTP_ORIGIN, "", "h", "/", 1, 0, true},
        {"GET hTTp://o.example:5000/p?q HTTP/1.1\r\n" HOST "\r\n", DTR_HTTP_ABSOLUTE, "http",
         "o.example:5000", "/p?q", 2, 0, true},
        {"GET https://o HTTP/1.1\r\n" HOST "\r\n", DTR_HTTP_ABSOLUTE, "https", "o", "/", 1, 0, true},
        {"GET http://o?x=1 HTTP/1.1\r\n" HOST "\r\n", DTR_HTTP_ABSOLUTE, "http", "o", "/?x=1", 1, 0, true},
        {"GET http://[::1]:80/ HTTP/1.1\r\n" HOST "\r\n", DTR_HTTP_ABSOLUTE, "http", "[::1]:80", "/", 1, 0,
         true},
        {"CONNECT o.example:443 HTTP/1.1\r\n" HOST "\r\n", DTR_HTTP_AUTHORITY_FORM, "", "o.example:443", "",
         0, 0, true},
        {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", DTR_HTTP_ASTERISK, "", "h", "*", 1, 0, true},
        {"PUT / HTTP/1.1\r\n" HOST "Content-Length: 42\r\n\r\n", DTR_HTTP_ORIGIN, "", "h", "/", 1, 42, true},
        {"PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n", DTR_HTTP_ORIGIN, "", "h", "/", 1,
         DTR_LENGTH_UNKNOWN, true},
        {"M-SEARCH /x HTTP/1.1\r\n" HOST "X: caf\xc3\xa9\r\n\r\n", DTR_HTTP_ORIGIN, "", "h", "/x", 2, 0,
         true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t step = 1; step < 100000; step = step == 1 ? 7 : step * 1000) {
            struct dtr_http_head head = {0};
            struct dtr_error err = {0};
            size_t used, length = strlen(cases[i].text);
            if (feed(&head, cases[i].text, length, step, &used, &err) != DTR_OK)
                fail_msg("case %zu: %s", i, err.text);
            assert_true(head.complete);
            assert_int_equal(used, length);
            assert_int_equal(head.request.form, cases[i].form);
            assert_string_equal(head.request.scheme, cases[i].scheme);
            assert_string_equal(head.request.authority, cases[i].authority);
            assert_string_equal(head.request.path, cases[i].path);
            assert_int_equal(head.request.path_length, cases[i].path_length);
            assert_int_equal(head.request.body_length, cases[i].body);
            assert_int_equal(head.request.keep_alive, cases[i].keep);
            dtr_http_head_free(&head);
        }
    }
}

/* The second half are requests that two readers could cut or route differently. */
static void refused(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *text;
    } cases[] = {
        {400, "GET /\r\n\r\n"},
        {400, "GET / HTTP/1.1 \r\n" HOST "\r\n"},
        {400, "GET  / HTTP/1.1\r\n" HOST "\r\n"},
        {400, " GET / HTTP/1.1\r\n" HOST "\r\n"},
        {400, "G(T / HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET / http/1.1\r\n" HOST "\r\n"},
        {400, "GET / HTTP/1.10\r\n" HOST "\r\n"},
        {505, "GET / HTTP/2.0\r\n" HOST "\r\n"},
        {505, "PRI * HTTP/2.0\r\n\r\n"},
        {400, "GET * HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET x HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET /\x7f HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET /a#b HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET ftp://h/ HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET http:/// HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET http://u:p@h/ HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET http://h:0/ HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET http://h:65536/ HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET http://h#f HTTP/1.1\r\n" HOST "\r\n"},
        {400, "CONNECT h HTTP/1.1\r\n" HOST "\r\n"},
        {400, "CONNECT /x HTTP/1.1\r\n" HOST "\r\n"},
        {400, "CONNECT h: HTTP/1.1\r\n" HOST "\r\n"},
        {400, "CONNECT h:443 HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n"},
        {400, "CONNECT h:443 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"},
        {400, "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n"},
        {400, "\x16\x03\x01"},
        {417, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nExpect: magic\r\n\r\n"},

        {400, "GET / HTTP/1.1\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" HOST HOST "\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"},
        {400, "GET / HTTP/1.1\n"
              "Host: h\n\n"},
        {400, "GET / HTTP/1.1\r\n" HOST "A: b\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" HOST "A: b\rC: d\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" HOST "A: b\r\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" HOST "A: b\r\n\tc\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n A: b\r\n" HOST "\r\n"},
        {400, "GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" HOST "A b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" HOST "A\x0b: b\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5 5\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551616\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775808\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"},
        {400, "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"},
        {501, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n"},
        {501, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, identity\r\n\r\n"},
        {501, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n"},
        {501, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \"chunked\"\r\n\r\n"},
        {501, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n"},
        {501, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {501, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \x0b"
              "chunked\r\n\r\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t step = 1; step < 100000; step *= 1000) {
            struct dtr_http_head head = {0};
            struct dtr_error err = {0};
            size_t used;
            if (feed(&head, cases[i].text, strlen(cases[i].text), step, &used, &err) != DTR_EPROTOCOL)
                fail_msg("case %zu was not refused", i);
            if (err.status != cases[i].status)
                fail_msg("case %zu: status %d, not %d (%s)", i, err.status, cases[i].status, err.text);
            assert_false(head.complete);
            dtr_http_head_free(&head);
        }
    }
}

static void a_nul_is_refused(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\nA: b\0c\r\n\r\n";
    struct dtr_http_head head = {0};
    struct dtr_error err;
    size_t used;
    assert_int_equal(feed(&head, text, sizeof(text) - 1, 1000, &used, &err), DTR_EPROTOCOL);
    assert_int_equal(err.status, 400);
    dtr_http_head_free(&head);
}

static int status_of_large(const char *begin, const char *repeated, size_t times)
{
    struct dtr_http_head head = {0};
    struct dtr_error err = {0};
    size_t used;
    int code = feed(&head, begin, strlen(begin), 1000, &used, &err);
    for (size_t i = 0; i < times && code == DTR_OK; i++)
        code = feed(&head, repeated, strlen(repeated), 1000, &used, &err);
    if (code == DTR_OK)
        code = feed(&head, "\r\n", 2, 1000, &used, &err);
    assert_true(head.capacity <= DTR_HTTP_HEAD_MAX);
    assert_int_equal(head.complete, code == DTR_OK);
    dtr_http_head_free(&head);
    return code == DTR_OK ? 0 : err.status;
}

static void limits_hold(void **state)
{
    (void)state;
    const char *begin = "GET / HTTP/1.1\r\n" HOST;
    assert_int_equal(status_of_large(begin, "A: b\r\n", 99), 0);
    assert_int_equal(status_of_large(begin, "A: b\r\n", 100), 431);
    assert_int_equal(status_of_large("GET /", "0123456789", 4000), 414);
    assert_int_equal(status_of_large(begin, "A: 0123456789012345678901234567890123456789", 1000), 431);
}

static void the_rest_is_left_alone(void **state)
{
    (void)state;
    static const char text[] =
        "PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabcGET";
    struct dtr_http_head head = {0};
    struct dtr_error err;
    size_t used;
    assert_int_equal(dtr_http_head_feed(&head, text, sizeof(text) - 1, &used, &err), DTR_OK);
    assert_true(head.complete);
    assert_string_equal(text + used, "abcGET");
    assert_true(head.request.expect_continue);
    assert_int_equal(head.request.header_count, 3);
    assert_string_equal(dtr_http_header(&head.request, "expect"), "100-continue");
    assert_null(dtr_http_header(&head.request, "Exp"));
    assert_null(dtr_http_query(&head.request));
    dtr_http_head_free(&head);
}

static void tokens_in_lists(void **state)
{
    (void)state;
    assert_true(dtr_http_has_token("a, B ,c", "b"));
    assert_true(dtr_http_has_token(",,close", "close"));
    assert_false(dtr_http_has_token("closed, unclose", "close"));
    assert_false(dtr_http_has_token("", "close"));
}

static void authorities(void **state)
{
    (void)state;
    static const char *const good[] = {"h", "h:1", "10.0.0.1:5000", "[::1]", "[fe80::1]:65535", "a-b_c.d"};
    static const char *const bad[] = {"",      ":80",    "h:",  "h:99999", "h:8a", "[::1",    "[]",
                                      "[g::]", "[::1]x", "h h", "h%20",    "a@h",  "h:80:80", "[1.2.3.4]"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(dtr_http_authority_ok(good[i], strlen(good[i]), false));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (dtr_http_authority_ok(bad[i], strlen(bad[i]), false))
            fail_msg("'%s' was accepted", bad[i]);
    assert_false(dtr_http_authority_ok("h", 1, true));
    assert_int_equal(dtr_http_host_length("[::1]:80", 8), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(understood),
        cmocka_unit_test(refused),
        cmocka_unit_test(a_nul_is_refused),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(the_rest_is_left_alone),
        cmocka_unit_test(tokens_in_lists),
        cmocka_unit_test(authorities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
