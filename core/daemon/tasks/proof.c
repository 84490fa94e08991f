/* See proof.h. */
#include "core/daemon/tasks/proof.h"

#include "core/base/digest.h"
#include "core/daemon/tasks/check.h"
#include "core/obs/log.h"
#include "core/obs/metric.h"
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

enum { AHEAD = 64 << 20 }; /* bytes read for a reader before it takes them */

struct proof {
    struct dtr_job job;
    struct dtr_task *task;
    const struct dtr_copy *copy;
    struct dtr_piece piece;
    uint32_t crc32;
    char file[PATH_MAX]; /* that the bytes are in, when they are wrong; "" when nobody knows */
    uint64_t at;         /* in it */
    struct dtr_error error;
    bool running;
};

bool proof_owed(const struct dtr_task *task)
{
    return task->owed.count > 0;
}

bool proof_running(const struct dtr_task *task)
{
    return task->proof && task->proof->running;
}

uint64_t proof_run(const struct dtr_task *task, uint64_t at)
{
    uint64_t run = dtr_ranges_run(&task->readable, at);
    for (size_t i = 0; i < task->owed.count; i++) {
        const struct dtr_range *range = &task->owed.list[i];
        if (range->end <= at)
            continue;
        if (range->start < run)
            return range->start > at ? range->start : at;
        break;
    }
    return run;
}

void proof_forget(struct dtr_task *task)
{
    dtr_ranges_free(&task->owed);
    task->unchecked = false;
    free(task->asked);
    task->asked = NULL;
    if (proof_running(task))
        return;
    free(task->proof);
    task->proof = NULL;
}

/* --- on a worker --------------------------------------------------------------------------------------- */

static void add(void *context, const void *bytes, size_t length)
{
    struct proof *proof = context;
    proof->crc32 = dtr_crc32(proof->crc32, bytes, length);
}

/* For the log. */
static void name_file(struct proof *proof)
{
    struct dtr_extent extent;
    char link[40];
    if (dtr_copy_lease(proof->copy, proof->piece.offset, proof->piece.length, &extent, NULL) != DTR_OK)
        return;
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", extent.fd);
    ssize_t length = extent.fd >= 0 ? readlink(link, proof->file, sizeof(proof->file) - 1) : 0;
    proof->file[length > 0 ? length : 0] = '\0';
    proof->at = extent.offset;
    dtr_extent_release(&extent);
}

static void read_piece(struct dtr_job *job)
{
    struct proof *proof = dtr_container(job, struct proof, job);
    const struct dtr_piece *piece = &proof->piece;
    int rc = dtr_copy_scan(proof->copy, piece->offset, piece->length, add, proof, &proof->error);
    if (rc == DTR_OK && piece->has_crc32 && proof->crc32 != piece->crc32)
        (void)dtr_error_set(&proof->error, DTR_ECORRUPT, DTR_RETRY_ELSEWHERE, "CRC-32 %08x, stored as %08x",
                            proof->crc32, piece->crc32);
    if (proof->error.code == DTR_ECORRUPT || proof->error.code == DTR_EIO)
        name_file(proof);
}

/* --- what comes of it ---------------------------------------------------------------------------------- */

/* Store and map on the data thread follow. */
struct verdict {
    struct dtr_msg msg;
    struct dtr_copy *copy;
    struct dtr_piece piece;
    bool good;
};

static void carry_out(struct dtr_msg *msg)
{
    struct verdict *verdict = dtr_container(msg, struct verdict, msg);
    if (verdict->good)
        (void)dtr_copy_mark(verdict->copy, &verdict->piece, NULL);
    else
        (void)dtr_copy_withdraw(verdict->copy, verdict->piece.number, 1, NULL);
    free(verdict);
}

static bool tell_data(struct dtr_task *task, const struct dtr_piece *piece, bool good)
{
    struct verdict *verdict = malloc(sizeof(*verdict));
    if (!verdict)
        return false;
    *verdict = (struct verdict){.msg.run = carry_out, .copy = task->copy, .piece = *piece, .good = good};
    dtr_loop_post(task->data, &verdict->msg);
    return true;
}

static void tell_others(struct dtr_task *task, const struct dtr_piece *piece)
{
    const struct dtr_tasks_options *options = &task->tasks->options;
    if (options->piece)
        options->piece(options->piece_context, task, piece);
}

static void take_good(struct dtr_task *task, const struct dtr_piece *piece)
{
    uint64_t end = piece->offset + piece->length;
    bool owed = dtr_ranges_run(&task->owed, piece->offset) > piece->offset;
    if (!owed || !dtr_ranges_remove(&task->owed, piece->offset, end))
        return; /* without memory it is read once more */
    if (task->unchecked)
        (void)tell_data(task, piece, true); /* else it is read again after the next start too */
    task->unchecked = task->unchecked && proof_owed(task);
    tell_others(task, piece);
}

static void log_bad(const struct proof *proof)
{
    const struct dtr_piece *piece = &proof->piece;
    dtr_log(DTR_LOG_ERROR, dtr_task_pull_id(proof->task),
            "piece %u of task %s is damaged in the store and withdrawn: %s at byte %llu, %llu bytes: %s",
            piece->number, proof->task->facts.task_id, proof->file[0] ? proof->file : "memory",
            (unsigned long long)proof->at, (unsigned long long)piece->length, proof->error.text);
    dtr_metric_add(DTR_DAMAGED_PIECES, NULL, 1);
}

/* It is no longer there for anybody, and comes anew when somebody needs it. A pull that counted on it begins
 * again; without memory for all that, the whole task goes. */
static void take_bad(struct dtr_task *task, const struct dtr_piece *piece, const struct dtr_error *err)
{
    const struct dtr_tasks_options *options = &task->tasks->options;
    uint64_t end = piece->offset + piece->length;
    bool done = dtr_ranges_remove(&task->readable, piece->offset, end) &&
                dtr_ranges_remove(&task->owed, piece->offset, end) && tell_data(task, piece, false);
    readers_lose(task);
    task->pieces[piece->number] = (struct dtr_piece){0};
    task->piece_count_had--;
    check_end(task);
    if (!task_restore_part(task) || !done)
        task_spoil(task);
    pull_abort(task);
    if (task->spoilt)
        readers_fail(task, err); /* those that have been given bytes; the others get it anew */
    task->withdrawn = true;
    if (options->withdrawn)
        options->withdrawn(options->withdrawn_context, task->facts.task_id);
    tell_others(task, piece);
}

/* Nothing is known of the piece: it is read when somebody asks again. */
static void give_up(struct dtr_task *task, const struct dtr_error *err)
{
    free(task->asked);
    task->asked = NULL;
    readers_fail(task, err);
}

static void on_read(struct dtr_job *job)
{
    struct proof *proof = dtr_container(job, struct proof, job);
    struct dtr_task *task = proof->task;
    const struct dtr_piece piece = proof->piece;
    struct dtr_error err = proof->error;
    bool bad = err.code == DTR_ECORRUPT || err.code == DTR_EIO;
    /* Meanwhile all may have been withdrawn. */
    bool there = piece.number < task->piece_room && task->pieces[piece.number].length == piece.length &&
                 task->pieces[piece.number].crc32 == piece.crc32 && !task->spoilt && !task->tasks->closing;
    proof->running = false;
    if (there && bad)
        log_bad(proof);
    free(proof);
    task->proof = NULL;
    if (task->asked && piece.number < task->asked_room)
        task->asked[piece.number / 8] = (uint8_t)(task->asked[piece.number / 8] & ~(1u << piece.number % 8));
    if (there && bad)
        take_bad(task, &piece, &err);
    else if (there && err.code == DTR_OK)
        take_good(task, &piece);
    else if (there)
        give_up(task, &err);
    scrub_read(task, piece.number, piece.length);
    if (!task->tasks->closing)
        check_advance(task);
    readers_wake(task);
    task_settle(task);
}

/* --- which one is next -----------------------------------------------------------------------------------
 */

static const struct dtr_piece *piece_at(const struct dtr_task *task, uint64_t byte)
{
    uint64_t number = task->facts.piece_length ? byte / task->facts.piece_length : 0;
    for (uint64_t i = number; i < task->piece_room; i++) {
        const struct dtr_piece *piece = &task->pieces[i];
        if (byte >= piece->offset && byte - piece->offset < piece->length)
            return piece;
    }
    return NULL;
}

/* The first piece at or after `at`, and before `end`, that is to be read. */
static const struct dtr_piece *first_owed(const struct dtr_task *task, uint64_t at, uint64_t end)
{
    for (size_t i = 0; i < task->owed.count; i++) {
        const struct dtr_range *range = &task->owed.list[i];
        uint64_t from = range->start > at ? range->start : at;
        if (from < range->end)
            return from < end ? piece_at(task, from) : NULL;
    }
    return NULL;
}

static const struct dtr_piece *asked_piece(const struct dtr_task *task)
{
    for (uint32_t i = 0; task->asked && i < task->asked_room; i++) {
        if (task->asked[i / 8] == 0)
            i |= 7;
        else if (task->asked[i / 8] >> i % 8 & 1 && task->pieces[i].length > 0)
            return &task->pieces[i];
    }
    return NULL;
}

static const struct dtr_piece *next_piece(const struct dtr_task *task)
{
    const struct dtr_piece *piece = asked_piece(task);
    dtr_list_each (node, &task->readers) {
        const struct dtr_reader *reader = dtr_container(node, struct dtr_reader, link);
        uint64_t end = reader_end(reader),
                 ahead = reader->at + AHEAD > AHEAD ? reader->at + AHEAD : UINT64_MAX;
        if (!piece && !reader->local_only && !reader->failed && !reader->ended)
            piece = first_owed(task, reader->told, end < ahead ? end : ahead);
    }
    if (!piece && task_waits_for_proof(task))
        piece = first_owed(task, 0, UINT64_MAX);
    if (!piece && task->scrubbing && task->tasks->scrub.due && task->scrub_piece < task->piece_room)
        piece = &task->pieces[task->scrub_piece];
    return piece && piece->length > 0 ? piece : NULL;
}

void proof_advance(struct dtr_task *task)
{
    const struct dtr_piece *piece =
        task->state == COPY_OPEN && !task->proof && !task->spoilt && !task->tasks->closing ? next_piece(task)
                                                                                           : NULL;
    struct proof *proof = piece ? calloc(1, sizeof(*proof)) : NULL;
    struct dtr_error err = {.code = DTR_ENOMEM, .text = "out of memory for reading a piece back"};
    if (!piece)
        return;
    if (proof) {
        proof->job =
            (struct dtr_job){.loop = task->tasks->options.control, .run = read_piece, .done = on_read};
        proof->task = task;
        proof->copy = task->copy;
        proof->piece = *piece;
        proof->running = true;
        task->proof = proof;
        if (dtr_pool_submit(task->tasks->options.pool, &proof->job, &err) == DTR_OK)
            return;
        task->proof = NULL;
        free(proof);
    }
    give_up(task, &err);
}

/* --- for others ------------------------------------------------------------------------------------------
 */

const struct dtr_piece *dtr_task_sound_piece(const struct dtr_task *task, uint32_t number)
{
    const struct dtr_piece *piece = dtr_task_piece(task, number);
    return piece && dtr_ranges_run(&task->owed, piece->offset) == piece->offset ? piece : NULL;
}

bool dtr_task_prove(struct dtr_task *task, uint32_t number)
{
    const struct dtr_piece *piece = number < task->piece_room ? &task->pieces[number] : NULL;
    if (!piece || piece->length == 0 || dtr_ranges_run(&task->owed, piece->offset) == piece->offset)
        return false;
    if (!task->asked) {
        task->asked = calloc(task->piece_room / 8 + 1, 1);
        task->asked_room = task->piece_room;
    }
    if (!task->asked || number >= task->asked_room)
        return false;
    task->asked[number / 8] = (uint8_t)(task->asked[number / 8] | 1u << number % 8);
    proof_advance(task);
    return true;
}

void dtr_task_doubt(struct dtr_task *task, uint32_t number)
{
    const struct dtr_piece *piece = dtr_task_sound_piece(task, number);
    if (piece && dtr_ranges_add(&task->owed, piece->offset, piece->offset + piece->length))
        (void)dtr_task_prove(task, number);
}
