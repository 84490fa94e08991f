/* Bounds-checked reading of bytes from outside, and the matching big-endian writing. A read past the end
 * sets `failed`, yields zeros and keeps failing: check once at the end. */
#ifndef DTR_BASE_READER_H
#define DTR_BASE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dtr_reader {
    const uint8_t *at, *end;
    bool failed;
};

static inline struct dtr_reader dtr_reader_of(const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    return (struct dtr_reader){.at = at, .end = at + length};
}

static inline size_t dtr_reader_left(const struct dtr_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

/* The next `length` bytes in place, or NULL. */
static inline const uint8_t *dtr_read_bytes(struct dtr_reader *reader, size_t length)
{
    const uint8_t *at = reader->at;
    if (reader->failed || dtr_reader_left(reader) < length) {
        reader->failed = true;
        return NULL;
    }
    reader->at += length;
    return at;
}

static inline uint64_t dtr_read_be(struct dtr_reader *reader, size_t length)
{
    const uint8_t *at = dtr_read_bytes(reader, length);
    uint64_t value = 0;
    for (size_t i = 0; at && i < length; i++)
        value = value << 8 | at[i];
    return value;
}

static inline uint8_t dtr_read_u8(struct dtr_reader *reader)
{
    return (uint8_t)dtr_read_be(reader, 1);
}

static inline uint32_t dtr_read_u32(struct dtr_reader *reader)
{
    return (uint32_t)dtr_read_be(reader, 4);
}

static inline uint64_t dtr_read_u64(struct dtr_reader *reader)
{
    return dtr_read_be(reader, 8);
}

static inline uint8_t *dtr_put_be(uint8_t *at, uint64_t value, size_t length)
{
    for (size_t i = 0; i < length; i++)
        at[i] = (uint8_t)(value >> (8 * (length - 1 - i)));
    return at + length;
}

#endif
