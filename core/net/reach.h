/* Which family of a name's addresses to use, where it has both: as RFC 8305 ("happy eyeballs") has it, but
 * for all of them together, as whoever goes by a whole list must not mix. Blocks for a second at most: for
 * errands. */
#ifndef DTR_NET_REACH_H
#define DTR_NET_REACH_H

#include "core/net/addr.h"

struct addrinfo;

/* AF_INET or AF_INET6. IPv4 unless no address of it takes a connection within a quarter of a second, or
 * before one of IPv6 does after that; IPv4 too when nobody does. With one family it is that, without asking
 * anybody. */
int dtr_reach_family(const struct addrinfo *list);

#endif
