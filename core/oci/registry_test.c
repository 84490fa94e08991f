/* The requests for an image through the real module for origins, against a registry with a token server and
 * somebody else, in the clear and with certificates of a private authority. The argument is the folder of the
 * modules. fetch_test.c has the rest, against answers that are made up. */
#include "core/oci/registry_rig.h"

#include "core/base/str.h"
#include "core/net/guard.h"
#include "core/oci/fetch.h"
#include <string.h>

#define USER "Basic dXNlcjpwdw==" /* user:pw */

static const char *folder; /* of the modules */

/* What came of a fetch. */
static struct {
    bool done;
    struct dtr_error err;
    size_t blobs;
    char blob[200], authorization[64];
} seen;

static void keep(char *to, size_t size, const char *text)
{
    (void)dtr_copy_text(to, size, text ? text : "");
}

static void on_done(void *context, const struct dtr_oci_image *image, const struct dtr_error *err)
{
    (void)context;
    assert_false(seen.done);
    seen.done = true;
    seen.err = err ? *err : (struct dtr_error){0};
    seen.blobs = image ? image->count : 0;
    keep(seen.blob, sizeof(seen.blob), image ? image->blobs[0].url : "");
    keep(seen.authorization, sizeof(seen.authorization),
         image ? dtr_header_find(image->headers, image->header_count, "Authorization") : "");
}

static struct dtr_oci_fetch *start(const char *reference, struct dtr_oci_options options)
{
    static const struct dtr_header mine = {"X-Mine", "1"};
    struct dtr_oci_fetch *fetch = NULL;
    char url[200];
    (void)snprintf(url, sizeof(url), "%.80s/v2/a/manifests/%s", lab.servers[REGISTRY].base, reference);
    options.url = url;
    options.platform = "linux/amd64";
    options.headers = &mine;
    options.header_count = 1;
    seen.done = false;
    if (dtr_oci_fetch_start(lab.loop, lab.offer.feature->ops, lab.offer.instance, &options, on_done, NULL,
                            &fetch, &seen.err) != DTR_OK)
        fail_msg("%s", seen.err.text);
    assert_false(seen.done);
    return fetch;
}

static void fetch(const char *reference, struct dtr_oci_options options)
{
    (void)start(reference, options);
    registry_rig_until(&seen.done);
}

/* With the password, and whatever is said more. */
#define FETCH(reference, ...)                                                                                \
    fetch(reference, (struct dtr_oci_options){.username = "user", .password = "pw", __VA_ARGS__})

static void expect_error(int code, const char *part)
{
    if (seen.err.code != code || !strstr(seen.err.text, part))
        fail_msg("%d: %s", seen.err.code, seen.err.text);
    assert_null(strstr(seen.err.text, "pw"));
}

static void expect_image(void)
{
    char blob[200];
    if (seen.err.code)
        fail_msg("%s", seen.err.text);
    (void)snprintf(blob, sizeof(blob), "%.80s/v2/a/blobs/" A, lab.servers[REGISTRY].base);
    assert_int_equal(seen.blobs, 2);
    assert_string_equal(seen.blob, blob);
}

/* --- the tests ------------------------------------------------------------------------------------------ */

static void an_image_is_found_by_token_and_index(void **state)
{
    const struct server *registry = &lab.servers[REGISTRY], *tokens = &lab.servers[TOKENS];
    (void)state;
    FETCH("latest", .trusted = true);
    expect_image();
    assert_string_equal(seen.authorization, "Bearer fresh");
    assert_int_equal(registry->requests, 3);
    assert_string_equal(registry->mine, "1");
    assert_int_equal(tokens->requests, 1);
    assert_string_equal(tokens->authorization, USER);
    assert_string_equal(tokens->path, "/token?service=the%20registry&scope=repository:a:pull");
    assert_string_equal(tokens->mine, ""); /* the caller's headers are for the registry */
}

/* The text of a file of the authority's; good until the next call. */
static const char *text_of(const char *name)
{
    static char text[8192];
    FILE *file = fopen(tls_rig_path(&lab.keys, name), "re");
    assert_non_null(file);
    const size_t got = fread(text, 1, sizeof(text) - 1, file);
    assert_true(got > 0);
    text[got] = '\0';
    (void)fclose(file);
    return text;
}

static void a_private_authority_stands_for_both(void **state)
{
    (void)state;
    FETCH("latest", .roots = text_of("ca.pem"));
    expect_image();
    assert_string_equal(lab.servers[TOKENS].authorization, USER);
    FETCH("latest", .roots = NULL);
    expect_error(DTR_EUNAVAILABLE, "certificate");
    FETCH("latest", .roots = text_of("other.pem"));
    expect_error(DTR_EUNAVAILABLE, "certificate");
    FETCH("latest", .roots = "nonsense");
    expect_error(DTR_EINVALID, "CA cert");
}

static void on_asked(void *context, const struct dtr_error *err)
{
    on_done(context, NULL, err);
}

static int on_head(void *context, const struct dtr_origin_head *head)
{
    (void)context;
    assert_int_equal(head->status, 401);
    return DTR_OK;
}

static int on_body(void *context, const uint8_t *bytes, size_t length, bool *ret_pause)
{
    (void)context, (void)bytes, (void)length, (void)ret_pause;
    return DTR_OK;
}

/* One question to the registry, with these roots; what came of it is in `seen`. */
static void ask(const char *ca_file, const char *roots)
{
    static const struct dtr_origin_sink sink = {.head = on_head, .body = on_body, .done = on_asked};
    const struct dtr_origin_ops *ops = lab.offer.feature->ops;
    const struct dtr_origin_request request = {.method = "GET",
                                               .url = lab.servers[REGISTRY].base,
                                               .trusted = true,
                                               .ca_file = ca_file,
                                               .roots = roots,
                                               .connect_ms = 5000,
                                               .stall_ms = 5000};
    struct dtr_origin_call *call = NULL;
    seen.done = false;
    assert_int_equal(ops->exchange(lab.offer.instance, lab.loop, &request, &sink, NULL, &call, &seen.err),
                     DTR_OK);
    registry_rig_until(&seen.done);
}

static void roots_of_a_file_and_of_the_caller_count_both(void **state)
{
    (void)state;
    ask(tls_rig_path(&lab.keys, "other.pem"), text_of("ca.pem"));
    assert_int_equal(seen.err.code, DTR_OK);
    ask(tls_rig_path(&lab.keys, "ca.pem"), text_of("other.pem"));
    assert_int_equal(seen.err.code, DTR_OK);
    ask(tls_rig_path(&lab.keys, "other.pem"), text_of("other.pem"));
    expect_error(DTR_EUNAVAILABLE, "certificate");
    ask(tls_rig_path(&lab.keys, "gone.pem"), text_of("ca.pem"));
    expect_error(DTR_EINVALID, "CA cert");
}

/* A connection that one caller's roots have opened is no other caller's. */
static void a_kept_connection_is_verified_again(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        ask(NULL, text_of("ca.pem"));
        assert_int_equal(seen.err.code, DTR_OK);
        ask(NULL, text_of("other.pem"));
        expect_error(DTR_EUNAVAILABLE, "certificate");
        ask(NULL, NULL);
        expect_error(DTR_EUNAVAILABLE, "certificate");
    }
}

static void whoever_a_redirect_leads_to_gets_nothing(void **state)
{
    const struct server *elsewhere = &lab.servers[ELSEWHERE];
    (void)state;
    FETCH("moved", .trusted = true);
    expect_image(); /* the blobs are the registry's all the same */
    assert_int_equal(elsewhere->requests, 1);
    assert_string_equal(elsewhere->authorization, "");
    assert_string_equal(elsewhere->mine, "");
    lab.tokens_move = true;
    FETCH("latest", .trusted = true);
    expect_error(DTR_EDENIED, "answers 401");
    assert_int_equal(elsewhere->requests, 2);
    assert_string_equal(elsewhere->authorization, "");
}

static void a_token_that_is_not_taken_ends_it(void **state)
{
    (void)state;
    lab.token_answer = "{\"access_token\":\"stale\",\"expires_in\":0}";
    FETCH("latest", .trusted = true);
    expect_error(DTR_EDENIED, "answers 401");
    assert_int_equal(lab.servers[TOKENS].requests, 1);
    assert_int_equal(lab.servers[REGISTRY].requests, 2);
    lab.token_answer = "{\"token\":\"fresh\"}";
    lab.takes_then = "Bearer fresher"; /* it expires between the index and the manifest */
    FETCH("latest", .trusted = true);
    expect_error(DTR_EDENIED, "answers 401");
    assert_int_equal(lab.servers[TOKENS].requests, 2);
}

static void what_is_no_answer_is_told(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *answer, *part;
        int code;
    } tokens[] = {
        {200, "{\"token\":", "holds no token", DTR_EINVALID},
        {200, "{\"token\":\"a b\"}", "holds no token", DTR_EINVALID},
        {500, "", "token server of", DTR_EUNAVAILABLE},
        {403, "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"no\"}]}", "403 (DENIED: no)", DTR_EDENIED},
    };
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        lab.token_status = tokens[i].status;
        lab.token_answer = tokens[i].answer;
        FETCH("latest", .trusted = true);
        expect_error(tokens[i].code, tokens[i].part);
    }
    lab.takes = NULL;
    FETCH("html", .trusted = true);
    expect_error(DTR_EINVALID, "is no JSON object");
    FETCH("large", .trusted = true);
    expect_error(DTR_ELIMIT, "more than 4 MiB");
}

/* Trusting the registry is no reason to ask whomever it names. */
static void the_guard_minds_where_a_registry_sends(void **state)
{
    (void)state;
    assert_int_equal(dtr_guard_allow_only(NULL, 0, NULL), DTR_OK);
    FETCH("latest", .trusted = false);
    expect_error(DTR_EDENIED, "security.outbound.allow");
    assert_int_equal(lab.servers[REGISTRY].requests, 0);
    FETCH("latest", .trusted = true);
    expect_error(DTR_EDENIED, "security.outbound.allow");
    assert_int_equal(lab.servers[REGISTRY].requests, 1);
    assert_int_equal(lab.servers[TOKENS].requests, 0);
}

static void a_silent_registry_can_be_left(void **state)
{
    (void)state;
    lab.takes = NULL;
    struct dtr_oci_fetch *waiting = start("silent", (struct dtr_oci_options){.trusted = true});
    registry_rig_until(&lab.servers[REGISTRY].kept_waiting);
    dtr_oci_fetch_cancel(waiting);
    registry_rig_until(&seen.done);
    expect_error(DTR_ECANCELLED, "cancelled");
}

/* Who does not look at the registry's certificate would learn nothing from that of the token server which it
 * names; but nobody has said so of hosts that these two lead to. */
static void who_verifies_no_registry_verifies_no_token_server(void **state)
{
    (void)state;
    FETCH("latest", .insecure = true);
    expect_image();
    assert_int_equal(lab.servers[TOKENS].requests, 1);
    FETCH("moved", .insecure = true);
    expect_error(DTR_EUNAVAILABLE, "certificate");
    lab.tokens_move = true;
    FETCH("latest", .insecure = true);
    expect_error(DTR_EUNAVAILABLE, "certificate");
    assert_int_equal(lab.servers[ELSEWHERE].requests, 0);
}

static int set_up(void **state)
{
    static const char *const plain[SERVERS] = {NULL};
    (void)state;
    registry_rig_open(folder, plain);
    return 0;
}

static int set_up_secure(void **state)
{
    static const char *const known[SERVERS] = {"known", "known", "known"};
    (void)state;
    registry_rig_open(folder, known);
    return 0;
}

static int set_up_strangers(void **state)
{
    static const char *const unknown[SERVERS] = {"unknown", "unknown", "unknown"};
    (void)state;
    registry_rig_open(folder, unknown);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    registry_rig_close();
    return 0;
}

#define PLAIN(name)     cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define SECURE(name)    cmocka_unit_test_setup_teardown(name, set_up_secure, tear_down)
#define STRANGERS(name) cmocka_unit_test_setup_teardown(name, set_up_strangers, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        PLAIN(an_image_is_found_by_token_and_index),
        SECURE(a_private_authority_stands_for_both),
        SECURE(roots_of_a_file_and_of_the_caller_count_both),
        SECURE(a_kept_connection_is_verified_again),
        STRANGERS(who_verifies_no_registry_verifies_no_token_server),
        PLAIN(whoever_a_redirect_leads_to_gets_nothing),
        PLAIN(a_token_that_is_not_taken_ends_it),
        PLAIN(what_is_no_answer_is_told),
        PLAIN(the_guard_minds_where_a_registry_sends),
        PLAIN(a_silent_registry_can_be_left),
    };
    if (argc < 2)
        return 2;
    folder = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
