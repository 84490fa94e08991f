/* The two halves of a cluster; see cluster.h. */
#include "core/manager/rest/cluster.h"

#include "core/manager/rest/kinds.h"

/* The seed peer cluster that belongs to a scheduler cluster; 0: none. The oldest, when somebody linked more.
 */
static int find_half(struct store_db *db, int64_t id, int64_t *ret_half, struct dtr_error *err)
{
    return store_number(
        db, "SELECT COALESCE(MIN(seed_peer_cluster_id), 0) FROM cluster_links WHERE scheduler_cluster_id = ?",
        STORE_VALUES(STORE_NUMBER(id)), ret_half, err);
}

int cluster_link(struct store_db *db, int64_t seed_peer_cluster, int64_t scheduler_cluster,
                 struct dtr_error *err)
{
    int rc = store_run(db, "DELETE FROM cluster_links WHERE scheduler_cluster_id = ?",
                       STORE_VALUES(STORE_NUMBER(scheduler_cluster)), NULL, err);
    if (rc == DTR_OK)
        rc = store_run(
            db, "INSERT INTO cluster_links (seed_peer_cluster_id, scheduler_cluster_id) VALUES (?, ?)",
            STORE_VALUES(STORE_NUMBER(seed_peer_cluster), STORE_NUMBER(scheduler_cluster)), NULL, err);
    return rc;
}

/* What `values` says of the other half. */
static json_t *half_values(const json_t *values)
{
    static const char *const names[][2] = {
        {"name", "name"}, {"bio", "bio"}, {"seed_peer_cluster_config", "config"}};
    json_t *half = json_object();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        json_t *value = json_object_get(values, names[i][0]);
        if (value)
            (void)json_object_set(half, names[i][1], value);
    }
    return half;
}

/* Under the id of the scheduler cluster, so that whoever names either id means the same cluster, unless a
 * seed peer cluster that was made alone has it. */
static int insert_half(struct store_db *db, const json_t *values, int64_t id, int64_t *ret_id,
                       struct dtr_error *err)
{
    int64_t taken = 0;
    int rc = store_number(db, "SELECT COUNT(*) FROM seed_peer_clusters WHERE id = ?",
                          STORE_VALUES(STORE_NUMBER(id)), &taken, err);
    return rc == DTR_OK ? resource_insert(&kind_seed_peer_cluster, db, values, taken ? 0 : id, ret_id, err)
                        : rc;
}

/* For one that was made without: with what it has, and defaults. */
static int make_half(struct rest_call *call, struct store_db *db, int64_t id, const json_t *values,
                     struct dtr_error *err)
{
    json_t *row = NULL, *half = half_values(values), *whole = NULL;
    int64_t half_id;
    int rc = resource_read(call, &kind_scheduler_cluster, db, id, &row, err);
    if (rc == DTR_OK) {
        (void)json_object_set(half, "name", json_object_get(row, "name"));
        rc = fields_check(kind_seed_peer_cluster.fields, F_CREATE, half, &whole, NULL, err);
    }
    if (rc == DTR_OK)
        rc = insert_half(db, whole, id, &half_id, err);
    if (rc == DTR_OK)
        rc = cluster_link(db, half_id, id, err);
    json_decref(row);
    json_decref(half);
    json_decref(whole);
    return rc;
}

int cluster_written(struct rest_call *call, struct store_db *db, int64_t id, const json_t *values,
                    struct dtr_error *err)
{
    int64_t half_id;
    int rc = find_half(db, id, &half_id, err);
    if (rc != DTR_OK)
        return rc;
    if (half_id == 0)
        return make_half(call, db, id, values, err);
    json_t *half = half_values(values);
    if (json_object_size(half) > 0)
        rc = resource_change(&kind_seed_peer_cluster, db, half_id, half, err);
    json_decref(half);
    return rc;
}

/* The other half goes too, unless it is a half of another cluster as well. */
int cluster_check_delete(struct rest_call *call, struct store_db *db, int64_t id, struct dtr_error *err)
{
    int64_t half_id = 0, others = 0;
    int rc = find_half(db, id, &half_id, err);
    if (rc == DTR_OK)
        rc = scheduler_cluster_free(call, db, id, err);
    if (rc == DTR_OK)
        rc = store_number(db, "SELECT COUNT(*) FROM cluster_links WHERE seed_peer_cluster_id = ?",
                          STORE_VALUES(STORE_NUMBER(half_id)), &others, err);
    if (rc != DTR_OK || half_id == 0 || others > 0)
        return rc;
    rc = seed_peer_cluster_free(call, db, half_id, err);
    if (rc == DTR_OK)
        rc = store_run(db, "DELETE FROM seed_peer_clusters WHERE id = ?", STORE_VALUES(STORE_NUMBER(half_id)),
                       NULL, err);
    return rc;
}

/* --- the halves ------------------------------------------------------------------------------------------
 */

/* A row of `what` gets the cluster of the path. */
static int move(struct rest_call *call, struct store_db *db, const struct resource *what,
                const struct resource *cluster, const char *parameter, const char *column,
                struct dtr_error *err)
{
    json_t *values = json_pack("{s:I}", column, (json_int_t)call_number(call, "id"));
    int rc = resource_must_be(cluster->table, cluster->name, db, call_number(call, "id"), err);
    if (rc == DTR_OK)
        rc = resource_change(what, db, call_number(call, parameter), values, err);
    json_decref(values);
    call->status = 200;
    call->changed = what->table;
    return rc;
}

int cluster_move_scheduler(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    return move(call, db, &kind_scheduler, &kind_scheduler_cluster, "scheduler_id", "scheduler_cluster_id",
                err);
}

int cluster_move_seed_peer(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    return move(call, db, &kind_seed_peer, &kind_seed_peer_cluster, "seed_peer_id", "seed_peer_cluster_id",
                err);
}

int cluster_link_halves(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    int64_t seeds = call_number(call, "id"), schedulers = call_number(call, "scheduler_cluster_id");
    int rc = resource_must_be("seed_peer_clusters", "seed peer cluster", db, seeds, err);
    if (rc == DTR_OK)
        rc = resource_must_be("scheduler_clusters", "scheduler cluster", db, schedulers, err);
    if (rc == DTR_OK)
        rc = cluster_link(db, seeds, schedulers, err);
    call->status = 200;
    call->changed = "scheduler_clusters";
    return rc;
}
