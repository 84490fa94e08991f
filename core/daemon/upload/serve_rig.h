/* For tests of the daemon's gRPC: a daemon put together by hand (rig.h's store, origin and transport), its
 * server on loopback and on a unix socket, a client on either, and schedulers and parents that a test plays.
 * Everything is on the test's thread but the data thread. */
#ifndef DTR_DAEMON_SERVE_RIG_H
#define DTR_DAEMON_SERVE_RIG_H

#include "core/daemon/talk/talk.h"
#include "core/daemon/tasks/rig.h"
#include "core/daemon/upload/upload_internal.h"
#include "core/loop/turn_until.h"
#include "core/rpc/methods.h"
#include "proto/dfdaemon.pb-c.h"

struct serve_rig {
    struct dtr_loop *control, *data;
    struct dtr_pool *pool, *files; /* of one thread each */
    struct dtr_conf *conf;
    struct dtr_daemon_config config; /* changed by a test before serve_rig_begin() */
    struct dtr_daemon daemon;
    const struct dtr_storage_ops *storage; /* NULL: rig_storage */
    struct rig_script script;              /* the origin's */
    int lying;                             /* the transport's */
    struct dtr_addr tcp;
    char folder[64], socket[96]; /* the folder is open to all, and empty but for the socket */
    struct dtr_rpc_channel *peer, *local;
    const char *schedulers[1]; /* set before serve_rig_begin() for a daemon that has one */
    size_t scheduler_count;
};

/* The rig of a test made by SERVE_TEST(). */
extern struct serve_rig rig;
int serve_set_up(void **state);
int serve_tear_down(void **state);
#define SERVE_TEST(test) cmocka_unit_test_setup_teardown(test, serve_set_up, serve_tear_down)

/* Loops and configuration; then a daemon that serves. */
void serve_rig_new(struct serve_rig *of);
void serve_rig_begin(struct serve_rig *of);
/* Stops as the daemon does, in its order. */
void serve_rig_stop(struct serve_rig *of);
void serve_rig_free(struct serve_rig *of);

/* Turns the control loop until the condition holds; aborts when that takes too long. */
#define SERVE_UNTIL(rig, condition) TURN_UNTIL((rig)->control, condition)

/* Somebody else's server, played by the test: a scheduler or a parent. */
struct played {
    struct dtr_rpc_table *table;
    struct dtr_rpc_server *server;
    struct dtr_addr at;
    char addr[DTR_ADDR_TEXT];
};
void serve_play(struct serve_rig *of, struct played *played, const struct dtr_rpc_handler *handlers,
                size_t count, void *service);
void serve_play_end(struct serve_rig *of, struct played *played);
/* For handlers of calls that answer Empty. */
void serve_reply_empty(struct dtr_rpc_call *call);

/* What came of a DownloadTask. */
struct received {
    struct dtr_rpc_call *call; /* NULL once closed */
    int started, pieces, closed;
    uint64_t content_length, range_start, range_length, outlined;
    bool ranged, is_finished;
    char task_id[DTR_TASK_ID_LENGTH + 1];
    char content_type[64]; /* of the response headers */
    uint32_t told[4];      /* per piece: how often */
    uint64_t piece_length[4];
    int traffic[4];
    uint8_t bytes[RIG_SIZE]; /* of pieces with content */
    uint64_t content;        /* how many of them */
    uint32_t credit;         /* messages taken before the first waits; 0: all */
    enum dtr_rpc_code code;
    char text[300], details[512];
    const char *wrong; /* the first condition that did not hold; NULL: all well */
};

/* Sends the request over `channel`. */
void serve_download(struct serve_rig *of, struct dtr_rpc_channel *channel, struct received *received,
                    Common__V2__Download *download);
/* The same, until it has ended. */
void serve_download_all(struct serve_rig *of, struct dtr_rpc_channel *channel, struct received *received,
                        Common__V2__Download *download);

/* A request for the rig's object in this file; the path stays. */
Common__V2__Download serve_to_file(char *path);
/* Names the object's digest, written into `text`. */
enum { SERVE_DIGEST = 80 };
void serve_give_digest(Common__V2__Download *download, char text[SERVE_DIGEST]);
/* The file has these bytes of the object and no more. */
void serve_expect_file(const char *path, uint64_t offset, uint64_t length);

/* A unary call's outcome. */
struct answered {
    bool done;
    enum dtr_rpc_code code;
    char text[300];
    uint8_t bytes[4096]; /* of the response, as it came */
    size_t length;
};
void serve_ask(struct serve_rig *of, struct dtr_rpc_channel *channel, const struct dtr_rpc_method *method,
               const ProtobufCMessage *request, struct answered *answered);

#endif
