/* Cleans the store every gc.interval, as gc.policy says; which tasks go is decided in tasks/. Control loop.
 */
#ifndef DTR_DAEMON_GC_H
#define DTR_DAEMON_GC_H

#include "core/daemon/role.h"

/* Begins with a first cleaning as soon as the loop runs. Main thread, before the loops run. */
int gc_new(struct dtr_daemon *daemon, struct gc **ret_gc, struct dtr_error *err);
/* Cleans now, by the policy that the configuration has now. */
void gc_soon(struct gc *gc);
/* NULL is fine. */
void gc_close(struct gc *gc);

#endif
