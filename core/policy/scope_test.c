/* Policies that rank clusters: what is theirs alone. What a script may do and how it is swapped is the same
 * for all kinds and tested on the kind scheduling. */
#include "core/policy/policy_fixture.h"

#define BODY "rank = function(c, s) local r = {} for i = 1, s.count do r[i] = 0 end return r end,\n"

static struct dtr_policy *must_load_scope(const char *text)
{
    struct dtr_policy *policy;
    struct dtr_error err;
    if (load_kind(DTR_POLICY_SCOPE, text, &policy, &err) != DTR_OK)
        fail_msg("%s", err.text);
    return policy;
}

static struct dtr_scope_input two(void)
{
    static const double cidr[] = {0, 1}, hostname[] = {1, 0}, half[] = {0.4, 1}, id[] = {7, 9};
    static const char *const names[] = {"north", "south"}, *const idcs[] = {"dc-1|dc-2", ""};
    return (struct dtr_scope_input){
        .count = 2,
        .cidr = cidr,
        .hostname = hostname,
        .idc_match = hostname,
        .location_match = half,
        .is_default = cidr,
        .id = id,
        .name = names,
        .idc = idcs,
        .location = idcs,
        .peer_ip = "10.0.0.1",
        .peer_hostname = "web-7",
        .peer_idc = "dc-2",
        .peer_location = "cn|east",
    };
}

static void facts_arrive_as_they_are(void **state)
{
    const struct dtr_scope_input input = two();
    struct dtr_error err;
    double scores[2];
    (void)state;
    struct dtr_policy *policy = must_load_scope(
        "return { name = 'x', rank = function(c, s)\n"
        "if s.count == 0 then return {} end\n"
        "assert(s.count == 2 and #c.cidr == 2 and c.cidr[1] == 0 and c.cidr[2] == 1)\n"
        "assert(c.hostname[1] == 1 and c.idc_match[2] == 0 and c.location_match[1] == 0.4)\n"
        "assert(c.is_default[2] == 1 and c.id[1] == 7 and c.name[1] == 'north')\n"
        "assert(c.idc[1] == 'dc-1|dc-2' and c.location[2] == '')\n"
        "assert(s.peer_ip == '10.0.0.1' and s.peer_hostname == 'web-7')\n"
        "assert(s.peer_idc == 'dc-2' and s.peer_location == 'cn|east')\n"
        "return { order = { 2, 1 } } end,\n"
        "needs = { 'cidr', 'hostname', 'idc_match', 'location_match', 'is_default', 'id', 'name', 'idc', "
        "'location' },\n"
        "tests = { { 't', scores = {} } } }");
    if (dtr_policy_scope(policy, &input, scores, &err) != DTR_OK)
        fail_msg("%s", err.text);
    assert_true(scores[0] == 1 && scores[1] == 2);
    const struct dtr_policy_settings *settings = dtr_policy_settings(policy);
    assert_string_equal(settings->name, "x");
    assert_true(!settings->acyclic && !settings->late_offers);
    assert_int_equal(settings->sample + settings->keep + settings->newcomers, 0);
    dtr_policy_free(policy);
}

static void settings_of_the_swarm_are_refused(void **state)
{
    static const char *const rows[][2] = {
        {"acyclic", "true"}, {"late_offers", "false"}, {"sample", "40"}, {"keep", "4"}, {"newcomers", "0"}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[256], wanted[128];
        (void)snprintf(text, sizeof(text),
                       "return { name = 'x', %s = %s, needs = {},\n" BODY
                       "tests = { { 't', scores = {} } } }",
                       rows[i][0], rows[i][1]);
        (void)snprintf(wanted, sizeof(wanted),
                       "t.lua: a scope policy has no field '%s': only scheduling policies declare it",
                       rows[i][0]);
        refused_kind(DTR_POLICY_SCOPE, text, DTR_EINVALID, wanted);
    }
}

static void each_kind_has_facts_of_its_own(void **state)
{
    static const char *const format =
        "return { name = 'x', needs = { %s },\n" BODY "tests = { { 't', %s, scores = { 0 } } } }";
    static const struct {
        enum dtr_policy_kind kind;
        const char *needs, *given, *wanted;
    } rows[] = {
        {DTR_POLICY_SCOPE, "'rtt_ms'", "s = {}", "needs 'rtt_ms', which is no column of scope"},
        {DTR_POLICY_SCHEDULING, "'cidr'", "s = {}", "needs 'cidr', which is no column of scheduling"},
        {DTR_POLICY_SCOPE, "'cidr'", "c = { tx = { 1 } }", "there is no column 'tx'"},
        {DTR_POLICY_SCOPE, "'cidr'", "s = { now_ms = 1 }", "there is no scalar 'now_ms'"},
        {DTR_POLICY_SCHEDULING, "", "s = { peer_ip = '' }", "there is no scalar 'peer_ip'"},
        {DTR_POLICY_SCOPE, "", "s = { peer_ip = 1 }", "'peer_ip' must be a string"},
        {DTR_POLICY_SCOPE, "", "c = { name = { 1 } }", "column 'name' must hold strings"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[512];
        (void)snprintf(text, sizeof(text), format, rows[i].needs, rows[i].given);
        refused_kind(rows[i].kind, text, DTR_EINVALID, rows[i].wanted);
    }
}

static void test_cases_have_peers(void **state)
{
    (void)state;
    dtr_policy_free(must_load_scope(
        "return { name = 'x', needs = { 'name' }, rank = function(c, s) local r = {}\n"
        "for i = 1, s.count do r[i] = c.name[i] == s.peer_idc and 1 or 0 end return r end,\n"
        "tests = { { 'named', c = { name = { 'a', 'b' } }, s = { peer_idc = 'b' }, order = { 2, 1 } },\n"
        "          { 'no peer', c = { name = { 'a' } }, scores = { 0 } } } }"));
}

/* --- in charge ----------------------------------------------------------------------------------------- */

/* Ranks cluster 1, which has the peer's network, and cluster 2, which has nothing: the ids in order. */
static void ranked(struct dtr_policy_slot *slot, const uint64_t wanted[2])
{
    static const char *const cidrs[] = {"10.0.0.0/8"};
    static const struct dtr_scope_peer peer = {"10.0.0.1", "web-7", "", ""};
    const struct dtr_scope_texts texts = {.cidrs = cidrs, .cidr_count = 1}, none = {0};
    const struct dtr_scope_ranker ranker = {.rank = dtr_policy_slot_scope, .context = slot};
    struct dtr_scope *scopes[2];
    uint32_t order[2];
    double scores[2];
    assert_int_equal(dtr_scope_new(&texts, &scopes[0], NULL), DTR_OK);
    assert_int_equal(dtr_scope_new(&none, &scopes[1], NULL), DTR_OK);
    const struct dtr_scope_cluster clusters[] = {{1, "near", scopes[0], false}, {2, "far", scopes[1], false}};
    assert_int_equal(dtr_scope_rank(clusters, 2, &peer, &ranker, order, scores, NULL), DTR_OK);
    assert_int_equal(clusters[order[0]].id, wanted[0]);
    assert_int_equal(clusters[order[1]].id, wanted[1]);
    dtr_scope_free(scopes[0]);
    dtr_scope_free(scopes[1]);
}

static void swap(struct dtr_policy_slot *slot, const char *score)
{
    char text[512];
    (void)snprintf(text, sizeof(text),
                   "return { name = 'p', needs = { 'id' }, rank = function(c, s) local r = {}\n"
                   "for i = 1, s.count do r[i] = %s end return r end,\n"
                   "tests = { { 't', scores = {} } } }",
                   score);
    dtr_policy_swap(slot, must_load_scope(text));
}

static void the_built_in_formula_stands_behind_a_slot(void **state)
{
    static const uint64_t by_formula[] = {1, 2}, by_policy[] = {2, 1};
    struct dtr_policy_slot slot = {.kind = DTR_POLICY_SCOPE};
    (void)state;
    ranked(&slot, by_formula);
    assert_int_equal(slot.decisions, 0);
    swap(&slot, "c.id[i]");
    ranked(&slot, by_policy);
    assert_int_equal(slot.decisions, 1);
    assert_int_equal(slot.failures, 0);
    swap(&slot, "c.id[i] + nil");
    ranked(&slot, by_formula);
    assert_int_equal(slot.failures, 1);
    assert_non_null(strstr(slot.last_error, "t.lua:2: attempt to perform arithmetic on a nil value"));
    dtr_policy_slot_clear(&slot);
}

static void a_slot_takes_scripts_of_its_kind(void **state)
{
    struct dtr_policy_slot slot = {.kind = DTR_POLICY_SCOPE, .limits = no_clock()};
    struct dtr_error err;
    (void)state;
    assert_int_equal(dtr_policy_slot_load(&slot, "scripts/scheduling/dragonfly.lua", &err), DTR_EINVALID);
    assert_non_null(strstr(err.text, "a scope policy has no field 'acyclic'"));
    assert_int_equal(dtr_policy_slot_load(&slot, "scripts/scope/dragonfly.lua", &err), DTR_OK);
    static const uint64_t near_first[] = {1, 2};
    ranked(&slot, near_first);
    assert_int_equal(slot.decisions, 1);
    dtr_policy_slot_clear(&slot);
    slot.limits = no_clock();
    assert_int_equal(dtr_policy_slot_load(&slot, "scripts/scope/dragonfly.lua", &err), DTR_EINVALID);
    dtr_policy_slot_clear(&slot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_arrive_as_they_are),
        cmocka_unit_test(settings_of_the_swarm_are_refused),
        cmocka_unit_test(each_kind_has_facts_of_its_own),
        cmocka_unit_test(test_cases_have_peers),
        cmocka_unit_test(the_built_in_formula_stands_behind_a_slot),
        cmocka_unit_test(a_slot_takes_scripts_of_its_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
