/* How a stream begins, accepted or dialled, and who is at its other end. */
#include "core/net/stream.h"

#include "core/base/clock.h"
#include "core/net/stream_internal.h"
#include <errno.h>
#include <netinet/tcp.h>

/* The other side has left already. Its family still says whether it was on this machine. */
static struct dtr_addr address_of_nobody(int fd)
{
    struct dtr_addr own = {.length = sizeof(own.un)}, nobody = {0};
    if (getsockname(fd, &own.any, &own.length) != 0)
        own.any.sa_family = AF_INET; /* whoever it was has no rights */
    nobody.any.sa_family = own.any.sa_family;
    nobody.length = own.any.sa_family == AF_INET    ? sizeof(nobody.v4)
                    : own.any.sa_family == AF_INET6 ? sizeof(nobody.v6)
                                                    : sizeof(sa_family_t);
    return nobody;
}

int dtr_stream_new(struct dtr_loop *loop, int fd, const struct dtr_stream_events *events, void *context,
                   struct dtr_stream **ret_stream, struct dtr_error *err)
{
    int rc = stream_make(loop, fd, events, context, ret_stream, err);
    if (rc == DTR_OK) {
        struct dtr_stream *stream = *ret_stream;
        stream->addr.length = sizeof(stream->addr.un);
        if (getpeername(fd, &stream->addr.any, &stream->addr.length) != 0)
            stream->addr = address_of_nobody(fd);
        dtr_addr_text(&stream->addr, stream->peer);
    }
    return rc;
}

int dtr_stream_connect(struct dtr_loop *loop, const struct sockaddr *address, uint64_t connect_ms,
                       const struct dtr_stream_events *events, void *context, struct dtr_stream **ret_stream,
                       struct dtr_error *err)
{
    struct dtr_addr addr = {0};
    int on = 1;
    addr.length = address->sa_family == AF_INET    ? sizeof(addr.v4)
                  : address->sa_family == AF_INET6 ? sizeof(addr.v6)
                                                   : sizeof(addr.un);
    memcpy(&addr.any, address, addr.length);
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return dtr_error_set(err, DTR_EIO, DTR_RETRY_SAME, "cannot make a socket: %s", strerror(errno));
    if (address->sa_family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    int rc = stream_make(loop, fd, events, context, ret_stream, err);
    if (rc != DTR_OK)
        return rc;
    struct dtr_stream *stream = *ret_stream;
    stream->addr = addr;
    dtr_addr_text(&addr, stream->peer);
    stream->connecting = true;
    if (connect(fd, &addr.any, addr.length) != 0 && errno != EINPROGRESS)
        stream_die(stream, DTR_EUNAVAILABLE, "cannot connect: %s", strerror(errno));
    if (!stream->dead && connect_ms) {
        stream->connect_at_ms = dtr_now_ms() + connect_ms;
        stream_need_timer(stream);
        stream_arm(stream);
    }
    stream_watch(stream);
    return DTR_OK;
}

void stream_connected(struct dtr_stream *stream)
{
    int number = 0;
    socklen_t size = sizeof(number);
    (void)getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &number, &size);
    if (number != 0) {
        stream_die(stream, DTR_EUNAVAILABLE, "cannot connect: %s", strerror(number));
        return;
    }
    stream->connecting = false;
    if (!stream->shaking)
        stream_opened(stream);
}

const char *dtr_stream_peer(const struct dtr_stream *stream)
{
    return stream->peer;
}

const struct dtr_addr *dtr_stream_addr(const struct dtr_stream *stream)
{
    return &stream->addr;
}

bool dtr_stream_cred(const struct dtr_stream *stream, struct dtr_cred *ret_cred)
{
    struct ucred creds;
    socklen_t size = sizeof(creds), groups_size = sizeof(ret_cred->groups);
    if (stream->addr.any.sa_family != AF_UNIX ||
        getsockopt(stream->fd, SOL_SOCKET, SO_PEERCRED, &creds, &size) != 0 ||
        getsockopt(stream->fd, SOL_SOCKET, SO_PEERGROUPS, ret_cred->groups, &groups_size) != 0)
        return false;
    ret_cred->uid = creds.uid;
    ret_cred->gid = creds.gid;
    ret_cred->group_count = groups_size / sizeof(ret_cred->groups[0]);
    return true;
}
