/* Health and metrics pages; see serve.h. */
#include "core/main/serve.h"

#include "core/base/str.h"
#include "core/obs/log.h"
#include "core/obs/metric.h"

static void show_metrics(void *context, struct dtr_http_exchange *exchange,
                         const struct dtr_http_request *request)
{
    const struct serve_page *page = context;
    const struct dtr_header type = {"Content-Type", "text/plain; version=0.0.4; charset=utf-8"};
    struct dtr_str out = {0};
    (void)request;
    if (dtr_metrics_render(page->groups, &out) == DTR_OK)
        dtr_http_reply(exchange, 200, &type, 1, dtr_str_text(&out));
    else
        dtr_http_reply(exchange, 500, NULL, 0, "the metrics do not fit into memory\n");
    dtr_str_free(&out);
}

static void reset_metrics(void *context, struct dtr_http_exchange *exchange,
                          const struct dtr_http_request *request)
{
    const struct serve_page *page = context;
    (void)request;
    dtr_metrics_reset(page->groups);
    dtr_http_reply(exchange, 200, NULL, 0, "");
}

static void show_health(void *context, struct dtr_http_exchange *exchange,
                        const struct dtr_http_request *request)
{
    const struct serve_page *page = context;
    (void)request;
    bool well = page->healthy(page->context);
    dtr_http_reply(exchange, well ? 200 : 503, NULL, 0, well ? "OK" : "stopping");
}

static int page_at(struct serve_pages *pages, const struct dtr_addr *addr, struct serve_page **ret_page,
                   struct dtr_error *err)
{
    for (size_t i = 0; i < pages->count; i++) {
        *ret_page = &pages->list[i];
        if (dtr_addr_port(addr) != 0 && dtr_addr_equal(addr, &(*ret_page)->addr))
            return DTR_OK;
    }
    if (pages->count == SERVE_PAGES)
        return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_NEVER, "more than %d HTTP listeners", SERVE_PAGES);
    *ret_page = &pages->list[pages->count++];
    (*ret_page)->addr = *addr;
    return dtr_http_router_new(&(*ret_page)->router, err);
}

int serve_metrics(struct serve_pages *pages, const struct dtr_addr *addr, unsigned groups,
                  struct dtr_error *err)
{
    struct serve_page *page;
    int rc = page_at(pages, addr, &page, err);
    if (rc != DTR_OK || page->groups) {
        if (rc == DTR_OK)
            page->groups |= groups;
        return rc;
    }
    page->groups = groups;
    rc = dtr_http_router_add(page->router, "GET", "/metrics", show_metrics, page, err);
    if (rc == DTR_OK)
        rc = dtr_http_router_add(page->router, "DELETE", "/metrics", reset_metrics, page, err);
    return rc;
}

int serve_health(struct serve_pages *pages, const struct dtr_addr *addr, bool (*healthy)(const void *context),
                 const void *context, struct dtr_error *err)
{
    struct serve_page *page;
    int rc = page_at(pages, addr, &page, err);
    if (rc != DTR_OK)
        return rc;
    page->healthy = healthy;
    page->context = context;
    return dtr_http_router_add(page->router, "GET", "/healthy", show_health, page, err);
}

int serve_pages_open(struct serve_pages *pages, struct dtr_loop *loop, struct dtr_error *err)
{
    struct dtr_addr addr;
    char text[DTR_ADDR_TEXT];
    int rc = DTR_OK;
    for (size_t i = 0; i < pages->count && rc == DTR_OK; i++) {
        struct serve_page *page = &pages->list[i];
        rc = dtr_http_server_new(loop, NULL, dtr_http_router_handle, page->router, &page->server, err);
        if (rc == DTR_OK)
            rc = dtr_http_server_listen(page->server, &page->addr, &addr, err);
        if (rc == DTR_OK) {
            dtr_addr_text(&addr, text);
            dtr_log(DTR_LOG_INFO, NULL, "pages on %s:%s%s", text, page->groups ? " /metrics" : "",
                    page->healthy ? " /healthy" : "");
        }
    }
    return rc;
}

static void free_router(void *context)
{
    dtr_http_router_free(context);
}

void serve_pages_close(struct serve_pages *pages)
{
    for (size_t i = 0; i < pages->count; i++) {
        if (pages->list[i].server)
            dtr_http_server_close(pages->list[i].server, 100, free_router, pages->list[i].router);
        else
            dtr_http_router_free(pages->list[i].router);
    }
    pages->count = 0;
}
