/* Downloads that nobody is to have; see blocklist.h. */
#include "core/daemon/blocklist.h"

#include "core/base/pattern.h"
#include "core/obs/metric.h"

#include <jansson.h>
#include <stdlib.h>

static const char *const standard = "0"; /* common.v2.TaskType */

enum { PRIORITIES = 7, ENTRIES_MAX = 10000 }; /* of one list */

struct texts {
    char **items;
    size_t count;
};

struct blocklist {
    struct texts applications, tags;
    struct dtr_pattern **urls;
    size_t url_count;
    bool priorities[PRIORITIES];
    size_t size;
};

/* --- reading ------------------------------------------------------------------------------------------- */

static int no_memory(struct dtr_error *err)
{
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the block list");
}

/* Of a list that is no list, nothing. */
static size_t entries_of(const json_t *download, const char *key, const json_t **ret_array)
{
    *ret_array = json_object_get(download, key);
    size_t count = json_array_size(*ret_array);
    return count < ENTRIES_MAX ? count : ENTRIES_MAX;
}

static int take_texts(const json_t *download, const char *key, struct texts *texts, size_t *left_out,
                      struct dtr_error *err)
{
    const json_t *array;
    size_t count = entries_of(download, key, &array);
    texts->items = calloc(count + 1, sizeof(*texts->items));
    if (!texts->items)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (!text || !*text) {
            (*left_out)++;
            continue;
        }
        char *copy = strdup(text);
        if (!copy)
            return no_memory(err);
        texts->items[texts->count++] = copy;
    }
    return DTR_OK;
}

static int take_urls(const json_t *download, struct blocklist *list, size_t *left_out, struct dtr_error *err)
{
    const json_t *array;
    size_t count = entries_of(download, "urls", &array);
    list->urls = calloc(count + 1, sizeof(struct dtr_pattern *));
    if (!list->urls)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(array, i));
        int rc = text && *text ? dtr_pattern_new(text, &list->urls[list->url_count], NULL) : DTR_EINVALID;
        if (rc == DTR_ENOMEM)
            return no_memory(err);
        list->url_count += rc == DTR_OK;
        *left_out += rc != DTR_OK;
    }
    return DTR_OK;
}

static void take_priorities(const json_t *download, struct blocklist *list, size_t *left_out)
{
    const json_t *array;
    size_t count = entries_of(download, "priorities", &array);
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(array, i);
        json_int_t priority = json_is_integer(entry) ? json_integer_value(entry) : -1;
        if (priority < 0 || priority >= PRIORITIES) {
            (*left_out)++;
            continue;
        }
        list->size += !list->priorities[priority];
        list->priorities[priority] = true;
    }
}

static int take(const json_t *download, struct blocklist *list, size_t *left_out, struct dtr_error *err)
{
    int rc = take_texts(download, "applications", &list->applications, left_out, err);
    if (rc == DTR_OK)
        rc = take_texts(download, "tags", &list->tags, left_out, err);
    if (rc == DTR_OK)
        rc = take_urls(download, list, left_out, err);
    take_priorities(download, list, left_out);
    list->size += list->applications.count + list->tags.count + list->url_count;
    return rc;
}

int blocklist_parse(const char *json, size_t length, struct blocklist **ret_list, size_t *ret_left_out,
                    struct dtr_error *err)
{
    json_t *config = length > 0 ? json_loadb(json, length, 0, NULL) : json_object();
    struct blocklist *list = calloc(1, sizeof(*list));
    int rc = list ? DTR_OK : no_memory(err);
    *ret_list = NULL;
    *ret_left_out = 0;
    if (rc == DTR_OK && !json_is_object(config))
        rc =
            dtr_error_set(err, DTR_EINVALID, DTR_RETRY_SAME, "the cluster's client_config is no JSON object");
    if (rc == DTR_OK) {
        const json_t *task = json_object_get(json_object_get(config, "block_list"), "task");
        rc = take(json_object_get(task, "download"), list, ret_left_out, err);
    }
    json_decref(config);
    if (rc == DTR_OK && list->size > 0)
        *ret_list = list;
    else
        blocklist_free(list);
    return rc;
}

static void free_texts(struct texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->items[i]);
    free(texts->items);
}

void blocklist_free(struct blocklist *list)
{
    if (!list)
        return;
    free_texts(&list->applications);
    free_texts(&list->tags);
    for (size_t i = 0; i < list->url_count; i++)
        dtr_pattern_free(list->urls[i]);
    free(list->urls);
    free(list);
}

size_t blocklist_size(const struct blocklist *list)
{
    return list ? list->size : 0;
}

/* --- asking -------------------------------------------------------------------------------------------- */

static int refuse(struct dtr_error *err, const char *what, const char *value)
{
    dtr_metric_add(DTR_CLIENT_DOWNLOAD_TASK_BLOCKED, DTR_LABELS(standard), 1);
    return dtr_error_set(err, DTR_EDENIED, DTR_RETRY_NEVER, "the cluster's block list has the %s %.150s",
                         what, value);
}

static bool is_in(const struct texts *texts, const char *text)
{
    for (size_t i = 0; i < texts->count && text; i++) {
        if (strcmp(texts->items[i], text) == 0)
            return true;
    }
    return false;
}

static bool matches(const struct blocklist *list, const char *url)
{
    size_t length = url ? strlen(url) : 0;
    for (size_t i = 0; i < list->url_count; i++) {
        if (dtr_pattern_found(list->urls[i], url ? url : "", length))
            return true;
    }
    return false;
}

int blocklist_check(const struct blocklist *list, const struct dtr_read_request *request,
                    struct dtr_error *err)
{
    char level[16];
    if (!list)
        return DTR_OK;
    if (is_in(&list->applications, request->application))
        return refuse(err, "application", request->application);
    if (is_in(&list->tags, request->tag))
        return refuse(err, "tag", request->tag);
    (void)snprintf(level, sizeof(level), "LEVEL%u", request->priority);
    if (request->priority < PRIORITIES && list->priorities[request->priority])
        return refuse(err, "priority", level);
    /* Not the URL itself: it may hold a secret, and the caller knows it. */
    return matches(list, request->url) ? refuse(err, "URL", "of this download") : DTR_OK;
}
