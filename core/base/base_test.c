/* What core/base promises, by example. */
#include "core/base/buf.h"
#include "core/base/digest.h"
#include "core/base/draw.h"
#include "core/base/list.h"
#include "core/base/map.h"
#include "core/base/ranges.h"
#include "core/base/reader.h"
#include "core/base/str.h"

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void siphash_matches_the_paper(void **state)
{
    (void)state;
    uint8_t key[16], message[15];
    for (uint8_t i = 0; i < 16; i++)
        key[i] = i;
    for (uint8_t i = 0; i < 15; i++)
        message[i] = i;
    /* Appendix A of the SipHash paper. */
    assert_true(dtr_siphash(key, message, 15) == 0xa129ca6149be45e5u);
    assert_true(dtr_siphash(key, message, 0) == 0x726fdb47dd0e0e31u);
}

static void drawn_numbers_are_those_of_splitmix64(void **state)
{
    (void)state;
    /* Of its authors' program, from this seed. */
    static const uint64_t numbers[] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                                       4593380528125082431u, 16408922859458223821u};
    uint64_t seed = 1234567;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        assert_true(dtr_draw(&seed) == numbers[i]);
}

static void map_keeps_a_thousand_keys(void **state)
{
    (void)state;
    static struct {
        struct dtr_map_node node;
        char key[8];
    } items[1000];
    struct dtr_map map = {0};
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(items[i].key, sizeof(items[i].key), "k%d", i);
        assert_true(dtr_map_add(&map, &items[i].node, items[i].key, strlen(items[i].key)));
    }
    assert_ptr_equal(dtr_map_find(&map, "k617"), &items[617].node);
    assert_null(dtr_map_find(&map, "k1000"));
    for (int i = 0; i < 1000; i += 2)
        dtr_map_remove(&map, &items[i].node);
    size_t seen = 0;
    for (struct dtr_map_node *n = dtr_map_next(&map, NULL); n; n = dtr_map_next(&map, n))
        seen++;
    assert_int_equal(seen, 500);
    assert_int_equal(map.count, 500);
    assert_null(dtr_map_find(&map, "k616"));
    dtr_map_clear(&map);
}

static void str_stops_at_its_limit(void **state)
{
    (void)state;
    struct dtr_str str = {.limit = 10};
    dtr_str_printf(&str, "%d-%s", 12, "abc");
    assert_string_equal(dtr_str_text(&str), "12-abc");
    dtr_str_puts(&str, "12345");
    assert_false(dtr_str_ok(&str));
    assert_string_equal(dtr_str_text(&str), "12-abc");
    assert_null(dtr_str_take(&str));
    dtr_str_free(&str);
    char *empty = dtr_str_take(&str);
    assert_string_equal(empty, "");
    free(empty);
}

static void numbers_are_digits_only(void **state)
{
    (void)state;
    uint64_t value;
    assert_true(dtr_parse_u64("18446744073709551615", 20, &value) && value == UINT64_MAX);
    assert_false(dtr_parse_u64("18446744073709551616", 20, &value));
    assert_false(dtr_parse_u64("-1", 2, &value));
    assert_false(dtr_parse_u64("", 0, &value));
    assert_false(dtr_parse_u64(" 1", 2, &value));
}

static void crc_text_is_decimal(void **state)
{
    (void)state;
    char text[DTR_CRC32_TEXT];
    uint32_t crc;
    dtr_crc32_text(dtr_crc32(0, "hello", 5), text);
    assert_string_equal(text, "crc32:907060870");
    assert_true(dtr_crc32_parse(text, strlen(text), &crc) && crc == 907060870);
    assert_int_equal(dtr_crc32(0, "test content", 12), 1475635037);
    assert_false(dtr_crc32_parse("crc32:", 6, &crc));
    assert_false(dtr_crc32_parse("crc32:01", 8, &crc));
    assert_false(dtr_crc32_parse("crc32:4294967296", 16, &crc));
}

static void digest_follows_its_bytes(void **state)
{
    (void)state;
    char whole[65], parts[129];
    struct dtr_digest *digest = NULL;
    struct dtr_error err;
    dtr_sha256_hex("abc", 3, whole);
    assert_string_equal(whole, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(dtr_digest_new("sha256", &digest, &err), DTR_OK);
    dtr_digest_add(digest, "a", 1);
    dtr_digest_add(digest, "bc", 2);
    dtr_digest_end(digest, parts);
    assert_string_equal(parts, whole);
    dtr_digest_free(digest);
    assert_int_equal(dtr_digest_new("md5", &digest, &err), DTR_EUNSUPPORTED);
}

static void reader_fails_once_and_for_all(void **state)
{
    (void)state;
    const uint8_t bytes[] = {1, 2, 3, 4, 5};
    struct dtr_reader reader = dtr_reader_of(bytes, sizeof(bytes));
    assert_int_equal(dtr_read_u32(&reader), 0x01020304);
    assert_int_equal(dtr_read_u32(&reader), 0);
    assert_true(reader.failed);
    assert_int_equal(dtr_read_u8(&reader), 0);
}

/* Against a plain array of booleans, with random additions and removals. */
static void ranges_agree_with_a_bitmap(void **state)
{
    (void)state;
    enum { SIZE = 64 };
    for (unsigned seed = 1; seed <= 200; seed++) {
        struct dtr_ranges set = {0};
        bool model[SIZE] = {false};
        srandom(seed);
        for (int step = 0; step < 100; step++) {
            uint64_t start = (uint64_t)random() % SIZE, end = start + (uint64_t)random() % (SIZE - start + 1);
            bool add = random() % 3 != 0;
            assert_true(add ? dtr_ranges_add(&set, start, end) : dtr_ranges_remove(&set, start, end));
            for (uint64_t i = start; i < end; i++)
                model[i] = add;
            uint64_t total = 0;
            for (uint64_t i = 0; i < SIZE; i++) {
                total += model[i];
                if (dtr_ranges_has(&set, i, i + 1) != model[i])
                    fail_msg("seed %u step %d position %d", seed, step, (int)i);
            }
            assert_int_equal(dtr_ranges_total(&set), total);
            for (size_t i = 1; i < set.count; i++)
                assert_true(set.list[i - 1].end < set.list[i].start);
            struct dtr_range gap = {0};
            if (dtr_ranges_gap(&set, 0, SIZE, &gap)) {
                for (uint64_t i = 0; i < gap.end; i++)
                    assert_int_equal(model[i], i < gap.start);
            } else {
                assert_int_equal(total, SIZE);
            }
        }
        dtr_ranges_free(&set);
    }
}

static void buf_dies_with_its_last_reference(void **state)
{
    (void)state;
    struct dtr_buf *buf = dtr_buf_copy("xyz", 3);
    assert_non_null(buf);
    dtr_buf_hold(buf);
    dtr_buf_drop(buf);
    assert_memory_equal(buf->data, "xyz", 3);
    dtr_buf_drop(buf); /* the sanitizer says whether it was freed */
}

static void list_nodes_leave_twice_harmlessly(void **state)
{
    (void)state;
    struct dtr_list head, a = {0}, b = {0};
    dtr_list_init(&head);
    dtr_list_add_tail(&head, &a);
    dtr_list_add_head(&head, &b);
    assert_ptr_equal(head.next, &b);
    dtr_list_remove(&a);
    dtr_list_remove(&a);
    assert_ptr_equal(dtr_list_pop(&head), &b);
    assert_null(dtr_list_pop(&head));
    assert_false(dtr_list_linked(&b));
}

static void text_with_a_nul_is_refused(void **state)
{
    (void)state;
    char field[4];
    assert_null(dtr_text_dup("a\0b", 3));
    char *copy = dtr_text_dup("ab", 2);
    assert_string_equal(copy, "ab");
    free(copy);
    assert_false(dtr_copy_text(field, sizeof(field), "four"));
    assert_string_equal(field, "");
    assert_true(dtr_copy_text(field, sizeof(field), "abc"));
    assert_int_equal(dtr_casecmp("Content-Type", "content-type"), 0);
    assert_true(dtr_casecmp("a", "b") < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_matches_the_paper),
        cmocka_unit_test(drawn_numbers_are_those_of_splitmix64),
        cmocka_unit_test(map_keeps_a_thousand_keys),
        cmocka_unit_test(str_stops_at_its_limit),
        cmocka_unit_test(numbers_are_digits_only),
        cmocka_unit_test(crc_text_is_decimal),
        cmocka_unit_test(digest_follows_its_bytes),
        cmocka_unit_test(reader_fails_once_and_for_all),
        cmocka_unit_test(ranges_agree_with_a_bitmap),
        cmocka_unit_test(buf_dies_with_its_last_reference),
        cmocka_unit_test(list_nodes_leave_twice_harmlessly),
        cmocka_unit_test(text_with_a_nul_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
