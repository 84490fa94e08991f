/* Loading: defaults, values, what is refused and how it is said. */
#include "core/conf/conf.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct dtr_conf *parse(enum dtr_conf_role role, const char *text, struct dtr_conf_report *report)
{
    struct dtr_conf *conf = NULL;
    struct dtr_error err = {0};
    if (dtr_conf_parse(role, "file.yaml", text, strlen(text), &conf, report, &err) != DTR_OK)
        fail_msg("refused: %s", err.text);
    return conf;
}

/* The text is refused and the first error is exactly this. */
static void assert_refused(enum dtr_conf_role role, const char *text, const char *expected)
{
    struct dtr_conf *conf = NULL;
    struct dtr_error err = {0};
    assert_int_equal(dtr_conf_parse(role, "f.yaml", text, strlen(text), &conf, NULL, &err), DTR_EINVALID);
    assert_null(conf);
    assert_string_equal(err.text, expected);
}

static void assert_warns(const char *text, const char *expected)
{
    struct dtr_conf_report report = {0};
    dtr_conf_free(parse(DTR_ROLE_DAEMON, text, &report));
    assert_int_equal(report.counts[DTR_CONF_WARNING], 1);
    assert_int_equal(report.list[0].severity, DTR_CONF_WARNING);
    char line[1200];
    (void)snprintf(line, sizeof(line), "%u: %s", report.list[0].line, report.list[0].text);
    assert_string_equal(line, expected);
    dtr_conf_report_free(&report);
}

static void daemon_defaults_are_the_documented_ones(void **state)
{
    (void)state;
    struct dtr_conf *conf;
    assert_int_equal(dtr_conf_defaults(DTR_ROLE_DAEMON, &conf, NULL), DTR_OK);
    const struct dtr_daemon_config *c = dtr_conf_daemon(conf);
    assert_null(dtr_conf_scheduler(conf));
    assert_string_equal(c->download.server.socket_path, "/var/run/dragonfly/dfdaemon.sock");
    assert_int_equal(c->download.stall_timeout_ms, 5000);
    assert_int_equal(c->download.p2p_threshold, 4 << 20);
    assert_int_equal(c->download.bandwidth_limit, 50000000000);
    assert_int_equal(c->upload.server.listen.port, 4000);
    assert_int_equal(c->proxy.server.listen.port, 4001);
    assert_int_equal(c->metrics.port, 4002);
    assert_int_equal(c->health.port, 4003);
    assert_int_equal(c->storage.server.tcp_port, 4005);
    assert_true(c->storage.keep);
    assert_true(c->proxy.prefetch);
    assert_true(c->proxy.registry_mirror.enable_task_id_based_blob_digest);
    assert_int_equal(c->proxy.rules.count, 1);
    assert_string_equal(c->proxy.rules.items[0].regex, "blobs/sha256.*");
    assert_null(c->proxy.rules.items[0].filtered_query_params.items);
    assert_null(c->host.hostname);
    assert_string_equal(c->modules.storage, "file");
    assert_string_equal(c->modules.transport.items[0], "vortex");
    assert_int_equal(c->gc.policy.task_ttl_ms, (uint64_t)30 * 86400 * 1000);
    assert_int_equal(dtr_conf_source(conf, "storage.keep", NULL), DTR_FROM_DEFAULT);
    dtr_conf_free(conf);
}

static void scheduler_defaults_are_the_documented_ones(void **state)
{
    (void)state;
    struct dtr_conf *conf;
    assert_int_equal(dtr_conf_defaults(DTR_ROLE_SCHEDULER, &conf, NULL), DTR_OK);
    const struct dtr_scheduler_config *c = dtr_conf_scheduler(conf);
    assert_int_equal(c->server.port, 8002);
    assert_int_equal(c->scheduler.back_to_source_count, 200);
    assert_int_equal(c->scheduler.retry_back_to_source_limit, 4);
    assert_int_equal(c->scheduler.retry_limit, 5);
    assert_int_equal(c->scheduler.retry_interval_ms, 500);
    assert_int_equal(c->scheduler.gc.peer_gc_interval_ms, 10000);
    assert_int_equal(c->scheduler.gc.host_ttl_ms, 3600000);
    assert_false(c->metrics.enable);
    assert_string_equal(c->metrics.addr, ":8000");
    dtr_conf_free(conf);
    assert_int_equal(dtr_conf_defaults(DTR_ROLE_DYNCONFIG, &conf, NULL), DTR_OK);
    assert_int_equal(dtr_conf_dynconfig(conf)->candidate_parent_limit, 3);
    assert_int_equal(dtr_conf_dynconfig(conf)->filter_parent_limit, 15);
    dtr_conf_free(conf);
}

static void values_replace_defaults_and_know_their_line(void **state)
{
    (void)state;
    unsigned line = 0;
    struct dtr_conf *conf = parse(DTR_ROLE_DAEMON,
                                  "STORAGE:\n"
                                  "  Keep: false\n"
                                  "proxy:\n"
                                  "  rules: []\n"
                                  "download: {P2PTHRESHOLD: 1KiB}\n"
                                  "modules:\n"
                                  "  options:\n"
                                  "    storage_file: {window: 8MiB, sync: ~}\n"
                                  "    other:\n",
                                  NULL);
    const struct dtr_daemon_config *c = dtr_conf_daemon(conf);
    assert_false(c->storage.keep);
    assert_int_equal(c->proxy.rules.count, 0);
    assert_int_equal(c->download.p2p_threshold, 1024);
    assert_int_equal(c->modules.options.count, 2);
    assert_string_equal(c->modules.options.items[0].name, "storage_file");
    assert_string_equal(c->modules.options.items[0].options.items[0].name, "window");
    assert_string_equal(c->modules.options.items[0].options.items[0].value, "8MiB");
    assert_int_equal(c->modules.options.items[0].options.items[0].line, 8);
    assert_int_equal(c->modules.options.items[1].options.count, 0);
    assert_int_equal(dtr_conf_source(conf, "storage.keep", &line), DTR_FROM_FILE);
    assert_int_equal(line, 2);
    assert_int_equal(dtr_conf_source(conf, "storage.dir", &line), DTR_FROM_DEFAULT);
    assert_int_equal(line, 0);
    dtr_conf_free(conf);
}

static void nothing_written_means_the_default(void **state)
{
    (void)state;
    struct dtr_conf *conf = parse(
        DTR_ROLE_DAEMON, "proxy:\n  rules:\n  registryMirror: {addr: ''}\nserver:\nhost: {ip: ~}\n", NULL);
    const struct dtr_daemon_config *c = dtr_conf_daemon(conf);
    assert_int_equal(c->proxy.rules.count, 1);
    assert_string_equal(c->proxy.registry_mirror.addr, "https://index.docker.io");
    assert_null(c->host.ip);
    dtr_conf_free(conf);
    dtr_conf_free(parse(DTR_ROLE_DAEMON, "", NULL));
    dtr_conf_free(parse(DTR_ROLE_DAEMON, "# only a comment\n", NULL));
}

static void older_spellings_work(void **state)
{
    (void)state;
    struct dtr_conf_report report = {0};
    struct dtr_conf *conf = parse(DTR_ROLE_DAEMON,
                                  "manager:\n  addrs: [http://a:1, http://b:2]\n"
                                  "gc: {policy: {distHighThresholdPercent: 90}}\n",
                                  &report);
    assert_int_equal(dtr_conf_daemon(conf)->manager.addrs.count, 2);
    assert_string_equal(dtr_conf_daemon(conf)->manager.addrs.items[1], "http://b:2");
    assert_int_equal(dtr_conf_daemon(conf)->gc.policy.disk_high_threshold_percent, 90);
    assert_int_equal(report.counts[DTR_CONF_WARNING], 0);
    dtr_conf_report_free(&report);
    dtr_conf_free(conf);
    assert_refused(
        DTR_ROLE_DAEMON, "gc:\n  policy:\n    diskThreshold: 1\n    distThreshold: 2\n",
        "f.yaml:4: gc.policy.distThreshold is another spelling of gc.policy.diskThreshold, which line 3 "
        "gave already");
}

/* One text or a list, either spelling, in both roles. */
static void a_manager_may_be_one_or_several(void **state)
{
    (void)state;
    static const char *const texts[] = {"manager: {addr: 'http://m:65003'}", "manager: {addr: 'm:65003'}",
                                        "manager: {addrs: ['http://m:65003']}", "manager: {addrs: 'm:65003'}",
                                        "manager: {addr: [m]}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct dtr_conf *daemon = parse(DTR_ROLE_DAEMON, texts[i], NULL);
        struct dtr_conf *scheduler = parse(DTR_ROLE_SCHEDULER, texts[i], NULL);
        assert_int_equal(dtr_conf_daemon(daemon)->manager.addrs.count, 1);
        assert_non_null(strchr(dtr_conf_daemon(daemon)->manager.addrs.items[0], 'm'));
        assert_int_equal(dtr_conf_scheduler(scheduler)->manager.addrs.count, 1);
        dtr_conf_free(daemon);
        dtr_conf_free(scheduler);
    }
}

static void unknown_keys_name_their_neighbour(void **state)
{
    (void)state;
    assert_warns("storage:\n  kep: true\n", "2: storage.kep is not a known key; did you mean storage.keep?");
    assert_warns("donwload:\n  x: 1\n", "1: donwload is not a known key; did you mean download?");
    assert_warns("\nsocketPath: /x\n",
                 "2: socketPath is not a known key; did you mean download.server.socketPath?");
    assert_warns("zzzzzzzz: 1\n", "1: zzzzzzzz is not a known key");
    assert_warns("proxy: {rules: [{regex: a, usetsl: 1}]}\n",
                 "1: proxy.rules[0].usetsl is not a known key; did you mean proxy.rules[0].useTLS?");
    assert_warns("storage.keep: true\n", "1: storage.keep is not a known key; did you mean storage.keep?");
}

static void bad_values_say_where_what_and_what_is_allowed(void **state)
{
    (void)state;
    assert_refused(DTR_ROLE_DAEMON, "\ndownload:\n  protocol: udp\n",
                   "f.yaml:3: download.protocol is \"udp\"; allowed are tcp|quic");
    assert_refused(DTR_ROLE_DAEMON, "upload: {server: {port: 70000}}",
                   "f.yaml:1: upload.server.port is \"70000\"; allowed is 0 to 65535");
    assert_refused(DTR_ROLE_DAEMON, "gc:\n  interval: 5\n",
                   "f.yaml:2: gc.interval is \"5\"; needed is a duration such as 5m, 500ms or 1h30m");
    assert_refused(DTR_ROLE_DAEMON, "download: {stallTimeout: 1ms}",
                   "f.yaml:1: download.stallTimeout is \"1ms\"; at least 100ms is allowed");
    assert_refused(DTR_ROLE_DAEMON, "storage: {keep: maybe}",
                   "f.yaml:1: storage.keep is \"maybe\"; needed is true or false");
    assert_refused(DTR_ROLE_DAEMON, "storage: {cacheCapacity: much}",
                   "f.yaml:1: storage.cacheCapacity is \"much\"; needed is a size such as 4MiB or 50GB");
    assert_refused(DTR_ROLE_DAEMON, "storage: {dir: [a]}",
                   "f.yaml:1: storage.dir is a list; needed is a text");
    assert_refused(DTR_ROLE_DAEMON, "storage: {dir: var}",
                   "f.yaml:1: storage.dir is \"var\"; not a path from the root");
    assert_refused(DTR_ROLE_DAEMON, "host: node\n", "f.yaml:1: host is \"node\"; needed is a map of keys");
    assert_refused(DTR_ROLE_DAEMON, "modules: {transport: vortex}",
                   "f.yaml:1: modules.transport is \"vortex\"; needed is a list of texts");
    assert_refused(DTR_ROLE_DAEMON, "security:\n outbound:\n  allow:\n   - 10.0.0.0/8\n   - home\n",
                   "f.yaml:5: security.outbound.allow is \"home\"; not a network such as 10.0.0.0/8");
    assert_refused(DTR_ROLE_DAEMON, "backend: {requestHeader: {a: [b]}}",
                   "f.yaml:1: backend.requestHeader is a list; a must be a text");
    assert_refused(DTR_ROLE_SCHEDULER, "manager:\n  addr: tcp://m:65003\n",
                   "f.yaml:2: manager.addr is \"tcp://m:65003\"; not an address by http or https; needed is "
                   "http://host:65003, or host:65003");
    assert_refused(DTR_ROLE_DAEMON, "manager:\n  addrs:\n    - m:1\n    - m:x\n",
                   "f.yaml:4: manager.addr is \"m:x\"; the port is not in 1..65535; needed is "
                   "http://host:65003, or host:65003");
}

static void rules_are_checked_one_by_one(void **state)
{
    (void)state;
    assert_refused(DTR_ROLE_DAEMON, "proxy:\n  rules:\n    - regex: ok\n    - useTLS: true\n",
                   "f.yaml:4: proxy.rules[1].regex is missing");
    assert_refused(
        DTR_ROLE_DAEMON, "proxy: {rules: [{regex: '['}, 7]}",
        "f.yaml:1: proxy.rules[0].regex is \"[\"; not a regular expression (PCRE2): missing terminating ] "
        "for character class at character 1 (and 1 more)");
    struct dtr_conf *conf = parse(
        DTR_ROLE_DAEMON, "proxy: {rules: [{regex: a, redirect: 'h:1', filteredQueryParams: []}]}", NULL);
    const struct dtr_conf_proxy_rule *rule = dtr_conf_daemon(conf)->proxy.rules.items;
    assert_string_equal(rule->redirect, "h:1");
    assert_non_null(rule->filtered_query_params.items);
    assert_int_equal(rule->filtered_query_params.count, 0);
    dtr_conf_free(conf);
    conf = parse(DTR_ROLE_DYNCONFIG,
                 "applications: [{name: a, priority: {value: 3, urls: [{regex: x, value: 5}]}}]", NULL);
    assert_int_equal(dtr_conf_dynconfig(conf)->applications.items[0].priority, 3);
    assert_int_equal(dtr_conf_dynconfig(conf)->applications.items[0].urls.items[0].value, 5);
    dtr_conf_free(conf);
}

static void keys_across_are_compared(void **state)
{
    (void)state;
    assert_refused(DTR_ROLE_DAEMON, "gc:\n policy:\n  diskLowThresholdPercent: 85\n",
                   "f.yaml:3: gc.policy.diskLowThresholdPercent is 85; it must be below "
                   "gc.policy.diskHighThresholdPercent, which is 80");
    assert_refused(DTR_ROLE_DAEMON, "proxy:\n server:\n  caCert: /x\n",
                   "f.yaml:3: proxy.server.caCert needs proxy.server.caCert and proxy.server.caKey together");
    assert_refused(DTR_ROLE_INIT, "containerRuntime: {containerd: {}, docker: {}}",
                   "f.yaml: containerRuntime names several runtimes; one is allowed");
}

static void secrets_stay_untold(void **state)
{
    (void)state;
    struct dtr_conf *conf;
    struct dtr_error err;
    const char *text = "proxy: {server: {basicAuth: {username: u, password: [hunter2]}}}\n"
                       "backend: {requestHeader: hunter2}\n";
    assert_int_equal(dtr_conf_parse(DTR_ROLE_DAEMON, "f", text, strlen(text), &conf, NULL, &err),
                     DTR_EINVALID);
    assert_null(strstr(err.text, "hunter2"));
    assert_refused(DTR_ROLE_DAEMON, "backend: {requestHeader: hunter2}\n",
                   "f.yaml:1: backend.requestHeader is a text that is not shown; needed is a map of texts");
}

static void odd_yaml_is_refused(void **state)
{
    (void)state;
    assert_refused(DTR_ROLE_DAEMON, "storage:\n  keep: true\n  KEEP: false\n",
                   "f.yaml:3: key KEEP is given twice, first on line 2 (keys match in any case)");
    assert_refused(DTR_ROLE_DAEMON, "a: &x 1\nb: *x\n", "f.yaml:2: aliases (*name) are not supported");
    assert_refused(DTR_ROLE_DAEMON, "a: 1\n---\nb: 1\n",
                   "f.yaml:3: a second document: a configuration is one");
    assert_refused(DTR_ROLE_DAEMON, "- a\n", "f.yaml:1: a configuration is a map of keys and values");
    assert_refused(DTR_ROLE_DAEMON, "? [a]\n: b\n", "f.yaml:1: a key must be a plain text");
    assert_refused(DTR_ROLE_DAEMON, "a: \"\\0\"\n", "f.yaml:1: a text with a NUL character in it");
    struct dtr_conf *conf;
    struct dtr_error err;
    const char *broken = "a: [1\nb: 2\n";
    assert_int_equal(dtr_conf_parse(DTR_ROLE_DAEMON, "f", broken, strlen(broken), &conf, NULL, &err),
                     DTR_EINVALID);
    assert_non_null(strstr(err.text, "f:2: not YAML: "));
}

static void limits_hold(void **state)
{
    (void)state;
    struct dtr_conf *conf;
    struct dtr_error err;
    size_t size = (1 << 20) + 1;
    char *big = malloc(size);
    memset(big, '#', size);
    assert_int_equal(dtr_conf_parse(DTR_ROLE_DAEMON, "f", big, size, &conf, NULL, &err), DTR_EINVALID);
    assert_string_equal(err.text, "f: larger than 1048576 bytes");
    memset(big, '[', 100);
    assert_int_equal(dtr_conf_parse(DTR_ROLE_DAEMON, "f", big, 100, &conf, NULL, &err), DTR_EINVALID);
    assert_non_null(strstr(err.text, "nested too deeply"));
    size_t length = 0;
    for (int i = 0; i < 1001; i++)
        length += (size_t)sprintf(big + length, "k%d: 1\n", i);
    assert_int_equal(dtr_conf_parse(DTR_ROLE_DAEMON, "f", big, length, &conf, NULL, &err), DTR_EINVALID);
    assert_string_equal(err.text, "f:1001: too many keys in one section");
    length = (size_t)sprintf(big, "a: [");
    for (int i = 0; i < 20001; i++)
        length += (size_t)sprintf(big + length, "1,");
    assert_int_equal(dtr_conf_parse(DTR_ROLE_DAEMON, "f", big, length, &conf, NULL, &err), DTR_EINVALID);
    assert_non_null(strstr(err.text, "too many values"));
    struct dtr_conf_report report = {0};
    length = 0;
    for (int i = 0; i < 500; i++)
        length += (size_t)sprintf(big + length, "k%d: 1\n", i);
    assert_int_equal(dtr_conf_parse(DTR_ROLE_DAEMON, "f", big, length, &conf, &report, &err), DTR_OK);
    assert_int_equal(report.count, DTR_CONF_FINDINGS);
    assert_int_equal(report.counts[DTR_CONF_WARNING], 500);
    dtr_conf_report_free(&report);
    dtr_conf_free(conf);
    free(big);
}

static void command_line_comes_last(void **state)
{
    (void)state;
    struct dtr_error err;
    struct dtr_conf *conf = parse(DTR_ROLE_DAEMON, "storage: {keep: false}\n", NULL);
    const struct dtr_daemon_config *c = dtr_conf_daemon(conf);
    assert_int_equal(dtr_conf_set(conf, "storage.KEEP", "true", &err), DTR_OK);
    assert_true(c->storage.keep);
    assert_int_equal(dtr_conf_source(conf, "storage.keep", NULL), DTR_FROM_COMMAND_LINE);
    assert_int_equal(dtr_conf_set(conf, "proxy.rules", "[{regex: a}, {regex: b}]", &err), DTR_OK);
    assert_int_equal(c->proxy.rules.count, 2);
    assert_int_equal(dtr_conf_set(conf, "proxy.rules", "[{regex: '('}]", &err), DTR_EINVALID);
    assert_int_equal(c->proxy.rules.count, 2);
    assert_int_equal(dtr_conf_set(conf, "gc.policy.diskHighThresholdPercent", "10", &err), DTR_EINVALID);
    assert_non_null(strstr(err.text, "command line: gc.policy.diskLowThresholdPercent is 60"));
    assert_int_equal(c->gc.policy.disk_high_threshold_percent, 80);
    assert_int_equal(dtr_conf_source(conf, "gc.policy.diskHighThresholdPercent", NULL), DTR_FROM_DEFAULT);
    assert_int_equal(dtr_conf_set(conf, "download.protocl", "tcp", &err), DTR_EINVALID);
    assert_string_equal(err.text, "download.protocl is not a known key; did you mean download.protocol?");
    assert_int_equal(dtr_conf_set(conf, "upload.server.port", "x", &err), DTR_EINVALID);
    assert_string_equal(err.text, "command line: upload.server.port is \"x\"; needed is a whole number");
    dtr_conf_free(conf);
}

static void headers_for_origins_are_headers(void **state)
{
    (void)state;
    const char *bad[] = {"backend: {requestHeader: {'X Y': a}}",
                         "backend: {requestHeader: {X: \"a\\nB: c\"}}",
                         "backend: {requestHeader: {'X:': a}}"};
    struct dtr_conf *conf;
    struct dtr_error err = {0};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(dtr_conf_parse(DTR_ROLE_DAEMON, "f", bad[i], strlen(bad[i]), &conf, NULL, &err),
                         DTR_EINVALID);
        assert_non_null(strstr(err.text, "f:1: backend.requestHeader "));
    }
    const char *good = "backend: {requestHeader: {X-Y: 'a b'}}";
    assert_int_equal(dtr_conf_parse(DTR_ROLE_DAEMON, "f", good, strlen(good), &conf, NULL, &err), DTR_OK);
    dtr_conf_free(conf);
}

static void complain_of_all(struct dtr_conf *conf)
{
    struct dtr_error err = {.text = "proxy.rules[1].redirect is none"};
    dtr_conf_complain(conf, "storage.dir", "is %s", "full");
    dtr_conf_complain(conf, "storage.keep", "is bold");
    dtr_conf_blame(conf, &err);
    dtr_conf_remark(conf, DTR_CONF_WARNING, 7, "line %d", 7);
}

/* Who judges a configuration that is complete names the lines of its file, unless the file is not to blame.
 */
static void judges_name_the_lines(void **state)
{
    (void)state;
    struct dtr_error err;
    struct dtr_conf_report report = {0};
    struct dtr_conf *conf =
        parse(DTR_ROLE_DAEMON, "storage:\n  dir: /x\nproxy:\n  rules: [{regex: a}]\n", NULL);
    assert_int_equal(dtr_conf_set(conf, "storage.keep", "false", &err), DTR_OK);
    assert_int_equal(dtr_conf_judge(conf, complain_of_all, &report, &err), DTR_EINVALID);
    assert_string_equal(err.text, "file.yaml:2: storage.dir is full (and 2 more)");
    assert_int_equal(report.counts[DTR_CONF_ERROR], 3);
    assert_int_equal(report.list[1].line, 0);
    assert_string_equal(report.list[1].text, "storage.keep is bold (from the command line)");
    assert_int_equal(report.list[2].line, 4);
    assert_string_equal(report.list[2].text, "proxy.rules[1].redirect is none");
    assert_int_equal(report.list[3].line, 7);
    assert_int_equal(report.list[3].severity, DTR_CONF_WARNING);
    dtr_conf_report_drop(&report, DTR_CONF_ERROR);
    assert_int_equal(report.count, 1);
    assert_int_equal(report.counts[DTR_CONF_ERROR], 0);
    assert_string_equal(report.list[0].text, "line 7");
    dtr_conf_report_free(&report);
    assert_int_equal(dtr_conf_judge(conf, complain_of_all, NULL, &err), DTR_EINVALID);
    dtr_conf_free(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(daemon_defaults_are_the_documented_ones),
        cmocka_unit_test(scheduler_defaults_are_the_documented_ones),
        cmocka_unit_test(values_replace_defaults_and_know_their_line),
        cmocka_unit_test(nothing_written_means_the_default),
        cmocka_unit_test(older_spellings_work),
        cmocka_unit_test(a_manager_may_be_one_or_several),
        cmocka_unit_test(unknown_keys_name_their_neighbour),
        cmocka_unit_test(bad_values_say_where_what_and_what_is_allowed),
        cmocka_unit_test(rules_are_checked_one_by_one),
        cmocka_unit_test(keys_across_are_compared),
        cmocka_unit_test(headers_for_origins_are_headers),
        cmocka_unit_test(secrets_stay_untold),
        cmocka_unit_test(odd_yaml_is_refused),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(command_line_comes_last),
        cmocka_unit_test(judges_name_the_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
