/* Pieces as peers report them: how many a peer has, how long they took, whose bytes they were. */
#include "core/brain/swarm_state.h"

#include <math.h>
#include <stdlib.h>

#define PIECE_MAX   (1u << 17) /* numbers above are not remembered one by one: 16 KiB per peer at most */
#define WINDOW      2000       /* costs that count for the slow test */
#define SLOW_RATIO  20         /* before the window is full: times the mean of the earlier ones */
#define SLOW_SIGMAS 3          /* afterwards */
#define RATE_WEIGHT 0.2        /* of the newest piece in a host's observed rate */

/* Running mean and squared deviations after Welford (1962), so that a peer needs 32 bytes and not its
 * last 2,000 costs. Exact while the window fills; a full window forgets one average cost for each new one
 * instead of its oldest. */
void dtr_swarm_costs_add(struct swarm_costs *costs, double cost_ms)
{
    if (!(cost_ms >= 0) || isinf(cost_ms))
        return;
    if (costs->earlier + 1 >= WINDOW) {
        costs->squares *= (double)(costs->earlier - 1) / costs->earlier;
        costs->earlier--;
    }
    if (costs->any) {
        double apart = costs->last - costs->mean;
        costs->earlier++;
        costs->mean += apart / costs->earlier;
        costs->squares += apart * (costs->last - costs->mean);
    }
    costs->any = true;
    costs->last = cost_ms;
}

bool dtr_swarm_costs_slow(const struct swarm_costs *costs)
{
    if (!costs->any || costs->earlier < 1)
        return false;
    if (costs->earlier + 1 < WINDOW)
        return costs->last > SLOW_RATIO * costs->mean;
    return costs->last > costs->mean + SLOW_SIGMAS * sqrt(costs->squares / costs->earlier);
}

/* The costs say how it got its pieces: of one that has them all no other comes. */
bool dtr_swarm_peer_slow(const struct swarm_peer *peer)
{
    return peer->facts.state != DTR_PEER_SUCCEEDED && dtr_swarm_costs_slow(&peer->costs);
}

double dtr_swarm_costs_mean(const struct swarm_costs *costs)
{
    if (!costs->any)
        return NAN;
    return costs->mean + (costs->last - costs->mean) / (costs->earlier + 1);
}

double dtr_swarm_costs_deviation(const struct swarm_costs *costs)
{
    if (!costs->any)
        return NAN;
    double apart = costs->last - costs->mean;
    double squares = costs->squares + apart * (costs->last - dtr_swarm_costs_mean(costs));
    return sqrt(squares / (costs->earlier + 1));
}

static bool grow(struct swarm_peer *peer, uint32_t words)
{
    uint32_t known = (peer->facts.task->piece_count + 63) / 64;
    uint32_t wanted = words > known ? words : known < PIECE_MAX / 64 ? known : PIECE_MAX / 64;
    uint64_t *pieces = realloc(peer->pieces, wanted * sizeof(*pieces));
    if (!pieces)
        return false;
    memset(pieces + peer->piece_words, 0, (wanted - peer->piece_words) * sizeof(*pieces));
    peer->pieces = pieces;
    peer->piece_words = wanted;
    return true;
}

/* Counts a piece once. What is past the end of the task, or memory, is not counted. */
static void have(struct swarm_peer *peer, uint32_t number)
{
    uint32_t count = peer->facts.task->piece_count;
    if (number >= PIECE_MAX || (count && number >= count))
        return;
    if (number / 64 >= peer->piece_words && !grow(peer, number / 64 + 1))
        return;
    uint64_t bit = (uint64_t)1 << number % 64;
    peer->facts.pieces_had += !(peer->pieces[number / 64] & bit);
    peer->pieces[number / 64] |= bit;
}

static struct swarm_peer *find(const struct dtr_swarm *swarm, const char *id)
{
    return id && *id ? (struct swarm_peer *)(uintptr_t)dtr_swarm_find_peer(swarm, id) : NULL;
}

/* The parent is alive, and shows what its host gives. */
static void credit_parent(struct dtr_swarm *swarm, const struct dtr_swarm_task *task,
                          const struct dtr_swarm_message *message)
{
    struct swarm_peer *parent = find(swarm, message->piece.parent_id);
    if (!parent || parent->facts.task != task)
        return;
    dtr_swarm_peer_touch(swarm, parent);
    if (!(message->piece.cost_ms > 0))
        return;
    double rate = (double)message->piece.length * 1000 / message->piece.cost_ms;
    double *observed = &host_of(parent)->facts.observed_rate;
    *observed = isnan(*observed) ? rate : *observed + RATE_WEIGHT * (rate - *observed);
}

void dtr_swarm_piece_finished(struct dtr_swarm *swarm, struct swarm_peer *peer,
                              const struct dtr_swarm_message *message)
{
    if (peer->facts.state == DTR_PEER_FAILED)
        return;
    if (peer->facts.state != DTR_PEER_SUCCEEDED)
        have(peer, message->piece.number);
    bool slow = dtr_swarm_peer_slow(peer);
    dtr_swarm_costs_add(&peer->costs, message->piece.cost_ms);
    if (slow && !dtr_swarm_peer_slow(peer))
        dtr_swarm_stir(swarm, task_of(peer)); /* it may be a parent again */
    if (message->kind == DTR_SWARM_PIECE_FINISHED)
        credit_parent(swarm, peer->facts.task, message);
}

void dtr_swarm_piece_failed(struct dtr_swarm *swarm, struct swarm_peer *peer,
                            const struct dtr_swarm_message *message)
{
    if (!message->piece.parent_id || !*message->piece.parent_id)
        return;
    dtr_swarm_peer_block(swarm, peer, message->piece.parent_id);
    struct swarm_peer *parent = find(swarm, message->piece.parent_id);
    if (parent && parent->facts.task == peer->facts.task)
        parent->facts.failures++;
}
