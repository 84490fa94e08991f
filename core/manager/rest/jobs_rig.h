/* For tests of jobs over REST: the API with two clusters, of which the first has a made-up scheduler, and a
 * runner once the test starts it. Not part of the product. */
#ifndef DTR_MANAGER_REST_JOBS_RIG_H
#define DTR_MANAGER_REST_JOBS_RIG_H

#include "core/manager/jobs/jobs.h"
#include "core/manager/jobs/rig.h"
#include "core/manager/rest/rig.h"

extern struct fake fakes[2]; /* the first is "sched-1" of cluster 1, the second nobody's */
extern struct jobs *runner;  /* NULL: nobody runs jobs */

/* For cmocka: as rest_rig_set_up() and rest_rig_tear_down(), with root signed in. */
int jobs_set_up(void **state);
int jobs_tear_down(void **state);
#define JOBS_TEST(test) cmocka_unit_test_setup_teardown(test, jobs_set_up, jobs_tear_down)

void add_scheduler(struct rest_rig *rig, int64_t cluster, const struct fake *fake, const char *name);
void start_runner(struct rest_rig *rig);
/* The API anew, with the runner if there is one. */
void restart(struct rest_rig *rig, struct share *share);

/* Asks for a job; `more` (",\"bio\":\"x\"", NULL: nothing) goes beside its arguments. */
void post(struct rest_rig *rig, int status, const char *type, const char *args, const char *more);
/* Arguments without their end, */
#define FILE_JOB  "{\"type\":\"file\",\"url\":\"http://o/f\""
#define IMAGE_JOB "{\"type\":\"image\",\"url\":\"http://r/v2/a/manifests/1\""
/* and the id of a task. */
#define TASK_ID "0123456789012345678901234567890123456789012345678901234567890123"

#endif
