/* Bytes on a virtual network: every node has a link for what it sends and one for what it receives, a flow
 * uses one of each. A fluid model: a flow has a rate that changes only when flows begin, end or are held.
 *
 * The rates are max-min fair, as many TCP connections with equal round trips are about: each link has a
 * level, the rate that it allows to a flow, chosen so that the link is just full with what the flows' other
 * links allow them; a flow gets the lesser of its two levels. When something changes, the levels of the two
 * links touched are worked out anew, and those of their neighbours as long as a level moves by more than 2 %
 * (the distributed form of Charny, Clark and Jain, "Congestion control with explicit rate indication",
 * 1995), at most 64 links a change. So a link may for a while carry some per cent too much or too little.
 * Left out: slow start, losses, queues, what messages take up.
 *
 * Times are microseconds of virtual time, sizes bytes, capacities bytes per second. One thread. */
#ifndef DTR_SIM_NET_H
#define DTR_SIM_NET_H

#include "core/base/list.h"
#include <stdbool.h>
#include <stdint.h>

/* --- time -------------------------------------------------------------------------------------------- */

struct sim_timer;
typedef void (*sim_timer_fn)(struct sim_timer *timer);

/* In the owner's object; zero is a timer that is not set. */
struct sim_timer {
    uint64_t at_us, order;
    sim_timer_fn run;
    uint32_t place; /* in the heap, from 1; 0: not set */
};

/* A binary heap by time; what is due at the same time runs in the order in which it was set. */
struct sim_clock {
    struct sim_timer **heap;
    uint32_t count, capacity;
    uint64_t now_us, order;
};

void sim_clock_free(struct sim_clock *clock);
/* Sets a timer, also one that is set already. A time in the past means now. */
void sim_timer_set(struct sim_clock *clock, struct sim_timer *timer, uint64_t at_us);
void sim_timer_off(struct sim_clock *clock, struct sim_timer *timer);
/* Runs the next timer, with the clock moved there; false when there is none up to `until_us`. */
bool sim_clock_step(struct sim_clock *clock, uint64_t until_us);

/* --- links and flows --------------------------------------------------------------------------------- */

struct sim_link {
    struct dtr_list flows;
    double capacity, level;
    uint32_t count;        /* flows that move */
    struct sim_link *next; /* in the net's list of those to be worked out anew */
    bool queued, upward;
};

struct sim_net {
    struct sim_clock *clock;
    struct sim_link *first, *last;
    uint64_t step; /* bytes between two reports of a flow; one comes also 250 ms after the last */
};

/* In the owner's object. */
struct sim_flow {
    struct dtr_list up_node, down_node;
    struct sim_link *up, *down;
    struct sim_net *net;
    uint64_t size, told, told_us;
    double done, rate;
    uint64_t at_us; /* when `done` was true */
    bool moving;
    struct sim_timer timer;
    /* So many bytes have come by now. With all of them the flow is over and out of the net. The last thing
     * that the net does with the flow: it may go. */
    void (*moved)(struct sim_flow *flow, uint64_t bytes);
};

void sim_link_init(struct sim_link *link, double capacity, bool upward);
/* Another capacity from now on; 0 stops what is on it. */
void sim_link_change(struct sim_net *net, struct sim_link *link, double capacity);
/* `flow->moved` is set by the caller. A size of 0 is over at the next step of the clock. */
void sim_flow_start(struct sim_net *net, struct sim_flow *flow, struct sim_link *up, struct sim_link *down,
                    uint64_t size);
/* Stops or goes on. */
void sim_flow_hold(struct sim_flow *flow, bool hold);
/* Takes it out of the net; fine for one that is over or was never started. */
void sim_flow_end(struct sim_flow *flow);
/* Bytes that have come by now. */
uint64_t sim_flow_bytes(struct sim_flow *flow);

/* Zeroed memory; the end of the process when there is none. */
void *sim_alloc(uint64_t count, uint64_t size);

#endif
