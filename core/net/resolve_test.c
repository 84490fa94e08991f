/* What the resolver's front takes and gives; names are those that every machine knows. */
#include "core/net/resolve.h"

#include <setjmp.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { ROOM = 8 };

static void addresses_are_themselves(void **state)
{
    static const char *const texts[] = {"10.0.0.1:8002", "[::1]:8002"};
    struct dtr_addr list[ROOM];
    char text[DTR_ADDR_TEXT];
    size_t count = 0;
    struct dtr_error err;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(dtr_resolve(texts[i], list, ROOM, &count, &err), DTR_OK);
        assert_int_equal(count, 1);
        dtr_addr_text(&list[0], text);
        assert_string_equal(text, texts[i]);
    }
}

static void names_have_addresses_with_the_port(void **state)
{
    struct dtr_addr list[ROOM];
    char text[DTR_ADDR_TEXT];
    size_t count = 0;
    struct dtr_error err;
    (void)state;
    assert_int_equal(dtr_resolve("localhost:8002", list, ROOM, &count, &err), DTR_OK);
    assert_int_equal(count, 1); /* also where it is ::1 too */
    dtr_addr_text(&list[0], text);
    assert_string_equal(text, "127.0.0.1:8002");
    assert_int_equal(dtr_resolve("localhost:8002", list, 0, &count, &err), DTR_ELIMIT);
}

static void nonsense_is_refused(void **state)
{
    static const char *const texts[] = {
        "", ":8002", "scheduler", "scheduler:", "scheduler:0", "scheduler:65536", "scheduler:http"};
    struct dtr_addr list[ROOM];
    size_t count = 0;
    struct dtr_error err;
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(dtr_resolve(texts[i], list, ROOM, &count, &err), DTR_EINVALID);
        assert_non_null(strstr(err.text, "NAME:PORT"));
    }
    assert_int_equal(dtr_resolve("a..b:8002", list, ROOM, &count, &err), DTR_ENOT_FOUND);
    assert_non_null(strstr(err.text, "a..b has no address: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_themselves),
        cmocka_unit_test(names_have_addresses_with_the_port),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
