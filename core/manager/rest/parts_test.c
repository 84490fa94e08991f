/* The parts of the REST API that need no database: queries, fields, session tokens, passwords,
 * throttling. */
#include "core/manager/rest/field.h"
#include "core/manager/rest/jwt.h"
#include "core/manager/rest/password.h"
#include "core/manager/rest/query.h"
#include "core/manager/rest/throttle.h"

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void queries_are_decoded(void **state)
{
    struct query query;
    (void)state;
    assert_int_equal(query_parse("a=1&b=x%2Fy+z&&c&a=2&=5", &query, NULL), DTR_OK);
    assert_string_equal(query_get(&query, "a"), "1");
    assert_string_equal(query_get(&query, "b"), "x/y z");
    assert_string_equal(query_get(&query, "c"), "");
    assert_null(query_get(&query, "d"));
    query_free(&query);
    assert_int_equal(query_parse(NULL, &query, NULL), DTR_OK);
    assert_int_equal(query.count, 0);
}

static void wrong_queries_are_refused(void **state)
{
    static const char *const wrong[] = {"a=%", "a=%4", "a=%zz", "%00=1", "a=x%00y"};
    struct query query;
    char many[200] = "";
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(query_parse(wrong[i], &query, NULL), DTR_EINVALID);
    for (int i = 0; i <= QUERY_MOST; i++)
        strcat(many, "a=1&");
    assert_int_equal(query_parse(many, &query, NULL), DTR_EINVALID);
}

/* --- fields ----------------------------------------------------------------------------------------------
 */

static const struct field item[] = {{.name = "", .kind = FIELD_TEXT, .least = 1, .most = 3}, {0}};
static const struct field inner[] = {
    {.name = "limit", .kind = FIELD_NUMBER, .flags = F_CREATE, .least = 1, .most = 20, .preset = "3"},
    {.name = "tags", .kind = FIELD_LIST, .flags = F_CREATE, .most = 2, .of = item},
    {0}};
static const struct field row[] = {{.name = "", .kind = FIELD_OBJECT, .of = inner}, {0}};
static const struct field fields[] = {
    {.name = "name", .kind = FIELD_TEXT, .flags = F_CREATE | F_NEEDED, .least = 1, .most = 4},
    {.name = "state", .kind = FIELD_TEXT, .flags = F_EDIT, .words = "on|off", .preset = "\"on\""},
    {.name = "config", .kind = FIELD_OBJECT, .flags = F_EDIT, .of = inner, .preset = "{}"},
    {.name = "until", .kind = FIELD_TIME, .flags = F_EDIT},
    {.name = "flag", .kind = FIELD_BOOL, .flags = F_EDIT},
    {.name = "rows", .kind = FIELD_LIST, .flags = F_EDIT, .of = row},
    {0}};

/* The values as JSON, or the error's text. */
static char *check(unsigned mode, const char *body, char unknown[64])
{
    json_t *json = json_loads(body, JSON_DECODE_ANY, NULL), *values;
    struct dtr_error err = {0};
    assert_non_null(json);
    int rc = fields_check(fields, mode, json, &values, unknown, &err);
    char *text = rc == DTR_OK ? json_dumps(values, JSON_COMPACT | JSON_SORT_KEYS) : strdup(err.text);
    json_decref(values);
    json_decref(json);
    return text;
}

static void assert_check(unsigned mode, const char *body, const char *expected)
{
    char *text = check(mode, body, NULL);
    assert_string_equal(text, expected);
    free(text);
}

static void bodies_are_checked_by_fields(void **state)
{
    (void)state;
    assert_check(F_CREATE, "{\"name\":\"a\",\"until\":null}",
                 "{\"config\":{\"limit\":3},\"name\":\"a\",\"state\":\"on\"}");
    assert_check(F_UPDATE, "{\"name\":\"a\",\"flag\":true}", "{\"flag\":true}");
    assert_check(F_UPDATE, "{\"config\":{\"x\":1,\"tags\":[\"a\"]}}",
                 "{\"config\":{\"limit\":3,\"tags\":[\"a\"]}}");
    assert_check(F_CREATE, "{}", "name: is missing");
    assert_check(F_CREATE, "[]", "the body must be a JSON object");
    assert_check(F_CREATE, "{\"name\":\"abcde\"}", "name: must have 1 to 4 characters, not 5");
    assert_check(F_CREATE, "{\"name\":\"\"}", "name: must have 1 to 4 characters, not 0");
    assert_check(F_UPDATE, "{\"state\":\"o\"}", "state: must be one of on|off");
    assert_check(F_UPDATE, "{\"state\":\"\"}", "state: must be one of on|off");
    assert_check(F_UPDATE, "{\"state\":\"on|off\"}", "state: must be one of on|off");
    assert_check(F_UPDATE, "{\"state\":5}", "state: must be a string");
    assert_check(F_UPDATE, "{\"config\":{\"limit\":21}}", "config.limit: must be 1 to 20, not 21");
    assert_check(F_UPDATE, "{\"config\":{\"limit\":1.5}}", "config.limit: must be a whole number");
    assert_check(F_UPDATE, "{\"config\":{\"tags\":[\"a\",\"abcd\"]}}",
                 "config.tags[1]: must have 1 to 3 characters, not 4");
    assert_check(F_UPDATE, "{\"config\":{\"tags\":[\"a\",\"b\",\"c\"]}}",
                 "config.tags: must have 0 to 2 items, not 3");
    assert_check(F_UPDATE, "{\"until\":\"yesterday\"}", "until: must be a time like 2026-01-31T12:00:00Z");
}

/* Characters are counted, not bytes. */
static void names_may_have_letters_of_several_bytes(void **state)
{
    (void)state;
    assert_check(F_CREATE, "{\"name\":\"äöüß\"}",
                 "{\"config\":{\"limit\":3},\"name\":\"äöüß\",\"state\":\"on\"}");
    assert_check(F_CREATE, "{\"name\":\"äöüßa\"}", "name: must have 1 to 4 characters, not 5");
}

static void unknown_names_are_told(void **state)
{
    char unknown[64];
    (void)state;
    free(check(F_CREATE, "{\"name\":\"a\",\"nmae\":1}", unknown));
    assert_string_equal(unknown, "nmae");
    free(check(F_CREATE, "{\"name\":\"a\"}", unknown));
    assert_string_equal(unknown, "");
    free(check(F_UPDATE, "{\"name\":\"a\"}", unknown));
    assert_string_equal(unknown, "name");
}

static void assert_unknown(const char *body, const char *expected)
{
    char unknown[64];
    free(check(F_UPDATE, body, unknown));
    assert_string_equal(unknown, expected);
}

static void unknown_names_are_told_by_the_way_to_them(void **state)
{
    (void)state;
    assert_unknown("{\"config\":{\"limit\":2,\"tags\":[]}}", "");
    assert_unknown("{\"config\":{\"limit\":2,\"tgas\":[]}}", "config.tgas");
    assert_unknown("{\"config\":null,\"rows\":[{\"limit\":1}]}", "");
    assert_unknown("{\"rows\":[{\"limit\":1},{\"tags\":[],\"x\":1}]}", "rows[1].x");
    assert_unknown("{\"Config\":{\"X\":1}}", "Config.X");
    assert_unknown(
        "{\"config\":{\"a name of far more than sixty letters, of which the last are cut off\":1}}",
        "config.a name of far more than sixty letters, of which the last");
}

static void letters_of_names_may_be_small_or_capital(void **state)
{
    (void)state;
    assert_check(F_UPDATE, "{\"CONFIG\":{\"Limit\":7}}", "{\"config\":{\"limit\":7}}");
    assert_check(F_UPDATE, "{\"State\":\"o\"}", "state: must be one of on|off");
    assert_check(F_UPDATE, "{\"STATE\":\"off\",\"state\":\"on\",\"State\":\"off\"}", "{\"state\":\"on\"}");
    assert_check(F_UPDATE, "{\"STATE\":\"on\",\"State\":\"off\"}", "{\"state\":\"off\"}");
    assert_unknown("{\"State\":\"off\"}", "");
    assert_unknown("{\"state\":\"on\",\"State\":\"off\"}", "State");
    assert_unknown("{\"STATE\":\"on\",\"State\":\"off\"}", "STATE");
}

static void times_go_both_ways(void **state)
{
    char text[FIELD_TIME_TEXT];
    int64_t ms;
    (void)state;
    assert_true(field_time_parse("2026-01-31T12:00:00Z", &ms));
    field_time_text(ms, text);
    assert_string_equal(text, "2026-01-31T12:00:00.000Z");
    assert_true(field_time_parse("2026-01-31T14:00:00.5+02:00", &ms));
    field_time_text(ms, text);
    assert_string_equal(text, "2026-01-31T12:00:00.500Z");
    static const char *const wrong[] = {"",
                                        "2026-01-31",
                                        "2026-01-31T12:00:00",
                                        "2026-01-31T12:00:00+2",
                                        "2026-13-31T12:00:00Z",
                                        "2026-01-31T12:00:00Zx"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(field_time_parse(wrong[i], &ms));
}

/* --- secrets ---------------------------------------------------------------------------------------------
 */

static void tokens_are_only_good_with_their_key(void **state)
{
    const struct jwt_claims claims = {
        .user_id = 7, .expires = 1000, .signed_in = 500, .mark = "0123456789abcdef"};
    struct jwt_claims got;
    char text[JWT_TEXT];
    (void)state;
    jwt_sign("key", &claims, text);
    assert_int_equal(jwt_read("key", text, &got, NULL), DTR_OK);
    assert_int_equal(got.user_id, 7);
    assert_int_equal(got.expires, 1000);
    assert_int_equal(got.signed_in, 500);
    assert_string_equal(got.mark, claims.mark);
    assert_int_equal(jwt_read("kez", text, &got, NULL), DTR_EDENIED);
    for (size_t i = 0; text[i]; i++) {
        char was = text[i];
        text[i] = was == 'A' ? 'B' : 'A';
        assert_int_equal(jwt_read("key", text, &got, NULL), DTR_EDENIED);
        text[i] = was;
    }
    assert_int_equal(jwt_read("key", text, &got, NULL), DTR_OK);
}

/* Signed by another program: the form is the standard's. */
static void tokens_of_others_are_read(void **state)
{
    /* {"alg":"HS256","typ":"JWT"} . {"id":1,"exp":2,"orig_iat":3,"mark":"m"} with the key "secret" */
    static const char known[] =
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
        "eyJpZCI6MSwiZXhwIjoyLCJvcmlnX2lhdCI6MywibWFyayI6Im0ifQ.CNiQopWWxUsRKiDYVmol0eONLJSILhvEzihDIeU7eN4";
    /* {"alg":"none"} with the same claims, and without a signature */
    static const char none[] = "eyJhbGciOiJub25lIn0.eyJpZCI6MSwiZXhwIjoyLCJvcmlnX2lhdCI6MywibWFyayI6Im0ifQ.";
    struct jwt_claims got;
    (void)state;
    assert_int_equal(jwt_read("secret", known, &got, NULL), DTR_OK);
    assert_int_equal(got.user_id, 1);
    assert_int_equal(jwt_read("secret", none, &got, NULL), DTR_EDENIED);
    assert_int_equal(jwt_read("secret", "", &got, NULL), DTR_EDENIED);
    assert_int_equal(jwt_read("secret", "..", &got, NULL), DTR_EDENIED);
}

static void passwords_are_hashed(void **state)
{
    char hash[PASSWORD_HASH], again[PASSWORD_HASH];
    (void)state;
    password_set_cost(4);
    assert_int_equal(password_hash("dragonfly", hash, NULL), DTR_OK);
    assert_int_equal(password_hash("dragonfly", again, NULL), DTR_OK);
    assert_string_not_equal(hash, again);
    assert_int_equal(strncmp(hash, "$2b$04$", 7), 0);
    assert_true(password_fits("dragonfly", hash));
    assert_false(password_fits("dragonflx", hash));
    assert_false(password_fits("dragonfly", ""));
    /* As Dragonfly's manager keeps it. */
    assert_true(password_fits("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"));
}

static void who_fails_too_often_waits(void **state)
{
    struct throttle *throttle = throttle_new(NULL);
    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(throttle_wait(throttle, "a", 5, 1000), 0);
        throttle_failed(throttle, "a", 1000);
    }
    assert_int_equal(throttle_wait(throttle, "a", 5, 1000), 60);
    assert_int_equal(throttle_wait(throttle, "a", 6, 1000), 0);
    assert_int_equal(throttle_wait(throttle, "b", 5, 1000), 0);
    assert_int_equal(throttle_wait(throttle, "a", 5, 60999), 1);
    assert_int_equal(throttle_wait(throttle, "a", 5, 61000), 0);
    throttle_failed(throttle, "a", 61000);
    assert_int_equal(throttle_wait(throttle, "a", 5, 61000), 0);
    for (int i = 0; i < 5; i++)
        throttle_failed(throttle, "a", 62000);
    assert_int_not_equal(throttle_wait(throttle, "a", 5, 62000), 0);
    throttle_forget(throttle, "a");
    assert_int_equal(throttle_wait(throttle, "a", 5, 62000), 0);
    throttle_free(throttle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_are_decoded),
        cmocka_unit_test(wrong_queries_are_refused),
        cmocka_unit_test(bodies_are_checked_by_fields),
        cmocka_unit_test(names_may_have_letters_of_several_bytes),
        cmocka_unit_test(unknown_names_are_told),
        cmocka_unit_test(unknown_names_are_told_by_the_way_to_them),
        cmocka_unit_test(letters_of_names_may_be_small_or_capital),
        cmocka_unit_test(times_go_both_ways),
        cmocka_unit_test(tokens_are_only_good_with_their_key),
        cmocka_unit_test(tokens_of_others_are_read),
        cmocka_unit_test(passwords_are_hashed),
        cmocka_unit_test(who_fails_too_often_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
