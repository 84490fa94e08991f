/* Which upstream a proxy request means, and what becomes of it; see mirror.h. */
#include "core/base/str.h"
#include "core/http/fields.h"
#include "core/http/mirror_internal.h"

#include <stdlib.h>
#include <string.h>

/* --- bases --------------------------------------------------------------------------------------------- */

static bool same_host(const char *a, const char *b)
{
    return dtr_casecmp(a, b) == 0;
}

/* Docker Hub's names: see mirror.h. */
static void map_docker_hub(struct dtr_mirror_base *base)
{
    static const char *const names[] = {"docker.io", "index.docker.io"};
    for (size_t i = 0; i < 2 && base->prefix_length == 0; i++) {
        if (!same_host(base->authority, names[i]))
            continue;
        base->scheme = "https";
        (void)dtr_copy_text(base->authority, sizeof(base->authority), "registry-1.docker.io");
        return;
    }
}

/* "http[s]://host[:port][/path]"; a final '/' is dropped. */
bool dtr_mirror_parse_base(const char *url, struct dtr_mirror_base *base)
{
    size_t skip = 0;
    *base = (struct dtr_mirror_base){.scheme = dtr_http_scheme(url, strlen(url), &skip)};
    if (!base->scheme || strpbrk(url, "?# \t"))
        return false;
    size_t length = strcspn(url + skip, "/");
    if (!dtr_http_authority_ok(url + skip, length, false))
        return false;
    memcpy(base->authority, url + skip, length);
    base->prefix = url + skip + length;
    base->prefix_length = strlen(base->prefix);
    while (base->prefix_length > 0 && base->prefix[base->prefix_length - 1] == '/')
        base->prefix_length--;
    map_docker_hub(base);
    return true;
}

static bool listed(char *const *hosts, size_t count, const char *host)
{
    for (size_t i = 0; i < count; i++)
        if (same_host(hosts[i], host))
            return true;
    return false;
}

/* --- the upstream of a request ------------------------------------------------------------------------- */

/* The next parameter of a query at *at, moved past; NULL at the end. */
static const char *next_param(const char **at, size_t *ret_length)
{
    const char *param = *at;
    if (!param || !*param)
        return NULL;
    *ret_length = strcspn(param, "&");
    *at = param + *ret_length + (param[*ret_length] == '&');
    return param;
}

static bool is_ns(const char *param, size_t length)
{
    return length >= 3 && memcmp(param, "ns=", 3) == 0;
}

static int hex_digit(char c)
{
    const char *at = c ? strchr("0123456789abcdef", c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
    static const char digits[] = "0123456789abcdef";
    return at ? (int)(strchr(digits, *at) - digits) : -1;
}

/* The host in `ns`, percent-decoded; false when it is none. */
static bool decode_host(const char *from, size_t length, char host[DTR_HTTP_AUTHORITY])
{
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        char c = from[i];
        if (c == '%') {
            int high = i + 2 < length ? hex_digit(from[i + 1]) : -1;
            int low = i + 2 < length ? hex_digit(from[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (used + 1 == DTR_HTTP_AUTHORITY)
            return false;
        host[used++] = c;
    }
    host[used] = 0;
    return dtr_http_authority_ok(host, used, false);
}

/* Whether the configuration names this destination. */
static bool configured(const struct dtr_mirror *mirror, const struct dtr_mirror_base *base)
{
    if (same_host(base->authority, mirror->base.authority) && strcmp(base->scheme, mirror->base.scheme) == 0)
        return true;
    return listed(mirror->plain_hosts, mirror->plain_host_count, base->authority);
}

static bool redirected_to(const struct dtr_mirror *mirror, const char *authority)
{
    for (size_t i = 0; i < mirror->rule_count; i++) {
        if (mirror->rules[i].redirect && same_host(mirror->rules[i].redirect, authority))
            return true;
    }
    return false;
}

bool dtr_mirror_names(const struct dtr_mirror *mirror, const char *url)
{
    struct dtr_mirror_base base = {0};
    const char *host = strstr(url, "://");
    char *root = host ? strndup(url, (size_t)(host - url) + 3 + strcspn(host + 3, "/?#")) : NULL;
    bool named = mirror && root && dtr_mirror_parse_base(root, &base) &&
                 (configured(mirror, &base) || redirected_to(mirror, base.authority));
    free(root);
    return named;
}

static bool base_of_ns(const struct dtr_mirror *mirror, const char *value, size_t length,
                       struct dtr_mirror_base *base)
{
    *base = (struct dtr_mirror_base){.scheme = "https", .prefix = ""};
    if (!decode_host(value, length, base->authority))
        return false;
    map_docker_hub(base);
    if (same_host(base->authority, mirror->base.authority))
        base->scheme = mirror->base.scheme;
    else if (listed(mirror->plain_hosts, mirror->plain_host_count, base->authority))
        base->scheme = "http";
    base->trusted = configured(mirror, base);
    return true;
}

/* Where an origin-form request goes. */
static int find_base(const struct dtr_mirror *mirror, const struct dtr_http_request *request,
                     struct dtr_mirror_base *base, struct dtr_error *err)
{
    const char *registry = dtr_http_header(request, DTR_H_REGISTRY);
    const char *at = dtr_http_query(request), *param;
    size_t length;
    if (registry) {
        if (!dtr_mirror_parse_base(registry, base))
            return dtr_mirror_refuse(err, DTR_H_REGISTRY " is not of the form https://host[:port]");
        base->trusted = configured(mirror, base);
        return DTR_OK;
    }
    while ((param = next_param(&at, &length)) != NULL) {
        if (!is_ns(param, length) || length == 3)
            continue;
        if (!base_of_ns(mirror, param + 3, length - 3, base))
            return dtr_mirror_refuse(err, "the query's ns is not a host");
        return DTR_OK;
    }
    *base = mirror->base;
    return DTR_OK;
}

/* The path, and the query without `ns`. */
static void put_path(struct dtr_str *url, const struct dtr_http_request *request, bool drop_ns)
{
    const char *at = dtr_http_query(request), *param;
    size_t length;
    char separator = '?';
    dtr_str_add(url, request->path, request->path_length);
    if (at && !drop_ns) {
        dtr_str_puts(url, request->path + request->path_length);
        return;
    }
    while ((param = next_param(&at, &length)) != NULL) {
        if (is_ns(param, length))
            continue;
        dtr_str_putc(url, separator);
        dtr_str_add(url, param, length);
        separator = '&';
    }
}

static char *make_url(const struct dtr_mirror_base *base, const struct dtr_http_request *request,
                      bool drop_ns)
{
    struct dtr_str url = {0};
    dtr_str_printf(&url, "%s://%s", base->scheme, base->authority);
    dtr_str_add(&url, base->prefix, base->prefix_length);
    put_path(&url, request, drop_ns);
    return dtr_str_take(&url);
}

/* --- the decision -------------------------------------------------------------------------------------- */

static void apply_rule(const struct dtr_mirror_compiled *rule, struct dtr_mirror_base *base,
                       struct dtr_mirror_plan *plan)
{
    plan->default_filter = !rule->has_filter;
    plan->filtered_query_params = (const char *const *)rule->filter;
    plan->filtered_query_param_count = rule->filter_count;
    if (rule->use_tls)
        base->scheme = "https";
    if (rule->redirect) {
        (void)dtr_copy_text(base->authority, sizeof(base->authority), rule->redirect);
        base->trusted = true;
    }
}

static int out_of_memory(struct dtr_error *err)
{
    int code = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a proxy request");
    if (err)
        err->status = 500;
    return code;
}

/* Only GET without a body can be a task. */
static bool may_be_task(const struct dtr_http_request *request)
{
    return strcmp(request->method, "GET") == 0 && request->body_length == 0;
}

static int decide_upstream(const struct dtr_mirror *mirror, const struct dtr_http_request *request,
                           struct dtr_mirror_base *base, struct dtr_mirror_plan *plan, struct dtr_error *err)
{
    bool drop_ns = request->form == DTR_HTTP_ORIGIN;
    bool forced = false;
    int code = may_be_task(request) ? dtr_mirror_switch(request, DTR_H_USE_P2P, &forced, err) : DTR_OK;
    if (code != DTR_OK)
        return code;
    plan->memory = make_url(base, request, drop_ns);
    if (!plan->memory)
        return out_of_memory(err);
    const struct dtr_mirror_compiled *rule =
        may_be_task(request) ? dtr_mirror_find_rule(mirror, plan->memory) : NULL;
    if (rule) {
        apply_rule(rule, base, plan);
        free(plan->memory);
        plan->memory = make_url(base, request, drop_ns);
        if (!plan->memory)
            return out_of_memory(err);
    }
    if (rule || forced)
        plan->kind = DTR_MIRROR_TASK;
    plan->url = plan->memory;
    plan->trusted = base->trusted;
    return DTR_OK;
}

int dtr_mirror_decide(const struct dtr_mirror *mirror, const struct dtr_http_request *request,
                      struct dtr_mirror_plan *ret_plan, struct dtr_error *err)
{
    struct dtr_mirror_base base = {.scheme = request->scheme, .prefix = ""};
    struct dtr_mirror_plan *plan = ret_plan;
    int code = DTR_OK;
    *plan = (struct dtr_mirror_plan){.kind = DTR_MIRROR_PASS, .default_filter = true, .priority = 6};
    plan->prefetch = mirror->prefetch;
    plan->blob_digest_id = mirror->blob_digest_id;
    switch (request->form) {
    case DTR_HTTP_AUTHORITY_FORM:
        plan->kind = DTR_MIRROR_TUNNEL;
        plan->url = request->authority;
        return DTR_OK;
    case DTR_HTTP_ASTERISK:
        return dtr_mirror_refuse(err, "OPTIONS * has no upstream");
    case DTR_HTTP_ABSOLUTE:
        (void)dtr_copy_text(base.authority, sizeof(base.authority), request->authority);
        base.trusted = configured(mirror, &base);
        break;
    case DTR_HTTP_ORIGIN:
        code = find_base(mirror, request, &base, err);
        break;
    }
    if (code == DTR_OK)
        code = decide_upstream(mirror, request, &base, plan, err);
    if (code != DTR_OK)
        return code;
    dtr_mirror_headers(request, plan);
    return plan->kind == DTR_MIRROR_TASK ? dtr_mirror_options(request, plan, err) : DTR_OK;
}

void dtr_mirror_plan_pass(const struct dtr_http_request *request, struct dtr_mirror_plan *plan)
{
    plan->kind = DTR_MIRROR_PASS;
    dtr_mirror_headers(request, plan);
}

void dtr_mirror_plan_free(struct dtr_mirror_plan *plan)
{
    free(plan->memory);
    free(plan->filter_memory);
    plan->memory = NULL;
    plan->filter_memory = NULL;
}
