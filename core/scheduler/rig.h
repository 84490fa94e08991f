/* For tests: a scheduler behind a gRPC server on loopback, and a client of it, on one loop that is stepped by
 * hand. Every wait has a deadline. */
#ifndef DTR_SCHEDULER_RIG_H
#define DTR_SCHEDULER_RIG_H

#include "core/base/str.h"
#include "core/rpc/methods.h"
#include "core/scheduler/role.h"
#include "proto/darter.pb-c.h"

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define RIG_TASK "1111111111111111111111111111111111111111111111111111111111111111"

struct rig;

/* The client's side of an AnnouncePeer stream. */
struct rig_stream {
    struct rig *rig;
    struct dtr_rpc_call *call; /* NULL: it is over */
    const char *host_id, *peer_id;
    enum dtr_rpc_code code;
    uint32_t answers;
    int answer; /* the last one's Scheduler__V2__AnnouncePeerResponse__ResponseCase */
};

struct rig {
    struct dtr_loop *loop;
    struct dtr_scheduler *scheduler;
    struct dtr_rpc_table *table;
    struct dtr_rpc_server *server;
    struct dtr_rpc_channel *channel;
    struct dtr_addr addr;
    struct rig_stream streams[8];
    size_t stream_count;
};

/* How a unary call ended. */
struct rig_answer {
    bool done;
    enum dtr_rpc_code code;
    char text[256];
    struct dtr_str bytes; /* of the response */
};

/* For callbacks: sets a bool; whether it is set. */
void rig_set(void *flag);
bool rig_is_set(void *flag);
/* Steps the loop until `is_so(context)`; fails when that takes too long. */
void rig_until(struct rig *rig, bool (*is_so)(void *context), void *context);

/* `options` NULL: the defaults. */
void rig_open(struct rig *rig, const struct dtr_scheduler_options *options);
void rig_close(struct rig *rig);

/* A unary call to its end; free what it returns. */
struct rig_answer rig_ask(struct rig *rig, const struct dtr_rpc_method *method,
                          const ProtobufCMessage *request);
/* The same with a piece of metadata. */
struct rig_answer rig_ask_with(struct rig *rig, const struct dtr_rpc_method *method,
                               const ProtobufCMessage *request, const struct dtr_rpc_pair *pair);
enum dtr_rpc_code rig_code(struct rig *rig, const struct dtr_rpc_method *method,
                           const ProtobufCMessage *request);
/* StatPreheat; NULL: the scheduler knows of none. Free it. */
Darter__V1__StatPreheatResponse *rig_progress(struct rig *rig, const char *id);
/* AnnounceHost of "<id>" at 127.0.0.1. */
enum dtr_rpc_code rig_announce(struct rig *rig, const char *id, uint32_t type, uint16_t port);

/* At most 8 in a test; it belongs to the rig. */
struct rig_stream *rig_stream_open(struct rig *rig, const char *host_id, const char *peer_id);
/* Sends a request; ids are filled in. */
void rig_stream_send(struct rig_stream *stream, Scheduler__V2__AnnouncePeerRequest *request);
void rig_stream_register(struct rig_stream *stream, Common__V2__Download *download);
/* A request without content, by its arm. */
void rig_stream_say(struct rig_stream *stream, int request_case);
void rig_stream_wait_answers(struct rig_stream *stream, uint32_t count);
void rig_stream_wait_end(struct rig_stream *stream);

/* An object of 40 MiB in 10 pieces. */
Common__V2__Download rig_download(void);

#endif
