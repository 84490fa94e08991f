/* Header fields of requests, responses and trailers, both ways; see internal.h.
 *
 * The fields are those of gRPC over HTTP/2 (doc/PROTOCOL-HTTP2.md of gRPC) and section 6 of the wire
 * page. */
#include "core/rpc/internal.h"

#include <stdlib.h>

enum {
    FIELDS_MOST = 64,
    ENCODED_MOST = 4096,
    REQUEST_MOST = 64 << 10, /* nghttp2 drops a longer block without a word, and without a stream's end */
};

static const char content_type[] = "application/grpc";

static bool same(const uint8_t *bytes, size_t length, const char *text)
{
    return length == strlen(text) && memcmp(bytes, text, length) == 0;
}

static bool begins(const uint8_t *bytes, size_t length, const char *text)
{
    return length >= strlen(text) && memcmp(bytes, text, strlen(text)) == 0;
}

/* --- receiving ------------------------------------------------------------------------------------ */

int dtr_rpc_on_begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
    struct dtr_rpc_session *session = user;
    if (!session->server || frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct dtr_rpc_call *call = dtr_rpc_call_new(session->hub, true);
    if (!call)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    call->session = session;
    call->stream_id = frame->hd.stream_id;
    dtr_list_add_tail(&session->calls, &call->link);
    session->call_count++;
    (void)nghttp2_session_set_stream_user_data(h2, call->stream_id, call);
    return 0;
}

/* Keeps a field for dtr_rpc_call_metadata(). */
static bool keep_field(struct dtr_rpc_call *call, const uint8_t *name, size_t name_length,
                       const uint8_t *value, size_t value_length)
{
    if (memchr(name, '\0', name_length) || memchr(value, '\0', value_length))
        return true;
    dtr_str_add(&call->fields, name, name_length);
    dtr_str_putc(&call->fields, '\0');
    dtr_str_add(&call->fields, value, value_length);
    dtr_str_putc(&call->fields, '\0');
    return dtr_str_ok(&call->fields);
}

/* What the transport says for itself; every call has it, and nobody asks for it. */
static bool is_transport(const uint8_t *name, size_t length)
{
    return name[0] == ':' || same(name, length, "te") || same(name, length, "user-agent") ||
           same(name, length, "grpc-accept-encoding");
}

static bool request_field(struct dtr_rpc_call *call, const uint8_t *name, size_t name_length,
                          const uint8_t *value, size_t value_length)
{
    if (same(name, name_length, ":path")) {
        const struct dtr_rpc_route *route = dtr_rpc_table_find(call->session->table, value, value_length);
        if (route) {
            call->handler = route->handler;
            call->service = route->service;
            call->method = route->handler->method;
        }
    } else if (same(name, name_length, ":method")) {
        call->is_post = same(value, value_length, "POST");
    } else if (same(name, name_length, "content-type")) {
        call->is_grpc = begins(value, value_length, content_type);
    } else if (same(name, name_length, "grpc-timeout")) {
        /* One that cannot be read is no deadline. */
        (void)dtr_rpc_timeout_parse((const char *)value, value_length, &call->timeout_ms);
    } else if (!is_transport(name, name_length)) {
        return keep_field(call, name, name_length, value, value_length);
    }
    return true;
}

static void take_message(struct dtr_rpc_call *call, const uint8_t *value, size_t length)
{
    free(call->message);
    call->message = malloc(length + 1);
    if (call->message)
        (void)dtr_rpc_percent_decode((const char *)value, length, call->message);
}

static void take_details(struct dtr_rpc_call *call, const uint8_t *value, size_t length)
{
    free(call->details);
    call->details_length = 0;
    call->details = malloc(length + 1);
    if (call->details &&
        !dtr_rpc_base64_decode((const char *)value, length, call->details, &call->details_length)) {
        free(call->details);
        call->details = NULL;
    }
}

static bool response_field(struct dtr_rpc_call *call, const uint8_t *name, size_t name_length,
                           const uint8_t *value, size_t value_length)
{
    uint64_t number = 0;
    if (same(name, name_length, ":status")) {
        (void)dtr_parse_u64((const char *)value, value_length, &number);
        call->http_status = number < 1000 ? (unsigned)number : 0;
    } else if (same(name, name_length, "content-type")) {
        call->is_grpc = begins(value, value_length, content_type);
    } else if (same(name, name_length, "grpc-status")) {
        call->has_status = true;
        call->code = dtr_rpc_code_parse((const char *)value, value_length);
    } else if (same(name, name_length, "grpc-message")) {
        take_message(call, value, value_length);
    } else if (same(name, name_length, "grpc-status-details-bin")) {
        take_details(call, value, value_length);
    } else if (name_length > 0 && name[0] != ':') {
        return keep_field(call, name, name_length, value, value_length);
    }
    return true;
}

int dtr_rpc_on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                      size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                      void *user)
{
    struct dtr_rpc_session *session = user;
    struct dtr_rpc_call *call = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
    (void)flags;
    if (!call || call->ended || name_length == 0)
        return 0;
    call->fields_size += name_length + value_length + 32;
    if (call->fields_size > session->hub->limits.header_list)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (session->server && frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0; /* a client's trailers mean nothing */
    bool good = session->server ? request_field(call, name, name_length, value, value_length)
                                : response_field(call, name, name_length, value, value_length);
    return good ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* Begins the call now, or when it is its turn, or not at all. */
static void admit(struct dtr_rpc_call *call)
{
    uint64_t now = call->hub->now_ms(call->hub->context), turn_ms;
    call->due_ms = call->timeout_ms ? now + call->timeout_ms : UINT64_MAX;
    if (!dtr_rpc_table_admit(call->session->table, now, &turn_ms)) {
        dtr_rpc_call_reject(call, DTR_RPC_RESOURCE_EXHAUSTED,
                            "too many requests per second; try again later");
    } else if (turn_ms <= now) {
        dtr_rpc_call_begin(call);
    } else {
        call->turn_ms = turn_ms;
        call->credit = 0;
        dtr_rpc_hub_deadline(call->hub, call, turn_ms < call->due_ms ? turn_ms : call->due_ms);
        if (!call->heap_at) /* no memory to wait with */
            dtr_rpc_call_begin(call);
    }
}

static void request_complete(struct dtr_rpc_call *call)
{
    const struct dtr_rpc_handler *handler = call->handler;
    if (call->started || call->output_end)
        return;
    if (!handler || !call->is_post) {
        dtr_rpc_call_reject(call, DTR_RPC_UNIMPLEMENTED, "no such method");
    } else if (!call->is_grpc) {
        dtr_rpc_call_reject(call, DTR_RPC_INTERNAL, "the content-type is not application/grpc");
    } else {
        admit(call);
    }
}

/* Streams: from here on only the gaps count. */
static void restart_clock(struct dtr_rpc_call *call)
{
    call->moved_ms = call->hub->now_ms(call->hub->context);
    if (call->method->kind != DTR_RPC_UNARY)
        dtr_rpc_hub_deadline(call->hub, call, call->idle_ms ? call->moved_ms + call->idle_ms : UINT64_MAX);
}

static void response_complete(struct dtr_rpc_call *call, bool last)
{
    if (call->headers_in || call->ended || (call->http_status >= 100 && call->http_status < 200))
        return;
    call->headers_in = true;
    dtr_rpc_outs_free(&call->sent);
    if (last) /* on_end_stream() makes a status of it */
        return;
    if (call->http_status != 200 || !call->is_grpc) {
        char text[80];
        (void)snprintf(text, sizeof(text), "HTTP status %u, %s", call->http_status,
                       call->is_grpc ? "gRPC" : "not a gRPC answer");
        dtr_rpc_call_reject(call, dtr_rpc_code_of_http(call->http_status), text);
        return;
    }
    restart_clock(call);
    if (call->events->headers)
        call->events->headers(call->context, call);
}

void dtr_rpc_on_headers_end(struct dtr_rpc_session *session, struct dtr_rpc_call *call, bool last)
{
    if (session->server)
        request_complete(call);
    else
        response_complete(call, last);
}

/* --- sending -------------------------------------------------------------------------------------- */

struct block {
    nghttp2_nv fields[FIELDS_MOST];
    size_t count;
};

/* `copy`: the value does not outlive this block. Names are constants, or copied too. */
static void add(struct block *block, const char *name, const char *value, bool copy)
{
    if (block->count < FIELDS_MOST)
        block->fields[block->count++] = (nghttp2_nv){
            (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
            copy ? NGHTTP2_NV_FLAG_NONE : NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

/* As RFC 9113 counts, which is more than any encoding takes. */
static size_t block_size(const struct block *block)
{
    size_t size = 0;
    for (size_t i = 0; i < block->count; i++)
        size += block->fields[i].namelen + block->fields[i].valuelen + 32;
    return size;
}

/* What is left of the deadline, for grpc-timeout; 0: none is sent. */
static uint64_t timeout_to_send(const struct dtr_rpc_call *call)
{
    uint64_t now = call->hub->now_ms(call->hub->context);
    if (call->method->kind != DTR_RPC_UNARY)
        return call->announce_ms;
    if (call->at_ms == UINT64_MAX)
        return 0;
    return call->at_ms > now ? call->at_ms - now : 1;
}

int dtr_rpc_submit_request(struct dtr_rpc_session *session, struct dtr_rpc_call *call,
                           const nghttp2_data_provider *source)
{
    struct block block = {.count = 0};
    char timeout[DTR_RPC_TIMEOUT_TEXT];
    uint64_t timeout_ms = timeout_to_send(call);
    add(&block, ":method", "POST", false);
    add(&block, ":scheme", session->secure ? "https" : "http", false);
    add(&block, ":path", call->method->path, false);
    add(&block, ":authority", session->authority, true);
    add(&block, "content-type", content_type, false);
    add(&block, "te", "trailers", false);
    add(&block, "user-agent", "darter/" DTR_VERSION, false);
    if (timeout_ms) {
        dtr_rpc_timeout_text(timeout_ms, timeout);
        add(&block, "grpc-timeout", timeout, true);
    }
    for (const char *at = call->request_fields; at && *at;) {
        const char *value = at + strlen(at) + 1;
        add(&block, at, value, true);
        at = value + strlen(value) + 1;
    }
    if (block_size(&block) > REQUEST_MOST)
        return NGHTTP2_ERR_FRAME_SIZE_ERROR;
    return nghttp2_submit_request(session->h2, NULL, block.fields, block.count, source, call);
}

int dtr_rpc_submit_headers(struct dtr_rpc_call *call, const nghttp2_data_provider *source)
{
    struct block block = {.count = 0};
    add(&block, ":status", "200", false);
    add(&block, "content-type", content_type, false);
    call->headers_out = true;
    return nghttp2_submit_response(call->session->h2, call->stream_id, block.fields, block.count, source);
}

int dtr_rpc_submit_trailers(struct dtr_rpc_call *call, bool only)
{
    struct block block = {.count = 0};
    char status[4], message[ENCODED_MOST];
    char *details = NULL;
    if (only) {
        add(&block, ":status", "200", false);
        add(&block, "content-type", content_type, false);
    }
    (void)snprintf(status, sizeof(status), "%u", (unsigned)call->reply_code % 100);
    add(&block, "grpc-status", status, true);
    if (call->reply_message && dtr_rpc_percent_encode(call->reply_message, message, sizeof(message)) > 0)
        add(&block, "grpc-message", message, true);
    if (call->reply_details)
        details = malloc(DTR_RPC_BASE64_SIZE(call->reply_details_length));
    if (details) {
        (void)dtr_rpc_base64_encode(call->reply_details, call->reply_details_length, details);
        add(&block, "grpc-status-details-bin", details, true);
    }
    call->headers_out = call->trailers_out = true;
    int rc =
        only ? nghttp2_submit_response(call->session->h2, call->stream_id, block.fields, block.count, NULL)
             : nghttp2_submit_trailer(call->session->h2, call->stream_id, block.fields, block.count);
    free(details);
    return rc;
}
