/* Cases of the database conformance program: values, and how they are compared. */
#include "database_conformance.h"

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

void case_values(struct bench *bench)
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

void case_mixed_row(struct bench *bench)
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

void case_results(struct bench *bench)
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

void case_comparison(struct bench *bench)
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
