/* A manager's answer to ListSchedulers as clusters in its order, the best first (features page 1.9). Pure;
 * any thread. */
#ifndef DTR_DAEMON_MANAGED_CLUSTERS_H
#define DTR_DAEMON_MANAGED_CLUSTERS_H

#include "core/daemon/talk/talk.h"
#include "proto/manager.pb-c.h"

enum { CLUSTERS_MAX = 256, CLUSTER_SCHEDULERS_MAX = 64, CLUSTER_NAME = 64 };

struct cluster {
    uint64_t id;
    char name[CLUSTER_NAME]; /* "" when the answer has none */
    struct talk_place *schedulers;
    size_t count;        /* at least 1 */
    char *client_config; /* JSON for hosts of this kind, as far as there is some */
    size_t client_config_length;
};

struct clusters {
    struct cluster *items;
    size_t count;
    size_t left_out; /* schedulers of no use: their address is none, or there are too many */
};

/* The cluster that the configuration binds this host to: host.schedulerClusterID, else seedPeer.clusterID of
 * a seed peer; 0: the manager's order decides. */
uint64_t clusters_bound(const struct dtr_daemon_config *config);
/* Those of `answer`, of one cluster (`bound`, or 0: of all), as a peer or a seed peer sees them. A scheduler
 * is named by its address; multicast and unspecified ones are none. Zero clusters are no error. DTR_ENOMEM.
 */
int clusters_read(const Manager__V2__ListSchedulersResponse *answer, uint64_t bound, bool seed,
                  struct clusters *ret_clusters, struct dtr_error *err);
/* Zeroed is fine. */
void clusters_free(struct clusters *clusters);

#endif
