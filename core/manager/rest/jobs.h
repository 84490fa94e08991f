/* Jobs over REST: what may be asked for, and who is answered when. */
#ifndef DTR_MANAGER_REST_JOBS_H
#define DTR_MANAGER_REST_JOBS_H

#include "core/manager/jobs/args.h"
#include "core/manager/rest/call.h"

/* Makes a row that a runner finds. "gc" is done at once; "sync_peers" and "get_image_distribution" are
 * answered when they are over. */
rest_handler job_create;

/* The tables of the arguments, one for each kind, ended by NULL. */
extern const struct field *const job_arg_forms[];
/* Checks `args` of a body (NULL: none) and fills in what was not given. *ret_args is the caller's. Errors:
 * 422, naming the argument. */
int job_check_args(struct rest_call *call, enum job_kind kind, const json_t *body, json_t **ret_args,
                   struct dtr_error *err);

#endif
