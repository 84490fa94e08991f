/* A cluster as users see it: one scheduler cluster and one seed peer cluster, which are linked and have the
 * same name; its id is the scheduler cluster's. These are the hooks of its resource, whose table is that of
 * scheduler clusters. */
#ifndef DTR_MANAGER_REST_CLUSTER_H
#define DTR_MANAGER_REST_CLUSTER_H

#include "core/manager/rest/call.h"

int cluster_written(struct rest_call *call, struct store_db *db, int64_t id, const json_t *values,
                    struct dtr_error *err);
int cluster_check_delete(struct rest_call *call, struct store_db *db, int64_t id, struct dtr_error *err);

/* Links two halves. A scheduler cluster has one seed peer cluster at a time: clusters are made of one of
 * each. */
int cluster_link(struct store_db *db, int64_t seed_peer_cluster, int64_t scheduler_cluster,
                 struct dtr_error *err);

/* PUT routes of the halves: move a scheduler or a seed peer to a cluster, link two halves. */
rest_handler cluster_move_scheduler, cluster_move_seed_peer, cluster_link_halves;

#endif
