/* Who is chosen by scope, ips, count and percentage. */
#include "core/scheduler/jobs/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

/* Peers p0 to p4, and seeds s0 (which does not serve) to s2. */
static void make(struct plan *plan)
{
    static const char *const ids[] = {"p0", "s0", "p1", "s1", "p2", "s2", "p3", "p4"};
    plan_init(plan);
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        char ip[32];
        (void)snprintf(ip, sizeof(ip), "10.0.0.%zu", i);
        const struct plan_host host = {.id = ids[i],
                                       .hostname = ids[i],
                                       .ip = ip,
                                       .type = ids[i][0] == 's',
                                       .seed_serves = ids[i][0] == 's' && ids[i][1] != '0'};
        assert_int_equal(plan_add_host(plan, &host, NULL, NULL), DTR_OK);
    }
}

/* Chooses, and expects these ids, with blanks between. */
static void expect(const struct plan_choice *choice, const char *ids)
{
    struct plan plan;
    struct dtr_error err = {0};
    char got[64] = "";
    make(&plan);
    if (plan_choose(&plan, choice, &err) != DTR_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < plan.host_count; i++) {
        if (i > 0)
            strcat(got, " ");
        strcat(got, plan.hosts[i].id);
    }
    assert_string_equal(got, ids);
    plan_free(&plan);
}

static void expect_error(const struct plan_choice *choice, const char *text)
{
    struct plan plan;
    struct dtr_error err = {0};
    make(&plan);
    assert_int_equal(plan_choose(&plan, choice, &err), DTR_ENOT_FOUND);
    assert_string_equal(err.text, text);
    plan_free(&plan);
}

static void scopes_choose_by_type(void **state)
{
    (void)state;
    expect(&(struct plan_choice){.scope = PLAN_ALL_SEEDS}, "s0 s1 s2");
    expect(&(struct plan_choice){.scope = PLAN_ALL_PEERS}, "p0 p1 p2 p3 p4");
    expect(&(struct plan_choice){.scope = PLAN_EVERYBODY}, "p0 s0 p1 s1 p2 s2 p3 p4");
}

static void addresses_beat_count_beats_percentage(void **state)
{
    (void)state;
    const char *const ips[] = {"10.0.0.4", "10.0.0.0", "10.0.0.1", "10.9.9.9"};
    struct plan_choice choice = {.scope = PLAN_ALL_PEERS,
                                 .ips = ips,
                                 .ip_count = 4,
                                 .has_count = true,
                                 .count = 1,
                                 .has_percentage = true,
                                 .percentage = 100};
    expect(&choice, "p0 p2");
    choice.ip_count = 0;
    expect(&choice, "p0");
    choice.has_count = false;
    expect(&choice, "p0 p1 p2 p3 p4");
}

static void counts_and_percentages_are_cut(void **state)
{
    (void)state;
    struct plan_choice choice = {.scope = PLAN_ALL_PEERS, .has_count = true, .count = 9};
    expect(&choice, "p0 p1 p2 p3 p4");
    choice = (struct plan_choice){.scope = PLAN_ALL_PEERS, .has_percentage = true, .percentage = 59};
    expect(&choice, "p0 p1"); /* rounded down, */
    choice.percentage = 1;
    expect(&choice, "p0"); /* but not to nobody */
}

static void seeds_that_serve_come_first(void **state)
{
    (void)state;
    struct plan_choice choice = {.scope = PLAN_ALL_SEEDS, .has_count = true, .count = 2};
    expect(&choice, "s1 s2");
    choice.count = 3;
    expect(&choice, "s0 s1 s2");
}

static void nobody_is_an_error_that_says_why(void **state)
{
    (void)state;
    const char *const ip = "10.0.0.1"; /* a seed's */
    struct plan plan;
    struct dtr_error err;
    expect_error(&(struct plan_choice){.scope = PLAN_ALL_PEERS, .ips = &ip, .ip_count = 1},
                 "no peer of this scheduler has one of the ips; the first is 10.0.0.1");
    plan_init(&plan);
    assert_int_equal(plan_choose(&plan, &(struct plan_choice){.scope = PLAN_ALL_SEEDS}, &err),
                     DTR_ENOT_FOUND);
    assert_string_equal(err.text, "no seed peer has announced itself to this scheduler");
    assert_int_equal(plan_choose(&plan, &(struct plan_choice){.scope = PLAN_EVERYBODY}, &err), DTR_OK);
    plan_free(&plan);
}

static void requests_are_checked(void **state)
{
    (void)state;
    enum plan_scope scope;
    struct dtr_error err;
    const struct {
        const char *text;
        enum plan_scope scope;
    } good[] = {{"", PLAN_SINGLE_SEED},
                {"single_seed_peer", PLAN_SINGLE_SEED},
                {"all_seed_peers", PLAN_ALL_SEEDS},
                {"all_peers", PLAN_ALL_PEERS}};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(plan_scope(good[i].text, &scope, NULL), DTR_OK);
        assert_int_equal(scope, good[i].scope);
    }
    assert_int_equal(plan_scope("ALL_PEERS", &scope, &err), DTR_EINVALID);
    assert_non_null(strstr(err.text, "\"ALL_PEERS\" is none of"));
    assert_int_equal(plan_check(&(struct plan_choice){.has_count = true}, NULL), DTR_EINVALID);
    assert_int_equal(plan_check(&(struct plan_choice){.has_percentage = true}, NULL), DTR_EINVALID);
    assert_int_equal(plan_check(&(struct plan_choice){.has_percentage = true, .percentage = 101}, NULL),
                     DTR_EINVALID);
    assert_int_equal(plan_check(&(struct plan_choice){.has_percentage = true, .percentage = 100}, NULL),
                     DTR_OK);
}

static void each_object_may_have_a_host_of_its_own(void **state)
{
    (void)state;
    const struct grid_limits limits = {8, 8};
    const uint32_t hosts[] = {3, 1};
    char id[DTR_TASK_ID_SIZE];
    struct plan plan;
    size_t count;
    uint32_t place;
    make(&plan);
    memset(id, 'a', DTR_TASK_ID_LENGTH);
    id[DTR_TASK_ID_LENGTH] = '\0';
    assert_int_equal(plan_add_object(&plan, "http://a/", id, NULL), DTR_OK);
    assert_int_equal(plan_add_object(&plan, "http://b/", id, NULL), DTR_OK);
    assert_int_equal(plan_begin_single(&plan, &limits, hosts, NULL), DTR_OK);
    const struct grid_row *rows = grid_rows(plan.grid, &count);
    assert_int_equal(count, 2);
    assert_int_equal(rows[0].host, 3);
    assert_int_equal(rows[1].host, 1);
    assert_true(plan_find_host(&plan, "s1", &place));
    assert_int_equal(place, 3);
    assert_false(plan_find_host(&plan, "s9", &place));
    plan_free(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scopes_choose_by_type),
        cmocka_unit_test(addresses_beat_count_beats_percentage),
        cmocka_unit_test(counts_and_percentages_are_cut),
        cmocka_unit_test(seeds_that_serve_come_first),
        cmocka_unit_test(nobody_is_an_error_that_says_why),
        cmocka_unit_test(requests_are_checked),
        cmocka_unit_test(each_object_may_have_a_host_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
