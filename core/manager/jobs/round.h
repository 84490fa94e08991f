/* What the runner of jobs does with the database time and again, all in one go on a worker thread: writes
 * down what has changed, says that its jobs are alive, hears which are no more, takes those that are due, and
 * looks whom they may ask. */
#ifndef DTR_MANAGER_JOBS_ROUND_H
#define DTR_MANAGER_JOBS_ROUND_H

#include "core/manager/jobs/rows.h"

enum {
    ROUND_TAKEN_MOST = 32, /* jobs of each sort in one round */
    /* From the first scheduler to the first job about peers, when none was made for long: schedulers that
     * were started together with us have heard of their hosts by then. */
    ROUND_SYNC_FIRST_MS = 10 * 60000,
};

/* One whose schedulers are wanted. */
struct job_wish {
    int64_t id;
    struct job_targets targets;
    bool ok;
};

struct round {
    /* The runner's, all the time. */
    struct store *store;
    char owner[JOB_OWNER];
    uint64_t lease_ms;
    uint64_t watched_ms, looked_ms, step_ms; /* how long it has watched jobs of others, until the last look;
                                                how much one look counts at most */
    uint64_t sync_every_ms, sync_due_ms, sync_look_ms; /* jobs about peers that are made by themselves */
    int64_t sync_last_id;                              /* the last one; -1: we have not looked */
    bool sync_ready;                                   /* there is a scheduler to ask */
    struct job_lost *seen; /* jobs of others, as they were when they last changed, */
    uint64_t *seen_ms;     /* which was then, of the time it has watched */
    size_t seen_count;

    /* Of one round: what goes in, */
    uint64_t now_ms; /* steady */
    struct job_note *notes;
    size_t note_count;
    struct job_wish *wishes;
    size_t wish_count;
    int64_t *own; /* that run; afterwards 0 for those that are lost */
    size_t own_count;
    int64_t *watched; /* afterwards 0 for those that are not over */
    size_t watched_count;
    size_t room[2]; /* for jobs that take long, and that somebody waits for */
    bool leaving;   /* takes none, makes none */
    /* and what comes out. */
    struct job_row *taken;
    struct job_targets *targets; /* of each that was taken */
    size_t taken_count;
    bool written; /* the notes are done with: those that are not lost are in the database */
    int rc;
    struct dtr_error err;
};

/* A manager that shows no sign of life for `lease_ms` has lost its jobs. What counts is time in which this
 * one looked: of what passed between two good looks at most `step_ms`. Else whoever stood still (its machine
 * was suspended, the database hung) would take what lives, which has had no chance to be heard. */
int round_init(struct round *round, struct store *store, uint64_t lease_ms, uint64_t step_ms,
               uint64_t sync_every_ms, uint64_t now_ms, struct dtr_error *err);
void round_free(struct round *round);
/* On a worker. An error is in `err`; what was done before it is done. */
void round_do(struct round *round);
/* Forgets what went in and came out; rows and targets that were taken over are zeroed. */
void round_clear(struct round *round);

#endif
