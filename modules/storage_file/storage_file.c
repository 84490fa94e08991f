/* storage_file: the bytes of each task in a file of its own, an index beside it; store.h says where.
 *
 * Nothing is synced to disk: what a killed process wrote is in the kernel, and after a crash of the machine
 * scan() says that the pieces have to be checked. This file starts and stops a store and describes the
 * module.
 *
 * Not for deciding what to keep: core does that, by used_at and usage(). */
#include "store.h"

#include <linux/magic.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

const struct dtr_host *store_host;

struct options {
    const char *dir;
    bool keep;
    uint64_t scrub_rate; /* bytes/s */
};

static void file_stop(void *instance)
{
    struct store *store = instance;
    if (!store)
        return;
    folder_close(store);
    free(store->dir);
    free(store);
}

static int file_start(const void *opaque, void **ret_instance, struct dtr_error *err)
{
    const struct options *options = opaque;
    struct store *store;
    struct statfs fs;
    int status;

    if (options->dir[0] != '/')
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "dir: \"%s\" is not an absolute path",
                             options->dir);
    store = calloc(1, sizeof(*store));
    if (!store)
        return index_fail(err, "start");
    store->scrub_rate = options->scrub_rate;
    status = folder_open(store, options->dir, err);
    if (status == DTR_OK)
        status = index_boot(&store->boot, err);
    if (status == DTR_OK && !options->keep)
        status = folder_wipe(store, err);
    if (status == DTR_OK && !(store->dir = strdup(options->dir)))
        status = index_fail(err, "start");
    if (status != DTR_OK) {
        file_stop(store);
        return status;
    }
    /* On tmpfs allocating means touching all of the memory now, while the first reader waits. */
    store->preallocate = fstatfs(store->tasks, &fs) == 0 && fs.f_type != TMPFS_MAGIC;
    *ret_instance = store;
    return DTR_OK;
}

static uint64_t file_scrub_rate(void *instance)
{
    return ((struct store *)instance)->scrub_rate;
}

/* As df counts: what only root could use is neither used nor free. */
static int file_usage(void *instance, uint64_t *ret_total, uint64_t *ret_used, struct dtr_error *err)
{
    struct store *store = instance;
    struct statvfs fs;
    if (fstatvfs(store->tasks, &fs) != 0)
        return index_fail(err, "usage");
    *ret_used = (fs.f_blocks - fs.f_bfree) * fs.f_frsize;
    *ret_total = *ret_used + fs.f_bavail * fs.f_frsize;
    return DTR_OK;
}

/* --- descriptor -------------------------------------------------------------------------------------- */

static const struct dtr_storage_ops ops = {
    .size = sizeof(ops),
    .scan = file_scan,
    .open = file_open,
    .update = file_update,
    .write = file_write,
    .mark = file_mark,
    .unmark = file_unmark,
    .lease = file_lease,
    .read = file_read,
    .close = file_close,
    .evict = file_evict,
    .usage = file_usage,
    .cool = file_cool,
    .scrub_rate = file_scrub_rate,
};

static const struct dtr_option option_table[] = {
    {.name = "dir",
     .type = DTR_OPTION_STRING,
     .offset = offsetof(struct options, dir),
     .initial = "/var/lib/dragonfly",
     .unit = "",
     .help = "directory of the store; an absolute path, made when it is not there"},
    {.name = "keep",
     .type = DTR_OPTION_BOOL,
     .offset = offsetof(struct options, keep),
     .initial = "true",
     .unit = "",
     .help = "keep the tasks of an earlier process; false removes them at start"},
    {.name = "scrub_rate",
     .type = DTR_OPTION_SIZE,
     .offset = offsetof(struct options, scrub_rate),
     .initial = "4MiB",
     .unit = "bytes/s",
     .help = "how fast stored bytes are read again while nothing else goes on, to find damage; 0: never"},
    {0},
};

static const struct dtr_metric metrics[] = {
    [TASKS_RECOVERED] = {"tasks_recovered_total", "tasks found at start"},
    [TASKS_DAMAGED] = {"tasks_damaged_total", "tasks removed at start because their index was damaged"},
    [STRAYS_REMOVED] = {"strays_removed_total", "files removed at start that belonged to no task"},
    {0},
};

static const struct dtr_feature features[] = {
    {.kind = "storage", .name = "file", .calling = DTR_CALL_DATA, .ops = &ops},
    {0},
};

static const struct dtr_module module = {
    .magic = DTR_MODULE_MAGIC,
    .abi_major = DTR_ABI_MAJOR,
    .abi_minor = DTR_ABI_MINOR,
    .size = sizeof(module),
    .name = STORE_NAME,
    .version = "1.0",
    .summary = "tasks as files in a directory, an index beside each",
    .options_size = sizeof(struct options),
    .options = option_table,
    .metrics = metrics,
    .features = features,
    .start = file_start,
    .stop = file_stop,
};

DTR_MODULE_NOTE;

DTR_EXPORT const struct dtr_module *dtr_module_open(const struct dtr_host *given)
{
    store_host = given;
    return &module;
}
