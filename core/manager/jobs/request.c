/* Requests from arguments; see request.h. */
#include "core/manager/jobs/request.h"

#include "core/rpc/methods.h"
#include "proto/darter.pb-c.h"
#include "proto/scheduler.pb-c.h"

#include <stdlib.h>
#include <string.h>

enum {
    BEGIN_MS = 180000, /* for a preheat: first the registry is asked, for a minute, perhaps after a walk */
    SHORT_MS = 30000,
    LOOK_MS = 60000, /* at all hosts */
    SPARE_MS = 5000, /* after a scheduler's own time: it has the better errors */
};

/* The entries of all maps of strings look alike. */
typedef Scheduler__V2__PreheatImageRequest__HeaderEntry Entry;

/* What messages point to. */
struct parts {
    const char *names[ARGS_FILTER_MOST];
    char *names_text;
    Entry *entries;
    void **entry_list;
    size_t entry_count;
    const char **ips;
    size_t ip_count;
    Google__Protobuf__Duration timeout;
    Common__V2__ObjectStorage storage;
    Common__V2__HDFS hdfs;
    bool ok;
};

static void gather_headers(struct parts *parts, json_t *headers)
{
    const char *name;
    json_t *value;
    parts->entries = calloc(json_object_size(headers) + 1, sizeof(*parts->entries));
    parts->entry_list = calloc(json_object_size(headers) + 1, sizeof(*parts->entry_list));
    if (!parts->entries || !parts->entry_list)
        return;
    json_object_foreach(headers, name, value)
    {
        Entry *entry = &parts->entries[parts->entry_count];
        scheduler__v2__preheat_image_request__header_entry__init(entry);
        entry->key = (char *)(uintptr_t)name;
        entry->value = (char *)(uintptr_t)json_string_value(value);
        parts->entry_list[parts->entry_count++] = entry;
    }
}

static void gather_ips(struct parts *parts, const json_t *ips)
{
    parts->ips = calloc(json_array_size(ips) + 1, sizeof(*parts->ips));
    for (size_t i = 0; parts->ips && i < json_array_size(ips); i++)
        parts->ips[parts->ip_count++] = json_string_value(json_array_get(ips, i));
}

#define TAKE(message, PREFIX, json, field, FIELD, of)                                                        \
    do {                                                                                                     \
        const json_t *given_ = json_object_get(json, #field);                                                \
        if (given_) {                                                                                        \
            (message)->has_##field##_case = PREFIX##__HAS_##FIELD##_##FIELD;                                 \
            (message)->field = of(given_);                                                                   \
        }                                                                                                    \
    } while (0)
#define AS_TEXT(json)   (char *)(uintptr_t)json_string_value(json)
#define AS_FLAG(json)   json_is_true(json)
#define AS_SIZE(json)   (uint64_t) json_integer_value(json)
#define AS_COUNT(json)  (uint32_t) json_integer_value(json)
#define AS_NUMBER(json) json_integer_value(json)

static void gather_storage(struct parts *parts, const json_t *json)
{
    Common__V2__ObjectStorage *storage = &parts->storage;
    common__v2__object_storage__init(storage);
    TAKE(storage, COMMON__V2__OBJECT_STORAGE, json, region, REGION, AS_TEXT);
    TAKE(storage, COMMON__V2__OBJECT_STORAGE, json, endpoint, ENDPOINT, AS_TEXT);
    TAKE(storage, COMMON__V2__OBJECT_STORAGE, json, access_key_id, ACCESS_KEY_ID, AS_TEXT);
    TAKE(storage, COMMON__V2__OBJECT_STORAGE, json, access_key_secret, ACCESS_KEY_SECRET, AS_TEXT);
    TAKE(storage, COMMON__V2__OBJECT_STORAGE, json, session_token, SESSION_TOKEN, AS_TEXT);
    TAKE(storage, COMMON__V2__OBJECT_STORAGE, json, credential_path, CREDENTIAL_PATH, AS_TEXT);
    TAKE(storage, COMMON__V2__OBJECT_STORAGE, json, predefined_acl, PREDEFINED_ACL, AS_TEXT);
    TAKE(storage, COMMON__V2__OBJECT_STORAGE, json, security_token, SECURITY_TOKEN, AS_TEXT);
    TAKE(storage, COMMON__V2__OBJECT_STORAGE, json, insecure_skip_verify, INSECURE_SKIP_VERIFY, AS_FLAG);
}

/* Returns how many names the filter has. */
static size_t gather(struct parts *parts, const struct ask *ask)
{
    size_t count = args_filter(ask->args, parts->names, &parts->names_text);
    gather_headers(parts, json_object_get(ask->args, "headers"));
    gather_ips(parts, json_object_get(ask->args, "ips"));
    gather_storage(parts, json_object_get(ask->args, "object_storage"));
    common__v2__hdfs__init(&parts->hdfs);
    TAKE(&parts->hdfs, COMMON__V2__HDFS, json_object_get(ask->args, "hdfs"), delegation_token,
         DELEGATION_TOKEN, AS_TEXT);
    google__protobuf__duration__init(&parts->timeout);
    parts->timeout.seconds = (int64_t)(ask->left_ms / 1000) + 1;
    parts->ok = parts->names_text && parts->entries && parts->entry_list && parts->ips;
    return count;
}

static void parts_free(struct parts *parts)
{
    free(parts->names_text);
    free(parts->entries);
    free(parts->entry_list);
    free(parts->ips);
}

/* Where a message goes. */
struct way {
    const struct dtr_rpc_method *method;
    const struct request_sink *sink;
    struct dtr_error *err;
};

static int hand_over(const struct way *way, const ProtobufCMessage *message)
{
    return way->sink->send(way->sink->context, way->method, message, way->err);
}

/* --- the four of Dragonfly's ---------------------------------------------------------------------------
 */

/* What all four have. */
#define PUT_COMMON(message, PREFIX, ask, parts, filter)                                                      \
    do {                                                                                                     \
        (message)->url = (char *)(uintptr_t)((ask)->url ? (ask)->url : arg_text((ask)->args, "url"));        \
        TAKE(message, PREFIX, (ask)->args, piece_length, PIECE_LENGTH, AS_SIZE);                             \
        TAKE(message, PREFIX, (ask)->args, tag, TAG, AS_TEXT);                                               \
        TAKE(message, PREFIX, (ask)->args, application, APPLICATION, AS_TEXT);                               \
        (message)->filtered_query_params = (char **)(uintptr_t)(parts)->names;                               \
        (message)->n_filtered_query_params = (filter);                                                       \
        (message)->header = (void *)(parts)->entry_list;                                                     \
        (message)->n_header = (parts)->entry_count;                                                          \
        TAKE(message, PREFIX, (ask)->args, concurrent_peer_count, CONCURRENT_PEER_COUNT, AS_NUMBER);         \
        (message)->timeout = &(parts)->timeout;                                                              \
        (message)->certificate_chain = (ProtobufCBinaryData *)(uintptr_t)(ask)->trust->chain;                \
        (message)->n_certificate_chain = (ask)->trust->chain_count;                                          \
        (message)->insecure_skip_verify = (ask)->trust->insecure;                                            \
    } while (0)

#define PUT_IMAGE(message, PREFIX, args)                                                                     \
    do {                                                                                                     \
        TAKE(message, PREFIX, args, username, USERNAME, AS_TEXT);                                            \
        TAKE(message, PREFIX, args, password, PASSWORD, AS_TEXT);                                            \
        TAKE(message, PREFIX, args, platform, PLATFORM, AS_TEXT);                                            \
    } while (0)

#define PUT_CHOICE(message, PREFIX, ask, parts)                                                              \
    do {                                                                                                     \
        (message)->scope = (char *)(uintptr_t)arg_text((ask)->args, "scope");                                \
        (message)->ips = (char **)(uintptr_t)(parts)->ips;                                                   \
        (message)->n_ips = (parts)->ip_count;                                                                \
        TAKE(message, PREFIX, (ask)->args, percentage, PERCENTAGE, AS_COUNT);                                \
        TAKE(message, PREFIX, (ask)->args, count, COUNT, AS_COUNT);                                          \
        TAKE(message, PREFIX, (ask)->args, concurrent_task_count, CONCURRENT_TASK_COUNT, AS_NUMBER);         \
    } while (0)

/* And what files have. */
#define PUT_FILE(message, args, parts)                                                                       \
    do {                                                                                                     \
        if (json_object_get(args, "object_storage"))                                                         \
            (message)->object_storage = &(parts)->storage;                                                   \
        if (json_object_get(args, "hdfs"))                                                                   \
            (message)->hdfs = &(parts)->hdfs;                                                                \
    } while (0)

static int preheat_image(const struct ask *ask, struct parts *parts, size_t filter, const struct way *way)
{
    Scheduler__V2__PreheatImageRequest message = SCHEDULER__V2__PREHEAT_IMAGE_REQUEST__INIT;
    PUT_COMMON(&message, SCHEDULER__V2__PREHEAT_IMAGE_REQUEST, ask, parts, filter);
    PUT_IMAGE(&message, SCHEDULER__V2__PREHEAT_IMAGE_REQUEST, ask->args);
    PUT_CHOICE(&message, SCHEDULER__V2__PREHEAT_IMAGE_REQUEST, ask, parts);
    return hand_over(way, &message.base);
}

static int stat_image(const struct ask *ask, struct parts *parts, size_t filter, const struct way *way)
{
    Scheduler__V2__StatImageRequest message = SCHEDULER__V2__STAT_IMAGE_REQUEST__INIT;
    PUT_COMMON(&message, SCHEDULER__V2__STAT_IMAGE_REQUEST, ask, parts, filter);
    PUT_IMAGE(&message, SCHEDULER__V2__STAT_IMAGE_REQUEST, ask->args);
    TAKE(&message, SCHEDULER__V2__STAT_IMAGE_REQUEST, ask->args, concurrent_layer_count,
         CONCURRENT_LAYER_COUNT, AS_NUMBER);
    return hand_over(way, &message.base);
}

static int preheat_file(const struct ask *ask, struct parts *parts, size_t filter, const struct way *way)
{
    Scheduler__V2__PreheatFileRequest message = SCHEDULER__V2__PREHEAT_FILE_REQUEST__INIT;
    PUT_COMMON(&message, SCHEDULER__V2__PREHEAT_FILE_REQUEST, ask, parts, filter);
    PUT_CHOICE(&message, SCHEDULER__V2__PREHEAT_FILE_REQUEST, ask, parts);
    PUT_FILE(&message, ask->args, parts);
    return hand_over(way, &message.base);
}

static int stat_file(const struct ask *ask, struct parts *parts, size_t filter, const struct way *way)
{
    Scheduler__V2__StatFileRequest message = SCHEDULER__V2__STAT_FILE_REQUEST__INIT;
    PUT_COMMON(&message, SCHEDULER__V2__STAT_FILE_REQUEST, ask, parts, filter);
    PUT_FILE(&message, ask->args, parts);
    return hand_over(way, &message.base);
}

/* --- the others ----------------------------------------------------------------------------------------
 */

static int task(const struct ask *ask, const struct way *way)
{
    Darter__V1__TaskRequest message = DARTER__V1__TASK_REQUEST__INIT;
    message.task_id = (char *)(uintptr_t)ask->task_id;
    TAKE(&message, DARTER__V1__TASK_REQUEST, ask->args, concurrent_peer_count, CONCURRENT_PEER_COUNT,
         AS_NUMBER);
    message.has_timeout_ms_case = DARTER__V1__TASK_REQUEST__HAS_TIMEOUT_MS_TIMEOUT_MS;
    message.timeout_ms = ask->left_ms < INT32_MAX ? ask->left_ms + 1 : INT32_MAX;
    return hand_over(way, &message.base);
}

static int progress(const struct ask *ask, const struct way *way)
{
    Darter__V1__StatPreheatRequest message = DARTER__V1__STAT_PREHEAT_REQUEST__INIT;
    message.id = (char *)(uintptr_t)ask->preheat_id;
    return hand_over(way, &message.base);
}

static int hosts(const struct way *way)
{
    Scheduler__V2__ListHostsRequest message = SCHEDULER__V2__LIST_HOSTS_REQUEST__INIT;
    return hand_over(way, &message.base);
}

static const struct dtr_rpc_method *method_of(const struct ask *ask)
{
    const bool image = strcmp(arg_text(ask->args, "type"), "image") == 0;
    const struct dtr_rpc_method *const methods[ASK_KINDS] = {
        [ASK_PREHEAT] = image ? &dtr_rpc_scheduler_preheat_image : &dtr_rpc_scheduler_preheat_file,
        [ASK_PROGRESS] = &dtr_rpc_scheduling_stat_preheat,
        [ASK_HOLDERS] = image ? &dtr_rpc_scheduler_stat_image : &dtr_rpc_scheduler_stat_file,
        [ASK_FIND] = &dtr_rpc_scheduling_find_task,
        [ASK_FIND_URL] = &dtr_rpc_scheduler_stat_file,
        [ASK_DROP] = &dtr_rpc_scheduling_drop_task,
        [ASK_IMAGE] = &dtr_rpc_scheduler_stat_image,
        [ASK_HOSTS] = &dtr_rpc_scheduler_list_hosts,
    };
    return methods[ask->kind];
}

static int make_theirs(const struct ask *ask, const struct way *way)
{
    static const struct {
        const struct dtr_rpc_method *method;
        int (*make)(const struct ask *ask, struct parts *parts, size_t filter, const struct way *way);
    } makers[] = {{&dtr_rpc_scheduler_preheat_image, preheat_image},
                  {&dtr_rpc_scheduler_stat_image, stat_image},
                  {&dtr_rpc_scheduler_preheat_file, preheat_file},
                  {&dtr_rpc_scheduler_stat_file, stat_file}};
    struct parts parts = {0};
    const size_t filter = gather(&parts, ask);
    int rc = parts.ok ? DTR_OK
                      : dtr_error_set(way->err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a question");
    for (size_t i = 0; parts.ok && i < sizeof(makers) / sizeof(makers[0]); i++) {
        if (makers[i].method == way->method)
            rc = makers[i].make(ask, &parts, filter, way);
    }
    parts_free(&parts);
    return rc;
}

int request_make(const struct ask *ask, const struct request_sink *sink, struct dtr_error *err)
{
    const struct way way = {method_of(ask), sink, err};
    switch (ask->kind) {
    case ASK_PROGRESS:
        return progress(ask, &way);
    case ASK_FIND:
    case ASK_DROP:
        return task(ask, &way);
    case ASK_HOSTS:
        return hosts(&way);
    default:
        return make_theirs(ask, &way);
    }
}

uint64_t request_timeout_ms(const struct ask *ask)
{
    static const uint64_t most[ASK_KINDS] = {
        [ASK_PREHEAT] = BEGIN_MS, [ASK_PROGRESS] = SHORT_MS, [ASK_HOLDERS] = LOOK_MS, [ASK_HOSTS] = SHORT_MS};
    const uint64_t whole_ms = ask->left_ms + SPARE_MS;
    return most[ask->kind] > 0 && most[ask->kind] < whole_ms ? most[ask->kind] : whole_ms;
}
