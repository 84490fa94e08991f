/* What the parts of this module share. */
#ifndef DATABASE_MYSQL_H
#define DATABASE_MYSQL_H

#include <darter/database.h>
#include <darter/host.h>

#include <mysql.h>
#include <pthread.h>

extern const struct dtr_host *mysql_host; /* not the server's: core's services */

#define MYSQL_NAME "database_mysql"

/* What is configured. */
struct my_options {
    const char *user, *password, *host, *dbname;
    int64_t port;
    const char *tls_config, *ca_cert, *cert, *key;
    bool insecure_skip_verify;
    uint64_t connect_timeout_ms, io_timeout_ms;
};

/* How a connection is protected. */
struct my_tls {
    const char *name; /* as in tlsConfig */
    bool wanted, needed, verified;
};

/* The instance. */
struct my_server {
    const struct my_options *options;
    struct my_tls tls;
};

struct my_prepared {
    MYSQL_STMT *statement;
    char *sql;
};

enum { MYSQL_KEPT_MOST = 32 };

struct dtr_db {
    const struct my_server *server;
    MYSQL *handle;
    struct my_prepared kept[MYSQL_KEPT_MOST]; /* not in use, the one that was used last behind */
    size_t kept_count;
    unsigned long thread_id; /* on the server */
    uint64_t packet_most;    /* bytes that the server takes at once */
    bool begun;              /* a transaction was */
    bool lost;               /* it was rolled back since; nothing else may run before its user knows */
    bool over;               /* the connection is of no use any more */
    uint64_t entered_ms;     /* when the call under way began */

    pthread_mutex_t mutex; /* the next three */
    int socket;            /* a copy of the library's, which may close its own at any time */
    bool running;          /* a call is under way, which interrupt() may end */
    bool stop;             /* it is to end */
};

/* connect.c */
int my_open(void *instance, struct dtr_db **ret_db, struct dtr_error *err);
void my_close(struct dtr_db *db);
/* A statement without values and rows. */
int my_query(struct dtr_db *db, const char *sql, struct dtr_error *err);
/* Ends what a connection does on the server, by another one. */
void my_kill(const struct dtr_db *db);

/* errors.c: what the library or the server says, without values. */
int my_failed(const struct my_server *server, unsigned number, const char *state, const char *text,
              struct dtr_error *err);
/* Something of our own about the server. */
__attribute__((format(printf, 5, 6))) int my_refuse(const struct my_server *server, struct dtr_error *err,
                                                    int code, enum dtr_retry retry, const char *format, ...);

/* run.c. Each operation that talks to the server stands between enter and leave; leave answers `rc`, or what
 * the call ended with when it was interrupted. */
int my_enter(struct dtr_db *db, struct dtr_error *err);
int my_leave(struct dtr_db *db, int rc, struct dtr_error *err);
int my_statement(struct dtr_db *db, const char *sql, const struct dtr_value *values, size_t count,
                 const struct dtr_row_sink *sink, struct dtr_ran *ret_ran, struct dtr_error *err);
int my_run(struct dtr_db *db, const char *sql, const struct dtr_value *values, size_t count,
           const struct dtr_row_sink *sink, struct dtr_ran *ret_ran, struct dtr_error *err);
int my_begin(struct dtr_db *db, struct dtr_error *err);
int my_commit(struct dtr_db *db, struct dtr_error *err);
int my_rollback(struct dtr_db *db, struct dtr_error *err);
void my_interrupt(struct dtr_db *db);

/* statements.c: one that is ready to be executed, of those that are kept, or prepared now. */
int my_prepared_take(struct dtr_db *db, const char *sql, struct my_prepared *ret_prepared,
                     struct dtr_error *err);
/* Takes it back when all of its rows were read; else, not `good`, it is closed. */
void my_prepared_give(struct dtr_db *db, struct my_prepared *prepared, bool good);
/* All that are kept. */
void my_prepared_drop(struct dtr_db *db);

/* rows.c: gives the rows of an executed statement to `sink`, which may be NULL. */
int my_rows(const struct my_server *server, MYSQL_STMT *statement, const struct dtr_row_sink *sink,
            struct dtr_error *err);
int my_statement_failed(const struct my_server *server, MYSQL_STMT *statement, struct dtr_error *err);

/* lock.c */
int my_lock(struct dtr_db *db, const char *name, uint64_t wait_ms, struct dtr_error *err);
void my_unlock(struct dtr_db *db, const char *name);

#endif
