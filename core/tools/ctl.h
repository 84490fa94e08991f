/* `darter ctl`: looking at what a daemon has and how it came, whom a scheduler knows and chose, and deleting
 * a task here. Not for reading the command line: main does that. */
#ifndef DTR_TOOLS_CTL_H
#define DTR_TOOLS_CTL_H

#include "core/tools/ask.h"
#include <stdbool.h>
#include <stdio.h>

enum { DTR_CTL_TIMEOUT_MS = 10000 };

/* Each asks, blocks, and prints to `out`: a table for people, JSON for scripts. */

/* The daemon's tasks, the last used first. */
int dtr_ctl_tasks(const struct dtr_ask *daemon, bool json, FILE *out, struct dtr_error *err);
/* One of them; DTR_ENOT_FOUND. */
int dtr_ctl_task(const struct dtr_ask *daemon, const char *task_id, bool json, FILE *out,
                 struct dtr_error *err);
/* Why its pulls went as they went. `task` is an id, the beginning of one, a digest or a URL. */
int dtr_ctl_explain(const struct dtr_ask *daemon, const char *task, bool json, FILE *out,
                    struct dtr_error *err);
/* Why a scheduler chose whom it chose; `task` is an id or the beginning of one. */
int dtr_ctl_decisions(const struct dtr_ask *scheduler, const char *task, bool json, FILE *out,
                      struct dtr_error *err);
/* Deletes it on this daemon only. Prints nothing. */
int dtr_ctl_remove(const struct dtr_ask *daemon, const char *task_id, struct dtr_error *err);
/* The hosts that announced themselves to a scheduler, by name. */
int dtr_ctl_hosts(const struct dtr_ask *scheduler, bool json, FILE *out, struct dtr_error *err);

#endif
