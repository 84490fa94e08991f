/* The outbound guard: the one place that decides whether an address that came over the network may be
 * dialled. Asked after name resolution, for every address and again for every redirect.
 *
 * Refused unless trusted: loopback, link-local, multicast, unspecified, and this machine's own addresses.
 * Trusted means that an operator configured the destination (registry mirror, rule redirect) or listed
 * the address. Its own addresses are those that the machine has when it is asked. Started before the
 * loops are; the rest on any thread. */
#ifndef DTR_NET_GUARD_H
#define DTR_NET_GUARD_H

#include "core/net/addr.h"

/* Learns this machine's addresses, and hears of changes from now on. */
int dtr_guard_start(struct dtr_error *err);
/* Allows a network in CIDR form ("127.0.0.0/8") or one address. */
int dtr_guard_allow(const char *cidr, struct dtr_error *err);
/* Allows these, and nothing that was allowed before; connections that are there stay. On an error nothing
 * changes. */
int dtr_guard_allow_only(const char *const *cidrs, size_t count, struct dtr_error *err);
/* Forgets everything. */
void dtr_guard_stop(void);
bool dtr_guard_allows(const struct sockaddr *address, bool trusted);

#endif
