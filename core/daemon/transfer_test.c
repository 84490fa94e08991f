/* Transfers with a data thread of their own, an origin and a transport made up here, and a store in memory.
 * What comes back on the control loop is written down as a line of words. */
#include "core/daemon/transfer.h"

#include "core/base/digest.h"
#include "core/base/str.h"
#include "core/brain/geometry.h"
#include "core/loop/loop.h"
#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { PIECE = 4 << 20, SIZE = PIECE + PIECE / 2, BLOCK = 64 << 10 };

static uint8_t object[SIZE];

/* --- a store in memory ---------------------------------------------------------------------------------- */

struct dtr_stored {
    uint8_t bytes[SIZE];
    uint32_t marks;
};

static struct dtr_stored disk;

static int mem_open(void *instance, const struct dtr_task_facts *facts, struct dtr_stored **ret,
                    struct dtr_error *err)
{
    (void)instance;
    (void)facts;
    (void)err;
    *ret = &disk;
    return DTR_OK;
}

static int mem_update(struct dtr_stored *stored, const struct dtr_task_facts *facts, struct dtr_error *err)
{
    (void)stored;
    (void)facts;
    (void)err;
    return DTR_OK;
}

static int mem_write(struct dtr_stored *stored, uint64_t offset, const void *bytes, size_t length,
                     struct dtr_error *err)
{
    (void)err;
    memcpy(stored->bytes + offset, bytes, length);
    return DTR_OK;
}

static int mem_mark(struct dtr_stored *stored, const struct dtr_piece *piece, struct dtr_error *err)
{
    (void)err;
    stored->marks |= 1u << piece->number;
    return DTR_OK;
}

static int mem_read(struct dtr_stored *stored, uint64_t offset, void *bytes, size_t length,
                    struct dtr_error *err)
{
    (void)err;
    memcpy(bytes, stored->bytes + offset, length);
    return DTR_OK;
}

static void mem_close(struct dtr_stored *stored)
{
    (void)stored;
}

static const struct dtr_storage_ops store = {
    .size = sizeof(store),
    .open = mem_open,
    .update = mem_update,
    .write = mem_write,
    .mark = mem_mark,
    .read = mem_read,
    .close = mem_close,
};

/* --- an origin: one block per timer tick, on the data thread -----------------------------------------------
 */

struct script {
    int status;
    bool ignore_range, length_unknown;
    uint64_t close_at;  /* DTR_LENGTH_UNKNOWN: never */
    uint64_t silent_at; /* sends nothing more from here on */
};

struct dtr_origin_call {
    const struct script *script;
    const struct dtr_origin_sink *sink;
    void *context;
    struct dtr_timer *timer;
    uint64_t at, end;
    bool headed, cancelled;
};

static void origin_end(struct dtr_origin_call *call, int code)
{
    struct dtr_error err = {.code = code};
    dtr_timer_close(call->timer);
    call->sink->done(call->context, &err);
    free(call);
}

static int origin_head(struct dtr_origin_call *call)
{
    const struct dtr_header headers[] = {{"Content-Type", "text/plain"}, {"Set-Cookie", "secret=1"}};
    struct dtr_origin_head head = {
        .status = call->script->status,
        .headers = headers,
        .header_count = 2,
        .offset = call->at,
        .total_length = call->script->length_unknown ? DTR_LENGTH_UNKNOWN : SIZE,
        .version = "\"v1\"",
    };
    call->headed = true;
    return call->sink->head(call->context, &head);
}

static void origin_tick(void *context)
{
    struct dtr_origin_call *call = context;
    bool pause = false;
    int rc = call->cancelled ? DTR_ECANCELLED : call->headed ? DTR_OK : origin_head(call);
    if (rc != DTR_OK || call->at == call->end || call->at >= call->script->close_at) {
        origin_end(call, rc != DTR_OK ? rc : call->at == call->end ? DTR_OK : DTR_ECLOSED);
        return;
    }
    if (call->at >= call->script->silent_at)
        return;
    size_t part = call->end - call->at < BLOCK ? (size_t)(call->end - call->at) : BLOCK;
    rc = call->sink->body(call->context, object + call->at, part, &pause);
    if (rc != DTR_OK) {
        origin_end(call, rc);
        return;
    }
    if (!pause) {
        call->at += part;
        dtr_timer_set(call->timer, 0);
    }
}

static int origin_read(void *instance, struct dtr_loop *loop, const struct dtr_origin_request *request,
                       const struct dtr_origin_sink *sink, void *context, struct dtr_origin_call **ret,
                       struct dtr_error *err)
{
    const struct script *script = instance;
    struct dtr_origin_call *call = calloc(1, sizeof(*call));
    *call = (struct dtr_origin_call){.script = script, .sink = sink, .context = context};
    call->at = script->ignore_range ? 0 : request->offset;
    call->end = request->length == DTR_LENGTH_UNKNOWN || script->ignore_range
                    ? SIZE
                    : request->offset + request->length;
    *ret = call;
    int rc = dtr_timer_open(loop, origin_tick, call, &call->timer, err);
    dtr_timer_set(call->timer, 0);
    return rc;
}

static void origin_resume(struct dtr_origin_call *call)
{
    dtr_timer_set(call->timer, 0);
}

static void origin_cancel(struct dtr_origin_call *call)
{
    call->cancelled = true;
    dtr_timer_set(call->timer, 0);
}

static const struct dtr_origin_ops origin = {
    .size = sizeof(origin), .read = origin_read, .resume = origin_resume, .cancel = origin_cancel};

/* --- a transport: the whole piece in one tick, or a refusal
 * --------------------------------------------------- */

struct dtr_fetch {
    const struct dtr_fetch_sink *sink;
    void *context;
    struct dtr_timer *timer;
    struct dtr_piece piece;
    int lie;
};

static void fetch_tick(void *context)
{
    struct dtr_fetch *fetch = context;
    struct dtr_error err = {0};
    uint64_t at = fetch->piece.offset, limit = at + fetch->piece.length;
    int rc = fetch->sink->facts(fetch->context, &fetch->piece);
    for (; rc == DTR_OK && at < limit; at += BLOCK)
        rc = fetch->sink->bytes(fetch->context, at, object + at,
                                limit - at < BLOCK ? (size_t)(limit - at) : BLOCK);
    err.code = rc;
    dtr_timer_close(fetch->timer);
    fetch->sink->done(fetch->context, &err);
    free(fetch);
}

static int transport_fetch(void *instance, struct dtr_loop *loop, const struct dtr_fetch_request *request,
                           const struct dtr_fetch_sink *sink, void *context, struct dtr_fetch **ret,
                           struct dtr_error *err)
{
    const int *lie = instance;
    struct dtr_fetch *fetch = calloc(1, sizeof(*fetch));
    *fetch = (struct dtr_fetch){.sink = sink, .context = context, .lie = *lie};
    fetch->piece = (struct dtr_piece){.number = request->piece_number,
                                      .offset = request->offset,
                                      .length = request->length,
                                      .has_crc32 = true};
    fetch->piece.crc32 = dtr_crc32(0, object + request->offset, (size_t)request->length) ^ (uint32_t)*lie;
    *ret = fetch;
    int rc = dtr_timer_open(loop, fetch_tick, fetch, &fetch->timer, err);
    dtr_timer_set(fetch->timer, 0);
    return rc;
}

static void transport_cancel(struct dtr_fetch *fetch)
{
    (void)fetch;
}

static const struct dtr_transport_ops transport = {
    .size = sizeof(transport), .fetch = transport_fetch, .cancel = transport_cancel};

/* --- the control thread
 * ------------------------------------------------------------------------------------------ */

static struct dtr_loop *control, *data;
static struct {
    struct dtr_str words; /* "head progress piece0 done" without repetitions */
    uint64_t arrived;
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
    switch (report->kind) {
    case DTR_REPORT_HEAD:
        word(" head");
        (void)dtr_copy_text(seen.headers, sizeof(seen.headers), report->headers);
        break;
    case DTR_REPORT_PROGRESS:
        word(" progress");
        seen.arrived += report->length;
        break;
    case DTR_REPORT_PIECE:
        (void)snprintf(piece, sizeof(piece), " piece%u", report->piece.number);
        word(piece);
        break;
    case DTR_REPORT_DONE:
        seen.result = *report->error;
        seen.done = true;
        word(" done");
        break;
    }
}

static void too_late(void *context)
{
    (void)context;
    fprintf(stderr, "the transfer did not end within 20 s\n");
    abort();
}

static void turn_until(bool (*until)(void))
{
    struct dtr_timer *late = NULL;
    struct dtr_error err;
    assert_int_equal(dtr_timer_open(control, too_late, NULL, &late, &err), DTR_OK);
    dtr_timer_set(late, 20000);
    while (!until())
        dtr_loop_turn(control, true);
    dtr_timer_close(late);
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
    memset(&disk, 0, sizeof(disk));
    dtr_str_free(&seen.words);
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(dtr_copy_open(&store, NULL, &facts, NULL, 0, &copy, &err), DTR_OK);
    return copy;
}

static struct dtr_transfer *start(struct dtr_copy *copy, const struct script *script, uint64_t offset,
                                  uint64_t length)
{
    struct dtr_transfer_request request = {.data = data,
                                           .control = control,
                                           .copy = copy,
                                           .offset = offset,
                                           .length = length,
                                           .origin = &origin,
                                           .url = "http://o/x",
                                           .origin_instance = (void *)(uintptr_t)script,
                                           .headers = "Accept: */*\n"};
    struct dtr_transfer *transfer = NULL;
    struct dtr_error err;
    assert_int_equal(dtr_transfer_start(&request, on_report, NULL, &transfer, &err), DTR_OK);
    return transfer;
}

static struct dtr_transfer *fetch(struct dtr_copy *copy, uint32_t number, const int *lie)
{
    struct dtr_transfer_request request = {.data = data,
                                           .control = control,
                                           .copy = copy,
                                           .offset = number * (uint64_t)PIECE,
                                           .length = number == 0 ? PIECE : SIZE - PIECE,
                                           .transport = &transport,
                                           .transport_instance = (void *)(uintptr_t)lie,
                                           .piece_number = number};
    struct dtr_transfer *transfer = NULL;
    struct dtr_error err;
    assert_int_equal(dtr_transfer_start(&request, on_report, NULL, &transfer, &err), DTR_OK);
    return transfer;
}

static const struct script good = {
    .status = 200, .close_at = DTR_LENGTH_UNKNOWN, .silent_at = DTR_LENGTH_UNKNOWN};

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
    assert_true(dtr_copy_complete(copy));
    assert_memory_equal(disk.bytes, object, SIZE);
    dtr_copy_close(copy);
}

static void a_length_can_stay_unknown_to_the_end(void **state)
{
    (void)state;
    const struct script script = {.status = 200,
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

static void a_range_that_is_ignored_still_serves(void **state)
{
    (void)state;
    const struct script script = {
        .status = 200, .ignore_range = true, .close_at = DTR_LENGTH_UNKNOWN, .silent_at = DTR_LENGTH_UNKNOWN};
    struct dtr_copy *copy = new_copy(DTR_LENGTH_UNKNOWN);
    (void)start(copy, &script, 100, PIECE);
    turn_until(is_done);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(disk.marks, 1);
    assert_true(dtr_copy_readable(copy, 100) >= PIECE);
    assert_int_equal(seen.arrived, PIECE + 100); /* and not the rest */
    dtr_copy_close(copy);
}

static void refusals_carry_their_status(void **state)
{
    (void)state;
    const struct script missing = {
        .status = 404, .close_at = DTR_LENGTH_UNKNOWN, .silent_at = DTR_LENGTH_UNKNOWN};
    const struct script ill = {
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
    const struct script script = {.status = 200, .close_at = PIECE + BLOCK, .silent_at = DTR_LENGTH_UNKNOWN};
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
    assert_memory_equal(disk.bytes, object, SIZE);
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
    struct dtr_transfer *transfer = start(copy, &good, 0, DTR_LENGTH_UNKNOWN);
    dtr_transfer_hold(transfer, true);
    turn_until(has_head);
    for (int i = 0; i < 50; i++)
        dtr_loop_turn(control, false);
    assert_false(seen.done);
    dtr_transfer_hold(transfer, false);
    turn_until(is_done);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_memory_equal(disk.bytes, object, SIZE);
    dtr_copy_close(copy);
}

static void a_cancel_ends_it_wherever_it_is(void **state)
{
    (void)state;
    const struct script silent = {.status = 200, .close_at = DTR_LENGTH_UNKNOWN, .silent_at = BLOCK};
    for (int when = 0; when < 2; when++) {
        struct dtr_copy *copy = new_copy(DTR_LENGTH_UNKNOWN);
        struct dtr_transfer *transfer = start(copy, &silent, 0, DTR_LENGTH_UNKNOWN);
        if (when == 1)
            turn_until(has_progress);
        dtr_transfer_cancel(transfer);
        dtr_transfer_cancel(transfer);
        turn_until(is_done);
        assert_int_equal(seen.result.code, DTR_ECANCELLED);
        dtr_copy_close(copy);
    }
}

static void only_the_length_is_asked_for(void **state)
{
    (void)state;
    struct dtr_copy *copy = new_copy(DTR_LENGTH_UNKNOWN);
    struct dtr_transfer_request request = {.data = data,
                                           .control = control,
                                           .copy = copy,
                                           .length = DTR_LENGTH_UNKNOWN,
                                           .origin = &origin,
                                           .url = "http://o/x",
                                           .length_only = true,
                                           .origin_instance = (void *)(uintptr_t)&good};
    struct dtr_transfer *transfer = NULL;
    struct dtr_error err;
    assert_int_equal(dtr_transfer_start(&request, on_report, NULL, &transfer, &err), DTR_OK);
    turn_until(is_done);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_string_equal(dtr_str_text(&seen.words), " head done");
    assert_int_equal(dtr_copy_facts(copy)->content_length, SIZE);
    dtr_copy_close(copy);
}

static void pieces_come_from_peers(void **state)
{
    (void)state;
    const int honest = 0, lying = 1;
    struct dtr_copy *copy = new_copy(SIZE);
    (void)fetch(copy, 1, &lying);
    turn_until(is_done);
    assert_int_equal(seen.result.code, DTR_ECORRUPT);
    assert_int_equal(disk.marks, 0);
    seen.done = false;
    (void)fetch(copy, 1, &honest);
    turn_until(is_done);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(disk.marks, 2);
    seen.done = false;
    (void)fetch(copy, 0, &honest);
    turn_until(is_done);
    assert_true(dtr_copy_complete(copy));
    assert_memory_equal(disk.bytes, object, SIZE);
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
    for (size_t i = 0; i < SIZE; i++)
        object[i] = (uint8_t)(i * 31 + (i >> 12));
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
        cmocka_unit_test(refusals_carry_their_status),
        cmocka_unit_test(an_origin_that_closes_early_is_continued),
        cmocka_unit_test(hold_stops_resume_goes_on),
        cmocka_unit_test(a_cancel_ends_it_wherever_it_is),
        cmocka_unit_test(only_the_length_is_asked_for),
        cmocka_unit_test(pieces_come_from_peers),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
