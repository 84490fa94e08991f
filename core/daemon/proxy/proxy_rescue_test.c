/* When a task cannot go on, for want of room or of a store, the client gets the rest from the origin. */
#include "core/daemon/proxy/proxy_fixture.h"

#include "core/base/digest.h"
#include "core/obs/log.h"
#include <unistd.h>

static uint64_t disk_room; /* bytes of an object that the store takes */

static int write_while_room(struct dtr_stored *stored, uint64_t offset, const void *bytes, size_t length,
                            struct dtr_error *err)
{
    if (offset + length > disk_room)
        return dtr_error_set(err, DTR_ENO_SPACE, DTR_RETRY_SAME, "no room");
    return rig_storage.write(stored, offset, bytes, length, err);
}

/* The same origin, asked by header lines for what it is asked for otherwise. */
static int exchange_by_reading(void *instance, struct dtr_loop *loop,
                               const struct dtr_origin_request *request, const struct dtr_origin_sink *sink,
                               void *context, struct dtr_origin_call **ret, struct dtr_error *err)
{
    struct dtr_origin_request reading = *request;
    unsigned long long first, last;
    for (size_t i = 0; i < request->header_count; i++) {
        if (dtr_casecmp(request->headers[i].name, "Range") == 0 &&
            sscanf(request->headers[i].value, "bytes=%llu-%llu", &first, &last) == 2) {
            reading.offset = first;
            reading.length = last - first + 1;
        }
    }
    return rig_origin.read(instance, loop, &reading, sink, context, ret, err);
}

static void begin_with_room(uint64_t room)
{
    static struct dtr_origin_ops ops;
    static const struct dtr_feature feature = {.ops = &ops};
    ops = rig_origin;
    ops.exchange = exchange_by_reading;
    begin();
    node.origin = (struct dtr_offer){.feature = &feature, .instance = &script};
    store.write = write_while_room;
    disk_room = room;
}

static void a_full_disk_is_not_the_clients_trouble(void **state)
{
    (void)state;
    struct client client;
    begin_with_room(1 << 20);
    ask(&client, "GET " BLOB "\r\n");
    assert_part(&client, "HTTP/1.1 200 ", 0, RIG_SIZE);
    ask(&client, "GET " BLOB "Range: bytes=5000000-5999999\r\n\r\n");
    assert_part(&client, "HTTP/1.1 206 ", 5000000, 1000000);
    script.ignore_range = true;
    ask(&client, "GET " BLOB "\r\n");
    assert_part(&client, "HTTP/1.1 200 ", 0, RIG_SIZE);
    finish();
}

/* The blob's origin may need what the operator has every request to it carry. */
static void the_rest_is_asked_for_like_the_beginning(void **state)
{
    (void)state;
    static struct dtr_conf_pair header = {.name = "X-Token", .value = "secret"};
    struct client client;
    config.backend.request_header = (struct dtr_conf_pairs){&header, 1};
    begin_with_room(1 << 20);
    config.backend.request_header.count = 0;
    ask(&client, "GET " BLOB "\r\n");
    assert_part(&client, "HTTP/1.1 200 ", 0, RIG_SIZE);
    assert_non_null(strstr(rig_origin_headers, "X-Token: secret\n"));
    ask(&client, "GET " BLOB "X-Dragonfly-Registry: http://evil.test\r\n\r\n");
    assert_part(&client, "HTTP/1.1 200 ", 0, RIG_SIZE);
    assert_string_equal(rig_origin_url, "http://evil.test/v2/a/blobs/x");
    assert_null(strstr(rig_origin_headers, "X-Token"));
    finish();
}

static int open_nothing(void *instance, const struct dtr_task_facts *facts, struct dtr_stored **ret_stored,
                        struct dtr_error *err)
{
    (void)instance;
    (void)facts;
    (void)ret_stored;
    return dtr_error_set(err, DTR_EIO, DTR_RETRY_SAME, "read-only");
}

/* What was logged since dtr_log_start(); free() it. */
static char *log_of(FILE *file)
{
    static const size_t room = 64 << 10;
    char *text = calloc(1, room);
    assert_non_null(text);
    dtr_log_stop();
    assert_in_range(fread(text, 1, room - 1, file), 1, room - 2);
    (void)fclose(file);
    return text;
}

/* A signed URL is a credential. */
static void what_signs_a_url_is_not_logged(void **state)
{
    (void)state;
    struct client client;
    char path[] = "/tmp/dtr_proxy_test.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "r");
    assert_int_equal(dtr_log_start(&(struct dtr_log_settings){.level = DTR_LOG_DEBUG, .file = path}, NULL),
                     DTR_OK);
    begin_with_room(1 << 20);
    ask(&client, "GET /v2/a/blobs/x?signature=s3cr3t" OTHER "\r\n");
    assert_part(&client, "HTTP/1.1 200 ", 0, RIG_SIZE);
    node.origin = (struct dtr_offer){.feature = &echo_feature};
    store.open = open_nothing;
    ask(&client, "GET /v2/a/blobs/y?signature=s3cr3t" OTHER "\r\n");
    dtr_str_free(&client.answer);
    finish();
    char *text = log_of(file);
    (void)unlink(path);
    assert_non_null(strstr(text, "/v2/a/blobs/x goes on from the origin"));
    assert_non_null(strstr(text, "/v2/a/blobs/y goes on from the origin"));
    assert_null(strstr(text, "s3cr3t"));
    free(text);
}

/* Nothing of the answer has been sent: it passes through as a whole. */
static void a_store_that_cannot_be_written_is_passed_by(void **state)
{
    (void)state;
    struct client client;
    begin();
    store.open = open_nothing;
    ask(&client, "GET " BLOB "\r\n");
    assert_says(&client, "HTTP/1.1 418 ");
    assert_string_equal(body_of(&client), "http://registry.test/v2/a/blobs/x");
    dtr_str_free(&client.answer);
    finish();
}

static void what_may_not_come_from_the_origin_does_not(void **state)
{
    (void)state;
    struct client client;
    config.proxy.disable_back_to_source = true;
    begin();
    config.proxy.disable_back_to_source = false;
    store.open = open_nothing;
    ask(&client, "GET " BLOB "\r\n");
    assert_says(&client, "HTTP/1.1 500 ");
    dtr_str_free(&client.answer);
    finish();
}

/* A registry behind which several servers stand tags the same blob in several ways. */
static void a_blob_with_a_digest_is_continued_whatever_its_tag(void **state)
{
    (void)state;
    struct client client;
    char hex[65], head[300];
    begin_with_room(1 << 20);
    dtr_sha256_hex(rig_object, RIG_SIZE, hex);
    (void)snprintf(head, sizeof(head), "GET /v2/a/blobs/sha256:%s" OTHER "\r\n", hex);
    script.renew_after = rig_origin_requests + 1;
    script.only_the_tag = true;
    ask(&client, head);
    assert_part(&client, "HTTP/1.1 200 ", 0, RIG_SIZE);
    finish();
}

/* The rest would be another object's. */
static void a_version_is_not_continued_by_another(void **state)
{
    (void)state;
    struct client client;
    begin_with_room(1 << 20);
    script.renew_after = rig_origin_requests + 1;
    script.ignore_if_range = true;
    ask(&client, "GET " BLOB "\r\n");
    size_t got = client.answer.length; /* what was on its way is lost */
    const char *body = strstr(dtr_str_text(&client.answer), "\r\n\r\n");
    assert_true(got < RIG_SIZE);
    if (body)
        assert_memory_equal(body + 4, rig_object, got - (size_t)(body + 4 - client.answer.text));
    dtr_str_free(&client.answer);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_is_not_the_clients_trouble),
        cmocka_unit_test(the_rest_is_asked_for_like_the_beginning),
        cmocka_unit_test(what_signs_a_url_is_not_logged),
        cmocka_unit_test(a_store_that_cannot_be_written_is_passed_by),
        cmocka_unit_test(what_may_not_come_from_the_origin_does_not),
        cmocka_unit_test(a_blob_with_a_digest_is_continued_whatever_its_tag),
        cmocka_unit_test(a_version_is_not_continued_by_another),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
