/* Parents: SyncPieces says which pieces they have and where they serve them. */
#include "core/daemon/talk_internal.h"

#include "core/base/clock.h"
#include "core/daemon/pull_log.h"
#include "proto/dfdaemon.pb-c.h"
#include <stdlib.h>

enum { PIECES_IDLE_MS = 360000 };

/* One parent of one pull. `task` is NULL once the planner has closed it. */
struct link {
    struct dtr_list link;
    struct talk *talk;
    struct dtr_task *task;
    uint32_t parent;
    struct dtr_rpc_channel *channel;
    struct dtr_rpc_call *call;
};

static void tell_end(struct talk *talk, struct dtr_task *task, uint32_t parent, const struct dtr_error *err)
{
    struct dtr_planner *planner = task && !talk->closing ? dtr_task_planner(task) : NULL;
    if (!planner)
        return;
    pull_log_parent_ended(task, parent, err);
    dtr_planner_parent_ended(planner, dtr_now_ms(), parent, err);
    dtr_task_act(task);
}

static void on_message(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct link *link = context;
    const Dfdaemon__V2__SyncPiecesResponse *piece = (const void *)message->message;
    struct dtr_planner *planner = link->task ? dtr_task_planner(link->task) : NULL;
    struct dtr_addr addr;
    (void)call;
    if (!planner || !piece->has_tcp_port_case || piece->tcp_port < 1 || piece->tcp_port > 65535 ||
        dtr_addr_ip(piece->ip, (uint16_t)piece->tcp_port, &addr, NULL) != DTR_OK ||
        dtr_task_parent_at(link->task, link->parent, &addr, NULL) != DTR_OK)
        return;
    dtr_planner_piece_seen(planner, dtr_now_ms(), link->parent, piece->number);
    dtr_task_act(link->task);
}

static void on_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct link *link = context;
    struct talk *talk = link->talk;
    struct dtr_task *task = link->task;
    uint32_t parent = link->parent;
    struct dtr_error err;
    (void)call;
    (void)dtr_rpc_status_error(status, "the parent", &err);
    dtr_list_remove(&link->link);
    dtr_rpc_channel_close(link->channel);
    free(link);
    tell_end(talk, task, parent, &err);
    talk_call_over(talk);
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

static int ask(struct link *link, struct dtr_error *err)
{
    static const struct dtr_rpc_events events = {.message = on_message, .closed = on_closed};
    const struct dtr_rpc_call_options options = {.idle_ms = PIECES_IDLE_MS};
    const struct dtr_planner *planner = dtr_task_planner(link->task);
    const struct dtr_plan_parent *parent = dtr_planner_parent(planner, link->parent);
    Dfdaemon__V2__SyncPiecesRequest request = DFDAEMON__V2__SYNC_PIECES_REQUEST__INIT;
    struct dtr_addr addr;
    int rc = dtr_addr_ip(parent->address, parent->port, &addr, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_channel_new(link->talk->daemon->parts.control, &addr, NULL, &link->channel, err);
    if (rc != DTR_OK)
        return rc;
    request.host_id = link->talk->daemon->host_id;
    request.task_id = (char *)(uintptr_t)dtr_task_id_of(link->task);
    request.interested_piece_numbers = interests(planner, &request.n_interested_piece_numbers);
    rc = request.interested_piece_numbers
             ? dtr_rpc_call_start(link->channel, &dtr_rpc_upload_sync_pieces, &options, &events, link,
                                  &link->call, err)
             : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a list of pieces");
    if (rc == DTR_OK) {
        (void)dtr_rpc_call_send(link->call, &request.base, NULL);
        dtr_rpc_call_end(link->call);
    }
    free(request.interested_piece_numbers);
    return rc;
}

void link_open(struct talk *talk, struct dtr_task *task, uint32_t parent)
{
    struct dtr_error err = {.code = DTR_ENOMEM, .text = "out of memory for a parent"};
    struct link *link = calloc(1, sizeof(*link));
    int rc = DTR_ENOMEM;
    if (link) {
        *link = (struct link){.talk = talk, .task = task, .parent = parent};
        rc = ask(link, &err);
    }
    if (rc == DTR_OK) {
        talk->open_calls++;
        dtr_list_add_tail(&talk->links, &link->link);
        return;
    }
    if (link)
        dtr_rpc_channel_close(link->channel);
    free(link);
    tell_end(talk, task, parent, &err);
}

void link_close(struct talk *talk, struct dtr_task *task, uint32_t parent)
{
    dtr_list_each (node, &talk->links) {
        struct link *link = dtr_container(node, struct link, link);
        if (link->task != task || link->parent != parent)
            continue;
        link->task = NULL;
        dtr_rpc_call_cancel(link->call);
        return;
    }
}

void links_cancel(struct talk *talk)
{
    dtr_list_each (node, &talk->links) {
        struct link *link = dtr_container(node, struct link, link);
        link->task = NULL;
        dtr_rpc_call_cancel(link->call);
    }
}
