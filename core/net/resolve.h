/* Names as addresses, by the system's resolver. It blocks, for seconds when a name server is silent: for
 * errands (core/loop/errand.h) only. On a loop there is lookup.h. */
#ifndef DTR_NET_RESOLVE_H
#define DTR_NET_RESOLVE_H

#include "core/net/addr.h"

/* All addresses of "name:port", "10.0.0.1:8002" or "[::1]:8002", each once and sorted, so that all who ask
 * get the same list. As Dragonfly does it, IPv6 ones are left out where there are IPv4 ones, unless only they
 * can be reached (core/net/reach.h). More than `room`: DTR_ELIMIT. A name that has no address:
 * DTR_ENOT_FOUND. */
int dtr_resolve(const char *text, struct dtr_addr *list, size_t room, size_t *ret_count,
                struct dtr_error *err);
/* For who dials one of them: of both families, in the order in which the system would try them. What is past
 * `room`, which is not 0, is left out. */
int dtr_resolve_to_dial(const char *text, struct dtr_addr *list, size_t room, size_t *ret_count,
                        struct dtr_error *err);

#endif
