/* Which cluster a peer would get, and why: each cluster's score and each term of it (features page 1.9).
 * Worker threads. */
#ifndef DTR_MANAGER_REST_RANKING_H
#define DTR_MANAGER_REST_RANKING_H

#include "core/manager/rest/call.h"

extern const struct field ranking_fields[]; /* of the query: what the peer says of itself */
rest_handler ranking_get;

#endif
