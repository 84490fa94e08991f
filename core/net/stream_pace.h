/* One direction of a stream under a limit: what it may move now, and when it may move more. For
 * core/net/stream.c; on the stream's loop. */
#ifndef DTR_NET_STREAM_PACE_H
#define DTR_NET_STREAM_PACE_H

#include "core/loop/loop.h"
#include "core/net/pace.h"
#include <darter/error.h>

struct stream_pace {
    struct dtr_pace *pace; /* NULL: no limit */
    uint64_t granted;      /* bytes of the turn that has come */
    bool waits;            /* for its turn; `go` comes then */
    struct dtr_timer *timer;
    void (*go)(void *context);
    void *context;
};

/* `go` comes later, when bytes that stream_pace_room() withheld may move. */
int stream_pace_set(struct stream_pace *paced, struct dtr_loop *loop, struct dtr_pace *pace,
                    void (*go)(void *context), void *context, struct dtr_error *err);
/* Of `wanted` bytes, how many may move now; 0: wait for `go`. */
uint64_t stream_pace_room(struct stream_pace *paced, uint64_t wanted);
void stream_pace_moved(struct stream_pace *paced, uint64_t bytes);
void stream_pace_end(struct stream_pace *paced);

#endif
