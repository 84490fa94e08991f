/* The requests for an image, against a registry that is a list of answers. */
#include "core/oci/fetch.h"

#include "core/base/digest.h"
#include "core/base/list.h"
#include "core/loop/loop.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define BASE  "http://r.example/v2/a"
#define A     "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define IMAGE "{\"config\":{\"digest\":\"" A "\",\"size\":7},\"layers\":[]}"

/* One request that is expected, with its answer; status 0: none comes. */
struct step {
    const char *url, *authorization;
    int status;
    const char *said; /* Location of a redirect, WWW-Authenticate of others */
    const char *body;
};

struct lab {
    struct dtr_loop *loop;
    const struct step *steps;
    size_t count, next;
    struct dtr_oci_fetch *fetch;
    bool done;
    struct dtr_error err;
    size_t blobs, headers;
    char url[200], authorization[100];
};

struct dtr_origin_call {
    struct lab *lab;
    const struct step *step;
    const struct dtr_origin_sink *sink;
    void *context;
    struct dtr_msg msg;
    bool cancelled;
};

static void on_answer(struct dtr_msg *msg)
{
    struct dtr_origin_call *call = dtr_container(msg, struct dtr_origin_call, msg);
    const struct step *step = call->step;
    const bool redirect = step->status / 100 == 3;
    const struct dtr_header header = {redirect ? "Location" : "WWW-Authenticate", step->said};
    const struct dtr_origin_head head = {
        .status = step->status, .headers = &header, .header_count = header.value ? 1 : 0};
    struct dtr_error err = {0};
    bool pause;
    if (call->cancelled)
        (void)dtr_error_set(&err, DTR_ECANCELLED, DTR_RETRY_NEVER, "cancelled");
    if (!err.code && call->sink->head(call->context, &head) != DTR_OK)
        (void)dtr_error_set(&err, DTR_EINTERNAL, DTR_RETRY_NEVER, "stopped");
    if (!err.code && step->body &&
        call->sink->body(call->context, (const uint8_t *)step->body, strlen(step->body), &pause) != DTR_OK)
        (void)dtr_error_set(&err, DTR_EINTERNAL, DTR_RETRY_NEVER, "stopped");
    call->sink->done(call->context, &err);
    free(call);
}

static int on_read(void *instance, struct dtr_loop *loop, const struct dtr_origin_request *request,
                   const struct dtr_origin_sink *sink, void *context, struct dtr_origin_call **ret_call,
                   struct dtr_error *err)
{
    struct lab *lab = instance;
    const char *authorization = dtr_header_find(request->headers, request->header_count, "Authorization");
    (void)err;
    if (lab->next == lab->count)
        fail_msg("%s is asked for too", request->url);
    const struct step *step = &lab->steps[lab->next++];
    assert_string_equal(request->url, step->url);
    assert_string_equal(authorization ? authorization : "", step->authorization ? step->authorization : "");
    if (!strstr(request->url, "://r.example/") &&
        (request->trusted || (request->insecure && !strstr(request->url, "://auth.example/"))))
        fail_msg("%s is trusted", request->url);
    struct dtr_origin_call *call = calloc(1, sizeof(*call));
    assert_non_null(call);
    *call = (struct dtr_origin_call){.lab = lab, .step = step, .sink = sink, .context = context};
    call->msg.run = on_answer;
    *ret_call = call;
    if (step->status)
        dtr_loop_post(loop, &call->msg);
    return DTR_OK;
}

static void on_cancel(struct dtr_origin_call *call)
{
    call->cancelled = true;
    dtr_loop_post(call->lab->loop, &call->msg);
}

static void on_done(void *context, const struct dtr_oci_image *image, const struct dtr_error *err)
{
    struct lab *lab = context;
    lab->done = true;
    if (err)
        lab->err = *err;
    if (!image)
        return;
    lab->blobs = image->count;
    lab->headers = image->header_count;
    (void)snprintf(lab->url, sizeof(lab->url), "%s", image->blobs[0].url);
    const char *found = dtr_header_find(image->headers, image->header_count, "Authorization");
    (void)snprintf(lab->authorization, sizeof(lab->authorization), "%s", found ? found : "");
}

/* Plays the steps; `options` lacks the URL only. */
static struct lab play(const char *url, struct dtr_oci_options options, const struct step *steps,
                       size_t count, bool cancel)
{
    static const struct dtr_origin_ops origin = {
        .size = sizeof(origin), .read = on_read, .exchange = on_read, .cancel = on_cancel};
    struct lab lab = {.steps = steps, .count = count};
    options.url = url;
    assert_int_equal(dtr_loop_new("test", &lab.loop, NULL), DTR_OK);
    assert_int_equal(
        dtr_oci_fetch_start(lab.loop, &origin, &lab, &options, on_done, &lab, &lab.fetch, &lab.err), DTR_OK);
    if (cancel)
        dtr_oci_fetch_cancel(lab.fetch);
    while (!lab.done)
        dtr_loop_turn(lab.loop, true);
    dtr_loop_free(lab.loop);
    assert_int_equal(lab.next, count);
    return lab;
}

#define PLAY(url, steps, ...)                                                                                \
    play(url, (struct dtr_oci_options){__VA_ARGS__}, steps, sizeof(steps) / sizeof((steps)[0]), false)

static void anybody_may_ask(void **state)
{
    (void)state;
    const struct step steps[] = {{BASE "/manifests/1", NULL, 200, NULL, IMAGE}};
    struct lab lab = PLAY(BASE "/manifests/1", steps, .platform = "linux/amd64");
    assert_int_equal(lab.err.code, DTR_OK);
    assert_int_equal(lab.blobs, 1);
    assert_string_equal(lab.url, BASE "/blobs/" A);
    assert_string_equal(lab.authorization, "");
}

static void a_password_is_given_when_it_is_wanted(void **state)
{
    (void)state;
    const struct step steps[] = {{BASE "/manifests/1", NULL, 401, "Basic realm=\"x\"", NULL},
                                 {BASE "/manifests/1", "Basic dXNlcjpwdw==", 200, NULL, IMAGE}};
    struct lab lab = PLAY(BASE "/manifests/1", steps, .username = "user", .password = "pw");
    assert_int_equal(lab.err.code, DTR_OK);
    assert_string_equal(lab.authorization, "Basic dXNlcjpwdw==");
    const struct step wrong[] = {{BASE "/manifests/1", NULL, 401, "Basic realm=\"x\"", NULL},
                                 {BASE "/manifests/1", "Basic dXNlcjpubw==", 401, "Basic realm=\"x\"", NULL}};
    lab = PLAY(BASE "/manifests/1", wrong, .username = "user", .password = "no");
    assert_int_equal(lab.err.code, DTR_EDENIED);
    assert_string_equal(lab.err.text, "r.example answers 401");
    lab = play(BASE "/manifests/1", (struct dtr_oci_options){0}, wrong, 1, false);
    assert_int_equal(lab.err.code, DTR_EDENIED);
    assert_non_null(strstr(lab.err.text, "wants a username"));
}

static void a_token_is_got_when_it_is_wanted(void **state)
{
    (void)state;
    static const char challenge[] = "Bearer realm=\"https://auth.example/token\",service=\"r & co\"";
    static const char token_url[] = "https://auth.example/token?service=r%20%26%20co&scope=repository:a:pull";
    const struct step steps[] = {{BASE "/manifests/1", NULL, 401, challenge, NULL},
                                 {token_url, "Basic dXNlcjpwdw==", 200, NULL, "{\"token\":\"t1\"}"},
                                 {BASE "/manifests/1", "Bearer t1", 200, NULL, IMAGE}};
    struct lab lab = PLAY(BASE "/manifests/1", steps, .username = "user", .password = "pw");
    assert_int_equal(lab.err.code, DTR_OK);
    assert_string_equal(lab.authorization, "Bearer t1");
    const struct step refused[] = {
        {BASE "/manifests/1", NULL, 401, challenge, NULL},
        {token_url, NULL, 403, NULL, "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"no\"}]}"}};
    lab = PLAY(BASE "/manifests/1", refused, .timeout_ms = 0);
    assert_string_equal(lab.err.text, "the token server of r.example answers 403 (DENIED: no)");
}

static void no_password_leaves_tls(void **state)
{
    (void)state;
    const struct step steps[] = {
        {"https://r.example/v2/a/manifests/1", NULL, 401, "Bearer realm=\"http://auth.example/\"", NULL}};
    struct lab lab = PLAY("https://r.example/v2/a/manifests/1", steps, .username = "user", .password = "pw");
    assert_int_equal(lab.err.code, DTR_EDENIED);
}

static void the_callers_authorization_is_used_as_it_is(void **state)
{
    (void)state;
    const struct dtr_header header = {"authorization", "Bearer own"};
    const struct step steps[] = {{BASE "/manifests/1", "Bearer own", 401, "Basic realm=\"x\"", NULL}};
    struct lab lab = PLAY(BASE "/manifests/1", steps, .username = "u", .headers = &header, .header_count = 1);
    assert_int_equal(lab.err.code, DTR_EDENIED);
}

static void an_index_is_followed_and_digests_hold(void **state)
{
    (void)state;
    char hex[65], index[300], url[200];
    dtr_sha256_hex(IMAGE, strlen(IMAGE), hex);
    (void)snprintf(index, sizeof(index),
                   "{\"manifests\":[{\"digest\":\"sha256:%s\",\"platform\":{\"os\":\"linux\","
                   "\"architecture\":\"amd64\"}}]}",
                   hex);
    (void)snprintf(url, sizeof(url), BASE "/manifests/sha256:%s", hex);
    const struct step steps[] = {{BASE "/manifests/1", NULL, 200, NULL, index},
                                 {url, NULL, 200, NULL, IMAGE}};
    struct lab lab = PLAY(BASE "/manifests/1", steps, .platform = "linux/amd64");
    assert_int_equal(lab.err.code, DTR_OK);
    assert_int_equal(lab.blobs, 1);
    const struct step liar[] = {{url, NULL, 200, NULL, index}};
    lab = PLAY(url, liar, .platform = "linux/amd64");
    assert_int_equal(lab.err.code, DTR_ECORRUPT);
}

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    const struct step missing[] = {
        {BASE "/manifests/1", NULL, 404, NULL,
         "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\"}]}"}};
    struct lab lab = PLAY(BASE "/manifests/1", missing, .insecure = false);
    assert_int_equal(lab.err.code, DTR_ENOT_FOUND);
    assert_string_equal(lab.err.text, "r.example answers 404 (MANIFEST_UNKNOWN: manifest unknown)");
    char *large = malloc(DTR_OCI_MANIFEST_MOST + 2);
    assert_non_null(large);
    memset(large, ' ', DTR_OCI_MANIFEST_MOST + 1);
    large[DTR_OCI_MANIFEST_MOST + 1] = '\0';
    const struct step endless[] = {{BASE "/manifests/1", NULL, 200, NULL, large}};
    lab = PLAY(BASE "/manifests/1", endless, .insecure = false);
    assert_int_equal(lab.err.code, DTR_ELIMIT);
    free(large);
}

static void it_ends_when_it_is_told_to_and_in_time(void **state)
{
    (void)state;
    const struct step never[] = {{BASE "/manifests/1", NULL, 0, NULL, NULL}};
    struct lab lab = play(BASE "/manifests/1", (struct dtr_oci_options){0}, never, 1, true);
    assert_int_equal(lab.err.code, DTR_ECANCELLED);
    lab = PLAY(BASE "/manifests/1", never, .timeout_ms = 20);
    assert_int_equal(lab.err.code, DTR_ETIMEOUT);
}

static void a_redirect_takes_nothing_along(void **state)
{
    (void)state;
    static const char elsewhere[] = "https://cdn.example/m";
    const struct dtr_header header = {"Authorization", "Bearer own"};
    const struct step steps[] = {{BASE "/manifests/1", "Bearer own", 301, "/v2/b/manifests/1", NULL},
                                 {"http://r.example/v2/b/manifests/1", "Bearer own", 307, elsewhere, NULL},
                                 {elsewhere, NULL, 200, NULL, IMAGE}};
    struct lab lab = PLAY(BASE "/manifests/1", steps, .headers = &header, .header_count = 1, .trusted = true,
                          .insecure = true);
    assert_int_equal(lab.err.code, DTR_OK);
    assert_string_equal(lab.authorization, "Bearer own");
}

static void a_challenge_of_another_host_gets_no_password(void **state)
{
    (void)state;
    static const char elsewhere[] = "http://cdn.example/m";
    const struct step steps[] = {{BASE "/manifests/1", NULL, 302, elsewhere, NULL},
                                 {elsewhere, NULL, 401, "Bearer realm=\"http://thief.example/\"", NULL}};
    struct lab lab = PLAY(BASE "/manifests/1", steps, .username = "user", .password = "pw");
    assert_int_equal(lab.err.code, DTR_EDENIED);
    static const char challenge[] = "Bearer realm=\"http://auth.example/t\"";
    static const char token_url[] = "http://auth.example/t?scope=repository:a:pull";
    const struct step away[] = {{BASE "/manifests/1", NULL, 401, challenge, NULL},
                                {token_url, "Basic dXNlcjpwdw==", 302, "http://thief.example/", NULL},
                                {"http://thief.example/", NULL, 401, NULL, NULL}};
    lab = PLAY(BASE "/manifests/1", away, .username = "user", .password = "pw", .trusted = true);
    assert_int_equal(lab.err.code, DTR_EDENIED);
    assert_null(strstr(lab.err.text, "pw"));
}

static void redirects_end(void **state)
{
    (void)state;
    const struct step round = {BASE "/manifests/1", NULL, 302, BASE "/manifests/1", NULL};
    const struct step steps[] = {round, round, round, round, round, round};
    struct lab lab = PLAY(BASE "/manifests/1", steps, .trusted = true);
    assert_string_equal(lab.err.text, "r.example answers 302, which leads round and round");
    const struct step nowhere[] = {{BASE "/manifests/1", NULL, 302, "ftp://r.example/", NULL}};
    lab = PLAY(BASE "/manifests/1", nowhere, .trusted = true);
    assert_int_equal(lab.err.code, DTR_EPROTOCOL);
}

static void headers_of_one_request_do_not_travel(void **state)
{
    (void)state;
    const struct dtr_header bad = {"X", "a\r\nHost: b"};
    const struct dtr_oci_options options = {.url = BASE "/manifests/1", .headers = &bad, .header_count = 1};
    static const struct dtr_origin_ops origin = {.size = sizeof(origin)};
    struct dtr_oci_fetch *fetch;
    struct dtr_error err;
    struct dtr_loop *loop;
    assert_int_equal(dtr_loop_new("test", &loop, NULL), DTR_OK);
    assert_int_equal(dtr_oci_fetch_start(loop, &origin, NULL, &options, on_done, NULL, &fetch, &err),
                     DTR_EINVALID);
    dtr_loop_free(loop);
    const struct dtr_header headers[] = {{"range", "bytes=0-1"}, {"X-Mine", "1"}};
    const struct step steps[] = {{BASE "/manifests/1", NULL, 200, NULL, IMAGE}};
    struct lab lab = PLAY(BASE "/manifests/1", steps, .headers = headers, .header_count = 2);
    assert_int_equal(lab.headers, 1);
}

static void a_busy_registry_may_be_asked_later(void **state)
{
    (void)state;
    static const struct {
        int status, code;
        enum dtr_retry retry;
    } rows[] = {{404, DTR_ENOT_FOUND, DTR_RETRY_NEVER},
                {403, DTR_EDENIED, DTR_RETRY_NEVER},
                {410, DTR_EORIGIN, DTR_RETRY_NEVER},
                {429, DTR_EUNAVAILABLE, DTR_RETRY_SAME},
                {503, DTR_EUNAVAILABLE, DTR_RETRY_SAME}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct step steps[] = {{BASE "/manifests/1", NULL, rows[i].status, NULL, NULL}};
        struct lab lab = PLAY(BASE "/manifests/1", steps, .trusted = true);
        assert_int_equal(lab.err.code, rows[i].code);
        assert_int_equal(lab.err.retry, rows[i].retry);
        assert_int_equal(lab.err.status, rows[i].status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anybody_may_ask),
        cmocka_unit_test(a_password_is_given_when_it_is_wanted),
        cmocka_unit_test(a_token_is_got_when_it_is_wanted),
        cmocka_unit_test(no_password_leaves_tls),
        cmocka_unit_test(the_callers_authorization_is_used_as_it_is),
        cmocka_unit_test(an_index_is_followed_and_digests_hold),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(a_redirect_takes_nothing_along),
        cmocka_unit_test(a_challenge_of_another_host_gets_no_password),
        cmocka_unit_test(redirects_end),
        cmocka_unit_test(headers_of_one_request_do_not_travel),
        cmocka_unit_test(a_busy_registry_may_be_asked_later),
        cmocka_unit_test(it_ends_when_it_is_told_to_and_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
