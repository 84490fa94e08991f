/* Task ids against the published vectors (wire page 3.5) and against each other. */
#include "core/brain/task_id.h"
#include "core/brain/url.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SITE "https://example.com"
#define HEX  "1234567890abcdef1234567890abcdef1234567890abcdef1234567890abcdef"

static const char *const foo_bar[] = {"foo", "bar"};

static const struct {
    struct dtr_task_key key;
    const char *id;
} vectors[] = {
    {{.url = SITE, .tag = "foo", .application = "bar", .revision = "v1.0", .piece_length = 1024},
     "5844f27a257287e9b734256bb25603d8005422ced8c0377f15063ec11963b25f"},
    {{.url = SITE, .tag = "foo", .application = "bar"},
     "06408fbf247ddaca478f8cb9565fe5591c28efd0994b8fea80a6a87d3203c5ca"},
    {{.url = SITE, .tag = "foo"}, "3c3f230ef9f191dd2821510346a7bc138e4894bee9aee184ba250a3040701d2a"},
    {{.url = SITE, .application = "bar"}, "c9f9261b7305c24371244f9f149f5d4589ed601348fdf22d7f6f4b10658fdba2"},
    {{.url = SITE, .piece_length = 1024}, "9f7c9aafbc6f30f8f41a96ca77eeae80c5b60964b3034b0ee43ccf7b2f9e52b8"},
    {{.url = SITE, .revision = "v1.0"}, "b171331534b80e0bf91da38ebbfcdbf4d177898f4b9beac44f14733e3f004d4e"},
    {{.url = SITE "?foo=foo&bar=bar", .filter = foo_bar, .filter_count = 2},
     "457b4328cde278e422c9e243f7bfd1e97f511fec43a80f535cf6b0ef6b086776"},
    {{.content = "This is a test file", .url = SITE},
     "e2d0fe1585a63ec6009c8016ff8dda8b17719a637405a4e23c0ff81339148249"},
    {{.url = "https://registry.example.com/v2/myorg/myrepo/blobs/sha256:" HEX, .blob_digest = true}, HEX},
    {{.url = "https://registry.example.com/v2/myorg/myrepo/blobs/sha256:" HEX "?ns=docker.io",
      .tag = "ignored",
      .blob_digest = true},
     HEX},
};

static void published_vectors(void **state)
{
    char id[DTR_TASK_ID_SIZE];
    struct dtr_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        assert_int_equal(dtr_task_id(id, &vectors[i].key, &err), DTR_OK);
        assert_string_equal(id, vectors[i].id);
    }
}

static void persistent_vectors(void **state)
{
    char id[DTR_TASK_ID_SIZE];
    struct dtr_error err;

    (void)state;
    assert_int_equal(
        dtr_task_id_persistent(id, "my-object-key", "us-west-1", "https://s3.us-west-1.amazonaws.com", &err),
        DTR_OK);
    assert_string_equal(id, "b51f4f44921bb585277a5cbac13e7f6e2858238e98546f3ee6bfeb56369979c0");
    assert_int_equal(dtr_task_id_persistent(id, "my-object-key", "", "https://s3", &err), DTR_EINVALID);
    assert_int_equal(dtr_task_id_persistent(id, "my-object-key", "us-west-1", NULL, &err), DTR_EINVALID);
}

static void cache_vectors(void **state)
{
    static const struct {
        const char *tag, *application;
        uint64_t piece_length;
        const char *id;
    } cases[] = {
        {"tag1", "app1", 1024, "7160a071a9acea5ac341e770c14d0211c38a4b15b3bbe2c5f848a706fd47419e"},
        {NULL, "app1", 0, "0d0f8536f51227fda07141308f5ae8149b561b51b61c6517125f25dfa27acf5b"},
        {"tag1", NULL, 0, "a98b76813681e30cf83733fe055792b86393bba6f18e3d89fd8c18253922d992"},
        {"", NULL, 1024, "e894374a39e39cfa78c409cac02f2cdbb5605a24f5ff55c7bc2b624877556c03"},
    };
    char id[DTR_TASK_ID_SIZE];
    struct dtr_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dtr_digest *digest = NULL;
        assert_int_equal(dtr_digest_new("sha256", &digest, &err), DTR_OK);
        dtr_digest_add(digest, "This is a ", 10);
        dtr_digest_add(digest, "test file", 9);
        dtr_task_id_cache(id, digest, cases[i].tag, cases[i].application, cases[i].piece_length);
        assert_string_equal(id, cases[i].id);
        dtr_digest_free(digest);
    }
    dtr_task_id_content(id, "This is a test file");
    assert_string_equal(id, "e2d0fe1585a63ec6009c8016ff8dda8b17719a637405a4e23c0ff81339148249");
}

/* What two spellings of one URL hash to. */
static void same_object_same_id(void **state)
{
    static const char *const pairs[][2] = {
        {"https://example.com", "HTTPS://EXAMPLE.com:443/"},
        {"https://example.com/?X-Amz-Signature=1&Expires=2", "https://example.com"},
        {"https://example.com/a?ns=docker.io", "https://example.com/a"},
        {"https://example.com/a/../b?x=a%20b", "https://example.com/b?x=a+b"},
        {"https://example.com/#/", "https://example.com/#"},
    };
    char a[DTR_TASK_ID_SIZE], b[DTR_TASK_ID_SIZE];
    struct dtr_task_key key = {.filter = dtr_url_default_filter,
                               .filter_count = dtr_url_default_filter_count};
    struct dtr_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        key.url = pairs[i][0];
        assert_int_equal(dtr_task_id(a, &key, &err), DTR_OK);
        key.url = pairs[i][1];
        assert_int_equal(dtr_task_id(b, &key, &err), DTR_OK);
        assert_string_equal(a, b);
    }
}

static void blobs_without_an_id_are_hashed(void **state)
{
    static const char *const urls[] = {
        "https://r.example/v2/a/blobs/sha256:" HEX "00",  "https://r.example/v2/a/blobs/sha512:" HEX HEX,
        "https://r.example/v2/a/manifests/sha256:" HEX,   "https://r.example/v2/a/blobs/uploads/",
        "https://r.example/v2/a/blobs/sha256:1234567890", "https://r.example/v2/blobs/sha256:" HEX,
    };
    char plain[DTR_TASK_ID_SIZE], digest[DTR_TASK_ID_SIZE];
    struct dtr_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        assert_int_equal(dtr_task_id(plain, &(struct dtr_task_key){.url = urls[i]}, &err), DTR_OK);
        assert_int_equal(
            dtr_task_id(digest, &(struct dtr_task_key){.url = urls[i], .blob_digest = true}, &err), DTR_OK);
        assert_string_equal(plain, digest);
        assert_true(dtr_is_hex(plain, DTR_TASK_ID_LENGTH));
    }
}

static void bad_urls_are_errors(void **state)
{
    char id[DTR_TASK_ID_SIZE];
    struct dtr_error err;

    (void)state;
    assert_int_equal(dtr_task_id(id, &(struct dtr_task_key){.url = "example.com"}, &err), DTR_EINVALID);
    assert_int_equal(dtr_task_id(id, &(struct dtr_task_key){.tag = "x"}, &err), DTR_EINVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors),   cmocka_unit_test(persistent_vectors),
        cmocka_unit_test(cache_vectors),       cmocka_unit_test(same_object_same_id),
        cmocka_unit_test(bad_urls_are_errors), cmocka_unit_test(blobs_without_an_id_are_hashed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
