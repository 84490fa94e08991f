/* Prepared statements that a connection keeps: each costs a way to the server and back, and another when it
 * is closed. */
#include "database_mysql.h"

#include <stdlib.h>

static void close_prepared(struct my_prepared *prepared)
{
    if (prepared->statement)
        (void)mysql_stmt_close(prepared->statement); /* reads what is left of the rows */
    free(prepared->sql);
}

static int prepare(const struct dtr_db *db, const char *sql, struct my_prepared *ret_prepared,
                   struct dtr_error *err)
{
    struct my_prepared made = {.statement = mysql_stmt_init(db->handle), .sql = strdup(sql)};
    int rc = made.statement && made.sql
                 ? DTR_OK
                 : my_refuse(db->server, err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a statement");
    if (rc == DTR_OK && mysql_stmt_prepare(made.statement, sql, (unsigned long)strlen(sql)) != 0)
        rc = my_statement_failed(db->server, made.statement, err);
    if (rc == DTR_OK)
        *ret_prepared = made;
    else
        close_prepared(&made);
    return rc;
}

/* Out of the list. */
static struct my_prepared pick(struct dtr_db *db, size_t at)
{
    struct my_prepared picked = db->kept[at];
    db->kept_count--;
    memmove(&db->kept[at], &db->kept[at + 1], (db->kept_count - at) * sizeof(picked));
    return picked;
}

int my_prepared_take(struct dtr_db *db, const char *sql, struct my_prepared *ret_prepared,
                     struct dtr_error *err)
{
    for (size_t i = 0; i < db->kept_count; i++) {
        if (strcmp(db->kept[i].sql, sql) == 0) {
            *ret_prepared = pick(db, i);
            return DTR_OK;
        }
    }
    return prepare(db, sql, ret_prepared, err);
}

void my_prepared_give(struct dtr_db *db, struct my_prepared *prepared, bool good)
{
    if (!good || mysql_stmt_free_result(prepared->statement) != 0) {
        close_prepared(prepared);
        return;
    }
    if (db->kept_count == MYSQL_KEPT_MOST) {
        struct my_prepared oldest = pick(db, 0);
        close_prepared(&oldest);
    }
    db->kept[db->kept_count++] = *prepared;
}

void my_prepared_drop(struct dtr_db *db)
{
    while (db->kept_count > 0)
        close_prepared(&db->kept[--db->kept_count]);
}
