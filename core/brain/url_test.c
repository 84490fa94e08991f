/* Normal forms of URLs: every rule of the Standard that task ids rest on, and what is refused. */
#include "core/brain/url.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct vector {
    const char *in, *out;
};

static void check_parse(const struct vector *vectors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct dtr_url url = {0};
        struct dtr_error err = {0};
        if (dtr_url_parse(&url, vectors[i].in, strlen(vectors[i].in), &err))
            fail_msg("%s: %s", vectors[i].in, err.text);
        assert_string_equal(dtr_str_text(&url.text), vectors[i].out);
        dtr_url_free(&url);
    }
}

static void schemes_and_authorities(void **state)
{
    static const struct vector vectors[] = {
        {"http://example.com", "http://example.com/"},
        {"HTTP://EXAMPLE.com/", "http://example.com/"},
        {" \t http://example.com/\x01 \n", "http://example.com/"},
        {"ht\ntp://exa\tmple.com/a\rb", "http://example.com/ab"},
        {"http:example.com/", "http://example.com/"},
        {"http:/example.com/", "http://example.com/"},
        {"http:////example.com/a", "http://example.com/a"},
        {"http:\\\\example.com\\a\\b", "http://example.com/a/b"},
        {"http://example.com:80/", "http://example.com/"},
        {"http://example.com:443/", "http://example.com:443/"},
        {"https://example.com:443/", "https://example.com/"},
        {"https://example.com:00443/", "https://example.com/"},
        {"https://example.com:/", "https://example.com/"},
        {"https://example.com:5000/v2/", "https://example.com:5000/v2/"},
        {"ftp://example.com:21/a", "ftp://example.com/a"},
        {"http://user@example.com/", "http://user@example.com/"},
        {"http://user:pass@example.com/", "http://user:pass@example.com/"},
        {"http://user:@example.com/", "http://user@example.com/"},
        {"http://:pass@example.com/", "http://:pass@example.com/"},
        {"http://:@example.com/", "http://example.com/"},
        {"http://@example.com/", "http://example.com/"},
        {"http://a@b@example.com/", "http://a%40b@example.com/"},
        {"http://a:b:c@example.com/", "http://a:b%3Ac@example.com/"},
        {"http://u;=[]^|@h/x", "http://u%3B%3D%5B%5D%5E%7C@h/x"},
        {"http://\xc3\xa9@h/", "http://%C3%A9@h/"},
        {"http://example.com?x", "http://example.com/?x"},
        {"http://example.com#x", "http://example.com/#x"},
        {"s3://Bucket/Key", "s3://Bucket/Key"},
        {"S3://bucket", "s3://bucket"},
        {"s3://bucket?x", "s3://bucket?x"},
        {"s3://bucket/a\\b", "s3://bucket/a\\b"},
        {"s3://bucket:80/a", "s3://bucket:80/a"},
        {"s3:///key", "s3:///key"},
        {"s3://b%41\xc3\xa9/", "s3://b%41%C3%A9/"},
        {"hdfs://name.node:8020/user/../x", "hdfs://name.node:8020/x"},
        {"web+x.y-1://h/", "web+x.y-1://h/"},
    };

    (void)state;
    check_parse(vectors, COUNT(vectors));
}

static void hosts(void **state)
{
    static const struct vector vectors[] = {
        {"http://EX%41MPLE.com/", "http://example.com/"},
        {"http://a_b~c!d$e&f'g(h)*i+j,k;l=m/", "http://a_b~c!d$e&f'g(h)*i+j,k;l=m/"},
        {"http://example.com./", "http://example.com./"},
        {"http://XN--BCHER-KVA.example/", "http://xn--bcher-kva.example/"},
        {"http://192.168.0.1/", "http://192.168.0.1/"},
        {"http://192.168.0.1./", "http://192.168.0.1/"},
        {"http://192.168.1/", "http://192.168.0.1/"},
        {"http://192.1/", "http://192.0.0.1/"},
        {"http://3232235521/", "http://192.168.0.1/"},
        {"http://0xC0A80001/", "http://192.168.0.1/"},
        {"http://0300.0250.0.01/", "http://192.168.0.1/"},
        {"http://0x/", "http://0.0.0.0/"},
        {"http://1.2.3.0x/", "http://1.2.3.0/"},
        {"http://255.16777215/", "http://255.255.255.255/"},
        {"http://%31%32%37.1/", "http://127.0.0.1/"},
        {"http://1.2.3.4.example/", "http://1.2.3.4.example/"},
        {"http://1.2.3.4x/", "http://1.2.3.4x/"},
        {"http://1..a/", "http://1..a/"},
        {"s3://0x7f.1/", "s3://0x7f.1/"},
        {"http://[::1]/", "http://[::1]/"},
        {"http://[::1]:5000/", "http://[::1]:5000/"},
        {"http://[FD00:0:0:0:0:0:0:1]:80/", "http://[fd00::1]/"},
        {"http://[1:0:0:2:0:0:0:3]/", "http://[1:0:0:2::3]/"},
        {"http://[1:0:2:0:3:0:4:0]/", "http://[1:0:2:0:3:0:4:0]/"},
        {"http://[1:0:0:2:3:0:0:4]/", "http://[1::2:3:0:0:4]/"},
        {"http://[1:2:3:4:5:6:0:0]/", "http://[1:2:3:4:5:6::]/"},
        {"http://[::]/", "http://[::]/"},
        {"http://[::ffff:192.168.0.1]/", "http://[::ffff:c0a8:1]/"},
        {"s3://[0::0]/", "s3://[::]/"},
    };

    (void)state;
    check_parse(vectors, COUNT(vectors));
}

static void paths_queries_fragments(void **state)
{
    static const struct vector vectors[] = {
        {"http://h/a/./b", "http://h/a/b"},
        {"http://h/a/.", "http://h/a/"},
        {"http://h/a/..", "http://h/"},
        {"http://h/a/../b", "http://h/b"},
        {"http://h/../../b", "http://h/b"},
        {"http://h/a/b/../..", "http://h/"},
        {"http://h/a/b/..?q", "http://h/a/?q"},
        {"http://h/a/%2e/b/%2E%2e/.%2e/c", "http://h/c"},
        {"http://h/a//../b", "http://h/a/b"},
        {"http://h//..//b", "http://h//b"},
        {"http://h/a\\..\\b", "http://h/b"},
        {"http://h/...", "http://h/..."},
        {"http://h/.a/..b", "http://h/.a/..b"},
        {"http://h/a b\"<>`#?", "http://h/a%20b%22%3C%3E%60#?"},
        {"http://h/{}^|~[]:;=@!$&'()*+,", "http://h/%7B%7D^|~[]:;=@!$&'()*+,"},
        {"http://h/%7e%zz%", "http://h/%7e%zz%"},
        {"http://h/\xe2\x82\xac\x7f", "http://h/%E2%82%AC%7F"},
        {"http://h/\xf0\x9f\x90\x89", "http://h/%F0%9F%90%89"},
        {"http://h/a?b c\"<>`'{}^|", "http://h/a?b%20c%22%3C%3E`%27{}^|"},
        {"s3://h/a?b'c", "s3://h/a?b'c"},
        {"http://h/a?b?c/d#e?f#g", "http://h/a?b?c/d#e?f#g"},
        {"http://h/#a b\"<>`{}'", "http://h/#a%20b%22%3C%3E%60{}'"},
        {"http://h/?", "http://h/?"},
        {"http://h/#", "http://h/#"},
        {"s3://h/a/../..", "s3://h/"},
        {"s3://h/..", "s3://h/"},
        {"s3://h//x", "s3://h//x"},
    };

    (void)state;
    check_parse(vectors, COUNT(vectors));
}

static void refused(void **state)
{
    static const struct {
        const char *in;
        int code;
    } cases[] = {
        {"", DTR_EINVALID},
        {"example.com/a", DTR_EINVALID},
        {"//example.com/a", DTR_EINVALID},
        {"1http://h/", DTR_EINVALID},
        {"ht*tp://h/", DTR_EINVALID},
        {"mailto:someone", DTR_EINVALID},
        {"s3:bucket/key", DTR_EINVALID},
        {"file:///etc/passwd", DTR_EINVALID},
        {"http://", DTR_EINVALID},
        {"http:///", DTR_EINVALID},
        {"http://:80/", DTR_EINVALID},
        {"http://user@/", DTR_EINVALID},
        {"http://u;=[]^|/x", DTR_EINVALID},
        {"s3://user@/x", DTR_EINVALID},
        {"s3://:80/x", DTR_EINVALID},
        {"http://h:65536/", DTR_EINVALID},
        {"http://h:8o/", DTR_EINVALID},
        {"http://h:-1/", DTR_EINVALID},
        {"http://a b/", DTR_EINVALID},
        {"http://a<b/", DTR_EINVALID},
        {"http://a%00b/", DTR_EINVALID},
        {"http://a%2fb/", DTR_EINVALID},
        {"http://a%/", DTR_EINVALID},
        {"http://a^b/", DTR_EINVALID},
        {"http://256.1.1.1/", DTR_EINVALID},
        {"http://1.2.3.256/", DTR_EINVALID},
        {"http://1.2.3.4.5/", DTR_EINVALID},
        {"http://1..2/", DTR_EINVALID},
        {"http://08/", DTR_EINVALID},
        {"http://a.0xg1.9/", DTR_EINVALID},
        {"http://4294967296/", DTR_EINVALID},
        {"http://99999999999999999999999999/", DTR_EINVALID},
        {"http://[::1/", DTR_EINVALID},
        {"http://[::1]x/", DTR_EINVALID},
        {"http://[::g]/", DTR_EINVALID},
        {"http://[1::2::3]/", DTR_EINVALID},
        {"http://[1:2:3:4:5:6:7]/", DTR_EINVALID},
        {"http://[fe80::1%25eth0]/", DTR_EINVALID},
        {"http://[]/", DTR_EINVALID},
        {"s3://a<b/", DTR_EINVALID},
        {"http://h/\xff", DTR_EINVALID},
        {"http://h/\xed\xa0\x80", DTR_EINVALID},
        {"http://h/\xc0\xaf", DTR_EINVALID},
        {"http://b\xc3\xbc"
         "cher.example/",
         DTR_EUNSUPPORTED},
        {"http://b%C3%BCcher.example/", DTR_EUNSUPPORTED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct dtr_url url = {0};
        struct dtr_error err = {0};
        if (dtr_url_parse(&url, cases[i].in, strlen(cases[i].in), &err) != cases[i].code)
            fail_msg("%s: %d %s", cases[i].in, err.code, dtr_str_text(&url.text));
        assert_true(err.text[0] != 0);
        dtr_url_free(&url);
    }
}

static void too_long_is_refused(void **state)
{
    char *text = malloc(DTR_URL_MAX + 1);
    struct dtr_url url = {0};
    struct dtr_error err;

    (void)state;
    assert_non_null(text);
    memset(text, 'a', DTR_URL_MAX);
    memcpy(text, "http://h/", 9);
    assert_int_equal(dtr_url_parse(&url, text, DTR_URL_MAX, &err), DTR_OK);
    assert_int_equal(url.text.length, DTR_URL_MAX);
    dtr_url_free(&url);
    text[20] = ' '; /* grows to three */
    assert_int_equal(dtr_url_parse(&url, text, DTR_URL_MAX, &err), DTR_ELIMIT);
    dtr_url_free(&url);
    text[DTR_URL_MAX] = 'a';
    assert_int_equal(dtr_url_parse(&url, text, DTR_URL_MAX + 1, &err), DTR_ELIMIT);
    dtr_url_free(&url);
    free(text);
}

static void parts_are_where_they_say(void **state)
{
    static const char text[] = "https://u:p@[fd00::1]:5000/v2/a?x=1#f";
    struct dtr_url url = {0};
    struct dtr_error err;

    (void)state;
    assert_int_equal(dtr_url_parse(&url, text, strlen(text), &err), DTR_OK);
    assert_string_equal(dtr_str_text(&url.text), text);
    assert_int_equal(url.scheme_length, 5);
    assert_memory_equal(url.text.text + url.host, "[fd00::1]", url.host_end - url.host);
    assert_int_equal(url.host_end - url.host, 9);
    assert_int_equal(url.port, 5000);
    assert_true(url.http_like);
    assert_string_equal(url.text.text + url.path, "/v2/a?x=1#f");
    assert_string_equal(url.text.text + url.query, "?x=1#f");
    assert_string_equal(url.text.text + url.fragment, "#f");
    dtr_url_free(&url);
    assert_int_equal(dtr_url_parse(&url, "s3://b/k", 8, &err), DTR_OK);
    assert_int_equal(url.port, -1);
    assert_false(url.http_like);
    assert_int_equal(url.query, 8);
    assert_int_equal(url.fragment, 8);
    dtr_url_free(&url);
}

static void queries_are_written_anew(void **state)
{
    static const char *const names[] = {"drop", "a b", "\xc3\xa9"};
    static const struct vector vectors[] = {
        {"http://h/?", "http://h/"},
        {"http://h/?&&", "http://h/"},
        {"http://h/?#f", "http://h/#f"},
        {"http://h/a", "http://h/a"},
        {"http://h/?x", "http://h/?x="},
        {"http://h/?x=", "http://h/?x="},
        {"http://h/?=x", "http://h/?=x"},
        {"http://h/?=", "http://h/?="},
        {"http://h/?b=2&a=1&b=1", "http://h/?b=2&a=1&b=1"},
        {"http://h/?x=a%20b+c", "http://h/?x=a+b+c"},
        {"http://h/?x=a%2Bb", "http://h/?x=a%2Bb"},
        {"http://h/?x=*-._~!'()/:@$,;", "http://h/?x=*-._%7E%21%27%28%29%2F%3A%40%24%2C%3B"},
        {"http://h/?x=1=2", "http://h/?x=1%3D2"},
        {"http://h/?x=%e2%82%ac", "http://h/?x=%E2%82%AC"},
        {"http://h/?x=\xe2\x82\xac", "http://h/?x=%E2%82%AC"},
        {"http://h/?x=%", "http://h/?x=%25"},
        {"http://h/?x=%4", "http://h/?x=%254"},
        {"http://h/?x=%ff", "http://h/?x=%EF%BF%BD"},
        {"http://h/?x=%e2%82a", "http://h/?x=%EF%BF%BDa"},
        {"http://h/?x=%f0%9f%f0", "http://h/?x=%EF%BF%BD%EF%BF%BD"},
        {"http://h/?x=%ed%a0%80", "http://h/?x=%EF%BF%BD%EF%BF%BD%EF%BF%BD"},
        {"http://h/?drop=1&keep=2&drop", "http://h/?keep=2"},
        {"http://h/?drop=1", "http://h/"},
        {"http://h/?Drop=1", "http://h/?Drop=1"},
        {"http://h/?%64rop=1&dropp=2&dro=3", "http://h/?dropp=2&dro=3"},
        {"http://h/?a+b=1&a%20b=2&%C3%A9=3&c=4#f", "http://h/?c=4#f"},
        {"s3://h/k?x='&drop", "s3://h/k?x=%27"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        struct dtr_url url = {0};
        struct dtr_error err;
        assert_int_equal(dtr_url_parse(&url, vectors[i].in, strlen(vectors[i].in), &err), DTR_OK);
        assert_int_equal(dtr_url_filter(&url, names, COUNT(names), &err), DTR_OK);
        assert_string_equal(dtr_str_text(&url.text), vectors[i].out);
        assert_int_equal(url.text.length - url.fragment, strlen(strchr(vectors[i].out, '#') ?: ""));
        dtr_url_free(&url);
    }
}

static void default_filter_is_complete(void **state)
{
    static const char text[] =
        "https://b.example/o?X-Amz-Algorithm=1&X-Amz-Credential=1&X-Amz-Date=1&X-Amz-Expires=1&"
        "X-Amz-SignedHeaders=1&X-Amz-Signature=1&X-Amz-Security-Token=1&X-Amz-User-Agent=1&"
        "X-Goog-Algorithm=1&X-Goog-Credential=1&X-Goog-Date=1&X-Goog-Expires=1&X-Goog-SignedHeaders=1&"
        "X-Goog-Signature=1&OSSAccessKeyId=1&Expires=1&Signature=1&SecurityToken=1&AccessKeyId=1&"
        "X-Obs-Date=1&X-Obs-Security-Token=1&q-sign-algorithm=1&q-ak=1&q-sign-time=1&q-key-time=1&"
        "q-header-list=1&q-url-param-list=1&q-signature=1&x-cos-security-token=1&ns=1&versionId=7";
    struct dtr_url url = {0};
    struct dtr_error err;

    (void)state;
    assert_int_equal(dtr_url_default_filter_count, 30);
    assert_int_equal(dtr_url_parse(&url, text, strlen(text), &err), DTR_OK);
    assert_int_equal(dtr_url_filter(&url, dtr_url_default_filter, dtr_url_default_filter_count, &err),
                     DTR_OK);
    assert_string_equal(dtr_str_text(&url.text), "https://b.example/o?versionId=7");
    dtr_url_free(&url);
}

#define HEX "b2c366cce7e68013d5441c6326d5a3e1b12aeb5ed58564d0fd3fa089bc29cb6e"

static void blobs_are_recognised(void **state)
{
    static const struct {
        const char *url, *name; /* name NULL: no blob */
        size_t hex_length;
    } cases[] = {
        {"http://r.example/v2/library/ubuntu/blobs/sha256:" HEX, "library/ubuntu", 64},
        {"http://localhost:5000/v2/a/blobs/sha256:" HEX "?ns=docker.io", "a", 64},
        {"https://r.example/v2/a/blobs/sha512:" HEX HEX, "a", 128},
        {"https://r.example/prefix/v2/a/blobs/sha256:" HEX, "a", 64},
        {"https://r.example/v2/a/blobs/b/blobs/sha256:" HEX, "a/blobs/b", 64},
        {"https://r.example/v2/a/blobs/sha256:" HEX "?x=/v2/b/blobs/sha256:" HEX, "a", 64},
        {"https://r.example/x?y=/v2/b/blobs/sha256:" HEX, NULL, 0},
        {"http://r.example/blobs/sha256:" HEX, NULL, 0},
        {"r.example/v2/a/blobs/sha256:" HEX, NULL, 0},
        {"http://r.example/v2/blobs/sha256:" HEX, NULL, 0},
        {"http://r.example/v2//blobs/sha256:" HEX, NULL, 0},
        {"http:///v2/a/blobs/sha256:" HEX, NULL, 0},
        {"http://r.example/v2/a/blobs/sha256:" HEX "/", NULL, 0},
        {"http://r.example/v2/a/blobs/sha256:" HEX "#f", NULL, 0},
        {"http://r.example/v2/a/blobs/"
         "sha256:B2C366cce7e68013d5441c6326d5a3e1b12aeb5ed58564d0fd3fa089bc29cb6e",
         NULL, 0},
        {"http://r.example/v2/a/blobs/sha256:abc", NULL, 0},
        {"http://r.example/v2/a/blobs/sha1:" HEX, NULL, 0},
        {"http://r.example/v2/a/blobs/" HEX, NULL, 0},
        {"http://r.example/v2/a/blobs/uploads/", NULL, 0},
        {"http://r.example/v2/a/manifests/sha256:" HEX, NULL, 0},
        {"", NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct dtr_blob_url blob = {0};
        bool found = dtr_url_blob(cases[i].url, strlen(cases[i].url), &blob);
        assert_int_equal(found, cases[i].name != NULL);
        if (!found)
            continue;
        assert_int_equal(blob.name_length, strlen(cases[i].name));
        assert_memory_equal(blob.name, cases[i].name, blob.name_length);
        assert_int_equal(blob.hex_length, cases[i].hex_length);
        assert_memory_equal(blob.hex, HEX, 64);
        assert_int_equal(blob.digest_length, cases[i].hex_length + 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemes_and_authorities),  cmocka_unit_test(hosts),
        cmocka_unit_test(paths_queries_fragments),  cmocka_unit_test(refused),
        cmocka_unit_test(too_long_is_refused),      cmocka_unit_test(parts_are_where_they_say),
        cmocka_unit_test(queries_are_written_anew), cmocka_unit_test(default_filter_is_complete),
        cmocka_unit_test(blobs_are_recognised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
