/* Transfers: orders from control, bytes on a data thread, reports back; see transfer.h.
 *
 * Orders are two flags and one message, which is posted again only after it ran; so ordering never
 * allocates. DTR_REPORT_DONE travels in the transfer itself: it always gets through. After it the control
 * thread posts the transfer back, behind any order still on its way, and the data thread frees it. */
#include "core/daemon/tasks/transfer.h"

#include "core/base/clock.h"
#include "core/base/list.h"
#include "core/base/str.h"
#include "core/brain/geometry.h"
#include "core/daemon/header_lines.h"
#include "core/daemon/tasks/counts.h"
#include "core/daemon/tasks/retry_after.h"
#include "core/loop/loop.h"
#include <stdatomic.h>
#include <stdlib.h>

enum {
    WAITS_MS = 1000,
    RETRY_AFTER_MOST = 30, /* seconds that an origin may have us wait */
};

struct dtr_transfer {
    struct dtr_transfer_request request;
    char *url, *header_text, *default_text, *version, *ca_file;
    void (*report)(void *context, const struct dtr_report *report);
    void *context;
    struct dtr_msg order; /* to the data thread */
    _Atomic bool ordered, held, cancelled;
    struct dtr_msg end; /* DONE to control, then the transfer back to data */

    /* From here on: data thread. */
    struct dtr_writer *writer;
    struct dtr_origin_call *call;
    struct origin_count count;
    struct dtr_fetch *fetch;
    struct dtr_error result;
    bool begun, ended, paused, cancel_sent;
    bool ours;         /* `result` is our store's */
    bool enough;       /* what was asked for is there, the rest is not wanted */
    bool told_any;     /* the first bytes were told at once */
    uint64_t told_end; /* progress is told up to here */
    uint64_t told_ms;
    struct dtr_timer *timer; /* made when a limit first makes it wait */
    bool waits;              /* for a limit, until go_ns */
    uint64_t go_ns, granted; /* bytes whose turn has come, or comes then */
    uint64_t again_ns;       /* the origin said to come again after so long; 0: it did not */
    uint32_t repeats;        /* so often it did, and we came */
};

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

static int tell(struct dtr_transfer *transfer, const struct dtr_report *report, char *headers, char *version)
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
    return tell(transfer, report, NULL, NULL);
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
        transfer->result.code = DTR_ENOMEM; /* on_bytes() looks */
}

/* --- limits -------------------------------------------------------------------------------------------- */

static bool in_background(const struct dtr_transfer *transfer)
{
    return transfer->request.in_background && atomic_load(transfer->request.in_background);
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void arm_wait(struct dtr_transfer *transfer, uint64_t now_ns)
{
    uint64_t left = transfer->go_ns > now_ns ? (transfer->go_ns - now_ns + 999999) / 1000000 : 0;
    dtr_timer_set(transfer->timer, left < WAITS_MS ? left : WAITS_MS);
}

static void on_turn(void *context);

/* Begins to wait. False: it cannot, and goes at once. */
static bool wait_for(struct dtr_transfer *transfer, uint64_t now_ns, uint64_t wait_ns)
{
    if (wait_ns == 0 || (!transfer->timer && dtr_timer_open(transfer->request.data, on_turn, transfer,
                                                            &transfer->timer, NULL) != DTR_OK))
        return false;
    transfer->waits = true;
    transfer->go_ns = now_ns + wait_ns;
    arm_wait(transfer, now_ns);
    return true;
}

/* Whether bytes of the origin have to wait for their turn; they are offered again when it has come. */
static bool must_wait(struct dtr_transfer *transfer, uint64_t length)
{
    const struct dtr_transfer_limits *limits = &transfer->request.limits;
    if (transfer->waits)
        return true;
    if (transfer->granted < length) {
        uint64_t more = length - transfer->granted, now = dtr_now_ns();
        uint64_t wait = dtr_pace_take(limits->download, now, more);
        wait = later(wait, dtr_pace_take(limits->back_to_source, now, more));
        if (in_background(transfer))
            wait = later(wait, dtr_pace_take(limits->prefetch, now, more));
        transfer->granted = length;
        if (wait_for(transfer, now, wait))
            return true;
    }
    transfer->granted -= length;
    return false;
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
static int from_copy(struct dtr_transfer *transfer, int rc)
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

static void end(struct dtr_transfer *transfer, const struct dtr_error *err)
{
    struct dtr_error tail;
    origin_ended(&transfer->count, err);
    if (transfer->writer && transfer->result.code == DTR_OK)
        (void)tell_progress(transfer);
    if (transfer->result.code == DTR_OK && err->code != DTR_OK && !transfer->enough)
        transfer->result = *err;
    /* A whole answer, or a whole piece: the writer checks it. */
    if (transfer->result.code == DTR_OK && transfer->writer && !transfer->enough) {
        bool rest = transfer->request.length == DTR_LENGTH_UNKNOWN;
        if (from_copy(transfer, dtr_writer_end(transfer->writer, rest, &tail)) != DTR_OK)
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

static int on_bytes(struct dtr_transfer *transfer, const uint8_t *bytes, size_t length)
{
    struct dtr_error err;
    uint64_t wanted_end = transfer->request.length == DTR_LENGTH_UNKNOWN
                              ? DTR_LENGTH_UNKNOWN
                              : transfer->request.offset + transfer->request.length;
    uint64_t at = dtr_writer_at(transfer->writer);
    if (wanted_end - at < length)
        length = (size_t)(wanted_end - at);
    int rc = from_copy(transfer, dtr_writer_bytes(transfer->writer, bytes, length, &err));
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

/* --- a peer's piece ----------------------------------------------------------------------------------------
 */

static int on_facts(void *context, const struct dtr_piece *piece)
{
    struct dtr_transfer *transfer = context;
    return dtr_writer_facts(transfer->writer, piece, &transfer->result);
}

static int on_fetched(void *context, uint64_t offset, const uint8_t *bytes, size_t length)
{
    struct dtr_transfer *transfer = context;
    if (offset != dtr_writer_at(transfer->writer))
        return dtr_error_set(&transfer->result, DTR_EPROTOCOL, DTR_RETRY_ELSEWHERE,
                             "the transport brought bytes out of order");
    return on_bytes(transfer, bytes, length);
}

static void on_fetch_done(void *context, const struct dtr_error *err)
{
    struct dtr_transfer *transfer = context;
    transfer->fetch = NULL;
    end(transfer, err);
}

static const struct dtr_fetch_sink fetch_sink = {on_facts, on_fetched, on_fetch_done};
static const struct dtr_writer_events writer_events = {on_piece};

static int begin_fetch(struct dtr_transfer *transfer, struct dtr_error *err)
{
    const struct dtr_transfer_request *request = &transfer->request;
    struct dtr_fetch_request fetch = {
        .peer = &request->peer.any,
        .task_id = dtr_copy_facts(request->copy)->task_id,
        .piece_number = request->piece_number,
        .offset = request->offset,
        .length = request->length,
        .connect_ms = request->connect_ms,
        .stall_ms = request->stall_ms,
    };
    int rc = dtr_copy_learn(request->copy, request->content_length, request->piece_length, err);
    if (rc == DTR_OK)
        rc = dtr_writer_piece(request->copy, request->piece_number, &writer_events, transfer,
                              &transfer->writer, err);
    if (from_copy(transfer, rc) != DTR_OK)
        return rc;
    transfer->told_end = dtr_writer_at(transfer->writer);
    return request->transport->fetch(request->transport_instance, request->data, &fetch, &fetch_sink,
                                     transfer, &transfer->fetch, err);
}

/* --- a stream from the origin
 * --------------------------------------------------------------------------------- */

/* Not repeated in answers: of the connection, of the range, of this moment, or somebody's secret. */
static bool is_private(const char *name)
{
    static const char *const names[] = {
        "Connection",      "Keep-Alive", "Transfer-Encoding", "Trailer",
        "Upgrade",         "Date",       "Content-Length",    "Content-Range",
        "Set-Cookie",      "Age",        "Www-Authenticate",  "Proxy-Authenticate",
        "Proxy-Connection"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (dtr_casecmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

static char *header_lines(const struct dtr_origin_head *head)
{
    struct dtr_str text = {.limit = 64 << 10};
    for (size_t i = 0; i < head->header_count; i++) {
        if (!is_private(head->headers[i].name))
            dtr_str_printf(&text, "%s: %s\n", head->headers[i].name, head->headers[i].value);
    }
    return dtr_str_take(&text);
}

/* The origin says when to come again: soon enough for us to wait, or not before somebody else has to decide.
 */
static void heed_retry_after(struct dtr_transfer *transfer, const struct dtr_origin_head *head)
{
    const char *text = dtr_header_find(head->headers, head->header_count, "Retry-After");
    uint64_t seconds;
    if ((head->status != 429 && head->status != 503) || !text ||
        !retry_after(text, dtr_wall_ns() / 1000000000, &seconds))
        return;
    if (seconds > RETRY_AFTER_MOST)
        transfer->result.retry = DTR_RETRY_NEVER;
    else if (transfer->repeats < transfer->request.max_repeats)
        transfer->again_ns = seconds ? seconds * 1000000000 : 1000000;
}

static int refused(struct dtr_transfer *transfer, const struct dtr_origin_head *head)
{
    int status = head->status;
    bool later = status >= 500 || status == 429 || status == 408;
    (void)dtr_error_set(&transfer->result, DTR_EORIGIN, later ? DTR_RETRY_SAME : DTR_RETRY_NEVER,
                        "the origin answered %d", status);
    transfer->result.status = status;
    heed_retry_after(transfer, head);
    return DTR_EORIGIN;
}

/* Length of the object and its pieces, before the first byte. */
static int learn(struct dtr_transfer *transfer, const struct dtr_origin_head *head)
{
    const struct dtr_task_facts *facts = dtr_copy_facts(transfer->request.copy);
    uint64_t total = head->total_length, piece_length = facts->piece_length;
    if (total == DTR_LENGTH_UNKNOWN && facts->content_length != DTR_LENGTH_UNKNOWN)
        total = facts->content_length;
    if (!piece_length)
        piece_length = transfer->request.piece_length;
    if (!piece_length)
        piece_length = dtr_piece_length(total == DTR_LENGTH_UNKNOWN ? 0 : total);
    return from_copy(transfer,
                     dtr_copy_learn(transfer->request.copy, total, piece_length, &transfer->result));
}

/* Not every origin minds If-Range. */
static bool is_other_version(const struct dtr_transfer *transfer, const struct dtr_origin_head *head)
{
    const char *known = transfer->version;
    if (!known || dtr_copy_empty(transfer->request.copy))
        return false;
    return head->version ? strcmp(known, head->version) != 0 : head->status == 200;
}

/* With the bytes, so that another process can tell which version they are of. */
static void note_headers(struct dtr_copy *copy, const char *headers)
{
    if (strcmp(dtr_copy_facts(copy)->headers, headers) != 0)
        (void)dtr_copy_note(copy, headers, 0, 0, NULL);
}

static int on_head(void *context, const struct dtr_origin_head *head)
{
    struct dtr_transfer *transfer = context;
    origin_answered(&transfer->count, head->status);
    if (head->status != 200 && head->status != 206)
        return refused(transfer, head);
    if (head->offset > transfer->request.offset)
        return dtr_error_set(&transfer->result, DTR_EPROTOCOL, DTR_RETRY_NEVER,
                             "the origin answered with a range that starts too late");
    if (is_other_version(transfer, head))
        return dtr_error_set(
            &transfer->result, DTR_ECORRUPT, DTR_RETRY_NEVER,
            "the origin has another version of the object than the one that is here in part");
    int rc = learn(transfer, head);
    if (rc != DTR_OK)
        return rc;
    struct dtr_report report = {.kind = DTR_REPORT_HEAD,
                                .total_length = dtr_copy_facts(transfer->request.copy)->content_length,
                                .body_offset = head->offset};
    char *headers = header_lines(head), *version = strdup(head->version ? head->version : "");
    if (!headers || !version) {
        free(headers);
        free(version);
        return dtr_error_set(&transfer->result, DTR_ENOMEM, DTR_RETRY_SAME,
                             "out of memory for response headers");
    }
    note_headers(transfer->request.copy, headers);
    rc = tell(transfer, &report, headers, version);
    if (rc == DTR_OK && transfer->request.length_only) {
        transfer->enough = true;
        return head->status == 206 ? DTR_OK : DTR_ECANCELLED; /* one byte to come, or all of them */
    }
    if (rc == DTR_OK)
        rc = dtr_writer_origin(transfer->request.copy, head->offset, &writer_events, transfer,
                               &transfer->writer, &transfer->result);
    transfer->told_end = head->offset;
    return rc;
}

static int on_body(void *context, const uint8_t *bytes, size_t length, bool *ret_pause)
{
    struct dtr_transfer *transfer = context;
    const struct dtr_transfer_request *request = &transfer->request;
    if (request->length_only) {
        bool fits = transfer->told_end + length <= 1;
        transfer->told_end += length;
        return fits ? DTR_OK : DTR_ECANCELLED;
    }
    if (atomic_load(&transfer->held) || must_wait(transfer, length)) {
        transfer->paused = *ret_pause = true;
        return DTR_OK;
    }
    int rc = on_bytes(transfer, bytes, length);
    if (rc == DTR_OK && request->length != DTR_LENGTH_UNKNOWN &&
        dtr_writer_at(transfer->writer) == request->offset + request->length &&
        dtr_writer_at(transfer->writer) < dtr_copy_facts(request->copy)->content_length) {
        transfer->enough = true; /* the origin ignored the range: the rest is not wanted */
        rc = DTR_ECANCELLED;
    }
    return rc;
}

static void on_origin_done(void *context, const struct dtr_error *err)
{
    struct dtr_transfer *transfer = context;
    uint64_t again_ns = transfer->again_ns;
    transfer->call = NULL;
    transfer->again_ns = 0;
    if (again_ns && !atomic_load(&transfer->cancelled) && wait_for(transfer, dtr_now_ns(), again_ns)) {
        origin_ended(&transfer->count, err);
        transfer->repeats++;
        transfer->result = (struct dtr_error){0};
        return;
    }
    end(transfer, err);
}

static void no_body(void *context)
{
    (void)context;
}

static const struct dtr_origin_sink origin_sink = {on_head, on_body, no_body, on_origin_done};

static int begin_origin(struct dtr_transfer *transfer, struct dtr_error *err)
{
    const struct dtr_transfer_request *request = &transfer->request;
    struct dtr_header headers[HEADER_LINES];
    /* They are cut up, and the request may have to be repeated. */
    char *header_text = transfer->header_text ? strdup(transfer->header_text) : NULL;
    char *default_text = transfer->default_text ? strdup(transfer->default_text) : NULL;
    size_t given = header_lines_split(header_text, headers, 0);
    size_t count = header_lines_split(default_text, headers, given);
    struct dtr_origin_request read = {
        .url = transfer->url,
        .headers = headers,
        .header_count = count,
        .own_header_count = count - given,
        .redirect_ttl_ms = request->redirect_ttl_ms,
        .trusted = request->trusted,
        .offset = request->offset,
        .length = request->length_only ? 1 : request->length,
        .if_range = request->offset > 0 || request->length != DTR_LENGTH_UNKNOWN ? transfer->version : NULL,
        .ca_file = transfer->ca_file,
        .insecure = request->insecure,
        .connect_ms = request->connect_ms,
        .stall_ms = request->stall_ms,
    };
    int rc = (transfer->header_text && !header_text) || (transfer->default_text && !default_text)
                 ? dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for request headers")
                 : DTR_OK;
    origin_asked(&transfer->count, transfer->url, "GET");
    if (rc == DTR_OK)
        rc = request->origin->read(request->origin_instance, request->data, &read, &origin_sink, transfer,
                                   &transfer->call, err);
    free(header_text);
    free(default_text);
    return rc;
}

/* --- orders
 * --------------------------------------------------------------------------------------------------- */

/* A piece that nobody waits for is put off as a whole: what a transport brings cannot be paused. */
static bool put_off(struct dtr_transfer *transfer)
{
    struct dtr_pace *limit = transfer->request.limits.prefetch;
    uint64_t now = dtr_now_ns();
    return transfer->request.transport && limit && in_background(transfer) &&
           wait_for(transfer, now, dtr_pace_take(limit, now, transfer->request.length));
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
        rc = transfer->request.transport ? begin_fetch(transfer, &err) : begin_origin(transfer, &err);
    if (rc != DTR_OK)
        end(transfer, &err);
}

static void on_turn(void *context)
{
    struct dtr_transfer *transfer = context;
    uint64_t now = dtr_now_ns();
    if (now < transfer->go_ns) {
        (void)tell(transfer, &(struct dtr_report){.kind = DTR_REPORT_WAITS}, NULL, NULL);
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
    bool hurried = transfer->request.transport && !in_background(transfer);
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
        transfer->url = copy_text(request->url, &ok);
        transfer->header_text = copy_text(request->headers, &ok);
        transfer->default_text = copy_text(request->default_headers, &ok);
        transfer->version = copy_text(request->version, &ok);
        transfer->ca_file = copy_text(request->ca_file, &ok);
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

void dtr_transfer_hurry(struct dtr_transfer *transfer)
{
    order(transfer);
}

void dtr_transfer_cancel(struct dtr_transfer *transfer)
{
    atomic_store(&transfer->cancelled, true);
    order(transfer);
}
