/* metric_table.h against the sources: a row says that it is fed when, and only when, some code of core/ or
 * modules/ names its family. Runs in the source folder. */
#include "core/base/str.h"
#include "core/obs/metric.h"

#include <ctype.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static const struct {
    const char *token;
    bool fed;
} rows[] = {
#define ROW(id, name, kind, labels, fed, help) {"DTR_" #id, fed},
    DTR_CLIENT_METRICS(ROW) DTR_SCHEDULER_METRICS(ROW) DTR_MANAGER_METRICS(ROW) DTR_OWN_METRICS(ROW)
#undef ROW
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static struct dtr_str code; /* all of it, without comments */

static bool is_code(const char *path)
{
    size_t length = strlen(path);
    bool c = length > 2 && path[length - 2] == '.' && strchr("ch", path[length - 1]);
    return c && !strstr(path, "_test.c") && !strstr(path, "fixture") && !strstr(path, "metric_table.h");
}

/* One pass over the text: comments are left out, what is quoted is taken as it is. */
static void add_without_comments(const char *text)
{
    while (*text) {
        const char *from = text;
        if (strncmp(text, "/*", 2) == 0) {
            text = strstr(text + 2, "*/") ? strstr(text + 2, "*/") + 2 : text + strlen(text);
        } else if (strncmp(text, "//", 2) == 0) {
            text += strcspn(text, "\n");
        } else {
            bool quoted = *text == '"';
            for (text++; quoted && *text && *text != '"'; text++)
                text += *text == '\\' && text[1];
            text += quoted && *text;
            dtr_str_add(&code, from, (size_t)(text - from));
        }
    }
    dtr_str_putc(&code, '\n');
}

static int visit(const char *path, const struct stat *st, int type)
{
    (void)st;
    if (type != FTW_F || !is_code(path))
        return 0;
    struct dtr_str text = {0};
    char block[4096];
    size_t got;
    FILE *file = fopen(path, "r");
    if (!file)
        return -1;
    while ((got = fread(block, 1, sizeof(block), file)) > 0)
        dtr_str_add(&text, block, got);
    (void)fclose(file);
    add_without_comments(dtr_str_text(&text));
    bool good = dtr_str_ok(&text);
    dtr_str_free(&text);
    return good ? 0 : -1;
}

static int read_code(void **state)
{
    (void)state;
    return ftw("core", visit, 16) == 0 && ftw("modules", visit, 16) == 0 && dtr_str_ok(&code) ? 0 : -1;
}

static int free_code(void **state)
{
    (void)state;
    dtr_str_free(&code);
    return 0;
}

static bool part_of_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static bool named(const char *token)
{
    const char *text = dtr_str_text(&code);
    for (const char *at = text; (at = strstr(at, token)); at++) {
        if ((at == text || !part_of_name(at[-1])) && !part_of_name(at[strlen(token)]))
            return true;
    }
    return false;
}

static void names_are_found_as_whole_words_in_code(void **state)
{
    (void)state;
    assert_true(named("dtr_metric_add"));
    assert_false(named("dtr_metric_ad"));
    assert_false(named("metric_add"));
    assert_true(named("DTR_CLIENT_DOWNLOAD_TRAFFIC"));
    size_t length = code.length;
    add_without_comments("/* DTR_SOMETHING */ // DTR_SOMETHING\n\"/*\" DTR_ELSE \"*/\"");
    assert_false(named("DTR_SOMETHING"));
    assert_true(named("DTR_ELSE"));
    code.length = length;
    code.text[length] = '\0';
}

static void fed_rows_are_counted_and_the_others_are_not(void **state)
{
    size_t wrong = 0;
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        bool found = named(rows[i].token);
        if (found == rows[i].fed)
            continue;
        print_error("%s: the table says that it is%s fed, the code does%s\n", rows[i].token,
                    rows[i].fed ? "" : " not", found ? "" : " not");
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found_as_whole_words_in_code),
        cmocka_unit_test(fed_rows_are_counted_and_the_others_are_not),
    };
    return cmocka_run_group_tests(tests, read_code, free_code);
}
