/* A manager's answers to a scheduler as dynconfig.yaml would say it. Pure; any thread. */
#ifndef DTR_SCHEDULER_ANSWERS_H
#define DTR_SCHEDULER_ANSWERS_H

#include "core/conf/dynconfig.h"
#include "proto/manager.pb-c.h"
#include <darter/error.h>

enum { ANSWERS_CANDIDATES = 16, ANSWERS_FILTER = 64 }; /* one answer, one decision take no more */

/* Sets the limits in *dynconfig that the cluster's config (JSON) names, at most those above; the others stay.
 * DTR_EINVALID: it is not JSON, and nothing is set. */
int answers_limits(const Manager__V2__Scheduler *scheduler, struct dtr_dynconfig *dynconfig,
                   struct dtr_error *err);
/* Sets dynconfig->applications; texts stay the message's, lists are free()d by answers_free(). An application
 * without name or priority, and an expression that is none, are left out: *ret_left_out. DTR_ENOMEM. */
int answers_applications(const Manager__V2__ListApplicationsResponse *applications,
                         struct dtr_dynconfig *dynconfig, size_t *ret_left_out, struct dtr_error *err);
void answers_free(struct dtr_dynconfig *dynconfig);

#endif
