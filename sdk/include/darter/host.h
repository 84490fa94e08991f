/* The services that core gives to a module. A module gets one struct dtr_host when it is asked for its
 * descriptor and keeps the pointer; the table lives as long as the process. A module imports no symbol
 * of core: everything goes through here. New services are added at the end; check `size` before using
 * one that is newer than the ABI minor you require.
 *
 * Threads: `log`, `now_ns` and `count` may be called on any thread. Everything that takes a loop or a stream
 * is called on the thread of that loop only. What begins with conn_ blocks and belongs on worker threads: one
 * connection is used by one thread at a time. */
#ifndef DARTER_HOST_H
#define DARTER_HOST_H

#include <darter/bytes.h>
#include <darter/error.h>
#include <darter/piece.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dtr_loop;    /* one event loop thread */
struct dtr_stream;  /* a connection; core owns the socket (plain or TLS) */
struct dtr_watch;   /* readiness of a descriptor that the module's library owns */
struct dtr_timer;   /* one timer on a loop */
struct dtr_service; /* what a transport may ask of the daemon it serves */
struct dtr_question;
struct dtr_conn; /* a connection for worker threads; core owns the socket (plain or TLS) */
struct sockaddr;

enum dtr_log_level { DTR_LOG_ERROR, DTR_LOG_WARN, DTR_LOG_INFO, DTR_LOG_DEBUG };

enum { DTR_READABLE = 1, DTR_WRITABLE = 2 };

/* How a stream reports to its user. Calls come on the stream's loop, never from inside a call that the
 * user makes on the stream. After `closed` nothing more comes. */
struct dtr_stream_events {
    /* Bytes arrived, within the credit given. They are valid during the call only. */
    void (*data)(void *context, const uint8_t *bytes, size_t length);
    /* The other side will send no more. Writing is still possible. May be NULL. */
    void (*end)(void *context);
    /* Everything queued has been handed to the kernel. May be NULL. */
    void (*drained)(void *context);
    /* The last event: the stream failed (err->code != 0), passed its deadline or was closed by its
     * user (err->code == DTR_OK). The stream is gone when this returns. */
    void (*closed)(void *context, const struct dtr_error *err);
};

/* What the daemon answers to a transport's question about one piece. */
struct dtr_answer {
    int code;                  /* DTR_OK, DTR_ENOT_FOUND, ... */
    const char *text;          /* one line for the other side when code is not 0 */
    struct dtr_piece piece;    /* valid when code is 0 */
    const char *parent_id;     /* peer id that the piece came from; "" from the origin */
    struct dtr_extent *extent; /* the bytes; the receiver takes over the release */
};

/* Whom conn_dial() calls, as an operator configured it. */
struct dtr_conn_target {
    const char *host; /* a name, or a literal address without brackets */
    uint16_t port;
    uint64_t connect_ms; /* for look-up, connect and TLS together */
    bool tls;
    const char *ca_cert;    /* PEM files, with TLS; NULL or "": the system's authorities */
    const char *cert, *key; /* NULL or "": none */
    bool skip_verify;       /* takes any certificate, for a key of the configuration that says so */
};

struct dtr_host {
    uint32_t size; /* of this table, bytes */

    /* Writes one log line in the module's name. `format` as printf. */
    __attribute__((format(printf, 3, 4))) void (*log)(const char *module, enum dtr_log_level level,
                                                      const char *format, ...);
    /* Nanoseconds of a clock that never goes back. */
    uint64_t (*now_ns)(void);

    /* --- streams ------------------------------------------------------------------------------- */
    /* Connects to an address that passed the guard. `connect_ms` bounds the connect. Returns at once;
     * a failed connect comes as `closed`. The stream starts without read credit. */
    int (*stream_connect)(struct dtr_loop *loop, const struct sockaddr *address, uint64_t connect_ms,
                          const struct dtr_stream_events *events, void *context,
                          struct dtr_stream **ret_stream, struct dtr_error *err);
    /* Takes over a stream that core accepted: from now on its events come here. */
    void (*stream_adopt)(struct dtr_stream *stream, const struct dtr_stream_events *events, void *context);
    /* Allows `bytes` more to be delivered by `data`; UINT64_MAX for no limit. */
    void (*stream_read)(struct dtr_stream *stream, uint64_t bytes);
    /* Copies and queues bytes. What the queue holds is bounded by the stream's limit: past it the
     * stream closes with DTR_ELIMIT, so write big things as extents. */
    void (*stream_write)(struct dtr_stream *stream, const void *bytes, size_t length);
    /* Queues an extent and takes over its release; sendfile where the kernel can. */
    void (*stream_send)(struct dtr_stream *stream, const struct dtr_extent *extent);
    /* Sends FIN after what is queued. */
    void (*stream_end)(struct dtr_stream *stream);
    /* Closes with DTR_ETIMEOUT unless at least one byte moves within each `idle_ms`, and at the latest
     * after `total_ms`; 0 switches either off. */
    void (*stream_deadline)(struct dtr_stream *stream, uint64_t idle_ms, uint64_t total_ms);
    /* Closes: with `flush`, after what is queued has been sent (bounded by the deadline). `closed`
     * follows, later. */
    void (*stream_close)(struct dtr_stream *stream, bool flush);
    struct dtr_loop *(*stream_loop)(const struct dtr_stream *stream);
    /* "10.0.0.1:4005"; valid as long as the stream. */
    const char *(*stream_peer)(const struct dtr_stream *stream);

    /* --- for libraries that bring their own sockets ---------------------------------------------- */
    /* Watches a descriptor; `events` is a mask of DTR_READABLE and DTR_WRITABLE. `ready` may be called
     * with both set when the descriptor failed. */
    int (*watch_open)(struct dtr_loop *loop, int fd, void (*ready)(void *context, int events), void *context,
                      struct dtr_watch **ret_watch, struct dtr_error *err);
    void (*watch_set)(struct dtr_watch *watch, int events);
    /* Must come before the library closes the descriptor. No call follows. */
    void (*watch_close)(struct dtr_watch *watch);
    /* One-shot timer: armed by timer_set, disarmed by DTR_TIMER_OFF. */
    int (*timer_open)(struct dtr_loop *loop, void (*fired)(void *context), void *context,
                      struct dtr_timer **ret_timer, struct dtr_error *err);
    void (*timer_set)(struct dtr_timer *timer, uint64_t delay_ms);
    void (*timer_close)(struct dtr_timer *timer);
    /* Whether an outgoing connection to this address is allowed (the outbound guard). `trusted` is the
     * request's flag: true when an operator configured the destination. */
    bool (*guard_allows)(const struct sockaddr *address, bool trusted);

    /* --- the serving side of a transport ----------------------------------------------------------- */
    /* Asks for one piece of a task; waits while it is still arriving. `answered` comes exactly once,
     * later, on `loop`, unless question_cancel came first. */
    int (*service_ask)(struct dtr_service *service, struct dtr_loop *loop, const char *task_id,
                       uint32_t piece_number, void (*answered)(void *context, const struct dtr_answer *),
                       void *context, struct dtr_question **ret_question, struct dtr_error *err);
    void (*question_cancel)(struct dtr_question *question);

    /* --- numbers -------------------------------------------------------------------------------- */
    /* Adds to the module's counter with this index in its metrics table. Any thread. */
    void (*count)(const char *module, uint32_t metric, double amount);

    /* --- connections of worker threads; since ABI 1.2 ------------------------------------------------- */
    /* Connects to the first address of the host that answers; files are read anew each time. Texts are needed
     * during the call only. DTR_ENOT_FOUND: the name has no address; DTR_EUNAVAILABLE: nobody answers there;
     * DTR_ETIMEOUT; DTR_EDENIED: one side refuses the other's certificate; DTR_EPROTOCOL or DTR_ECLOSED: it
     * speaks no TLS; DTR_EINVALID: a file or the host is no good; DTR_ELIMIT: too many names are without an
     * answer already. Errors name the other side. */
    int (*conn_dial)(const struct dtr_conn_target *target, struct dtr_conn **ret_conn, struct dtr_error *err);
    /* Waits for bytes: at least one comes, as many as are there and fit. DTR_ETIMEOUT after `limit_ms`, and
     * the connection is as good as before (0: takes only what is there already); DTR_ECLOSED: no more will
     * come, writing may still be possible. */
    int (*conn_read)(struct dtr_conn *conn, void *bytes, size_t room, uint64_t limit_ms, size_t *ret_count,
                     struct dtr_error *err);
    /* Hands all of it to the kernel; `limit_ms` is for all. After an error the connection is good for
     * conn_close() only. */
    int (*conn_write)(struct dtr_conn *conn, const void *bytes, size_t length, uint64_t limit_ms,
                      struct dtr_error *err);
    /* Waits for nothing. NULL is fine. */
    void (*conn_close)(struct dtr_conn *conn);
};

#define DTR_TIMER_OFF UINT64_MAX

#endif
