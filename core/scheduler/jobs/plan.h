/* Which hosts a job asks about which objects: the choice that a request states (scope, ips, count,
 * percentage), and what the numbers in its grid stand for.
 *
 * The rules are Dragonfly's (features page 1.7): a single seed is the one that the task's id points to,
 * whatever else is said; of all seeds or all peers, `ips` beats `count` beats `percentage`. Pure. One thread.
 */
#ifndef DTR_SCHEDULER_PLAN_H
#define DTR_SCHEDULER_PLAN_H

#include "core/brain/task_id.h"
#include "core/scheduler/jobs/grid.h"

/* name, how requests spell it */
#define PLAN_SCOPES(X)                                                                                       \
    X(SINGLE_SEED, "single_seed_peer")                                                                       \
    X(ALL_SEEDS, "all_seed_peers")                                                                           \
    X(ALL_PEERS, "all_peers")

enum plan_scope {
#define PLAN_SCOPE_ENUM(name, text) PLAN_##name,
    PLAN_SCOPES(PLAN_SCOPE_ENUM)
#undef PLAN_SCOPE_ENUM
        PLAN_EVERYBODY, /* seeds and peers: whom FindTask asks */
};

struct plan_choice {
    enum plan_scope scope;
    const char *const *ips; /* the request's; each an address */
    size_t ip_count;
    bool has_count, has_percentage;
    uint32_t count, percentage;
};

/* What a host announced. Texts are the plan's. */
struct plan_host {
    const char *id, *hostname, *ip;
    uint32_t type;                  /* 0: no seed */
    uint16_t port;                  /* of its gRPC */
    bool proven;                    /* it announced itself from `ip` */
    bool seed_serves;               /* a seed whose last probe went well */
    int64_t created_ms, updated_ms; /* since 1970 */
    char *texts;
};

struct plan_object {
    char *url; /* "" : only the id is known */
    char task_id[DTR_TASK_ID_SIZE];
};

struct plan {
    struct plan_host *hosts;
    size_t host_count, host_room;
    struct plan_object *objects;
    size_t object_count, object_room;
    struct grid *grid; /* by the places of the two lists; NULL until plan_begin() */
};

/* "" is single_seed_peer. */
int plan_scope(const char *text, enum plan_scope *ret_scope, struct dtr_error *err);
/* Whether a request may say so: DTR_EINVALID names the field. */
int plan_check(const struct plan_choice *choice, struct dtr_error *err);

void plan_init(struct plan *plan);
void plan_free(struct plan *plan);
/* Copies the texts. *ret_host (or NULL) is its place. */
int plan_add_host(struct plan *plan, const struct plan_host *host, uint32_t *ret_host, struct dtr_error *err);
/* The place of the host with this id; false: it was not added. */
bool plan_find_host(const struct plan *plan, const char *id, uint32_t *ret_host);
/* Copies; `task_id` is one. */
int plan_add_object(struct plan *plan, const char *url, const char *task_id, struct dtr_error *err);
/* Leaves the chosen hosts of those that were added: the seeds that serve first, then in the order in which
 * they were added. Not for PLAN_SINGLE_SEED. DTR_ENOT_FOUND: there is none, or none has
 * one of the ips. */
int plan_choose(struct plan *plan, const struct plan_choice *choice, struct dtr_error *err);
/* Every object on every host. */
int plan_begin(struct plan *plan, const struct grid_limits *limits, struct dtr_error *err);
/* Each object on the one host whose place is given for it. */
int plan_begin_single(struct plan *plan, const struct grid_limits *limits, const uint32_t *hosts,
                      struct dtr_error *err);

#endif
