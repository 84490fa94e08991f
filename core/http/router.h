/* Fixed paths on one HTTP server: /healthy, /metrics and the like. Several roles that share a listener add
 * their routes to the same router before it starts serving. */
#ifndef DTR_HTTP_ROUTER_H
#define DTR_HTTP_ROUTER_H

#include "core/http/server.h"

struct dtr_http_router;

int dtr_http_router_new(struct dtr_http_router **ret_router, struct dtr_error *err);
/* After the server. NULL is fine. */
void dtr_http_router_free(struct dtr_http_router *router);
/* Adds a route; `path` is matched whole, without the query, and `method` exactly (HEAD goes where GET does).
 * The strings must outlive the router. DTR_EEXISTS when somebody has added the same. */
int dtr_http_router_add(struct dtr_http_router *router, const char *method, const char *path,
                        dtr_http_handle *handle, void *context, struct dtr_error *err);
/* The handler for dtr_http_server_new(), with the router as its context. Answers 404, and 405 with Allow. */
void dtr_http_router_handle(void *router, struct dtr_http_exchange *exchange,
                            const struct dtr_http_request *request);

#endif
