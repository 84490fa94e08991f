/* The inside of a stream, for the stream*.c files. */
#ifndef DTR_NET_STREAM_INTERNAL_H
#define DTR_NET_STREAM_INTERNAL_H

#include "core/base/list.h"
#include "core/loop/loop.h"
#include "core/net/stream_group.h"
#include "core/net/stream_pace.h"
#include "core/net/tls_internal.h"

struct dtr_stream {
    struct dtr_loop *loop;
    int fd;
    struct dtr_watch *watch;
    struct dtr_timer *timer; /* made when a deadline is first set */
    struct dtr_msg msg;      /* kick() */
    bool kicked;             /* msg is posted */
    const struct dtr_stream_events *events;
    void *context;
    struct dtr_stream_member member;
    struct dtr_addr addr;
    char peer[DTR_ADDR_TEXT];

    struct dtr_tls_session *tls; /* NULL: plain */
    bool connecting;
    bool shaking;   /* TLS is being agreed on */
    bool lingering; /* it failed, `result` is final: the other side is given time to read why */
    size_t lingered;
    bool ended;    /* the other side sent FIN */
    bool end_told; /* our FIN is queued behind what is pending */
    bool shut;     /* our FIN is sent */
    bool closing;  /* close asked for */
    bool flush;    /* ... after what is pending */
    bool dead;     /* `result` is final, kick() will deliver it */
    bool tell_drained;
    bool full; /* the kernel takes no more: wait for writable */
    struct dtr_error result;

    struct stream_pace in, out; /* limits */
    uint64_t credit;
    struct dtr_list queue; /* struct item of stream_send.c */
    size_t queued, limit;
    uint64_t pending, received, sent;
    uint64_t idle_ms, total_at_ms, moved_ms;
    uint64_t connect_at_ms; /* the latest time to be open, or to linger; 0: any. Until then idle_ms does not
                               count */
    int watched;
};

/* --- stream.c --- */
/* A stream on this socket, which is its own from now on, also on failure. */
int stream_make(struct dtr_loop *loop, int fd, const struct dtr_stream_events *events, void *context,
                struct dtr_stream **ret_stream, struct dtr_error *err);
/* Later in this turn: sends what it can and delivers what there is to tell. */
void stream_kick_soon(struct dtr_stream *stream);
/* It ends, with this result unless it has one; code DTR_OK: with the one that it has. */
__attribute__((format(printf, 3, 4))) void stream_die(struct dtr_stream *stream, int code, const char *format,
                                                      ...);
void stream_die_errno(struct dtr_stream *stream, const char *what, int number);
/* Neither open yet nor over. */
bool stream_is_opening(const struct dtr_stream *stream);
void stream_opened(struct dtr_stream *stream);
/* Says what the stream waits for. */
void stream_watch(struct dtr_stream *stream);
void stream_need_timer(struct dtr_stream *stream);
void stream_arm(struct dtr_stream *stream);

/* --- stream_open.c --- */
/* The socket has become writable: it is connected, or it failed. */
void stream_connected(struct dtr_stream *stream);

/* --- stream_receive.c --- */
/* Receives what there is credit and room for; notes a failure. */
void stream_pull(struct dtr_stream *stream);
/* TLS holds bytes that the descriptor does not tell of. */
bool stream_has_more(const struct dtr_stream *stream);

/* --- stream_send.c --- */
/* Sends what it can; notes a failure. */
void stream_push(struct dtr_stream *stream);
/* Our FIN, once all is sent. It stays undone while there is no room for TLS's own last word. */
void stream_send_end(struct dtr_stream *stream);
void stream_drop_queue(struct dtr_stream *stream);

/* --- stream_tls.c --- */
/* A step of the handshake. */
void stream_shake(struct dtr_stream *stream);
/* Reads what is not wanted, after a failed handshake. */
void stream_drain(struct dtr_stream *stream);
void stream_die_of_tls(struct dtr_stream *stream);

#endif
