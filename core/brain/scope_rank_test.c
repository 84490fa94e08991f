/* Clusters ranked for a peer: each term of the formula, the weights, ties, and who else may rank. */
#include "core/brain/scope_fixture.h"

#include <math.h>

#define CLUSTERS_MAX 8

static const struct dtr_scope_peer peer = {"10.1.2.3", "web-7.Example", "dc-1", "cn|east|r1"};

/* The score of a cluster with this scope, for a peer like the one above but for what `who` sets. */
static double score_of(const struct scope_row *row, const struct dtr_scope_peer *who,
                       const struct dtr_scope_report *report)
{
    struct dtr_scope *scope = must_parse(row);
    const struct dtr_scope_cluster cluster = {.id = 7, .name = "c7", .scope = scope};
    const struct dtr_scope_ranker ranker = {.report = report ? *report : (struct dtr_scope_report){0}};
    const struct dtr_scope_peer all = {
        who->ip ? who->ip : peer.ip, who->hostname ? who->hostname : peer.hostname,
        who->idc ? who->idc : peer.idc, who->location ? who->location : peer.location};
    uint32_t order = 9;
    double score = NAN;
    assert_int_equal(dtr_scope_rank(&cluster, 1, &all, &ranker, &order, &score, NULL), DTR_OK);
    assert_int_equal(order, 0);
    dtr_scope_free(scope);
    return score;
}

static void each_term_is_as_written(void **state)
{
    static const struct {
        const char *what;
        struct scope_row row;
        struct dtr_scope_peer who;
        double wanted;
    } rows[] = {
        {"nothing", {0}, {0}, 0},
        {"cidr", {.cidrs = {"192.168.0.0/16", "10.0.0.0/8"}}, {0}, 0.30},
        {"cidr: twice is once", {.cidrs = {"10.1.0.0/16", "10.0.0.0/8"}}, {0}, 0.30},
        {"cidr: outside", {.cidrs = {"10.2.0.0/16"}}, {0}, 0},
        {"cidr: v4 in v6", {.cidrs = {"10.0.0.0/8"}}, {.ip = "::ffff:10.1.2.3"}, 0.30},
        {"cidr: v6", {.cidrs = {"fd00::/8"}}, {.ip = "fd00::1"}, 0.30},
        {"cidr: all of v6 has no v4", {.cidrs = {"::/0"}}, {0}, 0},
        {"cidr: all of v4 has no v6", {.cidrs = {"0.0.0.0/0"}}, {.ip = "fd00::1"}, 0},
        {"cidr: no address", {.cidrs = {"0.0.0.0/0", "::/0"}}, {.ip = "web-7"}, 0},
        {"cidr: no ip", {.cidrs = {"0.0.0.0/0", "::/0"}}, {.ip = ""}, 0},
        {"hostname: anywhere", {.hostnames = {"db", "b-[0-9]"}}, {0}, 0.30},
        {"hostname: anchored", {.hostnames = {"^eb", "7$"}}, {0}, 0},
        {"hostname: case counts", {.hostnames = {"example"}}, {0}, 0},
        {"hostname: empty", {.hostnames = {""}}, {.hostname = ""}, 0.30},
        {"idc", {.idc = "DC-1"}, {0}, 0.25},
        {"idc: one of", {.idc = "dc-0|Dc-1|dc-2"}, {0}, 0.25},
        {"idc: the last", {.idc = "dc-0|dc-1"}, {0}, 0.25},
        {"idc: part of an element", {.idc = "dc-10|xdc-1"}, {0}, 0},
        {"idc: the beginning of the peer's", {.idc = "dc|d|dc-"}, {0}, 0},
        {"idc: the peer's is not split", {.idc = "dc-1"}, {.idc = "dc-1|dc-2"}, 0},
        {"idc: the whole list", {.idc = "dc-1|dc-2"}, {.idc = "DC-1|dc-2"}, 0.25},
        {"idc: none of the peer", {.idc = "dc-1||"}, {.idc = ""}, 0},
        {"idc: none of the cluster", {.idc = ""}, {0}, 0},
        {"location: all", {.location = "CN|East|R1"}, {0}, 0.14},
        {"location: two of three", {.location = "cn|east|r2"}, {0}, 0.14 * 2 / 5},
        {"location: a shorter one", {.location = "cn"}, {0}, 0.14 / 5},
        {"location: stops at the first", {.location = "us|east|r1"}, {0}, 0},
        {"location: five count", {.location = "a|b|c|d|e|f"}, {.location = "a|b|c|d|e|g"}, 0.14},
        {"location: four of six", {.location = "a|b|c|d|x|f"}, {.location = "a|b|c|d|e|f"}, 0.14 * 4 / 5},
        {"location: none of the peer", {.location = "cn"}, {.location = ""}, 0},
        {"all", {"dc-1", "cn|east|r1", {"10.0.0.0/8"}, {"web"}}, {0}, 0.99},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double got = score_of(&rows[i].row, &rows[i].who, NULL);
        if (!(fabs(got - rows[i].wanted) < 1e-12))
            fail_msg("%s: %.15f instead of %.15f", rows[i].what, got, rows[i].wanted);
    }
}

static void a_pattern_that_takes_too_long_is_no_match(void **state)
{
    static const struct scope_row row = {.hostnames = {"(a+)+b|!"}};
    static const struct scope_row both = {.hostnames = {"(a+)+b|!", "^aa"}};
    static const struct dtr_scope_peer who = {.hostname = "aaaaaaaaaaaaaaaaaa!"};
    struct heard heard = {0};
    const struct dtr_scope_report report = {hear, &heard};
    (void)state;
    assert_true(score_of(&row, &who, NULL) == 0);
    assert_true(score_of(&row, &who, &report) == 0);
    assert_int_equal(heard.count, 1);
    assert_string_equal(heard.texts[0],
                        "cluster 7 (c7): scopes.hostnames[0]: '(a+)+b|!' needs too many steps, "
                        "which counts as no match");
    assert_true(score_of(&both, &who, &report) == 0.30);
}

static void few_patterns_may_take_too_long(void **state)
{
    static const char *patterns[] = {"(a+)+b|!", "(a+)+c|!", "(a+)+d|!", "(a+)+e|!", "a"};
    static const struct dtr_scope_peer who = {"", "aaaaaaaaaaaaaaaaaa!", "", ""};
    struct heard heard = {0};
    const struct dtr_scope_ranker ranker = {.report = {hear, &heard}};
    const struct dtr_scope_texts all = {.hostnames = patterns, .hostname_count = 5},
                                 fewer = {.hostnames = patterns + 1, .hostname_count = 4};
    struct dtr_scope *scopes[2];
    uint32_t order[2];
    double scores[2];
    (void)state;
    assert_int_equal(dtr_scope_new(&all, &scopes[0], NULL), DTR_OK);
    assert_int_equal(dtr_scope_new(&fewer, &scopes[1], NULL), DTR_OK);
    struct dtr_scope_cluster cluster = {.id = 1, .name = "c", .scope = scopes[0]};
    assert_int_equal(dtr_scope_rank(&cluster, 1, &who, &ranker, order, scores, NULL), DTR_OK);
    assert_true(scores[0] == 0);
    assert_int_equal(heard.count, DTR_SCOPE_OVERRUNS_MAX);
    assert_null(strstr(heard.texts[2], "not tried"));
    assert_non_null(strstr(heard.texts[3],
                           "scopes.hostnames[3]: '(a+)+e|!' needs too many steps, which counts as "
                           "no match; those behind it are not tried"));
    cluster.scope = scopes[1];
    heard.count = 0;
    assert_int_equal(dtr_scope_rank(&cluster, 1, &who, &ranker, order, scores, NULL), DTR_OK);
    assert_true(scores[0] == 0.30);
    assert_int_equal(heard.count, 3);
    dtr_scope_free(scopes[0]);
    dtr_scope_free(scopes[1]);
}

static void no_pattern_is_searched_in_what_is_no_name(void **state)
{
    static const struct scope_row row = {.hostnames = {""}};
    static char name[DTR_SCOPE_TEXT_MAX + 2];
    const struct dtr_scope_peer who = {.hostname = name};
    (void)state;
    memset(name, 'a', DTR_SCOPE_TEXT_MAX);
    assert_true(score_of(&row, &who, NULL) == 0.30);
    name[DTR_SCOPE_TEXT_MAX] = 'a';
    assert_true(score_of(&row, &who, NULL) == 0);
}

/* --- several ------------------------------------------------------------------------------------------- */

struct cluster_row {
    uint64_t id;
    bool is_default;
    struct scope_row row;
};

/* `wanted` are ids. */
static void ranked(const struct cluster_row *rows, uint32_t count, const struct dtr_scope_ranker *ranker,
                   const uint64_t *wanted)
{
    struct dtr_scope_cluster clusters[CLUSTERS_MAX] = {0};
    struct dtr_scope *scopes[CLUSTERS_MAX];
    uint32_t order[CLUSTERS_MAX];
    double scores[CLUSTERS_MAX];
    assert_true(count <= CLUSTERS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        scopes[i] = must_parse(&rows[i].row);
        clusters[i] = (struct dtr_scope_cluster){rows[i].id, "c", scopes[i], rows[i].is_default};
    }
    assert_int_equal(dtr_scope_rank(clusters, count, &peer, ranker, order, scores, NULL), DTR_OK);
    for (uint32_t i = 0; i < count; i++) {
        if (clusters[order[i]].id != wanted[i])
            fail_msg("place %u: cluster %d instead of %d", i, (int)clusters[order[i]].id, (int)wanted[i]);
        assert_true(i == 0 || scores[order[i]] <= scores[order[i - 1]]);
    }
    for (uint32_t i = 0; i < count; i++)
        dtr_scope_free(scopes[i]);
}

static const struct cluster_row clusters_of_all_kinds[] = {
    {6, false, {0}},
    {5, true, {0}},
    {4, false, {.location = "cn|east|r1"}},
    {3, false, {.idc = "dc-1"}},
    {2, false, {.hostnames = {"web"}}},
    {1, false, {.idc = "dc-1", .location = "cn|east|r1"}},
};
#define KINDS (uint32_t)(sizeof(clusters_of_all_kinds) / sizeof(clusters_of_all_kinds[0]))

static void all_come_back_the_best_first(void **state)
{
    static const uint64_t wanted[] = {1, 2, 3, 4, 5, 6};
    (void)state;
    ranked(clusters_of_all_kinds, KINDS, &(struct dtr_scope_ranker){0}, wanted);
    ranked(NULL, 0, &(struct dtr_scope_ranker){0}, NULL);
}

static void equal_scores_go_by_id(void **state)
{
    static const struct cluster_row rows[] = {
        {9, false, {0}},
        {UINT64_MAX, false, {.cidrs = {"10.0.0.0/8"}}},
        {8, false, {.hostnames = {"web"}}},
        {3, false, {0}},
        {UINT64_MAX - 1, false, {.cidrs = {"10.0.0.0/8"}}},
        {4, false, {0}},
    };
    static const uint64_t wanted[] = {8, UINT64_MAX - 1, UINT64_MAX, 3, 4, 9};
    (void)state;
    ranked(rows, 6, &(struct dtr_scope_ranker){0}, wanted);
}

/* Likes high ids; `context` says how it fails instead. */
static int likes_high_ids(void *context, const struct dtr_scope_input *in, double *ret_scores,
                          struct dtr_error *err)
{
    const int *failing = context;
    assert_string_equal(in->peer_ip, peer.ip);
    assert_string_equal(in->peer_hostname, peer.hostname);
    assert_string_equal(in->peer_idc, peer.idc);
    assert_string_equal(in->peer_location, peer.location);
    assert_string_equal(in->idc[3], "dc-1");
    assert_string_equal(in->location[2], "cn|east|r1");
    assert_string_equal(in->name[0], "c");
    assert_true(in->is_default[1] == 1 && in->is_default[2] == 0);
    for (uint32_t i = 0; i < in->count; i++)
        ret_scores[i] = *failing == 2 ? NAN : in->id[i];
    return *failing == 1 ? dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "no") : DTR_OK;
}

static void a_policy_ranks_and_the_formula_stands_behind_it(void **state)
{
    static const uint64_t by_policy[] = {6, 5, 4, 3, 2, 1}, by_formula[] = {1, 2, 3, 4, 5, 6};
    int failing = 0;
    const struct dtr_scope_ranker ranker = {.rank = likes_high_ids, .context = &failing};
    (void)state;
    ranked(clusters_of_all_kinds, KINDS, &ranker, by_policy);
    for (failing = 1; failing <= 2; failing++)
        ranked(clusters_of_all_kinds, KINDS, &ranker, by_formula);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_term_is_as_written),
        cmocka_unit_test(a_pattern_that_takes_too_long_is_no_match),
        cmocka_unit_test(few_patterns_may_take_too_long),
        cmocka_unit_test(no_pattern_is_searched_in_what_is_no_name),
        cmocka_unit_test(all_come_back_the_best_first),
        cmocka_unit_test(equal_scores_go_by_id),
        cmocka_unit_test(a_policy_ranks_and_the_formula_stands_behind_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
