/* What strangers send to the REST API before it knows who they are: the first byte says what the rest is, a
 * query, a session token, a time, a path, a cookie, or a request: "METHOD TARGET", a line's end and the body.
 * What is understood must keep its promises. */
#include "core/manager/rest/auth.h"
#include "core/manager/rest/jwt.h"
#include "core/manager/rest/query.h"
#include "core/manager/rest/resource.h"
#include "core/manager/rest/route.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void try_query(const char *text)
{
    struct query query;
    if (query_parse(text, &query, NULL) != DTR_OK)
        return;
    require(query.count <= QUERY_MOST);
    for (size_t i = 0; i < query.count; i++)
        require(query_get(&query, query.items[i].name) != NULL);
    query_free(&query);
}

/* Nobody gets in without the key; with it, what was signed comes back. */
static void try_token(const char *text)
{
    struct jwt_claims claims;
    char again[JWT_TEXT];
    uint8_t *bytes = malloc(strlen(text) + 1);
    size_t length;
    require(jwt_read("a key of the fuzzer's own", text, &claims, NULL) != DTR_OK);
    if (jwt_decode(text, strlen(text), bytes, &length) && strlen(text) < JWT_TEXT) {
        jwt_encode(bytes, length, again);
        require(strcmp(again, text) == 0);
    }
    free(bytes);
}

static void try_time(const char *text)
{
    char again[FIELD_TIME_TEXT];
    int64_t ms, same;
    if (!field_time_parse(text, &ms) || ms < 0)
        return;
    field_time_text(ms, again);
    require(field_time_parse(again, &same) && same == ms);
}

static void try_path(const char *text)
{
    struct route_match match;
    route_find("GET", text, &match);
    if (match.route && match.route->base != BASE_ROOT)
        require(match.below_api);
}

static void try_cookie(const char *text)
{
    struct rest_call call = {.cookie = (char *)(uintptr_t)text};
    char token[AUTH_TOKEN];
    const char *found = auth_cookie(&call, token);
    if (found)
        require(found[0] && strlen(found) < AUTH_TOKEN && found[strcspn(found, "; ")] == 0);
}

/* --- a request -------------------------------------------------------------------------------------------
 */

/* What was found right is what a database takes. */
static void try_values(const struct field *fields, const json_t *values)
{
    for (const struct field *field = fields; field->name; field++) {
        const json_t *given = json_object_get(values, field->name);
        struct dtr_value value;
        char *text = NULL;
        if (!given || !field_column(field))
            continue;
        require(field_to_value(field, given, &value, &text, NULL) == DTR_OK);
        require(value.type != DTR_VALUE_TEXT || dtr_db_is_text(value.text, value.length));
        free(text);
    }
}

/* And found right again, and stays the same. */
static void try_body(const struct route *route, const char *text, size_t length)
{
    const struct field *fields = route->body ? route->body : route->resource ? route->resource->fields : NULL;
    json_t *body = json_loadb(text, length, 0, NULL), *values = NULL, *again = NULL;
    char unknown[64];
    struct dtr_error err = {0};
    unsigned mode = strcmp(route->method, "PATCH") == 0 ? F_UPDATE : F_CREATE;
    if (body && fields) {
        int rc = fields_check(fields, mode, body, &values, unknown, &err);
        require(rc == DTR_OK ? values != NULL : err.text[0] != 0);
        if (rc == DTR_OK)
            try_values(fields, values);
        if (rc == DTR_OK && mode == F_UPDATE) {
            require(fields_check(fields, mode, values, &again, unknown, &err) == DTR_OK);
            require(json_equal(values, again) && unknown[0] == 0);
        }
    }
    json_decref(body);
    json_decref(values);
    json_decref(again);
}

/* What goes into a statement is what a database takes. */
static void try_filters(const struct rest_call *call, const struct field *fields)
{
    for (const struct field *field = fields; field && field->name; field++) {
        const char *text = query_get(&call->query, field->name);
        struct dtr_value value;
        struct dtr_error err = {0};
        if (!text || !(field->flags & F_FILTER))
            continue;
        if (field_from_text(field, text, &value, &err) != DTR_OK)
            require(err.text[0] != 0);
        else if (value.type == DTR_VALUE_TEXT)
            require(dtr_db_is_text(value.text, value.length));
    }
}

/* Nothing of a query gets out of its header. */
static void try_link(struct rest_call *call)
{
    struct paging paging;
    struct dtr_error err;
    if (call_paging(call, &paging, &err) != DTR_OK)
        return;
    call_link(call, &paging, 25);
    require(call->header_count == 1);
    const char *link = call->headers[0].value;
    require(link[0] == '<' && strcmp(link + strlen(link) - strlen(";rel=last"), ";rel=last") == 0);
    for (; *link; link++)
        require(*link > ' ' && *link < 0x7f);
}

static void try_request(const char *text)
{
    const char *space = strchr(text, ' '), *line = strchr(text, '\n');
    if (!space || !line || space > line)
        return;
    struct rest_call call = {.method = strndup(text, (size_t)(space - text)),
                             .path = strndup(space + 1, (size_t)(line - space - 1))};
    require(call.method && call.path);
    char *query = strchr(call.path, '?');
    if (query)
        *query++ = 0;
    route_find(call.method, call.path, &call.match);
    const struct route *route = call.match.route;
    if (route && query_parse(query, &call.query, NULL) == DTR_OK) {
        try_filters(&call, route->body);
        try_filters(&call, route->resource ? route->resource->fields : NULL);
        if (route->work == WORK_READ && strcmp(route->method, "GET") == 0 && !strchr(route->path, '{'))
            try_link(&call);
        try_body(route, line + 1, strlen(line + 1));
    }
    call_free(&call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void (*const texts[])(const char *) = {try_query, try_token, try_time, try_path, try_cookie, try_request};
    enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };
    if (size == 0 || size > 4096)
        return 0;
    char *text = strndup((const char *)data + 1, size - 1);
    require(text != NULL);
    texts[data[0] % TEXTS](text);
    free(text);
    return 0;
}
