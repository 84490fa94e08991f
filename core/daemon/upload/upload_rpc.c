/* Which methods this daemon serves, to other peers and schedulers, and to local tools. */
#include "core/daemon/upload/upload_internal.h"
#include "core/rpc/methods.h"

enum { KIB = 1 << 10, MIB = 1 << 20 };

const struct dtr_rpc_limits upload_limits = {
    .message = 4 * MIB, /* the numbers of a million pieces */
    .connection = 16 * MIB,
    .total = 64 * MIB,
    .unpacked = 32 * MIB,
    .stream_window = 256 * KIB,
    .connection_window = 1 * MIB,
    .streams = 1024, /* a seed's triggers of one scheduler, SyncPieces of one child: one for each download */
    .connections = 8192,
};

int upload_serve(struct dtr_daemon *daemon, struct dtr_rpc_table *peers, struct dtr_rpc_table *local,
                 struct dtr_error *err)
{
    static const struct dtr_rpc_handler upload[] = {
        {.method = &dtr_rpc_upload_sync_pieces, .request = sync_pieces},
        {.method = &dtr_rpc_upload_sync_host, .request = sync_host},
        {.method = &dtr_rpc_upload_download_task, .request = download_task},
        {.method = &dtr_rpc_upload_stat_task, .request = stat_task},
        {.method = &dtr_rpc_upload_stat_local_task, .request = stat_local_task},
        {.method = &dtr_rpc_upload_delete_task, .request = delete_task},
    };
    static const struct dtr_rpc_handler download[] = {
        {.method = &dtr_rpc_download_download_task, .request = download_task},
        {.method = &dtr_rpc_download_stat_task, .request = stat_task},
        {.method = &dtr_rpc_download_stat_local_task, .request = stat_local_task},
        {.method = &dtr_rpc_download_list_local_tasks, .request = list_local_tasks},
        {.method = &dtr_rpc_download_delete_task, .request = delete_task},
        {.method = &dtr_rpc_download_delete_local_task, .request = delete_local_task},
        {.method = &dtr_rpc_local_explain, .request = explain},
    };
    int rc = dtr_rpc_table_add(peers, upload, sizeof(upload) / sizeof(upload[0]), daemon, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_table_add(local, download, sizeof(download) / sizeof(download[0]), daemon, err);
    return rc;
}
