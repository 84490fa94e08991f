/* The unary calls of scheduler.v2 about tasks and peers. */
#include "core/obs/metric.h"
#include "core/scheduler/role.h"

bool ids_given(struct dtr_rpc_call *call, const char *host_id, const char *task_id, const char *peer_id)
{
    const char *missing = !host_id[0]   ? "host_id is missing"
                          : !task_id[0] ? "task_id is missing"
                          : !peer_id[0] ? "peer_id is missing"
                                        : NULL;
    if (missing)
        dtr_rpc_call_finish(call, DTR_RPC_INVALID_ARGUMENT, missing);
    return !missing;
}

void tasks_stat(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct dtr_scheduler *scheduler = service;
    const Scheduler__V2__StatTaskRequest *message = (const void *)request->message;
    if (!ids_given(call, message->host_id, message->task_id, "-"))
        return;
    const struct dtr_swarm_task *task = dtr_swarm_find_task(scheduler->swarm, message->task_id);
    dtr_metric_add(DTR_SCHEDULER_STAT_TASK, NULL, 1);
    if (task) {
        answer_task(scheduler, call, task);
    } else {
        dtr_metric_add(DTR_SCHEDULER_STAT_TASK_FAILURE, NULL, 1);
        dtr_rpc_call_finish(call, DTR_RPC_NOT_FOUND, "this scheduler does not know the task");
    }
}

/* What follows a removal. */
static void tell_removed(struct dtr_scheduler *scheduler, struct dtr_rpc_call *call, int rc,
                         const struct dtr_error *err, enum dtr_metric_id failure)
{
    if (rc == DTR_OK) {
        answer_nothing(call);
    } else {
        dtr_metric_add(failure, NULL, 1);
        dtr_rpc_call_fail(call, err);
    }
    role_drain(scheduler);
}

void tasks_delete(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct dtr_scheduler *scheduler = service;
    const Scheduler__V2__DeleteTaskRequest *message = (const void *)request->message;
    struct dtr_error err;
    if (!ids_given(call, message->host_id, message->task_id, "-"))
        return;
    dtr_metric_add(DTR_SCHEDULER_LEAVE_TASK, NULL, 1);
    int rc = dtr_swarm_delete_task(scheduler->swarm, role_now_ms(scheduler), message->host_id,
                                   message->task_id, &err);
    tell_removed(scheduler, call, rc, &err, DTR_SCHEDULER_LEAVE_TASK_FAILURE);
}

/* A peer is looked up by its own id alone, as in Dragonfly; host and task must be named all the same. */
void peers_stat(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct dtr_scheduler *scheduler = service;
    const Scheduler__V2__StatPeerRequest *message = (const void *)request->message;
    if (!ids_given(call, message->host_id, message->task_id, message->peer_id))
        return;
    const struct dtr_swarm_peer *peer = dtr_swarm_find_peer(scheduler->swarm, message->peer_id);
    dtr_metric_add(DTR_SCHEDULER_STAT_PEER, NULL, 1);
    if (peer) {
        answer_peer(scheduler, call, peer);
    } else {
        dtr_metric_add(DTR_SCHEDULER_STAT_PEER_FAILURE, NULL, 1);
        dtr_rpc_call_finish(call, DTR_RPC_NOT_FOUND, "this scheduler does not know the peer");
    }
}

void peers_delete(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct dtr_scheduler *scheduler = service;
    const Scheduler__V2__DeletePeerRequest *message = (const void *)request->message;
    struct dtr_error err;
    if (!ids_given(call, message->host_id, message->task_id, message->peer_id))
        return;
    dtr_metric_add(DTR_SCHEDULER_LEAVE_PEER, NULL, 1);
    int rc = dtr_swarm_delete_peer(scheduler->swarm, role_now_ms(scheduler), message->peer_id, &err);
    tell_removed(scheduler, call, rc, &err, DTR_SCHEDULER_LEAVE_PEER_FAILURE);
}
