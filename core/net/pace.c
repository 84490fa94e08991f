/* See pace.h. Virtual scheduling: all that is kept is when the next turn begins. */
#include "core/net/pace.h"

#include <stddef.h>

enum { TURNS_A_SECOND = 64 };
static const uint64_t turn_min = 4 << 10, turn_max = 256 << 10;

void dtr_pace_init(struct dtr_pace *pace, uint64_t rate, uint64_t burst_ns)
{
    atomic_store(&pace->rate, rate);
    atomic_store(&pace->next_ns, 0);
    pace->burst_ns = burst_ns;
}

void dtr_pace_set(struct dtr_pace *pace, uint64_t rate)
{
    if (atomic_exchange(&pace->rate, rate) != rate)
        atomic_store(&pace->next_ns, 0); /* turns of a very low rate may reach far ahead */
}

static uint64_t cost_ns(uint64_t rate, uint64_t count)
{
    double ns = (double)count * 1e9 / (double)rate;
    return ns < 1e18 ? (uint64_t)ns : (uint64_t)1e18;
}

uint64_t dtr_pace_take(struct dtr_pace *pace, uint64_t now_ns, uint64_t count)
{
    uint64_t rate = pace ? atomic_load(&pace->rate) : 0;
    if (rate == 0)
        return 0;
    uint64_t cost = cost_ns(rate, count), next = atomic_load(&pace->next_ns), start;
    uint64_t earliest = now_ns > pace->burst_ns ? now_ns - pace->burst_ns : 0;
    do {
        start = next > earliest ? next : earliest;
    } while (!atomic_compare_exchange_weak(&pace->next_ns, &next, start + cost));
    return start > now_ns ? start - now_ns : 0;
}

void dtr_pace_give_back(struct dtr_pace *pace, uint64_t count)
{
    uint64_t rate = pace ? atomic_load(&pace->rate) : 0;
    if (rate == 0 || count == 0)
        return;
    uint64_t cost = cost_ns(rate, count), next = atomic_load(&pace->next_ns);
    while (!atomic_compare_exchange_weak(&pace->next_ns, &next, next > cost ? next - cost : 0))
        ;
}

uint64_t dtr_pace_turn(const struct dtr_pace *pace)
{
    uint64_t turn = atomic_load(&pace->rate) / TURNS_A_SECOND;
    return turn < turn_min ? turn_min : turn > turn_max ? turn_max : turn;
}
