/* Clusters: listing, showing, making, changing, removing; see ctl_manager.h. */
#include "core/tools/ctl_manager.h"

static const struct ctl_column columns[] = {
    {"ID", "id", CTL_PLAIN},
    {"NAME", "name", CTL_PLAIN},
    {"DEFAULT", "is_default", CTL_PLAIN},
    {"IDC", "scopes.idc", CTL_PLAIN},
    {"LOCATION", "scopes.location", CTL_PLAIN},
    {"CIDRS", "scopes.cidrs", CTL_PLAIN},
    {"HOSTNAMES", "scopes.hostnames", CTL_PLAIN},
};
static const struct ctl_column sheet[] = {
    {"id", "id", CTL_PLAIN},
    {"name", "name", CTL_PLAIN},
    {"bio", "bio", CTL_PLAIN},
    {"default", "is_default", CTL_PLAIN},
    {"idc", "scopes.idc", CTL_PLAIN},
    {"location", "scopes.location", CTL_PLAIN},
    {"cidrs", "scopes.cidrs", CTL_PLAIN},
    {"hostnames", "scopes.hostnames", CTL_PLAIN},
    {"parents of a peer, at most", "scheduler_cluster_config.candidate_parent_limit", CTL_PLAIN},
    {"peers looked at for them", "scheduler_cluster_config.filter_parent_limit", CTL_PLAIN},
    {"jobs a second", "scheduler_cluster_config.job_rate_limit", CTL_PLAIN},
    {"load limit of peers", "peer_cluster_config.load_limit", CTL_PLAIN},
    {"load limit of seeds", "seed_peer_cluster_config.load_limit", CTL_PLAIN},
    {"seed peer cluster", "seed_peer_cluster_id", CTL_PLAIN},
    {"made, ago", "created_at", CTL_AGE},
    {"changed, ago", "updated_at", CTL_AGE},
};
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

int dtr_ctl_clusters(const struct dtr_manager_access *access, const struct dtr_ctl_show *show,
                     struct dtr_error *err)
{
    json_t *rows;
    int rc = dtr_manager_list(access, "/clusters", "", &rows, err);
    return rc == DTR_OK ? ctl_show_table(columns, COUNT(columns), rows, show, err) : rc;
}

static int show_cluster(json_t *cluster, const struct dtr_ctl_show *show, struct dtr_error *err)
{
    return ctl_show_sheet(sheet, COUNT(sheet), cluster, show, err);
}

static const char *path_of(int64_t id, char path[48])
{
    (void)snprintf(path, 48, "/clusters/%lld", (long long)id);
    return path;
}

static int read_cluster(const struct dtr_manager_access *access, int64_t id, json_t **ret_cluster,
                        struct dtr_error *err)
{
    char path[48];
    return dtr_manager_ask(access, "GET", path_of(id, path), NULL, ret_cluster, err);
}

int dtr_ctl_cluster(const struct dtr_manager_access *access, int64_t id, const struct dtr_ctl_show *show,
                    struct dtr_error *err)
{
    json_t *cluster;
    int rc = read_cluster(access, id, &cluster, err);
    return rc == DTR_OK ? show_cluster(cluster, show, err) : rc;
}

/* --- what is given -------------------------------------------------------------------------------- */

/* The part of `body` that is to change, with all that it had in `had`. */
static json_t *part(json_t *body, const json_t *had, const char *name)
{
    json_t *there = json_object_get(body, name);
    if (!there) {
        there = json_is_object(json_object_get(had, name)) ? json_deep_copy(json_object_get(had, name))
                                                           : json_object();
        (void)json_object_set_new(body, name, there);
    }
    return there;
}

static void give_text(json_t *body, const json_t *had, const char *name, const char *text)
{
    if (text)
        (void)json_object_set_new(part(body, had, "scopes"), name, json_string(text));
}

static void give_list(json_t *body, const json_t *had, const char *name, const struct dtr_ctl_texts *texts)
{
    if (texts->count == 0)
        return;
    json_t *list = json_array();
    for (size_t i = 0; i < texts->count; i++) {
        if (*texts->items[i])
            (void)json_array_append_new(list, json_string(texts->items[i]));
    }
    (void)json_object_set_new(part(body, had, "scopes"), name, list);
}

static void give_number(json_t *body, const json_t *had, const char *where, const char *name, int64_t number)
{
    if (number >= 0)
        (void)json_object_set_new(part(body, had, where), name, json_integer(number));
}

/* Parts go out whole: a manager puts them in the place of what was there. */
static void give(json_t *body, const json_t *had, const struct dtr_ctl_cluster *given)
{
    if (given->name)
        (void)json_object_set_new(body, "name", json_string(given->name));
    if (given->bio)
        (void)json_object_set_new(body, "bio", json_string(given->bio));
    give_text(body, had, "idc", given->idc);
    give_text(body, had, "location", given->location);
    give_list(body, had, "cidrs", &given->cidrs);
    give_list(body, had, "hostnames", &given->hostnames);
    give_number(body, had, "scheduler_cluster_config", "candidate_parent_limit",
                given->candidate_parent_limit);
    give_number(body, had, "scheduler_cluster_config", "filter_parent_limit", given->filter_parent_limit);
    give_number(body, had, "scheduler_cluster_config", "job_rate_limit", given->job_rate_limit);
    give_number(body, had, "peer_cluster_config", "load_limit", given->peer_load_limit);
    give_number(body, had, "seed_peer_cluster_config", "load_limit", given->seed_load_limit);
}

/* What Dragonfly's manager must be told of a new cluster. */
static json_t *first_values(void)
{
    return json_pack("{s:{}, s:{s:i, s:i, s:i}, s:{s:i}, s:{s:i}}", "scopes", "scheduler_cluster_config",
                     "candidate_parent_limit", 3, "filter_parent_limit", 15, "job_rate_limit", 10,
                     "peer_cluster_config", "load_limit", 200, "seed_peer_cluster_config", "load_limit",
                     2000);
}

int dtr_ctl_cluster_add(const struct dtr_manager_access *access, const struct dtr_ctl_cluster *given,
                        const struct dtr_ctl_show *show, struct dtr_error *err)
{
    json_t *body = first_values(), *made = NULL;
    give(body, NULL, given);
    (void)json_object_set_new(body, "is_default", json_boolean(given->is_default == 1));
    int rc = dtr_manager_ask(access, "POST", "/clusters", body, &made, err);
    json_decref(body);
    return rc == DTR_OK ? show_cluster(made, show, err) : rc;
}

int dtr_ctl_cluster_edit(const struct dtr_manager_access *access, int64_t id,
                         const struct dtr_ctl_cluster *given, const struct dtr_ctl_show *show,
                         struct dtr_error *err)
{
    json_t *had = NULL, *body = json_object(), *changed = NULL;
    char path[48];
    int rc = read_cluster(access, id, &had, err);
    if (rc == DTR_OK) {
        give(body, had, given);
        /* Dragonfly's manager takes one that is not named for false. */
        bool is_default = given->is_default >= 0 ? given->is_default == 1
                                                 : json_is_true(json_object_get(had, "is_default"));
        (void)json_object_set_new(body, "is_default", json_boolean(is_default));
        rc = dtr_manager_ask(access, "PATCH", path_of(id, path), body, &changed, err);
    }
    json_decref(had);
    json_decref(body);
    return rc == DTR_OK ? show_cluster(changed, show, err) : rc;
}

int dtr_ctl_cluster_remove(const struct dtr_manager_access *access, int64_t id, struct dtr_error *err)
{
    char path[48];
    return dtr_manager_ask(access, "DELETE", path_of(id, path), NULL, NULL, err);
}
