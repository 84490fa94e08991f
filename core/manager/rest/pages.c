/* What is answered at once; see pages.h. */
#include "core/manager/rest/pages.h"

static int page(struct rest_call *call, const char *text, const char *type)
{
    call->status = 200;
    call->text = text;
    call->type = type;
    return DTR_OK;
}

int page_home(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    static const char text[] =
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Darter "
        "manager</title></head>\n"
        "<body><h1>Darter manager</h1>\n"
        "<p>It knows the clusters of schedulers and seed peers, and tells peers which one to use.</p>\n"
        "<p><code>darter ctl login</code> signs in, <code>darter ctl --help</code> says what there is to do. "
        "It runs "
        "alone (<code>darter manager</code>), or beside a scheduler and a seed (<code>darter "
        "up</code>).</p>\n"
        "<p>Its REST API is below <code>/api/v1</code> (sign in by <code>POST /api/v1/users/signin</code>) "
        "and "
        "<code>/oapi/v1</code> (personal access tokens); <a href=\"/swagger/\">/swagger</a> describes "
        "it.</p>\n"
        "</body></html>\n";
    (void)db;
    (void)err;
    return page(call, text, "text/html; charset=utf-8");
}

int page_healthy(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    (void)db;
    return call_answer(call, json_string("OK"), err);
}

int page_swagger(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    static const char text[] =
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>REST API of the Darter "
        "manager</title></head>\n<body><h1>REST API of the Darter manager</h1>\n"
        "<p><a href=\"/swagger/doc.json\">/swagger/doc.json</a> is its OpenAPI 3 document, for any program "
        "that "
        "reads those.</p>\n</body></html>\n";
    (void)db;
    (void)err;
    return page(call, text, "text/html; charset=utf-8");
}

int page_openapi(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    (void)db;
    (void)err;
    return page(call, rest_parts(call->rest)->openapi, "application/json; charset=utf-8");
}
