/* Daemons that are made up; see daemons_rig.h. */
#include "core/scheduler/daemons_rig.h"

#include "proto/dfdaemon.pb-c.h"

char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

/* --- what they answer ----------------------------------------------------------------------------------- */

static void on_cancelled(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    (void)call;
    ((struct host *)context)->cancelled += status->code == DTR_RPC_CANCELLED;
}

static void on_download(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    static const struct dtr_rpc_events events = {.closed = on_cancelled};
    struct host *host = service;
    Dfdaemon__V2__DownloadTaskResponse response = DFDAEMON__V2__DOWNLOAD_TASK_RESPONSE__INIT;
    assert_true(request->length < sizeof(host->bytes));
    memcpy(host->bytes, request->bytes, request->length);
    host->length = request->length;
    host->told++;
    dtr_rpc_call_adopt(call, &events, host);
    if (host->fails) {
        dtr_rpc_call_finish(call, DTR_RPC_INTERNAL, "the disk is full");
        return;
    }
    (void)dtr_rpc_call_send(call, &response.base, NULL);
    if (!host->hangs)
        dtr_rpc_call_finish(call, DTR_RPC_OK, NULL);
}

static void on_stat(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct host *host = service;
    Dfdaemon__V2__StatLocalTaskResponse response = DFDAEMON__V2__STAT_LOCAL_TASK_RESPONSE__INIT;
    Google__Protobuf__Timestamp now = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    (void)request;
    now.seconds = 1000;
    response.finished_at = host->held == WHOLE ? &now : NULL;
    if (host->held == LACKS)
        dtr_rpc_call_finish(call, DTR_RPC_NOT_FOUND, "not here");
    else
        dtr_rpc_call_reply(call, &response.base);
}

static void on_delete(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct host *host = service;
    const Dfdaemon__V2__DeleteTaskRequest *message = (const void *)request->message;
    Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
    assert_string_equal(message->task_id, RIG_TASK);
    host->deleted++;
    if (host->fails) {
        dtr_rpc_call_finish(call, DTR_RPC_UNAVAILABLE, "it is read");
        return;
    }
    host->held = LACKS;
    dtr_rpc_call_reply(call, &empty.base);
}

/* Of a folder there are two files and a folder. */
static void on_list(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    const struct host *host = service;
    Dfdaemon__V2__ListTaskEntriesResponse response = DFDAEMON__V2__LIST_TASK_ENTRIES_RESPONSE__INIT;
    static const char *const urls[] = {"http://origin.example/d/a", "http://origin.example/d/sub/",
                                       "http://origin.example/d/b"};
    Dfdaemon__V2__Entry entries[3], *list[3];
    (void)request;
    if (host->fails) {
        dtr_rpc_call_finish(call, DTR_RPC_UNIMPLEMENTED, "no such method");
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        dfdaemon__v2__entry__init(&entries[i]);
        entries[i].url = text(urls[i]);
        entries[i].is_dir = i == 1;
        list[i] = &entries[i];
    }
    response.entries = list;
    response.n_entries = 3;
    dtr_rpc_call_reply(call, &response.base);
}

/* --- life ----------------------------------------------------------------------------------------------- */

static void daemon_open(struct lab *lab, struct host *host, const char *id, uint32_t type)
{
    static const struct dtr_rpc_handler handlers[] = {
        {.method = &dtr_rpc_upload_download_task, .request = on_download},
        {.method = &dtr_rpc_upload_stat_local_task, .request = on_stat},
        {.method = &dtr_rpc_upload_delete_task, .request = on_delete},
        {.method = &dtr_rpc_upload_list_task_entries, .request = on_list},
    };
    *host = (struct host){.id = id};
    assert_int_equal(dtr_rpc_table_new(&host->table, NULL), DTR_OK);
    assert_int_equal(
        dtr_rpc_table_add(host->table, handlers, sizeof(handlers) / sizeof(handlers[0]), host, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_health_serve(lab->health, host->table, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_new(lab->rig.loop, NULL, &host->server, NULL), DTR_OK);
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &host->addr, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_listen(host->server, &host->addr, host->table, &host->addr, NULL),
                     DTR_OK);
    assert_int_equal(rig_announce(&lab->rig, id, type, dtr_addr_port(&host->addr)), DTR_RPC_OK);
}

static bool seeds_serve(void *context)
{
    const struct lab *lab = context;
    for (size_t i = 0; i < HOSTS; i++) {
        const struct dtr_swarm_host *host = dtr_swarm_find_host(lab->rig.scheduler->swarm, lab->hosts[i].id);
        if (host && host->facts.type && !host->seed_usable)
            return false;
    }
    return true;
}

int daemons_open(void **state)
{
    static const char *const ids[HOSTS] = {"s0", "s1", "p2", "p3"};
    const struct dtr_scheduler_options options = {.swarm = dtr_swarm_defaults(),
                                                  .seed_number = 1,
                                                  .seed_timeout_ms = 60000,
                                                  .ip = "10.1.2.3",
                                                  .jobs = {.enable = true, .no_origin = "it was not found"}};
    struct lab *lab = calloc(1, sizeof(*lab));
    assert_non_null(lab);
    rig_open(&lab->rig, &options);
    assert_int_equal(dtr_rpc_health_new(&lab->health, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_health_set(lab->health, "", true, NULL), DTR_OK);
    for (size_t i = 0; i < HOSTS; i++)
        daemon_open(lab, &lab->hosts[i], ids[i], i < 2);
    rig_until(&lab->rig, seeds_serve, lab);
    *state = lab;
    return 0;
}

void daemon_close(struct lab *lab, struct host *host)
{
    bool stopped = false;
    if (!host->server)
        return;
    dtr_rpc_server_stop(host->server, 0, rig_set, &stopped);
    rig_until(&lab->rig, rig_is_set, &stopped);
    dtr_rpc_table_free(host->table);
    host->server = NULL;
}

int daemons_close(void **state)
{
    struct lab *lab = *state;
    for (size_t i = 0; i < HOSTS; i++)
        daemon_close(lab, &lab->hosts[i]);
    rig_close(&lab->rig);
    dtr_rpc_health_free(lab->health);
    free(lab);
    return 0;
}

/* --- calls ---------------------------------------------------------------------------------------------- */

struct rig_answer preheat(struct lab *lab, const char *scope, const char *url, const char *id)
{
    Scheduler__V2__PreheatFileRequest request = SCHEDULER__V2__PREHEAT_FILE_REQUEST__INIT;
    const struct dtr_rpc_pair pair = {DTR_RPC_PREHEAT_ID, id};
    request.url = text(url);
    request.scope = text(scope);
    return rig_ask_with(&lab->rig, &dtr_rpc_scheduler_preheat_file, &request.base, id ? &pair : NULL);
}

void expect(struct rig_answer answer, enum dtr_rpc_code code, const char *part)
{
    if (answer.code != code || !strstr(answer.text, part))
        fail_msg("%s: %s", dtr_rpc_code_name(answer.code), answer.text);
    dtr_str_free(&answer.bytes);
}
