/* SyncPieces: tells the children of a task of each piece that is here (wire page 3.6). Which of several is
 * told first is decided in core/brain/spread.h. */
#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/brain/geometry.h"
#include "core/brain/spread.h"
#include "core/daemon/tasks/counts.h"
#include "core/daemon/upload/upload_internal.h"
#include "core/obs/metric.h"
#include "proto/dfdaemon.pb-c.h"
#include <stdlib.h>

enum { PIECES_MOST = 1 << 18 }; /* numbers that a child may ask for while the object's length is not known */

/* The children of one task. */
struct spread {
    struct dtr_list link;
    struct upload *upload;
    struct dtr_spread *brain;
    struct dtr_list syncs;
    char task_id[DTR_TASK_ID_LENGTH + 1];
};

struct sync {
    struct dtr_list link;
    struct spread *spread;
    struct dtr_spread_child *child; /* NULL: all was told */
    struct dtr_rpc_call *call;
    struct dtr_series *gauge;
    bool last; /* no more pieces will come */
};

/* --- telling ------------------------------------------------------------------------------------ */

static void tell(struct sync *sync, const struct dtr_piece *piece)
{
    struct dtr_daemon *daemon = sync->spread->upload->daemon;
    Dfdaemon__V2__SyncPiecesResponse response = DFDAEMON__V2__SYNC_PIECES_RESPONSE__INIT;
    response.number = piece->number;
    response.offset = piece->offset;
    response.length = piece->length;
    response.ip = daemon->ip;
    response.has_tcp_port_case = DFDAEMON__V2__SYNC_PIECES_RESPONSE__HAS_TCP_PORT_TCP_PORT;
    response.tcp_port = (int32_t)daemon->ports.pieces;
    (void)dtr_rpc_call_send(sync->call, &response.base, NULL);
}

static void leave(struct sync *sync)
{
    dtr_spread_leave(sync->spread->brain, dtr_now_ms(), sync->child);
    sync->child = NULL;
}

/* Ends the streams of those to whom nothing is left to tell. */
static void end_told(struct spread *spread)
{
    dtr_list_each_safe (node, &spread->syncs) {
        struct sync *sync = dtr_container(node, struct sync, link);
        if (!sync->child)
            continue;
        bool all = dtr_spread_missing(sync->child) == 0;
        if (!all && !(sync->last && dtr_spread_held(sync->child) == 0))
            continue;
        leave(sync);
        dtr_rpc_call_finish(sync->call, DTR_RPC_OK, NULL);
    }
}

static void arm(struct upload *upload)
{
    uint64_t wake = UINT64_MAX, now = dtr_now_ms();
    if (!upload->spreading)
        return; /* it stops */
    dtr_list_each (node, &upload->spreads) {
        uint64_t at = dtr_spread_wake_ms(dtr_container(node, struct spread, link)->brain);
        wake = at < wake ? at : wake;
    }
    dtr_timer_set(upload->spreading, wake == UINT64_MAX ? DTR_TIMER_OFF : wake > now ? wake - now : 0);
}

static void drain(struct spread *spread)
{
    const struct dtr_task *task = dtr_tasks_find(spread->upload->daemon->tasks, spread->task_id);
    struct dtr_spread_tell next;
    while (dtr_spread_next(spread->brain, &next)) {
        const struct dtr_piece *piece = task ? dtr_task_piece(task, next.number) : NULL;
        if (piece)
            tell(next.who, piece);
    }
    end_told(spread);
    while (dtr_spread_next(spread->brain, &next)) { /* one that is alone now is told everything */
        const struct dtr_piece *piece = task ? dtr_task_piece(task, next.number) : NULL;
        if (piece)
            tell(next.who, piece);
    }
    arm(spread->upload);
}

static void hear_sending(struct spread *spread)
{
    uint64_t now_ms = dtr_now_ms(), piece_ms;
    uint32_t moving = leaving_moving(&spread->upload->leaving, now_ms, &piece_ms);
    dtr_spread_sending(spread->brain, now_ms, moving, piece_ms);
}

static void on_spreading(void *context)
{
    struct upload *upload = context;
    dtr_list_each_safe (node, &upload->spreads) {
        struct spread *spread = dtr_container(node, struct spread, link);
        hear_sending(spread);
        dtr_spread_tick(spread->brain, dtr_now_ms());
        drain(spread);
    }
}

/* Control: there is room for more on the way out. */
static void on_room(struct dtr_msg *msg)
{
    struct upload *upload = dtr_container(msg, struct upload, room);
    atomic_store(&upload->room_told, false);
    dtr_list_each_safe (node, &upload->spreads) {
        struct spread *spread = dtr_container(node, struct spread, link);
        hear_sending(spread);
        drain(spread);
    }
}

struct sent {
    struct upload *upload;
    struct leaving_piece piece;
};

/* Any thread. */
static void on_left(void *context, uint64_t ms)
{
    struct sent *sent = context;
    struct upload *upload = sent->upload;
    uint32_t moving = leaving_end(&upload->leaving, &sent->piece, dtr_now_ms());
    (void)ms;
    free(sent);
    if (moving < DTR_SPREAD_BUSY && !atomic_exchange(&upload->room_told, true)) {
        upload->room.run = on_room;
        dtr_loop_post(upload->daemon->parts.control, &upload->room);
    }
}

void syncs_piece_leaves(struct upload *upload, struct dtr_extent *extent)
{
    struct sent *sent = malloc(sizeof(*sent));
    if (sent) {
        sent->upload = upload;
        leaving_begin(&upload->leaving, &sent->piece, dtr_now_ms());
    }
    if (!upload_piece_leaves(extent, sent ? on_left : NULL, sent) && sent)
        on_left(sent, 0);
}

/* --- spreads ------------------------------------------------------------------------------------ */

static struct spread *find(struct upload *upload, const char *task_id)
{
    dtr_list_each (node, &upload->spreads) {
        struct spread *spread = dtr_container(node, struct spread, link);
        if (strcmp(spread->task_id, task_id) == 0)
            return spread;
    }
    return NULL;
}

static void spread_free(struct spread *spread)
{
    dtr_list_remove(&spread->link);
    dtr_spread_free(spread->brain);
    free(spread);
}

/* With the pieces that are here. */
static struct spread *spread_new(struct upload *upload, const struct dtr_task *task)
{
    struct spread *spread = calloc(1, sizeof(*spread));
    if (spread)
        spread->brain = dtr_spread_new();
    if (!spread || !spread->brain) {
        free(spread);
        return NULL;
    }
    spread->upload = upload;
    (void)dtr_copy_text(spread->task_id, sizeof(spread->task_id), dtr_task_id_of(task));
    dtr_list_init(&spread->syncs);
    dtr_list_add_tail(&upload->spreads, &spread->link);
    for (uint32_t n = 0; n < dtr_task_piece_limit(task); n++)
        if (dtr_task_piece(task, n))
            (void)dtr_spread_piece(spread->brain, dtr_now_ms(), n);
    return spread;
}

void syncs_piece(struct upload *upload, const struct dtr_task *task, const struct dtr_piece *piece)
{
    struct spread *spread = find(upload, dtr_task_id_of(task));
    if (!spread)
        return;
    if (piece && dtr_task_piece(task, piece->number)) /* else it was found damaged */
        (void)dtr_spread_piece(spread->brain, dtr_now_ms(), piece->number);
    else if (!piece)
        dtr_list_each (node, &spread->syncs)
            dtr_container(node, struct sync, link)->last = true;
    drain(spread);
}

/* --- streams ------------------------------------------------------------------------------------ */

static void on_sync_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct sync *sync = context;
    struct spread *spread = sync->spread;
    struct upload *upload = spread->upload;
    (void)call;
    (void)status;
    dtr_list_remove(&sync->link);
    dtr_series_add(sync->gauge, -1);
    if (sync->child)
        leave(sync);
    free(sync);
    if (dtr_list_empty(&spread->syncs))
        spread_free(spread);
    else
        drain(spread);
    arm(upload);
}

/* How many numbers are too many: each is kept, and looked at for every piece that comes. */
static uint64_t most_pieces(const struct dtr_task *task)
{
    const struct dtr_task_facts *facts = dtr_task_facts(task);
    bool known = facts->content_length != DTR_LENGTH_UNKNOWN && facts->piece_length > 0;
    return known ? dtr_piece_count(facts->content_length, facts->piece_length) : PIECES_MOST;
}

static bool numbers_fit(const Dfdaemon__V2__SyncPiecesRequest *message, uint64_t most)
{
    for (size_t i = 0; i < message->n_interested_piece_numbers; i++) {
        if (message->interested_piece_numbers[i] >= most)
            return false;
    }
    return message->n_interested_piece_numbers <= most;
}

static void refuse_sync(struct dtr_rpc_call *call, enum dtr_rpc_code code, const char *text)
{
    (void)upload_begins(NULL);
    dtr_rpc_call_finish(call, code, text);
}

static struct sync *sync_new(struct upload *upload, const struct dtr_task *task,
                             const Dfdaemon__V2__SyncPiecesRequest *message)
{
    struct spread *spread = find(upload, dtr_task_id_of(task));
    struct sync *sync = calloc(1, sizeof(*sync));
    struct dtr_error err;
    bool timer = upload->spreading || dtr_timer_open(upload->daemon->parts.control, on_spreading, upload,
                                                     &upload->spreading, &err) == DTR_OK;
    if (!spread)
        spread = spread_new(upload, task);
    if (spread)
        hear_sending(spread);
    if (sync && spread && timer)
        sync->child = dtr_spread_join(spread->brain, dtr_now_ms(), sync, message->interested_piece_numbers,
                                      message->n_interested_piece_numbers);
    if (sync && sync->child) {
        sync->spread = spread;
        dtr_list_add_tail(&spread->syncs, &sync->link);
        return sync;
    }
    free(sync);
    if (spread && dtr_list_empty(&spread->syncs))
        spread_free(spread);
    return NULL;
}

void sync_pieces(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    static const struct dtr_rpc_events events = {.closed = on_sync_closed};
    struct dtr_daemon *daemon = service;
    const Dfdaemon__V2__SyncPiecesRequest *message = (const void *)request->message;
    struct dtr_task *task = daemon->upload->closing ? NULL : dtr_tasks_find(daemon->tasks, message->task_id);
    if (!task || message->n_interested_piece_numbers == 0) {
        refuse_sync(call, DTR_RPC_INTERNAL, task ? "no piece is asked for" : "this task is not here");
        return;
    }
    if (!numbers_fit(message, most_pieces(task))) {
        refuse_sync(call, DTR_RPC_INVALID_ARGUMENT,
                    "interested_piece_numbers: there are more of them than the task has pieces");
        return;
    }
    struct sync *sync = sync_new(daemon->upload, task, message);
    if (!sync) {
        refuse_sync(call, DTR_RPC_RESOURCE_EXHAUSTED, "out of memory for a list of pieces");
        return;
    }
    sync->gauge = upload_begins(task);
    sync->call = call;
    sync->last = !dtr_task_pulling(task);
    dtr_rpc_call_adopt(call, &events, sync);
    dtr_rpc_call_headers(call); /* at once: the child waits 10 s for them (wire page 3.6) */
    drain(sync->spread);
}

void syncs_stop(struct upload *upload)
{
    dtr_timer_close(upload->spreading);
    upload->spreading = NULL;
    dtr_list_each (node, &upload->spreads) {
        struct spread *spread = dtr_container(node, struct spread, link);
        dtr_list_each (at, &spread->syncs)
            dtr_rpc_call_finish(dtr_container(at, struct sync, link)->call, DTR_RPC_UNAVAILABLE,
                                "the daemon stops");
    }
}
