/* The parts of the manager, and what it sees to by itself; see manager.h. */
#include "core/manager/manager.h"

#include "core/base/clock.h"
#include "core/loop/pool.h"
#include "core/manager/fleet/members.h"
#include "core/manager/grpc/grpc.h"
#include "core/manager/rest/rest.h"
#include "core/obs/build.h"
#include "core/obs/log.h"
#include "core/obs/metric.h"

#include <stdlib.h>

enum {
    WORKERS = 8,
    WAITING_MOST = 4096, /* jobs */
    UPKEEP_MS = 2000,    /* between two looks for members that have fallen silent, and for another policy */
    SILENCE_MS = 20000,  /* so long must the database have been there for silence to be theirs */
};

struct dtr_manager {
    struct dtr_loop *control;
    struct dtr_pool *pool;
    struct store *store;
    struct fleet_view *view;
    struct ranker *ranker;
    struct grpc *grpc;
    struct rest *rest;
    bool first_rows; /* are to be made */
    struct {
        struct dtr_job job;
        struct dtr_timer *timer;
        bool busy, news;
        bool complained;   /* of first rows that cannot be made */
        uint64_t since_ms; /* the database is there since then; 0: it is not */
        struct dtr_error err;
    } upkeep;
    bool closing;
    void (*closed)(void *context);
    void *context;
};

/* --- upkeep ----------------------------------------------------------------------------------------------
 */

static int expire(struct store_db *db, void *context, struct dtr_error *err)
{
    struct dtr_manager *manager = context;
    return member_expire(db, &manager->upkeep.news, err);
}

static int look(struct store_db *db, void *context, struct dtr_error *err)
{
    (void)context;
    return store_run(db, "SELECT 1", NULL, 0, NULL, err);
}

/* A database that is away at the start gets them when it comes. */
static int make_first_rows(struct dtr_manager *manager, struct dtr_error *err)
{
    int rc = manager->first_rows ? rest_seed(manager->rest, err) : DTR_OK;
    manager->first_rows = manager->first_rows && rc != DTR_OK;
    return rc;
}

static void upkeep_run(struct dtr_job *job)
{
    struct dtr_manager *manager = dtr_container(job, struct dtr_manager, upkeep.job);
    struct dtr_error err;
    int rc = make_first_rows(manager, &err);
    if (rc != DTR_OK && rc != DTR_EUNAVAILABLE && !manager->upkeep.complained)
        dtr_log(DTR_LOG_ERROR, NULL, "the first rows of the database are not there yet: %s", err.text);
    manager->upkeep.complained = rc != DTR_OK && rc != DTR_EUNAVAILABLE;
    uint64_t since_ms = manager->upkeep.since_ms;
    bool judges = since_ms > 0 && dtr_now_ms() - since_ms >= SILENCE_MS;
    manager->upkeep.news = false;
    manager->upkeep.err.code = judges ? store_do(manager->store, expire, manager, &manager->upkeep.err)
                                      : store_read(manager->store, look, NULL, &manager->upkeep.err);
    if (manager->upkeep.news)
        fleet_changed(manager->view);
    ranker_look(manager->ranker);
}

static void end_if_done(struct dtr_manager *manager);

static void upkeep_done(struct dtr_job *job)
{
    struct dtr_manager *manager = dtr_container(job, struct dtr_manager, upkeep.job);
    manager->upkeep.busy = false;
    if (manager->upkeep.err.code != DTR_OK)
        manager->upkeep.since_ms = 0;
    else if (manager->upkeep.since_ms == 0)
        manager->upkeep.since_ms = dtr_now_ms();
    if (manager->closing)
        end_if_done(manager);
    else
        dtr_timer_set(manager->upkeep.timer, UPKEEP_MS);
}

static void on_upkeep(void *context)
{
    struct dtr_manager *manager = context;
    manager->upkeep.job = (struct dtr_job){.loop = manager->control, .run = upkeep_run, .done = upkeep_done};
    manager->upkeep.busy = dtr_pool_submit(manager->pool, &manager->upkeep.job, NULL) == DTR_OK;
    if (!manager->upkeep.busy)
        dtr_timer_set(manager->upkeep.timer, UPKEEP_MS);
}

/* --- life ------------------------------------------------------------------------------------------------
 */

static void free_manager(struct dtr_manager *manager)
{
    dtr_timer_close(manager->upkeep.timer);
    dtr_pool_free(manager->pool);
    fleet_view_free(manager->view);
    ranker_free(manager->ranker);
    store_free(manager->store);
    free(manager);
}

static void on_changed(void *context, const char *table)
{
    struct dtr_manager *manager = context;
    (void)table;
    fleet_changed(manager->view);
}

static int make_rest(struct dtr_manager *manager, const struct dtr_manager_options *options,
                     struct dtr_error *err)
{
    const struct rest_options rest = {.loop = manager->control,
                                      .pool = manager->pool,
                                      .store = manager->store,
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

static int make_parts(struct dtr_manager *manager, const struct dtr_manager_options *options,
                      struct dtr_error *err)
{
    const struct store_options store = {options->database.ops, options->database.instance,
                                        options->database.migrate};
    int rc = store_new(&store, &manager->store, err);
    if (rc == DTR_OK)
        rc = check_database(manager, err);
    if (rc == DTR_OK)
        rc = fleet_view_new(manager->store, &manager->view, err);
    if (rc == DTR_OK)
        rc = ranker_new(options->algorithm, &manager->ranker, err);
    if (rc == DTR_OK)
        rc = dtr_pool_new(WORKERS, WAITING_MOST, &manager->pool, err);
    if (rc == DTR_OK)
        rc = dtr_timer_open(manager->control, on_upkeep, manager, &manager->upkeep.timer, err);
    if (rc == DTR_OK)
        rc = make_rest(manager, options, err);
    const struct grpc_options grpc = {.control = manager->control,
                                      .pool = manager->pool,
                                      .store = manager->store,
                                      .view = manager->view,
                                      .ranker = manager->ranker};
    return rc == DTR_OK ? grpc_new(&grpc, &manager->grpc, err) : rc;
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
    dtr_timer_set(manager->upkeep.timer, 0);
    *ret_manager = manager;
    return DTR_OK;
}

int dtr_manager_check(const char *algorithm, struct dtr_error *err)
{
    struct ranker *ranker = NULL;
    int rc = ranker_new(algorithm, &ranker, err);
    ranker_free(ranker);
    return rc;
}

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
}

static void end_if_done(struct dtr_manager *manager)
{
    if (manager->grpc || manager->rest || manager->upkeep.busy)
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

static void after_rest(void *context)
{
    struct dtr_manager *manager = context;
    manager->rest = NULL;
    end_if_done(manager);
}

void dtr_manager_close(struct dtr_manager *manager, void (*closed)(void *context), void *context)
{
    manager->closing = true;
    manager->closed = closed;
    manager->context = context;
    dtr_timer_set(manager->upkeep.timer, DTR_TIMER_OFF);
    grpc_close(manager->grpc, after_grpc, manager);
    rest_close(manager->rest, after_rest, manager);
}
