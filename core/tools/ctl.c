/* See ctl.h. */
#include "core/tools/ctl.h"

#include "core/rpc/methods.h"
#include "core/tools/ctl_print.h"
#include "core/tools/ctl_text.h"
#include <string.h>
#include <time.h>

int dtr_ctl_tasks(const struct dtr_ask *daemon, bool json, FILE *out, struct dtr_error *err)
{
    const Dfdaemon__V2__ListLocalTasksRequest request = DFDAEMON__V2__LIST_LOCAL_TASKS_REQUEST__INIT;
    ProtobufCMessage *response;
    int rc = dtr_ask(daemon, &dtr_rpc_download_list_local_tasks, &request.base, &response, err);
    if (rc != DTR_OK)
        return rc;
    rc = ctl_printed(ctl_print_tasks((void *)response, (int64_t)time(NULL), json, out), err);
    protobuf_c_message_free_unpacked(response, NULL);
    return rc;
}

static int no_task(const char *task_id, struct dtr_error *err)
{
    return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER,
                         "this daemon has no task %.80s; \"darter ctl tasks\" lists those that it has",
                         task_id);
}

int dtr_ctl_task(const struct dtr_ask *daemon, const char *task_id, bool json, FILE *out,
                 struct dtr_error *err)
{
    Dfdaemon__V2__StatLocalTaskRequest request = DFDAEMON__V2__STAT_LOCAL_TASK_REQUEST__INIT;
    ProtobufCMessage *response;
    request.task_id = (char *)(uintptr_t)task_id;
    int rc = dtr_ask(daemon, &dtr_rpc_download_stat_local_task, &request.base, &response, err);
    if (rc == DTR_ENOT_FOUND)
        return no_task(task_id, err);
    if (rc != DTR_OK)
        return rc;
    rc = ctl_printed(ctl_print_task((void *)response, (int64_t)time(NULL), json, out), err);
    protobuf_c_message_free_unpacked(response, NULL);
    return rc;
}

int dtr_ctl_explain(const struct dtr_ask *daemon, const char *task, bool json, FILE *out,
                    struct dtr_error *err)
{
    Darter__V1__ExplainRequest request = DARTER__V1__EXPLAIN_REQUEST__INIT;
    ProtobufCMessage *response;
    request.task = (char *)(uintptr_t)task;
    int rc = dtr_ask(daemon, &dtr_rpc_local_explain, &request.base, &response, err);
    if (rc == DTR_ENOT_FOUND)
        return no_task(task, err);
    if (rc != DTR_OK)
        return rc;
    rc = ctl_printed(ctl_print_explain((void *)response, json, out), err);
    protobuf_c_message_free_unpacked(response, NULL);
    return rc;
}

int dtr_ctl_decisions(const struct dtr_ask *scheduler, const char *task, bool json, FILE *out,
                      struct dtr_error *err)
{
    Darter__V1__DecisionsRequest request = DARTER__V1__DECISIONS_REQUEST__INIT;
    ProtobufCMessage *response;
    request.task = (char *)(uintptr_t)task;
    int rc = dtr_ask(scheduler, &dtr_rpc_scheduling_explain, &request.base, &response, err);
    if (rc == DTR_ENOT_FOUND)
        return dtr_error_set(err, rc, DTR_RETRY_NEVER,
                             "the scheduler remembers no decision about task %.80s; give the id, or its "
                             "beginning, that \"darter ctl tasks\" shows",
                             task);
    if (rc != DTR_OK)
        return rc;
    rc = ctl_printed(ctl_print_decisions((void *)response, json, out), err);
    protobuf_c_message_free_unpacked(response, NULL);
    return rc;
}

int dtr_ctl_remove(const struct dtr_ask *daemon, const char *task_id, struct dtr_error *err)
{
    Dfdaemon__V2__DeleteLocalTaskRequest request = DFDAEMON__V2__DELETE_LOCAL_TASK_REQUEST__INIT;
    ProtobufCMessage *response;
    request.task_id = (char *)(uintptr_t)task_id;
    int rc = dtr_ask(daemon, &dtr_rpc_download_delete_local_task, &request.base, &response, err);
    if (rc == DTR_ENOT_FOUND)
        return no_task(task_id, err);
    if (rc == DTR_OK)
        protobuf_c_message_free_unpacked(response, NULL);
    return rc;
}

int dtr_ctl_hosts(const struct dtr_ask *scheduler, bool json, FILE *out, struct dtr_error *err)
{
    const Scheduler__V2__ListHostsRequest request = SCHEDULER__V2__LIST_HOSTS_REQUEST__INIT;
    ProtobufCMessage *response;
    int rc = dtr_ask(scheduler, &dtr_rpc_scheduler_list_hosts, &request.base, &response, err);
    if (rc != DTR_OK)
        return rc;
    rc = ctl_printed(ctl_print_hosts((void *)response, json, out), err);
    protobuf_c_message_free_unpacked(response, NULL);
    return rc;
}
