/* Rows that are older than a setting says; see upkeep.h. */
#include "core/base/str.h"
#include "core/manager/upkeep/age.h"
#include "core/manager/upkeep/upkeep.h"
#include "core/obs/log.h"

#include <jansson.h>
#include <stdlib.h>

#define NS_PER_MS 1000000

struct rule {
    const char *name;  /* in the setting; NULL: it is always the usual one */
    int64_t usual_ttl; /* nanoseconds */
    const char *find;  /* the ids of what was there before a time, at most so many */
    /* Where they are deleted: "column IN " follows. The last one counts. Ended by NULL. */
    const char *const *from;
};

static const char *const audit_tables[] = {"DELETE FROM audits WHERE id", NULL};
static const char *const job_tables[] = {"DELETE FROM job_clusters WHERE job_id", "DELETE FROM jobs WHERE id",
                                         NULL};

static const char *const peer_tables[] = {"DELETE FROM peers WHERE id", NULL};

static const struct rule rules[] = {
    [UPKEEP_AUDITS] = {"audit", (int64_t)7 * 24 * 3600 * 1000000000,
                       "SELECT id FROM audits WHERE operated_at < ? ORDER BY operated_at LIMIT ?",
                       audit_tables},
    [UPKEEP_JOBS] = {"job", (int64_t)6 * 3600 * 1000000000,
                     "SELECT id FROM jobs WHERE state IN ('SUCCESS', 'FAILURE') AND updated_at < ?"
                     " AND id <> COALESCE((SELECT MAX(id) FROM jobs WHERE type = 'sync_peers'), 0)"
                     " ORDER BY id LIMIT ?",
                     job_tables},
    [UPKEEP_PEERS] = {NULL, (int64_t)7 * 24 * 3600 * 1000000000,
                      "SELECT id FROM peers WHERE state <> 'active' AND updated_at < ? ORDER BY id LIMIT ?",
                      peer_tables},
};

/* --- the setting -----------------------------------------------------------------------------------------
 */

struct setting {
    const struct rule *rule;
    int64_t ttl; /* nanoseconds; 0: it is broken */
};

static int64_t parse_ttl(const char *text, const char *name)
{
    json_t *root = json_loads(text, 0, NULL);
    int64_t ttl = json_integer_value(json_object_get(json_object_get(root, name), "ttl"));
    json_decref(root);
    return ttl > 0 ? ttl : 0;
}

static int read_setting(struct store_db *db, void *context, struct dtr_error *err)
{
    struct setting *setting = context;
    char *text = NULL;
    int rc = store_string(db, "SELECT value FROM configs WHERE name = 'gc'", NULL, 0, &text, err);
    if (rc == DTR_OK)
        setting->ttl = parse_ttl(text, setting->rule->name);
    else if (rc == DTR_ENOT_FOUND)
        setting->ttl = setting->rule->usual_ttl;
    free(text);
    return rc == DTR_ENOT_FOUND ? DTR_OK : rc;
}

static int find_ttl(struct store *store, const struct rule *rule, int64_t *ret_ttl, struct dtr_error *err)
{
    struct setting setting = {.rule = rule, .ttl = rule->usual_ttl};
    int rc = rule->name ? store_read(store, read_setting, &setting, err) : DTR_OK;
    if (rc == DTR_OK && setting.ttl == 0) {
        dtr_log(DTR_LOG_WARN, NULL,
                "the config gc says no %s.ttl in nanoseconds, from 1; %lld h is what counts: set it by "
                "PATCH /api/v1/configs/ID",
                rule->name, (long long)(rule->usual_ttl / NS_PER_MS / 3600000));
        setting.ttl = rule->usual_ttl;
    }
    *ret_ttl = setting.ttl;
    return rc;
}

/* --- batches ---------------------------------------------------------------------------------------------
 */

struct batch {
    const struct rule *rule;
    int64_t before_ms;
    struct dtr_str ids; /* "1,2,3" */
    size_t count;
};

static int add_id(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    struct batch *batch = context;
    (void)count;
    (void)err;
    dtr_str_printf(&batch->ids, "%s%lld", batch->count > 0 ? "," : "", (long long)columns[0].number);
    batch->count++;
    return DTR_OK;
}

static int find_ids(struct store_db *db, struct batch *batch, struct dtr_error *err)
{
    struct dtr_str sql = {0};
    batch->count = 0;
    dtr_str_clear(&batch->ids);
    dtr_str_printf(&sql, "%s %s", batch->rule->find, db->dialect->for_update);
    int rc = dtr_str_ok(&sql)
                 ? store_each(db, dtr_str_text(&sql),
                              STORE_VALUES(STORE_NUMBER(batch->before_ms), STORE_NUMBER(UPKEEP_BATCH)),
                              add_id, batch, err)
                 : DTR_ENOMEM;
    dtr_str_free(&sql);
    if (rc == DTR_ENOMEM || !dtr_str_ok(&batch->ids))
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for what is to be deleted");
    return rc;
}

static int delete_batch(struct store_db *db, void *context, struct dtr_error *err)
{
    struct batch *batch = context;
    int rc = find_ids(db, batch, err);
    for (const char *const *from = batch->rule->from; rc == DTR_OK && batch->count > 0 && *from; from++) {
        struct dtr_str sql = {0};
        dtr_str_printf(&sql, "%s IN (%s)", *from, dtr_str_text(&batch->ids));
        rc = dtr_str_ok(&sql)
                 ? store_run(db, dtr_str_text(&sql), NULL, 0, NULL, err)
                 : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for what is to be deleted");
        dtr_str_free(&sql);
    }
    return rc;
}

int upkeep_purge(struct store *store, enum upkeep_kind kind, int64_t *ret_purged, struct dtr_error *err)
{
    struct batch batch = {.rule = &rules[kind]};
    int64_t ttl = 0;
    *ret_purged = 0;
    int rc = find_ttl(store, batch.rule, &ttl, err);
    batch.before_ms = age_now_ms() - ttl / NS_PER_MS;
    do {
        if (rc == DTR_OK)
            rc = store_do(store, delete_batch, &batch, err);
        if (rc == DTR_OK)
            *ret_purged += (int64_t)batch.count;
    } while (rc == DTR_OK && batch.count == UPKEEP_BATCH);
    dtr_str_free(&batch.ids);
    return rc;
}
