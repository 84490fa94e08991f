/* The way of a unary call; see ask.h. */
#include "core/manager/grpc/ask.h"

#include "core/net/addr.h"
#include "core/rpc/unpack.h"

#include <stdlib.h>

enum { UNPACKED_MOST = 4 << 20, HOSTNAME_MOST = 253, LABEL_MOST = 63, PORT_LEAST = 1024, PORT_LIMIT = 65535 };

/* --- on a worker -----------------------------------------------------------------------------------------
 */

static void run(struct dtr_job *job)
{
    struct ask *ask = dtr_container(job, struct ask, job);
    struct dtr_rpc_arena arena = {0};
    const ProtobufCMessage *request;
    int rc = dtr_rpc_unpack(&arena, UNPACKED_MOST, ask->method->input, ask->bytes, ask->length, &request,
                            &ask->err);
    if (rc == DTR_OK)
        rc = ask->answer(ask, request, &ask->err);
    ask->err.code = rc;
    dtr_rpc_arena_free(&arena);
}

int ask_reply(struct ask *ask, const ProtobufCMessage *response, struct dtr_error *err)
{
    ask->out = dtr_rpc_out_new(protobuf_c_message_get_packed_size(response));
    if (!ask->out)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for an answer");
    (void)protobuf_c_message_pack(response, dtr_rpc_out_bytes(ask->out));
    return DTR_OK;
}

/* --- on the loop -----------------------------------------------------------------------------------------
 */

static void free_ask(struct ask *ask)
{
    dtr_rpc_out_free(ask->out);
    free(ask->bytes);
    free(ask);
}

static void done(struct dtr_job *job)
{
    struct ask *ask = dtr_container(job, struct ask, job);
    struct grpc *grpc = ask->grpc;
    if (ask->call && ask->err.code == DTR_OK) {
        struct dtr_rpc_out *out = ask->out;
        ask->out = NULL;
        if (dtr_rpc_call_send_out(ask->call, out, &ask->err) == DTR_OK)
            dtr_rpc_call_finish(ask->call, DTR_RPC_OK, NULL);
        else
            dtr_rpc_call_fail(ask->call, &ask->err);
    } else if (ask->call) {
        dtr_rpc_call_fail(ask->call, &ask->err);
    }
    if (ask->call)
        dtr_rpc_call_adopt(ask->call, NULL, NULL);
    free_ask(ask);
    grpc_ended(grpc);
}

static void on_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct ask *ask = context;
    (void)call;
    (void)status;
    ask->call = NULL;
}

static struct ask *new_ask(struct grpc *grpc, struct dtr_rpc_call *call,
                           const struct dtr_rpc_message *request)
{
    struct ask *ask = calloc(1, sizeof(*ask));
    uint8_t *bytes = malloc(request->length + 1);
    if (!ask || !bytes) {
        free(ask);
        free(bytes);
        return NULL;
    }
    memcpy(bytes, request->bytes, request->length);
    *ask = (struct ask){.job = {.loop = grpc->options.control, .run = run, .done = done},
                        .grpc = grpc,
                        .call = call,
                        .method = dtr_rpc_call_method(call),
                        .bytes = bytes,
                        .length = request->length};
    return ask;
}

void ask_begin(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request,
               ask_answer *answer)
{
    static const struct dtr_rpc_events events = {.closed = on_closed};
    struct grpc *grpc = service;
    struct dtr_error err = {.code = DTR_ENOMEM, .text = "out of memory for a call"};
    struct ask *ask = new_ask(grpc, call, request);
    if (ask)
        ask->answer = answer;
    if (!ask || dtr_pool_submit(grpc->options.pool, &ask->job, &err) != DTR_OK) {
        dtr_rpc_call_fail(call, &err);
        if (ask)
            free_ask(ask);
        return;
    }
    grpc->under_way++;
    dtr_rpc_call_adopt(call, &events, ask);
}

/* --- what callers say ------------------------------------------------------------------------------------
 */

int check_hostname(const char *hostname, struct dtr_error *err)
{
    size_t length = strlen(hostname), label = 0;
    bool good = length > 0 && length <= HOSTNAME_MOST && hostname[0] != '-';
    for (size_t i = 0; i < length && good; i++) {
        char c = hostname[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        good = letter || (label > 0 && (c == '-' || (c == '.' && hostname[i - 1] != '-')));
        label = c == '.' ? 0 : label + 1;
        good &= label <= LABEL_MOST;
    }
    if (good && hostname[length - 1] != '-')
        return DTR_OK;
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                         "hostname \"%.100s\" is no host name: letters, digits, '-', at most 63 between dots",
                         hostname);
}

int check_ip(const char *ip, bool may_be_empty, struct dtr_error *err)
{
    struct dtr_addr addr;
    if (may_be_empty && !*ip)
        return DTR_OK;
    if (dtr_addr_ip(ip, 0, &addr, NULL) == DTR_OK)
        return DTR_OK;
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "ip \"%.60s\" is no address", ip);
}

int check_port(const char *field, int64_t port, struct dtr_error *err)
{
    if (port >= PORT_LEAST && port < PORT_LIMIT)
        return DTR_OK;
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%s %lld is not in %d..%d", field,
                         (long long)port, PORT_LEAST, PORT_LIMIT - 1);
}

int check_cluster(const char *field, uint64_t id, struct dtr_error *err)
{
    if (id >= 1 && id <= INT64_MAX)
        return DTR_OK;
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%s must be set; clusters are counted from 1",
                         field);
}
