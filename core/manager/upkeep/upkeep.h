/* What the manager sees to by itself: which members have fallen silent, and what is to be cleared away:
 * members that are long gone, old jobs, old audits. */
#ifndef DTR_MANAGER_UPKEEP_H
#define DTR_MANAGER_UPKEEP_H

#include "core/loop/pool.h"
#include "core/manager/fleet/fleet.h"

enum {
    UPKEEP_BATCH = 5000, /* rows deleted in one transaction */
    UPKEEP_SYNCS = 3,    /* refreshes that have not seen a peer make it inactive */
};

enum upkeep_kind { UPKEEP_AUDITS, UPKEEP_JOBS, UPKEEP_PEERS };

/* Deletes those that are older than the setting "gc" ({"audit":{"ttl":ns},"job":{"ttl":ns}}, features page
 * 1.5) says, by the date of age.h: audits since they were written, jobs since they ended; jobs that still run
 * stay, and the last one about peers, which says when they were refreshed. A setting that is not such is
 * logged and counts as the usual one. Peers go when they were inactive for seven days, whatever it says.
 * *ret_purged counts rows, also those deleted before an error. Blocking; on worker threads, also those of two
 * managers at once. */
int upkeep_purge(struct store *store, enum upkeep_kind kind, int64_t *ret_purged, struct dtr_error *err);

/* Peers that no refresh has seen for UPKEEP_SYNCS times `sync_every_ms` become inactive: their schedulers are
 * gone, so nobody is asked for them. 0: none do, since nothing refreshes them by itself. Dates do here, other
 * than for members (silence.h): it is about days, and a peer that lives is back, whatever was done to its
 * row, with the next refresh of its cluster. A date that is further ahead than that is one of a clock that
 * was wrong, and is made today's, or the row would stay until then. Blocking; on worker threads. */
int upkeep_expire_peers(struct store *store, uint64_t sync_every_ms, struct dtr_error *err);

/* --- all of it, time and again ---------------------------------------------------------------------------
 */

struct upkeep;

struct upkeep_options {
    struct dtr_loop *loop;
    struct dtr_pool *pool;
    struct store *store;
    struct fleet_view *view;
    uint64_t sync_every_ms; /* peers are refreshed that often; 0: not by themselves */
    /* On a worker thread: in each round, before its other work. */
    void (*round)(void *context);
    void *context;
};

/* What follows is called on the loop, or before it runs. `options` is copied. */
int upkeep_new(const struct upkeep_options *options, struct upkeep **ret_upkeep, struct dtr_error *err);
void upkeep_begin(struct upkeep *upkeep);
/* `closed` comes later, when nothing of it runs; then it is freed by upkeep_free(). */
void upkeep_close(struct upkeep *upkeep, void (*closed)(void *context), void *context);
/* One that never began, or is closed. NULL is fine. */
void upkeep_free(struct upkeep *upkeep);

#endif
