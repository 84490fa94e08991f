/* See rate.h. */
#include "core/rpc/rate.h"

enum { CALL = 1000 }; /* so that a rate per second is a whole number per millisecond */

static int64_t full(const struct dtr_rpc_bucket *bucket)
{
    uint32_t burst = bucket->rate.burst ? bucket->rate.burst : bucket->rate.per_s;
    return (int64_t)burst * CALL;
}

void dtr_rpc_bucket_init(struct dtr_rpc_bucket *bucket, const struct dtr_rpc_rate *rate, uint64_t now_ms)
{
    *bucket = (struct dtr_rpc_bucket){.rate = *rate, .at_ms = now_ms};
    bucket->level = full(bucket);
}

/* An hour fills every bucket that is not written down as unlimited, and keeps the product small. */
static void fill(struct dtr_rpc_bucket *bucket, uint64_t now_ms)
{
    const uint64_t hour_ms = 3600 * 1000;
    uint64_t passed_ms = now_ms > bucket->at_ms ? now_ms - bucket->at_ms : 0;
    bucket->level += (int64_t)((passed_ms < hour_ms ? passed_ms : hour_ms) * bucket->rate.per_s);
    if (bucket->level > full(bucket))
        bucket->level = full(bucket);
    if (passed_ms)
        bucket->at_ms = now_ms;
}

bool dtr_rpc_bucket_take(struct dtr_rpc_bucket *bucket, uint64_t now_ms, uint64_t *ret_turn_ms)
{
    *ret_turn_ms = now_ms;
    if (!bucket->rate.per_s)
        return true;
    fill(bucket, now_ms);
    if (bucket->level - CALL < -(int64_t)bucket->rate.waiting * CALL)
        return false;
    bucket->level -= CALL;
    if (bucket->level < 0)
        *ret_turn_ms += ((uint64_t)-bucket->level + bucket->rate.per_s - 1) / bucket->rate.per_s;
    return true;
}
