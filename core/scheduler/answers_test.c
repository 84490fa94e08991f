/* A manager's answers to a scheduler, good and odd ones. */
#include "core/scheduler/answers.h"

#include <setjmp.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static Manager__V2__Scheduler scheduler;
static Manager__V2__SchedulerCluster cluster;

static int begin(void **state)
{
    (void)state;
    manager__v2__scheduler__init(&scheduler);
    manager__v2__scheduler_cluster__init(&cluster);
    scheduler.scheduler_cluster = &cluster;
    return 0;
}

static struct dtr_dynconfig limits_of(const char *json, int wanted)
{
    struct dtr_dynconfig dynconfig = {.candidate_parent_limit = 4, .filter_parent_limit = 40};
    struct dtr_error err = {0};
    cluster.config.data = (uint8_t *)(uintptr_t)json;
    cluster.config.len = strlen(json);
    assert_int_equal(answers_limits(&scheduler, &dynconfig, &err), wanted);
    assert_int_equal(err.text[0] != '\0', wanted != DTR_OK);
    return dynconfig;
}

static void limits_that_are_named_count(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int rc;
        int candidates, filter;
    } cases[] = {
        {"{\"candidate_parent_limit\":3,\"filter_parent_limit\":15,\"job_rate_limit\":10}", DTR_OK, 3, 15},
        {"{\"candidate_parent_limit\":20,\"filter_parent_limit\":1000}", DTR_OK, 16, 64},
        {"{\"filter_parent_limit\":7}", DTR_OK, 4, 7},
        {"{\"candidate_parent_limit\":0,\"filter_parent_limit\":-1}", DTR_OK, 4, 40},
        {"{\"candidate_parent_limit\":\"3\",\"filter_parent_limit\":null}", DTR_OK, 4, 40},
        {"{}", DTR_OK, 4, 40},
        {"", DTR_OK, 4, 40},
        {"[3]", DTR_EINVALID, 4, 40},
        {"{\"candidate_parent_limit\":3", DTR_EINVALID, 4, 40},
        {"null", DTR_EINVALID, 4, 40},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dtr_dynconfig dynconfig = limits_of(cases[i].json, cases[i].rc);
        if (dynconfig.candidate_parent_limit != cases[i].candidates ||
            dynconfig.filter_parent_limit != cases[i].filter)
            fail_msg("%s: %d, %d", cases[i].json, (int)dynconfig.candidate_parent_limit,
                     (int)dynconfig.filter_parent_limit);
    }
}

static void without_a_cluster_nothing_is_limited(void **state)
{
    struct dtr_dynconfig dynconfig = {.candidate_parent_limit = 4};
    (void)state;
    scheduler.scheduler_cluster = NULL;
    assert_int_equal(answers_limits(&scheduler, &dynconfig, NULL), DTR_OK);
    assert_int_equal(dynconfig.candidate_parent_limit, 4);
}

static void applications_keep_their_order_and_odd_ones_are_left_out(void **state)
{
    static char a[] = "a", b[] = "b", blobs[] = "/blobs/", bad[] = "[";
    Manager__V2__URLPriority urls[3], *url_list[] = {&urls[0], &urls[1], &urls[2]};
    Manager__V2__ApplicationPriority priorities[3];
    Manager__V2__Application applications[5], *list[5];
    Manager__V2__ListApplicationsResponse answer = MANAGER__V2__LIST_APPLICATIONS_RESPONSE__INIT;
    struct dtr_dynconfig dynconfig = {0};
    size_t left_out = 0;
    (void)state;
    for (int i = 0; i < 3; i++) {
        manager__v2__urlpriority__init(&urls[i]);
        manager__v2__application_priority__init(&priorities[i]);
    }
    for (int i = 0; i < 5; i++) {
        manager__v2__application__init(&applications[i]);
        list[i] = &applications[i];
    }
    urls[0].regex = blobs, urls[0].value = 5;
    urls[1].regex = bad;
    urls[2].regex = blobs, urls[2].value = (Common__V2__Priority)7;
    priorities[0].value = 3;
    priorities[0].urls = url_list;
    priorities[0].n_urls = 3;
    priorities[2].value = (Common__V2__Priority)-1;
    applications[0].name = a, applications[0].priority = &priorities[0];
    applications[1].name = b;                                            /* no priority */
    applications[2].priority = &priorities[1];                           /* no name */
    applications[3].name = b, applications[3].priority = &priorities[2]; /* none that there is */
    applications[4].name = b, applications[4].priority = &priorities[1];
    answer.applications = list;
    answer.n_applications = 5;
    assert_int_equal(answers_applications(&answer, &dynconfig, &left_out, NULL), DTR_OK);
    assert_int_equal(left_out, 5);
    assert_int_equal(dynconfig.applications.count, 2);
    assert_string_equal(dynconfig.applications.items[0].name, "a");
    assert_int_equal(dynconfig.applications.items[0].priority, 3);
    assert_int_equal(dynconfig.applications.items[0].urls.count, 1);
    assert_string_equal(dynconfig.applications.items[0].urls.items[0].regex, "/blobs/");
    assert_int_equal(dynconfig.applications.items[0].urls.items[0].value, 5);
    assert_string_equal(dynconfig.applications.items[1].name, "b");
    answers_free(&dynconfig);
    assert_int_equal(dynconfig.applications.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(limits_that_are_named_count, begin),
        cmocka_unit_test_setup(without_a_cluster_nothing_is_limited, begin),
        cmocka_unit_test(applications_keep_their_order_and_odd_ones_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
