/* Which schedulers a peer is told of; see place.h. */
#include "core/manager/grpc/place.h"

#include <stdlib.h>

static bool has_usable(const struct fleet_cluster *cluster)
{
    for (size_t i = 0; i < cluster->scheduler_count; i++) {
        if (cluster->schedulers[i].usable)
            return true;
    }
    return false;
}

static void add_cluster(const struct fleet_cluster *cluster, bool all, struct message_list *list)
{
    for (size_t i = 0; i < cluster->scheduler_count; i++) {
        if (all || cluster->schedulers[i].usable)
            message_add(list, cluster, &cluster->schedulers[i], true);
    }
}

static int made(const struct message_list *list, struct dtr_error *err)
{
    return list->failed
               ? dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a list of schedulers")
               : DTR_OK;
}

int place_named(const struct fleet *fleet, int64_t cluster_id, struct message_list *ret_list,
                struct dtr_error *err)
{
    const struct fleet_cluster *cluster = fleet_find(fleet, cluster_id);
    if (!cluster)
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_SAME, "there is no scheduler cluster %lld",
                             (long long)cluster_id);
    add_cluster(cluster, !has_usable(cluster), ret_list);
    return made(ret_list, err);
}

struct ranking {
    const struct fleet_cluster **clusters;
    struct dtr_scope_cluster *inputs;
    uint32_t *order;
    double *scores;
    uint32_t count;
};

static void free_ranking(struct ranking *ranking)
{
    free(ranking->clusters);
    free(ranking->inputs);
    free(ranking->order);
    free(ranking->scores);
}

/* Those that have somebody to offer. */
static int collect(const struct fleet *fleet, struct ranking *ret_ranking, struct dtr_error *err)
{
    const size_t room = fleet->count + 1;
    *ret_ranking = (struct ranking){.clusters = calloc(room, sizeof(const struct fleet_cluster *)),
                                    .inputs = calloc(room, sizeof(*ret_ranking->inputs)),
                                    .order = calloc(room, sizeof(*ret_ranking->order)),
                                    .scores = calloc(room, sizeof(*ret_ranking->scores))};
    if (!ret_ranking->clusters || !ret_ranking->inputs || !ret_ranking->order || !ret_ranking->scores)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a ranking of clusters");
    for (size_t i = 0; i < fleet->count; i++) {
        const struct fleet_cluster *cluster = &fleet->clusters[i];
        if (!has_usable(cluster))
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

int place_by_scopes(const struct fleet *fleet, const struct dtr_scope_peer *peer, struct ranker *ranker,
                    struct message_list *ret_list, struct dtr_error *err)
{
    struct ranking ranking;
    int rc = collect(fleet, &ranking, err);
    if (rc == DTR_OK)
        rc = ranker_rank(ranker, ranking.inputs, ranking.count, peer, ranking.order, ranking.scores, err);
    for (uint32_t i = 0; i < ranking.count && rc == DTR_OK; i++)
        add_cluster(ranking.clusters[ranking.order[i]], false, ret_list);
    free_ranking(&ranking);
    return rc == DTR_OK ? made(ret_list, err) : rc;
}
