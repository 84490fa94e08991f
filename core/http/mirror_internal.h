/* Shared by mirror.c, mirror_config.c and mirror_options.c only. */
#ifndef DTR_HTTP_MIRROR_INTERNAL_H
#define DTR_HTTP_MIRROR_INTERNAL_H

#include "core/base/pattern.h"
#include "core/http/mirror.h"

struct dtr_mirror_compiled {
    struct dtr_pattern *pattern;
    bool use_tls;
    char *redirect; /* NULL: none */
    char **filter;
    size_t filter_count;
    bool has_filter;
};

/* Where requests go: scheme, host[:port], and what comes before the request's path. */
struct dtr_mirror_base {
    const char *scheme;
    char authority[DTR_HTTP_AUTHORITY];
    const char *prefix; /* "" or "/path", not NUL-terminated */
    size_t prefix_length;
    bool trusted;
};

struct dtr_mirror {
    char *registry;
    struct dtr_mirror_base base; /* points into registry */
    struct dtr_mirror_compiled *rules;
    size_t rule_count;
    char **plain_hosts;
    size_t plain_host_count;
    bool prefetch, blob_digest_id;
};

/* A registry's URL taken apart; `base` points into it. Docker Hub's names are mapped. */
bool dtr_mirror_parse_base(const char *url, struct dtr_mirror_base *base);
/* The first rule that matches the URL without its query, or NULL. */
const struct dtr_mirror_compiled *dtr_mirror_find_rule(const struct dtr_mirror *mirror, const char *url);
/* Fills err with status 400 and returns its code. */
int dtr_mirror_refuse(struct dtr_error *err, const char *what);
/* Headers for upstream, and the options of a task. `filter` of the matching rule stands unless a header
 * replaces it. */
void dtr_mirror_headers(const struct dtr_http_request *request, struct dtr_mirror_plan *plan);
/* A header that is true or false sets *on, one that is not there leaves it; else it is refused. */
int dtr_mirror_switch(const struct dtr_http_request *request, const char *name, bool *on,
                      struct dtr_error *err);
int dtr_mirror_options(const struct dtr_http_request *request, struct dtr_mirror_plan *plan,
                       struct dtr_error *err);

#endif
