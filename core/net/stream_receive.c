/* What arrives on a stream: never more than its user gave credit for, nor faster than its limits allow. */
#include "core/net/stream.h"

#include "core/base/clock.h"
#include "core/net/stream_internal.h"
#include <errno.h>

enum {
    READS = 4,         /* reads per readiness, so that one stream does not starve the others */
    READS_SECURED = 16 /* ... of TLS records, which are shorter */
};

bool stream_has_more(const struct dtr_stream *stream)
{
    return stream->tls && !stream_is_opening(stream) && dtr_tls_session_has_more(stream->tls);
}

/* True: there may be more. */
static bool pull_once(struct dtr_stream *stream, size_t room)
{
    uint8_t *scratch = dtr_loop_scratch(stream->loop);
    ssize_t count =
        stream->tls ? dtr_tls_session_read(stream->tls, scratch, room) : recv(stream->fd, scratch, room, 0);
    if (count < 0) {
        if (errno != EAGAIN && errno != EINTR)
            stream_die_errno(stream, "cannot receive", errno);
        return false;
    }
    if (count == 0) {
        stream->ended = true;
        if (stream->events->end)
            stream->events->end(stream->context);
        return false;
    }
    stream_pace_moved(&stream->in, (uint64_t)count);
    stream->received += (uint64_t)count;
    stream->moved_ms = dtr_now_ms();
    if (stream->credit != UINT64_MAX)
        stream->credit -= (uint64_t)count;
    stream->events->data(stream->context, scratch, (size_t)count);
    return (size_t)count == room || stream->tls;
}

void stream_pull(struct dtr_stream *stream)
{
    int reads = stream->tls ? READS_SECURED : READS;
    for (int i = 0; i < reads && stream->credit > 0 && !stream->dead && !stream->closing; i++) {
        uint64_t most = stream->credit < DTR_LOOP_SCRATCH ? stream->credit : DTR_LOOP_SCRATCH;
        size_t room = (size_t)stream_pace_room(&stream->in, most);
        if (room == 0 || !pull_once(stream, room)) /* without room, go_in() of stream.c comes */
            break;
    }
    if (stream->credit > 0 && stream_has_more(stream))
        stream_kick_soon(stream); /* the descriptor does not know of what TLS has taken from it */
}

void dtr_stream_read(struct dtr_stream *stream, uint64_t bytes)
{
    if (__builtin_add_overflow(stream->credit, bytes, &stream->credit))
        stream->credit = UINT64_MAX;
    if (stream->dead || stream->closing)
        return;
    stream_watch(stream);
    if (stream_has_more(stream))
        stream_kick_soon(stream);
}

void dtr_stream_pause(struct dtr_stream *stream)
{
    stream->credit = 0;
    stream_watch(stream);
}
