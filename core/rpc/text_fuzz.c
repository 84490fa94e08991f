/* Header values and messages: grpc-timeout, grpc-status, grpc-message, details, the protobuf check and
 * unpacking. The first byte chooses. */
#include "core/rpc/frame.h"
#include "core/rpc/methods.h"
#include "core/rpc/unpack.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct dtr_rpc_method *const methods[] = {
#define POINTER(name, path, kind, flags, input, output) &dtr_rpc_##name,
    DTR_RPC_METHODS(POINTER)
#undef POINTER
};

static void try_unpack(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t size)
{
    struct dtr_rpc_arena arena = {0};
    const ProtobufCMessage *message = NULL;
    if (dtr_rpc_unpack(&arena, (size_t)1 << 24, type, data, size, &message, NULL) == DTR_OK) {
        size_t length = protobuf_c_message_get_packed_size(message);
        uint8_t *packed = malloc(length + 1);
        if (!packed || protobuf_c_message_pack(message, packed) != length ||
            !dtr_rpc_check(type, packed, length))
            abort();
        free(packed);
    }
    if (arena.used > arena.limit)
        abort();
    dtr_rpc_arena_free(&arena);
}

static void try_texts(const char *text, size_t size)
{
    uint64_t ms = 0;
    size_t length = 0;
    char timeout[DTR_RPC_TIMEOUT_TEXT];
    char *out = malloc(4 * size + 8);
    if (!out)
        return;
    if (dtr_rpc_timeout_parse(text, size, &ms)) {
        dtr_rpc_timeout_text(ms, timeout);
        if (!dtr_rpc_timeout_parse(timeout, strlen(timeout), &ms))
            abort();
    }
    (void)dtr_rpc_code_parse(text, size);
    if (dtr_rpc_percent_decode(text, size, out) > size)
        abort();
    if (dtr_rpc_base64_decode(text, size, (uint8_t *)out, &length) && length > size)
        abort();
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dtr_rpc_frames frames = {0};
    const uint8_t *at = data, *bytes = NULL;
    size_t length = 0;
    if (size < 1)
        return 0;
    try_texts((const char *)data + 1, size - 1);
    const struct dtr_rpc_method *method = methods[data[0] % (sizeof(methods) / sizeof(methods[0]))];
    try_unpack(method->input, data + 1, size - 1);
    try_unpack(method->output, data + 1, size - 1);
    while (dtr_rpc_frames_next(&frames, 4096, &at, data + size, &bytes, &length) == DTR_RPC_FRAME_MESSAGE)
        if (length > 4096)
            abort();
    dtr_rpc_frames_free(&frames);
    return 0;
}
