/* Scopes parsed: refused when an operator writes them, passed over when they are in charge already. */
#include "core/brain/scope_fixture.h"

static char long_text[DTR_SCOPE_TEXT_MAX + 2];

static void what_is_valid_is_kept(void **state)
{
    static const struct scope_row row = {
        "dc-1|dc-2", "area|rack", {"10.0.0.0/8", "fd00::/64"}, {"^web-", ""}};
    (void)state;
    struct dtr_scope *scope = must_parse(&row);
    assert_string_equal(scope->idc, "dc-1|dc-2");
    assert_string_equal(scope->location, "area|rack");
    assert_int_equal(scope->cidr_count, 2);
    assert_int_equal(scope->hostname_count, 2);
    assert_string_equal(scope->hostnames[0].text, "^web-");
    dtr_scope_free(scope);
    scope = must_parse(&(struct scope_row){0});
    assert_string_equal(scope->idc, "");
    assert_int_equal(scope->cidr_count + scope->hostname_count, 0);
    dtr_scope_free(scope);
}

static void what_is_invalid_is_refused_by_name(void **state)
{
    const struct {
        struct scope_row row;
        int code;
        const char *wanted;
    } rows[] = {
        {{.cidrs = {"10.0.0.0/8", "10.0.0.0/33"}},
         DTR_EINVALID,
         "scopes.cidrs[1]: '10.0.0.0/33' is not a network: write ADDRESS/BITS, for example 10.0.0.0/8"},
        {{.cidrs = {"10.0.0.1"}}, DTR_EINVALID, "scopes.cidrs[0]: '10.0.0.1' is not a network"},
        {{.hostnames = {"a", "b", "ab("}},
         DTR_EINVALID,
         "scopes.hostnames[2]: 'ab(' is not a regular expression (PCRE2): missing closing parenthesis at "
         "character 3"},
        {{.idc = long_text}, DTR_ELIMIT, "scopes.idc: 'xxxx"},
        {{.location = long_text}, DTR_ELIMIT, "' has more than 1000 bytes"},
        {{.cidrs = {long_text}}, DTR_ELIMIT, "scopes.cidrs[0]: 'xxxx"},
        {{.hostnames = {long_text}}, DTR_ELIMIT, "scopes.hostnames[0]: 'xxxx"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct dtr_scope_texts texts = texts_of(&rows[i].row);
        struct dtr_scope *scope;
        struct dtr_error err = {0};
        int code = dtr_scope_new(&texts, &scope, &err);
        if (code != rows[i].code || err.code != code || !strstr(err.text, rows[i].wanted))
            fail_msg("row %zu gave %d: %s", i, code, err.text);
        assert_null(scope);
    }
}

static struct dtr_scope_texts many_texts(const char **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        list[i] = "10.0.0.0/8";
    return (struct dtr_scope_texts){.cidrs = list, .cidr_count = count};
}

static void there_are_only_so_many(void **state)
{
    static const char *list[DTR_SCOPE_ITEMS_MAX + 2];
    struct heard heard = {0};
    const struct dtr_scope_report report = {hear, &heard};
    struct dtr_scope *scope;
    struct dtr_error err;
    (void)state;
    struct dtr_scope_texts texts = many_texts(list, DTR_SCOPE_ITEMS_MAX);
    assert_int_equal(dtr_scope_new(&texts, &scope, &err), DTR_OK);
    assert_int_equal(scope->cidr_count, DTR_SCOPE_ITEMS_MAX);
    dtr_scope_free(scope);
    texts = many_texts(list, DTR_SCOPE_ITEMS_MAX + 2);
    assert_int_equal(dtr_scope_new(&texts, &scope, &err), DTR_ELIMIT);
    assert_string_equal(err.text, "scopes.cidrs[1000]: a cluster has at most 1000 of them");
    assert_int_equal(dtr_scope_new_lenient(&texts, &report, &scope, &err), DTR_OK);
    assert_int_equal(scope->cidr_count, DTR_SCOPE_ITEMS_MAX);
    assert_int_equal(heard.count, 1);
    assert_string_equal(heard.texts[0], err.text);
    dtr_scope_free(scope);
}

static void what_is_in_charge_already_is_passed_over(void **state)
{
    static const struct scope_row row = {
        long_text, "rack", {"10.0.0.0/33", "10.0.0.0/8"}, {"ab(", "web", "[", "db"}};
    const struct dtr_scope_texts texts = texts_of(&row);
    struct heard heard = {0};
    const struct dtr_scope_report report = {hear, &heard}, nobody = {0};
    struct dtr_scope *scope;
    (void)state;
    assert_int_equal(dtr_scope_new_lenient(&texts, &report, &scope, NULL), DTR_OK);
    assert_string_equal(scope->idc, "");
    assert_string_equal(scope->location, "rack");
    assert_int_equal(scope->cidr_count, 1);
    assert_int_equal(scope->hostname_count, 2);
    assert_string_equal(scope->hostnames[1].text, "db");
    assert_int_equal(scope->hostnames[1].index, 3);
    assert_int_equal(heard.count, 4);
    assert_non_null(strstr(heard.texts[0], "scopes.idc: "));
    assert_non_null(strstr(heard.texts[1], "scopes.cidrs[0]: '10.0.0.0/33'"));
    assert_non_null(strstr(heard.texts[2], "scopes.hostnames[0]: 'ab('"));
    assert_non_null(strstr(heard.texts[3], "scopes.hostnames[2]: '['"));
    dtr_scope_free(scope);
    assert_int_equal(dtr_scope_new_lenient(&texts, &nobody, &scope, NULL), DTR_OK);
    dtr_scope_free(scope);
}

int main(void)
{
    memset(long_text, 'x', sizeof(long_text) - 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_valid_is_kept),
        cmocka_unit_test(what_is_invalid_is_refused_by_name),
        cmocka_unit_test(there_are_only_so_many),
        cmocka_unit_test(what_is_in_charge_already_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
