/* Writers bring bytes into a copy; the rules stand in copy.h. */
#include "core/daemon/tasks/copy_internal.h"

#include "core/base/clock.h"
#include "core/base/digest.h"
#include <stdlib.h>

static uint64_t piece_start(const struct dtr_writer *writer)
{
    return writer->number * writer->copy->facts.piece_length;
}

static bool is_marked(const struct dtr_writer *writer)
{
    return dtr_copy_piece(writer->copy, writer->number) != NULL;
}

/* Steps into a piece: nothing is known of it yet. */
static void enter_piece(struct dtr_writer *writer, uint32_t number)
{
    struct dtr_copy *copy = writer->copy;
    writer->number = number;
    writer->crc32 = 0;
    writer->from_start = writer->at == piece_start(writer);
    writer->mixed = false;
    writer->since_ns = dtr_now_ns();
    dtr_list_each (node, &copy->writers) {
        struct dtr_writer *other = dtr_container(node, struct dtr_writer, link);
        if (other != writer && other->number == number)
            writer->mixed = other->mixed = true;
    }
}

static int open_writer(struct dtr_copy *copy, bool origin, uint64_t at, uint64_t end, uint32_t number,
                       const struct dtr_writer_events *events, void *context, struct dtr_writer **ret_writer,
                       struct dtr_error *err)
{
    struct dtr_writer *writer = calloc(1, sizeof(*writer));
    if (!writer)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a transfer");
    *writer = (struct dtr_writer){
        .copy = copy, .origin = origin, .at = at, .end = end, .events = events, .context = context};
    enter_piece(writer, number);
    dtr_list_add_tail(&copy->writers, &writer->link);
    *ret_writer = writer;
    return DTR_OK;
}

int dtr_writer_piece(struct dtr_copy *copy, uint32_t number, const struct dtr_writer_events *events,
                     void *context, struct dtr_writer **ret_writer, struct dtr_error *err)
{
    uint32_t count = dtr_copy_piece_count(copy);
    if (number >= count)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "task %.8s has %u pieces, piece %u is none of them", copy->facts.task_id, count,
                             number);
    return open_writer(copy, false, number * copy->facts.piece_length, dtr_copy_piece_end(copy, number),
                       number, events, context, ret_writer, err);
}

int dtr_writer_origin(struct dtr_copy *copy, uint64_t offset, const struct dtr_writer_events *events,
                      void *context, struct dtr_writer **ret_writer, struct dtr_error *err)
{
    if (copy->facts.piece_length == 0 || offset > copy->facts.content_length)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "task %.8s: offset %llu is not within the object", copy->facts.task_id,
                             (unsigned long long)offset);
    return open_writer(copy, true, offset, DTR_LENGTH_UNKNOWN, (uint32_t)(offset / copy->facts.piece_length),
                       events, context, ret_writer, err);
}

int dtr_writer_facts(struct dtr_writer *writer, const struct dtr_piece *piece, struct dtr_error *err)
{
    if (piece->number != writer->number || piece->offset != piece_start(writer) ||
        piece->offset + piece->length != writer->end)
        return dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_ELSEWHERE,
                             "task %.8s: the peer's piece %u is cut otherwise than ours",
                             writer->copy->facts.task_id, piece->number);
    writer->facts = *piece;
    writer->has_facts = true;
    return DTR_OK;
}

/* Writes those of the bytes that are not there for good. */
static int store(struct dtr_writer *writer, const uint8_t *bytes, size_t length, struct dtr_error *err)
{
    struct dtr_copy *copy = writer->copy;
    uint64_t from = writer->at, limit = writer->at + length;
    struct dtr_range gap;
    int rc = DTR_OK;
    if (is_marked(writer))
        return DTR_OK;
    if (writer->origin)
        rc = copy->ops->write(copy->stored, from, bytes, length, err);
    while (!writer->origin && rc == DTR_OK && dtr_ranges_gap(&copy->readable, from, limit, &gap)) {
        if (gap.start > from)
            writer->mixed = true;
        rc = copy->ops->write(copy->stored, gap.start, bytes + (gap.start - writer->at),
                              (size_t)(gap.end - gap.start), err);
        from = gap.end;
    }
    if (!writer->origin && from < limit)
        writer->mixed = true; /* the end of it was there */
    if (rc == DTR_OK && writer->origin && !dtr_ranges_add(&copy->readable, writer->at, limit))
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the map of task %.8s",
                           copy->facts.task_id);
    return rc;
}

/* What the store holds must be what came; `crc32` is of the bytes as they passed. */
static int read_back(struct dtr_writer *writer, struct dtr_piece *piece, bool compare, struct dtr_error *err)
{
    uint32_t stored;
    int rc = dtr_copy_crc32(writer->copy, piece->offset, piece->length, &stored, err);
    if (rc == DTR_OK && compare && stored != piece->crc32)
        rc = dtr_error_set(err, DTR_ECORRUPT, DTR_RETRY_SAME,
                           "task %.8s: piece %u got mixed up with another transfer's",
                           writer->copy->facts.task_id, piece->number);
    piece->crc32 = stored;
    return rc;
}

/* All bytes of the present piece are in the store, though perhaps not all passed here: check, mark, tell. */
static int finish_piece(struct dtr_writer *writer, uint64_t end, struct dtr_error *err)
{
    struct dtr_piece piece = {
        .number = writer->number,
        .offset = piece_start(writer),
        .length = end - piece_start(writer),
        .crc32 = writer->crc32,
        .has_crc32 = true,
        .traffic = writer->origin ? DTR_TRAFFIC_BACK_TO_SOURCE : DTR_TRAFFIC_REMOTE_PEER,
        .cost_ns = dtr_now_ns() - writer->since_ns,
        .created_at = dtr_wall_ns() / 1000000000,
    };
    int rc = DTR_OK;
    if (is_marked(writer))
        return DTR_OK;
    bool passed = writer->from_start && writer->at == end;
    if (writer->mixed || !passed)
        rc = read_back(writer, &piece, passed, err);
    if (rc == DTR_OK)
        rc = dtr_copy_mark(writer->copy, &piece, err);
    if (rc == DTR_OK && writer->events->piece)
        writer->events->piece(writer->context, &piece);
    return rc;
}

/* The origin's bytes complete a piece where they fill its last gap, and may run on into the next one. */
static int pass_piece(struct dtr_writer *writer, uint64_t end, struct dtr_error *err)
{
    int rc = DTR_OK;
    if (dtr_ranges_has(&writer->copy->readable, piece_start(writer), end))
        rc = finish_piece(writer, end, err);
    if (rc == DTR_OK && writer->at == end && end < writer->copy->facts.content_length)
        enter_piece(writer, writer->number + 1);
    return rc;
}

int dtr_writer_bytes(struct dtr_writer *writer, const uint8_t *bytes, size_t length, struct dtr_error *err)
{
    int rc = DTR_OK;
    while (length > 0 && rc == DTR_OK) {
        uint64_t end = dtr_copy_piece_end(writer->copy, writer->number);
        if (writer->at >= end)
            return dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_ELSEWHERE,
                                 "task %.8s: more bytes came than there are", writer->copy->facts.task_id);
        size_t part = end - writer->at < length ? (size_t)(end - writer->at) : length;
        rc = store(writer, bytes, part, err);
        if (rc != DTR_OK)
            break;
        writer->crc32 = dtr_crc32(writer->crc32, bytes, part);
        writer->at += part;
        bytes += part;
        length -= part;
        if (writer->origin)
            rc = pass_piece(writer, end, err);
    }
    return rc;
}

static int end_of_object(struct dtr_writer *writer, struct dtr_error *err)
{
    struct dtr_copy *copy = writer->copy;
    if (copy->facts.content_length == DTR_LENGTH_UNKNOWN) {
        int rc = dtr_copy_learn(copy, writer->at, copy->facts.piece_length, err);
        if (rc == DTR_OK && writer->at > piece_start(writer))
            rc = pass_piece(writer, writer->at, err);
        return rc;
    }
    if (writer->at != copy->facts.content_length)
        return dtr_error_set(err, DTR_ECLOSED, DTR_RETRY_SAME, "task %.8s: the object ends %llu bytes early",
                             copy->facts.task_id,
                             (unsigned long long)(copy->facts.content_length - writer->at));
    return DTR_OK;
}

int dtr_writer_end(struct dtr_writer *writer, bool at_end, struct dtr_error *err)
{
    if (writer->origin)
        return at_end ? end_of_object(writer, err) : DTR_OK;
    if (writer->at != writer->end)
        return dtr_error_set(err, DTR_ECLOSED, DTR_RETRY_ELSEWHERE, "task %.8s: piece %u ends early",
                             writer->copy->facts.task_id, writer->number);
    if (writer->has_facts && writer->facts.has_crc32 && writer->facts.crc32 != writer->crc32)
        return dtr_error_set(err, DTR_ECORRUPT, DTR_RETRY_ELSEWHERE,
                             "task %.8s: piece %u has CRC-32 %u, the peer said %u",
                             writer->copy->facts.task_id, writer->number, writer->crc32, writer->facts.crc32);
    return finish_piece(writer, writer->end, err);
}

uint64_t dtr_writer_at(const struct dtr_writer *writer)
{
    return writer->at;
}

void dtr_writer_close(struct dtr_writer *writer)
{
    if (!writer)
        return;
    dtr_list_remove(&writer->link);
    free(writer);
}
