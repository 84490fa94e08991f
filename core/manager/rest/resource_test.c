/* Settings, the inventory and what belongs to users: making, listing, changing, deleting; and odd texts. */
#include "core/base/str.h"
#include "core/manager/rest/rig.h"

static int set_up(void **state)
{
    int rc = rest_rig_set_up(state);
    struct rest_rig *rig = *state;
    sign_in(rig, "root", "dragonfly");
    return rc;
}

static void configs_live_and_die(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 200, "POST", "/api/v1/configs", "{\"name\":\"a\",\"value\":\"b\",\"bio\":\"c\"}");
    assert_int_equal(number_at(rig, "id"), 2);
    assert_int_equal(number_at(rig, "user_id"), 1);
    assert_int_equal(number_at(rig, "is_del"), 0);
    assert_int_equal(strlen(text_at(rig, "created_at")), strlen("2026-01-31T12:00:00.000Z"));
    ask(rig, 409, "POST", "/api/v1/configs", "{\"name\":\"a\",\"value\":\"b\"}");
    ask(rig, 200, "PATCH", "/api/v1/configs/2", "{\"value\":\"d\"}");
    assert_string_equal(text_at(rig, "value"), "d");
    assert_string_equal(text_at(rig, "bio"), "c");
    ask(rig, 409, "PATCH", "/api/v1/configs/2", "{\"name\":\"gc\"}");
    ask(rig, 422, "PATCH", "/api/v1/configs/2", "{\"user_id\":77}");
    ask(rig, 200, "GET", "/api/v1/configs/2", NULL);
    ask(rig, 200, "DELETE", "/api/v1/configs/2", NULL);
    assert_string_equal(rig->body, "");
    ask(rig, 404, "GET", "/api/v1/configs/2", NULL);
    assert_string_equal(text_at(rig, "message"), "there is no config with the id 2");
    ask(rig, 404, "PATCH", "/api/v1/configs/2", "{\"value\":\"d\"}");
    ask(rig, 404, "DELETE", "/api/v1/configs/2", NULL);
}

static void the_setting_gc_is_looked_at(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 422, "PATCH", "/api/v1/configs/1", "{\"value\":\"soon\"}");
    ask(rig, 422, "PATCH", "/api/v1/configs/1", "{\"value\":\"{\\\"audit\\\":{\\\"ttl\\\":0}}\"}");
    ask(rig, 200, "PATCH", "/api/v1/configs/1", "{\"value\":\"{\\\"audit\\\":{\\\"ttl\\\":5}}\"}");
}

static void lists_have_pages_and_filters(void **state)
{
    struct rest_rig *rig = *state;
    char body[64];
    for (int i = 2; i <= 25; i++) {
        (void)snprintf(body, sizeof(body), "{\"name\":\"n%d\",\"value\":\"%s\"}", i, i % 2 ? "odd" : "even");
        ask(rig, 200, "POST", "/api/v1/configs", body);
    }
    ask(rig, 200, "GET", "/api/v1/configs", NULL);
    assert_int_equal(json_array_size(rig->json), 10);
    assert_string_equal(header(rig, "Link"), "</api/v1/configs?page=2&per_page=10>;rel=next,"
                                             "</api/v1/configs?page=1&per_page=10>;rel=first,"
                                             "</api/v1/configs?page=3&per_page=10>;rel=last");
    ask(rig, 200, "GET", "/api/v1/configs?page=2&per_page=10&token=x", NULL);
    assert_int_equal(number_at(rig, "0.id"), 11);
    assert_non_null(strstr(header(rig, "Link"), "page=1&per_page=10>;rel=prev,<"));
    assert_null(strstr(header(rig, "Link"), "token"));
    ask(rig, 200, "GET", "/api/v1/configs?value=odd&per_page=10000000", NULL);
    assert_int_equal(json_array_size(rig->json), 12);
    assert_string_equal(header(rig, "Link"), "</api/v1/configs?value=odd&page=1&per_page=10000000>;rel=first,"
                                             "</api/v1/configs?value=odd&page=1&per_page=10000000>;rel=last");
    ask(rig, 200, "GET", "/api/v1/configs?name=nothing", NULL);
    assert_string_equal(rig->body, "[]");
    ask(rig, 200, "GET", "/api/v1/configs?name=%27%20OR%201=1", NULL);
    assert_string_equal(rig->body, "[]");
    ask(rig, 422, "GET", "/api/v1/configs?page=0", NULL);
    ask(rig, 422, "GET", "/api/v1/configs?per_page=10000001", NULL);
    ask(rig, 422, "GET", "/api/v1/configs?user_id=x", NULL);
}

static void unknown_fields_are_told(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 200, "POST", "/api/v1/configs", "{\"name\":\"a\",\"value\":\"b\",\"vlaue\":\"c\"}");
    assert_string_equal(header(rig, "Warning"),
                        "299 - \"vlaue is not a field that can be given here; it was ignored\"");
    ask(rig, 200, "GET", "/api/v1/configs?nmae=a&page=1", NULL);
    assert_string_equal(header(rig, "Warning"),
                        "299 - \"nmae is not a filter of this list; it was ignored\"");
    ask(rig, 200, "GET", "/api/v1/configs?name=a&page=1&per_page=5", NULL);
    assert_string_equal(header(rig, "Warning"), "");
    ask(rig, 200, "GET", "/api/v1/configs?%0d%0aX:=a", NULL);
    assert_string_equal(header(rig, "Warning"), "");
}

/* --- the inventory ---------------------------------------------------------------------------------------
 */

static void seed_peers_and_peers_are_kept(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 200, "POST", "/api/v1/seed-peers",
        "{\"host_name\":\"s\",\"ip\":\"10.0.0.2\",\"port\":4000,\"download_port\":4001,\"seed_peer_cluster_"
        "id\":1}");
    assert_string_equal(text_at(rig, "type"), "super");
    ask(rig, 409, "DELETE", "/api/v1/seed-peer-clusters/1", NULL);
    ask(rig, 409, "DELETE", "/api/v1/clusters/1", NULL);
    ask(rig, 200, "POST", "/api/v1/seed-peer-clusters", "{\"name\":\"other\"}");
    ask(rig, 200, "PUT", "/api/v1/seed-peer-clusters/2/seed-peers/1", NULL);
    ask(rig, 200, "GET", "/api/v1/seed-peers/1", NULL);
    assert_int_equal(number_at(rig, "seed_peer_cluster_id"), 2);
    ask(rig, 200, "POST", "/api/v1/peers",
        "{\"host_name\":\"p\",\"ip\":\"10.0.0.3\",\"port\":4000,\"scheduler_cluster_id\":1,\"git_version\":"
        "\"v2\"}");
    ask(rig, 200, "GET", "/api/v1/peers?git_version=v2", NULL);
    assert_int_equal(json_array_size(rig->json), 1);
    ask(rig, 405, "PATCH", "/api/v1/peers/1", "{}");
    ask(rig, 200, "DELETE", "/api/v1/peers/1", NULL);
}

static void applications_have_priorities(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 422, "POST", "/api/v1/applications", "{\"name\":\"a\"}");
    ask(rig, 422, "POST", "/api/v1/applications", "{\"name\":\"a\",\"priority\":{\"value\":21}}");
    ask(rig, 422, "POST", "/api/v1/applications",
        "{\"name\":\"a\",\"priority\":{\"value\":1,\"urls\":[{\"regex\":\"(\",\"value\":1}]}}");
    assert_int_equal(strncmp(text_at(rig, "errors"), "priority.urls[0].regex: ", 24), 0);
    ask(rig, 200, "POST", "/api/v1/applications",
        "{\"name\":\"a\",\"priority\":{\"value\":1,\"urls\":[{\"regex\":\"x\",\"value\":2}]}}");
    assert_int_equal(number_at(rig, "priority.urls.0.value"), 2);
    assert_string_equal(rig->changed, "applications");
}

/* --- texts of strangers ----------------------------------------------------------------------------------
 */

/* SQL, headers, and formats of C: in JSON, as it comes back, and in a query. */
static const struct {
    const char *json, *text, *query;
} odd[] = {
    {"'; DROP TABLE users; --", "'; DROP TABLE users; --", "%27%3B%20DROP%20TABLE%20users%3B%20--"},
    {"\\\" OR \\\"1\\\"=\\\"1", "\" OR \"1\"=\"1", "%22%20OR%20%221%22%3D%221"},
    {"x\\r\\nSet-Cookie: jwt=evil", "x\r\nSet-Cookie: jwt=evil", "x%0D%0ASet-Cookie:%20jwt=evil"},
    {"%s%n%p{0}${jndi:x}", "%s%n%p{0}${jndi:x}", "%25s%25n%25p%7B0%7D$%7Bjndi:x%7D"},
    {"a\\\\'b%' ESCAPE '", "a\\'b%' ESCAPE '", "a%5C'b%25'%20ESCAPE%20'"},
};
enum { ODD = sizeof(odd) / sizeof(odd[0]) };

static const struct {
    const char *path, *filter, *body,
        *fields; /* `body`: @ stands for the text, # for a number; `fields` hold it */
} places[] = {
    {"configs", "name", "{\"name\":\"@\",\"value\":\"@\",\"bio\":\"@\"}", "name value bio"},
    {"clusters", "name", "{\"name\":\"@\",\"bio\":\"@\",\"scopes\":{\"idc\":\"@\",\"location\":\"@\"}}",
     "name bio scopes.idc scopes.location"},
    {"seed-peer-clusters", "name", "{\"name\":\"other @\",\"bio\":\"@\"}", "bio"},
    {"applications", "name", "{\"name\":\"@\",\"url\":\"@\",\"bio\":\"@\",\"priority\":{\"value\":1}}",
     "name url bio"},
    {"personal-access-tokens", "name",
     "{\"name\":\"@\",\"bio\":\"@\",\"expired_at\":\"2100-01-01T00:00:00Z\"}", "name bio"},
    {"peers", "git_version",
     "{\"host_name\":\"p\",\"ip\":\"10.0.0.#\",\"port\":1,\"scheduler_cluster_id\":1,"
     "\"git_version\":\"@\",\"os\":\"@\",\"idc\":\"@\"}",
     "git_version os idc"},
};

static void fill(const char *form, const char *text, int number, char *ret_body, size_t size)
{
    struct dtr_str body = {0};
    for (; *form; form++) {
        if (*form == '@')
            dtr_str_puts(&body, text);
        else if (*form == '#')
            dtr_str_printf(&body, "%d", number);
        else
            dtr_str_putc(&body, *form);
    }
    assert_true(dtr_copy_text(ret_body, size, dtr_str_text(&body)));
    dtr_str_free(&body);
}

/* Refused for what it is, or kept as it is; never anything else. */
static bool is_kept(struct rest_rig *rig, const char *path, const char *body)
{
    char target[64];
    (void)snprintf(target, sizeof(target), "/api/v1/%s", path);
    ask(rig, 0, "POST", target, body);
    assert_true(rig->status == 200 || rig->status == 422);
    assert_null(strstr(rig->head, "\r\nSet-Cookie"));
    return rig->status == 200;
}

static void expect_text(struct rest_rig *rig, const char *prefix, const char *fields, const char *text)
{
    char names[64], path[80], *rest = NULL;
    (void)snprintf(names, sizeof(names), "%s", fields);
    for (char *name = strtok_r(names, " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
        (void)snprintf(path, sizeof(path), "%s%s", prefix, name);
        assert_string_equal(text_at(rig, path), text);
    }
}

static void texts_are_only_texts(void **state)
{
    struct rest_rig *rig = *state;
    int kept = 0;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        for (int j = 0; j < ODD; j++) {
            char body[1000], target[300];
            fill(places[i].body, odd[j].json, j + 1, body, sizeof(body));
            if (is_kept(rig, places[i].path, body)) {
                expect_text(rig, "", places[i].fields, odd[j].text);
                kept++;
            }
            (void)snprintf(target, sizeof(target), "/api/v1/%s?%s=%s", places[i].path, places[i].filter,
                           odd[j].query);
            ask(rig, 200, "GET", target, NULL);
            assert_true(json_array_size(rig->json) <= 1);
            assert_null(strstr(rig->head, "\r\nSet-Cookie"));
            assert_non_null(strstr(header(rig, "Link"), ">;rel=first,<"));
            if (json_array_size(rig->json) == 1)
                expect_text(rig, "0.", places[i].fields, odd[j].text);
        }
    }
    assert_true(kept > ODD);
    ask(rig, 200, "GET", "/api/v1/users/1", NULL);
    assert_string_equal(text_at(rig, "name"), "root");
}

/* A field's name goes into the Warning header, unless it cannot. */
static void names_of_fields_are_no_headers(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 200, "POST", "/api/v1/configs",
        "{\"name\":\"a\",\"value\":\"b\",\"x\\r\\nSet-Cookie: jwt=evil\":1}");
    assert_null(strstr(rig->head, "Set-Cookie"));
    ask_with(rig, 400, "GET", "/api/v1/configs", "Origin: http://x\001y\r\n", NULL);
    ask(rig, 400, "GET", "/api/v1/configs/1\r\nX: y", NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, rest_rig_tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(configs_live_and_die),          TEST(the_setting_gc_is_looked_at),
        TEST(lists_have_pages_and_filters),  TEST(unknown_fields_are_told),
        TEST(seed_peers_and_peers_are_kept), TEST(applications_have_priorities),
        TEST(texts_are_only_texts),          TEST(names_of_fields_are_no_headers),
    };
    store_rig_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
