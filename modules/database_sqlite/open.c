/* Opening and closing a connection. */
#include "sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A new file belongs to its user alone; SQLite gives the files beside it the same mode. One that is there is
 * not opened here: closing it would give up SQLite's own locks on it. */
static int create_file(const char *path, struct dtr_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST)
        return sqlite_file_failed(path, errno, err);
    if (fd >= 0)
        (void)close(fd);
    return DTR_OK;
}

static int one_text(void *context, int count, char **texts, char **names)
{
    (void)names;
    if (count == 1 && texts[0])
        (void)snprintf(context, 16, "%s", texts[0]);
    return 0;
}

/* The switch to the journal needs the file alone and does not wait for that, so it is tried again. */
static int use_journal(struct dtr_db *db, struct dtr_error *err)
{
    char mode[16] = "";
    uint64_t begun = sqlite_now_ms();
    int result = SQLITE_BUSY;
    for (int count = 0; result == SQLITE_BUSY; count++) {
        result = sqlite3_exec(db->handle, "PRAGMA journal_mode = WAL", one_text, mode, NULL);
        if (result == SQLITE_BUSY && (sqlite_now_ms() - begun >= db->options->busy_timeout_ms ||
                                      !sqlite_pause(db, sqlite_delay_ms(count))))
            break;
    }
    if (result != SQLITE_OK)
        return sqlite_failed(db, result, err);
    if (strcmp(mode, "wal") != 0)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "%.120s: cannot have a write-ahead log: name a file on a local disk",
                             db->options->path);
    return DTR_OK;
}

static int configure(struct dtr_db *db, struct dtr_error *err)
{
    static const char settings[] = "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                                   "PRAGMA case_sensitive_like = ON; PRAGMA trusted_schema = OFF";
    int rc = use_journal(db, err);
    if (rc != DTR_OK)
        return rc;
    if (sqlite3_db_readonly(db->handle, "main") == 1)
        return sqlite_file_failed(db->options->path, EACCES, err);
    /* "x" is a name here, never a text. */
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    int result = sqlite3_exec(db->handle, settings, NULL, NULL, NULL);
    return result == SQLITE_OK ? DTR_OK : sqlite_failed(db, result, err);
}

static struct dtr_db *new_db(const struct sqlite_options *options)
{
    struct dtr_db *db = calloc(1, sizeof(*db));
    pthread_condattr_t attributes;
    if (!db)
        return NULL;
    db->options = options;
    db->lock_fd = -1;
    (void)pthread_mutex_init(&db->mutex, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&db->woken, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return db;
}

static int open_file(struct dtr_db *db, struct dtr_error *err)
{
    enum { FLAGS = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE };
    int rc = create_file(db->options->path, err);
    if (rc != DTR_OK)
        return rc;
    int result = sqlite3_open_v2(db->options->path, &db->handle, FLAGS, NULL);
    if (result != SQLITE_OK)
        return sqlite_failed(db, result, err);
    sqlite_watch(db);
    return configure(db, err);
}

int sqlite_open(void *instance, struct dtr_db **ret_db, struct dtr_error *err)
{
    struct dtr_db *db = new_db(instance);
    if (!db)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a connection");
    int rc = open_file(db, err);
    if (rc != DTR_OK) {
        sqlite_close(db);
        return rc;
    }
    *ret_db = db;
    return DTR_OK;
}

void sqlite_close(struct dtr_db *db)
{
    if (!db)
        return;
    sqlite_statements_drop(db);
    (void)sqlite3_close(db->handle); /* rolls back */
    if (db->lock_fd >= 0)
        (void)close(db->lock_fd);
    (void)pthread_cond_destroy(&db->woken);
    (void)pthread_mutex_destroy(&db->mutex);
    free(db);
}
