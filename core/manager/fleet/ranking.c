/* See ranking.h. */
#include "core/manager/fleet/ranking.h"

#include <stdlib.h>

static int collect(const struct fleet *fleet, bool usable, struct fleet_ranking *ret_ranking,
                   struct dtr_error *err)
{
    const size_t room = fleet->count + 1;
    *ret_ranking = (struct fleet_ranking){.clusters = calloc(room, sizeof(const struct fleet_cluster *)),
                                          .inputs = calloc(room, sizeof(*ret_ranking->inputs)),
                                          .order = calloc(room, sizeof(*ret_ranking->order)),
                                          .scores = calloc(room, sizeof(*ret_ranking->scores))};
    if (!ret_ranking->clusters || !ret_ranking->inputs || !ret_ranking->order || !ret_ranking->scores)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a ranking of clusters");
    for (size_t i = 0; i < fleet->count; i++) {
        const struct fleet_cluster *cluster = &fleet->clusters[i];
        if ((fleet_usable(cluster) > 0) != usable)
            continue;
        ret_ranking->inputs[ret_ranking->count] =
            (struct dtr_scope_cluster){.id = (uint64_t)cluster->id,
                                       .name = cluster->name,
                                       .scope = cluster->scope,
                                       .is_default = cluster->is_default};
        ret_ranking->clusters[ret_ranking->count++] = cluster;
    }
    return DTR_OK;
}

int fleet_rank(const struct fleet *fleet, const struct dtr_scope_peer *peer, struct ranker *ranker,
               bool usable, struct fleet_ranking *ret_ranking, struct dtr_error *err)
{
    int rc = collect(fleet, usable, ret_ranking, err);
    return rc == DTR_OK ? ranker_rank(ranker, ret_ranking->inputs, ret_ranking->count, peer,
                                      ret_ranking->order, ret_ranking->scores, err)
                        : rc;
}

void fleet_ranking_free(struct fleet_ranking *ranking)
{
    free(ranking->clusters);
    free(ranking->inputs);
    free(ranking->order);
    free(ranking->scores);
}
