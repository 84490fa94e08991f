/* Rows of schedulers and seed peers; see members.h. */
#include "core/manager/fleet/members.h"

#include "core/manager/fleet/fleet.h"

#include <stdlib.h>

enum { UNDISTURBED_LEAST = 3 }; /* signs of life in a row: whoever disturbed them is gone */

static struct dtr_value text_or_null(const char *text)
{
    return store_text(*text ? text : NULL);
}

/* --- registering -----------------------------------------------------------------------------------------
 */

/* It stays until the transaction ends: who is deleting it waits, and finds a member in it. */
static int need_cluster(struct store_db *db, const char *table, const char *what, int64_t id,
                        struct dtr_error *err)
{
    char sql[128];
    int64_t found;
    (void)snprintf(sql, sizeof(sql), "SELECT id FROM %s WHERE id = ? %s", table, db->dialect->for_update);
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
    int rc = need_cluster(db, "scheduler_clusters", "scheduler cluster", m->cluster_id, err);
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
    int rc = need_cluster(db, "seed_peer_clusters", "seed peer cluster", m->cluster_id, err);
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
    const char *alive, *gone, *before;
};

#define OF_NAME(cluster) " WHERE host_name = ? AND (ip = ? OR ? = '') AND " cluster " = ?"
#define TABLE(name, cluster)                                                                                 \
    {                                                                                                        \
        "UPDATE " name " SET state = 'active', last_keep_alive_at = ?" OF_NAME(cluster),                     \
            "UPDATE " name " SET state = 'inactive', updated_at = ?" OF_NAME(                                \
                cluster) " AND state = 'active' AND last_keep_alive_at = ?",                                 \
            "SELECT COUNT(CASE WHEN state <> 'active' THEN 1 END), MAX(last_keep_alive_at) FROM " name       \
            OF_NAME(cluster)                                                                                 \
    }

static const struct table schedulers = TABLE("schedulers", "scheduler_cluster_id");
static const struct table seeds = TABLE("seed_peers", "seed_peer_cluster_id");

struct before {
    int64_t not_active, stamp;
};

static int on_before(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    struct before *before = context;
    (void)count;
    (void)err;
    before->not_active = columns[0].number;
    before->stamp = columns[1].type == DTR_VALUE_NUMBER ? columns[1].number : 0;
    return DTR_OK;
}

static void feel(struct member_pulse *pulse, int64_t found, int64_t written)
{
    bool other = pulse->stamp != 0 && found != pulse->stamp;
    pulse->disturbed |= other;
    pulse->undisturbed = other ? 0 : pulse->undisturbed + 1;
    pulse->stamp = written;
}

int member_alive(struct store_db *db, bool seed, const struct member_name *name, struct member_pulse *pulse,
                 bool *ret_news, struct dtr_error *err)
{
    const struct table *table = seed ? &seeds : &schedulers;
    const struct dtr_value host = store_text(name->hostname), ip = store_text(name->ip),
                           cluster = STORE_NUMBER(name->cluster_id);
    const int64_t now = store_now_ms();
    struct before before = {0};
    struct dtr_ran ran;
    int rc = store_each(db, table->before, STORE_VALUES(host, ip, ip, cluster), on_before, &before, err);
    if (rc == DTR_OK)
        rc = store_run(db, table->alive, STORE_VALUES(STORE_NUMBER(now), host, ip, ip, cluster), &ran, err);
    if (rc == DTR_OK && ran.changed == 0)
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_SAME, "%.100s is not registered in cluster %lld",
                             name->hostname, (long long)name->cluster_id);
    if (rc == DTR_OK)
        feel(pulse, before.stamp, now);
    *ret_news = rc == DTR_OK && before.not_active > 0;
    return rc;
}

/* A manager that has hung reads at once what was sent to it meanwhile, and then that the stream is closed. */
int member_gone(struct store_db *db, bool seed, const struct member_name *name,
                const struct member_pulse *pulse, bool *ret_news, struct dtr_error *err)
{
    const struct dtr_value ip = store_text(name->ip);
    struct dtr_ran ran = {0};
    *ret_news = false;
    if (pulse->disturbed && pulse->undisturbed < UNDISTURBED_LEAST)
        return DTR_OK;
    int rc = store_run(db, seed ? seeds.gone : schedulers.gone,
                       STORE_VALUES(STORE_NUMBER(store_now_ms()), store_text(name->hostname), ip, ip,
                                    STORE_NUMBER(name->cluster_id), STORE_NUMBER(pulse->stamp)),
                       &ran, err);
    *ret_news = rc == DTR_OK && ran.changed > 0;
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
