/* What the manager sees to by itself: which members have fallen silent, and what is to be cleared away:
 * members that are long gone, old jobs, old audits. */
#ifndef DTR_MANAGER_UPKEEP_H
#define DTR_MANAGER_UPKEEP_H

#include "core/loop/pool.h"
#include "core/manager/fleet/fleet.h"

enum { UPKEEP_BATCH = 5000 }; /* rows deleted in one transaction */

enum upkeep_kind { UPKEEP_AUDITS, UPKEEP_JOBS };

/* Deletes those that are older than the setting "gc" ({"audit":{"ttl":ns},"job":{"ttl":ns}}, features page
 * 1.5) says, by the date of age.h: audits since they were written, jobs since they ended; jobs that still run
 * stay, and the last one about peers, which says when they were refreshed. A setting that is not such is
 * logged and counts as the usual one. *ret_purged counts rows, also those deleted before an error. Blocking;
 * on worker threads, also those of two managers at once. */
int upkeep_purge(struct store *store, enum upkeep_kind kind, int64_t *ret_purged, struct dtr_error *err);

/* --- all of it, time and again ---------------------------------------------------------------------------
 */

struct upkeep;

struct upkeep_options {
    struct dtr_loop *loop;
    struct dtr_pool *pool;
    struct store *store;
    struct fleet_view *view;
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
