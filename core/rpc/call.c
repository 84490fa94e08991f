/* The interface of calls and their sending half; see rpc.h and internal.h. */
#include "core/rpc/internal.h"

#include "core/net/stream.h"
#include <stdlib.h>

enum { MESSAGE_CUT = 1024, DETAILS_MOST = 6144, KEEP_FOR_RETRY = 64 << 10 };

void dtr_rpc_call_adopt(struct dtr_rpc_call *call, const struct dtr_rpc_events *events, void *context)
{
    static const struct dtr_rpc_events none;
    call->events = events ? events : &none;
    call->context = context;
}

const struct dtr_rpc_method *dtr_rpc_call_method(const struct dtr_rpc_call *call)
{
    return call->method;
}

size_t dtr_rpc_call_queued(const struct dtr_rpc_call *call)
{
    return call->queued;
}

/* --- sending -------------------------------------------------------------------------------------- */

void dtr_rpc_outs_free(struct dtr_rpc_outs *outs)
{
    while (outs->first) {
        struct dtr_rpc_out *out = outs->first;
        outs->first = out->next;
        dtr_rpc_out_free(out);
    }
    outs->tail = &outs->first;
}

static void outs_add(struct dtr_rpc_outs *outs, struct dtr_rpc_out *out)
{
    out->next = NULL;
    *outs->tail = out;
    outs->tail = &out->next;
}

static struct dtr_rpc_out *outs_pop(struct dtr_rpc_outs *outs)
{
    struct dtr_rpc_out *out = outs->first;
    outs->first = out->next;
    if (!outs->first)
        outs->tail = &outs->first;
    return out;
}

/* Room for a message of `length` bytes, its prefix written. */
struct dtr_rpc_out *dtr_rpc_out_new(size_t length)
{
    struct dtr_rpc_out *out = length <= UINT32_MAX ? malloc(sizeof(*out) + DTR_RPC_PREFIX + length) : NULL;
    if (out) {
        out->freed = NULL;
        out->length = DTR_RPC_PREFIX + length;
        dtr_rpc_frame_prefix(out->bytes, (uint32_t)length);
    }
    return out;
}

uint8_t *dtr_rpc_out_bytes(struct dtr_rpc_out *out)
{
    return out->bytes + DTR_RPC_PREFIX;
}

void dtr_rpc_out_watch(struct dtr_rpc_out *out, void (*freed)(void *context, uint64_t bytes), void *context,
                       uint64_t bytes)
{
    out->freed = freed;
    out->context = context;
    out->watched = bytes;
}

void dtr_rpc_out_free(struct dtr_rpc_out *out)
{
    if (out && out->freed)
        out->freed(out->context, out->watched);
    free(out);
}

/* Whether the call takes another message. */
static int may_send(const struct dtr_rpc_call *call, struct dtr_error *err)
{
    if (call->ended || call->output_end)
        return dtr_error_set(err, DTR_ECLOSED, DTR_RETRY_NEVER, "the call is over");
    if (call->queued > call->hub->limits.send_queue)
        return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_SAME, "%zu bytes wait to be sent on this call",
                             call->queued);
    return DTR_OK;
}

static int out_new(struct dtr_rpc_call *call, size_t length, struct dtr_rpc_out **ret_out,
                   struct dtr_error *err)
{
    int rc = may_send(call, err);
    if (rc != DTR_OK)
        return rc;
    *ret_out = dtr_rpc_out_new(length);
    return *ret_out ? DTR_OK
                    : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a message to send");
}

static void out_queue(struct dtr_rpc_call *call, struct dtr_rpc_out *out)
{
    outs_add(&call->out, out);
    call->queued += out->length;
    call->high = call->high || call->queued > DTR_RPC_HIGH_WATER;
    dtr_rpc_session_send(call);
}

int dtr_rpc_call_send(struct dtr_rpc_call *call, const ProtobufCMessage *message, struct dtr_error *err)
{
    struct dtr_rpc_out *out = NULL;
    int rc = out_new(call, protobuf_c_message_get_packed_size(message), &out, err);
    if (rc != DTR_OK)
        return rc;
    (void)protobuf_c_message_pack(message, out->bytes + DTR_RPC_PREFIX);
    out_queue(call, out);
    return DTR_OK;
}

int dtr_rpc_call_send_bytes(struct dtr_rpc_call *call, const void *bytes, size_t length,
                            struct dtr_error *err)
{
    struct dtr_rpc_out *out = NULL;
    int rc = out_new(call, length, &out, err);
    if (rc != DTR_OK)
        return rc;
    if (length > 0)
        memcpy(out->bytes + DTR_RPC_PREFIX, bytes, length);
    out_queue(call, out);
    return DTR_OK;
}

int dtr_rpc_call_send_out(struct dtr_rpc_call *call, struct dtr_rpc_out *out, struct dtr_error *err)
{
    int rc = may_send(call, err);
    if (rc == DTR_OK)
        out_queue(call, out);
    else
        dtr_rpc_out_free(out);
    return rc;
}

/* A whole message is on its way: kept while another connection may need it again, else freed. */
static void out_sent(struct dtr_rpc_call *call, struct dtr_rpc_out *out)
{
    if (call->server || call->headers_in || call->no_replay ||
        call->sent_bytes + out->length > KEEP_FOR_RETRY) {
        call->no_replay = true;
        dtr_rpc_out_free(out);
        return;
    }
    call->sent_bytes += out->length;
    outs_add(&call->sent, out);
}

void dtr_rpc_call_take(struct dtr_rpc_call *call, size_t length,
                       void (*write)(void *context, const uint8_t *bytes, size_t length), void *context)
{
    call->queued -= length;
    while (length > 0) {
        struct dtr_rpc_out *out = call->out.first;
        size_t part = out->length - call->offset < length ? out->length - call->offset : length;
        write(context, out->bytes + call->offset, part);
        call->offset += part;
        length -= part;
        if (call->offset == out->length) {
            call->offset = 0;
            out_sent(call, outs_pop(&call->out));
        }
    }
    if (call->high && call->queued < DTR_RPC_LOW_WATER) {
        call->high = false;
        call->writable_due = true;
        dtr_rpc_call_ready(call);
    }
}

void dtr_rpc_call_output_off(struct dtr_rpc_call *call)
{
    dtr_rpc_outs_free(&call->out);
    call->queued = call->offset = 0;
}

bool dtr_rpc_call_rewind(struct dtr_rpc_call *call)
{
    if (call->ended || call->headers_in || call->no_replay || call->attempts >= 3)
        return false;
    if (call->sent.first) {
        *call->sent.tail = call->out.first;
        if (!call->out.first)
            call->out.tail = call->sent.tail;
        call->out.first = call->sent.first;
        call->sent = (struct dtr_rpc_outs){0};
        call->sent.tail = &call->sent.first;
    }
    call->queued += call->offset + call->sent_bytes;
    call->offset = call->sent_bytes = 0;
    call->deferred = call->headers_out = false;
    return true;
}

void dtr_rpc_call_end(struct dtr_rpc_call *call)
{
    if (call->server || call->output_end)
        return;
    call->output_end = true;
    dtr_rpc_session_send(call);
}

void dtr_rpc_call_cancel(struct dtr_rpc_call *call)
{
    if (call->ended)
        return;
    call->output_end = true;
    dtr_rpc_session_reset(call, NGHTTP2_CANCEL);
    dtr_rpc_call_output_off(call);
    dtr_rpc_call_ended(call, DTR_RPC_CANCELLED, "cancelled", true);
}

/* --- a server's answers --------------------------------------------------------------------------- */

void dtr_rpc_call_headers(struct dtr_rpc_call *call)
{
    if (!call->server || call->headers_out || call->output_end || !call->session)
        return;
    call->headers_now = true;
    dtr_rpc_session_send(call);
}

void dtr_rpc_call_finish_details(struct dtr_rpc_call *call, enum dtr_rpc_code code, const char *message,
                                 const void *details, size_t details_length)
{
    if (!call->server || call->output_end)
        return;
    call->output_end = true;
    call->reply_code = code;
    if (message && message[0])
        call->reply_message = strndup(message, MESSAGE_CUT);
    if (details && details_length > 0 && details_length <= DETAILS_MOST)
        call->reply_details = malloc(details_length);
    if (call->reply_details) {
        memcpy(call->reply_details, details, details_length);
        call->reply_details_length = details_length;
    }
    dtr_rpc_hub_deadline(call->hub, call, UINT64_MAX);
    dtr_rpc_call_input_off(call);
    dtr_rpc_session_send(call);
}

void dtr_rpc_call_finish(struct dtr_rpc_call *call, enum dtr_rpc_code code, const char *message)
{
    dtr_rpc_call_finish_details(call, code, message, NULL, 0);
}

void dtr_rpc_call_fail(struct dtr_rpc_call *call, const struct dtr_error *err)
{
    dtr_rpc_call_finish(call, dtr_rpc_code_of_error(err), err->text);
}

void dtr_rpc_call_reply(struct dtr_rpc_call *call, const ProtobufCMessage *message)
{
    struct dtr_error err;
    if (dtr_rpc_call_send(call, message, &err) == DTR_OK)
        dtr_rpc_call_finish(call, DTR_RPC_OK, NULL);
    else if (err.code != DTR_ECLOSED)
        dtr_rpc_call_fail(call, &err);
}

/* --- about the other side ------------------------------------------------------------------------- */

const char *dtr_rpc_call_metadata(const struct dtr_rpc_call *call, const char *name)
{
    const char *at = dtr_str_text(&call->fields), *end = at + call->fields.length;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        if (strcmp(at, name) == 0)
            return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

static struct dtr_stream *stream_of(const struct dtr_rpc_call *call)
{
    struct dtr_rpc_session *session = call->session;
    return session && session->owner->stream ? session->owner->stream(session->context) : NULL;
}

const char *dtr_rpc_call_peer(const struct dtr_rpc_call *call)
{
    const struct dtr_stream *stream = stream_of(call);
    return stream ? dtr_stream_peer(stream) : "";
}

const struct dtr_addr *dtr_rpc_call_addr(const struct dtr_rpc_call *call)
{
    const struct dtr_stream *stream = stream_of(call);
    return stream ? dtr_stream_addr(stream) : NULL;
}

bool dtr_rpc_call_cred(const struct dtr_rpc_call *call, struct dtr_cred *ret_cred)
{
    const struct dtr_stream *stream = stream_of(call);
    return stream && dtr_stream_cred(stream, ret_cred);
}
