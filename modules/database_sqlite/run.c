/* Statements and transactions. */
#include "sqlite.h"

#include <stdlib.h>

/* --- one statement ------------------------------------------------------------------------------------ */

static int bind_one(sqlite3_stmt *statement, int at, const struct dtr_value *value)
{
    switch (value->type) {
    case DTR_VALUE_NULL:
        return sqlite3_bind_null(statement, at);
    case DTR_VALUE_NUMBER:
        return sqlite3_bind_int64(statement, at, value->number);
    case DTR_VALUE_TEXT:
        return sqlite3_bind_text64(statement, at, value->length ? value->text : "", value->length,
                                   SQLITE_STATIC, SQLITE_UTF8);
    }
    return SQLITE_MISUSE;
}

static int bind(struct dtr_db *db, sqlite3_stmt *statement, const struct dtr_value *values, size_t count,
                struct dtr_error *err)
{
    int wanted = sqlite3_bind_parameter_count(statement);
    if ((size_t)wanted != count)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "%.100s: the statement takes %d values, %zu are given", db->options->path,
                             wanted, count);
    for (int i = 0; i < wanted; i++) {
        if (values[i].type == DTR_VALUE_TEXT && !dtr_db_is_text(values[i].text, values[i].length))
            return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                                 "%.100s: value %d of the statement is not UTF-8, or has a NUL in it",
                                 db->options->path, i + 1);
        int result = bind_one(statement, i + 1, &values[i]);
        if (result != SQLITE_OK)
            return sqlite_failed(db, result, err);
    }
    return DTR_OK;
}

static int read_column(sqlite3_stmt *statement, int at, struct dtr_value *ret_value, struct dtr_error *err)
{
    *ret_value = (struct dtr_value){.type = DTR_VALUE_NULL};
    switch (sqlite3_column_type(statement, at)) {
    case SQLITE_NULL:
        return DTR_OK;
    case SQLITE_INTEGER:
        ret_value->type = DTR_VALUE_NUMBER;
        ret_value->number = sqlite3_column_int64(statement, at);
        return DTR_OK;
    case SQLITE_TEXT:
        ret_value->type = DTR_VALUE_TEXT;
        ret_value->text = (const char *)sqlite3_column_text(statement, at);
        ret_value->length = (size_t)sqlite3_column_bytes(statement, at);
        return ret_value->text ? DTR_OK
                               : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a text");
    default:
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "column %d of the result is no whole number and no text", at + 1);
    }
}

static int give_row(sqlite3_stmt *statement, struct dtr_value *columns, const struct dtr_row_sink *sink,
                    struct dtr_error *err)
{
    int count = sqlite3_column_count(statement);
    for (int i = 0; i < count; i++) {
        int rc = read_column(statement, i, &columns[i], err);
        if (rc != DTR_OK)
            return rc;
    }
    return sink->row(sink->context, columns, (size_t)count, err);
}

static int step_all(struct dtr_db *db, sqlite3_stmt *statement, const struct dtr_row_sink *sink,
                    struct dtr_error *err)
{
    size_t width = (size_t)sqlite3_column_count(statement);
    struct dtr_value *columns = calloc(width + 1, sizeof(*columns));
    int rc = columns ? DTR_OK : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a row");
    while (rc == DTR_OK) {
        int result = sqlite3_step(statement);
        if (result == SQLITE_DONE)
            break;
        if (result != SQLITE_ROW)
            rc = sqlite_failed(db, atomic_load(&db->stop) ? SQLITE_INTERRUPT : result, err);
        else if (sink)
            rc = give_row(statement, columns, sink, err);
    }
    free(columns);
    return rc;
}

/* --- transactions --------------------------------------------------------------------------------------- */

static int refuse_lost(const struct dtr_db *db, struct dtr_error *err)
{
    return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_SAME,
                         "%.100s: the transaction was rolled back after an error: run it again",
                         db->options->path);
}

/* After an error: the engine rolls back on its own for some, and for a busy one the contract says so. */
static void settle(struct dtr_db *db, int rc)
{
    if (db->begun && rc == DTR_ELIMIT && !sqlite3_get_autocommit(db->handle))
        (void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    db->lost = db->begun && sqlite3_get_autocommit(db->handle);
}

int sqlite_run(struct dtr_db *db, const char *sql, const struct dtr_value *values, size_t count,
               const struct dtr_row_sink *sink, struct dtr_ran *ret_ran, struct dtr_error *err)
{
    sqlite3_stmt *statement = NULL;
    if (db->lost)
        return refuse_lost(db, err);
    sqlite_enter(db);
    sqlite3_set_last_insert_rowid(db->handle, 0);
    sqlite3_int64 before = sqlite3_total_changes64(db->handle);
    int rc = sqlite_statement_take(db, sql, &statement, err);
    if (rc == DTR_OK)
        rc = bind(db, statement, values, count, err);
    if (rc == DTR_OK)
        rc = step_all(db, statement, sink, err);
    sqlite_statement_give(db, statement);
    sqlite_leave(db);
    if (rc != DTR_OK)
        settle(db, rc);
    else if (ret_ran) /* the engine's count stays that of the last statement that could change something */
        *ret_ran = (struct dtr_ran){.changed = sqlite3_total_changes64(db->handle) == before
                                                   ? 0
                                                   : (uint64_t)sqlite3_changes64(db->handle),
                                    .id = sqlite3_last_insert_rowid(db->handle)};
    return rc;
}

static int execute(struct dtr_db *db, const char *sql, struct dtr_error *err)
{
    sqlite_enter(db);
    int result = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    if (result != SQLITE_OK && atomic_load(&db->stop))
        result = SQLITE_INTERRUPT;
    sqlite_leave(db);
    return result == SQLITE_OK ? DTR_OK : sqlite_failed(db, result, err);
}

/* IMMEDIATE: the one writer from the start, so nothing that was read can be outdated when it writes. */
int sqlite_begin(struct dtr_db *db, struct dtr_error *err)
{
    if (db->begun && !db->lost)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%.100s: a transaction is open already",
                             db->options->path);
    db->lost = false;
    int rc = execute(db, "BEGIN IMMEDIATE", err);
    db->begun = rc == DTR_OK;
    return rc;
}

int sqlite_commit(struct dtr_db *db, struct dtr_error *err)
{
    if (db->lost)
        return refuse_lost(db, err);
    int rc = execute(db, "COMMIT", err);
    if (rc != DTR_OK)
        (void)sqlite_rollback(db, NULL);
    db->begun = false;
    return rc;
}

int sqlite_rollback(struct dtr_db *db, struct dtr_error *err)
{
    db->begun = db->lost = false;
    return sqlite3_get_autocommit(db->handle) ? DTR_OK : execute(db, "ROLLBACK", err);
}
