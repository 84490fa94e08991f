/* The rest of a task's answer when this machine's store fails, because its disk is full: from the origin to
 * the client, past the store. All on one data thread. Not for: answers that have not begun (proxy_pass.c). */
#include "core/daemon/proxy/proxy_internal.h"

#include "core/daemon/header_lines.h"
#include "core/daemon/tasks/counts.h"
#include <stdlib.h>

/* Ends with the origin's `done`; the exchange may go before. */
struct rescue {
    struct proxy_site *site;
    const struct dtr_origin_ops *ops;
    struct dtr_http_exchange *exchange; /* NULL when over */
    struct dtr_origin_call *call;
    char *version;        /* NULL: any */
    uint64_t at;          /* where the origin's next byte is in the object */
    uint64_t offset, end; /* what the client still needs */
    struct origin_count count;
    bool paused;
};

static bool complete(const struct rescue *rescue)
{
    return rescue->end != DTR_LENGTH_UNKNOWN && rescue->offset >= rescue->end;
}

static int on_head(void *context, const struct dtr_origin_head *head)
{
    struct rescue *rescue = context;
    origin_answered(&rescue->count, head->status);
    rescue->at = head->offset;
    if (!rescue->exchange)
        return DTR_ECANCELLED;
    if (head->status != 200 && head->status != 206)
        return DTR_EORIGIN;
    /* Another version's bytes must not follow those that the client has. */
    if (head->offset > rescue->offset ||
        (rescue->version && (!head->version || strcmp(head->version, rescue->version) != 0)))
        return DTR_EPROTOCOL;
    return DTR_OK;
}

static int on_body(void *context, const uint8_t *bytes, size_t length, bool *ret_pause)
{
    struct rescue *rescue = context;
    if (!rescue->exchange)
        return DTR_ECANCELLED;
    rescue->paused = *ret_pause = dtr_http_pending(rescue->exchange) > PROXY_PENDING;
    if (rescue->paused)
        return DTR_OK;
    uint64_t skip = rescue->offset - rescue->at;
    rescue->at += length;
    if (skip >= length)
        return DTR_OK;
    length -= (size_t)skip;
    if (length > rescue->end - rescue->offset)
        length = (size_t)(rescue->end - rescue->offset);
    dtr_http_write(rescue->exchange, bytes + skip, length);
    rescue->offset += length;
    return complete(rescue) ? DTR_ECANCELLED : DTR_OK; /* the origin may have ignored the range */
}

static void no_body(void *context)
{
    (void)context;
}

static void rescue_free(struct rescue *rescue)
{
    struct proxy_site *site = rescue->site;
    free(rescue->version);
    free(rescue);
    proxy_release(site);
}

static void on_done(void *context, const struct dtr_error *err)
{
    struct rescue *rescue = context;
    bool whole = complete(rescue) || (err->code == DTR_OK && rescue->end == DTR_LENGTH_UNKNOWN);
    origin_ended(&rescue->count, err);
    if (rescue->exchange && whole)
        dtr_http_end(rescue->exchange);
    else if (rescue->exchange)
        proxy_break(rescue->exchange);
    rescue_free(rescue);
}

static const struct dtr_origin_sink origin_sink = {
    .head = on_head, .body = on_body, .want_body = no_body, .done = on_done};

static void on_drained(void *context)
{
    struct rescue *rescue = context;
    if (!rescue->paused)
        return;
    rescue->paused = false;
    rescue->ops->resume(rescue->call);
}

static void on_aborted(void *context, const struct dtr_error *err)
{
    struct rescue *rescue = context;
    (void)err;
    rescue->exchange = NULL;
    rescue->ops->cancel(rescue->call);
}

static const struct dtr_http_events http_events = {.drained = on_drained, .aborted = on_aborted};

/* DTR_OK: `done` will come. */
static int begin(struct rescue *rescue, const struct proxy_rest *rest, struct dtr_error *err)
{
    const struct dtr_daemon *daemon = rescue->site->proxy->daemon;
    struct dtr_header headers[HEADER_LINES];
    char *lines = strdup(rest->headers);
    char *more = rest->trusted && daemon->origin_headers ? strdup(daemon->origin_headers) : NULL;
    size_t given = header_lines_split(lines, headers, 0);
    size_t count = header_lines_split(more, headers, given);
    const struct dtr_origin_request request = {
        .url = rest->url,
        .headers = headers,
        .header_count = count,
        .own_header_count = count - given,
        .trusted = rest->trusted,
        .offset = rest->offset,
        .length = rest->end == DTR_LENGTH_UNKNOWN ? DTR_LENGTH_UNKNOWN : rest->end - rest->offset,
        .if_range = rest->version,
        .ca_file = daemon->config->proxy.registry_mirror.cert,
        .connect_ms = PROXY_CONNECT_MS,
        .stall_ms = PROXY_STALL_MS};
    origin_asked(&rescue->count, rest->url, "GET");
    int rc = rescue->ops->read(daemon->origin.instance, rescue->site->loop, &request, &origin_sink, rescue,
                               &rescue->call, err);
    free(lines);
    free(more);
    return rc;
}

void proxy_rescue(struct proxy_site *site, struct dtr_http_exchange *exchange, const struct proxy_rest *rest)
{
    struct dtr_error err = {0};
    struct rescue *rescue = calloc(1, sizeof(*rescue));
    if (!rescue) {
        proxy_break(exchange);
        return;
    }
    *rescue = (struct rescue){.site = site,
                              .ops = site->proxy->daemon->origin.feature->ops,
                              .exchange = exchange,
                              .version = rest->version ? strdup(rest->version) : NULL,
                              .offset = rest->offset,
                              .end = rest->end};
    proxy_hold(site);
    if (begin(rescue, rest, &err) != DTR_OK) {
        origin_ended(&rescue->count, &err);
        proxy_break(exchange);
        rescue_free(rescue);
        return;
    }
    dtr_http_attach(exchange, &http_events, rescue);
}
