/* Rounds; see upkeep.h. Two jobs, so that a long purge keeps nobody from seeing who has fallen silent. */
#include "core/manager/upkeep/upkeep.h"

#include "core/base/clock.h"
#include "core/manager/upkeep/age.h"
#include "core/manager/upkeep/runs.h"
#include "core/obs/log.h"

#include <stdlib.h>

enum {
    LOOK_MS = 2000,   /* between two looks at the members */
    PURGE_MS = 30000, /* between two looks whether something is to be purged */
};

/* Work that is done again some time after it was done. */
struct chore {
    struct upkeep *upkeep;
    void (*work)(struct upkeep *upkeep); /* on a worker */
    uint64_t every_ms;
    struct dtr_timer *timer;
    struct dtr_job job;
    bool busy;
};

struct upkeep {
    struct upkeep_options options;
    struct chore look, purge;
    struct silence *silence;
    struct runs runs;
    bool closing, ended;
    struct dtr_msg end;
    void (*closed)(void *context);
    void *context;
};

/* --- on workers ------------------------------------------------------------------------------------------
 */

static void do_run(struct upkeep *upkeep, enum run_kind kind)
{
    struct dtr_error err = {0};
    int rc = runs_do(&upkeep->runs, kind, upkeep->options.store, upkeep->silence, dtr_now_ms(), &err);
    /* The store logs that the database is away. */
    if (rc != DTR_OK && rc != DTR_EUNAVAILABLE)
        dtr_log(DTR_LOG_ERROR, NULL, "what was cleared away cannot be written down: %s", err.text);
}

static void look(struct upkeep *upkeep)
{
    struct dtr_error err = {0};
    upkeep->options.round(upkeep->options.context);
    (void)age_now_ms();
    int rc = silence_look(upkeep->silence, upkeep->options.store, dtr_now_ms(), &err);
    if (rc != DTR_OK)
        return; /* which was logged when the database went away, and is tried again soon */
    do_run(upkeep, RUN_SCHEDULERS);
    do_run(upkeep, RUN_SEEDS);
}

static void purge(struct upkeep *upkeep)
{
    do_run(upkeep, RUN_JOBS);
    do_run(upkeep, RUN_AUDITS);
    do_run(upkeep, RUN_PEERS);
}

/* --- on the loop -----------------------------------------------------------------------------------------
 */

static void on_end(struct dtr_msg *msg)
{
    struct upkeep *upkeep = dtr_container(msg, struct upkeep, end);
    upkeep->closed(upkeep->context);
}

static void end_if_done(struct upkeep *upkeep)
{
    if (!upkeep->closing || upkeep->ended || upkeep->look.busy || upkeep->purge.busy)
        return;
    upkeep->ended = true;
    upkeep->end.run = on_end;
    dtr_loop_post(upkeep->options.loop, &upkeep->end);
}

static void run(struct dtr_job *job)
{
    struct chore *chore = dtr_container(job, struct chore, job);
    chore->work(chore->upkeep);
}

static void done(struct dtr_job *job)
{
    struct chore *chore = dtr_container(job, struct chore, job);
    chore->busy = false;
    if (!chore->upkeep->closing)
        dtr_timer_set(chore->timer, chore->every_ms);
    end_if_done(chore->upkeep);
}

static void on_time(void *context)
{
    struct chore *chore = context;
    const struct upkeep_options *options = &chore->upkeep->options;
    chore->job = (struct dtr_job){.loop = options->loop, .run = run, .done = done};
    chore->busy = dtr_pool_submit(options->pool, &chore->job, NULL) == DTR_OK;
    if (!chore->busy)
        dtr_timer_set(chore->timer, chore->every_ms);
}

/* --- life ------------------------------------------------------------------------------------------------
 */

int upkeep_new(const struct upkeep_options *options, struct upkeep **ret_upkeep, struct dtr_error *err)
{
    struct upkeep *upkeep = calloc(1, sizeof(*upkeep));
    struct silence *silence = silence_new(options->view);
    int rc = upkeep && silence ? DTR_OK
                               : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for upkeep");
    if (rc != DTR_OK) {
        free(upkeep);
        silence_free(silence);
        return rc;
    }
    upkeep->options = *options;
    upkeep->silence = silence;
    upkeep->look = (struct chore){.upkeep = upkeep, .work = look, .every_ms = LOOK_MS};
    upkeep->purge = (struct chore){.upkeep = upkeep, .work = purge, .every_ms = PURGE_MS};
    rc = dtr_timer_open(options->loop, on_time, &upkeep->look, &upkeep->look.timer, err);
    if (rc == DTR_OK)
        rc = dtr_timer_open(options->loop, on_time, &upkeep->purge, &upkeep->purge.timer, err);
    if (rc == DTR_OK)
        *ret_upkeep = upkeep;
    else
        upkeep_free(upkeep);
    return rc;
}

void upkeep_begin(struct upkeep *upkeep)
{
    (void)age_now_ms(); /* the date from which jumps are seen */
    runs_init(&upkeep->runs, upkeep->options.sync_every_ms, dtr_now_ms());
    dtr_timer_set(upkeep->look.timer, 0);
    dtr_timer_set(upkeep->purge.timer, upkeep->purge.every_ms);
}

void upkeep_close(struct upkeep *upkeep, void (*closed)(void *context), void *context)
{
    upkeep->closing = true;
    upkeep->closed = closed;
    upkeep->context = context;
    dtr_timer_set(upkeep->look.timer, DTR_TIMER_OFF);
    dtr_timer_set(upkeep->purge.timer, DTR_TIMER_OFF);
    end_if_done(upkeep);
}

void upkeep_free(struct upkeep *upkeep)
{
    if (!upkeep)
        return;
    dtr_timer_close(upkeep->look.timer);
    dtr_timer_close(upkeep->purge.timer);
    silence_free(upkeep->silence);
    free(upkeep);
}
