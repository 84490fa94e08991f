/* The journal of decisions: its limits, and what Explain says of it over loopback. */
#include "core/scheduler/rig.h"
#include "proto/darter.pb-c.h"

static int setup(void **state)
{
    *state = malloc(sizeof(struct rig));
    rig_open(*state, NULL);
    return 0;
}

static int teardown(void **state)
{
    rig_close(*state);
    free(*state);
    return 0;
}

static enum dtr_rpc_code ask(struct rig *rig, const char *task, Darter__V1__DecisionsResponse **ret_response)
{
    Darter__V1__DecisionsRequest request = DARTER__V1__DECISIONS_REQUEST__INIT;
    request.task = (char *)(uintptr_t)task;
    struct rig_answer answer = rig_ask(rig, &dtr_rpc_scheduling_explain, &request.base);
    if (answer.code == DTR_RPC_OK) {
        *ret_response = darter__v1__decisions_response__unpack(NULL, answer.bytes.length,
                                                               (const uint8_t *)dtr_str_text(&answer.bytes));
        assert_non_null(*ret_response);
    }
    dtr_str_free(&answer.bytes);
    return answer.code;
}

static void unknown_tasks_are_not_found(void **state)
{
    Darter__V1__DecisionsResponse *response;
    assert_int_equal(ask(*state, RIG_TASK, &response), DTR_RPC_NOT_FOUND);
    assert_int_equal(ask(*state, "", &response), DTR_RPC_NOT_FOUND);
}

static void a_decision_is_told(void **state)
{
    struct rig *rig = *state;
    Darter__V1__DecisionsResponse *response;
    Common__V2__Download download = rig_download();
    assert_int_equal(rig_announce(rig, "h1", 0, 4000), DTR_RPC_OK);
    struct rig_stream *stream = rig_stream_open(rig, "h1", "h1-peer");
    rig_stream_register(stream, &download);
    rig_stream_wait_answers(stream, 1);
    assert_int_equal(ask(rig, "1111", &response), DTR_RPC_OK);
    assert_string_equal(response->task_id, RIG_TASK);
    assert_int_equal(response->n_decisions, 1);
    assert_string_equal(response->decisions[0]->peer_id, "h1-peer");
    assert_string_equal(response->decisions[0]->asked, "register");
    assert_string_equal(response->decisions[0]->answer, "origin");
    assert_string_equal(response->decisions[0]->why, "no peer has the task");
    darter__v1__decisions_response__free_unpacked(response, NULL);
    assert_int_equal(ask(rig, "2", &response), DTR_RPC_NOT_FOUND);
}

/* One decision about a task with 20 candidates. */
static void decide(struct rig *rig, const char *task_id)
{
    const struct dtr_swarm_host host = {.facts = {.id = "h", .hostname = "name"}};
    const struct dtr_swarm_task task = {.id = task_id};
    const struct dtr_swarm_peer peer = {.id = "p", .host = &host, .task = &task};
    struct dtr_swarm_decision decision = {
        .peer = &peer, .asked = "register", .answer = "parents", .why = "", .weighed = true, .count = 20};
    for (uint32_t i = 0; i < 20; i++) {
        decision.candidates[i] = &peer;
        decision.scores[i] = 20 - i;
    }
    decision.taken[0] = decision.taken[15] = true;
    decision.chosen = 2;
    explain_decided(rig->scheduler, &decision);
}

static void the_journal_is_bounded(void **state)
{
    struct rig *rig = *state;
    Darter__V1__DecisionsResponse *response;
    char id[16];
    for (int i = 0; i < 40; i++)
        decide(rig, "aaaa");
    assert_int_equal(ask(rig, "aaaa", &response), DTR_RPC_OK);
    assert_int_equal(response->n_decisions, 32);
    assert_int_equal(response->decisions[0]->n_candidates, 8);
    assert_int_equal(response->decisions[0]->more_candidates, 12);
    assert_true(response->decisions[0]->candidates[0]->chosen);
    assert_false(response->decisions[0]->candidates[6]->chosen);
    assert_true(response->decisions[0]->candidates[6]->score == 14);
    assert_true(response->decisions[0]->candidates[7]->chosen); /* however low it stood */
    assert_true(response->decisions[0]->candidates[7]->score == 5);
    assert_string_equal(response->decisions[0]->candidates[0]->host, "name");
    darter__v1__decisions_response__free_unpacked(response, NULL);
    for (int i = 0; i < 2000; i++) {
        (void)snprintf(id, sizeof(id), "b%06d", i);
        decide(rig, id);
    }
    assert_int_equal(ask(rig, "aaaa", &response), DTR_RPC_NOT_FOUND);
    assert_int_equal(ask(rig, "b001487", &response), DTR_RPC_NOT_FOUND);
    assert_int_equal(ask(rig, "b001488", &response), DTR_RPC_OK);
    darter__v1__decisions_response__free_unpacked(response, NULL);
    assert_int_equal(ask(rig, "b", &response), DTR_RPC_INVALID_ARGUMENT);
    assert_int_equal(ask(rig, "b001999", &response), DTR_RPC_OK);
    darter__v1__decisions_response__free_unpacked(response, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unknown_tasks_are_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_decision_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(the_journal_is_bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
