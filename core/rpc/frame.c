/* Assembling length-prefixed messages; see frame.h. */
#include "core/rpc/frame.h"

#include "core/base/reader.h"
#include <stdlib.h>
#include <string.h>

static const size_t keep_size = (size_t)4 << 10;   /* a larger body is freed between messages */
static const size_t exact_size = (size_t)64 << 10; /* asked for at once; larger ones grow as bytes come */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

void dtr_rpc_frames_free(struct dtr_rpc_frames *frames)
{
    free(frames->body);
    *frames = (struct dtr_rpc_frames){0};
}

bool dtr_rpc_frames_partial(const struct dtr_rpc_frames *frames)
{
    return frames->have > 0;
}

void dtr_rpc_frame_prefix(uint8_t prefix[DTR_RPC_PREFIX], uint32_t length)
{
    prefix[0] = 0;
    (void)dtr_put_be(prefix + 1, length, 4);
}

static enum dtr_rpc_frame read_prefix(const uint8_t *prefix, size_t limit, size_t *ret_length)
{
    struct dtr_reader reader = dtr_reader_of(prefix, DTR_RPC_PREFIX);
    uint8_t flag = dtr_read_u8(&reader);
    *ret_length = dtr_read_u32(&reader);
    if (flag > 1)
        return DTR_RPC_FRAME_INVALID;
    if (flag == 1)
        return DTR_RPC_FRAME_COMPRESSED;
    return *ret_length > limit ? DTR_RPC_FRAME_TOO_BIG : DTR_RPC_FRAME_MESSAGE;
}

/* Room for `wanted` of the message's `length` bytes: the room doubles, so a length field alone costs
 * nothing. */
static bool make_room(struct dtr_rpc_frames *frames, size_t wanted, size_t length)
{
    if (wanted <= frames->capacity)
        return true;
    size_t capacity = frames->capacity * 2 > wanted ? frames->capacity * 2 : wanted;
    if (length <= exact_size || capacity > length)
        capacity = length;
    uint8_t *body = realloc(frames->body, capacity);
    if (!body)
        return false;
    frames->body = body;
    frames->capacity = capacity;
    return true;
}

static enum dtr_rpc_frame assemble(struct dtr_rpc_frames *frames, size_t limit, const uint8_t **at,
                                   const uint8_t *end, size_t *ret_length)
{
    if (frames->have < DTR_RPC_PREFIX) {
        size_t take = smaller(DTR_RPC_PREFIX - frames->have, (size_t)(end - *at));
        memcpy(frames->prefix + frames->have, *at, take);
        frames->have += take;
        *at += take;
        if (frames->have < DTR_RPC_PREFIX)
            return DTR_RPC_FRAME_MORE;
    }
    enum dtr_rpc_frame frame = read_prefix(frames->prefix, limit, ret_length);
    if (frame != DTR_RPC_FRAME_MESSAGE)
        return frame;
    size_t have = frames->have - DTR_RPC_PREFIX;
    size_t take = smaller(*ret_length - have, (size_t)(end - *at));
    if (!make_room(frames, have + take, *ret_length))
        return DTR_RPC_FRAME_NOMEM;
    if (take > 0)
        memcpy(frames->body + have, *at, take);
    frames->have += take;
    *at += take;
    return have + take == *ret_length ? DTR_RPC_FRAME_MESSAGE : DTR_RPC_FRAME_MORE;
}

enum dtr_rpc_frame dtr_rpc_frames_next(struct dtr_rpc_frames *frames, size_t limit, const uint8_t **at,
                                       const uint8_t *end, const uint8_t **ret_bytes, size_t *ret_length)
{
    static const uint8_t nothing[1];
    size_t left = (size_t)(end - *at), length = 0;
    if (frames->have == 0 && frames->capacity > keep_size)
        dtr_rpc_frames_free(frames);
    if (left == 0)
        return DTR_RPC_FRAME_MORE;
    if (frames->have == 0 && left >= DTR_RPC_PREFIX) {
        enum dtr_rpc_frame frame = read_prefix(*at, limit, &length);
        if (frame != DTR_RPC_FRAME_MESSAGE)
            return frame;
        if (length <= left - DTR_RPC_PREFIX) {
            *ret_bytes = *at + DTR_RPC_PREFIX;
            *ret_length = length;
            *at += DTR_RPC_PREFIX + length;
            return DTR_RPC_FRAME_MESSAGE;
        }
    }
    enum dtr_rpc_frame frame = assemble(frames, limit, at, end, &length);
    if (frame == DTR_RPC_FRAME_MESSAGE) {
        *ret_bytes = frames->body ? frames->body : nothing;
        *ret_length = length;
        frames->have = 0;
    }
    return frame;
}
