/* What a Download message may say, and what is refused with which words. */
#include "core/daemon/header_lines.h"
#include "core/daemon/upload/upload_request.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

typedef Common__V2__Download Message;

static Message message;
static Common__V2__Range range;
static Google__Protobuf__Duration timeout;
static Common__V2__Download__RequestHeaderEntry entries[4], *headers[4];

static void header(size_t i, const char *name, const char *value)
{
    common__v2__download__request_header_entry__init(&entries[i]);
    entries[i].key = (char *)(uintptr_t)name;
    entries[i].value = (char *)(uintptr_t)value;
    headers[i] = &entries[i];
    message.request_header = headers;
    message.n_request_header = i + 1;
}

static void begin(void)
{
    common__v2__download__init(&message);
    common__v2__range__init(&range);
    google__protobuf__duration__init(&timeout);
    message.url = (char *)(uintptr_t) "https://example.com/a?x=1&sig=2";
}

static void expect(int code, const char *part)
{
    struct download download;
    struct dtr_error err = {0};
    int rc = download_take(&download, &message, &err);
    download_free(&download);
    assert_int_equal(rc, code);
    if (code != DTR_OK && !strstr(err.text, part))
        fail_msg("\"%s\" does not say \"%s\"", err.text, part);
}

/* Sets one thing wrong. */
static void bad_url(void)
{
    message.url = (char *)(uintptr_t) "no url";
}
static void empty_url(void)
{
    message.url = (char *)(uintptr_t) "";
}
static void other_scheme(void)
{
    message.url = (char *)(uintptr_t) "hdfs://h/x";
}
static void other_type(void)
{
    message.type = COMMON__V2__TASK_TYPE__PERSISTENT;
}
static void bad_priority(void)
{
    message.priority = (Common__V2__Priority)7;
}
static void piece_length(uint64_t length)
{
    message.has_piece_length_case = COMMON__V2__DOWNLOAD__HAS_PIECE_LENGTH_PIECE_LENGTH;
    message.piece_length = length;
}
static void small_pieces(void)
{
    piece_length((4 << 20) - 1);
}
static void large_pieces(void)
{
    piece_length((64 << 20) + 1);
}
static void good_pieces(void)
{
    piece_length(64 << 20);
}
static void digest(const char *text)
{
    message.has_digest_case = COMMON__V2__DOWNLOAD__HAS_DIGEST_DIGEST;
    message.digest = (char *)(uintptr_t)text;
}
static void bad_digest(void)
{
    digest("sha256:12");
}
static void md5(void)
{
    digest("md5:900150983cd24fb0d6963f7d28e17f72");
}
static void good_digest(void)
{
    digest("crc32:891568578");
}
static void no_bytes(void)
{
    message.range = &range;
}
static void endless(void)
{
    message.range = &range;
    range.start = 2;
    range.length = UINT64_MAX - 1;
}
static void last_bytes(void)
{
    header(0, "Range", "bytes=-5");
}
static void no_time(void)
{
    message.timeout = &timeout;
}
static void past_time(void)
{
    message.timeout = &timeout;
    timeout.seconds = -1;
}
static void split_header(void)
{
    header(0, "X-A", "b\r\nX-C: d");
}
static void odd_header(void)
{
    header(0, "X A", "b");
}
static void link_only(void)
{
    message.force_hard_link = true;
}
static void output(const char *path)
{
    message.has_output_path_case = COMMON__V2__DOWNLOAD__HAS_OUTPUT_PATH_OUTPUT_PATH;
    message.output_path = (char *)(uintptr_t)path;
}
static void relative(void)
{
    output("a/b");
}
static void linked_part(void)
{
    output("/a");
    message.force_hard_link = true;
    message.range = &range;
    range.length = 1;
}

static ProtobufCBinaryData no_certificate = {3, (uint8_t *)(uintptr_t) "PEM"};
static void odd_certificate(void)
{
    message.certificate_chain = &no_certificate;
    message.n_certificate_chain = 1;
}
static void many_certificates(void)
{
    static ProtobufCBinaryData large = {.len = (128 << 10) + 1};
    message.certificate_chain = &large;
    message.n_certificate_chain = 1;
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        void (*set)(void);
        int code;
        const char *part;
    } cases[] = {
        {bad_url, DTR_EINVALID, "url"},
        {empty_url, DTR_EINVALID, "url"},
        {other_scheme, DTR_EUNSUPPORTED, "hdfs"},
        {other_type, DTR_EUNSUPPORTED, "type"},
        {bad_priority, DTR_EINVALID, "priority"},
        {small_pieces, DTR_EINVALID, "piece_length: 4194303 is not within 4 MiB and 64 MiB"},
        {large_pieces, DTR_EINVALID, "piece_length"},
        {good_pieces, DTR_OK, ""},
        {bad_digest, DTR_EINVALID, "digest"},
        {md5, DTR_EINVALID, "sha256"},
        {good_digest, DTR_OK, ""},
        {no_bytes, DTR_EINVALID, "range: length is 0"},
        {endless, DTR_EINVALID, "range"},
        {last_bytes, DTR_EINVALID, "Range"},
        {no_time, DTR_EINVALID, "timeout"},
        {past_time, DTR_EINVALID, "timeout"},
        {split_header, DTR_EINVALID, "X-A"},
        {odd_header, DTR_EINVALID, "X A"},
        {link_only, DTR_EINVALID, "force_hard_link"},
        {relative, DTR_EINVALID, "output_path"},
        {linked_part, DTR_EINVALID, "force_hard_link"},
        {odd_certificate, DTR_EINVALID, "certificate_chain: an entry is no X.509"},
        {many_certificates, DTR_EINVALID, "certificate_chain: more than 128 KiB"},
    };
    struct download download;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin();
        cases[i].set();
        expect(cases[i].code, cases[i].part);
    }
    assert_int_equal(download_take(&download, NULL, NULL), DTR_EINVALID);
    download_free(&download);
}

static void it_becomes_a_read_request(void **state)
{
    (void)state;
    static char *filter[] = {(char *)(uintptr_t) "sig", (char *)(uintptr_t) "n"};
    struct download download;
    struct dtr_error err;
    char id[DTR_TASK_ID_SIZE];
    static const char *const names[] = {"sig", "n"};
    const struct dtr_task_key key = {
        .url = "https://example.com/a?x=1", .tag = "t", .filter = names, .filter_count = 2};
    begin();
    header(0, "Authorization", "Bearer a");
    header(1, "range", "bytes=10-19");
    header(2, "Connection", "close");
    message.filtered_query_params = filter;
    message.n_filtered_query_params = 2;
    message.has_tag_case = COMMON__V2__DOWNLOAD__HAS_TAG_TAG;
    message.tag = (char *)(uintptr_t) "t";
    message.priority = COMMON__V2__PRIORITY__LEVEL3;
    message.timeout = &timeout;
    timeout.seconds = 2;
    timeout.nanos = 1;
    message.need_piece_content = message.need_back_to_source = true;
    assert_int_equal(download_take(&download, &message, &err), DTR_OK);
    assert_string_equal(download.read.headers, "Authorization: Bearer a\n");
    assert_string_equal(download.read.filter, "sig\nn");
    assert_string_equal(download.read.url, message.url);
    assert_string_equal(download.read.digest, "");
    assert_int_equal(dtr_task_id(id, &key, &err), DTR_OK);
    assert_string_equal(download.task_id, id);
    assert_int_equal(download.read.offset, 10);
    assert_int_equal(download.read.length, 10);
    assert_true(download.ranged && download.need_content && download.read.announce);
    assert_int_equal(download.read.priority, 3);
    assert_int_equal(download.timeout_ms, 2001);
    download_free(&download);
}

#define HEX "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void a_blob_has_its_digest(void **state)
{
    (void)state;
    struct download download;
    struct dtr_error err;
    begin();
    message.url = (char *)(uintptr_t) "https://r.test/v2/a/blobs/sha256:" HEX;
    message.enable_task_id_based_blob_digest = true;
    assert_int_equal(download_take(&download, &message, &err), DTR_OK);
    assert_string_equal(download.task_id, HEX);
    assert_string_equal(download.read.digest, "sha256:" HEX);
    download_free(&download);
    message.url = (char *)(uintptr_t) "https://r.test/v2/a/blobs/sha512:" HEX HEX;
    assert_int_equal(download_take(&download, &message, &err), DTR_OK);
    assert_string_equal(download.read.digest, "sha512:" HEX HEX);
    download_free(&download);
    /* What a caller wants of its own file says nothing of the task. */
    message.url = (char *)(uintptr_t) "https://r.test/file";
    message.has_digest_case = COMMON__V2__DOWNLOAD__HAS_DIGEST_DIGEST;
    message.digest = (char *)(uintptr_t) "sha256:" HEX;
    assert_int_equal(download_take(&download, &message, &err), DTR_OK);
    assert_string_equal(download.digest, "sha256:" HEX);
    assert_string_equal(download.read.digest, "");
    download_free(&download);
}

static void set_remote_ip(const char *ip)
{
    message.has_remote_ip_case = COMMON__V2__DOWNLOAD__HAS_REMOTE_IP_REMOTE_IP;
    message.remote_ip = (char *)(uintptr_t)ip;
}

/* Schedulers refuse a register with another. */
static void who_asked_is_an_address(void **state)
{
    static const struct {
        const char *given, *taken;
    } good[] = {{"", ""}, {"10.0.0.7", "10.0.0.7"}, {"[fd00::1]", "fd00::1"}};
    struct download download;
    (void)state;
    begin();
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        set_remote_ip(good[i].given);
        assert_int_equal(download_take(&download, &message, NULL), DTR_OK);
        assert_string_equal(download.read.remote_ip, good[i].taken);
        download_free(&download);
    }
    set_remote_ip("node1");
    expect(DTR_EINVALID, "remote_ip: it is no IP address");
}

/* A string of a message is UTF-8: others refuse the whole message for one byte that is not. */
static void headers_for_messages_are_ascii(void **state)
{
    (void)state;
    char lines[] = "Content-Type: text/plain\nContent-Disposition: attachment; filename=\xe9.txt\nX-\xff: "
                   "1\nETag: \"a\"\n";
    struct dtr_header cut[HEADER_LINES];
    assert_int_equal(header_lines_cut(lines, cut), 2);
    assert_string_equal(cut[0].name, "Content-Type");
    assert_string_equal(cut[0].value, "text/plain");
    assert_string_equal(cut[1].name, "ETag");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_for_messages_are_ascii), cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(it_becomes_a_read_request),      cmocka_unit_test(a_blob_has_its_digest),
        cmocka_unit_test(who_asked_is_an_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
