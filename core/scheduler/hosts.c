/* The unary calls of scheduler.v2 about hosts. */
#include "core/base/buf.h"
#include "core/net/addr.h"
#include "core/obs/metric.h"
#include "core/scheduler/role.h"

/* A longer time between two announcements is as good as none. */
#define INTERVAL_MOST_MS (366ull * 24 * 3600 * 1000)

enum { REQUEST_HOST = 1, HOST_TYPE_MOST = 3 }; /* field of AnnounceHostRequest; wire page 2.2 */

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

static void count_announce(enum dtr_metric_id id, const Common__V2__Host *host)
{
    const Common__V2__Build *build = host->build;
    const char *commit = build && build->has_git_commit_case ? build->git_commit : "";
    const char *go = build && build->has_go_version_case ? build->go_version : "";
    const char *platform = build && build->has_platform_case ? build->platform : "";
    dtr_metric_add(id,
                   DTR_LABELS(host->os, host->platform, host->platform_family, host->platform_version,
                              host->kernel_version, build ? build->git_version : "", commit, go, platform),
                   1);
}

/* What Dragonfly's scheduler checks too (wire page 2.2); the rest the swarm checks. */
static int check_host(const Common__V2__Host *host, struct dtr_error *err)
{
    struct dtr_addr addr;
    if (!host->id[0] || !host->hostname[0])
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "host.id and host.hostname must be set");
    if (host->port < 1 || host->port > 65535)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "host.port %d is not in 1..65535",
                             host->port);
    if (host->type > HOST_TYPE_MOST)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "host.type %u is not in 0..%d", host->type,
                             HOST_TYPE_MOST);
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

static int announce(struct dtr_scheduler *scheduler, const struct dtr_rpc_call *call,
                    const struct dtr_rpc_message *request, struct dtr_error *err)
{
    const Scheduler__V2__AnnounceHostRequest *message = (const void *)request->message;
    const Common__V2__Host *host = message->host;
    struct dtr_swarm_announce facts = {.id = host->id,
                                       .hostname = host->hostname,
                                       .ip = host->ip,
                                       .type = host->type,
                                       .port = host->port,
                                       .download_port = host->download_port,
                                       .disable_shared = host->disable_shared,
                                       .proven = is_at(call, host->ip)};
    const uint8_t *raw;
    size_t length;
    double interval_ms = duration_ms(message->interval);
    take_network(host->network, &facts);
    if (interval_ms >= 1 && interval_ms < (double)INTERVAL_MOST_MS)
        facts.interval_ms = (uint64_t)interval_ms;
    if (wire_find(request->bytes, request->length, REQUEST_HOST, &raw, &length))
        facts.raw = dtr_buf_copy(raw, length);
    if (!facts.raw)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for host %s", host->id);
    bool known = dtr_swarm_find_host(scheduler->swarm, facts.id) != NULL;
    int rc = dtr_swarm_host_announced(scheduler->swarm, role_now_ms(scheduler), &facts, err);
    if (rc == DTR_OK && !known)
        tell_host_came(&facts);
    dtr_buf_drop(facts.raw);
    return rc;
}

void hosts_announce(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct dtr_scheduler *scheduler = service;
    const Common__V2__Host *host = ((const Scheduler__V2__AnnounceHostRequest *)request->message)->host;
    struct dtr_error err;
    if (!host) {
        dtr_rpc_call_finish(call, DTR_RPC_INVALID_ARGUMENT, "host is missing");
        return;
    }
    count_announce(DTR_SCHEDULER_ANNOUNCE_HOST, host);
    int rc = check_host(host, &err);
    if (rc == DTR_OK)
        rc = announce(scheduler, call, request, &err);
    if (rc == DTR_OK) {
        answer_nothing(call);
    } else {
        count_announce(DTR_SCHEDULER_ANNOUNCE_HOST_FAILURE, host);
        dtr_rpc_call_fail(call, &err);
    }
    role_drain(scheduler);
}

void hosts_list(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    const Scheduler__V2__ListHostsRequest *message = (const void *)request->message;
    struct dtr_error err;
    dtr_metric_add(DTR_SCHEDULER_LIST_HOSTS, NULL, 1);
    if (answer_hosts(service, call, message->has_type_case ? &message->type : NULL, &err) == DTR_OK)
        return;
    dtr_metric_add(DTR_SCHEDULER_LIST_HOSTS_FAILURE, NULL, 1);
    dtr_rpc_call_fail(call, &err);
}

void hosts_delete(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct dtr_scheduler *scheduler = service;
    const Scheduler__V2__DeleteHostRequest *message = (const void *)request->message;
    struct dtr_error err;
    if (!ids_given(call, message->host_id, "-", "-"))
        return;
    dtr_metric_add(DTR_SCHEDULER_LEAVE_HOST, NULL, 1);
    if (dtr_swarm_host_deleted(scheduler->swarm, role_now_ms(scheduler), message->host_id, &err) == DTR_OK) {
        tell_host_left(message->host_id);
        answer_nothing(call);
    } else {
        dtr_metric_add(DTR_SCHEDULER_LEAVE_HOST_FAILURE, NULL, 1);
        dtr_rpc_call_fail(call, &err);
    }
    role_drain(scheduler);
}
