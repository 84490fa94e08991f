/* Chunked bodies and byte ranges. */
#include "core/base/str.h"
#include "core/http/chunked.h"
#include "core/http/range.h"
#include <darter/storage.h>

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

/* Decodes `text` in steps; the body goes to `out`, the length consumed to *ret_used. */
static int decode(const char *text, size_t step, struct dtr_str *out, size_t *ret_used, bool *ret_complete)
{
    struct dtr_chunked chunked = {0};
    struct dtr_error err = {0};
    size_t length = strlen(text), at = 0;
    int code = DTR_OK;
    while (code == DTR_OK && at < length && !chunked.complete) {
        const uint8_t *data;
        size_t used, size, left = length - at;
        code = dtr_chunked_feed(&chunked, (const uint8_t *)text + at, left < step ? left : step, &used, &data,
                                &size, &err);
        if (code == DTR_OK)
            dtr_str_add(out, data, size);
        at += used;
    }
    if (code != DTR_OK)
        assert_int_equal(err.status, 400);
    *ret_used = at;
    *ret_complete = chunked.complete;
    return code;
}

static void chunked_bodies_decode(void **state)
{
    (void)state;
    static const struct {
        const char *text, *body, *rest;
    } cases[] = {
        {"0\r\n\r\n", "", ""},
        {"5\r\nhello\r\n0\r\n\r\nGET", "hello", "GET"},
        {"5\r\nhello\r\n6\r\n world\r\n00\r\n\r\n", "hello world", ""},
        {"A;name=value\r\n0123456789\r\n0;x\r\n\r\n", "0123456789", ""},
        {"a \t;x=\"y\"\r\n0123456789\r\n0\r\n\r\n", "0123456789", ""},
        {"2\r\n\r\n\r\n0\r\n\r\n", "\r\n", ""},
        {"1\r\nx\r\n0\r\nTrailer: a\r\nOther: b\r\n\r\nrest", "x", "rest"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t step = 1; step <= 1000; step *= 10) {
            struct dtr_str out = {0};
            size_t used;
            bool complete;
            assert_int_equal(decode(cases[i].text, step, &out, &used, &complete), DTR_OK);
            assert_true(complete);
            assert_string_equal(dtr_str_text(&out), cases[i].body);
            assert_string_equal(cases[i].text + used, cases[i].rest);
            dtr_str_free(&out);
        }
    }
}

static void malformed_chunks_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "0x5\r\nhello\r\n",
        " 5\r\nhello\r\n",
        "5 \r\nhello\r\n",
        "5 5\r\nhello\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n",
        "5;a\rb\r\nhello",
        "5;a\nhello\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhellox\r\n",
        "ffffffffffffffff\r\n",
        "8000000000000000\r\n",
        "00000000000000000\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\n\n",
        "0\r\n\rx",
        "0\r\nA\x01: b\r\n\r\n",
        ";\r\n",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t step = 1; step <= 1000; step *= 1000) {
            struct dtr_str out = {0};
            size_t used;
            bool complete;
            if (decode(cases[i], step, &out, &used, &complete) != DTR_EPROTOCOL)
                fail_msg("case %zu was not refused", i);
            dtr_str_free(&out);
        }
    }
}

static void framing_is_bounded(void **state)
{
    (void)state;
    struct dtr_str text = {0}, out = {0};
    size_t used;
    bool complete;
    dtr_str_puts(&text, "1;");
    for (int i = 0; i < DTR_HTTP_CHUNK_LINE_MAX; i++)
        dtr_str_putc(&text, 'x');
    assert_int_equal(decode(dtr_str_text(&text), 1000, &out, &used, &complete), DTR_EPROTOCOL);
    dtr_str_clear(&text);
    dtr_str_puts(&text, "0\r\n");
    for (int i = 0; i < DTR_HTTP_TRAILERS_MAX / 5; i++)
        dtr_str_puts(&text, "a: b\r\n");
    assert_int_equal(decode(dtr_str_text(&text), 1000, &out, &used, &complete), DTR_EPROTOCOL);
    dtr_str_free(&text);
    dtr_str_free(&out);
}

static void ranges_resolve(void **state)
{
    (void)state;
    static const struct {
        const char *range;
        uint64_t total;
        int status;
        uint64_t offset, length;
    } cases[] = {
        {NULL, 100, 200, 0, 100},
        {"bytes=0-0", 100, 206, 0, 1},
        {"bytes=0-99", 100, 206, 0, 100},
        {"BYTES=10-19", 100, 206, 10, 10},
        {"bytes=10-", 100, 206, 10, 90},
        {"bytes=90-200", 100, 206, 90, 10},
        {"bytes=-1", 100, 206, 99, 1},
        {"bytes=-200", 100, 206, 0, 100},
        {"bytes=0-99999999999999999999999999", 100, 206, 0, 100},
        {"bytes=, 5-6 ,", 100, 206, 5, 2},
        {"bytes=100-", 100, 416, 0, 0},
        {"bytes=99999999999999999999999999-", 100, 416, 0, 0},
        {"bytes=-0", 100, 416, 0, 0},
        {"bytes=0-", 0, 416, 0, 0},
        {"bytes=-5", 0, 200, 0, 0},
        /* Ignored: several, malformed, another unit, nothing to resolve against. */
        {"bytes=0-0,5-6", 100, 200, 0, 100},
        {"bytes=9-5", 100, 200, 0, 100},
        {"bytes=", 100, 200, 0, 100},
        {"bytes=-", 100, 200, 0, 100},
        {"bytes=a-b", 100, 200, 0, 100},
        {"bytes=1-2x", 100, 200, 0, 100},
        {"bytes=+1-2", 100, 200, 0, 100},
        {"bytes=0x1-2", 100, 200, 0, 100},
        {"lines=1-2", 100, 200, 0, 100},
        {"bytes=1-2", DTR_LENGTH_UNKNOWN, 200, 0, DTR_LENGTH_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dtr_http_range range = dtr_http_range_parse(cases[i].range);
        uint64_t offset, length;
        int status = dtr_http_range_resolve(&range, cases[i].total, &offset, &length);
        if (status != cases[i].status || offset != cases[i].offset || length != cases[i].length)
            fail_msg("case %zu: %d, %llu+%llu", i, status, (unsigned long long)offset,
                     (unsigned long long)length);
    }
}

static void content_ranges(void **state)
{
    (void)state;
    char text[DTR_CONTENT_RANGE_TEXT];
    dtr_content_range_text(10, 5, 100, text);
    assert_string_equal(text, "bytes 10-14/100");
    dtr_content_range_text(10, 5, DTR_LENGTH_UNKNOWN, text);
    assert_string_equal(text, "bytes 10-14/*");
    dtr_content_range_text(0, 0, 100, text);
    assert_string_equal(text, "bytes */100");
    dtr_content_range_text(INT64_MAX - 1, 1, INT64_MAX, text);
    assert_string_equal(text, "bytes 9223372036854775806-9223372036854775806/9223372036854775807");
}

static void if_range_needs_the_same_version(void **state)
{
    (void)state;
    const char *date = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_true(dtr_http_if_range(NULL, NULL, NULL));
    assert_true(dtr_http_if_range("\"a\"", "\"a\"", NULL));
    assert_false(dtr_http_if_range("\"a\"", "\"b\"", date));
    assert_false(dtr_http_if_range("\"a\"", NULL, NULL));
    assert_false(dtr_http_if_range("W/\"a\"", "W/\"a\"", NULL));
    assert_false(dtr_http_if_range("\"a\"", "W/\"a\"", NULL));
    assert_true(dtr_http_if_range(date, "\"a\"", date));
    assert_false(dtr_http_if_range(date, "\"a\"", "Sun, 06 Nov 1994 08:49:38 GMT"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunked_bodies_decode), cmocka_unit_test(malformed_chunks_are_refused),
        cmocka_unit_test(framing_is_bounded),    cmocka_unit_test(ranges_resolve),
        cmocka_unit_test(content_ranges),        cmocka_unit_test(if_range_needs_the_same_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
