/* What strangers send to the REST API before it knows who they are: the first byte says what the rest is, a
 * query, a session token, a time, a path, or the JSON body of one of the routes. What is understood must keep
 * its promises. */
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

/* What was found right is found right again, and stays the same. */
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
        if (rc == DTR_OK && mode == F_UPDATE) {
            require(fields_check(fields, mode, values, &again, unknown, &err) == DTR_OK);
            require(json_equal(values, again) && unknown[0] == 0);
        }
    }
    json_decref(body);
    json_decref(values);
    json_decref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void (*const texts[])(const char *) = {try_query, try_token, try_time, try_path};
    enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };
    if (size == 0 || size > 4096)
        return 0;
    char *text = strndup((const char *)data + 1, size - 1);
    require(text != NULL);
    if (data[0] < TEXTS)
        texts[data[0]](text);
    else
        try_body(&routes[(data[0] - TEXTS) % route_count], (const char *)data + 1, size - 1);
    free(text);
    return 0;
}
