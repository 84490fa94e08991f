/* The table of tasks: how it begins and ends, what the store's scan puts into it, who is found in it; see
 * task.h. */
#include "core/daemon/tasks/check.h"
#include "core/daemon/tasks/proof.h"

#include "core/base/clock.h"
#include <stdlib.h>

int dtr_tasks_new(const struct dtr_tasks_options *options, struct dtr_tasks **ret_tasks,
                  struct dtr_error *err)
{
    struct dtr_tasks *tasks = calloc(1, sizeof(*tasks));
    if (!tasks)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the tasks");
    tasks->options = *options;
    dtr_list_init(&tasks->prefetch_waiting);
    journal_init(&tasks->journal);
    int rc = scrub_new(tasks, err);
    if (rc != DTR_OK)
        free(tasks);
    else
        *ret_tasks = tasks;
    return rc;
}

void dtr_tasks_configure(struct dtr_tasks *tasks, const struct dtr_tasks_options *options)
{
    bool have_scheduler = tasks->options.plan.have_scheduler;
    tasks->options.plan = options->plan;
    tasks->options.plan.have_scheduler = have_scheduler;
    tasks->options.origin_headers = options->origin_headers;
    tasks->options.origin_ca_file = options->origin_ca_file;
    tasks->options.renew_after_ms = options->renew_after_ms;
    tasks->options.origin_repeats = options->origin_repeats;
    tasks->options.redirect_ttl_ms = options->redirect_ttl_ms;
}

void dtr_tasks_have_scheduler(struct dtr_tasks *tasks, bool have)
{
    tasks->options.plan.have_scheduler = have;
}

void dtr_tasks_scheduler_back(struct dtr_tasks *tasks)
{
    for (struct dtr_map_node *node = dtr_map_next(&tasks->by_id, NULL), *next; node; node = next) {
        struct dtr_task *task = dtr_container(node, struct dtr_task, node);
        next = dtr_map_next(&tasks->by_id, node);
        if (!task->planner || suspects_watched(task))
            continue; /* where peers gave wrong bytes, the origin alone is asked */
        dtr_planner_scheduler_back(task->planner, dtr_now_ms());
        dtr_task_act(task);
    }
}

const struct journal *dtr_tasks_journal(const struct dtr_tasks *tasks)
{
    return &tasks->journal;
}

/* --- the tasks in it ------------------------------------------------------------------------------------ */

int tasks_add(struct dtr_tasks *tasks, const struct dtr_task_facts *facts, struct dtr_task **ret_task,
              struct dtr_error *err)
{
    int rc = task_new(tasks, facts, ret_task, err);
    if (rc != DTR_OK)
        return rc;
    struct dtr_task *task = *ret_task;
    if (dtr_map_add(&tasks->by_id, &task->node, task->facts.task_id, DTR_TASK_ID_LENGTH))
        return DTR_OK;
    *ret_task = NULL;
    task_free(task);
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a task");
}

/* Nobody has read it yet in this process. */
static int take_stored_piece(struct dtr_task *task, const struct dtr_piece *piece, struct dtr_error *err)
{
    if (!dtr_ranges_add(&task->owed, piece->offset, piece->offset + piece->length))
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for pieces");
    return task_add_piece(task, piece, err);
}

int dtr_tasks_known(struct dtr_tasks *tasks, const struct dtr_task_facts *facts,
                    const struct dtr_piece *pieces, uint32_t count, bool checked, struct dtr_error *err)
{
    struct dtr_task *task = NULL;
    int rc = tasks_add(tasks, facts, &task, err);
    if (rc != DTR_OK)
        return rc;
    task->stored = true;
    for (uint32_t i = 0; i < count && rc == DTR_OK; i++)
        rc = take_stored_piece(task, &pieces[i], err);
    if (rc != DTR_OK) {
        task_forget(task);
        return rc;
    }
    task->unchecked = !checked;
    if (!dtr_task_is_whole(task) &&
        (!task_restore_part(task) || (!task->checkable && !task->piece_count_had)))
        task_spoil(task);
    return DTR_OK;
}

struct dtr_task *dtr_tasks_find(struct dtr_tasks *tasks, const char *task_id)
{
    struct dtr_map_node *node = dtr_map_find(&tasks->by_id, task_id);
    return node ? dtr_container(node, struct dtr_task, node) : NULL;
}

void dtr_tasks_each(struct dtr_tasks *tasks, void (*each)(void *context, const struct dtr_task *task),
                    void *context)
{
    for (struct dtr_map_node *node = dtr_map_next(&tasks->by_id, NULL); node;
         node = dtr_map_next(&tasks->by_id, node))
        each(context, dtr_container(node, struct dtr_task, node));
}

/* --- the end -------------------------------------------------------------------------------------------- */

static void on_tasks_gone(struct dtr_msg *msg)
{
    struct dtr_tasks *tasks = dtr_container(msg, struct dtr_tasks, msg);
    void (*closed)(void *) = tasks->closed;
    void *context = tasks->closed_context;
    dtr_map_clear(&tasks->by_id);
    journal_clear(&tasks->journal);
    free(tasks);
    if (closed)
        closed(context);
}

void tasks_end(struct dtr_tasks *tasks)
{
    if (tasks->closing && tasks->by_id.count == 0 && !tasks->cleaning.asked)
        dtr_loop_post(tasks->options.control, &tasks->msg);
}

void task_forget(struct dtr_task *task)
{
    struct dtr_tasks *tasks = task->tasks;
    scrub_forget(task);
    dtr_map_remove(&tasks->by_id, &task->node);
    task_free(task);
    tasks_end(tasks);
}

void dtr_tasks_close(struct dtr_tasks *tasks, void (*closed)(void *context), void *context)
{
    const struct dtr_error over = {.code = DTR_ECANCELLED, .text = "the daemon stops"};
    tasks->closing = true;
    tasks->closed = closed;
    tasks->closed_context = context;
    tasks->msg.run = on_tasks_gone;
    scrub_close(tasks);
    if (tasks->by_id.count == 0) {
        tasks_end(tasks);
        return;
    }
    struct dtr_map_node *node = dtr_map_next(&tasks->by_id, NULL);
    while (node) {
        struct dtr_task *task = dtr_container(node, struct dtr_task, node);
        task->awaits_room = false;
        node = dtr_map_next(&tasks->by_id, node);
        task_undelete(task, over.code, over.text);
        readers_fail(task, &over);
        pull_cancel(task);
        renew_stop(task);
        task_settle(task);
    }
}
