/* The daemon with its modules and threads; see roles.h. */
#include "core/main/command.h"
#include "core/main/options.h"
#include "core/main/roles.h"
#include "core/obs/log.h"
#include "core/obs/metric.h"
#include <string.h>
#include <unistd.h>

enum { STOP_MS = 5000, WORKERS = 4, WRITERS = 2, WORKER_JOBS = 65536 };

/* --- modules
 * -------------------------------------------------------------------------------------------------- */

static int require(struct daemon_role *role, const struct dtr_daemon_config *config, const char *kind,
                   const char *name, struct dtr_error *err)
{
    struct dtr_option_text list[OPTIONS_OF_MODULE];
    char module[128];
    size_t given = 0;
    if (strcmp(kind, "storage") == 0 && strcmp(name, "file") == 0) {
        list[given++] =
            (struct dtr_option_text){.key = "dir", .value = config->storage.dir, .where = "storage.dir"};
        list[given++] = (struct dtr_option_text){
            .key = "keep", .value = config->storage.keep ? "true" : "false", .where = "storage.keep"};
    }
    (void)snprintf(module, sizeof(module), "%s_%s", kind, name);
    given = options_of_module(&config->modules.options, module, list, given);
    return dtr_modules_require(role->modules, kind, name, list, given, err);
}

static int require_all(struct daemon_role *role, const struct dtr_daemon_config *config, const char *kind,
                       const struct dtr_conf_strings *names, const char *usual, struct dtr_error *err)
{
    int rc = names->count == 0 ? require(role, config, kind, usual, err) : DTR_OK;
    for (size_t i = 0; i < names->count && rc == DTR_OK; i++)
        rc = require(role, config, kind, names->items[i], err);
    return rc;
}

static bool is_loaded(const struct dtr_daemon_config *config, const char *module)
{
    const struct dtr_conf_strings *lists[] = {&config->modules.transport, &config->modules.origin};
    static const char *const kinds[] = {"transport", "origin"};
    char name[128];
    (void)snprintf(name, sizeof(name), "storage_%s", config->modules.storage);
    bool loaded = strcmp(name, module) == 0;
    for (size_t kind = 0; kind < 2; kind++) {
        for (size_t i = 0; i < lists[kind]->count; i++) {
            (void)snprintf(name, sizeof(name), "%s_%s", kinds[kind], lists[kind]->items[i]);
            loaded = loaded || strcmp(name, module) == 0;
        }
    }
    return loaded;
}

/* Nobody else looks at the options of a module that is not loaded. */
static void warn_of_options(const struct dtr_daemon_config *config)
{
    for (size_t i = 0; i < config->modules.options.count; i++) {
        const struct dtr_conf_module *entry = &config->modules.options.items[i];
        if (!is_loaded(config, entry->name))
            dtr_log(DTR_LOG_WARN, NULL, "modules.options, line %u: %s is not loaded, its options do nothing",
                    entry->line, entry->name);
    }
}

static int start_modules(struct daemon_role *role, const struct dtr_daemon_config *config,
                         struct dtr_error *err)
{
    const char *folder = command_file_there(config->server.plugin_dir) ? config->server.plugin_dir : NULL;
    warn_of_options(config);
    int rc = dtr_modules_new(folder, &role->modules, err);
    if (rc == DTR_OK)
        rc = require(role, config, "storage", config->modules.storage, err);
    if (rc == DTR_OK)
        rc = require_all(role, config, "transport", &config->modules.transport, "vortex", err);
    if (rc == DTR_OK)
        rc = require_all(role, config, "origin", &config->modules.origin, "http", err);
    return rc;
}

/* --- loops and pages -------------------------------------------------------------------------------------
 */

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
    const char *any = config->network.enable_ipv6 ? "::" : "0.0.0.0";
    int rc = serve_health(pages, config->health.ip ? config->health.ip : any, (uint16_t)config->health.port,
                          is_healthy, role->daemon, err);
    if (rc == DTR_OK)
        rc = serve_metrics(pages, config->metrics.ip ? config->metrics.ip : any,
                           (uint16_t)config->metrics.port, DTR_METRICS_CLIENT | DTR_METRICS_MODULE, err);
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
