/* Schedulers, seed peers and peers of a manager; see ctl_manager.h. */
#include "core/tools/ctl_manager.h"

#define WHERE                                                                                                \
    {"ID", "id", CTL_PLAIN}, {"HOST", "host_name", CTL_PLAIN}, {"IP", "ip", CTL_PLAIN},                      \
    {                                                                                                        \
        "PORT", "port", CTL_PLAIN                                                                            \
    }
#define PLACE                                                                                                \
    {"IDC", "idc", CTL_PLAIN},                                                                               \
    {                                                                                                        \
        "LOCATION", "location", CTL_PLAIN                                                                    \
    }

static const struct ctl_column schedulers[] = {
    WHERE,
    {"CLUSTER", "scheduler_cluster_id", CTL_PLAIN},
    {"STATE", "state", CTL_PLAIN},
    {"HEARD OF", "last_keep_alive_at", CTL_AGE},
    {"FEATURES", "features", CTL_PLAIN},
    PLACE,
};
static const struct ctl_column seeds[] = {
    WHERE,
    {"TYPE", "type", CTL_PLAIN},
    {"SEED CLUSTER", "seed_peer_cluster_id", CTL_PLAIN},
    {"STATE", "state", CTL_PLAIN},
    {"HEARD OF", "last_keep_alive_at", CTL_AGE},
    PLACE,
};
static const struct ctl_column peers[] = {
    WHERE,
    {"TYPE", "type", CTL_PLAIN},
    {"CLUSTER", "scheduler_cluster_id", CTL_PLAIN},
    {"STATE", "state", CTL_PLAIN},
    {"SEEN", "updated_at", CTL_AGE},
    {"VERSION", "git_version", CTL_PLAIN},
    PLACE,
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
static const struct {
    const char *path, *of_cluster;
    const struct ctl_column *columns;
    size_t count;
} kinds[] = {
    [DTR_CTL_SCHEDULERS] = {"/schedulers", "scheduler_cluster_id", schedulers, COUNT(schedulers)},
    [DTR_CTL_SEEDS] = {"/seed-peers", "seed_peer_cluster_id", seeds, COUNT(seeds)},
    [DTR_CTL_PEERS] = {"/peers", "scheduler_cluster_id", peers, COUNT(peers)},
};

/* The id that rows of this kind have of a cluster: seed peers belong to its other half. */
static int half_of(const struct dtr_manager_access *access, enum dtr_ctl_kind kind, int64_t cluster,
                   int64_t *ret_id, struct dtr_error *err)
{
    json_t *row = NULL;
    char path[48];
    (void)snprintf(path, sizeof(path), "/clusters/%lld", (long long)cluster);
    int rc = dtr_manager_ask(access, "GET", path, NULL, &row, err);
    *ret_id =
        kind == DTR_CTL_SEEDS ? json_integer_value(json_object_get(row, "seed_peer_cluster_id")) : cluster;
    json_decref(row);
    return rc;
}

static int make_query(const struct dtr_manager_access *access, enum dtr_ctl_kind kind, int64_t cluster,
                      const char *state, struct dtr_str *query, struct dtr_error *err)
{
    char number[24];
    int64_t id = 0;
    int rc = cluster ? half_of(access, kind, cluster, &id, err) : DTR_OK;
    (void)snprintf(number, sizeof(number), "%lld", (long long)id);
    dtr_manager_query(query, kinds[kind].of_cluster, cluster ? number : NULL);
    dtr_manager_query(query, "state", state);
    return rc;
}

int dtr_ctl_members(const struct dtr_manager_access *access, enum dtr_ctl_kind kind, int64_t cluster,
                    const char *state, const struct dtr_ctl_show *show, struct dtr_error *err)
{
    struct dtr_str query = {0};
    json_t *rows = NULL;
    int rc = make_query(access, kind, cluster, state, &query, err);
    if (rc == DTR_OK)
        rc = dtr_manager_list(access, kinds[kind].path, dtr_str_text(&query), &rows, err);
    dtr_str_free(&query);
    return rc == DTR_OK ? ctl_show_table(kinds[kind].columns, kinds[kind].count, rows, show, err) : rc;
}
