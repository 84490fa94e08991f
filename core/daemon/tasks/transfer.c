/* Transfers: orders from control, bytes on a data thread, reports back; see transfer.h.
 *
 * Orders are two flags, an end and one message, which is posted again only after it ran; so ordering never
 * allocates. DTR_REPORT_DONE travels in the transfer itself: it always gets through. After it the control
 * thread posts the transfer back, behind any order still on its way, and the data thread frees it. */
#include "core/daemon/tasks/transfer_internal.h"

#include "core/base/clock.h"
#include <stdlib.h>

enum { WAITS_MS = 1000 };

/* --- reports ------------------------------------------------------------------------------------------ */

struct note {
    struct dtr_msg msg;
    struct dtr_transfer *transfer;
    struct dtr_report report;
    char *headers, *version;
};

static void deliver(struct dtr_msg *msg)
{
    struct note *note = dtr_container(msg, struct note, msg);
    note->transfer->report(note->transfer->context, &note->report);
    free(note->headers);
    free(note->version);
    free(note);
}

int transfer_tell(struct dtr_transfer *transfer, const struct dtr_report *report, char *headers,
                  char *version)
{
    struct note *note = malloc(sizeof(*note));
    if (!note) {
        free(headers);
        free(version);
        return dtr_error_set(&transfer->result, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a report");
    }
    *note = (struct note){
        .msg.run = deliver, .transfer = transfer, .report = *report, .headers = headers, .version = version};
    note->report.headers = headers;
    note->report.version = version;
    dtr_loop_post(transfer->request.control, &note->msg);
    return DTR_OK;
}

/* What has come since the last report goes along. */
static int tell_arrived(struct dtr_transfer *transfer, struct dtr_report *report)
{
    uint64_t at = dtr_writer_at(transfer->writer);
    report->offset = transfer->told_end;
    report->length = at - transfer->told_end;
    transfer->told_end = at;
    transfer->told_ms = dtr_now_ms();
    transfer->told_any = true;
    return transfer_tell(transfer, report, NULL, NULL);
}

static int tell_progress(struct dtr_transfer *transfer)
{
    struct dtr_report report = {.kind = DTR_REPORT_PROGRESS};
    if (dtr_writer_at(transfer->writer) == transfer->told_end)
        return DTR_OK;
    return tell_arrived(transfer, &report);
}

static void on_piece(void *context, const struct dtr_piece *piece)
{
    struct dtr_transfer *transfer = context;
    struct dtr_report report = {.kind = DTR_REPORT_PIECE, .piece = *piece};
    if (tell_arrived(transfer, &report) != DTR_OK)
        transfer->result.code = DTR_ENOMEM; /* transfer_bytes() looks */
}

const struct dtr_writer_events transfer_writer_events = {on_piece};

/* --- limits -------------------------------------------------------------------------------------------- */

static void arm_wait(struct dtr_transfer *transfer, uint64_t now_ns)
{
    uint64_t left = transfer->go_ns > now_ns ? (transfer->go_ns - now_ns + 999999) / 1000000 : 0;
    dtr_timer_set(transfer->timer, left < WAITS_MS ? left : WAITS_MS);
}

static void on_turn(void *context);

/* Begins to wait. False: it cannot, and goes at once. */
bool transfer_wait_for(struct dtr_transfer *transfer, uint64_t now_ns, uint64_t wait_ns)
{
    if (wait_ns == 0 || (!transfer->timer && dtr_timer_open(transfer->request.data, on_turn, transfer,
                                                            &transfer->timer, NULL) != DTR_OK))
        return false;
    transfer->waits = true;
    transfer->go_ns = now_ns + wait_ns;
    arm_wait(transfer, now_ns);
    return true;
}

static void give_back(struct dtr_transfer *transfer)
{
    const struct dtr_transfer_limits *limits = &transfer->request.limits;
    if (!transfer->request.transport) {
        dtr_pace_give_back(limits->download, transfer->granted);
        dtr_pace_give_back(limits->back_to_source, transfer->granted);
    }
    dtr_timer_close(transfer->timer);
    transfer->timer = NULL;
}

/* --- the end ------------------------------------------------------------------------------------------- */

/* What the copy says of the bytes is about them, unless it is about the store. */
int transfer_from_copy(struct dtr_transfer *transfer, int rc)
{
    transfer->ours = transfer->ours || rc == DTR_ENO_SPACE || rc == DTR_EIO || rc == DTR_ENOMEM;
    return rc;
}

static void free_transfer(struct dtr_transfer *transfer)
{
    free(transfer->url);
    free(transfer->header_text);
    free(transfer->default_text);
    free(transfer->version);
    free(transfer->ca_file);
    free(transfer->roots);
    free(transfer);
}

static void drop(struct dtr_msg *msg)
{
    free_transfer(dtr_container(msg, struct dtr_transfer, end));
}

static void deliver_end(struct dtr_msg *msg)
{
    struct dtr_transfer *transfer = dtr_container(msg, struct dtr_transfer, end);
    struct dtr_report report = {.kind = DTR_REPORT_DONE, .error = &transfer->result, .ours = transfer->ours};
    transfer->report(transfer->context, &report);
    transfer->end.run = drop;
    dtr_loop_post(transfer->request.data, &transfer->end);
}

void transfer_end(struct dtr_transfer *transfer, const struct dtr_error *err)
{
    struct dtr_error tail;
    origin_ended(&transfer->count, err);
    if (transfer->writer && transfer->result.code == DTR_OK)
        (void)tell_progress(transfer);
    if (transfer->result.code == DTR_OK && err->code != DTR_OK && !transfer->enough)
        transfer->result = *err;
    /* A whole answer, or a whole piece: the writer checks it. */
    if (transfer->result.code == DTR_OK && transfer->writer && !transfer->enough) {
        bool rest = transfer->rest;
        if (transfer_from_copy(transfer, dtr_writer_end(transfer->writer, rest, &tail)) != DTR_OK)
            transfer->result = tail;
    }
    dtr_writer_close(transfer->writer);
    transfer->writer = NULL;
    give_back(transfer);
    transfer->ended = true;
    transfer->end.run = deliver_end;
    dtr_loop_post(transfer->request.control, &transfer->end);
}

/* --- bytes ------------------------------------------------------------------------------------------------
 */

int transfer_bytes(struct dtr_transfer *transfer, const uint8_t *bytes, size_t length)
{
    struct dtr_error err;
    uint64_t until = atomic_load(&transfer->until), at = dtr_writer_at(transfer->writer);
    if (until <= at)
        return DTR_OK; /* CUT came late, or the answer is longer than it said: see has_enough() */
    if (until - at < length)
        length = (size_t)(until - at);
    int rc = transfer_from_copy(transfer, dtr_writer_bytes(transfer->writer, bytes, length, &err));
    if (rc != DTR_OK)
        transfer->result = err;
    if (transfer->result.code != DTR_OK)
        return transfer->result.code;
    at = dtr_writer_at(transfer->writer);
    if (!transfer->told_any || at - transfer->told_end >= DTR_TRANSFER_STEP ||
        dtr_now_ms() - transfer->told_ms >= DTR_TRANSFER_LATE_MS)
        rc = tell_progress(transfer);
    return rc;
}

/* --- orders
 * --------------------------------------------------------------------------------------------------- */

/* A piece that nobody waits for is put off as a whole: what a transport brings cannot be paused. */
static bool put_off(struct dtr_transfer *transfer)
{
    struct dtr_pace *limit = transfer->request.limits.prefetch;
    uint64_t now = dtr_now_ns();
    return transfer->request.transport && limit && transfer_in_background(transfer) &&
           transfer_wait_for(transfer, now, dtr_pace_take(limit, now, transfer->request.length));
}

static void begin(struct dtr_transfer *transfer)
{
    struct dtr_error err = {0};
    int rc;
    if (!transfer->begun && !atomic_load(&transfer->cancelled) && put_off(transfer)) {
        transfer->begun = true;
        return;
    }
    transfer->begun = true;
    transfer->waits = false;
    if (atomic_load(&transfer->cancelled))
        rc = dtr_error_set(&err, DTR_ECANCELLED, DTR_RETRY_NEVER, "cancelled");
    else
        rc = transfer->request.transport ? transfer_begin_fetch(transfer, &err)
                                         : transfer_begin_origin(transfer, &err);
    if (rc != DTR_OK)
        transfer_end(transfer, &err);
}

static void on_turn(void *context)
{
    struct dtr_transfer *transfer = context;
    uint64_t now = dtr_now_ns();
    if (now < transfer->go_ns) {
        (void)transfer_tell(transfer, &(struct dtr_report){.kind = DTR_REPORT_WAITS}, NULL, NULL);
        arm_wait(transfer, now);
        return;
    }
    transfer->waits = false;
    if (!transfer->call && !transfer->fetch) {
        begin(transfer);
    } else if (transfer->paused && transfer->call && !atomic_load(&transfer->held)) {
        transfer->paused = false;
        transfer->request.origin->resume(transfer->call);
    }
}

static void on_order(struct dtr_msg *msg)
{
    struct dtr_transfer *transfer = dtr_container(msg, struct dtr_transfer, order);
    const struct dtr_transfer_request *request = &transfer->request;
    atomic_store(&transfer->ordered, false);
    if (!transfer->begun) {
        begin(transfer);
        return;
    }
    if (transfer->ended)
        return;
    bool idle = transfer->waits && !transfer->call && !transfer->fetch;
    bool hurried = transfer->request.transport && !transfer_in_background(transfer);
    if (idle && (atomic_load(&transfer->cancelled) || hurried)) {
        dtr_timer_set(transfer->timer, DTR_TIMER_OFF);
        begin(transfer);
        return;
    }
    if (atomic_load(&transfer->cancelled) && !transfer->cancel_sent) {
        transfer->cancel_sent = true;
        if (transfer->call)
            request->origin->cancel(transfer->call);
        if (transfer->fetch)
            request->transport->cancel(transfer->fetch);
    } else if (transfer->paused && transfer->call && !atomic_load(&transfer->held) && !transfer->waits) {
        transfer->paused = false;
        request->origin->resume(transfer->call);
    }
}

static void order(struct dtr_transfer *transfer)
{
    if (!atomic_exchange(&transfer->ordered, true))
        dtr_loop_post(transfer->request.data, &transfer->order);
}

static char *copy_text(const char *text, bool *ok)
{
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy)
        *ok = false;
    return copy;
}

int dtr_transfer_start(const struct dtr_transfer_request *request,
                       void (*report)(void *context, const struct dtr_report *report), void *context,
                       struct dtr_transfer **ret_transfer, struct dtr_error *err)
{
    struct dtr_transfer *transfer = calloc(1, sizeof(*transfer));
    bool ok = transfer != NULL;
    if (ok) {
        transfer->request = *request;
        transfer->report = report;
        transfer->context = context;
        transfer->order.run = on_order;
        transfer->until =
            request->length == DTR_LENGTH_UNKNOWN ? DTR_LENGTH_UNKNOWN : request->offset + request->length;
        transfer->url = copy_text(request->url, &ok);
        transfer->header_text = copy_text(request->headers, &ok);
        transfer->default_text = copy_text(request->default_headers, &ok);
        transfer->version = copy_text(request->version, &ok);
        transfer->ca_file = copy_text(request->ca_file, &ok);
        transfer->roots = request->roots && request->roots[0] ? copy_text(request->roots, &ok) : NULL;
    }
    if (!ok) {
        if (transfer)
            free_transfer(transfer);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a transfer");
    }
    *ret_transfer = transfer;
    order(transfer);
    return DTR_OK;
}

void dtr_transfer_hold(struct dtr_transfer *transfer, bool hold)
{
    atomic_store(&transfer->held, hold);
    order(transfer);
}

void dtr_transfer_cut(struct dtr_transfer *transfer, uint64_t end)
{
    atomic_store(&transfer->until, end);
}

void dtr_transfer_hurry(struct dtr_transfer *transfer)
{
    order(transfer);
}

void dtr_transfer_cancel(struct dtr_transfer *transfer)
{
    atomic_store(&transfer->cancelled, true);
    order(transfer);
}
