/* darter daemon: modules, data threads and the role on the main thread's loop. */
#include "core/daemon/daemon.h"
#include "core/main/command.h"
#include "core/main/options.h"
#include "core/main/serve.h"
#include "core/net/guard.h"
#include "core/obs/log.h"
#include "core/obs/metric.h"
#include <string.h>
#include <unistd.h>

enum { STOP_MS = 5000, DATA_THREADS = 4 };

struct running {
    struct dtr_loop *control, *data[DATA_THREADS];
    size_t data_count;
    struct dtr_modules *modules;
    struct dtr_daemon *daemon;
    struct serve_http health, metrics;
    struct serve_signals signals;
};

/* --- modules
 * -------------------------------------------------------------------------------------------------- */

enum { OPTIONS_MAX = 32 };

/* What the configuration says for a module, behind `given` of our own. */
static size_t module_options(const struct dtr_daemon_config *config, const char *module,
                             struct dtr_option_text *list, size_t given)
{
    for (size_t i = 0; i < config->modules.options.count; i++) {
        const struct dtr_conf_module *entry = &config->modules.options.items[i];
        for (size_t j = 0;
             strcmp(entry->name, module) == 0 && j < entry->options.count && given < OPTIONS_MAX; j++)
            list[given++] = (struct dtr_option_text){.key = entry->options.items[j].name,
                                                     .value = entry->options.items[j].value,
                                                     .where = "modules.options"};
    }
    return given;
}

static int require(struct running *running, const struct dtr_daemon_config *config, const char *kind,
                   const char *name, struct dtr_error *err)
{
    struct dtr_option_text list[OPTIONS_MAX];
    char module[128];
    size_t given = 0;
    if (strcmp(kind, "storage") == 0 && strcmp(name, "file") == 0) {
        list[given++] =
            (struct dtr_option_text){.key = "dir", .value = config->storage.dir, .where = "storage.dir"};
        list[given++] = (struct dtr_option_text){
            .key = "keep", .value = config->storage.keep ? "true" : "false", .where = "storage.keep"};
    }
    (void)snprintf(module, sizeof(module), "%s_%s", kind, name);
    given = module_options(config, module, list, given);
    return dtr_modules_require(running->modules, kind, name, list, given, err);
}

static int require_all(struct running *running, const struct dtr_daemon_config *config, const char *kind,
                       const struct dtr_conf_strings *names, const char *usual, struct dtr_error *err)
{
    int rc = names->count == 0 ? require(running, config, kind, usual, err) : DTR_OK;
    for (size_t i = 0; i < names->count && rc == DTR_OK; i++)
        rc = require(running, config, kind, names->items[i], err);
    return rc;
}

static int start_modules(struct running *running, const struct dtr_daemon_config *config,
                         struct dtr_error *err)
{
    const char *folder = command_file_there(config->server.plugin_dir) ? config->server.plugin_dir : NULL;
    int rc = dtr_modules_new(folder, &running->modules, err);
    if (rc == DTR_OK)
        rc = require(running, config, "storage", config->modules.storage, err);
    if (rc == DTR_OK)
        rc = require_all(running, config, "transport", &config->modules.transport, "vortex", err);
    if (rc == DTR_OK)
        rc = require_all(running, config, "origin", &config->modules.origin, "http", err);
    return rc;
}

/* --- loops and servers
 * ------------------------------------------------------------------------------------------ */

static int make_loops(struct running *running, struct dtr_error *err)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t wanted = cores < 1 ? 1 : cores > DATA_THREADS ? DATA_THREADS : (size_t)cores;
    int rc = dtr_loop_new("control", &running->control, err);
    while (rc == DTR_OK && running->data_count < wanted) {
        rc = dtr_loop_new("data", &running->data[running->data_count], err);
        if (rc == DTR_OK)
            running->data_count++;
    }
    return rc;
}

static bool is_healthy(const void *context)
{
    return dtr_daemon_healthy(context);
}

static int open_servers(struct running *running, const struct dtr_daemon_config *config,
                        struct dtr_error *err)
{
    const char *any = config->network.enable_ipv6 ? "::" : "0.0.0.0";
    int rc =
        serve_health_open(&running->health, running->control, config->health.ip ? config->health.ip : any,
                          (uint16_t)config->health.port, is_healthy, running->daemon, err);
    if (rc == DTR_OK)
        rc = serve_metrics_open(&running->metrics, running->control,
                                config->metrics.ip ? config->metrics.ip : any, (uint16_t)config->metrics.port,
                                DTR_METRICS_CLIENT | DTR_METRICS_MODULE, err);
    return rc;
}

static int open_all(struct running *running, const struct dtr_daemon_config *config,
                    const char *const *schedulers, size_t scheduler_count, struct dtr_error *err)
{
    int rc = dtr_guard_start(err);
    for (size_t i = 0; i < config->security.outbound_allow.count && rc == DTR_OK; i++)
        rc = dtr_guard_allow(config->security.outbound_allow.items[i], err);
    if (rc == DTR_OK)
        rc = start_modules(running, config, err);
    if (rc == DTR_OK)
        rc = make_loops(running, err);
    const struct dtr_daemon_parts parts = {.control = running->control,
                                           .data = running->data,
                                           .data_count = running->data_count,
                                           .config = config,
                                           .schedulers = schedulers,
                                           .scheduler_count = scheduler_count,
                                           .modules = running->modules};
    if (rc == DTR_OK)
        rc = dtr_daemon_new(&parts, &running->daemon, err);
    if (rc == DTR_OK)
        rc = open_servers(running, config, err);
    for (size_t i = 0; i < running->data_count && rc == DTR_OK; i++)
        rc = dtr_loop_start(running->data[i], err);
    return rc;
}

/* --- the end
 * --------------------------------------------------------------------------------------------------- */

static void after_daemon(void *context)
{
    struct running *running = context;
    serve_http_close(&running->health);
    serve_http_close(&running->metrics);
    dtr_loop_stop(running->control);
}

static void on_stop(void *context)
{
    struct running *running = context;
    dtr_log(DTR_LOG_INFO, NULL, "stopping");
    dtr_daemon_stop(running->daemon, STOP_MS, after_daemon, running);
}

static void take_down(struct running *running)
{
    for (size_t i = 0; i < running->data_count; i++) {
        dtr_loop_stop(running->data[i]);
        dtr_loop_join(running->data[i]);
    }
    dtr_modules_free(running->modules);
    for (size_t i = 0; i < running->data_count; i++)
        dtr_loop_free(running->data[i]);
    dtr_loop_free(running->control);
    dtr_guard_stop();
}

static int run(const struct options *options, const struct dtr_daemon_config *config,
               const struct dtr_dynconfig *dynconfig, struct dtr_error *err)
{
    struct running running = {0};
    const struct dtr_log_settings settings = {.level = options_log_level(options, NULL),
                                              .json = strcmp(config->log.format, "json") == 0,
                                              .to_stderr = true};
    bool named = options->scheduler_count > 0;
    int rc = dtr_log_start(&settings, err);
    if (rc == DTR_OK)
        rc = open_all(&running, config, named ? options->schedulers : dynconfig->scheduler.addrs.items,
                      named ? options->scheduler_count : dynconfig->scheduler.addrs.count, err);
    if (rc != DTR_OK)
        return rc; /* the process ends: what was opened goes with it */
    dtr_log(DTR_LOG_INFO, NULL, "daemon ready: proxy on port %d, peers on %d and %d",
            (int)config->proxy.server.listen.port, (int)config->upload.server.listen.port,
            (int)config->storage.server.tcp_port);
    serve_signals_start(&running.signals, running.control, on_stop, &running);
    dtr_loop_run(running.control);
    serve_signals_end(&running.signals);
    take_down(&running);
    return DTR_OK;
}

int daemon_command(int argc, char **argv)
{
    struct options options = {0};
    struct dtr_conf *conf = NULL, *dynconf = NULL;
    struct dtr_error err;
    if (!options_read(&options, argc, argv))
        return 2;
    int rc =
        options_load(DTR_ROLE_DAEMON, options.config, "/etc/dragonfly/dfdaemon.yaml", &options, &conf, &err);
    if (rc == DTR_OK)
        rc = options_load(DTR_ROLE_DYNCONFIG, options.dynconfig, "/etc/dragonfly/dynconfig.yaml", NULL,
                          &dynconf, &err);
    if (rc == DTR_OK)
        rc = run(&options, dtr_conf_daemon(conf), dtr_conf_dynconfig(dynconf), &err);
    dtr_log_stop();
    dtr_conf_free(conf);
    dtr_conf_free(dynconf);
    return rc == DTR_OK ? 0 : command_fail(&err);
}
