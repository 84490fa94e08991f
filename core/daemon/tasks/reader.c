/* Readers of a task: they hear of its head, of bytes, and of the end, in messages of their own. */
#include "core/daemon/tasks/check.h"
#include "core/daemon/tasks/proof.h"

#include "core/base/clock.h"
#include <stdlib.h>

static uint64_t content_length(const struct dtr_task *task)
{
    return task->facts.content_length;
}

uint64_t reader_end(const struct dtr_reader *reader)
{
    uint64_t total = content_length(reader->task), end = DTR_LENGTH_UNKNOWN;
    if (reader->length != DTR_LENGTH_UNKNOWN && reader->offset + reader->length >= reader->offset)
        end = reader->offset + reader->length;
    return end < total ? end : total;
}

static void tell_end(struct dtr_reader *reader, const struct dtr_error *err)
{
    reader->ended = true;
    prefetch_look_again(reader->task);
    reader->events->ended(reader->context, err);
}

/* While the digest is not known to be right, the object's last byte is kept back: nobody is to take the bytes
 * for complete before. Who wants the end only holds no object, and the rest, which the check needs, may never
 * come. */
static bool hides_the_last(const struct dtr_reader *reader, uint64_t end)
{
    return check_owed(reader->task) && !reader->local_only && reader->offset == 0 &&
           end == content_length(reader->task);
}

static void tell(struct dtr_reader *reader)
{
    struct dtr_task *task = reader->task;
    uint64_t until = proof_run(task, reader->told), end = reader_end(reader);
    bool hidden = hides_the_last(reader, end);
    if (task->spoilt || (task->renewal && !reader->head_told))
        return;
    if (until > end)
        until = end;
    if (hidden && until > reader->told && (until == end || end == DTR_LENGTH_UNKNOWN))
        until--;
    bool known = content_length(task) != DTR_LENGTH_UNKNOWN || until > reader->told;
    if (!reader->head_told && known && task->state == COPY_OPEN) {
        reader->head_told = true;
        reader->events->head(reader->context, content_length(task), task->facts.headers);
    }
    if (reader->head_told && !reader->closed && until > reader->told) {
        reader->told = until;
        reader->events->readable(reader->context, until);
    }
    if (reader->head_told && !reader->closed && !hidden && end != DTR_LENGTH_UNKNOWN && reader->told >= end)
        tell_end(reader, &(struct dtr_error){0});
}

static void on_message(struct dtr_msg *msg)
{
    struct dtr_reader *reader = dtr_container(msg, struct dtr_reader, msg);
    reader->posted = false;
    if (!reader->closed && !reader->ended)
        tell(reader);
    if (!reader->closed && !reader->ended && reader->failed)
        tell_end(reader, &reader->result);
    if (reader->closed && !reader->posted)
        free(reader); /* else it was closed by a handler just now, and the message comes again */
}

static void wake(struct dtr_reader *reader)
{
    if (reader->posted)
        return;
    reader->posted = true;
    reader->msg.run = on_message;
    dtr_loop_post(reader->task->tasks->options.control, &reader->msg);
}

void readers_wake(struct dtr_task *task)
{
    dtr_list_each (node, &task->readers)
        wake(dtr_container(node, struct dtr_reader, link));
}

void readers_fail(struct dtr_task *task, const struct dtr_error *err)
{
    dtr_list_each (node, &task->readers) {
        struct dtr_reader *reader = dtr_container(node, struct dtr_reader, link);
        if (task->spoilt && !reader->head_told && !task->tasks->closing)
            continue;
        if (!reader->failed && !reader->ended) {
            reader->failed = true;
            reader->result = *err;
        }
        wake(reader);
    }
    prefetch_look_again(task);
}

void dtr_reader_at(struct dtr_reader *reader, uint64_t offset)
{
    reader->at = offset;
    proof_advance(reader->task);
    if (reader->task->planner)
        dtr_planner_reader_at(reader->task->planner, reader->number, offset);
}

uint64_t dtr_reader_here(const struct dtr_reader *reader)
{
    return reader->here;
}

const struct dtr_copy *dtr_reader_copy(const struct dtr_reader *reader)
{
    return reader->task->copy;
}

void dtr_reader_close(struct dtr_reader *reader)
{
    struct dtr_task *task = reader->task;
    dtr_list_remove(&reader->link);
    reader->closed = true;
    prefetch_look_again(task);
    task->facts.used_at = dtr_wall_ns() / 1000000000;
    if (task->planner && !reader->local_only)
        dtr_planner_unwant(task->planner, dtr_now_ms(), reader->number);
    wake(reader); /* its memory goes with the message */
    if (task->planner)
        dtr_task_act(task);
    task_settle(task);
}
