/* Parents: SyncPieces says which pieces they have and where they serve them, SyncHost how busy they are. Both
 * go over one channel for each parent of each pull. */
#include "core/daemon/talk/talk_internal.h"

#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/daemon/tasks/pull_log.h"
#include "core/net/guard.h"
#include "core/obs/log.h"
#include "proto/dfdaemon.pb-c.h"
#include <stdlib.h>

/* One parent of one pull. `task` is NULL once the planner has closed it; then its calls end, and it goes with
 * the last of them. */
struct link {
    struct dtr_list link;
    struct talk *talk;
    struct dtr_task *task;
    uint32_t parent;
    struct dtr_rpc_channel *channel;
    struct dtr_rpc_call *pieces, *host; /* NULL when ended */
};

static struct dtr_planner *planner_of(const struct link *link)
{
    return link->task && !link->talk->closing ? dtr_task_planner(link->task) : NULL;
}

static void free_when_over(struct link *link)
{
    if (link->task || link->pieces || link->host)
        return;
    dtr_list_remove(&link->link);
    dtr_rpc_channel_close(link->channel);
    free(link);
}

static int start(struct link *link, const struct dtr_rpc_method *method, const ProtobufCMessage *request,
                 uint64_t idle_ms, const struct dtr_rpc_events *events, struct dtr_rpc_call **ret_call,
                 struct dtr_error *err)
{
    const struct dtr_rpc_call_options options = {.idle_ms = idle_ms};
    int rc = dtr_rpc_call_start(link->channel, method, &options, events, link, ret_call, err);
    if (rc != DTR_OK)
        return rc;
    link->talk->open_calls++;
    (void)dtr_rpc_call_send(*ret_call, request, NULL);
    dtr_rpc_call_end(*ret_call);
    return DTR_OK;
}

/* --- SyncHost ----------------------------------------------------------------------------------- */

static void on_load(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    const struct link *link = context;
    const Common__V2__Network *network = ((const Common__V2__Host *)(const void *)message->message)->network;
    struct dtr_planner *planner = planner_of(link);
    (void)call;
    if (planner && network)
        dtr_planner_parent_load(planner, dtr_now_ms(), link->parent, network->max_tx_bandwidth,
                                network->has_tx_bandwidth_case ? network->tx_bandwidth : 0);
}

/* The parent goes on being judged by what the scheduler said of it. */
static void on_load_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct link *link = context;
    struct talk *talk = link->talk;
    (void)call;
    if (link->task && status->code != DTR_RPC_OK)
        dtr_log(DTR_LOG_DEBUG, dtr_task_pull_id(link->task), "a parent does not say how busy it is: %s: %s",
                dtr_rpc_code_name(status->code), status->message);
    link->host = NULL;
    free_when_over(link);
    talk_call_over(talk);
}

static void ask_load(struct link *link)
{
    static const struct dtr_rpc_events events = {.message = on_load, .closed = on_load_closed};
    struct dtr_daemon *daemon = link->talk->daemon;
    Dfdaemon__V2__SyncHostRequest request = DFDAEMON__V2__SYNC_HOST_REQUEST__INIT;
    char uuid[37], peer_id[DTR_HOST_ID_SIZE];
    struct dtr_error err;
    dtr_uuid(uuid);
    int rc = dtr_peer_id(peer_id, daemon->ip, daemon->hostname, uuid, daemon->config->seed_peer.enable, &err);
    request.host_id = daemon->host_id;
    request.peer_id = peer_id;
    if (rc == DTR_OK)
        rc = start(link, &dtr_rpc_upload_sync_host, &request.base, 0, &events, &link->host, &err);
    if (rc != DTR_OK)
        dtr_log(DTR_LOG_DEBUG, dtr_task_pull_id(link->task), "a parent cannot be asked how busy it is: %s",
                err.text);
}

/* --- SyncPieces --------------------------------------------------------------------------------- */

static void tell_end(struct talk *talk, struct dtr_task *task, uint32_t parent, const struct dtr_error *err)
{
    struct dtr_planner *planner = task && !talk->closing ? dtr_task_planner(task) : NULL;
    if (!planner)
        return;
    pull_log_parent_ended(task, parent, err);
    dtr_planner_parent_ended(planner, dtr_now_ms(), parent, err);
    dtr_task_act(task);
}

static void on_piece(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct link *link = context;
    const Dfdaemon__V2__SyncPiecesResponse *piece = (const void *)message->message;
    struct dtr_planner *planner = planner_of(link);
    struct dtr_addr addr;
    (void)call;
    /* A peer is dialled only at the address that it announced. */
    if (!planner || !piece->has_tcp_port_case || piece->tcp_port < 1 || piece->tcp_port > 65535 ||
        dtr_addr_ip(dtr_planner_parent(planner, link->parent)->address, (uint16_t)piece->tcp_port, &addr,
                    NULL) != DTR_OK ||
        dtr_task_parent_at(link->task, link->parent, &addr, NULL) != DTR_OK)
        return;
    dtr_planner_piece_seen(planner, dtr_now_ms(), link->parent, piece->number);
    dtr_task_act(link->task);
}

static void on_pieces_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct link *link = context;
    struct talk *talk = link->talk;
    struct dtr_task *task = link->task;
    uint32_t parent = link->parent;
    struct dtr_error err;
    (void)call;
    (void)dtr_rpc_status_error(status, "the parent", &err);
    link->pieces = NULL;
    free_when_over(link);
    tell_end(talk, task, parent, &err);
    talk_call_over(talk);
}

/* A list that another one has replaced. */
static void on_replaced_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    (void)call;
    (void)status;
    talk_call_over(context);
}

/* The pieces that are wanted and missing. */
static uint32_t *interests(const struct dtr_planner *planner, size_t *ret_count)
{
    uint32_t count = dtr_planner_piece_count(planner);
    uint32_t *numbers = calloc(count + (size_t)1, sizeof(*numbers));
    *ret_count = 0;
    for (uint32_t i = 0; numbers && i < count; i++) {
        if (dtr_planner_interested(planner, i))
            numbers[(*ret_count)++] = i;
    }
    return numbers;
}

static int ask_pieces(struct link *link, struct dtr_error *err)
{
    static const struct dtr_rpc_events events = {.message = on_piece, .closed = on_pieces_closed};
    static const struct dtr_rpc_events replaced = {.closed = on_replaced_closed};
    Dfdaemon__V2__SyncPiecesRequest request = DFDAEMON__V2__SYNC_PIECES_REQUEST__INIT;
    if (link->pieces) {
        dtr_rpc_call_adopt(link->pieces, &replaced, link->talk);
        dtr_rpc_call_cancel(link->pieces);
        link->pieces = NULL;
    }
    request.host_id = link->talk->daemon->host_id;
    request.task_id = (char *)(uintptr_t)dtr_task_id_of(link->task);
    request.interested_piece_numbers =
        interests(dtr_task_planner(link->task), &request.n_interested_piece_numbers);
    uint64_t patience = link->talk->daemon->config->download.collected_piece_timeout_ms;
    int rc =
        request.interested_piece_numbers
            ? start(link, &dtr_rpc_upload_sync_pieces, &request.base, patience, &events, &link->pieces, err)
            : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a list of pieces");
    free(request.interested_piece_numbers);
    return rc;
}

/* --- links -------------------------------------------------------------------------------------- */

static struct link *find(struct talk *talk, const struct dtr_task *task, uint32_t parent)
{
    dtr_list_each (node, &talk->links) {
        struct link *link = dtr_container(node, struct link, link);
        if (link->task == task && link->parent == parent)
            return link;
    }
    return NULL;
}

/* A parent that is gone is everyday life; one that certificates keep away is for the operator to put right.
 */
static void on_state(void *context, struct dtr_rpc_channel *channel, enum dtr_rpc_state state,
                     const struct dtr_error *err)
{
    const struct link *link = context;
    (void)channel;
    if (state == DTR_RPC_LOST && link->task && err && err->code == DTR_EDENIED)
        dtr_log(DTR_LOG_WARN, dtr_task_pull_id(link->task), "a parent gives nothing: %s", err->text);
}

static int make(struct talk *talk, struct dtr_task *task, uint32_t parent, struct link **ret_link,
                struct dtr_error *err)
{
    const struct dtr_plan_parent *said = dtr_planner_parent(dtr_task_planner(task), parent);
    struct link *link = calloc(1, sizeof(*link));
    const struct dtr_rpc_channel_options options = {
        .tls = talk->daemon->parents_tls, .state = on_state, .context = link};
    struct dtr_addr addr;
    if (!link)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a parent");
    *link = (struct link){.talk = talk, .task = task, .parent = parent};
    int rc = dtr_addr_ip(said->address, said->port, &addr, err);
    if (rc == DTR_OK && !dtr_guard_allows(&addr.any, false))
        rc = dtr_error_set(err, DTR_EDENIED, DTR_RETRY_ELSEWHERE,
                           "parent %s is at %s, which is loopback, link-local or this machine; list it in "
                           "security.outbound.allow if it is right",
                           said->host_id, said->address);
    if (rc == DTR_OK)
        rc = dtr_rpc_channel_new(talk->daemon->parts.control, &addr, &options, &link->channel, err);
    if (rc != DTR_OK) {
        free(link);
        return rc;
    }
    dtr_list_add_tail(&talk->links, &link->link);
    *ret_link = link;
    return DTR_OK;
}

/* No more is heard of it. */
static void end(struct link *link)
{
    link->task = NULL;
    if (link->pieces)
        dtr_rpc_call_cancel(link->pieces);
    if (link->host)
        dtr_rpc_call_cancel(link->host);
    free_when_over(link);
}

void link_open(struct talk *talk, struct dtr_task *task, uint32_t parent)
{
    struct dtr_error err;
    struct link *link = find(talk, task, parent);
    if (talk->closing)
        return; /* what were begun now, nobody would end */
    int rc = link ? DTR_OK : make(talk, task, parent, &link, &err);
    if (rc == DTR_OK)
        rc = ask_pieces(link, &err);
    if (rc == DTR_OK && !link->host)
        ask_load(link);
    if (rc == DTR_OK)
        return;
    if (err.code == DTR_EDENIED)
        dtr_log(DTR_LOG_WARN, dtr_task_pull_id(task), "%s", err.text);
    if (link)
        end(link);
    tell_end(talk, task, parent, &err);
}

void link_close(struct talk *talk, struct dtr_task *task, uint32_t parent)
{
    struct link *link = find(talk, task, parent);
    if (link)
        end(link);
}

void links_close(struct talk *talk, const struct dtr_task *task)
{
    dtr_list_each_safe (node, &talk->links) {
        struct link *link = dtr_container(node, struct link, link);
        if (link->task && (!task || link->task == task))
            end(link);
    }
}
