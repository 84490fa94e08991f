/* Who asks, and whether they may; see auth.h. */
#include "core/manager/rest/auth.h"

#include "core/base/str.h"
#include "core/manager/rest/password.h"

#include <stdlib.h>
#include <strings.h>
#include <time.h>

/* --- where tokens are ------------------------------------------------------------------------------------
 */

static const char *bearer(const struct rest_call *call)
{
    const char *text = call->authorization;
    if (!text || strncasecmp(text, "Bearer ", 7) != 0)
        return NULL;
    return text + 7 + strspn(text + 7, " ");
}

/* Whether a page of ours, or no page, made a browser ask: SameSite keeps the cookie from other sites, but to
 * a browser other ports and other names of the same domain are the same site. */
static bool is_ours(const struct rest_call *call)
{
    return !call->fetch_site || strcasecmp(call->fetch_site, "same-origin") == 0 ||
           strcasecmp(call->fetch_site, "none") == 0;
}

const char *auth_cookie(const struct rest_call *call, char text[AUTH_TOKEN])
{
    if (!is_ours(call))
        return NULL;
    for (const char *at = call->cookie; at && *at; at += strcspn(at, ";"), at += strspn(at, "; ")) {
        if (strncmp(at, "jwt=", 4) != 0)
            continue;
        size_t length = strcspn(at + 4, "; ");
        if (length == 0 || length >= AUTH_TOKEN)
            return NULL;
        memcpy(text, at + 4, length);
        text[length] = 0;
        return text;
    }
    return NULL;
}

/* What was given on purpose comes before what a browser sends by itself. */
static const char *session_text(const struct rest_call *call, char text[AUTH_TOKEN])
{
    const char *found = bearer(call);
    if (!found)
        found = query_get(&call->query, "token");
    return found ? found : auth_cookie(call, text);
}

/* --- sessions --------------------------------------------------------------------------------------------
 */

struct user {
    bool found, enabled;
    char name[64], hash[PASSWORD_HASH];
};

static int on_user(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    struct user *user = context;
    (void)count;
    (void)err;
    user->found = dtr_copy_text(user->name, sizeof(user->name), columns[0].text) &&
                  dtr_copy_text(user->hash, sizeof(user->hash), columns[2].text);
    user->enabled = strcmp(columns[1].text, "enable") == 0;
    return DTR_OK;
}

static int read_user(struct store_db *db, int64_t id, struct user *ret_user, struct dtr_error *err)
{
    *ret_user = (struct user){0};
    return store_each(db, "SELECT name, state, password_hash FROM users WHERE id = ?",
                      STORE_VALUES(STORE_NUMBER(id)), on_user, ret_user, err);
}

static int is_root(struct store_db *db, int64_t user_id, bool *ret_is, struct dtr_error *err)
{
    int64_t count = 0;
    int rc = store_number(db, "SELECT COUNT(*) FROM user_roles WHERE user_id = ? AND role = 'root'",
                          STORE_VALUES(STORE_NUMBER(user_id)), &count, err);
    *ret_is = count > 0;
    return rc;
}

int auth_session(struct rest_call *call, struct store_db *db, struct jwt_claims *ret_claims,
                 struct dtr_error *err)
{
    char text[AUTH_TOKEN], mark[JWT_MARK];
    const char *found = session_text(call, text), *key = rest_key(call->rest);
    struct user user;
    if (!found)
        return rest_refuse(err, 401, "sign in first: POST /api/v1/users/signin");
    if (jwt_read(key, found, ret_claims, err) != DTR_OK)
        return rest_refuse(err, 401, "the session token was not made by this manager: sign in");
    int rc = read_user(db, ret_claims->user_id, &user, err);
    if (rc != DTR_OK)
        return rc;
    jwt_mark(key, user.hash, mark);
    if (!user.found || !user.enabled || strcmp(mark, ret_claims->mark) != 0)
        return rest_refuse(err, 401,
                           "the session has ended (the password was changed, or the user was "
                           "disabled): sign in");
    call->who = (struct who){.kind = WHO_USER, .user_id = ret_claims->user_id};
    (void)dtr_copy_text(call->who.name, sizeof(call->who.name), user.name);
    return is_root(db, call->who.user_id, &call->who.root, err);
}

static int by_session(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    struct jwt_claims claims;
    int rc = auth_session(call, db, &claims, err);
    if (rc == DTR_OK && claims.expires <= (int64_t)time(NULL)) {
        call->who = (struct who){0};
        rc = rest_refuse(err, 401, "the session has expired: sign in, or POST /api/v1/users/refresh_token");
    }
    return rc;
}

/* --- personal access tokens ------------------------------------------------------------------------------
 */

struct token {
    bool found, active;
    char name[64];
    int64_t user_id, expires_ms;
    json_t *scopes;
};

static int on_token(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    struct token *token = context;
    (void)count;
    (void)err;
    token->found = true;
    (void)snprintf(token->name, sizeof(token->name), "%.63s", columns[0].text);
    token->active = strcmp(columns[1].text, "active") == 0;
    token->expires_ms = columns[2].number;
    token->user_id = columns[3].number;
    token->scopes = json_loads(columns[4].text, 0, NULL);
    return DTR_OK;
}

/* Scope "job" is for /jobs, "cluster" for /clusters; a token without any scope is for all. */
static bool in_scope(const json_t *scopes, const char *object)
{
    size_t i, length = strlen(object) - 1;
    json_t *scope;
    json_array_foreach(scopes, i, scope)
    {
        const char *text = json_string_value(scope);
        if (text && strlen(text) == length && strncmp(text, object, length) == 0)
            return true;
    }
    return json_is_array(scopes) && json_array_size(scopes) == 0;
}

static int use_token(struct rest_call *call, const struct token *token, const struct user *owner,
                     struct dtr_error *err)
{
    char object[ROUTE_WORD];
    route_object(call->match.route, object);
    if (!token->active || token->expires_ms <= store_now_ms() || !owner->found || !owner->enabled)
        return rest_refuse(err, 403, "the access token has expired, or it or its user was disabled");
    if (!in_scope(token->scopes, object))
        return rest_refuse(err, 403, "the access token does not have the scope for %s", object);
    call->who = (struct who){.kind = WHO_TOKEN, .user_id = token->user_id};
    (void)dtr_copy_text(call->who.name, sizeof(call->who.name), token->name);
    return DTR_OK;
}

static int by_token(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    const char *text = bearer(call);
    char hash[65];
    struct token token = {0};
    struct user owner = {0};
    if (!text)
        text = query_get(&call->query, "access_token");
    if (!text)
        return rest_refuse(err, 401, "give a personal access token: Authorization: Bearer ...");
    secret_hash(text, hash);
    int rc = store_each(
        db, "SELECT name, state, expired_at, user_id, scopes_json FROM tokens WHERE token_hash = ?",
        STORE_VALUES(store_text(hash)), on_token, &token, err);
    if (rc == DTR_OK && token.found)
        rc = read_user(db, token.user_id, &owner, err);
    if (rc == DTR_OK)
        rc = token.found ? use_token(call, &token, &owner, err)
                         : rest_refuse(err, 401, "there is no such access token");
    json_decref(token.scopes);
    return rc;
}

int auth_identify(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    call->who = (struct who){0};
    return call->match.with_token ? by_token(call, db, err) : by_session(call, db, err);
}

/* --- permissions -----------------------------------------------------------------------------------------
 */

/* Whether a user has a role that grants `action` on `object`. */
static int may_do(struct store_db *db, int64_t user_id, const char *object, const char *action, bool *ret_may,
                  struct dtr_error *err)
{
    int64_t count = 0;
    int rc = store_number(
        db,
        "SELECT COUNT(*) FROM user_roles u JOIN role_permissions p ON p.role = u.role WHERE "
        "u.user_id = ? AND (p.object = '*' OR p.object = ?) AND (p.action = '*' OR p.action "
        "= ?)",
        STORE_VALUES(STORE_NUMBER(user_id), store_text(object), store_text(action)), &count, err);
    *ret_may = count > 0;
    return rc;
}

static int by_role(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    char object[ROUTE_WORD];
    const char *action = strcmp(call->match.route->method, "GET") == 0 ? "read" : "*";
    bool may;
    route_object(call->match.route, object);
    int rc = may_do(db, call->who.user_id, object, action, &may, err);
    if (rc == DTR_OK && !may)
        rc = rest_refuse(err, 403, "no role of %s allows to %s %s", call->who.name,
                         *action == 'r' ? "read" : "change", object);
    return rc;
}

int auth_allow(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    switch (call->match.route->access) {
    case ACCESS_OPEN:
    case ACCESS_SIGNED_IN:
        return DTR_OK;
    case ACCESS_OWN:
        if (call_number(call, "id") == call->who.user_id)
            return DTR_OK;
        return by_role(call, db, err);
    case ACCESS_ROLE:
        return by_role(call, db, err);
    case ACCESS_UNSTATED:
        break;
    }
    return rest_refuse(err, 403, "this is for nobody");
}
