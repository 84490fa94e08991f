/* The parts of a connection, for conn.c, limits.c, reply.c and server.c only.
 *
 * A connection has one exchange at a time. Its life: HEAD (nothing, or part of a head) -> BUSY (a handler
 * answers) -> HEAD again, or LINGER (all is said; the client's close is awaited, so that the kernel
 * does not answer its last bytes with a reset that could overtake ours) -> CLOSING -> freed by the stream's
 * `closed`. Handlers are called by pump() and by the stream's events, never by what they call. */
#ifndef DTR_HTTP_CONN_H
#define DTR_HTTP_CONN_H

#include "core/base/list.h"
#include "core/base/str.h"
#include "core/http/chunked.h"
#include "core/http/server.h"
#include "core/loop/loop.h"
#include "core/net/listen.h"
#include "core/net/stream.h"
#include "core/net/stream_group.h"

#define DTR_HTTP_READ_AHEAD ((size_t)32 << 10)   /* bytes taken from the kernel and not yet consumed */
#define DTR_HTTP_DISCARD    ((uint64_t)64 << 10) /* longest unread body that is skipped to keep a connection */
#define DTR_HTTP_BACKLOG    ((uint64_t)256 << 10) /* unsent bytes past which the next request waits */

struct dtr_http_server {
    struct dtr_loop *loop;
    struct dtr_http_limits limits;
    dtr_http_handle *handle;
    void *context;
    struct dtr_listener *listener;
    struct dtr_tls *tls;             /* NULL: plain */
    struct dtr_list idle;            /* connections between requests, the longest idle first */
    struct dtr_list busy;            /* all others */
    struct dtr_stream_group tunnels; /* connections that were handed over */
    struct dtr_http_counts counts;
    bool stopping, tunnels_over;
    struct dtr_timer *grace;
    struct dtr_msg msg; /* the end of a server without connections */
    void (*stopped)(void *context);
    void *stopped_context;
};

enum dtr_http_state {
    DTR_CONN_HEAD,
    DTR_CONN_BUSY,
    DTR_CONN_LINGER,
    DTR_CONN_CLOSING,
    DTR_CONN_GONE, /* the stream is no longer ours */
};

struct dtr_http_exchange {
    struct dtr_http_conn *conn;
    struct dtr_http_head head;
    const struct dtr_http_events *events;
    void *context;
    bool ours; /* the handler is done with it, or never had it */

    struct dtr_chunked chunked;
    uint64_t body_left;   /* bytes to come; unused when chunked */
    uint64_t body_credit; /* bytes the handler still takes */
    bool body_done, body_begun, continued;

    bool responded, keep; /* the head is out; the connection stays open afterwards */
    bool bodiless;        /* HEAD, 204, 304: what is written goes nowhere */
    bool chunked_out, until_close;
    bool broken;   /* the handler wrote more than it promised */
    uint64_t left; /* body bytes still promised, DTR_LENGTH_UNKNOWN when no length was */
};

struct dtr_http_conn {
    struct dtr_list link; /* in the server's idle or busy list */
    struct dtr_http_server *server;
    struct dtr_stream *stream;
    int fd; /* the stream's: see dtr_http_conn_reset() */
    struct dtr_timer *timer;
    uint64_t armed_at; /* when the timer fires, UINT64_MAX when off */
    struct dtr_msg msg;
    bool kicked;  /* msg is posted */
    bool pumping; /* in pump() */
    enum dtr_http_state state;
    struct dtr_http_exchange *exchange;
    struct dtr_str stash; /* received, not consumed from stash_at on */
    size_t stash_at;
    uint64_t granted; /* read credit outstanding at the stream */
    bool input_ended;

    /* For the limits, all milliseconds of the loop's clock. */
    uint64_t since_ms; /* this wait began: idle, head, body, linger */
    uint64_t sent_at_ms, sent_seen;
};

/* conn.c */
void dtr_http_conn_open(struct dtr_http_server *server, int fd);
/* Makes pump() run soon. */
void dtr_http_conn_kick(struct dtr_http_conn *conn);
/* Takes the exchange away from its handler, telling it why. */
void dtr_http_conn_take_back(struct dtr_http_conn *conn, const struct dtr_error *err);
/* Closes now; what is unsent is dropped. */
void dtr_http_conn_drop(struct dtr_http_conn *conn);
/* An error answer of the server's own, if one is still possible, then the end. */
void dtr_http_conn_refuse(struct dtr_http_conn *conn, const struct dtr_error *err);
void dtr_http_conn_touch(struct dtr_http_conn *conn);

/* limits.c: enforces the limits of time and sets the timer for the next. */
void dtr_http_conn_check(struct dtr_http_conn *conn);
void dtr_http_conn_late(void *context);

/* server.c */
void dtr_http_server_left(struct dtr_http_server *server);

#endif
