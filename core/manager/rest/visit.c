/* A request's way in and out, on the loop; see rest.h.
 *
 * A visit is a request from its head to its answer. It belongs to the loop, except between the submission of
 * its job and the job's `done`, when the worker has its call. When the client goes away, the exchange is gone
 * at once and the visit ends when it is back. */
#include "core/base/str.h"
#include "core/manager/jobs/jobs.h"
#include "core/manager/rest/rest_state.h"
#include "core/manager/rest/serve.h"

#include <stdlib.h>
#include <strings.h>

enum {
    BODY_MOST = 1 << 20,  /* bytes of one request */
    OPEN_MOST = 16 << 10, /* of one that needs no session: JSON takes many times its bytes when it is read */
    BODIES_MOST = 32 << 20, /* of all that are under way */
    BODY_MS = 60000,        /* for all of a body */
    JOBS_MOST = 256         /* requests that wait for a worker or are on one */
};

struct visit {
    struct rest *rest;
    struct dtr_http_exchange *exchange; /* NULL: the client is gone */
    struct dtr_timer *late;
    struct rest_call call;
    struct dtr_str body;
    size_t counted; /* of rest->bodies */
    bool busy;      /* a worker has it */
    struct dtr_job job;
    struct jobs_waiter waiter; /* while its call awaits a job */
};

/* --- the end of a visit ----------------------------------------------------------------------------------
 */

static void forget_body(struct visit *visit)
{
    visit->rest->bodies -= visit->counted;
    visit->counted = 0;
}

static void drop(struct visit *visit)
{
    struct rest *rest = visit->rest;
    dtr_timer_close(visit->late);
    jobs_forget(&visit->waiter);
    if (visit->call.awaits > 0)
        serve_abandon(&visit->call);
    forget_body(visit);
    dtr_str_free(&visit->body);
    call_free(&visit->call);
    free(visit);
    rest_end_if_done(rest);
}

static void reply(struct visit *visit)
{
    struct rest_call *call = &visit->call;
    if (visit->exchange) {
        const struct dtr_extent extent = {.fd = -1,
                                          .data = call->bytes,
                                          .length = call->length,
                                          .release = free,
                                          .release_context = call->bytes};
        call->bytes = NULL;
        dtr_http_respond(visit->exchange, call->status, call->headers, call->header_count, call->length);
        dtr_http_send(visit->exchange, &extent);
        dtr_http_end(visit->exchange);
    }
    drop(visit);
}

static void refuse(struct visit *visit, int status, const char *text)
{
    serve_refusal(&visit->call, status, text);
    reply(visit);
}

/* --- the work --------------------------------------------------------------------------------------------
 */

static void run(struct dtr_job *job)
{
    struct visit *visit = dtr_container(job, struct visit, job);
    serve_call(&visit->call);
}

static void await(struct visit *visit);

static void done(struct dtr_job *job)
{
    struct visit *visit = dtr_container(job, struct visit, job);
    visit->rest->jobs--;
    visit->busy = false;
    if (visit->call.awaits > 0 && visit->exchange && !visit->rest->closing)
        await(visit);
    else
        reply(visit);
}

static void resume(struct dtr_job *job)
{
    struct visit *visit = dtr_container(job, struct visit, job);
    serve_resume(&visit->call);
}

static void on_over(struct jobs_waiter *waiter)
{
    struct visit *visit = dtr_container(waiter, struct visit, waiter);
    struct rest *rest = visit->rest;
    visit->job = (struct dtr_job){.loop = rest->parts.options.loop, .run = resume, .done = done};
    if (dtr_pool_submit(rest->parts.options.pool, &visit->job, NULL) != DTR_OK) {
        refuse(visit, 503, "the manager has too much to do; GET the job for what came of it");
        return;
    }
    visit->busy = true;
    rest->jobs++;
}

/* Nobody works for it meanwhile, and its body is not kept. */
static void await(struct visit *visit)
{
    forget_body(visit);
    visit->waiter.id = visit->call.awaits;
    visit->waiter.over = on_over;
    jobs_await(visit->rest->parts.options.jobs, &visit->waiter);
}

static void submit(struct visit *visit)
{
    struct rest *rest = visit->rest;
    dtr_timer_close(visit->late);
    visit->late = NULL;
    visit->call.body_length = visit->body.length;
    visit->call.body_text = dtr_str_take(&visit->body);
    visit->job = (struct dtr_job){.loop = rest->parts.options.loop, .run = run, .done = done};
    if (rest->jobs >= JOBS_MOST || dtr_pool_submit(rest->parts.options.pool, &visit->job, NULL) != DTR_OK) {
        refuse(visit, 503, "the manager has too much to do; try again later");
        return;
    }
    visit->busy = true;
    rest->jobs++;
}

/* --- the body --------------------------------------------------------------------------------------------
 */

static uint64_t body_most(const struct visit *visit)
{
    return visit->call.match.route->access == ACCESS_OPEN ? OPEN_MOST : BODY_MOST;
}

static void refuse_body(struct visit *visit)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "the body is larger than %llu KiB",
                   (unsigned long long)(body_most(visit) >> 10));
    refuse(visit, 413, text);
}

static void on_body(void *context, const uint8_t *bytes, size_t length)
{
    struct visit *visit = context;
    visit->rest->bodies += length;
    visit->counted += length;
    if (visit->body.length + length > body_most(visit))
        refuse_body(visit);
    else if (visit->rest->bodies > BODIES_MOST)
        refuse(visit, 503, "the manager has too much to do; try again later");
    else
        dtr_str_add(&visit->body, bytes, length);
}

static void on_body_end(void *context)
{
    struct visit *visit = context;
    if (dtr_str_ok(&visit->body))
        submit(visit);
    else
        refuse(visit, 503, "out of memory for the body; try again later");
}

static void on_aborted(void *context, const struct dtr_error *err)
{
    struct visit *visit = context;
    (void)err;
    visit->exchange = NULL;
    if (!visit->busy)
        drop(visit);
}

static void on_late(void *context)
{
    refuse(context, 408, "the body took longer than a minute");
}

static int take_body(struct visit *visit, uint64_t length, struct dtr_error *err)
{
    if (length == 0) {
        submit(visit);
        return DTR_OK;
    }
    if (length != DTR_LENGTH_UNKNOWN && length > body_most(visit)) {
        refuse_body(visit);
        return DTR_OK;
    }
    int rc = dtr_timer_open(visit->rest->parts.options.loop, on_late, visit, &visit->late, err);
    if (rc != DTR_OK)
        return rc;
    dtr_timer_set(visit->late, BODY_MS);
    dtr_http_want_body(visit->exchange, UINT64_MAX);
    return DTR_OK;
}

/* --- the head --------------------------------------------------------------------------------------------
 */

static char *copy_header(const struct dtr_http_request *request, const char *name)
{
    const char *value = dtr_http_header(request, name);
    return value ? strdup(value) : NULL;
}

static int fill(struct rest_call *call, const struct dtr_http_exchange *exchange,
                const struct dtr_http_request *request, struct dtr_error *err)
{
    const struct dtr_addr *client = dtr_http_client(exchange);
    char ip[DTR_ADDR_TEXT];
    call->method = strdup(request->method);
    call->path = strndup(request->path, request->path_length);
    if (!call->method || !call->path)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a request");
    call->cookie = copy_header(request, "Cookie");
    call->authorization = copy_header(request, "Authorization");
    call->origin = copy_header(request, "Origin");
    call->fetch_site = copy_header(request, "Sec-Fetch-Site");
    const char *codings = dtr_http_header(request, "Accept-Encoding");
    call->takes_gzip = codings && dtr_http_has_token(codings, "gzip");
    dtr_addr_ip_text(client, ip);
    (void)snprintf(call->client, sizeof(call->client), "%.45s", ip);
    route_find(call->method, call->path, &call->match);
    return query_parse(dtr_http_query(request), &call->query, err);
}

static const struct dtr_http_events events = {
    .body = on_body, .body_end = on_body_end, .aborted = on_aborted};

void rest_handle(void *context, struct dtr_http_exchange *exchange, const struct dtr_http_request *request)
{
    struct rest *rest = context;
    struct dtr_error err = {0};
    struct visit *visit = rest->closing ? NULL : calloc(1, sizeof(*visit));
    if (!visit) {
        dtr_http_reply(exchange, 503, NULL, 0, "the manager cannot answer now; try again later\n");
        return;
    }
    visit->rest = visit->call.rest = rest;
    visit->exchange = exchange;
    dtr_http_attach(exchange, &events, visit);
    int rc = fill(&visit->call, exchange, request, &err);
    serve_open(&visit->call);
    if (rc == DTR_OK && serve_here(&visit->call)) {
        reply(visit);
        return;
    }
    if (rc == DTR_OK)
        rc = take_body(visit, request->body_length, &err);
    if (rc != DTR_OK)
        refuse(visit, rc == DTR_EINVALID ? 400 : 503, err.text);
}
