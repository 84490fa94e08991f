/* Choosing parents: filter, draw a sample of what is left, have the policy rank it, keep the best.
 *
 * Unlike Dragonfly the sample is drawn after filtering, so that a few useful peers are found among many
 * useless ones. */
#include "core/brain/swarm_state.h"

#include "core/base/str.h"
#include "core/brain/labels.h"
#include <math.h>

struct sample {
    struct swarm_peer *peers[DTR_SWARM_SAMPLE_MAX];
    uint32_t count;
    bool slow;
};

static bool descends(const struct dtr_swarm *swarm, const struct swarm_peer *child,
                     const struct swarm_peer *peer)
{
    return child->facts.child_count && peer->mark == swarm->mark;
}

/* Rules 1, 3, 6 (slow) and 7 of the features page 2.4: what depends on the child. */
enum dtr_swarm_reason dtr_swarm_suits(const struct dtr_swarm *swarm, const struct swarm_peer *child,
                                      const struct swarm_peer *parent)
{
    if (parent == child)
        return DTR_SWARM_ONESELF;
    if (parent->facts.host == child->facts.host)
        return DTR_SWARM_SAME_HOST;
    if (dtr_swarm_peer_blocks(child, parent))
        return DTR_SWARM_BLOCKED;
    if (swarm->config.policy.acyclic && descends(swarm, child, parent))
        return DTR_SWARM_CYCLE;
    return dtr_swarm_peer_slow(parent) ? DTR_SWARM_SLOW : DTR_SWARM_SUITS;
}

static void draw(struct dtr_swarm *swarm, const struct swarm_peer *child, struct sample *sample)
{
    struct swarm_task *task = task_of(child);
    uint32_t count = task->facts.offer_count, i;
    for (i = 0; i < count && sample->count < swarm->config.policy.sample; i++) {
        uint32_t other = i + (uint32_t)(dtr_swarm_random(swarm) % (count - i));
        struct swarm_peer *peer = task->offers[other];
        task->offers[other] = task->offers[i];
        task->offers[other]->offer_index = other;
        task->offers[i] = peer;
        peer->offer_index = i;
        enum dtr_swarm_reason reason = dtr_swarm_suits(swarm, child, peer);
        if (reason == DTR_SWARM_SUITS)
            sample->peers[sample->count++] = peer;
        else
            dtr_swarm_decision_left_out(swarm, reason, 1);
    }
    sample->slow = swarm->decision.left_out[DTR_SWARM_SLOW] > 0;
    dtr_swarm_decision_left_out(swarm, DTR_SWARM_NOT_DRAWN, count - i);
    bool apart = child->offer_index == SWARM_NO_OFFER; /* from the offers, where it was not met */
    dtr_swarm_decision_left_out(swarm, DTR_SWARM_ONESELF, apart);
    dtr_swarm_decision_left_out(swarm, DTR_SWARM_NOT_OFFERED, task->facts.peer_count - count - apart);
    swarm->decision.weighed = true;
}

static void fill(struct dtr_swarm *swarm, const struct swarm_peer *child, const struct swarm_peer *peer,
                 uint32_t i)
{
    struct swarm_columns *to = &swarm->columns;
    const struct dtr_swarm_peer *facts = &peer->facts;
    const struct dtr_swarm_host *host = facts->host;
    const struct dtr_swarm_announce *mine = &facts->host->facts, *its = &child->facts.host->facts;
    to->max_tx[i] = (double)mine->max_tx;
    to->tx[i] = (double)host->booked_tx;
    to->outstanding_bytes[i] = (double)host->booked_bytes;
    to->outstanding_pieces[i] = (double)host->booked_pieces;
    to->uploads[i] = host->uploads;
    to->pieces_had[i] = facts->pieces_had;
    to->pieces_total[i] = facts->task->piece_count;
    to->children[i] = facts->child_count;
    to->depth[i] = facts->depth;
    to->cost_mean[i] = dtr_swarm_costs_mean(&peer->costs);
    to->cost_last[i] = peer->costs.any ? peer->costs.last : NAN;
    to->cost_deviation[i] = dtr_swarm_costs_deviation(&peer->costs);
    to->observed_rate[i] = host->observed_rate;
    to->failures[i] = facts->failures;
    to->rtt_ms[i] = NAN;
    to->idc_match[i] = *mine->idc && *its->idc && dtr_casecmp(mine->idc, its->idc) == 0;
    to->location_match[i] = dtr_location_match(mine->location, its->location);
    to->host_type[i] = mine->type;
    to->state[i] = facts->state;
    to->host_hash[i] = (double)host_of(peer)->hash / 0x1p64;
    to->age_ms[i] = (double)(swarm->now_ms - facts->created_ms);
    to->idc[i] = mine->idc;
    to->location[i] = mine->location;
}

static bool sensible(const double *scores, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (isnan(scores[i]))
            return false;
    }
    return true;
}

static void rank(struct dtr_swarm *swarm, const struct swarm_peer *child, const struct sample *sample)
{
    struct swarm_columns *columns = &swarm->columns;
    for (uint32_t i = 0; i < sample->count; i++)
        fill(swarm, child, sample->peers[i], i);
    const struct dtr_rank_input input = {
        .count = sample->count,
#define COLUMN(type, name, help) .name = columns->name,
        DTR_RANK_COLUMNS(COLUMN)
#undef COLUMN
            .idc = columns->idc,
        .location = columns->location,
        .child_idc = child->facts.host->facts.idc,
        .child_location = child->facts.host->facts.location,
        .child_host_type = child->facts.host->facts.type,
        .child_priority = child->facts.priority,
        .content_length = child->facts.task->content_length,
        .piece_length = child->facts.task->piece_length,
        .now_ms = swarm->now_ms,
        .random = dtr_swarm_random(swarm),
    };
    const struct dtr_swarm_policy *policy = &swarm->config.policy;
    struct dtr_error err;
    if (policy->rank(policy->context, &input, columns->scores, &err) == DTR_OK &&
        sensible(columns->scores, sample->count))
        return;
    swarm->counts.rank_failures++;
    swarm->decision.fell_back = true;
    (void)dtr_rank_dragonfly(NULL, &input, columns->scores, NULL);
}

/* Best first. Equal scores stay in the random order in which they were drawn. */
static void sort(struct sample *sample, double *scores)
{
    for (uint32_t i = 1; i < sample->count; i++) {
        struct swarm_peer *peer = sample->peers[i];
        double score = scores[i];
        uint32_t at = i;
        for (; at > 0 && scores[at - 1] < score; at--) {
            sample->peers[at] = sample->peers[at - 1];
            scores[at] = scores[at - 1];
        }
        sample->peers[at] = peer;
        scores[at] = score;
    }
}

/* How many parents an answer names; the other places are for those who come later. */
static uint32_t places(const struct dtr_swarm *swarm, const struct swarm_peer *child)
{
    const struct dtr_swarm_policy *policy = &swarm->config.policy;
    return child->takes_more ? policy->keep - policy->newcomers : policy->keep;
}

/* Cuts to the best. Where cycles are allowed one parent must still be no descendant: the child keeps a
 * way to the origin. */
static void keep_best(const struct dtr_swarm *swarm, const struct swarm_peer *child, struct sample *sample)
{
    uint32_t keep = places(swarm, child), anchor = 0;
    while (anchor < sample->count && descends(swarm, child, sample->peers[anchor]))
        anchor++;
    if (anchor == sample->count) {
        sample->count = 0;
        return;
    }
    if (anchor >= keep)
        sample->peers[keep - 1] = sample->peers[anchor];
    if (sample->count > keep)
        sample->count = keep;
}

uint32_t dtr_swarm_pick(struct dtr_swarm *swarm, struct swarm_peer *child,
                        const struct dtr_swarm_peer **ret_parents, bool *ret_slow)
{
    struct sample sample = {.count = 0};
    if (child->facts.child_count)
        dtr_swarm_mark_descendants(swarm, child);
    draw(swarm, child, &sample);
    *ret_slow = sample.slow;
    if (!sample.count)
        return 0;
    rank(swarm, child, &sample);
    sort(&sample, swarm->columns.scores);
    for (uint32_t i = 0; i < sample.count; i++)
        dtr_swarm_decision_candidate(swarm, sample.peers[i], swarm->columns.scores[i]);
    keep_best(swarm, child, &sample);
    uint32_t count = 0, depth = UINT32_MAX, anchors = 0;
    for (uint32_t i = 0; i < sample.count; i++) {
        if (!dtr_swarm_attach(swarm, sample.peers[i], child))
            continue;
        child->parents->told = true;
        dtr_swarm_decision_take(swarm, sample.peers[i]);
        ret_parents[count++] = &sample.peers[i]->facts;
        anchors += !descends(swarm, child, sample.peers[i]);
        if (sample.peers[i]->facts.depth < depth)
            depth = sample.peers[i]->facts.depth;
    }
    if (!anchors) { /* no memory for the edge that mattered */
        dtr_swarm_detach_parents(swarm, child);
        return 0;
    }
    child->facts.depth = depth + 1;
    dtr_swarm_offer_refresh(swarm, child);
    return count;
}
