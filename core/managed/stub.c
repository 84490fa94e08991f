/* A manager that a test plays; see stub.h. */
#include "core/managed/stub.h"

#include "core/loop/turn_until.h"
#include "core/managed/last.h"

#include <string.h>
#include <unistd.h>

static void need(bool condition)
{
    if (!condition)
        abort();
}

static void answer(struct stub_manager *stub, struct dtr_rpc_call *call, const ProtobufCMessage *message)
{
    if (stub->mute)
        return;
    if (message)
        dtr_rpc_call_reply(call, message);
    else
        dtr_rpc_call_finish(call, DTR_RPC_NOT_FOUND, "not found");
}

static void on_list(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct stub_manager *stub = service;
    const Manager__V2__ListSchedulersRequest *message = (const void *)request->message;
    stub->listed++;
    (void)snprintf(stub->request, sizeof(stub->request), "%d %s %s %s %s %s %s %d", message->source_type,
                   message->hostname, message->ip, message->idc ? message->idc : "-",
                   message->location ? message->location : "-", *message->version ? "version" : "",
                   *message->commit ? "commit" : "", (int)message->scheduler_cluster_id);
    answer(stub, call, stub->schedulers ? &stub->schedulers->base : NULL);
}

static void on_update(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct stub_manager *stub = service;
    const Manager__V2__UpdateSchedulerRequest *message = (const void *)request->message;
    stub->updated++;
    (void)snprintf(stub->request, sizeof(stub->request), "%d %s %d %s %s %s %d %s/%zu %.*s",
                   message->source_type, message->hostname, (int)message->scheduler_cluster_id,
                   message->idc ? message->idc : "-", message->location ? message->location : "-",
                   message->ip, message->port, message->n_features ? message->features[0] : "-",
                   message->n_features, (int)message->config.len, (const char *)message->config.data);
    answer(stub, call, stub->scheduler ? &stub->scheduler->base : NULL);
}

static void on_seed(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct stub_manager *stub = service;
    const Manager__V2__UpdateSeedPeerRequest *message = (const void *)request->message;
    stub->seeded++;
    (void)snprintf(stub->seed_request, sizeof(stub->seed_request), "%d %s %s %s %s %s %d %d %d",
                   message->source_type, message->hostname, message->ip, message->type,
                   message->idc ? message->idc : "-", message->location ? message->location : "-",
                   message->port, message->download_port, (int)message->seed_peer_cluster_id);
    answer(stub, call, stub->seed ? &stub->seed->base : NULL);
}

static void on_get(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct stub_manager *stub = service;
    (void)request;
    stub->got++;
    answer(stub, call, stub->scheduler ? &stub->scheduler->base : NULL);
}

static void on_applications(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct stub_manager *stub = service;
    (void)request;
    stub->applied++;
    answer(stub, call, stub->applications ? &stub->applications->base : NULL);
}

static void on_alive(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct stub_manager *stub = context;
    const Manager__V2__KeepAliveRequest *request = (const void *)message->message;
    (void)call;
    stub->alive++;
    (void)snprintf(stub->beat, sizeof(stub->beat), "%d %s %s %d", request->source_type, request->hostname,
                   request->ip, (int)request->cluster_id);
}

static void on_stream_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct stub_manager *stub = context;
    (void)status;
    if (stub->stream == call)
        stub->stream = NULL;
}

static void on_keep_alive(void *service, struct dtr_rpc_call *call)
{
    static const struct dtr_rpc_events events = {.message = on_alive, .closed = on_stream_closed};
    struct stub_manager *stub = service;
    stub->streams++;
    stub->stream = call;
    dtr_rpc_call_adopt(call, &events, stub);
}

void stub_manager_open(struct stub_manager *stub, struct dtr_loop *loop, const struct dtr_addr *at)
{
    static const struct dtr_rpc_handler handlers[] = {
        {.method = &dtr_rpc_manager_list_schedulers, .request = on_list},
        {.method = &dtr_rpc_manager_update_scheduler, .request = on_update},
        {.method = &dtr_rpc_manager_update_seed_peer, .request = on_seed},
        {.method = &dtr_rpc_manager_get_scheduler, .request = on_get},
        {.method = &dtr_rpc_manager_list_applications, .request = on_applications},
        {.method = &dtr_rpc_manager_keep_alive, .open = on_keep_alive},
    };
    struct dtr_addr place;
    need(dtr_addr_ip("127.0.0.1", 0, &place, NULL) == DTR_OK);
    if (at)
        place = *at;
    *stub = (struct stub_manager){.loop = loop};
    need(dtr_rpc_table_new(&stub->table, NULL) == DTR_OK);
    need(dtr_rpc_table_add(stub->table, handlers, sizeof(handlers) / sizeof(handlers[0]), stub, NULL) ==
         DTR_OK);
    need(dtr_rpc_health_new(&stub->health, NULL) == DTR_OK);
    need(dtr_rpc_health_serve(stub->health, stub->table, NULL) == DTR_OK);
    need(dtr_rpc_health_set(stub->health, "", true, NULL) == DTR_OK);
    need(dtr_rpc_server_new(loop, NULL, &stub->server, NULL) == DTR_OK);
    need(dtr_rpc_server_listen(stub->server, &place, stub->table, &stub->addr, NULL) == DTR_OK);
    dtr_addr_text(&stub->addr, stub->text);
}

static void set_flag(void *context)
{
    *(bool *)context = true;
}

void stub_manager_close(struct stub_manager *stub)
{
    bool stopped = false;
    if (!stub->server)
        return;
    dtr_rpc_server_stop(stub->server, 0, set_flag, &stopped);
    TURN_UNTIL(stub->loop, stopped);
    dtr_rpc_table_free(stub->table);
    dtr_rpc_health_free(stub->health);
    stub->server = NULL;
}

static bool is_removed(const char *folder)
{
    static const char *const names[] = {"manager-schedulers", "manager-scheduler", "manager-applications"};
    char path[256];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    return rmdir(folder) == 0;
}

void stub_manager_tidy(struct dtr_loop *loop, const char *folder)
{
    TURN_UNTIL_BY(loop, false, dtr_last_writes() == 0);
    TURN_UNTIL_BY(loop, false, is_removed(folder));
}
