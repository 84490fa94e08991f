/* Rows of schedulers and seed peers; see members.h. */
#include "core/manager/fleet/members.h"

#include "core/manager/fleet/fleet.h"
#include "core/obs/log.h"

#include <jansson.h>
#include <stdlib.h>

enum { SILENT_INTERVALS = 3, SILENT_LEAST_MS = 15000, EXPIRE_MOST = 256 };
#define NS_PER_MS 1000000

static struct dtr_value text_or_null(const char *text)
{
    return store_text(*text ? text : NULL);
}

/* --- registering -----------------------------------------------------------------------------------------
 */

static int need_cluster(struct store_db *db, const char *sql, const char *what, int64_t id,
                        struct dtr_error *err)
{
    int64_t found;
    int rc = store_number(db, sql, STORE_VALUES(STORE_NUMBER(id)), &found, err);
    if (rc == DTR_ENOT_FOUND)
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_SAME,
                             "there is no %s %lld; add the cluster first, or name one that there is", what,
                             (long long)id);
    return rc;
}

int member_register_scheduler(struct store_db *db, const struct member *m, struct dtr_error *err)
{
    const int64_t now = store_now_ms();
    struct dtr_ran ran;
    int rc = need_cluster(db, "SELECT id FROM scheduler_clusters WHERE id = ?", "scheduler cluster",
                          m->cluster_id, err);
    if (rc == DTR_OK)
        rc = store_run(
            db,
            "UPDATE schedulers SET idc = ?, location = ?, features_json = ?, config_json = ?, updated_at = ?"
            " WHERE host_name = ? AND ip = ? AND port = ? AND scheduler_cluster_id = ?",
            STORE_VALUES(text_or_null(m->idc), text_or_null(m->location), store_text(m->features),
                         store_text(m->config), STORE_NUMBER(now), store_text(m->hostname), store_text(m->ip),
                         STORE_NUMBER(m->port), STORE_NUMBER(m->cluster_id)),
            &ran, err);
    if (rc != DTR_OK || ran.changed > 0)
        return rc;
    return store_run(
        db,
        "INSERT INTO schedulers (host_name, idc, location, ip, port, state, features_json, config_json,"
        " last_keep_alive_at, scheduler_cluster_id, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, 'inactive', ?, ?, ?, ?, ?, ?)",
        STORE_VALUES(store_text(m->hostname), text_or_null(m->idc), text_or_null(m->location),
                     store_text(m->ip), STORE_NUMBER(m->port), store_text(m->features), store_text(m->config),
                     STORE_NUMBER(now), STORE_NUMBER(m->cluster_id), STORE_NUMBER(now), STORE_NUMBER(now)),
        NULL, err);
}

int member_register_seed(struct store_db *db, const struct member *m, struct dtr_error *err)
{
    const int64_t now = store_now_ms();
    struct dtr_ran ran;
    int rc = need_cluster(db, "SELECT id FROM seed_peer_clusters WHERE id = ?", "seed peer cluster",
                          m->cluster_id, err);
    if (rc == DTR_OK)
        rc = store_run(db,
                       "UPDATE seed_peers SET type = ?, idc = ?, location = ?, port = ?, download_port = ?,"
                       " updated_at = ? WHERE host_name = ? AND ip = ? AND seed_peer_cluster_id = ?",
                       STORE_VALUES(store_text(m->type), text_or_null(m->idc), text_or_null(m->location),
                                    STORE_NUMBER(m->port), STORE_NUMBER(m->download_port), STORE_NUMBER(now),
                                    store_text(m->hostname), store_text(m->ip), STORE_NUMBER(m->cluster_id)),
                       &ran, err);
    if (rc != DTR_OK || ran.changed > 0)
        return rc;
    return store_run(
        db,
        "INSERT INTO seed_peers (host_name, type, idc, location, ip, port, download_port,"
        " object_storage_port, state, last_keep_alive_at, seed_peer_cluster_id, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 0, 'inactive', ?, ?, ?, ?)",
        STORE_VALUES(store_text(m->hostname), store_text(m->type), text_or_null(m->idc),
                     text_or_null(m->location), store_text(m->ip), STORE_NUMBER(m->port),
                     STORE_NUMBER(m->download_port), STORE_NUMBER(now), STORE_NUMBER(m->cluster_id),
                     STORE_NUMBER(now), STORE_NUMBER(now)),
        NULL, err);
}

/* --- signs of life ---------------------------------------------------------------------------------------
 */

/* What differs between the two tables. */
struct table {
    const char *alive, *gone, *other_state;
};

#define OF_NAME(cluster) " WHERE host_name = ? AND (ip = ? OR ? = '') AND " cluster " = ?"
#define TABLE(name, cluster)                                                                                 \
    {                                                                                                        \
        "UPDATE " name " SET state = 'active', last_keep_alive_at = ?" OF_NAME(cluster),                     \
            "UPDATE " name " SET state = 'inactive', updated_at = ?" OF_NAME(cluster),                       \
            "SELECT COUNT(*) FROM " name OF_NAME(cluster) " AND state <> ?"                                  \
    }

static const struct table schedulers = TABLE("schedulers", "scheduler_cluster_id");
static const struct table seeds = TABLE("seed_peers", "seed_peer_cluster_id");

int member_alive(struct store_db *db, bool seed, const struct member_name *name, bool alive, bool *ret_news,
                 struct dtr_error *err)
{
    const struct table *table = seed ? &seeds : &schedulers;
    const struct dtr_value host = store_text(name->hostname), ip = store_text(name->ip),
                           cluster = STORE_NUMBER(name->cluster_id);
    struct dtr_ran ran;
    int64_t others = 0;
    int rc = store_number(
        db, table->other_state,
        STORE_VALUES(host, ip, ip, cluster, store_text(alive ? FLEET_ACTIVE : FLEET_INACTIVE)), &others, err);
    if (rc == DTR_OK)
        rc = store_run(db, alive ? table->alive : table->gone,
                       STORE_VALUES(STORE_NUMBER(store_now_ms()), host, ip, ip, cluster), &ran, err);
    if (rc == DTR_OK && ran.changed == 0)
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_SAME, "%.100s is not registered in cluster %lld",
                             name->hostname, (long long)name->cluster_id);
    *ret_news = rc == DTR_OK && others > 0;
    return rc;
}

int member_delete_seed(struct store_db *db, const struct member_name *name, struct dtr_error *err)
{
    struct dtr_ran ran;
    const struct dtr_value ip = store_text(name->ip);
    int rc = store_run(db, "DELETE FROM seed_peers" OF_NAME("seed_peer_cluster_id"),
                       STORE_VALUES(store_text(name->hostname), ip, ip, STORE_NUMBER(name->cluster_id)), &ran,
                       err);
    if (rc == DTR_OK && ran.changed == 0)
        rc = dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER,
                           "there is no seed peer %.100s in seed peer cluster %lld", name->hostname,
                           (long long)name->cluster_id);
    return rc;
}

/* --- silence ---------------------------------------------------------------------------------------------
 */

struct silent {
    int64_t now_ms, ids[EXPIRE_MOST];
    size_t count;
};

static int on_active(void *context, const struct dtr_value *c, size_t count, struct dtr_error *err)
{
    struct silent *silent = context;
    json_t *root = c[2].type == DTR_VALUE_TEXT ? json_loadb(c[2].text, c[2].length, 0, NULL) : NULL;
    int64_t most_ms = json_integer_value(json_object_get(root, "manager_keep_alive_interval")) / NS_PER_MS *
                      SILENT_INTERVALS;
    (void)count;
    (void)err;
    json_decref(root);
    if (most_ms < SILENT_LEAST_MS)
        most_ms = SILENT_LEAST_MS;
    if (silent->now_ms - c[1].number > most_ms && silent->count < EXPIRE_MOST)
        silent->ids[silent->count++] = c[0].number;
    return DTR_OK;
}

static int expire(struct store_db *db, const char *find, const char *change, bool *ret_news,
                  struct dtr_error *err)
{
    struct silent silent = {.now_ms = store_now_ms()};
    int rc = store_each(db, find, NULL, 0, on_active, &silent, err);
    for (size_t i = 0; i < silent.count && rc == DTR_OK; i++)
        rc = store_run(db, change, STORE_VALUES(STORE_NUMBER(silent.now_ms), STORE_NUMBER(silent.ids[i])),
                       NULL, err);
    *ret_news |= rc == DTR_OK && silent.count > 0;
    return rc;
}

int member_expire(struct store_db *db, bool *ret_news, struct dtr_error *err)
{
    *ret_news = false;
    int rc = expire(db, "SELECT id, last_keep_alive_at, config_json FROM schedulers WHERE state = 'active'",
                    "UPDATE schedulers SET state = 'inactive', updated_at = ? WHERE id = ?", ret_news, err);
    if (rc == DTR_OK)
        rc = expire(db, "SELECT id, last_keep_alive_at, NULL FROM seed_peers WHERE state = 'active'",
                    "UPDATE seed_peers SET state = 'inactive', updated_at = ? WHERE id = ?", ret_news, err);
    return rc;
}
