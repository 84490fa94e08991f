/* A list of routes, walked in order: there are a handful. */
#include "core/http/router.h"

#include "core/base/str.h"

#include <stdlib.h>
#include <string.h>

struct route {
    struct route *next;
    const char *method, *path;
    dtr_http_handle *handle;
    void *context;
};

struct dtr_http_router {
    struct route *routes;
};

int dtr_http_router_new(struct dtr_http_router **ret_router, struct dtr_error *err)
{
    *ret_router = calloc(1, sizeof(**ret_router));
    return *ret_router ? DTR_OK : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for routes");
}

void dtr_http_router_free(struct dtr_http_router *router)
{
    while (router && router->routes) {
        struct route *route = router->routes;
        router->routes = route->next;
        free(route);
    }
    free(router);
}

int dtr_http_router_add(struct dtr_http_router *router, const char *method, const char *path,
                        dtr_http_handle *handle, void *context, struct dtr_error *err)
{
    struct route **at = &router->routes;
    for (; *at; at = &(*at)->next)
        if (strcmp((*at)->method, method) == 0 && strcmp((*at)->path, path) == 0)
            return dtr_error_set(err, DTR_EEXISTS, DTR_RETRY_NEVER, "%s %s is served already", method, path);
    *at = calloc(1, sizeof(**at));
    if (!*at)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a route");
    **at = (struct route){.method = method, .path = path, .handle = handle, .context = context};
    return DTR_OK;
}

static bool path_is(const struct dtr_http_request *request, const char *path)
{
    return strlen(path) == request->path_length && memcmp(path, request->path, request->path_length) == 0;
}

static void refuse_method(struct dtr_http_exchange *exchange, const char *allowed)
{
    struct dtr_header allow = {.name = "Allow", .value = allowed};
    dtr_http_reply(exchange, 405, &allow, 1, "method not allowed\n");
}

void dtr_http_router_handle(void *router, struct dtr_http_exchange *exchange,
                            const struct dtr_http_request *request)
{
    const char *method = strcmp(request->method, "HEAD") == 0 ? "GET" : request->method;
    struct dtr_str allowed = {0};
    for (const struct route *route = ((struct dtr_http_router *)router)->routes; route; route = route->next) {
        if (!path_is(request, route->path))
            continue;
        if (strcmp(route->method, method) == 0) {
            dtr_str_free(&allowed);
            route->handle(route->context, exchange, request);
            return;
        }
        dtr_str_printf(&allowed, "%s%s", allowed.length ? ", " : "", route->method);
    }
    if (allowed.length)
        refuse_method(exchange, dtr_str_text(&allowed));
    else
        dtr_http_reply(exchange, 404, NULL, 0, "not found\n");
    dtr_str_free(&allowed);
}
