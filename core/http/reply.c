/* The answering side of an exchange: heads, bodies and their framing. */
#include "core/http/conn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- the head ----------------------------------------------------------------------------------------- */

/* "Date: Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7), in English whatever the locale. */
static void put_date(struct dtr_str *text)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = time(NULL);
    struct tm tm;
    if (!gmtime_r(&now, &tm))
        return;
    dtr_str_printf(text, "Date: %s, %02d %s %d %02d:%02d:%02d GMT\r\n", days[tm.tm_wday], tm.tm_mday,
                   months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void put_headers(struct dtr_str *text, const struct dtr_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct dtr_header *header = &headers[i];
        if (dtr_http_hop_by_hop(headers, count, header->name) ||
            !dtr_http_token_ok(header->name, strlen(header->name)) || !dtr_http_value_ok(header->value))
            continue;
        dtr_str_printf(text, "%s: %s\r\n", header->name, header->value);
    }
    if (!dtr_header_find(headers, count, "Date"))
        put_date(text);
}

/* An unread body can be skipped when it is short and certainly on its way; otherwise the connection ends,
 * since nobody knows where the next request begins. */
static bool body_in_the_way(const struct dtr_http_exchange *exchange)
{
    const struct dtr_http_request *request = &exchange->head.request;
    if (exchange->body_done)
        return false;
    if (request->expect_continue && !exchange->continued && !exchange->body_begun)
        return true;
    return request->body_length == DTR_LENGTH_UNKNOWN || exchange->body_left > DTR_HTTP_DISCARD;
}

/* Decides the framing of the body, and puts the headers that say it. */
static void put_framing(struct dtr_http_exchange *exchange, struct dtr_str *text, int status, uint64_t length)
{
    const struct dtr_http_request *request = &exchange->head.request;
    exchange->bodiless = status == 204 || status == 304 || strcmp(request->method, "HEAD") == 0;
    exchange->left = length;
    exchange->keep = request->keep_alive && !exchange->conn->server->stopping && !body_in_the_way(exchange);
    if (length != DTR_LENGTH_UNKNOWN) {
        if (status != 204)
            dtr_str_printf(text, "Content-Length: %llu\r\n", (unsigned long long)length);
    } else if (!exchange->bodiless && request->minor == 1) {
        exchange->chunked_out = true;
        dtr_str_puts(text, "Transfer-Encoding: chunked\r\n");
    } else if (!exchange->bodiless) {
        exchange->until_close = true;
        exchange->keep = false;
    }
    if (!exchange->keep)
        dtr_str_puts(text, "Connection: close\r\n");
    else if (request->minor == 0)
        dtr_str_puts(text, "Connection: keep-alive\r\n");
}

void dtr_http_respond(struct dtr_http_exchange *exchange, int status, const struct dtr_header *headers,
                      size_t count, uint64_t length)
{
    struct dtr_str text = {0};
    assert(!exchange->responded && !exchange->ours && status >= 200 && status <= 999);
    exchange->responded = true;
    dtr_str_printf(&text, "HTTP/1.1 %d %s\r\n", status, dtr_http_reason(status));
    put_headers(&text, headers, count);
    put_framing(exchange, &text, status, length);
    dtr_str_puts(&text, "\r\n");
    if (dtr_str_ok(&text))
        dtr_stream_write(exchange->conn->stream, text.text, text.length);
    else
        exchange->broken = true;
    dtr_str_free(&text);
    dtr_http_conn_kick(exchange->conn);
}

/* --- the body ----------------------------------------------------------------------------------------- */

/* How many of `length` bytes may go out; notes when more come than were promised. */
static uint64_t admit(struct dtr_http_exchange *exchange, uint64_t length)
{
    assert(exchange->responded && !exchange->ours);
    if (exchange->bodiless || exchange->broken)
        return 0;
    if (exchange->left == DTR_LENGTH_UNKNOWN)
        return length;
    if (length > exchange->left) {
        exchange->broken = true;
        return 0;
    }
    exchange->left -= length;
    return length;
}

static void begin_chunk(struct dtr_http_exchange *exchange, uint64_t length)
{
    char line[24];
    if (!exchange->chunked_out)
        return;
    int used = snprintf(line, sizeof(line), "%llx\r\n", (unsigned long long)length);
    dtr_stream_write(exchange->conn->stream, line, (size_t)used);
}

static void end_chunk(struct dtr_http_exchange *exchange)
{
    if (exchange->chunked_out)
        dtr_stream_write(exchange->conn->stream, "\r\n", 2);
    dtr_http_conn_kick(exchange->conn);
}

void dtr_http_write(struct dtr_http_exchange *exchange, const void *bytes, size_t length)
{
    if (admit(exchange, length) == 0)
        return;
    begin_chunk(exchange, length);
    dtr_stream_write(exchange->conn->stream, bytes, length);
    end_chunk(exchange);
}

void dtr_http_send(struct dtr_http_exchange *exchange, const struct dtr_extent *extent)
{
    struct dtr_extent taken = *extent;
    if (admit(exchange, extent->length) == 0) {
        dtr_extent_release(&taken);
        return;
    }
    begin_chunk(exchange, extent->length);
    dtr_stream_send(exchange->conn->stream, &taken);
    end_chunk(exchange);
}

uint64_t dtr_http_pending(const struct dtr_http_exchange *exchange)
{
    return dtr_stream_pending(exchange->conn->stream);
}

void dtr_http_end(struct dtr_http_exchange *exchange)
{
    bool missing = !exchange->bodiless && exchange->left != DTR_LENGTH_UNKNOWN && exchange->left > 0;
    assert(exchange->responded && !exchange->ours);
    if (exchange->broken || missing) {
        dtr_http_abort(exchange);
        return;
    }
    if (exchange->chunked_out)
        dtr_stream_write(exchange->conn->stream, "0\r\n\r\n", 5);
    exchange->ours = true;
    dtr_http_conn_touch(exchange->conn);
    dtr_http_conn_kick(exchange->conn);
}

void dtr_http_abort(struct dtr_http_exchange *exchange)
{
    assert(!exchange->ours);
    exchange->ours = true;
    dtr_http_conn_drop(exchange->conn);
}

void dtr_http_reply(struct dtr_http_exchange *exchange, int status, const struct dtr_header *headers,
                    size_t count, const char *text)
{
    struct dtr_header all[DTR_HTTP_HEADERS_MAX];
    size_t length = strlen(text);
    assert(count < DTR_HTTP_HEADERS_MAX);
    for (size_t i = 0; i < count; i++)
        all[i] = headers[i];
    if (length > 0 && !dtr_header_find(headers, count, "Content-Type"))
        all[count++] = (struct dtr_header){.name = "Content-Type", .value = "text/plain; charset=utf-8"};
    dtr_http_respond(exchange, status, all, count, length);
    dtr_http_write(exchange, text, length);
    dtr_http_end(exchange);
}

/* --- the rest of the exchange ------------------------------------------------------------------------- */

void dtr_http_attach(struct dtr_http_exchange *exchange, const struct dtr_http_events *events, void *context)
{
    exchange->events = events;
    exchange->context = context;
}

struct dtr_loop *dtr_http_loop(const struct dtr_http_exchange *exchange)
{
    return exchange->conn->server->loop;
}

const struct dtr_addr *dtr_http_client(const struct dtr_http_exchange *exchange)
{
    return dtr_stream_addr(exchange->conn->stream);
}

void dtr_http_want_body(struct dtr_http_exchange *exchange, uint64_t bytes)
{
    struct dtr_http_conn *conn = exchange->conn;
    assert(!exchange->ours);
    if (exchange->head.request.expect_continue && !exchange->continued && !exchange->body_begun &&
        !exchange->responded) {
        exchange->continued = true;
        dtr_stream_write(conn->stream, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    }
    /* The client's time runs only while somebody waits for it. */
    if (exchange->body_credit == 0)
        dtr_http_conn_touch(conn);
    if (__builtin_add_overflow(exchange->body_credit, bytes, &exchange->body_credit))
        exchange->body_credit = UINT64_MAX;
    dtr_http_conn_kick(conn);
}

bool dtr_http_may_upgrade(const struct dtr_http_exchange *exchange)
{
    const struct dtr_http_server *server = exchange->conn->server;
    return !server->stopping && server->tunnels.count < server->limits.tunnels;
}

void dtr_http_upgrade(struct dtr_http_exchange *exchange, struct dtr_http_upgraded *ret_upgraded)
{
    static const char established[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    struct dtr_http_conn *conn = exchange->conn;
    assert(!exchange->ours && !exchange->responded && exchange->body_done && dtr_http_may_upgrade(exchange));
    dtr_str_skip(&conn->stash, conn->stash_at);
    conn->stash_at = 0;
    *ret_upgraded = (struct dtr_http_upgraded){.stream = conn->stream, .early_length = conn->stash.length};
    if (conn->stash.length > 0)
        ret_upgraded->early = dtr_str_take(&conn->stash);
    dtr_stream_group_add(&conn->server->tunnels, conn->stream);
    dtr_stream_pause(conn->stream);
    dtr_stream_write(conn->stream, established, sizeof(established) - 1);
    exchange->ours = true;
    conn->stream = NULL;
    conn->state = DTR_CONN_GONE;
    dtr_http_conn_kick(conn);
}
