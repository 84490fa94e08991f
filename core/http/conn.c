/* The receiving side of a connection, and its life; see conn.h for the states. */
#include "core/http/conn.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- small parts --------------------------------------------------------------------------------------- */

void dtr_http_conn_touch(struct dtr_http_conn *conn)
{
    conn->since_ms = dtr_loop_now_ms(conn->server->loop);
}

static size_t stashed(const struct dtr_http_conn *conn)
{
    return conn->stash.length - conn->stash_at;
}

static const uint8_t *stash_bytes(const struct dtr_http_conn *conn)
{
    return (const uint8_t *)conn->stash.text + conn->stash_at;
}

/* Memory goes back as soon as nothing waits: idle connections are many. */
static void consume(struct dtr_http_conn *conn, size_t length)
{
    conn->stash_at += length;
    if (stashed(conn) == 0) {
        dtr_str_free(&conn->stash);
        conn->stash_at = 0;
    }
}

static void exchange_free(struct dtr_http_conn *conn)
{
    if (conn->exchange)
        dtr_http_head_free(&conn->exchange->head);
    free(conn->exchange);
    conn->exchange = NULL;
}

static void move_to(struct dtr_http_conn *conn, struct dtr_list *list)
{
    dtr_list_remove(&conn->link);
    dtr_list_add_tail(list, &conn->link);
}

static void conn_free(struct dtr_http_conn *conn)
{
    struct dtr_http_server *server = conn->server;
    exchange_free(conn);
    dtr_timer_close(conn->timer);
    dtr_str_free(&conn->stash);
    dtr_list_remove(&conn->link);
    free(conn);
    server->counts.open--;
    dtr_http_server_left(server);
}

void dtr_http_conn_take_back(struct dtr_http_conn *conn, const struct dtr_error *err)
{
    struct dtr_http_exchange *exchange = conn->exchange;
    if (!exchange || exchange->ours)
        return;
    exchange->ours = true;
    if (exchange->events && exchange->events->aborted)
        exchange->events->aborted(exchange->context, err);
}

/* --- ways to end ---------------------------------------------------------------------------------------- */

void dtr_http_conn_drop(struct dtr_http_conn *conn)
{
    if (conn->state >= DTR_CONN_CLOSING)
        return;
    bool whole = conn->state == DTR_CONN_LINGER && dtr_stream_pending(conn->stream) == 0;
    /* Where only FIN marks the end of an answer, a plain close would make half of it look whole: reset. */
    if (!whole && conn->exchange && conn->exchange->until_close) {
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    conn->state = DTR_CONN_CLOSING;
    dtr_stream_close(conn->stream, false);
}

/* Sends what is queued, then FIN, and waits for the client's. */
static void linger(struct dtr_http_conn *conn)
{
    if (conn->state >= DTR_CONN_LINGER)
        return;
    conn->state = DTR_CONN_LINGER;
    dtr_stream_end(conn->stream);
    dtr_http_conn_touch(conn);
    move_to(conn, &conn->server->busy);
    dtr_http_conn_kick(conn);
}

void dtr_http_conn_refuse(struct dtr_http_conn *conn, const struct dtr_error *err)
{
    struct dtr_http_exchange *exchange = conn->exchange;
    bool begun = exchange && exchange->responded;
    bool done = begun && exchange->ours;
    conn->server->counts.refused++;
    dtr_http_conn_take_back(conn, err);
    if (begun && !done) {
        dtr_http_conn_drop(conn);
        return;
    }
    if (!begun) {
        char text[512];
        int status = err->status ? err->status : 500;
        int length =
            snprintf(text, sizeof(text),
                     "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: text/plain\r\n" DTR_H_ERROR_TYPE
                     ": " DTR_ERROR_TYPE_PROXY "\r\nContent-Length: %zu\r\n\r\n%s\n",
                     status, dtr_http_reason(status), strlen(err->text) + 1, err->text);
        dtr_stream_write(conn->stream, text, (size_t)length);
    }
    linger(conn);
}

/* --- reading heads ------------------------------------------------------------------------------------ */

static struct dtr_http_exchange *exchange_new(struct dtr_http_conn *conn)
{
    struct dtr_http_exchange *exchange = calloc(1, sizeof(*exchange));
    if (!exchange)
        return NULL;
    exchange->conn = conn;
    exchange->ours = true;
    conn->exchange = exchange;
    move_to(conn, &conn->server->busy);
    dtr_http_conn_touch(conn);
    return exchange;
}

static void hand_over(struct dtr_http_conn *conn)
{
    struct dtr_http_exchange *exchange = conn->exchange;
    const struct dtr_http_request *request = &exchange->head.request;
    exchange->body_left = request->body_length;
    exchange->body_done = request->body_length == 0;
    exchange->ours = false;
    conn->state = DTR_CONN_BUSY;
    dtr_http_conn_touch(conn);
    conn->server->counts.requests++;
    conn->server->handle(conn->server->context, exchange, request);
}

static bool read_head(struct dtr_http_conn *conn)
{
    struct dtr_error err = {0};
    size_t used = 0;
    if (stashed(conn) == 0 || dtr_stream_pending(conn->stream) > DTR_HTTP_BACKLOG)
        return false;
    if (!conn->exchange && !exchange_new(conn)) {
        dtr_http_conn_drop(conn);
        return false;
    }
    int code = dtr_http_head_feed(&conn->exchange->head, stash_bytes(conn), stashed(conn), &used, &err);
    consume(conn, used);
    if (code != DTR_OK)
        dtr_http_conn_refuse(conn, &err);
    else if (conn->exchange->head.complete)
        hand_over(conn);
    return true;
}

/* --- reading bodies ----------------------------------------------------------------------------------- */

static void deliver(struct dtr_http_exchange *exchange, const uint8_t *bytes, size_t length)
{
    if (exchange->ours)
        return;
    if (exchange->body_credit != UINT64_MAX)
        exchange->body_credit -= length;
    if (length > 0 && exchange->events && exchange->events->body)
        exchange->events->body(exchange->context, bytes, length);
}

static void body_ended(struct dtr_http_exchange *exchange)
{
    exchange->body_done = true;
    if (!exchange->ours && exchange->events && exchange->events->body_end)
        exchange->events->body_end(exchange->context);
}

/* Framing costs no credit, so a body whose last bytes have been delivered also ends without any. */
static bool read_chunked(struct dtr_http_conn *conn, uint64_t credit)
{
    struct dtr_http_exchange *exchange = conn->exchange;
    struct dtr_error err = {0};
    const uint8_t *data;
    size_t used, length, room = stashed(conn);
    /* With no credit only framing may be read, byte by byte up to the next data. */
    if (credit == 0 && dtr_chunked_in_data(&exchange->chunked))
        return false;
    if (credit < room)
        room = credit ? (size_t)credit : 1;
    int code = dtr_chunked_feed(&exchange->chunked, stash_bytes(conn), room, &used, &data, &length, &err);
    if (code != DTR_OK) {
        dtr_http_conn_refuse(conn, &err);
        return false;
    }
    deliver(exchange, data, length);
    consume(conn, used);
    if (exchange->chunked.complete)
        body_ended(exchange);
    return true;
}

static bool read_plain(struct dtr_http_conn *conn, uint64_t credit)
{
    struct dtr_http_exchange *exchange = conn->exchange;
    size_t take = stashed(conn);
    if (take > credit)
        take = (size_t)credit;
    if (take > exchange->body_left)
        take = (size_t)exchange->body_left;
    if (take == 0)
        return false;
    exchange->body_left -= take;
    deliver(exchange, stash_bytes(conn), take);
    consume(conn, take);
    if (exchange->body_left == 0)
        body_ended(exchange);
    return true;
}

static bool read_body(struct dtr_http_conn *conn)
{
    struct dtr_http_exchange *exchange = conn->exchange;
    uint64_t credit = exchange->ours ? UINT64_MAX : exchange->body_credit;
    if (stashed(conn) == 0)
        return false;
    exchange->body_begun = true;
    dtr_http_conn_touch(conn);
    return exchange->head.request.body_length == DTR_LENGTH_UNKNOWN ? read_chunked(conn, credit)
                                                                    : read_plain(conn, credit);
}

/* --- the pump ------------------------------------------------------------------------------------------ */

static void become_idle(struct dtr_http_conn *conn)
{
    if (conn->server->stopping) {
        linger(conn);
        return;
    }
    exchange_free(conn);
    conn->state = DTR_CONN_HEAD;
    dtr_http_conn_touch(conn);
    move_to(conn, &conn->server->idle);
}

static bool step_busy(struct dtr_http_conn *conn)
{
    struct dtr_http_exchange *exchange = conn->exchange;
    if (exchange->ours && !exchange->keep) {
        linger(conn);
        return true;
    }
    if (!exchange->body_done)
        return read_body(conn);
    if (!exchange->ours)
        return false;
    become_idle(conn);
    return true;
}

static bool step(struct dtr_http_conn *conn)
{
    switch (conn->state) {
    case DTR_CONN_HEAD:
        return read_head(conn);
    case DTR_CONN_BUSY:
        return step_busy(conn);
    case DTR_CONN_LINGER:
        consume(conn, stashed(conn));
        break;
    case DTR_CONN_CLOSING:
    case DTR_CONN_GONE:
        break;
    }
    return false;
}

/* The client sent FIN, and everything before it that could be read has been. */
static void input_is_over(struct dtr_http_conn *conn)
{
    struct dtr_error err;
    bool answering = conn->state == DTR_CONN_BUSY && !conn->exchange->ours;
    bool half_a_head = conn->state == DTR_CONN_HEAD && conn->exchange;
    if (answering || half_a_head) {
        (void)dtr_error_set(&err, DTR_ECLOSED, DTR_RETRY_NEVER, "the client closed the connection");
        dtr_http_conn_take_back(conn, &err);
        dtr_http_conn_drop(conn);
        return;
    }
    /* Requests may still wait for room to be answered. */
    if (conn->state == DTR_CONN_HEAD && stashed(conn) > 0)
        return;
    linger(conn);
    if (dtr_stream_pending(conn->stream) == 0)
        dtr_http_conn_drop(conn);
}

/* Asks the stream for as much as may be kept. */
static void top_up(struct dtr_http_conn *conn)
{
    size_t held = stashed(conn) + (size_t)conn->granted;
    if (conn->state >= DTR_CONN_CLOSING || conn->input_ended || held >= DTR_HTTP_READ_AHEAD)
        return;
    /* Not for every few bytes, but never so late that the stream could stop noticing a client's end. */
    if (conn->granted > DTR_HTTP_READ_AHEAD / 2)
        return;
    dtr_stream_read(conn->stream, DTR_HTTP_READ_AHEAD - held);
    conn->granted += DTR_HTTP_READ_AHEAD - held;
}

static void pump(struct dtr_http_conn *conn)
{
    conn->pumping = true;
    while (step(conn))
        ;
    if (conn->input_ended && conn->state < DTR_CONN_CLOSING)
        input_is_over(conn);
    if (conn->state < DTR_CONN_CLOSING)
        dtr_http_conn_check(conn);
    top_up(conn);
    conn->pumping = false;
    if (conn->state == DTR_CONN_GONE && !conn->kicked)
        conn_free(conn);
}

static void on_kick(struct dtr_msg *msg)
{
    struct dtr_http_conn *conn = dtr_container(msg, struct dtr_http_conn, msg);
    conn->kicked = false;
    pump(conn);
}

void dtr_http_conn_kick(struct dtr_http_conn *conn)
{
    if (conn->kicked || conn->pumping)
        return;
    conn->kicked = true;
    dtr_loop_post(conn->server->loop, &conn->msg);
}

/* --- the stream's events ------------------------------------------------------------------------------ */

static void on_data(void *context, const uint8_t *bytes, size_t length)
{
    struct dtr_http_conn *conn = context;
    conn->granted -= length < conn->granted ? length : conn->granted;
    if (conn->state >= DTR_CONN_LINGER) {
        top_up(conn);
        return;
    }
    if (conn->stash_at > 0) {
        dtr_str_skip(&conn->stash, conn->stash_at);
        conn->stash_at = 0;
    }
    dtr_str_add(&conn->stash, bytes, length);
    if (!dtr_str_ok(&conn->stash))
        dtr_http_conn_drop(conn);
    else
        pump(conn);
}

static void on_end(void *context)
{
    struct dtr_http_conn *conn = context;
    conn->input_ended = true;
    pump(conn);
}

static void on_drained(void *context)
{
    struct dtr_http_conn *conn = context;
    struct dtr_http_exchange *exchange = conn->exchange;
    /* Being idle and lingering begin when the last byte is out. */
    if (conn->state == DTR_CONN_LINGER || (conn->state == DTR_CONN_HEAD && !exchange))
        dtr_http_conn_touch(conn);
    if (conn->state == DTR_CONN_BUSY && !exchange->ours && exchange->events && exchange->events->drained)
        exchange->events->drained(exchange->context);
    pump(conn);
}

static void on_closed(void *context, const struct dtr_error *err)
{
    struct dtr_http_conn *conn = context;
    struct dtr_error gone = *err;
    if (gone.code == DTR_OK)
        (void)dtr_error_set(&gone, DTR_ECANCELLED, DTR_RETRY_NEVER, "the connection was closed");
    conn->state = DTR_CONN_GONE;
    dtr_http_conn_take_back(conn, &gone);
    if (!conn->kicked)
        conn_free(conn);
}

static const struct dtr_stream_events stream_events = {
    .data = on_data, .end = on_end, .drained = on_drained, .closed = on_closed};

static int open_stream(struct dtr_http_conn *conn, const struct dtr_http_server *server, int fd,
                       struct dtr_error *err)
{
    int rc = dtr_stream_new(server->loop, fd, &stream_events, conn, &conn->stream, err);
    if (rc == DTR_OK && server->tls) {
        rc = dtr_stream_secure(conn->stream, server->tls, NULL, server->limits.head_ms, err);
        if (rc != DTR_OK)
            dtr_stream_drop(conn->stream);
    }
    return rc;
}

void dtr_http_conn_open(struct dtr_http_server *server, int fd)
{
    struct dtr_error err;
    struct dtr_http_conn *conn = calloc(1, sizeof(*conn));
    if (!conn || dtr_timer_open(server->loop, dtr_http_conn_late, conn, &conn->timer, &err) != DTR_OK) {
        (void)close(fd);
        free(conn);
        return;
    }
    if (open_stream(conn, server, fd, &err) != DTR_OK) {
        dtr_timer_close(conn->timer);
        free(conn);
        return;
    }
    conn->server = server;
    conn->fd = fd;
    conn->armed_at = UINT64_MAX;
    conn->msg.run = on_kick;
    server->counts.open++;
    server->counts.accepted++;
    dtr_list_init(&conn->link);
    become_idle(conn);
    pump(conn);
}
