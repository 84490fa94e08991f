/* What a request on the proxy port turns out to be: a task for the swarm, a pass-through, or a tunnel; and
 * where it goes upstream (features page, 3.7). A function of the request's head and the configuration; it
 * asks nobody and dials nobody. A dtr_mirror does not change after it was made: any thread.
 *
 * The upstream of a request in
 *   absolute form   is its target (forward proxy);
 *   origin form     is the X-Dragonfly-Registry header, else the host in the query's `ns` (containerd says
 * there which registry it means), else the configured registry (registry mirror); authority form  is a
 * tunnel's far end.
 *
 * Docker Hub: images are named "docker.io/...", but docker.io is a web site and no registry; index.docker.io
 * answers for one only in part. As a host without a path both stand for the registry that docker and
 * containerd use, https://registry-1.docker.io.
 *
 * `ns` carries no scheme: https is taken unless the configuration says otherwise, by the scheme of the
 * configured registry when it is that host, or by the list of plain hosts. The X-Dragonfly-Registry header
 * names its scheme and is taken as it is.
 *
 * The destination is trusted (the outbound guard lets it pass wherever it points) when an operator wrote it
 * down: the configured registry, a rule's redirect, a plain host. Nothing that came with the request
 * makes it trusted. */
#ifndef DTR_HTTP_MIRROR_H
#define DTR_HTTP_MIRROR_H

#include "core/http/head.h"
#include "core/http/range.h"

#define DTR_MIRROR_REGISTRY  "https://index.docker.io" /* proxy.registryMirror.addr by default */
#define DTR_MIRROR_RULE      "blobs/sha256.*"          /* the rule when proxy.rules is not there */
#define DTR_MIRROR_PIECE_MIN ((uint64_t)4 << 20)       /* least X-Dragonfly-Piece-Length, bytes */
#define DTR_MIRROR_PIECE_MAX ((uint64_t)64 << 20)      /* and the most */

/* One of proxy.rules. Strings are copied by dtr_mirror_new(). */
struct dtr_mirror_rule {
    const char *regex;                        /* searched in the URL without query, PCRE2 syntax */
    bool use_tls;                             /* the upstream's scheme becomes https */
    const char *redirect;                     /* host or host:port to ask instead, or NULL */
    const char *const *filtered_query_params; /* NULL: the default list */
    size_t filtered_query_param_count;
};

struct dtr_mirror_config {
    const char *registry; /* "http[s]://host[:port][/path]", or NULL for DTR_MIRROR_REGISTRY */
    const struct dtr_mirror_rule *rules;
    size_t rule_count;
    const char *const *plain_hosts; /* "host[:port]" that `ns` reaches by http */
    size_t plain_host_count;
    bool prefetch;       /* proxy.prefetch */
    bool blob_digest_id; /* proxy.registryMirror.enableTaskIDBasedBlobDigest */
};

enum dtr_mirror_kind {
    DTR_MIRROR_TASK,   /* through the swarm: GET of a URL a rule names, or forced by header */
    DTR_MIRROR_PASS,   /* to the origin and back, unchanged */
    DTR_MIRROR_TUNNEL, /* CONNECT: `url` is "host:port" */
};

/* Plain data; strings point into the request, the mirror, or `memory`. */
struct dtr_mirror_plan {
    enum dtr_mirror_kind kind;
    const char *url; /* absolute; without `ns` where that named the upstream */
    bool trusted;
    /* What goes upstream: without hop-by-hop headers, Host, Expect, X-Dragonfly-*; for a task also without
     * Range, conditions and Accept-Encoding, since the task is the whole object, bytes as they are. */
    struct dtr_header headers[DTR_HTTP_HEADERS_MAX];
    size_t header_count;

    /* For tasks. */
    struct dtr_http_range range; /* the part the client wants */
    const char *if_range;        /* its condition, or NULL */
    const char *tag, *application;
    int priority; /* 0..6, 6 when not given */
    const char *const *filtered_query_params;
    size_t filtered_query_param_count;
    bool default_filter; /* the two above are empty: use the default list */
    bool prefetch;
    bool blob_digest_id;
    uint64_t piece_length;           /* bytes, 0 when not given */
    const char *content_for_task_id; /* NULL when not given */
    const char *output_path; /* absolute, NULL when not given; the caller decides whether it is honoured */
    bool force_hard_link;

    char *memory; /* one block, freed by dtr_mirror_plan_free() */
    const char **filter_memory;
};

struct dtr_mirror;

/* Checks and compiles the configuration; errors name the key. */
int dtr_mirror_new(const struct dtr_mirror_config *config, struct dtr_mirror **ret_mirror,
                   struct dtr_error *err);
void dtr_mirror_free(struct dtr_mirror *mirror);
/* Decides. The plan lives as long as request and mirror, and is freed by dtr_mirror_plan_free(), also after
 * an error; then err->status is the HTTP status to answer with (400 or 500). */
int dtr_mirror_decide(const struct dtr_mirror *mirror, const struct dtr_http_request *request,
                      struct dtr_mirror_plan *ret_plan, struct dtr_error *err);
/* What was decided to be a task is passed to its origin all the same: Range and conditions go along. */
void dtr_mirror_plan_pass(const struct dtr_http_request *request, struct dtr_mirror_plan *plan);
void dtr_mirror_plan_free(struct dtr_mirror_plan *plan);

/* Whether an operator wrote down the host of this URL: the registry, a rule's redirect, a plain host.
 * `mirror` may be NULL: nobody did. */
bool dtr_mirror_names(const struct dtr_mirror *mirror, const char *url);

/* "4MiB", "8mb", "4194304": a whole number and a unit (b, k, kb = 1000; ki, kib = 1024; m, g likewise), in
 * any case. */
bool dtr_http_parse_size(const char *text, uint64_t *ret_bytes);

#endif
