/* The daemon role put together: see daemon.h. */
#include "core/daemon/daemon.h"

#include "core/base/str.h"
#include "core/daemon/blocklist.h"
#include "core/daemon/dynconfig.h"
#include "core/daemon/gc.h"
#include "core/daemon/managed/managed.h"
#include "core/daemon/proxy/proxy.h"
#include "core/daemon/settings.h"
#include "core/daemon/talk/talk.h"
#include "core/daemon/tasks/counts.h"
#include "core/daemon/upload/upload.h"
#include "core/obs/log.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONNECT_MS = 10000 };

static int take_offers(struct dtr_daemon *daemon, struct dtr_error *err)
{
    const struct dtr_modules *modules = daemon->parts.modules;
    if (dtr_modules_find(modules, "storage", NULL, &daemon->storage) &&
        dtr_modules_find(modules, "transport", NULL, &daemon->transport) &&
        dtr_modules_find(modules, "origin", NULL, &daemon->origin))
        return DTR_OK;
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                         "storage, transport and origin modules must be started");
}

/* Peers would dial an address at which nobody listens. */
static void warn_of_family(const struct dtr_daemon *daemon)
{
    const struct dtr_daemon_config *config = daemon->config;
    if (strchr(daemon->ip, ':') && !config->network.enable_ipv6 && !config->upload.server.listen.ip)
        dtr_log(DTR_LOG_WARN, NULL,
                "this host announces %s, but listens on IPv4 only: set network.enableIPv6, or host.ip",
                daemon->ip);
}

/* Who we are: configured, or found. */
static int name_host(struct dtr_daemon *daemon, struct dtr_error *err)
{
    const struct dtr_daemon_config *config = daemon->config;
    struct dtr_addr addr;
    int rc = config->host.ip ? dtr_addr_ip(config->host.ip, 0, &addr, err)
                             : dtr_addr_own(config->network.enable_ipv6, &addr, err);
    if (rc != DTR_OK)
        return rc;
    dtr_addr_ip_text(&addr, daemon->ip);
    warn_of_family(daemon);
    if (config->host.hostname)
        (void)dtr_copy_text(daemon->hostname, sizeof(daemon->hostname), config->host.hostname);
    else
        (void)gethostname(daemon->hostname, sizeof(daemon->hostname) - 1);
    return dtr_host_id(daemon->host_id, daemon->ip, daemon->hostname, config->seed_peer.enable, err);
}

/* dtr_tasks_options.piece */
static void on_piece(void *context, struct dtr_task *task, const struct dtr_piece *piece)
{
    upload_piece(context, task, piece);
    if (!piece)
        talk_pull_over(context, task);
}

/* dtr_tasks_options.withdrawn */
static void on_withdrawn(void *context, const char *task_id)
{
    talk_withdraw(context, task_id);
}

static int make_tasks(struct dtr_daemon *daemon, struct dtr_error *err)
{
    struct dtr_tasks_options options = {
        .control = daemon->parts.control,
        .data = daemon->parts.data,
        .data_count = daemon->parts.data_count,
        .storage = daemon->storage.feature->ops,
        .storage_instance = daemon->storage.instance,
        .transport = daemon->transport.feature->ops,
        .transport_instance = daemon->transport.instance,
        .origin = daemon->origin.feature->ops,
        .origin_instance = daemon->origin.instance,
        .connect_ms = CONNECT_MS,
        .outside = {.scheduler = talk_scheduler, .parent = talk_parent, .context = daemon},
        .withdrawn = on_withdrawn,
        .withdrawn_context = daemon,
        .piece = on_piece,
        .piece_context = daemon,
        .pool = daemon->parts.pool,
        .limits = {.download = &daemon->limits.download,
                   .back_to_source = &daemon->limits.back_to_source,
                   .prefetch = &daemon->limits.prefetch},
    };
    settings_of_tasks(daemon, &options);
    return dtr_tasks_new(&options, &daemon->tasks, err);
}

/* What an earlier process left. */
static void on_stored(void *context, const struct dtr_task_facts *facts, const struct dtr_piece *pieces,
                      uint32_t count, bool checked)
{
    struct dtr_daemon *daemon = context;
    struct dtr_error err;
    if (dtr_tasks_known(daemon->tasks, facts, pieces, count, checked, &err) != DTR_OK)
        dtr_log(DTR_LOG_WARN, NULL, "task %s is left out: %s", facts->task_id, err.text);
}

static int scan(struct dtr_daemon *daemon, struct dtr_error *err)
{
    const struct dtr_storage_ops *ops = daemon->storage.feature->ops;
    const struct dtr_scan_sink sink = {.task = on_stored, .context = daemon};
    return ops->scan(daemon->storage.instance, &sink, err);
}

static int make_folder_of(const char *path, struct dtr_error *err)
{
    char folder[256];
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path || (size_t)(slash - path) >= sizeof(folder))
        return DTR_OK;
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = '\0';
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return dtr_error_set(err, DTR_EIO, DTR_RETRY_NEVER, "cannot make %s: %s", folder, strerror(errno));
    return DTR_OK;
}

static int open_tls(struct dtr_daemon *daemon, struct dtr_error *err)
{
    const struct dtr_daemon_config *config = daemon->config;
    const char *const callers[] = {config->upload.server.tls.ca_cert, config->upload.server.tls.cert,
                                   config->upload.server.tls.key};
    const char *const parents[] = {config->upload.client.tls.ca_cert, config->upload.client.tls.cert,
                                   config->upload.client.tls.key};
    const char *const schedulers[] = {config->scheduler.tls.ca_cert, config->scheduler.tls.cert,
                                      config->scheduler.tls.key};
    uint64_t look_ms = config->dynconfig.refresh_interval_ms;
    int rc = dtr_tls_open(daemon->parts.control, DTR_TLS_SERVER, "upload.server", callers, look_ms,
                          &daemon->callers_tls, err);
    if (rc == DTR_OK)
        rc = dtr_tls_open(daemon->parts.control, DTR_TLS_CLIENT, "upload.client", parents, look_ms,
                          &daemon->parents_tls, err);
    if (rc == DTR_OK)
        rc = dtr_tls_open(daemon->parts.control, DTR_TLS_CLIENT, "scheduler", schedulers, look_ms,
                          &daemon->schedulers_tls, err);
    return rc;
}

static int open_rpc(struct dtr_daemon *daemon, struct dtr_error *err)
{
    const struct dtr_daemon_config *config = daemon->config;
    const char *any = config->network.enable_ipv6 ? "::" : "0.0.0.0";
    const char *path = config->download.server.socket_path;
    struct dtr_addr peers, local;
    int rc = dtr_addr_ip(config->upload.server.listen.ip ? config->upload.server.listen.ip : any,
                         (uint16_t)config->upload.server.listen.port, &peers, err);
    if (rc == DTR_OK)
        rc = dtr_addr_unix(path, &local, err);
    if (rc == DTR_OK)
        rc = make_folder_of(path, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_table_new(&daemon->peers, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_table_new(&daemon->local, err);
    if (rc == DTR_OK)
        settings_limit_calls(daemon);
    if (rc == DTR_OK)
        rc = upload_serve(daemon, daemon->peers, daemon->local, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_health_new(&daemon->health, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_health_serve(daemon->health, daemon->peers, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_health_serve(daemon->health, daemon->local, err);
    static const char *const services[] = {"", "dfdaemon.v2.DfdaemonUpload", "dfdaemon.v2.DfdaemonDownload"};
    for (size_t i = 0; i < 3 && rc == DTR_OK; i++)
        rc = dtr_rpc_health_set(daemon->health, services[i], true, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_server_new(daemon->parts.control, &upload_limits, &daemon->server, err);
    if (rc == DTR_OK) {
        dtr_rpc_server_secure(daemon->server, daemon->callers_tls);
        rc = dtr_rpc_server_listen(daemon->server, &peers, daemon->peers, &peers, err);
    }
    daemon->ports.peers = dtr_addr_port(&peers);
    if (rc == DTR_OK)
        rc = dtr_rpc_server_listen(daemon->server, &local, daemon->local, NULL, err);
    return rc;
}

/* Somebody names the schedulers while it runs. */
static int follow_schedulers(struct dtr_daemon *daemon, struct dtr_error *err)
{
    const char *file = daemon->parts.dynconfig;
    if (daemon->config->manager.addrs.count > 0)
        return managed_new(daemon, &daemon->managed, err);
    return file ? dynconfig_new(daemon, file, &daemon->dynconfig, err) : DTR_OK;
}

static int check_hostname(const char *name, struct dtr_error *err)
{
    size_t most = sizeof(((struct dtr_daemon *)NULL)->hostname) - 1, length = name ? strlen(name) : 0;
    if (length <= most)
        return DTR_OK;
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                         "host.hostname has %zu bytes; allowed are at most %zu", length, most);
}

int dtr_daemon_prepare(const struct dtr_daemon_config *config, struct dtr_daemon_settings **ret_settings,
                       struct dtr_error *err)
{
    int rc = check_hostname(config->host.hostname, err);
    return rc == DTR_OK ? settings_new(config, ret_settings, err) : rc;
}

void dtr_daemon_take(struct dtr_daemon *daemon, struct dtr_daemon_settings *settings)
{
    struct dtr_daemon_settings *old = settings_hold(daemon);
    settings_swap(daemon, settings);
    settings_apply(daemon);
    settings_drop(old); /* the tasks have let go of its texts */
}

void dtr_daemon_forget(struct dtr_daemon_settings *settings)
{
    settings_drop(settings);
}

int dtr_daemon_check(const struct dtr_daemon_config *config, struct dtr_error *err)
{
    struct dtr_daemon_settings *settings = NULL;
    int rc = dtr_daemon_prepare(config, &settings, err);
    settings_drop(settings);
    return rc;
}

int dtr_daemon_new(const struct dtr_daemon_parts *parts, struct dtr_daemon **ret_daemon,
                   struct dtr_error *err)
{
    struct dtr_daemon *daemon = calloc(1, sizeof(*daemon));
    if (!daemon)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the daemon");
    daemon->parts = *parts;
    daemon->config = parts->config;
    (void)pthread_mutex_init(&daemon->settings_lock, NULL);
    settings_pace(daemon);
    dtr_host_pace(&daemon->limits.download);
    dtr_host_serve(upload_ask, upload_cancel);
    int rc = take_offers(daemon, err);
    if (rc == DTR_OK)
        rc = dtr_daemon_prepare(daemon->config, &daemon->settings, err);
    if (rc == DTR_OK)
        rc = name_host(daemon, err);
    if (rc == DTR_OK)
        rc = make_tasks(daemon, err);
    if (rc == DTR_OK)
        rc = scan(daemon, err);
    if (rc == DTR_OK)
        rc = upload_new(daemon, &daemon->upload, err);
    if (rc == DTR_OK)
        rc = proxy_new(daemon, &daemon->proxy, err);
    if (rc == DTR_OK)
        rc = open_tls(daemon, err);
    if (rc == DTR_OK)
        rc = open_rpc(daemon, err);
    if (rc == DTR_OK)
        rc = talk_new(daemon, &daemon->talk, err);
    if (rc == DTR_OK && parts->scheduler_count == 0)
        rc = follow_schedulers(daemon, err);
    if (rc == DTR_OK)
        rc = gauges_new(daemon, &daemon->gauges, err);
    if (rc == DTR_OK)
        rc = gc_new(daemon, &daemon->gc, err);
    /* On an error the process ends; what was opened goes with it. */
    if (rc == DTR_OK) {
        atomic_store(&daemon->serving, true);
        *ret_daemon = daemon;
    }
    return rc;
}

/* --- the end, one part after the other
 * ------------------------------------------------------------------------- */

struct ending {
    struct dtr_daemon *daemon;
    int serving; /* of proxy, uploads and the manager's questions, those that have not ended */
    void (*stopped)(void *context);
    void *context;
};

static void after_upload(void *context)
{
    struct ending *ending = context;
    struct dtr_daemon *daemon = ending->daemon;
    void (*stopped)(void *) = ending->stopped;
    void *stopped_context = ending->context;
    dtr_rpc_table_free(daemon->peers);
    dtr_rpc_table_free(daemon->local);
    dtr_rpc_health_free(daemon->health);
    dtr_tls_drop(daemon->callers_tls);
    dtr_tls_drop(daemon->parents_tls);
    dtr_tls_drop(daemon->schedulers_tls);
    free(ending);
    stopped(stopped_context);
}

static void after_server(void *context)
{
    struct ending *ending = context;
    upload_end(ending->daemon->upload, after_upload, ending);
}

static void after_tasks(void *context)
{
    struct ending *ending = context;
    dtr_rpc_server_stop(ending->daemon->server, 100, after_server, ending);
}

static void after_talk(void *context)
{
    struct ending *ending = context;
    dtr_tasks_close(ending->daemon->tasks, after_tasks, ending);
}

static void after_serving(void *context)
{
    struct ending *ending = context;
    if (--ending->serving == 0)
        talk_close(ending->daemon->talk, after_talk, ending);
}

void dtr_daemon_stop(struct dtr_daemon *daemon, uint64_t limit_ms, void (*stopped)(void *context),
                     void *context)
{
    struct ending *ending = calloc(1, sizeof(*ending));
    atomic_store(&daemon->serving, false);
    dynconfig_close(daemon->dynconfig);
    if (!ending) {
        stopped(context);
        return;
    }
    *ending = (struct ending){.daemon = daemon, .serving = 3, .stopped = stopped, .context = context};
    gauges_close(daemon->gauges);
    gc_close(daemon->gc);
    upload_stop(daemon->upload, limit_ms, after_serving, ending);
    proxy_close(daemon->proxy, limit_ms, after_serving, ending);
    managed_close(daemon->managed, after_serving, ending);
    daemon->managed = NULL;
}

void dtr_daemon_free(struct dtr_daemon *daemon)
{
    if (!daemon)
        return;
    dtr_host_pace(NULL);
    upload_free(daemon->upload);
    settings_swap(daemon, NULL);
    blocklist_free(daemon->blocklist);
    (void)pthread_mutex_destroy(&daemon->settings_lock);
    free(daemon);
}

const struct dtr_daemon_ports *dtr_daemon_ports(const struct dtr_daemon *daemon)
{
    return &daemon->ports;
}

bool dtr_daemon_healthy(const struct dtr_daemon *daemon)
{
    return atomic_load(&daemon->serving);
}
