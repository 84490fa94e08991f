/* From a call to its answer; see serve.h. */
#include "core/manager/rest/serve.h"

#include "core/manager/fleet/fleet.h"
#include "core/manager/rest/audit.h"
#include "core/manager/rest/auth.h"

#include <stdlib.h>
#include <string.h>

static bool is(const struct rest_call *call, const char *method)
{
    return strcmp(call->method, method) == 0;
}

/* Scripts of other origins may ask; the cookie does not travel with what they send (SameSite). */
void serve_open(struct rest_call *call)
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
    static const char *const kinds[] = {
        [WHO_NOBODY] = AUDIT_UNKNOWN, [WHO_USER] = "USER", [WHO_TOKEN] = "PAT"};
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

void serve_refusal(struct rest_call *call, int status, const char *text)
{
    const struct route *route = call->match.route;
    struct dtr_error err = {0};
    int rc = rest_refuse(&err, status, "%s", text);
    call_fail(call, rc, &err);
    if (call->match.below_api || (route && route->work != WORK_HERE))
        note(call);
    call_finish(call);
}

/* --- on a worker -----------------------------------------------------------------------------------------
 */

static int read_body(struct rest_call *call, struct dtr_error *err)
{
    json_error_t why;
    if (call->body_length == 0)
        return DTR_OK;
    call->body = json_loadb(call->body_text, call->body_length, 0, &why);
    if (call->body)
        return DTR_OK;
    /* Without what is quoted of it: that may be a password, and goes into the audit log. */
    char *quoted = strstr(why.text, " near '");
    if (quoted)
        *quoted = 0;
    return rest_refuse(err, 422, "the body is not JSON: line %d, column %d: %.120s", why.line, why.column,
                       why.text);
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

static bool changes_fleet(const void *context)
{
    const struct rest_call *call = context;
    return call->changed && fleet_shows(call->changed);
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
        return fleet_do(rest_parts(call->rest)->options.view, handle, call, changes_fleet, err);
    default:
        return handle(NULL, call, err);
    }
}

static void finish(struct rest_call *call, int rc, const struct dtr_error *err)
{
    const struct rest_options *options = &rest_parts(call->rest)->options;
    if (rc != DTR_OK)
        call_fail(call, rc, err);
    if (call->changed && options->changed)
        options->changed(options->context, call->changed);
    if (call->awaits > 0) {
        call_drop_body(call);
        return;
    }
    note(call);
    call_finish(call);
}

void serve_call(struct rest_call *call)
{
    struct dtr_error err = {0};
    int rc = answer(call, &err);
    if (rc != DTR_OK)
        call->awaits = 0;
    finish(call, rc, &err);
}

void serve_resume(struct rest_call *call)
{
    struct dtr_error err = {0};
    call->awaits = 0;
    call->changed = NULL;
    int rc = call->resume(call, NULL, &err);
    finish(call, rc, &err);
}

/* What was begun goes on, so it is no failure. */
void serve_abandon(struct rest_call *call)
{
    call->awaits = 0;
    call->status = 202;
    note(call);
}
