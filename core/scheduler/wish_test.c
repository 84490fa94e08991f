/* What a request of a job may say, and what stands in for what it does not say. */
#include "core/scheduler/wish.h"

#include "core/base/str.h"
#include "core/brain/url.h"
#include "core/rpc/methods.h"
#include "core/scheduler/role.h"
#include "proto/scheduler.pb-c.h"
#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define BLOB "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

static int read_message(struct wish *wish, const struct dtr_rpc_method *method,
                        const ProtobufCMessage *message, struct dtr_error *err)
{
    struct dtr_str bytes = {0};
    wire_put_message(&bytes, message);
    int rc = wish_read(wish, method, (const uint8_t *)dtr_str_text(&bytes), bytes.length, err);
    dtr_str_free(&bytes);
    return rc;
}

static void defaults_are_dragonflys(void **state)
{
    (void)state;
    Scheduler__V2__PreheatImageRequest request = SCHEDULER__V2__PREHEAT_IMAGE_REQUEST__INIT;
    struct wish wish;
    struct dtr_error err;
    request.url = text("http://registry.example/v2/a/manifests/latest");
    if (read_message(&wish, &dtr_rpc_scheduler_preheat_image, &request.base, &err) != DTR_OK)
        fail_msg("%s", err.text);
    assert_string_equal(wish.url, request.url);
    assert_int_equal(wish.limits.objects, 8);
    assert_int_equal(wish.limits.hosts, 500);
    assert_int_equal(wish.timeout_ms, 3600000);
    assert_int_equal(wish.choice.scope, PLAN_SINGLE_SEED);
    assert_false(wish.choice.has_count || wish.choice.has_percentage);
    assert_ptr_equal(wish.filter, dtr_url_default_filter);
    assert_null(wish.username);
    assert_null(wish.platform);
    assert_string_equal(wish.tag, "");
    wish_free(&wish);
}

static void limits_are_cut_and_checked(void **state)
{
    (void)state;
    Scheduler__V2__StatImageRequest request = SCHEDULER__V2__STAT_IMAGE_REQUEST__INIT;
    const struct dtr_rpc_method *method = &dtr_rpc_scheduler_stat_image;
    struct wish wish;
    struct dtr_error err;
    request.url = text("http://registry.example/v2/a/manifests/latest");
    request.has_concurrent_layer_count_case =
        SCHEDULER__V2__STAT_IMAGE_REQUEST__HAS_CONCURRENT_LAYER_COUNT_CONCURRENT_LAYER_COUNT;
    request.has_concurrent_peer_count_case =
        SCHEDULER__V2__STAT_IMAGE_REQUEST__HAS_CONCURRENT_PEER_COUNT_CONCURRENT_PEER_COUNT;
    request.concurrent_layer_count = request.concurrent_peer_count = INT64_MAX;
    assert_int_equal(read_message(&wish, method, &request.base, NULL), DTR_OK);
    assert_int_equal(wish.limits.objects, WISH_TASKS_MOST);
    assert_int_equal(wish.limits.hosts, WISH_PEERS_MOST);
    wish_free(&wish);
    request.concurrent_layer_count = 0;
    assert_int_equal(read_message(&wish, method, &request.base, &err), DTR_EINVALID);
    assert_string_equal(err.text, "concurrent_layer_count: 0 is not 1 or more");
    wish_free(&wish);
    request.concurrent_layer_count = 1;
    request.concurrent_peer_count = -1;
    assert_int_equal(read_message(&wish, method, &request.base, &err), DTR_EINVALID);
    wish_free(&wish);
}

static void a_request_is_not_endless(void **state)
{
    (void)state;
    Scheduler__V2__PreheatFileRequest request = SCHEDULER__V2__PREHEAT_FILE_REQUEST__INIT;
    static uint8_t der[WISH_BYTES_MOST];
    ProtobufCBinaryData certificate = {sizeof(der) - 1000, der};
    struct wish wish;
    struct dtr_error err;
    request.url = text("http://origin.example/f");
    request.certificate_chain = &certificate;
    request.n_certificate_chain = 1;
    assert_int_equal(read_message(&wish, &dtr_rpc_scheduler_preheat_file, &request.base, &err), DTR_OK);
    wish_free(&wish);
    certificate.len = sizeof(der);
    assert_int_equal(read_message(&wish, &dtr_rpc_scheduler_preheat_file, &request.base, &err), DTR_EINVALID);
    assert_string_equal(err.text, "the request has more than 512 KiB");
    wish_free(&wish);
}

static void durations_are_ms(void **state)
{
    (void)state;
    Google__Protobuf__Duration duration = GOOGLE__PROTOBUF__DURATION__INIT;
    uint64_t ms = 0;
    assert_int_equal(wish_timeout(NULL, 7, &ms, NULL), DTR_OK);
    assert_int_equal(ms, 7);
    duration.seconds = 2;
    duration.nanos = 1;
    assert_int_equal(wish_timeout(&duration, 7, &ms, NULL), DTR_OK);
    assert_int_equal(ms, 2001);
    duration.seconds = INT64_MAX;
    assert_int_equal(wish_timeout(&duration, 7, &ms, NULL), DTR_OK);
    assert_int_equal(ms, INT32_MAX);
    duration.seconds = INT32_MAX / 1000;
    duration.nanos = 999999999;
    assert_int_equal(wish_timeout(&duration, 7, &ms, NULL), DTR_OK);
    assert_int_equal(ms, INT32_MAX);
    duration.seconds = -1;
    assert_int_equal(wish_timeout(&duration, 7, &ms, NULL), DTR_EINVALID);
    duration = (Google__Protobuf__Duration)GOOGLE__PROTOBUF__DURATION__INIT;
    assert_int_equal(wish_timeout(&duration, 7, &ms, NULL), DTR_EINVALID);
}

/* As a daemon's proxy names what it is asked for by containerd (mirror.h: digest ids, the default filter). */
static void tasks_are_named_as_proxies_name_them(void **state)
{
    (void)state;
    Scheduler__V2__PreheatFileRequest request = SCHEDULER__V2__PREHEAT_FILE_REQUEST__INIT;
    char id[DTR_TASK_ID_SIZE], other[DTR_TASK_ID_SIZE];
    struct wish wish;
    request.url = text("http://origin.example/d/");
    assert_int_equal(read_message(&wish, &dtr_rpc_scheduler_preheat_file, &request.base, NULL), DTR_OK);
    assert_true(wish_is_folder(&wish));
    assert_int_equal(
        wish_task_id(&wish, "https://registry.example/v2/a/b/blobs/sha256:" BLOB "?ns=x", id, NULL), DTR_OK);
    assert_string_equal(id, BLOB);
    assert_int_equal(wish_task_id(&wish, "http://origin.example/f?a=1&X-Amz-Signature=2", id, NULL), DTR_OK);
    assert_int_equal(wish_task_id(&wish, "http://origin.example/f?a=1", other, NULL), DTR_OK);
    assert_string_equal(id, other);
    assert_int_equal(wish_task_id(&wish, "no URL", id, NULL), DTR_EINVALID);
    wish_free(&wish);
}

static void headers_cannot_end_a_line(void **state)
{
    (void)state;
    Scheduler__V2__StatFileRequest request = SCHEDULER__V2__STAT_FILE_REQUEST__INIT;
    Scheduler__V2__StatFileRequest__HeaderEntry entry = SCHEDULER__V2__STAT_FILE_REQUEST__HEADER_ENTRY__INIT,
                                                *list[] = {&entry};
    struct wish wish;
    struct dtr_error err;
    request.url = text("http://origin.example/f");
    request.header = list;
    request.n_header = 1;
    entry.key = text("Accept");
    entry.value = text("*/*\r\nHost: other");
    assert_int_equal(read_message(&wish, &dtr_rpc_scheduler_stat_file, &request.base, &err), DTR_EINVALID);
    assert_string_equal(err.text, "header: \"Accept\" cannot be sent to an origin");
    wish_free(&wish);
    request.n_header = 0;
    request.has_piece_length_case = SCHEDULER__V2__STAT_FILE_REQUEST__HAS_PIECE_LENGTH_PIECE_LENGTH;
    request.piece_length = 1;
    assert_int_equal(read_message(&wish, &dtr_rpc_scheduler_stat_file, &request.base, &err), DTR_EINVALID);
    assert_non_null(strstr(err.text, "piece_length: 1 is not within"));
    wish_free(&wish);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_dragonflys),   cmocka_unit_test(limits_are_cut_and_checked),
        cmocka_unit_test(durations_are_ms),          cmocka_unit_test(tasks_are_named_as_proxies_name_them),
        cmocka_unit_test(headers_cannot_end_a_line), cmocka_unit_test(a_request_is_not_endless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
