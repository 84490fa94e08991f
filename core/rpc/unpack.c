/* The arena and the check before unpacking; see unpack.h. */
#include "core/rpc/unpack.h"

#include "core/base/reader.h"
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 64, ALIGN = 16 };
static const size_t block_size = (size_t)32 << 10;

struct dtr_rpc_block {
    struct dtr_rpc_block *next;
    size_t size, used;
    _Alignas(ALIGN) uint8_t bytes[];
};

/* --- the arena ------------------------------------------------------------------------------------ */

static struct dtr_rpc_block *block_new(struct dtr_rpc_arena *arena, size_t size)
{
    struct dtr_rpc_block *block = malloc(sizeof(*block) + size);
    if (!block)
        return NULL;
    *block = (struct dtr_rpc_block){.next = arena->first, .size = size};
    arena->first = block;
    return block;
}

static void *arena_alloc(void *context, size_t size)
{
    struct dtr_rpc_arena *arena = context;
    struct dtr_rpc_block *block = arena->first;
    if (size > arena->limit - arena->used) {
        arena->exhausted = true;
        return NULL;
    }
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (!block || block->size - block->used < size)
        block = block_new(arena, size > block_size ? size : block_size);
    if (!block) {
        arena->exhausted = true;
        return NULL;
    }
    void *at = block->bytes + block->used;
    block->used += size;
    arena->used = size < arena->limit - arena->used ? arena->used + size : arena->limit;
    return at;
}

/* The arena is freed as a whole. */
static void arena_release(void *context, void *pointer)
{
    (void)context;
    (void)pointer;
}

void dtr_rpc_arena_reset(struct dtr_rpc_arena *arena)
{
    struct dtr_rpc_block *keep = NULL;
    while (arena->first) {
        struct dtr_rpc_block *block = arena->first;
        arena->first = block->next;
        if (!keep && block->size == block_size)
            keep = block;
        else
            free(block);
    }
    if (keep) {
        keep->next = NULL;
        keep->used = 0;
        arena->first = keep;
    }
    arena->used = 0;
    arena->exhausted = false;
}

void dtr_rpc_arena_free(struct dtr_rpc_arena *arena)
{
    dtr_rpc_arena_reset(arena);
    free(arena->first);
    arena->first = NULL;
}

/* --- the check ------------------------------------------------------------------------------------ */

static uint64_t read_varint(struct dtr_reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte = dtr_read_u8(reader);
        value |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
        if (!(byte & 0x80))
            return value;
    }
    reader->failed = true;
    return 0;
}

/* How many bytes the UTF-8 sequence that starts with c has, and the least code point such a sequence may
 * stand for; 0: no start. */
static size_t utf8_length(uint8_t c, uint32_t *ret_value, uint32_t *ret_least)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 0;
    if (c >= 0xf8)
        return 0;
    *ret_value = length == 1 ? c : c & (0x7fu >> length);
    *ret_least = least[length];
    return length;
}

/* UTF-8 in its shortest form, no surrogates, no NUL. */
static bool text_is_good(const uint8_t *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        uint32_t value = 0, least = 0;
        if (text[i] - 1u < 0x7f) {
            i++;
            continue;
        }
        size_t count = utf8_length(text[i], &value, &least);
        if (count < 2 || count > length - i)
            return false;
        for (size_t k = 1; k < count; k++) {
            if ((text[i + k] & 0xc0) != 0x80)
                return false;
            value = value << 6 | (text[i + k] & 0x3f);
        }
        if (value < least || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
            return false;
        i += count;
    }
    return true;
}

static bool check(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes, size_t length,
                  unsigned depth);

static bool check_value(const ProtobufCFieldDescriptor *field, const uint8_t *bytes, size_t length,
                        unsigned depth)
{
    if (field && field->type == PROTOBUF_C_TYPE_STRING)
        return text_is_good(bytes, length);
    if (field && field->type == PROTOBUF_C_TYPE_MESSAGE)
        return check(field->descriptor, bytes, length, depth + 1);
    return true;
}

static bool check(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes, size_t length,
                  unsigned depth)
{
    struct dtr_reader reader = dtr_reader_of(bytes, length);
    if (depth > DEPTH)
        return false;
    while (!reader.failed && dtr_reader_left(&reader) > 0) {
        uint64_t tag = read_varint(&reader);
        if (tag > UINT32_MAX || tag >> 3 == 0)
            return false;
        switch (tag & 7) {
        case PROTOBUF_C_WIRE_TYPE_VARINT:
            (void)read_varint(&reader);
            break;
        case PROTOBUF_C_WIRE_TYPE_64BIT:
            (void)dtr_read_bytes(&reader, 8);
            break;
        case PROTOBUF_C_WIRE_TYPE_32BIT:
            (void)dtr_read_bytes(&reader, 4);
            break;
        case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED: {
            uint64_t size = read_varint(&reader);
            const uint8_t *at = size > length ? NULL : dtr_read_bytes(&reader, (size_t)size);
            if (!at || !check_value(protobuf_c_message_descriptor_get_field(descriptor, (unsigned)(tag >> 3)),
                                    at, (size_t)size, depth))
                return false;
            break;
        }
        default: /* groups are not in proto3 */
            return false;
        }
    }
    return !reader.failed;
}

bool dtr_rpc_check(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes, size_t length)
{
    return check(descriptor, bytes, length, 0);
}

int dtr_rpc_unpack(struct dtr_rpc_arena *arena, size_t ceiling, const ProtobufCMessageDescriptor *descriptor,
                   const uint8_t *bytes, size_t length, const ProtobufCMessage **ret_message,
                   struct dtr_error *err)
{
    ProtobufCAllocator allocator = {arena_alloc, arena_release, arena};
    size_t limit = 8 * length + ((size_t)64 << 10);
    if (!dtr_rpc_check(descriptor, bytes, length))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "not a well-formed %s of %zu bytes",
                             descriptor->name, length);
    dtr_rpc_arena_reset(arena);
    arena->limit = limit < ceiling ? limit : ceiling;
    *ret_message = protobuf_c_message_unpack(descriptor, &allocator, length, bytes);
    if (*ret_message)
        return DTR_OK;
    /* The check passed, so what failed is memory, or a field whose wire type does not fit. */
    if (arena->exhausted)
        return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_NEVER, "a %s of %zu bytes unpacks to more than %zu",
                             descriptor->name, length, arena->limit);
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "a %s of %zu bytes cannot be unpacked",
                         descriptor->name, length);
}
