/* An answer over a restart: kept, replaced, damaged, impossible. */
#include "core/managed/last.h"

#include "core/loop/turn_until.h"

#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct dtr_loop *loop;
static char root[64], folder[96], path[128];

static int begin(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/dtr-last-XXXXXX");
    assert_non_null(mkdtemp(root));
    (void)snprintf(folder, sizeof(folder), "%s/not/there", root);
    (void)snprintf(path, sizeof(path), "%s/answer", folder);
    assert_int_equal(dtr_loop_new("control", &loop, NULL), DTR_OK);
    return 0;
}

static int end(void **state)
{
    char parent[96];
    (void)state;
    TURN_UNTIL_BY(loop, false, dtr_last_writes() == 0);
    dtr_loop_free(loop);
    (void)unlink(path);
    (void)rmdir(folder);
    (void)snprintf(parent, sizeof(parent), "%s/not", root);
    (void)rmdir(parent);
    return rmdir(root);
}

/* Whether the file holds exactly this. */
static bool holds(const char *text)
{
    uint8_t *bytes = NULL;
    size_t length = 0;
    if (dtr_last_read(folder, "answer", &bytes, &length, NULL) != DTR_OK)
        return false;
    bool same = length == strlen(text) && memcmp(bytes, text, length) == 0;
    free(bytes);
    return same;
}

static void expect_error(int code, const char *words)
{
    uint8_t *bytes = NULL;
    size_t length = 0;
    struct dtr_error err = {0};
    assert_int_equal(dtr_last_read(folder, "answer", &bytes, &length, &err), code);
    if (!strstr(err.text, words) || !strstr(err.text, path))
        fail_msg("%s", err.text);
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
}

static struct dtr_last *keeper(void)
{
    struct dtr_last *last = NULL;
    assert_int_equal(dtr_last_open(loop, folder, "answer", &last, NULL), DTR_OK);
    return last;
}

static void what_is_kept_is_read_again(void **state)
{
    (void)state;
    expect_error(DTR_ENOT_FOUND, "is not there");
    struct dtr_last *last = keeper();
    dtr_last_keep(last, "one", 3);
    TURN_UNTIL_BY(loop, false, holds("one"));
    dtr_last_keep(last, "two", 3);
    dtr_last_keep(last, "three", 5); /* while the second is written */
    TURN_UNTIL_BY(loop, false, holds("three"));
    dtr_last_keep(last, "", 0);
    TURN_UNTIL_BY(loop, false, holds(""));
    dtr_last_close(last);
}

static void it_is_replaced_in_one_step(void **state)
{
    (void)state;
    struct dtr_last *last = keeper();
    dtr_last_keep(last, "one", 3);
    TURN_UNTIL_BY(loop, false, holds("one"));
    FILE *before = fopen(path, "r");
    char text[64] = "";
    assert_non_null(before);
    dtr_last_keep(last, "two", 3);
    TURN_UNTIL_BY(loop, false, holds("two"));
    assert_non_null(fgets(text, sizeof(text), before));
    assert_non_null(fgets(text, sizeof(text), before));
    assert_string_equal(text, "one"); /* who reads meanwhile has the old one whole */
    assert_int_equal(fclose(before), 0);
    dtr_last_close(last);
}

static void a_damaged_file_is_named(void **state)
{
    (void)state;
    struct dtr_last *last = keeper();
    dtr_last_keep(last, "one", 3);
    TURN_UNTIL_BY(loop, false, holds("one"));
    dtr_last_close(last);
    static const char *const texts[] = {"",
                                        "x",
                                        "darter manager 1",
                                        "darter manager 1 0 3\none",
                                        "darter manager 1 0 -1\n",
                                        "darter manager 2 0 0\n",
                                        "darter manager 1 0 1",
                                        "darter manager 1 0 0"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        write_file(texts[i]);
        expect_error(DTR_ECORRUPT, "is damaged");
    }
    write_file("darter manager 1 0 0\n"); /* the CRC of nothing */
    assert_true(holds(""));
}

/* Where nothing can be written, nothing else happens; later it is tried again. */
static void a_folder_that_cannot_be_is_no_end(void **state)
{
    (void)state;
    struct dtr_last *last = NULL;
    char file[96], below[128];
    (void)snprintf(file, sizeof(file), "%s/not", root);
    FILE *made = fopen(file, "w");
    assert_true(made && fclose(made) == 0);
    (void)snprintf(below, sizeof(below), "%s/there", file);
    assert_int_equal(dtr_last_open(loop, below, "answer", &last, NULL), DTR_OK);
    dtr_last_keep(last, "one", 3);
    dtr_last_keep(last, "two", 3);
    dtr_loop_turn(loop, true); /* the first write comes to nothing */
    assert_int_equal(unlink(file), 0);
    TURN_UNTIL_BY(loop, false, (dtr_last_keep(last, "two", 3), holds("two")));
    dtr_last_close(last);
}

/* The write ends by itself, whoever waits for it. */
static void it_may_be_closed_while_it_writes(void **state)
{
    (void)state;
    struct dtr_last *last = keeper();
    dtr_last_keep(last, "one", 3);
    dtr_last_close(last);
    TURN_UNTIL_BY(loop, false, holds("one"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_kept_is_read_again, begin, end),
        cmocka_unit_test_setup_teardown(it_is_replaced_in_one_step, begin, end),
        cmocka_unit_test_setup_teardown(a_damaged_file_is_named, begin, end),
        cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_is_no_end, begin, end),
        cmocka_unit_test_setup_teardown(it_may_be_closed_while_it_writes, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
