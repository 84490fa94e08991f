/* Length-delimited protobuf fields written by hand, around bytes that are packed already or come later (the
 * encoding: protobuf.dev, "Encoding"). */
#ifndef DTR_RPC_FIELD_H
#define DTR_RPC_FIELD_H

#include <stddef.h>
#include <stdint.h>

enum { DTR_RPC_VARINT = 10 }; /* bytes of the longest one */

static inline size_t dtr_rpc_varint_size(uint64_t value)
{
    size_t size = 1;
    for (; value >= 0x80; value >>= 7)
        size++;
    return size;
}

/* Returns the end of what it wrote, as the next one does. */
static inline uint8_t *dtr_rpc_put_varint(uint8_t *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

/* What stands before the `length` bytes of a string, bytes or message field. */
static inline uint8_t *dtr_rpc_put_head(uint8_t *at, uint32_t number, uint64_t length)
{
    return dtr_rpc_put_varint(dtr_rpc_put_varint(at, (uint64_t)number << 3 | 2), length);
}

/* Bytes of such a field with its head. */
static inline uint64_t dtr_rpc_field_size(uint32_t number, uint64_t length)
{
    return dtr_rpc_varint_size((uint64_t)number << 3) + dtr_rpc_varint_size(length) + length;
}

#endif
