/* The configured side of the proxy's decisions: the registry, the rules, and their expressions. */
#include "core/base/str.h"
#include "core/http/mirror_internal.h"

#include <stdlib.h>
#include <string.h>

static char **copy_list(const char *const *list, size_t count)
{
    char **copy = calloc(count + 1, sizeof(*copy));
    for (size_t i = 0; copy && i < count; i++)
        copy[i] = strdup(list[i]);
    return copy;
}

static void free_list(char **list, size_t count)
{
    for (size_t i = 0; list && i < count; i++)
        free(list[i]);
    free(list);
}

static int compile(const struct dtr_mirror_rule *from, size_t number, struct dtr_mirror_compiled *rule,
                   struct dtr_error *err)
{
    struct dtr_error why;
    int rc = dtr_pattern_new(from->regex, &rule->pattern, &why);
    if (rc != DTR_OK)
        return dtr_error_set(err, rc, why.retry, "proxy.rules[%zu].regex: %s", number, why.text);
    if (from->redirect && !dtr_http_authority_ok(from->redirect, strlen(from->redirect), false))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "proxy.rules[%zu].redirect is neither a host nor host:port", number);
    rule->use_tls = from->use_tls;
    rule->redirect = from->redirect ? strdup(from->redirect) : NULL;
    rule->has_filter = from->filtered_query_params != NULL;
    rule->filter_count = from->filtered_query_param_count;
    rule->filter = copy_list(from->filtered_query_params, rule->filter_count);
    return DTR_OK;
}

static bool list_complete(char **list, size_t count)
{
    for (size_t i = 0; list && i < count; i++)
        if (!list[i])
            return false;
    return list != NULL;
}

/* Whether every copy made above came about. */
static bool complete(const struct dtr_mirror *mirror, const struct dtr_mirror_config *config)
{
    for (size_t i = 0; i < mirror->rule_count; i++)
        if (!list_complete(mirror->rules[i].filter, mirror->rules[i].filter_count) ||
            (config->rules[i].redirect && !mirror->rules[i].redirect))
            return false;
    return list_complete(mirror->plain_hosts, mirror->plain_host_count);
}

static int fill(struct dtr_mirror *mirror, const struct dtr_mirror_config *config, struct dtr_error *err)
{
    mirror->prefetch = config->prefetch;
    mirror->blob_digest_id = config->blob_digest_id;
    mirror->plain_hosts = copy_list(config->plain_hosts, config->plain_host_count);
    mirror->plain_host_count = config->plain_host_count;
    mirror->registry = strdup(config->registry ? config->registry : DTR_MIRROR_REGISTRY);
    mirror->rules = calloc(config->rule_count + 1, sizeof(*mirror->rules));
    if (!mirror->registry || !mirror->rules)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the proxy's rules");
    if (!dtr_mirror_parse_base(mirror->registry, &mirror->base))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "proxy.registryMirror.addr '%.100s' is not of the form https://host[:port]",
                             mirror->registry);
    mirror->base.trusted = true;
    for (; mirror->rule_count < config->rule_count; mirror->rule_count++) {
        size_t i = mirror->rule_count;
        int code = compile(&config->rules[i], i, &mirror->rules[i], err);
        if (code != DTR_OK) {
            mirror->rule_count++; /* what there is of it is freed with the others */
            return code;
        }
    }
    if (!complete(mirror, config))
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the proxy's rules");
    return DTR_OK;
}

int dtr_mirror_new(const struct dtr_mirror_config *config, struct dtr_mirror **ret_mirror,
                   struct dtr_error *err)
{
    struct dtr_mirror *mirror = calloc(1, sizeof(*mirror));
    if (!mirror)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the proxy's rules");
    int code = fill(mirror, config, err);
    if (code != DTR_OK) {
        dtr_mirror_free(mirror);
        return code;
    }
    *ret_mirror = mirror;
    return DTR_OK;
}

void dtr_mirror_free(struct dtr_mirror *mirror)
{
    if (!mirror)
        return;
    for (size_t i = 0; i < mirror->rule_count; i++) {
        dtr_pattern_free(mirror->rules[i].pattern);
        free(mirror->rules[i].redirect);
        free_list(mirror->rules[i].filter, mirror->rules[i].filter_count);
    }
    free(mirror->rules);
    free_list(mirror->plain_hosts, mirror->plain_host_count);
    free(mirror->registry);
    free(mirror);
}

/* --- rules ---------------------------------------------------------------------------------------------- */

const struct dtr_mirror_compiled *dtr_mirror_find_rule(const struct dtr_mirror *mirror, const char *url)
{
    for (size_t i = 0; i < mirror->rule_count; i++)
        if (dtr_pattern_found(mirror->rules[i].pattern, url, strcspn(url, "?")))
            return &mirror->rules[i];
    return NULL;
}
