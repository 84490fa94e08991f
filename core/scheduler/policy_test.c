/* The script in charge of a scheduler: where it comes from, and how another one takes over while it runs. */
#include "core/brain/swarm_fixture.h"

#include "core/base/clock.h"
#include "core/scheduler/role.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOK_MS = 5, DEADLINE_MS = 20000 };

struct rig {
    char folder[64], path[96];
    struct dtr_loop *loop;
    struct dtr_scheduler *scheduler;
    struct world *world; /* speaks to the scheduler's swarm */
    time_t time;         /* of the next version: its own second, whatever the file system's clock */
    unsigned children;
    bool closed;
};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    struct dtr_error err;
    assert_non_null(rig);
    (void)snprintf(rig->folder, sizeof(rig->folder), "/tmp/scheduler_policy_test.XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    (void)snprintf(rig->path, sizeof(rig->path), "%s/p.lua", rig->folder);
    rig->time = 1000000000;
    assert_int_equal(dtr_loop_new("control", &rig->loop, &err), DTR_OK);
    *state = rig;
    return 0;
}

static void on_closed(void *context)
{
    ((struct rig *)context)->closed = true;
}

static void close_scheduler(struct rig *rig)
{
    dtr_scheduler_close(rig->scheduler, on_closed, rig);
    while (!rig->closed)
        dtr_loop_turn(rig->loop, true);
    rig->scheduler = NULL;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    if (rig->scheduler)
        close_scheduler(rig);
    if (rig->world)
        dtr_buf_drop(rig->world->download);
    free(rig->world);
    dtr_loop_free(rig->loop);
    (void)unlink(rig->path);
    (void)rmdir(rig->folder);
    free(rig);
    return 0;
}

static void write_text(struct rig *rig, const char *text)
{
    FILE *file = fopen(rig->path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    const struct timespec times[2] = {{.tv_sec = rig->time}, {.tv_sec = rig->time}};
    assert_int_equal(utimensat(AT_FDCWD, rig->path, times, 0), 0);
    rig->time++;
}

/* A policy that likes the hosts of this room, and answers with `keep` parents. */
static void write_script(struct rig *rig, const char *room, int keep)
{
    char text[512];
    (void)snprintf(text, sizeof(text),
                   "return { name = 'likes-%s', needs = { 'idc' }, keep = %d,\n"
                   "rank = function(c, s) local r = {}\n"
                   "for i = 1, s.count do r[i] = c.idc[i] == '%s' and 1 or 0 end return r end,\n"
                   "tests = { { 't', c = { idc = { 'x' } }, scores = { 0 } } } }",
                   room, keep, room);
    write_text(rig, text);
}

static int start(struct rig *rig, const char *algorithm, struct dtr_error *err)
{
    struct dtr_scheduler_options options = {
        .swarm = dtr_swarm_defaults(), .seed_number = 1, .algorithm = algorithm, .policy_look_ms = LOOK_MS};
    *err = (struct dtr_error){0};
    return dtr_scheduler_new(rig->loop, &options, &rig->scheduler, err);
}

static void must_start(struct rig *rig, const char *algorithm)
{
    struct dtr_error err;
    if (start(rig, algorithm, &err) != DTR_OK)
        fail_msg("%s", err.text);
    rig->world = open_world();
    dtr_swarm_free(rig->world->swarm);
    rig->world->swarm = rig->scheduler->swarm;
    rig->world->now_ms = dtr_now_ms();
}

/* Two hosts in two rooms that have the whole task. */
static void add_parents(struct rig *rig)
{
    static const char *const rooms[] = {"a", "b"};
    for (size_t i = 0; i < 2; i++) {
        char host[8], peer[16];
        (void)snprintf(host, sizeof(host), "in-%s", rooms[i]);
        (void)snprintf(peer, sizeof(peer), "in-%s.p", rooms[i]);
        struct dtr_swarm_announce facts = facts_of(host, 0);
        facts.idc = rooms[i];
        announce(rig->world, &facts);
        add_holder(rig->world, peer);
    }
    add_host(rig->world, "child");
}

/* The answer to a new child. */
static const struct said *ask(struct rig *rig)
{
    char peer[32];
    (void)snprintf(peer, sizeof(peer), "child.%u", rig->children++);
    say(rig->world, peer, DTR_SWARM_REGISTER);
    expect_one(rig->world, peer, ANSWER_PARENTS);
    return &rig->world->log[0];
}

/* Several times: what is drawn first is chance. */
static void expect_first(struct rig *rig, const char *parent, uint32_t count)
{
    for (int i = 0; i < 6; i++) {
        const struct said *said = ask(rig);
        assert_int_equal(said->parent_count, count);
        assert_string_equal(said->parents[0], parent);
    }
}

static void wait_for(struct rig *rig, const uint64_t *counter, uint64_t value)
{
    uint64_t end_ms = dtr_now_ms() + DEADLINE_MS;
    while (*counter < value && dtr_now_ms() < end_ms)
        dtr_loop_turn(rig->loop, true);
    assert_int_equal(*counter, value);
}

/* A script whose tests take many turns of the loop is being read. On a busy machine this thread may see it
 * only when it is in charge already, so it is written again then. */
static void begin_slow_load(struct rig *rig)
{
    const struct policy *policy = &rig->scheduler->policy;
    uint64_t end_ms = dtr_now_ms() + DEADLINE_MS;
    while (!policy->load && dtr_now_ms() < end_ms) {
        write_text(rig, "local tests = {}\n"
                        "for i = 1, 200 do tests[i] = { 't', s = { count = 1 }, scores = { 1 } } end\n"
                        "return { name = 'slow', needs = {}, tests = tests, rank = function(c, s)\n"
                        "local x = 0 for i = 1, 40000 do x = x + i end return { 1 } end }");
        const uint64_t before = policy->slot.generation;
        while (!policy->load && policy->slot.generation == before && dtr_now_ms() < end_ms)
            dtr_loop_turn(rig->loop, true);
    }
    assert_non_null(policy->load);
}

static void the_script_decides_and_the_next_one_after_it(void **state)
{
    struct rig *rig = *state;
    write_script(rig, "a", 1);
    must_start(rig, rig->path);
    const struct dtr_policy_slot *slot = &rig->scheduler->policy.slot;
    add_parents(rig);
    expect_first(rig, "in-a.p", 1);
    write_text(rig, "return {\n\n!");
    wait_for(rig, &slot->load_failures, 1);
    assert_non_null(strstr(slot->last_error, "p.lua:3: "));
    expect_first(rig, "in-a.p", 1);
    write_script(rig, "b", 2);
    wait_for(rig, &slot->generation, 2);
    expect_first(rig, "in-b.p", 2); /* and its `keep` counts */
    assert_int_equal(unlink(rig->path), 0);
    wait_for(rig, &slot->load_failures, 2);
    expect_first(rig, "in-b.p", 2);
    write_script(rig, "a", 1);
    wait_for(rig, &slot->generation, 3);
    expect_first(rig, "in-a.p", 1);
    assert_int_equal(slot->load_failures, 2); /* each bad version was tried once */
    assert_int_equal(slot->decisions, 5 * 6);
    assert_int_equal(slot->failures, 0);
}

static void other_limits_leave_the_script_in_charge(void **state)
{
    struct rig *rig = *state;
    struct dtr_swarm_config limits = dtr_swarm_defaults();
    write_script(rig, "b", 0); /* 0: as the cluster is configured */
    must_start(rig, rig->path);
    add_parents(rig);
    expect_first(rig, "in-b.p", 2);
    limits.candidate_parent_limit = 1;
    dtr_scheduler_configure(rig->scheduler, &limits);
    expect_first(rig, "in-b.p", 1);
}

/* As scheduler.algorithm is changed by a reload: the second path is another name of the same folder. */
static void another_algorithm_takes_over_between_two_decisions(void **state)
{
    struct rig *rig = *state;
    struct dtr_scheduler_policy *policy = NULL;
    struct dtr_error err;
    char second[100];
    (void)snprintf(second, sizeof(second), "%s/./p.lua", rig->folder);
    write_script(rig, "a", 1);
    must_start(rig, rig->path);
    const struct dtr_policy_slot *slot = &rig->scheduler->policy.slot;
    add_parents(rig);
    expect_first(rig, "in-a.p", 1);
    begin_slow_load(rig);
    const uint64_t before = slot->generation;
    write_script(rig, "a", 2);
    assert_int_equal(dtr_scheduler_prepare(second, &policy, &err), DTR_OK);
    write_text(rig, "nonsense");
    dtr_scheduler_take(rig->scheduler, policy);
    assert_string_equal(slot->path, second);
    expect_first(rig, "in-a.p", 2);
    wait_for(rig, &slot->load_failures, 1); /* the old name's load came too late, the new one is looked at */
    assert_int_equal(slot->generation, before + 1);
    expect_first(rig, "in-a.p", 2);
    assert_int_not_equal(dtr_scheduler_prepare(second, &policy, &err), DTR_OK);
    assert_non_null(strstr(err.text, "scheduler.algorithm: "));
    /* The usual one is not here: the formula decides, until a script is named again. */
    assert_int_equal(dtr_scheduler_prepare("default", &policy, &err), DTR_OK);
    dtr_scheduler_take(rig->scheduler, policy);
    (void)ask(rig);
    write_script(rig, "b", 1);
    assert_int_equal(dtr_scheduler_prepare(rig->path, &policy, &err), DTR_OK);
    dtr_scheduler_take(rig->scheduler, policy);
    assert_int_equal(slot->generation, before + 2);
    expect_first(rig, "in-b.p", 1);
    assert_int_equal(dtr_scheduler_prepare(rig->path, &policy, &err), DTR_OK);
    dtr_scheduler_take(rig->scheduler, policy); /* the same again is nothing new */
    assert_int_equal(slot->generation, before + 2);
}

static void expect_refused(struct rig *rig, const char *algorithm, int code, const char *wanted)
{
    struct dtr_error err;
    assert_int_equal(start(rig, algorithm, &err), code);
    if (!strstr(err.text, wanted))
        fail_msg("\"%s\" lacks \"%s\"", err.text, wanted);
    rig->scheduler = NULL;
}

static void a_bad_script_that_was_named_is_an_error(void **state)
{
    struct rig *rig = *state;
    expect_refused(rig, rig->path, DTR_ENOT_FOUND, "p.lua: No such file");
    write_text(rig, "return {\n  name = 'p',\n  needs = { 'no_such' },\n}");
    expect_refused(rig, rig->path, DTR_EINVALID, "p.lua");
    write_text(rig, "\n\nreturn nonsense.x");
    expect_refused(rig, rig->path, DTR_EINVALID, "p.lua:3: ");
    expect_refused(rig, "no-such-policy", DTR_ENOT_FOUND, "no-such-policy.lua in /etc/darter/scheduling, ");
}

static void without_the_usual_script_the_formula_decides(void **state)
{
    struct rig *rig = *state;
    static const char *const values[] = {"default", "plugin", "ml", "nt"};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct dtr_error err;
        rig->closed = false;
        assert_int_equal(start(rig, values[i], &err), DTR_OK);
        close_scheduler(rig);
    }
}

static void it_closes_while_a_script_is_read(void **state)
{
    struct rig *rig = *state;
    write_script(rig, "a", 1);
    must_start(rig, rig->path);
    begin_slow_load(rig);
    close_scheduler(rig);
}

int main(void)
{
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_RIG(the_script_decides_and_the_next_one_after_it),
        WITH_RIG(other_limits_leave_the_script_in_charge),
        WITH_RIG(another_algorithm_takes_over_between_two_decisions),
        WITH_RIG(a_bad_script_that_was_named_is_an_error),
        WITH_RIG(without_the_usual_script_the_formula_decides),
        WITH_RIG(it_closes_while_a_script_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
