/* Sessions on real connections: what server and channel share. Not for anybody outside this folder.
 *
 * A driver is a hub on a loop: one message and one timer for all its connections. A conn ties a session to
 * a stream and watches over silence. */
#ifndef DTR_RPC_CONN_H
#define DTR_RPC_CONN_H

#include "core/loop/loop.h"
#include "core/net/stream.h"
#include "core/rpc/internal.h"

struct dtr_rpc_conn;
struct dtr_tls; /* core/net/tls.h */

struct dtr_rpc_driver {
    struct dtr_rpc_hub hub;
    struct dtr_loop *loop;
    struct dtr_msg msg; /* the turn; */
    bool posted;        /* ... is on its way */
    struct dtr_timer *timer;
    uint64_t timer_ms; /* when it fires; UINT64_MAX: never */
    bool server;
    /* Connections by what they are waited for; within each the oldest first. */
    struct dtr_list fresh;  /* the other side's SETTINGS */
    struct dtr_list live;   /* frames */
    struct dtr_list pinged; /* any frame, after a ping */
    size_t conns;
};

struct dtr_rpc_conn_events {
    void (*settled)(struct dtr_rpc_conn *conn);
    void (*goaway)(struct dtr_rpc_conn *conn);
    bool (*refused)(struct dtr_rpc_conn *conn, struct dtr_rpc_call *call);
    /* The last one: its calls have ended, it is freed when this returns. */
    void (*gone)(struct dtr_rpc_conn *conn, const struct dtr_error *err);
};

struct dtr_rpc_conn {
    struct dtr_rpc_driver *driver;
    struct dtr_stream *stream;
    struct dtr_rpc_session *session;
    const struct dtr_rpc_conn_events *events;
    void *context;
    struct dtr_list wait; /* in fresh, live or pinged */
    struct dtr_list link; /* the user's list */
    uint64_t since_ms;    /* how long it waits there */
    uint64_t born_ms;
    uint64_t frames; /* seen so far */
    bool settled;
    bool secure;          /* TLS */
    struct dtr_error err; /* why it is being closed; code 0: no reason known */
};

int dtr_rpc_driver_init(struct dtr_rpc_driver *driver, struct dtr_loop *loop,
                        const struct dtr_rpc_limits *limits, bool server, struct dtr_error *err);
/* No connections are left; tells calls that have ended. */
void dtr_rpc_driver_free(struct dtr_rpc_driver *driver);

/* What a connection is made of. */
struct dtr_rpc_line {
    int fd; /* a server's: accepted; taken over whatever happens. -1: a client's, to an address */
    const struct dtr_addr *addr;
    uint64_t connect_ms;
    struct dtr_tls *tls; /* NULL: plain */
    const char *host;    /* a client's name for the other side, or NULL */
};
int dtr_rpc_conn_new(struct dtr_rpc_driver *driver, struct dtr_rpc_table *table,
                     const struct dtr_rpc_line *line, const struct dtr_rpc_conn_events *events, void *context,
                     struct dtr_rpc_conn **ret_conn, struct dtr_error *err);
/* Closes, with `flush` after what is written; `gone` follows. err (or NULL) is the reason. */
void dtr_rpc_conn_close(struct dtr_rpc_conn *conn, bool flush, const struct dtr_error *err);

#endif
