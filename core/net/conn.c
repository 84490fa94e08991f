/* Blocking connections: a socket that does not block, and poll(); see conn.h. */
#include "core/net/conn.h"

#include "core/base/clock.h"
#include "core/net/guard.h"
#include "core/net/lookup.h"
#include "core/net/tls_internal.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum { POLL_MOST_MS = 60000, LATE_LOOKS = 8, PEER_TEXT = 280 };

struct dtr_conn {
    int fd;
    struct dtr_tls *tls;             /* of this connection alone, or NULL */
    struct dtr_tls_session *session; /* NULL: plain */
    char peer[PEER_TEXT];            /* what was dialled: "redis:6379" */
};

/* --- time ------------------------------------------------------------------------------------------- */

static uint64_t after(uint64_t limit_ms)
{
    uint64_t now_ms = dtr_now_ms();
    return limit_ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + limit_ms;
}

static uint64_t left_ms(uint64_t until_ms)
{
    uint64_t now_ms = dtr_now_ms();
    return now_ms < until_ms ? until_ms - now_ms : 0;
}

/* Whether the descriptor is ready before the time is over; looks once when it is over already. */
static bool wait_for(int fd, short events, uint64_t until_ms)
{
    struct pollfd at = {.fd = fd, .events = events};
    for (;;) {
        uint64_t left = left_ms(until_ms);
        int count = poll(&at, 1, left < POLL_MOST_MS ? (int)left : POLL_MOST_MS);
        if (count > 0)
            return true;
        if (left == 0 && (count == 0 || errno != EINTR))
            return false;
    }
}

static int late(const struct dtr_conn *conn, const char *what, uint64_t limit_ms, struct dtr_error *err)
{
    return dtr_error_set(err, DTR_ETIMEOUT, DTR_RETRY_SAME, "%s %s within %llu ms", conn->peer, what,
                         (unsigned long long)limit_ms);
}

/* --- addresses -------------------------------------------------------------------------------------- */

struct found {
    struct dtr_addr list[DTR_LOOKUP_ADDRS];
    size_t count;
};

static int find(const struct dtr_conn_target *target, char peer[PEER_TEXT], struct found *found,
                struct dtr_error *err)
{
    int length = snprintf(peer, PEER_TEXT, strchr(target->host, ':') ? "[%s]:%u" : "%s:%u", target->host,
                          (unsigned)target->port);
    if (!target->host[0] || target->port == 0 || length < 0 || length >= PEER_TEXT)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "'%.80s' with port %u is nothing to dial",
                             target->host, (unsigned)target->port);
    found->count = 1;
    if (dtr_addr_ip(target->host, target->port, &found->list[0], NULL) == DTR_OK)
        return DTR_OK;
    return dtr_lookup_wait(peer, target->connect_ms, found->list, &found->count, err);
}

/* --- connecting ------------------------------------------------------------------------------------- */

static int fail_to_reach(const struct dtr_conn *conn, const struct dtr_addr *addr, int number,
                         struct dtr_error *err)
{
    char text[DTR_ADDR_TEXT];
    dtr_addr_text(addr, text);
    bool same = strcmp(text, conn->peer) == 0;
    return dtr_error_set(err, number == ETIMEDOUT ? DTR_ETIMEOUT : DTR_EUNAVAILABLE, DTR_RETRY_SAME,
                         "%s%s%s%s cannot be reached: %s", conn->peer, same ? "" : " (", same ? "" : text,
                         same ? "" : ")", strerror(number));
}

/* An errno, or 0. */
static int connect_until(int fd, const struct dtr_addr *addr, uint64_t until_ms)
{
    int number = 0;
    socklen_t size = sizeof(number);
    if (connect(fd, &addr->any, addr->length) == 0)
        return 0;
    if (errno != EINPROGRESS && errno != EINTR)
        return errno;
    if (!wait_for(fd, POLLOUT, until_ms))
        return ETIMEDOUT;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size) == 0 ? number : errno;
}

static int reach(struct dtr_conn *conn, const struct dtr_addr *addr, uint64_t until_ms, struct dtr_error *err)
{
    int on = 1;
    if (!dtr_guard_allows(&addr->any, true))
        return dtr_error_set(err, DTR_EDENIED, DTR_RETRY_NEVER, "%s is no address to dial", conn->peer);
    conn->fd = socket(addr->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        return fail_to_reach(conn, addr, errno, err);
    int number = connect_until(conn->fd, addr, until_ms);
    if (number == 0) {
        (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        (void)setsockopt(conn->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
        return DTR_OK;
    }
    (void)close(conn->fd);
    conn->fd = -1;
    return fail_to_reach(conn, addr, number, err);
}

/* One after the other; each gets its share of the time that is left. */
static int reach_one(struct dtr_conn *conn, const struct found *found, uint64_t until_ms,
                     const struct dtr_addr **ret_addr, struct dtr_error *err)
{
    int rc = DTR_OK;
    for (size_t i = 0; i < found->count; i++) {
        uint64_t share_ms = left_ms(until_ms) / (found->count - i);
        rc = reach(conn, &found->list[i], after(share_ms), err);
        if (rc == DTR_OK) {
            *ret_addr = &found->list[i];
            return DTR_OK;
        }
    }
    return rc;
}

/* --- TLS -------------------------------------------------------------------------------------------- */

static const char *file_or_none(const char *path)
{
    return path && path[0] ? path : NULL;
}

/* A context for this connection: no other thread has to do with it, and it has what is in the files now. */
static int read_files(struct dtr_conn *conn, const struct dtr_conn_target *target, struct dtr_error *err)
{
    const struct dtr_tls_options options = {.side = DTR_TLS_CLIENT,
                                            .files = {[DTR_TLS_CA_CERT] = file_or_none(target->ca_cert),
                                                      [DTR_TLS_CERT] = file_or_none(target->cert),
                                                      [DTR_TLS_KEY] = file_or_none(target->key)},
                                            .unverified = target->skip_verify,
                                            .who = conn->peer};
    return target->tls ? dtr_tls_new(&options, &conn->tls, err) : DTR_OK;
}

static int fail_of_tls(const struct dtr_conn *conn, struct dtr_error *err)
{
    const struct dtr_error *why = dtr_tls_session_error(conn->session);
    return dtr_error_set(err, why->code, why->retry, "%s: %s", conn->peer, why->text);
}

static short poll_events(int waits)
{
    return (short)((waits & DTR_READABLE ? POLLIN : 0) | (waits & DTR_WRITABLE ? POLLOUT : 0));
}

static int shake(struct dtr_conn *conn, uint64_t until_ms, uint64_t limit_ms, struct dtr_error *err)
{
    for (int done; (done = dtr_tls_session_shake(conn->session)) != 1;) {
        if (done < 0)
            return fail_of_tls(conn, err);
        if (left_ms(until_ms) == 0 ||
            !wait_for(conn->fd, poll_events(dtr_tls_session_waits(conn->session)), until_ms))
            return late(conn, "was connected, but did not finish TLS's handshake", limit_ms, err);
    }
    return DTR_OK;
}

/* --- life ------------------------------------------------------------------------------------------- */

static int open_conn(struct dtr_conn *conn, const struct dtr_conn_target *target, struct dtr_error *err)
{
    struct found found = {0};
    const struct dtr_addr *addr = NULL;
    uint64_t until_ms = after(target->connect_ms);
    int rc = find(target, conn->peer, &found, err);
    if (rc == DTR_OK)
        rc = read_files(conn, target, err);
    if (rc == DTR_OK)
        rc = reach_one(conn, &found, until_ms, &addr, err);
    if (rc != DTR_OK || !target->tls)
        return rc;
    rc = dtr_tls_session_new(conn->tls, conn->fd, addr, target->host, &conn->session, err);
    return rc == DTR_OK ? shake(conn, until_ms, target->connect_ms, err) : rc;
}

int dtr_conn_dial(const struct dtr_conn_target *target, struct dtr_conn **ret_conn, struct dtr_error *err)
{
    struct dtr_conn *conn = calloc(1, sizeof(*conn));
    if (!conn)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a connection");
    conn->fd = -1;
    int rc = open_conn(conn, target, err);
    if (rc == DTR_OK)
        *ret_conn = conn;
    else
        dtr_conn_close(conn);
    return rc;
}

void dtr_conn_close(struct dtr_conn *conn)
{
    if (!conn)
        return;
    if (conn->session)
        (void)dtr_tls_session_end(conn->session);
    dtr_tls_session_free(conn->session);
    dtr_tls_drop(conn->tls);
    if (conn->fd >= 0)
        (void)close(conn->fd);
    free(conn);
}

/* --- bytes ------------------------------------------------------------------------------------------ */

static int fail(const struct dtr_conn *conn, struct dtr_error *err)
{
    if (conn->session && errno == EPROTO)
        return fail_of_tls(conn, err);
    return dtr_error_set(err, DTR_ECLOSED, DTR_RETRY_SAME, "%s: the connection broke: %s", conn->peer,
                         strerror(errno));
}

int dtr_conn_read(struct dtr_conn *conn, void *bytes, size_t room, uint64_t limit_ms, size_t *ret_count,
                  struct dtr_error *err)
{
    uint64_t until_ms = after(limit_ms);
    for (int late_looks = 0; late_looks < LATE_LOOKS;) { /* records of TLS may carry nothing */
        ssize_t count =
            conn->session ? dtr_tls_session_read(conn->session, bytes, room) : recv(conn->fd, bytes, room, 0);
        int waits = DTR_READABLE | (conn->session ? dtr_tls_session_waits(conn->session) : 0);
        if (count > 0) {
            *ret_count = (size_t)count;
            return DTR_OK;
        }
        if (count == 0)
            return dtr_error_set(err, DTR_ECLOSED, DTR_RETRY_SAME, "%s closed the connection", conn->peer);
        if (errno != EAGAIN && errno != EINTR)
            return fail(conn, err);
        late_looks += left_ms(until_ms) == 0;
        if (!wait_for(conn->fd, poll_events(waits), until_ms))
            break;
    }
    return late(conn, "sent nothing", limit_ms, err);
}

int dtr_conn_write(struct dtr_conn *conn, const void *bytes, size_t length, uint64_t limit_ms,
                   struct dtr_error *err)
{
    const char *at = bytes;
    uint64_t until_ms = after(limit_ms);
    while (length > 0) {
        ssize_t count = conn->session ? dtr_tls_session_write(conn->session, at, length)
                                      : send(conn->fd, at, length, MSG_NOSIGNAL);
        if (count > 0) {
            at += count;
            length -= (size_t)count;
        } else if (count < 0 && errno != EAGAIN && errno != EINTR) {
            return fail(conn, err);
        } else if (left_ms(until_ms) == 0 || !wait_for(conn->fd, POLLOUT, until_ms)) {
            return late(conn, "did not take what was sent", limit_ms, err);
        }
    }
    return DTR_OK;
}
