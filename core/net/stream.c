/* Connections on a loop: their life, their deadlines and their limits; see stream.h for the contract. How one
 * begins is in stream_open.c, what arrives in stream_receive.c, sending in stream_send.c, the beginning and
 * the end of TLS in stream_tls.c.
 *
 * A stream dies in one place: kick(), which runs as a message of its own. Everything that ends it only
 * notes why and posts that message, so no event handler can pull the stream away under a caller. */
#include "core/net/stream.h"

#include "core/base/clock.h"
#include "core/net/stream_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static void kick(struct dtr_msg *msg);

void stream_kick_soon(struct dtr_stream *stream)
{
    if (stream->kicked)
        return;
    stream->kicked = true;
    dtr_loop_post(stream->loop, &stream->msg);
}

void stream_die(struct dtr_stream *stream, int code, const char *format, ...)
{
    va_list args;
    char text[160] = "";
    if (stream->dead)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    stream->dead = true;
    if (code != DTR_OK && !stream->lingering)
        (void)dtr_error_set(&stream->result, code, DTR_RETRY_ELSEWHERE, "%s: %s", stream->peer, text);
    stream_kick_soon(stream);
}

bool stream_is_opening(const struct dtr_stream *stream)
{
    return stream->connecting || stream->shaking || stream->lingering;
}

void stream_die_errno(struct dtr_stream *stream, const char *what, int number)
{
    if (stream->tls && number == EPROTO) {
        stream_die_of_tls(stream);
        return;
    }
    bool gone = number == ECONNRESET || number == EPIPE;
    stream_die(stream, gone ? DTR_ECLOSED : DTR_EIO, "%s: %s", what, strerror(number));
}

void stream_watch(struct dtr_stream *stream)
{
    int wanted = 0;
    if (stream->dead)
        wanted = 0;
    else if (stream->connecting)
        wanted = DTR_WRITABLE;
    else if (stream->lingering)
        wanted = DTR_READABLE;
    else if (stream->shaking)
        wanted = dtr_tls_session_waits(stream->tls);
    else
        wanted = (stream->credit > 0 && !stream->ended && !stream->in.waits ? DTR_READABLE : 0) |
                 (stream->full ? DTR_WRITABLE : 0) | (stream->tls ? dtr_tls_session_waits(stream->tls) : 0);
    if (wanted != stream->watched) {
        stream->watched = wanted;
        dtr_watch_set(stream->watch, wanted);
    }
}

/* --- deadlines ------------------------------------------------------------------------------------ */

/* When it has been silent for too long, or is not open yet; UINT64_MAX: never. */
static uint64_t silent_until(const struct dtr_stream *stream)
{
    if (stream_is_opening(stream) && stream->connect_at_ms)
        return stream->connect_at_ms;
    return stream->idle_ms ? stream->moved_ms + stream->idle_ms : UINT64_MAX;
}

void stream_arm(struct dtr_stream *stream)
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
    if (stream->lingering && now >= silent_until(stream))
        stream_die(stream, DTR_OK, "it heard");
    else if (stream->total_at_ms && now >= stream->total_at_ms)
        stream_die(stream, DTR_ETIMEOUT, "not done in time");
    else if (now < silent_until(stream))
        stream_arm(stream);
    else if (stream->connecting)
        stream_die(stream, DTR_ETIMEOUT, "no connection in time");
    else if (stream->shaking)
        stream_die(stream, DTR_ETIMEOUT, "no TLS handshake in time");
    else
        stream_die(stream, DTR_ETIMEOUT, "nothing moved for %llu ms", (unsigned long long)stream->idle_ms);
}

void stream_need_timer(struct dtr_stream *stream)
{
    struct dtr_error err;
    if (!stream->timer && dtr_timer_open(stream->loop, on_deadline, stream, &stream->timer, &err) != DTR_OK)
        stream_die(stream, err.code, "%s", err.text);
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
        stream_need_timer(stream);
    stream_arm(stream);
}

void dtr_stream_close(struct dtr_stream *stream, bool flush)
{
    if (stream->closing && !flush)
        stream->flush = false;
    if (!stream->closing)
        stream->flush = flush;
    stream->closing = true;
    stream->credit = 0;
    stream_kick_soon(stream);
}

/* --- limits --------------------------------------------------------------------------------------- */

static void go_in(void *context)
{
    stream_watch(context);
}

static void go_out(void *context)
{
    stream_kick_soon(context);
}

void dtr_stream_pace(struct dtr_stream *stream, struct dtr_pace *in, struct dtr_pace *out)
{
    struct dtr_error err;
    int rc = in ? stream_pace_set(&stream->in, stream->loop, in, go_in, stream, &err) : DTR_OK;
    if (rc == DTR_OK && out)
        rc = stream_pace_set(&stream->out, stream->loop, out, go_out, stream, &err);
    if (rc != DTR_OK)
        stream_die(stream, rc, "%s", err.text);
}

/* --- life ----------------------------------------------------------------------------------------- */

void stream_opened(struct dtr_stream *stream)
{
    stream->moved_ms = dtr_now_ms();
    stream_arm(stream); /* what the user said meanwhile holds from here on */
}

static void on_ready(void *context, int events)
{
    struct dtr_stream *stream = context;
    if (stream->dead)
        return;
    if (stream->connecting)
        stream_connected(stream);
    if (!stream->dead && stream->lingering)
        stream_drain(stream);
    else if (!stream->dead && stream->shaking)
        stream_shake(stream);
    if (stream->dead)
        return;
    bool open = !stream_is_opening(stream),
         again = stream->tls && open && dtr_tls_session_waits(stream->tls) != 0;
    if (open && (events & DTR_WRITABLE))
        stream_kick_soon(stream);
    if (open && ((events & DTR_READABLE) || again))
        stream_pull(stream);
    stream_watch(stream);
}

static void destroy(struct dtr_stream *stream)
{
    dtr_stream_group_left(&stream->member);
    dtr_watch_close(stream->watch);
    dtr_timer_close(stream->timer);
    stream_pace_end(&stream->in);
    stream_pace_end(&stream->out);
    dtr_tls_session_free(stream->tls);
    if (stream->fd >= 0)
        (void)close(stream->fd);
    stream_drop_queue(stream);
    free(stream);
}

/* What `close` asked for has come about: all was sent, or nobody wants that. */
static bool is_done(struct dtr_stream *stream)
{
    bool sent = dtr_list_empty(&stream->queue), orderly = stream->flush || stream->end_told;
    if (stream->flush && !sent)
        return false;
    if (stream->tls && !stream_is_opening(stream) && sent && orderly && !stream->shut)
        stream_send_end(stream);
    return !stream->flush || !stream->full;
}

/* The queue is empty. */
static void tell_sent(struct dtr_stream *stream)
{
    if (stream->end_told && !stream->shut)
        stream_send_end(stream);
    if (!stream->tell_drained)
        return;
    stream->tell_drained = false;
    if (stream->events->drained)
        stream->events->drained(stream->context);
}

static void kick(struct dtr_msg *msg)
{
    struct dtr_stream *stream = dtr_container(msg, struct dtr_stream, msg);
    stream->kicked = false;
    if (!stream->dead && stream->credit > 0 && !stream->ended && stream_has_more(stream))
        stream_pull(stream);
    if (!stream->dead && !stream_is_opening(stream) && (!stream->closing || stream->flush))
        stream_push(stream);
    if (!stream->dead && stream->closing && is_done(stream))
        stream->dead = true;
    if (stream->dead && stream->kicked)
        return; /* it died just now: the message is on its way again */
    if (stream->dead) {
        const struct dtr_stream_events *events = stream->events;
        events->closed(stream->context, &stream->result);
        destroy(stream);
        return;
    }
    if (!stream_is_opening(stream) && dtr_list_empty(&stream->queue))
        tell_sent(stream);
    stream_watch(stream);
}

int stream_make(struct dtr_loop *loop, int fd, const struct dtr_stream_events *events, void *context,
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

uint64_t dtr_stream_received(const struct dtr_stream *stream)
{
    return stream->received;
}
