/* Statements about jobs; see rows.h. */
#include "core/manager/jobs/rows.h"

#include "core/base/digest.h"
#include "core/manager/jobs/peers.h"

#include <stdlib.h>
#include <string.h>

static int no_memory(struct dtr_error *err)
{
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a job");
}

/* --- the beginning -------------------------------------------------------------------------------------
 */

static int none_under_way(struct store_db *db, struct dtr_error *err)
{
    char sql[256];
    int64_t id;
    (void)snprintf(sql, sizeof(sql),
                   "SELECT id FROM jobs WHERE type = 'sync_peers' AND state IN " JOB_OPEN_STATES
                   " ORDER BY id LIMIT 1 %s",
                   db->dialect->for_update);
    int rc = store_number(db, sql, NULL, 0, &id, err);
    if (rc == DTR_OK)
        return dtr_error_set(err, DTR_EEXISTS, DTR_RETRY_SAME, "job %lld refreshes the peers already",
                             (long long)id);
    return rc == DTR_ENOT_FOUND ? DTR_OK : rc;
}

static int insert_parts(struct store_db *db, const struct job_new *made, int64_t id, const char *args,
                        struct dtr_error *err)
{
    int rc = store_run(db, "INSERT INTO job_runs (job_id, args_json, run_json) VALUES (?, ?, '')",
                       STORE_VALUES(STORE_NUMBER(id), store_text(args)), NULL, err);
    for (size_t i = 0; i < made->cluster_count && rc == DTR_OK; i++)
        rc = store_run(db, "INSERT INTO job_clusters (job_id, scheduler_cluster_id) VALUES (?, ?)",
                       STORE_VALUES(STORE_NUMBER(id), STORE_NUMBER(made->clusters[i])), NULL, err);
    return rc;
}

static int insert_texts(struct store_db *db, const struct job_new *made, const char *args, const char *shown,
                        int64_t *ret_id, struct dtr_error *err)
{
    const int64_t now = store_now_ms();
    struct dtr_ran ran = {0};
    char group[48] = "group_";
    dtr_uuid(group + strlen(group));
    int rc = store_run(
        db,
        "INSERT INTO jobs (group_id, bio, type, state, args_json, result_json, user_id, owner, due_at, tries,"
        " created_at, updated_at) VALUES (?, ?, ?, 'PENDING', ?, '', ?, '', ?, 0, ?, ?)",
        STORE_VALUES(store_text(group), store_text(made->bio), store_text(job_kind_text(made->kind)),
                     store_text(shown), STORE_NUMBER(made->user_id), STORE_NUMBER(now), STORE_NUMBER(now),
                     STORE_NUMBER(now)),
        &ran, err);
    *ret_id = ran.id;
    return rc == DTR_OK ? insert_parts(db, made, ran.id, args, err) : rc;
}

int rows_insert(struct store_db *db, const struct job_new *made, int64_t *ret_id, struct dtr_error *err)
{
    json_t *visible = args_shown(made->args);
    char *args = json_dumps(made->args, JSON_COMPACT);
    char *shown = visible ? json_dumps(visible, JSON_COMPACT) : NULL;
    int rc = args && shown ? DTR_OK : no_memory(err);
    if (rc == DTR_OK && made->kind == JOB_SYNC_PEERS)
        rc = none_under_way(db, err);
    if (rc == DTR_OK)
        rc = insert_texts(db, made, args, shown, ret_id, err);
    json_decref(visible);
    if (args)
        explicit_bzero(args, strlen(args));
    free(args);
    free(shown);
    return rc;
}

int rows_forget(struct store_db *db, int64_t id, struct dtr_error *err)
{
    int rc =
        store_run(db, "DELETE FROM job_runs WHERE job_id = ?", STORE_VALUES(STORE_NUMBER(id)), NULL, err);
    return rc == DTR_OK ? store_run(db, "DELETE FROM job_clusters WHERE job_id = ?",
                                    STORE_VALUES(STORE_NUMBER(id)), NULL, err)
                        : rc;
}

/* --- taking --------------------------------------------------------------------------------------------
 */

void job_row_free(struct job_row *row)
{
    if (row->args)
        explicit_bzero(row->args, strlen(row->args));
    free(row->group);
    free(row->state);
    free(row->args);
    free(row->result);
    free(row->saved);
    *row = (struct job_row){0};
}

static char *copy(const struct dtr_value *value)
{
    return strdup(value->type == DTR_VALUE_TEXT ? value->text : "");
}

static int on_row(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    struct job_row *row = context;
    (void)count;
    if (row->group || !job_kind_find(columns[1].type == DTR_VALUE_TEXT ? columns[1].text : "", &row->kind))
        return DTR_OK;
    row->id = columns[0].number;
    row->created_ms = columns[6].number;
    row->tries = columns[7].number;
    row->group = copy(&columns[2]);
    row->state = copy(&columns[3]);
    row->args = copy(columns[8].type == DTR_VALUE_TEXT ? &columns[8] : &columns[4]);
    row->result = copy(&columns[5]);
    row->saved = copy(&columns[9]);
    bool ok = row->group && row->state && row->args && row->result && row->saved;
    return ok ? DTR_OK : no_memory(err);
}

static int read_row(struct store_db *db, int64_t id, struct job_row *row, struct dtr_error *err)
{
    *row = (struct job_row){0};
    int rc = store_each(
        db,
        "SELECT j.id, j.type, j.group_id, j.state, j.args_json, j.result_json, j.created_at, j.tries,"
        " r.args_json, r.run_json FROM jobs j LEFT JOIN job_runs r ON r.job_id = j.id WHERE j.id = ?",
        STORE_VALUES(STORE_NUMBER(id)), on_row, row, err);
    if (rc != DTR_OK)
        job_row_free(row);
    return rc;
}

int rows_take_lost(struct store_db *db, const char *owner, const struct job_lost *lost, struct job_row *row,
                   bool *ret_taken, struct dtr_error *err)
{
    struct dtr_ran ran = {0};
    *ret_taken = false;
    int rc = store_run(db,
                       "UPDATE jobs SET owner = ?, due_at = ?, tries = tries + 1, state = CASE WHEN state ="
                       " 'PENDING' THEN 'STARTED' ELSE state END WHERE id = ? AND owner = ? AND due_at = ?"
                       " AND state IN " JOB_OPEN_STATES,
                       STORE_VALUES(store_text(owner), STORE_NUMBER(store_now_ms()), STORE_NUMBER(lost->id),
                                    store_text(lost->owner), STORE_NUMBER(lost->due_at)),
                       &ran, err);
    if (rc == DTR_OK && ran.changed > 0)
        rc = read_row(db, lost->id, row, err);
    *ret_taken = rc == DTR_OK && ran.changed > 0 && row->group;
    return rc;
}

struct found {
    struct job_lost *list;
    size_t count, most;
};

static int on_found(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    struct found *found = context;
    (void)count;
    (void)err;
    if (found->count == found->most)
        return DTR_OK;
    struct job_lost *lost = &found->list[found->count++];
    *lost = (struct job_lost){.id = columns[0].number, .due_at = columns[2].number};
    if (columns[1].type == DTR_VALUE_TEXT)
        (void)dtr_copy_text(lost->owner, sizeof(lost->owner), columns[1].text);
    return DTR_OK;
}

/* One that is due further ahead than anything waits has a date from a clock that was wrong. */
int rows_take_due(struct store_db *db, const char *owner, bool quick, size_t most, struct job_row *rows,
                  size_t *ret_count, struct dtr_error *err)
{
    const int64_t now = store_now_ms();
    struct found found = {.list = calloc(most + 1, sizeof(*found.list)), .most = most};
    *ret_count = 0;
    int rc = found.list
                 ? store_each(db,
                              quick ? "SELECT id, owner, due_at FROM jobs WHERE state IN " JOB_OPEN_STATES
                                      " AND owner = '' AND (due_at <= ? OR due_at > ?) AND type <> 'preheat'"
                                      " ORDER BY id LIMIT ?"
                                    : "SELECT id, owner, due_at FROM jobs WHERE state IN " JOB_OPEN_STATES
                                      " AND owner = '' AND (due_at <= ? OR due_at > ?) AND type = 'preheat'"
                                      " ORDER BY id LIMIT ?",
                              STORE_VALUES(STORE_NUMBER(now), STORE_NUMBER(now + 2 * MACHINE_PAUSE_MOST_MS),
                                           STORE_NUMBER(most)),
                              on_found, &found, err)
                 : no_memory(err);
    for (size_t i = 0; i < found.count && rc == DTR_OK; i++) {
        bool taken;
        rc = rows_take_lost(db, owner, &found.list[i], &rows[*ret_count], &taken, err);
        *ret_count += rc == DTR_OK && taken;
    }
    free(found.list);
    return rc;
}

int rows_list(struct store_db *db, const char *owner, bool own, struct job_lost list[ROWS_LISTED_MOST],
              size_t *ret_count, struct dtr_error *err)
{
    struct found found = {.list = list, .most = ROWS_LISTED_MOST};
    int rc =
        store_each(db,
                   own ? "SELECT id, owner, due_at FROM jobs WHERE state IN " JOB_OPEN_STATES
                         " AND owner = ? ORDER BY id LIMIT ?"
                       : "SELECT id, owner, due_at FROM jobs WHERE state IN " JOB_OPEN_STATES
                         " AND owner <> '' AND owner <> ? ORDER BY id LIMIT ?",
                   STORE_VALUES(store_text(owner), STORE_NUMBER(ROWS_LISTED_MOST)), on_found, &found, err);
    *ret_count = found.count;
    return rc;
}

/* --- being there ---------------------------------------------------------------------------------------
 */

int rows_renew(struct store_db *db, const char *owner, struct dtr_error *err)
{
    return store_run(db, "UPDATE jobs SET due_at = ? WHERE state IN " JOB_OPEN_STATES " AND owner = ?",
                     STORE_VALUES(STORE_NUMBER(store_now_ms()), store_text(owner)), NULL, err);
}

struct ids {
    const int64_t *list;
    size_t count;
    bool *found;
};

static int on_id(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    struct ids *ids = context;
    (void)count;
    (void)err;
    for (size_t i = 0; i < ids->count; i++)
        ids->found[i] |= ids->list[i] == columns[0].number;
    return DTR_OK;
}

int rows_keep_over(struct store_db *db, int64_t *list, size_t count, struct dtr_error *err)
{
    struct dtr_str sql = {0};
    struct ids ids = {list, count, calloc(count + 1, sizeof(bool))};
    dtr_str_puts(&sql, "SELECT id FROM jobs WHERE state IN " JOB_OPEN_STATES " AND id IN (0");
    for (size_t i = 0; i < count; i++)
        dtr_str_printf(&sql, ", %lld", (long long)list[i]);
    dtr_str_putc(&sql, ')');
    int rc = dtr_str_ok(&sql) && ids.found ? store_each(db, dtr_str_text(&sql), NULL, 0, on_id, &ids, err)
                                           : no_memory(err);
    for (size_t i = 0; i < count && rc == DTR_OK; i++) {
        if (ids.found[i])
            list[i] = 0;
    }
    free(ids.found);
    dtr_str_free(&sql);
    return rc;
}

/* --- writing -------------------------------------------------------------------------------------------
 */

void job_note_free(struct job_note *note)
{
    free(note->state);
    free(note->result);
    free(note->saved);
    free(note->clusters);
    *note = (struct job_note){0};
}

static int write_end(struct store_db *db, const struct job_note *note, struct dtr_error *err)
{
    int rc = store_run(db, "DELETE FROM job_runs WHERE job_id = ?", STORE_VALUES(STORE_NUMBER(note->id)),
                       NULL, err);
    for (size_t i = 0; i < note->cluster_count && rc == DTR_OK; i++)
        rc = peers_end(db, note->clusters[i], note->created_ms, err);
    return rc;
}

int rows_write(struct store_db *db, const char *owner, struct job_note *note, struct dtr_error *err)
{
    const int64_t now = store_now_ms();
    const bool mine = note->kind == NOTE_PROGRESS;
    struct dtr_ran ran = {0};
    int rc = store_run(
        db,
        "UPDATE jobs SET state = ?, result_json = ?, owner = ?, due_at = ?, updated_at = ?,"
        " tries = tries - ? WHERE id = ? AND owner = ?",
        STORE_VALUES(store_text(note->state), store_text(note->result), store_text(mine ? owner : ""),
                     STORE_NUMBER(note->kind == NOTE_PAUSE ? note->due_at : now), STORE_NUMBER(now),
                     STORE_NUMBER(note->kind == NOTE_PAUSE), STORE_NUMBER(note->id), store_text(owner)),
        &ran, err);
    note->lost = rc == DTR_OK && ran.changed == 0;
    if (rc != DTR_OK || note->lost)
        return rc;
    if (note->kind == NOTE_END)
        return write_end(db, note, err);
    return store_run(db, "UPDATE job_runs SET run_json = ? WHERE job_id = ?",
                     STORE_VALUES(store_text(note->saved), STORE_NUMBER(note->id)), NULL, err);
}

/* --- whom to ask ---------------------------------------------------------------------------------------
 */

void job_targets_free(struct job_targets *targets)
{
    free(targets->clusters);
    free(targets->list);
    *targets = (struct job_targets){0};
}

static int on_target(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    struct job_targets *targets = context;
    struct job_target *list = realloc(targets->list, (targets->count + 1) * sizeof(*list));
    (void)count;
    if (!list)
        return no_memory(err);
    targets->list = list;
    struct job_target *target = &list[targets->count++];
    *target = (struct job_target){.id = columns[0].number,
                                  .cluster_id = columns[1].number,
                                  .port = (uint16_t)columns[4].number,
                                  .preheats = strstr(columns[5].text, "\"preheat\"") != NULL};
    (void)snprintf(target->name, sizeof(target->name), "%.255s", columns[2].text);
    (void)snprintf(target->ip, sizeof(target->ip), "%.63s", columns[3].text);
    return DTR_OK;
}

int rows_targets(struct store_db *db, int64_t id, struct job_targets *ret_targets, struct dtr_error *err)
{
    *ret_targets = (struct job_targets){0};
    int rc = store_numbers(db,
                           "SELECT c.id FROM scheduler_clusters c JOIN job_clusters j ON"
                           " j.scheduler_cluster_id = c.id WHERE j.job_id = ? ORDER BY c.id",
                           STORE_VALUES(STORE_NUMBER(id)), &ret_targets->clusters,
                           &ret_targets->cluster_count, err);
    if (rc == DTR_OK)
        rc = store_each(db,
                        "SELECT s.id, s.scheduler_cluster_id, s.host_name, s.ip, s.port, s.features_json FROM"
                        " schedulers s JOIN job_clusters j ON j.scheduler_cluster_id ="
                        " s.scheduler_cluster_id WHERE j.job_id = ? AND s.state = 'active' ORDER BY s.id",
                        STORE_VALUES(STORE_NUMBER(id)), on_target, ret_targets, err);
    if (rc != DTR_OK)
        job_targets_free(ret_targets);
    return rc;
}

int rows_usable(struct store_db *db, enum job_kind kind, int64_t **ret_clusters, size_t *ret_count,
                struct dtr_error *err)
{
    const char *features = kind == JOB_PREHEAT ? "%\"preheat\"%" : "%";
    return store_numbers(db,
                         "SELECT DISTINCT c.id FROM scheduler_clusters c JOIN schedulers s ON"
                         " s.scheduler_cluster_id = c.id WHERE s.state = 'active' AND s.features_json LIKE ?"
                         " ESCAPE '!' ORDER BY c.id",
                         STORE_VALUES(store_text(features)), ret_clusters, ret_count, err);
}

static int on_last(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    struct job_made *last = context;
    (void)count;
    (void)err;
    *last = (struct job_made){columns[0].number, columns[1].number};
    return DTR_OK;
}

int rows_last_sync(struct store_db *db, struct job_made *ret_last, struct dtr_error *err)
{
    *ret_last = (struct job_made){0};
    return store_each(db,
                      "SELECT id, created_at FROM jobs WHERE type = 'sync_peers' ORDER BY id DESC LIMIT 1",
                      NULL, 0, on_last, ret_last, err);
}
