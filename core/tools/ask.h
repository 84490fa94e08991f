/* One unary question to a daemon or a scheduler, for tools that ask and print. Blocks, on a loop of its own
 * on the calling thread. */
#ifndef DTR_TOOLS_ASK_H
#define DTR_TOOLS_ASK_H

#include "core/rpc/rpc.h"

struct dtr_ask {
    const char *who;      /* of messages: "the daemon" */
    const char *endpoint; /* a unix socket's path; NULL: `addr` */
    const char *addr;     /* "IP:PORT" or "NAME:PORT", of which the first address is asked */
    uint64_t timeout_ms;  /* connecting included */
};

/* *ret_response is of the method's output; protobuf_c_message_free_unpacked() it. The error says what to do
 * when nobody answers; what the other side said stands in it as it came. */
int dtr_ask(const struct dtr_ask *ask, const struct dtr_rpc_method *method, const ProtobufCMessage *request,
            ProtobufCMessage **ret_response, struct dtr_error *err);

/* Nobody answers at the daemon's socket: why, and what to do. Returns DTR_EUNAVAILABLE. */
int dtr_ask_no_daemon(const char *endpoint, const char *why, struct dtr_error *err);

#endif
