/* Making jobs; see jobs.h. */
#include "core/manager/rest/jobs.h"

#include "core/base/str.h"
#include "core/manager/jobs/distribution.h"
#include "core/manager/jobs/jobs.h"
#include "core/manager/jobs/rows.h"
#include "core/manager/rest/kinds_fields.h"
#include "core/manager/upkeep/runs.h"
#include "core/obs/metric.h"

#include <stdlib.h>
#include <string.h>

/* --- the resource --------------------------------------------------------------------------------------
 */

static const struct field an_id[] = {{.name = "", .kind = FIELD_NUMBER, .least = 1, .most = INT64_MAX}, {0}};
static const struct field anything[] = {{.name = "", .kind = FIELD_OBJECT}, {0}};

#define OTHERS(name_)                                                                                        \
    {                                                                                                        \
        .name = name_, .column = "", .kind = FIELD_LIST, .of = anything                                      \
    }
#define IDS(name_)                                                                                           \
    {                                                                                                        \
        .name = name_, .column = "", .kind = FIELD_LIST, .flags = F_CREATE | F_HIDDEN, .most = 1000,         \
        .of = an_id                                                                                          \
    }

static const struct field job_fields[] = {
    {.name = "task_id", .column = "group_id", .kind = FIELD_TEXT},
    TEXT("bio", F_EDIT, 1000),
    {.name = "type",
     .kind = FIELD_TEXT,
     .flags = F_CREATE | F_FILTER | F_NEEDED,
     .words = "preheat|get_task|delete_task|get_image_distribution|sync_peers|gc"},
    {.name = "state",
     .kind = FIELD_TEXT,
     .flags = F_FILTER,
     .words = "PENDING|RECEIVED|STARTED|RETRY|SUCCESS|FAILURE"},
    {.name = "args", .column = "args_json", .kind = FIELD_OBJECT, .flags = F_CREATE, .forms = job_arg_forms},
    {.name = "result", .column = "result_json", .kind = FIELD_OBJECT},
    USER_ID,
    IDS("scheduler_cluster_ids"),
    IDS("seed_peer_cluster_ids"),
    OTHERS("scheduler_clusters"),
    OTHERS("seed_peer_clusters"),
    {0},
};

static int dress(struct rest_call *call, struct store_db *db, json_t *row, struct dtr_error *err)
{
    const int64_t id = json_integer_value(json_object_get(row, "id"));
    json_t *clusters = NULL;
    (void)call;
    int rc = resource_rows(&kind_scheduler_cluster, db,
                           "id IN (SELECT scheduler_cluster_id FROM job_clusters WHERE job_id = ?)",
                           STORE_VALUES(STORE_NUMBER(id)), &clusters, err);
    if (rc != DTR_OK)
        return rc;
    bool ok = json_object_set_new(row, "scheduler_clusters", clusters) == 0 &&
              json_object_set_new(row, "seed_peer_clusters", json_array()) == 0;
    return ok ? DTR_OK : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for an answer");
}

enum { ROWS_IN_LISTS = 100 }; /* of one result: a page of a thousand jobs has to fit into an answer */

/* How many rows the results of a job's parts have. */
static size_t count_rows(const json_t *states)
{
    size_t i, j, rows = 0;
    json_t *state, *result, *value;
    const char *name;
    json_array_foreach(states, i, state)
    {
        json_array_foreach(json_object_get(state, "results"), j, result)
        {
            json_object_foreach(result, name, value) rows += json_array_size(value);
        }
    }
    return rows;
}

static void shorten(json_t *job)
{
    json_t *result = json_object_get(job, "result"), *states = json_object_get(result, "job_states"), *state;
    const size_t rows = count_rows(states);
    size_t i;
    if (rows <= ROWS_IN_LISTS)
        return;
    json_array_foreach(states, i, state)(void) json_object_set_new(state, "results", json_array());
    (void)json_object_set_new(result, "results_left_out", json_integer((json_int_t)rows));
}

/* Who runs it finds that it is gone. */
static int forget(struct rest_call *call, struct store_db *db, int64_t id, struct dtr_error *err)
{
    (void)call;
    return rows_forget(db, id, err);
}

const struct resource kind_job = {.name = "job",
                                  .table = "jobs",
                                  .fields = job_fields,
                                  .newest_first = true,
                                  .dress = dress,
                                  .shorten = shorten,
                                  .check_delete = forget};

/* --- whom it is for ------------------------------------------------------------------------------------
 */

struct order {
    struct rest_call *call;
    const json_t *values; /* of the body */
    struct job_new made;
    int64_t *clusters;
    unsigned *limits; /* job_rate_limit of each */
    int64_t id;
};

static bool is_named(const struct order *order, int64_t id)
{
    for (size_t i = 0; i < order->made.cluster_count; i++) {
        if (order->clusters[i] == id)
            return true;
    }
    return false;
}

static int take_named(struct order *order, const json_t *ids, struct dtr_error *err)
{
    order->clusters = calloc(json_array_size(ids) + 1, sizeof(*order->clusters));
    if (!order->clusters)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a job");
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const int64_t id = json_integer_value(json_array_get(ids, i));
        if (!is_named(order, id))
            order->clusters[order->made.cluster_count++] = id;
    }
    return DTR_OK;
}

static int take_usable(struct order *order, struct store_db *db, struct dtr_error *err)
{
    int rc = rows_usable(db, order->made.kind, &order->clusters, &order->made.cluster_count, err);
    if (rc == DTR_OK && order->made.cluster_count == 0)
        return rest_refuse(err, 503, "no cluster has an active scheduler%s that could do this",
                           order->made.kind == JOB_PREHEAT ? " with the feature preheat" : "");
    return rc;
}

static int read_limit(struct store_db *db, int64_t id, unsigned *ret_limit, struct dtr_error *err)
{
    char *config = NULL;
    int rc = store_string(db, "SELECT config_json FROM scheduler_clusters WHERE id = ?",
                          STORE_VALUES(STORE_NUMBER(id)), &config, err);
    if (rc == DTR_ENOT_FOUND)
        return rest_refuse(err, 422, "scheduler_cluster_ids: there is no cluster with the id %lld",
                           (long long)id);
    json_t *json = config ? json_loads(config, 0, NULL) : NULL;
    const json_int_t limit = json_integer_value(json_object_get(json, "job_rate_limit"));
    *ret_limit = limit > 0 && limit <= 1000000 ? (unsigned)limit : 10;
    json_decref(json);
    free(config);
    return rc;
}

static int find_user(const struct order *order, struct store_db *db, struct dtr_error *err)
{
    int rc = resource_must_be("users", "user", db, order->made.user_id, err);
    return rc == DTR_ENOT_FOUND ? rest_refuse(err, 422, "user_id: there is none with the id %lld",
                                              (long long)order->made.user_id)
                                : rc;
}

static int find_clusters(struct store_db *db, void *context, struct dtr_error *err)
{
    struct order *order = context;
    const json_t *ids = json_object_get(order->values, "scheduler_cluster_ids");
    int rc = find_user(order, db, err);
    if (rc == DTR_OK)
        rc = json_array_size(ids) > 0 ? take_named(order, ids, err) : take_usable(order, db, err);
    if (rc == DTR_OK) {
        order->limits = calloc(order->made.cluster_count + 1, sizeof(*order->limits));
        rc = order->limits ? DTR_OK
                           : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a job");
    }
    for (size_t i = 0; i < order->made.cluster_count && rc == DTR_OK; i++)
        rc = read_limit(db, order->clusters[i], &order->limits[i], err);
    return rc;
}

/* --- how fast ------------------------------------------------------------------------------------------
 */

enum { BUCKET = 48 };

static const char *bucket_of(const struct order *order, size_t at, char text[BUCKET])
{
    (void)snprintf(text, BUCKET, "jobs:%lld", (long long)order->clusters[at]);
    return text;
}

static int admit_one(const struct order *order, struct share *share, size_t at, struct dtr_error *err)
{
    char bucket[BUCKET];
    uint64_t wait_ms = 0;
    struct dtr_error why;
    if (share_admit(share, bucket_of(order, at, bucket), order->limits[at], &wait_ms, &why) != DTR_OK)
        return rest_refuse(err, 503, "how many jobs there are cannot be told: %.200s", why.text);
    if (wait_ms == 0)
        return DTR_OK;
    order->call->retry_after = (unsigned)((wait_ms + 999) / 1000);
    return rest_refuse(err, 429,
                       "cluster %lld takes %u jobs a second (job_rate_limit of its "
                       "scheduler_cluster_config): try again in %u s",
                       (long long)order->clusters[at], order->limits[at], order->call->retry_after);
}

/* What is not made after all counts for no cluster. */
static void give_back(const struct order *order, size_t count)
{
    struct share *share = rest_parts(order->call->rest)->options.share;
    char bucket[BUCKET];
    bool there = share != NULL;
    for (size_t i = 0; there && i < count; i++)
        there = share_give_back(share, bucket_of(order, i, bucket), NULL) == DTR_OK;
}

static int admit(const struct order *order, struct dtr_error *err)
{
    struct share *share = rest_parts(order->call->rest)->options.share;
    size_t asked = 0;
    int rc = DTR_OK;
    while (share && asked < order->made.cluster_count && rc == DTR_OK)
        rc = admit_one(order, share, asked++, err);
    if (rc != DTR_OK)
        give_back(order, asked);
    return rc;
}

/* --- answers -------------------------------------------------------------------------------------------
 */

static int answer_row(struct store_db *db, void *context, struct dtr_error *err)
{
    struct order *order = context;
    return resource_answer(order->call, db, order->id, err);
}

static const char *first_error(const json_t *job)
{
    const json_t *states = json_object_get(json_object_get(job, "result"), "job_states");
    for (size_t i = 0; i < json_array_size(states); i++) {
        const char *error = arg_text(json_array_get(states, i), "error");
        if (*error)
            return error;
    }
    return "";
}

static int answer_over(struct rest_call *call, const json_t *job, struct dtr_error *err)
{
    const char *state = arg_text(job, "state"), *error = first_error(job);
    const bool good = strcmp(state, "SUCCESS") == 0;
    json_t *found = NULL;
    if (!good && strcmp(state, "FAILURE") != 0)
        return rest_refuse(err, 503, "the manager stops; GET /api/v1/jobs/%lld for what came of it",
                           (long long)json_integer_value(json_object_get(job, "id")));
    if (strcmp(arg_text(job, "type"), "sync_peers") == 0)
        return good ? call_answer(call, json_string("OK"), err) : rest_refuse(err, 500, "%.250s", error);
    found = distribution_of(json_object_get(job, "result"));
    if (!found)
        return rest_refuse(err, 500, "%.250s", *error ? error : "no scheduler has answered");
    if (!good && dtr_http_value_ok(error) && !strchr(error, '"'))
        call_header(call, "Warning", "299 - \"this is not all: %.200s\"", error);
    return call_answer(call, found, err);
}

struct over {
    struct rest_call *call;
    int64_t id;
};

static int read_over(struct store_db *db, void *context, struct dtr_error *err)
{
    const struct over *over = context;
    json_t *job = NULL;
    int rc = resource_read(over->call, &kind_job, db, over->id, &job, err);
    if (rc == DTR_OK)
        rc = answer_over(over->call, job, err);
    json_decref(job);
    return rc;
}

static int resume(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    struct over over = {call, call->awaited};
    (void)db;
    return store_read(rest_parts(call->rest)->options.store, read_over, &over, err);
}

/* --- making --------------------------------------------------------------------------------------------
 */

static int insert(struct store_db *db, void *context, struct dtr_error *err)
{
    struct order *order = context;
    struct dtr_error why;
    int rc = DTR_OK;
    for (size_t i = 0; i < order->made.cluster_count && rc == DTR_OK; i++)
        rc = resource_must_be("scheduler_clusters", "cluster", db, order->clusters[i], err);
    if (rc != DTR_OK)
        return rc;
    rc = rows_insert(db, &order->made, &order->id, &why);
    if (rc == DTR_EEXISTS)
        return rest_refuse(err, 409, "%s", why.text);
    return rc == DTR_OK ? rc : dtr_error_set(err, rc, why.retry, "%s", why.text);
}

static int make(struct order *order, struct dtr_error *err)
{
    const struct rest_options *options = &rest_parts(order->call->rest)->options;
    const bool waits = order->made.kind == JOB_SYNC_PEERS || order->made.kind == JOB_IMAGE_DISTRIBUTION;
    int rc = waits && !options->jobs ? rest_refuse(err, 503, "nobody runs jobs here") : DTR_OK;
    if (rc == DTR_OK)
        rc = store_read(options->store, find_clusters, order, err);
    if (rc == DTR_OK)
        rc = admit(order, err);
    if (rc != DTR_OK)
        return rc;
    order->made.clusters = order->clusters;
    rc = store_do(options->store, insert, order, err);
    if (rc != DTR_OK) {
        give_back(order, order->made.cluster_count);
        return rc;
    }
    order->call->changed = kind_job.table;
    order->call->awaits = order->call->awaited = waits ? order->id : 0;
    order->call->resume = resume;
    return waits ? DTR_OK : store_read(options->store, answer_row, order, err);
}

static int clear_away(struct order *order, struct dtr_error *err)
{
    struct store *store = rest_parts(order->call->rest)->options.store;
    const bool jobs = strcmp(arg_text(order->made.args, "type"), "job") == 0;
    const struct run_order run = {
        .kind = jobs ? RUN_JOBS : RUN_AUDITS, .user_id = order->made.user_id, .bio = order->made.bio};
    int rc = runs_order(store, &run, &order->id, err);
    if (rc == DTR_ETIMEOUT)
        return rest_refuse(err, 409, "old %s are being cleared away already", jobs ? "jobs" : "audits");
    return rc == DTR_OK ? store_read(store, answer_row, order, err) : rc;
}

int job_create(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    struct order order = {.call = call};
    json_t *values = NULL, *args = NULL;
    (void)db;
    int rc = call_values(call, F_CREATE, &values, err);
    if (rc != DTR_OK)
        return rc;
    (void)job_kind_find(call_text(values, "type"), &order.made.kind);
    dtr_metric_add(DTR_MANAGER_CREATE_JOB, DTR_LABELS(job_kind_text(order.made.kind)), 1);
    const json_t *user = json_object_get(values, "user_id");
    order.values = values;
    order.made.bio = call_text(values, "bio");
    order.made.user_id = user ? json_integer_value(user) : call->who.user_id;
    rc = job_check_args(call, order.made.kind, call->body, &args, err);
    order.made.args = args;
    if (rc == DTR_OK)
        rc = order.made.kind == JOB_GC ? clear_away(&order, err) : make(&order, err);
    free(order.clusters);
    free(order.limits);
    json_decref(args);
    json_decref(values);
    return rc;
}
