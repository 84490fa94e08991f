/* The editors on texts and the module on a temporary folder. */
#include "containerd.h"
#include "toml.h"

#include <darter/runtime.h>
#include <darter/testhost.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define V2 "plugins.\"io.containerd.grpc.v1.cri\".registry"

static void check_config(const char *old_text, const char *expected)
{
    struct config_edit edit;
    struct dtr_error err = {0};
    if (config_edit_text("config.toml", old_text, "/certs", &edit, &err))
        fail_msg("%s", err.text);
    assert_non_null(edit.text);
    assert_string_equal(edit.text, expected);
    assert_string_equal(edit.folder, "/certs");
    free(edit.text);
}

static void test_config_fresh(void **state)
{
    const char *fresh = "version = 2\n\n[" V2 "]\n  config_path = \"/certs\"\n";
    char commented[256];
    (void)state;
    check_config(NULL, fresh);
    check_config("", fresh);
    (void)snprintf(commented, sizeof(commented), "# all defaults\n%s", fresh);
    check_config("# all defaults", commented);
}

static void test_config_no_registry(void **state)
{
    (void)state;
    check_config("version = 2\n# keep\n[plugins]\n  [plugins.\"io.containerd.grpc.v1.cri\"]\n    x = 1",
                 "version = 2\n# keep\n[plugins]\n  [plugins.\"io.containerd.grpc.v1.cri\"]\n    x = 1\n"
                 "\n[" V2 "]\n  config_path = \"/certs\"\n");
    check_config("version = 3\n", "version = 3\n\n[plugins.'io.containerd.cri.v1.images'.registry]\n"
                                  "  config_path = \"/certs\"\n");
    check_config("root = \"/r\"\n", "root = \"/r\"\n\n[plugins.cri.registry]\n  config_path = \"/certs\"\n");
}

static void test_config_registry(void **state)
{
    (void)state;
    check_config("version = 2\n  [" V2 "] # here\n    # auth below\n    [" V2 ".configs.\"a\".auth]\n",
                 "version = 2\n  [" V2 "] # here\n    config_path = \"/certs\"\n    # auth below\n"
                 "    [" V2 ".configs.\"a\".auth]\n");
    check_config("version = 2\n[" V2 "]\r\n", "version = 2\n[" V2 "]\r\n  config_path = \"/certs\"\r\n");
    check_config("version = 2\n[" V2 "]\n  config_path = \"\" # none\n  [" V2 ".mirrors]\n[z]\n",
                 "version = 2\n[" V2 "]\n  config_path = \"/certs\" # none\n  [" V2 ".mirrors]\n[z]\n");
    check_config("version = 3\n[plugins]\n[ plugins . \"io.containerd.cri.v1.images\" . 'registry' ]\n"
                 "config_path = ''\n",
                 "version = 3\n[plugins]\n[ plugins . \"io.containerd.cri.v1.images\" . 'registry' ]\n"
                 "config_path = \"/certs\"\n");
}

/* Text that looks like a table inside strings and arrays is none. */
static void test_config_disguise(void **state)
{
    (void)state;
    check_config("version = 2\nx = '''\n[" V2 "]\nconfig_path = \"/no\"\n'''\ny = [ # ]\n \"]\",\n [1] ]\n",
                 "version = 2\nx = '''\n[" V2 "]\nconfig_path = \"/no\"\n'''\ny = [ # ]\n \"]\",\n [1] ]\n"
                 "\n[" V2 "]\n  config_path = \"/certs\"\n");
}

static void test_config_set(void **state)
{
    struct config_edit edit;
    struct dtr_error err;
    const char *text = "version = 2\n[" V2 "]\nconfig_path = \"/a/b:/c\"\n";
    (void)state;
    assert_int_equal(config_edit_text("f", text, "/certs", &edit, &err), DTR_OK);
    assert_null(edit.text);
    assert_string_equal(edit.folder, "/a/b");
    text = "version = 2\nimports = ['/x/*.toml']\ndisabled_plugins = [\"cri\"]\n";
    assert_int_equal(config_edit_text("f", text, "/certs", &edit, &err), DTR_OK);
    assert_true(edit.imports);
    assert_true(edit.cri_disabled);
    free(edit.text);
}

static void check_refused(const char *text, int code, const char *part)
{
    struct config_edit edit;
    struct dtr_error err = {0};
    assert_int_equal(config_edit_text("/etc/c.toml", text, "/certs", &edit, &err), code);
    assert_null(edit.text);
    if (!strstr(err.text, part))
        fail_msg("\"%s\" does not say \"%s\"", err.text, part);
}

static void test_config_refused(void **state)
{
    (void)state;
    check_refused("version = 2\n[" V2 ".mirrors.\"docker.io\"]\nendpoint = [\"https://m\"]\n", DTR_EEXISTS,
                  "/etc/c.toml:2: containerd refuses registry.mirrors");
    check_refused("version = 2\n[" V2 "]\n\nmirrors = { x = {} }\n", DTR_EEXISTS, ":4:");
    check_refused("version = 2\n[" V2 ".configs.\"a:5000\".tls]\nca_file = \"x\"\n", DTR_EEXISTS,
                  "configs.tls");
    check_refused("version = 2\n[plugins]\n\"io.containerd.grpc.v1.cri\" = { x = 1 }\n", DTR_EUNSUPPORTED,
                  ":3:");
    check_refused("version = 2\n" V2 ".x = 1\n", DTR_EUNSUPPORTED, ":2:");
    check_refused("version = 2\nx = \"\n", DTR_EINVALID, "/etc/c.toml:2:");
    check_refused("version = 2\nx = [ 1,\n", DTR_EINVALID, "not understood");
    check_refused("version = 2\n[a\n", DTR_EINVALID, "/etc/c.toml:2:");
}

static const struct hosts_wish wish = {
    .proxy = "http://127.0.0.1:4001", .server = "https://index.docker.io", .capabilities = "pull, resolve"};

#define BLOCK                                                                                                \
    "[host.\"http://127.0.0.1:4001\"]\n  capabilities = [\"pull\", \"resolve\"]\n"                           \
    "  [host.\"http://127.0.0.1:4001\".header]\n    X-Dragonfly-Registry = \"https://index.docker.io\"\n"

static void check_hosts(const struct hosts_wish *with, const char *old_text, const char *expected)
{
    struct dtr_error err = {0};
    char *text, *again;
    if (hosts_edit_text("hosts.toml", old_text, with, &text, &err))
        fail_msg("%s", err.text);
    assert_non_null(text);
    assert_string_equal(text, expected);
    assert_int_equal(hosts_edit_text("hosts.toml", text, with, &again, &err), DTR_OK);
    assert_null(again);
    free(text);
}

static void test_hosts(void **state)
{
    (void)state;
    struct hosts_wish all = {.proxy = "http://127.0.0.1:4001", .capabilities = "pull,resolve"};
    struct hosts_wish tls = wish;
    tls.skip_verify = true;
    tls.ca = "/c\"a.pem";
    check_hosts(&wish, NULL, "server = \"https://index.docker.io\"\n\n" BLOCK);
    check_hosts(&all, NULL, "[host.\"http://127.0.0.1:4001\"]\n  capabilities = [\"pull\", \"resolve\"]\n");
    check_hosts(&tls, NULL,
                "server = \"https://index.docker.io\"\n\n"
                "[host.\"http://127.0.0.1:4001\"]\n  capabilities = [\"pull\", \"resolve\"]\n"
                "  skip_verify = true\n  ca = \"/c\\\"a.pem\"\n  [host.\"http://127.0.0.1:4001\".header]\n"
                "    X-Dragonfly-Registry = \"https://index.docker.io\"\n");
}

/* The operator's own hosts stay, behind ours; an older block of ours is replaced. */
static void test_hosts_existing(void **state)
{
    (void)state;
    check_hosts(&wish, "# mine\nserver = \"https://old\"\n\n[host.\"https://m\"]\n  ca = \"x\"\n",
                "# mine\nserver = \"https://index.docker.io\"\n\n" BLOCK
                "\n[host.\"https://m\"]\n  ca = \"x\"\n");
    check_hosts(&wish,
                "server = \"https://index.docker.io\"\n[host.\"http://127.0.0.1:4001\"]\n  ca = \"x\"\n"
                "# next\n[host.\"https://m\"]\n",
                "server = \"https://index.docker.io\"\n" BLOCK "# next\n[host.\"https://m\"]\n");
}

static void test_hosts_refused(void **state)
{
    struct dtr_error err;
    struct hosts_wish bad = wish;
    char *text;
    (void)state;
    bad.capabilities = "pull,fly";
    assert_int_equal(hosts_edit_text("h", NULL, &bad, &text, &err), DTR_EINVALID);
    assert_non_null(strstr(err.text, "\"fly\""));
    assert_int_equal(hosts_edit_text("h", "host = {}\n", &wish, &text, &err), DTR_EUNSUPPORTED);
    assert_int_equal(
        hosts_edit_text("h", "[host]\n\"http://127.0.0.1:4001\".ca = \"x\"\n", &wish, &text, &err),
        DTR_EUNSUPPORTED);
    assert_int_equal(hosts_edit_text("h", "a\n", &wish, &text, &err), DTR_EUNSUPPORTED);
    assert_null(text);
}

/* --- the module ------------------------------------------------------------------------------------ */

static char root[64], config[128], certs[128];
static struct dtr_testmodule started;
static const struct dtr_runtime_ops *ops;

static int setup(void **state)
{
    static char settings[3][160];
    static const char *const list[] = {settings[0], settings[1], settings[2]};
    struct dtr_error err;
    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/darter-containerd-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    (void)snprintf(config, sizeof(config), "%s/config.toml", root);
    (void)snprintf(certs, sizeof(certs), "%s/certs.d", root);
    (void)snprintf(settings[0], sizeof(settings[0]), "configPath=%s", config);
    (void)snprintf(settings[1], sizeof(settings[1]), "certsPath=%s", certs);
    (void)snprintf(settings[2], sizeof(settings[2]), "socketPath=%s/socket", root);
    const struct dtr_module *module = dtr_module_open(dtr_testhost());
    ops = dtr_testhost_ops(module, "runtime");
    return dtr_testhost_start(module, list, 3, &started, &err);
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    dtr_testhost_stop(&started);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return system(command);
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static const struct dtr_runtime_registry registries[] = {
    {.host = "docker.io"},
    {.host = "reg.test:5000", .server = "http://reg.test:5000", .capabilities = "pull", .skip_verify = true},
};

static struct dtr_runtime_plan *plan_ok(const struct dtr_runtime_request *request)
{
    struct dtr_runtime_plan *plan = NULL;
    struct dtr_error err = {0};
    if (ops->plan(started.instance, request, &plan, &err))
        fail_msg("%s", err.text);
    return plan;
}

static void check_path(const struct dtr_runtime_change *change, const char *rest)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", root, rest);
    assert_string_equal(change->path, path);
}

static void test_plan_fresh(void **state)
{
    struct dtr_runtime_request request = {.proxy_url = "http://127.0.0.1:4001",
                                          .all_registries = true,
                                          .registries = registries,
                                          .registry_count = 2};
    (void)state;
    struct dtr_runtime_plan *plan = plan_ok(&request);
    assert_int_equal(plan->change_count, 4);
    assert_string_equal(plan->restart, "containerd");
    check_path(&plan->changes[0], "config.toml");
    check_path(&plan->changes[1], "certs.d/_default/hosts.toml");
    check_path(&plan->changes[2], "certs.d/docker.io/hosts.toml");
    check_path(&plan->changes[3], "certs.d/reg.test:5000/hosts.toml");
    for (size_t i = 0; i < 4; i++)
        assert_null(plan->changes[i].old_text);
    assert_null(strstr(plan->changes[1].new_text, "server"));
    assert_non_null(strstr(plan->changes[2].new_text, "X-Dragonfly-Registry = \"https://index.docker.io\""));
    assert_non_null(strstr(plan->changes[3].new_text, "capabilities = [\"pull\"]\n  skip_verify = true\n"));
    ops->plan_free(plan);
}

/* With config_path set only hosts.toml files change, and nothing has to be restarted. */
static void test_plan_no_restart(void **state)
{
    struct dtr_runtime_request request = {
        .proxy_url = "http://127.0.0.1:4001", .registries = registries, .registry_count = 2};
    char text[256], other[128], folder[160];
    (void)state;
    (void)snprintf(other, sizeof(other), "%s/other", root);
    (void)snprintf(text, sizeof(text), "version = 2\n[" V2 "]\nconfig_path = \"%s:/x\"\n", other);
    put(config, text);
    (void)snprintf(folder, sizeof(folder), "%s/reg.test_5000_", other);
    assert_int_equal(mkdir(other, 0755) | mkdir(folder, 0755), 0);
    struct dtr_runtime_plan *plan = plan_ok(&request);
    assert_int_equal(plan->change_count, 2);
    assert_null(plan->restart);
    check_path(&plan->changes[0], "other/docker.io/hosts.toml");
    check_path(&plan->changes[1], "other/reg.test_5000_/hosts.toml");
    ops->plan_free(plan);
}

static void put_hosts(const char *registry, const char *text)
{
    char folder[160], path[200];
    (void)snprintf(folder, sizeof(folder), "%s/certs.d/%s", root, registry);
    (void)snprintf(path, sizeof(path), "%s/hosts.toml", folder);
    assert_int_equal(mkdir(folder, 0755), 0);
    put(path, text);
}

/* _default is for registries without a file only. */
static void test_plan_names_who_goes_elsewhere(void **state)
{
    struct dtr_runtime_request request = {.proxy_url = "http://127.0.0.1:4001", .all_registries = true};
    char folder[160];
    (void)state;
    (void)snprintf(folder, sizeof(folder), "%s/certs.d", root);
    assert_int_equal(mkdir(folder, 0755), 0);
    struct dtr_runtime_plan *plan = plan_ok(&request);
    assert_null(plan->note);
    ops->plan_free(plan);
    put_hosts("_default", "[host.\"https://old\"]\n");
    put_hosts("ours.test", "[host.\"http://127.0.0.1:4001\"]\n");
    put_hosts("quay.io", "[host.\"https://mirror\"]\n");
    plan = plan_ok(&request);
    assert_non_null(plan->note);
    assert_int_equal(strncmp(plan->note, "quay.io: a hosts.toml of its own", 32), 0);
    ops->plan_free(plan);
    request.registries = &(struct dtr_runtime_registry){.host = "quay.io"};
    request.registry_count = 1;
    plan = plan_ok(&request);
    assert_null(plan->note);
    ops->plan_free(plan);
}

static void test_plan_refused(void **state)
{
    struct dtr_runtime_registry bad = {.host = "../../root"};
    struct dtr_runtime_request request = {
        .proxy_url = "http://127.0.0.1:4001", .registries = &bad, .registry_count = 1};
    struct dtr_runtime_plan *plan = NULL;
    struct dtr_error err;
    (void)state;
    assert_int_equal(ops->plan(started.instance, &request, &plan, &err), DTR_EINVALID);
    bad.host = "docker.io";
    bad.server = "ftp://x";
    assert_int_equal(ops->plan(started.instance, &request, &plan, &err), DTR_EINVALID);
    bad.server = NULL;
    request.proxy_url = "127.0.0.1:4001";
    assert_int_equal(ops->plan(started.instance, &request, &plan, &err), DTR_EINVALID);
    assert_null(plan);
}

static void test_detect(void **state)
{
    bool found = false;
    const char *detail = NULL;
    struct dtr_error err;
    (void)state;
    put(config, "version = 2\n");
    assert_int_equal(ops->detect(started.instance, &found, &detail, &err), DTR_OK);
    assert_true(found);
    assert_non_null(detail);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_fresh),    cmocka_unit_test(test_config_no_registry),
        cmocka_unit_test(test_config_registry), cmocka_unit_test(test_config_disguise),
        cmocka_unit_test(test_config_set),      cmocka_unit_test(test_config_refused),
        cmocka_unit_test(test_hosts),           cmocka_unit_test(test_hosts_existing),
        cmocka_unit_test(test_hosts_refused),   IN_FOLDER(test_plan_fresh),
        IN_FOLDER(test_plan_no_restart),        IN_FOLDER(test_plan_names_who_goes_elsewhere),
        IN_FOLDER(test_plan_refused),           IN_FOLDER(test_detect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
