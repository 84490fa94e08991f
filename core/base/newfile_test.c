/* Files that appear whole or not at all, and digests that bytes should have. */
#include "core/base/newfile.h"

#include "core/base/digest.h"
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static char folder[64], path[128], other[128];

static int entries(void)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    int count = 0;
    assert_non_null(dir);
    while ((entry = readdir(dir)))
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    (void)closedir(dir);
    return count;
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void expect_text(const char *name, const char *text)
{
    char got[64] = "";
    FILE *file = fopen(name, "r");
    assert_non_null(file);
    assert_true(fread(got, 1, sizeof(got) - 1, file) < sizeof(got));
    (void)fclose(file);
    assert_string_equal(got, text);
}

static struct dtr_newfile *begin(bool overwrite)
{
    struct dtr_newfile *file = NULL;
    struct dtr_error err;
    assert_int_equal(dtr_newfile_open(path, overwrite, &file, &err), DTR_OK);
    assert_int_equal(dtr_newfile_reserve(file, 6, &err), DTR_OK);
    assert_int_equal(dtr_newfile_write(file, 3, "def", 3, &err), DTR_OK);
    assert_int_equal(dtr_newfile_write(file, 0, "abc", 3, &err), DTR_OK);
    return file;
}

static void it_has_no_name_before_it_is_whole(void **state)
{
    (void)state;
    struct dtr_error err;
    struct dtr_newfile *file = begin(false);
    assert_int_equal(entries(), 0);
    dtr_newfile_drop(file);
    assert_int_equal(entries(), 0);
    file = begin(false);
    assert_int_equal(dtr_newfile_commit(file, &err), DTR_OK);
    dtr_newfile_drop(file);
    expect_text(path, "abcdef");
    assert_int_equal(entries(), 1);
}

static void what_is_there_is_kept_or_replaced_whole(void **state)
{
    (void)state;
    struct dtr_error err;
    struct dtr_newfile *file = NULL;
    put(path, "old");
    assert_int_equal(link(path, other), 0);
    assert_int_equal(dtr_newfile_open(path, false, &file, &err), DTR_EEXISTS);
    assert_non_null(strstr(err.text, path));
    file = begin(true);
    expect_text(path, "old");
    assert_int_equal(dtr_newfile_commit(file, &err), DTR_OK);
    dtr_newfile_drop(file);
    expect_text(path, "abcdef");
    expect_text(other, "old"); /* the other name keeps its bytes */
    assert_int_equal(entries(), 2);
}

static void what_appeared_meanwhile_is_kept(void **state)
{
    (void)state;
    struct dtr_error err;
    struct dtr_newfile *file = begin(false);
    put(path, "first");
    assert_int_equal(dtr_newfile_commit(file, &err), DTR_EEXISTS);
    dtr_newfile_drop(file);
    expect_text(path, "first");
    assert_int_equal(entries(), 1);
}

static void a_hard_link_takes_the_name(void **state)
{
    (void)state;
    struct dtr_error err;
    struct stat one, two;
    put(other, "stored");
    int fd = open(other, O_RDONLY | O_CLOEXEC);
    for (int overwrite = 0; overwrite < 2; overwrite++) {
        struct dtr_newfile *file = begin(overwrite);
        assert_int_equal(dtr_newfile_link(file, fd, &err), DTR_OK);
        dtr_newfile_drop(file);
        assert_int_equal(stat(path, &one) | stat(other, &two), 0);
        assert_int_equal(one.st_ino, two.st_ino);
        assert_int_equal(entries(), 2);
    }
    (void)close(fd);
}

/* In a root without /proc, where a nameless file cannot get a name. Returns the number of the step that
 * failed. */
static int without_proc(void)
{
    struct dtr_newfile *file = NULL;
    struct dtr_error err;
    char place[] = "/file";
    if (chroot(folder) != 0 || chdir("/") != 0)
        return 1;
    (void)snprintf(folder, sizeof(folder), "/");
    if (dtr_newfile_open(place, false, &file, &err) != DTR_OK || entries() != 1)
        return 2;
    dtr_newfile_drop(file);
    if (entries() != 0 || dtr_newfile_open(place, false, &file, &err) != DTR_OK)
        return 3;
    if (dtr_newfile_write(file, 0, "one", 3, &err) != DTR_OK || dtr_newfile_commit(file, &err) != DTR_OK)
        return 4;
    dtr_newfile_drop(file);
    expect_text(place, "one");
    if (entries() != 1 || dtr_newfile_open(place, true, &file, &err) != DTR_OK)
        return 5;
    if (dtr_newfile_write(file, 0, "two", 3, &err) != DTR_OK || dtr_newfile_commit(file, &err) != DTR_OK)
        return 6;
    dtr_newfile_drop(file);
    expect_text(place, "two");
    return entries() == 1 ? 0 : 7;
}

static void where_there_is_no_proc_it_has_a_hidden_name(void **state)
{
    (void)state;
    int status = 0;
    if (geteuid() != 0)
        skip();
    pid_t child = fork();
    if (child == 0)
        _exit(without_proc());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void places_that_cannot_be_written_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *place;
        int code;
    } cases[] = {{"missing/x", DTR_ENOT_FOUND}, {"there/x", DTR_ENOT_FOUND}, {"sub", DTR_EINVALID},
                 {"sub/", DTR_EINVALID},        {"sub/..", DTR_EINVALID},    {"pipe", DTR_EINVALID}};
    struct dtr_newfile *file = NULL;
    struct dtr_error err;
    (void)snprintf(other, sizeof(other), "%s/there", folder);
    put(other, "");
    (void)snprintf(other, sizeof(other), "%s/sub", folder);
    assert_int_equal(mkdir(other, 0700), 0);
    (void)snprintf(other, sizeof(other), "%s/pipe", folder);
    assert_int_equal(mkfifo(other, 0600), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, cases[i].place);
        assert_int_equal(dtr_newfile_open(path, true, &file, &err), cases[i].code);
        assert_non_null(strstr(err.text, folder));
    }
}

static void digests_that_bytes_should_have(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int made, ended;
    } cases[] = {
        {"sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD", DTR_OK, DTR_OK},
        {"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ae", DTR_OK, DTR_ECORRUPT},
        {"sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
         "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
         DTR_OK, DTR_OK},
        {"crc32:891568578", DTR_OK, DTR_OK},
        {"crc32:891568579", DTR_OK, DTR_ECORRUPT},
        {"crc32:352441c2", DTR_EINVALID, 0},
        {"sha256:ba78", DTR_EINVALID, 0},
        {"sha256:za7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", DTR_EINVALID, 0},
        {"md5:900150983cd24fb0d6963f7d28e17f72", DTR_EINVALID, 0},
        {"", DTR_EINVALID, 0},
        {"sha256", DTR_EINVALID, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dtr_expected *expected = NULL;
        struct dtr_error err;
        assert_int_equal(dtr_expected_new(cases[i].text, &expected, &err), cases[i].made);
        if (cases[i].made != DTR_OK)
            continue;
        dtr_expected_add(expected, "ab", 2);
        dtr_expected_add(expected, "c", 1);
        assert_int_equal(dtr_expected_end(expected, &err), cases[i].ended);
        dtr_expected_free(expected);
    }
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/dtr_newfile_test.XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/file", folder);
    (void)snprintf(other, sizeof(other), "%s/other", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        (void)(unlinkat(dirfd(dir), entry->d_name, 0) && unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR));
    if (dir)
        (void)closedir(dir);
    return rmdir(folder);
}

/* `folder` has a folder "in" with a file, and in that links that lead out of it. */
static void below_a_folder_nothing_leads_out(void **state)
{
    (void)state;
    char root[128], place[200];
    static const struct {
        const char *below;
        int code;
    } cases[] = {{"/new", DTR_OK},
                 {"/./new", DTR_OK},
                 {"//new", DTR_OK},
                 {"/../new", DTR_EDENIED},
                 {"/out/new", DTR_EDENIED},
                 {"/up/new", DTR_EDENIED},
                 {"/gone/new", DTR_ENOT_FOUND},
                 {"/there", DTR_EEXISTS},
                 {"side/new", DTR_EDENIED},
                 {"/", DTR_EINVALID},
                 {"/..", DTR_EINVALID},
                 {"", DTR_EDENIED}};
    (void)snprintf(root, sizeof(root), "%s/in", folder);
    assert_int_equal(mkdir(root, 0700), 0);
    (void)snprintf(place, sizeof(place), "%s/out", root);
    assert_int_equal(symlink("/tmp", place), 0);
    (void)snprintf(place, sizeof(place), "%s/up", root);
    assert_int_equal(symlink("..", place), 0);
    (void)snprintf(place, sizeof(place), "%s/there", root);
    put(place, "x");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dtr_newfile *file = NULL;
        struct dtr_error err = {0};
        (void)snprintf(place, sizeof(place), "%s%s", root, cases[i].below);
        int code = dtr_newfile_open_below(root, place, false, &file, &err);
        if (code != cases[i].code)
            fail_msg("%s: %d, %s", cases[i].below, code, err.text);
        dtr_newfile_drop(code == DTR_OK ? file : NULL);
    }
    for (size_t i = 0; i < 3; i++) {
        static const char *const names[] = {"out", "up", "there"};
        (void)snprintf(place, sizeof(place), "%s/%s", root, names[i]);
        assert_int_equal(unlink(place), 0);
    }
}

#define FILE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(where_there_is_no_proc_it_has_a_hidden_name),
        FILE_TEST(it_has_no_name_before_it_is_whole),
        FILE_TEST(what_is_there_is_kept_or_replaced_whole),
        FILE_TEST(what_appeared_meanwhile_is_kept),
        FILE_TEST(a_hard_link_takes_the_name),
        FILE_TEST(places_that_cannot_be_written_are_named),
        FILE_TEST(below_a_folder_nothing_leads_out),
        cmocka_unit_test(digests_that_bytes_should_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
