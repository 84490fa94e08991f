/* DownloadTask over loopback and a unix socket: what is told, with and without content, and how it fails. */
#include "core/daemon/upload/serve_rig.h"

#include "core/daemon/upload/upload_order.h"
#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct received got;

static Common__V2__Download download_of(const char *url)
{
    Common__V2__Download download = COMMON__V2__DOWNLOAD__INIT;
    download.url = (char *)(uintptr_t)url;
    return download;
}

static Common__V2__Download plain(void)
{
    return download_of("http://o.test/x");
}

static void expect_whole(void)
{
    assert_int_equal(got.code, DTR_RPC_OK);
    assert_int_equal(got.started, 1);
    assert_int_equal(got.content_length, RIG_SIZE);
    assert_int_equal(got.pieces, 2);
    assert_int_equal(got.told[0], 1);
    assert_int_equal(got.told[1], 1);
    assert_int_equal(got.piece_length[0], RIG_PIECE);
    assert_int_equal(got.piece_length[1], RIG_SIZE - RIG_PIECE);
}

static const struct dtr_task *the_task(void)
{
    const struct order *order = dtr_container(rig.daemon.upload->orders.next, struct order, link);
    return dtr_tasks_find(rig.daemon.tasks, order->download.task_id);
}

/* --- what is told --------------------------------------------------------------------------------- */

static void a_scheduler_hears_of_each_piece_once(void **state)
{
    (void)state;
    Common__V2__Download download = plain();
    serve_rig_begin(&rig);
    serve_download_all(&rig, rig.peer, &got, &download);
    expect_whole();
    assert_int_equal(got.content, 0);
    assert_int_equal(got.outlined, 2);
    assert_string_equal(got.content_type, "text/plain");
    assert_false(got.is_finished);
    assert_false(got.ranged);
    assert_int_equal(got.traffic[0], COMMON__V2__TRAFFIC_TYPE__BACK_TO_SOURCE);
    /* Again: all of it is here, and the origin is not asked. */
    rig.script.status = 500;
    serve_download_all(&rig, rig.peer, &got, &download);
    expect_whole();
    assert_true(got.is_finished);
    assert_int_equal(got.traffic[0], COMMON__V2__TRAFFIC_TYPE__LOCAL_PEER);
    assert_int_equal(got.traffic[1], COMMON__V2__TRAFFIC_TYPE__LOCAL_PEER);
    serve_rig_stop(&rig);
}

static void content_comes_with_the_pieces(void **state)
{
    (void)state;
    Common__V2__Download download = plain();
    download.need_piece_content = true;
    serve_rig_begin(&rig);
    for (int again = 0; again < 2; again++) {
        serve_download_all(&rig, rig.local, &got, &download);
        expect_whole();
        assert_int_equal(got.content, RIG_SIZE);
        assert_memory_equal(got.bytes, rig_object, RIG_SIZE);
    }
    serve_rig_stop(&rig);
}

static void an_unknown_length_is_told_when_it_is_known(void **state)
{
    (void)state;
    Common__V2__Download download = plain();
    download.need_piece_content = true;
    rig.script.length_unknown = true;
    serve_rig_begin(&rig);
    serve_download_all(&rig, rig.local, &got, &download);
    expect_whole();
    assert_memory_equal(got.bytes, rig_object, RIG_SIZE);
    serve_rig_stop(&rig);
}

static void of_a_slow_reader_one_piece_at_most_is_held(void **state)
{
    (void)state;
    Common__V2__Download download = plain();
    download.need_piece_content = true;
    serve_rig_begin(&rig);
    serve_download_all(&rig, rig.local, &got, &download); /* now it is in the store */
    got.credit = 1;                                       /* the start message; then it reads no more */
    serve_download(&rig, rig.local, &got, &download);
    SERVE_UNTIL(&rig, !dtr_list_empty(&rig.daemon.upload->orders));
    const struct order *order = dtr_container(rig.daemon.upload->orders.next, struct order, link);
    SERVE_UNTIL(&rig, order->left == 1);
    for (int i = 0; i < 50; i++)
        dtr_loop_turn(rig.control, false);
    assert_null(order->content);
    assert_int_equal(order->left, 1);
    assert_true(dtr_rpc_call_queued(order->call) <= RIG_PIECE);
    dtr_rpc_call_credit(got.call, DTR_RPC_UNLIMITED);
    SERVE_UNTIL(&rig, got.closed);
    expect_whole();
    assert_memory_equal(got.bytes, rig_object, RIG_SIZE);
    serve_rig_stop(&rig);
}

/* Room for one piece: the second caller waits for the first one's. */
static void begin_two(struct received *second, Common__V2__Download *download)
{
    *download = plain();
    download->need_piece_content = true;
    second->credit = 0;
    rig.config.upload.content_memory = 1;
    serve_rig_begin(&rig);
    serve_download_all(&rig, rig.peer, &got, download); /* now it is in the store */
    got.credit = 1;                                     /* the start message; then it reads no more */
    serve_download(&rig, rig.peer, &got, download);
    SERVE_UNTIL(&rig, got.started && rig.daemon.upload->content[0].budget.used > 0);
    serve_download(&rig, rig.peer, second, download);
    SERVE_UNTIL(&rig, second->started && !dtr_list_empty(&rig.daemon.upload->content[0].budget.waiting));
    assert_true(rig.daemon.upload->content[0].budget.used <= RIG_PIECE);
    assert_int_equal(second->pieces, 0);
}

static void one_that_finds_no_room_waits_for_it(void **state)
{
    (void)state;
    static struct received second;
    Common__V2__Download download;
    begin_two(&second, &download);
    /* Callers on the unix socket have room of their own. */
    static struct received local;
    serve_download_all(&rig, rig.local, &local, &download);
    assert_int_equal(local.code, DTR_RPC_OK);
    assert_int_equal(second.pieces, 0);
    dtr_rpc_call_credit(got.call, DTR_RPC_UNLIMITED);
    SERVE_UNTIL(&rig, got.closed && second.closed);
    expect_whole();
    assert_int_equal(second.code, DTR_RPC_OK);
    assert_memory_equal(second.bytes, rig_object, RIG_SIZE);
    assert_int_equal(rig.daemon.upload->content[0].budget.used, 0);
    serve_rig_stop(&rig);
}

static void one_that_stalls_goes_when_others_wait(void **state)
{
    (void)state;
    static struct received second;
    Common__V2__Download download;
    begin_two(&second, &download);
    rig.daemon.upload->stall_ms = 20;
    dtr_timer_set(rig.daemon.upload->stalls, 20);
    SERVE_UNTIL(&rig, second.closed);
    assert_int_equal(second.code, DTR_RPC_OK);
    assert_int_equal(second.pieces, 2);
    SERVE_UNTIL(&rig, got.closed);
    assert_int_equal(got.code, DTR_RPC_CANCELLED);
    assert_int_equal(rig.daemon.upload->content[0].budget.used, 0);
    serve_rig_stop(&rig);
}

static void pieces_that_a_range_cuts_come_whole(void **state)
{
    (void)state;
    static const struct {
        uint64_t start, length;
        uint32_t told[2];
    } cases[] = {{RIG_PIECE - 10, 20, {1, 1}},
                 {5, 100, {1, 0}},
                 {RIG_PIECE, 10, {0, 1}},
                 {RIG_PIECE + 7, RIG_SIZE, {0, 1}},
                 {0, RIG_SIZE, {1, 1}}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char url[64];
        Common__V2__Range range = COMMON__V2__RANGE__INIT;
        (void)snprintf(url, sizeof(url), "http://o.test/%zu", i);
        Common__V2__Download download = download_of(url);
        range.start = cases[i].start;
        range.length = cases[i].length;
        download.range = &range;
        download.need_piece_content = true;
        memset(&rig_disk, 0, sizeof(rig_disk));
        serve_rig_begin(&rig);
        serve_download_all(&rig, rig.local, &got, &download);
        assert_int_equal(got.code, DTR_RPC_OK);
        assert_int_equal(got.content_length, RIG_SIZE);
        assert_true(got.ranged);
        assert_int_equal(got.range_start, cases[i].start);
        assert_true(got.range_start + got.range_length <= RIG_SIZE);
        for (uint32_t n = 0; n < 2; n++) {
            assert_int_equal(got.told[n], cases[i].told[n]);
            if (got.told[n])
                assert_memory_equal(got.bytes + n * RIG_PIECE, rig_object + n * RIG_PIECE,
                                    n ? RIG_SIZE - RIG_PIECE : RIG_PIECE);
        }
        serve_rig_stop(&rig);
    }
}

/* --- how it fails --------------------------------------------------------------------------------- */

static void a_range_past_the_end_is_refused(void **state)
{
    (void)state;
    Common__V2__Range range = COMMON__V2__RANGE__INIT;
    Common__V2__Download download = plain();
    serve_rig_begin(&rig);
    serve_download_all(&rig, rig.peer, &got, &download);
    range.start = RIG_SIZE;
    range.length = 1;
    download.range = &range;
    serve_download_all(&rig, rig.peer, &got, &download);
    assert_int_equal(got.code, DTR_RPC_INVALID_ARGUMENT);
    assert_int_equal(got.started, 0);
    serve_rig_stop(&rig);
}

static void an_origins_refusal_comes_with_its_status(void **state)
{
    (void)state;
    Common__V2__Download download = plain();
    rig.script.status = 404;
    serve_rig_begin(&rig);
    serve_download_all(&rig, rig.peer, &got, &download);
    assert_int_equal(got.code, DTR_RPC_INTERNAL);
    assert_non_null(strstr(got.text, "404"));
    assert_string_equal(got.details,
                        "{\"message\":\"the origin answered 404\",\"header\":{},\"status_code\":404}");
    serve_rig_stop(&rig);
}

static void what_is_wrong_with_a_request_is_named(void **state)
{
    (void)state;
    Common__V2__Download download = download_of("nonsense");
    serve_rig_begin(&rig);
    serve_download_all(&rig, rig.peer, &got, &download);
    assert_int_equal(got.code, DTR_RPC_INVALID_ARGUMENT);
    assert_non_null(strstr(got.text, "url"));
    serve_download_all(&rig, rig.peer, &got, NULL);
    assert_int_equal(got.code, DTR_RPC_INVALID_ARGUMENT);
    assert_non_null(strstr(got.text, "download"));
    download = download_of("s3://bucket/key");
    serve_download_all(&rig, rig.peer, &got, &download);
    assert_int_equal(got.code, DTR_RPC_UNIMPLEMENTED);
    assert_non_null(strstr(got.text, "s3"));
    serve_rig_stop(&rig);
}

static void its_timeout_ends_it(void **state)
{
    (void)state;
    Google__Protobuf__Duration timeout = GOOGLE__PROTOBUF__DURATION__INIT;
    Common__V2__Download download = plain();
    timeout.nanos = 50000000;
    download.timeout = &timeout;
    rig.script.silent_at = RIG_BLOCK;
    serve_rig_begin(&rig);
    serve_download_all(&rig, rig.peer, &got, &download);
    assert_int_equal(got.code, DTR_RPC_DEADLINE_EXCEEDED);
    serve_rig_stop(&rig);
}

static void a_damaged_piece_is_not_given_out(void **state)
{
    (void)state;
    Common__V2__Download download = plain();
    char id[DTR_TASK_ID_LENGTH + 1];
    download.need_piece_content = true;
    serve_rig_begin(&rig);
    serve_download_all(&rig, rig.local, &got, &download);
    memcpy(id, got.task_id, sizeof(id));
    rig_disk.bytes[RIG_PIECE + 5] ^= 1;
    serve_download_all(&rig, rig.local, &got, &download);
    assert_int_equal(got.code, DTR_RPC_DATA_LOSS);
    assert_non_null(strstr(got.text, "piece 1"));
    assert_int_equal(got.told[1], 0);
    /* It was looked at again, and the origin names no version that a new piece would fit: all comes anew. */
    SERVE_UNTIL(&rig, !dtr_tasks_find(rig.daemon.tasks, id));
    serve_download_all(&rig, rig.local, &got, &download);
    expect_whole();
    assert_memory_equal(got.bytes, rig_object, RIG_SIZE);
    serve_rig_stop(&rig);
}

static void a_caller_that_leaves_ends_the_pull(void **state)
{
    (void)state;
    Common__V2__Download download = plain();
    rig.script.silent_at = RIG_BLOCK;
    serve_rig_begin(&rig);
    got.credit = 0;
    serve_download(&rig, rig.peer, &got, &download);
    SERVE_UNTIL(&rig, got.started);
    const struct dtr_task *task = the_task();
    assert_true(dtr_task_pulling(task));
    dtr_rpc_call_cancel(got.call);
    SERVE_UNTIL(&rig, dtr_list_empty(&rig.daemon.upload->orders) && !dtr_task_pulling(task));
    serve_rig_stop(&rig);
}

static void it_ends_when_the_daemon_stops(void **state)
{
    (void)state;
    Common__V2__Download download = plain();
    download.need_piece_content = true;
    rig.script.silent_at = RIG_PIECE + RIG_BLOCK;
    serve_rig_begin(&rig);
    got.credit = 1;
    serve_download(&rig, rig.local, &got, &download);
    SERVE_UNTIL(&rig, got.started);
    dtr_rpc_call_credit(got.call, DTR_RPC_UNLIMITED);
    serve_rig_stop(&rig);
    SERVE_UNTIL(&rig, got.closed);
    assert_int_not_equal(got.code, DTR_RPC_OK);
    assert_null(got.wrong);
}

static void many_at_once_share_one_pull(void **state)
{
    (void)state;
    enum { MANY = 6 };
    static struct received all[MANY];
    Common__V2__Download download = plain();
    download.need_piece_content = true;
    serve_rig_begin(&rig);
    for (int i = 0; i < MANY; i++)
        serve_download(&rig, i % 2 ? rig.peer : rig.local, &all[i], &download);
    for (int i = 0; i < MANY; i++) {
        SERVE_UNTIL(&rig, all[i].closed);
        assert_null(all[i].wrong);
        got = all[i];
        expect_whole();
        assert_memory_equal(got.bytes, rig_object, RIG_SIZE);
    }
    serve_rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVE_TEST(a_scheduler_hears_of_each_piece_once),
        SERVE_TEST(content_comes_with_the_pieces),
        SERVE_TEST(an_unknown_length_is_told_when_it_is_known),
        SERVE_TEST(of_a_slow_reader_one_piece_at_most_is_held),
        SERVE_TEST(one_that_finds_no_room_waits_for_it),
        SERVE_TEST(one_that_stalls_goes_when_others_wait),
        SERVE_TEST(pieces_that_a_range_cuts_come_whole),
        SERVE_TEST(a_range_past_the_end_is_refused),
        SERVE_TEST(an_origins_refusal_comes_with_its_status),
        SERVE_TEST(what_is_wrong_with_a_request_is_named),
        SERVE_TEST(its_timeout_ends_it),
        SERVE_TEST(a_damaged_piece_is_not_given_out),
        SERVE_TEST(a_caller_that_leaves_ends_the_pull),
        SERVE_TEST(it_ends_when_the_daemon_stops),
        SERVE_TEST(many_at_once_share_one_pull),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
