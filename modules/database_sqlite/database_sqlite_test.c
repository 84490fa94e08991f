/* What database_sqlite promises beyond the contract of its kind, which the conformance program checks: its
 * files, and what it says when they are not as they should be. */
#include <darter/database.h>
#include <darter/testhost.h>

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

struct fixture {
    char dir[64], path[96], setting[112];
    struct dtr_testmodule started;
    const struct dtr_database_ops *ops;
    struct dtr_db *db;
    struct dtr_error err;
};

static int start_at(struct fixture *f, const char *path)
{
    const char *settings[] = {f->setting, "busy_timeout=100ms"};
    (void)snprintf(f->path, sizeof(f->path), "%s", path);
    (void)snprintf(f->setting, sizeof(f->setting), "path=%s", path);
    return dtr_testhost_start(dtr_module_open(dtr_testhost()), settings, 2, &f->started, &f->err);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    char path[96];
    *state = f;
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/darter-sqlite-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    f->ops = dtr_testhost_ops(dtr_module_open(dtr_testhost()), "database");
    (void)snprintf(path, sizeof(path), "%s/manager.db", f->dir);
    return start_at(f, path);
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
    f->ops->close(f->db);
    dtr_testhost_stop(&f->started);
    (void)nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

/* --- tools -------------------------------------------------------------------------------------------- */

static int run(struct fixture *f, const char *sql)
{
    return f->ops->run(f->db, sql, NULL, 0, NULL, NULL, &f->err);
}

/* Makes a database with a table of `count` rows and closes it. */
static void fill_and_close(struct fixture *f, int count)
{
    assert_int_equal(f->ops->open(f->started.instance, &f->db, &f->err), DTR_OK);
    assert_int_equal(run(f, "CREATE TABLE t (n INTEGER, s TEXT) STRICT"), DTR_OK);
    for (int i = 0; i < count; i++)
        assert_int_equal(
            run(f, "INSERT INTO t VALUES (1, 'a text that takes some room, so that pages fill')"), DTR_OK);
    f->ops->close(f->db);
    f->db = NULL;
}

static void overwrite(const struct fixture *f, off_t at, const char *bytes, size_t length)
{
    int fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, length, at), length);
    (void)close(fd);
}

/* open() fails with this code, and the text has the path and `words` in it. */
static void assert_refused(struct fixture *f, int code, const char *words)
{
    int rc = f->ops->open(f->started.instance, &f->db, &f->err);
    if (rc != code || !strstr(f->err.text, words) || !strstr(f->err.text, f->path))
        fail_msg("%s (%s), not %s with \"%s\"", dtr_code_text(rc), rc ? f->err.text : "", dtr_code_text(code),
                 words);
}

static int see(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    (void)count;
    (void)err;
    if (columns[0].type == DTR_VALUE_TEXT)
        (void)snprintf(context, 32, "%s", columns[0].text);
    else
        (void)snprintf(context, 32, "%lld", (long long)columns[0].number);
    return DTR_OK;
}

static void assert_setting(struct fixture *f, const char *sql, const char *expected)
{
    char got[32] = "";
    const struct dtr_row_sink sink = {see, got};
    assert_int_equal(f->ops->run(f->db, sql, NULL, 0, &sink, NULL, &f->err), DTR_OK);
    assert_string_equal(got, expected);
}

static void assert_private(const struct fixture *f, const char *suffix)
{
    struct stat st;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s%s", f->path, suffix);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

/* --- tests --------------------------------------------------------------------------------------------- */

static void files_are_private(void **state)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock"};
    struct fixture *f = *state;
    mode_t before = umask(0);
    assert_int_equal(f->ops->open(f->started.instance, &f->db, &f->err), DTR_OK);
    assert_int_equal(run(f, "CREATE TABLE t (n INTEGER) STRICT"), DTR_OK);
    assert_int_equal(f->ops->lock(f->db, "it", 0, &f->err), DTR_OK);
    (void)umask(before);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
        assert_private(f, suffixes[i]);
}

static void what_is_committed_is_synced(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(f->ops->open(f->started.instance, &f->db, &f->err), DTR_OK);
    assert_setting(f, "PRAGMA journal_mode", "wal");
    assert_setting(f, "PRAGMA synchronous", "2");
    assert_setting(f, "PRAGMA foreign_keys", "1");
}

static void paths_that_are_none_are_refused(void **state)
{
    static const char *const paths[] = {"", ":memory:", "file:manager.db"};
    struct fixture *f = *state;
    char before[sizeof(f->path)];
    (void)snprintf(before, sizeof(before), "%s", f->path);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        dtr_testhost_stop(&f->started);
        assert_int_equal(start_at(f, paths[i]), DTR_EINVALID);
        assert_non_null(strstr(f->err.text, "option path"));
        assert_int_equal(start_at(f, before), DTR_OK);
    }
}

static void a_missing_folder_is_told(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(rmdir(f->dir), 0);
    assert_refused(f, DTR_EINVALID, "create its folder");
    assert_int_equal(mkdir(f->dir, 0700), 0);
    assert_int_equal(mkdir(f->path, 0700), 0);
    assert_refused(f, DTR_EINVALID, "not a folder");
}

static void other_files_are_left_alone(void **state)
{
    static const char text[] = "This is a text that somebody may want to keep, and no database at all.";
    struct fixture *f = *state;
    char after[sizeof(text)] = "";
    overwrite(f, 0, text, sizeof(text));
    assert_refused(f, DTR_ECORRUPT, "name another file");
    int fd = open(f->path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, after, sizeof(after)), sizeof(after));
    (void)close(fd);
    assert_string_equal(after, text);
}

static void newer_files_are_refused(void **state)
{
    struct fixture *f = *state;
    fill_and_close(f, 1);
    overwrite(f, 18, "\x02\x03", 2); /* the version to read it with */
    assert_refused(f, DTR_ECORRUPT, "newer version");
    overwrite(f, 18, "\x03\x02", 2); /* the version to write it with */
    assert_refused(f, DTR_EDENIED, "write");
    overwrite(f, 18, "\x02\x02", 2);
    assert_int_equal(f->ops->open(f->started.instance, &f->db, &f->err), DTR_OK);
}

static void damage_is_told(void **state)
{
    char rubbish[4096];
    struct fixture *f = *state;
    fill_and_close(f, 200);
    memset(rubbish, 0xEE, sizeof(rubbish));
    overwrite(f, 4096, rubbish, sizeof(rubbish));
    assert_int_equal(f->ops->open(f->started.instance, &f->db, &f->err), DTR_OK);
    assert_int_equal(run(f, "SELECT * FROM t"), DTR_ECORRUPT);
    assert_non_null(strstr(f->err.text, "backup"));
}

/* Root may write everything, so the thread looks at the file as somebody else. */
static void a_file_of_others_is_refused(void **state)
{
    struct fixture *f = *state;
    fill_and_close(f, 1);
    assert_int_equal(chmod(f->dir, 0755), 0);
    assert_int_equal(chmod(f->path, 0444), 0);
    (void)setfsuid(65534);
    int rc = f->ops->open(f->started.instance, &f->db, &f->err);
    (void)setfsuid(geteuid());
    assert_int_equal(rc, DTR_EDENIED);
    assert_non_null(strstr(f->err.text, "let the user of this process"));
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(chmod(f->dir, 0555), 0);
    (void)setfsuid(65534);
    rc = f->ops->open(f->started.instance, &f->db, &f->err);
    (void)setfsuid(geteuid());
    (void)chmod(f->dir, 0700);
    assert_int_equal(rc, DTR_EDENIED);
}

static void a_full_disk_is_told(void **state)
{
    struct fixture *f = *state;
    fill_and_close(f, 1);
    assert_int_equal(f->ops->open(f->started.instance, &f->db, &f->err), DTR_OK);
    assert_int_equal(run(f, "PRAGMA max_page_count = 10"), DTR_OK);
    assert_int_equal(f->ops->begin(f->db, &f->err), DTR_OK);
    int rc = DTR_OK;
    for (int i = 0; i < 2000 && rc == DTR_OK; i++)
        rc = run(f, "INSERT INTO t VALUES (1, 'a text that takes some room, so that pages fill')");
    assert_int_equal(rc, DTR_ENO_SPACE);
    assert_non_null(strstr(f->err.text, "make room"));
    assert_int_equal(f->ops->rollback(f->db, &f->err), DTR_OK);
    assert_setting(f, "SELECT COUNT(*) FROM t", "1");
    assert_int_equal(run(f, "UPDATE t SET n = 2"), DTR_OK);
}

static void a_writer_waits_for_so_long(void **state)
{
    struct fixture *f = *state;
    struct dtr_db *other;
    fill_and_close(f, 1);
    assert_int_equal(f->ops->open(f->started.instance, &f->db, &f->err), DTR_OK);
    assert_int_equal(f->ops->open(f->started.instance, &other, &f->err), DTR_OK);
    assert_int_equal(f->ops->begin(other, &f->err), DTR_OK);
    assert_int_equal(run(f, "UPDATE t SET n = 2"), DTR_ELIMIT);
    assert_non_null(strstr(f->err.text, "busy_timeout"));
    assert_int_equal(f->ops->begin(f->db, &f->err), DTR_ELIMIT);
    assert_int_equal(f->ops->commit(other, &f->err), DTR_OK);
    assert_int_equal(f->ops->begin(f->db, &f->err), DTR_OK);
    assert_int_equal(f->ops->begin(f->db, &f->err), DTR_EINVALID);
    assert_int_equal(run(f, "UPDATE t SET n = 3"), DTR_OK);
    assert_int_equal(f->ops->commit(f->db, &f->err), DTR_OK);
    f->ops->close(other);
}

/* The engine rolls back on its own for some errors; what follows must not be committed on its own then. */
static void nothing_runs_after_the_engine_rolled_back(void **state)
{
    struct fixture *f = *state;
    fill_and_close(f, 1);
    assert_int_equal(f->ops->open(f->started.instance, &f->db, &f->err), DTR_OK);
    assert_int_equal(f->ops->begin(f->db, &f->err), DTR_OK);
    assert_int_equal(run(f, "INSERT OR ROLLBACK INTO t (n) VALUES (NULL + 'x')"), DTR_OK);
    assert_int_equal(run(f, "CREATE TABLE u (n INTEGER UNIQUE) STRICT"), DTR_OK);
    assert_int_equal(run(f, "INSERT OR ROLLBACK INTO u VALUES (1), (1)"), DTR_EEXISTS);
    assert_int_equal(run(f, "INSERT INTO t (n) VALUES (7)"), DTR_ELIMIT);
    assert_int_equal(f->ops->commit(f->db, &f->err), DTR_ELIMIT);
    assert_int_equal(f->ops->rollback(f->db, &f->err), DTR_OK);
    assert_setting(f, "SELECT COUNT(*) FROM t", "1");
}

int main(void)
{
#define FILE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FILE_TEST(files_are_private),
        FILE_TEST(what_is_committed_is_synced),
        FILE_TEST(paths_that_are_none_are_refused),
        FILE_TEST(a_missing_folder_is_told),
        FILE_TEST(other_files_are_left_alone),
        FILE_TEST(newer_files_are_refused),
        FILE_TEST(damage_is_told),
        FILE_TEST(a_file_of_others_is_refused),
        FILE_TEST(a_full_disk_is_told),
        FILE_TEST(a_writer_waits_for_so_long),
        FILE_TEST(nothing_runs_after_the_engine_rolled_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
