/* A seed peer makes itself known to the manager (UpdateSeedPeer, KeepAlive; wire page 5), so that an operator
 * sees it there. Pulls do not need that: schedulers know seeds by their announcements. Control loop only. */
#ifndef DTR_DAEMON_SEED_H
#define DTR_DAEMON_SEED_H

#include "core/daemon/role.h"
#include "core/managed/uplink.h"

struct seed;

/* The uplink outlives it. */
int seed_new(struct dtr_daemon *daemon, struct dtr_uplink *uplink, struct seed **ret_seed,
             struct dtr_error *err);
/* A manager is there, and the schedulers of this cluster are used: makes itself known in
 * seedPeer.clusterID, or in the seed peer cluster of the same id, unless it is. NULL is fine, here and below.
 */
void seed_show(struct seed *seed, uint64_t cluster_id);
/* Ends the signs of life; `closed` comes when that is done, maybe at once. */
void seed_close(struct seed *seed, void (*closed)(void *context), void *context);
/* After that, when the uplink is gone. */
void seed_free(struct seed *seed);

#endif
