/* What is known of one task: its facts, its strings, its pieces, and which bytes of it are there; see task.h.
 *
 * Not for what goes on with it: settle.c begins that, reader.c and pull.c carry it on. */
#include "core/daemon/tasks/check.h"
#include "core/daemon/tasks/proof.h"

#include "core/base/digest.h"
#include "core/base/str.h"
#include "core/brain/geometry.h"
#include "core/daemon/header_lines.h"
#include <stdlib.h>

bool task_keep(struct dtr_task *task, size_t index, const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        return false;
    free(task->strings[index]);
    task->strings[index] = copy;
    return true;
}

static int keep_strings(struct dtr_task *task, const struct dtr_task_facts *facts)
{
    const char *given[] = {facts->task_id,     facts->url, facts->digest, facts->headers, facts->tag,
                           facts->application, ""};
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

void task_free(struct dtr_task *task)
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

int task_new(struct dtr_tasks *tasks, const struct dtr_task_facts *facts, struct dtr_task **ret_task,
             struct dtr_error *err)
{
    struct dtr_task *task = calloc(1, sizeof(*task));
    if (!task)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a task");
    task->tasks = tasks;
    task->data = tasks->options.data[tasks->next_data++ % tasks->options.data_count];
    dtr_list_init(&task->readers);
    dtr_list_init(&task->transfers);
    if (keep_strings(task, facts) != DTR_OK) {
        task_free(task);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a task");
    }
    *ret_task = task;
    return DTR_OK;
}

/* --- what is there of it -------------------------------------------------------------------------------- */

static int reserve_piece(struct dtr_task *task, uint32_t number, struct dtr_error *err)
{
    if (number < task->piece_room)
        return DTR_OK;
    if (number >= DTR_PIECES_MAX)
        return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_NEVER, "task %.8s has more than %u pieces",
                             task->facts.task_id, DTR_PIECES_MAX);
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

int task_add_piece(struct dtr_task *task, const struct dtr_piece *piece, struct dtr_error *err)
{
    int rc = reserve_piece(task, piece->number, err);
    if (rc != DTR_OK)
        return rc;
    if (!dtr_ranges_add(&task->readable, piece->offset, piece->offset + piece->length))
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for pieces");
    task->piece_count_had += task->pieces[piece->number].length == 0;
    task->pieces[piece->number] = *piece;
    return DTR_OK;
}

bool dtr_task_is_whole(const struct dtr_task *task)
{
    uint64_t total = task->facts.content_length;
    return total != DTR_LENGTH_UNKNOWN && dtr_ranges_has(&task->readable, 0, total);
}

void task_restore_version(struct dtr_task *task)
{
    struct dtr_header headers[HEADER_LINES];
    char *lines = strdup(task->facts.headers);
    const char *version = dtr_header_version(headers, header_lines_split(lines, headers, 0));
    (void)dtr_copy_text(task->version, sizeof(task->version), version ? version : "");
    free(lines);
}

bool task_restore_part(struct dtr_task *task)
{
    task->facts.finished_at = 0;
    task_restore_version(task);
    return task->checkable || task->version[0];
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

/* --- what others are told of it ------------------------------------------------------------------------- */

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

const char *dtr_task_request_roots(const struct dtr_task *task)
{
    const char *roots = task->strings[REQUEST_ROOTS]; /* NULL before the first reader */
    return roots ? roots : "";
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
