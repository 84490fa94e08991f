/* nghttp2 as a session: bytes in, bytes out, calls on it; see internal.h. */
#include "core/rpc/internal.h"

#include <stdlib.h>

static const uint8_t ping_alive[8] = "dtralive", ping_drain[8] = "dtrdrain";
enum { FRAMES_MOST = 10000 }; /* that a client may let pile up by not reading */

void dtr_rpc_session_dirty(struct dtr_rpc_session *session)
{
    if (!dtr_list_linked(&session->dirty))
        dtr_list_add_tail(&session->hub->dirty, &session->dirty);
    dtr_rpc_hub_wake(session->hub);
}

static struct dtr_rpc_call *call_of(struct dtr_rpc_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session->h2, stream_id);
}

/* --- receiving ------------------------------------------------------------------------------------ */

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t stream_id, const uint8_t *bytes, size_t length,
                   void *user)
{
    struct dtr_rpc_session *session = user;
    struct dtr_rpc_call *call = call_of(session, stream_id);
    (void)flags;
    /* Only the call's own window holds a slow reader back, so that it does not hold back the others;
     * limits.connection bounds the memory. */
    (void)nghttp2_session_consume_connection(h2, length);
    if (call && call->input_end)
        return 0;
    if (call)
        dtr_rpc_call_input(call, bytes, length);
    else
        (void)nghttp2_session_consume_stream(h2, stream_id, length);
    return 0;
}

void dtr_rpc_session_consumed(struct dtr_rpc_call *call, size_t length)
{
    if (call->session && length > 0) {
        (void)nghttp2_session_consume_stream(call->session->h2, call->stream_id, length);
        dtr_rpc_session_dirty(call->session);
    }
}

static void on_end_stream(struct dtr_rpc_call *call)
{
    call->input_end = true;
    if (call->server) {
        dtr_rpc_call_ready(call);
    } else if (call->has_status) {
        dtr_rpc_call_ended(call, call->code, NULL, false);
    } else if (call->http_status != 200) {
        char text[64];
        (void)snprintf(text, sizeof(text), "the server answered with HTTP status %u", call->http_status);
        dtr_rpc_call_ended(call, dtr_rpc_code_of_http(call->http_status), text, false);
    } else {
        dtr_rpc_call_ended(call, DTR_RPC_INTERNAL, "the stream ended without a status", false);
    }
}

static void on_settings(struct dtr_rpc_session *session, const nghttp2_frame *frame)
{
    if (!(frame->hd.flags & NGHTTP2_FLAG_ACK) && !session->settled) {
        session->settled = true;
        if (session->owner->settled)
            session->owner->settled(session->context);
    }
}

static void on_pong(struct dtr_rpc_session *session, const nghttp2_frame *frame)
{
    if (memcmp(frame->ping.opaque_data, ping_drain, sizeof(ping_drain)) == 0 && session->draining)
        (void)nghttp2_submit_goaway(session->h2, NGHTTP2_FLAG_NONE,
                                    nghttp2_session_get_last_proc_stream_id(session->h2), NGHTTP2_NO_ERROR,
                                    NULL, 0);
}

static void on_goaway(struct dtr_rpc_session *session)
{
    if (session->server || session->draining)
        return;
    session->draining = true;
    if (session->owner->goaway)
        session->owner->goaway(session->context);
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
    struct dtr_rpc_session *session = user;
    struct dtr_rpc_call *call = NULL;
    (void)h2;
    session->frames++;
    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
        on_settings(session, frame);
        break;
    case NGHTTP2_PING:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK)
            on_pong(session, frame);
        break;
    case NGHTTP2_GOAWAY:
        on_goaway(session);
        break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        call = call_of(session, frame->hd.stream_id);
        if (call && frame->hd.type == NGHTTP2_HEADERS)
            dtr_rpc_on_headers_end(session, call, frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
        if (call && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
            on_end_stream(call);
        break;
    default:
        break;
    }
    return 0;
}

/* --- the end of HTTP/2 streams --------------------------------------------------------------------- */

static bool taken_over(struct dtr_rpc_session *session, struct dtr_rpc_call *call)
{
    return session->owner->refused && session->owner->refused(session->context, call);
}

/* The call's stream is gone. `h2_error` as in RST_STREAM; `untouched`: the server did not process it. */
static void stream_gone(struct dtr_rpc_session *session, struct dtr_rpc_call *call, uint32_t h2_error,
                        bool untouched)
{
    char text[96];
    dtr_rpc_call_detach(call);
    if (call->ended) {
        dtr_rpc_call_ready(call);
    } else if (call->server && call->trailers_out && h2_error == NGHTTP2_NO_ERROR) {
        dtr_rpc_call_ended(call, DTR_RPC_OK, NULL, true);
    } else if (call->server) {
        dtr_rpc_call_ended(call, DTR_RPC_CANCELLED, "the client cancelled the call", true);
    } else if (!untouched || !taken_over(session, call)) {
        (void)snprintf(text, sizeof(text), "the server reset the stream: %s",
                       nghttp2_http2_strerror(h2_error));
        dtr_rpc_call_ended(call, dtr_rpc_code_of_reset(h2_error), text, true);
    }
}

/* The one place that hears of a stream's end. A request that nghttp2 could not send (GOAWAY came, or the call
 * was cancelled before) ends here too: with REFUSED_STREAM, or with the code of the reset. */
static int on_stream_close(nghttp2_session *h2, int32_t stream_id, uint32_t h2_error, void *user)
{
    struct dtr_rpc_session *session = user;
    struct dtr_rpc_call *call = call_of(session, stream_id);
    (void)h2;
    if (call)
        stream_gone(session, call, h2_error, h2_error == NGHTTP2_REFUSED_STREAM);
    return 0;
}

/* --- sending -------------------------------------------------------------------------------------- */

/* Trailers went out while the client may still send: it is told to stop, else it would wait with its
 * side open (wire page 3.1, rule 7). */
static int on_sent(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
    struct dtr_rpc_session *session = user;
    if (session->server && frame->hd.type == NGHTTP2_HEADERS && frame->hd.flags & NGHTTP2_FLAG_END_STREAM &&
        nghttp2_session_get_stream_remote_close(h2, frame->hd.stream_id) == 0)
        (void)nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    return 0;
}

static ssize_t on_read(nghttp2_session *h2, int32_t stream_id, uint8_t *buf, size_t length, uint32_t *flags,
                       nghttp2_data_source *source, void *user)
{
    struct dtr_rpc_session *session = user;
    struct dtr_rpc_call *call = source->ptr;
    (void)h2;
    (void)stream_id;
    (void)buf;
    if (session->owner->pending(session->context) > DTR_RPC_HIGH_WATER)
        return NGHTTP2_ERR_PAUSE; /* dtr_rpc_session_flush() comes again when it is less */
    if (call->queued == 0 && !call->output_end) {
        call->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    size_t count = call->queued < length ? call->queued : length;
    if (count > 0)
        *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (count == call->queued && call->output_end) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (call->server) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            if (dtr_rpc_submit_trailers(call, false) != 0)
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    }
    return (ssize_t)count;
}

static int on_send_data(nghttp2_session *h2, nghttp2_frame *frame, const uint8_t *head, size_t length,
                        nghttp2_data_source *source, void *user)
{
    struct dtr_rpc_session *session = user;
    (void)h2;
    (void)frame;
    session->owner->write(session->context, head, 9);
    dtr_rpc_call_take(source->ptr, length, session->owner->write, session->context);
    return 0;
}

void dtr_rpc_session_send(struct dtr_rpc_call *call)
{
    nghttp2_data_provider source = {.source.ptr = call, .read_callback = on_read};
    int rc = 0;
    if (!call->session)
        return;
    if (call->deferred) {
        call->deferred = false;
        rc = nghttp2_session_resume_data(call->session->h2, call->stream_id);
    } else if (call->server && !call->headers_out && call->output_end && call->queued == 0) {
        rc = dtr_rpc_submit_trailers(call, true);
    } else if (call->server && !call->headers_out) {
        rc = dtr_rpc_submit_headers(call, &source);
    }
    if (rc != 0)
        dtr_rpc_session_reset(call, NGHTTP2_INTERNAL_ERROR);
    dtr_rpc_session_dirty(call->session);
}

void dtr_rpc_session_reset(struct dtr_rpc_call *call, uint32_t h2_error)
{
    if (call->session) {
        (void)nghttp2_submit_rst_stream(call->session->h2, NGHTTP2_FLAG_NONE, call->stream_id, h2_error);
        dtr_rpc_session_dirty(call->session);
    }
}

int dtr_rpc_session_begin(struct dtr_rpc_session *session, struct dtr_rpc_call *call, struct dtr_error *err)
{
    nghttp2_data_provider source = {.source.ptr = call, .read_callback = on_read};
    int32_t id = dtr_rpc_submit_request(session, call, &source);
    if (id < 0)
        return dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "cannot start a call: %s",
                             nghttp2_strerror(id));
    call->stream_id = id;
    call->session = session;
    call->attempts++;
    dtr_list_add_tail(&session->calls, &call->link);
    session->call_count++;
    dtr_rpc_session_dirty(session);
    return DTR_OK;
}

static bool misbehaves(struct dtr_rpc_session *session)
{
    return session->server && nghttp2_session_get_outbound_queue_size(session->h2) >
                                  FRAMES_MOST + 4 * (size_t)session->hub->limits.streams;
}

void dtr_rpc_session_flush(struct dtr_rpc_session *session)
{
    ssize_t count = 1;
    while (count > 0 && session->owner->pending(session->context) <= DTR_RPC_HIGH_WATER) {
        const uint8_t *bytes = NULL;
        count = nghttp2_session_mem_send(session->h2, &bytes);
        if (count > 0)
            session->owner->write(session->context, bytes, (size_t)count);
    }
    if (count < 0 || misbehaves(session))
        session->failed = true;
    if (!session->over && (session->failed || (!nghttp2_session_want_read(session->h2) &&
                                               !nghttp2_session_want_write(session->h2)))) {
        session->over = true;
        session->owner->over(session->context);
    }
}

int dtr_rpc_session_receive(struct dtr_rpc_session *session, const uint8_t *bytes, size_t length,
                            struct dtr_error *err)
{
    if (session->over || session->failed)
        return DTR_OK;
    ssize_t count = nghttp2_session_mem_recv(session->h2, bytes, length);
    dtr_rpc_session_dirty(session);
    if (count >= 0)
        return DTR_OK;
    session->failed = true;
    return dtr_error_set(err, count == NGHTTP2_ERR_NOMEM ? DTR_ENOMEM : DTR_EPROTOCOL, DTR_RETRY_ELSEWHERE,
                         "HTTP/2: %s", nghttp2_strerror((int)count));
}

void dtr_rpc_session_ping(struct dtr_rpc_session *session)
{
    (void)nghttp2_submit_ping(session->h2, NGHTTP2_FLAG_NONE, ping_alive);
    dtr_rpc_session_dirty(session);
}

void dtr_rpc_session_drain(struct dtr_rpc_session *session)
{
    if (session->draining || session->over)
        return;
    session->draining = true;
    (void)nghttp2_submit_shutdown_notice(session->h2);
    (void)nghttp2_submit_ping(session->h2, NGHTTP2_FLAG_NONE, ping_drain);
    dtr_rpc_session_dirty(session);
}

void dtr_rpc_session_goodbye(struct dtr_rpc_session *session)
{
    (void)nghttp2_session_terminate_session(session->h2, NGHTTP2_NO_ERROR);
    dtr_rpc_session_dirty(session);
}

/* --- life ----------------------------------------------------------------------------------------- */

static int submit_settings(struct dtr_rpc_session *session)
{
    const struct dtr_rpc_limits *limits = &session->hub->limits;
    nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits->stream_window},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, limits->frame},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits->header_list},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits->streams},
    };
    if (!session->server)
        entries[3] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
    int rc = nghttp2_submit_settings(session->h2, NGHTTP2_FLAG_NONE, entries,
                                     sizeof(entries) / sizeof(entries[0]));
    if (rc == 0)
        rc = nghttp2_session_set_local_window_size(session->h2, NGHTTP2_FLAG_NONE, 0,
                                                   (int32_t)limits->connection_window);
    return rc;
}

static void set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, dtr_rpc_on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, dtr_rpc_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
}

static int make_h2(struct dtr_rpc_session *session)
{
    const struct dtr_rpc_limits *limits = &session->hub->limits;
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int rc = nghttp2_session_callbacks_new(&callbacks);
    if (rc == 0)
        rc = nghttp2_option_new(&option);
    if (rc != 0)
        goto out;
    set_callbacks(callbacks);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_stream_reset_rate_limit(option, limits->resets_burst, limits->resets_per_s);
    rc = session->server ? nghttp2_session_server_new2(&session->h2, callbacks, session, option)
                         : nghttp2_session_client_new2(&session->h2, callbacks, session, option);
    if (rc == 0)
        rc = submit_settings(session);
out:
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return rc;
}

int dtr_rpc_session_new(struct dtr_rpc_hub *hub, struct dtr_rpc_table *table,
                        const struct dtr_rpc_owner *owner, void *context,
                        struct dtr_rpc_session **ret_session, struct dtr_error *err)
{
    struct dtr_rpc_session *session = calloc(1, sizeof(*session));
    if (!session)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for an HTTP/2 session");
    *session = (struct dtr_rpc_session){
        .hub = hub, .server = table != NULL, .table = table, .owner = owner, .context = context};
    dtr_list_init(&session->calls);
    int rc = make_h2(session);
    if (rc != 0) {
        dtr_rpc_session_free(session);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "cannot make an HTTP/2 session: %s",
                             nghttp2_strerror(rc));
    }
    dtr_rpc_session_dirty(session);
    *ret_session = session;
    return DTR_OK;
}

void dtr_rpc_session_lost(struct dtr_rpc_session *session, const struct dtr_error *err)
{
    char text[320];
    (void)snprintf(text, sizeof(text), "connection lost%s%s", err && err->code ? ": " : "",
                   err && err->code ? err->text : "");
    session->over = true;
    while (!dtr_list_empty(&session->calls)) {
        struct dtr_rpc_call *call = dtr_container(session->calls.next, struct dtr_rpc_call, link);
        dtr_rpc_call_detach(call);
        dtr_rpc_call_ended(call, call->server ? DTR_RPC_CANCELLED : DTR_RPC_UNAVAILABLE, text, true);
        dtr_rpc_call_ready(call);
    }
    dtr_list_remove(&session->dirty);
}

void dtr_rpc_session_free(struct dtr_rpc_session *session)
{
    if (!session)
        return;
    dtr_list_remove(&session->dirty);
    nghttp2_session_del(session->h2);
    free(session);
}
