/* The map of what is in the store; see copy.h. The writers are in writer.c. */
#include "core/daemon/tasks/copy_internal.h"

#include "core/base/digest.h"
#include "core/base/str.h"
#include "core/brain/geometry.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { READ_BACK = 128 << 10, SCAN_BLOCK = 256 << 10 };

/* Room for piece `number`. */
static int reserve(struct dtr_copy *copy, uint32_t number, struct dtr_error *err)
{
    if (number < copy->piece_room)
        return DTR_OK;
    if (number >= DTR_PIECES_MAX)
        return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_NEVER, "task %.8s has more than %u pieces",
                             copy->facts.task_id, DTR_PIECES_MAX);
    uint32_t room = copy->piece_room ? copy->piece_room : 16;
    while (room <= number)
        room *= 2;
    struct dtr_piece *pieces = realloc(copy->pieces, room * sizeof(*pieces));
    if (!pieces)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for pieces");
    memset(pieces + copy->piece_room, 0, (room - copy->piece_room) * sizeof(*pieces));
    copy->pieces = pieces;
    copy->piece_room = room;
    return DTR_OK;
}

uint64_t dtr_copy_piece_end(const struct dtr_copy *copy, uint32_t number)
{
    uint64_t end = (number + (uint64_t)1) * copy->facts.piece_length;
    return end < copy->facts.content_length ? end : copy->facts.content_length;
}

/* Takes a piece into the map; the store has it. */
static int enter(struct dtr_copy *copy, const struct dtr_piece *piece, struct dtr_error *err)
{
    int rc = reserve(copy, piece->number, err);
    if (rc != DTR_OK)
        return rc;
    if (!dtr_ranges_add(&copy->readable, piece->offset, piece->offset + piece->length))
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the map of task %.8s",
                             copy->facts.task_id);
    if (copy->pieces[piece->number].length == 0)
        copy->marked++;
    copy->pieces[piece->number] = *piece;
    return DTR_OK;
}

int dtr_copy_mark(struct dtr_copy *copy, const struct dtr_piece *piece, struct dtr_error *err)
{
    int rc = reserve(copy, piece->number, err);
    if (rc == DTR_OK)
        rc = copy->ops->mark(copy->stored, piece, err);
    if (rc == DTR_OK)
        rc = enter(copy, piece, err);
    return rc;
}

/* Owned copies of all strings. */
static int keep_facts(struct dtr_copy *copy, const struct dtr_task_facts *facts)
{
    const char **texts[] = {&copy->facts.task_id, &copy->facts.url, &copy->facts.digest,
                            &copy->facts.headers, &copy->facts.tag, &copy->facts.application};
    copy->facts = *facts;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        copy->strings[i] = strdup(*texts[i] ? *texts[i] : "");
        if (!copy->strings[i])
            return DTR_ENOMEM;
        *texts[i] = copy->strings[i];
    }
    return DTR_OK;
}

enum { HEADERS = 3 }; /* index of facts.headers in strings */

int dtr_copy_open(const struct dtr_storage_ops *ops, void *instance, const struct dtr_task_facts *facts,
                  const struct dtr_piece *pieces, uint32_t count, struct dtr_copy **ret_copy,
                  struct dtr_error *err)
{
    struct dtr_copy *copy = calloc(1, sizeof(*copy));
    if (!copy)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a task");
    copy->ops = ops;
    dtr_list_init(&copy->writers);
    int rc = keep_facts(copy, facts);
    if (rc != DTR_OK)
        (void)dtr_error_set(err, rc, DTR_RETRY_SAME, "out of memory for a task");
    else
        rc = ops->open(instance, &copy->facts, &copy->stored, err);
    for (uint32_t i = 0; i < count && rc == DTR_OK; i++)
        rc = enter(copy, &pieces[i], err);
    if (rc != DTR_OK) {
        dtr_copy_close(copy);
        return rc;
    }
    *ret_copy = copy;
    return DTR_OK;
}

void dtr_copy_close(struct dtr_copy *copy)
{
    if (!copy)
        return;
    if (copy->stored)
        copy->ops->close(copy->stored);
    for (size_t i = 0; i < sizeof(copy->strings) / sizeof(copy->strings[0]); i++)
        free(copy->strings[i]);
    dtr_ranges_free(&copy->readable);
    free(copy->pieces);
    free(copy);
}

/* Everything that came in must lie within the length that is learnt late. */
static bool fits(const struct dtr_copy *copy, uint64_t content_length)
{
    size_t count = copy->readable.count;
    return count == 0 || copy->readable.list[count - 1].end <= content_length;
}

int dtr_copy_learn(struct dtr_copy *copy, uint64_t content_length, uint64_t piece_length,
                   struct dtr_error *err)
{
    bool other_piece = copy->facts.piece_length && copy->facts.piece_length != piece_length;
    bool other_length =
        copy->facts.content_length != DTR_LENGTH_UNKNOWN && copy->facts.content_length != content_length;
    if (other_piece || other_length || piece_length == 0 || !fits(copy, content_length))
        return dtr_error_set(err, DTR_ECORRUPT, DTR_RETRY_NEVER,
                             "task %.8s: the object has another length than before; another version is there",
                             copy->facts.task_id);
    if (copy->facts.piece_length == piece_length && copy->facts.content_length == content_length)
        return DTR_OK;
    struct dtr_task_facts before = copy->facts;
    copy->facts.content_length = content_length;
    copy->facts.piece_length = piece_length;
    int rc = copy->ops->update(copy->stored, &copy->facts, err);
    if (rc != DTR_OK)
        copy->facts = before;
    return rc;
}

const struct dtr_task_facts *dtr_copy_facts(const struct dtr_copy *copy)
{
    return &copy->facts;
}

uint32_t dtr_copy_piece_count(const struct dtr_copy *copy)
{
    if (copy->facts.content_length == DTR_LENGTH_UNKNOWN || copy->facts.piece_length == 0)
        return 0;
    return (uint32_t)(copy->facts.content_length / copy->facts.piece_length +
                      (copy->facts.content_length % copy->facts.piece_length != 0));
}

const struct dtr_piece *dtr_copy_piece(const struct dtr_copy *copy, uint32_t number)
{
    return number < copy->piece_room && copy->pieces[number].length > 0 ? &copy->pieces[number] : NULL;
}

bool dtr_copy_complete(const struct dtr_copy *copy)
{
    return copy->facts.content_length != DTR_LENGTH_UNKNOWN && copy->facts.piece_length > 0 &&
           copy->marked == dtr_copy_piece_count(copy);
}

bool dtr_copy_empty(const struct dtr_copy *copy)
{
    return copy->readable.count == 0;
}

uint64_t dtr_copy_readable(const struct dtr_copy *copy, uint64_t offset)
{
    return dtr_ranges_run(&copy->readable, offset) - offset;
}

int dtr_copy_withdraw(struct dtr_copy *copy, uint32_t first, uint32_t count, struct dtr_error *err)
{
    int rc = copy->ops->unmark(copy->stored, first, count, err);
    for (uint32_t i = 0; i < count && first + i < copy->piece_room; i++) {
        struct dtr_piece *piece = &copy->pieces[first + i];
        if (piece->length == 0)
            continue;
        if (!dtr_ranges_remove(&copy->readable, piece->offset, piece->offset + piece->length) && rc == DTR_OK)
            rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the map of task %.8s",
                               copy->facts.task_id);
        *piece = (struct dtr_piece){0};
        copy->marked--;
    }
    return rc;
}

int dtr_copy_crc32(struct dtr_copy *copy, uint64_t offset, uint64_t length, uint32_t *ret_crc32,
                   struct dtr_error *err)
{
    uint8_t *block = malloc(READ_BACK);
    uint32_t crc32 = 0;
    int rc = DTR_OK;
    if (!block)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for reading a piece back");
    while (length > 0 && rc == DTR_OK) {
        size_t part = length < READ_BACK ? (size_t)length : READ_BACK;
        rc = copy->ops->read(copy->stored, offset, block, part, err);
        if (rc == DTR_OK)
            crc32 = dtr_crc32(crc32, block, part);
        offset += part;
        length -= part;
    }
    free(block);
    *ret_crc32 = crc32;
    return rc;
}

int dtr_copy_note(struct dtr_copy *copy, const char *headers, int64_t finished_at, int64_t used_at,
                  struct dtr_error *err)
{
    if (headers) {
        char *text = strdup(headers);
        if (!text)
            return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for response headers");
        free(copy->strings[HEADERS]);
        copy->facts.headers = copy->strings[HEADERS] = text;
    }
    if (finished_at)
        copy->facts.finished_at = finished_at;
    if (used_at)
        copy->facts.used_at = used_at;
    return copy->ops->update(copy->stored, &copy->facts, err);
}

int dtr_copy_lease(const struct dtr_copy *copy, uint64_t offset, uint64_t length,
                   struct dtr_extent *ret_extent, struct dtr_error *err)
{
    return copy->ops->lease(copy->stored, offset, length, ret_extent, err);
}

static int scan_file(const struct dtr_extent *extent, void (*add)(void *, const void *, size_t),
                     void *context, struct dtr_error *err)
{
    uint8_t *block = malloc(SCAN_BLOCK);
    uint64_t at = 0;
    errno = 0;
    if (!block)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME,
                             "out of memory for reading back what was stored");
    while (at < extent->length) {
        size_t part = extent->length - at < SCAN_BLOCK ? (size_t)(extent->length - at) : SCAN_BLOCK;
        ssize_t got = pread(extent->fd, block, part, (off_t)(extent->offset + at));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        add(context, block, (size_t)got);
        at += (uint64_t)got;
    }
    free(block);
    return at == extent->length
               ? DTR_OK
               : dtr_error_set(err, DTR_EIO, DTR_RETRY_SAME, "cannot read back what was stored: %s",
                               errno ? strerror(errno) : "the file is too short");
}

int dtr_copy_scan(const struct dtr_copy *copy, uint64_t offset, uint64_t length,
                  void (*add)(void *context, const void *bytes, size_t length), void *context,
                  struct dtr_error *err)
{
    struct dtr_extent extent;
    int rc = dtr_copy_lease(copy, offset, length, &extent, err);
    if (rc != DTR_OK)
        return rc;
    if (extent.fd >= 0)
        rc = scan_file(&extent, add, context, err);
    else
        add(context, extent.data + extent.offset, (size_t)extent.length);
    dtr_extent_release(&extent);
    return rc;
}
