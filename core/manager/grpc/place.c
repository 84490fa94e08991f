/* Which schedulers a peer is told of; see place.h. */
#include "core/manager/grpc/place.h"

#include "core/manager/fleet/ranking.h"

#include <stdlib.h>

static int make_room(struct place *place, size_t count, struct dtr_error *err)
{
    *place = (struct place){.clusters = calloc(count + 1, sizeof(const struct fleet_cluster *))};
    return place->clusters ? DTR_OK
                           : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for an answer");
}

int place_named(const struct fleet *fleet, int64_t cluster_id, struct place *ret_place, struct dtr_error *err)
{
    const struct fleet_cluster *cluster = fleet_find(fleet, cluster_id);
    if (!cluster)
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_SAME, "there is no scheduler cluster %lld",
                             (long long)cluster_id);
    int rc = make_room(ret_place, 1, err);
    if (rc == DTR_OK)
        ret_place->clusters[ret_place->count++] = cluster;
    return rc;
}

int place_by_scopes(const struct fleet *fleet, const struct dtr_scope_peer *peer, struct ranker *ranker,
                    struct place *ret_place, struct dtr_error *err)
{
    struct fleet_ranking ranking;
    int rc = fleet_rank(fleet, peer, ranker, true, &ranking, err);
    if (rc == DTR_OK)
        rc = make_room(ret_place, ranking.count, err);
    for (uint32_t i = 0; i < ranking.count && rc == DTR_OK; i++)
        ret_place->clusters[ret_place->count++] = ranking.clusters[ranking.order[i]];
    fleet_ranking_free(&ranking);
    return rc;
}
