/* The tables; see schema.h. In a step {id}, {number}, {name}, {text} stand for the dialect's types and {end}
 * for what ends a table; times are milliseconds since 1970, texts named *_json are JSON. */
#include "core/manager/store/schema.h"

#include "core/base/str.h"
#include "core/obs/log.h"

#include <stdlib.h>

struct step {
    const char *const *statements; /* ended by NULL */
    const char *what;              /* for the log */
};

#define TIMES "created_at {number} NOT NULL, updated_at {number} NOT NULL"

static const char *const first[] = {
    "CREATE TABLE scheduler_clusters (id {id}, name {name} NOT NULL, bio {text}, config_json {text} NOT NULL,"
    " client_config_json {text} NOT NULL, scopes_json {text} NOT NULL, is_default {number} NOT NULL, " TIMES
    ", UNIQUE (name)) {end}",
    "CREATE TABLE seed_peer_clusters (id {id}, name {name} NOT NULL, bio {text}, config_json {text} NOT "
    "NULL, " TIMES ", UNIQUE (name)) {end}",
    "CREATE TABLE cluster_links (seed_peer_cluster_id {number} NOT NULL, scheduler_cluster_id {number} NOT "
    "NULL,"
    " PRIMARY KEY (seed_peer_cluster_id, scheduler_cluster_id)) {end}",
    "CREATE TABLE schedulers (id {id}, host_name {name} NOT NULL, idc {text}, location {text}, ip {name} NOT "
    "NULL,"
    " port {number} NOT NULL, state {name} NOT NULL, features_json {text} NOT NULL, config_json {text} NOT "
    "NULL,"
    " last_keep_alive_at {number} NOT NULL, scheduler_cluster_id {number} NOT NULL, " TIMES
    ", UNIQUE (scheduler_cluster_id, host_name, ip, port)) {end}",
    "CREATE TABLE seed_peers (id {id}, host_name {name} NOT NULL, type {name} NOT NULL, idc {text}, location "
    "{text},"
    " ip {name} NOT NULL, port {number} NOT NULL, download_port {number} NOT NULL, object_storage_port "
    "{number}"
    " NOT NULL, state {name} NOT NULL, last_keep_alive_at {number} NOT NULL, seed_peer_cluster_id {number} "
    "NOT NULL, " TIMES ", UNIQUE (seed_peer_cluster_id, host_name, ip)) {end}",
    "CREATE TABLE peers (id {id}, host_name {name} NOT NULL, type {name} NOT NULL, idc {text}, location "
    "{text},"
    " ip {name} NOT NULL, port {number} NOT NULL, download_port {number} NOT NULL, proxy_port {number} NOT "
    "NULL,"
    " object_storage_port {number} NOT NULL, state {name} NOT NULL, os {text}, platform {text}, "
    "platform_family"
    " {text}, platform_version {text}, kernel_version {text}, git_version {text}, git_commit {text}, "
    "build_platform"
    " {text}, scheduler_cluster_id {number} NOT NULL, " TIMES
    ", UNIQUE (scheduler_cluster_id, host_name, ip)) {end}",
    "CREATE TABLE applications (id {id}, name {name} NOT NULL, url {text}, bio {text}, priority_json {text} "
    "NOT NULL,"
    " user_id {number} NOT NULL, " TIMES ", UNIQUE (name)) {end}",
    "CREATE TABLE configs (id {id}, name {name} NOT NULL, value {text} NOT NULL, bio {text}, user_id {number}"
    " NOT NULL, " TIMES ", UNIQUE (name)) {end}",
    "CREATE TABLE users (id {id}, name {name} NOT NULL, email {text}, phone {text}, avatar {text}, location "
    "{text},"
    " bio {text}, state {name} NOT NULL, password_hash {text} NOT NULL, default_password {number} NOT "
    "NULL, " TIMES ", UNIQUE (name)) {end}",
    "CREATE TABLE user_roles (user_id {number} NOT NULL, role {name} NOT NULL, PRIMARY KEY (user_id, role)) "
    "{end}",
    "CREATE TABLE roles (name {name} NOT NULL, PRIMARY KEY (name)) {end}",
    "CREATE TABLE role_permissions (role {name} NOT NULL, object {name} NOT NULL, action {name} NOT NULL,"
    " PRIMARY KEY (role, object, action)) {end}",
    "CREATE TABLE tokens (id {id}, name {name} NOT NULL, bio {text}, token_hash {name} NOT NULL, scopes_json "
    "{text}"
    " NOT NULL, state {name} NOT NULL, expired_at {number} NOT NULL, user_id {number} NOT NULL, " TIMES
    ", UNIQUE (name), UNIQUE (token_hash)) {end}",
    "CREATE TABLE jobs (id {id}, group_id {name} NOT NULL, bio {text}, type {name} NOT NULL, state {name} "
    "NOT NULL,"
    " args_json {text}, result_json {text}, user_id {number} NOT NULL, owner {name} NOT NULL, due_at {number}"
    " NOT NULL, tries {number} NOT NULL, " TIMES ", UNIQUE (group_id)) {end}",
    "CREATE INDEX jobs_due ON jobs (state, due_at)",
    "CREATE TABLE job_clusters (job_id {number} NOT NULL, scheduler_cluster_id {number} NOT NULL,"
    " PRIMARY KEY (job_id, scheduler_cluster_id)) {end}",
    "CREATE TABLE audits (id {id}, actor_type {name} NOT NULL, actor_name {name} NOT NULL, event_type {name} "
    "NOT NULL,"
    " operation {name} NOT NULL, operated_at {number} NOT NULL, state {name} NOT NULL, path {text} NOT NULL,"
    " status_code {number} NOT NULL, detail {text}, " TIMES ") {end}",
    "CREATE INDEX audits_age ON audits (operated_at)",
    "CREATE TABLE secrets (name {name} NOT NULL, value {text} NOT NULL, PRIMARY KEY (name)) {end}",
    NULL,
};

/* Of a job that is not over: its whole arguments, with what nobody may read, and where it is. */
static const char *const second[] = {
    "CREATE TABLE job_runs (job_id {number} NOT NULL, args_json {text} NOT NULL, run_json {text} NOT NULL,"
    " PRIMARY KEY (job_id)) {end}",
    NULL,
};

static const struct step steps[] = {
    {first, "the first tables"},
    {second, "what jobs need while they run"},
};

enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

unsigned schema_newest(void)
{
    return STEPS;
}

/* --- one statement ---------------------------------------------------------------------------------------
 */

static const char *word_for(const struct dtr_dialect *dialect, const char *name, size_t length)
{
    const struct {
        const char *name, *text;
    } words[] = {
        {"id", dialect->identity},    {"number", dialect->number}, {"name", dialect->short_text},
        {"text", dialect->long_text}, {"end", dialect->table_end},
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strlen(words[i].name) == length && memcmp(words[i].name, name, length) == 0)
            return words[i].text;
    }
    return NULL;
}

static void translate(const struct dtr_dialect *dialect, const char *text, struct dtr_str *ret_sql)
{
    while (*text) {
        const char *open = strchr(text, '{'), *close = open ? strchr(open, '}') : NULL;
        const char *word = close ? word_for(dialect, open + 1, (size_t)(close - open - 1)) : NULL;
        if (!word) {
            dtr_str_puts(ret_sql, text);
            return;
        }
        dtr_str_add(ret_sql, text, (size_t)(open - text));
        dtr_str_puts(ret_sql, word);
        text = close + 1;
    }
}

/* What is there already was made by a step that was cut off. */
static int apply(struct store_db *db, const char *statement, struct dtr_error *err)
{
    struct dtr_str sql = {0};
    translate(db->dialect, statement, &sql);
    int rc = dtr_str_ok(&sql)
                 ? store_run(db, dtr_str_text(&sql), NULL, 0, NULL, err)
                 : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the tables");
    dtr_str_free(&sql);
    return rc == DTR_EEXISTS ? DTR_OK : rc;
}

/* --- versions --------------------------------------------------------------------------------------------
 */

struct tables {
    bool ours, theirs;
};

static int on_table(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    /* Tables of Dragonfly's manager that no other program is likely to have. */
    static const char *const theirs[] = {"casbin_rule", "scheduler_cluster", "seed_peer_cluster"};
    struct tables *tables = context;
    (void)count;
    (void)err;
    if (columns[0].type != DTR_VALUE_TEXT)
        return DTR_OK;
    tables->ours |= strcmp(columns[0].text, "darter_schema") == 0;
    for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
        tables->theirs |= strcmp(columns[0].text, theirs[i]) == 0;
    return DTR_OK;
}

static int find_version(struct store_db *db, int64_t *ret_version, struct dtr_error *err)
{
    struct tables tables = {0};
    *ret_version = 0;
    int rc = store_each(db, db->dialect->tables, NULL, 0, on_table, &tables, err);
    if (rc != DTR_OK)
        return rc;
    if (tables.theirs && !tables.ours)
        return dtr_error_set(
            err, DTR_EINVALID, DTR_RETRY_NEVER,
            "the database has the tables of a Dragonfly manager, which Darter leaves alone; give it a "
            "database of its own (database.%s)",
            strcmp(db->dialect->name, "mysql") == 0 ? "mysql.dbname" : "sqlite.path");
    if (!tables.ours)
        return apply(
            db, "CREATE TABLE darter_schema (version {number} NOT NULL, applied_at {number} NOT NULL) {end}",
            err);
    return store_number(db, "SELECT COALESCE(MAX(version), 0) FROM darter_schema", NULL, 0, ret_version, err);
}

static int take_step(struct store_db *db, unsigned number, struct dtr_error *err)
{
    const struct step *step = &steps[number - 1];
    int rc = db->ops->begin(db->db, err);
    for (size_t i = 0; step->statements[i] && rc == DTR_OK; i++)
        rc = apply(db, step->statements[i], err);
    if (rc == DTR_OK)
        rc = store_run(db, "INSERT INTO darter_schema (version, applied_at) VALUES (?, ?)",
                       STORE_VALUES(STORE_NUMBER(number), STORE_NUMBER(store_now_ms())), NULL, err);
    if (rc != DTR_OK) {
        (void)db->ops->rollback(db->db, NULL);
        return rc;
    }
    rc = db->ops->commit(db->db, err);
    if (rc == DTR_OK)
        dtr_log(DTR_LOG_INFO, NULL, "database brought to version %u: %s", number, step->what);
    return rc;
}

static int bring(struct store_db *db, unsigned version, bool migrate, struct dtr_error *err)
{
    int64_t now;
    int rc = find_version(db, &now, err);
    if (rc == DTR_OK && now > STEPS)
        return dtr_error_set(
            err, DTR_EINVALID, DTR_RETRY_NEVER,
            "the database has version %lld of the tables, this program knows %d: it was used by a newer "
            "Darter; install that, or give this one another database",
            (long long)now, (int)STEPS);
    if (rc == DTR_OK && now < version && !migrate)
        return dtr_error_set(
            err, DTR_EINVALID, DTR_RETRY_NEVER,
            "the database has version %lld of the tables and needs %u; database.mysql.migrate: true "
            "brings them up to date",
            (long long)now, version);
    for (unsigned step = (unsigned)now + 1; rc == DTR_OK && step <= version; step++)
        rc = take_step(db, step, err);
    return rc;
}

int schema_bring_up(struct store_db *db, bool migrate, struct dtr_error *err)
{
    return bring(db, STEPS, migrate, err);
}

int schema_bring_to(struct store_db *db, unsigned version, struct dtr_error *err)
{
    return bring(db, version, true, err);
}
