/* Roles and what they allow; see users.h. In the database "*" stands for every object, so that roles which
 * may all, or read all, need no change when there are new objects. */
#include "core/manager/rest/users.h"

#include "core/manager/rest/checks.h"
#include "core/manager/rest/kinds.h"

enum { OBJECTS_MOST = 64 };

struct objects {
    size_t count;
    struct {
        char name[ROUTE_WORD];
        bool read, change; /* there are routes for it */
    } items[OBJECTS_MOST];
};

/* What permissions can name, in the order of the routes. */
static void find_objects(struct objects *objects)
{
    *objects = (struct objects){0};
    for (const struct route *route = routes; route < routes + route_count; route++) {
        char name[ROUTE_WORD];
        size_t at = 0;
        if (route->access != ACCESS_ROLE && route->access != ACCESS_OWN)
            continue;
        route_object(route, name);
        while (at < objects->count && strcmp(objects->items[at].name, name) != 0)
            at++;
        if (at == OBJECTS_MOST)
            continue;
        if (at == objects->count)
            memcpy(objects->items[objects->count++].name, name, sizeof(name));
        if (strcmp(route->method, "GET") == 0)
            objects->items[at].read = true;
        else
            objects->items[at].change = true;
    }
}

static bool is_object(const char *name)
{
    struct objects objects;
    find_objects(&objects);
    for (size_t i = 0; i < objects.count; i++) {
        if (strcmp(objects.items[i].name, name) == 0)
            return true;
    }
    return false;
}

static void add_permission(json_t *list, const char *object, const char *action)
{
    (void)json_array_append_new(list, json_pack("{s:s, s:s}", "object", object, "action", action));
}

int permissions_list(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    struct objects objects;
    json_t *list = json_array();
    (void)db;
    find_objects(&objects);
    for (size_t i = 0; i < objects.count; i++) {
        if (objects.items[i].read)
            add_permission(list, objects.items[i].name, "read");
        if (objects.items[i].change)
            add_permission(list, objects.items[i].name, "*");
    }
    return call_answer(call, list, err);
}

/* --- roles -----------------------------------------------------------------------------------------------
 */

const struct field permission_fields[] = {
    {.name = "object", .kind = FIELD_TEXT, .flags = F_CREATE | F_NEEDED, .least = 1, .most = ROUTE_WORD - 1},
    {.name = "action", .kind = FIELD_TEXT, .flags = F_CREATE | F_NEEDED, .words = "read|*"},
    {0}};
static const struct field permission_item[] = {{.name = "", .kind = FIELD_OBJECT, .of = permission_fields},
                                               {0}};
const struct field role_fields[] = {{.name = "role",
                                     .kind = FIELD_TEXT,
                                     .flags = F_CREATE | F_NEEDED,
                                     .least = 1,
                                     .most = ROUTE_WORD - 1,
                                     .check = field_is_role},
                                    {.name = "permissions",
                                     .kind = FIELD_LIST,
                                     .flags = F_CREATE,
                                     .most = 2 * OBJECTS_MOST,
                                     .of = permission_item,
                                     .preset = "[]"},
                                    {0}};

static int add_name(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    (void)count;
    (void)err;
    (void)json_array_append_new(context, json_string(columns[0].text));
    return DTR_OK;
}

int roles_list(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    json_t *list = json_array();
    int rc = store_each(db, "SELECT name FROM roles ORDER BY name", NULL, 0, add_name, list, err);
    if (rc == DTR_OK)
        return call_answer(call, list, err);
    json_decref(list);
    return rc;
}

static int must_exist(struct store_db *db, const char *role, struct dtr_error *err)
{
    int64_t known;
    int rc = store_number(db, "SELECT COUNT(*) FROM roles WHERE name = ?", STORE_VALUES(store_text(role)),
                          &known, err);
    return rc == DTR_OK && !known ? rest_refuse(err, 404, "there is no role %s", role) : rc;
}

static int add_granted(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    struct objects objects;
    (void)count;
    (void)err;
    if (strcmp(columns[0].text, "*") != 0) {
        add_permission(context, columns[0].text, columns[1].text);
        return DTR_OK;
    }
    find_objects(&objects);
    for (size_t i = 0; i < objects.count; i++)
        add_permission(context, objects.items[i].name, columns[1].text);
    return DTR_OK;
}

static int read_permissions(struct store_db *db, const char *role, json_t **ret_list, struct dtr_error *err)
{
    *ret_list = json_array();
    int rc =
        store_each(db, "SELECT object, action FROM role_permissions WHERE role = ? ORDER BY object, action",
                   STORE_VALUES(store_text(role)), add_granted, *ret_list, err);
    if (rc != DTR_OK) {
        json_decref(*ret_list);
        *ret_list = NULL;
    }
    return rc;
}

int roles_get(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    json_t *list;
    int rc = must_exist(db, call_word(call, "role"), err);
    if (rc == DTR_OK)
        rc = read_permissions(db, call_word(call, "role"), &list, err);
    return rc == DTR_OK ? call_answer(call, list, err) : rc;
}

/* --- changes ---------------------------------------------------------------------------------------------
 */

static int grant(struct store_db *db, const char *role, const json_t *permission, struct dtr_error *err)
{
    const char *object = call_text(permission, "object");
    if (!is_object(object))
        return rest_refuse(err, 422, "object: there is no %s; GET /api/v1/permissions lists them", object);
    return store_run(
        db, "INSERT INTO role_permissions (role, object, action) VALUES (?, ?, ?)",
        STORE_VALUES(store_text(role), store_text(object), store_text(call_text(permission, "action"))), NULL,
        err);
}

static int forget(struct store_db *db, const char *role, struct dtr_error *err)
{
    return store_run(db, "DELETE FROM role_permissions WHERE role = ?", STORE_VALUES(store_text(role)), NULL,
                     err);
}

static int grant_all(struct store_db *db, const char *role, const json_t *permissions, struct dtr_error *err)
{
    size_t i;
    json_t *permission;
    int rc = DTR_OK;
    json_array_foreach(permissions, i, permission)
    {
        if (rc == DTR_OK)
            rc = grant(db, role, permission, err);
    }
    if (rc == DTR_EEXISTS)
        rc = rest_refuse(err, 409, "the role has this permission already, or it was given twice");
    return rc;
}

int roles_create(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    json_t *values;
    int rc = call_values(call, F_CREATE, &values, err);
    if (rc != DTR_OK)
        return rc;
    const char *role = call_text(values, "role");
    rc = store_run(db, "INSERT INTO roles (name) VALUES (?)", STORE_VALUES(store_text(role)), NULL, err);
    if (rc == DTR_EEXISTS)
        rc = rest_refuse(err, 409, "there is a role %s already", role);
    if (rc == DTR_OK)
        rc = grant_all(db, role, json_object_get(values, "permissions"), err);
    json_decref(values);
    call->status = 200;
    return rc;
}

int roles_delete(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    const char *role = call_word(call, "role");
    if (strcmp(role, "root") == 0 || strcmp(role, "guest") == 0)
        return rest_refuse(err, 409, "the role %s stays", role);
    int rc = must_exist(db, role, err);
    if (rc == DTR_OK)
        rc = forget(db, role, err);
    if (rc == DTR_OK)
        rc =
            store_run(db, "DELETE FROM user_roles WHERE role = ?", STORE_VALUES(store_text(role)), NULL, err);
    if (rc == DTR_OK)
        rc = store_run(db, "DELETE FROM roles WHERE name = ?", STORE_VALUES(store_text(role)), NULL, err);
    call->status = 200;
    return rc;
}

/* Writes "*" out, so that single permissions can be added and taken. */
static int write_out(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    const char *role = call_word(call, "role");
    json_t *list = NULL;
    int64_t any;
    if (strcmp(role, "root") == 0)
        return rest_refuse(err, 409, "the role root may everything");
    int rc = must_exist(db, role, err);
    if (rc == DTR_OK)
        rc = store_number(db, "SELECT COUNT(*) FROM role_permissions WHERE role = ? AND object = '*'",
                          STORE_VALUES(store_text(role)), &any, err);
    if (rc != DTR_OK || !any)
        return rc;
    rc = read_permissions(db, role, &list, err);
    if (rc == DTR_OK)
        rc = forget(db, role, err);
    if (rc == DTR_OK)
        rc = grant_all(db, role, list, err);
    json_decref(list);
    return rc;
}

static int change(struct rest_call *call, struct store_db *db, bool allow, struct dtr_error *err)
{
    const char *role = call_word(call, "role");
    struct dtr_ran ran = {.changed = 1};
    json_t *values = NULL;
    int rc = write_out(call, db, err);
    if (rc == DTR_OK)
        rc = call_values(call, F_CREATE, &values, err);
    if (rc == DTR_OK && allow)
        rc = grant(db, role, values, err);
    else if (rc == DTR_OK)
        rc = store_run(db, "DELETE FROM role_permissions WHERE role = ? AND object = ? AND action = ?",
                       STORE_VALUES(store_text(role), store_text(call_text(values, "object")),
                                    store_text(call_text(values, "action"))),
                       &ran, err);
    if (rc == DTR_EEXISTS)
        rc = rest_refuse(err, 409, "the role %s has this permission already", role);
    if (rc == DTR_OK && ran.changed == 0)
        rc = rest_refuse(err, 404, "the role %s does not have this permission", role);
    json_decref(values);
    call->status = 200;
    return rc;
}

int roles_allow(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    return change(call, db, true, err);
}

int roles_deny(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    return change(call, db, false, err);
}
