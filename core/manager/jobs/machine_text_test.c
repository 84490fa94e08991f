/* What is written of a job, and who goes on with it. */
#include "core/manager/jobs/machine_rig.h"

static void results_are_as_the_console_reads_them(void **state)
{
    (void)state;
    begin_job(JOB_PREHEAT, FILE_ARGS);
    give(all());
    expect_ask(0, ASK_PREHEAT);
    hear_good(0, ASK_PREHEAT);
    expect_ask(1, ASK_PREHEAT);
    hear_error(1, ASK_PREHEAT, HEARD_NO);
    pass_to_due();
    expect_ask(0, ASK_PROGRESS);
    hear_progress(0, true, NULL, 1);
    json_t *json = read_result();
    const char *group, *word, *task, *name, *first, *second, *url, *error;
    json_int_t cluster, done;
    assert_int_equal(
        json_unpack(json, "{s:s, s:s, s:[{s:s, s:s, s:s, s:[{s:[{s:s}], s:I}], s:{s:I}}, {s:s, s:s}]}",
                    "group_uuid", &group, "state", &word, "job_states", "task_uuid", &task, "task_name",
                    &name, "state", &first, "results", "success_tasks", "url", &url, "scheduler_cluster_id",
                    &cluster, "progress", "done", &done, "state", &second, "error", &error),
        0);
    assert_string_equal(group, "group_u");
    assert_string_equal(word, "FAILURE");
    assert_string_equal(task, "task_u_1");
    assert_string_equal(name, "preheat");
    assert_string_equal(first, "SUCCESS");
    assert_string_equal(second, "FAILURE");
    assert_string_equal(error, "scheduler d ([fd00::4]:8002) of cluster 2: UNAVAILABLE: nobody there");
    assert_int_equal(cluster, 1);
    assert_int_equal(done, 1);
    json_decref(json);
}

/* Another process goes on with what is in the database. */
static void move(enum job_kind kind)
{
    struct dtr_error err;
    char *saved = machine_saved(&machine, now), *text = machine_result(&machine, now, "", "");
    machine_free(&machine);
    now = 77; /* another clock */
    machine_init(&machine, kind, "group_u", args, 600000, now);
    assert_int_equal(machine_load(&machine, saved, text, now, &err), DTR_OK);
    free(saved);
    free(text);
}

static void another_process_goes_on(void **state)
{
    (void)state;
    begin_preheat(all());
    now += 100000;
    expect_ask(0, ASK_PROGRESS);
    hear_progress(0, true, NULL, 1);
    move(JOB_PREHEAT);
    assert_int_equal(machine.deadline_ms, now + 500000);
    assert_int_equal(machine.parts[0].state, PART_DONE);
    assert_int_equal(machine.parts[0].done, 1);
    expect_silence();
    give(all());
    expect_ask(1, ASK_PROGRESS); /* it was begun */
    hear_progress(1, true, NULL, 1);
    assert_string_equal(machine_state(&machine, now), "SUCCESS");
    json_t *json = read_result(), *first = json_array_get(json_object_get(json, "job_states"), 0);
    assert_int_equal(json_array_size(json_object_get(json_array_get(json_object_get(first, "results"), 0),
                                                     "success_tasks")),
                     1);
    json_decref(json);
}

static void pauses_go_on_elsewhere(void **state)
{
    (void)state;
    uint64_t due;
    begin_job(JOB_GET_TASK, "{\"task_id\":\"x\"}");
    give((struct job_targets){clusters, 1, targets_list, 1});
    expect_ask(0, ASK_FIND);
    hear_error(0, ASK_FIND, HEARD_LATER);
    move(JOB_GET_TASK);
    give((struct job_targets){clusters, 1, targets_list, 1});
    expect_ask(0, ASK_FIND);
    assert_int_equal(machine.parts[0].tries, 1);
    hear_error(0, ASK_FIND, HEARD_LATER);
    assert_true(machine_pauses(&machine, now, &due));
    assert_int_equal(due, now + 2 * MACHINE_PAUSE_MS);
    assert_string_equal(machine_state(&machine, now), "RETRY");
    now = due;
    give((struct job_targets){0}); /* its cluster is gone meanwhile */
    assert_string_equal(machine_error(&machine), "cluster 1 was deleted");
}

/* A part of this text has so many tries. */
#define TRIED(state, tries)                                                                                  \
    "{\"left_ms\":5,\"parts\":[{\"cluster\":1,\"url\":0,\"scheduler\":1,\"name\":\"s\",\"ip\":\"10.0.0.1\"," \
    "\"port\":1,\"state\":\"" state                                                                          \
    "\",\"bound\":false,\"sent\":false,\"theirs\":false,\"failing\":false,\"tries\":" tries                  \
    ",\"misses\":0,\"pause_ms\":0,\"sent_ms_ago\":0}]}"

static void what_is_no_such_text_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"{",
                                        "[]",
                                        "{\"left_ms\":-1,\"parts\":[]}",
                                        "{\"left_ms\":5}x",
                                        "{\"left_ms\":5,\"parts\":[{}]}",
                                        "{\"left_ms\":5,\"parts\":[7]}",
                                        TRIED("open", "8"),
                                        TRIED("failed", "9"),
                                        TRIED("failed", "-1")};
    struct dtr_error err;
    begin_job(JOB_PREHEAT, FILE_ARGS);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(machine_load(&machine, texts[i], "", now, &err), DTR_EINVALID);
    assert_int_equal(machine_load(&machine, "", "", now, &err), DTR_OK);
    assert_int_equal(machine_load(&machine, TRIED("open", "7"), "", now, &err), DTR_OK);
}

/* The row was taken because its pause is over. */
static void a_pause_is_not_made_twice(void **state)
{
    uint64_t due_ms;
    (void)state;
    begin_job(JOB_PREHEAT, FILE_ARGS);
    give(all());
    expect_ask(0, ASK_PREHEAT);
    hear_error(0, ASK_PREHEAT, HEARD_LATER);
    expect_ask(1, ASK_PREHEAT);
    now += 500;
    hear_error(1, ASK_PREHEAT, HEARD_LATER);
    assert_true(machine_pauses(&machine, now, &due_ms));
    move(JOB_PREHEAT);
    give(all());
    expect_ask(0, ASK_PREHEAT);
    hear_good(0, ASK_PREHEAT);
    expect_silence();
    now += 500;
    expect_ask(1, ASK_PREHEAT);
}

int main(void)
{
#define T(test) cmocka_unit_test_teardown(test, end_job)
    const struct CMUnitTest tests[] = {
        T(results_are_as_the_console_reads_them),
        T(another_process_goes_on),
        T(a_pause_is_not_made_twice),
        T(pauses_go_on_elsewhere),
        T(what_is_no_such_text_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
