/* What handlers do with a request; see call.h. */
#include "core/manager/rest/call.h"

#include "core/base/str.h"
#include "core/manager/rest/resource.h"

#include <stdarg.h>
#include <stdlib.h>
#include <strings.h>

int rest_refuse(struct dtr_error *err, int status, const char *format, ...)
{
    static const struct {
        int status, code;
    } codes[] = {{401, DTR_EDENIED}, {403, DTR_EDENIED}, {404, DTR_ENOT_FOUND}, {409, DTR_EEXISTS}};
    int code = DTR_EINVALID;
    char text[sizeof(err->text)];
    va_list args;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].status == status)
            code = codes[i].code;
    }
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    (void)dtr_error_set(err, code, DTR_RETRY_NEVER, "%s", text);
    if (err)
        err->status = status;
    return code;
}

int call_answer(struct rest_call *call, json_t *answer, struct dtr_error *err)
{
    json_decref(call->answer);
    call->answer = answer;
    call->status = 200;
    return answer ? DTR_OK : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for an answer");
}

int call_answer_text(struct rest_call *call, struct dtr_str *json, struct dtr_error *err)
{
    if (!dtr_str_ok(json))
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for an answer");
    free(call->json);
    call->json = dtr_str_take(json);
    call->status = 200;
    return DTR_OK;
}

void call_header(struct rest_call *call, const char *name, const char *format, ...)
{
    size_t at = 0;
    char *text;
    va_list args;
    while (at < call->header_count && strcasecmp(call->headers[at].name, name) != 0)
        at++;
    if (at == CALL_HEADERS)
        return;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    if (!text)
        return;
    free(call->header_texts[at]);
    call->header_texts[at] = text;
    call->headers[at] = (struct dtr_header){.name = name, .value = text};
    if (at == call->header_count)
        call->header_count++;
}

/* --- what was asked --------------------------------------------------------------------------------------
 */

static size_t parameter(const struct rest_call *call, const char *name)
{
    size_t at = 0;
    while (at + 1 < ROUTE_PARAMETERS && (call->match.parameters[at].name_length != strlen(name) ||
                                         strncmp(call->match.parameters[at].name, name, strlen(name)) != 0))
        at++;
    return at;
}

int64_t call_number(const struct rest_call *call, const char *name)
{
    return call->match.parameters[parameter(call, name)].number;
}

const char *call_word(const struct rest_call *call, const char *name)
{
    return call->match.parameters[parameter(call, name)].word;
}

const char *call_text(const json_t *values, const char *name)
{
    const char *text = json_string_value(json_object_get(values, name));
    return text ? text : "";
}

void call_warn_unknown(struct rest_call *call, const char *name, const char *what)
{
    if (dtr_http_value_ok(name) && !strchr(name, '"') && !strchr(name, '\\'))
        call_header(call, "Warning", "299 - \"%.60s is not %s; it was ignored\"", name, what);
}

int call_values(struct rest_call *call, unsigned mode, json_t **ret_values, struct dtr_error *err)
{
    char unknown[64];
    struct dtr_error why = {0};
    const struct route *route = call->match.route;
    const struct field *fields = route->body ? route->body : route->resource->fields;
    int rc = fields_check(fields, mode, call->body, ret_values, unknown, &why);
    if (rc == DTR_EINVALID)
        return rest_refuse(err, 422, "%s", why.text);
    if (rc != DTR_OK && err)
        *err = why;
    if (rc == DTR_OK && unknown[0])
        call_warn_unknown(call, unknown, "a field that can be given here");
    return rc;
}

int call_query(const struct rest_call *call, const char *name, struct dtr_value *ret_value,
               struct dtr_error *err)
{
    const struct field *field = call->match.route->body;
    const char *text = query_get(&call->query, name);
    struct dtr_error why = {0};
    *ret_value = (struct dtr_value){.type = DTR_VALUE_NULL};
    while (strcmp(field->name, name) != 0)
        field++;
    if ((!text || !*text) && field->flags & F_NEEDED)
        return rest_refuse(err, 422, "%s: is missing in the query", name);
    if (text && *text && field_from_text(field, text, ret_value, &why) != DTR_OK)
        return rest_refuse(err, 422, "%s", why.text);
    return DTR_OK;
}

static int page_number(const struct rest_call *call, const char *name, int64_t preset, int64_t most,
                       int64_t *ret_number, struct dtr_error *err)
{
    const char *text = query_get(&call->query, name);
    uint64_t number;
    *ret_number = preset;
    if (!text)
        return DTR_OK;
    if (!dtr_parse_u64(text, strlen(text), &number) || number < 1 || number > (uint64_t)most)
        return rest_refuse(err, 422, "%s: must be 1 to %lld", name, (long long)most);
    *ret_number = (int64_t)number;
    return DTR_OK;
}

int call_paging(const struct rest_call *call, struct paging *ret_paging, struct dtr_error *err)
{
    static const int64_t most = 10000000;
    int rc = page_number(call, "page", 1, most, &ret_paging->page, err);
    return rc == DTR_OK ? page_number(call, "per_page", 10, most, &ret_paging->per_page, err) : rc;
}

/* --- the Link header -------------------------------------------------------------------------------------
 */

static void put_encoded(struct dtr_str *text, const char *part)
{
    for (; *part; part++) {
        if ((*part >= '0' && *part <= '9') || ((*part | 0x20) >= 'a' && (*part | 0x20) <= 'z') ||
            strchr("-._~", *part))
            dtr_str_putc(text, *part);
        else
            dtr_str_printf(text, "%%%02X", (unsigned char)*part);
    }
}

static void put_link(const struct rest_call *call, const struct paging *paging, int64_t page,
                     const char *relation, struct dtr_str *text)
{
    /* Those that say which page, and those that are secret. */
    static const char *const left_out[] = {"page", "per_page", "token", "access_token"};
    dtr_str_printf(text, "%s<%s?", text->length > 0 ? "," : "", call->path);
    for (size_t i = 0; i < call->query.count; i++) {
        bool out = false;
        for (size_t j = 0; j < sizeof(left_out) / sizeof(left_out[0]); j++)
            out |= strcmp(call->query.items[i].name, left_out[j]) == 0;
        if (out)
            continue;
        put_encoded(text, call->query.items[i].name);
        dtr_str_putc(text, '=');
        put_encoded(text, call->query.items[i].value);
        dtr_str_putc(text, '&');
    }
    dtr_str_printf(text, "page=%lld&per_page=%lld>;rel=%s", (long long)page, (long long)paging->per_page,
                   relation);
}

void call_link(struct rest_call *call, const struct paging *paging, int64_t total)
{
    int64_t last = total > 0 ? (total - 1) / paging->per_page + 1 : 1;
    struct dtr_str text = {0};
    if (paging->page > 1)
        put_link(call, paging, paging->page - 1 < last ? paging->page - 1 : last, "prev", &text);
    if (paging->page < last)
        put_link(call, paging, paging->page + 1, "next", &text);
    put_link(call, paging, 1, "first", &text);
    put_link(call, paging, last, "last", &text);
    if (dtr_str_ok(&text))
        call_header(call, "Link", "%s", dtr_str_text(&text));
    dtr_str_free(&text);
}
