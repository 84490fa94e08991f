/* Listening sockets: accepted connections come as descriptors, on the listener's loop, to be handed to
 * whichever loop shall own them. */
#ifndef DTR_NET_LISTEN_H
#define DTR_NET_LISTEN_H

#include "core/net/addr.h"
#include <darter/host.h>

struct dtr_listener;

/* Binds and listens; "::" takes both families. A unix socket gets mode 0777 and replaces a stale file; TCP
 * sets SO_REUSEADDR. `accepted` owns the descriptor (non-blocking, close-on-exec, TCP_NODELAY on TCP). When
 * descriptors run out, accepting pauses for 100 ms and says so. Port 0 lets the kernel choose: see
 * dtr_listener_addr(). An address in use gives an error that says what to do. */
int dtr_listen(struct dtr_loop *loop, const struct dtr_addr *addr,
               void (*accepted)(void *context, int fd, const struct dtr_addr *peer), void *context,
               struct dtr_listener **ret_listener, struct dtr_error *err);
void dtr_listener_addr(const struct dtr_listener *listener, struct dtr_addr *ret_addr);
/* On the listener's loop; also removes a unix socket's file. NULL is fine. */
void dtr_listener_close(struct dtr_listener *listener);

#endif
