/* Hosts that schedulers know, as rows of `peers`. A look at them (a job "sync_peers") has a mark, which is
 * the date it was made: rows of it have that as their updated_at. What becomes of rows that no look sees any
 * more: upkeep_expire_peers(). Blocking; on worker threads. */
#ifndef DTR_MANAGER_JOBS_PEERS_H
#define DTR_MANAGER_JOBS_PEERS_H

#include "core/manager/store/store.h"

/* Writes down a ListHostsResponse of a scheduler of this cluster, so many rows in one transaction.
 * *ret_count: how many hosts. DTR_EINVALID: it is none. */
int peers_write(struct store *store, int64_t cluster_id, int64_t mark, const uint8_t *bytes, size_t length,
                size_t batch, size_t *ret_count, struct dtr_error *err);
/* All schedulers of the cluster have answered: who was not among the hosts is inactive. In a transaction. */
int peers_end(struct store_db *db, int64_t cluster_id, int64_t mark, struct dtr_error *err);

#endif
