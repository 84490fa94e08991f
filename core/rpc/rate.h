/* How many calls a listener takes: a token bucket, and a bounded number of calls that wait for a token.
 *
 * A call that waits has its token already, one that does not exist yet: so its time is known when it comes,
 * and no queue is needed. Time is the caller's. Not for: bytes (core/net paces those). */
#ifndef DTR_RPC_RATE_H
#define DTR_RPC_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct dtr_rpc_rate {
    uint32_t per_s;   /* calls; 0: no limit */
    uint32_t burst;   /* calls taken at once after a silence; 0: as many as per_s */
    uint32_t waiting; /* calls that may wait for their turn; those beyond it are refused */
};

struct dtr_rpc_bucket {
    struct dtr_rpc_rate rate;
    int64_t level;  /* thousandths of a call; below 0: calls that wait */
    uint64_t at_ms; /* when that was so */
};

/* Full at first. */
void dtr_rpc_bucket_init(struct dtr_rpc_bucket *bucket, const struct dtr_rpc_rate *rate, uint64_t now_ms);
/* Another call: *ret_turn_ms is when it may begin, `now_ms` or later. False: refused. */
bool dtr_rpc_bucket_take(struct dtr_rpc_bucket *bucket, uint64_t now_ms, uint64_t *ret_turn_ms);

#endif
