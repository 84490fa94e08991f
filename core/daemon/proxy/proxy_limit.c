/* proxy.server.requestRateLimit: requests past it wait for their turn as long as that is soon, and are
 * refused by 429 else. So those that wait are at most as many as pass in that time. Data thread. */
#include "core/daemon/proxy/proxy_internal.h"

#include "core/base/clock.h"
#include "core/loop/loop.h"
#include "core/obs/metric.h"
#include <stdlib.h>

enum { WAIT_MS = 500 };

struct late {
    struct proxy_site *site;
    struct dtr_http_exchange *exchange;
    const struct dtr_http_request *request;
    struct dtr_timer *timer;
};

static void free_late(struct late *late)
{
    struct proxy_site *site = late->site;
    dtr_timer_close(late->timer);
    free(late);
    proxy_release(site);
}

static void on_turn(void *context)
{
    struct late *late = context;
    dtr_http_attach(late->exchange, NULL, NULL);
    proxy_answer(late->site, late->exchange, late->request);
    free_late(late);
}

static void on_left(void *context, const struct dtr_error *err)
{
    (void)err;
    free_late(context);
}

static const struct dtr_http_events late_events = {.aborted = on_left};

static bool wait_for_turn(struct proxy_site *site, struct dtr_http_exchange *exchange,
                          const struct dtr_http_request *request, uint64_t wait_ms)
{
    struct late *late = calloc(1, sizeof(*late));
    if (!late || dtr_timer_open(site->loop, on_turn, late, &late->timer, NULL) != DTR_OK) {
        free(late);
        return false;
    }
    late->site = site;
    late->exchange = exchange;
    late->request = request;
    proxy_hold(site);
    dtr_timer_set(late->timer, wait_ms);
    dtr_http_attach(exchange, &late_events, late);
    return true;
}

static void refuse(struct dtr_http_exchange *exchange)
{
    const struct dtr_header headers[] = {{.name = "Retry-After", .value = "1"},
                                         {.name = DTR_H_ERROR_TYPE, .value = DTR_ERROR_TYPE_PROXY}};
    dtr_metric_add(DTR_CLIENT_PROXY_REQUEST_FAILURE, NULL, 1);
    dtr_http_reply(exchange, 429, headers, 2,
                   "More requests come than proxy.server.requestRateLimit of this daemon allows.\n");
}

bool proxy_put_off(struct proxy_site *site, struct dtr_http_exchange *exchange,
                   const struct dtr_http_request *request)
{
    struct dtr_pace *limit = &site->proxy->daemon->limits.proxy_requests;
    uint64_t wait_ns;
    if (dtr_pace_try(limit, dtr_now_ns(), 1, (uint64_t)WAIT_MS * 1000000, &wait_ns))
        return wait_ns > 0 && wait_for_turn(site, exchange, request, (wait_ns + 999999) / 1000000);
    refuse(exchange);
    return true;
}
