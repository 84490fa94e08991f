/* The manager with its module and its gRPC server; see roles.h. */
#include "core/main/chosen.h"
#include "core/main/paths.h"
#include "core/main/roles.h"
#include "core/obs/log.h"
#include "core/obs/metric.h"
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

enum {
    MS_PER_S = 1000,
    STOP_MS = 2000,
    WAIT_S = 4, /* so long may a call wait when there are too many */
    TLS_LOOK_MS = 60000,
    LARGE_BLOCK = 1 << 20, /* bytes */
};

int manager_listeners(const struct dtr_manager_config *config, struct manager_addrs *ret_addrs,
                      struct dtr_error *err)
{
    const char *any = config->network.enable_ipv6 ? "::" : "0.0.0.0";
    *ret_addrs = (struct manager_addrs){0};
    int rc = dtr_addr_ip(config->server.grpc.listen_ip ? config->server.grpc.listen_ip : any,
                         (uint16_t)config->server.grpc.port, &ret_addrs->grpc, err);
    if (rc == DTR_OK)
        rc = serve_address("server.rest.addr", config->server.rest.addr, any, &ret_addrs->rest, err);
    if (rc == DTR_OK && config->metrics.enable)
        rc = serve_address("metrics.addr", config->metrics.addr, any, &ret_addrs->metrics, err);
    return rc;
}

/* --- modules ---------------------------------------------------------------------------------------------
 */

static int start_module(struct manager_role *role, const struct chosen_module *chosen,
                        const struct dtr_option_text *list, size_t count, struct dtr_offer *ret_offer,
                        struct dtr_error *err)
{
    int rc = dtr_modules_require(role->modules, chosen->kind, chosen->name, list, count, err);
    if (rc == DTR_OK && !dtr_modules_find(role->modules, chosen->kind, chosen->name, ret_offer))
        rc = dtr_error_set(err, DTR_EINTERNAL, DTR_RETRY_NEVER, "%s_%s offers no %s", chosen->kind,
                           chosen->name, chosen->kind);
    return rc;
}

int manager_role_place(const struct dtr_manager_config *config, struct dtr_error *err)
{
    const char *path = config->database.sqlite.path;
    struct chosen_module chosen;
    char folder[256];
    if (chosen_database(config, &chosen, NULL) != DTR_OK || strcmp(chosen.name, "sqlite") != 0 ||
        paths_data(folder, sizeof(folder), NULL) != DTR_OK)
        return DTR_OK;
    const char *slash = strrchr(path, '/');
    const bool ours = slash && strlen(folder) == (size_t)(slash - path) &&
                      strncmp(path, folder, (size_t)(slash - path)) == 0;
    return ours ? paths_make(folder, err) : DTR_OK;
}

static int start_database(struct manager_role *role, const struct dtr_manager_config *config,
                          struct dtr_manager_options *options, struct dtr_error *err)
{
    struct dtr_option_text list[OPTIONS_OF_MODULE];
    struct chosen_memory memory;
    struct chosen_module chosen;
    struct dtr_offer offer;
    int rc = chosen_database(config, &chosen, err);
    if (rc != DTR_OK)
        return rc;
    size_t count = chosen_database_options(config, &chosen, &memory, list);
    rc = start_module(role, &chosen, list, count, &offer, err);
    if (rc != DTR_OK)
        return rc;
    options->database.ops = offer.feature->ops;
    options->database.instance = offer.instance;
    options->database.migrate = config->database.mysql.migrate;
    return DTR_OK;
}

static int start_cache(struct manager_role *role, const struct dtr_manager_config *config,
                       struct dtr_manager_options *options, struct dtr_error *err)
{
    struct dtr_option_text list[OPTIONS_OF_MODULE];
    struct chosen_memory memory;
    struct chosen_module chosen;
    struct dtr_offer offer;
    int rc = chosen_cache(config, &chosen, err);
    if (rc != DTR_OK)
        return rc;
    size_t count = chosen_cache_options(config, &chosen, &memory, list);
    rc = start_module(role, &chosen, list, count, &offer, err);
    if (rc != DTR_OK)
        return rc;
    options->cache.ops = offer.feature->ops;
    options->cache.instance = offer.instance;
    options->cache.others = strcmp(chosen.name, "memory") != 0;
    options->cache.ttl_ms = config->cache.redis_ttl_ms;
    return DTR_OK;
}

/* How jobs reach schedulers, and what these are told of registries. */
static int fill_jobs(struct manager_role *role, const struct dtr_manager_config *config,
                     struct dtr_manager_options *options, struct dtr_error *err)
{
    const char *const files[] = {config->scheduler.tls.ca_cert, config->scheduler.tls.cert,
                                 config->scheduler.tls.key};
    struct dtr_error why;
    int rc = dtr_tls_open(role->control, DTR_TLS_CLIENT, "scheduler.tls", files, TLS_LOOK_MS,
                          &role->schedulers_tls, err);
    if (rc != DTR_OK)
        return rc;
    rc = dtr_certificates_read(config->job.preheat_tls.files.ca_cert, &role->registries, &why);
    if (rc != DTR_OK)
        return dtr_error_set(err, rc, why.retry, "job.preheat.tls.caCert: %.200s", why.text);
    options->jobs.tls = role->schedulers_tls;
    options->jobs.chain = role->registries.list;
    options->jobs.chain_count = role->registries.count;
    options->jobs.insecure = config->job.preheat_tls.insecure_skip_verify;
    options->jobs.sync_every_ms = config->job.sync_peers_interval_ms;
    options->jobs.sync_timeout_ms = config->job.sync_peers_timeout_ms;
    options->jobs.sync_batch = (size_t)config->job.sync_peers_batch_size;
    return DTR_OK;
}

static int open_manager(struct manager_role *role, const struct dtr_manager_config *config,
                        struct dtr_error *err)
{
    struct dtr_manager_options options = {.algorithm = config->scope.algorithm,
                                          .rest = {.jwt_realm = config->jwt.realm,
                                                   .jwt_key = config->jwt.key,
                                                   .jwt_timeout_s = config->jwt.timeout_ms / MS_PER_S,
                                                   .jwt_max_refresh_s = config->jwt.max_refresh_ms / MS_PER_S,
                                                   .root_password = getenv("DRAGONFLY_INITIAL_ROOT_PASSWORD"),
                                                   .token = getenv("DRAGONFLY_PAT"),
                                                   .secure = config->server.rest.tls.cert != NULL},
                                          .workers = role->workers,
                                          .first_rows = true};
    int rc = chosen_manager_folders(config, &role->modules, err);
    if (rc == DTR_OK)
        rc = start_database(role, config, &options, err);
    if (rc == DTR_OK)
        rc = start_cache(role, config, &options, err);
    if (rc == DTR_OK)
        rc = fill_jobs(role, config, &options, err);
    return rc == DTR_OK ? dtr_manager_new(role->control, &options, &role->manager, err) : rc;
}

/* A port that cannot be had is told by its key. */
static int listening(int rc, const char *key, struct dtr_error *err)
{
    const struct dtr_error why = *err;
    return rc == DTR_OK ? rc : dtr_error_set(err, rc, why.retry, "%s: %.220s", key, why.text);
}

/* --- gRPC ------------------------------------------------------------------------------------------------
 */

static void limit_calls(struct manager_role *role)
{
    const int64_t most = UINT32_MAX / WAIT_S, per_s = role->config->server.grpc.request_rate_limit;
    const uint32_t rate_s = (uint32_t)(per_s < most ? per_s : most);
    const struct dtr_rpc_rate rate = {.per_s = rate_s, .waiting = rate_s * WAIT_S};
    dtr_rpc_table_limit(role->table, &rate);
}

static int open_table(struct manager_role *role, struct dtr_error *err)
{
    int rc = dtr_rpc_table_new(&role->table, err);
    if (rc == DTR_OK)
        rc = dtr_manager_serve(role->manager, role->table, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_health_new(&role->health, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_health_serve(role->health, role->table, err);
    return rc == DTR_OK ? dtr_rpc_health_set(role->health, "", true, err) : rc;
}

static int open_rpc(struct manager_role *role, const struct dtr_manager_config *config, struct dtr_addr *addr,
                    struct dtr_error *err)
{
    static const struct dtr_rpc_limits limits = {.message = 1 << 20, .connection = 4 << 20};
    const char *const files[] = {config->server.grpc.tls.ca_cert, config->server.grpc.tls.cert,
                                 config->server.grpc.tls.key};
    int rc = dtr_tls_open(role->control, DTR_TLS_SERVER, "server.grpc.tls", files, TLS_LOOK_MS,
                          &role->callers_tls, err);
    if (rc == DTR_OK)
        rc = open_table(role, err);
    if (rc == DTR_OK) {
        limit_calls(role);
        rc = dtr_rpc_server_new(role->control, &limits, &role->server, err);
    }
    if (rc == DTR_OK) {
        dtr_rpc_server_secure(role->server, role->callers_tls);
        rc = listening(dtr_rpc_server_listen(role->server, addr, role->table, addr, err),
                       "server.grpc.port.start", err);
    }
    return rc;
}

/* --- REST ------------------------------------------------------------------------------------------------
 */

static int open_http(struct manager_role *role, const struct dtr_manager_config *config,
                     struct dtr_addr *addr, struct dtr_error *err)
{
    static const struct dtr_http_limits limits = {.connections = 1024};
    const char *const files[] = {NULL, config->server.rest.tls.cert, config->server.rest.tls.key};
    int rc =
        dtr_tls_open_http(role->control, "server.rest.tls", files, TLS_LOOK_MS, &role->browsers_tls, err);
    if (rc == DTR_OK)
        rc = dtr_http_server_new(role->control, &limits, dtr_manager_handle, role->manager, &role->http, err);
    if (rc != DTR_OK)
        return rc;
    dtr_http_server_secure(role->http, role->browsers_tls);
    return listening(dtr_http_server_listen(role->http, addr, addr, err), "server.rest.addr", err);
}

/* --- life ------------------------------------------------------------------------------------------------
 */

static void say_ready(const struct manager_role *role, const struct manager_addrs *addrs)
{
    char grpc[DTR_ADDR_TEXT], rest[DTR_ADDR_TEXT];
    dtr_addr_text(&addrs->grpc, grpc);
    dtr_addr_text(&addrs->rest, rest);
    dtr_log(DTR_LOG_INFO, NULL, "manager ready: gRPC on %s, REST on %s://%s", grpc,
            role->browsers_tls ? "https" : "http", rest);
}

/* A list of everything is large, and each worker thread would keep what it took for one: large blocks go back
 * to the kernel at once. */
static void keep_no_large_blocks(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
}

int manager_role_open(struct manager_role *role, const struct dtr_manager_config *config,
                      struct serve_pages *pages, struct dtr_error *err)
{
    struct manager_addrs addrs;
    keep_no_large_blocks();
    role->config = config;
    int rc = manager_listeners(config, &addrs, err);
    if (rc == DTR_OK)
        rc = dtr_loop_new("manager", &role->control, err);
    if (rc == DTR_OK)
        rc = open_manager(role, config, err);
    if (rc == DTR_OK)
        rc = open_rpc(role, config, &addrs.grpc, err);
    if (rc == DTR_OK)
        rc = open_http(role, config, &addrs.rest, err);
    if (rc == DTR_OK && addrs.metrics.length > 0)
        rc = serve_metrics(pages, &addrs.metrics, DTR_METRICS_MANAGER, err);
    if (rc == DTR_OK)
        say_ready(role, &addrs);
    return rc;
}

void manager_role_take(struct manager_role *role, struct dtr_manager_policy *policy)
{
    const struct dtr_manager_config *config = role->config;
    dtr_manager_take(role->manager, policy);
    dtr_manager_set_sessions(role->manager, config->jwt.timeout_ms / MS_PER_S,
                             config->jwt.max_refresh_ms / MS_PER_S);
    limit_calls(role);
}

static void after_manager(void *context)
{
    struct manager_role *role = context;
    dtr_tls_drop(role->callers_tls);
    dtr_tls_drop(role->browsers_tls);
    dtr_tls_drop(role->schedulers_tls);
    role->stopped(role->context);
}

static void after_http(void *context)
{
    struct manager_role *role = context;
    dtr_manager_close(role->manager, after_manager, role);
}

static void after_grpc(void *context)
{
    struct manager_role *role = context;
    dtr_http_server_close(role->http, STOP_MS, after_http, role);
}

void manager_role_stop(struct manager_role *role, void (*stopped)(void *context), void *context)
{
    role->stopped = stopped;
    role->context = context;
    dtr_manager_leave(role->manager);
    dtr_rpc_server_stop(role->server, STOP_MS, after_grpc, role);
}

void manager_role_free(struct manager_role *role)
{
    dtr_loop_free(role->control);
    dtr_rpc_table_free(role->table);
    dtr_rpc_health_free(role->health);
    dtr_modules_free(role->modules);
    dtr_certificates_free(&role->registries);
}
