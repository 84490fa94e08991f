/* The fetching side (wire page 4.4): connect, send the request, read metadata, then exactly the bytes that
 * were asked for; more is ignored, less is an error.
 *
 * Vortex names whole pieces. A range within a piece is cut out of it: the bytes before it are read and
 * dropped, the connection is closed after it. */
#include "frame.h"
#include "vortex.h"

#include <stdlib.h>

enum phase { HEADER, META_LENGTH, META, BYTES, FAILURE };

struct dtr_fetch {
    const struct vortex *vortex;
    struct dtr_stream *stream;
    const struct dtr_fetch_sink *sink;
    void *context;
    struct dtr_error result;
    bool finished; /* `result` stands; `done` comes with the end of the stream */
    enum phase phase;
    uint8_t head[VORTEX_META_LIMIT];
    size_t have, want; /* of the part being gathered in head */
    uint32_t number;
    uint64_t skip;         /* bytes of the piece before the range */
    uint64_t offset, left; /* next byte wanted, how many are left */
    uint64_t start;        /* first byte wanted */
};

static void finish(struct dtr_fetch *fetch)
{
    if (fetch->finished)
        return;
    fetch->finished = true;
    fetch->vortex->host->stream_close(fetch->stream, false);
}

static void fail(struct dtr_fetch *fetch, int code, const char *text)
{
    if (!fetch->finished)
        (void)dtr_error_set(&fetch->result, code, DTR_RETRY_ELSEWHERE, "%s: %s",
                            fetch->vortex->host->stream_peer(fetch->stream), text);
    finish(fetch);
}

static void gather(struct dtr_fetch *fetch, enum phase phase, size_t want)
{
    fetch->phase = phase;
    fetch->have = 0;
    fetch->want = want;
}

static void on_header(struct dtr_fetch *fetch)
{
    struct vortex_header header;
    vortex_read_header(fetch->head, &header);
    if (header.tag == VORTEX_PIECE_CONTENT)
        gather(fetch, META_LENGTH, 4); /* header.length leaves the bytes out: of no use */
    else if (header.tag == VORTEX_ERROR && header.length >= 1 && header.length <= VORTEX_ERROR_LIMIT)
        gather(fetch, FAILURE, header.length);
    else
        fail(fetch, DTR_EPROTOCOL, "this is not a Vortex answer");
}

static void on_meta(struct dtr_fetch *fetch)
{
    struct dtr_piece piece;
    struct dtr_error err;
    if (vortex_read_content(fetch->head, fetch->want, &piece, &err) != DTR_OK) {
        fail(fetch, err.code, err.text);
        return;
    }
    if (piece.number != fetch->number) {
        fail(fetch, DTR_EPROTOCOL, "it answered with another piece");
        return;
    }
    if (fetch->start < piece.offset || fetch->start + fetch->left > piece.offset + piece.length) {
        fail(fetch, DTR_EPROTOCOL, "its piece does not hold the range that was asked for");
        return;
    }
    fetch->skip = fetch->start - piece.offset;
    fetch->phase = BYTES;
    int rc = fetch->sink->facts(fetch->context, &piece);
    if (rc != DTR_OK)
        fail(fetch, rc, "the piece was refused here");
}

static void on_part(struct dtr_fetch *fetch)
{
    uint32_t length;
    struct dtr_error err;
    switch (fetch->phase) {
    case HEADER:
        on_header(fetch);
        break;
    case META_LENGTH:
        length = (uint32_t)fetch->head[0] << 24 | (uint32_t)fetch->head[1] << 16 |
                 (uint32_t)fetch->head[2] << 8 | fetch->head[3];
        if (length == 0 || length > VORTEX_META_LIMIT)
            fail(fetch, DTR_EPROTOCOL, "its piece metadata is too long");
        else
            gather(fetch, META, length);
        break;
    case META:
        on_meta(fetch);
        break;
    case FAILURE:
        (void)vortex_read_error(fetch->head, fetch->want, &err);
        fail(fetch, err.code, err.text);
        break;
    case BYTES:
        break;
    }
}

static void on_bytes(struct dtr_fetch *fetch, const uint8_t *bytes, size_t length)
{
    size_t dropped = fetch->skip < length ? (size_t)fetch->skip : length;
    fetch->skip -= dropped;
    bytes += dropped;
    length -= dropped;
    if (length > fetch->left)
        length = (size_t)fetch->left;
    if (length == 0)
        return;
    int rc = fetch->sink->bytes(fetch->context, fetch->offset, bytes, length);
    fetch->offset += length;
    fetch->left -= length;
    if (rc != DTR_OK)
        fail(fetch, rc, "the bytes could not be stored");
    else if (fetch->left == 0)
        finish(fetch);
}

static void on_data(void *context, const uint8_t *bytes, size_t length)
{
    struct dtr_fetch *fetch = context;
    while (length > 0 && !fetch->finished) {
        if (fetch->phase == BYTES) {
            on_bytes(fetch, bytes, length);
            return;
        }
        size_t part = fetch->want - fetch->have < length ? fetch->want - fetch->have : length;
        memcpy(fetch->head + fetch->have, bytes, part);
        fetch->have += part;
        bytes += part;
        length -= part;
        if (fetch->have == fetch->want)
            on_part(fetch);
    }
}

static void on_end(void *context)
{
    fail(context, DTR_ECLOSED, "closed before the whole range arrived");
}

static void on_closed(void *context, const struct dtr_error *err)
{
    struct dtr_fetch *fetch = context;
    if (!fetch->finished)
        fetch->result = *err;
    fetch->sink->done(fetch->context, &fetch->result);
    free(fetch);
}

static int check(const struct dtr_fetch_request *request, struct dtr_error *err)
{
    if (strlen(request->task_id) != DTR_TASK_ID_LENGTH)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "Vortex needs a task id of %d characters",
                             DTR_TASK_ID_LENGTH);
    if (request->length == 0 || request->offset + request->length < request->offset)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "an empty or overflowing range");
    return DTR_OK;
}

int vortex_fetch(void *instance, struct dtr_loop *loop, const struct dtr_fetch_request *request,
                 const struct dtr_fetch_sink *sink, void *context, struct dtr_fetch **ret_fetch,
                 struct dtr_error *err)
{
    static const struct dtr_stream_events events = {.data = on_data, .end = on_end, .closed = on_closed};
    const struct vortex *vortex = instance;
    uint8_t frame[VORTEX_REQUEST];
    int rc = check(request, err);
    if (rc != DTR_OK)
        return rc;
    struct dtr_fetch *fetch = calloc(1, sizeof(*fetch));
    if (!fetch)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a fetch");
    *fetch = (struct dtr_fetch){.vortex = vortex, .sink = sink, .context = context};
    fetch->number = request->piece_number;
    fetch->start = fetch->offset = request->offset;
    fetch->left = request->length;
    gather(fetch, HEADER, VORTEX_HEADER);
    rc = vortex->host->stream_connect(loop, request->peer, request->connect_ms, &events, fetch,
                                      &fetch->stream, err);
    if (rc != DTR_OK) {
        free(fetch);
        return rc;
    }
    size_t length =
        vortex_write_request(frame, (uint8_t)vortex->host->now_ns(), request->task_id, fetch->number);
    vortex->host->stream_write(fetch->stream, frame, length);
    vortex->host->stream_deadline(fetch->stream, request->stall_ms, 0);
    vortex->host->stream_read(fetch->stream, UINT64_MAX);
    *ret_fetch = fetch;
    return DTR_OK;
}

void vortex_cancel(struct dtr_fetch *fetch)
{
    fail(fetch, DTR_ECANCELLED, "cancelled");
}
