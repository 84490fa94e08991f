/* grpc.health.v1: Check and Watch; see rpc.h. */
#include "core/rpc/internal.h"

#include "core/rpc/methods.h"
#include "proto/health.pb-c.h"
#include <stdlib.h>

enum { WATCHED_NAME = 128, WATCHERS_MOST = 1024 };

struct service {
    struct dtr_map_node node;
    char *name;
    bool serving;
};

struct watcher {
    struct dtr_list link;
    struct dtr_rpc_health *health;
    struct dtr_rpc_call *call;
    int told; /* the last status sent */
    char name[WATCHED_NAME];
};

struct dtr_rpc_health {
    struct dtr_map services;
    struct dtr_list watchers;
    size_t watcher_count;
};

static int status_of(const struct dtr_rpc_health *health, const char *name)
{
    struct dtr_map_node *node = dtr_map_find(&health->services, name);
    if (!node)
        return GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN;
    return dtr_container(node, struct service, node)->serving
               ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
               : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
}

static void check(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct dtr_rpc_health *health = context;
    const Grpc__Health__V1__HealthCheckRequest *message = (const void *)request->message;
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    int status = status_of(health, message->service);
    if (status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN) {
        dtr_rpc_call_finish(call, DTR_RPC_NOT_FOUND, "unknown service");
        return;
    }
    response.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)status;
    dtr_rpc_call_reply(call, &response.base);
}

/* A watcher that does not read keeps its place and is told the newest status when it reads again. */
static void tell(void *context, struct dtr_rpc_call *call)
{
    struct watcher *watcher = context;
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    int status = status_of(watcher->health, watcher->name);
    if (status == watcher->told || dtr_rpc_call_queued(call) > DTR_RPC_HIGH_WATER)
        return;
    response.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)status;
    if (dtr_rpc_call_send(call, &response.base, NULL) == DTR_OK)
        watcher->told = status;
}

static void watch_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct watcher *watcher = context;
    (void)call;
    (void)status;
    dtr_list_remove(&watcher->link);
    watcher->health->watcher_count--;
    free(watcher);
}

static void watch(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    static const struct dtr_rpc_events events = {.writable = tell, .closed = watch_closed};
    struct dtr_rpc_health *health = context;
    const Grpc__Health__V1__HealthCheckRequest *message = (const void *)request->message;
    struct watcher *watcher = health->watcher_count < WATCHERS_MOST ? calloc(1, sizeof(*watcher)) : NULL;
    if (!watcher || !dtr_copy_text(watcher->name, sizeof(watcher->name), message->service)) {
        free(watcher);
        dtr_rpc_call_finish(call, DTR_RPC_RESOURCE_EXHAUSTED, "too many watchers, or too long a name");
        return;
    }
    watcher->health = health;
    watcher->call = call;
    watcher->told = -1;
    dtr_list_add_tail(&health->watchers, &watcher->link);
    health->watcher_count++;
    dtr_rpc_call_adopt(call, &events, watcher);
    tell(watcher, call);
}

static const struct dtr_rpc_handler handlers[] = {{&dtr_rpc_health_check, check, NULL},
                                                  {&dtr_rpc_health_watch, watch, NULL}};

int dtr_rpc_health_new(struct dtr_rpc_health **ret_health, struct dtr_error *err)
{
    struct dtr_rpc_health *health = calloc(1, sizeof(*health));
    if (!health)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the health service");
    dtr_list_init(&health->watchers);
    *ret_health = health;
    return DTR_OK;
}

void dtr_rpc_health_free(struct dtr_rpc_health *health)
{
    if (!health)
        return;
    struct dtr_map_node *node = dtr_map_next(&health->services, NULL);
    while (node) {
        struct dtr_map_node *next = dtr_map_next(&health->services, node);
        struct service *service = dtr_container(node, struct service, node);
        dtr_map_remove(&health->services, node);
        free(service->name);
        free(service);
        node = next;
    }
    dtr_map_clear(&health->services);
    free(health);
}

int dtr_rpc_health_serve(struct dtr_rpc_health *health, struct dtr_rpc_table *table, struct dtr_error *err)
{
    return dtr_rpc_table_add(table, handlers, sizeof(handlers) / sizeof(handlers[0]), health, err);
}

static struct service *service_new(struct dtr_rpc_health *health, const char *name)
{
    struct service *service = calloc(1, sizeof(*service));
    if (service)
        service->name = strdup(name);
    if (!service || !service->name ||
        !dtr_map_add(&health->services, &service->node, service->name, strlen(name))) {
        if (service)
            free(service->name);
        free(service);
        return NULL;
    }
    return service;
}

int dtr_rpc_health_set(struct dtr_rpc_health *health, const char *name, bool serving, struct dtr_error *err)
{
    struct dtr_map_node *node = dtr_map_find(&health->services, name);
    struct service *service = node ? dtr_container(node, struct service, node) : service_new(health, name);
    if (!service)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the health of '%.64s'",
                             name);
    service->serving = serving;
    dtr_list_each (at, &health->watchers) {
        struct watcher *watcher = dtr_container(at, struct watcher, link);
        tell(watcher, watcher->call);
    }
    return DTR_OK;
}
