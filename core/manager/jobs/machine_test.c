/* The machine of a job alone: what it asks, and what follows from answers. */
#include "core/manager/jobs/machine_rig.h"

#include "core/base/str.h"

static void a_preheat_goes_to_the_first_that_preheats_of_each_cluster(void **state)
{
    (void)state;
    begin_job(JOB_PREHEAT, FILE_ARGS);
    give(all());
    assert_int_equal(machine.count, 2);
    expect_ask(0, ASK_PREHEAT);
    expect_ask(1, ASK_PREHEAT);
    expect_silence();
    assert_int_equal(machine.parts[0].target.id, 12);
    assert_int_equal(machine.parts[1].target.id, 21);
    hear_good(0, ASK_PREHEAT);
    hear_good(1, ASK_PREHEAT);
    expect_silence();
    pass_to_due();
    expect_ask(0, ASK_PROGRESS);
    hear_progress(0, false, NULL, 0);
    expect_ask(1, ASK_PROGRESS);
    hear_progress(1, true, NULL, 1);
    assert_string_equal(machine_state(&machine, now), "STARTED");
    pass_to_due();
    expect_ask(0, ASK_PROGRESS);
    hear_progress(0, true, NULL, 1);
    assert_true(machine_is_over(&machine));
    assert_string_equal(machine_state(&machine, now), "SUCCESS");
    assert_int_equal(machine_due(&machine, now), UINT64_MAX);
}

static void each_url_is_a_preheat_of_its_own(void **state)
{
    (void)state;
    char id[MACHINE_PREHEAT_ID];
    begin_job(JOB_PREHEAT,
              "{\"type\":\"file\",\"url\":\"http://o/3\",\"urls\":[\"http://o/1\",\"http://o/2\"]}");
    give(all());
    assert_int_equal(machine.count, 6);
    machine_preheat_id(&machine, 4, id);
    assert_string_equal(id, "group_u-2-1");
    assert_string_equal(args_url(args, machine.parts[5].url), "http://o/3");
}

static void a_scheduler_that_was_started_again_gets_the_preheat_again(void **state)
{
    (void)state;
    begin_looking();
    hear_error(0, ASK_PROGRESS, HEARD_NOTHING);
    assert_string_equal(machine_state(&machine, now), "RETRY");
    assert_int_equal(machine.parts[0].tries, 1);
    pass_to_due();
    expect_silence(); /* until it is known who is there */
    assert_true(machine_wants_targets(&machine, now));
    give(one());
    assert_false(machine_wants_targets(&machine, now));
    expect_ask(0, ASK_PREHEAT);
    assert_string_equal(machine_state(&machine, now), "STARTED");
}

static void who_is_gone_is_asked_again_and_then_named(void **state)
{
    (void)state;
    uint64_t due, began;
    begin_job(JOB_PREHEAT, FILE_ARGS);
    began = now;
    give(one());
    for (int i = 1; i <= MACHINE_TRIES; i++) {
        expect_ask(0, ASK_PREHEAT);
        assert_false(machine_pauses(&machine, now, &due));
        hear_error(0, ASK_PREHEAT, HEARD_LATER);
        if (i == MACHINE_TRIES)
            break;
        assert_true(machine_pauses(&machine, now, &due));
        assert_true(due - now <= MACHINE_PAUSE_MOST_MS);
        now = due;
        give(one());
    }
    assert_true(now - began > 120000); /* time enough for one that is started again */
    assert_string_equal(machine_state(&machine, now), "FAILURE");
    assert_string_equal(machine_error(&machine),
                        "scheduler b (10.0.0.2:8002) of cluster 1: UNAVAILABLE: nobody there");
}

static void another_scheduler_of_the_cluster_goes_on(void **state)
{
    (void)state;
    begin_looking();
    hear_error(0, ASK_PROGRESS, HEARD_LATER);
    pass_to_due();
    give((struct job_targets){clusters, 1, targets_list + 2, 1});
    assert_int_equal(machine.parts[0].target.id, 13);
    expect_ask(0, ASK_PREHEAT);
}

static void a_cluster_without_a_scheduler_fails_by_its_name(void **state)
{
    (void)state;
    begin_job(JOB_PREHEAT, FILE_ARGS);
    for (int i = 0; i < MACHINE_TRIES; i++) {
        give((struct job_targets){clusters, 1, targets_list, 1});
        expect_silence();
        if (i + 1 < MACHINE_TRIES)
            pass_to_due();
    }
    assert_string_equal(machine_error(&machine),
                        "cluster 1 has no active scheduler with the feature preheat");
}

static void a_deleted_cluster_ends_its_part_only(void **state)
{
    (void)state;
    begin_job(JOB_PREHEAT, FILE_ARGS);
    give(all());
    expect_ask(0, ASK_PREHEAT);
    hear_error(0, ASK_PREHEAT, HEARD_LATER);
    expect_ask(1, ASK_PREHEAT);
    hear_good(1, ASK_PREHEAT);
    now += MACHINE_PAUSE_MS;
    give((struct job_targets){clusters + 1, 1, targets_list + 3, 1});
    expect_ask(1, ASK_PROGRESS);
    hear_progress(1, true, NULL, 1);
    assert_string_equal(machine_state(&machine, now), "FAILURE");
    assert_string_equal(machine_error(&machine), "cluster 1 was deleted");
    assert_int_equal(machine.parts[1].state, PART_DONE);
}

static void without_any_cluster_it_has_failed(void **state)
{
    (void)state;
    begin_job(JOB_GET_TASK, "{}");
    give((struct job_targets){0});
    assert_true(machine_is_over(&machine));
    assert_string_equal(machine_state(&machine, now), "FAILURE");
    json_t *json = read_result();
    const json_t *part = json_array_get(json_object_get(json, "job_states"), 0);
    assert_string_equal(arg_text(part, "error"), "none of its clusters is left");
    json_decref(json);
}

static void a_preheat_that_ended_badly_says_why(void **state)
{
    (void)state;
    begin_looking();
    hear_progress(0, true, "no host got it", 0);
    assert_string_equal(machine_state(&machine, now), "FAILURE");
    assert_string_equal(machine_error(&machine), "no host got it");
}

static void dragonflys_scheduler_is_asked_in_another_way(void **state)
{
    (void)state;
    begin_looking();
    hear_error(0, ASK_PROGRESS, HEARD_UNKNOWN);
    expect_ask(0, ASK_HOLDERS);
    hear(0, ASK_HOLDERS, (struct answer){.heard = HEARD_OK, .waiting = 1});
    expect_silence();
    pass_to_due();
    expect_ask(0, ASK_HOLDERS);
    hear(0, ASK_HOLDERS, (struct answer){.heard = HEARD_OK, .ended = true, .done = 1});
    assert_string_equal(machine_state(&machine, now), "SUCCESS");
}

static void all_schedulers_are_asked_for_a_task(void **state)
{
    (void)state;
    begin_job(JOB_GET_TASK, "{\"task_id\":\"x\"}");
    give(all());
    assert_int_equal(machine.count, 4);
    for (size_t i = 0; i < 4; i++)
        expect_ask(i, ASK_FIND);
    hear_good(0, ASK_FIND);
    hear_good(1, ASK_FIND);
    hear_good(3, ASK_FIND);
    hear_error(2, ASK_FIND, HEARD_UNKNOWN);
    assert_non_null(strstr(machine_error(&machine), "by their URL only"));
}

static void a_task_with_a_url_is_found_with_dragonflys_scheduler(void **state)
{
    (void)state;
    begin_job(JOB_GET_TASK, "{\"url\":\"http://o/f\"}");
    give((struct job_targets){clusters, 1, targets_list, 1});
    expect_ask(0, ASK_FIND);
    hear_error(0, ASK_FIND, HEARD_UNKNOWN);
    expect_ask(0, ASK_FIND_URL);
    hear_good(0, ASK_FIND_URL);
    assert_string_equal(machine_state(&machine, now), "SUCCESS");
    end_job(NULL);
    begin_job(JOB_DELETE_TASK, "{\"url\":\"http://o/f\"}");
    give((struct job_targets){clusters, 1, targets_list, 1});
    expect_ask(0, ASK_DROP);
    hear_error(0, ASK_DROP, HEARD_UNKNOWN);
    assert_non_null(strstr(machine_error(&machine), "deletes no tasks by gRPC"));
}

static void time_is_limited(void **state)
{
    (void)state;
    begin_job(JOB_PREHEAT, FILE_ARGS);
    give(one());
    expect_ask(0, ASK_PREHEAT);
    assert_int_equal(machine_due(&machine, now), now + 600000);
    now += 600000;
    assert_true(machine_is_late(&machine, now));
    machine_stop(&machine, "out of time");
    hear_good(0, ASK_PREHEAT); /* too late */
    assert_string_equal(machine_state(&machine, now), "FAILURE");
    assert_string_equal(machine_error(&machine), "scheduler b (10.0.0.2:8002) of cluster 1: out of time");
}

/* A preheat of so many files in the first cluster. */
static void begin_many(int count)
{
    struct dtr_str text = {0};
    dtr_str_puts(&text, "{\"type\":\"file\",\"urls\":[");
    for (int i = 0; i < count; i++)
        dtr_str_printf(&text, "%s\"http://o/%d\"", i ? "," : "", i);
    dtr_str_puts(&text, "]}");
    begin_job(JOB_PREHEAT, dtr_str_text(&text));
    dtr_str_free(&text);
    give(one());
}

static void a_cluster_is_at_some_of_many_files(void **state)
{
    (void)state;
    begin_many(MACHINE_AT_ONCE + 2);
    for (size_t i = 0; i < MACHINE_AT_ONCE; i++)
        expect_ask(i, ASK_PREHEAT);
    expect_silence();
    for (size_t i = 0; i < MACHINE_AT_ONCE; i++)
        hear_good(i, ASK_PREHEAT);
    expect_silence();
    pass_to_due(); /* which is not the time of those that wait */
    for (size_t i = 0; i < MACHINE_AT_ONCE; i++) {
        expect_ask(i, ASK_PROGRESS);
        hear_progress(i, i == 1, NULL, 1);
    }
    expect_ask(MACHINE_AT_ONCE, ASK_PREHEAT);
    expect_silence();
    json_t *json = read_result();
    const json_t *last = json_array_get(json_object_get(json, "job_states"), MACHINE_AT_ONCE + 1);
    assert_string_equal(arg_text(last, "state"), "PENDING");
    json_decref(json);
}

static void each_cluster_is_at_some(void **state)
{
    struct job_targets targets = all();
    size_t part, of_second = 0, asked = 0;
    enum ask_kind kind;
    (void)state;
    begin_many(MACHINE_AT_ONCE * 2);
    machine_free(&machine);
    machine_init(&machine, JOB_PREHEAT, "group_u", args, 3600000, now);
    give(targets);
    for (; machine_next(&machine, now, &part, &kind); asked++)
        of_second += machine.parts[part].cluster_id != targets.clusters[0];
    assert_int_equal(asked, 2 * MACHINE_AT_ONCE);
    assert_int_equal(of_second, MACHINE_AT_ONCE);
}

static void who_has_too_much_to_do_is_waited_for(void **state)
{
    (void)state;
    begin_many(MACHINE_AT_ONCE + 1);
    for (size_t i = 0; i < MACHINE_AT_ONCE; i++)
        expect_ask(i, ASK_PREHEAT);
    hear_good(0, ASK_PREHEAT);
    for (size_t i = 1; i < MACHINE_AT_ONCE; i++)
        hear_error(i, ASK_PREHEAT, HEARD_BUSY);
    expect_silence(); /* the last one does not add to it */
    for (int i = 0; i < 3 * MACHINE_TRIES; i++) {
        size_t part, asked = 0;
        enum ask_kind kind;
        now += MACHINE_BUSY_MS;
        give(one());
        for (; machine_next(&machine, now, &part, &kind); asked += part > 0) {
            assert_true(part < MACHINE_AT_ONCE);
            if (part == 0)
                hear_progress(0, false, NULL, 0);
            else
                hear_error(part, ASK_PREHEAT, HEARD_BUSY);
        }
        assert_int_equal(asked, MACHINE_AT_ONCE - 1);
    }
    assert_false(machine_is_over(&machine));
    assert_int_equal(machine.parts[1].tries, 0);
    now += MACHINE_POLL_MOST_MS;
    give(one());
    expect_ask(0, ASK_PROGRESS);
    hear_progress(0, true, NULL, 1);
    expect_ask(1, ASK_PREHEAT); /* before those that have not been asked for */
    hear_good(1, ASK_PREHEAT);
    assert_string_equal(machine_state(&machine, now), "STARTED");
}

int main(void)
{
#define T(test) cmocka_unit_test_teardown(test, end_job)
    const struct CMUnitTest tests[] = {
        T(a_preheat_goes_to_the_first_that_preheats_of_each_cluster),
        T(each_url_is_a_preheat_of_its_own),
        T(a_scheduler_that_was_started_again_gets_the_preheat_again),
        T(who_is_gone_is_asked_again_and_then_named),
        T(another_scheduler_of_the_cluster_goes_on),
        T(a_cluster_without_a_scheduler_fails_by_its_name),
        T(a_deleted_cluster_ends_its_part_only),
        T(without_any_cluster_it_has_failed),
        T(a_cluster_is_at_some_of_many_files),
        T(each_cluster_is_at_some),
        T(who_has_too_much_to_do_is_waited_for),
        T(a_preheat_that_ended_badly_says_why),
        T(dragonflys_scheduler_is_asked_in_another_way),
        T(all_schedulers_are_asked_for_a_task),
        T(a_task_with_a_url_is_found_with_dragonflys_scheduler),
        T(time_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
