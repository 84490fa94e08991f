/* The transfer of a peer's piece, by a transport module. Data thread. */
#include "core/daemon/tasks/transfer_internal.h"

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
    return transfer_bytes(transfer, bytes, length);
}

static void on_fetch_done(void *context, const struct dtr_error *err)
{
    struct dtr_transfer *transfer = context;
    transfer->fetch = NULL;
    transfer_end(transfer, err);
}

static const struct dtr_fetch_sink fetch_sink = {on_facts, on_fetched, on_fetch_done};

int transfer_begin_fetch(struct dtr_transfer *transfer, struct dtr_error *err)
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
        rc = dtr_writer_piece(request->copy, request->piece_number, &transfer_writer_events, transfer,
                              &transfer->writer, err);
    if (transfer_from_copy(transfer, rc) != DTR_OK)
        return rc;
    transfer->told_end = dtr_writer_at(transfer->writer);
    return request->transport->fetch(request->transport_instance, request->data, &fetch, &fetch_sink,
                                     transfer, &transfer->fetch, err);
}
