/* Vortex frames against the test frames of the wire page (4.2) and against damage. */
#include "frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static const char task_id[] = "5844f27a257287e9b734256bb25603d8005422ced8c0377f15063ec11963b25f";

static size_t unhex(const char *hex, uint8_t *to)
{
    size_t count = strlen(hex) / 2;
    for (size_t i = 0; i < count; i++) {
        unsigned value;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &value), 1);
        to[i] = (uint8_t)value;
    }
    return count;
}

static void the_request_is_as_recorded(void **state)
{
    (void)state;
    static const char wanted[] = "2a0000000044353834346632376132353732383765396237333432353662623235363033643"
                                 "8303035343232636564386330333737"
                                 "663135303633656331313936336232356600000003";
    uint8_t frame[VORTEX_REQUEST], expected[VORTEX_REQUEST];
    char id[DTR_TASK_ID_LENGTH + 1];
    uint32_t number;
    struct dtr_error err;
    assert_int_equal(unhex(wanted, expected), VORTEX_REQUEST);
    assert_int_equal(vortex_write_request(frame, 0x2a, task_id, 3), VORTEX_REQUEST);
    assert_memory_equal(frame, expected, VORTEX_REQUEST);
    assert_int_equal(vortex_read_request(frame + 6, 68, id, &number, &err), DTR_OK);
    assert_string_equal(id, task_id);
    assert_int_equal(number, 3);
    assert_int_equal(vortex_read_request(frame + 6, 67, id, &number, &err), DTR_EPROTOCOL);
    frame[6] = '/';
    assert_int_equal(vortex_read_request(frame + 6, 68, id, &number, &err), DTR_EPROTOCOL);
}

static void the_reply_is_as_recorded(void **state)
{
    (void)state;
    static const char wanted[] =
        "2b010000004f0000004b000000030000000000c0000000000000000000050000000f63726333323a393037303630383730"
        "0000000f31302e302e302e312d686f73742d3101000000000000000000000000689b2cc0";
    struct dtr_piece piece = {.number = 3,
                              .offset = 12582912,
                              .length = 5,
                              .crc32 = 907060870,
                              .has_crc32 = true,
                              .created_at = 0x689b2cc0};
    struct dtr_piece back;
    struct dtr_error err;
    uint8_t frame[VORTEX_CONTENT_LIMIT], expected[200];
    size_t length = unhex(wanted, expected);
    assert_int_equal(vortex_write_content(frame, 0x2b, &piece, "10.0.0.1-host-1"), length);
    assert_memory_equal(frame, expected, length);
    assert_int_equal(vortex_read_content(frame + 10, length - 10, &back, &err), DTR_OK);
    assert_int_equal(back.number, 3);
    assert_int_equal(back.offset, 12582912);
    assert_int_equal(back.length, 5);
    assert_true(back.has_crc32);
    assert_int_equal(back.crc32, 907060870);
    assert_int_equal(back.created_at, 0x689b2cc0);
    for (size_t cut = 0; cut < length - 10; cut++)
        assert_int_equal(vortex_read_content(frame + 10, cut, &back, &err), DTR_EPROTOCOL);
}

static void an_empty_digest_is_accepted(void **state)
{
    (void)state;
    struct dtr_piece piece = {.number = 0, .length = 1}, back;
    struct dtr_error err;
    uint8_t frame[VORTEX_CONTENT_LIMIT];
    size_t length = vortex_write_content(frame, 0, &piece, "");
    assert_int_equal(vortex_read_content(frame + 10, length - 10, &back, &err), DTR_OK);
    assert_false(back.has_crc32);
}

static void errors_carry_code_and_text(void **state)
{
    (void)state;
    uint8_t frame[VORTEX_HEADER + VORTEX_ERROR_LIMIT], expected[64];
    struct vortex_header header;
    struct dtr_error err;
    size_t length = vortex_write_error(frame, 7, VORTEX_NOT_FOUND, "piece x not found");
    assert_int_equal(unhex("07ff000000120270696563652078206e6f7420666f756e64", expected), length);
    assert_memory_equal(frame, expected, length);
    vortex_read_header(frame, &header);
    assert_int_equal(header.length, 18);
    assert_int_equal(vortex_read_error(frame + 6, header.length, &err), DTR_ENOT_FOUND);
    assert_non_null(strstr(err.text, "piece x not found"));
    assert_int_equal(vortex_read_error(frame + 6, 0, &err), DTR_EPROTOCOL);
    assert_int_equal(vortex_read_error((const uint8_t *)"\3a\nb", 4, &err), DTR_EINTERNAL);
    assert_non_null(strstr(err.text, "a?b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_is_as_recorded),
        cmocka_unit_test(the_reply_is_as_recorded),
        cmocka_unit_test(an_empty_digest_is_accepted),
        cmocka_unit_test(errors_carry_code_and_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
