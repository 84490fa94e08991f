/* Virtual time: a binary heap of timers. */
#include "core/sim/net.h"

#include <stdio.h>
#include <stdlib.h>

void *sim_alloc(uint64_t count, uint64_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (memory)
        return memory;
    (void)fputs("simulation: out of memory\n", stderr);
    abort();
}

void sim_clock_free(struct sim_clock *clock)
{
    free(clock->heap);
    *clock = (struct sim_clock){0};
}

static bool before(const struct sim_timer *a, const struct sim_timer *b)
{
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->order < b->order);
}

static void put(struct sim_clock *clock, uint32_t place, struct sim_timer *timer)
{
    clock->heap[place - 1] = timer;
    timer->place = place;
}

static void sift_up(struct sim_clock *clock, struct sim_timer *timer, uint32_t place)
{
    while (place > 1 && before(timer, clock->heap[place / 2 - 1])) {
        put(clock, place, clock->heap[place / 2 - 1]);
        place /= 2;
    }
    put(clock, place, timer);
}

static void sift_down(struct sim_clock *clock, struct sim_timer *timer, uint32_t place)
{
    while (place * 2 <= clock->count) {
        uint32_t child = place * 2;
        if (child < clock->count && before(clock->heap[child], clock->heap[child - 1]))
            child++;
        if (!before(clock->heap[child - 1], timer))
            break;
        put(clock, place, clock->heap[child - 1]);
        place = child;
    }
    put(clock, place, timer);
}

static void settle(struct sim_clock *clock, struct sim_timer *timer, uint32_t place)
{
    if (place > 1 && before(timer, clock->heap[place / 2 - 1]))
        sift_up(clock, timer, place);
    else
        sift_down(clock, timer, place);
}

void sim_timer_set(struct sim_clock *clock, struct sim_timer *timer, uint64_t at_us)
{
    timer->at_us = at_us > clock->now_us ? at_us : clock->now_us;
    timer->order = clock->order++;
    if (timer->place) {
        settle(clock, timer, timer->place);
        return;
    }
    if (clock->count == clock->capacity) {
        clock->capacity = clock->capacity ? clock->capacity * 2 : 64;
        clock->heap = realloc(clock->heap, clock->capacity * sizeof(struct sim_timer *));
        if (!clock->heap)
            abort();
    }
    clock->count++;
    sift_up(clock, timer, clock->count);
}

void sim_timer_off(struct sim_clock *clock, struct sim_timer *timer)
{
    uint32_t place = timer->place;
    if (!place)
        return;
    struct sim_timer *last = clock->heap[--clock->count];
    timer->place = 0;
    if (last != timer)
        settle(clock, last, place);
}

bool sim_clock_step(struct sim_clock *clock, uint64_t until_us)
{
    if (!clock->count || clock->heap[0]->at_us > until_us)
        return false;
    struct sim_timer *timer = clock->heap[0];
    sim_timer_off(clock, timer);
    clock->now_us = timer->at_us;
    timer->run(timer);
    return true;
}
