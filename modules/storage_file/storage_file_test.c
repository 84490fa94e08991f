/* What storage_file promises beyond the contract of its kind, which the conformance program checks: the
 * lock, cleaning up, damage found at start, a full disk, speed of a scan. */
#include "index.h"

#include <darter/testhost.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/magic.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { PIECE = 4096 };

struct fixture {
    char dir[64], setting[80];
    struct dtr_testmodule started;
    const struct dtr_storage_ops *ops;
};

struct seen {
    uint32_t tasks, pieces;
    bool checked;
};

static void start_with(struct fixture *f, const char *keep)
{
    const char *settings[] = {f->setting, keep};
    struct dtr_error err = {0};
    if (dtr_testhost_start(dtr_module_open(dtr_testhost()), settings, 2, &f->started, &err) != DTR_OK)
        fail_msg("%s", err.text);
}

static void stop(struct fixture *f)
{
    dtr_testhost_stop(&f->started);
}

static void restart(struct fixture *f)
{
    stop(f);
    start_with(f, "keep=true");
}

static int set_up_in(void **state, const char *where)
{
    struct fixture *f = calloc(1, sizeof(*f));
    (void)snprintf(f->dir, sizeof(f->dir), "%s/storage-file-test-XXXXXX", where);
    *state = f;
    if (!mkdtemp(f->dir))
        return -1;
    (void)snprintf(f->setting, sizeof(f->setting), "dir=%s/a/b", f->dir);
    f->ops = dtr_testhost_ops(dtr_module_open(dtr_testhost()), "storage");
    start_with(f, "keep=true");
    return 0;
}

static int set_up(void **state)
{
    return set_up_in(state, "/tmp");
}

/* For very many files: a disk that others use too would be waited for. Containers often have 64 MiB here. */
static int set_up_in_memory(void **state)
{
    const uint64_t needed = (uint64_t)256 << 20;
    const fsfilcnt_t files = 50000;
    struct statvfs fs;
    bool fits = access("/dev/shm", W_OK) == 0 && statvfs("/dev/shm", &fs) == 0 &&
                (uint64_t)fs.f_bavail * fs.f_frsize >= needed && (fs.f_files == 0 || fs.f_favail >= files);
    return set_up_in(state, fits ? "/dev/shm" : "/tmp");
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
    stop(f);
    (void)nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

static void see(void *context, const struct dtr_task_facts *facts, const struct dtr_piece *pieces,
                uint32_t count, bool checked)
{
    struct seen *seen = context;
    (void)facts;
    (void)pieces;
    seen->tasks++;
    seen->pieces += count;
    seen->checked = checked;
}

static struct seen scan(struct fixture *f)
{
    struct seen seen = {0};
    struct dtr_scan_sink sink = {.task = see, .context = &seen};
    assert_int_equal(f->ops->scan(f->started.instance, &sink, NULL), DTR_OK);
    return seen;
}

static struct dtr_task_facts facts_of(unsigned number, char id[DTR_TASK_ID_LENGTH + 1])
{
    (void)snprintf(id, DTR_TASK_ID_LENGTH + 1, "%08x%056x", number * 2654435761u, number);
    return (struct dtr_task_facts){
        .task_id = id, .url = "http://origin.example/", .content_length = 3 * PIECE};
}

static struct dtr_stored *open_task(struct fixture *f, unsigned number)
{
    char id[DTR_TASK_ID_LENGTH + 1];
    struct dtr_task_facts facts = facts_of(number, id);
    struct dtr_stored *stored = NULL;
    struct dtr_error err = {0};
    if (f->ops->open(f->started.instance, &facts, &stored, &err) != DTR_OK)
        fail_msg("%s", err.text);
    return stored;
}

static void put(struct fixture *f, struct dtr_stored *stored, uint32_t number)
{
    static const uint8_t bytes[PIECE] = {1};
    struct dtr_piece piece = {.number = number, .offset = (uint64_t)number * PIECE, .length = PIECE};
    assert_int_equal(f->ops->write(stored, piece.offset, bytes, PIECE, NULL), DTR_OK);
    assert_int_equal(f->ops->mark(stored, &piece, NULL), DTR_OK);
}

/* A stored task with three pieces. */
static void make_task(struct fixture *f, unsigned number)
{
    struct dtr_stored *stored = open_task(f, number);
    for (uint32_t i = 0; i < 3; i++)
        put(f, stored, i);
    f->ops->close(stored);
}

/* Opens a file below content/tasks; `suffix` goes behind the task's id. */
static int open_file(struct fixture *f, unsigned number, const char *suffix, int flags)
{
    char id[DTR_TASK_ID_LENGTH + 1], path[256];
    (void)facts_of(number, id);
    (void)snprintf(path, sizeof(path), "%s/a/b/content/tasks/%.3s/%s%s", f->dir, id, id, suffix);
    return open(path, flags, 0600);
}

static bool there(struct fixture *f, unsigned number, const char *suffix)
{
    int fd = open_file(f, number, suffix, O_RDONLY);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void test_lock(void **state)
{
    struct fixture *f = *state;
    const char *settings[] = {f->setting};
    struct dtr_testmodule second;
    struct dtr_error err = {0};
    char pid[16];

    assert_int_equal(dtr_testhost_start(dtr_module_open(dtr_testhost()), settings, 1, &second, &err),
                     DTR_EEXISTS);
    (void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
    assert_non_null(strstr(err.text, pid));
    assert_non_null(strstr(err.text, "storage directory of its own"));
    assert_non_null(strstr(err.text, f->dir));
}

static void test_relative_dir(void **state)
{
    const char *settings[] = {"dir=somewhere"};
    struct dtr_testmodule started;
    struct dtr_error err = {0};
    (void)state;
    assert_int_equal(dtr_testhost_start(dtr_module_open(dtr_testhost()), settings, 1, &started, &err),
                     DTR_EINVALID);
    assert_non_null(strstr(err.text, "absolute"));
}

static void test_strays(void **state)
{
    struct fixture *f = *state;
    make_task(f, 1);
    make_task(f, 2);
    close(open_file(f, 1, ".tmp", O_WRONLY | O_CREAT));
    close(open_file(f, 1, "", O_WRONLY | O_CREAT));
    {
        char id[DTR_TASK_ID_LENGTH + 1], path[256];
        (void)facts_of(2, id);
        (void)snprintf(path, sizeof(path), "%s/a/b/content/tasks/%.3s/%s.idx", f->dir, id, id);
        assert_int_equal(unlink(path), 0);
    }
    restart(f);
    assert_int_equal(scan(f).tasks, 1);
    assert_true(there(f, 1, ""));
    assert_true(there(f, 1, ".idx"));
    assert_false(there(f, 1, ".tmp"));
    assert_false(there(f, 2, ""));
}

static void test_not_kept(void **state)
{
    struct fixture *f = *state;
    make_task(f, 1);
    stop(f);
    start_with(f, "keep=false");
    assert_false(there(f, 1, ""));
    assert_false(there(f, 1, ".idx"));
    assert_int_equal(scan(f).tasks, 0);
}

/* A damaged index at start: the task goes, its neighbour stays. */
static void test_damage(void **state)
{
    struct fixture *f = *state;
    int fd;
    make_task(f, 1);
    make_task(f, 2);
    fd = open_file(f, 1, ".idx", O_WRONLY);
    assert_int_equal(pwrite(fd, "!", 1, 5 * INDEX_UNIT + 9), 1);
    close(fd);
    restart(f);
    assert_int_equal(scan(f).tasks, 1);
    assert_false(there(f, 1, ".idx"));
    assert_false(there(f, 1, ""));
    assert_true(there(f, 2, ""));
}

static void test_short_data(void **state)
{
    struct fixture *f = *state;
    struct seen seen;
    int fd;
    make_task(f, 1);
    fd = open_file(f, 1, "", O_WRONLY);
    assert_int_equal(ftruncate(fd, 2 * PIECE + 7), 0);
    close(fd);
    restart(f);
    seen = scan(f);
    assert_int_equal(seen.tasks, 1);
    assert_int_equal(seen.pieces, 2);
    assert_true(seen.checked);
}

/* Space that cannot be had is refused at once and leaves nothing. */
static void test_too_long(void **state)
{
    struct fixture *f = *state;
    struct statfs fs;
    char id[DTR_TASK_ID_LENGTH + 1];
    struct dtr_task_facts facts = facts_of(1, id);
    struct dtr_stored *stored;
    struct dtr_error err = {0};

    assert_int_equal(statfs(f->dir, &fs), 0);
    if (fs.f_type == TMPFS_MAGIC) {
        print_message("skipped: /tmp is a tmpfs, which is not asked to reserve\n");
        return;
    }
    facts.content_length = (uint64_t)1 << 55;
    assert_int_equal(f->ops->open(f->started.instance, &facts, &stored, &err), DTR_ENO_SPACE);
    assert_false(there(f, 1, ""));
    assert_false(there(f, 1, ".idx"));
    facts.content_length = DTR_LENGTH_UNKNOWN - 1;
    assert_int_equal(f->ops->open(f->started.instance, &facts, &stored, &err), DTR_EINVALID);
}

/* Fills a small file system: first the data, then the index meets the end. */
static void fill_disk(struct fixture *f)
{
    static const uint8_t bytes[PIECE] = {1};
    struct dtr_piece piece = {.length = 1};
    struct dtr_stored *big = open_task(f, 1), *small = open_task(f, 2);
    char id[DTR_TASK_ID_LENGTH + 1];
    uint64_t offset = 0;
    int status = DTR_OK;

    put(f, big, 0);
    while (status == DTR_OK) {
        offset += PIECE;
        status = f->ops->write(big, offset, bytes, PIECE, NULL);
    }
    assert_int_equal(status, DTR_ENO_SPACE);
    status = DTR_OK;
    for (piece.number = 1; status == DTR_OK && piece.number < 10000; piece.number++) {
        piece.offset = piece.number;
        status = f->ops->mark(big, &piece, NULL);
    }
    assert_int_equal(status, DTR_ENO_SPACE);
    piece.number--;

    (void)facts_of(2, id);
    f->ops->close(small);
    assert_int_equal(f->ops->evict(f->started.instance, id, NULL), DTR_OK);
    assert_int_equal(f->ops->mark(big, &piece, NULL), DTR_OK);
    f->ops->close(big);
    restart(f);
    {
        struct seen seen = scan(f);
        assert_int_equal(seen.tasks, 1);
        assert_int_equal(seen.pieces, piece.number + 1);
    }
}

static void test_disk_full(void **state)
{
    struct fixture *f = *state;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", f->dir, "tmpfs", 0, "size=1m") != 0) {
        print_message("skipped: mounting a small tmpfs needs root: %s\n", strerror(errno));
        return;
    }
    restart(f);
    fill_disk(f);
    stop(f);
    assert_int_equal(umount(f->dir), 0);
    start_with(f, "keep=true");
}

static bool in_page_cache(int fd)
{
    unsigned char resident[3] = {0};
    void *bytes = mmap(NULL, sizeof(resident) * PIECE, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(bytes != MAP_FAILED);
    assert_int_equal(mincore(bytes, sizeof(resident) * PIECE, resident), 0);
    (void)munmap(bytes, sizeof(resident) * PIECE);
    return (resident[0] | resident[1] | resident[2]) & 1;
}

static void test_cool(void **state)
{
    struct fixture *f = *state;
    char id[DTR_TASK_ID_LENGTH + 1];
    struct statfs fs;
    (void)facts_of(1, id);
    f->ops->cool(f->started.instance, id); /* not there */
    f->ops->cool(f->started.instance, "../../../../etc/passwd");
    make_task(f, 1);
    int fd = open_file(f, 1, "", O_RDONLY);
    assert_int_equal(fstatfs(fd, &fs), 0);
    assert_int_equal(fsync(fd), 0);
    assert_true(in_page_cache(fd));
    f->ops->cool(f->started.instance, id);
    if (fs.f_type == TMPFS_MAGIC || fs.f_type == OVERLAYFS_SUPER_MAGIC)
        print_message("a file system without a page cache of its own\n");
    else
        assert_false(in_page_cache(fd));
    close(fd);
}

/* A process that stores so many tasks and is killed in the middle of the next one. */
static void fill_and_die(struct fixture *f, unsigned count)
{
    int status = 0;
    stop(f);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        start_with(f, "keep=true");
        for (unsigned i = 0; i < count; i++)
            make_task(f, i);
        put(f, open_task(f, count), 1);
        (void)raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    start_with(f, "keep=true");
}

/* Of this process: what others do on the machine at the same time does not count. */
static uint64_t cpu_ns(void)
{
    struct timespec used;
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used), 0);
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

static void test_scan_after_a_kill_is_fast_and_complete(void **state)
{
    struct fixture *f = *state;
    uint64_t used_ns, limit_ns = 1000000000;
    struct seen seen;
#ifdef DTR_SANITIZED
    limit_ns *= 5;
#endif
    fill_and_die(f, 10000);
    used_ns = cpu_ns();
    seen = scan(f);
    used_ns = cpu_ns() - used_ns;
    assert_int_equal(seen.tasks, 10001);
    assert_int_equal(seen.pieces, 30001);
    assert_true(seen.checked);
    print_message("10,000 tasks in %llu ms of processor time\n", (unsigned long long)(used_ns / 1000000));
    assert_true(used_ns < limit_ns);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_lock),
        TEST(test_relative_dir),
        TEST(test_strays),
        TEST(test_not_kept),
        TEST(test_damage),
        TEST(test_short_data),
        TEST(test_too_long),
        cmocka_unit_test_setup_teardown(test_scan_after_a_kill_is_fast_and_complete, set_up_in_memory,
                                        tear_down),
        TEST(test_disk_full),
        TEST(test_cool)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
