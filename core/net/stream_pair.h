/* For tests of streams: the two ends of a connection, on one loop that the test turns by hand. */
#ifndef DTR_NET_STREAM_PAIR_H
#define DTR_NET_STREAM_PAIR_H

#include "core/loop/turn_until.h"
#include "core/net/listen.h"
#include "core/net/stream.h"
#include "core/net/tls.h"

struct end {
    int fd;                    /* of a socket that is no stream, for the test to close */
    struct dtr_stream *stream; /* NULL: not yet, or closed */
    bool grants;               /* gives credit for each byte that comes */
    uint64_t received;
    uint32_t sum; /* of the bytes, by sum_on() */
    int drained;
    bool ended, closed;
    struct dtr_error result; /* once closed */
};

struct pair {
    struct dtr_loop *loop;
    struct dtr_listener *listener;           /* of connect_pair(); else NULL */
    struct dtr_tls *server_tls, *client_tls; /* of tls_pair.h; else NULL */
    struct end client, server;
};

/* The context is a struct end. */
extern const struct dtr_stream_events end_events;
/* For listeners whose context is a struct pair: its server end takes the connection. */
void pair_accept(void *context, int fd, const struct dtr_addr *peer);
uint32_t sum_on(uint32_t sum, const void *bytes, size_t length);

/* A client that dials a listener on 127.0.0.1; then one that was accepted. */
void connect_pair(struct pair *pair);
void open_pair(struct pair *pair);
/* Closes what is open, and frees all but sockets. */
void close_pair(struct pair *pair);

#endif
