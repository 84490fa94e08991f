/* The receiving half of a call, its deadline and its end; see internal.h. */
#include "core/rpc/internal.h"

#include <assert.h>
#include <stdlib.h>

static const char *text_or_empty(const char *text)
{
    return text ? text : "";
}

/* --- life ----------------------------------------------------------------------------------------- */

struct dtr_rpc_call *dtr_rpc_call_new(struct dtr_rpc_hub *hub, bool server)
{
    static const struct dtr_rpc_events none;
    struct dtr_rpc_call *call = calloc(1, sizeof(*call));
    if (!call)
        return NULL;
    call->hub = hub;
    call->server = server;
    call->events = &none;
    call->credit = DTR_RPC_UNLIMITED;
    call->at_ms = UINT64_MAX;
    call->out.tail = &call->out.first;
    call->sent.tail = &call->sent.first;
    hub->calls++;
    return call;
}

void dtr_rpc_call_free(struct dtr_rpc_call *call)
{
    assert(!call->session);
    dtr_rpc_hub_deadline(call->hub, call, UINT64_MAX);
    dtr_list_remove(&call->link);
    dtr_list_remove(&call->ready);
    dtr_rpc_outs_free(&call->out);
    dtr_rpc_outs_free(&call->sent);
    dtr_rpc_frames_free(&call->frames);
    dtr_str_free(&call->backlog);
    dtr_str_free(&call->fields);
    dtr_str_free(&call->response);
    free(call->request_fields);
    free(call->message);
    free(call->details);
    free(call->reply_message);
    free(call->reply_details);
    call->hub->calls--;
    free(call);
}

void dtr_rpc_call_ready(struct dtr_rpc_call *call)
{
    if (!dtr_list_linked(&call->ready))
        dtr_list_add_tail(&call->hub->ready, &call->ready);
    dtr_rpc_hub_wake(call->hub);
}

/* Keeps session->held in step with what this call holds. */
static void count_held(struct dtr_rpc_call *call)
{
    size_t holds = call->frames.capacity + call->backlog.capacity;
    if (call->session) {
        call->session->held += holds - call->counted;
        call->hub->held += holds - call->counted;
        call->counted = holds;
    }
}

void dtr_rpc_call_detach(struct dtr_rpc_call *call)
{
    struct dtr_rpc_session *session = call->session;
    if (!session)
        return;
    dtr_rpc_session_consumed(call, call->owed);
    call->owed = 0;
    session->held -= call->counted;
    call->hub->held -= call->counted;
    call->counted = 0;
    dtr_list_remove(&call->link);
    session->call_count--;
    call->session = NULL;
    if (session->draining)
        dtr_rpc_session_dirty(session);
}

void dtr_rpc_call_input_off(struct dtr_rpc_call *call)
{
    call->input_off = true;
    if (!call->delivering)
        dtr_rpc_frames_free(&call->frames);
    dtr_str_free(&call->backlog);
    dtr_rpc_session_consumed(call, call->owed);
    call->owed = 0;
    count_held(call);
}

void dtr_rpc_call_ended(struct dtr_rpc_call *call, enum dtr_rpc_code code, const char *message, bool local)
{
    if (call->ended)
        return;
    call->ended = true;
    call->code = code;
    call->remote_status = !local;
    if (!call->message && message)
        call->message = strdup(message);
    if (local) {
        call->drop = true;
        dtr_rpc_call_input_off(call);
    }
    dtr_rpc_hub_deadline(call->hub, call, UINT64_MAX);
    dtr_rpc_call_ready(call);
}

void dtr_rpc_call_reject(struct dtr_rpc_call *call, enum dtr_rpc_code code, const char *message)
{
    if (call->server && !call->output_end) {
        dtr_rpc_call_output_off(call);
        dtr_rpc_call_finish(call, code, message);
    } else if (!call->server) {
        dtr_rpc_session_reset(call, NGHTTP2_CANCEL);
    }
    dtr_rpc_call_ended(call, code, message, true);
}

/* --- deadlines ------------------------------------------------------------------------------------ */

/* A stream's gaps: frames only note the time, so the deadline may come early. */
static bool gap_is_fine(struct dtr_rpc_call *call)
{
    uint64_t now = call->hub->now_ms(call->hub->context);
    if (!call->headers_in || !call->idle_ms || now >= call->moved_ms + call->idle_ms)
        return false;
    dtr_rpc_hub_deadline(call->hub, call, call->moved_ms + call->idle_ms);
    return true;
}

void dtr_rpc_call_begin(struct dtr_rpc_call *call)
{
    call->started = true;
    call->turn_ms = 0;
    call->credit = DTR_RPC_UNLIMITED;
    dtr_rpc_hub_deadline(call->hub, call, call->due_ms);
    if (call->backlog.length > 0 || call->input_end)
        dtr_rpc_call_ready(call); /* what came while it waited */
    if (call->handler->open)
        call->handler->open(call->service, call);
}

void dtr_rpc_call_expired(struct dtr_rpc_call *call)
{
    if (call->ended || (call->server && call->output_end))
        return;
    if (call->server) {
        if (call->turn_ms && call->hub->now_ms(call->hub->context) >= call->turn_ms) {
            dtr_rpc_call_begin(call);
            return;
        }
        if (call->method && call->method->flags & DTR_RPC_TIMEOUT_TO_HEADERS && call->headers_out)
            return;
        dtr_rpc_call_reject(call, DTR_RPC_DEADLINE_EXCEEDED, "the caller's deadline passed");
        return;
    }
    if (gap_is_fine(call))
        return;
    bool waiting = !call->session, stream = call->method->kind != DTR_RPC_UNARY;
    dtr_rpc_call_reject(call, DTR_RPC_DEADLINE_EXCEEDED,
                        waiting            ? "no connection before the deadline"
                        : call->headers_in ? "no message before the deadline"
                        : stream           ? "no response headers before the deadline"
                                           : "no response before the deadline");
}

/* --- messages ------------------------------------------------------------------------------------- */

static bool single_request(const struct dtr_rpc_call *call)
{
    return call->method->kind == DTR_RPC_UNARY || call->method->kind == DTR_RPC_SERVER_STREAM;
}

static void hand_over(struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    if (call->server && single_request(call) && call->received == 0) {
        call->received = 1;
        call->handler->request(call->service, call, message);
    } else if (call->server && single_request(call)) {
        dtr_rpc_call_reject(call, DTR_RPC_INVALID_ARGUMENT, "more than one request message");
    } else {
        call->received += call->received < 2;
        if (call->events->message)
            call->events->message(call->context, call, message);
    }
}

/* dtr_rpc_unary(): unpacked when the status is known. */
static void keep_response(struct dtr_rpc_call *call, const uint8_t *bytes, size_t length)
{
    if (call->received++ > 0) {
        dtr_rpc_call_reject(call, DTR_RPC_INTERNAL, "more than one response message");
        return;
    }
    dtr_str_add(&call->response, bytes, length);
    if (!dtr_str_ok(&call->response))
        dtr_rpc_call_reject(call, DTR_RPC_RESOURCE_EXHAUSTED, "out of memory");
}

static void deliver(struct dtr_rpc_call *call, const uint8_t *bytes, size_t length)
{
    struct dtr_rpc_message message = {.bytes = bytes, .length = length};
    const ProtobufCMessageDescriptor *type = call->server ? call->method->input : call->method->output;
    struct dtr_error err;
    if (call->credit != DTR_RPC_UNLIMITED)
        call->credit--;
    call->delivering = true;
    call->moved_ms = call->hub->now_ms(call->hub->context);
    if (call->done) {
        keep_response(call, bytes, length);
    } else if (dtr_rpc_unpack(&call->hub->arena, call->hub->limits.unpacked, type, bytes, length,
                              &message.message, &err) == DTR_OK) {
        hand_over(call, &message);
    } else {
        enum dtr_rpc_code code = dtr_rpc_code_of_error(&err);
        dtr_rpc_call_reject(call, call->server || code != DTR_RPC_INVALID_ARGUMENT ? code : DTR_RPC_INTERNAL,
                            err.text);
    }
    dtr_rpc_arena_reset(&call->hub->arena);
    call->delivering = false;
    if (call->input_off)
        dtr_rpc_frames_free(&call->frames);
}

static void reject_frame(struct dtr_rpc_call *call, enum dtr_rpc_frame frame)
{
    char text[96];
    switch (frame) {
    case DTR_RPC_FRAME_COMPRESSED:
        dtr_rpc_call_reject(call, DTR_RPC_UNIMPLEMENTED, "compressed messages are not supported");
        break;
    case DTR_RPC_FRAME_TOO_BIG:
        (void)snprintf(text, sizeof(text), "a message is longer than %zu bytes", call->hub->limits.message);
        dtr_rpc_call_reject(call, DTR_RPC_RESOURCE_EXHAUSTED, text);
        break;
    case DTR_RPC_FRAME_NOMEM:
        dtr_rpc_call_reject(call, DTR_RPC_RESOURCE_EXHAUSTED, "out of memory");
        break;
    default:
        dtr_rpc_call_reject(call, DTR_RPC_INTERNAL, "a message has an unknown flag");
    }
}

/* Takes whole messages off the bytes while there is credit; returns how many bytes it took. */
static size_t eat(struct dtr_rpc_call *call, const uint8_t *bytes, size_t length)
{
    const uint8_t *at = bytes, *end = bytes + length, *body = NULL;
    size_t size = 0;
    while (call->credit > 0 && !call->input_off) {
        enum dtr_rpc_frame frame =
            dtr_rpc_frames_next(&call->frames, call->hub->limits.message, &at, end, &body, &size);
        if (frame == DTR_RPC_FRAME_MORE)
            break;
        if (frame == DTR_RPC_FRAME_MESSAGE)
            deliver(call, body, size);
        else
            reject_frame(call, frame);
    }
    count_held(call);
    return call->input_off ? length : (size_t)(at - bytes);
}

void dtr_rpc_call_input(struct dtr_rpc_call *call, const uint8_t *bytes, size_t length)
{
    size_t eaten = length;
    if (!call->input_off && call->backlog.length == 0)
        eaten = eat(call, bytes, length);
    else if (!call->input_off)
        eaten = 0;
    dtr_rpc_session_consumed(call, eaten);
    if (eaten < length && !call->input_off) {
        dtr_str_add(&call->backlog, bytes + eaten, length - eaten);
        call->owed += length - eaten;
        count_held(call);
        if (!dtr_str_ok(&call->backlog))
            dtr_rpc_call_reject(call, DTR_RPC_RESOURCE_EXHAUSTED, "out of memory");
    }
    if (!call->session || call->input_off)
        return;
    if (call->session->held > call->hub->limits.connection)
        dtr_rpc_call_reject(call, DTR_RPC_RESOURCE_EXHAUSTED,
                            "too many bytes of messages wait on this connection");
    else if (call->hub->held > call->hub->limits.total)
        dtr_rpc_call_reject(call, DTR_RPC_RESOURCE_EXHAUSTED,
                            "too many bytes of messages wait on all connections");
}

/* What waited for credit. The backlog is put aside, since an event may change it. */
static void eat_backlog(struct dtr_rpc_call *call)
{
    struct dtr_str waiting = call->backlog;
    if (call->input_off || waiting.length == 0 || call->credit == 0)
        return;
    call->backlog = (struct dtr_str){0};
    size_t eaten = eat(call, (const uint8_t *)waiting.text, waiting.length);
    if (call->input_off) {
        dtr_str_free(&waiting); /* its window is given back already */
        return;
    }
    dtr_str_skip(&waiting, eaten);
    if (waiting.length > 0)
        call->backlog = waiting;
    else
        dtr_str_free(&waiting);
    dtr_rpc_session_consumed(call, eaten);
    call->owed -= eaten < call->owed ? eaten : call->owed;
    count_held(call);
}

void dtr_rpc_call_credit(struct dtr_rpc_call *call, uint32_t messages)
{
    call->credit = messages;
    if (messages > 0 && call->backlog.length > 0)
        dtr_rpc_call_ready(call);
}

/* --- the end of a turn ----------------------------------------------------------------------------- */

static void tell_end(struct dtr_rpc_call *call)
{
    call->end_told = true;
    if (dtr_rpc_frames_partial(&call->frames))
        dtr_rpc_call_reject(call, DTR_RPC_INTERNAL, "the requests end within a message");
    else if (single_request(call) && call->received == 0)
        dtr_rpc_call_reject(call, DTR_RPC_INTERNAL, "no request message");
    else if (call->events->end)
        call->events->end(call->context, call);
}

/* dtr_rpc_unary(): OK stands only with a response that can be read. */
static void tell_done(struct dtr_rpc_call *call, struct dtr_rpc_status *status)
{
    struct dtr_rpc_message response = {.bytes = (const uint8_t *)dtr_str_text(&call->response),
                                       .length = call->response.length};
    struct dtr_error err = {.code = DTR_EPROTOCOL, .text = "no response message"};
    if (status->code == DTR_RPC_OK &&
        (call->received == 0 ||
         dtr_rpc_unpack(&call->hub->arena, call->hub->limits.unpacked, call->method->output, response.bytes,
                        response.length, &response.message, &err) != DTR_OK))
        *status = (struct dtr_rpc_status){.code = DTR_RPC_INTERNAL, .message = err.text};
    call->done(call->context, status->code == DTR_RPC_OK ? &response : NULL, status);
    dtr_rpc_arena_reset(&call->hub->arena);
}

static void tell_closed(struct dtr_rpc_call *call)
{
    struct dtr_rpc_status status = {call->code, text_or_empty(call->message), call->details,
                                    call->details_length, call->remote_status};
    call->closed_told = true;
    dtr_rpc_call_input_off(call);
    if (call->done)
        tell_done(call, &status);
    else if (call->events->closed)
        call->events->closed(call->context, call, &status);
    dtr_rpc_call_adopt(call, NULL, NULL);
}

/* A client that got its status while its own side is open closes it (the server usually has by now). */
static void close_own_side(struct dtr_rpc_call *call)
{
    if (call->session && !call->server && call->input_end &&
        nghttp2_session_get_stream_local_close(call->session->h2, call->stream_id) == 0)
        dtr_rpc_session_reset(call, NGHTTP2_NO_ERROR);
}

void dtr_rpc_call_turn(struct dtr_rpc_call *call)
{
    eat_backlog(call);
    bool waits = call->backlog.length > 0;
    if (call->server && call->started && call->input_end && !call->end_told && !waits && !call->input_off)
        tell_end(call);
    if (call->writable_due && !call->ended && !call->output_end) {
        call->writable_due = false;
        if (call->events->writable)
            call->events->writable(call->context, call);
    }
    close_own_side(call);
    if (call->ended && !call->closed_told && (call->drop || !waits)) {
        if (!call->drop && !call->server && dtr_rpc_frames_partial(&call->frames) && call->code == DTR_RPC_OK)
            call->code = DTR_RPC_INTERNAL;
        tell_closed(call);
    }
    if (call->closed_told && !call->session)
        dtr_rpc_call_free(call);
}
