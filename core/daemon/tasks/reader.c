/* Readers of a task, from the request to the last byte: the task takes what the newest of them asks for, and
 * they hear of its head, of bytes, and of the end, in messages of their own. */
#include "core/daemon/tasks/check.h"
#include "core/daemon/tasks/proof.h"

#include "core/base/clock.h"
#include "core/base/digest.h"
#include <stdlib.h>

/* --- what a reader is told ------------------------------------------------------------------------------ */

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

void readers_lose(struct dtr_task *task)
{
    dtr_list_each (node, &task->readers) {
        struct dtr_reader *reader = dtr_container(node, struct dtr_reader, link);
        uint64_t left = dtr_ranges_run(&task->readable, reader->offset);
        if (reader->here > left)
            reader->here = left;
    }
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

/* --- what a task has from its newest reader ------------------------------------------------------------- */

/* The newest reader's URL, credentials and roots are those that are good now, and they go together. But
 * nobody leads a pull away from where an operator has it go, nor takes from it the roots without which its
 * origin is a stranger; and nobody's credentials go where only another's roots vouch for whom they reach. */
static int take_origin(struct dtr_task *task, const struct dtr_read_request *request, struct dtr_error *err)
{
    bool pulled = task->planner || !dtr_list_empty(&task->transfers);
    bool has_roots = request->roots && request->roots[0];
    if (pulled && ((task->trusted && !request->trusted) || (*dtr_task_request_roots(task) && !has_roots)))
        return DTR_OK;
    char *url = strdup(request->url ? request->url : ""),
         *headers = strdup(request->headers ? request->headers : ""),
         *roots = strdup(request->roots ? request->roots : "");
    if (!url || !headers || !roots) {
        free(url);
        free(headers);
        free(roots);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a task");
    }
    free(task->strings[ORIGIN_URL]);
    free(task->strings[REQUEST_HEADERS]);
    free(task->strings[REQUEST_ROOTS]);
    task->strings[ORIGIN_URL] = url;
    task->strings[REQUEST_HEADERS] = headers;
    task->strings[REQUEST_ROOTS] = roots;
    task->trusted = request->trusted;
    task->named = request->named;
    return DTR_OK;
}

/* What the newest reader asked for is good for the next pull. */
static int take_wish(struct dtr_task *task, const struct dtr_read_request *request, struct dtr_error *err)
{
    if (!task_keep(task, CONTENT, request->content ? request->content : "") ||
        !task_keep(task, FILTER, request->filter ? request->filter : "") ||
        !task_keep(task, REMOTE_IP, request->remote_ip ? request->remote_ip : ""))
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a task");
    task->wish = (struct dtr_read_request){.piece_length = request->piece_length,
                                           .content = task->strings[CONTENT],
                                           .filter = request->filter ? task->strings[FILTER] : NULL,
                                           .remote_ip = task->strings[REMOTE_IP],
                                           .priority = request->priority,
                                           .need_back_to_source = request->need_back_to_source,
                                           .disable_back_to_source = request->disable_back_to_source};
    return DTR_OK;
}

/* The digest is no part of a task's name: while nobody is at it and it is not right yet, the newest reader's
 * word counts, so that one reader's mistake is not the next one's. */
static int take_digest(struct dtr_task *task, const char *digest, struct dtr_error *err)
{
    bool at_it = task->planner || task->check || !dtr_list_empty(&task->transfers) ||
                 !dtr_list_empty(&task->readers) || task->state == COPY_OPENING;
    if (at_it || task->facts.finished_at || strcmp(task->facts.digest, digest) == 0)
        return DTR_OK;
    if (!task_keep(task, DIGEST, digest))
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a task");
    task->facts.digest = task->strings[DIGEST];
    task->checkable = dtr_expected_known(task->facts.digest);
    return DTR_OK;
}

/* What the task has from its newest reader. */
static int take_request(struct dtr_task *task, const struct dtr_read_request *request, struct dtr_error *err)
{
    int rc = take_origin(task, request, err);
    if (rc == DTR_OK)
        rc = take_wish(task, request, err);
    if (rc == DTR_OK)
        rc = take_digest(task, request->digest ? request->digest : "", err);
    return rc;
}

/* --- readers come and go -------------------------------------------------------------------------------- */

/* An object has fewer bytes than that, so the last of them has a smaller number. */
static int no_such_byte(struct dtr_error *err)
{
    int rc = dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "the range lies behind the end of any object");
    if (err)
        err->status = 416;
    return rc;
}

static int refuse(const struct dtr_tasks *tasks, const struct dtr_read_request *request,
                  struct dtr_error *err)
{
    if (tasks->closing)
        return dtr_error_set(err, DTR_ECANCELLED, DTR_RETRY_ELSEWHERE, "the daemon stops");
    if (strlen(request->task_id) != DTR_TASK_ID_LENGTH)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "a task id has %d characters",
                             DTR_TASK_ID_LENGTH);
    return request->offset == DTR_LENGTH_UNKNOWN ? no_such_byte(err) : DTR_OK;
}

/* What is only looked for here must be here. */
static int task_for(struct dtr_tasks *tasks, const struct dtr_read_request *request,
                    struct dtr_task **ret_task, struct dtr_error *err)
{
    struct dtr_task_facts facts = {.task_id = request->task_id,
                                   .url = request->url,
                                   .digest = request->digest,
                                   .tag = request->tag,
                                   .application = request->application,
                                   .headers = "",
                                   .content_length = DTR_LENGTH_UNKNOWN,
                                   .created_at = dtr_wall_ns() / 1000000000};
    *ret_task = dtr_tasks_find(tasks, request->task_id);
    if (*ret_task)
        return DTR_OK;
    if (request->local_only)
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_ELSEWHERE, "task %s is not here",
                             request->task_id);
    return tasks_add(tasks, &facts, ret_task, err);
}

/* The reader is one of the task's from now on, and what goes on follows it. */
static void join(struct dtr_task *task, struct dtr_reader *reader, bool prefetch)
{
    dtr_list_add_tail(&task->readers, &reader->link);
    if (!reader->local_only)
        renew_look(task);
    prefetch_look_again(task);
    if (prefetch && !reader->local_only)
        prefetch_want(task);
    if (task->planner && !reader->local_only &&
        dtr_planner_want(task->planner, dtr_now_ms(), reader->number, reader->offset, reader->length)) {
        pull_log_join(task, reader);
        dtr_task_act(task);
    }
    readers_wake(task);
    task_settle(task);
}

int dtr_tasks_read(struct dtr_tasks *tasks, const struct dtr_read_request *request,
                   const struct dtr_reader_events *events, void *context, struct dtr_reader **ret_reader,
                   struct dtr_error *err)
{
    struct dtr_task *task = NULL;
    int rc = refuse(tasks, request, err);
    if (rc != DTR_OK)
        return rc;
    struct dtr_reader *reader = calloc(1, sizeof(*reader));
    if (!reader)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a reader");
    rc = task_for(tasks, request, &task, err);
    if (rc == DTR_OK && !request->local_only)
        rc = take_request(task, request, err);
    if (rc != DTR_OK) {
        free(reader);
        return rc;
    }
    task_undelete(task, DTR_EUNAVAILABLE, "somebody began to read it");
    *reader = (struct dtr_reader){.task = task,
                                  .events = events,
                                  .context = context,
                                  .number = ++tasks->next_reader,
                                  .offset = request->offset,
                                  .length = request->length,
                                  .told = request->offset,
                                  .at = request->offset,
                                  .here = dtr_ranges_run(&task->readable, request->offset),
                                  .announce = request->announce,
                                  .local_only = request->local_only,
                                  .is_prefetch = request->is_prefetch,
                                  .by_proxy = request->by_proxy};
    join(task, reader, request->prefetch);
    *ret_reader = reader;
    return DTR_OK;
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
