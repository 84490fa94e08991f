/* A DownloadTask stream that goes on past the store, because that is full or fails: who wants the bytes, as
 * content of pieces or in a file, gets them from the origin. Control thread. */
#include "core/daemon/upload/upload_order.h"

#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/brain/geometry.h"
#include "core/daemon/bypass.h"

static void begin(struct order *order);

/* --- pieces --------------------------------------------------------------------------------------- */

static void tell_held(struct order *order)
{
    const struct dtr_piece *piece = order->held;
    order->held_told = true;
    if (!order_was_told(order, piece->number)) {
        order_tell_piece(order, piece, order->download.need_content ? order->held_bytes : NULL);
        order_set_told(order, piece->number);
    }
    order_bypass_go_on(order);
}

/* What of the piece lies in the range. */
static void write_held(struct order *order)
{
    uint64_t from = order->held->offset, to = from + order->held->length;
    uint64_t first = from > order->offset ? from : order->offset, end = order->offset + order->length;
    if (to > end)
        to = end;
    order->output_busy = true;
    output_block(order->output, order->length, first - order->offset, order->held_bytes + (first - from),
                 (size_t)(to - first));
}

static void on_piece(void *context, const struct dtr_piece *piece, const uint8_t *bytes)
{
    struct order *order = context;
    order->held = piece;
    order->held_bytes = bytes;
    order->held_told = false;
    if (order->output)
        write_held(order);
    else
        tell_held(order);
}

void order_bypass_go_on(struct order *order)
{
    if (order->bypass_waits) {
        begin(order);
        return;
    }
    if (!order->held || !order->held_told || dtr_rpc_call_queued(order->call) > DTR_RPC_HIGH_WATER)
        return;
    order->held = NULL;
    detour_go_on(order->detour);
}

/* --- the length, and the end ---------------------------------------------------------------------- */

static void take_length(struct order *order, uint64_t content_length)
{
    uint64_t piece_length = order->download.read.piece_length;
    const struct dtr_task_facts facts = {.content_length = content_length,
                                         .piece_length =
                                             piece_length ? piece_length : dtr_piece_length(content_length),
                                         .headers = "",
                                         .created_at = dtr_wall_ns() / 1000000000};
    struct dtr_error err;
    if (order_start(order, &facts, &err) == DTR_OK)
        begin(order);
    else
        order_finish(order, &err);
}

static void end(struct order *order)
{
    if (order->output) {
        order->output_busy = true;
        output_name(order->output);
    } else {
        order_finish(order, &(struct dtr_error){0});
    }
}

static void on_done(void *context, uint64_t content_length, const struct dtr_error *err)
{
    struct order *order = context;
    order->detour = NULL;
    order->held = NULL;
    if (order->over)
        order_release(order);
    else if (err->code != DTR_OK)
        order_finish(order, err);
    else if (!order->started)
        take_length(order, content_length);
    else
        end(order);
}

void order_bypass_written(struct order *order)
{
    if (order->held)
        tell_held(order);
    else
        order_finish(order, &(struct dtr_error){0});
}

/* --- the beginning -------------------------------------------------------------------------------- */

/* A file is written from its start, and a digest is of all bytes; else what was told is not fetched again. */
static void choose_part(struct order *order, struct detour_request *request)
{
    const struct download *download = &order->download;
    bool whole = !download->ranged;
    bool checked = whole && download->read.digest && *download->read.digest;
    uint64_t end = (order->first + (uint64_t)order->count) * order->piece_length;
    request->digests[0] = whole ? download->read.digest : NULL;
    request->digests[1] = whole && order->output ? download->digest : NULL;
    bool all = order->output || checked;
    request->content_length = order->content_length;
    request->piece_length = order->piece_length;
    request->from.offset = (order->first + (uint64_t)(all ? 0 : order->low)) * order->piece_length;
    request->from.end = end < order->content_length ? end : order->content_length;
    if (order->left < order->count && !checked)
        request->from.version = order->version; /* what was told already is of that one */
}

/* For a piece in memory and the same queued for the caller. False: it is in line for it. */
static bool take_room(struct order *order)
{
    uint64_t piece =
        order->content_length < order->piece_length ? order->content_length : order->piece_length;
    if (order->bypass_room > 0 || piece == 0)
        return true;
    order->bypass_waits = !order_take_room(order, 2 * piece);
    order->bypass_room = order->bypass_waits ? 0 : 2 * piece;
    return !order->bypass_waits;
}

/* Asks for the length as long as that is not known. */
static void begin(struct order *order)
{
    static const struct detour_events events = {on_piece, on_done};
    const struct dtr_read_request *read = &order->download.read;
    struct detour_request request = {.daemon = order->upload->daemon,
                                     .data = order->data,
                                     .from = {.url = read->url,
                                              .headers = read->headers ? read->headers : "",
                                              .roots = read->roots && read->roots[0] ? read->roots : NULL,
                                              .trusted = read->trusted,
                                              .named = read->named,
                                              .end = 1},
                                     .content_length = DTR_LENGTH_UNKNOWN};
    struct dtr_error err;
    if (order->started && !take_room(order))
        return;
    if (order->started)
        choose_part(order, &request);
    if (order->started && request.from.offset >= request.from.end)
        end(order);
    else if (detour_start(&request, &events, order, &order->detour, &err) != DTR_OK)
        order_finish(order, &err);
}

bool order_may_bypass(const struct order *order, const struct dtr_error *err)
{
    const struct download *download = &order->download;
    const struct dtr_daemon_config *config = order->upload->daemon->config;
    bool taken = download->need_content || (order->output && !download->force_hard_link);
    return bypass_helps(err) && taken && !order->output_written && !download->read.disable_back_to_source &&
           !config->proxy.disable_back_to_source;
}

void order_bypass(struct order *order)
{
    const struct dtr_task *task = dtr_tasks_find(order->upload->daemon->tasks, order->download.task_id);
    bypass_log(order->download.read.url, &order->store);
    (void)dtr_copy_text(order->version, sizeof(order->version), dtr_task_version(task));
    order->piece_length = dtr_task_facts(task)->piece_length;
    order->bypassed = true;
    dtr_reader_close(order->reader);
    order->reader = NULL;
    begin(order);
}
