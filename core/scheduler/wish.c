/* Requests of jobs; see wish.h. What is checked here is what daemons and Dragonfly's manager check too. */
#include "core/scheduler/wish.h"

#include "core/brain/geometry.h"
#include "core/brain/url.h"
#include "core/rpc/methods.h"
#include "proto/scheduler.pb-c.h"
#include <stdlib.h>

static int refuse(struct dtr_error *err, const char *text)
{
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%s", text);
}

/* The entries of all maps of strings look alike. */
struct entry {
    ProtobufCMessage base;
    char *key, *value;
};

static int take_headers(struct wish *wish, void *const *entries, size_t count, struct dtr_error *err)
{
    if (count > WISH_HEADERS_MOST)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "header: more than %d", WISH_HEADERS_MOST);
    wish->headers = calloc(count + 1, sizeof(*wish->headers));
    if (!wish->headers)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a job");
    for (size_t i = 0; i < count; i++) {
        const struct entry *entry = entries[i];
        if (!entry->key[0] || strpbrk(entry->key, "\r\n\t :") || strpbrk(entry->value, "\r\n"))
            return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                                 "header: \"%.60s\" cannot be sent to an origin", entry->key);
        wish->headers[wish->header_count++] = (struct dtr_header){entry->key, entry->value};
    }
    return DTR_OK;
}

int wish_timeout(const Google__Protobuf__Duration *duration, uint64_t usual_ms, uint64_t *ret_ms,
                 struct dtr_error *err)
{
    *ret_ms = usual_ms;
    if (!duration)
        return DTR_OK;
    if (duration->seconds < 0 || duration->nanos < 0 || duration->nanos >= 1000000000 ||
        (duration->seconds == 0 && duration->nanos == 0))
        return refuse(err, "timeout: it must be longer than 0");
    const uint64_t most = INT32_MAX, seconds = (uint64_t)duration->seconds;
    const uint64_t ms =
        seconds > most / 1000 ? most : seconds * 1000 + (uint64_t)(duration->nanos + 999999) / 1000000;
    *ret_ms = ms > most ? most : ms;
    return DTR_OK;
}

static int take_limit(bool given, int64_t value, uint32_t usual, uint32_t most, const char *field,
                      uint32_t *ret_limit, struct dtr_error *err)
{
    *ret_limit = !given ? usual : value > most ? most : (uint32_t)value;
    if (given && value < 1)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%s: %lld is not 1 or more", field,
                             (long long)value);
    return DTR_OK;
}

/* --- the four requests --------------------------------------------------------------------------------- */

#define GIVEN(message, field) ((message)->has_##field##_case ? (message)->field : 0)
#define GIVEN_TEXT(message, field)                                                                           \
    ((message)->has_##field##_case && (message)->field[0] ? (message)->field : NULL)

/* What all four have. */
#define TAKE_COMMON(wish, message, err)                                                                      \
    ((wish)->url = (message)->url, (wish)->piece_length = GIVEN(message, piece_length),                      \
     (wish)->tag = (message)->has_tag_case ? (message)->tag : "",                                            \
     (wish)->application = (message)->has_application_case ? (message)->application : "",                    \
     (wish)->filter = (const char *const *)(message)->filtered_query_params,                                 \
     (wish)->filter_count = (message)->n_filtered_query_params,                                              \
     (wish)->chain = (message)->certificate_chain, (wish)->chain_count = (message)->n_certificate_chain,     \
     (wish)->insecure = (message)->insecure_skip_verify,                                                     \
     take_both((wish), (void *const *)(message)->header, (message)->n_header, (message)->timeout,            \
               (message)->has_concurrent_peer_count_case != 0, GIVEN(message, concurrent_peer_count),        \
               (err)))

static int take_both(struct wish *wish, void *const *entries, size_t count,
                     const Google__Protobuf__Duration *timeout, bool has_peers, int64_t peers,
                     struct dtr_error *err)
{
    int rc = take_headers(wish, entries, count, err);
    if (rc == DTR_OK)
        rc = wish_timeout(timeout, WISH_TIMEOUT_MS, &wish->timeout_ms, err);
    if (rc == DTR_OK)
        rc = take_limit(has_peers, peers, WISH_PEERS, WISH_PEERS_MOST, "concurrent_peer_count",
                        &wish->limits.hosts, err);
    wish->limits.objects = WISH_TASKS;
    return rc;
}

/* What both that fetch have. */
#define TAKE_CHOICE(wish, message, err)                                                                      \
    ((wish)->choice = (struct plan_choice){.ips = (const char *const *)(message)->ips,                       \
                                           .ip_count = (message)->n_ips,                                     \
                                           .has_count = (message)->has_count_case != 0,                      \
                                           .has_percentage = (message)->has_percentage_case != 0,            \
                                           .count = GIVEN(message, count),                                   \
                                           .percentage = GIVEN(message, percentage)},                        \
     (wish)->priority = (message)->priority,                                                                 \
     take_choice((wish), (message)->scope, (message)->has_concurrent_task_count_case != 0,                   \
                 GIVEN(message, concurrent_task_count), (err)))

static int take_choice(struct wish *wish, const char *scope, bool has_tasks, int64_t tasks,
                       struct dtr_error *err)
{
    int rc = plan_scope(scope, &wish->choice.scope, err);
    if (rc == DTR_OK)
        rc = plan_check(&wish->choice, err);
    if (rc == DTR_OK && wish->choice.ip_count > WISH_IPS_MOST)
        rc = dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "ips: more than %d", WISH_IPS_MOST);
    if (rc == DTR_OK && (uint32_t)wish->priority > COMMON__V2__PRIORITY__LEVEL6)
        rc = refuse(err, "priority: it is not within 0 and 6");
    if (rc == DTR_OK)
        rc = take_limit(has_tasks, tasks, WISH_TASKS, WISH_TASKS_MOST, "concurrent_task_count",
                        &wish->limits.objects, err);
    return rc;
}

/* What both about images have. */
#define TAKE_IMAGE(wish, message)                                                                            \
    ((wish)->username = GIVEN_TEXT(message, username), (wish)->password = GIVEN_TEXT(message, password),     \
     (wish)->platform = GIVEN_TEXT(message, platform))

static int read_preheat_image(struct wish *wish, const void *request, struct dtr_error *err)
{
    const Scheduler__V2__PreheatImageRequest *message = request;
    TAKE_IMAGE(wish, message);
    int rc = TAKE_COMMON(wish, message, err);
    return rc == DTR_OK ? TAKE_CHOICE(wish, message, err) : rc;
}

static int read_stat_image(struct wish *wish, const void *request, struct dtr_error *err)
{
    const Scheduler__V2__StatImageRequest *message = request;
    TAKE_IMAGE(wish, message);
    int rc = TAKE_COMMON(wish, message, err);
    if (rc == DTR_OK)
        rc = take_limit(message->has_concurrent_layer_count_case != 0, GIVEN(message, concurrent_layer_count),
                        WISH_TASKS, WISH_TASKS_MOST, "concurrent_layer_count", &wish->limits.objects, err);
    return rc;
}

static int read_preheat_file(struct wish *wish, const void *request, struct dtr_error *err)
{
    const Scheduler__V2__PreheatFileRequest *message = request;
    wish->object_storage = message->object_storage;
    wish->hdfs = message->hdfs;
    wish->output_path = GIVEN_TEXT(message, output_path);
    int rc = TAKE_COMMON(wish, message, err);
    return rc == DTR_OK ? TAKE_CHOICE(wish, message, err) : rc;
}

static int read_stat_file(struct wish *wish, const void *request, struct dtr_error *err)
{
    const Scheduler__V2__StatFileRequest *message = request;
    wish->object_storage = message->object_storage;
    wish->hdfs = message->hdfs;
    return TAKE_COMMON(wish, message, err);
}

static int check(struct wish *wish, struct dtr_error *err)
{
    if (!wish->url[0])
        return refuse(err, "url: it is missing");
    if (wish->piece_length &&
        (wish->piece_length < DTR_PIECE_LENGTH_MIN || wish->piece_length > DTR_PIECE_LENGTH_MAX))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "piece_length: %llu is not within 4 MiB and 64 MiB",
                             (unsigned long long)wish->piece_length);
    if (wish->filter_count == 0) {
        wish->filter = dtr_url_default_filter;
        wish->filter_count = dtr_url_default_filter_count;
    }
    return DTR_OK;
}

int wish_read(struct wish *wish, const struct dtr_rpc_method *method, const uint8_t *bytes, size_t length,
              struct dtr_error *err)
{
    static const struct {
        const struct dtr_rpc_method *method;
        int (*read)(struct wish *wish, const void *request, struct dtr_error *err);
    } readers[] = {{&dtr_rpc_scheduler_preheat_image, read_preheat_image},
                   {&dtr_rpc_scheduler_stat_image, read_stat_image},
                   {&dtr_rpc_scheduler_preheat_file, read_preheat_file},
                   {&dtr_rpc_scheduler_stat_file, read_stat_file}};
    const ProtobufCMessage *message;
    *wish = (struct wish){0};
    if (length > WISH_BYTES_MOST)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "the request has more than %d KiB",
                             WISH_BYTES_MOST >> 10);
    int rc = dtr_rpc_unpack(&wish->arena, SIZE_MAX, method->input, bytes, length, &message, err);
    for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]) && rc == DTR_OK; i++) {
        if (readers[i].method == method)
            rc = readers[i].read(wish, message, err);
    }
    return rc == DTR_OK ? check(wish, err) : rc;
}

void wish_free(struct wish *wish)
{
    free(wish->headers);
    dtr_rpc_arena_free(&wish->arena);
    *wish = (struct wish){0};
}

/* Blobs by their digest, whatever the daemons' own setting is: it is on by default. */
int wish_task_id(const struct wish *wish, const char *url, char id[DTR_TASK_ID_SIZE], struct dtr_error *err)
{
    const struct dtr_task_key key = {.url = url,
                                     .blob_digest = true,
                                     .tag = wish->tag,
                                     .application = wish->application,
                                     .piece_length = wish->piece_length,
                                     .filter = wish->filter,
                                     .filter_count = wish->filter_count};
    return dtr_task_id(id, &key, err);
}

bool wish_is_folder(const struct wish *wish)
{
    size_t length = strlen(wish->url);
    return length > 0 && wish->url[length - 1] == '/';
}
