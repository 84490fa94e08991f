/* What is to go on with a task now: its copy is open while somebody uses it, a pull runs while a reader lacks
 * bytes, and nothing is kept of what nobody wants. Whatever changes that calls task_settle(). */
#include "core/daemon/tasks/check.h"
#include "core/daemon/tasks/proof.h"

#include "core/obs/log.h"
#include <stdlib.h>

/* --- who uses it ---------------------------------------------------------------------------------------- */

/* The first reader whose range is not all there. */
static struct dtr_reader *hungry(const struct dtr_task *task)
{
    dtr_list_each (node, &task->readers) {
        struct dtr_reader *reader = dtr_container(node, struct dtr_reader, link);
        uint64_t end = reader_end(reader);
        bool there = end != DTR_LENGTH_UNKNOWN && dtr_ranges_has(&task->readable, reader->offset, end);
        if (reader->announce && !reader->failed && !reader->local_only)
            return reader;
        if (!reader->failed && !reader->ended && !there && !reader->local_only)
            return reader;
    }
    return NULL;
}

static bool a_worker_reads(const struct dtr_task *task)
{
    return check_running(task) || proof_running(task);
}

static bool in_use(const struct dtr_task *task)
{
    dtr_list_each (node, &task->readers) {
        if (!dtr_container(node, struct dtr_reader, link)->failed)
            return true;
    }
    return task->planner || !dtr_list_empty(&task->transfers) || a_worker_reads(task) || task->scrubbing ||
           prefetch_lacks(task) || task->renewal;
}

bool task_idle(const struct dtr_task *task)
{
    return dtr_list_empty(&task->readers) && !task->planner && dtr_list_empty(&task->transfers) &&
           !a_worker_reads(task) && !task->pins && !task->spoilt && !task->deleted && !prefetch_lacks(task) &&
           !task->renewal;
}

bool task_waits_for_proof(const struct dtr_task *task)
{
    return proof_owed(task) && (task->unchecked || check_owed(task)) && hungry(task);
}

/* --- the copy is opened and closed on its data thread --------------------------------------------------- */

/* What is stored cannot be used: it goes, and the readers get the object anew. */
static void drop_damaged(struct dtr_task *task)
{
    dtr_log(DTR_LOG_WARN, NULL, "task %.8s is removed from the store, and fetched anew: %s",
            task->facts.task_id, task->copy_error.text);
    task->reopened = true;
    task_spoil(task);
    if (task->tasks->options.withdrawn)
        task->tasks->options.withdrawn(task->tasks->options.withdrawn_context, task->facts.task_id);
}

static void on_opened(struct dtr_msg *msg)
{
    struct dtr_task *task = dtr_container(msg, struct dtr_task, copy_msg);
    task->state = task->copy ? COPY_OPEN : COPY_CLOSED;
    task->cold = false;
    if (!task->copy)
        scrub_forget(task);
    if (!task->copy && task->copy_error.code == DTR_ECORRUPT && !task->reopened)
        drop_damaged(task);
    else if (!task->copy && !clean_wait(task, &task->copy_error)) {
        readers_fail(task, &task->copy_error);
        prefetch_over(task, &task->copy_error);
    } else if (task->copy)
        task->reopened = false;
    check_advance(task);
    readers_wake(task);
    task_settle(task);
}

/* The pieces as a list, for dtr_copy_open(). */
static uint32_t list_pieces(const struct dtr_task *task, struct dtr_piece *list)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < task->piece_room; i++) {
        if (task->pieces[i].length > 0)
            list[count++] = task->pieces[i];
    }
    return count;
}

/* Data thread. While the copy is being opened, control changes nothing that is read here. */
static void open_copy(struct dtr_msg *msg)
{
    struct dtr_task *task = dtr_container(msg, struct dtr_task, copy_msg);
    const struct dtr_tasks_options *options = &task->tasks->options;
    struct dtr_piece *list = malloc((task->piece_room + 1) * sizeof(*list));
    if (list)
        (void)dtr_copy_open(options->storage, options->storage_instance, &task->facts, list,
                            list_pieces(task, list), &task->copy, &task->copy_error);
    else
        (void)dtr_error_set(&task->copy_error, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for pieces");
    free(list);
    task->copy_msg.run = on_opened;
    dtr_loop_post(options->control, &task->copy_msg);
}

static void on_closed(struct dtr_msg *msg)
{
    struct dtr_task *task = dtr_container(msg, struct dtr_task, copy_msg);
    task->copy = NULL;
    task->state = COPY_CLOSED;
    task_settle(task);
}

static void close_copy(struct dtr_msg *msg)
{
    struct dtr_task *task = dtr_container(msg, struct dtr_task, copy_msg);
    if (task->used_at != dtr_copy_facts(task->copy)->used_at)
        (void)dtr_copy_note(task->copy, NULL, 0, task->used_at, NULL); /* else it gets old too early */
    dtr_copy_close(task->copy);
    task->copy_msg.run = on_closed;
    dtr_loop_post(task->tasks->options.control, &task->copy_msg);
}

static void close_now(struct dtr_task *task)
{
    check_end(task);
    task->room_tried = false;
    task->used_at = task->facts.used_at;
    task->state = COPY_CLOSING;
    task->copy_msg.run = close_copy;
    dtr_loop_post(task->data, &task->copy_msg);
}

/* --- what comes next ------------------------------------------------------------------------------------ */

/* Readers that came after the bytes were found wrong know nothing of them, and wait. */
static void settle_spoilt(struct dtr_task *task)
{
    bool held = task->planner || task->renewal || !dtr_list_empty(&task->transfers) || a_worker_reads(task);
    dtr_list_each (node, &task->readers)
        held = held || dtr_container(node, struct dtr_reader, link)->head_told;
    if (task->state == COPY_OPEN && !held)
        close_now(task);
    else if (task->state == COPY_CLOSED)
        (void)task_evict(task);
}

static void begin_pull(struct dtr_task *task)
{
    struct dtr_error err;
    if (task->planner || !dtr_list_empty(&task->transfers) || task->awaits_room || task->renewal ||
        task_waits_for_proof(task))
        return;
    struct dtr_reader *first = hungry(task);
    if (first)
        first->announce = false; /* once */
    if ((first || prefetch_lacks(task)) && pull_start(task, first, &err) != DTR_OK) {
        readers_fail(task, &err);
        prefetch_over(task, &err);
    }
}

void task_settle(struct dtr_task *task)
{
    struct dtr_tasks *tasks = task->tasks;
    bool wanted = in_use(task);
    if (task->spoilt) {
        settle_spoilt(task);
    } else if (task->state == COPY_CLOSED && wanted && task->awaits_room) {
        return;
    } else if (task->state == COPY_CLOSED && wanted) {
        task->state = COPY_OPENING;
        task->copy_msg.run = open_copy;
        dtr_loop_post(task->data, &task->copy_msg);
    } else if (task->state == COPY_OPEN && !wanted && dtr_list_empty(&task->readers)) {
        close_now(task);
    } else if (task->state == COPY_OPEN && !tasks->closing) {
        begin_pull(task);
        proof_advance(task);
    } else if (task->state == COPY_CLOSED && tasks->closing && dtr_list_empty(&task->readers)) {
        task_forget(task);
    } else if (task->state == COPY_CLOSED && dtr_list_empty(&task->readers)) {
        (void)task_evict(task);
    }
}
