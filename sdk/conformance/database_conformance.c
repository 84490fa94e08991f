/* Conformance of a database module with darter/database.h:
 *
 *     database_conformance [--seed N] [--rounds N] [--only WORD] [-v] MODULE.so [option=value ...]
 *
 * Makes tables whose names begin with "conf_" in the database that the options name. What several connections
 * do at once: database_transactions.c, database_locks.c. Not for speed. */
#include "database_conformance.h"

#include <ctype.h>
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

/* --- values ------------------------------------------------------------------------------------------- */

static void numbers_come_back(struct bench *bench, struct dtr_db *db)
{
    static const int64_t numbers[] = {
        0, 1, -1, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, INT64_MAX - 1, 1LL << 53};
    struct dtr_error err = {0};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        RUN("UPDATE conf_values SET n = ?", NUMBER(numbers[i]));
        GIVES(numbers[i], "SELECT n FROM conf_values");
        GIVES(1, "SELECT COUNT(*) FROM conf_values WHERE n = ?", NUMBER(numbers[i]));
    }
}

static void text_comes_back(struct bench *bench, struct dtr_db *db, const char *column, const char *text,
                            size_t length)
{
    const struct dtr_value value = {.type = DTR_VALUE_TEXT, .text = text, .length = length};
    struct dtr_error err = {0};
    char sql[64], *got = NULL;
    size_t got_length = 0;
    (void)snprintf(sql, sizeof(sql), "UPDATE conf_values SET %s = ?", column);
    RUN(sql, value);
    (void)snprintf(sql, sizeof(sql), "SELECT %s FROM conf_values", column);
    CHECK_OK(bench, get_text(bench, db, sql, NULL, 0, &got, &got_length, &err), err);
    bool same = got && got_length == length && memcmp(got, text, length) == 0 && got[length] == 0;
    free(got);
    CHECK(bench, same, "a text of %zu bytes in %s comes back as another, of %zu", length, column, got_length);
}

static void texts_come_back(struct bench *bench, struct dtr_db *db)
{
    static const char *const texts[] = {
        "",          "a",         " a ",          "  ",           "NULL",
        "0",         "'",         "''\"`",        "\\'; -- ?",    "%_\\%",
        "grüße",     "日本語",    "🐉 dragon 🚀",   "\n\r\t",       "\x01\x02\x1b\x7f",
        "e\xcc\x81", "{\"a\":1}", "\xef\xbb\xbf", "\xef\xbf\xbf",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && !bench->failed; i++) {
        text_comes_back(bench, db, "name", texts[i], strlen(texts[i]));
        text_comes_back(bench, db, "t", texts[i], strlen(texts[i]));
    }
    text_comes_back(bench, db, "t", "not all of this", 3); /* no NUL behind it */
}

static void long_text_comes_back(struct bench *bench, struct dtr_db *db, size_t length)
{
    char *text = malloc(length + 1);
    if (!text)
        abort();
    for (size_t i = 0; i < length; i++)
        text[i] = (char)(1 + i * 31 % 127);
    text_comes_back(bench, db, "t", text, length);
    free(text);
}

static void case_values(struct bench *bench)
{
    struct dtr_error err = {0};
    struct dtr_db *db;
    char name[255 * 4 + 1] = "", *got;
    size_t length;

    OPEN(&db);
    CHECK_OK(bench, make_table(bench, db, "conf_values", "n {number}, name {name}, t {text}", &err), err);
    RUN("INSERT INTO conf_values (n, name, t) VALUES (?, ?, ?)", NONE, NONE, NONE);
    GIVES(1, "SELECT COUNT(*) FROM conf_values WHERE n IS NULL AND name IS NULL AND t IS NULL");
    CHECK_OK(bench, get_text(bench, db, "SELECT t FROM conf_values", NULL, 0, &got, &length, &err), err);
    CHECK(bench, !got, "NULL comes back as a text");
    numbers_come_back(bench, db);
    texts_come_back(bench, db);
    long_text_comes_back(bench, db, 1 << 10);
    long_text_comes_back(bench, db, (1 << 16) + 1);
    long_text_comes_back(bench, db, 1 << 20);
    for (int i = 0; i < 255; i++)
        memcpy(name + i * 4, "🐉", 4);
    text_comes_back(bench, db, "name", name, 255 * 4);
    bench->database->close(db);
}

static void case_mixed_row(struct bench *bench)
{
    struct dtr_error err = {0};
    struct dtr_db *db;
    OPEN(&db);
    CHECK_OK(bench, make_table(bench, db, "conf_values", "n {number}, name {name}, t {text}", &err), err);
    for (int i = 0; i < 50; i++) { /* long and short and none, in turns */
        char *text = calloc(1, (size_t)i * 997 + 1);
        if (!text)
            abort();
        memset(text, 'x', (size_t)i * 997);
        int rc = bench->database->run(db, "INSERT INTO conf_values (n, name, t) VALUES (?, ?, ?)",
                                      VALUES(NUMBER(i), i % 3 ? TEXT("name") : NONE, TEXT(text)), NULL, NULL,
                                      &err);
        free(text);
        CHECK_OK(bench, rc, err);
    }
    GIVES(50, "SELECT COUNT(*) FROM conf_values WHERE t = ? || t", TEXT(""));
    for (int i = 0; i < 50; i += 7) {
        char *got;
        size_t length;
        CHECK_OK(bench,
                 get_text(bench, db, "SELECT t FROM conf_values WHERE n = ?", VALUES(NUMBER(i)), &got,
                          &length, &err),
                 err);
        free(got);
        CHECK(bench, length == (size_t)i * 997, "row %d: a text of %zu bytes", i, length);
    }
    bench->database->close(db);
}

static void case_results(struct bench *bench)
{
    struct dtr_error err = {0};
    struct dtr_db *db;
    OPEN(&db);
    CHECK_OK(bench, make_table(bench, db, "conf_values", "n {number}", &err), err);
    RUN("INSERT INTO conf_values (n) VALUES (?), (?), (?)", NUMBER(1), NUMBER(2), NUMBER(INT64_MAX - 3));
    GIVES(INT64_MAX, "SELECT SUM(n) FROM conf_values");
    GIVES(3, "SELECT COUNT(*) FROM conf_values");
    GIVES(INT64_MAX - 3, "SELECT MAX(n) FROM conf_values");
    GIVES(-7, "SELECT COALESCE(MAX(n), -7) FROM conf_values WHERE n < 0");
    GIVES(1, "SELECT 1");
    GIVES(42, "SELECT ?", NUMBER(42));
    REFUSED(DTR_EINVALID, "SELECT * FROM conf_values WHERE m = 1");
    RUN("INSERT INTO conf_values (n) VALUES (?)", NUMBER(100));
    REFUSED(DTR_EINVALID, "SELECT SUM(n) FROM conf_values");
    REFUSED(DTR_EINVALID, "SELECT AVG(n) FROM conf_values");
    GIVES(4, "SELECT COUNT(*) FROM conf_values");
    bench->database->close(db);
}

/* --- comparison --------------------------------------------------------------------------------------- */

static int join_texts(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    char *joined = context;
    (void)count;
    (void)err;
    (void)snprintf(joined + strlen(joined), 256 - strlen(joined), "<%s>", columns[0].text);
    return DTR_OK;
}

static void case_comparison(struct bench *bench)
{
    static const char *const names[] = {"b",  "a", "A", "a ",   "á", "a\xcc\x81", "ß",
                                        "ss", "",  " ", "\x01", "Z", "🐉",         "\xef\xbf\xbd"};
    enum { COUNT = sizeof(names) / sizeof(names[0]) };
    char joined[256] = "";
    const struct dtr_row_sink sink = {join_texts, joined};
    struct dtr_error err = {0};
    struct dtr_db *db;

    OPEN(&db);
    CHECK_OK(bench,
             make_table(bench, db, "conf_names", "name {name} NOT NULL, t {text}, UNIQUE (name)", &err), err);
    for (size_t i = 0; i < COUNT; i++)
        RUN("INSERT INTO conf_names (name, t) VALUES (?, ?)", TEXT(names[i]), TEXT(names[i]));
    for (size_t i = 0; i < COUNT; i++) {
        GIVES(1, "SELECT COUNT(*) FROM conf_names WHERE name = ?", TEXT(names[i]));
        GIVES(1, "SELECT COUNT(*) FROM conf_names WHERE t = ?", TEXT(names[i]));
        REFUSED(DTR_EEXISTS, "INSERT INTO conf_names (name) VALUES (?)", TEXT(names[i]));
    }
    GIVES(3, "SELECT COUNT(*) FROM conf_names WHERE name LIKE ?", TEXT("a%"));
    GIVES(1, "SELECT '\\x' LIKE '\\_' ESCAPE '!'");
    GIVES(0, "SELECT 'x' LIKE '!_' ESCAPE '!'");
    GIVES(1, "SELECT '_' LIKE '!_' ESCAPE '!'");
    GIVES(0, "SELECT COUNT(*) FROM conf_names WHERE 'a' = 'A' OR 'a' = 'a ' OR ? = ?", TEXT("x"), TEXT("X"));
    GIVES(2, "SELECT LENGTH('\\n')");
    CHECK_OK(
        bench,
        bench->database->run(db, "SELECT name FROM conf_names ORDER BY name", NULL, 0, &sink, NULL, &err),
        err);
    CHECK(bench, strcmp(joined, "<><\x01>< ><A><Z><a><a ><a\xcc\x81><b><ss><ß><á><\xef\xbf\xbd><🐉>") == 0,
          "order: %s", joined);
    bench->database->close(db);
}

/* --- what a statement did ------------------------------------------------------------------------------- */

static void case_identity(struct bench *bench)
{
    struct dtr_error err = {0};
    struct dtr_ran ran;
    struct dtr_db *db;
    int64_t last = 0;

    OPEN(&db);
    CHECK_OK(bench, make_table(bench, db, "conf_ids", "id {id}, name {name}", &err), err);
    for (int i = 0; i < 5; i++) {
        CHECK_OK(bench,
                 bench->database->run(db, "INSERT INTO conf_ids (name) VALUES (?)", VALUES(TEXT("x")), NULL,
                                      &ran, &err),
                 err);
        CHECK(bench, ran.id > last && ran.changed == 1, "id %lld after %lld", (long long)ran.id,
              (long long)last);
        last = ran.id;
        RUN("DELETE FROM conf_ids WHERE id = ?", NUMBER(last)); /* the highest, and the table empty */
    }
    bench->database->close(db);
    OPEN(&db);
    CHECK_OK(
        bench,
        bench->database->run(db, "INSERT INTO conf_ids (name) VALUES (?)", VALUES(NONE), NULL, &ran, &err),
        err);
    CHECK(bench, ran.id > last, "id %lld again after the connection was closed", (long long)ran.id);
    CHECK_OK(bench,
             bench->database->run(db, "UPDATE conf_ids SET name = ?", VALUES(TEXT("y")), NULL, &ran, &err),
             err);
    CHECK(bench, ran.id == 0, "an UPDATE says that it added row %lld", (long long)ran.id);
    CHECK_OK(bench,
             bench->database->run(db, "INSERT INTO conf_ids (id, name) VALUES (?, ?)",
                                  VALUES(NUMBER(1000), NONE), NULL, &ran, &err),
             err);
    CHECK_OK(
        bench,
        bench->database->run(db, "INSERT INTO conf_ids (name) VALUES (?)", VALUES(NONE), NULL, &ran, &err),
        err);
    CHECK(bench, ran.id == 1001, "id %lld after a given one of 1000", (long long)ran.id);
    bench->database->close(db);
}

#define CHANGES(expected, sql, ...)                                                                          \
    do {                                                                                                     \
        struct dtr_ran changes_ran = {.changed = 999};                                                       \
        CHECK_OK(bench, bench->database->run(db, sql, VALUES(__VA_ARGS__), NULL, &changes_ran, &err), err);  \
        CHECK(bench, changes_ran.changed == (expected), "%s: %llu rows changed, not %d", sql,                \
              (unsigned long long)changes_ran.changed, (int)(expected));                                     \
    } while (0)

static void case_changed(struct bench *bench)
{
    struct dtr_error err = {0};
    struct dtr_db *db;
    OPEN(&db);
    CHECK_OK(bench, make_table(bench, db, "conf_changes", "id {id}, n {number}", &err), err);
    CHANGES(3, "INSERT INTO conf_changes (n) VALUES (1), (1), (2)");
    CHANGES(2, "UPDATE conf_changes SET n = 5 WHERE n = 1");
    CHANGES(2, "UPDATE conf_changes SET n = 5 WHERE n = 5"); /* no other value */
    CHANGES(0, "UPDATE conf_changes SET n = 5 WHERE n = 77");
    CHANGES(0, "DROP TABLE IF EXISTS conf_nothing");
    CHANGES(0, "DELETE FROM conf_changes WHERE n = 77");
    CHANGES(1, "DELETE FROM conf_changes WHERE n = ?", NUMBER(2));
    CHANGES(2, "DELETE FROM conf_changes");
    bench->database->close(db);
}

static char *upsert(const struct bench *bench)
{
    const struct dtr_dialect *dialect = bench->database->dialect;
    const char *const n[] = {"{keys}", "a, b", "{column}", "n", NULL}, *const t[] = {"{column}", "t", NULL};
    char *head = fill_in(dialect->upsert_head, n), *one = fill_in(dialect->upsert_item, n);
    char *two = fill_in(dialect->upsert_item, t), *sql = NULL;
    if (asprintf(&sql, "INSERT INTO conf_upsert (a, b, n, t, made) VALUES (?, ?, ?, ?, ?) %s %s, %s", head,
                 one, two) < 0)
        abort();
    free(head);
    free(one);
    free(two);
    return sql;
}

static void case_upsert(struct bench *bench)
{
    struct dtr_error err = {0};
    struct dtr_ran ran = {0};
    struct dtr_db *db;
    char *sql = upsert(bench);
    int rc = DTR_OK;

    OPEN(&db);
    CHECK_OK(
        bench,
        make_table(bench, db, "conf_upsert",
                   "id {id}, a {name} NOT NULL, b {number} NOT NULL, n {number}, t {text}, made {number},"
                   " UNIQUE (a, b)",
                   &err),
        err);
    for (int i = 0; i < 6 && rc == DTR_OK; i++) {
        rc = bench->database->run(
            db, sql,
            VALUES(TEXT("key"), NUMBER(i % 2), NUMBER(i / 3), TEXT(i < 3 ? "old" : "new"), NUMBER(i)), NULL,
            &ran, &err);
        rc = rc == DTR_OK && ran.changed == 0 ? DTR_EINTERNAL : rc;
    }
    free(sql);
    CHECK_OK(bench, rc, err);
    GIVES(2, "SELECT COUNT(*) FROM conf_upsert WHERE a = 'key' AND n = 1 AND t = 'new'");
    GIVES(1, "SELECT COUNT(*) FROM conf_upsert WHERE b = 0 AND made = 0");
    GIVES(1, "SELECT COUNT(*) FROM conf_upsert WHERE b = 1 AND made = 1");
    bench->database->close(db);
}

/* --- refusals ------------------------------------------------------------------------------------------- */

static void case_exists(struct bench *bench)
{
    struct dtr_error err = {0};
    struct dtr_db *db;
    OPEN(&db);
    CHECK_OK(bench,
             make_table(bench, db, "conf_unique", "id {id}, name {name} NOT NULL, n {number}, UNIQUE (name)",
                        &err),
             err);
    RUN("INSERT INTO conf_unique (id, name, n) VALUES (1, 'one', 1)");
    REFUSED(DTR_EEXISTS, "INSERT INTO conf_unique (name) VALUES ('one')");
    REFUSED(DTR_EEXISTS, "INSERT INTO conf_unique (id, name) VALUES (1, 'two')");
    RUN("INSERT INTO conf_unique (name) VALUES ('two')");
    REFUSED(DTR_EEXISTS, "UPDATE conf_unique SET name = 'one' WHERE name = 'two'");
    REFUSED(DTR_EEXISTS, "CREATE TABLE conf_unique (id INTEGER)");
    RUN("CREATE INDEX conf_unique_n ON conf_unique (n, id)");
    REFUSED(DTR_EEXISTS, "CREATE INDEX conf_unique_n ON conf_unique (n, id)");
    REFUSED(DTR_EEXISTS, "ALTER TABLE conf_unique ADD COLUMN n INTEGER");
    REFUSED(DTR_EINVALID, "INSERT INTO conf_unique (name) VALUES (?)", NONE);
    REFUSED(DTR_EINVALID, "INSERT INTO conf_unique (name, n) VALUES ('three', ?)", TEXT("many"));
    GIVES(2, "SELECT COUNT(*) FROM conf_unique");
    bench->database->close(db);
}

static void case_refusals(struct bench *bench)
{
    static const char *const no_text[] = {"\xff", "a\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                          "\x80"};
    struct dtr_error err = {0};
    struct dtr_db *db;
    OPEN(&db);
    CHECK_OK(bench, make_table(bench, db, "conf_refusals", "n {number}, t {text}", &err), err);
    REFUSED(DTR_EINVALID, "INSERT INTO conf_refusals (n, t) VALUES (?, ?)", NUMBER(1));
    REFUSED(DTR_EINVALID, "INSERT INTO conf_refusals (n) VALUES (?)", NUMBER(1), NUMBER(2));
    REFUSED(DTR_EINVALID, "DELETE FROM conf_refusals", NUMBER(1));
    REFUSED(DTR_EINVALID,
            "INSERT INTO conf_refusals (n) VALUES (1); INSERT INTO conf_refusals (n) VALUES (2)");
    REFUSED(DTR_EINVALID, "SELECT 1; SELECT 2");
    REFUSED(DTR_EINVALID, "");
    REFUSED(DTR_EINVALID, "SELEKT 1");
    REFUSED(DTR_EINVALID, "SELECT * FROM conf_not_there");
    REFUSED(DTR_EINVALID, "INSERT INTO conf_refusals (nn) VALUES (1)");
    for (size_t i = 0; i < sizeof(no_text) / sizeof(no_text[0]); i++)
        REFUSED(DTR_EINVALID, "INSERT INTO conf_refusals (t) VALUES (?)", TEXT(no_text[i]));
    const struct dtr_value nul = {.type = DTR_VALUE_TEXT, .text = "a\0b", .length = 3};
    REFUSED(DTR_EINVALID, "INSERT INTO conf_refusals (t) VALUES (?)", nul);
    GIVES(0, "SELECT COUNT(*) FROM conf_refusals");
    bench->database->close(db);
}

/* What an engine complains of, it may quote; a log is no place for that. */
static void case_error_texts(struct bench *bench)
{
    static const struct {
        const char *sql;
        int code; /* DTR_OK: it need not fail */
    } tries[] = {
        {"INSERT INTO conf_secrets (name, n, t) VALUES (?, 1, '')", DTR_EEXISTS},
        {"INSERT INTO conf_secrets (name, n, t) VALUES ('b', ?, '')", DTR_EINVALID},
        {"UPDATE conf_secrets SET n = ?", DTR_EINVALID},
        {"UPDATE conf_secrets SET name = ?, t = NULL", DTR_EINVALID},
        {"INSERT INTO conf_secrets (name, n, t) SELECT ? || 'a', t, '' FROM conf_secrets", DTR_OK},
    };
    static const char secret[] = "s3cret' for key 'leak";
    struct dtr_error err = {0};
    struct dtr_db *db;
    OPEN(&db);
    CHECK_OK(bench,
             make_table(bench, db, "conf_secrets",
                        "name {name} NOT NULL, n {number}, t {text} NOT NULL, UNIQUE (name)", &err),
             err);
    RUN("INSERT INTO conf_secrets (name, n, t) VALUES (?, 1, ?)", TEXT(secret), TEXT(secret));
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        int rc = bench->database->run(db, tries[i].sql, VALUES(TEXT(secret)), NULL, NULL, &err);
        CHECK(bench, rc == tries[i].code || tries[i].code == DTR_OK, "%s: %s", tries[i].sql,
              dtr_code_text(rc));
        CHECK(bench, rc == DTR_OK || (err.code == rc && err.text[0] && !strchr(err.text, '\n')),
              "%s: no text of one line", tries[i].sql);
        CHECK(bench, rc == DTR_OK || (!strstr(err.text, "s3cret") && !strstr(err.text, "leak")),
              "a value is in an error: %s", err.text);
    }
    bench->database->close(db);
}

/* --- rows ----------------------------------------------------------------------------------------------- */

struct stopper {
    int rows, most;
};

static int stop_after(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    struct stopper *stopper = context;
    (void)columns;
    (void)count;
    return ++stopper->rows < stopper->most ? DTR_OK
                                           : dtr_error_set(err, DTR_ENO_SPACE, DTR_RETRY_NEVER, "enough");
}

static void case_sink_stops(struct bench *bench)
{
    struct stopper stopper = {.most = 3}, all = {.most = 1 << 20};
    const struct dtr_row_sink sink = {stop_after, &stopper}, counting = {stop_after, &all};
    struct dtr_error err = {0};
    struct dtr_db *db;
    OPEN(&db);
    CHECK_OK(bench, make_table(bench, db, "conf_rows", "n {number}", &err), err);
    RUN("INSERT INTO conf_rows (n) VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)");
    for (int i = 0; i < 3; i++)
        RUN("INSERT INTO conf_rows (n) SELECT a.n FROM conf_rows a, conf_rows b WHERE b.n <= 10 LIMIT 5000");
    CHECK_OK(bench, bench->database->begin(db, &err), err);
    int rc = bench->database->run(db, "SELECT n FROM conf_rows", NULL, 0, &sink, NULL, &err);
    CHECK(bench, rc == DTR_ENO_SPACE && strcmp(err.text, "enough") == 0, "%s (%s)", dtr_code_text(rc),
          err.text);
    CHECK(bench, stopper.rows == 3, "%d rows came, not 3", stopper.rows);
    RUN("INSERT INTO conf_rows (n) VALUES (11)"); /* the transaction is open, the connection good */
    CHECK_OK(bench, bench->database->commit(db, &err), err);
    CHECK_OK(bench, bench->database->run(db, "SELECT n, n, n FROM conf_rows", NULL, 0, &counting, NULL, &err),
             err);
    GIVES(all.rows, "SELECT COUNT(*) FROM conf_rows");
    CHECK(bench, all.rows > 5000, "only %d rows", all.rows);
    CHECK_OK(bench, bench->database->run(db, "SELECT n FROM conf_rows", NULL, 0, NULL, NULL, &err), err);
    GIVES(1, "SELECT COUNT(*) FROM conf_rows WHERE n = 11");
    bench->database->close(db);
}

static int find_names(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    int *found = context;
    if (count != 1 || columns[0].type != DTR_VALUE_TEXT)
        return dtr_error_set(err, DTR_EINTERNAL, DTR_RETRY_NEVER, "not one text");
    *found += strcmp(columns[0].text, "conf_listed") == 0 || strcmp(columns[0].text, "conf_with_id") == 0;
    *found +=
        !isalnum((unsigned char)columns[0].text[0]) || strncmp(columns[0].text, "sqlite_", 7) == 0 ? 100 : 0;
    return DTR_OK;
}

static void case_tables(struct bench *bench)
{
    int found = 0;
    const struct dtr_row_sink sink = {find_names, &found};
    struct dtr_error err = {0};
    struct dtr_db *db;
    OPEN(&db);
    CHECK_OK(bench, make_table(bench, db, "conf_listed", "n {number}", &err), err);
    CHECK_OK(bench, make_table(bench, db, "conf_with_id", "id {id}", &err), err);
    CHECK_OK(bench, bench->database->run(db, bench->database->dialect->tables, NULL, 0, &sink, NULL, &err),
             err);
    CHECK(bench, found == 2, "the list of tables has not both that were made, or others (%d)", found);
    RUN("DROP TABLE conf_listed");
    RUN("DROP TABLE conf_with_id");
    found = 0;
    CHECK_OK(bench, bench->database->run(db, bench->database->dialect->tables, NULL, 0, &sink, NULL, &err),
             err);
    CHECK(bench, found == 0, "dropped tables are listed");
    bench->database->close(db);
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
    static const struct conformance what = {"database_conformance", "database",
                                            sizeof(struct dtr_database_ops), cases,
                                            sizeof(cases) / sizeof(cases[0])};
    return conformance_main(&what, argc, argv);
}
