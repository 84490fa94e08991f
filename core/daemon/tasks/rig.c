/* See rig.h. */
#include "core/daemon/tasks/rig.h"

#include "core/base/digest.h"
#include "core/loop/loop.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint8_t rig_object[RIG_SIZE];
_Atomic int rig_length_questions, rig_origin_requests, rig_cut_off;
char rig_origin_url[100], rig_origin_headers[200], rig_origin_ca_file[64], rig_origin_roots[2048];
bool rig_origin_trusted;

void rig_fill(void)
{
    for (size_t i = 0; i < RIG_SIZE; i++)
        rig_object[i] = (uint8_t)(i * 31 + (i >> 12));
}

/* --- a store in memory ---------------------------------------------------------------------------------- */

struct dtr_stored rig_disk;
int rig_disk_fd = -1;

static int mem_open(void *instance, const struct dtr_task_facts *facts, struct dtr_stored **ret,
                    struct dtr_error *err)
{
    (void)instance;
    (void)facts;
    if (rig_disk.damaged)
        return dtr_error_set(err, DTR_ECORRUPT, DTR_RETRY_NEVER, "the index is damaged");
    *ret = &rig_disk;
    return DTR_OK;
}

static int mem_update(struct dtr_stored *stored, const struct dtr_task_facts *facts, struct dtr_error *err)
{
    (void)stored;
    (void)facts;
    (void)err;
    return DTR_OK;
}

static int mem_write(struct dtr_stored *stored, uint64_t offset, const void *bytes, size_t length,
                     struct dtr_error *err)
{
    memcpy(stored->bytes + offset, bytes, length);
    if (rig_disk_fd >= 0 && pwrite(rig_disk_fd, bytes, length, (off_t)offset) != (ssize_t)length)
        return dtr_error_set(err, DTR_EIO, DTR_RETRY_NEVER, "the test's file cannot be written");
    return DTR_OK;
}

static int mem_lease(struct dtr_stored *stored, uint64_t offset, uint64_t length,
                     struct dtr_extent *ret_extent, struct dtr_error *err)
{
    (void)err;
    *ret_extent = (struct dtr_extent){.fd = rig_disk_fd, .offset = offset, .length = length};
    if (rig_disk_fd < 0)
        *ret_extent = (struct dtr_extent){.fd = -1, .data = stored->bytes + offset, .length = length};
    return DTR_OK;
}

static int mem_mark(struct dtr_stored *stored, const struct dtr_piece *piece, struct dtr_error *err)
{
    (void)err;
    stored->marks |= 1u << piece->number;
    return DTR_OK;
}

static int mem_unmark(struct dtr_stored *stored, uint32_t first, uint32_t count, struct dtr_error *err)
{
    (void)err;
    for (uint32_t i = 0; i < count; i++)
        stored->marks &= ~(1u << (first + i));
    return DTR_OK;
}

static int mem_read(struct dtr_stored *stored, uint64_t offset, void *bytes, size_t length,
                    struct dtr_error *err)
{
    (void)err;
    memcpy(bytes, stored->bytes + offset, length);
    return DTR_OK;
}

static void mem_close(struct dtr_stored *stored)
{
    (void)stored;
}

static int mem_evict(void *instance, const char *task_id, struct dtr_error *err)
{
    (void)instance;
    (void)task_id;
    (void)err;
    bool stays = rig_disk.stays_damaged;
    memset(&rig_disk, 0, sizeof(rig_disk));
    rig_disk.damaged = rig_disk.stays_damaged = stays;
    return DTR_OK;
}

uint64_t rig_disk_size = UINT64_MAX;

static int mem_usage(void *instance, uint64_t *ret_total, uint64_t *ret_used, struct dtr_error *err)
{
    (void)instance;
    (void)err;
    *ret_total = rig_disk_size;
    *ret_used = 0;
    return DTR_OK;
}

const struct dtr_storage_ops rig_storage = {
    .size = sizeof(rig_storage),
    .open = mem_open,
    .update = mem_update,
    .write = mem_write,
    .mark = mem_mark,
    .unmark = mem_unmark,
    .lease = mem_lease,
    .read = mem_read,
    .close = mem_close,
    .evict = mem_evict,
    .usage = mem_usage,
};

/* --- an origin: one block per timer tick, on the data thread -----------------------------------------------
 */

uint8_t rig_renewed(size_t at)
{
    return (uint8_t)(rig_object[at] ^ 0xff);
}

struct dtr_origin_call {
    const struct rig_script *script;
    const char *version;
    const struct dtr_origin_sink *sink;
    void *context;
    struct dtr_timer *timer;
    uint64_t at, end;
    bool headed, cancelled;
};

static void origin_end(struct dtr_origin_call *call, int code)
{
    struct dtr_error err = {.code = code, .retry = code == DTR_ECLOSED ? DTR_RETRY_SAME : DTR_RETRY_NEVER};
    dtr_timer_close(call->timer);
    call->sink->done(call->context, &err);
    free(call);
}

static int origin_head(struct dtr_origin_call *call)
{
    char length[24];
    struct dtr_header headers[4] = {{"Content-Type", "text/plain"}, {"Set-Cookie", "secret=1"}};
    size_t count = 2;
    (void)snprintf(length, sizeof(length), "%llu", (unsigned long long)(call->end - call->at));
    if (!call->script->length_unknown)
        headers[count++] = (struct dtr_header){"Content-Length", length};
    if (call->script->renew_after)
        headers[count++] = (struct dtr_header){"ETag", call->version};
    struct dtr_origin_head head = {
        .status = call->script->status == 200 && (call->at > 0 || call->end < RIG_SIZE)
                      ? 206
                      : call->script->status,
        .headers = headers,
        .header_count = count,
        .offset = call->at,
        .total_length = call->script->length_unknown ? DTR_LENGTH_UNKNOWN : RIG_SIZE,
        .version = call->version,
    };
    call->headed = true;
    return call->sink->head(call->context, &head);
}

static bool is_renewed(const struct dtr_origin_call *call)
{
    return strcmp(call->version, "\"v2\"") == 0 && !call->script->only_the_tag;
}

static const uint8_t *bytes_at(const struct dtr_origin_call *call, uint8_t block[RIG_BLOCK], size_t length)
{
    if (!is_renewed(call))
        return rig_object + call->at;
    for (size_t i = 0; i < length; i++)
        block[i] = rig_renewed(call->at + i);
    return block;
}

enum { SILENT_TICK_MS = 5 }; /* how often it looks whether it may go on */

static void origin_tick(void *context)
{
    struct dtr_origin_call *call = context;
    uint8_t block[RIG_BLOCK];
    bool pause = false;
    int rc = call->cancelled ? DTR_ECANCELLED : call->headed ? DTR_OK : origin_head(call);
    rig_cut_off += rc != DTR_OK && !call->cancelled;
    if (rc != DTR_OK || call->at == call->end || (call->at >= call->script->close_at && !is_renewed(call))) {
        origin_end(call, rc != DTR_OK ? rc : call->at == call->end ? DTR_OK : DTR_ECLOSED);
        return;
    }
    if (call->at >= call->script->silent_at) {
        dtr_timer_set(call->timer, SILENT_TICK_MS);
        return;
    }
    size_t part = call->end - call->at < RIG_BLOCK ? (size_t)(call->end - call->at) : RIG_BLOCK;
    rc = call->sink->body(call->context, bytes_at(call, block, part), part, &pause);
    if (rc != DTR_OK) {
        rig_cut_off++;
        origin_end(call, rc);
        return;
    }
    if (!pause) {
        call->at += part;
        dtr_timer_set(call->timer, (uint64_t)call->script->block_ms);
    }
}

static void remember(const struct dtr_origin_request *request)
{
    size_t length = 0, size = sizeof(rig_origin_headers);
    rig_origin_headers[0] = '\0';
    rig_origin_trusted = request->trusted;
    (void)snprintf(rig_origin_url, sizeof(rig_origin_url), "%s", request->url);
    for (size_t i = 0; i < request->header_count && length < size; i++)
        length += (size_t)snprintf(rig_origin_headers + length, size - length, "%s: %s\n",
                                   request->headers[i].name, request->headers[i].value);
    (void)snprintf(rig_origin_ca_file, sizeof(rig_origin_ca_file), "%s",
                   request->ca_file ? request->ca_file : "");
    (void)snprintf(rig_origin_roots, sizeof(rig_origin_roots), "%s", request->roots ? request->roots : "");
}

static int origin_read(void *instance, struct dtr_loop *loop, const struct dtr_origin_request *request,
                       const struct dtr_origin_sink *sink, void *context, struct dtr_origin_call **ret,
                       struct dtr_error *err)
{
    const struct rig_script *script = instance;
    const char *version =
        script->renew_after && rig_origin_requests >= script->renew_after ? "\"v2\"" : "\"v1\"";
    bool other = request->if_range && strcmp(request->if_range, version) != 0 && !script->ignore_if_range;
    bool from_start = script->ignore_range || other;
    rig_origin_requests++;
    rig_length_questions += request->length == 1;
    remember(request);
    struct dtr_origin_call *call = calloc(1, sizeof(*call));
    *call = (struct dtr_origin_call){.script = script, .version = version, .sink = sink, .context = context};
    call->at = from_start ? 0 : request->offset;
    call->end = RIG_SIZE;
    if (!from_start && request->length < RIG_SIZE - call->at)
        call->end = call->at + request->length;
    *ret = call;
    int rc = dtr_timer_open(loop, origin_tick, call, &call->timer, err);
    dtr_timer_set(call->timer, 0);
    return rc;
}

static void origin_resume(struct dtr_origin_call *call)
{
    dtr_timer_set(call->timer, 0);
}

static void origin_cancel(struct dtr_origin_call *call)
{
    call->cancelled = true;
    dtr_timer_set(call->timer, 0);
}

const struct dtr_origin_ops rig_origin = {
    .size = sizeof(rig_origin), .read = origin_read, .resume = origin_resume, .cancel = origin_cancel};

/* --- a transport: the whole piece in one tick, or a refusal
 * --------------------------------------------------- */

struct dtr_fetch {
    const struct dtr_fetch_sink *sink;
    void *context;
    struct dtr_timer *timer;
    struct dtr_piece piece;
    int lie;
};

static const uint8_t *bytes_of(uint32_t piece, int lie)
{
    static const uint8_t wrong[RIG_SIZE];
    return lie == RIG_WRONG_BYTES && piece == 1 ? wrong : rig_object;
}

static void fetch_tick(void *context)
{
    struct dtr_fetch *fetch = context;
    struct dtr_error err = {0};
    uint64_t at = fetch->piece.offset, limit = at + fetch->piece.length;
    const uint8_t *from = bytes_of(fetch->piece.number, fetch->lie);
    int rc = fetch->sink->facts(fetch->context, &fetch->piece);
    for (; rc == DTR_OK && at < limit; at += RIG_BLOCK)
        rc = fetch->sink->bytes(fetch->context, at, from + at,
                                limit - at < RIG_BLOCK ? (size_t)(limit - at) : RIG_BLOCK);
    err.code = rc;
    dtr_timer_close(fetch->timer);
    fetch->sink->done(fetch->context, &err);
    free(fetch);
}

static int transport_fetch(void *instance, struct dtr_loop *loop, const struct dtr_fetch_request *request,
                           const struct dtr_fetch_sink *sink, void *context, struct dtr_fetch **ret,
                           struct dtr_error *err)
{
    const int *lie = instance;
    struct dtr_fetch *fetch = calloc(1, sizeof(*fetch));
    *fetch = (struct dtr_fetch){.sink = sink, .context = context, .lie = *lie};
    fetch->piece = (struct dtr_piece){.number = request->piece_number,
                                      .offset = request->offset,
                                      .length = request->length,
                                      .has_crc32 = true};
    fetch->piece.crc32 =
        dtr_crc32(0, bytes_of(request->piece_number, *lie) + request->offset, (size_t)request->length) ^
        (*lie == RIG_WRONG_CHECKSUMS);
    *ret = fetch;
    int rc = dtr_timer_open(loop, fetch_tick, fetch, &fetch->timer, err);
    dtr_timer_set(fetch->timer, 0);
    return rc;
}

static void transport_cancel(struct dtr_fetch *fetch)
{
    (void)fetch;
}

const struct dtr_transport_ops rig_transport = {
    .size = sizeof(rig_transport), .fetch = transport_fetch, .cancel = transport_cancel};
