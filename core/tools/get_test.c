/* The parts of `darter get` that need no daemon: its request, what statuses say, and the file that it writes.
 */
#include "core/tools/get_file.h"
#include "core/tools/get_request.h"

#include "core/base/digest.h"
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct dtr_get_options plain(void)
{
    return (struct dtr_get_options){.url = "http://o.test/a/b?x=1",
                                    .output = "out",
                                    .endpoint = "/run/d.sock",
                                    .digest = "",
                                    .tag = "",
                                    .application = "",
                                    .content_for_task_id = "",
                                    .default_filter = true,
                                    .timeout_ms = 90500,
                                    .priority = 6};
}

/* --- the request ---------------------------------------------------------------------------------- */

static struct dtr_get_request request;
static struct dtr_error err;

static int make(const struct dtr_get_options *options)
{
    int rc = dtr_get_request_make(options, &request, &err);
    return rc;
}

static void the_request_says_what_was_asked_for(void **state)
{
    (void)state;
    static const char *const headers[] = {"Authorization: Bearer x", "X-Empty:"};
    static const char *const filter[] = {"sig"};
    struct dtr_get_options options = plain();
    const Common__V2__Download *download = &request.download;
    assert_int_equal(make(&options), DTR_OK);
    assert_string_equal(download->url, options.url);
    assert_true(download->need_piece_content);
    assert_false(download->has_output_path_case || download->overwrite || download->has_piece_length_case);
    assert_int_equal(download->timeout->seconds, 90);
    assert_int_equal(download->timeout->nanos, 500000000);
    assert_int_equal(download->priority, 6);
    assert_true(download->n_filtered_query_params > 20);
    dtr_get_request_free(&request);

    options.headers = headers;
    options.header_count = 2;
    options.filter = filter;
    options.filter_count = 1;
    options.default_filter = false;
    options.tag = "t";
    options.application = "a";
    options.content_for_task_id = "c";
    options.digest = "crc32:1";
    options.piece_length = 4 << 20;
    options.disable_back_to_source = true;
    assert_int_equal(make(&options), DTR_OK);
    assert_int_equal(download->n_request_header, 2);
    assert_string_equal(download->request_header[0]->key, "Authorization");
    assert_string_equal(download->request_header[0]->value, "Bearer x");
    assert_string_equal(download->request_header[1]->value, "");
    assert_int_equal(download->n_filtered_query_params, 1);
    assert_string_equal(download->tag, "t");
    assert_string_equal(download->application, "a");
    assert_string_equal(download->content_for_calculating_task_id, "c");
    assert_string_equal(download->digest, "crc32:1");
    assert_int_equal(download->piece_length, 4 << 20);
    assert_true(download->disable_back_to_source);
    dtr_get_request_free(&request);
}

static void what_cannot_be_asked_for_is_said_at_once(void **state)
{
    (void)state;
    static const struct {
        const char *url, *header;
        int code;
        const char *part;
    } cases[] = {
        {"o.test/a", NULL, DTR_EINVALID, "o.test/a"},
        {"s3://bucket/a", NULL, DTR_EUNSUPPORTED, "not there yet"},
        {"http://o.test/a/", NULL, DTR_EUNSUPPORTED, "folders"},
        {"http://o.test/a/?x=1", NULL, DTR_EUNSUPPORTED, "folders"},
        {"http://o.test/", NULL, DTR_OK, ""},
        {"http://o.test", NULL, DTR_OK, ""},
        {"http://o.test/a", "no colon", DTR_EINVALID, "no colon"},
        {"http://o.test/a", ": value", DTR_EINVALID, "Name: value"},
        {"http://o.test/a", "A B: c", DTR_EINVALID, "A B"},
        {"http://o.test/a", "A: b\nC: d", DTR_EINVALID, "--header"},
        {"http://o.test/a", "Range: bytes=0-1", DTR_EUNSUPPORTED, "Range"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dtr_get_options options = plain();
        options.url = cases[i].url;
        options.headers = &cases[i].header;
        options.header_count = cases[i].header ? 1 : 0;
        assert_int_equal(make(&options), cases[i].code);
        dtr_get_request_free(&request);
        if (cases[i].code != DTR_OK && !strstr(err.text, cases[i].part))
            fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].part);
    }
}

static void a_status_becomes_words(void **state)
{
    (void)state;
    static const struct {
        enum dtr_rpc_code code;
        const char *message, *details;
        bool remote, answered;
        int wanted;
        const char *part;
    } cases[] = {
        {DTR_RPC_INTERNAL, "m", "{\"message\":\"gone\",\"header\":{},\"status_code\":410}", true, true,
         DTR_EORIGIN, "the origin refused http://o.test/a/b?x=1 with status 410: gone"},
        {DTR_RPC_INTERNAL, "m", "{\"message\":\"no route\",\"header\":{},\"status_code\":null}", true, true,
         DTR_EORIGIN, "the origin failed for http://o.test/a/b?x=1: no route"},
        {DTR_RPC_INTERNAL, "plain", "no json", true, true, DTR_EINTERNAL, "plain"},
        {DTR_RPC_DATA_LOSS, "piece 1 is damaged", NULL, true, true, DTR_ECORRUPT, "piece 1 is damaged"},
        {DTR_RPC_UNAVAILABLE, "connection lost", NULL, false, true, DTR_EUNAVAILABLE, "the daemon went away"},
        {DTR_RPC_UNAVAILABLE, "No such file", NULL, false, false, DTR_EUNAVAILABLE,
         "no daemon answers at /run/d.sock (No such file); start one with \"darter daemon\""},
    };
    struct dtr_get_options options = plain();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct dtr_rpc_status status = {.code = cases[i].code,
                                              .message = cases[i].message,
                                              .details = (const uint8_t *)cases[i].details,
                                              .details_length =
                                                  cases[i].details ? strlen(cases[i].details) : 0,
                                              .remote = cases[i].remote};
        assert_int_equal(dtr_get_status(&status, &options, cases[i].answered, &err), cases[i].wanted);
        if (!strstr(err.text, cases[i].part))
            fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].part);
    }
}

/* --- the file ------------------------------------------------------------------------------------- */

enum { SIZE = 3000, PIECE = 1000 };

static char folder[64], path[96];
static uint8_t object[SIZE];

static struct dtr_get_file *begin(const char *digest)
{
    struct dtr_get_file *file = NULL;
    assert_int_equal(dtr_get_file_open(path, false, digest, &file, &err), DTR_OK);
    assert_int_equal(dtr_get_file_start(file, SIZE, &err), DTR_OK);
    return file;
}

static int piece(struct dtr_get_file *file, uint32_t number)
{
    char crc32[DTR_CRC32_TEXT];
    dtr_crc32_text(dtr_crc32(0, object + number * PIECE, PIECE), crc32);
    return dtr_get_file_piece(file, number * PIECE, object + number * PIECE, PIECE, crc32, &err);
}

static void expect_file(bool there)
{
    uint8_t got[SIZE + 1];
    FILE *in = fopen(path, "r");
    if (!there) {
        assert_null(in);
        return;
    }
    assert_non_null(in);
    assert_int_equal(fread(got, 1, sizeof(got), in), SIZE);
    (void)fclose(in);
    assert_memory_equal(got, object, SIZE);
    assert_int_equal(unlink(path), 0);
}

static const char *right_digest(void)
{
    static char text[80];
    char hex[65];
    dtr_sha256_hex(object, SIZE, hex);
    (void)snprintf(text, sizeof(text), "sha256:%s", hex);
    return text;
}

static void pieces_may_come_in_any_order(void **state)
{
    (void)state;
    static const uint32_t orders[][4] = {
        {0, 1, 2, 2}, {2, 1, 0, 0}, {1, 1, 2, 0}, {0, 2, 0, 1}, {2, 0, 2, 1}};
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        struct dtr_get_file *file = begin(i % 2 ? "" : right_digest());
        for (size_t j = 0; j < 4; j++)
            assert_int_equal(piece(file, orders[i][j]), DTR_OK);
        expect_file(false);
        assert_int_equal(dtr_get_file_finish(file, &err), DTR_OK);
        dtr_get_file_close(file);
        expect_file(true);
    }
}

static void what_is_not_whole_or_not_right_leaves_nothing(void **state)
{
    (void)state;
    struct dtr_get_file *file = begin("");
    assert_int_equal(piece(file, 0) | piece(file, 2), DTR_OK);
    assert_int_equal(dtr_get_file_finish(file, &err), DTR_EPROTOCOL);
    assert_non_null(strstr(err.text, "2000 of 3000"));
    assert_int_equal(dtr_get_file_piece(file, 2500, object, 501, "", &err), DTR_EPROTOCOL);
    assert_int_equal(dtr_get_file_piece(file, UINT64_MAX, object, 1, "", &err), DTR_EPROTOCOL);
    assert_int_equal(dtr_get_file_piece(file, 1000, object + 1000, 1000, "crc32:12345", &err), DTR_ECORRUPT);
    assert_int_equal(dtr_get_file_start(file, SIZE + 1, &err), DTR_EPROTOCOL);
    dtr_get_file_close(file);
    expect_file(false);

    file = begin("crc32:4711");
    assert_int_equal(piece(file, 2) | piece(file, 1) | piece(file, 0), DTR_OK);
    assert_int_equal(dtr_get_file_finish(file, &err), DTR_ECORRUPT);
    dtr_get_file_close(file);
    expect_file(false);

    assert_int_equal(dtr_get_file_open(path, false, "sha256:1", &file, &err), DTR_EINVALID);
}

static void an_empty_object_is_an_empty_file(void **state)
{
    (void)state;
    struct dtr_get_file *file = NULL;
    char digest[80], hex[65];
    dtr_sha256_hex("", 0, hex);
    (void)snprintf(digest, sizeof(digest), "sha256:%s", hex);
    assert_int_equal(dtr_get_file_open(path, false, digest, &file, &err), DTR_OK);
    assert_int_equal(dtr_get_file_finish(file, &err), DTR_EPROTOCOL); /* nobody said that it is empty */
    assert_int_equal(dtr_get_file_start(file, 0, &err), DTR_OK);
    assert_int_equal(dtr_get_file_finish(file, &err), DTR_OK);
    dtr_get_file_close(file);
    assert_int_equal(unlink(path), 0);
}

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        object[i] = (uint8_t)(i * 7 + (i >> 8));
    (void)snprintf(folder, sizeof(folder), "/tmp/dtr_get_test.XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/out", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(folder); /* nothing may be left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_says_what_was_asked_for),
        cmocka_unit_test(what_cannot_be_asked_for_is_said_at_once),
        cmocka_unit_test(a_status_becomes_words),
        cmocka_unit_test(pieces_may_come_in_any_order),
        cmocka_unit_test(what_is_not_whole_or_not_right_leaves_nothing),
        cmocka_unit_test(an_empty_object_is_an_empty_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
