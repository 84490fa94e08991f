/* Spreading: which child a parent tells of which piece, and when.
 *
 * Children that take the same object from one parent at the same time had better fetch different pieces and
 * exchange them: its uplink then carries each piece once. So a piece that comes is told to one child first;
 * the others are told when the uplink has room, and at the latest after a while. With one child, and
 * nobody else who takes anything, there is nothing to spread: it is told of everything at once. (BitTorrent's
 * super-seeding does the same; this works with children of any kind, for they only see pieces become
 * available.)
 *
 * Pure: events in, tells out. The owner reports events with the time, drains tells after each of them, and
 * wakes it when it wants:
 *
 *     dtr_spread_piece(spread, now_ms, number);
 *     while (dtr_spread_next(spread, &tell))
 *         send(tell.who, tell.number);
 *     arm_timer(dtr_spread_wake_ms(spread));
 *
 * One thread. Not for: messages, what a piece is. */
#ifndef DTR_BRAIN_SPREAD_H
#define DTR_BRAIN_SPREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DTR_SPREAD_BUSY 4 /* pieces on their way out: the uplink has enough to do */

struct dtr_spread; /* one object at one parent */
struct dtr_spread_child;

struct dtr_spread_tell {
    void *who;
    uint32_t number;
};

/* NULL when out of memory. */
struct dtr_spread *dtr_spread_new(void);
/* Its children too. NULL is fine. */
void dtr_spread_free(struct dtr_spread *spread);

/* A child that wants these pieces; `who` comes back in tells. NULL when out of memory. */
struct dtr_spread_child *dtr_spread_join(struct dtr_spread *spread, uint64_t now_ms, void *who,
                                         const uint32_t *wanted, size_t count);
/* Frees it; it is told nothing more. */
void dtr_spread_leave(struct dtr_spread *spread, uint64_t now_ms, struct dtr_spread_child *child);
/* Pieces that it wants and was not told of, whether they are here or not. */
size_t dtr_spread_missing(const struct dtr_spread_child *child);
/* Those of them that are here. */
size_t dtr_spread_held(const struct dtr_spread_child *child);

/* A piece is here. False when out of memory: nobody is told of it. */
bool dtr_spread_piece(struct dtr_spread *spread, uint64_t now_ms, uint32_t number);
/* So many pieces are on their way out of this host, of whatever object; each takes `piece_ms` at present, 0:
 * that is not known yet. */
void dtr_spread_sending(struct dtr_spread *spread, uint64_t now_ms, uint32_t count, uint64_t piece_ms);
/* Time passed. */
void dtr_spread_tick(struct dtr_spread *spread, uint64_t now_ms);

/* The next one to be told; false when there is none. A child that left is not named. */
bool dtr_spread_next(struct dtr_spread *spread, struct dtr_spread_tell *ret_tell);
/* When dtr_spread_tick() is to be called; UINT64_MAX: not before the next event. */
uint64_t dtr_spread_wake_ms(const struct dtr_spread *spread);

#endif
