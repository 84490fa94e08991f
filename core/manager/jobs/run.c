/* A job that runs; see run.h. */
#include "core/manager/jobs/run.h"

#include "core/manager/jobs/peers.h"
#include "core/manager/rest/field.h"
#include "core/obs/log.h"
#include "core/obs/metric.h"

#include <stdlib.h>
#include <string.h>

enum {
    TRIES_MOST = 100,            /* times that a job is begun and not given back: it brings managers down */
    TIMEOUT_MS = 60 * 60 * 1000, /* of a job that says none */
    NS_PER_MS = 1000000,
};

/* A question that is under way. */
struct question {
    struct run *run;
    size_t part;
    enum ask_kind kind;
    char preheat_id[MACHINE_PREHEAT_ID];
    struct asking *asking; /* NULL: none, or its answer is being written down */
};

/* Hosts on their way into the database. */
struct landing {
    struct dtr_job job;
    struct run *run;
    size_t part, length, count;
    int64_t cluster_id;
    struct dtr_error err;
    uint8_t bytes[];
};

struct run {
    const struct run_world *world;
    struct job_row row;
    json_t *args;
    char task_id[DTR_TASK_ID_SIZE];
    struct machine machine;
    struct question *questions; /* by part */
    size_t question_count;
    struct dtr_timer *timer;
    size_t landings;
    uint64_t written_ms;
    bool writing; /* a note is under way */
    bool dropped;
};

int64_t run_id(const struct run *run)
{
    return run->row.id;
}

bool run_is_quick(const struct run *run)
{
    return run->row.kind != JOB_PREHEAT;
}

static uint64_t now_ms(const struct run *run)
{
    return dtr_loop_now_ms(run->world->loop);
}

static void go_on(struct run *run);

/* --- questions -----------------------------------------------------------------------------------------
 */

static void hear(struct run *run, size_t part, enum ask_kind kind, const struct answer *answer)
{
    machine_heard(&run->machine, part, kind, answer, now_ms(run));
    go_on(run);
}

static void land(struct dtr_job *job)
{
    struct landing *landing = dtr_container(job, struct landing, job);
    const struct run *run = landing->run;
    landing->err.code =
        peers_write(run->world->store, landing->cluster_id, run->row.created_ms, landing->bytes,
                    landing->length, run->world->sync_batch, &landing->count, &landing->err);
}

static void free_if_done(struct run *run);

static void landed(struct dtr_job *job)
{
    struct landing *landing = dtr_container(job, struct landing, job);
    struct run *run = landing->run;
    const bool good = landing->err.code == DTR_OK;
    json_t *result = json_pack("{s:I}", "hosts", (json_int_t)landing->count);
    const struct answer answer = {.heard = good ? HEARD_OK : HEARD_LATER,
                                  .why = landing->err.text,
                                  .result = result,
                                  .done = landing->count};
    run->landings--;
    if (run->dropped)
        free_if_done(run);
    else
        hear(run, landing->part, ASK_HOSTS, &answer);
    json_decref(result);
    free(landing);
}

static bool begin_landing(struct run *run, size_t part, const uint8_t *hosts, size_t length)
{
    struct landing *landing = malloc(sizeof(*landing) + length);
    if (!landing)
        return false;
    *landing = (struct landing){.job = {.loop = run->world->loop, .run = land, .done = landed},
                                .run = run,
                                .part = part,
                                .length = length,
                                .cluster_id = run->machine.parts[part].cluster_id};
    if (length > 0)
        memcpy(landing->bytes, hosts, length);
    if (dtr_pool_submit(run->world->pool, &landing->job, NULL) != DTR_OK) {
        free(landing);
        return false;
    }
    run->landings++;
    return true;
}

static void on_answer(void *context, const struct answer *answer, const uint8_t *hosts, size_t length)
{
    static const struct answer busy = {.heard = HEARD_LATER, .why = "the manager has too much to do"};
    struct question *question = context;
    question->asking = NULL;
    if (question->kind != ASK_HOSTS || answer->heard != HEARD_OK)
        hear(question->run, question->part, question->kind, answer);
    else if (!begin_landing(question->run, question->part, hosts, length))
        hear(question->run, question->part, question->kind, &busy);
}

static void ask_part(struct run *run, size_t at, enum ask_kind kind)
{
    const struct part *part = &run->machine.parts[at];
    struct question *question = &run->questions[at];
    struct dtr_error err;
    *question = (struct question){.run = run, .part = at, .kind = kind};
    machine_preheat_id(&run->machine, at, question->preheat_id);
    const struct ask ask = {.kind = kind,
                            .args = run->args,
                            .url = run->row.kind == JOB_PREHEAT ? args_url(run->args, part->url) : NULL,
                            .task_id = run->task_id,
                            .preheat_id = question->preheat_id,
                            .left_ms = run->machine.deadline_ms - now_ms(run),
                            .trust = &run->world->trust,
                            .room = MACHINE_RESULT_MOST / run->machine.count};
    int rc = ask_start(run->world->dial, &part->target, &ask, on_answer, question, &question->asking, &err);
    if (rc == DTR_OK)
        return;
    const struct answer answer = {.heard = rc == DTR_EDENIED ? HEARD_NO : HEARD_LATER, .why = err.text};
    machine_heard(&run->machine, at, kind, &answer, now_ms(run));
}

static void stop_asking(struct run *run)
{
    for (size_t i = 0; i < run->question_count; i++) {
        if (run->questions[i].asking)
            ask_cancel(run->questions[i].asking);
        run->questions[i].asking = NULL;
    }
}

/* --- how it goes on ------------------------------------------------------------------------------------
 */

static void time_out(struct run *run)
{
    char why[64];
    (void)snprintf(why, sizeof(why), "out of time: the job has had its %llu s",
                   (unsigned long long)run->machine.timeout_ms / 1000);
    stop_asking(run);
    machine_stop(&run->machine, why);
}

static bool make_questions(struct run *run)
{
    if (run->question_count == run->machine.count)
        return true;
    run->questions = calloc(run->machine.count, sizeof(*run->questions));
    run->question_count = run->questions ? run->machine.count : 0;
    return run->questions != NULL;
}

static void go_on(struct run *run)
{
    size_t part;
    enum ask_kind kind;
    uint64_t due_ms;
    if (!machine_is_over(&run->machine) && machine_is_late(&run->machine, now_ms(run)))
        time_out(run);
    if (!make_questions(run))
        machine_stop(&run->machine, "out of memory");
    while (machine_next(&run->machine, now_ms(run), &part, &kind))
        ask_part(run, part, kind);
    if (machine_is_over(&run->machine) || machine_pauses(&run->machine, now_ms(run), &due_ms) ||
        machine_wants_targets(&run->machine, now_ms(run)))
        run->world->news(run->world->context);
    due_ms = machine_due(&run->machine, now_ms(run));
    dtr_timer_set(run->timer, due_ms == UINT64_MAX   ? DTR_TIMER_OFF
                              : due_ms > now_ms(run) ? due_ms - now_ms(run)
                                                     : 0);
}

static void on_timer(void *context)
{
    go_on(context);
}

bool run_wants_targets(const struct run *run)
{
    return machine_wants_targets(&run->machine, now_ms(run));
}

static void take_targets(struct run *run, const struct job_targets *targets)
{
    struct dtr_error err;
    if (machine_targets(&run->machine, targets, now_ms(run), &err) != DTR_OK)
        machine_stop(&run->machine, err.text);
}

void run_take_targets(struct run *run, const struct job_targets *targets)
{
    take_targets(run, targets);
    go_on(run);
}

/* --- what is written down ------------------------------------------------------------------------------
 */

static bool fill_texts(struct run *run, struct job_note *note)
{
    char created[FIELD_TIME_TEXT], updated[FIELD_TIME_TEXT];
    field_time_text(run->row.created_ms, created);
    field_time_text(store_now_ms(), updated);
    note->state = strdup(machine_state(&run->machine, now_ms(run)));
    note->result = machine_result(&run->machine, now_ms(run), created, updated);
    note->saved = machine_saved(&run->machine, now_ms(run));
    return note->state && note->result && note->saved;
}

/* Those whose schedulers have all answered. */
static bool fill_clusters(const struct run *run, struct job_note *note)
{
    const struct machine *machine = &run->machine;
    if (note->kind != NOTE_END || run->row.kind != JOB_SYNC_PEERS)
        return true;
    note->clusters = calloc(machine->count + 1, sizeof(*note->clusters));
    for (size_t i = 0; note->clusters && i < machine->count; i++) {
        const int64_t id = machine->parts[i].cluster_id;
        bool whole = i == 0 || machine->parts[i - 1].cluster_id != id;
        for (size_t j = i; j < machine->count && machine->parts[j].cluster_id == id; j++)
            whole &= machine->parts[j].state == PART_DONE;
        if (whole)
            note->clusters[note->cluster_count++] = id;
    }
    return note->clusters != NULL;
}

bool run_note(struct run *run, bool leaving, uint64_t every_ms, struct job_note *ret_note)
{
    uint64_t due_ms;
    const uint64_t now = now_ms(run);
    const bool over = machine_is_over(&run->machine), waits = machine_pauses(&run->machine, now, &due_ms);
    const bool pauses = !over && (waits || leaving);
    if (run->writing || (!over && !pauses && (!run->machine.changed || now - run->written_ms < every_ms)))
        return false;
    *ret_note = (struct job_note){.id = run->row.id,
                                  .kind = over     ? NOTE_END
                                          : pauses ? NOTE_PAUSE
                                                   : NOTE_PROGRESS,
                                  .job = run->row.kind,
                                  .due_at = store_now_ms() + (waits ? (int64_t)(due_ms - now) : 0),
                                  .created_ms = run->row.created_ms};
    if (!fill_texts(run, ret_note) || !fill_clusters(run, ret_note)) {
        job_note_free(ret_note);
        return false;
    }
    run->writing = true;
    run->machine.changed = false;
    run->written_ms = now;
    return true;
}

static void say_end(const struct run *run, const char *state)
{
    const char *kind = job_kind_text(run->row.kind);
    if (strcmp(state, "SUCCESS") == 0) {
        dtr_metric_add(DTR_MANAGER_CREATE_JOB_SUCCESS, DTR_LABELS(kind), 1);
        dtr_log(DTR_LOG_INFO, NULL, "job %lld (%s) has ended well", (long long)run->row.id, kind);
    } else {
        dtr_log(DTR_LOG_WARN, NULL, "job %lld (%s) has failed: %s", (long long)run->row.id, kind,
                machine_error(&run->machine));
    }
}

bool run_noted(struct run *run, const struct job_note *note, bool written)
{
    run->writing = false;
    if (written && note->lost)
        return true;
    run->machine.changed |= !written;
    if (written && note->kind == NOTE_END)
        say_end(run, note->state);
    return written && note->kind != NOTE_PROGRESS;
}

/* --- life ----------------------------------------------------------------------------------------------
 */

static void free_if_done(struct run *run)
{
    const struct run_world *world = run->world;
    if (!run->dropped || run->landings > 0)
        return;
    dtr_timer_close(run->timer);
    machine_free(&run->machine);
    json_decref(run->args);
    job_row_free(&run->row);
    free(run->questions);
    free(run);
    world->gone(world->context);
}

void run_drop(struct run *run)
{
    run->dropped = true;
    dtr_timer_set(run->timer, DTR_TIMER_OFF);
    stop_asking(run);
    free_if_done(run);
}

static uint64_t timeout_of(const struct run *run)
{
    const int64_t ns = arg_number(run->args, "timeout");
    if (run->row.kind == JOB_SYNC_PEERS)
        return run->world->sync_timeout_ms;
    return ns >= NS_PER_MS ? (uint64_t)(ns / NS_PER_MS) : TIMEOUT_MS;
}

static int begin(struct run *run, const struct job_targets *targets, struct dtr_error *err)
{
    run->args = json_loads(run->row.args, 0, NULL);
    machine_init(&run->machine, run->row.kind, run->row.group, run->args, timeout_of(run), now_ms(run));
    if (run->world->pause_ms > 0)
        run->machine.pause_ms = run->machine.poll_ms = run->world->pause_ms;
    int rc = json_is_object(run->args) && run->row.kind != JOB_GC
                 ? DTR_OK
                 : dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "the job's arguments cannot be read");
    if (rc == DTR_OK && (run->row.kind == JOB_GET_TASK || run->row.kind == JOB_DELETE_TASK))
        rc = args_task_id(run->args, run->task_id, err);
    if (rc == DTR_OK)
        rc = machine_load(&run->machine, run->row.saved, run->row.result, now_ms(run), err);
    if (rc == DTR_OK)
        rc = machine_targets(&run->machine, targets, now_ms(run), err);
    if (rc == DTR_OK && run->row.tries > TRIES_MOST)
        rc = dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_NEVER, "it was begun %d times and never ended",
                           (int)TRIES_MOST);
    return rc;
}

struct run *run_new(const struct run_world *world, struct job_row *row, struct job_targets *targets)
{
    struct run *run = calloc(1, sizeof(*run));
    struct dtr_error err;
    if (!run || dtr_timer_open(world->loop, on_timer, run, &run->timer, &err) != DTR_OK) {
        free(run);
        return NULL;
    }
    run->world = world;
    run->row = *row;
    *row = (struct job_row){0};
    if (!*run->row.saved)
        dtr_log(DTR_LOG_INFO, NULL, "job %lld (%s) begins", (long long)run->row.id,
                job_kind_text(run->row.kind));
    if (begin(run, targets, &err) != DTR_OK)
        machine_stop(&run->machine, err.text);
    go_on(run);
    return run;
}
