/* See task_fixture.h. */
#include "core/daemon/tasks/task_fixture.h"

#include "core/base/clock.h"
#include <stdlib.h>

const char task_id[] = "5844f27a257287e9b734256bb25603d8005422ced8c0377f15063ec11963b25f";
struct dtr_loop *control, *data;
struct dtr_pool *pool;
struct dtr_tasks *tasks;
struct rig_script script;
enum scheduler_says scheduler_says;
struct dtr_str said;
char digest[80];
bool ask_length;
int lying;

/* --- the world outside
 * ---------------------------------------------------------------------------------------- */

struct later {
    struct dtr_msg msg;
    struct dtr_task *task;
    enum dtr_plan_kind kind;
    uint32_t parent;
};

/* Answers come in a message of their own, as from a socket. */
static void answer_later(struct dtr_msg *msg)
{
    struct later *later = dtr_container(msg, struct later, msg);
    struct dtr_planner *planner = dtr_task_planner(later->task);
    const struct dtr_plan_parent parent = {
        .peer_id = "p1", .host_id = "h1", .address = "10.0.0.1", .port = 4000};
    const struct dtr_plan_stat stat = {.known = scheduler_says == SAYS_PARENT,
                                       .available = scheduler_says == SAYS_PARENT,
                                       .content_length =
                                           scheduler_says == SAYS_PARENT ? RIG_SIZE : DTR_LENGTH_UNKNOWN};
    struct dtr_plan_answer answer = {.kind = DTR_PLAN_ANSWER_BACK_TO_SOURCE,
                                     .content_length = DTR_LENGTH_UNKNOWN};
    struct dtr_addr addr;
    if (scheduler_says == SAYS_PARENT)
        answer = (struct dtr_plan_answer){.kind = DTR_PLAN_ANSWER_NORMAL,
                                          .parents = &parent,
                                          .parent_count = 1,
                                          .content_length = RIG_SIZE};
    if (planner && later->kind == DTR_PLAN_STAT_TASK)
        dtr_planner_stat(planner, dtr_now_ms(), &stat);
    bool asks = later->kind == DTR_PLAN_REGISTER || later->kind == DTR_PLAN_RESCHEDULE;
    if (planner && asks && scheduler_says == SAYS_NOTHING)
        dtr_planner_scheduler_lost(planner, dtr_now_ms(), NULL, false);
    else if (planner && asks)
        dtr_planner_answer(planner, dtr_now_ms(), &answer);
    if (planner && later->kind == DTR_PLAN_PARENT_OPEN) {
        assert_int_equal(dtr_addr_ip("10.0.0.1", 4005, &addr, NULL), DTR_OK);
        assert_int_equal(dtr_task_parent_at(later->task, later->parent, &addr, NULL), DTR_OK);
        dtr_planner_piece_seen(planner, dtr_now_ms(), later->parent, 0);
        dtr_planner_piece_seen(planner, dtr_now_ms(), later->parent, 1);
    }
    dtr_task_act(later->task);
    free(later);
}

static void hear(void *context, struct dtr_task *task, const struct dtr_plan_action *action)
{
    struct later *later = calloc(1, sizeof(*later));
    (void)context;
    if (action->kind != DTR_PLAN_PARENT_OPEN && action->kind != DTR_PLAN_PARENT_CLOSE)
        dtr_str_printf(&said, " %s", dtr_plan_kind_text(action->kind));
    *later =
        (struct later){.msg.run = answer_later, .task = task, .kind = action->kind, .parent = action->parent};
    dtr_loop_post(control, &later->msg);
}

/* --- readers
 * --------------------------------------------------------------------------------------------------- */

static void on_head(void *context, uint64_t content_length, const char *headers)
{
    struct seen *seen = context;
    seen->head = true;
    seen->length = content_length;
    assert_non_null(headers);
}

static void on_readable(void *context, uint64_t until)
{
    struct seen *seen = context;
    assert_true(seen->head);
    assert_true(until > seen->until);
    seen->until = until;
}

static void on_ended(void *context, const struct dtr_error *err)
{
    struct seen *seen = context;
    assert_false(seen->ended);
    seen->ended = true;
    seen->result = *err;
}

static const struct dtr_reader_events events = {on_head, on_readable, on_ended};

void set_flag(void *context)
{
    *(bool *)context = true;
}

void begin(bool have_scheduler)
{
    struct dtr_error err;
    struct dtr_tasks_options options = {
        .control = control,
        .data = &data,
        .data_count = 1,
        .storage = &rig_storage,
        .transport = &rig_transport,
        .transport_instance = &lying,
        .origin = &rig_origin,
        .origin_instance = &script,
        .connect_ms = 1000,
        .pool = pool,
        .outside = {.scheduler = hear, .parent = hear},
    };
    dtr_plan_config_default(&options.plan);
    options.plan.have_scheduler = have_scheduler;
    options.plan.ask_length = ask_length;
    options.plan.stall_timeout_ms = 5000; /* none of these tests waits for it, however slow the machine */
    memset(&rig_disk, 0, sizeof(rig_disk));
    dtr_str_free(&said);
    lying = 0;
    script =
        (struct rig_script){.status = 200, .close_at = DTR_LENGTH_UNKNOWN, .silent_at = DTR_LENGTH_UNKNOWN};
    scheduler_says = SAYS_SOURCE;
    assert_int_equal(dtr_tasks_new(&options, &tasks, &err), DTR_OK);
}

void finish(void)
{
    bool closed = false;
    dtr_tasks_close(tasks, set_flag, &closed);
    TURN_UNTIL(control, closed);
}

void read_as(struct seen *seen, const struct dtr_read_request *request)
{
    struct dtr_error err;
    *seen = (struct seen){.until = request->offset};
    assert_int_equal(dtr_tasks_read(tasks, request, &events, seen, &seen->reader, &err), DTR_OK);
    assert_false(seen->head);
}

void read_range(struct seen *seen, uint64_t offset, uint64_t length)
{
    const struct dtr_read_request request = {
        .task_id = task_id, .url = "http://o/x", .digest = digest, .offset = offset, .length = length};
    read_as(seen, &request);
}

void pull_whole(void)
{
    struct seen seen;
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    TURN_UNTIL(control, seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.until, RIG_SIZE);
    dtr_reader_close(seen.reader);
}

int fixture_set_up(void **state)
{
    struct dtr_error err;
    (void)state;
    rig_fill();
    assert_int_equal(dtr_loop_new("control", &control, &err), DTR_OK);
    assert_int_equal(dtr_loop_new("data", &data, &err), DTR_OK);
    assert_int_equal(dtr_pool_new(1, 100, &pool, &err), DTR_OK);
    return dtr_loop_start(data, &err);
}

int fixture_tear_down(void **state)
{
    (void)state;
    dtr_pool_free(pool);
    dtr_loop_stop(data);
    dtr_loop_join(data);
    dtr_loop_free(data);
    dtr_loop_free(control);
    dtr_str_free(&said);
    return 0;
}
