/* One task of the store: its data file and its index, opened, written, read and removed.
 *
 * Leases share one descriptor per handle, which lives as long as the last of them, so an evicted task stays
 * readable until then. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A data file's descriptor: one reference for the handle, one for each lease. */
struct data {
    uint32_t references;
    int fd;
};

static void drop_data(void *context)
{
    struct data *data = context;
    if (__atomic_sub_fetch(&data->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    close(data->fd);
    free(data);
}

/* --- space ------------------------------------------------------------------------------------------- */

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

/* --- open and closed --------------------------------------------------------------------------------- */

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

void file_close(struct dtr_stored *stored)
{
    if (!stored)
        return;
    index_close(&stored->index);
    if (stored->data)
        drop_data(stored->data);
    free(stored);
}

int file_open(void *instance, const struct dtr_task_facts *facts, struct dtr_stored **ret_stored,
              struct dtr_error *err)
{
    struct dtr_stored *stored;
    bool fresh = false;
    int status;

    if (!task_is_id(facts->task_id, strlen(facts->task_id)))
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
        task_remove(instance, facts->task_id);
    file_close(stored);
    return explain(instance, status, err);
}

/* --- what is in it ----------------------------------------------------------------------------------- */

int file_update(struct dtr_stored *stored, const struct dtr_task_facts *facts, struct dtr_error *err)
{
    int status = reserve(stored, facts->content_length, err);
    if (status == DTR_OK)
        status = index_facts(&stored->index, facts, err);
    return explain(stored->store, status, err);
}

int file_write(struct dtr_stored *stored, uint64_t offset, const void *bytes, size_t length,
               struct dtr_error *err)
{
    return explain(stored->store, index_write(stored->data->fd, offset, bytes, length, err), err);
}

int file_mark(struct dtr_stored *stored, const struct dtr_piece *piece, struct dtr_error *err)
{
    return explain(stored->store, index_mark(&stored->index, piece, stored->store->boot, err), err);
}

int file_unmark(struct dtr_stored *stored, uint32_t first, uint32_t count, struct dtr_error *err)
{
    return index_withdraw(&stored->index, first, count, err);
}

int file_lease(struct dtr_stored *stored, uint64_t offset, uint64_t length, struct dtr_extent *ret_extent,
               struct dtr_error *err)
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

int file_read(struct dtr_stored *stored, uint64_t offset, void *bytes, size_t length, struct dtr_error *err)
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

/* --- those that nobody has open ---------------------------------------------------------------------- */

int file_evict(void *instance, const char *task_id, struct dtr_error *err)
{
    struct store *store = instance;
    char path[PATH_SIZE];
    bool gone;

    if (!task_is_id(task_id, strlen(task_id)))
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

void file_cool(void *instance, const char *task_id)
{
    struct store *store = instance;
    char path[PATH_SIZE];
    int fd;

    if (!task_is_id(task_id, strlen(task_id)))
        return;
    task_path(path, task_id, "");
    fd = openat(store->tasks, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* pages that are not written yet stay for now */
    close(fd);
}
