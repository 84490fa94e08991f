/* The roles with all they need, as the commands put them into a process: `daemon` and `scheduler` one, `up`
 * several. A role is opened and freed on the main thread; it lives on its control loop in between. What was
 * opened before an error goes with the process. */
#ifndef DTR_MAIN_ROLES_H
#define DTR_MAIN_ROLES_H

#include "core/conf/follow.h"
#include "core/daemon/daemon.h"
#include "core/main/serve.h"
#include "core/manager/manager.h"
#include "core/module/module.h"
#include "core/net/tls.h"
#include "core/rpc/certificates.h"
#include "core/scheduler/registration.h"
#include "core/scheduler/scheduler.h"

enum { DATA_THREADS = 4 };

struct daemon_role {
    struct dtr_loop *control, *data[DATA_THREADS];
    size_t data_count;
    struct dtr_pool *pool, *files;
    struct dtr_modules *modules;
    struct dtr_daemon *daemon;
};

/* Who the daemon's schedulers are: some "ip:port", or, without, those of a file. */
struct daemon_schedulers {
    const char *const *list;
    size_t count;
    const char *dynconfig; /* path of dynconfig.yaml */
};

/* The address of one of the daemon's listeners; `ip` NULL: all interfaces. */
int daemon_listener(const struct dtr_daemon_config *config, const char *ip, int64_t port,
                    struct dtr_addr *ret_addr, struct dtr_error *err);
/* Everything but its pages, which are added to `pages`. `config` and `schedulers` outlive the role. The data
 * loops run afterwards, the control loop is the caller's to run. */
int daemon_role_open(struct daemon_role *role, const struct dtr_daemon_config *config,
                     const struct daemon_schedulers *schedulers, struct serve_pages *pages,
                     struct dtr_error *err);
/* On the control loop, not after daemon_role_stop(): the configuration has other values now, and the settings
 * are what was made of them. */
void daemon_role_take(struct daemon_role *role, struct dtr_daemon_settings *settings);
/* On the control loop; so is `stopped`, later. */
void daemon_role_stop(struct daemon_role *role, void (*stopped)(void *context), void *context);
/* After the control loop has ended. */
void daemon_role_free(struct daemon_role *role);

struct scheduler_role {
    struct dtr_loop *control;
    const struct dtr_scheduler_config *config;
    int64_t candidate_parent_limit, filter_parent_limit; /* as the manager or dynconfig.yaml said last */
    struct registration *registration;                   /* at a manager; NULL: none is configured */
    struct dtr_follow *dynconfig;                        /* NULL: there is none, or there is a manager */
    bool had_dynconfig;                                  /* it was there and good */
    bool preheats;                                       /* jobs are taken, and registries can be asked */
    struct dtr_scheduler *scheduler;
    struct dtr_rpc_table *table;
    struct dtr_rpc_server *server;
    struct dtr_rpc_health *health;
    struct dtr_tls *callers_tls, *seeds_tls, *peers_tls; /* NULL: plain */
    struct dtr_modules *modules;                         /* origins; NULL: none could be had */
    void (*stopped)(void *context);
    void *context;
};

/* The addresses of the scheduler's listeners; *ret_metrics has length 0 when there is none. The error begins
 * with the key. */
int scheduler_listeners(const struct dtr_scheduler_config *config, struct dtr_addr *ret_server,
                        struct dtr_addr *ret_metrics, struct dtr_error *err);
/* As daemon_role_open(), for the scheduler; `config` outlives the role. The limits and
 * applications of the manager that it names, or else of the file `dynconfig` (or NULL), are taken over
 * whenever they change. */
int scheduler_role_open(struct scheduler_role *role, const struct dtr_scheduler_config *config,
                        const char *dynconfig, struct serve_pages *pages, struct dtr_error *err);
/* As daemon_role_take(), with the policy that the configuration names now. */
void scheduler_role_take(struct scheduler_role *role, struct dtr_scheduler_policy *policy);
void scheduler_role_stop(struct scheduler_role *role, void (*stopped)(void *context), void *context);
void scheduler_role_free(struct scheduler_role *role);

struct manager_role {
    unsigned workers; /* set before the open: threads for what blocks; 0: as many as a manager has */
    struct dtr_loop *control;
    const struct dtr_manager_config *config;
    struct dtr_modules *modules;
    struct dtr_manager *manager;
    struct dtr_rpc_table *table;
    struct dtr_rpc_server *server;
    struct dtr_rpc_health *health;
    struct dtr_http_server *http;
    struct dtr_tls *callers_tls, *browsers_tls, *schedulers_tls; /* NULL: plain */
    struct dtr_certificates registries;
    void (*stopped)(void *context);
    void *context;
};

/* The addresses of the manager's listeners; `metrics` has length 0 when there is none. The error begins with
 * the key. */
struct manager_addrs {
    struct dtr_addr grpc, rest, metrics;
};
int manager_listeners(const struct dtr_manager_config *config, struct manager_addrs *ret_addrs,
                      struct dtr_error *err);
/* Makes the folder of the manager's database where it is ours to choose (paths_data()). */
int manager_role_place(const struct dtr_manager_config *config, struct dtr_error *err);
/* As daemon_role_open(), for the manager; `config` outlives the role. */
int manager_role_open(struct manager_role *role, const struct dtr_manager_config *config,
                      struct serve_pages *pages, struct dtr_error *err);
/* As daemon_role_take(), with the policy that the configuration names now. */
void manager_role_take(struct manager_role *role, struct dtr_manager_policy *policy);
void manager_role_stop(struct manager_role *role, void (*stopped)(void *context), void *context);
void manager_role_free(struct manager_role *role);

#endif
