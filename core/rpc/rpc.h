/* gRPC client and server on nghttp2 and protobuf-c: the interface.
 *
 * Everything here belongs to one loop and is called on its thread. Events never come from inside a
 * function of this header: what a call causes is told later in the same or the next turn of the loop.
 *
 * Calls. A struct dtr_rpc_call is one RPC on either side. It ends in exactly one `closed` event, its last
 * one, whatever ended it; the call is gone when that returns, so `closed` is the place to drop pointers.
 * Received messages are unpacked into memory of the server or channel and valid during the event only:
 * copy what must stay, or keep the raw bytes.
 *
 * Not for: deciding which address may be dialled (core/net/guard.h), reading certificates (core/net/tls.h),
 * compression (identity only). */
#ifndef DTR_RPC_RPC_H
#define DTR_RPC_RPC_H

#include "core/net/addr.h"
#include "core/rpc/status.h"
#include <darter/host.h>
#include <protobuf-c/protobuf-c.h>

struct dtr_cred; /* core/net/stream.h */
struct dtr_tls;  /* core/net/tls.h */
struct dtr_rpc_call;
struct dtr_rpc_out;
struct dtr_rpc_server;
struct dtr_rpc_channel;
struct dtr_rpc_table;

/* --- methods -------------------------------------------------------------------------------------- */

enum dtr_rpc_kind {
    DTR_RPC_UNARY,         /* one request, one response */
    DTR_RPC_SERVER_STREAM, /* one request, many responses */
    DTR_RPC_CLIENT_STREAM, /* many requests, one response */
    DTR_RPC_BIDI,          /* many of both */
};

enum {
    /* A server stops counting grpc-timeout once response headers are sent: SyncPieces, SyncHost and
     * DownloadTask live longer than the 10 s their callers name (wire page 6). */
    DTR_RPC_TIMEOUT_TO_HEADERS = 1,
};

/* One method as both sides know it; core/rpc/methods.h has those of Dragonfly. */
struct dtr_rpc_method {
    const char *path; /* "/scheduler.v2.Scheduler/AnnouncePeer" */
    enum dtr_rpc_kind kind;
    unsigned flags;
    const ProtobufCMessageDescriptor *input, *output;
};

/* A received message. */
struct dtr_rpc_message {
    const ProtobufCMessage *message; /* cast it to the method's type */
    const uint8_t *bytes;            /* as it came, with the fields that we do not know */
    size_t length;
};

/* What happens to a call. Any member may be NULL. */
struct dtr_rpc_events {
    /* Client: response headers came; dtr_rpc_call_metadata() works from here. */
    void (*headers)(void *context, struct dtr_rpc_call *call);
    void (*message)(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message);
    /* Server: the client will send no more requests. */
    void (*end)(void *context, struct dtr_rpc_call *call);
    /* The queue went below DTR_RPC_LOW_WATER after it was above DTR_RPC_HIGH_WATER. */
    void (*writable)(void *context, struct dtr_rpc_call *call);
    /* The last event. Client: the status of the call. Server: OK when what it finished with is on its way,
     * CANCELLED when the client went away or cancelled, DEADLINE_EXCEEDED, or what was wrong with a
     * request. */
    void (*closed)(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status);
};

/* --- calls, both sides ---------------------------------------------------------------------------- */

#define DTR_RPC_HIGH_WATER ((size_t)256 << 10)
#define DTR_RPC_LOW_WATER  ((size_t)64 << 10)

/* Sets where events go, in place of what was set before. A server's handler calls it for streams. */
void dtr_rpc_call_adopt(struct dtr_rpc_call *call, const struct dtr_rpc_events *events, void *context);
const struct dtr_rpc_method *dtr_rpc_call_method(const struct dtr_rpc_call *call);

/* Queues a message. DTR_ELIMIT: more than limits.send_queue bytes wait already, nothing was queued.
 * DTR_ECLOSED: the call is over or its sending side is. */
int dtr_rpc_call_send(struct dtr_rpc_call *call, const ProtobufCMessage *message, struct dtr_error *err);
/* The same for a message that is packed already; copies. */
int dtr_rpc_call_send_bytes(struct dtr_rpc_call *call, const void *bytes, size_t length,
                            struct dtr_error *err);
/* A message that some other thread packs, so that the loop copies nothing: room for `length` bytes, made,
 * filled and freed on any thread. NULL: out of memory. */
struct dtr_rpc_out *dtr_rpc_out_new(size_t length);
uint8_t *dtr_rpc_out_bytes(struct dtr_rpc_out *out);
void dtr_rpc_out_free(struct dtr_rpc_out *out);
/* Says, once, on the thread that frees it, that its memory is free again: `bytes` as given here. From inside
 * the connection's work: the receiver notes it and does the rest later. */
void dtr_rpc_out_watch(struct dtr_rpc_out *out, void (*freed)(void *context, uint64_t bytes), void *context,
                       uint64_t bytes);
/* Queues it, like dtr_rpc_call_send(), and takes it over, whatever happens. */
int dtr_rpc_call_send_out(struct dtr_rpc_call *call, struct dtr_rpc_out *out, struct dtr_error *err);
/* Bytes queued and not yet given to the connection. */
size_t dtr_rpc_call_queued(const struct dtr_rpc_call *call);

/* Sets how many more messages may be delivered. A call starts without limit. At zero, messages wait and
 * the sender is held back by HTTP/2 flow control. */
#define DTR_RPC_UNLIMITED UINT32_MAX
void dtr_rpc_call_credit(struct dtr_rpc_call *call, uint32_t messages);

/* Stops the call now: RST_STREAM(CANCEL); what is queued is freed. `closed` follows with CANCELLED. */
void dtr_rpc_call_cancel(struct dtr_rpc_call *call);

/* A header field (on a client also a trailer, in `closed`) that the other side sent; NULL without, and for
 * what the transport says for itself (pseudo-headers, te, user-agent, grpc-*).
 * `name` in lower case. Valid as long as the call. */
const char *dtr_rpc_call_metadata(const struct dtr_rpc_call *call, const char *name);
/* "10.0.0.1:8002" or "unix:"; valid during the event only. */
const char *dtr_rpc_call_peer(const struct dtr_rpc_call *call);
/* The other side's address; NULL while a client's call has no connection. */
const struct dtr_addr *dtr_rpc_call_addr(const struct dtr_rpc_call *call);
/* Who is at the other end of a unix socket; false otherwise. */
bool dtr_rpc_call_cred(const struct dtr_rpc_call *call, struct dtr_cred *ret_cred);

/* --- server --------------------------------------------------------------------------------------- */

/* Exactly one of the two functions is set. The call starts without events of its own. */
struct dtr_rpc_handler {
    const struct dtr_rpc_method *method;
    /* Methods with one request (unary, server stream): the request came. */
    void (*request)(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
    /* Methods with many requests: the call began, adopt it. */
    void (*open)(void *service, struct dtr_rpc_call *call);
};

/* Sends response headers at once; otherwise they go with the first message. */
void dtr_rpc_call_headers(struct dtr_rpc_call *call);
/* Ends the call with a status, after what is queued. When the client has not ended its side, trailers
 * are followed by RST_STREAM(NO_ERROR) (wire page 3.1, rule 7). Later functions of this call do nothing.
 * `message` and `details` may be NULL; a message is cut at 1 KiB, details above 6 KiB are left out, since
 * Dragonfly's clients take 16 KiB of header fields. */
void dtr_rpc_call_finish(struct dtr_rpc_call *call, enum dtr_rpc_code code, const char *message);
void dtr_rpc_call_finish_details(struct dtr_rpc_call *call, enum dtr_rpc_code code, const char *message,
                                 const void *details, size_t details_length);
/* One message, then OK. */
void dtr_rpc_call_reply(struct dtr_rpc_call *call, const ProtobufCMessage *message);
/* Ends with the code that fits the error. */
void dtr_rpc_call_fail(struct dtr_rpc_call *call, const struct dtr_error *err);

/* How many calls a table takes. */
struct dtr_rpc_rate {
    uint32_t per_s;   /* calls; 0: no limit */
    uint32_t burst;   /* calls taken at once after a silence; 0: as many as per_s */
    uint32_t waiting; /* calls that may wait for their turn; those beyond it are refused */
};

/* Which paths a listener serves. Made before it is used, its methods unchanged afterwards; outlives the
 * servers, which are all on one loop. */
int dtr_rpc_table_new(struct dtr_rpc_table **ret_table, struct dtr_error *err);
/* `handlers` must stay; `service` is handed to them. DTR_EEXISTS: a path is there already. */
int dtr_rpc_table_add(struct dtr_rpc_table *table, const struct dtr_rpc_handler *handlers, size_t count,
                      void *service, struct dtr_error *err);
/* Bounds the calls of all its methods together, unary ones and new streams, on every connection. A call
 * beyond it waits, its requests with it, or ends with RESOURCE_EXHAUSTED; its deadline counts meanwhile. May
 * be changed while servers run, on their loop; those that wait keep their time, and the same limit again
 * changes nothing. Not set: no limit. */
void dtr_rpc_table_limit(struct dtr_rpc_table *table, const struct dtr_rpc_rate *rate);
void dtr_rpc_table_free(struct dtr_rpc_table *table);

/* Bounds of one server or channel. 0 takes the default in brackets. */
struct dtr_rpc_limits {
    size_t message;             /* bytes of one received message [64 MiB] */
    size_t connection;          /* bytes of messages that one connection may have in assembly or waiting for
                                 * credit; the call that passes it ends [message + 32 MiB] */
    size_t total;               /* the same of all connections of a server or channel together
                                 * [4 * connection] */
    size_t unpacked;            /* bytes that one unpacked message may take; also at most eight times its
                                 * length + 64 KiB [128 MiB] */
    size_t send_queue;          /* bytes per call, beyond which sending is refused [16 MiB] */
    uint32_t stream_window;     /* bytes [2 MiB] */
    uint32_t connection_window; /* bytes [5 MiB] */
    uint32_t frame;             /* bytes of a received frame, 16 KiB..16 MiB [16 KiB] */
    uint32_t header_list;       /* bytes of a request's header fields [16 KiB] */
    uint32_t streams;           /* calls at once on one connection [1024] */
    uint32_t connections;       /* a server's [16384]; beyond it the newest is closed at once */
    uint32_t resets_burst;      /* RST_STREAMs of one client taken at once [1000] ... */
    uint32_t resets_per_s;      /* ... and per second; past it GOAWAY [100] */
    uint64_t handshake_ms;      /* for TLS, and then for a client's preface and SETTINGS [10 s] */
    /* Time without a complete frame after which the other side is pinged; a channel does so only while it
     * has calls [server 60 s, channel 300 s] ... */
    uint64_t ping_ms;
    uint64_t ping_timeout_ms; /* ... and then after which the connection is lost [20 s] */
};

/* `limits` may be NULL. */
int dtr_rpc_server_new(struct dtr_loop *loop, const struct dtr_rpc_limits *limits,
                       struct dtr_rpc_server **ret_server, struct dtr_error *err);
/* Listeners on TCP that are opened from now on speak TLS; unix sockets never do. Who is refused is logged.
 * `tls` (or NULL: plain) outlives the server. */
void dtr_rpc_server_secure(struct dtr_rpc_server *server, struct dtr_tls *tls);
/* Serves `table` on an address as well; port 0 lets the kernel choose, ret_addr (or NULL) says which. */
int dtr_rpc_server_listen(struct dtr_rpc_server *server, const struct dtr_addr *addr,
                          struct dtr_rpc_table *table, struct dtr_addr *ret_addr, struct dtr_error *err);
/* Serves `table` on a connection that somebody else accepted; takes over fd, whatever happens. */
int dtr_rpc_server_accept(struct dtr_rpc_server *server, int fd, struct dtr_rpc_table *table,
                          struct dtr_error *err);
/* Stops listening, tells clients (GOAWAY), lets running calls end for at most `limit_ms`, then closes
 * everything. `stopped` (or NULL) comes later, when the server is gone. Calling it again may shorten the
 * limit. */
void dtr_rpc_server_stop(struct dtr_rpc_server *server, uint64_t limit_ms, void (*stopped)(void *context),
                         void *context);
/* How many connections and calls there are. */
size_t dtr_rpc_server_connections(const struct dtr_rpc_server *server);
size_t dtr_rpc_server_calls(const struct dtr_rpc_server *server);

/* --- client --------------------------------------------------------------------------------------- */

/* DOWN: none, and nobody asks for one. LOST: the last attempt failed or the connection broke; the next
 * attempt waits for its time. */
enum dtr_rpc_state { DTR_RPC_DOWN, DTR_RPC_CONNECTING, DTR_RPC_READY, DTR_RPC_LOST };

struct dtr_rpc_channel_options {
    const struct dtr_rpc_limits *limits; /* NULL: defaults; copied */
    const char *authority;               /* NULL: the address, "localhost" for unix sockets; copied */
    struct dtr_tls *tls;                 /* NULL: plain, as unix sockets always are; outlives the channel */
    const char *host;                    /* a name that the server's certificate may be for instead of its
                                          * address, or NULL; copied */
    uint64_t connect_ms;                 /* until the server's SETTINGS, TLS included [3 s] */
    uint64_t backoff_min_ms;             /* pause after the first failure [100 ms], doubled by each ... */
    uint64_t backoff_max_ms;             /* ... up to this [5 s]; each pause varies by a fifth */
    bool keep_connected;                 /* connect now and again, not only when there are calls */
    /* The state changed; err says why when it is LOST, else NULL. May be NULL. */
    void (*state)(void *context, struct dtr_rpc_channel *channel, enum dtr_rpc_state state,
                  const struct dtr_error *err);
    void *context;
};

/* A channel to one address. `options` may be NULL. The address has passed the guard. */
int dtr_rpc_channel_new(struct dtr_loop *loop, const struct dtr_addr *addr,
                        const struct dtr_rpc_channel_options *options, struct dtr_rpc_channel **ret_channel,
                        struct dtr_error *err);
/* Ends all its calls with CANCELLED, later, and then frees the channel by itself. No new calls, no state
 * events. NULL is fine. */
void dtr_rpc_channel_close(struct dtr_rpc_channel *channel);
enum dtr_rpc_state dtr_rpc_channel_state(const struct dtr_rpc_channel *channel);
/* Calls that have not ended. */
size_t dtr_rpc_channel_calls(const struct dtr_rpc_channel *channel);

struct dtr_rpc_pair {
    const char *name, *value; /* lower-case name; value without line ends */
};

struct dtr_rpc_call_options {
    /* Unary: until the end. Streams: until response headers. 0: 10 s; DTR_TIMER_OFF: none. */
    uint64_t timeout_ms;
    /* Streams: the longest gap between messages after headers. 0: none. */
    uint64_t idle_ms;
    /* Streams: sent as grpc-timeout (unary calls always send theirs). Servers in Go enforce it over the
     * whole stream. 0: not sent. */
    uint64_t announce_timeout_ms;
    /* Waits for a connection until the deadline; else the call fails when the running or next attempt to
     * connect fails, and at once while the channel pauses after a failure. */
    bool wait_for_ready;
    const struct dtr_rpc_pair *metadata;
    size_t metadata_count;
};

/* Starts a call; `options` may be NULL. Messages may be sent right away. For methods with one request
 * send it and call dtr_rpc_call_end(). */
int dtr_rpc_call_start(struct dtr_rpc_channel *channel, const struct dtr_rpc_method *method,
                       const struct dtr_rpc_call_options *options, const struct dtr_rpc_events *events,
                       void *context, struct dtr_rpc_call **ret_call, struct dtr_error *err);
/* Ends the requests (half-close). */
void dtr_rpc_call_end(struct dtr_rpc_call *call);

/* A unary call in one go. `done` comes exactly once, later: with the response (valid during it) when the
 * status is OK, else with NULL. ret_call (or NULL) is for cancelling; gone when `done` returns. */
int dtr_rpc_unary(struct dtr_rpc_channel *channel, const struct dtr_rpc_method *method,
                  const ProtobufCMessage *request, const struct dtr_rpc_call_options *options,
                  void (*done)(void *context, const struct dtr_rpc_message *response,
                               const struct dtr_rpc_status *status),
                  void *context, struct dtr_rpc_call **ret_call, struct dtr_error *err);

/* --- health service (grpc.health.v1) ---------------------------------------------------------------- */

struct dtr_rpc_health;

int dtr_rpc_health_new(struct dtr_rpc_health **ret_health, struct dtr_error *err);
/* After the servers that use it are gone. */
void dtr_rpc_health_free(struct dtr_rpc_health *health);
/* Adds Check and Watch to a table. */
int dtr_rpc_health_serve(struct dtr_rpc_health *health, struct dtr_rpc_table *table, struct dtr_error *err);
/* Makes a service known (copies its name; "" is the whole server) and says whether it serves. */
int dtr_rpc_health_set(struct dtr_rpc_health *health, const char *service, bool serving,
                       struct dtr_error *err);

#endif
