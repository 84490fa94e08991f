/* Timers run in order, and flows share links as connections do. */
#include "core/sim/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define MB 1000000.0

/* --- time --- */

struct ring {
    struct sim_timer timer;
    int *log, *count, name;
};

static void on_ring(struct sim_timer *timer)
{
    struct ring *ring = dtr_container(timer, struct ring, timer);
    ring->log[(*ring->count)++] = ring->name;
}

static void timers_run_by_time_then_in_the_order_they_were_set(void **state)
{
    struct sim_clock clock = {0};
    struct ring rings[100];
    int log[100], count = 0;
    (void)state;
    for (int i = 0; i < 100; i++) {
        rings[i] = (struct ring){.timer.run = on_ring, .log = log, .count = &count, .name = i};
        sim_timer_set(&clock, &rings[i].timer, (uint64_t)(i * 37 % 10));
    }
    sim_timer_off(&clock, &rings[50].timer);
    sim_timer_set(&clock, &rings[0].timer, 100); /* moved */
    while (sim_clock_step(&clock, 50))
        ;
    assert_int_equal(count, 98);
    for (int i = 1; i < count; i++) {
        int before = log[i - 1] * 37 % 10, at = log[i] * 37 % 10;
        assert_true(before < at || (before == at && log[i - 1] < log[i]));
        assert_int_not_equal(log[i], 50);
    }
    assert_true(sim_clock_step(&clock, 100));
    assert_int_equal(log[98], 0);
    assert_int_equal(clock.now_us, 100);
    sim_clock_free(&clock);
}

/* --- flows --- */

struct transfer {
    struct sim_flow flow;
    uint64_t bytes, ended_us;
    int reports;
};

static void on_moved(struct sim_flow *flow, uint64_t bytes)
{
    struct transfer *t = dtr_container(flow, struct transfer, flow);
    assert_true(bytes > t->bytes || !bytes);
    t->bytes = bytes;
    t->reports++;
    if (bytes == flow->size)
        t->ended_us = flow->net->clock->now_us;
}

struct world {
    struct sim_clock clock;
    struct sim_net net;
    struct sim_link up[4], down[4];
};

static void open_world(struct world *w, double speed)
{
    *w = (struct world){.net.clock = &w->clock, .net.step = 1 << 20};
    for (int i = 0; i < 4; i++) {
        sim_link_init(&w->up[i], speed, true);
        sim_link_init(&w->down[i], speed, false);
    }
}

static void begin(struct world *w, struct transfer *t, int from, int to, double size)
{
    *t = (struct transfer){.flow.moved = on_moved};
    sim_flow_start(&w->net, &t->flow, &w->up[from], &w->down[to], (uint64_t)size);
}

static void finish(struct world *w)
{
    while (sim_clock_step(&w->clock, UINT64_MAX))
        ;
    sim_clock_free(&w->clock);
}

static void assert_near(double value, double wanted, double part)
{
    if (value < wanted * (1 - part) || value > wanted * (1 + part))
        fail_msg("%f is not near %f", value, wanted);
}

static void one_flow_takes_the_whole_link(void **state)
{
    struct world w;
    struct transfer t;
    (void)state;
    open_world(&w, 10 * MB);
    begin(&w, &t, 0, 1, 20 * MB);
    finish(&w);
    assert_near((double)t.ended_us, 2e6, 0.001);
    assert_int_equal(t.bytes, 20000000);
    assert_true(t.reports >= 19);
}

static void two_flows_share_and_the_second_takes_what_the_first_leaves(void **state)
{
    struct world w;
    struct transfer a, b;
    (void)state;
    open_world(&w, 10 * MB);
    begin(&w, &a, 0, 1, 10 * MB);
    begin(&w, &b, 0, 2, 20 * MB);
    finish(&w);
    assert_near((double)a.ended_us, 2e6, 0.01);
    assert_near((double)b.ended_us, 3e6, 0.01);
}

/* Node 3 takes from a slow sender and a fast one: the fast one gets all that the slow one cannot fill. */
static void a_flow_bound_elsewhere_leaves_its_share(void **state)
{
    struct world w;
    struct transfer slow, fast;
    (void)state;
    open_world(&w, 10 * MB);
    sim_link_change(&w.net, &w.up[0], MB);
    begin(&w, &slow, 0, 3, 2 * MB);
    begin(&w, &fast, 1, 3, 9 * MB);
    assert_near(slow.flow.rate, MB, 0.01);
    assert_near(fast.flow.rate, 9 * MB, 0.03);
    finish(&w);
    assert_near((double)fast.ended_us, 1e6, 0.03);
    assert_near((double)slow.ended_us, 2e6, 0.03);
}

/* When a link that bound a flow is relieved, its neighbours hear of it. */
static void what_is_freed_is_used_two_links_away(void **state)
{
    struct world w;
    struct transfer a, b, c;
    (void)state;
    open_world(&w, 10 * MB);
    begin(&w, &a, 0, 1, 50 * MB);
    begin(&w, &b, 0, 2, 50 * MB);
    begin(&w, &c, 3, 2, 50 * MB);
    assert_near(b.flow.rate, 5 * MB, 0.03);
    sim_flow_end(&a.flow);
    assert_near(b.flow.rate + c.flow.rate, 10 * MB, 0.03);
    sim_flow_end(&b.flow);
    assert_near(c.flow.rate, 10 * MB, 0.03);
    sim_flow_end(&c.flow);
    finish(&w);
}

static void a_held_flow_rests_and_a_dead_link_stops(void **state)
{
    struct world w;
    struct transfer a;
    (void)state;
    open_world(&w, 10 * MB);
    begin(&w, &a, 0, 1, 10 * MB);
    sim_flow_hold(&a.flow, true);
    assert_false(sim_clock_step(&w.clock, UINT64_MAX));
    w.clock.now_us = 5000000;
    sim_flow_hold(&a.flow, false);
    while (sim_clock_step(&w.clock, 5500000))
        ;
    assert_near((double)sim_flow_bytes(&a.flow), 4.5 * MB, 0.15); /* as of the last report */
    sim_link_change(&w.net, &w.down[1], 0);
    assert_false(sim_clock_step(&w.clock, UINT64_MAX));
    sim_link_change(&w.net, &w.down[1], 10 * MB);
    finish(&w);
    assert_int_equal(a.bytes, 10000000);
}

/* A slow flow is heard of although a whole step takes it long. */
static void a_trickle_is_reported(void **state)
{
    struct world w;
    struct transfer a;
    (void)state;
    open_world(&w, 1000);
    begin(&w, &a, 0, 1, 10000);
    finish(&w);
    assert_near((double)a.ended_us, 10e6, 0.001);
    assert_true(a.reports >= 18);
}

/* Whatever comes and goes: no link carries much more than it can, and what can move moves. */
static void random_flows_fill_links_and_do_not_overload_them(void **state)
{
    struct world w;
    struct transfer t[24];
    uint64_t random = 7;
    (void)state;
    open_world(&w, 10 * MB);
    sim_link_change(&w.net, &w.up[2], 3 * MB);
    for (int i = 0; i < 24; i++)
        t[i] = (struct transfer){0};
    for (int round = 0; round < 2000; round++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        int i = (int)(random >> 33) % 24, from = (int)(random >> 40) % 4, to = (int)(random >> 45) % 4;
        if (t[i].flow.up)
            sim_flow_end(&t[i].flow);
        else
            begin(&w, &t[i], from, to, 1e12);
        for (int n = 0; n < 4; n++) {
            double up = 0, down = 0;
            for (int k = 0; k < 24; k++) {
                up += t[k].flow.up == &w.up[n] ? t[k].flow.rate : 0;
                down += t[k].flow.down == &w.down[n] ? t[k].flow.rate : 0;
            }
            assert_true(up <= w.up[n].capacity * 1.1 && down <= 10 * MB * 1.1);
        }
        for (int k = 0; k < 24; k++)
            assert_true(!t[k].flow.up || t[k].flow.rate > 0);
    }
    for (int i = 0; i < 24; i++)
        sim_flow_end(&t[i].flow);
    finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_run_by_time_then_in_the_order_they_were_set),
        cmocka_unit_test(one_flow_takes_the_whole_link),
        cmocka_unit_test(two_flows_share_and_the_second_takes_what_the_first_leaves),
        cmocka_unit_test(a_flow_bound_elsewhere_leaves_its_share),
        cmocka_unit_test(what_is_freed_is_used_two_links_away),
        cmocka_unit_test(a_held_flow_rests_and_a_dead_link_stops),
        cmocka_unit_test(a_trickle_is_reported),
        cmocka_unit_test(random_flows_fill_links_and_do_not_overload_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
