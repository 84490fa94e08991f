/* The schedulers that the local dynconfig.yaml names when no manager is configured (features page 3.2), kept
 * up to date while the daemon runs: scheduler.addrs, or else all addresses of the name scheduler.addr. The
 * file is read again, and the name resolved again, every dynconfig.refreshInterval. A file that is bad, or a
 * name that has no address, leaves the last schedulers in place; with none from the start everything comes
 * from the origin. Control loop only. */
#ifndef DTR_DAEMON_DYNCONFIG_H
#define DTR_DAEMON_DYNCONFIG_H

#include "core/daemon/role.h"

struct dynconfig;

/* Tells daemon->talk of them; the first look begins at once. */
int dynconfig_new(struct dtr_daemon *daemon, const char *path, struct dynconfig **ret_dynconfig,
                  struct dtr_error *err);
/* dynconfig.refreshInterval is this now. NULL is fine. */
void dynconfig_interval(struct dynconfig *dynconfig, uint64_t interval_ms);
/* Before the talk is closed. NULL is fine. */
void dynconfig_close(struct dynconfig *dynconfig);

#endif
