/* The resources: their fields and what is special about them. */
#ifndef DTR_MANAGER_REST_KINDS_H
#define DTR_MANAGER_REST_KINDS_H

#include "core/manager/rest/resource.h"

extern const struct resource kind_scheduler_cluster, kind_seed_peer_cluster, kind_scheduler, kind_seed_peer,
    kind_peer, kind_application, kind_config, kind_user, kind_token, kind_audit, kind_job;
/* Of the facade; it has no table of its own. */
extern const struct resource kind_cluster;

/* Before a half of a cluster is deleted: 409 while schedulers, or seed peers, belong to it; else its links,
 * and what nobody wants without it, are deleted. */
int scheduler_cluster_free(struct rest_call *call, struct store_db *db, int64_t id, struct dtr_error *err);
int seed_peer_cluster_free(struct rest_call *call, struct store_db *db, int64_t id, struct dtr_error *err);

#endif
