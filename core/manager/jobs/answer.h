/* What schedulers answer, as the results of jobs have it. Pure; any thread. */
#ifndef DTR_MANAGER_JOBS_ANSWER_H
#define DTR_MANAGER_JOBS_ANSWER_H

#include "core/manager/jobs/request.h"

/* What ASK_HOLDERS needs besides: the hosts there are, as ListHosts said before. */
struct holder_hosts {
    size_t seeds, peers; /* how many there are */
    size_t chosen;       /* of those that the job is for, as its scope, ips, count and
                          * percentage say */
};
void answer_count_hosts(const json_t *args, const ProtobufCMessage *response, struct holder_hosts *ret_hosts);

/* Fills an answer from the response to the question; its `result` is the caller's then, and `error` points
 * into `text`. `hosts` is for ASK_HOLDERS. Errors: DTR_ENOMEM. */
enum { ANSWER_TEXT = 512 };
int answer_read(const struct ask *ask, const struct dtr_rpc_method *method, const ProtobufCMessage *response,
                const struct holder_hosts *hosts, char text[ANSWER_TEXT], struct answer *ret_answer,
                struct dtr_error *err);
/* A call that failed. `text` gets what it said. */
void answer_failed(const struct dtr_rpc_status *status, char text[ANSWER_TEXT], struct answer *ret_answer);

#endif
