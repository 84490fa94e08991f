/* Sign-in, sign-up, passwords; see session.h. */
#include "core/manager/rest/session.h"

#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/manager/rest/auth.h"
#include "core/manager/rest/password.h"
#include "core/manager/rest/resource.h"
#include "core/manager/rest/throttle.h"

#include <stdlib.h>
#include <time.h>

/* Failures a minute: of one address with one name, and of one address. */
enum { NAME_MOST = 5, ADDRESS_MOST = 50, SIGNUP_MOST = 20 /* also those that succeed */ };

#define NAME                                                                                                 \
    {                                                                                                        \
        .name = "name", .kind = FIELD_TEXT, .flags = F_CREATE | F_NEEDED, .least = 3, .most = 10             \
    }
#define PASSWORD(name_)                                                                                      \
    {                                                                                                        \
        .name = name_, .kind = FIELD_TEXT, .flags = F_CREATE | F_NEEDED, .least = PASSWORD_LEAST,            \
        .most = PASSWORD_MOST                                                                                \
    }

const struct field session_fields[] = {NAME, PASSWORD("password"), {0}};
const struct field session_reset_fields[] = {PASSWORD("old_password"), PASSWORD("new_password"), {0}};
const struct field session_signup_fields[] = {
    NAME,
    PASSWORD("password"),
    {.name = "email", .kind = FIELD_TEXT, .flags = F_CREATE, .most = 255, .preset = "\"\""},
    {.name = "phone", .kind = FIELD_TEXT, .flags = F_CREATE, .most = 64, .preset = "\"\""},
    {.name = "avatar", .kind = FIELD_TEXT, .flags = F_CREATE, .most = 1024, .preset = "\"\""},
    {.name = "location", .kind = FIELD_TEXT, .flags = F_CREATE, .most = 255, .preset = "\"\""},
    {.name = "bio", .kind = FIELD_TEXT, .flags = F_CREATE, .most = 1024, .preset = "\"\""},
    {0}};

/* --- failures --------------------------------------------------------------------------------------------
 */

struct keys {
    char name[128], address[64];
};

static int check_throttle(struct rest_call *call, const char *name, struct keys *ret_keys,
                          struct dtr_error *err)
{
    struct throttle *throttle = rest_parts(call->rest)->throttle;
    uint64_t now = dtr_now_ms();
    (void)snprintf(ret_keys->name, sizeof(ret_keys->name), "%s %.60s", call->client, name);
    (void)snprintf(ret_keys->address, sizeof(ret_keys->address), "%s", call->client);
    unsigned wait = throttle_wait(throttle, ret_keys->name, NAME_MOST, now);
    if (wait == 0)
        wait = throttle_wait(throttle, ret_keys->address, ADDRESS_MOST, now);
    if (wait == 0)
        return DTR_OK;
    call->retry_after = wait;
    return rest_refuse(err, 429, "too many wrong passwords: try again in %u s", wait);
}

static void count_failure(struct rest_call *call, const struct keys *keys)
{
    struct throttle *throttle = rest_parts(call->rest)->throttle;
    throttle_failed(throttle, keys->name, dtr_now_ms());
    throttle_failed(throttle, keys->address, dtr_now_ms());
}

/* --- sessions --------------------------------------------------------------------------------------------
 */

struct account {
    int64_t id, default_password;
    char name[64];
    char hash[PASSWORD_HASH]; /* "": there is no such user */
    bool enabled;
};

static int on_account(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    struct account *account = context;
    (void)count;
    (void)err;
    account->id = columns[0].number;
    (void)dtr_copy_text(account->name, sizeof(account->name), columns[1].text);
    (void)dtr_copy_text(account->hash, sizeof(account->hash), columns[2].text);
    account->enabled = strcmp(columns[3].text, "enable") == 0;
    account->default_password = columns[4].number;
    return DTR_OK;
}

#define ACCOUNT "SELECT id, name, password_hash, state, default_password FROM users WHERE "

static int by_name(struct store_db *db, const char *name, struct account *ret_account, struct dtr_error *err)
{
    *ret_account = (struct account){0};
    return store_each(db, ACCOUNT "name = ?", STORE_VALUES(store_text(name)), on_account, ret_account, err);
}

static int by_id(struct store_db *db, int64_t id, struct account *ret_account, struct dtr_error *err)
{
    *ret_account = (struct account){0};
    return store_each(db, ACCOUNT "id = ?", STORE_VALUES(STORE_NUMBER(id)), on_account, ret_account, err);
}

static void set_cookie(struct rest_call *call, const char *token, uint64_t seconds)
{
    const struct rest_options *options = &rest_parts(call->rest)->options;
    call_header(call, "Set-Cookie", "jwt=%s; Path=/; Max-Age=%llu; SameSite=Lax%s", token,
                (unsigned long long)seconds, options->secure ? "; Secure" : "");
}

static int answer_token(struct rest_call *call, const struct account *account, int64_t signed_in,
                        struct dtr_error *err)
{
    const uint64_t timeout_s = atomic_load(&rest_parts(call->rest)->jwt_timeout_s);
    struct jwt_claims claims = {
        .user_id = account->id, .expires = (int64_t)time(NULL) + (int64_t)timeout_s, .signed_in = signed_in};
    char token[JWT_TEXT], expires[FIELD_TIME_TEXT];
    jwt_mark(rest_key(call->rest), account->hash, claims.mark);
    jwt_sign(rest_key(call->rest), &claims, token);
    field_time_text(claims.expires * 1000, expires);
    set_cookie(call, token, timeout_s);
    json_t *answer = json_pack("{s:s, s:s}", "token", token, "expire", expires);
    if (answer && account->default_password)
        (void)json_object_set_new(
            answer, "warning",
            json_sprintf("%s still has the default password, which everybody knows: change it by POST "
                         "/api/v1/users/%lld/reset_password",
                         account->name, (long long)account->id));
    return call_answer(call, answer, err);
}

static int sign_in(struct rest_call *call, struct store_db *db, const json_t *values, struct dtr_error *err)
{
    const char *name = call_text(values, "name");
    struct account account;
    struct keys keys;
    int rc = check_throttle(call, name, &keys, err);
    if (rc == DTR_OK)
        rc = by_name(db, name, &account, err);
    if (rc != DTR_OK)
        return rc;
    if (!password_fits(call_text(values, "password"), account.hash) || !account.enabled) {
        count_failure(call, &keys);
        return rest_refuse(err, 401, "the name or the password is wrong, or the user is disabled");
    }
    throttle_forget(rest_parts(call->rest)->throttle, keys.name);
    call->who = (struct who){.kind = WHO_USER, .user_id = account.id};
    (void)dtr_copy_text(call->who.name, sizeof(call->who.name), account.name);
    return answer_token(call, &account, (int64_t)time(NULL), err);
}

int session_sign_in(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    json_t *values;
    int rc = call_values(call, F_CREATE, &values, err);
    if (rc == DTR_OK)
        rc = sign_in(call, db, values, err);
    json_decref(values);
    return rc;
}

int session_sign_out(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    (void)db;
    set_cookie(call, "", 0);
    return call_answer(call, json_pack("{s:i}", "code", 200), err);
}

int session_refresh(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    uint64_t most = atomic_load(&rest_parts(call->rest)->jwt_max_refresh_s);
    struct jwt_claims claims;
    struct account account;
    int rc = auth_session(call, db, &claims, err);
    if (rc == DTR_OK && claims.signed_in + (int64_t)most < (int64_t)time(NULL))
        rc = rest_refuse(err, 401, "the session is too old to be made longer (auth.jwt.maxRefresh): sign in");
    if (rc == DTR_OK)
        rc = by_id(db, claims.user_id, &account, err);
    return rc == DTR_OK ? answer_token(call, &account, claims.signed_in, err) : rc;
}

/* --- sign-up ---------------------------------------------------------------------------------------------
 */

struct signup {
    struct rest_call *call;
    const json_t *values;
    char hash[PASSWORD_HASH];
};

static int insert_user(struct store_db *db, void *context, struct dtr_error *err)
{
    const struct signup *signup = context;
    const json_t *values = signup->values;
    struct dtr_ran ran = {0};
    int64_t now = store_now_ms();
    int rc = store_run(
        db,
        "INSERT INTO users (name, email, phone, avatar, location, bio, state, password_hash, "
        "default_password, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, 'enable', ?, 0, ?, ?)",
        STORE_VALUES(store_text(call_text(values, "name")), store_text(call_text(values, "email")),
                     store_text(call_text(values, "phone")), store_text(call_text(values, "avatar")),
                     store_text(call_text(values, "location")), store_text(call_text(values, "bio")),
                     store_text(signup->hash), STORE_NUMBER(now), STORE_NUMBER(now)),
        &ran, err);
    if (rc == DTR_EEXISTS)
        return rest_refuse(err, 409, "there is a user called %s already", call_text(values, "name"));
    if (rc == DTR_OK)
        rc = store_run(db, "INSERT INTO user_roles (user_id, role) VALUES (?, 'guest')",
                       STORE_VALUES(STORE_NUMBER(ran.id)), NULL, err);
    return rc == DTR_OK ? resource_answer(signup->call, db, ran.id, err) : rc;
}

/* Each costs the time of a hash, and a row. */
static int check_signups(struct rest_call *call, struct dtr_error *err)
{
    struct throttle *throttle = rest_parts(call->rest)->throttle;
    char key[80];
    (void)snprintf(key, sizeof(key), "signup %s", call->client);
    call->retry_after = throttle_wait(throttle, key, SIGNUP_MOST, dtr_now_ms());
    if (call->retry_after > 0)
        return rest_refuse(err, 429, "too many sign-ups: try again in %u s", call->retry_after);
    throttle_failed(throttle, key, dtr_now_ms());
    return DTR_OK;
}

int session_sign_up(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    struct signup signup = {.call = call};
    json_t *values;
    (void)db;
    int rc = call_values(call, F_CREATE, &values, err);
    signup.values = values;
    if (rc == DTR_OK)
        rc = check_signups(call, err);
    if (rc == DTR_OK)
        rc = password_hash(call_text(values, "password"), signup.hash, err);
    if (rc == DTR_OK)
        rc = store_do(rest_parts(call->rest)->options.store, insert_user, &signup, err);
    json_decref(values);
    return rc;
}

/* --- another password ------------------------------------------------------------------------------------
 */

struct reset {
    int64_t id;
    struct account account;
    char hash[PASSWORD_HASH];
};

static int read_account(struct store_db *db, void *context, struct dtr_error *err)
{
    struct reset *reset = context;
    return by_id(db, reset->id, &reset->account, err);
}

/* Only if nobody else was faster. */
static int store_hash(struct store_db *db, void *context, struct dtr_error *err)
{
    const struct reset *reset = context;
    struct dtr_ran ran = {0};
    int rc =
        store_run(db,
                  "UPDATE users SET password_hash = ?, default_password = 0, updated_at = ? WHERE id = ? "
                  "AND password_hash = ?",
                  STORE_VALUES(store_text(reset->hash), STORE_NUMBER(store_now_ms()), STORE_NUMBER(reset->id),
                               store_text(reset->account.hash)),
                  &ran, err);
    if (rc == DTR_OK && ran.changed == 0)
        rc = rest_refuse(err, 409, "the password was changed by somebody else meanwhile");
    return rc;
}

static int reset_password(struct rest_call *call, const json_t *values, struct dtr_error *err)
{
    struct store *store = rest_parts(call->rest)->options.store;
    struct reset reset = {.id = call_number(call, "id")};
    struct keys keys;
    char id[24]; /* however many zeros it was given with */
    (void)snprintf(id, sizeof(id), "%lld", (long long)reset.id);
    int rc = check_throttle(call, id, &keys, err);
    if (rc == DTR_OK)
        rc = store_read(store, read_account, &reset, err);
    if (rc != DTR_OK)
        return rc;
    if (!password_fits(call_text(values, "old_password"), reset.account.hash)) {
        count_failure(call, &keys);
        return rest_refuse(err, 401, "old_password: is wrong, or there is no such user");
    }
    if (strcmp(call_text(values, "old_password"), call_text(values, "new_password")) == 0)
        return rest_refuse(err, 422, "new_password: must be another one");
    rc = password_hash(call_text(values, "new_password"), reset.hash, err);
    if (rc == DTR_OK)
        rc = store_do(store, store_hash, &reset, err);
    call->status = 200;
    return rc;
}

int session_reset_password(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    json_t *values;
    (void)db;
    int rc = call_values(call, F_CREATE, &values, err);
    if (rc == DTR_OK)
        rc = reset_password(call, values, err);
    json_decref(values);
    return rc;
}
