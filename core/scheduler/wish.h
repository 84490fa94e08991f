/* What a call of a job asks for, in one form for all four (PreheatImage, StatImage, PreheatFile, StatFile):
 * checked, with the defaults filled in, and kept as long as the job runs. Pure; any thread. */
#ifndef DTR_SCHEDULER_WISH_H
#define DTR_SCHEDULER_WISH_H

#include "core/rpc/rpc.h"
#include "core/rpc/unpack.h"
#include "core/scheduler/jobs/plan.h"
#include "proto/common.pb-c.h"
#include <darter/origin.h>

enum {
    WISH_TASKS = 8,        /* objects at a time */
    WISH_PEERS = 500,      /* hosts of one object at a time */
    WISH_TASKS_MOST = 100, /* more are taken for this */
    WISH_PEERS_MOST = 1000,
    WISH_TIMEOUT_MS = 60 * 60 * 1000,
    WISH_IPS_MOST = 1000,
    WISH_HEADERS_MOST = 256,
    WISH_BYTES_MOST = 512 << 10, /* of a request: most of it goes to every host */
};

struct wish {
    const char *url;
    uint64_t piece_length; /* 0: not asked for */
    const char *tag, *application;
    const char *const *filter; /* query parameters left out of the task's id */
    size_t filter_count;
    struct dtr_header *headers;
    size_t header_count;
    const char *username, *password, *platform; /* NULL: none */
    struct plan_choice choice;
    struct grid_limits limits;
    uint64_t timeout_ms;
    Common__V2__Priority priority;
    ProtobufCBinaryData *chain; /* certificates, DER */
    size_t chain_count;
    bool insecure;
    Common__V2__ObjectStorage *object_storage; /* NULL: none, as the two below */
    Common__V2__HDFS *hdfs;
    const char *output_path;
    struct dtr_rpc_arena arena; /* what all of these point into */
};

/* Reads the request of `method`, which is one of the four. DTR_EINVALID names the field that is wrong and
 * what it should be, or says that all of it has more than WISH_BYTES_MOST. Free it afterwards, also after an
 * error. */
int wish_read(struct wish *wish, const struct dtr_rpc_method *method, const uint8_t *bytes, size_t length,
              struct dtr_error *err);
void wish_free(struct wish *wish);
/* The id of the task for one of its URLs, as daemons compute it for what they are asked through their proxy.
 */
int wish_task_id(const struct wish *wish, const char *url, char id[DTR_TASK_ID_SIZE], struct dtr_error *err);
/* Whether somebody asks for a directory. */
bool wish_is_folder(const struct wish *wish);
/* ms of a protobuf duration, at most INT32_MAX; `usual` when there is none. DTR_EINVALID: not longer than 0.
 */
int wish_timeout(const Google__Protobuf__Duration *duration, uint64_t usual_ms, uint64_t *ret_ms,
                 struct dtr_error *err);

#endif
