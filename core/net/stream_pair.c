/* See stream_pair.h. */
#include "core/net/stream_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

uint32_t sum_on(uint32_t sum, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < length; i++)
        sum = sum * 31 + at[i];
    return sum;
}

static void on_data(void *context, const uint8_t *bytes, size_t length)
{
    struct end *end = context;
    end->received += length;
    end->sum = sum_on(end->sum, bytes, length);
    if (end->grants)
        dtr_stream_read(end->stream, length);
}

static void on_end(void *context)
{
    ((struct end *)context)->ended = true;
}

static void on_drained(void *context)
{
    ((struct end *)context)->drained++;
}

static void on_closed(void *context, const struct dtr_error *err)
{
    struct end *end = context;
    if (end->closed)
        abort(); /* the last event comes once */
    end->closed = true;
    end->stream = NULL;
    end->result = *err;
}

const struct dtr_stream_events end_events = {on_data, on_end, on_drained, on_closed};

void pair_accept(void *context, int fd, const struct dtr_addr *peer)
{
    struct pair *pair = context;
    (void)peer;
    if (dtr_stream_new(pair->loop, fd, &end_events, &pair->server, &pair->server.stream, NULL) != DTR_OK)
        abort();
}

void connect_pair(struct pair *pair)
{
    struct dtr_addr addr;
    struct dtr_error err;
    *pair = (struct pair){0};
    assert_int_equal(dtr_loop_new("test", &pair->loop, &err), DTR_OK);
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &addr, &err), DTR_OK);
    assert_int_equal(dtr_listen(pair->loop, &addr, pair_accept, pair, &pair->listener, &err), DTR_OK);
    dtr_listener_addr(pair->listener, &addr);
    assert_int_equal(dtr_stream_connect(pair->loop, &addr.any, 20000, &end_events, &pair->client,
                                        &pair->client.stream, &err),
                     DTR_OK);
}

void open_pair(struct pair *pair)
{
    connect_pair(pair);
    TURN_UNTIL(pair->loop, pair->server.stream);
}

void close_pair(struct pair *pair)
{
    if (pair->client.stream)
        dtr_stream_close(pair->client.stream, false);
    if (pair->server.stream)
        dtr_stream_close(pair->server.stream, false);
    TURN_UNTIL(pair->loop, !pair->client.stream && !pair->server.stream);
    dtr_listener_close(pair->listener);
    dtr_tls_drop(pair->server_tls);
    dtr_tls_drop(pair->client_tls);
    dtr_loop_free(pair->loop);
}
