/* Transfers with a data thread of their own, an origin and a transport made up here, and a store in memory.
 * What comes back on the control loop is written down as a line of words. */
#include "core/daemon/tasks/transfer.h"

#include "core/base/str.h"
#include "core/daemon/tasks/rig.h"
#include "core/loop/turn_until.h"
#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { PIECE = RIG_PIECE, SIZE = RIG_SIZE, BLOCK = RIG_BLOCK };

/* --- the control thread
 * ------------------------------------------------------------------------------------------ */

static struct dtr_loop *control, *data;
static struct {
    struct dtr_str words;   /* "head progress piece0 done" without repetitions */
    uint64_t arrived, most; /* bytes in all, and in one report */
    struct dtr_error result;
    bool done;
    char headers[200];
} seen;

static void word(const char *text)
{
    size_t length = strlen(text);
    const char *so_far = dtr_str_text(&seen.words);
    if (seen.words.length >= length && strcmp(so_far + seen.words.length - length, text) == 0)
        return;
    dtr_str_puts(&seen.words, text);
}

static void on_report(void *context, const struct dtr_report *report)
{
    char piece[16];
    (void)context;
    assert_true(dtr_loop_here(control));
    assert_false(seen.done);
    seen.arrived += report->length;
    seen.most = report->length > seen.most ? report->length : seen.most;
    switch (report->kind) {
    case DTR_REPORT_HEAD:
        word(" head");
        (void)dtr_copy_text(seen.headers, sizeof(seen.headers), report->headers);
        break;
    case DTR_REPORT_PROGRESS:
        word(" progress");
        break;
    case DTR_REPORT_PIECE:
        (void)snprintf(piece, sizeof(piece), " piece%u", report->piece.number);
        word(piece);
        break;
    case DTR_REPORT_WAITS:
        break; /* as time passes */
    case DTR_REPORT_DONE:
        seen.result = *report->error;
        seen.done = true;
        word(" done");
        break;
    }
}

static void turn_until(bool (*until)(void))
{
    TURN_UNTIL(control, until());
}

static bool is_done(void)
{
    return seen.done;
}

static struct dtr_copy *new_copy(uint64_t length)
{
    struct dtr_task_facts facts = {.task_id =
                                       "5844f27a257287e9b734256bb25603d8005422ced8c0377f15063ec11963b25f",
                                   .content_length = length,
                                   .piece_length = length == DTR_LENGTH_UNKNOWN ? 0 : PIECE};
    struct dtr_copy *copy = NULL;
    struct dtr_error err;
    memset(&rig_disk, 0, sizeof(rig_disk));
    dtr_str_free(&seen.words);
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(dtr_copy_open(&rig_storage, NULL, &facts, NULL, 0, &copy, &err), DTR_OK);
    return copy;
}

enum asks { PLAINLY, FURTHER, REST_TOO };

static struct dtr_transfer *start_as(enum asks asks, struct dtr_copy *copy, const struct rig_script *script,
                                     uint64_t offset, uint64_t length)
{
    struct dtr_transfer_request request = {.data = data,
                                           .control = control,
                                           .copy = copy,
                                           .offset = offset,
                                           .length = length,
                                           .further = asks == FURTHER,
                                           .rest_too = asks == REST_TOO,
                                           .origin = &rig_origin,
                                           .url = "http://o/x",
                                           .origin_instance = (void *)(uintptr_t)script,
                                           .headers = "Accept: */*\nX-Given: 1\n",
                                           .default_headers = "x-given: 2\nX-Site: a: b\n",
                                           .ca_file = "/roots.pem",
                                           .roots = "PEM"};
    struct dtr_transfer *transfer = NULL;
    struct dtr_error err;
    assert_int_equal(dtr_transfer_start(&request, on_report, NULL, &transfer, &err), DTR_OK);
    return transfer;
}

static struct dtr_transfer *start(struct dtr_copy *copy, const struct rig_script *script, uint64_t offset,
                                  uint64_t length)
{
    return start_as(PLAINLY, copy, script, offset, length);
}

static struct dtr_transfer *fetch(struct dtr_copy *copy, uint32_t number, const int *lie)
{
    struct dtr_transfer_request request = {.data = data,
                                           .control = control,
                                           .copy = copy,
                                           .offset = number * (uint64_t)PIECE,
                                           .content_length = SIZE,
                                           .piece_length = PIECE,
                                           .length = number == 0 ? PIECE : SIZE - PIECE,
                                           .transport = &rig_transport,
                                           .transport_instance = (void *)(uintptr_t)lie,
                                           .piece_number = number};
    struct dtr_transfer *transfer = NULL;
    struct dtr_error err;
    assert_int_equal(dtr_transfer_start(&request, on_report, NULL, &transfer, &err), DTR_OK);
    return transfer;
}

static const struct rig_script good = {
    .status = 200, .close_at = DTR_LENGTH_UNKNOWN, .silent_at = DTR_LENGTH_UNKNOWN};
/* For orders that must come before the end: it goes on when it is told to. */
static const struct rig_script waits_after_a_block = {
    .status = 200, .close_at = DTR_LENGTH_UNKNOWN, .silent_at = BLOCK};

static void an_object_comes_whole(void **state)
{
    (void)state;
    struct dtr_copy *copy = new_copy(DTR_LENGTH_UNKNOWN);
    (void)start(copy, &good, 0, DTR_LENGTH_UNKNOWN);
    turn_until(is_done);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_string_equal(dtr_str_text(&seen.words), " head progress piece0 progress piece1 done");
    assert_int_equal(seen.arrived, SIZE);
    assert_string_equal(seen.headers, "Content-Type: text/plain\n"); /* no cookies for strangers */
    assert_string_equal(rig_origin_headers, "Accept: */*\nX-Given: 1\nX-Site: a: b\n");
    assert_string_equal(rig_origin_ca_file, "/roots.pem");
    assert_string_equal(rig_origin_roots, "PEM");
    assert_true(dtr_copy_complete(copy));
    assert_memory_equal(rig_disk.bytes, rig_object, SIZE);
    dtr_copy_close(copy);
}

static void a_length_can_stay_unknown_to_the_end(void **state)
{
    (void)state;
    const struct rig_script script = {.status = 200,
                                      .length_unknown = true,
                                      .close_at = DTR_LENGTH_UNKNOWN,
                                      .silent_at = DTR_LENGTH_UNKNOWN};
    struct dtr_copy *copy = new_copy(DTR_LENGTH_UNKNOWN);
    (void)start(copy, &script, 0, DTR_LENGTH_UNKNOWN);
    turn_until(is_done);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_true(dtr_copy_complete(copy));
    assert_int_equal(dtr_copy_facts(copy)->content_length, SIZE);
    dtr_copy_close(copy);
}

static const struct rig_script ignores_ranges = {
    .status = 200, .ignore_range = true, .close_at = DTR_LENGTH_UNKNOWN, .silent_at = DTR_LENGTH_UNKNOWN};

static void a_range_that_is_ignored_still_serves(void **state)
{
    (void)state;
    struct dtr_copy *copy = new_copy(DTR_LENGTH_UNKNOWN);
    (void)start(copy, &ignores_ranges, 100, PIECE);
    turn_until(is_done);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(rig_disk.marks, 1);
    assert_true(dtr_copy_readable(copy, 100) >= PIECE);
    assert_int_equal(seen.arrived, PIECE + 100); /* and not the rest */
    dtr_copy_close(copy);
}

static void a_further_range_that_is_ignored_brings_nothing(void **state)
{
    (void)state;
    struct dtr_copy *copy = new_copy(SIZE);
    (void)start_as(FURTHER, copy, &ignores_ranges, PIECE, SIZE - PIECE);
    turn_until(is_done);
    assert_int_equal(seen.result.code, DTR_EPROTOCOL);
    assert_string_equal(dtr_str_text(&seen.words), " done");
    assert_int_equal(seen.arrived, 0);
    dtr_copy_close(copy);
    copy = new_copy(SIZE);
    (void)start_as(FURTHER, copy, &good, PIECE, SIZE - PIECE);
    turn_until(is_done);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.arrived, SIZE - PIECE);
    dtr_copy_close(copy);
}

static void the_rest_is_taken_too_where_it_comes(void **state)
{
    (void)state;
    struct dtr_copy *copy = new_copy(DTR_LENGTH_UNKNOWN);
    (void)start_as(REST_TOO, copy, &ignores_ranges, 0, PIECE);
    turn_until(is_done);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.arrived, SIZE);
    assert_true(dtr_copy_complete(copy));
    dtr_copy_close(copy);
}

static void one_that_is_cut_short_ends_to_the_byte(void **state)
{
    (void)state;
    struct dtr_copy *copy = new_copy(SIZE);
    struct rig_script waits = waits_after_a_block;
    dtr_transfer_cut(start(copy, &waits, 0, DTR_LENGTH_UNKNOWN), PIECE);
    waits.silent_at = DTR_LENGTH_UNKNOWN;
    turn_until(is_done);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_string_equal(dtr_str_text(&seen.words), " head progress piece0 done");
    assert_int_equal(seen.arrived, PIECE);
    dtr_copy_close(copy);
}

/* Who waits for bytes must not take a slow origin for a silent one. */
static void a_trickle_is_told_before_it_is_much(void **state)
{
    (void)state;
    struct rig_script script = good;
    struct dtr_copy *copy = new_copy(SIZE);
    script.block_ms = DTR_TRANSFER_LATE_MS / 2 + 1;
    (void)start(copy, &script, 0, 8 * BLOCK);
    turn_until(is_done);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.arrived, 8 * BLOCK);
    assert_true(seen.most < DTR_TRANSFER_STEP);
    dtr_copy_close(copy);
}

static void refusals_carry_their_status(void **state)
{
    (void)state;
    const struct rig_script missing = {
        .status = 404, .close_at = DTR_LENGTH_UNKNOWN, .silent_at = DTR_LENGTH_UNKNOWN};
    const struct rig_script ill = {
        .status = 503, .close_at = DTR_LENGTH_UNKNOWN, .silent_at = DTR_LENGTH_UNKNOWN};
    struct dtr_copy *copy = new_copy(DTR_LENGTH_UNKNOWN);
    (void)start(copy, &missing, 0, DTR_LENGTH_UNKNOWN);
    turn_until(is_done);
    assert_int_equal(seen.result.code, DTR_EORIGIN);
    assert_int_equal(seen.result.status, 404);
    assert_int_equal(seen.result.retry, DTR_RETRY_NEVER);
    dtr_copy_close(copy);
    copy = new_copy(DTR_LENGTH_UNKNOWN);
    (void)start(copy, &ill, 0, DTR_LENGTH_UNKNOWN);
    turn_until(is_done);
    assert_int_equal(seen.result.status, 503);
    assert_int_equal(seen.result.retry, DTR_RETRY_SAME);
    dtr_copy_close(copy);
}

static void an_origin_that_closes_early_is_continued(void **state)
{
    (void)state;
    const struct rig_script script = {
        .status = 200, .close_at = PIECE + BLOCK, .silent_at = DTR_LENGTH_UNKNOWN};
    struct dtr_copy *copy = new_copy(DTR_LENGTH_UNKNOWN);
    (void)start(copy, &script, 0, DTR_LENGTH_UNKNOWN);
    turn_until(is_done);
    assert_int_equal(seen.result.code, DTR_ECLOSED);
    assert_int_equal(seen.arrived, PIECE + BLOCK);
    seen.done = false;
    (void)start(copy, &good, PIECE + BLOCK, DTR_LENGTH_UNKNOWN);
    turn_until(is_done);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_true(dtr_copy_complete(copy));
    assert_memory_equal(rig_disk.bytes, rig_object, SIZE);
    dtr_copy_close(copy);
}

static bool has_head(void)
{
    return strstr(dtr_str_text(&seen.words), "head") != NULL;
}

static bool has_progress(void)
{
    return seen.arrived > 0;
}

static void hold_stops_resume_goes_on(void **state)
{
    (void)state;
    struct dtr_copy *copy = new_copy(DTR_LENGTH_UNKNOWN);
    struct rig_script waits = waits_after_a_block;
    struct dtr_transfer *transfer = start(copy, &waits, 0, DTR_LENGTH_UNKNOWN);
    dtr_transfer_hold(transfer, true);
    turn_until(has_head);
    waits.silent_at = DTR_LENGTH_UNKNOWN;
    for (int i = 0; i < 50; i++)
        dtr_loop_turn(control, false);
    assert_false(seen.done);
    dtr_transfer_hold(transfer, false);
    turn_until(is_done);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_memory_equal(rig_disk.bytes, rig_object, SIZE);
    dtr_copy_close(copy);
}

static void a_cancel_ends_it_wherever_it_is(void **state)
{
    (void)state;
    for (int when = 0; when < 2; when++) {
        struct dtr_copy *copy = new_copy(DTR_LENGTH_UNKNOWN);
        struct dtr_transfer *transfer = start(copy, &waits_after_a_block, 0, DTR_LENGTH_UNKNOWN);
        if (when == 1)
            turn_until(has_progress);
        dtr_transfer_cancel(transfer);
        dtr_transfer_cancel(transfer);
        turn_until(is_done);
        assert_int_equal(seen.result.code, DTR_ECANCELLED);
        dtr_copy_close(copy);
    }
}

/* An answer that is taken to its end leaves a connection that can be used again. */
static void ask_length(const struct rig_script *script, int cut_off)
{
    struct dtr_copy *copy = new_copy(DTR_LENGTH_UNKNOWN);
    struct dtr_transfer_request request = {.data = data,
                                           .control = control,
                                           .copy = copy,
                                           .length = DTR_LENGTH_UNKNOWN,
                                           .origin = &rig_origin,
                                           .url = "http://o/x",
                                           .length_only = true,
                                           .origin_instance = (void *)(uintptr_t)script};
    struct dtr_transfer *transfer = NULL;
    struct dtr_error err;
    seen.done = false;
    dtr_str_clear(&seen.words);
    rig_cut_off = 0;
    assert_int_equal(dtr_transfer_start(&request, on_report, NULL, &transfer, &err), DTR_OK);
    turn_until(is_done);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_string_equal(dtr_str_text(&seen.words), " head done");
    assert_int_equal(dtr_copy_facts(copy)->content_length, SIZE);
    assert_int_equal(rig_cut_off, cut_off);
    dtr_copy_close(copy);
}

static void only_the_length_is_asked_for(void **state)
{
    struct rig_script whole = good;
    (void)state;
    whole.ignore_range = true;
    ask_length(&good, 0);
    ask_length(&whole, 1);
}

static void pieces_come_from_peers(void **state)
{
    (void)state;
    const int honest = 0, lying = 1;
    struct dtr_copy *copy = new_copy(SIZE);
    (void)fetch(copy, 1, &lying);
    turn_until(is_done);
    assert_int_equal(seen.result.code, DTR_ECORRUPT);
    assert_int_equal(rig_disk.marks, 0);
    seen.done = false;
    (void)fetch(copy, 1, &honest);
    turn_until(is_done);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(rig_disk.marks, 2);
    seen.done = false;
    (void)fetch(copy, 0, &honest);
    turn_until(is_done);
    assert_true(dtr_copy_complete(copy));
    assert_memory_equal(rig_disk.bytes, rig_object, SIZE);
    seen.done = false;
    (void)fetch(copy, 7, &honest);
    turn_until(is_done);
    assert_int_equal(seen.result.code, DTR_EINVALID);
    dtr_copy_close(copy);
}

static int set_up(void **state)
{
    struct dtr_error err;
    (void)state;
    rig_fill();
    assert_int_equal(dtr_loop_new("control", &control, &err), DTR_OK);
    assert_int_equal(dtr_loop_new("data", &data, &err), DTR_OK);
    return dtr_loop_start(data, &err);
}

static int tear_down(void **state)
{
    (void)state;
    dtr_loop_stop(data);
    dtr_loop_join(data);
    dtr_loop_free(data);
    dtr_loop_free(control);
    dtr_str_free(&seen.words);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_comes_whole),
        cmocka_unit_test(a_length_can_stay_unknown_to_the_end),
        cmocka_unit_test(a_range_that_is_ignored_still_serves),
        cmocka_unit_test(a_further_range_that_is_ignored_brings_nothing),
        cmocka_unit_test(the_rest_is_taken_too_where_it_comes),
        cmocka_unit_test(one_that_is_cut_short_ends_to_the_byte),
        cmocka_unit_test(a_trickle_is_told_before_it_is_much),
        cmocka_unit_test(refusals_carry_their_status),
        cmocka_unit_test(an_origin_that_closes_early_is_continued),
        cmocka_unit_test(hold_stops_resume_goes_on),
        cmocka_unit_test(a_cancel_ends_it_wherever_it_is),
        cmocka_unit_test(only_the_length_is_asked_for),
        cmocka_unit_test(pieces_come_from_peers),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
