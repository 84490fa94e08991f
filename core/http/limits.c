/* The limits of time of a connection. One timer per connection, set to the nearest limit; progress only moves
 * the limits, so the timer may come early and is then set again. */
#include "core/http/conn.h"

/* When a client with bytes to take has taken none for too long. */
static uint64_t write_due(struct dtr_http_conn *conn, uint64_t now)
{
    uint64_t pending = dtr_stream_pending(conn->stream), sent = dtr_stream_sent(conn->stream);
    if (pending == 0 || sent != conn->sent_seen) {
        conn->sent_seen = sent;
        conn->sent_at_ms = now;
    }
    return pending ? conn->sent_at_ms + conn->server->limits.write_ms : UINT64_MAX;
}

/* When something the client owes us is too late. */
static uint64_t read_due(const struct dtr_http_conn *conn)
{
    const struct dtr_http_limits *limits = &conn->server->limits;
    const struct dtr_http_exchange *exchange = conn->exchange;
    bool pending = dtr_stream_pending(conn->stream) > 0;
    switch (conn->state) {
    case DTR_CONN_HEAD:
        if (exchange)
            return conn->since_ms + limits->head_ms;
        return pending ? UINT64_MAX : conn->since_ms + limits->idle_ms;
    case DTR_CONN_BUSY:
        if (!exchange->body_done && (exchange->ours || exchange->body_credit > 0))
            return conn->since_ms + limits->body_ms;
        return UINT64_MAX;
    case DTR_CONN_LINGER:
        return pending ? UINT64_MAX : conn->since_ms + limits->linger_ms;
    case DTR_CONN_CLOSING:
    case DTR_CONN_GONE:
        break;
    }
    return UINT64_MAX;
}

void dtr_http_conn_check(struct dtr_http_conn *conn)
{
    uint64_t now = dtr_loop_now_ms(conn->server->loop);
    uint64_t due = write_due(conn, now), other = read_due(conn);
    if (other < due)
        due = other;
    if (due >= conn->armed_at)
        return;
    conn->armed_at = due;
    dtr_timer_set(conn->timer, due > now ? due - now : 0);
}

static void write_late(struct dtr_http_conn *conn)
{
    struct dtr_error err;
    (void)dtr_error_set(&err, DTR_ETIMEOUT, DTR_RETRY_NEVER, "the client took no byte for %llu ms",
                        (unsigned long long)conn->server->limits.write_ms);
    conn->server->counts.late++;
    dtr_http_conn_take_back(conn, &err);
    dtr_http_conn_drop(conn);
}

static void read_late(struct dtr_http_conn *conn)
{
    struct dtr_error err;
    if (conn->state == DTR_CONN_LINGER || !conn->exchange) {
        dtr_http_conn_drop(conn);
        return;
    }
    (void)dtr_error_set(&err, DTR_ETIMEOUT, DTR_RETRY_NEVER, "the request did not arrive in time");
    err.status = 408;
    conn->server->counts.late++;
    dtr_http_conn_refuse(conn, &err);
}

void dtr_http_conn_late(void *context)
{
    struct dtr_http_conn *conn = context;
    uint64_t now = dtr_loop_now_ms(conn->server->loop);
    conn->armed_at = UINT64_MAX;
    if (conn->state >= DTR_CONN_CLOSING)
        return;
    if (write_due(conn, now) <= now)
        write_late(conn);
    else if (read_due(conn) <= now)
        read_late(conn);
    if (conn->state < DTR_CONN_CLOSING)
        dtr_http_conn_check(conn);
}
