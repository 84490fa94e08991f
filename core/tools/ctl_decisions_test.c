/* What `darter ctl explain --scheduler` prints. */
#include "core/tools/ctl_print.h"

#include <darter/error.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

/* One decision with one candidate and one peer left out. */
static char *print(bool json)
{
    Darter__V1__Candidate candidate = DARTER__V1__CANDIDATE__INIT, *candidates[] = {&candidate};
    Darter__V1__LeftOut left_out = DARTER__V1__LEFT_OUT__INIT, *left_outs[] = {&left_out};
    Darter__V1__Decision decision = DARTER__V1__DECISION__INIT, *decisions[] = {&decision};
    Darter__V1__DecisionsResponse story = DARTER__V1__DECISIONS_RESPONSE__INIT;
    char *printed = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&printed, &length);
    candidate.host = text("node1");
    candidate.score = 0.75;
    candidate.chosen = true;
    left_out.reason = text("is slow\033 at present");
    left_out.count = 2;
    decision.wall_ms = 1700000000005;
    decision.host = text("node2");
    decision.peer_id = text("peer");
    decision.asked = text("register");
    decision.answer = text("parents");
    decision.looked_at = 3;
    decision.policy = text("mesh");
    decision.generation = 1;
    decision.ranked = true;
    decision.candidates = candidates;
    decision.left_out = left_outs;
    decision.n_candidates = decision.n_left_out = 1;
    story.task_id = text("abcd");
    story.decisions = decisions;
    story.n_decisions = 1;
    assert_non_null(out);
    assert_int_equal(ctl_print_decisions(&story, json, out), DTR_OK);
    (void)fclose(out);
    return printed;
}

static void people_read_it(void **state)
{
    (void)state;
    char *printed = print(false);
    assert_non_null(strstr(printed, "task:      abcd\ndecisions: 1, the newest last\n"));
    assert_non_null(strstr(printed, "2023-11-14T22:13:20.005 UTC +0 ms  node2: register -> parents\n"));
    assert_non_null(strstr(printed, "2  is slow? at present\n"));
    assert_non_null(strstr(printed, "  policy    mesh, generation 1\n"));
    assert_non_null(strstr(printed, "  chosen    node1"));
    assert_non_null(strstr(printed, "score 0.75\n"));
    free(printed);
}

static void scripts_read_it(void **state)
{
    (void)state;
    char *printed = print(true);
    json_t *root = json_loads(printed, 0, NULL);
    const json_t *decision = json_array_get(json_object_get(root, "decisions"), 0);
    const json_t *candidate = json_array_get(json_object_get(decision, "candidates"), 0);
    assert_string_equal(json_string_value(json_object_get(decision, "at")), "2023-11-14T22:13:20.005Z");
    assert_string_equal(json_string_value(json_object_get(decision, "policy")), "mesh");
    assert_true(json_is_true(json_object_get(candidate, "chosen")));
    assert_true(json_real_value(json_object_get(candidate, "score")) == 0.75);
    json_decref(root);
    free(printed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(people_read_it), cmocka_unit_test(scripts_read_it)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
