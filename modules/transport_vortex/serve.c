/* The serving side (wire page 4.4): one request per connection, the piece's metadata, its bytes, close.
 *
 * The child closes its sending half as soon as it has the metadata, so the end of its bytes must not end
 * the transfer: there is no `end` handler. */
#include "frame.h"
#include "vortex.h"

#include <stdlib.h>

struct served {
    const struct vortex *vortex;
    struct dtr_stream *stream;
    struct dtr_service *service;
    struct dtr_question *question;
    uint8_t request[VORTEX_REQUEST];
    size_t have;
    uint8_t id;
};

static void refuse(struct served *served, enum vortex_code code, const char *text)
{
    uint8_t frame[VORTEX_HEADER + VORTEX_ERROR_LIMIT];
    size_t length = vortex_write_error(frame, served->id, code, text);
    served->vortex->host->stream_write(served->stream, frame, length);
    served->vortex->host->stream_close(served->stream, true);
}

static void on_answer(void *context, const struct dtr_answer *answer)
{
    struct served *served = context;
    const struct dtr_host *host = served->vortex->host;
    uint8_t frame[VORTEX_CONTENT_LIMIT];
    served->question = NULL;
    if (answer->code != DTR_OK) {
        refuse(served, answer->code == DTR_ENOT_FOUND ? VORTEX_NOT_FOUND : VORTEX_INTERNAL, answer->text);
        return;
    }
    size_t length = vortex_write_content(frame, served->id, &answer->piece, answer->parent_id);
    host->stream_deadline(served->stream, served->vortex->options->stall_ms, 0);
    host->stream_write(served->stream, frame, length);
    host->stream_send(served->stream, answer->extent);
    host->stream_close(served->stream, true);
}

static void ask(struct served *served)
{
    const struct dtr_host *host = served->vortex->host;
    char task_id[DTR_TASK_ID_LENGTH + 1];
    struct dtr_error err;
    uint32_t number;
    int rc = vortex_read_request(served->request + VORTEX_HEADER, VORTEX_REQUEST - VORTEX_HEADER, task_id,
                                 &number, &err);
    if (rc != DTR_OK) {
        refuse(served, VORTEX_INVALID_ARGUMENT, err.text);
        return;
    }
    host->stream_deadline(served->stream, 0, 0); /* the daemon bounds how long it waits for a piece */
    rc = host->service_ask(served->service, host->stream_loop(served->stream), task_id, number, on_answer,
                           served, &served->question, &err);
    if (rc != DTR_OK)
        refuse(served, VORTEX_INTERNAL, err.text);
}

static void on_data(void *context, const uint8_t *bytes, size_t length)
{
    struct served *served = context;
    struct vortex_header header;
    size_t before = served->have;
    if (length > VORTEX_REQUEST - served->have)
        length = VORTEX_REQUEST - served->have;
    memcpy(served->request + served->have, bytes, length);
    served->have += length;
    if (before < VORTEX_HEADER && served->have >= VORTEX_HEADER) {
        vortex_read_header(served->request, &header);
        served->id = header.id;
        if (header.tag != VORTEX_DOWNLOAD_PIECE || header.length != VORTEX_REQUEST - VORTEX_HEADER) {
            refuse(served, VORTEX_INVALID_ARGUMENT, "only requests for pieces of standard tasks are served");
            return;
        }
    }
    if (before < VORTEX_REQUEST && served->have == VORTEX_REQUEST)
        ask(served);
}

static void on_closed(void *context, const struct dtr_error *err)
{
    struct served *served = context;
    (void)err;
    if (served->question)
        served->vortex->host->question_cancel(served->question);
    free(served);
}

void vortex_serve(void *instance, struct dtr_stream *stream, struct dtr_service *service)
{
    static const struct dtr_stream_events events = {.data = on_data, .closed = on_closed};
    const struct vortex *vortex = instance;
    struct served *served = calloc(1, sizeof(*served));
    if (!served) {
        vortex->host->stream_close(stream, false);
        return;
    }
    *served = (struct served){.vortex = vortex, .stream = stream, .service = service};
    vortex->host->stream_adopt(stream, &events, served);
    vortex->host->stream_deadline(stream, 0, vortex->options->request_ms);
    /* Credit for the request only: what a peer sends beyond it stays in the kernel. */
    vortex->host->stream_read(stream, VORTEX_REQUEST);
}
