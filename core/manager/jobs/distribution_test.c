/* What several schedulers say of an image, put together. */
#include "core/manager/jobs/distribution.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static json_t *read_json(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    return json;
}

/* Compares as JSON, without regard to the order of names. */
static void expect(const char *result, const char *expected)
{
    json_t *of = read_json(result), *want = read_json(expected), *found = distribution_of(of);
    if (!json_equal(found, want))
        fail_msg("%s", found ? json_dumps(found, JSON_COMPACT) : "nothing");
    json_decref(of);
    json_decref(want);
    json_decref(found);
}

#define PEER(name, layers) "{\"ip\":\"10.0.0.1\",\"hostname\":\"" name "\",\"cached_layers\":[" layers "]}"
#define FOUND(name, layers, cluster)                                                                         \
    "{\"ip\":\"10.0.0.1\",\"hostname\":\"" name "\",\"cached_layers\":[" layers                              \
    "],\"scheduler_cluster_id\":" cluster "}"
#define PART(cluster, image, peers)                                                                          \
    "{\"results\":[{\"scheduler_cluster_id\":" cluster ",\"image\":" image ",\"peers\":[" peers "]}]}"
#define IMAGE "{\"layers\":[{\"url\":\"a\"},{\"url\":\"b\"}]}"

static void a_peer_that_several_know_is_one(void **state)
{
    (void)state;
    expect("{\"job_states\":[" PART("1", IMAGE, PEER("x", "\"a\"") "," PEER("y", "")) "," PART(
               "1", IMAGE, PEER("x", "\"a\",\"b\"")) "]}",
           "{\"image\":" IMAGE ",\"peers\":[" FOUND("x", "\"a\",\"b\"", "1") "," FOUND("y", "", "1") "]}");
}

static void peers_of_other_clusters_are_others(void **state)
{
    (void)state;
    expect("{\"job_states\":[" PART("1", IMAGE, PEER("x", "")) "," PART("2", IMAGE, PEER("x", "")) "]}",
           "{\"image\":" IMAGE ",\"peers\":[" FOUND("x", "", "1") "," FOUND("x", "", "2") "]}");
}

static void one_that_says_nothing_is_passed_over(void **state)
{
    (void)state;
    expect("{\"job_states\":[{\"results\":[]}," PART("2", IMAGE, PEER("x", "")) "]}",
           "{\"image\":" IMAGE ",\"peers\":[" FOUND("x", "", "2") "]}");
    json_t *none = read_json("{\"job_states\":[{\"results\":[]}]}");
    assert_null(distribution_of(none));
    json_decref(none);
}

static json_t *many_peers(int count)
{
    json_t *peers = json_array();
    for (int i = 0; i < count; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "host-%d", i);
        json_array_append_new(
            peers, json_pack("{s:s, s:s, s:[s]}", "ip", "10.0.0.1", "hostname", name, "cached_layers", "a"));
    }
    return json_pack("{s:[{s:i, s:{s:[]}, s:o}]}", "results", "scheduler_cluster_id", 1, "image", "layers",
                     "peers", peers);
}

/* Not each is compared with each, which would take minutes. */
static void there_may_be_very_many(void **state)
{
    enum { MANY = 20000 };
    (void)state;
    json_t *result = json_pack("{s:[o, o]}", "job_states", many_peers(MANY), many_peers(MANY));
    json_t *found = distribution_of(result);
    assert_int_equal(json_array_size(json_object_get(found, "peers")), MANY);
    json_decref(found);
    json_decref(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_that_several_know_is_one),
        cmocka_unit_test(peers_of_other_clusters_are_others),
        cmocka_unit_test(one_that_says_nothing_is_passed_over),
        cmocka_unit_test(there_may_be_very_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
