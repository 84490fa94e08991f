/* storage_file: the bytes of each task in a file of its own, an index beside it.
 *
 *     <dir>/darter.lock                     held by flock() while a process uses the directory
 *     <dir>/content/tasks/<abc>/<id>        the bytes, sparse; <abc> is the start of the id
 *     <dir>/content/tasks/<abc>/<id>.idx    what is known of them, see index.h
 *
 * Nothing is synced to disk: what a killed process wrote is in the kernel, and after a crash of the
 * machine scan() says that the pieces have to be checked. Leases share one descriptor per handle, which
 * lives as long as the last of them, so an evicted task stays readable until then.
 *
 * Not for deciding what to keep: core does that, by used_at and usage(). */
#include "index.h"

#include <darter/module.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { PREFIX = 3, PATH_SIZE = PREFIX + 1 + DTR_TASK_ID_LENGTH + sizeof(INDEX_SUFFIX) };
enum { TASKS_RECOVERED, TASKS_DAMAGED, STRAYS_REMOVED };

static const char NAME[] = "storage_file";
static const struct dtr_host *host;

struct options {
    const char *dir;
    bool keep;
    uint64_t scrub_rate; /* bytes/s */
};

struct store {
    char *dir;
    int lock;  /* descriptor of the lock file */
    int tasks; /* descriptor of content/tasks */
    uint64_t boot, scrub_rate;
    bool preallocate;
};

/* A data file's descriptor: one reference for the handle, one for each lease. */
struct data {
    uint32_t references;
    int fd;
};

struct dtr_stored {
    struct store *store;
    struct index index;
    struct data *data;
    uint64_t allocated; /* bytes asked of the file system so far */
};

static void drop_data(void *context)
{
    struct data *data = context;
    if (__atomic_sub_fetch(&data->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    close(data->fd);
    free(data);
}

/* Task ids come from the network: whatever could leave the directory is refused. */
static bool is_task_id(const char *id, size_t length)
{
    static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    return length == DTR_TASK_ID_LENGTH && strspn(id, allowed) >= length;
}

static void task_path(char path[PATH_SIZE], const char *id, const char *suffix)
{
    (void)snprintf(path, PATH_SIZE, "%.*s/%.*s%s", PREFIX, id, DTR_TASK_ID_LENGTH, id, suffix);
}

static void remove_task(struct store *store, const char *id)
{
    char path[PATH_SIZE];
    task_path(path, id, INDEX_SUFFIX);
    (void)unlinkat(store->tasks, path, 0);
    task_path(path, id, "");
    (void)unlinkat(store->tasks, path, 0);
}

/* --- start and stop ---------------------------------------------------------------------------------- */

static int make_dirs(const char *dir, int *ret_fd, struct dtr_error *err)
{
    char path[4096];
    if (snprintf(path, sizeof(path), "%s/content/tasks", dir) >= (int)sizeof(path))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "dir: the path is too long");
    for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = 0;
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return index_fail(err, path);
        if (!slash)
            break;
        *slash = '/';
    }
    *ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret_fd < 0 ? index_fail(err, path) : DTR_OK;
}

static int take_lock(struct store *store, const char *dir, struct dtr_error *err)
{
    char owner[16] = "?";
    store->lock = openat(store->tasks, "../../darter.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (store->lock < 0)
        return index_fail(err, "darter.lock");
    if (flock(store->lock, LOCK_EX | LOCK_NB) != 0) {
        ssize_t got = pread(store->lock, owner, sizeof(owner) - 1, 0);
        owner[got > 0 ? got : 1] = 0;
        return dtr_error_set(err, DTR_EEXISTS, DTR_RETRY_NEVER,
                             "%s is in use by process %s: give each daemon a storage directory of its own",
                             dir, owner);
    }
    if (ftruncate(store->lock, 0) != 0 || dprintf(store->lock, "%d", (int)getpid()) < 0)
        return index_fail(err, "darter.lock");
    return DTR_OK;
}

static DIR *open_dir(const struct store *store, const char *name)
{
    int fd = openat(store->tasks, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir && fd >= 0) {
        int why = errno;
        close(fd);
        errno = why;
    }
    return dir;
}

/* The next name in a directory; NULL at its end (errno 0) or when it cannot be read. */
static const char *next_name(DIR *dir)
{
    struct dirent *entry;
    errno = 0;
    do
        entry = readdir(dir);
    while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    return entry ? entry->d_name : NULL;
}

/* Calls `visit` with every name in a directory of tasks. What cannot be read stays as it is, and the others
 * are visited. */
static void walk_prefix(struct store *store, const char *prefix,
                        void (*visit)(void *context, const char *prefix, const char *name), void *context)
{
    DIR *dir = open_dir(store, prefix);
    for (const char *name; dir && (name = next_name(dir));)
        visit(context, prefix, name);
    if (errno != 0 && errno != ENOTDIR)
        host->log(NAME, DTR_LOG_WARN, "content/tasks/%s: %s; its tasks are left out", prefix,
                  strerror(errno));
    if (dir)
        closedir(dir);
}

static int walk(struct store *store, void (*visit)(void *context, const char *prefix, const char *name),
                void *context, struct dtr_error *err)
{
    DIR *top = open_dir(store, ".");
    int status = DTR_OK;
    if (!top)
        return index_fail(err, "content/tasks");
    for (const char *prefix; (prefix = next_name(top));)
        if (prefix[0] != '.')
            walk_prefix(store, prefix, visit, context);
    if (errno != 0)
        status = index_fail(err, "content/tasks");
    closedir(top);
    return status;
}

static void wipe_one(void *context, const char *prefix, const char *name)
{
    struct store *store = context;
    char path[2 * NAME_MAX + 2];
    (void)snprintf(path, sizeof(path), "%s/%s", prefix, name);
    if (unlinkat(store->tasks, path, 0) != 0)
        host->log(NAME, DTR_LOG_WARN, "%s stays: %s", path, strerror(errno));
}

static void file_stop(void *instance)
{
    struct store *store = instance;
    if (!store)
        return;
    if (store->tasks >= 0)
        close(store->tasks);
    if (store->lock >= 0)
        close(store->lock);
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
    store->lock = store->tasks = -1;
    store->scrub_rate = options->scrub_rate;
    store->dir = strdup(options->dir);
    status = store->dir ? make_dirs(options->dir, &store->tasks, err) : index_fail(err, "start");
    if (status == DTR_OK)
        status = take_lock(store, options->dir, err);
    if (status == DTR_OK)
        status = index_boot(&store->boot, err);
    if (status == DTR_OK && !options->keep)
        status = walk(store, wipe_one, store, err);
    if (status != DTR_OK) {
        file_stop(store);
        return status;
    }
    /* On tmpfs allocating means touching all of the memory now, while the first reader waits. */
    store->preallocate = fstatfs(store->tasks, &fs) == 0 && fs.f_type != TMPFS_MAGIC;
    *ret_instance = store;
    return DTR_OK;
}

/* --- scan -------------------------------------------------------------------------------------------- */

struct scan {
    struct store *store;
    const struct dtr_scan_sink *sink;
    uint32_t tasks, damaged, strays;
};

/* Leaves out pieces that the data file is too short for. DTR_ECORRUPT: there is no data file. */
static int fit_pieces(struct scan *scan, const char *id, struct index_content *content, struct dtr_error *err)
{
    char path[PATH_SIZE];
    struct stat st;
    uint32_t kept = 0;
    int found;

    task_path(path, id, "");
    found = fstatat(scan->store->tasks, path, &st, AT_SYMLINK_NOFOLLOW);
    if (found != 0 && errno != ENOENT)
        return index_fail(err, path);
    if (found != 0 || !S_ISREG(st.st_mode) || strcmp(content->facts.task_id, id) != 0)
        return dtr_error_set(err, DTR_ECORRUPT, DTR_RETRY_NEVER, "its data or its name is missing");
    for (uint32_t i = 0; i < content->count; i++)
        if (content->pieces[i].offset + content->pieces[i].length <= (uint64_t)st.st_size)
            content->pieces[kept++] = content->pieces[i];
    content->count = kept;
    return DTR_OK;
}

/* Only what is surely damaged is removed: a task that cannot be read now may be readable another time. */
static void scan_task(struct scan *scan, const char *path, const char *id)
{
    struct index_content content;
    struct index index;
    struct dtr_error err = {0};
    int opened = index_open(scan->store->tasks, path, scan->store->boot, &index, &content, &err);
    int status = opened == DTR_OK ? fit_pieces(scan, id, &content, &err) : opened;

    if (status == DTR_OK) {
        scan->sink->task(scan->sink->context, &content.facts, content.pieces, content.count, content.checked);
        scan->tasks++;
    } else if (status == DTR_ECORRUPT) {
        host->log(NAME, DTR_LOG_WARN, "task %s removed: %s", id, err.text);
        remove_task(scan->store, id);
        scan->damaged++;
    } else {
        host->log(NAME, DTR_LOG_WARN, "task %s is left out: %s", id, err.text);
    }
    if (opened == DTR_OK) {
        free(content.pieces);
        index_close(&index);
    }
}

static void scan_one(void *context, const char *prefix, const char *name)
{
    struct scan *scan = context;
    size_t length = strlen(name);
    char path[2 * NAME_MAX + 2], index_path[PATH_SIZE], id[DTR_TASK_ID_LENGTH + 1] = "";
    bool named;

    if (length >= DTR_TASK_ID_LENGTH)
        memcpy(id, name, DTR_TASK_ID_LENGTH);
    named = is_task_id(id, strlen(id)) && strlen(prefix) == PREFIX && strncmp(prefix, id, PREFIX) == 0;
    (void)snprintf(path, sizeof(path), "%s/%s", prefix, name);
    task_path(index_path, id, INDEX_SUFFIX);
    if (named && strcmp(path, index_path) == 0)
        scan_task(scan, path, id);
    else if (named && length == DTR_TASK_ID_LENGTH &&
             (faccessat(scan->store->tasks, index_path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT))
        return; /* the data of a task, which its index reports, or nobody knows */
    else if (unlinkat(scan->store->tasks, path, 0) == 0)
        scan->strays++;
}

static int file_scan(void *instance, const struct dtr_scan_sink *sink, struct dtr_error *err)
{
    struct scan scan = {.store = instance, .sink = sink};
    int status = walk(instance, scan_one, &scan, err);
    if (scan.strays > 0)
        host->log(NAME, DTR_LOG_INFO, "%u files that belong to no task removed", scan.strays);
    host->count(NAME, TASKS_RECOVERED, scan.tasks);
    host->count(NAME, TASKS_DAMAGED, scan.damaged);
    host->count(NAME, STRAYS_REMOVED, scan.strays);
    return status;
}

/* --- one task ---------------------------------------------------------------------------------------- */

/* Whose disk is full, and what to do. */
static int explain(const struct store *store, int status, struct dtr_error *err)
{
    char why[64];
    if (status != DTR_ENO_SPACE || !err)
        return status;
    (void)snprintf(why, sizeof(why), "%.60s", err->text);
    return dtr_error_set(err, status, DTR_RETRY_SAME,
                         "no space left in the store's folder %.100s (%s): make room there, or point "
                         "storage.dir to a larger disk",
                         store->dir, why);
}

/* Reserves space; a file system that cannot gets a sparse file. One that runs full may have reserved a part
 * by then, which others need. */
static int allocate(int fd, uint64_t length, struct dtr_error *err)
{
    struct stat st;
    int why;
    if (fstat(fd, &st) != 0)
        return index_fail(err, "reserve space");
    if (fallocate(fd, 0, 0, (off_t)length) == 0)
        return DTR_OK;
    why = errno;
    if ((why == EOPNOTSUPP || why == EINTR) && ftruncate(fd, (off_t)length) == 0)
        return DTR_OK;
    (void)!ftruncate(fd, st.st_size); /* else it goes with the task */
    errno = why;
    return index_fail(err, "reserve space");
}

/* Reserves the space of a task whose length is known. */
static int reserve(struct dtr_stored *stored, uint64_t length, struct dtr_error *err)
{
    int fd = stored->data->fd, status = DTR_OK;
    if (length == DTR_LENGTH_UNKNOWN || length <= stored->allocated)
        return DTR_OK;
    if (length > INT64_MAX)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "content length %llu",
                             (unsigned long long)length);
    if (stored->store->preallocate)
        status = allocate(fd, length, err);
    else if (ftruncate(fd, (off_t)length) != 0)
        status = index_fail(err, "reserve space");
    if (status == DTR_OK)
        stored->allocated = length;
    return status;
}

static int open_index(struct dtr_stored *stored, const struct dtr_task_facts *facts, bool *ret_new,
                      struct dtr_error *err)
{
    char path[PATH_SIZE];
    int tasks = stored->store->tasks;
    int status;

    task_path(path, facts->task_id, INDEX_SUFFIX);
    status = index_open(tasks, path, stored->store->boot, &stored->index, NULL, err);
    *ret_new = status == DTR_ENOT_FOUND;
    if (!*ret_new)
        return status;
    path[PREFIX] = 0;
    if (mkdirat(tasks, path, 0700) != 0 && errno != EEXIST)
        return index_fail(err, path);
    path[PREFIX] = '/';
    return index_create(tasks, path, facts, &stored->index, err);
}

static int open_data(struct dtr_stored *stored, const char *id, bool fresh, struct dtr_error *err)
{
    char path[PATH_SIZE];
    struct stat st;

    task_path(path, id, "");
    stored->data = calloc(1, sizeof(*stored->data));
    if (!stored->data)
        return index_fail(err, "open");
    stored->data->references = 1;
    stored->data->fd = openat(stored->store->tasks, path,
                              O_RDWR | O_CLOEXEC | O_NOFOLLOW | (fresh ? O_CREAT | O_TRUNC : 0), 0600);
    if (stored->data->fd < 0 && errno == ENOENT && !fresh)
        return dtr_error_set(err, DTR_ECORRUPT, DTR_RETRY_NEVER, "%s: the data is missing", path);
    if (stored->data->fd < 0 || fstat(stored->data->fd, &st) != 0)
        return index_fail(err, path);
    stored->allocated = (uint64_t)st.st_size;
    return DTR_OK;
}

static void file_close(struct dtr_stored *stored)
{
    if (!stored)
        return;
    index_close(&stored->index);
    if (stored->data)
        drop_data(stored->data);
    free(stored);
}

static int file_open(void *instance, const struct dtr_task_facts *facts, struct dtr_stored **ret_stored,
                     struct dtr_error *err)
{
    struct dtr_stored *stored;
    bool fresh = false;
    int status;

    if (!is_task_id(facts->task_id, strlen(facts->task_id)))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "not a task id");
    stored = calloc(1, sizeof(*stored));
    if (!stored)
        return index_fail(err, "open");
    stored->store = instance;
    stored->index.fd = -1;
    status = open_index(stored, facts, &fresh, err);
    if (status == DTR_OK)
        status = open_data(stored, facts->task_id, fresh, err);
    if (status == DTR_OK && fresh)
        status = reserve(stored, facts->content_length, err);
    if (status == DTR_OK) {
        *ret_stored = stored;
        return DTR_OK;
    }
    if (fresh)
        remove_task(instance, facts->task_id);
    file_close(stored);
    return explain(instance, status, err);
}

static int file_update(struct dtr_stored *stored, const struct dtr_task_facts *facts, struct dtr_error *err)
{
    int status = reserve(stored, facts->content_length, err);
    if (status == DTR_OK)
        status = index_facts(&stored->index, facts, err);
    return explain(stored->store, status, err);
}

static int file_write(struct dtr_stored *stored, uint64_t offset, const void *bytes, size_t length,
                      struct dtr_error *err)
{
    return explain(stored->store, index_write(stored->data->fd, offset, bytes, length, err), err);
}

static int file_mark(struct dtr_stored *stored, const struct dtr_piece *piece, struct dtr_error *err)
{
    return explain(stored->store, index_mark(&stored->index, piece, stored->store->boot, err), err);
}

static int file_unmark(struct dtr_stored *stored, uint32_t first, uint32_t count, struct dtr_error *err)
{
    return index_withdraw(&stored->index, first, count, err);
}

static int file_lease(struct dtr_stored *stored, uint64_t offset, uint64_t length,
                      struct dtr_extent *ret_extent, struct dtr_error *err)
{
    (void)err;
    (void)__atomic_add_fetch(&stored->data->references, 1, __ATOMIC_RELAXED);
    *ret_extent = (struct dtr_extent){.fd = stored->data->fd,
                                      .offset = offset,
                                      .length = length,
                                      .release = drop_data,
                                      .release_context = stored->data};
    return DTR_OK;
}

static int file_read(struct dtr_stored *stored, uint64_t offset, void *bytes, size_t length,
                     struct dtr_error *err)
{
    uint8_t *at = bytes;
    while (length > 0) {
        ssize_t got = pread(stored->data->fd, at, length, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return index_fail(err, "read");
        if (got == 0)
            return dtr_error_set(err, DTR_EIO, DTR_RETRY_NEVER, "read: the file ends at byte %llu",
                                 (unsigned long long)offset);
        at += got;
        offset += (uint64_t)got;
        length -= (size_t)got;
    }
    return DTR_OK;
}

static int file_evict(void *instance, const char *task_id, struct dtr_error *err)
{
    struct store *store = instance;
    char path[PATH_SIZE];
    bool gone;

    if (!is_task_id(task_id, strlen(task_id)))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "not a task id");
    /* The index first: what is left when the process dies in between is a stray file. */
    task_path(path, task_id, INDEX_SUFFIX);
    gone = unlinkat(store->tasks, path, 0) == 0;
    if (!gone && errno != ENOENT)
        return index_fail(err, path);
    task_path(path, task_id, "");
    if (unlinkat(store->tasks, path, 0) != 0 && errno != ENOENT)
        return index_fail(err, path);
    return gone ? DTR_OK : dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "no task %s", task_id);
}

static void file_cool(void *instance, const char *task_id)
{
    struct store *store = instance;
    char path[PATH_SIZE];
    int fd;

    if (!is_task_id(task_id, strlen(task_id)))
        return;
    task_path(path, task_id, "");
    fd = openat(store->tasks, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* pages that are not written yet stay for now */
    close(fd);
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
    .name = NAME,
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
    host = given;
    return &module;
}
