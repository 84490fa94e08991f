/* For tests: a service whose methods do what the request's text says, and a recorder of what happens to a
 * call. Messages are grpc.health.v1.HealthCheckRequest in both directions: one string. */
#ifndef DTR_RPC_ECHO_H
#define DTR_RPC_ECHO_H

#include "core/rpc/rpc.h"
#include "proto/health.pb-c.h"

/* What happened to one call. */
struct record {
    struct dtr_rpc_call *call; /* NULL once closed */
    int headers, messages, ends, writables, closed;
    size_t bytes; /* of the texts */
    char last[64];
    char peer[64];
    char meta[64]; /* field "x-test" */
    enum dtr_rpc_code code;
    bool remote;
    char text[2048];
    char details[64];
    size_t details_length;
};

extern const struct dtr_rpc_events record_events;

/* The service's side. */
struct echo {
    struct record server; /* of the last streaming call, or one held */
    int requests;
    uint32_t credit;   /* given to streaming calls when `slow` */
    bool slow;         /* streaming calls start without credit */
    bool mute;         /* streaming calls are not echoed */
    bool early;        /* streaming calls get headers at once */
    size_t parts_left; /* of the server stream that sent last and waits to be writable */
};

/* Unary: echoes. "fail": NOT_FOUND with details. "empty": an empty message. "hold": keeps it in
 * echo->server. ServerStream: "COUNT SIZE" sends as many messages, waiting for room. ClientStream: answers
 * with the count at the end. Bidi: echoes each; "finish" ends it. */
extern const struct dtr_rpc_method echo_unary, echo_server_stream, echo_client_stream, echo_bidi,
    echo_missing;
extern const struct dtr_rpc_handler echo_handlers[4];

int echo_send(struct dtr_rpc_call *call, const char *text);
/* A text of `length` letters; free() it. */
char *echo_text(size_t length);

#endif
