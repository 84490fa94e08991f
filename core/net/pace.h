/* Rates: how many bytes (or requests) a second may pass, for all who share one limit.
 *
 * Whoever wants to pass takes a turn: it is told how long to wait, and then goes. Turns follow each other as
 * the rate has it, in the order in which they were taken; so everybody who takes turns of the same size gets
 * the same share, whoever comes and goes. After a lull `burst_ns` worth may pass at once.
 *
 * Pure arithmetic on a clock that is passed in; any thread. Not for: waiting itself (stream.h, transfer.h).
 */
#ifndef DTR_NET_PACE_H
#define DTR_NET_PACE_H

#include <stdatomic.h>
#include <stdint.h>

#define DTR_PACE_BURST_NS ((uint64_t)100000000) /* of bytes: 100 ms */

struct dtr_pace {
    _Atomic uint64_t rate;    /* a second; 0: no limit */
    _Atomic uint64_t next_ns; /* when the next turn begins, in the callers' clock */
    uint64_t burst_ns;
};

void dtr_pace_init(struct dtr_pace *pace, uint64_t rate, uint64_t burst_ns);
/* Another rate from the next turn on; who waits goes when it was told. The same rate changes nothing. */
void dtr_pace_set(struct dtr_pace *pace, uint64_t rate);
/* Takes a turn for `count`; the result is how long to wait before going, ns. NULL is no limit. */
uint64_t dtr_pace_take(struct dtr_pace *pace, uint64_t now_ns, uint64_t count);
/* So many of a turn were not used. */
void dtr_pace_give_back(struct dtr_pace *pace, uint64_t count);
/* A fair size for one turn of bytes: some ms at this rate, not below 4 KiB nor above 256 KiB. */
uint64_t dtr_pace_turn(const struct dtr_pace *pace);

#endif
