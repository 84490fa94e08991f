/* darter daemon: the role on the main thread's loop. */
#include "core/main/command.h"
#include "core/main/reload.h"
#include "core/obs/log.h"

struct process {
    struct daemon_role role;
    struct serve_pages pages;
    struct serve_signals signals;
    struct reload reload;
};

/* configure_fn */
static int configure(struct options *options, struct configuration *ret_made, struct dtr_error *err)
{
    struct configured *made = &ret_made->daemon;
    int rc = options_load(DTR_ROLE_DAEMON, &options->config, "/etc/dragonfly/dfdaemon.yaml", &options->sets,
                          &made->conf, &made->report, err);
    return rc == DTR_OK ? options_judge(made->conf, &made->report, err) : rc;
}

static void after_daemon(void *context)
{
    struct process *process = context;
    serve_pages_close(&process->pages);
    dtr_loop_stop(process->role.control);
}

static void on_stop(void *context)
{
    struct process *process = context;
    dtr_log(DTR_LOG_INFO, NULL, "stopping");
    reload_end(&process->reload);
    daemon_role_stop(&process->role, after_daemon, process);
}

static int run(struct options *options, struct configuration *made, struct dtr_error *err)
{
    static struct process process; /* after an error it goes with the program */
    const struct dtr_daemon_config *config = dtr_conf_daemon(made->daemon.conf);
    char log[256];
    const struct serve_process settings = {.level = options_level(options, NULL),
                                           .log_format = config->log.format,
                                           .log_file =
                                               options_log_file(options, NULL, "dfdaemon", log, sizeof(log)),
                                           .console = options->console};
    const struct daemon_schedulers schedulers = {.list = options->schedulers.items,
                                                 .count = options->schedulers.count,
                                                 .dynconfig = options_dynconfig(options)};
    int rc = serve_begin(&settings, err);
    if (rc == DTR_OK)
        rc = configuration_allow(made, err);
    if (rc == DTR_OK)
        rc = daemon_role_open(&process.role, config, &schedulers, &process.pages, err);
    if (rc == DTR_OK)
        rc = serve_pages_open(&process.pages, process.role.control, err);
    if (rc != DTR_OK)
        return rc;
    process.reload = (struct reload){.configure = configure,
                                     .options = options,
                                     .charge = made,
                                     .daemon = &process.role,
                                     .loop = process.role.control};
    process.signals.hangup = SERVE_HANGUP_RELOADS;
    process.signals.reload = reload_ask;
    process.signals.reload_context = &process.reload;
    serve_signals_start(&process.signals, process.role.control, on_stop, &process);
    dtr_loop_run(process.role.control);
    serve_signals_end(&process.signals);
    daemon_role_free(&process.role);
    return DTR_OK;
}

int daemon_command(int argc, char **argv)
{
    struct options options = {0};
    struct configuration made = {0};
    struct dtr_error err;
    if (!options_read(&options, OPTIONS_SCHEDULER, argc, argv) || !options_environment(&options, "DFDAEMON"))
        return 2;
    int rc = configuration_begin(configure, &options, &made, &err);
    if (rc == DTR_OK && options.schedulers.count == 0 &&
        dtr_conf_daemon(made.daemon.conf)->manager.addrs.count == 0)
        rc = options_check_dynconfig(&options, &err);
    if (rc == DTR_OK)
        rc = run(&options, &made, &err);
    serve_end();
    configuration_free(&made);
    return rc == DTR_OK ? 0 : command_fail(&err);
}
