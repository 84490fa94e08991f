/* A configuration that is read again: what it changes, what it leaves, and that none is kept for ever. */
#include "core/conf/change.h"

#include "core/base/str.h"
#include "core/conf/schema.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct dtr_conf *parse(enum dtr_conf_role role, const char *text)
{
    struct dtr_conf *conf = NULL;
    struct dtr_error err = {0};
    if (dtr_conf_parse(role, "file.yaml", text, strlen(text), &conf, NULL, &err) != DTR_OK)
        fail_msg("refused: %s", err.text);
    return conf;
}

static const char *const words[] = {
    [DTR_CHANGE_NOW] = "now", [DTR_CHANGE_RESTART] = "restart", [DTR_CHANGE_NEVER] = "never"};

static void write_down(void *context, enum dtr_conf_change kind, const char *text)
{
    dtr_str_printf(context, "%s: %s\n", words[kind], text);
}

/* What it says of a running `before` and a file `after`. */
static void assert_changes(enum dtr_conf_role role, const char *before, const char *after,
                           const char *expected)
{
    struct dtr_conf *charge = parse(role, before), *next = parse(role, after);
    struct dtr_str said = {0};
    dtr_conf_compare(charge, next, write_down, &said);
    assert_string_equal(dtr_str_text(&said), expected);
    dtr_str_free(&said);
    dtr_conf_free(charge);
    dtr_conf_free(next);
}

static void the_same_values_are_no_change(void **state)
{
    (void)state;
    assert_changes(DTR_ROLE_DAEMON, "", "", "");
    assert_changes(DTR_ROLE_DAEMON, "", "proxy: {prefetch: true, rules: [{regex: 'blobs/sha256.*'}]}", "");
    assert_changes(DTR_ROLE_DAEMON, "download: {stallTimeout: 60s}",
                   "# moved\n\ndownload:\n  stalltimeout: 1m", "");
    assert_changes(DTR_ROLE_DAEMON, "backend: {requestHeader: {A: b}}",
                   "backend:\n  requestHeader:\n    A: b", "");
    assert_changes(DTR_ROLE_DAEMON, "modules: {options: {storage_file: {keep: 'true'}}}",
                   "modules:\n  options:\n    storage_file: {keep: 'true'}", "");
}

static void each_kind_of_value_is_compared(void **state)
{
    (void)state;
    assert_changes(DTR_ROLE_DAEMON, "", "proxy: {prefetch: false}", "now: proxy.prefetch true -> false\n");
    assert_changes(DTR_ROLE_DAEMON, "", "download: {concurrentPieceCount: 9}",
                   "now: download.concurrentPieceCount 8 -> 9\n");
    assert_changes(DTR_ROLE_DAEMON, "", "upload: {bandwidthLimit: 10MB}",
                   "now: upload.bandwidthLimit 50GB -> 10MB\n");
    assert_changes(DTR_ROLE_DAEMON, "gc: {interval: 1m}", "", "now: gc.interval 1m -> 15m\n");
    assert_changes(DTR_ROLE_DAEMON, "", "host: {idc: here}", "now: host.idc - -> here\n");
    assert_changes(DTR_ROLE_DAEMON, "security: {outbound: {allow: [10.0.0.0/8]}}", "",
                   "now: security.outbound.allow [\"10.0.0.0/8\"] -> []\n");
    assert_changes(DTR_ROLE_DAEMON, "proxy: {rules: [{regex: a, filteredQueryParams: []}]}",
                   "proxy: {rules: [{regex: a}]}", "now: proxy.rules (the difference is not shown)\n");
    assert_changes(
        DTR_ROLE_DAEMON, "modules: {options: {storage_file: {a: b}}}",
        "modules: {options: {storage_file: {a: c}}}",
        "restart: modules.options {\"storage_file\": {\"a\": \"b\"}} -> {\"storage_file\": {\"a\": "
        "\"c\"}}\n");
}

static void what_waits_for_a_start_or_does_nothing_is_told_apart(void **state)
{
    (void)state;
    assert_changes(DTR_ROLE_SCHEDULER, "scheduler: {retryLimit: 5}\nserver: {port: 8002}\npprofPort: 1",
                   "scheduler: {retryLimit: 7}\nserver: {port: 9002}\npprofPort: 2",
                   "never: pprofPort 1 -> 2\nrestart: server.port 8002 -> 9002\n"
                   "now: scheduler.retryLimit 5 -> 7\n");
}

static void secrets_and_long_values_are_not_told(void **state)
{
    (void)state;
    assert_changes(DTR_ROLE_DAEMON, "backend: {requestHeader: {Authorization: one}}",
                   "backend: {requestHeader: {Authorization: two}}",
                   "now: backend.requestHeader (the difference is not shown)\n");
    assert_changes(DTR_ROLE_DAEMON, "proxy: {registryMirror: {addr: 'https://u:one@r.test'}}",
                   "proxy: {registryMirror: {addr: 'https://u:two@s.test'}}",
                   "now: proxy.registryMirror.addr https://(set, not shown)@r.test -> https://(set, not "
                   "shown)@s.test\n");
    char text[400], same[300];
    memset(same, 'x', sizeof(same) - 1);
    same[sizeof(same) - 1] = '\0';
    (void)snprintf(text, sizeof(text), "host: {idc: '%sy'}", same);
    char other[400];
    (void)snprintf(other, sizeof(other), "host: {idc: '%sz'}", same);
    assert_changes(DTR_ROLE_DAEMON, text, other, "now: host.idc (the difference is not shown)\n");
}

static void only_reloadable_keys_are_taken(void **state)
{
    (void)state;
    struct dtr_conf *charge = parse(DTR_ROLE_DAEMON, "host: {idc: one}\nstorage: {dir: /srv/one}");
    const struct dtr_daemon_config *config = dtr_conf_daemon(charge);
    const char *folder = config->storage.dir;
    struct dtr_conf *next =
        parse(DTR_ROLE_DAEMON, "\nhost: {idc: two}\nstorage: {dir: /srv/two}\nproxy: {rules: [{regex: x}]}");
    unsigned line;
    dtr_conf_take(charge, next);
    assert_ptr_equal(dtr_conf_daemon(charge), config);
    assert_string_equal(config->host.idc, "two");
    assert_string_equal(config->proxy.rules.items[0].regex, "x");
    assert_ptr_equal(config->storage.dir, folder);
    assert_string_equal(config->storage.dir, "/srv/one");
    assert_int_equal(dtr_conf_source(charge, "host.idc", &line), DTR_FROM_FILE);
    assert_int_equal(line, 2);
    /* What waits for a start is told again, what was taken is not. */
    struct dtr_str said = {0};
    next = parse(DTR_ROLE_DAEMON, "host: {idc: two}\nstorage: {dir: /srv/two}\nproxy: {rules: [{regex: x}]}");
    dtr_conf_compare(charge, next, write_down, &said);
    assert_string_equal(dtr_str_text(&said), "restart: storage.dir /srv/one -> /srv/two\n");
    dtr_str_free(&said);
    dtr_conf_take(charge, next);
    dtr_conf_take(charge, parse(DTR_ROLE_DAEMON, ""));
    assert_null(config->host.idc);
    assert_string_equal(config->proxy.rules.items[0].regex, "blobs/sha256.*");
    dtr_conf_free(charge);
}

/* A row that says so and does nothing would be a lie; what the roles do with the others: the tests of the
 * roles. */
static void keys_without_effect_and_of_other_roles_are_not_reloadable(void **state)
{
    (void)state;
    for (int role = 0; role < DTR_ROLE_COUNT; role++) {
        const struct dtr_conf_schema *schema = dtr_conf_schema((enum dtr_conf_role)role);
        bool runs = role == DTR_ROLE_DAEMON || role == DTR_ROLE_SCHEDULER || role == DTR_ROLE_MANAGER;
        for (size_t i = 0; i < schema->count; i++) {
            const struct dtr_conf_row *row = &schema->rows[i];
            bool effect = row->effect == DTR_EFFECT_YES || row->effect == DTR_EFFECT_PARTLY;
            if (row->reloadable && !(runs && effect))
                fail_msg("%s is not to be marked reloadable", row->key);
        }
    }
}

/* Bytes that the process holds; AddressSanitizer's own count where it keeps the heap. */
extern size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t held(void)
{
    return __sanitizer_get_current_allocated_bytes ? __sanitizer_get_current_allocated_bytes()
                                                   : mallinfo2().uordblks;
}

static void a_thousand_of_them_take_no_more_memory_than_one(void **state)
{
    (void)state;
    struct dtr_conf *charge = parse(DTR_ROLE_DAEMON, "");
    size_t after_two = 0;
    for (int i = 0; i < 1000; i++) {
        char text[100];
        (void)snprintf(text, sizeof(text), "host: {idc: place-%04d}\nproxy: {rules: [{regex: a%04d}]}", i, i);
        dtr_conf_take(charge, parse(DTR_ROLE_DAEMON, text));
        if (i == 1)
            after_two = held();
    }
    assert_string_equal(dtr_conf_daemon(charge)->host.idc, "place-0999");
    assert_true(held() <= after_two + 4096);
    dtr_conf_free(charge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_values_are_no_change),
        cmocka_unit_test(each_kind_of_value_is_compared),
        cmocka_unit_test(what_waits_for_a_start_or_does_nothing_is_told_apart),
        cmocka_unit_test(secrets_and_long_values_are_not_told),
        cmocka_unit_test(only_reloadable_keys_are_taken),
        cmocka_unit_test(keys_without_effect_and_of_other_roles_are_not_reloadable),
        cmocka_unit_test(a_thousand_of_them_take_no_more_memory_than_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
