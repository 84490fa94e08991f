/* Decisions as data, for whoever wants to know why: gathered while one is made, handed out when it is. */
#include "core/brain/swarm_state.h"

void dtr_swarm_watch(struct dtr_swarm *swarm,
                     void (*decided)(void *context, const struct dtr_swarm_decision *decision), void *context)
{
    swarm->decided = decided;
    swarm->decided_context = context;
}

void dtr_swarm_decision_begin(struct dtr_swarm *swarm)
{
    struct dtr_swarm_decision *decision = &swarm->decision;
    decision->weighed = decision->fell_back = false;
    decision->count = decision->chosen = 0; /* and with it the arrays */
    memset(decision->left_out, 0, sizeof(decision->left_out));
}

void dtr_swarm_decision_left_out(struct dtr_swarm *swarm, enum dtr_swarm_reason reason, uint32_t count)
{
    swarm->decision.left_out[reason] += count;
}

void dtr_swarm_decision_candidate(struct dtr_swarm *swarm, const struct swarm_peer *peer, double score)
{
    struct dtr_swarm_decision *decision = &swarm->decision;
    if (!swarm->decided || decision->count == DTR_SWARM_SAMPLE_MAX)
        return;
    decision->candidates[decision->count] = &peer->facts;
    decision->scores[decision->count] = score;
    decision->taken[decision->count++] = false;
}

void dtr_swarm_decision_take(struct dtr_swarm *swarm, const struct swarm_peer *peer)
{
    struct dtr_swarm_decision *decision = &swarm->decision;
    for (uint32_t i = 0; swarm->decided && i < decision->count; i++) {
        if (decision->candidates[i] != &peer->facts)
            continue;
        decision->taken[i] = true;
        decision->chosen++;
        return;
    }
}

void dtr_swarm_decision_end(struct dtr_swarm *swarm, const struct swarm_peer *peer, const char *asked,
                            const char *answer, const char *why)
{
    struct dtr_swarm_decision *decision = &swarm->decision;
    if (!swarm->decided)
        return;
    decision->peer = &peer->facts;
    decision->asked = asked;
    decision->answer = answer;
    decision->why = why ? why : "";
    swarm->decided(swarm->decided_context, decision);
}
