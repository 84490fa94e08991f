/* The digest of a whole task: computed on a worker thread as the bytes arrive in order, held against the one
 * that names the task.
 *
 * Until it is right the last byte stays hidden from readers (reader.c), and the planner is not done. When it
 * is wrong, all that is there of the task is withdrawn and removed (delete.c), readers that have seen bytes
 * of it are told, and the next pull comes from the origin alone. Its pieces are held against the withdrawn
 * ones, which names the peers that lied; nothing is taken from those any more. */
#include "core/daemon/tasks/check.h"
#include "core/daemon/tasks/proof.h"

#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/base/str.h"
#include "core/obs/log.h"
#include <stdlib.h>

enum { STEP = 1 << 20, JOB = 8 << 20 };

struct check {
    struct dtr_job job; /* `at` to `until`; the worker's while it runs */
    struct dtr_task *task;
    const struct dtr_copy *copy;
    struct dtr_expected *expected;
    uint64_t at, until;
    struct dtr_error error; /* of the job */
    bool running;
};

bool check_owed(const struct dtr_task *task)
{
    return task->checkable && !task->facts.finished_at;
}

bool check_running(const struct dtr_task *task)
{
    return task->check && task->check->running;
}

void check_end(struct dtr_task *task)
{
    if (!task->check || task->check->running)
        return;
    dtr_expected_free(task->check->expected);
    free(task->check);
    task->check = NULL;
}

/* --- on a worker -----------------------------------------------------------------------------------------
 */

static void add(void *context, const void *bytes, size_t length)
{
    dtr_expected_add(context, bytes, length);
}

static void hash(struct dtr_job *job)
{
    struct check *check = dtr_container(job, struct check, job);
    (void)dtr_copy_scan(check->copy, check->at, check->until - check->at, add, check->expected,
                        &check->error);
}

/* --- what comes of it ------------------------------------------------------------------------------------
 */

static void tell(struct dtr_task *task, const struct dtr_error *err)
{
    if (task->planner) {
        dtr_planner_checked(task->planner, dtr_now_ms(), err);
        dtr_task_act(task);
    } else if (err->code != DTR_OK) {
        readers_fail(task, err);
    }
    readers_wake(task);
}

/* The bytes cannot be looked at: nothing is known of them, and they stay. While the pull goes on, they are
 * looked at again with the next ones. */
static void give_up(struct dtr_task *task, const struct dtr_error *err)
{
    struct dtr_error why = *err;
    if (task->planner && !dtr_planner_checking(task->planner)) {
        check_end(task);
        return;
    }
    dtr_log(DTR_LOG_WARN, dtr_task_pull_id(task), "task %.8s: its digest cannot be computed: %s",
            task->facts.task_id, why.text);
    check_end(task);
    tell(task, &why);
}

static void spoil(struct dtr_task *task, const struct dtr_error *err)
{
    struct dtr_error why = *err;
    dtr_log(DTR_LOG_ERROR, dtr_task_pull_id(task), "task %.8s is withdrawn: %s", task->facts.task_id,
            why.text);
    check_end(task);
    suspects_take(task);
    task_spoil(task);
    tell(task, &why);
}

static void finish(struct dtr_task *task)
{
    struct dtr_error err = {0};
    if (dtr_expected_end(task->check->expected, &err) != DTR_OK) {
        spoil(task, &err);
        return;
    }
    check_end(task);
    suspects_free(task);
    pull_note_finished(task);
    tell(task, &err);
}

static void on_hashed(struct dtr_job *job)
{
    struct check *check = dtr_container(job, struct check, job);
    struct dtr_task *task = check->task;
    check->running = false;
    check->at = check->until;
    if (check->error.code != DTR_OK)
        give_up(task, &check->error);
    else if (!task->tasks->closing)
        check_advance(task);
    task_settle(task);
}

/* --- how it goes on --------------------------------------------------------------------------------------
 */

static void begin(struct dtr_task *task)
{
    struct check *check;
    if (task->check || !check_owed(task) || task->spoilt || task->state != COPY_OPEN)
        return;
    check = calloc(1, sizeof(*check));
    if (!check || dtr_expected_new(task->facts.digest, &check->expected, NULL) != DTR_OK) {
        free(check);
        return; /* tried again with the next bytes */
    }
    check->task = task;
    check->copy = task->copy;
    task->check = check;
}

void check_advance(struct dtr_task *task)
{
    begin(task);
    struct check *check = task->check;
    if (!check || check->running)
        return;
    uint64_t run = proof_run(task, check->at);
    if (check->at == task->facts.content_length) {
        finish(task);
        return;
    }
    if (run - check->at < STEP && run != task->facts.content_length)
        return;
    check->until = run - check->at < JOB ? run : check->at + JOB;
    check->job.loop = task->tasks->options.control;
    check->job.run = hash;
    check->job.done = on_hashed;
    check->running = true;
    if (dtr_pool_submit(task->tasks->options.pool, &check->job, &check->error) != DTR_OK) {
        check->running = false;
        give_up(task, &check->error);
    }
}

void check_whole(struct dtr_task *task)
{
    struct dtr_error err = {0};
    check_advance(task);
    if (check_running(task) || proof_owed(task))
        return; /* its end says, or that of what it waits for */
    if (task->spoilt)
        (void)dtr_error_set(&err, DTR_ECORRUPT, DTR_RETRY_SAME, "the bytes have another digest");
    else if (check_owed(task))
        (void)dtr_error_set(&err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a digest");
    if (check_owed(task) && !task->spoilt)
        give_up(task, &err);
    else
        tell(task, &err); /* it was known before, and is no news to a pull that heard of it */
}
