/* Tunnels; see tunnel.h. Each direction moves up to WINDOW bytes before it waits for the receiver to drain,
 * so a tunnel holds at most two windows of memory. */
#include "core/http/tunnel.h"

#include "core/net/stream.h"

#include <stdlib.h>

enum { WINDOW = 128 << 10 };

struct side {
    struct dtr_tunnel *tunnel;
    struct dtr_stream *stream; /* NULL once closed */
    struct side *other;
    uint64_t unread; /* bytes taken from this stream and not yet given back as credit */
    uint64_t moved;  /* bytes taken from this stream, ever */
    bool ended;
};

struct dtr_tunnel {
    struct side client, target;
    struct dtr_tunnel_owner owner;
    struct dtr_error err;
};

/* --- joined ------------------------------------------------------------------------------------------- */

static void on_data(void *context, const uint8_t *bytes, size_t length)
{
    struct side *side = context;
    side->unread += length;
    side->moved += length;
    if (side->other->stream)
        dtr_stream_write(side->other->stream, bytes, length);
}

/* In order: each side closes when both have ended and its last bytes are out. */
static void close_if_over(struct dtr_tunnel *tunnel)
{
    if (!tunnel->client.ended || !tunnel->target.ended)
        return;
    if (tunnel->client.stream)
        dtr_stream_close(tunnel->client.stream, true);
    if (tunnel->target.stream)
        dtr_stream_close(tunnel->target.stream, true);
}

static void on_end(void *context)
{
    struct side *side = context;
    side->ended = true;
    if (side->other->stream)
        dtr_stream_end(side->other->stream);
    close_if_over(side->tunnel);
}

/* What was written to this stream is out: its source may send as much again. */
static void on_drained(void *context)
{
    struct side *source = ((struct side *)context)->other;
    uint64_t credit = source->unread;
    source->unread = 0;
    if (source->stream && !source->ended && credit > 0)
        dtr_stream_read(source->stream, credit);
}

static void finish(struct dtr_tunnel *tunnel)
{
    struct dtr_tunnel_result result = {
        .err = tunnel->err, .up = tunnel->client.moved, .down = tunnel->target.moved};
    struct dtr_tunnel_owner owner = tunnel->owner;
    free(tunnel);
    if (owner.done)
        owner.done(owner.context, &result);
}

static void on_closed(void *context, const struct dtr_error *err)
{
    struct side *side = context;
    struct dtr_tunnel *tunnel = side->tunnel;
    side->stream = NULL;
    if (err->code != DTR_OK && tunnel->err.code == DTR_OK)
        tunnel->err = *err;
    if (!side->other->stream)
        finish(tunnel);
    else if (err->code != DTR_OK || !tunnel->client.ended || !tunnel->target.ended)
        dtr_stream_close(side->other->stream, false);
}

static const struct dtr_stream_events joined_events = {
    .data = on_data, .end = on_end, .drained = on_drained, .closed = on_closed};

static void adopt(struct side *side, struct dtr_stream *stream, uint64_t idle_ms)
{
    side->stream = stream;
    dtr_stream_adopt(stream, &joined_events, side);
    dtr_stream_deadline(stream, idle_ms, 0);
    dtr_stream_read(stream, WINDOW);
}

/* Joins a client and a target, both connected, and takes over both. `early` are bytes the client has sent
 * already (copied). After `idle_ms` without a byte both are closed; 0: no limit. On failure (out of memory)
 * both are closed and `done` does not come. */
static int join(struct dtr_stream *client, struct dtr_stream *target, const void *early, size_t early_length,
                uint64_t idle_ms, const struct dtr_tunnel_owner *owner, struct dtr_error *err)
{
    struct dtr_tunnel *tunnel = calloc(1, sizeof(*tunnel));
    if (!tunnel) {
        dtr_stream_drop(client);
        dtr_stream_drop(target);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a tunnel");
    }
    if (owner)
        tunnel->owner = *owner;
    tunnel->client = (struct side){.tunnel = tunnel, .other = &tunnel->target, .moved = early_length};
    tunnel->target = (struct side){.tunnel = tunnel, .other = &tunnel->client};
    adopt(&tunnel->client, client, idle_ms);
    adopt(&tunnel->target, target, idle_ms);
    if (early_length > 0)
        dtr_stream_write(target, early, early_length);
    return DTR_OK;
}

/* --- dialling ------------------------------------------------------------------------------------------ */

/* A CONNECT request whose target is being dialled. It ends when the exchange and the stream are both gone. */
struct dial {
    struct dtr_http_exchange *exchange; /* NULL once answered or gone */
    struct dtr_stream *stream;
    uint64_t idle_ms;
    struct dtr_tunnel_owner owner;
};

static void tell(const struct dtr_tunnel_owner *owner, const struct dtr_error *err)
{
    struct dtr_tunnel_result result = {.err = *err};
    if (owner->done)
        owner->done(owner->context, &result);
}

static void refuse(struct dtr_http_exchange *exchange, int status, const struct dtr_error *err)
{
    const struct dtr_header type = {.name = DTR_H_ERROR_TYPE, .value = DTR_ERROR_TYPE_PROXY};
    dtr_http_reply(exchange, status, &type, 1, err->text);
}

static int no_room(struct dtr_error *err)
{
    return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_SAME, "too many tunnels are open");
}

static void dial_failed(void *context, const struct dtr_error *err)
{
    struct dial *dial = context;
    if (dial->exchange) {
        refuse(dial->exchange, err->code == DTR_ETIMEOUT ? 504 : 502, err);
        tell(&dial->owner, err);
    }
    free(dial);
}

/* Nothing was written, so `drained` says that the connection stands. */
static void dialled(void *context)
{
    struct dial *dial = context;
    struct dtr_http_upgraded upgraded;
    struct dtr_error err;
    if (!dial->exchange)
        return;
    if (!dtr_http_may_upgrade(dial->exchange)) {
        (void)no_room(&err);
        refuse(dial->exchange, 503, &err);
        dial->exchange = NULL;
        tell(&dial->owner, &err);
        dtr_stream_close(dial->stream, false);
        return;
    }
    dtr_http_upgrade(dial->exchange, &upgraded);
    if (join(upgraded.stream, dial->stream, upgraded.early, upgraded.early_length, dial->idle_ms,
             &dial->owner, &err) != DTR_OK)
        tell(&dial->owner, &err);
    free(upgraded.early);
    free(dial);
}

static void dial_abandoned(void *context, const struct dtr_error *err)
{
    struct dial *dial = context;
    dial->exchange = NULL;
    dtr_stream_close(dial->stream, false);
    tell(&dial->owner, err);
}

/* The target waits: it is not read from before it is joined. */
static void ignore_data(void *context, const uint8_t *bytes, size_t length)
{
    (void)context;
    (void)bytes;
    (void)length;
}

static const struct dtr_stream_events dial_events = {
    .data = ignore_data, .drained = dialled, .closed = dial_failed};
static const struct dtr_http_events waiting_events = {.aborted = dial_abandoned};

void dtr_tunnel_connect(struct dtr_http_exchange *exchange, const struct dtr_addr *target,
                        uint64_t connect_ms, uint64_t idle_ms, const struct dtr_tunnel_owner *owner)
{
    struct dtr_error err;
    struct dial *dial = NULL;
    struct dtr_tunnel_owner nobody = {0};
    int status = 503, rc = dtr_http_may_upgrade(exchange) ? DTR_OK : no_room(&err);
    if (rc != DTR_OK)
        goto failed;
    status = 502;
    dial = calloc(1, sizeof(*dial));
    if (!dial) {
        (void)dtr_error_set(&err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a tunnel");
        goto failed;
    }
    *dial = (struct dial){.exchange = exchange, .idle_ms = idle_ms, .owner = owner ? *owner : nobody};
    if (dtr_stream_connect(dtr_http_loop(exchange), &target->any, connect_ms, &dial_events, dial,
                           &dial->stream, &err) != DTR_OK)
        goto failed;
    dtr_stream_write(dial->stream, "", 0);
    dtr_http_attach(exchange, &waiting_events, dial);
    return;
failed:
    free(dial);
    refuse(exchange, status, &err);
    tell(owner ? owner : &nobody, &err);
}
