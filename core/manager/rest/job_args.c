/* The arguments of jobs; see jobs.h. */
#include "core/brain/geometry.h"
#include "core/brain/url.h"
#include "core/manager/rest/jobs.h"
#include "core/manager/rest/kinds_fields.h"
#include "core/oci/fetch.h"

#include <string.h>

#define SECOND   INT64_C(1000000000)
#define WEEK     (7 * 24 * 3600 * SECOND)
#define URL_MOST 16384
/* With 10 clusters as many parts as a job may have (MACHINE_PARTS_MOST). */
#define URLS_MOST 1000

/* --- tables --------------------------------------------------------------------------------------------
 */

#define PLAIN(name_, most_)                                                                                  \
    {                                                                                                        \
        .name = name_, .kind = FIELD_TEXT, .flags = F_CREATE, .least = 0, .most = (most_)                    \
    }
#define OPTIONAL(name_, least_, most_)                                                                       \
    {                                                                                                        \
        .name = name_, .kind = FIELD_NUMBER, .flags = F_CREATE, .least = (least_), .most = (most_)           \
    }
/* What belongs to the identity of a task. */
#define IDENTITY                                                                                             \
    OPTIONAL("piece_length", (int64_t)DTR_PIECE_LENGTH_MIN, (int64_t)DTR_PIECE_LENGTH_MAX),                  \
        PLAIN("tag", 1000), PLAIN("application", 1000), PLAIN("filtered_query_params", 4096)
#define AT_ONCE(what_, most_, preset_) NUMBER("concurrent_" what_ "_count", 1, most_, preset_)
#define TIMEOUT                        NUMBER("timeout", SECOND, WEEK, "3600000000000")
#define HEADERS                                                                                              \
    {                                                                                                        \
        .name = "headers", .kind = FIELD_OBJECT, .flags = F_CREATE                                           \
    }
#define REGISTRY HEADERS, PLAIN("username", 1000), PLAIN("password", 4096), PLAIN("platform", 100)

static const struct field a_url[] = {{.name = "", .kind = FIELD_TEXT, .least = 1, .most = URL_MOST}, {0}};
static const struct field an_ip[] = {
    {.name = "", .kind = FIELD_TEXT, .least = 1, .most = 64, .check = field_is_ip}, {0}};
static const struct field object_storage[] = {
    PLAIN("region", 1000),
    PLAIN("endpoint", 1000),
    PLAIN("access_key_id", 1000),
    PLAIN("access_key_secret", 4096),
    PLAIN("session_token", 8192),
    PLAIN("credential_path", 4096),
    PLAIN("predefined_acl", 1000),
    PLAIN("security_token", 8192),
    {.name = "insecure_skip_verify", .kind = FIELD_BOOL, .flags = F_CREATE},
    {0}};
static const struct field hdfs[] = {PLAIN("delegation_token", 8192), {0}};

static const struct field preheat[] = {
    {.name = "type", .kind = FIELD_TEXT, .flags = F_CREATE | F_NEEDED, .words = "image|file"},
    PLAIN("url", URL_MOST),
    {.name = "urls", .kind = FIELD_LIST, .flags = F_CREATE, .least = 1, .most = URLS_MOST, .of = a_url},
    IDENTITY,
    REGISTRY,
    {.name = "scope",
     .kind = FIELD_TEXT,
     .flags = F_CREATE,
     .words = "single_seed_peer|all_seed_peers|all_peers",
     .preset = "\"single_seed_peer\""},
    {.name = "ips", .kind = FIELD_LIST, .flags = F_CREATE, .least = 1, .most = 100, .of = an_ip},
    OPTIONAL("percentage", 1, 100),
    OPTIONAL("count", 1, 200),
    AT_ONCE("task", 100, "8"),
    AT_ONCE("peer", 1000, "500"),
    TIMEOUT,
    OBJECT("object_storage", object_storage),
    OBJECT("hdfs", hdfs),
    {0}};
static const struct field task[] = {PLAIN("task_id", 64),
                                    PLAIN("url", URL_MOST),
                                    IDENTITY,
                                    PLAIN("content_for_calculating_task_id", 65536),
                                    AT_ONCE("peer", 1000, "500"),
                                    TIMEOUT,
                                    {0}};
static const struct field distribution[] = {
    {.name = "url", .kind = FIELD_TEXT, .flags = F_CREATE | F_NEEDED, .least = 1, .most = URL_MOST},
    IDENTITY,
    REGISTRY,
    AT_ONCE("layer", 100, "8"),
    AT_ONCE("peer", 1000, "500"),
    TIMEOUT,
    {0}};
static const struct field gc[] = {
    {.name = "type", .kind = FIELD_TEXT, .flags = F_CREATE | F_NEEDED, .words = "audit|job"}, {0}};
static const struct field none[] = {{0}};

const struct field *const job_arg_forms[] = {preheat, task, distribution, gc, none, NULL};

static const struct field *table_of(enum job_kind kind)
{
    static const struct field *const tables[JOB_KIND_COUNT] = {
        [JOB_PREHEAT] = preheat,  [JOB_GET_TASK] = task,
        [JOB_DELETE_TASK] = task, [JOB_IMAGE_DISTRIBUTION] = distribution,
        [JOB_SYNC_PEERS] = none,  [JOB_GC] = gc,
    };
    return tables[kind];
}

/* --- what tables cannot say ----------------------------------------------------------------------------
 */

static int check_headers(const json_t *headers, struct dtr_error *err)
{
    enum { HEADERS_MOST = 256 };
    const char *name;
    json_t *value;
    if (json_object_size(headers) > HEADERS_MOST)
        return rest_refuse(err, 422, "args.headers: more than %d", HEADERS_MOST);
    json_object_foreach((json_t *)(uintptr_t)headers, name, value)
    {
        const char *text = json_string_value(value);
        if (!dtr_http_token_ok(name, strlen(name)))
            return rest_refuse(err, 422, "args.headers: a name is none that a header can have");
        if (!text || !dtr_http_value_ok(text))
            return rest_refuse(err, 422, "args.headers.%.60s: must be a text that a header can have", name);
    }
    return DTR_OK;
}

static int check_url(const char *where, const char *url, struct dtr_error *err)
{
    struct dtr_url parsed = {0};
    struct dtr_error why;
    int rc = dtr_url_parse(&parsed, url, strlen(url), &why);
    dtr_url_free(&parsed);
    return rc == DTR_OK ? rc : rest_refuse(err, 422, "args.%s: %.200s", where, why.text);
}

static int check_image(const json_t *args, struct dtr_error *err)
{
    struct dtr_error why;
    const char *platform = arg_text(args, "platform");
    if (json_object_get(args, "urls"))
        return rest_refuse(err, 422, "args.urls: are for files; one image is one job, by its url");
    if (dtr_oci_check_url(arg_text(args, "url"), &why) != DTR_OK)
        return rest_refuse(err, 422, "args.url: %.200s", why.text);
    if (*platform && dtr_oci_check_platform(platform, &why) != DTR_OK)
        return rest_refuse(err, 422, "args.platform: %.200s", why.text);
    return check_headers(json_object_get(args, "headers"), err);
}

static int check_preheat(const json_t *args, struct dtr_error *err)
{
    int rc = DTR_OK;
    if (strcmp(arg_text(args, "type"), "image") == 0)
        return check_image(args, err);
    if (args_url_count(args) == 0)
        return rest_refuse(err, 422, "args: url or urls is missing");
    for (size_t i = 0; i < args_url_count(args) && rc == DTR_OK; i++)
        rc = check_url(i < json_array_size(json_object_get(args, "urls")) ? "urls" : "url", args_url(args, i),
                       err);
    return rc == DTR_OK ? check_headers(json_object_get(args, "headers"), err) : rc;
}

static int check_task(const json_t *args, struct dtr_error *err)
{
    char id[DTR_TASK_ID_SIZE];
    struct dtr_error why;
    if (!*arg_text(args, "url") && !*arg_text(args, "task_id") &&
        !json_object_get(args, "content_for_calculating_task_id"))
        return rest_refuse(err, 422, "args: task_id, url or content_for_calculating_task_id is missing");
    if (args_task_id(args, id, &why) != DTR_OK)
        return rest_refuse(err, 422, "args.%s%.200s", *arg_text(args, "url") ? "url: " : "", why.text);
    return DTR_OK;
}

static int check_more(enum job_kind kind, const json_t *args, struct dtr_error *err)
{
    switch (kind) {
    case JOB_PREHEAT:
        return check_preheat(args, err);
    case JOB_GET_TASK:
    case JOB_DELETE_TASK:
        return check_task(args, err);
    case JOB_IMAGE_DISTRIBUTION:
        return check_image(args, err);
    default:
        return DTR_OK;
    }
}

/* --- all of it -----------------------------------------------------------------------------------------
 */

/* As Dragonfly shows them: joined. */
static bool fill_filter(json_t *args)
{
    struct dtr_str text = {0};
    if (*arg_text(args, "filtered_query_params"))
        return true;
    for (size_t i = 0; i < dtr_url_default_filter_count; i++)
        dtr_str_printf(&text, "%s%s", i > 0 ? "&" : "", dtr_url_default_filter[i]);
    bool ok = dtr_str_ok(&text) &&
              json_object_set_new(args, "filtered_query_params", json_string(dtr_str_text(&text))) == 0;
    dtr_str_free(&text);
    return ok;
}

/* What is not asked for by its right name would not be done. */
static void warn(struct rest_call *call, const struct field *fields, const json_t *given)
{
    char unknown[64], shown[61];
    fields_unknown(fields, F_CREATE, given, unknown);
    (void)snprintf(shown, sizeof(shown), "args.%.55s", unknown);
    if (unknown[0])
        call_warn_unknown(call, shown, "an argument of such a job");
}

int job_check_args(struct rest_call *call, enum job_kind kind, const json_t *body, json_t **ret_args,
                   struct dtr_error *err)
{
    const struct field *fields = table_of(kind);
    const struct field whole[] = {
        {.name = "args", .kind = FIELD_OBJECT, .flags = F_CREATE, .of = fields, .preset = "{}"}, {0}};
    struct dtr_error why = {0};
    json_t *values = NULL;
    *ret_args = NULL;
    int rc = fields_check(whole, F_CREATE, body, &values, NULL, &why);
    if (rc == DTR_EINVALID)
        return rest_refuse(err, 422, "%s", why.text);
    if (rc != DTR_OK)
        return dtr_error_set(err, rc, why.retry, "%s", why.text);
    json_t *args = json_object_get(values, "args");
    warn(call, fields, field_given(body, "args"));
    rc = check_more(kind, args, err);
    if (rc == DTR_OK && kind != JOB_GC && kind != JOB_SYNC_PEERS && !fill_filter(args))
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a job");
    if (rc == DTR_OK)
        *ret_args = json_incref(args);
    json_decref(values);
    return rc;
}
