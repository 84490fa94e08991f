/* See ask.h. */
#include "core/tools/ask.h"

#include "core/loop/loop.h"
#include "core/net/resolve.h"

#define ANSWER_MOST ((uint32_t)64 << 20) /* a list of some hundred thousand tasks */

struct asking {
    const struct dtr_ask *ask;
    const struct dtr_rpc_method *method;
    struct dtr_loop *loop;
    ProtobufCMessage *response;
    struct dtr_error result;
};

int dtr_ask_no_daemon(const char *endpoint, const char *why, struct dtr_error *err)
{
    return dtr_error_set(
        err, DTR_EUNAVAILABLE, DTR_RETRY_SAME,
        "no daemon answers at %.80s (%.90s); start one with \"darter daemon\", or name its socket "
        "with --endpoint",
        endpoint, why);
}

static int tell_status(const struct dtr_ask *ask, const struct dtr_rpc_status *status, struct dtr_error *err)
{
    struct dtr_error plain;
    (void)dtr_rpc_status_error(status, ask->who, &plain);
    if (status->code == DTR_RPC_UNIMPLEMENTED)
        return dtr_error_set(err, plain.code, plain.retry,
                             "%s cannot answer this; it may be of another version", ask->who);
    if (status->remote)
        return dtr_error_set(err, plain.code, plain.retry, "%s says: %.200s", ask->who,
                             status->message[0] ? status->message : dtr_rpc_code_name(status->code));
    if (ask->endpoint)
        return dtr_ask_no_daemon(ask->endpoint, status->message, err);
    return dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME,
                         "%s does not answer at %.80s (%.100s); is it running, and is this its address?",
                         ask->who, ask->addr, status->message);
}

static void on_done(void *context, const struct dtr_rpc_message *response,
                    const struct dtr_rpc_status *status)
{
    struct asking *asking = context;
    dtr_loop_stop(asking->loop);
    if (!response) {
        (void)tell_status(asking->ask, status, &asking->result);
        return;
    }
    asking->response =
        protobuf_c_message_unpack(asking->method->output, NULL, response->length, response->bytes);
    if (!asking->response)
        (void)dtr_error_set(&asking->result, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for an answer");
}

static int address(const struct dtr_ask *ask, struct dtr_addr *ret_addr, struct dtr_error *err)
{
    size_t count;
    return ask->endpoint ? dtr_addr_unix(ask->endpoint, ret_addr, err)
                         : dtr_resolve_to_dial(ask->addr, ret_addr, 1, &count, err);
}

int dtr_ask(const struct dtr_ask *ask, const struct dtr_rpc_method *method, const ProtobufCMessage *request,
            ProtobufCMessage **ret_response, struct dtr_error *err)
{
    const struct dtr_rpc_limits limits = {.message = ANSWER_MOST};
    const struct dtr_rpc_channel_options channel_options = {.limits = &limits};
    const struct dtr_rpc_call_options options = {.timeout_ms = ask->timeout_ms};
    struct asking asking = {.ask = ask, .method = method};
    struct dtr_rpc_channel *channel = NULL;
    struct dtr_addr addr;
    *ret_response = NULL;
    int rc = address(ask, &addr, err);
    if (rc == DTR_OK)
        rc = dtr_loop_new("ask", &asking.loop, err);
    if (rc != DTR_OK)
        return rc;
    rc = dtr_rpc_channel_new(asking.loop, &addr, &channel_options, &channel, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_unary(channel, method, request, &options, on_done, &asking, NULL, err);
    if (rc == DTR_OK) {
        dtr_loop_run(asking.loop);
        rc = asking.result.code;
        *err = asking.result;
        *ret_response = asking.response;
    }
    dtr_rpc_channel_close(channel);
    dtr_loop_free(asking.loop);
    return rc;
}
