/* Addresses, platforms, challenges and manifests. */
#include "core/oci/parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

#define BLOB_URL "http://r/v2/a/blobs/" A

static void addresses_are_taken_apart(void **state)
{
    (void)state;
    struct oci_reference reference;
    assert_int_equal(
        oci_reference_read("https://r.example:5000/v2/a/manifests/b/manifests/1.0", &reference, NULL),
        DTR_OK);
    assert_string_equal(reference.base, "https://r.example:5000/v2/a/manifests/b");
    assert_string_equal(reference.host, "r.example:5000");
    assert_string_equal(reference.repository, "a/manifests/b");
    assert_string_equal(reference.reference, "1.0");
    assert_true(reference.secure);
    oci_reference_free(&reference);
    assert_int_equal(dtr_oci_check_url("http://[::1]:5000/v2/a-b/c__d/e.f/manifests/" A, NULL), DTR_OK);
    static const char *const bad[] = {"",
                                      "ftp://r/v2/a/manifests/1",
                                      "http:///v2/a/manifests/1",
                                      "http://user@r/v2/a/manifests/1",
                                      "http://r/v1/a/manifests/1",
                                      "http://r/v2/manifests/1",
                                      "http://r/v2/a/manifests/",
                                      BLOB_URL,
                                      "http://r/v2/a/manifests/1?x=y",
                                      "http://r/v2/../a/manifests/1",
                                      "http://r/v2/A/manifests/1",
                                      "http://r/v2/a//b/manifests/1",
                                      "http://r/v2/a../manifests/1",
                                      "http://r/v2/a/manifests/.1",
                                      "http://r/v2/a/manifests/sha256:ab",
                                      "http://r/v2/a/manifests/md5:ab",
                                      "http://r:0/v2/a/manifests/1",
                                      "http://r:/v2/a/manifests/1",
                                      "http://r:65536/v2/a/manifests/1",
                                      "http://[::1/v2/a/manifests/1",
                                      "http://r/v2/a b/manifests/1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct dtr_error err;
        if (dtr_oci_check_url(bad[i], &err) != DTR_EINVALID || strncmp(err.text, "url: ", 5) != 0)
            fail_msg("%s is taken", bad[i]);
    }
}

static void platforms_are_taken_apart(void **state)
{
    (void)state;
    struct oci_platform platform;
    assert_int_equal(oci_platform_read("linux/arm/v7", &platform, NULL), DTR_OK);
    assert_string_equal(platform.os, "linux");
    assert_string_equal(platform.architecture, "arm");
    assert_string_equal(platform.variant, "v7");
    assert_int_equal(oci_platform_read(NULL, &platform, NULL), DTR_OK);
    assert_string_equal(platform.os, "linux");
    assert_true(platform.architecture[0]);
    static const char *const bad[] = {"",        "linux",       "linux/", "/amd64", "linux/amd64/",
                                      "a/b/c/d", "li nux/amd64"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (dtr_oci_check_platform(bad[i], NULL) != DTR_EINVALID)
            fail_msg("%s is taken", bad[i]);
    }
}

static void challenges_are_read(void **state)
{
    (void)state;
    struct oci_challenge challenge = {.kind = OCI_NO_CHALLENGE};
    oci_challenge_read("Basic realm=\"x\"", &challenge);
    assert_int_equal(challenge.kind, OCI_BASIC);
    oci_challenge_read("bearer realm=\"https://auth.example/token\", service=r.example,"
                       "scope=\"repository:a:pull,push\", Basic realm=\"y\"",
                       &challenge);
    assert_int_equal(challenge.kind, OCI_BEARER);
    assert_string_equal(challenge.realm, "https://auth.example/token");
    assert_string_equal(challenge.service, "r.example");
    assert_string_equal(challenge.scope, "repository:a:pull,push");
    oci_challenge_read("Basic realm=\"worse\"", &challenge);
    assert_int_equal(challenge.kind, OCI_BEARER);
    challenge = (struct oci_challenge){.kind = OCI_NO_CHALLENGE};
    oci_challenge_read("Bearer service=\"no realm\"", &challenge);
    assert_int_equal(challenge.kind, OCI_NO_CHALLENGE);
    oci_challenge_read("Basic realm=\"z\", Bearer realm=\"http://a/\\\"b\"", &challenge);
    assert_int_equal(challenge.kind, OCI_BEARER);
    assert_string_equal(challenge.realm, "http://a/\"b");
    oci_challenge_read(", =\"", &challenge);
}

static struct oci_manifest manifest;

static int read_text(const char *text, const char *platform, struct dtr_error *err)
{
    struct oci_platform wanted;
    assert_int_equal(oci_platform_read(platform, &wanted, NULL), DTR_OK);
    return oci_manifest_read(text, strlen(text), &wanted, &manifest, err);
}

static void an_image_is_its_blobs_each_once(void **state)
{
    (void)state;
    assert_int_equal(read_text("{\"config\":{\"digest\":\"" A "\",\"size\":7},\"layers\":["
                               "{\"digest\":\"" B "\",\"size\":9},{\"digest\":\"" A "\",\"size\":7},"
                               "{\"mediaType\":\"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip\","
                               "\"digest\":\"other\",\"size\":1}]}",
                               "linux/amd64", NULL),
                     DTR_OK);
    assert_int_equal(manifest.count, 2);
    assert_string_equal(manifest.blobs[0].digest, A);
    assert_string_equal(manifest.blobs[1].digest, B);
    assert_int_equal(manifest.blobs[1].size, 9);
    assert_string_equal(manifest.digest, "");
}

#define INDEX                                                                                                \
    "{\"manifests\":[{\"digest\":\"" A "\",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\","         \
    "\"variant\":\"v6\"}},{\"digest\":\"" B "\",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\","    \
    "\"variant\":\"v7\"}}]}"

static void an_index_leads_to_the_platform(void **state)
{
    (void)state;
    struct dtr_error err;
    assert_int_equal(read_text(INDEX, "linux/arm/v7", NULL), DTR_OK);
    assert_string_equal(manifest.digest, B);
    assert_int_equal(read_text(INDEX, "linux/arm", NULL), DTR_OK); /* means v7 */
    assert_string_equal(manifest.digest, B);
    assert_int_equal(read_text(INDEX, "linux/arm/v8", NULL), DTR_OK);
    assert_string_equal(manifest.digest, B);
    assert_int_equal(read_text(INDEX, "linux/arm/v5", NULL), DTR_ENOT_FOUND);
    assert_int_equal(read_text(INDEX, "linux/amd64", &err), DTR_ENOT_FOUND);
    assert_string_equal(
        err.text, "the image is not there for platform linux/amd64; it is for linux/arm/v6, linux/arm/v7");
}

static void platforms_are_ranked(void **state)
{
    (void)state;
    static const struct {
        const char *offered, *wanted;
        unsigned rank;
    } rows[] = {
        {"linux/amd64", "linux/amd64", OCI_RANK_EXACT},
        {"linux/amd64", "linux/arm64", 0},
        {"windows/amd64", "linux/amd64", 0},
        {"linux/amd64", "linux/amd64/v3", 1},
        {"linux/amd64/v2", "linux/amd64/v3", 2},
        {"linux/amd64/v3", "linux/amd64", 0},
        {"linux/arm64/v8", "linux/arm64", 8},
        {"linux/arm64", "linux/arm64/v8", 8},
        {"linux/arm64/v9", "linux/arm64", 0},
        {"linux/arm", "linux/arm/v6", 0},
        {"linux/arm/v6", "linux/arm/v7", 6},
        {"linux/arm/odd", "linux/arm/v7", 0},
        {"linux/mips/a", "linux/mips", 1},
        {"linux/mips/a", "linux/mips/b", 0},
        {"unknown/unknown", "unknown/unknown", 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct oci_platform offered, wanted;
        assert_int_equal(oci_platform_read(rows[i].offered, &offered, NULL), DTR_OK);
        assert_int_equal(oci_platform_read(rows[i].wanted, &wanted, NULL), DTR_OK);
        if (oci_platform_rank(&offered, &wanted) != rows[i].rank)
            fail_msg("%s for %s ranks %u", rows[i].offered, rows[i].wanted,
                     oci_platform_rank(&offered, &wanted));
    }
}

static void redirects_lead_to_http(void **state)
{
    (void)state;
    static const struct {
        const char *from, *location, *to;
    } rows[] = {
        {"http://r:1/v2/x", "/y?z", "http://r:1/y?z"},
        {"http://r/x", "https://s/y", "https://s/y"},
        {"https://r/x", "http://r/x", NULL},
        {"http://r/x", "ftp://s/", NULL},
        {"http://r/x", "//s/y", NULL},
        {"http://r/x", "y", NULL},
        {"http://r/x", "http://u:p@s/", NULL},
        {"http://r/x", "http://s/a\r\nb", NULL},
        {"http://r/x", "http:///y", NULL},
        {"http://r/x", "", NULL},
        {"http://r/x", "http://s/@", "http://s/@"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *to = oci_redirect(rows[i].from, rows[i].location);
        if (strcmp(to ? to : "", rows[i].to ? rows[i].to : "") != 0)
            fail_msg("%s leads to %s", rows[i].location, to);
        free(to);
    }
    assert_false(oci_same_origin("http://r/", "https://r/"));
    assert_false(oci_same_origin("http://r/", "http://r:1/"));
    assert_true(oci_same_origin("http://R?x", "http://r/y"));
}

static void what_is_no_manifest_is_refused(void **state)
{
    (void)state;
    struct dtr_error err;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "is no JSON object"},
        {"[]", "is no JSON object"},
        {"{}", "is neither"},
        {"{\"manifests\":[],\"layers\":[]}", "both"},
        {"{\"config\":{\"digest\":\"" A "\"},\"layers\":[]}", "without a size"},
        {"{\"fsLayers\":[]}", "schema 1"},
        {"{\"config\":{},\"layers\":[]}", "without a sha256 or"},
        {"{\"config\":{\"digest\":\"sha256:x\"},\"layers\":[]}", "without a sha256 or"},
        {"{\"config\":{\"digest\":\"" A "\",\"size\":-1},\"layers\":[]}", "without a size"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (read_text(bad[i].text, NULL, &err) == DTR_OK || !strstr(err.text, bad[i].says))
            fail_msg("%s: %s", bad[i].text, err.text);
    }
}

/* A tree of them would take a hundred times their bytes. */
static void nothing_with_a_million_values_is_read(void **state)
{
    (void)state;
    enum { COUNT = 1 << 20 };
    struct dtr_error err;
    char *token, *text = malloc(3 * COUNT + 100);
    assert_non_null(text);
    size_t length = (size_t)sprintf(text, "{\"token\":\"t\",\"layers\":[");
    for (size_t i = 0; i < COUNT; i++, length += 3)
        memcpy(text + length, "{},", 3);
    (void)strcpy(text + length, "{}]}");
    assert_int_equal(read_text(text, NULL, &err), DTR_ELIMIT);
    assert_string_equal(err.text, "the manifest has more than 65536 values");
    assert_int_equal(oci_token_read(text, strlen(text), &token, NULL), DTR_EINVALID);
    free(text);
}

static void other_answers_are_read(void **state)
{
    (void)state;
    static const char errors[] = "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"go\\naway\"}]}";
    char said[120], *token;
    oci_error_read(errors, strlen(errors), said);
    assert_string_equal(said, "DENIED: go?away");
    oci_error_read("<html>", 6, said);
    assert_string_equal(said, "");
    assert_int_equal(oci_token_read("{\"access_token\":\"t\"}", 20, &token, NULL), DTR_OK);
    assert_string_equal(token, "t");
    free(token);
    assert_int_equal(oci_token_read("{\"token\":\"a\\r\\nb\"}", 18, &token, NULL), DTR_EINVALID);
    assert_int_equal(oci_token_read("{}", 2, &token, NULL), DTR_EINVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_taken_apart),
        cmocka_unit_test(platforms_are_taken_apart),
        cmocka_unit_test(challenges_are_read),
        cmocka_unit_test(an_image_is_its_blobs_each_once),
        cmocka_unit_test(an_index_leads_to_the_platform),
        cmocka_unit_test(platforms_are_ranked),
        cmocka_unit_test(redirects_lead_to_http),
        cmocka_unit_test(what_is_no_manifest_is_refused),
        cmocka_unit_test(nothing_with_a_million_values_is_read),
        cmocka_unit_test(other_answers_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
