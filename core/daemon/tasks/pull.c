/* A pull: it begins with a planner, carries out what that wants, and ends. Its transfers are in
 * pull_transfer.c. */
#include "core/daemon/tasks/check.h"
#include "core/daemon/tasks/pull_internal.h"

#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/obs/log.h"
#include <stdlib.h>

enum {
    EXPECTED = 128 << 10, /* bytes of an object at most, */
    EXPECTED_AFTER = 8    /* when so many objects in a row had no more */
};

/* --- what the planner wants ----------------------------------------------------------------------------- */

/* Stores that a task is complete, behind the transfers that made it so. */
struct note {
    struct dtr_msg msg;
    struct dtr_copy *copy;
    int64_t finished_at;
    char *headers;
};

static void store_note(struct dtr_msg *msg)
{
    struct note *note = dtr_container(msg, struct note, msg);
    (void)dtr_copy_note(note->copy, note->headers, note->finished_at, note->finished_at, NULL);
    free(note->headers);
    free(note);
}

void pull_note_finished(struct dtr_task *task)
{
    struct note *note = calloc(1, sizeof(*note));
    task->facts.finished_at = dtr_wall_ns() / 1000000000;
    if (!note)
        return; /* the pieces are marked; only the time is lost */
    *note = (struct note){.msg.run = store_note, .copy = task->copy, .finished_at = task->facts.finished_at};
    note->headers = strdup(task->facts.headers);
    dtr_loop_post(task->data, &note->msg);
}

/* Nothing of an object that does not fit is taken; the planner hears so from each transfer. */
static void see_whether_it_fits(struct dtr_task *task)
{
    task->refused = !clean_fits(task);
    if (task->refused)
        pull_cancel_transfers(task);
}

/* Who asks for many small files asks for more of them. */
static void note_length(struct dtr_task *task, uint64_t length)
{
    if (task->facts.content_length != DTR_LENGTH_UNKNOWN || length == DTR_LENGTH_UNKNOWN)
        return;
    if (length > EXPECTED)
        task->tasks->small_in_a_row = 0;
    else if (task->tasks->small_in_a_row < EXPECTED_AFTER)
        task->tasks->small_in_a_row++;
}

/* Where that is wrong the origin has sent so much in vain, and the pulls that come then expect nothing. Of
 * what has a digest nothing is expected: small layers of an image come before large ones, on all nodes at
 * once. */
static uint64_t expected(const struct dtr_task *task)
{
    bool small = task->tasks->small_in_a_row >= EXPECTED_AFTER;
    return small && !*task->facts.digest ? EXPECTED : 0;
}

static void on_length(struct dtr_task *task, const struct dtr_plan_action *action)
{
    note_length(task, action->content_length);
    task->facts.content_length = action->content_length;
    task->facts.piece_length = action->piece_length;
    see_whether_it_fits(task);
    readers_wake(task);
}

static void on_done(struct dtr_task *task)
{
    uint64_t total = task->facts.content_length;
    if (total != DTR_LENGTH_UNKNOWN && !task->facts.finished_at && !check_owed(task) &&
        dtr_ranges_has(&task->readable, 0, total)) {
        suspects_free(task);
        pull_note_finished(task);
    }
    prefetch_over(task, &(struct dtr_error){0});
    task->withdrawn = false;
    readers_wake(task);
}

/* The origin has another object than the store: that one goes, and the next readers get the origin's. What
 * the store has no room for is of use to nobody as a part; its readers do without it, and the room is for
 * others. */
static void on_fail(struct dtr_task *task, const struct dtr_error *err)
{
    if (err->code == DTR_ECORRUPT && !task->spoilt) {
        dtr_log(DTR_LOG_WARN, dtr_task_pull_id(task), "task %.8s is withdrawn: %s", task->facts.task_id,
                err->text);
        task_spoil(task);
    }
    task->failed = true;
    if (clean_wait(task, err))
        return;
    readers_fail(task, err);
    prefetch_over(task, err);
    if (err->code == DTR_ENO_SPACE)
        task_spoil(task);
}

static void carry_out(struct dtr_task *task, const struct dtr_plan_action *action)
{
    const struct dtr_outside *outside = &task->tasks->options.outside;
    struct running *running;
    pull_log_action(task, action);
    switch (action->kind) {
    case DTR_PLAN_FETCH:
    case DTR_PLAN_ORIGIN:
        pull_begin_transfer(task, action);
        break;
    case DTR_PLAN_HOLD:
    case DTR_PLAN_RESUME:
    case DTR_PLAN_CANCEL:
        running = pull_find(task, action->id);
        if (running && action->kind == DTR_PLAN_CANCEL)
            dtr_transfer_cancel(running->transfer);
        else if (running)
            dtr_transfer_hold(running->transfer, action->kind == DTR_PLAN_HOLD);
        break;
    case DTR_PLAN_CUT:
        running = pull_find(task, action->id);
        if (running) {
            running->end = action->offset;
            dtr_transfer_cut(running->transfer, action->offset);
        }
        break;
    case DTR_PLAN_LENGTH:
        on_length(task, action);
        break;
    case DTR_PLAN_CHECK:
        check_whole(task);
        break;
    case DTR_PLAN_DONE:
        on_done(task);
        break;
    case DTR_PLAN_FAIL:
        on_fail(task, action->error);
        break;
    case DTR_PLAN_PARENT_OPEN:
    case DTR_PLAN_PARENT_CLOSE:
        outside->parent(outside->context, task, action);
        break;
    default:
        outside->scheduler(outside->context, task, action);
    }
}

static void on_timer(void *context)
{
    struct dtr_task *task = context;
    dtr_planner_tick(task->planner, dtr_now_ms());
    dtr_task_act(task);
}

static void end_pull(struct dtr_task *task)
{
    dtr_planner_free(task->planner);
    task->planner = NULL;
    dtr_timer_close(task->timer);
    task->timer = NULL;
    free(task->parents);
    task->parents = NULL;
    task->parent_room = 0;
    pull_log_end(task);
    pull_tell_piece(task, NULL);
    task_settle(task);
}

void dtr_task_act(struct dtr_task *task)
{
    struct dtr_plan_action action;
    if (task->acting || !task->planner)
        return; /* an event from inside: the outer loop goes on with it */
    task->acting = true;
    while (dtr_planner_next(task->planner, &action))
        carry_out(task, &action);
    pull_log_look(task);
    task->acting = false;
    if (dtr_planner_ended(task->planner)) {
        end_pull(task);
        return;
    }
    uint64_t wake = dtr_planner_wake(task->planner), now = dtr_now_ms();
    dtr_timer_set(task->timer, wake == DTR_PLAN_NEVER ? DTR_TIMER_OFF : wake > now ? wake - now : 0);
}

/* --- begin and end -------------------------------------------------------------------------------------- */

static uint8_t *stored_bits(const struct dtr_task *task)
{
    uint8_t *bits = calloc(task->piece_room / 8 + 1, 1);
    for (uint32_t i = 0; bits && i < task->piece_room; i++) {
        if (task->pieces[i].length > 0)
            bits[i / 8] = (uint8_t)(bits[i / 8] | 1 << i % 8);
    }
    return bits;
}

static int new_planner(struct dtr_task *task, const struct dtr_reader *first, struct dtr_error *err)
{
    struct dtr_plan_config config = task->tasks->options.plan;
    uint8_t *bits = stored_bits(task);
    struct dtr_plan_start start = {.reader = first ? first->number : 0,
                                   .offset = first ? first->offset : 0,
                                   .length = first ? first->length : 0,
                                   .whole = task->prefetch == PREFETCH_RUNS,
                                   .content_length = task->facts.content_length,
                                   .stored = bits,
                                   .stored_count = task->piece_room};
    if (!bits)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a pull");
    config.check = check_owed(task);
    config.expected = expected(task);
    config.need_back_to_source = task->wish.need_back_to_source;
    config.disable_back_to_source = config.disable_back_to_source || task->wish.disable_back_to_source;
    if (task->withdrawn)
        config.p2p_threshold = 0; /* the scheduler hears that it is whole again, however little was missing */
    if (suspects_watched(task) && !config.need_back_to_source && !config.disable_back_to_source)
        config.have_scheduler = false; /* peers gave wrong bytes: the origin alone tells right ones */
    config.piece_length = task->facts.piece_length ? task->facts.piece_length : task->wish.piece_length;
    dtr_random(&config.seed, sizeof(config.seed));
    int rc = dtr_planner_new(&config, &start, dtr_now_ms(), &task->planner, err);
    free(bits);
    return rc;
}

int pull_start(struct dtr_task *task, const struct dtr_reader *first, struct dtr_error *err)
{
    int rc = dtr_timer_open(task->tasks->options.control, on_timer, task, &task->timer, err);
    if (rc == DTR_OK)
        rc = new_planner(task, first, err);
    if (rc != DTR_OK) {
        dtr_timer_close(task->timer);
        task->timer = NULL;
        return rc;
    }
    pull_log_begin(task, first);
    task->failed = false;
    see_whether_it_fits(task);
    dtr_list_each (node, &task->readers) {
        const struct dtr_reader *reader = dtr_container(node, struct dtr_reader, link);
        if (reader != first && !reader->failed && !reader->ended && !reader->local_only)
            (void)dtr_planner_want(task->planner, dtr_now_ms(), reader->number, reader->offset,
                                   reader->length);
    }
    dtr_task_act(task);
    return DTR_OK;
}

/* The planner goes at once; its transfers are told, and report into the void. */
void pull_cancel(struct dtr_task *task)
{
    pull_cancel_transfers(task);
    prefetch_over(task, &(struct dtr_error){.code = DTR_ECANCELLED});
    if (!task->planner)
        return;
    pull_log_end(task);
    dtr_planner_free(task->planner);
    task->planner = NULL;
    dtr_timer_close(task->timer);
    task->timer = NULL;
}

void pull_abort(struct dtr_task *task)
{
    pull_cancel_transfers(task);
    if (task->planner)
        end_pull(task);
}

int dtr_task_parent_at(struct dtr_task *task, uint32_t parent, const struct dtr_addr *addr,
                       struct dtr_error *err)
{
    if (parent >= task->parent_room) {
        struct dtr_addr *grown = realloc(task->parents, (parent + 1) * sizeof(*grown));
        if (!grown)
            return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for parents");
        memset(grown + task->parent_room, 0, (parent + 1 - task->parent_room) * sizeof(*grown));
        task->parents = grown;
        task->parent_room = parent + 1;
    }
    task->parents[parent] = *addr;
    return DTR_OK;
}
