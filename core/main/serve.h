/* What the serving commands share: signals, and small HTTP servers for health and metrics. */
#ifndef DTR_MAIN_SERVE_H
#define DTR_MAIN_SERVE_H

#include "core/http/router.h"
#include "core/loop/loop.h"

/* SIGTERM and SIGINT call `stop` once, on the loop; a second one ends the process at once with status 1. */
struct serve_signals {
    uv_signal_t term, interrupt;
    void (*stop)(void *context);
    void *context;
    bool asked;
};
void serve_signals_start(struct serve_signals *signals, struct dtr_loop *loop, void (*stop)(void *context),
                         void *context);
void serve_signals_end(struct serve_signals *signals);

/* One listener with fixed paths. */
struct serve_http {
    struct dtr_http_router *router;
    struct dtr_http_server *server;
};
/* GET and DELETE /metrics of these groups. */
int serve_metrics_open(struct serve_http *http, struct dtr_loop *loop, const char *ip, uint16_t port,
                       unsigned groups, struct dtr_error *err);
/* GET /healthy: 200 while `healthy` says so, else 503. */
int serve_health_open(struct serve_http *http, struct dtr_loop *loop, const char *ip, uint16_t port,
                      bool (*healthy)(const void *context), const void *context, struct dtr_error *err);
/* Closes the server, then frees the router; NULL members are fine. */
void serve_http_close(struct serve_http *http);

#endif
