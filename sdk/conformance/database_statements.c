/* Cases of the database conformance program: what statements do, what is refused, rows that come. */
#include "database_conformance.h"

#include <ctype.h>

/* --- what a statement did ------------------------------------------------------------------------------- */

void case_identity(struct bench *bench)
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

void case_changed(struct bench *bench)
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

void case_upsert(struct bench *bench)
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

void case_exists(struct bench *bench)
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

void case_refusals(struct bench *bench)
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
void case_error_texts(struct bench *bench)
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

void case_sink_stops(struct bench *bench)
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

/* Statements come again and again, with other values and after other statements, errors, and new tables. */
void case_again(struct bench *bench)
{
    struct dtr_db *db = NULL;
    struct dtr_error err;
    int rc;
    OPEN(&db);
    for (int i = 0; i < 100; i++) {
        char sql[64];
        (void)snprintf(sql, sizeof(sql), "SELECT %d + 0", i % 50);
        GIVES(i % 50, sql);
    }
    for (int64_t round = 1; round <= 3; round++) {
        CHECK_OK(
            bench,
            make_table(bench, db, "conf_again",
                       round == 2 ? "b {number}, a {number} NOT NULL" : "a {number} NOT NULL, b {number}",
                       &err),
            err);
        for (int64_t i = 1; i <= 3; i++)
            RUN("INSERT INTO conf_again (a, b) VALUES (?, ?)", NUMBER(i * round), NUMBER(7));
        REFUSED(DTR_EINVALID, "INSERT INTO conf_again (a, b) VALUES (?, ?)", NUMBER(1));
        struct stopper stopper = {.most = 1};
        const struct dtr_row_sink sink = {stop_after, &stopper};
        rc = bench->database->run(db, "SELECT a FROM conf_again", NULL, 0, &sink, NULL, &err);
        CHECK(bench, rc == DTR_ENO_SPACE, "%s (%s)", dtr_code_text(rc), err.text);
        GIVES(round, "SELECT MIN(a) FROM conf_again WHERE b = ?", NUMBER(7));
        GIVES(3, "SELECT COUNT(*) FROM conf_again WHERE b = ?", NUMBER(7));
        GIVES(0, "SELECT COUNT(*) FROM conf_again WHERE b = ?", NUMBER(8));
        RUN("DROP TABLE conf_again");
        REFUSED(DTR_EINVALID, "SELECT COUNT(*) FROM conf_again WHERE b = ?", NUMBER(7));
    }
    bench->database->close(db);
}

void case_tables(struct bench *bench)
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
