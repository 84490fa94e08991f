/* Protobuf bytes that are passed on, checked by protobuf-c. */
#include "core/base/buf.h"
#include "core/scheduler/role.h"
#include "proto/dfdaemon.pb-c.h"

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

/* A Download with a field 90 that we do not know, and what a seed must not get. */
static size_t sample(uint8_t *bytes)
{
    Common__V2__Download download = COMMON__V2__DOWNLOAD__INIT;
    download.url = (char *)(uintptr_t) "http://o/x";
    download.has_output_path_case = COMMON__V2__DOWNLOAD__HAS_OUTPUT_PATH_OUTPUT_PATH;
    download.output_path = (char *)(uintptr_t) "/etc/passwd";
    size_t length = common__v2__download__pack(&download, bytes);
    static const uint8_t unknown[] = {0xd2, 0x05, 3, 'a', 'b', 'c'};
    memcpy(bytes + length, unknown, sizeof(unknown));
    return length + sizeof(unknown);
}

static void a_seed_gets_the_download_without_output_path(void **state)
{
    (void)state;
    uint8_t bytes[256];
    size_t length = sample(bytes);
    struct dtr_buf *request = wire_seed_request(bytes, length);
    assert_non_null(request);
    Dfdaemon__V2__DownloadTaskRequest *message =
        dfdaemon__v2__download_task_request__unpack(NULL, request->length, request->data);
    assert_non_null(message);
    assert_string_equal(message->download->url, "http://o/x");
    assert_int_equal(message->download->has_output_path_case, 0);
    assert_true(message->download->need_back_to_source);
    assert_int_equal(message->download->base.n_unknown_fields, 1);
    assert_int_equal(message->download->base.unknown_fields[0].tag, 90);
    dfdaemon__v2__download_task_request__free_unpacked(message, NULL);
    dtr_buf_drop(request);
}

static void malformed_bytes_are_refused(void **state)
{
    (void)state;
    uint8_t bytes[256];
    size_t length = sample(bytes);
    const uint8_t *value;
    size_t size;
    assert_true(wire_find(bytes, length, 90, &value, &size));
    assert_int_equal(size, 3);
    assert_memory_equal(value, "abc", 3);
    assert_false(wire_find(bytes, length, 91, &value, &size));
    for (size_t cut = length - 4; cut < length; cut++) {
        assert_false(wire_find(bytes, cut, 1, &value, &size));
        struct dtr_buf *request = wire_seed_request(bytes, cut);
        assert_null(request);
    }
    static const uint8_t endless[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    assert_false(wire_find(endless, sizeof(endless), 1, &value, &size));
    static const uint8_t huge[] = {0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 'x'};
    assert_false(wire_find(huge, sizeof(huge), 1, &value, &size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_gets_the_download_without_output_path),
        cmocka_unit_test(malformed_bytes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
