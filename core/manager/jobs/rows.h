/* Jobs in the database: how they begin, who runs them, what is written of them while they run and at their
 * end. Blocking; on worker threads.
 *
 * Row of `jobs`: who runs it is its `owner`, and renews `due_at`, time and again, as a sign of life; whoever
 * sees the same owner and due_at for a whole lease, by a steady clock of its own that stands while it does
 * not look, takes the job over. A job that nobody runs has the owner "" and is due at `due_at`, a date. Its
 * arguments are there as everybody may see them; the whole ones, with passwords, are in `job_runs` for as
 * long as the job is not over. */
#ifndef DTR_MANAGER_JOBS_ROWS_H
#define DTR_MANAGER_JOBS_ROWS_H

#include "core/manager/jobs/machine.h"
#include "core/manager/store/store.h"

#define JOB_OWNER 37 /* bytes of a process's name for itself */

/* States in which a job is not over. */
#define JOB_OPEN_STATES "('PENDING', 'RECEIVED', 'STARTED', 'RETRY')"

struct job_new {
    enum job_kind kind;
    const char *bio;
    const json_t *args; /* whole */
    int64_t user_id;
    const int64_t *clusters;
    size_t cluster_count;
};
/* In a transaction. DTR_EEXISTS: it is one of peers, and one is under way. */
int rows_insert(struct store_db *db, const struct job_new *made, int64_t *ret_id, struct dtr_error *err);
/* Before a row of `jobs` is deleted: what belongs to it. */
int rows_forget(struct store_db *db, int64_t id, struct dtr_error *err);

/* One that this process runs from here on. Texts are the reader's; see job_row_free(). */
struct job_row {
    int64_t id, created_ms, tries; /* tries: times that it was taken, but for those that ended in a pause */
    enum job_kind kind;
    char *group, *state, *args, *result, *saved; /* args: whole */
};
void job_row_free(struct job_row *row);

/* Takes up to `most` jobs that are due, or that `owner`s gave up, which are named by what they wrote last.
 * `quick`: those that somebody waits for, not those that take long. */
struct job_lost {
    int64_t id, due_at;
    char owner[JOB_OWNER];
};
int rows_take_due(struct store_db *db, const char *owner, bool quick, size_t most, struct job_row *rows,
                  size_t *ret_count, struct dtr_error *err);
int rows_take_lost(struct store_db *db, const char *owner, const struct job_lost *lost, struct job_row *row,
                   bool *ret_taken, struct dtr_error *err);
/* Those that `owner` runs, or that all others do. */
enum { ROWS_LISTED_MOST = 1000 };
int rows_list(struct store_db *db, const char *owner, bool own, struct job_lost list[ROWS_LISTED_MOST],
              size_t *ret_count, struct dtr_error *err);
/* A sign of life for all jobs of `owner`. */
int rows_renew(struct store_db *db, const char *owner, struct dtr_error *err);
/* Of the jobs `ids`, those that are not over have a 0 in their place afterwards. */
int rows_keep_over(struct store_db *db, int64_t *ids, size_t count, struct dtr_error *err);

/* What is written of one. */
enum note_kind {
    NOTE_PROGRESS, /* it goes on */
    NOTE_PAUSE,    /* it is nobody's, until a date */
    NOTE_END,
};
struct job_note {
    int64_t id;
    enum note_kind kind;
    enum job_kind job;
    char *state, *result, *saved; /* the note's */
    int64_t due_at;               /* of NOTE_PAUSE */
    int64_t *clusters;            /* of a job about peers that ends: those of which all hosts are known */
    size_t cluster_count;
    int64_t created_ms;
    bool lost; /* it is not this owner's any more; nothing was written */
};
void job_note_free(struct job_note *note);
/* In a transaction. */
int rows_write(struct store_db *db, const char *owner, struct job_note *note, struct dtr_error *err);

/* Whom a job may ask. Free the two lists. */
int rows_targets(struct store_db *db, int64_t id, struct job_targets *ret_targets, struct dtr_error *err);
void job_targets_free(struct job_targets *targets);

/* Clusters that have a scheduler which could do it, by id; the list is the caller's. */
int rows_usable(struct store_db *db, enum job_kind kind, int64_t **ret_clusters, size_t *ret_count,
                struct dtr_error *err);
/* The last job about peers; id 0: there is none. Its row is never purged (upkeep.h). */
struct job_made {
    int64_t id, at_ms; /* a date */
};
int rows_last_sync(struct store_db *db, struct job_made *ret_last, struct dtr_error *err);

#endif
