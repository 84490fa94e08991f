/* The resources of the inventory, settings, the audit log; see kinds.h. Clusters, users and tokens are in
 * files of their own. */
#include "core/manager/rest/kinds_fields.h"

/* --- the inventory ---------------------------------------------------------------------------------------
 */

static const struct field feature[] = {{.name = "", .kind = FIELD_TEXT, .words = "schedule|preheat"}, {0}};

static const struct field scheduler_fields[] = {
    NEEDED_TEXT("host_name", F_CREATE | F_FILTER, 255),
    TEXT("idc", F_ALL, 1000),
    TEXT("location", F_ALL, 1000),
    IP(F_ALL),
    {.name = "port", .kind = FIELD_NUMBER, .flags = F_EDIT | F_NEEDED, .least = 1, .most = 65535},
    STATE,
    {.name = "features",
     .column = "features_json",
     .kind = FIELD_LIST,
     .flags = F_EDIT,
     .most = 2,
     .of = feature,
     .preset = "[\"schedule\",\"preheat\"]"},
    {.name = "config", .column = "config_json", .kind = FIELD_OBJECT, .preset = "{}"},
    {.name = "last_keep_alive_at", .kind = FIELD_TIME, .preset = "\"1970-01-01T00:00:00Z\""},
    CLUSTER_ID("scheduler_cluster_id", "scheduler_clusters"),
    {0},
};
const struct resource kind_scheduler = {
    .name = "scheduler", .table = "schedulers", .fields = scheduler_fields};

static const struct field seed_peer_fields[] = {
    NEEDED_TEXT("host_name", F_CREATE | F_FILTER, 255),
    {.name = "type", .kind = FIELD_TEXT, .flags = F_ALL, .words = "super|strong|weak", .preset = "\"super\""},
    TEXT("idc", F_ALL, 1000),
    TEXT("location", F_ALL, 1000),
    IP(F_ALL),
    {.name = "port", .kind = FIELD_NUMBER, .flags = F_EDIT | F_NEEDED, .least = 1, .most = 65535},
    {.name = "download_port", .kind = FIELD_NUMBER, .flags = F_EDIT | F_NEEDED, .least = 1, .most = 65535},
    PORT("object_storage_port", F_EDIT, 0),
    STATE,
    {.name = "last_keep_alive_at", .kind = FIELD_TIME, .preset = "\"1970-01-01T00:00:00Z\""},
    CLUSTER_ID("seed_peer_cluster_id", "seed_peer_clusters"),
    {0},
};
const struct resource kind_seed_peer = {
    .name = "seed peer", .table = "seed_peers", .fields = seed_peer_fields};

static const struct field peer_fields[] = {
    NEEDED_TEXT("host_name", F_CREATE | F_FILTER, 255),
    {.name = "type",
     .kind = FIELD_TEXT,
     .flags = F_CREATE | F_FILTER,
     .words = "normal|super|strong|weak",
     .preset = "\"normal\""},
    TEXT("idc", F_CREATE | F_FILTER, 1000),
    TEXT("location", F_CREATE | F_FILTER, 1000),
    IP(F_CREATE | F_FILTER),
    PORT("port", F_CREATE, 0),
    PORT("download_port", F_CREATE, 0),
    PORT("proxy_port", F_CREATE, 0),
    PORT("object_storage_port", F_CREATE, 0),
    STATE,
    TEXT("os", F_CREATE, 255),
    TEXT("platform", F_CREATE | F_FILTER, 255),
    TEXT("platform_family", F_CREATE, 255),
    TEXT("platform_version", F_CREATE, 255),
    TEXT("kernel_version", F_CREATE, 255),
    TEXT("git_version", F_CREATE | F_FILTER, 255),
    TEXT("git_commit", F_CREATE | F_FILTER, 255),
    TEXT("build_platform", F_CREATE, 255),
    CLUSTER_ID("scheduler_cluster_id", "scheduler_clusters"),
    {0},
};
const struct resource kind_peer = {.name = "peer", .table = "peers", .fields = peer_fields};

/* --- settings --------------------------------------------------------------------------------------------
 */

/* Who makes it, unless another user is named. */
static int own_user(struct rest_call *call, struct store_db *db, int64_t id, json_t *values,
                    struct dtr_error *err)
{
    (void)db;
    if (id > 0 || json_object_get(values, "user_id"))
        return DTR_OK;
    if (json_object_set_new(values, "user_id", json_integer(call->who.user_id)) == 0)
        return DTR_OK;
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a request");
}

static const struct field application_url[] = {
    {.name = "regex", .kind = FIELD_TEXT, .flags = F_CREATE | F_NEEDED, .check = field_is_regex},
    {.name = "value", .kind = FIELD_NUMBER, .flags = F_CREATE | F_NEEDED, .least = 0, .most = 20},
    {0}};
static const struct field application_urls[] = {{.name = "", .kind = FIELD_OBJECT, .of = application_url},
                                                {0}};
static const struct field application_priority[] = {
    {.name = "value", .kind = FIELD_NUMBER, .flags = F_CREATE | F_NEEDED, .least = 0, .most = 20},
    LIST("urls", application_urls),
    {0}};
static const struct field application_fields[] = {
    NAME(F_ALL),
    {.name = "url",
     .kind = FIELD_TEXT,
     .flags = F_ALL,
     .most = 1000,
     .check = field_is_link,
     .preset = "\"\""},
    TEXT("bio", F_EDIT, 1000),
    {.name = "priority",
     .column = "priority_json",
     .kind = FIELD_OBJECT,
     .flags = F_EDIT | F_NEEDED,
     .of = application_priority},
    USER_ID,
    {0},
};
const struct resource kind_application = {
    .name = "application", .table = "applications", .fields = application_fields, .check = own_user};

static bool is_ttl(const json_t *gc, const char *name)
{
    const json_t *ttl = json_object_get(json_object_get(gc, name), "ttl");
    return !json_object_get(gc, name) || (json_is_integer(ttl) && json_integer_value(ttl) > 0);
}

/* The manager reads the value of one of them. */
static int check_config(struct rest_call *call, struct store_db *db, int64_t id, json_t *values,
                        struct dtr_error *err)
{
    const char *value = json_string_value(json_object_get(values, "value"));
    int64_t is_gc = strcmp(call_text(values, "name"), "gc") == 0;
    int rc = own_user(call, db, id, values, err);
    if (rc == DTR_OK && !is_gc && id > 0 && !json_object_get(values, "name"))
        rc = store_number(db, "SELECT COUNT(*) FROM configs WHERE id = ? AND name = 'gc'",
                          STORE_VALUES(STORE_NUMBER(id)), &is_gc, err);
    if (rc != DTR_OK || !is_gc || !value)
        return rc;
    json_t *gc = json_loads(value, 0, NULL);
    if (!json_is_object(gc) || !is_ttl(gc, "audit") || !is_ttl(gc, "job"))
        rc = rest_refuse(err, 422,
                         "value: of the config gc must be the JSON text "
                         "{\"audit\":{\"ttl\":N},\"job\":{\"ttl\":N}} with N in nanoseconds, from 1");
    json_decref(gc);
    return rc;
}

static const struct field config_fields[] = {
    NAME(F_ALL),
    {.name = "value", .kind = FIELD_TEXT, .flags = F_ALL | F_NEEDED, .least = 1, .most = 65536},
    TEXT("bio", F_EDIT, 1000),
    USER_ID,
    {0},
};
const struct resource kind_config = {
    .name = "config", .table = "configs", .fields = config_fields, .check = check_config};

/* --- the audit log ---------------------------------------------------------------------------------------
 */

static const struct field audit_fields[] = {
    {.name = "actor_type", .kind = FIELD_TEXT, .flags = F_FILTER, .words = "UNKNOWN|USER|PAT"},
    {.name = "actor_name", .kind = FIELD_TEXT, .flags = F_FILTER},
    {.name = "event_type", .kind = FIELD_TEXT, .flags = F_FILTER},
    {.name = "operation", .kind = FIELD_TEXT, .flags = F_FILTER},
    {.name = "operated_at", .kind = FIELD_TIME},
    {.name = "state", .kind = FIELD_TEXT, .flags = F_FILTER, .words = "SUCCESS|FAILURE"},
    {.name = "path", .kind = FIELD_TEXT, .flags = F_FILTER | F_BEGINS},
    {.name = "status_code", .kind = FIELD_NUMBER, .flags = F_FILTER},
    {.name = "detail", .kind = FIELD_TEXT},
    {0},
};
const struct resource kind_audit = {
    .name = "audit", .table = "audits", .fields = audit_fields, .newest_first = true};
