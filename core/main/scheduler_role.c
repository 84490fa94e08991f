/* The scheduler with its gRPC server; see roles.h. */
#include "core/base/digest.h"
#include "core/main/roles.h"
#include "core/obs/log.h"
#include "core/obs/metric.h"
#include <stdlib.h>
#include <string.h>

enum { STOP_MS = 2000 };

static struct dtr_swarm_config limits(const struct dtr_scheduler_config *config,
                                      const struct dtr_dynconfig *dynconfig)
{
    struct dtr_swarm_config swarm = dtr_swarm_defaults();
    swarm.candidate_parent_limit = (uint32_t)dynconfig->candidate_parent_limit;
    swarm.filter_parent_limit = (uint32_t)dynconfig->filter_parent_limit;
    swarm.back_to_source_count = (uint32_t)config->scheduler.back_to_source_count;
    swarm.retry_back_to_source_limit = (uint32_t)config->scheduler.retry_back_to_source_limit;
    swarm.retry_limit = (uint32_t)config->scheduler.retry_limit;
    swarm.retry_interval_ms = (uint32_t)config->scheduler.retry_interval_ms;
    swarm.piece_download_timeout_ms = config->scheduler.gc.piece_download_timeout_ms;
    swarm.peer_gc_interval_ms = config->scheduler.gc.peer_gc_interval_ms;
    swarm.peer_ttl_ms = config->scheduler.gc.peer_ttl_ms;
    swarm.task_gc_interval_ms = config->scheduler.gc.task_gc_interval_ms;
    swarm.host_gc_interval_ms = config->scheduler.gc.host_gc_interval_ms;
    swarm.host_ttl_ms = config->scheduler.gc.host_ttl_ms;
    return swarm;
}

static int add_pages(const struct dtr_scheduler_config *config, struct serve_pages *pages,
                     struct dtr_error *err)
{
    const char *addr = config->metrics.addr, *colon = addr ? strrchr(addr, ':') : NULL;
    char ip[64] = "0.0.0.0";
    if (!config->metrics.enable || !colon)
        return DTR_OK;
    if (colon > addr && (size_t)(colon - addr) < sizeof(ip)) {
        memcpy(ip, addr, (size_t)(colon - addr));
        ip[colon - addr] = '\0';
    }
    return serve_metrics(pages, ip, (uint16_t)strtoul(colon + 1, NULL, 10), DTR_METRICS_SCHEDULER, err);
}

static int open_rpc(struct scheduler_role *role, const struct dtr_scheduler_config *config,
                    struct dtr_addr *ret_addr, struct dtr_error *err)
{
    const char *any = config->network.enable_ipv6 ? "::" : "0.0.0.0";
    int rc = dtr_addr_ip(config->server.listen_ip ? config->server.listen_ip : any,
                         (uint16_t)config->server.port, ret_addr, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_table_new(&role->table, err);
    if (rc == DTR_OK)
        rc = dtr_scheduler_serve(role->scheduler, role->table, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_health_new(&role->health, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_health_serve(role->health, role->table, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_health_set(role->health, "", true, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_server_new(role->control, NULL, &role->server, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_server_listen(role->server, ret_addr, role->table, ret_addr, err);
    return rc;
}

int scheduler_role_open(struct scheduler_role *role, const struct dtr_scheduler_config *config,
                        const struct dtr_dynconfig *dynconfig, struct serve_pages *pages,
                        struct dtr_error *err)
{
    struct dtr_scheduler_options options = {.swarm = limits(config, dynconfig),
                                            .seed_timeout_ms = config->seed_peer.task_download_timeout_ms,
                                            .algorithm = config->scheduler.algorithm};
    struct dtr_addr addr;
    char text[DTR_ADDR_TEXT];
    dtr_random(&options.seed_number, sizeof(options.seed_number));
    int rc = dtr_loop_new("scheduler", &role->control, err);
    if (rc == DTR_OK)
        rc = dtr_scheduler_new(role->control, &options, &role->scheduler, err);
    if (rc == DTR_OK)
        rc = open_rpc(role, config, &addr, err);
    if (rc == DTR_OK)
        rc = add_pages(config, pages, err);
    if (rc == DTR_OK) {
        dtr_addr_text(&addr, text);
        dtr_log(DTR_LOG_INFO, NULL, "scheduler ready on %s", text);
    }
    return rc;
}

static void after_server(void *context)
{
    struct scheduler_role *role = context;
    dtr_scheduler_close(role->scheduler, role->stopped, role->context);
}

void scheduler_role_stop(struct scheduler_role *role, void (*stopped)(void *context), void *context)
{
    role->stopped = stopped;
    role->context = context;
    dtr_rpc_server_stop(role->server, STOP_MS, after_server, role);
}

void scheduler_role_free(struct scheduler_role *role)
{
    dtr_loop_free(role->control);
    dtr_rpc_table_free(role->table);
    dtr_rpc_health_free(role->health);
}
