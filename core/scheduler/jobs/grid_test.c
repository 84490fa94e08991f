/* The order of questions, and that limits hold whatever the answers are. */
#include "core/scheduler/jobs/grid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct grid *make(uint32_t objects_at_a_time, uint32_t hosts_at_a_time, size_t objects, size_t hosts)
{
    const struct grid_limits limits = {objects_at_a_time, hosts_at_a_time};
    uint32_t list[64];
    struct grid *grid;
    assert_int_equal(grid_new(&limits, &grid, NULL), DTR_OK);
    for (uint32_t i = 0; i < hosts; i++)
        list[i] = i;
    for (size_t i = 0; i < objects; i++)
        assert_int_equal(grid_add(grid, list, hosts, NULL), DTR_OK);
    return grid;
}

/* The next question, which is (object, host). */
static size_t expect(struct grid *grid, uint32_t object, uint32_t host)
{
    size_t row, count;
    assert_true(grid_next(grid, &row));
    const struct grid_row *asked = &grid_rows(grid, &count)[row];
    assert_int_equal(asked->object, object);
    assert_int_equal(asked->host, host);
    assert_int_equal(asked->state, GRID_RUNNING);
    return row;
}

static void expect_none(struct grid *grid)
{
    size_t row;
    assert_false(grid_next(grid, &row));
}

static void objects_and_hosts_are_limited(void **state)
{
    (void)state;
    struct grid *grid = make(2, 2, 3, 3);
    size_t first = expect(grid, 0, 0);
    (void)expect(grid, 0, 1);
    size_t other = expect(grid, 1, 0);
    (void)expect(grid, 1, 1);
    expect_none(grid);
    grid_ended(grid, first, NULL);
    size_t last = expect(grid, 0, 2);
    expect_none(grid);
    grid_ended(grid, first + 1, NULL);
    grid_ended(grid, last, NULL);
    (void)expect(grid, 2, 0); /* the first object is over */
    (void)expect(grid, 2, 1);
    expect_none(grid);
    grid_ended(grid, other, NULL);
    (void)expect(grid, 1, 2);
    assert_false(grid_over(grid));
    grid_free(grid);
}

static void a_failure_stops_nobody(void **state)
{
    (void)state;
    struct grid *grid = make(1, 1, 2, 2);
    size_t row, count, asked = 0;
    while (grid_next(grid, &row)) {
        grid_ended(grid, row, row == 1 ? "it is gone" : NULL);
        asked++;
    }
    const struct grid_row *rows = grid_rows(grid, &count);
    assert_int_equal(asked, 4);
    assert_int_equal(count, 4);
    assert_true(grid_over(grid));
    assert_int_equal(rows[0].state, GRID_DONE);
    assert_null(rows[0].why);
    assert_int_equal(rows[1].state, GRID_FAILED);
    assert_string_equal(rows[1].why, "it is gone");
    assert_int_equal(rows[3].state, GRID_DONE);
    grid_free(grid);
}

static void what_waits_fails_when_it_is_stopped(void **state)
{
    (void)state;
    struct grid *grid = make(1, 1, 2, 2);
    size_t count, row = expect(grid, 0, 0);
    grid_stop(grid, "too late");
    const struct grid_row *rows = grid_rows(grid, &count);
    for (size_t i = 1; i < count; i++) {
        assert_int_equal(rows[i].state, GRID_FAILED);
        assert_string_equal(rows[i].why, "too late");
    }
    expect_none(grid);
    assert_false(grid_over(grid));
    grid_ended(grid, row, NULL);
    assert_true(grid_over(grid));
    expect_none(grid);
    assert_int_equal(grid_rows(grid, &count)[0].state, GRID_DONE);
    grid_stop(grid, "again");
    assert_int_equal(grid_rows(grid, &count)[0].state, GRID_DONE);
    grid_free(grid);
}

static void nothing_to_ask_is_over_at_once(void **state)
{
    (void)state;
    struct grid *grid = make(8, 8, 0, 0);
    assert_true(grid_over(grid));
    expect_none(grid);
    grid_free(grid);
    grid = make(1, 1, 3, 0);
    assert_true(grid_over(grid));
    expect_none(grid);
    grid_free(grid);
    grid_free(NULL);
}

static void there_is_a_most(void **state)
{
    (void)state;
    const struct grid_limits limits = {1, 1};
    struct dtr_error err;
    struct grid *grid;
    enum { HALF = GRID_ROWS_MOST / 2 + 1 };
    uint32_t *hosts = calloc(HALF, sizeof(*hosts));
    assert_non_null(hosts);
    assert_int_equal(grid_new(&limits, &grid, NULL), DTR_OK);
    assert_int_equal(grid_add(grid, hosts, HALF, NULL), DTR_OK);
    assert_int_equal(grid_add(grid, hosts, HALF, &err), DTR_EINVALID);
    assert_non_null(strstr(err.text, "percentage"));
    grid_free(grid);
    free(hosts);
}

/* Whatever ends when, no limit is passed and every row is asked once. */
static void limits_hold_in_any_order(void **state)
{
    (void)state;
    enum { OBJECTS = 7, HOSTS = 9 };
    struct grid *grid = make(3, 4, OBJECTS, HOSTS);
    size_t running[OBJECTS * HOSTS], count = 0, asked = 0, row, rows;
    uint64_t random = 1;
    while (!grid_over(grid)) {
        while (grid_next(grid, &row)) {
            running[count++] = row;
            asked++;
        }
        uint32_t of[OBJECTS] = {0}, objects = 0;
        for (size_t i = 0; i < count; i++)
            objects += of[grid_rows(grid, &rows)[running[i]].object]++ == 0;
        assert_true(count > 0 && objects <= 3);
        for (size_t i = 0; i < OBJECTS; i++)
            assert_true(of[i] <= 4);
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t ended = (size_t)(random >> 33) % count;
        grid_ended(grid, running[ended], random & 1 ? "failed" : NULL);
        running[ended] = running[--count];
    }
    assert_int_equal(asked, OBJECTS * HOSTS);
    grid_free(grid);
}

/* With as many steps for each as objects lie between, this does not end within the test's time. */
static void a_slow_object_slows_no_other(void **state)
{
    (void)state;
    enum { OBJECTS = 400000 };
    struct grid *grid = make(2, 1, OBJECTS, 1);
    size_t slow = expect(grid, 0, 0);
    for (uint32_t i = 1; i < OBJECTS; i++)
        grid_ended(grid, expect(grid, i, 0), NULL);
    expect_none(grid);
    grid_ended(grid, slow, NULL);
    assert_true(grid_over(grid));
    grid_free(grid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_and_hosts_are_limited),
        cmocka_unit_test(a_failure_stops_nobody),
        cmocka_unit_test(what_waits_fails_when_it_is_stopped),
        cmocka_unit_test(nothing_to_ask_is_over_at_once),
        cmocka_unit_test(there_is_a_most),
        cmocka_unit_test(limits_hold_in_any_order),
        cmocka_unit_test(a_slow_object_slows_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
