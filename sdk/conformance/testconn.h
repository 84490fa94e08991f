/* The connections that the test host lends: plain ones. The contract is in darter/host.h. */
#ifndef DTR_CONFORMANCE_TESTCONN_H
#define DTR_CONFORMANCE_TESTCONN_H

#include <darter/host.h>

int testconn_dial(const struct dtr_conn_target *target, struct dtr_conn **ret_conn, struct dtr_error *err);
int testconn_read(struct dtr_conn *conn, void *bytes, size_t room, uint64_t limit_ms, size_t *ret_count,
                  struct dtr_error *err);
int testconn_write(struct dtr_conn *conn, const void *bytes, size_t length, uint64_t limit_ms,
                   struct dtr_error *err);
void testconn_close(struct dtr_conn *conn);

#endif
