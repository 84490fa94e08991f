/* What the upload*.c files share. */
#ifndef DTR_DAEMON_UPLOAD_INTERNAL_H
#define DTR_DAEMON_UPLOAD_INTERNAL_H

#include "core/base/list.h"
#include "core/daemon/upload/upload.h"
#include "core/daemon/upload/upload_budget.h"
#include "core/daemon/upload/upload_leaving.h"
#include "core/net/stream_group.h"
#include <stdatomic.h>

enum { UPLOAD_TELL_MS = 2000 }; /* a child hears at least so often that this host lives */

struct dtr_service {
    struct dtr_daemon *daemon;
};

/* The connections of one data thread; its own, but for `msg` while that travels. */
struct upload_site {
    struct upload *upload;
    struct dtr_loop *loop;
    struct dtr_stream_group streams;
    struct dtr_msg msg; /* the end: to data and back */
};

/* Pieces with their bytes, for callers on the network or for those on the unix socket: neither can take the
 * other's room. */
struct upload_content {
    struct upload *upload;
    struct budget budget;
    struct dtr_msg room; /* memory came free: those who wait ask again */
    bool room_posted;
};

struct upload {
    struct dtr_daemon *daemon;
    struct dtr_listener *listener;
    struct upload_site *sites;
    size_t site_count, next_site;
    size_t connections; /* how many there may be, each data thread its part */
    bool closing;
    size_t open_sites; /* while it stops */
    uint64_t limit_ms;
    void (*stopped)(void *context);
    void *stopped_context;
    struct dtr_service service;
    struct dtr_list questions;   /* struct dtr_question, waiting for a piece */
    struct dtr_list spreads;     /* struct spread, the tasks that somebody has SyncPieces streams for */
    struct dtr_timer *spreading; /* NULL before the first of them */

    struct dtr_list orders;           /* struct order, DownloadTask streams */
    struct upload_content content[2]; /* [1]: of the unix socket */
    struct dtr_timer *stalls;         /* runs while an order waits for room; NULL before the first does */
    bool looking;
    uint64_t stall_ms;
    struct dtr_msg end;
    void (*ended)(void *context); /* NULL until upload_end() */
    void *ended_context;

    _Atomic uint64_t sent_bytes; /* to other peers; data threads add */
    struct leaving leaving;      /* pieces on their way out */
    _Atomic bool room_told;      /* `room` travels */
    struct dtr_msg room;         /* data to control: fewer pieces are on their way out than there might be */
    struct dtr_list host_syncs;  /* struct host_sync, SyncHost streams */
    struct dtr_timer *sampling;  /* NULL before the first of them */
    uint64_t sampled_ms, sampled_bytes;
    uint64_t tx; /* bits/s */
};

/* upload_sync.c: SyncPieces, and what its streams hear of pieces (NULL: the pull has ended) and of the end.
 */
void sync_pieces(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
void syncs_piece(struct upload *upload, const struct dtr_task *task, const struct dtr_piece *piece);
void syncs_stop(struct upload *upload);
/* Data thread: a piece begins to be sent; it is counted until its extent is released. */
void syncs_piece_leaves(struct upload *upload, struct dtr_extent *extent);

/* upload_load.c: SyncHost. */
void sync_host(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
void loads_stop(struct upload *upload);

/* upload_stat.c: handlers. */
void stat_task(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
void delete_task(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
void delete_local_task(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
void stat_local_task(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
void list_local_tasks(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);

/* upload_explain.c: a handler. */
void explain(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);

/* upload_download.c: the handler for both services, and what its streams hear of: a piece, or the
 * end of a pull. */
void download_task(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
void orders_piece(struct upload *upload, const struct dtr_task *task);
void orders_init(struct upload *upload);
/* No more looking for callers that stall: they end with the server. */
void orders_stop(struct upload *upload);
/* Posts upload->end when the last of them is gone and somebody waits for that. */
void orders_wait(struct upload *upload);

#endif
