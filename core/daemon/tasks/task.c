/* The table of tasks, and when their copies are open; see task.h. */
#include "core/daemon/tasks/check.h"
#include "core/daemon/tasks/proof.h"

#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/base/str.h"
#include "core/daemon/header_lines.h"
#include "core/obs/log.h"
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

static void free_task(struct dtr_task *task)
{
    for (size_t i = 0; i < sizeof(task->strings) / sizeof(task->strings[0]); i++)
        free(task->strings[i]);
    prefetch_unwait(task);
    dtr_planner_free(task->planner);
    dtr_timer_close(task->timer);
    dtr_ranges_free(&task->readable);
    check_end(task);
    proof_forget(task);
    suspects_free(task);
    free(task->pieces);
    free(task->parents);
    pull_log_end(task);
    free(task);
}

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
    free_task(task);
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

bool task_keep(struct dtr_task *task, size_t index, const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        return false;
    free(task->strings[index]);
    task->strings[index] = copy;
    return true;
}

static int keep_strings(struct dtr_task *task, const struct dtr_task_facts *facts, const char *headers)
{
    const char *given[] = {facts->task_id, facts->url,         facts->digest, facts->headers,
                           facts->tag,     facts->application, headers};
    const char **kept[] = {&task->facts.task_id, &task->facts.url, &task->facts.digest,
                           &task->facts.headers, &task->facts.tag, &task->facts.application};
    task->facts = *facts;
    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
        if (!task_keep(task, i, given[i] ? given[i] : ""))
            return DTR_ENOMEM;
        if (i < sizeof(kept) / sizeof(kept[0]))
            *kept[i] = task->strings[i];
    }
    task->checkable = dtr_expected_known(task->facts.digest);
    return task_keep(task, ORIGIN_URL, task->facts.url) ? DTR_OK : DTR_ENOMEM;
}

static int add_task(struct dtr_tasks *tasks, const struct dtr_task_facts *facts, const char *headers,
                    struct dtr_task **ret_task, struct dtr_error *err)
{
    struct dtr_task *task = calloc(1, sizeof(*task));
    if (!task)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a task");
    task->tasks = tasks;
    task->data = tasks->options.data[tasks->next_data++ % tasks->options.data_count];
    dtr_list_init(&task->readers);
    dtr_list_init(&task->transfers);
    if (keep_strings(task, facts, headers) != DTR_OK ||
        !dtr_map_add(&tasks->by_id, &task->node, task->facts.task_id, DTR_TASK_ID_LENGTH)) {
        free_task(task);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a task");
    }
    *ret_task = task;
    return DTR_OK;
}

int task_reserve_piece(struct dtr_task *task, uint32_t number, struct dtr_error *err)
{
    if (number < task->piece_room)
        return DTR_OK;
    uint32_t room = task->piece_room ? task->piece_room : 4;
    while (room <= number)
        room *= 2;
    struct dtr_piece *pieces = realloc(task->pieces, room * sizeof(*pieces));
    if (!pieces)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for pieces");
    memset(pieces + task->piece_room, 0, (room - task->piece_room) * sizeof(*pieces));
    task->pieces = pieces;
    task->piece_room = room;
    return DTR_OK;
}

/* Which version of the object an earlier process had begun, by the head that it kept. */
void task_restore_version(struct dtr_task *task)
{
    struct dtr_header headers[HEADER_LINES];
    char *lines = strdup(task->facts.headers);
    const char *version = dtr_header_version(headers, header_lines_split(lines, headers, 0));
    (void)dtr_copy_text(task->version, sizeof(task->version), version ? version : "");
    free(lines);
}

bool task_is_whole(const struct dtr_task *task)
{
    uint64_t total = task->facts.content_length;
    return total != DTR_LENGTH_UNKNOWN && dtr_ranges_has(&task->readable, 0, total);
}

bool task_restore_part(struct dtr_task *task)
{
    task->facts.finished_at = 0;
    task_restore_version(task);
    return task->checkable || task->version[0];
}

int dtr_tasks_known(struct dtr_tasks *tasks, const struct dtr_task_facts *facts,
                    const struct dtr_piece *pieces, uint32_t count, bool checked, struct dtr_error *err)
{
    struct dtr_task *task = NULL;
    int rc = add_task(tasks, facts, "", &task, err);
    if (task)
        task->stored = true;
    for (uint32_t i = 0; i < count && rc == DTR_OK; i++) {
        rc = task_reserve_piece(task, pieces[i].number, err);
        uint64_t from = pieces[i].offset, end = from + pieces[i].length;
        if (rc == DTR_OK &&
            (!dtr_ranges_add(&task->readable, from, end) || !dtr_ranges_add(&task->owed, from, end)))
            rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for pieces");
        if (rc == DTR_OK) {
            task->piece_count_had += task->pieces[pieces[i].number].length == 0;
            task->pieces[pieces[i].number] = pieces[i];
        }
    }
    if (rc != DTR_OK && task)
        task_forget(task);
    if (rc != DTR_OK)
        return rc;
    task->unchecked = !checked;
    if (!task_is_whole(task) && (!task_restore_part(task) || (!task->checkable && !task->piece_count_had)))
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

const char *dtr_task_id_of(const struct dtr_task *task)
{
    return task->facts.task_id;
}

const struct dtr_task_facts *dtr_task_facts(const struct dtr_task *task)
{
    return &task->facts;
}

const char *dtr_task_url(const struct dtr_task *task)
{
    return task->strings[ORIGIN_URL];
}

const char *dtr_task_request_headers(const struct dtr_task *task)
{
    return task->strings[REQUEST_HEADERS];
}

const char *dtr_task_version(const struct dtr_task *task)
{
    return task->version;
}

const struct dtr_read_request *dtr_task_wish(const struct dtr_task *task)
{
    return &task->wish;
}

bool dtr_task_is_trigger(const struct dtr_task *task)
{
    return task->wish.need_back_to_source;
}

const struct journal *dtr_tasks_journal(const struct dtr_tasks *tasks)
{
    return &tasks->journal;
}

bool dtr_task_is_whole(const struct dtr_task *task)
{
    return task_is_whole(task);
}

bool dtr_task_is_of_earlier(const struct dtr_task *task)
{
    return task->stored;
}

bool dtr_task_pulling(const struct dtr_task *task)
{
    return task->planner != NULL;
}

struct dtr_planner *dtr_task_planner(struct dtr_task *task)
{
    return task->planner;
}

const struct dtr_piece *dtr_task_piece(const struct dtr_task *task, uint32_t number)
{
    const struct dtr_piece *piece = number < task->piece_room ? &task->pieces[number] : NULL;
    bool withheld = piece && task->unchecked && dtr_ranges_run(&task->owed, piece->offset) > piece->offset;
    return piece && piece->length > 0 && !withheld ? piece : NULL;
}

uint32_t dtr_task_piece_limit(const struct dtr_task *task)
{
    return task->piece_room;
}

/* --- the copy, open while somebody uses it ------------------------------------------------------------- */

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

static void close_now(struct dtr_task *task)
{
    check_end(task);
    task->room_tried = false;
    task->used_at = task->facts.used_at;
    task->state = COPY_CLOSING;
    task->copy_msg.run = close_copy;
    dtr_loop_post(task->data, &task->copy_msg);
}

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

bool task_waits_for_proof(const struct dtr_task *task)
{
    return proof_owed(task) && (task->unchecked || check_owed(task)) && hungry(task);
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

/* --- readers come ------------------------------------------------------------------------------------------
 */

/* The newest reader's URL and credentials are those that are good now, and they go together. But nobody leads
 * a pull away from where an operator has it go. */
static int take_origin(struct dtr_task *task, const struct dtr_read_request *request, struct dtr_error *err)
{
    bool pulled = task->planner || !dtr_list_empty(&task->transfers);
    if (pulled && task->trusted && !request->trusted)
        return DTR_OK;
    char *url = strdup(request->url ? request->url : ""),
         *headers = strdup(request->headers ? request->headers : "");
    if (!url || !headers) {
        free(url);
        free(headers);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a task");
    }
    free(task->strings[ORIGIN_URL]);
    free(task->strings[REQUEST_HEADERS]);
    task->strings[ORIGIN_URL] = url;
    task->strings[REQUEST_HEADERS] = headers;
    task->trusted = request->trusted;
    task->named = request->named;
    return DTR_OK;
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
    int rc = DTR_OK;
    *ret_task = dtr_tasks_find(tasks, request->task_id);
    if (request->local_only)
        return *ret_task ? DTR_OK
                         : dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_ELSEWHERE, "task %s is not here",
                                         request->task_id);
    if (!*ret_task)
        rc = add_task(tasks, &facts, "", ret_task, err);
    if (rc != DTR_OK)
        return rc;
    return take_origin(*ret_task, request, err);
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

/* An object has fewer bytes than that, so the last of them has a smaller number. */
static int no_such_byte(struct dtr_error *err)
{
    int rc = dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "the range lies behind the end of any object");
    if (err)
        err->status = 416;
    return rc;
}

int dtr_tasks_read(struct dtr_tasks *tasks, const struct dtr_read_request *request,
                   const struct dtr_reader_events *events, void *context, struct dtr_reader **ret_reader,
                   struct dtr_error *err)
{
    struct dtr_task *task = NULL;
    if (tasks->closing)
        return dtr_error_set(err, DTR_ECANCELLED, DTR_RETRY_ELSEWHERE, "the daemon stops");
    if (strlen(request->task_id) != DTR_TASK_ID_LENGTH)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "a task id has %d characters",
                             DTR_TASK_ID_LENGTH);
    if (request->offset == DTR_LENGTH_UNKNOWN)
        return no_such_byte(err);
    struct dtr_reader *reader = calloc(1, sizeof(*reader));
    if (!reader)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a reader");
    int rc = task_for(tasks, request, &task, err);
    if (rc == DTR_OK && !request->local_only)
        rc = take_wish(task, request, err);
    if (rc == DTR_OK && !request->local_only)
        rc = take_digest(task, request->digest ? request->digest : "", err);
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
    dtr_list_add_tail(&task->readers, &reader->link);
    if (!request->local_only)
        renew_look(task);
    prefetch_look_again(task);
    if (request->prefetch && !request->local_only)
        prefetch_want(task);
    if (task->planner && !reader->local_only &&
        dtr_planner_want(task->planner, dtr_now_ms(), reader->number, reader->offset, reader->length)) {
        pull_log_join(task, reader);
        dtr_task_act(task);
    }
    readers_wake(task);
    task_settle(task);
    *ret_reader = reader;
    return DTR_OK;
}
