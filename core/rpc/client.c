/* Starting calls on a channel; see rpc.h. */
#include "core/rpc/channel.h"

#include <stdlib.h>

enum { DEFAULT_TIMEOUT_MS = 10000, METADATA_MOST = 32 };

static bool pair_is_good(const struct dtr_rpc_pair *pair)
{
    size_t name = strlen(pair->name), value = strlen(pair->value);
    return name > 0 && pair->name[0] != ':' && strncmp(pair->name, "grpc-", 5) != 0 &&
           nghttp2_check_header_name((const uint8_t *)pair->name, name) &&
           nghttp2_check_header_value((const uint8_t *)pair->value, value);
}

/* As name NUL value NUL ... NUL. */
static int take_metadata(struct dtr_rpc_call *call, const struct dtr_rpc_call_options *options,
                         struct dtr_error *err)
{
    struct dtr_str fields = {0};
    if (options->metadata_count > METADATA_MOST)
        return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_NEVER, "more than %d metadata fields", METADATA_MOST);
    for (size_t i = 0; i < options->metadata_count; i++) {
        const struct dtr_rpc_pair *pair = &options->metadata[i];
        if (!pair_is_good(pair)) {
            dtr_str_free(&fields);
            return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "metadata field '%.64s' cannot be sent",
                                 pair->name);
        }
        dtr_str_add(&fields, pair->name, strlen(pair->name) + 1);
        dtr_str_add(&fields, pair->value, strlen(pair->value) + 1);
    }
    if (options->metadata_count == 0)
        return DTR_OK;
    dtr_str_putc(&fields, '\0');
    call->request_fields = dtr_str_take(&fields);
    return call->request_fields
               ? DTR_OK
               : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for metadata");
}

static void set_deadline(struct dtr_rpc_call *call, uint64_t timeout_ms)
{
    uint64_t now = call->hub->now_ms(call->hub->context);
    timeout_ms = timeout_ms ? timeout_ms : DEFAULT_TIMEOUT_MS;
    if (timeout_ms < UINT64_MAX - now)
        dtr_rpc_hub_deadline(call->hub, call, now + timeout_ms);
}

/* Onto the connection, or where calls wait for one. */
static void place(struct dtr_rpc_channel *channel, struct dtr_rpc_call *call)
{
    uint64_t now = dtr_loop_now_ms(channel->driver.loop);
    if (channel->conn && channel->state == DTR_RPC_READY && dtr_list_empty(&channel->waiting) &&
        dtr_rpc_session_begin(channel->conn->session, call, NULL) == DTR_OK)
        return;
    if (!channel->conn && now < channel->retry_ms && !call->wait_for_ready) {
        dtr_rpc_call_ended(call, DTR_RPC_UNAVAILABLE, channel->error.text, true);
        return;
    }
    dtr_list_add_tail(&channel->waiting, &call->link);
    if (channel->conn && channel->state == DTR_RPC_READY)
        dtr_rpc_channel_run_soon(channel);
    else
        dtr_rpc_channel_want(channel);
}

int dtr_rpc_call_start(struct dtr_rpc_channel *channel, const struct dtr_rpc_method *method,
                       const struct dtr_rpc_call_options *options, const struct dtr_rpc_events *events,
                       void *context, struct dtr_rpc_call **ret_call, struct dtr_error *err)
{
    static const struct dtr_rpc_call_options defaults;
    options = options ? options : &defaults;
    if (channel->closing)
        return dtr_error_set(err, DTR_ECLOSED, DTR_RETRY_NEVER, "the channel is closed");
    struct dtr_rpc_call *call = dtr_rpc_call_new(&channel->driver.hub, false);
    if (!call)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a call");
    int rc = take_metadata(call, options, err);
    if (rc != DTR_OK) {
        dtr_rpc_call_free(call);
        return rc;
    }
    call->method = method;
    call->idle_ms = options->idle_ms;
    call->announce_ms = options->announce_timeout_ms;
    call->wait_for_ready = options->wait_for_ready;
    dtr_rpc_call_adopt(call, events, context);
    set_deadline(call, options->timeout_ms);
    place(channel, call);
    *ret_call = call;
    return DTR_OK;
}

int dtr_rpc_unary(struct dtr_rpc_channel *channel, const struct dtr_rpc_method *method,
                  const ProtobufCMessage *request, const struct dtr_rpc_call_options *options,
                  void (*done)(void *context, const struct dtr_rpc_message *response,
                               const struct dtr_rpc_status *status),
                  void *context, struct dtr_rpc_call **ret_call, struct dtr_error *err)
{
    struct dtr_rpc_call *call = NULL;
    int rc = dtr_rpc_call_start(channel, method, options, NULL, NULL, &call, err);
    if (rc != DTR_OK)
        return rc;
    rc = call->ended ? DTR_OK : dtr_rpc_call_send(call, request, err);
    if (rc != DTR_OK) {
        dtr_rpc_call_cancel(call); /* nobody is told */
        return rc;
    }
    dtr_rpc_call_end(call);
    call->done = done;
    call->context = context;
    if (ret_call)
        *ret_call = call;
    return DTR_OK;
}
