/* The tables against the sources: a row says that its key has an effect when, and only when, code outside
 * core/conf reads its field. So no key can be added and forgotten, nor go on being called without effect.
 * Runs in the source folder.
 *
 * What it cannot see: a value that is read and then goes nowhere. */
#include "core/conf/internal.h"

#include "core/base/str.h"

#include <ctype.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

/* The code that a role's struct may be read in, without comments and white space: files that name the
 * struct, and files of the role. */
static struct dtr_str code[DTR_ROLE_COUNT];

static const char *const structs[] = {
#define ROLE_STRUCT_NAME(id, name, file, type, get) [DTR_ROLE_##id] = #type,
    DTR_CONF_ROLES(ROLE_STRUCT_NAME)
#undef ROLE_STRUCT_NAME
};

static bool is_code(const char *path)
{
    size_t length = strlen(path);
    return length > 2 && path[length - 2] == '.' && strchr("ch", path[length - 1]) &&
           !strstr(path, "core/conf/") && !strstr(path, "_test.c") && !strstr(path, "_fuzz.c");
}

static void add_bare(struct dtr_str *to, const char *text)
{
    while (*text) {
        if (strncmp(text, "/*", 2) == 0) {
            const char *end = strstr(text + 2, "*/");
            text = end ? end + 2 : text + strlen(text);
        } else if (isspace((unsigned char)*text)) {
            text++;
        } else {
            dtr_str_putc(to, *text++);
        }
    }
    dtr_str_putc(to, '\n');
}

static int visit(const char *path, const struct stat *st, int type)
{
    (void)st;
    struct dtr_error err;
    char *text;
    size_t length;
    if (type != FTW_F || !is_code(path))
        return 0;
    if (dtr_conf_read_file(path, &text, &length, &err) != DTR_OK) {
        print_error("%s\n", err.text);
        return -1;
    }
    text[length] = '\0';
    for (int role = 0; role < DTR_ROLE_COUNT; role++) {
        if (strstr(path, dtr_conf_role_name((enum dtr_conf_role)role)) || strstr(text, structs[role]))
            add_bare(&code[role], text);
    }
    free(text);
    return 0;
}

static int read_code(void **state)
{
    (void)state;
    int rc = ftw("core", visit, 16);
    for (int role = 0; role < DTR_ROLE_COUNT; role++)
        rc = dtr_str_ok(&code[role]) ? rc : -1;
    return rc;
}

static int free_code(void **state)
{
    (void)state;
    for (int role = 0; role < DTR_ROLE_COUNT; role++)
        dtr_str_free(&code[role]);
    return 0;
}

/* Whether ".member" or "->member" is in the code, and not as the beginning of a longer name. */
static bool is_read(const struct dtr_str *in, const char *member)
{
    const char *text = dtr_str_text(in);
    size_t length = strlen(member);
    for (const char *at = text; (at = strstr(at, member)); at++) {
        bool after = at > text && (at[-1] == '.' || (at[-1] == '>' && at - text > 1 && at[-2] == '-'));
        if (after && !isalnum((unsigned char)at[length]) && at[length] != '_')
            return true;
    }
    return false;
}

static size_t count_wrong(const struct dtr_conf_schema *schema, const struct dtr_str *in)
{
    size_t wrong = 0;
    for (size_t i = 0; i < schema->count; i++) {
        const struct dtr_conf_row *row = &schema->rows[i];
        bool effect = row->effect == DTR_EFFECT_YES || row->effect == DTR_EFFECT_PARTLY;
        bool found = row->member && is_read(in, row->member);
        if (effect != found) {
            print_error("%s: the table says that it %s, but %s in core/ reads %s\n", row->key,
                        dtr_conf_effect_words(row->effect), found ? "something" : "nothing",
                        row->member ? row->member : "it");
            wrong++;
        }
        if (effect && row->element)
            wrong += count_wrong(row->element, in);
    }
    return wrong;
}

static void keys_have_an_effect_when_the_table_says_so(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (int role = 0; role < DTR_ROLE_COUNT; role++)
        wrong += count_wrong(dtr_conf_schema((enum dtr_conf_role)role), &code[role]);
    assert_int_equal(wrong, 0);
}

static void reading_is_told_from_naming(void **state)
{
    (void)state;
    struct dtr_str text = {0};
    add_bare(&text, "a->b /* x */ .c; /* d->e */ f.g_h; i(j.k)");
    assert_true(is_read(&text, "b.c"));
    assert_true(is_read(&text, "k"));
    assert_false(is_read(&text, "e"));
    assert_false(is_read(&text, "g"));
    assert_false(is_read(&text, "j"));
    dtr_str_free(&text);
    assert_true(is_read(&code[DTR_ROLE_DAEMON], "storage.dir"));
    assert_false(is_read(&code[DTR_ROLE_SCHEDULER], "storage.dir"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_is_told_from_naming),
        cmocka_unit_test(keys_have_an_effect_when_the_table_says_so),
    };
    return cmocka_run_group_tests(tests, read_code, free_code);
}
