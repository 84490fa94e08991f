/* The proxy's listener, its servers on the data loops, what a request is, and how all that ends. Not for:
 * bytes of tasks (proxy_task.c), pass-through and tunnels (proxy_pass.c). */
#include "core/daemon/proxy/proxy_internal.h"

#include "core/base/list.h"
#include "core/obs/metric.h"
#include <stdlib.h>
#include <unistd.h>

/* --- failures ----------------------------------------------------------------------------------------- */

int proxy_status(const struct dtr_error *err)
{
    if (err->status >= 400 && err->status <= 599)
        return err->status;
    switch (err->code) {
    case DTR_EINVALID:
        return 400;
    case DTR_EDENIED:
        return 403;
    case DTR_ETIMEOUT:
        return 504;
    case DTR_EORIGIN:
    case DTR_EPROTOCOL:
    case DTR_EUNAVAILABLE:
    case DTR_ECLOSED:
    case DTR_ENOT_FOUND:
        return 502;
    case DTR_ECANCELLED:
        return 503;
    case DTR_ENO_SPACE:
        return 507;
    default:
        return 500;
    }
}

static const char *error_type(const struct dtr_error *err)
{
    if (err->status >= 400)
        return DTR_ERROR_TYPE_BACKEND;
    return err->code == DTR_EINVALID ? DTR_ERROR_TYPE_PROXY : DTR_ERROR_TYPE_DFDAEMON;
}

void proxy_fail(struct dtr_http_exchange *exchange, int status, const char *type, const struct dtr_error *err)
{
    struct dtr_header header = {.name = DTR_H_ERROR_TYPE, .value = type ? type : error_type(err)};
    char text[sizeof(err->text) + 2];
    (void)snprintf(text, sizeof(text), "%s\n", err->text[0] ? err->text : dtr_code_text(err->code));
    dtr_metric_add(DTR_CLIENT_PROXY_REQUEST_FAILURE, NULL, 1);
    dtr_http_reply(exchange, status, &header, 1, text);
}

void proxy_break(struct dtr_http_exchange *exchange)
{
    dtr_metric_add(DTR_CLIENT_PROXY_REQUEST_FAILURE, NULL, 1);
    dtr_http_abort(exchange);
}

/* --- requests ----------------------------------------------------------------------------------------- */

void proxy_answer(struct proxy_site *site, struct dtr_http_exchange *exchange,
                  const struct dtr_http_request *request)
{
    struct dtr_daemon_settings *settings = settings_hold(site->proxy->daemon);
    struct dtr_mirror_plan plan;
    struct dtr_error err = {0};
    if (dtr_mirror_decide(settings->mirror, request, &plan, &err) != DTR_OK) {
        proxy_fail(exchange, err.status >= 400 ? err.status : 500, DTR_ERROR_TYPE_PROXY, &err);
    } else {
        switch (plan.kind) {
        case DTR_MIRROR_TASK:
            proxy_task(site, exchange, request, &plan);
            break;
        case DTR_MIRROR_PASS:
            proxy_pass(site, exchange, request, &plan);
            break;
        case DTR_MIRROR_TUNNEL:
            proxy_tunnel(site, exchange, plan.url);
            break;
        }
    }
    dtr_mirror_plan_free(&plan);
    settings_drop(settings);
}

static void handle(void *context, struct dtr_http_exchange *exchange, const struct dtr_http_request *request)
{
    dtr_metric_add(DTR_CLIENT_PROXY_REQUEST, NULL, 1);
    if (!proxy_put_off(context, exchange, request))
        proxy_answer(context, exchange, request);
}

static void accepted(void *context, int fd, const struct dtr_addr *peer)
{
    struct proxy *proxy = context;
    (void)peer;
    dtr_http_server_give(proxy->sites[proxy->next_site].server, fd);
    proxy->next_site = (proxy->next_site + 1) % proxy->site_count;
}

/* --- beginning and end -------------------------------------------------------------------------------- */

static void proxy_free(struct proxy *proxy)
{
    free(proxy->sites);
    free(proxy);
}

static int listen_there(struct proxy *proxy, struct dtr_error *err)
{
    const struct dtr_daemon_config *config = proxy->daemon->config;
    const char *ip = config->proxy.server.listen.ip;
    struct dtr_addr addr;
    if (!ip)
        ip = config->network.enable_ipv6 ? "::" : "0.0.0.0";
    int rc = dtr_addr_ip(ip, (uint16_t)config->proxy.server.listen.port, &addr, err);
    if (rc == DTR_OK)
        rc = dtr_listen(proxy->daemon->parts.control, &addr, accepted, proxy, &proxy->listener, err);
    if (rc == DTR_OK) {
        dtr_listener_addr(proxy->listener, &addr);
        proxy->daemon->ports.proxy = dtr_addr_port(&addr);
    }
    return rc;
}

static int open_site(struct proxy *proxy, size_t index, struct dtr_error *err)
{
    struct proxy_site *site = &proxy->sites[index];
    site->proxy = proxy;
    site->loop = proxy->daemon->parts.data[index];
    return dtr_http_server_new(site->loop, NULL, handle, site, &site->server, err);
}

int proxy_new(struct dtr_daemon *daemon, struct proxy **ret_proxy, struct dtr_error *err)
{
    int rc;
    struct proxy *proxy = calloc(1, sizeof(*proxy));
    if (!proxy)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the proxy");
    proxy->daemon = daemon;
    proxy->lookup_ms = PROXY_LOOKUP_MS;
    proxy->site_count = daemon->parts.data_count;
    proxy->sites = calloc(proxy->site_count, sizeof(*proxy->sites));
    if (!proxy->sites) {
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the proxy");
        goto out;
    }
    rc = listen_there(proxy, err);
    for (size_t i = 0; rc == DTR_OK && i < proxy->site_count; i++)
        rc = open_site(proxy, i, err);
out:
    if (rc != DTR_OK) {
        dtr_listener_close(proxy->listener);
        for (size_t i = 0; proxy->sites && i < proxy->site_count; i++) {
            if (proxy->sites[i].server)
                dtr_http_server_close(proxy->sites[i].server, 0, NULL, NULL);
        }
        proxy_free(proxy);
        return rc;
    }
    *ret_proxy = proxy;
    return DTR_OK;
}

/* On the control loop: a site has nothing left. */
static void site_closed(struct dtr_msg *msg)
{
    struct proxy *proxy = dtr_container(msg, struct proxy_site, msg)->proxy;
    if (--proxy->open_sites > 0)
        return;
    void (*closed)(void *context) = proxy->closed;
    void *context = proxy->closed_context;
    proxy_free(proxy);
    if (closed)
        closed(context);
}

static void settle(struct proxy_site *site)
{
    if (!site->stopped || site->live > 0)
        return;
    site->msg.run = site_closed;
    dtr_loop_post(site->proxy->daemon->parts.control, &site->msg);
}

void proxy_hold(struct proxy_site *site)
{
    site->live++;
}

void proxy_release(struct proxy_site *site)
{
    site->live--;
    settle(site);
}

static void server_stopped(void *context)
{
    struct proxy_site *site = context;
    site->stopped = true;
    site->server = NULL;
    settle(site);
}

/* On the data loop. */
static void close_site(struct dtr_msg *msg)
{
    struct proxy_site *site = dtr_container(msg, struct proxy_site, msg);
    dtr_http_server_close(site->server, site->limit_ms, server_stopped, site);
}

void proxy_close(struct proxy *proxy, uint64_t limit_ms, void (*closed)(void *context), void *context)
{
    dtr_listener_close(proxy->listener);
    proxy->listener = NULL;
    proxy->closed = closed;
    proxy->closed_context = context;
    proxy->open_sites = proxy->site_count;
    for (size_t i = 0; i < proxy->site_count; i++) {
        struct proxy_site *site = &proxy->sites[i];
        site->limit_ms = limit_ms;
        site->msg.run = close_site;
        dtr_loop_post(site->loop, &site->msg);
    }
}
