/* The rest of a task's answer when this machine's store fails, because its disk is full: from the origin to
 * the client, past the store. All on one data thread. Not for: answers that have not begun (proxy_pass.c). */
#include "core/daemon/proxy/proxy_internal.h"

#include <stdlib.h>

/* Ends with the bypass; the exchange may go before. */
struct rescue {
    struct proxy_site *site;
    struct dtr_http_exchange *exchange; /* NULL when over */
    struct bypass *bypass;
    bool paused;
};

static void rescue_free(struct rescue *rescue)
{
    struct proxy_site *site = rescue->site;
    free(rescue);
    proxy_release(site);
}

static size_t on_bytes(void *context, const uint8_t *bytes, size_t length)
{
    struct rescue *rescue = context;
    rescue->paused = !rescue->exchange || dtr_http_pending(rescue->exchange) > PROXY_PENDING;
    if (rescue->paused)
        return 0;
    dtr_http_write(rescue->exchange, bytes, length);
    return length;
}

static void on_done(void *context, const struct dtr_error *err)
{
    struct rescue *rescue = context;
    if (rescue->exchange && err->code == DTR_OK)
        dtr_http_end(rescue->exchange);
    else if (rescue->exchange)
        proxy_break(rescue->exchange);
    rescue_free(rescue);
}

static const struct bypass_events bypass_events = {.bytes = on_bytes, .done = on_done};

static void on_drained(void *context)
{
    struct rescue *rescue = context;
    if (!rescue->paused)
        return;
    rescue->paused = false;
    bypass_resume(rescue->bypass);
}

static void on_aborted(void *context, const struct dtr_error *err)
{
    struct rescue *rescue = context;
    (void)err;
    rescue->exchange = NULL;
    bypass_cancel(rescue->bypass);
}

static const struct dtr_http_events http_events = {.drained = on_drained, .aborted = on_aborted};

void proxy_rescue(struct proxy_site *site, struct dtr_http_exchange *exchange,
                  const struct bypass_request *rest)
{
    struct dtr_error err;
    struct rescue *rescue = calloc(1, sizeof(*rescue));
    if (!rescue) {
        proxy_break(exchange);
        return;
    }
    *rescue = (struct rescue){.site = site, .exchange = exchange};
    proxy_hold(site);
    if (bypass_start(site->proxy->daemon, site->loop, rest, &bypass_events, rescue, &rescue->bypass, &err) !=
        DTR_OK) {
        proxy_break(exchange);
        rescue_free(rescue);
        return;
    }
    dtr_http_attach(exchange, &http_events, rescue);
}
