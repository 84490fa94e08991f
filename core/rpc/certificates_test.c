/* Certificates between messages and PEM: what goes in comes out, and what is none is refused. */
#include "core/rpc/certificates.h"

#include "core/net/tls_rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct tls_rig rig;
static struct dtr_certificates made; /* two */

static int set_up(void **state)
{
    struct dtr_certificates other;
    struct dtr_error err = {0};
    (void)state;
    tls_rig_open(&rig);
    assert_int_equal(dtr_certificates_read(tls_rig_path(&rig, "ca.pem"), &made, &err), DTR_OK);
    assert_int_equal(dtr_certificates_read(tls_rig_path(&rig, "other.pem"), &other, &err), DTR_OK);
    assert_int_equal(made.count + other.count, 2);
    made.list = realloc(made.list, 2 * sizeof(*made.list));
    assert_non_null(made.list);
    made.list[made.count++] = other.list[0];
    free(other.list);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    dtr_certificates_free(&made);
    tls_rig_close(&rig);
    return 0;
}

static void what_goes_in_comes_out(void **state)
{
    (void)state;
    struct dtr_str pem = {0};
    struct dtr_certificates read;
    struct dtr_error err = {0};
    assert_int_equal(dtr_certificates_pem(made.list, made.count, &pem, &err), DTR_OK);
    assert_int_equal(dtr_certificates_read(dtr_str_text(&pem), &read, &err), DTR_OK);
    assert_int_equal(read.count, made.count);
    for (size_t i = 0; i < read.count; i++) {
        assert_int_equal(read.list[i].len, made.list[i].len);
        assert_memory_equal(read.list[i].data, made.list[i].data, read.list[i].len);
    }
    dtr_certificates_free(&read);
    dtr_str_free(&pem);
}

static void none_is_nothing(void **state)
{
    (void)state;
    struct dtr_str pem = {0};
    struct dtr_certificates read;
    struct dtr_error err = {0};
    assert_int_equal(dtr_certificates_pem(NULL, 0, &pem, &err), DTR_OK);
    assert_string_equal(dtr_str_text(&pem), "");
    assert_int_equal(dtr_certificates_read("", &read, &err), DTR_OK);
    assert_int_equal(read.count, 0);
}

static void what_is_none_is_refused(void **state)
{
    (void)state;
    static uint8_t text[] = "certificate";
    uint8_t longer[4096];
    assert_true(made.list[0].len < sizeof(longer));
    memcpy(longer, made.list[0].data, made.list[0].len);
    longer[made.list[0].len] = 0;
    const ProtobufCBinaryData bad[] = {
        {0, NULL},
        {sizeof(text), text},
        {made.list[0].len - 1, made.list[0].data},
        {made.list[0].len + 1, longer},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const ProtobufCBinaryData list[] = {made.list[1], bad[i]};
        struct dtr_str pem = {0};
        struct dtr_error err = {0};
        assert_int_equal(dtr_certificates_pem(list, 2, &pem, &err), DTR_EINVALID);
        assert_non_null(strstr(err.text, "certificate_chain: "));
        assert_string_equal(dtr_str_text(&pem), "");
    }
    struct dtr_certificates read;
    struct dtr_error err = {0};
    assert_int_equal(dtr_certificates_read("-----BEGIN CERTIFICATE-----\nAAAA\n", &read, &err), DTR_EINVALID);
    assert_int_equal(dtr_certificates_read("/nowhere/roots.pem", &read, &err), DTR_EINVALID);
    assert_non_null(strstr(err.text, "/nowhere/roots.pem"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(none_is_nothing),
        cmocka_unit_test(what_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
