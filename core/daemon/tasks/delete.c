/* The end of a task before its table's: it leaves the store once its copy is closed, and then the table.
 *
 * A reader that comes before the order to evict keeps the task. One that comes while the data thread removes
 * the bytes finds an empty task, which is then pulled anew. */
#include "core/daemon/tasks/check.h"
#include "core/daemon/tasks/proof.h"

#include "core/base/clock.h"

static void tell(struct dtr_task *task, const struct dtr_error *err)
{
    void (*deleted)(void *, const struct dtr_error *) = task->deleted;
    task->deleted = NULL;
    if (deleted)
        deleted(task->deleted_context, err);
}

void task_undelete(struct dtr_task *task, int code, const char *why)
{
    struct dtr_error err;
    if (!task->deleted || task->state == COPY_EVICTING)
        return;
    (void)dtr_error_set(&err, code, DTR_RETRY_SAME, "task %.8s was not deleted: %s", task->facts.task_id,
                        why);
    tell(task, &err);
}

static void forget_bytes(struct dtr_task *task)
{
    dtr_ranges_free(&task->readable);
    readers_lose(task);
    if (task->pieces)
        memset(task->pieces, 0, task->piece_room * sizeof(*task->pieces));
    task->piece_count_had = 0;
    proof_forget(task);
}

void task_spoil(struct dtr_task *task)
{
    task->spoilt = true;
    forget_bytes(task);
}

/* Nothing of it is known any more. */
static void clear(struct dtr_task *task)
{
    forget_bytes(task);
    task->version[0] = '\0';
    task->facts.content_length = DTR_LENGTH_UNKNOWN;
    task->facts.piece_length = 0;
    task->facts.finished_at = task->facts.used_at = 0;
    task->facts.created_at = dtr_wall_ns() / 1000000000;
    if (task_keep(task, RESPONSE_HEADERS, ""))
        task->facts.headers = task->strings[RESPONSE_HEADERS];
}

static bool came_to_nothing(const struct dtr_task *task)
{
    return !task->stored && task->piece_count_had == 0 && task->readable.count == 0 &&
           !task->facts.finished_at && !suspects_watched(task);
}

/* Control: the store has answered. */
static void on_evicted(struct dtr_msg *msg)
{
    struct dtr_task *task = dtr_container(msg, struct dtr_task, copy_msg);
    struct dtr_error result = task->copy_error;
    task->state = COPY_CLOSED;
    if (result.code == DTR_ENOT_FOUND)
        result.code = DTR_OK; /* a task of which nothing was stored yet */
    if (result.code == DTR_OK || task->spoilt)
        clear(task);
    task->spoilt = false;
    tell(task, &result);
    bool gone = result.code == DTR_OK || came_to_nothing(task);
    if (gone && dtr_list_empty(&task->readers) && !suspects_watched(task))
        task_forget(task);
    else
        task_settle(task);
}

/* Data thread. */
static void evict(struct dtr_msg *msg)
{
    struct dtr_task *task = dtr_container(msg, struct dtr_task, copy_msg);
    const struct dtr_tasks_options *options = &task->tasks->options;
    task->copy_error = (struct dtr_error){0};
    task->copy_error.code =
        options->storage->evict(options->storage_instance, task->facts.task_id, &task->copy_error);
    task->copy_msg.run = on_evicted;
    dtr_loop_post(options->control, &task->copy_msg);
}

bool task_evict(struct dtr_task *task)
{
    if (!task->deleted && !task->spoilt && !came_to_nothing(task))
        return false;
    task->state = COPY_EVICTING;
    task->copy_msg.run = evict;
    dtr_loop_post(task->data, &task->copy_msg);
    return true;
}

int dtr_tasks_delete(struct dtr_tasks *tasks, const char *task_id,
                     void (*deleted)(void *context, const struct dtr_error *err), void *context,
                     struct dtr_error *err)
{
    struct dtr_task *task = dtr_tasks_find(tasks, task_id);
    if (!task)
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "task %.64s is not here", task_id);
    if (tasks->closing)
        return dtr_error_set(err, DTR_ECANCELLED, DTR_RETRY_ELSEWHERE, "the daemon stops");
    if (task->deleted)
        return dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "task %.8s is being deleted already",
                             task_id);
    if (!dtr_list_empty(&task->readers) || task->pins || (task->planner && !dtr_planner_over(task->planner)))
        return dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME,
                             "task %.8s is in use: it is being read, downloaded or uploaded; delete it later",
                             task_id);
    task->deleted = deleted;
    task->deleted_context = context;
    task_settle(task);
    return DTR_OK;
}
