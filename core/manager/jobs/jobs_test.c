/* What runs of jobs ask made-up schedulers, and what is written down of the answers. */
#include "core/manager/jobs/runner_rig.h"
#include "core/net/guard.h"

/* --- preheats --------------------------------------------------------------------------------------------
 */

static void a_preheat_goes_to_each_cluster_and_says_how_it_goes(void **state)
{
    (void)state;
    int64_t id = add_job(JOB_PREHEAT, FILE_ARGS, 2);
    start_runner(0);
    TURN_UNTIL(rig.loop, fakes[0].looks > 0 && fakes[1].looks > 0);
    TURN_UNTIL(rig.loop,
               count("jobs WHERE state = 'STARTED' AND result_json LIKE '%running%' ESCAPE '!'") == 0 &&
                   count("jobs WHERE result_json LIKE '%\"waiting\":1%' ESCAPE '!'") == 1);
    assert_true(is_state(id, "STARTED"));
    assert_string_equal(fakes[0].url, "http://o/f?a=1&Signature=secret1");
    assert_string_equal(fakes[0].header, "secret2");
    assert_string_equal(fakes[0].scope, "all_peers");
    assert_non_null(strstr(fakes[0].id, "-1-0"));
    assert_int_equal(strncmp(fakes[0].id, "group_", 6), 0);
    fakes[0].ended = fakes[1].ended = true;
    TURN_UNTIL(rig.loop, is_state(id, "SUCCESS"));
    assert_int_equal(fakes[0].preheats, 1);
    json_t *result = result_of(id), *row = row_of(part_of(result, 1), "success_tasks");
    assert_string_equal(arg_text(row, "hostname"), "host-1");
    assert_string_equal(arg_text(row, "ip"), "10.0.0.9");
    assert_string_equal(arg_text(row, "url"), "http://o/f?a=1&Signature=***");
    assert_int_equal(arg_number(first_of(part_of(result, 1)), "scheduler_cluster_id"), 2);
    json_decref(result);
}

static void secrets_are_kept_until_the_end_and_shown_to_nobody(void **state)
{
    (void)state;
    int64_t id = add_job(
        JOB_PREHEAT,
        "{\"type\":\"image\",\"url\":\"https://u:secret0@r/v2/a/manifests/1\",\"password\":"
        "\"secret1\",\"headers\":{\"Authorization\":\"secret2\"},\"object_storage\":{\"access_key_secret\":"
        "\"secret3\",\"session_token\":\"secret4\"},\"hdfs\":{\"delegation_token\":\"secret5\"}}",
        1);
    start_runner(0);
    TURN_UNTIL(rig.loop, fakes[0].looks > 0);
    assert_string_equal(fakes[0].password, "secret1");
    assert_string_equal(fakes[0].header, "secret2");
    assert_int_equal(count("job_runs WHERE args_json LIKE '%secret1%' ESCAPE '!'"), 1);
    fakes[0].ended = true;
    TURN_UNTIL(rig.loop, is_state(id, "SUCCESS"));
    assert_int_equal(count("job_runs"), 0);
    assert_int_equal(count("jobs WHERE args_json LIKE '%secret%' ESCAPE '!' AND args_json NOT LIKE "
                           "'%access_key_secret%' ESCAPE '!'"),
                     0);
    char *args = column(id, "args_json");
    for (int i = 0; i <= 5; i++) {
        char word[16];
        (void)snprintf(word, sizeof(word), "secret%d", i);
        assert_null(strstr(args, word));
    }
    assert_non_null(strstr(args, "https://***@r/v2/a/manifests/1"));
    free(args);
}

static void a_preheat_that_fails_everywhere_fails(void **state)
{
    (void)state;
    int64_t id = add_job(JOB_PREHEAT, FILE_ARGS, 1);
    fakes[0].ended = fakes[0].fails = true;
    start_runner(0);
    TURN_UNTIL(rig.loop, is_state(id, "FAILURE"));
    json_t *result = result_of(id), *row = row_of(part_of(result, 0), "failure_tasks");
    assert_string_equal(arg_text(row, "description"), "404 of the origin");
    assert_non_null(strstr(arg_text(part_of(result, 0), "error"), "404 of the origin"));
    assert_null(strstr(arg_text(part_of(result, 0), "error"), "secret"));
    json_decref(result);
}

/* Others than ours say what their libraries say. */
static void secrets_that_schedulers_tell_are_hidden(void **state)
{
    (void)state;
    static const char why[] = "Get \"https://u:secret0@o/f?Signature=secret1&a=b\": dial tcp: refused";
    static const char shown[] = "Get \"https://***@o/f?Signature=***&a=b\": dial tcp: refused";
    fakes[0].why = fakes[1].why = fakes[0].error = why;
    fakes[0].ended = fakes[0].fails = true;
    fakes[1].code = DTR_RPC_INTERNAL;
    int64_t id = add_job(JOB_PREHEAT, FILE_ARGS, 2);
    start_runner(0);
    TURN_UNTIL(rig.loop, is_state(id, "FAILURE"));
    json_t *result = result_of(id), *row = row_of(part_of(result, 0), "failure_tasks");
    assert_string_equal(arg_text(row, "description"), shown);
    assert_string_equal(arg_text(part_of(result, 0), "error"), shown);
    assert_non_null(strstr(arg_text(part_of(result, 1), "error"), shown));
    json_decref(result);
}

/* It has to be written down all the same, or nothing of this manager is. */
static void a_scheduler_that_says_too_much_does_no_harm(void **state)
{
    (void)state;
    char *much = malloc((3 << 20) + 1);
    assert_non_null(much);
    memset(much, 1, 3 << 20); /* six characters each, in JSON */
    much[3 << 20] = 0;
    fakes[0].host = fakes[0].why = much;
    fakes[0].ended = fakes[0].fails = true;
    int64_t id = add_job(JOB_PREHEAT, FILE_ARGS, 1);
    start_runner(0);
    TURN_UNTIL(rig.loop, is_state(id, "FAILURE"));
    assert_int_equal(count("jobs WHERE LENGTH(result_json) < 8000000"), 1);
    fakes[0].host = fakes[0].why = "";
    free(much);
}

/* A database that takes short texts only. */
static const struct dtr_database_ops *whole_ops;

static int run_short(struct dtr_db *db, const char *sql, const struct dtr_value *values, size_t value_count,
                     const struct dtr_row_sink *sink, struct dtr_ran *ret_ran, struct dtr_error *err)
{
    for (size_t i = 0; i < value_count; i++) {
        if (values[i].type == DTR_VALUE_TEXT && values[i].length > 4000)
            return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "the test takes no such text");
    }
    return whole_ops->run(db, sql, values, value_count, sink, ret_ran, err);
}

static void what_cannot_be_written_down_stops_nobody_else(void **state)
{
    (void)state;
    static struct dtr_database_ops ops;
    char much[5000] = "";
    struct dtr_error err;
    struct store *real = rig.store, *store;
    whole_ops = rig.database.ops;
    ops = *whole_ops;
    ops.run = run_short;
    const struct store_options options = {&ops, rig.database.module.instance, true};
    assert_int_equal(store_new(&options, &store, &err), DTR_OK);
    memset(much, 'x', sizeof(much) - 1);
    fakes[0].host = much;
    fakes[0].ended = fakes[1].ended = true;
    int64_t bad = add_job(JOB_PREHEAT, FILE_ARGS, 2), good = add_job(JOB_SYNC_PEERS, "{}", 1);
    rig.store = store;
    start_runner(0);
    rig.store = real;
    TURN_UNTIL(rig.loop, is_state(bad, "FAILURE") && is_state(good, "SUCCESS"));
    json_t *result = result_of(bad);
    assert_string_equal(arg_text(part_of(result, 0), "error"), "the test takes no such text");
    json_decref(result);
    stop_runner(0);
    store_free(store);
    fakes[0].host = "";
}

static void dragonflys_schedulers_are_told_by_who_holds_it(void **state)
{
    (void)state;
    int64_t id =
        add_job(JOB_PREHEAT,
                "{\"type\":\"image\",\"url\":\"http://r/v2/a/manifests/1\",\"scope\":\"all_seed_peers\"}", 1);
    fakes[0].ended = true;
    start_runner(0);
    TURN_UNTIL(rig.loop, is_state(id, "SUCCESS"));
    assert_int_equal(fakes[0].preheats, 1);
    assert_int_equal(fakes[0].lists, 1);
    assert_int_equal(fakes[0].images, 1);
    id = add_job(JOB_PREHEAT, FILE_ARGS, 1);
    TURN_UNTIL(rig.loop, fakes[0].files == 1 &&
                             count("jobs WHERE id = 2 AND result_json LIKE '%\"done\":1%' ESCAPE '!'") == 1);
    /* all peers, and there are none: the one host is a seed */
    json_t *result = result_of(id);
    assert_int_equal(json_array_size(json_object_get(first_of(part_of(result, 0)), "success_tasks")), 1);
    json_decref(result);
}

/* --- tasks -----------------------------------------------------------------------------------------------
 */

static void tasks_are_found_and_deleted(void **state)
{
    (void)state;
    int64_t found = add_job(JOB_GET_TASK, TASK_ARGS, 2);
    fakes[1].drop_error = "UNAVAILABLE";
    start_runner(0);
    TURN_UNTIL(rig.loop, is_state(found, "SUCCESS"));
    assert_int_equal(fakes[0].finds + fakes[1].finds, 2);
    assert_int_equal(strlen(fakes[0].id), 64);
    json_t *result = result_of(found), *peer = row_of(part_of(result, 0), "peers");
    assert_string_equal(arg_text(peer, "id"), "id-of-host");
    assert_string_equal(arg_text(peer, "host_type"), "super");
    assert_string_equal(arg_text(peer, "created_at"), "2023-11-14T22:13:20.123Z");
    assert_true(json_is_true(json_object_get(peer, "IsFinished")));
    json_decref(result);
    int64_t dropped = add_job(JOB_DELETE_TASK, TASK_ARGS, 2);
    TURN_UNTIL(rig.loop, is_state(dropped, "FAILURE"));
    result = result_of(dropped);
    assert_string_equal(arg_text(row_of(part_of(result, 0), "success_tasks"), "hostname"), "host-1");
    assert_string_equal(arg_text(row_of(part_of(result, 1), "failure_tasks"), "description"), "UNAVAILABLE");
    assert_non_null(strstr(arg_text(part_of(result, 1), "error"), "host-1"));
    json_decref(result);
}

static void dragonflys_schedulers_find_by_url_and_delete_nothing(void **state)
{
    (void)state;
    int64_t by_url = add_job(JOB_GET_TASK, "{\"url\":\"http://o/f\"}", 1),
            by_id = add_job(JOB_GET_TASK, TASK_ARGS, 1);
    int64_t dropped = add_job(JOB_DELETE_TASK, TASK_ARGS, 1);
    fakes[0].ended = true;
    start_runner(0);
    TURN_UNTIL(rig.loop,
               is_state(by_url, "SUCCESS") && is_state(by_id, "FAILURE") && is_state(dropped, "FAILURE"));
    assert_int_equal(fakes[0].files, 1);
    json_t *result = result_of(dropped);
    assert_non_null(strstr(arg_text(part_of(result, 0), "error"), "Dragonfly"));
    json_decref(result);
}

static void loopback_is_for_those_who_are_alive_there(void **state)
{
    (void)state;
    dtr_guard_stop();
    int64_t id = add_job(JOB_GET_TASK, TASK_ARGS, 1);
    start_runner(0);
    TURN_UNTIL(rig.loop, is_state(id, "FAILURE"));
    json_t *result = result_of(id);
    assert_non_null(strstr(arg_text(part_of(result, 0), "error"), "security.outbound.allow"));
    json_decref(result);
    assert_int_equal(fakes[0].finds, 0);
}

int main(int argc, char **argv)
{
#define T(test)      cmocka_unit_test_setup_teardown(test, begin_ours, end_runners)
#define THEIRS(test) cmocka_unit_test_setup_teardown(test, begin_theirs, end_runners)
    const struct CMUnitTest tests[] = {
        T(a_preheat_goes_to_each_cluster_and_says_how_it_goes),
        T(secrets_are_kept_until_the_end_and_shown_to_nobody),
        T(a_preheat_that_fails_everywhere_fails),
        T(secrets_that_schedulers_tell_are_hidden),
        T(a_scheduler_that_says_too_much_does_no_harm),
        T(what_cannot_be_written_down_stops_nobody_else),
        THEIRS(dragonflys_schedulers_are_told_by_who_holds_it),
        T(tasks_are_found_and_deleted),
        THEIRS(dragonflys_schedulers_find_by_url_and_delete_nothing),
        T(loopback_is_for_those_who_are_alive_there),
    };
    store_rig_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
