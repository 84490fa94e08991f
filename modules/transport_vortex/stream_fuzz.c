/* Bytes that a peer may send, in pieces: to a fetch (the first byte is even) and to the serving side. Core is
 * played by a host whose streams only remember that they were closed. */
#include "frame.h"
#include "vortex.h"

#include <netinet/in.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OFFSET = 5000, LENGTH = 3000, PIECE = 3 };

struct dtr_stream {
    const struct dtr_stream_events *events;
    void *context;
    bool closed;
    uint64_t credit;
};

static struct dtr_stream stream;
static uint64_t next; /* offset of the next byte that the sink wants */
static int done;      /* calls of the sink's `done` */

static void require(bool condition)
{
    if (!condition)
        abort();
}

static uint64_t now(void)
{
    return 7;
}

static void adopt(struct dtr_stream *with, const struct dtr_stream_events *events, void *context)
{
    with->events = events;
    with->context = context;
}

static int connect_to(struct dtr_loop *loop, const struct sockaddr *address, uint64_t connect_ms,
                      const struct dtr_stream_events *events, void *context, struct dtr_stream **ret_stream,
                      struct dtr_error *err)
{
    (void)loop, (void)address, (void)connect_ms, (void)err;
    adopt(&stream, events, context);
    *ret_stream = &stream;
    return DTR_OK;
}

static void read_more(struct dtr_stream *with, uint64_t bytes)
{
    with->credit = bytes > UINT64_MAX - with->credit ? UINT64_MAX : with->credit + bytes;
}

static void write_bytes(struct dtr_stream *with, const void *bytes, size_t length)
{
    (void)bytes;
    require(!with->closed && length <= VORTEX_HEADER + VORTEX_ERROR_LIMIT);
}

static void set_deadline(struct dtr_stream *with, uint64_t idle_ms, uint64_t total_ms)
{
    (void)with, (void)idle_ms, (void)total_ms;
}

static void close_it(struct dtr_stream *with, bool flush)
{
    (void)flush;
    with->closed = true;
}

static struct dtr_loop *loop_of(const struct dtr_stream *with)
{
    (void)with;
    return NULL;
}

static const char *peer_of(const struct dtr_stream *with)
{
    (void)with;
    return "10.0.0.1:4005";
}

static int ask(struct dtr_service *service, struct dtr_loop *loop, const char *task_id, uint32_t number,
               void (*answered)(void *context, const struct dtr_answer *), void *context,
               struct dtr_question **ret_question, struct dtr_error *err)
{
    (void)service, (void)loop, (void)number, (void)answered, (void)context, (void)ret_question;
    require(strlen(task_id) == DTR_TASK_ID_LENGTH);
    return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "%s is not here", task_id);
}

static const struct dtr_host host = {
    .size = sizeof(host),
    .now_ns = now,
    .stream_connect = connect_to,
    .stream_adopt = adopt,
    .stream_read = read_more,
    .stream_write = write_bytes,
    .stream_deadline = set_deadline,
    .stream_close = close_it,
    .stream_loop = loop_of,
    .stream_peer = peer_of,
    .service_ask = ask,
};

static int on_facts(void *context, const struct dtr_piece *piece)
{
    (void)context;
    require(piece->number == PIECE && piece->offset <= OFFSET && !done);
    return DTR_OK;
}

static int on_bytes(void *context, uint64_t offset, const uint8_t *bytes, size_t length)
{
    (void)context, (void)bytes;
    require(offset == next && length > 0 && length <= OFFSET + LENGTH - offset && !done);
    next += length;
    return DTR_OK;
}

static void on_done(void *context, const struct dtr_error *err)
{
    (void)context;
    require((err->code == DTR_OK) == (next == OFFSET + LENGTH));
    done++;
}

/* Feeds what the credit allows, as core does: nothing after the user has closed, and `closed` at last. */
static void feed(const uint8_t *data, size_t size, size_t step)
{
    const struct dtr_error none = {0};
    for (size_t at = 0; at < size && !stream.closed && stream.credit > 0;) {
        size_t length = size - at < step ? size - at : step;
        if (length > stream.credit)
            length = (size_t)stream.credit;
        stream.credit -= length;
        stream.events->data(stream.context, data + at, length);
        at += length;
    }
    if (!stream.closed && stream.events->end)
        stream.events->end(stream.context);
    stream.events->closed(stream.context, &none);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct vortex_options options = {0};
    static const struct dtr_fetch_sink sink = {.facts = on_facts, .bytes = on_bytes, .done = on_done};
    static const struct sockaddr_in peer = {.sin_family = AF_INET};
    struct vortex vortex = {.host = &host, .options = &options};
    struct dtr_fetch_request request = {.peer = (const struct sockaddr *)(const void *)&peer,
                                        .piece_number = PIECE,
                                        .offset = OFFSET,
                                        .length = LENGTH};
    char task_id[DTR_TASK_ID_LENGTH + 1];
    struct dtr_fetch *fetch;
    if (size < 1)
        return 0;
    stream = (struct dtr_stream){0};
    next = OFFSET;
    done = 0;
    memset(task_id, 'a', sizeof(task_id) - 1);
    task_id[DTR_TASK_ID_LENGTH] = '\0';
    request.task_id = task_id;
    size_t step = data[0] >> 1 ? data[0] >> 1 : size;
    if (data[0] & 1)
        vortex_serve(&vortex, &stream, NULL);
    else
        require(vortex_fetch(&vortex, NULL, &request, &sink, NULL, &fetch, NULL) == DTR_OK);
    feed(data + 1, size - 1, step);
    require(done == !(data[0] & 1));
    return 0;
}
