/* The rules of copy.h against a store in memory: one piece is 8 bytes here, the object 20. */
#include "core/daemon/tasks/copy.h"

#include "core/base/digest.h"
#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

/* --- a store in memory ---------------------------------------------------------------------------------- */

struct dtr_stored {
    uint8_t bytes[64];
    uint32_t marks; /* bit per piece */
    uint64_t content_length;
    int fail_write_after; /* writes until one fails, -1 never */
    bool closed;
};

static struct dtr_stored disk;

static int mem_open(void *instance, const struct dtr_task_facts *facts, struct dtr_stored **ret,
                    struct dtr_error *err)
{
    (void)instance;
    (void)err;
    disk.content_length = facts->content_length;
    *ret = &disk;
    return DTR_OK;
}

static int mem_update(struct dtr_stored *stored, const struct dtr_task_facts *facts, struct dtr_error *err)
{
    (void)err;
    stored->content_length = facts->content_length;
    return DTR_OK;
}

static int mem_write(struct dtr_stored *stored, uint64_t offset, const void *bytes, size_t length,
                     struct dtr_error *err)
{
    if (stored->fail_write_after == 0)
        return dtr_error_set(err, DTR_ENO_SPACE, DTR_RETRY_NEVER, "full");
    if (stored->fail_write_after > 0)
        stored->fail_write_after--;
    memcpy(stored->bytes + offset, bytes, length);
    return DTR_OK;
}

static int mem_mark(struct dtr_stored *stored, const struct dtr_piece *piece, struct dtr_error *err)
{
    (void)err;
    stored->marks |= 1u << piece->number;
    return DTR_OK;
}

static int mem_unmark(struct dtr_stored *stored, uint32_t first, uint32_t count, struct dtr_error *err)
{
    (void)err;
    for (uint32_t i = first; i < first + count; i++)
        stored->marks &= ~(1u << i);
    return DTR_OK;
}

static int mem_lease(struct dtr_stored *stored, uint64_t offset, uint64_t length, struct dtr_extent *ret,
                     struct dtr_error *err)
{
    (void)err;
    *ret = (struct dtr_extent){.fd = -1, .data = stored->bytes + offset, .length = length};
    return DTR_OK;
}

static int mem_read(struct dtr_stored *stored, uint64_t offset, void *bytes, size_t length,
                    struct dtr_error *err)
{
    (void)err;
    memcpy(bytes, stored->bytes + offset, length);
    return DTR_OK;
}

static void mem_close(struct dtr_stored *stored)
{
    stored->closed = true;
}

static const struct dtr_storage_ops ops = {
    .size = sizeof(ops),
    .open = mem_open,
    .update = mem_update,
    .write = mem_write,
    .mark = mem_mark,
    .unmark = mem_unmark,
    .lease = mem_lease,
    .read = mem_read,
    .close = mem_close,
};

/* --- the copy under test ----------------------------------------------------------------------------------
 */

static const uint8_t object[20] = "abcdefghijklmnopqrst";
static uint32_t told; /* bit per piece that a writer reported */

static void on_piece(void *context, const struct dtr_piece *piece)
{
    (void)context;
    assert_false(told & 1u << piece->number); /* at most once */
    told |= 1u << piece->number;
    assert_int_equal(piece->crc32, dtr_crc32(0, object + piece->offset, piece->length));
}

static const struct dtr_writer_events events = {on_piece};

static struct dtr_copy *new_copy(uint64_t length)
{
    struct dtr_task_facts facts = {.task_id =
                                       "5844f27a257287e9b734256bb25603d8005422ced8c0377f15063ec11963b25f",
                                   .content_length = length,
                                   .piece_length = 8};
    struct dtr_copy *copy = NULL;
    struct dtr_error err;
    memset(&disk, 0, sizeof(disk));
    disk.fail_write_after = -1;
    told = 0;
    assert_int_equal(dtr_copy_open(&ops, NULL, &facts, NULL, 0, &copy, &err), DTR_OK);
    return copy;
}

static struct dtr_writer *from_peer(struct dtr_copy *copy, uint32_t number, uint32_t crc32)
{
    struct dtr_writer *writer = NULL;
    struct dtr_error err;
    uint64_t start = number * 8u, end = start + 8 < 20 ? start + 8 : 20;
    struct dtr_piece facts = {
        .number = number, .offset = start, .length = end - start, .crc32 = crc32, .has_crc32 = true};
    assert_int_equal(dtr_writer_piece(copy, number, &events, NULL, &writer, &err), DTR_OK);
    assert_int_equal(dtr_writer_facts(writer, &facts, &err), DTR_OK);
    return writer;
}

static uint32_t crc_of(uint64_t offset, uint64_t length)
{
    return dtr_crc32(0, object + offset, length);
}

static struct dtr_writer *from_origin(struct dtr_copy *copy, uint64_t offset)
{
    struct dtr_writer *writer = NULL;
    struct dtr_error err;
    assert_int_equal(dtr_writer_origin(copy, offset, &events, NULL, &writer, &err), DTR_OK);
    return writer;
}

static void give(struct dtr_writer *writer, uint64_t offset, size_t length)
{
    struct dtr_error err;
    assert_int_equal(dtr_writer_bytes(writer, object + offset, length, &err), DTR_OK);
}

static void the_origin_fills_piece_after_piece(void **state)
{
    (void)state;
    struct dtr_copy *copy = new_copy(20);
    struct dtr_writer *writer = from_origin(copy, 0);
    struct dtr_error err;
    give(writer, 0, 5);
    assert_int_equal(dtr_copy_readable(copy, 0), 5); /* before the piece is complete */
    assert_int_equal(told, 0);
    give(writer, 5, 12);
    assert_int_equal(told, 3);
    give(writer, 17, 3);
    assert_int_equal(dtr_writer_end(writer, true, &err), DTR_OK);
    assert_int_equal(told, 7);
    assert_true(dtr_copy_complete(copy));
    assert_int_equal(disk.marks, 7);
    assert_memory_equal(disk.bytes, object, 20);
    assert_int_equal(dtr_writer_bytes(writer, object, 1, &err), DTR_EPROTOCOL);
    dtr_writer_close(writer);
    dtr_copy_close(copy);
    assert_true(disk.closed);
}

static void an_unknown_length_is_learnt_at_the_end(void **state)
{
    (void)state;
    struct dtr_copy *copy = new_copy(DTR_LENGTH_UNKNOWN);
    struct dtr_writer *writer = from_origin(copy, 0);
    struct dtr_error err;
    give(writer, 0, 20);
    assert_int_equal(told, 3);
    assert_false(dtr_copy_complete(copy));
    assert_int_equal(dtr_writer_end(writer, true, &err), DTR_OK);
    assert_int_equal(told, 7);
    assert_true(dtr_copy_complete(copy));
    assert_int_equal(disk.content_length, 20);
    assert_int_equal(dtr_copy_learn(copy, 21, 8, &err), DTR_ECORRUPT);
    dtr_writer_close(writer);
    dtr_copy_close(copy);
}

static void an_object_that_ends_early_is_an_error(void **state)
{
    (void)state;
    struct dtr_copy *copy = new_copy(20);
    struct dtr_writer *writer = from_origin(copy, 0);
    struct dtr_error err;
    give(writer, 0, 19);
    assert_int_equal(dtr_writer_end(writer, true, &err), DTR_ECLOSED);
    assert_int_equal(told, 3);
    dtr_writer_close(writer);
    /* Another transfer goes on where it stopped: the last piece comes from both. */
    writer = from_origin(copy, 19);
    give(writer, 19, 1);
    assert_int_equal(dtr_writer_end(writer, true, &err), DTR_OK);
    assert_int_equal(told, 7);
    dtr_writer_close(writer);
    dtr_copy_close(copy);
}

static void a_piece_with_a_wrong_checksum_is_not_marked(void **state)
{
    (void)state;
    struct dtr_copy *copy = new_copy(20);
    struct dtr_writer *writer = from_peer(copy, 1, crc_of(8, 8) ^ 1);
    struct dtr_error err;
    give(writer, 8, 8);
    assert_int_equal(dtr_writer_end(writer, false, &err), DTR_ECORRUPT);
    assert_int_equal(told, 0);
    assert_int_equal(disk.marks, 0);
    assert_int_equal(dtr_copy_readable(copy, 8), 0);
    assert_null(dtr_copy_piece(copy, 1));
    dtr_writer_close(writer);
    writer = from_peer(copy, 1, crc_of(8, 8));
    give(writer, 8, 4);
    assert_int_equal(dtr_copy_readable(copy, 8), 0); /* unverified bytes of a peer are nobody's */
    give(writer, 12, 4);
    assert_int_equal(dtr_writer_end(writer, false, &err), DTR_OK);
    assert_int_equal(told, 2);
    dtr_writer_close(writer);
    dtr_copy_close(copy);
}

static void a_peer_that_cuts_otherwise_is_refused(void **state)
{
    (void)state;
    struct dtr_copy *copy = new_copy(20);
    struct dtr_writer *writer = NULL;
    struct dtr_error err;
    struct dtr_piece facts = {.number = 2, .offset = 16, .length = 8};
    assert_int_equal(dtr_writer_piece(copy, 3, &events, NULL, &writer, &err), DTR_EINVALID);
    assert_int_equal(dtr_writer_piece(copy, 2, &events, NULL, &writer, &err), DTR_OK);
    assert_int_equal(dtr_writer_facts(writer, &facts, &err), DTR_EPROTOCOL);
    give(writer, 16, 4);
    assert_int_equal(dtr_writer_bytes(writer, object, 1, &err), DTR_EPROTOCOL);
    dtr_writer_close(writer);
    writer = from_peer(copy, 2, crc_of(16, 4));
    give(writer, 16, 3);
    assert_int_equal(dtr_writer_end(writer, false, &err), DTR_ECLOSED);
    dtr_writer_close(writer);
    dtr_copy_close(copy);
}

static void a_marked_piece_is_never_written_again(void **state)
{
    (void)state;
    struct dtr_copy *copy = new_copy(20);
    struct dtr_writer *good = from_peer(copy, 0, crc_of(0, 8)), *liar = from_peer(copy, 0, crc_of(0, 8));
    struct dtr_error err;
    give(good, 0, 8);
    assert_int_equal(dtr_writer_end(good, false, &err), DTR_OK);
    assert_int_equal(dtr_writer_bytes(liar, (const uint8_t *)"XXXXXXXX", 8, &err), DTR_OK);
    assert_int_equal(dtr_writer_end(liar, false, &err), DTR_ECORRUPT);
    assert_memory_equal(disk.bytes, object, 8);
    assert_int_equal(told, 1);
    dtr_writer_close(good);
    dtr_writer_close(liar);
    dtr_copy_close(copy);
}

/* Both write, the liar last: what passed through the honest writer is not what lies on the disk. */
static void two_writers_of_one_piece_are_read_back(void **state)
{
    (void)state;
    struct dtr_copy *copy = new_copy(20);
    struct dtr_writer *good = from_peer(copy, 0, crc_of(0, 8)), *liar = from_peer(copy, 0, crc_of(0, 8));
    struct dtr_error err;
    give(good, 0, 7);
    assert_int_equal(dtr_writer_bytes(liar, (const uint8_t *)"XXX", 3, &err), DTR_OK);
    give(good, 7, 1);
    assert_int_equal(dtr_writer_end(good, false, &err), DTR_ECORRUPT);
    assert_int_equal(told, 0);
    dtr_writer_close(good);
    dtr_writer_close(liar);
    good = from_peer(copy, 0, crc_of(0, 8));
    give(good, 0, 8);
    assert_int_equal(dtr_writer_end(good, false, &err), DTR_OK);
    assert_memory_equal(disk.bytes, object, 8);
    dtr_writer_close(good);
    dtr_copy_close(copy);
}

/* A client may be reading the origin's first bytes when a peer takes over the piece. */
static void the_origins_bytes_outlive_a_lying_peer(void **state)
{
    (void)state;
    struct dtr_copy *copy = new_copy(20);
    struct dtr_writer *writer = from_origin(copy, 0);
    struct dtr_error err;
    give(writer, 0, 5);
    dtr_writer_close(writer);
    writer = from_peer(copy, 0, dtr_crc32(0, "XXXXXXXX", 8));
    assert_int_equal(dtr_writer_bytes(writer, (const uint8_t *)"XXXXXXXX", 8, &err), DTR_OK);
    assert_int_equal(dtr_writer_end(writer, false, &err), DTR_ECORRUPT); /* right CRC, other object */
    assert_memory_equal(disk.bytes, object, 5);
    dtr_writer_close(writer);
    writer = from_peer(copy, 0, crc_of(0, 8));
    give(writer, 0, 8);
    assert_int_equal(dtr_writer_end(writer, false, &err), DTR_OK);
    assert_memory_equal(disk.bytes, object, 8);
    dtr_writer_close(writer);
    dtr_copy_close(copy);
}

static void a_stream_from_the_middle_marks_only_whole_pieces(void **state)
{
    (void)state;
    struct dtr_copy *copy = new_copy(20);
    struct dtr_writer *writer = from_origin(copy, 5);
    struct dtr_error err;
    give(writer, 5, 15);
    assert_int_equal(dtr_writer_end(writer, true, &err), DTR_OK);
    assert_int_equal(told, 6);
    assert_int_equal(dtr_copy_readable(copy, 0), 0);
    assert_int_equal(dtr_copy_readable(copy, 5), 15);
    dtr_writer_close(writer);
    writer = from_origin(copy, 0);
    give(writer, 0, 8);
    assert_int_equal(told, 7);
    dtr_writer_close(writer);
    dtr_copy_close(copy);
}

/* Ranges that readers want one after the other: the piece is complete when the last gap is filled, wherever
 * the stream that fills it ends. */
static void a_piece_may_come_in_parts(void **state)
{
    (void)state;
    struct dtr_copy *copy = new_copy(20);
    struct dtr_writer *writer = from_origin(copy, 12);
    struct dtr_error err;
    give(writer, 12, 4);
    dtr_writer_close(writer);
    assert_int_equal(told, 0);
    writer = from_origin(copy, 5);
    give(writer, 5, 7);
    assert_int_equal(told, 2);
    give(writer, 12, 2); /* there already */
    assert_int_equal(dtr_writer_end(writer, false, &err), DTR_OK);
    dtr_writer_close(writer);
    writer = from_origin(copy, 0);
    give(writer, 0, 5);
    assert_int_equal(told, 3);
    assert_int_equal(disk.marks, 3);
    assert_memory_equal(disk.bytes, object, 16);
    dtr_writer_close(writer);
    dtr_copy_close(copy);
}

static void add_crc32(void *context, const void *bytes, size_t length)
{
    uint32_t *crc32 = context;
    *crc32 = dtr_crc32(*crc32, bytes, length);
}

static void what_is_stored_can_be_read_back_and_withdrawn(void **state)
{
    (void)state;
    struct dtr_copy *copy = new_copy(20);
    struct dtr_writer *writer = from_origin(copy, 0);
    struct dtr_error err;
    uint32_t crc32 = 0;
    give(writer, 0, 20);
    dtr_writer_close(writer);
    assert_int_equal(dtr_copy_scan(copy, 8, 8, add_crc32, &crc32, &err), DTR_OK);
    assert_int_equal(crc32, dtr_copy_piece(copy, 1)->crc32);
    assert_int_equal(dtr_copy_withdraw(copy, 1, 1, &err), DTR_OK);
    assert_null(dtr_copy_piece(copy, 1));
    assert_int_equal(disk.marks, 5);
    assert_int_equal(dtr_copy_readable(copy, 0), 8);
    dtr_copy_close(copy);
}

static void a_full_disk_is_reported(void **state)
{
    (void)state;
    struct dtr_copy *copy = new_copy(20);
    struct dtr_writer *writer = from_origin(copy, 0);
    struct dtr_error err;
    disk.fail_write_after = 1;
    give(writer, 0, 4);
    assert_int_equal(dtr_writer_bytes(writer, object + 4, 4, &err), DTR_ENO_SPACE);
    assert_int_equal(dtr_copy_readable(copy, 0), 4);
    assert_int_equal(disk.marks, 0);
    dtr_writer_close(writer);
    dtr_copy_close(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_origin_fills_piece_after_piece),
        cmocka_unit_test(an_unknown_length_is_learnt_at_the_end),
        cmocka_unit_test(an_object_that_ends_early_is_an_error),
        cmocka_unit_test(a_piece_with_a_wrong_checksum_is_not_marked),
        cmocka_unit_test(a_peer_that_cuts_otherwise_is_refused),
        cmocka_unit_test(a_marked_piece_is_never_written_again),
        cmocka_unit_test(two_writers_of_one_piece_are_read_back),
        cmocka_unit_test(the_origins_bytes_outlive_a_lying_peer),
        cmocka_unit_test(a_stream_from_the_middle_marks_only_whole_pieces),
        cmocka_unit_test(a_piece_may_come_in_parts),
        cmocka_unit_test(what_is_stored_can_be_read_back_and_withdrawn),
        cmocka_unit_test(a_full_disk_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
