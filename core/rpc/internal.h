/* What the files of this folder share: hub, session, call. Nobody outside includes it, except the tests
 * and fuzz targets of this folder.
 *
 * A session is one HTTP/2 connection as bytes in and bytes out, without a socket: nghttp2 and the calls on
 * it. A hub is what all sessions of one server or channel have in common: work waiting for the end of the
 * turn, deadlines, limits, memory for unpacking. Each is driven by its owner (conn.c, or a test):
 *   bytes arrive      -> dtr_rpc_session_receive()
 *   hub asked (wake)  -> dtr_rpc_hub_turn(), soon, not from inside wake
 *   output possible   -> dtr_rpc_session_dirty()
 *   connection gone   -> dtr_rpc_session_lost(), dtr_rpc_session_free() */
#ifndef DTR_RPC_INTERNAL_H
#define DTR_RPC_INTERNAL_H

#include "core/base/list.h"
#include "core/base/map.h"
#include "core/base/str.h"
#include "core/rpc/frame.h"
#include "core/rpc/rpc.h"
#include "core/rpc/unpack.h"
#include <nghttp2/nghttp2.h>

struct dtr_rpc_hub {
    struct dtr_list ready;      /* struct dtr_rpc_call.ready: something to deliver or free */
    struct dtr_list dirty;      /* struct dtr_rpc_session.dirty: something to send */
    struct dtr_rpc_call **heap; /* calls by deadline, the earliest first */
    size_t heap_count, heap_capacity;
    struct dtr_rpc_arena arena;
    struct dtr_rpc_limits limits; /* no zeros */
    size_t calls;                 /* that exist */
    size_t held;                  /* of all sessions */
    bool awake;                   /* wake was called, the turn has not come */
    uint64_t (*now_ms)(void *context);
    void (*wake)(void *context);
    void *context;
};

/* limits may be NULL; fills the defaults in. */
void dtr_rpc_hub_init(struct dtr_rpc_hub *hub, const struct dtr_rpc_limits *limits, bool server);
/* No calls are left. */
void dtr_rpc_hub_free(struct dtr_rpc_hub *hub);
void dtr_rpc_hub_wake(struct dtr_rpc_hub *hub);
/* Deadlines, deliveries, output. */
void dtr_rpc_hub_turn(struct dtr_rpc_hub *hub);
/* When the next deadline is, as now_ms counts; UINT64_MAX for none. */
uint64_t dtr_rpc_hub_next_ms(const struct dtr_rpc_hub *hub);
/* Sets or moves (UINT64_MAX: takes away) a call's deadline. Out of memory leaves it without. */
void dtr_rpc_hub_deadline(struct dtr_rpc_hub *hub, struct dtr_rpc_call *call, uint64_t at_ms);

/* --- sessions ------------------------------------------------------------------------------------- */

struct dtr_rpc_owner {
    void (*write)(void *context, const uint8_t *bytes, size_t length);
    /* Bytes written and not yet on their way: output pauses above DTR_RPC_HIGH_WATER. */
    uint64_t (*pending)(void *context);
    void (*settled)(void *context); /* the other side's first SETTINGS came */
    void (*goaway)(void *context);  /* client: no new calls on this connection */
    /* Client: the server did not process this call, it is without session now. True: taken over for
     * another try. */
    bool (*refused)(void *context, struct dtr_rpc_call *call);
    void (*over)(void *context); /* all is said: close after what was written. Once; from receive or flush */
    struct dtr_stream *(*stream)(void *context); /* NULL without a socket */
};

struct dtr_rpc_session {
    nghttp2_session *h2;
    struct dtr_rpc_hub *hub;
    bool server;
    struct dtr_rpc_table *table; /* server */
    const struct dtr_rpc_owner *owner;
    void *context;
    struct dtr_list calls; /* struct dtr_rpc_call.link */
    size_t call_count;
    const char *authority; /* client; the owner's */
    bool secure;           /* client; the owner's: TLS is below */
    struct dtr_list dirty;
    size_t held;     /* bytes in assembly or backlog of all calls */
    uint64_t frames; /* complete frames received */
    bool settled, over, failed, draining;
};

int dtr_rpc_session_new(struct dtr_rpc_hub *hub, struct dtr_rpc_table *table, /* NULL: client */
                        const struct dtr_rpc_owner *owner, void *context,
                        struct dtr_rpc_session **ret_session, struct dtr_error *err);
/* Fails when the connection is beyond repair; what is to be said about it is written by the next turn. */
int dtr_rpc_session_receive(struct dtr_rpc_session *session, const uint8_t *bytes, size_t length,
                            struct dtr_error *err);
/* Asks for output in this turn. */
void dtr_rpc_session_dirty(struct dtr_rpc_session *session);
void dtr_rpc_session_flush(struct dtr_rpc_session *session);
/* Client: sends the call's request on this session. On failure the call is without session. */
int dtr_rpc_session_begin(struct dtr_rpc_session *session, struct dtr_rpc_call *call, struct dtr_error *err);
void dtr_rpc_session_ping(struct dtr_rpc_session *session);
/* Server: announces the end, then (after the answer to a ping) names the last call; over when all calls
 * have ended. */
void dtr_rpc_session_drain(struct dtr_rpc_session *session);
/* Says GOAWAY and is over. */
void dtr_rpc_session_goodbye(struct dtr_rpc_session *session);
/* The connection is gone: ends all calls. */
void dtr_rpc_session_lost(struct dtr_rpc_session *session, const struct dtr_error *err);
void dtr_rpc_session_free(struct dtr_rpc_session *session);

/* headers.c: the nghttp2 callbacks for header fields and the blocks we send. */
int dtr_rpc_on_begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *user);
int dtr_rpc_on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                      size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                      void *user);
/* A block of fields is complete; `last` with END_STREAM. */
void dtr_rpc_on_headers_end(struct dtr_rpc_session *session, struct dtr_rpc_call *call, bool last);
int dtr_rpc_submit_request(struct dtr_rpc_session *session, struct dtr_rpc_call *call,
                           const nghttp2_data_provider *source);
int dtr_rpc_submit_headers(struct dtr_rpc_call *call, const nghttp2_data_provider *source);
/* Trailers, or with `only` a response that is nothing else. */
int dtr_rpc_submit_trailers(struct dtr_rpc_call *call, bool only);
/* session.c: makes nghttp2 ask for the call's bytes (and headers, on a server). */
void dtr_rpc_session_send(struct dtr_rpc_call *call);
void dtr_rpc_session_reset(struct dtr_rpc_call *call, uint32_t h2_error);
/* Gives `length` bytes of window back. */
void dtr_rpc_session_consumed(struct dtr_rpc_call *call, size_t length);

/* --- calls ---------------------------------------------------------------------------------------- */

struct dtr_rpc_out {
    struct dtr_rpc_out *next;
    void (*freed)(void *context, uint64_t bytes); /* NULL: nobody asks */
    void *context;
    uint64_t watched; /* bytes, as `freed` says them */
    size_t length;    /* with the prefix */
    uint8_t bytes[];
};

struct dtr_rpc_outs {
    struct dtr_rpc_out *first, **tail;
};

void dtr_rpc_outs_free(struct dtr_rpc_outs *outs);

struct dtr_rpc_call {
    struct dtr_rpc_hub *hub;
    struct dtr_rpc_session *session; /* NULL: not yet, or the HTTP/2 stream is gone */
    struct dtr_list link;            /* in the session's calls, or the channel's waiting ones */
    struct dtr_list ready;
    const struct dtr_rpc_method *method; /* NULL until :path came, or when nobody serves it */
    const struct dtr_rpc_handler *handler;
    void *service;
    const struct dtr_rpc_events *events;
    void *context;
    int32_t stream_id;
    bool server;

    /* receiving */
    struct dtr_rpc_frames frames;
    struct dtr_str backlog; /* bytes that wait for credit */
    size_t owed;            /* bytes of window not given back for the backlog */
    size_t counted;         /* bytes in session->held */
    uint32_t credit, received;
    bool headers_in; /* client: response headers came */
    bool input_off;  /* what still comes is thrown away */
    bool delivering; /* the bytes of a message are in use */
    bool input_end;  /* END_STREAM came */
    bool end_told;
    bool started;             /* server: headers are complete and good, the call is the handler's */
    uint64_t turn_ms, due_ms; /* server: waits for its turn until then (0: not), its deadline */

    /* sending */
    struct dtr_rpc_outs out, sent; /* sent: kept for another try on a new connection */
    size_t offset;                 /* sent bytes of out.first */
    size_t queued, sent_bytes;
    bool headers_now;             /* server: headers go out before any message */
    bool headers_out, output_end; /* output_end: half-closed, or finished */
    bool deferred;                /* nghttp2 waits to be told of new bytes */
    bool trailers_out, high, writable_due, no_replay;
    unsigned attempts;

    /* ending */
    bool ended, closed_told, drop; /* drop: what waits is not delivered any more */
    bool remote_status;
    enum dtr_rpc_code code; /* what `closed` will say */
    char *message;
    uint8_t *details;
    size_t details_length;
    enum dtr_rpc_code reply_code; /* server: what the trailers say */
    char *reply_message;
    uint8_t *reply_details;
    size_t reply_details_length;

    /* header fields */
    struct dtr_str fields; /* name NUL value NUL ... */
    size_t fields_size;    /* as RFC 9113 counts */
    unsigned http_status;
    bool is_post, is_grpc, has_status;
    uint64_t timeout_ms; /* of grpc-timeout; 0: none */

    /* time */
    uint64_t at_ms, idle_ms, moved_ms;
    size_t heap_at; /* index + 1; 0: not in the heap */
    bool wait_for_ready;
    uint64_t announce_ms;
    /* dtr_rpc_unary(): the response waits for its status */
    void (*done)(void *context, const struct dtr_rpc_message *response, const struct dtr_rpc_status *status);
    struct dtr_str response;
    char *request_fields; /* client: metadata as name NUL value NUL ... NUL */
};

struct dtr_rpc_call *dtr_rpc_call_new(struct dtr_rpc_hub *hub, bool server);
void dtr_rpc_call_free(struct dtr_rpc_call *call);
/* Puts the call on the hub's list for the end of the turn. */
void dtr_rpc_call_ready(struct dtr_rpc_call *call);
/* What the hub does for a call at the end of a turn; may free it. */
void dtr_rpc_call_turn(struct dtr_rpc_call *call);
void dtr_rpc_call_expired(struct dtr_rpc_call *call);
/* Server: hands the call to its handler. */
void dtr_rpc_call_begin(struct dtr_rpc_call *call);
/* Nothing more is taken in; what waits is thrown away and its window given back. */
void dtr_rpc_call_input_off(struct dtr_rpc_call *call);
/* What waits to be sent is thrown away. Before a status or a reset, which then go first. */
void dtr_rpc_call_output_off(struct dtr_rpc_call *call);
/* Bytes of DATA frames. */
void dtr_rpc_call_input(struct dtr_rpc_call *call, const uint8_t *bytes, size_t length);
/* The HTTP/2 stream is gone, or the call leaves it: back without session. */
void dtr_rpc_call_detach(struct dtr_rpc_call *call);
/* The status stands and `closed` follows. `local`: found here, nothing that waits is delivered. Only the
 * first one counts. */
void dtr_rpc_call_ended(struct dtr_rpc_call *call, enum dtr_rpc_code code, const char *message, bool local);
/* Server: the request is wrong; tells both sides. */
void dtr_rpc_call_reject(struct dtr_rpc_call *call, enum dtr_rpc_code code, const char *message);
/* Makes it ready for another session; false: too late for that. */
bool dtr_rpc_call_rewind(struct dtr_rpc_call *call);
/* The first `length` queued bytes, given to `write`, are on their way. */
void dtr_rpc_call_take(struct dtr_rpc_call *call, size_t length,
                       void (*write)(void *context, const uint8_t *bytes, size_t length), void *context);

/* --- tables --------------------------------------------------------------------------------------- */

struct dtr_rpc_route {
    struct dtr_map_node node;
    const struct dtr_rpc_handler *handler;
    void *service;
};

/* Another call of this table's: *ret_turn_ms is when it may begin, `now_ms` or later. False: refused. */
bool dtr_rpc_table_admit(struct dtr_rpc_table *table, uint64_t now_ms, uint64_t *ret_turn_ms);
const struct dtr_rpc_route *dtr_rpc_table_find(const struct dtr_rpc_table *table, const void *path,
                                               size_t length);

#endif
