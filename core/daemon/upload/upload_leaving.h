/* Pieces on their way out of this host: how many of them move, and how long they take.
 *
 * One that takes many times as long as others does not move: whoever asked for it is cut off, or slow, and
 * the uplink has room for others meanwhile. Any thread; times are the caller's, of one clock that never goes
 * back. */
#ifndef DTR_DAEMON_UPLOAD_LEAVING_H
#define DTR_DAEMON_UPLOAD_LEAVING_H

#include "core/base/list.h"
#include <pthread.h>
#include <stdint.h>

struct leaving {
    pthread_mutex_t lock;
    struct dtr_list pieces; /* struct leaving_piece, oldest first */
    uint64_t mean_ms;       /* a running mean of how long they took; 0: none has left yet */
};

struct leaving_piece {
    struct dtr_list link;
    uint64_t since_ms;
};

void leaving_open(struct leaving *leaving);
/* Nothing is on its way any more. */
void leaving_close(struct leaving *leaving);
/* The piece begins; it is the caller's, until leaving_end(). */
void leaving_begin(struct leaving *leaving, struct leaving_piece *piece, uint64_t now_ms);
/* It has left, or is given up. Returns how many move. */
uint32_t leaving_end(struct leaving *leaving, struct leaving_piece *piece, uint64_t now_ms);
/* How many move now; *ret_piece_ms is how long one takes, 0: that is not known yet. */
uint32_t leaving_moving(struct leaving *leaving, uint64_t now_ms, uint64_t *ret_piece_ms);

#endif
