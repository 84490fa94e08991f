/* Look-ups: names as addresses within a time limit, for whoever lives on a loop. The system's resolver
 * blocks, for many seconds when a name server is silent, and nobody can stop it: it is asked on threads that
 * look-ups alone use, so that slow names hold up neither loops nor the workers' jobs. In the whole process
 * DTR_LOOKUP_THREADS names are looked up at a time and DTR_LOOKUP_ROOM wait in line; each look-up ends by its
 * deadline, time in line included. Not for: names of a configuration file, which core/conf/follow.h looks up
 * on its own thread, but for the manager's (core/managed/uplink.h). */
#ifndef DTR_NET_LOOKUP_H
#define DTR_NET_LOOKUP_H

#include "core/loop/loop.h"
#include "core/net/addr.h"

enum { DTR_LOOKUP_THREADS = 8, DTR_LOOKUP_ROOM = 64, DTR_LOOKUP_ADDRS = 8 };

struct dtr_lookup;

/* Looks up "name:port" (or "10.0.0.1:80", "[::1]:80"). `done` comes once, on the loop, never from inside this
 * call: the addresses in the order in which they should be tried, at most DTR_LOOKUP_ADDRS, valid during the
 * call; or count 0 and an error: DTR_ENOT_FOUND, DTR_EINVALID, DTR_ETIMEOUT after `limit_ms`. The look-up is
 * gone when it comes. At once DTR_ELIMIT when the line is full. On the loop's thread. */
int dtr_lookup_start(struct dtr_loop *loop, const char *text, uint64_t limit_ms,
                     void (*done)(void *context, const struct dtr_addr *list, size_t count,
                                  const struct dtr_error *err),
                     void *context, struct dtr_lookup **ret_lookup, struct dtr_error *err);
/* `done` does not come. On the loop's thread. */
void dtr_lookup_cancel(struct dtr_lookup *lookup);

/* The same for a thread that may block: returns when the answer is there, or with DTR_ETIMEOUT. DTR_ELIMIT
 * when DTR_LOOKUP_ROOM names of such threads are without an answer. Any thread. */
int dtr_lookup_wait(const char *text, uint64_t limit_ms, struct dtr_addr list[DTR_LOOKUP_ADDRS],
                    size_t *ret_count, struct dtr_error *err);

#endif
