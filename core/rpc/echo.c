/* The test service; see echo.h. */
#include "core/rpc/echo.h"

#include "core/base/str.h"
#include <stdlib.h>

#define TYPE (&grpc__health__v1__health_check_request__descriptor)

const struct dtr_rpc_method echo_unary = {"/t.Echo/Unary", DTR_RPC_UNARY, 0, TYPE, TYPE};
const struct dtr_rpc_method echo_server_stream = {"/t.Echo/ServerStream", DTR_RPC_SERVER_STREAM,
                                                  DTR_RPC_TIMEOUT_TO_HEADERS, TYPE, TYPE};
const struct dtr_rpc_method echo_client_stream = {"/t.Echo/ClientStream", DTR_RPC_CLIENT_STREAM, 0, TYPE,
                                                  TYPE};
const struct dtr_rpc_method echo_bidi = {"/t.Echo/Bidi", DTR_RPC_BIDI, 0, TYPE, TYPE};
const struct dtr_rpc_method echo_missing = {"/t.Echo/Missing", DTR_RPC_UNARY, 0, TYPE, TYPE};

/* --- the recorder --------------------------------------------------------------------------------- */

static void on_headers(void *context, struct dtr_rpc_call *call)
{
    struct record *record = context;
    record->headers++;
    (void)dtr_copy_text(record->peer, sizeof(record->peer), dtr_rpc_call_peer(call));
}

static const char *text_of(const struct dtr_rpc_message *message)
{
    return ((const Grpc__Health__V1__HealthCheckRequest *)message->message)->service;
}

static void on_message(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct record *record = context;
    const char *text = text_of(message);
    (void)call;
    record->messages++;
    record->bytes += strlen(text);
    (void)snprintf(record->last, sizeof(record->last), "%s", text);
}

static void on_end(void *context, struct dtr_rpc_call *call)
{
    (void)call;
    ((struct record *)context)->ends++;
}

static void on_writable(void *context, struct dtr_rpc_call *call)
{
    (void)call;
    ((struct record *)context)->writables++;
}

static void on_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct record *record = context;
    const char *meta = dtr_rpc_call_metadata(call, "x-test");
    record->closed++;
    record->call = NULL;
    record->code = status->code;
    record->remote = status->remote;
    (void)snprintf(record->text, sizeof(record->text), "%s", status->message);
    (void)snprintf(record->meta, sizeof(record->meta), "%s", meta ? meta : "");
    record->details_length = status->details_length;
    if (status->details && status->details_length < sizeof(record->details))
        memcpy(record->details, status->details, status->details_length);
}

const struct dtr_rpc_events record_events = {on_headers, on_message, on_end, on_writable, on_closed};

/* --- the service ---------------------------------------------------------------------------------- */

int echo_send(struct dtr_rpc_call *call, const char *text)
{
    Grpc__Health__V1__HealthCheckRequest message = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    message.service = (char *)(uintptr_t)text;
    return dtr_rpc_call_send(call, &message.base, NULL);
}

char *echo_text(size_t length)
{
    char *text = malloc(length + 1);
    if (text) {
        for (size_t i = 0; i < length; i++)
            text[i] = (char)('a' + i % 26);
        text[length] = '\0';
    }
    return text;
}

static void hold(struct echo *echo, struct dtr_rpc_call *call)
{
    const char *meta = dtr_rpc_call_metadata(call, "x-test");
    echo->server = (struct record){.call = call};
    (void)snprintf(echo->server.meta, sizeof(echo->server.meta), "%s", meta ? meta : "");
    dtr_rpc_call_adopt(call, &record_events, &echo->server);
}

static void unary(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct echo *echo = service;
    const char *text = text_of(request);
    echo->requests++;
    if (strcmp(text, "hold") == 0) {
        hold(echo, call);
    } else if (strcmp(text, "fail") == 0) {
        static const char details[] = "{\"status_code\":404}";
        dtr_rpc_call_finish_details(call, DTR_RPC_NOT_FOUND, "100% nowhere: ä\n", details,
                                    sizeof(details) - 1);
    } else if (strcmp(text, "empty") == 0) {
        Grpc__Health__V1__HealthCheckRequest message = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
        dtr_rpc_call_reply(call, &message.base);
    } else {
        dtr_rpc_call_reply(call, request->message);
    }
}

enum { PART_MAX = 1 << 20 }; /* what a stranger may ask for */

/* One server stream's answer: several may be open at once. */
struct parts {
    struct echo *echo;
    size_t left;
    char *text;
};

static void send_parts(void *context, struct dtr_rpc_call *call)
{
    struct parts *parts = context;
    while (parts->left > 0 && dtr_rpc_call_queued(call) < DTR_RPC_HIGH_WATER) {
        (void)echo_send(call, parts->text);
        parts->left--;
    }
    parts->echo->parts_left = parts->left;
    if (parts->left == 0)
        dtr_rpc_call_finish(call, DTR_RPC_OK, NULL);
}

static void parts_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct parts *parts = context;
    struct echo *echo = parts->echo;
    free(parts->text);
    free(parts);
    on_closed(&echo->server, call, status);
}

static void server_stream(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    static const struct dtr_rpc_events events = {.writable = send_parts, .closed = parts_closed};
    struct echo *echo = service;
    char *end = NULL;
    echo->requests++;
    if (strcmp(text_of(request), "hold") == 0) {
        hold(echo, call);
        dtr_rpc_call_headers(call);
        return;
    }
    echo->server = (struct record){.call = call};
    struct parts *parts = calloc(1, sizeof(*parts));
    if (!parts)
        abort();
    parts->echo = echo;
    parts->left = strtoul(text_of(request), &end, 10);
    size_t size = strtoul(end, NULL, 10);
    parts->text = echo_text(size < PART_MAX ? size : PART_MAX);
    dtr_rpc_call_adopt(call, &events, parts);
    send_parts(parts, call);
}

static void stream_open(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_events *events)
{
    struct echo *echo = service;
    echo->requests++;
    hold(echo, call);
    dtr_rpc_call_adopt(call, events, echo);
    if (echo->slow)
        dtr_rpc_call_credit(call, echo->credit);
    if (echo->early)
        dtr_rpc_call_headers(call);
}

static void stream_message(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    on_message(&((struct echo *)context)->server, call, message);
}

static void stream_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    on_closed(&((struct echo *)context)->server, call, status);
}

static void client_stream_end(void *context, struct dtr_rpc_call *call)
{
    struct echo *echo = context;
    char text[32];
    echo->server.ends++;
    (void)snprintf(text, sizeof(text), "%d messages", echo->server.messages);
    (void)echo_send(call, text);
    dtr_rpc_call_finish(call, DTR_RPC_OK, NULL);
}

static void client_stream(void *service, struct dtr_rpc_call *call)
{
    static const struct dtr_rpc_events events = {
        .message = stream_message, .end = client_stream_end, .closed = stream_closed};
    stream_open(service, call, &events);
}

static void bidi_message(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct echo *echo = context;
    on_message(&echo->server, call, message);
    if (strcmp(text_of(message), "finish") == 0)
        dtr_rpc_call_finish(call, DTR_RPC_OK, NULL);
    else if (!echo->mute)
        (void)dtr_rpc_call_send_bytes(call, message->bytes, message->length, NULL);
}

static void bidi_end(void *context, struct dtr_rpc_call *call)
{
    ((struct echo *)context)->server.ends++;
    dtr_rpc_call_finish(call, DTR_RPC_OK, NULL);
}

static void bidi(void *service, struct dtr_rpc_call *call)
{
    static const struct dtr_rpc_events events = {
        .message = bidi_message, .end = bidi_end, .closed = stream_closed};
    stream_open(service, call, &events);
}

const struct dtr_rpc_handler echo_handlers[4] = {{&echo_unary, unary, NULL},
                                                 {&echo_server_stream, server_stream, NULL},
                                                 {&echo_client_stream, NULL, client_stream},
                                                 {&echo_bidi, NULL, bidi}};
