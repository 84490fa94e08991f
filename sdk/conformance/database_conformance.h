/* What the parts of the database conformance program share. Cases use tables of their own, made anew, so that
 * a server's database can be used again and again. */
#ifndef DATABASE_CONFORMANCE_H
#define DATABASE_CONFORMANCE_H

#include "conformance.h"

#include <darter/database.h>

#include <pthread.h>

#define NUMBER(n) ((struct dtr_value){.type = DTR_VALUE_NUMBER, .number = (int64_t)(n)})
#define TEXT(t)   ((struct dtr_value){.type = DTR_VALUE_TEXT, .text = (t), .length = strlen(t)})
#define NONE      ((struct dtr_value){.type = DTR_VALUE_NULL})
/* A list of values, an empty one too, for two arguments. */
#define VALUES(...)                                                                                          \
    &((const struct dtr_value[]){{0}, __VA_ARGS__})[1],                                                      \
        (sizeof((const struct dtr_value[]){{0}, __VA_ARGS__}) / sizeof(struct dtr_value) - 1)

/* In a case, with `bench`, `db` and `err` at hand: runs a statement, which must succeed. */
#define RUN(sql, ...)                                                                                        \
    CHECK_OK(bench, bench->database->run(db, sql, VALUES(__VA_ARGS__), NULL, NULL, &err), err)
/* Runs one that must fail, with this code. */
#define REFUSED(expected, sql, ...)                                                                          \
    do {                                                                                                     \
        int refused_code = bench->database->run(db, sql, VALUES(__VA_ARGS__), &any_rows, NULL, &err);        \
        CHECK(bench, refused_code == (expected), "%s: %s, not %s (%s)", sql, dtr_code_text(refused_code),    \
              dtr_code_text(expected), refused_code ? err.text : "");                                        \
    } while (0)
/* Runs one that gives a single number, which must be this one. */
#define GIVES(expected, sql, ...)                                                                            \
    do {                                                                                                     \
        int64_t gives_number = 0;                                                                            \
        CHECK_OK(bench, get_number(bench, db, sql, VALUES(__VA_ARGS__), &gives_number, &err), err);          \
        CHECK(bench, gives_number == (int64_t)(expected), "%s: %lld, not %lld", sql,                         \
              (long long)gives_number, (long long)(expected));                                               \
    } while (0)
#define OPEN(ret_db) CHECK_OK(bench, bench->database->open(bench->started.instance, ret_db, &err), err)

/* Takes rows and forgets them. */
extern const struct dtr_row_sink any_rows;
/* Drops and makes a table. In `columns`, {id}, {number}, {name}, {text} stand for the dialect's types. */
int make_table(struct bench *bench, struct dtr_db *db, const char *name, const char *columns,
               struct dtr_error *err);
/* DTR_ENOT_FOUND without a row, DTR_EINTERNAL when it is not one row with one number. */
int get_number(struct bench *bench, struct dtr_db *db, const char *sql, const struct dtr_value *values,
               size_t count, int64_t *ret_number, struct dtr_error *err);
/* The single row's first column; *ret_text is the caller's, NULL for NULL. */
int get_text(struct bench *bench, struct dtr_db *db, const char *sql, const struct dtr_value *values,
             size_t count, char **ret_text, size_t *ret_length, struct dtr_error *err);
/* `text` with {keys} and {column} replaced, and so on; the caller's. Pairs of name and value, ended by NULL.
 */
char *fill_in(const char *text, const char *const *words);

/* Something that one thread tells another. */
struct sign {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool given;
};
#define SIGN_INITIAL                                                                                         \
    {                                                                                                        \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false                                           \
    }
void sign_give(struct sign *sign);
/* False when it was not given for so long. */
bool sign_wait(struct sign *sign, unsigned ms);

/* database_values.c */
void case_values(struct bench *bench);
void case_mixed_row(struct bench *bench);
void case_results(struct bench *bench);
void case_comparison(struct bench *bench);
/* database_statements.c */
void case_identity(struct bench *bench);
void case_changed(struct bench *bench);
void case_upsert(struct bench *bench);
void case_exists(struct bench *bench);
void case_refusals(struct bench *bench);
void case_error_texts(struct bench *bench);
void case_sink_stops(struct bench *bench);
void case_again(struct bench *bench);
void case_tables(struct bench *bench);
/* database_transactions.c */
void case_transactions(struct bench *bench);
void case_isolation(struct bench *bench);
void case_lost_update(struct bench *bench);
void case_deadlock(struct bench *bench);
void case_threads(struct bench *bench);
/* database_locks.c */
void case_locks(struct bench *bench);
void case_lock_of_dead(struct bench *bench);
void case_interrupt(struct bench *bench);
void case_interrupted_wait(struct bench *bench);
void case_interrupted_writer(struct bench *bench);
void case_killed_writer(struct bench *bench);

#endif
