/* Connections. One type for TCP, TLS and unix sockets: read by credit, write bytes, send extents (sendfile on
 * plain sockets), half-close, deadlines, byte accounting.
 *
 * Everything is on the stream's loop. Events come later than the call that causes them, never from inside
 * it; `closed` is the last one and comes exactly once. The contracts of the functions that modules see
 * too stand in darter/host.h (struct dtr_host, stream_*); here is what only core uses. */
#ifndef DTR_NET_STREAM_H
#define DTR_NET_STREAM_H

#include "core/net/addr.h"
#include <darter/host.h>
#include <sys/types.h>

enum { DTR_CRED_GROUPS = 256 };

/* Takes over an accepted descriptor, whatever happens. Starts without read credit and without deadlines. */
int dtr_stream_new(struct dtr_loop *loop, int fd, const struct dtr_stream_events *events, void *context,
                   struct dtr_stream **ret_stream, struct dtr_error *err);
/* stream_connect of darter/host.h. */
int dtr_stream_connect(struct dtr_loop *loop, const struct sockaddr *address, uint64_t connect_ms,
                       const struct dtr_stream_events *events, void *context, struct dtr_stream **ret_stream,
                       struct dtr_error *err);
/* Puts TLS on a stream that was made just now, before anything else happens to it. Who connected is the
 * client, and `host` (or NULL) is a name that the server's certificate may be for instead of its address. The
 * handshake ends within `limit_ms` or the stream does, for a client in what is left of `connect_ms`. From
 * here on bytes, credit and counts are of what is inside; FIN is close_notify, and a stream that breaks off
 * without one fails with DTR_ECLOSED. A stream that is closed without `flush` breaks off, unless its end was
 * told. */
struct dtr_tls; /* core/net/tls.h */
int dtr_stream_secure(struct dtr_stream *stream, struct dtr_tls *tls, const char *host, uint64_t limit_ms,
                      struct dtr_error *err);
void dtr_stream_adopt(struct dtr_stream *stream, const struct dtr_stream_events *events, void *context);
void dtr_stream_read(struct dtr_stream *stream, uint64_t bytes);
/* Takes back all read credit. */
void dtr_stream_pause(struct dtr_stream *stream);
/* Writing no bytes only asks for `drained`, which a stream that still connects tells once it is connected. */
void dtr_stream_write(struct dtr_stream *stream, const void *bytes, size_t length);
void dtr_stream_send(struct dtr_stream *stream, const struct dtr_extent *extent);
void dtr_stream_end(struct dtr_stream *stream);
void dtr_stream_deadline(struct dtr_stream *stream, uint64_t idle_ms, uint64_t total_ms);
void dtr_stream_close(struct dtr_stream *stream, bool flush);
/* For a stream that nobody has adopted yet, or any more: what comes goes nowhere. */
extern const struct dtr_stream_events dtr_stream_nobody;
/* Closes a stream now, and tells nobody. */
void dtr_stream_drop(struct dtr_stream *stream);
struct dtr_loop *dtr_stream_loop(const struct dtr_stream *stream);
const char *dtr_stream_peer(const struct dtr_stream *stream);
/* The other side's address; a unix socket's has no path. */
const struct dtr_addr *dtr_stream_addr(const struct dtr_stream *stream);

/* Shares of limits, NULL: none: reads take credit, and sends take bytes, as fast as these allow. They outlive
 * the stream. At most once, before anything moves. */
struct dtr_pace;
void dtr_stream_pace(struct dtr_stream *stream, struct dtr_pace *in, struct dtr_pace *out);

/* Bytes queued by dtr_stream_write() and not yet given to the kernel (extents not counted). */
size_t dtr_stream_queued(const struct dtr_stream *stream);
/* Bytes, extents included, not yet given to the kernel. */
uint64_t dtr_stream_pending(const struct dtr_stream *stream);
/* Ceiling for dtr_stream_queued(); the default is DTR_STREAM_QUEUE. */
#define DTR_STREAM_QUEUE ((size_t)8 << 20)
void dtr_stream_limit(struct dtr_stream *stream, size_t bytes);
/* Bytes that went each way so far. */
uint64_t dtr_stream_received(const struct dtr_stream *stream);
uint64_t dtr_stream_sent(const struct dtr_stream *stream);
/* For core/net/stream_group.h. */
struct dtr_stream_member;
struct dtr_stream_member *dtr_stream_member(struct dtr_stream *stream);
/* Who a process acts as. */
struct dtr_cred {
    uid_t uid;
    gid_t gid;
    gid_t groups[DTR_CRED_GROUPS]; /* supplementary ones */
    size_t group_count;
};
/* The process at the other end of a unix socket, as it was when it connected. False on TCP, and for one with
 * more than DTR_CRED_GROUPS groups. */
bool dtr_stream_cred(const struct dtr_stream *stream, struct dtr_cred *ret_cred);

#endif
