/* See serve_rig.h. */
#include "core/daemon/upload/serve_rig.h"

#include "core/base/digest.h"
#include "core/base/str.h"
#include "core/daemon/settings.h"
#include "core/net/guard.h"
#include "core/obs/metric.h"
#include <setjmp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

struct serve_rig rig;

int serve_set_up(void **state)
{
    (void)state;
    dtr_metrics_reset(DTR_METRICS_ALL);
    serve_rig_new(&rig);
    return 0;
}

int serve_tear_down(void **state)
{
    (void)state;
    serve_rig_free(&rig);
    return 0;
}

static void set_flag(void *context)
{
    *(bool *)context = true;
}

void serve_rig_new(struct serve_rig *of)
{
    struct dtr_error err;
    memset(of, 0, sizeof(*of));
    rig_fill();
    assert_int_equal(dtr_loop_new("control", &of->control, &err), DTR_OK);
    assert_int_equal(dtr_loop_new("data", &of->data, &err), DTR_OK);
    assert_int_equal(dtr_loop_start(of->data, &err), DTR_OK);
    assert_int_equal(dtr_pool_new(1, 100, &of->pool, &err), DTR_OK);
    assert_int_equal(dtr_pool_new(1, 100, &of->files, &err), DTR_OK);
    assert_int_equal(dtr_guard_allow("127.0.0.1", &err), DTR_OK); /* where the parents are */
    assert_int_equal(dtr_conf_defaults(DTR_ROLE_DAEMON, &of->conf, &err), DTR_OK);
    of->config = *dtr_conf_daemon(of->conf);
    of->config.storage.server.ip = "127.0.0.1";
    of->config.storage.server.tcp_port = 0;
    of->script =
        (struct rig_script){.status = 200, .close_at = DTR_LENGTH_UNKNOWN, .silent_at = DTR_LENGTH_UNKNOWN};
    (void)snprintf(of->folder, sizeof(of->folder), "/tmp/dtr_serve_rig.XXXXXX");
    assert_non_null(mkdtemp(of->folder));
    assert_int_equal(chmod(of->folder, 0777), 0);
    (void)snprintf(of->socket, sizeof(of->socket), "%s/sock", of->folder);
    memset(&rig_disk, 0, sizeof(rig_disk));
}

/* dtr_tasks_options.piece, as the daemon has it. */
static void on_piece(void *context, struct dtr_task *task, const struct dtr_piece *piece)
{
    struct serve_rig *of = context;
    upload_piece(&of->daemon, task, piece);
    if (!piece && of->daemon.talk)
        talk_pull_over(&of->daemon, task);
}

static void begin_tasks(struct serve_rig *of)
{
    struct dtr_tasks_options options = {
        .control = of->control,
        .data = &of->data,
        .data_count = 1,
        .storage = of->storage ? of->storage : &rig_storage,
        .transport = &rig_transport,
        .transport_instance = &of->lying,
        .origin = &rig_origin,
        .origin_instance = &of->script,
        .connect_ms = 1000,
        .pool = of->pool,
        .outside = {.scheduler = talk_scheduler, .parent = talk_parent, .context = &of->daemon},
        .piece = on_piece,
        .piece_context = of,
    };
    dtr_plan_config_default(&options.plan);
    options.plan.have_scheduler = of->scheduler_count > 0;
    assert_int_equal(dtr_tasks_new(&options, &of->daemon.tasks, NULL), DTR_OK);
}

static void begin_server(struct serve_rig *of)
{
    struct dtr_daemon *daemon = &of->daemon;
    struct dtr_addr local;
    assert_int_equal(dtr_rpc_table_new(&daemon->peers, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_table_new(&daemon->local, NULL), DTR_OK);
    assert_int_equal(upload_serve(daemon, daemon->peers, daemon->local, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_new(of->control, &upload_limits, &daemon->server, NULL), DTR_OK);
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &of->tcp, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_listen(daemon->server, &of->tcp, daemon->peers, &of->tcp, NULL), DTR_OK);
    assert_int_equal(dtr_addr_unix(of->socket, &local, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_listen(daemon->server, &local, daemon->local, NULL, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_channel_new(of->control, &of->tcp, NULL, &of->peer, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_channel_new(of->control, &local, NULL, &of->local, NULL), DTR_OK);
}

void serve_rig_begin(struct serve_rig *of)
{
    struct dtr_daemon *daemon = &of->daemon;
    struct dtr_daemon_settings *settings = NULL;
    struct dtr_error err;
    static const struct dtr_feature origin = {.ops = &rig_origin};
    daemon->config = &of->config;
    daemon->origin = (struct dtr_offer){.feature = &origin, .instance = &of->script};
    daemon->parts = (struct dtr_daemon_parts){.control = of->control,
                                              .data = &of->data,
                                              .data_count = 1,
                                              .pool = of->pool,
                                              .files = of->files,
                                              .config = &of->config,
                                              .schedulers = of->schedulers,
                                              .scheduler_count = of->scheduler_count};
    (void)dtr_copy_text(daemon->ip, sizeof(daemon->ip), "127.0.0.1");
    (void)dtr_copy_text(daemon->hostname, sizeof(daemon->hostname), "rig");
    (void)dtr_copy_text(daemon->host_id, sizeof(daemon->host_id), "127.0.0.1-rig");
    assert_int_equal(settings_new(&of->config, &settings, &err), DTR_OK);
    settings_swap(daemon, settings);
    begin_tasks(of);
    upload_free(daemon->upload); /* of an earlier round */
    assert_int_equal(upload_new(daemon, &daemon->upload, &err), DTR_OK);
    begin_server(of);
    if (of->scheduler_count > 0)
        assert_int_equal(talk_new(daemon, &daemon->talk, &err), DTR_OK);
}

void serve_rig_stop(struct serve_rig *of)
{
    struct dtr_daemon *daemon = &of->daemon;
    bool talked = !daemon->talk, closed = false, stopped = false, ended = false, served = false;
    upload_stop(daemon->upload, 1000, set_flag, &served);
    SERVE_UNTIL(of, served);
    if (daemon->talk)
        talk_close(daemon->talk, set_flag, &talked);
    SERVE_UNTIL(of, talked);
    dtr_tasks_close(daemon->tasks, set_flag, &closed);
    SERVE_UNTIL(of, closed);
    dtr_rpc_server_stop(daemon->server, 100, set_flag, &stopped);
    SERVE_UNTIL(of, stopped);
    upload_end(daemon->upload, set_flag, &ended);
    SERVE_UNTIL(of, ended);
    dtr_rpc_table_free(daemon->peers);
    dtr_rpc_table_free(daemon->local);
    dtr_rpc_channel_close(of->peer);
    dtr_rpc_channel_close(of->local);
    daemon->tasks = NULL;
    daemon->talk = NULL;
}

void serve_rig_free(struct serve_rig *of)
{
    dtr_pool_free(of->pool);
    dtr_pool_free(of->files);
    dtr_loop_stop(of->data);
    dtr_loop_join(of->data);
    settings_swap(&of->daemon, NULL);
    upload_free(of->daemon.upload);
    dtr_loop_free(of->data);
    dtr_loop_free(of->control);
    dtr_guard_stop();
    dtr_conf_free(of->conf);
    assert_int_equal(rmdir(of->folder), 0); /* the socket is gone, and so is all else */
}

/* An assertion must not leave an event: the first that failed is kept, and looked at outside. */
#define CHECK(received, condition)                                                                           \
    do {                                                                                                     \
        if (!(condition) && !(received)->wrong)                                                              \
            (received)->wrong = #condition;                                                                  \
    } while (0)

/* --- DownloadTask --------------------------------------------------------------------------------- */

static void take_started(struct received *received, const Dfdaemon__V2__DownloadTaskStartedResponse *started)
{
    CHECK(received, received->pieces == 0);
    received->started++;
    received->content_length = started->content_length;
    received->is_finished = started->is_finished;
    received->outlined = started->n_pieces;
    received->ranged = started->range != NULL;
    if (started->range) {
        received->range_start = started->range->start;
        received->range_length = started->range->length;
    }
    for (size_t i = 0; i < started->n_response_header; i++) {
        if (strcmp(started->response_header[i]->key, "Content-Type") == 0)
            (void)dtr_copy_text(received->content_type, sizeof(received->content_type),
                                started->response_header[i]->value);
    }
}

static void take_piece(struct received *received, const Common__V2__Piece *piece)
{
    CHECK(received, received->started == 1 && piece->number < 4);
    if (received->wrong)
        return;
    CHECK(received, piece->has_traffic_type_case && piece->cost && piece->created_at);
    CHECK(received, piece->offset == (uint64_t)piece->number * RIG_PIECE);
    received->pieces++;
    received->told[piece->number]++;
    received->piece_length[piece->number] = piece->length;
    received->traffic[piece->number] = (int)piece->traffic_type;
    if (piece->has_content_case) {
        CHECK(received, piece->content.len == piece->length && piece->offset + piece->length <= RIG_SIZE);
    }
    if (piece->has_content_case && !received->wrong) {
        memcpy(received->bytes + piece->offset, piece->content.data, piece->content.len);
        received->content += piece->content.len;
    }
}

static void on_message(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct received *received = context;
    const Dfdaemon__V2__DownloadTaskResponse *response = (const void *)message->message;
    (void)call;
    CHECK(received, strlen(response->task_id) == DTR_TASK_ID_LENGTH && response->peer_id[0]);
    (void)dtr_copy_text(received->task_id, sizeof(received->task_id), response->task_id);
    CHECK(received, strcmp(response->host_id, "127.0.0.1-rig") == 0);
    if (response->response_case ==
        DFDAEMON__V2__DOWNLOAD_TASK_RESPONSE__RESPONSE_DOWNLOAD_TASK_STARTED_RESPONSE)
        take_started(received, response->download_task_started_response);
    else
        take_piece(received, response->download_piece_finished_response->piece);
}

static void on_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct received *received = context;
    (void)call;
    received->call = NULL;
    received->closed++;
    received->code = status->code;
    (void)snprintf(received->text, sizeof(received->text), "%s", status->message);
    (void)snprintf(received->details, sizeof(received->details), "%.*s", (int)status->details_length,
                   status->details ? (const char *)status->details : "");
}

void serve_download(struct serve_rig *of, struct dtr_rpc_channel *channel, struct received *received,
                    Common__V2__Download *download)
{
    static const struct dtr_rpc_events events = {.message = on_message, .closed = on_closed};
    Dfdaemon__V2__DownloadTaskRequest request = DFDAEMON__V2__DOWNLOAD_TASK_REQUEST__INIT;
    const struct dtr_rpc_method *method =
        channel == of->local ? &dtr_rpc_download_download_task : &dtr_rpc_upload_download_task;
    uint32_t credit = received->credit;
    memset(received, 0, sizeof(*received));
    request.download = download;
    assert_int_equal(dtr_rpc_call_start(channel, method, NULL, &events, received, &received->call, NULL),
                     DTR_OK);
    assert_int_equal(dtr_rpc_call_send(received->call, &request.base, NULL), DTR_OK);
    dtr_rpc_call_end(received->call);
    if (credit)
        dtr_rpc_call_credit(received->call, credit);
}

void serve_download_all(struct serve_rig *of, struct dtr_rpc_channel *channel, struct received *received,
                        Common__V2__Download *download)
{
    received->credit = 0;
    serve_download(of, channel, received, download);
    SERVE_UNTIL(of, received->closed);
    assert_null(received->wrong);
}

/* --- files ---------------------------------------------------------------------------------------- */

Common__V2__Download serve_to_file(char *path)
{
    Common__V2__Download download = COMMON__V2__DOWNLOAD__INIT;
    download.url = (char *)(uintptr_t) "http://o.test/x";
    download.has_output_path_case = COMMON__V2__DOWNLOAD__HAS_OUTPUT_PATH_OUTPUT_PATH;
    download.output_path = path;
    return download;
}

void serve_give_digest(Common__V2__Download *download, char text[SERVE_DIGEST])
{
    char hex[65];
    dtr_sha256_hex(rig_object, RIG_SIZE, hex);
    (void)snprintf(text, SERVE_DIGEST, "sha256:%s", hex);
    download->has_digest_case = COMMON__V2__DOWNLOAD__HAS_DIGEST_DIGEST;
    download->digest = text;
}

void serve_expect_file(const char *path, uint64_t offset, uint64_t length)
{
    uint8_t *bytes = malloc(RIG_SIZE + 1);
    FILE *file = fopen(path, "r");
    assert_non_null(bytes);
    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, RIG_SIZE + 1, file), length);
    assert_memory_equal(bytes, rig_object + offset, length);
    (void)fclose(file);
    free(bytes);
}

/* --- unary calls ---------------------------------------------------------------------------------- */

static void on_answer(void *context, const struct dtr_rpc_message *response,
                      const struct dtr_rpc_status *status)
{
    struct answered *answered = context;
    answered->done = true;
    answered->code = status->code;
    (void)snprintf(answered->text, sizeof(answered->text), "%s", status->message);
    if (response && response->length <= sizeof(answered->bytes)) {
        memcpy(answered->bytes, response->bytes, response->length);
        answered->length = response->length;
    }
}

void serve_ask(struct serve_rig *of, struct dtr_rpc_channel *channel, const struct dtr_rpc_method *method,
               const ProtobufCMessage *request, struct answered *answered)
{
    *answered = (struct answered){0};
    assert_int_equal(dtr_rpc_unary(channel, method, request, NULL, on_answer, answered, NULL, NULL), DTR_OK);
    SERVE_UNTIL(of, answered->done);
}

/* --- others --------------------------------------------------------------------------------------- */

void serve_play(struct serve_rig *of, struct played *played, const struct dtr_rpc_handler *handlers,
                size_t count, void *service)
{
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &played->at, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_table_new(&played->table, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_table_add(played->table, handlers, count, service, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_new(of->control, NULL, &played->server, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_listen(played->server, &played->at, played->table, &played->at, NULL),
                     DTR_OK);
    dtr_addr_text(&played->at, played->addr);
}

void serve_play_end(struct serve_rig *of, struct played *played)
{
    bool stopped = false;
    dtr_rpc_server_stop(played->server, 100, set_flag, &stopped);
    SERVE_UNTIL(of, stopped);
    dtr_rpc_table_free(played->table);
}

void serve_reply_empty(struct dtr_rpc_call *call)
{
    Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
    dtr_rpc_call_reply(call, &empty.base);
}
