/* A server session against clients that break the rules: bytes are made by hand, no client session. */
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
};

static int setup(void **state)
{
    *state = calloc(1, sizeof(struct fixture));
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    pair_close(&f->pair);
    free(f);
    return 0;
}

/* A client of which only the bytes matter: replaces the pair's client from here on. */
static void raw_client(struct fixture *f)
{
    pair_open(&f->pair, echo_handlers, 4, &f->echo, NULL);
    f->pair.cut = true;
    pair_run(&f->pair);
    static const uint8_t hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    pair_inject(&f->pair, hello, sizeof(hello) - 1);
}

static void raw_frame(struct fixture *f, uint8_t type, uint8_t flags, uint32_t stream, const void *bytes,
                      uint32_t length)
{
    uint8_t frame[9 + 1024];
    assert_true(length <= 1024);
    uint8_t head[9] = {
        (uint8_t)(length >> 16), (uint8_t)(length >> 8),  (uint8_t)length,        type,           flags,
        (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    memcpy(frame, head, 9);
    if (length > 0)
        memcpy(frame + 9, bytes, length);
    pair_inject(&f->pair, frame, 9 + length);
}

static uint32_t raw_field(uint8_t *at, const char *name, const char *value)
{
    uint8_t *start = at;
    *at++ = 0;
    *at++ = (uint8_t)strlen(name);
    memcpy(at, name, strlen(name));
    at += strlen(name);
    *at++ = (uint8_t)strlen(value);
    memcpy(at, value, strlen(value));
    return (uint32_t)(at + strlen(value) - start);
}

static void raw_request(struct fixture *f, uint32_t stream, const char *path, const char *type)
{
    uint8_t block[512];
    uint32_t length = raw_field(block, ":method", "POST");
    length += raw_field(block + length, ":scheme", "http");
    length += raw_field(block + length, ":path", path);
    length += raw_field(block + length, ":authority", "x");
    length += raw_field(block + length, "content-type", type);
    raw_frame(f, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, stream, block, length);
}

static void malformed_messages_end_their_call_only(void **state)
{
    static const struct {
        const char *bytes;
        uint32_t length;
    } bad[] = {{"\2\0\0\0\0", 5},                    /* an unknown flag */
               {"\1\0\0\0\0", 5},                    /* compressed */
               {"\0\0\0\0\2\x0a\x7f", 7},            /* a string beyond the end */
               {"\0\0\0\0\5\x0a\3a\0b", 10},         /* NUL in a string */
               {"\0\0\0\0\4\x0a\2\xc3\x28", 9},      /* not UTF-8 */
               {"\0\0\0\0\5\x0a\3\xed\xa0\x80", 10}, /* a surrogate */
               {"\0\0\0\0\1\x0f", 6},                /* a wire type that does not exist */
               {"\0\0\0\0\2\x08\1", 7},              /* the field with another wire type */
               {"\0\xff\xff\xff\xff", 5}};           /* 4 GiB announced */
    struct fixture *f = *state;
    raw_client(f);
    for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint32_t stream = 2 * i + 1;
        raw_request(f, stream, "/t.Echo/Bidi", "application/grpc");
        raw_frame(f, NGHTTP2_DATA, 0, stream, bad[i].bytes, bad[i].length);
        assert_int_equal(f->echo.server.messages, 0);
        assert_int_equal(f->echo.server.closed, 1);
        assert_int_not_equal(f->echo.server.code, DTR_RPC_OK);
        assert_true(pair_find(&f->pair, 0, true, NGHTTP2_HEADERS, stream) >= 0);
        assert_int_equal(f->pair.server.session->call_count, 0);
    }
    assert_int_equal(f->pair.server.receive_rc, DTR_OK);
    assert_false(f->pair.server.over);
}

static void wrong_requests_get_a_status(void **state)
{
    struct fixture *f = *state;
    raw_client(f);
    raw_request(f, 1, "/t.Echo/Unary", "text/html");
    assert_true(pair_find(&f->pair, 0, true, NGHTTP2_HEADERS, 1) >= 0);
    raw_request(f, 3, "/t.Echo/Unary", "application/grpc+proto");
    raw_frame(f, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 3, NULL, 0); /* no request */
    assert_true(pair_find(&f->pair, 0, true, NGHTTP2_HEADERS, 3) >= 0);
    raw_request(f, 5, "/t.Echo/ClientStream", "application/grpc");
    raw_frame(f, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 5, "\0\0\0\0\5ab", 7); /* ends within a message */
    assert_int_equal(f->echo.server.code, DTR_RPC_INTERNAL);
    raw_request(f, 7, "/t.Echo/Unary", "application/grpc");
    raw_frame(f, NGHTTP2_DATA, 0, 7, "\0\0\0\0\6\x0a\4hold", 11);
    raw_frame(f, NGHTTP2_DATA, 0, 7, "\0\0\0\0\0", 5); /* a second request */
    assert_int_equal(f->echo.server.code, DTR_RPC_INVALID_ARGUMENT);
    assert_int_equal(f->pair.server.hub.calls, 0);
}

static void rapid_resets_end_the_connection(void **state)
{
    struct fixture *f = *state;
    uint32_t stream = 1;
    raw_client(f);
    for (; stream < 20000 && !f->pair.server.over; stream += 2) {
        raw_request(f, stream, "/t.Echo/Bidi", "application/grpc");
        raw_frame(f, NGHTTP2_RST_STREAM, 0, stream, "\0\0\0\x8", 4);
    }
    assert_true(f->pair.server.over);
    assert_true(stream > 2000); /* the burst is allowed */
    assert_true(stream < 2500);
    assert_int_equal(f->pair.server.session->call_count, 0);
}

static void garbage_instead_of_a_preface_ends_it(void **state)
{
    struct fixture *f = *state;
    pair_open(&f->pair, echo_handlers, 4, &f->echo, NULL);
    pair_inject(&f->pair, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
    assert_int_equal(f->pair.server.receive_rc, DTR_EPROTOCOL);
    assert_true(f->pair.server.over);
}

static void too_many_header_fields_are_refused(void **state)
{
    struct fixture *f = *state;
    uint8_t block[1024];
    raw_client(f);
    uint32_t length = raw_field(block, ":path", "/t.Echo/Unary");
    length += raw_field(block + length, ":method", "POST");
    length += raw_field(block + length, ":scheme", "http");
    length += raw_field(block + length, ":authority", "x");
    /* One long field put into the dynamic table, then named again and again. */
    char value[121];
    memset(value, 'v', 120);
    value[120] = '\0';
    uint32_t at = length;
    length += raw_field(block + length, "long", value);
    block[at] = 0x40;
    memset(block + length, 0xbe, 400);
    length += 400;
    raw_frame(f, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, block, length);
    assert_true(pair_find(&f->pair, 0, true, NGHTTP2_RST_STREAM, 1) >= 0);
    assert_int_equal(f->pair.server.hub.calls, 0);
    assert_int_equal(f->echo.requests, 0);
}

static void a_peer_that_does_not_read_is_dropped(void **state)
{
    struct fixture *f = *state;
    uint8_t ping[8] = {0};
    raw_client(f);
    f->pair.server.choke = SIZE_MAX;
    for (int i = 0; i < 20000 && !f->pair.server.over; i++)
        raw_frame(f, NGHTTP2_PING, 0, 0, ping, 8);
    assert_true(f->pair.server.over);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(malformed_messages_end_their_call_only), TEST(wrong_requests_get_a_status),
        TEST(rapid_resets_end_the_connection),        TEST(garbage_instead_of_a_preface_ends_it),
        TEST(too_many_header_fields_are_refused),     TEST(a_peer_that_does_not_read_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
