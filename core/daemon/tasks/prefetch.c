/* Prefetch: who reads a part makes the rest come too, for the next part. Once per task; a bounded number of
 * tasks at a time, and a bounded number in line. The pull itself orders the bytes: what readers wait for
 * comes first (dtr_planner_whole()). Not for: rates (transfer.h). */
#include "core/daemon/tasks/task_internal.h"

#include "core/base/clock.h"
#include "core/obs/log.h"
#include "core/obs/metric.h"

enum {
    RUNNING = 8,      /* tasks that are prefetched at a time */
    LINE = 64,        /* that wait for that */
    AGAIN_MS = 60000, /* after a failure */
};

static void count(const struct dtr_task *task, enum dtr_metric_id metric)
{
    /* Standard tasks, and the usual priority. */
    dtr_metric_add(metric, DTR_LABELS("0", task->facts.tag, task->facts.application, "0"), 1);
}

static void begin(struct dtr_task *task)
{
    task->prefetch = PREFETCH_RUNS;
    task->tasks->prefetch_running++;
    count(task, DTR_CLIENT_PREFETCH_TASK);
    prefetch_look_again(task);
    dtr_log(DTR_LOG_DEBUG, dtr_task_pull_id(task), "task %.8s is prefetched as a whole", task->facts.task_id);
    /* A pull that is over takes no more; the next one begins with it. */
    if (task->planner && dtr_planner_whole(task->planner, dtr_now_ms()))
        dtr_task_act(task);
    task_settle(task);
}

void prefetch_want(struct dtr_task *task)
{
    struct dtr_tasks *tasks = task->tasks;
    bool failed = task->prefetch_failed_ms && dtr_now_ms() < task->prefetch_failed_ms + AGAIN_MS;
    if (task->prefetch != PREFETCH_NONE || tasks->closing || failed || dtr_task_is_whole(task))
        return;
    if (tasks->prefetch_running < RUNNING) {
        begin(task);
        return;
    }
    if (tasks->prefetch_waiting_count >= LINE) {
        dtr_log(DTR_LOG_DEBUG, NULL, "task %.8s is not prefetched: %d others wait for that",
                task->facts.task_id, LINE);
        return;
    }
    task->prefetch = PREFETCH_WAITS;
    tasks->prefetch_waiting_count++;
    dtr_list_add_tail(&tasks->prefetch_waiting, &task->prefetch_link);
}

void prefetch_unwait(struct dtr_task *task)
{
    if (task->prefetch != PREFETCH_WAITS)
        return;
    task->prefetch = PREFETCH_NONE;
    task->tasks->prefetch_waiting_count--;
    dtr_list_remove(&task->prefetch_link);
}

/* The first in line that still lacks something. */
static void begin_next(struct dtr_tasks *tasks)
{
    while (!tasks->closing && tasks->prefetch_running < RUNNING &&
           !dtr_list_empty(&tasks->prefetch_waiting)) {
        struct dtr_task *next = dtr_container(tasks->prefetch_waiting.next, struct dtr_task, prefetch_link);
        prefetch_unwait(next);
        if (!dtr_task_is_whole(next))
            begin(next);
    }
}

void prefetch_over(struct dtr_task *task, const struct dtr_error *err)
{
    if (task->prefetch != PREFETCH_RUNS || (err->code == DTR_OK && !dtr_task_is_whole(task)))
        return;
    task->prefetch = PREFETCH_NONE;
    task->tasks->prefetch_running--;
    if (err->code != DTR_OK && err->code != DTR_ECANCELLED) {
        task->prefetch_failed_ms = dtr_now_ms();
        count(task, DTR_CLIENT_PREFETCH_TASK_FAILURE);
    }
    begin_next(task->tasks);
}

bool prefetch_lacks(const struct dtr_task *task)
{
    return task->prefetch == PREFETCH_RUNS && !dtr_task_is_whole(task);
}

bool prefetch_is_ahead(const struct running *running)
{
    const struct dtr_task *task = running->task;
    bool ahead = task->prefetch == PREFETCH_RUNS;
    dtr_list_each (node, &task->readers) {
        const struct dtr_reader *reader = dtr_container(node, struct dtr_reader, link);
        if (reader->ended || reader->failed || reader->local_only)
            continue;
        if (!reader->is_prefetch && reader->told < running->end && running->at < reader_end(reader))
            return false;
        ahead = ahead || reader->is_prefetch;
    }
    return ahead;
}

void prefetch_look_again(struct dtr_task *task)
{
    dtr_list_each (node, &task->transfers) {
        struct running *running = dtr_container(node, struct running, link);
        bool ahead = prefetch_is_ahead(running);
        if (atomic_exchange(&running->in_background, ahead) && !ahead)
            dtr_transfer_hurry(running->transfer);
    }
}
