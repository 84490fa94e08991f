/* The scheduler with its gRPC server; see roles.h. */
#include "core/base/digest.h"
#include "core/main/chosen.h"
#include "core/main/roles.h"
#include "core/obs/log.h"
#include "core/obs/metric.h"
#include <stdlib.h>
#include <string.h>

enum { STOP_MS = 2000, WAIT_S = 4 }; /* WAIT_S: so long may a call wait when there are too many */

static struct dtr_swarm_config limits(const struct scheduler_role *role)
{
    const struct dtr_scheduler_config *config = role->config;
    struct dtr_swarm_config swarm = dtr_swarm_defaults();
    swarm.candidate_parent_limit = (uint32_t)role->candidate_parent_limit;
    swarm.filter_parent_limit = (uint32_t)role->filter_parent_limit;
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
    swarm.settle_ms = DTR_SWARM_SETTLE_MS;
    return swarm;
}

/* --- what the manager, or dynconfig.yaml, says ---------------------------------------------------------- */

/* registration_options.taken */
static void take_dynconfig(void *context, const struct dtr_dynconfig *dynconfig)
{
    struct scheduler_role *role = context;
    struct dtr_error err;
    if (dtr_scheduler_set_applications(role->scheduler, dynconfig, &err) != DTR_OK)
        dtr_log(DTR_LOG_WARN, NULL, "the applications' priorities stay as they are: %s", err.text);
    if (dynconfig->candidate_parent_limit == role->candidate_parent_limit &&
        dynconfig->filter_parent_limit == role->filter_parent_limit)
        return;
    role->candidate_parent_limit = dynconfig->candidate_parent_limit;
    role->filter_parent_limit = dynconfig->filter_parent_limit;
    const struct dtr_swarm_config swarm = limits(role);
    dtr_scheduler_configure(role->scheduler, &swarm);
    dtr_log(DTR_LOG_INFO, NULL, "candidateParentLimit is %d now, filterParentLimit %d",
            (int)role->candidate_parent_limit, (int)role->filter_parent_limit);
}

static void on_taken(void *context, const struct dtr_conf *conf, const void *found)
{
    struct scheduler_role *role = context;
    (void)found;
    role->had_dynconfig = true;
    take_dynconfig(role, dtr_conf_dynconfig(conf));
}

/* That there is no file is nothing to warn of, unless there was one. */
static void on_said(void *context, int code, const char *text)
{
    const struct scheduler_role *role = context;
    if (code != DTR_ENOT_FOUND || role->had_dynconfig)
        dtr_log(DTR_LOG_WARN, NULL, code == DTR_OK ? "%s" : "applications and limits stay as they are: %s",
                text);
}

static int follow_dynconfig(struct scheduler_role *role, const char *path, uint16_t port,
                            struct dtr_error *err)
{
    static const struct dtr_follow_events events = {.taken = on_taken, .said = on_said};
    const struct registration_options options = {.loop = role->control,
                                                 .config = role->config,
                                                 .port = port,
                                                 .preheats = role->preheats,
                                                 .candidate_parent_limit = role->candidate_parent_limit,
                                                 .filter_parent_limit = role->filter_parent_limit,
                                                 .taken = take_dynconfig,
                                                 .context = role};
    if (role->config->manager.addrs.count > 0)
        return registration_open(&options, &role->registration, err);
    if (!path)
        return DTR_OK;
    return dtr_follow_open(role->control, DTR_ROLE_DYNCONFIG, path,
                           role->config->dynconfig.refresh_interval_ms, &events, role, &role->dynconfig, err);
}

int scheduler_listeners(const struct dtr_scheduler_config *config, struct dtr_addr *ret_server,
                        struct dtr_addr *ret_metrics, struct dtr_error *err)
{
    const char *any = config->network.enable_ipv6 ? "::" : "0.0.0.0";
    *ret_metrics = (struct dtr_addr){0};
    int rc = dtr_addr_ip(config->server.listen_ip ? config->server.listen_ip : any,
                         (uint16_t)config->server.port, ret_server, err);
    if (rc != DTR_OK || !config->metrics.enable)
        return rc;
    return serve_address("metrics.addr", config->metrics.addr, any, ret_metrics, err);
}

static int open_tls(struct scheduler_role *role, const struct dtr_scheduler_config *config,
                    struct dtr_error *err)
{
    const char *const callers[] = {config->server.tls.ca_cert, config->server.tls.cert,
                                   config->server.tls.key};
    const char *const seeds[] = {config->seed_peer.tls.ca_cert, config->seed_peer.tls.cert,
                                 config->seed_peer.tls.key};
    const char *const peers[] = {config->peer.tls.ca_cert, config->peer.tls.cert, config->peer.tls.key};
    uint64_t look_ms = config->dynconfig.refresh_interval_ms;
    int rc =
        dtr_tls_open(role->control, DTR_TLS_SERVER, "server.tls", callers, look_ms, &role->callers_tls, err);
    if (rc == DTR_OK)
        rc = dtr_tls_open(role->control, DTR_TLS_CLIENT, "seedPeer.tls", seeds, look_ms, &role->seeds_tls,
                          err);
    if (rc == DTR_OK)
        rc = dtr_tls_open(role->control, DTR_TLS_CLIENT, "peer.tls", peers, look_ms, &role->peers_tls, err);
    return rc;
}

/* --- jobs ----------------------------------------------------------------------------------------------- */

/* Without an origin no images are preheated; everything else goes on. */
static void start_origins(struct scheduler_role *role, struct dtr_scheduler_jobs *jobs)
{
    struct dtr_option_text options[OPTIONS_OF_MODULE];
    struct chosen_module chosen;
    struct dtr_offer offer;
    struct dtr_error err;
    size_t position = 0;
    int rc = chosen_scheduler_folders(role->config, &role->modules, &err);
    while (rc == DTR_OK && chosen_scheduler_next(role->config, &position, &chosen)) {
        size_t count =
            chosen_add_options(&role->config->modules.options, chosen.kind, chosen.name, options, 0);
        rc = dtr_modules_require(role->modules, chosen.kind, chosen.name, options, count, &err);
    }
    if (rc == DTR_OK && !dtr_modules_find(role->modules, "origin", NULL, &offer))
        rc = dtr_error_set(&err, DTR_EUNSUPPORTED, DTR_RETRY_NEVER, "no module offers an origin");
    if (rc == DTR_OK) {
        jobs->origin = offer.feature->ops;
        jobs->origin_instance = offer.instance;
    } else {
        (void)snprintf(jobs->no_origin, sizeof(jobs->no_origin), "%s", err.text);
        dtr_log(DTR_LOG_WARN, NULL, "images cannot be preheated: %s", err.text);
    }
}

/* By which daemons are told who asks them; "" when it is not known. */
static void own_address(const struct dtr_scheduler_config *config, char text[DTR_ADDR_TEXT])
{
    struct dtr_addr addr;
    int rc = config->server.advertise_ip ? dtr_addr_ip(config->server.advertise_ip, 0, &addr, NULL)
                                         : dtr_addr_own(config->network.enable_ipv6, &addr, NULL);
    text[0] = '\0';
    if (rc == DTR_OK)
        dtr_addr_ip_text(&addr, text);
}

static void limit_calls(struct scheduler_role *role)
{
    int64_t per_s = role->config->server.request_rate_limit;
    const uint32_t most = UINT32_MAX / WAIT_S;
    const uint32_t rate_s = per_s < most ? (uint32_t)per_s : most;
    const struct dtr_rpc_rate rate = {.per_s = rate_s, .waiting = rate_s * WAIT_S};
    dtr_rpc_table_limit(role->table, &rate);
}

static int open_rpc(struct scheduler_role *role, struct dtr_addr *addr, struct dtr_error *err)
{
    int rc = dtr_rpc_table_new(&role->table, err);
    if (rc == DTR_OK)
        rc = dtr_scheduler_serve(role->scheduler, role->table, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_health_new(&role->health, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_health_serve(role->health, role->table, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_health_set(role->health, "", true, err);
    if (rc == DTR_OK) {
        limit_calls(role);
        rc = dtr_rpc_server_new(role->control, NULL, &role->server, err);
    }
    if (rc == DTR_OK) {
        dtr_rpc_server_secure(role->server, role->callers_tls);
        rc = dtr_rpc_server_listen(role->server, addr, role->table, addr, err);
    }
    return rc;
}

int scheduler_role_open(struct scheduler_role *role, const struct dtr_scheduler_config *config,
                        const char *dynconfig, struct serve_pages *pages, struct dtr_error *err)
{
    const struct dtr_swarm_config usual = dtr_swarm_defaults();
    role->config = config;
    role->candidate_parent_limit = usual.candidate_parent_limit;
    role->filter_parent_limit = usual.filter_parent_limit;
    struct dtr_scheduler_options options = {.swarm = limits(role),
                                            .seed_timeout_ms = config->seed_peer.task_download_timeout_ms,
                                            .count_hosts = config->metrics.enable_host,
                                            .algorithm = config->scheduler.algorithm};
    struct dtr_addr addr, metrics;
    char text[DTR_ADDR_TEXT], own[DTR_ADDR_TEXT];
    own_address(config, own);
    options.ip = own;
    options.jobs.enable = config->job.enable;
    options.jobs.settle_ms = DTR_SCHEDULER_JOBS_SETTLE_MS;
    if (config->job.enable)
        start_origins(role, &options.jobs);
    role->preheats = options.jobs.enable && options.jobs.origin;
    dtr_random(&options.seed_number, sizeof(options.seed_number));
    int rc = scheduler_listeners(config, &addr, &metrics, err);
    if (rc == DTR_OK)
        rc = dtr_loop_new("scheduler", &role->control, err);
    if (rc == DTR_OK)
        rc = open_tls(role, config, err);
    options.seeds_tls = role->seeds_tls;
    options.peers_tls = role->peers_tls;
    if (rc == DTR_OK)
        rc = dtr_scheduler_new(role->control, &options, &role->scheduler, err);
    if (rc == DTR_OK)
        rc = open_rpc(role, &addr, err);
    if (rc == DTR_OK)
        rc = follow_dynconfig(role, dynconfig, dtr_addr_port(&addr), err);
    if (rc == DTR_OK && metrics.length > 0)
        rc = serve_metrics(pages, &metrics, DTR_METRICS_SCHEDULER, err);
    if (rc == DTR_OK) {
        dtr_addr_text(&addr, text);
        dtr_log(DTR_LOG_INFO, NULL, "scheduler ready on %s", text);
    }
    return rc;
}

void scheduler_role_take(struct scheduler_role *role, struct dtr_scheduler_policy *policy)
{
    const struct dtr_scheduler_config *config = role->config;
    const struct dtr_swarm_config swarm = limits(role);
    const uint64_t look_ms = config->dynconfig.refresh_interval_ms;
    dtr_scheduler_configure(role->scheduler, &swarm);
    dtr_scheduler_take(role->scheduler, policy);
    dtr_scheduler_set(role->scheduler, config->seed_peer.task_download_timeout_ms,
                      config->metrics.enable_host);
    limit_calls(role);
    dtr_follow_interval(role->dynconfig, look_ms);
    registration_interval(role->registration);
    dtr_tls_interval(role->callers_tls, look_ms);
    dtr_tls_interval(role->seeds_tls, look_ms);
    dtr_tls_interval(role->peers_tls, look_ms);
}

static void after_scheduler(void *context)
{
    struct scheduler_role *role = context;
    dtr_tls_drop(role->callers_tls);
    dtr_tls_drop(role->seeds_tls);
    dtr_tls_drop(role->peers_tls);
    role->stopped(role->context);
}

static void after_server(void *context)
{
    struct scheduler_role *role = context;
    dtr_scheduler_close(role->scheduler, after_scheduler, role);
}

static void after_registration(void *context)
{
    struct scheduler_role *role = context;
    dtr_rpc_server_stop(role->server, STOP_MS, after_server, role);
}

void scheduler_role_stop(struct scheduler_role *role, void (*stopped)(void *context), void *context)
{
    role->stopped = stopped;
    role->context = context;
    dtr_follow_close(role->dynconfig);
    registration_close(role->registration, after_registration, role);
    role->registration = NULL;
}

void scheduler_role_free(struct scheduler_role *role)
{
    dtr_modules_free(role->modules); /* what they have on the loop goes first */
    dtr_loop_free(role->control);
    dtr_rpc_table_free(role->table);
    dtr_rpc_health_free(role->health);
}
