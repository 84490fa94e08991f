/* Which path is served by which handler; see rpc.h. */
#include "core/rpc/internal.h"

#include <assert.h>
#include <stdlib.h>

struct dtr_rpc_table {
    struct dtr_map routes; /* struct dtr_rpc_route.node by path */
    struct dtr_rpc_rate rate;
    struct dtr_rpc_bucket bucket;
    bool metered; /* the bucket is of this rate */
};

int dtr_rpc_table_new(struct dtr_rpc_table **ret_table, struct dtr_error *err)
{
    *ret_table = calloc(1, sizeof(**ret_table));
    if (!*ret_table)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a table of methods");
    return DTR_OK;
}

int dtr_rpc_table_add(struct dtr_rpc_table *table, const struct dtr_rpc_handler *handlers, size_t count,
                      void *service, struct dtr_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const char *path = handlers[i].method->path;
        bool single =
            handlers[i].method->kind == DTR_RPC_UNARY || handlers[i].method->kind == DTR_RPC_SERVER_STREAM;
        assert(single ? handlers[i].request && !handlers[i].open : handlers[i].open && !handlers[i].request);
        (void)single;
        if (dtr_map_find(&table->routes, path))
            return dtr_error_set(err, DTR_EEXISTS, DTR_RETRY_NEVER, "%s is served already", path);
        struct dtr_rpc_route *route = calloc(1, sizeof(*route));
        if (!route || !dtr_map_add(&table->routes, &route->node, path, strlen(path))) {
            free(route);
            return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a table of methods");
        }
        route->handler = &handlers[i];
        route->service = service;
    }
    return DTR_OK;
}

void dtr_rpc_table_free(struct dtr_rpc_table *table)
{
    if (!table)
        return;
    struct dtr_map_node *node = dtr_map_next(&table->routes, NULL);
    while (node) {
        struct dtr_map_node *next = dtr_map_next(&table->routes, node);
        dtr_map_remove(&table->routes, node);
        free(dtr_container(node, struct dtr_rpc_route, node));
        node = next;
    }
    dtr_map_clear(&table->routes);
    free(table);
}

const struct dtr_rpc_route *dtr_rpc_table_find(const struct dtr_rpc_table *table, const void *path,
                                               size_t length)
{
    struct dtr_map_node *node = dtr_map_get(&table->routes, path, length);
    return node ? dtr_container(node, struct dtr_rpc_route, node) : NULL;
}

void dtr_rpc_table_limit(struct dtr_rpc_table *table, const struct dtr_rpc_rate *rate)
{
    const struct dtr_rpc_rate *now = &table->rate;
    if (table->metered && now->per_s == rate->per_s && now->burst == rate->burst &&
        now->waiting == rate->waiting)
        return;
    table->rate = *rate;
    table->metered = false;
}

bool dtr_rpc_table_admit(struct dtr_rpc_table *table, uint64_t now_ms, uint64_t *ret_turn_ms)
{
    if (!table->metered)
        dtr_rpc_bucket_init(&table->bucket, &table->rate, now_ms);
    table->metered = true;
    return dtr_rpc_bucket_take(&table->bucket, now_ms, ret_turn_ms);
}
