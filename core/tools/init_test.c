/* `darter init` with the real containerd module on a temporary folder. The module's file is argument 1. */
#include "core/tools/init.h"

#include <darter/testhost.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *module_path;
static char root[64], config[128], hosts[128], journal[128];
static struct dtr_testmodule started;
static struct dtr_init_runtime runtime = {.name = "containerd"};
static struct dtr_init_options options;
static char *shown; /* what the last run printed */

static const char debian[] = "version = 2\n\n[plugins]\n  [plugins.\"io.containerd.grpc.v1.cri\"]\n"
                             "    [plugins.\"io.containerd.grpc.v1.cri\".cni]\n"
                             "      bin_dir = \"/usr/lib/cni\" # here\n";

static int setup(void **state)
{
    static char certs[160], own[160];
    static const char *const settings[] = {certs, own};
    const struct dtr_module *module;
    struct dtr_error err;
    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/darter-init-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    (void)snprintf(config, sizeof(config), "%s/etc/config.toml", root);
    (void)snprintf(hosts, sizeof(hosts), "%s/etc/certs.d/docker.io/hosts.toml", root);
    (void)snprintf(journal, sizeof(journal), "%s/lib/journal.json", root);
    (void)snprintf(certs, sizeof(certs), "certsPath=%s/etc/certs.d", root);
    (void)snprintf(own, sizeof(own), "configPath=%s", config);
    if (dtr_testhost_load(module_path, &module, &err) ||
        dtr_testhost_start(module, settings, 2, &started, &err))
        return -1;
    runtime.ops = dtr_testhost_ops(module, "runtime");
    runtime.instance = started.instance;
    static const struct dtr_runtime_registry registry = {.host = "docker.io"};
    options = (struct dtr_init_options){.runtimes = &runtime,
                                        .runtime_count = 1,
                                        .config_path = config,
                                        .registries = &registry,
                                        .registry_count = 1,
                                        .journal_path = journal};
    return 0;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    free(shown);
    shown = NULL;
    dtr_testhost_stop(&started);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return system(command);
}

static int run(struct dtr_error *err)
{
    size_t size = 0;
    free(shown);
    shown = NULL;
    FILE *out = open_memstream(&shown, &size);
    assert_non_null(out);
    int rc = dtr_tool_init(&options, out, err);
    assert_int_equal(fclose(out), 0);
    return rc;
}

static void run_ok(void)
{
    struct dtr_error err = {0};
    if (run(&err))
        fail_msg("%s", err.text);
}

static void put_config(const char *text)
{
    char folder[128];
    (void)snprintf(folder, sizeof(folder), "mkdir -p '%s/etc'", root);
    assert_int_equal(system(folder), 0);
    FILE *file = fopen(config, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void check_config(const char *text)
{
    char got[4096] = "";
    FILE *file = fopen(config, "re");
    assert_non_null(file);
    got[fread(got, 1, sizeof(got) - 1, file)] = '\0';
    (void)fclose(file);
    assert_string_equal(got, text);
}

static bool is_empty(void)
{
    return rmdir(root) == 0;
}

static void test_fresh(void **state)
{
    (void)state;
    options.dry_run = true;
    run_ok();
    assert_non_null(strstr(shown, "+  config_path = "));
    assert_non_null(strstr(shown, "Nothing was written"));
    assert_int_not_equal(access(config, F_OK), 0);
    assert_int_not_equal(access(journal, F_OK), 0);
    options.dry_run = false;
    run_ok();
    assert_non_null(strstr(shown, "containerd: 2 files to change"));
    assert_non_null(strstr(shown, "systemctl restart containerd"));
    assert_int_equal(access(hosts, R_OK), 0);
    options.undo = options.dry_run = true;
    run_ok();
    assert_non_null(strstr(shown, "+++ /dev/null"));
    assert_int_equal(access(hosts, R_OK), 0);
    options.dry_run = false;
    run_ok();
    assert_non_null(strstr(shown, "Restart containerd"));
    assert_true(is_empty());
}

static void test_existing(void **state)
{
    (void)state;
    put_config(debian);
    run_ok();
    run_ok();
    assert_non_null(strstr(shown, "set up already"));
    options.undo = true;
    run_ok();
    check_config(debian);
    assert_int_not_equal(access(hosts, F_OK), 0);
}

/* A second run with another proxy changes hosts.toml only; undo goes back to the very beginning. */
static void test_other_proxy(void **state)
{
    (void)state;
    put_config(debian);
    run_ok();
    options.proxy_url = "http://10.0.0.1:4001";
    run_ok();
    assert_non_null(strstr(shown, "containerd: 1 file to change"));
    assert_non_null(strstr(shown, "no restart needed"));
    options.undo = true;
    run_ok();
    check_config(debian);
    assert_int_not_equal(access(hosts, F_OK), 0);
}

static void test_conflict(void **state)
{
    struct dtr_error err = {0};
    static const char text[] =
        "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"a\"]\n";
    (void)state;
    put_config(text);
    assert_int_equal(run(&err), DTR_EEXISTS);
    assert_non_null(strstr(err.text, "config.toml:2:"));
    check_config(text);
    assert_int_not_equal(access(journal, F_OK), 0);
}

static int detect_none(void *instance, bool *ret_found, const char **ret_detail, struct dtr_error *err)
{
    (void)instance;
    (void)err;
    *ret_found = false;
    *ret_detail = "no program";
    return DTR_OK;
}

static void test_no_runtime(void **state)
{
    struct dtr_error err = {0};
    struct dtr_runtime_ops none = *runtime.ops;
    (void)state;
    none.detect = detect_none;
    runtime.ops = &none;
    options.config_path = NULL;
    assert_int_equal(run(&err), DTR_ENOT_FOUND);
    assert_non_null(strstr(shown, "not on this machine (no program)"));
    options.config_path = "config.toml";
    assert_int_equal(run(&err), DTR_EINVALID);
}

int main(int argc, char **argv)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_fresh),    IN_FOLDER(test_existing),   IN_FOLDER(test_other_proxy),
        IN_FOLDER(test_conflict), IN_FOLDER(test_no_runtime),
    };
    if (argc < 2)
        return 2;
    module_path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
