/* Users and the roles they have; see users.h. */
#include "core/manager/rest/users.h"

#include "core/manager/rest/audit.h"
#include "core/manager/rest/kinds.h"
#include "core/manager/rest/password.h"

/* --- users -----------------------------------------------------------------------------------------------
 */

static int check_user(struct rest_call *call, struct store_db *db, int64_t id, json_t *values,
                      struct dtr_error *err)
{
    const char *state = call_text(values, "state");
    (void)db;
    if (!*state)
        return DTR_OK;
    if (!call->who.root)
        return rest_refuse(err, 403, "state: only users with the role root may change it");
    if (id == call->who.user_id && strcmp(state, "disable") == 0)
        return rest_refuse(err, 409, "state: you cannot disable yourself");
    return DTR_OK;
}

/* Whether a password is the default one is for its user and for root to know. */
static int dress_user(struct rest_call *call, struct store_db *db, json_t *row, struct dtr_error *err)
{
    (void)db;
    (void)err;
    bool own = json_integer_value(json_object_get(row, "id")) == call->who.user_id;
    if (!own && !call->who.root)
        (void)json_object_del(row, "default_password");
    return DTR_OK;
}

#define PROFILE(name_, most_)                                                                                \
    {                                                                                                        \
        .name = name_, .kind = FIELD_TEXT, .flags = F_UPDATE, .most = (most_)                                \
    }
static const struct field user_fields[] = {
    {.name = "name", .kind = FIELD_TEXT, .flags = F_FILTER},
    {.name = "email", .kind = FIELD_TEXT, .flags = F_UPDATE | F_FILTER, .most = 255},
    PROFILE("phone", 64),
    PROFILE("avatar", 1024),
    {.name = "location", .kind = FIELD_TEXT, .flags = F_UPDATE | F_FILTER, .most = 255},
    PROFILE("bio", 1024),
    {.name = "state", .kind = FIELD_TEXT, .flags = F_UPDATE | F_FILTER, .words = "enable|disable"},
    {.name = "default_password", .kind = FIELD_BOOL},
    {0},
};
const struct resource kind_user = {
    .name = "user", .table = "users", .fields = user_fields, .check = check_user, .dress = dress_user};

/* --- their roles -----------------------------------------------------------------------------------------
 */

static int add_role(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    (void)count;
    if (json_array_append_new(context, json_string(columns[0].text)) == 0)
        return DTR_OK;
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for an answer");
}

int users_roles(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    int64_t id = call_number(call, "id");
    json_t *list = json_array();
    int rc = resource_must_be("users", "user", db, id, err);
    if (rc == DTR_OK)
        rc = store_each(db, "SELECT role FROM user_roles WHERE user_id = ? ORDER BY role",
                        STORE_VALUES(STORE_NUMBER(id)), add_role, list, err);
    if (rc == DTR_OK)
        return call_answer(call, list, err);
    json_decref(list);
    return rc;
}

/* Nobody gives, or takes, more than they have. */
static int check_role_change(struct rest_call *call, struct store_db *db, int64_t *ret_has,
                             struct dtr_error *err)
{
    int64_t id = call_number(call, "id");
    const char *role = call_word(call, "role");
    if (strcmp(role, "root") == 0 && !call->who.root)
        return rest_refuse(err, 403, "only users with the role root may give or take it");
    int rc = resource_must_be("users", "user", db, id, err);
    if (rc == DTR_OK)
        rc = store_number(db, "SELECT COUNT(*) FROM user_roles WHERE user_id = ? AND role = ?",
                          STORE_VALUES(STORE_NUMBER(id), store_text(role)), ret_has, err);
    call->status = 200;
    return rc;
}

int users_give_role(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    const char *role = call_word(call, "role");
    int64_t has, known;
    int rc = check_role_change(call, db, &has, err);
    if (rc == DTR_OK)
        rc = store_number(db, "SELECT COUNT(*) FROM roles WHERE name = ?", STORE_VALUES(store_text(role)),
                          &known, err);
    if (rc == DTR_OK && !known)
        rc = rest_refuse(err, 404, "there is no role %s", role);
    if (rc == DTR_OK && !has)
        rc = store_run(db, "INSERT INTO user_roles (user_id, role) VALUES (?, ?)",
                       STORE_VALUES(STORE_NUMBER(call_number(call, "id")), store_text(role)), NULL, err);
    return rc;
}

int users_take_role(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    const char *role = call_word(call, "role");
    int64_t has, others = 1;
    int rc = check_role_change(call, db, &has, err);
    if (rc == DTR_OK && !has)
        rc = rest_refuse(err, 404, "the user does not have the role %s", role);
    if (rc == DTR_OK && strcmp(role, "root") == 0)
        rc = store_number(db, "SELECT COUNT(*) FROM user_roles WHERE role = 'root' AND user_id <> ?",
                          STORE_VALUES(STORE_NUMBER(call_number(call, "id"))), &others, err);
    if (rc == DTR_OK && others == 0)
        rc = rest_refuse(err, 409, "this is the last user with the role root: give it to another one first");
    if (rc == DTR_OK)
        rc = store_run(db, "DELETE FROM user_roles WHERE user_id = ? AND role = ?",
                       STORE_VALUES(STORE_NUMBER(call_number(call, "id")), store_text(role)), NULL, err);
    return rc;
}

/* --- personal access tokens ------------------------------------------------------------------------------
 */

/* A new one gets its text here, which is shown once and kept as a hash. */
static int check_token(struct rest_call *call, struct store_db *db, int64_t id, json_t *values,
                       struct dtr_error *err)
{
    int64_t expires = 0, user = json_integer_value(json_object_get(values, "user_id"));
    char hash[65];
    (void)db;
    if (json_object_get(values, "expired_at") &&
        (!field_time_parse(call_text(values, "expired_at"), &expires) || expires <= store_now_ms()) &&
        id == 0)
        return rest_refuse(err, 422, "expired_at: must be in the future");
    if (id > 0)
        return DTR_OK;
    if (user != 0 && user != call->who.user_id && !call->who.root)
        return rest_refuse(err, 403, "user_id: only users with the role root may make tokens of others");
    secret_new(call->secret);
    secret_hash(call->secret, hash);
    if (json_object_set_new(values, "token_hash", json_string(hash)) == 0 &&
        (user != 0 || json_object_set_new(values, "user_id", json_integer(call->who.user_id)) == 0))
        return DTR_OK;
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a token");
}

static int dress_token(struct rest_call *call, struct store_db *db, json_t *row, struct dtr_error *err)
{
    (void)db;
    (void)err;
    (void)json_object_set_new(row, "token", json_string(call->secret));
    return DTR_OK;
}

static const struct field token_scope[] = {{.name = "", .kind = FIELD_TEXT, .words = "job|cluster"}, {0}};

static const struct field token_fields[] = {
    {.name = "name", .kind = FIELD_TEXT, .flags = F_CREATE | F_FILTER | F_NEEDED, .least = 1, .most = 120},
    {.name = "bio", .kind = FIELD_TEXT, .flags = F_EDIT, .most = 1000, .preset = "\"\""},
    {.name = "token_hash", .kind = FIELD_TEXT, .flags = F_HIDDEN},
    {.name = "scopes",
     .column = "scopes_json",
     .kind = FIELD_LIST,
     .flags = F_EDIT,
     .most = 2,
     .of = token_scope,
     .preset = "[]"},
    {.name = "state",
     .kind = FIELD_TEXT,
     .flags = F_UPDATE | F_FILTER,
     .words = "active|inactive",
     .preset = "\"active\""},
    {.name = "expired_at", .kind = FIELD_TIME, .flags = F_EDIT | F_NEEDED},
    {.name = "user_id",
     .kind = FIELD_NUMBER,
     .flags = F_CREATE | F_FILTER,
     .least = 1,
     .most = INT64_MAX,
     .refers = "users"},
    {0},
};
const struct resource kind_token = {.name = "personal access token",
                                    .table = "tokens",
                                    .fields = token_fields,
                                    .check = check_token,
                                    .dress = dress_token};

/* --- the audit log ---------------------------------------------------------------------------------------
 */

/* With what happened up to now. */
int audits_list(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    const struct rest_parts *parts = rest_parts(call->rest);
    int rc = audit_write(parts->audit, parts->options.store, err);
    return rc == DTR_OK ? resource_list(call, db, err) : rc;
}
