/* Kind "transport": how peers give each other bytes.
 *
 * Core owns sockets and knows where peers are; a transport speaks a protocol on streams. fetch() gets
 * ranges from a peer; serve() answers a peer on a stream that core accepted. Both are async. */
#ifndef DARTER_TRANSPORT_H
#define DARTER_TRANSPORT_H

#include <darter/host.h>

struct dtr_fetch; /* one running fetch */

struct dtr_fetch_request {
    const struct sockaddr *peer; /* where the peer serves this transport */
    const char *task_id;         /* DTR_TASK_ID_LENGTH characters */
    uint32_t piece_number;       /* the piece that holds the range */
    uint64_t offset;             /* bytes from the start of the object */
    uint64_t length;             /* bytes */
    uint64_t connect_ms;         /* limit for connecting */
    uint64_t stall_ms;           /* DTR_ETIMEOUT when no byte moves for this long */
};

/* Where fetched bytes go; valid until `done`. */
struct dtr_fetch_sink {
    /* Facts about the piece, before or after its bytes, at most once. Nonzero: stop. */
    int (*facts)(void *context, const struct dtr_piece *piece);
    /* Bytes at an offset of the object, in order, valid during the call. Nonzero: stop. */
    int (*bytes)(void *context, uint64_t offset, const uint8_t *bytes, size_t length);
    /* Last call; err->code 0: the whole range arrived. */
    void (*done)(void *context, const struct dtr_error *err);
};

struct dtr_transport_ops {
    uint32_t size;
    uint16_t default_port; /* 4005 for vortex */
    /* Serves one accepted connection: adopts `stream` and closes it in the end. */
    void (*serve)(void *instance, struct dtr_stream *stream, struct dtr_service *service);
    int (*fetch)(void *instance, struct dtr_loop *loop, const struct dtr_fetch_request *request,
                 const struct dtr_fetch_sink *sink, void *context, struct dtr_fetch **ret_fetch,
                 struct dtr_error *err);
    /* `done` follows, later, with DTR_ECANCELLED. Not after `done`. */
    void (*cancel)(struct dtr_fetch *fetch);
};

#endif
