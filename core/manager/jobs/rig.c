/* Made-up schedulers; see rig.h. */
#include "core/manager/jobs/rig.h"

#include "core/loop/turn_until.h"
#include "proto/darter.pb-c.h"
#include "proto/scheduler.pb-c.h"

#define KEEP(field, text) (void)snprintf(fake->field, sizeof(fake->field), "%s", (text) ? (text) : "")
/* Names the one host there is, in a message of any type that names one. */
#define PUT_HOST(message, fake)                                                                              \
    do {                                                                                                     \
        (message)->hostname = (char *)(uintptr_t)(fake)->host;                                               \
        (message)->ip = (char *)(uintptr_t) "10.0.0.9";                                                      \
    } while (0)
/* Makes a field a list of one message. */
#define PUT_ONE(message, field, list) ((message)->field = (list), (message)->n_##field = 1)

static void keep_id(struct fake *fake, const struct dtr_rpc_call *call)
{
    KEEP(id, dtr_rpc_call_metadata(call, DTR_RPC_PREHEAT_ID));
}

static void answer_preheat(struct fake *fake, struct dtr_rpc_call *call)
{
    const Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
    fake->preheats++;
    keep_id(fake, call);
    if (fake->held)
        return;
    if (fake->code == DTR_RPC_OK)
        dtr_rpc_call_reply(call, &empty.base);
    else
        dtr_rpc_call_finish(call, fake->code, fake->why);
}

static void on_preheat_image(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct fake *fake = service;
    const Scheduler__V2__PreheatImageRequest *request = (const void *)message->message;
    KEEP(url, request->url);
    KEEP(password, request->has_password_case ? request->password : "");
    KEEP(scope, request->scope);
    KEEP(header, request->n_header > 0 ? request->header[0]->value : "");
    KEEP(filter, request->n_filtered_query_params > 0 ? request->filtered_query_params[0] : "");
    fake->certificates = request->n_certificate_chain;
    answer_preheat(fake, call);
}

static void on_preheat_file(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct fake *fake = service;
    const Scheduler__V2__PreheatFileRequest *request = (const void *)message->message;
    KEEP(url, request->url);
    KEEP(scope, request->scope);
    KEEP(header, request->n_header > 0 ? request->header[0]->value : "");
    answer_preheat(fake, call);
}

static void on_stat_preheat(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct fake *fake = service;
    Darter__V1__StatPreheatResponse response = DARTER__V1__STAT_PREHEAT_RESPONSE__INIT;
    Darter__V1__PreheatRow row = DARTER__V1__PREHEAT_ROW__INIT, *rows[] = {&row};
    const Darter__V1__StatPreheatRequest *request = (const void *)message->message;
    fake->looks++;
    assert_true(request->id[0] != 0);
    if (fake->forgets) {
        dtr_rpc_call_finish(call, DTR_RPC_NOT_FOUND, "no such preheat");
        return;
    }
    row.url = fake->url;
    PUT_HOST(&row, fake);
    row.state = (char *)(uintptr_t)(!fake->ended ? "running" : fake->fails ? "failed" : "done");
    row.description = (char *)(uintptr_t)(fake->fails ? fake->why : "");
    PUT_ONE(&response, rows, rows);
    response.done = fake->ended && !fake->fails;
    response.failed = fake->ended && fake->fails;
    response.waiting = !fake->ended;
    response.nowhere = response.failed ? row.url : response.nowhere;
    response.why = row.description;
    response.ended = fake->ended;
    response.error = (char *)(uintptr_t)(fake->error ? fake->error : "");
    dtr_rpc_call_reply(call, &response.base);
}

static void fill_host(const struct fake *fake, Darter__V1__TaskHost *host)
{
    darter__v1__task_host__init(host);
    host->host_id = (char *)(uintptr_t) "id-of-host";
    PUT_HOST(host, fake);
    host->host_type = (char *)(uintptr_t) "super";
    host->created_ms = 1700000000123;
    host->updated_ms = 1700000000456;
    host->finished = true;
}

static void on_find_task(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct fake *fake = service;
    Darter__V1__FindTaskResponse response = DARTER__V1__FIND_TASK_RESPONSE__INIT;
    Darter__V1__TaskHost host, *hosts[] = {&host};
    KEEP(id, ((const Darter__V1__TaskRequest *)(const void *)message->message)->task_id);
    fake->finds++;
    fill_host(fake, &host);
    PUT_ONE(&response, hosts, hosts);
    if (!fake->held)
        dtr_rpc_call_reply(call, &response.base);
}

static void on_drop_task(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct fake *fake = service;
    Darter__V1__DropTaskResponse response = DARTER__V1__DROP_TASK_RESPONSE__INIT;
    Darter__V1__TaskHost host, *hosts[] = {&host};
    (void)message;
    fake->drops++;
    fill_host(fake, &host);
    host.error = (char *)(uintptr_t)(fake->drop_error ? fake->drop_error : "");
    PUT_ONE(&response, hosts, hosts);
    dtr_rpc_call_reply(call, &response.base);
}

static void on_stat_image(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct fake *fake = service;
    Scheduler__V2__StatImageResponse response = SCHEDULER__V2__STAT_IMAGE_RESPONSE__INIT;
    Scheduler__V2__Image image = SCHEDULER__V2__IMAGE__INIT;
    Scheduler__V2__Layer layer = SCHEDULER__V2__LAYER__INIT, *layers[] = {&layer};
    Scheduler__V2__PeerImage peer = SCHEDULER__V2__PEER_IMAGE__INIT, *peers[] = {&peer};
    (void)message;
    fake->images++;
    layer.url = (char *)(uintptr_t) "http://registry/v2/a/blobs/sha256:1";
    layer.has_is_finished_case = SCHEDULER__V2__LAYER__HAS_IS_FINISHED_IS_FINISHED;
    layer.is_finished = fake->ended;
    PUT_ONE(&image, layers, layers);
    PUT_ONE(&peer, cached_layers, layers);
    PUT_HOST(&peer, fake);
    response.image = &image;
    PUT_ONE(&response, peers, peers);
    if (!fake->held)
        dtr_rpc_call_reply(call, &response.base);
}

static void on_stat_file(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct fake *fake = service;
    Scheduler__V2__StatFileResponse response = SCHEDULER__V2__STAT_FILE_RESPONSE__INIT;
    Scheduler__V2__File file = SCHEDULER__V2__FILE__INIT, *files[] = {&file};
    Scheduler__V2__PeerFile peer = SCHEDULER__V2__PEER_FILE__INIT, *peers[] = {&peer};
    (void)message;
    fake->files++;
    file.url = fake->url;
    file.has_is_finished_case = SCHEDULER__V2__FILE__HAS_IS_FINISHED_IS_FINISHED;
    file.is_finished = fake->ended;
    PUT_ONE(&peer, cached_files, files);
    PUT_HOST(&peer, fake);
    PUT_ONE(&response, peers, peers);
    dtr_rpc_call_reply(call, &response.base);
}

static void on_list_hosts(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct fake *fake = service;
    Scheduler__V2__ListHostsResponse response = SCHEDULER__V2__LIST_HOSTS_RESPONSE__INIT;
    Common__V2__Host host = COMMON__V2__HOST__INIT, *hosts[] = {&host};
    Common__V2__Network network = COMMON__V2__NETWORK__INIT;
    Common__V2__Build build = COMMON__V2__BUILD__INIT;
    (void)message;
    fake->lists++;
    host.type = 1;
    host.id = (char *)(uintptr_t) "id-of-host";
    PUT_HOST(&host, fake);
    host.port = 4000;
    host.download_port = 4000;
    host.os = (char *)(uintptr_t) "linux";
    network.has_idc_case = COMMON__V2__NETWORK__HAS_IDC_IDC;
    network.idc = (char *)(uintptr_t) "idc-1";
    build.git_version = (char *)(uintptr_t) "1.2.3";
    host.network = &network;
    host.build = &build;
    PUT_ONE(&response, hosts, hosts);
    if (!fake->held)
        dtr_rpc_call_reply(call, &response.base);
}

static const struct dtr_rpc_handler both[] = {
    {.method = &dtr_rpc_scheduler_preheat_image, .request = on_preheat_image},
    {.method = &dtr_rpc_scheduler_preheat_file, .request = on_preheat_file},
    {.method = &dtr_rpc_scheduler_stat_image, .request = on_stat_image},
    {.method = &dtr_rpc_scheduler_stat_file, .request = on_stat_file},
    {.method = &dtr_rpc_scheduler_list_hosts, .request = on_list_hosts},
};
static const struct dtr_rpc_handler ours[] = {
    {.method = &dtr_rpc_scheduling_stat_preheat, .request = on_stat_preheat},
    {.method = &dtr_rpc_scheduling_find_task, .request = on_find_task},
    {.method = &dtr_rpc_scheduling_drop_task, .request = on_drop_task},
};

void fake_open(struct fake *fake, struct dtr_loop *loop, bool theirs)
{
    struct dtr_error err;
    *fake = (struct fake){.loop = loop, .host = "host-1", .why = "404 of the origin"};
    assert_int_equal(dtr_rpc_table_new(&fake->table, &err), DTR_OK);
    assert_int_equal(dtr_rpc_table_add(fake->table, both, sizeof(both) / sizeof(both[0]), fake, &err),
                     DTR_OK);
    if (!theirs)
        assert_int_equal(dtr_rpc_table_add(fake->table, ours, sizeof(ours) / sizeof(ours[0]), fake, &err),
                         DTR_OK);
    assert_int_equal(dtr_rpc_server_new(loop, NULL, &fake->server, &err), DTR_OK);
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &fake->addr, &err), DTR_OK);
    assert_int_equal(dtr_rpc_server_listen(fake->server, &fake->addr, fake->table, &fake->addr, &err),
                     DTR_OK);
    fake->port = dtr_addr_port(&fake->addr);
}

static void on_stopped(void *context)
{
    *(bool *)context = true;
}

void fake_close(struct fake *fake)
{
    bool stopped = false;
    if (!fake->server)
        return;
    dtr_rpc_server_stop(fake->server, 0, on_stopped, &stopped);
    TURN_UNTIL(fake->loop, stopped);
    dtr_rpc_table_free(fake->table);
    fake->server = NULL;
}

void fake_row(const struct fake *fake, int64_t cluster, const char *name, char sql[FAKE_SQL])
{
    (void)snprintf(sql, FAKE_SQL,
                   "INSERT INTO schedulers (host_name, idc, location, ip, port, state, features_json,"
                   " config_json, last_keep_alive_at, scheduler_cluster_id, created_at, updated_at)"
                   " VALUES ('%s', '', '', '127.0.0.1', %u, 'active', '[\"schedule\",\"preheat\"]', '{}', 0,"
                   " %lld, 0, 0)",
                   name, fake->port, (long long)cluster);
}
