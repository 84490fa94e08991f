/* What a request's headers ask of a task, and which of them go upstream; see mirror.h. */
#include "core/base/str.h"
#include "core/http/fields.h"
#include "core/http/mirror_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

int dtr_mirror_refuse(struct dtr_error *err, const char *what)
{
    (void)dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "bad proxy request: %s", what);
    if (err)
        err->status = 400;
    return DTR_EINVALID;
}

/* --- headers ------------------------------------------------------------------------------------------ */

static bool any_of(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (dtr_casecmp(names[i], name) == 0)
            return true;
    return false;
}

static bool stays_here(const struct dtr_http_request *request, const char *name, bool task)
{
    static const char *const always[] = {"Host", "Expect", "Proxy-Authorization", "Proxy-Authenticate"};
    static const char *const for_tasks[] = {"Range",          "If-Range",          "If-Match",
                                            "If-None-Match",  "If-Modified-Since", "If-Unmodified-Since",
                                            "Accept-Encoding"};
    if (strncasecmp(name, DTR_H_PREFIX, strlen(DTR_H_PREFIX)) == 0 ||
        any_of(always, sizeof(always) / sizeof(always[0]), name))
        return true;
    if (task && any_of(for_tasks, sizeof(for_tasks) / sizeof(for_tasks[0]), name))
        return true;
    return dtr_http_hop_by_hop(request->headers, request->header_count, name);
}

void dtr_mirror_headers(const struct dtr_http_request *request, struct dtr_mirror_plan *plan)
{
    plan->header_count = 0;
    for (size_t i = 0; i < request->header_count; i++)
        if (!stays_here(request, request->headers[i].name, plan->kind == DTR_MIRROR_TASK))
            plan->headers[plan->header_count++] = request->headers[i];
}

/* --- options ------------------------------------------------------------------------------------------ */

bool dtr_http_parse_size(const char *text, uint64_t *ret_bytes)
{
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {{"", 1},           {"b", 1},           {"k", 1000},     {"kb", 1000},    {"ki", 1 << 10},
                 {"kib", 1 << 10},  {"m", 1000000},     {"mb", 1000000}, {"mi", 1 << 20}, {"mib", 1 << 20},
                 {"g", 1000000000}, {"gb", 1000000000}, {"gi", 1 << 30}, {"gib", 1 << 30}};
    size_t digits = strspn(text, "0123456789");
    uint64_t number;
    const char *unit = text + digits + strspn(text + digits, " ");
    if (!dtr_parse_u64(text, digits, &number))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (dtr_casecmp(unit, units[i].name) == 0)
            return !__builtin_mul_overflow(number, units[i].bytes, ret_bytes);
    return false;
}

static bool is_true(const char *value)
{
    return dtr_casecmp(value, "true") == 0;
}

/* "a, b,c": the list that replaces the rule's. One block holds the pointers and one the text. */
static int read_filter(const char *value, struct dtr_mirror_plan *plan, struct dtr_error *err)
{
    size_t count = 1, length = strlen(value) + 1;
    for (const char *at = value; *at; at++)
        count += strchr(", \t", *at) != NULL;
    plan->filter_memory = malloc(count * sizeof(*plan->filter_memory) + length);
    if (!plan->filter_memory) {
        int code = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for query parameters");
        if (err)
            err->status = 500;
        return code;
    }
    char *text = memcpy(plan->filter_memory + count, value, length), *rest = NULL;
    plan->filtered_query_params = plan->filter_memory;
    plan->filtered_query_param_count = 0;
    plan->default_filter = false;
    for (char *name = strtok_r(text, ", \t", &rest); name; name = strtok_r(NULL, ", \t", &rest))
        plan->filter_memory[plan->filtered_query_param_count++] = name;
    return DTR_OK;
}

static int read_numbers(const struct dtr_http_request *request, struct dtr_mirror_plan *plan,
                        struct dtr_error *err)
{
    const char *priority = dtr_http_header(request, DTR_H_PRIORITY);
    const char *piece = dtr_http_header(request, DTR_H_PIECE_LENGTH);
    plan->priority = 6;
    if (priority) {
        if (strlen(priority) != 1 || *priority < '0' || *priority > '6')
            return dtr_mirror_refuse(err, DTR_H_PRIORITY " is not in 0..6");
        plan->priority = *priority - '0';
    }
    if (piece &&
        (!dtr_http_parse_size(piece, &plan->piece_length) || plan->piece_length < DTR_MIRROR_PIECE_MIN))
        return dtr_mirror_refuse(err, DTR_H_PIECE_LENGTH " is not a size of at least 4 MiB");
    return DTR_OK;
}

/* A header that switches, or what is configured. */
static bool switched(const struct dtr_http_request *request, const char *name, bool configured)
{
    const char *value = dtr_http_header(request, name);
    return value ? is_true(value) : configured;
}

int dtr_mirror_options(const struct dtr_http_request *request, struct dtr_mirror_plan *plan,
                       struct dtr_error *err)
{
    const char *filter = dtr_http_header(request, DTR_H_FILTERED_PARAMS);
    const char *content = dtr_http_header(request, DTR_H_CONTENT_FOR_ID);
    const char *tag = dtr_http_header(request, DTR_H_TAG);
    const char *application = dtr_http_header(request, DTR_H_APPLICATION);
    plan->tag = tag ? tag : "";
    plan->application = application ? application : "";
    plan->content_for_task_id = content && *content ? content : NULL;
    plan->prefetch = switched(request, DTR_H_PREFETCH, plan->prefetch);
    plan->blob_digest_id = switched(request, DTR_H_BLOB_DIGEST_ID, plan->blob_digest_id);
    plan->force_hard_link = switched(request, DTR_H_FORCE_HARD_LINK, false);
    plan->output_path = dtr_http_header(request, DTR_H_OUTPUT_PATH);
    plan->range = dtr_http_range_parse(dtr_http_header(request, "Range"));
    plan->if_range = dtr_http_header(request, "If-Range");
    if (plan->output_path && plan->output_path[0] != '/')
        return dtr_mirror_refuse(err, DTR_H_OUTPUT_PATH " is not an absolute path");
    int code = read_numbers(request, plan, err);
    return code == DTR_OK && filter ? read_filter(filter, plan, err) : code;
}
