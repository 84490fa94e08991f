/* Tasks, readers and pulls: who is served from where, and what stays. */
#include "core/daemon/tasks/task_fixture.h"

#include "core/base/clock.h"
#include "core/brain/geometry.h"
#include <stdlib.h>

static void a_pull_without_scheduler_comes_from_the_origin(void **state)
{
    (void)state;
    struct seen seen;
    begin(false);
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.length, RIG_SIZE);
    assert_int_equal(seen.until, RIG_SIZE);
    assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
    dtr_reader_close(seen.reader);
    /* Again: from the store, the origin refuses by now. */
    script.status = 404;
    read_range(&seen, 100, 50);
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.until, 150);
    dtr_reader_close(seen.reader);
    finish();
}

static void two_readers_share_one_pull(void **state)
{
    (void)state;
    struct seen first, second;
    begin(false);
    read_range(&first, 0, DTR_LENGTH_UNKNOWN);
    read_range(&second, RIG_PIECE, 1000);
    TURN_UNTIL(control, second.ended);
    TURN_UNTIL(control, first.ended);
    assert_int_equal(first.result.code, DTR_OK);
    assert_int_equal(second.result.code, DTR_OK);
    assert_int_equal(second.until, RIG_PIECE + 1000);
    dtr_reader_close(first.reader);
    dtr_reader_close(second.reader);
    finish();
}

static void an_origins_refusal_reaches_the_reader(void **state)
{
    (void)state;
    struct seen seen;
    begin(false);
    script.status = 404;
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_EORIGIN);
    assert_int_equal(seen.result.status, 404);
    assert_false(seen.head);
    dtr_reader_close(seen.reader);
    finish();
}

static _Atomic int opened, evicted;

static int count_open(void *instance, const struct dtr_task_facts *facts, struct dtr_stored **ret_stored,
                      struct dtr_error *err)
{
    opened++;
    return rig_storage.open(instance, facts, ret_stored, err);
}

static int count_evict(void *instance, const char *id, struct dtr_error *err)
{
    evicted++;
    return rig_storage.evict(instance, id, err);
}

static void count_task(void *context, const struct dtr_task *task)
{
    (void)task;
    ++*(int *)context;
}

static int count_tasks(void)
{
    int count = 0;
    dtr_tasks_each(tasks, count_task, &count);
    return count;
}

/* Names that nobody has would fill table and store otherwise. */
static void what_is_not_there_leaves_nothing_behind(void **state)
{
    (void)state;
    enum { COUNT = 50 };
    struct seen seen[COUNT] = {0};
    struct dtr_storage_ops ops = rig_storage;
    ops.open = count_open;
    ops.evict = count_evict;
    begin(false);
    tasks->options.storage = &ops;
    script.status = 404;
    for (int i = 0; i < COUNT; i++) {
        char id[DTR_TASK_ID_LENGTH + 1];
        (void)snprintf(id, sizeof(id), "%064d", i);
        const struct dtr_read_request request = {
            .task_id = id, .url = "http://o/x", .length = DTR_LENGTH_UNKNOWN};
        read_as(&seen[i], &request);
    }
    for (int i = 0; i < COUNT; i++) {
        TURN_UNTIL(control, seen[i].ended);
        assert_int_equal(seen[i].result.status, 404);
        dtr_reader_close(seen[i].reader);
    }
    TURN_UNTIL(control, count_tasks() == 0);
    assert_int_equal(opened, COUNT);
    assert_int_equal(evicted, COUNT);
    finish();
}

static void read_from(struct seen *seen, const char *url, const char *headers, bool trusted)
{
    const struct dtr_read_request request = {
        .task_id = task_id, .url = url, .headers = headers, .trusted = trusted, .length = DTR_LENGTH_UNKNOWN};
    read_as(seen, &request);
}

/* A blob has one name wherever it lies; what one registry gave is no other's business. */
static void credentials_go_where_their_reader_meant(void **state)
{
    (void)state;
    struct seen first, second;
    begin(false);
    script.status = 404;
    read_from(&first, "http://a/x?sig=old", "Authorization: A\n", false);
    TURN_UNTIL(control, first.ended);
    dtr_reader_close(first.reader);
    assert_string_equal(rig_origin_url, "http://a/x?sig=old");
    script.status = 200;
    script.silent_at = RIG_PIECE;
    read_from(&first, "http://b/x", "Authorization: B\n", true);
    TURN_UNTIL(control, first.head);
    assert_string_equal(rig_origin_url, "http://b/x");
    assert_string_equal(rig_origin_headers, "Authorization: B\n");
    assert_true(rig_origin_trusted);
    /* While that one is at it, a stranger does not lead its pull elsewhere. */
    read_from(&second, "http://c/x", "Authorization: C\n", false);
    script.silent_at = DTR_LENGTH_UNKNOWN;
    TURN_UNTIL(control, first.ended);
    assert_int_equal(first.result.code, DTR_OK);
    assert_string_equal(rig_origin_url, "http://b/x");
    assert_string_equal(rig_origin_headers, "Authorization: B\n");
    dtr_reader_close(first.reader);
    dtr_reader_close(second.reader);
    finish();
}

/* Nor are its roots another's. */
static void a_pull_keeps_the_roots_that_it_began_with(void **state)
{
    (void)state;
    struct seen first, second, third;
    struct dtr_read_request request = {.task_id = task_id,
                                       .url = "https://a/x",
                                       .headers = "Authorization: A\n",
                                       .roots = "ROOTS",
                                       .length = DTR_LENGTH_UNKNOWN};
    begin(false);
    script.silent_at = RIG_PIECE;
    read_as(&first, &request);
    TURN_UNTIL(control, first.head);
    assert_string_equal(rig_origin_roots, "ROOTS");
    read_from(&second, "https://a/x", "Authorization: B\n", false);
    int asked = rig_origin_requests;
    script.close_at = RIG_PIECE; /* it is asked for the rest */
    TURN_UNTIL(control, rig_origin_requests > asked);
    script.silent_at = script.close_at = DTR_LENGTH_UNKNOWN;
    TURN_UNTIL(control, first.ended && second.ended);
    assert_int_equal(second.result.code, DTR_OK);
    assert_string_equal(rig_origin_headers, "Authorization: A\n");
    assert_string_equal(rig_origin_roots, "ROOTS");
    dtr_reader_close(first.reader);
    dtr_reader_close(second.reader);
    /* When it is over they are no other reader's. */
    TURN_UNTIL(control, task_idle(dtr_tasks_find(tasks, task_id)));
    read_from(&third, "https://a/x", "Authorization: C\n", false);
    TURN_UNTIL(control, third.ended);
    assert_string_equal(dtr_task_request_roots(dtr_tasks_find(tasks, task_id)), "");
    dtr_reader_close(third.reader);
    finish();
}

static void read_named(struct seen *seen, const char *url, bool named)
{
    const struct dtr_read_request request = {.task_id = task_id,
                                             .url = url,
                                             .headers = "Accept: */*\n",
                                             .named = named,
                                             .length = DTR_LENGTH_UNKNOWN};
    read_as(seen, &request);
    TURN_UNTIL(control, seen->ended);
    dtr_reader_close(seen->reader);
}

/* A stranger names any host: what is meant for the operator's does not go there. */
static void the_operators_headers_go_to_the_operators_hosts(void **state)
{
    (void)state;
    struct seen seen;
    begin(false);
    tasks->options.origin_headers = "X-Token: secret\n";
    script.status = 404;
    read_named(&seen, "http://evil/x", false);
    assert_string_equal(rig_origin_headers, "Accept: */*\n");
    read_named(&seen, "http://registry/x", true);
    assert_string_equal(rig_origin_headers, "Accept: */*\nX-Token: secret\n");
    read_named(&seen, "http://evil/x", false);
    assert_string_equal(rig_origin_headers, "Accept: */*\n");
    finish();
}

static void told_to_go_to_the_source_it_reports_every_piece(void **state)
{
    (void)state;
    struct seen seen;
    begin(true);
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    dtr_reader_close(seen.reader);
    finish();
    assert_string_equal(dtr_str_text(&said),
                        " stat_task register back_to_source_started back_to_source_piece_finished "
                        "back_to_source_piece_finished back_to_source_finished");
}

static void a_scheduler_that_is_back_is_asked_by_pulls_that_go_on_without(void **state)
{
    (void)state;
    struct seen seen;
    begin(true);
    scheduler_says = SAYS_NOTHING;
    script.silent_at = RIG_PIECE / 2;
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    TURN_UNTIL(control, seen.head);
    scheduler_says = SAYS_PARENT;
    dtr_tasks_scheduler_back(tasks);
    script.silent_at = DTR_LENGTH_UNKNOWN; /* on a slow machine the parent may be given up */
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.until, RIG_SIZE);
    assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
    dtr_reader_close(seen.reader);
    finish();
    static const char words[] = " stat_task register register started";
    assert_memory_equal(dtr_str_text(&said), words, sizeof(words) - 1);
}

static void the_length_is_asked_for_by_one_byte(void **state)
{
    (void)state;
    struct seen seen;
    for (int unknown = 0; unknown < 2; unknown++) {
        ask_length = true;
        rig_length_questions = 0;
        begin(true);
        script.length_unknown = unknown;
        read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
        TURN_UNTIL(control, seen.ended);
        assert_int_equal(seen.result.code, DTR_OK);
        assert_int_equal(seen.until, RIG_SIZE);
        assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
        assert_int_equal(rig_length_questions, 1);
        dtr_reader_close(seen.reader);
        finish();
        ask_length = false;
        if (!unknown)
            assert_string_equal(dtr_str_text(&said),
                                " stat_task register back_to_source_started back_to_source_piece_finished "
                                "back_to_source_piece_finished back_to_source_finished");
    }
}

static void small_files_let_others_be_expected(void **state)
{
    (void)state;
    struct seen seen;
    ask_length = true;
    begin(true);
    for (int again = 0; again < 2; again++) {
        dtr_str_free(&said);
        tasks->small_in_a_row = again ? 7 : 8;
        rig_length_questions = rig_origin_requests = 0;
        read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
        TURN_UNTIL(control, seen.ended);
        assert_int_equal(seen.result.code, DTR_OK);
        assert_int_equal(seen.until, RIG_SIZE);
        assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
        assert_int_equal(rig_length_questions, again);
        assert_int_equal(rig_origin_requests, 2);
        assert_int_equal(tasks->small_in_a_row, 0); /* it was none */
        dtr_reader_close(seen.reader);
        finish();
        begin(true);
    }
    finish();
    ask_length = false;
}

static void a_known_task_never_touches_the_origin(void **state)
{
    (void)state;
    struct seen seen;
    begin(true);
    scheduler_says = SAYS_PARENT;
    script.status = 500;
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.until, RIG_SIZE);
    assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
    dtr_reader_close(seen.reader);
    finish();
    assert_string_equal(dtr_str_text(&said),
                        " stat_task register started piece_finished piece_finished finished");
}

static void a_lying_parent_is_left_for_the_origin(void **state)
{
    (void)state;
    struct seen seen;
    begin(true);
    scheduler_says = SAYS_PARENT;
    lying = RIG_WRONG_CHECKSUMS;
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
    dtr_reader_close(seen.reader);
    finish();
}

static void a_reader_that_leaves_ends_the_pull(void **state)
{
    (void)state;
    struct seen seen;
    begin(false);
    script.silent_at = RIG_BLOCK;
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    TURN_UNTIL(control, seen.head);
    dtr_reader_close(seen.reader);
    finish(); /* does not wait for the silent origin */
    assert_int_equal(rig_disk.marks, 0);
}

static void a_piece_that_no_object_has_is_not_taken_from_the_store(void **state)
{
    (void)state;
    const uint32_t numbers[] = {DTR_PIECES_MAX, UINT32_MAX};
    const struct dtr_task_facts facts = {
        .task_id = task_id, .url = "http://o/x", .content_length = DTR_LENGTH_UNKNOWN, .headers = ""};
    begin(false);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        const struct dtr_piece piece = {.number = numbers[i], .length = RIG_PIECE};
        struct dtr_error err = {0};
        assert_int_equal(dtr_tasks_known(tasks, &facts, &piece, 1, true, &err), DTR_ELIMIT);
        assert_non_null(strstr(err.text, "16777216 pieces"));
        assert_null(dtr_tasks_find(tasks, task_id));
    }
    finish();
}

static void what_the_store_held_is_served_after_a_restart(void **state)
{
    (void)state;
    struct seen seen;
    struct dtr_error err;
    const struct dtr_task_facts facts = {.task_id = task_id,
                                         .url = "http://o/x",
                                         .content_length = RIG_SIZE,
                                         .piece_length = RIG_PIECE,
                                         .headers = "Content-Type: text/plain\n"};
    const struct dtr_piece pieces[] = {
        {.number = 0, .length = RIG_PIECE},
        {.number = 1, .offset = RIG_PIECE, .length = RIG_SIZE - RIG_PIECE},
    };
    begin(false);
    script.status = 500;
    assert_int_equal(dtr_tasks_known(tasks, &facts, pieces, 2, true, &err), DTR_OK);
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.until, RIG_SIZE);
    assert_non_null(dtr_task_piece(dtr_tasks_find(tasks, task_id), 1));
    assert_null(dtr_task_piece(dtr_tasks_find(tasks, task_id), 2));
    dtr_reader_close(seen.reader);
    finish();
}

static void read_local(struct seen *seen)
{
    const struct dtr_read_request request = {
        .task_id = task_id, .length = DTR_LENGTH_UNKNOWN, .local_only = true};
    read_as(seen, &request);
}

static void who_takes_what_is_here_never_begins_a_pull(void **state)
{
    (void)state;
    struct seen part, local;
    begin(true);
    read_range(&part, 0, 1000);
    TURN_UNTIL(control, part.ended);
    dtr_reader_close(part.reader);
    dtr_str_free(&said);
    read_local(&local);
    TURN_UNTIL(control, local.head);
    for (int i = 0; i < 20; i++)
        dtr_loop_turn(control, false);
    assert_false(dtr_task_pulling(dtr_tasks_find(tasks, task_id)));
    assert_false(local.ended);
    dtr_reader_close(local.reader);
    finish();
    assert_string_equal(dtr_str_text(&said), "");
}

/* Somebody removed the file, or its index is damaged. */
static void what_cannot_be_opened_is_fetched_anew(void **state)
{
    (void)state;
    struct seen seen;
    begin(false);
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    TURN_UNTIL(control, seen.ended);
    dtr_reader_close(seen.reader);
    TURN_UNTIL(control, dtr_tasks_find(tasks, task_id)->state == COPY_CLOSED);
    rig_disk.damaged = true;
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
    dtr_reader_close(seen.reader);
    TURN_UNTIL(control, dtr_tasks_find(tasks, task_id)->state == COPY_CLOSED);
    rig_disk.damaged = rig_disk.stays_damaged = true; /* then it is not tried for ever */
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_ECORRUPT);
    dtr_reader_close(seen.reader);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pull_without_scheduler_comes_from_the_origin),
        cmocka_unit_test(two_readers_share_one_pull),
        cmocka_unit_test(an_origins_refusal_reaches_the_reader),
        cmocka_unit_test(what_is_not_there_leaves_nothing_behind),
        cmocka_unit_test(credentials_go_where_their_reader_meant),
        cmocka_unit_test(a_pull_keeps_the_roots_that_it_began_with),
        cmocka_unit_test(the_operators_headers_go_to_the_operators_hosts),
        cmocka_unit_test(told_to_go_to_the_source_it_reports_every_piece),
        cmocka_unit_test(a_scheduler_that_is_back_is_asked_by_pulls_that_go_on_without),
        cmocka_unit_test(the_length_is_asked_for_by_one_byte),
        cmocka_unit_test(small_files_let_others_be_expected),
        cmocka_unit_test(a_known_task_never_touches_the_origin),
        cmocka_unit_test(a_lying_parent_is_left_for_the_origin),
        cmocka_unit_test(what_cannot_be_opened_is_fetched_anew),
        cmocka_unit_test(a_reader_that_leaves_ends_the_pull),
        cmocka_unit_test(what_the_store_held_is_served_after_a_restart),
        cmocka_unit_test(a_piece_that_no_object_has_is_not_taken_from_the_store),
        cmocka_unit_test(who_takes_what_is_here_never_begins_a_pull),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
