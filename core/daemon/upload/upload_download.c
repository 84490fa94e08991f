/* DownloadTask, for schedulers (DfdaemonUpload) and local tools (DfdaemonDownload): the life of one stream.
 *
 * Every piece that overlaps the range is told once it is in the store, in whatever order they come. A range
 * that cuts pieces is widened, so that they come whole. With content, one piece at a time is in memory: the
 * next is read when the last has been given to the connection, and when there is room for it: all orders
 * together hold upload.contentMemory, and one that waits for room has those that stall ended. An output_path
 * is looked at first and filled last. When the store fails, upload_bypass.c goes on. */
#include "core/daemon/upload/upload_order.h"

#include "core/base/digest.h"
#include "core/brain/geometry.h"
#include "core/daemon/blocklist.h"
#include "core/daemon/settings.h"
#include <stdlib.h>

/* --- the end -------------------------------------------------------------------------------------- */

/* What is on other threads comes back first. */
static bool busy(const struct order *order)
{
    return order->content || order->output_busy || order->settling || order->detour;
}

void orders_wait(struct upload *upload)
{
    if (upload->ended && dtr_list_empty(&upload->orders))
        dtr_loop_post(upload->daemon->parts.control, &upload->end);
}

static void free_order(struct order *order)
{
    struct upload *upload = order->upload;
    dtr_list_remove(&order->link);
    download_free(&order->download);
    free(order->local);
    free(order->told);
    free(order);
    orders_wait(upload);
}

/* Lets go of everything but itself, when the call was given its status or is gone; of itself when it is gone.
 */
void order_release(struct order *order)
{
    order_leave_line(order);
    dtr_timer_close(order->deadline);
    order->deadline = NULL;
    if (order->content)
        content_cancel(order->content);
    if (order->output_busy)
        output_cancel(order->output);
    else if (order->detour) /* its bytes are not on their way into a file */
        detour_cancel(order->detour);
    if (busy(order))
        return;
    if (order->bypass_room > 0)
        order_room_freed(order->room, order->bypass_room);
    order->bypass_room = 0;
    output_drop(order->output);
    order->output = NULL;
    if (order->reader)
        dtr_reader_close(order->reader);
    order->reader = NULL;
    if (!order->call)
        free_order(order);
}

void order_finish(struct order *order, const struct dtr_error *err)
{
    if (order->over)
        return;
    order->over = true;
    if (err->code == DTR_OK)
        dtr_rpc_call_finish(order->call, DTR_RPC_OK, NULL);
    else
        order_tell_error(order->call, err);
    order_release(order);
}

static void fail(struct order *order, int code, const char *text)
{
    struct dtr_error err;
    (void)dtr_error_set(&err, code, DTR_RETRY_NEVER, "%s", text);
    order_finish(order, &err);
}

/* --- the start: the length is known --------------------------------------------------------------- */

static void on_head(void *context, uint64_t content_length, const char *headers)
{
    (void)content_length;
    (void)headers;
    order_advance(context);
}

static void on_readable(void *context, uint64_t until)
{
    (void)context;
    (void)until; /* pieces are heard of by orders_piece() */
}

static void on_ended(void *context, const struct dtr_error *err)
{
    struct order *order = context;
    order->ended = true;
    if (order_may_bypass(order, err))
        order->store = *err;
    if (order->store.code == DTR_OK && err->code != DTR_OK)
        order_finish(order, err);
    else if (order->store.code == DTR_OK)
        order_advance(order);
    else if (!order->content)
        order_bypass(order);
}

static const struct dtr_reader_events reader_events = {on_head, on_readable, on_ended};

static int read_range(struct order *order, uint64_t offset, uint64_t length, struct dtr_error *err)
{
    struct dtr_read_request request = order->download.read;
    struct dtr_reader *old = order->reader;
    request.offset = offset;
    request.length = length;
    /* The new one is there before the old one goes, so that a pull goes on. */
    struct dtr_daemon *daemon = order->upload->daemon;
    int rc = blocklist_check(daemon->blocklist, &request, err);
    if (rc == DTR_OK)
        rc = dtr_tasks_read(daemon->tasks, &request, &reader_events, order, &order->reader, err);
    if (rc == DTR_OK)
        order->task = dtr_tasks_find(order->upload->daemon->tasks, request.task_id);
    if (old && rc == DTR_OK)
        dtr_reader_close(old);
    order->ended = false;
    return rc;
}

/* The range in bytes and in pieces. */
static int measure(struct order *order, const struct dtr_task_facts *facts, struct dtr_error *err)
{
    uint64_t total = facts->content_length, left, first, end;
    order->content_length = total;
    order->offset = order->download.read.offset;
    if (order->offset > total || (order->download.ranged && order->offset == total))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "range: it begins at byte %llu, the object has %llu bytes",
                             (unsigned long long)order->offset, (unsigned long long)total);
    left = total - order->offset;
    order->length = order->download.read.length < left ? order->download.read.length : left;
    dtr_piece_span(total, facts->piece_length, order->offset, order->length, &first, &end);
    order->first = (uint32_t)first;
    order->count = order->left = (uint32_t)(end - first);
    order->told = calloc(order->count / 8 + (size_t)1, 1);
    return order->told ? DTR_OK
                       : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a download");
}

/* The pieces at its ends come whole only when they are wanted whole. */
static int widen(struct order *order, uint64_t piece_length, struct dtr_error *err)
{
    uint64_t from = order->first * piece_length, to = from + order->count * piece_length;
    if (to > order->content_length)
        to = order->content_length;
    if (from == order->offset && to == order->offset + order->length)
        return DTR_OK;
    return read_range(order, from, to - from, err);
}

int order_start(struct order *order, const struct dtr_task_facts *facts, struct dtr_error *err)
{
    int rc = measure(order, facts, err);
    if (rc != DTR_OK)
        return rc;
    order->piece_length = facts->piece_length;
    order->started = true;
    order_tell_start(order, facts);
    return DTR_OK;
}

static void start(struct order *order, const struct dtr_task *task)
{
    const struct dtr_task_facts *facts = dtr_task_facts(task);
    struct dtr_error err;
    if (facts->content_length == DTR_LENGTH_UNKNOWN ||
        (facts->content_length > 0 && facts->piece_length == 0))
        return; /* it is told when the last byte has come */
    int rc = order_start(order, facts, &err);
    if (rc == DTR_OK && order->count > 0)
        rc = widen(order, facts->piece_length, &err);
    if (rc != DTR_OK)
        order_finish(order, &err);
}

/* --- pieces --------------------------------------------------------------------------------------- */

bool order_was_told(const struct order *order, uint32_t number)
{
    uint32_t i = number - order->first;
    return order->told[i / 8] >> i % 8 & 1;
}

void order_set_told(struct order *order, uint32_t number)
{
    uint32_t i = number - order->first;
    order->told[i / 8] = (uint8_t)(order->told[i / 8] | 1u << i % 8);
    order->left--;
    while (order->low < order->count && order_was_told(order, order->first + order->low))
        order->low++;
}

/* The first piece that is there and was not told. */
static const struct dtr_piece *next_piece(const struct order *order, const struct dtr_task *task)
{
    for (uint32_t i = order->low; i < order->count; i++) {
        const struct dtr_piece *piece = dtr_task_sound_piece(task, order->first + i);
        if (piece && !order_was_told(order, piece->number))
            return piece;
    }
    return NULL;
}

static void on_content(void *context, struct dtr_rpc_out *message, const struct dtr_error *err)
{
    struct order *order = context;
    struct dtr_task *task = dtr_tasks_find(order->upload->daemon->tasks, order->download.task_id);
    order->content = NULL;
    if (err->code == DTR_ECORRUPT && task && order->reader)
        dtr_task_doubt(task, order->content_number);
    if (!message && !order->over && order->store.code == DTR_OK)
        order_finish(order, err);
    if (order->over) {
        dtr_rpc_out_free(message);
        order_release(order);
        return;
    }
    if (message) {
        if (dtr_rpc_call_queued(order->call) == 0)
            order->taken = 0; /* nothing waited for the caller until now */
        order->given += order->reading;
        (void)dtr_rpc_call_send_out(order->call, message, NULL);
        order_set_told(order, order->content_number);
    }
    if (order->store.code != DTR_OK)
        order_bypass(order);
    else
        order_advance(order);
}

/* False: it waits for room. */
static bool tell_next(struct order *order, const struct dtr_piece *piece)
{
    static const struct content_events events = {on_content};
    struct dtr_error err;
    if (!order->download.need_content) {
        order_tell_piece(order, piece, NULL);
        order_set_told(order, piece->number);
        return true;
    }
    if (!order_take_room(order, piece->length))
        return false;
    order->content_number = piece->number;
    order->reading = piece->length;
    if (order_read_piece(order, piece, &events, order_room_freed, &err) != DTR_OK)
        order_finish(order, &err);
    return true;
}

/* Of a whole file, unless it was checked when it came. */
static const char *digest_to_check(const struct order *order)
{
    const struct dtr_task_facts *facts = dtr_task_facts(order->task);
    const char *digest = order->download.digest;
    bool checked = facts->finished_at && strcmp(facts->digest, digest) == 0;
    return checked || order->download.ranged ? "" : digest;
}

static void on_settle(struct dtr_msg *msg)
{
    struct order *order = dtr_container(msg, struct order, settle);
    order->settling = false;
    if (order->over) {
        order_release(order);
    } else if (order->output && !order->output_written) {
        order->output_busy = true;
        output_write(order->output, dtr_reader_copy(order->reader), order->offset, order->length,
                     digest_to_check(order));
    } else {
        order_finish(order, &(struct dtr_error){0});
    }
}

/* Not at once: this may be inside the report of the last piece, and without its reader the pull would end as
 * one that nobody wants any more, before it hears that it is complete. */
static void all_told(struct order *order)
{
    if (order->settling || order->output_busy)
        return;
    order->settling = true;
    order->settle.run = on_settle;
    dtr_loop_post(order->upload->daemon->parts.control, &order->settle);
}

/* Nothing more will come: the bytes were all here, but a piece did not stand its check. */
static bool in_vain(const struct order *order, const struct dtr_task *task)
{
    return order->ended && !order->content && !dtr_task_pulling(task) &&
           (!order->started || (order->left > 0 && !next_piece(order, task)));
}

void order_advance(struct order *order)
{
    const struct dtr_piece *piece;
    bool waits = false;
    if (!order->over && order->bypassed)
        order_bypass_go_on(order);
    if (order->over || !order->reader || order->store.code != DTR_OK)
        return;
    const struct dtr_task *task = order->task;
    if (!order->started)
        start(order, task);
    while (!waits && !order->over && order->started && !order->content && order->left > 0 &&
           dtr_rpc_call_queued(order->call) <= DTR_RPC_HIGH_WATER && (piece = next_piece(order, task)))
        waits = !tell_next(order, piece);
    if (!waits)
        order_leave_line(order);
    if (order->over)
        return;
    if (in_vain(order, task))
        fail(order, DTR_EINTERNAL, "the download ended with a piece missing");
    else if (order->started && order->left == 0 && order->ended)
        all_told(order); /* the reader's end says that the whole is right as well */
    else if (order->started)
        dtr_reader_at(order->reader,
                      (order->first + (uint64_t)order->low) * dtr_task_facts(task)->piece_length);
}

void orders_piece(struct upload *upload, const struct dtr_task *task)
{
    dtr_list_each_safe (node, &upload->orders) {
        struct order *order = dtr_container(node, struct order, link);
        if (order->reader && order->task == task)
            order_advance(order);
    }
}

/* --- the call ------------------------------------------------------------------------------------- */

static void on_writable(void *context, struct dtr_rpc_call *call)
{
    (void)call;
    order_advance(context);
}

static void on_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct order *order = context;
    (void)call;
    (void)status;
    order->call = NULL;
    order->over = true;
    order_release(order);
}

static void on_deadline(void *context)
{
    fail(context, DTR_ETIMEOUT, "the download did not end within its timeout");
}

/* Which pieces are here already: they will be told as local. */
static void note_local(struct order *order)
{
    const struct dtr_task *task = dtr_tasks_find(order->upload->daemon->tasks, order->download.task_id);
    const struct dtr_task_facts *facts = task ? dtr_task_facts(task) : NULL;
    if (!facts || facts->content_length == DTR_LENGTH_UNKNOWN || facts->piece_length == 0)
        return;
    uint64_t count = dtr_piece_count(facts->content_length, facts->piece_length);
    order->local = count <= UINT32_MAX ? calloc((size_t)(count / 8 + 1), 1) : NULL;
    order->local_count = order->local ? (uint32_t)count : 0;
    for (uint32_t i = 0; i < order->local_count; i++) {
        if (dtr_task_piece(task, i))
            order->local[i / 8] = (uint8_t)(order->local[i / 8] | 1u << i % 8);
    }
}

static void begin_reading(struct order *order)
{
    struct dtr_error err;
    note_local(order);
    if (read_range(order, order->download.read.offset, order->download.read.length, &err) != DTR_OK)
        order_finish(order, &err);
}

static void on_output(void *context, const struct dtr_error *err)
{
    struct order *order = context;
    order->output_busy = false;
    if (!order->over && err->code != DTR_OK)
        order_finish(order, err);
    else if (!order->over && order->upload->closing && !order->reader && !order->bypassed)
        fail(order, DTR_EUNAVAILABLE, "the daemon stops");
    if (order->over) {
        order_release(order);
        return;
    }
    if (order->bypassed) {
        order_bypass_written(order);
        return;
    }
    if (!order->reader) {
        begin_reading(order);
        return;
    }
    order->output_written = true;
    order_advance(order);
}

static int begin_output(struct order *order, const struct dtr_cred *cred, struct dtr_error *err)
{
    struct upload *upload = order->upload;
    const struct output_request request = {.pool = upload->daemon->parts.files,
                                           .control = upload->daemon->parts.control,
                                           .data = order->data,
                                           .cred = *cred,
                                           .path = order->download.output_path,
                                           .overwrite = order->download.overwrite,
                                           .force_hard_link = order->download.force_hard_link};
    int rc = output_open(&request, on_output, order, &order->output, err);
    order->output_busy = rc == DTR_OK;
    return rc;
}

/* Nobody writes files here over the network. A seed's trigger is somebody else's download: the path is
 * theirs. */
static int check_output(struct order *order, bool local, struct dtr_error *err)
{
    if (!local && order->download.read.need_back_to_source)
        order->download.output_path = NULL;
    if (order->download.output_path && !local)
        return dtr_error_set(err, DTR_EDENIED, DTR_RETRY_NEVER,
                             "output_path: files are written for callers on the unix socket only");
    return DTR_OK;
}

static int prepare(struct order *order, const Common__V2__Download *message, bool local,
                   struct dtr_error *err)
{
    struct dtr_daemon *daemon = order->upload->daemon;
    char uuid[37];
    dtr_uuid(uuid);
    int rc = download_take(&order->download, message, err);
    order->download.read.named =
        rc == DTR_OK && dtr_mirror_names(daemon->settings->mirror, order->download.read.url);
    if (rc == DTR_OK && local && !order->download.read.remote_ip[0])
        order->download.read.remote_ip = daemon->ip; /* on the socket everybody is here */
    if (rc == DTR_OK)
        rc = check_output(order, local, err);
    if (rc == DTR_OK)
        rc = dtr_peer_id(order->peer_id, daemon->ip, daemon->hostname, uuid, daemon->config->seed_peer.enable,
                         err);
    if (rc == DTR_OK && order->download.timeout_ms)
        rc = dtr_timer_open(daemon->parts.control, on_deadline, order, &order->deadline, err);
    return rc;
}

void download_task(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    static const struct dtr_rpc_events events = {.writable = on_writable, .closed = on_closed};
    struct dtr_daemon *daemon = service;
    struct upload *upload = daemon->upload;
    const Dfdaemon__V2__DownloadTaskRequest *message = (const void *)request->message;
    struct dtr_cred cred;
    bool local = dtr_rpc_call_cred(call, &cred);
    struct dtr_error err = {.code = DTR_ENOMEM, .text = "out of memory for a download"};
    struct order *order = upload->closing ? NULL : calloc(1, sizeof(*order));
    if (upload->closing)
        (void)dtr_error_set(&err, DTR_EUNAVAILABLE, DTR_RETRY_ELSEWHERE, "the daemon stops");
    if (!order) {
        dtr_rpc_call_fail(call, &err);
        return;
    }
    order->upload = upload;
    order->call = call;
    order->room = &upload->content[local];
    order->data = upload->sites[upload->next_site++ % upload->site_count].loop;
    dtr_list_add_tail(&upload->orders, &order->link);
    dtr_rpc_call_adopt(call, &events, order);
    if (prepare(order, message->download, local, &err) != DTR_OK) {
        order_finish(order, &err);
        return;
    }
    if (order->deadline)
        dtr_timer_set(order->deadline, order->download.timeout_ms);
    dtr_rpc_call_headers(call);
    if (!order->download.output_path)
        begin_reading(order);
    else if (begin_output(order, &cred, &err) != DTR_OK)
        order_finish(order, &err);
}
