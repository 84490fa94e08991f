/* Tasks that leave the store: for want of room, and when somebody deletes them. */
#include "core/daemon/tasks/task_fixture.h"

#include <stdlib.h>

/* --- a full disk --------------------------------------------------------------------------------------- */

static struct dtr_storage_ops small_storage;

static int write_a_bit(struct dtr_stored *stored, uint64_t offset, const void *bytes, size_t length,
                       struct dtr_error *err)
{
    if (offset + length > RIG_PIECE / 2)
        return dtr_error_set(err, DTR_ENO_SPACE, DTR_RETRY_SAME, "no room");
    return rig_storage.write(stored, offset, bytes, length, err);
}

/* Who reads it keeps what is there, and hears at once that there will be no more; then the room is free. */
static void what_finds_no_room_leaves_the_store(void **state)
{
    (void)state;
    struct seen first, second;
    begin(false);
    small_storage = rig_storage;
    small_storage.write = write_a_bit;
    tasks->options.storage = &small_storage;
    read_range(&first, 0, DTR_LENGTH_UNKNOWN);
    read_range(&second, RIG_PIECE, DTR_LENGTH_UNKNOWN);
    TURN_UNTIL(control, first.ended);
    TURN_UNTIL(control, second.ended);
    assert_int_equal(first.result.code, DTR_ENO_SPACE);
    assert_int_equal(second.result.code, DTR_ENO_SPACE);
    assert_true(first.until > 0 && first.until <= RIG_PIECE / 2);
    assert_memory_equal(rig_disk.bytes, rig_object, first.until);
    dtr_reader_close(second.reader);
    dtr_reader_close(first.reader);
    TURN_UNTIL(control, !dtr_tasks_find(tasks, task_id));
    assert_int_equal(rig_disk.bytes[1], 0); /* byte 1 of the object is not 0 */
    small_storage.write = rig_storage.write;
    pull_whole();
    finish();
}

/* --- deleting ---------------------------------------------------------------------------------------------
 */

struct deletion {
    bool over;
    struct dtr_error result;
};

static void on_deleted(void *context, const struct dtr_error *err)
{
    struct deletion *deletion = context;
    assert_false(deletion->over);
    deletion->over = true;
    deletion->result = *err;
}

static void what_is_deleted_leaves_the_store(void **state)
{
    (void)state;
    struct deletion deletion = {0};
    struct dtr_error err;
    begin(false);
    assert_int_equal(dtr_tasks_delete(tasks, task_id, on_deleted, &deletion, &err), DTR_ENOT_FOUND);
    pull_whole();
    assert_int_equal(rig_disk.marks, 3);
    assert_int_equal(dtr_tasks_delete(tasks, task_id, on_deleted, &deletion, &err), DTR_OK);
    assert_int_equal(dtr_tasks_delete(tasks, task_id, on_deleted, &deletion, &err), DTR_EUNAVAILABLE);
    TURN_UNTIL(control, deletion.over);
    assert_int_equal(deletion.result.code, DTR_OK);
    assert_int_equal(rig_disk.marks, 0);
    assert_null(dtr_tasks_find(tasks, task_id));
    pull_whole(); /* as if it had never been there */
    finish();
}

static void what_is_in_use_is_not_deleted(void **state)
{
    (void)state;
    struct deletion deletion = {0};
    struct dtr_error err;
    struct seen seen;
    begin(false);
    script.silent_at = RIG_BLOCK;
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    TURN_UNTIL(control, seen.head);
    assert_int_equal(dtr_tasks_delete(tasks, task_id, on_deleted, &deletion, &err), DTR_EUNAVAILABLE);
    assert_non_null(strstr(err.text, "in use"));
    dtr_reader_close(seen.reader);
    /* The transfer is still on its way out; that is waited for. */
    assert_int_equal(dtr_tasks_delete(tasks, task_id, on_deleted, &deletion, &err), DTR_OK);
    assert_false(deletion.over);
    TURN_UNTIL(control, deletion.over);
    assert_int_equal(deletion.result.code, DTR_OK);
    finish();
}

static void a_reader_keeps_what_is_not_yet_deleted(void **state)
{
    (void)state;
    struct deletion deletion = {0};
    struct dtr_error err;
    struct seen seen;
    begin(false);
    pull_whole();
    script.status = 500; /* it must come from the store */
    assert_int_equal(dtr_tasks_delete(tasks, task_id, on_deleted, &deletion, &err), DTR_OK);
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    assert_true(deletion.over);
    assert_int_equal(deletion.result.code, DTR_EUNAVAILABLE);
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    dtr_reader_close(seen.reader);
    finish();
}

/* The reader comes while the data thread evicts: it gets the object anew. */
static void a_reader_of_what_is_being_deleted_pulls_it_anew(void **state)
{
    (void)state;
    struct deletion deletion = {0};
    struct dtr_error err;
    begin(false);
    pull_whole();
    TURN_UNTIL(control, dtr_tasks_find(tasks, task_id)->state == COPY_CLOSED);
    assert_int_equal(dtr_tasks_delete(tasks, task_id, on_deleted, &deletion, &err), DTR_OK);
    assert_int_equal(dtr_tasks_find(tasks, task_id)->state, COPY_EVICTING);
    pull_whole();
    assert_true(deletion.over);
    assert_int_equal(deletion.result.code, DTR_OK);
    assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
    assert_int_equal(rig_disk.marks, 3);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_finds_no_room_leaves_the_store),
        cmocka_unit_test(what_is_deleted_leaves_the_store),
        cmocka_unit_test(what_is_in_use_is_not_deleted),
        cmocka_unit_test(a_reader_keeps_what_is_not_yet_deleted),
        cmocka_unit_test(a_reader_of_what_is_being_deleted_pulls_it_anew),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
