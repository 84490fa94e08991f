/* Listening sockets; see listen.h. */
#include "core/net/listen.h"

#include "core/base/clock.h"
#include "core/loop/loop.h"
#include "core/obs/log.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct dtr_listener {
    int fd;
    struct dtr_addr addr;
    struct dtr_watch *watch;
    struct dtr_timer *pause; /* armed while descriptors are short */
    uint64_t said_ms;        /* when that was last said */
    void (*accepted)(void *context, int fd, const struct dtr_addr *peer);
    void *context;
    bool busy, closed; /* a callback runs; it closed the listener, which is freed after it */
};

enum { BACKLOG = 1024, PAUSE_MS = 100, BATCH = 64, SAY_MS = 10000 };

static void tune(int fd, const struct dtr_addr *addr)
{
    int on = 1;
    if (addr->any.sa_family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void pause_accepting(struct dtr_listener *listener, int number)
{
    uint64_t now = dtr_now_ms();
    char text[DTR_ADDR_TEXT];
    dtr_watch_set(listener->watch, 0);
    dtr_timer_set(listener->pause, PAUSE_MS);
    if (listener->said_ms && now < listener->said_ms + SAY_MS)
        return;
    listener->said_ms = now;
    dtr_addr_text(&listener->addr, text);
    dtr_log(DTR_LOG_WARN, NULL,
            "%s takes no connections for now: %s; raise the limit of open files (systemd: LimitNOFILE=)?",
            text, strerror(number));
}

static void on_ready(void *context, int events)
{
    struct dtr_listener *listener = context;
    (void)events;
    listener->busy = true;
    for (int i = 0; i < BATCH && !listener->closed; i++) {
        struct dtr_addr peer = {.length = sizeof(peer.un)};
        int fd = accept4(listener->fd, &peer.any, &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            tune(fd, &listener->addr);
            listener->accepted(listener->context, fd, &peer);
            continue;
        }
        int number = errno;
        if (number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM)
            pause_accepting(listener, number);
        if (number != EINTR && number != ECONNABORTED)
            break;
    }
    listener->busy = false;
    if (listener->closed)
        free(listener);
}

static void on_pause_over(void *context)
{
    struct dtr_listener *listener = context;
    dtr_watch_set(listener->watch, DTR_READABLE);
}

/* A socket file that nobody listens on any more is left over from a crash. */
static int remove_stale(const struct dtr_addr *addr, struct dtr_error *err)
{
    const char *path = addr->un.sun_path;
    struct stat info;
    if (lstat(path, &info) != 0)
        return DTR_OK;
    if (!S_ISSOCK(info.st_mode))
        return dtr_error_set(err, DTR_EEXISTS, DTR_RETRY_NEVER, "%s exists and is not a socket; remove it",
                             path);
    /* One that hangs, with its queue full, is there too: EAGAIN, without waiting for it. */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool alive = fd >= 0 && (connect(fd, &addr->any, addr->length) == 0 || errno == EAGAIN);
    if (fd >= 0)
        (void)close(fd);
    if (alive)
        return dtr_error_set(err, DTR_EEXISTS, DTR_RETRY_NEVER,
                             "another process listens on %s; stop it or configure another path", path);
    (void)unlink(path);
    return DTR_OK;
}

static int bind_failed(const struct dtr_addr *addr, struct dtr_error *err)
{
    char text[DTR_ADDR_TEXT];
    dtr_addr_text(addr, text);
    if (errno == EADDRINUSE)
        return dtr_error_set(err, DTR_EEXISTS, DTR_RETRY_SAME,
                             "%s is in use by another process; stop it or configure another port", text);
    return dtr_error_set(err, DTR_EIO, DTR_RETRY_NEVER, "cannot listen on %s: %s", text, strerror(errno));
}

static int open_socket(const struct dtr_addr *addr, int *ret_fd, struct dtr_error *err)
{
    int on = 1, off = 0;
    if (addr->any.sa_family == AF_UNIX) {
        int rc = remove_stale(addr, err);
        if (rc != DTR_OK)
            return rc;
    }
    int fd = socket(addr->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return bind_failed(addr, err);
    if (addr->any.sa_family != AF_UNIX)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (addr->any.sa_family == AF_INET6) /* whatever net.ipv6.bindv6only says: "::" is for both families */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, &addr->any, addr->length) != 0 || listen(fd, BACKLOG) != 0) {
        int rc = bind_failed(addr, err);
        (void)close(fd);
        return rc;
    }
    if (addr->any.sa_family == AF_UNIX)
        (void)chmod(addr->un.sun_path, 0777);
    *ret_fd = fd;
    return DTR_OK;
}

int dtr_listen(struct dtr_loop *loop, const struct dtr_addr *addr,
               void (*accepted)(void *context, int fd, const struct dtr_addr *peer), void *context,
               struct dtr_listener **ret_listener, struct dtr_error *err)
{
    struct dtr_listener *listener = calloc(1, sizeof(*listener));
    if (!listener)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a listener");
    *listener = (struct dtr_listener){.fd = -1, .accepted = accepted, .context = context, .addr = *addr};
    int rc = open_socket(addr, &listener->fd, err);
    if (rc == DTR_OK)
        rc = dtr_timer_open(loop, on_pause_over, listener, &listener->pause, err);
    if (rc == DTR_OK)
        rc = dtr_watch_open(loop, listener->fd, on_ready, listener, &listener->watch, err);
    if (rc != DTR_OK) {
        dtr_listener_close(listener);
        return rc;
    }
    dtr_watch_set(listener->watch, DTR_READABLE);
    if (addr->any.sa_family != AF_UNIX) {
        listener->addr.length = sizeof(listener->addr.un);
        (void)getsockname(listener->fd, &listener->addr.any, &listener->addr.length);
    }
    *ret_listener = listener;
    return DTR_OK;
}

void dtr_listener_addr(const struct dtr_listener *listener, struct dtr_addr *ret_addr)
{
    *ret_addr = listener->addr;
}

void dtr_listener_close(struct dtr_listener *listener)
{
    if (!listener)
        return;
    dtr_watch_close(listener->watch);
    dtr_timer_close(listener->pause);
    if (listener->fd >= 0) {
        (void)close(listener->fd);
        if (listener->addr.any.sa_family == AF_UNIX)
            (void)unlink(listener->addr.un.sun_path);
    }
    listener->closed = true;
    if (!listener->busy)
        free(listener);
}
