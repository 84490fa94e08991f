/* Every system call and every allocation of the store fails once, at every place of a store's day. The call
 * that was asked for says so or does without; nothing leaks; the next process opens the store and finds what
 * was marked, and nothing that was not. */
#include "faults.h"

#include <darter/storage.h>
#include <darter/testhost.h>

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { PIECE = 8192, PIECES = 4, OLD = 0, NEW, GONE, TASKS };

/* What the next process may find of a piece. */
enum expected { ABSENT, PERHAPS, THERE };

struct day {
    char dir[64], setting[80];
    struct dtr_testmodule started;
    const struct dtr_storage_ops *ops;
    struct dtr_error err;
    enum expected pieces[TASKS][PIECES];
    bool task_there[TASKS]; /* surely */
    uint32_t found;         /* tasks reported by a scan */
    bool failed;            /* a call has said so */
    const char *what;       /* which one */
};

static void fill(unsigned task, uint32_t number, uint8_t bytes[PIECE])
{
    for (size_t i = 0; i < PIECE; i++)
        bytes[i] = (uint8_t)(1 + i * 7 + number * 31 + task * 101);
}

static struct dtr_task_facts facts_of(unsigned task, uint64_t length, char id[DTR_TASK_ID_LENGTH + 1])
{
    (void)snprintf(id, DTR_TASK_ID_LENGTH + 1, "%x%063x", task, task);
    return (struct dtr_task_facts){.task_id = id,
                                   .url = "http://origin.example/",
                                   .headers = "",
                                   .content_length = length,
                                   .piece_length = PIECE,
                                   .created_at = 1};
}

/* One call of the day: false when it failed, and then it has to say why. */
static bool good(struct day *day, const char *what, int status)
{
    if (status == DTR_OK)
        return true;
    day->failed = true;
    day->what = what;
    assert_true(status < 0);
    assert_int_equal(day->err.code, status);
    assert_true(strlen(day->err.text) > 5);
    return false;
}

static bool start(struct day *day)
{
    const char *settings[] = {day->setting};
    return good(day, "start",
                dtr_testhost_start(dtr_module_open(dtr_testhost()), settings, 1, &day->started, &day->err));
}

static unsigned open_files(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* --- scan ------------------------------------------------------------------------------------------------
 */

static void count_task(void *context, const struct dtr_task_facts *facts, const struct dtr_piece *pieces,
                       uint32_t count, bool checked)
{
    (void)facts;
    (void)pieces;
    (void)count;
    (void)checked;
    ((struct day *)context)->found++;
}

static bool scan(struct day *day)
{
    const struct dtr_scan_sink sink = {.task = count_task, .context = day};
    day->found = 0;
    return good(day, "scan", day->ops->scan(day->started.instance, &sink, &day->err));
}

/* --- the day ---------------------------------------------------------------------------------------------
 */

static bool put(struct day *day, struct dtr_stored *stored, unsigned task, uint32_t number)
{
    uint8_t bytes[PIECE];
    struct dtr_piece piece = {
        .number = number, .offset = (uint64_t)number * PIECE, .length = PIECE, .crc32 = task * 100 + number};
    enum expected *expected = &day->pieces[task][number];
    fill(task, number, bytes);
    if (!good(day, "write", day->ops->write(stored, piece.offset, bytes, PIECE, &day->err)))
        return false;
    *expected = *expected == THERE ? THERE : PERHAPS;
    if (!good(day, "mark", day->ops->mark(stored, &piece, &day->err)))
        return false;
    *expected = THERE;
    return true;
}

static bool withdraw(struct day *day, struct dtr_stored *stored, unsigned task, uint32_t number)
{
    day->pieces[task][number] = PERHAPS;
    if (!good(day, "unmark", day->ops->unmark(stored, number, 1, &day->err)))
        return false;
    day->pieces[task][number] = ABSENT;
    return true;
}

static bool read_back(struct day *day, struct dtr_stored *stored, unsigned task, uint32_t number)
{
    uint8_t bytes[PIECE], right[PIECE];
    struct dtr_extent extent;
    fill(task, number, right);
    if (!good(day, "read", day->ops->read(stored, number * PIECE, bytes, PIECE, &day->err)))
        return false;
    assert_memory_equal(bytes, right, PIECE);
    if (!good(day, "lease", day->ops->lease(stored, number * PIECE, PIECE, &extent, &day->err)))
        return false;
    dtr_extent_release(&extent);
    return true;
}

static bool open_task(struct day *day, unsigned task, uint64_t length, struct dtr_stored **ret)
{
    char id[DTR_TASK_ID_LENGTH + 1];
    struct dtr_task_facts facts = facts_of(task, length, id);
    return good(day, "open", day->ops->open(day->started.instance, &facts, ret, &day->err));
}

static bool update(struct day *day, struct dtr_stored *stored, unsigned task)
{
    char id[DTR_TASK_ID_LENGTH + 1];
    struct dtr_task_facts facts = facts_of(task, PIECES * PIECE, id);
    facts.headers = "ETag: \"a\"\n";
    facts.finished_at = 9;
    return good(day, "update", day->ops->update(stored, &facts, &day->err));
}

static void fill_new(struct day *day)
{
    struct dtr_stored *stored;
    if (!open_task(day, NEW, PIECES * PIECE, &stored))
        return;
    day->task_there[NEW] = true;
    if (put(day, stored, NEW, 0) && put(day, stored, NEW, 1) && withdraw(day, stored, NEW, 0) &&
        update(day, stored, NEW) && put(day, stored, NEW, 2) && put(day, stored, NEW, 0))
        (void)read_back(day, stored, NEW, 2);
    day->ops->close(stored);
}

static void add_to_old(struct day *day)
{
    struct dtr_stored *stored;
    if (!open_task(day, OLD, PIECES * PIECE, &stored))
        return;
    if (withdraw(day, stored, OLD, 1))
        (void)put(day, stored, OLD, 3);
    day->ops->close(stored);
}

static void come_and_go(struct day *day)
{
    char id[DTR_TASK_ID_LENGTH + 1];
    struct dtr_task_facts facts = facts_of(GONE, DTR_LENGTH_UNKNOWN, id);
    struct dtr_stored *stored;
    bool full;
    if (!open_task(day, GONE, DTR_LENGTH_UNKNOWN, &stored))
        return;
    full = put(day, stored, GONE, 0) && update(day, stored, GONE);
    day->ops->close(stored);
    if (!full)
        return;
    day->pieces[GONE][0] = PERHAPS;
    if (good(day, "evict", day->ops->evict(day->started.instance, facts.task_id, &day->err)))
        day->pieces[GONE][0] = ABSENT;
}

/* Ends at the first call that fails, as its caller would. */
static void live(struct day *day)
{
    uint64_t total, used;
    if (!start(day))
        return;
    if (scan(day))
        add_to_old(day);
    if (!day->failed)
        fill_new(day);
    if (!day->failed)
        come_and_go(day);
    if (!day->failed)
        (void)good(day, "usage", day->ops->usage(day->started.instance, &total, &used, &day->err));
    dtr_testhost_stop(&day->started);
}

/* --- the next day ----------------------------------------------------------------------------------------
 */

struct found {
    struct day *day;
    bool seen[TASKS];
    enum expected pieces[TASKS][PIECES];
};

static void see(void *context, const struct dtr_task_facts *facts, const struct dtr_piece *pieces,
                uint32_t count, bool checked)
{
    struct found *found = context;
    unsigned task = (unsigned)(facts->task_id[0] - '0');
    assert_true(task < TASKS);
    assert_true(checked);
    found->seen[task] = true;
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(pieces[i].crc32, task * 100 + pieces[i].number);
        found->pieces[task][pieces[i].number] = THERE;
    }
}

static void check_bytes(struct day *day, const struct found *found, unsigned task)
{
    struct dtr_stored *stored;
    if (!found->seen[task])
        return;
    assert_true(open_task(day, task, DTR_LENGTH_UNKNOWN, &stored));
    for (uint32_t i = 0; i < PIECES; i++)
        if (found->pieces[task][i] == THERE)
            assert_true(read_back(day, stored, task, i));
    day->ops->close(stored);
}

static void look(struct day *day)
{
    struct found found = {.day = day};
    const struct dtr_scan_sink sink = {.task = see, .context = &found};
    day->failed = false;
    assert_true(start(day));
    assert_int_equal(day->ops->scan(day->started.instance, &sink, &day->err), DTR_OK);
    for (unsigned task = 0; task < TASKS; task++) {
        if (day->task_there[task])
            assert_true(found.seen[task]);
        for (uint32_t i = 0; i < PIECES; i++) {
            if (day->pieces[task][i] != PERHAPS)
                assert_int_equal(found.pieces[task][i], day->pieces[task][i]);
        }
        check_bytes(day, &found, task);
    }
    dtr_testhost_stop(&day->started);
}

/* --- one fault after the other -----------------------------------------------------------------------------
 */

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

/* A store that an earlier process has left. */
static void begin(struct day *day, const char *where)
{
    struct dtr_stored *stored;
    *day = (struct day){.ops = dtr_testhost_ops(dtr_module_open(dtr_testhost()), "storage")};
    (void)snprintf(day->dir, sizeof(day->dir), "%s/storage-fault-test-XXXXXX", where);
    assert_non_null(mkdtemp(day->dir));
    (void)snprintf(day->setting, sizeof(day->setting), "dir=%s/store", day->dir);
    assert_true(start(day));
    assert_true(open_task(day, OLD, PIECES * PIECE, &stored));
    assert_true(put(day, stored, OLD, 0) && put(day, stored, OLD, 1) && put(day, stored, OLD, 2));
    day->ops->close(stored);
    day->task_there[OLD] = true;
    dtr_testhost_stop(&day->started);
}

/* Whether the day came to its end without the fault. */
static bool try(enum fault_kind kind, int number, unsigned nth, bool may_fail, const char *where)
{
    struct day day;
    const char *call;
    unsigned before;
    begin(&day, where);
    before = open_files();
    fault_start(kind, number, nth);
    live(&day);
    bool fired = fault_stop(&call);
    if (day.failed && (!fired || !may_fail))
        fail_msg("%s failed (%s %u): %s", day.what, fired ? call : "no fault", nth, day.err.text);
    if (day.failed && kind == FAULT_SPACE)
        assert_int_equal(day.err.code, DTR_ENO_SPACE);
    if (day.failed && kind == FAULT_MEMORY)
        assert_int_equal(day.err.code, DTR_ENOMEM);
    assert_int_equal(open_files(), before);
    look(&day);
    assert_int_equal(open_files(), before);
    (void)nftw(day.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return !fired;
}

static void sweep(enum fault_kind kind, int number, bool may_fail, unsigned at_least)
{
    static const char *const places[] = {"/tmp", "/dev/shm"}; /* the store does not allocate on tmpfs */
    for (size_t i = 0; i < 2; i++) {
        unsigned nth = 1;
        if (access(places[i], W_OK) != 0)
            continue;
        while (!try(kind, number, nth, may_fail, places[i]))
            nth++;
        assert_true(nth > at_least); /* else nothing was tried */
    }
}

static void every_call_fails_once(void **state)
{
    (void)state;
    sweep(FAULT_CALL, EIO, true, 60);
    sweep(FAULT_CALL, EMFILE, true, 60);
}

static void the_disk_is_full_at_every_call(void **state)
{
    (void)state;
    sweep(FAULT_SPACE, ENOSPC, true, 20);
    sweep(FAULT_SPACE, EDQUOT, true, 20);
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    sweep(FAULT_MEMORY, ENOMEM, true, 20);
}

static void short_and_interrupted_calls_go_on(void **state)
{
    (void)state;
    sweep(FAULT_SHORT, 0, false, 15);
    sweep(FAULT_SIGNAL, EINTR, false, 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_fails_once),
        cmocka_unit_test(the_disk_is_full_at_every_call),
        cmocka_unit_test(every_allocation_fails_once),
        cmocka_unit_test(short_and_interrupted_calls_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
