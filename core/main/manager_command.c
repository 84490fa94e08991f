/* darter manager: the role on the main thread's loop. */
#include "core/main/command.h"
#include "core/main/options.h"
#include "core/main/roles.h"
#include "core/obs/log.h"

struct process {
    struct manager_role role;
    struct serve_pages pages;
    struct serve_signals signals;
};

static void after_manager(void *context)
{
    struct process *process = context;
    dtr_loop_stop(process->role.control);
}

static void on_stop(void *context)
{
    struct process *process = context;
    dtr_log(DTR_LOG_INFO, NULL, "stopping");
    serve_pages_close(&process->pages);
    manager_role_stop(&process->role, after_manager, process);
}

static void on_hangup(void *context)
{
    (void)context;
    dtr_log(DTR_LOG_INFO, NULL, "manager.yaml counts at the next start only");
}

static int begin(const struct options *options, const struct dtr_manager_config *config,
                 struct dtr_error *err)
{
    char log[256];
    const struct serve_process settings = {
        .level = options_level(options, config->server.log_level),
        .log_format = config->log.format,
        .log_file = options_log_file(options, config->server.log_dir, "manager", log, sizeof(log)),
        .console = options->console || config->console};
    int rc = serve_begin(&settings, err);
    return rc == DTR_OK ? serve_allow(NULL, &config->security.outbound_allow, err) : rc;
}

static int run(const struct options *options, const struct dtr_manager_config *config, struct dtr_error *err)
{
    static struct process process; /* after an error it goes with the program */
    int rc = begin(options, config, err);
    if (rc == DTR_OK)
        rc = manager_role_open(&process.role, config, &process.pages, err);
    if (rc == DTR_OK)
        rc = serve_pages_open(&process.pages, process.role.control, err);
    if (rc != DTR_OK)
        return rc;
    process.signals.hangup = SERVE_HANGUP_RELOADS;
    process.signals.reload = on_hangup;
    serve_signals_start(&process.signals, process.role.control, on_stop, &process);
    dtr_loop_run(process.role.control);
    serve_signals_end(&process.signals);
    manager_role_free(&process.role);
    return DTR_OK;
}

int manager_command(int argc, char **argv)
{
    struct options options = {0};
    struct dtr_conf *conf = NULL;
    struct dtr_error err;
    if (!options_read(&options, 0, argc, argv) || !options_environment(&options, "MANAGER"))
        return 2;
    int rc = options_load(DTR_ROLE_MANAGER, &options.config, "/etc/dragonfly/manager.yaml", &options.sets,
                          &conf, NULL, &err);
    if (rc == DTR_OK)
        rc = options_judge(conf, NULL, &err);
    if (rc == DTR_OK)
        rc = run(&options, dtr_conf_manager(conf), &err);
    serve_end();
    dtr_conf_free(conf);
    return rc == DTR_OK ? 0 : command_fail(&err);
}
