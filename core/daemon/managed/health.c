/* Health checks of schedulers; see health.h. */
#include "core/daemon/managed/health.h"

#include "core/base/list.h"
#include "core/rpc/methods.h"
#include "proto/health.pb-c.h"

#include <stdlib.h>

enum { HEALTH_MS = 3000 };

/* The question to one of them. */
struct check {
    struct dtr_list link;
    struct health *health;
    struct dtr_rpc_channel *channel;
    struct dtr_rpc_call *call;
    size_t index;
};

struct health {
    const struct dtr_daemon *daemon;
    struct dtr_list checks; /* those that have not ended */
    void (*done)(void *context, const bool *serves);
    void *context;
    bool serves[];
};

static void check_free(struct check *check)
{
    dtr_rpc_channel_close(check->channel);
    free(check);
}

static void on_health(void *context, const struct dtr_rpc_message *response,
                      const struct dtr_rpc_status *status)
{
    struct check *check = context;
    struct health *health = check->health;
    const Grpc__Health__V1__HealthCheckResponse *answer = response ? (const void *)response->message : NULL;
    (void)status;
    health->serves[check->index] =
        answer && answer->status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    dtr_list_remove(&check->link);
    check_free(check);
    if (!dtr_list_empty(&health->checks))
        return;
    health->done(health->context, health->serves);
    free(health);
}

static int begin(struct health *health, const struct talk_place *place, size_t index, struct dtr_error *err)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    const struct dtr_rpc_call_options limit = {.timeout_ms = HEALTH_MS};
    const struct dtr_rpc_channel_options options = {.tls = health->daemon->schedulers_tls,
                                                    .host = place->host[0] ? place->host : NULL};
    struct check *check = calloc(1, sizeof(*check));
    if (!check)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a health check");
    *check = (struct check){.health = health, .index = index};
    int rc = dtr_rpc_channel_new(health->daemon->parts.control, &place->addr, &options, &check->channel, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_unary(check->channel, &dtr_rpc_health_check, &request.base, &limit, on_health, check,
                           &check->call, err);
    if (rc == DTR_OK)
        dtr_list_add_tail(&health->checks, &check->link);
    else
        check_free(check);
    return rc;
}

int health_ask(const struct dtr_daemon *daemon, const struct talk_place *list, size_t count,
               void (*done)(void *context, const bool *serves), void *context, struct health **ret_health,
               struct dtr_error *err)
{
    struct health *health = calloc(1, sizeof(*health) + count * sizeof(health->serves[0]));
    if (!health)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for health checks");
    *health = (struct health){.daemon = daemon, .done = done, .context = context};
    dtr_list_init(&health->checks);
    int rc = DTR_EINVALID;
    for (size_t i = 0; i < count; i++)
        rc = begin(health, &list[i], i, err);
    /* One that could not be asked does not serve; the others are. */
    if (!dtr_list_empty(&health->checks)) {
        *ret_health = health;
        return DTR_OK;
    }
    free(health);
    return rc;
}

void health_cancel(struct health *health)
{
    dtr_list_each (node, &health->checks)
        dtr_rpc_call_cancel(dtr_container(node, struct check, link)->call);
}
