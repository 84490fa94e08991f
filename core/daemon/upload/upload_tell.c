/* What a DownloadTask stream says; see upload_order.h. */
#include "core/daemon/upload/upload_order.h"

#include "core/base/digest.h"
#include "core/brain/geometry.h"
#include "core/daemon/header_lines.h"
#include <jansson.h>
#include <stdlib.h>

enum { PIECES_MAX = 1 << 16 }; /* named in the start message; of more nobody makes use */

static void fill_response(struct order *order, Dfdaemon__V2__DownloadTaskResponse *response)
{
    dfdaemon__v2__download_task_response__init(response);
    response->host_id = order->upload->daemon->host_id;
    response->task_id = order->download.task_id;
    response->peer_id = order->peer_id;
}

/* --- the start ------------------------------------------------------------------------------------ */

typedef Dfdaemon__V2__DownloadTaskStartedResponse Started;
typedef Dfdaemon__V2__DownloadTaskStartedResponse__ResponseHeaderEntry Entry;

struct entries {
    Entry list[HEADER_LINES], *pointers[HEADER_LINES];
    char *lines;
};

static void fill_headers(struct entries *entries, const char *lines, Started *started)
{
    struct dtr_header headers[HEADER_LINES];
    entries->lines = strdup(lines);
    started->n_response_header = header_lines_cut(entries->lines, headers);
    started->response_header = entries->pointers;
    for (size_t i = 0; i < started->n_response_header; i++) {
        Entry *entry = entries->pointers[i] = &entries->list[i];
        dfdaemon__v2__download_task_started_response__response_header_entry__init(entry);
        entry->key = (char *)(uintptr_t)headers[i].name;
        entry->value = (char *)(uintptr_t)headers[i].value;
    }
}

struct outlines {
    Common__V2__Piece *list, **pointers;
    Google__Protobuf__Duration cost;
    Google__Protobuf__Timestamp created;
};

/* The pieces that will be told. */
static void fill_outlines(const struct order *order, const struct dtr_task_facts *facts,
                          struct outlines *outlines, Started *started)
{
    size_t count = order->count <= PIECES_MAX ? order->count : 0;
    outlines->list = calloc(count + 1, sizeof(*outlines->list));
    outlines->pointers = calloc(count + 1, sizeof(*outlines->pointers));
    google__protobuf__duration__init(&outlines->cost);
    google__protobuf__timestamp__init(&outlines->created);
    outlines->created.seconds = facts->created_at;
    for (size_t i = 0; outlines->list && outlines->pointers && i < count; i++) {
        Common__V2__Piece *piece = outlines->pointers[i] = &outlines->list[i];
        common__v2__piece__init(piece);
        piece->number = order->first + (uint32_t)i;
        (void)dtr_piece_bounds(facts->content_length, facts->piece_length, piece->number, &piece->offset,
                               &piece->length);
        piece->cost = &outlines->cost;
        piece->created_at = &outlines->created;
        started->n_pieces = i + 1;
    }
    started->pieces = outlines->pointers;
}

/* All of the object was there before it was asked for. */
static bool all_was_here(const struct order *order, const struct dtr_task_facts *facts)
{
    return facts->finished_at != 0 && order->reader &&
           dtr_reader_here(order->reader) >= facts->content_length;
}

void order_tell_start(struct order *order, const struct dtr_task_facts *facts)
{
    Dfdaemon__V2__DownloadTaskResponse response;
    Started started = DFDAEMON__V2__DOWNLOAD_TASK_STARTED_RESPONSE__INIT;
    Common__V2__Range range = COMMON__V2__RANGE__INIT;
    struct entries entries;
    struct outlines outlines;
    fill_response(order, &response);
    response.response_case = DFDAEMON__V2__DOWNLOAD_TASK_RESPONSE__RESPONSE_DOWNLOAD_TASK_STARTED_RESPONSE;
    response.download_task_started_response = &started;
    started.content_length = order->content_length;
    started.is_finished = all_was_here(order, facts);
    if (order->download.ranged) {
        range.start = order->offset;
        range.length = order->length;
        started.range = &range;
    }
    fill_headers(&entries, facts->headers, &started);
    fill_outlines(order, facts, &outlines, &started);
    (void)dtr_rpc_call_send(order->call, &response.base, NULL);
    free(entries.lines);
    free(outlines.list);
    free(outlines.pointers);
}

/* --- a piece -------------------------------------------------------------------------------------- */

struct told_piece {
    Common__V2__Piece message;
    Google__Protobuf__Duration cost;
    Google__Protobuf__Timestamp created;
    char digest[DTR_CRC32_TEXT];
};

static bool was_here(const struct order *order, uint32_t number)
{
    return number < order->local_count && order->local[number / 8] >> number % 8 & 1;
}

static void fill_piece(const struct order *order, const struct dtr_piece *piece, struct told_piece *told)
{
    common__v2__piece__init(&told->message);
    google__protobuf__duration__init(&told->cost);
    google__protobuf__timestamp__init(&told->created);
    told->cost.seconds = (int64_t)(piece->cost_ns / 1000000000);
    told->cost.nanos = (int32_t)(piece->cost_ns % 1000000000);
    told->created.seconds = piece->created_at;
    told->digest[0] = '\0';
    if (piece->has_crc32)
        dtr_crc32_text(piece->crc32, told->digest);
    told->message.number = piece->number;
    told->message.offset = piece->offset;
    told->message.length = piece->length;
    told->message.digest = told->digest;
    told->message.cost = &told->cost;
    told->message.created_at = &told->created;
    told->message.has_traffic_type_case = COMMON__V2__PIECE__HAS_TRAFFIC_TYPE_TRAFFIC_TYPE;
    told->message.traffic_type = was_here(order, piece->number) ? COMMON__V2__TRAFFIC_TYPE__LOCAL_PEER
                                                                : (Common__V2__TrafficType)piece->traffic;
}

void order_tell_piece(struct order *order, const struct dtr_piece *piece, const uint8_t *content)
{
    Dfdaemon__V2__DownloadTaskResponse response;
    Dfdaemon__V2__DownloadPieceFinishedResponse finished =
        DFDAEMON__V2__DOWNLOAD_PIECE_FINISHED_RESPONSE__INIT;
    struct told_piece told;
    fill_response(order, &response);
    fill_piece(order, piece, &told);
    finished.piece = &told.message;
    if (content) {
        told.message.has_content_case = COMMON__V2__PIECE__HAS_CONTENT_CONTENT;
        told.message.content =
            (ProtobufCBinaryData){.len = (size_t)piece->length, .data = (uint8_t *)(uintptr_t)content};
    }
    response.response_case = DFDAEMON__V2__DOWNLOAD_TASK_RESPONSE__RESPONSE_DOWNLOAD_PIECE_FINISHED_RESPONSE;
    response.download_piece_finished_response = &finished;
    (void)dtr_rpc_call_send(order->call, &response.base, NULL);
}

int order_read_piece(struct order *order, const struct dtr_piece *piece, const struct content_events *events,
                     void (*freed)(void *context, uint64_t bytes), struct dtr_error *err)
{
    Dfdaemon__V2__DownloadTaskResponse response;
    struct told_piece told;
    fill_response(order, &response);
    fill_piece(order, piece, &told);
    return content_read(order->upload->daemon->parts.control, order->data, dtr_reader_copy(order->reader),
                        &response, &told.message, piece, events, order, freed, order->room, &order->content,
                        err);
}

/* --- the end -------------------------------------------------------------------------------------- */

void order_tell_error(struct dtr_rpc_call *call, const struct dtr_error *err)
{
    json_t *details = NULL;
    char *text = NULL;
    if (err->code == DTR_EORIGIN)
        details = json_pack("{s:s, s:{}, s:o}", "message", err->text, "header", "status_code",
                            err->status ? json_integer(err->status) : json_null());
    if (details)
        text = json_dumps(details, JSON_COMPACT);
    dtr_rpc_call_finish_details(call, dtr_rpc_code_of_error(err), err->text, text, text ? strlen(text) : 0);
    free(text);
    json_decref(details);
}
