/* Rows of the fleet as messages of manager.v2. Everything that they point to is the picture's or the list's.
 */
#ifndef DTR_MANAGER_MESSAGE_H
#define DTR_MANAGER_MESSAGE_H

#include "core/manager/fleet/fleet.h"
#include "proto/manager.pb-c.h"

/* Schedulers of an answer, each with its cluster, and, when they are wanted, the seed peers of it. */
struct message_list {
    Manager__V2__Scheduler **schedulers;
    size_t count;
    struct message_cluster *clusters;
    size_t cluster_count;
    bool failed; /* out of memory */
};

/* Adds a scheduler; its cluster's parts are made once. */
void message_add(struct message_list *list, const struct fleet_cluster *cluster,
                 const struct fleet_scheduler *scheduler, bool with_seeds);
void message_free(struct message_list *list);
/* Fills in the cluster's `usable` and `offer`, which is the caller's (free()). */
int message_offer(struct fleet_cluster *cluster, struct dtr_error *err);

/* Fills a seed peer, which has its cluster in *ret_cluster. */
void message_seed(const struct fleet_cluster *cluster, const struct fleet_seed *seed,
                  Manager__V2__SeedPeer *ret_seed, Manager__V2__SeedPeerCluster *ret_cluster);

#endif
