/* Dragonfly's metric families for standard tasks, written once: X(id, name, kind, labels, fed, help).
 *
 * Names, kinds and labels are those of Dragonfly v2.5 (features page 6.3), so that its dashboards and
 * alerts keep working. `fed` is 1 when the program counts there, 0 when the row waits for its feature;
 * metric_fed_test.c holds that against the code.
 * Families of persistent and cache tasks join when those tasks do. */
#ifndef DTR_OBS_METRIC_TABLE_H
#define DTR_OBS_METRIC_TABLE_H

/* Two rows: how many there were, and how many of them failed. */
#define DTR_METRIC_PAIR(X, id, name, labels, fed, what)                                                      \
    X(id, name "_total", COUNTER, labels, fed, what)                                                         \
    X(id##_FAILURE, name "_failure_total", COUNTER, labels, fed, what " that failed")

#define DTR_CLIENT_METRICS(X)                                                                                \
    X(CLIENT_VERSION, "version", GAUGE, "git_version,git_commit,platform,build_time", 1,                     \
      "Always 1; the labels say what runs")                                                                  \
    DTR_METRIC_PAIR(X, CLIENT_UPLOAD_TASK, "upload_task", "type,tag,app", 1, "Tasks served to other peers")  \
    X(CLIENT_CONCURRENT_UPLOAD_TASK, "concurrent_upload_task_total", GAUGE, "type,tag,app", 1,               \
      "Tasks being served to other peers now")                                                               \
    X(CLIENT_UPLOAD_TASK_DURATION, "upload_task_duration_milliseconds", HISTOGRAM,                           \
      "task_type,task_size_level", 0, "How long serving a task took")                                        \
    DTR_METRIC_PAIR(X, CLIENT_DOWNLOAD_TASK, "download_task", "type,tag,app,priority", 1,                    \
                    "Tasks downloaded")                                                                      \
    DTR_METRIC_PAIR(X, CLIENT_PREFETCH_TASK, "prefetch_task", "type,tag,app,priority", 1,                    \
                    "Whole tasks fetched because of a ranged request")                                       \
    X(CLIENT_CONCURRENT_DOWNLOAD_TASK, "concurrent_download_task_total", GAUGE, "type,tag,app,priority", 1,  \
      "Tasks being downloaded now")                                                                          \
    X(CLIENT_CONCURRENT_UPLOAD_PIECE, "concurrent_upload_piece_total", GAUGE, "", 1,                         \
      "Pieces being served now")                                                                             \
    X(CLIENT_DOWNLOAD_TRAFFIC, "download_traffic", COUNTER, "type,task_type", 1,                             \
      "Bytes that came in, by where from")                                                                   \
    X(CLIENT_UPLOAD_TRAFFIC, "upload_traffic", COUNTER, "task_type", 1, "Bytes served to other peers")       \
    X(CLIENT_DOWNLOAD_TASK_DURATION, "download_task_duration_milliseconds", HISTOGRAM,                       \
      "task_type,task_size_level", 1, "How long a download took")                                            \
    DTR_METRIC_PAIR(X, CLIENT_BACKEND_REQUEST, "backend_request", "scheme,method", 1, "Requests to origins") \
    X(CLIENT_BACKEND_REQUEST_DURATION, "backend_request_duration_milliseconds", HISTOGRAM, "scheme,method",  \
      1, "How long origins took to answer")                                                                  \
    DTR_METRIC_PAIR(X, CLIENT_PROXY_REQUEST, "proxy_request", "", 1, "Requests to the proxy")                \
    X(CLIENT_PROXY_REQUEST_VIA_DFDAEMON, "proxy_request_via_dfdaemon_total", COUNTER, "", 1,                 \
      "Proxy requests answered as tasks")                                                                    \
    DTR_METRIC_PAIR(X, CLIENT_UPDATE_TASK, "update_task", "type", 0, "Tasks updated")                        \
    DTR_METRIC_PAIR(X, CLIENT_STAT_TASK, "stat_task", "type", 1, "Questions about a task")                   \
    DTR_METRIC_PAIR(X, CLIENT_STAT_LOCAL_TASK, "stat_local_task", "type", 1,                                 \
                    "Questions about a task on this host")                                                   \
    X(CLIENT_LIST_LOCAL_TASKS, "list_local_tasks_total", COUNTER, "type", 1, "Listings of local tasks")      \
    X(CLIENT_LIST_LOCAL_TASKS_FAILURE, "list_tasks_failure_total", COUNTER, "type", 1,                       \
      "Listings of local tasks that failed")                                                                 \
    DTR_METRIC_PAIR(X, CLIENT_LIST_TASK_ENTRIES, "list_task_entries", "type", 0, "Directory listings")       \
    DTR_METRIC_PAIR(X, CLIENT_DELETE_TASK, "delete_task", "type", 1, "Tasks deleted")                        \
    DTR_METRIC_PAIR(X, CLIENT_DELETE_LOCAL_TASK, "delete_local_task", "type", 1,                             \
                    "Tasks deleted on this host only")                                                       \
    DTR_METRIC_PAIR(X, CLIENT_DELETE_HOST, "delete_host", "", 0, "Times this host took its leave")           \
    X(CLIENT_DISK_SPACE, "disk_space_total", GAUGE, "", 1, "Bytes on the disk that holds the store")         \
    X(CLIENT_DISK_USAGE_SPACE, "disk_usage_space_total", GAUGE, "", 1, "Bytes in use on that disk")          \
    X(CLIENT_DOWNLOAD_TASK_BLOCKED, "download_task_blocked_total", COUNTER, "type", 1,                       \
      "Downloads refused by the block list")                                                                 \
    X(CLIENT_UPLOAD_TASK_BLOCKED, "upload_task_blocked_total", COUNTER, "type", 0,                           \
      "Uploads refused by the block list")

#define DTR_ANNOUNCE_HOST_LABELS                                                                             \
    "os,platform,platform_family,platform_version,kernel_version,git_version,git_commit,go_version,"         \
    "build_platform"
#define DTR_PEER_LABELS  "priority,task_type,host_type"
#define DTR_PIECE_LABELS "traffic_type,task_type,host_type"

#define DTR_SCHEDULER_METRICS(X)                                                                             \
    DTR_METRIC_PAIR(X, SCHEDULER_ANNOUNCE_PEER, "announce_peer", "", 1, "AnnouncePeer streams")              \
    DTR_METRIC_PAIR(X, SCHEDULER_STAT_PEER, "stat_peer", "", 1, "StatPeer calls")                            \
    DTR_METRIC_PAIR(X, SCHEDULER_LEAVE_PEER, "leave_peer", "", 1, "DeletePeer calls")                        \
    DTR_METRIC_PAIR(X, SCHEDULER_EXCHANGE_PEER, "exchange_peer", "", 0, "Peer exchanges")                    \
    DTR_METRIC_PAIR(X, SCHEDULER_REGISTER_PEER, "register_peer", DTR_PEER_LABELS, 1, "Peers registered")     \
    DTR_METRIC_PAIR(X, SCHEDULER_DOWNLOAD_PEER_STARTED, "download_peer_started", DTR_PEER_LABELS, 1,         \
                    "Downloads started")                                                                     \
    DTR_METRIC_PAIR(X, SCHEDULER_DOWNLOAD_PEER_BACK_TO_SOURCE_STARTED,                                       \
                    "download_peer_back_to_source_started", DTR_PEER_LABELS, 1,                              \
                    "Downloads from the origin started")                                                     \
    DTR_METRIC_PAIR(X, SCHEDULER_DOWNLOAD_PEER_FINISHED, "download_peer_finished", DTR_PEER_LABELS, 1,       \
                    "Downloads finished")                                                                    \
    X(SCHEDULER_DOWNLOAD_PEER_BACK_TO_SOURCE_FINISHED_FAILURE,                                               \
      "download_peer_back_to_source_finished_failure_total", COUNTER, DTR_PEER_LABELS, 1,                    \
      "Downloads from the origin that failed")                                                               \
    DTR_METRIC_PAIR(X, SCHEDULER_DOWNLOAD_PIECE_FINISHED, "download_piece_finished", DTR_PIECE_LABELS, 1,    \
                    "Pieces finished")                                                                       \
    X(SCHEDULER_DOWNLOAD_PIECE_BACK_TO_SOURCE_FINISHED_FAILURE,                                              \
      "download_piece_back_to_source_finished_failure_total", COUNTER, DTR_PIECE_LABELS, 1,                  \
      "Pieces from the origin that failed")                                                                  \
    DTR_METRIC_PAIR(X, SCHEDULER_STAT_TASK, "stat_task", "", 1, "StatTask calls")                            \
    DTR_METRIC_PAIR(X, SCHEDULER_LEAVE_TASK, "leave_task", "", 1, "DeleteTask calls")                        \
    DTR_METRIC_PAIR(X, SCHEDULER_ANNOUNCE_HOST, "announce_host", DTR_ANNOUNCE_HOST_LABELS, 1,                \
                    "AnnounceHost calls")                                                                    \
    DTR_METRIC_PAIR(X, SCHEDULER_LIST_HOSTS, "list_hosts", "", 1, "ListHosts calls")                         \
    DTR_METRIC_PAIR(X, SCHEDULER_LEAVE_HOST, "leave_host", "", 1, "DeleteHost calls")                        \
    X(SCHEDULER_TRAFFIC, "traffic", COUNTER, "type,task_type,host_type", 1, "Bytes peers reported")          \
    X(SCHEDULER_HOST_TRAFFIC, "host_traffic", COUNTER, "type,task_type,host_type,host_id,host_ip,host_name", \
      1, "Bytes reported, by host")                                                                          \
    X(SCHEDULER_DOWNLOAD_PEER_DURATION, "download_peer_duration_milliseconds", SUMMARY, "task_size_level",   \
      1, "How long peers took for a download")                                                               \
    X(SCHEDULER_CONCURRENT_SCHEDULE, "concurrent_schedule_total", GAUGE, "", 1,                              \
      "Peers waiting for an answer now")                                                                     \
    X(SCHEDULER_SCHEDULE_DURATION, "schedule_duration_milliseconds", SUMMARY, "", 1,                         \
      "How long a register waited for its answer")                                                           \
    DTR_METRIC_PAIR(X, SCHEDULER_PREHEAT_IMAGE, "preheat_image", "", 1, "PreheatImage calls")                \
    DTR_METRIC_PAIR(X, SCHEDULER_STAT_IMAGE, "stat_image", "", 1, "StatImage calls")                         \
    DTR_METRIC_PAIR(X, SCHEDULER_PREHEAT_FILE, "preheat_file", "", 1, "PreheatFile calls")                   \
    DTR_METRIC_PAIR(X, SCHEDULER_STAT_FILE, "stat_file", "", 1, "StatFile calls")                            \
    X(SCHEDULER_VERSION, "version", GAUGE,                                                                   \
      "major,minor,git_version,git_commit,platform,build_time,go_version,go_tags,go_gcflags", 1,             \
      "Always 1; the labels say what runs")

/* Our own, where Dragonfly has none: darter_*, shown with the daemon's. */
#define DTR_OWN_METRICS(X)                                                                                   \
    X(DOWNLOAD_BYTES, "download_bytes_total", COUNTER, "parent", 1,                                          \
      "Bytes of checked pieces, by the parent's address")                                                    \
    X(DAMAGED_PIECES, "damaged_pieces_total", COUNTER, "", 1,                                                \
      "Stored pieces that had changed when they were read again; they are fetched anew")                     \
    X(EVICTED_TASKS, "evicted_tasks_total", COUNTER, "reason", 1,                                            \
      "Tasks that left the store: not used for long (age), or for room (space)")                             \
    X(EVICTED_BYTES, "evicted_bytes_total", COUNTER, "reason", 1, "Bytes of these tasks")

#define DTR_MANAGER_METRICS(X)                                                                               \
    DTR_METRIC_PAIR(X, MANAGER_SEARCH_SCHEDULER_CLUSTER, "search_scheduler_cluster", "version,commit", 1,    \
                    "Searches for the clusters that suit a peer")                                            \
    X(MANAGER_CREATE_JOB, "create_job_total", COUNTER, "name", 1, "Jobs asked for")                          \
    X(MANAGER_CREATE_JOB_SUCCESS, "create_job_success_total", COUNTER, "name", 1, "Jobs that ended well")    \
    X(MANAGER_REQUESTS, "requests_total", COUNTER, "code,method,url", 1,                                     \
      "Answers of the REST API; url is the route")                                                           \
    X(MANAGER_VERSION, "version", GAUGE,                                                                     \
      "major,minor,git_version,git_commit,platform,build_time,"                                              \
      "go_version,go_tags,go_gcflags",                                                                       \
      1, "Always 1; the labels say what runs")

enum dtr_metric_id {
#define DTR_METRIC_ENUM(id, name, kind, labels, fed, help) DTR_##id,
    DTR_CLIENT_METRICS(DTR_METRIC_ENUM) DTR_SCHEDULER_METRICS(DTR_METRIC_ENUM)
        DTR_MANAGER_METRICS(DTR_METRIC_ENUM) DTR_OWN_METRICS(DTR_METRIC_ENUM)
#undef DTR_METRIC_ENUM
            DTR_METRIC_COUNT
};

#endif
