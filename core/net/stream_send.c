/* What streams send: a queue of bytes and extents; see stream_internal.h. */
#include "core/net/stream_internal.h"

#include "core/base/clock.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    CHUNK = 16 << 10,   /* least room made for written bytes */
    VECTORS = 16,       /* pieces of memory per system call */
    SENDFILE = 1 << 20, /* bytes per sendfile */
    RECORD = 16 << 10   /* bytes of a file per TLS record */
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
static ssize_t send_memory(struct dtr_stream *stream, uint64_t room)
{
    struct iovec vectors[VECTORS];
    struct msghdr head = {.msg_iov = vectors};
    bool more = false;
    dtr_list_each (node, &stream->queue) {
        struct item *item = dtr_container(node, struct item, link);
        more = item->is_extent && item->extent.fd >= 0;
        if (more || head.msg_iovlen == VECTORS || room == 0)
            break;
        const uint8_t *from = item->is_extent ? item->extent.data + item->extent.offset : item->bytes;
        uint64_t length = item->is_extent ? item->extent.length : item->length;
        vectors[head.msg_iovlen].iov_base = (void *)(uintptr_t)(from + item->sent);
        uint64_t part = length - item->sent < room ? length - item->sent : room;
        vectors[head.msg_iovlen++].iov_len = (size_t)part;
        room -= part;
    }
    return sendmsg(stream->fd, &head, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
}

static ssize_t send_file(struct dtr_stream *stream, struct item *item, uint64_t room)
{
    off_t at = (off_t)(item->extent.offset + item->sent);
    uint64_t left = item->extent.length - item->sent < room ? item->extent.length - item->sent : room;
    ssize_t count = sendfile(stream->fd, item->extent.fd, &at, left < SENDFILE ? (size_t)left : SENDFILE);
    if (count == 0) {
        errno = EIO; /* the file is shorter than the lease said */
        return -1;
    }
    return count;
}

/* As much as one record holds. */
static ssize_t send_secured(struct dtr_stream *stream, const struct item *item)
{
    if (!item->is_extent)
        return dtr_tls_session_write(stream->tls, item->bytes + item->sent,
                                     item->length - (size_t)item->sent);
    uint64_t left = item->extent.length - item->sent, at = item->extent.offset + item->sent;
    size_t part = left < RECORD ? (size_t)left : RECORD;
    if (item->extent.fd < 0)
        return dtr_tls_session_write(stream->tls, item->extent.data + at, part);
    uint8_t *scratch = dtr_loop_scratch(stream->loop);
    size_t got = 0;
    while (got < part) {
        ssize_t count = pread(item->extent.fd, scratch + got, part - got, (off_t)(at + got));
        if (count > 0)
            got += (size_t)count;
        else if (count == 0)
            errno = EIO; /* the file is shorter than the lease said */
        if (count <= 0 && errno != EINTR)
            return -1;
    }
    return dtr_tls_session_write(stream->tls, scratch, part);
}

void stream_push(struct dtr_stream *stream)
{
    uint64_t before = stream->sent;
    stream->full = false;
    while (!dtr_list_empty(&stream->queue) && !stream->dead) {
        struct item *item = dtr_container(stream->queue.next, struct item, link);
        bool file = item->is_extent && item->extent.fd >= 0;
        uint64_t room = stream_pace_room(&stream->out, SIZE_MAX);
        if (room == 0)
            break; /* `go` comes */
        ssize_t count = stream->tls ? send_secured(stream, item)
                        : file      ? send_file(stream, item, room)
                                    : send_memory(stream, room);
        if (count >= 0) {
            stream_pace_moved(&stream->out, (uint64_t)count);
            consume(stream, (uint64_t)count);
        } else if (errno == EAGAIN) {
            stream->full = true;
            break;
        } else if (errno != EINTR) {
            stream_die_errno(stream, file ? "cannot send a file" : "cannot send", errno);
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
        stream_die(stream, DTR_ENOMEM, "out of memory for bytes to send");
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
        stream_kick_soon(stream);
        return;
    }
    if (length > stream->limit - stream->queued) {
        stream_die(stream, DTR_ELIMIT, "more than %zu bytes wait to be sent", stream->limit);
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
    stream_kick_soon(stream);
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
    stream_kick_soon(stream);
}

void dtr_stream_end(struct dtr_stream *stream)
{
    stream->end_told = true;
    stream_kick_soon(stream);
}

void stream_send_end(struct dtr_stream *stream)
{
    stream->full = stream->tls && !dtr_tls_session_end(stream->tls);
    if (stream->full)
        return;
    stream->shut = true;
    (void)shutdown(stream->fd, SHUT_WR);
}

void stream_drop_queue(struct dtr_stream *stream)
{
    while (!dtr_list_empty(&stream->queue))
        item_free(stream, dtr_container(stream->queue.next, struct item, link));
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

uint64_t dtr_stream_sent(const struct dtr_stream *stream)
{
    return stream->sent;
}
