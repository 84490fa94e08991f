/* What proxy requests turn out to be, by table. */
#include "core/base/str.h"
#include "core/http/mirror.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { TASK = DTR_MIRROR_TASK, PASS = DTR_MIRROR_PASS, TUNNEL = DTR_MIRROR_TUNNEL };

static const char *const filter[] = {"sig", "exp"};
static const char *const plain[] = {"127.0.0.1:5000", "registry.local", "[fd00::1]:5000"};
static const struct dtr_mirror_rule rules[] = {
    {.regex = "blobs/sha256.*"},
    {.regex = "^http://files\\.example/", .use_tls = true},
    {.regex = "/redirected/",
     .redirect = "10.0.0.9:8080",
     .filtered_query_params = filter,
     .filtered_query_param_count = 2},
    {.regex = "secret=1"},
    {.regex = "(a+)+$"},
};
static const struct dtr_mirror_config config = {.registry = "http://mirror.example:5000/base/",
                                                .rules = rules,
                                                .rule_count = sizeof(rules) / sizeof(rules[0]),
                                                .plain_hosts = plain,
                                                .plain_host_count = 3};

/* A head with one more header line (or ""), read. */
static void read_head(struct dtr_http_head *head, const char *line, const char *header)
{
    struct dtr_str text = {0};
    struct dtr_error err;
    size_t used;
    *head = (struct dtr_http_head){0};
    dtr_str_printf(&text, "%s HTTP/1.1\r\nHost: 127.0.0.1:4001\r\n%s%s\r\n", line, header,
                   *header ? "\r\n" : "");
    if (dtr_http_head_feed(head, dtr_str_text(&text), text.length, &used, &err) != DTR_OK)
        fail_msg("%s: %s", line, err.text);
    assert_true(head->complete);
    dtr_str_free(&text);
}

static struct dtr_mirror *new_mirror(const struct dtr_mirror_config *from)
{
    struct dtr_mirror *mirror = NULL;
    struct dtr_error err;
    if (dtr_mirror_new(from, &mirror, &err) != DTR_OK)
        fail_msg("%s", err.text);
    return mirror;
}

static void requests_find_their_upstream(void **state)
{
    (void)state;
    static const struct {
        const char *line, *header;
        int kind;
        const char *url;
        bool trusted;
    } cases[] = {
        /* the configured registry */
        {"GET /v2/", "", PASS, "http://mirror.example:5000/base/v2/", true},
        {"GET /v2/a/manifests/1?x=y", "", PASS, "http://mirror.example:5000/base/v2/a/manifests/1?x=y", true},
        {"GET /v2/a/blobs/sha256:00", "", TASK, "http://mirror.example:5000/base/v2/a/blobs/sha256:00", true},
        {"HEAD /v2/a/blobs/sha256:00", "", PASS, "http://mirror.example:5000/base/v2/a/blobs/sha256:00",
         true},
        {"PUT /v2/a/blobs/sha256:00", "", PASS, "http://mirror.example:5000/base/v2/a/blobs/sha256:00", true},
        {"GET /v2/a/blobs/sha256:00", "Content-Length: 1", PASS,
         "http://mirror.example:5000/base/v2/a/blobs/sha256:00", true},
        /* ns= */
        {"GET /v2/a/blobs/sha256:00?ns=quay.io", "", TASK, "https://quay.io/v2/a/blobs/sha256:00", false},
        {"GET /v2/a/manifests/1?ns=docker.io", "", PASS, "https://registry-1.docker.io/v2/a/manifests/1",
         false},
        {"GET /v2/?x=1&ns=index.docker.io&y=2", "", PASS, "https://registry-1.docker.io/v2/?x=1&y=2", false},
        {"GET /v2/?ns=r.example%3A5001", "", PASS, "https://r.example:5001/v2/", false},
        {"GET /v2/?ns=127.0.0.1:5000", "", PASS, "http://127.0.0.1:5000/v2/", true},
        {"GET /v2/?ns=127.0.0.1:5001", "", PASS, "https://127.0.0.1:5001/v2/", false},
        {"GET /v2/?ns=[fd00::1]:5000", "", PASS, "http://[fd00::1]:5000/v2/", true},
        {"GET /v2/?ns=%5Bfd00::1%5D:5001", "", PASS, "https://[fd00::1]:5001/v2/", false},
        {"GET /v2/", "X-Dragonfly-Registry: http://[fd00::2]", PASS, "http://[fd00::2]/v2/", false},
        {"GET http://[fd00::3]:81/x", "", PASS, "http://[fd00::3]:81/x", false},
        {"GET /v2/?ns=REGISTRY.local", "", PASS, "http://REGISTRY.local/v2/", true},
        {"GET /v2/?ns=mirror.example:5000", "", PASS, "http://mirror.example:5000/v2/", true},
        {"GET /v2/?ns=", "", PASS, "http://mirror.example:5000/base/v2/", true},
        {"GET /v2/?answers=a.b", "", PASS, "http://mirror.example:5000/base/v2/?answers=a.b", true},
        /* X-Dragonfly-Registry */
        {"GET /v2/", "X-Dragonfly-Registry: https://ghcr.io", PASS, "https://ghcr.io/v2/", false},
        {"GET /v2/?ns=docker.io", "X-Dragonfly-Registry: https://ghcr.io/", PASS, "https://ghcr.io/v2/",
         false},
        {"GET /v2/", "x-dragonfly-registry: https://index.docker.io", PASS,
         "https://registry-1.docker.io/v2/", false},
        {"GET /v2/", "X-Dragonfly-Registry: http://127.0.0.1:5009", PASS, "http://127.0.0.1:5009/v2/", false},
        {"GET /v2/", "X-Dragonfly-Registry: http://127.0.0.1:5000", PASS, "http://127.0.0.1:5000/v2/", true},
        {"GET /v2/", "X-Dragonfly-Registry: http://mirror.example:5000", PASS,
         "http://mirror.example:5000/v2/", true},
        {"GET /v2/", "X-Dragonfly-Registry: https://mirror.example:5000", PASS,
         "https://mirror.example:5000/v2/", false},
        {"GET /v2/", "X-Dragonfly-Registry: https://docker.io/hub", PASS, "https://docker.io/hub/v2/", false},
        /* forward proxy */
        {"GET http://o.example/x?ns=keep", "", PASS, "http://o.example/x?ns=keep", false},
        {"GET https://o.example", "", PASS, "https://o.example/", false},
        {"GET http://files.example/x", "", TASK, "https://files.example/x", false},
        {"GET http://files.example:81/x", "", PASS, "http://files.example:81/x", false},
        {"GET http://o.example/redirected/x?q", "", TASK, "http://10.0.0.9:8080/redirected/x?q", true},
        {"HEAD http://o.example/redirected/x", "", PASS, "http://o.example/redirected/x", false},
        {"GET http://o.example/x?secret=1", "", PASS, "http://o.example/x?secret=1", false},
        {"GET http://o.example/x", "X-Dragonfly-Use-P2P: true", TASK, "http://o.example/x", false},
        {"POST http://o.example/x", "X-Dragonfly-Use-P2P: true", PASS, "http://o.example/x", false},
        {"GET http://o.example/x", "X-Dragonfly-Use-P2P: FALSE", PASS, "http://o.example/x", false},
        {"GET /v2/a/blobs/sha256:00?ns=quay.io", "X-Dragonfly-Use-P2P: false", TASK,
         "https://quay.io/v2/a/blobs/sha256:00", false},
        {"GET http://mirror.example:5000/x", "", PASS, "http://mirror.example:5000/x", true},
        /* an expression that explodes is no match */
        {"GET http://o.example/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "", PASS,
         "http://o.example/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", false},
        {"CONNECT o.example:443", "", TUNNEL, "o.example:443", false},
    };
    struct dtr_mirror *mirror = new_mirror(&config);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dtr_http_head head;
        struct dtr_mirror_plan plan;
        struct dtr_error err;
        read_head(&head, cases[i].line, cases[i].header);
        if (dtr_mirror_decide(mirror, &head.request, &plan, &err) != DTR_OK)
            fail_msg("%s: %s", cases[i].line, err.text);
        if ((int)plan.kind != cases[i].kind || strcmp(plan.url, cases[i].url) != 0 ||
            plan.trusted != cases[i].trusted)
            fail_msg("%s: kind %d, %s, %strusted", cases[i].line, (int)plan.kind, plan.url,
                     plan.trusted ? "" : "not ");
        dtr_mirror_plan_free(&plan);
        dtr_http_head_free(&head);
    }
    dtr_mirror_free(mirror);
}

#define OF_TASK "GET /blobs/sha256"

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *line, *header, *says;
    } cases[] = {
        {"GET /v2/?ns=a/b", "", "ns"},
        {"GET /v2/?ns=%zz", "", "ns"},
        {"GET /v2/?ns=a%2", "", "ns"},
        {"GET /v2/?ns=a%00", "", "ns"},
        {"GET /v2/?ns=user@host", "", "ns"},
        {"GET /v2/", "X-Dragonfly-Registry: ghcr.io", "X-Dragonfly-Registry is not of the form https://"},
        {"GET /v2/", "X-Dragonfly-Registry: ftp://ghcr.io", "X-Dragonfly-Registry is not of the form"},
        {"GET /v2/", "X-Dragonfly-Registry: https://u:p@ghcr.io", "X-Dragonfly-Registry is not of the form"},
        {"GET /v2/", "X-Dragonfly-Registry: https://ghcr.io/?a", "X-Dragonfly-Registry is not of the form"},
        {"GET /v2/", "X-Dragonfly-Use-P2P: 1", "X-Dragonfly-Use-P2P is \"1\"; allowed are true and false"},
        {OF_TASK, "X-Dragonfly-Priority: 7", "X-Dragonfly-Priority is \"7\"; allowed are 0 to 6"},
        {OF_TASK, "X-Dragonfly-Priority: high", "X-Dragonfly-Priority is \"high\"; allowed are 0 to 6"},
        {OF_TASK, "X-Dragonfly-Piece-Length: 1MiB", "is \"1MiB\"; allowed are 4MiB to 64MiB"},
        {OF_TASK, "X-Dragonfly-Piece-Length: 65MiB", "is \"65MiB\"; allowed are 4MiB to 64MiB"},
        {OF_TASK, "X-Dragonfly-Piece-Length: lots", "X-Dragonfly-Piece-Length is \"lots\"; allowed"},
        {OF_TASK, "X-Dragonfly-Prefetch: maybe", "X-Dragonfly-Prefetch is \"maybe\"; allowed are true and"},
        {OF_TASK, "X-Dragonfly-Enable-Task-ID-Based-Blob-Digest: 0",
         "-Digest is \"0\"; allowed are true and"},
        {OF_TASK, "X-Dragonfly-Output-Path: etc/passwd",
         "X-Dragonfly-Output-Path is \"etc/passwd\"; allowed"},
        {OF_TASK, "X-Dragonfly-Force-Hard-Link: yes", "X-Dragonfly-Force-Hard-Link is \"yes\"; allowed are"},
        {OF_TASK, "X-Dragonfly-Force-Hard-Link: true", "it needs X-Dragonfly-Output-Path"},
        {OF_TASK, "X-Dragonfly-Force-Hard-Link: true\r\nX-Dragonfly-Output-Path: /x\r\nRange: bytes=1-2",
         "a part of an object cannot be linked"},
        {"OPTIONS *", "", "OPTIONS"},
    };
    struct dtr_mirror *mirror = new_mirror(&config);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dtr_http_head head;
        struct dtr_mirror_plan plan;
        struct dtr_error err = {0};
        read_head(&head, cases[i].line, cases[i].header);
        if (dtr_mirror_decide(mirror, &head.request, &plan, &err) == DTR_OK)
            fail_msg("%s %s was accepted", cases[i].line, cases[i].header);
        assert_int_equal(err.status, 400);
        if (!strstr(err.text, cases[i].says))
            fail_msg("%s says: %s", cases[i].header, err.text);
        dtr_mirror_plan_free(&plan);
        dtr_http_head_free(&head);
    }
    dtr_mirror_free(mirror);
}

static const char *forwarded(const struct dtr_mirror_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->header_count; i++)
        if (dtr_casecmp(plan->headers[i].name, name) == 0)
            return plan->headers[i].value;
    return NULL;
}

#define ALL_HEADERS                                                                                          \
    "Authorization: Bearer x\r\nAccept: a\r\nAccept: b\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n"     \
    "Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic x\r\nTE: trailers\r\nUpgrade: h2c\r\n"       \
    "Keep-Alive: 5\r\nX-Dragonfly-Tag: t\r\nX-Dragonfly-Unknown: u\r\nRange: bytes=1-2\r\nIf-Range: "        \
    "\"e\"\r\n"                                                                                              \
    "If-None-Match: \"e\"\r\nAccept-Encoding: gzip\r\nUser-Agent: test"

static void headers_go_upstream_or_stay(void **state)
{
    (void)state;
    static const char *const never[] = {
        "Host", "Connection", "X-Hop",           "Proxy-Connection",   "Upgrade", "Proxy-Authorization",
        "TE",   "Keep-Alive", "X-Dragonfly-Tag", "X-Dragonfly-Unknown"};
    static const char *const only_passed[] = {"Range", "If-Range", "If-None-Match", "Accept-Encoding"};
    static const char *const lines[] = {"GET /v2/a/manifests/1", "GET /v2/a/blobs/sha256:00"};
    struct dtr_mirror *mirror = new_mirror(&config);
    for (int task = 0; task < 2; task++) {
        struct dtr_http_head head;
        struct dtr_mirror_plan plan;
        read_head(&head, lines[task], ALL_HEADERS);
        assert_int_equal(dtr_mirror_decide(mirror, &head.request, &plan, NULL), DTR_OK);
        assert_int_equal(plan.kind, task ? TASK : PASS);
        assert_int_equal(plan.header_count, task ? 4 : 8);
        for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
            assert_null(forwarded(&plan, never[i]));
        for (size_t i = 0; i < sizeof(only_passed) / sizeof(only_passed[0]); i++)
            assert_true((forwarded(&plan, only_passed[i]) == NULL) == task);
        assert_string_equal(forwarded(&plan, "authorization"), "Bearer x");
        assert_string_equal(forwarded(&plan, "Accept"), "a");
        if (task) {
            assert_int_equal(plan.range.kind, DTR_RANGE_SPAN);
            assert_string_equal(plan.if_range, "\"e\"");
        }
        dtr_mirror_plan_pass(&head.request, &plan);
        assert_int_equal(plan.kind, PASS);
        assert_int_equal(plan.header_count, 8);
        assert_string_equal(forwarded(&plan, "Range"), "bytes=1-2");
        dtr_mirror_plan_free(&plan);
        dtr_http_head_free(&head);
    }
    dtr_mirror_free(mirror);
}

static void options_are_read(void **state)
{
    (void)state;
    struct dtr_mirror_config with = config;
    struct dtr_http_head head;
    struct dtr_mirror_plan plan;
    with.blob_digest_id = with.prefetch = true;
    struct dtr_mirror *mirror = new_mirror(&with);

    read_head(&head, "GET http://o/redirected/x", "");
    assert_int_equal(dtr_mirror_decide(mirror, &head.request, &plan, NULL), DTR_OK);
    assert_string_equal(plan.tag, "");
    assert_int_equal(plan.priority, 6);
    assert_false(plan.default_filter);
    assert_int_equal(plan.filtered_query_param_count, 2);
    assert_string_equal(plan.filtered_query_params[0], "sig");
    assert_true(plan.prefetch && plan.blob_digest_id);
    assert_true(plan.piece_length == 0 && !plan.output_path && !plan.content_for_task_id);
    dtr_mirror_plan_free(&plan);
    dtr_http_head_free(&head);

    read_head(&head, "GET http://o/redirected/x",
              "X-Dragonfly-Tag: t\r\nX-Dragonfly-Application: a\r\nX-Dragonfly-Priority: 2\r\n"
              "X-Dragonfly-Filtered-Query-Params: a b ,,c\r\nX-Dragonfly-Prefetch: false\r\n"
              "X-Dragonfly-Piece-Length: 8MiB\r\nX-Dragonfly-Output-Path: /tmp/x\r\n"
              "X-Dragonfly-Force-Hard-Link: true\r\nX-Dragonfly-Content-For-Calculating-Task-ID: c\r\n"
              "X-Dragonfly-Enable-Task-ID-Based-Blob-Digest: false");
    assert_int_equal(dtr_mirror_decide(mirror, &head.request, &plan, NULL), DTR_OK);
    assert_string_equal(plan.tag, "t");
    assert_string_equal(plan.application, "a");
    assert_int_equal(plan.priority, 2);
    assert_int_equal(plan.filtered_query_param_count, 3);
    assert_string_equal(plan.filtered_query_params[2], "c");
    assert_false(plan.prefetch || plan.blob_digest_id);
    assert_int_equal(plan.piece_length, 8 << 20);
    assert_string_equal(plan.output_path, "/tmp/x");
    assert_string_equal(plan.content_for_task_id, "c");
    assert_true(plan.force_hard_link);
    dtr_mirror_plan_free(&plan);
    dtr_http_head_free(&head);
    dtr_mirror_free(mirror);
}

static void bad_configuration_names_the_key(void **state)
{
    (void)state;
    const struct dtr_mirror_rule broken = {.regex = "a("};
    const struct dtr_mirror_rule sideways = {.regex = "a", .redirect = "http://x/"};
    const struct {
        struct dtr_mirror_config config;
        const char *key;
    } cases[] = {
        {{.registry = "index.docker.io"}, "proxy.registryMirror.addr"},
        {{.rules = &broken, .rule_count = 1}, "proxy.rules[0].regex"},
        {{.rules = &sideways, .rule_count = 1}, "proxy.rules[0].redirect"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dtr_mirror *mirror = NULL;
        struct dtr_error err;
        assert_int_equal(dtr_mirror_new(&cases[i].config, &mirror, &err), DTR_EINVALID);
        assert_non_null(strstr(err.text, cases[i].key));
    }
}

static void sizes_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"4194304", 4194304}, {"4MiB", 4 << 20}, {"4 mib", 4 << 20}, {"5mb", 5000000},
                {"1gi", 1 << 30},     {"64k", 64000},    {"0b", 0}};
    static const char *const bad[] = {
        "", "MiB", "-1", "1.5MiB", "4 parsec", "99999999999999999999", "18446744073709551615k"};
    uint64_t bytes;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(dtr_http_parse_size(good[i].text, &bytes));
        assert_int_equal(bytes, good[i].bytes);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(dtr_http_parse_size(bad[i], &bytes));
}

static void hosts_that_an_operator_wrote_down_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool named;
    } cases[] = {
        {"http://mirror.example:5000/v2/a/blobs/x?y=z", true},
        {"http://MIRROR.example:5000", true},
        {"https://mirror.example:5000/", false}, /* another server, perhaps */
        {"http://mirror.example/", false},
        {"http://127.0.0.1:5000/x", true},
        {"http://10.0.0.9:8080/x", true},
        {"http://evil.example/?http://mirror.example:5000/", false},
        {"http://mirror.example:5000@evil.example/", false},
        {"mirror.example:5000/x", false},
        {"", false},
    };
    struct dtr_mirror *mirror = new_mirror(&config);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (dtr_mirror_names(mirror, cases[i].url) != cases[i].named)
            fail_msg("%s", cases[i].url);
    }
    assert_false(dtr_mirror_names(NULL, "http://mirror.example:5000/"));
    dtr_mirror_free(mirror);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_find_their_upstream),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(headers_go_upstream_or_stay),
        cmocka_unit_test(options_are_read),
        cmocka_unit_test(bad_configuration_names_the_key),
        cmocka_unit_test(sizes_are_read),
        cmocka_unit_test(hosts_that_an_operator_wrote_down_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
