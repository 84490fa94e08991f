/* Jobs whose schedulers, clusters or managers come and go. */
#include "core/manager/jobs/runner_rig.h"

static void a_scheduler_that_is_gone_is_named(void **state)
{
    (void)state;
    int64_t id = add_job(JOB_PREHEAT, FILE_ARGS, 1);
    start_runner(0);
    TURN_UNTIL(rig.loop, fakes[0].looks > 0);
    fake_close(&fakes[0]);
    TURN_UNTIL(rig.loop, is_state(id, "RETRY"));
    TURN_UNTIL(rig.loop, is_state(id, "FAILURE"));
    /* pauses are none of the times after which a job is held to bring managers down */
    assert_int_equal(rig_number(&rig, "SELECT tries FROM jobs"), 1);
    json_t *result = result_of(id);
    assert_non_null(strstr(arg_text(part_of(result, 0), "error"), "scheduler sched-1 (127.0.0.1:"));
    assert_non_null(strstr(arg_text(part_of(result, 0), "error"), "of cluster 1"));
    json_decref(result);
    assert_int_equal(count("job_runs"), 0);
}

static void one_that_was_started_again_gets_it_again(void **state)
{
    (void)state;
    int64_t id = add_job(JOB_PREHEAT, FILE_ARGS, 1);
    start_runner(0);
    TURN_UNTIL(rig.loop, fakes[0].looks > 0);
    fakes[0].forgets = true;
    fakes[0].code = DTR_RPC_UNAVAILABLE; /* its hosts are coming back */
    TURN_UNTIL(rig.loop, fakes[0].preheats == 3);
    fakes[0].forgets = false;
    fakes[0].code = DTR_RPC_OK;
    fakes[0].ended = true;
    TURN_UNTIL(rig.loop, is_state(id, "SUCCESS"));
}

static void what_is_refused_is_not_tried_again(void **state)
{
    (void)state;
    int64_t id = add_job(JOB_PREHEAT, FILE_ARGS, 1);
    fakes[0].code = DTR_RPC_FAILED_PRECONDITION;
    start_runner(0);
    TURN_UNTIL(rig.loop, is_state(id, "FAILURE"));
    assert_int_equal(fakes[0].preheats, 1);
    json_t *result = result_of(id);
    assert_non_null(strstr(arg_text(part_of(result, 0), "error"), "404 of the origin"));
    json_decref(result);
}

static void a_manager_that_stops_leaves_its_jobs_to_others(void **state)
{
    (void)state;
    int64_t id = add_job(JOB_PREHEAT, FILE_ARGS, 1);
    start_runner(0);
    TURN_UNTIL(rig.loop, fakes[0].looks > 0);
    stop_runner(0);
    assert_int_equal(count("jobs WHERE owner = ''"), 1);
    int looks = fakes[0].looks;
    start_runner(1);
    TURN_UNTIL(rig.loop, fakes[0].looks > looks);
    assert_int_equal(fakes[0].preheats, 1); /* it was begun, and is not begun again */
    fakes[0].ended = true;
    TURN_UNTIL(rig.loop, is_state(id, "SUCCESS"));
}

/* Also where a part of it pauses, as long as another one does not. */
static void what_is_left_waits_for_nobodys_pause(void **state)
{
    (void)state;
    int64_t id = add_job(JOB_PREHEAT, FILE_ARGS, 2);
    fakes[0].code = DTR_RPC_UNAVAILABLE;
    start_runner_with(0, (struct jobs_options){.pause_ms = 60000});
    TURN_UNTIL(rig.loop, fakes[1].preheats == 1 &&
                             count("jobs WHERE result_json LIKE '%UNAVAILABLE%' ESCAPE '!'") == 1);
    assert_true(is_state(id, "STARTED"));
    stop_runner(0);
    char sql[100];
    (void)snprintf(sql, sizeof(sql), "jobs WHERE owner = '' AND due_at <= %lld", (long long)store_now_ms());
    assert_int_equal(count(sql), 1);
}

static void a_manager_that_dies_is_replaced_after_a_while(void **state)
{
    (void)state;
    int64_t id = add_job(JOB_PREHEAT, FILE_ARGS, 1);
    fakes[0].ended = true;
    rig_sql(&rig, "UPDATE jobs SET owner = 'dead', state = 'STARTED', due_at = 9999999999999");
    start_runner_with(0, (struct jobs_options){.lease_ms = 200});
    uint64_t began = dtr_loop_now_ms(rig.loop);
    TURN_UNTIL(rig.loop, is_state(id, "SUCCESS"));
    assert_true(dtr_loop_now_ms(rig.loop) - began >= 200);
}

/* Also where it has nothing to write of them for long. Jobs of a dead one say when they would be lost. */
static void a_manager_that_lives_keeps_its_jobs(void **state)
{
    (void)state;
    int64_t id = add_job(JOB_PREHEAT, FILE_ARGS, 1);
    fakes[0].held = true;
    start_runner_with(0, (struct jobs_options){.lease_ms = 600000});
    TURN_UNTIL(rig.loop, fakes[0].preheats == 1);
    char *owner = column(id, "owner");
    start_runner_with(1, (struct jobs_options){.lease_ms = 500});
    for (int i = 0; i < 2; i++) {
        rig_sql(&rig, "INSERT INTO jobs (group_id, type, state, user_id, owner, due_at, tries, created_at,"
                      " updated_at) VALUES ('lost', 'preheat', 'STARTED', 1, 'dead', 0, 1, 0, 0)");
        TURN_UNTIL(rig.loop, count("jobs WHERE owner = 'dead'") == 0);
        rig_sql(&rig, "DELETE FROM jobs WHERE group_id = 'lost'");
    }
    char *still = column(id, "owner");
    assert_string_equal(owner, still);
    assert_int_equal(fakes[0].preheats, 1);
    free(owner);
    free(still);
}

static void two_managers_run_each_job_once(void **state)
{
    (void)state;
    fakes[0].ended = true;
    start_runner_with(0, (struct jobs_options){.most = 3});
    start_runner_with(1, (struct jobs_options){.most = 3});
    for (int i = 0; i < 20; i++)
        (void)add_job(JOB_PREHEAT, FILE_ARGS, 1);
    TURN_UNTIL(rig.loop, count("jobs WHERE state = 'SUCCESS'") == 20);
    assert_int_equal(fakes[0].preheats, 20);
    assert_int_equal(rig_number(&rig, "SELECT MAX(tries) FROM jobs"), 1);
}

static void only_so_many_run_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        (void)add_job(JOB_PREHEAT, FILE_ARGS, 1);
    start_runner_with(0, (struct jobs_options){.most = 2});
    TURN_UNTIL(rig.loop, fakes[0].preheats == 2 && fakes[0].looks > 2);
    assert_int_equal(count("jobs WHERE state = 'PENDING'"), 2);
    /* others do not wait for them */
    int64_t id =
        add_job(JOB_GET_TASK,
                "{\"task_id\":\"0123456789012345678901234567890123456789012345678901234567890123\"}", 1);
    TURN_UNTIL(rig.loop, is_state(id, "SUCCESS"));
    fakes[0].ended = true;
    TURN_UNTIL(rig.loop, count("jobs WHERE state = 'SUCCESS'") == 5);
}

static void a_deleted_job_is_asked_for_no_more(void **state)
{
    (void)state;
    int64_t id = add_job(JOB_PREHEAT, FILE_ARGS, 1);
    (void)id;
    start_runner(0);
    TURN_UNTIL(rig.loop, fakes[0].looks > 0);
    rig_sql(&rig, "DELETE FROM jobs");
    rig_sql(&rig, "DELETE FROM job_runs");
    int64_t other = add_job(JOB_PREHEAT, "{\"type\":\"file\",\"url\":\"http://o/g\"}", 1);
    TURN_UNTIL(rig.loop, fakes[0].preheats == 2);
    int looks = fakes[0].looks;
    fakes[0].ended = true;
    TURN_UNTIL(rig.loop, is_state(other, "SUCCESS"));
    assert_int_equal(fakes[0].looks, looks + 1); /* of the other one only */
}

static void a_deleted_cluster_ends_its_part(void **state)
{
    (void)state;
    int64_t id = add_job(JOB_PREHEAT, FILE_ARGS, 2);
    fakes[0].ended = fakes[1].held = true;
    start_runner(0);
    TURN_UNTIL(rig.loop, fakes[1].preheats == 1);
    rig_sql(&rig, "DELETE FROM schedulers WHERE scheduler_cluster_id = 2");
    rig_sql(&rig, "DELETE FROM job_clusters WHERE scheduler_cluster_id = 2");
    rig_sql(&rig, "DELETE FROM scheduler_clusters WHERE id = 2");
    fake_close(&fakes[1]);
    TURN_UNTIL(rig.loop, is_state(id, "FAILURE"));
    json_t *result = result_of(id);
    assert_string_equal(arg_text(part_of(result, 0), "state"), "SUCCESS");
    assert_string_equal(arg_text(part_of(result, 1), "error"), "cluster 2 was deleted");
    json_decref(result);
}

static void a_job_has_its_time(void **state)
{
    (void)state;
    int64_t id = add_job(JOB_PREHEAT, "{\"type\":\"file\",\"url\":\"http://o/f\",\"timeout\":300000000}", 1);
    fakes[0].held = true;
    start_runner(0);
    TURN_UNTIL(rig.loop, is_state(id, "FAILURE"));
    json_t *result = result_of(id);
    assert_non_null(strstr(arg_text(part_of(result, 0), "error"), "out of time"));
    json_decref(result);
}

static void arguments_that_cannot_be_read_end_the_job(void **state)
{
    (void)state;
    int64_t id = add_job(JOB_PREHEAT, FILE_ARGS, 1), other = add_job(JOB_PREHEAT, FILE_ARGS, 1);
    rig_sql(&rig, "UPDATE job_runs SET args_json = '{' WHERE job_id = 1");
    rig_sql(&rig, "UPDATE job_runs SET run_json = '{}' WHERE job_id = 2");
    start_runner(0);
    TURN_UNTIL(rig.loop, is_state(id, "FAILURE") && is_state(other, "FAILURE"));
    assert_int_equal(fakes[0].preheats, 0);
}

int main(int argc, char **argv)
{
#define T(test) cmocka_unit_test_setup_teardown(test, begin_ours, end_runners)
    const struct CMUnitTest tests[] = {
        T(a_scheduler_that_is_gone_is_named),
        T(one_that_was_started_again_gets_it_again),
        T(what_is_refused_is_not_tried_again),
        T(a_manager_that_stops_leaves_its_jobs_to_others),
        T(what_is_left_waits_for_nobodys_pause),
        T(a_manager_that_dies_is_replaced_after_a_while),
        T(a_manager_that_lives_keeps_its_jobs),
        T(two_managers_run_each_job_once),
        T(only_so_many_run_at_once),
        T(a_deleted_job_is_asked_for_no_more),
        T(a_deleted_cluster_ends_its_part),
        T(a_job_has_its_time),
        T(arguments_that_cannot_be_read_end_the_job),
    };
    store_rig_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
