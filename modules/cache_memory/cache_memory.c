/* cache_memory: the cache of a manager that is alone. Nothing of it is shared with others, and all is gone
 * when it stops.
 *
 * One lock guards everything and is held for no longer than a look into the table: values are given out after
 * it is released. Not for deciding what goes when it is full: table.h. */
#include "table.h"

#include <darter/module.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { SIZE_MOST = 1 << 24 };
static const uint64_t NS_PER_MS = 1000000;

static const char NAME[] = "cache_memory";
static const struct dtr_host *host;

struct options {
    int64_t size;
    uint64_t memory;
};

struct cache {
    pthread_mutex_t lock;
    pthread_cond_t pushed; /* to some queue */
    struct table table;
};

/* --- errors ----------------------------------------------------------------------------------------- */

static int wrong_kind(const char *key, const struct entry *entry, struct dtr_error *err)
{
    static const char *const words[] = {[HOLDS_VALUE] = "a value",
                                        [HOLDS_LOCK] = "a value",
                                        [HOLDS_NUMBER] = "a number",
                                        [HOLDS_QUEUE] = "a queue"};
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "key %.100s of the cache holds %s", key,
                         words[entry->holds]);
}

static int not_found(const char *key, struct dtr_error *err)
{
    return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_SAME, "the cache has no %.100s", key);
}

static uint64_t expiry(uint64_t now_ns, uint64_t ttl_ms)
{
    return ttl_ms == 0 || ttl_ms > (TABLE_NEVER - now_ns) / NS_PER_MS ? TABLE_NEVER
                                                                      : now_ns + ttl_ms * NS_PER_MS;
}

static int out_of_memory(struct dtr_error *err)
{
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a value of the cache");
}

/* --- values ----------------------------------------------------------------------------------------- */

static void give(const struct dtr_cache_sink *sink, struct blob *blob)
{
    sink->value(sink->context, blob->bytes, blob->length);
    blob_unref(blob);
}

static struct blob *digits(int64_t number)
{
    char text[24];
    return blob_new(text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)number));
}

static int memory_get(void *instance, const char *key, const struct dtr_cache_sink *sink,
                      struct dtr_error *err)
{
    struct cache *cache = instance;
    struct blob *found = NULL;
    int status = dtr_cache_check_key(key, err);
    if (status != DTR_OK)
        return status;
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = table_find(&cache->table, key, host->now_ns());
    if (!entry)
        status = not_found(key, err);
    else if (entry->holds == HOLDS_QUEUE)
        status = wrong_kind(key, entry, err);
    else if (!(found = entry->holds == HOLDS_NUMBER ? digits(entry->number) : blob_ref(entry->first)))
        status = out_of_memory(err);
    if (found)
        table_touch(&cache->table, entry);
    pthread_mutex_unlock(&cache->lock);
    if (found)
        give(sink, found);
    return status;
}

static int memory_set(void *instance, const char *key, struct dtr_cache_bytes value, uint64_t ttl_ms,
                      struct dtr_error *err)
{
    struct cache *cache = instance;
    struct entry *entry;
    int status = dtr_cache_check(key, value, err);
    if (status != DTR_OK)
        return status;
    struct blob *blob = blob_new(value.bytes, value.length);
    if (!blob)
        return out_of_memory(err);
    pthread_mutex_lock(&cache->lock);
    uint64_t now_ns = host->now_ns();
    status = table_put(&cache->table, key, HOLDS_VALUE, blob, expiry(now_ns, ttl_ms), now_ns, &entry, err);
    pthread_mutex_unlock(&cache->lock);
    return status;
}

static bool is_value(const struct entry *entry, struct dtr_cache_bytes value)
{
    if (!entry || !value.bytes)
        return !entry && !value.bytes;
    return entry->first->length == value.length &&
           memcmp(entry->first->bytes, value.bytes, value.length) == 0;
}

/* Takes the blob over; NULL: the key is to have no value. With the lock held. */
static int exchange(struct table *table, const char *key, struct dtr_cache_bytes old, struct blob *blob,
                    uint64_t ttl_ms, bool *ret_done, struct dtr_error *err)
{
    uint64_t now_ns = host->now_ns();
    struct entry *entry = table_find(table, key, now_ns);
    bool other = entry && entry->holds != HOLDS_VALUE && entry->holds != HOLDS_LOCK;
    *ret_done = !other && is_value(entry, old);
    if (other || !*ret_done)
        blob_unref(blob);
    if (other)
        return wrong_kind(key, entry, err);
    if (!*ret_done)
        return DTR_OK;
    if (blob) {
        int status = table_put(table, key, HOLDS_LOCK, blob, expiry(now_ns, ttl_ms), now_ns, &entry, err);
        *ret_done = status == DTR_OK;
        return status;
    }
    if (entry)
        table_drop(table, entry);
    return DTR_OK;
}

static int memory_swap(void *instance, const char *key, struct dtr_cache_bytes old,
                       struct dtr_cache_bytes value, uint64_t ttl_ms, bool *ret_done, struct dtr_error *err)
{
    struct cache *cache = instance;
    struct blob *blob = NULL;
    int status = dtr_cache_check_swap(key, old, value, err);
    if (status != DTR_OK)
        return status;
    if (value.bytes && !(blob = blob_new(value.bytes, value.length)))
        return out_of_memory(err);
    pthread_mutex_lock(&cache->lock);
    status = exchange(&cache->table, key, old, blob, ttl_ms, ret_done, err);
    pthread_mutex_unlock(&cache->lock);
    return status;
}

static int memory_forget(void *instance, const char *prefix, struct dtr_error *err)
{
    struct cache *cache = instance;
    int status = dtr_cache_check_text("prefix", prefix, DTR_CACHE_PREFIX_MAX, err);
    if (status != DTR_OK)
        return status;
    pthread_mutex_lock(&cache->lock);
    table_forget(&cache->table, prefix);
    pthread_mutex_unlock(&cache->lock);
    return DTR_OK;
}

/* --- numbers ---------------------------------------------------------------------------------------- */

static int add_to(struct table *table, const char *key, int64_t amount, uint64_t ttl_ms, int64_t *ret_value,
                  struct dtr_error *err)
{
    uint64_t now_ns = host->now_ns();
    struct entry *entry = table_find(table, key, now_ns);
    int64_t sum;
    int status = DTR_OK;
    if (entry && entry->holds != HOLDS_NUMBER)
        return wrong_kind(key, entry, err);
    if (__builtin_add_overflow(entry ? entry->number : 0, amount, &sum))
        return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_NEVER, "number %.100s of the cache gets too large",
                             key);
    if (entry)
        table_touch(table, entry);
    else
        status = table_put(table, key, HOLDS_NUMBER, NULL, expiry(now_ns, ttl_ms), now_ns, &entry, err);
    if (status == DTR_OK)
        *ret_value = entry->number = sum;
    return status;
}

static int memory_add(void *instance, const char *key, int64_t amount, uint64_t ttl_ms, int64_t *ret_value,
                      struct dtr_error *err)
{
    struct cache *cache = instance;
    int status = dtr_cache_check_key(key, err);
    if (status != DTR_OK)
        return status;
    pthread_mutex_lock(&cache->lock);
    status = add_to(&cache->table, key, amount, ttl_ms, ret_value, err);
    pthread_mutex_unlock(&cache->lock);
    return status;
}

/* --- queues ----------------------------------------------------------------------------------------- */

/* Takes the blob over. With the lock held. */
static int push_to(struct table *table, const char *key, struct blob *blob, uint64_t limit,
                   struct dtr_error *err)
{
    uint64_t now_ns = host->now_ns();
    struct entry *queue = table_find(table, key, now_ns);
    int status = DTR_OK;
    if (queue && queue->holds != HOLDS_QUEUE)
        status = wrong_kind(key, queue, err);
    else if ((queue ? queue->count : 0) >= limit)
        status = dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_SAME, "%llu values wait in queue %.100s already",
                               (unsigned long long)limit, key);
    else if (!queue)
        status = table_put(table, key, HOLDS_QUEUE, NULL, TABLE_NEVER, now_ns, &queue, err);
    if (status != DTR_OK) {
        blob_unref(blob);
        return status;
    }
    status = table_push(table, queue, blob, now_ns, err);
    if (status != DTR_OK && queue->count == 0)
        table_drop(table, queue);
    return status;
}

static int memory_push(void *instance, const char *queue, struct dtr_cache_bytes value, uint64_t limit,
                       struct dtr_error *err)
{
    struct cache *cache = instance;
    int status = dtr_cache_check(queue, value, err);
    if (status != DTR_OK)
        return status;
    struct blob *blob = blob_new(value.bytes, value.length);
    if (!blob)
        return out_of_memory(err);
    pthread_mutex_lock(&cache->lock);
    status = push_to(&cache->table, queue, blob, limit, err);
    if (status == DTR_OK)
        (void)pthread_cond_broadcast(&cache->pushed); /* whose queue it is, they find out */
    pthread_mutex_unlock(&cache->lock);
    return status;
}

static struct timespec in_ms(uint64_t wait_ms)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    if (wait_ms > INT32_MAX)
        wait_ms = INT32_MAX;
    at.tv_sec += (time_t)(wait_ms / 1000);
    at.tv_nsec += (long)(wait_ms % 1000 * NS_PER_MS);
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* The queue when something is in it, NULL and DTR_OK to wait. */
static int look(struct cache *cache, const char *key, struct entry **ret_queue, struct dtr_error *err)
{
    *ret_queue = table_find(&cache->table, key, host->now_ns());
    return *ret_queue && (*ret_queue)->holds != HOLDS_QUEUE ? wrong_kind(key, *ret_queue, err) : DTR_OK;
}

static int memory_pop(void *instance, const char *queue, uint64_t wait_ms, const struct dtr_cache_sink *sink,
                      struct dtr_error *err)
{
    struct cache *cache = instance;
    struct timespec until = in_ms(wait_ms);
    struct entry *entry = NULL;
    struct blob *blob = NULL;
    int status = dtr_cache_check_key(queue, err), waited = wait_ms == 0 ? ETIMEDOUT : 0;
    if (status != DTR_OK)
        return status;
    pthread_mutex_lock(&cache->lock);
    status = look(cache, queue, &entry, err);
    while (status == DTR_OK && !entry && waited == 0) {
        waited = pthread_cond_timedwait(&cache->pushed, &cache->lock, &until);
        status = look(cache, queue, &entry, err);
    }
    if (status == DTR_OK && entry)
        blob = table_pop(&cache->table, entry);
    else if (status == DTR_OK)
        status = dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_SAME, "nothing came into queue %.100s", queue);
    pthread_mutex_unlock(&cache->lock);
    if (blob)
        give(sink, blob);
    return status;
}

/* --- descriptor ------------------------------------------------------------------------------------- */

static int memory_start(const void *given, void **ret_instance, struct dtr_error *err)
{
    const struct options *options = given;
    struct cache *cache = calloc(1, sizeof(*cache));
    pthread_condattr_t monotonic;
    if (!cache)
        return out_of_memory(err);
    int status = table_open(&cache->table, (uint64_t)options->size, options->memory, err);
    if (status != DTR_OK) {
        free(cache);
        return status;
    }
    (void)pthread_mutex_init(&cache->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&cache->pushed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    *ret_instance = cache;
    return DTR_OK;
}

static void memory_stop(void *instance)
{
    struct cache *cache = instance;
    if (!cache)
        return;
    table_close(&cache->table);
    (void)pthread_cond_destroy(&cache->pushed);
    (void)pthread_mutex_destroy(&cache->lock);
    free(cache);
}

static const struct dtr_cache_ops ops = {
    .size = sizeof(ops),
    .get = memory_get,
    .set = memory_set,
    .swap = memory_swap,
    .forget = memory_forget,
    .add = memory_add,
    .push = memory_push,
    .pop = memory_pop,
};

static const struct dtr_option option_table[] = {
    {.name = "size",
     .type = DTR_OPTION_INT,
     .offset = offsetof(struct options, size),
     .initial = "8000",
     .unit = "entries",
     .least = 1,
     .most = SIZE_MOST,
     .help = "keys at a time; the value that was not used for longest makes room for a new one"},
    {.name = "memory",
     .type = DTR_OPTION_SIZE,
     .offset = offsetof(struct options, memory),
     .initial = "64MiB",
     .unit = "bytes",
     .least = 4096,
     .most = INT64_MAX,
     .help = "memory for keys and values; queues are never dropped to make room, locks and numbers last"},
    {0},
};

static const struct dtr_feature features[] = {
    {.kind = "cache", .name = "memory", .calling = DTR_CALL_BLOCKING, .ops = &ops},
    {0},
};

static const struct dtr_module module = {
    .magic = DTR_MODULE_MAGIC,
    .abi_major = DTR_ABI_MAJOR,
    .abi_minor = DTR_ABI_MINOR,
    .size = sizeof(module),
    .name = NAME,
    .version = "1.0",
    .summary = "the cache of a manager that is alone, in its memory",
    .options_size = sizeof(struct options),
    .options = option_table,
    .features = features,
    .start = memory_start,
    .stop = memory_stop,
};

DTR_MODULE_NOTE;

DTR_EXPORT const struct dtr_module *dtr_module_open(const struct dtr_host *given)
{
    host = given;
    return &module;
}
