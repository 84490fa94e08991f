/* The parts of the manager, and what it sees to by itself; see manager.h. */
#include "core/manager/manager.h"

#include "core/loop/pool.h"
#include "core/manager/fleet/news.h"
#include "core/manager/grpc/grpc.h"
#include "core/manager/jobs/jobs.h"
#include "core/manager/rest/rest.h"
#include "core/manager/upkeep/upkeep.h"
#include "core/obs/build.h"
#include "core/obs/log.h"
#include "core/obs/metric.h"

#include <stdlib.h>
#include <string.h>

enum {
    WORKERS = 8, /* for schedulers and daemons, and as many for people: neither waits for the others */
    WAITING_MOST = 4096, /* jobs, of each */
    SYNC_TIMEOUT_MS = 600000,
    SYNC_BATCH = 500,
};

struct dtr_manager {
    struct dtr_loop *control;
    struct dtr_pool *pool, *rest_pool;
    struct store *store;
    struct share *share;
    struct fleet_view *view;
    struct news *news; /* NULL: there are no others */
    struct ranker *ranker;
    struct grpc *grpc;
    struct rest *rest;
    struct jobs *jobs;
    struct upkeep *upkeep;
    bool upkeep_over;
    bool first_rows; /* are to be made */
    bool complained; /* of first rows that cannot be made */
    void (*closed)(void *context);
    void *context;
};

/* --- upkeep ----------------------------------------------------------------------------------------------
 */

/* A database that is away at the start gets them when it comes. */
static int make_first_rows(struct dtr_manager *manager, struct dtr_error *err)
{
    int rc = manager->first_rows ? rest_seed(manager->rest, err) : DTR_OK;
    manager->first_rows = manager->first_rows && rc != DTR_OK;
    return rc;
}

static void on_round(void *context)
{
    struct dtr_manager *manager = context;
    struct dtr_error err;
    int rc = make_first_rows(manager, &err);
    bool bad = rc != DTR_OK && rc != DTR_EUNAVAILABLE;
    if (bad && !manager->complained)
        dtr_log(DTR_LOG_ERROR, NULL, "the first rows of the database are not there yet: %s", err.text);
    manager->complained = bad;
    ranker_look(manager->ranker);
}

static int make_upkeep(struct dtr_manager *manager, const struct dtr_manager_options *options,
                       struct dtr_error *err)
{
    const struct upkeep_options upkeep = {.loop = manager->control,
                                          .pool = manager->pool,
                                          .store = manager->store,
                                          .view = manager->view,
                                          .sync_every_ms = options->jobs.sync_every_ms,
                                          .round = on_round,
                                          .context = manager};
    return upkeep_new(&upkeep, &manager->upkeep, err);
}

/* --- life ------------------------------------------------------------------------------------------------
 */

static void free_manager(struct dtr_manager *manager)
{
    dtr_pool_free(manager->pool);
    dtr_pool_free(manager->rest_pool);
    jobs_free(manager->jobs);
    upkeep_free(manager->upkeep);
    fleet_view_free(manager->view);
    share_free(manager->share);
    ranker_free(manager->ranker);
    store_free(manager->store);
    free(manager);
}

static void on_changed(void *context, const char *table)
{
    struct dtr_manager *manager = context;
    if (strcmp(table, "jobs") == 0)
        jobs_wake(manager->jobs);
}

/* --- jobs ------------------------------------------------------------------------------------------------
 */

static bool hears(void *context, const struct dtr_addr *addr)
{
    return grpc_hears(((struct dtr_manager *)context)->grpc, addr);
}

static int make_jobs(struct dtr_manager *manager, const struct dtr_manager_options *options,
                     struct dtr_error *err)
{
    const struct jobs_options jobs = {
        .loop = manager->control,
        .pool = manager->pool,
        .store = manager->store,
        .tls = options->jobs.tls,
        .trust = {options->jobs.chain, options->jobs.chain_count, options->jobs.insecure},
        .hears = hears,
        .context = manager,
        .sync_every_ms = options->jobs.sync_every_ms,
        .sync_timeout_ms = options->jobs.sync_timeout_ms ? options->jobs.sync_timeout_ms : SYNC_TIMEOUT_MS,
        .sync_batch = options->jobs.sync_batch ? options->jobs.sync_batch : SYNC_BATCH};
    return jobs_new(&jobs, &manager->jobs, err);
}

static int make_rest(struct dtr_manager *manager, const struct dtr_manager_options *options,
                     struct dtr_error *err)
{
    const struct rest_options rest = {.loop = manager->control,
                                      .pool = manager->rest_pool,
                                      .store = manager->store,
                                      .share = manager->share,
                                      .view = manager->view,
                                      .ranker = manager->ranker,
                                      .jobs = manager->jobs,
                                      .jwt_realm = options->rest.jwt_realm,
                                      .jwt_key = options->rest.jwt_key,
                                      .jwt_timeout_s = options->rest.jwt_timeout_s,
                                      .jwt_max_refresh_s = options->rest.jwt_max_refresh_s,
                                      .root_password = options->rest.root_password,
                                      .token = options->rest.token,
                                      .secure = options->rest.secure,
                                      .changed = on_changed,
                                      .context = manager};
    int rc = rest_new(&rest, &manager->rest, err);
    if (rc != DTR_OK)
        return rc;
    manager->first_rows = options->first_rows;
    rc = make_first_rows(manager, err);
    return rc == DTR_EUNAVAILABLE ? DTR_OK : rc;
}

static int check_database(struct dtr_manager *manager, struct dtr_error *err)
{
    int rc = store_ready(manager->store, err);
    return rc == DTR_EUNAVAILABLE ? DTR_OK : rc; /* which was logged */
}

static int make_news(struct dtr_manager *manager, const struct dtr_manager_options *options,
                     struct dtr_error *err)
{
    const struct news_options news = {.loop = manager->control,
                                      .pool = manager->pool,
                                      .share = manager->share,
                                      .view = manager->view,
                                      .ttl_ms = options->cache.ttl_ms};
    return options->cache.others ? news_new(&news, &manager->news, err) : DTR_OK;
}

static int make_parts(struct dtr_manager *manager, const struct dtr_manager_options *options,
                      struct dtr_error *err)
{
    const struct store_options store = {options->database.ops, options->database.instance,
                                        options->database.migrate};
    int rc = store_new(&store, &manager->store, err);
    if (rc == DTR_OK)
        rc = check_database(manager, err);
    if (rc == DTR_OK)
        rc = !options->cache.ops
                 ? DTR_OK
                 : share_new(options->cache.ops, options->cache.instance, &manager->share, err);
    if (rc == DTR_OK)
        rc = fleet_view_new(manager->store, &manager->view, err);
    if (rc == DTR_OK)
        rc = ranker_new(options->algorithm, &manager->ranker, err);
    if (rc == DTR_OK)
        rc = dtr_pool_new(options->workers ? options->workers : WORKERS, WAITING_MOST, &manager->pool, err);
    if (rc == DTR_OK)
        rc = dtr_pool_new(WORKERS, WAITING_MOST, &manager->rest_pool, err);
    if (rc == DTR_OK)
        rc = make_upkeep(manager, options, err);
    if (rc == DTR_OK)
        rc = make_jobs(manager, options, err);
    if (rc == DTR_OK)
        rc = make_rest(manager, options, err);
    const struct grpc_options grpc = {.control = manager->control,
                                      .pool = manager->pool,
                                      .store = manager->store,
                                      .view = manager->view,
                                      .ranker = manager->ranker};
    if (rc == DTR_OK)
        rc = grpc_new(&grpc, &manager->grpc, err);
    return rc == DTR_OK ? make_news(manager, options, err) : rc;
}

static void say_version(void)
{
    char platform[DTR_METRIC_PLATFORM], major[12] = "", minor[12] = "";
    (void)sscanf(DTR_VERSION, "%11[0-9].%11[0-9]", major, minor);
    dtr_metric_set(DTR_MANAGER_VERSION,
                   DTR_LABELS(major, minor, DTR_VERSION, dtr_build_commit(), dtr_metric_platform(platform),
                              dtr_build_time(), "", "", ""),
                   1);
}

int dtr_manager_new(struct dtr_loop *control, const struct dtr_manager_options *options,
                    struct dtr_manager **ret_manager, struct dtr_error *err)
{
    struct dtr_manager *manager = calloc(1, sizeof(*manager));
    if (!manager)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the manager");
    manager->control = control;
    int rc = make_parts(manager, options, err);
    if (rc != DTR_OK) {
        free_manager(manager);
        return rc;
    }
    say_version();
    ranker_say(manager->ranker);
    upkeep_begin(manager->upkeep);
    *ret_manager = manager;
    return DTR_OK;
}

/* --- another configuration -------------------------------------------------------------------------------
 */

/* What was prepared is a ranker of its own. */
int dtr_manager_prepare(const char *algorithm, struct dtr_manager_policy **ret_policy, struct dtr_error *err)
{
    struct ranker *ranker = NULL;
    int rc = ranker_new(algorithm, &ranker, err);
    *ret_policy = (struct dtr_manager_policy *)ranker;
    return rc;
}

void dtr_manager_forget(struct dtr_manager_policy *policy)
{
    ranker_free((struct ranker *)policy);
}

int dtr_manager_check(const char *algorithm, struct dtr_error *err)
{
    struct dtr_manager_policy *policy = NULL;
    int rc = dtr_manager_prepare(algorithm, &policy, err);
    dtr_manager_forget(policy);
    return rc;
}

void dtr_manager_take(struct dtr_manager *manager, struct dtr_manager_policy *policy)
{
    ranker_take(manager->ranker, (struct ranker *)policy);
}

void dtr_manager_set_sessions(struct dtr_manager *manager, uint64_t timeout_s, uint64_t max_refresh_s)
{
    rest_set_sessions(manager->rest, timeout_s, max_refresh_s);
}

/* --- serving ---------------------------------------------------------------------------------------------
 */

int dtr_manager_serve(struct dtr_manager *manager, struct dtr_rpc_table *table, struct dtr_error *err)
{
    return grpc_serve(manager->grpc, table, err);
}

void dtr_manager_handle(void *manager, struct dtr_http_exchange *exchange,
                        const struct dtr_http_request *request)
{
    rest_handle(((struct dtr_manager *)manager)->rest, exchange, request);
}

void dtr_manager_leave(struct dtr_manager *manager)
{
    grpc_leave(manager->grpc);
    jobs_leave(manager->jobs);
}

static void end_if_done(struct dtr_manager *manager)
{
    if (manager->grpc || manager->rest || manager->jobs || manager->news || !manager->upkeep_over)
        return;
    void (*closed)(void *) = manager->closed;
    void *context = manager->context;
    free_manager(manager);
    closed(context);
}

static void after_grpc(void *context)
{
    struct dtr_manager *manager = context;
    manager->grpc = NULL;
    end_if_done(manager);
}

static void after_jobs(void *context)
{
    struct dtr_manager *manager = context;
    manager->jobs = NULL;
    if (manager->grpc)
        grpc_close(manager->grpc, after_grpc, manager);
    end_if_done(manager);
}

/* The API wakes it, and it asks the service who is alive: so one after the other. */
static void after_rest(void *context)
{
    struct dtr_manager *manager = context;
    manager->rest = NULL;
    jobs_close(manager->jobs, after_jobs, manager);
}

static void after_news(void *context)
{
    struct dtr_manager *manager = context;
    manager->news = NULL;
    end_if_done(manager);
}

static void after_upkeep(void *context)
{
    struct dtr_manager *manager = context;
    manager->upkeep_over = true;
    end_if_done(manager);
}

void dtr_manager_close(struct dtr_manager *manager, void (*closed)(void *context), void *context)
{
    manager->closed = closed;
    manager->context = context;
    if (manager->news)
        news_close(manager->news, after_news, manager);
    upkeep_close(manager->upkeep, after_upkeep, manager);
    rest_close(manager->rest, after_rest, manager);
}
