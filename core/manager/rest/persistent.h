/* Persistent cache tasks of a cluster. The schedulers have none yet, so a list is empty and none is found. */
#ifndef DTR_MANAGER_REST_PERSISTENT_H
#define DTR_MANAGER_REST_PERSISTENT_H

#include "core/manager/rest/call.h"

extern const struct field persistent_query[]; /* scheduler_cluster_id */
rest_handler persistent_list;
rest_handler persistent_find; /* to read or to delete */

#endif
