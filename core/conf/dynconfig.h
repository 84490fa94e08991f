/* The local dynconfig.yaml of scheduler and daemon as one struct; each reads its own keys. Rows:
 * dynconfig_rows.c. */
#ifndef DTR_CONF_DYNCONFIG_H
#define DTR_CONF_DYNCONFIG_H

#include "core/conf/types.h"

struct dtr_conf_priority_url {
    const char *regex;
    int64_t value;
};

struct dtr_conf_priority_urls {
    struct dtr_conf_priority_url *items;
    size_t count;
};

struct dtr_conf_application {
    int64_t id;
    const char *name, *url, *bio;
    int64_t priority;
    struct dtr_conf_priority_urls urls;
};

struct dtr_conf_applications {
    struct dtr_conf_application *items;
    size_t count;
};

struct dtr_dynconfig {
    /* The daemon's: a DNS name with port that is resolved to all its addresses, or addresses. */
    struct {
        const char *addr;
        struct dtr_conf_strings addrs;
    } scheduler;
    /* The scheduler's. */
    struct dtr_conf_applications applications;
    int64_t seed_peer_load_limit, peer_load_limit;
    int64_t candidate_parent_limit, filter_parent_limit, job_rate_limit;
};

#endif
