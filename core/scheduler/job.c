/* What the calls of jobs share; see job.h. */
#include "core/scheduler/job.h"

#include "proto/dfdaemon.pb-c.h"

bool job_taken(const struct dtr_scheduler *scheduler, struct dtr_rpc_call *call)
{
    if (scheduler->closing)
        dtr_rpc_call_finish(call, DTR_RPC_UNAVAILABLE, "the scheduler stops");
    else if (!scheduler->jobs.enable)
        dtr_rpc_call_finish(call, DTR_RPC_FAILED_PRECONDITION,
                            "this scheduler takes no jobs: job.enable is false in its scheduler.yaml");
    return !scheduler->closing && scheduler->jobs.enable;
}

bool job_may_ask(struct dtr_scheduler *scheduler, struct dtr_rpc_call *call)
{
    char text[80];
    if (!job_taken(scheduler, call))
        return false;
    if (scheduler->asks == JOB_ASKS_MOST) {
        (void)snprintf(text, sizeof(text), "%d questions to all hosts run already; try again later",
                       (int)JOB_ASKS_MOST);
        dtr_rpc_call_finish(call, DTR_RPC_RESOURCE_EXHAUSTED, text);
        return false;
    }
    scheduler->asks++;
    return true;
}

void job_asked(struct dtr_scheduler *scheduler)
{
    scheduler->asks--;
}

void job_fail(struct dtr_rpc_call *call, const struct dtr_error *err)
{
    if (err->code == DTR_EUNSUPPORTED)
        dtr_rpc_call_finish(call, DTR_RPC_FAILED_PRECONDITION, err->text);
    else
        dtr_rpc_call_fail(call, err);
}

void job_reply(struct dtr_rpc_call *call, struct dtr_str *message)
{
    enum { MOST = 60 << 20 }; /* callers take 64 MiB */
    if (!dtr_str_ok(message) || message->length > MOST)
        dtr_rpc_call_finish(call, DTR_RPC_OUT_OF_RANGE, "the answer is more than 60 MiB");
    else if (dtr_rpc_call_send_bytes(call, dtr_str_text(message), message->length, NULL) == DTR_OK)
        dtr_rpc_call_finish(call, DTR_RPC_OK, NULL);
    else
        dtr_rpc_call_finish(call, DTR_RPC_RESOURCE_EXHAUSTED, "no memory for the answer");
    dtr_str_free(message);
}

int job_add_host(const struct dtr_scheduler *scheduler, const struct dtr_swarm_host *host, struct plan *plan,
                 uint32_t *ret_host, struct dtr_error *err)
{
    const struct plan_host added = {.id = host->facts.id,
                                    .hostname = host->facts.hostname,
                                    .ip = host->facts.ip,
                                    .type = host->facts.type,
                                    .port = (uint16_t)host->facts.port,
                                    .proven = host->facts.proven,
                                    .seed_serves = host->seed_usable,
                                    .created_ms = (int64_t)host->created_ms + scheduler->wall_offset_ms,
                                    .updated_ms = (int64_t)host->updated_ms + scheduler->wall_offset_ms};
    return plan_add_host(plan, &added, ret_host, err);
}

int job_knows_hosts(const struct dtr_scheduler *scheduler, struct dtr_error *err)
{
    const uint64_t now_ms = role_now_ms(scheduler);
    if (now_ms >= scheduler->settled_ms)
        return DTR_OK;
    return dtr_error_set(
        err, DTR_EUNAVAILABLE, DTR_RETRY_SAME,
        "this scheduler was just started and may not know all hosts yet; ask again in %.1f s",
        (double)(scheduler->settled_ms - now_ms) / 1000);
}

int job_add_hosts(const struct dtr_scheduler *scheduler, struct plan *plan, struct dtr_error *err)
{
    const struct dtr_swarm_host *host = NULL;
    int rc = DTR_OK;
    while (rc == DTR_OK && (host = dtr_swarm_next_host(scheduler->swarm, host))) {
        if (host->announced)
            rc = job_add_host(scheduler, host, plan, NULL, err);
    }
    return rc;
}

int job_add_url(const struct wish *wish, const char *url, struct plan *plan, struct dtr_error *err)
{
    char id[DTR_TASK_ID_SIZE];
    struct dtr_error why;
    if (wish_task_id(wish, url, id, &why) != DTR_OK)
        return dtr_error_set(err, why.code, why.retry, "url: %.200s", why.text);
    return plan_add_object(plan, url, id, err);
}

void job_ask_held(void *context, const struct plan_object *object, const struct plan_host *host,
                  struct dtr_str *ret_bytes)
{
    enum { TASK_ID = 1, REMOTE_IP = 2 };
    const struct job_ask *ask = context;
    (void)host;
    wire_put_text(ret_bytes, TASK_ID, object->task_id);
    wire_put_text(ret_bytes, REMOTE_IP, ask->scheduler->ip);
}

void job_take_held(void *context, size_t row, const struct dtr_rpc_message *message)
{
    const Dfdaemon__V2__StatLocalTaskResponse *response = (const void *)message->message;
    ((struct job_ask *)context)->held[row] = response->finished_at ? JOB_HOLDS : JOB_HOLDS_PART;
}
