/* Kind "database": where the manager keeps what must last.
 *
 * Life: open() gives a connection; statements run on it one at a time, alone or between begin() and commit();
 * close() ends it. Core keeps a few connections and gives each to one piece of work at a time.
 *
 * Threads: calls with one connection come from one thread at a time, a worker thread, and may block for as
 * long as the options of the module say; interrupt() comes from any thread. Several connections are used at
 * once.
 *
 * Statements: one SQL statement each, `?` for each value; "x" is a name, 'x' a text in which no character is
 * special, || joins. What the engines write differently is data, in the dialect; core builds its SQL from
 * that and from what SQLite 3.40 and MariaDB 10.11 both understand. Text is UTF-8 without NUL and is compared
 * byte by byte, by LIKE too, which is always written with ESCAPE. Whole numbers have 64 bits; there are no
 * others: a column of another type, or a number beyond 64 bits, is DTR_EINVALID.
 *
 * Errors, by code: DTR_EUNAVAILABLE (retry SAME) when the server cannot be reached, or the connection was
 * lost, or it is too busy; the connection is to be closed then and a new one to be opened. DTR_ECANCELLED
 * after interrupt(); the same is to be done then. DTR_EEXISTS when a row or name is there already (unique
 * key, CREATE, ADD COLUMN). DTR_ELIMIT (retry SAME) for a deadlock, or a lock not had in time: the
 * transaction is rolled back, run it again, from begin() or rollback() on; what else is called on it before
 * that is refused. DTR_EDENIED when the server refuses user or password, or the file may not be written.
 * DTR_EINVALID for a statement that it does not understand or that breaks another constraint, and for what an
 * operator has to put right. DTR_ENO_SPACE, DTR_EIO, DTR_ECORRUPT for the disk. The text says what the engine
 * said, and never a value or a password. */
#ifndef DARTER_DATABASE_H
#define DARTER_DATABASE_H

#include <darter/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dtr_db; /* a module's connection */

enum dtr_value_type { DTR_VALUE_NULL, DTR_VALUE_NUMBER, DTR_VALUE_TEXT };

/* A parameter or a column. Text need not end with a NUL when it is given, and does when it is got. */
struct dtr_value {
    enum dtr_value_type type;
    int64_t number;
    const char *text;
    size_t length; /* of the text, bytes */
};

/* How the engine writes what others write differently. */
struct dtr_dialect {
    uint32_t size; /* of this table */
    const char *name;
    /* After a column's name in CREATE TABLE: a key that counts up and is never given twice; a number; text of
     * up to 255 characters that can be part of a key; text of up to 16 MiB. */
    const char *identity, *number, *short_text, *long_text;
    const char *table_end; /* after the ")" of CREATE TABLE */
    /* An INSERT goes on with the head, then an item for each column that a row which is there gets of the new
     * one, commas between them. {keys}: the columns of the unique key, {column}: the column. */
    const char *upsert_head, *upsert_item;
    /* Ends a SELECT in a transaction whose rows nobody else may change until its end. */
    const char *for_update;
    /* SELECT that gives the names of the tables there are, one text column. */
    const char *tables;
};

/* Calls for each row, columns valid during the call. Not DTR_OK: no more rows, and run() answers that code.
 */
struct dtr_row_sink {
    int (*row)(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err);
    void *context;
};

/* What a statement did. */
struct dtr_ran {
    /* Rows that it found to change, insert or delete, whether they were the same before or not. Of an upsert:
     * 0 or not. */
    uint64_t changed;
    /* Of the one row that INSERT added to a table with an identity; 0: none was added. Of an upsert, or for
     * another table, it means nothing. */
    int64_t id;
};

struct dtr_database_ops {
    uint32_t size; /* of this table */
    const struct dtr_dialect *dialect;
    int (*open)(void *instance, struct dtr_db **ret_db, struct dtr_error *err);
    /* Rolls back what was not committed, gives up the locks. Also after errors. */
    void (*close)(struct dtr_db *db);
    /* Runs one statement. `sink` is NULL when it gives no rows or they are not wanted, ret_ran may be NULL.
     */
    int (*run)(struct dtr_db *db, const char *sql, const struct dtr_value *values, size_t count,
               const struct dtr_row_sink *sink, struct dtr_ran *ret_ran, struct dtr_error *err);
    /* A transaction that is serialisable for rows read with for_update; not within another one. An error of
     * run() within it that is DTR_EEXISTS or DTR_EINVALID, or comes from the sink, leaves it open, without
     * what that statement did; after any other it can only be rolled back. A change of tables may commit what
     * was done before it. */
    int (*begin)(struct dtr_db *db, struct dtr_error *err);
    /* After DTR_EUNAVAILABLE or DTR_ECANCELLED nobody knows whether it was done. */
    int (*commit)(struct dtr_db *db, struct dtr_error *err);
    /* DTR_OK too when the engine has rolled it back before. */
    int (*rollback)(struct dtr_db *db, struct dtr_error *err);
    /* Makes this connection the only one, in all processes that use the database, that holds the lock `name`
     * (at most 64 characters), until unlock(), close(), or the end of the process or of the connection. Not
     * within a transaction, and not when it holds it already. DTR_ETIMEOUT when another holds it for
     * `wait_ms`. */
    int (*lock)(struct dtr_db *db, const char *name, uint64_t wait_ms, struct dtr_error *err);
    void (*unlock)(struct dtr_db *db, const char *name);
    /* What runs on the connection ends soon, with DTR_ECANCELLED; nothing happens when nothing runs. Does not
     * block. Any thread, not after close() began. */
    void (*interrupt)(struct dtr_db *db);
};

/* Whether text is what a database takes: UTF-8 (no surrogates, nothing longer than needed) without NUL. */
static inline bool dtr_db_is_text(const char *text, size_t length)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    for (size_t i = 0; i < length;) {
        unsigned char first = (unsigned char)text[i++];
        size_t more = first < 0x80 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
        uint32_t point = more == 0 ? first : first & (0x3Fu >> more);
        if (first == 0 || (first >= 0x80 && first < 0xC2) || first > 0xF4 || more > length - i)
            return false;
        for (size_t end = i + more; i < end; i++) {
            if (((unsigned char)text[i] & 0xC0) != 0x80)
                return false;
            point = point << 6 | ((unsigned char)text[i] & 0x3F);
        }
        if (point < least[more] || (point >= 0xD800 && point <= 0xDFFF) || point > 0x10FFFF)
            return false;
    }
    return true;
}

#endif
