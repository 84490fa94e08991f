/* An HTTP/1.1 server on one loop: what a handler sees.
 *
 * A request arrives once its head is complete; the handler answers then or later. The exchange belongs to
 * the handler from `request` until it calls dtr_http_end(), dtr_http_abort(), dtr_http_reply() or
 * dtr_http_upgrade(), or until `aborted` returns; after that the pointer is gone and nothing more comes. The
 * requests of one connection come one after the other: the next is handed over when the answer to the one
 * before has ended, and at most 32 KiB are read ahead.
 *
 * Everything is on the server's loop. The server sees to keep-alive, pipelining, Expect, Date, Connection,
 * Content-Length, chunked coding, HEAD, and to clients that are slow or go away. A client that half-closes
 * before its answer has ended counts as gone. */
#ifndef DTR_HTTP_SERVER_H
#define DTR_HTTP_SERVER_H

#include "core/http/fields.h"
#include "core/http/head.h"
#include "core/net/addr.h"
#include <darter/bytes.h>
#include <darter/host.h>

struct dtr_http_server;
struct dtr_http_exchange;

/* Limits of one server; 0 takes the default in brackets. */
struct dtr_http_limits {
    uint32_t connections; /* open at once, with those handed over (8192); past it the longest idle one goes,
                           * else the new one */
    uint32_t tunnels;     /* of them, handed over by dtr_http_upgrade() (half of connections) */
    uint64_t head_ms;     /* from the first byte of a head to its last (10,000): answered by 408 */
    uint64_t idle_ms;     /* between requests, and before the first (60,000): closed */
    uint64_t body_ms;     /* without a byte of a body the handler waits for (30,000): 408, or aborted */
    uint64_t write_ms;    /* without a byte taken by a client that has bytes to take (60,000): aborted */
    uint64_t linger_ms;   /* for a client to close after its last answer (2,000) */
};

/* What a handler hears of an exchange after `request`. Any may be NULL. Calls never come from inside a call
 * that the handler makes. */
struct dtr_http_events {
    /* Bytes of the request's body, within what dtr_http_want_body() allowed; valid during the call. */
    void (*body)(void *context, const uint8_t *bytes, size_t length);
    /* The body is complete; not called when request->body_length is 0. */
    void (*body_end)(void *context);
    /* Everything written so far has been handed to the kernel. */
    void (*drained)(void *context);
    /* The client went away or broke a limit: the last call, at most once. */
    void (*aborted)(void *context, const struct dtr_error *err);
};

/* A request has come. `request` lives as long as the exchange. */
typedef void dtr_http_handle(void *context, struct dtr_http_exchange *exchange,
                             const struct dtr_http_request *request);

/* --- the server --------------------------------------------------------------------------------------- */

/* `limits` may be NULL. */
int dtr_http_server_new(struct dtr_loop *loop, const struct dtr_http_limits *limits, dtr_http_handle *handle,
                        void *context, struct dtr_http_server **ret_server, struct dtr_error *err);
/* Connections that come from now on speak TLS. `tls` (or NULL: plain) outlives the server. */
struct dtr_tls; /* core/net/tls.h */
void dtr_http_server_secure(struct dtr_http_server *server, struct dtr_tls *tls);
/* Listens; at most once per server. ret_addr (or NULL) gets the address, with the port the kernel chose. */
int dtr_http_server_listen(struct dtr_http_server *server, const struct dtr_addr *addr,
                           struct dtr_addr *ret_addr, struct dtr_error *err);
/* The same from any thread: one listener can feed servers on several loops. Not after
 * dtr_http_server_close(). */
void dtr_http_server_give(struct dtr_http_server *server, int fd);
/* Stops listening, closes idle connections, gives running exchanges and tunnels `grace_ms` and then aborts
 * them. `stopped` (or NULL) comes when all is over, later than this call; the server is freed then. */
void dtr_http_server_close(struct dtr_http_server *server, uint64_t grace_ms, void (*stopped)(void *context),
                           void *context);

struct dtr_http_counts {
    uint64_t open;     /* connections now, without those handed over */
    uint64_t accepted; /* connections ever */
    uint64_t requests; /* handed to the handler */
    uint64_t refused;  /* heads and bodies answered by an error of ours */
    uint64_t late;     /* limits of time broken, idle ones not counted */
    uint64_t evicted;  /* connections closed for the limit on their number */
};
void dtr_http_server_counts(const struct dtr_http_server *server, struct dtr_http_counts *ret_counts);

/* --- one exchange ------------------------------------------------------------------------------------- */

/* Whom to tell; `events` and `context` must outlive the exchange. Without it nothing is told. */
void dtr_http_attach(struct dtr_http_exchange *exchange, const struct dtr_http_events *events, void *context);
struct dtr_loop *dtr_http_loop(const struct dtr_http_exchange *exchange);
/* The client's address; valid as long as the exchange. */
const struct dtr_addr *dtr_http_client(const struct dtr_http_exchange *exchange);

/* Allows `bytes` more of the body to be delivered; UINT64_MAX for all. The first call lets a client that
 * sent Expect go on. A body that is not asked for is discarded after the answer. */
void dtr_http_want_body(struct dtr_http_exchange *exchange, uint64_t bytes);

/* Sends the head of the answer. `length` is that of the body, DTR_LENGTH_UNKNOWN when it is not known yet
 * (then chunked; to HTTP/1.0 until the connection closes). Left out of `headers`, because they are the
 * server's: Content-Length, Transfer-Encoding, Connection and what it names, other hop-by-hop ones, and any
 * with line breaks. Date is added unless given. Once per exchange. */
void dtr_http_respond(struct dtr_http_exchange *exchange, int status, const struct dtr_header *headers,
                      size_t count, uint64_t length);
/* Body bytes, copied; for things of at most some hundred KiB: what waits past 8 MiB ends the connection. */
void dtr_http_write(struct dtr_http_exchange *exchange, const void *bytes, size_t length);
/* Body bytes where they lie; takes over the release. Nothing is sent of either in answer to HEAD. */
void dtr_http_send(struct dtr_http_exchange *exchange, const struct dtr_extent *extent);
/* Bytes not yet handed to the kernel; keep this small and go on at `drained`. */
uint64_t dtr_http_pending(const struct dtr_http_exchange *exchange);
/* The answer is complete. When less or more than the promised length was written, it is aborted instead. */
void dtr_http_end(struct dtr_http_exchange *exchange);
/* Closes in a way that the client cannot take for the end of the answer. */
void dtr_http_abort(struct dtr_http_exchange *exchange);
/* respond, write and end in one; `text` is a C string, "text/plain" unless headers say otherwise. */
void dtr_http_reply(struct dtr_http_exchange *exchange, int status, const struct dtr_header *headers,
                    size_t count, const char *text);

struct dtr_http_upgraded {
    struct dtr_stream *stream; /* without read credit or deadlines: dtr_stream_adopt() it at once */
    char *early;               /* what the client sent after the head; free() it; NULL when nothing */
    size_t early_length;
};
/* Whether there is room for one more; else answer 503. */
bool dtr_http_may_upgrade(const struct dtr_http_exchange *exchange);
/* Answers CONNECT by 200 and hands over the connection, which goes on counting as the server's, and which a
 * server that stops closes. Only after dtr_http_may_upgrade(). */
void dtr_http_upgrade(struct dtr_http_exchange *exchange, struct dtr_http_upgraded *ret_upgraded);

#endif
