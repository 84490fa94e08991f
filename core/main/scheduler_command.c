/* darter scheduler: the role on the main thread's loop. */
#include "core/main/command.h"
#include "core/main/options.h"
#include "core/main/roles.h"
#include "core/obs/log.h"

struct process {
    struct scheduler_role role;
    struct serve_pages pages;
    struct serve_signals signals;
};

static void after_scheduler(void *context)
{
    struct process *process = context;
    dtr_loop_stop(process->role.control);
}

static void on_stop(void *context)
{
    struct process *process = context;
    dtr_log(DTR_LOG_INFO, NULL, "stopping");
    serve_pages_close(&process->pages);
    scheduler_role_stop(&process->role, after_scheduler, process);
}

static int run(const struct options *options, const struct dtr_scheduler_config *config,
               struct dtr_error *err)
{
    static struct process process; /* after an error it goes with the program */
    char log[256];
    const struct serve_process settings = {
        .level = options_level(options, config->server.log_level),
        .log_format = config->log.format,
        .log_file = options_log_file(options, config->server.log_dir, "scheduler", log, sizeof(log)),
        .console = options->console || config->console};
    int rc = serve_begin(&settings, err);
    if (rc == DTR_OK)
        rc = serve_allow(&config->security.outbound_allow, err);
    if (rc == DTR_OK)
        rc = scheduler_role_open(&process.role, config, options_dynconfig(options), &process.pages, err);
    if (rc == DTR_OK)
        rc = serve_pages_open(&process.pages, process.role.control, err);
    if (rc != DTR_OK)
        return rc;
    process.signals.hangup = SERVE_HANGUP_REOPENS;
    serve_signals_start(&process.signals, process.role.control, on_stop, &process);
    dtr_loop_run(process.role.control);
    serve_signals_end(&process.signals);
    scheduler_role_free(&process.role);
    return DTR_OK;
}

int scheduler_command(int argc, char **argv)
{
    struct options options = {0};
    struct dtr_conf *conf = NULL;
    struct dtr_error err;
    if (!options_read(&options, 0, argc, argv) || !options_environment(&options, "SCHEDULER"))
        return 2;
    int rc = options_load(DTR_ROLE_SCHEDULER, options.config, "/etc/dragonfly/scheduler.yaml", &options.sets,
                          &conf, &err);
    if (rc == DTR_OK)
        rc = options_check_dynconfig(&options, &err);
    if (rc == DTR_OK)
        rc = options_judge(conf, &err);
    if (rc == DTR_OK)
        rc = run(&options, dtr_conf_scheduler(conf), &err);
    serve_end();
    dtr_conf_free(conf);
    return rc == DTR_OK ? 0 : command_fail(&err);
}
