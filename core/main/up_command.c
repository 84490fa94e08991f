/* darter up: manager, scheduler, seed and registry mirror in one process, on embedded defaults. */
#include "core/base/list.h"
#include "core/main/command.h"
#include "core/main/paths.h"
#include "core/main/reload.h"
#include "core/obs/log.h"
#include <string.h>
#include <unistd.h>

struct process {
    struct manager_role manager; /* a thread of its own, as the next */
    struct scheduler_role scheduler;
    struct daemon_role daemon; /* this thread */
    struct serve_pages pages;
    struct serve_signals signals;
    struct reload reload;
    struct dtr_msg stop; /* to the scheduler's loop, then to the manager's */
};

/* --- configuration ---------------------------------------------------------------------------------------
 */

static const char *listen_ip(const struct options *options)
{
    return options->listen ? options->listen : "127.0.0.1";
}

/* What `up` decides, unless a file or the command line did. */
static int usually(struct dtr_conf *conf, const char *key, const char *value, struct dtr_error *err)
{
    return dtr_conf_source(conf, key, NULL) == DTR_FROM_DEFAULT ? dtr_conf_set(conf, key, value, err)
                                                                : DTR_OK;
}

struct setting {
    const char *key, *value;
};

static int set_all(struct dtr_conf *conf, const struct setting *settings, size_t count, struct dtr_error *err)
{
    int rc = DTR_OK;
    for (size_t i = 0; i < count && rc == DTR_OK; i++)
        rc = usually(conf, settings[i].key, settings[i].value, err);
    return rc;
}

/* Where other nodes come in is `ip`; all else is for this machine only. */
static int set_daemon(struct dtr_conf *conf, const char *ip, struct dtr_error *err)
{
    const struct setting settings[] = {
        {"host.ip", ip},
        {"upload.server.ip", ip},
        {"storage.server.ip", ip},
        {"seedPeer.enable", "true"},
        {"proxy.server.ip", "127.0.0.1"},
        {"health.server.ip", "127.0.0.1"},
        {"metrics.server.ip", "127.0.0.1"},
    };
    return set_all(conf, settings, sizeof(settings) / sizeof(settings[0]), err);
}

static int set_manager(struct dtr_conf *conf, const char *ip, struct dtr_error *err)
{
    char folder[256], path[300];
    const struct setting settings[] = {{"server.grpc.listenIP", ip},
                                       {"server.rest.addr", "127.0.0.1:8080"},
                                       {"metrics.addr", "127.0.0.1:8000"}};
    int rc = set_all(conf, settings, sizeof(settings) / sizeof(settings[0]), err);
    if (rc != DTR_OK || dtr_conf_source(conf, "database.sqlite.path", NULL) != DTR_FROM_DEFAULT)
        return rc;
    rc = paths_data(folder, sizeof(folder), err);
    (void)snprintf(path, sizeof(path), "%s/manager.db", folder);
    return rc == DTR_OK ? dtr_conf_set(conf, "database.sqlite.path", path, err) : rc;
}

/* Under the manager beside it, unless it has its limits from a file. Without root it keeps what that said
 * last where the manager keeps its own. */
static int set_scheduler(struct dtr_conf *conf, const struct options *options,
                         const struct dtr_manager_config *manager, struct dtr_error *err)
{
    char address[DTR_ADDR_TEXT], folder[256];
    const char *ip = listen_ip(options);
    struct dtr_addr addr = {0};
    const struct setting settings[] = {{"server.listenIP", ip},
                                       {"server.advertiseIP", ip},
                                       {"metrics.enable", "true"},
                                       {"metrics.addr", "127.0.0.1:8000"}};
    int rc = set_all(conf, settings, sizeof(settings) / sizeof(settings[0]), err);
    if (rc == DTR_OK && geteuid() != 0)
        rc = paths_data(folder, sizeof(folder), err);
    if (rc == DTR_OK && geteuid() != 0)
        rc = usually(conf, "server.cacheDir", folder, err);
    if (rc != DTR_OK || options->dynconfig || manager->server.grpc.port == 0)
        return rc;
    rc = dtr_addr_ip(manager->server.grpc.listen_ip, (uint16_t)manager->server.grpc.port, &addr, err);
    dtr_addr_text(&addr, address);
    return rc == DTR_OK ? usually(conf, "manager.addr", address, err) : rc;
}

/* Without root the usual places cannot be written. */
static int set_places(struct dtr_conf *conf, struct dtr_error *err)
{
    char store[256], socket[256];
    int rc = paths_store(store, sizeof(store), err);
    if (rc != DTR_OK && dtr_conf_source(conf, "storage.dir", NULL) != DTR_FROM_DEFAULT)
        rc = DTR_OK;
    else if (rc == DTR_OK)
        rc = usually(conf, "storage.dir", store, err);
    paths_socket(socket, sizeof(socket));
    return rc == DTR_OK ? usually(conf, "download.server.socketPath", socket, err) : rc;
}

/* configure_fn */
static int configure(struct options *options, struct configuration *ret_made, struct dtr_error *err)
{
    struct configured *daemon = &ret_made->daemon, *scheduler = &ret_made->scheduler,
                      *manager = &ret_made->manager;
    const char *ip = listen_ip(options);
    struct dtr_addr addr;
    int rc = dtr_addr_ip(ip, 0, &addr, err);
    if (rc == DTR_OK)
        rc = options_load(DTR_ROLE_DAEMON, &options->config, NULL, &options->sets, &daemon->conf,
                          &daemon->report, err);
    if (rc == DTR_OK)
        rc = options_load(DTR_ROLE_SCHEDULER, &options->scheduler_config, NULL, &options->scheduler_sets,
                          &scheduler->conf, &scheduler->report, err);
    if (rc == DTR_OK)
        rc = options_load(DTR_ROLE_MANAGER, &options->manager_config, NULL, &options->manager_sets,
                          &manager->conf, &manager->report, err);
    if (rc == DTR_OK)
        rc = set_daemon(daemon->conf, ip, err);
    if (rc == DTR_OK)
        rc = set_places(daemon->conf, err);
    if (rc == DTR_OK)
        rc = set_manager(manager->conf, ip, err);
    if (rc == DTR_OK)
        rc = set_scheduler(scheduler->conf, options, dtr_conf_manager(manager->conf), err);
    if (rc == DTR_OK)
        rc = options_judge(daemon->conf, &daemon->report, err);
    if (rc == DTR_OK)
        rc = options_judge(scheduler->conf, &scheduler->report, err);
    if (rc == DTR_OK)
        rc = options_judge(manager->conf, &manager->report, err);
    return rc;
}

/* The folders of the store and, where those are ours to choose, of the database and the socket. */
static int make_places(const struct dtr_daemon_config *config, const struct dtr_manager_config *manager,
                       struct dtr_error *err)
{
    char socket[256];
    int rc = paths_make(config->storage.dir, err);
    if (rc == DTR_OK)
        rc = manager_role_place(manager, err);
    paths_socket(socket, sizeof(socket));
    if (rc != DTR_OK || strcmp(config->download.server.socket_path, socket) != 0)
        return rc;
    *strrchr(socket, '/') = '\0';
    rc = paths_make(socket, err);
    return rc == DTR_OK && geteuid() != 0 ? paths_private(socket, err) : rc; /* it may be in /tmp */
}

/* --- life ------------------------------------------------------------------------------------------------
 */

static void after_manager(void *context)
{
    struct process *process = context;
    dtr_loop_stop(process->manager.control);
    dtr_loop_stop(process->daemon.control);
}

/* On the manager's loop. */
static void stop_manager(struct dtr_msg *msg)
{
    struct process *process = dtr_container(msg, struct process, stop);
    manager_role_stop(&process->manager, after_manager, process);
}

static void after_scheduler(void *context)
{
    struct process *process = context;
    dtr_loop_stop(process->scheduler.control);
    process->stop.run = stop_manager;
    dtr_loop_post(process->manager.control, &process->stop);
}

/* On the scheduler's loop. */
static void stop_scheduler(struct dtr_msg *msg)
{
    struct process *process = dtr_container(msg, struct process, stop);
    scheduler_role_stop(&process->scheduler, after_scheduler, process);
}

static void after_daemon(void *context)
{
    struct process *process = context;
    serve_pages_close(&process->pages);
    process->stop.run = stop_scheduler;
    dtr_loop_post(process->scheduler.control, &process->stop);
}

/* The daemon first: it takes leave of the scheduler, as that does of the manager. */
static void on_stop(void *context)
{
    struct process *process = context;
    dtr_log(DTR_LOG_INFO, NULL, "stopping");
    reload_end(&process->reload);
    daemon_role_stop(&process->daemon, after_daemon, process);
}

/* Its keys are not the daemon's, which --set would change. */
static int open_manager(struct process *process, const struct dtr_manager_config *config,
                        struct dtr_error *err)
{
    process->manager.workers = 2; /* whoever runs this is alone, or nearly so */
    int rc = manager_role_open(&process->manager, config, &process->pages, err);
    const struct dtr_error why = *err;
    return rc == DTR_EEXISTS
               ? dtr_error_set(err, rc, why.retry, "the manager's %.180s: --set-manager KEY=VALUE", why.text)
               : rc;
}

static int open_all(struct process *process, const struct configuration *made, const char *dynconfig,
                    const char *address, struct dtr_error *err)
{
    const struct dtr_daemon_config *config = dtr_conf_daemon(made->daemon.conf);
    const struct dtr_conf *scheduler = made->scheduler.conf;
    const struct dtr_manager_config *manager = dtr_conf_manager(made->manager.conf);
    const struct daemon_schedulers schedulers = {.list = &address, .count = 1};
    int rc = configuration_allow(made, err);
    if (rc == DTR_OK)
        rc = scheduler_role_open(&process->scheduler, dtr_conf_scheduler(scheduler), dynconfig,
                                 &process->pages, err);
    if (rc == DTR_OK)
        rc = open_manager(process, manager, err);
    if (rc == DTR_OK)
        rc = daemon_role_open(&process->daemon, config, &schedulers, &process->pages, err);
    if (rc == DTR_OK)
        rc = serve_pages_open(&process->pages, process->daemon.control, err);
    if (rc == DTR_OK)
        rc = dtr_loop_start(process->manager.control, err);
    if (rc == DTR_OK)
        rc = dtr_loop_start(process->scheduler.control, err);
    return rc;
}

static void say_ready(const struct dtr_daemon *daemon, const struct configuration *made, const char *listen,
                      const char *address)
{
    const struct dtr_manager_config *manager = dtr_conf_manager(made->manager.conf);
    int port = dtr_daemon_ports(daemon)->proxy;
    (void)printf(
        "Darter is up; Ctrl-C ends it.\n"
        "  registry mirror and proxy  http://127.0.0.1:%d\n"
        "  containerd                 \"darter init\" points it here, \"darter init --undo\" takes it back\n"
        "  a file                     darter get URL -O FILE\n"
        "  clusters                   \"darter ctl login\", then \"darter ctl clusters\"; REST on %s://%s\n",
        port, manager->server.rest.tls.cert ? "https" : "http", manager->server.rest.addr);
    if (listen)
        (void)printf("  another node               darter daemon --scheduler %s\n", address);
    (void)fflush(stdout);
}

static int run(struct options *options, struct configuration *made, struct dtr_error *err)
{
    static struct process process; /* after an error it goes with the program */
    const struct dtr_daemon_config *config = dtr_conf_daemon(made->daemon.conf);
    const struct dtr_conf *scheduler = made->scheduler.conf;
    char log[256], address[DTR_ADDR_TEXT];
    struct dtr_addr addr = {0};
    const struct serve_process settings = {
        .level = options_level(options, dtr_conf_scheduler(scheduler)->server.log_level),
        .log_format = config->log.format,
        .log_file = options_log_file(options, NULL, "darter", log, sizeof(log)),
        .console = options->console,
    };
    int rc =
        dtr_addr_ip(listen_ip(options), (uint16_t)dtr_conf_scheduler(scheduler)->server.port, &addr, err);
    if (rc == DTR_OK)
        rc = make_places(config, dtr_conf_manager(made->manager.conf), err);
    if (rc == DTR_OK)
        rc = serve_begin(&settings, err);
    dtr_addr_text(&addr, address);
    if (rc == DTR_OK)
        rc = open_all(&process, made, options->dynconfig, address, err);
    if (rc != DTR_OK)
        return rc;
    say_ready(process.daemon.daemon, made, options->listen, address);
    process.reload = (struct reload){.configure = configure,
                                     .options = options,
                                     .charge = made,
                                     .daemon = &process.daemon,
                                     .scheduler = &process.scheduler,
                                     .manager = &process.manager,
                                     .loop = process.daemon.control};
    process.signals.hangup = serve_hangup_usual();
    process.signals.reload = reload_ask;
    process.signals.reload_context = &process.reload;
    serve_signals_start(&process.signals, process.daemon.control, on_stop, &process);
    dtr_loop_run(process.daemon.control);
    serve_signals_end(&process.signals);
    dtr_loop_join(process.scheduler.control);
    dtr_loop_join(process.manager.control);
    daemon_role_free(&process.daemon);
    scheduler_role_free(&process.scheduler);
    manager_role_free(&process.manager);
    return DTR_OK;
}

int up_command(int argc, char **argv)
{
    struct options options = {0};
    struct configuration made = {0};
    struct dtr_error err;
    if (!options_read(&options, OPTIONS_UP, argc, argv))
        return 2;
    int rc = configuration_begin(configure, &options, &made, &err);
    if (rc == DTR_OK && options.dynconfig)
        rc = options_check_dynconfig(&options, &err);
    if (rc == DTR_OK)
        rc = run(&options, &made, &err);
    serve_end();
    configuration_free(&made);
    return rc == DTR_OK ? 0 : command_fail(&err);
}
