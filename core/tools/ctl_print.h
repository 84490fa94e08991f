/* What `darter ctl` prints. Pure: time comes from the caller, as seconds of the epoch. Lists are put into
 * their order in place. DTR_EIO when it could not be written. */
#ifndef DTR_TOOLS_CTL_PRINT_H
#define DTR_TOOLS_CTL_PRINT_H

#include "proto/darter.pb-c.h"
#include "proto/dfdaemon.pb-c.h"
#include "proto/scheduler.pb-c.h"
#include <stdbool.h>
#include <stdio.h>

int ctl_print_tasks(Dfdaemon__V2__ListLocalTasksResponse *list, int64_t now_s, bool json, FILE *out);
int ctl_print_task(const Dfdaemon__V2__StatLocalTaskResponse *task, int64_t now_s, bool json, FILE *out);
int ctl_print_hosts(Scheduler__V2__ListHostsResponse *list, bool json, FILE *out);
/* The story of a task's pulls; ctl_explain.c. */
int ctl_print_explain(const Darter__V1__ExplainResponse *story, bool json, FILE *out);

/* A scheduler's decisions about a task; ctl_decisions.c. */
int ctl_print_decisions(const Darter__V1__DecisionsResponse *story, bool json, FILE *out);

/* ms since 1970 as "2023-11-14T22:13:20.005", in UTC. */
enum { CTL_WALL_TEXT = 40 };
const char *ctl_wall_text(int64_t ms, char text[CTL_WALL_TEXT]);
/* "45s", "12m", "5h", "3d"; "-" when `then_s` is 0. What lies ahead, by another clock, is "0s". */
enum { CTL_AGE_TEXT = 24 };
void ctl_age_text(int64_t then_s, int64_t now_s, char text[CTL_AGE_TEXT]);

#endif
