/* Accepting, counting and stopping; the connections themselves are conn.c. */
#include "core/http/conn.h"

#include <stdlib.h>
#include <unistd.h>

static const struct dtr_http_limits defaults = {.connections = 8192,
                                                .head_ms = 10000,
                                                .idle_ms = 60000,
                                                .body_ms = 30000,
                                                .write_ms = 60000,
                                                .linger_ms = 2000};

static void fill_limits(struct dtr_http_limits *limits, const struct dtr_http_limits *given)
{
    static const struct dtr_http_limits none;
    *limits = defaults;
    if (!given)
        given = &none;
#define TAKE(field)                                                                                          \
    if (given->field)                                                                                        \
    limits->field = given->field
    TAKE(connections);
    TAKE(tunnels);
    TAKE(head_ms);
    TAKE(idle_ms);
    TAKE(body_ms);
    TAKE(write_ms);
    TAKE(linger_ms);
#undef TAKE
    if (limits->tunnels == 0)
        limits->tunnels = (limits->connections + 1) / 2;
}

int dtr_http_server_new(struct dtr_loop *loop, const struct dtr_http_limits *limits, dtr_http_handle *handle,
                        void *context, struct dtr_http_server **ret_server, struct dtr_error *err)
{
    struct dtr_http_server *server = calloc(1, sizeof(*server));
    if (!server)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for an HTTP server");
    server->loop = loop;
    server->handle = handle;
    server->context = context;
    fill_limits(&server->limits, limits);
    dtr_list_init(&server->idle);
    dtr_list_init(&server->busy);
    dtr_stream_group_init(&server->tunnels, loop);
    *ret_server = server;
    return DTR_OK;
}

void dtr_http_server_secure(struct dtr_http_server *server, struct dtr_tls *tls)
{
    server->tls = tls;
}

/* Room for one more: the connection that has been idle longest goes first. */
static bool make_room(struct dtr_http_server *server)
{
    if (server->counts.open + server->tunnels.count < server->limits.connections)
        return true;
    server->counts.evicted++;
    if (dtr_list_empty(&server->idle))
        return false;
    struct dtr_list *first = dtr_list_pop(&server->idle);
    dtr_list_add_tail(&server->busy, first);
    dtr_http_conn_drop(dtr_container(first, struct dtr_http_conn, link));
    return true;
}

/* Takes over an accepted descriptor. */
static void take(struct dtr_http_server *server, int fd)
{
    if (server->stopping || !make_room(server))
        (void)close(fd);
    else
        dtr_http_conn_open(server, fd);
}

static void on_accepted(void *context, int fd, const struct dtr_addr *peer)
{
    (void)peer;
    take(context, fd);
}

int dtr_http_server_listen(struct dtr_http_server *server, const struct dtr_addr *addr,
                           struct dtr_addr *ret_addr, struct dtr_error *err)
{
    int code = dtr_listen(server->loop, addr, on_accepted, server, &server->listener, err);
    if (code == DTR_OK && ret_addr)
        dtr_listener_addr(server->listener, ret_addr);
    return code;
}

/* A descriptor on its way to the server's thread. */
struct gift {
    struct dtr_msg msg;
    struct dtr_http_server *server;
    int fd;
};

static void unwrap(struct dtr_msg *msg)
{
    struct gift *gift = dtr_container(msg, struct gift, msg);
    take(gift->server, gift->fd);
    free(gift);
}

void dtr_http_server_give(struct dtr_http_server *server, int fd)
{
    struct gift *gift = malloc(sizeof(*gift));
    if (!gift) {
        (void)close(fd);
        return;
    }
    *gift = (struct gift){.msg.run = unwrap, .server = server, .fd = fd};
    dtr_loop_post(server->loop, &gift->msg);
}

/* --- the end ------------------------------------------------------------------------------------------- */

static void finish(struct dtr_msg *msg)
{
    struct dtr_http_server *server = dtr_container(msg, struct dtr_http_server, msg);
    void (*stopped)(void *) = server->stopped;
    void *context = server->stopped_context;
    dtr_timer_close(server->grace);
    free(server);
    if (stopped)
        stopped(context);
}

void dtr_http_server_left(struct dtr_http_server *server)
{
    if (!server->stopping || !server->tunnels_over || server->counts.open > 0)
        return;
    server->msg.run = finish;
    dtr_loop_post(server->loop, &server->msg);
}

static void drop_all(struct dtr_list *list)
{
    struct dtr_error err;
    (void)dtr_error_set(&err, DTR_ECANCELLED, DTR_RETRY_ELSEWHERE, "the server stops");
    dtr_list_each_safe (node, list) {
        struct dtr_http_conn *conn = dtr_container(node, struct dtr_http_conn, link);
        dtr_http_conn_take_back(conn, &err);
        dtr_http_conn_drop(conn);
    }
}

static void on_tunnels_over(void *context)
{
    struct dtr_http_server *server = context;
    server->tunnels_over = true;
    dtr_http_server_left(server);
}

static void grace_over(void *context)
{
    struct dtr_http_server *server = context;
    drop_all(&server->busy);
}

void dtr_http_server_close(struct dtr_http_server *server, uint64_t grace_ms, void (*stopped)(void *context),
                           void *context)
{
    struct dtr_error err;
    dtr_listener_close(server->listener);
    server->listener = NULL;
    server->stopping = true;
    server->stopped = stopped;
    server->stopped_context = context;
    drop_all(&server->idle);
    if (grace_ms == 0 || dtr_timer_open(server->loop, grace_over, server, &server->grace, &err) != DTR_OK)
        drop_all(&server->busy);
    else
        dtr_timer_set(server->grace, grace_ms);
    dtr_stream_group_end(&server->tunnels, grace_ms, on_tunnels_over, server);
}

void dtr_http_server_counts(const struct dtr_http_server *server, struct dtr_http_counts *ret_counts)
{
    *ret_counts = server->counts;
}
