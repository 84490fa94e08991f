/* The manager role: which clusters there are, who belongs to them, and what they are to do.
 *
 * It answers schedulers and daemons by gRPC (grpc/) and people and scripts by REST (rest/) from what it keeps
 * in a database (store/), and, for as long as it does no harm when it is lost, in a cache (share/). One
 * control loop, on which everything here is called, and worker threads of its
 * own, on which everything that blocks is done. Not for: reading configuration files, loading modules,
 * opening the ports (the caller owns the servers). */
#ifndef DTR_MANAGER_MANAGER_H
#define DTR_MANAGER_MANAGER_H

#include "core/http/server.h"
#include "core/rpc/rpc.h"
#include <darter/cache.h>
#include <darter/database.h>

struct dtr_manager;

struct dtr_manager_options {
    struct {
        const struct dtr_database_ops *ops; /* a module's; it outlives the manager */
        void *instance;
        bool migrate; /* bring older tables up to date; false: refuse them */
    } database;
    struct {
        const struct dtr_cache_ops *ops; /* a module's; it outlives the manager; NULL: none */
        void *instance;
        bool others;     /* it is shared with other managers */
        uint64_t ttl_ms; /* of what they are told */
    } cache;
    /* scope.algorithm: the script that ranks clusters for a peer. "default", a script's name or an absolute
     * path; copied. It is looked at while the manager runs. NULL: Dragonfly's formula. */
    const char *algorithm;
    struct {
        const char *jwt_realm, *jwt_key; /* NULL: "Dragonfly"; NULL: made once and kept in the database */
        uint64_t jwt_timeout_s, jwt_max_refresh_s;
        const char *root_password, *token; /* of the first start, see rest/rest.h; NULL: the usual, none */
        bool secure;                       /* the listener has TLS */
    } rest;
    struct {
        struct dtr_tls *tls;              /* towards schedulers; it outlives the manager; NULL: plain */
        const ProtobufCBinaryData *chain; /* authorities of registries, DER; they outlive the manager */
        size_t chain_count;
        bool insecure; /* any certificate of a registry will do */
        /* job.syncPeers; 0: only when it is asked for; else as in Dragonfly's. */
        uint64_t sync_every_ms, sync_timeout_ms;
        size_t sync_batch;
    } jobs;
    unsigned workers; /* threads for what blocks; 0: 8 */
    bool first_rows;  /* a new database gets its first cluster, root and so on */
};

/* Whether it would start with this scope.algorithm. The error begins with the key. Any thread. */
int dtr_manager_check(const char *algorithm, struct dtr_error *err);
/* The same, and keeps the script for dtr_manager_take() or dtr_manager_forget(). */
struct dtr_manager_policy;
int dtr_manager_prepare(const char *algorithm, struct dtr_manager_policy **ret_policy, struct dtr_error *err);
/* NULL is fine. Any thread. */
void dtr_manager_forget(struct dtr_manager_policy *policy);
/* Before the loop runs. A database that cannot be used by this program is an error; one that is away is
 * waited for: all calls fail with UNAVAILABLE meanwhile. So is a cache; what needs it fails. */
int dtr_manager_new(struct dtr_loop *control, const struct dtr_manager_options *options,
                    struct dtr_manager **ret_manager, struct dtr_error *err);
/* Adds manager.v2.Manager to a table; servers that use the table go before the manager does. */
int dtr_manager_serve(struct dtr_manager *manager, struct dtr_rpc_table *table, struct dtr_error *err);
/* A dtr_http_handle for the REST API; `manager` is the struct dtr_manager. The HTTP server goes before it
 * too. */
void dtr_manager_handle(void *manager, struct dtr_http_exchange *exchange,
                        const struct dtr_http_request *request);
/* Another scope.algorithm: its script ranks from now on. When it is the one in charge, nothing changes.
 * Cannot fail. */
void dtr_manager_take(struct dtr_manager *manager, struct dtr_manager_policy *policy);
/* Other lives of sessions, for those that begin or are prolonged from now on; as in the options. */
void dtr_manager_set_sessions(struct dtr_manager *manager, uint64_t timeout_s, uint64_t max_refresh_s);
/* Before its servers stop: what ends from now on does so because this process ends. */
void dtr_manager_leave(struct dtr_manager *manager);
/* `closed` comes later, when it is gone. */
void dtr_manager_close(struct dtr_manager *manager, void (*closed)(void *context), void *context);

#endif
