/* packaging/doc/compatibility.md against the tables: no key without effect, no key of ours and no other
 * default is missing there, and nothing stands there that is not so. Runs in the source folder. */
#include "core/conf/internal.h"

#include "core/base/str.h"

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define DOCUMENT "packaging/doc/compatibility.md"

static const char *const files[] = {
#define ROLE_FILE(id, name, file, type, get) [DTR_ROLE_##id] = file,
    DTR_CONF_ROLES(ROLE_FILE)
#undef ROLE_FILE
};

static char *document;

static int read_document(void **state)
{
    (void)state;
    size_t length;
    struct dtr_error err = {0};
    if (dtr_conf_read_file(DOCUMENT, &document, &length, &err) != DTR_OK) {
        print_error("%s\n", err.text);
        return -1;
    }
    document[length] = '\0'; /* the buffer is one larger than any file */
    return 0;
}

static int free_document(void **state)
{
    (void)state;
    free(document);
    return 0;
}

/* The rows of the table after `heading`: "| a | b |" lines, in order, without the table's head. */
static void table_after(const char *heading, struct dtr_str *ret_rows)
{
    const char *at = strstr(document, heading);
    if (!at)
        fail_msg(DOCUMENT " lacks %s", heading);
    at += strlen(heading);
    size_t lines = 0;
    while (*at) {
        size_t length = strcspn(at, "\n");
        if (*at == '#')
            break;
        if (*at == '|' && ++lines > 2)
            dtr_str_add(ret_rows, at, length + 1);
        else if (*at != '|' && lines > 0)
            break;
        at += length + (at[length] == '\n');
    }
}

static void compare(const char *what, const struct dtr_str *expected, const struct dtr_str *found)
{
    const char *a = dtr_str_text(expected), *b = dtr_str_text(found);
    while (*a || *b) {
        size_t a_length = strcspn(a, "\n"), b_length = strcspn(b, "\n");
        if (a_length != b_length || memcmp(a, b, a_length) != 0)
            fail_msg(DOCUMENT ", %s: the tables say\n%.*s\nthe document says\n%.*s", what, (int)a_length, a,
                     (int)b_length, b);
        a += a_length + (*a != '\0');
        b += b_length + (*b != '\0');
    }
}

static void add_effects(struct dtr_str *rows, const struct dtr_conf_schema *schema, const char *prefix)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct dtr_conf_row *row = &schema->rows[i];
        if (row->effect != DTR_EFFECT_YES)
            dtr_str_printf(rows, "| `%s%s` | %s | %s |\n", prefix, row->key,
                           dtr_conf_effect_word(row->effect), row->why);
        if (row->element) {
            char below[160];
            (void)snprintf(below, sizeof(below), "%s%s[].", prefix, row->key);
            add_effects(rows, row->element, below);
        }
    }
}

static void keys_without_effect_are_listed(void **state)
{
    (void)state;
    for (int role = 0; role < DTR_ROLE_COUNT; role++) {
        struct dtr_str expected = {0}, found = {0};
        char heading[40];
        (void)snprintf(heading, sizeof(heading), "\n### %s\n", files[role]);
        add_effects(&expected, dtr_conf_schema((enum dtr_conf_role)role), "");
        table_after(heading, &found);
        compare(files[role], &expected, &found);
        dtr_str_free(&expected);
        dtr_str_free(&found);
    }
}

static void keys_of_ours_are_listed(void **state)
{
    (void)state;
    struct dtr_str expected = {0}, found = {0};
    for (int role = 0; role < DTR_ROLE_COUNT; role++) {
        const struct dtr_conf_schema *schema = dtr_conf_schema((enum dtr_conf_role)role);
        for (size_t i = 0; i < schema->count; i++) {
            const struct dtr_conf_row *row = &schema->rows[i];
            const char *quote = row->initial ? "`" : "";
            if (row->ours)
                dtr_str_printf(&expected, "| %s | `%s` | %s%s%s | %s |\n", files[role], row->key, quote,
                               row->initial ? row->initial : "none", quote, row->help);
        }
    }
    table_after("\n## Configuration keys that Dragonfly lacks\n", &found);
    compare("keys that Dragonfly lacks", &expected, &found);
    dtr_str_free(&expected);
    dtr_str_free(&found);
}

/* Every row of the table of other defaults gives the default that the key has. */
static void other_defaults_are_true(void **state)
{
    (void)state;
    struct dtr_str rows = {0};
    char file[40], key[120], theirs[120], ours[120];
    size_t count = 0;
    table_after("\n## Defaults that differ\n", &rows);
    const char *at = dtr_str_text(&rows);
    for (; *at; at += strcspn(at, "\n") + 1, count++) {
        enum dtr_conf_role role;
        assert_int_equal(sscanf(at, "| %39s | `%119[^`]` | %119[^|] | %119[^|] |", file, key, theirs, ours),
                         4);
        assert_true(dtr_conf_role_parse(file, &role));
        const struct dtr_conf_row *row = dtr_conf_find_row(dtr_conf_schema(role), key);
        assert_non_null(row);
        char expected[128];
        (void)snprintf(expected, sizeof(expected), row->initial ? "`%s` " : "none ", row->initial);
        assert_string_equal(ours, expected);
    }
    assert_int_equal(count, 7);
    dtr_str_free(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_without_effect_are_listed),
        cmocka_unit_test(keys_of_ours_are_listed),
        cmocka_unit_test(other_defaults_are_true),
    };
    return cmocka_run_group_tests(tests, read_document, free_document);
}
