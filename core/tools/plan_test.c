/* Plans written to a temporary folder and taken back: exact texts, modes, folders; crashes at every step. */
#include "core/tools/plan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];
static char config[128], hosts[128], journal[128], folder[128];

static const char old_config[] = "# mine\nversion = 2\n";
static const char new_config[] = "# mine\nversion = 2\n[a]\n  b = \"c\"\n";
static const char new_hosts[] = "server = \"https://s\"\n";

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void check(const char *path, const char *text)
{
    char got[4096] = "";
    FILE *file = fopen(path, "re");
    if (!text) {
        assert_null(file);
        return;
    }
    assert_non_null(file);
    got[fread(got, 1, sizeof(got) - 1, file)] = '\0';
    (void)fclose(file);
    assert_string_equal(got, text);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/darter-plan-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    (void)snprintf(config, sizeof(config), "%s/config.toml", root);
    (void)snprintf(folder, sizeof(folder), "%s/certs.d", root);
    (void)snprintf(hosts, sizeof(hosts), "%s/certs.d/docker.io/hosts.toml", root);
    (void)snprintf(journal, sizeof(journal), "%s/var/lib/journal.json", root);
    put(config, old_config);
    return chmod(config, 0640);
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return system(command);
}

/* The files as they were before anything was written. */
static void check_untouched(void)
{
    struct stat info;
    check(config, old_config);
    assert_int_equal(stat(config, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0640);
    assert_int_not_equal(access(folder, F_OK), 0);
    assert_int_not_equal(access(journal, F_OK), 0);
    (void)snprintf(folder, sizeof(folder), "%s/var", root);
    assert_int_not_equal(access(folder, F_OK), 0);
}

static struct dtr_runtime_change changes[2];
static struct dtr_runtime_plan plan = {.changes = changes, .change_count = 2, .restart = "containerd"};
static struct dtr_plan_options options = {.journal = journal};

static void make_plan(void)
{
    changes[0] = (struct dtr_runtime_change){config, old_config, new_config};
    changes[1] = (struct dtr_runtime_change){hosts, NULL, new_hosts};
}

static void apply_ok(void)
{
    struct dtr_error err = {0};
    if (dtr_plan_apply(&plan, &options, &err))
        fail_msg("apply: %s", err.text);
}

static void undo_ok(void)
{
    struct dtr_error err = {0};
    if (dtr_plan_undo(&options, NULL, &err))
        fail_msg("undo: %s", err.text);
}

static void test_apply_and_undo(void **state)
{
    struct stat info;
    (void)state;
    make_plan();
    apply_ok();
    check(config, new_config);
    check(hosts, new_hosts);
    assert_int_equal(stat(config, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0640);
    assert_int_equal(stat(hosts, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0644);
    assert_int_equal(stat(journal, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    undo_ok();
    check_untouched();
    struct dtr_error err;
    assert_int_equal(dtr_plan_undo(&options, NULL, &err), DTR_ENOT_FOUND);
}

static void test_apply_twice(void **state)
{
    struct stat first, second;
    (void)state;
    make_plan();
    apply_ok();
    assert_int_equal(stat(config, &first), 0);
    apply_ok();
    assert_int_equal(stat(config, &second), 0);
    assert_int_equal(first.st_ino, second.st_ino);
    undo_ok();
    check_untouched();
}

/* A second plan on top of the first: undo goes back to the beginning. */
static void test_two_plans(void **state)
{
    (void)state;
    make_plan();
    apply_ok();
    changes[0] = (struct dtr_runtime_change){config, new_config, "third\n"};
    changes[1] = (struct dtr_runtime_change){hosts, new_hosts, NULL};
    apply_ok();
    check(config, "third\n");
    check(hosts, NULL);
    undo_ok();
    check_untouched();
}

static void test_edited_before(void **state)
{
    struct dtr_error err;
    (void)state;
    make_plan();
    put(config, "other\n");
    assert_int_equal(dtr_plan_apply(&plan, &options, &err), DTR_EEXISTS);
    assert_non_null(strstr(err.text, config));
    check(config, "other\n");
    check(hosts, NULL);
    check(journal, NULL);
}

static void test_edited_since(void **state)
{
    struct dtr_error err;
    (void)state;
    make_plan();
    apply_ok();
    put(hosts, "edited\n");
    assert_int_equal(dtr_plan_undo(&options, NULL, &err), DTR_EEXISTS);
    assert_non_null(strstr(err.text, hosts));
    check(config, new_config);
    check(hosts, "edited\n");
    put(hosts, new_hosts);
    undo_ok();
    check_untouched();
}

/* Somebody else's file in a folder that we made keeps the folder. */
static void test_folder_in_use(void **state)
{
    char other[256];
    (void)state;
    make_plan();
    apply_ok();
    (void)snprintf(other, sizeof(other), "%s/other", folder);
    put(other, "x");
    undo_ok();
    check(config, old_config);
    check(other, "x");
    check(hosts, NULL);
}

static int die_at(void *context, const char *path, struct dtr_error *err)
{
    int *left = context;
    (void)path;
    (void)err;
    if ((*left)-- == 0)
        _exit(9);
    return DTR_OK;
}

/* Runs apply or undo in a process that dies before its n-th write; false when it ran to its end. */
static bool die(bool undo, int step)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct dtr_plan_options dying = {.journal = journal, .step = die_at, .context = &step};
        struct dtr_error err;
        _exit(undo ? dtr_plan_undo(&dying, NULL, &err) != 0 : dtr_plan_apply(&plan, &dying, &err) != 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 9 || WEXITSTATUS(status) == 0);
    return WEXITSTATUS(status) == 9;
}

static void test_crash(void **state)
{
    make_plan();
    for (int step = 0; step < 3; step++) {
        bool died = die(false, step);
        assert_int_equal(died, step < 2);
        check(config, step > 0 ? new_config : old_config);
        undo_ok();
        check_untouched();
        (void)teardown(state);
        assert_int_equal(setup(state), 0);
    }
}

static void test_crash_and_again(void **state)
{
    make_plan();
    for (int step = 0; step < 2; step++) {
        assert_true(die(false, step));
        apply_ok();
        check(hosts, new_hosts);
        assert_true(die(true, step));
        undo_ok();
        check_untouched();
        (void)teardown(state);
        assert_int_equal(setup(state), 0);
    }
}

/* What a kill between writing aside and renaming leaves is swept away. */
static void test_left_aside(void **state)
{
    char aside[256];
    (void)state;
    make_plan();
    apply_ok();
    (void)snprintf(aside, sizeof(aside), "%s.darter-new", hosts);
    put(aside, "half");
    undo_ok();
    check_untouched();
}

static void test_link(void **state)
{
    char real[128];
    struct stat info;
    (void)state;
    (void)snprintf(real, sizeof(real), "%s/real.toml", root);
    assert_int_equal(rename(config, real), 0);
    assert_int_equal(symlink("real.toml", config), 0);
    make_plan();
    apply_ok();
    assert_int_equal(lstat(config, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    check(real, new_config);
    undo_ok();
    check(real, old_config);
    assert_int_equal(lstat(config, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
}

static void test_not_allowed(void **state)
{
    int status;
    (void)state;
    make_plan();
    assert_int_equal(chmod(root, 0755), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct dtr_error err;
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
            _exit(2);
        if (chmod(root, 0555) != 0 && errno != EPERM)
            _exit(3);
        int rc = dtr_plan_apply(&plan, &options, &err);
        _exit(rc == DTR_EDENIED && strstr(err.text, root) && strstr(err.text, "run as root") ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(chmod(root, 0755), 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_not_a_journal(void **state)
{
    struct dtr_error err;
    (void)state;
    make_plan();
    apply_ok();
    put(journal, "{\"version\": 1, \"folders\": [], \"writes\": [{\"path\": 1}]}");
    assert_int_equal(dtr_plan_undo(&options, NULL, &err), DTR_ECORRUPT);
    assert_non_null(strstr(err.text, journal));
}

static void check_diff(const char *old_text, const char *new_text, const char *expected)
{
    struct dtr_runtime_change change = {"/f", old_text, new_text};
    struct dtr_str text = {0};
    dtr_plan_diff(&change, false, &text);
    assert_true(dtr_str_ok(&text));
    assert_string_equal(dtr_str_text(&text), expected);
    dtr_str_free(&text);
}

static void test_diff(void **state)
{
    (void)state;
    check_diff("a\n", "a\n", "");
    check_diff(NULL, "a\nb\n", "--- /dev/null\n+++ /f\n@@ -0,0 +1,2 @@\n+a\n+b\n");
    check_diff("a\n", NULL, "--- /f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n");
    check_diff("1\n2\n3\n4\n5\n", "1\n2\n3\nx\n4\n5\n",
               "--- /f\n+++ /f\n@@ -1,5 +1,6 @@\n 1\n 2\n 3\n+x\n 4\n 5\n");
    check_diff("a", "a\n", "--- /f\n+++ /f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n");
    check_diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "x\n2\n3\n4\n5\n6\n7\n8\ny\n",
               "--- /f\n+++ /f\n@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n@@ -6,4 +6,4 @@\n 6\n 7\n 8\n-9\n+y\n");
}

static void test_diff_colour(void **state)
{
    struct dtr_runtime_change change = {"/f", "a\n", "b\n"};
    struct dtr_str text = {0};
    (void)state;
    dtr_plan_diff(&change, true, &text);
    assert_non_null(strstr(dtr_str_text(&text), "\033[31m-a\033[0m\n\033[32m+b\033[0m\n"));
    dtr_str_free(&text);
}

/* Applies a diff's body to the old text: rows of context and '+' must give the new text. */
static void check_rows(const char *old_text, const char *new_text)
{
    struct dtr_runtime_change change = {"/f", old_text, new_text};
    struct dtr_str text = {0}, back[2] = {{0}, {0}};
    dtr_plan_diff(&change, false, &text);
    const char *at = dtr_str_text(&text);
    for (int skip = 0; skip < 3 && *at; skip++)
        at = strchr(at, '\n') + 1;
    while (*at) {
        size_t length = (size_t)(strchr(at, '\n') + 1 - at);
        if (*at != '+')
            dtr_str_add(&back[0], at + 1, length - 1);
        if (*at != '-')
            dtr_str_add(&back[1], at + 1, length - 1);
        at += length;
    }
    if (text.length) {
        assert_string_equal(dtr_str_text(&back[0]), old_text);
        assert_string_equal(dtr_str_text(&back[1]), new_text);
    }
    dtr_str_free(&text);
    dtr_str_free(&back[0]);
    dtr_str_free(&back[1]);
}

/* At most 3 lines, so that a diff leaves none out as too far from a change. */
static void random_text(unsigned *seed, char text[32])
{
    size_t used = 0;
    for (int lines = rand_r(seed) % 4; lines > 0; lines--) {
        text[used++] = (char)('a' + rand_r(seed) % 3);
        text[used++] = '\n';
    }
    text[used] = '\0';
}

static void test_diff_random(void **state)
{
    unsigned seed = 7;
    (void)state;
    for (int round = 0; round < 2000; round++) {
        char a[32], b[32];
        random_text(&seed, a);
        random_text(&seed, b);
        check_rows(a, b);
    }
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_apply_and_undo),
        IN_FOLDER(test_apply_twice),
        IN_FOLDER(test_two_plans),
        IN_FOLDER(test_edited_before),
        IN_FOLDER(test_edited_since),
        IN_FOLDER(test_folder_in_use),
        IN_FOLDER(test_crash),
        IN_FOLDER(test_crash_and_again),
        IN_FOLDER(test_left_aside),
        IN_FOLDER(test_link),
        IN_FOLDER(test_not_allowed),
        IN_FOLDER(test_not_a_journal),
        cmocka_unit_test(test_diff),
        cmocka_unit_test(test_diff_colour),
        cmocka_unit_test(test_diff_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
