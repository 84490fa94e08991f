/* The methods of Dragonfly's services that Darter serves or calls, once for both sides. Others answer
 * UNIMPLEMENTED by not being in any table. Names and kinds: wire page, section 1. */
#ifndef DTR_RPC_METHODS_H
#define DTR_RPC_METHODS_H

#include "core/rpc/rpc.h"

/* Metadata of an AnnouncePeer call: the daemon takes NormalTaskResponses that it did not ask for, as further
 * parents, and NeedBackToSourceResponses. Dragonfly neither sends nor looks at it. */
#define DTR_RPC_MORE_PARENTS "darter-more-parents"

/* Metadata of PreheatImage and PreheatFile: the id under which StatPreheat tells how it goes on. A second
 * call with the same id while the first one's preheat runs begins nothing. */
#define DTR_RPC_PREHEAT_ID "x-darter-preheat"

/* name of the struct dtr_rpc_method after dtr_rpc_, path, kind, flags, input, output (as protobuf-c
 * writes them) */
#define DTR_RPC_METHODS(X)                                                                                   \
    X(health_check, "/grpc.health.v1.Health/Check", UNARY, 0, grpc__health__v1__health_check_request,        \
      grpc__health__v1__health_check_response)                                                               \
    X(health_watch, "/grpc.health.v1.Health/Watch", SERVER_STREAM, DTR_RPC_TIMEOUT_TO_HEADERS,               \
      grpc__health__v1__health_check_request, grpc__health__v1__health_check_response)                       \
                                                                                                             \
    X(manager_get_seed_peer, "/manager.v2.Manager/GetSeedPeer", UNARY, 0,                                    \
      manager__v2__get_seed_peer_request, manager__v2__seed_peer)                                            \
    X(manager_list_seed_peers, "/manager.v2.Manager/ListSeedPeers", UNARY, 0,                                \
      manager__v2__list_seed_peers_request, manager__v2__list_seed_peers_response)                           \
    X(manager_update_seed_peer, "/manager.v2.Manager/UpdateSeedPeer", UNARY, 0,                              \
      manager__v2__update_seed_peer_request, manager__v2__seed_peer)                                         \
    X(manager_delete_seed_peer, "/manager.v2.Manager/DeleteSeedPeer", UNARY, 0,                              \
      manager__v2__delete_seed_peer_request, google__protobuf__empty)                                        \
    X(manager_get_scheduler, "/manager.v2.Manager/GetScheduler", UNARY, 0,                                   \
      manager__v2__get_scheduler_request, manager__v2__scheduler)                                            \
    X(manager_update_scheduler, "/manager.v2.Manager/UpdateScheduler", UNARY, 0,                             \
      manager__v2__update_scheduler_request, manager__v2__scheduler)                                         \
    X(manager_list_schedulers, "/manager.v2.Manager/ListSchedulers", UNARY, 0,                               \
      manager__v2__list_schedulers_request, manager__v2__list_schedulers_response)                           \
    X(manager_list_applications, "/manager.v2.Manager/ListApplications", UNARY, 0,                           \
      manager__v2__list_applications_request, manager__v2__list_applications_response)                       \
    X(manager_keep_alive, "/manager.v2.Manager/KeepAlive", CLIENT_STREAM, 0,                                 \
      manager__v2__keep_alive_request, google__protobuf__empty)                                              \
                                                                                                             \
    X(scheduler_announce_peer, "/scheduler.v2.Scheduler/AnnouncePeer", BIDI, 0,                              \
      scheduler__v2__announce_peer_request, scheduler__v2__announce_peer_response)                           \
    X(scheduler_stat_peer, "/scheduler.v2.Scheduler/StatPeer", UNARY, 0, scheduler__v2__stat_peer_request,   \
      common__v2__peer)                                                                                      \
    X(scheduler_delete_peer, "/scheduler.v2.Scheduler/DeletePeer", UNARY, 0,                                 \
      scheduler__v2__delete_peer_request, google__protobuf__empty)                                           \
    X(scheduler_stat_task, "/scheduler.v2.Scheduler/StatTask", UNARY, 0, scheduler__v2__stat_task_request,   \
      common__v2__task)                                                                                      \
    X(scheduler_delete_task, "/scheduler.v2.Scheduler/DeleteTask", UNARY, 0,                                 \
      scheduler__v2__delete_task_request, google__protobuf__empty)                                           \
    X(scheduler_announce_host, "/scheduler.v2.Scheduler/AnnounceHost", UNARY, 0,                             \
      scheduler__v2__announce_host_request, google__protobuf__empty)                                         \
    X(scheduler_list_hosts, "/scheduler.v2.Scheduler/ListHosts", UNARY, 0,                                   \
      scheduler__v2__list_hosts_request, scheduler__v2__list_hosts_response)                                 \
    X(scheduler_delete_host, "/scheduler.v2.Scheduler/DeleteHost", UNARY, 0,                                 \
      scheduler__v2__delete_host_request, google__protobuf__empty)                                           \
    X(scheduler_preheat_image, "/scheduler.v2.Scheduler/PreheatImage", UNARY, 0,                             \
      scheduler__v2__preheat_image_request, google__protobuf__empty)                                         \
    X(scheduler_stat_image, "/scheduler.v2.Scheduler/StatImage", UNARY, 0,                                   \
      scheduler__v2__stat_image_request, scheduler__v2__stat_image_response)                                 \
    X(scheduler_preheat_file, "/scheduler.v2.Scheduler/PreheatFile", UNARY, 0,                               \
      scheduler__v2__preheat_file_request, google__protobuf__empty)                                          \
    X(scheduler_stat_file, "/scheduler.v2.Scheduler/StatFile", UNARY, 0, scheduler__v2__stat_file_request,   \
      scheduler__v2__stat_file_response)                                                                     \
                                                                                                             \
    X(upload_download_task, "/dfdaemon.v2.DfdaemonUpload/DownloadTask", SERVER_STREAM,                       \
      DTR_RPC_TIMEOUT_TO_HEADERS, dfdaemon__v2__download_task_request, dfdaemon__v2__download_task_response) \
    X(upload_stat_task, "/dfdaemon.v2.DfdaemonUpload/StatTask", UNARY, 0, dfdaemon__v2__stat_task_request,   \
      common__v2__task)                                                                                      \
    X(upload_stat_local_task, "/dfdaemon.v2.DfdaemonUpload/StatLocalTask", UNARY, 0,                         \
      dfdaemon__v2__stat_local_task_request, dfdaemon__v2__stat_local_task_response)                         \
    X(upload_list_task_entries, "/dfdaemon.v2.DfdaemonUpload/ListTaskEntries", UNARY, 0,                     \
      dfdaemon__v2__list_task_entries_request, dfdaemon__v2__list_task_entries_response)                     \
    X(upload_delete_task, "/dfdaemon.v2.DfdaemonUpload/DeleteTask", UNARY, 0,                                \
      dfdaemon__v2__delete_task_request, google__protobuf__empty)                                            \
    X(upload_sync_pieces, "/dfdaemon.v2.DfdaemonUpload/SyncPieces", SERVER_STREAM,                           \
      DTR_RPC_TIMEOUT_TO_HEADERS, dfdaemon__v2__sync_pieces_request, dfdaemon__v2__sync_pieces_response)     \
    X(upload_sync_host, "/dfdaemon.v2.DfdaemonUpload/SyncHost", SERVER_STREAM, DTR_RPC_TIMEOUT_TO_HEADERS,   \
      dfdaemon__v2__sync_host_request, common__v2__host)                                                     \
                                                                                                             \
    X(download_download_task, "/dfdaemon.v2.DfdaemonDownload/DownloadTask", SERVER_STREAM,                   \
      DTR_RPC_TIMEOUT_TO_HEADERS, dfdaemon__v2__download_task_request, dfdaemon__v2__download_task_response) \
    X(download_stat_task, "/dfdaemon.v2.DfdaemonDownload/StatTask", UNARY, 0,                                \
      dfdaemon__v2__stat_task_request, common__v2__task)                                                     \
    X(download_stat_local_task, "/dfdaemon.v2.DfdaemonDownload/StatLocalTask", UNARY, 0,                     \
      dfdaemon__v2__stat_local_task_request, dfdaemon__v2__stat_local_task_response)                         \
    X(download_list_local_tasks, "/dfdaemon.v2.DfdaemonDownload/ListLocalTasks", UNARY, 0,                   \
      dfdaemon__v2__list_local_tasks_request, dfdaemon__v2__list_local_tasks_response)                       \
    X(download_list_task_entries, "/dfdaemon.v2.DfdaemonDownload/ListTaskEntries", UNARY, 0,                 \
      dfdaemon__v2__list_task_entries_request, dfdaemon__v2__list_task_entries_response)                     \
    X(download_delete_task, "/dfdaemon.v2.DfdaemonDownload/DeleteTask", UNARY, 0,                            \
      dfdaemon__v2__delete_task_request, google__protobuf__empty)                                            \
    X(download_delete_local_task, "/dfdaemon.v2.DfdaemonDownload/DeleteLocalTask", UNARY, 0,                 \
      dfdaemon__v2__delete_local_task_request, google__protobuf__empty)                                      \
    X(download_delete_host, "/dfdaemon.v2.DfdaemonDownload/DeleteHost", UNARY, 0, google__protobuf__empty,   \
      google__protobuf__empty)                                                                               \
                                                                                                             \
    X(local_explain, "/darter.v1.Local/Explain", UNARY, 0, darter__v1__explain_request,                      \
      darter__v1__explain_response)                                                                          \
    X(scheduling_explain, "/darter.v1.Scheduling/Explain", UNARY, 0, darter__v1__decisions_request,          \
      darter__v1__decisions_response)                                                                        \
    X(scheduling_stat_preheat, "/darter.v1.Scheduling/StatPreheat", UNARY, 0,                                \
      darter__v1__stat_preheat_request, darter__v1__stat_preheat_response)                                   \
    X(scheduling_find_task, "/darter.v1.Scheduling/FindTask", UNARY, 0, darter__v1__task_request,            \
      darter__v1__find_task_response)                                                                        \
    X(scheduling_drop_task, "/darter.v1.Scheduling/DropTask", UNARY, 0, darter__v1__task_request,            \
      darter__v1__drop_task_response)

#define DTR_RPC_METHOD_DECLARE(name, path, kind, flags, input, output)                                       \
    extern const struct dtr_rpc_method dtr_rpc_##name;
DTR_RPC_METHODS(DTR_RPC_METHOD_DECLARE)
#undef DTR_RPC_METHOD_DECLARE

#endif
