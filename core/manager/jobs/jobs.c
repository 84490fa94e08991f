/* Rounds, and who runs and waits; see jobs.h. */
#include "core/manager/jobs/jobs.h"

#include "core/manager/jobs/round.h"
#include "core/manager/jobs/run.h"
#include "core/obs/log.h"

#include <stdatomic.h>
#include <stdlib.h>

/* A run in the list. */
struct entry {
    struct dtr_list link;
    struct run *run;
};

struct jobs {
    struct jobs_options options;
    struct run_world world;
    struct dial dial;
    struct dtr_timer *timer;
    struct dtr_list entries, waiters;
    size_t counts[2]; /* of entries: those that take long, and the quick ones */
    size_t alive;     /* runs that are not freed */
    struct round round;
    struct dtr_job job;
    bool busy, again; /* a round is under way; and there is news since it began */
    bool begun;       /* the loop runs */
    atomic_bool woken;
    struct dtr_msg wake, end;
    bool leaving, closing;
    bool left, ended; /* left: its jobs were given back */
    bool complained;
    void (*closed)(void *context);
    void *context;
};

static void end_if_done(struct jobs *jobs);
static void begin_round(struct jobs *jobs);

/* --- the list ------------------------------------------------------------------------------------------
 */

static void remove_entry(struct jobs *jobs, struct entry *entry)
{
    jobs->counts[run_is_quick(entry->run)]--;
    dtr_list_remove(&entry->link);
    run_drop(entry->run);
    free(entry);
}

static void add_run(struct jobs *jobs, struct job_row *row, struct job_targets *targets)
{
    struct entry *entry = calloc(1, sizeof(*entry));
    struct run *run = entry ? run_new(&jobs->world, row, targets) : NULL;
    if (!run) {
        free(entry); /* a later round finds it */
        return;
    }
    entry->run = run;
    jobs->alive++;
    jobs->counts[run_is_quick(run)]++;
    dtr_list_add_tail(&jobs->entries, &entry->link);
}

static struct entry *find(struct jobs *jobs, int64_t id)
{
    dtr_list_each (node, &jobs->entries) {
        struct entry *entry = dtr_container(node, struct entry, link);
        if (run_id(entry->run) == id)
            return entry;
    }
    return NULL;
}

/* --- what goes into a round ----------------------------------------------------------------------------
 */

static size_t room(const struct jobs *jobs, bool quick)
{
    const size_t usual = quick ? JOBS_QUICK_MOST : JOBS_LONG_MOST;
    const size_t most = jobs->options.most > 0 ? jobs->options.most : usual;
    return jobs->counts[quick] < most ? most - jobs->counts[quick] : 0;
}

static size_t length(const struct dtr_list *list)
{
    size_t count = 0;
    dtr_list_each (node, list)
        count++;
    return count;
}

static void fill_entry(struct jobs *jobs, struct round *round, struct run *run)
{
    round->own[round->own_count++] = run_id(run);
    if (run_note(run, jobs->closing, jobs->options.round_ms, &round->notes[round->note_count]))
        round->note_count++;
    else if (run_wants_targets(run))
        round->wishes[round->wish_count++] = (struct job_wish){.id = run_id(run)};
}

static bool fill(struct jobs *jobs)
{
    struct round *round = &jobs->round;
    const size_t count = length(&jobs->entries) + 1, waiters = length(&jobs->waiters) + 1;
    round->now_ms = dtr_loop_now_ms(jobs->options.loop);
    round->notes = calloc(count, sizeof(*round->notes));
    round->wishes = calloc(count, sizeof(*round->wishes));
    round->own = calloc(count, sizeof(*round->own));
    round->watched = calloc(waiters, sizeof(*round->watched));
    round->leaving = jobs->closing;
    round->room[false] = room(jobs, false);
    round->room[true] = room(jobs, true);
    if (!round->notes || !round->wishes || !round->own || !round->watched)
        return false;
    dtr_list_each (node, &jobs->entries)
        fill_entry(jobs, round, dtr_container(node, struct entry, link)->run);
    dtr_list_each (node, &jobs->waiters)
        round->watched[round->watched_count++] = dtr_container(node, struct jobs_waiter, link)->id;
    return true;
}

/* --- what comes out of it ------------------------------------------------------------------------------
 */

static void take_notes(struct jobs *jobs)
{
    const struct round *round = &jobs->round;
    for (size_t i = 0; i < round->note_count; i++) {
        struct entry *entry = find(jobs, round->notes[i].id);
        if (entry && run_noted(entry->run, &round->notes[i], round->written))
            remove_entry(jobs, entry);
    }
}

static void take_lost(struct jobs *jobs)
{
    struct round *round = &jobs->round;
    dtr_list_each_safe (node, &jobs->entries) {
        struct entry *entry = dtr_container(node, struct entry, link);
        bool there = false;
        for (size_t i = 0; i < round->own_count; i++)
            there |= round->own[i] == run_id(entry->run);
        if (there)
            continue;
        dtr_log(DTR_LOG_INFO, NULL, "job %lld was deleted, or is another manager's now",
                (long long)run_id(entry->run));
        remove_entry(jobs, entry);
    }
}

static void take_wishes(struct jobs *jobs)
{
    struct round *round = &jobs->round;
    for (size_t i = 0; i < round->wish_count; i++) {
        struct entry *entry = find(jobs, round->wishes[i].id);
        if (entry && round->wishes[i].ok)
            run_take_targets(entry->run, &round->wishes[i].targets);
    }
}

static void take_over(struct jobs *jobs)
{
    const struct round *round = &jobs->round;
    dtr_list_each_safe (node, &jobs->waiters) {
        struct jobs_waiter *waiter = dtr_container(node, struct jobs_waiter, link);
        for (size_t i = 0; i < round->watched_count; i++) {
            if (round->watched[i] != waiter->id)
                continue;
            dtr_list_remove(&waiter->link);
            waiter->over(waiter);
            break;
        }
    }
}

static void take_new(struct jobs *jobs)
{
    struct round *round = &jobs->round;
    for (size_t i = 0; i < round->taken_count && !jobs->closing; i++)
        add_run(jobs, &round->taken[i], &round->targets[i]);
}

static void complain(struct jobs *jobs)
{
    const struct round *round = &jobs->round;
    /* The store logs that the database is away. */
    const bool bad = round->rc != DTR_OK && round->rc != DTR_EUNAVAILABLE;
    if (bad && !jobs->complained)
        dtr_log(DTR_LOG_ERROR, NULL, "jobs cannot be looked after: %s", round->err.text);
    jobs->complained = bad;
}

/* --- rounds --------------------------------------------------------------------------------------------
 */

static void on_run(struct dtr_job *job)
{
    round_do(&dtr_container(job, struct jobs, job)->round);
}

static void on_done(struct dtr_job *job)
{
    struct jobs *jobs = dtr_container(job, struct jobs, job);
    const bool good = jobs->round.rc == DTR_OK, leaving = jobs->round.leaving;
    complain(jobs);
    take_notes(jobs);
    if (good) {
        take_lost(jobs);
        take_over(jobs);
        take_wishes(jobs);
        take_new(jobs);
    }
    round_clear(&jobs->round);
    jobs->busy = false;
    jobs->left |= leaving;
    if (jobs->closing)
        end_if_done(jobs);
    else
        dtr_timer_set(jobs->timer, good && jobs->again ? 0 : jobs->options.round_ms);
}

static void begin_round(struct jobs *jobs)
{
    jobs->again = false;
    jobs->begun = true;
    jobs->job = (struct dtr_job){.loop = jobs->options.loop, .run = on_run, .done = on_done};
    jobs->busy = fill(jobs) && dtr_pool_submit(jobs->options.pool, &jobs->job, NULL) == DTR_OK;
    if (jobs->busy)
        return;
    take_notes(jobs); /* as not written */
    round_clear(&jobs->round);
    dtr_timer_set(jobs->timer, jobs->options.round_ms);
}

static void on_timer(void *context)
{
    begin_round(context);
}

static void on_news(void *context)
{
    struct jobs *jobs = context;
    jobs->again = true;
    if (!jobs->busy && !jobs->closing)
        dtr_timer_set(jobs->timer, 0);
}

static void on_wake(struct dtr_msg *msg)
{
    struct jobs *jobs = dtr_container(msg, struct jobs, wake);
    atomic_store(&jobs->woken, false);
    on_news(jobs);
    end_if_done(jobs);
}

void jobs_wake(struct jobs *jobs)
{
    if (!atomic_exchange(&jobs->woken, true))
        dtr_loop_post(jobs->options.loop, &jobs->wake);
}

void jobs_await(struct jobs *jobs, struct jobs_waiter *waiter)
{
    if (jobs->leaving) {
        waiter->over(waiter);
        return;
    }
    dtr_list_add_tail(&jobs->waiters, &waiter->link);
    on_news(jobs);
}

void jobs_forget(struct jobs_waiter *waiter)
{
    dtr_list_remove(&waiter->link);
}

/* --- life ----------------------------------------------------------------------------------------------
 */

void jobs_free(struct jobs *jobs)
{
    if (!jobs)
        return;
    dial_close(&jobs->dial);
    dtr_timer_close(jobs->timer);
    round_free(&jobs->round);
    free(jobs);
}

static void on_end(struct dtr_msg *msg)
{
    struct jobs *jobs = dtr_container(msg, struct jobs, end);
    void (*closed)(void *) = jobs->closed;
    void *context = jobs->context;
    jobs_free(jobs);
    closed(context);
}

/* First what is written last, then those that run, then what they had asked. */
static void end_if_done(struct jobs *jobs)
{
    if (!jobs->closing || jobs->ended || jobs->busy || atomic_load(&jobs->woken))
        return;
    if (!jobs->left) {
        begin_round(jobs);
        if (jobs->busy)
            return;
    }
    while (!dtr_list_empty(&jobs->entries))
        remove_entry(jobs, dtr_container(jobs->entries.next, struct entry, link));
    if (jobs->ended || jobs->alive > 0 || jobs->dial.asking > 0)
        return;
    jobs->ended = true;
    jobs->end.run = on_end;
    dtr_timer_set(jobs->timer, DTR_TIMER_OFF);
    dtr_loop_post(jobs->options.loop, &jobs->end);
}

static void on_gone(void *context)
{
    struct jobs *jobs = context;
    jobs->alive--;
    end_if_done(jobs);
}

static void on_idle(void *context)
{
    end_if_done(context);
}

void jobs_leave(struct jobs *jobs)
{
    jobs->leaving = true;
    for (struct dtr_list *node; (node = dtr_list_pop(&jobs->waiters));) {
        struct jobs_waiter *waiter = dtr_container(node, struct jobs_waiter, link);
        waiter->over(waiter);
    }
}

void jobs_close(struct jobs *jobs, void (*closed)(void *context), void *context)
{
    jobs->closing = true;
    jobs->closed = closed;
    jobs->context = context;
    dtr_timer_set(jobs->timer, DTR_TIMER_OFF);
    jobs_leave(jobs);
    end_if_done(jobs);
}

static void fill_world(struct jobs *jobs)
{
    const struct jobs_options *options = &jobs->options;
    jobs->world = (struct run_world){.loop = options->loop,
                                     .pool = options->pool,
                                     .store = options->store,
                                     .dial = &jobs->dial,
                                     .trust = options->trust,
                                     .sync_timeout_ms = options->sync_timeout_ms,
                                     .pause_ms = options->pause_ms,
                                     .sync_batch = options->sync_batch,
                                     .news = on_news,
                                     .gone = on_gone,
                                     .context = jobs};
}

int jobs_new(const struct jobs_options *options, struct jobs **ret_jobs, struct dtr_error *err)
{
    struct jobs *jobs = calloc(1, sizeof(*jobs));
    if (!jobs)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for jobs");
    jobs->options = *options;
    jobs->options.round_ms = options->round_ms > 0 ? options->round_ms : JOBS_ROUND_MS;
    jobs->dial = (struct dial){.loop = options->loop,
                               .tls = options->tls,
                               .hears = options->hears,
                               .hears_context = options->context,
                               .idle = on_idle,
                               .context = jobs};
    jobs->wake.run = on_wake;
    dtr_list_init(&jobs->entries);
    dtr_list_init(&jobs->waiters);
    fill_world(jobs);
    int rc =
        round_init(&jobs->round, options->store, options->lease_ms > 0 ? options->lease_ms : JOBS_LEASE_MS,
                   2 * jobs->options.round_ms, options->sync_every_ms, dtr_loop_now_ms(options->loop), err);
    if (rc == DTR_OK)
        rc = dial_open(&jobs->dial, err);
    if (rc == DTR_OK)
        rc = dtr_timer_open(options->loop, on_timer, jobs, &jobs->timer, err);
    if (rc != DTR_OK) {
        jobs_free(jobs);
        return rc;
    }
    dtr_timer_set(jobs->timer, 0);
    *ret_jobs = jobs;
    return DTR_OK;
}
