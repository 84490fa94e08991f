/* Protobuf bytes that are passed on (the encoding: protobuf.dev, "Encoding"). */
#include "core/base/buf.h"
#include "core/base/reader.h"
#include "core/base/str.h"
#include "core/rpc/field.h"
#include "core/scheduler/role.h"
#include <stdlib.h>

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };
enum { OUTPUT_PATH = 11, NEED_BACK_TO_SOURCE = 14 }; /* of common.v2.Download */

static uint64_t varint(struct dtr_reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = dtr_read_u8(reader);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    reader->failed = true;
    return 0;
}

/* One field: its number, its wire type and, for BYTES, its value. False at the end or when malformed. */
static bool next_field(struct dtr_reader *reader, uint32_t *ret_number, const uint8_t **ret_value,
                       size_t *ret_length)
{
    if (reader->failed || dtr_reader_left(reader) == 0)
        return false;
    uint64_t key = varint(reader);
    uint64_t length = 0;
    *ret_number = (uint32_t)(key >> 3);
    switch (key & 7) {
    case VARINT:
        (void)varint(reader);
        break;
    case FIXED64:
        length = 8;
        break;
    case FIXED32:
        length = 4;
        break;
    case BYTES:
        length = varint(reader);
        break;
    default:
        reader->failed = true;
    }
    *ret_length = length > SIZE_MAX ? SIZE_MAX : (size_t)length;
    *ret_value = dtr_read_bytes(reader, *ret_length);
    if ((key & 7) != BYTES)
        *ret_value = NULL;
    return !reader->failed;
}

bool wire_find(const uint8_t *message, size_t length, uint32_t number, const uint8_t **ret_value,
               size_t *ret_length)
{
    struct dtr_reader reader = dtr_reader_of(message, length);
    const uint8_t *value;
    uint32_t field;
    size_t size;
    bool found = false;
    while (next_field(&reader, &field, &value, &size)) {
        if (field == number && value) {
            *ret_value = value;
            *ret_length = size;
            found = true;
        }
    }
    return found && !reader.failed;
}

static void add_varint(struct dtr_str *out, uint64_t value)
{
    uint8_t bytes[DTR_RPC_VARINT];
    dtr_str_add(out, bytes, (size_t)(dtr_rpc_put_varint(bytes, value) - bytes));
}

struct dtr_buf *wire_seed_request(const uint8_t *download, size_t length)
{
    struct dtr_reader reader = dtr_reader_of(download, length);
    struct dtr_str inner = {0}, outer = {0};
    struct dtr_buf *request = NULL;
    const uint8_t *from = download, *value;
    uint32_t number;
    size_t size;
    while (next_field(&reader, &number, &value, &size)) {
        if (number != OUTPUT_PATH && number != NEED_BACK_TO_SOURCE)
            dtr_str_add(&inner, from, (size_t)(reader.at - from));
        from = reader.at;
    }
    add_varint(&inner, NEED_BACK_TO_SOURCE << 3 | VARINT);
    add_varint(&inner, 1);
    add_varint(&outer, 1 << 3 | BYTES); /* DownloadTaskRequest.download */
    add_varint(&outer, inner.length);
    dtr_str_add(&outer, dtr_str_text(&inner), inner.length);
    if (!reader.failed && dtr_str_ok(&inner) && dtr_str_ok(&outer))
        request = dtr_buf_copy(dtr_str_text(&outer), outer.length);
    dtr_str_free(&inner);
    dtr_str_free(&outer);
    return request;
}

void wire_put_number(struct dtr_str *out, uint32_t number, uint64_t value)
{
    if (value == 0)
        return;
    add_varint(out, (uint64_t)number << 3 | VARINT);
    add_varint(out, value);
}

void wire_put_text(struct dtr_str *out, uint32_t number, const char *text)
{
    size_t length = strlen(text);
    if (length > 0)
        wire_put_bytes(out, number, text, length);
}

void wire_put_bytes(struct dtr_str *out, uint32_t number, const char *bytes, size_t length)
{
    add_varint(out, (uint64_t)number << 3 | BYTES);
    add_varint(out, length);
    dtr_str_add(out, bytes, length);
}

void wire_put_message(struct dtr_str *out, const ProtobufCMessage *message)
{
    size_t length = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(length + 1);
    if (bytes)
        dtr_str_add(out, bytes, protobuf_c_message_pack(message, bytes));
    else
        out->failed = true;
    free(bytes);
}
