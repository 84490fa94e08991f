/* Which schedulers a peer is told of, and in which order (features page 1.8, 1.9). No input or output. */
#ifndef DTR_MANAGER_PLACE_H
#define DTR_MANAGER_PLACE_H

#include "core/manager/fleet/fleet.h"
#include "core/manager/fleet/ranker.h"
#include "core/manager/grpc/message.h"

/* The cluster that a peer named: its usable schedulers; all of it when there is none, since they may be
 * better than the manager knows. DTR_ENOT_FOUND: there is no such cluster. */
int place_named(const struct fleet *fleet, int64_t cluster_id, struct message_list *ret_list,
                struct dtr_error *err);
/* The usable schedulers of all clusters, those of the cluster first that suits the peer best. DTR_ENOMEM
 * only. */
int place_by_scopes(const struct fleet *fleet, const struct dtr_scope_peer *peer, struct ranker *ranker,
                    struct message_list *ret_list, struct dtr_error *err);

#endif
