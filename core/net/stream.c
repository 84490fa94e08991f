/* Connections on a loop; see stream.h for the contract.
 *
 * A stream dies in one place: kick(), which runs as a message of its own. Everything that ends it only
 * notes why and posts that message, so no event handler can pull the stream away under a caller. */
#include "core/net/stream.h"

#include "core/base/clock.h"
#include "core/base/list.h"
#include "core/loop/loop.h"
#include "core/net/stream_group.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    CHUNK = 16 << 10,  /* least room made for written bytes */
    READS = 4,         /* reads per readiness, so that one stream does not starve the others */
    VECTORS = 16,      /* pieces of memory per system call */
    SENDFILE = 1 << 20 /* bytes per sendfile */
};
static const uint64_t turn_limit = 4 << 20; /* bytes written per turn */

/* Something to send: bytes of our own or an extent. */
struct item {
    struct dtr_list link;
    bool is_extent;
    struct dtr_extent extent;
    uint8_t *bytes;
    size_t length, capacity;
    uint64_t sent;
};

struct dtr_stream {
    struct dtr_loop *loop;
    int fd;
    struct dtr_watch *watch;
    struct dtr_timer *timer; /* made when a deadline is first set */
    struct dtr_msg msg;      /* kick() */
    bool kicked;             /* msg is posted */
    const struct dtr_stream_events *events;
    void *context;
    struct dtr_stream_member member;
    struct dtr_addr addr;
    char peer[DTR_ADDR_TEXT];

    bool connecting;
    bool ended;    /* the other side sent FIN */
    bool end_told; /* our FIN is queued behind what is pending */
    bool shut;     /* our FIN is sent */
    bool closing;  /* close asked for */
    bool flush;    /* ... after what is pending */
    bool dead;     /* `result` is final, kick() will deliver it */
    bool tell_drained;
    bool full; /* the kernel takes no more: wait for writable */
    struct dtr_error result;

    uint64_t credit;
    struct dtr_list queue; /* struct item */
    size_t queued, limit;
    uint64_t pending, received, sent;
    uint64_t idle_ms, total_at_ms, moved_ms;
    uint64_t connect_at_ms; /* the latest time to be connected; 0: any. Until then idle_ms does not count */
    int watched;
};

static void kick(struct dtr_msg *msg);

static void post_kick(struct dtr_stream *stream)
{
    if (stream->kicked)
        return;
    stream->kicked = true;
    dtr_loop_post(stream->loop, &stream->msg);
}

__attribute__((format(printf, 3, 4))) static void die(struct dtr_stream *stream, int code, const char *format,
                                                      ...)
{
    va_list args;
    char text[160] = "";
    if (stream->dead)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    stream->dead = true;
    if (code != DTR_OK)
        (void)dtr_error_set(&stream->result, code, DTR_RETRY_ELSEWHERE, "%s: %s", stream->peer, text);
    post_kick(stream);
}

static void die_errno(struct dtr_stream *stream, const char *what, int number)
{
    bool gone = number == ECONNRESET || number == EPIPE;
    die(stream, gone ? DTR_ECLOSED : DTR_EIO, "%s: %s", what, strerror(number));
}

static void item_free(struct dtr_stream *stream, struct item *item)
{
    dtr_list_remove(&item->link);
    if (item->is_extent) {
        stream->pending -= item->extent.length - item->sent;
        dtr_extent_release(&item->extent);
    } else {
        stream->pending -= item->length - item->sent;
        stream->queued -= item->length - (size_t)item->sent;
        free(item->bytes);
    }
    free(item);
}

static void update_watch(struct dtr_stream *stream)
{
    int wanted = 0;
    if (stream->dead)
        wanted = 0;
    else if (stream->connecting)
        wanted = DTR_WRITABLE;
    else
        wanted =
            (stream->credit > 0 && !stream->ended ? DTR_READABLE : 0) | (stream->full ? DTR_WRITABLE : 0);
    if (wanted != stream->watched) {
        stream->watched = wanted;
        dtr_watch_set(stream->watch, wanted);
    }
}

/* --- deadlines ------------------------------------------------------------------------------------ */

/* When it has been silent for too long, or still connects; UINT64_MAX: never. */
static uint64_t silent_until(const struct dtr_stream *stream)
{
    if (stream->connecting && stream->connect_at_ms)
        return stream->connect_at_ms;
    return stream->idle_ms ? stream->moved_ms + stream->idle_ms : UINT64_MAX;
}

static void arm(struct dtr_stream *stream)
{
    uint64_t now = dtr_now_ms(), at = silent_until(stream);
    if (stream->total_at_ms && stream->total_at_ms < at)
        at = stream->total_at_ms;
    if (stream->timer)
        dtr_timer_set(stream->timer, at == UINT64_MAX ? DTR_TIMER_OFF : at > now ? at - now : 0);
}

/* Bytes move without touching the timer, so it may come early: then it is armed again. */
static void on_deadline(void *context)
{
    struct dtr_stream *stream = context;
    uint64_t now = dtr_now_ms();
    if (stream->total_at_ms && now >= stream->total_at_ms)
        die(stream, DTR_ETIMEOUT, "not done in time");
    else if (now < silent_until(stream))
        arm(stream);
    else if (stream->connecting)
        die(stream, DTR_ETIMEOUT, "no connection in time");
    else
        die(stream, DTR_ETIMEOUT, "nothing moved for %llu ms", (unsigned long long)stream->idle_ms);
}

static void need_timer(struct dtr_stream *stream)
{
    struct dtr_error err;
    if (!stream->timer && dtr_timer_open(stream->loop, on_deadline, stream, &stream->timer, &err) != DTR_OK)
        die(stream, err.code, "%s", err.text);
}

void dtr_stream_deadline(struct dtr_stream *stream, uint64_t idle_ms, uint64_t total_ms)
{
    uint64_t now = dtr_now_ms();
    if (stream->dead)
        return;
    stream->idle_ms = idle_ms;
    stream->total_at_ms = total_ms ? now + total_ms : 0;
    stream->moved_ms = now;
    if (idle_ms || total_ms)
        need_timer(stream);
    arm(stream);
}

/* --- sending -------------------------------------------------------------------------------------- */

static void sent_bytes(struct dtr_stream *stream, uint64_t count)
{
    stream->sent += count;
    stream->moved_ms = dtr_now_ms();
}

/* Takes `count` sent bytes off the front of the queue. */
static void consume(struct dtr_stream *stream, uint64_t count)
{
    sent_bytes(stream, count);
    while (count > 0) {
        struct item *item = dtr_container(stream->queue.next, struct item, link);
        uint64_t length = item->is_extent ? item->extent.length : item->length;
        uint64_t part = length - item->sent < count ? length - item->sent : count;
        item->sent += part;
        stream->pending -= part;
        if (!item->is_extent)
            stream->queued -= (size_t)part;
        count -= part;
        if (item->sent == length)
            item_free(stream, item);
    }
}

/* Memory items from the front, up to the first file extent. */
static ssize_t send_memory(struct dtr_stream *stream)
{
    struct iovec vectors[VECTORS];
    struct msghdr head = {.msg_iov = vectors};
    bool more = false;
    dtr_list_each (node, &stream->queue) {
        struct item *item = dtr_container(node, struct item, link);
        more = item->is_extent && item->extent.fd >= 0;
        if (more || head.msg_iovlen == VECTORS)
            break;
        const uint8_t *from = item->is_extent ? item->extent.data + item->extent.offset : item->bytes;
        uint64_t length = item->is_extent ? item->extent.length : item->length;
        vectors[head.msg_iovlen].iov_base = (void *)(uintptr_t)(from + item->sent);
        vectors[head.msg_iovlen++].iov_len = (size_t)(length - item->sent);
    }
    return sendmsg(stream->fd, &head, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
}

static ssize_t send_file(struct dtr_stream *stream, struct item *item)
{
    off_t at = (off_t)(item->extent.offset + item->sent);
    uint64_t left = item->extent.length - item->sent;
    ssize_t count = sendfile(stream->fd, item->extent.fd, &at, left < SENDFILE ? (size_t)left : SENDFILE);
    if (count == 0) {
        errno = EIO; /* the file is shorter than the lease said */
        return -1;
    }
    return count;
}

/* Sends what it can; notes a failure. */
static void push(struct dtr_stream *stream)
{
    uint64_t before = stream->sent;
    stream->full = false;
    while (!dtr_list_empty(&stream->queue) && !stream->dead) {
        struct item *item = dtr_container(stream->queue.next, struct item, link);
        bool file = item->is_extent && item->extent.fd >= 0;
        ssize_t count = file ? send_file(stream, item) : send_memory(stream);
        if (count >= 0) {
            consume(stream, (uint64_t)count);
        } else if (errno == EAGAIN) {
            stream->full = true;
            break;
        } else if (errno != EINTR) {
            die_errno(stream, file ? "cannot send a file" : "cannot send", errno);
        }
        if (stream->sent - before >= turn_limit && !dtr_list_empty(&stream->queue)) {
            stream->full = true; /* the rest when the loop comes round */
            break;
        }
    }
}

static struct item *item_new(struct dtr_stream *stream, size_t capacity)
{
    struct item *item = calloc(1, sizeof(*item));
    if (item && capacity > 0) {
        item->bytes = malloc(capacity);
        item->capacity = capacity;
    }
    if (!item || (capacity > 0 && !item->bytes)) {
        free(item);
        die(stream, DTR_ENOMEM, "out of memory for bytes to send");
        return NULL;
    }
    dtr_list_add_tail(&stream->queue, &item->link);
    return item;
}

void dtr_stream_write(struct dtr_stream *stream, const void *bytes, size_t length)
{
    if (stream->dead || stream->end_told)
        return;
    if (length == 0) {
        stream->tell_drained = true;
        post_kick(stream);
        return;
    }
    if (length > stream->limit - stream->queued) {
        die(stream, DTR_ELIMIT, "more than %zu bytes wait to be sent", stream->limit);
        return;
    }
    struct item *item =
        dtr_list_empty(&stream->queue) ? NULL : dtr_container(stream->queue.prev, struct item, link);
    if (!item || item->is_extent || item->capacity - item->length < length)
        item = item_new(stream, length > CHUNK ? length : CHUNK);
    if (!item)
        return;
    memcpy(item->bytes + item->length, bytes, length);
    item->length += length;
    stream->queued += length;
    stream->pending += length;
    stream->tell_drained = true;
    post_kick(stream);
}

void dtr_stream_send(struct dtr_stream *stream, const struct dtr_extent *extent)
{
    struct dtr_extent taken = *extent;
    struct item *item = stream->dead || stream->end_told || extent->length == 0 ? NULL : item_new(stream, 0);
    if (!item) {
        dtr_extent_release(&taken);
        return;
    }
    item->is_extent = true;
    item->extent = taken;
    stream->pending += extent->length;
    stream->tell_drained = true;
    post_kick(stream);
}

void dtr_stream_end(struct dtr_stream *stream)
{
    stream->end_told = true;
    post_kick(stream);
}

void dtr_stream_close(struct dtr_stream *stream, bool flush)
{
    if (stream->closing && !flush)
        stream->flush = false;
    if (!stream->closing)
        stream->flush = flush;
    stream->closing = true;
    stream->credit = 0;
    post_kick(stream);
}

/* --- receiving ------------------------------------------------------------------------------------ */

static void pull(struct dtr_stream *stream)
{
    uint8_t *scratch = dtr_loop_scratch(stream->loop);
    for (int i = 0; i < READS && stream->credit > 0 && !stream->dead && !stream->closing; i++) {
        size_t room = stream->credit < DTR_LOOP_SCRATCH ? (size_t)stream->credit : DTR_LOOP_SCRATCH;
        ssize_t count = recv(stream->fd, scratch, room, 0);
        if (count > 0) {
            stream->received += (uint64_t)count;
            stream->moved_ms = dtr_now_ms();
            if (stream->credit != UINT64_MAX)
                stream->credit -= (uint64_t)count;
            stream->events->data(stream->context, scratch, (size_t)count);
            if ((size_t)count < room)
                break;
        } else if (count == 0) {
            stream->ended = true;
            if (stream->events->end)
                stream->events->end(stream->context);
            break;
        } else {
            if (errno != EAGAIN && errno != EINTR)
                die_errno(stream, "cannot receive", errno);
            break;
        }
    }
}

void dtr_stream_read(struct dtr_stream *stream, uint64_t bytes)
{
    if (__builtin_add_overflow(stream->credit, bytes, &stream->credit))
        stream->credit = UINT64_MAX;
    if (!stream->dead && !stream->closing)
        update_watch(stream);
}

void dtr_stream_pause(struct dtr_stream *stream)
{
    stream->credit = 0;
    update_watch(stream);
}

/* --- life ----------------------------------------------------------------------------------------- */

static void finish_connect(struct dtr_stream *stream)
{
    int number = 0;
    socklen_t size = sizeof(number);
    (void)getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &number, &size);
    if (number != 0) {
        die(stream, DTR_EUNAVAILABLE, "cannot connect: %s", strerror(number));
        return;
    }
    stream->connecting = false;
    stream->moved_ms = dtr_now_ms();
    arm(stream); /* what the user said meanwhile holds from here on */
}

static void on_ready(void *context, int events)
{
    struct dtr_stream *stream = context;
    if (stream->dead)
        return;
    if (stream->connecting) {
        finish_connect(stream);
        if (stream->dead)
            return;
    }
    if (events & DTR_WRITABLE)
        post_kick(stream);
    if (events & DTR_READABLE)
        pull(stream);
    update_watch(stream);
}

static void destroy(struct dtr_stream *stream)
{
    dtr_stream_group_left(&stream->member);
    dtr_watch_close(stream->watch);
    dtr_timer_close(stream->timer);
    if (stream->fd >= 0)
        (void)close(stream->fd);
    while (!dtr_list_empty(&stream->queue))
        item_free(stream, dtr_container(stream->queue.next, struct item, link));
    free(stream);
}

static void kick(struct dtr_msg *msg)
{
    struct dtr_stream *stream = dtr_container(msg, struct dtr_stream, msg);
    stream->kicked = false;
    if (!stream->dead && !stream->connecting && (!stream->closing || stream->flush))
        push(stream);
    if (!stream->dead && stream->closing && (!stream->flush || dtr_list_empty(&stream->queue)))
        stream->dead = true;
    if (stream->dead && stream->kicked)
        return; /* it died just now: the message is on its way again */
    if (stream->dead) {
        const struct dtr_stream_events *events = stream->events;
        events->closed(stream->context, &stream->result);
        destroy(stream);
        return;
    }
    if (!stream->connecting && dtr_list_empty(&stream->queue)) {
        if (stream->end_told && !stream->shut) {
            stream->shut = true;
            (void)shutdown(stream->fd, SHUT_WR);
        }
        if (stream->tell_drained) {
            stream->tell_drained = false;
            if (stream->events->drained)
                stream->events->drained(stream->context);
        }
    }
    update_watch(stream);
}

static int make(struct dtr_loop *loop, int fd, const struct dtr_stream_events *events, void *context,
                struct dtr_stream **ret_stream, struct dtr_error *err)
{
    struct dtr_stream *stream = calloc(1, sizeof(*stream));
    if (!stream) {
        (void)close(fd);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a connection");
    }
    *stream = (struct dtr_stream){.loop = loop, .fd = fd, .events = events, .context = context};
    stream->limit = DTR_STREAM_QUEUE;
    stream->msg.run = kick;
    dtr_list_init(&stream->queue);
    int rc = dtr_watch_open(loop, fd, on_ready, stream, &stream->watch, err);
    if (rc != DTR_OK) {
        destroy(stream);
        return rc;
    }
    *ret_stream = stream;
    return DTR_OK;
}

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
    int rc = make(loop, fd, events, context, ret_stream, err);
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
    int rc = make(loop, fd, events, context, ret_stream, err);
    if (rc != DTR_OK)
        return rc;
    struct dtr_stream *stream = *ret_stream;
    stream->addr = addr;
    dtr_addr_text(&addr, stream->peer);
    stream->connecting = true;
    if (connect(fd, &addr.any, addr.length) != 0 && errno != EINPROGRESS)
        die(stream, DTR_EUNAVAILABLE, "cannot connect: %s", strerror(errno));
    if (!stream->dead && connect_ms) {
        stream->connect_at_ms = dtr_now_ms() + connect_ms;
        need_timer(stream);
        arm(stream);
    }
    update_watch(stream);
    return DTR_OK;
}

void dtr_stream_adopt(struct dtr_stream *stream, const struct dtr_stream_events *events, void *context)
{
    stream->events = events;
    stream->context = context;
}

static void ignore_data(void *context, const uint8_t *bytes, size_t length)
{
    (void)context;
    (void)bytes;
    (void)length;
}

static void ignore_closed(void *context, const struct dtr_error *err)
{
    (void)context;
    (void)err;
}

const struct dtr_stream_events dtr_stream_nobody = {.data = ignore_data, .closed = ignore_closed};

void dtr_stream_drop(struct dtr_stream *stream)
{
    dtr_stream_adopt(stream, &dtr_stream_nobody, NULL);
    dtr_stream_close(stream, false);
}

struct dtr_stream_member *dtr_stream_member(struct dtr_stream *stream)
{
    return &stream->member;
}

struct dtr_loop *dtr_stream_loop(const struct dtr_stream *stream)
{
    return stream->loop;
}

const char *dtr_stream_peer(const struct dtr_stream *stream)
{
    return stream->peer;
}

const struct dtr_addr *dtr_stream_addr(const struct dtr_stream *stream)
{
    return &stream->addr;
}

size_t dtr_stream_queued(const struct dtr_stream *stream)
{
    return stream->queued;
}

uint64_t dtr_stream_pending(const struct dtr_stream *stream)
{
    return stream->pending;
}

void dtr_stream_limit(struct dtr_stream *stream, size_t bytes)
{
    stream->limit = bytes > stream->queued ? bytes : stream->queued;
}

uint64_t dtr_stream_received(const struct dtr_stream *stream)
{
    return stream->received;
}

uint64_t dtr_stream_sent(const struct dtr_stream *stream)
{
    return stream->sent;
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
