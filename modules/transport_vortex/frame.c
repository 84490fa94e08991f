/* Vortex frames; see frame.h. */
#include "frame.h"

#include <stdlib.h>

/* A checked walk over received bytes; a read past the end yields zeros and sets `failed`. */
struct cursor {
    const uint8_t *at, *end;
    int failed;
};

static const uint8_t *take(struct cursor *cursor, size_t length)
{
    const uint8_t *at = cursor->at;
    if (cursor->failed || (size_t)(cursor->end - at) < length) {
        cursor->failed = 1;
        return NULL;
    }
    cursor->at += length;
    return at;
}

static uint64_t number(struct cursor *cursor, size_t length)
{
    const uint8_t *at = take(cursor, length);
    uint64_t value = 0;
    for (size_t i = 0; at && i < length; i++)
        value = value << 8 | at[i];
    return value;
}

static uint8_t *put(uint8_t *to, uint64_t value, size_t length)
{
    for (size_t i = 0; i < length; i++)
        to[i] = (uint8_t)(value >> (8 * (length - 1 - i)));
    return to + length;
}

static uint8_t *put_text(uint8_t *to, const char *text, size_t length)
{
    to = put(to, length, 4);
    memcpy(to, text, length);
    return to + length;
}

static uint8_t *put_header(uint8_t *to, uint8_t id, enum vortex_tag tag, size_t length)
{
    *to++ = id;
    *to++ = (uint8_t)tag;
    return put(to, length, 4);
}

void vortex_read_header(const uint8_t *bytes, struct vortex_header *ret_header)
{
    struct cursor cursor = {.at = bytes, .end = bytes + VORTEX_HEADER};
    ret_header->id = (uint8_t)number(&cursor, 1);
    ret_header->tag = (uint8_t)number(&cursor, 1);
    ret_header->length = (uint32_t)number(&cursor, 4);
}

size_t vortex_write_request(uint8_t *to, uint8_t id, const char *task_id, uint32_t piece_number)
{
    uint8_t *at = put_header(to, id, VORTEX_DOWNLOAD_PIECE, DTR_TASK_ID_LENGTH + 4);
    memcpy(at, task_id, DTR_TASK_ID_LENGTH);
    at = put(at + DTR_TASK_ID_LENGTH, piece_number, 4);
    return (size_t)(at - to);
}

static int is_task_id(const uint8_t *text)
{
    for (int i = 0; i < DTR_TASK_ID_LENGTH; i++) {
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
            return 0;
    }
    return 1;
}

int vortex_read_request(const uint8_t *value, size_t length, char ret_task_id[DTR_TASK_ID_LENGTH + 1],
                        uint32_t *ret_number, struct dtr_error *err)
{
    struct cursor cursor = {.at = value, .end = value + length};
    const uint8_t *task_id = take(&cursor, DTR_TASK_ID_LENGTH);
    *ret_number = (uint32_t)number(&cursor, 4);
    if (cursor.failed || cursor.at != cursor.end)
        return dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_NEVER, "a piece request has 68 bytes, not %zu",
                             length);
    if (!is_task_id(task_id))
        return dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_NEVER,
                             "the task id is not 64 lower-case hex characters");
    memcpy(ret_task_id, task_id, DTR_TASK_ID_LENGTH);
    ret_task_id[DTR_TASK_ID_LENGTH] = '\0';
    return DTR_OK;
}

size_t vortex_write_content(uint8_t *to, uint8_t id, const struct dtr_piece *piece, const char *parent_id)
{
    char digest[32] = "";
    uint8_t *meta = to + VORTEX_HEADER + 4, *at = meta;
    if (piece->has_crc32)
        (void)snprintf(digest, sizeof(digest), "crc32:%u", piece->crc32);
    at = put(at, piece->number, 4);
    at = put(at, piece->offset, 8);
    at = put(at, piece->length, 8);
    at = put_text(at, digest, strlen(digest));
    at = put_text(at, parent_id, strnlen(parent_id, DTR_PEER_ID_MAX));
    *at++ = DTR_TRAFFIC_REMOTE_PEER;
    at = put(at, piece->cost_ns / 1000000000u, 8);
    at = put(at, (uint64_t)piece->created_at, 8);
    (void)put(put_header(to, id, VORTEX_PIECE_CONTENT, (size_t)(at - meta) + 4), (uint64_t)(at - meta), 4);
    return (size_t)(at - to);
}

static int read_digest(const uint8_t *text, size_t length, struct dtr_piece *piece)
{
    uint64_t value = 0;
    piece->has_crc32 = length > 0;
    if (length == 0)
        return DTR_OK;
    if (length < 7 || length > 16 || memcmp(text, "crc32:", 6) != 0)
        return DTR_EPROTOCOL;
    for (size_t i = 6; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return DTR_EPROTOCOL;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    piece->crc32 = (uint32_t)value;
    return value > UINT32_MAX ? DTR_EPROTOCOL : DTR_OK;
}

int vortex_read_content(const uint8_t *meta, size_t length, struct dtr_piece *ret_piece,
                        struct dtr_error *err)
{
    struct cursor cursor = {.at = meta, .end = meta + length};
    struct dtr_piece piece = {0};
    piece.number = (uint32_t)number(&cursor, 4);
    piece.offset = number(&cursor, 8);
    piece.length = number(&cursor, 8);
    size_t digest_length = (size_t)number(&cursor, 4);
    const uint8_t *digest = take(&cursor, digest_length);
    (void)take(&cursor, (size_t)number(&cursor, 4)); /* where the parent had it from: of no use here */
    piece.traffic = (uint8_t)number(&cursor, 1);
    uint64_t cost_s = number(&cursor, 8);
    piece.created_at = (int64_t)number(&cursor, 8);
    if (cursor.failed || cursor.at != cursor.end)
        return dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_ELSEWHERE,
                             "piece metadata of %zu bytes does not add up", length);
    if (read_digest(digest, digest_length, &piece) != DTR_OK)
        return dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_ELSEWHERE, "piece digest is not crc32:<decimal>");
    if (__builtin_mul_overflow(cost_s, (uint64_t)1000000000, &piece.cost_ns))
        piece.cost_ns = UINT64_MAX;
    *ret_piece = piece;
    return DTR_OK;
}

size_t vortex_write_error(uint8_t *to, uint8_t id, enum vortex_code code, const char *text)
{
    size_t length = strnlen(text, VORTEX_ERROR_LIMIT - 1);
    uint8_t *at = put_header(to, id, VORTEX_ERROR, length + 1);
    *at++ = (uint8_t)code;
    memcpy(at, text, length);
    return (size_t)(at + length - to);
}

int vortex_read_error(const uint8_t *value, size_t length, struct dtr_error *err)
{
    char text[160];
    size_t count = 0;
    int code = length == 0                           ? DTR_EPROTOCOL
               : value[0] == VORTEX_NOT_FOUND        ? DTR_ENOT_FOUND
               : value[0] == VORTEX_INVALID_ARGUMENT ? DTR_EINVALID
                                                     : DTR_EINTERNAL;
    /* Only what can stand in a log line. */
    for (size_t i = 1; i < length && count < sizeof(text) - 1; i++)
        text[count++] = value[i] >= 0x20 && value[i] < 0x7f ? (char)value[i] : '?';
    text[count] = '\0';
    return dtr_error_set(err, code, DTR_RETRY_ELSEWHERE, "the peer answered: %s", text);
}
