/* Conformance of a database module with darter/database.h:
 *
 *     database_conformance [--seed N] [--rounds N] [--only WORD] [-v] MODULE.so [option=value ...]
 *
 * Makes tables whose names begin with "conf_" in the database that the options name. The cases are in the
 * other files that begin with database_. Not for speed. */
#include "database_conformance.h"

#include <time.h>

/* --- tools -------------------------------------------------------------------------------------------- */

static int forget(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    (void)context;
    (void)columns;
    (void)count;
    (void)err;
    return DTR_OK;
}

const struct dtr_row_sink any_rows = {forget, NULL};

char *fill_in(const char *text, const char *const *words)
{
    char *filled = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&filled, &length);
    while (out && *text) {
        const char *const *word = words;
        while (*word && strncmp(text, *word, strlen(*word)) != 0)
            word += 2;
        (void)fputs(*word ? word[1] : (const char[]){*text, 0}, out);
        text += *word ? strlen(*word) : 1;
    }
    if (!out || fclose(out) != 0)
        abort();
    return filled;
}

int make_table(struct bench *bench, struct dtr_db *db, const char *name, const char *columns,
               struct dtr_error *err)
{
    const struct dtr_dialect *dialect = bench->database->dialect;
    const char *words[] = {"{id}",   dialect->identity,   "{number}", dialect->number,
                           "{name}", dialect->short_text, "{text}",   dialect->long_text,
                           "{end}",  dialect->table_end,  "{table}",  name,
                           NULL};
    char *drop = fill_in("DROP TABLE IF EXISTS {table}", words);
    char *list = fill_in(columns, words), *create = NULL;
    int rc = bench->database->run(db, drop, NULL, 0, NULL, NULL, err);
    if (asprintf(&create, "CREATE TABLE %s (%s) %s", name, list, dialect->table_end) < 0)
        abort();
    if (rc == DTR_OK)
        rc = bench->database->run(db, create, NULL, 0, NULL, NULL, err);
    free(drop);
    free(list);
    free(create);
    return rc;
}

struct one {
    size_t rows;
    struct dtr_value value; /* the text is ours */
};

static int see_one(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    struct one *one = context;
    (void)err;
    if (count != 1 || one->rows++ > 0)
        return dtr_error_set(err, DTR_EINTERNAL, DTR_RETRY_NEVER, "more than one row or column");
    one->value = (struct dtr_value){.type = columns[0].type, .number = columns[0].number};
    if (columns[0].type == DTR_VALUE_TEXT) {
        char *text = malloc(columns[0].length + 1);
        if (!text)
            abort();
        memcpy(text, columns[0].text, columns[0].length + 1); /* its NUL too */
        one->value.text = text;
        one->value.length = columns[0].length;
    }
    return DTR_OK;
}

static int get_one(struct bench *bench, struct dtr_db *db, const char *sql, const struct dtr_value *values,
                   size_t count, struct one *one, struct dtr_error *err)
{
    const struct dtr_row_sink sink = {see_one, one};
    int rc = bench->database->run(db, sql, values, count, &sink, NULL, err);
    return rc == DTR_OK && one->rows == 0 ? dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "no row")
                                          : rc;
}

int get_number(struct bench *bench, struct dtr_db *db, const char *sql, const struct dtr_value *values,
               size_t count, int64_t *ret_number, struct dtr_error *err)
{
    struct one one = {0};
    int rc = get_one(bench, db, sql, values, count, &one, err);
    *ret_number = one.value.number;
    if (rc == DTR_OK && one.value.type != DTR_VALUE_NUMBER)
        rc = dtr_error_set(err, DTR_EINTERNAL, DTR_RETRY_NEVER, "a %s instead of a number",
                           one.value.type == DTR_VALUE_TEXT ? "text" : "NULL");
    free((char *)(uintptr_t)one.value.text);
    return rc;
}

int get_text(struct bench *bench, struct dtr_db *db, const char *sql, const struct dtr_value *values,
             size_t count, char **ret_text, size_t *ret_length, struct dtr_error *err)
{
    struct one one = {0};
    int rc = get_one(bench, db, sql, values, count, &one, err);
    *ret_text = (char *)(uintptr_t)one.value.text;
    *ret_length = one.value.length;
    if (rc == DTR_OK && one.value.type == DTR_VALUE_NUMBER)
        rc = dtr_error_set(err, DTR_EINTERNAL, DTR_RETRY_NEVER, "a number instead of a text");
    return rc;
}

void sign_give(struct sign *sign)
{
    (void)pthread_mutex_lock(&sign->mutex);
    sign->given = true;
    (void)pthread_cond_broadcast(&sign->changed);
    (void)pthread_mutex_unlock(&sign->mutex);
}

bool sign_wait(struct sign *sign, unsigned ms)
{
    struct timespec until;
    int rc = 0;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&sign->mutex);
    while (!sign->given && rc == 0)
        rc = pthread_cond_timedwait(&sign->changed, &sign->mutex, &until);
    bool given = sign->given;
    (void)pthread_mutex_unlock(&sign->mutex);
    return given;
}

static const struct conformance_case cases[] = {
    {"values come back as given", case_values, false},
    {"rows of long and short texts", case_mixed_row, false},
    {"numbers as results", case_results, false},
    {"texts are compared byte by byte", case_comparison, false},
    {"an identity is never given twice", case_identity, false},
    {"rows that a statement changed", case_changed, false},
    {"upsert", case_upsert, false},
    {"what exists already, and other constraints", case_exists, false},
    {"bad statements and values are refused", case_refusals, false},
    {"errors tell no values", case_error_texts, false},
    {"a sink stops", case_sink_stops, false},
    {"the same statements again", case_again, false},
    {"list of tables", case_tables, false},
    {"transactions", case_transactions, false},
    {"transactions do not see each other", case_isolation, false},
    {"no update is lost", case_lost_update, false},
    {"a deadlock, or a lock not had in time", case_deadlock, false},
    {"many threads", case_threads, false},
    {"locks by name", case_locks, false},
    {"the lock of a process that was killed", case_lock_of_dead, false},
    {"a long statement is interrupted", case_interrupt, false},
    {"waiting for a lock is interrupted", case_interrupted_wait, false},
    {"waiting for a row is interrupted", case_interrupted_writer, false},
    {"what was committed survives kill -9", case_killed_writer, true},
};

int main(int argc, char **argv)
{
    static const struct conformance what = {.program = "database_conformance",
                                            .kind = "database",
                                            .least = sizeof(struct dtr_database_ops),
                                            .cases = cases,
                                            .count = sizeof(cases) / sizeof(cases[0])};
    return conformance_main(&what, argc, argv);
}
