/* The server: listeners, connections, the graceful end; see rpc.h. */
#include "core/rpc/conn.h"

#include "core/net/listen.h"
#include "core/obs/log.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SAY_MS = 60000, SAY_MOST = 20, SAY_EACH = 3 }; /* lines about refused callers in that time */

/* A caller and why it was refused, as a hash. */
struct refused {
    uint64_t hash;
    unsigned said;
};

struct listener {
    struct dtr_rpc_server *server;
    struct dtr_tls *tls;
    struct dtr_rpc_table *table;
    struct dtr_listener *listener;
    struct dtr_list link;
};

struct dtr_rpc_server {
    struct dtr_rpc_driver driver;
    struct dtr_list listeners;
    struct dtr_list conns; /* struct dtr_rpc_conn.link */
    struct dtr_tls *tls;   /* of listeners to come; NULL: plain */
    uint64_t say_ms;       /* when the first of these lines was written */
    unsigned said, unsaid;
    struct refused refused[SAY_MOST];
    unsigned refused_count;
    bool stopping, ending;
    struct dtr_timer *limit; /* for the calls that still run */
    struct dtr_msg end;
    void (*stopped)(void *context);
    void *context;
};

static void end_server(struct dtr_msg *msg)
{
    struct dtr_rpc_server *server = dtr_container(msg, struct dtr_rpc_server, end);
    void (*stopped)(void *context) = server->stopped;
    void *context = server->context;
    if (server->driver.posted) {
        dtr_loop_post(server->driver.loop, &server->end); /* the last calls hear of their end first */
        return;
    }
    dtr_timer_close(server->limit);
    dtr_rpc_driver_free(&server->driver);
    free(server);
    if (stopped)
        stopped(context);
}

static void end_when_empty(struct dtr_rpc_server *server)
{
    if (server->stopping && !server->ending && server->driver.conns == 0) {
        server->ending = true;
        dtr_loop_post(server->driver.loop, &server->end);
    }
}

/* Of a text "address:port: why" without the port, which is another each time. */
static uint64_t hash_of(const char *text)
{
    const char *why = strstr(text, ": "), *port = why;
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    while (port && port > text && *port != ']' && (port == why || *port != ':'))
        port--;
    for (const char *at = text; *at; at++)
        if (!why || at < port || at >= why)
            hash = (hash ^ (uint8_t)*at) * 1099511628211u;
    return hash;
}

/* Whether it is worth a line: one that comes again and again must not hide the others. */
static bool is_news(struct dtr_rpc_server *server, const char *text)
{
    uint64_t hash = hash_of(text);
    struct refused *refused = server->refused, *end = refused + server->refused_count;
    while (refused < end && refused->hash != hash)
        refused++;
    if (server->said >= SAY_MOST)
        return false;
    if (refused == end) /* there is room: each has had a line */
        server->refused[server->refused_count++] = (struct refused){.hash = hash};
    return refused->said++ < SAY_EACH;
}

/* Callers that TLS keeps out hear little or nothing of why, so the operator is told; not of everyone when
 * there are many. Who only knocks (a load balancer's check) is not worth a line. */
static void say_refused(struct dtr_rpc_server *server, const struct dtr_error *err)
{
    uint64_t now = dtr_loop_now_ms(server->driver.loop);
    char more[40] = "";
    if (err->code != DTR_EDENIED && err->code != DTR_EPROTOCOL)
        return;
    if (server->said == 0 || now >= server->say_ms + SAY_MS) {
        if (server->unsaid > 0)
            (void)snprintf(more, sizeof(more), " (and %u others before)", server->unsaid);
        server->said = server->unsaid = server->refused_count = 0;
        server->say_ms = now;
    }
    if (is_news(server, err->text)) {
        server->said++;
        dtr_log(DTR_LOG_WARN, NULL, "a caller is refused: %s%s", err->text, more);
    } else {
        server->unsaid++;
    }
}

static void on_gone(struct dtr_rpc_conn *conn, const struct dtr_error *err)
{
    if (conn->secure && !conn->settled)
        say_refused(conn->context, err);
    end_when_empty(conn->context);
}

static const struct dtr_rpc_conn_events server_events = {.gone = on_gone};

int dtr_rpc_server_new(struct dtr_loop *loop, const struct dtr_rpc_limits *limits,
                       struct dtr_rpc_server **ret_server, struct dtr_error *err)
{
    struct dtr_rpc_server *server = calloc(1, sizeof(*server));
    if (!server)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a gRPC server");
    dtr_list_init(&server->listeners);
    dtr_list_init(&server->conns);
    server->end.run = end_server;
    int rc = dtr_rpc_driver_init(&server->driver, loop, limits, true, err);
    if (rc != DTR_OK) {
        free(server);
        return rc;
    }
    *ret_server = server;
    return DTR_OK;
}

static int take_connection(struct dtr_rpc_server *server, int fd, struct dtr_rpc_table *table,
                           struct dtr_tls *tls, struct dtr_error *err)
{
    const struct dtr_rpc_line line = {.fd = fd, .tls = tls};
    struct dtr_rpc_conn *conn = NULL;
    if (server->stopping || server->driver.conns >= server->driver.hub.limits.connections) {
        (void)close(fd);
        return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_SAME, "%s",
                             server->stopping ? "the server is stopping" : "too many connections");
    }
    int rc = dtr_rpc_conn_new(&server->driver, table, &line, &server_events, server, &conn, err);
    if (rc == DTR_OK)
        dtr_list_add_tail(&server->conns, &conn->link);
    return rc;
}

int dtr_rpc_server_accept(struct dtr_rpc_server *server, int fd, struct dtr_rpc_table *table,
                          struct dtr_error *err)
{
    return take_connection(server, fd, table, NULL, err);
}

void dtr_rpc_server_secure(struct dtr_rpc_server *server, struct dtr_tls *tls)
{
    server->tls = tls;
}

static void on_accept(void *context, int fd, const struct dtr_addr *peer)
{
    struct listener *listener = context;
    (void)peer;
    /* A connection that cannot be served is closed; its client hears that much. */
    (void)take_connection(listener->server, fd, listener->table, listener->tls, NULL);
}

int dtr_rpc_server_listen(struct dtr_rpc_server *server, const struct dtr_addr *addr,
                          struct dtr_rpc_table *table, struct dtr_addr *ret_addr, struct dtr_error *err)
{
    struct listener *listener = calloc(1, sizeof(*listener));
    if (!listener)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a listener");
    listener->server = server;
    listener->table = table;
    listener->tls = addr->any.sa_family == AF_UNIX ? NULL : server->tls;
    int rc = dtr_listen(server->driver.loop, addr, on_accept, listener, &listener->listener, err);
    if (rc != DTR_OK) {
        free(listener);
        return rc;
    }
    dtr_list_add_tail(&server->listeners, &listener->link);
    if (ret_addr)
        dtr_listener_addr(listener->listener, ret_addr);
    return DTR_OK;
}

static void stop_listening(struct dtr_rpc_server *server)
{
    struct dtr_list *node = NULL;
    while ((node = dtr_list_pop(&server->listeners))) {
        struct listener *listener = dtr_container(node, struct listener, link);
        dtr_listener_close(listener->listener);
        free(listener);
    }
}

static void on_limit(void *context)
{
    struct dtr_rpc_server *server = context;
    struct dtr_error err;
    (void)dtr_error_set(&err, DTR_ECANCELLED, DTR_RETRY_ELSEWHERE, "the server stopped");
    dtr_list_each (node, &server->conns)
        dtr_rpc_conn_close(dtr_container(node, struct dtr_rpc_conn, link), false, &err);
}

void dtr_rpc_server_stop(struct dtr_rpc_server *server, uint64_t limit_ms, void (*stopped)(void *context),
                         void *context)
{
    server->stopping = true;
    server->stopped = stopped;
    server->context = context;
    stop_listening(server);
    dtr_list_each (node, &server->conns) {
        struct dtr_rpc_conn *conn = dtr_container(node, struct dtr_rpc_conn, link);
        if (conn->settled)
            dtr_rpc_session_drain(conn->session);
        else
            dtr_rpc_conn_close(conn, false, NULL);
    }
    if (!server->limit &&
        dtr_timer_open(server->driver.loop, on_limit, server, &server->limit, NULL) != DTR_OK)
        on_limit(server);
    else
        dtr_timer_set(server->limit, limit_ms);
    end_when_empty(server);
}

size_t dtr_rpc_server_connections(const struct dtr_rpc_server *server)
{
    return server->driver.conns;
}

size_t dtr_rpc_server_calls(const struct dtr_rpc_server *server)
{
    return server->driver.hub.calls;
}
