/* Past the store; see bypass.h. */
#include "core/daemon/bypass.h"

#include "core/base/str.h"
#include "core/daemon/header_lines.h"
#include "core/daemon/settings.h"
#include "core/daemon/tasks/counts.h"
#include "core/obs/log.h"
#include <stdlib.h>

enum { CONNECT_MS = 10000, STALL_MS = 60000 };

struct bypass {
    const struct dtr_origin_ops *ops;
    struct dtr_origin_call *call;
    const struct bypass_events *events;
    void *context;
    char *version;        /* NULL: any */
    uint64_t at;          /* where the origin's next byte is in the object */
    uint64_t offset, end; /* what the receiver still needs */
    struct origin_count count;
    struct dtr_error why; /* code not 0: what was wrong with the answer */
};

bool bypass_helps(const struct dtr_error *err)
{
    return err->code == DTR_ENO_SPACE || err->code == DTR_EIO;
}

void bypass_log(const char *url, const struct dtr_error *why)
{
    char text[256];
    dtr_log(DTR_LOG_WARN, NULL, "%s goes on from the origin without being stored: %s",
            dtr_log_url(url, text, sizeof(text)), why->text);
}

static bool is_complete(const struct bypass *bypass)
{
    return bypass->end != DTR_LENGTH_UNKNOWN && bypass->offset >= bypass->end;
}

static int refuse(struct bypass *bypass, const struct dtr_origin_head *head)
{
    if (head->status != 200 && head->status != 206) {
        int rc =
            dtr_error_set(&bypass->why, DTR_EORIGIN, DTR_RETRY_NEVER, "the origin answered %d", head->status);
        bypass->why.status = head->status;
        return rc;
    }
    if (head->offset > bypass->offset)
        return dtr_error_set(&bypass->why, DTR_EPROTOCOL, DTR_RETRY_NEVER,
                             "the origin answered with a range that starts too late");
    if (bypass->version && (!head->version || strcmp(head->version, bypass->version) != 0))
        return dtr_error_set(&bypass->why, DTR_ECORRUPT, DTR_RETRY_SAME,
                             "the origin has another version of the object now than when this began");
    return DTR_OK;
}

static int on_head(void *context, const struct dtr_origin_head *head)
{
    struct bypass *bypass = context;
    origin_answered(&bypass->count, head->status);
    bypass->at = head->offset;
    int rc = refuse(bypass, head);
    if (rc == DTR_OK && bypass->events->head)
        bypass->events->head(bypass->context, head->total_length);
    return rc;
}

/* What was taken of a block that comes again is skipped as what lies before the range is. */
static int on_body(void *context, const uint8_t *bytes, size_t length, bool *ret_pause)
{
    struct bypass *bypass = context;
    uint64_t skip = bypass->offset - bypass->at, wanted = length > skip ? length - skip : 0;
    if (wanted > bypass->end - bypass->offset)
        wanted = bypass->end - bypass->offset;
    size_t taken = wanted > 0 ? bypass->events->bytes(bypass->context, bytes + skip, (size_t)wanted) : 0;
    bypass->offset += taken;
    *ret_pause = taken < wanted;
    if (!*ret_pause)
        bypass->at += length;
    return is_complete(bypass) ? DTR_ECANCELLED : DTR_OK; /* the origin may have ignored the range */
}

static void no_body(void *context)
{
    (void)context;
}

static void bypass_free(struct bypass *bypass)
{
    free(bypass->version);
    free(bypass);
}

static void on_done(void *context, const struct dtr_error *err)
{
    struct bypass *bypass = context;
    struct dtr_error result = bypass->why.code != DTR_OK ? bypass->why : *err;
    origin_ended(&bypass->count, err);
    if (is_complete(bypass))
        result = (struct dtr_error){0};
    else if (result.code == DTR_OK && bypass->end != DTR_LENGTH_UNKNOWN)
        (void)dtr_error_set(&result, DTR_ECLOSED, DTR_RETRY_SAME, "the object ends %llu bytes early",
                            (unsigned long long)(bypass->end - bypass->offset));
    bypass->events->done(bypass->context, &result);
    bypass_free(bypass);
}

static const struct dtr_origin_sink origin_sink = {
    .head = on_head, .body = on_body, .want_body = no_body, .done = on_done};

static int ask(struct bypass *bypass, struct dtr_daemon *daemon, struct dtr_loop *loop,
               const struct bypass_request *request, struct dtr_error *err)
{
    struct dtr_header headers[HEADER_LINES];
    struct dtr_daemon_settings *settings = settings_hold(daemon);
    char *lines = strdup(request->headers);
    char *defaults = request->named ? strdup(settings->origin_headers) : NULL;
    size_t given = header_lines_split(lines, headers, 0);
    size_t count = header_lines_split(defaults, headers, given);
    uint64_t length =
        request->end == DTR_LENGTH_UNKNOWN ? DTR_LENGTH_UNKNOWN : request->end - request->offset;
    const struct dtr_origin_request asked = {.url = request->url,
                                             .headers = headers,
                                             .header_count = count,
                                             .own_header_count = count - given,
                                             .trusted = request->trusted,
                                             .offset = request->offset,
                                             .length = length,
                                             .if_range = bypass->version,
                                             .ca_file = settings->origin_ca_file,
                                             .roots = request->roots,
                                             .connect_ms = CONNECT_MS,
                                             .stall_ms = STALL_MS};
    origin_asked(&bypass->count, request->url, "GET");
    int rc =
        bypass->ops->read(daemon->origin.instance, loop, &asked, &origin_sink, bypass, &bypass->call, err);
    if (rc != DTR_OK)
        origin_ended(&bypass->count, err);
    settings_drop(settings);
    free(lines);
    free(defaults);
    return rc;
}

int bypass_start(struct dtr_daemon *daemon, struct dtr_loop *loop, const struct bypass_request *request,
                 const struct bypass_events *events, void *context, struct bypass **ret_bypass,
                 struct dtr_error *err)
{
    bool versioned = request->version && request->version[0];
    struct bypass *bypass = calloc(1, sizeof(*bypass));
    if (!bypass)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a request");
    *bypass = (struct bypass){.ops = daemon->origin.feature->ops,
                              .events = events,
                              .context = context,
                              .version = versioned ? strdup(request->version) : NULL,
                              .offset = request->offset,
                              .end = request->end};
    int rc = ask(bypass, daemon, loop, request, err);
    if (rc == DTR_OK)
        *ret_bypass = bypass;
    else
        bypass_free(bypass);
    return rc;
}

void bypass_resume(struct bypass *bypass)
{
    bypass->ops->resume(bypass->call);
}

void bypass_cancel(struct bypass *bypass)
{
    bypass->ops->cancel(bypass->call);
}
