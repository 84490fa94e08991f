/* The daemon role: a node's peer, or a seed peer.
 *
 * It is made on the main thread with modules started, then lives on its control loop and data loops until
 * dtr_daemon_stop(). Listens on: gRPC for peers (4000), proxy (4001), Vortex (4005), the unix socket. Health
 * (4003) and metrics (4002) are routes that the caller puts on its own HTTP servers. */
#ifndef DTR_DAEMON_DAEMON_H
#define DTR_DAEMON_DAEMON_H

#include "core/conf/conf.h"
#include "core/loop/pool.h"
#include "core/module/module.h"

struct dtr_daemon;
struct dtr_daemon_settings;

/* What the daemon is made of; everything outlives it. */
struct dtr_daemon_parts {
    struct dtr_loop *control;
    struct dtr_loop *const *data; /* running or not yet */
    size_t data_count;
    struct dtr_pool *pool; /* hashes */
    struct dtr_pool
        *files; /* writes the files of local callers, and waits as long as their file systems do */
    const struct dtr_daemon_config *config; /* its owner changes it before dtr_daemon_take() only */
    const char *const *schedulers;          /* "ip:port" of each, as long as it runs */
    size_t scheduler_count;                 /* 0: those that the manager or dynconfig.yaml names */
    const char *dynconfig;       /* its path, read when no manager is configured; NULL: there is none */
    struct dtr_modules *modules; /* storage, transport and origin are started */
};

/* Whether a configuration can be carried out, as far as dtr_daemon_new() looks at it before it touches
 * anything: the host's name, rules, registry, authorities. The error begins with the key. Any thread. */
int dtr_daemon_check(const struct dtr_daemon_config *config, struct dtr_error *err);
/* The same, and keeps what is made of it for dtr_daemon_take() or dtr_daemon_forget(). Nothing points into
 * `config`. Any thread. */
int dtr_daemon_prepare(const struct dtr_daemon_config *config, struct dtr_daemon_settings **ret_settings,
                       struct dtr_error *err);
/* NULL is fine. Any thread. */
void dtr_daemon_forget(struct dtr_daemon_settings *settings);
/* On the control loop, not after dtr_daemon_stop(): goes by the configuration that the settings were made of.
 * parts.config has its values already, those of reloadable keys only. Pulls and requests under way end as
 * they began; rates count for them too. Cannot fail. */
void dtr_daemon_take(struct dtr_daemon *daemon, struct dtr_daemon_settings *settings);
/* Before the loops run, on the main thread: scans the store, binds the ports. */
int dtr_daemon_new(const struct dtr_daemon_parts *parts, struct dtr_daemon **ret_daemon,
                   struct dtr_error *err);
/* On the control loop: stops listening, lets running answers end within `limit_ms`, takes leave of the
 * schedulers. `stopped` comes on the control loop when nothing is left to do. */
void dtr_daemon_stop(struct dtr_daemon *daemon, uint64_t limit_ms, void (*stopped)(void *context),
                     void *context);
/* After it stopped and its loops have ended. NULL is fine. */
void dtr_daemon_free(struct dtr_daemon *daemon);
/* Where it listens: what was configured, or for port 0 what the kernel chose. Any thread. */
struct dtr_daemon_ports {
    uint16_t proxy, peers, pieces;
};
const struct dtr_daemon_ports *dtr_daemon_ports(const struct dtr_daemon *daemon);
/* Whether it serves: what /healthy answers. Any thread. */
bool dtr_daemon_healthy(const struct dtr_daemon *daemon);

#endif
