/* A stream from the origin, by an origin module: its head, its bytes at the pace of the limits, its end. Data
 * thread. */
#include "core/daemon/tasks/transfer_internal.h"

#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/brain/geometry.h"
#include "core/daemon/header_lines.h"
#include "core/daemon/tasks/retry_after.h"
#include <stdlib.h>

enum { RETRY_AFTER_MOST = 30 }; /* seconds that an origin may have us wait */

/* --- limits ------------------------------------------------------------------------------------------ */

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
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
        if (transfer_in_background(transfer))
            wait = later(wait, dtr_pace_take(limits->prefetch, now, more));
        transfer->granted = length;
        if (transfer_wait_for(transfer, now, wait))
            return true;
    }
    transfer->granted -= length;
    return false;
}

/* --- the head ------------------------------------------------------------------------------------------ */

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
    return transfer_from_copy(transfer,
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

static bool takes_ranges(const struct dtr_origin_head *head)
{
    const char *unit = dtr_header_find(head->headers, head->header_count, "Accept-Ranges");
    return head->status == 206 || (unit && dtr_casecmp(unit, "bytes") == 0);
}

/* Where the answer ends and what is wanted of it. */
static void take_bounds(struct dtr_transfer *transfer, const struct dtr_origin_head *head)
{
    const struct dtr_transfer_request *request = &transfer->request;
    bool open = request->length == DTR_LENGTH_UNKNOWN;
    transfer->rest = open || (request->rest_too && head->status == 200);
    transfer->runs_on = open || head->status == 200;
    if (transfer->rest && !open)
        atomic_store(&transfer->until, DTR_LENGTH_UNKNOWN);
}

static uint64_t asked_end(const struct dtr_transfer *transfer)
{
    const struct dtr_transfer_request *request = &transfer->request;
    return request->length == DTR_LENGTH_UNKNOWN ? DTR_LENGTH_UNKNOWN : request->offset + request->length;
}

/* The origin ignores the range, or only a part of what it was asked for is wanted now. */
static bool has_enough(const struct dtr_transfer *transfer, bool came_more)
{
    uint64_t until = atomic_load(&transfer->until), at = dtr_writer_at(transfer->writer);
    return at >= until && at < dtr_copy_facts(transfer->request.copy)->content_length &&
           (transfer->runs_on || came_more || until < asked_end(transfer));
}

static int on_head(void *context, const struct dtr_origin_head *head)
{
    struct dtr_transfer *transfer = context;
    origin_answered(&transfer->count, head->status);
    if (head->status != 200 && head->status != 206)
        return refused(transfer, head);
    if (transfer->request.further && (head->status != 206 || head->offset != transfer->request.offset))
        return dtr_error_set(&transfer->result, DTR_EPROTOCOL, DTR_RETRY_NEVER,
                             "the origin answered %d to a further range", head->status);
    take_bounds(transfer, head);
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
                                .body_offset = head->offset,
                                .takes_ranges = takes_ranges(head),
                                .whole = head->status == 200};
    char *headers = header_lines(head), *version = strdup(head->version ? head->version : "");
    if (!headers || !version) {
        free(headers);
        free(version);
        return dtr_error_set(&transfer->result, DTR_ENOMEM, DTR_RETRY_SAME,
                             "out of memory for response headers");
    }
    note_headers(transfer->request.copy, headers);
    rc = transfer_tell(transfer, &report, headers, version);
    if (rc == DTR_OK && transfer->request.length_only) {
        transfer->enough = true;
        return head->status == 206 ? DTR_OK : DTR_ECANCELLED; /* one byte to come, or all of them */
    }
    if (rc == DTR_OK)
        rc = dtr_writer_origin(transfer->request.copy, head->offset, &transfer_writer_events, transfer,
                               &transfer->writer, &transfer->result);
    transfer->told_end = head->offset;
    return rc;
}

static int on_body(void *context, const uint8_t *bytes, size_t length, bool *ret_pause)
{
    struct dtr_transfer *transfer = context;
    if (transfer->request.length_only) {
        bool fits = transfer->told_end + length <= 1;
        transfer->told_end += length;
        return fits ? DTR_OK : DTR_ECANCELLED;
    }
    if (atomic_load(&transfer->held) || must_wait(transfer, length)) {
        transfer->paused = *ret_pause = true;
        return DTR_OK;
    }
    uint64_t at = dtr_writer_at(transfer->writer);
    int rc = transfer_bytes(transfer, bytes, length);
    if (rc == DTR_OK && has_enough(transfer, dtr_writer_at(transfer->writer) - at < length)) {
        transfer->enough = true;
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
    if (again_ns && !atomic_load(&transfer->cancelled) &&
        transfer_wait_for(transfer, dtr_now_ns(), again_ns)) {
        origin_ended(&transfer->count, err);
        transfer->repeats++;
        transfer->result = (struct dtr_error){0};
        return;
    }
    transfer_end(transfer, err);
}

static void no_body(void *context)
{
    (void)context;
}

static const struct dtr_origin_sink origin_sink = {on_head, on_body, no_body, on_origin_done};

int transfer_begin_origin(struct dtr_transfer *transfer, struct dtr_error *err)
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
        .roots = transfer->roots,
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
