/* Links and flows; see net.h for the model. */
#include "core/sim/net.h"

#include <math.h>

#define CHANGE      0.02    /* of a level; less is not passed on */
#define LINKS_MOST  64      /* worked out anew for one change */
#define ROUNDS_MOST 8       /* to find a level */
#define REPORT_US   250000u /* a flow is told of after so long, when it has brought anything */

void sim_link_init(struct sim_link *link, double capacity, bool upward)
{
    *link = (struct sim_link){.capacity = capacity, .level = capacity, .upward = upward};
    dtr_list_init(&link->flows);
}

static struct sim_flow *flow_of(const struct sim_link *link, struct dtr_list *node)
{
    return link->upward ? dtr_container(node, struct sim_flow, up_node)
                        : dtr_container(node, struct sim_flow, down_node);
}

static struct sim_link *other(const struct sim_link *link, const struct sim_flow *flow)
{
    return link->upward ? flow->down : flow->up;
}

static void enqueue(struct sim_net *net, struct sim_link *link)
{
    if (link->queued)
        return;
    link->queued = true;
    link->next = NULL;
    if (net->first)
        net->last->next = link;
    else
        net->first = link;
    net->last = link;
}

static struct sim_link *dequeue(struct sim_net *net)
{
    struct sim_link *link = net->first;
    if (link) {
        net->first = link->next;
        link->queued = false;
    }
    return link;
}

static void account(struct sim_flow *flow)
{
    uint64_t now = flow->net->clock->now_us;
    flow->done += flow->rate * (double)(now - flow->at_us) / 1e6;
    if (flow->done > (double)flow->size)
        flow->done = (double)flow->size;
    flow->at_us = now;
}

static uint64_t next_report(const struct sim_flow *flow)
{
    uint64_t next = flow->told + flow->net->step;
    return next < flow->size ? next : flow->size;
}

static void arm(struct sim_flow *flow)
{
    uint64_t now = flow->net->clock->now_us;
    double left = (double)next_report(flow) - flow->done;
    if (left > 0.5 && flow->rate <= 0) {
        sim_timer_off(flow->net->clock, &flow->timer);
        return;
    }
    double wait = left > 0.5 ? ceil(left * 1e6 / flow->rate) : 0;
    double late = flow->told_us + REPORT_US > now ? (double)(flow->told_us + REPORT_US - now) : 1;
    double byte = flow->rate > 0 ? ceil(((double)flow->told + 1 - flow->done) * 1e6 / flow->rate) : wait;
    late = fmax(late, byte); /* at least one */
    sim_timer_set(flow->net->clock, &flow->timer, now + (uint64_t)fmin(wait, late));
}

static void follow(struct sim_flow *flow)
{
    double rate = flow->moving ? fmin(flow->up->level, flow->down->level) : 0;
    if (fabs(rate - flow->rate) <= flow->rate / 1000 && (rate > 0) == (flow->rate > 0))
        return;
    account(flow);
    flow->rate = rate;
    arm(flow);
}

/* The level at which the link is just full. */
static double find_level(const struct sim_link *link)
{
    double level = link->count ? link->capacity / link->count : link->capacity;
    for (int round = 0; round < ROUNDS_MOST && link->count; round++) {
        double elsewhere = 0;
        uint32_t bound = 0;
        dtr_list_each (node, &link->flows) {
            const struct sim_flow *flow = flow_of(link, node);
            double theirs = other(link, flow)->level;
            if (!flow->moving || theirs >= level)
                continue;
            elsewhere += theirs;
            bound++;
        }
        if (bound == link->count)
            return link->capacity - elsewhere + level; /* not full: a flow more could have all this */
        double better = (link->capacity - elsewhere) / (link->count - bound);
        if (better <= level * 1.001)
            break;
        level = better;
    }
    return level < link->capacity ? level : link->capacity;
}

static void work_out(struct sim_net *net, struct sim_link *link)
{
    double before = link->level, level = find_level(link);
    if (level > link->capacity)
        level = link->capacity;
    bool passed_on = fabs(level - before) > before * CHANGE;
    if (!passed_on && link->capacity > 0)
        level = fmin(level, before);
    link->level = level;
    dtr_list_each (node, &link->flows) {
        struct sim_flow *flow = flow_of(link, node);
        struct sim_link *there = other(link, flow);
        follow(flow);
        if (passed_on && flow->moving && fmin(level, before) < there->level * (1 + CHANGE))
            enqueue(net, there);
    }
}

static void settle(struct sim_net *net)
{
    struct sim_link *link;
    for (int i = 0; i < LINKS_MOST && (link = dequeue(net)); i++)
        work_out(net, link);
    while (dequeue(net))
        ;
}

static void touch(struct sim_flow *flow)
{
    enqueue(flow->net, flow->up);
    enqueue(flow->net, flow->down);
    follow(flow);
    settle(flow->net);
    follow(flow);
}

void sim_link_change(struct sim_net *net, struct sim_link *link, double capacity)
{
    link->capacity = capacity;
    enqueue(net, link);
    settle(net);
}

static void report(struct sim_timer *timer)
{
    struct sim_flow *flow = dtr_container(timer, struct sim_flow, timer);
    account(flow);
    uint64_t next = next_report(flow);
    uint64_t bytes = (double)next - flow->done <= 1 ? next : (uint64_t)flow->done;
    flow->told = bytes;
    flow->told_us = flow->at_us;
    if (bytes == flow->size) {
        flow->done = (double)flow->size;
        sim_flow_end(flow);
    } else {
        arm(flow);
    }
    flow->moved(flow, bytes);
}

void sim_flow_start(struct sim_net *net, struct sim_flow *flow, struct sim_link *up, struct sim_link *down,
                    uint64_t size)
{
    flow->net = net;
    flow->up = up;
    flow->down = down;
    flow->size = size;
    flow->done = flow->rate = 0;
    flow->told = 0;
    flow->told_us = flow->at_us = net->clock->now_us;
    flow->moving = true;
    flow->timer = (struct sim_timer){.run = report};
    dtr_list_add_tail(&up->flows, &flow->up_node);
    dtr_list_add_tail(&down->flows, &flow->down_node);
    up->count++;
    down->count++;
    arm(flow);
    touch(flow);
}

void sim_flow_hold(struct sim_flow *flow, bool hold)
{
    if (!flow->up || flow->moving != hold)
        return;
    flow->moving = !hold;
    flow->up->count += hold ? -1u : 1u;
    flow->down->count += hold ? -1u : 1u;
    touch(flow);
}

void sim_flow_end(struct sim_flow *flow)
{
    if (!flow->up)
        return;
    account(flow);
    sim_timer_off(flow->net->clock, &flow->timer);
    dtr_list_remove(&flow->up_node);
    dtr_list_remove(&flow->down_node);
    flow->up->count -= flow->moving;
    flow->down->count -= flow->moving;
    enqueue(flow->net, flow->up);
    enqueue(flow->net, flow->down);
    flow->up = flow->down = NULL;
    flow->rate = 0;
    settle(flow->net);
}

uint64_t sim_flow_bytes(struct sim_flow *flow)
{
    if (flow->up)
        account(flow);
    return (uint64_t)flow->done;
}
