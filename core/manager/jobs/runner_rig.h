/* For tests: up to two runners of jobs, as of two managers, over one real database, and two clusters of one
 * made-up scheduler each. Not part of the product. */
#ifndef DTR_MANAGER_JOBS_RUNNER_RIG_H
#define DTR_MANAGER_JOBS_RUNNER_RIG_H

#include "core/loop/turn_until.h"
#include "core/manager/jobs/jobs.h"
#include "core/manager/jobs/rig.h"
#include "core/manager/jobs/rows.h"
#include "core/manager/rig.h"

extern struct rig rig;
extern struct fake fakes[2];    /* of the clusters 1 and 2, "sched-1" and "sched-2" */
extern struct jobs *runners[2]; /* NULL: it does not run */

/* For cmocka. The schedulers are Darter's, or Dragonfly's; end_runners() stops runners that run. */
int begin_ours(void **state);
int begin_theirs(void **state);
int end_runners(void **state);

/* Of `options` what is left 0 is filled in. */
void start_runner_with(int at, struct jobs_options options);
void start_runner(int at);
void stop_runner(int at);

/* Makes a job with these arguments (JSON) for the clusters 1 to `clusters`. */
int64_t add_job(enum job_kind kind, const char *text, size_t clusters);
int64_t try_job(enum job_kind kind, const char *text, size_t clusters, int *ret_rc);
extern const char FILE_ARGS[]; /* of a preheat, with secrets */
extern const char TASK_ARGS[]; /* of a task by its id */

/* How many rows there are: "jobs WHERE owner = ''". */
int64_t count(const char *what);
bool is_state(int64_t id, const char *state);
/* Of the row of a job; the caller's. */
char *column(int64_t id, const char *name);
json_t *result_of(int64_t id);
/* Borrowed: a part of a job's result; its first result; the first row of a list in that. */
json_t *part_of(json_t *result, size_t at);
json_t *first_of(json_t *part);
json_t *row_of(json_t *part, const char *list);

#endif
