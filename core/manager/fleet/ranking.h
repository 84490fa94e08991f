/* The clusters of a picture, ranked for a peer. Worker threads. */
#ifndef DTR_MANAGER_FLEET_RANKING_H
#define DTR_MANAGER_FLEET_RANKING_H

#include "core/manager/fleet/fleet.h"
#include "core/manager/fleet/ranker.h"

/* Arrays by the same index, but for `order`, whose elements are indexes, the best first. They are as good as
 * the picture. */
struct fleet_ranking {
    const struct fleet_cluster **clusters;
    struct dtr_scope_cluster *inputs;
    uint32_t *order;
    double *scores;
    uint32_t count;
};

/* Ranks those that have somebody to offer (`usable`), or those that have not. DTR_ENOMEM only; what was made
 * is the caller's also after that. */
int fleet_rank(const struct fleet *fleet, const struct dtr_scope_peer *peer, struct ranker *ranker,
               bool usable, struct fleet_ranking *ret_ranking, struct dtr_error *err);
/* A zeroed one is fine. */
void fleet_ranking_free(struct fleet_ranking *ranking);

#endif
