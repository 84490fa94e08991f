/* DownloadTask with a store that has no room: who wants the bytes gets them from the origin, who wants them
 * stored hears why they are not. */
#include "core/daemon/upload/serve_rig.h"

#include <setjmp.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { MIB = 1 << 20 };

static struct received got;
static char output[128], digest[SERVE_DIGEST];

/* --- a store with little room ------------------------------------------------------------------------- */

static struct dtr_storage_ops store;
static uint64_t room; /* bytes of an object that it takes; 0: not even a file */

static int no_room(struct dtr_error *err)
{
    return dtr_error_set(err, DTR_ENO_SPACE, DTR_RETRY_SAME, "no room in the test's store");
}

static int open_if_room(void *instance, const struct dtr_task_facts *facts, struct dtr_stored **ret_stored,
                        struct dtr_error *err)
{
    return room > 0 ? rig_storage.open(instance, facts, ret_stored, err) : no_room(err);
}

static int write_if_room(struct dtr_stored *stored, uint64_t offset, const void *bytes, size_t length,
                         struct dtr_error *err)
{
    return offset + length <= room ? rig_storage.write(stored, offset, bytes, length, err) : no_room(err);
}

static void begin(uint64_t bytes)
{
    store = rig_storage;
    store.open = open_if_room;
    store.write = write_if_room;
    room = bytes;
    rig.storage = &store;
    (void)snprintf(output, sizeof(output), "%s/file", rig.folder);
    serve_rig_begin(&rig);
}

/* --- downloads ---------------------------------------------------------------------------------------- */

static Common__V2__Download with_content(void)
{
    Common__V2__Download download = COMMON__V2__DOWNLOAD__INIT;
    download.url = (char *)(uintptr_t) "http://o.test/x";
    download.need_piece_content = true;
    return download;
}

static Common__V2__Download into_file(void)
{
    return serve_to_file(output);
}

static void expect_content(void)
{
    if (got.code != DTR_RPC_OK)
        fail_msg("%s", got.text);
    assert_int_equal(got.content_length, RIG_SIZE);
    assert_int_equal(got.pieces, 2);
    assert_int_equal(got.content, RIG_SIZE);
    assert_memory_equal(got.bytes, rig_object, RIG_SIZE);
}

static void expect_file(uint64_t offset, uint64_t length)
{
    serve_expect_file(output, offset, length);
    assert_int_equal(unlink(output), 0);
}

static void expect_refusal(Common__V2__Download *download, enum dtr_rpc_code code, const char *text)
{
    serve_download_all(&rig, rig.local, &got, download);
    assert_int_equal(got.code, code);
    if (!strstr(got.text, text))
        fail_msg("no \"%s\" in \"%s\"", text, got.text);
    assert_int_not_equal(access(output, F_OK), 0);
}

/* --- tests -------------------------------------------------------------------------------------------- */

static void content_comes_past_a_full_store(void **state)
{
    static const uint64_t rooms[] = {RIG_PIECE + MIB, MIB, 0};
    (void)state;
    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
        Common__V2__Download download = with_content();
        begin(rooms[i]);
        serve_download_all(&rig, rig.local, &got, &download);
        expect_content();
        serve_download_all(&rig, rig.peer, &got, &download);
        expect_content();
        serve_rig_stop(&rig);
    }
}

static void a_file_is_written_past_a_full_store(void **state)
{
    (void)state;
    for (uint64_t size = 0; size <= RIG_PIECE + MIB; size += RIG_PIECE + MIB) {
        Common__V2__Download download = into_file();
        serve_give_digest(&download, digest);
        begin(size);
        serve_download_all(&rig, rig.local, &got, &download);
        if (got.code != DTR_RPC_OK)
            fail_msg("%s", got.text);
        assert_int_equal(got.pieces, 2);
        assert_int_equal(got.content, 0);
        expect_file(0, RIG_SIZE);
        digest[20] = digest[20] == '0' ? '1' : '0';
        expect_refusal(&download, DTR_RPC_DATA_LOSS, "sha256:");
        serve_rig_stop(&rig);
    }
}

/* The pieces that it cuts come whole, the file has what it says. */
static void a_part_comes_past_a_full_store(void **state)
{
    Common__V2__Range range = COMMON__V2__RANGE__INIT;
    (void)state;
    range.start = RIG_PIECE - 100;
    range.length = 200;
    for (uint64_t size = 0; size <= RIG_PIECE; size += RIG_PIECE / 2) {
        Common__V2__Download content = with_content(), file = into_file();
        content.range = file.range = &range;
        begin(size);
        serve_download_all(&rig, rig.local, &got, &content);
        expect_content();
        serve_download_all(&rig, rig.local, &got, &file);
        if (got.code != DTR_RPC_OK)
            fail_msg("%s", got.text);
        expect_file(range.start, range.length);
        serve_rig_stop(&rig);
    }
}

static void who_wants_it_stored_hears_why_it_is_not(void **state)
{
    Common__V2__Download stored = COMMON__V2__DOWNLOAD__INIT, linked = into_file(),
                         not_from_there = with_content();
    (void)state;
    stored.url = linked.url;
    linked.force_hard_link = true;
    not_from_there.disable_back_to_source = true;
    begin(0);
    expect_refusal(&stored, DTR_RPC_RESOURCE_EXHAUSTED, "no room in the test's store");
    expect_refusal(&linked, DTR_RPC_RESOURCE_EXHAUSTED, "no room in the test's store");
    expect_refusal(&not_from_there, DTR_RPC_RESOURCE_EXHAUSTED, "no room in the test's store");
    serve_rig_stop(&rig);
}

static void what_the_origin_says_is_handed_on(void **state)
{
    Common__V2__Download content = with_content(), file = into_file();
    (void)state;
    begin(0);
    rig.script.status = 404;
    expect_refusal(&content, DTR_RPC_INTERNAL, "the origin answered 404");
    assert_non_null(strstr(got.details, "404"));
    rig.script.status = 200;
    rig.script.length_unknown = true;
    expect_refusal(&file, DTR_RPC_RESOURCE_EXHAUSTED, "does not say how long");
    rig.script.length_unknown = false;
    rig.script.close_at = 5 * MIB;
    expect_refusal(&file, DTR_RPC_UNAVAILABLE, "");
    serve_rig_stop(&rig);
}

/* Two versions never mix: the first piece was told of another one. */
static void a_version_is_not_continued_by_another(void **state)
{
    Common__V2__Download content = with_content();
    (void)state;
    begin(RIG_PIECE + MIB);
    rig.script.renew_after = rig_origin_requests + 1;
    serve_download_all(&rig, rig.local, &got, &content);
    if (got.code == DTR_RPC_OK) /* none was told when the store failed */
        assert_true(got.bytes[0] == rig_renewed(0) && got.bytes[RIG_SIZE - 1] == rig_renewed(RIG_SIZE - 1));
    else
        assert_int_equal(got.code, DTR_RPC_DATA_LOSS);
    serve_rig_stop(&rig);
}

/* In the middle of a piece, and of a file; and when the daemon stops. */
static void who_leaves_is_forgotten(void **state)
{
    Common__V2__Download content = with_content(), file = into_file();
    (void)state;
    begin(0);
    rig.script.silent_at = 5 * MIB;
    serve_download(&rig, rig.local, &got, &content);
    SERVE_UNTIL(&rig, got.pieces == 1);
    dtr_rpc_call_cancel(got.call);
    SERVE_UNTIL(&rig, got.closed);
    serve_download(&rig, rig.local, &got, &file);
    SERVE_UNTIL(&rig, got.pieces == 1);
    serve_rig_stop(&rig);
    assert_int_equal(got.closed, 1);
    assert_int_not_equal(access(output, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVE_TEST(content_comes_past_a_full_store),   SERVE_TEST(a_file_is_written_past_a_full_store),
        SERVE_TEST(a_part_comes_past_a_full_store),    SERVE_TEST(who_wants_it_stored_hears_why_it_is_not),
        SERVE_TEST(what_the_origin_says_is_handed_on), SERVE_TEST(a_version_is_not_continued_by_another),
        SERVE_TEST(who_leaves_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
