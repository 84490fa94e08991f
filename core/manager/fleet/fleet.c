/* Reading the picture; see fleet.h. */
#include "core/manager/fleet/fleet.h"

#include "core/conf/arena.h"
#include "core/manager/fleet/message.h"
#include "core/obs/log.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { GROW = 16 };

struct picture {
    struct fleet fleet; /* what others see; first */
    atomic_uint references;
    struct dtr_arena arena;
    struct fleet_cluster *clusters;
    struct fleet_scheduler *schedulers;
    struct fleet_seed *seeds;
    size_t cluster_count, scheduler_count, seed_count;
    size_t cluster_room, scheduler_room, seed_room;
    bool failed; /* out of memory */
};

/* --- rows ------------------------------------------------------------------------------------------------
 */

static const char *keep(struct picture *picture, const struct dtr_value *value)
{
    bool text = value->type == DTR_VALUE_TEXT;
    const char *kept = dtr_arena_text(&picture->arena, text ? value->text : "", text ? value->length : 0);
    picture->failed |= !kept;
    return kept ? kept : "";
}

/* Room for one more of `size` bytes; NULL when out of memory. */
static void *add(struct picture *picture, void **list, size_t *count, size_t *room, size_t size)
{
    if (*count == *room) {
        void *grown = realloc(*list, (*room + GROW) * size);
        picture->failed |= !grown;
        if (!grown)
            return NULL;
        *list = grown;
        *room += GROW;
    }
    return memset((char *)*list + (*count)++ * size, 0, size);
}

static int full(const struct picture *picture, struct dtr_error *err)
{
    return picture->failed ? dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the clusters")
                           : DTR_OK;
}

static int on_cluster(void *context, const struct dtr_value *c, size_t count, struct dtr_error *err)
{
    struct picture *picture = context;
    struct fleet_cluster *cluster = add(picture, (void **)&picture->clusters, &picture->cluster_count,
                                        &picture->cluster_room, sizeof(*cluster));
    (void)count;
    if (cluster) {
        cluster->id = c[0].number;
        cluster->name = keep(picture, &c[1]);
        cluster->bio = keep(picture, &c[2]);
        cluster->config = keep(picture, &c[3]);
        cluster->client_config = keep(picture, &c[4]);
        cluster->scopes = keep(picture, &c[5]);
        cluster->is_default = c[6].number != 0;
        cluster->seeds.id = c[7].number;
        cluster->seeds.name = keep(picture, &c[8]);
        cluster->seeds.bio = keep(picture, &c[9]);
        cluster->seeds.config = keep(picture, &c[10]);
        cluster->seeds.client_config = "{}";
    }
    return full(picture, err);
}

static bool has_feature(const char *features, const char *wanted)
{
    json_t *root = json_loads(features, 0, NULL), *item;
    size_t i;
    bool found = false;
    json_array_foreach(root, i, item) found |=
        json_is_string(item) && strcmp(json_string_value(item), wanted) == 0;
    json_decref(root);
    return found;
}

static int on_scheduler(void *context, const struct dtr_value *c, size_t count, struct dtr_error *err)
{
    struct picture *picture = context;
    struct fleet_scheduler *scheduler = add(picture, (void **)&picture->schedulers, &picture->scheduler_count,
                                            &picture->scheduler_room, sizeof(*scheduler));
    (void)count;
    if (scheduler) {
        scheduler->id = c[0].number;
        scheduler->hostname = keep(picture, &c[1]);
        scheduler->idc = keep(picture, &c[2]);
        scheduler->location = keep(picture, &c[3]);
        scheduler->ip = keep(picture, &c[4]);
        scheduler->port = c[5].number;
        scheduler->features = keep(picture, &c[7]);
        scheduler->cluster_id = c[8].number;
        scheduler->state = keep(picture, &c[6]);
        scheduler->usable =
            strcmp(scheduler->state, FLEET_ACTIVE) == 0 && has_feature(scheduler->features, "schedule");
    }
    return full(picture, err);
}

static int on_seed(void *context, const struct dtr_value *c, size_t count, struct dtr_error *err)
{
    struct picture *picture = context;
    struct fleet_seed *seed =
        add(picture, (void **)&picture->seeds, &picture->seed_count, &picture->seed_room, sizeof(*seed));
    (void)count;
    if (seed) {
        seed->id = c[0].number;
        seed->hostname = keep(picture, &c[1]);
        seed->type = keep(picture, &c[2]);
        seed->idc = keep(picture, &c[3]);
        seed->location = keep(picture, &c[4]);
        seed->ip = keep(picture, &c[5]);
        seed->port = c[6].number;
        seed->download_port = c[7].number;
        seed->state = keep(picture, &c[8]);
        seed->cluster_id = c[9].number;
    }
    return full(picture, err);
}

/* A cluster has one seed peer cluster; of several that were linked to it, the first. */
#define ITS_SEEDS "(SELECT MIN(l.seed_peer_cluster_id) FROM cluster_links l WHERE l.scheduler_cluster_id = "

static const struct query {
    const char *select, *of_one, *order;
    int (*row)(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err);
} queries[] = {
    {"SELECT s.id, s.name, s.bio, s.config_json, s.client_config_json, s.scopes_json, s.is_default,"
     " p.id, p.name, p.bio, p.config_json FROM scheduler_clusters s"
     " LEFT JOIN seed_peer_clusters p ON p.id = " ITS_SEEDS "s.id)",
     " WHERE s.id = ?", " ORDER BY s.id", on_cluster},
    {"SELECT id, host_name, idc, location, ip, port, state, features_json, scheduler_cluster_id FROM "
     "schedulers",
     " WHERE scheduler_cluster_id = ?", " ORDER BY scheduler_cluster_id, id", on_scheduler},
    {"SELECT id, host_name, type, idc, location, ip, port, download_port, state, seed_peer_cluster_id"
     " FROM seed_peers",
     " WHERE seed_peer_cluster_id = " ITS_SEEDS "?)", " ORDER BY seed_peer_cluster_id, id", on_seed},
};

/* --- what follows from the rows --------------------------------------------------------------------------
 */

static void log_item(void *context, const struct dtr_error *err)
{
    const struct fleet_cluster *cluster = context;
    dtr_log(DTR_LOG_WARN, NULL, "cluster %s (%lld): %s; it is passed over", cluster->name,
            (long long)cluster->id, err->text);
}

struct texts {
    const char *items[DTR_SCOPE_ITEMS_MAX];
    size_t count;
};

static void take_texts(const json_t *list, struct texts *ret_texts)
{
    const json_t *item;
    size_t i;
    ret_texts->count = 0;
    json_array_foreach(list, i, item)
    {
        if (json_is_string(item) && ret_texts->count < DTR_SCOPE_ITEMS_MAX)
            ret_texts->items[ret_texts->count++] = json_string_value(item);
    }
}

static int parse_scopes(struct fleet_cluster *cluster, struct dtr_error *err)
{
    const struct dtr_scope_report report = {log_item, cluster};
    struct texts *lists = calloc(2, sizeof(*lists));
    if (!lists)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for scopes");
    json_t *root = json_loads(cluster->scopes, 0, NULL);
    take_texts(json_object_get(root, "cidrs"), &lists[0]);
    take_texts(json_object_get(root, "hostnames"), &lists[1]);
    const struct dtr_scope_texts texts = {.idc = json_string_value(json_object_get(root, "idc")),
                                          .location = json_string_value(json_object_get(root, "location")),
                                          .cidrs = lists[0].items,
                                          .cidr_count = lists[0].count,
                                          .hostnames = lists[1].items,
                                          .hostname_count = lists[1].count};
    int rc = dtr_scope_new_lenient(&texts, &report, &cluster->scope, err);
    json_decref(root);
    free(lists);
    return rc;
}

/* {"block_list": ...} of the seed peer cluster's configuration (wire page 5.3). */
static int take_seed_config(struct picture *picture, struct fleet_cluster *cluster, struct dtr_error *err)
{
    json_t *root = json_loads(cluster->seeds.config, 0, NULL), *list = json_object_get(root, "block_list");
    json_t *config = list ? json_pack("{sO}", "block_list", list) : NULL;
    char *text = config ? json_dumps(config, JSON_COMPACT) : NULL;
    bool bad = list && !text;
    if (text) {
        cluster->seeds.client_config = dtr_arena_text(&picture->arena, text, strlen(text));
        bad = !cluster->seeds.client_config;
    }
    free(text);
    json_decref(config);
    json_decref(root);
    return bad ? dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a block list") : DTR_OK;
}

static void divide(struct picture *picture, struct fleet_cluster *cluster)
{
    size_t i = 0;
    while (i < picture->scheduler_count && picture->schedulers[i].cluster_id != cluster->id)
        i++;
    cluster->schedulers = picture->schedulers + i;
    for (; i < picture->scheduler_count && picture->schedulers[i].cluster_id == cluster->id; i++)
        cluster->scheduler_count++;
    for (i = 0; i < picture->seed_count && picture->seeds[i].cluster_id != cluster->seeds.id;)
        i++;
    cluster->seed_peers = picture->seeds + i;
    for (; i < picture->seed_count && picture->seeds[i].cluster_id == cluster->seeds.id; i++)
        cluster->seed_count++;
}

static int finish(struct picture *picture, struct dtr_error *err)
{
    int rc = DTR_OK;
    for (size_t i = 0; i < picture->cluster_count && rc == DTR_OK; i++) {
        struct fleet_cluster *cluster = &picture->clusters[i];
        divide(picture, cluster);
        rc = parse_scopes(cluster, err);
        if (rc == DTR_OK)
            rc = take_seed_config(picture, cluster, err);
        if (rc == DTR_OK)
            rc = message_offer(cluster, err);
    }
    picture->fleet = (struct fleet){picture->clusters, picture->cluster_count};
    return rc;
}

/* --- a picture -------------------------------------------------------------------------------------------
 */

static void free_picture(struct picture *picture)
{
    for (size_t i = 0; i < picture->cluster_count; i++) {
        dtr_scope_free(picture->clusters[i].scope);
        free(picture->clusters[i].offer);
    }
    dtr_arena_free(&picture->arena);
    free(picture->clusters);
    free(picture->schedulers);
    free(picture->seeds);
    free(picture);
}

static int ask(struct store_db *db, const struct query *query, int64_t cluster_id, struct picture *picture,
               struct dtr_error *err)
{
    const struct dtr_value id = STORE_NUMBER(cluster_id);
    char sql[512];
    (void)snprintf(sql, sizeof(sql), "%s%s%s", query->select, cluster_id ? query->of_one : "", query->order);
    return store_each(db, sql, &id, cluster_id ? 1 : 0, query->row, picture, err);
}

int fleet_read(struct store_db *db, int64_t cluster_id, const struct fleet **ret_fleet, struct dtr_error *err)
{
    struct picture *picture = calloc(1, sizeof(*picture));
    int rc = DTR_OK;
    if (!picture)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the clusters");
    atomic_init(&picture->references, 1);
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]) && rc == DTR_OK; i++)
        rc = ask(db, &queries[i], cluster_id, picture, err);
    if (rc == DTR_OK)
        rc = finish(picture, err);
    if (rc == DTR_OK)
        *ret_fleet = &picture->fleet;
    else
        free_picture(picture);
    return rc;
}

bool fleet_shows(const char *table)
{
    static const char *const tables[] = {"scheduler_clusters", "seed_peer_clusters", "schedulers",
                                         "seed_peers"};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        if (strcmp(tables[i], table) == 0)
            return true;
    }
    return false;
}

void fleet_done(const struct fleet *fleet)
{
    struct picture *picture = (struct picture *)(uintptr_t)fleet;
    if (picture && atomic_fetch_sub(&picture->references, 1) == 1)
        free_picture(picture);
}

size_t fleet_usable(const struct fleet_cluster *cluster)
{
    size_t usable = 0;
    for (size_t i = 0; i < cluster->scheduler_count; i++)
        usable += cluster->schedulers[i].usable;
    return usable;
}

const struct fleet_cluster *fleet_find(const struct fleet *fleet, int64_t cluster_id)
{
    for (size_t i = 0; i < fleet->count; i++) {
        if (fleet->clusters[i].id == cluster_id)
            return &fleet->clusters[i];
    }
    return NULL;
}

void fleet_hold(const struct fleet *fleet)
{
    struct picture *picture = (struct picture *)(uintptr_t)fleet;
    atomic_fetch_add(&picture->references, 1);
}
