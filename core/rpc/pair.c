/* Two sessions joined in memory; see pair.h. */
#include "core/rpc/pair.h"

#include "core/base/reader.h"
#include <assert.h>
#include <stdlib.h>

static void record(struct pair *pair, bool by_server, struct dtr_str *seen)
{
    if (!by_server && seen->length >= 24 && memcmp(seen->text, "PRI * HTTP/2.0", 14) == 0)
        dtr_str_skip(seen, 24);
    while (seen->length >= 9) {
        struct dtr_reader reader = dtr_reader_of(seen->text, seen->length);
        struct pair_frame frame = {.by_server = by_server};
        frame.length = (uint32_t)dtr_read_be(&reader, 3);
        frame.type = dtr_read_u8(&reader);
        frame.flags = dtr_read_u8(&reader);
        frame.stream = dtr_read_u32(&reader);
        if (dtr_reader_left(&reader) < frame.length)
            return;
        if (frame.type == NGHTTP2_RST_STREAM)
            frame.error = dtr_read_u32(&reader);
        if (frame.type == NGHTTP2_GOAWAY)
            frame.error = (uint32_t)(dtr_read_be(&reader, 8) & UINT32_MAX);
        if (pair->frame_count < PAIR_FRAMES)
            pair->frames[pair->frame_count++] = frame;
        dtr_str_skip(seen, 9 + frame.length);
    }
}

static void on_write(void *context, const uint8_t *bytes, size_t length)
{
    struct pair_side *side = context;
    dtr_str_add(&side->out, bytes, length);
    dtr_str_add(&side->seen, bytes, length);
    record(side->pair, side == &side->pair->server, &side->seen);
}

static uint64_t on_pending(void *context)
{
    return ((struct pair_side *)context)->choke;
}

static void on_settled(void *context)
{
    ((struct pair_side *)context)->settled++;
}

static void on_goaway(void *context)
{
    ((struct pair_side *)context)->goaway = true;
}

static bool on_refused(void *context, struct dtr_rpc_call *call)
{
    struct pair_side *side = context;
    side->refused++;
    if (!side->takes || !dtr_rpc_call_rewind(call))
        return false;
    dtr_list_add_tail(&side->taken, &call->link);
    return true;
}

static void on_over(void *context)
{
    ((struct pair_side *)context)->over = true;
}

static const struct dtr_rpc_owner pair_owner = {.write = on_write,
                                                .pending = on_pending,
                                                .settled = on_settled,
                                                .goaway = on_goaway,
                                                .refused = on_refused,
                                                .over = on_over};

static uint64_t now_ms(void *context)
{
    return ((struct pair_side *)context)->pair->now_ms;
}

static void on_wake(void *context)
{
    ((struct pair_side *)context)->wakes = true;
}

static void side_open(struct pair *pair, struct pair_side *side, struct dtr_rpc_table *table,
                      const struct dtr_rpc_limits *limits)
{
    struct dtr_error err;
    side->pair = pair;
    dtr_list_init(&side->taken);
    dtr_rpc_hub_init(&side->hub, limits, table != NULL);
    side->hub.now_ms = now_ms;
    side->hub.wake = on_wake;
    side->hub.context = side;
    int rc = dtr_rpc_session_new(&side->hub, table, &pair_owner, side, &side->session, &err);
    assert(rc == DTR_OK);
    (void)rc;
    side->session->authority = "pair";
}

void pair_open(struct pair *pair, const struct dtr_rpc_handler *handlers, size_t count, void *service,
               const struct dtr_rpc_limits *limits)
{
    struct dtr_error err;
    *pair = (struct pair){.now_ms = 1000, .chunk = SIZE_MAX};
    int rc = dtr_rpc_table_new(&pair->table, &err);
    if (rc == DTR_OK)
        rc = dtr_rpc_table_add(pair->table, handlers, count, service, &err);
    assert(rc == DTR_OK);
    (void)rc;
    side_open(pair, &pair->server, pair->table, limits);
    side_open(pair, &pair->client, NULL, limits);
}

static bool turn(struct pair_side *side)
{
    if (!side->wakes && dtr_rpc_hub_next_ms(&side->hub) > side->pair->now_ms)
        return false;
    side->wakes = false;
    dtr_rpc_hub_turn(&side->hub);
    return true;
}

static bool move(struct pair_side *from, struct pair_side *to)
{
    struct dtr_error err;
    size_t length = from->out.length < from->pair->chunk ? from->out.length : from->pair->chunk;
    if (length == 0)
        return false;
    /* A copy of the exact size, so that a read past its end shows. */
    uint8_t *bytes = malloc(length);
    assert(bytes);
    memcpy(bytes, from->out.text, length);
    dtr_str_skip(&from->out, length);
    if (!from->pair->cut && to->receive_rc == DTR_OK)
        to->receive_rc = dtr_rpc_session_receive(to->session, bytes, length, &err);
    free(bytes);
    return true;
}

void pair_run(struct pair *pair)
{
    bool busy = true;
    while (busy) {
        busy = turn(&pair->client);
        busy = turn(&pair->server) || busy;
        busy = move(&pair->client, &pair->server) || busy;
        busy = move(&pair->server, &pair->client) || busy;
    }
}

static void side_close(struct pair_side *side)
{
    struct dtr_list *node = NULL;
    while ((node = dtr_list_pop(&side->taken)))
        dtr_rpc_call_cancel(dtr_container(node, struct dtr_rpc_call, link));
    dtr_rpc_session_lost(side->session, NULL);
    dtr_rpc_hub_turn(&side->hub);
    dtr_rpc_session_free(side->session);
    dtr_rpc_hub_free(&side->hub);
    dtr_str_free(&side->out);
    dtr_str_free(&side->seen);
}

void pair_close(struct pair *pair)
{
    side_close(&pair->client);
    side_close(&pair->server);
    dtr_rpc_table_free(pair->table);
}

struct dtr_rpc_call *pair_call(struct pair *pair, const struct dtr_rpc_method *method,
                               const struct dtr_rpc_events *events, void *context)
{
    struct dtr_error err;
    struct dtr_rpc_call *call = dtr_rpc_call_new(&pair->client.hub, false);
    assert(call);
    call->method = method;
    dtr_rpc_call_adopt(call, events, context);
    if (dtr_rpc_session_begin(pair->client.session, call, &err) != DTR_OK) {
        dtr_rpc_call_free(call);
        return NULL;
    }
    return call;
}

int pair_find(const struct pair *pair, int from, bool by_server, uint8_t type, uint32_t stream)
{
    for (size_t i = (size_t)from; i < pair->frame_count; i++) {
        const struct pair_frame *frame = &pair->frames[i];
        if (frame->by_server == by_server && frame->type == type && frame->stream == stream)
            return (int)i;
    }
    return -1;
}

void pair_inject(struct pair *pair, const void *bytes, size_t length)
{
    struct dtr_error err;
    if (pair->server.receive_rc == DTR_OK)
        pair->server.receive_rc = dtr_rpc_session_receive(pair->server.session, bytes, length, &err);
    pair_run(pair);
}
