/* Clusters and their halves, and the schedulers and seed peers that are in them. */
#include "core/base/str.h"
#include "core/manager/fleet/members.h"
#include "core/manager/rest/rig.h"

#include <pthread.h>

static int set_up(void **state)
{
    int rc = rest_rig_set_up(state);
    struct rest_rig *rig = *state;
    sign_in(rig, "root", "dragonfly");
    return rc;
}

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

/* Nodes of cluster-2 would land elsewhere, and nobody would know why. */
static void a_scope_in_other_letters_counts_and_a_misspelt_one_is_told(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 200, "POST", "/api/v1/clusters", "{\"name\":\"b\",\"scopes\":{\"IDC\":\"cluster-2\"}}");
    assert_string_equal(text_at(rig, "scopes.idc"), "cluster-2");
    assert_string_equal(header(rig, "Warning"), "");
    ask(rig, 200, "PATCH", "/api/v1/clusters/2", "{\"scopes\":{\"idc\":\"c\",\"cidr\":[\"10.0.0.0/8\"]}}");
    assert_string_equal(text_at(rig, "scopes.idc"), "c");
    assert_string_equal(header(rig, "Warning"),
                        "299 - \"scopes.cidr is not a field that can be given here; it was ignored\"");
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
    ask(rig, 200, "POST", "/api/v1/clusters",
        "{\"name\":\"whole\",\"seed_peer_cluster_config\":{\"load_limit\":7}}");
    ask(rig, 200, "GET", "/api/v1/clusters", NULL);
    assert_int_equal(number_at(rig, "0.seed_peer_cluster_id"), 1);
    assert_int_equal(number_at(rig, "1.seed_peer_cluster_id"), 0);
    assert_int_equal(number_at(rig, "1.scheduler_cluster_id"), 2);
    assert_int_equal(number_at(rig, "2.scheduler_cluster_id"), 3);
    assert_int_equal(number_at(rig, "2.seed_peer_cluster_id"), 3);
    assert_int_equal(number_at(rig, "2.seed_peer_cluster_config.load_limit"), 7);
    ask(rig, 200, "PUT", "/api/v1/seed-peer-clusters/1/scheduler-clusters/2", NULL);
    ask(rig, 200, "GET", "/api/v1/clusters/2", NULL);
    assert_int_equal(number_at(rig, "seed_peer_cluster_id"), 1);
    ask(rig, 200, "DELETE", "/api/v1/clusters/2", NULL);
    ask(rig, 200, "GET", "/api/v1/seed-peer-clusters/1", NULL);
    ask(rig, 404, "PUT", "/api/v1/seed-peer-clusters/7/scheduler-clusters/1", NULL);
}

/* Whoever names a seed peer's cluster names the scheduler cluster of the same id. */
static void both_halves_have_one_id(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 200, "POST", "/api/v1/clusters", "{\"name\":\"b\"}");
    ask(rig, 409, "POST", "/api/v1/clusters", "{\"name\":\"b\"}"); /* after which MariaDB leaves an id out */
    ask(rig, 200, "POST", "/api/v1/clusters", "{\"name\":\"c\"}");
    assert_int_equal(number_at(rig, "seed_peer_cluster_id"), number_at(rig, "scheduler_cluster_id"));
    ask(rig, 200, "POST", "/api/v1/seed-peer-clusters", "{\"name\":\"lone\"}");
    const int64_t lone = number_at(rig, "id");
    ask(rig, 200, "POST", "/api/v1/clusters", "{\"name\":\"d\"}"); /* whose id may be taken */
    assert_true(number_at(rig, "scheduler_cluster_id") != lone ||
                number_at(rig, "seed_peer_cluster_id") > lone);
    ask(rig, 200, "POST", "/api/v1/clusters", "{\"name\":\"e\"}");
    assert_true(number_at(rig, "seed_peer_cluster_id") != lone);
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

/* A scheduler that registers while its cluster is being deleted. */
struct registering {
    struct rest_rig *rig;
    struct member member;
    int rc;
};

static int register_scheduler(struct store_db *db, void *context, struct dtr_error *err)
{
    return member_register_scheduler(db, &((struct registering *)context)->member, err);
}

static void *run_registering(void *context)
{
    struct registering *registering = context;
    struct dtr_error err;
    registering->rc = store_do(registering->rig->store, register_scheduler, registering, &err);
    return NULL;
}

static void nobody_is_left_in_a_cluster_that_is_gone(void **state)
{
    enum { ROUNDS = 40 };
    struct rest_rig *rig = *state;
    int kept = 0, gone = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct registering registering = {.rig = rig,
                                          .member = {.hostname = "s",
                                                     .ip = "10.0.0.1",
                                                     .idc = "",
                                                     .location = "",
                                                     .port = 8002,
                                                     .features = "[]",
                                                     .config = "{}"}};
        pthread_t thread;
        char body[64], target[64];
        (void)snprintf(body, sizeof(body), "{\"name\":\"round %d\"}", i);
        ask(rig, 200, "POST", "/api/v1/clusters", body);
        registering.member.cluster_id = number_at(rig, "id");
        (void)snprintf(target, sizeof(target), "/api/v1/clusters/%lld",
                       (long long)registering.member.cluster_id);
        assert_int_equal(pthread_create(&thread, NULL, run_registering, &registering), 0);
        ask(rig, 0, "DELETE", target, NULL);
        assert_int_equal(pthread_join(thread, NULL), 0);
        gone += rig->status == 200;
        kept += rig->status == 409;
        assert_int_equal(registering.rc, rig->status == 200 ? DTR_ENOT_FOUND : DTR_OK);
    }
    assert_int_equal(kept + gone, ROUNDS);
    ask(rig, 200, "GET", "/api/v1/schedulers?per_page=1000", NULL);
    assert_int_equal(json_array_size(rig->json), kept);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, rest_rig_tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_cluster_is_two_halves),
        TEST(a_scope_in_other_letters_counts_and_a_misspelt_one_is_told),
        TEST(there_is_one_default_cluster),
        TEST(both_halves_of_a_cluster_change),
        TEST(what_cannot_be_is_refused),
        TEST(clusters_with_schedulers_stay),
        TEST(shared_halves_stay),
        TEST(both_halves_have_one_id),
        TEST(a_half_gets_its_other_half),
        TEST(schedulers_can_move),
        TEST(nobody_is_left_in_a_cluster_that_is_gone),
    };
    store_rig_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
