/* The REST API from its beginning to its end, and its audit log; see rest.h. Requests are in visit.c. */
#include "core/manager/rest/rest.h"

#include "core/manager/rest/audit.h"
#include "core/manager/rest/openapi.h"
#include "core/manager/rest/rest_state.h"
#include "core/manager/rest/throttle.h"
#include "core/obs/log.h"

#include <assert.h>
#include <stdlib.h>

const struct rest_parts *rest_parts(const struct rest *rest)
{
    return &rest->parts;
}

void rest_set_sessions(struct rest *rest, uint64_t jwt_timeout_s, uint64_t jwt_max_refresh_s)
{
    atomic_store(&rest->parts.jwt_timeout_s, jwt_timeout_s);
    atomic_store(&rest->parts.jwt_max_refresh_s, jwt_max_refresh_s);
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
    rest_end_if_done(rest);
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

/* First the last of the audit log, then the end. */
void rest_end_if_done(struct rest *rest)
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
    rest_end_if_done(rest);
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
    atomic_init(&parts->jwt_timeout_s, options->jwt_timeout_s);
    atomic_init(&parts->jwt_max_refresh_s, options->jwt_max_refresh_s);
    parts->throttle = throttle_new(options->share);
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
