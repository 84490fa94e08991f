/* Sockets that block, with the kernel's own time limits; see testconn.h. Good enough for a server on this
 * machine: looking up a name has no limit, and a limit counts anew whenever some bytes have moved. */
#include "testconn.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct dtr_conn {
    int fd;
};

static int failed(const char *what, struct dtr_error *err)
{
    bool late = errno == EAGAIN || errno == EINPROGRESS;
    return dtr_error_set(err, late ? DTR_ETIMEOUT : DTR_ECLOSED, DTR_RETRY_SAME, "%s: %s", what,
                         late ? "not within the time limit" : strerror(errno));
}

static void limit(int fd, int which, uint64_t limit_ms)
{
    const uint64_t most_ms = 3600000;
    uint64_t ms = limit_ms == 0 ? 1 : limit_ms < most_ms ? limit_ms : most_ms; /* 0 would mean for ever */
    struct timeval time = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    (void)setsockopt(fd, SOL_SOCKET, which, &time, sizeof(time));
}

static int connect_one(const struct addrinfo *at, uint64_t limit_ms)
{
    int on = 1, fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    limit(fd, SO_SNDTIMEO, limit_ms);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, at->ai_addr, at->ai_addrlen) == 0)
        return fd;
    int number = errno;
    (void)close(fd);
    errno = number;
    return -1;
}

int testconn_dial(const struct dtr_conn_target *target, struct dtr_conn **ret_conn, struct dtr_error *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char port[8];
    int fd = -1;
    if (target->tls)
        return dtr_error_set(err, DTR_EUNSUPPORTED, DTR_RETRY_NEVER, "the test host has no TLS");
    (void)snprintf(port, sizeof(port), "%u", (unsigned)target->port);
    int answer = getaddrinfo(target->host, port, &hints, &found);
    if (answer != 0)
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_SAME, "%s: %s", target->host,
                             gai_strerror(answer));
    for (const struct addrinfo *at = found; at && fd < 0; at = at->ai_next)
        fd = connect_one(at, target->connect_ms);
    int number = errno;
    freeaddrinfo(found);
    errno = number;
    if (fd < 0)
        return failed(target->host, err) == DTR_ETIMEOUT ? DTR_ETIMEOUT : (err->code = DTR_EUNAVAILABLE);
    *ret_conn = malloc(sizeof(**ret_conn));
    if (!*ret_conn) {
        (void)close(fd);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a connection");
    }
    (*ret_conn)->fd = fd;
    return DTR_OK;
}

int testconn_read(struct dtr_conn *conn, void *bytes, size_t room, uint64_t limit_ms, size_t *ret_count,
                  struct dtr_error *err)
{
    limit(conn->fd, SO_RCVTIMEO, limit_ms);
    ssize_t count = recv(conn->fd, bytes, room, limit_ms == 0 ? MSG_DONTWAIT : 0);
    if (count < 0)
        return failed("read", err);
    if (count == 0)
        return dtr_error_set(err, DTR_ECLOSED, DTR_RETRY_SAME, "the other side closed the connection");
    *ret_count = (size_t)count;
    return DTR_OK;
}

int testconn_write(struct dtr_conn *conn, const void *bytes, size_t length, uint64_t limit_ms,
                   struct dtr_error *err)
{
    limit(conn->fd, SO_SNDTIMEO, limit_ms);
    for (size_t sent = 0; sent < length;) {
        ssize_t count = send(conn->fd, (const char *)bytes + sent, length - sent, MSG_NOSIGNAL);
        if (count < 0)
            return failed("write", err);
        sent += (size_t)count;
    }
    return DTR_OK;
}

void testconn_close(struct dtr_conn *conn)
{
    if (conn)
        (void)close(conn->fd);
    free(conn);
}
