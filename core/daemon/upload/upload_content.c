/* See upload_content.h. */
#include "core/daemon/upload/upload_content.h"

#include "core/base/digest.h"
#include "core/base/list.h"
#include "core/rpc/field.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { STEP = 1 << 20 };

/* Fields of the messages around the bytes, all length-delimited (proto/dfdaemon.proto, proto/common.proto).
 */
enum { FINISHED = 5, FINISHED_PIECE = 1, PIECE_CONTENT = 6 };

struct content {
    struct dtr_msg msg; /* to the data thread, there again and again, and back */
    struct dtr_loop *control, *data;
    const struct dtr_copy *copy;
    struct dtr_piece piece;
    const struct content_events *events;
    void *context;
    struct dtr_rpc_out *message;
    uint8_t *bytes; /* the piece's place in it */
    _Atomic bool cancelled;

    /* Data thread. */
    struct dtr_extent extent;
    bool leased;
    uint64_t at;
    uint32_t crc32;
    struct dtr_error result;
};

/* --- the message ---------------------------------------------------------------------------------- */

/* The content goes last in its message, and that last in its own: so everything before is small. */
static struct dtr_rpc_out *pack(const Dfdaemon__V2__DownloadTaskResponse *response,
                                const Common__V2__Piece *piece, uint64_t content, uint8_t **ret_bytes)
{
    size_t outer = protobuf_c_message_get_packed_size(&response->base),
           inner = protobuf_c_message_get_packed_size(&piece->base);
    uint64_t piece_size = inner + dtr_rpc_field_size(PIECE_CONTENT, content),
             finished_size = dtr_rpc_field_size(FINISHED_PIECE, piece_size);
    struct dtr_rpc_out *message =
        dtr_rpc_out_new((size_t)(outer + dtr_rpc_field_size(FINISHED, finished_size)));
    if (!message)
        return NULL;
    uint8_t *at = dtr_rpc_out_bytes(message);
    at += protobuf_c_message_pack(&response->base, at);
    at = dtr_rpc_put_head(at, FINISHED, finished_size);
    at = dtr_rpc_put_head(at, FINISHED_PIECE, piece_size);
    at += protobuf_c_message_pack(&piece->base, at);
    *ret_bytes = dtr_rpc_put_head(at, PIECE_CONTENT, content);
    return message;
}

/* --- the bytes ------------------------------------------------------------------------------------ */

static void on_done(struct dtr_msg *msg)
{
    struct content *content = dtr_container(msg, struct content, msg);
    struct dtr_rpc_out *message = content->message;
    if (content->result.code != DTR_OK) {
        dtr_rpc_out_free(message);
        message = NULL;
    }
    content->events->done(content->context, message, &content->result);
    free(content);
}

static void end(struct content *content)
{
    if (content->leased)
        dtr_extent_release(&content->extent);
    content->msg.run = on_done;
    dtr_loop_post(content->control, &content->msg);
}

static int read_file(struct content *content, uint8_t *to, size_t length)
{
    off_t from = (off_t)(content->extent.offset + content->at);
    while (length > 0) {
        ssize_t got = pread(content->extent.fd, to, length, from);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return dtr_error_set(&content->result, DTR_EIO, DTR_RETRY_SAME,
                                 "cannot read piece %u of the store: %s", content->piece.number,
                                 got < 0 ? strerror(errno) : "the file is too short");
        to += got;
        from += got;
        length -= (size_t)got;
    }
    return DTR_OK;
}

static int check(struct content *content)
{
    if (!content->piece.has_crc32 || content->crc32 == content->piece.crc32)
        return DTR_OK;
    return dtr_error_set(&content->result, DTR_ECORRUPT, DTR_RETRY_NEVER,
                         "piece %u is damaged in the store and comes anew the next time: try again",
                         content->piece.number);
}

/* Data thread: the next part. */
static void step(struct dtr_msg *msg)
{
    struct content *content = dtr_container(msg, struct content, msg);
    uint8_t *to = content->bytes + content->at;
    uint64_t left = content->piece.length - content->at;
    size_t part = left < STEP ? (size_t)left : STEP;
    int rc = DTR_OK;
    if (atomic_load(&content->cancelled))
        rc = dtr_error_set(&content->result, DTR_ECANCELLED, DTR_RETRY_NEVER, "cancelled");
    else if (content->extent.fd >= 0)
        rc = read_file(content, to, part);
    else
        memcpy(to, content->extent.data + content->at, part);
    if (rc == DTR_OK)
        content->crc32 = dtr_crc32(content->crc32, to, part);
    content->at += part;
    if (rc == DTR_OK && content->at < content->piece.length) {
        dtr_loop_post(content->data, &content->msg);
        return;
    }
    if (rc == DTR_OK)
        (void)check(content);
    end(content);
}

/* Data thread. */
static void begin(struct dtr_msg *msg)
{
    struct content *content = dtr_container(msg, struct content, msg);
    content->leased = dtr_copy_lease(content->copy, content->piece.offset, content->piece.length,
                                     &content->extent, &content->result) == DTR_OK;
    if (!content->leased) {
        end(content);
        return;
    }
    content->msg.run = step;
    step(msg);
}

int content_read(struct dtr_loop *control, struct dtr_loop *data, const struct dtr_copy *copy,
                 const Dfdaemon__V2__DownloadTaskResponse *response, const Common__V2__Piece *piece,
                 const struct dtr_piece *facts, const struct content_events *events, void *context,
                 void (*freed)(void *context, uint64_t bytes), void *freed_context,
                 struct content **ret_content, struct dtr_error *err)
{
    struct content *content = calloc(1, sizeof(*content));
    if (content) {
        *content = (struct content){.msg.run = begin,
                                    .control = control,
                                    .data = data,
                                    .copy = copy,
                                    .piece = *facts,
                                    .events = events,
                                    .context = context};
        content->message = pack(response, piece, facts->length, &content->bytes);
    }
    if (!content || !content->message) {
        free(content);
        freed(freed_context, facts->length);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a piece of %llu bytes",
                             (unsigned long long)facts->length);
    }
    dtr_rpc_out_watch(content->message, freed, freed_context, facts->length);
    *ret_content = content;
    dtr_loop_post(data, &content->msg);
    return DTR_OK;
}

void content_cancel(struct content *content)
{
    atomic_store(&content->cancelled, true);
}
