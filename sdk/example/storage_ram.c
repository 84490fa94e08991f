/* storage_ram: the smallest useful module. It keeps tasks in memory and forgets them when it stops.
 *
 * Where to start reading: the descriptor at the end says what core learns about a module; the ops table
 * above it names the operations, whose contracts stand in darter/storage.h. Each task is an anonymous
 * file (memfd), so a lease is a descriptor that sendfile can use. */
#include <darter/module.h>
#include <darter/storage.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct dtr_host *host;

struct options {
    uint64_t limit;
};

struct store {
    pthread_mutex_t lock; /* guards everything in the store but the bytes themselves */
    struct dtr_stored *tasks;
    uint64_t limit, used; /* bytes */
};

/* A task and its handle in one: a task has at most one handle at a time. */
struct dtr_stored {
    struct dtr_stored *next;
    struct store *store;
    char id[DTR_TASK_ID_LENGTH + 1];
    int fd;
    uint64_t length; /* bytes */
    bool open, evicted;
};

static struct dtr_stored **find(struct store *store, const char *id)
{
    struct dtr_stored **at = &store->tasks;
    while (*at && strcmp((*at)->id, id) != 0)
        at = &(*at)->next;
    return at;
}

static struct dtr_stored *create(struct store *store, const char *id)
{
    struct dtr_stored *task = calloc(1, sizeof(*task));
    int fd = task ? memfd_create("task", MFD_CLOEXEC) : -1;
    if (fd < 0) {
        free(task);
        return NULL;
    }
    *task = (struct dtr_stored){.next = store->tasks, .store = store, .fd = fd};
    memcpy(task->id, id, DTR_TASK_ID_LENGTH);
    return store->tasks = task;
}

static void discard(struct dtr_stored *task)
{
    task->store->used -= task->length;
    close(task->fd);
    free(task);
}

static int ram_scan(void *instance, const struct dtr_scan_sink *sink, struct dtr_error *err)
{
    (void)instance, (void)sink, (void)err;
    return DTR_OK; /* nothing outlives the process */
}

static int ram_open(void *instance, const struct dtr_task_facts *facts, struct dtr_stored **ret_stored,
                    struct dtr_error *err)
{
    struct store *store = instance;
    struct dtr_stored *task;
    int status = DTR_OK;

    if (strlen(facts->task_id) != DTR_TASK_ID_LENGTH || strchr(facts->task_id, '/'))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "not a task id");
    pthread_mutex_lock(&store->lock);
    task = *find(store, facts->task_id);
    if (task && task->open)
        status = dtr_error_set(err, DTR_EEXISTS, DTR_RETRY_NEVER, "the task is open already");
    else if (!task && !(task = create(store, facts->task_id)))
        status = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "memfd: %s", strerror(errno));
    if (status == DTR_OK) {
        task->open = true;
        *ret_stored = task;
    }
    pthread_mutex_unlock(&store->lock);
    return status;
}

/* Core remembers facts and pieces while it runs; a store that forgets them anyway has nothing to do. */
static int ram_update(struct dtr_stored *task, const struct dtr_task_facts *facts, struct dtr_error *err)
{
    (void)task, (void)facts, (void)err;
    return DTR_OK;
}

static int ram_mark(struct dtr_stored *task, const struct dtr_piece *piece, struct dtr_error *err)
{
    (void)task, (void)piece, (void)err;
    return DTR_OK;
}

static int ram_unmark(struct dtr_stored *task, uint32_t first, uint32_t count, struct dtr_error *err)
{
    (void)task, (void)first, (void)count, (void)err;
    return DTR_OK;
}

static int ram_write(struct dtr_stored *task, uint64_t offset, const void *bytes, size_t length,
                     struct dtr_error *err)
{
    struct store *store = task->store;
    uint64_t more = offset + length > task->length ? offset + length - task->length : 0;
    bool fits;

    pthread_mutex_lock(&store->lock);
    fits = more <= store->limit - store->used;
    if (fits) {
        store->used += more;
        task->length += more;
    }
    pthread_mutex_unlock(&store->lock);
    if (!fits || pwrite(task->fd, bytes, length, (off_t)offset) != (ssize_t)length)
        return dtr_error_set(err, DTR_ENO_SPACE, DTR_RETRY_SAME, "no room for %zu bytes", length);
    return DTR_OK;
}

static void end_lease(void *context)
{
    close((int)(intptr_t)context);
}

static int ram_lease(struct dtr_stored *task, uint64_t offset, uint64_t length, struct dtr_extent *ret_extent,
                     struct dtr_error *err)
{
    int fd = dup(task->fd);
    if (fd < 0)
        return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_SAME, "lease: %s", strerror(errno));
    *ret_extent = (struct dtr_extent){fd, NULL, offset, length, end_lease, (void *)(intptr_t)fd};
    return DTR_OK;
}

static int ram_read(struct dtr_stored *task, uint64_t offset, void *bytes, size_t length,
                    struct dtr_error *err)
{
    if (pread(task->fd, bytes, length, (off_t)offset) != (ssize_t)length)
        return dtr_error_set(err, DTR_EIO, DTR_RETRY_NEVER, "bytes that were never written");
    return DTR_OK;
}

static void ram_close(struct dtr_stored *task)
{
    struct store *store = task->store;
    pthread_mutex_lock(&store->lock);
    task->open = false;
    if (task->evicted)
        discard(task);
    pthread_mutex_unlock(&store->lock);
}

static int ram_evict(void *instance, const char *task_id, struct dtr_error *err)
{
    struct store *store = instance;
    struct dtr_stored **at, *task;
    pthread_mutex_lock(&store->lock);
    at = find(store, task_id);
    task = *at;
    if (task) {
        *at = task->next;
        task->evicted = true;
        if (!task->open)
            discard(task);
    }
    pthread_mutex_unlock(&store->lock);
    return task ? DTR_OK : dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "no such task");
}

static int ram_usage(void *instance, uint64_t *ret_total, uint64_t *ret_used, struct dtr_error *err)
{
    struct store *store = instance;
    (void)err;
    pthread_mutex_lock(&store->lock);
    *ret_total = store->limit;
    *ret_used = store->used;
    pthread_mutex_unlock(&store->lock);
    return DTR_OK;
}

static int ram_start(const void *options, void **ret_instance, struct dtr_error *err)
{
    struct store *store = calloc(1, sizeof(*store));
    if (!store)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory");
    pthread_mutex_init(&store->lock, NULL);
    store->limit = ((const struct options *)options)->limit;
    host->log("storage_ram", DTR_LOG_INFO, "at most %llu bytes", (unsigned long long)store->limit);
    *ret_instance = store;
    return DTR_OK;
}

static void ram_stop(void *instance)
{
    struct store *store = instance;
    for (struct dtr_stored *task; (task = store->tasks); discard(task))
        store->tasks = task->next;
    pthread_mutex_destroy(&store->lock);
    free(store);
}

static const struct dtr_storage_ops ops = {
    .size = sizeof(ops),
    .scan = ram_scan,
    .open = ram_open,
    .update = ram_update,
    .write = ram_write,
    .mark = ram_mark,
    .unmark = ram_unmark,
    .lease = ram_lease,
    .read = ram_read,
    .close = ram_close,
    .evict = ram_evict,
    .usage = ram_usage,
};

static const struct dtr_option option_table[] = {
    {"limit", DTR_OPTION_SIZE, offsetof(struct options, limit), "1GiB", "bytes", 1, INT64_MAX, "ceiling"},
    {0},
};
static const struct dtr_feature features[] = {{"storage", "ram", DTR_CALL_DATA, &ops}, {0}};

static const struct dtr_module module = {
    .magic = DTR_MODULE_MAGIC,
    .abi_major = DTR_ABI_MAJOR,
    .abi_minor = DTR_ABI_MINOR,
    .size = sizeof(module),
    .name = "storage_ram",
    .version = "1.0",
    .summary = "tasks in memory, gone when it stops",
    .options_size = sizeof(struct options),
    .options = option_table,
    .features = features,
    .start = ram_start,
    .stop = ram_stop,
};

DTR_MODULE_NOTE;

DTR_EXPORT const struct dtr_module *dtr_module_open(const struct dtr_host *given)
{
    host = given;
    return &module;
}
