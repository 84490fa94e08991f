/* The two clocks. Any thread. */
#ifndef DTR_BASE_CLOCK_H
#define DTR_BASE_CLOCK_H

#include <stdint.h>

/* Nanoseconds of CLOCK_MONOTONIC: for waiting and measuring. */
uint64_t dtr_now_ns(void);
static inline uint64_t dtr_now_ms(void)
{
    return dtr_now_ns() / 1000000;
}
/* Nanoseconds since 1970: for what people and other machines read, never for waiting. */
int64_t dtr_wall_ns(void);

#endif
