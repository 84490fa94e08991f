/* What a call waits for, and what ends it early: other writers, locks by name, interrupt(). */
#include "sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

enum {
    STEPS = 1000 /* of the engine between two looks at whether to end; well under a millisecond */
};

uint64_t sqlite_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void sqlite_enter(struct dtr_db *db)
{
    (void)pthread_mutex_lock(&db->mutex);
    db->running = true;
    atomic_store(&db->stop, false);
    (void)pthread_mutex_unlock(&db->mutex);
}

void sqlite_leave(struct dtr_db *db)
{
    (void)pthread_mutex_lock(&db->mutex);
    db->running = false;
    (void)pthread_mutex_unlock(&db->mutex);
}

void sqlite_interrupt(struct dtr_db *db)
{
    (void)pthread_mutex_lock(&db->mutex);
    if (db->running) {
        atomic_store(&db->stop, true);
        sqlite3_interrupt(db->handle);
    }
    (void)pthread_cond_signal(&db->woken);
    (void)pthread_mutex_unlock(&db->mutex);
}

bool sqlite_pause(struct dtr_db *db, uint64_t ms)
{
    struct timespec until;
    int rc = 0;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&db->mutex);
    while (!atomic_load(&db->stop) && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&db->woken, &db->mutex, &until);
    (void)pthread_mutex_unlock(&db->mutex);
    return !atomic_load(&db->stop);
}

uint64_t sqlite_delay_ms(int count)
{
    static const uint64_t delays[] = {1, 1, 2, 2, 5, 5, 10, 10, 20};
    size_t last = sizeof(delays) / sizeof(delays[0]) - 1;
    return delays[count < 0 || (size_t)count > last ? last : (size_t)count];
}

/* --- in the engine ------------------------------------------------------------------------------------ */

static int is_to_end(void *context)
{
    return atomic_load(&((struct dtr_db *)context)->stop);
}

static int wait_for_writer(void *context, int count)
{
    struct dtr_db *db = context;
    uint64_t now = sqlite_now_ms();
    if (count == 0)
        db->busy_since_ms = now;
    return now - db->busy_since_ms < db->options->busy_timeout_ms && sqlite_pause(db, sqlite_delay_ms(count));
}

void sqlite_watch(struct dtr_db *db)
{
    /* sqlite3_interrupt() alone would be lost between two steps. */
    sqlite3_progress_handler(db->handle, STEPS, is_to_end, db);
    (void)sqlite3_busy_handler(db->handle, wait_for_writer, db);
}

/* --- locks by name ------------------------------------------------------------------------------------- */

/* The byte of the lock file that stands for a name: FNV-1a, in what an offset can be. */
static off_t byte_of(const char *name)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001B3u;
    return (off_t)(hash >> 2);
}

static int set_lock(const struct dtr_db *db, short type, const char *name)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte_of(name), .l_len = 1};
    return fcntl(db->lock_fd, F_OFD_SETLK, &lock) == 0 ? 0 : errno;
}

/* The lock file stays: whoever removed it might take it from under another that just opened it. */
static int open_lock_file(struct dtr_db *db, struct dtr_error *err)
{
    char *path = NULL;
    if (db->lock_fd >= 0)
        return DTR_OK;
    path = sqlite3_mprintf("%s-lock", db->options->path);
    if (!path)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a lock");
    db->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = db->lock_fd >= 0 ? DTR_OK : sqlite_file_failed(path, errno, err);
    sqlite3_free(path);
    return rc;
}

static int wait_for_lock(struct dtr_db *db, const char *name, uint64_t wait_ms, struct dtr_error *err)
{
    uint64_t begun = sqlite_now_ms();
    for (int count = 0;; count++) {
        int number = set_lock(db, F_WRLCK, name);
        if (number == 0)
            return DTR_OK;
        if (number != EAGAIN && number != EACCES)
            return dtr_error_set(err, DTR_EIO, DTR_RETRY_SAME, "%.100s-lock: cannot be locked: %s",
                                 db->options->path, strerror(number));
        if (sqlite_now_ms() - begun >= wait_ms)
            return dtr_error_set(err, DTR_ETIMEOUT, DTR_RETRY_SAME, "the lock %.64s is held by another",
                                 name);
        if (!sqlite_pause(db, sqlite_delay_ms(count)))
            return dtr_error_set(err, DTR_ECANCELLED, DTR_RETRY_SAME, "waiting for the lock %.64s: cancelled",
                                 name);
    }
}

int sqlite_lock(struct dtr_db *db, const char *name, uint64_t wait_ms, struct dtr_error *err)
{
    int rc = open_lock_file(db, err);
    if (rc != DTR_OK)
        return rc;
    sqlite_enter(db);
    rc = wait_for_lock(db, name, wait_ms, err);
    sqlite_leave(db);
    return rc;
}

void sqlite_unlock(struct dtr_db *db, const char *name)
{
    if (db->lock_fd >= 0)
        (void)set_lock(db, F_UNLCK, name);
}
