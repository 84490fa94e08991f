/* Where redirects lead, who is trusted there and what is told to whom: what the guard and the credentials of
 * a request go by. */
#include "rig.h"

static void redirects_are_followed_without_credentials(void **state)
{
    (void)state;
    char url[128];
    const struct dtr_header headers[] = {{"Authorization", "Bearer secret"}};
    struct dtr_origin_request request = request_for("/moved", url);
    request.headers = headers;
    request.header_count = 1;
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_string_equal(dtr_str_text(&seen.body), "0123456789");
    assert_non_null(strstr(server.last_request, "Bearer secret")); /* the same host */

    request = request_for("/away", url);
    request.headers = headers;
    request.header_count = 1;
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_EDENIED); /* what a trusted host points to is not trusted */

    guard_opens();
    request = request_for("/away", url);
    request.headers = headers;
    request.header_count = 1;
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_null(strstr(server.last_request, "secret"));
    guard_anew();
}

/* What the operator adds for a host goes to no other. */
static void redirects_are_followed_without_the_hosts_own_headers(void **state)
{
    (void)state;
    char url[128];
    const struct dtr_header headers[] = {{"X-Given", "1"}, {"X-Token", "secret"}};
    struct dtr_origin_request request = request_for("/moved", url);
    request.headers = headers;
    request.header_count = 2;
    request.own_header_count = 1;
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_non_null(strstr(server.last_request, "X-Token: secret"));
    guard_opens();
    request = request_for("/away", url);
    request.headers = headers;
    request.header_count = 2;
    request.own_header_count = 1;
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_null(strstr(server.last_request, "X-Given"));
    assert_non_null(strstr(server.last_request, "User-Agent: "));
    assert_null(strstr(server.last_request, "secret"));
    guard_anew();
}

/* Reads /fickle; how often that was asked for so far, rather than where it leads. */
static int read_fickle(const char *token, uint64_t ttl_ms)
{
    char url[128];
    const struct dtr_header headers[] = {{"Authorization", token}};
    struct dtr_origin_request request = request_for("/fickle", url);
    request.headers = headers;
    request.header_count = token ? 1 : 0;
    request.redirect_ttl_ms = ttl_ms;
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.status, 200);
    assert_string_equal(dtr_str_text(&seen.body), "good");
    return server.fickle;
}

static void where_a_temporary_redirect_led_is_remembered(void **state)
{
    (void)state;
    guard_opens();
    assert_int_equal(read_fickle("Bearer a", 60000), 1);
    assert_null(strstr(server.last_request, "Bearer"));
    assert_int_equal(read_fickle("Bearer a", 60000), 1);
    assert_null(strstr(server.last_request, "Bearer"));  /* nor when it goes there straight away */
    assert_int_equal(read_fickle("Bearer b", 60000), 2); /* signed for somebody else */
    assert_int_equal(read_fickle("Bearer a", 0), 3);     /* not wanted */
    server.expired = true;
    assert_int_equal(read_fickle("Bearer a", 60000), 4); /* no good any more: asked anew, by itself */
    assert_int_equal(read_fickle("Bearer a", 60000), 5);
    guard_anew();
}

/* However a trusted host writes it down, and whatever status it gives: what libcurl follows is not trusted.
 */
static void no_redirect_gets_past_the_guard(void **state)
{
    (void)state;
    static const char *const away[] = {"/bent", "/twice", "/choices"};
    char url[128];
    struct dtr_origin_request request;
    for (size_t i = 0; i < sizeof(away) / sizeof(away[0]); i++) {
        request = request_for(away[i], url);
        run(&request, true);
        assert_int_equal(seen.result.code, DTR_EDENIED);
        assert_int_equal(seen.body.length, 0);
    }
    request = request_for("/named", url);
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_OK); /* the same host */
    assert_string_equal(dtr_str_text(&seen.body), "0123456789");
}

/* The request was right: it is the origin that cannot be followed. */
static void a_redirect_to_nowhere_is_the_origins_fault(void **state)
{
    (void)state;
    static const char *const nowhere[] = {"/scheme", "/nonsense", "/round"};
    char url[128];
    for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
        struct dtr_origin_request request = request_for(nowhere[i], url);
        run(&request, true);
        assert_int_equal(seen.result.code, DTR_EORIGIN);
        assert_int_equal(seen.result.retry, DTR_RETRY_NEVER);
        assert_non_null(strstr(seen.result.text, "cannot be followed"));
        assert_int_equal(seen.status, 0);
    }
    struct dtr_origin_request request = request_for("/plain", url);
    request.url = "ftp://localhost/plain";
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_EUNSUPPORTED); /* nobody but the asker chose this */
}

static void the_guard_is_asked(void **state)
{
    (void)state;
    char url[128];
    struct dtr_origin_request request = request_for("/plain", url);
    run(&request, true); /* leaves a connection that an untrusted request must not use */
    request = request_for("/plain?token=hidden", url);
    request.trusted = false;
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_EDENIED);
    assert_null(strstr(seen.result.text, "hidden"));
    assert_int_equal(seen.status, 0);
}

static void heads_are_read_strictly(void **state)
{
    (void)state;
    char text[64];
    head_plain_url("https://user:pw@host/p?q=1#f", text, sizeof(text));
    assert_string_equal(text, "https://host/p");
    assert_true(head_same_origin("http://a:1/x", "HTTP://A:1/y"));
    assert_false(head_same_origin("http://a:1/x", "http://a:2/y"));
    assert_false(head_same_origin("http://a", "http://a@b"));
    assert_false(head_same_origin("https://a/x", "http://a/x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redirects_are_followed_without_credentials),
        cmocka_unit_test(redirects_are_followed_without_the_hosts_own_headers),
        cmocka_unit_test(where_a_temporary_redirect_led_is_remembered),
        cmocka_unit_test(no_redirect_gets_past_the_guard),
        cmocka_unit_test(a_redirect_to_nowhere_is_the_origins_fault),
        cmocka_unit_test(the_guard_is_asked),
        cmocka_unit_test(heads_are_read_strictly),
    };
    return cmocka_run_group_tests(tests, rig_open, rig_close);
}
