/* Which hosts hold a task or a file, and that they delete it. */
#include "core/scheduler/daemons_rig.h"

#include "core/scheduler/job.h"
#include "proto/darter.pb-c.h"

static Darter__V1__FindTaskResponse *ask_task(struct lab *lab, const struct dtr_rpc_method *method)
{
    Darter__V1__TaskRequest request = DARTER__V1__TASK_REQUEST__INIT;
    request.task_id = text(RIG_TASK);
    struct rig_answer answer = rig_ask(&lab->rig, method, &request.base);
    assert_int_equal(answer.code, DTR_RPC_OK);
    Darter__V1__FindTaskResponse *response = darter__v1__find_task_response__unpack(
        NULL, answer.bytes.length, (const uint8_t *)dtr_str_text(&answer.bytes));
    assert_non_null(response);
    dtr_str_free(&answer.bytes);
    return response;
}

static void a_task_is_found_and_dropped(void **state)
{
    struct lab *lab = *state;
    lab->hosts[0].held = WHOLE;
    lab->hosts[2].held = PART;
    daemon_close(lab, &lab->hosts[3]);
    Darter__V1__FindTaskResponse *response = ask_task(lab, &dtr_rpc_scheduling_find_task);
    assert_int_equal(response->n_hosts, 3);
    assert_string_equal(response->hosts[0]->host_id, "s0");
    assert_string_equal(response->hosts[0]->host_type, "super");
    assert_true(response->hosts[0]->finished);
    assert_true(response->hosts[0]->created_ms > 1000000);
    assert_string_equal(response->hosts[0]->error, "");
    assert_string_equal(response->hosts[1]->hostname, "p2");
    assert_string_equal(response->hosts[1]->host_type, "normal");
    assert_false(response->hosts[1]->finished);
    assert_string_equal(response->hosts[2]->host_id, "p3");
    assert_non_null(strstr(response->hosts[2]->error, "UNAVAILABLE"));
    darter__v1__find_task_response__free_unpacked(response, NULL);
    lab->hosts[2].fails = true;
    response = ask_task(lab, &dtr_rpc_scheduling_drop_task);
    assert_int_equal(response->n_hosts, 3);
    assert_string_equal(response->hosts[0]->error, "");
    assert_string_equal(response->hosts[1]->error, "UNAVAILABLE: it is read");
    assert_non_null(strstr(response->hosts[2]->error, "UNAVAILABLE"));
    darter__v1__find_task_response__free_unpacked(response, NULL);
    assert_int_equal(lab->hosts[0].deleted, 1);
    assert_int_equal(lab->hosts[1].deleted, 0);
    assert_int_equal(lab->hosts[2].deleted, 1);
}

static void a_file_is_looked_for_on_all_hosts(void **state)
{
    struct lab *lab = *state;
    Scheduler__V2__StatFileRequest request = SCHEDULER__V2__STAT_FILE_REQUEST__INIT;
    lab->hosts[0].held = WHOLE;
    lab->hosts[3].held = PART;
    daemon_close(lab, &lab->hosts[2]);
    request.url = text("http://origin.example/d/");
    struct rig_answer answer = rig_ask(&lab->rig, &dtr_rpc_scheduler_stat_file, &request.base);
    assert_int_equal(answer.code, DTR_RPC_OK);
    Scheduler__V2__StatFileResponse *response = scheduler__v2__stat_file_response__unpack(
        NULL, answer.bytes.length, (const uint8_t *)dtr_str_text(&answer.bytes));
    assert_non_null(response);
    assert_int_equal(response->n_peers, 2);
    assert_string_equal(response->peers[0]->hostname, "s0");
    assert_int_equal(response->peers[0]->n_cached_files, 2);
    assert_string_equal(response->peers[0]->cached_files[1]->url, "http://origin.example/d/b");
    assert_true(response->peers[0]->cached_files[1]->has_is_finished_case);
    assert_true(response->peers[0]->cached_files[1]->is_finished);
    assert_string_equal(response->peers[1]->hostname, "p3");
    assert_true(response->peers[1]->cached_files[0]->has_is_finished_case);
    assert_false(response->peers[1]->cached_files[0]->is_finished);
    scheduler__v2__stat_file_response__free_unpacked(response, NULL);
    dtr_str_free(&answer.bytes);
}

static void a_task_has_an_id(void **state)
{
    struct lab *lab = *state;
    Darter__V1__TaskRequest request = DARTER__V1__TASK_REQUEST__INIT;
    request.task_id = text("abc");
    expect(rig_ask(&lab->rig, &dtr_rpc_scheduling_find_task, &request.base), DTR_RPC_INVALID_ARGUMENT,
           "task_id");
}

static void so_many_may_ask_at_once(void **state)
{
    struct lab *lab = *state;
    struct dtr_scheduler *scheduler = lab->rig.scheduler;
    Scheduler__V2__StatFileRequest request = SCHEDULER__V2__STAT_FILE_REQUEST__INIT;
    Darter__V1__TaskRequest task = DARTER__V1__TASK_REQUEST__INIT;
    task.task_id = text(RIG_TASK);
    scheduler->asks = JOB_ASKS_MOST;
    expect(rig_ask(&lab->rig, &dtr_rpc_scheduler_stat_file, &request.base), DTR_RPC_RESOURCE_EXHAUSTED,
           "256 questions");
    expect(rig_ask(&lab->rig, &dtr_rpc_scheduling_drop_task, &task.base), DTR_RPC_RESOURCE_EXHAUSTED, "");
    scheduler->asks = JOB_ASKS_MOST - 1;
    expect(rig_ask(&lab->rig, &dtr_rpc_scheduler_stat_file, &request.base), DTR_RPC_INVALID_ARGUMENT, "url");
    expect(rig_ask(&lab->rig, &dtr_rpc_scheduling_find_task, &task.base), DTR_RPC_OK, "");
    assert_int_equal(scheduler->asks, JOB_ASKS_MOST - 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, daemons_open, daemons_close)
    const struct CMUnitTest tests[] = {
        TEST(a_task_is_found_and_dropped),
        TEST(a_file_is_looked_for_on_all_hosts),
        TEST(a_task_has_an_id),
        TEST(so_many_may_ask_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
