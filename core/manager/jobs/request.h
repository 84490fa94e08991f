/* Questions to schedulers as messages, made of a job's arguments. Pure; any thread. */
#ifndef DTR_MANAGER_JOBS_REQUEST_H
#define DTR_MANAGER_JOBS_REQUEST_H

#include "core/manager/jobs/machine.h"
#include "core/rpc/rpc.h"

/* How registries and origins are to be taken: job.preheat.tls of the configuration. */
struct job_trust {
    const ProtobufCBinaryData *chain; /* certificates, DER */
    size_t chain_count;
    bool insecure;
};

/* What a question is about; all of it lives on while the request is made. */
struct ask {
    enum ask_kind kind;
    const json_t *args; /* whole */
    const char *url;    /* of a preheat with several; NULL: `url` of the arguments */
    const char *task_id, *preheat_id;
    uint64_t left_ms; /* of the job's time */
    const struct job_trust *trust;
    size_t room; /* bytes for the texts of an answer */
};

/* Makes it and hands it to `send`, which has to pack it before it returns. ASK_HOLDERS and ASK_FIND_URL are
 * about files or images, as the arguments are. */
struct request_sink {
    int (*send)(void *context, const struct dtr_rpc_method *method, const ProtobufCMessage *message,
                struct dtr_error *err);
    void *context;
};
int request_make(const struct ask *ask, const struct request_sink *sink, struct dtr_error *err);
/* How long an answer is waited for. */
uint64_t request_timeout_ms(const struct ask *ask);

#endif
