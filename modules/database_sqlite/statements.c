/* Prepared statements that a connection keeps: to prepare one takes longer than to run it on a few rows. */
#include "sqlite.h"

static int prepare(struct dtr_db *db, const char *sql, sqlite3_stmt **ret_statement, struct dtr_error *err)
{
    const char *rest = NULL;
    int result = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_statement, &rest);
    if (result != SQLITE_OK)
        return sqlite_failed(db, result, err);
    if (!*ret_statement || rest[strspn(rest, " \t\r\n")] != 0) {
        (void)sqlite3_finalize(*ret_statement);
        *ret_statement = NULL;
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%.100s: not exactly one statement",
                             db->options->path);
    }
    return DTR_OK;
}

int sqlite_statement_take(struct dtr_db *db, const char *sql, sqlite3_stmt **ret_statement,
                          struct dtr_error *err)
{
    for (size_t i = 0; i < db->kept_count; i++) {
        sqlite3_stmt *kept = db->kept[i];
        if (strcmp(sqlite3_sql(kept), sql) != 0)
            continue;
        db->kept_count--;
        memmove(&db->kept[i], &db->kept[i + 1], (db->kept_count - i) * sizeof(struct sqlite3_stmt *));
        *ret_statement = kept;
        return DTR_OK;
    }
    return prepare(db, sql, ret_statement, err);
}

void sqlite_statement_give(struct dtr_db *db, sqlite3_stmt *statement)
{
    if (!statement)
        return;
    if (sqlite3_reset(statement) != SQLITE_OK || sqlite3_clear_bindings(statement) != SQLITE_OK) {
        (void)sqlite3_finalize(statement);
        return;
    }
    if (db->kept_count == SQLITE_KEPT_MOST) {
        (void)sqlite3_finalize(db->kept[0]);
        db->kept_count--;
        memmove(&db->kept[0], &db->kept[1], db->kept_count * sizeof(struct sqlite3_stmt *));
    }
    db->kept[db->kept_count++] = statement;
}

void sqlite_statements_drop(struct dtr_db *db)
{
    while (db->kept_count > 0)
        (void)sqlite3_finalize(db->kept[--db->kept_count]);
}
