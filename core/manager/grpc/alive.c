/* KeepAlive: as long as its stream is open and says something, a scheduler (or seed peer) is there; when it
 * ends, it is not, unless it has another, here or at another manager. Each message is a sign of life that a
 * worker writes down, one at a time for each stream: those that come meanwhile are one. */
#include "core/manager/fleet/members.h"
#include "core/manager/grpc/ask.h"

#include "core/base/str.h"
#include "core/obs/log.h"
#include "proto/manager.pb-c.h"

#include <stdlib.h>

enum { HOSTNAME = 256, IP = 64 };

struct alive {
    struct dtr_job job;
    struct grpc *grpc;
    struct dtr_list link;
    struct dtr_rpc_call *call; /* NULL: it has ended */
    bool seed, named;
    char hostname[HOSTNAME], ip[IP];
    int64_t cluster_id;
    bool busy;                       /* a worker has it */
    bool due;                        /* there is something to write down */
    bool gone;                       /* that is what the worker writes down, or wrote down last */
    bool news;                       /* what it wrote down was new */
    struct member_pulse pulse, felt; /* before what is written down, and with it */
    struct dtr_error err;
};

/* --- on a worker -----------------------------------------------------------------------------------------
 */

static int write_down(struct store_db *db, void *context, struct dtr_error *err)
{
    struct alive *alive = context;
    const struct member_name name = {alive->hostname, alive->ip, alive->cluster_id};
    alive->felt = alive->pulse; /* it may be tried again */
    return alive->gone ? member_gone(db, alive->seed, &name, &alive->pulse, &alive->news, err)
                       : member_alive(db, alive->seed, &name, &alive->felt, &alive->news, err);
}

static bool is_news(const void *context)
{
    return ((const struct alive *)context)->news;
}

static void run(struct dtr_job *job)
{
    struct alive *alive = dtr_container(job, struct alive, job);
    alive->news = false;
    alive->err.code = fleet_do(alive->grpc->options.view, write_down, alive, is_news, &alive->err);
    if (alive->err.code == DTR_OK)
        alive->pulse = alive->felt;
}

/* --- on the loop -----------------------------------------------------------------------------------------
 */

static void go_on(struct alive *alive);

static void say(const struct alive *alive)
{
    if (alive->err.code != DTR_OK && alive->err.code != DTR_EUNAVAILABLE)
        dtr_log(DTR_LOG_WARN, NULL, "keep-alive of %s: %s", alive->hostname, alive->err.text);
    else if (alive->news)
        dtr_log(DTR_LOG_INFO, NULL, "%s %s of cluster %lld is %s", alive->seed ? "seed peer" : "scheduler",
                alive->hostname, (long long)alive->cluster_id, alive->gone ? FLEET_INACTIVE : FLEET_ACTIVE);
}

static void done(struct dtr_job *job)
{
    struct alive *alive = dtr_container(job, struct alive, job);
    alive->busy = false;
    say(alive);
    /* It has to register first: told so, it does, or its operator reads it. */
    if (alive->call && alive->err.code == DTR_ENOT_FOUND) {
        alive->named = false;
        dtr_rpc_call_fail(alive->call, &alive->err);
    }
    go_on(alive);
}

static void go_on(struct alive *alive)
{
    struct grpc *grpc = alive->grpc;
    bool wanted = alive->due && !alive->busy;
    if (wanted) {
        alive->due = false;
        alive->gone = !alive->call;
        alive->job = (struct dtr_job){.loop = grpc->options.control, .run = run, .done = done};
        alive->busy = dtr_pool_submit(grpc->options.pool, &alive->job, NULL) == DTR_OK;
    }
    if (alive->call || alive->busy)
        return; /* past the pool's limit the next message tries again */
    dtr_list_remove(&alive->link);
    free(alive);
    grpc_ended(grpc);
}

static int take_name(struct alive *alive, const Manager__V2__KeepAliveRequest *request, struct dtr_error *err)
{
    int rc = check_hostname(request->hostname, err);
    if (rc == DTR_OK)
        rc = check_ip(request->ip, true, err);
    if (rc == DTR_OK)
        rc = check_cluster("cluster_id", request->cluster_id, err);
    if (rc != DTR_OK)
        return rc;
    (void)dtr_copy_text(alive->hostname, sizeof(alive->hostname), request->hostname);
    (void)dtr_copy_text(alive->ip, sizeof(alive->ip), request->ip);
    alive->cluster_id = (int64_t)request->cluster_id;
    alive->seed = request->source_type == MANAGER__V2__SOURCE_TYPE__SEED_PEER_SOURCE;
    alive->named = true;
    return DTR_OK;
}

static void on_message(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct alive *alive = context;
    struct dtr_error err;
    if (!alive->named && take_name(alive, (const void *)message->message, &err) != DTR_OK) {
        dtr_rpc_call_fail(call, &err);
        return;
    }
    alive->due = true;
    go_on(alive);
}

static void on_end(void *context, struct dtr_rpc_call *call)
{
    const Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
    (void)context;
    dtr_rpc_call_reply(call, &empty.base);
}

static void on_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct alive *alive = context;
    (void)call;
    (void)status;
    alive->call = NULL;
    alive->due = alive->named && !alive->grpc->leaving;
    go_on(alive);
}

void alive_open(void *service, struct dtr_rpc_call *call)
{
    static const struct dtr_rpc_events events = {.message = on_message, .end = on_end, .closed = on_closed};
    struct grpc *grpc = service;
    struct alive *alive = calloc(1, sizeof(*alive));
    if (!alive) {
        dtr_rpc_call_finish(call, DTR_RPC_RESOURCE_EXHAUSTED, "out of memory for a keep-alive");
        return;
    }
    alive->grpc = grpc;
    alive->call = call;
    grpc->under_way++;
    dtr_list_add_tail(&grpc->alive, &alive->link);
    dtr_rpc_call_adopt(call, &events, alive);
}

bool alive_from(const struct grpc *grpc, const struct dtr_addr *addr)
{
    char wanted[DTR_ADDR_TEXT], from[DTR_ADDR_TEXT];
    dtr_addr_ip_text(addr, wanted);
    dtr_list_each (node, &grpc->alive) {
        const struct alive *alive = dtr_container(node, const struct alive, link);
        const struct dtr_addr *peer = alive->call ? dtr_rpc_call_addr(alive->call) : NULL;
        if (!peer || !alive->named || alive->seed)
            continue;
        dtr_addr_ip_text(peer, from);
        if (strcmp(alive->ip, wanted) == 0 && (strcmp(from, wanted) == 0 || dtr_addr_is_loopback(&peer->any)))
            return true;
    }
    return false;
}
