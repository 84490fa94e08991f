/* The proxy by example: what comes as a task, whole and in parts, and what passes through. */
#include "core/daemon/proxy/proxy_fixture.h"

/* --- tasks ---------------------------------------------------------------------------------------------- */

static void a_task_comes_whole_and_then_from_the_store(void **state)
{
    (void)state;
    struct client client;
    begin();
    ask(&client, "GET " BLOB "\r\n");
    assert_says(&client, "X-Dragonfly-Task-ID: ");
    assert_says(&client, "X-Dragonfly-Server-IP: 10.0.0.7\r\n");
    assert_says(&client, "Accept-Ranges: bytes");
    assert_part(&client, "HTTP/1.1 200 ", 0, RIG_SIZE);
    script.status = 404;
    ask(&client, "GET " BLOB "\r\n");
    assert_says(&client, "X-Dragonfly-Task-Download-Finished: true");
    assert_part(&client, "HTTP/1.1 200 ", 0, RIG_SIZE);
    finish();
}

/* However soon they came. */
static void bytes_that_were_fetched_for_the_answer_are_no_hit(void **state)
{
    (void)state;
    struct client client;
    for (int i = 0; i < 20; i++) {
        begin();
        ask(&client, "GET " BLOB "Range: bytes=100-199\r\n\r\n");
        assert_null(strstr(dtr_str_text(&client.answer), "X-Dragonfly-Task-Download-Finished"));
        assert_part(&client, "HTTP/1.1 206 ", 100, 100);
        finish();
    }
}

static void ranges_are_answered_by_their_part(void **state)
{
    (void)state;
    struct client client;
    begin();
    ask(&client, "GET " BLOB "Range: bytes=-1000\r\n\r\n");
    assert_says(&client, "Content-Range: bytes 6290456-6291455/6291456");
    assert_part(&client, "HTTP/1.1 206 ", RIG_SIZE - 1000, 1000);
    ask(&client, "GET " BLOB "Range: bytes=100-199\r\n\r\n");
    assert_says(&client, "Content-Range: bytes 100-199/6291456");
    assert_part(&client, "HTTP/1.1 206 ", 100, 100);
    ask(&client, "GET " BLOB "Range: bytes=4194000-\r\n\r\n");
    assert_part(&client, "HTTP/1.1 206 ", 4194000, RIG_SIZE - 4194000);
    ask(&client, "GET " BLOB "Range: bytes=100-199\r\nIf-Range: \"another\"\r\n\r\n");
    assert_part(&client, "HTTP/1.1 200 ", 0, RIG_SIZE);
    ask(&client,
        "GET /v2/a/blobs/far" OTHER "Range: bytes=18446744073709551614-18446744073709551615\r\n\r\n");
    assert_says(&client, "HTTP/1.1 416 ");
    dtr_str_free(&client.answer);
    ask(&client, "GET /v2/a/blobs/farther" OTHER "Range: bytes=18446744073709551615-\r\n\r\n");
    assert_says(&client, "HTTP/1.1 416 ");
    dtr_str_free(&client.answer);
    ask(&client, "GET " BLOB "Range: bytes=7000000-\r\n\r\n");
    assert_says(&client, "HTTP/1.1 416 ");
    assert_says(&client, "Content-Range: bytes */6291456");
    dtr_str_free(&client.answer);
    finish();
}

static void breathe(struct dtr_msg *msg)
{
    (void)msg;
    script.silent_at = DTR_LENGTH_UNKNOWN;
}

/* The origin holds its breath until the client has the head; so the length is not known by then. */
static void an_unknown_length_is_chunked(void **state)
{
    (void)state;
    struct client client = {.head = "GET " BLOB "Range: bytes=100-199\r\n\r\n"};
    struct dtr_msg go_on = {.run = breathe};
    begin();
    script.length_unknown = true;
    script.silent_at = 1 << 20;
    client_begin(&client);
    TURN_UNTIL(control, client.begun);
    dtr_loop_post(data, &go_on);
    client_wait(&client);
    assert_says(&client, "HTTP/1.1 200 ");
    assert_says(&client, "Transfer-Encoding: chunked");
    assert_true(client.answer.length > RIG_SIZE);
    assert_memory_equal(client.answer.text + client.answer.length - 5, "0\r\n\r\n", 5);
    dtr_str_free(&client.answer);
    finish();
}

static void an_origins_refusal_keeps_its_status(void **state)
{
    (void)state;
    struct client client;
    begin();
    script.status = 404;
    ask(&client, "GET " BLOB "\r\n");
    assert_says(&client, "HTTP/1.1 404 ");
    assert_says(&client, "X-Dragonfly-Error-Type: backend");
    dtr_str_free(&client.answer);
    finish();
}

/* The client leaves in the middle; closing then waits for nothing. */
static void a_client_that_leaves_is_forgotten(void **state)
{
    (void)state;
    struct client client = {.head = "GET " BLOB "\r\n", .leave_after = 100000};
    begin();
    script.silent_at = 1 << 20;
    client_begin(&client);
    client_wait(&client);
    dtr_str_free(&client.answer);
    finish();
}

static void closing_ends_a_task_that_waits(void **state)
{
    (void)state;
    struct client client = {.head = "GET " BLOB "\r\n"};
    begin();
    script.silent_at = 1 << 20;
    client_begin(&client);
    TURN_UNTIL(control, client.begun);
    finish();
    client_wait(&client);
    assert_true(body_size(&client) < RIG_SIZE);
    dtr_str_free(&client.answer);
}

/* --- what is no task ------------------------------------------------------------------------------------ */

static void other_requests_pass_through(void **state)
{
    (void)state;
    struct client client;
    begin();
    ask(&client, "GET /v2/a/manifests/1" OTHER "\r\n");
    assert_says(&client, "HTTP/1.1 418 ");
    assert_says(&client, "X-Method: GET");
    assert_string_equal(body_of(&client), "http://registry.test/v2/a/manifests/1");
    dtr_str_free(&client.answer);
    ask(&client, "HEAD " BLOB "\r\n");
    assert_says(&client, "X-Method: HEAD");
    assert_int_equal(body_size(&client), 0);
    dtr_str_free(&client.answer);
    ask(&client, "GET /refused" OTHER "\r\n");
    assert_says(&client, "HTTP/1.1 502 ");
    assert_says(&client, "X-Dragonfly-Error-Type: proxy");
    dtr_str_free(&client.answer);
    ask(&client, "GET /guarded" OTHER "\r\n");
    assert_says(&client, "HTTP/1.1 403 ");
    dtr_str_free(&client.answer);
    finish();
}

static void a_push_passes_through(void **state)
{
    (void)state;
    struct client client = {.head = "PUT /upload" OTHER "Content-Length: 6291456\r\n\r\n",
                            .body = rig_object,
                            .body_length = RIG_SIZE};
    begin();
    client_begin(&client);
    client_wait(&client);
    assert_says(&client, "X-Method: PUT");
    assert_part(&client, "HTTP/1.1 418 ", 0, RIG_SIZE);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_comes_whole_and_then_from_the_store),
        cmocka_unit_test(bytes_that_were_fetched_for_the_answer_are_no_hit),
        cmocka_unit_test(ranges_are_answered_by_their_part),
        cmocka_unit_test(an_unknown_length_is_chunked),
        cmocka_unit_test(an_origins_refusal_keeps_its_status),
        cmocka_unit_test(a_client_that_leaves_is_forgotten),
        cmocka_unit_test(closing_ends_a_task_that_waits),
        cmocka_unit_test(other_requests_pass_through),
        cmocka_unit_test(a_push_passes_through),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
