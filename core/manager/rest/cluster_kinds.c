/* Clusters, their halves and all that is set for them; see kinds.h and cluster.h. */
#include "core/manager/rest/cluster.h"
#include "core/manager/rest/kinds_fields.h"

/* --- parts -----------------------------------------------------------------------------------------------
 */

static const struct field any_text[] = {{.name = "", .kind = FIELD_TEXT, .least = 1, .most = 1000}, {0}};
static const struct field cidr[] = {
    {.name = "", .kind = FIELD_TEXT, .least = 1, .most = 1000, .check = field_is_cidr}, {0}};
static const struct field regex[] = {
    {.name = "", .kind = FIELD_TEXT, .least = 1, .most = 1000, .check = field_is_regex}, {0}};
static const struct field priority[] = {{.name = "", .kind = FIELD_NUMBER, .least = 0, .most = 20}, {0}};

static const struct field scopes[] = {TEXT("idc", F_CREATE, 1000),
                                      TEXT("location", F_CREATE, 1000),
                                      SET("cidrs", cidr),
                                      SET("hostnames", regex),
                                      {0}};

static const struct field blocked_download[] = {LIST("applications", any_text),
                                                LIST("urls", regex),
                                                LIST("tags", any_text),
                                                LIST("priorities", priority),
                                                {0}};
static const struct field blocked_upload[] = {
    LIST("applications", any_text), LIST("urls", regex), LIST("tags", any_text), {0}};
static const struct field blocked_task[] = {OBJECT("download", blocked_download), {0}};
static const struct field blocked_kept[] = {
    OBJECT("download", blocked_download), OBJECT("upload", blocked_upload), {0}};
static const struct field block_list[] = {OBJECT("task", blocked_task),
                                          OBJECT("persistent_task", blocked_kept),
                                          OBJECT("persistent_cache_task", blocked_kept),
                                          {0}};

static const struct field scheduler_cluster_config[] = {NUMBER("candidate_parent_limit", 1, 20, "3"),
                                                        NUMBER("filter_parent_limit", 10, 1000, "15"),
                                                        NUMBER("job_rate_limit", 1, 1000000, "10"),
                                                        {0}};
static const struct field seed_peer_cluster_config[] = {
    NUMBER("load_limit", 1, 50000, "2000"), OBJECT("block_list", block_list), {0}};
static const struct field peer_cluster_config[] = {
    NUMBER("load_limit", 1, 2000, "200"), OBJECT("block_list", block_list), {0}};

/* --- clusters --------------------------------------------------------------------------------------------
 */

static int only_default(struct rest_call *call, struct store_db *db, int64_t id, json_t *values,
                        struct dtr_error *err)
{
    (void)call;
    (void)id;
    if (!json_is_true(json_object_get(values, "is_default")))
        return DTR_OK;
    return store_run(db, "UPDATE scheduler_clusters SET is_default = 0 WHERE is_default <> 0", NULL, 0, NULL,
                     err);
}

/* The other half of a cluster, read in the same statement: whoever changes both meanwhile is seen to have
 * changed both, or none. */
#define HALF                                                                                                 \
    "(SELECT MIN(l.seed_peer_cluster_id) FROM cluster_links l"                                               \
    " WHERE l.scheduler_cluster_id = scheduler_clusters.id)"

static const struct field cluster_fields[] = {
    NAME(F_ALL),
    TEXT("bio", F_EDIT, 1000),
    CONFIG("scopes", "scopes_json", scopes),
    CONFIG("scheduler_cluster_config", "config_json", scheduler_cluster_config),
    CONFIG("peer_cluster_config", "client_config_json", peer_cluster_config),
    FLAG("is_default"),
    /* Of the other half; see cluster.c. */
    {.name = "seed_peer_cluster_config",
     .column = "",
     .kind = FIELD_OBJECT,
     .flags = F_EDIT,
     .of = seed_peer_cluster_config,
     .preset = "{}",
     .read = "COALESCE((SELECT p.config_json FROM seed_peer_clusters p WHERE p.id = " HALF "), '{}')"},
    {.name = "scheduler_cluster_id", .column = "", .kind = FIELD_NUMBER, .read = "id + 0"},
    {.name = "seed_peer_cluster_id", .column = "", .kind = FIELD_NUMBER, .read = "COALESCE(" HALF ", 0)"},
    {0},
};
const struct resource kind_cluster = {.name = "cluster",
                                      .table = "scheduler_clusters",
                                      .fields = cluster_fields,
                                      .check = only_default,
                                      .written = cluster_written,
                                      .check_delete = cluster_check_delete};

/* Refuses when `table` still has rows that belong to the thing. */
static int refuse_used(struct store_db *db, const char *sql, int64_t id, const char *what,
                       struct dtr_error *err)
{
    int64_t count;
    int rc = store_number(db, sql, STORE_VALUES(STORE_NUMBER(id)), &count, err);
    if (rc == DTR_OK && count > 0)
        rc = rest_refuse(err, 409, "%lld %s still belong to it: delete them first", (long long)count, what);
    return rc;
}

int scheduler_cluster_free(struct rest_call *call, struct store_db *db, int64_t id, struct dtr_error *err)
{
    static const char *const belongings[] = {"DELETE FROM cluster_links WHERE scheduler_cluster_id = ?",
                                             "DELETE FROM job_clusters WHERE scheduler_cluster_id = ?",
                                             "DELETE FROM peers WHERE scheduler_cluster_id = ?"};
    (void)call;
    int rc = refuse_used(db, "SELECT COUNT(*) FROM schedulers WHERE scheduler_cluster_id = ?", id,
                         "schedulers", err);
    for (size_t i = 0; i < sizeof(belongings) / sizeof(belongings[0]) && rc == DTR_OK; i++)
        rc = store_run(db, belongings[i], STORE_VALUES(STORE_NUMBER(id)), NULL, err);
    return rc;
}

int seed_peer_cluster_free(struct rest_call *call, struct store_db *db, int64_t id, struct dtr_error *err)
{
    (void)call;
    int rc = refuse_used(db, "SELECT COUNT(*) FROM seed_peers WHERE seed_peer_cluster_id = ?", id,
                         "seed peers", err);
    if (rc == DTR_OK)
        rc = store_run(db, "DELETE FROM cluster_links WHERE seed_peer_cluster_id = ?",
                       STORE_VALUES(STORE_NUMBER(id)), NULL, err);
    return rc;
}

static int add_rows(struct store_db *db, json_t *row, const char *name, const struct resource *resource,
                    const char *where, struct dtr_error *err)
{
    json_t *rows;
    int64_t id = json_integer_value(json_object_get(row, "id"));
    int rc = resource_rows(resource, db, where, STORE_VALUES(STORE_NUMBER(id)), &rows, err);
    if (rc == DTR_OK)
        (void)json_object_set_new(row, name, rows);
    return rc;
}

static int dress_scheduler_cluster(struct rest_call *call, struct store_db *db, json_t *row,
                                   struct dtr_error *err)
{
    int rc = add_rows(db, row, "seed_peer_clusters", &kind_seed_peer_cluster,
                      "id IN (SELECT seed_peer_cluster_id FROM cluster_links WHERE scheduler_cluster_id = ?)",
                      err);
    if (rc == DTR_OK)
        rc = add_rows(db, row, "schedulers", &kind_scheduler, "scheduler_cluster_id = ?", err);
    /* There may be very many: not in lists. */
    if (rc == DTR_OK && call->match.route->handle != resource_list)
        rc = add_rows(db, row, "peers", &kind_peer, "scheduler_cluster_id = ?", err);
    return rc;
}

static int dress_seed_peer_cluster(struct rest_call *call, struct store_db *db, json_t *row,
                                   struct dtr_error *err)
{
    (void)call;
    int rc = add_rows(db, row, "scheduler_clusters", &kind_scheduler_cluster,
                      "id IN (SELECT scheduler_cluster_id FROM cluster_links WHERE seed_peer_cluster_id = ?)",
                      err);
    /* Singular, as Dragonfly has it. */
    if (rc == DTR_OK)
        rc = add_rows(db, row, "seed_peer", &kind_seed_peer, "seed_peer_cluster_id = ?", err);
    return rc;
}

/* Not one of our columns: a link that is made with it. */
static int link_made(struct rest_call *call, struct store_db *db, int64_t id, const json_t *values,
                     struct dtr_error *err)
{
    const json_t *other = json_object_get(values, "seed_peer_cluster_id");
    (void)call;
    return other ? cluster_link(db, json_integer_value(other), id, err) : DTR_OK;
}

static const struct field scheduler_cluster_fields[] = {
    NAME(F_ALL),
    TEXT("bio", F_EDIT, 1000),
    CONFIG("config", "config_json", scheduler_cluster_config),
    CONFIG("client_config", "client_config_json", peer_cluster_config),
    CONFIG("scopes", "scopes_json", scopes),
    FLAG("is_default"),
    {.name = "seed_peer_cluster_id",
     .column = "",
     .kind = FIELD_NUMBER,
     .flags = F_EDIT,
     .least = 1,
     .most = INT64_MAX,
     .refers = "seed_peer_clusters"},
    {0},
};
const struct resource kind_scheduler_cluster = {.name = "scheduler cluster",
                                                .table = "scheduler_clusters",
                                                .fields = scheduler_cluster_fields,
                                                .check = only_default,
                                                .written = link_made,
                                                .check_delete = scheduler_cluster_free,
                                                .dress = dress_scheduler_cluster};

static const struct field seed_peer_cluster_fields[] = {
    NAME(F_ALL),
    TEXT("bio", F_EDIT, 1000),
    CONFIG("config", "config_json", seed_peer_cluster_config),
    {0},
};
const struct resource kind_seed_peer_cluster = {.name = "seed peer cluster",
                                                .table = "seed_peer_clusters",
                                                .fields = seed_peer_cluster_fields,
                                                .check_delete = seed_peer_cluster_free,
                                                .dress = dress_seed_peer_cluster};
