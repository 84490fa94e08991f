/* What people are answered who ask which nodes hold an image. Pure; any thread. */
#ifndef DTR_MANAGER_JOBS_DISTRIBUTION_H
#define DTR_MANAGER_JOBS_DISTRIBUTION_H

#include <jansson.h>

/* {image{layers[{url}]}, peers[{ip, hostname, cached_layers[{url}], scheduler_cluster_id}]}, of the result of
 * the job: what the schedulers of a cluster said, put together. NULL: no scheduler said anything, or out of
 * memory. */
json_t *distribution_of(const json_t *result);

#endif
