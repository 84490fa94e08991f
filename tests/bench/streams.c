/* Plays the daemons that hold AnnouncePeer conversations with a scheduler, and prints how many seconds they
 * took and how many parents an answer named on average.
 *
 *   bench_streams ADDRESS PORT TASKS STREAMS AT_ONCE
 *
 * Each task is first fetched by one host, from its origin. The streams that are timed then register further
 * peers of these tasks, are answered with parents, say that they started and finished, and end. Anything else
 * that is answered ends the program with status 1. One connection and one thread: the scheduler's work is
 * what counts. */
#include "client.h"

#include "core/rpc/methods.h"
#include "proto/scheduler.pb-c.h"
#include <stdlib.h>

typedef Scheduler__V2__AnnouncePeerRequest Request;

enum { HOSTS = 256, LENGTH = 64 << 20, PIECE = 4 << 20, SECONDS = 120 };

struct bench {
    struct bench_client client;
    unsigned long tasks, streams;
    unsigned long hosts, begun, ended, parents;
    bool timed; /* false: the tasks' first peers */
};

struct stream {
    struct bench *bench;
    struct dtr_rpc_call *call;
    bool answered;
    char host[32], task[65], peer[64];
};

/* --- hosts --------------------------------------------------------------------------------------------- */

static void on_announced(void *context, const struct dtr_rpc_message *response,
                         const struct dtr_rpc_status *status)
{
    struct bench *bench = context;
    if (!response)
        bench_die("AnnounceHost", status->message);
    bench->hosts++;
}

static void announce(struct bench *bench, unsigned number)
{
    const struct dtr_rpc_call_options options = {.wait_for_ready = true};
    Scheduler__V2__AnnounceHostRequest request = SCHEDULER__V2__ANNOUNCE_HOST_REQUEST__INIT;
    Common__V2__Host host = COMMON__V2__HOST__INIT;
    struct dtr_error err;
    char id[32], ip[32];
    (void)snprintf(id, sizeof(id), "host-%u", number);
    (void)snprintf(ip, sizeof(ip), "198.18.%u.%u", number / 256, number % 256);
    host.id = host.hostname = id;
    host.ip = ip;
    host.os = bench_text("linux");
    host.port = host.download_port = 4000;
    host.proxy_port = 4001;
    request.host = &host;
    if (dtr_rpc_unary(bench->client.channel, &dtr_rpc_scheduler_announce_host, &request.base, &options,
                      on_announced, bench, NULL, &err) != DTR_OK)
        bench_die("AnnounceHost", err.text);
}

/* --- conversations -------------------------------------------------------------------------------------- */

static void begin(struct bench *bench);

static void say(struct stream *stream, Request *request)
{
    struct dtr_error err;
    request->host_id = stream->host;
    request->task_id = stream->task;
    request->peer_id = stream->peer;
    if (dtr_rpc_call_send(stream->call, &request->base, &err) != DTR_OK)
        bench_die("AnnouncePeer", err.text);
}

static void say_register(struct stream *stream)
{
    Request request = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__INIT;
    Scheduler__V2__RegisterPeerRequest arm = SCHEDULER__V2__REGISTER_PEER_REQUEST__INIT;
    Common__V2__Download download = COMMON__V2__DOWNLOAD__INIT;
    download.url = bench_text("http://origin.example/blob");
    download.need_back_to_source = !stream->bench->timed;
    download.has_actual_content_length_case =
        COMMON__V2__DOWNLOAD__HAS_ACTUAL_CONTENT_LENGTH_ACTUAL_CONTENT_LENGTH;
    download.actual_content_length = LENGTH;
    download.has_actual_piece_length_case = COMMON__V2__DOWNLOAD__HAS_ACTUAL_PIECE_LENGTH_ACTUAL_PIECE_LENGTH;
    download.actual_piece_length = PIECE;
    download.has_actual_piece_count_case = COMMON__V2__DOWNLOAD__HAS_ACTUAL_PIECE_COUNT_ACTUAL_PIECE_COUNT;
    download.actual_piece_count = LENGTH / PIECE;
    arm.download = &download;
    request.request_case = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_REGISTER_PEER_REQUEST;
    request.register_peer_request = &arm;
    say(stream, &request);
}

static void say_source(struct stream *stream)
{
    Request started = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__INIT,
            finished = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__INIT;
    Scheduler__V2__DownloadPeerBackToSourceStartedRequest start =
        SCHEDULER__V2__DOWNLOAD_PEER_BACK_TO_SOURCE_STARTED_REQUEST__INIT;
    Scheduler__V2__DownloadPeerBackToSourceFinishedRequest finish =
        SCHEDULER__V2__DOWNLOAD_PEER_BACK_TO_SOURCE_FINISHED_REQUEST__INIT;
    started.request_case =
        SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PEER_BACK_TO_SOURCE_STARTED_REQUEST;
    started.download_peer_back_to_source_started_request = &start;
    say(stream, &started);
    finished.request_case =
        SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PEER_BACK_TO_SOURCE_FINISHED_REQUEST;
    finished.download_peer_back_to_source_finished_request = &finish;
    say(stream, &finished);
}

static void say_peers(struct stream *stream)
{
    Request started = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__INIT,
            finished = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__INIT;
    Scheduler__V2__DownloadPeerStartedRequest start = SCHEDULER__V2__DOWNLOAD_PEER_STARTED_REQUEST__INIT;
    Scheduler__V2__DownloadPeerFinishedRequest finish = SCHEDULER__V2__DOWNLOAD_PEER_FINISHED_REQUEST__INIT;
    started.request_case = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PEER_STARTED_REQUEST;
    started.download_peer_started_request = &start;
    say(stream, &started);
    finished.request_case = SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PEER_FINISHED_REQUEST;
    finished.download_peer_finished_request = &finish;
    say(stream, &finished);
}

static void on_message(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct stream *stream = context;
    const Scheduler__V2__AnnouncePeerResponse *answer = (const void *)message->message;
    bool named =
        answer->response_case == SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__RESPONSE_NORMAL_TASK_RESPONSE;
    if (stream->answered && named)
        return; /* more parents, that it did not ask for */
    stream->answered = true;
    if (named != stream->bench->timed || (named && answer->normal_task_response->n_candidate_parents == 0))
        bench_die(stream->peer, "the answer is another than the one that was to come");
    if (named) {
        stream->bench->parents += answer->normal_task_response->n_candidate_parents;
        say_peers(stream);
    } else {
        say_source(stream);
    }
    dtr_rpc_call_end(call);
}

static void on_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct stream *stream = context;
    struct bench *bench = stream->bench;
    (void)call;
    if (status->code != DTR_RPC_OK)
        bench_die("AnnouncePeer", status->message);
    free(stream);
    bench->ended++;
    if (bench->begun < bench->streams)
        begin(bench);
}

static void begin(struct bench *bench)
{
    static const struct dtr_rpc_events events = {.message = on_message, .closed = on_closed};
    static const struct dtr_rpc_pair more = {DTR_RPC_MORE_PARENTS, "1"};
    const struct dtr_rpc_call_options options = {
        .timeout_ms = 60000, .wait_for_ready = true, .metadata = &more, .metadata_count = 1};
    struct stream *stream = calloc(1, sizeof(*stream));
    unsigned long number = bench->begun++, task = number % bench->tasks;
    struct dtr_error err;
    if (!stream)
        bench_die("memory", "there is none");
    stream->bench = bench;
    /* Not where the task is already: nobody is a parent of itself. */
    unsigned long host = task + (bench->timed ? 1 + number / bench->tasks : 0);
    (void)snprintf(stream->host, sizeof(stream->host), "host-%lu", host % HOSTS);
    (void)snprintf(stream->task, sizeof(stream->task), "%064lx", task);
    (void)snprintf(stream->peer, sizeof(stream->peer), "peer-%d-%lu", bench->timed, number);
    if (dtr_rpc_call_start(bench->client.channel, &dtr_rpc_scheduler_announce_peer, &options, &events, stream,
                           &stream->call, &err) != DTR_OK)
        bench_die("AnnouncePeer", err.text);
    say_register(stream);
}

/* Holds `streams` conversations, so many at once. Returns the seconds they took. */
static double hold(struct bench *bench, bool timed, unsigned long streams, unsigned long at_once)
{
    double start = bench_now();
    bench->timed = timed;
    bench->streams = streams;
    bench->begun = bench->ended = 0;
    while (bench->begun < at_once && bench->begun < streams)
        begin(bench);
    while (bench->ended < streams)
        dtr_loop_turn(bench->client.loop, true);
    return bench_now() - start;
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    if (argc != 6) {
        fprintf(stderr, "usage: bench_streams ADDRESS PORT TASKS STREAMS AT_ONCE\n");
        return 2;
    }
    unsigned long streams = strtoul(argv[4], NULL, 10), at_once = strtoul(argv[5], NULL, 10);
    bench.tasks = strtoul(argv[3], NULL, 10);
    if (bench.tasks == 0 || at_once == 0)
        bench_die("arguments", "TASKS and AT_ONCE are at least 1");
    bench_client_open(&bench.client, argv[1], argv[2], SECONDS);
    for (unsigned i = 0; i < HOSTS; i++)
        announce(&bench, i);
    while (bench.hosts < HOSTS)
        dtr_loop_turn(bench.client.loop, true);
    (void)hold(&bench, false, bench.tasks, at_once);
    double seconds = hold(&bench, true, streams, at_once);
    printf("%.6f %.2f\n", seconds, streams ? (double)bench.parents / (double)streams : 0.0);
    bench_client_close(&bench.client);
    return 0;
}
