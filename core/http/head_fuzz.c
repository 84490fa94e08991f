/* Request heads: the first byte says in which steps the rest is fed. Whole and in steps must agree, and what
 * is understood must keep its promises. The proxy's decision on it is made as well. */
#include "core/http/head.h"
#include "core/http/mirror.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static int feed(struct dtr_http_head *head, const uint8_t *data, size_t size, size_t step, size_t *ret_used,
                struct dtr_error *err)
{
    int code = DTR_OK;
    *ret_used = 0;
    while (code == DTR_OK && *ret_used < size && !head->complete) {
        size_t used, left = size - *ret_used;
        code = dtr_http_head_feed(head, data + *ret_used, left < step ? left : step, &used, err);
        *ret_used += used;
    }
    return code;
}

static void check(const struct dtr_http_request *request)
{
    require(dtr_http_token_ok(request->method, strlen(request->method)));
    require(request->header_count <= DTR_HTTP_HEADERS_MAX);
    for (size_t i = 0; i < request->header_count; i++) {
        require(dtr_http_token_ok(request->headers[i].name, strlen(request->headers[i].name)));
        require(dtr_http_value_ok(request->headers[i].value));
    }
    require(request->path_length <= strlen(request->path));
    require(request->authority[0] == 0 ||
            dtr_http_authority_ok(request->authority, strlen(request->authority), false));
    require(request->form == DTR_HTTP_AUTHORITY_FORM || request->form == DTR_HTTP_ASTERISK ||
            request->path[0] == '/');
    require(request->body_length <= INT64_MAX || request->body_length == DTR_LENGTH_UNKNOWN);
}

static void decide(const struct dtr_http_request *request)
{
    static struct dtr_mirror *mirror;
    static const char *const plain[] = {"127.0.0.1:5000"};
    static const struct dtr_mirror_rule rules[] = {{.regex = DTR_MIRROR_RULE},
                                                   {.regex = "x", .redirect = "y:1"}};
    const struct dtr_mirror_config config = {
        .rules = rules, .rule_count = 2, .plain_hosts = plain, .plain_host_count = 1};
    struct dtr_mirror_plan plan;
    struct dtr_error err = {0};
    if (!mirror)
        require(dtr_mirror_new(&config, &mirror, &err) == DTR_OK);
    if (dtr_mirror_decide(mirror, request, &plan, &err) != DTR_OK) {
        require(err.status == 400);
    } else {
        require(plan.url != NULL);
        for (size_t i = 0; i < plan.header_count; i++)
            require(strncasecmp(plan.headers[i].name, "X-Dragonfly-", 12) != 0);
    }
    dtr_mirror_plan_free(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dtr_http_head whole = {0}, parts = {0};
    struct dtr_error err = {0}, other = {0};
    size_t used, used_parts;
    if (size < 1)
        return 0;
    int code = feed(&whole, data + 1, size - 1, SIZE_MAX, &used, &err);
    int code_parts = feed(&parts, data + 1, size - 1, (size_t)data[0] + 1, &used_parts, &other);
    require(code == code_parts && err.status == other.status && used == used_parts);
    require(whole.complete == parts.complete && whole.capacity <= DTR_HTTP_HEAD_MAX);
    if (whole.complete) {
        check(&whole.request);
        decide(&whole.request);
    }
    dtr_http_head_free(&whole);
    dtr_http_head_free(&parts);
    return 0;
}
