/* Clusters and their halves, the inventory, settings: making, listing, changing, deleting. */
#include "core/manager/rest/rig.h"

static int set_up(void **state)
{
    int rc = rest_rig_set_up(state);
    struct rest_rig *rig = *state;
    sign_in(rig, "root", "dragonfly");
    return rc;
}

static void configs_live_and_die(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 200, "POST", "/api/v1/configs", "{\"name\":\"a\",\"value\":\"b\",\"bio\":\"c\"}");
    assert_int_equal(number_at(rig, "id"), 2);
    assert_int_equal(number_at(rig, "user_id"), 1);
    assert_int_equal(number_at(rig, "is_del"), 0);
    assert_int_equal(strlen(text_at(rig, "created_at")), strlen("2026-01-31T12:00:00.000Z"));
    ask(rig, 409, "POST", "/api/v1/configs", "{\"name\":\"a\",\"value\":\"b\"}");
    ask(rig, 200, "PATCH", "/api/v1/configs/2", "{\"value\":\"d\"}");
    assert_string_equal(text_at(rig, "value"), "d");
    assert_string_equal(text_at(rig, "bio"), "c");
    ask(rig, 409, "PATCH", "/api/v1/configs/2", "{\"name\":\"gc\"}");
    ask(rig, 422, "PATCH", "/api/v1/configs/2", "{\"user_id\":77}");
    ask(rig, 200, "GET", "/api/v1/configs/2", NULL);
    ask(rig, 200, "DELETE", "/api/v1/configs/2", NULL);
    assert_string_equal(rig->body, "");
    ask(rig, 404, "GET", "/api/v1/configs/2", NULL);
    assert_string_equal(text_at(rig, "message"), "there is no config with the id 2");
    ask(rig, 404, "PATCH", "/api/v1/configs/2", "{\"value\":\"d\"}");
    ask(rig, 404, "DELETE", "/api/v1/configs/2", NULL);
}

static void the_setting_gc_is_looked_at(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 422, "PATCH", "/api/v1/configs/1", "{\"value\":\"soon\"}");
    ask(rig, 422, "PATCH", "/api/v1/configs/1", "{\"value\":\"{\\\"audit\\\":{\\\"ttl\\\":0}}\"}");
    ask(rig, 200, "PATCH", "/api/v1/configs/1", "{\"value\":\"{\\\"audit\\\":{\\\"ttl\\\":5}}\"}");
}

static void lists_have_pages_and_filters(void **state)
{
    struct rest_rig *rig = *state;
    char body[64];
    for (int i = 2; i <= 25; i++) {
        (void)snprintf(body, sizeof(body), "{\"name\":\"n%d\",\"value\":\"%s\"}", i, i % 2 ? "odd" : "even");
        ask(rig, 200, "POST", "/api/v1/configs", body);
    }
    ask(rig, 200, "GET", "/api/v1/configs", NULL);
    assert_int_equal(json_array_size(rig->json), 10);
    assert_string_equal(header(rig, "Link"), "</api/v1/configs?page=2&per_page=10>;rel=next,"
                                             "</api/v1/configs?page=1&per_page=10>;rel=first,"
                                             "</api/v1/configs?page=3&per_page=10>;rel=last");
    ask(rig, 200, "GET", "/api/v1/configs?page=2&per_page=10&token=x", NULL);
    assert_int_equal(number_at(rig, "0.id"), 11);
    assert_non_null(strstr(header(rig, "Link"), "page=1&per_page=10>;rel=prev,<"));
    assert_null(strstr(header(rig, "Link"), "token"));
    ask(rig, 200, "GET", "/api/v1/configs?value=odd&per_page=10000000", NULL);
    assert_int_equal(json_array_size(rig->json), 12);
    assert_string_equal(header(rig, "Link"), "</api/v1/configs?value=odd&page=1&per_page=10000000>;rel=first,"
                                             "</api/v1/configs?value=odd&page=1&per_page=10000000>;rel=last");
    ask(rig, 200, "GET", "/api/v1/configs?name=nothing", NULL);
    assert_string_equal(rig->body, "[]");
    ask(rig, 200, "GET", "/api/v1/configs?name=%27%20OR%201=1", NULL);
    assert_string_equal(rig->body, "[]");
    ask(rig, 422, "GET", "/api/v1/configs?page=0", NULL);
    ask(rig, 422, "GET", "/api/v1/configs?per_page=10000001", NULL);
    ask(rig, 422, "GET", "/api/v1/configs?user_id=x", NULL);
}

static void unknown_fields_are_told(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 200, "POST", "/api/v1/configs", "{\"name\":\"a\",\"value\":\"b\",\"vlaue\":\"c\"}");
    assert_string_equal(header(rig, "Warning"),
                        "299 - \"vlaue is not a field that can be given here; it was ignored\"");
}

/* --- clusters --------------------------------------------------------------------------------------------
 */

static const char cluster[] =
    "{\"name\":\"east\",\"bio\":\"b\",\"is_default\":true,"
    "\"scopes\":{\"idc\":\"a|b\",\"cidrs\":[\"10.0.0.0/8\"],\"hostnames\":[\"^east-\"]},"
    "\"scheduler_cluster_config\":{\"candidate_parent_limit\":4,\"filter_parent_limit\":40,\"job_rate_"
    "limit\":1},"
    "\"seed_peer_cluster_config\":{\"load_limit\":3000,\"block_list\":{\"task\":{\"download\":{\"urls\":["
    "\"x\"]}}}},"
    "\"peer_cluster_config\":{\"load_limit\":100}}";

static void a_cluster_is_two_halves(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 200, "POST", "/api/v1/clusters", cluster);
    assert_int_equal(number_at(rig, "id"), 2);
    assert_int_equal(number_at(rig, "scheduler_cluster_id"), 2);
    assert_int_equal(number_at(rig, "seed_peer_cluster_id"), 2);
    assert_string_equal(text_at(rig, "scopes.idc"), "a|b");
    assert_string_equal(text_at(rig, "scopes.cidrs.0"), "10.0.0.0/8");
    assert_int_equal(number_at(rig, "seed_peer_cluster_config.load_limit"), 3000);
    assert_string_equal(text_at(rig, "seed_peer_cluster_config.block_list.task.download.urls.0"), "x");
    assert_string_equal(rig->changed, "scheduler_clusters");
    ask(rig, 200, "GET", "/api/v1/scheduler-clusters/2", NULL);
    assert_int_equal(number_at(rig, "config.candidate_parent_limit"), 4);
    assert_int_equal(number_at(rig, "client_config.load_limit"), 100);
    assert_string_equal(text_at(rig, "seed_peer_clusters.0.name"), "east");
    ask(rig, 200, "GET", "/api/v1/seed-peer-clusters/2", NULL);
    assert_int_equal(number_at(rig, "scheduler_clusters.0.id"), 2);
    assert_true(json_is_array(at(rig, "seed_peer")));
    ask(rig, 409, "POST", "/api/v1/clusters", cluster);
}

/* One default at a time; a change that says nothing of it leaves it. */
static void there_is_one_default_cluster(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 200, "POST", "/api/v1/clusters", cluster);
    ask(rig, 200, "GET", "/api/v1/clusters?is_default=true", NULL);
    assert_int_equal(json_array_size(rig->json), 1);
    assert_int_equal(number_at(rig, "0.id"), 2);
    ask(rig, 200, "PATCH", "/api/v1/clusters/2", "{\"bio\":\"c\"}");
    assert_true(json_is_true(at(rig, "is_default")));
    ask(rig, 200, "PATCH", "/api/v1/clusters/1", "{\"is_default\":true}");
    ask(rig, 200, "GET", "/api/v1/clusters/2", NULL);
    assert_true(json_is_false(at(rig, "is_default")));
}

static void both_halves_of_a_cluster_change(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 200, "PATCH", "/api/v1/clusters/1",
        "{\"name\":\"west\",\"seed_peer_cluster_config\":{\"load_limit\":7},\"peer_cluster_config\":{\"load_"
        "limit\":"
        "9}}");
    assert_int_equal(number_at(rig, "seed_peer_cluster_config.load_limit"), 7);
    assert_int_equal(number_at(rig, "peer_cluster_config.load_limit"), 9);
    assert_int_equal(number_at(rig, "scheduler_cluster_config.candidate_parent_limit"), 3);
    ask(rig, 200, "GET", "/api/v1/seed-peer-clusters/1", NULL);
    assert_string_equal(text_at(rig, "name"), "west");
    ask(rig, 404, "PATCH", "/api/v1/clusters/9", "{\"bio\":\"x\"}");
}

static void what_cannot_be_is_refused(void **state)
{
    struct rest_rig *rig = *state;
    static const struct {
        const char *body, *start;
    } wrong[] = {
        {"{}", "name: is missing"},
        {"{\"name\":\"a\",\"scopes\":{\"cidrs\":[\"10.0.0.0/8\",\"10.0.0.0/33\"]}}", "scopes.cidrs[1]: "},
        {"{\"name\":\"a\",\"scopes\":{\"hostnames\":[\"(\"]}}", "scopes.hostnames[0]: "},
        {"{\"name\":\"a\",\"scheduler_cluster_config\":{\"candidate_parent_limit\":21}}",
         "scheduler_cluster_config.candidate_parent_limit: must be 1 to 20, not 21"},
        {"{\"name\":\"a\",\"peer_cluster_config\":{\"block_list\":{\"task\":{\"download\":{\"urls\":[\"[\"]}}"
         "}}}",
         "peer_cluster_config.block_list.task.download.urls[0]: "},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ask(rig, 422, "POST", "/api/v1/clusters", wrong[i].body);
        assert_int_equal(strncmp(text_at(rig, "errors"), wrong[i].start, strlen(wrong[i].start)), 0);
    }
}

static void clusters_with_schedulers_stay(void **state)
{
    struct rest_rig *rig = *state;
    static const char scheduler[] =
        "{\"host_name\":\"h\",\"ip\":\"10.0.0.1\",\"port\":8002,\"scheduler_cluster_id\":1}";
    ask(rig, 200, "POST", "/api/v1/schedulers", scheduler);
    assert_string_equal(text_at(rig, "features.1"), "preheat");
    assert_string_equal(text_at(rig, "state"), "inactive");
    ask(rig, 409, "POST", "/api/v1/schedulers", scheduler);
    ask(rig, 409, "DELETE", "/api/v1/clusters/1", NULL);
    ask(rig, 409, "DELETE", "/api/v1/scheduler-clusters/1", NULL);
    ask(rig, 200, "DELETE", "/api/v1/schedulers/1", NULL);
    ask(rig, 200, "DELETE", "/api/v1/clusters/1", NULL);
    ask(rig, 404, "GET", "/api/v1/seed-peer-clusters/1", NULL);
    ask(rig, 404, "DELETE", "/api/v1/clusters/1", NULL);
}

/* A seed peer cluster of two clusters outlives one of them. */
static void shared_halves_stay(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 200, "POST", "/api/v1/scheduler-clusters", "{\"name\":\"lone\"}");
    ask(rig, 200, "GET", "/api/v1/clusters/2", NULL);
    assert_int_equal(number_at(rig, "seed_peer_cluster_id"), 0);
    ask(rig, 200, "PUT", "/api/v1/seed-peer-clusters/1/scheduler-clusters/2", NULL);
    ask(rig, 200, "GET", "/api/v1/clusters/2", NULL);
    assert_int_equal(number_at(rig, "seed_peer_cluster_id"), 1);
    ask(rig, 200, "DELETE", "/api/v1/clusters/2", NULL);
    ask(rig, 200, "GET", "/api/v1/seed-peer-clusters/1", NULL);
    ask(rig, 404, "PUT", "/api/v1/seed-peer-clusters/7/scheduler-clusters/1", NULL);
}

/* A half alone becomes a whole cluster when it is changed as one. */
static void a_half_gets_its_other_half(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 200, "POST", "/api/v1/scheduler-clusters", "{\"name\":\"lone\"}");
    ask(rig, 200, "PATCH", "/api/v1/clusters/2", "{\"bio\":\"x\"}");
    assert_int_equal(number_at(rig, "seed_peer_cluster_id"), 2);
    assert_int_equal(number_at(rig, "seed_peer_cluster_config.load_limit"), 2000);
}

/* --- the inventory ---------------------------------------------------------------------------------------
 */

static void schedulers_can_move(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 200, "POST", "/api/v1/clusters", cluster);
    ask(rig, 422, "POST", "/api/v1/schedulers",
        "{\"host_name\":\"h\",\"ip\":\"10.0.0.1\",\"port\":8002,\"scheduler_cluster_id\":9}");
    ask(rig, 422, "POST", "/api/v1/schedulers",
        "{\"host_name\":\"h\",\"ip\":\"ten\",\"port\":8002,\"scheduler_cluster_id\":1}");
    ask(rig, 200, "POST", "/api/v1/schedulers",
        "{\"host_name\":\"h\",\"ip\":\"10.0.0.1\",\"port\":8002,\"scheduler_cluster_id\":1,\"idc\":\"x\"}");
    ask(rig, 200, "PUT", "/api/v1/scheduler-clusters/2/schedulers/1", NULL);
    ask(rig, 200, "GET", "/api/v1/schedulers?scheduler_cluster_id=2&idc=x&host_name=h&ip=10.0.0.1", NULL);
    assert_int_equal(json_array_size(rig->json), 1);
    ask(rig, 200, "PATCH", "/api/v1/schedulers/1", "{\"features\":[\"schedule\"]}");
    assert_int_equal(json_array_size(at(rig, "features")), 1);
    ask(rig, 422, "PATCH", "/api/v1/schedulers/1", "{\"features\":[\"fly\"]}");
    ask(rig, 404, "PUT", "/api/v1/scheduler-clusters/2/schedulers/8", NULL);
    ask(rig, 200, "GET", "/api/v1/scheduler-features", NULL);
    assert_string_equal(rig->body, "[\"schedule\",\"preheat\"]");
}

static void seed_peers_and_peers_are_kept(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 200, "POST", "/api/v1/seed-peers",
        "{\"host_name\":\"s\",\"ip\":\"10.0.0.2\",\"port\":4000,\"download_port\":4001,\"seed_peer_cluster_"
        "id\":1}");
    assert_string_equal(text_at(rig, "type"), "super");
    ask(rig, 409, "DELETE", "/api/v1/seed-peer-clusters/1", NULL);
    ask(rig, 409, "DELETE", "/api/v1/clusters/1", NULL);
    ask(rig, 200, "POST", "/api/v1/seed-peer-clusters", "{\"name\":\"other\"}");
    ask(rig, 200, "PUT", "/api/v1/seed-peer-clusters/2/seed-peers/1", NULL);
    ask(rig, 200, "GET", "/api/v1/seed-peers/1", NULL);
    assert_int_equal(number_at(rig, "seed_peer_cluster_id"), 2);
    ask(rig, 200, "POST", "/api/v1/peers",
        "{\"host_name\":\"p\",\"ip\":\"10.0.0.3\",\"port\":4000,\"scheduler_cluster_id\":1,\"git_version\":"
        "\"v2\"}");
    ask(rig, 200, "GET", "/api/v1/peers?git_version=v2", NULL);
    assert_int_equal(json_array_size(rig->json), 1);
    ask(rig, 405, "PATCH", "/api/v1/peers/1", "{}");
    ask(rig, 200, "DELETE", "/api/v1/peers/1", NULL);
}

static void applications_have_priorities(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 422, "POST", "/api/v1/applications", "{\"name\":\"a\"}");
    ask(rig, 422, "POST", "/api/v1/applications", "{\"name\":\"a\",\"priority\":{\"value\":21}}");
    ask(rig, 422, "POST", "/api/v1/applications",
        "{\"name\":\"a\",\"priority\":{\"value\":1,\"urls\":[{\"regex\":\"(\",\"value\":1}]}}");
    assert_int_equal(strncmp(text_at(rig, "errors"), "priority.urls[0].regex: ", 24), 0);
    ask(rig, 200, "POST", "/api/v1/applications",
        "{\"name\":\"a\",\"priority\":{\"value\":1,\"urls\":[{\"regex\":\"x\",\"value\":2}]}}");
    assert_int_equal(number_at(rig, "priority.urls.0.value"), 2);
    assert_string_equal(rig->changed, "applications");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, rest_rig_tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(configs_live_and_die),
        TEST(the_setting_gc_is_looked_at),
        TEST(lists_have_pages_and_filters),
        TEST(unknown_fields_are_told),
        TEST(a_cluster_is_two_halves),
        TEST(there_is_one_default_cluster),
        TEST(both_halves_of_a_cluster_change),
        TEST(what_cannot_be_is_refused),
        TEST(clusters_with_schedulers_stay),
        TEST(shared_halves_stay),
        TEST(a_half_gets_its_other_half),
        TEST(schedulers_can_move),
        TEST(seed_peers_and_peers_are_kept),
        TEST(applications_have_priorities),
    };
    store_rig_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
