/* The unary calls of scheduler.v2: hosts come and go, tasks are looked at and dropped. */
#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/net/addr.h"
#include "core/obs/metric.h"
#include "core/scheduler/role.h"

enum { REQUEST_HOST = 1 }; /* field of AnnounceHostRequest */

static void reply_empty(struct dtr_rpc_call *call)
{
    Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
    dtr_rpc_call_reply(call, &empty.base);
}

static void take_network(const Common__V2__Network *network, struct dtr_swarm_announce *facts)
{
    if (!network)
        return;
    facts->max_tx = network->max_tx_bandwidth;
    facts->max_rx = network->max_rx_bandwidth;
    facts->tx = network->has_tx_bandwidth_case ? network->tx_bandwidth : 0;
    facts->rx = network->has_rx_bandwidth_case ? network->rx_bandwidth : 0;
    facts->idc = network->has_idc_case ? network->idc : "";
    facts->location = network->has_location_case ? network->location : "";
}

static void count_announce(const Common__V2__Host *host)
{
    const Common__V2__Build *build = host->build;
    const char *commit = build && build->has_git_commit_case ? build->git_commit : "";
    const char *go = build && build->has_go_version_case ? build->go_version : "";
    const char *platform = build && build->has_platform_case ? build->platform : "";
    dtr_metric_add(DTR_SCHEDULER_ANNOUNCE_HOST,
                   DTR_LABELS(host->os, host->platform, host->platform_family, host->platform_version,
                              host->kernel_version, build ? build->git_version : "", commit, go, platform),
                   1);
}

/* What Dragonfly's scheduler checks too (wire page 2.2); the rest the swarm checks. */
static int check_host(const Common__V2__Host *host, struct dtr_error *err)
{
    struct dtr_addr addr;
    if (!host)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "host is missing");
    if (!host->id[0] || !host->hostname[0])
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "host.id and host.hostname must be set");
    if (host->port < 1 || host->port > 65535)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "host.port %d is not in 1..65535",
                             host->port);
    return dtr_addr_ip(host->ip, (uint16_t)host->port, &addr, err);
}

/* Whether the caller sits at the address that it announces. */
static bool is_at(const struct dtr_rpc_call *call, const char *ip)
{
    const struct dtr_addr *from = dtr_rpc_call_addr(call);
    char there[DTR_ADDR_TEXT], said[DTR_ADDR_TEXT];
    struct dtr_addr addr;
    if (!from || dtr_addr_ip(ip, 0, &addr, NULL) != DTR_OK)
        return false;
    dtr_addr_ip_text(from, there);
    dtr_addr_ip_text(&addr, said);
    return strcmp(there, said) == 0;
}

void hosts_announce(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct dtr_scheduler *scheduler = service;
    const Scheduler__V2__AnnounceHostRequest *message = (const void *)request->message;
    const Common__V2__Host *host = message->host;
    const uint8_t *raw;
    size_t length;
    struct dtr_error err;
    int rc = check_host(host, &err);
    if (rc == DTR_OK) {
        struct dtr_swarm_announce facts = {.id = host->id,
                                           .hostname = host->hostname,
                                           .ip = host->ip,
                                           .type = host->type,
                                           .port = host->port,
                                           .download_port = host->download_port,
                                           .disable_shared = host->disable_shared,
                                           .proven = is_at(call, host->ip)};
        take_network(host->network, &facts);
        if (message->interval && message->interval->seconds > 0)
            facts.interval_ms = (uint64_t)message->interval->seconds * 1000;
        if (wire_find(request->bytes, request->length, REQUEST_HOST, &raw, &length))
            facts.raw = dtr_buf_copy(raw, length);
        bool known = dtr_swarm_find_host(scheduler->swarm, facts.id) != NULL;
        rc = dtr_swarm_host_announced(scheduler->swarm, role_now_ms(scheduler), &facts, &err);
        if (rc == DTR_OK && !known)
            tell_host_came(&facts);
        dtr_buf_drop(facts.raw);
        count_announce(host);
    }
    if (rc == DTR_OK) {
        reply_empty(call);
    } else {
        dtr_metric_add(DTR_SCHEDULER_ANNOUNCE_HOST_FAILURE, DTR_LABELS("", "", "", "", "", "", "", "", ""),
                       1);
        dtr_rpc_call_fail(call, &err);
    }
    role_drain(scheduler);
}

void hosts_delete(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct dtr_scheduler *scheduler = service;
    const Scheduler__V2__DeleteHostRequest *message = (const void *)request->message;
    struct dtr_error err;
    dtr_metric_add(DTR_SCHEDULER_LEAVE_HOST, NULL, 1);
    if (dtr_swarm_host_deleted(scheduler->swarm, role_now_ms(scheduler), message->host_id, &err) == DTR_OK) {
        tell_host_left(message->host_id);
        reply_empty(call);
    } else {
        dtr_metric_add(DTR_SCHEDULER_LEAVE_HOST_FAILURE, NULL, 1);
        dtr_rpc_call_fail(call, &err);
    }
    role_drain(scheduler);
}

void tasks_stat(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct dtr_scheduler *scheduler = service;
    const Scheduler__V2__StatTaskRequest *message = (const void *)request->message;
    const struct dtr_swarm_task *task = dtr_swarm_find_task(scheduler->swarm, message->task_id);
    dtr_metric_add(DTR_SCHEDULER_STAT_TASK, NULL, 1);
    if (task) {
        answer_task(scheduler, call, task);
    } else {
        dtr_metric_add(DTR_SCHEDULER_STAT_TASK_FAILURE, NULL, 1);
        dtr_rpc_call_finish(call, DTR_RPC_NOT_FOUND, "this scheduler does not know the task");
    }
}

void tasks_delete(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct dtr_scheduler *scheduler = service;
    const Scheduler__V2__DeleteTaskRequest *message = (const void *)request->message;
    struct dtr_error err;
    dtr_metric_add(DTR_SCHEDULER_LEAVE_TASK, NULL, 1);
    if (dtr_swarm_delete_task(scheduler->swarm, role_now_ms(scheduler), message->host_id, message->task_id,
                              &err) == DTR_OK) {
        reply_empty(call);
    } else {
        dtr_metric_add(DTR_SCHEDULER_LEAVE_TASK_FAILURE, NULL, 1);
        dtr_rpc_call_fail(call, &err);
    }
    role_drain(scheduler);
}
