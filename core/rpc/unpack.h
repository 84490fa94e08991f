/* Turning received bytes into protobuf-c messages without trusting them.
 *
 * protobuf-c allocates per field, so a small hostile frame can ask for a lot: everything goes into an
 * arena with a ceiling that follows from the length of the frame. Not for packing. One thread. */
#ifndef DTR_RPC_UNPACK_H
#define DTR_RPC_UNPACK_H

#include <darter/error.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

struct dtr_rpc_block;

/* Memory for one message at a time, reused for the next. Zeroed is empty. */
struct dtr_rpc_arena {
    struct dtr_rpc_block *first; /* the newest */
    size_t used;                 /* bytes of the message so far */
    size_t limit;                /* ceiling for used */
    bool exhausted;              /* an allocation failed or passed the limit */
};

/* Checks and unpacks. The result lives until dtr_rpc_arena_reset(). `ceiling` bounds the memory, as
 * do 8 * length + 64 KiB. Errors: DTR_EINVALID (not such a message, a string with NUL or not UTF-8),
 * DTR_ELIMIT, DTR_ENOMEM. */
int dtr_rpc_unpack(struct dtr_rpc_arena *arena, size_t ceiling, const ProtobufCMessageDescriptor *descriptor,
                   const uint8_t *bytes, size_t length, const ProtobufCMessage **ret_message,
                   struct dtr_error *err);
/* Forgets the message; keeps one block for the next. */
void dtr_rpc_arena_reset(struct dtr_rpc_arena *arena);
void dtr_rpc_arena_free(struct dtr_rpc_arena *arena);

/* Only the check: well-formed, known strings are UTF-8 without NUL, nesting below 64. */
bool dtr_rpc_check(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes, size_t length);

#endif
