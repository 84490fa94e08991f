/* Hosts and the streams between them. A stream is one call over TCP: messages in order, each after the
 * latency of its pair of hosts, perhaps bytes from the server, and an end of which each side hears once. */
#include "core/sim/sim_internal.h"

#define CONNECT_US 5000000u   /* patience with who does not answer at all */
#define GIVE_UP_US 120000000u /* until TCP gives up a partner that vanished */

uint64_t sim_now_ms(const struct dtr_sim *sim)
{
    return sim->clock.now_us / 1000;
}

void sim_host_init(struct dtr_sim *sim, struct sim_host *host, uint32_t number, double up, double down)
{
    *host =
        (struct sim_host){.sim = sim, .number = number, .alive = true, .speed_up = up, .speed_down = down};
    dtr_list_init(&host->ends);
    sim_link_init(&host->up, up, true);
    sim_link_init(&host->down, down, false);
}

static bool asleep(const struct sim_host *host)
{
    return host->frozen_us > host->sim->clock.now_us;
}

bool sim_host_sleeps(struct sim_host *host, struct sim_timer *timer)
{
    if (!asleep(host))
        return false;
    sim_timer_set(&host->sim->clock, timer, host->frozen_us);
    return true;
}

void sim_host_links(struct sim_host *host)
{
    bool works = host->alive && !asleep(host);
    sim_link_change(&host->sim->net, &host->up, works ? host->speed_up : 0);
    sim_link_change(&host->sim->net, &host->down, works ? host->speed_down : 0);
}

static bool apart(const struct sim_host *a, const struct sim_host *b)
{
    return a->sim->partition && a->island != b->island;
}

/* One way between two hosts, always the same. */
static uint32_t latency(const struct sim_host *a, const struct sim_host *b)
{
    const struct dtr_sim_config *config = &a->sim->config;
    uint32_t low = a->number < b->number ? a->number : b->number;
    uint32_t high = a->number < b->number ? b->number : a->number;
    uint64_t z = (uint64_t)low << 32 | high;
    z = (z ^ z >> 31) * 0xbf58476d1ce4e5b9u;
    return config->latency_us + (uint32_t)((z ^ z >> 29) % (config->latency_spread_us + (uint64_t)1));
}

/* --- bytes ------------------------------------------------------------------------------------------- */

static void count(struct sim_stream *stream, uint64_t bytes)
{
    uint64_t more = bytes - stream->counted;
    stream->counted = bytes;
    if (more && stream->given)
        stream->given(&stream->server, more);
}

static void stop_bytes(struct sim_stream *stream)
{
    if (!stream->flowing)
        return;
    uint64_t bytes = sim_flow_bytes(&stream->flow);
    stream->flowing = false;
    sim_flow_end(&stream->flow);
    count(stream, bytes);
}

static void on_moved(struct sim_flow *flow, uint64_t bytes)
{
    struct sim_stream *stream = dtr_container(flow, struct sim_stream, flow);
    bool all = bytes == flow->size;
    stream->flowing = !all;
    count(stream, bytes);
    if (stream->client.open)
        stream->bytes(&stream->client, bytes, all);
}

static void follow_partition(struct sim_stream *stream)
{
    if (stream->flowing)
        sim_flow_hold(&stream->flow, stream->held || apart(stream->client.host, stream->server.host));
}

/* The first of them is about to come, behind what was sent before. */
static void start_bytes(struct sim_stream *stream, uint64_t size)
{
    struct sim_host *from = stream->server.host;
    if (!stream->server.open)
        return;
    stream->flowing = true;
    stream->counted = 0;
    stream->flow.moved = on_moved;
    sim_flow_start(&from->sim->net, &stream->flow, &from->up, &stream->client.host->down, size);
    follow_partition(stream);
}

void sim_hold_bytes(struct sim_end *client, bool hold)
{
    client->stream->held = hold;
    follow_partition(client->stream);
}

/* --- packets ------------------------------------------------------------------------------------------- */

static void free_when_over(struct sim_stream *stream)
{
    if (stream->client.open || stream->server.open || stream->packets || stream->flowing)
        return;
    dtr_list_remove(&stream->all);
    free(stream);
}

static void shut(struct sim_end *end)
{
    end->open = false;
    dtr_list_remove(&end->link);
}

static struct sim_packet *packet_new(struct sim_end *to, void *body)
{
    struct sim_packet *packet = sim_alloc(1, sizeof(*packet));
    packet->to = to;
    packet->body = body;
    to->stream->packets++;
    return packet;
}

static void deliver(struct sim_timer *timer);

static void post(struct sim_packet *packet, uint64_t delay_us)
{
    struct sim_clock *clock = &packet->to->host->sim->clock;
    packet->timer.run = deliver;
    sim_timer_set(clock, &packet->timer, clock->now_us + delay_us);
}

void sim_send_bytes(struct sim_end *server, uint64_t size)
{
    if (!server->open)
        return;
    struct sim_packet *packet = packet_new(server->peer, NULL);
    packet->bytes = size;
    post(packet, server->stream->latency_us);
}

static void send_close(struct sim_end *to, const struct dtr_error *err, uint64_t delay_us)
{
    struct sim_packet *packet = packet_new(to, NULL);
    packet->closes = true;
    packet->code = err ? err->code : 0;
    packet->retry = err ? err->retry : DTR_RETRY_NEVER;
    packet->status = err ? err->status : 0;
    packet->text = err ? strdup(err->text) : NULL;
    post(packet, delay_us);
}

static void refuse(struct sim_end *server)
{
    struct dtr_error err;
    (void)dtr_error_set(&err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "nobody listens there");
    send_close(server->peer, &err, server->host->vanished ? CONNECT_US : server->stream->latency_us);
}

static void accept_stream(struct sim_end *server, void *body)
{
    struct sim_host *host = server->host;
    struct dtr_sim *sim = host->sim;
    if (!host->alive) {
        refuse(server);
        return;
    }
    server->open = true;
    dtr_list_add_tail(&host->ends, &server->link);
    if (host == &sim->origin)
        origin_accept(server, body);
    else if (host == &sim->scheduler.host)
        scheduler_accept(server, body);
    else
        daemon_accept(server, body);
}

static void hand_over(const struct sim_packet *packet)
{
    struct sim_end *end = packet->to;
    struct dtr_error err = {.code = packet->code, .retry = packet->retry, .status = packet->status};
    if (packet->opens) {
        accept_stream(end, packet->body);
        return;
    }
    if (packet->bytes) {
        start_bytes(end->stream, packet->bytes);
        return;
    }
    if (!end->open)
        return;
    if (!packet->closes) {
        end->message(end, packet->body);
        return;
    }
    if (packet->text)
        (void)snprintf(err.text, sizeof(err.text), "%s", packet->text);
    stop_bytes(end->stream);
    shut(end);
    if (end->closed)
        end->closed(end, &err);
}

static void packet_free(struct sim_packet *packet)
{
    struct sim_stream *stream = packet->to->stream;
    stream->packets--;
    free((void *)(uintptr_t)packet->text);
    free(packet->body);
    free(packet);
    free_when_over(stream);
}

static void deliver(struct sim_timer *timer)
{
    struct sim_packet *packet = dtr_container(timer, struct sim_packet, timer);
    struct sim_host *host = packet->to->host;
    if (apart(host, packet->to->peer->host)) {
        dtr_list_add_tail(&host->sim->held, &packet->link);
        return;
    }
    if (sim_host_sleeps(host, &packet->timer))
        return;
    hand_over(packet);
    packet_free(packet);
}

/* --- streams ------------------------------------------------------------------------------------------- */

struct sim_end *sim_open(struct sim_host *from, struct sim_host *to, enum sim_service service, void *body,
                         sim_message_fn message, sim_closed_fn closed, void *context)
{
    struct sim_stream *stream = sim_alloc(1, sizeof(*stream));
    *stream = (struct sim_stream){.sim = from->sim, .service = service, .latency_us = latency(from, to)};
    stream->client = (struct sim_end){
        .host = from, .open = true, .message = message, .closed = closed, .context = context};
    stream->server = (struct sim_end){.host = to};
    stream->client.stream = stream->server.stream = stream;
    stream->client.peer = &stream->server;
    stream->server.peer = &stream->client;
    dtr_list_add_tail(&from->ends, &stream->client.link);
    dtr_list_add_tail(&from->sim->streams, &stream->all);
    struct sim_packet *packet = packet_new(&stream->server, body);
    packet->opens = true;
    post(packet, stream->latency_us);
    return &stream->client;
}

void sim_send(struct sim_end *end, void *body)
{
    if (end->open)
        post(packet_new(end->peer, body), end->stream->latency_us);
    else
        free(body);
}

void sim_close(struct sim_end *end, const struct dtr_error *err)
{
    if (!end->open)
        return;
    if (end == &end->stream->server)
        stop_bytes(end->stream);
    shut(end);
    send_close(end->peer, err, end->stream->latency_us);
}

void sim_host_gone(struct sim_host *host, bool silently)
{
    struct dtr_error err;
    (void)dtr_error_set(&err, DTR_ECLOSED, DTR_RETRY_ELSEWHERE, "the connection broke");
    host->alive = false;
    host->vanished = silently;
    while (!dtr_list_empty(&host->ends)) {
        struct sim_end *end = dtr_container(host->ends.next, struct sim_end, link);
        if (end == &end->stream->server && !silently)
            stop_bytes(end->stream);
        shut(end);
        send_close(end->peer, &err, silently ? GIVE_UP_US : end->stream->latency_us);
    }
    sim_host_links(host);
}

void sim_partition(struct dtr_sim *sim, bool on)
{
    struct dtr_list *node;
    sim->partition = on;
    for (uint32_t i = 0; i < sim->config.daemons; i++)
        sim->daemons[i].host.island = i + sim->island >= sim->config.daemons;
    dtr_list_each (at, &sim->streams)
        follow_partition(dtr_container(at, struct sim_stream, all));
    while (!on && (node = dtr_list_pop(&sim->held))) {
        struct sim_packet *packet = dtr_container(node, struct sim_packet, link);
        post(packet, packet->to->stream->latency_us);
    }
}

void sim_wire_free(struct dtr_sim *sim)
{
    struct dtr_list *node;
    for (uint32_t i = 0; i < sim->clock.count; i++) {
        if (sim->clock.heap[i]->run == deliver)
            dtr_list_add_tail(&sim->held, &dtr_container(sim->clock.heap[i], struct sim_packet, timer)->link);
    }
    while ((node = dtr_list_pop(&sim->held))) {
        struct sim_packet *packet = dtr_container(node, struct sim_packet, link);
        free((void *)(uintptr_t)packet->text);
        free(packet->body);
        free(packet);
    }
    while ((node = dtr_list_pop(&sim->streams)))
        free(dtr_container(node, struct sim_stream, all));
}
