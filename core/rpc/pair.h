/* For tests: a client session and a server session joined in memory, with a clock that is set by hand and
 * a record of every HTTP/2 frame that passes. */
#ifndef DTR_RPC_PAIR_H
#define DTR_RPC_PAIR_H

#include "core/rpc/internal.h"

enum { PAIR_FRAMES = 4096 };

/* One frame as it passed, and who sent it. */
struct pair_frame {
    bool by_server;
    uint8_t type, flags;
    uint32_t stream, length, error; /* error: of RST_STREAM and GOAWAY */
};

struct pair_side {
    struct pair *pair;
    struct dtr_rpc_hub hub;
    struct dtr_rpc_session *session;
    struct dtr_str out;  /* written, not yet at the other side */
    struct dtr_str seen; /* of out, not yet parsed into frames */
    size_t choke;        /* pretend that this many bytes are pending */
    bool over, goaway, wakes;
    bool takes;            /* refused calls are taken over for another try, as a channel does */
    struct dtr_list taken; /* struct dtr_rpc_call.link */
    int settled, refused;
    int receive_rc;
};

struct pair {
    struct pair_side client, server;
    struct dtr_rpc_table *table;
    uint64_t now_ms;
    size_t chunk; /* bytes delivered at once */
    bool cut;     /* nothing is delivered any more */
    struct pair_frame frames[PAIR_FRAMES];
    size_t frame_count;
};

/* limits: of both sides, NULL for defaults. */
void pair_open(struct pair *pair, const struct dtr_rpc_handler *handlers, size_t count, void *service,
               const struct dtr_rpc_limits *limits);
/* Moves bytes and runs turns until nothing moves. */
void pair_run(struct pair *pair);
/* Ends what is open and frees. */
void pair_close(struct pair *pair);
/* A client's call that is begun; NULL when refused. */
struct dtr_rpc_call *pair_call(struct pair *pair, const struct dtr_rpc_method *method,
                               const struct dtr_rpc_events *events, void *context);
/* Index of the first frame at or after `from` of this kind; -1: none. */
int pair_find(const struct pair *pair, int from, bool by_server, uint8_t type, uint32_t stream);
/* Hands bytes to the server as if a client had sent them. */
void pair_inject(struct pair *pair, const void *bytes, size_t length);

#endif
