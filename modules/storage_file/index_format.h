/* The units of an index as they are on disk, for those who read and write them; index.h explains them. */
#ifndef STORAGE_FILE_INDEX_FORMAT_H
#define STORAGE_FILE_INDEX_FORMAT_H

#include "index.h"

#include <assert.h>

enum { UNIT_HEAD = 1, UNIT_NUMBERS, UNIT_TEXT, UNIT_PIECE, UNIT_WITHDRAW };
enum { FIRST_RECORD = 3 * INDEX_UNIT, INDEX_VERSION = 1, TEXT_COUNT = 6 };

#define INDEX_MAGIC "DTRINDEX" /* 8 bytes, without its NUL */

struct unit {
    uint32_t crc; /* of the 60 bytes that follow */
    uint32_t kind;
    union {
        struct {
            char magic[8];
            uint32_t version;
        } head;
        struct {
            uint64_t sequence, content_length, piece_length;
            int64_t created_at, finished_at, used_at;
        } numbers;
        struct {
            uint64_t size; /* bytes of the strings, without padding */
            uint32_t crc;
        } text;
        struct {
            uint64_t offset, length, cost_ns, boot;
            int64_t created_at;
            uint32_t number, crc32;
            uint8_t has_crc32, traffic;
        } piece;
        struct {
            uint32_t first, count;
        } withdraw;
    };
};
static_assert(sizeof(struct unit) == INDEX_UNIT, "the format on disk");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format on disk");

/* Of all but the CRC itself. */
uint32_t unit_crc(const struct unit *unit);
/* Bytes of the whole units that `size` bytes of text take. */
size_t padded(size_t size);
int index_damaged(struct dtr_error *err, const char *what, size_t at);

#endif
