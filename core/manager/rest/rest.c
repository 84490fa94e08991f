/* A request's way in and out, on the loop; see rest.h.
 *
 * A visit is a request from its head to its answer. It belongs to the loop, except between the submission of
 * its job and the job's `done`, when the worker has its call. When the client goes away, the exchange is gone
 * at once and the visit ends when it is back. */
#include "core/manager/rest/rest.h"

#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/manager/rest/audit.h"
#include "core/manager/rest/openapi.h"
#include "core/manager/rest/password.h"
#include "core/manager/rest/seed.h"
#include "core/manager/rest/serve.h"
#include "core/manager/rest/throttle.h"
#include "core/obs/log.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

enum {
    BODY_MOST = 1 << 20,  /* bytes of one request */
    OPEN_MOST = 16 << 10, /* of one that needs no session: JSON takes many times its bytes when it is read */
    BODIES_MOST = 32 << 20, /* of all that are under way */
    BODY_MS = 60000,        /* for all of a body */
    JOBS_MOST = 256         /* requests that wait for a worker or are on one */
};

struct rest {
    struct rest_parts parts;
    pthread_mutex_t seeding; /* held while rest_seed() works; guards what follows */
    bool seeded;
    char key[SEED_KEY];
    /* On the loop. */
    size_t jobs, bodies;
    struct dtr_timer *audit_timer;
    struct dtr_job audit_job;
    bool auditing, closing, last_written;
    void (*closed)(void *context);
    void *closed_context;
    struct dtr_msg end;
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
};

const struct rest_parts *rest_parts(const struct rest *rest)
{
    return &rest->parts;
}

const char *rest_key(struct rest *rest)
{
    return rest->key;
}

int rest_seed(struct rest *rest, struct dtr_error *err)
{
    struct dtr_error unheard = {0};
    if (!err)
        err = &unheard; /* the store logs by it that the database is away */
    (void)pthread_mutex_lock(&rest->seeding);
    int rc = rest->seeded ? DTR_OK : seed_run(&rest->parts, rest->key, err);
    rest->seeded = rc == DTR_OK;
    (void)pthread_mutex_unlock(&rest->seeding);
    return rc;
}

/* --- the end of a visit ----------------------------------------------------------------------------------
 */

static void check_end(struct rest *rest);

static void drop(struct visit *visit)
{
    struct rest *rest = visit->rest;
    dtr_timer_close(visit->late);
    rest->bodies -= visit->counted;
    dtr_str_free(&visit->body);
    call_free(&visit->call);
    free(visit);
    check_end(rest);
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
    struct dtr_error err = {0};
    int rc = rest_refuse(&err, status, "%s", text);
    call_fail(&visit->call, rc, &err);
    call_finish(&visit->call);
    reply(visit);
}

/* --- the work --------------------------------------------------------------------------------------------
 */

static void run(struct dtr_job *job)
{
    struct visit *visit = dtr_container(job, struct visit, job);
    serve_call(&visit->call);
}

static void done(struct dtr_job *job)
{
    struct visit *visit = dtr_container(job, struct visit, job);
    visit->rest->jobs--;
    visit->busy = false;
    reply(visit);
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
    if (rc == DTR_OK && serve_here(&visit->call)) {
        reply(visit);
        return;
    }
    if (rc == DTR_OK)
        rc = take_body(visit, request->body_length, &err);
    if (rc != DTR_OK)
        refuse(visit, rc == DTR_EINVALID ? 400 : 503, err.text);
}

/* --- the audit log ---------------------------------------------------------------------------------------
 */

static void write_audit(struct dtr_job *job)
{
    struct rest *rest = dtr_container(job, struct rest, audit_job);
    struct dtr_error err = {0};
    /* The store logs that the database is away. */
    if (audit_write(rest->parts.audit, rest->parts.options.store, &err) != DTR_OK &&
        err.code != DTR_EUNAVAILABLE)
        dtr_log(DTR_LOG_ERROR, NULL, "the audit log cannot be written: %s", err.text);
}

static void audit_written(struct dtr_job *job)
{
    struct rest *rest = dtr_container(job, struct rest, audit_job);
    rest->auditing = false;
    rest->last_written |= rest->closing;
    check_end(rest);
}

static void begin_audit(struct rest *rest)
{
    if (rest->auditing || (audit_waiting(rest->parts.audit) == 0 && !rest->closing))
        return;
    rest->audit_job =
        (struct dtr_job){.loop = rest->parts.options.loop, .run = write_audit, .done = audit_written};
    rest->auditing = dtr_pool_submit(rest->parts.options.pool, &rest->audit_job, NULL) == DTR_OK;
}

static void on_audit_timer(void *context)
{
    struct rest *rest = context;
    begin_audit(rest);
    dtr_timer_set(rest->audit_timer, AUDIT_EVERY_MS);
}

/* --- begin and end ---------------------------------------------------------------------------------------
 */

static void free_rest(struct rest *rest)
{
    dtr_timer_close(rest->audit_timer);
    audit_free(rest->parts.audit);
    throttle_free(rest->parts.throttle);
    free(rest->parts.openapi);
    free(rest->parts.jwt_key);
    free(rest->parts.jwt_realm);
    free(rest->parts.root_password);
    free(rest->parts.token);
    (void)pthread_mutex_destroy(&rest->seeding);
    free(rest);
}

static void on_end(struct dtr_msg *msg)
{
    struct rest *rest = dtr_container(msg, struct rest, end);
    void (*closed)(void *) = rest->closed;
    void *context = rest->closed_context;
    free_rest(rest);
    if (closed)
        closed(context);
}

/* When it is to end and nothing runs: first the last of the audit log, then the end. */
static void check_end(struct rest *rest)
{
    if (!rest->closing || rest->jobs > 0 || rest->auditing)
        return;
    if (!rest->last_written)
        begin_audit(rest);
    if (rest->auditing)
        return;
    rest->end.run = on_end;
    dtr_loop_post(rest->parts.options.loop, &rest->end);
}

void rest_close(struct rest *rest, void (*closed)(void *context), void *context)
{
    assert(!rest->closing);
    rest->closing = true;
    rest->closed = closed;
    rest->closed_context = context;
    check_end(rest);
}

static char *copy(const char *text, bool *ok)
{
    char *made = strdup(text ? text : "");
    *ok &= made != NULL;
    return made;
}

static bool fill_parts(struct rest_parts *parts, const struct rest_options *options)
{
    bool ok = true;
    parts->options = *options;
    parts->options.jwt_key = parts->jwt_key = copy(options->jwt_key, &ok);
    parts->options.jwt_realm = parts->jwt_realm =
        copy(options->jwt_realm ? options->jwt_realm : "Dragonfly", &ok);
    parts->options.root_password = parts->root_password = copy(options->root_password, &ok);
    parts->options.token = parts->token = copy(options->token, &ok);
    parts->throttle = throttle_new();
    parts->audit = audit_new();
    parts->openapi = openapi_text();
    return ok && parts->throttle && parts->audit && parts->openapi;
}

int rest_new(const struct rest_options *options, struct rest **ret_rest, struct dtr_error *err)
{
    int rc = routes_check(routes, route_count, err);
    if (rc == DTR_OK)
        rc = seed_check(options, err);
    if (rc != DTR_OK)
        return rc;
    struct rest *rest = calloc(1, sizeof(*rest));
    if (!rest)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the REST API");
    (void)pthread_mutex_init(&rest->seeding, NULL);
    rc = fill_parts(&rest->parts, options)
             ? dtr_timer_open(options->loop, on_audit_timer, rest, &rest->audit_timer, err)
             : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the REST API");
    if (rc != DTR_OK) {
        free_rest(rest);
        return rc;
    }
    dtr_timer_set(rest->audit_timer, AUDIT_EVERY_MS);
    *ret_rest = rest;
    return DTR_OK;
}
