/* storage_memory: the bytes of tasks in memory, up to a capacity.
 *
 * The bytes of a task lie in one stretch of address space, which is reserved when the task is made and gets
 * memory page by page as it is written: so a lease is a pointer, and stays good while others write. An object
 * of unknown length reserves the whole capacity.
 *
 * A task counts against the capacity with its length as soon as that is known, else with what was written; so
 * what cannot fit is refused before its first byte. What is evicted under a lease counts until the last
 * lease is released, as only then its memory is free.
 *
 * Not for deciding what to keep: core does that, by usage(). Nothing outlives stop(). */
#include <darter/module.h>
#include <darter/storage.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BUCKETS = 1024 };

static const char NAME[] = "storage_memory";
static const struct dtr_host *host;

struct options {
    uint64_t capacity;
};

/* Lives until stop(), and until the last lease: those may outlive it. */
struct store {
    pthread_mutex_t lock; /* guards all but the bytes */
    struct dtr_stored *buckets[BUCKETS];
    uint64_t capacity, used; /* bytes */
    uint32_t references;     /* one of the module, one for each task that is there or leased */
};

/* A task and its handle in one: a task has at most one handle at a time. References: of the table, of the
 * handle, of each lease. */
struct dtr_stored {
    struct dtr_stored *next; /* in its bucket */
    struct store *store;
    char id[DTR_TASK_ID_LENGTH + 1];
    uint8_t *bytes;
    uint64_t reserved; /* address space */
    uint64_t charged;  /* of the capacity */
    uint64_t written;  /* no byte from here on was written; of the handle's thread */
    uint32_t references;
    bool open;
};

/* --- references; with the lock held ------------------------------------------------------------------ */

static void drop(struct dtr_stored *task)
{
    if (--task->references > 0)
        return;
    task->store->used -= task->charged;
    task->store->references--;
    (void)munmap(task->bytes, task->reserved);
    free(task);
}

static void unlock(struct store *store)
{
    bool last = store->references == 0;
    pthread_mutex_unlock(&store->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&store->lock);
    free(store);
}

static struct dtr_stored **find(struct store *store, const char *id)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *at = id; *at; at++)
        hash = (hash ^ (uint8_t)*at) * 16777619u;
    struct dtr_stored **at = &store->buckets[hash % BUCKETS];
    while (*at && strcmp((*at)->id, id) != 0)
        at = &(*at)->next;
    return at;
}

static int full(const struct store *store, uint64_t wanted, struct dtr_error *err)
{
    return dtr_error_set(err, DTR_ENO_SPACE, DTR_RETRY_SAME,
                         "no room for %llu bytes: %llu of %llu are in use; see option capacity of %s",
                         (unsigned long long)wanted, (unsigned long long)store->used,
                         (unsigned long long)store->capacity, NAME);
}

/* Makes the task count with `length` bytes at least. */
static int charge(struct dtr_stored *task, uint64_t length, struct dtr_error *err)
{
    struct store *store = task->store;
    if (length <= task->charged)
        return DTR_OK;
    if (length > task->reserved || length - task->charged > store->capacity - store->used)
        return full(store, length, err);
    store->used += length - task->charged;
    task->charged = length;
    return DTR_OK;
}

/* --- tasks ------------------------------------------------------------------------------------------- */

static bool is_task_id(const char *id)
{
    static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    return strlen(id) == DTR_TASK_ID_LENGTH && strspn(id, allowed) == DTR_TASK_ID_LENGTH;
}

static int create(struct store *store, struct dtr_stored **at, const struct dtr_task_facts *facts,
                  struct dtr_error *err)
{
    bool known = facts->content_length != DTR_LENGTH_UNKNOWN;
    uint64_t size = known ? facts->content_length : store->capacity;
    if (size > store->capacity)
        return full(store, size, err);
    struct dtr_stored *task = calloc(1, sizeof(*task));
    if (!task)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a task");
    *task = (struct dtr_stored){.store = store, .reserved = size ? size : 1, .references = 1};
    memcpy(task->id, facts->task_id, DTR_TASK_ID_LENGTH);
    task->bytes = mmap(NULL, task->reserved, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int status = task->bytes == MAP_FAILED ? dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME,
                                                           "address space for a task: %s", strerror(errno))
                                           : charge(task, known ? size : 0, err);
    if (status == DTR_OK) {
        store->references++;
        *at = task;
        return DTR_OK;
    }
    if (task->bytes != MAP_FAILED)
        (void)munmap(task->bytes, task->reserved);
    free(task);
    return status;
}

static int memory_scan(void *instance, const struct dtr_scan_sink *sink, struct dtr_error *err)
{
    (void)instance, (void)sink, (void)err;
    return DTR_OK; /* nothing outlives the process */
}

static int memory_open(void *instance, const struct dtr_task_facts *facts, struct dtr_stored **ret_stored,
                       struct dtr_error *err)
{
    struct store *store = instance;
    int status = DTR_OK;

    if (!is_task_id(facts->task_id))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "not a task id");
    pthread_mutex_lock(&store->lock);
    struct dtr_stored **at = find(store, facts->task_id);
    if (*at && (*at)->open)
        status = dtr_error_set(err, DTR_EEXISTS, DTR_RETRY_NEVER, "the task is open already");
    else if (!*at)
        status = create(store, at, facts, err);
    if (status == DTR_OK) {
        (*at)->open = true;
        (*at)->references++;
        *ret_stored = *at;
    }
    unlock(store);
    return status;
}

/* Core remembers facts and pieces while it runs; all that is of use here is the length. */
static int memory_update(struct dtr_stored *task, const struct dtr_task_facts *facts, struct dtr_error *err)
{
    int status = DTR_OK;
    if (facts->content_length == DTR_LENGTH_UNKNOWN)
        return DTR_OK;
    pthread_mutex_lock(&task->store->lock);
    status = charge(task, facts->content_length, err);
    pthread_mutex_unlock(&task->store->lock);
    return status;
}

static int memory_mark(struct dtr_stored *task, const struct dtr_piece *piece, struct dtr_error *err)
{
    (void)task, (void)piece, (void)err;
    return DTR_OK;
}

static int memory_unmark(struct dtr_stored *task, uint32_t first, uint32_t count, struct dtr_error *err)
{
    (void)task, (void)first, (void)count, (void)err;
    return DTR_OK;
}

static int memory_write(struct dtr_stored *task, uint64_t offset, const void *bytes, size_t length,
                        struct dtr_error *err)
{
    int status;
    pthread_mutex_lock(&task->store->lock);
    status =
        length > UINT64_MAX - offset ? full(task->store, length, err) : charge(task, offset + length, err);
    pthread_mutex_unlock(&task->store->lock);
    if (status != DTR_OK)
        return status;
    memcpy(task->bytes + offset, bytes, length);
    if (offset + length > task->written)
        task->written = offset + length;
    return DTR_OK;
}

static void end_lease(void *context)
{
    struct dtr_stored *task = context;
    struct store *store = task->store;
    pthread_mutex_lock(&store->lock);
    drop(task);
    unlock(store);
}

static int memory_lease(struct dtr_stored *task, uint64_t offset, uint64_t length,
                        struct dtr_extent *ret_extent, struct dtr_error *err)
{
    if (length > task->reserved || offset > task->reserved - length)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "a lease past the end of the task");
    pthread_mutex_lock(&task->store->lock);
    task->references++;
    pthread_mutex_unlock(&task->store->lock);
    *ret_extent = (struct dtr_extent){.fd = -1,
                                      .data = task->bytes + offset,
                                      .length = length,
                                      .release = end_lease,
                                      .release_context = task};
    return DTR_OK;
}

static int memory_read(struct dtr_stored *task, uint64_t offset, void *bytes, size_t length,
                       struct dtr_error *err)
{
    if (length > task->written || offset > task->written - length)
        return dtr_error_set(err, DTR_EIO, DTR_RETRY_NEVER, "read: bytes from %llu on were never written",
                             (unsigned long long)task->written);
    memcpy(bytes, task->bytes + offset, length);
    return DTR_OK;
}

static void memory_close(struct dtr_stored *task)
{
    if (!task)
        return;
    struct store *store = task->store;
    pthread_mutex_lock(&store->lock);
    task->open = false;
    drop(task);
    unlock(store);
}

static int memory_evict(void *instance, const char *task_id, struct dtr_error *err)
{
    struct store *store = instance;
    if (!is_task_id(task_id))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "not a task id");
    pthread_mutex_lock(&store->lock);
    struct dtr_stored **at = find(store, task_id), *task = *at;
    if (task) {
        *at = task->next;
        drop(task);
    }
    unlock(store);
    return task ? DTR_OK : dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "no task %s", task_id);
}

static int memory_usage(void *instance, uint64_t *ret_total, uint64_t *ret_used, struct dtr_error *err)
{
    struct store *store = instance;
    (void)err;
    pthread_mutex_lock(&store->lock);
    *ret_total = store->capacity;
    *ret_used = store->used;
    unlock(store);
    return DTR_OK;
}

/* --- descriptor -------------------------------------------------------------------------------------- */

static int memory_start(const void *options, void **ret_instance, struct dtr_error *err)
{
    struct store *store = calloc(1, sizeof(*store));
    if (!store)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the store");
    pthread_mutex_init(&store->lock, NULL);
    store->capacity = ((const struct options *)options)->capacity;
    store->references = 1;
    host->log(NAME, DTR_LOG_INFO, "at most %llu bytes of tasks", (unsigned long long)store->capacity);
    *ret_instance = store;
    return DTR_OK;
}

static void memory_stop(void *instance)
{
    struct store *store = instance;
    if (!store)
        return;
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct dtr_stored *task; (task = store->buckets[i]); drop(task))
            store->buckets[i] = task->next;
    }
    store->references--;
    unlock(store);
}

static const struct dtr_storage_ops ops = {
    .size = sizeof(ops),
    .scan = memory_scan,
    .open = memory_open,
    .update = memory_update,
    .write = memory_write,
    .mark = memory_mark,
    .unmark = memory_unmark,
    .lease = memory_lease,
    .read = memory_read,
    .close = memory_close,
    .evict = memory_evict,
    .usage = memory_usage,
};

static const struct dtr_option option_table[] = {
    {.name = "capacity",
     .type = DTR_OPTION_SIZE,
     .offset = offsetof(struct options, capacity),
     .initial = "1GiB",
     .unit = "bytes",
     .least = 1,
     .most = INT64_MAX,
     .help = "memory for the bytes of all tasks; what is beyond is refused"},
    {0},
};

static const struct dtr_feature features[] = {
    {.kind = "storage", .name = "memory", .calling = DTR_CALL_DATA, .ops = &ops},
    {0},
};

static const struct dtr_module module = {
    .magic = DTR_MODULE_MAGIC,
    .abi_major = DTR_ABI_MAJOR,
    .abi_minor = DTR_ABI_MINOR,
    .size = sizeof(module),
    .name = NAME,
    .version = "1.0",
    .summary = "tasks in memory, gone when it stops",
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
