/* Connections for worker threads, which may block: the contract is that of conn_dial and the others in
 * darter/host.h. The host is trusted by the guard, as an operator named it. Not for loops: they have
 * stream.h.
 */
#ifndef DTR_NET_CONN_H
#define DTR_NET_CONN_H

#include <darter/host.h>

int dtr_conn_dial(const struct dtr_conn_target *target, struct dtr_conn **ret_conn, struct dtr_error *err);
int dtr_conn_read(struct dtr_conn *conn, void *bytes, size_t room, uint64_t limit_ms, size_t *ret_count,
                  struct dtr_error *err);
int dtr_conn_write(struct dtr_conn *conn, const void *bytes, size_t length, uint64_t limit_ms,
                   struct dtr_error *err);
void dtr_conn_close(struct dtr_conn *conn);

#endif
