/* See net_fixture.h. */
#include "core/rpc/net_fixture.h"

#include <stdlib.h>

static void on_state(void *context, struct dtr_rpc_channel *channel, enum dtr_rpc_state state,
                     const struct dtr_error *err)
{
    struct fixture *f = context;
    (void)channel;
    (void)err;
    f->ready += state == DTR_RPC_READY;
    f->lost += state == DTR_RPC_LOST;
}

void on_stopped(void *context)
{
    ((struct fixture *)context)->stopped = true;
}

void start_server(struct fixture *f, const struct dtr_rpc_limits *limits)
{
    assert_int_equal(dtr_rpc_server_new(f->loop, limits, &f->server, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_listen(f->server, &f->addr, f->table, &f->addr, NULL), DTR_OK);
}

void stop_server(struct fixture *f, uint64_t limit_ms)
{
    f->stopped = false;
    dtr_rpc_server_stop(f->server, limit_ms, on_stopped, f);
    TURN_UNTIL(f->loop, f->stopped);
    f->server = NULL;
}

void open_channel(struct fixture *f, struct dtr_rpc_channel_options options)
{
    options.state = on_state;
    options.context = f;
    if (!options.backoff_min_ms)
        options.backoff_min_ms = 10;
    if (!options.backoff_max_ms)
        options.backoff_max_ms = 50;
    assert_int_equal(dtr_rpc_channel_new(f->loop, &f->addr, &options, &f->channel, NULL), DTR_OK);
}

void close_channel(struct fixture *f)
{
    dtr_rpc_channel_close(f->channel);
    f->channel = NULL;
}

int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    *state = f;
    assert_int_equal(dtr_loop_new("test", &f->loop, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_table_new(&f->table, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_table_add(f->table, echo_handlers, 4, &f->echo, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_health_new(&f->health, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_health_serve(f->health, f->table, NULL), DTR_OK);
    return dtr_addr_ip("127.0.0.1", 0, &f->addr, NULL);
}

int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->channel)
        close_channel(f);
    if (f->server)
        stop_server(f, 0);
    dtr_loop_free(f->loop);
    dtr_rpc_table_free(f->table);
    dtr_rpc_health_free(f->health);
    free(f);
    return 0;
}

/* --- calls ---------------------------------------------------------------------------------------------- */

static void on_done(void *context, const struct dtr_rpc_message *response,
                    const struct dtr_rpc_status *status)
{
    struct fixture *f = context;
    f->done++;
    f->ok += status->code == DTR_RPC_OK;
    f->code = status->code;
    (void)snprintf(f->text, sizeof(f->text), "%s", status->message);
    f->answer[0] = '\0';
    if (response && response->message->descriptor == &grpc__health__v1__health_check_request__descriptor)
        (void)snprintf(f->answer, sizeof(f->answer), "%s",
                       ((const Grpc__Health__V1__HealthCheckRequest *)response->message)->service);
    else if (response)
        (void)snprintf(f->answer, sizeof(f->answer), "%d",
                       (int)((const Grpc__Health__V1__HealthCheckResponse *)response->message)->status);
}

void ask(struct fixture *f, const struct dtr_rpc_method *method, const char *text,
         struct dtr_rpc_call_options options)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    request.service = (char *)(uintptr_t)text;
    assert_int_equal(dtr_rpc_unary(f->channel, method, &request.base, &options, on_done, f, NULL, NULL),
                     DTR_OK);
}

void ask_and_wait(struct fixture *f, const char *text, struct dtr_rpc_call_options options)
{
    int before = f->done;
    ask(f, &echo_unary, text, options);
    assert_int_equal(f->done, before); /* never from inside */
    TURN_UNTIL(f->loop, f->done > before);
}

void start_stream(struct fixture *f, const struct dtr_rpc_method *method, struct dtr_rpc_call_options options)
{
    f->client = (struct record){0};
    assert_int_equal(
        dtr_rpc_call_start(f->channel, method, &options, &record_events, &f->client, &f->client.call, NULL),
        DTR_OK);
}
