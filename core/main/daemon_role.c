/* The daemon with its modules and threads; see roles.h. */
#include "core/main/chosen.h"
#include "core/main/roles.h"
#include "core/obs/log.h"
#include "core/obs/metric.h"
#include <unistd.h>

enum { STOP_MS = 5000, WORKERS = 4, WRITERS = 2, WORKER_JOBS = 65536 };

/* --- modules
 * -------------------------------------------------------------------------------------------------- */

static int start_modules(struct daemon_role *role, const struct dtr_daemon_config *config,
                         struct dtr_error *err)
{
    struct dtr_option_text options[OPTIONS_OF_MODULE];
    struct chosen_module chosen;
    size_t position = 0;
    int rc = chosen_folders(config, &role->modules, err);
    while (rc == DTR_OK && chosen_next(config, &position, &chosen)) {
        size_t count = chosen_options(config, &chosen, options);
        rc = dtr_modules_require(role->modules, chosen.kind, chosen.name, options, count, err);
    }
    return rc;
}

/* --- loops and pages -------------------------------------------------------------------------------------
 */

int daemon_listener(const struct dtr_daemon_config *config, const char *ip, int64_t port,
                    struct dtr_addr *ret_addr, struct dtr_error *err)
{
    const char *any = config->network.enable_ipv6 ? "::" : "0.0.0.0";
    return dtr_addr_ip(ip ? ip : any, (uint16_t)port, ret_addr, err);
}

static int make_loops(struct daemon_role *role, struct dtr_error *err)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t wanted = cores < 1 ? 1 : cores > DATA_THREADS ? DATA_THREADS : (size_t)cores;
    int rc = dtr_loop_new("control", &role->control, err);
    while (rc == DTR_OK && role->data_count < wanted) {
        rc = dtr_loop_new("data", &role->data[role->data_count], err);
        if (rc == DTR_OK)
            role->data_count++;
    }
    if (rc == DTR_OK)
        rc = dtr_pool_new(WORKERS, WORKER_JOBS, &role->pool, err);
    if (rc == DTR_OK)
        rc = dtr_pool_new(WRITERS, WORKER_JOBS, &role->files, err);
    return rc;
}

static bool is_healthy(const void *context)
{
    return dtr_daemon_healthy(context);
}

static int add_pages(struct daemon_role *role, const struct dtr_daemon_config *config,
                     struct serve_pages *pages, struct dtr_error *err)
{
    struct dtr_addr addr;
    int rc = daemon_listener(config, config->health.ip, config->health.port, &addr, err);
    if (rc == DTR_OK)
        rc = serve_health(pages, &addr, is_healthy, role->daemon, err);
    if (rc == DTR_OK)
        rc = daemon_listener(config, config->metrics.ip, config->metrics.port, &addr, err);
    if (rc == DTR_OK)
        rc = serve_metrics(pages, &addr, DTR_METRICS_CLIENT | DTR_METRICS_MODULE, err);
    return rc;
}

int daemon_role_open(struct daemon_role *role, const struct dtr_daemon_config *config,
                     const struct daemon_schedulers *schedulers, struct serve_pages *pages,
                     struct dtr_error *err)
{
    int rc = start_modules(role, config, err);
    if (rc == DTR_OK)
        rc = make_loops(role, err);
    const struct dtr_daemon_parts parts = {.control = role->control,
                                           .data = role->data,
                                           .data_count = role->data_count,
                                           .pool = role->pool,
                                           .files = role->files,
                                           .config = config,
                                           .schedulers = schedulers->list,
                                           .scheduler_count = schedulers->count,
                                           .dynconfig = schedulers->dynconfig,
                                           .modules = role->modules};
    if (rc == DTR_OK)
        rc = dtr_daemon_new(&parts, &role->daemon, err);
    if (rc == DTR_OK)
        rc = add_pages(role, config, pages, err);
    for (size_t i = 0; i < role->data_count && rc == DTR_OK; i++)
        rc = dtr_loop_start(role->data[i], err);
    if (rc == DTR_OK) {
        const struct dtr_daemon_ports *ports = dtr_daemon_ports(role->daemon);
        dtr_log(DTR_LOG_INFO, NULL, "daemon ready: proxy on port %u, peers on %u and %u", ports->proxy,
                ports->peers, ports->pieces);
    }
    return rc;
}

void daemon_role_take(struct daemon_role *role, struct dtr_daemon_settings *settings)
{
    dtr_daemon_take(role->daemon, settings);
}

void daemon_role_stop(struct daemon_role *role, void (*stopped)(void *context), void *context)
{
    dtr_daemon_stop(role->daemon, STOP_MS, stopped, context);
}

void daemon_role_free(struct daemon_role *role)
{
    dtr_pool_free(role->pool);
    dtr_pool_free(role->files);
    for (size_t i = 0; i < role->data_count; i++) {
        dtr_loop_stop(role->data[i]);
        dtr_loop_join(role->data[i]);
    }
    dtr_modules_free(role->modules);
    for (size_t i = 0; i < role->data_count; i++)
        dtr_loop_free(role->data[i]);
    dtr_loop_free(role->control);
    dtr_daemon_free(role->daemon);
}
