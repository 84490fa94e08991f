/* The progress line: sizes, times, rates, and what fits into how many columns. */
#include "core/tools/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define MIB ((uint64_t)1 << 20)

static void sizes_have_one_decimal(void **state)
{
    (void)state;
    static const struct {
        double bytes;
        const char *text;
    } cases[] = {{0, "0 B"},
                 {512, "512 B"},
                 {1023, "1023 B"},
                 {1024, "1.0 KiB"},
                 {1536, "1.5 KiB"},
                 {1024 * 1024 - 1, "1.0 MiB"},
                 {27.04 * 1024 * 1024, "27.0 MiB"},
                 {1024.0 * 1024 * 1024 * 3, "3.0 GiB"},
                 {1e18, "888.2 PiB"},
                 {1.8446744073709552e19, "16384.0 PiB"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[DTR_SIZE_TEXT];
        dtr_size_text(cases[i].bytes, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void time_left_is_rounded_up(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {{0, "0:00"},       {0.2, "0:01"},     {59, "0:59"},         {60, "1:00"},    {3599, "59:59"},
                 {3600, "1:00:00"}, {3723, "1:02:03"}, {359999, "99:59:59"}, {360000, "99h"}, {1e300, "99h"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[DTR_SIZE_TEXT];
        dtr_time_left_text(cases[i].seconds, text);
        assert_string_equal(text, cases[i].text);
    }
}

/* So many bytes per second for `ms`, in steps of 100 ms. */
static void run(struct dtr_progress *progress, uint64_t *now, uint64_t ms, uint64_t bytes_per_s)
{
    uint64_t given = 0;
    for (uint64_t passed = 100; passed <= ms; passed += 100) {
        uint64_t due = bytes_per_s * passed / 1000;
        *now += 100;
        dtr_progress_add(progress, due - given, *now);
        given = due;
    }
}

static void the_rate_is_that_of_the_last_seconds(void **state)
{
    (void)state;
    struct dtr_progress progress;
    uint64_t now = 1000;
    dtr_progress_begin(&progress, "x", NULL, now);
    assert_true(dtr_progress_rate(&progress, now) < 1);
    dtr_progress_start(&progress, 1000 * MIB, now);
    assert_true(dtr_progress_rate(&progress, now) < 1);
    run(&progress, &now, 2000, 8 * MIB);
    double rate = dtr_progress_rate(&progress, now);
    assert_true(rate > 7.9 * MIB && rate < 8.1 * MIB);
    /* Twice as fast for long enough: what was before counts no more. */
    run(&progress, &now, 10000, 16 * MIB);
    rate = dtr_progress_rate(&progress, now);
    assert_true(rate > 15.5 * MIB && rate < 16.5 * MIB);
    /* Nothing comes: it sinks. */
    assert_true(dtr_progress_rate(&progress, now + 20000) < 5 * (double)MIB);
}

static void prepare(struct dtr_progress *progress, uint64_t *now, const char *name)
{
    *now = 1000;
    dtr_progress_begin(progress, name, NULL, *now);
    dtr_progress_start(progress, 32 * MIB, *now);
    run(progress, now, 1000, 8 * MIB);
}

static void a_wide_line_says_everything(void **state)
{
    (void)state;
    struct dtr_progress progress;
    char line[DTR_PROGRESS_LINE];
    uint64_t now;
    prepare(&progress, &now, "file.bin");
    dtr_progress_line(&progress, now, 79, line);
    assert_string_equal(line,
                        "file.bin  [=====>               ]   25%  8.0 MiB/32.0 MiB  8.0 MiB/s  0:03 left");
    assert_int_equal(strlen(line), 79);
}

static void no_line_is_wider_than_the_terminal(void **state)
{
    (void)state;
    static const char wide[] = "gr\xc3\xb6\xc3\x9f"
                               "e-\xe6\x96\x87\xe4\xbb\xb6.bin";
    const char *const names[] = {"f", "a-name-that-is-rather-long-for-a-terminal-of-eighty-columns.tar.gz",
                                 wide};
    struct dtr_progress progress;
    char line[DTR_PROGRESS_LINE];
    uint64_t now;
    for (size_t n = 0; n < 3; n++) {
        for (unsigned width = 1; width < 300; width++) {
            size_t columns = 0;
            prepare(&progress, &now, names[n]);
            dtr_progress_line(&progress, now, width, line);
            for (const char *at = line; *at; at++)
                columns += ((unsigned char)*at & 0xc0) != 0x80;
            if (width >= 4)
                assert_in_range(columns, 1, width);
            if (width >= 4)
                assert_non_null(strstr(line, "25%"));
            dtr_progress_begin(&progress, names[n], NULL, 0);
            dtr_progress_line(&progress, 5000, width, line);
            columns = 0;
            for (const char *at = line; *at; at++)
                columns += ((unsigned char)*at & 0xc0) != 0x80;
            assert_in_range(columns, 0, width);
        }
    }
}

static void the_ends_are_right(void **state)
{
    (void)state;
    struct dtr_progress progress;
    char line[DTR_PROGRESS_LINE];
    uint64_t now;
    dtr_progress_begin(&progress, "x", NULL, 0);
    dtr_progress_line(&progress, 3000, 79, line);
    assert_string_equal(line, "x  waiting  0:03");
    dtr_progress_start(&progress, 0, 3000);
    dtr_progress_line(&progress, 3000, 79, line);
    assert_non_null(strstr(line, "100%  0 B/0 B"));
    prepare(&progress, &now, "x");
    run(&progress, &now, 3000, 8 * MIB);
    dtr_progress_line(&progress, now, 79, line);
    assert_non_null(strstr(line, "100%  32.0 MiB/32.0 MiB"));
    assert_non_null(strstr(line, "=]"));
    dtr_progress_summary(&progress, now, line);
    assert_string_equal(line, "x  32.0 MiB in 4.0 s, 8.0 MiB/s");
}

static void a_name_cannot_steer_the_terminal(void **state)
{
    (void)state;
    struct dtr_progress progress;
    dtr_progress_begin(&progress, "a\033[2Jb\n", NULL, 0);
    assert_string_equal(progress.name, "a?[2Jb?");
}

static void it_is_drawn_ten_times_a_second_at_most(void **state)
{
    (void)state;
    struct dtr_progress progress;
    char drawn[8192] = "";
    FILE *out = fmemopen(drawn, sizeof(drawn), "w");
    assert_non_null(out);
    dtr_progress_begin(&progress, "x", out, 0);
    dtr_progress_start(&progress, MIB, 0);
    for (uint64_t now = 0; now < 1000; now += 10) {
        dtr_progress_add(&progress, 10, now);
        dtr_progress_draw(&progress, now);
    }
    dtr_progress_clear(&progress);
    (void)fclose(out);
    int lines = 0;
    for (const char *at = drawn; (at = strchr(at, '\r')); at++)
        lines++;
    assert_int_equal(lines, 10 + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_have_one_decimal),
        cmocka_unit_test(time_left_is_rounded_up),
        cmocka_unit_test(the_rate_is_that_of_the_last_seconds),
        cmocka_unit_test(a_wide_line_says_everything),
        cmocka_unit_test(no_line_is_wider_than_the_terminal),
        cmocka_unit_test(the_ends_are_right),
        cmocka_unit_test(a_name_cannot_steer_the_terminal),
        cmocka_unit_test(it_is_drawn_ten_times_a_second_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
