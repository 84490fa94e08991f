/* darter scheduler: the role on the main thread's loop. */
#include "core/base/digest.h"
#include "core/main/command.h"
#include "core/main/options.h"
#include "core/main/serve.h"
#include "core/net/guard.h"
#include "core/obs/log.h"
#include "core/obs/metric.h"
#include "core/scheduler/scheduler.h"
#include <stdlib.h>
#include <string.h>

enum { STOP_MS = 2000 };

struct running {
    struct dtr_loop *loop;
    struct dtr_scheduler *scheduler;
    struct dtr_rpc_table *table;
    struct dtr_rpc_server *server;
    struct dtr_rpc_health *health;
    struct serve_http metrics;
    struct serve_signals signals;
};

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

static int open_metrics(struct running *running, const struct dtr_scheduler_config *config,
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
    return serve_metrics_open(&running->metrics, running->loop, ip, (uint16_t)strtoul(colon + 1, NULL, 10),
                              DTR_METRICS_SCHEDULER, err);
}

static int open_all(struct running *running, const struct dtr_scheduler_config *config,
                    const struct dtr_dynconfig *dynconfig, struct dtr_error *err)
{
    struct dtr_scheduler_options options = {.swarm = limits(config, dynconfig),
                                            .seed_timeout_ms = config->seed_peer.task_download_timeout_ms,
                                            .algorithm = config->scheduler.algorithm};
    const char *any = config->network.enable_ipv6 ? "::" : "0.0.0.0";
    struct dtr_addr addr;
    char text[DTR_ADDR_TEXT];
    dtr_random(&options.seed_number, sizeof(options.seed_number));
    int rc = dtr_guard_start(err);
    for (size_t i = 0; i < config->security.outbound_allow.count && rc == DTR_OK; i++)
        rc = dtr_guard_allow(config->security.outbound_allow.items[i], err);
    if (rc == DTR_OK)
        rc = dtr_addr_ip(config->server.listen_ip ? config->server.listen_ip : any,
                         (uint16_t)config->server.port, &addr, err);
    if (rc == DTR_OK)
        rc = dtr_loop_new("control", &running->loop, err);
    if (rc == DTR_OK)
        rc = dtr_scheduler_new(running->loop, &options, &running->scheduler, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_table_new(&running->table, err);
    if (rc == DTR_OK)
        rc = dtr_scheduler_serve(running->scheduler, running->table, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_health_new(&running->health, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_health_serve(running->health, running->table, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_health_set(running->health, "", true, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_server_new(running->loop, NULL, &running->server, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_server_listen(running->server, &addr, running->table, &addr, err);
    if (rc == DTR_OK)
        rc = open_metrics(running, config, err);
    if (rc == DTR_OK) {
        dtr_addr_text(&addr, text);
        dtr_log(DTR_LOG_INFO, NULL, "scheduler ready on %s", text);
    }
    return rc;
}

static void after_scheduler(void *context)
{
    struct running *running = context;
    dtr_loop_stop(running->loop);
}

static void after_server(void *context)
{
    struct running *running = context;
    dtr_scheduler_close(running->scheduler, after_scheduler, running);
}

static void on_stop(void *context)
{
    struct running *running = context;
    dtr_log(DTR_LOG_INFO, NULL, "stopping");
    serve_http_close(&running->metrics);
    dtr_rpc_server_stop(running->server, STOP_MS, after_server, running);
}

int scheduler_command(int argc, char **argv)
{
    struct options options = {0};
    struct running running = {0};
    struct dtr_conf *conf = NULL, *dynconf = NULL;
    struct dtr_error err;
    if (!options_read(&options, argc, argv))
        return 2;
    int rc = options_load(DTR_ROLE_SCHEDULER, options.config, "/etc/dragonfly/scheduler.yaml", &options,
                          &conf, &err);
    if (rc == DTR_OK)
        rc = options_load(DTR_ROLE_DYNCONFIG, options.dynconfig, "/etc/dragonfly/dynconfig.yaml", NULL,
                          &dynconf, &err);
    if (rc == DTR_OK) {
        const struct dtr_scheduler_config *config = dtr_conf_scheduler(conf);
        const struct dtr_log_settings settings = {.level =
                                                      options_log_level(&options, config->server.log_level),
                                                  .json = strcmp(config->log.format, "json") == 0,
                                                  .to_stderr = true};
        rc = dtr_log_start(&settings, &err);
        if (rc == DTR_OK)
            rc = open_all(&running, config, dtr_conf_dynconfig(dynconf), &err);
    }
    if (rc == DTR_OK) {
        serve_signals_start(&running.signals, running.loop, on_stop, &running);
        dtr_loop_run(running.loop);
        serve_signals_end(&running.signals);
        dtr_loop_free(running.loop);
        dtr_rpc_table_free(running.table);
        dtr_rpc_health_free(running.health);
        dtr_guard_stop();
    }
    dtr_log_stop();
    dtr_conf_free(conf);
    dtr_conf_free(dynconf);
    return rc == DTR_OK ? 0 : command_fail(&err);
}
