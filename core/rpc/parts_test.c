/* The parts that need no session: status texts, timeouts, base64, frames, unpacking. */
#include "core/rpc/frame.h"
#include "core/rpc/methods.h"
#include "core/rpc/unpack.h"

#include "proto/dfdaemon.pb-c.h"
#include "proto/health.pb-c.h"
#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void timeouts_are_read_in_every_unit(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {{"10000000u", 10000},
                {"10S", 10000},
                {"3M", 180000},
                {"1H", 3600000},
                {"250m", 250},
                {"1n", 1},
                {"1500000n", 2},
                {"99999999H", 359999996400000},
                {"0m", 1}};
    static const char *const bad[] = {"", "S", "10", "10s", "-1S", "1.5S", "123456789S", "1 S", "10SS"};
    uint64_t ms = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(dtr_rpc_timeout_parse(good[i].text, strlen(good[i].text), &ms));
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(dtr_rpc_timeout_parse(bad[i], strlen(bad[i]), &ms));
}

static void timeouts_are_written_in_eight_digits(void **state)
{
    static const uint64_t values[] = {1, 10000, 99999999, 100000000, 7200000000, UINT64_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char text[DTR_RPC_TIMEOUT_TEXT];
        uint64_t ms = 0;
        dtr_rpc_timeout_text(values[i], text);
        assert_true(dtr_rpc_timeout_parse(text, strlen(text), &ms));
        if (values[i] < 100000000)
            assert_int_equal(ms, values[i]);
        else
            assert_true(ms <= values[i]);
    }
}

static void messages_survive_percent_encoding(void **state)
{
    static const char text[] = "100% ä €, \"tab\there\"";
    char encoded[128], decoded[128];
    (void)state;
    size_t length = dtr_rpc_percent_encode(text, encoded, sizeof(encoded));
    for (size_t i = 0; i < length; i++)
        assert_true(encoded[i] >= 0x20 && encoded[i] < 0x7f);
    assert_int_equal(dtr_rpc_percent_decode(encoded, length, decoded), sizeof(text) - 1);
    assert_string_equal(decoded, "100% ä €, \"tab here\"");
    /* What is no escape stays. */
    assert_int_equal(dtr_rpc_percent_decode("5% of %zz%4", 11, decoded), 11);
    assert_string_equal(decoded, "5% of %zz%4");
    assert_int_equal(dtr_rpc_percent_encode("ää", encoded, 8), 6); /* never half an escape */
    assert_string_equal(encoded, "%C3%A4");
}

static void base64_goes_both_ways(void **state)
{
    uint8_t bytes[64], back[96];
    char text[DTR_RPC_BASE64_SIZE(64)];
    size_t length = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 37 + 200);
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        size_t written = dtr_rpc_base64_encode(bytes, n, text);
        assert_int_equal(written, strlen(text));
        assert_int_equal(written % 4, 0);
        assert_true(dtr_rpc_base64_decode(text, written, back, &length));
        assert_int_equal(length, n);
        assert_memory_equal(back, bytes, n);
    }
    assert_true(dtr_rpc_base64_decode("eyJh", 4, back, &length));
    assert_true(dtr_rpc_base64_decode("YQ", 2, back, &length)); /* no padding */
    assert_int_equal(length, 1);
    assert_false(dtr_rpc_base64_decode("YQ=x", 4, back, &length));
    assert_false(dtr_rpc_base64_decode("Y", 1, back, &length));
}

static void statuses_and_errors_fit_each_other(void **state)
{
    struct dtr_rpc_status status = {.code = DTR_RPC_NOT_FOUND, .message = "no task"};
    struct dtr_error err;
    (void)state;
    assert_int_equal(dtr_rpc_status_error(&status, "StatTask", &err), DTR_ENOT_FOUND);
    assert_string_equal(err.text, "StatTask: NOT_FOUND: no task");
    assert_int_equal(dtr_rpc_code_of_error(&err), DTR_RPC_NOT_FOUND);
    assert_string_equal(dtr_rpc_code_name((enum dtr_rpc_code)99), "UNKNOWN");
    assert_int_equal(dtr_rpc_code_parse("16", 2), DTR_RPC_UNAUTHENTICATED);
    assert_int_equal(dtr_rpc_code_parse("17", 2), DTR_RPC_UNKNOWN);
    assert_int_equal(dtr_rpc_code_parse("", 0), DTR_RPC_UNKNOWN);
    status.code = DTR_RPC_OK;
    assert_int_equal(dtr_rpc_status_error(&status, "x", &err), DTR_OK);
}

static void a_length_field_asks_for_no_memory(void **state)
{
    struct dtr_rpc_frames frames = {0};
    const uint8_t prefix[] = {0, 0x03, 0xff, 0xff, 0xff, 1, 2, 3};
    const uint8_t *at = prefix, *bytes = NULL;
    size_t length = 0;
    (void)state;
    assert_int_equal(dtr_rpc_frames_next(&frames, (size_t)64 << 20, &at, prefix + 8, &bytes, &length),
                     DTR_RPC_FRAME_MORE);
    assert_true(frames.capacity < 100);
    assert_true(dtr_rpc_frames_partial(&frames));
    dtr_rpc_frames_free(&frames);
}

static void whole_messages_are_not_copied(void **state)
{
    struct dtr_rpc_frames frames = {0};
    const uint8_t two[] = {0, 0, 0, 0, 1, 'a', 0, 0, 0, 0, 0};
    const uint8_t *at = two, *bytes = NULL;
    size_t length = 0;
    (void)state;
    assert_int_equal(dtr_rpc_frames_next(&frames, 10, &at, two + 11, &bytes, &length), DTR_RPC_FRAME_MESSAGE);
    assert_ptr_equal(bytes, two + 5);
    assert_int_equal(dtr_rpc_frames_next(&frames, 10, &at, two + 11, &bytes, &length), DTR_RPC_FRAME_MESSAGE);
    assert_int_equal(length, 0);
    assert_int_equal(dtr_rpc_frames_next(&frames, 10, &at, two + 11, &bytes, &length), DTR_RPC_FRAME_MORE);
    assert_null(frames.body);
}

/* A frame of empty sub-messages: two bytes each on the wire, hundreds when unpacked. */
static void a_small_frame_cannot_ask_for_much(void **state)
{
    struct dtr_rpc_arena arena = {0};
    const ProtobufCMessageDescriptor *type = &dfdaemon__v2__list_local_tasks_response__descriptor;
    const ProtobufCMessage *message = NULL;
    struct dtr_error err;
    size_t length = (size_t)4 << 20;
    uint8_t *bytes = malloc(length);
    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < length; i += 2) {
        bytes[i] = 0x0a;
        bytes[i + 1] = 0;
    }
    assert_int_equal(dtr_rpc_unpack(&arena, SIZE_MAX, type, bytes, length, &message, &err), DTR_ELIMIT);
    assert_true(arena.used <= 8 * length + 65536);
    assert_int_equal(dtr_rpc_unpack(&arena, (size_t)1 << 20, type, bytes, length, &message, &err),
                     DTR_ELIMIT);
    assert_true(arena.used <= (size_t)1 << 20);
    assert_int_equal(dtr_rpc_unpack(&arena, SIZE_MAX, type, bytes, 20, &message, &err), DTR_OK);
    dtr_rpc_arena_free(&arena);
    free(bytes);
}

static void texts_are_checked(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        bool good;
    } cases[] = {
        {"\x0a\3abc", 5, true},       {"\x0a\2\xc3\xa4", 4, true},  {"\x0a\4\xf0\x9f\x90\x9f", 6, true},
        {"\x0a\1\0", 3, false},       {"\x0a\2\xc0\x80", 4, false}, {"\x0a\1\xff", 3, false},
        {"\x0a\2\xe2\x82", 4, false}, {"\x12\1\0", 3, true},        {"", 0, true},
        {"\x0a", 1, false},           {"\x0a\x80", 2, false},       {"\x02\0", 2, false},
        {"\x0b\0", 2, false}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(dtr_rpc_check(&grpc__health__v1__health_check_request__descriptor,
                                       (const uint8_t *)cases[i].bytes, cases[i].length),
                         cases[i].good);
}

static void every_method_is_well_formed(void **state)
{
    struct dtr_rpc_table *table = NULL;
    (void)state;
#define CHECK(name, path_, kind_, flags_, input_, output_)                                                   \
    assert_true(dtr_rpc_##name.path[0] == '/' && strchr(dtr_rpc_##name.path + 1, '/'));                      \
    assert_int_equal(dtr_rpc_##name.input->magic, PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC);                     \
    assert_int_equal(dtr_rpc_##name.output->magic, PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC);
    DTR_RPC_METHODS(CHECK)
#undef CHECK
    assert_int_equal(dtr_rpc_table_new(&table, NULL), DTR_OK);
    dtr_rpc_table_free(table);
}

/* Callers name 10 s for streams that live for minutes (wire page 6). */
static void long_streams_outlive_their_timeout(void **state)
{
    static const struct dtr_rpc_method *const methods[] = {
        &dtr_rpc_upload_sync_pieces, &dtr_rpc_upload_sync_host, &dtr_rpc_upload_download_task,
        &dtr_rpc_download_download_task};
    (void)state;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        assert_true(methods[i]->flags & DTR_RPC_TIMEOUT_TO_HEADERS);
    assert_false(dtr_rpc_upload_stat_task.flags & DTR_RPC_TIMEOUT_TO_HEADERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timeouts_are_read_in_every_unit),
        cmocka_unit_test(timeouts_are_written_in_eight_digits),
        cmocka_unit_test(messages_survive_percent_encoding),
        cmocka_unit_test(base64_goes_both_ways),
        cmocka_unit_test(statuses_and_errors_fit_each_other),
        cmocka_unit_test(a_length_field_asks_for_no_memory),
        cmocka_unit_test(whole_messages_are_not_copied),
        cmocka_unit_test(a_small_frame_cannot_ask_for_much),
        cmocka_unit_test(texts_are_checked),
        cmocka_unit_test(every_method_is_well_formed),
        cmocka_unit_test(long_streams_outlive_their_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
