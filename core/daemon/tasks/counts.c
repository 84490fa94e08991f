/* Requests to origins, uploads and local bytes in the metrics; see counts.h. */
#include "core/daemon/tasks/counts.h"

#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/obs/metric.h"

#include <stdlib.h>
#include <string.h>

static const char *const standard = "0"; /* common.v2.TaskType */

/* --- requests to origins -------------------------------------------------------------------------------- */

/* A client may name any method: those that nobody knows are one. */
static const char *known_method(const char *method)
{
    static const char *const known[] = {"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(method, known[i]) == 0)
            return known[i];
    }
    return "other";
}

void origin_asked(struct origin_count *count, const char *url, const char *method)
{
    const char *colon = strstr(url, "://");
    int length = colon && colon - url < (int)sizeof(count->scheme) ? (int)(colon - url) : 0;
    if (count->open)
        return;
    (void)snprintf(count->scheme, sizeof(count->scheme), "%.*s", length, url);
    (void)dtr_copy_text(count->method, sizeof(count->method), known_method(method));
    count->since_ms = dtr_now_ms();
    count->open = true;
    dtr_metric_add(DTR_CLIENT_BACKEND_REQUEST, DTR_LABELS(count->scheme, count->method), 1);
}

void origin_answered(struct origin_count *count, int status)
{
    const char *const *labels = DTR_LABELS(count->scheme, count->method);
    if (!count->open)
        return;
    count->open = false;
    if (status >= 400)
        dtr_metric_add(DTR_CLIENT_BACKEND_REQUEST_FAILURE, labels, 1);
    else
        dtr_metric_add(DTR_CLIENT_BACKEND_REQUEST_DURATION, labels, (double)(dtr_now_ms() - count->since_ms));
}

void origin_ended(struct origin_count *count, const struct dtr_error *err)
{
    if (count->open && err->code != DTR_ECANCELLED)
        dtr_metric_add(DTR_CLIENT_BACKEND_REQUEST_FAILURE, DTR_LABELS(count->scheme, count->method), 1);
    count->open = false;
}

/* --- uploads -------------------------------------------------------------------------------------------- */

struct dtr_series *upload_begins(const struct dtr_task *task)
{
    const struct dtr_task_facts *facts = task ? dtr_task_facts(task) : NULL;
    const char *const *labels =
        DTR_LABELS(standard, facts ? facts->tag : "", facts ? facts->application : "");
    dtr_metric_add(DTR_CLIENT_UPLOAD_TASK, labels, 1);
    if (!task) {
        dtr_metric_add(DTR_CLIENT_UPLOAD_TASK_FAILURE, labels, 1);
        return NULL;
    }
    struct dtr_series *now = dtr_metric_series(DTR_CLIENT_CONCURRENT_UPLOAD_TASK, labels);
    dtr_series_add(now, 1);
    return now;
}

/* A piece that is being sent; goes when its extent is released. */
struct leaving {
    void (*release)(void *);
    void *release_context;
    void (*left)(void *context, uint64_t ms);
    void *context;
    uint64_t since_ms;
};

static void piece_left(void *context)
{
    struct leaving *leaving = context;
    dtr_metric_add(DTR_CLIENT_CONCURRENT_UPLOAD_PIECE, NULL, -1);
    if (leaving->release)
        leaving->release(leaving->release_context);
    if (leaving->left)
        leaving->left(leaving->context, dtr_now_ms() - leaving->since_ms);
    free(leaving);
}

bool upload_piece_leaves(struct dtr_extent *extent, void (*left)(void *context, uint64_t ms), void *context)
{
    struct leaving *leaving = malloc(sizeof(*leaving));
    dtr_metric_add(DTR_CLIENT_UPLOAD_TRAFFIC, DTR_LABELS(standard), (double)extent->length);
    if (!leaving)
        return false;
    *leaving = (struct leaving){extent->release, extent->release_context, left, context, dtr_now_ms()};
    extent->release = piece_left;
    extent->release_context = leaving;
    dtr_metric_add(DTR_CLIENT_CONCURRENT_UPLOAD_PIECE, NULL, 1);
    return true;
}

/* --- the store ------------------------------------------------------------------------------------------ */

void local_bytes_read(uint64_t offset, uint64_t length, uint64_t here)
{
    if (offset >= here)
        return;
    if (length > here - offset)
        length = here - offset;
    dtr_metric_add(DTR_CLIENT_DOWNLOAD_TRAFFIC, DTR_LABELS("LOCAL_PEER", standard), (double)length);
}
