/* The proxy and registry mirror (4001): requests of container runtimes, on the data threads.
 *
 * One listener on the control loop hands its connections to an HTTP server on each data loop in turn. A
 * request that names a task becomes a reader on the control thread (task.h); its events travel back as
 * messages, and the bytes go out as extents leased from the copy. Everything else is passed through to its
 * origin, or tunnelled. */
#ifndef DTR_DAEMON_PROXY_H
#define DTR_DAEMON_PROXY_H

#include "core/daemon/role.h"

/* Before the loops run. Binds config->proxy.server.listen. */
int proxy_new(struct dtr_daemon *daemon, struct proxy **ret_proxy, struct dtr_error *err);
/* On the control loop: stops listening, gives running exchanges `limit_ms`; `closed` comes on the control
 * loop when nothing is left. */
void proxy_close(struct proxy *proxy, uint64_t limit_ms, void (*closed)(void *context), void *context);

#endif
