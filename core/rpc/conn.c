/* Sessions on streams, and the loop's side of a hub; see conn.h. */
#include "core/rpc/conn.h"

#include <assert.h>
#include <stdlib.h>

enum { FLUSH_MS = 5000 }; /* for the last words of a closing connection */

/* --- the driver ----------------------------------------------------------------------------------- */

static uint64_t now_ms(void *context)
{
    return dtr_loop_now_ms(((struct dtr_rpc_driver *)context)->loop);
}

static uint64_t oldest(const struct dtr_list *list, uint64_t patience_ms)
{
    if (dtr_list_empty(list))
        return UINT64_MAX;
    return dtr_container(list->next, struct dtr_rpc_conn, wait)->since_ms + patience_ms;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void arm(struct dtr_rpc_driver *driver)
{
    const struct dtr_rpc_limits *limits = &driver->hub.limits;
    uint64_t now = now_ms(driver), at = dtr_rpc_hub_next_ms(&driver->hub);
    at = earlier(at, oldest(&driver->fresh, limits->handshake_ms));
    at = earlier(at, oldest(&driver->live, limits->ping_ms));
    at = earlier(at, oldest(&driver->pinged, limits->ping_timeout_ms));
    if (at >= driver->timer_ms)
        return; /* it fires early and is armed again */
    driver->timer_ms = at;
    dtr_timer_set(driver->timer, at > now ? at - now : 0);
}

static void move_to(struct dtr_rpc_conn *conn, struct dtr_list *list)
{
    dtr_list_remove(&conn->wait);
    dtr_list_add_tail(list, &conn->wait);
    conn->since_ms = now_ms(conn->driver);
}

/* The first of a list that has waited long enough. */
static struct dtr_rpc_conn *overdue(struct dtr_rpc_driver *driver, const struct dtr_list *list,
                                    uint64_t patience_ms)
{
    if (oldest(list, patience_ms) > now_ms(driver))
        return NULL;
    return dtr_container(list->next, struct dtr_rpc_conn, wait);
}

static void give_up(struct dtr_rpc_conn *conn, const char *why)
{
    struct dtr_error err;
    (void)dtr_error_set(&err, DTR_ETIMEOUT, DTR_RETRY_ELSEWHERE, "%s", why);
    dtr_list_remove(&conn->wait);
    dtr_rpc_conn_close(conn, false, &err);
}

static void look_for_silence(struct dtr_rpc_driver *driver)
{
    const struct dtr_rpc_limits *limits = &driver->hub.limits;
    struct dtr_rpc_conn *conn = NULL;
    while ((conn = overdue(driver, &driver->fresh, limits->handshake_ms)))
        give_up(conn, "no HTTP/2 preface in time");
    while ((conn = overdue(driver, &driver->pinged, limits->ping_timeout_ms)))
        give_up(conn, "no answer to a ping");
    while ((conn = overdue(driver, &driver->live, limits->ping_ms))) {
        bool ask = driver->server || conn->session->call_count > 0;
        move_to(conn, ask ? &driver->pinged : &driver->live);
        if (ask)
            dtr_rpc_session_ping(conn->session);
    }
}

static void run_turn(struct dtr_msg *msg)
{
    struct dtr_rpc_driver *driver = dtr_container(msg, struct dtr_rpc_driver, msg);
    driver->posted = false;
    dtr_rpc_hub_turn(&driver->hub);
    arm(driver);
}

static void on_timer(void *context)
{
    struct dtr_rpc_driver *driver = context;
    driver->timer_ms = UINT64_MAX;
    look_for_silence(driver);
    dtr_rpc_hub_turn(&driver->hub);
    arm(driver);
}

static void on_wake(void *context)
{
    struct dtr_rpc_driver *driver = context;
    if (!driver->posted) {
        driver->posted = true;
        dtr_loop_post(driver->loop, &driver->msg);
    }
}

int dtr_rpc_driver_init(struct dtr_rpc_driver *driver, struct dtr_loop *loop,
                        const struct dtr_rpc_limits *limits, bool server, struct dtr_error *err)
{
    *driver = (struct dtr_rpc_driver){.loop = loop, .server = server, .timer_ms = UINT64_MAX};
    driver->msg.run = run_turn;
    dtr_list_init(&driver->fresh);
    dtr_list_init(&driver->live);
    dtr_list_init(&driver->pinged);
    dtr_rpc_hub_init(&driver->hub, limits, server);
    driver->hub.now_ms = now_ms;
    driver->hub.wake = on_wake;
    driver->hub.context = driver;
    return dtr_timer_open(loop, on_timer, driver, &driver->timer, err);
}

void dtr_rpc_driver_free(struct dtr_rpc_driver *driver)
{
    assert(driver->conns == 0 && !driver->posted);
    dtr_timer_close(driver->timer);
    dtr_rpc_hub_free(&driver->hub);
}

/* --- the session's owner --------------------------------------------------------------------------- */

static void on_write(void *context, const uint8_t *bytes, size_t length)
{
    struct dtr_rpc_conn *conn = context;
    if (conn->stream)
        dtr_stream_write(conn->stream, bytes, length);
}

static uint64_t on_pending(void *context)
{
    const struct dtr_rpc_conn *conn = context;
    return conn->stream ? dtr_stream_pending(conn->stream) : 0;
}

static void on_settled(void *context)
{
    struct dtr_rpc_conn *conn = context;
    conn->settled = true;
    if (conn->events->settled)
        conn->events->settled(conn);
}

static void on_goaway(void *context)
{
    struct dtr_rpc_conn *conn = context;
    if (conn->events->goaway)
        conn->events->goaway(conn);
}

static bool on_refused(void *context, struct dtr_rpc_call *call)
{
    struct dtr_rpc_conn *conn = context;
    return conn->events->refused && conn->events->refused(conn, call);
}

static void on_over(void *context)
{
    dtr_rpc_conn_close(context, true, NULL);
}

static struct dtr_stream *on_stream(void *context)
{
    return ((struct dtr_rpc_conn *)context)->stream;
}

static const struct dtr_rpc_owner conn_owner = {.write = on_write,
                                                .pending = on_pending,
                                                .settled = on_settled,
                                                .goaway = on_goaway,
                                                .refused = on_refused,
                                                .over = on_over,
                                                .stream = on_stream};

/* --- the stream's user ----------------------------------------------------------------------------- */

/* A plain client that meets a server with TLS sees it hang up, or an alert (RFC 8446, 5.1 and 6) from one
 * that is polite, and nothing in either that an operator would understand. */
static bool expects_plain(const struct dtr_rpc_conn *conn)
{
    return !conn->driver->server && !conn->secure && !conn->settled;
}

static void add_doubt(const struct dtr_rpc_conn *conn, struct dtr_error *why)
{
    size_t length = strlen(why->text);
    if (why->code == DTR_ECLOSED && expects_plain(conn))
        (void)snprintf(why->text + length, sizeof(why->text) - length,
                       " before it spoke HTTP/2; does it ask for TLS?");
}

static void on_data(void *context, const uint8_t *bytes, size_t length)
{
    struct dtr_rpc_conn *conn = context;
    if (length > 1 && bytes[0] == 21 && bytes[1] == 3 && expects_plain(conn)) {
        struct dtr_error err;
        (void)dtr_error_set(&err, DTR_EPROTOCOL, DTR_RETRY_ELSEWHERE,
                            "%s asks for TLS; name the certificates to use with it",
                            dtr_stream_peer(conn->stream));
        dtr_rpc_conn_close(conn, false, &err);
        return;
    }
    int rc = dtr_rpc_session_receive(conn->session, bytes, length, &conn->err);
    if (rc == DTR_OK && conn->session->frames != conn->frames && conn->settled &&
        dtr_list_linked(&conn->wait)) {
        conn->frames = conn->session->frames;
        move_to(conn, &conn->driver->live);
    }
}

static void on_end(void *context)
{
    struct dtr_error err;
    (void)dtr_error_set(&err, DTR_ECLOSED, DTR_RETRY_SAME, "closed by the other side");
    dtr_rpc_conn_close(context, false, &err);
}

static void on_drained(void *context)
{
    struct dtr_rpc_conn *conn = context;
    dtr_rpc_session_dirty(conn->session);
}

static void on_closed(void *context, const struct dtr_error *err)
{
    struct dtr_rpc_conn *conn = context;
    struct dtr_rpc_driver *driver = conn->driver;
    struct dtr_error why = err->code ? *err : conn->err;
    add_doubt(conn, &why);
    conn->stream = NULL;
    dtr_rpc_session_lost(conn->session, &why);
    dtr_rpc_session_free(conn->session);
    conn->session = NULL;
    dtr_list_remove(&conn->wait);
    dtr_list_remove(&conn->link);
    driver->conns--;
    conn->events->gone(conn, &why);
    free(conn);
}

static const struct dtr_stream_events stream_events = {on_data, on_end, on_drained, on_closed};

static int open_stream(struct dtr_rpc_driver *driver, const struct dtr_rpc_line *line,
                       struct dtr_rpc_conn *conn, struct dtr_stream **ret_stream, struct dtr_error *err)
{
    int rc = line->fd >= 0 ? dtr_stream_new(driver->loop, line->fd, &stream_events, conn, ret_stream, err)
                           : dtr_stream_connect(driver->loop, &line->addr->any, line->connect_ms,
                                                &stream_events, conn, ret_stream, err);
    if (rc == DTR_OK && line->tls)
        rc = dtr_stream_secure(*ret_stream, line->tls, line->host, driver->hub.limits.handshake_ms, err);
    return rc;
}

int dtr_rpc_conn_new(struct dtr_rpc_driver *driver, struct dtr_rpc_table *table,
                     const struct dtr_rpc_line *line, const struct dtr_rpc_conn_events *events, void *context,
                     struct dtr_rpc_conn **ret_conn, struct dtr_error *err)
{
    struct dtr_stream *stream = NULL;
    struct dtr_rpc_conn *conn = calloc(1, sizeof(*conn));
    int rc = open_stream(driver, line, conn, &stream, err);
    if (rc != DTR_OK || !conn)
        goto out;
    *conn = (struct dtr_rpc_conn){.driver = driver,
                                  .events = events,
                                  .context = context,
                                  .stream = stream,
                                  .secure = line->tls != NULL};
    rc = dtr_rpc_session_new(&driver->hub, table, &conn_owner, conn, &conn->session, err);
    if (rc == DTR_OK)
        conn->session->secure = conn->secure;
out:
    if (rc == DTR_OK && conn) {
        conn->born_ms = now_ms(driver);
        move_to(conn, &driver->fresh);
        driver->conns++;
        dtr_stream_read(stream, UINT64_MAX);
        arm(driver);
        *ret_conn = conn;
        return DTR_OK;
    }
    if (stream)
        dtr_stream_drop(stream);
    free(conn);
    return rc != DTR_OK ? rc
                        : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a connection");
}

void dtr_rpc_conn_close(struct dtr_rpc_conn *conn, bool flush, const struct dtr_error *err)
{
    if (err && !conn->err.code)
        conn->err = *err;
    if (!conn->stream)
        return;
    if (flush)
        dtr_stream_deadline(conn->stream, 0, FLUSH_MS);
    dtr_stream_close(conn->stream, flush);
}
