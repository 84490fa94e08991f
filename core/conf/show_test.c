/* What `darter config show` prints: values, where they come from, and no secret. */
#include "core/conf/conf.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static const char text[] = "download: {stallTimeout: 90s, bandwidthLimit: 3MB}\n"
                           "proxy:\n"
                           "  server:\n"
                           "    basicAuth: {username: u, password: hidden-1}\n"
                           "  registryMirror: {addr: 'https://me:hidden-2@registry.test/v2@'}\n"
                           "  rules: [{regex: 'blobs/.*', useTLS: true}]\n"
                           "backend:\n"
                           "  requestHeader: {Authorization: hidden-3}\n"
                           "modules:\n"
                           "  options: {origin_s3: {accessKeySecret: hidden-4, region: here}}\n";

static char *show(bool json)
{
    struct dtr_conf *conf = NULL;
    struct dtr_error err = {0};
    char *printed = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&printed, &length);
    if (dtr_conf_parse(DTR_ROLE_DAEMON, "d.yaml", text, strlen(text), &conf, NULL, &err) != DTR_OK)
        fail_msg("refused: %s", err.text);
    assert_int_equal(dtr_conf_set(conf, "storage.dir", "/srv/pieces", &err), DTR_OK);
    assert_int_equal(dtr_conf_show(conf, "--config", json, out, &err), DTR_OK);
    (void)fclose(out);
    dtr_conf_free(conf);
    return printed;
}

/* The line that begins with `key` has the value and ends with the source. */
static void assert_row(const char *table, const char *key, const char *value, const char *source)
{
    char start[80], line[400];
    (void)snprintf(start, sizeof(start), "\n%s ", key);
    const char *at = strstr(table, start);
    if (!at)
        fail_msg("no row %s", key);
    (void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(at + 1, "\n"), at + 1);
    const char *word = line + strlen(key) + strspn(line + strlen(key), " ");
    if (strncmp(word, value, strlen(value)) != 0 || !strstr(line, source))
        fail_msg("%s: expected %s from %s in: %s", key, value, source, line);
}

static void people_see_values_and_places(void **state)
{
    (void)state;
    char *table = show(false);
    assert_int_equal(strncmp(table, "# daemon: d.yaml, named by --config\n", 36), 0);
    assert_row(table, "download.stallTimeout", "90s ", "d.yaml:1");
    assert_row(table, "download.bandwidthLimit", "3MB ", "d.yaml:1");
    assert_row(table, "storage.dir", "/srv/pieces ", "--set");
    assert_row(table, "gc.interval", "15m ", "default");
    assert_row(table, "proxy.server.basicAuth.username", "u ", "d.yaml:4");
    assert_row(table, "proxy.server.basicAuth.password", "(set, not shown) ", "d.yaml:4");
    assert_row(table, "proxy.registryMirror.addr", "https://(set, not shown)@registry.test/v2@ ", "d.yaml:5");
    assert_non_null(strstr(table, "\"regex\": \"blobs/.*\""));
    assert_non_null(strstr(table, "\"region\": \"here\""));
    assert_null(strstr(table, "hidden-"));
    free(table);
}

static const json_t *find(const json_t *root, const char *key)
{
    const json_t *keys = json_object_get(root, "keys");
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const json_t *entry = json_array_get(keys, i);
        if (strcmp(json_string_value(json_object_get(entry, "key")), key) == 0)
            return entry;
    }
    fail_msg("no key %s", key);
    return NULL;
}

static void scripts_get_numbers(void **state)
{
    (void)state;
    char *printed = show(true);
    json_t *root = json_loads(printed, 0, NULL);
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "role")), "daemon");
    assert_string_equal(json_string_value(json_object_get(root, "file")), "d.yaml");
    const json_t *stall = find(root, "download.stallTimeout"), *dir = find(root, "storage.dir");
    assert_int_equal(json_integer_value(json_object_get(stall, "value")), 90000);
    assert_string_equal(json_string_value(json_object_get(stall, "unit")), "ms");
    assert_string_equal(json_string_value(json_object_get(stall, "source")), "file");
    assert_int_equal(json_integer_value(json_object_get(stall, "line")), 1);
    assert_string_equal(json_string_value(json_object_get(dir, "source")), "--set");
    assert_null(json_object_get(dir, "line"));
    assert_null(strstr(printed, "hidden-"));
    json_decref(root);
    free(printed);
}

/* Every role's every row can be shown, with nothing set at all. */
static void every_role_can_be_shown(void **state)
{
    (void)state;
    for (int i = 0; i < DTR_ROLE_COUNT; i++) {
        struct dtr_conf *conf = NULL;
        struct dtr_error err = {0};
        char *printed = NULL;
        size_t length = 0;
        FILE *out = open_memstream(&printed, &length);
        assert_int_equal(dtr_conf_defaults((enum dtr_conf_role)i, &conf, &err), DTR_OK);
        assert_int_equal(dtr_conf_show(conf, NULL, false, out, &err), DTR_OK);
        assert_int_equal(dtr_conf_show(conf, NULL, true, out, &err), DTR_OK);
        (void)fclose(out);
        assert_non_null(strstr(printed, ": no file, defaults\n"));
        free(printed);
        dtr_conf_free(conf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(people_see_values_and_places),
                                       cmocka_unit_test(scripts_get_numbers),
                                       cmocka_unit_test(every_role_can_be_shown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
