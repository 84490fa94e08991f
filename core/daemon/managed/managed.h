/* The daemon's schedulers when the configuration names a manager (manager.addr): every
 * dynconfig.refreshInterval, after a reload, and soon after the last scheduler was lost, the manager is asked
 * for them, and the first cluster of its answer with a scheduler that says it serves is used: those of its
 * schedulers that do, and none of another cluster. When a better cluster is back, the next look returns to
 * it.
 *
 * The last good answer counts while the manager is away, over a restart too (server.cacheDir). Without any
 * pulls wait for one, for download.stallTimeout since the start at most, and come from the origin then.
 * Control loop only. */
#ifndef DTR_DAEMON_MANAGED_H
#define DTR_DAEMON_MANAGED_H

#include "core/daemon/role.h"

struct managed;

/* Before the loop runs, with a talk: reads the answer on disk, which counts at once. */
int managed_new(struct dtr_daemon *daemon, struct managed **ret_managed, struct dtr_error *err);
/* The configuration has other values. NULL is fine, here and below. */
void managed_changed(struct managed *managed);
/* None of the schedulers in use can be reached any more. */
void managed_lost(struct managed *managed);
/* `closed` comes later, when calls have ended and it is gone; before the talk is closed. */
void managed_close(struct managed *managed, void (*closed)(void *context), void *context);

#endif
