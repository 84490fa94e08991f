/* A machine in the hands of a test; see machine_rig.h. */
#include "core/manager/jobs/machine_rig.h"

struct machine machine;
json_t *args;
uint64_t now;

int64_t clusters[2] = {1, 2};
struct job_target targets_list[4] = {
    {.id = 11, .cluster_id = 1, .name = "a", .ip = "10.0.0.1", .port = 8002},
    {.id = 12, .cluster_id = 1, .name = "b", .ip = "10.0.0.2", .port = 8002, .preheats = true},
    {.id = 13, .cluster_id = 1, .name = "c", .ip = "10.0.0.3", .port = 8002, .preheats = true},
    {.id = 21, .cluster_id = 2, .name = "d", .ip = "fd00::4", .port = 8002, .preheats = true},
};

struct job_targets all(void)
{
    return (struct job_targets){clusters, 2, targets_list, 4};
}

struct job_targets one(void)
{
    return (struct job_targets){clusters, 1, targets_list, 2};
}

void give(struct job_targets targets)
{
    struct dtr_error err;
    assert_int_equal(machine_targets(&machine, &targets, now, &err), DTR_OK);
}

void begin_job(enum job_kind kind, const char *text)
{
    now = 1000;
    args = json_loads(text, 0, NULL);
    assert_non_null(args);
    machine_init(&machine, kind, "group_u", args, 600000, now);
}

int end_job(void **state)
{
    (void)state;
    machine_free(&machine);
    json_decref(args);
    args = NULL;
    return 0;
}

void expect_ask(size_t part, enum ask_kind kind)
{
    size_t asked;
    enum ask_kind of;
    assert_true(machine_next(&machine, now, &asked, &of));
    assert_int_equal(asked, part);
    assert_int_equal(of, kind);
}

void expect_silence(void)
{
    size_t part;
    enum ask_kind kind;
    assert_false(machine_next(&machine, now, &part, &kind));
}

void hear(size_t part, enum ask_kind kind, struct answer answer)
{
    machine_heard(&machine, part, kind, &answer, now);
}

void hear_good(size_t part, enum ask_kind kind)
{
    hear(part, kind, (struct answer){.heard = HEARD_OK});
}

void hear_error(size_t part, enum ask_kind kind, enum heard heard)
{
    hear(part, kind, (struct answer){.heard = heard, .why = "UNAVAILABLE: nobody there"});
}

void hear_progress(size_t part, bool ended, const char *error, size_t done)
{
    json_t *result = json_pack("{s:[{s:s}], s:[]}", "success_tasks", "url", "http://o/f", "failure_tasks");
    hear(part, ASK_PROGRESS,
         (struct answer){.heard = HEARD_OK, .ended = ended, .error = error, .result = result, .done = done});
    json_decref(result);
}

void pass_to_due(void)
{
    uint64_t due = machine_due(&machine, now);
    assert_true(due > now && due != UINT64_MAX);
    now = due;
}

json_t *read_result(void)
{
    char *text = machine_result(&machine, now, "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01.000Z");
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    free(text);
    return json;
}

const char FILE_ARGS[] = "{\"type\":\"file\",\"url\":\"http://o/f\"}";

void begin_preheat(struct job_targets targets)
{
    begin_job(JOB_PREHEAT, FILE_ARGS);
    give(targets);
    for (size_t i = 0; i < machine.count; i++) {
        expect_ask(i, ASK_PREHEAT);
        hear_good(i, ASK_PREHEAT);
    }
}

void begin_looking(void)
{
    begin_preheat(one());
    pass_to_due();
    expect_ask(0, ASK_PROGRESS);
}
