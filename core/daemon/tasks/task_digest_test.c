/* Bytes that are not what they should be: another version of the object, a wrong digest, a peer that lies. */
#include "core/daemon/tasks/task_fixture.h"

#include "core/base/digest.h"
#include "core/daemon/tasks/check.h"
#include <stdlib.h>

/* --- versions ---------------------------------------------------------------------------------------------
 */

static void assert_is_renewed(void)
{
    for (size_t i = 0; i < RIG_SIZE; i++)
        assert_int_equal(rig_disk.bytes[i], rig_renewed(i));
}

/* The origin breaks off, and has another object of the same length when it is asked to go on. */
static void two_versions_of_an_object_never_mix(void **state)
{
    (void)state;
    struct seen seen;
    for (int ignores = 0; ignores < 2; ignores++) {
        begin(false);
        script.close_at = RIG_PIECE + RIG_BLOCK;
        script.renew_after = 1;
        rig_origin_requests = 0;
        script.ignore_if_range = ignores;
        read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
        TURN_UNTIL(control, seen.ended);
        assert_int_equal(seen.result.code, DTR_ECORRUPT);
        assert_int_equal(seen.until, RIG_PIECE + RIG_BLOCK);
        dtr_reader_close(seen.reader);
        script.close_at = DTR_LENGTH_UNKNOWN;
        read_range(&seen, 0, DTR_LENGTH_UNKNOWN); /* the new one, then */
        TURN_UNTIL(control, seen.ended);
        assert_int_equal(seen.result.code, DTR_OK);
        assert_is_renewed();
        dtr_reader_close(seen.reader);
        finish();
    }
}

/* Of a part without a digest that an earlier process left. Without a version nothing goes with it. */
static void nor_do_they_after_a_restart(void **state)
{
    (void)state;
    struct seen seen;
    struct dtr_error err;
    struct dtr_task_facts facts = {
        .task_id = task_id, .url = "http://o/x", .content_length = RIG_SIZE, .piece_length = RIG_PIECE};
    const struct dtr_piece piece = {.number = 0, .length = RIG_PIECE};
    static const char *const headers[] = {"", "ETag: \"v1\"\n", "ETag: W/\"w\"\nLast-Modified: today\n"};
    for (size_t i = 0; i < 3; i++) {
        begin(false);
        rig_origin_requests = script.renew_after = 1;
        facts.headers = headers[i];
        memcpy(rig_disk.bytes, rig_object, RIG_PIECE);
        assert_int_equal(dtr_tasks_known(tasks, &facts, &piece, 1, true, &err), DTR_OK);
        read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
        TURN_UNTIL(control, seen.ended);
        assert_int_equal(seen.result.code, i > 0 ? DTR_ECORRUPT : DTR_OK);
        /* What was stored may be on its way to the reader, or not, when the origin says that it is old. */
        assert_true(i > 0 ? seen.until == 0 || seen.until == RIG_PIECE : seen.until == RIG_SIZE);
        dtr_reader_close(seen.reader);
        pull_whole();
        assert_is_renewed();
        finish();
    }
}

/* --- digests ----------------------------------------------------------------------------------------------
 */

static void name_digest(bool right)
{
    char hex[65];
    dtr_sha256_hex(rig_object, right ? RIG_SIZE : RIG_SIZE - 1, hex);
    (void)snprintf(digest, sizeof(digest), "sha256:%s", hex);
}

static void a_right_digest_ends_well(void **state)
{
    (void)state;
    struct seen seen;
    name_digest(true);
    for (int parents = 0; parents < 2; parents++) {
        begin(true);
        scheduler_says = parents ? SAYS_PARENT : SAYS_SOURCE;
        read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
        TURN_UNTIL(control, seen.ended);
        assert_int_equal(seen.result.code, DTR_OK);
        assert_int_equal(seen.until, RIG_SIZE);
        dtr_reader_close(seen.reader);
        assert_true(dtr_task_facts(dtr_tasks_find(tasks, task_id))->finished_at > 0);
        finish();
    }
    digest[0] = '\0';
}

/* Whoever reads never sees the last byte of what is wrong. */
/* The rest, which the digest is of as well, is not here and nobody fetches it. */
static void the_end_alone_does_not_wait_for_the_digest(void **state)
{
    (void)state;
    struct seen seen;
    begin(false);
    name_digest(true);
    read_range(&seen, RIG_PIECE + 5, DTR_LENGTH_UNKNOWN);
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.until, RIG_SIZE);
    dtr_reader_close(seen.reader);
    finish();
    digest[0] = '\0';
}

static void a_wrong_digest_is_not_the_next_readers(void **state)
{
    (void)state;
    struct seen seen;
    begin(true);
    scheduler_says = SAYS_PARENT;
    name_digest(false);
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_ECORRUPT);
    dtr_reader_close(seen.reader);
    TURN_UNTIL(control,
               !dtr_tasks_find(tasks, task_id) || dtr_tasks_find(tasks, task_id)->state == COPY_CLOSED);
    digest[0] = '\0';
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
    dtr_reader_close(seen.reader);
    finish();
}

static void a_wrong_digest_withdraws_everything(void **state)
{
    (void)state;
    struct seen seen;
    name_digest(false);
    begin(true);
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_ECORRUPT);
    assert_int_equal(seen.until, RIG_SIZE - 1);
    assert_null(dtr_task_piece(dtr_tasks_find(tasks, task_id), 0));
    dtr_reader_close(seen.reader);
    finish();
    assert_int_equal(rig_disk.marks, 0);
    assert_non_null(strstr(dtr_str_text(&said), " back_to_source_failed"));
    assert_null(strstr(dtr_str_text(&said), " back_to_source_finished"));
    digest[0] = '\0';
}

static void a_peer_with_wrong_bytes_is_found_out(void **state)
{
    (void)state;
    struct seen seen, waiting;
    name_digest(true);
    begin(true);
    scheduler_says = SAYS_PARENT;
    lying = RIG_WRONG_BYTES;
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_ECORRUPT);
    assert_false(dtr_tasks_is_liar(tasks, "10.0.0.1"));
    read_range(&waiting, 0, DTR_LENGTH_UNKNOWN); /* while the first still holds the copy */
    dtr_reader_close(seen.reader);
    TURN_UNTIL(control, waiting.ended);
    assert_int_equal(waiting.result.code, DTR_OK);
    assert_int_equal(waiting.until, RIG_SIZE);
    assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
    assert_true(dtr_tasks_is_liar(tasks, "10.0.0.1"));
    assert_true(dtr_tasks_is_liar(tasks, "::ffff:10.0.0.1")); /* however it writes itself */
    assert_false(dtr_tasks_is_liar(tasks, "10.0.0.2"));
    dtr_reader_close(waiting.reader);
    finish();
    digest[0] = '\0';
}

/* The origin's bytes can all be read, and are hashed, before the word comes that the last piece is stored. */
static void a_digest_may_be_known_before_the_last_piece_is(void **state)
{
    (void)state;
    struct seen seen;
    for (int right = 0; right < 2; right++) {
        begin(true);
        name_digest(right);
        script.silent_at = RIG_PIECE;
        read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
        struct dtr_task *task = dtr_tasks_find(tasks, task_id);
        TURN_UNTIL(control, seen.until >= RIG_PIECE);
        memcpy(rig_disk.bytes, rig_object, RIG_SIZE); /* and so it is at this very moment */
        assert_true(dtr_ranges_add(&task->readable, 0, RIG_SIZE));
        check_advance(task);
        TURN_UNTIL(control, !task->check);
        script.silent_at = DTR_LENGTH_UNKNOWN;
        TURN_UNTIL(control, seen.ended);
        assert_int_equal(seen.result.code, right ? DTR_OK : DTR_ECORRUPT);
        assert_true(right ? seen.until == RIG_SIZE : seen.until < RIG_SIZE);
        TURN_UNTIL(control, !dtr_task_pulling(task)); /* the pull hears of it as well */
        dtr_reader_close(seen.reader);
        finish();
        assert_non_null(strstr(dtr_str_text(&said), right ? "_source_finished" : "_source_failed"));
    }
    digest[0] = '\0';
}

/* Where the origin must not be asked it cannot tell who lied; others may have the right bytes. */
static void without_an_origin_other_peers_are_tried(void **state)
{
    (void)state;
    struct seen seen;
    name_digest(true);
    const struct dtr_read_request request = {.task_id = task_id,
                                             .url = "http://o/x",
                                             .digest = digest,
                                             .length = DTR_LENGTH_UNKNOWN,
                                             .disable_back_to_source = true};
    begin(true);
    scheduler_says = SAYS_PARENT;
    lying = RIG_WRONG_BYTES;
    for (int i = 0; i < 2; i++) {
        read_as(&seen, &request);
        TURN_UNTIL(control, seen.ended);
        assert_int_equal(seen.result.code, i ? DTR_OK : DTR_ECORRUPT);
        dtr_reader_close(seen.reader);
        TURN_UNTIL(control, dtr_tasks_find(tasks, task_id)->state == COPY_CLOSED);
        lying = RIG_HONEST;
    }
    assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
    finish();
    digest[0] = '\0';
}

static void stopping_ends_also_who_waits_for_better_bytes(void **state)
{
    (void)state;
    struct seen seen, waiting;
    bool closed = false;
    name_digest(false);
    begin(false);
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_ECORRUPT);
    read_range(&waiting, 0, DTR_LENGTH_UNKNOWN); /* while the first still holds the copy */
    dtr_tasks_close(tasks, set_flag, &closed);
    TURN_UNTIL(control, waiting.ended);
    assert_int_equal(waiting.result.code, DTR_ECANCELLED);
    dtr_reader_close(seen.reader);
    dtr_reader_close(waiting.reader);
    TURN_UNTIL(control, closed);
    digest[0] = '\0';
}

static void what_was_not_checked_before_a_restart_is_checked_then(void **state)
{
    (void)state;
    struct seen seen;
    struct dtr_error err;
    struct dtr_task_facts facts = {.task_id = task_id,
                                   .url = "http://o/x",
                                   .digest = digest,
                                   .content_length = RIG_SIZE,
                                   .piece_length = RIG_PIECE,
                                   .headers = ""};
    const struct dtr_piece pieces[] = {
        {.number = 0, .length = RIG_PIECE},
        {.number = 1, .offset = RIG_PIECE, .length = RIG_SIZE - RIG_PIECE},
    };
    name_digest(true);
    for (int known = 0; known < 2; known++) {
        begin(false);
        script.status = known ? 500 : 200;
        facts.finished_at = known ? 1 : 0;
        rig_disk.marks = 3; /* of zeroes, which have another digest */
        assert_int_equal(dtr_tasks_known(tasks, &facts, pieces, 2, true, &err), DTR_OK);
        read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
        TURN_UNTIL(control, seen.ended);
        assert_int_equal(seen.result.code, known ? DTR_OK : DTR_ECORRUPT);
        dtr_reader_close(seen.reader);
        if (!known) { /* and is fetched anew */
            read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
            TURN_UNTIL(control, seen.ended);
            assert_int_equal(seen.result.code, DTR_OK);
            assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
            dtr_reader_close(seen.reader);
        }
        finish();
    }
    digest[0] = '\0';
}

/* After a reboot its pieces are not there: what comes in their place was never held against the digest. */
static void what_comes_anew_is_checked_anew(void **state)
{
    (void)state;
    struct seen seen;
    struct dtr_error err;
    struct dtr_task_facts facts = {.task_id = task_id,
                                   .url = "http://o/x",
                                   .digest = digest,
                                   .content_length = RIG_SIZE,
                                   .piece_length = RIG_PIECE,
                                   .headers = "",
                                   .finished_at = 1};
    const struct dtr_piece piece = {.number = 0, .length = RIG_PIECE};
    name_digest(false);
    for (uint32_t count = 0; count < 2; count++) {
        begin(false);
        memcpy(rig_disk.bytes, rig_object, RIG_PIECE);
        assert_int_equal(dtr_tasks_known(tasks, &facts, &piece, count, true, &err), DTR_OK);
        read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
        TURN_UNTIL(control, seen.ended);
        assert_int_equal(seen.result.code, DTR_ECORRUPT);
        dtr_reader_close(seen.reader);
        finish();
    }
    digest[0] = '\0';
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_versions_of_an_object_never_mix),
        cmocka_unit_test(nor_do_they_after_a_restart),
        cmocka_unit_test(a_right_digest_ends_well),
        cmocka_unit_test(the_end_alone_does_not_wait_for_the_digest),
        cmocka_unit_test(a_wrong_digest_withdraws_everything),
        cmocka_unit_test(a_wrong_digest_is_not_the_next_readers),
        cmocka_unit_test(a_peer_with_wrong_bytes_is_found_out),
        cmocka_unit_test(a_digest_may_be_known_before_the_last_piece_is),
        cmocka_unit_test(what_was_not_checked_before_a_restart_is_checked_then),
        cmocka_unit_test(without_an_origin_other_peers_are_tried),
        cmocka_unit_test(stopping_ends_also_who_waits_for_better_bytes),
        cmocka_unit_test(what_comes_anew_is_checked_anew),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
