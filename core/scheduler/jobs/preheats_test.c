/* Preheats by id: what is kept, and what is forgotten first. */
#include "core/scheduler/jobs/preheats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct preheat *begin(struct preheats *preheats, uint64_t now_ms, const char *id)
{
    struct preheat *preheat;
    struct dtr_error err;
    if (preheats_begin(preheats, now_ms, id, &preheat, &err) != DTR_OK)
        fail_msg("%s", err.text);
    return preheat;
}

static void it_is_found_while_it_runs_and_afterwards(void **state)
{
    (void)state;
    struct preheats preheats;
    preheats_init(&preheats);
    struct preheat *preheat = begin(&preheats, 0, "a");
    assert_ptr_equal(preheats_find(&preheats, 2 * PREHEATS_AGE_MS, "a"), preheat);
    assert_false(preheat->over);
    preheats_end(&preheats, 2 * PREHEATS_AGE_MS, preheat, "no seed");
    assert_ptr_equal(preheats_find(&preheats, 3 * PREHEATS_AGE_MS - 1, "a"), preheat);
    assert_true(preheat->over);
    assert_string_equal(preheat->error, "no seed");
    assert_null(preheats_find(&preheats, 3 * PREHEATS_AGE_MS, "a"));
    assert_null(preheats_find(&preheats, 0, "b"));
    preheats_free(&preheats);
}

static void a_new_one_takes_the_place_of_one_that_ended(void **state)
{
    (void)state;
    struct preheats preheats;
    preheats_init(&preheats);
    preheats_end(&preheats, 0, begin(&preheats, 0, "a"), "it failed");
    struct preheat *again = begin(&preheats, 1, "a");
    assert_ptr_equal(preheats_find(&preheats, 1, "a"), again);
    assert_false(again->over);
    assert_string_equal(again->error, "");
    preheats_free(&preheats);
}

static void nobody_keeps_what_nobody_will_ask_for(void **state)
{
    (void)state;
    struct preheats preheats;
    preheats_init(&preheats);
    preheats_end(&preheats, 0, begin(&preheats, 0, ""), NULL);
    assert_int_equal(preheats.ended_count, 0);
    assert_int_equal(preheats.running_count, 0);
    (void)begin(&preheats, 0, "");
    preheats_free(&preheats);
}

static void so_many_run_and_so_many_are_kept(void **state)
{
    (void)state;
    struct preheats preheats;
    struct preheat *running[PREHEATS_RUNNING_MOST], *preheat;
    char id[16];
    preheats_init(&preheats);
    for (size_t i = 0; i < PREHEATS_RUNNING_MOST; i++)
        running[i] = begin(&preheats, 0, i % 2 ? "" : (snprintf(id, sizeof(id), "r%zu", i), id));
    assert_int_equal(preheats_begin(&preheats, 0, "x", &preheat, NULL), DTR_ELIMIT);
    for (size_t i = 0; i < PREHEATS_RUNNING_MOST; i++)
        preheats_end(&preheats, 1, running[i], NULL);
    for (size_t i = 0; i < PREHEATS_MOST; i++) {
        (void)snprintf(id, sizeof(id), "e%zu", i);
        preheats_end(&preheats, 2, begin(&preheats, 2, id), NULL);
    }
    assert_int_equal(preheats.ended_count, PREHEATS_MOST);
    assert_null(preheats_find(&preheats, 2, "r0"));
    assert_non_null(preheats_find(&preheats, 2, "e0"));
    preheats_end(&preheats, 3, begin(&preheats, 3, "new"), NULL);
    assert_null(preheats_find(&preheats, 3, "e0"));
    assert_non_null(preheats_find(&preheats, 3, "e1"));
    preheats_free(&preheats);
}

/* Gives a preheat as many rows as there may be. */
static void fill(struct preheat *preheat)
{
    const struct grid_limits limits = {1, 1};
    uint32_t *hosts = calloc(GRID_ROWS_MOST, sizeof(*hosts));
    assert_non_null(hosts);
    assert_int_equal(grid_new(&limits, &preheat->plan.grid, NULL), DTR_OK);
    assert_int_equal(grid_add(preheat->plan.grid, hosts, GRID_ROWS_MOST, NULL), DTR_OK);
    free(hosts);
}

static void large_ones_go_sooner(void **state)
{
    (void)state;
    static const char *const ids[] = {"a", "b", "c"};
    struct preheats preheats;
    preheats_init(&preheats);
    for (size_t i = 0; i < 3; i++) {
        struct preheat *preheat = begin(&preheats, 0, ids[i]);
        fill(preheat);
        preheats_end(&preheats, 0, preheat, NULL);
    }
    assert_null(preheats_find(&preheats, 0, "a"));
    assert_non_null(preheats_find(&preheats, 0, "b"));
    assert_non_null(preheats_find(&preheats, 0, "c"));
    preheats_free(&preheats);
}

static void ids_are_checked(void **state)
{
    (void)state;
    char longest[PREHEAT_ID_MOST + 2];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[PREHEAT_ID_MOST + 1] = '\0';
    assert_int_equal(preheats_check_id(longest, NULL), DTR_EINVALID);
    longest[PREHEAT_ID_MOST] = '\0';
    assert_int_equal(preheats_check_id(longest, NULL), DTR_OK);
    assert_int_equal(preheats_check_id("", NULL), DTR_EINVALID);
    assert_int_equal(preheats_check_id("a b", NULL), DTR_EINVALID);
    assert_int_equal(preheats_check_id("\xc3\xa4", NULL), DTR_EINVALID);
    assert_int_equal(preheats_check_id("job-1/cluster-2", NULL), DTR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_found_while_it_runs_and_afterwards),
        cmocka_unit_test(a_new_one_takes_the_place_of_one_that_ended),
        cmocka_unit_test(nobody_keeps_what_nobody_will_ask_for),
        cmocka_unit_test(so_many_run_and_so_many_are_kept),
        cmocka_unit_test(large_ones_go_sooner),
        cmocka_unit_test(ids_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
