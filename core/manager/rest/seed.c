/* The first start; see seed.h. */
#include "core/manager/rest/seed.h"

#include "core/base/str.h"
#include "core/manager/fleet/fleet.h"
#include "core/manager/rest/password.h"
#include "core/obs/log.h"

#include <stdlib.h>

static const char default_password[] = "dragonfly";

/* "root_password" and so on, and whether it has the right length. */
static int check_length(const char *what, const char *text, size_t least, size_t most, struct dtr_error *err)
{
    size_t length = text ? strlen(text) : 0;
    if (length == 0 || (length >= least && length <= most))
        return DTR_OK;
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                         "%s has %zu characters, and must have %zu to %zu", what, length, least, most);
}

int seed_check(const struct rest_options *options, struct dtr_error *err)
{
    const char *realm = options->jwt_realm ? options->jwt_realm : "";
    if (!dtr_http_value_ok(realm) || strpbrk(realm, "\"\\"))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "auth.jwt.realm has a quote, a backslash or a control character");
    int rc = check_length("auth.jwt.key", options->jwt_key, 1, SEED_KEY - 1, err);
    if (rc == DTR_OK)
        rc = check_length("the first password of root (DRAGONFLY_INITIAL_ROOT_PASSWORD)",
                          options->root_password, PASSWORD_LEAST, PASSWORD_MOST, err);
    if (rc == DTR_OK)
        rc = check_length("the access token (DRAGONFLY_PAT)", options->token, 16, 128, err);
    return rc;
}

struct seeding {
    const struct rest_parts *parts;
    char hash[PASSWORD_HASH]; /* of root's password, when it is the first start */
    bool first, default_password;
    char *key;
};

static int insert(struct store_db *db, const char *sql, int64_t *ret_id, struct dtr_error *err)
{
    struct dtr_ran ran = {0};
    int64_t now = store_now_ms();
    int rc = store_run(db, sql, STORE_VALUES(STORE_NUMBER(now), STORE_NUMBER(now)), &ran, err);
    *ret_id = ran.id;
    return rc;
}

static int make_cluster(struct store_db *db, struct dtr_error *err)
{
    int64_t schedulers, seeds;
    int rc =
        insert(db,
               "INSERT INTO scheduler_clusters (name, bio, config_json, client_config_json, scopes_json, "
               "is_default, "
               "created_at, updated_at) VALUES ('cluster-1', '', '{\"candidate_parent_limit\":3,"
               "\"filter_parent_limit\":15,\"job_rate_limit\":10}', '{\"load_limit\":200}', '{}', 1, ?, ?)",
               &schedulers, err);
    if (rc == DTR_OK)
        rc = insert(db,
                    "INSERT INTO seed_peer_clusters (name, bio, config_json, created_at, updated_at) VALUES "
                    "('cluster-1', '', '{\"load_limit\":2000}', ?, ?)",
                    &seeds, err);
    if (rc == DTR_OK)
        rc = store_run(db,
                       "INSERT INTO cluster_links (seed_peer_cluster_id, scheduler_cluster_id) VALUES (?, ?)",
                       STORE_VALUES(STORE_NUMBER(seeds), STORE_NUMBER(schedulers)), NULL, err);
    return rc;
}

static int make_root(struct store_db *db, const struct seeding *seeding, struct dtr_error *err)
{
    static const char *const statements[] = {
        "INSERT INTO roles (name) VALUES ('root')",
        "INSERT INTO roles (name) VALUES ('guest')",
        "INSERT INTO role_permissions (role, object, action) VALUES ('root', '*', '*')",
        "INSERT INTO role_permissions (role, object, action) VALUES ('guest', '*', 'read')",
    };
    int64_t now = store_now_ms();
    const char *given = seeding->parts->root_password;
    bool preset = !given[0] || strcmp(given, default_password) == 0;
    int rc = store_run(
        db,
        "INSERT INTO users (name, email, phone, avatar, location, bio, state, password_hash, "
        "default_password, created_at, updated_at) VALUES ('root', '', '', '', '', '', 'enable', ?, ?, ?, ?)",
        STORE_VALUES(store_text(seeding->hash), STORE_NUMBER(preset), STORE_NUMBER(now), STORE_NUMBER(now)),
        NULL, err);
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]) && rc == DTR_OK; i++)
        rc = store_run(db, statements[i], NULL, 0, NULL, err);
    return rc;
}

static int make_first(struct store_db *db, const struct seeding *seeding, struct dtr_error *err)
{
    int64_t id;
    int rc = make_cluster(db, err);
    if (rc == DTR_OK)
        rc = make_root(db, seeding, err);
    if (rc == DTR_OK)
        rc = insert(db,
                    "INSERT INTO configs (name, value, bio, user_id, created_at, updated_at) VALUES ('gc', "
                    "'{\"audit\":{\"ttl\":604800000000000},\"job\":{\"ttl\":21600000000000}}', '', 1, ?, ?)",
                    &id, err);
    if (rc == DTR_OK)
        rc = store_run(db, "INSERT INTO secrets (name, value) VALUES ('seeded', '1')", NULL, 0, NULL, err);
    return rc;
}

/* --- each start ------------------------------------------------------------------------------------------
 */

static int find_key(struct store_db *db, struct seeding *seeding, struct dtr_error *err)
{
    static const char query[] = "SELECT value FROM secrets WHERE name = 'jwt_key'";
    char key[SECRET_TEXT];
    free(seeding->key);
    seeding->key = NULL;
    int rc = store_string(db, query, NULL, 0, &seeding->key, err);
    if (rc != DTR_ENOT_FOUND)
        return rc;
    secret_new(key);
    rc = store_run(db, "INSERT INTO secrets (name, value) VALUES ('jwt_key', ?)",
                   STORE_VALUES(store_text(key)), NULL, err);
    return rc == DTR_OK ? store_string(db, query, NULL, 0, &seeding->key, err) : rc;
}

static int keep_root(struct store_db *db, int64_t root, struct dtr_error *err)
{
    int64_t has;
    int rc = store_number(db, "SELECT COUNT(*) FROM user_roles WHERE user_id = ? AND role = 'root'",
                          STORE_VALUES(STORE_NUMBER(root)), &has, err);
    if (rc == DTR_OK && !has)
        rc = store_run(db, "INSERT INTO user_roles (user_id, role) VALUES (?, 'root')",
                       STORE_VALUES(STORE_NUMBER(root)), NULL, err);
    return rc;
}

/* A token that is there keeps what was set for it; only the text may be another one now. */
static int keep_token(struct store_db *db, const char *token, int64_t root, struct dtr_error *err)
{
    static const int64_t ten_years_ms = (int64_t)3652 * 24 * 3600 * 1000;
    char hash[65];
    struct dtr_ran ran;
    int64_t now = store_now_ms();
    secret_hash(token, hash);
    int rc = store_run(db, "UPDATE tokens SET token_hash = ? WHERE name = 'default'",
                       STORE_VALUES(store_text(hash)), &ran, err);
    if (rc != DTR_OK || ran.changed > 0)
        return rc;
    return store_run(
        db,
        "INSERT INTO tokens (name, bio, token_hash, scopes_json, state, expired_at, user_id, "
        "created_at, updated_at) VALUES ('default', '', ?, '[\"job\",\"cluster\"]', 'active', ?, "
        "?, ?, ?)",
        STORE_VALUES(store_text(hash), STORE_NUMBER(now + ten_years_ms), STORE_NUMBER(root),
                     STORE_NUMBER(now), STORE_NUMBER(now)),
        NULL, err);
}

static int is_seeded(struct store_db *db, void *context, struct dtr_error *err)
{
    struct seeding *seeding = context;
    int64_t count;
    int rc = store_number(db, "SELECT COUNT(*) FROM secrets WHERE name = 'seeded'", NULL, 0, &count, err);
    seeding->first = rc == DTR_OK && count == 0;
    return rc;
}

static int see_to(struct store_db *db, void *context, struct dtr_error *err)
{
    struct seeding *seeding = context;
    int64_t root = 0, preset = 0;
    int rc = seeding->first ? make_first(db, seeding, err) : DTR_OK;
    if (rc == DTR_OK)
        rc = store_number(db, "SELECT id FROM users WHERE name = 'root'", NULL, 0, &root, err);
    if (rc == DTR_OK)
        rc = keep_root(db, root, err);
    if (rc == DTR_OK && seeding->parts->token[0])
        rc = keep_token(db, seeding->parts->token, root, err);
    if (rc == DTR_OK && !seeding->parts->jwt_key[0])
        rc = find_key(db, seeding, err);
    if (rc == DTR_OK)
        rc = store_number(db, "SELECT default_password FROM users WHERE id = ?",
                          STORE_VALUES(STORE_NUMBER(root)), &preset, err);
    seeding->default_password = preset != 0;
    return rc;
}

static bool makes_first(const void *context)
{
    return ((const struct seeding *)context)->first;
}

static int try(struct seeding *seeding, struct dtr_error *err)
{
    const struct rest_parts *parts = seeding->parts;
    int rc = store_read(parts->options.store, is_seeded, seeding, err);
    if (rc == DTR_OK && seeding->first)
        rc = password_hash(parts->root_password[0] ? parts->root_password : default_password, seeding->hash,
                           err);
    return rc == DTR_OK ? fleet_do(parts->options.view, see_to, seeding, makes_first, err) : rc;
}

int seed_run(const struct rest_parts *parts, char key[SEED_KEY], struct dtr_error *err)
{
    struct seeding seeding = {.parts = parts};
    int rc = try(&seeding, err);
    if (rc == DTR_EEXISTS) /* another manager was first */
        rc = try(&seeding, err);
    if (rc == DTR_OK && !dtr_copy_text(key, SEED_KEY, seeding.key ? seeding.key : parts->jwt_key))
        rc = dtr_error_set(err, DTR_ECORRUPT, DTR_RETRY_NEVER,
                           "the key of session tokens in the database is "
                           "longer than %d bytes",
                           SEED_KEY - 1);
    free(seeding.key);
    if (rc == DTR_OK && seeding.default_password)
        dtr_log(
            DTR_LOG_WARN, NULL,
            "root still has its default password: whoever reaches the REST API can do everything; change it "
            "by POST /api/v1/users/1/reset_password");
    return rc;
}

static int read_preset(struct store_db *db, void *context, struct dtr_error *err)
{
    return store_number(db, "SELECT COALESCE(MAX(default_password), 0) FROM users WHERE name = 'root'", NULL,
                        0, context, err);
}

int rest_default_password(struct store *store, bool *ret_is, struct dtr_error *err)
{
    int64_t is = 0;
    int rc = store_read(store, read_preset, &is, err);
    *ret_is = is != 0;
    return rc;
}
