/* Which schedulers a peer is told of, and in which order (features page 1.8, 1.9). No input or output. */
#ifndef DTR_MANAGER_PLACE_H
#define DTR_MANAGER_PLACE_H

#include "core/manager/fleet/fleet.h"
#include "core/manager/fleet/ranker.h"

/* Clusters whose offers, in this order, are the answer. */
struct place {
    const struct fleet_cluster **clusters; /* free() */
    size_t count;
};

/* The cluster that a peer named. DTR_ENOT_FOUND: there is no such cluster. */
int place_named(const struct fleet *fleet, int64_t cluster_id, struct place *ret_place,
                struct dtr_error *err);
/* All clusters that have a usable scheduler, the one that suits the peer best first. DTR_ENOMEM only. */
int place_by_scopes(const struct fleet *fleet, const struct dtr_scope_peer *peer, struct ranker *ranker,
                    struct place *ret_place, struct dtr_error *err);

#endif
