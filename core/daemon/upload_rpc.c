/* gRPC of a daemon: what other peers and the scheduler ask (DfdaemonUpload), and local tools
 * (DfdaemonDownload). */
#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/base/str.h"
#include "core/brain/task_id.h"
#include "core/brain/url.h"
#include "core/daemon/talk.h"
#include "core/daemon/upload_internal.h"
#include "core/rpc/methods.h"
#include "proto/dfdaemon.pb-c.h"
#include <stdlib.h>

/* --- DownloadTask
 * --------------------------------------------------------------------------------------------------- */

struct order {
    struct dtr_daemon *daemon;
    struct dtr_rpc_call *call;
    struct dtr_reader *reader;
    char task_id[DTR_TASK_ID_SIZE];
    char peer_id[DTR_HOST_ID_SIZE];
    uint32_t told; /* pieces before it were told */
    bool over;
};

static void fill(struct order *order, Dfdaemon__V2__DownloadTaskResponse *response)
{
    dfdaemon__v2__download_task_response__init(response);
    response->host_id = order->daemon->host_id;
    response->task_id = order->task_id;
    response->peer_id = order->peer_id;
}

static void on_head(void *context, uint64_t content_length, const char *headers)
{
    struct order *order = context;
    Dfdaemon__V2__DownloadTaskResponse response;
    Dfdaemon__V2__DownloadTaskStartedResponse started = DFDAEMON__V2__DOWNLOAD_TASK_STARTED_RESPONSE__INIT;
    (void)headers;
    fill(order, &response);
    started.content_length = content_length == DTR_LENGTH_UNKNOWN ? 0 : content_length;
    response.response_case = DFDAEMON__V2__DOWNLOAD_TASK_RESPONSE__RESPONSE_DOWNLOAD_TASK_STARTED_RESPONSE;
    response.download_task_started_response = &started;
    (void)dtr_rpc_call_send(order->call, &response.base, NULL);
}

static void tell_piece(struct order *order, const struct dtr_piece *piece)
{
    Dfdaemon__V2__DownloadTaskResponse response;
    Dfdaemon__V2__DownloadPieceFinishedResponse finished =
        DFDAEMON__V2__DOWNLOAD_PIECE_FINISHED_RESPONSE__INIT;
    Common__V2__Piece out = COMMON__V2__PIECE__INIT;
    Google__Protobuf__Duration cost = GOOGLE__PROTOBUF__DURATION__INIT;
    Google__Protobuf__Timestamp created = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    char digest[DTR_CRC32_TEXT];
    fill(order, &response);
    dtr_crc32_text(piece->crc32, digest);
    cost.seconds = (int64_t)(piece->cost_ns / 1000000000);
    cost.nanos = (int32_t)(piece->cost_ns % 1000000000);
    created.seconds = piece->created_at;
    out.number = piece->number;
    out.offset = piece->offset;
    out.length = piece->length;
    out.digest = digest;
    out.cost = &cost;
    out.created_at = &created;
    finished.piece = &out;
    response.response_case = DFDAEMON__V2__DOWNLOAD_TASK_RESPONSE__RESPONSE_DOWNLOAD_PIECE_FINISHED_RESPONSE;
    response.download_piece_finished_response = &finished;
    (void)dtr_rpc_call_send(order->call, &response.base, NULL);
}

static void on_readable(void *context, uint64_t until)
{
    struct order *order = context;
    const struct dtr_task *task = dtr_tasks_find(order->daemon->tasks, order->task_id);
    const struct dtr_piece *piece;
    (void)until;
    while (task && (piece = dtr_task_piece(task, order->told))) {
        tell_piece(order, piece);
        order->told++;
    }
}

static void on_ended(void *context, const struct dtr_error *err)
{
    struct order *order = context;
    on_readable(order, 0);
    order->over = true;
    if (err->code == DTR_OK)
        dtr_rpc_call_finish(order->call, DTR_RPC_OK, NULL);
    else
        dtr_rpc_call_fail(order->call, err);
}

static void on_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct order *order = context;
    (void)call;
    (void)status;
    if (order->reader)
        dtr_reader_close(order->reader);
    free(order);
}

/* "Name: value\n" lines of the request's map; what could break a line is left out. */
static char *header_lines(const Common__V2__Download *download)
{
    struct dtr_str lines = {.limit = 64 << 10};
    for (size_t i = 0; i < download->n_request_header; i++) {
        const Common__V2__Download__RequestHeaderEntry *entry = download->request_header[i];
        if (!strpbrk(entry->key, "\r\n:") && !strpbrk(entry->value, "\r\n"))
            dtr_str_printf(&lines, "%s: %s\n", entry->key, entry->value);
    }
    return dtr_str_take(&lines);
}

static int identify(const Common__V2__Download *download, char task_id[DTR_TASK_ID_SIZE],
                    struct dtr_error *err)
{
    struct dtr_task_key key = {
        .content = download->has_content_for_calculating_task_id_case
                       ? download->content_for_calculating_task_id
                       : NULL,
        .url = download->url,
        .blob_digest = download->enable_task_id_based_blob_digest,
        .tag = download->has_tag_case ? download->tag : NULL,
        .application = download->has_application_case ? download->application : NULL,
        .piece_length = download->has_piece_length_case ? download->piece_length : 0,
        .filter = (const char *const *)download->filtered_query_params,
        .filter_count = download->n_filtered_query_params,
    };
    return dtr_task_id(task_id, &key, err);
}

static int begin(struct order *order, const Common__V2__Download *download, struct dtr_error *err)
{
    static const struct dtr_reader_events events = {on_head, on_readable, on_ended};
    char *headers = header_lines(download);
    struct dtr_read_request request = {
        .task_id = order->task_id,
        .url = download->url,
        .digest = download->has_digest_case ? download->digest : "",
        .tag = download->has_tag_case ? download->tag : "",
        .application = download->has_application_case ? download->application : "",
        .headers = headers,
        .offset = download->range ? download->range->start : 0,
        .length = download->range ? download->range->length : DTR_LENGTH_UNKNOWN,
        .piece_length = download->has_piece_length_case ? download->piece_length : 0,
        .need_back_to_source = download->need_back_to_source,
        .disable_back_to_source = download->disable_back_to_source,
        .announce = download->need_back_to_source,
    };
    char digest[8 + DTR_TASK_ID_SIZE];
    struct dtr_blob_url blob;
    /* A blob names its digest in its URL. */
    if (!download->has_digest_case && dtr_url_blob(download->url, strlen(download->url), &blob)) {
        (void)snprintf(digest, sizeof(digest), "sha256:%s", order->task_id);
        request.digest = download->enable_task_id_based_blob_digest ? digest : "";
    }
    int rc = headers ? dtr_tasks_read(order->daemon->tasks, &request, &events, order, &order->reader, err)
                     : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a download");
    free(headers);
    return rc;
}

static void download_task(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    static const struct dtr_rpc_events events = {.closed = on_closed};
    struct dtr_daemon *daemon = service;
    const Dfdaemon__V2__DownloadTaskRequest *message = (const void *)request->message;
    struct order *order = message->download ? calloc(1, sizeof(*order)) : NULL;
    struct dtr_error err = {.code = DTR_EINVALID, .text = "the request has no download"};
    char uuid[37];
    dtr_uuid(uuid);
    if (!order || identify(message->download, order->task_id, &err) != DTR_OK ||
        dtr_peer_id(order->peer_id, daemon->ip, daemon->hostname, uuid, daemon->config->seed_peer.enable,
                    &err) != DTR_OK) {
        free(order);
        dtr_rpc_call_fail(call, &err);
        return;
    }
    order->daemon = daemon;
    order->call = call;
    dtr_rpc_call_adopt(call, &events, order);
    dtr_rpc_call_headers(call);
    if (begin(order, message->download, &err) != DTR_OK)
        dtr_rpc_call_fail(call, &err);
}

int upload_serve(struct dtr_daemon *daemon, struct dtr_rpc_table *peers, struct dtr_rpc_table *local,
                 struct dtr_error *err)
{
    static const struct dtr_rpc_handler upload[] = {
        {.method = &dtr_rpc_upload_sync_pieces, .request = sync_pieces},
        {.method = &dtr_rpc_upload_sync_host, .request = sync_host},
        {.method = &dtr_rpc_upload_download_task, .request = download_task},
    };
    static const struct dtr_rpc_handler download[] = {
        {.method = &dtr_rpc_download_download_task, .request = download_task},
    };
    int rc = dtr_rpc_table_add(peers, upload, sizeof(upload) / sizeof(upload[0]), daemon, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_table_add(local, download, sizeof(download) / sizeof(download[0]), daemon, err);
    return rc;
}
