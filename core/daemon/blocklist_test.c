/* Block lists by example. */
#include "core/daemon/blocklist.h"

#include <setjmp.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct blocklist *list_of(const char *json, size_t size, size_t left_out)
{
    struct blocklist *list = NULL;
    struct dtr_error err = {0};
    size_t out = 1;
    if (blocklist_parse(json, strlen(json), &list, &out, &err) != DTR_OK)
        fail_msg("%s: %s", json, err.text);
    if (blocklist_size(list) != size || out != left_out)
        fail_msg("%s: %zu entries, %zu left out", json, blocklist_size(list), out);
    return list;
}

#define DOWNLOAD(lists) "{\"load_limit\":200,\"block_list\":{\"task\":{\"download\":{" lists "}}}}"

static void expect(const char *json, const struct dtr_read_request *request, const char *why)
{
    struct blocklist *list = list_of(json, 1, 0);
    struct dtr_error err = {0};
    assert_int_equal(blocklist_check(list, request, &err), why ? DTR_EDENIED : DTR_OK);
    if (why && !strstr(err.text, why))
        fail_msg("%s: %s", json, err.text);
    blocklist_free(list);
}

static void any_list_that_matches_refuses(void **state)
{
    (void)state;
    const struct dtr_read_request request = {.url = "http://r.test/v2/a/blobs/sha256:1?x=y",
                                             .application = "builds",
                                             .tag = "nightly",
                                             .priority = 3};
    expect(DOWNLOAD("\"applications\":[\"builds\"]"), &request, "the application builds");
    expect(DOWNLOAD("\"applications\":[\"build\"]"), &request, NULL);
    expect(DOWNLOAD("\"tags\":[\"nightly\"]"), &request, "the tag nightly");
    expect(DOWNLOAD("\"tags\":[\"builds\"]"), &request, NULL);
    expect(DOWNLOAD("\"urls\":[\"r\\\\.test/.*\\\\?x=\"]"), &request, "the URL");
    expect(DOWNLOAD("\"urls\":[\"^r\\\\.test\"]"), &request, NULL);
    expect(DOWNLOAD("\"priorities\":[3]"), &request, "the priority LEVEL3");
    expect(DOWNLOAD("\"priorities\":[2]"), &request, NULL);
}

static void a_request_without_words_is_matched_by_its_url_only(void **state)
{
    (void)state;
    const struct dtr_read_request request = {.url = "http://r.test/", .priority = 9};
    expect(DOWNLOAD("\"applications\":[\"a\"]"), &request, NULL);
    expect(DOWNLOAD("\"tags\":[\"a\"]"), &request, NULL);
    expect(DOWNLOAD("\"priorities\":[0]"), &request, NULL);
    expect(DOWNLOAD("\"urls\":[\"r.test\"]"), &request, "the URL");
}

static void what_blocks_nothing_is_no_list(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{}",
        "{\"block_list\":null}",
        "{\"block_list\":{\"task\":null,\"persistent_task\":null}}",
        "{\"block_list\":{\"task\":{\"download\":null}}}",
        DOWNLOAD("\"urls\":[],\"tags\":null,\"applications\":\"a\""),
        "{\"block_list\":{\"persistent_task\":{\"download\":{\"tags\":[\"a\"]}}}}"};
    const struct dtr_read_request request = {.url = "http://r.test/", .tag = "a"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct blocklist *list = list_of(texts[i], 0, 0);
        assert_null(list);
        assert_int_equal(blocklist_check(list, &request, NULL), DTR_OK);
    }
}

static void odd_entries_are_left_out(void **state)
{
    (void)state;
    blocklist_free(list_of(DOWNLOAD("\"urls\":[\"[\",\"\",7,\"a\"]"), 1, 3));
    blocklist_free(list_of(DOWNLOAD("\"tags\":[null,\"\",\"a\"]"), 1, 2));
    blocklist_free(list_of(DOWNLOAD("\"priorities\":[7,-1,\"1\",2.0,null,1,1]"), 1, 5));
}

static void what_is_no_object_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"[]", "{", "null", "x"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct blocklist *list;
        struct dtr_error err = {0};
        size_t out;
        assert_int_equal(blocklist_parse(texts[i], strlen(texts[i]), &list, &out, &err), DTR_EINVALID);
        assert_null(list);
        assert_non_null(strstr(err.text, "no JSON object"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_list_that_matches_refuses),
        cmocka_unit_test(a_request_without_words_is_matched_by_its_url_only),
        cmocka_unit_test(what_blocks_nothing_is_no_list),
        cmocka_unit_test(odd_entries_are_left_out),
        cmocka_unit_test(what_is_no_object_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
