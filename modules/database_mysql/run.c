/* Statements, transactions, interrupts. */
#include "database_mysql.h"

#include <stdlib.h>
#include <sys/socket.h>

/* --- calls that can be ended -------------------------------------------------------------------------------
 */

int my_enter(struct dtr_db *db, struct dtr_error *err)
{
    if (db->over)
        return my_refuse(db->server, err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "the connection was lost");
    if (db->lost)
        return my_refuse(db->server, err, DTR_ELIMIT, DTR_RETRY_SAME,
                         "the transaction was rolled back after an error: run it again");
    (void)pthread_mutex_lock(&db->mutex);
    db->running = true;
    db->stop = false;
    db->entered_ms = mysql_host->now_ns() / 1000000;
    (void)pthread_mutex_unlock(&db->mutex);
    return DTR_OK;
}

int my_leave(struct dtr_db *db, int rc, struct dtr_error *err)
{
    (void)pthread_mutex_lock(&db->mutex);
    bool stopped = db->stop;
    db->running = false;
    (void)pthread_mutex_unlock(&db->mutex);
    if (stopped) { /* also when it had just succeeded: the socket is shut down */
        db->over = true;
        my_kill(db);
        return rc == DTR_OK ? rc : my_refuse(db->server, err, DTR_ECANCELLED, DTR_RETRY_SAME, "cancelled");
    }
    db->over = db->over || rc == DTR_EUNAVAILABLE || rc == DTR_ECANCELLED;
    if (rc == DTR_EUNAVAILABLE &&
        mysql_host->now_ns() / 1000000 - db->entered_ms >= db->server->options->io_timeout_ms)
        my_kill(db); /* the server may be at it still */
    return rc;
}

/* The socket, not the statement: a statement ended from another connection might be the next one by then.
 * What runs at the server is ended in my_leave(), by the thread that may block. */
void my_interrupt(struct dtr_db *db)
{
    (void)pthread_mutex_lock(&db->mutex);
    if (db->running) {
        db->stop = true;
        (void)shutdown(db->socket, SHUT_RDWR);
    }
    (void)pthread_mutex_unlock(&db->mutex);
}

/* --- one statement
 * ------------------------------------------------------------------------------------------ */

static int check_values(const struct dtr_db *db, const char *sql, const struct dtr_value *values,
                        size_t count, struct dtr_error *err)
{
    uint64_t size = strlen(sql) + 1024; /* and what the protocol adds */
    for (size_t i = 0; i < count; i++) {
        size += values[i].type == DTR_VALUE_TEXT ? values[i].length + 16 : 16;
        if (values[i].type == DTR_VALUE_TEXT && !dtr_db_is_text(values[i].text, values[i].length))
            return my_refuse(db->server, err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "value %zu of the statement is not UTF-8, or has a NUL in it", i + 1);
    }
    if (size > db->packet_most)
        return my_refuse(db->server, err, DTR_EINVALID, DTR_RETRY_NEVER,
                         "a statement of %llu bytes; the server takes %llu: raise its max_allowed_packet",
                         (unsigned long long)size, (unsigned long long)db->packet_most);
    return DTR_OK;
}

static int check_count(const struct dtr_db *db, MYSQL_STMT *statement, size_t count, struct dtr_error *err)
{
    unsigned long wanted = mysql_stmt_param_count(statement);
    if (wanted != count)
        return my_refuse(db->server, err, DTR_EINVALID, DTR_RETRY_NEVER,
                         "the statement takes %lu values, %zu are given", wanted, count);
    return DTR_OK;
}

static MYSQL_BIND bind_of(const struct dtr_value *value)
{
    MYSQL_BIND bind = {.buffer_type = MYSQL_TYPE_NULL};
    if (value->type == DTR_VALUE_NUMBER) {
        bind.buffer_type = MYSQL_TYPE_LONGLONG;
        bind.buffer = (void *)(uintptr_t)&value->number;
    } else if (value->type == DTR_VALUE_TEXT) {
        bind.buffer_type = MYSQL_TYPE_STRING;
        bind.buffer = (void *)(uintptr_t)(value->length ? value->text : "");
        bind.buffer_length = value->length;
    }
    return bind;
}

static int execute(const struct dtr_db *db, MYSQL_STMT *statement, const struct dtr_value *values,
                   size_t count, struct dtr_error *err)
{
    MYSQL_BIND *binds = calloc(count + 1, sizeof(*binds));
    int rc = DTR_OK;
    if (!binds)
        return my_refuse(db->server, err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a statement");
    for (size_t i = 0; i < count; i++)
        binds[i] = bind_of(&values[i]);
    if ((count > 0 && mysql_stmt_bind_param(statement, binds)) || mysql_stmt_execute(statement) != 0)
        rc = my_statement_failed(db->server, statement, err);
    free(binds);
    return rc;
}

int my_statement(struct dtr_db *db, const char *sql, const struct dtr_value *values, size_t count,
                 const struct dtr_row_sink *sink, struct dtr_ran *ret_ran, struct dtr_error *err)
{
    struct my_prepared prepared;
    int rc = my_prepared_take(db, sql, &prepared, err);
    if (rc != DTR_OK)
        return rc;
    MYSQL_STMT *statement = prepared.statement;
    rc = check_count(db, statement, count, err);
    if (rc == DTR_OK)
        rc = execute(db, statement, values, count, err);
    bool gives_rows = rc == DTR_OK && mysql_stmt_field_count(statement) > 0;
    if (gives_rows)
        rc = my_rows(db->server, statement, sink, err);
    if (rc == DTR_OK && ret_ran)
        *ret_ran = (struct dtr_ran){.changed = gives_rows ? 0 : mysql_stmt_affected_rows(statement),
                                    .id = gives_rows ? 0 : (int64_t)mysql_stmt_insert_id(statement)};
    my_prepared_give(db, &prepared, rc == DTR_OK);
    return rc;
}

/* --- transactions
 * ------------------------------------------------------------------------------------------- */

int my_run(struct dtr_db *db, const char *sql, const struct dtr_value *values, size_t count,
           const struct dtr_row_sink *sink, struct dtr_ran *ret_ran, struct dtr_error *err)
{
    int rc = check_values(db, sql, values, count, err);
    if (rc == DTR_OK)
        rc = my_enter(db, err);
    if (rc != DTR_OK)
        return rc;
    rc = my_statement(db, sql, values, count, sink, ret_ran, err);
    if (rc == DTR_ELIMIT &&
        db->begun) { /* of a lock not had in time the server takes back the statement only */
        db->lost = true;
        db->over = my_query(db, "ROLLBACK", NULL) != DTR_OK;
    }
    return my_leave(db, rc, err);
}

static int run_short(struct dtr_db *db, const char *sql, struct dtr_error *err)
{
    int rc = my_enter(db, err);
    return rc == DTR_OK ? my_leave(db, my_query(db, sql, err), err) : rc;
}

int my_begin(struct dtr_db *db, struct dtr_error *err)
{
    if (db->begun && !db->lost)
        return my_refuse(db->server, err, DTR_EINVALID, DTR_RETRY_NEVER, "a transaction is open already");
    db->lost = false;
    int rc = run_short(db, "START TRANSACTION", err);
    db->begun = rc == DTR_OK;
    return rc;
}

int my_commit(struct dtr_db *db, struct dtr_error *err)
{
    int rc = run_short(db, "COMMIT", err);
    if (!db->lost)
        db->begun = false;
    return rc;
}

int my_rollback(struct dtr_db *db, struct dtr_error *err)
{
    bool lost = db->lost;
    db->begun = db->lost = false;
    return lost && !db->over ? DTR_OK : run_short(db, "ROLLBACK", err);
}
