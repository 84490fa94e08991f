/* What a script is given, what it may declare and return, and its own test cases. */
#include "core/policy/policy_fixture.h"

#define TESTS "tests = { { 't', scores = {} } } }"

/* A policy whose rank has this body, with nothing to say against it at load. */
static struct dtr_policy *with_body(const char *needs, const char *body)
{
    char text[2048];
    (void)snprintf(text, sizeof(text),
                   "return { name = 'x', needs = {%s}, rank = function(c, s)\n"
                   "if s.count == 0 then return {} end %s\nend, " TESTS,
                   needs, body);
    return must_load(text);
}

static void facts_arrive_as_they_are(void **state)
{
    const struct dtr_rank_input input = four();
    struct dtr_error err;
    double scores[ROWS];
    (void)state;
    struct dtr_policy *policy =
        with_body("'rtt_ms', 'idc', 'location'",
                  "assert(s.count == 4 and #c.rtt_ms == 4 and c.rtt_ms[4] == nil and c.rtt_ms[5] == nil)\n"
                  "assert(c.idc[1] == 'a' and c.idc[2] == s.child_idc and c.idc[4] == '')\n"
                  "assert(c.location[3] == '' and s.child_location == 'x|y')\n"
                  "assert(s.child_priority == 6 and s.child_host_type == 0 and s.content_length == nil)\n"
                  "assert(s.piece_length == 4 << 20 and s.now_ms == 12345)\n"
                  "assert(s.random > 0.999 and s.random < 1)\n"
                  "local n = 0 for i, x in ipairs(c.rtt_ms) do n = n + x end assert(n == 6)\n"
                  "return { c.rtt_ms[1], -1.5, 1 << 60, c.rtt_ms[4] or 7 }");
    if (dtr_policy_rank(policy, &input, scores, &err) != DTR_OK)
        fail_msg("%s", err.text);
    const double wanted[ROWS] = {1, -1.5, 0x1p60, 7};
    assert_memory_equal(scores, wanted, sizeof(wanted));
    dtr_policy_free(policy);
}

static void a_length_that_is_not_known_is_nil(void **state)
{
    struct dtr_rank_input input = four();
    struct dtr_error err;
    double scores[ROWS];
    (void)state;
    struct dtr_policy *policy = with_body(
        "", "local n = (s.content_length or -1) * 100 + (s.piece_length or -2) return { n, n, n, n }");
    static const uint64_t rows[][2] = {{UINT64_MAX, 0}, {0, 4}, {7, 0}};
    static const double wanted[] = {-102, 4, 698};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        input.content_length = rows[i][0];
        input.piece_length = rows[i][1];
        assert_int_equal(dtr_policy_rank(policy, &input, scores, &err), DTR_OK);
        assert_true(scores[0] == wanted[i]);
    }
    dtr_policy_free(policy);
}

/* Fewer candidates than the time before leave nothing behind, and a column may be the answer. */
static void columns_hold_only_this_decision(void **state)
{
    struct dtr_rank_input input = four();
    struct dtr_error err;
    double scores[ROWS];
    (void)state;
    struct dtr_policy *policy = with_body("'host_hash'", "return c.host_hash");
    for (input.count = 3; input.count > 0; input.count--) {
        if (dtr_policy_rank(policy, &input, scores, &err) != DTR_OK)
            fail_msg("%s", err.text);
        assert_true(scores[input.count - 1] == input.count);
    }
    input.count = 4;
    assert_int_equal(dtr_policy_rank(policy, &input, scores, &err), DTR_EINVALID);
    assert_string_equal(err.text, "t.lua:1: score 4 of 4 is nil");
    input.host_hash = NULL;
    assert_int_equal(dtr_policy_rank(policy, &input, scores, &err), DTR_EINVALID);
    assert_non_null(strstr(err.text, "column 'host_hash' was not given"));
    input.count = DTR_POLICY_CANDIDATES_MAX + 1;
    assert_int_equal(dtr_policy_rank(policy, &input, scores, &err), DTR_EINVALID);
    dtr_policy_free(policy);
}

static void nonsense_is_an_error_and_the_next_decision_works(void **state)
{
    static const struct {
        const char *body, *text;
    } rows[] = {
        {"return { 1, 2, 3 }", "t.lua:1: score 4 of 4 is nil"},
        {"return { 1, 2, 3, 4, 5 }", "t.lua:1: rank returned more scores than the 4 candidates"},
        {"return { 1, 2, 0/0, 4 }", "t.lua:1: score 3 of 4 is not finite"},
        {"return { 1, 1/0, 3, 4 }", "t.lua:1: score 2 of 4 is not finite"},
        {"return { 1, 2, -1/0, 4 }", "t.lua:1: score 3 of 4 is not finite"},
        {"return { '1', 2, 3, 4 }", "t.lua:1: score 1 of 4 is string"},
        {"return { 1, {}, 3, 4 }", "t.lua:1: score 2 of 4 is table"},
        {"return 5", "t.lua:1: rank returned a number instead of a table"},
        {"return", "t.lua:1: rank returned a nil instead of a table"},
        {"return 'abcd'", "t.lua:1: rank returned a string instead of a table"},
        {"return { order = 5 }", "t.lua:1: rank's order must list each of the 4 candidates once"},
        {"return { order = { 1, 2, 3 } }", "t.lua:1: rank's order must list each of the 4 candidates once"},
        {"return { order = { 1, 2, 3, 4, 5 } }", "rank's order must list each of the 4 candidates once"},
        {"return { order = { 1, 2, 3, 3 } }", "t.lua:1: rank's order names candidate 3 twice"},
        {"return { order = { 1, 2, 3, 5 } }", "t.lua:1: place 4 of rank's order names no candidate"},
        {"return { order = { 0, 1, 2, 3 } }", "t.lua:1: place 1 of rank's order names no candidate"},
        {"return { order = { 1, 2.5, 3, 4 } }", "t.lua:1: place 2 of rank's order names no candidate"},
        {"return { order = { 1, '2', 3, 4 } }", "t.lua:1: place 2 of rank's order names no candidate"},
        {"return { order = { 1, 2, 3, 0/0 } }", "t.lua:1: place 4 of rank's order names no candidate"},
        {"return c", "c (its fields are what the script needs) has no field 'number'"},
        {"return s", "s has no field 'number'"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char body[256];
        struct dtr_rank_input input = four();
        struct dtr_error err;
        double scores[ROWS];
        (void)snprintf(body, sizeof(body), "if s.now_ms == 0 then return { 4, 3, 2, 1 } end %s",
                       rows[i].body);
        struct dtr_policy *policy = with_body("", body);
        int code = dtr_policy_rank(policy, &input, scores, &err);
        if (code != DTR_EINVALID || !strstr(err.text, rows[i].text))
            fail_msg("%s gave %d: %s", rows[i].body, code, err.text);
        input.now_ms = 0;
        assert_int_equal(dtr_policy_rank(policy, &input, scores, &err), DTR_OK);
        assert_true(scores[0] == 4 && scores[3] == 1);
        dtr_policy_free(policy);
    }
}

/* What comes first has the highest score, and an order is all that counts. */
static void an_order_is_an_answer_too(void **state)
{
    const struct dtr_rank_input input = four();
    struct dtr_error err;
    double scores[ROWS];
    (void)state;
    struct dtr_policy *policy = with_body("", "return { 'not looked at', order = { 3, 1, 4, 2 } }");
    if (dtr_policy_rank(policy, &input, scores, &err) != DTR_OK)
        fail_msg("%s", err.text);
    const double wanted[ROWS] = {3, 1, 4, 2};
    assert_memory_equal(scores, wanted, sizeof(wanted));
    dtr_policy_free(policy);
}

/* A decision that hits a ceiling leaves the state usable, also a thousand times. */
static void an_overrun_is_survived(void **state)
{
    struct dtr_rank_input input = four();
    struct dtr_error err;
    double scores[ROWS];
    (void)state;
    struct dtr_policy *policy =
        with_body("", "local t = {} while s.now_ms > 0 do t = { t } end return { 1, 2, 3, 4 }");
    for (int i = 0; i < 200; i++) {
        input.now_ms = (uint64_t)i % 2;
        int code = dtr_policy_rank(policy, &input, scores, &err);
        if (code != (i % 2 ? DTR_ELIMIT : DTR_OK))
            fail_msg("decision %d gave %d: %s", i, code, err.text);
    }
    dtr_policy_free(policy);
}

static void a_description_is_checked(void **state)
{
    static const char *const rows[][2] = {
        {"", "t.lua: a policy must return a table, not a nil"},
        {"return 5", "a policy must return a table, not a number"},
        {"return math", "t.lua: math has no field 'name'"},
        {"return { 1 }", "a policy has no field 'number'"},
        {"return { name = 'x', aciclic = true }", "a policy has no field 'aciclic'"},
        {"return { needs = {} }", "the policy's 'name' must be a string"},
        {"return { name = '' }", "'name' must be 1 to 31 letters"},
        {"return { name = 'a b' }", "'name' must be 1 to 31 letters"},
        {"return { name = '12345678901234567890123456789012' }", "'name' must be 1 to 31 letters"},
        {"return { name = 'x', acyclic = 1 }", "'acyclic' must be true or false"},
        {"return { name = 'x', sample = 'a' }", "'sample' must be a whole number"},
        {"return { name = 'x', keep = 1.5 }", "'keep' must be a whole number"},
        {"return { name = 'x', keep = -1 }", "'keep' must be a whole number"},
        {"return { name = 'x', keep = 1/0 }", "'keep' must be a whole number"},
        {"return { name = 'x' }", "'needs' must be a table"},
        {"return { name = 'x', needs = { 'rtt' } }", "needs 'rtt', which is no column"},
        {"return { name = 'x', needs = { {} } }", "needs 'table', which is no column"},
        {"return { name = 'x', needs = {}, rank = 1 }", "'rank' must be a function"},
        {"return { name = 'x', needs = {}, rank = ipairs, tests = {} }", "a policy needs 1 to 200 tests"},
        {"return { name = 'x', needs = {}, rank = function() end }", "'tests' must be a table"},
        {"return {", "t.lua:1: unexpected symbol near <eof>"},
        {"local x = 1\nreturn { name = x.y.z }", "t.lua:2: attempt to index a number value"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        refused(rows[i][0], DTR_EINVALID, rows[i][1]);
    struct dtr_policy *policy =
        must_load("return { name = 'y', needs = {}, acyclic = false, late_offers = true,"
                  " sample = 40, keep = 5, rank = function() return {} end, " TESTS);
    const struct dtr_policy_settings *settings = dtr_policy_settings(policy);
    assert_string_equal(settings->name, "y");
    assert_true(!settings->acyclic && settings->late_offers);
    assert_int_equal(settings->sample, 40);
    assert_int_equal(settings->keep, 5);
    dtr_policy_free(policy);
}

/* Each row is one test case of a policy that scores by rtt_ms. */
static void test_cases_decide(void **state)
{
    static const char *const rows[][2] = {
        {"{ 'ok', c = { rtt_ms = { 3, 2 } }, scores = { -3, -2 } }", NULL},
        {"{ 'ok', c = { rtt_ms = { 3, 2 } }, order = { 2, 1 } }", NULL},
        {"{ 'nil', c = { rtt_ms = { 0/0, 2 } }, scores = { -100, -2 } }", NULL},
        {"{ 'given 0', s = { count = 1 }, scores = { 0 } }", NULL},
        {"{ 'label', c = { idc = { 'a' } }, s = { child_idc = 'a', random = 0.5 }, scores = { 0 } }", NULL},
        {"{ 'off', c = { rtt_ms = { 3 } }, scores = { 3 } }",
         "t.lua:2: test 1 (off): candidate 1 got -3 instead of 3"},
        {"{ 'off', c = { rtt_ms = { 2, 3 } }, order = { 2, 1 } }",
         "t.lua:2: test 1 (off): candidate 1, with -2, does not come after -3"},
        {"{ 'equal', c = { rtt_ms = { 2, 2 } }, order = { 1, 2 } }", "does not come after"},
        {"{ 'who', c = { rtt_ms = { 2 } }, order = { 2 } }", "there is no candidate 2"},
        {"{ 'few', c = { rtt_ms = { 2, 3 } }, order = { 2 } }", "2 results are needed"},
        {"{ 'none', c = { rtt_ms = { 2 } } }", "neither 'scores' nor 'order' is given"},
        {"{ 'typo', c = { rtt = { 2 } }, order = { 1 } }", "there is no column 'rtt'"},
        {"{ 'typo', s = { cuont = 2 }, order = { 1 } }", "there is no scalar 'cuont'"},
        {"{ 'typo', ordre = { 1 } }", "a test has no field 'ordre'"},
        {"{ 'text', c = { rtt_ms = { 'a' } }, order = { 1 } }", "column 'rtt_ms' must hold numbers"},
        {"{ 'number', c = { idc = { 1 } }, order = { 1 } }", "column 'idc' must hold strings"},
        {"{ 'many', s = { count = 5000 }, order = { 1 } }", "'count' is out of range"},
        {"{ 'less', c = { rtt_ms = { 1, 2 } }, s = { count = 1 }, order = { 1 } }", "'count' is less"},
        {"{ 'nan', s = { now_ms = 0/0 }, order = { } }", "'now_ms' is out of range"},
        {"{ 'text', s = { child_idc = 5 }, order = { } }", "'child_idc' must be a string"},
        {"{ 'result', c = { rtt_ms = { 1 } }, scores = { 'a' } }", "expected result 1 is not a number"},
        {"5", "test 1 (unnamed): not a table"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[1024];
        (void)snprintf(
            text, sizeof(text),
            "return { name = 'x', needs = { 'rtt_ms' },\nrank = function(c, s)\nlocal scores = {}\n"
            "for i = 1, s.count do scores[i] = -(c.rtt_ms[i] or 100) end\nreturn scores end,\n"
            "tests = { %s } }",
            rows[i][0]);
        if (rows[i][1])
            refused(text, DTR_EINVALID, rows[i][1]);
        else
            dtr_policy_free(must_load(text));
    }
}

static void remembering_is_found_out(void **state)
{
    (void)state;
    refused("local n = 0 return { name = 'x', needs = {}, rank = function() n = n + 1 return { n } end,\n"
            "tests = { { 't', s = { count = 1 }, scores = { 2 } } } }",
            DTR_EINVALID, "t.lua:1: test 1 (t): asked twice, it answered differently");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_arrive_as_they_are),
        cmocka_unit_test(a_length_that_is_not_known_is_nil),
        cmocka_unit_test(columns_hold_only_this_decision),
        cmocka_unit_test(nonsense_is_an_error_and_the_next_decision_works),
        cmocka_unit_test(an_order_is_an_answer_too),
        cmocka_unit_test(an_overrun_is_survived),
        cmocka_unit_test(a_description_is_checked),
        cmocka_unit_test(test_cases_decide),
        cmocka_unit_test(remembering_is_found_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
