/* What a scheduling policy sees when candidate parents are ranked for a child: columns (one array per
 * fact, one entry per candidate) and scalars about child and task. The C default and the Lua policies
 * fill the same scores from the same columns. Columns are append-only: scripts name what they need.
 *
 * Not for filtering: what may be a parent at all is decided in swarm.c before. */
#ifndef DTR_BRAIN_RANK_H
#define DTR_BRAIN_RANK_H

#include <darter/error.h>
#include <stdbool.h>
#include <stdint.h>

/* type, name, what it says. NAN in a number means not known (nil in Lua). */
#define DTR_RANK_COLUMNS(X)                                                                                  \
    X(double, max_tx, "announced ceiling of the parent host's sending, bits/s; 0: unknown")                  \
    X(double, tx, "booked sending: piece length x concurrent pieces x 8 of each child, bits/s")              \
    X(double, outstanding_bytes, "content length of every child attached to the host, bytes")                \
    X(double, outstanding_pieces, "concurrent pieces of every child attached to the host")                   \
    X(double, uploads, "children attached to the host")                                                      \
    X(double, pieces_had, "pieces of this task that the parent has")                                         \
    X(double, pieces_total, "pieces of this task; 0: unknown")                                               \
    X(double, children, "children of this peer")                                                             \
    X(double, depth, "steps to the origin in the parent graph; 0: it is at the origin itself")               \
    X(double, cost_mean, "mean of the parent's own piece costs, ms; NAN: none yet")                          \
    X(double, cost_last, "its last piece cost, ms")                                                          \
    X(double, cost_deviation, "standard deviation of its piece costs, ms")                                   \
    X(double, observed_rate, "bytes/s that children got from the host lately; NAN: none yet")                \
    X(double, failures, "pieces that children failed to get from this peer")                                 \
    X(double, rtt_ms, "round trip between the hosts; NAN: not measured")                                     \
    X(double, idc_match, "1 when both idc are set and equal ignoring case, else 0")                          \
    X(double, location_match, "equal leading elements of location (at most 5) / 5")                          \
    X(double, host_type, "0 normal, 1 super seed")                                                           \
    X(double, state, "enum dtr_peer_state of the parent")                                                    \
    X(double, host_hash, "a stable number in 0..1 from the host id")                                         \
    X(double, age_ms, "since the peer registered")

struct dtr_rank_input {
    uint32_t count; /* candidates */
#define DTR_RANK_COLUMN_FIELD(type, name, help) const type *name;
    DTR_RANK_COLUMNS(DTR_RANK_COLUMN_FIELD)
#undef DTR_RANK_COLUMN_FIELD
    const char *const *idc;      /* label of each candidate's host, "" when none */
    const char *const *location; /* label of each candidate's host, "" when none */
    const char *child_idc;
    const char *child_location;
    uint32_t child_host_type;
    uint32_t child_priority;
    uint64_t content_length; /* bytes; DTR_LENGTH_UNKNOWN */
    uint64_t piece_length;   /* bytes; 0: unknown */
    uint64_t now_ms;         /* of the caller's clock */
    uint64_t random;         /* fresh for each decision */
};

/* Writes a score per candidate, higher is better. Nonzero: the caller uses the C default instead. Called
 * on the scheduler's control thread. */
typedef int (*dtr_rank_fn)(void *context, const struct dtr_rank_input *input, double *ret_scores,
                           struct dtr_error *err);

/* The formula of Dragonfly v2.4 and later (features page 2.5, "default"). `context` is not used. */
int dtr_rank_dragonfly(void *context, const struct dtr_rank_input *input, double *ret_scores,
                       struct dtr_error *err);

/* The states of a peer in the scheduler, in the order of the wire names (features page 2.6). */
#define DTR_PEER_STATES(X)                                                                                   \
    X(PENDING, "Pending")                                                                                    \
    X(RECEIVED_EMPTY, "ReceivedEmpty")                                                                       \
    X(RECEIVED_TINY, "ReceivedTiny")                                                                         \
    X(RECEIVED_SMALL, "ReceivedSmall")                                                                       \
    X(RECEIVED_NORMAL, "ReceivedNormal")                                                                     \
    X(RUNNING, "Running")                                                                                    \
    X(BACK_TO_SOURCE, "BackToSource")                                                                        \
    X(SUCCEEDED, "Succeeded")                                                                                \
    X(FAILED, "Failed")                                                                                      \
    X(LEAVE, "Leave")

enum dtr_peer_state {
#define DTR_PEER_STATE_ENUM(name, text) DTR_PEER_##name,
    DTR_PEER_STATES(DTR_PEER_STATE_ENUM)
#undef DTR_PEER_STATE_ENUM
};

#endif
