/* The way of a unary call: taken on the control loop, answered on a worker, sent on the loop. For
 * core/manager/grpc. */
#ifndef DTR_MANAGER_ASK_H
#define DTR_MANAGER_ASK_H

#include "core/manager/grpc/grpc.h"
#include "core/rpc/methods.h"

struct grpc {
    struct grpc_options options;
    size_t under_way;      /* jobs and streams whose end is to come */
    struct dtr_list alive; /* the streams of KeepAlive */
    bool leaving, closing;
    void (*closed)(void *context);
    void *closed_context;
    struct dtr_msg msg;
};

/* Fills in the response, which `out` takes: ask_reply() once, or an error. On a worker thread. */
struct ask;
typedef int ask_answer(struct ask *ask, const ProtobufCMessage *request, struct dtr_error *err);

struct ask {
    struct dtr_job job;
    struct grpc *grpc;
    struct dtr_rpc_call *call; /* NULL: who asked is gone */
    const struct dtr_rpc_method *method;
    ask_answer *answer;
    uint8_t *bytes; /* of the request */
    size_t length;
    struct dtr_rpc_out *out;
    struct dtr_error err;
};

/* A dtr_rpc_handler's `request` for all unary methods; the service is struct grpc. */
void ask_begin(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request,
               ask_answer *answer);
/* Packs the response. */
int ask_reply(struct ask *ask, const ProtobufCMessage *response, struct dtr_error *err);
/* Something that was counted in under_way has ended. On the loop. */
void grpc_ended(struct grpc *grpc);

/* alive.c: the `open` of KeepAlive; and whether a scheduler's stream comes from this address. */
void alive_open(void *service, struct dtr_rpc_call *call);
bool alive_from(const struct grpc *grpc, const struct dtr_addr *addr);

/* answers.c, seeds.c */
ask_answer answer_list_schedulers, answer_get_scheduler, answer_update_scheduler, answer_list_applications,
    answer_get_seed_peer, answer_list_seed_peers, answer_update_seed_peer, answer_delete_seed_peer;

/* What a caller says of itself, by the rules of the wire page 2.4; the error names the field. */
int check_hostname(const char *hostname, struct dtr_error *err);
int check_ip(const char *ip, bool may_be_empty, struct dtr_error *err);
int check_port(const char *field, int64_t port, struct dtr_error *err);
int check_cluster(const char *field, uint64_t id, struct dtr_error *err);

#endif
