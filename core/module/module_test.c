/* Loading, refusing, options, the registry and what is printed. The modules come from test_module.c. */
#include "core/module/module.h"

#include "core/base/str.h"
#include "core/module/load.h"
#include "core/obs/metric.h"

#include <darter/runtime.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define TEXT_OF(number) #number
#define TEXT(macro)     TEXT_OF(macro)
#define MINOR           TEXT(DTR_ABI_MINOR)

struct fixture {
    char dir[64];     /* a folder of modules that a test fills */
    char mark[80];    /* the file that constructors make */
    char built[4096]; /* where the test modules are */
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    *state = f;
    strcpy(f->dir, "/tmp/module-test-XXXXXX");
    if (!mkdtemp(f->dir) || readlink("/proc/self/exe", f->built, sizeof(f->built) - 16) < 0)
        return -1;
    strcpy(strrchr(f->built, '/'), "/modules");
    (void)snprintf(f->mark, sizeof(f->mark), "%s/mark", f->dir);
    return setenv("DTR_TEST_MARK", f->mark, 1);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    (void)nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

/* Copies a test module into the folder, at most `most` bytes of it, with this mode. */
static void copy_module(struct fixture *f, const char *name, size_t most, mode_t mode)
{
    struct dtr_str from = {0}, to = {0};
    char bytes[4096];
    int in, out;
    ssize_t got;

    dtr_str_printf(&from, "%s/%s.so", f->built, name);
    dtr_str_printf(&to, "%s/%s.so", f->dir, name);
    in = open(dtr_str_text(&from), O_RDONLY | O_CLOEXEC);
    out = open(dtr_str_text(&to), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(in >= 0 && out >= 0);
    while (most > 0 && (got = read(in, bytes, most < sizeof(bytes) ? most : sizeof(bytes))) > 0) {
        assert_int_equal(write(out, bytes, (size_t)got), got);
        most -= (size_t)got;
    }
    assert_int_equal(fchmod(out, mode), 0);
    close(in);
    close(out);
    dtr_str_free(&from);
    dtr_str_free(&to);
}

static struct dtr_modules *open_modules(const char *folder)
{
    struct dtr_modules *modules = NULL;
    assert_int_equal(dtr_modules_new(folder, &modules, NULL), DTR_OK);
    return modules;
}

/* Requires a module that must be refused, with these words and its file in the reason. */
static void assert_refused(struct fixture *f, const char *folder, const char *name, const char *words)
{
    struct dtr_modules *modules = open_modules(folder);
    struct dtr_error err = {0};
    int status = dtr_modules_require(modules, "runtime", name, NULL, 0, &err);
    char file[64];
    (void)f;
    (void)snprintf(file, sizeof(file), "runtime_%s.so: ", name);
    assert_int_equal(status, DTR_EINVALID);
    if (!strstr(err.text, words) || !strstr(err.text, file))
        fail_msg("\"%s\" lacks \"%s\" or the file's name", err.text, words);
    dtr_modules_free(modules);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *name, *words;
    } bad[] = {
        {"nonote", "no Darter ABI note"},
        {"abi", "built for ABI 9." MINOR ", this program has 1." MINOR ": update darter"},
        {"lies", "its descriptor is for ABI 9." MINOR},
        {"nosymbol", "does not export dtr_module_open"},
        {"undefined", "undefined symbol: dtr_test_nobody_has_this"},
        {"renamed", "it calls itself runtime_other"},
        {"noop", "an operation is missing in feature noop"},
        {"baddefault", "option bufferSize has a default outside"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_refused(f, NULL, bad[i].name, bad[i].words);
}

/* The note is read before anything of the file runs. */
static void test_constructors_wait(void **state)
{
    struct fixture *f = *state;
    struct dtr_modules *modules;
    copy_module(f, "runtime_good", SIZE_MAX, 0755);
    assert_refused(f, NULL, "abi", "ABI 9." MINOR);
    assert_refused(f, NULL, "nonote", "no Darter ABI note");
    assert_int_not_equal(access(f->mark, F_OK), 0);
    modules = open_modules(f->dir);
    assert_int_equal(dtr_modules_require(modules, "runtime", "good", NULL, 0, NULL), DTR_OK);
    assert_int_equal(access(f->mark, F_OK), 0); /* so the constructor would have left a mark */
    dtr_modules_free(modules);
}

static void test_file_checks(void **state)
{
    struct fixture *f = *state;
    char path[256];

    copy_module(f, "runtime_good", SIZE_MAX, 0775);
    assert_refused(f, f->dir, "good", "chmod go-w");
    copy_module(f, "runtime_good", SIZE_MAX, 0757);
    assert_refused(f, f->dir, "good", "chmod go-w");
    copy_module(f, "runtime_good", 1000, 0755);
    assert_refused(f, f->dir, "good", "cut short");
    copy_module(f, "runtime_good", 10, 0755);
    assert_refused(f, f->dir, "good", "not an ELF file: install it anew");
    (void)snprintf(path, sizeof(path), "%s/runtime_good.so", f->dir);
    if (geteuid() == 0) {
        copy_module(f, "runtime_good", SIZE_MAX, 0755);
        assert_int_equal(chown(path, 4711, 4711), 0);
        assert_refused(f, f->dir, "good", "owned by uid 4711");
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused(f, f->dir, "good", "not a regular file");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_refused(f, f->dir, "good", "not a regular file");
}

static void test_not_there(void **state)
{
    struct fixture *f = *state;
    struct dtr_modules *modules = open_modules(f->dir);
    struct dtr_error err = {0};
    assert_int_equal(dtr_modules_require(modules, "runtime", "absent", NULL, 0, &err), DTR_ENOT_FOUND);
    assert_non_null(strstr(err.text, "runtime_absent.so"));
    assert_non_null(strstr(err.text, f->dir));
    assert_int_equal(dtr_modules_require(modules, "runtime", "../x", NULL, 0, &err), DTR_EINVALID);
    dtr_modules_free(modules);
}

/* The configured folder goes before the others. */
static void test_order(void **state)
{
    struct fixture *f = *state;
    copy_module(f, "runtime_good", 100, 0755);
    assert_refused(f, f->dir, "good", "cut short");
}

/* --- options and registry ---------------------------------------------------------------------------- */

/* What the good module got. */
static void assert_got(const struct dtr_option_text *options, size_t count, const char *expected)
{
    struct dtr_modules *modules = open_modules(NULL);
    struct dtr_error err = {0};
    struct dtr_offer offer;
    const struct dtr_runtime_ops *ops;
    const char *detail;
    bool found;

    if (dtr_modules_require(modules, "runtime", "good", options, count, &err) != DTR_OK)
        fail_msg("%s", err.text);
    assert_true(dtr_modules_find(modules, "runtime", NULL, &offer));
    ops = offer.feature->ops;
    assert_int_equal(ops->detect(offer.instance, &found, &detail, &err), DTR_OK);
    assert_string_equal(detail, expected);
    dtr_modules_free(modules);
}

static void test_options(void **state)
{
    static const struct dtr_option_text given[] = {{"TEXT", "first", NULL}, {"text", "two words", NULL},
                                                   {"number", "-5", NULL},  {"buffersize", "64KiB", NULL},
                                                   {"wait", "1m", NULL},    {"flag", "off", NULL},
                                                   {"end", "last", NULL}};
    (void)state;
    assert_got(NULL, 0, "hello 7 4194304 5000 1 ");
    assert_got(given, 7, "two words -5 65536 60000 0 last");
}

static void test_bad_options(void **state)
{
    static const struct {
        struct dtr_option_text given;
        const char *words;
    } bad[] = {
        {{"numbr", "1", "d.yaml:3"},
         "d.yaml:3: module runtime_good has no option numbr; did you mean number?"},
        {{"zzzzzzzz", "1", NULL}, "module runtime_good has no option zzzzzzzz"},
        {{"number", "51", "d.yaml:4"},
         "d.yaml:4: option number of module runtime_good is \"51\"; allowed is a whole number, -5 to 50"},
        {{"number", "many", NULL}, "allowed is a whole number"},
        {{"flag", "perhaps", NULL}, "allowed is true or false"},
        {{"wait", "5 apples", NULL}, "allowed is a duration such as 5s, 10 to 60000 ms"},
        {{"wait", "2m", NULL}, "allowed is a duration such as 5s, 10 to 60000 ms"},
        {{"bufferSize", "0", NULL}, "allowed is a size such as 4MiB, at least 1 bytes"},
        {{"number", "13", NULL}, "module runtime_good does not start: thirteen"},
    };
    struct dtr_modules *modules = open_modules(NULL);
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct dtr_error err = {0};
        assert_true(dtr_modules_require(modules, "runtime", "good", &bad[i].given, 1, &err) < 0);
        if (!strstr(err.text, bad[i].words))
            fail_msg("\"%s\" lacks \"%s\"", err.text, bad[i].words);
    }
    dtr_modules_free(modules);
}

static void test_registry(void **state)
{
    struct dtr_modules *modules = open_modules(NULL);
    struct dtr_offer offer;
    size_t position = 0;
    (void)state;
    assert_false(dtr_modules_find(modules, "runtime", "good", &offer));
    assert_int_equal(dtr_modules_require(modules, "runtime", "good", NULL, 0, NULL), DTR_OK);
    assert_int_equal(dtr_modules_require(modules, "runtime", "good", NULL, 0, NULL),
                     DTR_OK); /* runs already */
    assert_true(dtr_modules_find(modules, "runtime", "good", &offer));
    assert_string_equal(offer.module->name, "runtime_good");
    assert_false(dtr_modules_find(modules, "storage", NULL, &offer));
    assert_true(dtr_modules_next(modules, "runtime", &position, &offer));
    assert_false(dtr_modules_next(modules, "runtime", &position, &offer));
    dtr_modules_free(modules);
    dtr_modules_free(NULL);
}

static void test_metrics(void **state)
{
    struct dtr_str out = {0};
    (void)state;
    assert_int_equal(dtr_host_table()->size, sizeof(struct dtr_host));
    assert_got(NULL, 0, "hello 7 4194304 5000 1 ");
    assert_int_equal(dtr_metrics_render(DTR_METRICS_MODULE, &out), DTR_OK);
    assert_non_null(strstr(dtr_str_text(&out), "darter_module_runtime_good_asked_total"));
    dtr_str_free(&out);
}

/* --- looking ----------------------------------------------------------------------------------------- */

static void test_look(void **state)
{
    struct dtr_modules *modules = open_modules(NULL);
    const struct dtr_module *module;
    struct dtr_error err = {0};
    struct dtr_offer offer;
    (void)state;
    assert_int_equal(dtr_modules_look(modules, "runtime", "good", &module, &err), DTR_OK);
    assert_string_equal(module->name, "runtime_good");
    assert_false(dtr_modules_find(modules, "runtime", "good", &offer)); /* it was not started */
    assert_int_equal(dtr_modules_look(modules, "runtime", "abi", &module, &err), DTR_EINVALID);
    assert_int_equal(dtr_modules_look(modules, "storage", "none", &module, &err), DTR_ENOT_FOUND);
    if (!strstr(err.text, "no module storage_none; there are ") || !strstr(err.text, "storage_file") ||
        !strstr(err.text, "storage_memory") || !strstr(err.text, " (looked for storage_none.so in "))
        fail_msg("%s", err.text);
    dtr_modules_free(modules);
}

/* Those of a kind, each once, whether they can be loaded or not. */
static void test_of_kind(void **state)
{
    struct fixture *f = *state;
    struct dtr_module_names names;
    struct dtr_modules *modules;
    copy_module(f, "runtime_good", SIZE_MAX, 0755);
    copy_module(f, "runtime_abi", SIZE_MAX, 0755);
    modules = open_modules(f->dir);
    dtr_modules_of_kind(modules, "runtime", &names);
    assert_true(names.count > 2);
    assert_string_equal(names.list[0], "abi");
    assert_string_equal(names.list[1], "good");
    for (size_t i = 2; i < names.count; i++)
        assert_true(strcmp(names.list[i], "abi") != 0 && strcmp(names.list[i], "good") != 0);
    dtr_modules_of_kind(modules, "nonsense", &names);
    assert_int_equal(names.count, 0);
    dtr_modules_free(modules);
}

/* --- printing ---------------------------------------------------------------------------------------- */

static void assert_prints(char *text, const char *const *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strstr(text, lines[i]))
            fail_msg("\"%s\" is not in:\n%s", lines[i], text);
    free(text);
}

static void test_list(void **state)
{
    static const char *const lines[] = {"runtime_good         -        refused: ", "chmod go-w",
                                        "runtime_abi          -        refused: ", ("ABI 9." MINOR)};
    struct fixture *f = *state;
    struct dtr_modules *modules;
    struct dtr_error err = {0};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    copy_module(f, "runtime_good", SIZE_MAX, 0777);
    modules = open_modules(f->dir);
    assert_int_equal(dtr_modules_list(modules, out, &err), DTR_OK);
    (void)fclose(out);
    dtr_modules_free(modules);
    assert_prints(text, lines, sizeof(lines) / sizeof(lines[0]));
}

static void test_describe(void **state)
{
    static const char *const lines[] = {"runtime_good 1.2: a module for tests\n",
                                        "features  runtime good\n",
                                        "options (modules.options.runtime_good):\n",
                                        "  bufferSize           bytes at once\n",
                                        "a size such as 4MiB, at least 1 bytes; default 4MiB\n",
                                        "a duration such as 5s, 10 to 60000 ms; default 5s\n",
                                        "metrics (darter_module_runtime_good_...):\n",
                                        "asked_total"};
    struct dtr_modules *modules = open_modules(NULL);
    struct dtr_error err = {0};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    (void)state;

    assert_int_equal(dtr_modules_describe(modules, "runtime_good", out, &err), DTR_OK);
    assert_int_equal(dtr_modules_describe(modules, "runtime_none", out, &err), DTR_ENOT_FOUND);
    (void)fclose(out);
    dtr_modules_free(modules);
    assert_prints(text, lines, sizeof(lines) / sizeof(lines[0]));
}

/* A shipped module from the build tree, with configured options. */
static void test_shipped(void **state)
{
    struct fixture *f = *state;
    struct dtr_modules *modules = open_modules(NULL);
    const struct dtr_option_text options[] = {{"dir", f->dir, NULL}, {"keep", "false", NULL}};
    struct dtr_error err = {0};
    struct dtr_offer offer;
    if (dtr_modules_require(modules, "storage", "file", options, 2, &err) != DTR_OK)
        fail_msg("%s", err.text);
    assert_true(dtr_modules_find(modules, "storage", "file", &offer));
    dtr_modules_free(modules);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(test_constructors_wait),
                                       TEST(test_refusals),
                                       TEST(test_file_checks),
                                       TEST(test_not_there),
                                       TEST(test_order),
                                       TEST(test_options),
                                       TEST(test_bad_options),
                                       TEST(test_registry),
                                       TEST(test_metrics),
                                       TEST(test_look),
                                       TEST(test_of_kind),
                                       TEST(test_list),
                                       TEST(test_describe),
                                       TEST(test_shipped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
