/* Streams of one loop that are waited for, and ended, together: those that a port served, when it closes.
 * Everything is on that loop's thread. */
#ifndef DTR_NET_STREAM_GROUP_H
#define DTR_NET_STREAM_GROUP_H

#include "core/base/list.h"
#include "core/loop/loop.h"
#include "core/net/stream.h"

struct dtr_stream_group {
    struct dtr_list streams; /* struct dtr_stream_member */
    size_t count;            /* of them */
    bool ending;
    struct dtr_timer *limit;
    struct dtr_loop *loop;
    struct dtr_msg msg;
    void (*empty)(void *context);
    void *context;
};

/* A stream's place in its group; core/net/stream.c's. */
struct dtr_stream_member {
    struct dtr_list link;
    struct dtr_stream_group *group; /* NULL: in none */
    struct dtr_stream *stream;
};

void dtr_stream_group_init(struct dtr_stream_group *group, struct dtr_loop *loop);
/* Puts a stream into the group, which it leaves when it is gone. A stream is in one group at most. */
void dtr_stream_group_add(struct dtr_stream_group *group, struct dtr_stream *stream);
/* Lets the streams end by themselves for at most `limit_ms`, then closes them, whatever they still have to
 * send. `empty` comes later, once, when the last is gone. Nothing is added from now on. */
void dtr_stream_group_end(struct dtr_stream_group *group, uint64_t limit_ms, void (*empty)(void *context),
                          void *context);
/* A stream is gone; for core/net/stream.c. */
void dtr_stream_group_left(struct dtr_stream_member *member);

#endif
