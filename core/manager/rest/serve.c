/* From a call to its answer; see serve.h. */
#include "core/manager/rest/serve.h"

#include "core/manager/rest/audit.h"
#include "core/manager/rest/auth.h"

#include <stdlib.h>

static bool is(const struct rest_call *call, const char *method)
{
    return strcmp(call->method, method) == 0;
}

/* Scripts of other origins may ask; the cookie does not travel with what they send (SameSite). */
static void allow_origin(struct rest_call *call)
{
    if (!call->origin || !call->match.below_api)
        return;
    call_header(call, "Access-Control-Allow-Origin", "%s", call->origin);
    call_header(call, "Access-Control-Allow-Credentials", "true");
    call_header(call, "Access-Control-Expose-Headers", "Link");
}

static void preflight(struct rest_call *call)
{
    call->status = 204;
    call_header(call, "Access-Control-Allow-Methods", "%s", call->match.allow);
    call_header(call, "Access-Control-Allow-Headers", "Authorization, Content-Type");
    call_header(call, "Access-Control-Max-Age", "43200");
}

static int nowhere(struct rest_call *call, struct dtr_error *err)
{
    if (call->match.allow[0]) {
        call_header(call, "Allow", "%s", call->match.allow);
        return rest_refuse(err, 405, "%.20s is not for this path; there are %s", call->method,
                           call->match.allow);
    }
    if (call->match.below_api)
        return rest_refuse(err, 404, "there is no such path; /swagger lists those there are");
    call->status = 301;
    call_header(call, "Location", "/");
    return DTR_OK;
}

static void note(struct rest_call *call)
{
    static const char *const kinds[] = {[WHO_NOBODY] = "UNKNOWN", [WHO_USER] = "USER", [WHO_TOKEN] = "PAT"};
    const struct audit_entry entry = {.actor_type = kinds[call->who.kind],
                                      .actor_name = call->who.name,
                                      .operation = call->method,
                                      .path = call->path,
                                      .status = call->status,
                                      .detail = call->detail};
    audit_add(rest_parts(call->rest)->audit, &entry);
}

bool serve_here(struct rest_call *call)
{
    const struct route *route = call->match.route;
    struct dtr_error err = {0};
    if (route && route->work != WORK_HERE)
        return false;
    allow_origin(call);
    int rc = DTR_OK;
    if (route)
        rc = route->handle(call, NULL, &err);
    else if (is(call, "OPTIONS") && call->match.allow[0])
        preflight(call);
    else
        rc = nowhere(call, &err);
    if (rc != DTR_OK)
        call_fail(call, rc, &err);
    if (call->match.below_api)
        note(call);
    call_finish(call);
    return true;
}

/* --- on a worker -----------------------------------------------------------------------------------------
 */

static int read_body(struct rest_call *call, struct dtr_error *err)
{
    json_error_t why;
    if (call->body_length == 0)
        return DTR_OK;
    call->body = json_loadb(call->body_text, call->body_length, 0, &why);
    return call->body ? DTR_OK
                      : rest_refuse(err, 422, "the body is not JSON: line %d, column %d: %.120s", why.line,
                                    why.column, why.text);
}

static int enter(struct store_db *db, void *context, struct dtr_error *err)
{
    struct rest_call *call = context;
    int rc = auth_identify(call, db, err);
    if (rc != DTR_OK && call->match.route->access == ACCESS_OPEN && err->status != 0)
        rc = DTR_OK; /* as nobody */
    return rc == DTR_OK ? auth_allow(call, db, err) : rc;
}

static int handle(struct store_db *db, void *context, struct dtr_error *err)
{
    struct rest_call *call = context;
    return call->match.route->handle(call, db, err);
}

static int answer(struct rest_call *call, struct dtr_error *err)
{
    struct store *store = rest_parts(call->rest)->options.store;
    int rc = rest_seed(call->rest, err);
    if (rc == DTR_OK)
        rc = store_read(store, enter, call, err);
    if (rc == DTR_OK)
        rc = read_body(call, err);
    if (rc != DTR_OK)
        return rc;
    switch (call->match.route->work) {
    case WORK_READ:
        return store_read(store, handle, call, err);
    case WORK_WRITE:
        return store_do(store, handle, call, err);
    default:
        return handle(NULL, call, err);
    }
}

void serve_call(struct rest_call *call)
{
    const struct rest_options *options = &rest_parts(call->rest)->options;
    struct dtr_error err = {0};
    allow_origin(call);
    int rc = answer(call, &err);
    if (rc != DTR_OK)
        call_fail(call, rc, &err);
    if (call->changed && options->changed)
        options->changed(options->context, call->changed);
    note(call);
    call_finish(call);
}
