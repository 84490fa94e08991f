/* See get.h. The whole tool is one loop on the calling thread: the daemon's answers, signals and the clock
 * are its events, and whichever comes first ends it. */
#include "core/tools/get.h"

#include "core/base/clock.h"
#include "core/base/list.h"
#include "core/loop/loop.h"
#include "core/rpc/methods.h"
#include "core/rpc/rpc.h"
#include "core/tools/get_file.h"
#include "core/tools/get_request.h"
#include "core/tools/progress.h"
#include <signal.h>
#include <stdlib.h>

enum {
    GRACE_MS = 2000,      /* for the daemon to say itself that the time is over */
    SILENCE_MS = 10000,   /* after so long without a word the daemon is asked for a sign of life ... */
    NO_ANSWER_MS = 20000, /* ... and given up when none comes */
    SIGNALS = 3
};

#define PIECE_MOST ((size_t)64 << 20)

struct get {
    const struct dtr_get_options *options;
    struct dtr_loop *loop;
    struct dtr_rpc_channel *channel;
    struct dtr_rpc_call *call; /* NULL once it has ended */
    struct dtr_get_file *file;
    struct dtr_timer *deadline, *ticking;
    uv_signal_t signals[SIGNALS];
    struct dtr_progress progress;
    struct dtr_msg end;
    bool answered; /* the daemon has begun to */
    bool over;     /* `result` stands */
    int signal;
    struct dtr_error result;
};

static void on_end(struct dtr_msg *msg)
{
    struct get *get = dtr_container(msg, struct get, end);
    dtr_loop_stop(get->loop);
}

/* The first outcome stands; the call's own end, if it is still to come, changes nothing. */
static void finish(struct get *get, const struct dtr_error *err)
{
    if (get->over)
        return;
    get->over = true;
    get->result = *err;
    if (get->call)
        dtr_rpc_call_cancel(get->call);
    else
        dtr_loop_post(get->loop, &get->end);
}

static void fail(struct get *get, int code, const char *text)
{
    struct dtr_error err;
    (void)dtr_error_set(&err, code, DTR_RETRY_SAME, "%s", text);
    finish(get, &err);
}

/* --- the answers ---------------------------------------------------------------------------------- */

static int take_piece(struct get *get, const Common__V2__Piece *piece, struct dtr_error *err)
{
    if (!piece || !piece->has_content_case || piece->content.len != piece->length)
        return dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_NEVER,
                             "the daemon told of a piece without sending its bytes; is it too old for this?");
    int rc = dtr_get_file_piece(get->file, piece->offset, piece->content.data, piece->content.len,
                                piece->digest, err);
    if (rc == DTR_OK)
        dtr_progress_add(&get->progress, piece->content.len, dtr_now_ms());
    return rc;
}

static void on_message(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    struct get *get = context;
    const Dfdaemon__V2__DownloadTaskResponse *response = (const void *)message->message;
    struct dtr_error err = {0};
    int rc = DTR_OK;
    (void)call;
    if (get->over)
        return;
    get->answered = true;
    switch (response->response_case) {
    case DFDAEMON__V2__DOWNLOAD_TASK_RESPONSE__RESPONSE_DOWNLOAD_TASK_STARTED_RESPONSE:
        rc = dtr_get_file_start(get->file, response->download_task_started_response->content_length, &err);
        dtr_progress_start(&get->progress, response->download_task_started_response->content_length,
                           dtr_now_ms());
        break;
    case DFDAEMON__V2__DOWNLOAD_TASK_RESPONSE__RESPONSE_DOWNLOAD_PIECE_FINISHED_RESPONSE:
        rc = take_piece(get, response->download_piece_finished_response->piece, &err);
        break;
    default:
        break; /* a kind from the future */
    }
    if (rc != DTR_OK)
        finish(get, &err);
}

static void on_headers(void *context, struct dtr_rpc_call *call)
{
    (void)call;
    ((struct get *)context)->answered = true;
}

static void on_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct get *get = context;
    struct dtr_error err = {0};
    (void)call;
    get->call = NULL;
    if (get->over) {
        dtr_loop_post(get->loop, &get->end);
        return;
    }
    if (status->code == DTR_RPC_OK)
        (void)dtr_get_file_finish(get->file, &err);
    else
        (void)dtr_get_status(status, get->options, get->answered, &err);
    finish(get, &err);
}

/* --- signals and the clock ------------------------------------------------------------------------ */

static void on_signal(uv_signal_t *handle, int number)
{
    struct get *get = handle->data;
    if (get->over)
        return;
    get->signal = number;
    fail(get, DTR_ECANCELLED, "interrupted; nothing was written");
}

static void on_deadline(void *context)
{
    fail(context, DTR_ETIMEOUT, "the download did not end within --timeout");
}

static void on_tick(void *context)
{
    struct get *get = context;
    dtr_progress_draw(&get->progress, dtr_now_ms());
    dtr_timer_set(get->ticking, DTR_PROGRESS_TICK_MS);
}

static void watch_signals(struct get *get)
{
    static const int numbers[SIGNALS] = {SIGINT, SIGTERM, SIGHUP};
    (void)signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < SIGNALS; i++) {
        (void)uv_signal_init(dtr_loop_uv(get->loop), &get->signals[i]);
        get->signals[i].data = get;
        (void)uv_signal_start(&get->signals[i], on_signal, numbers[i]);
    }
}

static int watch_clock(struct get *get, struct dtr_error *err)
{
    int rc = dtr_timer_open(get->loop, on_deadline, get, &get->deadline, err);
    if (rc == DTR_OK)
        rc = dtr_timer_open(get->loop, on_tick, get, &get->ticking, err);
    if (rc == DTR_OK)
        dtr_timer_set(get->deadline, get->options->timeout_ms + GRACE_MS);
    if (rc == DTR_OK && get->progress.out)
        dtr_timer_set(get->ticking, DTR_PROGRESS_TICK_MS);
    return rc;
}

/* --- from beginning to end ------------------------------------------------------------------------ */

static int ask(struct get *get, const struct dtr_get_request *request, struct dtr_error *err)
{
    static const struct dtr_rpc_events events = {on_headers, on_message, NULL, NULL, on_closed};
    const struct dtr_rpc_limits limits = {
        .message = PIECE_MOST + (1 << 20), .ping_ms = SILENCE_MS, .ping_timeout_ms = NO_ANSWER_MS};
    const struct dtr_rpc_channel_options options = {.limits = &limits};
    const struct dtr_rpc_call_options patient = {.timeout_ms = DTR_TIMER_OFF}; /* the clock is ours */
    struct dtr_addr addr;
    int rc = dtr_addr_unix(get->options->endpoint, &addr, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_channel_new(get->loop, &addr, &options, &get->channel, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_call_start(get->channel, &dtr_rpc_download_download_task, &patient, &events, get,
                                &get->call, err);
    if (rc == DTR_OK) {
        (void)dtr_rpc_call_send(get->call, &request->message.base, NULL);
        dtr_rpc_call_end(get->call);
    }
    return rc;
}

static void begin_progress(struct get *get, FILE *terminal)
{
    const char *slash = strrchr(get->options->output, '/');
    dtr_progress_begin(&get->progress, slash ? slash + 1 : get->options->output, terminal, dtr_now_ms());
}

static void end_progress(struct get *get)
{
    char line[DTR_PROGRESS_LINE];
    dtr_progress_clear(&get->progress);
    if (!get->progress.out || get->result.code != DTR_OK)
        return;
    dtr_progress_summary(&get->progress, dtr_now_ms(), line);
    (void)fprintf(get->progress.out, "%s\n", line);
}

static int run(struct get *get, const struct dtr_get_request *request, struct dtr_error *err)
{
    int rc = dtr_loop_new("get", &get->loop, err);
    if (rc != DTR_OK)
        return rc;
    get->end.run = on_end;
    watch_signals(get);
    rc = watch_clock(get, err);
    if (rc == DTR_OK)
        rc = ask(get, request, err);
    if (rc == DTR_OK) {
        dtr_loop_run(get->loop);
        rc = get->result.code;
        *err = get->result;
    }
    dtr_timer_close(get->deadline);
    dtr_timer_close(get->ticking);
    dtr_rpc_channel_close(get->channel);
    for (size_t i = 0; i < SIGNALS; i++)
        uv_close((uv_handle_t *)&get->signals[i], NULL);
    dtr_loop_free(get->loop);
    return rc;
}

int dtr_tool_get(const struct dtr_get_options *options, FILE *terminal, int *ret_signal,
                 struct dtr_error *err)
{
    struct get *get = calloc(1, sizeof(*get));
    struct dtr_get_request *request = calloc(1, sizeof(*request));
    int rc = get && request ? dtr_get_request_make(options, request, err)
                            : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a download");
    *ret_signal = 0;
    if (rc == DTR_OK) {
        get->options = options;
        rc = dtr_get_file_open(options->output, options->overwrite, options->digest, &get->file, err);
    }
    if (rc == DTR_OK) {
        begin_progress(get, terminal);
        rc = run(get, request, err);
        end_progress(get);
        *ret_signal = get->signal;
    }
    if (get)
        dtr_get_file_close(get->file);
    if (request)
        dtr_get_request_free(request);
    free(request);
    free(get);
    return rc;
}
