/* See rig.h. */
#include "core/scheduler/rig.h"

#include "core/loop/turn_until.h"
#include "core/rpc/field.h"

#define MIB (1024ull * 1024)

void rig_until(struct rig *rig, bool (*is_so)(void *context), void *context)
{
    TURN_UNTIL(rig->loop, is_so(context));
}

bool rig_is_set(void *flag)
{
    return *(bool *)flag;
}

void rig_set(void *flag)
{
    *(bool *)flag = true;
}

void rig_open(struct rig *rig, const struct dtr_scheduler_options *options)
{
    const struct dtr_scheduler_options usual = {
        .swarm = dtr_swarm_defaults(), .seed_number = 1, .seed_timeout_ms = 60000};
    *rig = (struct rig){0};
    assert_int_equal(dtr_loop_new("control", &rig->loop, NULL), DTR_OK);
    assert_int_equal(dtr_scheduler_new(rig->loop, options ? options : &usual, &rig->scheduler, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_table_new(&rig->table, NULL), DTR_OK);
    assert_int_equal(dtr_scheduler_serve(rig->scheduler, rig->table, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_new(rig->loop, NULL, &rig->server, NULL), DTR_OK);
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &rig->addr, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_listen(rig->server, &rig->addr, rig->table, &rig->addr, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_channel_new(rig->loop, &rig->addr, NULL, &rig->channel, NULL), DTR_OK);
}

void rig_close(struct rig *rig)
{
    bool stopped = false, closed = false;
    dtr_rpc_channel_close(rig->channel);
    dtr_rpc_server_stop(rig->server, 0, rig_set, &stopped);
    rig_until(rig, rig_is_set, &stopped);
    dtr_scheduler_close(rig->scheduler, rig_set, &closed);
    rig_until(rig, rig_is_set, &closed);
    dtr_loop_free(rig->loop);
    dtr_rpc_table_free(rig->table);
}

static void on_done(void *context, const struct dtr_rpc_message *response,
                    const struct dtr_rpc_status *status)
{
    struct rig_answer *answer = context;
    answer->done = true;
    answer->code = status->code;
    (void)snprintf(answer->text, sizeof(answer->text), "%s", status->message);
    if (response)
        dtr_str_add(&answer->bytes, response->bytes, response->length);
}

struct rig_answer rig_ask(struct rig *rig, const struct dtr_rpc_method *method,
                          const ProtobufCMessage *request)
{
    return rig_ask_with(rig, method, request, NULL);
}

struct rig_answer rig_ask_with(struct rig *rig, const struct dtr_rpc_method *method,
                               const ProtobufCMessage *request, const struct dtr_rpc_pair *pair)
{
    const struct dtr_rpc_call_options options = {
        .timeout_ms = TURN_MOST_MS, .wait_for_ready = true, .metadata = pair, .metadata_count = pair ? 1 : 0};
    struct rig_answer answer = {0};
    assert_int_equal(dtr_rpc_unary(rig->channel, method, request, &options, on_done, &answer, NULL, NULL),
                     DTR_OK);
    rig_until(rig, rig_is_set, &answer.done);
    return answer;
}

enum dtr_rpc_code rig_code(struct rig *rig, const struct dtr_rpc_method *method,
                           const ProtobufCMessage *request)
{
    struct rig_answer answer = rig_ask(rig, method, request);
    dtr_str_free(&answer.bytes);
    return answer.code;
}

Darter__V1__StatPreheatResponse *rig_progress(struct rig *rig, const char *id)
{
    Darter__V1__StatPreheatRequest request = DARTER__V1__STAT_PREHEAT_REQUEST__INIT;
    request.id = (char *)(uintptr_t)id;
    struct rig_answer answer = rig_ask(rig, &dtr_rpc_scheduling_stat_preheat, &request.base);
    Darter__V1__StatPreheatResponse *response =
        answer.code != DTR_RPC_OK
            ? NULL
            : darter__v1__stat_preheat_response__unpack(NULL, answer.bytes.length,
                                                        (const uint8_t *)dtr_str_text(&answer.bytes));
    assert_true(response || answer.code == DTR_RPC_NOT_FOUND);
    dtr_str_free(&answer.bytes);
    return response;
}

enum dtr_rpc_code rig_announce(struct rig *rig, const char *id, uint32_t type, uint16_t port)
{
    Scheduler__V2__AnnounceHostRequest request = SCHEDULER__V2__ANNOUNCE_HOST_REQUEST__INIT;
    Common__V2__Host host = COMMON__V2__HOST__INIT;
    Common__V2__Build build = COMMON__V2__BUILD__INIT;
    host.id = host.hostname = (char *)(uintptr_t)id;
    host.ip = (char *)(uintptr_t) "127.0.0.1";
    host.os = (char *)(uintptr_t) "linux";
    host.type = type;
    host.port = host.download_port = port;
    host.proxy_port = 4001; /* not of interest here, but to who lists hosts */
    host.build = &build;
    build.git_version = (char *)(uintptr_t) "1.5.1";
    request.host = &host;
    return rig_code(rig, &dtr_rpc_scheduler_announce_host, &request.base);
}

/* --- streams ------------------------------------------------------------------------------------------- */

static void on_message(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct rig_stream *stream = context;
    (void)call;
    stream->answers++;
    stream->answer = (int)((const Scheduler__V2__AnnouncePeerResponse *)message->message)->response_case;
}

static void on_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct rig_stream *stream = context;
    (void)call;
    stream->code = status->code;
    stream->call = NULL;
}

struct rig_stream *rig_stream_open(struct rig *rig, const char *host_id, const char *peer_id)
{
    static const struct dtr_rpc_events events = {.message = on_message, .closed = on_closed};
    const struct dtr_rpc_call_options options = {.wait_for_ready = true};
    struct rig_stream *stream = &rig->streams[rig->stream_count++];
    assert_true(rig->stream_count <= sizeof(rig->streams) / sizeof(rig->streams[0]));
    *stream = (struct rig_stream){.rig = rig, .host_id = host_id, .peer_id = peer_id};
    assert_int_equal(dtr_rpc_call_start(rig->channel, &dtr_rpc_scheduler_announce_peer, &options, &events,
                                        stream, &stream->call, NULL),
                     DTR_OK);
    return stream;
}

void rig_stream_send(struct rig_stream *stream, Scheduler__V2__AnnouncePeerRequest *request)
{
    request->host_id = (char *)(uintptr_t)stream->host_id;
    request->task_id = (char *)(uintptr_t)RIG_TASK;
    request->peer_id = (char *)(uintptr_t)stream->peer_id;
    assert_non_null(stream->call);
    assert_int_equal(dtr_rpc_call_send(stream->call, &request->base, NULL), DTR_OK);
}

void rig_stream_register(struct rig_stream *stream, Common__V2__Download *download)
{
    Scheduler__V2__AnnouncePeerRequest request = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__INIT;
    Scheduler__V2__RegisterPeerRequest arm = SCHEDULER__V2__REGISTER_PEER_REQUEST__INIT;
    arm.download = download;
    request.request_case = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_REGISTER_PEER_REQUEST;
    request.register_peer_request = &arm;
    rig_stream_send(stream, &request);
}

/* All arms are messages, and one without content is an empty field. */
void rig_stream_say(struct rig_stream *stream, int request_case)
{
    const char *const ids[] = {stream->host_id, RIG_TASK, stream->peer_id};
    uint8_t bytes[512], *at = bytes;
    for (uint32_t i = 0; i < 3; i++) {
        at = dtr_rpc_put_head(at, i + 1, strlen(ids[i]));
        memcpy(at, ids[i], strlen(ids[i]));
        at += strlen(ids[i]);
    }
    at = dtr_rpc_put_head(at, (uint32_t)request_case, 0);
    assert_non_null(stream->call);
    assert_int_equal(dtr_rpc_call_send_bytes(stream->call, bytes, (size_t)(at - bytes), NULL), DTR_OK);
}

struct wait {
    const struct rig_stream *stream;
    uint32_t answers;
};

static bool has_answers(void *context)
{
    const struct wait *wait = context;
    return wait->stream->answers >= wait->answers || !wait->stream->call;
}

static bool is_over(void *context)
{
    return !((const struct rig_stream *)context)->call;
}

void rig_stream_wait_answers(struct rig_stream *stream, uint32_t count)
{
    struct wait wait = {stream, count};
    rig_until(stream->rig, has_answers, &wait);
    assert_int_equal(stream->answers, count);
}

void rig_stream_wait_end(struct rig_stream *stream)
{
    rig_until(stream->rig, is_over, stream);
}

Common__V2__Download rig_download(void)
{
    Common__V2__Download download = COMMON__V2__DOWNLOAD__INIT;
    download.url = (char *)(uintptr_t) "http://origin.example/blob";
    download.has_actual_content_length_case =
        COMMON__V2__DOWNLOAD__HAS_ACTUAL_CONTENT_LENGTH_ACTUAL_CONTENT_LENGTH;
    download.actual_content_length = 40 * MIB;
    download.has_actual_piece_length_case = COMMON__V2__DOWNLOAD__HAS_ACTUAL_PIECE_LENGTH_ACTUAL_PIECE_LENGTH;
    download.actual_piece_length = 4 * MIB;
    download.has_actual_piece_count_case = COMMON__V2__DOWNLOAD__HAS_ACTUAL_PIECE_COUNT_ACTUAL_PIECE_COUNT;
    download.actual_piece_count = 10;
    return download;
}
