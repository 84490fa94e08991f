/* gRPC's length-prefixed messages: one byte of compression flag, four of length, the message.
 *
 * Takes bytes in any pieces and gives whole messages. A message that lies whole in the given bytes is
 * not copied. Memory is asked for as bytes come, never on the word of a length field. One thread. */
#ifndef DTR_RPC_FRAME_H
#define DTR_RPC_FRAME_H

#include "core/rpc/status.h"

enum { DTR_RPC_PREFIX = 5 };

/* Zeroed is empty. */
struct dtr_rpc_frames {
    uint8_t prefix[DTR_RPC_PREFIX];
    uint8_t *body; /* of the message in assembly */
    size_t capacity;
    size_t have; /* bytes of prefix and message so far */
};

enum dtr_rpc_frame {
    DTR_RPC_FRAME_MORE, /* all bytes are taken, no message yet */
    DTR_RPC_FRAME_MESSAGE,
    DTR_RPC_FRAME_COMPRESSED,
    DTR_RPC_FRAME_INVALID, /* a flag that does not exist */
    DTR_RPC_FRAME_TOO_BIG, /* longer than limit */
    DTR_RPC_FRAME_NOMEM,
};

/* Takes bytes from *at on, up to the end of one message. The message is valid until the next call or the
 * end of the given bytes' life, whichever is first. */
enum dtr_rpc_frame dtr_rpc_frames_next(struct dtr_rpc_frames *frames, size_t limit, const uint8_t **at,
                                       const uint8_t *end, const uint8_t **ret_bytes, size_t *ret_length);
/* Whether a message has begun and not ended. */
bool dtr_rpc_frames_partial(const struct dtr_rpc_frames *frames);
void dtr_rpc_frames_free(struct dtr_rpc_frames *frames);
/* Writes a prefix. */
void dtr_rpc_frame_prefix(uint8_t prefix[DTR_RPC_PREFIX], uint32_t length);

#endif
