/* What the files of the daemon role share. Members are set before the loops run and read by all threads,
 * unless said otherwise. */
#ifndef DTR_DAEMON_ROLE_H
#define DTR_DAEMON_ROLE_H

#include "core/brain/ids.h"
#include "core/daemon/daemon.h"
#include "core/daemon/tasks/task.h"
#include "core/http/mirror.h"
#include "core/http/server.h"
#include "core/net/listen.h"
#include "core/net/pace.h"
#include "core/net/tls.h"
#include "core/rpc/rpc.h"
#include <pthread.h>

struct gauges;    /* counts.h */
struct gc;        /* gc.h */
struct proxy;     /* proxy.h */
struct upload;    /* upload.c: pieces for other peers */
struct talk;      /* talk.c: schedulers and parents */
struct dynconfig; /* dynconfig.h */
struct managed;   /* managed.h */
struct blocklist; /* blocklist.h */

/* Rates that all of the daemon shares; any thread. */
struct dtr_limits {
    struct dtr_pace download;       /* bytes in, from peers and origins */
    struct dtr_pace back_to_source; /* those from origins */
    struct dtr_pace prefetch;       /* those that nobody waits for */
    struct dtr_pace upload;         /* bytes out to peers */
    struct dtr_pace proxy_requests;
};

struct dtr_daemon {
    struct dtr_daemon_parts parts;
    const struct dtr_daemon_config *config; /* its reloadable keys: control loop; see settings.h */
    struct dtr_daemon_settings *settings;   /* control loop; others by settings_hold() */
    pthread_mutex_t settings_lock;          /* of the pointer */
    struct dtr_offer storage, transport, origin;
    struct dtr_tasks *tasks; /* control loop */
    struct proxy *proxy;
    struct upload *upload;
    struct talk *talk;
    struct dynconfig *dynconfig;   /* NULL: the schedulers are fixed, or a manager names them */
    struct managed *managed;       /* NULL: no manager names them */
    struct blocklist *blocklist;   /* control loop; NULL: nothing is blocked */
    struct gauges *gauges;         /* control loop */
    struct gc *gc;                 /* control loop */
    struct dtr_rpc_server *server; /* control loop */
    /* What it shows to callers, to parents and to schedulers; NULL: plain. Control loop. */
    struct dtr_tls *callers_tls, *parents_tls, *schedulers_tls;
    struct dtr_rpc_table *peers, *local;
    struct dtr_rpc_health *health;
    struct dtr_daemon_ports ports;
    struct dtr_limits limits;
    char ip[DTR_ADDR_TEXT], hostname[256];
    char host_id[DTR_HOST_ID_SIZE];
    _Atomic bool serving;
};

#endif
