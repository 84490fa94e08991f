/* What an earlier process stored is read again before anybody gets it, and while nothing goes on. */
#include "core/daemon/tasks/proof.h"

#include "core/base/digest.h"
#include "core/daemon/tasks/rig.h"
#include "core/loop/turn_until.h"
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static const char task_id[] = "5844f27a257287e9b734256bb25603d8005422ced8c0377f15063ec11963b25f";
static struct dtr_loop *control, *data;
static struct dtr_pool *pool;
static struct dtr_tasks *tasks;
static struct dtr_storage_ops storage;
static struct rig_script script;
static int withdrawn, told; /* calls; the latter of pieces */

/* --- the world outside ---------------------------------------------------------------------------------- */

static void on_withdrawn(void *context, const char *id)
{
    (void)context;
    assert_string_equal(id, task_id);
    withdrawn++;
}

static void on_piece(void *context, struct dtr_task *task, const struct dtr_piece *piece)
{
    (void)context;
    (void)task;
    told += piece != NULL;
}

static void nobody(void *context, struct dtr_task *task, const struct dtr_plan_action *action)
{
    (void)context;
    (void)task;
    (void)action;
}

static uint64_t scrub_rate(void *instance)
{
    (void)instance;
    return UINT64_C(1) << 40;
}

static void begin(void)
{
    struct dtr_error err;
    struct dtr_tasks_options options = {
        .control = control,
        .data = &data,
        .data_count = 1,
        .storage = &storage,
        .origin = &rig_origin,
        .origin_instance = &script,
        .connect_ms = 1000,
        .pool = pool,
        .withdrawn = on_withdrawn,
        .piece = on_piece,
        .outside = {.scheduler = nobody, .parent = nobody},
    };
    dtr_plan_config_default(&options.plan);
    options.plan.have_scheduler = false;
    script =
        (struct rig_script){.status = 200, .close_at = DTR_LENGTH_UNKNOWN, .silent_at = DTR_LENGTH_UNKNOWN};
    memcpy(rig_disk.bytes, rig_object, RIG_SIZE);
    rig_disk.marks = 0;
    rig_origin_requests = 0;
    withdrawn = told = 0;
    assert_int_equal(dtr_tasks_new(&options, &tasks, &err), DTR_OK);
}

static void set_flag(void *context)
{
    *(bool *)context = true;
}

static void finish(void)
{
    bool closed = false;
    dtr_tasks_close(tasks, set_flag, &closed);
    TURN_UNTIL(control, closed);
}

/* An earlier process has stored all of the object, or its first piece. */
static struct dtr_task *store(const char *headers, uint32_t count, bool checked)
{
    struct dtr_error err;
    const struct dtr_task_facts facts = {.task_id = task_id,
                                         .url = "http://o/x",
                                         .content_length = RIG_SIZE,
                                         .piece_length = RIG_PIECE,
                                         .headers = headers,
                                         .finished_at = 1};
    struct dtr_piece pieces[] = {
        {.number = 0, .length = RIG_PIECE, .has_crc32 = true},
        {.number = 1, .offset = RIG_PIECE, .length = RIG_SIZE - RIG_PIECE, .has_crc32 = true},
    };
    for (uint32_t i = 0; i < 2; i++)
        pieces[i].crc32 = dtr_crc32(0, rig_object + pieces[i].offset, (size_t)pieces[i].length);
    assert_int_equal(dtr_tasks_known(tasks, &facts, pieces, count, checked, &err), DTR_OK);
    return dtr_tasks_find(tasks, task_id);
}

/* --- readers -------------------------------------------------------------------------------------------- */

struct seen {
    uint64_t until;
    bool head, ended;
    struct dtr_error result;
    struct dtr_reader *reader;
};

static void on_head(void *context, uint64_t content_length, const char *headers)
{
    (void)headers;
    assert_int_equal(content_length, RIG_SIZE);
    ((struct seen *)context)->head = true;
}

/* Whoever is told of bytes may take them at once. */
static void on_readable(void *context, uint64_t until)
{
    struct seen *seen = context;
    assert_memory_equal(rig_disk.bytes + seen->until, rig_object + seen->until, until - seen->until);
    seen->until = until;
}

static void on_ended(void *context, const struct dtr_error *err)
{
    struct seen *seen = context;
    seen->ended = true;
    seen->result = *err;
}

static void read_it(struct seen *seen, uint64_t offset, bool local_only)
{
    static const struct dtr_reader_events events = {on_head, on_readable, on_ended};
    const struct dtr_read_request request = {.task_id = task_id,
                                             .url = "http://o/x",
                                             .offset = offset,
                                             .length = DTR_LENGTH_UNKNOWN,
                                             .local_only = local_only};
    struct dtr_error err;
    *seen = (struct seen){.until = offset};
    assert_int_equal(dtr_tasks_read(tasks, &request, &events, seen, &seen->reader, &err), DTR_OK);
}

/* --- tests ---------------------------------------------------------------------------------------------- */

static void what_is_right_is_served(void **state)
{
    (void)state;
    struct seen seen;
    begin();
    struct dtr_task *task = store("", 2, true);
    assert_non_null(dtr_task_piece(task, 0)); /* offered at once */
    assert_null(dtr_task_sound_piece(task, 0));
    read_it(&seen, 0, false);
    assert_int_equal(dtr_reader_here(seen.reader), RIG_SIZE);
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.until, RIG_SIZE);
    assert_non_null(dtr_task_sound_piece(task, 1));
    assert_int_equal(rig_origin_requests, 0);
    assert_int_equal(withdrawn, 0);
    assert_int_equal(rig_disk.marks, 0); /* it was marked in this boot already */
    dtr_reader_close(seen.reader);
    finish();
}

static void a_damaged_piece_comes_anew_and_alone(void **state)
{
    (void)state;
    struct seen seen;
    begin();
    struct dtr_task *task = store("ETag: \"v1\"\n", 2, true);
    rig_disk.bytes[RIG_PIECE + 5] ^= 4;
    read_it(&seen, 0, false);
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.until, RIG_SIZE);
    assert_int_equal(dtr_reader_here(seen.reader), RIG_PIECE);
    assert_int_equal(withdrawn, 1);
    assert_int_equal(rig_origin_requests, 1);
    assert_string_equal(rig_origin_url, "http://o/x");
    assert_non_null(dtr_task_sound_piece(task, 1));
    assert_true(dtr_task_facts(task)->finished_at > 1);
    dtr_reader_close(seen.reader);
    finish();
}

/* Nobody can tell that the origin still has the same object. */
static void without_a_version_all_of_it_comes_anew(void **state)
{
    (void)state;
    struct seen first, second;
    begin();
    (void)store("", 2, true);
    rig_disk.bytes[RIG_PIECE + 5] ^= 4;
    read_it(&first, 0, false);
    TURN_UNTIL(control, first.ended);
    assert_int_equal(first.result.code, DTR_ECORRUPT);
    assert_int_equal(dtr_reader_here(first.reader), 0);
    dtr_reader_close(first.reader);
    read_it(&second, 0, false);
    TURN_UNTIL(control, second.ended);
    assert_int_equal(second.result.code, DTR_OK);
    assert_int_equal(second.until, RIG_SIZE);
    assert_int_equal(withdrawn, 1);
    dtr_reader_close(second.reader);
    finish();
}

static void a_peer_waits_for_the_piece_that_it_asked_for(void **state)
{
    (void)state;
    struct seen seen;
    begin();
    struct dtr_task *task = store("ETag: \"v1\"\n", 2, true);
    rig_disk.bytes[5] ^= 4;
    assert_false(dtr_task_prove(task, 2));
    read_it(&seen, 0, true);
    TURN_UNTIL(control, seen.head);
    assert_int_equal(seen.until, 0);
    assert_true(dtr_task_prove(task, 1));
    TURN_UNTIL(control, told == 1);
    assert_non_null(dtr_task_sound_piece(task, 1));
    assert_false(dtr_task_prove(task, 1));
    assert_null(dtr_task_sound_piece(task, 0)); /* nobody asked */
    assert_int_equal(withdrawn, 0);
    assert_true(dtr_task_prove(task, 0));
    TURN_UNTIL(control, told == 2);
    assert_null(dtr_task_piece(task, 0));
    assert_int_equal(withdrawn, 1);
    assert_int_equal(rig_origin_requests, 0); /* it only takes what is here */
    dtr_reader_close(seen.reader);
    finish();
}

/* The machine went down: the data may be older than the index. */
static void after_a_power_loss_nothing_is_offered_unread(void **state)
{
    (void)state;
    struct seen seen;
    begin();
    struct dtr_task *task = store("ETag: \"v1\"\n", 2, false);
    assert_null(dtr_task_piece(task, 0));
    assert_null(dtr_task_piece(task, 1));
    read_it(&seen, 0, false);
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(rig_origin_requests, 0);
    assert_non_null(dtr_task_piece(task, 0));
    dtr_reader_close(seen.reader);
    finish();
    assert_int_equal(rig_disk.marks, 3); /* so that the next process offers them at once */
}

static void after_a_power_loss_the_rest_waits_for_the_part(void **state)
{
    (void)state;
    struct seen seen;
    begin();
    (void)store("ETag: \"v1\"\n", 1, false);
    rig_disk.bytes[100] ^= 1;
    read_it(&seen, RIG_PIECE, false);
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(withdrawn, 1);
    dtr_reader_close(seen.reader);
    finish();
}

static void what_cannot_be_read_is_damaged(void **state)
{
    (void)state;
    struct seen seen;
    char file[] = "/tmp/proof-test-XXXXXX";
    rig_disk_fd = mkstemp(file);
    assert_int_equal(unlink(file), 0);
    begin();
    (void)store("ETag: \"v1\"\n", 2, true);
    assert_int_equal(pwrite(rig_disk_fd, rig_object, RIG_PIECE, 0), RIG_PIECE); /* and then it ends */
    read_it(&seen, 0, false);
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(withdrawn, 1);
    dtr_reader_close(seen.reader);
    finish();
    (void)close(rig_disk_fd);
    rig_disk_fd = -1;
}

static void the_scrub_reads_what_nobody_uses(void **state)
{
    (void)state;
    storage.scrub_rate = scrub_rate;
    begin();
    struct dtr_task *task = store("ETag: \"v1\"\n", 2, false);
    TURN_UNTIL(control, told == 1);
    rig_disk.bytes[RIG_PIECE + 5] ^= 4;
    TURN_UNTIL(control, withdrawn == 1);
    assert_non_null(dtr_task_sound_piece(task, 0));
    assert_null(dtr_task_piece(task, 1));
    assert_int_equal(rig_origin_requests, 0); /* it comes when somebody needs it */
    finish();
    storage.scrub_rate = NULL;
}

static int set_up(void **state)
{
    (void)state;
    struct dtr_error err;
    rig_fill();
    storage = rig_storage;
    storage.size = sizeof(storage);
    if (dtr_loop_new("control", &control, &err) != DTR_OK || dtr_loop_new("data", &data, &err) != DTR_OK ||
        dtr_pool_new(2, 100, &pool, &err) != DTR_OK)
        return -1;
    return dtr_loop_start(data, &err);
}

static int tear_down(void **state)
{
    (void)state;
    dtr_pool_free(pool);
    dtr_loop_stop(data);
    dtr_loop_join(data);
    dtr_loop_free(data);
    dtr_loop_free(control);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_right_is_served),
        cmocka_unit_test(a_damaged_piece_comes_anew_and_alone),
        cmocka_unit_test(without_a_version_all_of_it_comes_anew),
        cmocka_unit_test(a_peer_waits_for_the_piece_that_it_asked_for),
        cmocka_unit_test(after_a_power_loss_nothing_is_offered_unread),
        cmocka_unit_test(after_a_power_loss_the_rest_waits_for_the_part),
        cmocka_unit_test(what_cannot_be_read_is_damaged),
        cmocka_unit_test(the_scrub_reads_what_nobody_uses),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
