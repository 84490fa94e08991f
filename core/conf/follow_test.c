/* A followed file by example: good, changed, bad, gone, and an owner that goes during a look. */
#include "core/conf/follow.h"

#include "core/base/str.h"
#include "core/loop/turn_until.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { INTERVAL_MS = 20 };

static char folder[] = "/tmp/dtr-follow-XXXXXX", path[64];
static struct dtr_loop *loop;
static struct {
    struct dtr_str words; /* what the owner heard, without repetitions of `taken` */
    int64_t limit;        /* of the file that was taken last */
    int taken;
    char found[64], said[300];
} owner;
static _Atomic int looks;
/* Of one file alone: closing leaves a look to its thread, which may go on during the next test. */
#define LONE_FILE "lone.yaml"
#define LONE_ADDR "lone:1"
static _Atomic int lone_looks, lone_drops;
static _Atomic bool refuse, block;

static int look(const char *file, const struct dtr_conf *conf, void **ret_found, struct dtr_error *err)
{
    char place[100];
    while (atomic_load(&block))
        (void)usleep(1000);
    looks++;
    lone_looks += strstr(file, LONE_FILE) != NULL;
    if (atomic_load(&refuse)) {
        dtr_follow_place(file, conf, "scheduler.addr", place, sizeof(place));
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_SAME, "%s: nobody knows it", place);
    }
    const char *addr = dtr_conf_dynconfig(conf)->scheduler.addr;
    *ret_found = strdup(addr ? addr : "none");
    return DTR_OK;
}

static void drop(void *found)
{
    lone_drops += strcmp(found, LONE_ADDR) == 0;
    free(found);
}

static void taken(void *context, const struct dtr_conf *conf, const void *found)
{
    assert_ptr_equal(context, &owner);
    owner.taken++;
    owner.limit = dtr_conf_dynconfig(conf)->filter_parent_limit;
    (void)snprintf(owner.found, sizeof(owner.found), "%s", (const char *)found);
}

static void said(void *context, int code, const char *text)
{
    assert_ptr_equal(context, &owner);
    dtr_str_printf(&owner.words, "%d ", code);
    (void)snprintf(owner.said, sizeof(owner.said), "%s", text);
}

static const struct dtr_follow_events events = {.look = look, .drop = drop, .taken = taken, .said = said};

static void turn_until(bool (*until)(int64_t number), int64_t number)
{
    TURN_UNTIL(loop, until(number));
}

static bool is_limit(int64_t number)
{
    return owner.limit == number;
}

static bool is_taken(int64_t number)
{
    return owner.taken >= number;
}

static bool is_said(int64_t number)
{
    (void)number;
    return owner.said[0] != '\0';
}

static bool is_looked(int64_t number)
{
    return atomic_load(&looks) >= number;
}

static void write_young(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

/* As if it had been written long ago. */
static void write_file(const char *text)
{
    const struct timespec times[] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    write_young(text);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static struct dtr_follow *follow(void)
{
    struct dtr_follow *opened = NULL;
    struct dtr_error err;
    assert_int_equal(
        dtr_follow_open(loop, DTR_ROLE_DYNCONFIG, path, INTERVAL_MS, &events, &owner, &opened, &err), DTR_OK);
    return opened;
}

static int begin(void **state)
{
    (void)state;
    struct dtr_error err;
    dtr_str_free(&owner.words);
    memset(&owner, 0, sizeof(owner));
    looks = 0;
    atomic_store(&refuse, false);
    atomic_store(&block, false);
    (void)unlink(path);
    return dtr_loop_new("test", &loop, &err);
}

static int end(void **state)
{
    (void)state;
    dtr_loop_free(loop);
    return 0;
}

static void changes_are_taken(void **state)
{
    (void)state;
    write_file("schedulerClusterConfig: {filterParentLimit: 7}\nscheduler: {addr: 'a:1'}\n");
    struct dtr_follow *opened = follow();
    turn_until(is_limit, 7);
    assert_string_equal(owner.found, "a:1");
    write_file("schedulerClusterConfig: {filterParentLimit: 8}\n");
    turn_until(is_limit, 8);
    assert_string_equal(owner.found, "none");
    assert_string_equal(dtr_str_text(&owner.words), "");
    dtr_follow_close(opened);
}

static void a_bad_file_is_said_once_and_not_taken(void **state)
{
    (void)state;
    write_file("schedulerClusterConfig: {filterParentLimit: 7}\n");
    struct dtr_follow *opened = follow();
    turn_until(is_limit, 7);
    write_file("# hm\nschedulerClusterConfig: {filterParentLimit: 0}\n");
    turn_until(is_said, 0);
    assert_non_null(strstr(owner.said, ":2: schedulerClusterConfig.filterParentLimit is \"0\""));
    assert_int_equal(owner.limit, 7);
    write_file("schedulerClusterConfig: {filterParentLimit: 9}\n");
    turn_until(is_limit, 9);
    assert_string_equal(dtr_str_text(&owner.words), "-2 ");
    dtr_follow_close(opened);
}

static void what_the_look_refuses_is_bad_too(void **state)
{
    (void)state;
    write_file("scheduler: {addr: 'a:1'}\n");
    atomic_store(&refuse, true);
    struct dtr_follow *opened = follow();
    turn_until(is_said, 0);
    char expected[100];
    (void)snprintf(expected, sizeof(expected), "%s:1: scheduler.addr: nobody knows it", path);
    assert_string_equal(owner.said, expected);
    turn_until(is_looked, 4);
    assert_string_equal(dtr_str_text(&owner.words), "-3 ");
    assert_int_equal(owner.taken, 0);
    atomic_store(&refuse, false);
    turn_until(is_taken, 1);
    assert_string_equal(owner.found, "a:1");
    dtr_follow_close(opened);
}

static void a_missing_file_may_come(void **state)
{
    (void)state;
    struct dtr_follow *opened = follow();
    turn_until(is_said, 0);
    assert_non_null(strstr(owner.said, "cannot be opened"));
    write_file("schedulerClusterConfig: {filterParentLimit: 7}\n");
    turn_until(is_limit, 7);
    dtr_follow_close(opened);
}

static void unknown_keys_are_said_and_the_rest_is_taken(void **state)
{
    (void)state;
    write_file("schedulerClusterConfig: {filterParentLimit: 7}\nshceduler: {addr: 'a:1'}\n");
    struct dtr_follow *opened = follow();
    turn_until(is_taken, 3);
    assert_non_null(strstr(owner.said, ":2: shceduler is not a known key"));
    assert_string_equal(dtr_str_text(&owner.words), "0 ");
    dtr_follow_close(opened);
}

static void a_file_that_is_being_written_is_left_alone(void **state)
{
    (void)state;
    struct stat info;
    struct timespec now;
    write_young("schedulerClusterConfig: {filterParentLimit: 7}\n");
    assert_int_equal(stat(path, &info), 0);
    struct dtr_follow *opened = follow();
    turn_until(is_limit, 7);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    int64_t age_ms =
        (int64_t)(now.tv_sec - info.st_mtim.tv_sec) * 1000 + (now.tv_nsec - info.st_mtim.tv_nsec) / 1000000;
    assert_true(age_ms >= 100);
    dtr_follow_close(opened);
}

static void the_owner_may_go_during_a_look(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof(path), "%s/" LONE_FILE, folder);
    write_file("scheduler: {addr: '" LONE_ADDR "'}\n");
    atomic_store(&block, true);
    struct dtr_follow *opened = follow();
    dtr_follow_close(opened);
    atomic_store(&block, false);
    TURN_UNTIL_BY(loop, false, atomic_load(&lone_drops) > 0); /* on the look's thread */
    assert_int_equal(lone_looks, 1);
    assert_int_equal(lone_drops, 1);
    assert_int_equal(owner.taken, 0);
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/dynconfig.yaml", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    dtr_str_free(&owner.words);
    (void)unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(changes_are_taken, begin, end),
        cmocka_unit_test_setup_teardown(a_bad_file_is_said_once_and_not_taken, begin, end),
        cmocka_unit_test_setup_teardown(what_the_look_refuses_is_bad_too, begin, end),
        cmocka_unit_test_setup_teardown(a_missing_file_may_come, begin, end),
        cmocka_unit_test_setup_teardown(unknown_keys_are_said_and_the_rest_is_taken, begin, end),
        cmocka_unit_test_setup_teardown(a_file_that_is_being_written_is_left_alone, begin, end),
        cmocka_unit_test_setup_teardown(the_owner_may_go_during_a_look, begin, end),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
