/* output_path over the unix socket: whose file it becomes, what it replaces, and that a failure leaves
 * nothing. */
#include "core/daemon/upload/serve_rig.h"

#include "core/base/digest.h"
#include <dirent.h>
#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { SOMEBODY = 4711 };

static struct received got;
static char output[128], digest[SERVE_DIGEST];

static Common__V2__Download to_file(void)
{
    return serve_to_file(output);
}

static void give_digest(Common__V2__Download *download)
{
    serve_give_digest(download, digest);
}

/* Names in the folder, the socket not counted. */
static int entries(void)
{
    DIR *dir = opendir(rig.folder);
    struct dirent *entry;
    int count = 0;
    while (dir && (entry = readdir(dir)))
        count += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
    (void)closedir(dir);
    return count - 1;
}

static void expect_bytes(uint64_t offset, uint64_t length)
{
    serve_expect_file(output, offset, length);
}

static void put(const char *text)
{
    FILE *file = fopen(output, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
}

/* Waits until worker threads have dropped what they should. */
static void finish(void)
{
    serve_rig_stop(&rig);
    (void)unlink(output);
    assert_int_equal(entries(), -1);
}

static void the_file_is_there_when_the_call_ends_well(void **state)
{
    (void)state;
    Common__V2__Download download = to_file();
    give_digest(&download);
    serve_rig_begin(&rig);
    serve_download_all(&rig, rig.local, &got, &download);
    assert_int_equal(got.code, DTR_RPC_OK);
    assert_int_equal(got.pieces, 2);
    assert_int_equal(got.content, 0);
    expect_bytes(0, RIG_SIZE);
    assert_int_equal(entries(), 1);
    finish();
}

/* What was stored without a digest is checked on its way into the file. */
static void what_is_stored_is_checked_when_it_is_written(void **state)
{
    (void)state;
    Common__V2__Download download = to_file();
    serve_rig_begin(&rig);
    serve_download_all(&rig, rig.local, &got, &download);
    assert_int_equal(got.code, DTR_RPC_OK);
    assert_int_equal(unlink(output), 0);
    give_digest(&download);
    digest[20] = digest[20] == '0' ? '1' : '0';
    serve_download_all(&rig, rig.local, &got, &download);
    assert_int_equal(got.code, DTR_RPC_DATA_LOSS);
    assert_int_equal(entries(), 0);
    give_digest(&download);
    serve_download_all(&rig, rig.local, &got, &download);
    assert_int_equal(got.code, DTR_RPC_OK);
    expect_bytes(0, RIG_SIZE);
    finish();
}

static void a_part_is_written_as_a_part(void **state)
{
    (void)state;
    Common__V2__Range range = COMMON__V2__RANGE__INIT;
    Common__V2__Download download = to_file();
    range.start = RIG_PIECE - 7;
    range.length = 100;
    download.range = &range;
    serve_rig_begin(&rig);
    serve_download_all(&rig, rig.local, &got, &download);
    assert_int_equal(got.code, DTR_RPC_OK);
    expect_bytes(RIG_PIECE - 7, 100);
    finish();
}

static void over_the_network_no_file_is_written(void **state)
{
    (void)state;
    Common__V2__Download download = to_file();
    serve_rig_begin(&rig);
    serve_download_all(&rig, rig.peer, &got, &download);
    assert_int_equal(got.code, DTR_RPC_PERMISSION_DENIED);
    /* A seed's trigger carries the path of the one who asked first. */
    download.need_back_to_source = true;
    serve_download_all(&rig, rig.peer, &got, &download);
    assert_int_equal(got.code, DTR_RPC_OK);
    assert_int_equal(got.pieces, 2);
    assert_int_equal(entries(), 0);
    finish();
}

static void what_is_there_is_refused_or_replaced(void **state)
{
    (void)state;
    Common__V2__Download download = to_file();
    struct stat before, after;
    serve_rig_begin(&rig);
    put("mine");
    assert_int_equal(stat(output, &before), 0);
    serve_download_all(&rig, rig.local, &got, &download);
    assert_int_equal(got.code, DTR_RPC_ALREADY_EXISTS);
    assert_int_equal(got.started, 0);
    assert_non_null(strstr(got.text, output));
    download.overwrite = true;
    serve_download_all(&rig, rig.local, &got, &download);
    assert_int_equal(got.code, DTR_RPC_OK);
    assert_int_equal(stat(output, &after), 0);
    assert_int_not_equal(before.st_ino, after.st_ino);
    expect_bytes(0, RIG_SIZE);
    finish();
}

static void a_failure_leaves_nothing(void **state)
{
    (void)state;
    Common__V2__Download download = to_file();
    serve_rig_begin(&rig);
    give_digest(&download);
    digest[20] = digest[20] == '0' ? '1' : '0';
    serve_download_all(&rig, rig.local, &got, &download);
    assert_int_equal(got.code, DTR_RPC_DATA_LOSS);
    rig.script.status = 404;
    download.url = (char *)(uintptr_t) "http://o.test/other";
    download.has_digest_case = 0;
    serve_download_all(&rig, rig.local, &got, &download);
    assert_int_equal(got.code, DTR_RPC_INTERNAL);
    (void)snprintf(output, sizeof(output), "relative");
    serve_download_all(&rig, rig.local, &got, &download);
    assert_int_equal(got.code, DTR_RPC_INVALID_ARGUMENT);
    (void)snprintf(output, sizeof(output), "%s/missing/x", rig.folder);
    serve_download_all(&rig, rig.local, &got, &download);
    assert_int_equal(got.code, DTR_RPC_NOT_FOUND);
    assert_int_equal(entries(), 0);
    finish();
}

static void a_caller_that_leaves_gets_no_file(void **state)
{
    (void)state;
    Common__V2__Download download = to_file();
    serve_rig_begin(&rig);
    rig.script.silent_at = RIG_BLOCK;
    serve_download(&rig, rig.local, &got, &download);
    SERVE_UNTIL(&rig, got.started);
    dtr_rpc_call_cancel(got.call);
    SERVE_UNTIL(&rig, dtr_list_empty(&rig.daemon.upload->orders));
    serve_rig_stop(&rig);
    assert_int_equal(entries(), -1);
}

/* --- links ---------------------------------------------------------------------------------------- */

static void only_a_forced_link_is_a_link(void **state)
{
    (void)state;
    char stored[160];
    struct stat one, two;
    Common__V2__Download download = to_file();
    serve_rig_begin(&rig);
    download.force_hard_link = true;
    serve_download_all(&rig, rig.local, &got, &download);
    assert_int_equal(got.code, DTR_RPC_UNIMPLEMENTED); /* the bytes are in memory */
    assert_int_equal(entries(), 0);
    serve_rig_stop(&rig);

    (void)snprintf(stored, sizeof(stored), "%s/stored", rig.folder);
    rig_disk_fd = open(stored, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(rig_disk_fd >= 0);
    serve_rig_begin(&rig);
    serve_download_all(&rig, rig.local, &got, &download);
    assert_int_equal(got.code, DTR_RPC_OK);
    assert_int_equal(stat(stored, &one) | stat(output, &two), 0);
    assert_int_equal(one.st_ino, two.st_ino);
    download.force_hard_link = false;
    download.overwrite = true;
    serve_download_all(&rig, rig.local, &got, &download);
    assert_int_equal(got.code, DTR_RPC_OK);
    assert_int_equal(stat(output, &two), 0);
    assert_int_not_equal(one.st_ino, two.st_ino);
    expect_bytes(0, RIG_SIZE);
    (void)close(rig_disk_fd);
    rig_disk_fd = -1;
    (void)unlink(stored);
    finish();
}

/* --- callers -------------------------------------------------------------------------------------- */

/* The client's connection is made as somebody else: its end of the socket says so for good. */
static void connect_as_somebody(void)
{
    Common__V2__Download download = COMMON__V2__DOWNLOAD__INIT;
    gid_t none[1] = {SOMEBODY};
    assert_int_equal(syscall(SYS_setgroups, 1, none), 0);
    assert_int_equal(syscall(SYS_setresgid, -1, SOMEBODY, -1), 0);
    assert_int_equal(syscall(SYS_setresuid, -1, SOMEBODY, -1), 0);
    serve_download_all(&rig, rig.local, &got, &download);
    assert_int_equal(syscall(SYS_setresuid, -1, 0, -1), 0);
    assert_int_equal(syscall(SYS_setresgid, -1, 0, -1), 0);
    assert_int_equal(syscall(SYS_setgroups, 0, none), 0);
}

static void the_file_is_the_callers(void **state)
{
    (void)state;
    Common__V2__Download download = to_file();
    struct stat st;
    if (geteuid() != 0)
        skip();
    serve_rig_begin(&rig);
    connect_as_somebody();
    serve_download_all(&rig, rig.local, &got, &download);
    assert_int_equal(got.code, DTR_RPC_OK);
    assert_int_equal(stat(output, &st), 0);
    assert_int_equal(st.st_uid, SOMEBODY);
    assert_int_equal(st.st_gid, SOMEBODY);
    expect_bytes(0, RIG_SIZE);
    finish();
}

static void what_the_caller_may_not_write_is_not_written(void **state)
{
    (void)state;
    Common__V2__Download download = to_file();
    struct stat st;
    if (geteuid() != 0)
        skip();
    serve_rig_begin(&rig);
    connect_as_somebody();
    assert_int_equal(chmod(rig.folder, 0775), 0); /* root's, and its group's */
    serve_download_all(&rig, rig.local, &got, &download);
    assert_int_equal(got.code, DTR_RPC_PERMISSION_DENIED);
    assert_int_equal(entries(), 0);
    /* Of a group that the caller is in, it is. */
    assert_int_equal(chown(rig.folder, 0, SOMEBODY), 0);
    serve_download_all(&rig, rig.local, &got, &download);
    assert_int_equal(got.code, DTR_RPC_OK);
    assert_int_equal(stat(output, &st), 0);
    assert_int_equal(st.st_uid, SOMEBODY);
    finish();
}

static struct {
    struct dtr_job job;
    sem_t go_on;
} stuck;

static void wait_for_word(struct dtr_job *job)
{
    (void)job;
    (void)sem_wait(&stuck.go_on);
}

/* A caller's file system that does not answer is that caller's trouble: digests are computed elsewhere. */
static void a_file_that_hangs_holds_up_no_other_download(void **state)
{
    (void)state;
    Common__V2__Download download = COMMON__V2__DOWNLOAD__INIT;
    char hex[65], url[128];
    serve_rig_begin(&rig);
    (void)sem_init(&stuck.go_on, 0, 0);
    stuck.job.run = wait_for_word;
    assert_int_equal(dtr_pool_submit(rig.files, &stuck.job, NULL), DTR_OK);
    dtr_sha256_hex(rig_object, RIG_SIZE, hex);
    (void)snprintf(url, sizeof(url), "http://o.test/v2/a/blobs/sha256:%s", hex);
    download.url = url;
    serve_download_all(&rig, rig.local, &got, &download);
    assert_int_equal(got.code, DTR_RPC_OK);
    assert_int_equal(got.pieces, 2);
    (void)sem_post(&stuck.go_on);
    finish();
}

static int set_up(void **state)
{
    int rc = serve_set_up(state);
    (void)snprintf(output, sizeof(output), "%s/out", rig.folder);
    return rc;
}

#define OUTPUT_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, serve_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OUTPUT_TEST(the_file_is_there_when_the_call_ends_well),
        OUTPUT_TEST(what_is_stored_is_checked_when_it_is_written),
        OUTPUT_TEST(a_part_is_written_as_a_part),
        OUTPUT_TEST(over_the_network_no_file_is_written),
        OUTPUT_TEST(what_is_there_is_refused_or_replaced),
        OUTPUT_TEST(a_failure_leaves_nothing),
        OUTPUT_TEST(a_caller_that_leaves_gets_no_file),
        OUTPUT_TEST(only_a_forced_link_is_a_link),
        OUTPUT_TEST(the_file_is_the_callers),
        OUTPUT_TEST(what_the_caller_may_not_write_is_not_written),
        OUTPUT_TEST(a_file_that_hangs_holds_up_no_other_download),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
