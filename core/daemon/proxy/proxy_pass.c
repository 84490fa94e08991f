/* Requests that name no task: to the origin and back as they are, and tunnels for CONNECT. All on one data
 * thread. Bytes wait in the client's connection up to PROXY_PENDING, then the origin is paused; a request's
 * body flows as the origin takes it. Not for: tasks (proxy_task.c). */
#include "core/daemon/proxy/proxy_internal.h"

#include "core/base/str.h"
#include "core/daemon/tasks/counts.h"
#include "core/http/tunnel.h"
#include "core/net/guard.h"
#include "core/net/lookup.h"
#include <stdlib.h>

enum {
    BODY_CREDIT = 256 << 10, /* bytes of a request's body that may be on their way to the origin */
};

/* --- pass-through ------------------------------------------------------------------------------------- */

/* Ends with the origin's `done`; the exchange may go before. */
struct pass {
    struct proxy_site *site;
    const struct dtr_origin_ops *ops;
    struct dtr_http_exchange *exchange; /* NULL when over */
    struct dtr_origin_call *call;       /* NULL before exchange() returned */
    uint64_t credit;                    /* of the request's body, given and not used */
    struct origin_count count;
    bool responded, paused;
};

static uint64_t body_length(const struct dtr_origin_head *head)
{
    uint64_t length = DTR_LENGTH_UNKNOWN;
    for (size_t i = 0; i < head->header_count; i++) {
        const struct dtr_header *header = &head->headers[i];
        if (dtr_casecmp(header->name, "Transfer-Encoding") == 0)
            return DTR_LENGTH_UNKNOWN;
        if (dtr_casecmp(header->name, "Content-Length") == 0 &&
            !dtr_parse_u64(header->value, strlen(header->value), &length))
            return DTR_LENGTH_UNKNOWN;
    }
    return length;
}

static int on_head(void *context, const struct dtr_origin_head *head)
{
    struct pass *pass = context;
    origin_answered(&pass->count, head->status);
    if (!pass->exchange)
        return DTR_ECANCELLED;
    if (head->status < 200 || head->status > 999)
        return DTR_EPROTOCOL;
    pass->responded = true;
    dtr_http_respond(pass->exchange, head->status, head->headers, head->header_count, body_length(head));
    return DTR_OK;
}

static int on_body(void *context, const uint8_t *bytes, size_t length, bool *ret_pause)
{
    struct pass *pass = context;
    if (!pass->exchange)
        return DTR_ECANCELLED;
    pass->paused = *ret_pause = dtr_http_pending(pass->exchange) > PROXY_PENDING;
    if (!pass->paused)
        dtr_http_write(pass->exchange, bytes, length);
    return DTR_OK;
}

static void on_want_body(void *context)
{
    struct pass *pass = context;
    if (!pass->exchange || pass->credit >= BODY_CREDIT)
        return;
    uint64_t more = BODY_CREDIT - pass->credit;
    pass->credit += more;
    dtr_http_want_body(pass->exchange, more);
}

static void pass_failed(struct pass *pass, const struct dtr_error *err)
{
    int status = err->code == DTR_EDENIED || err->code == DTR_ETIMEOUT ? proxy_status(err) : 502;
    if (pass->responded)
        proxy_break(pass->exchange);
    else
        proxy_fail(pass->exchange, status, DTR_ERROR_TYPE_PROXY, err);
}

static void pass_free(struct pass *pass)
{
    struct proxy_site *site = pass->site;
    free(pass);
    proxy_release(site);
}

static void on_done(void *context, const struct dtr_error *err)
{
    struct pass *pass = context;
    struct dtr_error early = {.code = DTR_EPROTOCOL, .text = "the origin's answer had no head"};
    origin_ended(&pass->count, err->code == DTR_OK ? &early : err);
    if (pass->exchange && err->code == DTR_OK && pass->responded)
        dtr_http_end(pass->exchange);
    else if (pass->exchange)
        pass_failed(pass, err->code == DTR_OK ? &early : err);
    pass_free(pass);
}

static const struct dtr_origin_sink origin_sink = {
    .head = on_head, .body = on_body, .want_body = on_want_body, .done = on_done};

static void client_body(void *context, const uint8_t *bytes, size_t length)
{
    struct pass *pass = context;
    pass->credit -= length < pass->credit ? length : pass->credit;
    pass->ops->send_body(pass->call, bytes, length, false);
}

static void client_body_end(void *context)
{
    struct pass *pass = context;
    pass->ops->send_body(pass->call, "", 0, true);
}

static void client_drained(void *context)
{
    struct pass *pass = context;
    if (!pass->paused)
        return;
    pass->paused = false;
    pass->ops->resume(pass->call);
}

static void client_aborted(void *context, const struct dtr_error *err)
{
    struct pass *pass = context;
    (void)err;
    pass->exchange = NULL;
    pass->ops->cancel(pass->call);
}

static const struct dtr_http_events client_events = {
    .body = client_body, .body_end = client_body_end, .drained = client_drained, .aborted = client_aborted};

void proxy_pass(struct proxy_site *site, struct dtr_http_exchange *exchange,
                const struct dtr_http_request *request, const struct dtr_mirror_plan *plan)
{
    const struct dtr_offer *origin = &site->proxy->daemon->origin;
    struct dtr_daemon_settings *settings = NULL;
    struct dtr_error err = {.code = DTR_ENOMEM, .text = "out of memory for a request"};
    struct pass *pass = calloc(1, sizeof(*pass));
    if (!pass) {
        proxy_fail(exchange, 500, DTR_ERROR_TYPE_PROXY, &err);
        return;
    }
    settings = settings_hold(site->proxy->daemon);
    *pass = (struct pass){.site = site, .ops = origin->feature->ops, .exchange = exchange};
    const struct dtr_origin_request asked = {.method = request->method,
                                             .url = plan->url,
                                             .headers = plan->headers,
                                             .header_count = plan->header_count,
                                             .trusted = plan->trusted,
                                             .length = DTR_LENGTH_UNKNOWN,
                                             .ca_file = settings->origin_ca_file,
                                             .connect_ms = PROXY_CONNECT_MS,
                                             .stall_ms = PROXY_STALL_MS,
                                             .has_body = request->body_length != 0,
                                             .body_length = request->body_length};
    proxy_hold(site);
    origin_asked(&pass->count, plan->url, request->method);
    int rc = pass->ops->exchange(origin->instance, site->loop, &asked, &origin_sink, pass, &pass->call, &err);
    settings_drop(settings);
    if (rc != DTR_OK) {
        origin_ended(&pass->count, &err);
        pass_failed(pass, &err);
        pass_free(pass);
        return;
    }
    dtr_http_attach(exchange, &client_events, pass);
}

/* --- tunnels ------------------------------------------------------------------------------------------ */

/* The far end's name on its way to an address. */
struct approach {
    struct proxy_site *site;
    struct dtr_http_exchange *exchange;
    struct dtr_lookup *lookup;
};

static void approach_free(struct approach *approach)
{
    struct proxy_site *site = approach->site;
    free(approach);
    proxy_release(site);
}

/* The first address that the guard lets pass. */
static const struct dtr_addr *choose(const struct dtr_addr *list, size_t count, struct dtr_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (dtr_guard_allows(&list[i].any, false))
            return &list[i];
    }
    (void)dtr_error_set(err, DTR_EDENIED, DTR_RETRY_NEVER,
                        "the outbound guard refuses this address; allow it by security.outbound.allow");
    return NULL;
}

static void tunnel_failed(struct dtr_http_exchange *exchange, const struct dtr_error *err)
{
    int status = err->code == DTR_ELIMIT ? 503 : proxy_status(err);
    proxy_fail(exchange, status, DTR_ERROR_TYPE_PROXY, err);
}

static void dial(struct dtr_http_exchange *exchange, const struct dtr_addr *list, size_t count)
{
    struct dtr_error err;
    const struct dtr_addr *addr = choose(list, count, &err);
    if (addr)
        dtr_tunnel_connect(exchange, addr, PROXY_CONNECT_MS, PROXY_TUNNEL_IDLE_MS, NULL);
    else
        tunnel_failed(exchange, &err);
}

static void on_found(void *context, const struct dtr_addr *list, size_t count, const struct dtr_error *err)
{
    struct approach *approach = context;
    dtr_http_attach(approach->exchange, NULL, NULL);
    if (err->code == DTR_OK)
        dial(approach->exchange, list, count);
    else
        tunnel_failed(approach->exchange, err);
    approach_free(approach);
}

static void on_left(void *context, const struct dtr_error *err)
{
    struct approach *approach = context;
    (void)err;
    dtr_lookup_cancel(approach->lookup);
    approach_free(approach);
}

static const struct dtr_http_events approach_events = {.aborted = on_left};

static void look_up(struct proxy_site *site, struct dtr_http_exchange *exchange, const char *authority)
{
    struct dtr_error err = {.code = DTR_ENOMEM, .text = "out of memory for a tunnel"};
    struct approach *approach = calloc(1, sizeof(*approach));
    int rc = DTR_ENOMEM;
    if (approach) {
        *approach = (struct approach){.site = site, .exchange = exchange};
        rc = dtr_lookup_start(site->loop, authority, site->proxy->lookup_ms, on_found, approach,
                              &approach->lookup, &err);
    }
    if (rc != DTR_OK) {
        free(approach);
        tunnel_failed(exchange, &err);
        return;
    }
    proxy_hold(site);
    dtr_http_attach(exchange, &approach_events, approach);
}

/* An address needs no name server, and does not wait for those that do. */
void proxy_tunnel(struct proxy_site *site, struct dtr_http_exchange *exchange, const char *authority)
{
    struct dtr_addr addr;
    if (dtr_addr_parse(authority, &addr, NULL) == DTR_OK)
        dial(exchange, &addr, 1);
    else
        look_up(site, exchange, authority);
}
