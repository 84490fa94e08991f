/* The answer's side of a call: errors, and the bytes that go out; see call.h. */
#include "core/manager/rest/call.h"

#include "core/base/str.h"
#include "core/obs/log.h"
#include "core/obs/metric.h"

#include <libdeflate.h>
#include <stdlib.h>

enum { COMPRESS_FROM = 1024 }; /* bytes; less is not worth it */

static int status_of(int code)
{
    static const struct {
        int code, status;
    } statuses[] = {{DTR_ENOT_FOUND, 404},
                    {DTR_EEXISTS, 409},
                    {DTR_EUNAVAILABLE, 503},
                    {DTR_ELIMIT, 503},
                    {DTR_ETIMEOUT, 503}};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (statuses[i].code == code)
            return statuses[i].status;
    }
    return 500;
}

/* What the user reads of an error that no handler wrote for the user. */
static const char *plain_text(int status)
{
    switch (status) {
    case 404:
        return "there is no such thing";
    case 409:
        return "there is one with this name, or these properties, already";
    case 503:
        return "the database cannot answer now; try again later";
    default:
        return "the manager made a mistake; its log says which";
    }
}

/* Texts are cut to their place, perhaps within a character, and quote what strangers sent. */
static void clean(char *text)
{
    for (char *at = text; *at;) {
        unsigned char c = (unsigned char)*at;
        size_t length = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
        size_t there = strnlen(at, length);
        json_t *json = there == length ? json_stringn(at, length) : NULL;
        if (!json || c < 0x20 || c == 0x7f) {
            *at = '?';
            length = 1;
        }
        json_decref(json);
        at += length;
    }
}

void call_fail(struct rest_call *call, int rc, const struct dtr_error *err)
{
    const char *text = err->text;
    call->status = err->status;
    call->text = NULL;
    free(call->json);
    call->json = NULL;
    call->changed = NULL;
    if (call->status == 0) {
        call->status = status_of(rc);
        text = plain_text(call->status);
        if (call->status == 500)
            dtr_log(DTR_LOG_ERROR, NULL, "%s %s: %s", call->method, call->path, err->text);
    }
    if (call->status == 401)
        call_header(call, "WWW-Authenticate", "%s realm=\"%s\"", call->match.with_token ? "Bearer" : "JWT",
                    rest_parts(call->rest)->jwt_realm);
    if (call->status == 503 && call->retry_after == 0)
        call->retry_after = 1;
    (void)dtr_copy_text(call->detail, sizeof(call->detail), text);
    clean(call->detail);
    text = call->detail;
    json_decref(call->answer);
    if (call->status == 422)
        call->answer = json_pack("{s:s, s:s}", "errors", text, "message", text);
    else
        call->answer = json_pack("{s:s, s:s}", "message", text, "error", dtr_http_reason(call->status));
}

/* --- bytes -----------------------------------------------------------------------------------------------
 */

static bool compress(struct rest_call *call, const char *text, size_t length)
{
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(3);
    size_t room = compressor ? libdeflate_gzip_compress_bound(compressor, length) : 0;
    call->bytes = room > 0 ? malloc(room) : NULL;
    call->length = call->bytes ? libdeflate_gzip_compress(compressor, text, length, call->bytes, room) : 0;
    libdeflate_free_compressor(compressor);
    if (call->length > 0 && call->length < length) {
        call_header(call, "Content-Encoding", "gzip");
        return true;
    }
    free(call->bytes);
    call->bytes = NULL;
    return false;
}

static void put_headers(struct rest_call *call, bool body)
{
    if (body)
        call_header(call, "Content-Type", "%s", call->type ? call->type : "application/json; charset=utf-8");
    call_header(call, "Vary", "Accept-Encoding, Origin");
    call_header(call, "Cache-Control", "no-store");
    call_header(call, "X-Content-Type-Options", "nosniff");
    if (call->retry_after > 0)
        call_header(call, "Retry-After", "%u", call->retry_after);
}

/* By the route, for there are as many paths as things. Strangers choose methods and paths of none. */
static void count_answer(const struct rest_call *call)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    const struct route *route = call->match.route;
    const char *method = "other", *base = "";
    char code[12], url[DTR_METRIC_LABEL_LENGTH + 1] = "other";
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]) && call->method; i++)
        method = strcmp(methods[i], call->method) == 0 ? methods[i] : method;
    if (route && route->base != BASE_ROOT)
        base = call->match.with_token ? "/oapi/v1" : "/api/v1";
    if (route)
        (void)snprintf(url, sizeof(url), "%s%s", base, route->path);
    (void)snprintf(code, sizeof(code), "%d", call->status);
    dtr_metric_add(DTR_MANAGER_REQUESTS, DTR_LABELS(code, method, url), 1);
}

void call_finish(struct rest_call *call)
{
    count_answer(call);
    char *made = call->json;
    call->json = NULL;
    if (call->answer)
        made = json_dumps(call->answer, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(call->answer); /* here, on the worker */
    call->answer = NULL;
    const char *text = made ? made : call->text;
    size_t length = text ? strlen(text) : 0;
    call->type = !made && call->text ? call->type : NULL;
    put_headers(call, length > 0);
    if (call->takes_gzip && length >= COMPRESS_FROM && compress(call, text, length)) {
        free(made);
        return;
    }
    call->bytes = (uint8_t *)(made || !text ? made : strdup(text));
    call->length = call->bytes ? length : 0;
}

void call_drop_body(struct rest_call *call)
{
    free(call->body_text);
    json_decref(call->body);
    call->body_text = NULL;
    call->body = NULL;
    call->body_length = 0;
}

void call_free(struct rest_call *call)
{
    char *const texts[] = {call->method, call->path,       call->cookie,        call->authorization,
                           call->origin, call->fetch_site, (char *)call->bytes, call->json};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free(texts[i]);
    for (size_t i = 0; i < call->header_count; i++)
        free(call->header_texts[i]);
    query_free(&call->query);
    call_drop_body(call);
    json_decref(call->answer);
}
