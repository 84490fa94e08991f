/* The scrub: while nothing goes on, one task after the other is read again, piece by piece, at the pace that
 * the store names; what has changed on the disk is found before somebody needs it. Never read ones come
 * first, then those whose turn is longest ago. */
#include "core/daemon/tasks/check.h"
#include "core/daemon/tasks/proof.h"

#include "core/base/clock.h"
#include <stdlib.h>

enum {
    BUSY_MS = 1000,
    NOTHING_MS = 10000,
    LEAST_MS = 50,          /* between two pieces, however small they are */
    AGAIN_MS = 3600 * 1000, /* between two readings of the same task */
};

static void rest(struct dtr_tasks *tasks, uint64_t ms)
{
    if (tasks->scrub.timer)
        dtr_timer_set(tasks->scrub.timer, ms);
}

/* Goes on with the same task later, unless another one is due. */
static void leave(struct dtr_tasks *tasks)
{
    struct dtr_task *task = tasks->scrub.task;
    tasks->scrub.task = NULL;
    tasks->scrub.due = false;
    if (!task)
        return;
    task->scrubbing = false;
    task_settle(task);
}

/* Somebody waits for bytes, here or elsewhere. */
static bool is_busy(const struct dtr_tasks *tasks)
{
    for (struct dtr_map_node *node = dtr_map_next(&tasks->by_id, NULL); node;
         node = dtr_map_next(&tasks->by_id, node)) {
        const struct dtr_task *task = dtr_container(node, struct dtr_task, node);
        if (!task_idle(task))
            return true;
    }
    return false;
}

/* Of those that are due. */
static struct dtr_task *longest_ago(const struct dtr_tasks *tasks)
{
    struct dtr_task *first = NULL;
    uint64_t now = dtr_now_ms();
    for (struct dtr_map_node *node = dtr_map_next(&tasks->by_id, NULL); node;
         node = dtr_map_next(&tasks->by_id, node)) {
        struct dtr_task *task = dtr_container(node, struct dtr_task, node);
        bool due = task->scrubbed_ms == 0 || now - task->scrubbed_ms >= AGAIN_MS;
        if (task->piece_count_had > 0 && due && (!first || task->scrubbed_ms < first->scrubbed_ms))
            first = task;
    }
    return first;
}

/* The next piece that is there, from this number on; false: there is none. */
static bool find_piece(struct dtr_task *task)
{
    while (task->scrub_piece < task->piece_room && task->pieces[task->scrub_piece].length == 0)
        task->scrub_piece++;
    return task->scrub_piece < task->piece_room;
}

/* The task whose turn it is, at a piece that is there; NULL: there is none. */
static struct dtr_task *find_task(struct dtr_tasks *tasks)
{
    struct dtr_task *task = tasks->scrub.task;
    if (task && find_piece(task))
        return task;
    if (task) {
        task->scrubbed_ms = dtr_now_ms();
        task->scrub_piece = 0;
        leave(tasks);
    }
    task = longest_ago(tasks);
    return task && find_piece(task) ? task : NULL;
}

static void on_timer(void *context)
{
    struct dtr_tasks *tasks = context;
    struct dtr_task *task = NULL;
    if (is_busy(tasks)) {
        leave(tasks);
        rest(tasks, BUSY_MS);
        return;
    }
    task = find_task(tasks);
    rest(tasks, task ? BUSY_MS : NOTHING_MS); /* whatever becomes of the piece */
    if (!task)
        return;
    tasks->scrub.task = task;
    tasks->scrub.due = true;
    task->scrubbing = true;
    task_settle(task);
}

void scrub_read(struct dtr_task *task, uint32_t number, uint64_t length)
{
    struct dtr_tasks *tasks = task->tasks;
    if (tasks->scrub.task != task || !tasks->scrub.due || task->scrub_piece != number)
        return;
    tasks->scrub.due = false;
    task->scrub_piece++;
    uint64_t pace = length * 1000 / tasks->scrub.rate;
    rest(tasks, pace > LEAST_MS ? pace : LEAST_MS);
    if (task->spoilt || task->deleted)
        scrub_forget(task);
}

void scrub_forget(struct dtr_task *task)
{
    struct dtr_tasks *tasks = task->tasks;
    task->scrubbing = false;
    if (tasks->scrub.task != task)
        return;
    tasks->scrub.task = NULL;
    tasks->scrub.due = false;
}

int scrub_new(struct dtr_tasks *tasks, struct dtr_error *err)
{
    const struct dtr_tasks_options *options = &tasks->options;
    int rc = DTR_OK;
    if (options->storage && DTR_STORAGE_HAS(options->storage, scrub_rate))
        tasks->scrub.rate = options->storage->scrub_rate(options->storage_instance);
    if (tasks->scrub.rate > 0)
        rc = dtr_timer_open(options->control, on_timer, tasks, &tasks->scrub.timer, err);
    rest(tasks, BUSY_MS);
    return rc;
}

void scrub_close(struct dtr_tasks *tasks)
{
    if (tasks->scrub.timer)
        dtr_timer_close(tasks->scrub.timer);
    tasks->scrub.timer = NULL;
    leave(tasks);
}
