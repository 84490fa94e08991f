/* Which cluster a peer would get, and each term of why. */
#include "core/manager/rest/rig.h"

#include <math.h>

/* Cluster 1 is the default, 2 is for dc-2 and 10.2.0.0/16; each has a scheduler, which `state` says of 2. */
static void two_clusters(struct rest_rig *rig, const char *state)
{
    char body[300];
    ask(rig, 200, "POST", "/api/v1/clusters",
        "{\"name\":\"two\",\"scopes\":{\"idc\":\"dc-2\",\"location\":\"cn|east\",\"cidrs\":[\"10.2.0.0/16\"],"
        "\"hostnames\":[\"^b-\"]}}");
    for (int id = 1; id <= 2; id++) {
        (void)snprintf(body, sizeof(body),
                       "{\"host_name\":\"s\",\"ip\":\"10.0.0.%d\",\"port\":8002,\"state\":\"%s\","
                       "\"scheduler_cluster_id\":%d}",
                       id, id == 2 ? state : "active", id);
        ask(rig, 200, "POST", "/api/v1/schedulers", body);
    }
    run_sql(rig, "UPDATE schedulers SET state = 'active' WHERE scheduler_cluster_id = 1");
    (void)snprintf(body, sizeof(body), "UPDATE schedulers SET state = '%s' WHERE scheduler_cluster_id = 2",
                   state);
    run_sql(rig, body);
    fleet_heard(rig->view);
}

static void assert_number(const struct rest_rig *rig, const char *path, double wanted)
{
    double number = json_number_value(at(rig, path));
    if (fabs(number - wanted) > 1e-9)
        fail_msg("%s is %g, not %g", path, number, wanted);
}

static void each_term_of_each_cluster_is_told(void **state)
{
    struct rest_rig *rig = *state;
    sign_in(rig, "root", "dragonfly");
    two_clusters(rig, "active");
    ask(rig, 200, "GET", "/api/v1/clusters/ranking?ip=10.2.3.4&hostname=b-7&idc=DC-2&location=cn%7Cwest",
        NULL);
    assert_int_equal(number_at(rig, "clusters.0.id"), 2);
    assert_string_equal(text_at(rig, "clusters.0.name"), "two");
    assert_true(json_is_true(at(rig, "clusters.0.chosen")));
    assert_number(rig, "clusters.0.terms.cidr", 1);
    assert_number(rig, "clusters.0.terms.hostname", 1);
    assert_number(rig, "clusters.0.terms.idc", 1);
    assert_number(rig, "clusters.0.terms.location", 0.2);
    assert_number(rig, "clusters.0.terms.default", 0);
    assert_number(rig, "clusters.0.score", 0.3 + 0.3 + 0.25 + 0.14 * 0.2);
    assert_int_equal(number_at(rig, "clusters.1.id"), 1);
    assert_true(json_is_false(at(rig, "clusters.1.chosen")));
    assert_number(rig, "clusters.1.score", 0.01);
    assert_string_equal(text_at(rig, "peer.location"), "cn|west");
    assert_int_equal(number_at(rig, "policy.generation"), 0); /* the formula in the program */
    ask(rig, 200, "GET", "/api/v1/clusters/ranking", NULL);   /* who says nothing gets the default */
    assert_int_equal(number_at(rig, "clusters.0.id"), 1);
}

static void a_cluster_without_a_scheduler_comes_last(void **state)
{
    struct rest_rig *rig = *state;
    sign_in(rig, "root", "dragonfly");
    two_clusters(rig, "inactive");
    ask(rig, 200, "GET", "/api/v1/clusters/ranking?ip=10.2.3.4", NULL);
    assert_int_equal(number_at(rig, "clusters.0.id"), 1);
    assert_true(json_is_true(at(rig, "clusters.0.chosen")));
    assert_int_equal(number_at(rig, "clusters.1.id"), 2);
    assert_true(json_is_false(at(rig, "clusters.1.usable")));
    assert_int_equal(number_at(rig, "clusters.1.schedulers"), 1);
    assert_int_equal(number_at(rig, "clusters.1.usable_schedulers"), 0);
    assert_number(rig, "clusters.1.score", 0.3);
}

static void nobody_is_chosen_where_nobody_can_be(void **state)
{
    struct rest_rig *rig = *state;
    sign_in(rig, "root", "dragonfly");
    ask(rig, 200, "GET", "/api/v1/clusters/ranking?ip=10.2.3.4", NULL);
    assert_int_equal(json_array_size(at(rig, "clusters")), 1);
    assert_true(json_is_false(at(rig, "clusters.0.chosen")));
}

static void what_is_no_peer_is_refused(void **state)
{
    struct rest_rig *rig = *state;
    char target[1200];
    ask(rig, 401, "GET", "/api/v1/clusters/ranking", NULL);
    sign_in(rig, "root", "dragonfly");
    ask(rig, 422, "GET", "/api/v1/clusters/ranking?ip=10.2.3", NULL);
    assert_int_equal(strncmp(text_at(rig, "errors"), "ip: ", 4), 0);
    (void)snprintf(target, sizeof(target), "/api/v1/clusters/ranking?idc=%01001d", 0);
    ask(rig, 422, "GET", target, NULL);
    assert_string_equal(text_at(rig, "errors"), "idc: has more than 1000 bytes");
}

static void the_document_has_its_query(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 200, "GET", "/swagger/doc.json", NULL);
    const json_t *get =
        json_object_get(json_object_get(at(rig, "paths"), "/oapi/v1/clusters/ranking"), "get");
    assert_int_equal(json_array_size(json_object_get(get, "parameters")), 4);
    assert_null(json_object_get(get, "requestBody"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rest_rig_set_up, rest_rig_tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {TEST(each_term_of_each_cluster_is_told),
                                       TEST(a_cluster_without_a_scheduler_comes_last),
                                       TEST(nobody_is_chosen_where_nobody_can_be),
                                       TEST(what_is_no_peer_is_refused), TEST(the_document_has_its_query)};
    store_rig_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
