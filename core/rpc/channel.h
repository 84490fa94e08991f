/* The inside of a channel, for the files that make it and start calls on it. */
#ifndef DTR_RPC_CHANNEL_H
#define DTR_RPC_CHANNEL_H

#include "core/rpc/conn.h"

struct dtr_rpc_channel {
    struct dtr_rpc_driver driver;
    struct dtr_addr addr;
    struct dtr_rpc_channel_options options; /* no zeros; its pointers are not used */
    char authority[256];
    struct dtr_tls *tls; /* NULL: plain */
    char host[256];      /* "": none */
    enum dtr_rpc_state state;
    struct dtr_rpc_conn *conn; /* for new calls; NULL: none. Others are on their way out */
    struct dtr_list conns;     /* struct dtr_rpc_conn.link */
    struct dtr_list waiting;   /* struct dtr_rpc_call.link: calls without a connection */
    struct dtr_timer *clock;   /* the end of a pause, or of an attempt to connect */
    unsigned failures;         /* in a row */
    uint64_t retry_ms;         /* not before */
    uint64_t ready_ms;
    struct dtr_error error; /* of the last attempt */
    struct dtr_msg soon;    /* begins waiting calls, or ends a closed channel */
    bool soon_posted, closing;
};

/* Somebody wants a connection. */
void dtr_rpc_channel_want(struct dtr_rpc_channel *channel);
/* Begins waiting calls on the connection there is, later in this turn. */
void dtr_rpc_channel_run_soon(struct dtr_rpc_channel *channel);

#endif
