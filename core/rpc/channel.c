/* The client's channel: one address, connecting when needed, back-off, calls that wait; see rpc.h. */
#include "core/rpc/channel.h"

#include "core/base/digest.h"
#include <stdlib.h>

enum { GOOD_LIFE_MS = 1000 }; /* a connection that lived so long clears the record of failures */

static void connection_lost(struct dtr_rpc_channel *channel, const struct dtr_error *err, bool lived);
static void end_when_empty(struct dtr_rpc_channel *channel);

static uint64_t now_ms(const struct dtr_rpc_channel *channel)
{
    return dtr_loop_now_ms(channel->driver.loop);
}

static void set_state(struct dtr_rpc_channel *channel, enum dtr_rpc_state state, const struct dtr_error *err)
{
    if (channel->state == state)
        return;
    channel->state = state;
    if (channel->options.state && !channel->closing)
        channel->options.state(channel->options.context, channel, state, err);
}

/* The pause after so many failures in a row: doubled each time, and a fifth more or less so that the
 * clients of a server that comes back do not come all at once. */
static uint64_t backoff_ms(const struct dtr_rpc_channel *channel)
{
    const struct dtr_rpc_channel_options *options = &channel->options;
    uint64_t ms = options->backoff_min_ms;
    uint32_t random = 0;
    for (unsigned i = 1; i < channel->failures && ms < options->backoff_max_ms; i++)
        ms *= 2;
    if (ms > options->backoff_max_ms)
        ms = options->backoff_max_ms;
    dtr_random(&random, sizeof(random));
    return ms - ms / 5 + (ms / 5 * 2 * (random >> 16) >> 16);
}

/* --- connections ----------------------------------------------------------------------------------- */

static bool wanted(const struct dtr_rpc_channel *channel)
{
    return !channel->closing && (channel->options.keep_connected || !dtr_list_empty(&channel->waiting));
}

/* Connects when its time has come, if anybody wants it. Never from inside a user's call. */
void dtr_rpc_channel_want(struct dtr_rpc_channel *channel)
{
    uint64_t now = now_ms(channel);
    if (wanted(channel) && !channel->conn)
        dtr_timer_set(channel->clock, channel->retry_ms > now ? channel->retry_ms - now : 0);
}

static void begin_waiting(struct dtr_rpc_channel *channel)
{
    struct dtr_error err;
    while (channel->conn && channel->state == DTR_RPC_READY && !dtr_list_empty(&channel->waiting)) {
        struct dtr_rpc_call *call = dtr_container(channel->waiting.next, struct dtr_rpc_call, link);
        dtr_list_remove(&call->link);
        if (call->ended)
            continue; /* it expired or was cancelled, and is on its way out */
        if (dtr_rpc_session_begin(channel->conn->session, call, &err) != DTR_OK)
            dtr_rpc_call_ended(call, DTR_RPC_UNAVAILABLE, err.text, true);
    }
}

static void on_settled(struct dtr_rpc_conn *conn)
{
    struct dtr_rpc_channel *channel = conn->context;
    if (conn != channel->conn)
        return;
    dtr_timer_set(channel->clock, DTR_TIMER_OFF);
    channel->ready_ms = now_ms(channel);
    set_state(channel, DTR_RPC_READY, NULL);
    begin_waiting(channel);
}

static bool lived_well(const struct dtr_rpc_channel *channel)
{
    return channel->state == DTR_RPC_READY && now_ms(channel) >= channel->ready_ms + GOOD_LIFE_MS;
}

static void on_goaway(struct dtr_rpc_conn *conn)
{
    struct dtr_rpc_channel *channel = conn->context;
    struct dtr_error err;
    if (conn != channel->conn)
        return;
    bool lived = lived_well(channel);
    channel->conn = NULL; /* its calls go on; new ones get a new connection */
    (void)dtr_error_set(&err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "the server closes the connection");
    connection_lost(channel, &err, lived);
}

static bool on_refused(struct dtr_rpc_conn *conn, struct dtr_rpc_call *call)
{
    struct dtr_rpc_channel *channel = conn->context;
    if (channel->closing || !dtr_rpc_call_rewind(call))
        return false;
    dtr_list_add_tail(&channel->waiting, &call->link);
    if (channel->conn)
        dtr_rpc_channel_run_soon(channel);
    else
        dtr_rpc_channel_want(channel);
    return true;
}

static void on_gone(struct dtr_rpc_conn *conn, const struct dtr_error *err)
{
    struct dtr_rpc_channel *channel = conn->context;
    if (conn == channel->conn) {
        bool lived = lived_well(channel);
        channel->conn = NULL;
        connection_lost(channel, err, lived);
    }
    end_when_empty(channel);
}

static const struct dtr_rpc_conn_events conn_events = {on_settled, on_goaway, on_refused, on_gone};

static void fail_waiting(struct dtr_rpc_channel *channel, const struct dtr_error *err)
{
    dtr_list_each_safe (node, &channel->waiting) {
        struct dtr_rpc_call *call = dtr_container(node, struct dtr_rpc_call, link);
        if (!call->wait_for_ready) {
            dtr_list_remove(&call->link);
            dtr_rpc_call_ended(call, DTR_RPC_UNAVAILABLE, err->text, true);
        }
    }
}

/* There is no connection for new calls any more. `lived`: it had been good, so the next attempt may come
 * at once and waiting calls are not failed by this. */
static void connection_lost(struct dtr_rpc_channel *channel, const struct dtr_error *err, bool lived)
{
    channel->failures = lived ? 0 : channel->failures + 1;
    channel->retry_ms = lived ? 0 : now_ms(channel) + backoff_ms(channel);
    channel->error = *err;
    if (channel->closing)
        return;
    dtr_timer_set(channel->clock, DTR_TIMER_OFF);
    if (!lived)
        fail_waiting(channel, err);
    set_state(channel, DTR_RPC_LOST, err);
    dtr_rpc_channel_want(channel);
}

static void connect_now(struct dtr_rpc_channel *channel)
{
    struct dtr_error err;
    set_state(channel, DTR_RPC_CONNECTING, NULL);
    if (channel->closing)
        return;
    const struct dtr_rpc_line line = {.fd = -1,
                                      .addr = &channel->addr,
                                      .connect_ms = channel->options.connect_ms,
                                      .tls = channel->tls,
                                      .host = channel->host[0] ? channel->host : NULL};
    int rc = dtr_rpc_conn_new(&channel->driver, NULL, &line, &conn_events, channel, &channel->conn, &err);
    if (rc != DTR_OK) {
        connection_lost(channel, &err, false);
        return;
    }
    dtr_list_add_tail(&channel->conns, &channel->conn->link);
    channel->conn->session->authority = channel->authority;
    dtr_timer_set(channel->clock, channel->options.connect_ms);
}

/* Either the pause is over, or the server did not speak HTTP/2 in time. */
static void on_clock(void *context)
{
    struct dtr_rpc_channel *channel = context;
    if (channel->conn) {
        struct dtr_error err;
        (void)dtr_error_set(&err, DTR_ETIMEOUT, DTR_RETRY_ELSEWHERE, "%s does not answer",
                            channel->authority);
        dtr_rpc_conn_close(channel->conn, false, &err);
    } else if (wanted(channel)) {
        connect_now(channel);
    }
}

/* --- life ------------------------------------------------------------------------------------------ */

static void run_soon(struct dtr_msg *msg)
{
    struct dtr_rpc_channel *channel = dtr_container(msg, struct dtr_rpc_channel, soon);
    channel->soon_posted = false;
    if (!channel->closing) {
        begin_waiting(channel);
        return;
    }
    if (channel->driver.conns > 0)
        return;
    if (channel->driver.posted) {
        dtr_rpc_channel_run_soon(channel); /* the last calls hear of their end first */
        return;
    }
    dtr_timer_close(channel->clock);
    dtr_rpc_driver_free(&channel->driver);
    free(channel);
}

void dtr_rpc_channel_run_soon(struct dtr_rpc_channel *channel)
{
    if (!channel->soon_posted) {
        channel->soon_posted = true;
        dtr_loop_post(channel->driver.loop, &channel->soon);
    }
}

static void end_when_empty(struct dtr_rpc_channel *channel)
{
    if (channel->closing && channel->driver.conns == 0)
        dtr_rpc_channel_run_soon(channel);
}

static void fill_options(struct dtr_rpc_channel *channel, const struct dtr_rpc_channel_options *options)
{
    struct dtr_rpc_channel_options *o = &channel->options;
    if (options)
        *o = *options;
    channel->tls = channel->addr.any.sa_family == AF_UNIX ? NULL : o->tls;
    if (o->host)
        (void)dtr_copy_text(channel->host, sizeof(channel->host), o->host);
    o->connect_ms = o->connect_ms ? o->connect_ms : 3000;
    o->backoff_min_ms = o->backoff_min_ms ? o->backoff_min_ms : 100;
    o->backoff_max_ms = o->backoff_max_ms ? o->backoff_max_ms : 5000;
    if (o->authority)
        (void)dtr_copy_text(channel->authority, sizeof(channel->authority), o->authority);
    else if (channel->addr.any.sa_family == AF_UNIX)
        (void)dtr_copy_text(channel->authority, sizeof(channel->authority), "localhost");
    else
        dtr_addr_text(&channel->addr, channel->authority);
}

int dtr_rpc_channel_new(struct dtr_loop *loop, const struct dtr_addr *addr,
                        const struct dtr_rpc_channel_options *options, struct dtr_rpc_channel **ret_channel,
                        struct dtr_error *err)
{
    struct dtr_rpc_channel *channel = calloc(1, sizeof(*channel));
    if (!channel)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a channel");
    channel->addr = *addr;
    channel->soon.run = run_soon;
    dtr_list_init(&channel->waiting);
    dtr_list_init(&channel->conns);
    fill_options(channel, options);
    int rc = dtr_timer_open(loop, on_clock, channel, &channel->clock, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_driver_init(&channel->driver, loop, options ? options->limits : NULL, false, err);
    if (rc != DTR_OK) {
        dtr_timer_close(channel->clock);
        free(channel);
        return rc;
    }
    dtr_rpc_channel_want(channel);
    *ret_channel = channel;
    return DTR_OK;
}

void dtr_rpc_channel_close(struct dtr_rpc_channel *channel)
{
    if (!channel || channel->closing)
        return;
    channel->closing = true;
    channel->conn = NULL;
    dtr_timer_set(channel->clock, DTR_TIMER_OFF);
    struct dtr_list *node = NULL;
    while ((node = dtr_list_pop(&channel->waiting)))
        dtr_rpc_call_cancel(dtr_container(node, struct dtr_rpc_call, link));
    dtr_list_each (at, &channel->conns) {
        struct dtr_rpc_conn *conn = dtr_container(at, struct dtr_rpc_conn, link);
        dtr_list_each (call, &conn->session->calls)
            dtr_rpc_call_cancel(dtr_container(call, struct dtr_rpc_call, link));
        if (conn->settled)
            dtr_rpc_session_goodbye(conn->session);
        else
            dtr_rpc_conn_close(conn, false, NULL);
    }
    end_when_empty(channel);
}

enum dtr_rpc_state dtr_rpc_channel_state(const struct dtr_rpc_channel *channel)
{
    return channel->state;
}

size_t dtr_rpc_channel_calls(const struct dtr_rpc_channel *channel)
{
    return channel->driver.hub.calls;
}
