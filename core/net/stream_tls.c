/* How TLS begins on a stream, and how it fails; see stream_internal.h. */
#include "core/net/stream_internal.h"

#include "core/base/clock.h"
#include <errno.h>

/* For the other side to hear why it is refused. */
enum { LINGER_MS = 1000, LINGER_BYTES = 64 << 10 };

static void note_why(struct dtr_stream *stream)
{
    const struct dtr_error *why = dtr_tls_session_error(stream->tls);
    (void)dtr_error_set(&stream->result, why->code, why->retry, "%s: %s", stream->peer, why->text);
}

void stream_die_of_tls(struct dtr_stream *stream)
{
    if (!stream->dead && !stream->lingering)
        note_why(stream);
    stream->dead = true;
    stream_kick_soon(stream);
}

/* TLS failed. What came and was not read would make the kernel throw away our last word: it is read first. */
static void linger(struct dtr_stream *stream)
{
    note_why(stream);
    stream->shaking = false;
    stream->lingering = true;
    stream->connect_at_ms = dtr_now_ms() + LINGER_MS;
    (void)shutdown(stream->fd, SHUT_WR);
    stream_need_timer(stream);
    stream_arm(stream);
}

void stream_drain(struct dtr_stream *stream)
{
    ssize_t count = recv(stream->fd, dtr_loop_scratch(stream->loop), LINGER_BYTES, 0);
    if (count > 0)
        stream->lingered += (size_t)count;
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR) || stream->lingered >= LINGER_BYTES)
        stream_die(stream, DTR_OK, "it heard");
}

void stream_shake(struct dtr_stream *stream)
{
    int rc = dtr_tls_session_shake(stream->tls);
    if (rc < 0)
        linger(stream);
    if (rc <= 0)
        return;
    stream->shaking = false;
    stream_opened(stream);
    stream_kick_soon(stream); /* what was written meanwhile */
}

int dtr_stream_secure(struct dtr_stream *stream, struct dtr_tls *tls, const char *host, uint64_t limit_ms,
                      struct dtr_error *err)
{
    int rc = dtr_tls_session_new(tls, stream->fd, &stream->addr, host, &stream->tls, err);
    if (rc != DTR_OK)
        return rc;
    stream->shaking = true;
    if (!stream->connect_at_ms && limit_ms) {
        stream->connect_at_ms = dtr_now_ms() + limit_ms;
        stream_need_timer(stream);
        stream_arm(stream);
    }
    stream_watch(stream);
    return DTR_OK;
}
