/* Signals and small HTTP servers; see serve.h. */
#include "core/main/serve.h"

#include "core/base/str.h"
#include "core/obs/metric.h"
#include <signal.h>
#include <unistd.h>

static void on_signal(uv_signal_t *handle, int number)
{
    struct serve_signals *signals = handle->data;
    (void)number;
    if (signals->asked)
        _exit(1);
    signals->asked = true;
    signals->stop(signals->context);
}

void serve_signals_start(struct serve_signals *signals, struct dtr_loop *loop, void (*stop)(void *context),
                         void *context)
{
    (void)signal(SIGPIPE, SIG_IGN);
    signals->stop = stop;
    signals->context = context;
    (void)uv_signal_init(dtr_loop_uv(loop), &signals->term);
    (void)uv_signal_init(dtr_loop_uv(loop), &signals->interrupt);
    signals->term.data = signals->interrupt.data = signals;
    (void)uv_signal_start(&signals->term, on_signal, SIGTERM);
    (void)uv_signal_start(&signals->interrupt, on_signal, SIGINT);
}

void serve_signals_end(struct serve_signals *signals)
{
    uv_close((uv_handle_t *)&signals->term, NULL);
    uv_close((uv_handle_t *)&signals->interrupt, NULL);
}

static void show_metrics(void *context, struct dtr_http_exchange *exchange,
                         const struct dtr_http_request *request)
{
    const unsigned *groups = context;
    const struct dtr_header type = {"Content-Type", "text/plain; version=0.0.4; charset=utf-8"};
    struct dtr_str out = {0};
    (void)request;
    if (dtr_metrics_render(*groups, &out) == DTR_OK)
        dtr_http_reply(exchange, 200, &type, 1, dtr_str_text(&out));
    else
        dtr_http_reply(exchange, 500, NULL, 0, "the metrics do not fit into memory\n");
    dtr_str_free(&out);
}

static void reset_metrics(void *context, struct dtr_http_exchange *exchange,
                          const struct dtr_http_request *request)
{
    const unsigned *groups = context;
    (void)request;
    dtr_metrics_reset(*groups);
    dtr_http_reply(exchange, 200, NULL, 0, "");
}

static int open_http(struct serve_http *http, struct dtr_loop *loop, const char *ip, uint16_t port,
                     struct dtr_error *err)
{
    struct dtr_addr addr;
    int rc = dtr_addr_ip(ip, port, &addr, err);
    if (rc == DTR_OK)
        rc = dtr_http_server_new(loop, NULL, dtr_http_router_handle, http->router, &http->server, err);
    if (rc == DTR_OK)
        rc = dtr_http_server_listen(http->server, &addr, NULL, err);
    return rc;
}

int serve_metrics_open(struct serve_http *http, struct dtr_loop *loop, const char *ip, uint16_t port,
                       unsigned groups, struct dtr_error *err)
{
    static unsigned shown[4]; /* one per listener of this process */
    static size_t used;
    unsigned *mine = &shown[used++ % 4];
    *mine = groups;
    int rc = dtr_http_router_new(&http->router, err);
    if (rc == DTR_OK)
        rc = dtr_http_router_add(http->router, "GET", "/metrics", show_metrics, mine, err);
    if (rc == DTR_OK)
        rc = dtr_http_router_add(http->router, "DELETE", "/metrics", reset_metrics, mine, err);
    return rc == DTR_OK ? open_http(http, loop, ip, port, err) : rc;
}

static struct {
    bool (*healthy)(const void *context);
    const void *context;
} health;

static void show_health(void *context, struct dtr_http_exchange *exchange,
                        const struct dtr_http_request *request)
{
    (void)context;
    (void)request;
    bool well = health.healthy(health.context);
    dtr_http_reply(exchange, well ? 200 : 503, NULL, 0, well ? "OK" : "stopping");
}

int serve_health_open(struct serve_http *http, struct dtr_loop *loop, const char *ip, uint16_t port,
                      bool (*healthy)(const void *context), const void *context, struct dtr_error *err)
{
    health.healthy = healthy;
    health.context = context;
    int rc = dtr_http_router_new(&http->router, err);
    if (rc == DTR_OK)
        rc = dtr_http_router_add(http->router, "GET", "/healthy", show_health, NULL, err);
    return rc == DTR_OK ? open_http(http, loop, ip, port, err) : rc;
}

static void free_router(void *context)
{
    dtr_http_router_free(context);
}

void serve_http_close(struct serve_http *http)
{
    if (http->server)
        dtr_http_server_close(http->server, 100, free_router, http->router);
    else
        dtr_http_router_free(http->router);
}
