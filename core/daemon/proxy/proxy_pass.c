/* Requests that name no task: to the origin and back as they are, and tunnels for CONNECT. All on one data
 * thread. Bytes wait in the client's connection up to PROXY_PENDING, then the origin is paused; a request's
 * body flows as the origin takes it. Not for: tasks (proxy_task.c). */
#include "core/daemon/proxy/proxy_internal.h"

#include "core/base/list.h"
#include "core/base/str.h"
#include "core/daemon/tasks/counts.h"
#include "core/http/tunnel.h"
#include "core/net/guard.h"
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
    struct dtr_error err = {.code = DTR_ENOMEM, .text = "out of memory for a request"};
    struct pass *pass = calloc(1, sizeof(*pass));
    if (!pass) {
        proxy_fail(exchange, 500, DTR_ERROR_TYPE_PROXY, &err);
        return;
    }
    *pass = (struct pass){.site = site, .ops = origin->feature->ops, .exchange = exchange};
    const struct dtr_origin_request asked = {.method = request->method,
                                             .url = plan->url,
                                             .headers = plan->headers,
                                             .header_count = plan->header_count,
                                             .trusted = plan->trusted,
                                             .length = DTR_LENGTH_UNKNOWN,
                                             .ca_file =
                                                 site->proxy->daemon->config->proxy.registry_mirror.cert,
                                             .connect_ms = PROXY_CONNECT_MS,
                                             .stall_ms = PROXY_STALL_MS,
                                             .has_body = request->body_length != 0,
                                             .body_length = request->body_length};
    proxy_hold(site);
    origin_asked(&pass->count, plan->url, request->method);
    if (pass->ops->exchange(origin->instance, site->loop, &asked, &origin_sink, pass, &pass->call, &err) !=
        DTR_OK) {
        origin_ended(&pass->count, &err);
        pass_failed(pass, &err);
        pass_free(pass);
        return;
    }
    dtr_http_attach(exchange, &client_events, pass);
}

/* --- tunnels ------------------------------------------------------------------------------------------ */

/* The far end's name on its way to an address. */
struct lookup {
    uv_getaddrinfo_t request;
    struct proxy_site *site;
    struct dtr_http_exchange *exchange; /* NULL when the client is gone */
};

/* "host:port" or "[v6]:port" in two parts. */
static bool cut_authority(const char *authority, char host[DTR_HTTP_AUTHORITY], const char **ret_port)
{
    const char *colon = strrchr(authority, ':');
    size_t length = colon ? (size_t)(colon - authority) : 0;
    uint64_t port;
    if (length > 2 && authority[0] == '[' && authority[length - 1] == ']') {
        authority++;
        length -= 2;
    }
    if (length == 0 || length >= DTR_HTTP_AUTHORITY || !dtr_parse_u64(colon + 1, strlen(colon + 1), &port) ||
        port == 0 || port > UINT16_MAX)
        return false;
    memcpy(host, authority, length);
    host[length] = 0;
    *ret_port = colon + 1;
    return true;
}

/* The first address that the guard lets pass. */
static int choose(const struct addrinfo *found, struct dtr_addr *ret_addr, struct dtr_error *err)
{
    for (const struct addrinfo *info = found; info; info = info->ai_next) {
        if (info->ai_addrlen > sizeof(ret_addr->v6) || !dtr_guard_allows(info->ai_addr, false))
            continue;
        *ret_addr = (struct dtr_addr){.length = (socklen_t)info->ai_addrlen};
        memcpy(&ret_addr->any, info->ai_addr, info->ai_addrlen);
        return DTR_OK;
    }
    return dtr_error_set(err, DTR_EDENIED, DTR_RETRY_NEVER,
                         "the outbound guard refuses this address; allow it by security.outbound.allow");
}

static void on_found(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct lookup *lookup = dtr_container(request, struct lookup, request);
    struct proxy_site *site = lookup->site;
    struct dtr_addr addr;
    struct dtr_error err = {0};
    if (lookup->exchange) {
        dtr_http_attach(lookup->exchange, NULL, NULL);
        if (status != 0) {
            (void)dtr_error_set(&err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "the name has no address: %s",
                                uv_strerror(status));
            proxy_fail(lookup->exchange, 502, DTR_ERROR_TYPE_PROXY, &err);
        } else if (choose(found, &addr, &err) != DTR_OK) {
            proxy_fail(lookup->exchange, 403, DTR_ERROR_TYPE_PROXY, &err);
        } else {
            dtr_tunnel_connect(lookup->exchange, &addr, PROXY_CONNECT_MS, PROXY_TUNNEL_IDLE_MS, NULL);
        }
    }
    uv_freeaddrinfo(found);
    free(lookup);
    proxy_release(site);
}

static void lookup_aborted(void *context, const struct dtr_error *err)
{
    struct lookup *lookup = context;
    (void)err;
    lookup->exchange = NULL;
    (void)uv_cancel((uv_req_t *)&lookup->request);
}

static const struct dtr_http_events lookup_events = {.aborted = lookup_aborted};

void proxy_tunnel(struct proxy_site *site, struct dtr_http_exchange *exchange, const char *authority)
{
    char host[DTR_HTTP_AUTHORITY];
    const char *port = NULL;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct dtr_error err = {.code = DTR_EINVALID, .text = "CONNECT names no host and port"};
    if (!cut_authority(authority, host, &port)) {
        proxy_fail(exchange, 400, DTR_ERROR_TYPE_PROXY, &err);
        return;
    }
    struct lookup *lookup = calloc(1, sizeof(*lookup));
    if (!lookup) {
        (void)dtr_error_set(&err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a tunnel");
        proxy_fail(exchange, 500, DTR_ERROR_TYPE_PROXY, &err);
        return;
    }
    lookup->site = site;
    lookup->exchange = exchange;
    int rc = uv_getaddrinfo(dtr_loop_uv(site->loop), &lookup->request, on_found, host, port, &hints);
    if (rc != 0) {
        free(lookup);
        (void)dtr_error_set(&err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "no lookup: %s", uv_strerror(rc));
        proxy_fail(exchange, 502, DTR_ERROR_TYPE_PROXY, &err);
        return;
    }
    proxy_hold(site);
    dtr_http_attach(exchange, &lookup_events, lookup);
}
