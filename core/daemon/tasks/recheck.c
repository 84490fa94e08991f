/* A piece that does not stand its check when it is given out: read back, and withdrawn. See task.h. */
#include "core/daemon/tasks/task_internal.h"

#include "core/obs/log.h"

/* Control. The task is not whole any more: what comes anew is checked anew. */
static void on_read_back(struct dtr_msg *msg)
{
    struct dtr_recheck *recheck = dtr_container(msg, struct dtr_recheck, msg);
    struct dtr_task *task = recheck->task;
    const struct dtr_piece *piece = dtr_task_piece(task, recheck->number);
    if (recheck->result == DTR_ECORRUPT && piece) {
        dtr_log(DTR_LOG_WARN, NULL, "piece %u of task %.8s is damaged in the store, and withdrawn",
                recheck->number, task->facts.task_id);
        (void)dtr_ranges_remove(&task->readable, piece->offset, piece->offset + piece->length);
        task->pieces[recheck->number] = (struct dtr_piece){0};
        task->piece_count_had--;
        task->facts.finished_at = 0;
    }
    recheck->done(recheck->context);
}

/* Data thread. */
static void read_back(struct dtr_msg *msg)
{
    struct dtr_recheck *recheck = dtr_container(msg, struct dtr_recheck, msg);
    recheck->result = dtr_copy_verify(recheck->task->copy, recheck->number, NULL);
    recheck->msg.run = on_read_back;
    dtr_loop_post(recheck->task->tasks->options.control, &recheck->msg);
}

void dtr_task_recheck(struct dtr_recheck *recheck)
{
    recheck->msg.run = read_back;
    dtr_loop_post(recheck->task->data, &recheck->msg);
}
