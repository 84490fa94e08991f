/* For tests of tasks: real transfers on a data thread, a made-up origin and parents (rig.h), and a scheduler
 * that is a list of prepared answers. Everything else is called on the control loop, which the test turns by
 * hand. */
#ifndef DTR_DAEMON_TASK_FIXTURE_H
#define DTR_DAEMON_TASK_FIXTURE_H

#include "core/base/str.h"
#include "core/daemon/tasks/rig.h"
#include "core/daemon/tasks/task_internal.h"
#include "core/loop/turn_until.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

extern const char task_id[65];
extern struct dtr_loop *control, *data;
extern struct dtr_pool *pool;
extern struct dtr_tasks *tasks;
extern struct rig_script script; /* what the origin does */

/* What the scheduler says: nothing of it known, go to the source; a parent that has everything; it is gone.
 */
extern enum scheduler_says { SAYS_SOURCE, SAYS_PARENT, SAYS_NOTHING } scheduler_says;
extern struct dtr_str said; /* the kinds of what the pull told the scheduler */
extern char digest[80];     /* that the readers name; "" for none */
extern bool ask_length;
extern int lying; /* of the parent: RIG_WRONG_BYTES and so on */

/* What a reader has seen. */
struct seen {
    uint64_t length, until;
    bool head, ended;
    struct dtr_error result;
    struct dtr_reader *reader;
};

/* Around a group of tests: the loops and the pool. */
int fixture_set_up(void **state);
int fixture_tear_down(void **state);
/* Around each test: tasks with an empty store. */
void begin(bool have_scheduler);
void finish(void);
/* A call for when something has ended; `context` is a bool. */
void set_flag(void *context);
/* Begins to read; `seen` must stay until its reader is closed. */
void read_as(struct seen *seen, const struct dtr_read_request *request);
void read_range(struct seen *seen, uint64_t offset, uint64_t length);
/* Reads all of it; it must end well. */
void pull_whole(void);

#endif
