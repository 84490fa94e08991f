/* For tests that turn a loop by hand: waiting for a condition, with a deadline. */
#ifndef DTR_LOOP_TURN_UNTIL_H
#define DTR_LOOP_TURN_UNTIL_H

#include "core/loop/loop.h"
#include <stdio.h>
#include <stdlib.h>

/* Only against hanging: what takes seconds on a busy machine must pass. */
enum { TURN_MOST_MS = 30000 };

static inline void turn_is_late(void *context)
{
    fprintf(stderr, "this did not come about within 30 s: %s\n", (const char *)context);
    abort();
}

/* With `wait` each turn waits for an event; without, for what wakes no loop, it spins. */
#define TURN_UNTIL_BY(loop, wait, condition)                                                                 \
    do {                                                                                                     \
        static const char what_[] = #condition;                                                              \
        struct dtr_timer *late_ = NULL;                                                                      \
        if (dtr_timer_open(loop, turn_is_late, (void *)(uintptr_t)what_, &late_, NULL) != DTR_OK)            \
            abort();                                                                                         \
        dtr_timer_set(late_, TURN_MOST_MS);                                                                  \
        while (!(condition))                                                                                 \
            dtr_loop_turn(loop, wait);                                                                       \
        dtr_timer_close(late_);                                                                              \
    } while (0)
#define TURN_UNTIL(loop, condition) TURN_UNTIL_BY(loop, true, condition)

#endif
