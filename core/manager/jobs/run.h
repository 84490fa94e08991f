/* One job that this process runs: its machine, and the questions that are under way. On the loop. */
#ifndef DTR_MANAGER_JOBS_RUN_H
#define DTR_MANAGER_JOBS_RUN_H

#include "core/loop/pool.h"
#include "core/manager/jobs/ask.h"
#include "core/manager/jobs/rows.h"

struct run;

/* What all runs share. */
struct run_world {
    struct dtr_loop *loop;
    struct dtr_pool *pool;
    struct store *store;
    struct dial *dial;
    struct job_trust trust;
    uint64_t sync_timeout_ms, pause_ms; /* pause_ms: as the machine's */
    size_t sync_batch;
    void (*news)(void *context); /* there is something to write down, or somebody to look for, at once */
    void (*gone)(void *context); /* one that was dropped is freed */
    void *context;
};

/* Takes the row and the targets over (they are zeroed). One that cannot be begun is over: its row says why.
 * NULL: out of memory. */
struct run *run_new(const struct run_world *world, struct job_row *row, struct job_targets *targets);
/* Stops asking; freed when the last of its work is back. */
void run_drop(struct run *run);

int64_t run_id(const struct run *run);
bool run_is_quick(const struct run *run);
/* Whether it waits to know whom it may ask; and now it knows. */
bool run_wants_targets(const struct run *run);
void run_take_targets(struct run *run, const struct job_targets *targets);
/* What is to be written down of it, if there is something: all of its end and its pauses, progress once in
 * `every_ms`; with `leaving` in any case, as a pause. False: nothing. */
bool run_note(struct run *run, bool leaving, uint64_t every_ms, struct job_note *ret_note);
/* The note was written down: true when that was its end here, and it is to be dropped. `written` false: it
 * was not, and is made again. */
bool run_noted(struct run *run, const struct job_note *note, bool written);

#endif
