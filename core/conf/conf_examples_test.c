/* Whole files, the check command, and the printed list of keys. Runs in the source folder. */
#include "core/conf/internal.h"

#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define EXAMPLES "tests/fuzz/corpus/conf_fuzz/"

static struct dtr_conf *load(enum dtr_conf_role role, const char *path)
{
    struct dtr_conf *conf;
    struct dtr_conf_report report = {0};
    struct dtr_error err = {0};
    if (dtr_conf_load(role, path, &conf, &report, &err) != DTR_OK)
        fail_msg("%s", err.text);
    if (report.counts[DTR_CONF_WARNING])
        dtr_conf_report_print(&report, stderr);
    assert_int_equal(report.counts[DTR_CONF_WARNING], 0);
    dtr_conf_report_free(&report);
    return conf;
}

/* The file names every key of its role, so no row is left untried. */
static void load_every_key(enum dtr_conf_role role, const char *path)
{
    struct dtr_conf *conf = load(role, path);
    const struct dtr_conf_schema *schema = dtr_conf_schema(role);
    for (size_t i = 0; i < schema->count; i++)
        if (conf->sources[i] != DTR_FROM_FILE)
            fail_msg("%s lacks %s", path, schema->rows[i].key);
    dtr_conf_free(conf);
}

static void every_key_loads(void **state)
{
    (void)state;
    load_every_key(DTR_ROLE_DAEMON, EXAMPLES "dfdaemon-every-key.yaml");
    load_every_key(DTR_ROLE_SCHEDULER, EXAMPLES "scheduler-every-key.yaml");
    load_every_key(DTR_ROLE_DYNCONFIG, EXAMPLES "dynconfig-every-key.yaml");
}

static void charts_and_older_files_load(void **state)
{
    (void)state;
    struct dtr_conf *conf = load(DTR_ROLE_DAEMON, EXAMPLES "dfdaemon-chart.yaml");
    const struct dtr_daemon_config *daemon = dtr_conf_daemon(conf);
    assert_string_equal(daemon->manager.addrs.items[0],
                        "http://dragonfly-manager.cluster-a.svc.cluster.local:65003");
    assert_string_equal(daemon->host.idc, "cluster-2");
    assert_int_equal(daemon->download.server.request_buffer_size, 50);
    assert_int_equal(daemon->gc.policy.disk_low_threshold_percent, 70);
    assert_int_equal(daemon->seed_peer.cluster_id, 2);
    assert_int_equal(daemon->proxy.rules.count, 1);
    dtr_conf_free(conf);

    conf = load(DTR_ROLE_SCHEDULER, EXAMPLES "scheduler-older.yaml");
    const struct dtr_scheduler_config *scheduler = dtr_conf_scheduler(conf);
    assert_string_equal(scheduler->redis.addrs.items[0], "dragonfly-redis-master:6379");
    assert_string_equal(scheduler->redis.password, "dragonfly");
    assert_int_equal(scheduler->dynconfig.refresh_interval_ms, 10000);
    dtr_conf_free(conf);

    conf = load(DTR_ROLE_MANAGER, EXAMPLES "manager-chart.yaml");
    const struct dtr_manager_config *manager = dtr_conf_manager(conf);
    assert_int_equal(manager->server.grpc.port, 65004);
    assert_string_equal(manager->database.mysql.dbname, "manager");
    assert_int_equal(manager->database.redis.addrs.count, 1);
    assert_null(manager->database.redis.master_name);
    assert_int_equal(manager->cache.local_size, 30000);
    dtr_conf_free(conf);

    conf = load(DTR_ROLE_INIT, EXAMPLES "dfinit-every-key.yaml");
    const struct dtr_init_config *init = dtr_conf_init(conf);
    assert_true(init->containerd.given && !init->docker.given && !init->podman.given);
    assert_false(init->containerd.proxy_all_registries);
    assert_int_equal(init->containerd.registries.count, 2);
    assert_string_equal(init->containerd.registries.items[0].server_addr, "https://index.docker.io");
    assert_string_equal(init->containerd.registries.items[1].capabilities.items[1], "resolve");
    dtr_conf_free(conf);

    conf = load(DTR_ROLE_INIT, EXAMPLES "dfinit-podman.yaml");
    assert_true(dtr_conf_init(conf)->podman.given);
    assert_string_equal(dtr_conf_init(conf)->podman.registries.items[0].prefix, "docker.io");
    dtr_conf_free(conf);
}

static void every_default_is_a_value_of_its_key(void **state)
{
    (void)state;
    for (int role = 0; role < DTR_ROLE_COUNT; role++) {
        struct dtr_conf *conf;
        struct dtr_error err = {0};
        assert_int_equal(dtr_conf_defaults((enum dtr_conf_role)role, &conf, &err), DTR_OK);
        const struct dtr_conf_schema *schema = dtr_conf_schema((enum dtr_conf_role)role);
        for (size_t i = 0; i < schema->count; i++) {
            const struct dtr_conf_row *row = &schema->rows[i];
            if (row->initial && dtr_conf_set(conf, row->key, row->initial, &err) != DTR_OK)
                fail_msg("%s", err.text);
            assert_ptr_equal(dtr_conf_find_row(schema, row->key), row);
            assert_non_null(row->help);
            assert_int_equal(row->effect != DTR_EFFECT_YES, row->why != NULL);
        }
        dtr_conf_free(conf);
    }
}

/* --- check and describe --------------------------------------------------------------------------------- */

static char *printed;
static size_t printed_size;

static int check(const char *role, const char *path)
{
    free(printed);
    printed = NULL;
    FILE *out = open_memstream(&printed, &printed_size);
    int code = dtr_conf_check(role, path, NULL, out);
    (void)fclose(out);
    return code;
}

static void assert_printed(const char *text)
{
    if (!strstr(printed, text))
        fail_msg("not printed: %s\nbut:\n%s", text, printed);
}

static char path[] = "/tmp/dtr-conf-test-XXXXXX";

static void write_file(const char *text)
{
    memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
}

static void check_tells_the_role_and_all_findings(void **state)
{
    (void)state;
    char line[200];
    write_file("download: {}\nmodules:\n  transport: [vortex]\nstorage: {kep: 1}\n");
    assert_int_equal(check(NULL, path), DTR_OK);
    (void)snprintf(line, sizeof(line), "%s:3: note: modules.transport has only a part of its effect: ", path);
    assert_printed(line);
    (void)snprintf(line, sizeof(line), "%s:4: warning: storage.kep is not a known key", path);
    assert_printed(line);
    assert_printed("good as configuration of daemon: 0 errors, 1 warnings, 1 keys without full effect");
    assert_int_equal(check("scheduler", path), DTR_OK);
    assert_printed("as configuration of scheduler");
    assert_int_equal(check("nobody", path), DTR_EINVALID);
    assert_printed("nobody is not a role");
    (void)unlink(path);
    write_file("containerRuntime: {containerd: {proxyAllRegistries: 3}}\n");
    assert_int_equal(check(NULL, path), DTR_EINVALID);
    assert_printed(
        ":1: error: containerRuntime.containerd.proxyAllRegistries is \"3\"; needed is true or false");
    assert_printed("refused as configuration of init: 1 errors");
    (void)unlink(path);
    write_file("metrics: {}\n");
    assert_int_equal(check(NULL, path), DTR_EINVALID);
    assert_printed("say it with --role");
    (void)unlink(path);
    assert_int_equal(check(NULL, EXAMPLES "scheduler-every-key.yaml"), DTR_OK);
    assert_printed("as configuration of scheduler");
    assert_int_equal(check(NULL, "/nonexistent/dfdaemon.yaml"), DTR_ENOT_FOUND);
    assert_printed("/nonexistent/dfdaemon.yaml cannot be opened");
    free(printed);
    printed = NULL;
}

static void describe_lists_every_key(void **state)
{
    (void)state;
    for (int role = 0; role < DTR_ROLE_COUNT; role++) {
        free(printed);
        FILE *out = open_memstream(&printed, &printed_size);
        dtr_conf_describe((enum dtr_conf_role)role, out);
        (void)fclose(out);
        const struct dtr_conf_schema *schema = dtr_conf_schema((enum dtr_conf_role)role);
        for (size_t i = 0; i < schema->count; i++)
            assert_printed(schema->rows[i].key);
        if (role == DTR_ROLE_DAEMON) {
            assert_printed("download.stallTimeout\n    duration, at least 100ms; default 5s; not in "
                           "Dragonfly\n");
            assert_printed("proxy.rules[].regex\n    text; required\n");
            assert_printed("download.protocol\n    tcp|quic; default tcp\n");
        }
    }
    free(printed);
    printed = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_loads),
        cmocka_unit_test(charts_and_older_files_load),
        cmocka_unit_test(every_default_is_a_value_of_its_key),
        cmocka_unit_test(check_tells_the_role_and_all_findings),
        cmocka_unit_test(describe_lists_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
