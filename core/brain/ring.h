/* Which scheduler is asked about a task when there are several: a consistent-hash ring with one point for
 * each scheduler. All daemons of a cluster must choose alike, so the hash is the one that dfdaemon uses
 * (wire page 3.7; deduced there, not yet compared with a running dfdaemon and two schedulers). Any thread. */
#ifndef DTR_BRAIN_RING_H
#define DTR_BRAIN_RING_H

#include <darter/error.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct dtr_ring_point {
    uint64_t key;
    size_t index; /* of the address that dtr_ring_build() was given */
};

struct dtr_ring {
    struct dtr_ring_point *points; /* by key, ascending */
    size_t count;
};

/* Makes the ring of these IPv4 and IPv6 addresses, in any order. The ring was zeroed or freed before. */
int dtr_ring_build(struct dtr_ring *ring, const struct sockaddr_storage *addresses, size_t count,
                   struct dtr_error *err);
void dtr_ring_free(struct dtr_ring *ring);
/* Index of the scheduler for this task. `nth` 0 is the owner, 1 the next on the ring, and so on, for a
 * caller whose owner does not answer. The ring is not empty. */
size_t dtr_ring_pick(const struct dtr_ring *ring, const char *task_id, size_t nth);

/* The two hashes, for tests and for explaining a choice. */
uint64_t dtr_ring_address_key(const struct sockaddr_storage *address);
uint64_t dtr_ring_task_key(const char *task_id);

#endif
