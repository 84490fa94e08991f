/* What the parts of this module share. */
#ifndef DATABASE_SQLITE_H
#define DATABASE_SQLITE_H

#include <darter/database.h>
#include <darter/host.h>

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

/* The instance: what is configured. */
struct sqlite_options {
    const char *path;
    uint64_t busy_timeout_ms;
};

enum { SQLITE_KEPT_MOST = 32 };

struct dtr_db {
    sqlite3 *handle;
    sqlite3_stmt *kept[SQLITE_KEPT_MOST]; /* prepared and not in use, the one that was used last behind */
    size_t kept_count;
    const struct sqlite_options *options;
    bool begun; /* a transaction was */
    bool lost;  /* it was rolled back since; nothing else may run before its user knows */
    int lock_fd;
    uint64_t busy_since_ms;

    pthread_mutex_t mutex; /* the next two */
    pthread_cond_t woken;
    bool running;     /* a call is under way, which interrupt() may end */
    atomic_bool stop; /* it is to end */
};

/* open.c */
int sqlite_open(void *instance, struct dtr_db **ret_db, struct dtr_error *err);
void sqlite_close(struct dtr_db *db);

/* wait.c: what a call may be ended in. Each operation that can last stands between enter and leave. */
void sqlite_enter(struct dtr_db *db);
void sqlite_leave(struct dtr_db *db);
void sqlite_interrupt(struct dtr_db *db);
/* Waits that long, or until the call is to end: then false. */
bool sqlite_pause(struct dtr_db *db, uint64_t ms);
uint64_t sqlite_now_ms(void);
/* How long to wait before the `count`th try for what others hold. */
uint64_t sqlite_delay_ms(int count);
/* Installs what lets a call end early or wait for other writers. */
void sqlite_watch(struct dtr_db *db);
int sqlite_lock(struct dtr_db *db, const char *name, uint64_t wait_ms, struct dtr_error *err);
void sqlite_unlock(struct dtr_db *db, const char *name);

/* statements.c: one that is ready to be bound, of those that are kept, or prepared now; give it back when it
 * has run or failed. */
int sqlite_statement_take(struct dtr_db *db, const char *sql, sqlite3_stmt **ret_statement,
                          struct dtr_error *err);
/* NULL is fine. */
void sqlite_statement_give(struct dtr_db *db, sqlite3_stmt *statement);
void sqlite_statements_drop(struct dtr_db *db);

/* errors.c: the engine's last error, for a result that is not SQLITE_OK. */
int sqlite_failed(const struct dtr_db *db, int result, struct dtr_error *err);
/* The same for a system call on the file, by errno. */
int sqlite_file_failed(const char *path, int number, struct dtr_error *err);

/* run.c */
int sqlite_run(struct dtr_db *db, const char *sql, const struct dtr_value *values, size_t count,
               const struct dtr_row_sink *sink, struct dtr_ran *ret_ran, struct dtr_error *err);
int sqlite_begin(struct dtr_db *db, struct dtr_error *err);
int sqlite_commit(struct dtr_db *db, struct dtr_error *err);
int sqlite_rollback(struct dtr_db *db, struct dtr_error *err);

#endif
