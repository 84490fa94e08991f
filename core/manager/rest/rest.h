/* The manager's REST API.
 *
 * A request's head and body come in on the manager's loop; then one job on the worker pool finds out who
 * asks, whether they may, and whether what they say is right, runs the handler of the route and makes the
 * answer; the loop sends it. Who goes away meanwhile does no harm: the work is done, the answer is dropped.
 */
#ifndef DTR_MANAGER_REST_H
#define DTR_MANAGER_REST_H

#include "core/http/server.h"
#include "core/loop/pool.h"
#include "core/manager/share/share.h"
#include "core/manager/store/store.h"

struct rest;
struct fleet_view;
struct jobs;
struct ranker;

struct rest_options {
    struct dtr_loop *loop;
    struct dtr_pool *pool;
    struct store *store;
    struct share *share;     /* what managers share; NULL: nothing. It outlives the API */
    struct fleet_view *view; /* who asks which cluster suits a peer is answered from it, by the ranker */
    struct ranker *ranker;
    struct jobs *jobs;          /* that runs what is asked for; NULL: nobody does. It outlives the API */
    const char *jwt_key;        /* NULL or "": made once and kept in the database */
    const char *jwt_realm;      /* told to who is not signed in; NULL: "Dragonfly" */
    uint64_t jwt_timeout_s;     /* a session token's life */
    uint64_t jwt_max_refresh_s; /* after sign-in, how long it can be made anew without a password */
    const char *root_password;  /* the first one of root, 8 to 20 characters; NULL: "dragonfly" */
    const char *token;          /* a personal access token "default" for root to have; NULL: none */
    bool secure;                /* the listener has TLS: the cookie goes nowhere else */
    /* Rows of `table` ("scheduler_clusters", "applications", ...) were changed and committed. On a worker
     * thread. NULL: nobody wants to know. */
    void (*changed)(void *context, const char *table);
    void *context;
};

/* DTR_EINVALID when the table of routes has a mistake, such as a route that does not say whom it is for.
 * `options` and its texts are copied. On the loop's thread or before it runs; the database may be away. */
int rest_new(const struct rest_options *options, struct rest **ret_rest, struct dtr_error *err);
/* Makes what the first start makes (a cluster "cluster-1", the user root, roles, the setting "gc"), once in
 * the life of a database; afterwards the roles of root and the options' token are seen to. Logs a warning
 * while root has the default password. Blocks: on a worker thread, or before the loop runs. Requests call it
 * as well until it has succeeded once. `err` may be NULL. */
int rest_seed(struct rest *rest, struct dtr_error *err);
/* Whether root still has the default password. Blocks. */
int rest_default_password(struct store *store, bool *ret_is, struct dtr_error *err);
/* Other lives of sessions than the options', from now on. Any thread. */
void rest_set_sessions(struct rest *rest, uint64_t jwt_timeout_s, uint64_t jwt_max_refresh_s);
/* A dtr_http_handle; `rest` is the struct rest. */
void rest_handle(void *rest, struct dtr_http_exchange *exchange, const struct dtr_http_request *request);
/* After the HTTP server has stopped: waits for the jobs that run and writes what the audit log waits for;
 * then `closed` (or NULL) comes on the loop, later than this call, and all is freed. */
void rest_close(struct rest *rest, void (*closed)(void *context), void *context);

#endif
