/* The folder of a store: made and locked at start, walked, and where a task lies in it; see store.h. */
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

bool task_is_id(const char *id, size_t length)
{
    static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    return length == DTR_TASK_ID_LENGTH && strspn(id, allowed) >= length;
}

void task_path(char path[PATH_SIZE], const char *id, const char *suffix)
{
    (void)snprintf(path, PATH_SIZE, "%.*s/%.*s%s", PREFIX, id, DTR_TASK_ID_LENGTH, id, suffix);
}

void task_remove(struct store *store, const char *id)
{
    char path[PATH_SIZE];
    task_path(path, id, INDEX_SUFFIX);
    (void)unlinkat(store->tasks, path, 0);
    task_path(path, id, "");
    (void)unlinkat(store->tasks, path, 0);
}

/* --- the folder of this process ---------------------------------------------------------------------- */

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

int folder_open(struct store *store, const char *dir, struct dtr_error *err)
{
    store->lock = store->tasks = -1;
    int status = make_dirs(dir, &store->tasks, err);
    return status == DTR_OK ? take_lock(store, dir, err) : status;
}

void folder_close(struct store *store)
{
    if (store->tasks >= 0)
        close(store->tasks);
    if (store->lock >= 0)
        close(store->lock);
}

/* --- everything in it -------------------------------------------------------------------------------- */

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

/* What cannot be read stays as it is, and the others are visited. */
static void walk_prefix(struct store *store, const char *prefix,
                        void (*visit)(void *context, const char *prefix, const char *name), void *context)
{
    DIR *dir = open_dir(store, prefix);
    for (const char *name; dir && (name = next_name(dir));)
        visit(context, prefix, name);
    if (errno != 0 && errno != ENOTDIR)
        store_host->log(STORE_NAME, DTR_LOG_WARN, "content/tasks/%s: %s; its tasks are left out", prefix,
                        strerror(errno));
    if (dir)
        closedir(dir);
}

int folder_walk(struct store *store, void (*visit)(void *context, const char *prefix, const char *name),
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
        store_host->log(STORE_NAME, DTR_LOG_WARN, "%s stays: %s", path, strerror(errno));
}

int folder_wipe(struct store *store, struct dtr_error *err)
{
    return folder_walk(store, wipe_one, store, err);
}
