/* Numbers drawn from a seed number: the same seed gives the same numbers, on every machine. For brains, for
 * simulations and for tests; not for keys and secrets, which come from dtr_random() of digest.h. */
#ifndef DTR_BASE_DRAW_H
#define DTR_BASE_DRAW_H

#include <stdint.h>

/* The finishing step of splitmix64 (Steele, Lea and Flood, 2014): all bits of `z` count in all of the result.
 */
static inline uint64_t dtr_mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* The next number of splitmix64. `state` begins as the seed number. */
static inline uint64_t dtr_draw(uint64_t *state)
{
    return dtr_mix(*state += 0x9e3779b97f4a7c15u);
}

#endif
