/* Answers: the swarm's facts as protobuf. */
#include "core/base/buf.h"
#include "core/rpc/field.h"
#include "core/scheduler/role.h"

/* protobuf-c wants char * for what it only reads. */
static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

static void fill_time(const struct dtr_scheduler *scheduler, uint64_t swarm_ms,
                      Google__Protobuf__Timestamp *time)
{
    int64_t wall_ms = (int64_t)swarm_ms + scheduler->wall_offset_ms;
    google__protobuf__timestamp__init(time);
    time->seconds = wall_ms / 1000;
    time->nanos = (int32_t)(wall_ms % 1000) * 1000000;
}

/* The bounds are Dragonfly's (features page 2.3). */
static Common__V2__SizeScope size_scope(const struct dtr_swarm_task *task)
{
    enum { TINY_MOST = 128 };
    if (task->content_length == 0)
        return COMMON__V2__SIZE_SCOPE__EMPTY;
    if (task->content_length <= TINY_MOST)
        return COMMON__V2__SIZE_SCOPE__TINY;
    return task->piece_count == 1 ? COMMON__V2__SIZE_SCOPE__SMALL : COMMON__V2__SIZE_SCOPE__NORMAL;
}

struct task_message {
    Common__V2__Task task;
    Google__Protobuf__Timestamp created, updated;
};

static void fill_task(const struct dtr_scheduler *scheduler, const struct dtr_swarm_task *task,
                      struct task_message *message)
{
    Common__V2__Task *out = &message->task;
    common__v2__task__init(out);
    fill_time(scheduler, task->created_ms, &message->created);
    fill_time(scheduler, task->updated_ms, &message->updated);
    out->id = text(task->id);
    out->url = text(task->url);
    out->content_length = task->content_length == DTR_LENGTH_UNKNOWN ? 0 : task->content_length;
    out->piece_count = task->piece_count;
    out->size_scope = size_scope(task);
    out->state = text(dtr_task_state_text(task->state));
    out->peer_count = task->peer_count;
    out->has_available_peer = task->offer_count > 0;
    out->created_at = &message->created;
    out->updated_at = &message->updated;
    if (task->digest[0]) {
        out->has_digest_case = COMMON__V2__TASK__HAS_DIGEST_DIGEST;
        out->digest = text(task->digest);
    }
    if (task->tag[0]) {
        out->has_tag_case = COMMON__V2__TASK__HAS_TAG_TAG;
        out->tag = text(task->tag);
    }
    if (task->application[0]) {
        out->has_application_case = COMMON__V2__TASK__HAS_APPLICATION_APPLICATION;
        out->application = text(task->application);
    }
}

struct host_message {
    Common__V2__Host host;
    Common__V2__Network network;
};

static void fill_host(const struct dtr_swarm_host *host, struct host_message *message)
{
    const struct dtr_swarm_announce *facts = &host->facts;
    Common__V2__Network *network = &message->network;
    common__v2__host__init(&message->host);
    common__v2__network__init(network);
    message->host.id = text(facts->id);
    message->host.type = facts->type;
    message->host.hostname = text(facts->hostname);
    message->host.ip = text(facts->ip);
    message->host.port = facts->port;
    message->host.download_port = facts->download_port;
    message->host.disable_shared = facts->disable_shared;
    message->host.network = network;
    network->max_tx_bandwidth = facts->max_tx;
    network->max_rx_bandwidth = facts->max_rx;
    network->has_tx_bandwidth_case = COMMON__V2__NETWORK__HAS_TX_BANDWIDTH_TX_BANDWIDTH;
    network->tx_bandwidth = facts->tx;
    network->has_rx_bandwidth_case = COMMON__V2__NETWORK__HAS_RX_BANDWIDTH_RX_BANDWIDTH;
    network->rx_bandwidth = facts->rx;
    if (facts->idc[0]) {
        network->has_idc_case = COMMON__V2__NETWORK__HAS_IDC_IDC;
        network->idc = text(facts->idc);
    }
    if (facts->location[0]) {
        network->has_location_case = COMMON__V2__NETWORK__HAS_LOCATION_LOCATION;
        network->location = text(facts->location);
    }
}

/* A candidate parent, complete enough that a child may echo it to a scheduler that validates. */
struct peer_message {
    Common__V2__Peer peer;
    struct host_message host;
    struct task_message task;
    Google__Protobuf__Duration cost;
    Google__Protobuf__Timestamp created, updated;
    Common__V2__Range range;
};

static void fill_peer(const struct dtr_scheduler *scheduler, const struct dtr_swarm_peer *peer,
                      struct peer_message *message)
{
    Common__V2__Peer *out = &message->peer;
    common__v2__peer__init(out);
    google__protobuf__duration__init(&message->cost);
    fill_host(peer->host, &message->host);
    fill_task(scheduler, peer->task, &message->task);
    fill_time(scheduler, peer->created_ms, &message->created);
    fill_time(scheduler, peer->updated_ms, &message->updated);
    message->cost.seconds = (int64_t)((peer->updated_ms - peer->created_ms) / 1000);
    message->cost.nanos = (int32_t)((peer->updated_ms - peer->created_ms) % 1000) * 1000000;
    out->id = text(peer->id);
    out->priority = (Common__V2__Priority)peer->priority;
    out->state = text(dtr_peer_state_text(peer->state));
    out->need_back_to_source = peer->need_back_to_source;
    out->cost = &message->cost;
    out->host = &message->host.host;
    out->task = &message->task.task;
    out->created_at = &message->created;
    out->updated_at = &message->updated;
    if (peer->has_range) {
        common__v2__range__init(&message->range);
        message->range.start = peer->range_start;
        message->range.length = peer->range_length;
        out->range = &message->range;
    }
    if (peer->concurrent_pieces) {
        out->has_concurrent_piece_count_case =
            COMMON__V2__PEER__HAS_CONCURRENT_PIECE_COUNT_CONCURRENT_PIECE_COUNT;
        out->concurrent_piece_count = peer->concurrent_pieces;
    }
}

static void answer(struct announce *announce, Scheduler__V2__AnnouncePeerResponse *response)
{
    struct dtr_error err;
    if (dtr_rpc_call_send(announce->call, &response->base, &err) != DTR_OK)
        dtr_rpc_call_fail(announce->call, &err); /* a client that does not read its answers */
}

void answer_parents(const struct dtr_scheduler *scheduler, struct announce *announce,
                    const struct dtr_swarm_action *action)
{
    Scheduler__V2__AnnouncePeerResponse response = SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__INIT;
    Scheduler__V2__NormalTaskResponse normal = SCHEDULER__V2__NORMAL_TASK_RESPONSE__INIT;
    struct peer_message messages[DTR_SWARM_KEEP_MAX];
    Common__V2__Peer *peers[DTR_SWARM_KEEP_MAX];
    for (uint32_t i = 0; i < action->parent_count; i++) {
        fill_peer(scheduler, action->parents[i], &messages[i]);
        peers[i] = &messages[i].peer;
    }
    normal.n_candidate_parents = action->parent_count;
    normal.candidate_parents = peers;
    response.response_case = SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__RESPONSE_NORMAL_TASK_RESPONSE;
    response.normal_task_response = &normal;
    answer(announce, &response);
}

void answer_source(struct announce *announce, const char *description)
{
    Scheduler__V2__AnnouncePeerResponse response = SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__INIT;
    Scheduler__V2__NeedBackToSourceResponse source = SCHEDULER__V2__NEED_BACK_TO_SOURCE_RESPONSE__INIT;
    source.has_description_case = SCHEDULER__V2__NEED_BACK_TO_SOURCE_RESPONSE__HAS_DESCRIPTION_DESCRIPTION;
    source.description = text(description);
    response.response_case = SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__RESPONSE_NEED_BACK_TO_SOURCE_RESPONSE;
    response.need_back_to_source_response = &source;
    answer(announce, &response);
}

void answer_empty(struct announce *announce)
{
    Scheduler__V2__AnnouncePeerResponse response = SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__INIT;
    Scheduler__V2__EmptyTaskResponse empty = SCHEDULER__V2__EMPTY_TASK_RESPONSE__INIT;
    response.response_case = SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__RESPONSE_EMPTY_TASK_RESPONSE;
    response.empty_task_response = &empty;
    answer(announce, &response);
}

void answer_metadata_only(struct announce *announce)
{
    Scheduler__V2__AnnouncePeerResponse response = SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__INIT;
    Scheduler__V2__MetadataOnlyResponse metadata = SCHEDULER__V2__METADATA_ONLY_RESPONSE__INIT;
    response.response_case = SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__RESPONSE_METADATA_ONLY_RESPONSE;
    response.metadata_only_response = &metadata;
    answer(announce, &response);
}

void answer_task(const struct dtr_scheduler *scheduler, struct dtr_rpc_call *call,
                 const struct dtr_swarm_task *task)
{
    struct task_message message;
    fill_task(scheduler, task, &message);
    dtr_rpc_call_reply(call, &message.task.base);
}

void answer_nothing(struct dtr_rpc_call *call)
{
    Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
    dtr_rpc_call_reply(call, &empty.base);
}

/* With the host as it announced itself. Its bytes passed the bounds of a message when they came. */
void answer_peer(const struct dtr_scheduler *scheduler, struct dtr_rpc_call *call,
                 const struct dtr_swarm_peer *peer)
{
    const struct dtr_buf *raw = peer->host->facts.raw;
    Common__V2__Host *host = raw ? common__v2__host__unpack(NULL, raw->length, raw->data) : NULL;
    struct peer_message message;
    fill_peer(scheduler, peer, &message);
    if (host)
        message.peer.host = host;
    dtr_rpc_call_reply(call, &message.peer.base);
    if (host)
        common__v2__host__free_unpacked(host, NULL);
}

/* The next host that is to be listed. */
static const struct dtr_buf *next_listed(const struct dtr_swarm *swarm, const uint32_t *type,
                                         const struct dtr_swarm_host **at)
{
    while ((*at = dtr_swarm_next_host(swarm, *at))) {
        if ((*at)->facts.raw && (!type || (*at)->facts.type == *type))
            return (*at)->facts.raw;
    }
    return NULL;
}

int answer_hosts(const struct dtr_scheduler *scheduler, struct dtr_rpc_call *call, const uint32_t *type,
                 struct dtr_error *err)
{
    enum { RESPONSE_HOSTS = 1 };
    const struct dtr_swarm_host *at = NULL;
    const struct dtr_buf *raw;
    size_t size = 0;
    while ((raw = next_listed(scheduler->swarm, type, &at)))
        size += (size_t)dtr_rpc_field_size(RESPONSE_HOSTS, raw->length);
    struct dtr_rpc_out *out = dtr_rpc_out_new(size);
    if (!out)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "no memory for a list of %zu bytes", size);
    uint8_t *bytes = dtr_rpc_out_bytes(out);
    while ((raw = next_listed(scheduler->swarm, type, &at))) {
        bytes = dtr_rpc_put_head(bytes, RESPONSE_HOSTS, raw->length);
        memcpy(bytes, raw->data, raw->length);
        bytes += raw->length;
    }
    int rc = dtr_rpc_call_send_out(call, out, err);
    if (rc == DTR_OK)
        dtr_rpc_call_finish(call, DTR_RPC_OK, NULL);
    return rc;
}
