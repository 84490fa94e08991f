/* The recorded Vortex frames against the layout of the wire page (4.2), read field by field here, without
 * the transport: what the transport's own reader and writer must agree with. */
#include "core/base/digest.h"
#include "core/base/reader.h"
#include "core/base/str.h"
#include "core/brain/geometry.h"
#include "tests/transcripts/transcript.h"
#include <darter/piece.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Tag 0: 64 characters of task id, then the piece number, which is returned. */
static uint32_t check_request(const struct transcript_event *event)
{
    struct dtr_reader in = dtr_reader_of(event->bytes, event->length);
    const uint8_t *task;
    uint32_t number;

    assert_int_equal(event->length, 74);
    assert_true(event->from_client);
    (void)dtr_read_u8(&in); /* any id */
    assert_int_equal(dtr_read_u8(&in), 0);
    assert_int_equal(dtr_read_u32(&in), 68);
    task = dtr_read_bytes(&in, DTR_TASK_ID_LENGTH);
    assert_non_null(task);
    assert_true(dtr_is_hex((const char *)task, DTR_TASK_ID_LENGTH));
    number = dtr_read_u32(&in);
    assert_false(in.failed);
    assert_int_equal(dtr_reader_left(&in), 0);
    return number;
}

/* Tag 1: metadata of the piece asked for; returns its CRC-32. */
static uint32_t check_reply(const struct transcript_event *event, uint32_t number)
{
    struct dtr_reader in = dtr_reader_of(event->bytes, event->length);
    uint64_t offset, length;
    const char *digest;
    uint32_t crc, size;

    assert_true(dtr_piece_bounds(TRANSCRIPT_OBJECT_LENGTH, dtr_piece_length(TRANSCRIPT_OBJECT_LENGTH), number,
                                 &offset, &length));
    (void)dtr_read_u8(&in);
    assert_int_equal(dtr_read_u8(&in), 1);
    assert_int_equal(dtr_read_u32(&in), event->length - 6); /* the piece's bytes are not counted */
    assert_int_equal(dtr_read_u32(&in), event->length - 10);
    assert_int_equal(dtr_read_u32(&in), number);
    assert_int_equal(dtr_read_u64(&in), offset);
    assert_int_equal(dtr_read_u64(&in), length);
    size = dtr_read_u32(&in);
    digest = (const char *)dtr_read_bytes(&in, size);
    assert_non_null(digest);
    assert_true(dtr_crc32_parse(digest, size, &crc));
    size = dtr_read_u32(&in);
    assert_non_null(dtr_read_bytes(&in, size)); /* the peer it came from; may be empty */
    assert_int_equal(dtr_read_u8(&in), DTR_TRAFFIC_REMOTE_PEER);
    assert_true(dtr_read_u64(&in) < 60);          /* cost, seconds */
    assert_true(dtr_read_u64(&in) > 1700000000u); /* created at */
    assert_false(in.failed);
    assert_int_equal(dtr_reader_left(&in), 0);
    return crc;
}

/* The facts about the bytes that followed agree with the reply, and with the object's known bytes. */
static void check_content(const struct transcript_event *event, uint32_t number, uint32_t crc)
{
    unsigned long long length;
    uint64_t offset, expected;
    char start[32], hex[65];
    unsigned seen;

    assert_true(dtr_piece_bounds(TRANSCRIPT_OBJECT_LENGTH, dtr_piece_length(TRANSCRIPT_OBJECT_LENGTH), number,
                                 &offset, &expected));
    assert_int_equal(sscanf(event->text, "%llu crc32:%u", &length, &seen), 2);
    assert_int_equal(length, expected);
    assert_int_equal(seen, crc);
    transcript_object(offset, start, sizeof(start));
    dtr_hex(start, sizeof(start), hex);
    assert_string_equal(strrchr(event->text, ' ') + 1, hex);
}

/* One connection: request, reply, the client's FIN while bytes still come, content, the server's FIN. */
static void check_connection(const struct transcript *t, size_t connection, size_t *ret_early)
{
    const struct transcript_event *request = NULL, *reply = NULL, *content = NULL, *fin = NULL, *last = NULL;
    uint32_t number, crc;

    for (size_t i = 0; i < t->event_count; i++) {
        const struct transcript_event *event = &t->events[i];
        if (event->connection != connection)
            continue;
        last = event;
        if (event->kind == TRANSCRIPT_REQUEST)
            request = event;
        else if (event->kind == TRANSCRIPT_REPLY)
            reply = event;
        else if (event->kind == TRANSCRIPT_CONTENT)
            content = event;
        else if (event->kind == TRANSCRIPT_END && event->from_client)
            fin = event;
    }
    assert_true(request && reply && content && fin && last);
    number = check_request(request);
    crc = check_reply(reply, number);
    check_content(content, number, crc);
    assert_true(request < reply && reply < fin);
    assert_true(last->kind == TRANSCRIPT_END);
    *ret_early += fin < content;
}

static void frames_have_the_layout(void **state)
{
    static const char *const names[] = {"managed-vortex", "managerless-vortex"};
    size_t connections = 0, early = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct transcript t;
        transcript_need(&t, names[i]);
        for (size_t j = 0; j < t.connection_count; j++)
            check_connection(&t, j, &early);
        connections += t.connection_count;
        transcript_free(&t);
    }
    assert_int_equal(connections, 12);
    /* So a FIN from the child must not stop the parent. */
    assert_int_equal(early, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_have_the_layout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
